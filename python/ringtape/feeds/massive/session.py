"""Massive's stream protocol as a machine without I/O.

::

    connected()          "connected"            "auth_success"           every name confirmed
    ───────────► GREETING ─────────► AUTHENTICATING ────────► SUBSCRIBED ──────────────────────► live
                    │ 10 s                 │ refused: once more, then fatal
                    └─► close              │ 10 s: close          "max_connections" twice in 60 s: fatal, anywhere

A name is confirmed by the venue's word, wildcards too; an unknown channel gets no answer, an unknown symbol is
confirmed and silent. So names with a cadence are watched by their data from the confirmation on (staleness.py):
subscribed once more, then a new connection, then degraded. There is one connection to a key, so a new one cannot
overlap the old: it is made in a quiet second.

The wanted names belong to the feed and outlive connections; `_asked`, `_overdue` and `_held` belong to the
connection. After every change the difference is sent, in batches: names wanted and not yet asked for, names asked
for and no longer wanted. Names are compared whole: ``A.*`` has nothing to do with ``AM.*``. The difference is
computed once for a batch, never for a confirmation, since ten thousand of those may come in one read.

SOURCE: the venue's documentation and observed sessions, 2026-08 to 2026-09.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from enum import Enum, auto
from itertools import islice, takewhile

import msgspec

from ringtape.config import Secret
from ringtape.errors import AuthenticationError, ConfigError, ProtocolError, SubscriptionError
from ringtape.feeds.base import (
    Action,
    Batch,
    Close,
    Control,
    Fatal,
    FeedState,
    Records,
    Send,
    Session,
    State,
    Warn,
    some,
)
from ringtape.feeds.staleness import Stale, Staleness, Step

__all__ = ["MassiveSession", "Pacing"]

_REFUSALS = frozenset({"auth_failed", "auth_timeout"})
_THREATS = frozenset({"slow_consumer", "force_disconnect"})
_CROWDED_WITHIN_S = 60.0

_SECOND_MS, _MINUTE_MS = 1_000, 60_000
_INDEX, _FAIR_VALUE, _LAST_VALUE = 1, 2, 3
# Channels whose events the engine delivers as one kind of record each.
_TRADES = ("T", "XT")
_QUOTES = ("Q", "XQ", "C")
_BARS = {_SECOND_MS: ("A", "XAS", "CAS"), _MINUTE_MS: ("AM", "XA", "CA")}
_VALUES = {_INDEX: ("V",), _FAIR_VALUE: ("FMV",), _LAST_VALUE: ("LV",)}
_BARS_OF_TRADES = {"T": "A", "XT": "XAS"}
_TRADES_OF_BARS = {bars: trades for trades, bars in _BARS_OF_TRADES.items()}
_CADENCE = {"T.*": 60.0, "Q.*": 60.0, "A.*": 60.0, "AM.*": 180.0}


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
    cadence: dict[str, float] = msgspec.field(default_factory=_CADENCE.copy)
    """How long a confirmed name may be silent while others of the connection are not: by whole name (``T.*``,
    ``T.AAPL``) or by channel, for its single symbols (``T``). Single symbols are not watched unless named: what is
    traded once an hour is not broken."""
    vouched_s: float = 10.0
    """How long trades of a single symbol may be missing while second bars of the same symbol come (``T.AAPL`` beside
    ``A.AAPL`` or ``A.*``): a bar is made of trades. Takes nothing where `cadence` names the symbol."""
    renew_s: float | None = None
    """Age at which the connection is made anew in a quiet second; None leaves it to the venue, which promises no end
    and drops connections at night."""
    quiet_s: float = 1.0
    """How long nothing must have come for a second to be quiet."""
    quiet_within_s: float = 60.0
    """How long a quiet second is waited for."""

    def __post_init__(self) -> None:
        """Refuse what sends nothing or never waits."""
        if self.batch < 1 or self.pause_s < 0.0:
            text = f"batch {self.batch} and pause_s {self.pause_s:g}: at least 1 name and 0 s"
            raise ConfigError(text, "pacing", "arguments")


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
        self._again: dict[str, None] = {}
        self._staleness = Staleness(pacing.confirm_s, is_never_quiet=False)
        self._renew_at: float | None = None
        self._renewing: str = ""
        self._renew_by = 0.0
        self._last_data = 0.0

    @property
    def requested(self) -> AbstractSet[str]:
        """Names that the venue was asked for."""
        return self._asked.keys() | self._overdue | self._held

    @property
    def stale(self) -> tuple[str, ...]:
        """Names that were silent for too long and have not delivered since."""
        return self._staleness.stale

    def mask(self, text: str) -> str:
        """Return `text` without the key."""
        return self._key.mask(text)

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
        self._again.clear()
        self._staleness.start_over()
        self._renew_at = None
        self._renewing = ""
        self.wants_data = False

    def on_control(self, control: Control, now: float) -> list[Action]:
        """Take a status; unknown ones are ignored."""
        status = control.status or ""
        message = self._key.mask((control.message or "").strip())
        if status == "success":
            return self._confirmed(message, now)
        if status == "connected":
            return self._authenticate(now)
        if status == "auth_success":
            return self._authenticated(now)
        if status == "max_connections":
            return self._crowded(message, now)
        if status in _REFUSALS:
            return self._refused(status, message)
        return self._complaint(status, message)

    def on_data(self, batch: Batch, symbol_name: Callable[[int], str], now: float) -> list[Action]:
        """Take note of the names that this batch has events of.

        Cost: one pass over the batch's symbols while a name is looked for; nothing but the time while a quiet second
        is.
        """
        self._last_data = now
        if not self._staleness.is_looking:
            return []
        self._staleness.event(now)
        for name in _names(batch, symbol_name):
            self._staleness.seen(name, now)
            channel, _, symbol = name.partition(".")
            if channel in _TRADES_OF_BARS:
                self._staleness.vouch(f"{_TRADES_OF_BARS[channel]}.{symbol}")
        self._set_wants()
        return self._settled()

    def wanted_changed(self) -> None:
        """Compare wanted and asked names anew at the next tick."""
        self._complete = False

    def tick(self, now: float) -> list[Action]:
        """Send the next batch of subscriptions; notice answers that are overdue."""
        if self._phase is _Phase.SUBSCRIBED:
            silent = self._staleness.judge(now)
            self._set_wants()
            return [
                *self._notice_silent(silent, now),
                *self._request(now),
                *self._notice_overdue(now),
                *self._renew(now),
            ]
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
        if self._renewing:
            times.append(min(self._last_data + self._pacing.quiet_s, self._renew_by))
        elif self._renew_at is not None:
            times.append(self._renew_at)
        if (silent := self._staleness.deadline()) is not None:
            times.append(silent)
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
        self._renew_at = None if self._pacing.renew_s is None else now + self._pacing.renew_s
        if not self._wanted:
            return self._become(FeedState.LIVE)
        return [*self._become(FeedState.SUBSCRIBING), *self._request(now)]

    def _refused(self, status: str, message: str) -> list[Action]:
        """One refusal may be an outage at the venue; a second one is an answer.

        No key in time is none: it was lost on its way, or the venue was too busy to read it.
        """
        self._refusals += status != "auth_timeout"
        if self._refusals <= 1:
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

    def _confirmed(self, message: str, now: float) -> list[Action]:
        verb, _, name = message.partition(": ")
        if verb != "subscribed to" or not self._was_open(name):
            return []
        self._held.add(name)
        self._watch(name, now)
        return self._settled()

    def _watch(self, name: str, now: float) -> None:
        """Watch the data of a confirmed name, if anything says how often they have to come."""
        key, cadence = _comparable(name), self._pacing.cadence
        channel, _, symbol = name.partition(".")
        limit = cadence.get(name, None if symbol == "*" else cadence.get(channel))
        bars = _BARS_OF_TRADES.get(channel)
        if self._staleness.is_watched(key):
            self._staleness.subscribed_again(key, now)
        elif limit is not None:
            self._staleness.watch_confirmed(key, limit, now)
        elif symbol != "*" and (f"{bars}.{symbol}" in self._wanted or f"{bars}.*" in self._wanted):
            self._staleness.watch_confirmed(key, self._pacing.vouched_s, now, is_vouched_for=True)
        self._set_wants()

    def _settled(self) -> list[Action]:
        """Live once every wanted name is confirmed, and none is silent that should not be."""
        if self._asked or self._overdue or not self._complete:
            return []
        if self._staleness.is_complete:
            return self._become(FeedState.LIVE)
        return [] if self._state is FeedState.DEGRADED else self._become(FeedState.DEGRADED, self._silent())

    def _silent(self) -> str:
        return f"silent: {some(self.stale)}"

    def _set_wants(self) -> None:
        self.wants_data = self._staleness.is_looking or bool(self._renewing)

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
        surplus = sorted((open_names - self._wanted.keys()) | self._again.keys())[: self._pacing.batch]
        if surplus:
            for name in surplus:
                self._asked.pop(name, None)
                self._again.pop(name, None)
                if name not in self._wanted:
                    self._staleness.forget(_comparable(name))
            self._overdue.difference_update(surplus)
            self._held.difference_update(surplus)
            return [self._batch("unsubscribe", surplus, now)]
        missing = [name for name in self._wanted if name not in open_names]
        self._complete = len(missing) <= self._pacing.batch
        if not missing:
            return self._settled()
        batch = missing[: self._pacing.batch]
        self._asked.update(dict.fromkeys(batch, now))
        return [self._batch("subscribe", batch, now)]

    def _batch(self, action: str, names: list[str], now: float) -> Send:
        self._next_send = now + self._pacing.pause_s
        return Send(msgspec.json.encode({"action": action, "params": ",".join(names)}).decode())

    def _notice_overdue(self, now: float) -> list[Action]:
        # QUIRK: an unknown channel gets no answer at all, so silence is the only sign of it.
        # The same sum as in `deadline`: a difference may round to the other side, and the timer would spin.
        late = list(takewhile(lambda name: self._asked[name] + self._pacing.confirm_s <= now, self._asked))
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

    def _notice_silent(self, silent: list[Stale], now: float) -> list[Action]:
        """Do what each silent name asks for, and report it."""
        if not silent:
            return []
        # What is watched is compared in one spelling; what is subscribed again has the user's.
        spelled = {_comparable(name): name for name in self._held}
        again = [spelled[stale.name] for stale in silent if stale.step is Step.RESUBSCRIBE and stale.name in spelled]
        if again:
            self._again.update(dict.fromkeys(again))
            self._complete = False
        names = some(f"{spelled.get(stale.name, stale.name)} for {stale.silent_s:.0f} s" for stale in silent)
        if any(stale.step is Step.RECONNECT for stale in silent):
            self._begin_renewal(f"no event of {names}", now)
        what = (
            "a new connection in a quiet second" if self._renewing else "subscribed once more" if again else "given up"
        )
        text = f"stale: {self.url} has sent no event of {names}, though of others: {what}"
        return [Warn(ProtocolError(text, self.venue)), *self._become(FeedState.DEGRADED, self._silent())]

    def _begin_renewal(self, why: str, now: float) -> None:
        if not self._renewing:
            self._renewing = why
            self._renew_at = None
            self._renew_by = now + self._pacing.quiet_within_s
            self._last_data = now
            self._set_wants()

    def _renew(self, now: float) -> list[Action]:
        """Leave in a quiet second: nothing that comes then is missed, as far as the past tells."""
        if self._renew_at is not None and now >= self._renew_at:
            self._begin_renewal(f"the connection is {self._pacing.renew_s or 0.0:.0f} s old", now)
        if not self._renewing or now < min(self._last_data + self._pacing.quiet_s, self._renew_by):
            return []
        return [Close(1000, f"renewed: {self._renewing}")]

    def _become(self, state: FeedState, detail: str = "") -> list[Action]:
        if state is self._state and not detail:
            return []
        self._state = state
        return [State(state, detail)]


def _comparable(name: str) -> str:
    """Return a name in the spelling in which data are compared with it.

    QUIRK: pairs of currencies are subscribed with a dash or a slash and delivered with either.
    """
    channel, _, symbol = name.partition(".")
    return f"{channel}.{symbol.replace('/', '-')}"


def _names(batch: Batch, symbol_name: Callable[[int], str]) -> Iterator[str]:
    """Yield the names that the events of a batch may have come from, wildcards too."""
    for (symbol,) in _distinct(batch.trades, "symbol"):
        yield from _both(_TRADES, symbol_name(symbol))
    for (symbol,) in _distinct(batch.quotes, "symbol"):
        yield from _both(_QUOTES, symbol_name(symbol))
    for symbol, interval_ms in _distinct(batch.venue_bars, "symbol", "interval_ms"):
        yield from _both(_BARS.get(interval_ms, ()), symbol_name(symbol))
    for symbol, what in _distinct(batch.values, "symbol", "what"):
        yield from _both(_VALUES.get(what, ()), symbol_name(symbol))
    for (symbol,) in _distinct(batch.bands, "symbol"):
        yield from _both(("LULD",), symbol_name(symbol))
    for (symbol,) in _distinct(batch.imbalances, "symbol"):
        yield from _both(("NOI",), symbol_name(symbol))


def _both(channels: tuple[str, ...], symbol: str) -> Iterator[str]:
    for channel in channels:
        yield f"{channel}.*"
        yield _comparable(f"{channel}.{symbol}")


def _distinct(records: Records, *columns: str) -> set[tuple[int, ...]]:
    # WHY NOT numpy.unique: a batch has a handful of records, and its sort alone costs more than this.
    return set(zip(*(records[column].tolist() for column in columns), strict=True)) if len(records) else set()
