"""The two ends of the socket comparison, each a process of its own: who sends frames, and who takes them.

``ends.py serve PORTFILE CORPUS TLS_CERT`` sends a corpus to everybody who connects and asks. ``ends.py take NAME URL
WARM EVENTS CA`` runs a contestant until it has seen so many events, and prints as JSON what those behind the first WARM
took: nanoseconds of its own CPU, kernel included, and of the wall.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import re
import ssl
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from structs import MassiveFrame

_TIME = re.compile(rb"\b1[78]\d{11}\b")
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = "bench"
CHUNK = 1 << 18
GREETING = '[{"ev":"status","status":"connected","message":"Connected Successfully"}]'
WELCOME = '[{"ev":"status","status":"auth_success","message":"authenticated"}]'


# The sending end.


def framed(payload: bytes) -> bytes:
    """Return a server's text frame."""
    if len(payload) < 126:
        return struct.pack("!BB", 0x81, len(payload)) + payload
    if len(payload) < 1 << 16:
        return struct.pack("!BBH", 0x81, 126, len(payload)) + payload
    return struct.pack("!BBQ", 0x81, 127, len(payload)) + payload


def read_corpus(path: Path) -> list[bytes]:
    """Return the payloads of a file of `sockets.py`: a length, then so many bytes."""
    data, at, out = path.read_bytes(), 0, []
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        out.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return out


def as_of_now(payloads: list[bytes]) -> bytes:
    """Return the frames as one piece, with the newest time of them all a moment ago, as on a live feed."""
    newest = max((int(found) for payload in payloads for found in _TIME.findall(payload)), default=0)
    shift = time.time_ns() // 1_000_000 - newest

    def moved(found: re.Match[bytes]) -> bytes:
        return str(int(found[0]) + shift).encode()

    return b"".join(framed(_TIME.sub(moved, payload)) for payload in payloads)


async def receive(reader: asyncio.StreamReader) -> bytes:
    """Return the payload of a client's next text frame."""
    while True:
        first, second = await reader.readexactly(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", await reader.readexactly(2))
        mask = await reader.readexactly(4)
        masked = await reader.readexactly(size)
        if first & 0xF in (1, 2):
            return bytes(byte ^ mask[at % 4] for at, byte in enumerate(masked))


async def serve(port_file: Path, corpus: Path, certificate: str) -> None:
    """Serve until killed."""
    payloads = read_corpus(corpus)
    tls = None
    if certificate != "-":
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        import base64  # noqa: PLC0415
        import hashlib  # noqa: PLC0415

        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        key = next(line.split(": ", 1)[1] for line in lines if line.lower().startswith("sec-websocket-key"))
        accepted = base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()  # noqa: S324
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accepted}\r\n\r\n".encode()
            + framed(GREETING.encode())
        )
        try:
            await receive(reader)
        except asyncio.IncompleteReadError:
            return
        writer.write(framed(WELCOME.encode()))
        names = json.loads(await receive(reader))["params"].split(",")
        acks = [{"ev": "status", "status": "success", "message": f"subscribed to: {name.strip()}"} for name in names]
        data = as_of_now(payloads)
        writer.write(framed(json.dumps(acks, separators=(",", ":")).encode()))
        await writer.drain()
        await asyncio.sleep(0.3)
        try:
            for at in range(0, len(data), CHUNK):
                writer.write(data[at : at + CHUNK])
                await writer.drain()
            while True:
                await receive(reader)
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    await asyncio.to_thread(port_file.write_text, str(server.sockets[0].getsockname()[1]))
    await server.serve_forever()


# The taking end. A contestant says how many events it has seen, after each frame or read.


class Clock:
    """CPU of this process and the wall, from when it is warm to the last event."""

    def __init__(self, warm: int, events: int) -> None:
        self.warm = warm
        self.events = events
        self.start: tuple[int, int, int] | None = None
        self.stop: tuple[int, int, int] | None = None

    def saw(self, seen: int) -> bool:
        """Note how many events were seen; tell whether that is all."""
        if self.start is None and seen >= self.warm:
            gc.collect()
            gc.disable()
            self.start = time.process_time_ns(), time.perf_counter_ns(), seen
        elif self.stop is None and seen >= self.events:
            self.stop = time.process_time_ns(), time.perf_counter_ns(), seen
        return self.stop is not None

    def result(self) -> dict[str, float]:
        assert self.start is not None
        assert self.stop is not None
        cpu, wall, seen = (stop - start for start, stop in zip(self.start, self.stop, strict=True))
        return {"events": seen, "cpu_ns": cpu / seen, "wall_ns": wall / seen}


def context(ca: str) -> ssl.SSLContext | None:
    return None if ca == "-" else ssl.create_default_context(cafile=ca)


def ringtape(listener: str, read_buffer: int = 1 << 18) -> Callable[[str, str, Clock], None]:
    """A running `App` without strategies: socket, decode, state, 5 m window, 1 s and 1 m bars, rings."""

    def run(url: str, ca: str, clock: Clock) -> None:  # noqa: ARG001 - the CA comes by the environment
        from ringtape.app import App  # noqa: PLC0415
        from ringtape.feeds import Massive  # noqa: PLC0415
        from ringtape.feeds.limits import Limits  # noqa: PLC0415

        class Counted(App):
            def flush(self, recv_ns: int) -> Any:
                batch = super().flush(recv_ns)
                (connection,) = self._connections.values()
                if clock.saw(connection.monitor.events):
                    self.stop()
                return batch

        feed = Massive("stocks", ["T.*", "Q.*", "A.*", "AM.*"], url=url, key=KEY)
        limits = Limits(listener=listener, read_buffer=read_buffer)  # type: ignore[arg-type]
        app = Counted([feed], limits=limits, bars=("1s", "1m"), windows=("5m",))
        app.run()
        stats = app.engine.stats()
        assert not stats["rejected"], stats
        assert not stats["quarantined"], stats

    return run


async def login(send: Callable[[str], Any]) -> None:
    for text in (
        json.dumps({"action": "auth", "params": KEY}),
        json.dumps({"action": "subscribe", "params": "T.*,Q.*,A.*,AM.*"}),
    ):
        done = send(text)
        if done is not None:
            await done


def picows_msgspec(url: str, ca: str, clock: Clock) -> None:
    """A Python listener that decodes into typed structs and keeps nothing."""
    from picows import WSListener, WSMsgType, ws_connect  # noqa: PLC0415

    decode = msgspec.json.Decoder(MassiveFrame).decode
    seen = 0

    class Take(WSListener):
        def on_ws_connected(self, transport: Any) -> None:
            self.transport = transport

        def on_ws_frame(self, transport: Any, frame: Any) -> None:
            nonlocal seen
            payload = frame.get_payload_as_memoryview()
            if seen == 0 and payload[8:14] == b"status":
                return
            seen += len(decode(payload))
            if clock.saw(seen):
                transport.disconnect(False)

    async def main() -> None:
        transport, _ = await ws_connect(Take, f"{url}/stocks", ssl_context=context(ca), read_buffer_init_size=1 << 18)
        await login(lambda text: transport.send(WSMsgType.TEXT, text))
        await transport.wait_disconnected()

    uvloop.run(main())


def websockets_msgspec(url: str, ca: str, clock: Clock) -> None:
    """The `recv` loop of websockets, on uvloop."""
    from websockets.asyncio.client import connect  # noqa: PLC0415

    decode = msgspec.json.Decoder(MassiveFrame).decode
    seen = 0

    async def main() -> None:
        nonlocal seen
        extra: dict[str, Any] = {"ssl": context(ca)} if ca != "-" else {}
        async with connect(f"{url}/stocks", compression=None, max_size=None, proxy=None, **extra) as ws:
            await login(ws.send)
            while not clock.saw(seen):
                message = await ws.recv(decode=False)
                if seen == 0 and message[8:14] == b"status":
                    continue
                seen += len(decode(message))

    uvloop.run(main())


def aiohttp_msgspec(url: str, ca: str, clock: Clock) -> None:
    """The `receive` loop of aiohttp, on uvloop."""
    import aiohttp  # noqa: PLC0415

    decode = msgspec.json.Decoder(MassiveFrame).decode
    seen = 0

    async def main() -> None:
        nonlocal seen
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{url}/stocks", ssl=context(ca) or True, max_msg_size=0, compress=0) as ws,
        ):
            await login(ws.send_str)
            while not clock.saw(seen):
                data = (await ws.receive()).data
                if seen == 0 and data[8:14] == "status":
                    continue
                seen += len(decode(data))

    uvloop.run(main())


def massive_client(url: str, ca: str, clock: Clock) -> None:
    """The official client with its models, as its documentation has it."""
    from massive.websocket import WebSocketClient  # noqa: PLC0415

    seen = 0

    class Enough(Exception):  # noqa: N818
        pass

    def take(messages: list[Any]) -> None:
        nonlocal seen
        seen += len(messages)
        if clock.saw(seen):
            raise Enough

    host = url.partition("://")[2]
    extra: dict[str, Any] = {"ca_certs": ca} if ca != "-" else {}
    client = WebSocketClient(
        api_key=KEY, feed=host, market="stocks", secure=ca != "-", subscriptions=["T.*", "Q.*", "A.*", "AM.*"], **extra
    )
    with contextlib.suppress(Enough):
        client.run(take)


CONTESTANTS: dict[str, Callable[[str, str, Clock], None]] = {
    "ringtape": ringtape("compiled"),
    "ringtape, listener in Python": ringtape("python"),
    "picows + msgspec": picows_msgspec,
    "websockets + msgspec": websockets_msgspec,
    "aiohttp + msgspec": aiohttp_msgspec,
    "massive client": massive_client,
    "ringtape, reads of 64 KiB": ringtape("compiled", 1 << 16),
    "ringtape, reads of 1 MiB": ringtape("compiled", 1 << 20),
}
"""The last two say what the size of a read costs."""


def main() -> None:
    what, *rest = sys.argv[1:]
    if what == "serve":
        uvloop.run(serve(Path(rest[0]), Path(rest[1]), rest[2]))
        return
    name, url, warm, events, ca = rest
    clock = Clock(int(warm), int(events))
    CONTESTANTS[name](url, ca, clock)
    print(json.dumps(clock.result()))


if __name__ == "__main__":
    main()
