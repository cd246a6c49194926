"""REST of the pretend venues over a real socket: plain HTTP, and the official client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import urllib.request
from typing import Any

from massive import RESTClient
from websockets.asyncio.client import connect

from ringtape.sim import Server, serve

LIMIT_S = 10.0


async def talk(server: Server, *requests: str) -> bytes:
    """Send requests on one connection, the last of which ends it, and return all that comes back."""
    reader, writer = await asyncio.open_connection(server.host, server.rest_port)
    writer.write("".join(requests).encode())
    data = await asyncio.wait_for(reader.read(), LIMIT_S)
    writer.close()
    return data


async def test_connections_are_kept_alive_and_closed_when_asked() -> None:
    async with serve() as server:
        kept = "GET /fapi/v1/ping HTTP/1.1\r\nHost: x\r\n\r\n"
        last = "GET /fapi/v1/time HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        data = await talk(server, kept, kept, last)
        assert data.count(b"HTTP/1.1 200 OK\r\n") == 3
        assert data.count(b"X-MBX-USED-WEIGHT-1M") == 3
        assert data.endswith(b"}")
        assert server.stats.requests == 3


async def test_the_form_of_a_body_counts_as_the_query() -> None:
    async with serve() as server:
        body = "symbol=BTCUSDT"
        head = f"POST /fapi/v1/listenKey HTTP/1.1\r\nX-MBX-APIKEY: any\r\nContent-Length: {len(body)}\r\n"
        data = await talk(server, head + "Connection: close\r\n\r\n" + body)
        assert len(json.loads(data.partition(b"\r\n\r\n")[2])["listenKey"]) == 64


async def test_what_is_no_request_is_refused() -> None:
    async with serve() as server:
        for wrong in (
            "nonsense\r\n\r\n",
            "GET / HTTP/2\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        ):
            assert (await talk(server, wrong)).startswith(b"HTTP/1.1 400 "), wrong
        assert await talk(server, "GET / HTTP/1.1\r\nX: " + "x" * 9000 + "\r\n\r\n") == b""
        assert server.stats.requests == 0


async def test_a_server_closes_with_idle_clients_of_rest() -> None:
    async with serve() as server:
        reader, writer = await asyncio.open_connection(server.host, server.rest_port)
        await asyncio.sleep(0.05)
    assert await asyncio.wait_for(reader.read(), LIMIT_S) == b""
    writer.close()


async def collect(server: Server, seconds: float) -> list[dict[str, Any]]:
    """Return the trades and second bars that a client of everything gets."""
    events: list[dict[str, Any]] = []
    async with connect(server.url + "/stocks", proxy=None, max_queue=None) as client:
        await client.send('{"action":"auth","params":"any"}')
        await client.send('{"action":"subscribe","params":"T.*,A.*"}')
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    events += json.loads(await client.recv())
    return events


async def test_the_official_client_reads_what_was_streamed() -> None:
    async with serve(symbols=5, rate=2_000) as server:
        events = await collect(server, 4.0)
        client = RESTClient(api_key="any", base=server.rest_url)

        def ask() -> tuple[list[Any], list[Any]]:
            trades = list(client.list_trades("SPY", order="asc", limit=100))
            bars = list(client.list_aggs("SPY", 1, "second", 0, 4_000_000_000_000, adjusted=False, limit=50_000))
            return trades, bars

        trades, bars = await asyncio.to_thread(ask)
    said = [(event["i"], event["p"], event["q"]) for event in events if event["ev"] == "T" and event["sym"] == "SPY"]
    got = [(trade.id, trade.price, trade.sequence_number) for trade in trades]
    # The market went on after the client had left.
    assert len(said) > 200
    assert got[: len(said)] == said
    seconds = [(event["s"], event["o"], event["c"]) for event in events if event["ev"] == "A" and event["sym"] == "SPY"]
    assert seconds
    assert [(bar.timestamp, bar.open, bar.close) for bar in bars][: len(seconds)] == seconds


async def test_binance_over_http() -> None:
    async with serve(symbols=2, rate=1_000) as server:
        async with connect(server.url + "/market/ws/btcusdt@aggTrade", proxy=None) as client:
            said = [json.loads(await client.recv()) for _ in range(50)]

        def ask() -> list[dict[str, Any]]:
            target = f"{server.rest_url}/fapi/v1/aggTrades?symbol=BTCUSDT&fromId={said[0]['a']}&limit=50"
            with urllib.request.urlopen(target) as reply:  # noqa: S310 - our own server
                assert reply.headers["X-MBX-USED-WEIGHT-1M"] == "20"
                rows: list[dict[str, Any]] = json.load(reply)
                return rows

        rows = await asyncio.to_thread(ask)
    assert rows == [{key: event[key] for key in rows[0]} for event in said]
