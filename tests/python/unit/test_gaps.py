"""Records of gaps: over a restart, on a broken file, and which symbols a lost connection concerns."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ringtape import ConfigError, Engine, Gap
from ringtape._native import Simulator
from ringtape.events import dtypes
from ringtape.feeds import Binance, Massive
from ringtape.feeds.health import HealthMonitor
from ringtape.gaps import FILE, GAPS_MAX, GapBook
from ringtape.history.records import trade_records
from ringtape.outages import Outages, channels_of
from ringtape.repair import Repairer, RepairOptions
from ringtape.venues import VENUES

SECOND = 1_000_000_000
USDM = "binance.usdm"


def opened(book: GapBook, start: int = 10, **keys: object) -> Gap:
    return book.open(USDM, "trades", ["BTCUSDT"], start, cause="outage", **keys)  # type: ignore[arg-type]


def test_gaps_outlive_a_restart(tmp_path: Path) -> None:
    book = GapBook(tmp_path / "state")
    first, second = opened(book), opened(book, 20, end_ns=30, missing=3, ids=(5, 7))
    book.end(first.number, 15)
    book.settle(second.number, "filled", 0)
    third = opened(book, 40)
    again = GapBook(tmp_path / "state")
    assert list(again) == list(book)
    assert [gap.number for gap in again.open_gaps] == [first.number, third.number]
    assert not third.is_over
    again.end_all(50)
    assert [gap.end_ns for gap in again] == [15, 30, 50]
    assert opened(again, 60).number == third.number + 1
    assert stat.S_IMODE((tmp_path / "state" / FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_a_file_cut_anywhere_gives_the_gaps_before_the_cut(tmp_path: Path) -> None:
    book = GapBook(tmp_path)
    gaps = [opened(book, start) for start in range(5)]
    whole = (tmp_path / FILE).read_bytes()
    ends = [at + 1 for at, byte in enumerate(whole) if byte == 10]
    for cut in range(len(whole) + 1):
        (tmp_path / FILE).write_bytes(whole[:cut])
        again = GapBook(tmp_path)
        assert list(again) == gaps[: sum(end <= cut for end in ends)], cut
        opened(again, 99)
        assert [gap.start_ns for gap in GapBook(tmp_path)][-1] == 99


def test_a_damaged_line_costs_its_gap_alone(tmp_path: Path) -> None:
    book = GapBook(tmp_path)
    for start in range(3):
        opened(book, start)
    lines = (tmp_path / FILE).read_bytes().splitlines(keepends=True)
    (tmp_path / FILE).write_bytes(lines[0] + b'{"number": "x"}\n\xff\n' + lines[2])
    assert [gap.start_ns for gap in GapBook(tmp_path)] == [0, 2]


def test_book_and_file_are_bounded(tmp_path: Path) -> None:
    book = GapBook(tmp_path)
    gap = opened(book)
    for _ in range(3_000):
        book.settle(gap.number, "partly")
    assert len((tmp_path / FILE).read_bytes().splitlines()) < 1_200
    many = GapBook()
    first = opened(many)
    settled = opened(many)
    many.settle(settled.number, "filled")
    for start in range(GAPS_MAX):
        opened(many, start)
    assert len(many) == GAPS_MAX
    assert many.get(settled.number) is None
    assert many.get(first.number) is None


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot keep gaps in .*file"):
        GapBook(tmp_path / "file")
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / FILE).symlink_to(tmp_path / "file")
    GapBook(tmp_path / "dir")
    assert not (tmp_path / "dir" / FILE).is_symlink(), "what a link points at is not written to"


def test_a_gap_says_what_it_is() -> None:
    gap = opened(GapBook(), end_ns=20, missing=214, ids=(1, 214))
    assert str(gap) == "gap binance.usdm trades of BTCUSDT (outage, 214 missing): open"
    many = GapBook().open("massive.stocks", "trades", "ABCDE", 1, cause="outage")
    assert "A, B, C, ..." in str(many)


def test_channels_of_names() -> None:
    assert channels_of(["T.*", "Q.AAPL", "T.BRK.B", "LULD.*"]) == {"trades": None, "quotes": ("AAPL",), "LULD": None}
    names = ["btcusdt@aggTrade", "ethusdt@depth20@100ms", "btcusdt@kline_1m", "!markPrice@arr@1s", "btcusdt@trade"]
    expected = {"trades": ("BTCUSDT",), "depth": ("ETHUSDT",), "bars": ("BTCUSDT",), "markPrice": None}
    assert channels_of(names) == expected


def agg(symbol: str, number: int, second: float) -> bytes:
    ms = 1_795_190_400_000 + int(second * 1_000)
    return (
        f'{{"e":"aggTrade","E":{ms},"s":"{symbol}","a":{number},"p":"10","q":"1","f":1,"l":1,"T":{ms},"m":true}}'
    ).encode()


def test_a_lost_connection_concerns_its_own_symbols() -> None:
    engine, book = Engine(windows=["10s"]), GapBook()
    start = 1_795_190_400 * SECOND
    for symbol in ("BTCUSDT", "ETHUSDT", "XRPUSDT"):
        engine.feed(agg(symbol, 1, 0), USDM, start)
    feed = Binance("usdm", ["btcusdt@aggTrade", "ethusdt@bookTicker", "solusdt@aggTrade"])
    outages = Outages(engine, book)
    market = next(session for session in feed.sessions if "market" in session.name)
    public = next(session for session in feed.sessions if "public" in session.name)
    (gap,) = outages.lost(feed, market, 2 * SECOND)
    assert (gap.symbols, gap.start_ns, gap.channel) == (("BTCUSDT", "SOLUSDT"), start - 2 * SECOND, "trades")
    assert outages.lost(feed, market, 0) == [], "it is lost once"
    (quotes,) = outages.lost(feed, public, 0)
    assert (quotes.channel, quotes.symbols) == ("quotes", ("ETHUSDT",))
    engine.advance(start + 3 * SECOND)
    assert [engine.get(symbol, "volume(10s)") for symbol in ("BTCUSDT", "ETHUSDT", "XRPUSDT")] == [None, 1, 1]
    outages.live(market, 100.0)
    assert outages.tick(100.9) == []
    engine.advance(start + 4 * SECOND)
    (over,) = outages.tick(101.0)
    assert over.end_ns == start + 4 * SECOND
    assert outages.tick(102.0) == []
    assert book.open_gaps == (over, quotes)
    # One that is lost again before that was never over.
    (again,) = outages.lost(feed, market, 0)
    outages.live(market, 200.0)
    assert outages.lost(feed, market, 0) == []
    assert outages.tick(300.0) == []
    assert book.open_gaps == (over, quotes, again)


def test_all_symbols_of_a_wildcard_are_concerned() -> None:
    engine = Engine(windows=["10s"])
    moment = 1_795_190_400 * SECOND
    trade = '[{"ev":"T","sym":"%s","x":4,"i":"1","p":1,"s":1,"q":1,"t":%d}]'
    for symbol in ("AAPL", "MSFT"):
        engine.feed((trade % (symbol, moment // 1_000_000)).encode(), "massive.stocks", moment)
    feed = Massive("stocks", ["T.*", "A.AAPL"], key="k")
    gaps = Outages(engine, GapBook()).lost(feed, feed.sessions[0], 0)
    assert [(gap.channel, gap.symbols) for gap in gaps] == [("trades", None), ("bars", ("AAPL",))]
    assert [engine.get(symbol, "volume(10s)") for symbol in ("AAPL", "MSFT")] == [None, None]


def test_missing_ids_are_gaps() -> None:
    engine, book = Engine(), GapBook()
    outages = Outages(engine, book)
    for number, second in ((1, 0), (2, 1), (6, 2)):
        engine.feed(agg("BTCUSDT", number, second), USDM, 1_795_190_402 * SECOND)
    (gap,) = outages.tick(0.0)
    assert (gap.first_id, gap.last_id, gap.missing, gap.cause, gap.symbols) == (3, 5, 3, "ids", ("BTCUSDT",))
    assert (gap.start_ns, gap.end_ns) == (1_795_190_401 * SECOND, 1_795_190_402 * SECOND)
    assert outages.tick(0.0) == []


def test_a_book_whose_chain_breaks_is_a_gap() -> None:
    engine = Engine()
    engine.feed(agg("BTCUSDT", 1, 0), USDM, 1_795_190_400 * SECOND)
    outages = Outages(engine, GapBook())

    def update(time_ns: int, before: int, last: int, depth: int = 1) -> np.ndarray:
        levels = np.zeros(2, dtypes()["levels"])
        levels["venue"], levels["depth"], levels["ts_event"] = VENUES.index(USDM), depth, time_ns
        levels["previous_update"], levels["last_update"], levels["flags"] = before, last, (1, 2)
        return levels

    names = dict(enumerate(VENUES))
    assert outages.depth(update(1, 90, 100), names) == []
    assert outages.depth(update(2, 100, 110), names) == []
    assert outages.depth(update(3, 100, 110), names) == [], "the same from another connection"
    assert outages.depth(update(4, 115, 120, depth=2), names) == [], "levels that come whole have no chain"
    (gap,) = outages.depth(update(5, 115, 120), names)
    assert (gap.channel, gap.symbols, gap.start_ns, gap.end_ns, gap.cause) == ("depth", ("BTCUSDT",), 3, 5, "ids")
    assert outages.depth(update(6, 120, 125), names) == []


def stock_day(lost: set[int]) -> tuple[Engine, list[str]]:
    """Return an engine that saw trades and second bars of a pretend market, but for some frames of trades."""
    start = 1_795_190_400 * SECOND
    market = Simulator(seed=3, symbols=20, rate=2_000, kind="stocks", start_ns=start)
    trades, bars = market.open(), market.open()
    market.subscribe(trades, "T.*")
    market.subscribe(bars, "A.*")
    engine = Engine()
    for step in range(1, 60):
        market.advance(start + step * SECOND // 2)
        if step not in lost:
            for frame in market.frames(trades):
                engine.feed(frame, "massive.stocks", market.now)
        else:
            market.frames(trades)
        for frame in market.frames(bars):
            engine.feed(frame, "massive.stocks", market.now)
    return engine, market.symbols()


def test_volume_that_is_all_there_is_no_gap() -> None:
    engine, _ = stock_day(set())
    assert engine.stats()["trades"] > 1_000
    assert engine.stats()["venue_bars"] > 100
    assert (engine.take_volume_gaps(), engine.stats()["volume_gaps"]) == ([], 0)


def test_lost_trades_show_in_the_venues_volume() -> None:
    engine, symbols = stock_day({30})
    book = GapBook()
    found = Outages(engine, book).tick(0.0)
    assert {gap.cause for gap in found} == {"volume_drift"}
    assert symbols[0] in {name for gap in found for name in gap.symbols or ()}
    lost = 1_795_190_400 * SECOND + 29 * SECOND // 2
    for gap in found:
        assert gap.start_ns <= lost + SECOND // 2
        assert (gap.end_ns or 0) >= lost
    assert engine.stats()["volume_gaps"] == len(found)
    assert any(int(bar["flags"]) & 16 for bar in engine.bars(symbols[0], "1s"))


class Instant:
    """A past that has nothing, at once."""

    venue = "massive.stocks"

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def trades(self, symbol: str, *_: Any) -> AsyncIterator[Any]:
        self.asked.append(symbol)
        for page in ():
            yield page

    async def bars(self, *_: Any) -> AsyncIterator[Any]:
        for page in ():
            yield page

    def intervals(self) -> frozenset[str]:
        return frozenset()

    async def close(self) -> None:
        pass


async def test_pinned_symbols_are_repaired_first_then_the_most_active() -> None:
    engine, book = Engine(), GapBook()
    moment = 1_795_190_400 * SECOND
    for count, symbol in ((1, "QUIET"), (9, "BUSY"), (5, "USUAL"), (2, "PINNED")):
        for number in range(count):
            trade = (
                f'[{{"ev":"T","sym":"{symbol}","x":4,"i":"{number}","p":1,"s":1,"q":{number},"t":{moment // 10**6}}}]'
            )
            engine.feed(trade.encode(), "massive.stocks", moment)
    source, settled = Instant(), []
    options = RepairOptions(workers=1, symbols=3)
    repairer = Repairer(engine, book, {source.venue: source}, settled.append, pinned=["PINNED"], options=options)
    gap = book.open(source.venue, "trades", None, moment - SECOND, cause="outage", end_ns=moment)
    repairer.submit(gap)
    repairer.submit(gap)
    repairer.submit(book.open(source.venue, "quotes", None, 1, cause="outage", end_ns=2))
    repairer.submit(book.open(source.venue, "trades", None, moment + 1, cause="outage"))
    assert repairer.waiting == 3
    task = asyncio.create_task(repairer.run())
    while not any(settled):
        await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert source.asked == ["PINNED", "BUSY", "USUAL"]
    assert [each.state for each in settled if each] == ["filled"]


def test_more_than_can_wait_is_given_up() -> None:
    engine, book = Engine(), GapBook()
    engine.feed(agg("BTCUSDT", 1, 0), USDM, 1_795_190_400 * SECOND)
    settled: list[Gap | None] = []
    source: Any = Instant()
    repairer = Repairer(engine, book, {USDM: source}, settled.append, options=RepairOptions(waiting=1))
    for _ in range(2):
        repairer.submit(book.open(USDM, "trades", ["BTCUSDT"], 1, cause="ids", end_ns=2, ids=(1, 2)))
    assert repairer.waiting == 1
    assert [gap.state for gap in settled if gap] == ["given_up"]


def test_an_outage_begins_with_the_last_event_where_that_was_late() -> None:
    engine, book = Engine(), GapBook()
    start = 1_795_190_400 * SECOND
    for symbol, second in (("BTCUSDT", 0), ("ETHUSDT", 5)):
        engine.feed(agg(symbol, 1, second), USDM, start + 5 * SECOND)
    feed = Binance("usdm", ["btcusdt@aggTrade"])
    (gap,) = Outages(engine, book).lost(feed, feed.sessions[0], SECOND // 10, start)
    assert gap.start_ns == start, "what was on its way behind it is lost, too"


@pytest.mark.parametrize("has_heir", [True, False])
def test_an_outage_outlives_a_connection_that_is_ended_for_another(has_heir: bool) -> None:  # noqa: FBT001
    engine = Engine()
    engine.feed(agg("BTCUSDT", 1, 0), USDM, 1_795_190_400 * SECOND)
    feed, other = (Binance("usdm", ["btcusdt@aggTrade"]) for _ in range(2))
    outages = Outages(engine, GapBook())
    old, heir = feed.sessions[0], other.sessions[0]
    outages.lost(feed, old, 0)
    outages.retired(old, heir if has_heir else None, 0.0)
    assert [gap.is_over for gap in outages.tick(10.0)] == ([] if has_heir else [True])
    outages.live(heir, 20.0)
    assert [gap.is_over for gap in outages.tick(21.0)] == ([True] if has_heir else [])


def test_a_word_of_the_venue_is_no_data() -> None:
    engine, monitor = Engine(), HealthMonitor()
    start = 1_795_190_400 * SECOND
    engine.feed(agg("BTCUSDT", 1, 0), USDM, start + 3 * SECOND)
    monitor.observe(engine.drain(), start + 3 * SECOND, 3.0)
    assert (monitor.last_data_ns, monitor.last_event_ns) == (start + 3 * SECOND, start)
    engine.feed(b'{"result":null,"id":1}', USDM, start + 4 * SECOND)
    monitor.observe(engine.drain(), start + 4 * SECOND, 4.0)
    assert (monitor.last_data_ns, monitor.last_event_ns) == (start + 3 * SECOND, start)
    # A clock that is set back does not keep it from looking.
    engine.feed(agg("BTCUSDT", 2, 5), USDM, start - 3_600 * SECOND)
    monitor.observe(engine.drain(), start - 3_600 * SECOND, 5.0)
    assert monitor.last_event_ns == start + 5 * SECOND


async def test_ids_that_are_missed_in_an_outage_are_fetched_once_it_has_ended() -> None:
    engine, book = Engine(bars=["1s"]), GapBook()
    start = 1_795_190_400 * SECOND
    for number, second in ((1, 0), (2, 1)):
        engine.feed(agg("BTCUSDT", number, second), USDM, start + second * SECOND)
    feed = Binance("usdm", ["btcusdt@aggTrade"])
    outages, session = Outages(engine, book), feed.sessions[0]
    outages.lost(feed, session, 0, start + SECOND)
    engine.feed(agg("BTCUSDT", 4, 5), USDM, start + 5 * SECOND)

    class Past:
        async def trades(self, *_: Any) -> AsyncIterator[np.ndarray]:
            rows = trade_records(1)
            rows["ts_event"], rows["sequence"], rows["price"], rows["size"] = start + 3 * SECOND, 3, 10, 1
            rows["price_e8"], rows["size_e8"], rows["side"], rows["flags"] = 10 * 10**8, 10**8, 2, 1
            yield rows

        def intervals(self) -> frozenset[str]:
            return frozenset()

        async def close(self) -> None:
            pass

    repairer = Repairer(engine, book, {USDM: Past()}, lambda _: None)  # type: ignore[dict-item]
    working = asyncio.create_task(repairer.run())
    for gap in outages.tick(0.0):
        repairer.submit(gap)
    await asyncio.sleep(0.02)
    assert repairer.waiting == 1
    outages.live(session, 0.0)
    for gap in outages.tick(2.0):
        repairer.submit(gap)
    await asyncio.sleep(0.02)
    assert book.open_gaps == ()
    for number in range(5, 9):
        engine.feed(agg("BTCUSDT", number, number + 1), USDM, start + (number + 1) * SECOND)
    bars = engine.bars("BTCUSDT", "1s")
    assert len(bars) == 7
    assert not any(int(bar["flags"]) & 16 for bar in bars), "no rest of the outage goes on for ever"
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
