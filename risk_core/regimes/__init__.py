"""Market regimes: hidden Markov models, Markov-switching regression; fitted in batch, filtered and re-estimated on a stream."""

from risk_core.regimes.chain import expected_durations, logistic_transitions, simulate_chain, stationary_distribution
from risk_core.regimes.checks import RegimeError
from risk_core.regimes.errors import ErrorStatus, HmmErrors, hmm_standard_errors
from risk_core.regimes.fit import HmmFit, HmmStatus, Initial, fit_hmm
from risk_core.regimes.labels import MatchStatus, StateMatch, hellinger, label_states, match_states
from risk_core.regimes.model import HiddenMarkovModel, Law
from risk_core.regimes.online import RegimeFilter
from risk_core.regimes.online_em import OnlineHmm
from risk_core.regimes.passes import (
    InitialTime,
    StatePath,
    StateProbabilities,
    backward_probabilities,
    categorical_densities,
    forward_backward,
    forward_probabilities,
    viterbi,
)
from risk_core.regimes.selection import Candidate, Criterion, StateChoice, choose_states, out_of_sample
from risk_core.regimes.statistics import RegimeStatistics, regime_statistics
from risk_core.regimes.switching import SwitchingModel, SwitchingProbabilities, hamilton_filter
from risk_core.regimes.switching_fit import SwitchingFit, SwitchingStatus, fit_markov_autoregression, fit_markov_regression
from risk_core.regimes.walk import Refit, RefitStatus, WalkForward, refit_model, walk_forward

__all__ = [
    "Candidate",
    "Criterion",
    "ErrorStatus",
    "HiddenMarkovModel",
    "HmmErrors",
    "HmmFit",
    "HmmStatus",
    "Initial",
    "InitialTime",
    "Law",
    "MatchStatus",
    "OnlineHmm",
    "Refit",
    "RefitStatus",
    "RegimeError",
    "RegimeFilter",
    "RegimeStatistics",
    "StateChoice",
    "StateMatch",
    "StatePath",
    "StateProbabilities",
    "SwitchingFit",
    "SwitchingModel",
    "SwitchingProbabilities",
    "SwitchingStatus",
    "WalkForward",
    "backward_probabilities",
    "categorical_densities",
    "choose_states",
    "expected_durations",
    "fit_hmm",
    "fit_markov_autoregression",
    "fit_markov_regression",
    "forward_backward",
    "forward_probabilities",
    "hamilton_filter",
    "hellinger",
    "hmm_standard_errors",
    "label_states",
    "logistic_transitions",
    "match_states",
    "out_of_sample",
    "refit_model",
    "regime_statistics",
    "simulate_chain",
    "stationary_distribution",
    "viterbi",
    "walk_forward",
]
