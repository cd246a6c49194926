"""The repair of gaps: asks a venue for what did not come and merges it, what people look at first.

A gap is a list of jobs, one a symbol: pinned symbols first, then the most active of the day. Several jobs run at a
time, in the order of all gaps that wait. A symbol that takes too long is given up and keeps its hole.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
import numpy as np

from .errors import RingtapeError
from .gaps import Gap, GapBook, GapState
from .history.records import Records, interval_ms
from .history.source import Source

__all__ = ["RepairOptions", "Repairer"]

_log = logging.getLogger("ringtape.repair")
_MS = 1_000_000


class RepairOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How gaps are repaired."""

    give_up_s: float = 10.0
    """For one symbol, from its turn on."""
    overlap_s: float = 2.0
    """How long before the gap to begin: what came live is known by its identity."""
    symbols: int = 500
    """Most symbols of one gap; the less active ones keep their hole."""
    workers: int = 4
    """Symbols at a time."""
    part: int = 2_000
    """Trades merged in one go: the feed waits for them."""
    waiting: int = 10_000
    """Most symbols that wait for their turn, over all gaps; a gap that finds no room keeps its hole."""
    bars: bool = True
    """Where trades are not to be had, take the venue's bars."""


class Engine(Protocol):
    """The part of `ringtape.Engine` that a repair needs."""

    def backfill(self, venue: str, symbol: str, trades: Any, start_ns: int, end_ns: int) -> Any:  # noqa: ANN401 - a Filled
        """Merge trades that were fetched later."""

    def backfill_bars(self, venue: str, symbol: str, interval: str, bars: Any) -> Any:  # noqa: ANN401 - the same
        """Put a venue's bars in the place of those with a hole."""

    def fill_gap(self, venue: str, start_ns: int, end_ns: int, symbol: str | None = None) -> None:
        """Say that nothing is missing after all."""

    def get(self, symbol: str, field: str) -> Any:  # noqa: ANN401 - a field's own type
        """Return one value of one field."""

    def symbols(self) -> list[tuple[int, str, str]]:
        """Return (id, venue, name) of every symbol."""

    def series(self) -> Sequence[str]:
        """Return the series of bars."""

    def table(self, fields: Sequence[str]) -> Any:  # noqa: ANN401 - a Table
        """Return fields of every symbol."""


class _Job(msgspec.Struct, order=True):
    """One symbol of one gap; the least comes first."""

    rank: tuple[int, float, int]
    gap: int
    symbol: str


class _TooEarly(Exception):  # noqa: N818 - no fault, only a reason to wait
    """An outage that has not ended yet begins inside of the gap."""


class Repairer:
    """Repairs gaps while it runs.

    Parameters
    ----------
    engine, book
        Where the trades and the outcome go.
    sources
        Who is asked, by venue.
    changed
        Called with each gap that is settled, and after each merge with None: there are bars to hand on.
    pinned
        Names that come first.
    options
        Limits.
    """

    def __init__(
        self,
        engine: Engine,
        book: GapBook,
        sources: Mapping[str, Source],
        changed: Callable[[Gap | None], None],
        *,
        pinned: Collection[str] = (),
        options: RepairOptions | None = None,
    ) -> None:
        self.options = options or RepairOptions()
        self._engine = engine
        self._book = book
        self._sources = sources
        self._changed = changed
        self._pinned = frozenset(pinned)
        self._jobs: list[_Job] = []
        self._held: list[_Job] = []
        self._left: dict[int, int] = {}
        self._done: dict[int, list[GapState]] = {}
        self._wake = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Symbols that wait for their turn."""
        return len(self._jobs) + len(self._held)

    def submit(self, gap: Gap) -> None:
        """Repair a gap that is over; others, and those of channels other than trades, are left alone."""
        if not gap.is_over or gap.channel != "trades" or gap.venue not in self._sources or gap.number in self._left:
            return
        self._release()
        jobs = self._jobs_of(gap)
        if not jobs or self.waiting + len(jobs) > self.options.waiting:
            self._settle(gap.number, ["given_up"])
            return
        self._left[gap.number], self._done[gap.number] = len(jobs), []
        for job in jobs:
            heapq.heappush(self._jobs, job)
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled; the sources are closed then."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.options.workers):
                    group.create_task(self._work())
        finally:
            for source in self._sources.values():
                await source.close()

    def _jobs_of(self, gap: Gap) -> list[_Job]:
        activity = self._activity(gap.venue)
        wanted: Iterable[str] = activity if gap.symbols is None else (name for name in gap.symbols if name in activity)

        def rank(name: str) -> tuple[int, float, int]:
            return 0 if name in self._pinned else 1, -activity[name], gap.number

        return sorted(_Job(rank(name), gap.number, name) for name in wanted)[: self.options.symbols]

    def _activity(self, venue: str) -> dict[str, float]:
        """Return the trades of the day by symbol, of those that are known; none at all counts as zero."""
        counts = self._engine.table(["trade_count"])["trade_count"].tolist()
        # NaN is no order.
        return {
            name: counts[id_] if counts[id_] > 0 else 0.0 for id_, at, name in self._engine.symbols() if at == venue
        }

    async def _work(self) -> None:
        while True:
            while not self._jobs:
                self._wake.clear()
                await self._wake.wait()
            job = heapq.heappop(self._jobs)
            gap = self._book.get(job.gap)
            try:
                state: GapState = "given_up" if gap is None else await self._repair(gap, job.symbol)
            except _TooEarly:
                self._held.append(job)
                continue
            self._done[job.gap].append(state)
            self._left[job.gap] -= 1
            if not self._left[job.gap]:
                del self._left[job.gap]
                self._settle(job.gap, self._done.pop(job.gap))

    def _release(self) -> None:
        """Let those that waited for the end of an outage have their turn: one has ended."""
        for job in self._held:
            heapq.heappush(self._jobs, job)
        self._held.clear()
        self._wake.set()

    def _check_turn(self, gap: Gap, symbol: str) -> None:
        """Raise `_TooEarly` while an outage of the symbol goes on that begins before the end of the gap.

        WHY: an outage gets its end in the engine by its beginning. Filling that while it goes on would leave a rest
        that nothing ends any more, and every later bar would have a hole.
        """
        end_ns = gap.start_ns if gap.end_ns is None else gap.end_ns
        for other in self._book.open_gaps:
            touches = other.venue == gap.venue and other.channel == "trades" and other.start_ns <= end_ns
            if touches and not other.is_over and (other.symbols is None or symbol in other.symbols):
                raise _TooEarly

    async def _repair(self, gap: Gap, symbol: str) -> GapState:
        """Fetch and merge one symbol of a gap; what cannot be had keeps its hole."""
        source = self._sources[gap.venue]
        self._check_turn(gap, symbol)
        try:
            async with asyncio.timeout(self.options.give_up_s):
                try:
                    return await self._trades(source, gap, symbol)
                except RingtapeError as error:
                    _log.info("%s %s: no trades to fill a gap with: %s", gap.venue, symbol, error)
                    return await self._bars(source, gap, symbol) if self.options.bars else "given_up"
        except TimeoutError:
            _log.warning("%s %s: gap given up after %.0f s", gap.venue, symbol, self.options.give_up_s)
        except RingtapeError as error:
            _log.warning("%s %s: gap given up: %s", gap.venue, symbol, error)
        except _TooEarly:
            raise
        except Exception:  # noqa: BLE001
            # A fault of ours in one symbol must not end the repair of all others.
            _log.exception("%s %s: gap given up after an internal error", gap.venue, symbol)
        return "given_up"

    async def _trades(self, source: Source, gap: Gap, symbol: str) -> GapState:
        end_ns = gap.end_ns if gap.end_ns is not None else gap.start_ns
        if gap.cause == "outage" and gap.venue.startswith("binance."):
            last_ns = self._engine.get(f"{gap.venue}:{symbol}", "last_time")
            if last_ns is not None and last_ns > end_ns:
                # It trades again, so its ids have told what is missing: nothing, or a gap of their own.
                self._engine.fill_gap(gap.venue, gap.start_ns, end_ns, symbol)
                return "filled"
        done_ns, came = gap.start_ns, 0
        ids = None if gap.first_id is None or gap.last_id is None else (gap.first_id, gap.last_id)
        start_ns = gap.start_ns - int(self.options.overlap_s * 1e9)
        async for part, whole_ns in _parts(source.trades(symbol, start_ns, end_ns, ids), self.options.part):
            self._check_turn(gap, symbol)
            upto_ns = min(max(done_ns, end_ns if whole_ns is None else whole_ns), end_ns)
            filled = self._engine.backfill(gap.venue, symbol, part, done_ns, upto_ns)
            done_ns, came = upto_ns, came + filled.added + filled.known
            if filled.refused:
                return "partly" if filled.added else "given_up"
            self._changed(None)
            await asyncio.sleep(0)
        self._check_turn(gap, symbol)
        if ids is None:
            # Also where nothing was traded.
            self._engine.fill_gap(gap.venue, done_ns, end_ns, symbol)
        self._changed(None)
        return "filled" if ids is None or came >= (gap.missing or 0) else "partly"

    async def _bars(self, source: Source, gap: Gap, symbol: str) -> GapState:
        end_ns = gap.end_ns if gap.end_ns is not None else gap.start_ns
        replaced = 0
        for interval in sorted(source.intervals().intersection(self._engine.series())):
            # A day before it: the bar that the gap begins in has begun earlier.
            async for page in source.bars(symbol, interval, gap.start_ns - _length_ns(interval), end_ns):
                replaced += self._engine.backfill_bars(gap.venue, symbol, interval, page).added
            self._changed(None)
        return "partly" if replaced else "given_up"

    def _settle(self, number: int, states: list[GapState]) -> None:
        whole = all(state == "filled" for state in states)
        none = all(state == "given_up" for state in states)
        state: GapState = "filled" if whole else "given_up" if none else "partly"
        gap = self._book.settle(number, state)
        if gap is not None:
            self._changed(gap)


def _length_ns(interval: str) -> int:
    return interval_ms(interval) * _MS


async def _parts(pages: AsyncIterator[Records], most: int) -> AsyncIterator[tuple[Records, int | None]]:
    """Yield trades in parts that cut no moment, each with the last moment that it is whole up to; None at the end."""
    held: Records | None = None
    async for page in pages:
        held = page if held is None else np.concatenate([held, page])
        while len(held) > most:
            times = held["ts_event"]
            cut = int(np.searchsorted(times, times[most])) or int(np.searchsorted(times, times[most], side="right"))
            if cut == len(held):
                break
            yield held[:cut], int(times[cut]) - _MS
            held = held[cut:]
    if held is not None:
        yield held, None
