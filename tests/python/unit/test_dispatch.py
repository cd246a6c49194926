from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from ringtape.errors import ConfigError
from ringtape.strategy import Context, Strategy, Want
from ringtape.strategy.base import KINDS, Records, interval_ms
from ringtape.strategy.dispatch import Dispatcher

DTYPE = np.dtype([("symbol", "<u4"), ("venue", "u1"), ("series", "<u2"), ("price", "<f8")])
NAMES = ["AAPL", "MSFT", "BTCUSDT", "BTCUSDT", "TSLA"]
VENUE_CODES = [0, 0, 6, 7, 0]
SERIES = ["1s", "1m", "5m", "tick:1000", "renko:0.5"]


class State:
    """The reads of an engine, recorded."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def symbol_name(self, id: int, /) -> str:  # noqa: A002
        self.asked.append(id)
        return NAMES[id]

    def series(self) -> list[str]:
        return SERIES

    def get(self, symbol: str, field: str) -> Any:
        return f"{symbol}.{field}"

    def row(self, symbol: str) -> Any:
        return {"symbol": symbol}

    def table(self, fields: Any) -> Any:
        return list(fields)

    def bars(self, symbol: str, interval: str, n: int | None = None) -> Any:
        return (symbol, interval, n)


def records(*ids: int, series: str = "1s") -> Records:
    place = SERIES.index(series)
    return np.array([(id_, VENUE_CODES[id_], place, float(n)) for n, id_ in enumerate(ids)], dtype=DTYPE)


@dataclass
class Batch:
    trades: Records = field(default_factory=records)
    quotes: Records = field(default_factory=records)
    bars: Records = field(default_factory=records)
    venue_bars: Records = field(default_factory=records)
    marks: Records = field(default_factory=records)
    signals: Records = field(default_factory=records)
    control: tuple[()] = ()

    def __len__(self) -> int:
        return sum(len(getattr(self, kind, ())) for kind in KINDS)


class Log(Strategy):
    """Notes the ids it was called with."""

    def __init__(self, *wants: Want, name: str = "") -> None:
        self.wants = wants
        self.name = name
        self.calls: list[tuple[str, list[int]]] = []
        self.errors: list[str] = []

    def on_trades(self, ctx: Context, trades: Records) -> None:
        self.calls.append(("trades", trades["symbol"].tolist()))

    def on_bars(self, ctx: Context, bars: Records) -> None:
        self.calls.append(("bars", bars["symbol"].tolist()))

    def on_error(self, ctx: Context, hook: str, error: Exception) -> None:
        self.errors.append(hook)


def dispatched(strategy: Strategy, *batches: Batch) -> Dispatcher:
    dispatcher = Dispatcher(State(), [strategy])
    for batch in batches:
        dispatcher.dispatch(batch, 7)
    return dispatcher


def test_without_wants_every_hook_gets_everything_of_its_kind() -> None:
    log = Log()
    dispatched(log, Batch(trades=records(0, 1), quotes=records(0), bars=records(1)))
    assert log.calls == [("trades", [0, 1]), ("bars", [1])]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_hook(kind: str) -> None:
    seen: list[Records] = []
    hook = {f"on_{kind}": lambda _, ctx, records: seen.append(records)}
    batch = Batch()
    setattr(batch, kind, records(1, 0))
    dispatched(type("One", (Strategy,), hook)(), batch)
    assert [taken["symbol"].tolist() for taken in seen] == [[1, 0]]


def test_wants_choose_kinds() -> None:
    log = Log(Want("bars"))
    dispatched(log, Batch(trades=records(0), bars=records(1)))
    assert log.calls == [("bars", [1])]


def test_symbols_are_filtered_in_order() -> None:
    log = Log(Want("trades", symbols=["AAPL", "TSLA"]))
    dispatched(log, Batch(trades=records(1, 4, 0, 1, 4)), Batch(trades=records(1)))
    assert log.calls == [("trades", [4, 0, 4])]


def test_a_batch_that_passes_whole_is_not_copied() -> None:
    seen: list[Records] = []

    class Keep(Strategy):
        wants = (Want("trades", symbols=["AAPL"]),)

        def on_trades(self, ctx: Context, trades: Records) -> None:
            seen.append(trades)

    batch = Batch(trades=records(0, 0))
    dispatched(Keep(), batch)
    assert seen[0] is batch.trades


def test_a_name_with_its_venue_is_that_venues_symbol() -> None:
    log = Log(Want("trades", symbols=["binance.usdm:BTCUSDT"]))
    dispatched(log, Batch(trades=records(2, 3)))
    assert log.calls == [("trades", [2])]
    bare = Log(Want("trades", symbols=["BTCUSDT"]))
    dispatched(bare, Batch(trades=records(2, 3)))
    assert bare.calls == [("trades", [2, 3])]


def test_names_are_asked_for_once() -> None:
    state = State()
    dispatcher = Dispatcher(state, [Log(Want("trades", symbols=["AAPL"]))])
    for _ in range(3):
        dispatcher.dispatch(Batch(trades=records(0, 1, 4)), 0)
    assert sorted(state.asked) == [0, 1, 4]


def test_intervals_are_filtered_and_wants_add_up() -> None:
    log = Log(Want("bars", interval="1m"), Want("bars", symbols=["AAPL"], interval="1s"))
    dispatched(
        log,
        Batch(bars=records(0, 1, series="1m")),
        Batch(bars=records(0, 1, series="1s")),
        Batch(bars=records(0, 1, series="5m")),
    )
    assert log.calls == [("bars", [0, 1]), ("bars", [0])]


def test_bars_of_every_kind_are_wanted_however_they_are_written() -> None:
    log = Log(Want("bars", interval="renko:0.50"), Want("bars", interval="60s"), Want("bars", interval="tick:1000"))
    dispatched(log, *(Batch(bars=records(at, series=name)) for at, name in enumerate(SERIES)))
    assert log.calls == [("bars", [1]), ("bars", [3]), ("bars", [4])]


def test_an_open_want_beats_a_narrow_one() -> None:
    log = Log(Want("trades", symbols=["AAPL"]), Want("trades"))
    dispatched(log, Batch(trades=records(1)))
    assert log.calls == [("trades", [1])]


def test_items_come_one_by_one_where_only_that_hook_is_there() -> None:
    prices: list[float] = []

    class Each(Strategy):
        def on_trade(self, ctx: Context, trade: np.void) -> None:
            prices.append(float(trade["price"]))

    dispatched(Each(), Batch(trades=records(0, 1, 2)))
    assert prices == [0.0, 1.0, 2.0]


def test_nobody_wants_it_nobody_looks() -> None:
    class Nothing:
        def __len__(self) -> int:
            return 1

        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    dispatched(Strategy(), Nothing())  # type: ignore[arg-type]


def test_a_raising_hook_is_isolated_and_disabled_after_ten(caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(Log):
        def on_trades(self, ctx: Context, trades: Records) -> None:
            super().on_trades(ctx, trades)
            raise ValueError("no luck")

    faulty, healthy = Faulty(name="faulty"), Log(name="healthy")
    dispatcher = Dispatcher(State(), [faulty, healthy])
    with caplog.at_level(logging.ERROR):
        for _ in range(12):
            dispatcher.dispatch(Batch(trades=records(0)), 0)
    assert len(faulty.calls) == 10
    assert faulty.errors == ["on_trades"] * 10
    assert len(healthy.calls) == 12
    first, second = dispatcher.health()
    assert (first.failures, first.disabled, first.last_error) == (10, True, "on_trades: ValueError: no luck")
    assert (second.failures, second.disabled) == (0, False)
    assert len(caplog.records) == 2  # the first failure in full, and the end


def test_a_success_between_failures_counts_from_the_start() -> None:
    class Moody(Log):
        def on_trades(self, ctx: Context, trades: Records) -> None:
            super().on_trades(ctx, trades)
            if len(self.calls) % 10:
                raise ValueError

    moody = Moody()
    (health,) = dispatched(moody, *[Batch(trades=records(0)) for _ in range(40)]).health()
    assert len(moody.calls) == 40
    assert not health.disabled
    assert health.failures == 36


def test_a_failing_on_error_is_swallowed() -> None:
    class Worse(Strategy):
        def on_trades(self, ctx: Context, trades: Records) -> None:
            raise ValueError

        def on_error(self, ctx: Context, hook: str, error: Exception) -> None:
            raise RuntimeError

    (health,) = dispatched(Worse(), Batch(trades=records(0))).health()
    assert health.failures == 1


def test_the_budget_is_measured_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    class Slow(Strategy):
        def on_trades(self, ctx: Context, trades: Records) -> None:
            time.sleep(0.003)

    with caplog.at_level(logging.WARNING):
        (health,) = dispatched(Slow(), *[Batch(trades=records(0)) for _ in range(3)]).health()
    assert (health.calls, health.over_budget) == (3, 3)
    assert health.total_ns > health.longest_ns > 3_000_000
    assert len(caplog.records) == 1  # once in ten seconds


def test_the_context_reads_the_engine() -> None:
    ctx = Context(State())
    assert ctx.get("AAPL", "last") == "AAPL.last"
    assert ctx.row("AAPL") == {"symbol": "AAPL"}
    assert ctx.table(["last"]) == ["last"]
    assert ctx.bars("AAPL", "1m", 5) == ("AAPL", "1m", 5)
    assert ctx.symbol(np.uint32(4)) == "TSLA"  # type: ignore[arg-type]


def test_life_cycle_and_connections() -> None:
    notes: list[tuple[str, ...]] = []

    class Life(Strategy):
        def on_start(self, ctx: Context) -> None:
            notes.append(("start",))

        def on_stop(self, ctx: Context) -> None:
            notes.append(("stop",))

        def on_connection(self, ctx: Context, feed: str, state: str) -> None:
            notes.append((feed, state))

    dispatcher = Dispatcher(State(), [Life(), Log()])
    dispatcher.start()
    dispatcher.connection("massive.stocks", "live")
    dispatcher.stop()
    assert notes == [("start",), ("massive.stocks", "live"), ("stop",)]


def test_what_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'trades'"):
        Want("trade")
    with pytest.raises(ConfigError, match="only bars"):
        Want("trades", interval="1m")
    with pytest.raises(ConfigError, match="'1m'"):
        Want("bars", interval="1 minute")
    with pytest.raises(ConfigError, match="did you mean 'tick_run'"):
        Want("bars", interval="tick_runs:5")
    with pytest.raises(ConfigError, match="such as tick:100"):
        Want("bars", interval="tick:0")
    with pytest.raises(ConfigError, match="keeps 1s, 1m, 5m"):
        Dispatcher(State(), [Log(Want("bars", interval="2m"))])
    with pytest.raises(ConfigError, match="on_quotes or on_quote"):
        Dispatcher(State(), [Log(Want("quotes"))])
    with pytest.raises(ConfigError, match="two strategies are named 'Log'"):
        Dispatcher(State(), [Log(), Log()])

    class Async(Strategy):
        async def on_trades(self, ctx: Context, trades: Records) -> None:  # type: ignore[override]
            pass

    with pytest.raises(ConfigError, match="coroutine"):
        Dispatcher(State(), [Async()])


def test_intervals() -> None:
    assert [interval_ms(text) for text in ("1s", "5m", "1h", "2d")] == [1_000, 300_000, 3_600_000, 172_800_000]
    for wrong in ("", "m", "0m", "-1m", "1", "1w", "\u0661m"):
        with pytest.raises(ConfigError):
            interval_ms(wrong)
