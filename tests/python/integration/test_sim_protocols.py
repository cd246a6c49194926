"""The pretend venues seen by an independent WebSocket client: what they answer, and what they leave unanswered."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from ringtape.errors import ConfigError
from ringtape.sim import Behaviour, Server, reference, serve

LIMIT_S = 5.0
SILENCE_S = 0.15
CONNECTED = {"ev": "status", "status": "connected", "message": "Connected Successfully"}


def status(word: str, message: str) -> dict[str, str]:
    return {"ev": "status", "status": word, "message": message}


async def receive(client: ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(client.recv(), LIMIT_S))


async def ask(client: ClientConnection, request: object) -> None:
    await client.send(request if isinstance(request, str | bytes) else json.dumps(request))


async def expect_silence(client: ClientConnection) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.recv(), SILENCE_S)


async def closed(client: ClientConnection) -> tuple[int, str, list[Any]]:
    """Return code and reason of the close, 1006 where the peer hung up, and what came before it."""
    got = []
    try:
        while True:
            got.append(await receive(client))
    except ConnectionClosed as end:
        return (end.rcvd.code, end.rcvd.reason, got) if end.rcvd else (1006, "", got)


@contextlib.asynccontextmanager
async def massive(server: Server, key: str = "any", path: str = "/stocks") -> AsyncIterator[ClientConnection]:
    """Connect and log in."""
    async with connect(server.url + path, proxy=None, max_queue=None) as client:
        assert await receive(client) == [CONNECTED]
        await ask(client, {"action": "auth", "params": key})
        assert await receive(client) == [status("auth_success", "authenticated")]
        yield client


async def subscribe(client: ClientConnection, params: str) -> None:
    await ask(client, {"action": "subscribe", "params": params})


class TestMassive:
    async def test_a_bad_key_is_refused_and_hung_up_on(self) -> None:
        async with serve() as server:
            for key in ("bad-key", ""):
                async with connect(server.url + "/stocks", proxy=None, max_queue=None) as client:
                    assert await receive(client) == [CONNECTED]
                    await ask(client, {"action": "auth", "params": key})
                    assert await closed(client) == (1006, "", [[status("auth_failed", "authentication failed")]])

    async def test_who_sends_no_key_is_let_go(self) -> None:
        async with (
            serve(behaviour=Behaviour(auth_timeout_s=0.05)) as server,
            connect(server.url + "/stocks", proxy=None, max_queue=None) as client,
        ):
            await subscribe(client, "T.*")
            code, _, got = await closed(client)
        assert code == 1006
        assert got == [[CONNECTED], [status("auth_timeout", "No authentication request received.")]]

    async def test_each_channel_is_confirmed_in_one_frame_before_its_data(self) -> None:
        async with serve(symbols=10) as server, massive(server) as client:
            # Old documentation puts blanks behind the commas.
            await subscribe(client, "T.SPY, Q.NOTATICKER,AM.*,LULD.*")
            names = ["T.SPY", "Q.NOTATICKER", "AM.*", "LULD.*"]
            assert await receive(client) == [status("success", f"subscribed to: {name}") for name in names]
            assert {event["sym"] for event in await receive(client)} == {"SPY"}

    async def test_unknown_channels_and_repetitions_get_no_answer(self) -> None:
        async with serve(symbols=10) as server, massive(server) as client:
            await subscribe(client, "ZZ.SPY,T,T.,XT.BTC-USD")
            await expect_silence(client)
            await subscribe(client, "T.NOTATICKER")
            assert await receive(client) == [status("success", "subscribed to: T.NOTATICKER")]
            await subscribe(client, "T.NOTATICKER")
            await expect_silence(client)
            await subscribe(client, "T.NOTATICKER,ZZ.SPY,Q.NOTATICKER,Q.NOTATICKER")
            assert await receive(client) == [status("success", "subscribed to: Q.NOTATICKER")]
            await expect_silence(client)

    @pytest.mark.parametrize(
        "message", ["", "nonsense", "[1]", "{}", '{"action":"subscribe","params":5}', '{"action":"dance","params":""}']
    )
    async def test_what_cannot_be_read_gets_no_answer(self, message: str) -> None:
        async with serve(symbols=10) as server, massive(server) as client:
            await ask(client, message)
            await ask(client, message.encode())
            await expect_silence(client)
            await subscribe(client, "T.NOTATICKER")
            assert await receive(client) == [status("success", "subscribed to: T.NOTATICKER")]

    async def test_unsubscribing_ends_the_data(self) -> None:
        async with serve(symbols=10) as server, massive(server) as client:
            await subscribe(client, "T.*,Q.SPY")
            await receive(client)
            await receive(client)
            await ask(client, {"action": "unsubscribe", "params": "T.*,Q.SPY,A.SPY"})
            while (got := await receive(client))[0]["ev"] != "status":
                pass
            assert got == [status("success", f"unsubscribed to: {name}") for name in ("T.*", "Q.SPY")]
            await expect_silence(client)

    async def test_a_channel_outside_the_plan_is_refused_without_naming_it(self) -> None:
        async with serve(behaviour=Behaviour(unentitled=frozenset({"NOI"}))) as server, massive(server) as client:
            await subscribe(client, "NOI.*,T.NOTATICKER")
            assert await receive(client) == [
                status("error", "not authorized"),
                status("success", "subscribed to: T.NOTATICKER"),
            ]

    @pytest.mark.parametrize("evict", ["newer", "older"])
    async def test_one_connection_too_many_costs_one_after_its_subscription(self, evict: str) -> None:
        behaviour = Behaviour(max_connections=1, evict=evict)
        gone = [status("max_connections", "Maximum number of websocket connections exceeded. ")]
        async with (
            serve(behaviour=behaviour) as server,
            massive(server) as older,
            massive(server) as newer,
            massive(server, path="/options") as other,
        ):
            await subscribe(other, "T.*")
            await subscribe(older, "T.NOTATICKER")
            await subscribe(newer, "T.NOTATICKER")
            confirmed = [status("success", "subscribed to: T.NOTATICKER")]
            assert await receive(older) == confirmed
            assert await receive(newer) == confirmed
            victim = newer if evict == "newer" else older
            assert await closed(victim) == (1008, "", [gone])
            assert await receive(other) == [status("success", "subscribed to: T.*")]
            await expect_silence(newer if victim is older else older)
            await expect_silence(other)

    async def test_other_markets_speak_and_carry_nothing(self) -> None:
        async with serve() as server:
            for path, name in [("/crypto", "XT.BTC-USD"), ("/futures/cme", "T.ESZ5"), ("/indices", "V.I:SPX")]:
                async with massive(server, path=path) as client:
                    await subscribe(client, f"{name},LULD.X")
                    assert await receive(client) == [status("success", f"subscribed to: {name}")]
                    await expect_silence(client)

    async def test_pings_closes_and_fragments_are_answered(self) -> None:
        async with serve(symbols=10) as server, massive(server) as client:
            await asyncio.wait_for(await client.ping(b"hello"), LIMIT_S)
            await client.send(['{"action":"subscribe",', '"params":"T.', 'NOTATICKER"}'])
            assert await receive(client) == [status("success", "subscribed to: T.NOTATICKER")]
            await client.close(1000, "bye")
            assert (client.close_code, client.close_reason) == (1000, "")

    async def test_too_long_a_message_costs_the_connection(self) -> None:
        async with serve(symbols=10) as server, massive(server) as client:
            await client.send("x" * (1 << 20))
            await expect_silence(client)
            await client.send(["x" * (1 << 19)] * 3)
            assert (await closed(client))[0] == 1009


@contextlib.asynccontextmanager
async def binance(server: Server, path: str) -> AsyncIterator[ClientConnection]:
    async with connect(server.url + path, proxy=None, max_queue=None) as client:
        yield client


async def reply(client: ClientConnection, method: str, *params: object, number: int = 1) -> Any:
    """Send a request and return its reply or the error; data in between is left out."""
    await ask(client, {"method": method, "params": list(params), "id": number})
    while True:
        got = await receive(client)
        if "result" in got or "error" in got:
            return got


def error(code: int, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "msg": message}}


class TestBinance:
    @pytest.mark.parametrize(
        ("path", "kinds"),
        [
            ("/public/ws/btcusdt@bookTicker/btcusdt@trade", {"bookTicker", "trade"}),
            ("/market/ws/btcusdt@aggTrade/btcusdt@markPrice@1s", {"aggTrade", "markPriceUpdate"}),
            ("/market/ws/btcusdt%40aggTrade", {"aggTrade"}),
            # The venue's root behaves as /public since the split.
            ("/ws/btcusdt@bookTicker/btcusdt@aggTrade", {"bookTicker"}),
        ],
    )
    async def test_raw_payloads(self, path: str, kinds: set[str]) -> None:
        async with serve(symbols=5) as server, binance(server, path) as client:
            got = set()
            while got != kinds:
                payload = await receive(client)
                assert payload["s"] == "BTCUSDT"
                got.add(payload["e"])
            assert got == kinds

    @pytest.mark.parametrize("path", ["/market/stream?streams=btcusdt@aggTrade/ethusdt@aggTrade"])
    async def test_the_combined_envelope(self, path: str) -> None:
        async with serve(symbols=5) as server, binance(server, path) as client:
            got = set()
            while got != {"btcusdt@aggTrade", "ethusdt@aggTrade"}:
                frame = await receive(client)
                assert list(frame) == ["stream", "data"]
                assert frame["stream"] == f"{frame['data']['s'].lower()}@{frame['data']['e']}"
                got.add(frame["stream"])
            assert await reply(client, "GET_PROPERTY", "combined") == {"result": True, "id": 1}

    @pytest.mark.parametrize(
        ("path", "stream"),
        [
            ("/public", "btcusdt@aggTrade"),
            ("/public/ws", "btcusdt@kline_1m"),
            ("/public/stream", "btcusdt@markPrice@1s"),
            ("/market/ws", "btcusdt@bookTicker"),
            ("/market/ws", "BTCUSDT@aggTrade"),
            ("/market/ws", "nosuch@aggTrade"),
            ("/market/ws", "btcusdt@nonsense"),
        ],
    )
    async def test_a_wrong_path_or_stream_is_confirmed_and_silent(self, path: str, stream: str) -> None:
        async with serve(symbols=5) as server, binance(server, path) as client:
            assert await reply(client, "SUBSCRIBE", stream, number=312) == {"result": None, "id": 312}
            assert await reply(client, "LIST_SUBSCRIPTIONS", number=3) == {"result": [stream], "id": 3}
            await expect_silence(client)

    async def test_requests_and_replies(self) -> None:
        async with serve(symbols=5) as server, binance(server, "/public/ws") as client:
            assert await reply(client, "LIST_SUBSCRIPTIONS", number=0) == {"result": [], "id": 0}
            assert await reply(client, "UNSUBSCRIBE", "never@had", number=1) == {"result": None, "id": 1}
            assert await reply(client, "GET_PROPERTY", "combined", number=2) == {"result": False, "id": 2}
            names = ["ethusdt@bookTicker", "btcusdt@bookTicker"]
            largest = 2**64 - 1
            assert await reply(client, "SUBSCRIBE", *names, number=largest) == {"result": None, "id": largest}
            assert (await receive(client))["e"] == "bookTicker"
            assert await reply(client, "SET_PROPERTY", "combined", True, number=4) == {"result": None, "id": 4}
            while "stream" not in (await receive(client)):
                pass
            assert await reply(client, "LIST_SUBSCRIPTIONS", number=5) == {"result": sorted(names), "id": 5}
            assert await reply(client, "UNSUBSCRIBE", *names, number=6) == {"result": None, "id": 6}
            await expect_silence(client)
            assert await reply(client, "LIST_SUBSCRIPTIONS", number=7) == {"result": [], "id": 7}

    @pytest.mark.parametrize(
        ("request_", "answer"),
        [
            ("nonsense", error(3, "Invalid JSON: expected value at line 1 column 1")),
            ("[]", error(2, "Invalid request: missing field `method` at line 1 column 2")),
            ({"method": "SUBSCRIBE", "params": ["a@b"]}, 2),
            ({"method": "SUBSCRIBE", "params": ["a@b"], "id": "x"}, 2),
            ({"method": "SUBSCRIBE", "params": ["a@b"], "id": -1}, 2),
            ({"method": "SUBSCRIBE", "params": ["a@b"], "id": True}, 2),
            ({"method": "SUBSCRIBE", "params": ["a@b"], "id": 2**64}, 2),
            ({"method": "SUBSCRIBE", "params": [5], "id": 1}, 2),
            ({"method": "SUBSCRIBE", "params": "a@b", "id": 1}, 2),
            ({"method": "DANCE", "params": [], "id": 1}, 2),
            ({"method": "GET_PROPERTY", "params": ["colour"], "id": 1}, error(0, "Unknown property")),
            ({"method": "GET_PROPERTY", "params": [1], "id": 1}, 2),
            ({"method": "GET_PROPERTY", "params": ["combined", True], "id": 1}, 2),
            ({"method": "SET_PROPERTY", "params": ["combined", 1], "id": 1}, 1),
            ({"method": "SET_PROPERTY", "params": ["combined"], "id": 1}, 1),
        ],
    )
    async def test_bad_requests_get_the_code_of_the_documentation(
        self, request_: object, answer: int | dict[str, Any]
    ) -> None:
        async with serve(symbols=5) as server, binance(server, "/public/ws") as client:
            await ask(client, request_)
            got = await receive(client)
            assert got == answer or got["error"]["code"] == answer
            assert await reply(client, "LIST_SUBSCRIPTIONS") == {"result": [], "id": 1}

    async def test_one_stream_too_many_costs_the_connection(self) -> None:
        names = [f"s{number}@trade" for number in range(1024)]
        async with serve(symbols=5) as server:
            async with binance(server, "/public/ws") as client:
                for start in range(0, 1024, 256):
                    assert await reply(client, "SUBSCRIBE", *names[start : start + 256]) == {"result": None, "id": 1}
                # A stream that is held counts once.
                assert await reply(client, "SUBSCRIBE", names[0]) == {"result": None, "id": 1}
                assert await reply(client, "SUBSCRIBE", "one@more") == error(4, "Too many subscriptions")
                assert await closed(client) == (1008, "Invalid request", [])
            async with binance(server, "/public/stream?streams=" + "/".join([*names, "one@more"])) as client:
                assert await closed(client) == (1008, "Invalid request", [error(4, "Too many subscriptions")])

    async def test_too_many_requests_cost_the_connection(self) -> None:
        async with serve(symbols=5) as server, binance(server, "/public/ws") as client:
            for number in range(40):
                await ask(client, {"method": "LIST_SUBSCRIPTIONS", "id": number})
            answers = [{"result": [], "id": number} for number in range(15)]
            assert await closed(client) == (1008, "Too many requests", answers)

    async def test_the_server_pings_and_drops_who_never_answers(self) -> None:
        async with serve(behaviour=Behaviour(ping_s=0.02, pong_s=0.2)) as server:
            async with binance(server, "/public/ws") as client:
                await expect_silence(client)
                await asyncio.sleep(0.3)
                assert await reply(client, "LIST_SUBSCRIPTIONS") == {"result": [], "id": 1}
            reader, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(
                b"GET /public/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            _, _, frames = (await asyncio.wait_for(reader.read(), LIMIT_S)).partition(b"\r\n\r\n")
            writer.close()
        # The payload is the time in milliseconds, as text.
        assert frames[:2] == b"\x89\x0d"
        assert frames[2:15].isdigit()


class TestPaths:
    @pytest.mark.parametrize("path", ["/", "/stock", "/private/x", "/public/x", "/market/stream/x", "/stocks/"])
    async def test_what_is_not_served_is_not_found(self, path: str) -> None:
        async with serve() as server:
            with pytest.raises(InvalidStatus) as refused:
                await connect(server.url + path, proxy=None)
            assert refused.value.response.status_code == 404
            assert server.stats.refused == 1

    async def test_there_is_room_for_so_many_clients(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ringtape.sim.host._PEERS_MAX", 1)
        async with serve() as server:
            async with massive(server):
                with pytest.raises(InvalidStatus) as refused:
                    await connect(server.url + "/stocks", proxy=None)
                assert refused.value.response.status_code == 503
            async with massive(server):
                pass


def test_reference_is_the_markets_own_and_smaller_markets_lead_larger_ones() -> None:
    closes = reference(seed=7, symbols=500)
    assert len(closes) == 500
    assert all(price > 0 for price in closes.values())
    assert list(reference(seed=7, symbols=3).items()) == list(closes.items())[:3]
    assert reference(seed=8, symbols=3) != reference(seed=7, symbols=3)
    assert list(reference(seed=8, symbols=3)) == list(reference(seed=7, symbols=3))
    assert "BTCUSDT" in reference(seed=7, symbols=3, kind="crypto")


@pytest.mark.parametrize("wrong", [{"symbols": 0}, {"rate": 0}, {"rate": 2**80}, {"seed": -1}, {"seed": 2**64}])
def test_a_market_that_cannot_be_is_refused_at_once(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Server(**wrong)


def test_venues_that_cannot_be_are_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="batch is 0"):
        Behaviour(batch=0)
    with pytest.raises(ConfigError, match="max_connections is -1"):
        Behaviour(max_connections=-1)
