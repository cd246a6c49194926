"""What a connection has been through: counts, last data, lag."""

from __future__ import annotations

import msgspec

from .base import Batch, FeedState

__all__ = ["Health", "HealthMonitor"]

_SECOND_MS = 1_000
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
        self.last_event_ns = 0
        """Venue time up to which everything asked for has come, to a quarter of a second; 0 before the first event.

        WHY not the time of the last read: what came last may have been on its way for seconds, and what was on its
        way behind it is lost with the connection.
        """
        self.lag_ns: int | None = None
        self._next_lag_ns = 0

    def observe(self, batch: Batch, recv_ns: int) -> None:
        """Take note of a batch, but for one with words of the venue: these may be all that came.

        Cost: lag and event time are taken four times a second at most, since they read columns.
        """
        if batch.control or not len(batch):
            return
        self.last_data_ns = recv_ns
        if 0 < self._next_lag_ns - recv_ns <= _LAG_EVERY_NS:
            return
        self._next_lag_ns = recv_ns + _LAG_EVERY_NS
        self._sample(batch, recv_ns)

    def _sample(self, batch: Batch, recv_ns: int) -> None:
        times = [int(records["ts_event"][-1]) for records in (batch.trades, batch.quotes) if len(records)]
        if times:
            self.lag_ns = recv_ns - times[0]
        else:
            # A bar of a second comes right behind it; others are sent while they form.
            bars = batch.venue_bars
            times = bars["ts_event"][bars["interval_ms"] <= _SECOND_MS][-1:].tolist()
        if not times:
            times = [recv_ns - max(self.lag_ns or 0, 0)]
        self.last_event_ns = max([self.last_event_ns, *times])

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
