"""Fields over recorded markets against a recompute with polars: at sampled moments, each by its literal definition."""

from __future__ import annotations

import json
import os
import random
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest

import ringtape as rt
from ringtape.journal.replay import frames

FULL = bool(os.environ.get("RINGTAPE_FULL"))
SAMPLES = 2_000 if FULL else 250
MS = 1_000_000
SECOND = 1_000 * MS
DAY = 86_400 * SECOND
WINDOWS = {"500ms": SECOND // 2, "3s": 3 * SECOND, "10s": 10 * SECOND, "1m": 60 * SECOND, "4m": 240 * SECOND}
WINDOWED = ("volume", "dollar_volume", "trade_count", "trade_rate", "vwap", "high", "low", "change")
DAILY = ("last", "last_size", "open", "high_day", "low_day", "volume", "dollar_volume", "trade_count", "vwap", "change")
CAPTURES = {
    "binance_raw/usdm_btcusdt_20240808.gz": "binance.usdm",
    "binance_raw/coinm_btcusd_perp_20240808.gz": "binance.coinm",
    "binance_raw/spot_btcusdt_20240808.gz": "binance.spot",
    "cryptofeed/BINANCE_FUTURES.ws.1.0": "binance.usdm",
}


class Moment(NamedTuple):
    """What the engine said of a symbol, and when."""

    symbol: str
    applied: int
    now: int
    values: dict[str, float | int | None]


def quantum(window: int) -> int:
    if window <= 10 * SECOND:
        return SECOND // 10
    return SECOND if window <= 1_800 * SECOND else 60 * SECOND


def recorded(path: Path) -> list[tuple[int, bytes]]:
    """Return receive times and payloads; cryptofeed's recordings have seconds and a colon."""
    if path.suffix == ".gz":
        return [(frame.recv_ns, bytes(frame.payload)) for frame in frames(path)]
    lines = [line.partition(": ") for line in path.read_text(encoding="utf-8").splitlines() if ": {" in line[:30]]
    return [(int(Decimal(recv) * SECOND), payload.encode()) for recv, _, payload in lines]


def run(path: Path, venue: str) -> tuple[pl.DataFrame, list[Moment]]:
    """Feed a capture; return its trades in order of arrival and what was read on the way."""
    engine = rt.Engine(windows=list(WINDOWS))
    draw = random.Random(7)
    every = recorded(path)
    looks = set(draw.sample(range(len(every)), min(SAMPLES, len(every))))
    trades: list[dict[str, Any]] = []
    streams: dict[str, str] = {}
    moments: list[Moment] = []
    for place, (recv_ns, payload) in enumerate(every):
        engine.feed(payload, venue, recv_ns)
        data = json.loads(payload)
        data = data.get("data", data)
        kind = data.get("e")
        # The first stream of trades owns a symbol; each counts its trades.
        if kind in {"trade", "aggTrade"} and streams.setdefault(data["s"], kind) == kind:
            number = data["a" if kind == "aggTrade" else "t"]
            trades.append({
                "symbol": data["s"], "number": number, "ts": data["T"] * MS, "price": float(data["p"]),
                "price_e8": int(Decimal(data["p"]) * 10**8), "size_e8": int(Decimal(data["q"]) * 10**8),
                "now": engine.stats()["venues"][venue]["now"],
            })  # fmt: skip
        if place in looks and engine.symbols():
            engine.advance(recv_ns + draw.randrange(2 * SECOND))
            symbol = draw.choice(engine.symbols())[2]
            row = engine.row(symbol)
            moments.append(Moment(symbol, len(trades), engine.stats()["venues"][venue]["now"], row))
    return pl.DataFrame(trades), moments


def recompute(tape: pl.DataFrame, now: int) -> dict[str, float | int | None]:
    """Compute every field from the trades of one symbol that had come by then.

    SOURCE: facts/scanner.md 1.0.5 and 1.1 to 1.4.
    """
    today = tape.filter(pl.col("ts") // DAY == now // DAY).sort("ts", "number", maintain_order=True)
    values: dict[str, float | int | None] = sums(today)
    values |= {"high_day": today["price"].max(), "low_day": today["price"].min()}  # type: ignore[dict-item]
    # A trade that comes when its date is over belongs to that date alone.
    in_time = tape.filter(pl.col("ts") // DAY >= pl.col("now") // DAY)
    newest = in_time.sort("ts", "number", maintain_order=True).tail(1)
    values["last"] = newest["price"].item() if len(newest) else None
    values["last_size"] = newest["size_e8"].item() / 10**8 if len(newest) else None
    values["open"] = today["price"].item(0) if len(today) else None
    values["change"] = today["price"].item(-1) / today["price"].item(0) - 1 if len(today) else None
    for name, length in WINDOWS.items():
        step = quantum(length)
        end, time = now // step * step, pl.col("ts") // step * step
        inside = today.filter((time > end - length) & (time <= end))
        before = today.filter(time <= end - length)
        window = sums(inside)
        window |= {"high": inside["price"].max(), "low": inside["price"].min()}  # type: ignore[dict-item]
        window["trade_rate"] = len(inside) / (length / SECOND)
        window["change"] = values["last"] / before["price"].item(-1) - 1 if len(before) else None  # type: ignore[operator]
        values |= {f"{field}({name})": value for field, value in window.items()}
    return values


def sums(trades: pl.DataFrame) -> dict[str, float | int | None]:
    volume = int(trades["size_e8"].sum())
    # Beyond 64 bits, so by Python's own integers.
    notional = sum(price * size for price, size in trades.select("price_e8", "size_e8").iter_rows())
    return {
        "volume": volume / 10**8,
        "dollar_volume": notional / 10**16,
        "trade_count": len(trades),
        "vwap": notional / (volume * 10**8) if volume else None,
    }


@pytest.mark.parametrize("capture", CAPTURES)
def test_sampled_moments_equal_the_recompute(shared: Path, capture: str) -> None:
    trades, moments = run(shared / "data" / capture, CAPTURES[capture])
    names = [*DAILY, *(f"{field}({window})" for field in WINDOWED for window in WINDOWS)]
    defined = 0
    for symbol, applied, now, values in moments:
        tape = trades.head(applied).filter(pl.col("symbol") == symbol)
        # What came twice counts once.
        tape = tape.unique("number", keep="first", maintain_order=True)
        want = recompute(tape, now)
        for name in names:
            assert values[name] == want[name], (symbol, now, name)
            defined += want[name] is not None
    assert len(moments) > 50
    assert defined > len(moments)
