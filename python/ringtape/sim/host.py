"""The pretend venues without a socket: who is connected, the markets, and time as it is given."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from http import HTTPStatus

from ringtape._native import Simulator
from ringtape.sim.behaviour import Behaviour, Stats
from ringtape.sim.binance import BinancePeer, target
from ringtape.sim.director import Director, Order, Strike, refusal
from ringtape.sim.faults import Replay
from ringtape.sim.history import History
from ringtape.sim.line import Line, Sent
from ringtape.sim.massive import CHANNELS, MassivePeer
from ringtape.sim.peer import Kind, Peer
from ringtape.sim.rest import Reply, Request, RestError
from ringtape.sim.rest_binance import BinanceRest
from ringtape.sim.rest_massive import MassiveRest
from ringtape.sim.script import Script
from ringtape.sim.timer import Timer

__all__ = ["Host", "Refused"]

# As many as a market has places for.
_PEERS_MAX = 1024
_RATE_MAX = 10_000_000
# Any time will do where only names and previous closes are wanted.
SOME_TIME_NS = 1_700_000_000_000_000_000


class Refused(Exception):  # noqa: N818 - an answer to a client, not a fault of ours
    """A connection that is not accepted.

    Attributes
    ----------
    reply
        The answer it gets instead.
    """

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


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
        How the venues behave; over that of the script.
    script
        What goes wrong.
    record
        Whether to keep a log of all that is sent; it grows without bound and is meant for tests.
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
    log
        What was sent to whom, and what was withheld; empty without `record`.
    skew_ns
        How far the venues' clock is ahead.

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
        script: Script | None = None,
        record: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
        time_ns: Callable[[], int] = time.time_ns,
        history_bytes: int = 64 << 20,
    ) -> None:
        Simulator(seed=seed, symbols=symbols, rate=rate, kind="stocks", start_ns=SOME_TIME_NS)
        self.seed = seed
        script = script or Script()
        self.behaviour = behaviour or script.behaviour or Behaviour()
        self.monotonic = monotonic
        self.time_ns = time_ns
        self.stats = Stats()
        self.peers: dict[Peer, None] = {}
        self.log: list[Sent] = []
        self.skew_ns = 0
        self._is_recording = record
        self._has_lines = record or any(not fault.OF_VENUE for fault in script.faults)
        self._director = Director(self, script)
        self._recent_max = max((fault.count for fault in script.faults if isinstance(fault, Replay)), default=0)
        self._recent: dict[str, deque[bytes]] = {}
        self._soon: deque[Callable[[], None]] = deque()
        self._accepted = 0
        self._factors: dict[Kind, float] = {}
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
        fault = self._director.http(path)
        if fault is not None:
            raise self._refuse(refusal(fault, path))
        if len(self.peers) >= _PEERS_MAX:
            raise self._refuse(Reply(HTTPStatus.SERVICE_UNAVAILABLE, b""))
        peer = self._peer(path, query)
        if peer is None:
            raise self._refuse(Reply(HTTPStatus.NOT_FOUND, b""))
        self._accepted += 1
        peer.number = self._accepted
        if self._has_lines:
            orders = self._director.orders_for(path)
            peer.line = Line(peer, orders)
            self._director.opened(peer, orders)
        return peer

    def market(self, kind: Kind) -> Simulator:
        """Return the running market of that kind; it opens now where it did not run yet."""
        market = self._markets.get(kind)
        if market is None:
            market = self._markets[kind] = Simulator(
                seed=self.seed, symbols=self._symbols, rate=self._rate, kind=kind, start_ns=self.venue_ns()
            )
            market.set_rate(self._rate_of(kind))
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
        return self.time_ns() + self.skew_ns

    def step(self, now_ns: int, *, rest: bool = False) -> None:
        """Bring the markets to a time and send their clients what they made.

        Parameters
        ----------
        now_ns
            Unix time; one that has passed makes nothing.
        rest
            Let the time since the last step pass without orders, as after the machine slept.
        """
        self._director.step(self.monotonic())
        venue_ns = now_ns + self.skew_ns
        for kind, market in self._markets.items():
            if venue_ns <= market.now:
                continue
            if rest:
                self.stats.rests += 1
                market.rest(venue_ns)
            else:
                market.advance(venue_ns)
            if kind in self._histories:
                self._histories[kind].follow()
        for peer in tuple(self.peers):
            if peer.line is not None:
                peer.line.step(self.monotonic())
            peer.push()
        self._call_timers()
        if self._binance_rest.listen_keys.has_expired(now_ns // 1_000_000):
            self.expire_listen_key()

    def answer(self, request: Request) -> Reply | None:
        """Answer a REST request: Binance's under ``/fapi``, Massive's at any other path.

        Returns
        -------
        Reply or None
            None where a fault leaves the request without an answer.
        """
        self.stats.requests += 1
        fault = self._director.http(request.path)
        if fault is not None:
            return None if fault.timeout else refusal(fault, request.path)
        venue = self._binance_rest if request.path.startswith("/fapi/") else self._massive_rest
        try:
            return venue.answer(request)
        except RestError as error:
            return error.reply

    def expire_listen_key(self) -> None:
        """End the key of Binance's private streams."""
        key = self._binance_rest.listen_keys.end()
        for peer in tuple(self.peers):
            if isinstance(peer, BinancePeer):
                peer.key_expired(key)

    # What faults need.

    @property
    def strikes(self) -> deque[Strike]:
        """The faults that were done, the newest 100,000."""
        return self._director.strikes

    def strike(self, order: Order, peer: Peer) -> None:
        """Let a fault strike a connection."""
        self._director.strike(order, peer)

    def scale_rate(self, path: str, factor: float) -> None:
        """Set the rate of the markets behind a path to a multiple of the usual one."""
        kinds: tuple[Kind, ...] = ("stocks", "crypto")
        if path:
            kinds = ("stocks",) if path.startswith("/stocks") else ("crypto",)
        for kind in kinds:
            self._factors[kind] = factor
            if kind in self._markets:
                self._markets[kind].set_rate(self._rate_of(kind))

    def soon(self, call: Callable[[], None]) -> None:
        """Call something when the loop comes round again; without a loop that is now, one after the other."""
        self._soon.append(call)
        if len(self._soon) == 1:
            while self._soon:
                self._soon[0]()
                self._soon.popleft()

    def remember(self, path: str, text: bytes) -> None:
        """Keep a data frame for replays, where there may be any."""
        if self._recent_max:
            self._recent.setdefault(path, deque(maxlen=self._recent_max)).append(text)

    def recent(self, path: str) -> Iterable[bytes]:
        """Return the last data frames of a path."""
        return self._recent.get(path, ())

    def note(self, sent: Sent) -> None:
        """Count what was sent or withheld, and keep it where a log is wanted."""
        if sent.fate == "withheld":
            self.stats.withheld += 1
        elif sent.fate == "repeated":
            self.stats.repeated += 1
        if self._is_recording:
            self.log.append(sent)

    def _peer(self, path: str, query: str) -> Peer | None:
        if path in CHANNELS:
            return MassivePeer(self, path)
        asked = target(path, query)
        return BinancePeer(self, path, asked) if asked is not None else None

    def _rate_of(self, kind: Kind) -> int:
        return max(1, min(round(self._rate * self._factors.get(kind, 1.0)), _RATE_MAX))

    def _call_timers(self) -> None:
        now = self.monotonic()
        while self._timers and self._timers[0][0] <= now:
            _, _, timer = heappop(self._timers)
            if timer.call is not None:
                timer.call()

    def _refuse(self, reply: Reply) -> Refused:
        self.stats.refused += 1
        return Refused(reply)
