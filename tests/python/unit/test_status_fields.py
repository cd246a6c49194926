"""Bands, halts, auctions, forced orders and statistics of crypto futures, with their exact outcomes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_derived_fields import asked, quote
from test_engine_state import Tape, ns

import ringtape as rt

HALT = ("halt_state", "halt_count", "halt_since", "since_resume", "change_since_halt", "streak_no_trade")


def band(clock: str, number: int, *indicators: int, high: float = 11.0, low: float = 9.0) -> dict[str, Any]:
    event = {"ev": "LULD", "T": "XYZ", "h": high, "l": low, "i": list(indicators), "z": 3, "t": ns(clock), "q": number}
    return event | ({"h": 0, "l": 0} if 17 in indicators else {})


def imbalance(clock: str, number: int, letter: str = "H", quantity: int = 5_000) -> dict[str, Any]:
    event = {"ev": "NOI", "T": "XYZ", "t": ns(clock), "at": 1015, "a": letter, "i": number, "x": 10}
    return event | {"o": quantity, "p": 15_000, "b": 10.5}


def feed(tape: Any, event: dict[str, Any], clock: str) -> None:
    tape.feed(event, recv=ns(clock) + 1_000_000)


def test_case_6_a_halt_of_nasdaq() -> None:
    tape = asked(*HALT, "volume(1m)", "change(1m)", "change(5m)", "unclassified_share(1m)")
    tape.feed(tape.trade("10:14:58", 9.00))
    assert [tape.get(field) for field in HALT[:5]] == [0, None, None, None, None]
    feed(tape, band("10:15:00", 1, 17), "10:15:00")
    feed(tape, band("10:15:01", 2, 17), "10:15:01")
    assert [tape.get(field) for field in ("halt_state", "halt_count", "luld_up")] == [2, 1, None]
    tape.at("10:16:00")
    assert (tape.get("volume(1m)"), tape.get("halt_since"), tape.get("streak_no_trade")) == (0, pytest.approx(60), None)
    tape.at("10:17:00")
    assert tape.get("change(1m)") == 0
    feed(tape, band("10:20:05", 3, 18), "10:20:05")
    assert tape.get("halt_state") == 4
    tape.feed(tape.trade("10:20:06", 10.08, c=[28]))
    assert (tape.get("halt_state"), tape.get("halt_count"), tape.get("since_resume")) == (0, 1, 0)
    assert tape.get("change_since_halt") == pytest.approx(0.12)
    assert tape.get("change(5m)") == pytest.approx(0.12)
    assert tape.get("unclassified_share(1m)") == 1
    tape.at("10:22:06")
    assert tape.get("since_resume") == pytest.approx(120)
    tape.at("04:00:00", "2026-11-23")
    assert [tape.get(field) for field in HALT[:5]] == [0, None, None, None, None]


def test_case_6_the_same_of_nyse() -> None:
    tape = asked(*HALT)
    tape.feed(tape.trade("10:14:58", 9.00))
    feed(tape, imbalance("10:15:00", 1), "10:15:00")
    feed(tape, imbalance("10:16:00", 2), "10:16:00")
    tape.feed(tape.trade("10:16:01", 9.01))
    assert (tape.get("halt_state"), tape.get("halt_count")) == (2, 1)
    tape.feed(tape.trade("10:20:06", 10.08, c=[18]))
    feed(tape, imbalance("10:20:05", 3), "10:20:06")
    assert (tape.get("halt_state"), tape.get("halt_count"), tape.get("since_resume")) == (0, 1, 0)


def test_bands_and_the_limit_state() -> None:
    fields = ("luld_up", "luld_down", "luld_dist_up", "luld_dist_down", "limit_state")
    tape = asked(*fields)
    tape.feed(tape.trade("10:00:00", 10.00))
    assert [tape.get(field) for field in fields] == [None] * 5
    feed(tape, band("10:00:01", 1, 21), "10:00:01")
    assert [tape.get(field) for field in fields] == [11.0, 9.0, pytest.approx(0.1), pytest.approx(0.1), None]
    for number, (bid, ask, state) in enumerate(
        [(9.9, 10.1, 0), (11.0, 11.2, 1), (8.0, 9.0, 2), (10.0, 11.5, 3), (0, 9, 2)]
    ):
        tape.feed(quote("10:00:02", number, bid, ask))
        assert tape.get("limit_state") == state
    feed(tape, band("10:00:00", 0, 21, high=99.0), "10:00:03")
    assert tape.get("luld_up") == 11.0


def test_imbalances_are_news_for_five_minutes() -> None:
    fields = ("noi_qty", "noi_paired", "noi_price", "noi_type", "noi_ratio", "noi_dev")
    tape = asked(*fields)
    tape.feed(tape.trade("15:50:00", 10.00))
    assert [tape.get(field) for field in fields] == [None] * 6
    feed(tape, imbalance("15:51:00", 1, "C", -5_000), "15:51:00")
    assert [tape.get(field) for field in fields] == [-5_000, 15_000, 10.5, 4, 0.25, pytest.approx(0.05)]
    tape.at("15:56:00")
    assert tape.get("noi_type") == 4
    tape.at("15:56:01")
    assert tape.get("noi_type") is None


def test_the_short_sale_restriction() -> None:
    tape = asked("ssr_active")
    tape.feed(tape.trade("10:00:00", 9.01))
    assert tape.get("ssr_active") is False
    tape.feed(tape.trade("10:00:01", 9.00))
    assert tape.get("ssr_active") is True
    tape.feed(tape.trade("10:00:02", 9.00, c=[59]))
    assert tape.get("ssr_active") is False
    fallen = asked("ssr_active")
    fallen.engine.set_reference({"XYZ": {"days": [(10, 10, 10, 10, 1), (9, 9, 9, 9, 1)]}})
    fallen.feed(fallen.trade("10:00:00", 9.5))
    assert fallen.get("ssr_active") is True


def test_a_halt_before_anybody_asked_is_not_called_trading() -> None:
    tape = asked("volume_pre")
    tape.feed(tape.trade("10:00:00", 10.00))
    assert tape.get("halt_state") is None
    tape.feed(tape.trade("10:00:01", 10.01))
    assert tape.get("halt_state") == 0


def test_a_symbol_of_which_only_bands_are_known() -> None:
    tape = asked("volume_pre")
    event = band("10:00:00", 1, 21) | {"T": "NEW"}
    feed(tape, event, "10:00:00")
    late = Tape()
    feed(late, event, "10:00:00")
    for engine in (tape.engine, late.engine):
        fields = ("luld_up", "high(1m)", "volume(1m)", "volume_pre", "last", "prev_high")
        assert [engine.get("NEW", field) for field in fields] == [None, None, 0, 0, None, None]
    feed(late, event | {"q": 2}, "10:00:01")
    assert late.engine.get("NEW", "luld_up") == 11.0


START = 1_795_190_400_000


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 40_000), st.sampled_from(["BUY", "SELL"]), st.integers(1, 10**7), st.integers(1, 10**9)
        ),
        min_size=1,
        max_size=40,
    )
)
def test_forced_orders_sum_exactly(orders: list[tuple[int, str, int, int]]) -> None:
    engine = rt.Engine()
    engine.table(["liq_long(1m)", "liq_short(1m)", "liq_imbalance(1m)"])
    millis, seen = START, []
    for wait, side, cents, size in orders:
        millis += wait
        price, quantity = f"{cents / 100:.2f}", f"{size / 1000:.3f}"
        order = {"s": "BTCUSDT", "S": side, "o": "LIMIT", "f": "IOC", "q": quantity, "p": price, "ap": price}
        order |= {"X": "FILLED", "l": quantity, "z": quantity, "T": millis}
        event = {"e": "forceOrder", "E": millis, "o": order}
        engine.feed(json.dumps(event).encode(), "binance.usdm", millis * 1_000_000)
        value = round(float(quantity) * float(price) * 2**40)
        seen.append((millis, side, value))
        inside = [one for one in seen if one[0] // 1000 > millis // 1000 - 60]
        long = sum(value for _, side, value in inside if side == "SELL")
        short = sum(value for _, side, value in inside if side == "BUY")
        assert engine.get("BTCUSDT", "liq_long(1m)") == long / 2**40
        assert engine.get("BTCUSDT", "liq_short(1m)") == short / 2**40
        assert engine.get("BTCUSDT", "liq_imbalance(1m)") == pytest.approx((long - short) / (long + short), rel=1e-9)
    engine.advance((millis + 61_000) * 1_000_000)
    assert (engine.get("BTCUSDT", "liq_long(1m)"), engine.get("BTCUSDT", "liq_imbalance(1m)")) == (0, None)


def test_open_interest_as_it_is_polled() -> None:
    engine = rt.Engine()
    fields = ["oi", "oi_value", "oi_change(5m)"]
    engine.table(fields)
    mark = {"e": "markPriceUpdate", "s": "BTCUSDT", "p": "100", "ap": "100", "P": "100", "i": "99", "r": "0"}

    def at(minute: int, interest: float | None) -> list[Any]:
        time = START + minute * 60_000
        engine.feed(json.dumps(mark | {"E": time, "T": time + 1}).encode(), "binance.usdm", time * 1_000_000)
        if interest is not None:
            engine.set_reference({"BTCUSDT": {"open_interest": interest}}, "binance.usdm")
        return [engine.get("BTCUSDT", field) for field in fields]

    assert at(0, None) == [None, None, None]
    assert at(1, 1_000.0) == [1_000.0, 100_000.0, None]
    assert at(4, None) == [1_000.0, 100_000.0, None]
    assert at(5, None) == [None, None, None]
    assert at(6, 1_100.0) == [1_100.0, 110_000.0, pytest.approx(0.1)]
    assert at(8, 1_200.0) == [1_200.0, 120_000.0, pytest.approx(0.2)]
    assert at(14, None) == [1_200.0, 120_000.0, pytest.approx(0)]
    assert at(15, None) == [None, None, None]


def test_funding_of_a_year_and_24_hours() -> None:
    engine = rt.Engine()
    fields = ["funding_annual", "funding_interval", "change_24h", "volume_24h", "last_mark_dev"]
    engine.table(fields)
    mark = {"e": "markPriceUpdate", "E": START, "s": "BTCUSDT", "p": "100", "ap": "100", "P": "100", "i": "99"}
    engine.feed(json.dumps(mark | {"r": "0.0001", "T": START + 1}).encode(), "binance.usdm", START * 1_000_000)
    ticker = {"e": "24hrMiniTicker", "E": START, "s": "BTCUSDT", "c": "110", "o": "100", "h": "111", "l": "99"}
    engine.feed(json.dumps(ticker | {"v": "1234", "q": "5"}).encode(), "binance.usdm", START * 1_000_000)
    values = [engine.get("BTCUSDT", field) for field in fields]
    assert values == [pytest.approx(0.1095), 8.0, pytest.approx(0.1), 1234.0, None]
    engine.set_reference({"BTCUSDT": {"funding_interval": 4}}, "binance.usdm")
    assert engine.get("BTCUSDT", "funding_annual") == pytest.approx(0.219)
