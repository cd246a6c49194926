"""The examples run as a user would run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "python" / "examples"
LINES_MAX = 66
EXPECTED: dict[str, tuple[list[str], list[str]]] = {
    "01_first_minute.py": (["--seconds", "4"], ["SPY", "NVDA", "events"]),
    "02_strategy.py": (["--seconds", "4"], ["binance.usdm/market#1: live", "BTCUSDT", "bar"]),
    "03_notebook_reads.py": ([], ["Trade(symbol='AAPL'", "last 191.19", "240 trades"]),
}


def test_every_example_is_tested() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_examples_run_and_fit_a_screen(name: str) -> None:
    arguments, words = EXPECTED[name]
    # Examples need no key; a key that happens to be set must not be read either.
    environ = {**os.environ, "MASSIVE_API_KEY": "CANARY-0aa1", "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environ,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert not [word for word in words if word not in done.stdout], done.stdout
    assert "CANARY" not in done.stdout
    assert len((EXAMPLES / name).read_text().splitlines()) <= LINES_MAX
