"""What the objects of Binance's frames say.

SOURCE: the field tables of the fact sheet, sections 3 and 4; units and names as in the docstrings of `ringtape.events`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from oracle.fields import EMPTY_BAR, ID_LIMIT, Control, Event, Fields, Skip, elements, kept, whole
from oracle.notices import NOTICES
from oracle.strict_json import Value


def is_envelope(top: Value) -> bool:
    """Tell whether a frame is the envelope of a combined stream: payloads, the name of their stream, and no kind."""
    if top.kind != "object":
        return False
    data, stream, kind = (top.says.get(key) for key in ("data", "stream", "e"))
    has_stream = stream is not None and stream.kind != "null"
    has_kind = kind is not None and kind.kind != "null"
    return data is not None and data.kind in {"array", "object"} and has_stream and not has_kind


def payloads(top: Value) -> Iterator[tuple[Value, str | None]]:
    """Yield the payloads of a Binance frame with the name of their stream: raw, in an array, or in an envelope."""
    if not is_envelope(top):
        yield from ((value, None) for value in elements(top))
        return
    stream = top.says["stream"]
    name = stream.says if stream.kind == "text" else None
    yield from ((value, name) for value in elements(top.says["data"]))


def binance(fields: Fields) -> Event | Control | Skip:
    """Return what one object of a Binance frame is, by its ``e``, or by its keys where it has none."""
    kind = fields.get("e")
    if kind is None:
        return without_kind(fields)
    if kind.kind != "text":
        return Skip("", {("wrong_type", "e", kind.start)})
    if is_of_sister(fields):
        return Skip(fields.name("e"), {("other_market", "st", fields.value.start)})
    if kind.says == "serverShutdown":
        return Control("status", status="serverShutdown", message="")
    reader = BINANCE.get(kind.says)
    if reader:
        return fields.event(*reader(fields), fields.name("e"))
    reason = "unsupported_kind" if kind.says in BINANCE_NAMED else "unknown_kind"
    return Skip(fields.name("e"), {(reason, "", fields.value.start)})


def is_of_sister(fields: Fields) -> bool:
    """Tell whether an event is of the other of the two futures markets, whose streams carry both."""
    sister = {"binance.usdm": 2, "binance.coinm": 1}.get(fields.venue)
    market = fields.get("st")
    return sister is not None and market is not None and market.kind == "number" and whole(market.says) == sister


def without_kind(fields: Fields) -> Event | Control | Skip:
    """Tell replies, refusals, and the payloads of spot that do not name themselves."""
    error = fields.get("error")
    if "result" in fields.value.says:
        return Control("reply", id=request_id(fields), result=plain(fields, "result"))
    if error is not None and error.kind == "object":
        return refusal(Fields(fields.frame, error, fields.venue), request_id(fields), fields.value.start)
    if fields.get("code") is not None and fields.get("msg") is not None:
        return refusal(fields, request_id(fields), fields.value.start)
    if fields.venue == "binance.spot" and fields.get("u") is not None and fields.get("b") is not None:
        name, columns = binance_quote(fields)
        fields.faults = {(reason, key, fields.value.start) for reason, key, _ in fields.faults}
        return fields.event(name, columns, "bookTicker")
    if "bids" in fields.value.says:
        return fields.event(*nameless_depth(fields), "depth")
    return Skip("", {("not_an_event", "", fields.value.start)})


def request_id(fields: Fields) -> Any:
    """Return the id of a request; an integer however it is written."""
    value = fields.get("id")
    number = whole(value.says) if value is not None and value.kind == "number" else None
    return plain(fields, "id") if number is None or not -(2**63) <= number < 2**63 else number


def plain(fields: Fields, key: str) -> Any:
    """Return a value as Python's own reader gives it; the text where that has no value for it."""
    value = fields.get(key)
    if value is None:
        return None
    text = fields.frame[value.start : value.end].decode()
    try:
        return json.loads(text)
    except ValueError:
        return text


def refusal(fields: Fields, request: Any, start: int) -> Control | Skip:
    """Return the venue's refusal of a request."""
    code, message = fields.integer("code"), fields.get("msg")
    if code is None:
        return Skip("error", {("not_an_event", "code", start)})
    text = message.says if message is not None and message.kind == "text" else ""
    return Control("error", code=code, message=kept(text), id=request)


def binance_trade(key: str, *, aggregate: bool) -> Callable[[Fields], tuple[str, dict[str, Any]]]:
    """Make the reader of ``trade`` or ``aggTrade``, whose id stands at `key`."""

    def trade(fields: Fields) -> tuple[str, dict[str, Any]]:
        price, size = fields.price("p", "text"), fields.needed_size("q", "text")
        if fields.get(key) is None:
            fields.missing(key)
        number = fields.integer(key, least=0, most=ID_LIMIT - 1)
        if fields.get("m") is None:
            fields.missing("m")
        side = {True: "sell", False: "buy", None: None}[fields.flag("m")]
        return "Trade", {
            "symbol": fields.symbol("s"),
            "price": price[0],
            "price_e8": price[1],
            "size": size[0],
            "size_e8": size[1],
            "ts_event": fields.needed_time("T"),
            "ts_sent": fields.time("E"),
            "ts_participant": None,
            "ts_trf": None,
            "sequence": number,
            "id": str(number),
            "first_id": fields.integer("f") if aggregate else None,
            "last_id": fields.integer("l") if aggregate else None,
            "conditions": (),
            "exchange": None,
            "tape": None,
            "trf_id": None,
            "side": side,
            "aggregate": aggregate,
            "late": False,
        }

    return trade


def binance_quote(fields: Fields) -> tuple[str, dict[str, Any]]:
    """Read ``bookTicker``; on spot it has no time."""
    bid, ask, bid_size, ask_size = (fields.needed_size(key, "text") for key in ("b", "a", "B", "A"))
    is_spot = fields.venue == "binance.spot"
    return "Quote", {
        "symbol": fields.symbol("s"),
        "bid": bid[0],
        "ask": ask[0],
        "bid_e8": bid[1],
        "ask_e8": ask[1],
        "bid_size": bid_size[0],
        "ask_size": ask_size[0],
        "bid_size_e8": bid_size[1],
        "ask_size_e8": ask_size[1],
        "ts_event": fields.time("T") if is_spot else fields.needed_time("T"),
        "ts_sent": fields.time("E"),
        "ts_participant": None,
        "ts_bid": None,
        "ts_ask": None,
        "sequence": fields.needed_integer("u"),
        "bid_exchange": None,
        "ask_exchange": None,
        "condition": None,
        "indicators": (),
        "tape": None,
    }


def candle(fields: Fields) -> tuple[str, dict[str, Any]]:
    """Read ``kline``: what is wrong inside ``k`` is told of ``k``."""
    return "VenueBar", {**candle_at_k(fields), "symbol": fields.symbol("s")}


def continuous(fields: Fields) -> tuple[str, dict[str, Any]]:
    """Read ``continuous_kline``: a series named by pair and contract; its ids are of updates, not of trades."""
    pair, contract = fields.symbol("ps"), fields.symbol("ct")
    name = f"{pair}_{contract}"
    if len(name.encode()) > 64:
        fields.fault("bad_symbol", "ps")
    return "VenueBar", {**candle_at_k(fields), "symbol": name, "first_id": None, "last_id": None}


def candle_at_k(fields: Fields) -> dict[str, Any]:
    """Return the columns of the candle inside an event."""
    value = fields.get("k")
    if value is None:
        fields.missing("k")
        return {}
    if value.kind != "object":
        fields.fault("wrong_type", "k")
        return {}
    inner = Fields(fields.frame, value, fields.venue)
    columns = candle_inside(inner)
    for reason, _, _ in inner.faults:
        fields.fault(reason, "k")
    return {**columns, "ts_sent": fields.time("E")}


def candle_inside(inner: Fields) -> dict[str, Any]:
    """Read the candle itself. Its ``T`` is the last millisecond, not the end."""
    prices = {name: inner.price(name[0], "text")[0] for name in ("open", "high", "low", "close")}
    inner.high_not_below_low(prices, "h")
    volume, dollars = inner.needed_size("v", "text", sum_=True), inner.needed_size("q", "text", sum_=True)
    start, last = inner.needed_time("t"), inner.needed_time("T")
    if inner.get("x") is None:
        inner.missing("x")
    interval_ms, end = 0, None
    if start is not None and last is not None:
        end = last + 10**6
        interval_ms = (end - start) // 10**6
        if not 1 <= interval_ms < 2**32:
            inner.fault("out_of_range", "T")
    return {
        **EMPTY_BAR,
        **prices,
        "interval_ms": interval_ms,
        "ts_event": start,
        "ts_end": end,
        "volume": volume[0],
        "volume_e8": volume[1],
        "dollar_volume": dollars[0],
        "buy_volume": inner.amount("V"),
        "buy_dollar_volume": inner.amount("Q"),
        "trade_count": inner.needed_integer("n"),
        "first_id": inner.needed_integer("f"),
        "last_id": inner.needed_integer("L"),
        "complete": inner.flag("x"),
    }


def mark_price(fields: Fields) -> tuple[str, dict[str, Any]]:
    """Read ``markPriceUpdate``: ``T`` is the next funding time, 0 for contracts that have none."""

    def or_empty(key: str) -> float | None:
        return None if fields.get(key) is not None and fields.get(key).says == "" else fields.both(key, "text")[0]  # type: ignore[union-attr]

    funding = fields.get("T")
    is_zero = funding is not None and funding.kind == "number" and whole(funding.says) == 0
    return "Mark", {
        "symbol": fields.symbol("s"),
        "ts_event": fields.needed_time("E"),
        "next_funding": None if is_zero else fields.time("T"),
        "mark": fields.price("p", "text")[0],
        "mark_average": or_empty("ap"),
        "index": or_empty("i"),
        "settle": or_empty("P"),
        "funding_rate": or_empty("r"),
    }


def ticker(*, mini: bool) -> Callable[[Fields], tuple[str, dict[str, Any]]]:
    """Make the reader of ``24hrTicker`` or its short form."""

    def event(fields: Fields) -> tuple[str, dict[str, Any]]:
        columns = {name: fields.amount(name[0]) for name in ("open", "high", "low")}
        fields.high_not_below_low(columns, "h")
        rest = dict.fromkeys(TICKER_REST) if mini else ticker_rest(fields)
        return "Ticker", {
            **columns,
            **rest,
            "symbol": fields.symbol("s"),
            "ts_event": fields.needed_time("E"),
            "last": fields.amount("c"),
            "volume": fields.amount("v"),
            "dollar_volume": fields.amount("q"),
            "mini": mini,
        }

    return event


TICKER_REST = (
    "ts_open ts_close last_size change change_pct vwap prev_close bid bid_size ask ask_size first_id last_id "
    "trade_count"
).split()


def ticker_rest(fields: Fields) -> dict[str, Any]:
    """Return what the short form has not; quote and previous close are spot's."""
    for key in ("p", "P"):
        if fields.get(key) is None:
            fields.missing(key)
    return {
        "ts_open": fields.needed_time("O"),
        "ts_close": fields.needed_time("C"),
        "last_size": fields.amount("Q"),
        "change": fields.float("p", "text"),
        "change_pct": fields.float("P", "text"),
        "vwap": fields.amount("w"),
        "prev_close": fields.amount("x", needed=False),
        "bid": fields.amount("b", needed=False),
        "bid_size": fields.amount("B", needed=False),
        "ask": fields.amount("a", needed=False),
        "ask_size": fields.amount("A", needed=False),
        "first_id": fields.needed_integer("F"),
        "last_id": fields.needed_integer("L"),
        "trade_count": fields.needed_integer("n"),
    }


def asset_index(fields: Fields) -> tuple[str, dict[str, Any]]:
    """Read ``assetIndexUpdate``."""
    keys = {
        "index": "i",
        "bid_buffer": "b",
        "ask_buffer": "a",
        "bid_rate": "B",
        "ask_rate": "A",
        "auto_bid_buffer": "q",
        "auto_ask_buffer": "g",
        "auto_bid_rate": "Q",
        "auto_ask_rate": "G",
    }
    columns = {name: fields.amount(key) for name, key in keys.items()}
    return "AssetIndex", {**columns, "symbol": fields.symbol("s"), "ts_event": fields.needed_time("E")}


def liquidation(fields: Fields) -> tuple[str, dict[str, Any]]:
    """Read ``forceOrder``: what is wrong inside ``o`` is told of ``o``, and so is a market that is not ours."""
    sent, order = fields.needed_time("E"), fields.get("o")
    if order is None:
        fields.missing("o")
        return "Liquidation", {}
    if fields.of("o", "object") is None:
        return "Liquidation", {}
    inner = Fields(fields.frame, order, fields.venue)
    columns = {
        "symbol": inner.symbol("s"),
        "ts_event": inner.needed_time("T"),
        "side": {"BUY": "buy", "SELL": "sell"}.get(inner.word("S", 8) or ""),
        "price": inner.amount("p"),
        "average_price": inner.amount("ap"),
        "size": inner.amount("q"),
        "last_filled": inner.amount("l"),
        "filled": inner.amount("z"),
        "order_type": inner.word("o", 24),
        "status": inner.word("X", 24),
        "time_in_force": inner.word("f", 8),
    }
    fields.unsure |= inner.unsure
    for reason, _, _ in inner.faults:
        fields.fault(reason, "o")
    if is_of_sister(inner):
        fields.faults.add(("other_market", "st", fields.value.start))
    return "Liquidation", {**columns, "ts_sent": sent}


def depth(fields: Fields) -> tuple[str, dict[str, Any]]:
    """Read ``depthUpdate``: the name of the stream tells diff, partial and RPI; without one it is a diff."""
    is_spot = fields.venue == "binance.spot"
    sent = fields.needed_time("E")
    return "Depth", {
        "symbol": fields.symbol("s"),
        "ts_event": sent if is_spot else fields.needed_time("T"),
        "ts_sent": sent,
        "kind": depth_kind(fields.stream),
        "bids": fields.levels("b", "text"),
        "asks": fields.levels("a", "text"),
        "first_update": fields.needed_integer("U"),
        "last_update": fields.needed_integer("u"),
        "previous_update": fields.integer("pu") if is_spot else fields.needed_integer("pu"),
        "exchange": None,
    }


def depth_kind(stream: str | None) -> str:
    """Return the kind of a depth message by its stream, such as ``btcusdt@depth20@100ms``."""
    if stream is None:
        return "diff"
    channel = stream.partition("@")[2]
    if channel.startswith("rpiDepth"):
        return "rpi"
    if not channel.startswith("depth"):
        return "unknown"
    return "partial" if channel[5:6] and channel[5:6] in "0123456789" else "diff"


def nameless_depth(fields: Fields) -> tuple[str, dict[str, Any]]:
    """Read the best levels of a book without symbol and kind: the stream's name begins with the symbol."""
    symbol = None
    if fields.stream is None:
        fields.missing("s")
    else:
        symbol = "".join(letter.upper() if letter.isascii() else letter for letter in fields.stream.partition("@")[0])
        if not fields.is_symbol(symbol):
            fields.fault("bad_symbol", "s")
    sent, at = fields.time("E"), fields.time("T")
    return "Depth", {
        "symbol": symbol,
        "ts_event": sent if at is None else at,
        "ts_sent": sent,
        "kind": "partial",
        "bids": fields.levels("bids", "text"),
        "asks": fields.levels("asks", "text"),
        "first_update": None,
        "last_update": fields.needed_integer("lastUpdateId"),
        "previous_update": None,
        "exchange": None,
    }


BINANCE: dict[str, Callable[[Fields], tuple[str, dict[str, Any]]]] = {
    "bookTicker": binance_quote,
    "aggTrade": binance_trade("a", aggregate=True),
    "trade": binance_trade("t", aggregate=False),
    "kline": candle,
    "continuous_kline": continuous,
    "markPriceUpdate": mark_price,
    "24hrTicker": ticker(mini=False),
    "24hrMiniTicker": ticker(mini=True),
    "assetIndexUpdate": asset_index,
    "forceOrder": liquidation,
    "depthUpdate": depth,
    **NOTICES,
}
# Of spot and COIN-M, not read yet.
BINANCE_NAMED = set(
    "executionReport outboundAccountPosition balanceUpdate listStatus eventStreamTerminated externalLockUpdate "
    "avgPrice 1hTicker 4hTicker 1dTicker blockTrade referencePrice "
    "indexPriceUpdate indexPrice_kline markPrice_kline openInterest".split()
)
