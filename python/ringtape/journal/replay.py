"""Captures back through the engine: recorded bytes and times enter by the same `feed` as live ones.

A capture is text, plain or gzip, one frame a line: the receive time in Unix ns, a blank, the frame as received.
Engine time passes as it did then: `Engine.advance` is called for every 250 ms of receive time, so a replay gives the
same rows, bars and signals whenever it runs.
"""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import msgspec

from ringtape.errors import ConfigError

if TYPE_CHECKING:
    from ringtape._native import Batch, Engine

__all__ = ["ADVANCE_NS", "Frame", "Summary", "frames", "guess_venue", "replay", "summary"]

ADVANCE_NS = 250_000_000
"""How often engine time passes without a frame, live and in a replay."""
_DRAIN_EVENTS = 8_192
"""Events between two drains: far fewer than the event rings hold."""
_JUMP_NS = 3_600_000_000_000
"""A pause that is passed in one step: nobody recorded there."""
_TIMES = range(946_684_800_000_000_000, 4_102_444_800_000_000_000)
"""Receive times that are believed: 2000 to 2100."""
_GZIP_MAGIC = b"\x1f\x8b"


class Frame(NamedTuple):
    """One recorded frame: receive time in Unix ns, payload, and bytes of the file read so far."""

    recv_ns: int
    payload: bytes
    position: int


class Summary(msgspec.Struct, frozen=True):
    """What a run did.

    ``skipped`` counts rejected frames and skipped events; ``bars`` the own bars that ended; ``seconds`` is wall time.
    """

    frames: int
    events: int
    skipped: int
    symbols: int
    bars: int
    alerts: int
    seconds: float
    events_per_s: float


def summary(engine: Engine, seconds: float) -> Summary:
    """Return what an engine has done so far, with the wall time it took."""
    stats = engine.stats()
    return Summary(
        frames=stats["frames"],
        events=stats["events"],
        skipped=stats["frames_rejected"] + stats["events_skipped"],
        symbols=stats["symbols"],
        bars=stats["bars"],
        alerts=stats["signals"],
        seconds=round(seconds, 3),
        events_per_s=round(stats["events"] / seconds, 1) if seconds else 0.0,
    )


def frames(path: str | Path) -> Iterator[Frame]:
    """Yield the frames of a capture in order.

    Raises
    ------
    ConfigError
        The file cannot be read, is not a capture, or its compression is damaged; the message names the line.
    """
    where = Path(path)
    try:
        file = where.open("rb")
    except OSError as error:
        raise ConfigError(f"cannot read {where}: {error.strerror}", source=str(where)) from None
    with file:
        packed = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        # Only the unpacked side is read line by line; the packed file tells how far it is.
        lines = gzip.GzipFile(fileobj=file) if packed else file
        yield from _parse(lines, file, where)


def _parse(lines: gzip.GzipFile | BinaryIO, file: BinaryIO, where: Path) -> Iterator[Frame]:
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            recv, blank, payload = line.rstrip(b"\r\n").partition(b" ")
            if not blank or not recv.isdigit() or int(recv[:20]) not in _TIMES:
                why = f"{where}:{number}: not a capture: a line is a receive time in ns, a blank and a frame"
                raise ConfigError(why, source=str(where))
            yield Frame(int(recv), payload, file.tell())
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ConfigError(f"{where}:{number + 1}: the gzip data is damaged: {error}", source=str(where)) from None


def guess_venue(path: str | Path) -> str:
    """Return the venue whose protocol the first frame of a capture follows."""
    first = next(frames(path), None)
    return "massive.stocks" if first is not None and b'"ev"' in first.payload else "binance.usdm"


def replay(
    path: str | Path,
    engine: Engine,
    venue: str,
    *,
    on_batch: Callable[[Batch], None] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Summary:
    """Run a capture through an engine as fast as it goes and return what it did.

    Parameters
    ----------
    path
        The capture.
    engine
        The engine to feed; its rules, windows and reference data are the caller's.
    venue
        Venue id whose protocol the frames follow.
    on_batch
        Called with every batch that holds something.
    on_progress
        Called now and then with the bytes of the file read so far.

    Raises
    ------
    ConfigError
        As for `frames`.
    UnknownVenue
        No such venue.
    """
    start = time.perf_counter()
    tick = waiting = 0
    for frame in frames(path):
        if not tick or frame.recv_ns - tick > _JUMP_NS:
            tick = frame.recv_ns
        while tick <= frame.recv_ns:
            engine.advance(tick)
            tick += ADVANCE_NS
        # A frame without events may still hold a control message.
        waiting += engine.feed(frame.payload, venue, frame.recv_ns) or 1
        if waiting >= _DRAIN_EVENTS:
            waiting = 0
            _hand_over(engine, on_batch)
            if on_progress is not None:
                on_progress(frame.position)
    _hand_over(engine, on_batch)
    return summary(engine, time.perf_counter() - start)


def _hand_over(engine: Engine, on_batch: Callable[[Batch], None] | None) -> None:
    batch = engine.drain()
    if on_batch is not None and batch:
        on_batch(batch)
