"""The compiled listener by itself: when it is taken, and what it does where `feed` would raise."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import picows
import pytest

from ringtape import Engine
from ringtape.feeds import Massive, compiled
from ringtape.feeds.health import HealthMonitor
from ringtape.feeds.limits import Limits
from ringtape.feeds.listener import Listener
from ringtape.feeds.world import World


def owner(**changes: Any) -> Any:
    (session,) = Massive("stocks", ["T.*"], url="ws://127.0.0.1:1", key="none").sessions
    stub = {"session": session, "conn": 1, "engine": Engine(), "limits": Limits(), "monitor": HealthMonitor()}
    return SimpleNamespace(**{**stub, **changes})


def is_compiled(listener: object) -> bool:
    return type(listener).__name__ == "CompiledListener" and isinstance(listener, picows.WSListener)


def test_it_is_taken_where_it_can_be() -> None:
    assert compiled.why_not() is None
    assert is_compiled(compiled.make_listener(owner(), World()))


def test_the_one_in_python_is_taken_where_it_is_asked_for_or_nothing_else_will_do() -> None:
    async def other(*_: Any) -> Any:
        raise ConnectionRefusedError

    for stub, world in (
        (owner(limits=Limits(listener="python")), World()),
        (owner(), World(dial=other)),
        (owner(engine=SimpleNamespace(feed=lambda *_: 0)), World()),
    ):
        assert isinstance(compiled.make_listener(stub, world), Listener)


def test_another_picows_is_refused(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "ringtape.feeds")
    monkeypatch.setattr(compiled, "version", lambda _: "2.4.0")
    compiled._load.cache_clear()
    try:
        listeners = [compiled.make_listener(owner(), World()) for _ in range(3)]
        assert all(isinstance(listener, Listener) for listener in listeners)
        assert "and 2.4.0 is installed" in str(compiled.why_not())
        assert len(caplog.records) == 1
        with pytest.raises(ImportError, match=r"no compiled listener: it was compiled against picows 2\.3"):
            compiled.make_listener(owner(limits=Limits(listener="compiled")), World())
    finally:
        compiled._load.cache_clear()


def test_what_feed_would_raise_is_raised() -> None:
    frame = picows.picows._make_test_ws_frame(picows.WSMsgType.TEXT, b"[]", True, False)
    module, _ = compiled._load()
    assert module is not None
    for engine, venue, error in ((object(), 0, TypeError), (Engine(), 99, ValueError)):
        listener = module.CompiledListener(engine, venue, 1, SimpleNamespace(), World().time_ns, 100)
        with pytest.raises(error):
            listener.on_ws_frame(None, frame)
