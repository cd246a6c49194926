"""The official Massive client against the pretend venue: what it reads is what ringtape decodes, field by field."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from massive import WebSocketClient
from massive.exceptions import AuthError
from massive.websocket.models import EquityTrade
from massive_models import EQUITIES, compare, milliseconds

import ringtape
from ringtape.sim import Behaviour, Server, serve

EVENTS = 1_000
LIMIT_S = 20.0

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


async def test_every_field_of_a_thousand_events_is_the_same_on_both_sides() -> None:
    received: list[Any] = []
    enough = asyncio.Event()

    async def keep(events: list[Any]) -> None:
        received.extend(events)
        if len(received) >= EVENTS and {type(event) for event in received} == set(EQUITIES):
            enough.set()

    async with serve(seed=7, symbols=50, rate=5_000, record=True) as server:
        client = client_of(server, "T.*", "Q.*", "A.*")
        run = asyncio.create_task(client.connect(keep, proxy=None))
        await asyncio.wait_for(enough.wait(), LIMIT_S)
    await asyncio.wait_for(run, LIMIT_S)  # A clean close of the server ends the client without an error.

    sent = [each.text for each in server.log]
    decoded = [ringtape.decode(frame, "massive.stocks") for frame in sent]
    assert not any(each.skipped for each in decoded)
    ours = [event for each in decoded for event in each.events]
    assert len(received) == len(ours) >= EVENTS
    filled: set[str] = set()
    for theirs, event in zip(received, ours, strict=True):
        compare(theirs, event, EQUITIES)
        filled |= {f"{type(theirs).__name__}.{name}" for name, value in vars(theirs).items() if value is not None}
    known = {f"{kind.__name__}.{name}" for kind, (_, table) in EQUITIES.items() for name in table}
    assert filled | RARELY_FILLED == known - NEVER_FILLED

    raw = [item for frame in sent for item in json.loads(frame) if item["ev"] != "status"]
    for item, event in zip(raw, ours, strict=True):
        for key, attribute in NOT_IN_THE_CLIENT[item["ev"]].items():
            assert milliseconds(attribute)(event) == item.get(key), (key, item)
    assert any("pt" in item for item in raw)


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
