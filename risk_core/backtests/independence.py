"""Do exceptions come alone: Christoffersen's independence and conditional coverage."""

from __future__ import annotations

from numpy.typing import ArrayLike

from risk_core.backtests.coverage import rate_of
from risk_core.backtests.exact import (
    LARGEST_EXACT,
    exact_conditional_coverage_p_value,
    exact_independence_p_value,
    exact_independence_p_value_given_count,
)
from risk_core.backtests.exceptions import ExceptionSeries, TransitionCounts, checked_counts, checked_hits, transition_counts
from risk_core.backtests.likelihood import chi_square_tail, independence_ratio, proportion_ratio
from risk_core.backtests.result import (
    DEFAULT_TEST_LEVEL,
    BacktestError,
    DecideBy,
    TestResult,
    direction_of,
    judge,
    not_applicable,
)

_INDEPENDENCE = "Christoffersen independence"
_CONDITIONAL = "Christoffersen conditional coverage"
_ALONE = "an exception says nothing about the next day"


def christoffersen_independence(
    hits: ExceptionSeries | ArrayLike,
    confidence: float | None = None,
    *,
    test_level: float = DEFAULT_TEST_LEVEL,
    decide_by: DecideBy | str = DecideBy.ASYMPTOTIC,
) -> TestResult:
    """Test that the chance of an exception is the same after an exception as after none (Christoffersen 1998): chi-square, one degree.

    Parameters
    ----------
    hits : ExceptionSeries or array_like[N] of 0 and 1
        Oldest first; N - 1 transitions are counted.
    confidence : float or None
        Only for the exact p-value: of VaR, where the rate of exceptions is taken as known. None: the exact p-value is that given the
        number of exceptions, valid for any rate.
    test_level : float
    decide_by : DecideBy

    Returns
    -------
    TestResult
        Not applicable without exceptions, with nothing else, or below two days.

    Raises
    ------
    BacktestError
        If hits are not 0 and 1, or a probability is not within (0, 1).
    """
    series = checked_hits(hits)
    n, x = series.size, int(series.sum())
    counts = transition_counts(series)
    rate = None if confidence is None else rate_of(confidence)
    refusal = _unseen(n, x)
    if refusal is not None:
        return not_applicable(_INDEPENDENCE, *refusal, observations=n, exceptions=x, test_level=test_level, hypothesis=_ALONE)
    ratio = float(independence_ratio(counts.n00, counts.n10, counts.n01, counts.n11))
    exact, method = None, "exact"
    if n <= LARGEST_EXACT:
        exact = exact_independence_p_value_given_count(ratio, n, x) if rate is None else exact_independence_p_value(ratio, n, rate)
        method = "exact given the count" if rate is None else "exact"
    return _independence(ratio, counts, exact, method, n, x, test_level, decide_by)


def christoffersen_independence_counts(
    n00: int,
    n10: int,
    n01: int,
    n11: int,
    confidence: float | None = None,
    *,
    test_level: float = DEFAULT_TEST_LEVEL,
    decide_by: DecideBy | str = DecideBy.ASYMPTOTIC,
) -> TestResult:
    """Test independence from transition counts, as printed: `n01` days without an exception were followed by one.

    Parameters
    ----------
    n00, n10, n01, n11 : int
        They sum to N - 1.
    confidence : float or None
        Of VaR, for the exact p-value; without it there is none.
    test_level : float
    decide_by : DecideBy

    Raises
    ------
    BacktestError
        If counts are not whole, negative, or of no sequence: n01 and n10 differ by at most one.
    """
    counts = _checked_transitions(n00, n10, n01, n11)
    n = n00 + n10 + n01 + n11 + 1
    refusal = _unseen(n, 0 if n00 == n - 1 else n if n11 == n - 1 else 1)
    if refusal is not None:
        return not_applicable(_INDEPENDENCE, *refusal, observations=n, test_level=test_level, hypothesis=_ALONE)
    ratio = float(independence_ratio(n00, n10, n01, n11))
    exact = exact_independence_p_value(ratio, n, rate_of(confidence)) if confidence is not None and n <= LARGEST_EXACT else None
    return _independence(ratio, counts, exact, "exact", n, None, test_level, decide_by)


def christoffersen_conditional_coverage(
    hits: ExceptionSeries | ArrayLike,
    confidence: float,
    *,
    test_level: float = DEFAULT_TEST_LEVEL,
    decide_by: DecideBy | str = DecideBy.ASYMPTOTIC,
) -> TestResult:
    """Test that exceptions are independent and of the right rate (Christoffersen 1998): chi-square, two degrees of freedom.

    Parameters
    ----------
    hits : ExceptionSeries or array_like[N] of 0 and 1
        Oldest first. The proportion counts N days, the Markov part N - 1 transitions (as MATLAB's `cc`), so the exact law is that of
        this sum.
    confidence : float
        Of VaR.
    test_level : float
    decide_by : DecideBy

    Raises
    ------
    BacktestError
        If hits are not 0 and 1, or a probability is not within (0, 1).
    """
    series = checked_hits(hits)
    return _conditional(int(series.sum()), series.size, transition_counts(series), confidence, test_level, decide_by)


def christoffersen_conditional_coverage_counts(
    exceptions: int,
    observations: int,
    n00: int,
    n10: int,
    n01: int,
    n11: int,
    confidence: float,
    *,
    test_level: float = DEFAULT_TEST_LEVEL,
    decide_by: DecideBy | str = DecideBy.ASYMPTOTIC,
) -> TestResult:
    """Test conditional coverage from counts, as printed.

    Raises
    ------
    BacktestError
        If counts are not whole, negative, or of no sequence of N days with x exceptions.
    """
    x, n = checked_counts(exceptions, observations)
    counts = _checked_transitions(n00, n10, n01, n11)
    if n00 + n10 + n01 + n11 != n - 1 or not 0 <= x - n01 - n11 <= 1:
        raise BacktestError(f"transitions must sum to {n - 1}, and {x} exceptions be n01 + n11 or one more, not {counts}")
    return _conditional(x, n, counts, confidence, test_level, decide_by)


def _independence(
    ratio: float,
    counts: TransitionCounts,
    exact: float | None,
    method: str,
    n: int,
    x: int | None,
    test_level: float,
    decide_by: DecideBy | str,
) -> TestResult:
    calm, wild = _share(counts.n01, counts.n00), _share(counts.n11, counts.n10)
    direction = (
        "unknown" if wild is None or calm is None else "clustered" if wild > calm else "spread out" if wild < calm else "as expected"
    )
    known = {"rate_after_none": calm, "rate_after_exception": wild}
    why = {"p_value_exact_reason": f"more than {LARGEST_EXACT} days, or a count without the rate"}
    return judge(
        _INDEPENDENCE,
        ratio,
        chi_square_tail(ratio, 1),
        p_value_exact=exact,
        test_level=test_level,
        decide_by=decide_by,
        direction=direction,
        observations=n,
        exceptions=x,
        hypothesis=_ALONE,
        details={
            "degrees_of_freedom": 1,
            **_as_details(counts),
            **{key: value for key, value in known.items() if value is not None},
            **({"p_value_exact_method": method} if exact is not None else why),
        },
    )


def _conditional(x: int, n: int, counts: TransitionCounts, confidence: float, test_level: float, decide_by: DecideBy | str) -> TestResult:
    rate = rate_of(confidence)
    coverage = float(proportion_ratio(x, n, rate))
    alone = float(independence_ratio(counts.n00, counts.n10, counts.n01, counts.n11))
    ratio = coverage + alone
    exact = exact_conditional_coverage_p_value(ratio, n, rate) if n <= LARGEST_EXACT else None
    refusal = _unseen(n, x)
    return judge(
        _CONDITIONAL,
        ratio,
        chi_square_tail(ratio, 2),
        p_value_exact=exact,
        test_level=test_level,
        decide_by=decide_by,
        direction=direction_of(x, n * rate),
        observations=n,
        exceptions=x,
        expected_exceptions=n * rate,
        hypothesis=f"exceptions come alone, on {100 * rate:.4g} % of days",
        status="ok" if refusal is None else refusal[0],
        reason="" if refusal is None else f"{refusal[1]}: only the rate is judged",
        details={
            "degrees_of_freedom": 2,
            "ratio_pof": coverage,
            "ratio_independence": alone,
            **_as_details(counts),
            **({"p_value_exact_method": "exact"} if exact is not None else {"p_value_exact_reason": f"more than {LARGEST_EXACT} days"}),
        },
    )


def _unseen(n: int, x: int) -> tuple[str, str] | None:
    if n < 2:
        return "too_short", "one day has no day before it"
    if x == 0:
        return "no_exceptions", "without exceptions nothing shows whether they would cluster"
    return ("all_exceptions", "every day is an exception, so none is followed by a day without") if x == n else None


def _checked_transitions(n00: int, n10: int, n01: int, n11: int) -> TransitionCounts:
    numbers = [float(value) for value in (n00, n10, n01, n11)]
    if any(v < 0 or not v.is_integer() for v in numbers) or sum(numbers) < 1 or abs(n01 - n10) > 1:
        raise BacktestError(
            f"transition counts must be whole, not negative, at least one, and n01 and n10 at most one apart, not {numbers}"
        )
    return TransitionCounts(int(n00), int(n10), int(n01), int(n11))


def _as_details(counts: TransitionCounts) -> dict[str, float | int | str]:
    return {"n00": counts.n00, "n10": counts.n10, "n01": counts.n01, "n11": counts.n11}


def _share(ones: int, zeros: int) -> float | None:
    return ones / (ones + zeros) if ones + zeros else None
