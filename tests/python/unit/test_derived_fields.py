"""Derived fields: the engine against the slow oracle on random tapes, and the exact outcomes of the tricky cases."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_engine_state import VENUE, Tape, ns

import ringtape as rt
from oracle import tape as oracle
from ringtape import sessions
from ringtape._native import compile_rules

SECOND = 10**9
WINDOWS = {"5s": 5 * SECOND, "1m": 60 * SECOND, "40m": 2400 * SECOND}
STARTS = [
    ("03:59:50", "2026-11-20"),
    ("09:29:50", "2026-11-20"),
    ("10:29:58", "2026-11-20"),
    ("15:59:50", "2026-10-30"),
    ("19:59:50", "2026-11-19"),
]
CONDITIONS = [(), (), (), (), (37,), (12,), (12, 37), (13,), (32,), (10,), (2,), (8,), (28,), (15,), (38,), (14, 41)]


class Pair:
    """The engine and the oracle, told the same."""

    def __init__(self, clock: str, day: str, kind: str, *, late: bool = False) -> None:
        self.engine = rt.Engine()
        self.engine.set_reference({"XYZ": 10.0})
        self.time = ns(clock, day)
        self.recv = self.time
        days = [oracle.Day(*line) for line in sessions.days(VENUE, self.time)]
        self.tape = oracle.Tape(days, reference=10.0, now=self.time)
        self.number = 0
        self.expected = self.expected_trades if kind == "trades" else self.expected_quotes
        self.late = late
        if not late:
            self.engine.table(list(self.expected()))
        # Another symbol starts the clock.
        self.feed({"ev": "T", "sym": "OTHER", "p": 1, "s": 1, "t": self.time // 1_000_000})

    def expected_trades(self) -> dict[str, oracle.Value]:
        """Return every field of the oracle."""
        tape = self.tape
        fields = tape.session_fields() | tape.day_fields()
        for text in ("5s", "1m"):
            fields |= tape.flow_fields(WINDOWS[text], text)
        return fields

    def expected_quotes(self) -> dict[str, oracle.Value]:
        fields: dict[str, oracle.Value] = {}
        for text, window in WINDOWS.items():
            fields |= self.tape.quote_fields(window, text)
        return fields

    def now(self) -> int:
        now: int = self.engine.stats()["venues"][VENUE]["now"]
        return now

    def feed(self, event: dict[str, Any]) -> None:
        self.recv = max(self.recv, self.time + 1_000_000)
        self.engine.feed(json.dumps([event]).encode(), VENUE, self.recv)

    def trade(self, behind_ms: int, cents: int, size: int, conditions: tuple[int, ...], kind: int) -> None:
        self.number += 1
        time = self.time - behind_ms * 1_000_000
        event = {
            "ev": "T",
            "sym": "XYZ",
            "i": str(self.number),
            "x": 4,
            "p": cents / 100,
            "s": max(1, round(size / 1e6)),
        }
        event |= {"ds": f"{size // 10**6}.{size % 10**6:06}", "q": self.number, "z": 3, "t": time // 1_000_000}
        late, reported = kind == 0, kind == 1
        event |= {"c": list(conditions)} if conditions else {}
        event |= {"pt": (time - 11 * SECOND) // 1_000_000} if late else {}
        event |= {"trfi": 202, "trft": time // 1_000_000} if reported else {}
        self.feed(event)
        trade = oracle.Trade(time, self.number, cents * 10**6, size * 100, conditions, late, reported)
        self.tape.add_trade(trade, self.now())

    def quote(self, bid: int, spread: int, sizes: tuple[int, int]) -> None:
        self.number += 1
        bid, ask = max(bid, 0), max(bid + spread, 0)
        event = {"ev": "Q", "sym": "XYZ", "bp": bid / 100, "bs": sizes[0], "ap": ask / 100, "as": sizes[1]}
        self.feed(event | {"q": self.number, "t": self.time // 1_000_000})
        quote = oracle.Quote(self.time, self.number, bid * 10**6, ask * 10**6, sizes[0] * 10**8, sizes[1] * 10**8)
        self.tape.add_quote(quote, self.now())

    def pass_time(self, millis: int) -> None:
        self.time += millis * 1_000_000
        self.recv = max(self.recv, self.time + 1_000_000)
        self.engine.advance(self.recv)
        self.tape.now = self.now()

    def check(self, expected: dict[str, oracle.Value]) -> None:
        table = self.engine.table(list(expected))
        for name, value in expected.items():
            got = float(table[name][0])
            if not (self.late and math.isnan(got)):
                agree(name, got, value)
        if self.late:
            return
        for name in list(expected)[::7]:
            got = self.engine.get("XYZ", name)
            agree(name, math.nan if got is None else got, expected[name])


def agree(name: str, got: float, value: oracle.Value) -> None:
    """Compare a value: exact numbers exactly, computed ones to 1e-9, undefined exactly."""
    if value is None:
        assert math.isnan(got), f"{name} = {got}, undefined was expected"
    elif isinstance(value, float):
        assert got == pytest.approx(value, rel=1e-9, abs=1e-12), name
    else:
        assert got == float(Fraction(value)), name


TRADE = st.tuples(
    st.just("trade"),
    st.sampled_from([0, 0, 0, 0, 1, 300, 2_500, 61_000]),
    st.integers(990, 1_010),
    st.one_of(st.integers(1, 500 * 10**6), st.just(25_000 * 10**6)),
    st.sampled_from(CONDITIONS),
    st.integers(0, 9),
)
QUOTE = st.tuples(
    st.just("quote"),
    st.one_of(st.integers(985, 1_010), st.just(0)),
    st.integers(-1, 12),
    st.tuples(st.integers(0, 50), st.integers(0, 50)),
)
PAUSE = st.tuples(
    st.just("pause"), st.one_of(st.integers(0, 900), st.integers(0, 90_000), st.sampled_from([6 * 3_600_000]))
)


@pytest.mark.parametrize("kind", ["trades", "quotes"])
@settings(deadline=None)
@given(start=st.sampled_from(STARTS), steps=st.lists(st.one_of(TRADE, TRADE, QUOTE, PAUSE), min_size=1, max_size=60))
def test_derived_fields_equal_their_definitions(kind: str, start: tuple[str, str], steps: list[Any]) -> None:
    pair = Pair(*start, kind)
    for at, (what, *step) in enumerate(steps):
        {"trade": pair.trade, "quote": pair.quote, "pause": pair.pass_time}[what](*step)
        if at % 5 == 4 or at == len(steps) - 1:
            pair.check(pair.expected())


@pytest.mark.parametrize("kind", ["trades", "quotes"])
@settings(deadline=None)
@given(
    start=st.sampled_from(STARTS),
    before=st.lists(st.one_of(TRADE, TRADE, QUOTE, PAUSE), max_size=30),
    after=st.lists(st.one_of(TRADE, TRADE, QUOTE, PAUSE), min_size=1, max_size=30),
)
def test_a_field_asked_for_late_is_undefined_or_right(
    kind: str, start: tuple[str, str], before: list[Any], after: list[Any]
) -> None:
    pair = Pair(*start, kind, late=True)
    for what, *step in before:
        {"trade": pair.trade, "quote": pair.quote, "pause": pair.pass_time}[what](*step)
    pair.check(pair.expected())
    for what, *step in after:
        {"trade": pair.trade, "quote": pair.quote, "pause": pair.pass_time}[what](*step)
        pair.check(pair.expected())
    date = pair.tape.day.date
    while pair.tape.day.date == date:
        pair.pass_time(6 * 3_600_000)
    # On the next date nothing is missing.
    pair.late = False
    for what, *step in after:
        {"trade": pair.trade, "quote": pair.quote, "pause": pair.pass_time}[what](*step)
    pair.check(pair.expected())


def quote(clock: str, number: int, bid: float, ask: float, size: int = 100) -> dict[str, Any]:
    millis = ns(clock) // 1_000_000
    return {"ev": "Q", "sym": "XYZ", "bp": bid, "bs": size, "ap": ask, "as": size, "t": millis, "q": number}


def asked(*fields: str) -> Tape:
    """Return a tape whose engine collects some fields from the start."""
    tape = Tape()
    tape.engine.table(list(fields))
    return tape


def test_case_1_a_late_print_has_no_side() -> None:
    tape = asked("late_share(1m)", "buy_volume(1m)", "sell_volume(1m)", "unclassified_share(1m)")
    for clock, price in (("09:44:30", 10.40), ("09:44:40", 10.60), ("09:45:00.100", 10.50)):
        tape.feed(tape.trade(clock, price))
    tape.feed(tape.trade("09:45:01", 9.80, 5_000, pt=ns("09:35:00") // 1_000_000))
    assert tape.get("late_share(1m)") == 1 / 4
    # The first trade has nothing to be compared with.
    assert (tape.get("buy_volume(1m)"), tape.get("sell_volume(1m)")) == (100, 100)
    assert tape.get("unclassified_share(1m)") == 5_100 / 5_300


def test_case_2_odd_lots_before_the_open() -> None:
    tape = asked("volume_pre", "high_pre", "odd_lot_share(5m)")
    tape.feed(tape.trade("08:00:00", 12.00, 7, c=[12, 37]))
    assert (tape.get("volume_pre"), tape.get("high_pre"), tape.get("is_stale")) == (7, None, True)
    tape.feed(tape.trade("08:00:01", 12.00, 7, c=[12]))
    assert (tape.get("high_pre"), tape.get("high"), tape.get("odd_lot_share(5m)")) == (12.00, None, 0.5)


def test_case_8_the_pre_market_of_a_new_date() -> None:
    tape = asked("high_pre", "volume_pre", "volume_post", "change_post")
    tape.feed(tape.trade("15:59:00", 10.10, 1_000, day="2026-11-19"))
    tape.feed(tape.trade("16:00:02", 10.00, 1_000, c=[15], day="2026-11-19"))
    tape.feed(tape.trade("19:59:00", 10.80, 200, c=[12], day="2026-11-19"))
    assert tape.get("volume_post") == 200
    assert tape.get("change_post") == pytest.approx(0.08)
    tape.at("04:00:00")
    assert (tape.get("volume_post"), tape.get("high_pre"), tape.get("gap_indicative"), tape.get("is_stale")) == (
        0,
        None,
        None,
        True,
    )
    tape.feed(tape.trade("04:00:03", 11.00, 100, c=[12]))
    assert tape.get("gap_indicative") == pytest.approx(0.10)
    assert (tape.get("high_pre"), tape.get("volume_pre"), tape.get("gap")) == (11.00, 100, None)


def test_case_10_three_upticks_of_one_frame() -> None:
    tape = asked("tick_streak", "uptick_ratio(1m)", "change(3t)")
    tape.feed(tape.trade("10:00:00", 10.00))
    tape.q = 9
    first, second, third = (tape.trade(f"10:00:01.00{at}", 10.01 + at / 100) for at in range(3))
    tape.feed(third, first, second)
    assert (tape.get("tick_streak"), tape.get("uptick_ratio(1m)")) == (3, 1.0)
    tape.feed(tape.trade("10:00:00.999", 10.05, q=9))
    assert tape.get("tick_streak") == 3
    assert tape.get("change(3t)") == pytest.approx(0.003)


def test_case_13_the_official_close_counts_nothing_twice() -> None:
    tape = asked("official_close", "volume_reg", "volume_post")
    tape.feed(tape.trade("16:00:01", 10.02, 1_234_567, c=[8]))
    tape.feed(tape.trade("16:00:02", 10.02, 1_234_567, c=[15]))
    assert (tape.get("official_close"), tape.get("volume_post"), tape.get("last")) == (10.02, 1_234_567, 10.02)


def test_case_15_an_empty_side_leaves_the_tick_test() -> None:
    tape = asked("buy_volume(1m)", "sell_volume(1m)")
    tape.feed(quote("10:00:00", 1, 0, 10.10))
    tape.feed(tape.trade("10:00:01", 10.00), tape.trade("10:00:02", 10.01), tape.trade("10:00:03", 10.00, 50))
    assert (tape.get("microprice"), tape.get("is_crossed")) == (None, None)
    assert (tape.get("buy_volume(1m)"), tape.get("sell_volume(1m)")) == (100, 50)


def test_case_16_half_days_come_from_the_calendar() -> None:
    engine = rt.Engine()
    day = "2026-11-27"
    boundaries = (ns("04:00:00", day), ns("09:30:00", day), ns("13:00:00", day), ns("17:00:00", day))
    after = (ns("04:00:00", "2026-11-30"), *(ns(clock, "2026-11-30") for clock in ("09:30:00", "16:00:00", "20:00:00")))
    engine.set_sessions(VENUE, [(20_261_127, *boundaries), (20_261_130, *after)])
    engine.table(["minutes_to_close", "session", "volume_post"])
    for clock, minutes, session in (("12:55:00", 5.0, 2), ("13:00:00", None, 3), ("17:00:00", None, 0)):
        trade = {"ev": "T", "sym": "XYZ", "p": 10, "s": 100, "t": ns(clock, day) // 1_000_000}
        engine.feed(json.dumps([trade]).encode(), VENUE, ns(clock, day) + 1_000_000)
        assert (engine.get("XYZ", "minutes_to_close"), engine.get("XYZ", "session")) == (minutes, session)
    assert engine.get("XYZ", "volume_post") == 200


def test_sessions_begin_without_a_trade() -> None:
    tape = asked("session", "or_high(5m)")
    tape.feed(tape.trade("09:29:59", 9.0, c=[12]))
    tape.feed(tape.trade("09:31:00", 10.0), tape.trade("09:32:00", 11.0))
    assert (tape.get("session"), tape.get("or_high(5m)")) == (2, None)
    tape.at("09:35:00")
    assert tape.get("or_high(5m)") == 11.0
    tape.at("16:00:00")
    assert tape.get("session") == 3


def test_quotes_that_are_newer_than_the_trade_do_not_judge_it() -> None:
    tape = asked("buy_volume(1m)", "sell_volume(1m)", "effective_spread(1m)")
    tape.feed(quote("10:00:00", 1, 9.98, 10.02), quote("10:00:01", 2, 10.04, 10.08))
    tape.feed(tape.trade("10:00:01", 10.02))
    assert tape.get("buy_volume(1m)") == 100
    assert tape.get("effective_spread(1m)") == pytest.approx(0.004)
    tape.feed(tape.trade("10:00:01.001", 10.02, 30))
    assert tape.get("sell_volume(1m)") == 30


def test_binance_says_who_took() -> None:
    engine = rt.Engine()
    fields = ["taker_ratio(1m)", "buy_volume(1m)", "delta_day", "session"]
    engine.table(fields)
    for number, maker in enumerate([True, False, False, False]):
        event = {"e": "trade", "s": "BTCUSDT", "t": number, "p": "10", "q": "2", "m": maker}
        time = {"E": 1_795_190_400_000 + number, "T": 1_795_190_400_000 + number}
        engine.feed(json.dumps(event | time).encode(), "binance.usdm", 1_795_190_400_100_000_000)
    assert [engine.get("BTCUSDT", field) for field in fields] == [3.0, 6.0, 4.0, 2]


def test_a_rule_on_trades_sees_its_trade() -> None:
    tape = Tape()
    when = "trade_size >= 10K and trade_at <= 1 and not trade_late"
    tape.engine.set_rules(compile_rules([{"id": "block", "when": when}]))
    tape.feed(quote("10:00:00", 1, 9.98, 10.02))
    tape.feed(tape.trade("10:00:01", 10.00, 20_000), tape.trade("10:00:02", 10.02, 20_000))
    assert list(tape.engine.drain().signals["price"]) == [10.02]
    assert (tape.get("trade_size"), tape.get("trade_at")) == (None, None)


def test_what_passed_before_a_field_was_asked_for_is_missing() -> None:
    tape = Tape()
    tape.feed(tape.trade("09:00:00", 10.0, c=[12]), tape.trade("09:40:00", 11.0))
    fields = ("volume_pre", "volume_reg", "volume_post", "max_trade(1m)", "tick_streak", "or_high(5m)")
    assert [tape.get(field) for field in fields] == [None, None, 0, None, None, None]
    tape.feed(tape.trade("09:40:30", 11.0, 500), tape.trade("09:41:10", 11.0, 200))
    assert (tape.get("volume_reg"), tape.get("max_trade(1m)")) == (None, 500)
    tape.feed(tape.trade("09:45:00", 12.0, day="2026-11-23"))
    assert (tape.get("volume_reg"), tape.get("or_high(5m)"), tape.get("volume_pre")) == (100, None, 0)


def test_a_live_column_follows_time() -> None:
    tape = Tape()
    live = tape.engine.column("buy_volume(1m)", copy=False)
    assert math.isnan(live[0]) or live[0] == 0
    tape.feed(tape.trade("10:00:00", 10.0), tape.trade("10:00:01", 10.1))
    assert live[0] == 100
    tape.at("10:01:30")
    assert live[0] == 0
    assert tape.engine.row("XYZ")["buy_volume(1m)"] == 0


def test_wrong_arguments_name_the_right_ones() -> None:
    tape = asked("volume_pre")
    for text, right in (
        ("volume_spike(5m)", r"volume_spike\(1m,5\)"),
        ("change(50)", r"change\(50t\)"),
        ("buy_volum(1m)", r"buy_volume\(w\)"),
        ("max_trade", r"max_trade\(5m\)"),
    ):
        with pytest.raises(rt.UnknownField, match=right):
            tape.get(text)
    with pytest.raises(rt.ConfigError, match="4096"):
        tape.get("change(5000t)")
    with pytest.raises(rt.ConfigError, match="max_fields"):
        rt.Engine(max_fields=65)
    full = rt.Engine(max_fields=1)
    full.table(["volume_pre", "volume_pre"])
    with pytest.raises(rt.ConfigError, match="max_fields"):
        full.table(["volume_post"])
