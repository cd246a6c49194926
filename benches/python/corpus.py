"""Frames that every contestant gets: what comes before the clock starts, and what is measured."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ringtape import sessions
from ringtape._native import Simulator

SEED = 7
SYMBOLS = 1_000
RATE = 20_000
WARM_S, MEASURED_S = 25, 5
CHANNELS = ("T.*", "Q.*", "A.*", "AM.*")
VENUE = "massive.stocks"
# 09:30:32 in New York on 2026-11-20, so that the minute bars of 09:30 fall into the measured seconds.
START_NS = 1_795_185_032_000_000_000
_STEP_NS = 50_000_000

Frame = tuple[bytes, int]
"""A payload and its receive time."""


class Corpus(NamedTuple):
    """The frames of one column of a table."""

    name: str
    per_frame: int
    warm: list[Frame]
    measured: list[Frame]
    venue: str = VENUE

    def write(self, path: Path) -> None:
        """Write the file that native contestants read: venue, trading days, frames to warm up with, to measure."""
        days = sessions.days(self.venue, self.measured[0][1])
        with path.open("wb") as file:
            file.write(_sized(self.venue.encode()))
            file.write(struct.pack("<I", len(days)))
            file.writelines(struct.pack("<5q", *day) for day in days)
            for frames in (self.warm, self.measured):
                file.write(struct.pack("<I", len(frames)))
                file.writelines(struct.pack("<q", now) + _sized(frame) for frame, now in frames)


def _sized(text: bytes) -> bytes:
    return struct.pack("<I", len(text)) + text


def sizes(frames: Iterable[Frame]) -> int:
    """Return the bytes of the payloads together."""
    return sum(len(frame) for frame, _ in frames)


def simulated(
    per_frame: int, *, warm_s: int = WARM_S, measured_s: int = MEASURED_S, symbols: int = SYMBOLS, rate: int = RATE
) -> Corpus:
    """Return the frames of `warm_s` + `measured_s` seconds of the seeded simulator, at most `per_frame` events each.

    The market makes its events in steps of 50 ms; a frame is received when its step ends.
    """
    market = Simulator(seed=SEED, symbols=symbols, rate=rate, kind="stocks", start_ns=START_NS)
    subscriber = market.open()
    for channel in CHANNELS:
        market.subscribe(subscriber, channel)
    parts: tuple[list[Frame], list[Frame]] = ([], [])
    end_of_warm = START_NS + warm_s * 1_000_000_000
    for now in range(START_NS + _STEP_NS, end_of_warm + measured_s * 1_000_000_000 + 1, _STEP_NS):
        market.advance(now)
        parts[now > end_of_warm].extend((frame, now) for frame in market.frames(subscriber, per_frame))
    assert market.lost(subscriber) == 0
    return Corpus("simulator", per_frame, *parts)
