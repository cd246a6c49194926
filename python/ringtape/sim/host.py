"""The pretend venues without a socket: who is connected, the markets, and time as it is given."""

from __future__ import annotations

import time
from collections.abc import Callable
from heapq import heappop, heappush
from http import HTTPStatus

from ringtape._native import Simulator
from ringtape.sim.binance import BinancePeer, target
from ringtape.sim.history import History
from ringtape.sim.massive import CHANNELS, MassivePeer
from ringtape.sim.peer import Behaviour, Kind, Peer, Stats
from ringtape.sim.rest import Reply, Request, RestError
from ringtape.sim.rest_binance import BinanceRest
from ringtape.sim.rest_massive import MassiveRest

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


class Timer:
    """Something that waits for its time; `cancel` makes it wait in vain."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Do nothing when the time comes."""
        self.call = None


class Host:
    """Massive under ``/stocks`` and Binance USD-M under ``/public`` and ``/market``, for whoever brings connections.

    It opens no socket and knows no loop: `accept` takes a connection, `step` brings the markets to a time, sends what
    they made and does what is due (pings, the end of the time to log in). `Server` drives one by the clock and a
    port; a test in virtual time drives one by its own loop and pipes.

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
    history_bytes
        Bytes of trades and bars that each market keeps for REST, the newest; 0 for none.

    Attributes
    ----------
    seed
        As given.
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
        history_bytes: int = 64 << 20,
    ) -> None:
        Simulator(seed=seed, symbols=symbols, rate=rate, kind="stocks", start_ns=SOME_TIME_NS)
        self.seed = seed
        self.behaviour = behaviour or Behaviour()
        self.monotonic = monotonic
        self.time_ns = time_ns
        self.stats = Stats()
        self.peers: dict[Peer, None] = {}
        self._symbols = symbols
        self._rate = rate
        self._history_bytes = history_bytes
        self._timers: list[tuple[float, int, Timer]] = []
        self._timer_count = 0
        self._markets: dict[Kind, Simulator] = {}
        self._histories: dict[Kind, History] = {}
        self._massive_rest = MassiveRest(self)
        self._binance_rest = BinanceRest(self)

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
        """Return the running market of that kind; it opens now where it did not run yet."""
        market = self._markets.get(kind)
        if market is None:
            market = self._markets[kind] = Simulator(
                seed=self.seed, symbols=self._symbols, rate=self._rate, kind=kind, start_ns=self.venue_ns()
            )
            if self._history_bytes:
                self._histories[kind] = History(market, is_stocks=kind == "stocks", bytes_max=self._history_bytes)
        return market

    def later(self, delay_s: float, call: Callable[[], None]) -> Timer:
        """Call something at the first step after a delay."""
        timer = Timer(call)
        self._timer_count += 1
        heappush(self._timers, (self.monotonic() + delay_s, self._timer_count, timer))
        return timer

    def history(self, kind: Kind) -> History | None:
        """Return what the market of that kind has made; None where it does not run or keeps nothing."""
        return self._histories.get(kind)

    def venue_ns(self) -> int:
        """Return the venues' own time, Unix ns."""
        return self.time_ns()

    def step(self, now_ns: int, *, rest: bool = False) -> None:
        """Bring the markets to a time and send their clients what they made.

        Parameters
        ----------
        now_ns
            Unix time; one that has passed makes nothing.
        rest
            Let the time since the last step pass without orders, as after the machine slept.
        """
        for kind, market in self._markets.items():
            if now_ns <= market.now:
                continue
            if rest:
                self.stats.rests += 1
                market.rest(now_ns)
            else:
                market.advance(now_ns)
            if kind in self._histories:
                self._histories[kind].follow()
        for peer in tuple(self.peers):
            peer.push()
        self._call_timers()

    def answer(self, request: Request) -> Reply:
        """Answer a REST request: Binance's under ``/fapi``, Massive's at any other path."""
        self.stats.requests += 1
        venue = self._binance_rest if request.path.startswith("/fapi/") else self._massive_rest
        try:
            return venue.answer(request)
        except RestError as error:
            return error.reply

    def expire_listen_key(self) -> None:
        """End the key of Binance's private streams."""
        self._binance_rest.listen_keys.end()

    def _call_timers(self) -> None:
        now = self.monotonic()
        while self._timers and self._timers[0][0] <= now:
            _, _, timer = heappop(self._timers)
            if timer.call is not None:
                timer.call()

    def _refuse(self, status: HTTPStatus) -> Refused:
        self.stats.refused += 1
        return Refused(status)
