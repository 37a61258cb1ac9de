"""Laws fitted to a P&L vector: Student t, Hansen's skewed t, Cornish-Fisher. One fit answers every confidence."""

from risk_core.parametric.closed_form import cornish_fisher_closed_form
from risk_core.parametric.cornish_fisher import (
    CornishFisherFit,
    ModifiedShortfall,
    OutsideDomain,
    cornish_fisher_value_at_risk,
    fit_cornish_fisher,
    modified_expected_shortfall,
)
from risk_core.parametric.expansion import ExpansionTerms, cornish_fisher, is_increasing, transformed_moments
from risk_core.parametric.moments import (
    Moments,
    gini_mean_difference,
    lower_partial_moment,
    mean_absolute_deviation,
    moments,
    semi_deviation,
)
from risk_core.parametric.result import FitStatus
from risk_core.parametric.skewed_t import (
    SkewedT,
    SkewedTFit,
    fit_skewed_t,
    skewed_t_expected_shortfall,
    skewed_t_value_at_risk,
)
from risk_core.parametric.student_t import StudentTFit, fit_student_t, student_t_expected_shortfall, student_t_value_at_risk

__all__ = [
    "CornishFisherFit",
    "ExpansionTerms",
    "FitStatus",
    "ModifiedShortfall",
    "Moments",
    "OutsideDomain",
    "SkewedT",
    "SkewedTFit",
    "StudentTFit",
    "cornish_fisher",
    "cornish_fisher_closed_form",
    "cornish_fisher_value_at_risk",
    "fit_cornish_fisher",
    "fit_skewed_t",
    "fit_student_t",
    "gini_mean_difference",
    "is_increasing",
    "lower_partial_moment",
    "mean_absolute_deviation",
    "modified_expected_shortfall",
    "moments",
    "semi_deviation",
    "skewed_t_expected_shortfall",
    "skewed_t_value_at_risk",
    "student_t_expected_shortfall",
    "student_t_value_at_risk",
    "transformed_moments",
]
