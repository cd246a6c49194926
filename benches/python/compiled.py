"""The fastest way that was found in Python from frames to bars: msgspec for the few fields needed, numba for the bars.

`make bench` alone installs numba.
"""

from __future__ import annotations

import math
from importlib import metadata
from typing import Any

import msgspec
import numba
import numpy as np
from contestants import Contestant, Seen, timed
from corpus import Corpus, Frame
from numpy.typing import NDArray

SYMBOLS = 20_000
# Start, open, high, low, close, volume, notional of the bar that forms.
_COLUMNS = 7


class Trade(msgspec.Struct, gc=False):
    """What bars need of a trade."""

    sym: str
    p: float
    s: int
    t: int


class Ids(dict[str, int]):
    """Numbers for names, given as they come."""

    def __missing__(self, name: str) -> int:
        self[name] = number = len(self)
        return number


def _update(  # noqa: PLR0917 - numba's calls have no keywords
    ids: NDArray[np.int64],
    prices: NDArray[np.float64],
    sizes: NDArray[np.float64],
    times: NDArray[np.int64],
    bars: NDArray[np.float64],
    interval: int,
) -> None:
    for at in range(len(ids)):
        bar, price, size = bars[ids[at]], prices[at], sizes[at]
        start = times[at] // interval * interval
        if start != bar[0]:
            bar[0], bar[1], bar[2], bar[3] = start, price, price, price
            bar[5], bar[6] = 0.0, 0.0
        bar[2] = max(bar[2], price)
        bar[3] = min(bar[3], price)
        bar[4] = price
        bar[5] += size
        bar[6] += price * size


class Numba(Contestant):
    """Open, high, low, close, volume and VWAP of 1 s and 1 m bars for each symbol, from frames of trades alone."""

    name = "msgspec + numba"
    version = metadata.version("numba")
    does = "decode of four fields, 1 s and 1 m bars"

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(list[Trade]).decode
        self._update: Any = numba.njit(_update)
        self._ids = Ids()
        self._bars = (np.zeros((SYMBOLS, _COLUMNS)), np.zeros((SYMBOLS, _COLUMNS)))

    def _all(self, frames: list[Frame]) -> None:
        number, (seconds, minutes) = self._ids, self._bars
        for frame, _ in frames:
            trades = self._decode(frame)
            count = len(trades)
            ids = np.fromiter([number[trade.sym] for trade in trades], np.int64, count)
            prices = np.fromiter([trade.p for trade in trades], np.float64, count)
            sizes = np.fromiter([trade.s for trade in trades], np.float64, count)
            times = np.fromiter([trade.t for trade in trades], np.int64, count)
            self._update(ids, prices, sizes, times, seconds, 1_000)
            self._update(ids, prices, sizes, times, minutes, 60_000)

    def round(self, corpus: Corpus) -> int:
        self._all(corpus.warm)
        return timed(lambda: self._all(corpus.measured))

    def see(self, corpus: Corpus) -> Seen:
        prices = [trade.p for frame, _ in corpus.measured for trade in self._decode(frame)]
        return len(prices), math.fsum(prices)
