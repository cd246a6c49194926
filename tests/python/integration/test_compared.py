"""What docs/compared.md says of both clients, in short: each of the five faults, ours beside the official client."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from ringtape.sim import faults

SCRIPT = Path(__file__).parents[3] / "python" / "docs" / "compare.py"


@pytest.fixture(scope="module")
def compare() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compare", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def case(compare: ModuleType, place: int, **changes: Any) -> Any:
    return msgspec.structs.replace(compare.CASES[place], **changes)


async def test_each_of_the_five_faults(compare: ModuleType) -> None:
    hole = (faults.BlackHole(after_s=1, peer=1),)
    cases = [
        case(compare, 0, orders=(faults.Close(code=1000, after_s=1, peer=1),), seconds=3),
        case(compare, 1, seconds=3),
        case(
            compare, 2, orders=(faults.SlowConsumer(after_s=1, growth=0.9, limit_s=1, warn_s=0.5, peer=1),), seconds=4
        ),
        case(
            compare,
            3,
            orders=(faults.Reset(after_frames=40, peer=1), faults.Replay(count=100, on="subscribe", peer=2)),
            seconds=4,
        ),
        # Before either has given up: what a black hole costs at least.
        case(compare, 4, orders=hole, seconds=3),
    ]
    results = await asyncio.gather(*(compare.compare(each) for each in cases))
    (clean, clean_), (between, between_), (slow, slow_), (doubled, doubled_), (dark, dark_) = results
    # The official client returns on a clean close, and forgets its subscriptions between login and subscription.
    assert clean_.end == "returned without an error"
    assert clean.lost < clean_.lost
    assert between_.lost == between_.made > between.lost
    # What the venue threw away is lost to both.
    assert 0 < slow.lost < slow.made
    assert 0 < slow_.lost < slow_.made
    # The official client hands over again what it had handed over before.
    assert doubled_.doubled > 0 == doubled.doubled
    assert doubled.lost < doubled.made
    assert 0 < dark.lost < dark.made
    assert 0 < dark_.lost < dark_.made
    assert clean.end == between.end == doubled.end == "live, 1 loss told"


def test_the_page_says_what_was_measured(compare: ModuleType) -> None:
    outcome = compare.Outcome(made=1234, lost=5, doubled=0, end="live, 1 loss told")
    page = compare.page([(compare.CASES[0], outcome, outcome)])
    assert f"| {compare.CASES[0].name} | 12 s | 5 of 1,234 | 0 | live, 1 loss told |" in page
    kept = compare.PAGE.read_text(encoding="utf-8")
    assert all(f"| {each.name} |" in kept for each in compare.CASES)
    assert kept.splitlines()[-4:] == page.splitlines()[-4:]
