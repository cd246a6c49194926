"""What was made, what came through, what the app told its strategy; and the comparison of the three.

The oracle takes every trade that the market made from the market itself, before any fault, and works bars out of it
by `oracle.bars`. It knows of each message whether the client got it whole.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from oracle import bars as slow
from oracle.tape import ALL
from oracle.tape import RIGHTS as USUAL
from ringtape import Gap
from ringtape.strategy import Context, Strategy
from ringtape.strategy.base import Records

__all__ = ["Key", "Ledger", "Report", "Tape"]

Key = tuple[str, str]
"""Symbol and the venue's number of a trade."""
Place = tuple[str, str, int]
"""Symbol, series and start of a bar."""

SECOND = 10**9
SERIES = {"1s": SECOND, "1m": 60 * SECOND}
REPAIRED = 8
SETTLE_NS = 1_350_000_000
"""From live to the end of an outage: a second, and the app looks four times a second."""
BEHIND_NS = 3_200_000_000
# A qualified contingent trade is no price of the market.
RIGHTS = {**USUAL, 53: "V"}
_COLUMNS = ("ts_end", "open", "high", "low", "close", "volume_e8", "volume", "dollar_volume", "vwap", "trade_count")


@dataclass(frozen=True)
class Made:
    """One trade that the market made."""

    key: Key
    trade: slow.Trade


def read(message: bytes) -> Iterator[Made]:
    """Yield the trades of a message of either venue; nothing for one that is no JSON."""
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):
        return
    for event in value if isinstance(value, list) else [value.get("data", value)] if isinstance(value, dict) else []:
        if event.get("ev") == "T" and "i" in event:
            rights = set(ALL)
            for condition in event.get("c", ()):
                rights &= set(RIGHTS.get(condition, ALL))
            trade = slow.Trade(
                event["t"] * 1_000_000, event["q"], repr(event["p"]), event["ds"], "".join(sorted(rights))
            )
            yield Made((event["sym"], event["i"]), trade)
        elif event.get("e") == "aggTrade":
            trade = slow.Trade(event["T"] * 1_000_000, event["a"], event["p"], event["q"], side=-1 if event["m"] else 1)
            yield Made((event["s"], str(event["a"])), trade)


class Tape(Strategy):
    """Keeps the last form of every bar, every trade's key, gaps and states; hashes all that it is handed."""

    def __init__(self, time_ns: Callable[[], int]) -> None:
        self._time_ns = time_ns
        self.trades: Counter[Key] = Counter()
        self.bars: dict[Place, np.void] = {}
        self.doubled: list[Place] = []
        self.gaps: dict[int, Gap] = {}
        self.states: list[tuple[str, str]] = []
        self.errors: list[str] = []
        self.series: tuple[str, ...] = ()
        self.newest: dict[int, int] = {}
        """The newest trade that had come when a gap was opened, by its number."""
        self.live: list[int] = []
        """When connections were live."""
        self._newest = 0
        self._hash = hashlib.blake2b()

    @property
    def digest(self) -> str:
        """The hash of everything so far."""
        return self._hash.hexdigest()

    def on_trades(self, ctx: Context, trades: Records) -> None:
        self._hash.update(trades.tobytes())
        self._newest = max(self._newest, int(trades["ts_event"].max()))
        names = ("symbol", "id", "first_id", "sequence")
        for symbol, text, _, number in zip(*(trades[name].tolist() for name in names), strict=True):
            self.trades[ctx.symbol(symbol), text.decode() or str(number)] += 1

    def on_bars(self, ctx: Context, bars: Records) -> None:
        self._hash.update(bars.tobytes())
        for bar in bars.copy():
            place = ctx.symbol(bar["symbol"]), self.series[bar["series"]], int(bar["ts_event"])
            if place in self.bars and not bar["flags"] & slow.REVISED:
                self.doubled.append(place)
            self.bars[place] = bar

    def on_gap(self, ctx: Context, gap: Gap) -> None:
        self._hash.update(repr(gap).encode())
        if gap.number not in self.gaps:
            self.newest[gap.number] = self._newest
        self.gaps[gap.number] = gap

    def on_connection(self, ctx: Context, feed: str, state: str) -> None:
        self._hash.update(f"{feed} {state} {ctx.now}".encode())
        self.states.append((feed, state))
        if state in {"live", "degraded"}:
            self.live.append(self._time_ns())

    def on_error(self, ctx: Context, hook: str, error: Exception) -> None:
        self.errors.append(f"{hook}: {error!r}")


@dataclass
class Report:
    """What the comparison found; bars by series."""

    bars: int = 0
    complete: int = 0
    incomplete: int = 0
    absent: int = 0
    """All trades of them were lost, and a gap tells of it."""
    careful: int = 0
    """Complete, and flagged within the documented margin of an outage or of ids."""
    repaired: int = 0
    unflagged: list[Place] = field(default_factory=list)
    missed: list[Place] = field(default_factory=list)
    untold: list[Place] = field(default_factory=list)
    """All trades were lost, and no gap tells of it."""
    doubled: list[Place] = field(default_factory=list)
    invented: list[Place] = field(default_factory=list)
    wrong_flags: list[Place] = field(default_factory=list)
    wrong_rows: list[tuple[Place, dict[str, tuple[Any, Any]]]] = field(default_factory=list)
    wide: list[str] = field(default_factory=list)
    """Outages that are longer than documented."""
    trades: dict[str, list[Key]] = field(default_factory=dict)

    def take_absent(self, place: Place, *, is_covered: bool) -> None:
        """Take a bar of which nothing came."""
        if is_covered:
            self.absent += 1
        else:
            self.untold.append(place)

    def take(self, place: Place, bar: slow.Bar, sent: np.void | None, *, is_whole: bool, is_covered: bool) -> None:
        """Compare what was sent with the bar of all that came."""
        if sent is None:
            self.missed.append(place)
            return
        row = bar.row()
        found = {name: _value(sent[name]) for name in _COLUMNS}
        if wrong := {name: (found[name], row[name]) for name in _COLUMNS if found[name] != row[name]}:
            self.wrong_rows.append((place, wrong))
        has_hole = bool(sent["flags"] & slow.HAS_HOLE)
        self.repaired += bool(sent["flags"] & REPAIRED)
        self.complete += is_whole and not has_hole
        self.incomplete += not is_whole
        self.careful += is_whole and has_hole and is_covered
        if not is_whole and not has_hole:
            self.unflagged.append(place)
        if is_whole and has_hole and not is_covered:
            self.wrong_flags.append(place)

    @property
    def faults(self) -> dict[str, int]:
        """How many of each kind of fault; empty where all is well."""
        names = ("unflagged", "missed", "untold", "doubled", "invented", "wrong_flags", "wrong_rows", "wide")
        counts = {name: len(getattr(self, name)) for name in names}
        counts |= {name: len(keys) for name, keys in self.trades.items()}
        return {name: count for name, count in counts.items() if count}

    def __str__(self) -> str:
        return (
            f"{self.bars} bars: {self.complete} complete, {self.incomplete} incomplete and flagged, "
            f"{self.absent} absent inside of gaps, {self.careful} flagged without need within the documented margin, "
            f"{self.repaired} repaired; faults: {self.faults or 'none'}"
        )


class Ledger:
    """The oracle's books.

    Parameters
    ----------
    dates
        The trading dates of the venue.
    is_relayed
        Whether one connection may take over from another: an outage then also ends where nothing becomes live.
    """

    def __init__(self, dates: Callable[[int], tuple[int, int]], *, is_relayed: bool) -> None:
        self._dates = _by_hour(dates)
        self._is_relayed = is_relayed
        self.made: dict[Key, slow.Trade] = {}
        self.came: set[Key] = set()
        self.maybe: set[Key] = set()
        """Behind the client's own close frame: it may look at them or not."""

    def produce(self, frames: Iterable[bytes]) -> None:
        """Note what the market made."""
        for frame in frames:
            for made in read(frame):
                assert made.key not in self.made, made
                self.made[made.key] = made.trade

    def deliver(self, _: str, message: bytes, is_late: bool) -> None:  # noqa: FBT001 - the network's call
        """Note what a client got."""
        for made in read(message):
            if made.key in self.made:
                (self.maybe if is_late else self.came).add(made.key)

    def compare(self, tape: Tape, since_ns: int, until_ns: int, *, is_filled: bool = False) -> Report:
        """Compare all bars that begin at `since_ns` or later and end by `until_ns`.

        Where `is_filled`, everything that was lost came later over REST: every bar holds all that was made.
        """
        report = Report(doubled=list(tape.doubled), wide=self._wide(tape))
        self._compare_trades(tape, report, is_filled=is_filled)
        held = set(self.made) if is_filled else set(tape.trades)
        made, got = self._by_bar(self.made), self._by_bar(held)
        covered = _Covered(tape.gaps.values())
        for place, keys in made.items():
            _, series, start = place
            end = self._end(start, SERIES[series])
            if start < since_ns or end > until_ns:
                continue
            whole = slow.Bar(start, end, [self.made[key] for key in keys])
            bar = slow.Bar(start, end, [self.made[key] for key in got.get(place, [])])
            is_covered = covered.touches(place[0], start, end)
            if bar.shown():
                report.bars += 1
                is_whole = len(whole.trades) == len(bar.trades)
                report.take(place, bar, tape.bars.get(place), is_whole=is_whole, is_covered=is_covered)
            elif place in tape.bars:
                report.invented.append(place)
            elif whole.shown():
                report.bars += 1
                report.take_absent(place, is_covered=is_covered)
        report.invented += [place for place in tape.bars if place not in made and since_ns <= place[2] < until_ns]
        return report

    def _wide(self, tape: Tape) -> list[str]:
        """Return the outages that are longer than is documented: from the last data to a second after live.

        Massive's second bars come behind their second: the last data may be one of these.
        """
        return [
            f"{gap}: {(gap.start_ns - tape.newest[gap.number]) / SECOND:.3f} s after the last data, until "
            f"{min((gap.end_ns - live for live in tape.live if live <= gap.end_ns), default=0) / SECOND:.3f} s live"
            for gap in tape.gaps.values()
            if gap.cause == "outage"
            and gap.end_ns is not None
            and (
                gap.start_ns < tape.newest[gap.number] - BEHIND_NS
                or not (self._is_relayed or any(0 <= gap.end_ns - live <= SETTLE_NS for live in tape.live))
            )
        ]

    def _compare_trades(self, tape: Tape, report: Report, *, is_filled: bool) -> None:
        twice = [key for key, count in tape.trades.items() if count > 1]
        foreign = [key for key in tape.trades if key not in self.came and key not in self.maybe]
        ignored = [key for key in self.came if key not in tape.trades]
        if is_filled:
            ignored = []  # a trade that was fetched first is no news when it comes
        named = {"doubled trades": twice, "trades from nowhere": foreign, "trades not taken": ignored}
        report.trades = {name: keys for name, keys in named.items() if keys}

    def _by_bar(self, keys: Iterable[Key]) -> dict[Place, list[Key]]:
        found: dict[Place, list[Key]] = defaultdict(list)
        for key in keys:
            moment = self.made[key].time
            begin, _ = self._dates(moment)
            for series, interval in SERIES.items():
                found[key[0], series, moment - (moment - begin) % interval].append(key)
        return found

    def _end(self, start: int, interval: int) -> int:
        return min(start + interval, self._dates(start)[1])


class _Covered:
    """Where gaps in trades are told of: per symbol, and for all."""

    def __init__(self, gaps: Iterable[Gap]) -> None:
        spans: dict[str | None, list[tuple[int, int]]] = defaultdict(list)
        for gap in gaps:
            if gap.channel == "trades":
                for symbol in gap.symbols or (None,):
                    spans[symbol].append((gap.start_ns, 1 << 62 if gap.end_ns is None else gap.end_ns))
        self._spans = {symbol: _merged(found) for symbol, found in spans.items()}

    def touches(self, symbol: str, start: int, end: int) -> bool:
        """Return True where a gap touches the bar; both edges of a gap are in it."""
        return any(self._touches(whose, start, end) for whose in (symbol, None))

    def _touches(self, whose: str | None, start: int, end: int) -> bool:
        spans = self._spans.get(whose, [])
        place = bisect_left(spans, (end, 0))
        return place > 0 and spans[place - 1][1] >= start


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((start, end))
    return merged


def _by_hour(dates: Callable[[int], tuple[int, int]]) -> Callable[[int], tuple[int, int]]:
    """Return the same, asked once an hour: trading dates begin on the hour."""
    hour = 3600 * SECOND
    known = cache(lambda number: dates(number * hour))
    return lambda moment: known(moment // hour)


def _value(number: Any) -> float | int | None:
    value: float | int = number.item()
    return None if value != value else value  # noqa: PLR0124 - NaN
