"""The shapes of what is watched about instruments: regimes, the models behind them, change points, volatility ahead."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from services.api.shapes import Cursor, ExactTime
from services.common.snapshot_payload import IsoDate, IsoTime, LogSeq, Revision

InstrumentId = Annotated[int, Meta(ge=0, description="Instrument of the book", examples=[1])]
Symbol = Annotated[str, Meta(examples=["SPX"])]
ShockName = Annotated[
    str, Meta(description="What a move is: relative (a simple return) or absolute (a difference of prices)", examples=["relative"])
]
Chances = Annotated[list[float], Meta(description="One for each label; they sum to 1", examples=[[0.02, 0.9, 0.06, 0.02]])]
Volatility = Annotated[float, Meta(description="Standard deviation of a day's move, in the unit of the move", examples=[0.0123])]


class RegimeStateItem(Struct, frozen=True, gc=False):
    """Regime and volatility of an instrument as known at a day close: nothing later went into it."""

    as_of: IsoTime
    as_of_ns: ExactTime
    date: IsoDate
    revision: Revision
    log_seq: LogSeq
    price: Annotated[float, Meta(description="At the close", examples=[903.25])]
    move: Annotated[float | None, Meta(description="Of the day; null where the instrument itself was not seen", examples=[-0.0112])]
    model_version: Annotated[int, Meta(ge=1, description="Counts the regime models in use", examples=[5])]
    labels: Annotated[list[str], Meta(description="Of the states", examples=[["bull", "neutral", "bear", "crisis"]])]
    filtered: Annotated[Chances, Meta(description="Chances of the state of this day")]
    ahead: Annotated[Chances, Meta(description="Chances of the state of the next day")]
    volatility: Annotated[Volatility | None, Meta(description="Forecast for the next day; null while no volatility model is in use")]
    status: Annotated[str, Meta(description="ok, or missing: the day had no move of its own", examples=["ok"])]


class RegimeStatePage(Struct, frozen=True):
    """Regime states of one instrument, newest first."""

    items: list[RegimeStateItem]
    next_cursor: Cursor


class RegimeModelItem(Struct, frozen=True):
    """One refit of an instrument's regime or volatility model, and what became of it."""

    as_of: IsoTime
    as_of_ns: ExactTime
    date: IsoDate
    revision: Revision
    log_seq: LogSeq
    kind: Annotated[str, Meta(description="regimes or volatility", examples=["regimes"])]
    model_version: Annotated[int, Meta(ge=0, description="The regime model in use afterwards; 0: none yet", examples=[5])]
    observations: Annotated[int, Meta(ge=0, description="Moves that the fit looked at", examples=[752])]
    used: Annotated[bool, Meta(description="Whether its own parameters are in use from this close on, or still those of before")]
    status: Annotated[
        str,
        Meta(description="ok, or what the fit says of itself; relabelled: a name means another state from here on", examples=["ok"]),
    ]
    reason: Annotated[str, Meta(description="Why the status is not ok; empty when all is well")]
    parameters: Annotated[dict[str, Any], Meta(description="Of the model in use afterwards; empty while there is none")]


class RegimeModelPage(Struct, frozen=True):
    """Refits of one instrument's models, newest first."""

    items: list[RegimeModelItem]
    next_cursor: Cursor


class ChangePointItem(Struct, frozen=True, gc=False):
    """An alarm of one of an instrument's detectors, which begins anew after it."""

    as_of: IsoTime
    as_of_ns: ExactTime
    date: IsoDate
    revision: Revision
    log_seq: LogSeq
    detector: Annotated[
        str, Meta(description="volatility (fast over slow) or drift (a cumulative sum of moves in slow volatilities)", examples=["drift"])
    ]
    direction: Annotated[str, Meta(description="up or down", examples=["down"])]
    statistic: Annotated[float, Meta(description="Above the threshold", examples=[11.2])]
    threshold: Annotated[float, Meta(examples=[10.7])]


class ChangePointPage(Struct, frozen=True):
    """Change points of one instrument, newest first."""

    items: list[ChangePointItem]
    next_cursor: Cursor


class WatchSettings(Struct, frozen=True):
    """How the run watches: part of its identity, as it shapes numbers."""

    regimes_of: Annotated[list[str], Meta(description="Symbols whose regime and volatility are followed", examples=[["SPX"]])]
    states: Annotated[int, Meta(description="Of the hidden Markov model", examples=[4])]
    first: Annotated[int, Meta(description="Closes before the first fit", examples=[500])]
    every: Annotated[int, Meta(description="Closes from one fit to the next", examples=[63])]
    history: Annotated[int, Meta(description="Newest closes that a fit looks at", examples=[2500])]
    run_length: Annotated[
        int,
        Meta(description="Closes between false alarms of change, for each instrument and detector; 0: none is watched", examples=[500]),
    ]


class FollowedItem(Struct, frozen=True):
    """An instrument whose regime is followed."""

    instrument_id: InstrumentId
    symbol: Symbol
    shock: ShockName
    state: Annotated[RegimeStateItem | None, Meta(description="The newest; null while there is no model")]


class RegimesItem(Struct, frozen=True):
    """What is watched, and how it stands."""

    settings: WatchSettings
    items: list[FollowedItem]


class VolatilityDay(Struct, frozen=True, gc=False):
    """Volatility of one day ahead."""

    day: Annotated[int, Meta(ge=1, description="Trading days after as_of", examples=[1])]
    volatility: Annotated[Volatility | None, Meta(description="Square root of the expected variance; null where that is infinite")]
    median: Annotated[Volatility, Meta(description="Of simulated paths")]
    lower: Annotated[Volatility, Meta(description="Of the band that holds `level` of the simulated paths")]
    upper: Annotated[Volatility, Meta(description="Of the same band")]


class VolatilityForecastItem(Struct, frozen=True):
    """Volatility of an instrument's next days, as known at its newest close."""

    instrument_id: InstrumentId
    symbol: Symbol
    as_of: IsoTime
    as_of_ns: ExactTime
    model: Annotated[str, Meta(examples=["gjr"])]
    innovation: Annotated[str, Meta(examples=["student_t"])]
    fitted: Annotated[IsoDate, Meta(description="Day of the refit that gave the parameters, which are taken as known")]
    level: Annotated[float, Meta(examples=[0.9])]
    closed_form: Annotated[bool, Meta(description="Whether expected variances are exact; else they are means of the simulated paths")]
    long_run: Annotated[Volatility | None, Meta(description="To which the forecast tends; null where the model has none")]
    items: list[VolatilityDay]
