"""Takes the frames of one socket to the engine; `compiled.py` has a twin that does it without a Python object a frame.

A read of the socket may hold many frames, and picows calls back for each. A whole text frame goes to the engine at
once, as a view of the read buffer; when the read ends, one flush drains the engine and hands the batch round. The
last frame of a read says so (`last_in_buffer`), whatever its kind: automatic pings and pongs of picows are off, so
control frames come here too, and a PING, a CLOSE or half a frame at the end of a read swallows no flush. A read after
a pause may hold megabytes; it is flushed in between, before the engine's event rings lap their reader.

What RFC 6455 asks of a receiver beyond framing is done here: reassembly of fragments within limits, order of
continuation frames, UTF-8, reserved bits. UTF-8 is looked at only where the engine found no event in a frame: it
rejects bad UTF-8 whole, so a frame that gave events needs no second pass.

Liveness: after 10 s without a frame a ping is sent; a connection that then stays silent for 5 s is aborted. A block
of the loop extends the limit by its own length, since the pong may be waiting in the kernel all the while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from picows import WSFrame, WSListener, WSMsgType, WSTransport

from .base import Engine, Session
from .health import HealthMonitor
from .limits import Limits
from .world import Transport, World

__all__ = ["Listener", "Owner", "Receiver"]

# QUIRK: uvloop counts whole milliseconds and may call early; what finds itself too early would be called over and over.
TIMER_GRAIN_S = 0.001
_LATE_TIMER_S = 0.05
_NO_CODE = 1005
_CODES = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})
# A name of its own saves two lookups for every frame; `is`, since comparing enum members costs a call.
_TEXT = WSMsgType.TEXT


class Owner(Protocol):
    """What a listener serves; a connection."""

    session: Session
    conn: int
    engine: Engine
    limits: Limits
    monitor: HealthMonitor

    def opened(self, transport: Transport) -> None:
        """Begin: the upgrade is complete."""

    def flush(self, recv_ns: int, *, has_events: bool) -> None:
        """Drain the engine: a read has ended, or holds so much that it is drained in between."""

    def closing(self, reason: str) -> None:
        """Note why the connection ends."""

    def end(self, transport: Transport, code: int) -> None:
        """Close the socket with this code."""


class Receiver:
    """What a listener does beside handing over whole text frames: the rules of RFC 6455, liveness, the end of a read.

    Both listeners own one and leave to it what is rare, so the rules are written once.

    Attributes
    ----------
    is_plain
        True while a whole text frame may be handed to the engine: no message is open, the connection does not close.
    """

    def __init__(self, owner: Owner, world: World) -> None:
        self.is_plain = True
        self._owner = owner
        self._monotonic = world.monotonic
        self._limits = owner.limits
        self._monitor = owner.monitor
        self._parts: list[bytes] = []
        self._parts_size = 0
        self._parts_since = 0.0
        self._heard = self._monotonic()
        self._pinged: float | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._is_closing = False

    def opened(self, transport: WSTransport) -> None:
        """Begin the watch and the session."""
        self._watch_in(self._limits.idle_s, transport)
        self._owner.opened(transport)

    def ended(self) -> None:
        """End the watch: the socket is gone."""
        if self._watch is not None:
            self._watch.cancel()

    def end_read(self, recv_ns: int, frames: int, events: int) -> None:
        """Flush a read that fed frames, and note that the peer lives."""
        self._heard = self._monotonic()
        self._pinged = None
        if frames:
            self.flush(recv_ns, frames, events)

    def flush(self, recv_ns: int, frames: int, events: int) -> None:
        """Have what was fed handed round."""
        self._monitor.frames += frames
        self._monitor.events += events
        self._owner.flush(recv_ns, has_events=events > 0)

    def check_eventless(self, transport: WSTransport, frame: WSFrame) -> None:
        """Look for what the protocol forbids in a whole frame that gave no event."""
        self._check(transport, frame.get_payload_as_memoryview())

    def rare(self, transport: WSTransport, frame: WSFrame, recv_ns: int) -> int | None:
        """Take a frame that is not a whole text, has a reserved bit, or comes while `is_plain` is False.

        Returns
        -------
        int or None
            Events of the message that the frame completed; None where it completed none.
        """
        kind = frame.msg_type
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            if not self._is_closing:
                self._fail(transport, 1002, "the peer set a reserved bit that was not negotiated")
        elif kind == WSMsgType.CLOSE:
            self._on_close(transport, frame.get_payload_as_bytes())
        elif kind == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif kind != WSMsgType.PONG and not self._is_closing:
            return self._on_fragment(transport, frame, recv_ns)
        return None

    def _check(self, transport: WSTransport, payload: memoryview) -> None:
        if not _is_utf8(payload):
            self._fail(transport, 1007, "the peer sent a text that is not UTF-8")

    def _on_fragment(self, transport: WSTransport, frame: WSFrame, recv_ns: int) -> int | None:
        """Take a part of a message, or a whole binary one, which is read as text."""
        is_continuation = frame.msg_type == WSMsgType.CONTINUATION
        if is_continuation != bool(self._parts):
            what = "a continuation of nothing" if is_continuation else "a new message inside an unfinished one"
            self._fail(transport, 1002, f"the peer sent {what}")
            return None
        if not self._parts:
            self._parts_since = self._monotonic()
        # INVARIANT: `_parts` is empty exactly when no message is open; an empty first frame still opens one.
        self._parts.append(frame.get_payload_as_bytes())
        self._parts_size += frame.payload_size
        self.is_plain = False
        if self._is_over_limits(transport) or not frame.fin:
            return None
        message = b"".join(self._parts)
        self._forget_parts()
        self.is_plain = True
        owner = self._owner
        events = owner.engine.feed(message, owner.session.venue, recv_ns, owner.conn)
        if not events:
            self._check(transport, memoryview(message))
        return events

    def _is_over_limits(self, transport: WSTransport) -> bool:
        limits = self._limits
        if self._parts_size > limits.message or len(self._parts) > limits.fragments:
            self._fail(transport, 1009, "the peer sent a message over the limits")
            return True
        return self._is_message_overdue(transport)

    def _is_message_overdue(self, transport: WSTransport) -> bool:
        if not self._parts or self._monotonic() - self._parts_since <= self._limits.message_s:
            return False
        self._fail(transport, 1002, f"the peer took over {self._limits.message_s:g} s for one message")
        return True

    def _forget_parts(self) -> None:
        self._parts = []
        self._parts_size = 0

    def _on_close(self, transport: WSTransport, payload: bytes) -> None:
        # QUIRK: 1000 too is a loss: nobody asked the venue to stop.
        code = int.from_bytes(payload[:2], "big") if payload else _NO_CODE
        if not self._is_closing:
            reason = payload[2:].decode(errors="replace")
            self._owner.closing(f"the peer closed with code {code} {reason}".rstrip())
            self._stop_feeding()
            self._owner.end(transport, _answer(code))
        transport.disconnect()

    def _fail(self, transport: WSTransport, code: int, reason: str) -> None:
        """End the connection for a breach of the protocol; frames still in the buffer are not looked at."""
        self._stop_feeding()
        self._owner.closing(f"{reason}: closed with code {code}")
        self._owner.end(transport, code)

    def _stop_feeding(self) -> None:
        """Let what is still in the buffer pass unread: the connection is closing."""
        self._is_closing = True
        self.is_plain = False
        self._forget_parts()

    def _watch_in(self, delay: float, transport: WSTransport) -> None:
        delay += TIMER_GRAIN_S
        due = self._monotonic() + delay
        self._watch = asyncio.get_running_loop().call_later(delay, self._on_watch, due, transport)

    def _on_watch(self, due: float, transport: WSTransport) -> None:
        """Send a ping after silence, abort after silence after a ping, give up a message that never ends."""
        now = self._monotonic()
        late = now - due
        quiet_until = self._heard + self._limits.idle_s
        if late > _LATE_TIMER_S:
            # The loop was blocked: what arrived meanwhile is still in the kernel and is read before the next timer.
            self._watch_in(late, transport)
        elif self._is_message_overdue(transport):
            pass
        elif self._pinged is not None:
            self._owner.closing(f"no answer to a ping within {self._limits.pong_s:g} s")
            transport.disconnect(False)
        elif now < quiet_until:
            self._watch_in(quiet_until - now, transport)
        else:
            self._pinged = now
            transport.send_ping(b"ringtape")
            self._watch_in(self._limits.pong_s, transport)


class Listener(WSListener):
    """The callbacks of one socket. Lives from the upgrade to the end of the socket."""

    def __init__(self, owner: Owner, world: World) -> None:
        self._receiver = Receiver(owner, world)
        self._time_ns = world.time_ns
        self._feed: Callable[[Any, str, int, int], int] = owner.engine.feed
        self._venue = owner.session.venue
        self._conn = owner.conn
        self._flush_events = owner.limits.flush_events
        self._recv_ns = 0
        self._frames = 0
        self._events = 0

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Begin the watch and the session."""
        self._receiver.opened(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Feed a frame; flush at the end of a read."""
        if self._recv_ns == 0:
            self._recv_ns = self._time_ns()
        receiver = self._receiver
        is_whole = frame.msg_type is _TEXT and frame.fin and not (frame.rsv1 or frame.rsv2 or frame.rsv3)
        if is_whole and receiver.is_plain:
            events = self._feed(frame.get_payload_as_memoryview(), self._venue, self._recv_ns, self._conn)
            self._frames += 1
            self._events += events
            if not events:
                receiver.check_eventless(transport, frame)
        elif (fed := receiver.rare(transport, frame, self._recv_ns)) is not None:
            self._frames += 1
            self._events += fed
        if frame.last_in_buffer:
            self._end_read()
        elif self._events >= self._flush_events:
            self._receiver.flush(self._recv_ns, *self._taken())

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002
        """Flush what the last read fed, and end the watch."""
        self._end_read()
        self._receiver.ended()

    def _end_read(self) -> None:
        recv_ns, self._recv_ns = self._recv_ns, 0
        self._receiver.end_read(recv_ns, *self._taken())

    def _taken(self) -> tuple[int, int]:
        counts = self._frames, self._events
        self._frames = self._events = 0
        return counts


def _answer(code: int) -> int:
    """Return the code that answers a close: the same, unless it may not stand on the wire (RFC 6455, 7.4)."""
    if code == _NO_CODE:
        return 1000
    return code if code in _CODES or 3000 <= code < 5000 else 1002  # noqa: PLR2004 - the range of the RFC


def _is_utf8(payload: memoryview) -> bool:
    try:
        str(payload, "utf-8")
    except UnicodeDecodeError:
        return False
    return True
