"""The small run with a watch configured, and rows about its instruments as the regime worker keeps them."""

from __future__ import annotations

from dataclasses import replace

from risk_core.engine.configuration import ModelConfiguration, WatchConfiguration
from risk_core.records import ChangePoint, Genesis, Record, RegimeModel, RegimeState, WatchRow
from services.common.adapters.memory_stores import MemoryLeases
from services.common.ports import Checkpoint, Commit, Lease, Snapshot
from services.common.schemas import encode_regime
from services.common.shard_kinds import WATCH_SHARD
from tests.unit.api.small_run import SmallRun
from tests.worlds import close_ns, interleave, make_world

INDEX = 1
LABELS = ("bull", "crisis")
GJR = {"omega": 2e-6, "alpha": 0.03, "beta": 0.9, "gamma": 0.1, "mean": 0.0, "df": 6.0}
TAKEN = {"model": "gjr", "innovation": "student_t", "parameters": GJR, "log_likelihood": 1234.5}
WATCH = WatchConfiguration(("INDEX",), states=2, first=90, every=63, history=500, run_length=500)


class WatchedRun:
    """A run of three days; `keep` does what the regime worker does at a close."""

    def __init__(self, watch: WatchConfiguration = WATCH) -> None:
        world = make_world(5, days=3, disorder=False)
        self.run = SmallRun([_watching(r, watch) for r in interleave(world, 5)]).play()
        registered = self.run.runs.latest()
        assert registered is not None
        self.run_id = registered.run_id
        lease = MemoryLeases(self.run.database).acquire(WATCH_SHARD, "test", 1e9)
        assert lease is not None
        self.lease: Lease = lease

    def keep(self, day: int, *rows: WatchRow) -> None:
        """Commit rows of a day's close."""
        checkpoint = Checkpoint(self.run_id, WATCH_SHARD, close_ns(day), 1_000 + day, b"", b"", True, 1)
        self.run.results.commit(Commit(self.lease, checkpoint, watched=rows))

    def show(self, row: RegimeState) -> None:
        """Put a state into the cache."""
        item = Snapshot(row.instrument_id, (row.as_of_ns, row.revision), encode_regime(row))
        assert self.run.snapshots.write(WATCH_SHARD, self.lease.epoch, "line", "regime", [item]) == 1

    def state(self, day: int, **changes: object) -> RegimeState:
        """Return the index's state at a close."""
        row = RegimeState(
            run_id=self.run_id,
            instrument_id=INDEX,
            as_of_ns=close_ns(day),
            date=f"2022-01-{8 + day:02d}",
            revision=0,
            log_seq=100 + day,
            price=100.0 + day,
            move=0.01 * day - 0.02,
            model_version=1,
            labels=LABELS,
            filtered=(0.75, 0.25),
            ahead=(0.7, 0.3),
            volatility=0.02,
            status="ok",
        )
        return replace(row, **changes)  # type: ignore[arg-type]

    def model(self, day: int, kind: str = "volatility", **changes: object) -> RegimeModel:
        """Return a refit at a close, one that was taken unless told otherwise."""
        parameters = TAKEN if kind == "volatility" else {"transition": [[0.9, 0.1], [0.2, 0.8]], "labels": list(LABELS)}
        row = RegimeModel(self.run_id, INDEX, close_ns(day), f"2022-01-{8 + day:02d}", kind, 0, 100 + day, 1, 90, "ok", "", parameters)
        return replace(row, **changes)  # type: ignore[arg-type]

    def change(self, day: int, detector: str = "drift", **changes: object) -> ChangePoint:
        """Return an alarm at a close."""
        papers = (self.run_id, INDEX, close_ns(day), f"2022-01-{8 + day:02d}", detector, 0, 100 + day)
        return replace(ChangePoint(*papers, "down", 11.25, 10.7), **changes)  # type: ignore[arg-type]


def _watching(record: Record, watch: WatchConfiguration) -> Record:
    if not isinstance(record.body, Genesis):
        return record
    configuration = replace(ModelConfiguration.from_json(record.body.configuration), watch=watch)
    return replace(record, body=replace(record.body, configuration=configuration.to_json()))
