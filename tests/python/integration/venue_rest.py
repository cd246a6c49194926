"""A venue's REST interface for tests: answers what a test puts there, and remembers what was asked."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Any]


class VenueRest:
    """What a test's venue answers."""

    def __init__(self, handler: Handler) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""
        self._handler = handler

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.path, dict(request.query)))
        self.headers.append(dict(request.headers))
        answer = self._handler(request)
        if hasattr(answer, "__await__"):
            answer = await answer
        return answer if isinstance(answer, web.StreamResponse) else web.json_response(answer)


@contextlib.asynccontextmanager
async def venue_rest(handler: Handler) -> AsyncIterator[VenueRest]:
    rest = VenueRest(handler)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", rest.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    (_, port) = runner.addresses[0][:2]
    rest.url = f"http://127.0.0.1:{port}"
    try:
        yield rest
    finally:
        await runner.cleanup()
