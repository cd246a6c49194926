"""Which streams of a connection are silent though they should not be, and what to do about each.

A socket that is open, answers pings and has confirmed every subscription may still leave a stream out. Each watched
stream is *looked for*, from a moment on until its next event is seen; then it *rests* until half its limit has
passed, and is looked for again. Only while a stream is looked for does anybody look into batches, so watching costs
nothing for each event, and a busy connection is looked into for a few batches in every half limit.

::

                  seen                 patience over, others alive
    resting ◄──────────── looked for ──────────────────────────────► 1st: subscribe it once more
       │  half a limit        ▲                                       2nd: open a new connection
       └──────────────────────┘                                       3rd: give up: degraded until it is seen

Patience is the stream's limit, or ten times the longest that we ever had to wait for this stream where that is more,
up to ten limits: what trades once in a minute is not broken after one. The steps outlive the connection and end with
the first event, so a stream that does not exist costs one new connection and no more.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from enum import Enum, auto

__all__ = ["Stale", "Staleness", "Step"]

_PATIENCE = 10.0
_VOUCHERS = 2
_LATE_S = 1.0


class Step(Enum):
    """What to do about a silent stream."""

    RESUBSCRIBE = auto()
    RECONNECT = auto()
    DEGRADE = auto()


@dataclass(frozen=True, slots=True)
class Stale:
    """A stream that was silent for too long."""

    name: str
    step: Step
    silent_s: float


@dataclass(slots=True)
class _Watch:
    limit: float | None
    """None: looked for until it is seen once, and not watched after that."""
    since: float
    due: float
    """When it is looked for again, or judged; the one entry of the heap that counts."""
    patience: float
    is_confirmed: bool
    vouchers: int | None = None
    """Signs from elsewhere that there was something to deliver since then; None where silence alone is a fault."""


class Staleness:
    """The watched streams of one connection. Times are monotonic seconds, passed in.

    Parameters
    ----------
    first_s
        Patience with a stream that has not delivered on this connection yet.
    is_never_quiet
        Whether the market always trades: then silence of all streams together is a fault too, and the connection is
        replaced; else it is night.

    Notes
    -----
    Cost: `seen` is a dictionary look-up, `judge` and `watch` are O(log n); some 200 bytes a stream.
    """

    def __init__(self, first_s: float, *, is_never_quiet: bool) -> None:
        self._first_s = first_s
        self._is_never_quiet = is_never_quiet
        self._watches: dict[str, _Watch] = {}
        self._looked_for: dict[str, None] = {}
        self._unconfirmed: dict[str, None] = {}
        self._heap: list[tuple[float, str]] = []
        self._last_event = float("-inf")
        # What outlives the connection.
        self._steps: dict[str, int] = {}
        self._slowest: dict[str, float] = {}

    @property
    def is_looking(self) -> bool:
        """Whether batches have to be looked into."""
        return bool(self._looked_for)

    @property
    def unconfirmed(self) -> tuple[str, ...]:
        """Streams that have not delivered on this connection, in the order in which they were watched."""
        return tuple(self._unconfirmed)

    @property
    def is_complete(self) -> bool:
        """Whether every watched stream has delivered and none was silent too long since."""
        return not self._unconfirmed and self._steps.keys().isdisjoint(self._watches)

    @property
    def is_settled(self) -> bool:
        """Whether no stream's first event is waited for any longer, be it that it came or that it was given up."""
        return all(self._steps.get(name, 0) >= len(Step) for name in self._unconfirmed)

    @property
    def stale(self) -> tuple[str, ...]:
        """Streams that were silent too long and have not been seen since."""
        return tuple(name for name in self._watches if name in self._steps)

    def is_watched(self, name: str) -> bool:
        """Return whether the stream is watched; a stream without a limit is until it was seen."""
        return name in self._watches

    def watch(self, name: str, limit: float | None, now: float) -> None:
        """Look for a stream that was just subscribed."""
        patience = max(self._first_s, self._patience(name, limit)) if name in self._slowest and limit else self._first_s
        self._watches[name] = _Watch(limit, now, now, patience, is_confirmed=False)
        self._unconfirmed[name] = None
        self._look_for(name, now)

    def watch_confirmed(self, name: str, limit: float, now: float, *, is_vouched_for: bool = False) -> None:
        """Look for a stream whose subscription the venue has confirmed in a way that can be relied on.

        With `is_vouched_for` its silence is a fault only where `vouch` said that there was something to deliver.
        """
        vouchers = 0 if is_vouched_for else None
        self._watches[name] = _Watch(limit, now, now, self._patience(name, limit), True, vouchers)
        self._look_for(name, now)

    def vouch(self, name: str) -> None:
        """Take note that a stream had something to deliver: another one shows it."""
        if name in self._looked_for and (watch := self._watches[name]).vouchers is not None:
            watch.vouchers += 1

    def subscribed_again(self, name: str, now: float) -> None:
        """Give a stream its full time anew; nothing where it is not looked for, or is given up."""
        if name in self._looked_for and self._steps.get(name, 0) < len(Step):
            self._look_for(name, now)

    def forget(self, name: str) -> None:
        """Watch a stream no longer: nobody wants it."""
        self._drop(name)
        self._steps.pop(name, None)
        self._slowest.pop(name, None)

    def start_over(self) -> None:
        """Forget what belonged to the connection."""
        self._watches.clear()
        self._looked_for.clear()
        self._unconfirmed.clear()
        self._heap.clear()
        self._last_event = float("-inf")

    def inherit(self, other: Staleness) -> None:
        """Take over what is known of the same streams from the connection that is replaced."""
        self._steps = dict(other._steps)
        self._slowest = dict(other._slowest)

    def look_anew(self, now: float) -> None:
        """Give every stream its full time again: until now silence meant nothing."""
        for name in self._looked_for:
            self._look_for(name, now)

    def event(self, now: float) -> None:
        """Take note that the connection delivered something."""
        self._last_event = now

    def seen(self, name: str, now: float) -> None:
        """Take note of an event of a stream; nothing where it is not looked for."""
        if name not in self._looked_for:
            return
        watch = self._watches[name]
        del self._looked_for[name]
        self._unconfirmed.pop(name, None)
        self._steps.pop(name, None)
        if watch.limit is None:
            self._drop(name)
            return
        if watch.is_confirmed:
            self._slowest[name] = max(self._slowest.get(name, 0.0), now - watch.since)
        watch.is_confirmed = True
        watch.patience = self._patience(name, watch.limit)
        # All streams of a limit are looked for at the same time, so that a few batches serve them all.
        half = watch.limit / 2
        self._schedule(name, watch, (now // half + 1.0) * half)

    def judge(self, now: float) -> list[Stale]:
        """Return the streams whose time is over, and go on looking for them."""
        found: list[Stale] = []
        while self._heap and self._heap[0][0] <= now:
            due, name = heapq.heappop(self._heap)
            watch = self._watches.get(name)
            if watch is None or watch.due != due:
                continue
            if name not in self._looked_for:
                self._look_for(name, now)
            elif now - due > _LATE_S:
                # The loop was blocked: what arrived meanwhile is still in the kernel and is read before the next timer.
                self._schedule(name, watch, now + _LATE_S)
            elif stale := self._judge(name, watch, now):
                found.append(stale)
        if any(stale.step is Step.RECONNECT for stale in found):
            # The new connection serves all that are silent; each would open one of its own otherwise.
            self._steps.update((name, max(step, 2)) for name, step in self._steps.items() if name in self._watches)
        return found

    def deadline(self) -> float | None:
        """Return when `judge` must be called next."""
        while self._heap:
            due, name = self._heap[0]
            watch = self._watches.get(name)
            if watch is not None and watch.due == due:
                return due
            heapq.heappop(self._heap)
        return None

    def _judge(self, name: str, watch: _Watch, now: float) -> Stale | None:
        is_alone = watch.is_confirmed and self._last_event <= now - watch.patience / 2
        has_nothing = watch.vouchers is not None and watch.vouchers < _VOUCHERS
        if has_nothing or (is_alone and not self._is_never_quiet):
            self._look_for(name, now)
            return None
        # Subscribing a stream again does not help a connection that delivers nothing at all.
        step = min(max(self._steps.get(name, 0), 1 if is_alone else 0), len(Step) - 1)
        self._steps[name] = step + 1
        silent_s = now - watch.since
        if step == len(Step) - 1:
            watch.due = float("inf")  # looked for, and judged no more
            return Stale(name, Step.DEGRADE, silent_s)
        watch.vouchers = None if watch.vouchers is None else 0
        watch.due = now + watch.patience
        heapq.heappush(self._heap, (watch.due, name))
        return Stale(name, list(Step)[step], silent_s)

    def _patience(self, name: str, limit: float) -> float:
        return max(limit, _PATIENCE * min(limit, self._slowest.get(name, 0.0)))

    def _look_for(self, name: str, now: float) -> None:
        watch = self._watches[name]
        self._looked_for[name] = None
        watch.since = now
        watch.vouchers = None if watch.vouchers is None else 0
        self._schedule(name, watch, now + watch.patience)

    def _schedule(self, name: str, watch: _Watch, due: float) -> None:
        watch.due = due
        heapq.heappush(self._heap, (due, name))

    def _drop(self, name: str) -> None:
        self._watches.pop(name, None)
        self._looked_for.pop(name, None)
        self._unconfirmed.pop(name, None)
