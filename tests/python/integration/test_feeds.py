"""The feeds against a server that misbehaves on purpose, with the real engine behind them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import Callable

import pytest
from faulty import BINARY, CLOSE, CONTINUATION, PING, PONG, FaultyServer, Peer, closing, frame
from harness import KEY, LIMIT_S, QUICK, Tape, massive, running, stay, trade, until
from picows import WSListener

from ringtape import Engine
from ringtape.app import App
from ringtape.errors import AuthenticationError, ConfigError
from ringtape.feeds import Binance, Massive
from ringtape.feeds.base import FeedState
from ringtape.feeds.compiled import make_listener, why_not
from ringtape.feeds.limits import Limits
from ringtape.feeds.listener import Listener, Owner
from ringtape.feeds.massive.session import Pacing
from ringtape.feeds.world import World
from ringtape.strategy import Context, Strategy
from ringtape.strategy.base import Records

LISTENERS = {"compiled": make_listener, "python": Listener}


@pytest.fixture(params=LISTENERS, autouse=True)
def listener(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test runs with both listeners."""
    name: str = request.param
    assert why_not() is None

    def make(owner: Owner, world: World) -> WSListener:
        made = LISTENERS[name](owner, world)
        assert isinstance(made, Listener) == (name == "python")
        return made

    monkeypatch.setattr("ringtape.feeds.connection.make_listener", make)
    return name


async def test_logs_in_subscribes_and_delivers() -> None:
    asked: list[str] = []

    async def script(peer: Peer) -> None:
        asked.extend(await peer.massive_login())
        for sequence in range(1, 101):
            peer.send(trade(sequence))
        await stay(peer)

    async with FaultyServer(script) as server, running(massive(server, "T.*", "T.BRK.B")) as (app, tape):
        await until(lambda: len(tape.sequences) == 100)
        assert asked == ["T.*", "T.BRK.B"]
        assert server.peers[0].path == "/stocks"
        (health,) = app.health().connections
        assert health.state is FeedState.LIVE
        assert app.health().is_live
        assert (health.connects, health.losses, health.events) == (1, 0, 100)
        assert health.lag_ns is not None
        assert abs(health.lag_ns) < 10**9
    assert tape.sequences == list(range(1, 101))
    assert tape.states == ["subscribing", "live", "stopped"]


async def test_every_kind_of_loss_reconnects_and_restores_the_subscriptions() -> None:
    losses: list[Callable[[Peer], None]] = [
        lambda peer: peer.send(closing(1000, "bye")),
        lambda peer: peer.send(closing(1008, "policy")),
        lambda peer: peer.reset(),
        lambda peer: peer.writer.close(),
    ]
    asked: list[list[str]] = []

    async def script(peer: Peer) -> None:
        asked.append(await peer.massive_login())
        peer.send(trade(peer.number))
        if losses:
            await asyncio.sleep(0.05)
            losses.pop(0)(peer)
        await stay(peer)

    async with FaultyServer(script) as server, running(massive(server, "T.AAPL", "A.*")) as (app, tape):
        await until(lambda: len(tape.sequences) == 5)
        (health,) = app.health().connections
        assert (health.connects, health.losses, health.state) == (5, 4, FeedState.LIVE)
    assert asked == [["T.AAPL", "A.*"]] * 5
    assert tape.sequences == [1, 2, 3, 4, 5]
    assert "reconnecting" in tape.states


async def test_what_was_missed_is_a_gap() -> None:
    async def script(peer: Peer) -> None:
        await peer.massive_login()
        peer.send(trade(peer.number * 10))
        if peer.number == 1:
            await asyncio.sleep(0.1)
            peer.reset()
        await stay(peer)

    engine = Engine(windows=["10s", "1m"])
    async with FaultyServer(script) as server:
        app = App([massive(server)], engine=engine, limits=QUICK)
        task = asyncio.create_task(app.serve())
        await until(lambda: engine.stats()["trades"] == 1)
        assert engine.get("AAPL", "volume(1m)") == 100
        assert engine.get("AAPL", "coverage(1m)") == 1
        await until(lambda: engine.stats()["trades"] == 2)
        assert engine.get("AAPL", "volume(1m)") is None
        assert 0 < (engine.get("AAPL", "gap_seconds(1m)") or 0) < LIMIT_S
        assert engine.get("AAPL", "volume") == 200
        app.stop()
        await task


async def test_the_first_reconnect_is_at_once_and_data_for_long_enough_starts_over() -> None:
    async def script(peer: Peer) -> None:
        await peer.massive_login()
        peer.send(trade(peer.number))
        await asyncio.sleep(0.02)
        if peer.number <= 5:
            peer.send(closing(1000))
        await stay(peer)

    # The count starts over after `healthy_s` of data, here at once: no attempt waits.
    async with FaultyServer(script) as server, running(massive(server), limits=Limits(healthy_s=0.0)) as (_, tape):
        await until(lambda: tape.sequences[-1:] == [6])
        assert "reconnecting" not in tape.states
    # With the real limit only the first one does not.
    async with FaultyServer(script) as server, running(massive(server)) as (_, tape):
        await until(lambda: tape.sequences[-1:] == [2])
        assert "reconnecting" not in tape.states
        await until(lambda: tape.sequences[-1:] == [6])
        assert "reconnecting" in tape.states


async def test_a_silent_venue_is_left_without_a_busy_loop() -> None:
    ticks: list[float] = []

    async def script(peer: Peer) -> None:
        await asyncio.sleep(60)  # no greeting, no answer to a close

    async with FaultyServer(script) as server:
        feed = Massive("stocks", ["T.*"], url=server.url, key=KEY, pacing=Pacing(greeting_s=0.05))
        (session,) = feed.sessions
        tick = session.tick
        session.tick = lambda now: (ticks.append(now), tick(now))[1]  # type: ignore[method-assign]
        async with running(feed):
            await until(lambda: len(server.peers) == 3)
    assert len(ticks) <= 4


async def test_the_reason_of_a_loss_is_kept_not_its_echo() -> None:
    async def script(peer: Peer) -> None:
        await peer.massive_login()
        if peer.number == 1:
            peer.send('[{"ev":"status","status":"max_connections","message":"Maximum number exceeded. "}]')
            code = await peer.receive_close()
            peer.send(closing(code))
        elif peer.number == 2:
            peer.reset()
        await stay(peer)

    details: list[str] = []

    class Reasons(Strategy):
        def on_connection(self, ctx: Context, feed: str, state: str) -> None:
            details.extend(health.detail for health in app.health().connections)

    async with FaultyServer(script) as server:
        app = App([massive(server)], [Reasons()], limits=QUICK)
        task = asyncio.create_task(app.serve())
        await until(lambda: len(server.peers) == 3)
        app.stop()
        await asyncio.wait_for(task, 2.0)
    assert "max_connections: Maximum number exceeded." in details
    assert not [detail for detail in details if "closed with code 1000" in detail]


async def test_a_black_hole_is_noticed_and_left() -> None:
    async def script(peer: Peer) -> None:
        await peer.massive_login()
        peer.send(trade(peer.number))
        if peer.number == 1:
            await asyncio.sleep(1.0)  # reads nothing, sends nothing, closes nothing
        await stay(peer)

    start = time.monotonic()
    async with FaultyServer(script) as server, running(massive(server)) as (app, tape):
        await until(lambda: tape.sequences == [1, 2])
        assert time.monotonic() - start < 1.0
        assert app.health().connections[0].losses == 1


async def test_our_ping_keeps_a_quiet_connection() -> None:
    pings: list[bytes] = []

    async def script(peer: Peer) -> None:
        await peer.massive_login()
        while True:
            opcode, payload = await peer.receive()
            if opcode == PING:
                pings.append(payload)
                peer.send(frame(payload, PONG))

    async with FaultyServer(script) as server, running(massive(server)) as (app, _):
        await until(lambda: len(pings) >= 3)
        assert app.health().connections[0].losses == 0


async def test_their_ping_is_answered_with_the_same_payload() -> None:
    answers: list[tuple[int, bytes]] = []

    async def script(peer: Peer) -> None:
        await peer.massive_login()
        peer.send(frame(b"1732117000123", PING))
        answers.append(await peer.receive())
        await stay(peer)

    async with FaultyServer(script) as server, running(massive(server)):
        await until(lambda: answers)
    assert answers == [(PONG, b"1732117000123")]


async def test_a_blocked_loop_is_no_lost_peer() -> None:
    class Sleeper(Tape):
        def on_trades(self, ctx: Context, trades: Records) -> None:
            super().on_trades(ctx, trades)
            if len(self.batches) == 1:
                time.sleep(0.8)  # longer than idle_s + pong_s

    async def script(peer: Peer) -> None:
        await peer.massive_login()
        for sequence in range(1, 4):
            peer.send(trade(sequence))
            await asyncio.sleep(0.02)
        await stay(peer)

    tape = Sleeper()
    async with FaultyServer(script) as server:
        app = App([massive(server)], [tape], engine=Engine(), limits=QUICK)
        task = asyncio.create_task(app.serve())
        await until(lambda: len(tape.sequences) == 3)
        await asyncio.sleep(0.4)
        assert app.health().connections[0].losses == 0
        assert app.health().strategies[0].over_budget >= 1
        app.stop()
        await asyncio.wait_for(task, 2.0)


@pytest.mark.parametrize("last", ["ping", "half", "ping and half", "pong", "close"])
async def test_one_flush_for_a_read_whatever_ends_it(last: str) -> None:
    half = frame(trade(4))
    ends = {
        "ping": frame(b"x", PING),
        "half": half[:20],
        "ping and half": frame(b"x", PING) + half[:20],
        "pong": frame(b"x", PONG),
        "close": closing(1000),
    }

    async def script(peer: Peer) -> None:
        await peer.massive_login()
        await asyncio.sleep(0.05)
        if peer.number > 1:
            peer.send(half)
            await stay(peer)
        peer.send(trade(1), trade(2), trade(3), ends[last])
        await asyncio.sleep(0.1)
        if "half" in last:
            peer.send(half[20:])
        elif last != "close":
            peer.send(half)
        await stay(peer)

    async with FaultyServer(script) as server, running(massive(server)) as (_, tape):
        await until(lambda: len(tape.sequences) == 4)
    assert tape.batches == [[1, 2, 3], [4]]


async def test_a_long_read_is_flushed_in_between() -> None:
    async def script(peer: Peer) -> None:
        await peer.massive_login()
        await asyncio.sleep(0.05)
        peer.send(*(trade(sequence) for sequence in range(1, 6)))
        await stay(peer)

    async with FaultyServer(script) as server, running(massive(server), limits=Limits(flush_events=2)) as (_, tape):
        await until(lambda: len(tape.sequences) == 5)
    assert tape.batches == [[1, 2], [3, 4], [5]]


async def test_fragments_are_put_together_with_pings_between_them() -> None:
    text = trade(7).encode()

    async def script(peer: Peer) -> None:
        await peer.massive_login()
        peer.send(frame(text[:10], fin=False), frame(b"x", PING), frame(b"", CONTINUATION, fin=False))
        await asyncio.sleep(0.02)
        peer.send(frame(text[10:30], CONTINUATION, fin=False), frame(text[30:], CONTINUATION), trade(8))
        await stay(peer)

    async with FaultyServer(script) as server, running(massive(server)) as (app, tape):
        await until(lambda: tape.sequences == [7, 8])
        assert app.health().connections[0].losses == 0


async def test_binary_frames_are_read_as_text() -> None:
    async def script(peer: Peer) -> None:
        await peer.massive_login()
        peer.send(frame(trade(7), BINARY))
        await stay(peer)

    async with FaultyServer(script) as server, running(massive(server)) as (_, tape):
        await until(lambda: tape.sequences == [7])


async def test_one_byte_at_a_time() -> None:
    async def script(peer: Peer) -> None:
        await peer.massive_login()
        for byte in frame(trade(1)) + frame(b"x", PING) + frame(trade(2)):
            peer.writer.write(bytes([byte]))
            await asyncio.sleep(0)
        await stay(peer)

    async with FaultyServer(script) as server, running(massive(server)) as (app, tape):
        await until(lambda: tape.sequences == [1, 2])
        assert app.health().connections[0].losses == 0


BREACHES: dict[str, tuple[int, list[bytes]]] = {
    "text that is not UTF-8": (1007, [frame(b'[{"ev":"T","sym":"\xff\xfe"}]')]),
    "fragments that are not UTF-8": (1007, [frame(b'["\xc3', fin=False), frame(b'("]', CONTINUATION)]),
    "continuation of nothing": (1002, [frame(b"[]", CONTINUATION)]),
    "message inside a message": (1002, [frame(b"[", fin=False), frame(b"[]")]),
    "reserved bit": (1002, [frame(b"[]", rsv=4)]),
    "reserved opcode": (1002, [frame(b"[]", 0x3)]),
    "fragmented ping": (1002, [frame(b"x", PING, fin=False)]),
    "long ping": (1002, [frame(b"x" * 126, PING)]),
    "frame too long": (1009, [frame(b" " * 5_000)]),
    "message too long": (1009, [frame(b" " * 900, fin=False), *[frame(b" " * 900, CONTINUATION, fin=False)] * 5]),
    "too many fragments": (1009, [frame(b"[", fin=False), *[frame(b" ", CONTINUATION, fin=False)] * 20]),
    "length with the top bit": (1002, [b"\x81\x7f" + b"\xff" * 8]),
}


@pytest.mark.parametrize("breach", BREACHES)
async def test_breaches_close_with_the_right_code_and_the_feed_returns(breach: str) -> None:
    code, frames = BREACHES[breach]
    codes: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.massive_login()
        peer.send(trade(peer.number))
        if peer.number == 1:
            peer.send(*frames)
            codes.append(await peer.receive_close())
        await stay(peer)

    limits = Limits(message=4_096, fragments=16, close_s=0.2)
    async with FaultyServer(script) as server, running(massive(server), limits=limits) as (_, tape):
        await until(lambda: codes and tape.sequences[-1:] == [2])
    assert codes == [code]


async def test_a_message_that_never_ends_is_given_up() -> None:
    codes: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.massive_login()
        if peer.number == 1:
            peer.send(frame(b"[", fin=False))
            closed = asyncio.create_task(peer.receive_close())
            while not closed.done():
                await asyncio.sleep(0.05)
                peer.send(frame(b" ", CONTINUATION, fin=False))
            codes.append(closed.result())
        peer.send(trade(peer.number))
        await stay(peer)

    async with FaultyServer(script) as server, running(massive(server)) as (_, tape):
        await until(lambda: tape.sequences == [2])
        await until(lambda: codes == [1002])


async def test_a_message_that_stalls_is_given_up_though_pings_are_answered() -> None:
    codes: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.massive_login()
        if peer.number == 1:
            peer.send(frame(b"[", fin=False))
            while True:
                opcode, payload = await peer.receive()
                if opcode == CLOSE:
                    codes.append(int.from_bytes(payload[:2], "big"))
                    return
                peer.send(frame(payload, PONG))
        peer.send(trade(peer.number))
        await stay(peer)

    async with FaultyServer(script) as server, running(massive(server)) as (_, tape):
        await until(lambda: tape.sequences == [2])
    assert codes == [1002]


async def test_bad_frames_are_counted_and_the_feed_goes_on() -> None:
    async def script(peer: Peer) -> None:
        await peer.massive_login()
        peer.send(trade(1), '[{"ev":"T","sym":', "", "null", "[[[[", trade(2), '[{"ev":"T"}]', trade(3))
        await stay(peer)

    async with FaultyServer(script) as server, running(massive(server)) as (app, tape):
        await until(lambda: tape.sequences == [1, 2, 3])
        (health,) = app.health().connections
        assert (health.losses, health.state) == (0, FeedState.LIVE)


async def test_subscriptions_change_at_run_time() -> None:
    messages: list[dict[str, str]] = []

    async def script(peer: Peer) -> None:
        await peer.massive_login()
        while True:
            messages.append(await peer.receive_json())

    async with FaultyServer(script) as server:
        feed = massive(server, "T.AAPL")
        async with running(feed) as (app, _):
            await until(lambda: app.health().is_live)
            feed.subscribe(["T.MSFT"])
            await until(lambda: len(messages) == 1)
            feed.unsubscribe(["T.AAPL"])
            await until(lambda: len(messages) == 2)
    assert messages == [
        {"action": "subscribe", "params": "T.MSFT"},
        {"action": "unsubscribe", "params": "T.AAPL"},
    ]


async def test_a_wrong_key_ends_the_app_and_never_shows(caplog: pytest.LogCaptureFixture) -> None:
    async def script(peer: Peer) -> None:
        peer.send('[{"ev":"status","status":"connected","message":"Connected Successfully"}]')
        key = (await peer.receive_json())["params"]
        peer.send(f'[{{"ev":"status","status":"auth_failed","message":"authentication failed for {key}"}}]')
        peer.reset()

    asyncio.get_running_loop().set_debug(True)
    for name in ("picows", "asyncio", "ringtape"):
        caplog.set_level(1, logger=name)
    async with FaultyServer(script) as server:
        app = App([massive(server)], engine=Engine(), limits=QUICK)
        with pytest.raises(AuthenticationError) as caught:
            await asyncio.wait_for(app.serve(), LIMIT_S)
        assert len(server.peers) == 2  # one retry
    assert "Send upgrade request" in caplog.text  # the most talkative level is on
    texts = [caplog.text, str(caught.value), repr(caught.value), repr(app.health()), repr(caught.value.__dict__)]
    for text in texts:
        assert KEY not in text
        assert KEY[7:15] not in text
    assert "refused the key" in str(caught.value)


async def test_another_client_on_the_same_key_ends_the_feed_not_the_others(caplog: pytest.LogCaptureFixture) -> None:
    async def crowded(peer: Peer) -> None:
        await peer.massive_login()
        peer.send('[{"ev":"status","status":"max_connections","message":"Maximum number exceeded. "}]')
        await stay(peer)

    async def fine(peer: Peer) -> None:
        await peer.binance_login()
        await stay(peer)

    async with FaultyServer(crowded) as first, FaultyServer(fine) as second:
        feeds = (massive(first), Binance("usdm", ["btcusdt@aggTrade"], url=second.url))
        async with running(*feeds) as (app, _):
            await until(lambda: app.health().connections[0].state is FeedState.FAILED)
            failed, alive = app.health().connections
            assert "another client uses this key" in failed.detail
            assert alive.state is FeedState.SUBSCRIBING
            assert len(first.peers) == 2
    gc.collect()
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(told) == 1
    assert told[0].startswith("massive.stocks gave up: massive.stocks: another client uses this key")


def agg_trade(id_: int, symbol: str = "BTCUSDT") -> str:
    now_ms = time.time_ns() // 1_000_000
    return (
        f'{{"stream":"{symbol.lower()}@aggTrade","data":{{"e":"aggTrade","E":{now_ms},"a":{id_},"s":"{symbol}",'
        f'"p":"60000.10","q":"0.500","f":{id_},"l":{id_},"T":{now_ms},"m":true}}}}'
    )


def book_ticker(id_: int, symbol: str = "BTCUSDT") -> str:
    now_ms = time.time_ns() // 1_000_000
    return (
        f'{{"stream":"{symbol.lower()}@bookTicker","data":{{"e":"bookTicker","u":{id_},"s":"{symbol}","b":"60000.00",'
        f'"B":"1.000","a":"60000.10","A":"2.000","T":{now_ms},"E":{now_ms}}}}}'
    )


async def test_binance_streams_go_to_their_paths_and_are_live_by_data() -> None:
    asked: dict[str, list[str]] = {}
    deliver = asyncio.Event()

    async def script(peer: Peer) -> None:
        asked[peer.path] = await peer.binance_login()
        await deliver.wait()
        peer.send(agg_trade(1) if "market" in peer.path else book_ticker(1))
        await stay(peer)

    async with FaultyServer(script) as server:
        feed = Binance("usdm", ["btcusdt@aggTrade", "btcusdt@bookTicker"], url=server.url)
        async with running(feed) as (app, tape):
            await until(lambda: len(asked) == 2)
            await asyncio.sleep(0.05)
            assert {health.state for health in app.health().connections} == {FeedState.SUBSCRIBING}
            deliver.set()
            await until(lambda: app.health().is_live)
            assert tape.sequences == [1]
    assert asked == {"/market/stream": ["btcusdt@aggTrade"], "/public/stream": ["btcusdt@bookTicker"]}


async def test_binance_opens_a_new_connection_for_a_new_path_at_run_time() -> None:
    async def script(peer: Peer) -> None:
        await peer.binance_login()
        await stay(peer)

    async with FaultyServer(script) as server:
        feed = Binance("usdm", ["btcusdt@aggTrade"], url=server.url)
        async with running(feed):
            await until(lambda: len(server.peers) == 1)
            feed.subscribe(["btcusdt@bookTicker"])
            await until(lambda: len(server.peers) == 2)
            assert server.peers[1].path == "/public/stream"


async def test_a_shutdown_notice_reconnects_at_once() -> None:
    async def script(peer: Peer) -> None:
        await peer.binance_login()
        if peer.number == 1:
            peer.send('{"e":"serverShutdown","E":1732117000123}')
        peer.send(agg_trade(peer.number))
        await stay(peer)

    async with (
        FaultyServer(script) as server,
        running(Binance("usdm", ["btcusdt@aggTrade"], url=server.url)) as (_, tape),
    ):
        await until(lambda: tape.sequences[-1:] == [2])


async def test_handshakes_that_fail_are_tried_again() -> None:
    async def script(peer: Peer) -> None:
        raise AssertionError(peer)

    answers = {
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n": "HTTP status 503",
        b"HTTP/1.1 301 Moved\r\nLocation: ws://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n": "HTTP status 301",
        b"HTTP/1.1 429 Too Many\r\nRetry-After: 90\r\nContent-Length: 0\r\n\r\n": "rate limited for 90 s",
        b"": "hung up",
        b"<html>": "",
    }
    for answer, reason in answers.items():
        async with FaultyServer(script, handshake=answer) as server, running(massive(server)) as (app, _):
            await until(lambda: app.health().connections[0].state is FeedState.RECONNECTING)
            assert reason in app.health().connections[0].detail


async def test_nobody_listens() -> None:
    feed = Massive("stocks", ["T.*"], url="ws://127.0.0.1:9", key=KEY)
    async with running(feed) as (app, _):
        await until(lambda: app.health().connections[0].state is FeedState.RECONNECTING)
        assert "cannot connect to 127.0.0.1" in app.health().connections[0].detail


@pytest.mark.parametrize("moment", ["tcp", "greeting", "login", "live", "black hole", "backing off"])
async def test_it_ends_within_two_seconds_from_any_state(moment: str) -> None:
    reached = asyncio.Event()

    async def script(peer: Peer) -> None:
        if moment == "login":
            peer.send('[{"ev":"status","status":"connected","message":""}]')
        elif moment in {"live", "black hole"}:
            await peer.massive_login()
        elif moment == "backing off" and peer.number > 3:
            reached.set()
        if moment == "backing off":
            peer.reset()
            return
        reached.set()
        if moment == "live":
            await stay(peer)
        await asyncio.sleep(60)

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        writer.close()

    async with contextlib.AsyncExitStack() as stack:
        if moment == "tcp":
            raw = await asyncio.start_server(deaf, "127.0.0.1", 0)
            stack.callback(raw.close)
            url = f"ws://127.0.0.1:{raw.sockets[0].getsockname()[1]}"
        else:
            url = (await stack.enter_async_context(FaultyServer(script))).url
        app = App([Massive("stocks", ["T.*"], url=url, key=KEY)], engine=Engine())
        task = asyncio.create_task(app.serve())
        await asyncio.wait_for(reached.wait(), LIMIT_S)
        await asyncio.sleep(0.05)
        start = time.monotonic()
        app.stop()
        await asyncio.wait_for(task, 5.0)
        assert time.monotonic() - start < 2.0


async def test_an_app_can_be_cancelled_and_run_again() -> None:
    async def script(peer: Peer) -> None:
        await peer.massive_login()
        peer.send(trade(peer.number))
        await stay(peer)

    async with FaultyServer(script) as server:
        tape = Tape()
        app = App([massive(server)], [tape], engine=Engine(), limits=QUICK)
        for run in (1, 2):
            task = asyncio.create_task(app.serve())
            await until(lambda run=run: tape.sequences[-1:] == [run])  # type: ignore[misc]
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


async def test_what_an_app_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"shared.*not both"):
        App(shared="main", engine=Engine())
    with pytest.raises(ConfigError, match="not both"):
        App(engine=Engine(), max_symbols=5)
    monkeypatch.delenv("MASSIVE_API_KEY", raising=False)
    monkeypatch.delenv("POLYGON_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="MASSIVE_API_KEY"):
        await App([Massive("stocks", ["T.*"])], engine=Engine()).serve()
