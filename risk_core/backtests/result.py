"""What every backtest returns: a statistic, its p-values, the decision, and what they rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from typing import ClassVar, Final, TypeVar

OK: Final = "ok"
AS_EXPECTED: Final = "as expected"
TOO_MANY: Final = "too many"
TOO_FEW: Final = "too few"
DEFAULT_TEST_LEVEL: Final = 0.95

Choice = TypeVar("Choice", bound=StrEnum)


class BacktestError(ValueError):
    """Input that no test can judge; the message says what, where and how to mend it."""


class Decision(StrEnum):
    """What a test says at its level."""

    ACCEPT = "accept"
    """No evidence against the model: not a proof of it."""
    REJECT = "reject"
    NOT_APPLICABLE = "not_applicable"
    """The sample cannot answer the question; `reason` says why."""


class DecideBy(StrEnum):
    """Which p-value decides."""

    ASYMPTOTIC = "asymptotic"
    EXACT = "exact"
    """The exact or simulated one; the asymptotic one where there is no other."""


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test of one forecast series.

    Parameters
    ----------
    name : str
        Of the test, as in print: "Kupiec proportion of failures".
    statistic, p_value : float or None
        The statistic and its asymptotic p-value; None where the test does not apply.
    p_value_exact : float or None
        Exact, or simulated (`details["p_value_exact_method"]` says which and with how many draws). None where it makes no sense or
        was not asked for, with the reason in `details["p_value_exact_reason"]`.
    decision : Decision
    test_level : float
        Confidence of the decision, 0.95: rejected where the p-value is below one minus it.
    direction : str
        "too many", "too few", "as expected", or the words of the test. Which way the sample leans, rejected or not.
    observations : int
        Days that were judged.
    exceptions : int or None
        Of them with a loss beyond VaR; None where the test counts none.
    expected_exceptions : float or None
    hypothesis : str
        What is tested, in words: "losses exceed VaR on 1 % of days".
    minimum_detectable_rate : float or None
        Smallest true rate of exceptions, above that of the hypothesis, that the test would reject with probability `power`.
    power : float or None
        Of `minimum_detectable_rate`; without one, of the test against the alternative in `details["alternative"]`.
    decided_by : DecideBy
    status : str
        "ok", or a code such as "too_few_exceptions": the result stands with that doubt, or does not apply.
    reason : str
        Why the status is what it is; empty when "ok".
    details : mapping of str to float, int or str
        Parts of the statistic, degrees of freedom, counts, conventions.
    verdict : str
        The sentence of `reading` that says what follows, for tests with more than two answers; empty for the usual one.

    Raises
    ------
    BacktestError
        If a number is not finite, a p-value is outside [0, 1], or a status other than "ok" has no reason.
    """

    __test__: ClassVar[bool] = False  # a name that test runners would collect

    name: str
    statistic: float | None
    p_value: float | None
    p_value_exact: float | None = None
    decision: Decision = Decision.NOT_APPLICABLE
    test_level: float = DEFAULT_TEST_LEVEL
    direction: str = AS_EXPECTED
    observations: int = 0
    exceptions: int | None = None
    expected_exceptions: float | None = None
    hypothesis: str = ""
    minimum_detectable_rate: float | None = None
    power: float | None = None
    decided_by: DecideBy = DecideBy.ASYMPTOTIC
    status: str = OK
    reason: str = ""
    details: Mapping[str, float | int | str] = field(default_factory=dict, hash=False)
    verdict: str = ""

    def __post_init__(self) -> None:
        numbers = ("statistic", "p_value", "p_value_exact", "expected_exceptions", "minimum_detectable_rate", "power")
        for name in numbers:
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, float(value))  # numpy's scalars are floats that not every encoder takes
        bad = [n for n in numbers if (v := getattr(self, n)) is not None and not isfinite(v)]
        bad += [k for k, v in self.details.items() if not isinstance(v, str) and not isfinite(v)]
        bad += [n for n in ("p_value", "p_value_exact") if (v := getattr(self, n)) is not None and not 0.0 <= v <= 1.0]
        if bad:
            raise BacktestError(f"{self.name}: {', '.join(bad)} must be finite, p-values within [0, 1]; give None and a reason")
        if (self.status == OK) is not (self.reason == ""):
            raise BacktestError(f"{self.name}: status {self.status!r} and reason {self.reason!r} disagree; a doubt needs a reason")
        object.__setattr__(self, "details", dict(self.details))

    @property
    def rejected(self) -> bool:
        """Whether the decision is to reject."""
        return self.decision is Decision.REJECT

    @property
    def reading(self) -> str:
        """The result as sentences for a risk manager."""
        if self.decision is Decision.NOT_APPLICABLE:
            return f"{self.name}: not applicable. {_sentence(self.reason)}"
        parts = [f"{self.name}: {self._seen()}.", self.verdict or self._verdict()]
        other = self.p_value if self.decided_by is DecideBy.EXACT else self.p_value_exact
        if other is not None and (other < 1.0 - self.test_level) is not self.rejected:
            parts.append(f"The {'asymptotic' if self.decided_by is DecideBy.EXACT else 'exact'} p-value says the opposite: a close call.")
        if not self.rejected and self.minimum_detectable_rate is not None and self.power is not None:
            parts.append(
                f"With this sample only a true rate of {_percent(self.minimum_detectable_rate)} or more "
                f"would be found with a chance of {_percent(self.power)}."
            )
        if self.reason:
            parts.append(_sentence(self.reason))
        return " ".join(parts)

    def _seen(self) -> str:
        direction = f" ({self.direction})" if self.direction else ""
        if self.exceptions is None:
            return f"{self.observations} observations{direction}"
        expected = "" if self.expected_exceptions is None else f", {self.expected_exceptions:.1f} expected"
        return f"{self.exceptions} exception{'s' * (self.exceptions != 1)} in {self.observations} days{expected}{direction}"

    def _verdict(self) -> str:
        about = f" that {self.hypothesis}" if self.hypothesis else ""
        said = f"The hypothesis{about} is rejected" if self.rejected else f"There is no evidence against the hypothesis{about}"
        chances = self._chances()
        return f"{said} at the {_percent(self.test_level)} level{f' ({chances})' if chances else ''}."

    def _chances(self) -> str:
        known = [("p", self.p_value), (str(self.details.get("p_value_exact_method", "exact")), self.p_value_exact)]
        return ", ".join(f"{name} = {value:.2g}" for name, value in known if value is not None)


def judge(
    name: str,
    statistic: float,
    p_value: float | None,
    *,
    p_value_exact: float | None = None,
    test_level: float = DEFAULT_TEST_LEVEL,
    decide_by: DecideBy | str = DecideBy.ASYMPTOTIC,
    direction: str = AS_EXPECTED,
    observations: int,
    exceptions: int | None = None,
    expected_exceptions: float | None = None,
    hypothesis: str = "",
    minimum_detectable_rate: float | None = None,
    power: float | None = None,
    status: str = OK,
    reason: str = "",
    details: Mapping[str, float | int | str] | None = None,
    verdict: str = "",
) -> TestResult:
    """Return a result with its decision: rejected where the deciding p-value is below 1 - `test_level`.

    Parameters are those of `TestResult`. `decide_by` falls back to whichever p-value there is.

    Raises
    ------
    BacktestError
        If there is no p-value, or `test_level` is not within (0, 1).
    """
    test_level = checked_probability(test_level, "test_level")
    preferred = checked_choice(DecideBy, decide_by, "decide_by")
    if p_value is None and p_value_exact is None:
        raise BacktestError(f"{name}: no p-value to decide by; use not_applicable")
    if p_value_exact is None:
        preferred = DecideBy.ASYMPTOTIC
    elif p_value is None:
        preferred = DecideBy.EXACT
    deciding = p_value_exact if preferred is DecideBy.EXACT else p_value
    assert deciding is not None
    return TestResult(
        name=name,
        statistic=statistic,
        p_value=p_value,
        p_value_exact=p_value_exact,
        decision=Decision.REJECT if deciding < 1.0 - test_level else Decision.ACCEPT,
        test_level=test_level,
        direction=direction,
        observations=observations,
        exceptions=exceptions,
        expected_exceptions=expected_exceptions,
        hypothesis=hypothesis,
        minimum_detectable_rate=minimum_detectable_rate,
        power=power,
        decided_by=preferred,
        status=status,
        reason=reason,
        details=details or {},
        verdict=verdict,
    )


def not_applicable(
    name: str,
    status: str,
    reason: str,
    *,
    observations: int,
    exceptions: int | None = None,
    expected_exceptions: float | None = None,
    test_level: float = DEFAULT_TEST_LEVEL,
    hypothesis: str = "",
    details: Mapping[str, float | int | str] | None = None,
) -> TestResult:
    """Return a result of a sample that cannot answer: no statistic, no p-value, a status code and a reason."""
    return TestResult(
        name=name,
        statistic=None,
        p_value=None,
        test_level=checked_probability(test_level, "test_level"),
        direction="unknown",
        observations=observations,
        exceptions=exceptions,
        expected_exceptions=expected_exceptions,
        hypothesis=hypothesis,
        status=status,
        reason=reason,
        details=details or {},
    )


def checked_probability(value: float, name: str) -> float:
    """Return a number strictly between 0 and 1.

    Raises
    ------
    BacktestError
        If it is anything else.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise BacktestError(f"{name} must be a number between 0 and 1, not {value!r}") from None
    if not 0.0 < number < 1.0:
        raise BacktestError(f"{name} must lie strictly between 0 and 1 (99 % is 0.99), not {value!r}")
    return number


def checked_choice(kind: type[Choice], value: Choice | str, name: str) -> Choice:
    """Return a member of an enumeration, given it or its value.

    Raises
    ------
    BacktestError
        If there is none; the message lists what there is.
    """
    try:
        return kind(value)
    except ValueError:
        raise BacktestError(f"{name} must be one of {', '.join(repr(str(member)) for member in kind)}, not {value!r}") from None


def direction_of(exceptions: float, expected: float) -> str:
    """Return "too many", "too few" or "as expected", by the nearest whole number: 2 or 3 of 2.5 are as expected."""
    if abs(exceptions - expected) < 1.0:
        return AS_EXPECTED
    return TOO_MANY if exceptions > expected else TOO_FEW


def _percent(share: float) -> str:
    return f"{100.0 * share:.4g} %"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
