"""The server: one port, both venues, and the market on the wall clock."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from typing import Self

from picows import (
    WSCloseCode,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from ringtape._native import Simulator
from ringtape.sim.behaviour import Behaviour
from ringtape.sim.host import SOME_TIME_NS, Host, Refused
from ringtape.sim.http import HttpServer
from ringtape.sim.peer import MESSAGE_MAX_BYTES, Kind, Peer
from ringtape.sim.script import Script

__all__ = ["Server", "reference", "serve"]

_log = logging.getLogger("ringtape.sim")
_STEP_S = 0.010
_BEHIND_NS = 1_000_000_000
_GOODBYE_S = 1.0


def reference(seed: int, symbols: int, kind: Kind = "stocks") -> dict[str, float]:
    """Return yesterday's closing price of each symbol of the market that a server of that seed runs.

    Parameters
    ----------
    seed
        Seed of the market; previous closes depend on nothing else.
    symbols
        Number of symbols; those of a smaller market lead a larger one's.
    kind
        ``"stocks"`` or ``"crypto"``.

    Returns
    -------
    dict
        Price in quote currency by symbol, the most active symbol first; `Engine.set_reference` takes it as it is.

    Raises
    ------
    ConfigError
        A value is out of range.

    Examples
    --------
    >>> list(reference(seed=7, symbols=3))
    ['SPY', 'NVDA', 'TSLA']
    """
    return Simulator(seed=seed, symbols=symbols, rate=1, kind=kind, start_ns=SOME_TIME_NS).prev_closes()


class Server(Host):
    """A pretend market under ``/stocks`` (Massive) and ``/public`` and ``/market`` (Binance USD-M) of one port.

    It serves while it is entered. A market starts with the first subscription to one of its streams, at the wall
    clock's time, and follows it in steps of some 10 ms. Other paths of Massive, such as ``/options``, speak its
    protocol and carry no data; any other path is answered with 404.

    Parameters
    ----------
    host, port
        Address to listen on; port 0 takes a free one, which `port` then tells.
    rest_port
        The same for REST, which has a port of its own.
    tls
        A server's context, for ``wss`` and ``https``; a wrong certificate is a fault too.
    seed, symbols, rate, behaviour, script, record, monotonic, time_ns, history_bytes
        As for `Host`.

    Attributes
    ----------
    host, port, rest_port
        Where it listens.
    stats, peers
        As of `Host`.

    Raises
    ------
    ConfigError
        Seed, symbols or rate are out of range.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        rest_port: int = 0,
        tls: ssl.SSLContext | None = None,
        seed: int = 7,
        symbols: int = 500,
        rate: int = 20_000,
        behaviour: Behaviour | None = None,
        script: Script | None = None,
        record: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
        time_ns: Callable[[], int] = time.time_ns,
        history_bytes: int = 64 << 20,
    ) -> None:
        super().__init__(
            seed=seed,
            symbols=symbols,
            rate=rate,
            behaviour=behaviour,
            script=script,
            record=record,
            monotonic=monotonic,
            time_ns=time_ns,
            history_bytes=history_bytes,
        )
        self.host = host
        self.port = port
        self.rest_port = rest_port
        self._tls = tls
        self._rest = HttpServer(self.answer)
        self._listening: asyncio.Server
        self._timer: asyncio.TimerHandle | None = None
        self._stepped_ns = 0

    @property
    def url(self) -> str:
        """The base address of the streams, such as ``ws://127.0.0.1:8765``."""
        return f"{'wss' if self._tls else 'ws'}://{self._name}:{self.port}"

    @property
    def rest_url(self) -> str:
        """The base address of REST, such as ``http://127.0.0.1:8766``."""
        return f"{'https' if self._tls else 'http'}://{self._name}:{self.rest_port}"

    @property
    def _name(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    async def open(self) -> None:
        """Listen.

        Raises
        ------
        OSError
            The address cannot be had.
        """
        self._listening = await ws_create_server(
            self._answer,
            self.host,
            self.port,
            max_frame_size=MESSAGE_MAX_BYTES,
            enable_auto_pong=False,
            # QUIRK: see `ringtape.feeds.world.dial`: a client's reset would go unnoticed.
            use_aiofastnet=False,
            ssl=self._tls,
            logger_name="ringtape",
        )
        self.port = self._listening.sockets[0].getsockname()[1]
        try:
            self.rest_port = await self._rest.open(self.host, self.rest_port, self._tls)
        except OSError:
            self._listening.close()
            raise
        self._stepped_ns = self.time_ns()
        self._step()

    async def close(self) -> None:
        """Say goodbye to every client, wait a second at the most, and stop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._listening.close()
        await self._rest.close()
        for peer in tuple(self.peers):
            peer.end(WSCloseCode.GOING_AWAY)
        ends = [asyncio.ensure_future(peer.transport.wait_disconnected()) for peer in self.peers]
        if ends:
            await asyncio.wait(ends, timeout=_GOODBYE_S)
        for peer in tuple(self.peers):
            peer.transport.disconnect(graceful=False)
        await asyncio.gather(*ends)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def soon(self, call: Callable[[], None]) -> None:
        """Call something when the loop comes round again."""
        asyncio.get_running_loop().call_soon(call)

    def _answer(self, request: WSUpgradeRequest) -> Peer | WSUpgradeResponseWithListener:
        path, _, query = request.path.decode("latin-1").partition("?")
        try:
            return self.accept(path, query)
        except Refused as refused:
            reply = refused.reply
            if "Location" in reply.headers:
                answer = WSUpgradeResponse.create_redirect_response(reply.status, reply.headers["Location"])
            else:
                answer = WSUpgradeResponse.create_error_response(reply.status, reply.body, reply.headers)
            return WSUpgradeResponseWithListener(answer, None)

    def _step(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_STEP_S, self._step)
        now_ns = self.time_ns()
        away_ns = now_ns - self._stepped_ns
        self._stepped_ns = now_ns
        if away_ns > _BEHIND_NS:
            _log.info("the market rests over %.1f s", away_ns / 1e9)
        self.step(now_ns, rest=away_ns > _BEHIND_NS)


serve = Server
"""``async with serve(port=0) as server`` reads better where the server is what is wanted."""
