"""Compiled expectation-maximisation of normal and Student t hidden Markov models.

The series is standardised by the caller (each column of mean zero and variance one), float64[T, D]. `whiten[k]` is a matrix W with
W'W the inverse of the scale matrix of state k.

L. Baum et al., Annals of Mathematical Statistics 41 (1970) 164-171; D. Peel and G. McLachlan,
Statistics and Computing 10 (2000) 339-348 (Student t).
"""

from __future__ import annotations

from math import lgamma, log, pi
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from risk_core.regimes.kernels import exponential, relative

Floats = NDArray[np.float64]

FREE, FIXED, STATIONARY = range(3)
"""What becomes of the chances of the first state."""
_LARGEST: Final = 1e300
_TINY: Final = 1e-10
_SMALL: Final = 1e-140
_LARGE: Final = 1e140
_REACH: Final = -500.0
_LOG_TWO_PI: Final = log(2.0 * pi)
_LEAST_DF: Final = 2.05
_LARGEST_DF: Final = 200.0
_HALVINGS: Final = 34
_BLOCK: Final = 512  # densities of so many steps stay in the nearest cache


@njit(cache=True, nogil=True, error_model="numpy")
def digamma(x: float) -> float:
    """Return the digamma function of a positive number: recurrence up to ten, then its asymptotic series."""
    value = 0.0
    while x < 10.0:
        value -= 1.0 / x
        x += 1.0
    y = 1.0 / (x * x)
    return value + log(x) - 0.5 / x - y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y * (1 / 132 - y * 691 / 32760)))))


@njit(cache=True, nogil=True, error_model="numpy")
def height(log_whitening: float, df: float, dimensions: int, student: bool) -> float:
    """Return the log density at the centre; `log_whitening` is the log determinant of `whiten`."""
    if student:
        top = lgamma(0.5 * (df + dimensions)) - lgamma(0.5 * df)
        return top - 0.5 * dimensions * log(df * pi) + log_whitening
    return log_whitening - 0.5 * dimensions * _LOG_TWO_PI


@njit(cache=True, nogil=True, error_model="numpy")
def all_squares(y: Floats, means: Floats, whiten: Floats, squares: Floats) -> None:
    """Write the squared Mahalanobis distance of each observation from each state, float64[T, K], at most 1e300."""
    count, d = y.shape
    k = means.shape[0]
    if d == 1:
        for j in range(k):
            mean, root = means[j, 0], whiten[j, 0, 0]
            for t in range(count):
                z = (y[t, 0] - mean) * root
                z *= z
                squares[t, j] = z if z < _LARGEST else _LARGEST
        return
    for t in range(count):
        for j in range(k):
            total = 0.0
            for a in range(d):
                z = 0.0
                for b in range(d):
                    z += whiten[j, a, b] * (y[t, b] - means[j, b])
                total += z * z
            squares[t, j] = min(total, _LARGEST)


@njit(cache=True, nogil=True, error_model="numpy")
def logs_of(squares: Floats, dimensions: int, heights: Floats, df: Floats, student: bool, logs: Floats) -> None:
    """Write log densities float64[T, K] from squared distances."""
    count, k = squares.shape
    for j in range(k):
        top, v = heights[j], df[j]
        power, part = 0.5 * (v + dimensions), 1.0 / v
        if student:
            for t in range(count):
                logs[t, j] = top - power * log(1.0 + squares[t, j] * part)
        else:
            for t in range(count):
                logs[t, j] = top - 0.5 * squares[t, j]


@njit(cache=True, nogil=True, error_model="numpy")
def all_log_densities(y: Floats, means: Floats, whiten: Floats, heights: Floats, df: Floats, student: bool) -> Floats:
    """Return the log density of each observation in each state, float64[T, K]."""
    squares = np.empty((y.shape[0], means.shape[0]))
    all_squares(y, means, whiten, squares)
    logs_of(squares, y.shape[1], heights, df, student, squares)
    return squares


@njit(cache=True, nogil=True, error_model="numpy")
def filter_series(
    y: Floats,
    means: Floats,
    whiten: Floats,
    heights: Floats,
    df: Floats,
    student: bool,
    transition: Floats,
    predicted: Floats,
    filtered: Floats,
    each: Floats,
) -> None:
    """Write `filtered` float64[T, K] and the log density of each observation; `predicted` float64[K] enters and leaves as the next's."""
    k = means.shape[0]
    for begin in range(0, y.shape[0], _BLOCK):
        end = min(begin + _BLOCK, y.shape[0])
        densities = all_log_densities(y[begin:end], means, whiten, heights, df, student)
        relative(densities, each[begin:end])
        for t in range(begin, end):
            total = 0.0
            for j in range(k):
                chance = predicted[j] * densities[t - begin, j]
                filtered[t, j] = chance
                total += chance
            part = 1.0 / total
            for j in range(k):
                filtered[t, j] *= part
            each[t] += log(total)
            for j in range(k):
                chance = 0.0
                for i in range(k):
                    chance += filtered[t, i] * transition[i, j]
                predicted[j] = chance


@njit(cache=True, nogil=True, error_model="numpy")
def steady(transition: Floats) -> Floats:
    """Return the stationary distribution of a chain by state reduction (Grassmann, Taksar and Heyman 1985): nothing is subtracted."""
    k = transition.shape[0]
    a, result = transition.copy(), np.zeros(k)
    for n in range(k - 1, 0, -1):
        out = 0.0
        for j in range(n):
            out += a[n, j]
        for i in range(n):
            a[i, n] /= max(out, 1e-300)
            for j in range(n):
                a[i, j] += a[i, n] * a[n, j]
    result[0] = 1.0
    for n in range(1, k):
        for i in range(n):
            result[n] += result[i] * a[i, n]
    total = 0.0
    for n in range(k):
        total += result[n]
    result /= total
    return result


@njit(cache=True, nogil=True, error_model="numpy")
def whitening(scale: Floats, floor: float, diagonal: bool) -> tuple[Floats, Floats, float, bool]:
    """Return (the matrix with eigenvalues of at least `floor`, its whitening, the log determinant of that, whether the floor held)."""
    d = scale.shape[0]
    if d == 1:
        value = max(scale[0, 0], floor)
        out, root = np.empty((1, 1)), np.empty((1, 1))
        out[0, 0], root[0, 0] = value, 1.0 / np.sqrt(value)
        return out, root, -0.5 * log(value), scale[0, 0] < floor
    if diagonal:
        values, basis = np.diag(scale).copy(), np.eye(d)
    else:
        values, basis = np.linalg.eigh(scale)
    held = values.min() < floor
    out, root, level = np.zeros((d, d)), np.empty((d, d)), 0.0
    for a in range(d):
        value = max(values[a], floor)
        level -= 0.5 * log(value)
        for i in range(d):
            root[a, i] = basis[i, a] / np.sqrt(value)
            for j in range(d):
                out[i, j] += basis[i, a] * basis[j, a] * value
    return out, root, level, held


@njit(cache=True, nogil=True, error_model="numpy")
def _moments(
    y: Floats,
    means: Floats,
    df: Floats,
    student: bool,
    squares: Floats,
    smoothed: Floats,
    mass: Floats,
    pull: Floats,
    first: Floats,
    second: Floats,
    spread: Floats,
) -> None:
    """Write the moments of `expectation` from the smoothed chances."""
    count, d = y.shape
    for j in range(means.shape[0]):
        first[j], second[j] = 0.0, 0.0
        zero, weight, logs = 0.0, 0.0, 0.0
        for t in range(count):
            g = smoothed[t, j]
            zero += g
            if student:
                w = (df[j] + d) / (df[j] + squares[t, j])
                logs += g * (log(w) - w)
                g *= w
                weight += g
            for a in range(d):
                gap = g * (y[t, a] - means[j, a])
                first[j, a] += gap
                for b in range(a + 1):
                    second[j, a, b] += gap * (y[t, b] - means[j, b])
        mass[j], pull[j], spread[j] = zero, weight, logs


@njit(cache=True, nogil=True, error_model="numpy")
def _within_reach(y: Floats, means: Floats, whiten: Floats, heights: Floats) -> bool:
    """Whether one state gives every observation of one column a density that needs no scaling by its step's largest."""
    farthest = 0.0
    for t in range(y.shape[0]):
        size = abs(y[t, 0])
        farthest = size if size > farthest else farthest
    for k in range(means.shape[0]):
        z = (farthest + abs(means[k, 0])) * whiten[k, 0, 0]
        if heights[k] - 0.5 * z * z > _REACH:
            return True
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def expectation(
    y: Floats,
    initial: Floats,
    transition: Floats,
    means: Floats,
    whiten: Floats,
    heights: Floats,
    df: Floats,
    student: bool,
    squares: Floats,
    densities: Floats,
    filtered: Floats,
    pairs: Floats,
    mass: Floats,
    pull: Floats,
    first: Floats,
    second: Floats,
    spread: Floats,
    opening: Floats,
) -> float:
    """Return the log-likelihood and write the expected sufficient statistics.

    pairs float64[K, K] transitions; mass float64[K] days; pull the sum of weights u (mass where normal); first float64[K, D] and second
    float64[K, D, D] the weighted moments about the means; spread the sum of log u - u; opening the chances of the first state. `densities`
    leaves as the smoothed chances, `filtered` as the filtered ones.
    """
    count, d = y.shape
    k = means.shape[0]
    scale = np.empty(count)
    all_squares(y, means, whiten, squares)
    logs_of(squares, d, heights, df, student, densities)
    if d == 1 and not student and _within_reach(y, means, whiten, heights):
        scale[:] = 0.0
        flat = densities.reshape(-1)
        for i in range(flat.shape[0]):
            flat[i] = exponential(flat[i])
    else:
        relative(densities, scale)
    value, product, part = 0.0, 1.0, 1.0
    held, now = np.empty(k), np.empty(k)
    for t in range(count):  # the scale of a step enters the next one: its division runs beside the product with the matrix
        value += scale[t]
        total = 0.0
        for j in range(k):
            chance = 0.0
            if t > 0:
                for i in range(k):
                    chance += held[i] * transition[i, j]
                chance *= part
            else:
                chance = initial[j]
            chance *= densities[t, j]
            now[j] = chance
            total += chance
        part = 1.0 / total
        scale[t] = part
        for j in range(k):
            held[j] = now[j]
            filtered[t, j] = now[j] * part
        if total < _SMALL:
            value += log(total)
        else:
            product *= total
            if product < _SMALL or product > _LARGE:
                value += log(product)
                product = 1.0
    value += log(product)
    pairs[:, :] = 0.0
    after, link = np.ones(k), np.empty(k)
    for t in range(count - 1, 0, -1):
        part = scale[t]
        for j in range(k):
            link[j] = densities[t, j] * after[j] * part
            densities[t, j] = filtered[t, j] * after[j]
        for i in range(k):
            total = 0.0
            before = filtered[t - 1, i]
            for j in range(k):
                pairs[i, j] += before * link[j]
                total += transition[i, j] * link[j]
            after[i] = total
    for j in range(k):
        densities[0, j] = filtered[0, j] * after[j]
        opening[j] = densities[0, j]
    if d == 1 and not student:
        for j in range(k):
            zero, one, two, centre = 0.0, 0.0, 0.0, means[j, 0]
            for t in range(count):
                g = densities[t, j]
                gap = y[t, 0] - centre
                zero += g
                one += g * gap
                two += g * gap * gap
            mass[j], first[j, 0], second[j, 0, 0] = zero, one, two
    else:
        _moments(y, means, df, student, squares, densities, mass, pull, first, second, spread)
    for i in range(k):
        for j in range(k):
            pairs[i, j] *= transition[i, j]
        if not student:
            pull[i] = mass[i]
        for a in range(d):
            for b in range(a):
                second[i, b, a] = second[i, a, b]
    return value


@njit(cache=True, nogil=True, error_model="numpy")
def _next_df(df: float, dimensions: int, spread: float) -> float:
    """Return the degrees of freedom of greatest expected likelihood; `spread` is the mean of log u - u."""
    total = 0.5 * (df + dimensions)
    target = 1.0 + spread + digamma(total) - log(total)
    low, high = log(_LEAST_DF), log(_LARGEST_DF)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        half = 0.5 * np.exp(middle)
        if log(half) - digamma(half) + target > 0.0:
            low = middle
        else:
            high = middle
    return float(np.exp(0.5 * (low + high)))


@njit(cache=True, nogil=True, error_model="numpy")
def maximise(
    y: Floats,
    initial: Floats,
    transition: Floats,
    means: Floats,
    scales: Floats,
    df: Floats,
    student: bool,
    free_df: bool,
    free_means: bool,
    diagonal: bool,
    opening_rule: int,
    floor: float,
    transition_prior: float,
    variance_prior: float,
    steps: int,
    tolerance: float,
) -> tuple[float, int, bool, Floats, Floats]:
    """Improve the parameters in place until a step gains less than the tolerance.

    Returns (log-likelihood of what is left, steps taken, whether it settled, expected days of each state, floored states as ones).
    """
    count, d = y.shape
    k = means.shape[0]
    squares, densities, filtered = np.empty((count, k)), np.empty((count, k)), np.empty((count, k))
    pairs, mass, pull, spread, opening = np.empty((k, k)), np.empty(k), np.empty(k), np.empty(k), np.empty(k)
    first, second = np.empty((k, d)), np.empty((k, d, d))
    whiten, heights, levels, floored = np.empty((k, d, d)), np.empty(k), np.empty(k), np.zeros(k)
    for i in range(k):
        out, root, levels[i], held = whitening(scales[i], floor, diagonal)
        scales[i], whiten[i], floored[i] = out, root, 1.0 if held else 0.0
        heights[i] = height(levels[i], df[i], d, student)
    former, step = -np.inf, 0
    while True:
        value = expectation(
            y,
            initial,
            transition,
            means,
            whiten,
            heights,
            df,
            student,
            squares,
            densities,
            filtered,
            pairs,
            mass,
            pull,
            first,
            second,
            spread,
            opening,
        )
        if step > 0 and value - former < tolerance:
            return value, step, True, mass, floored
        if step >= steps:
            return value, step, False, mass, floored
        former = value
        step += 1
        for i in range(k):
            left = 0.0
            for j in range(k):
                left += pairs[i, j] + transition_prior - 1.0
            if left > _TINY:
                for j in range(k):
                    transition[i, j] = max(pairs[i, j] + transition_prior - 1.0, 0.0) / left
            if mass[i] <= _TINY:
                continue
            if free_df:
                df[i] = _next_df(df[i], d, spread[i] / mass[i])
            for a in range(d):
                shift_a = first[i, a] / pull[i] if free_means else 0.0
                for b in range(d):
                    shift_b = first[i, b] / pull[i] if free_means else 0.0
                    centred = second[i, a, b] - pull[i] * shift_a * shift_b
                    if diagonal and a != b:
                        centred = 0.0
                    scales[i, a, b] = (centred + (variance_prior if a == b else 0.0)) / (mass[i] + variance_prior)
            if free_means:
                for a in range(d):
                    means[i, a] += first[i, a] / pull[i]
            out, root, levels[i], held = whitening(scales[i], floor, diagonal)
            scales[i], whiten[i], floored[i] = out, root, 1.0 if held else 0.0
            heights[i] = height(levels[i], df[i], d, student)
        if opening_rule == FREE:
            initial[:] = opening
        elif opening_rule == STATIONARY:
            initial[:] = steady(transition)
