"""Alerts from signal records, and the folding feed."""

import numpy as np

from ringtape.scanner import Alert, AlertFeed, Alerts

S = 1_000_000_000
SIGNAL = np.dtype(
    [
        ("ts_event", "<i8"),
        ("price", "<f8"),
        ("change", "<f8"),
        ("volume", "<f8"),
        ("firing", "<u4"),
        ("rule", "<u4"),
        ("symbol", "<u4"),
    ]
)


class Rules:
    ids = ("up", "down")
    titles = ("Going up", "Going down")
    severities = ("high", "low")
    show = (("change(1m)", "bid"), ())


class Engine:
    def symbol_name(self, id: int, /) -> str:  # noqa: A002
        return ["AAPL", "MSFT"][id]

    def get(self, symbol: str, field: str) -> float | None:
        return {("AAPL", "change(1m)"): 0.02}.get((symbol, field))


def test_a_signal_becomes_an_alert() -> None:
    signals = np.array([(7 * S, 10.5, np.nan, 300.0, 2, 0, 0), (8 * S, np.nan, 0.1, 5.0, 1, 1, 1)], SIGNAL)
    first, second = Alerts(Rules(), Engine())(signals)
    assert (first.rule, first.title, first.severity, first.symbol) == ("up", "Going up", "high", "AAPL")
    assert (first.ts_event, first.price, first.change, first.volume, first.firing) == (7 * S, 10.5, None, 300.0, 2)
    assert first.shown == (("change(1m)", 0.02), ("bid", None))
    assert (second.symbol, second.price, second.change, second.shown) == ("MSFT", None, 0.1, ())


def test_ids_name_a_firing_and_nothing_else() -> None:
    signals = np.zeros(4, SIGNAL)
    signals["firing"] = [1, 1, 2, 1]
    signals["symbol"] = [0, 1, 0, 0]
    signals["ts_event"] = [5, 5, 5, 6]
    make = Alerts(Rules(), Engine())
    ids = [alert.id for alert in make(signals)]
    assert len(set(ids)) == 4
    assert ids == [alert.id for alert in make(signals)]


def alert(symbol: str, rule: str, at_s: int) -> Alert:
    return Alert(
        id=f"{symbol}{rule}{at_s}",
        rule=rule,
        title=rule,
        severity="low",
        symbol=symbol,
        ts_event=at_s * S,
        price=1.0,
        change=None,
        volume=1.0,
        firing=1,
    )


def test_repeats_within_a_minute_share_a_line() -> None:
    feed = AlertFeed()
    for symbol, rule, at in [("A", "up", 0), ("B", "up", 10), ("A", "up", 50), ("A", "down", 60), ("A", "up", 110)]:
        feed.add(alert(symbol, rule, at))
    lines = [(line.alert.symbol, line.alert.rule, line.alert.ts_event // S, line.count) for line in feed]
    assert lines == [("A", "up", 110, 3), ("A", "down", 60, 1), ("B", "up", 10, 1)]
    feed.add(alert("A", "up", 171))
    assert [line.count for line in feed] == [1, 3, 1, 1]
    assert feed.total == 6


def test_the_feed_keeps_the_newest() -> None:
    feed = AlertFeed(size=3)
    for number in range(10):
        feed.add(alert(f"S{number}", "up", number))
    assert [line.alert.symbol for line in feed] == ["S9", "S8", "S7"]
    assert (len(feed), feed.total) == (3, 10)
