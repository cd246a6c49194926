"""What a connection has been through: counts, last data, lag, and whether it keeps up.

Two clocks are in a lag: the venue stamps an event with its own, we stamp its receipt with ours. What is measured is
``receive time - event time = delay + offset``, and one number cannot tell the two apart. `ClockOffset` takes the
quickest event as having had no delay; what others took more than that is their delay. A delay that *every* event has,
such as the light's way from the venue, thus counts as offset.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import msgspec

from .base import Batch, FeedState

__all__ = ["BEHIND_BYTES", "BEHIND_DELAY_NS", "CHANNELS", "ClockOffset", "Health", "HealthMonitor"]

CHANNELS = ("trades", "quotes", "venue_bars", "marks", "values", "levels", "bands", "imbalances")
"""Arrays of a batch that venues fill, whose last data are noted one by one."""

BEHIND_BYTES = 64 * 1024
"""Fewer bytes waiting than this are no sign of a slow reader: a burst leaves as many for one turn of the loop."""
BEHIND_DELAY_NS = 250_000_000
"""A delay below this is none that a venue would cut us off for."""

_SECOND_MS = 1_000
_EVERY_NS = 250_000_000
_UNSET = -(1 << 63)
# A clock that is kept by a daemon is slewed by 500 ppm at most; crystals are off by some 50.
_DRIFT_PPM = 200
_TREND = 8


class ClockOffset:
    """How far our clock is before a venue's, and the least delay: ns, positive where ours is ahead.

    The least of ``receive time - event time`` that two events in a row have reached, so that one wrong stamp moves
    nothing. From there it may rise by 200 millionths of the time that has passed, so that clocks may drift and a queue
    that grows for minutes still shows as delay.

    Notes
    -----
    What it cannot know: a delay that all events share; a step of the venue's clock backwards, which looks like delay
    until the drift has made up for it. A step of our own clock is told by `stepped`.
    """

    def __init__(self) -> None:
        self._offset_ns: int | None = None
        self._previous_ns: int | None = None
        self._at_s = 0.0

    @property
    def offset_ns(self) -> int | None:
        """The estimate; None before the second event."""
        return self._offset_ns

    def observe(self, lag_ns: int, now_s: float) -> None:
        """Take one event's receive time less its event time, at a time that never steps back."""
        previous, self._previous_ns = self._previous_ns, lag_ns
        if previous is None:
            self._at_s = now_s
            return
        low = max(previous, lag_ns)
        if self._offset_ns is None:
            self._offset_ns = low
        else:
            risen = self._offset_ns + int((now_s - self._at_s) * _DRIFT_PPM * 1_000)
            self._offset_ns = min(risen, low)
        self._at_s = now_s

    def stepped(self, step_ns: int) -> None:
        """Take note that our own clock was set, forward by `step_ns`."""
        if self._offset_ns is not None:
            self._offset_ns += step_ns
        self._previous_ns = None if self._previous_ns is None else self._previous_ns + step_ns


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
    clock_offset_ns: int | None = None
    """How far our clock is before the venue's, as `ClockOffset` estimates; None before two trades or quotes."""
    delay_ns: int | None = None
    """The lag less the clock offset: what the event took longer than the quickest ones."""
    tape_delay_ns: int | None = None
    """Venue time less the participant's time of a recent trade; None where the venue tells none."""
    waiting_bytes: int | None = None
    """Bytes that the kernel holds for us, encrypted where TLS is used; None while there is no socket to ask."""
    is_behind: bool = False
    """Whether bytes waiting and delay both grow: a venue cuts off who reads too slowly."""
    channels: Mapping[str, int] = {}
    """Receive time of the last data of each channel that has delivered, to 250 ms."""


class HealthMonitor:
    """The counters behind `Health`; the connection writes them.

    Parameters
    ----------
    clock
        The offset of the venue's clock, shared by its connections; None makes one.
    """

    def __init__(self, clock: ClockOffset | None = None) -> None:
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
        self.tape_delay_ns: int | None = None
        self.waiting_bytes: int | None = None
        self.is_behind = False
        self._clock = clock or ClockOffset()
        self._channels: dict[str, int] = {}
        self._next_lag_ns = 0
        self._trend: deque[tuple[int, int]] = deque(maxlen=_TREND)

    @property
    def delay_ns(self) -> int | None:
        """The lag less the clock offset."""
        offset = self._clock.offset_ns
        return None if self.lag_ns is None or offset is None else max(self.lag_ns - offset, 0)

    def observe(self, batch: Batch, recv_ns: int, now_s: float) -> None:
        """Take note of a batch, but for one with words of the venue: these may be all that came.

        Cost: what reads columns is taken four times a second at most.
        """
        if batch.control or not len(batch):
            return
        self.last_data_ns = recv_ns
        for channel in CHANNELS:
            # A channel that has delivered just now is not looked at: a busy connection pays for its silent channels.
            if abs(recv_ns - self._channels.get(channel, 0)) >= _EVERY_NS and len(getattr(batch, channel)):
                self._channels[channel] = recv_ns
        # A clock that was set back must not keep the lag from being taken.
        if 0 < self._next_lag_ns - recv_ns <= _EVERY_NS:
            return
        self._next_lag_ns = recv_ns + _EVERY_NS
        self._take_tape_delay(batch)
        self._take_times(batch, recv_ns, now_s)

    def _take_times(self, batch: Batch, recv_ns: int, now_s: float) -> None:
        times = [int(records["ts_event"][-1]) for records in (batch.trades, batch.quotes) if len(records)]
        if times:
            self.lag_ns = recv_ns - times[0]
            self._clock.observe(self.lag_ns, now_s)
        else:
            # A bar of a second comes right behind it; others are sent while they form.
            bars = batch.venue_bars
            times = bars["ts_event"][bars["interval_ms"] <= _SECOND_MS][-1:].tolist()
        if not times:
            times = [recv_ns - max(self.lag_ns or 0, 0)]
        self.last_event_ns = max([self.last_event_ns, *times])

    def _take_tape_delay(self, batch: Batch) -> None:
        if len(batch.trades):
            trade = batch.trades[-1]
            if (participant := int(trade["ts_participant"])) != _UNSET:
                self.tape_delay_ns = int(trade["ts_event"]) - participant

    def measure(self, waiting_bytes: int | None) -> bool:
        """Take how many bytes wait, four times a second; return whether the connection began to fall behind.

        It does where over 2 s both the bytes and the delay have grown, beyond `BEHIND_BYTES` and `BEHIND_DELAY_NS`, and
        until either is below half of that.
        """
        self.waiting_bytes = waiting_bytes
        bytes_, delay = waiting_bytes or 0, self.delay_ns or 0
        if bytes_ < BEHIND_BYTES // 2 or delay < BEHIND_DELAY_NS // 2:
            self.is_behind = False
        was_behind = self.is_behind
        if len(self._trend) == _TREND and bytes_ >= BEHIND_BYTES and delay >= BEHIND_DELAY_NS:
            first_bytes, first_delay = self._trend[0]
            self.is_behind = was_behind or (bytes_ > first_bytes and delay > first_delay)
        self._trend.append((bytes_, delay))
        return self.is_behind and not was_behind

    def disconnected(self) -> None:
        """Forget what belonged to the socket."""
        self.waiting_bytes = None
        self.is_behind = False
        self._trend.clear()

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
            clock_offset_ns=self._clock.offset_ns,
            delay_ns=self.delay_ns,
            tape_delay_ns=self.tape_delay_ns,
            waiting_bytes=self.waiting_bytes,
            is_behind=self.is_behind,
            channels=dict(self._channels),
        )
