"""Events as plain Python values, for tests, notebooks and tools. The engine does not go through them.

Prices and sizes are floats, equal to ``float()`` of the venue's text; ``*_e8`` the same as integers of 1e-8. Times are
Unix nanoseconds. What a frame does not say is None.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec
import numpy as np

from ringtape import _native
from ringtape._native import Control

__all__ = ["Decoded", "Mark", "Quote", "Skipped", "Trade", "VenueBar", "decode", "dtypes"]

Side = Literal["buy", "sell"]


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """An execution report.

    Attributes
    ----------
    symbol, venue
        Symbol as the venue writes it, and venue id such as ``massive.stocks``.
    price, price_e8
        Quote currency.
    size, size_e8
        Shares, contracts or coins; the exact decimal where the venue sends one.
    ts_event
        SIP time for US stocks, matching-engine time for Binance.
    ts_sent, ts_participant, ts_trf
        When the venue made the message (Binance), when the exchange executed (Massive ``pt``), when the reporting
        facility got the print (Massive ``trft``).
    sequence
        The venue's sequence number (Massive ``q``) or trade id (Binance).
    id
        The venue's trade id; ids over 24 bytes as ``#`` and 16 hex digits.
    first_id, last_id
        First and last fill of a Binance aggregate.
    conditions
        Condition ids in the order sent.
    exchange, tape, trf_id
        Ids as the venue numbers them.
    side
        Taker side where the venue tells it.
    aggregate, late
        An aggregate of fills; printed more than 10 s after its execution.
    """

    symbol: str
    venue: str
    price: float
    price_e8: int
    size: float
    size_e8: int
    ts_event: int
    ts_sent: int | None
    ts_participant: int | None
    ts_trf: int | None
    sequence: int | None
    id: str | None
    first_id: int | None
    last_id: int | None
    conditions: tuple[int, ...]
    exchange: int | None
    tape: int | None
    trf_id: int | None
    side: Side | None
    aggregate: bool
    late: bool


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """A best bid and offer update. A side that is missing is None; one that the venue sends as zero is 0.0."""

    symbol: str
    venue: str
    bid: float | None
    ask: float | None
    bid_e8: int | None
    ask_e8: int | None
    bid_size: float | None
    ask_size: float | None
    bid_size_e8: int | None
    ask_size_e8: int | None
    ts_event: int | None
    ts_sent: int | None
    ts_participant: int | None
    sequence: int | None
    bid_exchange: int | None
    ask_exchange: int | None
    condition: int | None
    indicators: tuple[int, ...]
    tape: int | None


class VenueBar(msgspec.Struct, frozen=True, kw_only=True):
    """A bar as the venue sent it: Massive ``A`` and ``AM``, Binance ``kline``.

    ``ts_event`` is the start, ``ts_end`` the exclusive end; ``volume`` is in shares, contracts or coins,
    ``dollar_volume`` in quote currency; ``complete`` tells whether the venue calls the bar final.
    ``volume_e8`` is None where the volume is too large for it.
    """

    symbol: str
    venue: str
    interval_ms: int
    ts_event: int
    ts_end: int
    ts_sent: int | None
    open: float
    high: float
    low: float
    close: float
    volume: float
    volume_e8: int | None
    dollar_volume: float | None
    vwap: float | None
    buy_volume: float | None
    buy_dollar_volume: float | None
    trade_count: int | None
    day_volume: float | None
    day_volume_e8: int | None
    day_open: float | None
    day_vwap: float | None
    average_size: float | None
    first_id: int | None
    last_id: int | None
    complete: bool
    otc: bool


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """Mark price, index price and funding of a perpetual future; ``funding_rate`` is a fraction."""

    symbol: str
    venue: str
    ts_event: int
    next_funding: int | None
    mark: float
    mark_average: float | None
    index: float | None
    settle: float | None
    funding_rate: float | None


class Skipped(msgspec.Struct, frozen=True):
    """An event of a sound frame that was skipped alone: why, at which key, what it called itself, and where."""

    reason: str
    key: str
    kind: str
    offset: int


class Decoded(msgspec.Struct, frozen=True):
    """A decoded frame: events in order of arrival, control messages, and what was skipped."""

    events: list[Trade | Quote | VenueBar | Mark]
    control: list[Control]
    skipped: list[Skipped]


_SIDES: tuple[Side | None, ...] = (None, "buy", "sell")
_TRADE_AGGREGATE, _TRADE_LATE = 1, 2
_BAR_COMPLETE, _BAR_OTC = 1, 4


def decode(frame: bytes | bytearray | memoryview, venue: str = "massive.stocks") -> Decoded:
    """Return the events, control messages and skipped events of one frame.

    Parameters
    ----------
    frame
        Payload of one WebSocket message.
    venue
        Venue id such as ``massive.stocks`` or ``binance.usdm``.

    Raises
    ------
    DecodeError
        The frame is not sound JSON within the limits; it is rejected whole.
    UnknownVenue
        No such venue; the message names the nearest ones.
    """
    events, control, skipped = _native.decode(frame, venue)
    made = [_MAKERS[kind](record) for kind, record in events]
    return Decoded(made, control, [Skipped(**skip) for skip in skipped])


def _trade(record: dict[str, Any]) -> Trade:
    flags = record["flags"]
    named = {name: record[name] for name in _TRADE_NAMES}
    named["side"] = _SIDES[record["side"]]
    named["tape"] = record["tape"] or None
    return Trade(**named, aggregate=bool(flags & _TRADE_AGGREGATE), late=bool(flags & _TRADE_LATE))


def _quote(record: dict[str, Any]) -> Quote:
    named = {name: record[name] for name in Quote.__struct_fields__}
    named["tape"] = record["tape"] or None
    return Quote(**named)


def _venue_bar(record: dict[str, Any]) -> VenueBar:
    flags = record["flags"]
    named = {name: record[name] for name in _BAR_NAMES}
    return VenueBar(**named, complete=bool(flags & _BAR_COMPLETE), otc=bool(flags & _BAR_OTC))


def _mark(record: dict[str, Any]) -> Mark:
    return Mark(**{name: record[name] for name in Mark.__struct_fields__})


_TRADE_NAMES = [name for name in Trade.__struct_fields__ if name not in {"aggregate", "late"}]
_BAR_NAMES = [name for name in VenueBar.__struct_fields__ if name not in {"complete", "otc"}]
_MAKERS: dict[str, Callable[[dict[str, Any]], Trade | Quote | VenueBar | Mark]] = {
    "trade": _trade,
    "quote": _quote,
    "venue_bar": _venue_bar,
    "mark": _mark,
}


def dtypes() -> dict[str, np.dtype[np.void]]:
    """Return the numpy dtype of each kind of record in a batch: ``trades``, ``quotes``, ``bars``, ..."""
    return {kind: np.dtype(columns) for kind, columns in _native.record_columns().items()}
