"""When faults strike: by the host's time, and at the moments of a connection."""

from __future__ import annotations

from collections import deque
from functools import partial
from heapq import heapify, heappop, heappush
from random import Random
from typing import TYPE_CHECKING

import msgspec

from ringtape.sim import faults as f
from ringtape.sim.rest import Reply

if TYPE_CHECKING:
    from ringtape.sim.host import Host
    from ringtape.sim.peer import Peer
    from ringtape.sim.script import Script

__all__ = ["Director", "Order", "Strike", "refusal"]

_STRIKES_MAX = 100_000
_PAGE = (
    b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center>"
    b"<hr><center>proxy</center></body></html>"
)


class Strike(msgspec.Struct, frozen=True):
    """A fault that was done.

    Attributes
    ----------
    at_s
        Seconds since the host's first step.
    fault
        Its place in the script, from 0.
    kind
        Such as ``reset``.
    number
        Of the connection, the first to the host is 1; 0 for the venue.
    """

    at_s: float
    fault: int
    kind: str
    number: int


def refusal(fault: f.Http, path: str) -> Reply:
    """Return what a request to a path gets for an answer."""
    headers = {"Retry-After": str(fault.retry_after_s)} if fault.retry_after_s else {}
    if fault.location:
        return Reply(fault.status, b"", {"Location": fault.location})
    if fault.html:
        return Reply(fault.status, _PAGE, {"Content-Type": "text/html", **headers})
    text = f"ordered by the fault script: {fault.status}"
    if path.startswith("/fapi/"):
        code = -1003 if fault.status in {418, 429} else -1000
        return Reply.of({"code": code, "msg": text}, fault.status, headers)
    return Reply.of({"status": "ERROR", "request_id": "", "error": text}, fault.status, headers)


class Order:
    """A fault of a script and what has become of it."""

    def __init__(self, index: int, fault: f.Fault, seed: int) -> None:
        self.index = index
        self.fault = fault
        self.seed = seed
        self.strikes = 0
        self.connections = 0
        self.rounds = 0
        is_timed = fault.at_s is not None or fault.every_s is not None
        is_counted = fault.after_frames is not None or fault.after_s is not None
        self.is_timed = is_timed or fault.OF_VENUE
        self.moment = "" if is_timed or is_counted or fault.OF_VENUE else fault.on or "connect"

    def random(self, number: int) -> Random:
        """Return the chances of one strike: of their own, so that faults do not change each other."""
        return Random(f"{self.seed} {self.index} {number} {self.strikes}")  # noqa: S311 - reproducible on purpose

    def concerns(self, path: str) -> bool:
        """Count a new connection, and return whether the fault is for it."""
        if self.fault.OF_VENUE or not path.startswith(self.fault.path):
            return False
        self.connections += 1
        return self.fault.peer in {0, self.connections}


class Director:
    """Keeps the faults of a host.

    Parameters
    ----------
    host
        Whose connections and markets they concern.
    script
        The faults.

    Attributes
    ----------
    strikes
        What was done, the newest 100,000.
    """

    def __init__(self, host: Host, script: Script) -> None:
        self._host = host
        self._started: float | None = None
        self._orders = [Order(index, fault, script.seed) for index, fault in enumerate(script.faults)]
        self._times = [Random(f"{script.seed} {index} times") for index in range(len(self._orders))]  # noqa: S311
        self._due: list[tuple[float, int]] = []
        self._lasting: list[tuple[f.Fault, float]] = []
        self._http: list[_Refusing] = []
        self.strikes: deque[Strike] = deque(maxlen=_STRIKES_MAX)
        for order in self._orders:
            if order.is_timed:
                self._due.append((self._first(order), order.index))
        heapify(self._due)

    def orders_for(self, path: str) -> list[Order]:
        """Return the faults that concern a new connection."""
        return [order for order in self._orders if order.concerns(path)]

    def step(self, now: float) -> None:
        """Do what is due, and end what has lasted its time."""
        if self._started is None:
            self._started = now
        self._end_lasting(now)
        while self._due and self._started + self._due[0][0] <= now:
            at_s, index = heappop(self._due)
            order = self._orders[index]
            if order.fault.every_s is not None:
                heappush(self._due, (self._next(order), index))
            if order.fault.OF_VENUE:
                self._strike_venue(order, self._started + at_s)
            else:
                for peer in tuple(self._host.peers):
                    if peer.line is not None and order in peer.line.orders:
                        self.strike(order, peer)

    def strike(self, order: Order, peer: Peer) -> None:
        """Let a fault of connections strike one."""
        if peer.line is None or peer.is_ending or not self._count(order, peer.number):
            return
        peer.line.strike(order.fault, order.random(peer.number))

    def opened(self, peer: Peer, orders: list[Order]) -> None:
        """Start the clocks of a new connection."""
        for order in orders:
            after_s = order.fault.after_s
            if after_s is not None:
                self._host.later(after_s, partial(self.strike, order, peer))

    def http(self, path: str) -> f.Http | None:
        """Return the fault that an HTTP request to a path meets, and count it."""
        now = self._host.monotonic()
        for each in self._http:
            if path.startswith(each.fault.path) and now < each.until and each.left:
                each.left -= 1
                return each.fault
        return None

    def _count(self, order: Order, number: int) -> bool:
        """Count a strike; False where there have been as many as may be."""
        if order.fault.times and order.strikes >= order.fault.times:
            return False
        order.strikes += 1
        kind = order.fault.kind
        now = self._host.monotonic()
        at_s = 0.0 if self._started is None else now - self._started
        self.strikes.append(Strike(at_s, order.index, kind, number))
        self._host.stats.faults[kind] = self._host.stats.faults.get(kind, 0) + 1
        return True

    def _first(self, order: Order) -> float:
        return order.fault.at_s or 0.0 if order.fault.every_s is None else self._next(order)

    def _next(self, order: Order) -> float:
        """Return the next of the times that are `every_s` apart; jitter does not add up."""
        fault = order.fault
        order.rounds += 1
        jitter = self._times[order.index].uniform(-fault.jitter_s, fault.jitter_s)
        return order.rounds * (fault.every_s or 0.0) + jitter

    def _strike_venue(self, order: Order, at: float) -> None:
        if not self._count(order, 0):
            return
        fault = order.fault
        for_s = getattr(fault, "for_s", 0.0)
        until = at + for_s if for_s else float("inf")
        match fault:
            case f.Burst():
                self._host.scale_rate(fault.path, fault.factor)
                self._lasting.append((fault, until))
            case f.Skew():
                self._host.skew_ns = round(fault.skew_s * 1e9)
                self._lasting.append((fault, until))
            case f.ListenKeyExpired():
                self._host.expire_listen_key()
            case f.Http():
                self._http.append(_Refusing(fault, until))
            case _:
                raise AssertionError(fault)

    def _end_lasting(self, now: float) -> None:
        for fault, until in [entry for entry in self._lasting if entry[1] <= now]:
            self._lasting.remove((fault, until))
            if isinstance(fault, f.Burst):
                self._host.scale_rate(fault.path, 1.0)
            else:
                self._host.skew_ns = 0
        self._http = [each for each in self._http if now < each.until and each.left]


class _Refusing:
    """An `http` fault at work."""

    def __init__(self, fault: f.Http, until: float) -> None:
        self.fault = fault
        self.until = until
        self.left = fault.count or 1 << 62
