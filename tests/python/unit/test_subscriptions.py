"""Subscriptions as state: owners, ends, what feeds are told, what is kept."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable

import pytest

from ringtape.errors import ConfigError, SubscriptionError
from ringtape.feeds import Binance, Massive
from ringtape.feeds.subscriptions import COALESCE_S, OwnerKind, SubscriptionBook

KEY = "CANARY-0f3b7751de"
OWNERS = {"rule": OwnerKind.RULE, "list": OwnerKind.LIST, "user": OwnerKind.PIN, "chart": OwnerKind.CHART}
STOCKS, COINS = "massive.stocks", "binance.usdm"


def massive(*names: str) -> Massive:
    return Massive("stocks", names or ["AM.*"], url="ws://127.0.0.1:1", key=KEY)


def book_of(*names: str) -> tuple[SubscriptionBook, Massive]:
    feed = massive(*names)
    return SubscriptionBook([feed]), feed


def nothing(venue: str, name: str) -> int:
    return 0


class Oracle:
    """What every owner wants, in one set of rows that is searched from the start each time."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], float] = {}

    def claim(self, owner: str, names: Iterable[str], end: float) -> None:
        for name in names:
            self.rows[owner, name] = max(end, self.rows.get((owner, name), end))

    def release(self, owner: str, names: Iterable[str] | None) -> None:
        gone = [key for key in self.rows if key[0] == owner and (names is None or key[1] in names)]
        for key in gone:
            del self.rows[key]

    def desired(self, now: float) -> set[str]:
        self.rows = {key: end for key, end in self.rows.items() if end > now}
        return {name for _, name in self.rows}


@pytest.mark.parametrize("seed", range(60))
def test_desired_is_the_union_of_those_that_have_not_ended(seed: int) -> None:
    # The seed stands in the name of the test.
    rng = random.Random(seed)
    universe = [f"T.S{number}" for number in range(12)]
    book, feed = book_of("T.S0", "AM.*")
    oracle, now = Oracle(), 100.0
    for _ in range(200):
        now += rng.choice([0.0, 0.01, 0.2, 3.0])
        owner = rng.choice(list(OWNERS))
        names = rng.sample(universe, rng.randrange(1, 4))
        # The oracle forgets what has ended before it is claimed again, as the book does when its timer rings.
        oracle.desired(now)
        told = book.tick(now)
        match rng.randrange(4):
            case 0 | 1:
                ttl = rng.choice([None, 0.1, 1.0, 7.0])
                book.claim(owner, names, now, kind=OWNERS[owner], ttl_s=ttl)
                oracle.claim(owner, names, math.inf if ttl is None else now + ttl)
            case 2:
                book.release(owner, now, names)
                oracle.release(owner, names)
            case _ if rng.random() < 0.2:
                book.release(owner, now)
                oracle.release(owner, None)
        assert told == []
        assert set(book.desired(STOCKS)) == oracle.desired(now)
        # Follow the book's own deadlines until nothing is on its way, as the app's timer does.
        while (deadline := book.deadline()) is not None and deadline <= now + COALESCE_S:
            now = max(now, deadline)
            book.tick(now)
        assert set(feed.subscriptions) == oracle.desired(now) | {"T.S0", "AM.*"}
        owners = {each.name: set(each.owners) for each in book.table(now, nothing)}
        for name in oracle.desired(now):
            assert owners[name] - {"declared"} == {owner for owner, held in oracle.rows if held == name}


def test_nobodys_end_drops_anothers() -> None:
    book, feed = book_of()
    book.claim("rule", ["T.AAPL"], 0.0, kind="rule", ttl_s=5.0)
    book.claim("user", ["T.AAPL"], 0.0, ttl_s=9.0)
    book.tick(COALESCE_S)
    for now, has_it in [(5.5, True), (8.9, True), (9.5, False)]:
        book.tick(now)
        book.tick(now + COALESCE_S)
        assert ("T.AAPL" in feed.subscriptions) is has_it


def test_changes_within_150_ms_are_told_once() -> None:
    book, feed = book_of()
    told: list[tuple[str, ...]] = []
    feed.on_change = lambda: told.append(feed.subscriptions)
    for number in range(10):
        book.claim("user", [f"T.S{number}"], number * 0.01)
        book.tick(number * 0.01)
    book.claim("rule", ["T.GONE"], 0.1)
    book.release("rule", 0.12)
    assert book.deadline() == COALESCE_S
    book.tick(COALESCE_S)
    assert told == [("AM.*", *(f"T.S{number}" for number in range(10)))]
    assert book.deadline() is None


def test_the_most_important_is_asked_for_first() -> None:
    book, feed = book_of()
    book.claim("movers", ["T.LOW"], 0.0, kind="rule", score=1.0)
    book.claim("spikes", ["T.HIGH"], 0.0, kind="rule", score=2.0)
    book.tick(1.0)
    book.claim("chart", ["T.CHART"], 1.0, kind="chart")
    book.claim("strategy:a", ["T.HELD"], 1.0, kind="hold")
    book.claim("user", ["T.LOW"], 1.0)
    book.tick(2.0)
    assert feed.subscriptions == ("AM.*", "T.LOW", "T.HELD", "T.CHART", "T.HIGH")
    (session,) = feed.sessions
    assert session.requested == frozenset()


def test_binance_orders_the_streams_of_each_connection() -> None:
    feed = Binance("usdm", ["btcusdt@aggTrade"], url="ws://127.0.0.1:1")
    book = SubscriptionBook([feed])
    book.claim("rule", ["ethusdt@aggTrade"], 0.0, kind="rule")
    book.tick(1.0)
    book.claim("user", ["SOLUSDT@aggTrade"], 1.0)
    book.tick(2.0)
    assert feed.names_of(feed.sessions[0]) == ("btcusdt@aggTrade", "solusdt@aggTrade", "ethusdt@aggTrade")
    book.release("user", 3.0, "SOLUSDT@aggTrade")
    book.tick(4.0)
    assert feed.subscriptions == ("btcusdt@aggTrade", "ethusdt@aggTrade")


def test_what_the_feed_was_told_itself_is_never_taken_away() -> None:
    book, feed = book_of("T.AAPL")
    book.claim("user", ["T.AAPL"], 0.0, ttl_s=1.0)
    book.tick(0.5)
    book.tick(2.0)
    book.tick(3.0)
    assert feed.subscriptions == ("T.AAPL",)


def test_a_wrong_name_changes_nothing_and_names_the_right_one() -> None:
    book, _ = book_of()
    with pytest.raises(SubscriptionError, match="no channel"):
        book.claim("user", ["T.AAPL", "TT.MSFT"], 0.0)
    assert (book.desired(STOCKS), book.deadline()) == ([], None)
    with pytest.raises(ConfigError, match=r"no feed of 'massive\.stock'"):
        book.claim("user", ["T.AAPL"], 0.0, venue="massive.stock")
    with pytest.raises(ConfigError, match="no kind of owner"):
        book.claim("user", ["T.AAPL"], 0.0, kind="boss")
    with pytest.raises(ConfigError, match="lives for more than 0 s"):
        book.claim("user", ["T.AAPL"], 0.0, ttl_s=0.0)


def test_with_two_feeds_the_venue_has_to_be_said() -> None:
    book = SubscriptionBook([massive(), Binance("usdm", ["btcusdt@aggTrade"], url="ws://127.0.0.1:1")])
    with pytest.raises(ConfigError, match="say of which venue"):
        book.claim("user", ["T.AAPL"], 0.0)
    book.claim("user", ["T.AAPL"], 0.0, venue=STOCKS)
    book.claim("user", ["ethusdt@aggTrade"], 0.0, venue=COINS)
    book.release("user", 1.0, venue=COINS)
    assert (book.desired(STOCKS), book.desired(COINS)) == (["T.AAPL"], [])


def test_what_a_feed_refuses_is_told_once_and_the_rest_comes() -> None:
    # The limit on quotes of options is the venue's, and known only when all names are there.
    feed = Massive("options", ["T.*"], url="ws://127.0.0.1:1", key=KEY)
    book = SubscriptionBook([feed])
    names = [f"Q.O:SPY{number:06}" for number in range(1_001)]
    book.claim("user", names, 0.0)
    (error,) = book.tick(1.0)
    assert "1,000" in str(error)
    assert len(feed.subscriptions) == 1_001
    assert [each.name for each in book.table(1.0, nothing) if each.refused] == names[-1:]
    book.claim("rule", ["T.O:SPY"], 2.0)
    assert book.tick(3.0) == []


def test_claims_outlive_a_restart_by_the_time_that_is_left() -> None:
    book, _ = book_of()
    book.claim("user", ["T.AAPL"], 50.0)
    book.claim("rule", ["T.MSFT", "T.AAPL"], 50.0, kind="rule", ttl_s=60.0, score=3.0)
    book.claim("rule", ["T.TSLA"], 50.0, kind="rule", ttl_s=10.0, score=3.0)
    book.claim("strategy:gone", ["T.GME"], 50.0, kind="hold")
    raw = book.dump(55.0, 1_000 * 10**9)

    other, feed = book_of()
    assert other.load(raw, 7.0, 1_020 * 10**9, lambda owner: owner != "strategy:gone") == []
    other.tick(8.0)
    assert feed.subscriptions == ("AM.*", "T.AAPL", "T.MSFT")
    # 60 s less the 5 of the first process less the 20 between the two.
    assert {each.name: each.expires_s for each in other.table(8.0, nothing)} == {
        "AM.*": None,
        "T.AAPL": None,
        "T.MSFT": pytest.approx(34.0),
    }


def test_a_file_that_is_none_is_an_error() -> None:
    book, _ = book_of()
    for raw in (b"", b"[]", b'{"version":1}'):
        with pytest.raises(ConfigError, match="not a file of subscriptions"):
            book.load(raw, 0.0, 0, bool)
    with pytest.raises(ConfigError, match="of version 2"):
        book.load(b'{"version":2,"saved_ns":0,"claims":[]}', 0.0, 0, bool)
