"""Own bars of real trades against the bars of those who made the data: US seconds and minutes, Binance's candles.

The vendor of the US data leaves no word on how its bars are made. The rules below were found by comparing; with them
every bar of six days is explained to the last share. None of this is in the engine: its rules stand in docs/fields.md.
"""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pytest

import ringtape as rt
from oracle.aggregate import e8

STOCKS = "massive.stocks"
OPEN_MS, CLOSE_MS = 34_200_000, 57_600_000
LENGTHS = {"1s": 1_000, "1m": 60_000}
RESOLUTIONS = {"1s": "second", "1m": "minute"}

# Bits of the sale condition.
SELLER, SWEEP, OPENING, CLOSING, DERIVED = 1 << 3, 1 << 5, 1 << 6, 1 << 7, 1 << 9
EXTENDED, AVERAGE, OFFICIAL_CLOSE, OFFICIAL_OPEN, EXEMPT = 1 << 13, 1 << 20, 1 << 24, 1 << 26, 1 << 29

LISTED = {"ibm": "N", "bac": "N", "aig": "N", "spy": "P"}
DAYS = ("ibm_20131007", "ibm_20131008", "bac_20131007", "aig_20131007", "spy_20131007", "spy_20131008")


class Tick(NamedTuple):
    """One row of the vendor's trades: time in ms of the day, price in 1e-4."""

    time: int
    price: int
    size: int
    exchange: str
    condition: int

    def counts(self) -> bool:
        """Return True unless it repeats others or is an auction: those are in no volume, but see `with_auction`."""
        return not self.condition & (OPENING | CLOSING | OFFICIAL_OPEN | OFFICIAL_CLOSE)

    def sets_price(self) -> bool:
        """Return True where it moves the vendor's prices: not sweeps and prices from elsewhere in regular hours."""
        if self.condition & EXTENDED:
            return True
        exempt_average = self.condition & AVERAGE and self.condition & EXEMPT
        return not (self.condition & (SWEEP | DERIVED | SELLER) or exempt_average)


Bar = tuple[int, int, int, int, int]
"""Open, high, low, close in 1e-4, and volume."""


@pytest.fixture(scope="module")
def stocks(shared: Path) -> Path:
    folder = shared / "data" / "us_equities"
    assert folder.is_dir(), f"the trades and bars of US stocks are expected in {folder}"
    return folder


def rows(path: Path) -> list[list[str]]:
    with zipfile.ZipFile(path) as archive:
        return [line.split(",") for line in archive.read(archive.namelist()[0]).decode().split()]


def read_ticks(folder: Path, day: str) -> list[Tick]:
    table = rows(folder / f"tick_{day}_trade.zip")
    plain = (row for row in table if row[5] == "0")
    return [Tick(int(float(r[0])), int(r[1]), int(r[2]), r[3], int(r[4], 16)) for r in plain]


def midnight_ms(day: str) -> int:
    date = datetime.strptime(day.split("_")[1], "%Y%m%d").replace(tzinfo=ZoneInfo("America/New_York"))
    return int(date.timestamp()) * 1_000


def engine_bars(ticks: list[Tick], day: str, names: list[str]) -> dict[str, dict[int, Bar]]:
    """Return the engine's bars of the ticks by ms of the day, with the vendor's filter said in conditions.

    What sets no price there is an odd lot (37) here, what does not count is an official close (15).
    """
    start = midnight_ms(day)
    engine = rt.Engine(bars=names, max_symbols=4, max_bars=100_000)
    bars: dict[str, dict[int, Bar]] = {name: {} for name in names}

    def event(number: int, tick: Tick) -> dict[str, Any]:
        conditions = {} if tick.sets_price() else {"c": [37]}
        if not tick.counts():
            conditions = {"c": [15]}
        times = {"t": start + tick.time, "q": number, "i": str(number)}
        return {
            "ev": "T",
            "sym": "XYZ",
            "x": 4,
            "z": 3,
            "p": tick.price / 10_000,
            "s": tick.size,
            **times,
            **conditions,
        }

    def drain() -> None:
        for bar in engine.drain().bars:
            prices = (round(float(bar[name]) * 10_000) for name in ("open", "high", "low", "close"))
            bars[names[bar["series"]]][int(bar["ts_event"]) // 1_000_000 - start] = (*prices, int(bar["volume"]))  # type: ignore[assignment]

    for first in range(0, len(ticks), 500):
        part = ticks[first : first + 500]
        frame = json.dumps([event(first + at, tick) for at, tick in enumerate(part)]).encode()
        assert engine.feed(frame, STOCKS, (start + part[-1].time) * 1_000_000) == len(part)
        drain()
    engine.advance((start + 86_400_000) * 1_000_000)
    drain()
    stats = engine.stats()
    assert (stats["out_of_order"], stats["too_late"], stats["quarantined"]) == (0, 0, 0)
    return bars


def with_carried(bars: dict[int, Bar], ticks: list[Tick], length: int) -> dict[int, Bar]:
    """Return the bars with the volume of intervals that have no price added to the bar before, as the vendor does."""
    carried: Counter[int] = Counter()
    current = None
    for tick in ticks:
        start = tick.time // length * length
        if start in bars:
            current = start
        elif current is not None and tick.counts():
            carried[current] += tick.size
    return {start: (*bar[:4], bar[4] + carried[start]) for start, bar in bars.items()}


def with_auction(bars: dict[int, Bar], ticks: list[Tick], exchange: str) -> dict[int, Bar]:
    """Return the bar at the open and the last one before the close, with the listing exchange's first auction print."""
    auctions = [tick for tick in ticks if tick.exchange == exchange and tick.condition & (OPENING | CLOSING)]
    last = max(start for start in bars if start < CLOSE_MS)
    changed = {}
    for start, kind in ((OPEN_MS, OPENING), (last, CLOSING)):
        tick = next((tick for tick in auctions if tick.condition & kind), None)
        if tick and start in bars:
            open_, high, low, close, volume = bars[start]
            ends = (tick.price, close) if kind == OPENING else (open_, tick.price)
            changed[start] = (ends[0], max(high, tick.price), min(low, tick.price), ends[1], volume + tick.size)
    return changed


def compared(
    ticks: list[Tick], own: dict[int, Bar], vendor: dict[int, Bar], length: int, exchange: str
) -> Counter[str]:
    """Return how many of the vendor's bars equal ours, and by which rule of the vendor the others do."""
    carried = with_carried(own, ticks, length)
    auction = with_auction(carried, ticks, exchange)
    found: Counter[str] = Counter(bars=len(vendor))
    for start, bar in vendor.items():
        if own.get(start) == bar:
            found["equal"] += 1
        elif carried.get(start) == bar:
            found["volume carried"] += 1
        elif auction.get(start) == bar:
            found["auction"] += 1
        else:
            found["unexplained"] += 1
    found["only ours"] = len(own.keys() - vendor.keys())
    return found


EXPECTED = {
    "1s": {"bars": 56_496, "equal": 53_008, "volume carried": 3_485, "auction": 3},
    "1m": {"bars": 3_561, "equal": 3_551, "volume carried": 1, "auction": 9},
}
"""Bars of the vendor; those that are equal as they are, and those that are after one of its own rules."""


def test_us_bars_equal_the_vendors(stocks: Path) -> None:
    total: dict[str, Counter[str]] = {name: Counter() for name in LENGTHS}
    for day in DAYS:
        ticks = read_ticks(stocks, day)
        paths = {name: stocks / f"{kind}_{day}_trade.zip" for name, kind in RESOLUTIONS.items()}
        names = [name for name, path in paths.items() if path.exists()]
        own = engine_bars(ticks, day, names)
        for name in names:
            vendor: dict[int, Bar] = {int(row[0]): tuple(map(int, row[1:])) for row in rows(paths[name])}  # type: ignore[misc]
            found = compared(ticks, own[name], vendor, LENGTHS[name], LISTED[day[:3]])
            print(f"{day} {name}: {dict(found)}")  # noqa: T201 - the figures are what is wanted
            total[name] += found
    print({name: dict(found) for name, found in total.items()})  # noqa: T201 - the figures are what is wanted
    assert total == EXPECTED


# Candles


CAPTURES = {"BINANCE_FUTURES.ws.1.0": "binance.usdm", "BINANCE.ws.1.0": "binance.spot"}
INSIDE = {
    "binance.usdm": {"frames": 67, "whole": 15, "cut": 6, "steps": 33},
    "binance.spot": {"frames": 2, "whole": 1, "cut": 0, "steps": 0},
}
"""Frames with a candle; those of whose candle every id is in the capture, where trades end with the candle and where
the last one goes on after it; pairs of frames of one candle with every id between."""


class Fills(NamedTuple):
    """An aggregate trade: its frame, and the ids of its first and last fill."""

    frame: bytes
    time: int
    first: int
    last: int


class Capture:
    """The aggregate trades and candles of a capture, by symbol."""

    def __init__(self, path: Path) -> None:
        self.trades: dict[str, list[Fills]] = {}
        self.candles: dict[tuple[str, int], list[dict[str, Any]]] = {}
        for line in path.read_bytes().splitlines()[1:]:
            frame = line.partition(b": ")[2]
            event = json.loads(frame)["data"] if frame else {}
            if event.get("e") == "aggTrade":
                fills = Fills(frame, event["T"], event["f"], event["l"])
                self.trades.setdefault(event["s"], []).append(fills)
            elif event.get("e") == "kline":
                self.candles.setdefault((event["s"], event["k"]["t"]), []).append(event["k"])

    def touching(self, symbol: str, first: int, last: int) -> list[Fills]:
        """Return the trades that have some of those ids; none where an id is not in the capture."""
        inside = [fills for fills in self.trades.get(symbol, []) if first <= fills.last and fills.first <= last]
        known = {number for fills in inside for number in range(fills.first, fills.last + 1)}
        return inside if known.issuperset(range(first, last + 1)) else []


@pytest.fixture(scope="module", params=CAPTURES)
def captured(shared: Path, request: pytest.FixtureRequest) -> tuple[str, Capture]:
    path = shared / "data" / "cryptofeed" / request.param
    assert path.is_file(), f"a capture with candles is expected in {path}"
    return CAPTURES[request.param], Capture(path)


def own_candle(trades: list[Fills], venue: str, symbol: str) -> np.void:
    """Return the one-minute bar of some trades, which has not ended."""
    engine = rt.Engine(bars=["1m"], max_symbols=4, max_bars=100, ring_size=256)
    for fills in trades:
        engine.feed(fills.frame, venue, fills.time * 1_000_000)
    (bar,) = engine.bars(symbol, "1m", forming=True)
    return bar


SUMS = {"volume": "v", "dollar_volume": "q", "buy_volume": "V"}


def test_candles_equal_the_venues(captured: tuple[str, Capture]) -> None:
    venue, capture = captured
    found = Counter({"frames": 0, "whole": 0, "cut": 0, "steps": 0})
    for (symbol, start), candles in capture.candles.items():
        for number, candle in enumerate(candles):
            found["frames"] += 1
            trades = capture.touching(symbol, candle["f"], candle["L"])
            if trades and trades[-1].last > candle["L"]:
                found["cut"] += 1
                assert_cut(own_candle(trades, venue, symbol), trades[-1], candle)
            elif trades:
                found["whole"] += 1
                assert_candle(own_candle(trades, venue, symbol), candle, start)
            if number:
                found["steps"] += check_step(capture, venue, symbol, candles[number - 1], candle)
    print(f"{venue}: {dict(found)}")  # noqa: T201 - the figures are what is wanted
    assert found == INSIDE[venue]


def assert_candle(bar: np.void, candle: dict[str, Any], start: int) -> None:
    prices = {"open": "o", "high": "h", "low": "l", "close": "c"}
    for column, key in {**prices, **SUMS}.items():
        assert bar[column] == float(candle[key]), (column, candle)
    assert bar["volume_e8"] == e8(candle["v"])
    assert (bar["ts_event"], bar["ts_end"]) == (start * 1_000_000, (candle["T"] + 1) * 1_000_000)
    assert (bar["interval_ms"], bar["flags"]) == (60_000, 0)


def assert_cut(bar: np.void, last: Fills, candle: dict[str, Any]) -> None:
    """Check a candle that was sent amid the fills of the last trade, which have one price: so prices are known."""
    for column, key in {"open": "o", "high": "h", "low": "l", "close": "c"}.items():
        assert bar[column] == float(candle[key]), (column, candle)
    volume = int(bar["volume_e8"])
    assert volume - e8(json.loads(last.frame)["data"]["q"]) < e8(candle["v"]) < volume


def check_step(capture: Capture, venue: str, symbol: str, earlier: dict[str, Any], candle: dict[str, Any]) -> bool:
    """Check what a frame of a candle adds to the one before: known even where the candle began before the capture."""
    first, last = earlier["L"] + 1, candle["L"]
    trades = capture.touching(symbol, first, last)
    if not trades or trades[0].first < first or trades[-1].last > last:
        return False
    bar = own_candle(trades, venue, symbol)
    for column, key in SUMS.items():
        assert bar[column] == (e8(candle[key]) - e8(earlier[key])) / 10**8, (column, candle)
    assert bar["close"] == float(candle["c"])
    assert float(candle["h"]) == max(float(earlier["h"]), bar["high"])
    assert float(candle["l"]) == min(float(earlier["l"]), bar["low"])
    return True
