"""One WebSocket connection, kept up, between a session and the engine; `listener.py` takes its frames."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from typing import Protocol

import msgspec
from picows import WSError, WSHandshakeError, WSMsgType, WSProtocolError

from ringtape.config import Endpoint, Secret
from ringtape.errors import FeedError

from .backoff import Backoff
from .base import Action, Answer, Batch, Call, Close, Control, Engine, Fatal, FeedState, Send, Session, State, Warn
from .compiled import make_listener
from .health import ClockOffset, Health, HealthMonitor
from .limits import Limits
from .listener import TIMER_GRAIN_S
from .world import Transport, World, bytes_waiting

__all__ = ["Connection", "Hub"]

_log = logging.getLogger("ringtape.feeds")

_TOO_MANY_REQUESTS = frozenset({418, 429})


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
    world
        Time, chance and sockets.
    clock
        The offset of the venue's clock, shared by its connections.
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
        world: World | None = None,
        clock: ClockOffset | None = None,
    ) -> None:
        self.session = session
        self.conn = conn
        self.engine = engine
        self.hub = hub
        self.limits = limits or Limits()
        self.monitor = HealthMonitor(clock)
        self._world = world or World()
        self._backoff = backoff or Backoff(random=self._world.random)
        self._endpoint = Endpoint.parse(session.url)
        self._tls = ssl.create_default_context() if self._endpoint.secure else None
        self._transport: Transport | None = None
        self._calls: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._reason = ""
        self._fatal: FeedError | None = None
        self._is_ending = False
        self._first_data: float | None = None
        self._not_before = 0.0

    @property
    def health(self) -> Health:
        """The connection's counts and state at this moment."""
        health = self.monitor.snapshot(self.session.name, self.session.venue, self.session.url)
        return msgspec.structs.replace(health, covered=self.session.is_covered)

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
            await self._say_farewell()
            self._set_state(FeedState.FAILED if self._fatal else FeedState.STOPPED, str(self._fatal or ""))

    def on_control(self, control: Control) -> None:
        """Hand a control message of this connection to the session."""
        self._perform(self.session.on_control(control, self._world.monotonic()))

    def wanted_changed(self) -> None:
        """Send what the changed subscriptions need; nothing while the connection is down."""
        if self._transport is not None:
            self._tick()

    def measure(self) -> None:
        """Look at the bytes that wait in the socket, four times a second; warn before the venue cuts us off."""
        if self._transport is None or not self.monitor.measure(bytes_waiting(self._transport)):
            return
        delay_ms, waiting = (self.monitor.delay_ns or 0) / 1e6, self.monitor.waiting_bytes
        text = f"falling behind: {waiting} bytes wait in the socket, {delay_ms:.0f} ms late, and both grow"
        self.hub.connection_warned(self, FeedError(text, self.session.venue, retryable=True))

    async def _wait_for_turn(self) -> None:
        delay = max(self._backoff.next_delay(), self._not_before - self._world.monotonic())
        if delay > 0:
            text = f"attempt {self._backoff.attempt}, next in {delay:.1f} s: {self._reason}"
            self._set_state(FeedState.RECONNECTING, text)
            await asyncio.sleep(delay)

    async def _attempt(self) -> None:
        """Connect once and stay until the connection is lost; `_reason` says why it was."""
        self._set_state(FeedState.CONNECTING, self._reason)
        self._reason = ""
        try:
            if not await self._prepare():
                return
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

    async def _connect(self) -> Transport:
        endpoint, query = self._endpoint, self.session.query
        if query is not None:
            endpoint = endpoint._replace(url=f"{endpoint.url}?{query.reveal()}")
        return await self._world.dial(endpoint, self._tls, self.limits, lambda: make_listener(self, self._world))

    async def _prepare(self) -> bool:
        """Get what the session needs before it can connect; False where it did not."""
        call = self.session.prepare(self._world.monotonic())
        if call is None:
            return True
        self._is_ending = False
        self._take(await self._world.fetch(call, self.limits))
        return not self._is_ending

    def _take(self, answer: Answer) -> None:
        """Hand what came of a call to the session."""
        if answer.status in _TOO_MANY_REQUESTS:
            self._not_before = self._world.monotonic() + max(self.limits.rate_limited_s, answer.retry_after_s)
        self._perform(self.session.on_answer(answer, self._world.monotonic()))

    async def _run_call(self, call: Call) -> None:
        self._take(await self._world.fetch(call, self.limits))

    async def _say_farewell(self) -> None:
        call = self.session.farewell()
        if call is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.limits.close_s):
                    await self._world.fetch(call, self.limits)

    def _explain(self, error: Exception) -> str:
        """Return why connecting failed, and note when the venue will have us back."""
        host = self._endpoint.host
        if isinstance(error, WSHandshakeError) and error.response is not None:
            status = int(error.response.status)
            if status in _TOO_MANY_REQUESTS:
                asked = error.response.headers.get("Retry-After", "")
                wait = max(self.limits.rate_limited_s, float(asked) if asked.isdecimal() else 0.0)
                self._not_before = self._world.monotonic() + wait
                return f"{host} answered {status}: rate limited for {wait:.0f} s"
            return f"{host} refused the upgrade with HTTP status {status}"
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"the certificate of {host} is not valid: {error.verify_message}"
        if isinstance(error, TimeoutError):
            return f"{host} did not answer in time"
        return f"cannot connect to {host}: {error}"

    def opened(self, transport: Transport) -> None:
        """Begin the session: the upgrade is complete (listener)."""
        self._transport = transport
        self._is_ending = False
        self._first_data = None if self.session.expects_data else self._world.monotonic()
        self.monitor.connects += 1
        self._perform(self.session.connected(self._world.monotonic()))

    def flush(self, recv_ns: int, *, has_events: bool) -> None:
        """Drain the engine and take note of what came (listener)."""
        batch = self.hub.flush(recv_ns)
        if not has_events:
            if self.session.wants_echoes:
                self._perform(self.session.on_data(batch, self.engine.symbol_name, self._world.monotonic()))
            return
        if self._first_data is None:
            self._first_data = self._world.monotonic()
        self.monitor.observe(batch, recv_ns, self._world.monotonic())
        if self.session.wants_data:
            self._perform(self.session.on_data(batch, self.engine.symbol_name, self._world.monotonic()))

    def closing(self, reason: str) -> None:
        """Keep the reason for which the connection ends; the first one counts, the rest are its echo (listener)."""
        self._reason = self._reason or self.session.mask(reason)

    async def _clean_up(self) -> None:
        """Forget the connection if there was one, and see its socket closed."""
        transport, self._transport = self._transport, None
        self._disarm()
        for call in self._calls:
            call.cancel()
        if transport is None:
            return
        self.session.disconnected()
        self.monitor.disconnected()
        self.monitor.losses += 1
        if self._first_data is not None and self._world.monotonic() - self._first_data >= self.limits.healthy_s:
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
            case Call():
                task = asyncio.create_task(self._run_call(action))
                self._calls.add(task)
                task.add_done_callback(self._calls.discard)
            case Fatal(error):
                self._fatal = error
                self._close(1000, str(error))

    def _close(self, code: int, reason: str) -> None:
        self._is_ending = True
        self.closing(reason)
        if self._transport is not None:
            self.end(self._transport, code)

    def end(self, transport: Transport, code: int) -> None:
        """Send a close frame and see the socket gone within `Limits.close_s` (listener)."""
        transport.send_close(code)
        asyncio.get_running_loop().call_later(self.limits.close_s, transport.disconnect, False)

    async def _hang_up(self, transport: Transport) -> None:
        """Close our side and wait for the peer's close, briefly."""
        transport.send_close(1000)
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
            delay = max(0.0, deadline - self._world.monotonic()) + TIMER_GRAIN_S
            self._timer = asyncio.get_running_loop().call_later(delay, self._tick)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._perform(self.session.tick(self._world.monotonic()))

    def _set_state(self, state: FeedState, detail: str) -> None:
        changed = state is not self.monitor.state
        self.monitor.state, self.monitor.detail = state, detail
        if changed:
            self.hub.connection_changed(self)
