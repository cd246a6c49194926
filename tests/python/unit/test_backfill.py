"""Trades that are fetched later: an engine that got them afterwards equals one that saw everything in order."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_bars import NEW_YORK, RIGHTS, STOCKS, USDM, Run, coin_frame, ns, stock_frame

import ringtape as rt
from oracle.bars import Trade, e8
from ringtape._native import compile_rules
from ringtape.events import dtypes

assert NEW_YORK

SECOND = 1_000_000_000
CASES = 5_000 if os.environ.get("RINGTAPE_FULL") else 300
BARS = ("1s", "7s", "1m", "90s", "1h", "1d")
WINDOWS = ("5s", "1m", "40m")
HAS_HOLE, REPAIRED, REVISED = 16, 8, 2
# What a fetched trade changes. It is never the last one, and it does not open a day that has an opening.
DAY = ("volume", "dollar_volume", "vwap", "trade_count", "high_day", "low_day", "high", "low")
OF_WINDOWS = ("volume", "dollar_volume", "vwap", "trade_count", "high", "low")
SESSIONS = ("volume_pre", "volume_reg", "volume_post", "vwap_reg", "high_pre", "low_pre", "block_count(40m)")
OF_LAST = ("last", "last_size", "change(1m)", "change(40m)")
UNSET = -(2**63)


def fetched(*trades: tuple[Trade, int | None], aggregate: bool = False) -> np.ndarray:
    """Return trades as an array of the engine's records."""
    array = np.zeros(len(trades), dtypes()["trades"])
    for name in ("ts_sent", "ts_participant", "ts_trf", "first_id", "last_id"):
        array[name] = UNSET
    array["exchange"] = array["trf_id"] = 65_535
    array["conditions"] = 65_535
    for row, (trade, condition) in zip(array, trades, strict=True):
        row["ts_event"], row["sequence"] = trade.time // 1_000_000 * 1_000_000, trade.sequence
        row["price"], row["price_e8"] = float(trade.price), e8(trade.price)
        row["size"], row["size_e8"] = float(trade.size), e8(trade.size)
        if aggregate:
            row["flags"], row["side"] = 1, 2 if trade.side < 0 else 1
        else:
            row["id"], row["exchange"], row["tape"] = str(trade.sequence), 4, 3
            row["flags"] = 2 if trade.late else 0
        if condition is not None:
            row["conditions"][0], row["n_conditions"] = condition, 1
    return array


def engines(venue: str) -> tuple[Run, Run]:
    """Return one that will miss something, and one that sees everything."""
    runs = tuple(Run(venue, bars=BARS, max_symbols=4, max_bars=20_000, ring_size=4_096) for _ in range(2))
    for run in runs:
        fields = [f"{name}({window})" for name in OF_WINDOWS for window in WINDOWS]
        run.engine.table([*fields, *SESSIONS, *OF_LAST])
    return runs  # type: ignore[return-value]


def columns(bar: np.void) -> list[Any]:
    names = [name for name in bar.dtype.names if name not in {"seq", "ts_recv", "flags", "conn"}]
    return [None if (value := bar[name].item()) != value else value for name in names]


def assert_equal(late: Run, whole: Run, *, last: bool) -> None:
    for name in BARS:
        for forming in (False, True):
            got, want = (run.kept(name, forming=forming) for run in (late, whole))
            assert [columns(bar) for bar in got] == [columns(bar) for bar in want], name
        sent = [columns(bar) for bar in late.last_forms(name)]
        assert sent == [columns(bar) for bar in late.kept(name)], f"{name}: what was sent is what is kept"
    fields = [*DAY, *(f"{name}({window})" for name in OF_WINDOWS for window in WINDOWS), *SESSIONS]
    for field in (*fields, *(OF_LAST if last else ())):
        got, want = (run.engine.get(run.symbol, field) for run in (late, whole))
        assert got == want, field


def flags(run: Run, name: str) -> dict[int, int]:
    return {int(bar["ts_event"]): int(bar["flags"]) for bar in run.kept(name, forming=True)}


STARTS = ("2026-11-20T03:59:50", "2026-11-20T09:29:50", "2026-11-20T10:00:00", "2026-10-30T19:59:00")
STEPS = (0, 0, 1, 20, 400, 999, 1_000, 7_000, 59_000, 61_000, 600_000)
BACK = (1, 500, 1_900, 30_000, 400_000)


@st.composite
def stock_tapes(draw: st.DrawFn) -> list[tuple[int, Trade, int | None]]:
    """Trades with the times at which they come, some of them late."""
    clock, cents, tape = ns(draw(st.sampled_from(STARTS))), 1_000, []
    for sequence in range(1, draw(st.integers(3, 50)) + 1):
        clock += draw(st.sampled_from(STEPS)) * 1_000_000
        cents = max(1, cents + draw(st.sampled_from((-300, -5, -2, -1, 0, 0, 1, 2, 5, 300))))
        back = draw(st.sampled_from(BACK)) if draw(st.integers(0, 6)) == 0 else 0
        condition = draw(st.sampled_from((None,) * 8 + (*RIGHTS, 12, 14)))
        late = draw(st.integers(0, 12)) == 0
        size = str(draw(st.sampled_from((1, 7, 100, 25_000))))
        price = f"{cents // 100}.{cents % 100:02}"
        tape.append((clock, Trade(clock - back * 1_000_000, sequence, price, size, late=late), condition))
    return tape


def play(run: Run, tape: list[tuple[int, Trade, int | None]], first: int, after: int, fill: int) -> tuple[int, int]:
    """Feed what is not missed, and fill the gap before a trade; return where the gap begins and ends."""
    cut = end = 0
    for at, (clock, trade, condition) in enumerate(tape):
        if at == first:
            cut = run.now + 1
            run.engine.mark_gap(STOCKS, cut)
        if at == after:
            beat(run, max(run.now, tape[at - 1][0], clock - SECOND))
            end = max(cut, run.now)
            run.engine.mark_gap(STOCKS, cut, end)
        if at == fill:
            backfill(run, tape[:after], cut, end)
        if not first <= at < after:
            feed(run, stock_frame(trade, condition=condition), clock)
    if fill == len(tape):
        backfill(run, tape[:after], cut, end)
    return cut, end


@settings(deadline=None, max_examples=CASES)
@given(stock_tapes(), st.data())
def test_a_filled_gap_is_as_if_it_had_not_been(tape: list[tuple[int, Trade, int | None]], data: st.DataObject) -> None:
    first = data.draw(st.integers(1, len(tape) - 1), "first that is missed")
    after = data.draw(st.integers(first, len(tape) - 1), "first after the gap")
    fill = data.draw(st.integers(after, len(tape)), "filled before this one")
    late, whole = engines(STOCKS)
    cut, end = play(late, tape, first, after, fill)
    for _, trade, condition in sorted(tape, key=lambda each: each[1].key):
        feed(whole, stock_frame(trade, condition=condition), trade.time)
    for run in (late, whole):
        beat(run, tape[-1][0] + SECOND)
        run.engine.advance(run.now)
        # Rows are as of the last look at the time.
        run.sent += [bar for bar in run.engine.drain().bars.copy() if bar["symbol"] == 0]
    missed_times = [trade.time for at, (_, trade, _) in enumerate(tape) if first <= at < after]
    assert_equal(late, whole, last=whole.engine.get("XYZ", "last_time") not in missed_times)
    for name in BARS:
        assert not any(flag & HAS_HOLE for flag in flags(late, name).values())
        assert not any(flag & REPAIRED for flag in flags(whole, name).values())
        for bar in late.kept(name, forming=True):
            start, stop = int(bar["ts_event"]), int(bar["ts_end"])
            took = any(start <= moment < stop for moment in missed_times)
            touched = start <= end and cut < stop
            is_repaired = bool(bar["flags"] & REPAIRED)
            assert is_repaired if took else touched or not is_repaired


def beat(run: Run, moment: int) -> None:
    """Let engine time be this by a trade of another symbol."""
    trade = Trade(moment, moment // 1_000_000, "1", "1")
    feed(run, stock_frame(trade).replace(b'"XYZ"', b'"OTHER"'), moment)


def feed(run: Run, frame: bytes, moment: int) -> None:
    run.now = max(run.now, moment)
    run.engine.feed(frame, STOCKS, run.now)
    names = {number: name for number, _, name in run.engine.symbols()}
    run.sent += [bar for bar in run.engine.drain().bars.copy() if names[int(bar["symbol"])] == "XYZ"]


def backfill(run: Run, tape: list[tuple[int, Trade, int | None]], cut: int, end: int) -> None:
    """Fetch everything up to the end of the gap, in two parts."""
    trades = sorted(((trade, condition) for _, trade, condition in tape if trade.time <= end), key=lambda t: t[0].key)
    half = len(trades) // 2
    middle = max(cut, trades[half - 1][0].time) if half else cut
    for part, start, stop in ((trades[:half], cut, middle), (trades[half:], cut, end)):
        run.engine.backfill(STOCKS, "XYZ", fetched(*part), start, stop)
        run.sent += list(run.engine.drain().bars.copy())


@st.composite
def coin_tapes(draw: st.DrawFn) -> list[Trade]:
    """Trades of a coin near midnight."""
    clock, price, tape = 1_795_219_200 * SECOND - draw(st.integers(0, 100)) * SECOND, 10_000_000, []
    for sequence in range(100, 100 + draw(st.integers(3, 50))):
        clock += draw(st.sampled_from(STEPS)) * 1_000_000
        price = max(1, price + draw(st.integers(-4_000_000, 4_000_000)))
        size = f"{draw(st.integers(1, 10**11)) / 10**8:.8f}"
        tape.append(Trade(clock, sequence, f"{price / 10**8:.8f}", size, side=draw(st.sampled_from((1, -1)))))
    return tape


@settings(deadline=None, max_examples=CASES)
@given(coin_tapes(), st.data())
def test_holes_in_ids_are_filled_in_any_order(tape: list[Trade], data: st.DataObject) -> None:
    missing = data.draw(st.sets(st.integers(1, len(tape) - 2), min_size=1), "missed")
    given_up = data.draw(st.sets(st.sampled_from(sorted(missing))), "never fetched")
    order = data.draw(st.permutations(sorted(missing - given_up)), "order of fetching")
    late, whole = engines(USDM)
    for at, trade in enumerate(tape):
        whole.feed(coin_frame(trade), trade.time)
        if at not in missing:
            late.feed(coin_frame(trade), trade.time)
    gaps = late.engine.take_id_gaps()
    told = [number for gap in gaps for number in range(gap.first, gap.last + 1)]
    assert told == [tape[at].sequence for at in sorted(missing)]
    assert late.engine.take_id_gaps() == []
    while order:
        part, order = order[:3], order[3:]
        trades = [tape[at] for at in part]
        array = fetched(*((trade, None) for trade in trades), aggregate=True)
        # What is filled is said by the ids alone, so no stretch of time is.
        filled = late.engine.backfill(USDM, "BTCUSDT", array, 0, 2**62)
        assert (filled.added, filled.known) == (len(part), 0)
        again = late.engine.backfill(USDM, "BTCUSDT", array, 0, 2**62)
        assert (again.added, again.known) == (0, len(part))
    late.sent += list(late.engine.drain().bars.copy())
    assert late.engine.stats()["missing"] == len(given_up)
    if not given_up:
        late.engine.advance(tape[-1].time)
        whole.engine.advance(tape[-1].time)
        assert_equal(late, whole, last=True)
    holes = holes_of(tape, missing, given_up)
    for name in BARS:
        for bar in late.kept(name, forming=True):
            start, end = int(bar["ts_event"]), int(bar["ts_end"])
            touched = any(start <= last and first < end for first, last in holes)
            assert bool(bar["flags"] & HAS_HOLE) == touched, (name, start)


def holes_of(tape: list[Trade], missing: set[int], given_up: set[int]) -> list[tuple[int, int]]:
    """Return the first and last moment of the holes of which something did not come."""
    holes = []
    for at in sorted(missing):
        if at - 1 not in missing:
            last = next(after for after in range(at, len(tape)) if after not in missing)
            if given_up & set(range(at, last)):
                holes.append((tape[at - 1].time, tape[last].time))
    return holes


def gapped(**options: Any) -> Run:
    """SOURCE: facts/scanner.md 7.2, case 7: trades until the stream is dead from 10:00:10.000 to 10:00:25.400."""
    run = Run(STOCKS, bars=("1s", "1m", "tick:4"), **options)
    run.engine.set_rules(compile_rules([{"id": "up", "when": "last crosses_above 10"}]))
    run.engine.table(["volume(1m)"])
    run.prices(*[9.90] * 10, start=ns("2026-11-20T10:00:00"))
    run.engine.mark_gap(STOCKS, ns("2026-11-20T10:00:10"))
    return run


MISSED = [
    (Trade(ns("2026-11-20T10:00:12"), 50, "9.95", "200"), None),
    (Trade(ns("2026-11-20T10:00:15"), 51, "10.05", "300"), None),
    (Trade(ns("2026-11-20T10:00:20"), 52, "10.10", "200"), None),
]
GAP = ns("2026-11-20T10:00:10"), ns("2026-11-20T10:00:25.400")


def reconnected(run: Run) -> None:
    run.engine.advance(GAP[1])
    run.engine.mark_gap(STOCKS, *GAP)
    run.feed(stock_frame(Trade(ns("2026-11-20T10:00:26.500"), 60, "10.20", "300")), ns("2026-11-20T10:00:26.500"))


def test_case_7_a_gap_with_backfill() -> None:
    run = gapped()
    reconnected(run)
    assert run.engine.get("XYZ", "volume(1m)") is None
    before = len(run.sent)
    filled = run.engine.backfill(STOCKS, "XYZ", fetched(*MISSED), *GAP)
    assert repr(filled) == "Filled(added=3, known=0, outside=0, refused=0, too_late=0)"
    batch = run.engine.drain()
    assert len(batch.signals) == len(batch.trades) == 0, "no ordinary alert, and no news for hooks"
    assert run.engine.get("XYZ", ("volume(1m)", "volume", "last")) == (2_000, 2_000, 10.20)
    assert len(run.sent) == before
    repaired = [
        (int(bar["ts_event"] - GAP[0]) // SECOND, int(bar["flags"])) for bar in batch.bars if bar["series"] == 0
    ]
    assert repaired == [(2, 1 | REPAIRED), (5, 1 | REPAIRED), (10, 1 | REPAIRED)]
    (minute,) = run.kept("1m", forming=True)
    assert (int(minute["flags"]), float(minute["volume"])) == (REPAIRED, 2_000)
    ticks = run.kept("tick:4", forming=True)
    assert [int(bar["trade_count"]) for bar in ticks] == [4, 4, 3]
    assert int(ticks[-1]["flags"]) & HAS_HOLE, "bars cut by trading take no fetched trades"
    stats = run.engine.stats()
    assert (stats["backfilled"], stats["backfill_duplicates"], stats["duplicates"]) == (3, 0, 0)
    # A real crossing after it fires.
    for number, price in ((61, "9.90"), (62, "10.01")):
        moment = ns("2026-11-20T10:00:27") + number * 1_000_000
        run.engine.feed(stock_frame(Trade(moment, number, price, "1")), STOCKS, moment)
    assert len(run.engine.drain().signals) == 1


def test_what_came_live_is_not_counted_again() -> None:
    run = gapped()
    reconnected(run)
    known = Trade(ns("2026-11-20T10:00:09"), ns("2026-11-20T10:00:00") // SECOND + 9, "9.9", "100")
    for _ in range(2):
        filled = run.engine.backfill(STOCKS, "XYZ", fetched((known, None), *MISSED), *GAP)
    assert (filled.added, filled.known) == (0, 4)
    assert run.engine.get("XYZ", "volume") == 2_000
    run.feed(stock_frame(MISSED[0][0]), run.now)
    assert run.engine.stats()["duplicates"] == 1


def test_what_is_partly_filled_is_partly_a_hole() -> None:
    run = gapped()
    reconnected(run)
    middle = ns("2026-11-20T10:00:16")
    run.engine.backfill(STOCKS, "XYZ", fetched(*MISSED[:2]), GAP[0], middle)
    run.engine.advance(ns("2026-11-20T10:01:00"))
    assert run.engine.get("XYZ", "volume(1m)") is None
    assert int(run.kept("1m")[0]["flags"]) & (HAS_HOLE | REPAIRED) == HAS_HOLE
    assert not any(flag & HAS_HOLE for flag in flags(run, "1s").values())
    run.engine.backfill(STOCKS, "XYZ", fetched(MISSED[2]), middle, GAP[1])
    assert int(run.kept("1m")[0]["flags"]) & (HAS_HOLE | REPAIRED) == REPAIRED
    assert run.engine.get("XYZ", "volume(1m)") is not None


def test_bars_are_repaired_however_old_while_they_are_kept() -> None:
    run = gapped()
    reconnected(run)
    later = ns("2026-11-20T12:00:00")
    run.feed(stock_frame(Trade(later, 70, "10.30", "100")), later)
    filled = run.engine.backfill(STOCKS, "XYZ", fetched(*MISSED), *GAP)
    assert (filled.added, filled.too_late) == (3, 0)
    assert [float(run.kept("1m")[0][name]) for name in ("volume", "high", "close")] == [2_000, 10.20, 10.20]
    assert int(run.kept("1m")[0]["flags"]) == 1 | REVISED | REPAIRED
    # What comes by itself is too late by then.
    run.feed(stock_frame(Trade(ns("2026-11-20T10:00:13"), 53, "9", "1")), later)
    assert run.engine.stats()["too_late"] == 2


def test_trades_without_a_bar_are_told() -> None:
    run = Run(STOCKS, bars=("1s",))
    start = ns("2026-11-20T10:00:00")
    for number in range(400):
        moment = start + number * SECOND
        run.feed(stock_frame(Trade(moment, number, "10", "1")), moment)
    run.engine.mark_gap(STOCKS, start, start + SECOND)
    filled = run.engine.backfill(
        STOCKS, "XYZ", fetched((Trade(start + 5, 900, "11", "1"), None)), start, start + SECOND
    )
    assert (filled.added, filled.too_late) == (1, 1)
    assert run.engine.get("XYZ", "volume") == 401


def test_nothing_newer_than_the_gap_is_taken() -> None:
    run = gapped()
    reconnected(run)
    future = (Trade(run.now + SECOND, 80, "10", "1"), None)
    filled = run.engine.backfill(STOCKS, "XYZ", fetched(future), GAP[0], run.now + 2 * SECOND)
    assert (filled.added, filled.outside) == (0, 1)
    wrong = fetched(MISSED[0])
    wrong["price_e8"] += 5
    assert run.engine.backfill(STOCKS, "XYZ", wrong, *GAP).refused == 1


def venue_bars(*rows: tuple[int, float, float, float, float, float]) -> np.ndarray:
    array = np.zeros(len(rows), dtypes()["bars"])
    for name in ("vwap", "dollar_volume", "buy_volume"):
        array[name] = np.nan
    for line, row in zip(array, rows, strict=True):
        line["ts_event"], *prices, line["volume"] = row
        line["open"], line["high"], line["low"], line["close"] = prices
        line["volume_e8"] = round(line["volume"] * 10**8)
    return array


def test_a_bar_with_a_hole_is_replaced_by_the_venues() -> None:
    run = gapped()
    reconnected(run)
    minute = ns("2026-11-20T10:00:00")
    bars = venue_bars((minute, 9.9, 10.2, 9.9, 10.2, 2_000.5), (minute + 60 * SECOND, 1, 1, 1, 1, 1))
    assert run.engine.backfill_bars(STOCKS, "XYZ", "1m", bars).outside == 2
    run.engine.advance(minute + 61 * SECOND)
    bars["vwap"][0] = 10.0
    filled = run.engine.backfill_bars(STOCKS, "XYZ", "1m", bars)
    assert (filled.added, filled.outside) == (1, 1)
    (bar,) = run.kept("1m")
    assert [float(bar[name]) for name in ("open", "high", "low", "close", "volume")] == [9.9, 10.2, 9.9, 10.2, 2_000.5]
    assert (float(bar["vwap"]), float(bar["dollar_volume"])) == (10.0, 20_005.0)
    assert int(bar["flags"]) == 1 | REVISED | REPAIRED
    assert run.engine.backfill_bars(STOCKS, "XYZ", "1m", bars).known == 1
    # Trades that come afterwards count in the day and in bars that are ours.
    run.engine.backfill(STOCKS, "XYZ", fetched(*MISSED), *GAP)
    assert float(run.kept("1m")[0]["volume"]) == 2_000.5
    assert run.engine.get("XYZ", "volume") == 2_000


def test_a_bar_that_a_hole_swallowed_is_the_venues() -> None:
    run = gapped()
    run.engine.advance(ns("2026-11-20T10:03:00"))
    end = run.engine.stats()["venues"][STOCKS]["now"]
    run.engine.mark_gap(STOCKS, GAP[0], end)
    start = ns("2026-11-20T10:01:00")
    bars = venue_bars((start, 10, 11, 9, 10.5, 300), (start - 3_600 * SECOND, 1, 1, 1, 1, 1))
    filled = run.engine.backfill_bars(STOCKS, "XYZ", "1m", bars)
    assert (filled.added, filled.known) == (1, 1)
    assert [int(bar["flags"]) for bar in run.kept("1m")] == [1 | HAS_HOLE, 1 | REPAIRED]
    with pytest.raises(rt.ConfigError, match="keeps 1s, 1m"):
        run.engine.backfill_bars(STOCKS, "XYZ", "5m", bars)


def test_what_is_wrong_with_a_backfill_is_told() -> None:
    run = gapped()
    with pytest.raises(rt.UnknownSymbol):
        run.engine.backfill(STOCKS, "ABC", fetched(), 0, 1)
    with pytest.raises(rt.ConfigError, match=r"dtypes\(\)\['trades'\]|dtypes"):
        run.engine.backfill(STOCKS, "XYZ", np.zeros(1), 0, 1)
    with pytest.raises(rt.ConfigError, match="the first not behind the second"):
        run.engine.backfill(STOCKS, "XYZ", fetched(), 2, 1)
    assert json.dumps(run.engine.take_id_gaps()) == "[]"


def test_the_side_of_a_fetched_trade_is_the_venues_or_nobodys() -> None:
    run = gapped()
    fields = ("buy_volume(1m)", "volume_reg", "delta_day")
    stocks = Run(STOCKS, bars=("1s",))
    stocks.engine.table(list(fields))
    stocks.prices(*[9.90] * 5, start=ns("2026-11-20T10:00:00"))
    stocks.engine.mark_gap(STOCKS, stocks.now + 1, stocks.now + 2 * SECOND)
    assert run.engine.get("XYZ", "volume_reg") is None
    at = stocks.now + SECOND
    stocks.feed(stock_frame(Trade(at + 2 * SECOND, 90, "9.95", "10")), at + 2 * SECOND)
    stocks.engine.backfill(STOCKS, "XYZ", fetched((Trade(at, 91, "10", "5"), None)), at - SECOND + 1, at + SECOND)
    assert stocks.engine.get("XYZ", fields) == (None, 515, None)
