"""Canonical evaluation: the final numbers of a bucket, the same bytes wherever and whenever they are computed.

Fixed instrument order, sequential sums, scaled-integer quantities; no BLAS and no fastmath.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from risk_core.book import AssetClass
from risk_core.engine.collapse import NEVER_NS
from risk_core.engine.configuration import NS_PER_SECOND, ModelConfiguration
from risk_core.engine.fold import Bucket, Fold
from risk_core.engine.inputs import Inputs
from risk_core.engine.intervals import IntervalPlan
from risk_core.engine.kernels import evaluate, intervals, pnl_vectors
from risk_core.engine.valuation import Matrix, day_pnl, exposures, market_values, sequential_sum
from risk_core.engine.window import Window
from risk_core.methods import MeasurePlan
from risk_core.records import SPREAD, DayCloseRow, RiskResult, ScenarioRow, WatchRow

FORECAST_LEAD_NS = 10 * 86_400 * NS_PER_SECOND
"""Closes this long before the first emitted result are evaluated too, so that its day has a frozen forecast."""

HORIZON_DAYS = 1


@dataclass(frozen=True, slots=True, eq=False)
class Frozen:
    """Results as of a close, held as the forecast of the next day; float64[P, M, C] each."""

    as_of_ns: int
    value_at_risk: NDArray[np.float64]
    expected_shortfall: NDArray[np.float64]

    def state(self) -> dict[str, Any]:
        """Return plain data."""
        return {"as_of_ns": self.as_of_ns, "value_at_risk": self.value_at_risk, "expected_shortfall": self.expected_shortfall}

    @staticmethod
    def restore(state: dict[str, Any] | None) -> Frozen | None:
        """Inverse of `state`."""
        return None if state is None else Frozen(state["as_of_ns"], state["value_at_risk"], state["expected_shortfall"])


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Rows of one bucket."""

    as_of_ns: int
    results: tuple[RiskResult, ...]
    day_closes: tuple[DayCloseRow, ...]
    scenario_row: ScenarioRow | None
    inputs: Inputs | None = None
    """What challengers are evaluated from, at a day close."""
    watched: tuple[WatchRow, ...] = ()


class Evaluator:
    """Turns buckets, in order, into rows: judges, rolls, evaluates and freezes."""

    def __init__(self, fold: Fold, run_id: str) -> None:
        self.run_id = run_id
        self.index = fold.index
        self.layout = fold.layout
        self.configuration: ModelConfiguration = fold.configuration
        self.methods = self.configuration.streamed
        self.challenged = bool(self.configuration.challengers)
        self.emit_from_ns = fold.genesis.emit_from_ns
        self.node_ids = fold.node_ids
        by_id = {n.node_id: n for n in fold.genesis.book.nodes}
        self.currency_names = [by_id[k].currency for k in self.node_ids]
        self.node_currency = np.array([self.layout.currencies.index(c) for c in self.currency_names], np.int64)
        self.window = Window(self.layout, self.configuration.window, self.node_currency.tolist())
        self.frozen: Frozen | None = None
        self._plan: MeasurePlan | None = None
        self._intervals: IntervalPlan | None = None

    # ------------------------------------------------------------ buckets

    def evaluate(self, bucket: Bucket, frozen_as: Frozen | None = None) -> Evaluated:
        """Return the rows of a bucket.

        Parameters
        ----------
        bucket : Bucket
            The next closed bucket.
        frozen_as : Frozen or None
            When a bucket is folded again: the forecast frozen at its close the first time, which stays.
        """
        day_closes: tuple[DayCloseRow, ...] = ()
        scenario_row = None
        inputs = None
        if bucket.date is not None:
            outcome = self._outcome(bucket) if bucket.emit else None
            if outcome is not None:
                day_closes = self._judge(bucket, bucket.date, outcome)
            scenario_row = self._roll(bucket, bucket.date)
            if outcome is not None and self.challenged and self.window.count and self.node_ids:
                inputs = self.inputs(bucket, bucket.date, outcome)
        results: tuple[RiskResult, ...] = ()
        forecast: Frozen | None = None
        wanted = bucket.emit or (bucket.date is not None and bucket.as_of_ns >= self.emit_from_ns - FORECAST_LEAD_NS)
        if wanted and self.window.count and self.node_ids:
            var, es, vectors = self.measures(bucket.quantity, bucket.price)
            forecast = Frozen(bucket.as_of_ns, var, es)
            if bucket.emit:
                results = self._rows(bucket, var, es, self.intervals(vectors))
            del vectors
        if bucket.date is not None:
            self.frozen = frozen_as if frozen_as is not None else forecast
        return Evaluated(bucket.as_of_ns, results, day_closes, scenario_row, inputs)

    def measures(self, quantity: NDArray[np.int64], price: NDArray[np.float64]) -> tuple[Matrix, Matrix, Matrix]:
        """Return (VaR[P, M, C], ES[P, M, C], P&L vectors[P, count]) of positions on the window, slots in ring order."""
        exposure = exposures(self.layout, quantity, price, self.node_currency)
        vectors = np.empty((len(self.node_ids), self.window.count), np.float64)
        for currency in np.unique(self.node_currency):
            rows = np.flatnonzero(self.node_currency == currency)
            vectors[rows] = pnl_vectors(np.ascontiguousarray(exposure[rows]), self.window.matrix(int(currency)))
        var, es = evaluate(vectors, self.window.age_order(), *self.plan().arrays)
        return var, es, vectors

    def intervals(self, vectors: Matrix) -> Matrix:
        """Return standard error, lower and upper bound of VaR, then of ES, [P, M, C, 6], NaN where there is none."""
        return intervals(vectors, self.window.age_order(), *self.plan().arrays, *self._interval_plan().arrays)

    def plan(self) -> MeasurePlan:
        """Return the compiled methods for the window's present length."""
        if self._plan is None or self._plan.scenarios != self.window.count:
            self._plan = self.plan_for(self.window.count)
        return self._plan

    def _interval_plan(self) -> IntervalPlan:
        if self._intervals is None or self._intervals.plan is not self.plan():
            self._intervals = IntervalPlan(self.plan())
        return self._intervals

    def plan_for(self, scenarios: int) -> MeasurePlan:
        """Return the compiled methods for a number of scenarios."""
        return MeasurePlan(scenarios, self.methods, self.configuration.confidences)

    # --------------------------------------------------------------- rows

    def _outcome(self, bucket: Bucket) -> Matrix:
        """Return the day's hypothetical P&L, actual P&L and fees, float64[3, P]."""
        parts = day_pnl(
            self.layout,
            self.node_currency,
            bucket.opening,
            bucket.baseline,
            bucket.quantity,
            bucket.price,
            bucket.trade_cost,
            bucket.fees,
        )
        return np.array(parts)

    def _judge(self, bucket: Bucket, date: str, outcome: Matrix) -> tuple[DayCloseRow, ...]:
        frozen = self.frozen
        if frozen is None:
            return ()
        rows = []
        var, es = frozen.value_at_risk.tolist(), frozen.expected_shortfall.tolist()
        for p, node_id in enumerate(self.node_ids):
            gain, made, paid = outcome[:, p].tolist()
            for m, method in enumerate(self.methods):
                for c, confidence in enumerate(self.configuration.confidences):
                    forecast = var[p][m][c]
                    rows.append(
                        DayCloseRow(
                            run_id=self.run_id,
                            node_id=node_id,
                            date=date,
                            as_of_ns=bucket.as_of_ns,
                            method=method.name,
                            horizon_days=HORIZON_DAYS,
                            confidence=confidence,
                            revision=bucket.revision,
                            currency=self.currency_names[p],
                            forecast_value_at_risk=forecast,
                            forecast_expected_shortfall=es[p][m][c],
                            hypothetical_pnl=gain,
                            actual_pnl=made,
                            fees=paid,
                            exception_hypothetical=-gain > forecast,
                            exception_actual=-made > forecast,
                            status="ok",
                        )
                    )
        return tuple(rows)

    def inputs(self, bucket: Bucket, date: str, outcome: Matrix) -> Inputs:
        """Return what challengers are evaluated from: after the window has rolled, while the forecast before is the frozen one."""
        stale, proxied, thin, unpriced = self.quality(self.window, bucket.quantity, bucket.price, bucket.price_ns, bucket.as_of_ns)
        flags = tuple("+".join(self.flags(self.window, *q)) for q in zip(stale, proxied, unpriced, strict=True))
        return Inputs(
            as_of_ns=bucket.as_of_ns,
            date=date,
            revision=bucket.revision,
            log_seq=bucket.log_seq,
            scenarios=self.window.count,
            node_ids=tuple(self.node_ids),
            exposure=exposures(self.layout, bucket.quantity, bucket.price, self.node_currency),
            shares=np.column_stack((stale, proxied, thin)),
            flags=flags,
            judged_ns=0 if self.frozen is None else self.frozen.as_of_ns,
            outcome=outcome,
        )

    def _roll(self, bucket: Bucket, date: str) -> ScenarioRow | None:
        if bucket.shock is None or bucket.proxied is None:
            return None
        self.window.roll(bucket.shock, bucket.proxied, date)
        return ScenarioRow(self.run_id, bucket.as_of_ns, date, bucket.revision, bucket.log_seq, bucket.shock, bucket.proxied)

    def _rows(self, bucket: Bucket, var: Matrix, es: Matrix, spread: Matrix) -> tuple[RiskResult, ...]:
        stale, proxied, thin, unpriced = self.quality(self.window, bucket.quantity, bucket.price, bucket.price_ns, bucket.as_of_ns)
        count = self.window.count
        plan = self.plan()
        var_values, es_values = var.tolist(), es.tolist()
        spread_values = np.where(np.isnan(spread), None, spread).tolist()  # type: ignore[call-overload]
        rows = []
        for p, node_id in enumerate(self.node_ids):
            flags = self.flags(self.window, stale[p], proxied[p], unpriced[p])
            for m, method in enumerate(self.methods):
                for c, confidence in enumerate(self.configuration.confidences):
                    status = "+".join(["thin_tail", *flags] if plan.thin[m, c] else flags) or "ok"
                    rows.append(
                        RiskResult(
                            run_id=self.run_id,
                            node_id=node_id,
                            as_of_ns=bucket.as_of_ns,
                            method=method.name,
                            horizon_days=HORIZON_DAYS,
                            confidence=confidence,
                            revision=bucket.revision,
                            currency=self.currency_names[p],
                            value_at_risk=var_values[p][m][c],
                            expected_shortfall=es_values[p][m][c],
                            scenario_count=count,
                            log_seq=bucket.log_seq,
                            stale_share=stale[p],
                            proxied_share=proxied[p],
                            thin_share=thin[p],
                            status=status,
                            **dict(zip(SPREAD, spread_values[p][m][c], strict=True)),
                        )
                    )
        return tuple(rows)

    def flags(self, window: Window, stale_share: float, proxied_share: float, unpriced: bool) -> list[str]:
        """Return what degrades a node's numbers, whatever the method: short_window, unpriced, degraded."""
        limit = self.configuration.degraded_share
        found = {
            "short_window": window.count < window.size,
            "unpriced": unpriced,
            "degraded": max(stale_share, proxied_share) > limit,
        }
        return [name for name, holds in found.items() if holds]

    def quality(
        self, window: Window, quantity: NDArray[np.int64], price: NDArray[np.float64], price_ns: NDArray[np.int64], as_of_ns: int
    ) -> tuple[list[float], list[float], list[float], list[bool]]:
        """Return per node the shares of gross market value that are stale, proxied and thin, and whether a price is missing.

        Stale: price older than the configured age. Proxied: mean share of the window's moves that a proxy supplied. Thin:
        instruments observed on less than half of the window.
        """
        gross = np.abs(market_values(self.layout, quantity, price, self.node_currency))
        total = sequential_sum(gross)
        seen = (price_ns != NEVER_NS) | self.layout.is_cash
        age_ns = as_of_ns - np.where(seen, price_ns, as_of_ns)
        stale = (age_ns > self.configuration.stale_after_ns) & ~self.layout.is_cash
        count = max(window.count, 1)
        proxied = window.proxied_count / count
        thin = (2 * (count - window.proxied_count) < count) & ~self.layout.is_cash
        shares = []
        for weight in (stale.astype(np.float64), proxied, thin.astype(np.float64)):
            part = sequential_sum(gross * weight)
            share = np.zeros_like(total)
            np.divide(part, total, out=share, where=total > 0.0)
            shares.append(share.tolist())
        unpriced = ((quantity != 0) & ~seen).any(axis=1).tolist()
        return shares[0], shares[1], shares[2], unpriced

    # -------------------------------------------------------------- state

    def state(self) -> dict[str, Any]:
        """Return plain data; the window itself is in the stored scenario rows."""
        return {"frozen": None if self.frozen is None else self.frozen.state(), "scenarios": self.window.count}

    def restore(self, state: dict[str, Any], rows: Sequence[ScenarioRow]) -> None:
        """Go on from `state` with the stored rows of the window, oldest first.

        Raises
        ------
        ValueError
            When rows are missing.
        """
        if len(rows) < state["scenarios"]:
            raise ValueError(f"the checkpoint needs {state['scenarios']} scenario rows; the store holds {len(rows)}")
        self.window.fill(rows)
        self.frozen = Frozen.restore(state["frozen"])

    def symbol(self, column: int) -> str:
        """Return the symbol of an instrument column."""
        return self.index.instrument(self.index.instrument_ids[column]).symbol

    def is_cash(self, column: int) -> bool:
        """Return whether a column is a currency's cash instrument."""
        return self.index.instrument(self.index.instrument_ids[column]).asset_class is AssetClass.CASH
