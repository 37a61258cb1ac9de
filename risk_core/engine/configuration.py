"""What is calculated: parsed from the genesis record's canonical JSON, so that every reader of the log agrees."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from risk_core.methods import Method, methods_named

NS_PER_SECOND = 1_000_000_000
RUN_LENGTHS: Final = (250, 500, 1_250, 2_500)
"""Closes to a false alarm that detectors of change are calibrated for."""


@dataclass(frozen=True, slots=True)
class WatchConfiguration:
    """What is watched for regimes and change points: see `risk_core.engine.watch`.

    Parameters
    ----------
    regimes_of : tuple of str
        Symbols whose regime and volatility are followed; none by default.
    states : int
        Of the hidden Markov model, 2 to 6.
    first, every : int
        Moves before the first fit, and from one to the next.
    history : int
        Newest moves that a fit looks at.
    run_length : int
        Closes between false alarms of change, for each instrument and detector; one of `RUN_LENGTHS`, 0 watches for none.
    """

    regimes_of: tuple[str, ...] = ()
    states: int = 4
    first: int = 500
    every: int = 63
    history: int = 2_500
    run_length: int = 0

    @property
    def watching(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.regimes_of) or self.run_length > 0


@dataclass(frozen=True, slots=True)
class ModelConfiguration:
    """Settings that shape numbers; part of the run id.

    Parameters
    ----------
    window : int
        Scenarios S in the rolling set.
    methods : tuple of str
        Names in `risk_core.methods`; the first is the headline.
    confidences : tuple of float
        Each in (0.5, 1).
    stale_after_ns : int
        Age of a price at as_of beyond which it counts as stale.
    degraded_share : float
        Stale or proxied share above which the status is degraded.
    correction_days : int
        Day closes a correction may reach back.
    seed : int
        Model seed of simulated sets.
    liquidity : tuple of (of, spread, spread volatility, liquidation days)
        Terms of `risk_core.liquidity.LiquidityTerms`, for the methods that read them.
    liquidity_multiplier : float
        Standard deviations by which spreads are stressed.
    watch : WatchConfiguration
        Regimes and change points.
    """

    window: int = 500
    methods: tuple[str, ...] = ("historical", "age_weighted", "ewma_normal")
    confidences: tuple[float, ...] = (0.95, 0.975, 0.99, 0.999)
    stale_after_ns: int = 72_000 * NS_PER_SECOND
    degraded_share: float = 0.05
    correction_days: int = 260
    seed: int = 0
    liquidity: tuple[tuple[str, float, float, float], ...] = ()
    liquidity_multiplier: float = 3.0
    watch: WatchConfiguration = field(default_factory=WatchConfiguration)

    @property
    def streamed(self) -> tuple[Method, ...]:
        """Return the methods that are evaluated with every tick and at every bucket."""
        return tuple(m for m in methods_named(self.methods) if m.streamed)

    @property
    def challengers(self) -> tuple[Method, ...]:
        """Return the methods that are evaluated beside the stream, from what each day close freezes."""
        return tuple(m for m in methods_named(self.methods) if not m.streamed)

    def to_json(self) -> str:
        """Return canonical JSON: sorted keys, no spaces."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> ModelConfiguration:
        """Parse `to_json` output.

        Raises
        ------
        ValueError
            For unknown settings or text that is not JSON.
        """
        loaded = json.loads(text)
        values: dict[str, Any] = {k: _frozen(v) for k, v in loaded.items()}
        try:
            if "watch" in values:
                values["watch"] = WatchConfiguration(**{k: _frozen(v) for k, v in loaded["watch"].items()})
            return ModelConfiguration(**values)
        except TypeError as error:
            raise ValueError(f"model configuration: {error}") from None


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value
