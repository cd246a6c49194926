from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pytest

from ringtape.config import Secret
from ringtape.errors import AuthenticationError, ConfigError, ProtocolError, SubscriptionError, UnknownVenue
from ringtape.feeds import Massive
from ringtape.feeds.base import Close, Fatal, FeedState, Records, Send, State, Warn
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


def records(*symbols: int) -> Records:
    dtype = [("symbol", "<u4"), ("interval_ms", "<u4"), ("what", "u1")]
    return np.array([(symbol, 1_000, 1) for symbol in symbols], dtype=dtype)


@dataclass
class Batch:
    trades: Records = field(default_factory=records)
    quotes: Records = field(default_factory=records)
    venue_bars: Records = field(default_factory=records)
    values: Records = field(default_factory=records)
    bands: Records = field(default_factory=records)
    imbalances: Records = field(default_factory=records)


def session_for(*names: str, **pacing: Any) -> tuple[Massive, MassiveSession]:
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
    assert session.deadline() == 60.3  # T.* has to deliver by then, if anything does


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


def test_a_refused_key_is_tried_once_more() -> None:
    status = "auth_failed"
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


def test_a_key_that_did_not_reach_the_venue_is_sent_again_for_ever() -> None:
    _, session = session_for("T.*")
    for now in range(0, 100, 20):
        session.connected(now)
        session.on_control(Status("connected"), now)
        assert session.on_control(Status("auth_timeout", "no"), now) == [Close(1000, "auth_timeout: no")]
        session.disconnected()


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


def test_every_market_has_its_address() -> None:
    def url(market: str, **options: str) -> str:
        return Massive(market, key=KEY, **options).sessions[0].url

    assert url("options") == "wss://socket.massive.com/options"
    assert url("futures/cbot") == "wss://socket.massive.com/futures/cbot"
    assert Massive("futures/cbot", key=KEY).venue == "massive.futures"
    assert url("stocks", feed="delayed") == "wss://delayed.massive.com/stocks"
    assert url("crypto", feed="delayed-business") == "wss://delayed-business.massive.com/crypto"
    assert url("stocks", url="wss://business.polygon.io") == "wss://business.polygon.io/stocks"
    with pytest.raises(UnknownVenue, match=r"massive\.futures/comex"):
        Massive("futures/comax")
    with pytest.raises(UnknownVenue):
        Massive("stocks/cme")
    with pytest.raises(ConfigError, match="did you mean 'delayed'"):
        Massive("stocks", feed="delay")
    with pytest.raises(ConfigError, match="not both"):
        Massive("stocks", feed="delayed", url="wss://socket.massive.com")


def test_the_key_of_the_environment_goes_to_the_venues_hosts_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASSIVE_API_KEY", KEY)
    Massive("stocks", feed="launchpad").check()
    Massive("stocks", url="wss://delayed.polygon.io").check()
    for url in ("wss://launchpad.polygon.io", "wss://massive.com.example", "ws://127.0.0.1:8765"):
        with pytest.raises(ConfigError, match="not one of the venue's own"):
            Massive("stocks", url=url).check()


def test_quotes_of_options_are_limited() -> None:
    names = [f"Q.O:SPY251219C{strike:08}" for strike in range(1001)]
    feed = Massive("options", names[:1000], key=KEY)
    feed.subscribe([names[0], "T.*"])
    with pytest.raises(SubscriptionError, match="1,001 quotes of options: one connection may have 1,000"):
        feed.subscribe([names[1000]])
    with pytest.raises(SubscriptionError, match="quotes of all options"):
        Massive("options", ["Q.*"], key=KEY)
    feed.unsubscribe([names[0]])
    feed.subscribe([names[1000]])
    Massive("stocks", ["Q.*"], key=KEY)


def test_letters_of_every_kind_of_symbol() -> None:
    names = ("T.BRK.B", "T.O:SPY251219C00650000", "T.币安")
    _, session = session_for(*names)
    (request,) = [a.text for a in logged_in(session) if isinstance(a, Send)]
    assert "币安" in str(request)
    for name in names:
        session.on_control(Status("success", f"subscribed to: {name}"), 0.1)
    assert session.confirmed == set(names)


def test_names_wanted_no_longer_leave_the_rest_live() -> None:
    feed, session = session_for("T.AAPL", "NOI.AAPL")
    logged_in(session)
    session.on_control(Status("success", "subscribed to: T.AAPL"), 0.1)
    session.tick(10.0)
    feed.unsubscribe("NOI.AAPL")
    unsubscribe, *rest = session.tick(11.0)
    assert sent([unsubscribe]) == [{"action": "unsubscribe", "params": "NOI.AAPL"}]
    assert [*rest, *session.tick(11.2)] == [State(FeedState.LIVE)]


def data(session: MassiveSession, now: float, *names: str, **kinds: list[int]) -> list[object]:
    rows = {kind: records(*symbols) for kind, symbols in kinds.items()}
    return list(session.on_data(Batch(**rows), names.__getitem__, now))


def test_a_confirmed_name_that_stays_silent_is_subscribed_again_then_over_a_new_connection() -> None:
    _, session = session_for("T.AAPL", "T.MSFT", cadence={"T": 60.0})
    logged_in(session)
    for name in ("T.AAPL", "T.MSFT"):
        session.on_control(Status("success", f"subscribed to: {name}"), 0.0)
    assert session.wants_data
    data(session, 59.0, "AAPL", trades=[0])
    warning, state, unsubscribe = session.tick(60.0)
    assert "T.MSFT for 60 s" in str(warning.error)
    assert state == State(FeedState.DEGRADED, "silent: T.MSFT")
    assert sent([unsubscribe]) == [{"action": "unsubscribe", "params": "T.MSFT"}]
    assert sent(session.tick(60.2)) == [{"action": "subscribe", "params": "T.MSFT"}]
    session.on_control(Status("success", "subscribed to: T.MSFT"), 60.3)
    data(session, 119.9, "AAPL", trades=[0])
    warning, _ = session.tick(120.3)
    assert "a new connection in a quiet second" in str(warning.error)
    data(session, 120.5, "AAPL", trades=[0])
    assert session.deadline() == 121.5
    assert session.tick(121.0) == []
    (close,) = session.tick(121.5)
    assert isinstance(close, Close)
    session.disconnected()
    logged_in(session, 122.0)
    for name in ("T.AAPL", "T.MSFT"):
        session.on_control(Status("success", f"subscribed to: {name}"), 122.0)
    data(session, 170.0, "AAPL", trades=[0])
    warning, state = session.tick(182.0)
    assert "given up" in str(warning.error)
    assert session.tick(400.0) == []
    assert data(session, 401.0, "MSFT", trades=[0]) == [State(FeedState.LIVE)]


def test_trades_that_do_not_come_though_their_bars_do_are_noticed() -> None:
    _, session = session_for("T.AAPL", "T.MSFT", "A.*")
    logged_in(session)
    for name in ("T.AAPL", "T.MSFT", "A.*"):
        session.on_control(Status("success", f"subscribed to: {name}"), 0.0)
    # Both are silent, and only AAPL has bars: MSFT was not traded.
    for second in range(1, 10):
        data(session, float(second), "AAPL", venue_bars=[0])
    warning, *_ = session.tick(10.0)
    assert "T.AAPL for 10 s" in str(warning.error)
    assert session.stale == ("T.AAPL",)
    for second in range(11, 60):
        data(session, float(second), "AAPL", venue_bars=[0], trades=[0])
        session.tick(float(second))
    assert session.stale == ()


def test_trades_without_bars_beside_them_are_not_watched() -> None:
    _, session = session_for("T.AAPL", "AM.AAPL")
    logged_in(session)
    for name in ("T.AAPL", "AM.AAPL"):
        session.on_control(Status("success", f"subscribed to: {name}"), 0.0)
    assert not session.wants_data
    assert session.deadline() is None


def test_at_night_nothing_is_stale() -> None:
    _, session = session_for("T.AAPL", "T.*", cadence={"T": 60.0, "T.*": 60.0})
    logged_in(session)
    for name in ("T.AAPL", "T.*"):
        session.on_control(Status("success", f"subscribed to: {name}"), 0.0)
    data(session, 1.0, "AAPL", trades=[0])
    for now in range(30, 3_600, 10):
        assert session.tick(float(now)) == []
    assert session.stale == ()


def test_pairs_are_recognised_in_either_spelling() -> None:
    feed = Massive("forex", ["C.EUR-USD"], key=KEY, pacing=Pacing(cadence={"C": 5.0}))
    (session,) = feed.sessions
    logged_in(session)
    session.on_control(Status("success", "subscribed to: C.EUR-USD"), 0.0)
    data(session, 1.0, "EUR/USD", quotes=[0])
    assert not session.wants_data


def test_an_old_connection_is_renewed_in_a_quiet_second() -> None:
    _, session = session_for("T.*", renew_s=3_600.0, cadence={})
    logged_in(session)
    session.on_control(Status("success", "subscribed to: T.*"), 0.0)
    assert session.deadline() == 3_600.0
    assert session.tick(3_600.0) == []
    for tenth in range(600):  # it is never quiet: after a minute it goes all the same
        data(session, 3_600.0 + tenth / 10, "AAPL", trades=[0])
        assert session.tick(3_600.0 + tenth / 10) == []
    assert session.tick(3_660.0) == [Close(1000, "renewed: the connection is 3600 s old")]


def test_the_first_dot_ends_the_channel() -> None:
    assert Massive("stocks", [" T.BRK.B "], key=KEY).subscriptions == ("T.BRK.B",)


def test_a_feed_without_key_says_so_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MASSIVE_API_KEY", raising=False)
    monkeypatch.delenv("POLYGON_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="MASSIVE_API_KEY"):
        Massive("stocks").check()
