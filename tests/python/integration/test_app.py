"""App as a whole: rules, alerts, bars and settings, with the real engine behind a feed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec
import pytest
from faulty import FaultyServer, Peer
from harness import KEY, LIMIT_S, stay, until

from ringtape import App, Engine, Strategy, Want
from ringtape.config import load
from ringtape.errors import ConfigError
from ringtape.feeds import Massive
from ringtape.scanner import Alert, Alerts
from ringtape.strategy import Context
from ringtape.strategy.base import Records

RULES = """
[[rule]]
id = "over_100"
title = "Over 100"
when = "last crosses_above 100"
"""


def print_at(price: float, sequence: int, ts_ms: int) -> str:
    event = {
        "ev": "T",
        "sym": "AAPL",
        "i": str(sequence),
        "x": 4,
        "p": price,
        "s": 100,
        "t": ts_ms,
        "q": sequence,
        "z": 3,
    }
    return msgspec.json.encode([event]).decode()


async def test_rules_fire_into_sinks_and_strategies(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES)
    alerts: list[Alert] = []
    fired: list[int] = []

    def sink(ctx: Context, signals: Records) -> None:
        assert app.rules is not None
        alerts.extend(Alerts(app.rules, app.engine)(signals))
        raise ValueError("a sink that fails is isolated")

    class Count(Strategy):
        def on_signal(self, ctx: Context, signal: Records) -> None:  # type: ignore[override]
            fired.append(int(signal["firing"]))

    async def script(peer: Peer) -> None:
        await peer.massive_login()
        now_ms = time.time_ns() // 1_000_000
        for sequence, price in enumerate((99.0, 101.0, 99.5, 102.0), start=1):
            peer.send(print_at(price, sequence, now_ms + sequence))
        await stay(peer)

    async with FaultyServer(script) as server:
        feed = Massive("stocks", ["T.*"], url=server.url, key=KEY)
        app = App([feed], [Count()], rules, alerts=[sink])
        task = asyncio.create_task(app.serve())
        await until(lambda: fired)
        app.stop()
        await asyncio.wait_for(task, 2.0)
    assert (alerts[0].rule, alerts[0].symbol, alerts[0].price) == ("over_100", "AAPL", 101.0)
    by_name = {health.name: health for health in app.health().strategies}
    assert by_name["Count"].failures == 0
    assert next(health.failures for name, health in by_name.items() if name.startswith("alerts#1")) >= 1


async def test_bars_close_without_frames() -> None:
    class Bars(Strategy):
        wants = (Want("bars", interval="1s", symbols=["AAPL"]),)
        closes: list[float]

        def on_bars(self, ctx: Context, bars: Records) -> None:
            self.closes.extend(bars["close"].tolist())
            assert ctx.symbol(bars["symbol"][0]) == "AAPL"
            assert ctx.bars("AAPL", "1s")["close"].tolist() == self.closes
            assert ctx.get("AAPL", "last") == 10.5
            assert ctx.now > 0

    bars = Bars()
    bars.closes = []

    async def script(peer: Peer) -> None:
        await peer.massive_login()
        peer.send(print_at(10.5, 1, time.time_ns() // 1_000_000))
        await stay(peer)

    async with FaultyServer(script) as server:
        app = App([Massive("stocks", ["T.*"], url=server.url, key=KEY)], [bars])
        task = asyncio.create_task(app.serve())
        await until(lambda: bars.closes)
        app.stop()
        await asyncio.wait_for(task, 2.0)
    assert bars.closes == [10.5]
    assert app.health().strategies[0].failures == 0


async def test_what_hooks_miss_is_counted() -> None:
    class Block(Strategy):
        def on_trades(self, ctx: Context, trades: Records) -> None:
            pass

    async def script(peer: Peer) -> None:
        await peer.massive_login()
        now_ms = time.time_ns() // 1_000_000
        await asyncio.sleep(0.05)
        frames = [print_at(10.5, sequence, now_ms) for sequence in range(1, 201)]
        peer.send(f"[{','.join(text[1:-1] for text in frames)}]")
        await stay(peer)

    async with FaultyServer(script) as server:
        app = App([Massive("stocks", ["T.*"], url=server.url, key=KEY)], [Block()], ring_size=64)
        task = asyncio.create_task(app.serve())
        await until(lambda: app.health().lost)
        app.stop()
        await asyncio.wait_for(task, 2.0)
    assert app.health().lost == {"trades": 136}


async def test_an_app_without_feeds_lets_time_pass() -> None:
    app = App(engine=Engine())
    task = asyncio.create_task(app.serve())
    await asyncio.sleep(0.05)
    assert app.health().uptime_s > 0
    assert not app.health().is_live
    with pytest.raises(ConfigError, match="running already"):
        await app.serve()
    app.stop()
    await asyncio.wait_for(task, LIMIT_S)
    assert msgspec.json.decode(msgspec.json.encode(app.health()))["connections"] == []


def test_settings_become_an_app(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(RULES)
    (tmp_path / "ringtape.toml").write_text(
        'rules = "rules.toml"\n[engine]\nmax_symbols = 50\nbars = ["1s"]\n'
        '[[feeds.massive]]\nsubscriptions = ["T.*"]\nkey_file = "key"\n'
        '[[feeds.binance]]\nstreams = ["btcusdt@aggTrade"]\n'
    )
    app = App.from_settings(load(tmp_path / "ringtape.toml"))
    assert [feed.venue for feed in app.feeds] == ["massive.stocks", "binance.usdm"]
    assert app.engine.rule_ids() == ["over_100"]


def test_wrong_settings_are_told_before_anything_starts() -> None:
    with pytest.raises(ConfigError, match="shared memory 'a/b'"):
        App(shared="a/b")
    with pytest.raises(ConfigError, match="cannot read"):
        App(rules="no/such/file.toml")
    with pytest.raises(ConfigError, match="two feeds of massive"):
        App([Massive("stocks"), Massive("stocks")])
    with pytest.raises(TypeError, match="max_symbol"):
        App(max_symbol=5)
