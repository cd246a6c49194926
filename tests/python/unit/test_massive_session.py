from __future__ import annotations

import time
from dataclasses import dataclass

import msgspec
import pytest

from ringtape.config import Secret
from ringtape.errors import AuthenticationError, ConfigError, ProtocolError, SubscriptionError, UnknownVenue
from ringtape.feeds import Massive
from ringtape.feeds.base import Close, Fatal, FeedState, Send, State, Warn
from ringtape.feeds.massive.session import MassiveSession, Pacing

KEY = "CANARY-0123456789"


@dataclass
class Status:
    status: str
    message: str = ""
    kind: str = "status"
    conn: int = 1
    id: None = None
    code: None = None


def session_for(*names: str, **pacing: float) -> tuple[Massive, MassiveSession]:
    feed = Massive("stocks", names, key=KEY, pacing=msgspec.convert(pacing, Pacing))
    return feed, feed.sessions[0]


def logged_in(session: MassiveSession, now: float = 0.0) -> list[object]:
    session.connected(now)
    session.on_control(Status("connected"), now)
    return list(session.on_control(Status("auth_success"), now))


def sent(actions: list[object]) -> list[dict[str, str]]:
    return [
        msgspec.json.decode(action.text.reveal() if isinstance(action.text, Secret) else action.text)
        for action in actions
        if isinstance(action, Send)
    ]


def test_greets_authenticates_and_subscribes() -> None:
    _, session = session_for("T.*", "A.AAPL")
    assert session.url == "wss://socket.massive.com/stocks"
    assert session.connected(0.0) == []
    auth = session.on_control(Status("connected", "Connected Successfully"), 0.1)
    assert sent(auth) == [{"action": "auth", "params": KEY}]
    actions = session.on_control(Status("auth_success", "authenticated"), 0.2)
    assert State(FeedState.SUBSCRIBING) in actions
    assert sent(actions) == [{"action": "subscribe", "params": "T.*,A.AAPL"}]
    assert session.on_control(Status("success", "subscribed to: T.*"), 0.3) == []
    assert session.on_control(Status("success", "subscribed to: A.AAPL"), 0.3) == [State(FeedState.LIVE)]
    assert session.confirmed == {"T.*", "A.AAPL"}
    assert session.deadline() is None


def test_the_key_never_shows() -> None:
    _, session = session_for("T.*")
    session.connected(0.0)
    actions = session.on_control(Status("connected"), 0.0)
    assert KEY not in repr(actions)
    refusal = session.on_control(Status("auth_failed", f"bad key {KEY}"), 0.0)
    session.disconnected()
    session.connected(1.0)
    session.on_control(Status("connected"), 1.0)
    refusal += session.on_control(Status("auth_failed", f"bad key {KEY}"), 1.0)
    assert KEY not in repr(refusal)
    assert KEY not in str(refusal[1].error)


def test_without_subscriptions_it_is_live_at_once() -> None:
    _, session = session_for()
    assert logged_in(session) == [State(FeedState.LIVE)]


@pytest.mark.parametrize("status", ["auth_failed", "auth_timeout"])
def test_a_refused_key_is_tried_once_more(status: str) -> None:
    _, session = session_for("T.*")
    session.connected(0.0)
    session.on_control(Status("connected"), 0.0)
    assert session.on_control(Status(status, "no"), 0.0) == [Close(1000, f"{status}: no")]
    session.disconnected()
    session.connected(5.0)
    session.on_control(Status("connected"), 5.0)
    (fatal,) = session.on_control(Status(status, "no"), 5.0)
    assert isinstance(fatal, Fatal)
    assert isinstance(fatal.error, AuthenticationError)
    assert not fatal.error.is_retryable


def test_a_success_forgives_an_earlier_refusal() -> None:
    _, session = session_for("T.*")
    session.connected(0.0)
    session.on_control(Status("connected"), 0.0)
    session.on_control(Status("auth_failed"), 0.0)
    session.disconnected()
    logged_in(session, 1.0)
    session.disconnected()
    session.connected(2.0)
    session.on_control(Status("connected"), 2.0)
    assert isinstance(session.on_control(Status("auth_failed"), 2.0)[0], Close)


@pytest.mark.parametrize(("gap", "outcome"), [(59.0, Fatal), (61.0, Close)])
def test_two_clients_on_one_key(gap: float, outcome: type) -> None:
    _, session = session_for("T.*")
    logged_in(session)
    assert isinstance(session.on_control(Status("max_connections", "exceeded. "), 10.0)[0], Close)
    session.disconnected()
    logged_in(session, 11.0)
    (action,) = session.on_control(Status("max_connections", "exceeded. "), 10.0 + gap)
    assert isinstance(action, outcome)
    if isinstance(action, Fatal):
        assert "another client uses this key" in str(action.error)


def test_silence_instead_of_greeting_or_answer_closes() -> None:
    _, session = session_for("T.*")
    session.connected(0.0)
    assert session.deadline() == 10.0
    assert session.tick(9.9) == []
    assert session.tick(10.0) == [Close(1000, "no greeting within the time limit")]
    session.on_control(Status("connected"), 5.0)
    assert session.tick(15.0) == [Close(1000, "no answer to the key within the time limit")]


def test_subscribes_in_paced_batches() -> None:
    names = [f"T.S{number}" for number in range(25)]
    _, session = session_for(*names, batch=10, pause_s=0.5)
    batches = sent(logged_in(session))
    assert session.deadline() == 0.5
    assert session.tick(0.4) == []
    batches += sent(session.tick(0.5)) + sent(session.tick(1.0)) + sent(session.tick(1.5))
    assert [len(batch["params"].split(",")) for batch in batches] == [10, 10, 5]
    assert ",".join(batch["params"] for batch in batches).split(",") == names


def test_unconfirmed_names_are_reported_once_and_heal() -> None:
    _, session = session_for("T.AAPL", "T.NOSUCH")
    logged_in(session)
    session.on_control(Status("success", "subscribed to: T.AAPL"), 0.1)
    assert session.deadline() == 10.0
    warning, state = session.tick(10.0)
    assert isinstance(warning, Warn)
    assert isinstance(warning.error, SubscriptionError)
    assert "T.NOSUCH" in str(warning.error)
    assert state == State(FeedState.DEGRADED, "unconfirmed: T.NOSUCH")
    assert session.tick(20.0) == []
    assert session.deadline() is None
    assert session.on_control(Status("success", "subscribed to: T.NOSUCH"), 22.0) == [State(FeedState.LIVE)]


def test_not_authorized_is_reported() -> None:
    _, session = session_for("T.AAPL", "Q.AAPL")
    logged_in(session)
    session.on_control(Status("success", "subscribed to: T.AAPL"), 0.1)
    warning, state = session.on_control(Status("error", "not authorized"), 0.1)
    assert isinstance(warning, Warn)
    assert "not authorized" in str(warning.error)
    assert "Q.AAPL" in str(warning.error)
    assert state == State(FeedState.DEGRADED, "not authorized")


def test_a_kick_is_announced() -> None:
    _, session = session_for("T.*")
    logged_in(session)
    (warning,) = session.on_control(Status("slow_consumer", "bye"), 1.0)
    assert isinstance(warning.error, ProtocolError)
    assert warning.error.is_retryable


def test_the_wanted_names_outlive_the_connection() -> None:
    feed, session = session_for("T.BRK.B")
    logged_in(session)
    session.on_control(Status("success", "subscribed to: T.BRK.B"), 0.1)
    feed.subscribe(["A.*"])
    session.disconnected()
    assert session.confirmed == frozenset()
    assert session.deadline() is None
    assert session.tick(1.0) == []
    assert sent(logged_in(session, 2.0)) == [{"action": "subscribe", "params": "T.BRK.B,A.*"}]


def test_a_drop_between_login_and_first_subscribe_loses_nothing() -> None:
    _, session = session_for("T.*")
    session.connected(0.0)
    session.on_control(Status("connected"), 0.0)
    session.disconnected()
    assert sent(logged_in(session, 1.0)) == [{"action": "subscribe", "params": "T.*"}]


def test_changes_at_run_time_send_the_difference() -> None:
    feed, session = session_for("A.*", "AM.*", pause_s=0.0)
    logged_in(session)
    for name in ("A.*", "AM.*"):
        session.on_control(Status("success", f"subscribed to: {name}"), 0.1)
    feed.unsubscribe("A.*")
    feed.subscribe("T.BRK.B")
    assert sent(session.tick(1.0)) == [{"action": "unsubscribe", "params": "A.*"}]
    assert sent(session.tick(1.1)) == [{"action": "subscribe", "params": "T.BRK.B"}]
    assert session.confirmed == {"AM.*"}
    # A late echo of what is no longer wanted confirms nothing.
    assert session.on_control(Status("success", "subscribed to: A.*"), 1.2) == []
    assert session.confirmed == {"AM.*"}


def test_the_cost_of_a_confirmation_does_not_grow_with_the_names() -> None:
    names = [f"T.S{number}" for number in range(20_000)]
    _, session = session_for(*names, batch=20_000)
    logged_in(session)
    start = time.perf_counter()
    for name in names:
        session.on_control(Status("success", f"subscribed to: {name}"), 1.0)
        session.deadline()
    assert len(session.confirmed) == 20_000
    assert time.perf_counter() - start < 5.0  # linear: 0.1 s; quadratic: minutes


def test_names_are_checked() -> None:
    with pytest.raises(UnknownVenue, match=r"did you mean one of 'massive\.stocks'"):
        Massive("stonks")
    with pytest.raises(SubscriptionError, match="did you mean 'AM'"):
        Massive("stocks", ["AMM.AAPL"])
    with pytest.raises(SubscriptionError, match=r"T\.AAPL"):
        Massive("stocks", ["T"])
    with pytest.raises(SubscriptionError, match="not a symbol"):
        Massive("stocks", ["T.A B"])
    with pytest.raises(SubscriptionError, match="not a symbol"):
        Massive("stocks", ["T." + "A" * 65])


def test_a_wrong_name_changes_nothing() -> None:
    feed = Massive("stocks", ["T.*"], key=KEY)
    with pytest.raises(SubscriptionError):
        feed.subscribe(["A.*", "ZZ.*"])
    assert feed.subscriptions == ("T.*",)


def test_the_first_dot_ends_the_channel() -> None:
    assert Massive("stocks", [" T.BRK.B "], key=KEY).subscriptions == ("T.BRK.B",)


def test_a_feed_without_key_says_so_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MASSIVE_API_KEY", raising=False)
    monkeypatch.delenv("POLYGON_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="MASSIVE_API_KEY"):
        Massive("stocks").check()
