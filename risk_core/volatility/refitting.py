"""Refits off the tick path: warm-started, watched for drift, and refused where a fit failed. Pure: the service decides when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from risk_core.measures.checks import MeasureError, checked_pnl
from risk_core.volatility.model_fit import ErrorKind, ModelFit
from risk_core.volatility.model_states import ModelState, model_state
from risk_core.volatility.models import fit_volatility
from risk_core.volatility.result import VolatilityStatus

DRIFT_LIMIT: Final = 4.0
"""Standard errors from the reference fit, from which a parameter is said to have drifted."""


@dataclass(frozen=True, slots=True, eq=False)
class Refit:
    """The model in use after a try to fit it again.

    Parameters
    ----------
    fit : ModelFit
        In use: the new one if accepted, else the last good one (or, before any was good, what there is).
    state : ModelState
        Of the fit in use, after the newest return that could be read.
    accepted : bool
        Whether the new fit is in use.
    status : VolatilityStatus
        Of the new fit; `not_converged` where it raised an error.
    reason : str
        Why it was refused, or what is to be known of it; empty when all is well.
    drift : dict
        By parameter: (fit in use - reference) / standard error (QML) of the reference.
    drifted : tuple of str
        Parameters beyond the limit.
    refusals : int
        Fits refused since the last accepted one.
    reference : ModelFit
        The first accepted fit, against which drift is told.
    """

    fit: ModelFit
    state: ModelState = field(repr=False)
    accepted: bool
    status: VolatilityStatus
    reason: str
    drift: dict[str, float]
    drifted: tuple[str, ...]
    refusals: int
    reference: ModelFit = field(repr=False)


def refit(
    returns: ArrayLike,
    last: Refit | None = None,
    *,
    fit: Callable[..., ModelFit] = fit_volatility,
    drift_limit: float = DRIFT_LIMIT,
) -> Refit:
    """Fit again, from the parameters in use, and say whether to use it.

    Parameters
    ----------
    returns : float64[S]
        The new window, oldest first.
    last : Refit, optional
        What was in use; None the first time.
    fit : callable
        Called as fit(returns) or fit(returns, initial=parameters): for other models
        `functools.partial(fit_volatility, model="gjr", innovation="student_t")`.
    drift_limit : float
        In standard errors, positive.

    Returns
    -------
    Refit
        A fit that raised a MeasureError, did not converge, is not stationary or had too little data is refused: the last good one stays,
        run through the new returns.

    Raises
    ------
    MeasureError
        If the first fit of all raises one, or the limit is not positive.
    """
    if not drift_limit > 0.0:
        raise MeasureError(f"drift_limit is in standard errors, positive, not {drift_limit!r}")
    if last is None:
        found = fit(returns)
        reason = found.reason if found.trusted else f"no earlier fit to keep: {found.reason}"
        return Refit(found, found.state, found.trusted, found.status, reason, {}, (), 0 if found.trusted else 1, found)
    try:
        found = fit(returns, initial=last.fit.parameters if last.fit.trusted else None)
    except MeasureError as error:
        return _kept(last, returns, VolatilityStatus.NOT_CONVERGED, str(error))
    if not found.trusted and last.fit.trusted:
        return _kept(last, returns, found.status, found.reason)
    reference = last.reference if last.reference.trusted else found
    drift = _drift(found, reference)
    drifted = tuple(name for name, size in drift.items() if abs(size) > drift_limit)
    notes = [found.reason] if found.reason else []
    notes += [f"{', '.join(drifted)} drifted more than {drift_limit:g} standard errors from the reference"] if drifted else []
    refusals = 0 if found.trusted else last.refusals + 1
    return Refit(found, found.state, found.trusted, found.status, "; ".join(notes), drift, drifted, refusals, reference)


def _kept(last: Refit, returns: ArrayLike, status: VolatilityStatus, reason: str) -> Refit:
    kept = f"the last good fit is kept ({last.refusals + 1} refused): {reason}"
    return Refit(last.fit, _carried(last, returns), False, status, kept, last.drift, last.drifted, last.refusals + 1, last.reference)


def _carried(last: Refit, returns: ArrayLike) -> ModelState:
    """Return the state of the kept fit after the new returns; the old state where these cannot be read, or never move."""
    try:
        series = checked_pnl(returns, "returns")
    except MeasureError:
        return last.state
    mean = last.fit.parameters["mean"]
    square = float(np.mean((series - mean) ** 2))
    if not square > 0.0:
        return last.state
    return model_state(last.state.model, last.state.parameters, square).filter(series)[1]


def _drift(found: ModelFit, reference: ModelFit) -> dict[str, float]:
    errors = reference.standard_errors(ErrorKind.QML)
    return {n: (found.parameters[n] - reference.parameters[n]) / e for n, e in errors.items() if n in found.parameters and e > 0.0}
