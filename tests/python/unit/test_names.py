"""What names mean is remembered by the object: it must never be another object's meaning, nor an old one."""

from __future__ import annotations

import gc
import json
import random

import numpy as np
import pytest

import ringtape as rt

START_MS = 1_795_185_000_000
FIELDS = ["last", "bid", "ask", "volume", "vwap", "trade_count", "last_time", "volume(5m)", "high(1m)", "delta_day"]


def feed(engine: rt.Engine, name: str, number: int, venue: str = "binance.usdm") -> None:
    at = START_MS + number
    trade = {"e": "aggTrade", "s": name, "a": number, "p": str(100 + number), "q": "1", "f": 1, "l": 1,
             "T": at, "E": at, "m": False}  # fmt: skip
    engine.feed(json.dumps(trade).encode(), venue, at * 1_000_000)


@pytest.fixture
def engine() -> rt.Engine:
    engine = rt.Engine(windows=["5m", "1m"])
    for number in range(300):
        feed(engine, f"S{number}USDT", number)
    engine.table(FIELDS)
    return engine


def test_any_name_means_what_it_says(engine: rt.Engine) -> None:
    draw = random.Random(7)
    rows = {f"S{number}USDT": engine.row(f"S{number}USDT") for number in range(300)}
    kept: list[object] = []
    for _ in range(5_000):
        # Fresh objects, of which some live on and some leave their address to others.
        name = "".join(["S", str(draw.randrange(300)), "USDT"])
        fields = tuple(f"{field[:2]}{field[2:]}" for field in draw.sample(FIELDS, draw.randrange(1, 6)))
        want = tuple(rows[name][field] for field in fields)
        assert engine.get(name, fields) == want
        assert engine.get(name, list(fields)) == want
        assert engine.get(name, fields[0]) == want[0]
        if draw.random() < 0.3:
            kept += [name, fields]
        if draw.random() < 0.01:
            kept.clear()
            gc.collect()


def test_a_tuple_is_of_one_moment_and_of_any_length(engine: rt.Engine) -> None:
    assert engine.get("S7USDT", ()) == ()
    assert engine.get("S7USDT", ("last",)) == (107.0,)
    assert engine.get("S7USDT", ("last", "bid", "trade_count")) == (107.0, None, 1)
    fields = ["last"]
    assert engine.get("S7USDT", fields) == (107.0,)
    fields.append("trade_count")
    assert engine.get("S7USDT", fields) == (107.0, 1)


def test_a_name_that_becomes_ambiguous_is_told(engine: rt.Engine) -> None:
    name = "S7USDT"
    assert engine.get(name, "last") == engine.get(name, "last") == 107
    feed(engine, name, 1, "binance.spot")
    with pytest.raises(rt.AmbiguousSymbol):
        engine.get(name, "last")
    assert engine.get("binance.usdm:S7USDT", "last") == 107


def test_what_is_wrong_is_told_every_time(engine: rt.Engine) -> None:
    for _ in range(3):
        with pytest.raises(rt.UnknownSymbol, match="S7USDT"):
            engine.get("S7USD", "last")
        with pytest.raises(rt.UnknownField, match="last"):
            engine.get("S7USDT", ("bid", "lst"))
        with pytest.raises(TypeError):
            engine.get("S7USDT", 5)  # type: ignore[call-overload]
        with pytest.raises(TypeError):
            engine.get(5, "last")  # type: ignore[call-overload]


def test_a_live_column_is_the_same_array_until_a_symbol_is_new(engine: rt.Engine) -> None:
    first = engine.column("last", copy=False)
    assert engine.column("last", copy=False) is first
    assert engine.column("last") is not engine.column("last")
    feed(engine, "NEWUSDT", 1)
    second = engine.column("last", copy=False)
    assert (len(first), len(second)) == (300, 301)
    np.testing.assert_array_equal(second, engine.column("last"))
