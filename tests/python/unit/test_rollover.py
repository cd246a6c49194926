"""Replacing connections: when it begins, when the old one goes, and what must never happen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringtape.errors import ConfigError
from ringtape.feeds import Binance
from ringtape.feeds.base import Close, Records, Send
from ringtape.feeds.binance.session import BinanceSession
from ringtape.feeds.rollover import Rollover

HOUR_S = 3600.0
# 2026-11-25 00:00 UTC; sessions that are opened at monotonic 0 are opened at this time.
MIDNIGHT_NS = 1_795_564_800_000_000_000


def records(*symbols: int) -> Records:
    return np.array(
        [(symbol, 1, 0) for symbol in symbols], [("symbol", "<u4"), ("flags", "<u2"), ("interval_ms", "<u4")]
    )


@dataclass
class Batch:
    trades: Records = field(default_factory=records)
    quotes: Records = field(default_factory=records)
    venue_bars: Records = field(default_factory=records)
    marks: Records = field(default_factory=records)
    control: tuple[Any, ...] = ()

    def __len__(self) -> int:
        return len(self.trades)


@dataclass
class Reply:
    id: int
    kind: str = "reply"
    status: str | None = None
    message: None = None
    code: None = None
    conn: int = 1


def tick(feed: Binance, seconds: float) -> list[str]:
    return feed.tick(seconds, MIDNIGHT_NS + int(seconds * 1e9))


def open_(session: BinanceSession, now: float) -> None:
    """Open a connection and answer its requests."""
    for action in session.connected(now):
        if isinstance(action, Send):
            session.on_control(Reply(msgspec.json.decode(str(action.text))["id"]), now)


def event(session: BinanceSession, now: float, *symbols: int) -> None:
    session.on_data(Batch(trades=records(*symbols)), ["BTCUSDT", "ETHUSDT"].__getitem__, now)


def binance(feed: Binance) -> list[BinanceSession]:
    return [session for session in feed.sessions if isinstance(session, BinanceSession)]


def running(**plan: Any) -> tuple[Binance, BinanceSession]:
    feed = Binance("usdm", ["btcusdt@aggTrade", "ethusdt@aggTrade"], rollover=Rollover(**plan))
    (session,) = feed.sessions
    assert isinstance(session, BinanceSession)
    open_(session, 0.0)
    event(session, 0.1, 0, 1)
    return feed, session


def begun(**plan: Any) -> tuple[Binance, BinanceSession, BinanceSession, float]:
    """Return a feed whose rollover has begun, and when."""
    feed, old = running(**plan)
    start = 22.5 * HOUR_S + 37 * 60.0 - 1_800 + 20
    assert len(tick(feed, start)) == 1
    _, new = feed.sessions
    assert isinstance(new, BinanceSession)
    return feed, old, new, start


def test_it_begins_at_the_quiet_minute_within_the_last_90_to_30_minutes() -> None:
    feed, _ = running()
    starts = [second for second in range(int(21 * HOUR_S), int(23.6 * HOUR_S)) if tick(feed, float(second))]
    assert starts[0] == 22 * 3600 + 37 * 60 + 20  # 22:37:20: 83 minutes before the end


@pytest.mark.parametrize("minute", range(0, 60, 7))
def test_every_quiet_minute_lies_in_the_window(minute: int) -> None:
    feed, _ = running(minute=minute)
    start = next(second for second in range(0, 86_400, 5) if tick(feed, float(second)))
    assert 30 * 60 <= 86_400 - start <= 90 * 60
    assert start // 60 % 60 == minute


def test_a_program_that_slept_through_the_window_begins_at_once() -> None:
    feed, _ = running()
    assert tick(feed, 23.75 * HOUR_S)


def test_the_old_one_goes_when_all_streams_were_seen_and_some_seconds_more() -> None:
    feed, old, new, start = begun()
    assert (new.name, new.url, new.wanted) == ("binance.usdm/market#1.2", old.url, old.wanted)
    assert old.loss_is_gap  # until the new one delivers
    open_(new, start + 1)
    event(new, start + 2, 0)
    assert tick(feed, start + 3) == []
    assert not new.is_ready
    event(new, start + 4, 1)
    assert old.is_covered
    assert tick(feed, start + 4) == []
    assert tick(feed, start + 8) == []
    (line,) = tick(feed, start + 9)
    assert line == "rollover: binance.usdm/market#1.2 has taken over from binance.usdm/market#1 after 9.0 s"
    assert feed.sessions == [new]
    assert old.is_covered
    assert new.loss_is_gap
    assert new.wants_data is False


def test_a_new_one_whose_events_were_all_seen_before_is_trusted_after_a_while() -> None:
    feed, _, new, start = begun()
    open_(new, start)
    assert new.wants_echoes
    assert not new.is_delivering
    new.on_data(Batch(), str, start + 1)  # a frame without anything new
    assert tick(feed, start + 29) == []
    assert tick(feed, start + 31) == []
    assert len(tick(feed, start + 36)) == 1
    assert feed.sessions == [new]
    assert new.deadline() == start + 36 + 30  # and from here on its silence counts
    assert new.tick(start + 40) == []


def test_a_new_one_that_sends_nothing_is_given_up_and_tried_again_later() -> None:
    feed, old, new, start = begun(retry_s=100.0)
    open_(new, start)
    (line,) = tick(feed, start + 30)
    assert "has sent nothing and is given up; binance.usdm/market#1 stays" in line
    assert feed.sessions == [old]
    assert old.twin is None
    assert tick(feed, start + 39) == []
    assert tick(feed, 23.5 * HOUR_S) != []
    assert feed.sessions[1].name == "binance.usdm/market#1.3"


def test_a_new_one_that_cannot_connect_is_given_up() -> None:
    feed, old, _, start = begun()
    assert tick(feed, start + 29) == []
    assert len(tick(feed, start + 30)) == 1
    assert feed.sessions == [old]


def test_an_old_one_that_ends_early_leaves_the_new_one_alone() -> None:
    feed, old, new, start = begun()
    open_(new, start + 1)
    old.disconnected()
    assert len(tick(feed, start + 2)) == 1
    assert feed.sessions == [new]


def test_what_is_wanted_meanwhile_goes_to_both() -> None:
    feed, old, new, start = begun()
    open_(new, start)
    feed.subscribe(["btcusdt@kline_1m"])
    for session in (old, new):
        assert "btcusdt@kline_1m" in str(session.tick(start + 1))
    feed.unsubscribe(["btcusdt@kline_1m"])
    for session in (old, new):
        assert "UNSUBSCRIBE" in str(session.tick(start + 2))


def test_silence_is_no_fault_while_both_are_up() -> None:
    feed, old, new, start = begun(limit_s=1_000.0)
    open_(new, start)
    for session in (old, new):
        assert session.tick(start + 500) == []
        assert session.deadline() is None
    tick(feed, start + 500)
    assert len(feed.sessions) == 2


def test_a_stale_stream_gets_a_new_connection_without_the_others_losing_theirs() -> None:
    feed, old = running()
    now = 0.1
    while not old.renew:
        now += 1.0
        event(old, now, 0)
        for action in old.tick(now):
            assert not isinstance(action, Close)
            if isinstance(action, Send):
                old.on_control(Reply(msgspec.json.decode(str(action.text))["id"]), now)
    (line,) = tick(feed, now)
    assert "sends no event of ethusdt@aggTrade" in line
    _, new = feed.sessions
    assert isinstance(new, BinanceSession)
    open_(new, now)
    event(new, now, 0)
    assert tick(feed, now + 30) == []
    assert len(tick(feed, now + 35)) == 1
    # It is no better: given up, and no third connection.
    while "ethusdt@aggTrade" not in str(actions := new.tick(now)):
        now += 1.0
        event(new, now, 0)
    assert "given up" in str(actions)
    assert new.renew == ""
    assert tick(feed, now + 1) == []


def happen(session: BinanceSession, what: str, now: float) -> None:
    match what, session.up_since:
        case "open", None:
            open_(session, now)
        case _, None:
            pass
        case "lose", _:
            session.disconnected()
        case "event", _:
            event(session, now, 0, 1)
        case "echo", _:
            session.on_data(Batch(), str, now)
        case "shut down", _:
            session.on_control(Reply(0, "status", "serverShutdown"), now)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["open", "lose", "event", "echo", "shut down"]),
        st.integers(0, 1),
        st.sampled_from([0.0, 0.25, 1.0, 6.0, 31.0, 700.0, 3_600.0, 80_000.0]),
    ),
    max_size=80,
)


@given(EVENTS)
@settings(max_examples=400, deadline=None)
def test_whatever_happens_somebody_is_left_and_no_working_connection_goes_for_a_silent_one(
    events: list[tuple[str, int, float]],
) -> None:
    feed, _ = running()
    now, opened_at = 0.1, 0.0
    for what, which, wait in events:
        before = binance(feed)
        session = before[which % len(before)]
        happen(session, what, now)
        now += wait
        lines = tick(feed, now)
        after = binance(feed)
        assert bool(lines) == (before != after)
        assert [each.twin for each in after] == (after[::-1] if len(after) == 2 else [None])
        if len(before) < len(after):
            opened_at = before[0].up_since or 0.0
        elif len(before) > len(after):
            (stays,) = after
            (gone,) = (each for each in before if each is not stays)
            if gone is before[0]:
                was_lost = gone.up_since != opened_at
                assert stays.is_delivering or (was_lost and stays.up_since is not None)
            else:
                assert not gone.is_delivering


@pytest.mark.parametrize(
    "plan", [{"early_s": 60.0, "late_s": 90.0}, {"life_s": 3_600.0}, {"minute": 60}, {"second": -1}, {"late_s": -1.0}]
)
def test_a_plan_that_cannot_be_kept_is_refused(plan: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="rollover"):
        Rollover(**plan)
