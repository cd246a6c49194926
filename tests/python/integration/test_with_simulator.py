"""The feeds against the shipped simulator: its idea of the protocols against theirs."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from harness import KEY, LIMIT_S, QUICK, Tape, running, until

from ringtape import App, sim
from ringtape.errors import AuthenticationError
from ringtape.feeds import Binance, Massive
from ringtape.feeds.base import FeedState
from ringtape.sim import Behaviour, Script, Server, faults


def stocks(server: Server, *names: str) -> Massive:
    return Massive("stocks", names or ["T.*"], url=server.url, key=KEY)


async def test_both_venues_are_live_and_every_event_is_understood() -> None:
    async with sim.serve(seed=7, symbols=50, rate=2_000) as server:
        coins = Binance("usdm", ["btcusdt@aggTrade", "btcusdt@bookTicker", "btcusdt@markPrice@1s"], url=server.url)
        async with running(stocks(server, "T.*", "Q.*", "A.*"), coins) as (app, tape):
            await until(lambda: app.health().is_live and len(tape.sequences) > 1_000)
            stats = app.engine.stats()
            assert [health.losses for health in app.health().connections] == [0, 0, 0]
        assert (stats["frames_rejected"], stats["events_skipped"], stats["gaps"]) == (0, 0, 0)
        assert {venue for _, venue, _ in app.engine.symbols()} == {"massive.stocks", "binance.usdm"}


async def test_a_bad_key_ends_the_app() -> None:
    async with sim.serve(symbols=5, rate=100, behaviour=Behaviour(bad_key=KEY)) as server:
        app = App([stocks(server)], limits=QUICK)
        with pytest.raises(AuthenticationError, match="refused the key") as caught:
            await asyncio.wait_for(app.serve(), LIMIT_S)
        assert KEY not in str(caught.value)
        assert server.stats.connections == 2


async def test_the_second_client_of_a_key_gives_way() -> None:
    only_one = Behaviour(max_connections=1)
    async with (
        sim.serve(symbols=5, rate=100, behaviour=only_one) as server,
        running(stocks(server)) as (first, _),
    ):
        await until(lambda: first.health().is_live)
        second = App([stocks(server)], [Tape()], limits=QUICK)
        with pytest.raises(AuthenticationError, match="another client uses this key"):
            await asyncio.wait_for(second.serve(), LIMIT_S)
        assert first.health().connections[0].losses == 0


async def test_what_the_plan_lacks_is_reported_and_the_rest_flows() -> None:
    small_plan = Behaviour(unentitled=frozenset({"Q"}))
    async with (
        sim.serve(symbols=5, rate=500, behaviour=small_plan) as server,
        running(stocks(server, "T.*", "Q.*")) as (app, tape),
    ):
        await until(lambda: tape.sequences)
        (health,) = app.health().connections
        assert (health.state, health.detail) == (FeedState.DEGRADED, "not authorized")


@pytest.mark.parametrize("fault", [faults.Reset(after_frames=20, peer=1), faults.HangUp(after_frames=20, peer=1)])
async def test_an_end_behind_data_is_noticed_at_once(fault: faults.Fault) -> None:
    # Long limits: it has to be noticed by itself, not by the silence after it.
    patient = msgspec.structs.replace(QUICK, idle_s=60.0, pong_s=60.0)
    script = Script(faults=(fault,))
    async with (
        sim.serve(symbols=5, rate=1_000, script=script) as server,
        running(stocks(server), limits=patient) as (app, _),
    ):
        await until(lambda: app.health().connections[0].connects == 2)
        assert server.stats.faults == {fault.kind: 1}


async def test_a_restarted_server_is_found_again() -> None:
    async with sim.serve(symbols=5, rate=500) as server:
        port = server.port
        feed = stocks(server)
        tape = Tape()
        app = App([feed], [tape], limits=QUICK)
        task = asyncio.create_task(app.serve())
        await until(lambda: tape.sequences)
    before = len(tape.sequences)
    async with sim.serve(symbols=5, rate=500, port=port):
        await until(lambda: app.health().connections[0].connects == 2 and len(tape.sequences) > before)
        assert app.health().is_live
        app.stop()
        await asyncio.wait_for(task, 2.0)
