"""A proxy between an app and a pretend venue that makes the network bad, as toxiproxy does."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from types import TracebackType
from typing import Literal, Self, get_args

__all__ = ["TOXICS", "Proxy", "Toxic"]

Toxic = Literal["latency", "down", "bandwidth", "slow_close", "timeout", "reset_peer", "slicer", "limit_data"]
TOXICS: tuple[Toxic, ...] = get_args(Toxic)

_READ = 1 << 16
_LINGER_NONE = struct.pack("ii", 1, 0)


class Proxy:
    """Passes bytes on, or does to them what a toxic says.

    Parameters
    ----------
    port
        Of the venue, on this machine.

    Attributes
    ----------
    toxic, upstream
        What is wrong now, and whether with the bytes to the venue or with those from it; None passes all on.
    port
        Where to connect.
    """

    def __init__(self, port: int) -> None:
        self._venue = port
        self.toxic: Toxic | None = None
        self.upstream = False
        self.port = 0
        self.connections = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def poison(self, toxic: Toxic, *, upstream: bool) -> None:
        """Let something be wrong from now on, with the connections that are open, too."""
        self.toxic, self.upstream = toxic, upstream
        if toxic == "down":
            for task in tuple(self._tasks):
                task.cancel()

    def heal(self) -> None:
        """Pass everything on again; what was cut stays cut."""
        self.toxic = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        venue: asyncio.StreamWriter | None = None
        try:
            if self.toxic != "down":
                answers, venue = await asyncio.open_connection("127.0.0.1", self._venue)
                ways = [self._pass(reader, venue, upstream=True), self._pass(answers, writer, upstream=False)]
                tasks = [asyncio.create_task(way) for way in ways]
                try:
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for each in tasks:
                        each.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
            if self.toxic == "slow_close":
                await asyncio.sleep(0.4)
        except (OSError, asyncio.CancelledError):
            pass  # the end of a connection, or of the proxy
        finally:
            self._tasks.discard(task)
            for each in (writer, venue):
                if each is not None:
                    _close(each, is_reset=self.toxic == "reset_peer")

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, upstream: bool) -> None:
        left = 2_000
        with contextlib.suppress(OSError):
            while data := await reader.read(_READ):
                toxic = self.toxic if upstream == self.upstream else None
                if toxic == "latency":
                    await asyncio.sleep(0.1)
                elif toxic == "bandwidth":
                    await asyncio.sleep(len(data) / 20_000)
                elif toxic == "reset_peer":
                    return
                elif toxic == "timeout":
                    await asyncio.sleep(0.5)
                    return
                elif toxic == "limit_data":
                    data, left = data[:left], left - len(data[:left])
                for piece in _pieces(data, 7 if toxic == "slicer" else _READ):
                    writer.write(piece)
                    if toxic == "slicer":
                        await asyncio.sleep(0)
                await writer.drain()
                if left <= 0:
                    return


def _pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def _close(writer: asyncio.StreamWriter, *, is_reset: bool) -> None:
    sock: socket.socket | None = writer.get_extra_info("socket")
    if is_reset and sock is not None:
        with contextlib.suppress(OSError), socket.socket(fileno=socket.dup(sock.fileno())) as own:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
        writer.transport.abort()
    else:
        writer.close()
