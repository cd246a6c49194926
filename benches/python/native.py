"""Contestants that are programs of their own: ringtape's Rust face (`rounds.rs`) and simdjson (`cpp/ondemand.cpp`).

Each runs beside this process, one for each corpus, reads the corpus from a file and runs a round when it is asked to.
It measures the CPU time of its thread by itself.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from contestants import Contestant, Seen
from corpus import Corpus

ROOT = Path(__file__).resolve().parents[2]
WALK = ROOT / "benches" / "cpp" / "ondemand.cpp"


def build_rounds() -> Path:
    """Build the Rust program as `cargo bench` does, and return where it is."""
    command = ["cargo", "bench", "--bench", "rounds", "--no-run", "--quiet", "--message-format=json"]
    said = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = [json.loads(line) for line in said.splitlines()]
    built = [it["executable"] for it in messages if it["reason"] == "compiler-artifact" and it["executable"]]
    return Path(built[-1])


def answer(*command: str) -> str:
    """Return what a command prints; nothing where it fails."""
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()


class Walk(NamedTuple):
    """simdjson's program, or why it is left out."""

    program: Path | None
    simdjson: str
    compiler: str
    missing: str


def build_walk(into: Path) -> Walk:
    """Build the simdjson program into a directory, if this machine has what it takes."""
    compiler = os.environ.get("CXX", "c++")
    if shutil.which(compiler) is None or shutil.which("pkg-config") is None:
        return Walk(None, "", "", "simdjson is left out because it takes a C++ compiler and pkg-config.")
    version = answer("pkg-config", "--modversion", "simdjson")
    if not version:
        return Walk(None, "", "", "simdjson is left out because pkg-config does not know it (Debian: libsimdjson-dev).")
    flags = shlex.split(answer("pkg-config", "--cflags", "--libs", "simdjson"))
    program = into / "ondemand"
    command = [compiler, "-O3", "-DNDEBUG", "-march=native", "-std=c++17", str(WALK), *flags]
    subprocess.run([*command, "-o", str(program)], check=True)
    return Walk(program, version, answer(compiler, "--version").splitlines()[0], "")


class Program:
    """A program that runs rounds over one corpus on request."""

    def __init__(self, path: Path, corpus: Path) -> None:
        command = [str(path), "serve", str(corpus)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._name = path.name
        self._scratch = corpus.with_suffix(".prices")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.communicate()

    def ask(self, request: str) -> str:
        """Return the answer to one request."""
        pipes = self._process
        assert pipes.stdin is not None
        assert pipes.stdout is not None
        pipes.stdin.write(request + "\n")
        pipes.stdin.flush()
        answer = pipes.stdout.readline().strip()
        if not answer:
            sys.exit(f"{self._name} ended before it answered `{request}`")
        return answer

    def see(self, name: str) -> tuple[int, list[float]]:
        """Return the number of events that a contestant saw, and their prices."""
        events = int(self.ask(f"see {name} {self._scratch}"))
        return events, np.fromfile(self._scratch, dtype="<f8").tolist()


class Native(Contestant):
    """One of a program's contestants."""

    def __init__(self, program: Program, order: str, name: str, version: str, does: str, *, looks: bool = True) -> None:
        self._program = program
        self._order = order
        self._looks = looks
        self.name, self.version, self.does = name, version, does

    def round(self, corpus: Corpus) -> int:
        return int(self._program.ask(f"round {self._order}"))

    def see(self, corpus: Corpus) -> Seen | None:
        if not self._looks:
            return None
        events, prices = self._program.see(self._order)
        return events, math.fsum(prices)


LEVELS = {
    "avx512": "ringtape AVX-512",
    "avx2": "ringtape AVX2",
    "scalar": "ringtape scalar",
}
"""What the levels of the decoder are called in the tables, the best first."""
WALKS = {"by-key": "simdjson (by key)", "key-by-key": "simdjson (key by key)"}
"""What the two styles of the On-Demand walk are called in the tables."""


def decoders(rounds: Program, version: str) -> list[Native]:
    """Return ringtape's decoder at each level of this machine, the best first."""
    here = rounds.ask("levels").split()
    does = "decode, all fields, strict"
    return [Native(rounds, level, name, version, does) for level, name in LEVELS.items() if level in here]


def walks(program: Program, version: str) -> list[Native]:
    """Return simdjson's two styles."""
    return [Native(program, style, name, version, "On-Demand walk of the same fields") for style, name in WALKS.items()]
