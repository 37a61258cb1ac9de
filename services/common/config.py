"""Settings: one frozen tree, read from `RISK_...` environment variables with `__` between levels."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from risk_core.engine.configuration import RUN_LENGTHS
from risk_core.methods import methods_named


class SettingsError(Exception):
    """A setting that cannot be used; the message names the setting, the value and the fix."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LogSettings(_Section):
    """The ordered log and the public topics."""

    url: str = Field("memory:", description="memory: or pulsar://host:port")
    admin_url: str = Field("", description="Pulsar admin address, http://host:port")
    tenant: str = Field("risk", pattern=r"^[a-z0-9-]+$", description="tenant that holds the namespaces input, book and analytics")
    queue_max: int = Field(1000, ge=1, le=100_000, description="records waiting to be sent before append blocks")
    payload_bytes_max: int = Field(1_000_000, ge=1_000, le=5_000_000, description="largest record")
    retention_hours: int = Field(-1, ge=-1, description="broker retention of the log; -1 keeps it for ever")


class HistorySettings(_Section):
    """PostgreSQL or TimescaleDB."""

    url: SecretStr = Field(SecretStr("embedded:"), description="embedded: or postgresql://user:password@host:port/database")
    checkpoint_keep_days: int = Field(260, ge=2, description="day-close checkpoints kept; the reach of a correction")
    pending_max: int = Field(64, ge=1, le=10_000, description="finals that may wait for a database that is away before reading pauses")


class SnapshotSettings(_Section):
    """Redis or Valkey."""

    url: SecretStr = Field(SecretStr("embedded:"), description="embedded: or redis://host:port/0")
    ttl_seconds: int = Field(86_400, ge=10, description="time to live of a snapshot; quiet books are refreshed before it ends")


class LiquiditySettings(_Section):
    """What it costs and how long it takes to trade."""

    spread: float = Field(0.0, ge=0.0, allow_inf_nan=False, description="mean bid-ask spread, relative to the price")
    spread_volatility: float = Field(0.0, ge=0.0, allow_inf_nan=False, description="its standard deviation")
    liquidation_days: float = Field(1.0, ge=0.0, le=10_000.0, description="days to sell a position")


class ModelSettings(_Section):
    """What is calculated: part of the run id."""

    window: int = Field(500, ge=2, le=100_000, description="scenarios S in the window")
    methods: tuple[str, ...] = Field(
        ("historical", "age_weighted", "ewma_normal"),
        min_length=1,
        description="the first is the headline; those that the engine does not evaluate with every tick are challengers, of each day close",
    )
    confidences: tuple[float, ...] = Field((0.95, 0.975, 0.99, 0.999), min_length=1)
    cadence_seconds: float = Field(0.0, ge=0.0, description="bucket length of event time; 0: day closes only")
    stale_after_seconds: float = Field(72_000.0, gt=0.0, description="age of a price that counts as stale")
    degraded_share: float = Field(0.05, ge=0.0, le=1.0, description="proxied or stale share above which a result is degraded")

    liquidity: dict[str, LiquiditySettings] = Field(
        default_factory=dict,
        description='terms by symbol or asset class: {"equity": {"spread": 0.0005, "spread_volatility": 0.0003, "liquidation_days": 2}}',
    )
    liquidity_multiplier: float = Field(3.0, ge=0.0, le=100.0, description="standard deviations by which spreads are stressed")

    @field_validator("methods")
    @classmethod
    def _methods(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        first = methods_named(names)[0]
        if not first.streamed:
            raise ValueError(
                f"{first.name} cannot be the headline: it is not evaluated with every tick; put one that is first, for example historical"
            )
        if len(set(names)) != len(names):
            raise ValueError(f"each method may be named once: {', '.join(names)}")
        return names

    @field_validator("confidences")
    @classmethod
    def _confidences(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        for value in values:
            if not 0.5 < value < 1.0:
                raise ValueError(f"confidence {value} must lie between 0.5 and 1, for example 0.99")
        return values


class RegimeSettings(_Section):
    """What is watched for regimes and change points: part of the run id."""

    enabled: bool = Field(True, description="follow regimes, volatility and change points of instruments")
    of: tuple[str, ...] = Field((), description="symbols whose regime is followed; empty: the book's default proxy, if it has one")
    states: int = Field(4, ge=2, le=6, description="states of the hidden Markov model; four are bull, bear, neutral and crisis")
    first: int = Field(500, ge=90, le=100_000, description="closes before the first fit")
    every: int = Field(63, ge=1, le=100_000, description="closes from one fit to the next")
    history: int = Field(2_500, ge=90, le=100_000, description="newest closes that a fit looks at")
    run_length: int = Field(500, description="closes between false alarms of change, for each instrument and detector; 0: none is watched")

    @field_validator("run_length")
    @classmethod
    def _run_length(cls, value: int) -> int:
        if value not in (0, *RUN_LENGTHS):
            raise ValueError(f"thresholds are calibrated for {', '.join(map(str, RUN_LENGTHS))} closes; 0 watches for no change")
        return value


class BacktestSettings(_Section):
    """Zones of every judged day: never part of the run id."""

    enabled: bool = Field(True, description="keep zones day by day")
    windows: tuple[int, ...] = Field((250,), min_length=1, max_length=4, description="judged days looked back on; the first is shown")

    @field_validator("windows")
    @classmethod
    def _windows(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(values)) != len(values) or not all(10 <= v <= 5_000 for v in values):
            raise ValueError("give different windows from 10 to 5000 judged days, such as [250, 500]")
        return values


class ReplaySettings(_Section):
    """What is fed, and how fast."""

    feed: str = Field("sp500", description="sp500, synthetic, or a CSV/Parquet file")
    book: str = Field("demo", description="demo, or a book CSV file")
    from_date: date | None = Field(None, description="first day with results; days before seed the window")
    to_date: date | None = Field(None, description="last day")
    speed: str = Field("20", description="trading days per second, or max")

    @field_validator("speed")
    @classmethod
    def _speed(cls, value: str) -> str:
        try:
            valid = value == "max" or 0.0 < float(value) < 1e6
        except ValueError:
            valid = False
        if not valid:
            raise ValueError(f"{value!r}: give trading days per second, for example 20, or max")
        return value


class ShardSettings(_Section):
    """How nodes are spread over workers: never part of the run id."""

    count: int = Field(1, ge=1, le=4096, description="shards of the book")
    lease_seconds: float = Field(5.0, gt=0.5, description="time after which a silent worker's shard is taken over")
    per_worker_target: int = Field(0, ge=0, description="shards a worker takes at once, more only when nobody else does; 0 takes all")


class JobsSettings(_Section):
    """Where challengers are calculated: never part of the run id."""

    pool: Literal["process", "ray"] = Field("process", description="a process beside the service's, or a Ray cluster (extra ray)")
    ray_address: str = Field("local", description="local: a cluster of this process alone; ray://host:10001; host:6379 or auto on a node")

    @field_validator("ray_address")
    @classmethod
    def _ray_address(cls, address: str) -> str:
        where = urlsplit(address if "://" in address else f"//{address}")
        if address not in ("local", "auto") and not (where.scheme in ("", "ray") and where.hostname and where.port and not where.path):
            raise ValueError(
                "must be local, auto, ray://host:port of a cluster elsewhere, or host:port of the cluster this machine is a node of"
            )
        return address


class LiveSettings(_Section):
    """What comes after history."""

    enabled: bool = Field(False, description="go on live after the feed's last day: ticks from the inbox, days closed by the clock")
    lateness_seconds: float = Field(2.0, ge=0.0, le=3600.0, description="how long a tick may take; results of a bucket wait for it")
    heartbeat_seconds: float = Field(1.0, gt=0.0, description="an idle source promises progress this often")
    silent_seconds: float = Field(30.0, gt=0.0, description="a source that sends nothing so long holds nothing back any more")


class IngestSettings(_Section):
    """Validation and pacing at the edge."""

    batch_max: int = Field(1000, ge=1, le=20_000, description="ticks in one record")
    future_seconds_max: float = Field(1.0, ge=0.0, description="how far an event may lie ahead of the clock")
    dead_letters_max: int = Field(10_000, ge=1, description="dead letters kept")


class ApiSettings(_Section):
    """The HTTP interface."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65_535, description="0 takes a free port")
    key: SecretStr | None = Field(None, description="API key; required when bound beyond loopback")
    stream_hz: float = Field(10.0, gt=0, le=50)


class MetricsSettings(_Section):
    """The Prometheus endpoint of a process."""

    host: str = "127.0.0.1"
    port: int = Field(0, ge=0, le=65_535, description="0 switches it off")


class LoggingSettings(_Section):
    """Log lines on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="`plimsoll run` shows warnings and errors only")
    json_lines: bool | None = Field(None, description="JSON lines; unset: unless standard error is a terminal")


class Settings(BaseSettings):
    """Everything a process is told."""

    model_config = SettingsConfigDict(env_prefix="RISK_", env_nested_delimiter="__", frozen=True, extra="ignore")

    profile: Literal["embedded", "compose", "scale"] = "embedded"
    data_directory: Path = Field(Path(".plimsoll"), description="private directory of the embedded servers")
    worker_name: str = Field("", description="name in leases and logs; empty: host and process id")
    # type checkers take a positional default of Field for none, and every section for one with missing arguments
    log: LogSettings = LogSettings()  # type: ignore[call-arg]
    history: HistorySettings = HistorySettings()  # type: ignore[call-arg]
    snapshots: SnapshotSettings = SnapshotSettings()  # type: ignore[call-arg]
    model: ModelSettings = ModelSettings()  # type: ignore[call-arg]
    regimes: RegimeSettings = RegimeSettings()  # type: ignore[call-arg]
    backtests: BacktestSettings = BacktestSettings()  # type: ignore[call-arg]
    replay: ReplaySettings = ReplaySettings()  # type: ignore[call-arg]
    live: LiveSettings = LiveSettings()  # type: ignore[call-arg]
    shards: ShardSettings = ShardSettings()  # type: ignore[call-arg]
    jobs: JobsSettings = JobsSettings()  # type: ignore[call-arg]
    ingest: IngestSettings = IngestSettings()  # type: ignore[call-arg]
    api: ApiSettings = ApiSettings()  # type: ignore[call-arg]
    metrics: MetricsSettings = MetricsSettings()  # type: ignore[call-arg]
    logging: LoggingSettings = LoggingSettings()  # type: ignore[call-arg]


def load_settings(**overrides: object) -> Settings:
    """Read settings from the environment; `overrides` win.

    Raises
    ------
    SettingsError
        One message a setting: its name, the value and what would be right.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        lines = []
        for item in error.errors():
            name = "RISK_" + "__".join(str(part) for part in item["loc"] if not isinstance(part, int)).upper()
            lines.append(f"{name} = {item['input']!r}: {item['msg']}")
        raise SettingsError("; ".join(lines)) from None
