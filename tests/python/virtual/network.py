"""A network in memory between an app and the pretend venues: it delays, cuts, swallows, refuses and slices.

::

    Listener ◄── frames ◄── FrameReader ◄── bytes in pieces ◄── Way ◄── Venue (transport) ◄── Peer of the host
    Client (transport) ──────────────── whole frames ─────────► Way ─────────────────────────► Peer of the host

The client's side is what picows does as far as a `Listener` can see it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import urlsplit

from clock import VirtualLoop
from picows import WSHandshakeError, WSListener, WSMsgType, WSProtocolError

from ringtape.config import Endpoint
from ringtape.feeds.limits import Limits
from ringtape.sim import Host, Refused
from ringtape.sim.peer import Peer
from ringtape.sim.wire import frame_of

__all__ = ["Frame", "Network", "Weather"]

Deliver = Callable[[str, bytes, bool], None]

_KINDS = {kind.value for kind in WSMsgType}
_CONTROL = 8
_ALLOWED_CODES = {1000, 1001, 1002, 1003, 1005, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}
_ERROR_DELAY_S = 1.0
_FORGOTTEN_S = 20.0


class Frame:
    """What a listener needs of `picows.WSFrame`."""

    __slots__ = ("_payload", "fin", "last_in_buffer", "msg_type", "payload_size", "rsv1", "rsv2", "rsv3")

    def __init__(self, first: int, payload: bytes) -> None:
        self.msg_type = WSMsgType(first & 0xF)
        self.fin = bool(first & 0x80)
        self.rsv1, self.rsv2, self.rsv3 = bool(first & 0x40), bool(first & 0x20), bool(first & 0x10)
        self.last_in_buffer = False
        self.payload_size = len(payload)
        self._payload = payload

    def get_payload_as_memoryview(self) -> memoryview:
        return memoryview(self._payload)

    def get_payload_as_bytes(self) -> bytes:
        return self._payload


class FrameReader:
    """Cuts the bytes of a server into frames; refuses what picows refuses."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> tuple[list[Frame], WSProtocolError | None]:
        """Return the frames that are whole now, and what is wrong behind them."""
        self._bytes += data
        frames: list[Frame] = []
        try:
            while (frame := self._next()) is not None:
                frames.append(frame)
        except WSProtocolError as error:
            return frames, error
        return frames, None

    def _next(self) -> Frame | None:
        held = self._bytes
        if len(held) < 2:
            return None
        first, size, start = held[0], held[1] & 0x7F, 2
        if first & 0xF not in _KINDS or (first & 0xF >= _CONTROL and not first & 0x80):
            raise WSProtocolError(1002, f"a frame that begins with {first:#x}")
        if held[1] & 0x80:
            raise WSProtocolError(1002, "a masked frame from a server")
        if size > 125:
            width = 2 if size == 126 else 8
            if len(held) < 2 + width:
                return None
            size, start = int.from_bytes(held[2 : 2 + width], "big"), 2 + width
        if len(held) < start + size:
            return None
        payload = bytes(held[start : start + size])
        del held[: start + size]
        if first & 0xF == WSMsgType.CLOSE.value and payload:
            code = int.from_bytes(payload[:2], "big")
            if len(payload) == 1 or (code < 3000 and code not in _ALLOWED_CODES):
                raise WSProtocolError(1002, f"a close frame with code {code}")
        return Frame(first, payload)


@dataclass(frozen=True)
class Weather:
    """What the network does, by seeded chance; shares are of connections, or of attempts to connect."""

    latency_s: tuple[float, float] = (0.001, 0.08)
    refused: float = 0.05
    unanswered: float = 0.02
    """Attempts that time out."""
    reset: float = 0.15
    """Cut by a reset after some time; what is on the way is lost."""
    black: float = 0.1
    """Nothing passes any more in either direction, and nothing fails."""
    sliced: float = 0.2
    """Bytes come in pieces that have nothing to do with frames."""
    rough: float = 0.2
    """Each write takes its own time, up to a second and a half; order stays."""
    life_s: tuple[float, float] = (0.1, 25.0)
    """When a reset or a black hole comes."""


class _Way:
    """One direction of a connection: what goes in comes out later, in order."""

    def __init__(self, loop: VirtualLoop, delay: Callable[[], float]) -> None:
        self._loop = loop
        self._delay = delay
        self._last = 0.0
        self._calls: deque[Callable[[], None]] = deque()
        self.is_cut = False

    def send(self, call: Callable[[], None]) -> None:
        """Let something happen at the other end, unless the way is cut until then."""
        self._last = max(self._last, self._loop.now + self._delay())
        # WHY a queue: timers that are due at one moment are called in no certain order.
        self._calls.append(call)
        self._loop.call_at(self._last, self._arrive)

    def _arrive(self) -> None:
        call = self._calls.popleft()
        if not self.is_cut:
            call()


class Link:
    """One connection: the client's transport, the venue's, and what lies between."""

    def __init__(self, network: Network, path: str, peer: Peer, listener: WSListener) -> None:
        loop, random = network.loop, network.random
        self.loop = loop
        self.path = path
        self.peer = peer
        self.listener = listener
        self.deliver = network.deliver
        low, high = network.weather.latency_s
        latency = random.uniform(low, high)
        rough = 1.5 if random.random() < network.weather.rough else 0.0
        own = Random(random.random())
        self._slices = own if random.random() < network.weather.sliced else None
        self.down = _Way(loop, lambda: latency + own.random() ** 4 * rough)
        self.up = _Way(loop, lambda: latency)
        self.upgraded: asyncio.Future[Client] = loop.create_future()
        self.client = Client(self)
        self.venue = Venue(self)
        self._is_venue_told = False

    def open(self) -> None:
        """Let both sides know that the upgrade is complete, the client a little later."""
        self.down.send(self._upgrade)
        self.peer.on_ws_connected(self.venue)  # type: ignore[arg-type]  # has the methods that a peer uses

    def write(self, data: bytes) -> None:
        """Carry bytes to the client, in one piece or in many."""
        pieces = [data]
        if self._slices is not None and len(data) > 1:
            cuts = sorted(self._slices.sample(range(1, len(data)), min(len(data) - 1, self._slices.randrange(4))))
            pieces = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        for piece in pieces:
            self.down.send(lambda piece=piece: self.client.received(piece))  # type: ignore[misc]

    def reset(self) -> None:
        """Cut the connection; what is on the way is lost."""
        self.swallow()
        self.client.lost(ConnectionResetError("reset by peer"))
        self.tell_venue()

    def swallow(self) -> None:
        """Let nothing pass any more."""
        self.down.is_cut = self.up.is_cut = True

    def tell_venue(self) -> None:
        """Tell the venue once that its client is gone."""
        if not self._is_venue_told:
            self._is_venue_told = True
            self.peer.on_ws_disconnected(self.venue)  # type: ignore[arg-type]

    def _upgrade(self) -> None:
        if not self.upgraded.done():
            self.listener.on_ws_connected(self.client)  # type: ignore[arg-type]
            self.upgraded.set_result(self.client)


class Client:
    """The client's transport, as `ringtape.feeds.world.Transport` describes it."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._reader = FrameReader()
        self._gone: asyncio.Future[None] = link.loop.create_future()
        self._parts: list[bytes] = []
        self._has_closed = False
        self._failure: BaseException | None = None
        self._is_broken = False

    @property
    def is_disconnected(self) -> bool:
        return self._gone.done()

    def send(self, msg_type: WSMsgType, message: str | bytes) -> None:
        if not self.is_disconnected:
            self._up(msg_type, message.encode() if isinstance(message, str) else message)

    def send_ping(self, message: bytes = b"") -> None:
        self.send(WSMsgType.PING, message)

    def send_pong(self, message: bytes = b"") -> None:
        self.send(WSMsgType.PONG, message)

    def send_close(self, close_code: Any = 0) -> None:
        if not self._has_closed and not self.is_disconnected:
            self._has_closed = True
            self._up(WSMsgType.CLOSE, int(close_code).to_bytes(2, "big"))

    def disconnect(self, graceful: bool = True) -> None:  # noqa: FBT001, FBT002 - as picows has it
        link = self._link
        if not self.is_disconnected:
            self._is_broken = True
            # As a socket does: the transport is told once its own callbacks are over.
            link.loop.call_soon(self.lost, None)
            link.up.send(link.tell_venue)
            link.loop.call_later(_FORGOTTEN_S, link.tell_venue)

    async def wait_disconnected(self) -> None:
        await asyncio.shield(self._gone)
        if self._failure is not None:
            raise self._failure

    def lost(self, error: BaseException | None) -> None:
        """Take the end of the socket."""
        link = self._link
        link.down.is_cut = True
        if not link.upgraded.done():
            link.upgraded.set_exception(error or ConnectionResetError("the server hung up during the handshake"))
        elif not self._gone.done():
            self._failure = self._failure or error
            self._gone.set_result(None)
            link.listener.on_ws_disconnected(self)  # type: ignore[arg-type]

    def received(self, data: bytes) -> None:
        """Take one read."""
        if self._is_broken:
            return
        frames, error = self._reader.feed(data)
        if frames:
            frames[-1].last_in_buffer = True
        for frame in frames:
            self._note(frame)
            try:
                self._link.listener.on_ws_frame(self, frame)  # type: ignore[arg-type]
            except Exception as failure:  # noqa: BLE001 - as picows does: handed over where the end is waited for
                self._failure = failure
                self.disconnect()
                return
        if error is not None:
            self._failure = error
            self._is_broken = True
            self.send_close(1002)
            self._link.loop.call_later(_ERROR_DELAY_S, self.disconnect)

    def _up(self, kind: WSMsgType, payload: bytes) -> None:
        frame = Frame(0x80 | kind.value, payload)
        frame.last_in_buffer = True
        link = self._link
        link.up.send(lambda: link.peer.on_ws_frame(link.venue, frame))  # type: ignore[arg-type]

    def _note(self, frame: Frame) -> None:
        """Tell the ledger of whole messages that came through."""
        if frame.msg_type.value >= _CONTROL:
            return
        self._parts.append(frame.get_payload_as_bytes())
        if frame.fin:
            self._link.deliver(self._link.path, b"".join(self._parts), self._has_closed)
            self._parts.clear()


class Venue:
    """The venue's transport, as `ringtape.sim.peer.Transport` describes it, and the socket under it."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._is_gone = False

    @property
    def underlying_transport(self) -> Venue:
        return self

    def write(self, data: bytes) -> None:
        if not self._is_gone:
            self._link.write(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def send_ping(self, message: str | bytes = b"") -> None:
        self.write(frame_of(message.encode() if isinstance(message, str) else message, WSMsgType.PING.value))

    def send_pong(self, message: bytes = b"") -> None:
        self.write(frame_of(message, WSMsgType.PONG.value))

    def send_close(self, close_code: Any = 0, close_message: str | None = None) -> None:
        payload = int(close_code).to_bytes(2, "big") + (close_message or "").encode()
        self.write(frame_of(payload, WSMsgType.CLOSE.value))

    def disconnect(self, graceful: bool = True) -> None:  # noqa: FBT001, FBT002 - as picows has it
        link = self._link
        if self._is_gone:
            return
        self._is_gone = True
        if graceful:
            link.down.send(lambda: link.client.lost(None))
        else:
            link.down.is_cut = True
            link.loop.call_soon(link.client.lost, ConnectionResetError("reset by peer"))
        link.loop.call_soon(link.tell_venue)

    async def wait_disconnected(self) -> None:
        await asyncio.sleep(_FORGOTTEN_S)


class Network:
    """Dials the host's paths through the weather.

    Parameters
    ----------
    loop, host
        Whose time; who is dialled.
    random
        Of all its chances.
    weather
        What goes wrong.
    deliver
        ``deliver(path, message, is_late)`` is told every message that a client got whole; `is_late` behind the
        client's own close frame.
    """

    def __init__(self, loop: VirtualLoop, host: Host, random: Random, weather: Weather, deliver: Deliver) -> None:
        self.loop = loop
        self.host = host
        self.random = random
        self.weather = weather
        self.deliver = deliver
        self.is_calm = True
        """No fault of its own as long as that is so."""
        self.accepted = 0
        self.faults: dict[str, int] = {}

    async def dial(
        self,
        endpoint: Endpoint,
        tls: ssl.SSLContext | None,
        limits: Limits,
        make_listener: Callable[[], WSListener],
    ) -> Client:
        """Connect as `ringtape.feeds.world.dial` does."""
        async with asyncio.timeout(limits.connect_s):
            await asyncio.sleep(self.random.uniform(*self.weather.latency_s))
            if self._happens("refused"):
                raise ConnectionRefusedError("connection refused")
            if self._happens("unanswered"):
                await asyncio.sleep(limits.connect_s + 1)
        parts = urlsplit(endpoint.url)
        try:
            peer = self.host.accept(parts.path, parts.query)
        except Refused as refused:
            raise WSHandshakeError(f"HTTP status {refused.reply.status}") from None
        link = Link(self, parts.path, peer, make_listener())
        link.open()
        self.accepted += 1
        for name, strike in (("reset", link.reset), ("black", link.swallow)):
            if self._happens(name):
                self.loop.call_later(self.random.uniform(*self.weather.life_s), strike)
        try:
            async with asyncio.timeout(limits.handshake_s):
                return await link.upgraded
        except BaseException:
            link.reset()
            raise

    def _happens(self, name: str) -> bool:
        strikes = not self.is_calm and self.random.random() < getattr(self.weather, name)
        if strikes:
            self.faults[name] = self.faults.get(name, 0) + 1
        return strikes
