"""The pretend market as a server: slow clients, its own delays, shutdown, and the command that runs it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect

import ringtape
from ringtape.sim import Behaviour, Server, serve

LIMIT_S = 10.0
STEP_NS = 50_000_000
PROMPT_S = 2.0
EVERYTHING = '{"action":"subscribe","params":"T.*,Q.*"}'
STREAMS = "/".join(f"{symbol}@aggTrade" for symbol in ("btcusdt", "ethusdt", "solusdt", "xrpusdt", "dogeusdt"))


@contextlib.asynccontextmanager
async def subscriber(server: Server) -> AsyncIterator[ClientConnection]:
    """Connect, log in and subscribe to all trades and quotes."""
    async with connect(server.url + "/stocks", proxy=None, max_queue=None) as client:
        await client.send('{"action":"auth","params":"any"}')
        await client.send(EVERYTHING)
        for _ in range(3):
            await client.recv()
        yield client


class Lazy:
    """A client that reads only when it is told to."""

    def __init__(self, server: Server, path: str) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.connect((server.host, server.port))
        self._socket.setblocking(False)
        self._write(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )

    def _write(self, data: bytes) -> None:
        assert self._socket.send(data) == len(data)

    def say(self, message: str) -> None:
        """Send a masked text frame; the mask of zeros changes nothing."""
        self._write(struct.pack("!BBI", 0x81, 0x80 | len(message), 0) + message.encode())

    async def rest(self) -> bytes:
        """Return all that is still to be had."""
        loop = asyncio.get_running_loop()
        got = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while part := await asyncio.wait_for(loop.sock_recv(self._socket, 1 << 20), LIMIT_S):
                got += part
        return bytes(got)

    def close(self) -> None:
        self._socket.close()


MakeLazy = Callable[[Server, str], Lazy]


@pytest.fixture
def lazy() -> Iterator[MakeLazy]:
    """Make lazy clients and close them in the end."""
    with contextlib.ExitStack() as stack:

        def make(server: Server, path: str) -> Lazy:
            return stack.enter_context(contextlib.closing(Lazy(server, path)))

        yield make


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.01)


async def events_since(client: ClientConnection, time_ns: int) -> list[int]:
    """Return the times of the first events that are not older, and of what came before them."""
    times: list[int] = []
    async with asyncio.timeout(LIMIT_S):
        while not times or times[-1] < time_ns:
            frame = await client.recv()
            times += [event.ts_event for event in ringtape.decode(frame.encode()).events]
    return times


async def test_a_slow_client_is_cut_off_and_the_others_go_on(lazy: MakeLazy) -> None:
    behaviour = Behaviour(write_buffer=1 << 16, close_s=1.0)
    async with serve(rate=200_000, behaviour=behaviour) as server, subscriber(server) as healthy:
        slow = lazy(server, "/stocks")
        slow.say('{"action":"auth","params":"any"}')
        slow.say(EVERYTHING)
        await until(lambda: server.stats.slow_clients == 1)
        written = server.stats.bytes
        data = await slow.rest()
        assert b'{"ev":"status","status":"slow_consumer"' in data[-200:]
        # A close frame with code 1008 is the last of it.
        assert data[-4:] == b"\x88\x02\x03\xf0"
        assert len(data) <= written
        await until(lambda: len(server.peers) == 1)
        assert await events_since(healthy, time.time_ns())


async def test_a_client_that_never_reads_is_dropped(lazy: MakeLazy) -> None:
    behaviour = Behaviour(write_buffer=1 << 16, close_s=0.1)
    async with serve(symbols=5, rate=200_000, behaviour=behaviour) as server:
        lazy(server, "/market/stream?streams=" + STREAMS)
        await until(lambda: server.stats.slow_clients == 1)
        await until(lambda: not server.peers)


async def test_a_market_rests_over_the_time_its_server_was_away() -> None:
    async with serve(rate=20_000) as server, subscriber(server) as client:
        asleep = time.time_ns()
        time.sleep(1.5)  # noqa: ASYNC251 - the loop is held up on purpose
        awake = time.time_ns()
        times = await events_since(client, awake)
        assert server.stats.rests == 1
    # Trading goes on from now; what would have come in between never comes. A late print may repeat an older trade.
    missing = [time for time in times if asleep + STEP_NS < time < awake - STEP_NS]
    assert len(missing) < len(times) / 10
    assert server.stats.lost == 0


async def test_two_clients_of_a_market_see_the_same_events() -> None:
    async with serve(symbols=20) as server, subscriber(server) as one, subscriber(server) as two:
        sequences = []
        for client in (one, two):
            frames = [await asyncio.wait_for(client.recv(), LIMIT_S) for _ in range(20)]
            events = [event for frame in frames for event in json.loads(frame)]
            sequences.append({(event["ev"], event["sym"], event["q"]): event for event in events})
    common = sequences[0].keys() & sequences[1].keys()
    assert common
    assert all(sequences[0][key] == sequences[1][key] for key in common)


async def test_a_server_closes_promptly_whatever_its_clients_do(lazy: MakeLazy) -> None:
    server = Server(rate=200_000)
    async with server, subscriber(server) as polite:
        stuck = lazy(server, "/stocks")
        stuck.say('{"action":"auth","params":"any"}')
        stuck.say(EVERYTHING)
        lazy(server, "/public/ws")
        with socket.create_connection((server.host, server.port)):
            await asyncio.sleep(0.5)
            asked = time.monotonic()
            await server.close()
            assert time.monotonic() - asked < PROMPT_S
        assert not server.peers
        await asyncio.wait_for(polite.wait_closed(), LIMIT_S)
        assert polite.close_code == 1001
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((server.host, server.port), timeout=LIMIT_S)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-X", "dev", "-m", "ringtape", "sim", *arguments]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_command_says_where_it_listens_and_ends_on_a_signal(number: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        *command("--port", "0", "--rate", "1000", "--symbols", "10", "--seed", "3"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    line = await asyncio.wait_for(process.stdout.readline(), LIMIT_S)
    ready = json.loads(line)
    ports = {"port": ready["port"], "rest_port": ready["rest_port"]}
    assert ready == {**ports, "host": "127.0.0.1", "seed": 3, "symbols": 10, "rate": 1000}
    async with connect(f"ws://127.0.0.1:{ready['port']}/stocks", proxy=None) as client:
        assert json.loads(await client.recv())[0]["status"] == "connected"
        asked = time.monotonic()
        process.send_signal(number)
        out, err = await asyncio.wait_for(process.communicate(), LIMIT_S)
    assert time.monotonic() - asked < PROMPT_S
    assert (process.returncode, out, err) == (0, b"", b"")


async def test_the_command_does_what_a_script_says(tmp_path: Path) -> None:
    script = tmp_path / "script.toml"
    script.write_text('[behaviour]\nbad_key = "worse"\n[[fault]]\nkind = "close"\ncode = 4001\non = "auth"\n')
    process = await asyncio.create_subprocess_exec(
        *command("--port", "0", "--symbols", "3", "--faults", str(script)), stdout=subprocess.PIPE
    )
    try:
        ready = json.loads(await asyncio.wait_for(process.stdout.readline(), LIMIT_S))
        ends = []
        for key in ("bad-key", "worse"):
            async with connect(f"ws://127.0.0.1:{ready['port']}/stocks", proxy=None) as client:
                await client.send(json.dumps({"action": "auth", "params": key}))
                await asyncio.wait_for(client.wait_closed(), LIMIT_S)
                ends.append(client.close_code)
        assert ends == [4001, 1006]
    finally:
        process.terminate()
        assert await process.wait() == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--host", "0.0.0.0"], "--allow-remote"),  # noqa: S104 - it is refused
        (["--host", "example.invalid"], "--allow-remote"),
        (["--rate", "0"], "rate must be 1 to"),
        (["--symbols", "20001"], "symbols must be 1 to"),
        (["--seed", "-1"], "seed must be 0 to"),
        (["--faults", "bad-day"], "did you mean 'bad_day'"),
        (["--faults", "./none.toml"], "cannot read none.toml"),
    ],
)
def test_the_command_refuses_in_one_sentence(arguments: list[str], reason: str) -> None:
    ended = subprocess.run(command("--port", "0", *arguments), capture_output=True, text=True, timeout=20, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert reason in ended.stderr
    assert ended.stderr.startswith("ringtape: ")
    assert ended.stderr.count("\n") == 1


def test_the_command_says_so_when_its_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run(command("--port", port), capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 2
    assert "cannot listen on 127.0.0.1:" + port in ended.stderr
    assert ended.stderr.count("\n") == 1
