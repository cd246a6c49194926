"""What tests of feeds share: a strategy that keeps what it gets, an app around a block, waiting with a limit."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from faulty import PING, PONG, FaultyServer, Peer, frame

from ringtape import Engine
from ringtape.app import App
from ringtape.feeds import Massive
from ringtape.feeds.base import Feed
from ringtape.feeds.limits import Limits
from ringtape.strategy import Context, Strategy
from ringtape.strategy.base import Records

KEY = "CANARY-5b1d9e0c77"
QUICK = Limits(idle_s=0.15, pong_s=0.15, close_s=0.2, connect_s=1.0, handshake_s=0.5, message_s=0.3)
LIMIT_S = 5.0


class Tape(Strategy):
    """Keeps every trade's sequence number, and which ones came together."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.states: list[str] = []

    @property
    def sequences(self) -> list[int]:
        return [sequence for batch in self.batches for sequence in batch]

    def on_trades(self, ctx: Context, trades: Records) -> None:
        self.batches.append(trades["sequence"].tolist())

    def on_connection(self, ctx: Context, feed: str, state: str) -> None:
        self.states.append(state)


def trade(sequence: int, symbol: str = "AAPL") -> str:
    """Return a Massive frame with one trade."""
    now_ms = time.time_ns() // 1_000_000
    return f'[{{"ev":"T","sym":"{symbol}","i":"{sequence}","x":4,"p":10.5,"s":100,"t":{now_ms},"q":{sequence},"z":3}}]'


def massive(server: FaultyServer, *names: str) -> Massive:
    return Massive("stocks", names or ["T.*"], url=server.url, key=KEY)


@contextlib.asynccontextmanager
async def running(
    *feeds: Feed, limits: Limits = QUICK, strategy: Strategy | None = None
) -> AsyncIterator[tuple[App, Tape]]:
    """Run an app around a block; it has to end within the limit."""
    tape = Tape()
    app = App(feeds, [tape, *([strategy] if strategy else [])], engine=Engine(), limits=limits)
    task = asyncio.create_task(app.serve())
    await until(lambda: app.health().connections)
    try:
        yield app, tape
    finally:
        app.stop()
        await asyncio.wait_for(task, 2.0)


async def until(condition: Callable[[], Any], what: str = "") -> None:
    """Wait for a condition, for a limited time."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.005)


async def stay(peer: Peer) -> None:
    """Answer pings until the client leaves."""
    while True:
        opcode, payload = await peer.receive()
        if opcode == PING:
            peer.send(frame(payload, PONG))
