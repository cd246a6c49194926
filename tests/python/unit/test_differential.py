"""The decoder against the strict oracle: samples, the hostile set, findings, damaged frames by the hundred thousand.

``RINGTAPE_FRAMES`` is how many damaged frames are tried (500,000; with ``make test-full`` 5,000,000),
``RINGTAPE_SEED`` the seed; both are printed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import ringtape as rt
from oracle.compare import difference
from oracle.differential import run, samples
from oracle.hostile import Case, cases

FRAMES = int(float(os.environ.get("RINGTAPE_FRAMES", "5e6" if os.environ.get("RINGTAPE_FULL") else "5e5")))
SEED = int(os.environ.get("RINGTAPE_SEED", "7"))
VENUES = rt._native.venues()
CUT_MAX = 600


@pytest.fixture(scope="session")
def hostile(root: Path) -> list[Case]:
    found = cases(root / "tests" / "fixtures" / "hostile.txt")
    assert len(found) >= 200
    return found


def test_every_sample_at_every_venue(shared: Path) -> None:
    for frame, _ in samples(shared):
        for venue in VENUES:
            assert difference(frame, venue) is None, (venue, frame)


def test_every_hostile_frame(hostile: list[Case]) -> None:
    for case in hostile:
        for venue in case.venues:
            assert difference(case.frame, venue) is None, case.label


def test_every_hostile_frame_cut_at_every_byte(hostile: list[Case]) -> None:
    for case in hostile:
        if len(case.frame) <= CUT_MAX:
            for venue in case.venues:
                for cut in range(len(case.frame)):
                    assert difference(case.frame[:cut], venue) is None, (case.label, cut)


def test_every_sample_cut_at_every_byte(shared: Path) -> None:
    for frame, venue in samples(shared):
        for cut in range(min(len(frame), CUT_MAX)):
            with pytest.raises(rt.DecodeError) as raised:
                rt.decode(frame[:cut], venue)
            # A character cut in two is not UTF-8; any other cut ends the frame inside a value.
            assert raised.value.kind == "unexpected_end" or not is_utf8(frame[:cut])
            assert difference(frame[:cut], venue) is None, (venue, frame[:cut])


def is_utf8(frame: bytes) -> bool:
    try:
        frame.decode()
    except UnicodeDecodeError:
        return False
    return True


def findings(root: Path) -> Iterator[tuple[str, bytes]]:
    folder = root / "tests" / "fixtures" / "regressions"
    for path in sorted(folder.glob("*/*")):
        yield path.parent.name, path.read_bytes()


def test_every_finding_stays_settled(root: Path) -> None:
    found = list(findings(root))
    assert found
    for venue, frame in found:
        assert difference(frame, venue) is None, (venue, frame)


def test_json_test_suite(shared: Path) -> None:
    folder = shared / "data" / "jsontestsuite" / "test_parsing"
    files = sorted(folder.iterdir())
    assert len(files) == 318
    for path in files:
        frame = path.read_bytes()
        for venue in ("massive.stocks", "binance.usdm"):
            assert difference(frame, venue) is None, path.name
            embedded = b'[{"ev":"T","sym":"AAPL","p":1.5,"s":1,"t":1781622376036,"e":"x","zz":' + frame + b"}]"
            assert difference(embedded, venue) is None, path.name


def test_damaged_frames(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = run(samples(shared), seed=SEED, count=FRAMES, processes=os.cpu_count() or 1)
    with capsys.disabled():
        told = f"\n{report.frames:,} damaged frames, {report.sound:,} sound, seed {SEED}: {report.disagreements} differ"
        print(told)  # noqa: T201 (figures belong in the record of the run)
    assert report.frames == FRAMES
    # Damage that leaves nothing sound would prove only half of it.
    assert FRAMES / 4 < report.sound < FRAMES * 3 / 4
    assert report.disagreements == 0, "\n".join(report.examples)
