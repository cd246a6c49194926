"""``ringtape demo``: the pretend market in a process of its own, the scanner here, a WebSocket between them."""

from __future__ import annotations

import contextlib
import select
import subprocess
import sys
from collections.abc import Iterator
from typing import IO, Annotated

import msgspec
import typer

from ringtape.errors import RingtapeError
from ringtape.feeds import Massive
from ringtape.scanner import load, preset
from ringtape.sim import reference
from ringtape.tui.live import Live

from .scan import console_for, report

__all__ = ["demo"]

READY_S = 20.0
STOP_S = 1.0


class Ready(msgspec.Struct):
    """The line that ``ringtape sim`` writes when it listens."""

    port: int


def demo(
    *,
    rate: Annotated[int, typer.Option(min=1, help="Trades and quotes a second.")] = 20_000,
    symbols: Annotated[int, typer.Option(min=1, help="Symbols of the pretend market.")] = 500,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the pretend market.")] = 7,
    shared: Annotated[str | None, typer.Option(help="Name under which other processes can attach.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after this time.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end and nothing else.")] = False,
) -> None:
    """Run the pretend market, the engine and the scanner on this machine. No key, no network. Ctrl-C ends."""
    rules = load(preset("movers"))
    with simulator(rate, symbols, seed) as port:
        # A pretend market takes any key.
        feed = Massive("stocks", ["T.*", "Q.*"], f"ws://127.0.0.1:{port}", "demo")
        live = Live(feed, rules, console_for(json=json), quiet=json, shared=shared)
        # Yesterday's closes of that market depend on its seed alone, so they need no wire.
        live.engine.set_reference(reference(seed, symbols))
        done = live.run(seconds)
    report(done, json=json)


@contextlib.contextmanager
def simulator(rate: int, symbols: int, seed: int) -> Iterator[int]:
    """Run ``ringtape sim`` in a process of its own while the block lasts, and give its port.

    Raises
    ------
    RingtapeError
        It ends or stays silent instead of listening.
    """
    options = [
        f"--{name}={value}" for name, value in (("port", 0), ("rate", rate), ("symbols", symbols), ("seed", seed))
    ]
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "ringtape", "sim", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        # Ctrl-C goes to every process of the terminal; the market shall end after the feed, not before.
        start_new_session=True,
    )
    try:
        yield _port(process)
    finally:
        _end(process)


def _port(process: subprocess.Popen[bytes]) -> int:
    line = _first_line(process.stdout) if process.stdout else b""
    try:
        return msgspec.json.decode(line, type=Ready).port
    except msgspec.DecodeError:
        status = process.poll()
        what = "said nothing usable" if status is None else f"ended with status {status}"
        raise RingtapeError(f"the simulator {what} instead of listening") from None


def _first_line(pipe: IO[bytes]) -> bytes:
    ready, _, _ = select.select([pipe], [], [], READY_S)
    return pipe.readline(65_536) if ready else b""


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdout:
        process.stdout.close()
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
