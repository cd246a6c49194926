"""The pretend venues without a socket: connections are handed in, time is given."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from ringtape.sim import Host, Refused

START_NS = 1_780_000_000_000_000_000
STEP_NS = 100_000_000


class Pipe:
    """A transport that keeps what was sent."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.log: list[object] = []

    @property
    def underlying_transport(self) -> Pipe:
        return self

    def write(self, data: bytes) -> None:
        self.data += data

    def get_write_buffer_size(self) -> int:
        return 0

    def send_ping(self, message: str | bytes = b"") -> None:
        self.log.append(("ping", message))

    def send_pong(self, message: bytes = b"") -> None:
        self.log.append(("pong", message))

    def send_close(self, close_code: object = 0, close_message: str | None = None) -> None:
        self.log.append(("close", close_code, close_message))

    def disconnect(self, graceful: bool = True) -> None:  # noqa: FBT001, FBT002 - as picows has it
        self.log.append("disconnect")

    async def wait_disconnected(self) -> None:
        return


async def a_minute(seed: int) -> bytes:
    """Return what a client of all trades gets in ten seconds of given time."""
    host = Host(seed=seed, symbols=5, rate=500, monotonic=lambda: 0.0, time_ns=lambda: START_NS)
    peer, pipe = host.accept("/stocks"), Pipe()
    peer.on_ws_connected(pipe)
    peer.received(b'{"action":"auth","params":"any"}')
    peer.received(b'{"action":"subscribe","params":"T.*,A.*"}')
    for step in range(1, 101):
        host.step(START_NS + step * STEP_NS)
    peer.on_ws_disconnected(pipe)
    assert not host.peers
    return bytes(pipe.data)


async def test_given_time_gives_the_same_bytes() -> None:
    first = await a_minute(seed=3)
    assert first.count(b'"ev":"T"') > 1000
    assert first == await a_minute(seed=3)
    assert first != await a_minute(seed=4)


async def test_nothing_is_made_twice_nor_between_steps() -> None:
    host = Host(symbols=5, rate=500, time_ns=lambda: START_NS)
    peer, pipe = host.accept("/market/ws/btcusdt@aggTrade"), Pipe()
    peer.on_ws_connected(pipe)
    host.step(START_NS + STEP_NS)
    sent = len(pipe.data)
    host.step(START_NS + STEP_NS)
    host.step(START_NS)
    assert len(pipe.data) == sent
    host.step(START_NS + 60 * STEP_NS, rest=True)
    assert host.stats.rests == 1
    peer.on_ws_disconnected(pipe)


def test_what_is_not_served_is_refused_with_a_status() -> None:
    host = Host()
    with pytest.raises(Refused) as refused:
        host.accept("/nowhere")
    assert refused.value.reply.status == HTTPStatus.NOT_FOUND
    assert host.stats.refused == 1
