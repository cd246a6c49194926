"""Damaged frames by the hundred thousand through the decoder, a warm engine and the oracle."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import ringtape as rt
from oracle.compare import difference
from oracle.mutate import Mutator, Sample
from ringtape.journal.replay import frames

__all__ = ["Report", "run", "samples"]

KEPT = 20
RECEIVED_NS = 1_790_000_000_000_000_000
# SOURCE: the index of the fact sheet, section 9, tells which lines are of which market.
MASSIVE_MARKETS = ((30, "stocks"), (37, "options"), (40, "indices"), (49, "crypto"), (56, "forex"), (60, "futures"))


@dataclass
class Report:
    """What a run found: how many frames, how many of them were sound, and where decoder and oracle disagree."""

    frames: int = 0
    sound: int = 0
    disagreements: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, other: Report) -> None:
        """Take the report of another process."""
        self.frames += other.frames
        self.sound += other.sound
        self.disagreements += other.disagreements
        self.examples = (self.examples + other.examples)[:KEPT]

    def disagree(self, text: str) -> None:
        """Note a disagreement."""
        self.disagreements += 1
        if len(self.examples) < KEPT:
            self.examples.append(text)


def samples(shared: Path) -> list[Sample]:
    """Return real frames of every kind with their venue: the fact sheets' and a part of each recording."""
    found: list[Sample] = []
    for number, line in enumerate((shared / "facts" / "massive_samples.jsonl").read_bytes().splitlines(), 1):
        market = next((name for last, name in MASSIVE_MARKETS if number <= last), "stocks")
        found.append((line, f"massive.{market}"))
    found += [(line, binance(line)) for line in (shared / "facts" / "binance_samples.jsonl").read_bytes().splitlines()]
    for path in sorted((shared / "data" / "binance_raw").glob("*.gz")):
        recorded = [frame.payload for frame, _ in zip(frames(path), range(3_000), strict=False)]
        found += [(payload, binance(payload)) for payload in recorded[::60] if len(payload) < 4_096]
    return found


def binance(frame: bytes) -> str:
    """Return the market of a Binance frame by what only that market sends."""
    if b"_PERP" in frame or b"_perp" in frame:
        return "binance.coinm"
    is_spot = b'"M":' in frame or (b'"E"' not in frame and b"bookTicker" in frame)
    return "binance.spot" if is_spot else "binance.usdm"


def part(job: tuple[list[Sample], int, int]) -> Report:
    """Run one process's share: samples, seed, frames."""
    given, seed, count = job
    report = Report()
    mutator = Mutator(given, seed)
    engine = rt.Engine()
    rejected: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for _ in range(count):
        frame, venue = mutator.next()
        if found := difference(frame, venue):
            report.disagree(f"seed {seed}, {venue}: {found}\n    {frame[:2_000]!r}")
        engine.feed(frame, venue, RECEIVED_NS)
        try:
            decoded = rt.decode(frame, venue)
        except rt.DecodeError as error:
            rejected[error.kind] += 1
        else:
            report.sound += 1
            skipped.update(skip.reason for skip in decoded.skipped)
        report.frames += 1
    # The engine's decoder has learned from all frames before, the other from none: what they count must be the same.
    stats = engine.stats()
    counted = {kind: sample["count"] for kind, sample in stats["rejected"].items()}
    if counted != dict(rejected) or stats["skipped"] != dict(skipped):
        report.disagree(f"seed {seed}: the engine counts {counted} {stats['skipped']}, expected {rejected} {skipped}")
    return report


def run(given: list[Sample], *, seed: int, count: int, processes: int, share: int = 25_000) -> Report:
    """Return the report over `count` frames; the same for the same samples and seed, whatever the processes."""
    report = Report()
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        for found in pool.map(part, jobs(given, seed, count, share)):
            report.add(found)
    return report


def jobs(given: list[Sample], seed: int, count: int, share: int) -> Iterator[tuple[list[Sample], int, int]]:
    """Yield the shares of a run, each with a seed of its own."""
    for number, start in enumerate(range(0, count, share)):
        yield given, seed * 1_000_003 + number, min(share, count - start)
