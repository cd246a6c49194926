"""The server: one port, both venues, and the market on the wall clock."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import Literal, Self

from picows import (
    WSCloseCode,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from ringtape._native import Simulator
from ringtape.sim.binance import BinancePeer, target
from ringtape.sim.massive import CHANNELS, MassivePeer
from ringtape.sim.peer import MESSAGE_MAX_BYTES, Behaviour, Kind, LiveMarket, Peer, Stats

__all__ = ["Server", "reference", "serve"]

_STEP_S = 0.010
_GOODBYE_S = 1.0
# As many as a market has places for.
_PEERS_MAX = 1024
# Any time will do where only names and previous closes are wanted.
_SOME_TIME_NS = 1_700_000_000_000_000_000


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
    return Simulator(seed=seed, symbols=symbols, rate=1, kind=kind, start_ns=_SOME_TIME_NS).prev_closes()


class Server:
    """A pretend market under ``/stocks`` (Massive) and ``/public`` and ``/market`` (Binance USD-M) of one port.

    It serves while it is entered. A market starts with the first subscription to one of its streams, at the wall
    clock's time, and follows it in steps of some 10 ms. Other paths of Massive, such as ``/options``, speak its
    protocol and carry no data; any other path is answered with 404.

    Parameters
    ----------
    host, port
        Address to listen on; port 0 takes a free one, which `port` then tells.
    seed, symbols, rate
        As for `ringtape._native.Simulator`, for both markets.
    behaviour
        How the venues behave.

    Attributes
    ----------
    host, port
        Where it listens.
    stats
        What it did so far.
    peers
        The clients, the oldest first.

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
        seed: int = 7,
        symbols: int = 500,
        rate: int = 20_000,
        behaviour: Behaviour | None = None,
    ) -> None:
        Simulator(seed=seed, symbols=symbols, rate=rate, kind="stocks", start_ns=_SOME_TIME_NS)
        self.host = host
        self.port = port
        self.behaviour = behaviour or Behaviour()
        self.stats = Stats()
        self.peers: dict[Peer, None] = {}
        kinds: tuple[Literal["stocks"], Literal["crypto"]] = ("stocks", "crypto")
        self._markets = {
            kind: LiveMarket(kind, seed=seed, symbols=symbols, rate=rate, stats=self.stats) for kind in kinds
        }
        self._listening: asyncio.Server
        self._timer: asyncio.TimerHandle | None = None

    @property
    def url(self) -> str:
        """The base address, such as ``ws://127.0.0.1:8765``."""
        return f"ws://[{self.host}]:{self.port}" if ":" in self.host else f"ws://{self.host}:{self.port}"

    def market(self, kind: Kind) -> Simulator:
        """Return the running market of that kind, started where it is not."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_STEP_S, self._step)
        return self._markets[kind].start(time.time_ns())

    async def open(self) -> None:
        """Listen.

        Raises
        ------
        OSError
            The address cannot be had.
        """
        self._listening = await ws_create_server(
            self._accept, self.host, self.port, max_frame_size=MESSAGE_MAX_BYTES, logger_name="ringtape"
        )
        self.port = self._listening.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Say goodbye to every client, wait a second at the most, and stop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._listening.close()
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

    def _accept(self, request: WSUpgradeRequest) -> Peer | WSUpgradeResponseWithListener | None:
        if len(self.peers) >= _PEERS_MAX:
            self.stats.refused += 1
            full = WSUpgradeResponse.create_error_response(HTTPStatus.SERVICE_UNAVAILABLE)
            return WSUpgradeResponseWithListener(full, None)
        path, _, query = request.path.decode("latin-1").partition("?")
        if path in CHANNELS:
            return MassivePeer(self, path)
        asked = target(path, query)
        if asked is None:
            self.stats.refused += 1
            return None
        return BinancePeer(self, path, asked)

    def _step(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_STEP_S, self._step)
        now_ns = time.time_ns()
        for market in self._markets.values():
            market.follow(now_ns)
        for peer in tuple(self.peers):
            peer.push()


serve = Server
"""``async with serve(port=0) as server`` reads better where the server is what is wanted."""
