"""The frames that the goals are stated for: those of ``../shared/bench/gen_corpus.py``, run from where it lies.

It writes 300,000 events of each kind of frame; two thirds warm up, the rest is measured. A frame is received 2 ms after
its newest event, and never before the frame before it.
"""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from corpus import Corpus, Frame

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT.parent / "shared" / "bench" / "gen_corpus.py"
MISSING = (
    "The corpora of ../shared/bench/gen_corpus.py are left out because that script is not beside this tree, so the"
    " goals, which are stated for them, are not judged."
)
EVENTS = 300_000
SEED = 7
# Events of each kind that a decoder may see of a new shape before it is measured.
TO_LEARN = 64
_LATER_NS = 2_000_000
_TIME = re.compile(rb'"[tE]": ?(\d{13})\b')
_TRADE = re.compile(rb'{("ev":"T",[^}]*)}')
_IDENTITY = {b"sym", b"x", b"i", b"trfi"}
# The generator rounds cheap coins to a price of zero, which is no price.
_NO_PRICE = re.compile(rb'"[pochl]": ?"0(\.0+)?"')
_MEMBER = re.compile(rb'"(\w+)":("[^"]*"|\[[^\]]*\]|[^,}\]]+)')

Members = list[tuple[bytes, bytes]]
"""The members of one event, key and value as they are written."""


def generate(directory: Path) -> None:
    """Run the generator into a directory."""
    command = [sys.executable, str(SCRIPT), str(directory), str(EVENTS)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def payloads(path: Path) -> list[bytes]:
    """Return the frames of one file of the generator."""
    data = path.read_bytes()
    count, at = struct.unpack_from("<I", data)[0], 8
    frames = []
    for _ in range(count):
        (size,) = struct.unpack_from("<I", data, at)
        frames.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return frames


def received(frames: Sequence[bytes]) -> list[Frame]:
    """Return the frames with their receive times."""
    now, timed = 0, []
    for frame in frames:
        now = max([now, *(int(found) * 1_000_000 + _LATER_NS for found in _TIME.findall(frame))])
        timed.append((frame, now))
    return timed


def _distinct(frames: Iterable[bytes]) -> Iterator[bytes]:
    """Leave out frames with a trade that the generator gave an identity which another one has: that is a repeat."""
    seen: set[frozenset[tuple[bytes, bytes]]] = set()
    for frame in frames:
        trades = [
            frozenset(member for member in _MEMBER.findall(found) if member[0] in _IDENTITY)
            for found in _TRADE.findall(frame)
        ]
        if len({*trades}) == len(trades) and seen.isdisjoint(trades):
            seen.update(trades)
            yield frame


def corpus(directory: Path, stem: str, name: str, venue: str = "massive.stocks") -> Corpus:
    """Return one file of the generator as a corpus; `stem` ends with the events of a frame."""
    priced = (frame for frame in payloads(directory / f"{stem}.bin") if not _NO_PRICE.search(frame))
    frames = received(list(_distinct(priced)))
    of_warm = len(frames) * 2 // 3
    tail = stem.rsplit("_", maxsplit=1)[-1]
    per_frame = int(tail) if tail.isdecimal() else 540
    return Corpus(name, per_frame, frames[:of_warm], frames[of_warm:], venue)


def _order(members: Members) -> Members:
    return [members[0], *reversed(members[1:])]


def _kind_last(members: Members) -> Members:
    return members[::-1]


def _added(members: Members) -> Members:
    return [*members[:4], (b"new", b"1781622376036"), *members[4:], (b"flags", b"[1,2]")]


def _missing(members: Members) -> Members:
    return [member for member in members if member[0] not in {b"q", b"z", b"vw"}]


SHAPES: dict[str, Callable[[Members], Members]] = {
    "new order": _order,
    "new order, kind last": _kind_last,
    "added keys": _added,
    "missing keys": _missing,
}
ADDED = {"new", "flags"}
"""The keys that no contestant knows."""


def _events(frame: bytes) -> Iterator[Members]:
    for text in frame[2:-2].split(b"},{"):
        yield _MEMBER.findall(text)


def _changed(frame: bytes, change: Callable[[Members], Members]) -> bytes:
    events = (b",".join(b'"%b":%b' % member for member in change(members)) for members in _events(frame))
    return b"[" + b",".join(b"{%b}" % event for event in events) + b"]"


def reshaped(known: Corpus, shape: str) -> Corpus:
    """Return a corpus whose events change their shape shortly before they are measured.

    What warms up is known frames, then as many new ones as hold `TO_LEARN` events of each kind. The measured events are
    those of the known corpus.
    """
    change = SHAPES[shape]
    half = len(known.warm) // 2
    counts: Counter[bytes] = Counter()
    learned: list[Frame] = []
    kinds = {members[0][1] for frame, _ in known.warm[:half] for members in _events(frame)}
    for frame, now in islice(known.warm, half, None):
        learned.append((_changed(frame, change), now))
        counts.update(members[0][1] for members in _events(frame))
        if min(counts[kind] for kind in kinds) >= TO_LEARN:
            break
    measured = [(_changed(frame, change), now) for frame, now in known.measured]
    return Corpus(shape, known.per_frame, [*known.warm[:half], *learned], measured, known.venue)
