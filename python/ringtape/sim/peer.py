"""What the pretend venues share: how they behave, the market on the wall clock, and one client's connection."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType

from ringtape._native import Simulator
from ringtape.errors import ConfigError

if TYPE_CHECKING:
    from ringtape.sim.host import Host, Timer

__all__ = ["MESSAGE_MAX_BYTES", "Behaviour", "Peer", "Stats", "Transport"]

MESSAGE_MAX_BYTES = 1 << 20
"""The longest message taken from a client."""

_log = logging.getLogger("ringtape.sim")
_CONTROL_MAX_BYTES = 125
_MAY_BE_ZERO = frozenset({"max_connections", "rest_requests_per_min"})

Kind = Literal["stocks", "crypto"]
Route = Literal["all", "public", "market"]


class Behaviour(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the pretend venues behave; the defaults are what the real ones were seen to do, where that is known.

    Attributes
    ----------
    bad_key
        The key that Massive refuses; the empty key is refused too.
    auth_timeout_s
        How long Massive waits for the key.
    unentitled
        Massive channels that the key's plan lacks, such as ``NOI``.
    max_connections
        Streaming connections of one Massive market; 0 for any number.
    evict
        Which connection goes when there are more: the newcomer, or the oldest.
    batch
        Most events of one Massive frame.
    ping_s, pong_s
        How often Binance sends a ping, and how long it waits for any pong before it drops the connection.
    requests_per_s
        Requests that Binance takes in a second before it closes the connection.
    streams
        Streams of one Binance connection; one more costs the connection.
    write_buffer
        Bytes that may wait for a slow client before it is cut off. One more step of the market, a second's worth of
        events at the most, may come on top.
    close_s
        From our close to the end of the connection, whatever the client does.
    rest_requests_per_min
        Massive's REST requests in a minute before it answers 429; 0 for any number, 5 as on its free plan.
    rest_weight_per_min
        Binance's REST weight in a minute before it answers 429, and 418 for two minutes where that is ignored.
    """

    bad_key: str = "bad-key"
    auth_timeout_s: float = 10.0
    unentitled: frozenset[str] = frozenset()
    max_connections: int = 0
    evict: Literal["newer", "older"] = "newer"
    batch: int = 100
    ping_s: float = 180.0
    pong_s: float = 600.0
    requests_per_s: int = 15
    streams: int = 1024
    write_buffer: int = 8 << 20
    close_s: float = 5.0
    rest_requests_per_min: int = 0
    rest_weight_per_min: int = 2400

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        ConfigError
            A number is not above zero; only `max_connections` and `rest_requests_per_min` may be zero.
        """
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, int | float) and (value < 0 or (value == 0 and name not in _MAY_BE_ZERO)):
                raise ConfigError(f"{name} is {value}: write a number above zero", name, "arguments")


class Stats(msgspec.Struct):
    """What a server did so far.

    Attributes
    ----------
    connections, refused
        Connections accepted; requests refused, for their path or because 1,024 clients are there.
    frames, bytes
        Messages sent to clients, and their bytes with framing.
    slow_clients
        Clients cut off because they did not keep up.
    lost
        Events that clients wanted or not and were never sent, because the server itself was too late.
    requests
        REST requests answered.
    rests
        Times the market rested because the machine slept or fell more than a second behind.
    """

    connections: int = 0
    refused: int = 0
    frames: int = 0
    bytes: int = 0
    slow_clients: int = 0
    lost: int = 0
    requests: int = 0
    rests: int = 0


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
    """

    def __init__(self, host: Host, path: str) -> None:
        self.host = host
        self.path = path
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

    def send(self, frames: list[bytes]) -> None:
        """Send text messages with one write."""
        if self._is_ending or not frames:
            return
        # Server frames have no mask, so framing costs little; picows would make a system call for each of them, and
        # Binance's frames are one event each.
        data = b"".join([part for frame in frames for part in (_header(len(frame)), frame)])
        self.transport.underlying_transport.write(data)
        self.host.stats.frames += len(frames)
        self.host.stats.bytes += len(data)

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
        self.send(self._simulator.frames(self._handle, self.host.behaviour.batch))

    def end(self, code: WSCloseCode, reason: str = "") -> None:
        """Close the connection; where the client does not answer in time, drop it."""
        if not self._is_ending:
            self.transport.send_close(code, reason)
            self._finish()

    def drop(self) -> None:
        """Hang up after what was sent, without a close handshake."""
        if not self._is_ending:
            self.transport.disconnect()
            self._finish()

    # What picows calls.

    def on_ws_connected(self, transport: Transport) -> None:
        """Take the connection."""
        self.transport = transport
        self.host.peers[self] = None
        self.host.stats.connections += 1
        self.opened()

    def on_ws_frame(self, transport: Transport, frame: WSFrame) -> None:
        """Take a frame."""
        if frame.msg_type == WSMsgType.CLOSE:
            self._on_close(transport, frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.PONG:
            self.ponged()
        elif frame.msg_type == WSMsgType.PING:
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
        if self._simulator is not None:
            self.host.stats.lost += self._simulator.lost(self._handle) or 0
            self._simulator.close(self._handle)
            self._simulator = None

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


def _header(size: int) -> bytes:
    """Return the header of a whole text message from a server."""
    if size <= _CONTROL_MAX_BYTES:
        return bytes((0x81, size))
    if size < 1 << 16:
        return struct.pack("!BBH", 0x81, 126, size)
    return struct.pack("!BBQ", 0x81, 127, size)
