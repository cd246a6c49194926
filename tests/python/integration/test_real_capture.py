"""Five minutes of BTCUSDT as recorded, against a brute-force recompute: everything equal, bit for bit."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ringtape as rt
from oracle import aggregate
from ringtape.journal.replay import frames, replay

NAME = "usdm_btcusdt_20240808.gz"
INTERVALS = {"1m": 60_000_000_000, "1s": 1_000_000_000}


@pytest.fixture(scope="module")
def capture(shared: Path) -> Path:
    return shared / "data" / "binance_raw" / NAME


@pytest.fixture(scope="module")
def replayed(capture: Path) -> tuple[rt.Engine, list[np.ndarray[Any, Any]]]:
    engine = rt.Engine()
    bars: list[np.ndarray[Any, Any]] = []
    replay(capture, engine, "binance.usdm", on_batch=lambda batch: bars.append(batch.bars.copy()))
    return engine, bars


def lines(capture: Path) -> Iterator[bytes]:
    with gzip.open(capture) as file:
        yield from file


def levels(capture: Path) -> int:
    """Return how many price levels the updates of the book list; each stands for one record."""
    payloads = (json.loads(line.split(b" ", 1)[1]).get("data", {}) for line in lines(capture) if b"depthUpdate" in line)
    return sum(max(1, len(update["b"]) + len(update["a"])) for update in payloads)


@pytest.mark.parametrize("interval", ["1m", "1s"])
def test_every_bar_equals_the_recompute(
    replayed: tuple[rt.Engine, list[np.ndarray[Any, Any]]], capture: Path, interval: str
) -> None:
    engine, sent = replayed
    length = INTERVALS[interval]
    market = aggregate.recompute(lines(capture), length)
    every = np.concatenate(sent)
    last_form = {int(bar["ts_event"]): bar for bar in every if int(bar["interval_ms"]) * 1_000_000 == length}
    # The capture ends just after a minute, so every bar has ended.
    assert sorted(last_form) == sorted(market.bars)
    for start, bar in market.bars.items():
        for column, value in bar.row().items():
            assert last_form[start][column] == value, (start, column)
    # What is kept is the newest part of what was sent.
    kept = engine.bars("BTCUSDT", interval)
    newest = sorted(last_form)[-len(kept) :]
    assert list(kept["ts_event"]) == newest
    for bar in kept:
        for column, value in market.bars[int(bar["ts_event"])].row().items():
            assert bar[column] == value


MIDNIGHT_NS = 1_723_161_600_000_000_000
"""The capture runs 40 ms into 2024-08-09: its last five frames start a new trading date."""


def test_the_day_equals_the_recompute_and_ends_at_midnight(capture: Path) -> None:
    engine = rt.Engine()
    market = aggregate.recompute(lines(capture), aggregate.MINUTE_NS)
    late = []
    for frame in frames(capture):
        sent = json.loads(frame.payload).get("data", {}).get("E", 0) * 1_000_000
        if sent >= MIDNIGHT_NS:
            late.append(frame)
        else:
            engine.feed(frame.payload, "binance.usdm", frame.recv_ns)
    assert engine.get("BTCUSDT", "last") == float(market.last)
    assert engine.get("BTCUSDT", "volume") == market.volume / 10**8
    assert engine.get("BTCUSDT", "dollar_volume") == market.notional / 10**16
    assert engine.get("BTCUSDT", "vwap") == market.notional / (market.volume * 10**8)
    assert engine.get("BTCUSDT", "trade_count") == market.trades
    assert len(late) == 5
    for frame in late:
        engine.feed(frame.payload, "binance.usdm", frame.recv_ns)
    # The price stays and is stale; sums of the old date are gone and the change has nothing to be measured from.
    assert engine.get("BTCUSDT", "last") == float(market.last)
    assert engine.get("BTCUSDT", "volume") == 0
    assert engine.get("BTCUSDT", "change") is None
    assert engine.get("BTCUSDT", "bid") == float(market.bid)
    assert engine.get("BTCUSDT", "ask") == float(market.ask)
    stats = engine.stats()
    assert (stats["trades"], stats["quotes"]) == (market.trades, market.quotes)
    assert stats["levels"] == levels(capture)
    # The snapshot of the first line names no symbol.
    assert stats["skipped"] == {"missing_key": 1}
    assert stats["gaps"] == stats["duplicates"] == stats["quarantined"] == stats["previous_date"] == 0


def test_two_replays_give_the_same_bytes(capture: Path) -> None:
    def run() -> list[bytes]:
        out: list[bytes] = []
        engine = rt.Engine(windows=["1m"])
        replay(capture, engine, "binance.usdm", on_batch=lambda b: out.append(b.trades.tobytes() + b.bars.tobytes()))
        out.append(np.asarray(engine.table(["last", "change(1m)", "volume(1m)"])).tobytes())
        return out

    assert run() == run()


def test_the_command_ends_with_one_json_object(capture: Path) -> None:
    command = [sys.executable, "-m", "ringtape", "replay", str(capture), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.count("\n") == 1
    summary = json.loads(done.stdout)
    assert set(summary) == {"frames", "events", "skipped", "symbols", "bars", "alerts", "seconds", "events_per_s"}
    assert (summary["frames"], summary["events"], summary["symbols"]) == (93_954, 87_402 + levels(capture), 1)


def test_a_damaged_capture_names_the_line(tmp_path: Path, capture: Path) -> None:
    whole = capture.read_bytes()
    cut = tmp_path / "cut.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(rt.ConfigError, match=r"cut\.gz:\d+: the gzip data is damaged"):
        replay(cut, rt.Engine(), "binance.usdm")
    plain = tmp_path / "plain.txt"
    plain.write_text("1723161256322000000 {}\nhello\n")
    with pytest.raises(rt.ConfigError, match=r"plain\.txt:2: not a capture"):
        replay(plain, rt.Engine(), "binance.usdm")
