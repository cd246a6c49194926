"""What a market has made, kept for REST: trades and bars as they stood in the frames, sent to anybody or not.

Frames are kept as they are and read only when somebody asks, so a server that nobody asks pays for copying alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable

import msgspec

from ringtape._native import Simulator

__all__ = ["History", "Key", "Rows"]

Key = tuple[int, int]
"""Time in ms and, among rows of the same time, number: a trade's sequence or id, 0 for a bar."""

_STREAMS = ("aggTrade", "kline_1m")
_CHANNELS = ("T.*", "A.*", "AM.*")


class Rows:
    """The events of one symbol and kind, in order of their keys; one that comes again replaces the one before."""

    __slots__ = ("keys", "texts")

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.texts: list[bytes] = []

    def add(self, key: Key, text: bytes) -> int:
        """Put an event in its place and return the bytes gained."""
        if not self.keys or key > self.keys[-1]:
            self.keys.append(key)
            self.texts.append(text)
            return len(text)
        place = bisect_left(self.keys, key)
        if self.keys[place] == key:
            gained = len(text) - len(self.texts[place])
            self.texts[place] = text
            return gained
        self.keys.insert(place, key)
        self.texts.insert(place, text)
        return len(text)

    def between(self, first: Key, last: Key) -> slice:
        """Return the places of the events with ``first <= key < last``."""
        return slice(bisect_left(self.keys, first), bisect_left(self.keys, last))

    def forget(self, before: Key) -> int:
        """Drop the events before a key and return the bytes lost."""
        count = bisect_left(self.keys, before)
        lost = sum(map(len, self.texts[:count]))
        del self.keys[:count], self.texts[:count]
        return lost


class _Candle(msgspec.Struct):
    t: int


class _Event(msgspec.Struct):
    """The keys of either venue that say what an event is, and when."""

    ev: str = ""
    e: str | int = ""
    sym: str = ""
    s: str | int = ""
    t: int = 0
    q: int | str = 0
    a: int | float = 0
    T: int = 0
    k: _Candle | None = None


_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_EVENT = msgspec.json.Decoder(_Event)


class History:
    """Trades and bars of one market, the newest that fit.

    Parameters
    ----------
    simulator
        The market; it is joined as one more subscriber.
    is_stocks
        True for Massive's frames, False for Binance's.
    bytes_max
        Bytes of text to keep. The oldest half goes when it is full.

    Attributes
    ----------
    since_ms
        Everything from this time on is here: the market's opening, or later once something was forgotten.
    has_forgotten
        True once something was.
    """

    def __init__(self, simulator: Simulator, *, is_stocks: bool, bytes_max: int) -> None:
        self.since_ms = simulator.now // 1_000_000
        self.has_forgotten = False
        self._simulator = simulator
        self._is_stocks = is_stocks
        self._bytes_max = bytes_max
        self._unread: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._rows: dict[tuple[str, str], Rows] = {}
        symbols = simulator.symbols()
        self._symbols = frozenset(symbols)
        self._handle = simulator.open("all")
        for name in _CHANNELS if is_stocks else _streams(symbols):
            simulator.subscribe(self._handle, name)

    def follow(self) -> None:
        """Take what the market has made since."""
        now_ms = self._simulator.now // 1_000_000
        for frame in self._simulator.frames(self._handle, 1000):
            self._unread.append((now_ms, frame))
            self._bytes += len(frame)
        while self._bytes > self._bytes_max:
            self._forget()

    def rows(self, kind: str, symbol: str) -> Rows:
        """Return the events of a symbol and kind (``T A AM aggTrade kline``); do not change them."""
        self._read()
        return self._rows.get((kind, symbol)) or Rows()

    def has(self, symbol: str) -> bool:
        """Return whether the market has such a symbol."""
        return symbol in self._symbols

    def _read(self) -> None:
        """Put what came since the last question into its places."""
        while self._unread:
            _, frame = self._unread.popleft()
            self._bytes -= len(frame)
            for text in _ARRAY.decode(frame) if self._is_stocks else (frame,):
                where, key = _place(_EVENT.decode(text))
                rows = self._rows.get(where)
                if rows is None:
                    rows = self._rows[where] = Rows()
                self._bytes += rows.add(key, bytes(text))

    def _forget(self) -> None:
        """Drop the older half of the time that is covered; what was read already is older than what was not."""
        self.has_forgotten = True
        newest = max((rows.keys[-1][0] for rows in self._rows.values() if rows.keys), default=None)
        if newest is None:
            for _ in range(len(self._unread) // 2 + 1):
                self.since_ms, frame = self._unread.popleft()
                self._bytes -= len(frame)
            # The next frame may hold events of the step that the last one belonged to.
            self.since_ms += 1
            return
        # INVARIANT: the cut is above `since_ms`, so each round forgets more, and everything in the end.
        cut = max((self.since_ms + newest) // 2, self.since_ms) + 1
        for rows in self._rows.values():
            self._bytes -= rows.forget((cut, 0))
        self.since_ms = cut


def _streams(symbols: Iterable[str]) -> list[str]:
    return [f"{symbol.lower()}@{stream}" for symbol in symbols for stream in _STREAMS]


def _place(event: _Event) -> tuple[tuple[str, str], Key]:
    """Return kind, symbol and key of an event."""
    if event.ev == "T":
        return ("T", event.sym), (event.t, int(event.q))
    if event.ev:
        return (event.ev, event.sym), (int(event.s), 0)
    if event.k is not None:
        return ("kline", str(event.s)), (event.k.t, 0)
    return (str(event.e), str(event.s)), (event.T, int(event.a))
