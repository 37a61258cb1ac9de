"""Exact value at risk and expected shortfall: numerical inversion of the moment generating function.

The tail probability of a quadratic form in normals is an integral of its generating function (J. P. Imhof, "Computing the distribution of
quadratic forms in normal variables", Biometrika 48 (1961) 419-426; for VaR C. Rouvinez, "Going Greek with VaR", Risk 10 (1997) 57-65). The
path here crosses the real axis at the saddlepoint of the integrand and bends to the side on which it falls, so that the trapezoidal rule
in a sinh variable converges geometrically in every tail (L. N. Trefethen and J. A. C. Weideman, "The exponentially convergent
trapezoidal rule", SIAM Review 56 (2014) 385-458).

Student-t factors share one chi-square divisor V. A loss exceeds x where (V / n)(loss - x) > 0, and that variable has a generating
function in closed form (P. Glasserman, P. Heidelberger and P. Shahabuddin, "Portfolio value-at-risk with heavy-tailed risk factors",
Mathematical Finance 12 (2002) 239-269), so they cost no more than normal ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, isfinite, log, pi, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from risk_core.conventions import tail_probability
from risk_core.delta_gamma.approximate import constant_risk
from risk_core.delta_gamma.model import DeltaGamma, Quadratic
from risk_core.delta_gamma.result import DeltaGammaRisk, Method
from risk_core.measures.checks import MeasureError
from risk_core.methods import normal_quantile

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

_STEP: Final = 0.08
_REACH: Final = 0.6
_BEND: Final = 0.35
_FINE: Final = 0.01
_BLOCK: Final = 16
_MOST_POINTS: Final = 960
_GROWTH: Final = 1.0
_AGREEMENT: Final = 1e-5
_NEGLIGIBLE: Final = 1e-17
_LARGEST_LOG: Final = 200.0


@dataclass(frozen=True, slots=True)
class StudentT:
    """Factor moves with a common multivariate t law: normal moves over the root of one chi-square divided by its degrees.

    Parameters
    ----------
    degrees_of_freedom : float
        n > 2, so that the moves have the covariance of the book.
    dispersion : bool
        Read the covariance of the book as the dispersion matrix, whose t law has covariance n / (n - 2) times it. By default it is the
        covariance, and fatter tails come without more variance.
    """

    degrees_of_freedom: float
    dispersion: bool = False

    def __post_init__(self) -> None:
        if not (self.degrees_of_freedom > 2.0 and isfinite(self.degrees_of_freedom)):
            raise MeasureError(
                f"degrees_of_freedom must exceed 2 and be finite, not {self.degrees_of_freedom!r}: below, a quadratic P&L has no mean; "
                "leave StudentT out for normal factors"
            )

    def scaled(self, form: Quadratic) -> Quadratic:
        """Return the quadratic form in t variables of unit dispersion."""
        n = self.degrees_of_freedom
        factor = 1.0 if self.dispersion else (n - 2.0) / n
        return replace(form, linear=form.linear * sqrt(factor), quadratic=form.quadratic * factor, unit=sqrt(factor))


def exact_value_at_risk(book: DeltaGamma, confidence: float, factors: StudentT | None = None) -> DeltaGammaRisk:
    """Return value at risk by inversion of the generating function.

    Parameters
    ----------
    book : DeltaGamma
    confidence : float
        In [0.5, 1).
    factors : StudentT, optional
        Normal if not given.

    Returns
    -------
    DeltaGammaRisk
        Right to about ten digits. Status `constant` for a book that does not vary.

    Raises
    ------
    ConventionError
        For an impossible confidence.
    """
    tail = tail_probability(confidence)
    if book.standard_deviation == 0.0:
        return constant_risk(book, confidence, Method.EXACT)
    return DeltaGammaRisk(exact_quantile(book, tail, factors), confidence, Method.EXACT)


def exact_expected_shortfall(book: DeltaGamma, confidence: float, factors: StudentT | None = None) -> DeltaGammaRisk:
    """Return expected shortfall by inversion. Parameters and errors are those of `exact_value_at_risk`."""
    tail = tail_probability(confidence)
    if book.standard_deviation == 0.0:
        return constant_risk(book, confidence, Method.EXACT)
    start = exact_quantile(book, tail, factors)
    return DeltaGammaRisk(start + Path(book, start, factors).excess / tail, confidence, Method.EXACT)


def exact_tail_probability(book: DeltaGamma, loss: float, factors: StudentT | None = None) -> float:
    """Return P(loss of the book > loss), to about eleven digits of itself, however small."""
    if book.standard_deviation == 0.0:
        return float(-book.quadratic.constant > loss)
    if loss >= book.quadratic.loss.supremum:
        return 0.0
    if -loss >= book.quadratic.supremum:
        return 1.0
    return Path(book, loss, factors).probability


def exact_quantile(book: DeltaGamma, tail: float, factors: StudentT | None = None) -> float:
    """Return the loss that is exceeded with probability `tail`; the book must vary. Newton's method on the log probability, bracketed."""
    form = book.quadratic
    low, high = -form.supremum, form.loss.supremum
    deviation = book.standard_deviation
    x = -book.expected_pnl + deviation * normal_quantile(tail)
    if not low < x < high:
        x = high - 0.5 * deviation if x >= high else low + 0.5 * deviation
    for _ in range(200):
        path = Path(book, x, factors)
        gap = log(max(path.probability, 1e-300) / tail)
        if gap > 0.0:
            low = x
        else:
            high = x
        step = gap * max(path.probability, 1e-300) / path.density if path.density > 0.0 else inf
        following = x + step
        if abs(step) <= 1e-9 * max(abs(x), 1e-4 * deviation):  # Newton has squared the error by now
            return min(max(following, low), high)
        if not low < following < high:
            bound = high if gap > 0.0 else low
            following = 0.5 * (x + bound) if isfinite(bound) else x + float(np.copysign(deviation, gap))
        x = following
    return x


class Path:
    """The integration path for one loss x, and what is read off it.

    Attributes
    ----------
    t : complex128[J]
        Points on the upper half.
    weight : complex128[J]
        The generating function of loss - x times d t: sums of Im(weight f(t)) over pi are the integrals of f.
    slack : complex128[J]
        1 for normal factors; for t factors the power by which the common divisor enters.
    """

    t: Complexes
    weight: Complexes
    slack: Complexes

    def __init__(self, book: DeltaGamma, x: float, factors: StudentT | None = None) -> None:
        loss = book.quadratic.loss
        self.form = loss if factors is None else factors.scaled(loss)
        self.degrees = None if factors is None else factors.degrees_of_freedom
        self.x = x
        centre, width = self._saddle()
        ahead = _BEND if self._ahead(centre, width) else -_BEND
        ways = ((ahead, _STEP), (-ahead, _STEP), (0.0, _FINE)) if self.degrees is None else ((0.0, _STEP), (0.0, _FINE))
        for bend, step in ways:
            if self._walk(centre, _REACH * width, bend, step):
                break

    def _ahead(self, centre: float, width: float) -> bool:
        """Say whether the generating function falls to the right of the saddle, some widths up."""
        t = centre + 4.0j * width
        left = 1.0 - self.form.quadratic * t
        slope = np.sum(self.form.quadratic / left + self.form.linear**2 * t * (2.0 - self.form.quadratic * t) / left**2)
        return bool(self.form.constant + 0.5 * slope.real < self.x)

    def _walk(self, centre: float, size: float, bend: float, step: float) -> bool:
        """Lay the points, and say whether the function never grew along them and every second point would nearly do."""
        base = self._read(np.array([centre], np.complex128))[0][0].real
        points, weights, slacks = [], [], []
        grew = False
        for block in range(int(_MOST_POINTS / _BLOCK * _STEP / step)):
            v = step * np.arange(block * _BLOCK, (block + 1) * _BLOCK)
            t = centre + size * (bend * (np.cosh(v) - 1.0) + 1j * np.sinh(v))
            log_function, slack = self._read(t)
            grew = bool(np.any(log_function.real > base + _GROWTH))
            if grew and bend != 0.0:
                return False
            points.append(t)
            weights.append(np.exp(log_function - base) * (size * step * (bend * np.sinh(v) + 1j * np.cosh(v))))
            slacks.append(slack)
            if np.abs(weights[-1][-3:]).max() <= _NEGLIGIBLE * abs(weights[0][0]):
                break
        self.t = np.concatenate(points)
        self.weight = np.concatenate(weights) * np.exp(base)
        self.weight[0] *= 0.5
        self.slack = np.concatenate(slacks)
        terms = (self.weight / self.t).imag
        return abs(2.0 * float(terms[::2].sum()) - float(terms.sum())) <= _AGREEMENT * abs(float(terms.sum()))

    @property
    def probability(self) -> float:
        """P(loss > x)."""
        return self.integral(1.0 / self.t)

    @property
    def density(self) -> float:
        """Of the loss at x."""
        return self.integral(1.0 / self.slack)

    @property
    def excess(self) -> float:
        """E[(loss - x)+]."""
        n = self.degrees
        return self.integral((1.0 if n is None else n / (n - 2.0)) * self.slack / self.t**2)

    def integral(self, function: Complexes) -> float:
        """Return 1 / (2 pi i) times the integral of a function, given at the points, against the generating function."""
        return float(np.sum((self.weight * function).imag)) / pi

    def _read(self, t: Complexes) -> tuple[Complexes, Complexes]:
        """Return the log generating function of loss - x (times the divisor, for t factors) and the slack."""
        left = 1.0 - np.multiply.outer(t, self.form.quadratic)
        spread = 0.5 * np.log(left).sum(axis=1)
        given = (self.form.constant - self.x) * t + 0.5 * t * t * ((1.0 / left) @ self.form.linear**2)
        if self.degrees is None:
            return given - spread, np.ones_like(t)
        slack = 1.0 - 2.0 / self.degrees * given
        return -0.5 * self.degrees * np.log(slack) - spread, slack

    def _saddle(self) -> tuple[float, float]:
        """Return the minimum over t > 0 of the log generating function less log t, and the width of the integrand across it."""
        c, b2 = self.form.quadratic, self.form.linear**2
        top = float(c.max())
        limit = 1.0 / top if top > 0.0 else inf
        n, shift = self.degrees, self.form.constant - self.x

        def slope(log_t: float) -> tuple[float, float]:
            """Return t times the first derivative and t² times the second; infinite beyond the range of the function."""
            t = float(np.exp(min(log_t, _LARGEST_LOG)))
            if t >= limit or log_t > _LARGEST_LOG:
                return inf, inf
            left = 1.0 - c * t
            h = shift * t + 0.5 * t * t * float(np.sum(b2 / left))
            h1 = shift + 0.5 * t * float(np.sum(b2 * (2.0 - c * t) / left**2))
            h2 = float(np.sum(b2 / left**3))
            if n is not None:
                room = 1.0 - 2.0 * h / n
                if room <= 0.0:
                    return inf, inf
                h1, h2 = h1 / room, h2 / room + 2.0 / n * (h1 / room) ** 2
            first = h1 + 0.5 * float(np.sum(c / left))
            second = h2 + 0.5 * float(np.sum((c / left) ** 2))
            return t * first - 1.0, t * t * second + 1.0

        low = -0.5 * log(float(np.sum(b2) + 0.5 * np.sum(c * c)))
        while slope(low)[0] >= 0.0:
            low -= 1.0
        high = low
        while slope(high)[0] < 0.0:
            low, high = high, high + 1.0
        if slope(high)[0] == inf:
            for _ in range(60):  # step back inside the range
                middle = 0.5 * (low + high)
                value = slope(middle)[0]
                if value < 0.0:
                    low = middle
                else:
                    high = middle
                    if value < inf:
                        break
        root = float(brentq(lambda s: min(slope(s)[0], 1e6), low, high, xtol=1e-4))
        value, second = slope(root)
        if value == inf:
            root = low
            second = slope(root)[1]
        t = float(np.exp(root))
        return t, t / sqrt(second)
