"""What the pretend venues share of one client's connection: messages in, frames out, and an orderly end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType

from ringtape._native import Simulator
from ringtape.sim.faults import BlackHole, Deaf
from ringtape.sim.timer import Timer
from ringtape.sim.wire import data_frame

if TYPE_CHECKING:
    from ringtape.sim.host import Host
    from ringtape.sim.line import Line

__all__ = ["MESSAGE_MAX_BYTES", "Kind", "Peer", "Route", "Socket", "Transport"]

MESSAGE_MAX_BYTES = 1 << 20
"""The longest message taken from a client."""

_log = logging.getLogger("ringtape.sim")

Kind = Literal["stocks", "crypto"]
Route = Literal["all", "public", "market"]


class Socket(Protocol):
    """What a connection needs of the transport under its WebSocket."""

    def write(self, data: bytes) -> None:
        """Send bytes; they may be any part of a frame, or many frames."""

    def get_write_buffer_size(self) -> int:
        """Return the bytes that wait for the client."""


class Transport(Protocol):
    """What a connection needs of `picows.WSTransport`; a test in virtual time brings its own."""

    @property
    def underlying_transport(self) -> Socket:
        """The transport under the WebSocket. Data frames are written to it, framed."""

    def send_ping(self, message: str | bytes = b"") -> None:
        """Send a ping."""

    def send_pong(self, message: bytes = b"") -> None:
        """Send a pong."""

    def send_close(self, close_code: Any = 0, close_message: str | None = None) -> None:  # noqa: ANN401 - any number
        """Send a close frame."""

    def disconnect(self, graceful: bool = True) -> None:  # noqa: FBT001, FBT002 - as picows has it
        """Close the socket, after what was written where it is `graceful`."""

    async def wait_disconnected(self) -> None:
        """Wait for the end of the socket."""


class Peer(WSListener):
    """One client's connection: messages in, frames out, and an orderly end.

    A venue's protocol derives from it and fills in `opened`, `received` and `fell_behind`.

    Parameters
    ----------
    host
        The server.
    path
        The path that was asked for.

    Attributes
    ----------
    number
        Which connection to the host it is; the first is 1.
    line
        What does the faults that are ordered; None where there are none.
    """

    def __init__(self, host: Host, path: str) -> None:
        self.host = host
        self.path = path
        self.number = 0
        self.line: Line | None = None
        self.transport: Transport
        self.held: set[str] = set()
        self._simulator: Simulator | None = None
        self._handle = 0
        self._message = bytearray()
        self._is_message_open = False
        self._is_ending = False
        self._timer: Timer | None = None

    # What a venue's protocol fills in.

    def opened(self) -> None:
        """Take note that the client is there."""

    def received(self, message: bytes) -> None:
        """Answer a message."""

    def fell_behind(self) -> None:
        """Say goodbye to a client that does not keep up."""

    def ponged(self) -> None:
        """Take note of a pong."""

    def evict(self) -> None:
        """Close the connection as one too many."""
        self.end(WSCloseCode.POLICY_VIOLATION)

    def warn_slow(self) -> None:
        """Tell a client that it does not keep up, where the venue does that."""

    def cut_off(self) -> None:
        """Close on a client that does not keep up, after the warning."""
        self.end(WSCloseCode.POLICY_VIOLATION)

    def announce_end(self) -> None:
        """Tell the client that the connection will end, where the venue does that."""

    def events_of(self, frame: bytes) -> list[bytes]:
        """Return the events of a data frame."""
        return [frame]

    def frames_of(self, events: list[bytes]) -> list[bytes]:
        """Return data frames of events."""
        return events

    def stream_of(self, event: bytes) -> str:  # noqa: ARG002 - the venues need it
        """Return the name of the stream that an event belongs to."""
        return ""

    # What it may use.

    @property
    def is_ending(self) -> bool:
        """True once the connection has been closed by either side: nothing is sent and nothing is heard any more."""
        return self._is_ending

    def join(self, kind: Kind, route: Route = "all") -> tuple[Simulator, int]:
        """Return the market and this client's number there, joining it where that has not been done."""
        if self._simulator is None:
            simulator = self.host.market(kind)
            self._handle = simulator.open(route)
            self._simulator = simulator
        return self._simulator, self._handle

    def send(self, messages: list[bytes]) -> None:
        """Send messages of the venue's own."""
        if self._is_ending:
            return
        if self.line is None:
            self._write(messages)
        else:
            for message in messages:
                self.line.say(message)

    def moment(self, name: str) -> None:
        """Take note of how far the client has got; a fault may be ordered for then."""
        if self.line is not None and not self._is_ending:
            self.line.moment(name)

    def ping(self, payload: str) -> None:
        """Send a ping."""
        if self._is_open():
            self.transport.send_ping(payload)

    def later(self, delay_s: float, call: Callable[[], None]) -> None:
        """Call something after a delay unless the connection has ended by then; there is one such call at a time."""
        self._cancel_timer()
        self._timer = self.host.later(delay_s, call)

    def push(self) -> None:
        """Send what the market has for this client."""
        if self._simulator is None:
            return
        if self.transport.underlying_transport.get_write_buffer_size() > self.host.behaviour.write_buffer:
            self.host.stats.slow_clients += 1
            _log.warning("a client of %s does not keep up and is cut off", self.path)
            self.fell_behind()
            return
        frames = self._simulator.frames(self._handle, self.host.behaviour.batch)
        if self.line is None:
            self._write(frames)
        else:
            self.line.data(frames)

    def end(self, code: WSCloseCode | int, reason: str = "") -> None:
        """Close the connection; where the client does not answer in time, drop it."""
        if not self._is_ending:
            if self.line is not None:
                self.line.finish()
            self.transport.send_close(code, reason)
            self._finish()

    def drop(self) -> None:
        """Hang up after what was sent, without a close handshake."""
        if not self._is_ending:
            if self.line is not None:
                self.line.finish()
            self.transport.disconnect()
            self._finish()

    def abort(self) -> None:
        """Cut the connection; what was not sent yet is lost."""
        if not self._is_ending:
            self.transport.disconnect(graceful=False)
            self._finish()

    # What picows calls.

    def on_ws_connected(self, transport: Transport) -> None:
        """Take the connection."""
        self.transport = transport
        self.host.peers[self] = None
        self.host.stats.connections += 1
        self.moment("connect")
        if not self._is_ending:
            self.opened()

    def on_ws_frame(self, transport: Transport, frame: WSFrame) -> None:
        """Take a frame."""
        if self._is_in_black_hole():
            return
        if frame.msg_type == WSMsgType.CLOSE:
            self._on_close(transport, frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.PONG:
            self.ponged()
        elif frame.msg_type == WSMsgType.PING:
            if self._is_open():
                transport.send_pong(frame.get_payload_as_bytes())
        elif not self._is_ending:
            self._on_data(frame)

    def on_ws_disconnected(self, transport: Transport) -> None:  # noqa: ARG002 - picows' signature
        """Forget the client."""
        self._is_ending = True
        self._leave()
        self.host.peers.pop(self, None)

    def pause_writing(self) -> None:
        """Do nothing: `push` looks at what waits before it sends more."""

    def resume_writing(self) -> None:
        """Do nothing."""

    # The rest.

    def _write(self, frames: list[bytes]) -> None:
        """Send text messages with one write."""
        if not frames:
            return
        # Server frames have no mask, so framing costs little; picows would make a system call for each of them, and
        # Binance's frames are one event each.
        data = b"".join(map(data_frame, frames))
        self.transport.underlying_transport.write(data)
        self.host.stats.frames += len(frames)
        self.host.stats.bytes += len(data)

    def _is_in_black_hole(self) -> bool:
        return self.line is not None and self.line.find(BlackHole) is not None

    def _is_open(self) -> bool:
        """Return whether a control frame may be sent; what waits to be written goes first."""
        if self._is_ending or self._is_in_black_hole():
            return False
        if self.line is not None:
            self.line.finish()
        return True

    def _on_close(self, transport: Transport, payload: bytes) -> None:
        if not self._is_ending:
            code = int.from_bytes(payload[:2], "big")
            known = {each.value: each for each in WSCloseCode if each is not WSCloseCode.NO_INFO}
            transport.send_close(known.get(code, WSCloseCode.OK))
        transport.disconnect()
        self._finish()

    def _on_data(self, frame: WSFrame) -> None:
        """Put messages together; text and binary are read alike, as the venues do."""
        if (frame.msg_type == WSMsgType.CONTINUATION) != self._is_message_open:
            self.end(WSCloseCode.PROTOCOL_ERROR)
            return
        self._message += frame.get_payload_as_bytes()
        if len(self._message) > MESSAGE_MAX_BYTES:
            self.end(WSCloseCode.MESSAGE_TOO_BIG)
            return
        self._is_message_open = not frame.fin
        if frame.fin:
            message = bytes(self._message)
            self._message.clear()
            if self.line is None or self.line.find(Deaf) is None:
                self.received(message)

    def _finish(self) -> None:
        self._is_ending = True
        self._leave()
        self.later(self.host.behaviour.close_s, self._abort)

    def _abort(self) -> None:
        self.transport.disconnect(graceful=False)

    def _leave(self) -> None:
        """Give up the place in the market and the timer."""
        self._cancel_timer()
        if self.line is not None:
            self.line.close("end")
        if self._simulator is not None:
            self.host.stats.lost += self._simulator.lost(self._handle) or 0
            self._simulator.close(self._handle)
            self._simulator = None

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
