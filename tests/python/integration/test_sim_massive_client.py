"""The official Massive client against the pretend venue: what it reads is what ringtape decodes, field by field."""

from __future__ import annotations

import asyncio
import json
import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from massive import WebSocketClient
from massive.exceptions import AuthError
from massive.websocket.models import EquityAgg, EquityQuote, EquityTrade

import ringtape
from ringtape.events import Quote, Trade, VenueBar
from ringtape.sim import Behaviour, Server, serve
from ringtape.sim.peer import Peer

EVENTS = 1_000
LIMIT_S = 20.0

Ours = Callable[[Any], object]
Theirs = Callable[[Any], object]


def field(name: str) -> Ours:
    return operator.attrgetter(name)


def milliseconds(name: str) -> Ours:
    """Our times are nanoseconds, None where absent."""
    return lambda event: None if (time := getattr(event, name)) is None else time / 1_000_000


def whole(name: str) -> Ours:
    """The integer beside an exact decimal has its fraction cut off."""
    return lambda event: int(getattr(event, name))


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
TRADE: dict[str, tuple[Ours, Theirs]] = {
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
QUOTE: dict[str, tuple[Ours, Theirs]] = {
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
BAR: dict[str, tuple[Ours, Theirs]] = {
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
MAPS = {EquityTrade: (Trade, TRADE), EquityQuote: (Quote, QUOTE), EquityAgg: (VenueBar, BAR)}

# Fields that this market never fills, so that the comparison proves only their absence.
NEVER_FILLED = {"EquityQuote.trf_id", "EquityQuote.trf_timestamp", "EquityAgg.otc"}
# And those that a thousand events may do without.
RARELY_FILLED = {"EquityQuote.condition", "EquityQuote.indicators"}

# Keys on the wire that no model of the client has, and where ringtape puts them.
NOT_IN_THE_CLIENT = {"T": {"pt": "ts_participant"}, "Q": {"pt": "ts_participant"}, "A": {}}


def client_of(server: Server, *names: str, key: str = "any", **options: Any) -> WebSocketClient:
    address = server.url.removeprefix("ws://")
    return WebSocketClient(
        api_key=key, feed=address, market="stocks", secure=False, subscriptions=list(names), **options
    )


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Frames in the order in which the venue sent them."""
    frames: list[bytes] = []
    send = Peer.send

    def tee(peer: Peer, batch: list[bytes]) -> None:
        frames.extend(batch)
        send(peer, batch)

    monkeypatch.setattr(Peer, "send", tee)
    return frames


async def test_every_field_of_a_thousand_events_is_the_same_on_both_sides(sent: list[bytes]) -> None:
    received: list[Any] = []
    enough = asyncio.Event()

    async def keep(events: list[Any]) -> None:
        received.extend(events)
        if len(received) >= EVENTS and {type(event) for event in received} == set(MAPS):
            enough.set()

    async with serve(seed=7, symbols=50, rate=5_000) as server:
        client = client_of(server, "T.*", "Q.*", "A.*")
        run = asyncio.create_task(client.connect(keep, proxy=None))
        await asyncio.wait_for(enough.wait(), LIMIT_S)
    await asyncio.wait_for(run, LIMIT_S)  # A clean close of the server ends the client without an error.

    decoded = [ringtape.decode(frame, "massive.stocks") for frame in sent]
    assert not any(each.skipped for each in decoded)
    ours = [event for each in decoded for event in each.events]
    assert len(received) == len(ours) >= EVENTS
    filled: set[str] = set()
    for theirs, event in zip(received, ours, strict=True):
        compare(theirs, event)
        filled |= {f"{type(theirs).__name__}.{name}" for name, value in vars(theirs).items() if value is not None}
    known = {f"{kind.__name__}.{name}" for kind, (_, table) in MAPS.items() for name in table}
    assert filled | RARELY_FILLED == known - NEVER_FILLED

    raw = [item for frame in sent for item in json.loads(frame) if item["ev"] != "status"]
    for item, event in zip(raw, ours, strict=True):
        for key, attribute in NOT_IN_THE_CLIENT[item["ev"]].items():
            assert milliseconds(attribute)(event) == item.get(key), (key, item)
    assert any("pt" in item for item in raw)


def compare(theirs: Any, ours: Any) -> None:
    kind, table = MAPS[type(theirs)]
    assert isinstance(ours, kind), (theirs, ours)
    assert set(vars(theirs)) == set(table)
    for name, (expected, read) in table.items():
        assert read(getattr(theirs, name)) == expected(ours), (name, theirs, ours)


async def test_the_client_is_told_that_its_key_is_bad() -> None:
    async with serve(behaviour=Behaviour(bad_key="revoked")) as server:
        client = client_of(server, "T.*", key="revoked")
        with pytest.raises(AuthError, match="authentication failed"):
            await asyncio.wait_for(client.connect(ignore, proxy=None), LIMIT_S)


async def test_the_client_may_speak_in_binary_frames() -> None:
    class BytesJson:
        loads = staticmethod(json.loads)

        @staticmethod
        def dumps(value: object) -> bytes:
            return json.dumps(value).encode()

    got = asyncio.Event()

    async def note(_: object) -> None:
        got.set()

    async with serve(symbols=10) as server:
        run = asyncio.create_task(client_of(server, "T.*", custom_json=BytesJson).connect(note, proxy=None))
        await asyncio.wait_for(got.wait(), LIMIT_S)
    await asyncio.wait_for(run, LIMIT_S)


async def test_a_dotted_symbol_is_one_symbol() -> None:
    received: list[EquityTrade] = []
    enough = asyncio.Event()

    async def keep(events: list[EquityTrade]) -> None:
        received.extend(events)
        enough.set()

    async with serve(symbols=500, rate=100_000) as server:
        assert "BRK.B" in ringtape.sim.reference(seed=7, symbols=500)
        run = asyncio.create_task(client_of(server, "T.BRK.B").connect(keep, proxy=None))
        await asyncio.wait_for(enough.wait(), LIMIT_S)
    await asyncio.wait_for(run, LIMIT_S)
    assert {trade.symbol for trade in received} == {"BRK.B"}


async def ignore(_: object) -> None:
    """Take no notice."""
