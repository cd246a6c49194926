"""REST of the pretend venues equals what their streams said, page by page, and refuses as they do."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from ringtape._native import Simulator
from ringtape.sim import Behaviour, Host, Request
from ringtape.sim.history import History

START_MS = 1_780_000_000_000
START_NS = START_MS * 1_000_000
STEP_NS = 250_000_000
SECONDS = 190
KEY = {"authorization": "Bearer any"}


class Pipe:
    """A transport that keeps what was sent."""

    def __init__(self) -> None:
        self.data = bytearray()

    @property
    def underlying_transport(self) -> Pipe:
        return self

    def write(self, data: bytes) -> None:
        self.data += data

    def get_write_buffer_size(self) -> int:
        return 0

    def messages(self) -> Iterator[Any]:
        place = 0
        while place < len(self.data):
            size, place = self.data[place + 1], place + 2
            if size > 125:
                width = 2 if size == 126 else 8
                size, place = int.from_bytes(self.data[place : place + width], "big"), place + width
            yield json.loads(self.data[place : place + size])
            place += size


class Venue:
    """A host on given time, with one client of everything."""

    def __init__(self, path: str, requests: list[dict[str, Any]], seconds: int = SECONDS, **options: Any) -> None:
        self.now_ns = START_NS
        self.host = Host(symbols=4, rate=200, time_ns=lambda: self.now_ns, monotonic=lambda: 0.0, **options)
        self.pipe = Pipe()
        peer = self.host.accept(path)
        peer.on_ws_connected(self.pipe)
        for request in requests:
            peer.received(json.dumps(request).encode())
        while self.now_ns < START_NS + seconds * 1_000_000_000:
            self.now_ns += STEP_NS
            self.host.step(self.now_ns)
        peer.on_ws_disconnected(self.pipe)

    def ask(self, target: str, method: str = "GET", headers: dict[str, str] | None = None) -> tuple[int, Any]:
        path, _, query = target.partition("?")
        reply = self.host.answer(Request(method, path, query, KEY if headers is None else headers))
        return reply.status, json.loads(reply.body) if reply.headers["Content-Type"] == "application/json" else None

    def get(self, target: str) -> Any:
        status, body = self.ask(target)
        assert status == 200, body
        return body


@pytest.fixture(scope="module")
def massive_venue() -> Venue:
    return Venue(
        "/stocks",
        [{"action": "auth", "params": "any"}, {"action": "subscribe", "params": "T.*,A.*,AM.*"}],
    )


@pytest.fixture(scope="module")
def stocks(massive_venue: Venue) -> list[dict[str, Any]]:
    return [event for frame in massive_venue.pipe.messages() for event in frame]


@pytest.fixture(scope="module")
def binance_venue() -> Venue:
    streams = [f"btcusdt@{stream}" for stream in ("aggTrade", "kline_1m")]
    return Venue("/market/ws", [{"method": "SUBSCRIBE", "params": streams, "id": 1}])


@pytest.fixture(scope="module")
def crypto(binance_venue: Venue) -> list[dict[str, Any]]:
    return [event for event in binance_venue.pipe.messages() if "e" in event]


def trades_of(events: list[dict[str, Any]], symbol: str) -> list[dict[str, Any]]:
    return [event for event in events if event["ev"] == "T" and event["sym"] == symbol]


NAMES = {
    "conditions": "c",
    "decimal_size": "ds",
    "exchange": "x",
    "id": "i",
    "price": "p",
    "sequence_number": "q",
    "size": "s",
    "tape": "z",
    "trf_id": "trfi",
}
TIMES = {"participant_timestamp": "pt", "sip_timestamp": "t", "trf_timestamp": "trft"}


def as_event(row: dict[str, Any]) -> dict[str, Any]:
    event = {NAMES[key]: value for key, value in row.items() if key in NAMES}
    return event | {TIMES[key]: value // 1_000_000 for key, value in row.items() if key in TIMES}


class TestMassive:
    def test_trades_are_those_of_the_frames(self, massive_venue: Venue, stocks: list[dict[str, Any]]) -> None:
        for symbol in ("SPY", "NVDA"):
            body = massive_venue.get(f"/v3/trades/{symbol}?order=asc&limit=50000")
            said = [{key: event[key] for key in event.keys() - {"ev", "sym"}} for event in trades_of(stocks, symbol)]
            assert [as_event(row) for row in body["results"]] == said
            assert "next_url" not in body
            assert len(said) > 100

    @pytest.mark.parametrize("order", ["asc", "desc"])
    def test_pages_join_without_overlap_or_hole(self, massive_venue: Venue, order: str) -> None:
        whole = massive_venue.get(f"/v3/trades/SPY?order={order}&limit=50000")["results"]
        target, pages = f"/v3/trades/SPY?order={order}&limit=37&apiKey=secret", []
        while target:
            body = massive_venue.get(target)
            pages.append(body["results"])
            assert "secret" not in body.get("next_url", "")
            parts = urlsplit(body.get("next_url", ""))
            target = f"{parts.path}?{parts.query}" if parts.path else ""
        assert [row for page in pages for row in page] == whole
        assert {len(page) for page in pages[:-1]} == {37}
        times = [row["sip_timestamp"] for row in whole]
        assert times == sorted(times, reverse=order == "desc")

    def test_times_are_ns_with_the_ends_as_asked(self, massive_venue: Venue, stocks: list[dict[str, Any]]) -> None:
        times = [event["t"] for event in trades_of(stocks, "SPY")]
        first, last = times[20], times[60]
        for how, wanted in (
            ("gte", [time for time in times if first <= time]),
            ("gt", [time for time in times if first < time]),
            ("lte", [time for time in times if time <= first]),
            ("lt", [time for time in times if time < first]),
        ):
            rows = massive_venue.get(f"/v3/trades/SPY?timestamp.{how}={first}000000&order=asc&limit=50000")["results"]
            assert [row["sip_timestamp"] // 1_000_000 for row in rows] == wanted, how
        both = f"timestamp.gte={first}000000&timestamp.lt={last}000000&order=asc&limit=50000"
        rows = massive_venue.get(f"/v3/trades/SPY?{both}")["results"]
        assert [row["sip_timestamp"] // 1_000_000 for row in rows] == [t for t in times if first <= t < last]
        assert massive_venue.get("/v3/trades/SPY?timestamp=2026-05-28")["results"]
        assert massive_venue.get("/v3/trades/SPY?timestamp=2026-05-27")["results"] == []

    @pytest.mark.parametrize(("span", "kind"), [("second", "A"), ("minute", "AM")])
    def test_bars_are_those_of_the_frames(
        self, massive_venue: Venue, stocks: list[dict[str, Any]], span: str, kind: str
    ) -> None:
        target = (
            f"/v2/aggs/ticker/SPY/range/1/{span}/{START_MS - 60_000}/{START_MS + 300_000}?adjusted=false&limit=50000"
        )
        body = massive_venue.get(target)
        said = [event for event in stocks if event["ev"] == kind and event["sym"] == "SPY"]
        assert len(said) > 2
        assert body["resultsCount"] == len(said)
        for row, event in zip(body["results"], said, strict=True):
            assert [row[key] for key in "ohlc"] == [event[key] for key in "ohlc"]
            assert (row["t"], row["vw"], float(row["v"])) == (event["s"], event["vw"], float(event["dv"]))
            assert row["n"] == sum(event["s"] <= trade["t"] < event["e"] for trade in trades_of(stocks, "SPY"))

    def test_longer_bars_are_made_of_shorter_ones(self, massive_venue: Venue) -> None:
        ends = f"{START_MS}/{START_MS + 90_000}"
        seconds = massive_venue.get(f"/v2/aggs/ticker/SPY/range/1/second/{START_MS}/{START_MS + 99_999}")["results"]
        tens = massive_venue.get(f"/v2/aggs/ticker/SPY/range/10/second/{ends}?limit=30")
        again = urlsplit(tens["next_url"])
        rows = tens["results"]
        while again.path:
            body = massive_venue.get(f"{again.path}?{again.query}")
            rows += body["results"]
            again = urlsplit(body.get("next_url", ""))
        assert [row["t"] for row in rows] == sorted({row["t"] // 10_000 * 10_000 for row in seconds})
        for row in rows:
            parts = [each for each in seconds if each["t"] // 10_000 * 10_000 == row["t"]]
            assert (row["o"], row["c"]) == (parts[0]["o"], parts[-1]["c"])
            assert row["h"] == max(part["h"] for part in parts)
            assert row["v"] == pytest.approx(sum(part["v"] for part in parts))
            assert row["n"] == sum(part["n"] for part in parts)
        falling = massive_venue.get(f"/v2/aggs/ticker/SPY/range/10/second/{ends}?sort=desc")["results"]
        assert falling == rows[::-1]

    @pytest.mark.parametrize(
        ("target", "headers", "status"),
        [
            ("/v3/trades/SPY", {}, 401),
            ("/v3/trades/SPY?apiKey=bad-key", {}, 401),
            ("/v3/trades/SPY?limit=0", KEY, 400),
            ("/v3/trades/SPY?limit=50001", KEY, 400),
            ("/v3/trades/SPY?timestamp.gte=yesterday", KEY, 400),
            ("/v2/aggs/ticker/SPY/range/1/day/1/2", KEY, 400),
            ("/v9/else", KEY, 404),
        ],
    )
    def test_refusals(self, massive_venue: Venue, target: str, headers: dict[str, str], status: int) -> None:
        assert massive_venue.ask(target, headers=headers)[0] == status

    def test_the_free_plan_has_five_requests_a_minute(self) -> None:
        venue = Venue("/stocks", [], seconds=0, behaviour=Behaviour(rest_requests_per_min=5))
        statuses = [venue.ask("/v3/trades/SPY")[0] for _ in range(6)]
        assert statuses == [200] * 5 + [429]
        venue.now_ns += 60_000_000_000
        assert venue.ask("/v3/trades/SPY")[0] == 200


class TestBinance:
    def test_aggregates_are_those_of_the_frames(self, binance_venue: Venue, crypto: list[dict[str, Any]]) -> None:
        said = [
            {key: event[key] for key in ("a", "p", "q", "nq", "f", "l", "T", "m")}
            for event in crypto
            if event["e"] == "aggTrade"
        ]
        assert len(said) > 500
        rows: list[dict[str, Any]] = []
        while page := binance_venue.get(
            f"/fapi/v1/aggTrades?symbol=BTCUSDT&limit=100&fromId={rows[-1]['a'] + 1 if rows else 0}"
        ):
            rows += page
        assert rows == said
        first, last = said[50]["T"], said[300]["T"]
        window = f"symbol=BTCUSDT&limit=1000&startTime={first}&endTime={last}"
        assert binance_venue.get(f"/fapi/v1/aggTrades?{window}") == [row for row in said if first <= row["T"] <= last]
        assert binance_venue.get("/fapi/v1/aggTrades?symbol=BTCUSDT&limit=7") == said[-7:]
        assert binance_venue.get(f"/fapi/v1/aggTrades?symbol=BTCUSDT&limit=7&startTime={first}")[0]["T"] == first

    def test_klines_are_the_last_word_of_the_frames(self, binance_venue: Venue, crypto: list[dict[str, Any]]) -> None:
        said = {event["k"]["t"]: event["k"] for event in crypto if event["e"] == "kline"}
        rows = binance_venue.get("/fapi/v1/klines?symbol=BTCUSDT&interval=1m")
        assert rows == [[k[key] for key in "tohlcvTqnVQ"] + ["0"] for k in said.values()]
        assert len(rows) > 3
        assert not list(said.values())[-1]["x"]
        assert (
            binance_venue.get(f"/fapi/v1/klines?symbol=BTCUSDT&interval=1m&startTime={rows[1][0]}&limit=1") == rows[1:2]
        )
        five = binance_venue.get("/fapi/v1/klines?symbol=BTCUSDT&interval=5m")
        assert sum(row[8] for row in five) == sum(row[8] for row in rows)
        assert five[0][1] == rows[0][1]
        assert five[-1][4] == rows[-1][4]
        assert all(row[6] - row[0] == 299_999 for row in five)

    def test_a_minute_without_trades_is_flat(self) -> None:
        venue = Venue("/market/ws/btcusdt@kline_1m", [], seconds=50)
        venue.now_ns += 200_000_000_000
        venue.host.step(venue.now_ns, rest=True)
        venue.now_ns += 20_000_000_000
        venue.host.step(venue.now_ns)
        rows = venue.get("/fapi/v1/klines?symbol=BTCUSDT&interval=1m")
        assert [row[0] for row in rows] == list(range(rows[0][0], rows[-1][0] + 1, 60_000))
        flat = [(row, before) for before, row in itertools.pairwise(rows) if row[8] == 0]
        assert flat
        assert all(row[1:6] == [before[4]] * 4 + ["0"] for row, before in flat)

    def test_time_ping_and_the_weight_of_each(self) -> None:
        venue = Venue("/market/ws", [], seconds=0)
        used = []
        for target in ("ping", "time", "klines?symbol=BTCUSDT&interval=1m", "aggTrades?symbol=BTCUSDT", "nosuch"):
            path, _, query = target.partition("?")
            reply = venue.host.answer(Request("GET", f"/fapi/v1/{path}", query))
            used.append(int(reply.headers["X-MBX-USED-WEIGHT-1M"]))
        assert used == [1, 2, 4, 24, 25]
        assert venue.get("/fapi/v1/time") == {"serverTime": START_MS}
        assert venue.get("/fapi/v1/ping") == {}

    @pytest.mark.parametrize(
        ("target", "code"),
        [
            ("klines?interval=1m", -1102),
            ("klines?symbol=NOSUCH&interval=1m", -1121),
            ("klines?symbol=BTCUSDT&interval=7m", -1120),
            ("klines?symbol=BTCUSDT&interval=1m&limit=1501", -1130),
            ("klines?symbol=BTCUSDT&interval=1m&limit=x", -1102),
            ("aggTrades?symbol=BTCUSDT&limit=0", -1130),
            ("aggTrades?symbol=BTCUSDT&fromId=1&startTime=1", -1128),
            (f"aggTrades?symbol=BTCUSDT&startTime={START_MS}&endTime={START_MS + 3_600_001}", -1127),
            (f"aggTrades?symbol=BTCUSDT&startTime={START_MS - 50 * 3_600_000}", -4166),
        ],
    )
    def test_refusals(self, binance_venue: Venue, target: str, code: int) -> None:
        status, body = binance_venue.ask(f"/fapi/v1/{target}")
        assert (status, body["code"]) == (400, code)
        assert body.keys() == {"code", "msg"}

    def test_too_much_weight_is_refused_and_then_banned(self) -> None:
        venue = Venue("/market/ws", [], seconds=0, behaviour=Behaviour(rest_weight_per_min=3))
        statuses = [venue.ask("/fapi/v1/ping")[0] for _ in range(15)]
        assert statuses == [200] * 3 + [429] * 10 + [418] * 2
        reply = venue.host.answer(Request("GET", "/fapi/v1/ping"))
        assert reply.headers["Retry-After"] == "120"
        venue.now_ns += 119_000_000_000
        assert venue.ask("/fapi/v1/ping")[0] == 418
        venue.now_ns += 1_000_000_000
        assert venue.ask("/fapi/v1/ping")[0] == 200

    def test_listen_keys_live_for_an_hour(self) -> None:
        venue = Venue("/market/ws", [], seconds=0)
        keyed = {"x-mbx-apikey": "any"}
        assert venue.ask("/fapi/v1/listenKey", "POST", {})[0] == 401
        assert venue.ask("/fapi/v1/listenKey", "PUT", keyed)[1]["code"] == -1125
        key = venue.ask("/fapi/v1/listenKey", "POST", keyed)[1]["listenKey"]
        assert len(key) == 64
        venue.now_ns += 59 * 60_000_000_000
        assert venue.ask("/fapi/v1/listenKey", "PUT", keyed)[1] == {"listenKey": key}
        venue.now_ns += 59 * 60_000_000_000
        assert venue.ask("/fapi/v1/listenKey", "POST", keyed)[1] == {"listenKey": key}
        assert venue.ask("/fapi/v1/listenKey", "DELETE", keyed) == (200, {})
        assert venue.ask("/fapi/v1/listenKey", "POST", keyed)[1]["listenKey"] != key
        venue.now_ns += 61 * 60_000_000_000
        assert venue.ask("/fapi/v1/listenKey", "PUT", keyed)[1]["code"] == -1125


@pytest.mark.parametrize("kind", ["stocks", "crypto"])
@pytest.mark.parametrize("asks", [False, True])
def test_a_history_is_bounded_and_says_from_when_it_is_whole(kind: Any, asks: Any) -> None:
    simulator = Simulator(seed=1, symbols=3, rate=2_000, kind=kind, start_ns=START_NS)
    whole = History(simulator, is_stocks=kind == "stocks", bytes_max=1 << 30)
    small = History(simulator, is_stocks=kind == "stocks", bytes_max=1 << 18)
    name, symbol = ("T", "SPY") if kind == "stocks" else ("aggTrade", "BTCUSDT")
    for step in range(1, 101):
        simulator.advance(START_NS + step * 200_000_000)
        whole.follow()
        small.follow()
        assert small._bytes <= 1 << 18
        if asks:
            small.rows(name, symbol)
    assert small.has_forgotten
    assert not whole.has_forgotten
    assert small.since_ms > START_MS
    assert small._bytes > 1 << 16
    expected = [key for key in whole.rows(name, symbol).keys if key[0] >= small.since_ms]
    kept = [key for key in small.rows(name, symbol).keys if key[0] >= small.since_ms]
    assert kept == expected
    assert len(kept) > 100
