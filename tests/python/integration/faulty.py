"""A WebSocket server that does what a test tells it to, byte by byte, right or wrong.

A script is a coroutine that is called once for each connection with a `Peer`. Raw sockets on purpose: the faults that
matter (half a frame, three frames in one segment, a reset) cannot be asked of a library.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import ssl
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Self

import msgspec

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 0x1, 0x2, 0x0, 0x8, 0x9, 0xA
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

Script = Callable[["Peer"], Awaitable[None]]


def frame(payload: bytes | str, opcode: int = TEXT, *, fin: bool = True, rsv: int = 0) -> bytes:
    """Return one server frame."""
    data = payload.encode() if isinstance(payload, str) else payload
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    if len(data) < 126:
        return struct.pack("!BB", first, len(data)) + data
    if len(data) < 1 << 16:
        return struct.pack("!BBH", first, 126, len(data)) + data
    return struct.pack("!BBQ", first, 127, len(data)) + data


def closing(code: int, reason: str = "") -> bytes:
    """Return a close frame."""
    return frame(struct.pack("!H", code) + reason.encode(), CLOSE)


class Hangup(Exception):  # noqa: N818 - an event, not an error
    """The client has gone."""


class Peer:
    """One connection, seen from the server."""

    def __init__(self, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.path = path
        self.number = number
        self.reader = reader
        self.writer = writer

    def send(self, *frames: bytes | str) -> None:
        """Send frames in one segment; a string becomes a text frame."""
        if self.writer.is_closing():
            raise Hangup
        self.writer.write(b"".join(frame(each) if isinstance(each, str) else each for each in frames))

    async def receive(self) -> tuple[int, bytes]:
        """Return opcode and payload of the client's next frame."""
        try:
            first, second = await self.reader.readexactly(2)
            size = second & 0x7F
            if size == 126:
                (size,) = struct.unpack("!H", await self.reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
            mask = await self.reader.readexactly(4)
            masked = await self.reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise Hangup from error
        return first & 0xF, bytes(byte ^ mask[index % 4] for index, byte in enumerate(masked))

    async def receive_json(self) -> Any:
        """Return the client's next text message, parsed; control frames before it are skipped."""
        while True:
            opcode, payload = await self.receive()
            if opcode == TEXT:
                return msgspec.json.decode(payload)

    async def receive_close(self) -> int:
        """Return the code of the client's close frame; frames before it are skipped."""
        while True:
            opcode, payload = await self.receive()
            if opcode == CLOSE:
                return int.from_bytes(payload[:2], "big")

    def reset(self) -> None:
        """Drop the connection without a word."""
        self.writer.transport.abort()

    async def massive_login(self) -> list[str]:
        """Play the venue's side of greeting, login and subscription; return the names asked for."""
        self.send('[{"ev":"status","status":"connected","message":"Connected Successfully"}]')
        assert (await self.receive_json())["action"] == "auth"
        self.send('[{"ev":"status","status":"auth_success","message":"authenticated"}]')
        names: list[str] = (await self.receive_json())["params"].split(",")
        acks = [{"ev": "status", "status": "success", "message": f"subscribed to: {name}"} for name in names]
        self.send(msgspec.json.encode(acks).decode())
        return names

    async def binance_login(self) -> list[str]:
        """Confirm one subscription; return the streams asked for."""
        request = await self.receive_json()
        self.send(f'{{"result":null,"id":{request["id"]}}}')
        return list(request["params"])


class FaultyServer:
    """Serves a script on a free port of this machine while it is entered.

    Attributes
    ----------
    peers
        Every connection so far.
    errors
        What scripts raised, other than the client's leaving; checked on exit.
    """

    def __init__(self, script: Script, handshake: bytes | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self._handshake = handshake
        self.peers: list[Peer] = []
        self.errors: list[BaseException] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The base address."""
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for peer in self.peers:
            peer.reset()
        assert not self.errors, self.errors

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await self._serve(reader, writer)
        except (Hangup, ConnectionError, asyncio.CancelledError):
            pass
        except BaseException as error:  # noqa: BLE001 - handed to the test
            self.errors.append(error)
        finally:
            with contextlib.suppress(RuntimeError):
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, UnicodeDecodeError) as error:
            raise Hangup from error
        if self._handshake is not None:
            writer.write(self._handshake)
            await writer.drain()
            return
        lines = head.split("\r\n")
        key = next(line.split(": ", 1)[1] for line in lines if line.lower().startswith("sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()  # noqa: S324 - RFC 6455
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        peer = Peer(lines[0].split(" ")[1], reader, writer, len(self.peers) + 1)
        self.peers.append(peer)
        await self._script(peer)
