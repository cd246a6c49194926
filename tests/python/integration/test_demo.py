"""The demo and the scanner as processes: what they print, how they end, what they leave behind."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

RINGTAPE = [sys.executable, "-m", "ringtape"]
KEYS = {"frames", "events", "skipped", "symbols", "bars", "alerts", "seconds", "events_per_s"}
SMALL = ["--symbols", "60", "--rate", "5000", "--seed", "11"]


def simulators() -> set[str]:
    """Return the process ids of running simulators."""
    found = subprocess.run(["pgrep", "-f", "ringtape sim --port=0"], check=False, capture_output=True, text=True)  # noqa: S607
    return set(found.stdout.split())


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    before = simulators()
    yield
    assert simulators() <= before


def test_the_demo_ends_with_one_json_object() -> None:
    done = subprocess.run(
        [*RINGTAPE, "demo", *SMALL, "--seconds", "3", "--json"], check=False, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    figures = json.loads(done.stdout)
    assert set(figures) == KEYS
    assert figures["symbols"] == 60
    assert figures["skipped"] == 0
    assert 8_000 < figures["events"] < 20_000
    assert figures["bars"] > 60
    assert 3 <= figures["seconds"] < 4


def test_ctrl_c_ends_the_demo_within_two_seconds() -> None:
    with subprocess.Popen([*RINGTAPE, "demo", *SMALL, "--json"], stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 20
        while not simulators() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        asked = time.monotonic()
        out, _ = process.communicate(timeout=10)
        assert time.monotonic() - asked < 2
    assert process.returncode == 0
    assert set(json.loads(out)) == KEYS


def test_the_screen_is_drawn_and_taken_away_again() -> None:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 120, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(
        [*RINGTAPE, "demo", *SMALL, "--seconds", "4"], stdin=slave, stdout=slave, stderr=slave, env=environment
    ) as process:
        os.close(slave)
        shown = read_all(master, until=time.monotonic() + 30)
    os.close(master)
    assert process.returncode == 0
    assert shown.count("\x1b[?1049h") == shown.count("\x1b[?1049l") == 1
    screen, _, after = shown.partition("\x1b[?1049l")
    for text in ("massive.stocks", "feed live", "60 sym 10 rules", "CHG%", "SPY", "ALERTS"):
        assert text in screen
    assert "events of 60 symbols" in after


def read_all(terminal: int, until: float) -> str:
    """Return what a process writes to its terminal before it ends."""
    parts = []
    while time.monotonic() < until:
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            part = os.read(terminal, 65_536)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode()


def test_a_simulator_that_does_not_start_is_said_in_one_sentence() -> None:
    done = subprocess.run(
        [*RINGTAPE, "demo", "--symbols", "1000000", "--seconds", "1"],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "symbols must be 1 to 20000" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--venue", "massive.stoks"], "unknown venue 'massive.stoks'; did you mean 'massive.stocks'?"),
        (["--venue", "nasdaq"], "unknown venue 'nasdaq'"),
        (["--venue", "binance.usdm"], "name the streams: --subscribe btcusdt@aggTrade"),
        (["--url", "ws://192.0.2.1/"], "ws:// is allowed to this machine only"),
        (["--rules", "nowhere.toml"], "cannot read nowhere.toml"),
        ([], "massive.stocks: no key; set the environment variable MASSIVE_API_KEY"),
    ],
)
def test_what_a_scan_cannot_do_is_said_in_one_sentence(options: list[str], message: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    done = subprocess.run(
        [*RINGTAPE, "scan", *options], check=False, capture_output=True, text=True, timeout=30, env=environment
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_scan_with_a_bad_rule_shows_the_caret(tmp_path: Path) -> None:
    rules = tmp_path / "mine.toml"
    rules.write_text('[[rule]]\nid = "r"\nwhen = "change(5m) > 3"\n')
    done = subprocess.run(
        [*RINGTAPE, "scan", "--rules", str(rules), "--url", "ws://127.0.0.1:9"],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 2
    assert done.stderr.endswith(
        f"{rules}:3: r.when:1:14: unit mismatch: change(5m) is a ratio, 3 is a plain number\n"
        "  change(5m) > 3\n"
        "               ^ write 3% (ratio(3) would be 300 %)\n"
    )
