"""What trades, quotes and time do to a symbol: the exact outcomes of the tricky cases, through the public face.

Fixture of the cases: XYZ on Friday 2026-11-20, previous close 10.00; 09:30 in New York is 14:30 UTC.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

import ringtape as rt
from ringtape._native import compile_rules

NEW_YORK = ZoneInfo("America/New_York")
VENUE = "massive.stocks"


def ns(clock: str, day: str = "2026-11-20") -> int:
    """Return a New York clock time such as 09:44:30.250 in Unix ns."""
    moment = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=NEW_YORK)
    return int(moment.timestamp() * 1_000) * 1_000_000


class Tape:
    """Feeds trades of one symbol, numbering them as the tape does."""

    def __init__(self, windows: Sequence[str] = ("1m", "5m"), **options: Any) -> None:
        self.engine = rt.Engine(windows=windows, **options)
        self.engine.set_reference({"XYZ": 10.0})
        self.q = 0

    def trade(self, clock: str, price: float, size: float = 100, **keys: Any) -> dict[str, Any]:
        self.q += 1
        day = keys.pop("day", "2026-11-20")
        event = {"ev": "T", "sym": "XYZ", "i": str(self.q), "x": 4, "p": price, "s": size, "q": self.q, "z": 3}
        return {**event, "t": ns(clock, day) // 1_000_000, **keys}

    def feed(self, *events: dict[str, Any], recv: int | None = None) -> int:
        newest = max(event.get("t", event.get("s", 0)) for event in events) * 1_000_000
        return self.engine.feed(json.dumps(events).encode(), VENUE, recv or newest + 1_000_000)

    def at(self, clock: str, day: str = "2026-11-20") -> None:
        self.engine.advance(ns(clock, day) + 1_000_000)

    def get(self, field: str) -> float | int | None:
        return self.engine.get("XYZ", field)


def test_case_1_a_late_print_moves_volume_and_day_extremes_only() -> None:
    tape = Tape()
    for clock, price in (("09:44:30", 10.40), ("09:44:40", 10.60), ("09:45:00.100", 10.50)):
        tape.feed(tape.trade(clock, price))
    late = tape.trade("09:45:01", 9.80, 5_000, pt=ns("09:35:00") // 1_000_000)
    tape.feed(late)
    assert tape.get("last") == 10.50
    assert tape.get("volume") == 5_300
    assert tape.get("vwap") == (10_50 * 300 + 9_80 * 5_000) / 100 / 5_300
    assert tape.get("low") == 9.80
    assert tape.get("volume(1m)") == 5_300
    assert tape.get("low(5m)") == 10.40
    assert tape.engine.stats()["late"] == 1


def test_case_2_an_odd_lot_counts_and_moves_no_price() -> None:
    tape = Tape()
    tape.feed(tape.trade("10:00:00", 11.60), tape.trade("10:00:01", 11.50))
    tape.feed(tape.trade("10:00:02", 12.00, 7, c=[37]))
    assert (tape.get("last"), tape.get("high"), tape.get("last_any")) == (11.50, 11.60, 12.00)
    assert tape.get("volume") == 207
    assert tape.get("vwap") == (11_60 * 100 + 11_50 * 100 + 12_00 * 7) / 100 / 207


def test_case_2b_form_t_moves_prices_outside_regular_hours_only() -> None:
    tape = Tape()
    tape.feed(tape.trade("08:00:00", 12.00, 7, c=[12, 37]))
    assert (tape.get("last"), tape.get("volume")) == (None, 7)
    tape.feed(tape.trade("08:00:01", 12.00, 7, c=[12]))
    assert (tape.get("last"), tape.get("high_day"), tape.get("high")) == (12.00, 12.00, None)
    tape.feed(tape.trade("10:00:00", 13.00, 5, c=[12]))
    assert (tape.get("last"), tape.get("high"), tape.get("volume")) == (12.00, None, 19)


def test_case_3_windows_decay_without_trades() -> None:
    tape = Tape()
    tape.feed(tape.trade("10:00:30", 20.00))
    tape.at("10:02:30")
    assert (tape.get("volume(1m)"), tape.get("change(1m)"), tape.get("high(1m)")) == (0, 0.0, None)
    assert tape.get("last_age") == pytest.approx(120, abs=0.01)
    tape.feed(tape.trade("10:03:10", 21.00, 200))
    tape.at("10:04:00")
    bars = tape.engine.bars("XYZ", "1m")
    assert list(bars["ts_event"]) == [ns("10:00:00"), ns("10:03:00")]
    assert list(bars["close"]) == [20.00, 21.00]
    assert (tape.get("volume(5m)"), tape.get("change(5m)")) == (300, None)


def test_case_8_a_new_date_keeps_the_last_price_stale() -> None:
    tape = Tape()
    tape.feed(tape.trade("15:59:00", 10.10, 1_000, day="2026-11-19"))
    tape.feed(tape.trade("16:00:02", 10.00, 1_000, c=[15], day="2026-11-19"))
    tape.feed(tape.trade("19:59:00", 10.80, 200, c=[12], day="2026-11-19"))
    assert (tape.get("volume"), tape.get("last")) == (1_200, 10.80)
    tape.at("04:00:00")
    undefined = ("change", "high", "low", "vwap", "open", "change_open", "high_day")
    assert (tape.get("volume"), tape.get("last"), tape.get("prev_close")) == (0, 10.80, 10.00)
    assert [tape.get(field) for field in undefined] == [None] * len(undefined)
    tape.feed(tape.trade("19:59:59.900", 10.80, 50, c=[12], day="2026-11-19"), recv=ns("04:00:01"))
    assert tape.engine.stats()["previous_date"] == 1
    tape.feed(tape.trade("04:00:03", 11.00, 100, c=[12]))
    assert tape.get("change") == pytest.approx(0.10)
    assert (tape.get("volume"), tape.get("high_day"), tape.get("high")) == (100, 11.00, None)


def test_case_9_a_symbol_without_reference() -> None:
    engine = rt.Engine()
    event = {"ev": "T", "sym": "NEWX", "p": 5.0, "s": 200, "c": [25], "t": ns("10:31:00") // 1_000_000}
    engine.feed(json.dumps([event]).encode(), VENUE, ns("10:31:00.001"))
    assert (engine.get("NEWX", "prev_close"), engine.get("NEWX", "change")) == (None, None)
    assert (engine.get("NEWX", "volume"), engine.get("NEWX", "open"), engine.get("NEWX", "change_open")) == (
        200,
        5.0,
        0,
    )


def test_case_10_a_frame_is_applied_in_tape_order() -> None:
    tape = Tape()
    tape.feed(tape.trade("10:00:00", 10.00))
    tape.q = 9
    first, second, third = (tape.trade(f"10:00:01.00{at}", 10.01 + at / 100) for at in range(3))
    tape.feed(third, first, second)
    assert (tape.get("last"), tape.get("volume")) == (10.03, 400)
    assert list(tape.engine.drain().trades["price"]) == [10.00, 10.01, 10.02, 10.03]
    tape.feed(tape.trade("10:00:00.999", 10.05, q=9))
    assert (tape.get("last"), tape.get("high"), tape.get("volume")) == (10.03, 10.05, 500)


def test_case_15_an_empty_side_is_undefined() -> None:
    tape = Tape()
    quote = {
        "ev": "Q",
        "sym": "XYZ",
        "bp": 0,
        "bs": 0,
        "ap": 10.10,
        "as": 100,
        "t": ns("10:00:00") // 1_000_000,
        "q": 1,
    }
    tape.feed(quote)
    assert [tape.get(field) for field in ("bid", "mid", "spread", "spread_bps")] == [None] * 4
    assert tape.get("ask") == 10.10


def test_quotes_apply_by_time_and_sequence() -> None:
    tape = Tape()

    def quote(clock: str, sequence: int, bid: float) -> dict[str, Any]:
        return {
            "ev": "Q",
            "sym": "XYZ",
            "bp": bid,
            "bs": 1,
            "ap": 11,
            "as": 1,
            "t": ns(clock) // 1_000_000,
            "q": sequence,
        }

    tape.feed(quote("10:00:01", 5, 10.01))
    tape.feed(quote("10:00:00", 4, 9.0))
    tape.feed(quote("10:00:01", 5, 10.01))
    assert tape.get("bid") == 10.01
    stats = tape.engine.stats()
    assert (stats["quotes"], stats["out_of_order"], stats["duplicates"]) == (2, 1, 1)


def test_a_late_trade_revises_the_bar_that_was_sent() -> None:
    tape = Tape()
    tape.feed(tape.trade("10:00:10", 10.0), tape.trade("10:00:50", 10.2))
    tape.feed(tape.trade("10:01:05", 10.3))
    sent = tape.engine.drain().bars
    assert [int(bar["flags"]) for bar in sent if bar["interval_ms"] == 60_000] == [1]
    tape.feed(tape.trade("10:00:30", 10.9, 300), recv=ns("10:01:06"))
    again = [bar for bar in tape.engine.drain().bars if bar["interval_ms"] == 60_000]
    assert [(bar["open"], bar["high"], bar["close"], bar["volume"], int(bar["flags"])) for bar in again] == [
        (10.0, 10.9, 10.2, 500.0, 3)
    ]
    assert tape.engine.stats()["bars_revised"] == 1
    # The bar of a second that had none is sent for the first time.
    assert [int(bar["flags"]) for bar in tape.engine.bars("XYZ", "1s")] == [1, 1, 1]
    tape.feed(tape.trade("10:20:00", 10.4))
    tape.feed(tape.trade("10:00:31", 99.0), recv=ns("10:20:01"))
    assert tape.engine.stats()["too_late"] == 2
    assert tape.engine.bars("XYZ", "1m")["high"].max() == 10.9


def test_venue_bars_are_upserted_and_never_added_to_trades() -> None:
    tape = Tape()
    start = ns("10:00:07") // 1_000_000
    bar = {
        "ev": "A",
        "sym": "XYZ",
        "v": 1_000,
        "av": 50_000,
        "op": 9.9,
        "o": 10,
        "h": 11,
        "l": 10,
        "c": 10.5,
        "s": start,
    }
    tape.engine.feed(json.dumps([bar]).encode(), VENUE, ns("10:00:10"))
    tape.engine.feed(json.dumps([{**bar, "v": 1_200}]).encode(), VENUE, ns("10:08:00"))
    kept = tape.engine.bars("XYZ", "1s", source="venue")
    assert list(kept["volume"]) == [1_200]
    assert (tape.get("volume"), tape.get("open"), len(tape.engine.bars("XYZ", "1s"))) == (0, 9.9, 0)


def test_events_from_the_future_move_nothing() -> None:
    tape = Tape()
    tape.feed(tape.trade("10:00:00", 10.0))
    tape.feed(tape.trade("10:00:06.5", 11.0), recv=ns("10:00:01"))
    assert (tape.get("last"), tape.engine.stats()["quarantined"]) == (10.0, 1)


def test_binance_ids_show_gaps_and_duplicates() -> None:
    engine = rt.Engine()

    def trade(number: int) -> bytes:
        event = {"e": "aggTrade", "E": 1_795_190_400_000 + number, "s": "BTCUSDT", "a": number, "p": "10.5", "q": "2"}
        return json.dumps({**event, "f": 1, "l": 1, "T": 1_795_190_400_000 + number, "m": True}).encode()

    applied = [
        engine.feed(trade(number), "binance.usdm", 1_795_190_401_000_000_000)
        for number in (100, 101, 104, 104, 103, 90)
    ]
    assert applied == [1, 1, 1, 0, 1, 0]
    stats = engine.stats()
    assert (stats["gaps"], stats["missing"], stats["duplicates"]) == (1, 1, 2)
    assert engine.get("BTCUSDT", "change") == 0.0


def test_one_stream_of_trades_owns_a_symbol() -> None:
    engine = rt.Engine()
    one = {"s": "BTCUSDT", "p": "10.5", "q": "2", "E": 1_795_190_400_000, "T": 1_795_190_400_000, "m": False}
    engine.feed(json.dumps({"e": "trade", "t": 1, **one}).encode(), "binance.usdm", 1_795_190_400_100_000_000)
    engine.feed(json.dumps({"e": "aggTrade", "a": 1, **one}).encode(), "binance.usdm", 1_795_190_400_100_000_000)
    assert (engine.get("BTCUSDT", "volume"), engine.stats()["not_owner"]) == (2.0, 1)


def test_a_full_table_refuses_new_symbols_and_keeps_the_known() -> None:
    engine = rt.Engine(max_symbols=2)
    for number, name in enumerate(("A", "B", "C", "A")):
        event = {"ev": "T", "sym": name, "p": 1.0, "s": 1, "t": ns("10:00:00") // 1_000_000, "q": number}
        engine.feed(json.dumps([event]).encode(), VENUE, ns("10:00:00.100"))
    assert engine.stats()["symbols_refused"] == 1
    assert (engine.get("A", "volume"), len(engine.symbols())) == (2.0, 2)


def test_bad_frames_are_counted_and_never_raise() -> None:
    tape = Tape()
    for frame in (b"", b"nonsense", b'[{"ev":"T"', b"\xff\xfe", b"[1,]", b"[" * 100):
        assert tape.engine.feed(frame, VENUE, 1) == 0
    good = tape.trade("10:00:00", 10.0)
    assert tape.feed(good, {**good, "p": "x"}, {**good, "p": 11.0, "q": 99, "i": "99"}) == 2
    stats = tape.engine.stats()
    assert stats["frames_rejected"] == 6
    assert stats["skipped"] == {"wrong_type": 1}
    assert stats["rejected"]["too_deep"]["offset"] == 64


def test_batches_that_are_kept_are_never_overwritten() -> None:
    tape = Tape()
    tape.feed(tape.trade("10:00:00", 10.0))
    kept = tape.engine.drain().trades
    before = kept.copy()
    for second in range(1, 30):
        tape.feed(tape.trade(f"10:00:{second:02}", 11.0))
        tape.engine.drain()
    assert np.array_equal(kept, before)
    assert not kept.flags.writeable


def test_a_forgotten_drain_ends_in_lost() -> None:
    tape = Tape(ring_size=16)
    for second in range(40):
        tape.feed(tape.trade(f"10:00:{second:02}", 10.0))
    batch = tape.engine.drain()
    assert batch.lost["trades"] == 24
    assert len(batch.trades) == 16


def test_pinned_bars_are_a_view() -> None:
    tape = Tape(pin=["XYZ"])
    for minute in range(5):
        tape.feed(tape.trade(f"10:0{minute}:00", 10.0 + minute))
    view = tape.engine.bars("XYZ", "1m", n=3, copy=False)
    assert list(view["close"]) == [11.0, 12.0, 13.0]
    assert list(view["close"]) == list(tape.engine.bars("XYZ", "1m", n=3)["close"])
    other = Tape()
    other.feed(other.trade("10:00:00", 1.0))
    with pytest.raises(rt.ConfigError, match="pin"):
        other.engine.bars("XYZ", "1m", copy=False)


def test_the_live_column_follows_the_table() -> None:
    tape = Tape()
    tape.feed(tape.trade("10:00:00", 10.0))
    live = tape.engine.column("last", copy=False)
    held = tape.engine.column("last")
    tape.feed(tape.trade("10:00:01", 12.0))
    assert (live[0], held[0]) == (12.0, 10.0)
    assert not live.flags.writeable
    assert tape.engine.table(["last", "volume(1m)"])["volume(1m)"][0] == 200


def test_the_forming_bar_is_asked_for() -> None:
    tape = Tape()
    tape.feed(tape.trade("10:00:10", 10.0))
    assert len(tape.engine.bars("XYZ", "1m")) == 0
    forming = tape.engine.bars("XYZ", "1m", forming=True)
    assert (forming["close"][0], int(forming["flags"][0])) == (10.0, 0)


def test_names_that_do_not_exist_name_the_nearest() -> None:
    tape = Tape()
    tape.feed(tape.trade("10:00:00", 10.0))
    with pytest.raises(rt.UnknownSymbol, match="XYZ"):
        tape.engine.get("XYY", "last")
    with pytest.raises(rt.UnknownField, match="vwap"):
        tape.get("vwp")
    with pytest.raises(rt.UnknownVenue, match=r"massive\.stocks"):
        tape.engine.feed(b"[]", "massive.stock", 1)
    with pytest.raises(rt.ConfigError, match="1s, 1m"):
        tape.engine.bars("XYZ", "5m")
    with pytest.raises(rt.ConfigError, match="max_windows"):
        rt.Engine(windows=[f"{n}s" for n in range(1, 19)])


def test_a_symbol_on_two_venues_must_be_qualified() -> None:
    engine = rt.Engine()
    payload = b'{"e":"trade","E":1795190400000,"T":1795190400000,"s":"BTCUSDT","t":1,"p":"10","q":"1","m":false}'
    for venue in ("binance.usdm", "binance.spot"):
        engine.feed(payload, venue, 1_795_190_400_000_000_000)
    with pytest.raises(rt.AmbiguousSymbol, match=r"binance\.usdm:BTCUSDT"):
        engine.get("BTCUSDT", "last")
    assert engine.get("binance.spot:BTCUSDT", "last") == 10.0


def test_a_window_asked_for_once_is_computed_from_what_is_held() -> None:
    tape = Tape(windows=["5m"])
    tape.feed(tape.trade("10:00:00", 10.0))
    tape.feed(tape.trade("10:01:00", 12.0))
    assert tape.get("volume(2m)") == 200
    assert tape.get("change(30s)") == pytest.approx(0.2)
    assert tape.get("volume(10m)") is None


def test_a_backlog_that_ends_is_not_the_future() -> None:
    tape = Tape()
    for second in range(30):
        tape.feed(tape.trade(f"10:00:{second:02}", 10.0), recv=ns(f"10:00:{second:02}") + 10_000_000_000)
    for second in range(45, 59):
        tape.feed(tape.trade(f"10:00:{second:02}", 11.0), recv=ns(f"10:00:{second:02}") + 100_000_000)
    assert (tape.get("last"), tape.engine.stats()["quarantined"]) == (11.0, 0)


def test_a_window_asked_for_late_is_undefined_until_it_is_covered() -> None:
    tape = Tape(windows=["1m"])
    for minute in range(10):
        tape.feed(tape.trade(f"10:{minute:02}:00", 10.0 + minute))
    assert np.isnan(tape.engine.table(["volume(5m)", "high(5m)"])["volume(5m)"][0])
    assert (tape.get("volume(5m)"), tape.get("high(5m)"), tape.get("change(5m)")) == (None, None, None)
    for minute in range(10, 16):
        tape.feed(tape.trade(f"10:{minute:02}:00", 10.0 + minute))
    assert (tape.get("volume(5m)"), tape.get("high(5m)")) == (500, 25.0)


def test_a_quarantined_time_asks_for_no_trading_days() -> None:
    tape = Tape()
    tape.feed(tape.trade("10:00:00", 10.0))
    tape.feed(tape.trade("10:00:00", 10.0, day="2090-11-20"), recv=ns("10:00:01"))
    assert tape.engine.stats()["quarantined"] == 1
    tape.feed(tape.trade("10:00:00", 12.0, day="2028-02-11"))
    assert tape.engine.stats()["venues"][VENUE]["date"] == 20_280_211
    assert tape.get("volume") == 100


def test_a_trade_of_the_date_before_still_belongs_to_its_bar() -> None:
    engine = rt.Engine()

    def trade(number: int, millis: int, size: str) -> bytes:
        event = {"e": "trade", "s": "BTCUSDT", "t": number, "p": "10", "q": size, "E": millis, "T": millis, "m": False}
        return json.dumps(event).encode()

    midnight = 1_795_219_200_000
    for number, (millis, size) in enumerate([(midnight - 30_000, "1"), (midnight + 100, "2"), (midnight - 1, "7")]):
        engine.feed(trade(number, millis, size), "binance.usdm", (midnight + 2_000) * 1_000_000)
    assert engine.get("BTCUSDT", "volume") == 2
    assert list(engine.bars("BTCUSDT", "1m")["volume"]) == [8.0]
    assert engine.stats()["previous_date"] == 1
    assert len(engine.drain().trades) == 3


def test_a_control_message_that_python_cannot_read_loses_nothing() -> None:
    tape = Tape()
    tape.feed(tape.trade("10:00:00", 10.0))
    reply = b'{"result":null,"id":' + b"1" * 5_000 + b"}"
    tape.engine.feed(reply, "binance.usdm", ns("10:00:00"))
    batch = tape.engine.drain()
    assert len(batch.trades) == 1
    assert batch.control[0].id == "1" * 5_000


def test_an_absurd_trade_id_is_refused() -> None:
    engine = rt.Engine()
    for number in (5, (1 << 63) - 1, 6):
        event = {"e": "trade", "s": "BTCUSDT", "t": number, "p": "10", "q": "1", "m": False}
        payload = {**event, "E": 1_795_190_400_000, "T": 1_795_190_400_000}
        engine.feed(json.dumps(payload).encode(), "binance.usdm", 1_795_190_400_000_000_000)
    stats = engine.stats()
    assert (stats["trades"], stats["duplicates"], stats["skipped"]) == (2, 0, {"out_of_range": 1})


def test_readers_of_wrong_names_do_not_stop_the_feed() -> None:
    """A reader once kept the table of names while Python ran: the feed waited for it, and it for the feed."""
    engine = rt.Engine(max_symbols=4_000)
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            with pytest.raises(rt.UnknownSymbol):
                engine.get("NOPE", "last")

    readers = [threading.Thread(target=read, daemon=True) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(3_000):
        event = {"ev": "T", "sym": f"S{number}", "p": 1, "s": 1, "t": ns("10:00:00") // 1_000_000}
        engine.feed(json.dumps([event]).encode(), VENUE, ns("10:00:00"))
    done.set()
    for reader in readers:
        reader.join(5)
        assert not reader.is_alive()


def test_only_own_bars_that_ended_are_viewed() -> None:
    tape = Tape(pin=["XYZ"])
    tape.feed(tape.trade("10:00:00", 10.0))
    with pytest.raises(rt.ConfigError, match="side by side"):
        tape.engine.bars("XYZ", "1m", source="venue", copy=False)
    with pytest.raises(rt.ConfigError, match="no source"):
        tape.engine.bars("XYZ", "1m", source="xx", copy=False)  # type: ignore[arg-type]


def test_trades_that_come_again_count_once() -> None:
    """SOURCE: facts/scanner.md 7.2, case 11."""
    engine = rt.Engine()
    t = ns("10:00:00") // 1_000_000
    same = {"ev": "T", "sym": "XYZ", "x": 4, "p": 10.5, "s": 100, "t": t, "q": 7}
    frame = json.dumps([{**same, "i": "A1"}, {**same, "i": "A2"}, {**same, "i": "A1", "trfi": 201}]).encode()
    for delivery in range(3):
        assert engine.feed(frame, VENUE, ns("10:00:00.100") + delivery) == (0 if delivery else 3)
    # The same trade from elsewhere, with a finer time; and without an id, when its numbers have to tell.
    engine.feed(json.dumps([{**same, "i": "A1", "t": t + 1}]).encode(), VENUE, ns("10:00:01"))
    for _ in range(2):
        engine.feed(json.dumps([same]).encode(), VENUE, ns("10:00:02"))
    assert engine.get("XYZ", "volume") == 400
    assert (engine.stats()["trades"], engine.stats()["duplicates"]) == (4, 8)


def at(clock: str, price: float, size: int, number: int) -> bytes:
    event = {"ev": "T", "sym": "XYZ", "x": 4, "i": str(number), "p": price, "s": size, "q": number}
    return json.dumps([{**event, "t": ns(clock) // 1_000_000}]).encode()


def gapped() -> rt.Engine:
    """SOURCE: facts/scanner.md 7.2, case 7: trades until the stream is dead from 10:00:10.000 to 10:00:25.400."""
    engine = rt.Engine(windows=["1m"])
    engine.set_rules(compile_rules([{"id": "up", "when": "last crosses_above 10"}]))
    for second in range(10):
        clock = f"10:00:{second:02}.500"
        engine.feed(at(clock, 9.90, 100, second), VENUE, ns(clock))
    engine.drain()
    engine.mark_gap(VENUE, ns("10:00:10"))
    return engine


def test_windows_are_undefined_while_they_touch_a_gap() -> None:
    engine = gapped()
    engine.advance(ns("10:00:20"))
    assert engine.get("XYZ", "volume(1m)") is None
    engine.mark_gap(VENUE, ns("10:00:10"), ns("10:00:25.400"))
    engine.feed(at("10:00:26.500", 10.20, 300, 100), VENUE, ns("10:00:26.500"))
    assert len(engine.drain().signals) == 0, "nothing fires for having crossed meanwhile"
    assert engine.get("XYZ", "volume") == 1_300
    for clock, want in (("10:01:24.999", None), ("10:01:25", 300.0)):
        engine.advance(ns(clock))
        assert engine.get("XYZ", "volume(1m)") == want, clock
        assert (engine.get("XYZ", "change(1m)") is None) == (want is None)
    assert engine.get("XYZ", "coverage(2m)") == pytest.approx(1 - 15.4 / 120)
    assert engine.get("XYZ", "gap_seconds(2m)") == pytest.approx(15.4)
    flags = {int(bar["ts_event"]): int(bar["flags"]) for bar in engine.bars("XYZ", "1s")}
    assert not any(flag & 16 for flag in flags.values()), "no bar of a second that has trades is touched"
    assert int(engine.bars("XYZ", "1m")[0]["flags"]) & 16
    # It is no standstill: the next real crossing fires.
    engine.feed(at("10:01:26", 9.95, 1, 101), VENUE, ns("10:01:26"))
    engine.feed(at("10:01:27", 10.01, 1, 102), VENUE, ns("10:01:27"))
    assert len(engine.drain().signals) == 1


def test_a_gap_that_is_filled_is_as_if_it_had_not_been() -> None:
    engine, whole = gapped(), rt.Engine(windows=["1m"])
    for second in range(10):
        clock = f"10:00:{second:02}.500"
        whole.feed(at(clock, 9.90, 100, second), VENUE, ns(clock))
    missed = [at("10:00:12", 9.95, 200, 50), at("10:00:15", 10.05, 300, 51), at("10:00:20", 10.10, 200, 52)]
    live = at("10:00:25.500", 10.20, 300, 100)
    engine.mark_gap(VENUE, ns("10:00:10"), ns("10:00:25.400"))
    for frame in (*missed, live):
        engine.feed(frame, VENUE, ns("10:00:25.600"))
    engine.fill_gap(VENUE, ns("10:00:10"), ns("10:00:25.400"))
    for frame in (*missed, live):
        whole.feed(frame, VENUE, ns("10:00:25.600"))
    for each in (engine, whole):
        each.advance(ns("10:00:26"))
    assert engine.row("XYZ") == whole.row("XYZ")
    assert engine.get("XYZ", "volume(1m)") == 2_000
    assert len(engine.drain().signals) == 0
    for interval in ("1s", "1m"):
        same = [[bars[name].tolist() for name in ("ts_event", "open", "high", "low", "close", "volume")]
                for bars in (engine.bars("XYZ", interval), whole.bars("XYZ", interval))]  # fmt: skip
        assert same[0] == same[1]


def test_a_gap_in_ids_is_one_until_they_come() -> None:
    """SOURCE: facts/scanner.md 7.2, case 20."""
    engine, whole = rt.Engine(windows=["10s"]), rt.Engine(windows=["10s"])
    start = ns("10:00:00") // 1_000_000

    def agg(number: int, ms: int) -> bytes:
        return json.dumps({"e": "aggTrade", "s": "BTCUSDT", "a": number, "p": "100", "q": "1", "f": number, "l": number,
                           "T": start + ms, "E": start + ms, "m": False}).encode()  # fmt: skip

    for number, ms in ((100, 0), (101, 1_000), (104, 4_000)):
        engine.feed(agg(number, ms), "binance.usdm", (start + ms) * 1_000_000)
    assert engine.stats()["missing"] == 2
    assert engine.get("BTCUSDT", "volume(10s)") is None
    for number, ms in ((102, 2_000), (103, 3_000)):
        engine.feed(agg(number, ms), "binance.usdm", (start + 4_100) * 1_000_000)
    for number in range(100, 105):
        whole.feed(agg(number, (number - 100) * 1_000), "binance.usdm", (start + 4_100) * 1_000_000)
    assert engine.get("BTCUSDT", "volume(10s)") == whole.get("BTCUSDT", "volume(10s)") == 5
    # Without them the windows are whole again once the gap has left them.
    engine.feed(agg(110, 5_000), "binance.usdm", (start + 5_000) * 1_000_000)
    for seconds, want in ((14, None), (15, 0.0)):
        engine.advance(ns(f"10:00:{seconds:02}"))
        assert engine.get("BTCUSDT", "volume(10s)") == want, seconds


def test_a_gap_is_told_what_is_wrong_with_it() -> None:
    engine = rt.Engine()
    with pytest.raises(rt.ConfigError, match="the first not behind the second"):
        engine.mark_gap(VENUE, 5, 4)
    with pytest.raises(rt.UnknownSymbol, match=r"massive\.stocks:XYZ"):
        engine.mark_gap(VENUE, 5, 6, "XYZ")
    with pytest.raises(rt.UnknownVenue):
        engine.fill_gap("massive.stoks", 5, 6)


def test_two_connections_that_overlap_deliver_quotes_and_marks_once() -> None:
    engine = rt.Engine()
    at = 1_795_190_400_000

    def quote(number: int, ms: int) -> bytes:
        event = {"e": "bookTicker", "u": number, "s": "BTCUSDT", "b": str(number), "B": "1", "a": str(number + 1)}
        return json.dumps({**event, "A": "1", "T": at + ms, "E": at + ms}).encode()

    def mark(ms: int) -> bytes:
        event = {"e": "markPriceUpdate", "E": at + ms, "s": "BTCUSDT", "p": "10", "i": "10", "P": "10"}
        return json.dumps({**event, "r": "0.0001", "T": at + 3_600_000}).encode()

    def feed(frame: bytes, ms: int, conn: int) -> int:
        return engine.feed(frame, "binance.usdm", (at + ms) * 1_000_000, conn)

    first = [feed(quote(number, number), number, 1) for number in range(1, 6)]
    behind = [feed(quote(number, number), number + 3, 2) for number in range(1, 6)]
    assert (sum(first), sum(behind)) == (5, 0)
    assert [feed(mark(ms), ms + delay, 1 + delay) for ms in (1_000, 2_000) for delay in (0, 1)] == [1, 0, 1, 0]
    assert feed(mark(1_000), 2_010, 2) == 0
    assert (engine.stats()["duplicates"], engine.get("BTCUSDT", "bid")) == (8, 5.0)
    # Numbers that begin anew are believed once nothing else has come for a while.
    assert [feed(quote(1, ms), ms, 1) for ms in (4_000, 9_000)] == [0, 1]
    assert engine.get("BTCUSDT", "bid") == 1.0
