"""What a connection has been through: counts, last data, lag."""

from __future__ import annotations

import msgspec

from .base import Batch, FeedState

__all__ = ["Health", "HealthMonitor"]

_LAG_EVERY_NS = 250_000_000


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """A connection's health at one moment. Times are Unix ns, 0 for never."""

    name: str
    venue: str
    url: str
    state: FeedState
    detail: str
    """Why the state is what it is; empty while nothing is wrong."""
    connects: int
    losses: int
    frames: int
    events: int
    last_data_ns: int
    """Receive time of the last frame that carried events."""
    lag_ns: int | None
    """Receive time less venue time of a recent trade or quote; includes the difference of the clocks. None before
    the first."""
    covered: bool = False
    """Whether another connection delivers the same now, so that nothing is missing while this one is not live."""


class HealthMonitor:
    """The counters behind `Health`; the connection writes them."""

    def __init__(self) -> None:
        self.state = FeedState.CONNECTING
        self.detail = ""
        self.connects = 0
        self.losses = 0
        self.frames = 0
        self.events = 0
        self.last_data_ns = 0
        self.lag_ns: int | None = None
        self._next_lag_ns = 0

    def observe(self, batch: Batch, recv_ns: int) -> None:
        """Take the lag from a batch, four times a second at most: it reads two columns."""
        self.last_data_ns = recv_ns
        if recv_ns < self._next_lag_ns:
            return
        self._next_lag_ns = recv_ns + _LAG_EVERY_NS
        for records in (batch.trades, batch.quotes):
            if len(records):
                self.lag_ns = recv_ns - int(records["ts_event"][-1])
                return

    def snapshot(self, name: str, venue: str, url: str) -> Health:
        """Return the present values."""
        return Health(
            name=name,
            venue=venue,
            url=url,
            state=self.state,
            detail=self.detail,
            connects=self.connects,
            losses=self.losses,
            frames=self.frames,
            events=self.events,
            last_data_ns=self.last_data_ns,
            lag_ns=self.lag_ns,
        )
