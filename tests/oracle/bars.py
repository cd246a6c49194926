"""The slow and obvious bars: each keeps its list of trades, and everything is worked out from that list each time.

Integers throughout: sizes and prices in 1e-8, notional in 1e-16. Only the last step of a column makes a float of one
quotient. Definitions: docs/bars.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from . import aggregate

COMPLETE, REVISED, HAS_HOLE = 1, 2, 16
DAY_NS = 86_400_000_000_000
REVISE_FOR_NS = 900_000_000_000
BRICKS_MOST = 256
_NEW_YORK = ZoneInfo("America/New_York")
_SATURDAY = 5
# SOURCE: NYSE, "Holidays & Trading Hours", 2026.
_HOLIDAYS_2026 = {(1, 1), (1, 19), (2, 16), (4, 3), (5, 25), (6, 19), (7, 3), (9, 7), (11, 26), (12, 25)}

e8 = cache(aggregate.e8)


@dataclass(frozen=True)
class Trade:
    """One trade. ``rights`` is a word of the letters H high and low, L last, V volume, W VWAP."""

    time: int
    sequence: int
    price: str
    size: str
    rights: str = "HLVW"
    side: int = 0
    """1 a buyer took, -1 a seller, 0 nobody knows."""
    late: bool = False
    hole: bool = False
    """Ids are missing before it."""

    @property
    def key(self) -> tuple[int, int]:
        """The place on the tape."""
        return self.time, self.sequence


@dataclass(eq=False)
class Hole:
    """Ids that did not come, and the times of the trades at both edges."""

    first: int
    last: int
    missing: list[int]

    def touches(self, bar: Bar) -> bool:
        """Return True where a moment between its edges lies in the bar."""
        return bar.start <= self.last and self.first < bar.end


@dataclass
class Bar:
    """A bar as the list of what it holds."""

    start: int
    end: int
    trades: list[Trade] = field(default_factory=list)
    flags: int = 0
    edges: tuple[int, int] | None = None
    """Open and close of a Renko brick, in 1e-8."""
    holes: list[Hole] = field(default_factory=list)
    """Holes in the venue's ids that touch it."""
    lost: bool = False
    """A trade came too late for it while it had a hole."""

    def flag_holes(self) -> None:
        """Set or clear the flag; what was sent is sent again."""
        flag = HAS_HOLE if self.holes or self.lost else 0
        if self.flags & COMPLETE and self.shown() and flag != self.flags & HAS_HOLE:
            self.flags |= REVISED
        self.flags = self.flags & ~HAS_HOLE | flag

    def of(self, right: str) -> list[Trade]:
        """Return the trades that have a right."""
        return [trade for trade in self.trades if right in trade.rights]

    def shown(self) -> bool:
        """Return True where the bar has a price."""
        return bool(self.of("L"))

    def volume(self) -> int:
        """Return the sum of sizes."""
        return sum(e8(trade.size) for trade in self.of("V"))

    def row(self) -> dict[str, float | int | None]:
        """Return the engine's columns; None for NaN."""
        counted, weighted = self.of("V"), self.of("W")
        prices = sorted(self.of("L"), key=lambda trade: trade.key)
        notional = sum(e8(trade.size) * e8(trade.price) for trade in counted)
        weight = sum(e8(trade.size) for trade in weighted)
        bought = sum(e8(trade.size) for trade in counted if trade.side > 0)
        row: dict[str, float | int | None] = {
            "ts_event": self.start,
            "ts_end": self.end,
            "flags": self.flags,
            "volume_e8": self.volume(),
            "volume": self.volume() / 10**8,
            "dollar_volume": notional / 10**16,
            "vwap": sum(e8(t.size) * e8(t.price) for t in weighted) / (weight * 10**8) if weight else None,
            "buy_volume": bought / 10**8 if any(trade.side for trade in counted) else None,
            "trade_count": len(counted),
        }
        if self.edges:
            open_, close = (edge / 10**8 for edge in self.edges)
            return {**row, "open": open_, "close": close, "high": max(open_, close), "low": min(open_, close)}
        extremes = [float(trade.price) for trade in self.of("H")]
        ends = {"open": float(prices[0].price), "close": float(prices[-1].price)}
        return {**row, **ends, "high": max(extremes), "low": min(extremes)}


def us_date(moment: int) -> tuple[int, int]:
    """Return where the US trading date of a moment begins and where the next one does: 04:00 in New York."""
    local = datetime.fromtimestamp(moment // 10**9, UTC).astimezone(_NEW_YORK)
    day = local.date() - timedelta(days=local.time() < time(4))
    while not _is_open(day):
        day -= timedelta(days=1)
    after = day + timedelta(days=1)
    while not _is_open(after):
        after += timedelta(days=1)
    return _four(day), _four(after)


def _is_open(day: date) -> bool:
    holiday = day.year == 2026 and (day.month, day.day) in _HOLIDAYS_2026
    return day.weekday() < _SATURDAY and not holiday


def _four(day: date) -> int:
    return int(datetime.combine(day, time(4), _NEW_YORK).timestamp()) * 10**9


def utc_date(moment: int) -> tuple[int, int]:
    """Return where the UTC date of a moment begins and where the next one does."""
    start = moment // DAY_NS * DAY_NS
    return start, start + DAY_NS


Dates = Callable[[int], tuple[int, int]]


def time_bars(trades: Iterable[Trade], interval: int, dates: Dates, *, numbered: bool) -> tuple[list[Bar], int]:
    """Return the last form of every bar in the order of time, and how many trades were too late.

    Each trade comes in a frame of its own, received at the newest time so far. Where trades are `numbered`, their ids
    rise by one; what is missing comes later, if it comes.
    """
    builder = _TimeBars(interval, dates)
    for trade in trades:
        builder.take(trade, numbered=numbered)
    return [bar for _, bar in sorted(builder.bars.items()) if bar.shown()], builder.too_late


@dataclass
class _TimeBars:
    """All time bars of one series, by their starts."""

    interval: int
    dates: Dates
    bars: dict[int, Bar] = field(default_factory=dict)
    now: int = 0
    too_late: int = 0
    newest: Trade | None = None
    holes: list[Hole] = field(default_factory=list)

    def take(self, trade: Trade, *, numbered: bool) -> None:
        before, self.now = self.now, max(self.now, trade.time)
        # A new date ends bars before its first trade is looked at.
        self._complete(self.dates(self.now)[0])
        closed = self._number(trade) if numbered else None
        begin, after = self.dates(trade.time)
        start = begin if self.interval == DAY_NS else trade.time - (trade.time - begin) % self.interval
        end = min(start + self.interval, after)
        if end + REVISE_FOR_NS < before:
            self.too_late += 1
            if (bar := self.bars.get(start)) and bar.holes:
                bar.lost = True
        else:
            bar = self.bars.get(start) or self._fresh(start, end)
            bar.flags |= REVISED if bar.flags & COMPLETE and bar.shown() else 0
            bar.trades.append(trade)
        if closed:
            self._close(closed)
        self._complete(self.now)

    def _complete(self, until: int) -> None:
        for bar in self.bars.values():
            bar.flags |= COMPLETE if bar.end <= until else 0

    def _fresh(self, start: int, end: int) -> Bar:
        bar = self.bars[start] = Bar(start, end)
        bar.holes = [hole for hole in self.holes if hole.missing and hole.touches(bar)]
        bar.flag_holes()
        return bar

    def _number(self, trade: Trade) -> Hole | None:
        """Look at an id: holes open before the trade is added, and the one that it closes, if any, closes too."""
        if self.newest is None or trade.sequence == self.newest.sequence + 1:
            self.newest = trade
        elif trade.sequence > self.newest.sequence:
            missing = list(range(self.newest.sequence + 1, trade.sequence))
            hole = Hole(self.newest.time, trade.time, missing)
            self.holes.append(hole)
            self.newest = trade
            for bar in filter(hole.touches, self.bars.values()):
                bar.holes.append(hole)
                bar.flag_holes()
        else:
            (hole,) = (hole for hole in self.holes if trade.sequence in hole.missing)
            hole.missing.remove(trade.sequence)
            if not hole.missing:
                return hole
        return None

    def _close(self, hole: Hole) -> None:
        """All of it has come. A bar that was too old to take a trade still lacks it."""
        for bar in self.bars.values():
            if hole in bar.holes:
                bar.holes.remove(hole)
                bar.flag_holes()


def sampled_bars(trades: Iterable[Trade], spec: str, dates: Dates, *, cut: bool) -> tuple[list[Bar], Bar | None]:
    """Return the bars of a kind such as ``tick:100`` in the order of their ends, and the one that forms.

    Trades of a past date are left out; a new date begins anew where it is to `cut` what forms.
    """
    kind, number = spec.split(":")
    bars: list[Bar] = []
    tape = _Tape()
    for trade in trades:
        begin, after = dates(tape.clock) if tape.clock else (trade.time, trade.time + 1)
        if trade.time < begin:
            continue
        if cut and trade.time >= after:
            bars += [bar for bar in [tape.bar] if bar and bar.shown()]
            tape = _Tape()
        bars += tape.take(trade, kind, e8(number))
    return bars, tape.bar


@dataclass
class _Tape:
    """What goes on from trade to trade."""

    clock: int = 0
    last: Trade | None = None
    sign: int = 0
    signs: list[int] = field(default_factory=list)
    bar: Bar | None = None
    brick: int | None = None

    def take(self, trade: Trade, kind: str, most: int) -> list[Bar]:
        """Take a trade and return the bars that it completes."""
        if trade.late or (self.last and trade.key < self.last.key):
            trade = replace(trade, rights=trade.rights.replace("H", "").replace("L", ""))
        self.clock = max(self.clock, trade.time)
        self.bar = self.bar or Bar(self.clock, self.clock)
        self.bar.end = self.clock
        self.bar.flags |= HAS_HOLE if trade.hole else 0
        self.bar.trades.append(trade)
        self.signs.append(self._sign(trade))
        if "L" in trade.rights:
            self.last = trade
        if kind == "renko":
            return self._bricks(most)
        if self.bar.shown() and self._is_full(kind, most):
            return [self._end()]
        return []

    def _sign(self, trade: Trade) -> int:
        """Say who took a trade: the venue's word, else the tick rule over prices that may be the last."""
        if trade.side:
            self.sign = trade.side
        elif self.last and "L" in trade.rights and e8(trade.price) != e8(self.last.price):
            self.sign = 1 if e8(trade.price) > e8(self.last.price) else -1
        return self.sign

    def _is_full(self, kind: str, most: int) -> bool:
        assert self.bar
        if kind == "range":
            prices = [e8(trade.price) for trade in self.bar.of("H")]
            return max(prices) - min(prices) >= most
        measure, _, rule = kind.partition("_")
        amounts = [(sign, _amount(trade, measure)) for sign, trade in zip(self.signs, self.bar.trades, strict=True)]
        bought = sum(amount for sign, amount in amounts if sign > 0)
        sold = sum(amount for sign, amount in amounts if sign < 0)
        if measure == "dollar":
            most *= 10**8
        totals = {"": sum(amount for _, amount in amounts), "imbalance": abs(bought - sold), "run": max(bought, sold)}
        return totals[rule] >= most

    def _end(self) -> Bar:
        """End the bar, or an empty one at this moment."""
        bar = self.bar or Bar(self.clock, self.clock)
        bar.flags |= COMPLETE
        self.bar, self.signs = None, []
        return bar

    def _bricks(self, size: int) -> list[Bar]:
        """Return the bricks that the newest price completes, the first with the trades."""
        if self.last is None:
            return []
        price = e8(self.last.price)
        if self.brick is None:
            self.brick = price // size * size
        edges = []
        while price >= self.brick + 2 * size:
            edges.append((self.brick + size, self.brick + 2 * size))
            self.brick += size
        while price <= self.brick - size:
            edges.append((self.brick, self.brick - size))
            self.brick -= size
        bricks = []
        for pair in edges[-BRICKS_MOST:]:
            bricks.append(self._end())
            bricks[-1].edges = pair
        return bricks


def _amount(trade: Trade, measure: str) -> int:
    if "V" not in trade.rights:
        return 0
    return {"tick": 10**8, "volume": e8(trade.size), "dollar": abs(e8(trade.size) * e8(trade.price))}[measure]
