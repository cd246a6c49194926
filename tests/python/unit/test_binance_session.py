from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import numpy as np
import pytest

from ringtape.errors import ConfigError, ProtocolError, SubscriptionError, UnknownVenue
from ringtape.feeds import Binance
from ringtape.feeds.base import Close, FeedState, Records, Send, State, Warn
from ringtape.feeds.binance.session import BinanceSession, Pacing

SYMBOLS = ["BTCUSDT", "ETHUSDT"]


@dataclass
class Control:
    kind: str
    id: int | str | None = None
    status: str | None = None
    message: str | None = None
    code: int | None = None
    conn: int = 1


def records(*rows: tuple[int, int]) -> Records:
    dtype = [("symbol", "<u4"), ("flags", "<u2"), ("interval_ms", "<u4")]
    return np.array([(symbol, extra & 0xFFFF, extra) for symbol, extra in rows], dtype=dtype)


@dataclass
class Batch:
    trades: Records = field(default_factory=records)
    quotes: Records = field(default_factory=records)
    venue_bars: Records = field(default_factory=records)
    marks: Records = field(default_factory=records)
    bars: Records = field(default_factory=records)
    signals: Records = field(default_factory=records)
    control: tuple[Control, ...] = ()

    def __len__(self) -> int:
        return sum(len(each) for each in (self.trades, self.quotes, self.venue_bars, self.marks))


def sent(actions: list[object]) -> list[dict[str, object]]:
    return [msgspec.json.decode(action.text) for action in actions if isinstance(action, Send)]


def data(session: BinanceSession, now: float = 1.0, **kinds: Records) -> list[object]:
    return list(session.on_data(Batch(**kinds), SYMBOLS.__getitem__, now))


def session_for(*streams: str, **pacing: float) -> tuple[Binance, BinanceSession]:
    feed = Binance("usdm", streams, pacing=msgspec.convert(pacing, Pacing))
    return feed, feed.sessions[0]


@pytest.mark.parametrize(
    ("stream", "path"),
    [
        ("btcusdt@bookTicker", "/public"),
        ("!bookTicker", "/public"),
        ("btcusdt@depth", "/public"),
        ("btcusdt@depth5@100ms", "/public"),
        ("btcusdt@rpiDepth@500ms", "/public"),
        ("btcusdt@trade", "/public"),
        ("btcusdt@aggTrade", "/market"),
        ("btcusdt@markPrice", "/market"),
        ("btcusdt@markPrice@1s", "/market"),
        ("!markPrice@arr@1s", "/market"),
        ("btcusdt@kline_1m", "/market"),
        ("btcusdt_perpetual@continuousKline_1s", "/market"),
        ("btcusdt@miniTicker", "/market"),
        ("!ticker@arr", "/market"),
        ("btcusdt@forceOrder", "/market"),
        ("!contractInfo", "/market"),
        ("tradingSession", "/market"),
    ],
)
def test_every_stream_finds_its_path(stream: str, path: str) -> None:
    (session,) = Binance("usdm", [stream]).sessions
    assert session.url == f"wss://fstream.binance.com{path}/stream"


def test_the_path_of_trade_is_configurable() -> None:
    (session,) = Binance("usdm", ["btcusdt@trade"], trade_path="/market").sessions
    assert session.url.endswith("/market/stream")


def test_one_connection_for_each_path_and_for_200_streams() -> None:
    feed = Binance("usdm", [f"s{n}usdt@aggTrade" for n in range(450)] + ["btcusdt@bookTicker"])
    assert [session.name for session in feed.sessions] == [
        "binance.usdm/market#1",
        "binance.usdm/market#2",
        "binance.usdm/market#3",
        "binance.usdm/public#1",
    ]
    assert [len(session.wanted) for session in feed.sessions] == [200, 200, 50, 1]
    feed.unsubscribe(["s0usdt@aggTrade"])
    feed.subscribe(["btcusdt@aggTrade"])
    assert [len(session.wanted) for session in feed.sessions] == [200, 200, 50, 1]


def test_spot_and_coinm_are_not_split() -> None:
    assert [s.url for s in Binance("coinm", ["btcusd_perp@aggTrade", "btcusd_perp@bookTicker"]).sessions] == [
        "wss://dstream.binance.com/stream"
    ]
    assert [s.url for s in Binance("spot", ["btcusdt@trade", "btcusdt@kline_1s"]).sessions] == [
        "wss://stream.binance.com:9443/stream"
    ]


def test_names_are_checked_and_symbols_lowered() -> None:
    assert Binance("usdm", ["BTCUSDT@kline_1M"]).subscriptions == ("btcusdt@kline_1M",)
    with pytest.raises(UnknownVenue, match=r"did you mean 'binance\.usdm'"):
        Binance("usd-m")
    with pytest.raises(SubscriptionError, match="did you mean 'aggTrade'"):
        Binance("usdm", ["btcusdt@aggtrades"])
    with pytest.raises(SubscriptionError, match="did you mean '!markPrice@arr'"):
        Binance("usdm", ["!markPrices@arr"])
    for confirmed_but_silent in ("btcusdt@depth5@250ms", "btcusdt@kline_2m", "btcusdt", "@aggTrade", "btcusdt@"):
        with pytest.raises(SubscriptionError):
            Binance("usdm", [confirmed_but_silent])


def test_a_reply_confirms_nothing_data_does() -> None:
    _, session = session_for("btcusdt@aggTrade", "ethusdt@aggTrade")
    actions = session.connected(0.0)
    assert actions[0] == State(FeedState.SUBSCRIBING)
    assert sent(actions) == [
        {"method": "SUBSCRIBE", "params": ["btcusdt@aggTrade", "ethusdt@aggTrade"], "id": 1},
    ]
    assert session.on_control(Control("reply", 1), 0.1) == []
    assert data(session, trades=records((0, 1))) == []
    assert session.unconfirmed == ("ethusdt@aggTrade",)
    assert data(session, trades=records((1, 0))) == []  # a `trade`, which nobody asked for
    assert data(session, trades=records((1, 1), (0, 1))) == [State(FeedState.LIVE)]
    assert not session.wants_data


def test_each_kind_confirms_its_stream() -> None:
    _, session = session_for("btcusdt@kline_1m", "btcusdt@markPrice@1s", "!markPrice@arr", "btcusdt@forceOrder")
    session.connected(0.0)
    session.on_control(Control("reply", 1), 0.1)
    assert session.unconfirmed == ("btcusdt@kline_1m", "btcusdt@markPrice@1s", "!markPrice@arr")
    data(session, venue_bars=records((0, 180_000)))
    assert "btcusdt@kline_1m" in session.unconfirmed
    data(session, venue_bars=records((0, 60_000)))
    assert data(session, marks=records((0, 0))) == [State(FeedState.LIVE)]


def test_quotes_confirm_book_ticker() -> None:
    _, session = session_for("btcusdt@bookTicker")
    session.connected(0.0)
    assert data(session, quotes=records((0, 0))) == []
    assert session.on_control(Control("reply", 1), 0.1) == [State(FeedState.LIVE)]


def test_a_silent_stream_is_subscribed_again_then_replaced_then_given_up() -> None:
    _, session = session_for("btcusdt@aggTrade", "ethusdt@aggTrade")
    session.connected(0.0)
    session.on_control(Control("reply", 1), 0.1)
    data(session, trades=records((0, 1)))
    assert session.deadline() == 30.0
    warning, state, unsubscribe = session.tick(30.0)
    assert isinstance(warning, Warn)
    assert isinstance(warning.error, ProtocolError)
    assert "wss://fstream.binance.com/market/stream" in str(warning.error)
    assert "ethusdt@aggTrade for 30 s" in str(warning.error)
    assert state == State(FeedState.DEGRADED, "silent: ethusdt@aggTrade")
    assert sent([unsubscribe]) == [{"method": "UNSUBSCRIBE", "params": ["ethusdt@aggTrade"], "id": 2}]
    assert sent(session.tick(30.5)) == [{"method": "SUBSCRIBE", "params": ["ethusdt@aggTrade"], "id": 3}]
    for number in (2, 3):
        session.on_control(Control("reply", number), 31.0)
    assert session.renew == ""
    data(session, 59.0, trades=records((0, 1)))
    assert session.tick(60.0) == []  # its time began again with the second request
    warning, state = session.tick(60.5)
    assert "a new connection is opened" in str(warning.error)
    assert "ethusdt@aggTrade" in session.renew
    warning, state = session.tick(90.5)
    assert "given up" in str(warning.error)
    assert session.stale == ("ethusdt@aggTrade",)
    assert session.tick(200.0) == []
    assert session.wants_data
    assert data(session, 201.0, trades=records((1, 1))) == [State(FeedState.LIVE)]
    assert session.stale == ()


def test_a_stream_that_was_given_up_does_not_hold_the_next_connection_back() -> None:
    _, session = session_for("btcusdt@aggTrade", "nosuchusdt@aggTrade")
    actions = session.connected(0.0)
    for second in range(1, 100):
        for request in sent(actions):
            session.on_control(Control("reply", int(str(request["id"]))), float(second))
        actions = session.tick(float(second))
    assert session.stale == ("btcusdt@aggTrade", "nosuchusdt@aggTrade")
    data(session, 100.0, trades=records((0, 1)))
    session.disconnected()
    session.connected(101.0)
    session.on_control(Control("reply", 4), 101.1)
    assert data(session, 101.2, trades=records((0, 1))) == [State(FeedState.DEGRADED, "silent: nosuchusdt@aggTrade")]
    assert data(session, 101.3, trades=records((0, 1))) == []


def test_a_stream_that_stops_is_noticed_and_a_busy_one_is_not_looked_at_all_the_time() -> None:
    _, session = session_for("btcusdt@markPrice@1s", "ethusdt@markPrice@1s")
    session.connected(0.0)
    session.on_control(Control("reply", 1), 0.1)
    data(session, 1.0, marks=records((0, 0), (1, 0)))
    assert not session.wants_data
    assert session.deadline() == 2.5  # half of 5 s
    assert session.tick(2.5) == []
    assert session.wants_data
    for second in range(3, 8):
        assert data(session, float(second), marks=records((0, 0))) == []
    assert session.tick(7.4) == []
    (warning, state, _) = session.tick(7.5)
    assert "ethusdt@markPrice@1s for 5 s" in str(warning.error)
    assert state == State(FeedState.DEGRADED, "silent: ethusdt@markPrice@1s")
    assert data(session, 8.0, marks=records((1, 0))) == []  # the second request is not answered yet
    session.tick(8.0)
    session.on_control(Control("reply", 2), 8.1)
    assert session.on_control(Control("reply", 3), 8.1) == [State(FeedState.LIVE)]


def test_a_socket_that_goes_silent_as_a_whole_is_replaced_at_once() -> None:
    _, session = session_for("btcusdt@markPrice@1s")
    session.connected(0.0)
    session.on_control(Control("reply", 1), 0.1)
    data(session, 1.0, marks=records((0, 0)))
    session.tick(2.5)
    session.tick(7.5)
    assert "btcusdt@markPrice@1s" in session.renew


def test_after_a_blocked_loop_what_waits_in_the_kernel_is_read_before_anything_is_judged() -> None:
    _, session = session_for("btcusdt@markPrice@1s")
    session.connected(0.0)
    session.on_control(Control("reply", 1), 0.1)
    data(session, 1.0, marks=records((0, 0)))
    session.tick(2.5)
    assert session.tick(20.0) == []  # due at 7.5
    assert session.deadline() == 21.0
    assert session.tick(21.0) != []


def test_a_stream_that_is_rare_gets_more_time() -> None:
    _, session = session_for("btcusdt@aggTrade", "ethusdt@aggTrade")
    session.connected(0.0)
    session.on_control(Control("reply", 1), 0.1)
    data(session, 0.2, trades=records((0, 1), (1, 1)))
    session.tick(30.0)
    data(session, 30.1, trades=records((0, 1)))
    data(session, 50.0, trades=records((1, 1)))  # 20 s after it was looked for: patience is 200 s from here on
    for now in (60.0, 90.0, 120.0, 150.0, 180.0, 210.0, 240.0):
        session.tick(now)
        data(session, now, trades=records((0, 1)))
        assert session.stale == ()
    assert session.tick(260.0) != []
    assert session.stale == ("ethusdt@aggTrade",)


def test_a_request_without_a_reply_closes() -> None:
    _, session = session_for("btcusdt@aggTrade")
    session.connected(0.0)
    assert session.deadline() == 10.0
    assert session.tick(10.0) == [Close(1000, "no reply to a request within 10 s")]


def test_requests_are_paced() -> None:
    _, session = session_for(*(f"s{n}@aggTrade" for n in range(5)), batch=2, pause_s=0.5)
    batches = sent(session.connected(0.0))
    assert session.tick(0.2) == []
    for now in (0.5, 1.0, 1.5):
        batches += sent(session.tick(now))
    assert [batch["params"] for batch in batches] == [
        ["s0@aggTrade", "s1@aggTrade"],
        ["s2@aggTrade", "s3@aggTrade"],
        ["s4@aggTrade"],
    ]
    assert [batch["id"] for batch in batches] == [1, 2, 3]


@pytest.mark.parametrize("id_", [None, 1])
def test_errors_name_the_streams(id_: int | None) -> None:
    _, session = session_for("btcusdt@aggTrade")
    session.connected(0.0)
    warning, state = session.on_control(Control("error", id_, message="Too many subscriptions", code=4), 0.1)
    assert isinstance(warning, Warn)
    assert "btcusdt@aggTrade" in str(warning.error)
    assert "code 4" in str(warning.error)
    assert state == State(FeedState.DEGRADED, "Too many subscriptions (code 4)")


def test_what_was_refused_is_missing_though_the_rest_flows() -> None:
    feed, session = session_for("btcusdt@bookTicker", "btcusdt@depth", batch=1)
    session.connected(0.0)
    session.on_control(Control("reply", 1), 0.1)
    session.tick(0.5)
    session.on_control(Control("error", 2, message="Invalid request", code=2), 0.6)
    assert data(session, quotes=records((0, 0))) == []
    feed.unsubscribe(["btcusdt@depth"])
    session.tick(1.0)
    session.on_control(Control("reply", 3), 1.1)
    assert session.tick(1.5) == [State(FeedState.LIVE)]


def test_a_shutdown_notice_asks_for_another_connection_first() -> None:
    feed, session = session_for("btcusdt@aggTrade")
    session.connected(0.0)
    assert session.on_control(Control("status", status="serverShutdown"), 1.0) == []
    assert feed.tick(1.0, 0) == [
        "rollover: binance.usdm/market#1.2 joins: binance.usdm/market#1 will be shut down by the venue"
    ]
    assert len(feed.sessions) == 2


def test_a_pace_that_the_venue_bans_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"use 0\.4 or more"):
        Pacing(pause_s=0.1)


@pytest.mark.parametrize("most", [0, 1025])
def test_more_streams_than_a_connection_may_have_are_refused(most: int) -> None:
    with pytest.raises(ConfigError, match="1,024"):
        Binance("usdm", streams_per_connection=most)
    assert len(Binance("usdm", [f"s{n}@trade" for n in range(1025)], streams_per_connection=1024).sessions) == 2


def test_symbols_may_have_any_letters() -> None:
    _, session = session_for("币安人生USDT@aggTrade", "BTCUSDT_261225@aggTrade")
    (request,) = [action.text for action in session.connected(0.0) if isinstance(action, Send)]
    assert "币安人生usdt@aggTrade" in request  # as it is, not escaped
    session.on_control(Control("reply", 1), 0.1)
    names = ["币安人生USDT", "BTCUSDT_261225"]
    batch = Batch(trades=records((0, 1), (1, 1)))
    assert session.on_data(batch, names.__getitem__, 1.0) == [State(FeedState.LIVE)]


def test_the_wanted_streams_outlive_the_connection_and_change_at_run_time() -> None:
    feed, session = session_for("btcusdt@aggTrade")
    session.connected(0.0)
    feed.subscribe(["ethusdt@aggTrade"])
    assert sent(session.tick(0.5))[0]["params"] == ["ethusdt@aggTrade"]
    session.disconnected()
    assert session.deadline() is None
    feed.unsubscribe(["BTCUSDT@aggTrade"])
    assert sent(session.connected(5.0))[0]["params"] == ["ethusdt@aggTrade"]
    feed.unsubscribe(["ethusdt@aggTrade"])
    assert sent(session.tick(6.0)) == [{"method": "UNSUBSCRIBE", "params": ["ethusdt@aggTrade"], "id": 4}]
