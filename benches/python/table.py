"""The comparison: everybody on the same frames, in one run. `make bench` runs it.

Two questions, answered by the same rounds: what does decoding take (ringtape's decoder at each level of the machine,
simdjson, msgspec, orjson, the official client, and memcpy as the yardstick), and what does the whole engine take beside
those who only decode.
"""

from __future__ import annotations

import argparse
import datetime as dt
import tempfile
from collections.abc import Iterator
from pathlib import Path

import generated
from compiled import Numba
from contestants import Contestant, EmptyFeed, Massive, Msgspec, MsgspecBinance, Ringtape
from corpus import SEED, Corpus, simulated
from goals import CALL_IN_RUST, ENGINE_IN_RUST, MARKS, MIX, STREAMS, TRADES
from measure import measure
from native import Native, Program, Walk, build_rounds, build_walk, decoders, walks
from pages import criterion, fill_readme, show, suites, write
from record import ROOT, Column, Line, Record, commit, machine
from untyped import Orjson, OrjsonBinance

import ringtape as rt

ROUNDS = 9
PER_FRAME = (1, 10, 100)
RESULTS = ROOT / "results"
# The corpora that the whole engine also gets.
ENGINE_TOO = {MIX, "simulator", TRADES[0]}


def of_goals(directory: Path) -> Iterator[Corpus]:
    """Yield the corpora that the goals are stated for."""
    generated.generate(directory)
    for per_frame in (*PER_FRAME, 1_000):
        yield generated.corpus(directory, f"massive_mix_{per_frame}", MIX)
    yield generated.corpus(directory, "massive_T_100", TRADES[0])
    yield generated.corpus(directory, "massive_Tdocs_100", "trades, documented order")
    yield generated.corpus(directory, "binance_1", STREAMS[0], "binance.usdm")
    yield generated.corpus(directory, "binance_markarr", MARKS[0], "binance.usdm")
    for shape in generated.SHAPES:
        yield generated.reshaped(generated.corpus(directory, "massive_mix_100", MIX), shape)


def corpora(directory: Path, left_out: list[str]) -> Iterator[Corpus]:
    """Yield all corpora of this machine."""
    if generated.SCRIPT.exists():
        yield from of_goals(directory)
    else:
        left_out.append(generated.MISSING)
    for per_frame in PER_FRAME:
        yield simulated(per_frame)


def native(corpus: Corpus, rounds: Program, walk: Program | None, simdjson: str) -> list[Native]:
    """Return the contestants of the two programs for a corpus."""
    all_of_them = decoders(rounds, rt.__version__)
    if walk:
        all_of_them += walks(walk, simdjson)
    if corpus.name not in generated.SHAPES:
        all_of_them.append(Native(rounds, "memcpy", "memcpy", "", "a copy to a hot buffer", looks=False))
    if corpus.name in ENGINE_TOO:
        name, does = ENGINE_IN_RUST, "the same, fed from Rust"
        all_of_them.append(Native(rounds, "feed", name, rt.__version__, does, looks=False))
        if corpus.per_frame == 1:
            does = "a frame without events"
            all_of_them.append(Native(rounds, "empty", CALL_IN_RUST, rt.__version__, does, looks=False))
    return all_of_them


def in_python(corpus: Corpus) -> list[Contestant]:
    """Return the contestants of this process for a corpus."""
    if corpus.venue == "binance.usdm":
        return [MsgspecBinance(), OrjsonBinance()]
    if corpus.name in generated.SHAPES:
        return [Msgspec()]
    found: list[Contestant] = [Msgspec(), Orjson(), Massive()]
    if corpus.name == TRADES[0]:
        found.append(Numba())
    if corpus.name in ENGINE_TOO:
        found.append(Ringtape())
        if corpus.per_frame == 1:
            found.append(EmptyFeed())
    return found


def column(corpus: Corpus, directory: Path, rounds: Path, walk: Walk, times: int) -> tuple[Column, list[Line]]:
    """Measure everybody on one corpus."""
    file = directory / "frames"
    corpus.write(file)
    with Program(rounds, file) as ours:
        if walk.program is None:
            return measure([*native(corpus, ours, None, ""), *in_python(corpus)], corpus, times)
        with Program(walk.program, file) as theirs:
            return measure([*native(corpus, ours, theirs, walk.simdjson), *in_python(corpus)], corpus, times)


def run(times: int) -> Record:
    """Measure everybody on every corpus."""
    RESULTS.mkdir(exist_ok=True)
    columns: list[Column] = []
    lines: list[Line] = []
    with tempfile.TemporaryDirectory(dir=RESULTS) as place:
        directory = Path(place)
        rounds, walk = build_rounds(), build_walk(directory)
        left_out = [walk.missing] if walk.missing else []
        for corpus in corpora(directory, left_out):
            done, more = column(corpus, directory, rounds, walk, times)
            columns.append(done)
            lines += more
    compilers = {"c++": f"{walk.compiler}, simdjson {walk.simdjson}"} if walk.program else {}
    return Record(
        taken=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        commit=commit(),
        command="make bench",
        rounds=times,
        seeds={"gen_corpus.py": generated.SEED, "simulator": SEED},
        machine=machine() | compilers,
        columns=columns,
        lines=lines,
        left_out=left_out,
    )


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
