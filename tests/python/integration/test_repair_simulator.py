"""Repair against the pretend venues: what a lost connection missed comes back, equal to an undisturbed run."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from harness import QUICK, until
from test_repair import HAS_HOLE, REPAIRED, SECOND, Watch

from ringtape import Engine
from ringtape.app import App
from ringtape.feeds import Binance, Massive
from ringtape.feeds.base import Feed
from ringtape.history import BinanceHistory, MassiveHistory, RestLimits
from ringtape.history.source import Source
from ringtape.repair import RepairOptions
from ringtape.sim import Script, Server, faults, reference

KEY = "key"
BARS = ("1s", "1m")
SEED = 11
PATIENT = RestLimits(backoff_s=0.05, total_s=5.0, tries=4, rate_limited_s=0.2)


@contextlib.asynccontextmanager
async def running(feed: Feed, watch: Watch, source: Source | None) -> AsyncIterator[Engine]:
    engine = Engine(windows=["10s"], bars=BARS)
    backfill = {feed.venue: source} if source is not None else False
    app = App([feed], [watch], engine=engine, limits=QUICK, backfill=backfill, repair=RepairOptions(workers=2))
    task = asyncio.create_task(app.serve())
    await until(lambda: engine.stats()["trades"] > 0, "the first trade")
    try:
        yield engine
    finally:
        app.stop()
        await asyncio.wait_for(task, 2.0)


def seconds(engine: Engine, symbol: str, upto_ns: int, since_ns: int) -> list[list[float]]:
    """Return the bars of whole seconds, so far as both engines can have seen all of them."""
    columns = ("ts_event", "open", "high", "low", "close", "volume", "trade_count", "dollar_volume")
    bars = engine.bars(symbol, "1s")
    return [
        [float(bar[name]) for name in columns]
        for bar in bars
        if since_ns <= bar["ts_event"] and bar["ts_end"] <= upto_ns
    ]


def is_settled(watch: Watch, most: int) -> bool:
    """Return True once so many gaps are settled and none is open."""
    newest = {gap.number: gap.state for gap in watch.gaps}
    return len(newest) >= most and "open" not in newest.values()


async def compared(make: Callable[[Server], tuple[Feed, Feed, Source]], script: Script, settled: int) -> Watch:
    """Run one app with faults and one without, wait for the repair and compare their bars."""
    watch, calm = Watch(), Watch()
    async with Server(seed=SEED, symbols=4, rate=400, script=script) as server:
        disturbed, undisturbed, source = make(server)
        async with running(disturbed, watch, source) as engine, running(undisturbed, calm, None) as whole:
            since = (time.time_ns() // SECOND + 1) * SECOND
            await until(lambda: time.time_ns() > since + 3 * SECOND and is_settled(watch, settled), "the repair")
            upto = time.time_ns() // SECOND * SECOND
            await asyncio.sleep(0.4)
            assert {gap.state for gap in watch.gaps} <= {"open", "filled"}
            names = [name for _, _, name in whole.symbols()]
            assert len(names) == 4
            repaired = 0
            for name in names:
                bars = seconds(whole, name, upto, since)
                assert len(bars) > 0
                assert seconds(engine, name, upto, since) == bars, name
                flags = [int(bar["flags"]) for bar in engine.bars(name, "1s") if since <= bar["ts_event"] < upto]
                assert not any(flag & HAS_HOLE for flag in flags)
                repaired += sum(bool(flag & REPAIRED) for flag in flags)
            assert repaired > 0
            assert len(calm.gaps) == 0
    return watch


def stocks(server: Server) -> tuple[Feed, Feed, Source]:
    first, second = (Massive("stocks", ["T.*"], url=server.url, key=KEY) for _ in range(2))
    return first, second, MassiveHistory("stocks", server.rest_url, KEY, limits=PATIENT)


def coins(server: Server) -> tuple[Feed, Feed, Source]:
    streams = [f"{name.lower()}@aggTrade" for name in reference(SEED, 4, "crypto")]
    first, second = (Binance("usdm", streams, url=server.url) for _ in range(2))
    return first, second, BinanceHistory("usdm", server.rest_url, limits=PATIENT)


@pytest.mark.parametrize(
    "fault", [faults.Reset(path="/stocks", peer=1, after_s=1.5), faults.BlackHole(path="/stocks", peer=1, after_s=1.5)]
)
async def test_what_a_stock_feed_missed(fault: Any) -> None:
    watch = await compared(stocks, Script(seed=SEED, faults=(fault,)), 1)
    assert {gap.cause for gap in watch.gaps} == {"outage"}


async def test_what_a_coin_feed_missed() -> None:
    lost = faults.Drop(path="/market", peer=1, stream="*@aggTrade", after_s=1.2, count=12)
    watch = await compared(coins, Script(seed=SEED, faults=(lost,)), 1)
    assert {gap.cause for gap in watch.gaps} == {"ids"}
    assert sum(gap.missing or 0 for gap in watch.gaps if gap.state == "filled") == 12


async def test_what_rest_refuses_at_first() -> None:
    reset = faults.Reset(path="/stocks", peer=1, after_s=1.5)
    again = (
        faults.Http(path="/v3", status=429, retry_after_s=1, count=1, at_s=0.0),
        faults.Http(path="/v3", status=500, count=1, at_s=0.0),
        faults.Http(path="/v3", status=503, html=True, count=1, at_s=0.0),
    )
    watch = await compared(stocks, Script(seed=SEED, faults=(reset, *again)), 1)
    assert watch.gaps[-1].state == "filled"
