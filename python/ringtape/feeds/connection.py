"""The only socket code: one WebSocket connection, kept up, between a session and the engine.

A read of the socket may hold many frames, and picows calls back for each. A whole text frame goes to the engine at
once, as a view of the read buffer; when the read ends, one flush drains the engine and hands the batch round. The
last frame of a read says so (`last_in_buffer`), whatever its kind: automatic pings and pongs of picows are off, so
control frames come here too, and a PING, a CLOSE or half a frame at the end of a read swallows no flush. A read after
a pause may hold megabytes; it is flushed in between, before the engine's event rings lap their reader.

What RFC 6455 asks of a receiver beyond framing is done here: reassembly of fragments within limits, order of
continuation frames, UTF-8, reserved bits. UTF-8 and reserved bits are looked at only where the engine found no event
in a frame: it rejects bad UTF-8 whole, so a frame that gave events needs no second pass.

Liveness: after 10 s without a frame a ping is sent; a connection that then stays silent for 5 s is aborted. A block
of the loop extends the limit by its own length, since the pong may be waiting in the kernel all the while.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol, cast

import msgspec
from picows import (
    WSCloseCode,
    WSError,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSProtocolError,
    WSTransport,
    ws_connect,
)

from ringtape.config import Endpoint, Secret
from ringtape.errors import FeedError

from .backoff import Backoff
from .base import Action, Batch, Close, Control, Engine, Fatal, FeedState, Send, Session, State, Warn
from .health import Health, HealthMonitor

__all__ = ["Connection", "Hub", "Limits"]

_log = logging.getLogger("ringtape.feeds")

_TOO_MANY_REQUESTS = frozenset({418, 429})
_LATE_TIMER_S = 0.05
# QUIRK: uvloop counts whole milliseconds and may call early; what finds itself too early would be called over and over.
_TIMER_GRAIN_S = 0.001
_NO_CODE = 1005
# A name of its own saves two lookups for every frame; `is`, since comparing enum members costs a call.
_TEXT = WSMsgType.TEXT


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Time limits in seconds and size limits of a connection."""

    connect_s: float = 10.0
    """Name lookup and TCP."""
    handshake_s: float = 5.0
    """TLS and the WebSocket upgrade."""
    idle_s: float = 10.0
    """Silence before a ping."""
    pong_s: float = 5.0
    """Silence after a ping before the connection is aborted."""
    close_s: float = 1.0
    """From our close to the peer's, before the connection is aborted."""
    healthy_s: float = 60.0
    """How long data must have flowed before the next loss is answered at once again."""
    rate_limited_s: float = 60.0
    """The least wait after the venue answered 429 or 418."""
    message: int = 8 << 20
    """Bytes of a frame, and of a reassembled message."""
    fragments: int = 1024
    """Frames of one message."""
    message_s: float = 30.0
    """From the first to the last frame of a message."""
    flush_events: int = 16_384
    """Events after which a long read is flushed before its end: a quarter of the engine's default event rings."""


class Hub(Protocol):
    """What a connection reports to; the app."""

    def flush(self, recv_ns: int) -> Batch:
        """Drain the engine, hand the batch round and return it."""

    def connection_changed(self, connection: Connection) -> None:
        """Take note of a connection's new state."""

    def connection_warned(self, connection: Connection, error: FeedError) -> None:
        """Take note of an error that a connection survived."""


class Connection:
    """One session's connection: connects, feeds the engine, reconnects, until it is cancelled or must give up.

    Parameters
    ----------
    session
        The protocol.
    conn
        Number of the connection in the engine.
    engine, hub
        Where frames and states go.
    limits, backoff
        Time and size limits; delays between attempts.
    """

    def __init__(
        self,
        session: Session,
        conn: int,
        engine: Engine,
        hub: Hub,
        *,
        limits: Limits | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self.session = session
        self.conn = conn
        self.engine = engine
        self.hub = hub
        self.limits = limits or Limits()
        self.monitor = HealthMonitor()
        self._backoff = backoff or Backoff()
        self._endpoint = Endpoint.parse(session.url)
        self._tls = ssl.create_default_context() if self._endpoint.secure else None
        self._transport: WSTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reason = ""
        self._fatal: FeedError | None = None
        self._is_ending = False
        self._first_data: float | None = None
        self._not_before = 0.0

    @property
    def health(self) -> Health:
        """The connection's counts and state at this moment."""
        return self.monitor.snapshot(self.session.name, self.session.venue, self.session.url)

    async def run(self) -> None:
        """Keep the connection up; never returns by itself.

        Raises
        ------
        FeedError
            The session gave up: a refused key, another client on the same key.
        asyncio.CancelledError
            The caller ended it; the socket is closed by then, within `Limits.close_s`.
        """
        try:
            await self._attempt()
            while self._fatal is None:
                await self._wait_for_turn()
                await self._attempt()
            raise self._fatal
        finally:
            self._set_state(FeedState.FAILED if self._fatal else FeedState.STOPPED, str(self._fatal or ""))

    def on_control(self, control: Control) -> None:
        """Hand a control message of this connection to the session."""
        self._perform(self.session.on_control(control, time.monotonic()))

    def wanted_changed(self) -> None:
        """Send what the changed subscriptions need; nothing while the connection is down."""
        if self._transport is not None:
            self._tick()

    async def _wait_for_turn(self) -> None:
        delay = max(self._backoff.next_delay(), self._not_before - time.monotonic())
        if delay > 0:
            text = f"attempt {self._backoff.attempt}, next in {delay:.1f} s: {self._reason}"
            self._set_state(FeedState.RECONNECTING, text)
            await asyncio.sleep(delay)

    async def _attempt(self) -> None:
        """Connect once and stay until the connection is lost; `_reason` says why it was."""
        self._set_state(FeedState.CONNECTING, self._reason)
        self._reason = ""
        try:
            transport = await self._connect()
            await transport.wait_disconnected()
            self.closing("the connection was lost")
        except WSProtocolError as error:
            self.closing(f"the peer broke the protocol: {error}")
        except (OSError, WSError) as error:
            self.closing(self._explain(error))
        except Exception as error:  # noqa: BLE001
            # picows hands over what a callback raised. That is a fault of ours, and the feed outlives it.
            _log.exception("%s: the connection was dropped after an internal error", self.session.name)
            self.closing(f"internal error: {error}")
        finally:
            await self._clean_up()

    async def _connect(self) -> WSTransport:
        limits = self.limits
        async with asyncio.timeout(limits.connect_s):
            sock = await _open_socket(self._endpoint)
        try:
            async with asyncio.timeout(limits.handshake_s):
                transport, listener = await ws_connect(
                    lambda: _Listener(self),
                    self._endpoint.url,
                    ssl_context=self._tls,
                    socket_factory=lambda _: sock,
                    websocket_handshake_timeout=None,  # the limit around this call covers TLS too
                    enable_auto_ping=False,
                    enable_auto_pong=False,
                    max_frame_size=limits.message,
                    max_redirects=0,
                    read_buffer_init_size=1 << 18,
                    logger_name=_log,
                )
        except BaseException:
            # WHY: picows shields its handshake from cancellation and would keep the socket for as long as the
            # handshake may take. Shutting the socket down ends it, whoever owns the descriptor by now.
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            raise
        if cast("WSListener | None", listener) is None:
            # QUIRK: picows returns without a listener where the server hangs up before its answer.
            raise ConnectionResetError("the server hung up during the handshake")
        return transport

    def _explain(self, error: Exception) -> str:
        """Return why connecting failed, and note when the venue will have us back."""
        host = self._endpoint.host
        if isinstance(error, WSHandshakeError) and error.response is not None:
            status = int(error.response.status)
            if status in _TOO_MANY_REQUESTS:
                asked = error.response.headers.get("Retry-After", "")
                wait = max(self.limits.rate_limited_s, float(asked) if asked.isdecimal() else 0.0)
                self._not_before = time.monotonic() + wait
                return f"{host} answered {status}: rate limited for {wait:.0f} s"
            return f"{host} refused the upgrade with HTTP status {status}"
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"the certificate of {host} is not valid: {error.verify_message}"
        if isinstance(error, TimeoutError):
            return f"{host} did not answer in time"
        return f"cannot connect to {host}: {error}"

    def opened(self, transport: WSTransport) -> None:
        """Begin the session: the upgrade is complete (listener)."""
        self._transport = transport
        self._is_ending = False
        self._first_data = None
        self.monitor.connects += 1
        self._perform(self.session.connected(time.monotonic()))

    def flushed(self, batch: Batch, recv_ns: int, *, has_events: bool) -> None:
        """Take note of a read that has been flushed (listener)."""
        if not has_events:
            return
        if self._first_data is None:
            self._first_data = time.monotonic()
        self.monitor.observe(batch, recv_ns)
        if self.session.wants_data:
            self._perform(self.session.on_data(batch, self.engine.symbol_name, time.monotonic()))

    def closing(self, reason: str) -> None:
        """Keep the reason for which the connection ends; the first one counts, the rest are its echo (listener)."""
        self._reason = self._reason or reason

    async def _clean_up(self) -> None:
        """Forget the connection if there was one, and see its socket closed."""
        transport, self._transport = self._transport, None
        self._disarm()
        if transport is None:
            return
        self.session.disconnected()
        self.monitor.losses += 1
        if self._first_data is not None and time.monotonic() - self._first_data >= self.limits.healthy_s:
            self._backoff.reset()
        if not transport.is_disconnected:
            await self._hang_up(transport)

    def _perform(self, actions: list[Action]) -> None:
        for action in actions:
            # A connection that is being closed takes no more orders, and its session's past deadline wakes nobody.
            if not self._is_ending:
                self._perform_one(action)
        self._arm()

    def _perform_one(self, action: Action) -> None:
        match action:
            case Send(text):
                if self._transport is not None:
                    self._transport.send(WSMsgType.TEXT, text.reveal() if isinstance(text, Secret) else text)
            case State(state, detail):
                self._set_state(state, detail)
            case Warn(error):
                self.hub.connection_warned(self, error)
            case Close(code, reason):
                self._close(code, reason)
            case Fatal(error):
                self._fatal = error
                self._close(1000, str(error))

    def _close(self, code: int, reason: str) -> None:
        self._is_ending = True
        self.closing(reason)
        if self._transport is not None:
            self.end(self._transport, code)

    def end(self, transport: WSTransport, code: int) -> None:
        """Send a close frame and see the socket gone within `Limits.close_s` (listener)."""
        _send_close(transport, code)
        asyncio.get_running_loop().call_later(self.limits.close_s, transport.disconnect, False)

    async def _hang_up(self, transport: WSTransport) -> None:
        """Close our side and wait for the peer's close, briefly."""
        _send_close(transport, 1000)
        try:
            async with asyncio.timeout(self.limits.close_s):
                await transport.wait_disconnected()
        except (TimeoutError, WSError):
            pass  # late or wrong, the connection ends here all the same
        finally:
            transport.disconnect(False)

    def _arm(self) -> None:
        """Set the timer to the session's deadline."""
        self._disarm()
        deadline = self.session.deadline()
        if deadline is not None and self._transport is not None and not self._is_ending:
            delay = max(0.0, deadline - time.monotonic()) + _TIMER_GRAIN_S
            self._timer = asyncio.get_running_loop().call_later(delay, self._tick)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._perform(self.session.tick(time.monotonic()))

    def _set_state(self, state: FeedState, detail: str) -> None:
        changed = state is not self.monitor.state
        self.monitor.state, self.monitor.detail = state, detail
        if changed:
            self.hub.connection_changed(self)


class _Listener(WSListener):
    """The callbacks of one socket. Lives from the upgrade to the end of the socket."""

    def __init__(self, owner: Connection) -> None:
        self._owner = owner
        self._feed: Callable[[Any, str, int, int], int] = owner.engine.feed
        self._venue = owner.session.venue
        self._conn = owner.conn
        self._limits = owner.limits
        self._flush_events = owner.limits.flush_events
        self._monitor = owner.monitor
        self._recv_ns = 0
        self._frames = 0
        self._events = 0
        self._parts: list[bytes] = []
        self._parts_size = 0
        self._parts_since = 0.0
        self._heard = time.monotonic()
        self._pinged: float | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._is_closing = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._watch_in(self._limits.idle_s, transport)
        self._owner.opened(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if self._recv_ns == 0:
            self._recv_ns = time.time_ns()
        if frame.msg_type is _TEXT and frame.fin and not self._parts:
            payload = frame.get_payload_as_memoryview()
            events = self._feed(payload, self._venue, self._recv_ns, self._conn)
            self._frames += 1
            self._events += events
            if not events:
                self._check_eventless(transport, frame, payload)
        else:
            self._on_rare_frame(transport, frame)
        if frame.last_in_buffer:
            self._end_read()
        elif self._events >= self._flush_events:
            self._flush(self._recv_ns)

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002
        self._end_read()
        if self._watch is not None:
            self._watch.cancel()

    def _end_read(self) -> None:
        """Flush a read that fed a frame, and note that the peer lives."""
        recv_ns, self._recv_ns = self._recv_ns, 0
        self._heard = time.monotonic()
        self._pinged = None
        if self._frames:
            self._flush(recv_ns)

    def _flush(self, recv_ns: int) -> None:
        self._monitor.frames += self._frames
        self._monitor.events += self._events
        has_events = self._events > 0
        self._frames = self._events = 0
        batch = self._owner.hub.flush(recv_ns)
        self._owner.flushed(batch, recv_ns, has_events=has_events)

    def _check_eventless(self, transport: WSTransport, frame: WSFrame, payload: memoryview) -> None:
        """Look for what the protocol forbids in a frame that gave no event."""
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self._fail(transport, 1002, "the peer set a reserved bit that was not negotiated")
        elif not _is_utf8(payload):
            self._fail(transport, 1007, "the peer sent a text that is not UTF-8")

    def _on_rare_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            self._on_close(transport, frame.get_payload_as_bytes())
        elif kind == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif kind != WSMsgType.PONG and not self._is_closing:
            self._on_fragment(transport, frame)

    def _on_fragment(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take a part of a message, or a whole binary one, which is read as text."""
        is_continuation = frame.msg_type == WSMsgType.CONTINUATION
        if is_continuation != bool(self._parts):
            what = "a continuation of nothing" if is_continuation else "a new message inside an unfinished one"
            self._fail(transport, 1002, f"the peer sent {what}")
            return
        if not self._parts:
            self._parts_since = time.monotonic()
        # INVARIANT: `_parts` is empty exactly when no message is open; an empty first frame still opens one.
        self._parts.append(frame.get_payload_as_bytes())
        self._parts_size += frame.payload_size
        if self._is_over_limits(transport) or not frame.fin:
            return
        message = b"".join(self._parts)
        self._forget_parts()
        events = self._feed(message, self._venue, self._recv_ns, self._conn)
        self._frames += 1
        self._events += events
        if not events:
            self._check_eventless(transport, frame, memoryview(message))

    def _is_over_limits(self, transport: WSTransport) -> bool:
        limits = self._limits
        if self._parts_size > limits.message or len(self._parts) > limits.fragments:
            self._fail(transport, 1009, "the peer sent a message over the limits")
            return True
        return self._is_message_overdue(transport)

    def _is_message_overdue(self, transport: WSTransport) -> bool:
        if not self._parts or time.monotonic() - self._parts_since <= self._limits.message_s:
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
            self._owner.end(transport, 1000 if code == _NO_CODE else code)
        transport.disconnect()

    def _fail(self, transport: WSTransport, code: int, reason: str) -> None:
        """End the connection for a breach of the protocol; frames still in the buffer are not looked at."""
        self._stop_feeding()
        self._owner.closing(f"{reason}: closed with code {code}")
        self._owner.end(transport, code)

    def _stop_feeding(self) -> None:
        """Let what is still in the buffer pass unread: the connection is closing."""
        self._is_closing = True
        self._feed = _ignore
        self._forget_parts()

    def _watch_in(self, delay: float, transport: WSTransport) -> None:
        delay += _TIMER_GRAIN_S
        due = time.monotonic() + delay
        self._watch = asyncio.get_running_loop().call_later(delay, self._on_watch, due, transport)

    def _on_watch(self, due: float, transport: WSTransport) -> None:
        """Send a ping after silence, abort after silence after a ping, give up a message that never ends."""
        now = time.monotonic()
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


def _send_close(transport: WSTransport, code: int) -> None:
    """Send a close frame; nothing where one was sent or the socket is gone."""
    transport.send_close(cast("WSCloseCode", code))


def _ignore(frame: object, venue: str, recv_ns: int, conn: int = 0) -> int:  # noqa: ARG001 - in the place of `feed`
    return 1


def _is_utf8(payload: memoryview) -> bool:
    try:
        str(payload, "utf-8")
    except UnicodeDecodeError:
        return False
    return True


async def _open_socket(endpoint: Endpoint) -> socket.socket:
    """Return a connected socket: the first address of the host that answers.

    WHY our own: the socket must be at hand when a connect is cancelled; see `_connect`.
    """
    loop = asyncio.get_running_loop()
    failure: OSError = ConnectionError("the name has no address")
    for family, kind, protocol, _, address in await _resolve(endpoint.host, endpoint.port):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            await loop.sock_connect(sock, address)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure


async def _resolve(host: str, port: int) -> list[Any]:
    """Look a name up on a thread that nobody waits for at exit: a dead name server must not hold Ctrl-C."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[Any]] = loop.create_future()

    def settle(set_it: Callable[[Any], None], value: object) -> None:
        if not answer.done():
            set_it(value)

    def look_up() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            try:
                found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError) as error:
                loop.call_soon_threadsafe(settle, answer.set_exception, OSError(f"name {host!r}: {error}"))
            else:
                loop.call_soon_threadsafe(settle, answer.set_result, found)

    threading.Thread(target=look_up, name=f"resolve {host}", daemon=True).start()
    return await answer
