"""Shared memory between real processes: what a reader sees, and what it is told when the writer is not there."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import ringtape as rt
from ringtape import shm

FULL = bool(os.environ.get("RINGTAPE_FULL"))
START = 1_795_185_032_000_000_000
SECOND = 1_000_000_000
SMALL = {"max_symbols": 64, "max_bars": 3_200, "ring_size": 1_024, "shared": "main"}

# A writer of its own: trade n has price n and size 2n, so that a reader can tell a torn record.
WRITER = """
import sys, time
import ringtape as rt
start, frames, pause = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
engine = rt.Engine(max_symbols=64, max_bars=3_200, ring_size=1_024, shared="main", windows=["10s"])
engine.column("last")
print("ready", flush=True)
n = 0
while n < frames:
    n += 1
    at = start + n * 1_000_000
    frame = '{"e":"aggTrade","E":%d,"s":"S%dUSDT","a":%d,"p":"%d","q":"%d","f":%d,"l":%d,"T":%d,"m":false}' % (
        at // 1_000_000, n % 50, n, n, 2 * n, n, n, at // 1_000_000)
    engine.feed(frame.encode(), "binance.usdm", at + 1)
    engine.advance(at + 1)
    if pause:
        time.sleep(pause)
print("done", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RINGTAPE_SHARED_DIR", str(tmp_path / "shared"))
    return tmp_path / "shared"


@pytest.fixture
def writer() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(frames: int = 10**9, pause: float = 0.001) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", WRITER, str(START), str(frames), str(pause)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def until(condition: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def trade(n: int, symbol: str = "BTCUSDT", number: int | None = None) -> bytes:
    at, a = START // 1_000_000 + n, n if number is None else number
    return (
        f'{{"e":"aggTrade","E":{at},"s":"{symbol}","a":{a},"p":"{n}","q":"{2 * n}","f":{n},"l":{n},"T":{at},"m":false}}'
    ).encode()


def test_a_view_reads_what_the_engine_reads() -> None:
    engine = rt.Engine(windows=["10s"], **SMALL)  # type: ignore[arg-type]
    view = rt.attach("main")
    engine.column("last")
    for n in range(1, 200):
        engine.feed(trade(n * 20, f"S{n % 3}USDT", n // 3), "binance.usdm", START + n * 20_000_000)
    engine.advance(START + 4 * SECOND)
    assert view.symbols() == engine.symbols()
    assert view.symbol_name(1) == engine.symbol_name(1)
    assert view.row("S1USDT") == engine.row("S1USDT")
    assert view.get("S2USDT", "volume(10s)") == engine.get("S2USDT", "volume(10s)") == 2 * sum(range(40, 3981, 60))
    assert view.get("binance.usdm:S2USDT", "last_time") == engine.get("S2USDT", "last_time")
    fields = ["last", "vwap", "change(10s)", "last_time", "bid"]
    assert np.asarray(view.table(fields)).tobytes() == np.asarray(engine.table(fields)).tobytes()
    for interval in ("1s", "1m"):
        assert view.bars("S0USDT", interval).tobytes() == engine.bars("S0USDT", interval).tobytes()
    np.testing.assert_array_equal(view.column("last"), engine.column("last"))
    live = view.column("last", copy=False)
    engine.feed(trade(5_000, "S0USDT"), "binance.usdm", START + 5 * SECOND)
    assert live[view.symbols()[[name for _, _, name in view.symbols()].index("S0USDT")][0]] == 5_000
    batch = view.drain()
    assert len(batch.trades) == 200
    assert not batch.lost
    assert not view.drain()
    stats, own = view.stats(), engine.stats()
    assert stats["trades"] == 199, "as of the last advance"
    assert stats["venues"] == own["venues"]
    assert not view.stalled
    assert view.pid == os.getpid()


def test_a_view_reads_bars_of_every_kind() -> None:
    series = ["1s", "4h", "tick:7", "volume_run:900", "dollar_imbalance:50000", "range:4", "renko:2.5"]
    engine = rt.Engine(bars=series, **SMALL)  # type: ignore[arg-type]
    view = rt.attach("main")
    for n in range(1, 100):
        engine.feed(trade(n * 20, "S0USDT"), "binance.usdm", START + n * 20_000_000)
    assert view.series() == engine.series() == series
    for name in series:
        bars = view.bars("S0USDT", name)
        assert bars.tobytes() == engine.bars("S0USDT", name).tobytes()
        assert len(bars) or name == "4h"


def test_a_lapped_view_is_told() -> None:
    engine = rt.Engine(**SMALL)  # type: ignore[arg-type]
    view = rt.attach("main")
    for n in range(1, 3_001):
        engine.feed(trade(n), "binance.usdm", START + n * 1_000_000)
    batch = view.drain()
    assert (len(batch.trades), batch.lost) == (1_024, {"trades": 3_000 - 1_024})
    assert view.lost == {"trades": 3_000 - 1_024}
    engine.feed(trade(3_001), "binance.usdm", START + 3_001 * 1_000_000)
    assert next(view.follow()).trades["price"].tolist() == [3_001.0]


def test_only_the_writer_registers() -> None:
    engine = rt.Engine(windows=["1m"], **SMALL)  # type: ignore[arg-type]
    engine.feed(trade(1), "binance.usdm", START)
    view = rt.attach("main")
    with pytest.raises(rt.ConfigError, match=r'no window "5m".*it keeps 1m'):
        view.get("BTCUSDT", "change(5m)")
    with pytest.raises(rt.ConfigError, match=r'no column "last".*it keeps none'):
        view.column("last")
    with pytest.raises(rt.UnknownSymbol, match="BTCUSDT"):
        view.get("BTCUSD", "last")


def test_an_engine_that_ends_says_so(folder: Path) -> None:
    engine = rt.Engine(**SMALL)  # type: ignore[arg-type]
    view = rt.attach("main")
    assert names(folder) == ["main", "main.lock"]
    del engine
    with pytest.raises(rt.WriterGone, match="has ended"):
        view.symbols()
    with pytest.raises(rt.WriterGone):
        next(view.follow())
    assert names(folder) == ["main.lock"]
    with pytest.raises(rt.SharedMemoryError, match="'main': there is none"):
        rt.attach("main")


def test_another_writer_is_refused_and_a_later_one_replaces() -> None:
    first = rt.Engine(**SMALL)  # type: ignore[arg-type]
    view = rt.attach("main")
    with pytest.raises(rt.SharedMemoryError, match=f"process {os.getpid()} writes it"):
        rt.Engine(**SMALL)  # type: ignore[arg-type]
    assert view.symbols() == []
    del first
    second = rt.Engine(**SMALL)  # type: ignore[arg-type]
    with pytest.raises(rt.WriterReplaced, match="attach again"):
        view.symbols()
    later = rt.attach("main")
    assert later.generation > view.generation
    second.feed(trade(1), "binance.usdm", START)
    assert later.get("BTCUSDT", "last") == 1


@pytest.mark.parametrize("name", ["", "a/b", "..", "a.b", "x" * 65, "ü"])
def test_names_are_plain(name: str) -> None:
    with pytest.raises(rt.ConfigError, match="1 to 64 letters"):
        rt.Engine(shared=name)
    with pytest.raises(rt.ConfigError, match="1 to 64 letters"):
        rt.attach(name)


def test_a_near_name_is_named() -> None:
    engine = rt.Engine(**SMALL)  # type: ignore[arg-type]
    with pytest.raises(rt.SharedMemoryError, match="'mian': there is none; there is main"):
        rt.attach("mian")
    del engine


def test_files_are_the_users_own(folder: Path) -> None:
    engine = rt.Engine(**SMALL)  # type: ignore[arg-type]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "main").stat().st_mode) == 0o600
    blocks = (folder / "main").stat().st_blocks * 512
    assert blocks >= (folder / "main").stat().st_size, "space is reserved"
    (folder / "link").symlink_to(folder / "main")
    with pytest.raises(rt.SharedMemoryError, match="cannot be opened"):
        rt.attach("link")
    (folder / "main").chmod(0o666)
    with pytest.raises(rt.SharedMemoryError, match="nobody else may write"):
        rt.attach("main")
    (folder / "main").chmod(0o600)
    folder.chmod(0o777)
    with pytest.raises(rt.SharedMemoryError, match="nobody else may write there"):
        rt.attach("main")
    del engine


def test_a_group_may_read(folder: Path) -> None:
    import grp  # noqa: PLC0415

    group = grp.getgrgid(os.getgid()).gr_name
    engine = rt.Engine(shared_group=group, **SMALL)  # type: ignore[arg-type]
    assert stat.S_IMODE((folder / "main").stat().st_mode) == 0o640
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    assert rt.attach("main").symbols() == []
    with pytest.raises(rt.ConfigError, match="no group 'no-such-group'"):
        rt.Engine(shared="other", shared_group="no-such-group")
    del engine


def test_a_file_too_large_is_refused_before_it_hurts(folder: Path) -> None:
    with pytest.raises(rt.SharedMemoryError, match=r"needs .* MB, and .* free: lower max_bars"):
        rt.Engine(shared="main", max_bars=2_000_000_000)
    assert names(folder) == ["main.lock"]


def test_a_damaged_file_is_refused(folder: Path) -> None:
    engine = rt.Engine(**SMALL)  # type: ignore[arg-type]
    good = (folder / "main").read_bytes()
    draw = random.Random(7)
    copy = folder / "copy"

    def attach(content: bytes) -> rt.View:
        copy.write_bytes(content)
        copy.chmod(0o600)
        return rt.attach("copy")

    for content in (
        b"",
        b"RINGTAPE",
        good[:4096],
        good[:-4096],
        good + b"\0" * 8,
        b"\0" * len(good),
        os.urandom(9_000),
    ):
        with pytest.raises(rt.LayoutMismatch, match="shared memory 'copy'"):
            attach(content)
    with pytest.raises(rt.LayoutMismatch, match=r"layout 9/.*this version reads"):
        attach(good[:8] + b"\x09" + good[9:])
    refused = 0
    for _ in range(2_000 if FULL else 200):
        # Sizes and series: whatever they claim, the file is as long as it is, and a reader stays inside it.
        changed = bytearray(good[:4096])
        changed[draw.randrange(16 * 8, 28 * 8)] ^= 1 << draw.randrange(8)
        try:
            view = attach(bytes(changed) + good[4096:])
        except rt.LayoutMismatch:
            refused += 1
        else:
            with contextlib.suppress(rt.WriterGone):  # nobody holds a lock of that name
                assert view.symbols() == []
                assert view.stats()["frames"] == 0
    assert refused > 100
    del engine


def test_a_killed_writer_is_noticed(writer: Callable[..., subprocess.Popen[str]], folder: Path) -> None:
    process = writer()
    view = rt.attach("main")
    until(view.symbols)
    assert view.pid == process.pid
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed = time.monotonic()
    with pytest.raises(rt.WriterGone, match=f"died .process {process.pid}."):
        until(lambda: view.get("S1USDT", "bid"))
    assert time.monotonic() - killed < 5
    with pytest.raises(rt.WriterGone):
        rt.attach("main").symbols()
    # What it left behind is no hindrance.
    writer()
    with pytest.raises(rt.WriterReplaced):
        view.symbols()
    assert rt.attach("main").pid != process.pid
    assert names(folder) == ["main", "main.lock"]


def test_a_writer_that_stands_still_is_stalled_and_not_gone(writer: Callable[..., subprocess.Popen[str]]) -> None:
    process = writer()
    view = rt.attach("main")
    until(lambda: len(view.symbols()) == 50)
    assert not view.stalled
    process.send_signal(signal.SIGSTOP)
    until(lambda: view.stalled, 5)
    assert view.get("S1USDT", "last") is not None
    process.send_signal(signal.SIGCONT)
    until(lambda: not view.stalled, 5)


def test_a_child_that_lives_on_holds_nothing() -> None:
    code = """
import os, sys, ringtape as rt
engine = rt.Engine(max_symbols=64, max_bars=3_200, ring_size=1_024, shared="main")
child = os.fork()
if child == 0:
    os.read(0, 1)
    os._exit(0)
print(child, flush=True)
os.kill(os.getpid(), 9)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    process.wait()
    try:
        os.kill(child, 0)
        assert rt.Engine(**SMALL).symbols() == []  # type: ignore[arg-type]
    finally:
        process.stdin.close()  # type: ignore[union-attr]
        process.stdout.close()


def checked(view: rt.View) -> int:
    """Check what a view sees of a writer whose trade n has price n and size 2n; return how many trades came."""
    trades = view.drain().trades
    assert (trades["size"] == 2 * trades["price"]).all()
    assert (np.diff(trades["price"]) == 1).all()
    for _, _, name in view.symbols()[:3]:
        price, size = view.get(name, ("last", "last_size"))
        # A symbol is known before its first row is.
        assert price is None or size == 2 * price
    return len(trades)


@pytest.mark.parametrize("rounds", [100 if FULL else 10])
def test_kills_at_any_moment_tear_nothing(writer: Callable[..., subprocess.Popen[str]], rounds: int) -> None:
    """A reader of a writer that is killed sees whole records and rows up to the end, and then its name is free."""
    draw = random.Random(7)
    seen = 0
    for _ in range(rounds):
        process = writer(pause=0)
        view = rt.attach("main")
        end = time.monotonic() + draw.uniform(0.01, 0.2)
        is_killed = False
        try:
            while True:
                seen += checked(view)
                if not is_killed and time.monotonic() > end:
                    process.kill()
                    process.wait()
                    is_killed = True
        except rt.WriterGone:
            assert is_killed
        process.communicate()
    assert seen > 0


def test_folder_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RINGTAPE_SHARED_DIR")
    assert shm.folder().name == f"ringtape-{os.getuid()}"


def test_the_demo_can_be_attached_to() -> None:
    command = [sys.executable, "-m", "ringtape", "demo", "--seconds", "4", "--json", "--shared", "demo"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:

        def attached() -> rt.View | None:
            with contextlib.suppress(rt.SharedMemoryError):
                return rt.attach("demo")
            return None

        until(attached)
        view = attached()
        assert view is not None
        seen = 0
        with contextlib.suppress(rt.WriterGone):
            for batch in view.follow():
                seen += len(batch.trades)
        assert seen > 0
    finally:
        process.wait(20)
