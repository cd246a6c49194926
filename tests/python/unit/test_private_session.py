"""The user data stream of Binance: keys that are made, extended, replaced, refused; and shown nowhere."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

import pytest

from ringtape.config import Secret
from ringtape.errors import AuthenticationError, ConfigError, MissingExtra
from ringtape.feeds import Binance
from ringtape.feeds.base import Action, Answer, Call, Close, Fatal, FeedState, State, Warn
from ringtape.feeds.binance.private import PrivateSession, UserData

KEY = "CANARY-api-0123456789"
LISTEN = "CANARYlisten0123456789"


@dataclass
class Notice:
    kind: str
    conn: int = 1


@dataclass
class Batch:
    notices: list[Notice] = field(default_factory=list)


def session_for(**settings: Any) -> PrivateSession:
    session = Binance("usdm", user_data=UserData(**settings), key=KEY).sessions[0]
    assert isinstance(session, PrivateSession)
    return session


def key(text: str = LISTEN) -> Answer:
    return Answer(200, f'{{"listenKey":"{text}"}}'.encode())


def error(status: int, code: int, message: str = "no") -> Answer:
    return Answer(status, f'{{"code":{code},"msg":"{message}"}}'.encode())


def up(session: PrivateSession, now: float = 0.0) -> list[Action]:
    assert session.prepare(now) is not None
    assert session.on_answer(key(), now) == []
    return session.connected(now)


def test_a_key_is_made_before_the_connection_and_stands_in_its_address() -> None:
    session = session_for()
    call = session.prepare(0.0)
    assert call is not None
    assert (call.method, call.url) == ("POST", "https://fapi.binance.com/fapi/v1/listenKey")
    assert call.headers["X-MBX-APIKEY"].reveal() == KEY
    assert session.query is None
    session.on_answer(key(), 0.0)
    assert session.url == "wss://fstream.binance.com/private/ws"
    query = session.query
    assert query is not None
    assert query.reveal().startswith(f"listenKey={LISTEN}&events=ACCOUNT_UPDATE/ORDER_TRADE_UPDATE/")
    assert session.connected(0.0) == [State(FeedState.LIVE)]
    assert not session.loss_is_gap


def test_events_and_paths_are_configurable() -> None:
    session = session_for(events=(), path="/private/stream")
    session.prepare(0.0)
    session.on_answer(key("k&1"), 0.0)
    assert session.url.endswith("/private/stream")
    assert session.query == Secret("listenKey=k%261")


def test_the_key_is_extended_every_half_hour() -> None:
    session = session_for()
    up(session)
    assert session.deadline() == 1800.0
    assert session.tick(1799.0) == []
    (call,) = session.tick(1800.0)
    assert isinstance(call, Call)
    assert call.method == "PUT"
    assert session.deadline() is None  # one request at a time
    assert session.tick(1801.0) == []
    assert session.on_answer(key(), 1802.0) == []
    assert session.deadline() == 3602.0


def test_another_key_of_the_account_means_another_connection() -> None:
    session = session_for()
    up(session)
    session.tick(1800.0)
    (close,) = session.on_answer(key("CANARYother"), 1801.0)
    assert isinstance(close, Close)
    assert "CANARY" not in close.reason
    session.disconnected()
    assert session.prepare(1802.0) is not None
    assert session.query is None


def test_a_key_that_is_gone_is_made_again() -> None:
    session = session_for()
    up(session)
    session.tick(1800.0)
    (close,) = session.on_answer(error(400, -1125, "This listenKey does not exist."), 1801.0)
    assert close == Close(
        1000,
        "the listenKey could not be extended: HTTP status 400: This listenKey does not exist. (code -1125)",
    )


def test_an_extension_without_an_answer_is_tried_again_three_times() -> None:
    session = session_for()
    up(session)
    now = 1800.0
    for _ in range(3):
        assert len(session.tick(now)) == 1
        (warning,) = session.on_answer(Answer(0, error="no answer in time"), now)
        assert isinstance(warning, Warn)
        assert session.deadline() == now + 15.0
        now += 15.0
    session.tick(now)
    (close,) = session.on_answer(Answer(503, b"<html>"), now)
    assert isinstance(close, Close)
    assert "HTTP status 503" in close.reason


def test_retry_after_is_honoured() -> None:
    session = session_for()
    up(session)
    session.tick(1800.0)
    session.on_answer(Answer(429, b"", 120.0), 1800.0)
    assert session.deadline() == 1920.0


def test_the_end_of_the_key_ends_the_connection() -> None:
    session = session_for()
    up(session)
    assert session.on_data(Batch([Notice("ORDER_TRADE_UPDATE")]), str, 1.0) == []  # type: ignore[arg-type]
    (close,) = session.on_data(Batch([Notice("listenKeyExpired")]), str, 1.0)  # type: ignore[arg-type]
    assert close == Close(1000, "listenKeyExpired")


@pytest.mark.parametrize("answer", [error(401, 0), error(400, -2015), error(400, -2014), Answer(403, b"<html>")])
def test_a_refused_key_is_tried_once_more(answer: Answer) -> None:
    session = session_for()
    session.prepare(0.0)
    (close,) = session.on_answer(answer, 0.0)
    assert isinstance(close, Close)
    session.prepare(1.0)
    (fatal,) = session.on_answer(answer, 1.0)
    assert isinstance(fatal, Fatal)
    assert isinstance(fatal.error, AuthenticationError)


def test_other_failures_are_tried_for_ever() -> None:
    session = session_for()
    for answer in (Answer(0, error="name"), Answer(500, b"x"), Answer(200, b"<html>"), error(400, -1003), Answer(429)):
        session.prepare(0.0)
        (close,) = session.on_answer(answer, 0.0)
        assert isinstance(close, Close)


def test_keys_show_nowhere() -> None:
    session = session_for(close_key=True)
    call = session.prepare(0.0)
    answer = key()
    session.on_answer(answer, 0.0)
    assert "CANARY" not in repr((call, answer, session.query, session.farewell(), vars(session)))
    session.connected(0.0)
    session.tick(1800.0)
    actions = session.on_answer(error(400, -1125, f"{LISTEN} {KEY}"), 1800.0)
    assert "CANARY" not in repr(actions)
    assert session.mask(f"{LISTEN} {KEY}") == "*** ***"


def test_the_key_is_closed_at_the_end_where_that_is_wanted() -> None:
    assert session_for(close_key=True).farewell() is None  # none was made
    session = session_for(close_key=True)
    up(session)
    call = session.farewell()
    assert call is not None
    assert call.method == "DELETE"
    other = session_for()
    up(other)
    assert other.farewell() is None


def test_without_aiohttp_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(MissingExtra, match=r"pip install 'ringtape\[rest\]'"):
        Binance("usdm", user_data=True, key=KEY).check()
    Binance("usdm", ["btcusdt@aggTrade"]).check()


def test_user_data_needs_a_key_and_a_market_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BINANCE_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="BINANCE_API_KEY"):
        Binance("usdm", user_data=True).check()
    monkeypatch.setenv("BINANCE_API_KEY", KEY)
    assert [session.name for session in Binance("usdm", user_data=True).sessions] == ["binance.usdm/private"]
    with pytest.raises(ConfigError, match="not one of the venue's own"):
        Binance("usdm", user_data=UserData(rest_url="https://fapi.example.com")).check()
    with pytest.raises(ConfigError, match="only usdm"):
        Binance("spot", user_data=True)
    with pytest.raises(ConfigError, match="not encrypted"):
        Binance("usdm", user_data=UserData(rest_url="http://fapi.binance.com"), key=KEY).check()
