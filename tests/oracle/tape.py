"""Derived fields by their literal definitions, over everything that was fed: slow, obvious, exact.

Times are Unix ns, prices and sizes integers of 1e-8. A value is a Fraction, an int, a float where it was computed in
doubles, or None where it is undefined. Nothing is kept up to date: each value filters the whole tape again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

SECOND = 10**9
MINUTE = 60 * SECOND
E8 = 10**8
E16 = 10**16

# Rights by condition: HL, LAST, VOL, VW.
RIGHTS = {
    37: "VW",
    12: "VW",
    13: "V",
    32: "HVW",
    10: "HV",
    2: "V",
    52: "V",
    15: "",
    38: "HL",
}
ALL = "HLVW"
WITHOUT_SIDE = {8, 19, 17, 25, 18, 28, 2, 52, 53}
OUT_OF_SEQUENCE = {13, 32, 33}

Number = Fraction | int | float
Value = Number | None


@dataclass(frozen=True)
class Day:
    """A trading date: its start, the regular session, the end of the last one."""

    date: int
    start: int
    open: int
    close: int
    end: int


@dataclass
class Trade:
    """A trade of the tape, and what is made of it when it comes."""

    time: int
    sequence: int
    price: int
    size: int
    conditions: tuple[int, ...] = ()
    late: bool = False
    reported: bool = False
    rights: str = ""
    moved: bool = False
    side: str = "none"
    tick: int = 0
    quote: Quote | None = None

    @property
    def key(self) -> tuple[int, int]:
        """Place on the tape."""
        return self.time, self.sequence

    @property
    def notional(self) -> int:
        """Price times size in 1e-16."""
        return self.price * self.size


@dataclass(frozen=True)
class Quote:
    """A quote; a side without a price is empty."""

    time: int
    sequence: int
    bid: int
    ask: int
    bid_size: int
    ask_size: int

    @property
    def two_sided(self) -> bool:
        """Whether both sides have a price."""
        return self.bid > 0 and self.ask > 0

    @property
    def spread(self) -> float | None:
        """Spread over mid."""
        if not self.two_sided or self.bid > self.ask:
            return None
        return (self.ask - self.bid) / ((self.bid + self.ask) / 2)


def fixed(value: float) -> int:
    """Return a computed value as integer of 2^-40."""
    return round(Fraction(value) * 2**40)


def quantum(window: int) -> int:
    """Return the width of a window's buckets."""
    if window <= 10 * SECOND:
        return SECOND // 10
    return SECOND if window <= 1800 * SECOND else MINUTE


def share(part: int, whole: int) -> Value:
    """Return a quotient, None where there is nothing to divide by."""
    return Fraction(part, whole) if whole > 0 else None


def rounded(value: Value) -> Value:
    """Return a value that the engine computes in doubles."""
    return None if value is None else float(value)


def ratio(a: Value, b: Value) -> Value:
    """Return a/b - 1 as the engine computes it, in doubles."""
    return None if a is None or b is None or b == 0 else float(a) / float(b) - 1


@dataclass
class Tape:
    """What one symbol of US stocks has been told, and every field of it at engine time `now`."""

    days: list[Day]
    reference: float | None = None
    now: int = 0
    first: int = 0
    trades: list[Trade] = field(default_factory=list)
    quotes: list[Quote] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.first = self.day.date

    @property
    def prev_close(self) -> Value:
        """The close that was given for the first date; later the official close of the date before."""
        if self.day.date == self.first:
            return self.reference
        before = max((day for day in self.days if day.start < self.day.start), key=lambda day: day.start)
        closes = [
            one.price for one in self.trades if 15 in one.conditions and before.start <= one.time < self.day.start
        ]
        return Fraction(closes[-1], E8) if closes else None

    def day_at(self, time: int) -> Day:
        """Return the date that a time belongs to."""
        return max((day for day in self.days if day.start <= time), key=lambda day: day.start)

    @property
    def day(self) -> Day:
        """The current date."""
        return self.day_at(self.now)

    @property
    def today(self) -> list[Trade]:
        """The trades of the current date."""
        return [trade for trade in self.trades if trade.time >= self.day.start]

    def add_trade(self, trade: Trade, now: int) -> None:
        """Take a trade, at the engine time that it led to."""
        self.now = max(self.now, now, trade.time)
        if trade.time < self.day.start:
            return
        day, before = self.day, self.today
        trade.rights = self.rights_of(trade, day, first=not any("V" in one.rights for one in before))
        trade.late |= bool(OUT_OF_SEQUENCE & set(trade.conditions))
        newest = max((one.key for one in self.trades if one.moved), default=(0, 0))
        trade.moved = "L" in trade.rights and not trade.late and trade.key >= newest
        self.judge(trade, [one for one in before if one.moved])
        self.trades.append(trade)

    @staticmethod
    def rights_of(trade: Trade, day: Day, *, first: bool) -> str:
        """Return what all conditions of a trade leave it."""
        rights = set(ALL)
        for condition in trade.conditions:
            own = set(RIGHTS.get(condition, ALL))
            if condition == 12 and not day.open <= trade.time < day.close:
                own |= {"H", "L"}
            if condition in {32, 10} and first:
                own |= {"L"}
            rights &= own
        return "".join(sorted(rights))

    def judge(self, trade: Trade, line: list[Trade]) -> None:
        """Find the quote before a trade, its side and its tick; `line` are the LAST trades in line before it."""
        sided = "V" in trade.rights and not trade.late and not WITHOUT_SIDE & set(trade.conditions)
        change = (trade.price > line[-1].price) - (trade.price < line[-1].price) if line else 0
        if trade.moved:
            trade.tick = change
        if not sided:
            return
        two_sided = [quote for quote in self.quotes if quote.two_sided and quote.bid <= quote.ask]
        times = sorted({quote.time for quote in two_sided})[-32:]
        known = [quote for quote in two_sided if quote.time in times and quote.time < trade.time]
        if known and trade.time - known[-1].time <= 5 * SECOND:
            trade.quote = known[-1]
        middle = 0 if trade.quote is None else 2 * trade.price - trade.quote.bid - trade.quote.ask
        ticks = [one.tick for one in line if one.tick]
        sign = middle or change or (ticks[-1] if ticks else 0)
        trade.side = "buy" if sign > 0 else "sell" if sign < 0 else "none"

    def add_quote(self, quote: Quote, now: int) -> None:
        """Take a quote, at the engine time that it led to."""
        self.now = max(self.now, now, quote.time)
        newest = (self.quotes[-1].time, self.quotes[-1].sequence) if self.quotes else (0, 0)
        if quote.time >= self.day.start and (quote.time, quote.sequence) >= newest:
            self.quotes.append(quote)

    # Selections.

    def inside(self, time: int, window: int, width: int | None = None) -> bool:
        """Tell whether a time of the current date is inside a window."""
        width = width or quantum(window)
        now = self.now // width * width
        return time >= self.day.start and now - window < time // width * width <= now

    def of(self, window: int, right: str = "V") -> list[Trade]:
        """Return the trades of a window that have a right."""
        return [trade for trade in self.trades if right in trade.rights and self.inside(trade.time, window)]

    def size(self, window: int, which: Callable[[Trade], bool] = lambda _: True) -> int:
        """Return the volume of a window."""
        return sum(trade.size for trade in self.of(window) if which(trade))

    def price_at(self, time: int, width: int) -> Value:
        """Return the newest price of the date at or before a moment."""
        line = [one for one in self.today if "L" in one.rights and not one.late and one.time // width * width <= time]
        return Fraction(max(line, key=lambda one: one.key).price, E8) if line else None

    @property
    def last(self) -> Value:
        """The price of the newest LAST trade."""
        moved = [trade.price for trade in self.trades if trade.moved]
        return Fraction(moved[-1], E8) if moved else None

    @property
    def last_today(self) -> Value:
        """The same where it is of the current date."""
        moved = [trade.price for trade in self.today if trade.moved]
        return Fraction(moved[-1], E8) if moved else None

    def change(self, window: int, back: int = 1) -> Value:
        """Return the change over a window that ends `back - 1` windows ago, each measured in its own steps."""
        now = self.last_today if back == 1 else self.base(window * (back - 1))
        return ratio(now, self.base(window * back))

    def base(self, window: int) -> Value:
        """Return the price at the beginning of a window."""
        width = quantum(window)
        return self.price_at(self.now // width * width - window, width)

    # Fields.

    def phase(self, time: int) -> str:
        """Return the session of a moment."""
        day = self.day
        if not day.start <= time < day.end:
            return "closed"
        return self.phase_of_print(time)

    def phase_of_print(self, time: int) -> str:
        """Return the session that a trade belongs to."""
        return "pre" if time < self.day.open else "regular" if time < self.day.close else "post"

    def of_session(self, session: str, right: str) -> list[Trade]:
        """Return the trades of a session that have a right."""
        return [one for one in self.today if right in one.rights and self.phase_of_print(one.time) == session]

    def extreme(self, trades: Iterable[Trade], pick: Callable[[Iterable[int]], int]) -> Value:
        """Return the highest or lowest price."""
        prices = [trade.price for trade in trades]
        return Fraction(pick(prices), E8) if prices else None

    @staticmethod
    def vwap(trades: Iterable[Trade]) -> Value:
        """Return the price of trades weighted by size."""
        trades = list(trades)
        return share(sum(one.notional for one in trades), sum(one.size for one in trades) * E8)

    def opening(self, window: int, pick: Callable[[Iterable[int]], int]) -> Value:
        """Return an extreme of the opening range."""
        opened = self.day.open
        if self.now < opened + window:
            return None
        return self.extreme((t for t in self.today if "H" in t.rights and opened <= t.time < opened + window), pick)

    def session_fields(self) -> dict[str, Value]:
        """Return the fields of sessions, the calendar and the opening range."""
        day, now = self.day, self.now
        pre = [one for one in self.of_session("pre", "L") if not one.late]
        last_pre = Fraction(max(pre, key=lambda one: one.key).price, E8) if pre else None
        closes = [one.price for one in self.today if 15 in one.conditions]
        close = Fraction(closes[-1], E8) if closes else None
        regular = day.open <= now < day.close
        high_pre = self.extreme(self.of_session("pre", "H"), max)
        anchor = day.start + (10 * 3600 + 30 * 60 - 4 * 3600) * SECOND
        high, low = self.opening(5 * MINUTE, max), self.opening(5 * MINUTE, min)
        flat = high is None or low is None or self.last is None or high == low
        return {
            "session": ["closed", "pre", "regular", "post"].index(self.phase(now)),
            "minutes_since_open": Fraction(now - day.open, MINUTE) if regular else None,
            "minutes_to_close": Fraction(day.close - now, MINUTE) if regular else None,
            "official_close": close,
            "change_pre": ratio(last_pre, self.prev_close),
            "change_post": ratio(self.last_today, close) if self.phase(now) == "post" else None,
            "high_pre": high_pre,
            "low_pre": self.extreme(self.of_session("pre", "H"), min),
            "high_post": self.extreme(self.of_session("post", "H"), max),
            "low_post": self.extreme(self.of_session("post", "H"), min),
            "off_high_pre": ratio(self.last, high_pre),
            "volume_pre": Fraction(sum(one.size for one in self.of_session("pre", "V")), E8),
            "volume_reg": Fraction(sum(one.size for one in self.of_session("regular", "V")), E8),
            "volume_post": Fraction(sum(one.size for one in self.of_session("post", "V")), E8),
            "vwap_reg": self.vwap(self.of_session("regular", "W")),
            "vwap_anchor(10:30)": self.vwap(one for one in self.today if "W" in one.rights and one.time >= anchor),
            "or_high(5m)": high,
            "or_low(5m)": low,
            "or_pos(5m)": None if flat else (float(self.last) - float(low)) / (float(high) - float(low)),  # type: ignore[arg-type]
            "is_stale": int(self.last_today is None),
        }

    def flow_fields(self, window: int, text: str) -> dict[str, Value]:
        """Return the fields of trades over a window."""
        line = [one for one in self.trades if one.moved and self.inside(one.time, window)]
        ups, downs = sum(one.tick > 0 for one in line), sum(one.tick < 0 for one in line)
        buy, sell = self.size(window, lambda one: one.side == "buy"), self.size(window, lambda one: one.side == "sell")
        volume, trades = self.size(window), self.of(window)
        blocks = [one for one in trades if one.size >= 10_000 * E8 and one.notional >= 200_000 * E16]
        paid = [one for one in trades if one.quote is not None]
        whole, width = 4 * window, quantum(window)
        before = sum(
            one.size for one in self.today if "V" in one.rights and self.inside(one.time, whole, width)
        ) - self.size(window)
        change = self.change(window)
        far = self.change(window, 2)
        fields = {
            "buy_volume": Fraction(buy, E8),
            "sell_volume": Fraction(sell, E8),
            "buy_ratio": share(buy, buy + sell),
            "signed_volume": Fraction(buy - sell, E8),
            "unclassified_share": share(volume - buy - sell, volume),
            "taker_imbalance": share(buy - sell, buy + sell),
            "taker_ratio": share(buy, sell),
            "at_ask_ratio": share(sum(one.size for one in paid if one.price >= one.quote.ask), volume),  # type: ignore[union-attr]
            "uptick_ratio": share(ups - downs, ups + downs),
            "late_share": share(sum(one.late for one in trades), len(trades)),
            "odd_lot_share": share(sum(37 in one.conditions for one in trades), len(trades)),
            "trf_share": share(sum(one.size for one in trades if one.reported), volume),
            "block_count": len(blocks),
            "block_volume": Fraction(sum(one.size for one in blocks), E8),
            "max_trade": Fraction(max(one.size for one in trades), E8) if volume else None,
            "avg_trade_size": share(volume, len(trades) * E8),
            "effective_spread": rounded(
                share(sum(self.paid(one) * one.size for one in paid), 2**40 * sum(one.size for one in paid))
            ),
            "acceleration": None if change is None or far is None else float(change) - float(far),
            "velocity": None if change is None else float(change) / (window / MINUTE),
        }
        spike = share(3 * self.size(window), before)
        return {f"{name}({text})": value for name, value in fields.items()} | {f"volume_spike({text},3)": spike}

    @staticmethod
    def paid(trade: Trade) -> int:
        """Return twice the distance to mid over mid in 2^-40."""
        assert trade.quote is not None
        both = trade.quote.bid + trade.quote.ask
        return fixed(2 * (abs(2 * trade.price - both) / both))

    def day_fields(self) -> dict[str, Value]:
        """Return the fields of the tape over the date."""
        trades, line = self.today, [one for one in self.today if one.moved]
        streak = 0
        for tick in (one.tick for one in line if one.tick):
            streak = streak + tick if streak * tick > 0 else tick
        counted = [one for one in trades if "V" in one.rights]
        delta = sum({"buy": one.size, "sell": -one.size}.get(one.side, 0) for one in counted)
        newest = max((one.time for one in counted), default=None)
        open_ = self.phase(self.now) != "closed"
        return {
            "delta_day": Fraction(delta, E8),
            "tick_streak": streak if len(line) > 1 else None,
            "change(3t)": ratio(line[-1].price, line[-4].price) if len(line) > 3 else None,
            "streak_no_trade": Fraction(self.now - newest, SECOND) if newest is not None and open_ else None,
        }

    def quote_fields(self, window: int, text: str) -> dict[str, Value]:
        """Return the fields of quotes over a window."""
        flows = [self.flow(before, quote) for before, quote in pairwise(self.quotes) if self.inside(quote.time, window)]
        updates = sum(self.inside(quote.time, window) for quote in self.quotes)
        spread = self.mean(window, lambda quote: None if quote.spread is None else fixed(quote.spread))
        depth = self.mean(window, lambda quote: quote.bid_size + quote.ask_size if quote.two_sided else None)
        return {
            f"ofi({text})": Fraction(sum(flows), E8) if self.quotes else None,
            f"quote_rate({text})": Fraction(updates * SECOND, window) if self.quotes else None,
            f"avg_spread_bps({text})": None if spread is None else float(spread / 2**40),
            f"ofi_norm({text})": None if not depth else float(sum(flows) / (depth / 2)),
        }

    @staticmethod
    def flow(before: Quote, quote: Quote) -> int:
        """Return what an update adds to the order-flow imbalance."""
        if not before.two_sided or not quote.two_sided:
            return 0
        added = quote.bid_size * (quote.bid >= before.bid) - before.bid_size * (quote.bid <= before.bid)
        return added - quote.ask_size * (quote.ask <= before.ask) + before.ask_size * (quote.ask >= before.ask)

    def mean(self, window: int, rate: Callable[[Quote], int | None]) -> Fraction | None:
        """Return a mean over the time that quotes stood within the window and the date."""
        width = quantum(window)
        start = max(self.now // width * width - window + width, self.day.start)
        ends = [*[quote.time for quote in self.quotes], self.now][1:]
        total, stood = 0, 0
        for quote, end in zip(self.quotes, ends, strict=True):
            value, passed = rate(quote), min(end, self.now) - max(quote.time, start)
            if value is not None and passed > 0:
                total, stood = total + value * passed, stood + passed
        return Fraction(total, stood) if stood else None
