"""The past of the venues over REST: what is asked, what is made of the answers, and what goes wrong."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import subprocess
import sys
import time
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from venue_rest import venue_rest

import ringtape
from ringtape import ConfigError, HistoryError, UnknownVenue
from ringtape.history import BinanceHistory, MassiveHistory, RateLimiter, RestLimits
from ringtape.history.records import e8

KEY = "CANARY-5b1d9e0c77"
SECOND = 1_000_000_000
START = 1_795_190_400 * SECOND
QUICK = RestLimits(backoff_s=0.01, total_s=0.5, rate_limited_s=0.1)


def massive(url: str, **options: Any) -> MassiveHistory:
    return MassiveHistory("stocks", url, KEY, limits=options.pop("limits", QUICK), **options)


async def everything(pages: Any) -> np.ndarray:
    return np.concatenate([page async for page in pages])


TRADE = {
    "conditions": [12, 37],
    "decimal_size": "7.25",
    "exchange": 4,
    "id": "52983525027888",
    "participant_timestamp": START - 11 * SECOND + 123_456_789,
    "price": 10.07,
    "sequence_number": 77,
    "sip_timestamp": START + 123_456_789,
    "size": 7,
    "tape": 3,
    "trf_id": 201,
    "trf_timestamp": START + 1_999_999,
}


def live(trade: dict[str, Any]) -> np.ndarray:
    """Return the same trade as the engine decodes it from the stream."""
    names = {"p": "price", "s": "size", "ds": "decimal_size", "x": "exchange", "i": "id", "z": "tape"}
    names |= {"c": "conditions", "q": "sequence_number", "trfi": "trf_id"}
    times = {"t": "sip_timestamp", "pt": "participant_timestamp", "trft": "trf_timestamp"}
    event = {"ev": "T", "sym": "AAPL"} | {key: trade[name] for key, name in names.items()}
    event |= {key: trade[name] // 1_000_000 for key, name in times.items()}
    engine = ringtape.Engine()
    engine.feed(json.dumps([event]).encode(), "massive.stocks", START + SECOND)
    return engine.drain().trades.copy()


async def test_a_trade_is_the_one_of_the_stream() -> None:
    async with venue_rest(lambda _: {"results": [TRADE], "status": "OK"}) as rest:
        source = massive(rest.url)
        trades = await everything(source.trades("AAPL", START, START + 5 * SECOND))
        await source.close()
    same = [name for name in trades.dtype.names if name not in {"seq", "ts_recv", "symbol", "conn", "venue"}]
    got, want = trades[same][0], live(TRADE)[same][0]
    for name in same:
        assert np.array_equal(got[name], want[name]), name
    assert rest.requests == [
        (
            "/v3/trades/AAPL",
            {
                "timestamp.gte": str(START),
                "timestamp.lt": str(START + 5 * SECOND + 1_000_000),
                "order": "asc",
                "sort": "timestamp",
                "limit": "50000",
            },
        )
    ]
    assert rest.headers[0]["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("text", ["0.1", "10.07", "0.000012345", "123456.789", "99999.99999999", "1e-7", "5", "0.3"])
async def test_prices_are_those_of_the_text(text: str) -> None:
    body = f'{{"results":[{{"price":{text},"size":3,"sip_timestamp":{START}}}]}}'
    answer = lambda _: web.Response(body=body, content_type="application/json")  # noqa: E731
    async with venue_rest(answer) as rest:
        source = massive(rest.url)
        (trade,) = await everything(source.trades("AAPL", START, START))
        await source.close()
    assert float(trade["price"]) == float(text)
    assert int(trade["price_e8"]) == round(float(text) * 10**8)


async def test_pages_follow_on_our_own_host_only() -> None:
    def answer(request: web.Request) -> Any:
        if "cursor" in request.query:
            return {"results": [{**TRADE, "id": "2"}]}
        return {"results": [TRADE], "next_url": "https://evil.example/v3/trades/AAPL?cursor=x%3D1&apiKey=k"}

    async with venue_rest(answer) as rest:
        source = massive(rest.url)
        trades = await everything(source.trades("AAPL", START, START))
        await source.close()
    assert [bytes(trade["id"]) for trade in trades] == [b"52983525027888", b"2"]
    assert rest.requests[1] == ("/v3/trades/AAPL", {"cursor": "x=1"})


async def test_aggregates_are_bars() -> None:
    bar = {"t": START // 1_000_000, "o": 10.1, "h": 11, "l": 9.5, "c": 10.5, "v": 1234.5, "vw": 10.2, "n": 17}
    async with venue_rest(lambda _: {"results": [bar]}) as rest:
        source = massive(rest.url)
        (got,) = await everything(source.bars("BRK.B", "1m", START, START + 60 * SECOND))
        await source.close()
    columns = ("ts_event", "ts_end", "open", "high", "low", "close", "volume_e8", "vwap", "trade_count")
    expected = (START, START + 60 * SECOND, 10.1, 11, 9.5, 10.5, 123_450_000_000, 10.2, 17)
    assert tuple(got[name].item() for name in columns) == expected
    ms = START // 1_000_000
    path, query = rest.requests[0]
    assert path == f"/v2/aggs/ticker/BRK.B/range/1/minute/{ms}/{ms + 60_000}"
    assert query == {"adjusted": "false", "sort": "asc", "limit": "50000"}


def aggregate(number: int, ms: int) -> dict[str, Any]:
    return {"a": number, "p": "64000.10", "q": "0.005", "nq": "0.005", "f": number, "l": number, "T": ms, "m": True}


async def test_aggregate_trades_by_id() -> None:
    def answer(request: web.Request) -> Any:
        first = int(request.query["fromId"])
        return [aggregate(number, START // 1_000_000 + number) for number in range(first, min(first + 1_000, 2_500))]

    async with venue_rest(answer) as rest:
        source = BinanceHistory("usdm", rest.url)
        trades = await everything(source.trades("BTCUSDT", START, START + 10 * SECOND, (5, 1_500)))
        await source.close()
    assert trades["sequence"].tolist() == list(range(5, 1_501))
    first = trades[0]
    assert (int(first["price_e8"]), int(first["size_e8"]), int(first["side"]), int(first["flags"])) == (
        6_400_010_000_000,
        500_000,
        2,
        1,
    )
    assert [query["fromId"] for _, query in rest.requests] == ["5", "1005"]
    assert rest.requests[0][0] == "/fapi/v1/aggTrades"


async def test_aggregate_trades_by_time_are_looked_for_hour_by_hour() -> None:
    ms = START // 1_000_000

    def answer(request: web.Request) -> Any:
        if "startTime" in request.query:
            assert "fromId" not in request.query
            begin, end = int(request.query["startTime"]), int(request.query["endTime"])
            assert end - begin < 3_600_000
            return [aggregate(7, ms + 4_000_000)] if begin <= ms + 4_000_000 <= end else []
        return [aggregate(number, ms + 4_000_000 + number) for number in range(int(request.query["fromId"]), 12)]

    async with venue_rest(answer) as rest:
        source = BinanceHistory("usdm", rest.url)
        trades = await everything(source.trades("BTCUSDT", START, START + 4_000 * SECOND + 10_000_000))
        nothing = [page async for page in source.trades("BTCUSDT", START, START + 3_000 * SECOND)]
        await source.close()
    assert trades["sequence"].tolist() == [7, 8, 9, 10]
    assert nothing == []
    assert len(rest.requests) == 4


async def test_candles_that_have_ended() -> None:
    ms = START // 1_000_000
    rows = [
        [ms + at * 60_000, "10.1", "11", "9.5", "10.5", "7.25", ms + at * 60_000 + 59_999, "75", 17, "3", "31", "0"]
        for at in range(3)
    ]
    async with venue_rest(lambda _: rows) as rest:
        source = BinanceHistory("usdm", rest.url, time_ns=lambda: START + 130 * SECOND)
        bars = await everything(source.bars("BTCUSDT", "1m", START, START + 600 * SECOND))
        await source.close()
    assert bars["ts_event"].tolist() == [START, START + 60 * SECOND]
    columns = ("open", "high", "low", "close", "volume", "dollar_volume", "buy_volume", "trade_count")
    assert tuple(bars[0][name].item() for name in columns) == (10.1, 11, 9.5, 10.5, 7.25, 75, 3, 17)
    assert rest.requests[0][1]["interval"] == "1m"


async def failing(answer: Any, **options: Any) -> HistoryError:
    async with venue_rest(answer) as rest:
        source = massive(rest.url, **options)
        try:
            with pytest.raises(HistoryError) as caught:
                await everything(source.trades("AAPL", START, START))
        finally:
            await source.close()
    assert KEY not in str(caught.value)
    assert KEY not in repr(caught.value.__cause__)
    caught.value.asked = len(rest.requests)  # type: ignore[attr-defined]
    return caught.value


def text(status: int, body: str, kind: str = "application/json", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: web.Response(status=status, text=body, content_type=kind, headers=named)


@pytest.mark.parametrize(
    ("answer", "why", "retryable", "asked"),
    [
        (text(401, '{"status":"ERROR","error":"Unknown API Key"}'), "answered 401: Unknown API Key", False, 1),
        (text(403, '{"message":"You are not entitled"}'), "answered 403: You are not entitled", False, 1),
        (text(403, f'{{"message":"key {KEY} is bad"}}'), r"key \*\*\* is bad", False, 1),
        (text(404, "404 page not found", "text/plain"), "answered 404 with text/plain, not JSON", False, 1),
        (text(200, "<html>log in</html>", "text/html"), "answered 200 with a web page", False, 1),
        (text(503, "<html>down</html>", "text/html"), "answered 503 with a web page", True, 4),
        (text(500, "{}"), "answered 500: an error without a text", True, 4),
        (text(302, "", Location="https://evil.example/"), "answered 302", False, 1),
        (text(418, "{}"), "answered 418: too many requests", False, 1),
        (text(200, '{"results":[{"price":"ten"}]}'), "does not document", False, 1),
        (text(200, '{"results":[{"price":NaN,"sip_timestamp":1}]}'), "does not document", False, 1),
        (text(200, '{"results":[{"price":1e300,"sip_timestamp":1}]}'), "a trade that cannot be", False, 1),
        (text(200, '{"results":[{"price":1}]}'), "it has no time", False, 1),
    ],
)
async def test_what_is_wrong_is_said(answer: Any, why: str, retryable: bool, asked: int) -> None:  # noqa: FBT001
    error = await failing(answer)
    assert re.search(why, str(error)), str(error)
    assert error.is_retryable is retryable
    assert error.asked == asked  # type: ignore[attr-defined]
    assert error.venue == "massive.stocks"


async def test_an_answer_that_never_ends_is_cut() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(b" " * 65_536)

    error = await failing(endless, limits=RestLimits(body=1 << 20, tries=1))
    assert "sent more than 1048576 bytes" in str(error)


async def test_a_bomb_counts_unpacked() -> None:
    body = gzip.compress(b" " * (8 << 20))
    answer = lambda _: web.Response(  # noqa: E731
        body=body, headers={"Content-Type": "application/json", "Content-Encoding": "gzip"}
    )
    error = await failing(answer, limits=RestLimits(body=1 << 20, tries=1))
    assert "sent more than 1048576 bytes" in str(error)


async def test_silence_has_an_end() -> None:
    async def silent(_: web.Request) -> None:
        await asyncio.sleep(5)

    error = await failing(silent, limits=RestLimits(total_s=0.1, tries=2, backoff_s=0.01))
    assert "did not answer in time" in str(error)
    assert error.is_retryable


async def test_too_many_requests_wait_as_long_as_the_venue_asks() -> None:
    times: list[float] = []

    def answer(_: web.Request) -> Any:
        times.append(time.monotonic())
        if len(times) == 1:
            return web.Response(status=429, headers={"Retry-After": "1", "Content-Type": "application/json"}, text="{}")
        return {"results": [TRADE]}

    async with venue_rest(answer) as rest:
        source = massive(rest.url)
        trades = await everything(source.trades("AAPL", START, START))
        await source.close()
    assert len(trades) == 1
    assert times[1] - times[0] >= 1.0


async def test_what_the_venue_says_is_used_counts() -> None:
    headers = {"X-MBX-USED-WEIGHT-1M": "1190"}
    limiter = RateLimiter(1_200, 60.0)
    async with venue_rest(lambda _: web.json_response([], headers=headers)) as rest:
        source = BinanceHistory("usdm", rest.url, limiter=limiter)
        assert [page async for page in source.trades("BTCUSDT", START, START)] == []
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await anext(source.trades("BTCUSDT", START, START))
        await source.close()
    assert len(rest.requests) == 1


async def test_the_limiter_never_lets_more_pass() -> None:
    now = [0.0]
    limiter = RateLimiter(5, 60.0, monotonic=lambda: now[0])
    for _ in range(5):
        await limiter.acquire()
    assert limiter.waited == 0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await limiter.acquire()
    now[0] = 60.0
    await limiter.acquire(5)
    limiter.pause(10)
    assert limiter.until == 70.0
    now[0] = 130.0
    await limiter.acquire(7)


def test_addresses_and_keys_are_checked() -> None:
    with pytest.raises(ConfigError, match="not encrypted"):
        MassiveHistory("stocks", "http://api.massive.com", KEY)
    with pytest.raises(ConfigError, match="scheme and a host only"):
        MassiveHistory("stocks", f"https://api.massive.com?apiKey={KEY}", KEY)
    with pytest.raises(ConfigError, match="must begin with https"):
        BinanceHistory("usdm", "ftp://fapi.binance.com")
    with pytest.raises(ConfigError, match="is not one of the venue's own"):
        MassiveHistory("stocks", "https://example.com")
    with pytest.raises(UnknownVenue, match=r"massive\.stocks"):
        MassiveHistory("stokcs", key=KEY)
    with pytest.raises(UnknownVenue, match=r"binance\.usdm"):
        BinanceHistory("usdt")
    assert KEY not in repr(vars(MassiveHistory("stocks", key=KEY)))


def test_without_aiohttp_the_extra_is_named() -> None:
    code = (
        "import asyncio, sys; sys.modules['aiohttp'] = None\n"
        "from ringtape.history import BinanceHistory\n"
        "async def ask():\n"
        "    async for _ in BinanceHistory().trades('BTCUSDT', 0, 0): pass\n"
        "asyncio.run(ask())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'ringtape[rest]'" in done.stderr


def test_decimals_are_rounded_as_the_engine_does() -> None:
    assert [e8(Decimal(text)) for text in ("1.000000005", "1.000000015", "-0.5")] == [
        100_000_000,
        100_000_002,
        -50_000_000,
    ]
    with pytest.raises(ValueError, match="out of range"):
        e8(Decimal("NaN"))
