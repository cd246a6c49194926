"""Keys are shown nowhere: canaries in every slot, all log levels on, through refusals, resets and silence."""

from __future__ import annotations

import asyncio
import base64
import logging
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest
from harness import QUICK, until
from prometheus_client import CollectorRegistry, generate_latest

from ringtape import App, sim
from ringtape.errors import FeedError
from ringtape.feeds import Binance, Massive
from ringtape.metrics import METRICS, Collector, samples
from ringtape.sim import Behaviour, Script, faults

MASSIVE_KEY = "CANARY+m7Qz/x3Lk9=vT"
BINANCE_KEY = "CANARY+b4Wp/y8Rn2=jH"
DOCS = Path(__file__).resolve().parents[3] / "python" / "docs" / "metrics.md"


def traces(key: str) -> set[str]:
    """Return what must not be seen of a key: its base64, its URL-encoding, and any 8 characters of it."""
    eights = {key[at : at + 8] for at in range(len(key) - 7)}
    return {base64.b64encode(key.encode()).decode().rstrip("="), quote(key, safe=""), *eights}


def held(folder: Path) -> str:
    return "\n".join(path.read_text() for path in folder.iterdir())


def shown_of(app: App) -> str:
    registry = CollectorRegistry()
    registry.register(Collector(app))
    health = app.health()
    told = [repr(app), repr(health), repr(app.subscriptions()), repr(app.engine.stats()), repr(app.feeds)]
    inner = [repr(vars(each)) for feed in app.feeds for each in (feed, *feed.sessions)]
    return "\n".join([*told, *inner, generate_latest(registry).decode()])


@pytest.mark.parametrize("behaviour", [Behaviour(), Behaviour(bad_key=MASSIVE_KEY), Behaviour(max_connections=0)])
async def test_keys_are_shown_nowhere(behaviour: Behaviour, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    asyncio.get_running_loop().set_debug(True)
    caplog.set_level(1)
    for name in ("asyncio", "picows", "aiohttp", "ringtape"):
        caplog.set_level(1, logger=name)
    script = Script(faults=(faults.Reset(after_frames=10, peer=1), faults.HangUp(after_frames=10, peer=2)))
    errors = ""
    async with sim.serve(seed=1, symbols=5, rate=500, behaviour=behaviour, script=script) as server:
        stocks = Massive("stocks", ["T.*"], url=server.url, key=MASSIVE_KEY)
        coins = Binance("usdm", ["btcusdt@aggTrade"], url=server.url, key=BINANCE_KEY)
        app = App([stocks, coins], state=tmp_path, limits=QUICK)
        task = asyncio.create_task(app.serve())
        await until(lambda: task.done() or sum(each.losses for each in app.health().connections) >= 2)
        shown = shown_of(app)
        app.stop()
        try:
            await asyncio.wait_for(task, 2.0)
        except FeedError as error:
            errors = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    logs = "\n".join([caplog.text, *(repr(record.args) for record in caplog.records)])
    files = held(tmp_path)
    assert logging.getLogger("ringtape").isEnabledFor(1)
    assert caplog.records
    for where, text in {"shown": shown, "errors": errors, "logs": logs, "files": files}.items():
        found = [trace for key in (MASSIVE_KEY, BINANCE_KEY) for trace in traces(key) if trace in text]
        assert found == [], where


async def test_every_metric_is_told_as_the_page_says() -> None:
    async with sim.serve(seed=1, symbols=5, rate=500) as server:
        app = App([Massive("stocks", ["T.*"], url=server.url, key=MASSIVE_KEY)], limits=QUICK)
        task = asyncio.create_task(app.serve())
        await until(lambda: app.health().connections and app.health().connections[0].delay_ns is not None)
        registry = CollectorRegistry()
        registry.register(Collector(app))
        text = generate_latest(registry).decode()
        assert not any(name in repr(labels) for _, labels, _ in samples(app.health()) for name in sim.reference(1, 5))
        app.stop()
        await asyncio.wait_for(task, 2.0)
    page = DOCS.read_text(encoding="utf-8")
    for metric in METRICS:
        name = f"{metric.name}_total" if metric.kind == "counter" else metric.name
        assert f"# TYPE {name} {metric.kind}" in text
        labels = ", ".join(metric.labels) or "-"
        assert f"| `{name}` | {metric.kind} | {labels} | {metric.help} |" in page
