"""Frames that every contestant gets: a seeded stretch of the pretend US market, warm-up and measured part."""

from __future__ import annotations

from typing import NamedTuple

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
    """What is fed before the clock starts, and what is measured."""

    per_frame: int
    warm: list[Frame]
    measured: list[Frame]


def corpus(per_frame: int, *, warm_s: int = WARM_S, measured_s: int = MEASURED_S, symbols: int = SYMBOLS) -> Corpus:
    """Return the frames of `warm_s` + `measured_s` simulated seconds, at most `per_frame` events each.

    The market makes its events in steps of 50 ms; a frame is received when its step ends.
    """
    market = Simulator(seed=SEED, symbols=symbols, rate=RATE, kind="stocks", start_ns=START_NS)
    subscriber = market.open()
    for channel in CHANNELS:
        market.subscribe(subscriber, channel)
    parts: tuple[list[Frame], list[Frame]] = ([], [])
    end_of_warm = START_NS + warm_s * 1_000_000_000
    for now in range(START_NS + _STEP_NS, end_of_warm + measured_s * 1_000_000_000 + 1, _STEP_NS):
        market.advance(now)
        parts[now > end_of_warm].extend((frame, now) for frame in market.frames(subscriber, per_frame))
    assert market.lost(subscriber) == 0
    return Corpus(per_frame, *parts)
