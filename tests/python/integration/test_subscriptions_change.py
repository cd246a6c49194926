"""Subscriptions that strategies and users change while the feeds run: asked for, confirmed, restored, kept."""

from __future__ import annotations

import asyncio
from pathlib import Path

from harness import KEY, QUICK, until

from ringtape import App, sim
from ringtape.feeds import Massive
from ringtape.feeds.subscriptions import Subscription
from ringtape.sim import Script, faults
from ringtape.strategy import Context, Strategy
from ringtape.strategy.base import Records


class Follows(Strategy):
    """Asks for the trades of one symbol, and gives them back when told to."""

    def __init__(self, name: str) -> None:
        self.wanted = name
        self.is_over = False

    def on_start(self, ctx: Context) -> None:
        ctx.subscribe([self.wanted], ttl=60.0)

    def on_trades(self, ctx: Context, trades: Records) -> None:
        if self.is_over:
            ctx.release()


def named(app: App, name: str) -> Subscription | None:
    return next((each for each in app.subscriptions() if each.name == name), None)


def is_confirmed(app: App, name: str) -> bool:
    found = named(app, name)
    return found is not None and found.is_confirmed


async def test_a_strategy_subscribes_and_gives_back(tmp_path: Path) -> None:
    script = Script(faults=(faults.Reset(after_frames=60, peer=1),))
    async with sim.serve(seed=3, symbols=10, rate=500, script=script) as server:
        name, other = (f"T.{symbol}" for symbol in list(sim.reference(3, 10))[:2])
        follows = Follows(name)
        feed = Massive("stocks", ["AM.*"], url=server.url, key=KEY)
        app = App([feed], [follows], state=tmp_path, limits=QUICK)
        task = asyncio.create_task(app.serve())
        await until(lambda: app.health().connections)
        app.subscribe([other])
        await until(lambda: is_confirmed(app, name) and is_confirmed(app, other))
        await until(lambda: (found := named(app, name)) is not None and found.last_data_ns)
        assert [each.owners for each in app.subscriptions() if each.name == name] == [("strategy:Follows",)]
        # The reset takes what was confirmed; the next connection brings it back, the user's pin first.
        await until(lambda: app.health().connections[0].connects == 2 and is_confirmed(app, name))
        assert [each.name for each in app.subscriptions()] == ["AM.*", other, name]
        kept = tmp_path / "subscriptions.json"
        assert kept.stat().st_mode & 0o777 == 0o600
        follows.is_over = True
        await until(lambda: named(app, name) is None)
        app.stop()
        await asyncio.wait_for(task, 2.0)
        assert KEY not in kept.read_text()

        again = App([Massive("stocks", ["AM.*"], url=server.url, key=KEY)], state=tmp_path, limits=QUICK)
        task = asyncio.create_task(again.serve())
        await until(lambda: is_confirmed(again, other))
        assert named(again, name) is None
        again.stop()
        await asyncio.wait_for(task, 2.0)
