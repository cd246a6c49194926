"""A small HTTP/1.1 server for the pretend venues' REST.

WHY NOT a web framework: requests have no body worth the name, answers are bytes at hand, and the package should need
nothing more for its simulator.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from http import HTTPStatus

from ringtape.sim.rest import Reply, Request

__all__ = ["HttpServer"]

_HEAD_MAX_BYTES = 8 << 10
_BODY_MAX_BYTES = 64 << 10
_IDLE_S = 60.0


class HttpServer:
    """Answers requests on one port while it is open; connections are kept alive.

    Parameters
    ----------
    answer
        What answers; None where the client is to wait for ever.
    """

    def __init__(self, answer: Callable[[Request], Reply | None]) -> None:
        self._answer = answer
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def open(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen, and return the port.

        Raises
        ------
        OSError
            The address cannot be had.
        """
        self._server = await asyncio.start_server(self._connected, host, port, limit=_HEAD_MAX_BYTES, ssl=tls)
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    async def close(self) -> None:
        """Hang up on everybody and stop."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The callback runs as a task already; its end is what `close` waits for.
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError, EOFError, TimeoutError, asyncio.LimitOverrunError, asyncio.CancelledError):
            await self._converse(reader, writer)
        writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            async with asyncio.timeout(_IDLE_S):
                request = await _read(reader)
            if request is None:
                writer.write(_head(Reply(HTTPStatus.BAD_REQUEST, b""), is_last=True))
                return
            reply = self._answer(request)
            if reply is None:
                await reader.read()
                return
            is_last = request.headers.get("connection", "").lower() == "close"
            writer.write(_head(reply, is_last=is_last))
            if request.method != "HEAD":
                writer.write(reply.body)
            await writer.drain()
            if is_last:
                return


async def _read(reader: asyncio.StreamReader) -> Request | None:
    """Return the next request; None where it is none."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *lines = head.rstrip("\r\n").split("\r\n")
    words = line.split(" ")
    if len(words) != 3 or words[2] not in {"HTTP/1.1", "HTTP/1.0"}:  # noqa: PLR2004 - method, target, version
        return None
    headers = {}
    for each in lines:
        name, _, value = each.partition(":")
        headers[name.strip().lower()] = value.strip()
    size = headers.get("content-length", "0")
    if not size.isdigit() or int(size) > _BODY_MAX_BYTES or "transfer-encoding" in headers:
        return None
    body = (await reader.readexactly(int(size))).decode("latin-1")
    path, _, query = words[1].partition("?")
    return Request(words[0], path, "&".join(part for part in (query, body) if part), headers)


def _head(reply: Reply, *, is_last: bool) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} {_phrase(reply.status)}"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    lines += [f"Content-Length: {len(reply.body)}", f"Connection: {'close' if is_last else 'keep-alive'}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
