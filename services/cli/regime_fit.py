"""Regimes and volatility of a whole history at once: a description of the past, which knows all of it on every day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from risk_core.engine.watch.regime import INNOVATION, VOLATILITY_MODEL
from risk_core.regimes import HmmFit, choose_states, fit_hmm, hmm_standard_errors, regime_statistics
from risk_core.volatility import fit_volatility
from services.cli.regime_shapes import Chain, Volatility, chain

CONFIDENCE = 0.99


@dataclass(frozen=True, slots=True)
class Candidate:
    """A number of states and what speaks for it; `out_of_sample` is the mean log density of the second half, parameters from the first."""

    states: int
    log_likelihood: float
    bic: float
    aic: float
    out_of_sample: float
    status: str


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fit of a symbol's history; `bic_of_one` is that of one law without regimes."""

    symbol: str
    feed: str
    first: str
    last: str
    moves: int
    law: str
    states: int
    status: str
    reason: str
    log_likelihood: float
    bic: float
    bic_of_one: float
    chain: Chain
    volatility: Volatility
    candidates: tuple[Candidate, ...] = ()


def fitted(symbol: str, feed: str, span: tuple[str, str], moves: Sequence[float], states: int | None, law: str) -> Fitted:
    """Fit a hidden Markov model and a volatility model.

    Parameters
    ----------
    symbol, feed : str
        Names.
    span : (str, str)
        First and last day.
    moves : sequence of float
        Oldest first.
    states : int or None
        None chooses by BIC.
    law : str
        "normal" or "student_t".

    Raises
    ------
    MeasureError
        For moves that nothing can be fitted to; says why.
    """
    candidates: tuple[Candidate, ...] = ()
    if states is None:
        choice = choose_states(moves, law=law, folds=1)
        fit = choice.best.fit
        candidates = tuple(Candidate(c.states, c.log_likelihood, c.bic, c.aic, c.out_of_sample, str(c.status)) for c in choice.candidates)
    else:
        fit = fit_hmm(moves, states, law=law)
    return Fitted(
        symbol=symbol,
        feed=feed,
        first=span[0],
        last=span[1],
        moves=len(moves),
        law=str(fit.model.law),
        states=fit.model.states,
        status=str(fit.status),
        reason=fit.reason,
        log_likelihood=fit.log_likelihood,
        bic=fit.bic,
        bic_of_one=fit.bic_of_one,
        chain=_chain(fit, moves),
        volatility=_volatility(moves),
        candidates=candidates,
    )


def _chain(fit: HmmFit, moves: Sequence[float]) -> Chain:
    statistics = regime_statistics(moves, fit.probabilities.smoothed, fit.model.labels, confidence=CONFIDENCE)
    return chain(fit.model, _fields(hmm_standard_errors(fit.model, moves)), [_fields(s) for s in statistics])


def _volatility(moves: Sequence[float]) -> Volatility:
    fit = fit_volatility(moves, VOLATILITY_MODEL, innovation=INNOVATION)
    return Volatility(dict(fit.parameters), fit.standard_errors("qml"), str(fit.status), fit.reason, fit.state.volatility)


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}
