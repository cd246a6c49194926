"""Single calls: frames in, drains out, reads of one value and of the whole market, and hooks.

As tests every bench runs once. The market is small (200 symbols) but as busy as the table's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import ringtape as rt
from ringtape.strategy.dispatch import Dispatcher

sys.path.insert(0, str(Path(__file__).parent))
from corpus import VENUE, Corpus, Frame, simulated

ROUNDS = 20


@pytest.fixture(scope="module")
def make() -> Callable[[int], Corpus]:
    made: dict[int, Corpus] = {}

    def get(per_frame: int) -> Corpus:
        if per_frame not in made:
            made[per_frame] = simulated(per_frame, warm_s=2, measured_s=1, symbols=200)
        return made[per_frame]

    return get


def fed(frames: list[Frame]) -> rt.Engine:
    engine = rt.Engine(windows=("5m",))
    for frame, now in frames:
        engine.feed(frame, VENUE, now)
    return engine


@pytest.fixture(scope="module")
def engine(make: Callable[[int], Corpus]) -> rt.Engine:
    made = make(100)
    return fed([*made.warm, *made.measured])


@pytest.mark.parametrize("per_frame", [1, 10, 100])
def bench_feed_of_one_second(benchmark: BenchmarkFixture, make: Callable[[int], Corpus], per_frame: int) -> None:
    frames = make(per_frame)

    def setup() -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (fed(frames.warm),), {}

    def feed(engine: rt.Engine) -> int:
        return sum(engine.feed(frame, VENUE, now) for frame, now in frames.measured)

    assert benchmark.pedantic(feed, setup=setup, rounds=ROUNDS) > 0


def bench_drain_of_one_frame(benchmark: BenchmarkFixture, make: Callable[[int], Corpus]) -> None:
    """A frame of 100 events, drained to arrays of all kinds."""
    frames = make(100)
    engine = fed(frames.warm)
    engine.drain()
    rest = iter(frames.measured)

    def setup() -> tuple[tuple[Any, ...], dict[str, Any]]:
        frame, now = next(rest)
        engine.feed(frame, VENUE, now)
        return (), {}

    def drain() -> int:
        batch = engine.drain()
        arrays = (batch.trades, batch.quotes, batch.bars, batch.venue_bars, batch.marks, batch.signals)
        return sum(map(len, arrays))

    assert benchmark.pedantic(drain, setup=setup, rounds=len(frames.measured)) > 0


def bench_drain_of_nothing(benchmark: BenchmarkFixture, engine: rt.Engine) -> None:
    engine.drain()
    assert not benchmark(engine.drain)


def bench_advance(benchmark: BenchmarkFixture, make: Callable[[int], Corpus]) -> None:
    frames = make(100)
    engine = fed(frames.warm)
    now = frames.warm[-1][1]

    def setup() -> tuple[tuple[Any, ...], dict[str, Any]]:
        nonlocal now
        now += 250_000_000
        return (now,), {}

    benchmark.pedantic(engine.advance, setup=setup, rounds=ROUNDS)


@pytest.mark.parametrize("field", ["last", "volume(5m)", "vwap"])
def bench_get(benchmark: BenchmarkFixture, engine: rt.Engine, field: str) -> None:
    assert benchmark(engine.get, "SPY", field) is not None


FOUR = ("last", "bid", "ask", "volume")


def bench_get_of_four_fields(benchmark: BenchmarkFixture, engine: rt.Engine) -> None:
    """One row as a tuple, in process."""
    assert len(benchmark(engine.get, "SPY", FOUR)) == len(FOUR)


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> rt.Engine:
    monkeypatch.setenv("RINGTAPE_SHARED_DIR", str(tmp_path / "shared"))
    engine = rt.Engine(max_symbols=20_000, max_bars=100_000, ring_size=1_024, shared="bench")
    names = [f"S{number}" for number in range(10_000)]
    for first in range(0, len(names), 100):
        events = (
            f'{{"ev":"T","sym":"{name}","x":4,"i":"{name}","p":10.5,"s":100,"t":1795185000000,"q":1}}'
            for name in names[first : first + 100]
        )
        engine.feed(f"[{','.join(events)}]".encode(), VENUE, 1_795_185_000_000_000_000)
    engine.column("last")
    engine.advance(1_795_185_000_000_000_000)
    return engine


def bench_view_get_of_four_fields(benchmark: BenchmarkFixture, shared: rt.Engine) -> None:
    """One row as a tuple, out of shared memory."""
    view = rt.attach("bench")
    assert len(benchmark(view.get, shared.symbols()[0][2], FOUR)) == len(FOUR)


def bench_column_copy_of_10000(benchmark: BenchmarkFixture, shared: rt.Engine) -> None:
    assert len(benchmark(shared.column, "last")) == len(shared.symbols())


def bench_column_view_of_10000(benchmark: BenchmarkFixture, shared: rt.Engine) -> None:
    view = benchmark(shared.column, "last", copy=False)
    assert len(view) == len(shared.symbols())


def bench_row(benchmark: BenchmarkFixture, engine: rt.Engine) -> None:
    assert benchmark(engine.row, "SPY")["last"] > 0


def bench_table_of_five_fields(benchmark: BenchmarkFixture, engine: rt.Engine) -> None:
    fields = ["last", "bid", "ask", "volume", "change(5m)"]
    assert len(benchmark(engine.table, fields)) == 200


def bench_table_to_array(benchmark: BenchmarkFixture, engine: rt.Engine) -> None:
    table = engine.table(["last", "bid", "ask", "volume"])
    assert len(benchmark(np.asarray, table)) == 200


def bench_column_copy(benchmark: BenchmarkFixture, engine: rt.Engine) -> None:
    assert len(benchmark(engine.column, "last")) == 200


def bench_column_view(benchmark: BenchmarkFixture, engine: rt.Engine) -> None:
    assert len(benchmark(engine.column, "last", copy=False)) == 200


def bench_bars(benchmark: BenchmarkFixture, engine: rt.Engine) -> None:
    assert len(benchmark(engine.bars, "SPY", "1s", n=2)) == 2


class AllBatches(rt.Strategy):
    seen = 0

    def on_trades(self, ctx: Any, trades: Any) -> None:
        self.seen += len(trades)

    def on_quotes(self, ctx: Any, quotes: Any) -> None:
        self.seen += len(quotes)


class TwoSymbols(AllBatches):
    name = "two symbols"
    wants = (rt.Want("trades", symbols=["SPY", "AAPL"]), rt.Want("quotes", symbols=["SPY", "AAPL"]))


class EachTrade(rt.Strategy):
    seen = 0

    def on_trade(self, ctx: Any, trade: Any) -> None:
        self.seen += 1


@pytest.mark.parametrize("strategy", [AllBatches, TwoSymbols, EachTrade])
def bench_dispatch_of_a_batch(
    benchmark: BenchmarkFixture, make: Callable[[int], Corpus], strategy: type[AllBatches | EachTrade]
) -> None:
    """Ten frames of 100 events in one batch, as after a large read of a socket."""
    frames = make(100)
    engine = fed(frames.warm)
    engine.drain()
    for frame, now in frames.measured[:10]:
        engine.feed(frame, VENUE, now)
    batch = engine.drain()
    hooks = strategy()
    dispatcher = Dispatcher(engine, [hooks])
    benchmark(dispatcher.dispatch, batch, frames.measured[9][1])
    assert hooks.seen > 0
