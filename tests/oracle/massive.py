"""What the objects of Massive's frames say, market by market.

SOURCE: the field tables of the fact sheet, section 3; units and names as in the docstrings of ``ringtape.events``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oracle.fields import EMPTY_BAR, LATE_NS, Control, Event, Fields, Skip, kept

Reader = Callable[[Fields], tuple[str, dict[str, Any]]]
Amount = tuple[float | None, int | None]


def massive(fields: Fields) -> Event | Control | Skip:
    """Return what one object of a Massive frame is, by its ``ev`` and the market."""
    kind = fields.get("ev")
    if kind is None:
        return Skip("", {("missing_key", "ev", fields.value.start)})
    if kind.kind != "text":
        return Skip("", {("wrong_type", "ev", kind.start)})
    if kind.says == "status":
        status, message = fields.of("status", "text"), fields.of("message", "text")
        if fields.faults:
            return Skip("status", fields.faults)
        return Control("status", status=kept(status or ""), message=kept(message or ""))
    reader = MASSIVE.get((fields.venue, kind.says))
    if reader:
        return fields.event(*reader(fields), fields.name("ev"))
    reason = "unsupported_kind" if kind.says in MASSIVE_NAMED else "unknown_kind"
    return Skip(fields.name("ev"), {(reason, "", fields.value.start)})


def trade_id(fields: Fields) -> str | None:
    """Return a trade id: as it is up to 24 bytes, else as a hash."""
    text = fields.of("i", "text")
    if text is None:
        return None
    raw = text.encode()
    if len(raw) <= 24 and 0 not in raw:  # the column
        return text or None
    value = 0xCBF29CE484222325
    for byte in raw:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"#{value:016x}"


def massive_trade(fields: Fields) -> tuple[str, dict[str, Any]]:
    """Read ``T`` of stocks and options."""
    price, size = fields.price("p"), fields.exact_size("s", "ds")
    at, participant = fields.needed_time("t"), fields.time("pt")
    return "Trade", {
        "symbol": fields.symbol("sym"),
        "price": price[0],
        "price_e8": price[1],
        "size": size[0],
        "size_e8": size[1],
        "ts_event": at,
        "ts_sent": None,
        "ts_participant": participant,
        "ts_trf": fields.time("trft"),
        "sequence": fields.integer("q"),
        "id": trade_id(fields),
        "first_id": None,
        "last_id": None,
        "conditions": fields.codes("c", 8),
        "exchange": fields.code("x"),
        "tape": fields.integer("z", least=0, most=9) or None,
        "trf_id": fields.code("trfi"),
        "side": None,
        "aggregate": False,
        "late": at is not None and participant is not None and at - participant > LATE_NS,
    }


def massive_quote(fields: Fields) -> tuple[str, dict[str, Any]]:
    """Read ``Q`` of stocks and options."""
    bid, ask, bid_size, ask_size = (fields.size(key) for key in ("bp", "ap", "bs", "as"))
    return "Quote", {
        "symbol": fields.symbol("sym"),
        "bid": bid[0],
        "ask": ask[0],
        "bid_e8": bid[1],
        "ask_e8": ask[1],
        "bid_size": bid_size[0],
        "ask_size": ask_size[0],
        "bid_size_e8": bid_size[1],
        "ask_size_e8": ask_size[1],
        "ts_event": fields.needed_time("t"),
        "ts_sent": None,
        "ts_participant": fields.time("pt"),
        "ts_bid": None,
        "ts_ask": None,
        "sequence": fields.integer("q"),
        "bid_exchange": fields.code("bx"),
        "ask_exchange": fields.code("ax"),
        "condition": fields.code("c"),
        "indicators": fields.codes("i", 4),
        "tape": fields.integer("z", least=0, most=9) or None,
    }


def massive_bar(interval_ms: int) -> Reader:
    """Make the reader of ``A`` or ``AM`` of stocks and options."""

    def bar(fields: Fields) -> tuple[str, dict[str, Any]]:
        prices = {name: fields.price(name[0])[0] for name in ("open", "high", "low", "close")}
        fields.high_not_below_low(prices, "h")
        volume = fields.exact_size("v", "dv")
        has_day = fields.get("av") is not None or fields.get("dav") is not None
        day_volume = fields.exact_size("av", "dav") if has_day else (None, None)
        start, end = fields.needed_time("s"), fields.time("e")
        if start is not None and end is not None and end <= start:
            fields.fault("out_of_range", "e")
        if start is not None and end is None:
            end = start + interval_ms * 10**6
        day_open = fields.float("op")
        return "VenueBar", {
            **EMPTY_BAR,
            **prices,
            "symbol": fields.symbol("sym"),
            "interval_ms": interval_ms,
            "ts_event": start,
            "ts_end": end,
            "volume": volume[0],
            "volume_e8": volume[1],
            "vwap": fields.float("vw"),
            "day_volume": day_volume[0],
            "day_volume_e8": day_volume[1],
            "day_open": day_open if day_open is not None and day_open > 0 else None,
            "day_vwap": fields.float("a"),
            "average_size": fields.float("z"),
            "complete": True,
            "otc": bool(fields.flag("otc")),
        }

    return bar


MASSIVE: dict[tuple[str, str], Reader] = {
    (f"massive.{market}", kind): reader
    for market in ("stocks", "options")
    for kind, reader in {
        "T": massive_trade,
        "Q": massive_quote,
        "A": massive_bar(1_000),
        "AM": massive_bar(60_000),
    }.items()
}
MASSIVE_NAMED = set("T Q A AM LULD NOI FMV LV XT XQ XA XAS XL2 XS C CA CAS V".split())


# The kinds that only some markets have.


def price_of(fields: Fields, key: str) -> tuple[float | None, int | None]:
    """Return a price; futures and indices may be zero or below."""
    if fields.venue not in {"massive.futures", "massive.indices"}:
        return fields.price(key)
    if fields.get(key) is None:
        fields.missing(key)
    return fields.both(key)


def band(fields: Fields) -> tuple[str, dict[str, Any]]:
    """Read ``LULD``: both bands are 0 in a halt."""
    bands = {"high": fields.needed_size("h")[0], "low": fields.needed_size("l")[0]}
    fields.high_not_below_low(bands, "h")
    return "Band", {
        **bands,
        "symbol": fields.symbol("T"),
        "ts_event": fields.needed_time("t"),
        "indicators": fields.codes("i", 4),
        "tape": fields.integer("z", least=0, most=9) or None,
        "sequence": fields.integer("q"),
    }


def imbalance(fields: Fields) -> tuple[str, dict[str, Any]]:
    """Read ``NOI``: the auction's time is HHMM, its type a letter."""
    if fields.get("o") is None:
        fields.missing("o")
    at, letter = fields.code("at"), fields.of("a", "text")
    if at is not None and not (at // 100 < 24 and at % 100 < 60):
        fields.fault("out_of_range", "at")
    if letter is not None and not (len(letter) == 1 and letter.isascii() and letter.isalpha()):
        fields.fault("out_of_range", "a")
    return "Imbalance", {
        "symbol": fields.symbol("T"),
        "ts_event": fields.needed_time("t"),
        "imbalance": fields.both("o")[0],
        "paired": fields.size("p")[0],
        "clearing_price": fields.size("b")[0],
        "auction_time": at,
        "auction_type": letter,
        "sequence": fields.integer("i"),
        "exchange": fields.code("x"),
    }


def figure(what: str, symbol: str, key: str) -> Reader:
    """Make the reader of a kind that says one number: ``V``, ``FMV`` or ``LV``."""

    def value(fields: Fields) -> tuple[str, dict[str, Any]]:
        if fields.get(key) is None:
            fields.missing(key)
        number = fields.both(key)
        return "Value", {
            "symbol": fields.symbol(symbol),
            "ts_event": fields.needed_time("t"),
            "value": number[0],
            "value_e8": number[1],
            "what": what,
        }

    return value


def coin_trade(fields: Fields) -> tuple[str, dict[str, Any]]:
    """Read ``XT``: a condition of 1 is a sale, 2 a purchase; the id is a number or a text."""
    price, size, conditions = fields.price("p"), fields.needed_size("s"), fields.codes("c", 8)
    told = [code for code in conditions if code in {1, 2}]
    value = fields.get("i")
    if value is not None and value.kind != "text":
        number = fields.integer("i")
        trade = None if number is None else str(number)
    else:
        trade = trade_id(fields)
    return "Trade", {
        **EMPTY_TRADE,
        "symbol": fields.symbol("pair"),
        "price": price[0],
        "price_e8": price[1],
        "size": size[0],
        "size_e8": size[1],
        "ts_event": fields.needed_time("t"),
        "ts_sent": fields.time("r"),
        "id": trade,
        "conditions": conditions,
        "exchange": fields.code("x"),
        "side": {1: "sell", 2: "buy"}[told[0]] if told else None,
    }


def future_trade(fields: Fields) -> tuple[str, dict[str, Any]]:
    """Read ``T`` of futures."""
    price, size = price_of(fields, "p"), fields.needed_size("s")
    return "Trade", {
        **EMPTY_TRADE,
        "symbol": fields.symbol("sym"),
        "price": price[0],
        "price_e8": price[1],
        "size": size[0],
        "size_e8": size[1],
        "ts_event": fields.needed_time("t"),
        "sequence": fields.integer("q"),
    }


EMPTY_TRADE: dict[str, Any] = {
    "ts_sent": None,
    "ts_participant": None,
    "ts_trf": None,
    "sequence": None,
    "id": None,
    "first_id": None,
    "last_id": None,
    "conditions": (),
    "exchange": None,
    "tape": None,
    "trf_id": None,
    "side": None,
    "aggregate": False,
    "late": False,
}


def sides(bid: Amount, ask: Amount, bid_size: Amount, ask_size: Amount) -> dict[str, Any]:
    """Return the columns of a quote that says no more than its sides."""
    return {
        "bid": bid[0],
        "ask": ask[0],
        "bid_e8": bid[1],
        "ask_e8": ask[1],
        "bid_size": bid_size[0],
        "ask_size": ask_size[0],
        "bid_size_e8": bid_size[1],
        "ask_size_e8": ask_size[1],
        "ts_sent": None,
        "ts_participant": None,
        "ts_bid": None,
        "ts_ask": None,
        "sequence": None,
        "condition": None,
        "indicators": (),
        "tape": None,
    }


def coin_quote(fields: Fields) -> tuple[str, dict[str, Any]]:
    """Read ``XQ``: one exchange for both sides."""
    bid, ask, bid_size, ask_size = (fields.size(key) for key in ("bp", "ap", "bs", "as"))
    exchange = fields.code("x")
    return "Quote", {
        **sides(bid, ask, bid_size, ask_size),
        "symbol": fields.symbol("pair"),
        "ts_event": fields.needed_time("t"),
        "ts_sent": fields.time("r"),
        "bid_exchange": exchange,
        "ask_exchange": exchange,
    }


def currency_quote(fields: Fields) -> tuple[str, dict[str, Any]]:
    """Read ``C``: ``p`` is the pair, and the exchange a number or a text of digits."""
    bid, ask = fields.size("b"), fields.size("a")
    value = fields.get("x")
    if value is not None and value.kind == "text":
        exchange = None
        if value.says.isascii() and value.says.isdecimal():
            exchange = fields.as_integer(value.says.lstrip("0") or "0", "x", 0, 65_534)
        else:
            fields.fault("wrong_type", "x")
    else:
        exchange = fields.code("x")
    return "Quote", {
        **sides(bid, ask, (None, None), (None, None)),
        "symbol": fields.symbol("p"),
        "ts_event": fields.needed_time("t"),
        "bid_exchange": exchange,
        "ask_exchange": exchange,
    }


def future_quote(fields: Fields) -> tuple[str, dict[str, Any]]:
    """Read ``Q`` of futures: each side has a time of its own, and prices may be below zero."""
    bid, ask, bid_size, ask_size = fields.both("bp"), fields.both("ap"), fields.size("bs"), fields.size("as")
    return "Quote", {
        **sides(bid, ask, bid_size, ask_size),
        "symbol": fields.symbol("sym"),
        "ts_event": fields.needed_time("t"),
        "ts_bid": fields.time("bt"),
        "ts_ask": fields.time("at"),
        "sequence": fields.integer("q"),
        "bid_exchange": fields.code("bx"),
        "ask_exchange": fields.code("ax"),
    }


def market_bar(symbol: str, interval_ms: int) -> Reader:
    """Make the reader of a bar of crypto, forex, indices or futures."""

    def bar(fields: Fields) -> tuple[str, dict[str, Any]]:
        market = fields.venue.removeprefix("massive.")
        prices = {name: price_of(fields, name[0])[0] for name in ("open", "high", "low", "close")}
        fields.high_not_below_low(prices, "h")
        dollars = None
        if market == "futures":
            volume, dollars = fields.needed_size("v"), fields.float("dv")
        elif market == "crypto" or fields.get("v") is not None or fields.get("dv") is not None:
            volume = fields.exact_size("v", "dv")
        else:
            volume = (None, None)
        has_day = fields.get("av") is not None or fields.get("dav") is not None
        day_volume = fields.exact_size("av", "dav") if has_day else (None, None)
        start, end = fields.needed_time("s"), fields.time("e")
        # An index's bar may end where it starts.
        least = 0 if market == "indices" else 1
        if start is not None and end is not None and end - start < least:
            fields.fault("out_of_range", "e")
        if start is not None and end in {None, start}:
            end = start + interval_ms * 10**6
        return "VenueBar", {
            **EMPTY_BAR,
            **prices,
            "symbol": fields.symbol(symbol),
            "interval_ms": interval_ms,
            "ts_event": start,
            "ts_end": end,
            "volume": volume[0],
            "volume_e8": volume[1],
            "dollar_volume": dollars,
            "vwap": fields.float("vw"),
            "trade_count": fields.integer("n"),
            "day_volume": day_volume[0],
            "day_volume_e8": day_volume[1],
            "day_open": fields.float("op") or None,
            "day_vwap": fields.float("a"),
            "average_size": fields.float("z"),
            "complete": True,
        }

    return bar


def book(fields: Fields) -> tuple[str, dict[str, Any]]:
    """Read ``XL2``: two lists of price and size."""
    return "Depth", {
        "symbol": fields.symbol("pair"),
        "ts_event": fields.needed_time("t"),
        "ts_sent": fields.time("r"),
        "kind": "partial",
        "bids": fields.levels("b", "number"),
        "asks": fields.levels("a", "number"),
        "first_update": None,
        "last_update": None,
        "previous_update": None,
        "exchange": fields.code("x"),
    }


def add(markets: str, kinds: dict[str, Reader]) -> None:
    """Name the readers of the kinds of some markets."""
    MASSIVE.update(
        {(f"massive.{market}", kind): reader for market in markets.split() for kind, reader in kinds.items()}
    )


add("stocks", {"LULD": band, "NOI": imbalance})
add(
    "stocks options crypto forex",
    {"FMV": figure("fair_market_value", "sym", "fmv"), "LV": figure("last_value", "sym", "val")},
)
add("indices", {"V": figure("index", "T", "val")})
add("crypto", {"XT": coin_trade, "XQ": coin_quote, "XL2": book})
add("crypto", {"XA": market_bar("pair", 60_000), "XAS": market_bar("pair", 1_000)})
add("forex", {"C": currency_quote, "CA": market_bar("pair", 60_000), "CAS": market_bar("pair", 1_000)})
add("futures", {"T": future_trade, "Q": future_quote})
add("futures indices", {"A": market_bar("sym", 1_000)})
add("futures indices crypto forex", {"AM": market_bar("sym", 60_000)})
