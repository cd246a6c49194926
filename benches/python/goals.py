"""The goals of decoding and of the engine, and whether a record reaches them.

A goal is a ratio of medians of one run, but for those in nanoseconds, which are the machine's. What was not measured
is not reached.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import NamedTuple

from generated import SHAPES
from native import LEVELS, WALKS
from record import Place, Record

ENGINE, ENGINE_IN_RUST = "ringtape engine", "ringtape engine, from Rust"
CALL, CALL_IN_RUST = "call of feed, from Python", "call of feed, from Rust"
ON_DEMAND = list(WALKS.values())
NUMBA = "msgspec + numba"
MIX, MIX_1, MIX_100 = "mix", ("mix", 1), ("mix", 100)
TRADES = ("trades", 100)
STREAMS, MARKS = ("binance streams", 1), ("binance mark price array", 540)


class Part(NamedTuple):
    """One condition: what is wanted, what was measured, and whether that is it."""

    wanted: str
    got: str
    is_met: bool


class Judged(NamedTuple):
    """One goal: its floor and its goal, each of all its parts."""

    name: str
    what: str
    floor: list[Part]
    goal: list[Part]

    def row(self) -> list[str]:
        """Return the cells: name, what, measured, floor, kept, goal, reached."""
        got = dict.fromkeys(part.got for part in (*self.floor, *self.goal))  # a floor and a goal may look at the same
        return [self.name, self.what, ", ".join(got), *_cells(self.floor), *_cells(self.goal)]


def _cells(parts: list[Part]) -> list[str]:
    if not parts:
        return ["-", "-"]
    return [
        ", ".join(dict.fromkeys(part.wanted for part in parts)),
        "yes" if all(part.is_met for part in parts) else "no",
    ]


class Judge:
    """Looks figures of one contestant up in a record."""

    def __init__(self, record: Record, ours: str) -> None:
        self._record = record
        self._ours = ours

    def _part(
        self, wanted: str, ratio: float | None, shown: str, meets: Callable[[float, float], bool], bound: float
    ) -> Part:
        if ratio is None:
            return Part(wanted, f"{shown}: not measured", is_met=False)
        return Part(wanted, f"{ratio:.{1 if ratio < 100 else 0}f}x {shown}", meets(ratio, bound))

    def faster(self, times: float, rivals: list[str], called: str, place: Place) -> Part:
        """Judge "so many times as fast as the fastest of the rivals"."""
        ours, theirs = self._record.ns(self._ours, place), self._record.fastest(rivals, place)
        ratio = None if ours is None or theirs is None else theirs / ours
        return self._part(f"{times:g}x {called}", ratio, called, operator.ge, times)

    def within(self, times: float, rivals: list[str], called: str, place: Place) -> Part:
        """Judge "at most so many times the time of the rival"."""
        ours, theirs = self._record.ns(self._ours, place), self._record.fastest(rivals, place)
        ratio = None if ours is None or theirs is None else ours / theirs
        return self._part(f"at most {times:g}x {called}", ratio, called, operator.le, times)

    def shape(self, shape: str) -> Part:
        """Judge "at most 1.25 times the known shape, never slower than On-Demand" for one change of shape."""
        wanted = "at most 1.25x, never slower than simdjson"
        place = (shape, MIX_100[1])
        ours, known = self._record.ns(self._ours, place), self._record.ns(self._ours, MIX_100)
        walk = self._record.fastest(ON_DEMAND, place)
        if ours is None or known is None or walk is None:
            return Part(wanted, f"{shape}: not measured", is_met=False)
        got = f"{shape}: {ours / known:.2f}x ({walk / ours:.1f}x simdjson)"
        return Part(wanted, got, ours <= 1.25 * known and ours <= walk)

    def slowest(self, ns: float, place: Place, called: str) -> Part:
        """Judge "at most so many nanoseconds"."""
        ours = self._record.ns(self._ours, place)
        got = f"{called}: not measured" if ours is None else f"{ours:.0f} ns {called}"
        return Part(f"at most {ns:g} ns {called}", got, ours is not None and ours <= ns)

    def dearer(self, ns: float, than: str, place: Place, called: str) -> Part:
        """Judge "at most so many nanoseconds more"."""
        ours, theirs = self._record.ns(self._ours, place), self._record.ns(than, place)
        if ours is None or theirs is None:
            return Part(f"at most {ns:g} ns", f"{called}: not measured", is_met=False)
        return Part(f"at most {ns:g} ns", f"{ours - theirs:.0f} ns {called}", ours - theirs <= ns)


def judged(record: Record) -> list[Judged]:
    """Return the goals with what the record says of them; none where it has not the corpora they are stated for."""
    decoders = [name for name in LEVELS.values() if record.line(name, MIX_100)]
    if not decoders:
        return []
    rows = _decoding(Judge(record, decoders[0]))
    avx2 = LEVELS["avx2"]
    if avx2 in decoders[1:]:
        rows += _floors(Judge(record, avx2), "AVX2")
    return rows + _engine(record)


def _decoding(judge: Judge) -> list[Judged]:
    return [
        Judged(
            "G1",
            "Massive decode, 100 a frame",
            [judge.faster(10, ["msgspec"], "msgspec", MIX_100)],
            [
                judge.faster(17, ["msgspec"], "msgspec", MIX_100),
                judge.faster(4, ON_DEMAND, "simdjson", MIX_100),
                judge.faster(115, ["massive client"], "client", MIX_100),
                judge.within(6, ["memcpy"], "memcpy", MIX_100),
            ],
        ),
        Judged(
            "G2",
            "the same, 1 a frame",
            [judge.faster(8, ["msgspec"], "msgspec", MIX_1)],
            [judge.faster(12, ["msgspec"], "msgspec", MIX_1), judge.faster(3.3, ON_DEMAND, "simdjson", MIX_1)],
        ),
        *(
            Judged(
                "G3",
                what,
                [judge.faster(6, ["msgspec"], "msgspec", place)],
                [judge.faster(9, ["msgspec"], "msgspec", place), judge.faster(3, ON_DEMAND, "simdjson", place)],
            )
            for what, place in (("Binance streams, 1 a frame", STREAMS), ("Binance mark price array", MARKS))
        ),
        Judged(
            "G4", "a shape after its first 64 events, times the known one", [], [judge.shape(shape) for shape in SHAPES]
        ),
    ]


def _floors(judge: Judge, level: str) -> list[Judged]:
    return [
        Judged(f"{name}, {level}", what, [judge.faster(times, ["msgspec"], "msgspec", place)], [])
        for name, what, times, place in (
            ("G1", "Massive decode, 100 a frame", 10, MIX_100),
            ("G2", "the same, 1 a frame", 8, MIX_1),
            ("G3", "Binance streams, 1 a frame", 6, STREAMS),
            ("G3", "Binance mark price array", 6, MARKS),
        )
    ]


def _engine(record: Record) -> list[Judged]:
    judge = Judge(record, ENGINE)
    return [
        Judged(
            "G5",
            "the whole engine, fed from Python",
            [judge.slowest(60, MIX_100, "at 100 a frame")],
            [
                judge.slowest(45, MIX_100, "at 100 a frame"),
                judge.slowest(85, MIX_1, "at 1"),
                judge.faster(10, [NUMBA], f"{NUMBA}, trades", TRADES),
            ],
        ),
        Judged(
            "call",
            "`Engine.feed` of a memoryview beyond the Rust function",
            [],
            [Judge(record, CALL).dearer(25, CALL_IN_RUST, MIX_1, "a call")],
        ),
    ]
