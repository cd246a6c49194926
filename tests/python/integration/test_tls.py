"""TLS: what is refused, and that the key is not sent to whom it is refused."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from faulty import FaultyServer, Peer
from harness import KEY, running, stay, trade, until

from ringtape.feeds import Massive
from ringtape.feeds.base import FeedState


@pytest.fixture
def certificate(tmp_path: Path) -> Callable[[str], ssl.SSLContext]:
    """Make certificates of an authority that nobody trusts unless told to; its own is left in authority.pem."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")

    def make(name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
        return context

    return make


async def serve(peer: Peer) -> None:
    await peer.massive_login()
    peer.send(trade(1))
    await stay(peer)


def secure(server: FaultyServer) -> Massive:
    return Massive("stocks", ["T.*"], url=server.url.replace("ws://127.0.0.1", "wss://localhost"), key=KEY)


async def test_a_trusted_certificate_is_accepted(
    certificate: Callable[[str], ssl.SSLContext], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    context = certificate("localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    async with FaultyServer(serve, tls=context) as server, running(secure(server)) as (app, tape):
        await until(lambda: tape.sequences == [1])
        assert app.health().is_live


@pytest.mark.parametrize(
    ("name", "is_trusted", "reason"),
    [("localhost", False, "unable to get local issuer certificate"), ("example.com", True, "hostname mismatch")],
)
async def test_a_wrong_certificate_is_refused_before_the_key_is_sent(
    name: str,
    reason: str,
    *,
    is_trusted: bool,
    certificate: Callable[[str], ssl.SSLContext],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    context = certificate(name)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    async with FaultyServer(serve, tls=context) as server, running(secure(server)) as (app, _):
        await until(lambda: app.health().connections[0].state is FeedState.RECONNECTING)
        detail = app.health().connections[0].detail.lower()
        assert "certificate of localhost is not valid" in detail
        assert reason in detail
        assert not server.peers


async def test_plain_text_on_a_tls_port_is_refused() -> None:
    async with FaultyServer(serve) as server, running(secure(server)) as (app, _):
        await until(lambda: app.health().connections[0].state is FeedState.RECONNECTING)
        await asyncio.sleep(0.05)
        assert not server.peers
