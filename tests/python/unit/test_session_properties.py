"""Whatever comes in whatever order, a session ends with what is wanted and never goes too fast.

A pretend venue takes the requests, and hypothesis decides what happens next: an answer, an event, silence, a loss, a
change of what is wanted. In the end everything outstanding is answered and the two sides are compared.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ringtape.config import Secret
from ringtape.feeds import Binance, Massive
from ringtape.feeds.base import Action, Close, Fatal, FeedState, Records, Send, Session, State
from ringtape.feeds.binance.session import Pacing as BinancePacing
from ringtape.feeds.massive.session import Pacing as MassivePacing
from ringtape.feeds.staleness import Staleness, Step

SYMBOLS = ["A", "B", "C", "D", "E", "F"]


def records(*symbols: int) -> Records:
    dtype = [("symbol", "<u4"), ("flags", "<u2"), ("interval_ms", "<u4"), ("what", "u1")]
    return np.array([(symbol, 1, 0, 0) for symbol in symbols], dtype=dtype)


@dataclass
class Batch:
    trades: Records
    quotes: Records = field(default_factory=records)
    venue_bars: Records = field(default_factory=records)
    marks: Records = field(default_factory=records)
    values: Records = field(default_factory=records)
    bands: Records = field(default_factory=records)
    imbalances: Records = field(default_factory=records)
    control: tuple[Any, ...] = ()

    def __len__(self) -> int:
        return len(self.trades)


@dataclass
class Control:
    kind: str
    status: str | None = None
    message: str | None = None
    id: int | None = None
    code: int | None = None
    conn: int = 1


class Venue:
    """What both venues share: the connection, its subscriptions, the answers on their way, and a clock."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.now = 0.0
        self.held: set[str] = set()
        self.answers: deque[Control] = deque()
        self.sent: list[float] = []
        self.state = FeedState.CONNECTING
        self.is_up = False
        self.connect()

    def connect(self) -> None:
        self.is_up = True
        self.held.clear()
        self.answers.clear()
        self.perform(self.session.connected(self.now))
        self.greet()

    def greet(self) -> None:
        """Say what the venue says first."""

    def request(self, text: str) -> None:
        raise AssertionError(text)

    def lose(self) -> None:
        self.is_up = False
        self.session.disconnected()
        assert self.session.deadline() is None
        # Pace is kept by connection; the time between two is the shell's.
        self.sent.clear()
        self.now += 0.5
        self.connect()

    def perform(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send(text):
                    self.request(text.reveal() if isinstance(text, Secret) else text)
                case State(state):
                    self.state = state
                case Close():
                    self.lose()
                    return
                case Fatal(error):
                    raise AssertionError(error)

    def answer(self) -> None:
        if self.answers:
            self.perform(self.session.on_control(self.answers.popleft(), self.now))

    def event(self, *symbols: str) -> None:
        places = [SYMBOLS.index(symbol) for symbol in symbols if self.delivers(symbol)]
        if places and self.session.wants_data:
            self.perform(self.session.on_data(Batch(records(*places)), SYMBOLS.__getitem__, self.now))

    def delivers(self, symbol: str) -> bool:
        raise AssertionError(symbol)

    def wait(self, seconds: float) -> None:
        """Let time pass as the shell does: a tick at each deadline, none in between."""
        until = self.now + seconds
        while (deadline := self.session.deadline()) is not None and deadline <= until:
            before = self.now
            self.now = max(self.now, deadline)
            self.perform(self.session.tick(self.now))
            after = self.session.deadline()
            assert after is None or after > self.now or self.now > before, "a deadline that does not pass: a busy loop"
        self.now = max(self.now, until)

    def settle(self) -> None:
        for _ in range(60):
            while self.answers:
                self.answer()
            self.event(*SYMBOLS)
            self.wait(0.5)


class BinanceVenue(Venue):
    def request(self, text: str) -> None:
        request = msgspec.json.decode(text)
        names = set(request["params"])
        assert names
        self.held = self.held | names if request["method"] == "SUBSCRIBE" else self.held - names
        self.answers.append(Control("reply", id=request["id"]))
        self.sent.append(self.now)
        # Five messages in any second, of which a ping and a pong are two.
        assert sum(sent > self.now - 1.0 for sent in self.sent) <= 3

    def delivers(self, symbol: str) -> bool:
        return f"{symbol.lower()}@aggTrade" in self.held


class MassiveVenue(Venue):
    def greet(self) -> None:
        self.answers.append(Control("status", "connected"))

    def request(self, text: str) -> None:
        request = msgspec.json.decode(text)
        if request["action"] == "auth":
            self.answers.append(Control("status", "auth_success"))
            return
        names = request["params"].split(",")
        assert len(names) <= 2
        assert not self.sent or self.now - self.sent[-1] >= 0.1 - 1e-9
        self.sent.append(self.now)
        for name in names:
            if request["action"] == "unsubscribe":
                assert name in self.held, "unsubscribed what was not held"
                self.held.remove(name)
                self.answers.append(Control("status", "success", f"unsubscribed to: {name}"))
            elif name not in self.held:  # a repeated subscription gets no answer
                self.held.add(name)
                self.answers.append(Control("status", "success", f"subscribed to: {name}"))

    def delivers(self, symbol: str) -> bool:
        return f"T.{symbol}" in self.held


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("want"), st.sampled_from(SYMBOLS)),
        st.tuples(st.just("drop"), st.sampled_from(SYMBOLS)),
        st.tuples(st.just("event"), st.sampled_from(SYMBOLS)),
        st.tuples(st.just("traffic"), st.sampled_from(SYMBOLS)),
        st.tuples(st.just("answer"), st.just("")),
        st.tuples(st.just("lose"), st.just("")),
        st.tuples(st.just("wait"), st.sampled_from(["0.01", "0.3", "1", "7", "40"])),
    ),
    max_size=60,
)


def play(venue: Venue, feed: Binance | Massive, name: str, steps: list[tuple[str, str]]) -> None:
    for step, what in steps:
        match step:
            case "want":
                feed.subscribe([name.format(what)])
                venue.wait(0.0)
            case "drop":
                feed.unsubscribe([name.format(what)])
                venue.wait(0.0)
            case "event":
                venue.event(what)
            case "traffic":
                # The others are silent for long enough to be noticed.
                for _ in range(14):
                    venue.answer()
                    venue.event(what)
                    venue.wait(0.5)
            case "answer":
                venue.answer()
            case "lose":
                venue.lose()
            case _:
                venue.wait(float(what))
    venue.settle()
    assert venue.held == set(feed.subscriptions)
    assert venue.state is FeedState.LIVE


@given(STEPS)
@settings(max_examples=300, deadline=None)
def test_binance_ends_with_what_is_wanted(steps: list[tuple[str, str]]) -> None:
    pacing = BinancePacing(batch=2, cadence={"aggTrade": 5.0})
    feed = Binance("usdm", ["a@aggTrade"], pacing=pacing)
    (session,) = feed.sessions
    play(BinanceVenue(session), feed, "{}@aggTrade", steps)


@given(STEPS)
@settings(max_examples=300, deadline=None)
def test_massive_ends_with_what_is_wanted(steps: list[tuple[str, str]]) -> None:
    pacing = MassivePacing(batch=2, cadence={"T": 5.0}, quiet_within_s=3.0)
    feed = Massive("stocks", ["T.A"], key="secret", pacing=pacing)
    (session,) = feed.sessions
    play(MassiveVenue(session), feed, "T.{}", steps)


@given(
    silent=st.sets(st.sampled_from(SYMBOLS), max_size=len(SYMBOLS) - 1),
    limit=st.sampled_from([2.0, 5.0, 60.0]),
    period=st.floats(0.05, 1.0),
    start=st.floats(0.0, 100.0),
)
@settings(max_examples=200, deadline=None)
def test_exactly_the_silent_streams_are_found_in_time(
    silent: set[str], limit: float, period: float, start: float
) -> None:
    staleness = Staleness(30.0, is_never_quiet=False)
    for name in SYMBOLS:
        staleness.watch(name, limit, start)
        staleness.seen(name, start + 0.1)
    now, found = start + 0.1, dict[str, list[Step]]()
    last = now
    # A look begins within half the limit and lasts for the patience, at most ten times the slowest or the limit.
    patience = max(limit, 10 * period)
    end = now + limit / 2 + 3 * patience + 5 * period
    looked = steps = 0
    while now < end:
        now += period
        steps += 1
        if staleness.is_looking:
            looked += 1
            staleness.event(now)
            for name in SYMBOLS:
                if name not in silent:
                    staleness.seen(name, now)
        for stale in staleness.judge(now):
            found.setdefault(stale.name, []).append(stale.step)
            if stale.step is Step.RESUBSCRIBE:
                assert now - last >= limit
                assert now - last <= limit / 2 + patience + 2 * period
    assert found == {name: list(Step) for name in silent}
    assert set(staleness.stale) == silent
    for name in silent:
        staleness.seen(name, now)
    assert staleness.stale == ()
    assert staleness.is_complete
