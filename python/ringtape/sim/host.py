"""The pretend venues without a socket: who is connected, the markets, and time as it is given."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Literal

from ringtape._native import Simulator
from ringtape.sim.binance import BinancePeer, target
from ringtape.sim.massive import CHANNELS, MassivePeer
from ringtape.sim.peer import Behaviour, Kind, LiveMarket, Peer, Stats

__all__ = ["Host", "Refused"]

# As many as a market has places for.
_PEERS_MAX = 1024
# Any time will do where only names and previous closes are wanted.
SOME_TIME_NS = 1_700_000_000_000_000_000


class Refused(Exception):  # noqa: N818 - an answer to a client, not a fault of ours
    """A connection that is not accepted.

    Attributes
    ----------
    status
        The HTTP status it gets instead.
    """

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class Host:
    """Massive under ``/stocks`` and Binance USD-M under ``/public`` and ``/market``, for whoever brings connections.

    It opens no socket and sets no timer for its markets: `accept` takes a connection, `step` brings the markets to a
    time and sends what they made. `Server` drives one by the clock and a port; a test in virtual time drives one by
    its own loop and pipes. Connections set timers (pings, the time to log in) on the running loop.

    Parameters
    ----------
    seed, symbols, rate
        As for `ringtape._native.Simulator`, for both markets.
    behaviour
        How the venues behave.
    monotonic
        Seconds that never step back.
    time_ns
        Unix time in ns; a market opens at it.

    Attributes
    ----------
    stats
        What was done so far.
    peers
        The clients, the oldest first.

    Raises
    ------
    ConfigError
        Seed, symbols or rate are out of range.

    Examples
    --------
    >>> host = Host(seed=7, symbols=5, rate=1000)
    >>> type(host.accept("/stocks")).__name__
    'MassivePeer'
    """

    def __init__(
        self,
        *,
        seed: int = 7,
        symbols: int = 500,
        rate: int = 20_000,
        behaviour: Behaviour | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        time_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        Simulator(seed=seed, symbols=symbols, rate=rate, kind="stocks", start_ns=SOME_TIME_NS)
        self.behaviour = behaviour or Behaviour()
        self.monotonic = monotonic
        self.time_ns = time_ns
        self.stats = Stats()
        self.peers: dict[Peer, None] = {}
        kinds: tuple[Literal["stocks"], Literal["crypto"]] = ("stocks", "crypto")
        self._markets = {
            kind: LiveMarket(kind, seed=seed, symbols=symbols, rate=rate, stats=self.stats) for kind in kinds
        }

    def accept(self, path: str, query: str = "") -> Peer:
        """Return the venue's end of a new connection.

        Its `Peer.on_ws_connected` wants a transport with the methods of picows's; `Peer.on_ws_frame` takes what the
        client sends, `Peer.on_ws_disconnected` the end.

        Raises
        ------
        Refused
            There is nothing at that path, or 1,024 clients are there.
        """
        if len(self.peers) >= _PEERS_MAX:
            raise self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)
        if path in CHANNELS:
            return MassivePeer(self, path)
        asked = target(path, query)
        if asked is None:
            raise self._refuse(HTTPStatus.NOT_FOUND)
        return BinancePeer(self, path, asked)

    def market(self, kind: Kind) -> Simulator:
        """Return the running market of that kind, started where it is not."""
        return self._markets[kind].start(self.time_ns())

    def step(self, now_ns: int, *, rest: bool = False) -> None:
        """Bring the markets to a time and send their clients what they made.

        Parameters
        ----------
        now_ns
            Unix time; one that has passed makes nothing.
        rest
            Let the time since the last step pass without orders, as after the machine slept.
        """
        for market in self._markets.values():
            market.follow(now_ns, rest=rest)
        for peer in tuple(self.peers):
            peer.push()

    def _refuse(self, status: HTTPStatus) -> Refused:
        self.stats.refused += 1
        return Refused(status)
