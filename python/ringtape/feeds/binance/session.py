"""Binance's stream protocol as a machine without I/O.

::

    connected()               every request answered and every decodable stream seen
    ───────────► SUBSCRIBING ────────────────────────────────────────────────────────► LIVE
                     │ a request not answered in 10 s: close
                     └ a stream without data for 30 s: reported, DEGRADED until it delivers

QUIRK: the venue confirms everything, also unknown symbols and streams of the other path, and delivers nothing. A
reply therefore only says that the request was read; what confirms a stream is its first event.

SOURCE: the venue's documentation; behaviour as measured by third parties, 2026-08 to 2026-10.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from ringtape.errors import ProtocolError, SubscriptionError
from ringtape.feeds.base import Action, Batch, Close, Control, FeedState, Records, Send, Session, State, Warn, some

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


class Pacing(msgspec.Struct, frozen=True, kw_only=True):
    """Time limits of a session, in seconds, and the pace of its requests."""

    reply_s: float = 10.0
    """From a request to its reply."""
    silent_s: float = 30.0
    """From a subscription to its first event, before it is reported."""
    batch: int = 200
    """Streams in one request."""
    pause_s: float = 0.5
    """Between two requests. The venue allows 10 messages/s on futures and 5 on spot, and bans for bursts."""


class _Request(msgspec.Struct):
    """A request that has not been answered."""

    id: int
    names: tuple[str, ...]
    sent: float


class BinanceSession(Session):
    """One connection to Binance, on one path.

    Attributes
    ----------
    wanted
        The wanted streams as keys, in order. The feed changes it and calls `wanted_changed`.
    """

    def __init__(self, venue: str, name: str, url: str, pacing: Pacing) -> None:
        super().__init__(venue, name, url)
        self.wanted: dict[str, None] = {}
        self._pacing = pacing
        self._up = False
        self._asked: dict[str, float] = {}
        # INVARIANT: a subset of `_asked` in the same order: streams that we can recognise and have not seen yet.
        self._unseen: dict[str, float] = {}
        self._reported: set[str] = set()
        self._requests: dict[int, _Request] = {}
        self._last_id = 0
        self._complete = False
        self._next_send = 0.0
        self._state = FeedState.CONNECTING

    @property
    def unconfirmed(self) -> tuple[str, ...]:
        """Streams asked for on this connection that have not delivered yet, as far as they can be recognised."""
        return tuple(self._unseen)

    def connected(self, now: float) -> list[Action]:
        """Subscribe: the venue says nothing first."""
        self._up = True
        self._next_send = now
        return [*self._become(FeedState.SUBSCRIBING), *self._request(now)]

    def disconnected(self) -> None:
        """Forget the connection, not the wanted streams."""
        self._up = False
        self._asked.clear()
        self._unseen.clear()
        self._reported.clear()
        self._requests.clear()
        self._complete = False
        self._state = FeedState.CONNECTING
        self.wants_data = False

    def on_control(self, control: Control, now: float) -> list[Action]:  # noqa: ARG002
        """Take a reply, an error or a shutdown notice."""
        if control.status == "serverShutdown":
            return [Close(1000, "serverShutdown")]
        if control.kind == "reply" and isinstance(control.id, int):
            self._requests.pop(control.id, None)
            return self._settled()
        if control.kind == "error":
            return self._refused(control)
        return []

    def on_data(self, batch: Batch, symbol_name: Callable[[int], str], now: float) -> list[Action]:  # noqa: ARG002
        """Confirm the streams that this batch has events of.

        Cost: one pass over the batch's symbols, and only while a stream is unconfirmed.
        """
        for stream in _streams(batch, symbol_name):
            if self._unseen.pop(stream, None) is not None:
                self._reported.discard(stream)
        return self._settled()

    def wanted_changed(self) -> None:
        """Compare wanted and asked streams anew at the next tick."""
        self._complete = False

    def tick(self, now: float) -> list[Action]:
        """Send the next request; notice replies and streams that are overdue."""
        if not self._up:
            return []
        oldest = next(iter(self._requests.values()), None)
        if oldest and now >= oldest.sent + self._pacing.reply_s:
            return [Close(1000, f"no reply to a request within {self._pacing.reply_s:g} s")]
        return [*self._request(now), *self._notice_silent(now)]

    def deadline(self) -> float | None:
        """Return the nearest of: next request, overdue reply, silent stream."""
        if not self._up:
            return None
        times = [request.sent + self._pacing.reply_s for request in self._requests.values()]
        unreported = (asked for name, asked in self._unseen.items() if name not in self._reported)
        times += [asked + self._pacing.silent_s for asked in unreported]
        if not self._complete:
            times.append(self._next_send)
        return min(times, default=None)

    def _request(self, now: float) -> list[Action]:
        if self._complete or now < self._next_send:
            return []
        surplus = [name for name in self._asked if name not in self.wanted][: self._pacing.batch]
        if surplus:
            for name in surplus:
                del self._asked[name]
                self._unseen.pop(name, None)
                self._reported.discard(name)
            return [self._send("UNSUBSCRIBE", surplus, now)]
        missing = [name for name in self.wanted if name not in self._asked]
        self._complete = len(missing) <= self._pacing.batch
        if not missing:
            return []
        batch = missing[: self._pacing.batch]
        self._asked.update(dict.fromkeys(batch, now))
        self._unseen.update((name, now) for name in batch if _is_recognisable(name))
        self.wants_data = True
        return [self._send("SUBSCRIBE", batch, now)]

    def _send(self, method: str, names: list[str], now: float) -> Send:
        self._next_send = now + self._pacing.pause_s
        self._last_id += 1
        self._requests[self._last_id] = _Request(self._last_id, tuple(names), now)
        request = {"method": method, "params": names, "id": self._last_id}
        return Send(msgspec.json.encode(request).decode())

    def _settled(self) -> list[Action]:
        """Live once nothing is open; streams that cannot be recognised do not count."""
        if self._unseen or self._requests or not self._complete:
            return []
        self.wants_data = False
        return self._become(FeedState.LIVE)

    def _refused(self, control: Control) -> list[Action]:
        # QUIRK: errors come without an id as a rule; then the oldest open request is the one that was refused.
        known = control.id if isinstance(control.id, int) and control.id in self._requests else None
        oldest = known if known is not None else next(iter(self._requests), None)
        request = self._requests.pop(oldest) if oldest is not None else None
        about = f" for {some(request.names)}" if request else ""
        text = f"{self.name} refused a request{about}: {control.message} (code {control.code})"
        return [
            Warn(SubscriptionError(text, self.venue)),
            *self._become(FeedState.DEGRADED, f"{control.message} (code {control.code})"),
        ]

    def _notice_silent(self, now: float) -> list[Action]:
        limit = now - self._pacing.silent_s
        silent = [name for name, asked in self._unseen.items() if asked <= limit and name not in self._reported]
        if not silent:
            return []
        self._reported.update(silent)
        text = f"{self.url} has sent no event of {some(silent)} for {self._pacing.silent_s:g} s"
        return [
            Warn(ProtocolError(text, self.venue)),
            *self._become(FeedState.DEGRADED, f"silent: {some(self._reported)}"),
        ]

    def _become(self, state: FeedState, detail: str = "") -> list[Action]:
        if state is self._state and not detail:
            return []
        self._state = state
        return [State(state, detail)]


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
