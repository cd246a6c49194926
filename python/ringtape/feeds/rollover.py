"""Replace a connection before its venue ends it: make before break.

::

    age    0 ──────────── 22:30 h ─── quiet minute ─── 23:30 h ── 24 h
    old    ██████████████████████████████████████┐
    new                        start ▒▒▒▒▒▒▒▒▒▒▒▒█████████████████████
                                     subscribing │ settle_s
                                     every stream seen, or limit_s

Both deliver while they overlap, and the engine drops what it has seen by its id. That also means that events of the
newcomer may all be dropped because the old connection was ahead each time, so a newcomer that has sent anything at
all is trusted after `limit_s`; one that has sent nothing is given up, and the old one stays. The old one is kept for
`settle_s` more since it may be behind the newcomer, and what lies between would be lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, Self, TypeVar

import msgspec

from ringtape.errors import ConfigError

__all__ = ["Relay", "Replaceable", "Rollover"]

_MINUTE_NS = 60_000_000_000
_HOUR_S = 3600


class Rollover(msgspec.Struct, frozen=True, kw_only=True):
    """When and how connections are replaced; times in seconds.

    WHY minute 37, second 20: it lies between all closes of candles from 5 minutes up and as far from the quarter
    hours as a minute can, where volume bursts and funding is paid; and an overlap of half a minute ends before the
    close of the 1-minute candle.
    """

    life_s: float = 86_400.0
    """After which the venue ends a connection."""
    early_s: float = 5_400.0
    """Before that end, when a replacement may begin."""
    late_s: float = 1_800.0
    """Before that end, when it begins whatever the minute."""
    minute: int = 37
    """The quiet minute: of every hour, so that one lies in any window of an hour."""
    second: int = 20
    """Second of the quiet minute."""
    limit_s: float = 30.0
    """How long streams of the newcomer that show no event of their own are waited for."""
    settle_s: float = 5.0
    """How long both go on after that."""
    retry_s: float = 600.0
    """After a newcomer that sent nothing, before the next one."""

    def __post_init__(self) -> None:
        """Refuse what cannot be kept."""
        if not 0 <= self.late_s < self.early_s < self.life_s:
            text = f"rollover: 0 <= late_s < early_s < life_s, not {self.late_s}, {self.early_s}, {self.life_s}"
            raise ConfigError(text, "rollover", "arguments")
        if not (0 <= self.minute < 60 and 0 <= self.second < 60):  # noqa: PLR2004 - minutes and seconds of a clock
            raise ConfigError(
                f"rollover: no minute {self.minute}:{self.second:02d} of an hour", "rollover", "arguments"
            )

    def is_due(self, age_s: float, unix_ns: int) -> bool:
        """Return whether a connection of that age shall be replaced now."""
        left = self.life_s - age_s
        if left > self.early_s:
            return False
        into_minute = unix_ns // 1_000_000_000 % _HOUR_S - self.minute * 60
        return left <= self.late_s or self.second <= into_minute < 60  # noqa: PLR2004


class Replaceable(Protocol):
    """A session that another one can take over from."""

    name: str
    renew: str
    """Why the session wants a new connection now; empty while it does not."""
    twin: Self | None
    """The other connection of an overlap."""

    @property
    def up_since(self) -> float | None:
        """When the socket was opened; None while there is none."""

    @property
    def is_ready(self) -> bool:
        """Whether all requests are answered and all streams that can be recognised were seen."""

    @property
    def is_delivering(self) -> bool:
        """Whether all requests are answered and anything has come, be it what another connection sent before."""

    def succeed(self, other: Self) -> None:
        """Take over what is known of the streams from the connection that is replaced."""

    def alone(self, now: float) -> None:
        """Note that the overlap has ended and this connection is the one that stays."""


S = TypeVar("S", bound=Replaceable)


class Relay(Generic[S]):
    """The connection of one set of streams, and its successor while there is one.

    Parameters
    ----------
    make
        Returns a session for the n-th connection of the set.
    plan
        When to replace.
    """

    def __init__(self, make: Callable[[int], S], plan: Rollover) -> None:
        self._make = make
        self._plan = plan
        self._made = 1
        self.current = make(1)
        self.successor: S | None = None
        self._began = 0.0
        self._old_up_since: float | None = None
        self._covered_since: float | None = None
        self._not_before = float("-inf")

    @property
    def sessions(self) -> list[S]:
        """One session, two during an overlap."""
        return [self.current] if self.successor is None else [self.current, self.successor]

    def tick(self, now: float, unix_ns: int) -> list[str]:
        """Begin, end or give up an overlap; return a line for the log for each."""
        if self.successor is None:
            return self._begin(now, unix_ns)
        return self._overlap(self.successor, now)

    def _begin(self, now: float, unix_ns: int) -> list[str]:
        up_since = self.current.up_since
        if up_since is None or now < self._not_before:
            return []
        why = self.current.renew
        if not why and self._plan.is_due(now - up_since, unix_ns):
            why = f"{self.current.name} is {(now - up_since) / _HOUR_S:.1f} h old"
        if not why:
            return []
        self._made += 1
        self._began, self._old_up_since, self._covered_since = now, up_since, None
        self.successor = self._make(self._made)
        self.successor.succeed(self.current)
        self.successor.twin, self.current.twin = self.current, self.successor
        self.current.renew = ""
        return [f"rollover: {self.successor.name} joins: {why}"]

    def _overlap(self, successor: S, now: float) -> list[str]:
        if successor.up_since is None:
            return self._give_up(successor, now) if now - self._began >= self._plan.limit_s else []
        # A connection that was lost has nothing left to say, though it may be trying, or be back already.
        is_old_lost = self.current.up_since != self._old_up_since
        is_late = now - successor.up_since >= self._plan.limit_s
        if successor.is_ready or (is_late and successor.is_delivering):
            self._covered_since = now if self._covered_since is None else self._covered_since
            is_settled = now - self._covered_since >= self._plan.settle_s
            return self._end(successor, now) if is_old_lost or is_settled else []
        self._covered_since = None
        if is_old_lost:
            return self._end(successor, now)
        return self._give_up(successor, now) if is_late else []

    def _end(self, successor: S, now: float) -> list[str]:
        line = f"rollover: {successor.name} has taken over from {self.current.name} after {now - self._began:.1f} s"
        self.current, self.successor = successor, None
        self._part(self.current, now)
        return [line]

    def _give_up(self, successor: S, now: float) -> list[str]:
        self.successor = None
        self._not_before = now + self._plan.retry_s
        self._part(self.current, now)
        return [f"rollover: {successor.name} has sent nothing and is given up; {self.current.name} stays"]

    @staticmethod
    def _part(stays: S, now: float) -> None:
        # The one that goes keeps its twin: while it goes, its end is no gap.
        stays.twin = None
        stays.alone(now)
