"""What a run leaves behind: lines and columns of figures, and everything that is needed to repeat and to judge them."""

from __future__ import annotations

import os
import platform
import re
import statistics
import subprocess
import sys
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "benches" / "record"

Place = tuple[str, int]
"""A column: the corpus and the most events of a frame."""


class Column(msgspec.Struct, kw_only=True):
    """The frames of one column, and what everybody saw in the measured part of them."""

    corpus: str
    per_frame: int
    venue: str
    frames: int
    events: int
    prices: float
    bytes_an_event: float

    @property
    def place(self) -> Place:
        return self.corpus, self.per_frame


class Line(msgspec.Struct, kw_only=True):
    """What one contestant needed for one event of one column, round by round."""

    contestant: str
    version: str
    does: str
    corpus: str
    per_frame: int
    ns: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.ns)

    @property
    def place(self) -> Place:
        return self.corpus, self.per_frame


class Record(msgspec.Struct, kw_only=True):
    """A run."""

    taken: str
    commit: str
    command: str
    rounds: int
    seeds: dict[str, int]
    machine: dict[str, str]
    columns: list[Column]
    lines: list[Line]
    left_out: list[str] = []
    rooms: list[str] = []
    suites: dict[str, float] = {}

    def line(self, contestant: str, place: Place) -> Line | None:
        """Return the line of a contestant in a column, if it took part."""
        return next((it for it in self.lines if it.contestant == contestant and it.place == place), None)

    def ns(self, contestant: str, place: Place) -> float | None:
        """Return the median of a contestant in a column."""
        line = self.line(contestant, place)
        return line.median if line else None

    def fastest(self, contestants: list[str], place: Place) -> float | None:
        """Return the least median among some contestants."""
        return min((ns for name in contestants if (ns := self.ns(name, place)) is not None), default=None)

    def places(self, corpus: str) -> list[Place]:
        """Return the columns of a corpus."""
        return [column.place for column in self.columns if column.corpus == corpus]


def said(*command: str) -> str:
    """Return what a command prints."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def machine() -> dict[str, str]:
    """Return what the figures depend on."""
    found = {
        "cpu": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "os": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "rustc": said("rustc", "--version"),
    }
    info = Path("/proc/cpuinfo")
    if info.exists():
        pairs = re.findall(r"^([^\t:]+?)\s*: (.*)$", info.read_text(encoding="utf-8"), re.MULTILINE)
        of = dict(reversed(pairs))
        if {"model name", "cpu family", "model", "stepping"} <= of.keys():
            found["cpu"] = (
                f"{of['model name']}, family {of['cpu family']}, model {of['model']}, stepping {of['stepping']},"
                f" {os.cpu_count()} cores"
            )
        flags = str(of.get("flags") or of.get("Features") or "").split()
        found["simd"] = " ".join(flag for flag in flags if flag.startswith(("sse4", "avx", "bmi", "asimd", "sve")))
    return found


def commit() -> str:
    """Return the short commit, marked where the tree holds more than it."""
    return said("git", "rev-parse", "--short=8", "HEAD") + ("-dirty" if said("git", "status", "--porcelain") else "")


def newest() -> tuple[Record, str]:
    """Return the newest record and its name."""
    files = {msgspec.json.decode(path.read_bytes())["taken"]: path for path in RECORD.glob("*.json")}
    if not files:
        sys.exit("benches/record holds no record yet: run `make bench`")
    path = files[max(files)]
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record), path.stem
    except msgspec.ValidationError:
        sys.exit(f"benches/record/{path.name} is of an older form: run `make bench`")
