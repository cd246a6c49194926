"""What events of the other markets and the plain kinds do to an engine."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import ringtape as rt
from ringtape import _native, events
from ringtape.strategy.base import KINDS

NOON = 1_795_197_600_000  # 2026-11-20 13:00 in New York, in ms
MS = 1_000_000


def feed(engine: rt.Engine, venue: str, *items: dict[str, Any], recv_ms: int = NOON + 10_000) -> int:
    return engine.feed(json.dumps(items).encode(), venue, recv_ms * MS)


def test_a_coin_has_price_volume_bars_and_a_taker() -> None:
    engine = rt.Engine(windows=["1m"])
    trade = {"ev": "XT", "pair": "BTC-USD", "p": 30_000.5, "s": 0.25, "c": [2], "i": "a", "x": 1, "t": NOON}
    later = trade | {"p": 30_001.0, "s": 0.5, "c": [1], "i": 7, "t": NOON + 1_500, "r": NOON + 1_600}
    quote = {"ev": "XQ", "pair": "BTC-USD", "bp": 30_000, "bs": 1, "ap": 30_002, "as": 2, "x": 1, "t": NOON + 1_600}
    assert feed(engine, "massive.crypto", trade, later, quote) == 3
    engine.advance((NOON + 60_000) * MS)
    row = engine.row("BTC-USD")
    assert (row["last"], row["volume"], row["bid"], row["ask"]) == (30_001.0, 0.75, 30_000.0, 30_002.0)
    assert row["open"] == 30_000.5
    batch = engine.drain()
    assert batch.trades["side"].tolist() == [1, 2]
    assert batch.trades["id"].tolist() == [b"a", b"7"]
    assert batch.bars["buy_volume"].tolist() == [0.25, 0.0]


def test_a_currency_has_sides_without_sizes() -> None:
    engine = rt.Engine()
    assert (
        feed(engine, "massive.forex", {"ev": "C", "p": "EUR/USD", "x": "48", "a": 1.0852, "b": 1.085, "t": NOON}) == 1
    )
    row = engine.row("EUR/USD")
    assert (row["bid"], row["ask"], row["bid_size"]) == (1.085, 1.0852, None)
    assert engine.drain().quotes["ask_exchange"].tolist() == [48]
    bar = {"ev": "CA", "pair": "EUR/USD", "o": 1, "c": 1, "h": 1, "l": 1, "v": 20, "s": NOON}
    feed(engine, "massive.forex", bar)
    assert engine.bars("EUR/USD", "1m", source="venue")["ts_end"].tolist() == [(NOON + 60_000) * MS]


def test_a_future_may_fall_below_zero() -> None:
    engine = rt.Engine(windows=["1m"])
    first = {"ev": "T", "sym": "CLK0", "p": 0.5, "s": 2, "q": 1, "t": NOON}
    prints = [first, first | {"p": -37.63, "q": 2, "t": NOON + 1}]
    quote = {"ev": "Q", "sym": "CLK0", "bp": -40, "bs": 3, "bt": NOON - 5, "ap": 0, "as": 4, "at": NOON - 7, "t": NOON}
    assert feed(engine, "massive.futures", *prints, quote) == 3
    row = engine.row("CLK0")
    assert (row["last"], row["low"], row["volume"], row["vwap"]) == (-37.63, -37.63, 4, (0.5 - 37.63) / 2)
    assert (row["bid"], row["bid_size"], row["ask"]) == (-40.0, 3, None)
    quotes = engine.drain().quotes
    assert quotes["flags"].tolist() == [1]
    assert quotes["ts_participant"].tolist() == [(NOON - 5) * MS]
    assert quotes["ts_sent"].tolist() == [(NOON - 7) * MS]


def test_an_option_opens_with_its_first_regular_print() -> None:
    engine = rt.Engine()
    early = {"ev": "T", "sym": "O:SPY261218C00650000", "x": 65, "p": 1.5, "s": 1, "c": [233], "t": NOON - 5 * 3_600_000}
    feed(engine, "massive.options", early, early | {"p": 1.75, "t": NOON}, early | {"p": 2.0, "t": NOON + 1})
    row = engine.row("O:SPY261218C00650000")
    assert (row["open"], row["last"], row["volume"]) == (1.75, 2.0, 3)


def test_an_index_is_worth_its_values() -> None:
    engine = rt.Engine(windows=["1m"])
    engine.set_reference({"I:SPX": 4_000.0}, "massive.indices")
    engine.set_rules(_native.compile_rules([{"id": "up", "when": "change > 1%"}]))
    value = {"ev": "V", "T": "I:SPX", "val": 4_010.0, "t": NOON}
    feed(engine, "massive.indices", value, value | {"val": 4_050.0, "t": NOON + 30_000}, recv_ms=NOON + 30_001)
    row = engine.row("I:SPX")
    assert (row["last"], row["open"], row["high"], row["low"]) == (4_050.0, 4_010.0, 4_050.0, 4_010.0)
    assert row["change"] == 4_050.0 / 4_000.0 - 1
    assert row["high(1m)"] == 4_050.0
    assert row["volume"] == 0
    batch = engine.drain()
    assert batch.values["value"].tolist() == [4_010.0, 4_050.0]
    assert [events.VALUE_NAMES[what] for what in batch.values["what"]] == ["index", "index"]
    assert batch.signals["price"].tolist() == [4_050.0]
    assert len(batch.trades) == 0
    # An older one is counted and moves no price.
    feed(engine, "massive.indices", value | {"val": 3_000.0, "t": NOON + 10_000}, recv_ms=NOON + 30_002)
    assert engine.get("I:SPX", "last") == 4_050.0
    assert engine.stats()["out_of_order"] == 1


MIXED = [
    {"ev": "LULD", "T": "A", "h": 11, "l": 9, "i": [21], "z": 3, "t": NOON * MS + 1, "q": 5},
    {"ev": "T", "sym": "A", "p": 10, "s": 1, "t": NOON},
    {"ev": "FMV", "sym": "B", "fmv": 10.25, "t": NOON + 1},
    {"ev": "Q", "sym": "A", "bp": 9.5, "ap": 10.5, "t": NOON + 2},
    {"ev": "NOI", "T": "C", "t": (NOON + 3) * MS, "at": 1600, "a": "C", "i": 1, "x": 10, "o": -40, "p": 7, "b": 9.75},
]


def test_records_of_all_kinds_are_numbered_as_they_stand_in_the_frame() -> None:
    engine = rt.Engine()
    assert feed(engine, "massive.stocks", *MIXED) == 5
    batch = engine.drain()
    kinds = ("bands", "trades", "values", "quotes", "imbalances")
    assert [getattr(batch, kind)["seq"].tolist() for kind in kinds] == [[1], [2], [3], [4], [5]]
    assert len(batch) == 5
    assert repr(batch) == "Batch(trades=1, quotes=1, bands=1, imbalances=1, values=1)"
    stats = engine.stats()
    assert [stats[kind] for kind in (*kinds, "events")] == [1, 1, 1, 1, 1, 5]
    # Plain kinds introduce their symbols and move nothing of them.
    assert [name for _, _, name in engine.symbols()] == ["A", "B", "C"]
    assert engine.get("B", "last") is None
    imbalance = batch.imbalances[0]
    assert (imbalance["imbalance"], imbalance["auction_time"], chr(imbalance["auction_type"])) == (-40.0, 1600, "C")


def test_strategies_take_every_kind_of_array() -> None:
    assert set(KINDS) == events.dtypes().keys()


def test_a_plain_event_from_the_future_is_quarantined() -> None:
    engine = rt.Engine()
    ahead = MIXED[0] | {"t": (NOON + 60_000) * MS}
    assert feed(engine, "massive.stocks", MIXED[0], recv_ms=NOON + 1) == 1
    assert feed(engine, "massive.stocks", ahead, recv_ms=NOON + 1) == 0
    stats = engine.stats()
    assert (stats["quarantined"], stats["bands"]) == (1, 1)
    assert stats["venues"]["massive.stocks"]["watermark"] == NOON * MS + 1


def test_plain_events_move_the_clock_and_ask_for_the_days() -> None:
    engine = rt.Engine()
    feed(engine, "massive.stocks", MIXED[2])
    venue = engine.stats()["venues"]["massive.stocks"]
    assert (venue["now"], venue["date"]) == ((NOON + 1) * MS, 20_261_120)


def test_a_plain_event_of_a_symbol_that_found_no_place_is_counted() -> None:
    engine = rt.Engine(max_symbols=1)
    assert feed(engine, "massive.stocks", *MIXED) == 3
    assert engine.stats()["symbols_refused"] == 2
    assert len(engine.drain().values) == 0


def test_a_forgotten_drain_loses_plain_records_by_count() -> None:
    engine = rt.Engine()
    for _ in range(50):
        feed(engine, "massive.stocks", *[MIXED[0]] * 100)
    batch = engine.drain()
    assert batch.lost == {"bands": 5_000 - 4_096}
    assert len(batch.bands) == 4_096
    assert not engine.drain()


def test_a_kept_array_outlives_the_next_drains() -> None:
    engine = rt.Engine()
    feed(engine, "massive.stocks", *MIXED)
    kept = engine.drain().bands
    for _ in range(3):
        feed(engine, "massive.stocks", MIXED[0] | {"q": 6})
        engine.drain()
    assert kept["sequence"].tolist() == [5]
    with pytest.raises(ValueError, match="read-only"):
        kept["sequence"] = 0


def test_book_levels_are_one_record_each_and_one_event_decoded() -> None:
    book = {"ev": "XL2", "pair": "BTC-USD", "t": NOON, "r": NOON + 1, "x": 1, "b": [[2, 5], [1, 6]], "a": [[3, 7]]}
    empty = book | {"b": [], "a": []}
    engine = rt.Engine()
    assert feed(engine, "massive.crypto", book, empty) == 4
    levels = engine.drain().levels
    assert levels["flags"].tolist() == [1, 0, 2, 3]
    assert levels["side"].tolist() == [1, 1, 2, 0]
    np.testing.assert_array_equal(levels["price"], [2, 1, 3, np.nan])
    one, two = rt.decode(json.dumps([book, empty]).encode(), "massive.crypto").events
    assert isinstance(one, rt.Depth)
    assert isinstance(two, rt.Depth)
    assert ([level.price for level in one.bids], [level.size for level in one.asks]) == ([2.0, 1.0], [7.0])
    assert (two.bids, two.asks) == ([], [])
