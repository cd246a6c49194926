"""Hooks that sleep for 5 s: one on the loop, one in a process of its own. Neither costs a connection or an event."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from harness import KEY, until

from ringtape import App, sim
from ringtape.feeds import Massive
from ringtape.strategy import Context, Strategy
from ringtape.strategy.base import Records

SLEEP_S = 5.0
RATE = 500
# A strategy in its own process: says when it sleeps, when it has slept, and how many records it lost meanwhile.
READER = """
import sys, time
import ringtape as rt
view = rt.attach(sys.argv[1])
got = lost = 0
has_slept = False
for batch in view.follow():
    got += len(batch.trades)
    lost += sum(batch.lost.values())
    if got and not has_slept:
        has_slept = True
        print("sleeps", flush=True)
        time.sleep(5)
        print("slept", flush=True)
    elif has_slept and len(batch.trades):
        print("read", lost, flush=True)
        sys.exit()
"""


@contextlib.contextmanager
def market() -> Iterator[sim.Server]:
    """Run the pretend venues on a loop of their own: a hook that blocks ours must not silence them."""
    servers: list[sim.Server] = []
    is_up, loop = threading.Event(), asyncio.new_event_loop()

    async def serve(is_over: asyncio.Event) -> None:
        async with sim.serve(seed=5, symbols=20, rate=RATE) as server:
            servers.append(server)
            is_up.set()
            await is_over.wait()

    is_over = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(is_over)))
    thread.start()
    try:
        assert is_up.wait(10.0)
        yield servers[0]
    finally:
        loop.call_soon_threadsafe(is_over.set)
        thread.join(10.0)
        loop.close()


class Sleepy(Strategy):
    """Sleeps once, and sees how many trades come."""

    def __init__(self) -> None:
        self.seen = 0
        self.has_slept = False

    def on_trades(self, ctx: Context, trades: Records) -> None:
        self.seen += len(trades)
        if not self.has_slept and self.seen > RATE // 10:
            time.sleep(SLEEP_S)
            self.has_slept = True


async def test_an_inline_hook_that_sleeps_is_reported_and_costs_nothing_else(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("RINGTAPE_SHARED_DIR", str(tmp_path_factory.mktemp("run")))
    sleepy = Sleepy()
    name = f"slow-{os.getpid()}"
    stalled: list[bool] = []

    def watch() -> None:
        from ringtape import attach  # noqa: PLC0415 - after the engine is there

        view = attach(name)
        while not sleepy.has_slept:
            stalled.append(view.stalled)
            time.sleep(0.05)

    with market() as server, caplog.at_level(logging.WARNING):
        app = App([Massive("stocks", ["T.*"], url=server.url, key=KEY)], [sleepy], shared=name)
        task = asyncio.create_task(app.serve())
        watcher = threading.Thread(target=watch)
        watcher.start()
        async with asyncio.timeout(20.0):
            while not (sleepy.has_slept and sleepy.seen > RATE * 4):
                await asyncio.sleep(0.01)
        watcher.join()
        health = app.health()
        app.stop()
        await asyncio.wait_for(task, 2.0)
    (connection,) = health.connections
    assert (connection.connects, connection.losses, health.lost) == (1, 0, {})
    assert connection.waiting_bytes is not None
    assert health.engine["trades"] == sleepy.seen, "what waited in the kernel came"
    assert any(stalled)
    assert not stalled[0]
    assert health.loop_lag_max_ns > 4 * 10**9
    assert health.strategies[0].longest_ns >= SLEEP_S * 1e9
    assert "strategy Sleepy took 5" in caplog.text
    assert not any(gap.cause == "outage" for gap in health.gaps)


async def test_a_process_that_sleeps_delays_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("RINGTAPE_SHARED_DIR", str(tmp_path_factory.mktemp("run")))
    name = f"own-{os.getpid()}"
    with market() as server:
        app = App([Massive("stocks", ["T.*"], url=server.url, key=KEY)], shared=name)
        task = asyncio.create_task(app.serve())
        await until(lambda: app.engine.stats()["trades"])
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", READER, name), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 20.0) == b"sleeps\n"
        before = app.engine.stats()["trades"]
        assert await asyncio.wait_for(process.stdout.readline(), 20.0) == b"slept\n"
        during = app.engine.stats()["trades"] - before
        assert await asyncio.wait_for(process.stdout.readline(), 20.0) == b"read 0\n"
        await process.wait()
        health = app.health()
        app.stop()
        await asyncio.wait_for(task, 2.0)
    assert during > RATE, "the feed went on while the reader slept"
    assert (health.connections[0].connects, health.connections[0].losses) == (1, 0)
