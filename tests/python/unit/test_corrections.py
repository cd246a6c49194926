"""Corrections: a date counted anew from its corrected tape equals an engine that saw that tape from the start."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_backfill import BARS, CASES, DAY, OF_WINDOWS, SESSIONS, WINDOWS, columns, engines, fetched, stock_tapes
from test_bars import STOCKS, Run, ns, stock_frame

import ringtape as rt
from oracle.bars import Trade
from ringtape._native import compile_rules

COMPLETE, REVISED = 1, 2
MINUTE = 60_000_000_000
LAST = ("last", "last_size", "last_time", "last_any", "open", "change(1m)", "change(40m)", "change(3t)")


def feed(run: Run, clock: int, trade: Trade, condition: int | None) -> None:
    run.now = max(run.now, clock)
    run.engine.feed(stock_frame(trade, condition=condition), STOCKS, run.now)


def shown(run: Run, name: str) -> list[list[Any]]:
    return [columns(bar) for bar in run.kept(name, forming=True)]


@settings(max_examples=CASES, deadline=None)
@given(stock_tapes(), st.data())
def test_a_corrected_date_equals_a_run_over_the_corrected_tape(
    tape: list[tuple[int, Trade, int | None]], data: st.DataObject
) -> None:
    first, right = engines(STOCKS)
    fields = [*DAY, *(f"{name}({window})" for name in OF_WINDOWS for window in WINDOWS), *SESSIONS, *LAST]
    for run in (first, right):
        run.engine.table(fields)
    # Received as it is traded: how far both engines' time has come must not depend on the order of delays.
    end = max(trade.time for _, trade, _ in tape)
    day = date_of(end)
    of_date = [at for at, (_, trade, _) in enumerate(tape) if date_of(trade.time) == day]
    cancelled = {at for at in of_date if data.draw(st.integers(0, 3), label=f"cancel {at}") == 0}
    for _, trade, condition in tape:
        feed(first, max(first.now, trade.time), trade, condition)
    first.engine.advance(end)
    # The other sees what holds in the order of the tape, and as late as it was.
    rest = [(trade, condition) for at, (_, trade, condition) in enumerate(tape) if at not in cancelled]
    for trade, condition in sorted(rest, key=lambda one: (one[0].time, one[0].sequence)):
        feed(right, max(right.now, trade.time), trade, condition)
    right.engine.advance(end)
    corrected = [(tape[at][1], tape[at][2]) for at in of_date if at not in cancelled]
    if not rest:
        return
    filled = first.engine.correct(STOCKS, "XYZ", fetched(*corrected))
    assert filled.added == filled.known == len(corrected)
    # Where no price of the date is left, that of the date before is gone too: it was overwritten.
    kept = first.engine.get("XYZ", "last") is not None
    for field in fields:
        if kept or field not in LAST:
            assert first.engine.get("XYZ", field) == right.engine.get("XYZ", field), field
    for name in BARS:
        # Which of them have ended depends on when frames came, not on what is in them.
        assert shown(first, name) == shown(right, name), name


def date_of(time: int) -> int:
    """Return the trading date of New York, which begins at four."""
    local = dt.datetime.fromtimestamp(time // 1_000_000_000, ZoneInfo("America/New_York")) - dt.timedelta(hours=4)
    return local.year * 10_000 + local.month * 100 + local.day


def test_case_12_a_trade_is_cancelled() -> None:
    run = Run(STOCKS, bars=("1m",))
    rules = compile_rules([{"id": "new_high", "when": "last crosses_above prev(high)"}])
    run.engine.set_rules(rules)
    tape = [
        (Trade(ns("2026-11-20T10:00:00"), 1, "12.40", "100"), None),
        (Trade(ns("2026-11-20T10:01:00"), 2, "12.30", "300"), None),
        (Trade(ns("2026-11-20T10:05:00"), 3, "15.00", "500"), None),
        (Trade(ns("2026-11-20T10:06:00"), 4, "12.35", "100"), None),
    ]
    for trade, condition in tape:
        feed(run, trade.time, trade, condition)
    assert [signal["price"] for signal in run.engine.drain().signals] == [15.0]
    get = run.engine.get
    assert (get("XYZ", "high"), get("XYZ", "volume")) == (15.0, 1_000.0)
    run.engine.advance(ns("2026-11-20T10:07:30"))
    run.engine.drain()

    filled = run.engine.correct(STOCKS, "XYZ", fetched(tape[0], tape[1], tape[3]))
    assert (filled.added, filled.known, filled.refused) == (3, 3, 0)
    assert (get("XYZ", "high"), get("XYZ", "volume"), get("XYZ", "last")) == (12.4, 500.0, 12.35)
    assert get("XYZ", "vwap") == (12.4 * 100 + 12.3 * 300 + 12.35 * 100) / 500
    assert run.engine.stats()["corrections"] == 1
    batch = run.engine.drain()
    assert len(batch.signals) == 0
    # Nothing is left of the bar of 10:05; the others are as they were, so nothing is sent again.
    assert len(batch.bars) == 0
    assert [bar["high"] for bar in run.kept("1m")] == [12.4, 12.3, 12.35]

    trade = Trade(ns("2026-11-20T10:08:00"), 5, "12.45", "100")
    feed(run, trade.time, trade, None)
    (signal,) = run.engine.drain().signals
    assert (signal["price"], get("XYZ", "high")) == (12.45, 12.45)


def test_a_changed_trade_is_sent_as_a_revision() -> None:
    run = Run(STOCKS, bars=("1m",))
    start = ns("2026-11-20T10:00:00")
    for number, price in ((1, "10.00"), (2, "11.00"), (3, "10.10")):
        trade = Trade(start + number * 1_000_000_000, number, price, "100")
        feed(run, trade.time, trade, None)
    run.engine.advance(start + 30 * MINUTE)
    (before,) = run.engine.drain().bars
    tape = [(Trade(start + number * 1_000_000_000, number, "10.00", "100"), None) for number in (1, 2)]
    run.engine.correct(STOCKS, "XYZ", fetched(*tape))
    (after,) = run.engine.drain().bars
    assert (before["high"], before["volume"], before["flags"]) == (11.0, 300.0, COMPLETE)
    assert (after["high"], after["volume"], after["flags"]) == (10.0, 200.0, COMPLETE | REVISED)


def test_what_is_not_of_the_date_is_left_out() -> None:
    run = Run(STOCKS, bars=("1m",))
    now = ns("2026-11-20T10:00:00")
    feed(run, now, Trade(now, 1, "10.00", "100"), None)
    others = [(Trade(now - 86_400_000_000_000, 2, "9.00", "1"), None), (Trade(now + MINUTE, 3, "9.00", "1"), None)]
    filled = run.engine.correct(STOCKS, "XYZ", fetched((Trade(now, 1, "10.00", "100"), None), *others))
    assert (filled.added, filled.outside) == (1, 2)
    assert run.engine.get("XYZ", "volume") == 100.0
    with pytest.raises(rt.errors.UnknownSymbol):
        run.engine.correct(STOCKS, "NOPE", fetched())
