"""Silent names and renewals of Massive over real sockets: one connection at a time."""

from __future__ import annotations

import asyncio

from faulty import FaultyServer, Peer
from harness import KEY, running, trade, until

from ringtape.feeds import Massive
from ringtape.feeds.massive.session import Pacing


async def test_a_silent_name_is_subscribed_again_and_then_over_a_new_connection() -> None:
    requests: list[tuple[int, str, str]] = []

    async def script(peer: Peer) -> None:
        async def answer() -> None:
            while True:
                request = await peer.receive_json()
                requests.append((peer.number, request["action"], request["params"]))
                for name in request["params"].split(","):
                    peer.send(f'[{{"ev":"status","status":"success","message":"{request["action"]}d to: {name}"}}]')

        await peer.massive_login()
        task = asyncio.create_task(answer())
        try:
            for number in range(1, 10_000):
                # A quiet stretch now and then, in which the connection can be left.
                if number % 100 < 60:
                    peer.send(trade(peer.number * 100_000 + number))
                    if peer.number == 2:
                        peer.send(trade(peer.number * 100_000 + number, "MSFT"))
                await asyncio.sleep(0.01)
        finally:
            task.cancel()

    pacing = Pacing(cadence={"T": 0.5}, quiet_s=0.2)
    async with FaultyServer(script) as server:
        feed = Massive("stocks", ["T.AAPL", "T.MSFT"], url=server.url, key=KEY, pacing=pacing)
        async with running(feed) as (app, _):
            await until(lambda: app.health().connections[0].detail == "silent: T.MSFT")
            await until(lambda: len(server.peers) == 2 and app.health().is_live)
            (health,) = app.health().connections
            assert (health.connects, health.losses) == (2, 1)
    assert requests[:2] == [(1, "unsubscribe", "T.MSFT"), (1, "subscribe", "T.MSFT")]
