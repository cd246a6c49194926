"""The comparison itself, small: contestants agree, a new shape changes nothing else, goals are judged as they read."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import generated
import pages
from contestants import EmptyFeed, Massive, Msgspec, MsgspecBinance, Ringtape
from corpus import Corpus, simulated
from goals import CALL, CALL_IN_RUST, ENGINE, MARKS, MIX_1, MIX_100, NUMBA, STREAMS, TRADES, judged
from measure import measure, same_for_all
from native import LEVELS, WALKS, build_walk
from record import Column, Line, Place, Record, commit, machine


def small(per_frame: int = 10) -> Corpus:
    return simulated(per_frame, warm_s=1, measured_s=1, symbols=50, rate=1_000)


@pytest.mark.parametrize("per_frame", [1, 10, 100])
def test_contestants_agree_and_take_turns(per_frame: int) -> None:
    everybody = [Ringtape(), Msgspec(), Massive(), EmptyFeed()]
    column, lines = measure(everybody, small(per_frame), rounds=3)
    assert column.events > 500
    assert column.per_frame == per_frame
    assert [len(line.ns) for line in lines] == [3] * 4
    assert all(ns > 0 for line in lines[:3] for ns in line.ns)


def test_who_saw_something_else_ends_the_run() -> None:
    class Half(Msgspec):
        name = "half"

        def events(self, decoded: list[object]) -> list[object]:
            return decoded[::2]

    with pytest.raises(SystemExit, match="did not see the same events"):
        same_for_all([Msgspec(), Half()], small())


def test_binance_frames() -> None:
    ticker = (
        b'{"stream":"x@bookTicker","data":{"e":"bookTicker","u":1,"s":"X","b":"1.5","B":"1","a":"2","A":"1",'
        b'"T":1781622376036,"E":1781622376036}}'
    )
    mark = b'{"e":"markPriceUpdate","E":1781622376036,"s":"X","p":"4","P":"4","i":"4","r":"0","T":0}'
    marks = b'{"stream":"!markPrice@arr@1s","data":[%b,%b]}' % (mark, mark.replace(b'"X"', b'"Y"'))
    frames = generated.received([ticker, marks])
    corpus = Corpus("binance", 1, [], frames, "binance.usdm")
    assert same_for_all([Ringtape(), MsgspecBinance()], corpus) == (3, 11.5)


def test_frames_of_the_generator(tmp_path: Path) -> None:
    times = (1781622376036, 1781622376030, 1781622376040)
    trades = [b'[{"ev":"T","sym":"A","i":"%d","p":1,"t":%d}]' % each for each in enumerate(times)]
    # One that has the identity of another is left out.
    written = [*trades, trades[1]]
    file = struct.pack("<II", 4, 4) + b"".join(struct.pack("<I", len(frame)) + frame for frame in written)
    (tmp_path / "some_1.bin").write_bytes(file)
    corpus = generated.corpus(tmp_path, "some_1", "some")
    assert (corpus.per_frame, [frame for frame, _ in (*corpus.warm, *corpus.measured)]) == (1, trades)
    # Two milliseconds after the newest event, and never back.
    assert [now for _, now in (*corpus.warm, *corpus.measured)] == [
        1781622376038_000_000,
        1781622376038_000_000,
        1781622376042_000_000,
    ]


@pytest.mark.parametrize("shape", generated.SHAPES)
def test_shapes_have_the_same_events(shape: str) -> None:
    known = simulated(10, warm_s=20, measured_s=1, symbols=50, rate=1_000)
    changed = generated.reshaped(known, shape)
    assert Msgspec().see(changed) == Msgspec().see(known)
    assert [now for _, now in changed.measured] == [now for _, now in known.measured]
    events = [event for frame, _ in changed.warm for event in json.loads(frame)]
    new = [event for event in events if list(event) not in [list(it) for it in json.loads(known.warm[0][0])]]
    assert len(new) >= generated.TO_LEARN


def record_of(ns: dict[tuple[str, Place], float]) -> Record:
    places = dict.fromkeys(place for _, place in ns)
    columns = [
        Column(corpus=corpus, per_frame=per, venue="", frames=1, events=1, prices=1.0, bytes_an_event=1.0)
        for corpus, per in places
    ]
    lines = [
        Line(contestant=name, version="1", does="", corpus=place[0], per_frame=place[1], ns=[taken] * 5)
        for (name, place), taken in ns.items()
    ]
    return Record(
        taken="2026-11-20T00:00:00+00:00",
        commit=commit(),
        command="make bench",
        rounds=5,
        seeds={"simulator": 7},
        machine=machine(),
        columns=columns,
        lines=lines,
    )


OURS, WALK = LEVELS["avx512"], WALKS["by-key"]
REACHED: dict[tuple[str, Place], float] = {
    (OURS, MIX_100): 24.0,
    ("msgspec", MIX_100): 431.0,
    (WALK, MIX_100): 104.0,
    ("massive client", MIX_100): 2_967.0,
    ("memcpy", MIX_100): 4.5,
    (OURS, MIX_1): 34.0,
    ("msgspec", MIX_1): 453.0,
    (WALK, MIX_1): 119.0,
    **{(OURS, place): 36.0 for place in (STREAMS, MARKS)},
    **{("msgspec", place): 377.0 for place in (STREAMS, MARKS)},
    **{(WALK, place): 126.0 for place in (STREAMS, MARKS)},
    **{(OURS, (shape, 100)): 29.0 for shape in generated.SHAPES},
    **{(WALK, (shape, 100)): 109.0 for shape in generated.SHAPES},
    (ENGINE, MIX_100): 44.0,
    (ENGINE, MIX_1): 84.0,
    (ENGINE, TRADES): 44.0,
    (NUMBA, TRADES): 467.0,
    (CALL, MIX_1): 70.0,
    (CALL_IN_RUST, MIX_1): 50.0,
}


def test_goals_that_are_reached() -> None:
    rows = [goal.row() for goal in judged(record_of(REACHED))]
    assert [row[0] for row in rows] == ["G1", "G2", "G3", "G3", "G4", "G5", "call"]
    assert all(row[4] in {"yes", "-"} and row[6] == "yes" for row in rows)
    assert rows[0][2] == "18.0x msgspec, 4.3x simdjson, 124x client, 5.3x memcpy"


@pytest.mark.parametrize(
    ("slower", "goal", "floor"),
    [
        ((OURS, MIX_100), "G1", "no"),
        (("memcpy", MIX_100), "G1", "yes"),
        ((OURS, MIX_1), "G2", "no"),
        ((OURS, MARKS), "G3", "no"),
        ((OURS, ("added keys", 100)), "G4", "-"),
        ((ENGINE, MIX_100), "G5", "no"),
        ((ENGINE, MIX_1), "G5", "yes"),
        ((ENGINE, TRADES), "G5", "yes"),
        ((CALL, MIX_1), "call", "-"),
    ],
)
def test_a_goal_that_is_missed(slower: tuple[str, Place], goal: str, floor: str) -> None:
    worse = REACHED[slower] * (0.5 if slower[0] == "memcpy" else 2.5)
    rows = [it.row() for it in judged(record_of(REACHED | {slower: worse}))]
    missed = [row for row in rows if row[0] == goal and row[6] == "no"]
    assert [row[4] for row in missed] == [floor]


def test_what_was_not_measured_is_not_reached() -> None:
    without = {key: ns for key, ns in REACHED.items() if key[0] != WALK}
    rows = {goal.name: goal.row() for goal in judged(record_of(without))}
    assert "simdjson: not measured" in rows["G1"][2]
    assert rows["G1"][4:7:2] == ["yes", "no"]
    assert judged(record_of({("msgspec", ("simulator", 1)): 400.0})) == []


def test_pages(capsys: pytest.CaptureFixture[str]) -> None:
    record = record_of(REACHED)
    record.left_out.append(generated.MISSING)
    page, summary = pages.page(record), pages.summary(record, "stem")
    for text in ("18.0x (24)", "124x client", "family" if "family" in record.machine["cpu"] else "cpu"):
        assert text in page
    assert generated.MISSING in page
    assert "(benches/record/stem.md)" in summary
    pages.show(record)
    assert "Goals" in capsys.readouterr().out


def test_simdjson_is_left_out_with_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PKG_CONFIG_LIBDIR", str(tmp_path))
    monkeypatch.setenv("PKG_CONFIG_PATH", "")
    walk = build_walk(tmp_path)
    assert walk.program is None
    assert walk.missing.startswith("simdjson is left out because")
