"""Binance's stream protocol as a machine without I/O.

::

    connected()               every request answered and every decodable stream seen
    ───────────► SUBSCRIBING ────────────────────────────────────────────────────────► LIVE
                     │ a request not answered in 10 s: close
                     └ a stream without data: subscribed once more, then a new connection, then DEGRADED until it
                       delivers; later too, where a stream has a cadence (staleness.py)

QUIRK: the venue confirms everything, also unknown symbols and streams of the other path, and delivers nothing. A
reply therefore only says that the request was read; what confirms a stream is its first event.

SOURCE: the venue's documentation; behaviour as measured by third parties, 2026-08 to 2026-10.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet

import msgspec

from ringtape.errors import ConfigError, ProtocolError, SubscriptionError
from ringtape.feeds.base import Action, Batch, Close, Control, FeedState, Records, Send, Session, State, Warn, some
from ringtape.feeds.staleness import Stale, Staleness, Step

__all__ = ["BinanceSession", "Pacing"]

_TRADE_AGGREGATE = 1
_INTERVALS = {
    1_000: "1s",
    60_000: "1m",
    180_000: "3m",
    300_000: "5m",
    900_000: "15m",
    1_800_000: "30m",
    3_600_000: "1h",
    7_200_000: "2h",
    14_400_000: "4h",
    21_600_000: "6h",
    28_800_000: "8h",
    43_200_000: "12h",
    86_400_000: "1d",
    259_200_000: "3d",
    604_800_000: "1w",
}
_DECODED = frozenset(
    (
        *("aggTrade", "trade", "bookTicker", "markPrice", "markPrice@1s"),
        *("!bookTicker", "!markPrice@arr", "!markPrice@arr@1s"),
        *(f"kline_{interval}" for interval in _INTERVALS.values()),
    )
)


# At this distance any second has three requests at most; a ping and a pong make five messages.
_PAUSE_LEAST_S = 0.4

_CADENCE = {
    "markPrice@1s": 5.0,
    "!markPrice@arr@1s": 5.0,
    "markPrice": 15.0,
    "!markPrice@arr": 15.0,
    **dict.fromkeys(("aggTrade", "trade", "bookTicker", "!bookTicker", "kline"), 60.0),
}


class Pacing(msgspec.Struct, frozen=True, kw_only=True):
    """Time limits of a session, in seconds, and the pace of its requests."""

    reply_s: float = 10.0
    """From a request to its reply."""
    silent_s: float = 30.0
    """From a subscription to its first event, before something is done about it."""
    batch: int = 200
    """Streams in one request."""
    pause_s: float = 0.5
    """Between two requests. The venue allows 10 messages/s on futures and 5 on spot, where pings and pongs count, and
    bans for bursts: 0.4 s keeps below five with a ping and a pong in the same second."""
    cadence: dict[str, float] = msgspec.field(default_factory=_CADENCE.copy)
    """How long a stream that has delivered may be silent, by its name after ``<symbol>@``; ``kline`` is for all
    intervals. Mark prices come every 1 or 3 s whatever happens; the others come with trades, and a stream for which we
    had to wait long before gets ten times as long. What is not named here is not watched."""

    def __post_init__(self) -> None:
        """Refuse a pace that gets the connection closed."""
        if self.pause_s < _PAUSE_LEAST_S:
            text = f"pause_s {self.pause_s:g} is too short: the venue bans bursts; use {_PAUSE_LEAST_S:g} or more"
            raise ConfigError(text, "pacing.pause_s", "arguments", f">= {_PAUSE_LEAST_S:g}")
        if self.batch < 1:
            raise ConfigError(f"batch {self.batch} is too small: 1 or more", "pacing.batch", "arguments", ">= 1")


class _Request(msgspec.Struct):
    """A request that has not been answered."""

    id: int
    names: tuple[str, ...]
    sent: float


class BinanceSession(Session):
    """One connection to Binance, on one path.

    Parameters
    ----------
    venue, name, url
        As every session has.
    pacing
        Time limits.
    wanted
        The wanted streams as keys, in order. A live view: the feed changes it and calls `wanted_changed`. During a
        rollover two sessions have the same.

    Attributes
    ----------
    renew
        Why this connection shall be replaced by a new one; empty while it shall not. The feed acts on it, by a
        rollover, so that the streams that do deliver lose nothing.
    twin
        The other connection of the same streams during a rollover.
    """

    def __init__(self, venue: str, name: str, url: str, pacing: Pacing, wanted: dict[str, None]) -> None:
        super().__init__(venue, name, url)
        self.wanted = wanted
        self.renew = ""
        self.twin: BinanceSession | None = None
        self._pacing = pacing
        self._up_since: float | None = None
        self._asked: dict[str, None] = {}
        self._again: dict[str, None] = {}
        self._refused: dict[str, None] = {}
        self._staleness = Staleness(pacing.silent_s, is_never_quiet=True)
        self._requests: dict[int, _Request] = {}
        self._last_id = 0
        self._complete = False
        self._next_send = 0.0
        self._has_delivered = False
        self._state = FeedState.CONNECTING

    @property
    def unconfirmed(self) -> tuple[str, ...]:
        """Streams asked for on this connection that have not delivered yet, as far as they can be recognised."""
        return self._staleness.unconfirmed

    @property
    def requested(self) -> AbstractSet[str]:
        """Streams asked for on this connection."""
        return frozenset(self._asked)

    @property
    def confirmed(self) -> AbstractSet[str]:
        """Streams that have delivered on this connection; those whose events cannot be recognised never count."""
        open_names = {*self.unconfirmed, *self._refused}
        return {name for name in self._asked if name not in open_names and _is_recognisable(name)}

    @property
    def stale(self) -> tuple[str, ...]:
        """Streams that were silent for too long and have not delivered since."""
        return self._staleness.stale

    @property
    def up_since(self) -> float | None:
        """When the socket was opened; None while there is none."""
        return self._up_since

    @property
    def is_ready(self) -> bool:
        """Whether everything wanted is subscribed and has delivered, as far as it can be recognised."""
        return self._up_since is not None and self._is_answered and self._staleness.is_complete

    @property
    def is_delivering(self) -> bool:
        """Whether everything wanted is subscribed and something has come."""
        return self._up_since is not None and self._is_answered and self._has_delivered

    @property
    def is_covered(self) -> bool:
        """Whether the other connection of a rollover delivers the same now."""
        return self.twin is not None and self.twin.is_delivering

    @property
    def heir(self) -> BinanceSession | None:
        """The other connection of a rollover."""
        return self.twin

    def succeed(self, other: BinanceSession) -> None:
        """Take over what is known of the streams."""
        self._staleness.inherit(other._staleness)
        self.wants_echoes = True

    def alone(self, now: float) -> None:
        """Judge streams by their silence from now on: during the overlap the other one may have been ahead."""
        self.wants_echoes = False
        self._staleness.look_anew(now)
        self.wants_data = self._staleness.is_looking

    def connected(self, now: float) -> list[Action]:
        """Subscribe: the venue says nothing first."""
        self._up_since = now
        self._next_send = now
        return [*self._become(FeedState.SUBSCRIBING), *self._request(now)]

    def disconnected(self) -> None:
        """Forget the connection, not the wanted streams, nor which of them were silent."""
        self._up_since = None
        self._asked.clear()
        self._again.clear()
        self._refused.clear()
        self._staleness.start_over()
        self._requests.clear()
        self._complete = False
        self._has_delivered = False
        self._state = FeedState.CONNECTING
        self.renew = ""
        self.wants_data = False

    def on_control(self, control: Control, now: float) -> list[Action]:  # noqa: ARG002
        """Take a reply, an error or a shutdown notice."""
        if control.status == "serverShutdown":
            return self._shut_down()
        if control.kind == "reply" and isinstance(control.id, int):
            self._requests.pop(control.id, None)
            return self._settled()
        if control.kind == "error":
            return self._complain(control)
        return []

    def on_data(self, batch: Batch, symbol_name: Callable[[int], str], now: float) -> list[Action]:
        """Take note of the streams that this batch has events of.

        Cost: one pass over the batch's symbols, and only while a stream is looked for.
        """
        # A read without any event and any reply brought what the other connection had delivered before.
        self._has_delivered = self._has_delivered or len(batch) > 0 or not batch.control
        if len(batch):
            self._staleness.event(now)
            for stream in _streams(batch, symbol_name):
                self._staleness.seen(stream, now)
                self._refused.pop(stream, None)
        return self._settled()

    def wanted_changed(self) -> None:
        """Compare wanted and asked streams anew at the next tick."""
        self._complete = False

    def tick(self, now: float) -> list[Action]:
        """Send the next request; notice replies and streams that are overdue."""
        if self._up_since is None:
            return []
        oldest = next(iter(self._requests.values()), None)
        if oldest and now >= oldest.sent + self._pacing.reply_s:
            return [Close(1000, f"no reply to a request within {self._pacing.reply_s:g} s")]
        # During an overlap silence means nothing: the other connection may have been ahead with every event.
        silent = self._staleness.judge(now) if self.twin is None else []
        self.wants_data = self._staleness.is_looking or self.wants_echoes
        return [*self._notice_silent(silent), *self._request(now)]

    def deadline(self) -> float | None:
        """Return the nearest of: next request, overdue reply, silent stream."""
        if self._up_since is None:
            return None
        times = [request.sent + self._pacing.reply_s for request in self._requests.values()]
        if self.twin is None and (silent := self._staleness.deadline()) is not None:
            times.append(silent)
        if not self._complete:
            times.append(self._next_send)
        return min(times, default=None)

    @property
    def _is_answered(self) -> bool:
        return self._complete and not self._requests and not self._again

    def _request(self, now: float) -> list[Action]:
        if self._complete or now < self._next_send:
            return []
        surplus = [name for name in self._asked if name not in self.wanted or name in self._again]
        if surplus := surplus[: self._pacing.batch]:
            for name in surplus:
                del self._asked[name]
                self._again.pop(name, None)
                self._refused.pop(name, None)
                if name not in self.wanted:
                    self._staleness.forget(name)
            return [self._send("UNSUBSCRIBE", surplus, now)]
        missing = [name for name in self.wanted if name not in self._asked]
        self._complete = len(missing) <= self._pacing.batch
        if not missing:
            return self._settled()
        batch = missing[: self._pacing.batch]
        self._asked.update(dict.fromkeys(batch))
        for name in batch:
            if self._staleness.is_watched(name):
                self._staleness.subscribed_again(name, now)
            elif _is_recognisable(name):
                self._staleness.watch(name, self._limit(name), now)
        self.wants_data = self._staleness.is_looking or self.wants_echoes
        return [self._send("SUBSCRIBE", batch, now)]

    def _limit(self, name: str) -> float | None:
        """Return how long the stream may be silent."""
        kind = name if name.startswith("!") else name.partition("@")[2]
        return self._pacing.cadence.get("kline" if kind.startswith("kline_") else kind)

    def _send(self, method: str, names: list[str], now: float) -> Send:
        self._next_send = now + self._pacing.pause_s
        self._last_id += 1
        self._requests[self._last_id] = _Request(self._last_id, tuple(names), now)
        request = {"method": method, "params": names, "id": self._last_id}
        return Send(msgspec.json.encode(request).decode())

    def _settled(self) -> list[Action]:
        """Live once nothing is open; streams that cannot be recognised do not count."""
        self.wants_data = self._staleness.is_looking or self.wants_echoes
        if not self._is_answered or not self._staleness.is_settled:
            return []
        if self._staleness.is_complete and not self._refused:
            return self._become(FeedState.LIVE)
        return [] if self._state is FeedState.DEGRADED else self._become(FeedState.DEGRADED, self._silent())

    def _shut_down(self) -> list[Action]:
        """Leave at once only where another connection is there; else see that one comes first."""
        if self.twin is not None:
            return [Close(1000, "serverShutdown")] if self.is_covered else []
        self.renew = f"{self.name} will be shut down by the venue"
        return []

    def _complain(self, control: Control) -> list[Action]:
        # QUIRK: errors come without an id as a rule; then the oldest open request is the one that was refused.
        known = control.id if isinstance(control.id, int) and control.id in self._requests else None
        oldest = known if known is not None else next(iter(self._requests), None)
        request = self._requests.pop(oldest) if oldest is not None else None
        self._refused.update(dict.fromkeys(request.names if request else ()))
        about = f" for {some(request.names)}" if request else ""
        text = f"{self.name} refused a request{about}: {control.message} (code {control.code})"
        return [
            Warn(SubscriptionError(text, self.venue)),
            *self._become(FeedState.DEGRADED, f"{control.message} (code {control.code})"),
        ]

    def _notice_silent(self, silent: list[Stale]) -> list[Action]:
        """Do what each silent stream asks for, and report it."""
        if not silent:
            return []
        again = [stale.name for stale in silent if stale.step is Step.RESUBSCRIBE and stale.name in self._asked]
        if again:
            self._again.update(dict.fromkeys(again))
            self._complete = False
        reconnect = [stale.name for stale in silent if stale.step is Step.RECONNECT]
        if reconnect:
            self.renew = f"{self.url} sends no event of {some(reconnect)}"
        what = "a new connection is opened" if reconnect else "subscribed once more" if again else "given up"
        text = f"stale: {self.url} has sent no event of {_described(silent)}: {what}"
        actions: list[Action] = [Warn(ProtocolError(text, self.venue))]
        return [*actions, *self._become(FeedState.DEGRADED, self._silent())]

    def _silent(self) -> str:
        return f"silent: {some(self.stale)}"

    def _become(self, state: FeedState, detail: str = "") -> list[Action]:
        if state is self._state and not detail:
            return []
        self._state = state
        return [State(state, detail)]


def _described(silent: list[Stale]) -> str:
    """Return the first few streams and how long they were silent."""
    return some(f"{stale.name} for {stale.silent_s:.0f} s" for stale in silent)


def _is_recognisable(name: str) -> bool:
    """Return True where the engine decodes the stream, so that its events can be told from others."""
    kind = name if name.startswith("!") else name.partition("@")[2]
    return kind in _DECODED


def _streams(batch: Batch, symbol_name: Callable[[int], str]) -> Iterator[str]:
    """Yield the streams that the events of a batch may have come from."""
    for symbol, flags in _distinct(batch.trades, "symbol", "flags"):
        yield f"{symbol_name(symbol).lower()}@{'aggTrade' if flags & _TRADE_AGGREGATE else 'trade'}"
    for (symbol,) in _distinct(batch.quotes, "symbol"):
        yield "!bookTicker"
        yield f"{symbol_name(symbol).lower()}@bookTicker"
    for symbol, interval_ms in _distinct(batch.venue_bars, "symbol", "interval_ms"):
        yield f"{symbol_name(symbol).lower()}@kline_{_INTERVALS.get(interval_ms)}"
    for (symbol,) in _distinct(batch.marks, "symbol"):
        yield from ("!markPrice@arr", "!markPrice@arr@1s")
        yield from (f"{symbol_name(symbol).lower()}@{kind}" for kind in ("markPrice", "markPrice@1s"))


def _distinct(records: Records, *columns: str) -> set[tuple[int, ...]]:
    # WHY NOT numpy.unique: a batch has a handful of records, and its sort alone costs more than this.
    return set(zip(*(records[column].tolist() for column in columns), strict=True)) if len(records) else set()
