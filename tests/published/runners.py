"""Which public functions each kind of published case is about: inputs as printed, to answers by name, in at most three steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from scipy import stats

import risk_core as rc

Answers = Mapping[str, Any]


def tail(count: int, worst: list[float], other: float, confidence: list[float], preset: str | list[str]) -> Answers:
    """Historical VaR and ES of a sample of which only the tail is given."""
    pnl = np.random.default_rng(1).permutation([*worst, *[other] * (count - len(worst))])
    names = [preset] * len(confidence) if isinstance(preset, str) else preset
    levels = confidence * (len(names) // len(confidence))
    pairs = [(c, rc.PRESETS[n]) for c, n in zip(levels, names, strict=True)]
    return {
        "value_at_risk": [rc.value_at_risk(pnl, c, None, chosen).value for c, chosen in pairs],
        "expected_shortfall": [rc.expected_shortfall(pnl, c, None, chosen).value for c, chosen in pairs],
    }


def discrete(pnl: list[float], probability: list[float], confidence: float, quantile: str = "inverted_cdf") -> Answers:
    """VaR and ES of a few outcomes with probabilities."""
    chosen = rc.Conventions(quantile=rc.QuantileConvention(quantile))
    return {
        "value_at_risk": rc.value_at_risk(pnl, confidence, probability, chosen).value,
        "expected_shortfall": rc.expected_shortfall(pnl, confidence, probability, chosen).value,
    }


def quantiles(values: list[float], level: float) -> Answers:
    """One quantile by every name."""
    names = ("index_above", "sample_interpolation", "midway", "sample_plus_one", "excel", "linear", "type_7")
    return {name: rc.quantile(values, level, name) for name in names}


def quantile_error(confidence: float, count: int, mean: float, standard_deviation: float) -> Answers:
    """Standard error of a quantile under a normal law."""
    law = stats.norm(mean, standard_deviation)
    return {"standard_error": rc.quantile_standard_error(confidence, count, float(law.pdf(law.ppf(confidence))))}


def age_weights(decay: float, count: int, returns: list[float], days_ago: list[int]) -> Answers:
    """Weights of given days, and cumulated from the worst return."""
    weights = rc.exponential_weights(count, decay)[np.array(days_ago) - 1]
    return {"weights": weights, "cumulative": np.cumsum(weights[np.argsort(returns)])}


def age_weighted_tail(
    decay: float, count: int, returns: list[float], days_ago: list[int], other: float, confidence: float, preset: str
) -> Answers:
    """Age-weighted VaR and ES of a sample of which only the tail is given."""
    newest_first = np.full(count, other)
    newest_first[np.array(days_ago) - 1] = returns
    weights, chosen = rc.exponential_weights(count, decay), rc.PRESETS[preset]
    return {
        "value_at_risk": rc.value_at_risk(newest_first, confidence, weights, chosen).value,
        "expected_shortfall": rc.expected_shortfall(newest_first, confidence, weights, chosen).value,
    }


def _delta_normal(positions: list[float], covariance: Any, **options: float) -> Answers:
    risk = rc.delta_normal(positions, covariance, **options)
    names = ("value", "volatility", "standalone", "component", "marginal", "incremental", "diversification_benefit")
    return {name: getattr(risk, name) for name in names}


def parametric(positions: list[float], volatility: list[float], correlation: Any, **options: float) -> Answers:
    """Delta-normal VaR and its parts, from volatilities and correlations."""
    return _delta_normal(positions, rc.covariance_matrix(volatility, correlation), **options)


def parametric_covariance(positions: list[float], covariance: list[list[float]], **options: float) -> Answers:
    """Delta-normal VaR and its parts, from a covariance matrix."""
    volatility, correlation = rc.volatilities_and_correlations(covariance)
    return {**_delta_normal(positions, covariance, **options), "volatilities": volatility, "correlations": correlation}


def single_position(exposure: float, volatility: float, **options: float) -> Answers:
    """VaR of one position."""
    return {"value_at_risk": rc.parametric_value_at_risk(exposure, volatility, **options)}


def horizon(days: list[int], autocorrelation: float) -> Answers:
    """N-day over one-day VaR."""
    return {"scale": [rc.horizon_scale(d, autocorrelation) for d in days]}


def mapping(flows: list[Mapping[str, float]]) -> Answers:
    """Shares of cash flows that go to the nearer vertex."""
    return {"share": [rc.mapping_share(**flow) for flow in flows]}


def closed_form(standard_deviation: float, degrees_of_freedom: float, confidence: list[float], mean: float = 0.0) -> Answers:
    """Normal and t of one standard deviation."""
    forms = {
        "normal": [rc.normal_closed_form(mean, standard_deviation, c) for c in confidence],
        "student_t": [rc.student_t_closed_form(mean, standard_deviation, degrees_of_freedom, c) for c in confidence],
    }
    measures = ("value_at_risk", "expected_shortfall")
    return {f"{law}_{measure}": [getattr(form, measure) for form in by_level] for law, by_level in forms.items() for measure in measures}


LAWS: Final = {
    "normal": rc.normal_closed_form,
    "student_t": rc.student_t_closed_form,
    "lognormal": rc.lognormal_closed_form,
    "cornish_fisher": rc.cornish_fisher_closed_form,
    "peaks": rc.peaks_closed_form,
    "block_maxima": rc.block_maxima_closed_form,
}


def law(
    name: str, parameters: dict[str, Any], confidence: list[float] | None = None, quantile: list[float] | None = None, value: float = 1.0
) -> Answers:
    """VaR and ES of a law given by its parameters, at confidences or at normal quantiles, on an investment of `value`."""
    levels = [{"confidence": c} for c in confidence or []] + [{"quantile": q} for q in quantile or []]
    forms = [LAWS[name](**parameters, **level) for level in levels]
    return {measure: [value * getattr(form, measure) for form in forms] for measure in ("value_at_risk", "expected_shortfall")}


def scipy_law(name: str, parameters: list[float], confidence: list[float]) -> Answers:
    """VaR and ES of a law that scipy knows."""
    forms = [rc.distribution_risk(getattr(stats, name)(*parameters), c) for c in confidence]
    return {measure: [getattr(form, measure) for form in forms] for measure in ("value_at_risk", "expected_shortfall")}


def peaks_probability(loss: float, **parameters: float) -> Answers:
    """Probability of a loss beyond one given."""
    return {"probability": rc.peaks_tail_probability(loss, **parameters)}


def ewma_step(decay: float, volatility: list[float], correlation: float, returns: list[float]) -> Answers:
    """One step of variances, covariance and correlation."""
    (sx, sy), (x, y) = volatility, returns
    return {
        "variance_x": rc.ewma_variance(sx**2, x, decay),
        "variance_y": rc.ewma_variance(sy**2, y, decay),
        "covariance": rc.ewma_covariance(correlation * sx * sy, x, y, decay),
        "correlation": rc.ewma_correlation(correlation, sx, sy, x, y, decay),
    }


def ewma_value_at_risk(decay: float, variance: float, newest: float, exposure: float, quantile: list[float]) -> Answers:
    """The variance for the next day, and VaR with it."""
    forecast = rc.ewma_variance(variance, newest, decay)
    return {"variance": forecast, "value_at_risk": [rc.parametric_value_at_risk(exposure, forecast**0.5, quantile=q) for q in quantile]}


def ewma_path(decay: float, start: float, returns: list[float]) -> Answers:
    """The whole path of a variance."""
    return {"variances": rc.ewma_variances(returns, decay, start)}


def ewma_days(decay: list[float], tolerance: list[float]) -> Answers:
    """Days that hold all but a share of the weight: a row for each tolerance."""
    return {"days": np.round([[rc.ewma_days(d, t) for d in decay] for t in tolerance])}


def ewma_moments(observations: list[list[float]], decay: float) -> Answers:
    """Exponentially weighted means and covariance about them; a row of observations for each date, oldest first."""
    moves = np.transpose(observations)
    weights = rc.exponential_weights(len(observations), decay)[::-1]
    about_mean = rc.Conventions(mean=rc.Mean.SAMPLE)
    return {
        "mean": [rc.moments(series, weights, about_mean).mean for series in moves],
        "covariance": rc.ewma_covariance_matrix(moves, decay, about_mean),
    }


def spread(value: list[float], mean: list[float], standard_deviation: list[float], multiplier: float) -> Answers:
    """Cost of crossing half of a widened spread."""
    return {"cost": rc.spread_cost(value, mean, standard_deviation, multiplier=multiplier).sum()}


def frontier(order: dict[str, float], market: dict[str, float], risk_aversion: list[float]) -> Answers:
    """Variance and penalty along the efficient frontier of Almgren and Chriss."""
    points = rc.efficient_frontier(rc.Liquidation(**order, market=rc.LinearImpact(**market)), risk_aversion)
    return {"variance": points.variance, "penalty": points.expected + points.risk_aversion * points.variance}


def quadratic_form(delta: list[float], gamma: list[float], variance: float, confidence: float) -> Answers:
    """VaR of the mirror of a book of one factor (ORE's sign), exact and by saddlepoint."""
    book = rc.DeltaGamma(delta, gamma, [[variance]]).reversed
    return {
        "exact": rc.exact_value_at_risk(book, confidence).value,
        "saddlepoint": rc.saddlepoint_value_at_risk(book, confidence).value,
    }


def copula(family: str, parameter: float, points: list[list[float]]) -> Answers:
    """Density and distribution function of a pair copula."""
    chosen = {"clayton": rc.ClaytonCopula, "gumbel": rc.GumbelCopula}[family](parameter)
    return {"pdf": np.exp(chosen.log_density(np.array(points))), "cdf": chosen.distribution(np.array(points))}


def t_copula(correlation: float, degrees_of_freedom: float, points: list[list[float]]) -> Answers:
    """Log density and conditional distribution, given the first margin, of a t copula."""
    chosen, u = rc.StudentTCopula.pair(correlation, degrees_of_freedom), np.array(points)
    density = chosen.log_density(u)
    return {"logpdf": density, "sum": density.sum(), "h": chosen.h(u[:, 1], u[:, 0])}


def tail_dependence(clayton: float, gumbel: float, t: list[float]) -> Answers:
    """Coefficients of tail dependence."""
    return {
        "clayton_lower": rc.ClaytonCopula(clayton).tail_dependence()[0],
        "gumbel_upper": rc.GumbelCopula(gumbel).tail_dependence()[1],
        "t": rc.StudentTCopula.pair(*t).tail_dependence()[0],
    }


RUNNERS: Final[Mapping[str, Callable[..., Answers]]] = {
    "tail": tail,
    "discrete": discrete,
    "quantile": quantiles,
    "quantile_error": quantile_error,
    "age_weights": age_weights,
    "age_weighted_tail": age_weighted_tail,
    "delta_normal": parametric,
    "delta_normal_covariance": parametric_covariance,
    "single_position": single_position,
    "horizon": horizon,
    "mapping": mapping,
    "closed_form": closed_form,
    "law": law,
    "scipy_law": scipy_law,
    "peaks_probability": peaks_probability,
    "ewma_step": ewma_step,
    "ewma_value_at_risk": ewma_value_at_risk,
    "ewma_vector": ewma_path,
    "ewma_days": ewma_days,
    "ewma_moments": ewma_moments,
    "spread": spread,
    "frontier": frontier,
    "quadratic_form": quadratic_form,
    "copula": copula,
    "t_copula": t_copula,
    "tail_dependence": tail_dependence,
}
