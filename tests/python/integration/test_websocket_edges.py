"""WebSocket at its edges: categories 1 to 7 and 10 of the Autobahn test suite, rewritten as a server that sends bytes.

SOURCE: the suite's own descriptions of its cases (crossbario/autobahn-testsuite); RFC 6455; for 6.x Markus Kuhn's
"UTF-8 decoder capability and stress test". Its cases expect echoes; here a message is a trade with blanks behind it up
to the wanted size, and what counts is which trades reach the engine and how the connection ends.

Every case runs with both listeners, in one write and one byte at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from faulty import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, FaultyServer, Hangup, Peer, closing, frame
from harness import trade
from picows import WSError, WSListener

from ringtape import Engine
from ringtape.config import Endpoint
from ringtape.feeds import Massive
from ringtape.feeds.base import Session
from ringtape.feeds.compiled import make_listener
from ringtape.feeds.health import HealthMonitor
from ringtape.feeds.limits import Limits
from ringtape.feeds.listener import Listener, Owner
from ringtape.feeds.world import Transport, World, dial

STAYS = None
BREACH = frozenset({1002, 0})
"""Closed with 1002, or cut where picows itself found the breach; both are "fail the connection" of the RFC."""
INVALID = frozenset({1007})
LISTENERS: dict[str, Callable[[Owner, World], WSListener]] = {"compiled": make_listener, "python": Listener}
SENTINEL = 99_999
LIMITS = Limits(idle_s=5.0, close_s=0.2, message=1 << 20, fragments=4096)


@dataclass
class Case:
    """What a server sends, and what has to come of it."""

    name: str
    sent: bytes
    trades: list[int] = field(default_factory=list)
    """Sequence numbers that reach the engine, without the sentinel's."""
    end: frozenset[int] | None = STAYS
    """Codes that the client may close with, 0 for a cut; None where the connection goes on."""
    pongs: list[bytes] = field(default_factory=list)


def sized(number: int, size: int) -> bytes:
    """Return a message with a trade, of at least that many bytes."""
    return trade(number).encode().ljust(size)


def parts(message: bytes, sizes: int, opcode: int = TEXT) -> list[bytes]:
    """Return the frames of a message cut into pieces of that size."""
    cuts = [message[at : at + sizes] for at in range(0, len(message), sizes)]
    last = len(cuts) - 1
    return [frame(cut, CONTINUATION if at else opcode, fin=at == last) for at, cut in enumerate(cuts)]


def framing() -> Iterator[Case]:
    """1.1 text and 1.2 binary, of sizes around the borders of the length field; empty ones are no JSON."""
    for row, opcode in ((1, TEXT), (2, BINARY)):
        yield Case(f"1.{row}.1", frame(b"", opcode))
        for at, size in enumerate((125, 126, 127, 128, 65_535, 65_536), start=2):
            yield Case(f"1.{row}.{at}", frame(sized(at, size), opcode), [at])
        yield Case(f"1.{row}.8", b"".join(parts(sized(8, 65_536), 997, opcode)), [8])


def pings() -> Iterator[Case]:
    """2: pings with and without payload, pongs that nobody asked for, many at once."""
    text, binary = b"Hello, world!", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
    yield Case("2.1", frame(b"", PING), pongs=[b""])
    yield Case("2.2", frame(text, PING), pongs=[text])
    yield Case("2.3", frame(binary, PING), pongs=[binary])
    yield Case("2.4", frame(b"\xfe" * 125, PING), pongs=[b"\xfe" * 125])
    yield Case("2.5", frame(b"\xfe" * 126, PING), end=BREACH)
    yield Case("2.6", frame(b"\xfe" * 125, PING) + frame(sized(6, 0)), [6], pongs=[b"\xfe" * 125])
    yield Case("2.7", frame(b"", PONG))
    yield Case("2.8", frame(b"unsolicited", PONG))
    yield Case("2.9", frame(b"unsolicited", PONG) + frame(b"own", PING), pongs=[b"own"])
    ten = [b"payload-%d" % number for number in range(10)]
    yield Case("2.10", b"".join(frame(each, PING) for each in ten), pongs=ten)
    yield Case("2.11", b"".join(frame(each, PING) + frame(sized(1, 0)) for each in ten[:1]), [1], pongs=ten[:1])


def reserved() -> Iterator[Case]:
    """3: reserved bits with nothing negotiated."""
    good = frame(sized(1, 0))
    for rsv in range(1, 8):
        yield Case(f"3.{rsv}", good + frame(sized(2, 0), rsv=rsv) + frame(sized(3, 0)), [1], BREACH)
        yield Case(f"3.{rsv} ping", frame(b"", PING, rsv=rsv), end=BREACH)
        yield Case(f"3.{rsv} binary", frame(b"\x00\xff", BINARY, rsv=rsv), end=BREACH)
        yield Case(f"3.{rsv} parts", frame(b"a", fin=False, rsv=rsv) + frame(b"b", CONTINUATION, rsv=rsv), end=BREACH)


def opcodes() -> Iterator[Case]:
    """4: opcodes that the RFC reserves."""
    for row, codes in ((1, range(3, 8)), (2, range(11, 16))):
        for at, opcode in enumerate(codes, start=1):
            yield Case(f"4.{row}.{at}", frame(b"", opcode), end=BREACH)
            yield Case(f"4.{row}.{at} payload", frame(b"reserved", opcode), end=BREACH)
            yield Case(f"4.{row}.{at} behind", frame(sized(1, 0)) + frame(b"", opcode), [1], BREACH)
            yield Case(f"4.{row}.{at} amid", parts(sized(1, 200), 100)[0] + frame(b"", opcode), end=BREACH)


def fragments() -> Iterator[Case]:
    """5: fragments in order and out of it, control frames between them."""
    one, two = parts(sized(1, 180), 100)
    ping, pong = frame(b"ping", PING), frame(b"pong", PONG)
    yield Case("5.1", frame(b"a", PING, fin=False) + frame(b"b", CONTINUATION), end=BREACH)
    yield Case("5.2", frame(b"a", PONG, fin=False) + frame(b"b", CONTINUATION), end=BREACH)
    yield Case("5.3", one + two, [1])
    yield Case("5.4", b"".join(parts(sized(4, 180), 90)), [4])
    yield Case("5.5", b"".join(parts(sized(5, 180), 1)), [5])
    yield Case("5.6", one + ping + two, [1], pongs=[b"ping"])
    yield Case("5.7", one + ping + two + ping, [1], pongs=[b"ping", b"ping"])
    yield Case("5.8", b"".join(each + ping for each in parts(sized(8, 180), 60)), [8], pongs=[b"ping"] * 3)
    yield Case("5.9", frame(b"x", CONTINUATION) + frame(sized(9, 0)), end=BREACH)
    yield Case("5.10", frame(b"x", CONTINUATION) + pong, end=BREACH)
    yield Case("5.11", frame(b"", CONTINUATION), end=BREACH)
    yield Case("5.12", frame(b"x", CONTINUATION, fin=False) + frame(sized(12, 0)), end=BREACH)
    yield Case("5.13", frame(b"x", CONTINUATION, fin=False) + ping, end=BREACH)
    yield Case("5.14", frame(b"", CONTINUATION, fin=False), end=BREACH)
    yield Case("5.15", one + two + frame(b"x", CONTINUATION, fin=False) + frame(sized(2, 0)), [1], BREACH)
    again = frame(b"x", CONTINUATION, fin=False) + frame(b"a", fin=False) + frame(b"b", CONTINUATION)
    yield Case("5.16", again * 2, end=BREACH)
    yield Case("5.17", (frame(b"x", CONTINUATION) + frame(b"a", fin=False) + frame(b"b", CONTINUATION)) * 2, end=BREACH)
    yield Case("5.18", frame(b"a", fin=False) + frame(b"b"), end=BREACH)
    five = parts(sized(19, 250), 50)
    amid = b"".join(five[:2]) + ping + five[2] + five[3] + ping + five[4]
    yield Case("5.19", amid, [19], pongs=[b"ping", b"ping"])
    yield Case("5.20", b"".join(five[:2]) + pong + b"".join(five[2:]), [19])
    empty = frame(b"", fin=False) + frame(b"", CONTINUATION, fin=False) + frame(sized(21, 0), CONTINUATION)
    yield Case("5 empty parts", empty, [21])
    yield Case("5 empty first, new message", frame(b"", fin=False) + frame(sized(22, 0)), end=BREACH)
    endless = frame(b"x", fin=False) + frame(b"x", CONTINUATION, fin=False) * 4096
    yield Case("5 endless", endless, end=frozenset({1009}))
    large = frame(b"x" * 600_000, fin=False) + frame(b"x" * 600_000, CONTINUATION, fin=False)
    yield Case("5 too large in parts", large, end=frozenset({1009}))
    yield Case("5 too large", frame(b"x" * (1 << 20 | 1)), end=frozenset({1009, 1002, 0}))
    top = b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff"
    yield Case("5 length with the top bit", top, end=frozenset({1009, 1002, 0}))


_KUHN: dict[str, list[bytes]] = {
    "6.2": ["Hello-µ@ßöäüàá-UTF-8!!".encode(), "κόσμε".encode()],
    "6.3": [b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"],
    "6.5": ["κόσμε".encode()[:cut] for cut in (2, 5, 7, 9, 11)],
    "6.6": ["κόσμε".encode()[:cut] for cut in range(1, 12)],
    "6.7": [b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"],
    "6.8": [b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"],
    "6.9": [b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"],
    "6.10": [b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"],
    "6.11": [b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80"],
    "6.12": [b"\x80", b"\xbf", *((b"\x80\xbf" * 4)[:size] for size in range(2, 7)), bytes(range(0x80, 0xC0))],
    "6.13": [b" ".join(bytes([lead]) for lead in range(low, high)) + b" " for low, high in
             ((0xC0, 0xE0), (0xE0, 0xF0), (0xF0, 0xF8), (0xF8, 0xFC), (0xFC, 0xFE))],
    "6.14": [b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xfc\x80\x80\x80\x80", b"\xdf", b"\xef\xbf",
             b"\xf7\xbf\xbf", b"\xfb\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf"],
    "6.15": [b"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xfc\x80\x80\x80\x80\xdf\xef\xbf\xf7\xbf\xbf\xfb\xbf\xbf\xbf"],
    "6.16": [b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"],
    "6.17": [b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf", b"\xfc\x80\x80\x80\x80\xaf"],
    "6.18": [b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf", b"\xfc\x83\xbf\xbf\xbf\xbf"],
    "6.19": [b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf8\x80\x80\x80\x80", b"\xfc\x80\x80\x80\x80\x80"],
    "6.20": [b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf", b"\xed\xb0\x80", b"\xed\xbe\x80",
             b"\xed\xbf\xbf"],
    "6.21": [high + low for high in (b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf")
             for low in (b"\xed\xb0\x80", b"\xed\xbf\xbf")],
    "6.22": [chr(plane << 16 | last).encode() for plane in range(17) for last in (0xFFFE, 0xFFFF)],
    "6.23": [chr(point).encode() for point in (0xFFF9, 0xFFFA, 0xFFFB, 0xFFFC, 0xFFFD, 0xFDD0, 0xFDEF)],
}  # fmt: skip


def utf8() -> Iterator[Case]:
    """6: text that is UTF-8 or not. None is JSON, so the engine refuses it and the listener decides what it is."""
    for at, empty in enumerate((frame(b""), frame(b"", fin=False) + frame(b"", CONTINUATION)), start=1):
        yield Case(f"6.1.{at}", empty)
    amid = frame(b"", fin=False) + frame(b"middle", CONTINUATION, fin=False) + frame(b"", CONTINUATION)
    yield Case("6.1.3", amid)
    for row, texts in _KUHN.items():
        for at, text in enumerate(texts, start=1):
            end = STAYS if _is_utf8(text) else INVALID
            yield Case(f"6{row[1:]}.{at}", frame(text), end=end)
    for at, text in enumerate(_KUHN["6.2"], start=1):
        yield Case(f"6.2.{at} in parts", b"".join(parts(text, 1)))
    for at, text in enumerate((b"\xce\xba\xe1\xbd\xb9\xf4\x90\x80\x80", b"edited\xf4\x90\x80\x80"), start=1):
        yield Case(f"6.4.{at}", b"".join(parts(text, 4)), end=INVALID)
        yield Case(f"6.4.{at} in bytes", b"".join(parts(text, 1)), end=INVALID)


def closes() -> Iterator[Case]:
    """7: closes: a loss whatever their code; what comes behind them is not read."""
    behind = frame(sized(2, 0))
    yield Case("7.1.1", frame(sized(1, 0)) + closing(1000), [1], frozenset({1000}))
    yield Case("7.1.2", closing(1000) * 2, end=BREACH | {1000})
    yield Case("7.1.3", closing(1000) + frame(b"", PING), end=frozenset({1000}))
    yield Case("7.1.4", closing(1000) + behind, end=frozenset({1000}))
    yield Case("7.1.5", frame(b"a", fin=False) + closing(1000) + frame(b"b", CONTINUATION), end=frozenset({1000}))
    yield Case("7.1.6", frame(sized(1, 256 << 10)) + closing(1000) + frame(b"", PING), [1], frozenset({1000}))
    yield Case("7.3.1", frame(b"", CLOSE), end=frozenset({1000}))
    yield Case("7.3.2", frame(b"a", CLOSE), end=BREACH)
    yield Case("7.3.3", closing(1000), end=frozenset({1000}))
    yield Case("7.3.4", closing(1000, "Hello World!"), end=frozenset({1000}))
    yield Case("7.3.5", closing(1000, "*" * 123), end=frozenset({1000}))
    yield Case("7.3.6", closing(1000, "*" * 124), end=BREACH)
    yield Case("7.5.1", frame(b"\x03\xe8\xce\xba\xe1\xbd\xb9\xed\xa0\x80", CLOSE), end=BREACH | INVALID | {1000})
    valid = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    for at, code in enumerate(valid, start=1):
        yield Case(f"7.7.{at}", closing(code), end=frozenset({code}))
    for at, code in enumerate((0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999), start=1):
        yield Case(f"7.9.{at}", closing(code), end=BREACH)
    for at, code in enumerate((5000, 65_535), start=1):
        yield Case(f"7.13.{at}", closing(code), end=BREACH)


def chopped() -> Iterator[Case]:
    """10: a large message in parts of another size."""
    yield Case("10.1.1", b"".join(parts(sized(1, 65_536), 1_300)), [1])


CATEGORIES = {
    "1": framing,
    "2": pings,
    "3": reserved,
    "4": opcodes,
    "5": fragments,
    "6": utf8,
    "7": closes,
    "10": chopped,
}


class Stub:
    """A connection without a session: keeps what came and how it ended."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.conn = 1
        self.engine = Engine()
        self.limits = LIMITS
        self.monitor = HealthMonitor()
        self.trades: list[int] = []

    def opened(self, transport: Transport) -> None:
        """Nothing is asked for."""

    def flush(self, recv_ns: int, *, has_events: bool) -> None:
        """Keep the trades."""
        self.trades += self.engine.drain().trades["sequence"].tolist()

    def closing(self, reason: str) -> None:
        """What the server sees counts."""

    def end(self, transport: Transport, code: int) -> None:
        """Close as a connection does."""
        transport.send_close(code)
        asyncio.get_running_loop().call_later(LIMITS.close_s, transport.disconnect, False)


class Venue:
    """The server's side of a case, and what it saw."""

    def __init__(self, case: Case, *, sliced: bool) -> None:
        self.pongs: list[bytes] = []
        self.end: int | None = STAYS
        self.gone = asyncio.Event()
        self._data = case.sent + (b"" if case.end else frame(trade(SENTINEL)))
        # Large ones by the hundred: a byte at a time each would take a minute and show nothing more.
        self._step = len(self._data) if not sliced else 1 if len(self._data) < 2_000 else 997

    async def play(self, peer: Peer) -> None:
        """Send the case and listen until the client is gone."""
        sending = asyncio.ensure_future(self._send(peer))
        try:
            await self._listen(peer)
        except Hangup:
            self.end = 0
        finally:
            self.gone.set()
        await sending

    async def _send(self, peer: Peer) -> None:
        with contextlib.suppress(ConnectionError):
            for at in range(0, len(self._data), self._step):
                peer.writer.write(self._data[at : at + self._step])
                await peer.writer.drain()
                await asyncio.sleep(0)

    async def _listen(self, peer: Peer) -> None:
        while self.end is STAYS:
            opcode, payload = await peer.receive()
            if opcode == PONG:
                self.pongs.append(payload)
            elif opcode == CLOSE:
                self.end = int.from_bytes(payload[:2], "big")


async def until(condition: Callable[[], bool], limit_s: float) -> None:
    """Wait for a condition, for a limited time; what is missing then is judged."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            while not condition():
                await asyncio.sleep(0.001)


async def play(case: Case, name: str, *, sliced: bool) -> list[str]:
    """Run a case; return what was not as it should be."""
    (session,) = Massive("stocks", ["T.*"], url="ws://127.0.0.1:1", key="none").sessions
    stub, venue = Stub(session), Venue(case, sliced=sliced)
    async with FaultyServer(venue.play) as server:
        endpoint = Endpoint.parse(f"{server.url}/stocks")
        transport = await dial(endpoint, None, LIMITS, lambda: LISTENERS[name](stub, World()))
        await until(lambda: SENTINEL in stub.trades or venue.gone.is_set(), 3.0)
        # Pongs are on their way while the sentinel is looked at.
        await until(lambda: len(venue.pongs) >= len(case.pongs) or venue.gone.is_set(), 0.5)
        faults = list(judged(case, stub.trades, venue))
        transport.disconnect(False)
        with contextlib.suppress(WSError, OSError):
            await transport.wait_disconnected()
    return faults


def judged(case: Case, trades: list[int], venue: Venue) -> Iterator[str]:
    """Compare a case with what came of it."""
    wanted = case.trades if case.end else [*case.trades, SENTINEL]
    if trades != wanted:
        yield f"{case.name}: trades {trades}, not {wanted}"
    if (venue.end not in case.end) if case.end else (venue.end is not STAYS):
        yield f"{case.name}: ended with {venue.end}, not {case.end}"
    if not case.end and venue.pongs != case.pongs:
        yield f"{case.name}: pongs {venue.pongs}, not {case.pongs}"


@pytest.mark.parametrize("sliced", [False, True], ids=["whole", "sliced"])
@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("category", CATEGORIES)
async def test_category(category: str, listener: str, *, sliced: bool) -> None:
    faults = [fault for case in CATEGORIES[category]() for fault in await play(case, listener, sliced=sliced)]
    assert not faults, "\n".join(faults)


def test_there_are_two_hundred_and_fifty() -> None:
    names = [case.name for cases in CATEGORIES.values() for case in cases()]
    assert len(set(names)) == len(names) >= 250


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
