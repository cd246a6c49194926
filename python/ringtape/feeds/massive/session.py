"""Massive's stream protocol as a machine without I/O.

::

    connected()          "connected"            "auth_success"           every name confirmed
    ───────────► GREETING ─────────► AUTHENTICATING ────────► SUBSCRIBED ──────────────────────► live
                    │ 10 s                 │ refused: once more, then fatal
                    └─► close              │ 10 s: close          "max_connections" twice in 60 s: fatal, anywhere

The wanted names belong to the feed and outlive connections; `_asked`, `_overdue` and `_held` belong to the
connection. After every change the difference is sent, in batches: names wanted and not yet asked for, names asked
for and no longer wanted. Names are compared whole: ``A.*`` has nothing to do with ``AM.*``. The difference is
computed once for a batch, never for a confirmation, since ten thousand of those may come in one read.

SOURCE: the venue's documentation and observed sessions, 2026-08 to 2026-09.
"""

from __future__ import annotations

from enum import Enum, auto
from itertools import islice, takewhile

import msgspec

from ringtape.config import Secret
from ringtape.errors import AuthenticationError, ProtocolError, SubscriptionError
from ringtape.feeds.base import Action, Close, Control, Fatal, FeedState, Send, Session, State, Warn, some

__all__ = ["MassiveSession", "Pacing"]

_REFUSALS = frozenset({"auth_failed", "auth_timeout"})
_THREATS = frozenset({"slow_consumer", "force_disconnect"})
_CROWDED_WITHIN_S = 60.0


class Pacing(msgspec.Struct, frozen=True, kw_only=True):
    """Time limits of a session, in seconds, and the size of its requests."""

    greeting_s: float = 10.0
    """From the open socket to the venue's ``connected``."""
    auth_s: float = 10.0
    """From our key to the venue's answer."""
    confirm_s: float = 10.0
    """From a subscription to its confirmation."""
    batch: int = 500
    """Names in one subscribe message."""
    pause_s: float = 0.1
    """Between two subscribe messages."""


class _Phase(Enum):
    DOWN = auto()
    GREETING = auto()
    AUTHENTICATING = auto()
    SUBSCRIBED = auto()


class MassiveSession(Session):
    """One connection to Massive.

    Parameters
    ----------
    venue, url
        Venue id and full address.
    key
        What to authenticate with.
    wanted
        The wanted names as keys, in order. A live view: the feed changes it and calls `wanted_changed`.
    pacing
        Time limits.
    """

    def __init__(self, venue: str, url: str, key: Secret, wanted: dict[str, None], pacing: Pacing) -> None:
        super().__init__(venue, venue, url)
        self._key = key
        self._wanted = wanted
        self._pacing = pacing
        self._phase = _Phase.DOWN
        self._phase_ends = 0.0
        # INVARIANT: the three are disjoint; `_asked` is in order of time, oldest first.
        self._asked: dict[str, float] = {}
        self._overdue: set[str] = set()
        self._held: set[str] = set()
        self._complete = False
        self._next_send = 0.0
        self._refusals = 0
        self._crowded_at: float | None = None
        self._state = FeedState.CONNECTING

    @property
    def confirmed(self) -> frozenset[str]:
        """Names that the venue has confirmed on this connection."""
        return frozenset(self._held)

    def connected(self, now: float) -> list[Action]:
        """Wait for the greeting: the venue speaks first."""
        self._phase = _Phase.GREETING
        self._phase_ends = now + self._pacing.greeting_s
        return []

    def disconnected(self) -> None:
        """Forget the connection, not the wanted names or the refusals."""
        self._phase = _Phase.DOWN
        self._asked.clear()
        self._overdue.clear()
        self._held.clear()
        self._complete = False
        self._state = FeedState.CONNECTING

    def on_control(self, control: Control, now: float) -> list[Action]:
        """Take a status; unknown ones are ignored."""
        status = control.status or ""
        message = self._key.mask((control.message or "").strip())
        if status == "success":
            return self._confirmed(message)
        if status == "connected":
            return self._authenticate(now)
        if status == "auth_success":
            return self._authenticated(now)
        if status == "max_connections":
            return self._crowded(message, now)
        if status in _REFUSALS:
            return self._refused(status, message)
        return self._complaint(status, message)

    def wanted_changed(self) -> None:
        """Compare wanted and asked names anew at the next tick."""
        self._complete = False

    def tick(self, now: float) -> list[Action]:
        """Send the next batch of subscriptions; notice answers that are overdue."""
        if self._phase is _Phase.SUBSCRIBED:
            return [*self._request(now), *self._notice_overdue(now)]
        if self._phase is _Phase.DOWN or now < self._phase_ends:
            return []
        awaited = "greeting" if self._phase is _Phase.GREETING else "answer to the key"
        return [Close(1000, f"no {awaited} within the time limit")]

    def deadline(self) -> float | None:
        """Return the nearest of: end of the phase, next batch, first overdue confirmation."""
        if self._phase is _Phase.DOWN:
            return None
        if self._phase is not _Phase.SUBSCRIBED:
            return self._phase_ends
        times = [asked + self._pacing.confirm_s for asked in islice(self._asked.values(), 1)]
        if not self._complete:
            times.append(self._next_send)
        return min(times, default=None)

    def _authenticate(self, now: float) -> list[Action]:
        if self._phase is not _Phase.GREETING:
            return []
        self._phase = _Phase.AUTHENTICATING
        self._phase_ends = now + self._pacing.auth_s
        request = msgspec.json.encode({"action": "auth", "params": self._key.reveal()})
        return [Send(Secret(request.decode()))]

    def _authenticated(self, now: float) -> list[Action]:
        if self._phase is not _Phase.AUTHENTICATING:
            return []
        self._phase = _Phase.SUBSCRIBED
        self._refusals = 0
        self._next_send = now
        if not self._wanted:
            return self._become(FeedState.LIVE)
        return [*self._become(FeedState.SUBSCRIBING), *self._request(now)]

    def _refused(self, status: str, message: str) -> list[Action]:
        """One refusal may be an outage at the venue; a second one is an answer."""
        self._refusals += 1
        if self._refusals == 1:
            return [Close(1000, f"{status}: {message}")]
        return [
            Fatal(
                AuthenticationError(
                    f"{self.venue} refused the key twice ({status}: {message}); check the key and the plan", self.venue
                )
            )
        ]

    def _crowded(self, message: str, now: float) -> list[Action]:
        """Give way to a second client on the same key: the two would evict each other for ever."""
        before, self._crowded_at = self._crowded_at, now
        if before is None or now - before > _CROWDED_WITHIN_S:
            return [Close(1000, f"max_connections: {message}")]
        return [
            Fatal(
                AuthenticationError(
                    f"{self.venue}: another client uses this key: the venue refused our connection twice within"
                    f" {_CROWDED_WITHIN_S:.0f} s (max_connections)",
                    self.venue,
                )
            )
        ]

    def _confirmed(self, message: str) -> list[Action]:
        verb, _, name = message.partition(": ")
        if verb != "subscribed to" or not self._was_open(name):
            return []
        self._held.add(name)
        if self._asked or self._overdue or not self._complete:
            return []
        return self._become(FeedState.LIVE)

    def _was_open(self, name: str) -> bool:
        """Take a name off the unconfirmed ones; False where it is not among them."""
        if self._asked.pop(name, None) is not None:
            return True
        if name in self._overdue:
            self._overdue.remove(name)
            return True
        return False

    def _complaint(self, status: str, message: str) -> list[Action]:
        """Report what the venue dislikes; words we do not know are ignored."""
        if status == "error":
            # QUIRK: "not authorized" does not say for which channel; the others of the request are still confirmed.
            pending = some(self._asked) or "none"
            text = f"{self.venue} refused a subscription: {message}; not confirmed so far: {pending}"
            return [Warn(SubscriptionError(text, self.venue)), *self._become(FeedState.DEGRADED, message)]
        if status in _THREATS:
            return [Warn(ProtocolError(f"{self.venue} is about to drop us: {status} {message}".rstrip(), self.venue))]
        return []

    def _request(self, now: float) -> list[Action]:
        if self._complete or now < self._next_send:
            return []
        open_names = self._asked.keys() | self._overdue | self._held
        surplus = sorted(open_names - self._wanted.keys())[: self._pacing.batch]
        if surplus:
            for name in surplus:
                self._asked.pop(name, None)
            self._overdue.difference_update(surplus)
            self._held.difference_update(surplus)
            return [self._batch("unsubscribe", surplus, now)]
        missing = [name for name in self._wanted if name not in open_names]
        self._complete = len(missing) <= self._pacing.batch
        if not missing:
            return []
        batch = missing[: self._pacing.batch]
        self._asked.update(dict.fromkeys(batch, now))
        return [self._batch("subscribe", batch, now)]

    def _batch(self, action: str, names: list[str], now: float) -> Send:
        self._next_send = now + self._pacing.pause_s
        return Send(msgspec.json.encode({"action": action, "params": ",".join(names)}).decode())

    def _notice_overdue(self, now: float) -> list[Action]:
        # QUIRK: an unknown channel gets no answer at all, so silence is the only sign of it.
        limit = now - self._pacing.confirm_s
        late = list(takewhile(lambda name: self._asked[name] <= limit, self._asked))
        if not late:
            return []
        for name in late:
            del self._asked[name]
        self._overdue.update(late)
        text = f"{self.venue} did not confirm {some(late)}: unknown channel, or not in the plan"
        return [
            Warn(SubscriptionError(text, self.venue)),
            *self._become(FeedState.DEGRADED, f"unconfirmed: {some(self._overdue)}"),
        ]

    def _become(self, state: FeedState, detail: str = "") -> list[Action]:
        if state is self._state and not detail:
            return []
        self._state = state
        return [State(state, detail)]
