"""What the fields of the official client's models must equal of ringtape's events."""

from __future__ import annotations

import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from massive.websocket.models import EquityAgg, EquityQuote, EquityTrade

from ringtape.events import Quote, Trade, VenueBar

Ours = Callable[[Any], object]
Theirs = Callable[[Any], object]
Fields = dict[str, tuple[Ours, Theirs]]
Models = dict[type[Any], tuple[type[Any], Fields]]


def field(name: str) -> Ours:
    return operator.attrgetter(name)


def milliseconds(name: str) -> Ours:
    """Our times are nanoseconds, None where absent."""
    return lambda event: None if (time := getattr(event, name)) is None else time / 1_000_000


def whole(name: str) -> Ours:
    """The integer beside an exact decimal has its fraction cut off."""
    return lambda event: None if (value := getattr(event, name)) is None else int(value)


def codes(name: str) -> Ours:
    """An empty list is not sent."""
    return lambda event: list(getattr(event, name)) or None


def always(value: object) -> Ours:
    return lambda _: value


def same(value: object) -> object:
    return value


def e8(text: str) -> int:
    """The client hands exact decimals on as text."""
    return int(Decimal(text).scaleb(8))


# The client's field: what it must equal of ours, and how the client's value is read first.
TRADE: Fields = {
    "event_type": (always("T"), same),
    "symbol": (field("symbol"), same),
    "exchange": (field("exchange"), same),
    "id": (field("id"), same),
    "tape": (field("tape"), same),
    "price": (field("price"), same),
    "size": (whole("size"), same),
    "fractional_shares": (field("size_e8"), e8),
    "conditions": (codes("conditions"), same),
    "timestamp": (milliseconds("ts_event"), same),
    "sequence_number": (field("sequence"), same),
    "trf_id": (field("trf_id"), same),
    "trf_timestamp": (milliseconds("ts_trf"), same),
}
QUOTE: Fields = {
    "event_type": (always("Q"), same),
    "symbol": (field("symbol"), same),
    "bid_exchange_id": (field("bid_exchange"), same),
    "bid_price": (field("bid"), same),
    "bid_size": (field("bid_size"), same),
    "ask_exchange_id": (field("ask_exchange"), same),
    "ask_price": (field("ask"), same),
    "ask_size": (field("ask_size"), same),
    "condition": (field("condition"), same),
    "indicators": (codes("indicators"), same),
    "timestamp": (milliseconds("ts_event"), same),
    "tape": (field("tape"), same),
    "sequence_number": (field("sequence"), same),
    # The model looks for them; the venue sends them on trades only.
    "trf_id": (always(None), same),
    "trf_timestamp": (always(None), same),
}
BAR: Fields = {
    "event_type": (lambda bar: {1_000: "A", 60_000: "AM"}[bar.interval_ms], same),
    "symbol": (field("symbol"), same),
    "volume": (whole("volume"), same),
    "accumulated_volume": (whole("day_volume"), same),
    "official_open_price": (field("day_open"), same),
    "vwap": (field("vwap"), same),
    "open": (field("open"), same),
    "close": (field("close"), same),
    "high": (field("high"), same),
    "low": (field("low"), same),
    "aggregate_vwap": (field("day_vwap"), same),
    "average_size": (field("average_size"), same),
    "start_timestamp": (milliseconds("ts_event"), same),
    "end_timestamp": (milliseconds("ts_end"), same),
    # Sent only where true.
    "otc": (field("otc"), bool),
    "fractional_volume": (field("volume_e8"), e8),
    "fractional_accumulated_volume": (field("day_volume_e8"), e8),
}
EQUITIES: Models = {EquityTrade: (Trade, TRADE), EquityQuote: (Quote, QUOTE), EquityAgg: (VenueBar, BAR)}


def compare(theirs: Any, ours: Any, models: Models) -> None:
    kind, table = models[type(theirs)]
    assert isinstance(ours, kind), (theirs, ours)
    assert set(vars(theirs)) == set(table)
    for name, (expected, read) in table.items():
        assert read(getattr(theirs, name)) == expected(ours), (name, theirs, ours)
