"""Write compared.md: ringtape and the official Massive client beside each other through five faults.

``python python/docs/compare.py`` takes some two minutes; each client has a pretend venue of its own, with the same
market, seed and script.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import platform
import time
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from massive.websocket import WebSocketClient

from ringtape import App
from ringtape.feeds import Massive
from ringtape.feeds.limits import Limits
from ringtape.sim import Script, Server, faults
from ringtape.strategy import Context, Strategy
from ringtape.strategy.base import Records

PAGE = Path(__file__).with_name("compared.md")
SEED = 7
SYMBOLS = ("SPY", "NVDA", "TSLA")
RATE = 500
SETTLE_S = 1.0


class Case(msgspec.Struct, frozen=True):
    """One row: what is ordered, and for how long both are watched."""

    name: str
    orders: tuple[faults.Fault, ...]
    seconds: float


CASES = (
    Case("a clean close (1000) after 3 s", (faults.Close(code=1000, after_s=3, peer=1),), 12),
    Case("closed (1011) between login and subscription", (faults.Close(code=1011, on="auth", peer=1),), 12),
    Case(
        "cut off as a slow consumer: data up to 3 s late, then close 1008",
        (faults.SlowConsumer(after_s=2, growth=0.75, warn_s=1, limit_s=3, peer=1),),
        15,
    ),
    Case(
        "a reset after 3 s; the next connection begins with 100 frames that were sent before",
        (faults.Reset(after_s=3, peer=1), faults.Replay(count=100, on="subscribe", peer=2)),
        12,
    ),
    Case("a black hole after 3 s: nothing arrives, nothing fails", (faults.BlackHole(after_s=3, peer=1),), 60),
)


class Outcome(msgspec.Struct, frozen=True):
    """What became of one client in one case.

    Attributes
    ----------
    made
        Trades that the market made from the first subscription until the end.
    lost, doubled
        Trades that never reached the handler, and deliveries of one that had reached it before.
    end
        What the client said in the end.
    """

    made: int
    lost: int
    doubled: int
    end: str


class _Tape(Strategy):
    """Counts every trade by symbol and sequence number."""

    def __init__(self) -> None:
        self.got: Counter[tuple[str, int]] = Counter()

    def on_trades(self, ctx: Context, trades: Records) -> None:
        """Take a batch."""
        for symbol, sequence in zip(trades["symbol"].tolist(), trades["sequence"].tolist(), strict=True):
            self.got[ctx.symbol(symbol), sequence] += 1


async def ours(case: Case) -> Outcome:
    """Run ringtape through a case."""
    async with _server(case) as server:
        tape = _Tape()
        app = App([Massive("stocks", ["T.*"], url=server.url, key="any")], [tape])
        task = asyncio.create_task(app.serve())
        made = await _watch(server, case)
        (health,) = app.health().connections
        app.stop()
        await task
    end = f"{health.state.name.lower()}, {health.losses} loss told"
    return _outcome(made, tape.got, end)


async def theirs(case: Case) -> Outcome:
    """Run the official client through a case, with its own defaults."""
    got: Counter[tuple[str, int]] = Counter()

    async def handle(events: list[Any]) -> None:
        for event in events:
            got[event.symbol, event.sequence_number] += 1

    async with _server(case) as server:
        client = WebSocketClient(
            api_key="any",
            feed=server.url.removeprefix("ws://"),
            market="stocks",
            secure=False,
            subscriptions=["T.*"],
        )
        task = asyncio.create_task(client.connect(handle, proxy=None))
        made = await _watch(server, case)
        if not task.done():
            end = "running"
        elif task.exception() is None:
            end = "returned without an error"
        else:
            end = f"raised {type(task.exception()).__name__}"
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task
    return _outcome(made, got, end)


def _server(case: Case) -> Server:
    script = Script(seed=SEED, faults=case.orders)
    return Server(seed=SEED, symbols=len(SYMBOLS), rate=RATE, script=script)


async def _watch(server: Server, case: Case) -> set[tuple[str, int]]:
    """Let a case run, and return the trades that the market made; those under way have time to arrive."""
    # The market opens with the first subscription; where that does not come, it opens by itself.
    await asyncio.sleep(SETTLE_S)
    server.market("stocks")
    await asyncio.sleep(case.seconds)
    history = server.history("stocks")
    made = {(symbol, key[1]) for symbol in SYMBOLS for key in (history.rows("T", symbol).keys if history else ())}
    await asyncio.sleep(SETTLE_S)
    return made


def _outcome(made: set[tuple[str, int]], got: Counter[tuple[str, int]], end: str) -> Outcome:
    return Outcome(
        made=len(made),
        lost=len(made - got.keys()),
        doubled=sum(count - 1 for count in got.values()),
        end=end,
    )


async def compare(case: Case) -> tuple[Outcome, Outcome]:
    """Run both through a case at the same time; ours comes first."""
    one, other = await asyncio.gather(ours(case), theirs(case))
    return one, other


HEAD = """\
# Compared

What ringtape and the official Python client (`massive` {massive}) lose through five faults of the
[pretend venue](simulator.md). Generated by `python python/docs/compare.py` on {date}, Python {python}. Both run with
their defaults, on uvloop, at the same time, each against a server of its own with the same market ({symbols} symbols,
{rate} trades and quotes a second), seed and script. *Lost* are trades that the market made from the first subscription
to the end, and that never reached the handler. *Doubled* are deliveries of a trade that the handler had had before.

| fault | watched | ringtape: lost | doubled | in the end | official: lost | doubled | in the end |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""

TAIL = """
- What happens while a connection is down is lost to both: the venue has no replay, and nothing was filled over REST
  in these runs. ringtape says so: the connection is not live meanwhile, and windows and bars that touch the time are
  undefined or flagged. The official client's handler is told nothing.
- After a clean close the official client returns as if all were done. After a close between login and subscription it
  connects again, logs in, and never subscribes.
- A black hole ends for ringtape after {idle} s of silence and {pong} s without a pong; for the official client with its
  library's ping, 20 s and 20 s more.
- Counts depend on the moment at which a socket ends and on the machine; their order of size does not.
"""


def page(rows: Iterable[tuple[Case, Outcome, Outcome]]) -> str:
    """Return the page."""
    lines = [
        f"| {case.name} | {case.seconds:g} s | {_share(ours)} | {ours.doubled} | {ours.end} "
        f"| {_share(theirs)} | {theirs.doubled} | {theirs.end} |"
        for case, ours, theirs in rows
    ]
    head = HEAD.format(
        massive=version("massive"),
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        python=platform.python_version(),
        symbols=len(SYMBOLS),
        rate=RATE,
    )
    limits = Limits()
    tail = TAIL.format(idle=f"{limits.idle_s:g}", pong=f"{limits.pong_s:g}")
    return head + "\n".join(lines) + "\n" + tail


def _share(outcome: Outcome) -> str:
    return f"{outcome.lost:,} of {outcome.made:,}"


async def _all() -> list[tuple[Case, Outcome, Outcome]]:
    rows = []
    for case in CASES:
        one, other = await compare(case)
        print(case.name, one, other, sep="\n  ", flush=True)
        rows.append((case, one, other))
    return rows


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    PAGE.write_text(page(uvloop.run(_all())), encoding="utf-8")
