"""What all online detectors share: an update by one observation, a run over many, and a state that goes through JSON bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk_core.change_points.online_kernels import HEAD
from risk_core.measures.checks import LARGEST, MeasureError, checked_pnl, checked_scalar

Floats = NDArray[np.float64]
Kernel = Callable[[Floats, Floats, Floats, Floats, Floats], None]


class Signal(NamedTuple):
    """What a detector says after an observation.

    Parameters
    ----------
    value : float
        The statistic, never negative; 0 while not ready.
    alarm : bool
        Whether it is strictly above the threshold.
    ready : bool
        False during a warm-up, and where there is nothing to compare with; no alarm then.
    """

    value: float
    alarm: bool
    ready: bool


@dataclass(frozen=True, slots=True, eq=False)
class Monitored:
    """A detector's way through a series.

    Parameters
    ----------
    values : float64[T]
        The statistic after each observation.
    alarms : int64[A]
        Positions in the series, rising. Without restart an alarm lasts as long as the value stays above the threshold.
    columns : mapping of str to float64[T]
        What else the detector shows, before any restart.
    """

    values: Floats
    alarms: NDArray[np.int64]
    columns: Mapping[str, Floats] = field(repr=False)


@dataclass(eq=False, kw_only=True)
class Detector:
    """An online detector: settings in its fields, memory inside.

    `update` and `run` go through one compiled loop, so that a stream gives the bits of a batch. Missing observations are refused: keep the
    detector as it is over such a time.

    Parameters
    ----------
    restart : bool
        Whether the detector forgets all after an alarm. False, as on a control chart, keeps counting.
    """

    restart: bool = False

    threshold_name: ClassVar[str] = "threshold"
    columns: ClassVar[tuple[str, ...]] = ()
    _kernel: ClassVar[Kernel]
    _kinds: ClassVar[dict[str, type[Detector]]] = {}

    def __init_subclass__(cls) -> None:
        Detector._kinds[cls.__name__] = cls

    def __post_init__(self) -> None:
        if not isinstance(self.restart, bool | np.bool_):
            raise MeasureError(f"restart is True or False, not {self.restart!r}")
        threshold = checked_scalar(getattr(self, self.threshold_name), self.threshold_name, above=0.0)
        self._numbers = np.array([threshold, float(self.restart), *self._settings()], np.float64)
        self._start = np.concatenate([np.zeros(HEAD), np.asarray(self._memory_at_start(), np.float64)])
        self._memory = self._start.copy()

    def _settings(self) -> list[float]:
        raise NotImplementedError

    def _memory_at_start(self) -> ArrayLike:
        raise NotImplementedError

    def _checked(self, xs: Floats) -> Floats:
        return xs

    def observations_of(self, draws: Floats) -> Floats:
        """Return observations without a change, made of draws of mean zero and variance one."""
        return draws

    @property
    def value(self) -> float:
        """The statistic after the last observation, 0 before any."""
        return float(self._memory[1])

    @property
    def signal(self) -> Signal:
        """Value, alarm and readiness after the last observation."""
        return Signal(float(self._memory[1]), bool(self._memory[2]), bool(self._memory[3]))

    @property
    def observations(self) -> int:
        """How many were seen, restarts included."""
        return int(self._memory[0])

    @property
    def threshold(self) -> float:
        """The value above which there is an alarm, whatever the field is called."""
        return float(self._numbers[0])

    def update(self, x: float) -> Signal:
        """Take one more observation.

        Raises
        ------
        MeasureError
            If it is missing, not finite or beyond 1e150; the detector stays as it was.
        """
        xs = self._checked(np.array([checked_scalar(x, "the observation")]))
        self._through(xs)
        return self.signal

    def run(self, series: ArrayLike) -> Monitored:
        """Take a series, oldest first, and return the way through it: the same bits as one update after another.

        Raises
        ------
        MeasureError
            If it is empty, or anything in it is missing, not finite or beyond 1e150; the detector stays as it was.
        """
        out = self._through(self._checked(checked_pnl(series, "series")))
        names = zip(self.columns, out.T[2:], strict=True)
        return Monitored(out[:, 0].copy(), np.flatnonzero(out[:, 1]), {name: column.copy() for name, column in names})

    def _through(self, xs: Floats) -> Floats:
        out = np.empty((xs.size, 2 + len(self.columns)))
        type(self)._kernel(np.ascontiguousarray(xs), self._numbers, self._start, self._memory, out)
        return out

    def reset(self) -> None:
        """Forget all observations."""
        self._memory = self._start.copy()

    def fresh(self, **changes: Any) -> Self:
        """Return a new detector with these settings, some changed, that has seen nothing."""
        return type(self)(**{**self.settings(), **changes})

    def with_threshold(self, threshold: float) -> Self:
        """Return a new detector with another threshold, that has seen nothing."""
        return self.fresh(**{self.threshold_name: threshold})

    def settings(self) -> dict[str, Any]:
        """Return the fields by name, as JSON takes them."""
        named = {f.name: getattr(self, f.name) for f in fields(self)}
        return {k: v.item() if isinstance(v, np.generic) else v for k, v in named.items()}

    def state(self) -> dict[str, Any]:
        """Return all there is to go on from, of finite numbers, strings and lists only."""
        return {"detector": type(self).__name__, "settings": self.settings(), "memory": self._memory.tolist()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return the detector that wrote this state; from `Detector`, or from its own class.

        Raises
        ------
        MeasureError
            If the state is of no detector, of another one, incomplete, or damaged.
        """
        kind = Detector._kinds.get(str(state.get("detector")))
        if kind is None or not issubclass(kind, cls):
            raise MeasureError(f"the state is of {state.get('detector')!r}, not of {cls.__name__}; read it with the class that wrote it")
        try:
            made = kind(**state["settings"])
            memory = np.asarray(state["memory"], np.float64)
        except (KeyError, TypeError, ValueError) as error:
            raise MeasureError(f"the state of {kind.__name__} is damaged ({error}); start a new detector") from None
        if memory.shape != made._memory.shape or not (np.abs(memory) <= LARGEST**2).all():
            raise MeasureError(f"the state of {kind.__name__} needs {made._memory.size} finite numbers of memory; start a new detector")
        made._memory = memory
        return made
