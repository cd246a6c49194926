"""Every fault of the pretend venues, seen at a plain client over a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import struct
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trustme
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from ringtape.sim import Behaviour, Script, Server, faults

LIMIT_S = 8.0
SILENCE_S = 0.25
TRADES = "btcusdt@aggTrade"
MARKET = f"/market/ws/{TRADES}"


def server(*orders: faults.Fault, **options: Any) -> Server:
    """Return a small and busy server that records what it does."""
    settings: dict[str, Any] = {"symbols": 4, "rate": 2_000, "record": True, "script": Script(faults=orders, seed=5)}
    return Server(**(settings | options))


@contextlib.asynccontextmanager
async def crypto(venue: Server, path: str = MARKET) -> AsyncIterator[ClientConnection]:
    async with connect(venue.url + path, proxy=None, max_queue=None, ping_interval=None) as client:
        yield client


@contextlib.asynccontextmanager
async def stocks(venue: Server, params: str = "T.*") -> AsyncIterator[ClientConnection]:
    """Connect, log in and subscribe."""
    async with connect(venue.url + "/stocks", proxy=None, max_queue=None, ping_interval=None) as client:
        await client.send('{"action":"auth","params":"any"}')
        await client.send(json.dumps({"action": "subscribe", "params": params}))
        yield client


async def receive(client: ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(client.recv(), LIMIT_S))


async def rest(client: ClientConnection) -> tuple[int, list[Any]]:
    """Return the code of the end, 1006 where there was no close frame, and what came before it."""
    got: list[Any] = []
    try:
        while True:
            got.append(await receive(client))
    except ConnectionClosed as end:
        return (end.rcvd.code if end.rcvd else 1006), got


async def some(client: ClientConnection, count: int) -> list[Any]:
    return [await receive(client) for _ in range(count)]


async def listen(client: ClientConnection, seconds: float) -> list[Any]:
    """Return what comes within a time."""
    got: list[Any] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                got.append(json.loads(await client.recv()))
    return got


def ids(events: list[Any]) -> list[int]:
    return [event["a"] for event in events if event.get("e") == "aggTrade"]


def holes(numbers: list[int]) -> list[int]:
    return sorted(set(range(numbers[0], numbers[-1] + 1)) - set(numbers))


def told(venue: Server, fate: str, number: int = 1) -> list[Any]:
    """Return what the venue's log says of a connection."""
    return [json.loads(sent.text) for sent in venue.log if sent.fate == fate and sent.number == number]


def upgrade(path: str) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


class Raw:
    """A client that sees frames and bytes as they come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, venue: Server, path: str = MARKET) -> Raw:
        reader, writer = await asyncio.open_connection(venue.host, venue.port)
        writer.write(upgrade(path))
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), LIMIT_S)
        return cls(reader, writer)

    async def frame(self) -> tuple[int, bytes]:
        """Return first byte and payload of the next frame; the mask bit is in the second value of a masked one."""
        first, second = await asyncio.wait_for(self.reader.readexactly(2), LIMIT_S)
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
        if second & 0x80:
            assert await self.reader.readexactly(4) == bytes(4)
        return first | (second & 0x80) << 1, await self.reader.readexactly(size)

    def send(self, opcode: int, payload: bytes = b"") -> None:
        self.writer.write(bytes((0x80 | opcode, 0x80 | len(payload))) + bytes(4) + payload)

    async def read_on(self) -> None:
        """Read and forget until the end."""
        while await asyncio.wait_for(self.reader.read(1 << 16), LIMIT_S):
            pass

    def close(self) -> None:
        self.writer.transport.abort()


class Parts(asyncio.Protocol):
    """Keeps every read of a socket as it came."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def data_received(self, data: bytes) -> None:
        self.parts.append(data)


@pytest.fixture(autouse=True)
def short_goodbyes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raw clients answer no close frame; a server need not wait for them."""
    monkeypatch.setattr("ringtape.sim.server._GOODBYE_S", 0.05)


@pytest.fixture
async def raw() -> AsyncIterator[Any]:
    """Open raw clients and close them in the end."""
    clients: list[Raw] = []

    async def make(venue: Server, path: str = MARKET) -> Raw:
        clients.append(await Raw.open(venue, path))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


class TestEnds:
    async def test_a_reset_is_a_reset(self, raw: Any) -> None:
        async with server(faults.Reset(after_frames=5)) as venue:
            client = await raw(venue)
            with pytest.raises(ConnectionResetError):
                await client.read_on()
            assert len(told(venue, "sent")) == 5
            assert venue.stats.faults == {"reset": 1}

    @pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1012, 1013, 4000, 4999])
    async def test_a_close_of_any_code_comes_after_just_so_many_frames(self, code: int) -> None:
        async with server(faults.Close(code=code, reason="ordered", after_frames=7)) as venue:
            async with crypto(venue) as client:
                assert await rest(client) == (code, told(venue, "sent"))
            assert len(told(venue, "sent")) == 7

    @pytest.mark.parametrize("code", [0, 999, 1005, 1006, 1015, 5000, 65535])
    async def test_codes_that_must_not_be_sent_can_be(self, code: int, raw: Any) -> None:
        async with server(faults.Close(code=code, after_frames=1)) as venue:
            client = await raw(venue)
            assert (await client.frame())[0] == 0x81
            assert await client.frame() == (0x88, struct.pack("!H", code))

    async def test_a_hang_up_has_no_close_frame(self, raw: Any) -> None:
        async with server(faults.HangUp(after_frames=3)) as venue:
            client = await raw(venue)
            assert [(await client.frame())[0] for _ in range(3)] == [0x81] * 3
            assert await asyncio.wait_for(client.reader.read(), LIMIT_S) == b""

    @pytest.mark.parametrize(("code", "wanted"), [(0, 1006), (1001, 1001)])
    @pytest.mark.parametrize("announce_s", [0.0, 0.2])
    async def test_the_end_of_life_with_and_without_a_word(self, code: int, wanted: int, announce_s: float) -> None:
        order = faults.EndOfLife(after_s=0.2, announce_s=announce_s, code=code)
        async with server(order) as venue, crypto(venue) as client:
            end, got = await rest(client)
        assert end == wanted
        words = [event for event in got if event.get("e") == "serverShutdown"]
        assert len(words) == (1 if announce_s else 0)
        if announce_s:
            assert abs(words[0]["E"] - time.time() * 1000) < 60_000
            assert got.index(words[0]) < len(got) - 1

    async def test_the_announcement_of_a_combined_connection_has_a_stream(self) -> None:
        order = faults.EndOfLife(after_s=0.05, announce_s=0.1)
        async with server(order) as venue, crypto(venue, f"/market/stream?streams={TRADES}") as client:
            _, got = await rest(client)
        assert "serverShutdown" in [each["data"]["e"] for each in got if each["stream"] == "!serverShutdown"]

    async def test_a_connection_of_binance_has_a_life_of_its_own(self) -> None:
        async with server(behaviour=Behaviour(life_s=0.3)) as venue, crypto(venue) as client:
            end, got = await rest(client)
        assert end == 1006
        assert got

    async def test_one_is_evicted_whoever_else_is_there(self) -> None:
        async with server(faults.Evict(after_s=0.2)) as venue, stocks(venue) as client:
            end, got = await rest(client)
        assert end == 1008
        assert got[-1][0]["status"] == "max_connections"

    async def test_a_slow_consumer_gets_later_and_later_data_then_a_warning_then_the_end(self) -> None:
        order = faults.SlowConsumer(on="subscribe", growth=0.9, warn_s=0.5, limit_s=1.0)
        async with server(order) as venue:
            delays, words = [], []
            async with stocks(venue) as client:
                end = 0
                while not end:
                    try:
                        frame = await receive(client)
                    except ConnectionClosed as closed:
                        end = closed.rcvd.code
                        continue
                    words += [event["status"] for event in frame if event["ev"] == "status"]
                    times = [event["t"] for event in frame if event["ev"] == "T"]
                    delays += [time.time() * 1000 - max(times)] if times else []
            assert end == 1008
            assert words[-2:] == ["slow_consumer", "force_disconnect"]
            assert delays[-1] > delays[0] + 300
            assert venue.stats.slow_clients == 1
            assert {sent.fault for sent in venue.log if sent.fate == "withheld"} == {"slow_consumer"}


class TestSilence:
    async def test_a_black_hole_swallows_both_ways_and_says_nothing(self, raw: Any) -> None:
        async with server(faults.BlackHole(after_s=0.3, for_s=0.6, path="/market")) as venue:
            client, other = await raw(venue), await raw(venue, "/public/ws/btcusdt@bookTicker")
            opcode, _ = await client.frame()
            assert opcode == 0x81
            while not venue.stats.faults:
                await asyncio.wait_for(client.reader.read(1 << 16), LIMIT_S)
            client.send(0x9, b"?")
            client.send(0x1, b'{"method":"LIST_SUBSCRIPTIONS","id":1}')
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.read_on(), 0.3)
            other.send(0x9, b"!")
            while (await other.frame()) != (0x8A, b"!"):
                pass
            # What was said meanwhile is lost, and so is the question.
            while not (data := await asyncio.wait_for(client.reader.read(1 << 16), LIMIT_S)):
                pass
            assert b"result" not in data
            assert holes(ids(told(venue, "sent"))) == ids(told(venue, "withheld"))
            assert len(told(venue, "withheld")) > 10

    async def test_a_stall_keeps_everything_for_later(self) -> None:
        async with server(faults.Stall(after_s=0.2, for_s=0.5)) as venue, crypto(venue) as client:
            got, gaps, last = [], [], time.monotonic()
            while len(gaps) < 400:
                got.append(await receive(client))
                gaps.append(time.monotonic() - last)
                last = time.monotonic()
            assert max(gaps) > 0.3
            assert holes(ids(got)) == []
            assert venue.stats.withheld == 0

    async def test_one_silent_stream_while_the_others_go_on(self) -> None:
        order = faults.Silence(stream="btcusdt@aggTrade", after_s=0.3)
        path = "/market/stream?streams=btcusdt@aggTrade/ethusdt@aggTrade/btcusdt@markPrice@1s"
        async with server(order, rate=4_000) as venue, crypto(venue, path) as client:
            got = await listen(client, 1.6)
        streams = [each["stream"] for each in got]
        last = len(streams) - 1 - streams[::-1].index("btcusdt@aggTrade")
        assert streams[last:].count("ethusdt@aggTrade") > 50
        assert "btcusdt@markPrice@1s" in streams[last:]
        assert {each["stream"] for each in told(venue, "withheld")} == {"btcusdt@aggTrade"}

    async def test_one_silent_channel_within_massives_frames(self) -> None:
        order = faults.Silence(stream="T.SPY", on="subscribe")
        async with server(order) as venue, stocks(venue, "T.SPY,T.NVDA") as client:
            got = [event for frame in await listen(client, 0.6) for event in frame if event["ev"] == "T"]
            assert {event["sym"] for event in got} == {"NVDA"}
            withheld = told(venue, "withheld")
            assert {event["sym"] for event in withheld} == {"SPY"}
            frames = [event for sent in told(venue, "sent") for event in sent]
            assert frames[: len(got)] == got

    async def test_a_confirmation_without_data(self) -> None:
        async with server(faults.Silence()) as venue, crypto(venue, "/market/ws") as client:
            await client.send(json.dumps({"method": "SUBSCRIBE", "params": [TRADES], "id": 3}))
            assert await receive(client) == {"result": None, "id": 3}
            assert await listen(client, SILENCE_S) == []
            await asyncio.wait_for(await client.ping(), LIMIT_S)
            assert venue.stats.withheld > 0

    async def test_a_deaf_venue_neither_answers_nor_does(self) -> None:
        async with server(faults.Deaf(for_s=0.4)) as venue, crypto(venue) as client:
            await client.send(json.dumps({"method": "UNSUBSCRIBE", "params": [TRADES], "id": 1}))
            got = await listen(client, 0.6)
            assert len(ids(got)) > 20
            assert len(ids(got)) == len(got)
            await client.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 2}))
            while "result" not in (answer := await receive(client)):
                pass
            assert answer == {"result": [TRADES], "id": 2}


class TestRefusals:
    @pytest.mark.parametrize(
        ("answer", "word"), [("failed", "auth_failed"), ("plan", "auth_failed"), ("timeout", "auth_timeout")]
    )
    async def test_a_key_is_refused(self, answer: Any, word: str) -> None:
        async with server(faults.Auth(answer=answer)) as venue, stocks(venue) as client:
            end, got = await rest(client)
        assert end == 1006
        assert [frame[0]["status"] for frame in got] == ["connected", word]

    async def test_a_key_gets_no_answer(self) -> None:
        order = faults.Auth(answer="silent")
        async with server(order, behaviour=Behaviour(auth_timeout_s=0.3)) as venue, stocks(venue) as client:
            end, got = await rest(client)
        assert [frame[0]["status"] for frame in got] == ["connected", "auth_timeout"]
        assert end == 1006

    async def test_only_the_second_connection_is_refused(self) -> None:
        async with server(faults.Auth(path="/stocks", peer=2)) as venue:
            ends = []
            for _ in range(3):
                async with stocks(venue) as client:
                    ends.append([frame[0]["status"] for frame in await some(client, 2)][1])
        assert ends == ["auth_success", "auth_failed", "auth_success"]

    async def test_a_channel_is_not_authorized(self) -> None:
        async with server(faults.Unauthorized(stream="Q.*")) as venue, stocks(venue, "Q.SPY,T.SPY") as client:
            _, _, answers = await some(client, 3)
        assert [answer["message"] for answer in answers] == ["not authorized", "subscribed to: T.SPY"]

    @pytest.mark.parametrize(("status", "html"), [(429, False), (503, True), (403, True)])
    async def test_a_stream_is_not_opened(self, status: int, html: bool) -> None:  # noqa: FBT001 - a parameter
        order = faults.Http(path="/market", status=status, html=html, retry_after_s=7, count=1)
        async with server(order) as venue:
            with pytest.raises(InvalidStatus) as refused:
                await connect(venue.url + MARKET, proxy=None)
            response = refused.value.response
            assert response.status_code == status
            assert response.headers["Retry-After"] == "7"
            assert response.body.startswith(b"<html>" if html else b"{")
            async with crypto(venue) as client:
                assert await receive(client)

    async def test_a_stream_is_sent_elsewhere(self) -> None:
        order = faults.Http(path="/market", status=302, location="wss://elsewhere.invalid/")
        async with server(order) as venue:
            client = await asyncio.open_connection(venue.host, venue.port)
            client[1].write(upgrade(MARKET))
            head = await asyncio.wait_for(client[0].readuntil(b"\r\n\r\n"), LIMIT_S)
            client[1].close()
        assert head.startswith(b"HTTP/1.1 302 ")
        assert b"location: wss://elsewhere.invalid/" in head.lower()

    async def test_a_certificate_of_another_host(self) -> None:
        authority = trustme.CA()
        tls, trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
        authority.configure_trust(trust)
        authority.issue_cert("elsewhere.invalid").configure_cert(tls)
        async with server(tls=tls) as venue:
            assert (venue.url[:6], venue.rest_url[:8]) == ("wss://", "https://")
            for port in (venue.port, venue.rest_port):
                with pytest.raises(ssl.SSLCertVerificationError):
                    await asyncio.open_connection(venue.host, port, ssl=trust)
                _, writer = await asyncio.open_connection(
                    venue.host, port, ssl=trust, server_hostname="elsewhere.invalid"
                )
                writer.close()


class TestEvents:
    async def test_dropped_events_are_missing_and_no_others(self) -> None:
        order = faults.Drop(share=0.3, stream=TRADES)
        async with server(order) as venue, crypto(venue) as client:
            got = ids(await some(client, 300))
        withheld = [number for number in ids(told(venue, "withheld")) if got[0] < number < got[-1]]
        assert holes(got) == withheld
        assert 60 < len(withheld) < 220

    async def test_just_so_many_are_dropped(self) -> None:
        async with server(faults.Drop(after_frames=20, count=5)) as venue, crypto(venue) as client:
            got = ids(await some(client, 100))
        assert holes(got) == list(range(got[19] + 1, got[19] + 6))

    async def test_duplicates_come_right_behind(self) -> None:
        async with server(faults.Duplicate(share=0.5)) as venue, crypto(venue) as client:
            got = ids(await some(client, 300))
        assert got == sorted(got)
        assert holes(got) == []
        twice = [number for number in set(got) if got.count(number) == 2]
        assert 50 < len(twice) < 150
        assert set(twice) <= set(ids(told(venue, "repeated")))

    async def test_reordered_events_are_all_there(self) -> None:
        async with server(faults.Reorder(window=20)) as venue, crypto(venue) as client:
            got = ids(await some(client, 200))
        assert holes(got) == []
        assert len(set(got)) == 200
        assert got != sorted(got)
        assert [sorted(got[start : start + 20]) for start in range(0, 200, 20)] == [
            list(range(got_min, got_min + 20)) for got_min in range(min(got), min(got) + 200, 20)
        ]

    async def test_reordering_that_ends_keeps_nothing_back(self) -> None:
        async with server(faults.Reorder(window=10_000, for_s=0.3)) as venue, crypto(venue) as client:
            got = ids(await some(client, 100))
        assert got == list(range(got[0], got[0] + 100))
        assert venue.stats.withheld == 0

    async def test_the_last_frames_are_sent_again_after_a_reconnect(self) -> None:
        order = faults.Replay(count=25, on="subscribe", peer=2)
        async with server(order) as venue:
            async with crypto(venue) as client:
                before = ids(await some(client, 60))
            async with crypto(venue) as client:
                after = ids(await some(client, 60))
            sent = ids(told(venue, "sent", 1))
        assert after[:25] == sent[-25:]
        assert after[25] > sent[-1]
        assert sent[: len(before)] == before

    async def test_massives_frames_are_sent_again_too(self) -> None:
        async with server(faults.Replay(count=3, after_frames=10)) as venue, stocks(venue) as client:
            frames = [frame for frame in await some(client, 20) if frame[0]["ev"] == "T"]
        assert frames[10:13] == frames[7:10]

    async def test_garbage_of_every_kind(self, raw: Any) -> None:
        kinds = [*faults.Garbage.__annotations__]
        assert "what" in kinds
        for what, first in (
            ("text", 0x81), ("cut", 0x81), ("binary", 0x82), ("utf8", 0x81), ("nan", 0x81), ("bom", 0x81),
            ("deep", 0x81), ("control", 0x81), ("object", 0x81), ("number", 0x81),
            ("opcode", 0x83), ("rsv", 0xC1), ("mask", 0x181),
        ):  # fmt: skip
            async with server(faults.Garbage(what=what, after_frames=2, count=2)) as venue:
                client = await raw(venue)
                frames = [await client.frame() for _ in range(6)]
                assert frames[2] == frames[3]
                assert frames[2][0] == first, what
                good = [json.loads(payload) for opcode, payload in (*frames[:2], *frames[4:]) if opcode == 0x81]
                assert holes(ids(good)) == []
                assert venue.stats.faults == {"garbage": 1}


class TestBytes:
    async def test_a_byte_at_a_time(self) -> None:
        async with server(faults.Slice(), rate=200) as venue:
            transport, parts = await asyncio.get_running_loop().create_connection(Parts, venue.host, venue.port)
            transport.write(upgrade(MARKET))
            async with asyncio.timeout(LIMIT_S):
                while len(parts.parts) < 2_000:
                    await asyncio.sleep(0.01)
            transport.abort()
            sizes = [len(part) for part in parts.parts]
            assert sizes.count(1) > 1_500
            data = b"".join(parts.parts).partition(b"\r\n\r\n")[2]
            sent = told(venue, "sent")
        frames = []
        while len(data) > 4 and len(data) >= (end := 4 + int.from_bytes(data[2:4], "big")):
            frames.append(json.loads(data[4:end]))
            data = data[end:]
        assert frames == sent[: len(frames)]
        assert len(frames) > 5

    async def test_control_frames_never_come_in_between(self) -> None:
        async with server(faults.Slice(size=7)) as venue, crypto(venue) as client:
            for _ in range(20):
                await asyncio.wait_for(await client.ping(), LIMIT_S)
                assert await receive(client)

    async def test_much_in_one_write(self, raw: Any) -> None:
        async with server(faults.Coalesce(size=1 << 20, hold_s=0.5)) as venue:
            client = await raw(venue)
            first = await asyncio.wait_for(client.reader.read(1 << 24), LIMIT_S)
            assert len(first) > 10_000
            assert first.count(b'"aggTrade"') > 50

    async def test_sixteen_megabytes_in_one_write(self) -> None:
        order = faults.Coalesce(size=16 << 20, hold_s=30.0)
        roomy = Behaviour(write_buffer=64 << 20)
        async with server(order, rate=400_000, behaviour=roomy) as venue, crypto(venue) as client:
            await asyncio.wait_for(client.recv(), 30.0)
            assert venue.stats.bytes >= 16 << 20

    @pytest.mark.parametrize("pings", [False, True])
    async def test_fragments_with_and_without_pings_between(self, pings: Any, raw: Any) -> None:
        order = faults.Fragment(size=30, pings=pings)
        async with server(order) as venue:
            async with crypto(venue) as client:
                got = await some(client, 50)
            assert holes(ids(got)) == []
            client = await raw(venue)
            opcodes = [(await client.frame())[0] for _ in range(9)]
        between = [0x89] if pings else []
        assert opcodes[: 2 + 2 * len(between)] == [0x01, *between, 0x00, *between]
        assert (0x89 in opcodes) == pings


class TestVenue:
    async def test_a_burst_lasts_its_time(self) -> None:
        order = faults.Burst(at_s=1.0, for_s=1.0, factor=10.0, path="/market")
        async with server(order, rate=500) as venue, crypto(venue, f"/market/stream?streams={STREAMS}") as client:
            before = len(await listen(client, 0.9))
            burst = len(await listen(client, 1.1))
            after = len(await listen(client, 1.0))
        assert burst > 4 * before
        assert after < burst / 2
        assert venue.stats.faults == {"burst": 1}

    @pytest.mark.parametrize("skew_s", [-90.0, 1.27, 3600.0])
    async def test_a_skewed_clock(self, skew_s: float) -> None:
        async with server(faults.Skew(skew_s=skew_s)) as venue, crypto(venue) as client:
            event = (await some(client, 20))[-1]
        for key in ("E", "T"):
            assert abs(event[key] / 1000 - time.time() - skew_s) < 5

    @pytest.mark.parametrize("combined", [False, True])
    async def test_a_listen_key_ends_and_its_connection_stays(self, combined: Any) -> None:
        order = faults.ListenKeyExpired(at_s=0.5)
        async with server(order) as venue:
            key = await asyncio.to_thread(post_listen_key, venue)
            path = f"/private/{'stream' if combined else 'ws'}?listenKey={key}"
            async with crypto(venue, path) as client, crypto(venue, "/private/ws/another") as other:
                event = await receive(client)
                event = event["data"] if combined else event
                assert event["e"] == "listenKeyExpired"
                assert event["listenKey"] == key
                assert await listen(client, SILENCE_S) == []
                assert await listen(other, SILENCE_S) == []
                assert await asyncio.to_thread(post_listen_key, venue) != key

    @pytest.mark.parametrize("status", [418, 429, 500])
    async def test_rest_refuses(self, status: int) -> None:
        order = faults.Http(path="/fapi", status=status, retry_after_s=3, count=2)
        async with server(order) as venue:
            heads = [await get(venue, "/fapi/v1/ping") for _ in range(3)]
            assert [head.split(" ")[1] for head, _ in heads] == [str(status), str(status), "200"]
            assert "Retry-After: 3" in heads[0][0]
            assert json.loads(heads[0][1]).keys() == {"code", "msg"}

    async def test_rest_answers_with_a_page_or_not_at_all(self) -> None:
        page, never = faults.Http(path="/v3", status=502, html=True), faults.Http(path="/v2", timeout=True)
        async with server(page, never) as venue:
            head, body = await get(venue, "/v3/trades/SPY")
            assert "text/html" in head
            assert body.startswith(b"<html>")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(get(venue, "/v2/aggs/ticker/SPY/range/1/minute/1/2"), SILENCE_S)


STREAMS = "/".join(f"{symbol}@aggTrade" for symbol in ("btcusdt", "ethusdt", "solusdt", "xrpusdt"))


def post_listen_key(venue: Server) -> str:
    """Ask for a key as a program does, with no web client at hand."""
    return asyncio.run(_post(venue))


async def _post(venue: Server) -> str:
    _, body = await get(venue, "/fapi/v1/listenKey", "POST")
    key: str = json.loads(body)["listenKey"]
    return key


async def get(venue: Server, target: str, method: str = "GET") -> tuple[str, bytes]:
    """Return head and body of an answer."""
    reader, writer = await asyncio.open_connection(venue.host, venue.rest_port)
    writer.write(f"{method} {target} HTTP/1.1\r\nX-MBX-APIKEY: any\r\nConnection: close\r\n\r\n".encode())
    try:
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        return head.decode(), body
    finally:
        writer.close()


class TestTimes:
    async def test_again_and_again_with_jitter(self) -> None:
        async with server(faults.Close(every_s=0.3, jitter_s=0.1)) as venue:
            for _ in range(4):
                async with crypto(venue) as client:
                    assert (await rest(client))[0] == 1000
            times = [strike.at_s for strike in venue.strikes]
        for place, at_s in enumerate(times[:4], 1):
            assert place * 0.3 - 0.11 <= at_s
        assert len({round(at_s % 0.3, 3) for at_s in times}) > 1

    async def test_no_more_than_so_many_times(self) -> None:
        async with server(faults.HangUp(after_s=0.05, times=2)) as venue:
            for wanted in (1006, 1006):
                async with crypto(venue) as client:
                    assert (await rest(client))[0] == wanted
            async with crypto(venue) as client:
                assert await listen(client, 0.4)
            assert venue.stats.faults == {"hang_up": 2}

    async def test_between_login_and_subscription(self) -> None:
        async with server(faults.HangUp(on="auth", peer=1)) as venue:
            async with connect(venue.url + "/stocks", proxy=None) as client:
                await client.send('{"action":"auth","params":"any"}')
                end, got = await rest(client)
                assert (end, got[-1][0]["status"]) == (1006, "auth_success")
            async with stocks(venue) as client:
                await some(client, 5)

    async def test_as_soon_as_somebody_connects(self) -> None:
        async with server(faults.Reset(on="connect", times=1)) as venue:
            with pytest.raises((ConnectionError, WebSocketException)):
                async with crypto(venue) as client:
                    await receive(client)
            async with crypto(venue) as client:
                assert await receive(client)
