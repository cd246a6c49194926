"""The slow and obvious aggregates: Python integers and fractions over parsed JSON, one literal definition each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

MINUTE_NS = 60_000_000_000


@dataclass
class Bar:
    """One bar of exact sums: sizes in 1e-8, notional in 1e-16."""

    start: int
    prices: list[float] = field(default_factory=list)
    volume: int = 0
    notional: int = 0
    buys: int = 0
    count: int = 0

    def add(self, price: str, size: str, *, buy: bool) -> None:
        """Take one trade."""
        size_e8, price_e8 = e8(size), e8(price)
        self.prices.append(float(price))
        self.volume += size_e8
        self.notional += size_e8 * price_e8
        self.buys += size_e8 if buy else 0
        self.count += 1

    def row(self) -> dict[str, float | int]:
        """Return the bar as the engine's columns."""
        return {
            "ts_event": self.start,
            "open": self.prices[0],
            "high": max(self.prices),
            "low": min(self.prices),
            "close": self.prices[-1],
            "volume_e8": self.volume,
            "volume": self.volume / 10**8,
            "dollar_volume": self.notional / 10**16,
            # int / int is the correctly rounded quotient.
            "vwap": self.notional / (self.volume * 10**8),
            "buy_volume": self.buys / 10**8,
            "trade_count": self.count,
        }


def e8(text: str) -> int:
    """Return a decimal string as an integer of 1e-8; every capture fits without rounding."""
    scaled = Decimal(text) * 10**8
    assert scaled == int(scaled)
    return int(scaled)


@dataclass
class Market:
    """What a capture of one symbol says at its end."""

    bars: dict[int, Bar] = field(default_factory=dict)
    last: str = ""
    volume: int = 0
    notional: int = 0
    trades: int = 0
    bid: str = ""
    ask: str = ""
    quotes: int = 0


def recompute(lines: Iterable[bytes], interval_ns: int) -> Market:
    """Read a Binance capture line by line and add everything up."""
    market = Market()
    for line in lines:
        data = json.loads(line.split(b" ", 1)[1]).get("data", {})
        if data.get("e") == "trade":
            start = data["T"] * 1_000_000 // interval_ns * interval_ns
            market.bars.setdefault(start, Bar(start)).add(data["p"], data["q"], buy=not data["m"])
            market.last = data["p"]
            market.volume += e8(data["q"])
            market.notional += e8(data["q"]) * e8(data["p"])
            market.trades += 1
        elif data.get("e") == "bookTicker":
            market.bid, market.ask = data["b"], data["a"]
            market.quotes += 1
    return market
