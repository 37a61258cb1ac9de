"""How regimes, their fits and their changes read in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import sqrt
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.cli.regime_fit import Candidate, Fitted
from services.cli.regime_replay import Replay, Spell
from services.cli.regime_shapes import Chain, Change, DayState, Refit, Regime, Volatility
from services.cli.regime_watch import Watched

DAYS_PER_YEAR: Final = 252
STYLES: Final = {"crisis": "bold red", "bear": "red", "bull": "green", "calm": "green"}
UNWATCHED: Final = Text("Change points are not watched for: RISK_REGIMES__RUN_LENGTH is 0.")


def fit_view(f: Fitted, relative: bool) -> Group:
    """Return the regimes of a whole history, their chain, the candidates if there are any, and the volatility model."""
    head = _head(
        f"{f.symbol}, {f.feed}, {f.first} to {f.last}: {f.moves:,} daily moves, {f.states} states, {f.law.replace('_', ' ')}",
        f"Log-likelihood {f.log_likelihood:,.1f}, BIC {f.bic:,.1f} (one law without regimes {f.bic_of_one:,.1f}).",
        f"Status {f.status}" + (f": {f.reason}" if f.reason else "."),
        "What is said of a day knows all days, later ones too; plimsoll regimes replay says what was known at the time.",
    )
    candidates = [_candidates(f.candidates, f.states)] if f.candidates else []
    return Group(head, *candidates, *_chain(f.chain, relative), _volatility(f.volatility, relative))


def watched_view(w: Watched) -> Group:
    """Return the newest state, the days before it, the model in use, the newest refits and the change points."""
    parts: list[RenderableType] = []
    if w.symbol is not None and w.symbol in w.followed:
        others = [name for name in w.followed if name != w.symbol]
        also = f"Also followed: {', '.join(others)}." if others else ""
        if w.states:
            parts += [_head(f"{w.symbol}, {w.states[0].date}: {_said(w.states[0], w.relative)}", also), _days(w.states, w.relative)]
        else:
            parts.append(_head(f"{w.symbol}: no regime is said yet", f"The first fit comes after {w.watch.first} closes.", also))
        if w.chain is not None:
            parts += _chain(w.chain, w.relative)
        if w.volatility is not None:
            parts.append(_volatility(w.volatility, w.relative))
        if w.refits:
            parts.append(_refits(w.refits))
    elif w.symbol is not None:
        named = ", ".join(w.followed) or "none"
        parts.append(_head(f"The regime of {w.symbol} is not followed", f"RISK_REGIMES__OF names what is; in this run {named}."))
    title = f"Change points{'' if w.of_all else f' of {w.symbol}'} in the year to {w.last}"
    parts.append(_changes(w.change_points, title) if w.watch.run_length else UNWATCHED)
    return Group(*parts)


def replay_view(r: Replay, relative: bool) -> Group:
    """Return spells, refits and change points of a walk."""
    w = r.watch
    head = _head(
        f"{r.symbol}, {r.feed}, {r.first} to {r.last}: {r.closes:,} closes, {w.states} states",
        f"First fit after {w.first} closes, then every {w.every}, to the newest {w.history:,}; nothing known later enters.",
        f"Now {_said(r.states[-1], relative)}." if r.states else "No fit succeeded.",
    )
    title = f"Change points, about one false alarm in {w.run_length:,} closes of each detector"
    told = [_spells(r.spells, relative)] if r.spells else []
    return Group(head, *told, _refits(r.refits), _changes(r.change_points, title) if w.run_length else UNWATCHED)


def _said(state: DayState, relative: bool) -> str:
    volatility = "" if state.volatility is None else f", volatility forecast {_size(state.volatility, relative)}"
    return f"{state.regime} with a chance of {state.chances[state.regime]:.1%}{volatility}"


def _days(states: Sequence[DayState], relative: bool) -> Table:
    labels = list(dict.fromkeys(label for state in states for label in state.chances))
    table = _table(f"Last {len(states)} days", ["day", "regime"], ["move", *labels, "volatility of the next day", "model"])
    for s in states:
        chances = ["" if label not in s.chances else f"{s.chances[label]:.1%}" for label in labels]
        table.add_row(s.date, _named(s.regime), _size(s.move, relative), *chances, _size(s.volatility, relative), str(s.model_version))
    return table


def _chain(chain: Chain, relative: bool) -> list[RenderableType]:
    labels = [r.label for r in chain.regimes]
    table = _table("Regimes, ± standard error", [""], labels)
    for name, said in _quantities(relative).items():
        row = [said(r) for r in chain.regimes]
        if any(row):
            table.add_row(name, *row)
    steps = _table("Chances of the next day's regime, ± standard error", ["after"], labels)
    for of, chances, errors in zip(chain.regimes, chain.transition, chain.transition_errors, strict=True):
        steps.add_row(_named(of.label), *[f"{p:.2%}" + _error(e, ".2%") for p, e in zip(chances, errors, strict=True)])
    wrong = [] if chain.error_status == "ok" else [Text(f"No standard errors, {chain.error_status}: {chain.error_reason}", style="yellow")]
    return [table, steps, *wrong]


def _quantities(relative: bool) -> dict[str, Callable[[Regime], str]]:
    """Return what is said of each regime, line by line; a line that is empty for all is left out."""
    form = ".3%" if relative else ".3g"
    return {
        "mean, day": lambda r: _size(r.mean, relative, 3) + _error(r.mean_error, form),
        "volatility, day": lambda r: _size(r.volatility, relative),
        "mean, year": lambda r: _size(r.mean * DAYS_PER_YEAR, relative, 1),
        "volatility, year": lambda r: _size(r.volatility * sqrt(DAYS_PER_YEAR), relative, 1),
        "Sharpe ratio": lambda r: _plain(r.sharpe, 2),
        "VaR 99 %, day": lambda r: _size(r.value_at_risk, relative),
        "drawdown": lambda r: _size(r.drawdown, relative, 1),
        "df": lambda r: "" if r.df is None else f"{r.df:.1f}",
        "stay, days": lambda r: _plain(r.duration, 1) + _error(r.duration_error, ".1f"),
        "long-run share": lambda r: "-" if r.stationary is None else f"{r.stationary:.1%}",
        "days": lambda r: f"{r.days:,.0f}",
    }


def _candidates(candidates: Sequence[Candidate], chosen: int) -> Table:
    table = _table("Number of states, by BIC", ["states"], ["log-likelihood", "BIC", "AIC", "second half, a day", "status"])
    for c in candidates:
        numbers = f"{c.log_likelihood:,.1f}", f"{c.bic:,.1f}", f"{c.aic:,.1f}", f"{c.out_of_sample:.4f}"
        table.add_row(f"{c.states}{' chosen' if c.states == chosen else ''}", *numbers, _status(c.status))
    return table


def _volatility(v: Volatility, relative: bool) -> Group:
    a_year = None if v.tomorrow is None else v.tomorrow * sqrt(DAYS_PER_YEAR)
    table = _table("Volatility: GJR, Student t", ["parameter"], ["value", "± error"])
    for name, value in v.parameters.items():
        table.add_row(name, f"{value:.4g}", f"{v.errors[name]:.2g}" if name in v.errors else "-")
    said = f"Volatility of the next day {_size(v.tomorrow, relative)}, of a year at that {_size(a_year, relative, 1)}; status {v.status}"
    return Group(table, Text(said + (f": {v.reason}" if v.reason else "")))


def _spells(spells: Sequence[Spell], relative: bool) -> Table:
    table = _table(f"{len(spells)} spells of the likeliest regime", ["regime", "from", "to"], ["days", "return", "volatility a year"])
    for s in spells:
        a_year = None if s.volatility is None else s.volatility * sqrt(DAYS_PER_YEAR)
        table.add_row(_named(s.regime), s.first, s.last, str(s.days), _size(s.total, relative), _size(a_year, relative, 1))
    return table


def _refits(refits: Sequence[Refit]) -> Table:
    table = _table("Refits", ["day", "of", "status"], ["moves", "model"])
    table.add_column("reason")
    for r in refits:
        table.add_row(r.date, r.kind, _status(r.status), f"{r.observations:,}", str(r.model_version), Text(r.reason))
    return table


def _changes(changes: Iterable[Change], title: str) -> RenderableType:
    table = _table(title, ["day", "instrument", "what"], ["statistic", "threshold"])
    for c in changes:
        table.add_row(c.date, Text(c.symbol), f"{c.detector} {c.direction}", f"{c.statistic:.2f}", f"{c.threshold:.2f}")
    return table if table.row_count else Text(f"{title}: none.")


def _head(title: str, *lines: str) -> Text:
    text = Text(title, style="bold")
    for line in filter(None, lines):
        text.append(f"\n{line}", style="not bold")
    return text


def _table(title: str, left: Sequence[str], right: Sequence[str]) -> Table:
    table = Table(title=Text(title), title_justify="left")
    for heads, side in ((left, "left"), (right, "right")):
        for head in heads:
            table.add_column(head, justify=side)  # type: ignore[arg-type]
    return table


def _named(label: str) -> Text:
    return Text(label, style=STYLES.get(label, "default"))


def _status(status: str) -> Text:
    return Text(status, style="green" if status == "ok" else "yellow")


def _size(value: float | None, relative: bool, digits: int = 2) -> str:
    """Return a move: of a return per cent, of a difference the number; a dash for none."""
    if value is None:
        return "-"
    return f"{value:.{digits}%}" if relative else f"{value:.4g}"


def _plain(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _error(value: float | None, form: str) -> str:
    return "" if value is None else f" ± {value:{form}}"
