"""Market regimes: a normal law whose mean and variance switch with a hidden Markov chain, fitted to one series.

J. D. Hamilton, "A new approach to the economic analysis of nonstationary time series and the business cycle", Econometrica 57 (1989)
357-384, and "Analysis of time series subject to changes in regime", Journal of Econometrics 45 (1990) 39-70: expectation-maximisation with
the chances of the first day's state free. Nothing is random: the best of several fixed starts is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from math import log, pi
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.measures.checks import checked_pnl
from risk_core.scenarios.regime_kernels import expectation_maximisation
from risk_core.scenarios.scenario_set import ScenarioError

Floats = NDArray[np.float64]

FEWEST: Final = 60
"""Observations that a fit asks for."""
THIN: Final = 20.0
"""Expected days of a state below which its covariance is not to be trusted."""
_FLOOR: Final = 1e-4  # of the mean square: a standard deviation of a hundredth
_SPREADS: Final = (1, 21)
_SHARES: Final = (1.0, 0.5, 0.2)
_SHORT: Final = 50
_STEPS: Final = 5_000
_GAIN: Final = 1e-8


class RegimeStatus(StrEnum):
    """How far the regimes of a fit can be trusted."""

    OK = "ok"
    SINGULAR = "singular"
    """A state sits on observations that are all (nearly) equal: its variance stopped at the floor."""
    NOT_CONVERGED = "not_converged"
    """The likelihood still rose when the steps were spent."""
    ONE_REGIME = "one_regime"
    """One normal law has the better BIC: the states are not told apart."""
    THIN_STATE = "thin_state"
    """A state has fewer than `THIN` expected days."""


@dataclass(frozen=True, slots=True, eq=False)
class RegimeFit:
    """A fitted switching law with the probabilities of every day. States are in rising order of variance: calm first.

    Parameters
    ----------
    means, deviations : float64[K]
        Of each state, in the unit of the series.
    transition : float64[K, K]
        Row i: chances of the next day's state after state i.
    initial : float64[K]
        Of the first day's state.
    filtered : float64[S, K]
        P(state of day s | days to s), oldest first.
    smoothed : float64[S, K]
        P(state of day s | all days), oldest first.
    log_likelihood : float
    bic : float
        log(S) parameters - 2 log-likelihood.
    bic_of_one : float
        Of one normal law.
    steps : int
        Of expectation-maximisation, from the best start.
    status : RegimeStatus
    reason : str
        Empty when "ok".
    """

    means: Floats
    deviations: Floats
    transition: Floats
    initial: Floats
    filtered: Floats = field(repr=False)
    smoothed: Floats = field(repr=False)
    log_likelihood: float
    bic: float
    bic_of_one: float
    steps: int
    status: RegimeStatus
    reason: str

    @property
    def states(self) -> int:
        """K."""
        return self.means.size

    @property
    def predictive(self) -> Floats:
        """Chances of the next day's state, float64[K]."""
        return np.asarray(self.filtered[-1] @ self.transition, np.float64)

    @property
    def expected_days(self) -> Floats:
        """Days of the sample in each state, float64[K]: the sum of its smoothed probabilities."""
        return np.asarray(self.smoothed.sum(axis=0), np.float64)

    @property
    def durations(self) -> tuple[float | None, ...]:
        """Mean days of a stay in each state, 1 / (1 - transition[k, k]); None for a state that is never left."""
        stays = np.diag(self.transition)
        return tuple(1.0 / (1.0 - float(p)) if p < 1.0 else None for p in stays)


def fit_regimes(series: ArrayLike, states: int = 2, *, free_means: bool = False) -> RegimeFit:
    """Return the switching law of greatest likelihood.

    Parameters
    ----------
    series : float64[S]
        P&L or the moves of an index, oldest first, at least `FEWEST`.
    states : int
        2 or 3.
    free_means : bool
        True: each state has a mean of its own. False: zero.

    Returns
    -------
    RegimeFit

    Raises
    ------
    MeasureError
        For an empty series, NaN or infinite values.
    ScenarioError
        For too few observations, a series that does not vary, or another number of states.
    """
    values = checked_pnl(series, "series")
    if states not in (2, 3) or isinstance(states, bool):
        raise ScenarioError(f"states must be 2 or 3, not {states!r}")
    if values.size < FEWEST:
        raise ScenarioError(f"{values.size} observations are too few for regimes: give at least {FEWEST}")
    centre = float(values.mean()) if free_means else 0.0
    largest = float(np.abs(values - centre).max())
    if largest <= 1e-12 * abs(centre) or np.ptp(values) == 0.0:
        raise ScenarioError("the series does not vary: it has no regimes; leave the instrument out, or use another index")
    scale = float(np.sqrt(np.mean(((values - centre) / largest) ** 2))) * largest
    y = (values - centre) / scale
    runs = [_run(y, start, free_means, _SHORT) for start in _starts(y, states, free_means)]
    best = max(range(len(runs)), key=lambda r: (runs[r].likelihood, -r))
    run = _run(y, runs[best].parameters, free_means, _STEPS)
    order = np.argsort(run.parameters[1], kind="stable")
    means, variances, transition, initial = run.parameters
    likelihood = run.likelihood - values.size * log(scale)
    parameters = states * states + states - 1 + (states if free_means else 0)
    one = -0.5 * values.size * (log(2.0 * pi) + 1.0 + 2.0 * log(scale))
    bic = log(values.size) * parameters - 2.0 * likelihood
    bic_of_one = log(values.size) * (2.0 if free_means else 1.0) - 2.0 * one
    smoothed = run.smoothed[:, order]
    return RegimeFit(
        means[order] * scale + centre,
        np.sqrt(variances[order]) * scale,
        transition[np.ix_(order, order)],
        initial[order],
        run.filtered[:, order],
        smoothed,
        likelihood,
        bic,
        bic_of_one,
        runs[best].steps + run.steps,
        *_verdict(variances[order], smoothed.sum(axis=0), run.settled, bic, bic_of_one),
    )


Parameters = tuple[Floats, Floats, Floats, Floats]


@dataclass(frozen=True, slots=True)
class _Run:
    likelihood: float
    steps: int
    settled: bool
    filtered: Floats
    smoothed: Floats
    parameters: Parameters


def _run(y: Floats, start: Parameters, free_means: bool, steps: int) -> _Run:
    means, variances, transition, initial = (array.copy() for array in start)
    found = expectation_maximisation(y, means, variances, transition, initial, free_means, _FLOOR, steps, _GAIN)
    return _Run(*found, (means, variances, transition, initial))


def _starts(y: Floats, states: int, free_means: bool) -> Iterator[Parameters]:
    """Yield starts: days sorted by local size (and, with free means, by local mean) and cut into bands, the last ever smaller."""
    transition = np.full((states, states), 0.05 / (states - 1))
    np.fill_diagonal(transition, 0.95)
    initial = np.full(states, 1.0 / states)
    for values in (np.abs(y), y) if free_means else (np.abs(y),):
        for spread in _SPREADS:
            order = np.argsort(np.convolve(values, np.full(spread, 1.0 / spread), "same"), kind="stable")
            for ratio in _SHARES:
                shares = ratio ** np.arange(states)
                cuts = np.rint(np.cumsum(shares / shares.sum())[:-1] * y.size).astype(np.int64)
                bands = [y[band] for band in np.split(order, cuts)]
                means = np.array([float(b.mean()) if free_means else 0.0 for b in bands])
                variances = np.array([max(float(np.mean((b - m) ** 2)), 0.01) for b, m in zip(bands, means, strict=True)])
                yield means, variances, transition, initial


def _verdict(variances: Floats, days: Floats, settled: bool, bic: float, bic_of_one: float) -> tuple[RegimeStatus, str]:
    if variances[0] <= _FLOOR * (1.0 + 1e-9):
        reason = f"the calmest state holds {days[0]:.4g} days that are all but equal; drop days without moves"
        return RegimeStatus.SINGULAR, reason
    if not settled:
        return RegimeStatus.NOT_CONVERGED, f"the likelihood still rose after {_STEPS} steps"
    if bic >= bic_of_one:
        return RegimeStatus.ONE_REGIME, f"BIC {bic:.6g} is no better than {bic_of_one:.6g} of one normal law"
    if days.min() < THIN:
        place = int(np.argmin(days))
        return RegimeStatus.THIN_STATE, f"state {place} has {days[place]:.3g} expected days of {days.sum():.0f}; {THIN:g} are wanted"
    return RegimeStatus.OK, ""
