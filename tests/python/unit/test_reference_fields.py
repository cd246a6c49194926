"""Fields made from reference data: against the slow oracle, and the cases with exact outcomes."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_derived_fields import asked
from test_engine_state import VENUE, Tape, ns

import ringtape as rt
from oracle import days as oracle

PRICE = st.integers(900, 1_100).map(lambda cents: cents / 100)


def agree(tape: Tape, expected: dict[str, float | None]) -> None:
    """Compare fields: undefined exactly, numbers to 1e-9."""
    table = tape.engine.table(list(expected))
    for name, value in expected.items():
        got = float(table[name][0])
        if value is None:
            assert math.isnan(got), f"{name} = {got}"
        else:
            assert got == pytest.approx(value, rel=1e-9, abs=1e-12), name


@st.composite
def past_days(draw: st.DrawFn) -> list[oracle.Day]:
    """Draw completed days."""
    days = []
    for _ in range(draw(st.sampled_from([0, 1, 4, 14, 15, 19, 21, 40, 270]))):
        prices = sorted(draw(st.tuples(PRICE, PRICE, PRICE, PRICE)))
        open_, close = draw(st.permutations(prices[1:3]))
        days.append((open_, prices[3], prices[0], close, draw(st.integers(0, 10**6)) / 1.0, draw(st.booleans())))
    return days


@settings(deadline=None)
@given(days=past_days(), trades=st.lists(st.tuples(st.integers(0, 600), PRICE, st.integers(1, 9_999)), max_size=8))
def test_days_equal_their_definitions(days: list[oracle.Day], trades: list[tuple[int, float, int]]) -> None:
    tape = Tape(max_fields=64)
    tape.engine.set_reference({"XYZ": {"days": days, "prev_close": days[-1][3] if days else 10.0}})
    names = list(oracle.Past([], dict.fromkeys(("last", "high", "low", "open", "volume", "prev_close"))).fields())
    tape.engine.table(names)
    for at, (second, price, size) in enumerate(sorted(trades)):
        opening = {"c": [25]} if at == 1 else {}
        tape.feed(tape.trade(f"09:{29 + second // 60}:{second % 60:02}", price, size, **opening))
    today = {name: tape.get(name) for name in ("last", "high", "low", "open", "volume", "prev_close")}
    agree(tape, oracle.Past(days, today).fields())


@settings(deadline=None)
@given(
    days=st.lists(
        st.lists(st.integers(0, 900), max_size=460).map(
            lambda sizes: [float(sum(sizes[: n + 1])) for n in range(len(sizes))]
        ),
        min_size=1,
        max_size=22,
    ),
    trades=st.lists(st.tuples(st.integers(0, 7_200_000), st.integers(1, 900)), min_size=1, max_size=12),
)
def test_profiles_equal_their_definitions(days: list[list[float]], trades: list[tuple[int, int]]) -> None:
    tape = asked("rvol", "rvol(5m)", "volume_expected", "volume_projected", "volume_z", "trade_rate_rel(5m)")
    tape.engine.set_reference({"XYZ": {"volume_profile": days, "trade_profile": days}})
    start = ns("04:00:00")
    for millis, size in sorted(trades):
        time = start + 4 * 3600 * 10**9 + millis * 1_000_000
        trade = tape.trade("08:00:00", 10.0, size, c=[12], t=time // 1_000_000)
        tape.feed(trade)
    tape.engine.advance(time + 1_000_000 + 100_000_000)
    passed = tape.engine.stats()["venues"][VENUE]["now"] - start
    profile = oracle.Profile(days)
    expected = profile.expected(passed)
    five = 300 * 10**9
    within = None if expected is None else expected - profile.expected(passed - five)  # type: ignore[operator]
    whole = profile.expected(1_440 * oracle.MINUTE)
    volume, recent, count = tape.get("volume"), tape.get("volume(5m)"), tape.get("trade_count(5m)")
    over = oracle.defined
    agree(
        tape,
        {
            "volume_expected": expected,
            "rvol": over(lambda: volume / expected if expected >= 2_000 else None),  # type: ignore[operator]
            "rvol(5m)": over(lambda: recent / within if within >= 200 else None),  # type: ignore[operator]
            "trade_rate_rel(5m)": over(lambda: count / within if within >= 10 else None),  # type: ignore[operator]
            "volume_projected": over(lambda: volume / (expected / whole)),  # type: ignore[operator]
            "volume_z": profile.score(passed, float(volume or 0)),
        },
    )


def test_case_5_profiles_follow_the_clock_of_the_exchange() -> None:
    engine = rt.Engine()
    engine.table(["rvol"])
    minutes = [0.0] * 334 + [100_000.0] * 60 + [900_000.0]
    engine.set_reference({"XYZ": {"volume_profile": [minutes] * 10}})
    for clock, size in (("09:34:00", 150_000), ("09:35:00", 1)):
        time = ns(clock, "2026-11-02")
        event = f'[{{"ev":"T","sym":"XYZ","p":10,"s":{size},"t":{time // 1_000_000}}}]'
        engine.feed(event.encode(), VENUE, time)
    assert engine.get("XYZ", "rvol") == pytest.approx(1.5, rel=1e-4)


def test_case_9_without_reference_nothing_is_compared() -> None:
    tape = asked("rvol", "atr", "float_turnover", "market_cap", "high_lookback", "return_z(1m)")
    tape.feed(tape.trade("10:31:00", 5.0, 200, c=[25]))
    fields = ("rvol", "atr", "float_turnover", "market_cap", "high_lookback", "return_z(1m)", "prev_high")
    assert [tape.get(field) for field in fields] == [None] * len(fields)
    assert tape.get("volume") == 200


def test_sigmas_of_a_window() -> None:
    tape = asked("return_z(4m)")
    tape.engine.set_reference({"XYZ": {"sigma_1m": 0.001}})
    tape.feed(tape.trade("10:00:00", 10.0))
    tape.feed(tape.trade("10:05:00", 10.1))
    assert tape.get("return_z(4m)") == pytest.approx(math.log(1.01) / 0.002)


def test_what_describes_past_days_ends_with_the_date() -> None:
    tape = asked("prev_high", "float", "market_cap", "float_turnover", "prev_volume")
    tape.engine.set_reference({"XYZ": {"prev_close": 9.0, "prev_high": 9.5, "float": 1e6, "shares_outstanding": 2e6}})
    tape.feed(tape.trade("10:00:00", 10.0, 500))
    fields = ("prev_high", "float", "market_cap", "float_turnover", "prev_volume")
    assert [tape.get(field) for field in fields] == [9.5, 1e6, 2e7, 0.0005, None]
    tape.at("10:00:00", "2026-11-23")
    assert [tape.get(field) for field in fields] == [None, 1e6, 2e7, 0, None]
    tape.engine.set_reference({"XYZ": {"prev_high": 11.0}})
    assert tape.get("prev_high") == 11.0


def test_the_close_of_the_last_day_is_the_previous_close() -> None:
    engine = rt.Engine()
    engine.set_reference([{"symbol": "XYZ", "days": [{"open": 1, "high": 3, "low": 1, "close": 2, "volume": 5}]}])
    assert (engine.get("XYZ", "prev_close"), engine.get("XYZ", "prev_volume")) == (2.0, 5.0)


@pytest.mark.parametrize(
    ("columns", "right"),
    [
        ({"flaot": 1}, "did you mean float"),
        ({"prev_close": 0}, "no price"),
        ({"prev_close": 1, "float": -1}, "float -1"),
        ({"days": [(1, 2, 3, 2, 5)]}, "no bar"),
        ({"volume_profile": [[3, 2]]}, "never falls"),
    ],
)
def test_wrong_reference_data_is_named(columns: dict[str, Any], right: str) -> None:
    with pytest.raises(rt.ConfigError, match=right):
        rt.Engine().set_reference({"XYZ": columns})
