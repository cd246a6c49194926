"""A connection is lost, what was missed is a gap, and the gap is repaired: with the real engine, sockets and REST."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from faulty import FaultyServer, Peer
from harness import KEY, QUICK, stay, until
from venue_rest import venue_rest

from ringtape import ConfigError, Engine, Gap
from ringtape.app import App
from ringtape.feeds import Binance, Massive
from ringtape.history import BinanceHistory, MassiveHistory, RestLimits
from ringtape.history.source import Source
from ringtape.repair import RepairOptions
from ringtape.strategy import Context, Strategy

SECOND = 1_000_000_000
MS = 1_000_000
REPAIRED, HAS_HOLE = 8, 16
STOCKS, USDM = "massive.stocks", "binance.usdm"
BARS = ("1s", "1m")
HASTY = RestLimits(backoff_s=0.01, total_s=1.0, tries=2)


class Watch(Strategy):
    """Keeps gaps, and the newest form of every bar that was sent."""

    def __init__(self) -> None:
        self.gaps: list[Gap] = []
        self.bars: dict[tuple[int, int, int], list[Any]] = {}
        self.trades = 0

    def on_gap(self, ctx: Context, gap: Gap) -> None:
        self.gaps.append(gap)

    def on_bars(self, ctx: Context, bars: np.ndarray) -> None:
        for bar in bars:
            key = (int(bar["symbol"]), int(bar["series"]), int(bar["ts_event"]))
            self.bars[key] = [float(bar[name]) for name in ("open", "high", "low", "close", "volume")]

    def on_trades(self, ctx: Context, trades: np.ndarray) -> None:
        self.trades += len(trades)


def stock(number: int, ms: int, symbol: str = "AAPL") -> dict[str, Any]:
    return {"ev": "T", "sym": symbol, "i": str(number), "x": 4, "p": 10 + number / 100, "s": 100, "t": ms, "q": number}


def rest_trade(event: dict[str, Any]) -> dict[str, Any]:
    return {"id": event["i"], "exchange": event["x"], "price": event["p"], "size": event["s"],
            "sip_timestamp": event["t"] * MS + 123, "sequence_number": event["q"]}  # fmt: skip


@contextlib.asynccontextmanager
async def running(
    feed: Massive | Binance, source: Source, watch: Watch, **options: Any
) -> AsyncIterator[tuple[App, Engine]]:
    engine = Engine(windows=["1m"], bars=BARS)
    app = App([feed], [watch], engine=engine, limits=QUICK, backfill={feed.venue: source}, **options)
    task = asyncio.create_task(app.serve())
    try:
        yield app, engine
    finally:
        app.stop()
        await asyncio.wait_for(task, 2.0)


def columns(engine: Engine, symbol: str, name: str) -> list[list[float]]:
    bars = engine.bars(symbol, name, forming=True)
    return [[float(bar[column]) for column in ("ts_event", "open", "high", "low", "close", "volume")] for bar in bars]


class Market:
    """Trades of which a connection that is lost sees a part, made by the clock."""

    def __init__(self) -> None:
        self.trades: list[dict[str, Any]] = []
        now = time.time_ns() // MS
        self.add(20, now - 3_000, 150)

    def add(self, count: int, begin_ms: int, step_ms: int) -> str:
        """Make trades and return their frame."""
        first = len(self.trades)
        made = [stock(first + number, begin_ms + number * step_ms) for number in range(count)]
        self.trades += made
        return json.dumps(made)

    async def script(self, peer: Peer) -> None:
        """Every other connection is lost; what is traded meanwhile is sent to nobody."""
        if peer.number % 2 == 0:
            await asyncio.sleep(0.2)
        await peer.massive_login()
        await asyncio.sleep(0.02)
        peer.send(json.dumps(self.trades) if peer.number == 1 else self.add(20, time.time_ns() // MS - 10, 0))
        if peer.number % 2 == 1:
            await asyncio.sleep(0.1)
            peer.reset()
            self.add(20, time.time_ns() // MS + 1, 5)
            return
        await stay(peer)

    def rest(self, request: web.Request) -> Any:
        low, high = int(request.query["timestamp.gte"]), int(request.query["timestamp.lt"])
        found = [rest_trade(event) for event in self.trades if low <= event["t"] * MS < high]
        return {"results": found, "status": "OK"}

    def undisturbed(self) -> Engine:
        whole = Engine(windows=["1m"], bars=BARS)
        for event in self.trades:
            whole.feed(json.dumps([event]).encode(), STOCKS, event["t"] * MS)
        return whole


async def test_a_lost_connection_is_repaired() -> None:
    market = Market()
    watch = Watch()
    async with FaultyServer(market.script) as server, venue_rest(market.rest) as rest:
        feed = Massive("stocks", ["T.*"], url=server.url, key=KEY)
        source = MassiveHistory("stocks", rest.url, KEY, limits=HASTY)
        async with running(feed, source, watch, repair=RepairOptions(part=7)) as (app, engine):
            await until(lambda: any(gap.state == "filled" for gap in watch.gaps), "the repair")
            whole = market.undisturbed()
            for each in (engine, whole):
                each.advance(time.time_ns())
            for name in BARS:
                assert columns(engine, "AAPL", name) == columns(whole, "AAPL", name)
                flags = [int(bar["flags"]) for bar in engine.bars("AAPL", name, forming=True)]
                assert not any(flag & HAS_HOLE for flag in flags)
                assert any(flag & REPAIRED for flag in flags)
            for field in ("volume", "dollar_volume", "vwap", "trade_count", "high_day", "last", "volume(1m)"):
                assert engine.get("AAPL", field) == whole.get("AAPL", field), field
            assert app.health().gaps == ()
            assert engine.stats()["backfilled"] == 20
    assert [gap.state for gap in watch.gaps] == ["open", "open", "filled"]
    assert [gap.is_over for gap in watch.gaps] == [False, True, True]
    assert watch.trades == 40, "what was fetched is no news"
    assert sum(bar[4] for (_, series, _), bar in watch.bars.items() if series == 0) >= 40 * 100


def aggregate(number: int, begin: int) -> dict[str, Any]:
    ms = begin + number * 100
    return {"e": "aggTrade", "E": ms, "s": "BTCUSDT", "a": number, "p": f"{100 + number}.5", "q": "0.25", "f": number,
            "l": number, "T": ms, "m": bool(number % 2)}  # fmt: skip


async def test_missing_ids_are_fetched_by_id() -> None:
    begin = time.time_ns() // MS - 6_000
    trades = [aggregate(number, begin) for number in range(60)]
    sent = [*trades[:20], *trades[25:30], *trades[32:]]

    async def script(peer: Peer) -> None:
        request = json.loads((await peer.receive())[1])
        peer.send(json.dumps({"result": None, "id": request["id"]}))
        for event in sent:
            peer.send(json.dumps({"stream": "btcusdt@aggTrade", "data": event}))
        await stay(peer)

    def answer(request: web.Request) -> Any:
        assert request.path == "/fapi/v1/aggTrades"
        return trades[int(request.query["fromId"]) :][:1_000]

    watch = Watch()
    async with FaultyServer(script) as server, venue_rest(answer) as rest:
        feed = Binance("usdm", ["btcusdt@aggTrade"], url=server.url)
        async with running(feed, BinanceHistory("usdm", rest.url), watch) as (_, engine):
            await until(lambda: sum(gap.state == "filled" for gap in watch.gaps) == 2, "the repair")
            whole = Engine(windows=["1m"], bars=BARS)
            for event in trades:
                whole.feed(json.dumps(event).encode(), USDM, event["T"] * MS)
            for each in (engine, whole):
                each.advance(time.time_ns())
            for name in BARS:
                assert columns(engine, "BTCUSDT", name) == columns(whole, "BTCUSDT", name)
            assert engine.stats()["missing"] == 0
    assert sorted((gap.first_id, gap.last_id) for gap in watch.gaps if gap.state == "filled") == [(20, 24), (30, 31)]


async def test_what_cannot_be_had_stays_a_hole(tmp_path: Path) -> None:
    market = Market()
    refused = lambda _: web.json_response({"message": "You are not entitled"}, status=403)  # noqa: E731
    watch = Watch()
    async with FaultyServer(market.script) as server, venue_rest(refused) as rest:
        feed = Massive("stocks", ["T.*"], url=server.url, key=KEY)
        source = MassiveHistory("stocks", rest.url, KEY, limits=HASTY)
        async with running(feed, source, watch, state=tmp_path) as (app, engine):
            await until(lambda: any(gap.state == "given_up" for gap in watch.gaps), "the end of the repair")
            assert engine.get("AAPL", "volume(1m)") is None
            assert any(int(bar["flags"]) & HAS_HOLE for bar in engine.bars("AAPL", "1m", forming=True))
            assert app.health().gaps == ()
    assert '"given_up"' in (tmp_path / "gaps.jsonl").read_text()
    assert KEY not in (tmp_path / "gaps.jsonl").read_text()


async def test_a_venue_that_says_nothing_is_given_up_and_the_end_is_quick() -> None:
    market = Market()

    async def silent(_: web.Request) -> None:
        await asyncio.sleep(60)

    watch = Watch()
    async with FaultyServer(market.script) as server, venue_rest(silent) as rest:
        feed = Massive("stocks", ["T.*"], url=server.url, key=KEY)
        source = MassiveHistory("stocks", rest.url, KEY, limits=RestLimits(total_s=30))
        async with running(feed, source, watch, repair=RepairOptions(give_up_s=0.2)):
            await until(lambda: any(gap.state == "given_up" for gap in watch.gaps), "the end of the repair")
        # One that is asked when the app ends is not waited for.
        async with running(feed, source, watch):
            asked = len(rest.requests)
            await until(lambda: len(rest.requests) > asked)


def test_a_feed_of_this_machine_needs_its_source() -> None:
    feed = Massive("stocks", ["T.*"], url="ws://127.0.0.1:1", key=KEY)
    with pytest.raises(ConfigError, match="comes from this machine"):
        asyncio.run(App([feed], backfill=True).serve())
    with pytest.raises(ConfigError, match=r"did you mean 'massive\.stocks'"):
        asyncio.run(App([feed], backfill={"massive.stoks": MassiveHistory(key=KEY)}).serve())
