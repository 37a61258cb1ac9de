"""Day closes in, rows about instruments out: what the regime worker does with the fold's buckets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from risk_core.book import AssetClass
from risk_core.engine.canonical import Evaluated, Frozen
from risk_core.engine.fold import Bucket, Fold
from risk_core.engine.watch.changes import InstrumentChanges
from risk_core.engine.watch.regime import InstrumentRegime, Refitted
from risk_core.measures.checks import LARGEST
from risk_core.records import ChangePoint, RegimeModel, RegimeState, ScenarioRow, WatchRow

OK: Final = "ok"
MISSING: Final = "missing"


class WatchEvaluator:
    """Follows regimes of the instruments that are configured and change points of all, by the buckets of a fold without nodes.

    Parameters
    ----------
    fold : Fold
    run_id : str
    """

    frozen: Frozen | None = None
    """No forecast of P&L is made here."""

    def __init__(self, fold: Fold, run_id: str) -> None:
        self.run_id = run_id
        self.settings = fold.configuration.watch
        self.ids = fold.index.instrument_ids
        instruments = [fold.index.instrument(k) for k in self.ids]
        columns = {i.symbol: column for column, i in enumerate(instruments)}
        self.regimes = {columns[symbol]: InstrumentRegime(self.settings) for symbol in self.settings.regimes_of if symbol in columns}
        watched = [c for c, i in enumerate(instruments) if i.asset_class is not AssetClass.CASH] if self.settings.run_length else []
        self.changes = {column: InstrumentChanges(self.settings.run_length) for column in watched}

    def evaluate(self, bucket: Bucket, frozen_as: Frozen | None = None) -> Evaluated:
        """Return the rows of a bucket: states and alarms of days that are emitted, models whenever they are fitted."""
        rows: list[WatchRow] = []
        if bucket.date is not None and bucket.shock is not None:
            for column, regime in self.regimes.items():
                rows += self._regime(bucket, bucket.date, column, regime)
            for column, changes in self.changes.items():
                rows += self._changes(bucket, bucket.date, column, changes)
        return Evaluated(bucket.as_of_ns, (), (), None, watched=tuple(rows))

    def _move(self, bucket: Bucket, column: int) -> float | None:
        """Return the instrument's own move; a proxy's says nothing of it."""
        assert bucket.shock is not None
        assert bucket.proxied is not None
        move = float(bucket.shock[column])
        return move if not bucket.proxied[column] and abs(move) <= LARGEST else None

    def _regime(self, bucket: Bucket, date: str, column: int, regime: InstrumentRegime) -> list[WatchRow]:
        move = self._move(bucket, column)
        rows: list[WatchRow] = [self._model(bucket, date, column, regime, said) for said in regime.take(move)]
        if bucket.emit and regime.filter is not None:
            rows.append(
                RegimeState(
                    run_id=self.run_id,
                    instrument_id=self.ids[column],
                    as_of_ns=bucket.as_of_ns,
                    date=date,
                    revision=bucket.revision,
                    log_seq=bucket.log_seq,
                    price=float(bucket.price[column]),
                    move=move,
                    model_version=regime.version,
                    labels=regime.filter.model.labels,
                    filtered=tuple(regime.filter.value.tolist()),
                    ahead=tuple(regime.filter.ahead.tolist()),
                    volatility=None if regime.volatility is None else regime.volatility.value,
                    status=MISSING if move is None else OK,
                )
            )
        return rows

    def _model(self, bucket: Bucket, date: str, column: int, regime: InstrumentRegime, said: Refitted) -> RegimeModel:
        return RegimeModel(
            run_id=self.run_id,
            instrument_id=self.ids[column],
            as_of_ns=bucket.as_of_ns,
            date=date,
            kind=said.kind,
            revision=bucket.revision,
            log_seq=bucket.log_seq,
            model_version=regime.version,
            observations=len(regime.moves),
            status=said.status,
            reason=said.reason,
            parameters=said.parameters,
            used=said.used,
        )

    def _changes(self, bucket: Bucket, date: str, column: int, changes: InstrumentChanges) -> list[WatchRow]:
        move = self._move(bucket, column)
        alarms = [] if move is None else changes.take(move)
        if not bucket.emit:
            return []
        papers = (self.run_id, self.ids[column], bucket.as_of_ns, date)
        return [ChangePoint(*papers, a.detector, bucket.revision, bucket.log_seq, a.direction, a.statistic, a.threshold) for a in alarms]

    def state(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "frozen": None,
            "scenarios": 0,
            "regimes": [[column, regime.state()] for column, regime in self.regimes.items()],
            "changes": [[column, changes.state()] for column, changes in self.changes.items()],
        }

    def restore(self, state: dict[str, Any], rows: Sequence[ScenarioRow]) -> None:
        """Go on from `state`; `rows` are none."""
        self.regimes = {column: InstrumentRegime.from_state(self.settings, held) for column, held in state["regimes"]}
        self.changes = {column: InstrumentChanges.from_state(self.settings.run_length, held) for column, held in state["changes"]}
