"""The pretend market without clock and sockets, as the binding gives it."""

from __future__ import annotations

import json
import threading
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ringtape
from ringtape._native import Simulator
from ringtape.errors import ConfigError, EngineBusy

START = 1_795_190_400_000_000_000
SECOND = 1_000_000_000


def market(kind: Literal["stocks", "crypto"] = "stocks", **changes: Any) -> Simulator:
    return Simulator(**{"seed": 7, "symbols": 20, "rate": 1_000, "kind": kind, "start_ns": START, **changes})


def events(frames: list[bytes]) -> list[dict[str, Any]]:
    return [event for frame in frames for event in json.loads(frame)]


@given(cuts=st.lists(st.integers(0, 2 * SECOND), max_size=10))
def test_the_same_events_come_however_time_is_cut(cuts: list[int]) -> None:
    whole, parts = market(), market()
    for each in (whole, parts):
        assert each.subscribe(each.open(), "T.*") == "done"
    whole.advance(START + 2 * SECOND)
    got = []
    for cut in [*cuts, 2 * SECOND]:
        parts.advance(START + cut)
        got += events(parts.frames(0))
    assert got == events(whole.frames(0))
    assert whole.now == parts.now == START + 2 * SECOND
    assert whole.events == parts.events > 1_000


@pytest.mark.parametrize(("kind", "name"), [("stocks", "Q.*"), ("crypto", "btcusdt@bookTicker")])
def test_every_frame_decodes(kind: Literal["stocks", "crypto"], name: str) -> None:
    simulator = market(kind)
    handle = simulator.open()
    simulator.subscribe(handle, name)
    simulator.advance(START + SECOND)
    venue = {"stocks": "massive.stocks", "crypto": "binance.usdm"}[kind]
    decoded = [ringtape.decode(frame, venue) for frame in simulator.frames(handle, max_events=7)]
    assert decoded
    assert all(0 < len(each.events) <= 7 and not each.skipped for each in decoded)
    assert simulator.frames(handle) == []


def test_subscribers_are_numbers_and_a_wrong_one_is_nobody() -> None:
    simulator = market()
    handle = simulator.open()
    assert simulator.subscribe(handle, "A.BRK.B") == "done"
    assert simulator.subscribe(handle, "A.BRK.B") == "unchanged"
    assert simulator.subscribe(handle, "ZZ.SPY") == "unknown_channel"
    assert simulator.unsubscribe(handle, "T.SPY") == "unchanged"
    assert simulator.subscriptions(handle) == ["A.BRK.B"]
    assert simulator.lost(handle) == 0
    nobody = handle + 1
    assert simulator.subscribe(nobody, "T.*") is None
    assert simulator.unsubscribe(nobody, "T.*") is None
    assert simulator.subscriptions(nobody) is None
    assert simulator.lost(nobody) is None
    assert simulator.frames(nobody) == []
    assert simulator.set_combined(nobody, True) is False
    assert simulator.close(handle) is True
    assert simulator.close(handle) is False


def test_a_market_that_rests_makes_no_orders() -> None:
    simulator = market()
    handle = simulator.open()
    simulator.subscribe(handle, "T.*")
    simulator.rest(START + 60 * SECOND)
    assert simulator.frames(handle) == []
    simulator.advance(START + 61 * SECOND)
    assert len(events(simulator.frames(handle))) > 100


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"symbols": 0}, "symbols"),
        ({"symbols": 20_001}, "symbols"),
        ({"symbols": -1}, "symbols"),
        ({"rate": 0}, "rate"),
        ({"rate": 2**70}, "rate"),
        ({"seed": -1}, "seed"),
        ({"start_ns": 0}, "start_ns"),
        ({"kind": "bonds"}, "kind"),
    ],
)
def test_a_value_out_of_range_is_named(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=key.removesuffix("_ns")) as refused:
        market(**changes)
    assert refused.value.key == key


def test_a_route_that_is_none_is_named() -> None:
    with pytest.raises(ConfigError, match="route"):
        market("crypto").open("private")


def test_places_for_subscribers_end() -> None:
    simulator = market(symbols=1)
    for _ in range(1024):
        simulator.open()
    with pytest.raises(ConfigError, match="subscribers"):
        simulator.open()


def test_a_second_thread_is_turned_away() -> None:
    simulator = market(symbols=500, rate=1_000_000)
    simulator.subscribe(simulator.open(), "T.*")
    thread = threading.Thread(target=simulator.advance, args=(START + 2 * SECOND,))
    thread.start()
    busy = 0
    while thread.is_alive():
        try:
            _ = simulator.events
        except EngineBusy:
            busy += 1
    thread.join()
    assert busy
    assert simulator.events > 1_000_000
