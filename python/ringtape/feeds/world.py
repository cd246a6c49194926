"""The world outside of a feed: time, chance and sockets, in one place, so that a test can bring its own.

Nothing else in `feeds` reads a clock, draws a random number or opens a socket. The virtual-time tests run days of
reconnects in seconds by another `World` on a loop whose clock jumps.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import socket
import ssl
import struct
import sys
import termios
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from random import SystemRandom
from typing import Any, Protocol, cast

from picows import WSListener, WSMsgType, ws_connect

from ringtape.config import Endpoint
from ringtape.errors import raise_missing_extra

from .base import Answer, Call
from .limits import Limits

__all__ = ["Dial", "Fetch", "SteadyTime", "Transport", "World", "check_rest", "dial", "elapsed", "fetch"]

_log = logging.getLogger("ringtape.feeds")
_STEP_NS = 1_000_000_000
_SLEEPLESS = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
# QUIRK: picows logs the head of its request at DEBUG, and an address may have a key in it. This logger has no DEBUG.
_discreet_log = _log.getChild("private")
_discreet_log.setLevel(logging.INFO)
_ANSWER_MAX_BYTES = 1 << 20


class Transport(Protocol):
    """The part of `picows.WSTransport` that a connection uses."""

    @property
    def is_disconnected(self) -> bool:
        """True once the socket is gone."""

    def send(self, msg_type: WSMsgType, message: str | bytes) -> None:
        """Send one message."""

    def send_ping(self, message: bytes = b"") -> None:
        """Send a ping."""

    def send_pong(self, message: bytes = b"") -> None:
        """Send a pong."""

    def send_close(self, close_code: Any = 0) -> None:  # noqa: ANN401 - an enum of picows that is open at run time
        """Send a close frame; nothing where one was sent or the socket is gone."""

    def disconnect(self, graceful: bool = True) -> None:  # noqa: FBT001, FBT002 - as picows has it
        """Close the socket; at once unless `graceful`."""

    async def wait_disconnected(self) -> None:
        """Wait for the end of the socket; raises what broke it."""


Dial = Callable[[Endpoint, ssl.SSLContext | None, Limits, Callable[[], WSListener]], Awaitable[Transport]]
"""``await dial(endpoint, tls, limits, make_listener)`` returns a `Transport` after the upgrade."""


Fetch = Callable[[Call, Limits], Awaitable[Answer]]
"""``await fetch(call, limits)`` sends an HTTP request and returns what came of it; it raises nothing."""


async def dial(
    endpoint: Endpoint, tls: ssl.SSLContext | None, limits: Limits, make_listener: Callable[[], WSListener]
) -> Transport:
    """Connect a socket, TLS and the WebSocket upgrade, within the limits.

    Raises
    ------
    OSError, TimeoutError, picows.WSError
        Why it failed.
    """
    async with asyncio.timeout(limits.connect_s):
        sock = await _open_socket(endpoint, limits.receive_buffer)
    try:
        async with asyncio.timeout(limits.handshake_s):
            transport, listener = await ws_connect(
                make_listener,
                endpoint.url,
                ssl_context=tls,
                socket_factory=lambda _: sock,
                websocket_handshake_timeout=None,  # the limit around this call covers TLS too
                enable_auto_ping=False,
                enable_auto_pong=False,
                max_frame_size=limits.message,
                max_redirects=0,
                read_buffer_init_size=limits.read_buffer,
                # QUIRK: picows takes aiofastnet where it is installed. Its 1.2 on uvloop never hears of a reset that
                # comes behind data: uvloop drops the reader of a descriptor with an error and tells nobody.
                use_aiofastnet=False,
                logger_name=_discreet_log if "?" in endpoint.url else _log,
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


def check_rest(what: str) -> None:
    """Raise `MissingExtra`, naming `what` needs it, where the HTTP client is not installed."""
    try:
        import aiohttp  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        raise_missing_extra(what, error, "rest")


async def fetch(call: Call, limits: Limits) -> Answer:
    """Send one HTTP request without body, within the limits of a connect and a handshake. Follows no redirect.

    Returns
    -------
    Answer
        Status 0 where none came; the reason names neither the address nor the headers.
    """
    import aiohttp  # noqa: PLC0415 - an extra

    headers = {name: value.reveal() for name, value in call.headers.items()}
    timeout = aiohttp.ClientTimeout(total=limits.connect_s + limits.handshake_s)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as client,
            client.request(call.method, call.url, headers=headers, allow_redirects=False) as response,
        ):
            body = await response.content.read(_ANSWER_MAX_BYTES)
            asked = response.headers.get("Retry-After", "")
            return Answer(response.status, body, float(asked) if asked.isdecimal() else 0.0)
    except TimeoutError:
        return Answer(0, error="no answer in time")
    except aiohttp.ClientConnectorError as error:
        return Answer(0, error=f"cannot connect: {error.os_error}")
    except (OSError, aiohttp.ClientError) as error:
        # WHY NOT the text: it may quote what was sent.
        return Answer(0, error=type(error).__name__)


def elapsed() -> float:
    """Return seconds that never step back and, where the system can tell, go on while the machine sleeps."""
    return time.clock_gettime(_SLEEPLESS)


@dataclass(frozen=True, slots=True)
class World:
    """Time, chance and sockets.

    Attributes
    ----------
    monotonic
        Seconds that never step back.
    elapsed
        The same, counted on while the machine sleeps.
    time_ns
        Unix time in ns; frames are stamped with it.
    random
        A number in [0, 1).
    dial
        Opens connections; see `Dial`.
    fetch
        Sends HTTP requests; see `Fetch`.
    """

    monotonic: Callable[[], float] = time.monotonic
    elapsed: Callable[[], float] = elapsed
    time_ns: Callable[[], int] = time.time_ns
    random: Callable[[], float] = SystemRandom().random
    dial: Dial = dial
    fetch: Fetch = fetch


class SteadyTime:
    """Unix time in ns that does not follow a clock which is set; frames are stamped with it.

    With a clock that is set forward by an hour every later event would be an hour late, with one that is set back all
    would come from the future. Slewing, by which daemons keep a clock right, is followed. Call it as `time.time_ns`.

    Parameters
    ----------
    world
        Whose `time_ns` and `elapsed` are compared.

    Attributes
    ----------
    steps
        How often the clock was set by more than 1 s.
    held_ns
        How far the clock is before this time.
    """

    def __init__(self, world: World) -> None:
        self._time_ns, self._elapsed = world.time_ns, world.elapsed
        self._difference_ns = self._time_ns() - int(self._elapsed() * 1e9)
        self._step_ns = 0
        self.steps = 0
        self.held_ns = 0

    def __call__(self) -> int:
        """Return the time. Cost: two clocks are read."""
        unix_ns = self._time_ns()
        difference = unix_ns - int(self._elapsed() * 1e9)
        step, self._difference_ns = difference - self._difference_ns, difference
        if abs(step) > _STEP_NS:
            self.steps += 1
            self.held_ns += step
            self._step_ns += step
        return unix_ns - self.held_ns

    def take_step(self) -> int:
        """Return by how many ns the clock was set forward since the last call; 0 where it was not."""
        step, self._step_ns = self._step_ns, 0
        return step

    def follow(self) -> int:
        """Follow the clock after all; return by how much this time goes forward at once."""
        step, self.held_ns = self.held_ns, 0
        return step


def bytes_waiting(transport: Transport) -> int | None:
    """Return how many received bytes the kernel holds for a socket; None where it has none. One system call."""
    # Transports of tests have no socket below them.
    lower = getattr(transport, "underlying_transport", None)
    sock = None if lower is None else lower.get_extra_info("socket")
    if sock is None or sock.fileno() < 0:
        return None
    answer = fcntl.ioctl(sock.fileno(), termios.FIONREAD, bytes(struct.calcsize("i")))
    return int(struct.unpack("i", answer)[0])


async def _open_socket(endpoint: Endpoint, receive_buffer: int) -> socket.socket:
    """Return a connected socket: the first address of the host that answers.

    WHY our own: the socket must be at hand when a connect is cancelled; see `_connect`.
    """
    loop = asyncio.get_running_loop()
    failure: OSError = ConnectionError("the name has no address")
    for family, kind, protocol, _, address in await _resolve(endpoint.host, endpoint.port):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            _widen(sock, receive_buffer)
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


def _widen(sock: socket.socket, receive_buffer: int) -> None:
    """Ask the kernel for room; before connecting, since the window that a peer may fill is agreed then."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    # QUIRK: Linux doubles what it was asked for, to have room for its own books, and says the double.
    given = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // (2 if sys.platform == "linux" else 1)
    if given < receive_buffer:
        _tell_once(given, receive_buffer)


@cache
def _tell_once(given: int, wanted: int) -> None:
    _log.warning("the kernel holds %d bytes a socket for us, not %d: raise net.core.rmem_max", given, wanted)


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
