"""From connections and ids to gaps: which symbols and channels miss what, told to the engine and kept as records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from .errors import UnknownSymbol
from .feeds.base import Feed, Records, Session
from .gaps import Gap, GapBook

__all__ = ["SETTLE_S", "Outages", "channels_of"]

SETTLE_S = 1.0
"""How long a connection has to be live before its gap ends: nobody knows from which moment on a venue sends again, and
what comes twice is known by its identity."""

_CHANNELS = {
    "T": "trades",
    "XT": "trades",
    "V": "trades",  # an index has values for trades
    "Q": "quotes",
    "XQ": "quotes",
    "C": "quotes",
    "A": "bars",
    "AM": "bars",
    "XA": "bars",
    "XAS": "bars",
    "CA": "bars",
    "CAS": "bars",
    "aggTrade": "trades",
    "trade": "trades",
    "bookTicker": "quotes",
}
_DIFF = 1
_FIRST = 1


class IdGap(Protocol):
    """Ids that an engine found missing."""

    venue: str
    symbol: str
    first: int
    last: int
    start_ns: int
    end_ns: int


class Engine(Protocol):
    """The part of `ringtape.Engine` that gaps need."""

    def mark_gap(self, venue: str, start_ns: int, end_ns: int | None = None, symbol: str | None = None) -> None:
        """Say that trades did not come."""

    def take_id_gaps(self) -> list[Any]:
        """Return the ids that were found missing."""

    def take_volume_gaps(self) -> list[Any]:
        """Return where a venue counted more volume than came."""

    def stats(self) -> dict[str, Any]:
        """Return all counters."""

    def symbol_name(self, id: int, /) -> str:  # noqa: A002 - as the engine names it
        """Return the name of a symbol id."""


class Outages:
    """What is missing now, and since when.

    Parameters
    ----------
    engine
        Told of every gap in trades: windows, bars and rules depend on these.
    book
        Where the records are kept.
    """

    def __init__(self, engine: Engine, book: GapBook) -> None:
        self._engine = engine
        self._book = book
        self._open: dict[Session, list[int]] = {}
        self._settling: dict[Session, float] = {}
        self._books: dict[int, tuple[int, int]] = {}

    def lost(self, feed: Feed, session: Session, silent_ns: int, last_event_ns: int = 0) -> list[Gap]:
        """Open a gap for each channel of a connection that is not live any more; nothing before the first event.

        It begins with the silence: a connection that died without a word is noticed some seconds later. It begins
        with the last event where that is older: what was on its way behind a late event is lost, too.
        """
        self._settling.pop(session, None)
        now = self._now(session.venue)
        if now is None or session in self._open:
            return []
        channels = channels_of(feed.names_of(session))
        start_ns = max(now - max(silent_ns, 0), 0)
        if last_event_ns:
            start_ns = min(start_ns, last_event_ns)
        gaps = [
            self._book.open(session.venue, channel, symbols, start_ns, cause="outage")
            for channel, symbols in channels.items()
        ]
        self._open[session] = [gap.number for gap in gaps]
        for gap in gaps:
            self._mark(gap)
        return gaps

    def live(self, session: Session, now_s: float) -> None:
        """Note that a connection is live again, at a time that never steps back; its gaps end soon, see `tick`."""
        if session in self._open:
            self._settling[session] = now_s + SETTLE_S

    def retired(self, session: Session, heir: Session | None, now_s: float) -> None:
        """Note that a connection is ended for good: its gaps go on until its heir is live, or end soon without one."""
        if heir is None:
            self.live(session, now_s)
        elif session in self._open:
            self._settling.pop(session, None)
            self._open[heir] = [*self._open.get(heir, ()), *self._open.pop(session)]
            if session.is_covered:
                self.live(heir, now_s)

    def tick(self, now_s: float) -> list[Gap]:
        """End the gaps of connections that have been live for long enough, and take the ids that are missing.

        A connection that another one has taken over from is as good as live.
        """
        for session in self._open:
            if session.is_covered and session not in self._settling:
                self.live(session, now_s)
        due = [session for session, until in self._settling.items() if until <= now_s]
        return [*(gap for session in due for gap in self._end(session)), *self._ids(), *self._volumes()]

    def _end(self, session: Session) -> list[Gap]:
        del self._settling[session]
        numbers, now = self._open.pop(session, []), self._now(session.venue)
        gaps = [gap for number in numbers if now is not None and (gap := self._book.end(number, now))]
        for gap in gaps:
            self._mark(gap)
        return gaps

    def _ids(self) -> list[Gap]:
        """Take the ids that the engine found missing since the last call; it has marked them itself."""
        return [
            self._book.open(
                found.venue,
                "trades",
                [found.symbol],
                found.start_ns,
                cause="ids",
                end_ns=found.end_ns,
                missing=found.last - found.first + 1,
                ids=(found.first, found.last),
            )
            for found in self._engine.take_id_gaps()
        ]

    def _volumes(self) -> list[Gap]:
        """Take the losses that only the venue's sums show."""
        gaps = [
            self._book.open(
                found.venue, "trades", [found.symbol], found.start_ns, cause="volume_drift", end_ns=found.end_ns
            )
            for found in self._engine.take_volume_gaps()
        ]
        for gap in gaps:
            self._mark(gap)
        return gaps

    def depth(self, levels: Records, venues: Mapping[int, str]) -> list[Gap]:
        """Check the chain of Binance's changes of order books: each names the update before it (``pu``).

        Cost: one step for each message of changes. Updates that another connection has delivered before are no gap.
        """
        begins = levels[(levels["depth"] == _DIFF) & (levels["flags"] & _FIRST != 0) & (levels["previous_update"] > 0)]
        columns = ("symbol", "venue", "ts_event", "previous_update", "last_update")
        gaps = []
        for symbol, venue, time_ns, before, last in zip(*(begins[name].tolist() for name in columns), strict=True):
            known, since = self._books.get(symbol, (before, time_ns))
            if before > known:
                name = [self._engine.symbol_name(symbol)]
                gaps.append(self._book.open(venues[venue], "depth", name, since, cause="ids", end_ns=time_ns))
            self._books[symbol] = (max(known, last), time_ns)
        return gaps

    def _mark(self, gap: Gap) -> None:
        if gap.channel != "trades":
            return
        for symbol in gap.symbols or (None,):
            try:
                self._engine.mark_gap(gap.venue, gap.start_ns, gap.end_ns, symbol)
            except UnknownSymbol:
                continue  # nothing of it has ever come, so it has no state that could be wrong

    def _now(self, venue: str) -> int | None:
        times: Mapping[str, Mapping[str, int]] = self._engine.stats()["venues"]
        return times[venue]["now"] if venue in times else None


def channels_of(names: Iterable[str]) -> dict[str, tuple[str, ...] | None]:
    """Return the symbols of each channel among the names of subscriptions; None for all symbols.

    Massive writes ``T.BRK.B`` and ``T.*``, Binance ``btcusdt@aggTrade`` and ``!markPrice@arr``.
    """
    found: dict[str, set[str] | None] = {}
    for name in names:
        channel, symbol = _split(name)
        held = found.setdefault(channel, set())
        if symbol is None:
            found[channel] = None
        elif held is not None:
            held.add(symbol)
    return {channel: None if symbols is None else tuple(sorted(symbols)) for channel, symbols in found.items()}


def _split(name: str) -> tuple[str, str | None]:
    symbol, at, stream = name.partition("@")
    if at and not symbol.startswith("!"):
        word = stream.partition("_")[0].partition("@")[0]
        known = "depth" if word.startswith("depth") or word == "rpiDepth" else _CHANNELS.get(word, word)
        return ("bars" if word in {"kline", "continuousKline"} else known), symbol.upper()
    if name.startswith("!"):
        word = symbol.removeprefix("!")
        return _CHANNELS.get(word, word), None
    channel, _, symbol = name.partition(".")
    return _CHANNELS.get(channel, channel), None if symbol == "*" else symbol
