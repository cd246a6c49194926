"""The comparison: ns an event of everybody on the same frames, in one run. `make bench` runs it.

Contestants take turns, round by round, so that a slow minute of the machine hits all of them; medians are shown.
Before anything is timed, all of them must have seen the same number of events and the same sum of prices.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from contestants import Contestant, Seen, contestants
from corpus import MEASURED_S, RATE, SEED, SYMBOLS, WARM_S, Corpus, corpus
from rich.console import Console
from rich.progress import track
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "benches" / "record"
README = ROOT / "README.md"
PER_FRAME = (1, 10, 100)
ROUNDS = 9
_MARKS = ("<!-- bench: begin -->", "<!-- bench: end -->")


class Line(msgspec.Struct, kw_only=True):
    """What one contestant needed for one event at one number of events per frame."""

    contestant: str
    version: str
    does: str
    per_frame: int
    ns: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.ns)


class Record(msgspec.Struct, kw_only=True):
    """A run: its lines, and everything that is needed to repeat and to judge it."""

    taken: str
    commit: str
    command: str
    corpus: dict[str, Any]
    machine: dict[str, str]
    lines: list[Line]
    rooms: list[str] = []
    suites: dict[str, float] = {}

    def ratios(self, per_frame: int) -> list[tuple[Line, float]]:
        """Return the lines of one frame size, each with how much faster than msgspec it is."""
        lines = [line for line in self.lines if line.per_frame == per_frame]
        base = next(line.median for line in lines if line.contestant == "msgspec")
        return [(line, base / line.median) for line in lines]


def timed(work: Callable[[], None]) -> int:
    """Return the nanoseconds of one core that a call takes, the collector switched off."""
    gc.collect()
    gc.disable()
    try:
        start = time.thread_time_ns()
        work()
        return time.thread_time_ns() - start
    finally:
        gc.enable()


def same_for_all(everybody: Sequence[Contestant], frames: Corpus) -> Seen:
    """Return the number of events and the sum of prices, which all contestants must agree on."""
    seen = {contestant.name: contestant.see(frames) for contestant in everybody}
    if len(set(seen.values())) != 1:
        sys.exit(f"the contestants did not see the same events: {seen}")
    return seen[everybody[0].name]


def measure(everybody: Sequence[Contestant], per_frame: int, rounds: int) -> tuple[list[Line], Seen]:
    """Return the lines of one frame size."""
    frames = corpus(per_frame)
    seen = same_for_all(everybody, frames)
    taken: dict[str, list[float]] = {contestant.name: [] for contestant in everybody}
    for number in track(range(rounds), f"{per_frame:>3} events a frame", console=Console(stderr=True), transient=True):
        turn = number % len(everybody)
        for contestant in (*everybody[turn:], *everybody[:turn]):
            taken[contestant.name].append(timed(contestant.prepare(frames)) / seen[0])
    lines = [
        Line(contestant=c.name, version=c.version, does=c.does, per_frame=per_frame, ns=taken[c.name])
        for c in everybody
    ]
    return lines, seen


def said(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def machine() -> dict[str, str]:
    """Return what the figures depend on."""
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        cpu = re.findall(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)[0]
    return {
        "cpu": f"{cpu}, {os.cpu_count()} cores",
        "os": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "rustc": said("rustc", "--version"),
    }


def commit() -> str:
    """Return the short commit, marked where the tree holds more than it."""
    return said("git", "rev-parse", "--short=8", "HEAD") + ("-dirty" if said("git", "status", "--porcelain") else "")


def run(rounds: int) -> Record:
    """Measure everybody at every frame size."""
    everybody = contestants()
    lines: list[Line] = []
    corpora: dict[str, float] = {}
    for per_frame in PER_FRAME:
        more, (events, prices) = measure(everybody, per_frame, rounds)
        lines += more
        corpora[f"events at {per_frame} a frame"] = events
        corpora[f"sum of prices at {per_frame} a frame"] = prices
    of = {"seed": SEED, "symbols": SYMBOLS, "rate": RATE, "warm_s": WARM_S, "measured_s": MEASURED_S, "rounds": rounds}
    return Record(
        taken=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        commit=commit(),
        command="make bench",
        corpus=of | corpora,
        machine=machine(),
        lines=lines,
    )


def criterion(text: str) -> list[str]:
    """Return one line for each bench of Criterion's output: its name and its throughput."""
    found = re.findall(r"^(\S+/\S+)\s+time:\s+\[(.*?)\]\s+thrpt:\s+\[(.*?)\]", text, re.MULTILINE)
    return [f"{name}: {' '.join(time.split()[2:4])}, {' '.join(rate.split()[2:4])}" for name, time, rate in found]


def suites(path: Path) -> dict[str, float]:
    """Return the median of each suite of pytest-benchmark, in nanoseconds."""
    done = msgspec.json.decode(path.read_bytes())
    return {bench["name"]: bench["stats"]["median"] * 1e9 for bench in done["benchmarks"]}


def show(record: Record) -> None:
    """Print the table."""
    table = Table(title="ns an event, median; in brackets how many times the speed of msgspec", title_style="bold")
    for title in ("", "gives", *(f"{per_frame} a frame" for per_frame in PER_FRAME)):
        is_figure = title.endswith("a frame")
        table.add_column(title, justify="right" if is_figure else "left", no_wrap=is_figure)
    for name, version, does, cells in rows(record):
        table.add_row(f"{name} {version}", does, *cells)
    Console().print(table)


def rows(record: Record) -> Iterator[tuple[str, str, str, list[str]]]:
    by_size = [record.ratios(per_frame) for per_frame in PER_FRAME]
    for each in zip(*by_size, strict=True):
        first = each[0][0]
        yield (
            first.contestant,
            first.version,
            first.does,
            [f"{line.median:,.0f} ({ratio:.2f}x)" for line, ratio in each],
        )


def markdown(record: Record) -> list[str]:
    """Return the table as Markdown."""
    heads = ["", "gives", *(f"{per_frame} a frame" for per_frame in PER_FRAME)]
    lines = ["| " + " | ".join(heads) + " |", "|---|---|" + "---:|" * len(PER_FRAME)]
    return lines + [
        f"| {name} {version} | {does} | " + " | ".join(cells) + " |" for name, version, does, cells in rows(record)
    ]


def page(record: Record) -> str:
    """Return the record as a page."""
    rounds = [(f"{line.contestant} at {line.per_frame}", [f"{ns:.0f}" for ns in line.ns]) for line in record.lines]
    parts = [
        f"# Benchmarks of {record.taken[:10]}, commit {record.commit}",
        f"`{record.command}`, {record.taken}",
        "\n".join(f"- {key}: {value}" for key, value in record.machine.items()),
        "Frames of the seeded simulator: " + ", ".join(f"{key} {value}" for key, value in record.corpus.items()) + ".",
        "ns an event, median of the rounds; in brackets how many times msgspec's speed.",
        "\n".join(markdown(record)),
        "Every round, ns an event, in the order of the rounds:",
        "\n".join(f"- {name}: {' '.join(taken)}" for name, taken in rounds),
    ]
    if record.rooms:
        parts += ["Rust rooms by themselves (Criterion, best estimate; elements are events):"]
        parts += ["\n".join(f"- {line}" for line in record.rooms)]
    if record.suites:
        parts += ["Single calls from Python (pytest-benchmark, median):"]
        parts += ["\n".join(f"- {name}: {ns:,.0f} ns" for name, ns in record.suites.items())]
    return "\n\n".join(parts) + "\n"


def write(record: Record) -> Path:
    """Write the record as a page and as JSON, and return the page's path."""
    RECORD.mkdir(exist_ok=True)
    stem = RECORD / f"{record.taken[:10]}-{record.commit}"
    stem.with_name(stem.name + ".json").write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
    written = stem.with_name(stem.name + ".md")
    written.write_text(page(record), encoding="utf-8")
    return written


def newest() -> tuple[Record, str]:
    """Return the newest record and its name."""
    records = [(msgspec.json.decode(path.read_bytes(), type=Record), path.stem) for path in RECORD.glob("*.json")]
    if not records:
        sys.exit("benches/record holds no record yet: run `make bench`")
    return max(records, key=lambda found: found[0].taken)


def fill_readme() -> None:
    """Put the newest record's table between the two marks of README.md."""
    record, stem = newest()
    begin, end = _MARKS
    before, _, rest = README.read_text(encoding="utf-8").partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        sys.exit(f"README.md has lost its marks {begin} and {end}")
    link = f"[record of {record.taken[:10]}](benches/record/{stem}.md)"
    note = f"{record.machine['cpu']}, {record.machine['python']}: {link}"
    text = "\n".join([begin, *markdown(record), "", note, end])
    README.write_text(before + text + after, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default {ROUNDS}, at least 5")
    parser.add_argument("--rooms", type=Path, help="output of `cargo bench --bench rooms` to keep in the record")
    parser.add_argument("--suites", type=Path, help="JSON of pytest-benchmark to keep in the record")
    parser.add_argument("--no-record", action="store_true", help="only print")
    parser.add_argument("--readme", action="store_true", help="only fill README.md from the newest record")
    given = parser.parse_args()
    if given.readme:
        fill_readme()
        return
    record = run(max(5, given.rounds))
    if given.rooms:
        record.rooms = criterion(given.rooms.read_text(encoding="utf-8"))
    if given.suites:
        record.suites = suites(given.suites)
    show(record)
    for line in record.rooms:
        print(line)
    if not given.no_record:
        print(f"written to {write(record).relative_to(ROOT)}")


if __name__ == "__main__":
    main()
