"""Bars of every kind: small examples by hand, and random tapes against the slow and obvious bars."""

from __future__ import annotations

import json
import os
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ringtape as rt
from oracle import bars as oracle
from oracle.bars import Trade
from ringtape.events import dtypes
from ringtape.strategy.base import BAR_KINDS

STOCKS, USDM = "massive.stocks", "binance.usdm"
NEW_YORK = ZoneInfo("America/New_York")
SECOND = 1_000_000_000
INTERVALS = {"1s": 1, "7s": 7, "1m": 60, "90s": 90, "1h": 3_600, "4h": 14_400, "5h": 18_000, "1d": 86_400}
KINDS = (
    "tick:1",
    "tick:5",
    "volume:700",
    "dollar:20000",
    "tick_imbalance:3",
    "volume_imbalance:500",
    "dollar_imbalance:4000",
    "tick_run:4",
    "volume_run:600",
    "dollar_run:9000",
    "range:0.05",
    "renko:0.03",
)
RIGHTS = {None: "HLVW", 37: "VW", 2: "V", 15: "", 38: "HL", 21: "V"}

# A tape goes through sixteen series of the slow ones, which takes a while.
SLOW = 1_000 if os.environ.get("RINGTAPE_FULL") else 100


def ns(text: str) -> int:
    """Return a New York moment in Unix ns."""
    return int(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()) * SECOND


def stock_frame(*trades: Trade, condition: int | None = None) -> bytes:
    def event(trade: Trade) -> dict[str, Any]:
        keys: dict[str, Any] = {"ev": "T", "sym": "XYZ", "x": 4, "i": str(trade.sequence), "z": 3, "q": trade.sequence}
        if condition is not None:
            keys["c"] = [condition]
        if trade.late:
            keys["pt"] = trade.time // 1_000_000 - 60_000
        return {**keys, "p": float(trade.price), "s": int(trade.size), "t": trade.time // 1_000_000}

    return json.dumps([event(trade) for trade in trades]).encode()


def coin_frame(trade: Trade) -> bytes:
    event = {"e": "aggTrade", "s": "BTCUSDT", "a": trade.sequence, "p": trade.price, "q": trade.size, "f": 1, "l": 1}
    times = {"E": trade.time // 1_000_000, "T": trade.time // 1_000_000}
    return json.dumps({**event, **times, "m": trade.side < 0}).encode()


class Run:
    """An engine, and every own bar that it sent."""

    def __init__(self, venue: str, **options: Any) -> None:
        self.engine = rt.Engine(windows=(), **options)
        self.venue, self.symbol = venue, "XYZ" if venue == STOCKS else "BTCUSDT"
        self.now = 0
        self.sent: list[np.void] = []

    def feed(self, frame: bytes, moment: int) -> None:
        self.now = max(self.now, moment)
        self.engine.feed(frame, self.venue, self.now)
        self.sent += list(self.engine.drain().bars.copy())

    def prices(self, *prices: float | str, size: int = 100, start: int = 0, side: int = 0) -> None:
        """Feed a trade a second."""
        begin = self.now + SECOND if self.now else start or ns("2026-11-20T10:00:00")
        for number, price in enumerate(prices):
            trade = Trade(begin + number * SECOND, begin // SECOND + number, str(price), str(size), side=side)
            self.feed(stock_frame(trade) if self.venue == STOCKS else coin_frame(trade), trade.time)

    def of(self, name: str) -> list[np.void]:
        place = self.engine.series().index(name)
        return [bar for bar in self.sent if bar["series"] == place]

    def last_forms(self, name: str) -> list[np.void]:
        """Return the last form of each time bar, in the order of time."""
        forms = {int(bar["ts_event"]): bar for bar in self.of(name)}
        return [forms[start] for start in sorted(forms)]

    def kept(self, name: str, **options: Any) -> list[np.void]:
        return list(self.engine.bars(self.symbol, name, **options))


def values(bar: np.void, columns: Any) -> dict[str, Any]:
    """Return columns of a bar as Python values, None for NaN."""
    found = {column: bar[column].item() for column in columns}
    return {column: None if value != value else value for column, value in found.items()}  # noqa: PLR0124 - NaN


def assert_same(bars: list[np.void], expected: list[oracle.Bar], name: str) -> None:
    assert [int(bar["ts_event"]) for bar in bars] == [bar.start for bar in expected], name
    for bar, slow in zip(bars, expected, strict=True):
        row = slow.row()
        found = values(bar, row)
        assert found == row, (name, {key: (found[key], row[key]) for key in row if found[key] != row[key]}, slow)


def ohlc(bars: list[np.void]) -> list[tuple[float, ...]]:
    return [tuple(float(bar[column]) for column in ("open", "high", "low", "close")) for bar in bars]


# Random tapes


FRIDAYS = ("2026-03-06", "2026-10-30", "2026-11-27", "2026-07-10")
STEPS = (0, 0, 1, 20, 400, 999, 1_000, 7_000, 59_000, 61_000, 600_000, 3_600_000, 15_000_000, 86_400_000)
KEPT = 480
"""Bars of a series that are kept at least."""
BACK = (1, 500, 30_000, 400_000, 880_000, 1_200_000)


@st.composite
def stock_tapes(draw: st.DrawFn) -> list[tuple[Trade, int | None]]:
    """Trades of a US stock with conditions: over rollovers, changes of the clock, late both ways, and repeated."""
    clock = ns(f"{draw(st.sampled_from(FRIDAYS))}T{draw(st.sampled_from(('04:00:00', '09:29:50', '19:59:00')))}")
    cents, tape = 1_000, []
    for sequence in range(1, draw(st.integers(1, 60)) + 1):
        clock += draw(st.sampled_from(STEPS)) * 1_000_000
        cents = max(1, cents + draw(st.sampled_from((-300, -5, -2, -1, 0, 0, 1, 2, 5, 300))))
        back = draw(st.sampled_from(BACK)) if draw(st.integers(0, 7)) == 0 else 0
        condition = draw(st.sampled_from((None,) * 8 + tuple(RIGHTS)))
        late = draw(st.integers(0, 9)) == 0
        size = str(draw(st.integers(1, 500)))
        price = f"{cents // 100}.{cents % 100:02}"
        tape.append((Trade(clock - back * 1_000_000, sequence, price, size, RIGHTS[condition], late=late), condition))
        if draw(st.integers(0, 19)) == 0:
            tape.append(tape[-1])
    return tape


@st.composite
def coin_tapes(draw: st.DrawFn) -> list[Trade]:
    """Trades of a coin near midnight, with sides; ids that are missing and come after all, or not, or twice."""
    clock = 1_795_219_200 * SECOND - draw(st.integers(0, 100)) * SECOND
    price, newest = 10_000_000, 100
    missing: list[int] = []
    tape: list[Trade] = []
    for _ in range(draw(st.integers(1, 60))):
        price = max(1, price + draw(st.integers(-4_000_000, 4_000_000)))
        what = draw(st.sampled_from(("next",) * 6 + ("hole", "fill", "fill", "again")))
        if what == "again" and tape:
            tape.append(draw(st.sampled_from(tape)))
            continue
        moment = clock
        if what == "fill" and missing:
            sequence = missing.pop(0)
            moment -= draw(st.sampled_from(BACK)) * 1_000_000
        else:
            moment = clock = clock + draw(st.sampled_from(STEPS[:-1])) * 1_000_000
            sequence = newest + (draw(st.integers(2, 5)) if what == "hole" and tape else 1)
            missing = list(range(newest + 1, sequence)) or missing
        hole = sequence > newest + 1
        newest = max(newest, sequence)
        size = f"{draw(st.integers(1, 10**11)) / 10**8:.8f}"
        side = draw(st.sampled_from((1, -1)))
        tape.append(Trade(moment, sequence, f"{price / 10**8:.8f}", size, side=side, hole=hole))
    return tape


def check_time_bars(run: Run, trades: list[Trade], dates: oracle.Dates, *, numbered: bool) -> None:
    too_late = 0
    for name, seconds in INTERVALS.items():
        expected, over = oracle.time_bars(trades, seconds * SECOND, dates, numbered=numbered)
        too_late += over
        complete = [bar for bar in expected if bar.flags & oracle.COMPLETE]
        assert_same(run.last_forms(name), complete, name)
        assert_same(run.kept(name), complete, name)
        assert_same(run.kept(name, forming=True), expected, name)
    assert run.engine.stats()["too_late"] == too_late


def check_sampled_bars(
    run: Run, trades: list[Trade], kinds: tuple[str, ...], dates: oracle.Dates, *, cut: bool
) -> None:
    for name in kinds:
        expected, forming = oracle.sampled_bars(trades, name, dates, cut=cut)
        assert_same(run.of(name), expected, name)
        kept = run.kept(name)
        assert len(kept) >= min(KEPT, len(expected))
        assert_same(kept, expected[len(expected) - len(kept) :], name)
        if forming and forming.shown():
            assert_same(run.kept(name, n=1, forming=True), [forming], name)


@settings(deadline=None, max_examples=SLOW)
@given(stock_tapes())
def test_stock_bars_equal_the_slow_ones(tape: list[tuple[Trade, int | None]]) -> None:
    run = Run(STOCKS, bars=(*INTERVALS, *KINDS), max_symbols=4, max_bars=20_000, ring_size=4_096)
    for trade, condition in tape:
        run.feed(stock_frame(trade, condition=condition), trade.time)
    # What comes again counts once.
    trades = list(dict.fromkeys(trade for trade, _ in tape))
    check_time_bars(run, trades, oracle.us_date, numbered=False)
    check_sampled_bars(run, trades, KINDS, oracle.us_date, cut=True)


COIN_KINDS = ("tick:3", "volume:1500", "dollar:100", "volume_imbalance:900", "tick_run:4", "range:0.02", "renko:0.011")


@settings(deadline=None, max_examples=SLOW)
@given(coin_tapes())
def test_coin_bars_equal_the_slow_ones(tape: list[Trade]) -> None:
    run = Run(USDM, bars=(*INTERVALS, *COIN_KINDS), max_symbols=4, max_bars=20_000, ring_size=4_096)
    for trade in tape:
        run.feed(coin_frame(trade), trade.time)
    trades = list(dict.fromkeys(tape))
    check_time_bars(run, trades, oracle.utc_date, numbered=True)
    check_sampled_bars(run, trades, COIN_KINDS, oracle.utc_date, cut=False)


@settings(deadline=None, max_examples=SLOW)
@given(stock_tapes(), st.lists(st.integers(1, 9), min_size=1))
def test_any_cut_into_frames_gives_the_same_bars(tape: list[tuple[Trade, int | None]], cuts: list[int]) -> None:
    # On a weekend Friday's day bar has ended while its date goes on: what comes then is late, frame by frame.
    on_time = (trade for trade, _ in tape if trade.time < oracle.us_date(trade.time)[0] + oracle.DAY_NS)
    trades = sorted({trade.key: trade for trade in on_time}.values(), key=lambda trade: trade.key)

    def sent(sizes: list[int]) -> dict[str, list[str]]:
        run = Run(STOCKS, bars=(*INTERVALS, *KINDS), max_symbols=4, max_bars=20_000, ring_size=4_096)
        first = 0
        while first < len(trades):
            part = trades[first : first + sizes[0]]
            run.feed(stock_frame(*part), part[-1].time)
            first, sizes = first + len(part), [*sizes[1:], sizes[0]]
        columns = [name for name in dtypes()["bars"].names or () if name not in {"seq", "ts_recv"}]
        return {name: [str(bar[columns]) for bar in run.of(name)] for name in run.engine.series()}

    cut, single = sent(cuts), sent([1])
    for name, bars in single.items():
        assert cut[name] == bars, name


# Examples by hand


def closes(name: str, *prices: float | str, venue: str = STOCKS, **options: Any) -> list[float]:
    run = Run(venue, bars=[name])
    run.prices(*prices, **options)
    return [float(bar["close"]) for bar in run.of(name)]


def test_sums_end_with_the_trade_that_reaches_them() -> None:
    assert closes("tick:3", 10, 11, 12, 13, 14, 15, 16) == [12, 15]
    assert closes("volume:250", 10, 11, 12, 13, 14, 15) == [12, 15]
    assert closes("dollar:2100", 10, 11, 12, 13) == [11, 13]
    run = Run(STOCKS, bars=["volume:250"])
    run.prices(10, 11, 12)
    # The trade that crosses is not split: the bar has all of it, the next one begins with nothing.
    assert [float(bar["volume"]) for bar in run.of("volume:250")] == [300]
    assert run.kept("volume:250", forming=True)[-1]["flags"] == oracle.COMPLETE


def test_imbalances_and_runs_follow_the_tick_rule() -> None:
    # The first trade has no side; an equal price is like the one before; the side goes on from bar to bar.
    assert closes("tick_imbalance:2", 10, 11, 12, 12, 12, 11, 12, 11, 10) == [12, 12, 10]
    assert closes("tick_run:2", 10, 11, 10, 11, 10, 10, 11) == [11, 10]
    assert closes("volume_imbalance:200", 10, 11, 12, 11) == [12]
    assert closes("dollar_run:2000", 10, 11, 12, 9, 8, 7) == [12, 7]


def test_a_side_that_the_venue_tells_beats_the_tick_rule() -> None:
    assert closes("tick_imbalance:2", "10", "9", "8", venue=USDM, side=1) == [9]
    assert closes("tick_run:3", "10", "11", "12", venue=USDM, side=-1) == [12]


def test_a_range_bar_ends_when_high_and_low_are_apart() -> None:
    run = Run(STOCKS, bars=["range:0.05"])
    run.prices(10.00, 10.04, 10.05, 10.05, 10.30, 10.30, 10.26, 10.25)
    assert ohlc(run.of("range:0.05")) == [
        (10.00, 10.05, 10.00, 10.05),
        (10.05, 10.30, 10.05, 10.30),
        (10.30, 10.30, 10.25, 10.25),
    ]


def test_a_renko_brick_needs_its_size_and_a_turn_two() -> None:
    run = Run(STOCKS, bars=["renko:0.5"])
    # The first price stands in the brick from 10.0 to 10.5: up at 11.0, down at 9.5.
    run.prices(10.20, 10.99, 11.00, 11.49, 10.51, 10.00, 9.40, 9.99, 10.50)
    assert ohlc(run.of("renko:0.5")) == [
        (10.5, 11.0, 10.5, 11.0),
        (10.5, 10.5, 10.0, 10.0),
        (10.0, 10.0, 9.5, 9.5),
        (10.0, 10.5, 10.0, 10.5),
    ]


def test_one_trade_may_complete_many_bricks_and_belongs_to_the_first() -> None:
    run = Run(STOCKS, bars=["renko:0.5"])
    run.prices(10.20, 12.10)
    assert ohlc(run.of("renko:0.5")) == [
        (10.5, 11.0, 10.5, 11.0),
        (11.0, 11.5, 11.0, 11.5),
        (11.5, 12.0, 11.5, 12.0),
    ]
    assert [int(bar["trade_count"]) for bar in run.of("renko:0.5")] == [2, 0, 0]
    assert [float(bar["volume"]) for bar in run.of("renko:0.5")] == [200, 0, 0]
    run.prices(1_000)
    assert len(run.of("renko:0.5")) == 3 + oracle.BRICKS_MOST
    assert run.of("renko:0.5")[-1]["close"] == 1_000
    assert run.engine.stats()["bricks_skipped"] == (1_000 - 12) * 2 - oracle.BRICKS_MOST


def test_a_bar_without_a_price_goes_on() -> None:
    run = Run(STOCKS, bars=["tick:2"])
    start = ns("2026-11-20T10:00:00")
    for number in range(3):
        trade = Trade(start + number * SECOND, number, "10", "1")
        run.feed(stock_frame(trade, condition=37), trade.time)
    run.prices(11)
    assert [(int(bar["trade_count"]), float(bar["open"])) for bar in run.of("tick:2")] == [(4, 11)]


def test_a_late_trade_counts_with_its_size_and_without_its_price() -> None:
    run = Run(STOCKS, bars=["range:1", "tick:3"])
    run.prices(10, 10.5)
    late = Trade(run.now - 500_000_000, 0, "20", "70")
    run.feed(stock_frame(late), run.now)
    assert run.of("range:1") == []
    (bar,) = run.of("tick:3")
    assert (float(bar["high"]), float(bar["close"]), float(bar["volume"])) == (10.5, 10.5, 270)
    assert (int(bar["ts_event"]), int(bar["ts_end"])) == (run.now - SECOND, run.now)


def test_a_rollover_cuts_what_forms_on_us_venues_only() -> None:
    stocks = Run(STOCKS, bars=["tick:3"])
    stocks.prices(10, 11, start=ns("2026-11-20T19:59:00"))
    stocks.engine.advance(ns("2026-11-23T04:00:01"))
    cut = stocks.engine.drain().bars
    assert [(int(bar["trade_count"]), int(bar["flags"])) for bar in cut] == [(2, 0)]
    assert [int(bar["flags"]) for bar in stocks.kept("tick:3")] == [0]
    coins = Run(USDM, bars=["tick:3"])
    coins.prices("10", "11", "12", start=1_795_219_200 * SECOND - SECOND)
    assert [int(bar["trade_count"]) for bar in coins.of("tick:3")] == [3]


def test_the_day_bar_is_the_trading_date() -> None:
    run = Run(STOCKS, bars=["1d", "4h"])
    for clock in ("2026-03-06T04:00:00", "2026-03-06T19:59:59", "2026-03-09T04:00:00", "2026-03-09T16:00:00"):
        run.prices(10, start=ns(clock)) if not run.now else run.feed(
            stock_frame(Trade(ns(clock), ns(clock) // SECOND, "11", "100")), ns(clock)
        )
    run.engine.advance(ns("2026-03-10T04:00:00"))
    days = run.engine.bars("XYZ", "1d")
    assert list(days["ts_event"]) == [ns("2026-03-06T04:00:00"), ns("2026-03-09T04:00:00")]
    assert list(days["ts_end"]) == [ns("2026-03-07T04:00:00"), ns("2026-03-10T04:00:00")]
    assert list(days["trade_count"]) == [2, 2]
    # Clocks went forward on the Sunday between: four-hour bars stay at 04:00, 16:00 of New York.
    four = run.engine.bars("XYZ", "4h")
    starts = ("2026-03-06T04:00:00", "2026-03-06T16:00:00", "2026-03-09T04:00:00", "2026-03-09T16:00:00")
    assert list(four["ts_event"]) == [ns(clock) for clock in starts]


def test_a_bar_that_was_sent_again_says_so_when_it_is_read() -> None:
    run = Run(STOCKS, bars=["1m"])
    run.prices(10, start=ns("2026-11-20T10:00:10"))
    run.feed(stock_frame(Trade(ns("2026-11-20T10:01:05"), 900, "11", "100")), ns("2026-11-20T10:01:05"))
    run.feed(stock_frame(Trade(ns("2026-11-20T10:00:30"), 5, "12", "100")), run.now)
    assert [int(bar["flags"]) for bar in run.of("1m")] == [1, 3]
    assert [int(bar["flags"]) for bar in run.kept("1m")] == [3]


def coin(number: int, second: float, **options: Any) -> Trade:
    start = 1_795_190_400 * SECOND
    return Trade(start + int(second * 1_000) * 1_000_000, number, "10.5", "2", side=1, **options)


def test_bars_at_a_hole_in_the_ids_say_so_until_it_is_filled() -> None:
    run = Run(USDM, bars=["1s", "1m", "tick:2"])
    for trade in (coin(100, 0.5), coin(101, 2.5), coin(104, 4.5), coin(105, 6.5)):
        run.engine.advance(trade.time - SECOND)
        run.feed(coin_frame(trade), trade.time)
    flags = [int(bar["flags"]) for bar in run.kept("1s", forming=True)]
    # The bars at both edges of the hole: the first had been sent and is sent again, the second had not.
    assert flags == [1, 19, 17, 0]
    assert [int(bar["flags"]) for bar in run.kept("1m", forming=True)] == [16]
    assert [int(bar["flags"]) for bar in run.kept("tick:2")] == [1, 17]
    for trade in (coin(102, 3.5), coin(103, 4.5)):
        run.feed(coin_frame(trade), run.now)
    assert [int(bar["flags"]) & 16 for bar in run.kept("1s", forming=True)] == [0] * 5
    assert [int(bar["flags"]) for bar in run.last_forms("1s")] == [1, 3, 3, 3]
    assert [int(bar["flags"]) for bar in run.kept("1m", forming=True)] == [0]
    # Bars that are cut by trades are never sent again; the late ones wait there for a price.
    assert [int(bar["flags"]) for bar in run.kept("tick:2")] == [1, 17]


def test_records_say_which_series_they_belong_to() -> None:
    run = Run(STOCKS, bars=["tick:2", "1m", "renko:0.50", "60m"])
    assert run.engine.series() == ["1m", "1h", "tick:2", "renko:0.5"]
    run.prices(10, 11, 12)
    assert {(int(bar["series"]), int(bar["interval_ms"])) for bar in run.sent} == {(2, 0), (3, 0)}
    assert "bars 1m 1h tick:2 renko:0.5" in repr(run.engine)


def test_strategies_know_every_kind() -> None:
    series = [f"{kind}:7" for kind in BAR_KINDS]
    assert rt.Engine(bars=series).series() == series


def test_pinned_bars_of_a_kind_lie_in_the_order_of_their_ends() -> None:
    run = Run(STOCKS, bars=["renko:0.5"], pin=["XYZ"])
    run.prices(10.2, 11, 13.1, 9)
    view = run.engine.bars("XYZ", "renko:0.5", copy=False)
    assert list(view["close"]) == list(run.engine.bars("XYZ", "renko:0.5")["close"])
    assert list(view["ts_event"]) == sorted(view["ts_event"])


@pytest.mark.parametrize(
    ("series", "why"),
    [
        ("tik:100", "did you mean tick:100"),
        ("volume", "volume:50000"),
        ("renko:0", "zero"),
        ("tick:1.5", "whole"),
        ("2d", "1s to 1d"),
        ("1 m", "30s, 5m, 4h or 1d"),
        ("range:abc", "0.25"),
    ],
)
def test_a_wrong_series_names_what_would_do(series: str, why: str) -> None:
    with pytest.raises(rt.ConfigError, match=why):
        rt.Engine(bars=[series])


def test_what_else_is_refused() -> None:
    with pytest.raises(rt.ConfigError, match="listed twice"):
        rt.Engine(bars=["1m", "60s"])
    run = Run(STOCKS, bars=["1m", "tick:2"])
    run.prices(10)
    with pytest.raises(rt.ConfigError, match="keeps 1m, tick:2"):
        run.kept("tick:3")
    with pytest.raises(rt.ConfigError, match="time bars only"):
        run.kept("tick:2", source="venue")


def test_a_hole_that_is_filled_too_late_stays_where_a_trade_is_lacking() -> None:
    run = Run(USDM, bars=["1s"])
    for trade in (coin(100, 0.5), coin(102, 1.5), coin(103, 1_800)):
        run.feed(coin_frame(trade), trade.time)
    assert [int(bar["flags"]) & 16 for bar in run.kept("1s")] == [16, 16]
    run.feed(coin_frame(coin(101, 1.2)), run.now)
    assert [int(bar["flags"]) & 16 for bar in run.kept("1s")] == [0, 16]
    assert run.engine.stats()["too_late"] == 1


# Tricky cases of the days


def at(run: Run, moment: int, price: float, size: int = 100, **keys: Any) -> None:
    """Feed one trade of a US stock."""
    trade = Trade(moment, moment // 1_000_000, str(price), str(size))
    run.feed(stock_frame(trade, **keys), moment)


def test_case_3_minutes_without_trades_have_no_bars() -> None:
    run = Run(STOCKS, bars=["1m"])
    at(run, ns("2026-11-20T10:00:30"), 20.0)
    at(run, ns("2026-11-20T10:03:10"), 21.0, 200)
    run.engine.advance(ns("2026-11-20T10:04:00"))
    bars = run.engine.bars("XYZ", "1m")
    assert list(bars["ts_event"]) == [ns("2026-11-20T10:00:00"), ns("2026-11-20T10:03:00")]
    assert list(bars["close"]) == [20.0, 21.0]


def test_case_5_bars_stay_on_the_clock_of_new_york() -> None:
    run = Run(STOCKS, bars=["1m", "1h", "4h"])
    for day, hours in (("2026-10-30", 13), ("2026-11-02", 14)):
        opening = ns(f"{day}T09:30:00")
        assert opening % (24 * 3_600 * SECOND) == (hours * 60 + 30) * 60 * SECOND
        at(run, opening, 10.0)
    run.engine.advance(ns("2026-11-03T04:00:00"))
    starts = {name: [int(bar["ts_event"]) for bar in run.kept(name)] for name in run.engine.series()}
    days = ("2026-10-30", "2026-11-02")
    for name, clock in (("1m", "09:30:00"), ("1h", "09:00:00"), ("4h", "08:00:00")):
        assert starts[name] == [ns(f"{day}T{clock}") for day in days]


def test_case_5_a_coins_day_is_a_utc_date_on_that_sunday() -> None:
    run = Run(USDM, bars=["1h", "1d"])
    sunday = 1_793_491_200 * SECOND
    for hour in range(25):
        moment = sunday + hour * 3_600 * SECOND
        run.feed(coin_frame(Trade(moment, hour, "10", "1", side=1)), moment)
    assert [int(bar["ts_event"]) for bar in run.kept("1d")] == [sunday]
    assert [int(bar["trade_count"]) for bar in run.kept("1d")] == [24]
    assert len(run.kept("1h")) == 24


def test_case_8_a_print_of_the_day_before_changes_its_own_bars() -> None:
    run = Run(STOCKS, bars=["1m", "1d", "tick:2"])
    at(run, ns("2026-11-19T19:59:00"), 10.80, 200, condition=12)
    run.engine.advance(ns("2026-11-20T04:00:00"))
    run.sent += list(run.engine.drain().bars.copy())
    late = Trade(ns("2026-11-19T19:59:30"), 2, "10.90", "50")
    run.now = ns("2026-11-20T04:00:01")
    run.feed(stock_frame(late, condition=12), run.now)
    at(run, ns("2026-11-20T04:00:03"), 11.00, condition=12)
    # The day bar ended a second ago and is revised; the minute ended eight hours ago.
    assert [(float(bar["close"]), float(bar["volume"]), int(bar["flags"])) for bar in run.of("1d")] == [
        (10.80, 200, 1),
        (10.90, 250, 3),
    ]
    assert [float(bar["volume"]) for bar in run.kept("1m")] == [200]
    assert run.engine.stats()["too_late"] == 1
    # What the rollover cut stays as it was sent, and the new date begins with its own first trade.
    assert [(int(bar["trade_count"]), int(bar["flags"])) for bar in run.kept("tick:2", forming=True)] == [
        (1, 0),
        (1, 0),
    ]


def test_case_11b_a_bar_that_the_venue_sends_again_replaces_itself() -> None:
    run = Run(STOCKS, bars=["1s"])
    start = ns("2026-11-20T10:00:07") // 1_000_000
    bar = {"ev": "A", "sym": "XYZ", "o": 10, "h": 11, "l": 10, "c": 10.5, "s": start, "e": start + 1_000}
    run.feed(json.dumps([{**bar, "v": 1_000, "av": 50_000}]).encode(), ns("2026-11-20T10:00:10"))
    run.feed(json.dumps([{**bar, "v": 1_200, "av": 50_200}]).encode(), ns("2026-11-20T10:08:00"))
    assert [float(bar["volume"]) for bar in run.kept("1s", source="venue")] == [1_200]
    assert run.kept("1s") == []


def test_case_16_a_half_day_changes_what_counts_and_no_bars_end() -> None:
    run = Run(STOCKS, bars=["1h", "1d"])
    clocks = [(20261127, "04:00", "09:30", "13:00", "17:00"), (20261130, "04:00", "09:30", "16:00", "20:00")]
    days = [(date, *(ns(f"2026-11-{date % 100}T{clock}:00") for clock in clocks)) for date, *clocks in clocks]
    run.engine.set_sessions(STOCKS, days)
    at(run, ns("2026-11-27T12:59:00"), 10.0)
    # Form T moves prices once the regular session is over, which it is at one o'clock.
    at(run, ns("2026-11-27T12:59:30"), 12.0, condition=12)
    at(run, ns("2026-11-27T13:30:00"), 11.0, condition=12)
    run.engine.advance(ns("2026-11-28T04:00:00"))
    assert ohlc(run.kept("1h")) == [(10.0, 10.0, 10.0, 10.0), (11.0, 11.0, 11.0, 11.0)]
    (day,) = run.kept("1d")
    assert (float(day["close"]), float(day["volume"])) == (11.0, 300)
    assert (int(day["ts_event"]), int(day["ts_end"])) == (ns("2026-11-27T04:00:00"), ns("2026-11-28T04:00:00"))
