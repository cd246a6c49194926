"""Studies of bars: against the slow oracle, with bars that are sent again, over sessions and dates."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_derived_fields import asked
from test_engine_state import VENUE, Tape, ns

import ringtape as rt
from oracle import studies as oracle

MINUTE = 60 * 10**9
NAMES = list(oracle.fields([], [], None, 0))


def agree(tape: Tape, opened: list[tuple[int, int]], names: list[str] | None = None) -> None:
    """Compare every study with that of the bars that the engine gives."""
    bars = [
        tuple(bar[name].item() for name in ("ts_event", "open", "high", "low", "close", "volume"))
        for bar in tape.engine.bars("XYZ", "1m")
    ]
    regular = [bar for bar in bars if any(open_ <= bar[0] < close for open_, close in opened)]
    now = tape.engine.stats()["venues"][VENUE]["now"]
    price = tape.get("last")
    expected = oracle.fields(bars, regular, price, now)
    table = tape.engine.table(NAMES)
    for name in names or NAMES:
        got, value = float(table[name][0]), expected[name]
        if value is None:
            assert math.isnan(got), f"{name} = {got}"
        elif name.startswith("bb_") and math.isnan(got):
            assert expected["bb_width(5,1m)"] == pytest.approx(0, abs=1e-12)
        else:
            assert got == pytest.approx(value, rel=1e-9, abs=1e-9), name


STEP = st.tuples(st.integers(0, 200), st.sampled_from([0, 0, 0, 0, 61, 130, 700]), st.integers(990, 1_010))


@settings(deadline=None)
@given(start=st.sampled_from(["09:20:00", "10:00:00", "15:30:00"]), steps=st.lists(STEP, min_size=1, max_size=120))
def test_studies_equal_their_definitions(start: str, steps: list[tuple[int, int, int]]) -> None:
    tape = asked(*NAMES)
    time = ns(start)
    opened = [(ns("09:30:00"), ns("16:00:00"))]
    for at, (seconds, behind, cents) in enumerate(steps):
        time += seconds * 10**9
        printed = time - behind * 10**9
        trade = tape.trade("10:00:00", cents / 100, 100, t=printed // 1_000_000)
        tape.feed(trade, recv=time + 1_000_000)
        if at % 20 == 19:
            agree(tape, opened)
    agree(tape, opened)
    tape.engine.advance(time + 31 * MINUTE)
    agree(tape, opened)


def test_studies_go_on_over_dates() -> None:
    tape = asked(*NAMES)
    opened = [(ns("09:30:00", day), ns("16:00:00", day)) for day in ("2026-11-19", "2026-11-20")]
    for day, first in (("2026-11-19", 0), ("2026-11-20", 45)):
        for minute in range(45):
            tape.feed(tape.trade(f"09:{minute:02}:07", 10 + ((first + minute) * 7 % 11) / 100, day=day))
    agree(tape, opened)
    assert tape.get("macd(1m)") is None
    for minute in range(45, 60):
        tape.feed(tape.trade(f"09:{minute:02}:07", 10.05 + minute / 100))
    for minute in range(60):
        tape.feed(tape.trade(f"10:{minute:02}:07", 11 + minute % 7 / 100))
    agree(tape, opened)
    assert tape.get("macd(1m)") is not None


def test_case_3_bars_back() -> None:
    tape = asked("bar_close(1m,1)", "bar_close(1m,2)", "bar_close(1m,3)")
    tape.feed(tape.trade("10:00:30", 20.00))
    tape.feed(tape.trade("10:03:10", 21.00, 200))
    tape.at("10:04:00")
    assert [tape.get(f"bar_close(1m,{back})") for back in (1, 2, 3)] == [21.00, 20.00, None]
    tape.feed(tape.trade("10:03:59", 22.00), recv=ns("10:04:01"))
    assert tape.get("bar_close(1m,1)") == 22.00


def test_a_study_asked_for_late_begins_with_the_bars_that_are_kept() -> None:
    tape = Tape()
    for minute in range(40):
        tape.feed(tape.trade(f"10:{minute:02}:00", 10 + minute % 5 / 10))
    assert tape.get("rsi(5,1m)") == oracle.rsi([10 + minute % 5 / 10 for minute in range(39)], 5)
    agree(tape, [(ns("09:30:00"), ns("16:00:00"))])


def test_means_of_days_come_from_reference_data() -> None:
    engine = rt.Engine()
    closes = [10 + day % 7 / 10 for day in range(40)]
    engine.set_reference({"XYZ": {"days": [(one, one, one, one, 1) for one in closes]}})
    assert engine.get("XYZ", "sma(20,1d)") == pytest.approx(sum(closes[-20:]) / 20)
    assert engine.get("XYZ", "ema(10,1d)") == pytest.approx(oracle.ema(closes, 10))
    assert engine.get("XYZ", "ema(20,1d)") is None


def test_bars_must_be_kept() -> None:
    with pytest.raises(rt.ConfigError, match="no bars of 5m: this engine keeps 1s, 1m"):
        asked("rsi(14,5m)")
    with pytest.raises(rt.UnknownField, match=r"rsi\(20,1m\)"):
        asked("rsi(1m)")
