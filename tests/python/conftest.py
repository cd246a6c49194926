"""Where the papers and captures stand, beside the project; more examples for `make test-full`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"

sys.path.insert(0, str(ROOT / "tests"))

settings.register_profile("full", max_examples=5_000, deadline=None, print_blob=True)
if os.environ.get("RINGTAPE_FULL"):
    settings.load_profile("full")


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    assert SHARED.is_dir(), f"the captures are expected beside the project, in {SHARED}"
    return SHARED
