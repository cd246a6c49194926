"""What stands between a venue's protocol and one client's socket, and does what faults order.

Market data passes four stages in this order: events (silence, drop, duplicate, reorder), frames (garbage, replay,
counting), time (black hole, stall, slow consumer), bytes (fragment, slice, coalesce). The venue's own messages pass
the last two.
"""

from __future__ import annotations

import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from random import Random
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec
from picows import WSMsgType

from ringtape.sim import faults as f
from ringtape.sim.wire import data_frame, frame_of, garbage

if TYPE_CHECKING:
    from ringtape.sim.director import Order
    from ringtape.sim.peer import Peer

__all__ = ["Fate", "Line", "Sent"]

Fate = Literal["sent", "repeated", "withheld", "garbage", "status"]

_F = TypeVar("_F", bound=f.Fault)
_LINGER_NONE = struct.pack("ii", 1, 0)


class Sent(msgspec.Struct, frozen=True):
    """One entry of the log of what was sent to whom.

    Attributes
    ----------
    number
        Of the connection, the first to the host is 1.
    path
        Its path.
    monotonic
        The host's time.
    text
        ``sent``: a data frame as written to the socket. ``withheld``: an event or a frame that was not, and ``fault``
        says why. ``repeated``: an event or a frame that was sent before. ``garbage`` and ``status`` are frames.
    fate
        As above.
    fault
        Kind of the fault; empty for none.
    """

    number: int
    path: str
    monotonic: float
    text: bytes
    fate: Fate
    fault: str = ""


class _Active:
    """A fault at work on one connection."""

    __slots__ = ("fault", "left", "random", "since", "until")

    def __init__(self, fault: f.Fault, random: Random, now: float) -> None:
        self.fault = fault
        self.random = random
        self.since = now
        for_s = getattr(fault, "for_s", 0.0)
        self.until = now + for_s if for_s else float("inf")
        self.left = getattr(fault, "count", 0) or (1 << 62)


class Line:
    """The way out of one connection.

    Parameters
    ----------
    peer
        The connection.
    orders
        The faults that concern it.
    """

    def __init__(self, peer: Peer, orders: list[Order]) -> None:
        self._peer = peer
        self._host = peer.host
        self.orders = orders
        self._active: list[_Active] = []
        self._frames = 0
        self._moments: set[str] = set()
        self._held: deque[tuple[float, bytes, Fate]] = deque()
        self._shuffle: list[bytes] = []
        self._out = bytearray()
        self._is_pumping = False
        self._is_holding = False
        self._has_warned = False
        self._counted = [order for order in orders if order.fault.after_frames]

    # What the connection asks.

    def find(self, kind: type[_F]) -> _F | None:
        """Return the fault of that kind that is at work, the latest one."""
        active = self._find(kind)
        return active.fault if active else None  # type: ignore[return-value]  # `_find` looks for nothing else

    def is_unauthorized(self, name: str) -> bool:
        """Return whether a subscription is to be refused."""
        faults = (active.fault for active in self._active)
        return any(isinstance(fault, f.Unauthorized) and fnmatchcase(name, fault.stream) for fault in faults)

    # What happens.

    def moment(self, name: str) -> None:
        """Take note of the first time that the client has got so far, and do what is ordered for then."""
        if name not in self._moments:
            self._moments.add(name)
            for order in self.orders:
                if order.moment == name:
                    self._host.strike(order, self._peer)

    def data(self, frames: Iterable[bytes]) -> None:
        """Send data of the market, or what faults make of it."""
        for frame in frames:
            for edited, fate in self._edit(frame):
                if self._peer.is_ending:
                    return
                self._frame(edited, fate)
        self._flush()

    def say(self, message: bytes) -> None:
        """Send a message of the venue's own."""
        self._pass(message, "status")
        self._flush()

    def step(self, now: float) -> None:
        """End what has lasted its time, and send what is due."""
        ended = [active for active in self._active if now >= active.until]
        if ended:
            self._active = [active for active in self._active if now < active.until]
            if any(isinstance(active.fault, f.Reorder) for active in ended):
                self._release_shuffled()
        self._watch_delay(now)
        while self._held and self._held[0][0] <= now and not self._peer.is_ending:
            _, text, fate = self._held.popleft()
            self._write(text, fate)
        self._flush()

    def strike(self, fault: f.Fault, random: Random) -> None:
        """Do what is ordered."""
        match fault:
            case f.Replay():
                for text in tuple(self._host.recent(self._peer.path))[-fault.count :]:
                    self._note(text, "repeated", fault.kind)
                    self._pass(text, "repeated")
            case f.Garbage():
                for _ in range(fault.count):
                    self._pass(garbage(fault.what, random), "garbage")
            case f.Reset() | f.HangUp() | f.Close() | f.EndOfLife() | f.Evict():
                self._end(fault)
            case _:
                self._active.append(_Active(fault, random, self._host.monotonic()))
        self._flush()

    def _end(self, fault: f.Fault) -> None:
        """End the connection as it is ordered."""
        peer = self._peer
        if isinstance(fault, f.EndOfLife) and fault.announce_s:
            peer.announce_end()
            self._host.later(fault.announce_s, lambda: self._end(msgspec.structs.replace(fault, announce_s=0.0)))
            return
        if peer.is_ending:
            return
        if isinstance(fault, f.Reset):
            self._discard(fault.kind)
            _linger_none(peer)
            peer.abort()
            return
        self._finish(fault.kind)
        if isinstance(fault, f.Evict):
            peer.evict()
        elif isinstance(fault, f.Close):
            peer.end(fault.code, fault.reason)
        elif isinstance(fault, f.EndOfLife) and fault.code:
            peer.end(fault.code)
        else:
            peer.drop()

    def close(self, why: str) -> None:
        """Write off what still waits: the connection has ended."""
        self._discard(why)

    def finish(self) -> None:
        """Write what waits for its bytes only, before a control frame that may not come in between."""
        if self._out:
            self._socket_write(bytes(self._out))
            self._out.clear()

    # Stages.

    def _edit(self, frame: bytes) -> Iterator[tuple[bytes, Fate]]:
        """Yield what the faults of single events make of a frame."""
        active = [each for each in self._active if isinstance(each.fault, f.OfEvents)]
        if not active:
            yield frame, "sent"
            return
        kept: list[bytes] = []
        for event in self._peer.events_of(frame):
            kept += self._edit_event(event, active)
        if kept:
            yield from ((text, "sent") for text in self._peer.frames_of(kept))

    def _edit_event(self, event: bytes, active: list[_Active]) -> list[bytes]:
        """Return the events that come in the place of one."""
        events = [event]
        for each in active:
            fault = each.fault
            if not isinstance(fault, f.OfEvents) or not self._concerns(fault, event):
                continue
            match fault:
                case f.Silence():
                    return self._withhold(event, fault)
                case f.Drop() if each.left and each.random.random() < fault.share:
                    each.left -= 1
                    return self._withhold(event, fault)
                case f.Duplicate() if each.random.random() < fault.share:
                    self._note(event, "repeated", fault.kind)
                    events = [*events, event]
                case f.Reorder():
                    self._shuffle += events
                    if len(self._shuffle) < fault.window:
                        return []
                    events, self._shuffle = self._shuffle, []
                    each.random.shuffle(events)
                    return events
                case _:
                    pass
        return events

    def _concerns(self, fault: f.OfEvents, event: bytes) -> bool:
        return not fault.stream or fnmatchcase(self._peer.stream_of(event), fault.stream)

    def _withhold(self, event: bytes, fault: f.Fault) -> list[bytes]:
        self._note(event, "withheld", fault.kind)
        return []

    def _release_shuffled(self) -> None:
        """Send what waited for a full window; as it stands, since its window never came."""
        events, self._shuffle = self._shuffle, []
        for frame in self._peer.frames_of(events):
            self._frame(frame, "sent")

    def _frame(self, frame: bytes, fate: Fate) -> None:
        self._frames += 1
        self._pass(frame, fate)
        for order in self._counted:
            if order.fault.after_frames == self._frames:
                self._flush()
                self._host.strike(order, self._peer)

    def _pass(self, text: bytes, fate: Fate) -> None:
        """Send a message now, later or never."""
        now = self._host.monotonic()
        hole = self.find(f.BlackHole)
        if hole is not None:
            self._note(text, "withheld", hole.kind)
            return
        due = now
        if (stall := self._find(f.Stall)) is not None:
            due = stall.until
        if (slow := self._find(f.SlowConsumer)) is not None and isinstance(slow.fault, f.SlowConsumer):
            due = max(due, now + slow.fault.growth * (now - slow.since))
        if self._held:
            due = max(due, self._held[-1][0])
        if due > now:
            self._held.append((due, text, fate))
        else:
            self._write(text, fate)

    def _watch_delay(self, now: float) -> None:
        """Warn the client, and cut it off, as the delay grows."""
        slow = self._find(f.SlowConsumer)
        if slow is None or not isinstance(slow.fault, f.SlowConsumer):
            return
        delay = slow.fault.growth * (now - slow.since)
        if delay >= slow.fault.warn_s and not self._has_warned:
            self._has_warned = True
            self._peer.warn_slow()
        if delay >= slow.fault.limit_s:
            self._host.stats.slow_clients += 1
            self._finish(slow.fault.kind)
            self._active.remove(slow)
            self._peer.cut_off()

    def _write(self, text: bytes, fate: Fate) -> None:
        if fate == "sent":
            self._host.remember(self._peer.path, text)
        if fate != "repeated":
            self._note(text, fate)
        self._host.stats.frames += 1
        fragment = self.find(f.Fragment)
        if fate == "garbage":
            self._out += text
        elif fragment is None:
            self._out += data_frame(text)
        else:
            self._out += _fragments(text, fragment)

    def _flush(self) -> None:
        """Write the bytes that are due, in the pieces that are ordered."""
        if self._peer.is_ending or not self._out or self._is_pumping:
            return
        if self.find(f.Slice) is not None:
            self._is_pumping = True
            self._pump()
            return
        coalesce = self.find(f.Coalesce)
        if coalesce is not None and len(self._out) < coalesce.size:
            if not self._is_holding:
                self._is_holding = True
                self._host.later(coalesce.hold_s, self._end_hold)
            return
        self.finish()

    def _end_hold(self) -> None:
        self._is_holding = False
        if not self._peer.is_ending:
            self.finish()

    def _pump(self) -> None:
        """Write one slice and come back for the next."""
        slice_ = self.find(f.Slice)
        if slice_ is None or self._peer.is_ending:
            self._is_pumping = False
            self._flush()
            return
        if not self._out:
            self._is_pumping = False
            return
        self._socket_write(bytes(self._out[: slice_.size]))
        del self._out[: slice_.size]
        self._host.soon(self._pump)

    def _socket_write(self, data: bytes) -> None:
        self._host.stats.bytes += len(data)
        self._peer.transport.underlying_transport.write(data)

    # The rest.

    def _find(self, kind: type[f.Fault]) -> _Active | None:
        return next((active for active in reversed(self._active) if isinstance(active.fault, kind)), None)

    def _finish(self, why: str) -> None:
        """Before an end in order: what waits for its time is lost, what waits for its bytes is not."""
        out = bytes(self._out)
        self._discard(why)
        if out:
            self._socket_write(out)

    def _discard(self, why: str) -> None:
        for _, text, fate in self._held:
            if fate == "sent":
                self._note(text, "withheld", why)
        for event in self._shuffle:
            self._note(event, "withheld", why)
        self._held.clear()
        self._shuffle.clear()
        self._out.clear()

    def _note(self, text: bytes, fate: Fate, fault: str = "") -> None:
        self._host.note(Sent(self._peer.number, self._peer.path, self._host.monotonic(), text, fate, fault))


def _fragments(text: bytes, fault: f.Fragment) -> bytes:
    """Return a message in fragments; an empty message is one fragment."""
    parts = [text[start : start + fault.size] for start in range(0, len(text), fault.size)] or [b""]
    frames = []
    for place, part in enumerate(parts):
        opcode = WSMsgType.TEXT if place == 0 else WSMsgType.CONTINUATION
        frames.append(frame_of(part, opcode.value, fin=place == len(parts) - 1))
    return frame_of(b"between", WSMsgType.PING.value).join(frames) if fault.pings else b"".join(frames)


def _linger_none(peer: Peer) -> None:
    """Let the end of the socket be a reset; a transport without a socket knows no difference."""
    get: Callable[[str], socket.socket | None] | None
    get = getattr(peer.transport.underlying_transport, "get_extra_info", None)
    sock = get("socket") if get is not None else None
    if sock is not None:
        # WHY a duplicate: uvloop's stand-in for the socket has no setsockopt; options belong to the socket itself.
        with socket.socket(fileno=os.dup(sock.fileno())) as own:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
