"""Bayesian online change-point detection: the law of the time since the last change, one observation at a time."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, pi
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from risk_core.change_points.bayesian_kernel import TABLES, run_lengths
from risk_core.change_points.charts import checked_count
from risk_core.change_points.detector import Detector, Kernel
from risk_core.change_points.online_kernels import HEAD
from risk_core.measures.checks import checked_scalar

Floats = NDArray[np.float64]


@dataclass(eq=False, kw_only=True)
class BayesianChangePoint(Detector):
    """Probabilities of run lengths after each observation (Adams and MacKay 2007), for normal data of unknown mean and variance.

    Within a run precision is Gamma(alpha, rate beta) and the mean is normal about `prior_mean` with variance 1 / (kappa * precision); each
    observation starts a new run with chance `hazard`. The value is the chance that the run has lasted fewer than `recent` observations. It
    is not ready, and 0, until more than `recent` were seen, because the first run is young without a change.

    Parameters
    ----------
    hazard : float
        In (0, 1): one over the expected number of observations between changes.
    prior_mean, kappa, alpha, beta : float
        Of a run's parameters before its first observation; the last three positive. `beta` is in the squared unit of the observations: with
        the default 1, scale them to a standard deviation near one.
    recent : int
        At most `bound`.
    bound : int
        Run lengths kept: 0, ..., bound - 1. The last stands for itself and all longer ones.
    threshold : float
        Of the value, in (0, 1): a probability.

    Notes
    -----
    After x[t] run length r means that the newest r observations are of the present run, and r = 0, whose chance is always the hazard, that
    the next one begins another. Columns: `most_probable_run`, `expected_run`, `log_predictive` (log density of the observation before it is
    seen; their sum is the log evidence). R. P. Adams and D. J. C. MacKay, "Bayesian online changepoint detection", arXiv:0710.3742 (2007).
    """

    hazard: float = 0.004
    prior_mean: float = 0.0
    kappa: float = 1.0
    alpha: float = 1.0
    beta: float = 1.0
    recent: int = 20
    bound: int = 500
    threshold: float = 0.5

    columns: ClassVar[tuple[str, ...]] = ("most_probable_run", "expected_run", "log_predictive")
    _kernel: ClassVar[Kernel] = staticmethod(run_lengths)

    def _settings(self) -> list[float]:
        hazard = checked_scalar(self.hazard, "hazard", above=0.0, most=1.0 - 1e-12)
        bound = checked_count(self.bound, "bound", 2, 100_000)
        recent = checked_count(self.recent, "recent", 1, bound)
        mean = checked_scalar(self.prior_mean, "prior_mean")
        kappa, alpha, beta = (checked_scalar(getattr(self, name), name, above=0.0) for name in ("kappa", "alpha", "beta"))
        run = np.arange(bound)
        a, k = alpha + 0.5 * run, kappa + run
        constant = gammaln(a + 0.5) - gammaln(a) + 0.5 * np.log(k / (k + 1.0)) - 0.5 * log(2.0 * pi)
        fixed = [hazard, float(recent), mean, beta, float(bound), log(beta), 0.0]
        assert 2 + len(fixed) == TABLES  # threshold and restart come first
        return [*fixed, *constant, *a, *(0.5 * k / (k + 1.0)), *(1.0 / (k + 1.0)), *run]

    def _memory_at_start(self) -> ArrayLike:
        memory = np.zeros((4, self.bound))
        memory[:, 0] = 1.0, self.prior_mean, self.beta, log(self.beta)
        return np.append(0.0, memory)

    @property
    def run_length_probabilities(self) -> Floats:
        """Chance of each run length after the last observation, float64[bound]; they sum to one."""
        return self._memory[HEAD + 1 : HEAD + 1 + self.bound].copy()

    @property
    def most_probable_run(self) -> int:
        """Run length of the largest chance."""
        return int(np.argmax(self.run_length_probabilities))
