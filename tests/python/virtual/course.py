"""One run: an app, a venue and a network in virtual time, until the connection was lost so often or time is up."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import urlencode, urlsplit

from clock import VirtualLoop, Wall, run
from ledger import SECOND, Ledger, Report, Tape
from network import Network, Weather

from oracle import bars as slow
from ringtape import Engine
from ringtape.app import App
from ringtape.feeds import Binance, Massive
from ringtape.feeds.base import Feed
from ringtape.feeds.limits import Limits
from ringtape.feeds.world import World
from ringtape.history import BinanceHistory, MassiveHistory
from ringtape.history.http import Rest
from ringtape.history.limiter import RateLimiter
from ringtape.history.source import Source
from ringtape.sim import Host, Script, faults, reference
from ringtape.sim.rest import Request

__all__ = ["Course", "Outcome", "seeds"]

# A Monday, 10:00 in New York.
START_NS = 1_780_322_400 * SECOND
WARM_S = 30.0
"""Without faults, so that every symbol has traded: what came before its first trade is not known to an engine."""
CALM_S = 90.0
"""At the end, so that the last outage ends and the bars of its last minute are sent."""


def seeds(count: int) -> list[int]:
    """Return the seeds of a test: consecutive ones from RINGTAPE_SEED."""
    first = int(os.environ.get("RINGTAPE_SEED", "7"))
    return list(range(first, first + count))


def ending(random: Random, peer: int, path: str) -> faults.Fault:
    """Return a fault that ends a connection, sooner or later."""
    when: dict[str, Any] = {"peer": peer, "path": path}
    match random.randrange(3):
        case 0:
            when["after_s"] = round(random.uniform(0.2, 20), 3)
        case 1:
            when["after_frames"] = random.randrange(1, 60)
        case _:
            when["on"] = random.choice(["connect", "subscribe", "subscribe"])
    codes = (1000, 1001, 1005, 1006, 1008, 1011, 1012, 3000, 4999, 0)
    makers: list[Callable[[], faults.Fault]] = [
        lambda: faults.Reset(**when),
        lambda: faults.HangUp(**when),
        lambda: faults.Close(code=random.choice(codes), reason="said the venue", **when),
        lambda: faults.BlackHole(**when),
        lambda: faults.EndOfLife(announce_s=random.choice([0, 2]), code=random.choice([0, 1001]), **when),
        lambda: faults.Deaf(**when),
        lambda: faults.Garbage(what=random.choice(["opcode", "mask"]), **when),
        lambda: faults.SlowConsumer(**when),
    ]
    return random.choice(makers)()


def nuisance(random: Random, peer: int, path: str) -> faults.Fault:
    """Return a fault that a connection survives."""
    when: dict[str, Any] = {"peer": peer, "path": path, "after_s": round(random.uniform(0, 10), 3)}
    for_s = round(random.uniform(0.2, 6), 3)
    makers: list[Callable[[], faults.Fault]] = [
        lambda: faults.Stall(for_s=for_s, **when),
        lambda: faults.Duplicate(share=random.random(), for_s=for_s, **when),
        lambda: faults.Reorder(window=random.randrange(2, 12), for_s=for_s, **when),
        lambda: faults.Replay(count=random.randrange(1, 60), **when),
        lambda: faults.Garbage(count=random.randrange(1, 4), **when),
        lambda: faults.Slice(size=random.randrange(1, 40), for_s=for_s, **when),
        lambda: faults.Coalesce(size=1 << 16, hold_s=random.uniform(0.05, 2), for_s=for_s, **when),
        lambda: faults.Fragment(size=random.randrange(8, 200), pings=random.random() < 0.5, for_s=for_s, **when),
    ]
    if path != "/stocks":
        # Where trades have no ids, what a venue leaves out of a running connection shows in its sums of volume alone.
        makers.append(lambda: faults.BlackHole(for_s=for_s, **when))
        makers.append(lambda: faults.Drop(share=random.random(), for_s=for_s, **when))
    return random.choice(makers)()


def hostile(seed: int, paths: tuple[str, ...], connections: int, *extra: faults.Fault) -> Script:
    """Return a script under which each connection of a path meets its end, the first one late, and mostly more."""
    random = Random(f"{seed} script")
    orders: list[faults.Fault] = list(extra)
    for path in paths:
        orders.append(faults.Reset(peer=1, path=path, after_s=WARM_S + random.uniform(1, 9)))
        for peer in range(2, connections + 2):
            orders.append(ending(random, peer, path))
            # Whoever outlives that: a silent deafness, frames that never come to be so many.
            orders.append(faults.HangUp(peer=peer, path=path, after_s=round(random.uniform(8, 30), 3)))
            orders += [nuisance(random, peer, path) for _ in range(random.choice([0, 0, 1, 2]))]
    return Script(seed=seed, faults=tuple(orders))


class _Rest(Rest):
    """A venue's REST interface that asks the host, with a delay."""

    host: Host

    async def _get_once(self, path: str, params: Mapping[str, str | int]) -> bytes:
        await asyncio.sleep(0.05)
        parts = urlsplit(path)
        query = "&".join(part for part in (parts.query, urlencode(params)) if part)
        headers = {} if self._key is None else {"authorization": f"Bearer {self._key.reveal()}"}
        reply = self.host.answer(Request("GET", parts.path, query, headers))
        if reply is None or reply.status != 200:
            status = 0 if reply is None else reply.status
            raise self._error(f"answered {status}", status, retryable=True)
        return reply.body


@dataclass
class Outcome:
    """What a run left."""

    seed: int
    virtual_s: float
    cycles: int
    strikes: dict[str, int]
    network: dict[str, int]
    report: Report
    digest: str
    tape: Tape = field(repr=False)
    ledger: Ledger = field(repr=False)
    stats: dict[str, Any] = field(repr=False)

    def __str__(self) -> str:
        ordered = ", ".join(f"{name} {count}" for name, count in sorted({**self.strikes, **self.network}.items()))
        return (
            f"seed {self.seed}: {self.cycles} more connections in {self.virtual_s:,.0f} virtual seconds ({ordered}); "
            f"{len(self.ledger.made)} trades made, {len(self.tape.trades)} came; {self.report}"
        )


class Course:
    """A run that is being set up.

    Parameters
    ----------
    venue
        ``massive.stocks`` or ``binance.usdm``.
    seed
        Of everything.
    cycles
        Connections that shall be lost.
    script
        What the venue does; drawn by the seed where none is given.
    weather
        What the network does.
    is_filled
        Whether the app repairs its gaps.
    step_s
        How often the venue sends.
    """

    def __init__(
        self,
        venue: str,
        seed: int,
        *,
        cycles: int = 0,
        lasts_s: float = 0.0,
        script: Script | None = None,
        weather: Weather | None = None,
        rate: int = 30,
        symbols: int = 4,
        start_ns: int = START_NS,
        is_filled: bool = False,
        step_s: float = 0.1,
    ) -> None:
        self.venue = venue
        self.seed = seed
        self.cycles = cycles
        self.lasts_s = lasts_s
        self.is_filled = is_filled
        self.step_s = step_s
        self.is_us = venue == "massive.stocks"
        self.paths = ("/stocks",) if self.is_us else ("/market",)
        self.script = script or hostile(seed, self.paths, cycles)
        self.symbols = symbols
        self.loop = VirtualLoop()
        self.wall = Wall(self.loop, start_ns)
        self.ledger = Ledger(slow.us_date if self.is_us else slow.utc_date, is_relayed=not self.is_us)
        self.tape = Tape(self.wall)
        self.host = Host(
            seed=seed,
            symbols=symbols,
            rate=rate,
            script=self.script,
            monotonic=self.loop.time,
            time_ns=self.wall.true_ns,
            record=False,
        )
        self.network = Network(
            self.loop, self.host, Random(f"{seed} network"), weather or Weather(), self.ledger.deliver
        )
        self.at: list[tuple[float, Callable[[], None]]] = []
        """What shall happen so many seconds after the beginning."""

    def run(self) -> Outcome:
        """Run to the end and compare."""
        return run(self._run(), self.loop)

    def feed(self) -> Feed:
        """Return the feed under test."""
        url = "ws://127.0.0.1:1"
        if self.is_us:
            return Massive("stocks", ["T.*", "A.*"], url=url, key="key")
        names = [name.lower() for name in reference(self.seed, self.symbols, "crypto")]
        return Binance("usdm", [f"{name}@aggTrade" for name in names], url=url)

    def _source(self) -> Source:
        """Return who is asked for the past."""
        limiter = RateLimiter(None, monotonic=self.loop.time)
        url = "http://127.0.0.1:1"
        source: MassiveHistory | BinanceHistory
        if self.is_us:
            source = MassiveHistory("stocks", url, "key", limiter=limiter)
        else:
            source = BinanceHistory("usdm", url, limiter=limiter, time_ns=self.wall)
        source._rest.__class__ = _Rest
        source._rest.host = self.host
        return source

    async def _run(self) -> Outcome:
        loop = self.loop
        world = World(
            monotonic=loop.time,
            elapsed=loop.time,
            time_ns=self.wall,
            random=Random(f"{self.seed} app").random,
            dial=self.network.dial,
        )
        engine = Engine(windows=["10s"], bars=["1s", "1m"])
        self.tape.series = tuple(engine.series())
        app = App(
            [self.feed()],
            [self.tape],
            engine=engine,
            limits=Limits(healthy_s=5.0),
            world=world,
            backfill={self.venue: self._source()} if self.is_filled else False,
        )
        serving = loop.create_task(app.serve())
        begun = loop.now
        for delay, call in self.at:
            loop.call_later(delay, call)
        venue = loop.create_task(self._keep_venue())
        await asyncio.sleep(WARM_S)
        since_ns = (self.wall.true_ns() // (60 * SECOND) + 1) * 60 * SECOND
        self.network.is_calm = False
        first = self.network.accepted
        while not serving.done() and (self.network.accepted - first < self.cycles or loop.now - begun < self.lasts_s):
            await asyncio.sleep(1.0)
        self.network.is_calm = True
        await self._wait_for_calm(app, serving)
        cycles = self.network.accepted - first
        until_ns = self.wall.true_ns() - 5 * SECOND
        stats = engine.stats()
        if serving.done():
            serving.result()
        app.stop()
        await asyncio.wait_for(serving, 2.0)
        venue.cancel()
        assert self.tape.errors == []
        return Outcome(
            seed=self.seed,
            virtual_s=loop.now - begun,
            cycles=cycles,
            strikes=dict(self.host.stats.faults),
            network=dict(self.network.faults),
            report=self.ledger.compare(self.tape, since_ns, until_ns, is_filled=self.is_filled),
            digest=self.tape.digest,
            tape=self.tape,
            ledger=self.ledger,
            stats=stats,
        )

    async def _wait_for_calm(self, app: App, serving: asyncio.Task[None]) -> None:
        """Wait until everything is live and has been for a while; connections still meet what is ordered for them."""
        calm_since = self.loop.now
        while self.loop.now - calm_since < CALM_S and not serving.done():
            await asyncio.sleep(1.0)
            if not app.health().is_live:
                calm_since = self.loop.now

    async def _keep_venue(self) -> None:
        """Step the venue, and note what its market makes before any fault sees it."""
        market = self.host.market("stocks" if self.is_us else "crypto")
        handle = market.open("all" if self.is_us else "market")
        for name in ["T.*"] if self.is_us else self.feed().subscriptions:
            market.subscribe(handle, name)
        while True:
            self.host.step(self.wall.true_ns())
            # Before any client gets it: that takes a moment at least.
            self.ledger.produce(market.frames(handle, 100))
            await asyncio.sleep(self.step_s)
