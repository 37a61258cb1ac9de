"""`var_suite`: chosen methods at chosen confidences on returns or a book."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from timeit import default_timer
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from risk_core.conventions import tail_probability
from risk_core.measures import Measured
from risk_core.measures.checks import checked_pnl
from risk_core.methods import DEFAULT_CONFIDENCES, METHODS, ONE_DAY, Measure, Method, methods_named
from risk_core.scenarios import ScenarioSet
from risk_core.scenarios.moves import moves_of
from risk_core.suite.picture import Picture, tail_picture
from risk_core.suite.table import as_html, as_rich, as_text
from risk_core.tail_intervals import FILTERS, tail_intervals
from risk_core.tails import TAILS
from risk_core.uncertainty import Interval, IntervalKind, IntervalStatus, Resampling, tail_draws
from risk_core.uncertainty.bootstrap import interval_of_draws, resampled, trust
from risk_core.uncertainty.interval import checked_level
from risk_core.weighting import weigh

Floats = NDArray[np.float64]
Numbers = tuple[tuple[Measured, Measured], ...]

RESAMPLES: Final = 200
LOST_MAX: Final = 0.1
"""Share of resamples that a method may have no number for before no interval is given."""


class SuiteError(ValueError):
    """Input that the suite cannot use; the message says what, where and how to mend it."""


@dataclass(frozen=True, slots=True)
class SuiteRow:
    """One method at one confidence.

    Parameters
    ----------
    method, label : str
    confidence : float
    value_at_risk, expected_shortfall : float
        Loss positive, in the unit of the P&L.
    value_at_risk_interval, expected_shortfall_interval : Interval or None
        None where none was asked for.
    status : str
        `ok`, or what degrades the number, joined by `+`; `no_number` where the method has none and the historical number stands in.
    reason : str
    seconds : float
        Taken by the method at all confidences together, intervals included.
    """

    method: str
    label: str
    confidence: float
    value_at_risk: float
    expected_shortfall: float
    value_at_risk_interval: Interval | None
    expected_shortfall_interval: Interval | None
    status: str
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class VarSuite:
    """What `var_suite` returns: printed it is a table, in a notebook an HTML table; `frame` is the data, `picture` the tails.

    Parameters
    ----------
    rows : tuple of SuiteRow
        By method, then confidence, in the order asked for.
    pnl : float64[S]
        Historical P&L vector, oldest first, gains positive.
    level : float
        Of the intervals.
    """

    rows: tuple[SuiteRow, ...]
    pnl: Floats = field(repr=False)
    level: float

    @property
    def frame(self) -> pd.DataFrame:
        """The table as data, indexed by (method, confidence); ends that do not exist are None, as NaN would pass for a number."""
        table = pd.DataFrame(
            {
                "value_at_risk": [r.value_at_risk for r in self.rows],
                "var_lower": _ends([r.value_at_risk_interval for r in self.rows], "lower"),
                "var_upper": _ends([r.value_at_risk_interval for r in self.rows], "upper"),
                "expected_shortfall": [r.expected_shortfall for r in self.rows],
                "es_lower": _ends([r.expected_shortfall_interval for r in self.rows], "lower"),
                "es_upper": _ends([r.expected_shortfall_interval for r in self.rows], "upper"),
                "status": [r.status for r in self.rows],
                "seconds": [r.seconds for r in self.rows],
            }
        )
        table.index = pd.MultiIndex.from_tuples([(r.method, r.confidence) for r in self.rows], names=["method", "confidence"])
        return table

    def picture(self, confidence: float | None = None) -> Picture:
        """Return the P&L distribution with the value at risk and expected shortfall of each method on it.

        Raises
        ------
        SuiteError
            For a confidence that the suite does not have; None takes the one nearest 0.99.
        """
        known = list(dict.fromkeys(r.confidence for r in self.rows))
        chosen = min(known, key=lambda c: abs(c - 0.99)) if confidence is None else confidence
        if chosen not in known:
            raise SuiteError(f"the suite has no confidence {chosen!r}; it has {', '.join(map(str, known))}")
        marks = [(r.label, r.value_at_risk, r.expected_shortfall) for r in self.rows if r.confidence == chosen]
        return tail_picture(self.pnl, marks, chosen)

    def __str__(self) -> str:
        return as_text(self)

    def __rich__(self) -> Any:
        return as_rich(self)

    def _repr_html_(self) -> str:
        return as_html(self)


def var_suite(
    data: ScenarioSet | pd.DataFrame | pd.Series[float] | ArrayLike,
    exposures: Mapping[str, float] | pd.Series[float] | ArrayLike | None = None,
    *,
    methods: Iterable[str | Method] | None = None,
    confidences: Sequence[float] = DEFAULT_CONFIDENCES,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> VarSuite:
    """Return value at risk and expected shortfall by many methods, with intervals, status and time taken.

    Parameters
    ----------
    data : ScenarioSet, DataFrame, Series or array
        With `exposures`: simple returns of N instruments, float64[S, N] with the newest last, or a scenario set. Without: a P&L vector
        float64[S], newest last.
    exposures : mapping, Series or float64[N], optional
        Market value of each instrument in one currency. By name where `data` has names; instruments left out are not held.
    methods : iterable of str or Method, optional
        Names in `risk_core.methods.METHODS`, or methods; all of one day if not given.
    confidences : sequence of float
        Each in [0.5, 1).
    level : float
        Of the intervals.
    resamples : int
        Of the stationary bootstrap behind the intervals; 0 leaves them out. A set that rescales moves is built once, not in each resample.
    seed : int
        Of the resamples and of simulated sets.

    Returns
    -------
    VarSuite

    Raises
    ------
    SuiteError
        For data without a number in it, exposures that do not fit, a method that is not known, or no method at all.
    MeasureError, ConventionError
        For fewer scenarios than a measure needs, NaN, or an impossible confidence or level.

    Examples
    --------
    >>> import numpy as np
    >>> suite = var_suite(np.random.default_rng(0).normal(size=500), methods=["historical", "student_t"], resamples=0)
    >>> [row.method for row in suite.rows if row.confidence == 0.99]
    ['historical', 'student_t']
    """
    moves, exposure = _book(data, exposures)
    chosen = _methods(methods)
    levels = tuple(confidences)
    if not levels:
        raise SuiteError("confidences are empty: name at least one, such as (0.99,)")
    for confidence in levels:
        tail_probability(confidence)
    checked_level(level)
    if isinstance(resamples, bool) or not isinstance(resamples, int) or resamples < 0 or resamples == 1:
        raise SuiteError(f"resamples must be 0 (no intervals) or a whole number of at least 2, not {resamples!r}")
    resampling = Resampling(resamples, seed=seed) if resamples else None
    rows: list[SuiteRow] = []
    for method in chosen:
        rows += _rows(method, moves, exposure, levels, level, seed, resampling)
    return VarSuite(tuple(rows), _vector(moves, exposure), level)


def _rows(
    method: Method, moves: Floats, exposure: Floats, confidences: tuple[float, ...], level: float, seed: int, resampling: Resampling | None
) -> list[SuiteRow]:
    began = default_timer()
    measure, doubt, reason = method.measure, "", ""
    try:
        scenarios = moves_of(method, moves, seed)
    except (ValueError, np.linalg.LinAlgError) as error:
        scenarios, doubt, reason = moves * method.horizon_days**0.5, "no_scenarios", f"{error}; the historical ones stand in"
    pnl = checked_pnl(_vector(scenarios, exposure)[::-1])
    weighted = weigh(method, pnl)
    weights, reason = weighted.weights, reason or weighted.reason
    try:
        numbers = _numbers(measure, pnl, weights, confidences)
    except (ValueError, np.linalg.LinAlgError) as error:
        measure, doubt, reason = Measure.EMPIRICAL, "no_number", f"{error}; the historical number stands in"
        numbers = _numbers(measure, pnl, weights, confidences)
    intervals = [(None, None)] * len(confidences) if resampling is None else _intervals(measure, pnl, weights, numbers, level, resampling)
    seconds = default_timer() - began
    rows = []
    for confidence, (var, es), (var_interval, es_interval) in zip(confidences, numbers, intervals, strict=True):
        doubts = dict.fromkeys([*([doubt] if doubt else []), *weighted.doubts, *var.doubts, *es.doubts])
        why = "; ".join(dict.fromkeys(text for text in (reason, var.reason, es.reason) if text))
        rows.append(
            SuiteRow(
                method.name,
                method.label,
                confidence,
                var.value,
                es.value,
                var_interval,
                es_interval,
                "+".join(doubts) or "ok",
                why,
                seconds,
            )
        )
    return rows


def _numbers(measure: Measure, pnl: Floats, weights: Floats, confidences: tuple[float, ...]) -> Numbers:
    tail = TAILS[measure](pnl, weights)
    return tuple((tail.value_at_risk(c), tail.expected_shortfall(c)) for c in confidences)


def _intervals(
    measure: Measure, pnl: Floats, weights: Floats, numbers: Numbers, level: float, resampling: Resampling
) -> list[tuple[Interval | None, Interval | None]]:
    """Return percentile intervals of each pair of numbers; weights travel with their scenarios.

    A volatility model's are those of the service: resampled days would be another history.
    """
    confidences = tuple(var.confidence for var, _ in numbers)
    if measure in (*FILTERS, Measure.RISKMETRICS_2006):
        return list(tail_intervals(measure, pnl, weights, confidences, numbers, level))
    if measure is Measure.EMPIRICAL:
        drawn = tail_draws(pnl, confidences, weights, resampling=resampling)
        draws = np.stack((drawn.value_at_risk, drawn.expected_shortfall), axis=2)
    else:

        def statistic(rows: NDArray[np.int64]) -> Floats:
            try:
                mass = weights[rows] / weights[rows].sum()
                return np.array([[m.value for m in pair] for pair in _numbers(measure, pnl[rows], mass, confidences)]).ravel()
            except (ValueError, np.linalg.LinAlgError):
                return np.full(2 * len(confidences), np.nan)

        draws = resampled(statistic, pnl, resampling).reshape(resampling.resamples, len(confidences), 2)
    found: list[tuple[Interval | None, Interval | None]] = []
    for c, pair in enumerate(numbers):
        one = [_interval(draws[:, c, k], measured, weights, level) for k, measured in enumerate(pair)]
        found.append((one[0], one[1]))
    return found


def _interval(draws: Floats, measured: Measured, weights: Floats, level: float) -> Interval:
    kept = draws[np.isfinite(draws)]
    name = "stationary_bootstrap_percentile"
    if kept.size < (1.0 - LOST_MAX) * draws.size:
        lost = f"{draws.size - kept.size} of {draws.size} resamples gave no number"
        return Interval(None, None, level, None, name, IntervalStatus.UNKNOWN, lost)
    lower, upper = interval_of_draws(kept, measured.value, level, IntervalKind.PERCENTILE)
    status, reason = trust(measured, weights)
    error = float(np.std(kept, ddof=1))
    return Interval(lower, None if status is IntervalStatus.ONE_SIDED else upper, level, error, name, status, reason)


def _vector(moves: Floats, exposure: Floats) -> Floats:
    """Return the P&L vector float64[S], instrument after instrument."""
    total: Floats = np.add.accumulate(exposure[:, None] * moves, axis=0)[-1]
    return total


def _book(data: Any, exposures: Any) -> tuple[Floats, Floats]:
    """Return moves float64[N, S], oldest first, and exposures float64[N]."""
    if isinstance(data, ScenarioSet):
        if not isinstance(exposures, Mapping):
            raise SuiteError("a scenario set needs exposures by instrument: exposures={'AAPL': 1_000_000.0}")
        return data.shocks, data.exposures(exposures)
    if isinstance(data, pd.DataFrame):
        return _returns(data.to_numpy(np.float64), [str(c) for c in data.columns], exposures)
    values = np.asarray(data, np.float64)
    if values.ndim == 1:
        if exposures is not None:
            raise SuiteError("a P&L vector has no exposures: give returns of shape (S, N) with them, or leave them out")
        return values[None, :], np.ones(1)
    if values.ndim != 2:
        raise SuiteError(f"data must be a P&L vector (S,) or returns (S, N), not of shape {values.shape}")
    return _returns(values, None, exposures)


def _returns(values: Floats, names: list[str] | None, exposures: Any) -> tuple[Floats, Floats]:
    if exposures is None:
        raise SuiteError(f"returns of {values.shape[1]} instruments need exposures: the market value of each")
    if isinstance(exposures, Mapping | pd.Series):
        by_name = {str(k): float(v) for k, v in exposures.items()}
        if names is None:
            raise SuiteError("exposures by name need a DataFrame with names; give an array of exposures in the order of the columns")
        unknown = sorted(set(by_name) - set(names))
        if unknown:
            raise SuiteError(f"the returns have no column {', '.join(map(repr, unknown))}; they have {', '.join(names[:20])}")
        exposure = np.array([by_name.get(n, 0.0) for n in names])
    else:
        exposure = np.asarray(exposures, np.float64)
    if exposure.shape != (values.shape[1],):
        raise SuiteError(f"{exposure.size} exposures for {values.shape[1]} instruments")
    missing = np.argwhere(~np.isfinite(values))
    if missing.size:
        row, column = missing[0]
        name = names[column] if names is not None else f"column {column}"
        raise SuiteError(
            f"the return of {name} in row {row} is {values[row, column]}; fill it by a proxy (risk_core.scenarios.historical_scenarios)"
        )
    if not np.isfinite(exposure).all():
        raise SuiteError(f"exposure {int(np.flatnonzero(~np.isfinite(exposure))[0])} is not finite")
    return np.ascontiguousarray(values.T), exposure


def _methods(methods: Iterable[str | Method] | None) -> tuple[Method, ...]:
    if methods is None:
        return tuple(ONE_DAY.values())
    chosen = tuple(m if isinstance(m, Method) else methods_named((m,))[0] for m in methods)
    if not chosen:
        raise SuiteError(f"no method: name at least one of {', '.join(METHODS)}")
    return chosen


def _ends(intervals: Sequence[Interval | None], side: str) -> pd.Series[Any]:
    return pd.Series([None if i is None else getattr(i, side) for i in intervals], dtype=object)
