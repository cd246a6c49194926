"""Events as plain Python values, for tests, notebooks and tools. The engine does not go through them.

Prices and sizes are floats, equal to ``float()`` of the venue's text; ``*_e8`` the same as integers of 1e-8. Times are
Unix nanoseconds. What a frame does not say is None. `VALUE_NAMES` and `DEPTH_NAMES` name the codes of the columns
``values["what"]`` and ``levels["depth"]``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeVar

import msgspec
import numpy as np

from ringtape import _native
from ringtape._native import Control
from ringtape.notices import Special, read

__all__ = [
    "DEPTH_NAMES",
    "VALUE_NAMES",
    "AssetIndex",
    "Band",
    "Decoded",
    "Depth",
    "DepthLevel",
    "Event",
    "Imbalance",
    "Liquidation",
    "Mark",
    "Notice",
    "Quote",
    "Skipped",
    "Ticker",
    "Trade",
    "Value",
    "VenueBar",
    "decode",
    "dtypes",
]

Side = Literal["buy", "sell"]
_T = TypeVar("_T")

VALUE_NAMES: tuple[str, ...] = ("", "index", "fair_market_value", "last_value")
DEPTH_NAMES: tuple[str, ...] = ("unknown", "diff", "partial", "rpi", "snapshot")


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
    """A best bid and offer update. A side that is missing is None; one that the venue sends as zero is 0.0.

    ``ts_bid`` and ``ts_ask`` tell when a side was set (Massive futures ``bt`` and ``at``); in arrays they stand in
    ``ts_participant`` and ``ts_sent`` where ``flags`` has 1.
    """

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
    ts_bid: int | None
    ts_ask: int | None
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


class Band(msgspec.Struct, frozen=True, kw_only=True):
    """Limit up, limit down bands of a US stock (Massive ``LULD``), in quote currency.

    ``indicators``: 15 intraday update, 16 restated, 17 halt, 18 reopening, 19 outside rule hours, 21 price band,
    22 republished. Both bands of a halt are 0.
    """

    symbol: str
    venue: str
    ts_event: int
    high: float
    low: float
    indicators: tuple[int, ...]
    tape: int | None
    sequence: int | None


class Imbalance(msgspec.Struct, frozen=True, kw_only=True):
    """A net order imbalance before an auction (Massive ``NOI``).

    ``imbalance`` is in shares, more to buy is positive; ``paired`` in shares; ``clearing_price`` in quote currency;
    ``auction_time`` HHMM as a number, New York time; ``auction_type`` the venue's letter: O early open, M open, H halt,
    C close, P extreme closing, R regulatory.
    """

    symbol: str
    venue: str
    ts_event: int
    imbalance: float
    paired: float | None
    clearing_price: float | None
    auction_time: int | None
    auction_type: str | None
    sequence: int | None
    exchange: int | None


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """One number about a symbol that is neither trade nor quote, in quote currency or index points.

    ``what`` is ``index`` (Massive ``V``), ``fair_market_value`` (``FMV``) or ``last_value`` (``LV``). ``value_e8`` is
    None where the value is too large for it.
    """

    symbol: str
    venue: str
    ts_event: int
    value: float
    value_e8: int | None
    what: str


class Ticker(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of the last 24 hours (Binance ``24hrTicker``; ``mini``: ``24hrMiniTicker``).

    Prices in quote currency, ``volume`` in coins or contracts, ``dollar_volume`` in quote currency. ``change`` is the
    last price minus the first, ``change_pct`` the same in percent. ``ts_event`` is when the venue made the message,
    ``ts_open`` and ``ts_close`` are the ends of the interval.
    """

    symbol: str
    venue: str
    ts_event: int
    ts_open: int | None
    ts_close: int | None
    open: float
    high: float
    low: float
    last: float
    last_size: float | None
    volume: float
    dollar_volume: float | None
    change: float | None
    change_pct: float | None
    vwap: float | None
    prev_close: float | None
    bid: float | None
    bid_size: float | None
    ask: float | None
    ask_size: float | None
    first_id: int | None
    last_id: int | None
    trade_count: int | None
    mini: bool


class Liquidation(msgspec.Struct, frozen=True, kw_only=True):
    """An order that the venue forced on a position (Binance ``forceOrder``).

    ``side`` is that of the order: ``sell`` where a long position was liquidated. Prices in quote currency, sizes in
    coins or contracts; ``last_filled`` of the last fill, ``filled`` of all. ``order_type``, ``status`` and
    ``time_in_force`` are the venue's words.
    """

    symbol: str
    venue: str
    ts_event: int
    ts_sent: int | None
    side: Side | None
    price: float | None
    average_price: float | None
    size: float
    last_filled: float | None
    filled: float | None
    order_type: str | None
    status: str | None
    time_in_force: str | None


class DepthLevel(msgspec.Struct, frozen=True):
    """A price level: price in quote currency, size in coins or contracts (0: the level is gone); both also in 1e-8."""

    price: float
    size: float
    price_e8: int
    size_e8: int


class Depth(msgspec.Struct, frozen=True, kw_only=True):
    """An order book message (Binance ``depthUpdate``, Massive ``XL2``); in arrays each level is one record.

    ``kind`` is ``diff``, ``partial``, ``rpi``, ``snapshot``, or ``unknown`` where only the stream's name could tell.
    Levels stand in the venue's order. ``first_update`` and ``last_update`` are the updates in the message,
    ``previous_update`` the last one of the message before it. ``ts_sent`` is when the venue made the message, or the
    vendor received it (Massive ``r``).
    """

    symbol: str
    venue: str
    ts_event: int | None
    ts_sent: int | None
    kind: str
    bids: list[DepthLevel]
    asks: list[DepthLevel]
    first_update: int | None
    last_update: int | None
    previous_update: int | None
    exchange: int | None


class AssetIndex(msgspec.Struct, frozen=True, kw_only=True):
    """Index of an asset used as margin (Binance ``assetIndexUpdate``): price, then buffers and rates as fractions."""

    symbol: str
    venue: str
    ts_event: int
    index: float
    bid_buffer: float | None
    ask_buffer: float | None
    bid_rate: float | None
    ask_rate: float | None
    auto_bid_buffer: float | None
    auto_ask_buffer: float | None
    auto_bid_rate: float | None
    auto_ask_rate: float | None


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A rare event of variable shape that has no type of its own: what it calls itself and its JSON text.

    Binance's have types, in `ringtape.notices`.
    """

    venue: str
    kind: str
    data: bytes


Event = (
    Trade
    | Quote
    | VenueBar
    | Mark
    | Band
    | Imbalance
    | Value
    | Ticker
    | Liquidation
    | Depth
    | AssetIndex
    | Special
    | Notice
)


class Skipped(msgspec.Struct, frozen=True):
    """An event of a sound frame that was skipped alone: why, at which key, what it called itself, and where."""

    reason: str
    key: str
    kind: str
    offset: int


class Decoded(msgspec.Struct, frozen=True):
    """A decoded frame: events in order of arrival, control messages, and what was skipped."""

    events: list[Event]
    control: list[Control]
    skipped: list[Skipped]


_SIDES: tuple[Side | None, ...] = (None, "buy", "sell")
_TRADE_AGGREGATE, _TRADE_LATE = 1, 2
_QUOTE_SIDE_TIMES = 1
_LEVEL_FIRST, _LEVEL_LAST = 1, 2
_LEVEL_BID, _LEVEL_ASK = 1, 2
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
    return Decoded(list(_made(events)), control, [Skipped(**skip) for skip in skipped])


def _made(events: list[tuple[str, dict[str, Any]]]) -> Iterator[Event]:
    levels: list[dict[str, Any]] = []
    for kind, record in events:
        if kind != "level":
            yield _MAKERS[kind](record)
            continue
        if record["flags"] & _LEVEL_FIRST:
            levels = []
        levels.append(record)
        if record["flags"] & _LEVEL_LAST:
            yield _depth(levels)


def _trade(record: dict[str, Any]) -> Trade:
    flags = record["flags"]
    named = {name: record[name] for name in _TRADE_NAMES}
    named["side"] = _SIDES[record["side"]]
    named["tape"] = record["tape"] or None
    return Trade(**named, aggregate=bool(flags & _TRADE_AGGREGATE), late=bool(flags & _TRADE_LATE))


def _quote(record: dict[str, Any]) -> Quote:
    sides = bool(record["flags"] & _QUOTE_SIDE_TIMES)
    named = {name: record[name] for name in _QUOTE_NAMES}
    named["tape"] = record["tape"] or None
    ts_bid, ts_ask = (record["ts_participant"], record["ts_sent"]) if sides else (None, None)
    if sides:
        named["ts_participant"] = named["ts_sent"] = None
    return Quote(**named, ts_bid=ts_bid, ts_ask=ts_ask)


def _venue_bar(record: dict[str, Any]) -> VenueBar:
    flags = record["flags"]
    named = {name: record[name] for name in _BAR_NAMES}
    return VenueBar(**named, complete=bool(flags & _BAR_COMPLETE), otc=bool(flags & _BAR_OTC))


def _named(struct: Callable[..., _T], record: dict[str, Any], **changed: object) -> _T:
    names: tuple[str, ...] = getattr(struct, "__struct_fields__", ())
    return struct(**{name: record.get(name) for name in names} | changed)


def _band(record: dict[str, Any]) -> Band:
    return _named(Band, record, tape=record["tape"] or None)


def _imbalance(record: dict[str, Any]) -> Imbalance:
    letter = record["auction_type"]
    return _named(Imbalance, record, auction_type=chr(letter) if letter else None)


def _depth(levels: list[dict[str, Any]]) -> Depth:
    def side(code: int) -> list[DepthLevel]:
        ours = (level for level in levels if level["side"] == code)
        return [DepthLevel(level["price"], level["size"], level["price_e8"], level["size_e8"]) for level in ours]

    first = levels[0]
    return _named(Depth, first, kind=DEPTH_NAMES[first["depth"]], bids=side(_LEVEL_BID), asks=side(_LEVEL_ASK))


_TRADE_NAMES = [name for name in Trade.__struct_fields__ if name not in {"aggregate", "late"}]
_QUOTE_NAMES = [name for name in Quote.__struct_fields__ if name not in {"ts_bid", "ts_ask"}]
_BAR_NAMES = [name for name in VenueBar.__struct_fields__ if name not in {"complete", "otc"}]
_MAKERS: dict[str, Callable[[dict[str, Any]], Event]] = {
    "trade": _trade,
    "quote": _quote,
    "venue_bar": _venue_bar,
    "mark": lambda record: _named(Mark, record),
    "band": _band,
    "imbalance": _imbalance,
    "value": lambda record: _named(Value, record, what=VALUE_NAMES[record["what"]]),
    "ticker": lambda record: _named(Ticker, record, mini=bool(record["flags"])),
    "liquidation": lambda record: _named(Liquidation, record, side=_SIDES[record["side"]]),
    "asset_index": lambda record: _named(AssetIndex, record),
    "notice": lambda record: read(record["kind"], record["data"], record["venue"]) or _named(Notice, record),
}


def dtypes() -> dict[str, np.dtype[np.void]]:
    """Return the numpy dtype of each kind of record in a batch: ``trades``, ``quotes``, ``bars``, ..."""
    return {kind: np.dtype(columns) for kind, columns in _native.record_columns().items()}
