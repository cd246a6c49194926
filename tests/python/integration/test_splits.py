"""However the stream of bytes is cut into reads and fragments, the same comes out of the engine."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
from collections.abc import Iterator
from itertools import pairwise

from faulty import CONTINUATION, PING, TEXT, FaultyServer, Peer, frame
from harness import massive, running, stay, until

from ringtape import Strategy
from ringtape._native import Simulator
from ringtape.feeds.limits import Limits
from ringtape.strategy import Context
from ringtape.strategy.base import Records

ROUNDS = 40 if os.environ.get("RINGTAPE_FULL") else 5
START = 1_795_185_000_000_000_000
KINDS = ("trades", "quotes", "bars", "venue_bars")


def market() -> list[bytes]:
    """Three seconds of a pretend market, in frames of many sizes."""
    simulator = Simulator(seed=7, symbols=50, rate=2_000, kind="stocks", start_ns=START)
    handle = simulator.open()
    for channel in ("T.*", "Q.*", "A.*", "AM.*"):
        simulator.subscribe(handle, channel)
    frames: list[bytes] = []
    for step in range(1, 61):
        simulator.advance(START + step * 50_000_000)
        frames += simulator.frames(handle, 1 + step % 40)
    return frames


class Digest(Strategy):
    """Hashes what comes, kind by kind, but for when it came."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(KINDS, 0)
        self.hashes = {kind: hashlib.sha256() for kind in KINDS}

    def take(self, kind: str, records: Records) -> None:
        # A bar takes its number when time ends it, which may be between any two frames.
        plain = records.copy()
        for column in ("seq", "ts_recv", "conn"):
            plain[column] = 0
        self.counts[kind] += len(plain)
        self.hashes[kind].update(plain.tobytes())

    def on_trades(self, ctx: Context, trades: Records) -> None:
        self.take("trades", trades)

    def on_quotes(self, ctx: Context, quotes: Records) -> None:
        self.take("quotes", quotes)

    def on_bars(self, ctx: Context, bars: Records) -> None:
        self.take("bars", bars)

    def on_venue_bars(self, ctx: Context, bars: Records) -> None:
        self.take("venue_bars", bars)


def in_fragments(payload: bytes, draw: random.Random) -> Iterator[bytes]:
    """Cut one message into fragments, some empty, with pings between them."""
    cuts = sorted(draw.randrange(len(payload) + 1) for _ in range(draw.choice([0, 0, 1, 2, 5])))
    parts = list(pairwise([0, *cuts, len(payload)]))
    for place, (first, last) in enumerate(parts):
        yield frame(payload[first:last], CONTINUATION if place else TEXT, fin=place == len(parts) - 1)
        if draw.random() < 0.1:
            yield frame(b"x", PING)


async def run(frames: list[bytes], seed: int) -> tuple[dict[str, int], list[str]]:
    """Return what came and its hashes; seed 0 sends whole messages, one a write."""
    draw = random.Random(seed)

    async def script(peer: Peer) -> None:
        await peer.massive_login()
        if not seed:
            peer.send(*(frame(payload) for payload in frames))
        else:
            stream = b"".join(part for payload in frames for part in in_fragments(payload, draw))
            at = 0
            while at < len(stream):
                size = draw.choice([1, 2, 7, 100, 1_000, 20_000])
                peer.writer.write(stream[at : at + size])
                at += size
                if draw.random() < 0.3:
                    await asyncio.sleep(0)
        await stay(peer)

    digest = Digest()
    async with FaultyServer(script) as server, running(massive(server), limits=Limits(), strategy=digest) as (app, _):
        want = sum(payload.count(b'{"ev":"T"') + payload.count(b'{"ev":"Q"') for payload in frames)
        await until(lambda: digest.counts["trades"] + digest.counts["quotes"] >= want)
        app.engine.advance(START + 3_000_000_000)
        names = [name for _, _, name in app.engine.symbols()]
        # Ages are counted to the engine's time, which receive times move.
        rows = [[item for item in app.engine.row(name).items() if "age" not in item[0]] for name in names]
    return digest.counts, [*(each.hexdigest() for each in digest.hashes.values()), repr(rows)]


async def test_any_split_gives_the_same() -> None:
    frames = market()
    counts, want = await run(frames, 0)
    assert all(counts.values()), counts
    for seed in range(1, ROUNDS + 1):
        assert await run(frames, seed) == (counts, want), f"seed {seed}"
