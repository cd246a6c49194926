"""Rollover, silent streams and the user data stream over real sockets, with the real engine behind them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from faulty import FaultyServer, Peer, closing
from harness import KEY, QUICK, running, stay, until

from ringtape import sim
from ringtape.feeds import Binance
from ringtape.feeds.base import FeedState
from ringtape.feeds.binance.private import UserData
from ringtape.feeds.binance.session import Pacing
from ringtape.feeds.rollover import Rollover
from ringtape.strategy import Context, Strategy
from ringtape.strategy.base import Notice, Records

# A venue that ends connections after 4 s: the replacement begins 3 s after the start, at the latest.
SOON = Rollover(life_s=4.0, early_s=1.1, late_s=1.0, limit_s=1.0, settle_s=0.3)
LISTEN_KEY = "CANARYlisten7c1e55"


class Ids(Strategy):
    """Keeps the id of each trade, which must come once, and the states of connections."""

    def __init__(self) -> None:
        self.trades: dict[int, list[int]] = {}
        self.states: list[tuple[str, str]] = []

    def on_trades(self, ctx: Context, trades: Records) -> None:
        for symbol, number in zip(trades["symbol"].tolist(), trades["sequence"].tolist(), strict=True):
            self.trades.setdefault(symbol, []).append(number)

    def on_connection(self, ctx: Context, feed: str, state: str) -> None:
        self.states.append((feed, state))


def agg_trade(number: int, symbol: str = "BTCUSDT") -> str:
    now_ms = time.time_ns() // 1_000_000
    return (
        f'{{"stream":"{symbol.lower()}@aggTrade","data":{{"e":"aggTrade","E":{now_ms},"s":"{symbol}","a":{number},'
        f'"p":"10.5","q":"1","f":{number},"l":{number},"T":{now_ms},"m":false}}}}'
    )


async def test_a_connection_is_replaced_without_a_loss_and_without_a_repeat(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ringtape")
    async with sim.serve(seed=11, symbols=5, rate=2_000) as server:
        names = list(sim.reference(seed=11, symbols=3, kind="crypto"))
        streams = [f"{name.lower()}@{kind}" for name in names for kind in ("aggTrade", "bookTicker", "markPrice@1s")]
        feed = Binance("usdm", streams, url=server.url, rollover=SOON)
        ids = Ids()
        async with running(feed, strategy=ids) as (app, _):
            await until(lambda: app.health().is_live)
            async with asyncio.timeout(15.0):
                while sum("has taken over" in record.message for record in caplog.records) < 4:
                    await asyncio.sleep(0.05)
            await until(lambda: len(app.health().connections) == 2 and app.health().is_live)
            assert {each.name for each in app.health().connections} == {
                "binance.usdm/market#1.3",
                "binance.usdm/public#1.3",
            }
            stats = app.engine.stats()
            gap = app.engine.get(f"binance.usdm:{names[0]}", "gap_seconds(1m)")
    assert server.stats.connections == 6
    assert stats["duplicates"] > 0
    assert (stats["gaps"], stats["frames_rejected"], stats["events_skipped"]) == (0, 0, 0)
    assert not gap
    assert len(ids.trades) == 3
    for numbers in ids.trades.values():
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert ("binance.usdm/market#1", "stopped") in ids.states
    assert not [state for state in ids.states if state[1] in {"reconnecting", "degraded"}]


async def test_an_old_connection_that_ends_during_the_overlap_leaves_no_gap() -> None:
    began = time.monotonic()

    async def script(peer: Peer) -> None:
        await peer.binance_login()
        sent = int((time.monotonic() - began) * 100) - 1
        while not (peer.number == 1 and len(server.peers) == 2 and app.health().connections[1].state == "live"):
            for number in range(sent + 1, now := int((time.monotonic() - began) * 100)):
                peer.send(agg_trade(number))
                sent = now - 1
            await asyncio.sleep(0.01)
        peer.send(closing(1008, "24 h"))
        await stay(peer)

    plan = Rollover(life_s=4.0, early_s=1.1, late_s=1.0, settle_s=30.0)
    async with FaultyServer(script) as server:
        feed = Binance("usdm", ["btcusdt@aggTrade"], url=server.url, rollover=plan)
        async with running(feed) as (app, _):
            await until(lambda: len(server.peers) == 2)
            await until(lambda: [each.name for each in app.health().connections] == ["binance.usdm/market#1.2"])
            await until(lambda: app.health().is_live)
            assert not app.engine.get("BTCUSDT", "gap_seconds(1m)")


async def test_a_silent_stream_is_subscribed_again_and_the_others_flow() -> None:
    requests: list[tuple[str, list[str]]] = []

    async def script(peer: Peer) -> None:
        async def listen() -> None:
            while True:
                request = await peer.receive_json()
                requests.append((request["method"], request["params"]))
                peer.send(f'{{"result":null,"id":{request["id"]}}}')

        task = asyncio.create_task(listen())
        try:
            for number in range(1, 10_000):
                peer.send(agg_trade(number))
                if any(method == "UNSUBSCRIBE" for method, _ in requests):
                    # Once more subscribed, it delivers.
                    if len(requests) > 2:
                        peer.send(agg_trade(number, "ETHUSDT"))
                elif number < 20:
                    peer.send(agg_trade(number, "ETHUSDT"))
                await asyncio.sleep(0.01)
        finally:
            task.cancel()

    async with FaultyServer(script) as server:
        pacing = Pacing(cadence={"aggTrade": 1.0}, silent_s=2.0)
        feed = Binance("usdm", ["btcusdt@aggTrade", "ethusdt@aggTrade"], url=server.url, pacing=pacing)
        async with running(feed) as (app, tape):
            await until(lambda: app.health().connections[0].state is FeedState.DEGRADED)
            assert app.health().connections[0].detail == "silent: ethusdt@aggTrade"
            before = len(tape.sequences)
            await until(lambda: app.health().is_live)
            assert len(tape.sequences) > before
            assert app.health().connections[0].losses == 0
    assert requests == [
        ("SUBSCRIBE", ["btcusdt@aggTrade", "ethusdt@aggTrade"]),
        ("UNSUBSCRIBE", ["ethusdt@aggTrade"]),
        ("SUBSCRIBE", ["ethusdt@aggTrade"]),
    ]


@asynccontextmanager
async def rest(answer: Callable[[str, str], tuple[int, str]]) -> AsyncIterator[str]:
    """Serve HTTP requests as ``answer(method, key)`` says."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("x-mbx-apikey"))
        status, body = answer(head.split(" ")[0], key)
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()


async def test_user_data_come_and_the_key_is_renewed_and_shows_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    asked: list[tuple[str, str]] = []
    kinds: list[str] = []

    class Account(Strategy):
        def on_notices(self, ctx: Context, notices: Sequence[Notice]) -> None:
            kinds.extend(notice.kind for notice in notices)

    def answer(method: str, key: str) -> tuple[int, str]:
        asked.append((method, key))
        return 200, f'{{"listenKey":"{LISTEN_KEY}{len(asked)}"}}'

    async def script(peer: Peer) -> None:
        now_ms = time.time_ns() // 1_000_000
        peer.send(f'{{"e":"ACCOUNT_CONFIG_UPDATE","E":{now_ms},"T":{now_ms},"ac":{{"s":"BTCUSDT","l":25}}}}')
        if peer.number == 1:
            await asyncio.sleep(0.1)
            peer.send(f'{{"e":"listenKeyExpired","E":{now_ms},"listenKey":"{LISTEN_KEY}1"}}')
        await stay(peer)

    async with rest(answer) as rest_url, FaultyServer(script) as server:
        settings = UserData(rest_url=rest_url, events=("A", "B"), close_key=True)
        feed = Binance("usdm", url=server.url, user_data=settings, key=KEY)
        async with running(feed, strategy=Account()) as (app, _):
            await until(lambda: len(server.peers) == 2 and len(kinds) == 3)
            (health,) = app.health().connections
            assert (health.state, health.connects, health.losses) == (FeedState.LIVE, 2, 1)
            shown = repr((app.health(), app.engine.stats(), vars(feed), caplog.text))
    assert kinds == ["ACCOUNT_CONFIG_UPDATE", "listenKeyExpired", "ACCOUNT_CONFIG_UPDATE"]
    assert asked == [("POST", KEY), ("POST", KEY), ("DELETE", KEY)]
    assert [peer.path for peer in server.peers] == [
        f"/private/ws?listenKey={LISTEN_KEY}{number}&events=A/B" for number in (1, 2)
    ]
    assert "CANARY" not in shown + caplog.text


async def test_a_refused_api_key_ends_the_stream_and_never_shows(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def script(peer: Peer) -> None:
        await peer.binance_login()
        await stay(peer)

    def refuse(method: str, key: str) -> tuple[int, str]:
        return 401, f'{{"code":-2015,"msg":"Invalid API-key {key}"}}'

    async with rest(refuse) as rest_url, FaultyServer(script) as server:
        settings = UserData(rest_url=rest_url)
        feed = Binance("usdm", ["btcusdt@depth"], url=server.url, user_data=settings, key=KEY)
        async with running(feed, limits=QUICK) as (app, _):
            await until(lambda: app.health().connections[1].state is FeedState.FAILED)
            assert "refused the API key twice" in app.health().connections[1].detail
            assert app.health().connections[0].state is FeedState.LIVE  # the other feed goes on
            shown = repr(app.health())
    assert KEY not in shown + caplog.text
