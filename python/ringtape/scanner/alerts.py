"""Alerts: signal records of the engine, put into words and figures for people."""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["Alert", "AlertFeed", "Alerts", "Folded"]

_NS_PER_S = 1_000_000_000


class Titles(Protocol):
    """What alerts need of a compiled rule set: one entry a rule, in the order of the signals' rule numbers."""

    @property
    def ids(self) -> Sequence[str]:
        """Return the ids."""

    @property
    def titles(self) -> Sequence[str]:
        """Return the titles."""

    @property
    def severities(self) -> Sequence[str]:
        """Return ``low``, ``medium`` or ``high``."""

    @property
    def show(self) -> Sequence[Sequence[str]]:
        """Return the fields to show beside an alert."""


class Reads(Protocol):
    """What alerts read of the engine."""

    def symbol_name(self, id: int, /) -> str:  # noqa: A002 - as the engine names it
        """Return the name of a symbol id."""

    def get(self, symbol: str, field: str) -> Any:  # noqa: ANN401 - a field's own type
        """Return one value of one field; None where it is undefined."""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A rule has fired for a symbol."""

    id: str
    """The same for the same input: a hash of rule, symbol, time and firing."""
    rule: str
    """Id of the rule."""
    title: str
    severity: str
    """``low``, ``medium`` or ``high``."""
    symbol: str
    ts_event: int
    """Time of the event that made the rule true, Unix ns."""
    price: float | None
    """Last price at that moment; None before the first trade."""
    change: float | None
    """Change from the previous close at that moment, as a fraction; None without one."""
    volume: float | None
    """Volume of the day at that moment."""
    firing: int
    """How often the rule has fired for the symbol on this trading date, from 1."""
    shown: tuple[tuple[str, float | None], ...] = ()
    """The fields that the rule wants shown, with their values when the alert was made."""


class Alerts:
    """Makes alerts from signal records.

    Parameters
    ----------
    rules
        The rule set that the engine runs.
    engine
        Where names of symbols and shown fields are read.
    """

    def __init__(self, rules: Titles, engine: Reads) -> None:
        self._rules = list(zip(rules.ids, rules.titles, rules.severities, rules.show, strict=True))
        self._engine = engine

    def __call__(self, signals: NDArray[np.void]) -> list[Alert]:
        """Return one alert for each record of a batch, in order. About 10 µs each; alerts are rare."""
        return [self._alert(signal) for signal in signals]

    def _alert(self, signal: np.void) -> Alert:
        rule, title, severity, show = self._rules[int(signal["rule"])]
        symbol = self._engine.symbol_name(int(signal["symbol"]))
        ts_event, firing = int(signal["ts_event"]), int(signal["firing"])
        return Alert(
            id=hashlib.blake2b(f"{rule}|{symbol}|{ts_event}|{firing}".encode(), digest_size=8).hexdigest(),
            rule=rule,
            title=title,
            severity=severity,
            symbol=symbol,
            ts_event=ts_event,
            price=_known(signal["price"]),
            change=_known(signal["change"]),
            volume=_known(signal["volume"]),
            firing=firing,
            shown=tuple((field, self._engine.get(symbol, field)) for field in show),
        )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


class Folded(msgspec.Struct):
    """A line of the feed: the newest alert of a symbol and a rule, and how many it stands for."""

    alert: Alert
    count: int = 1


class AlertFeed:
    """The latest alerts, newest first; repeats of a symbol and a rule within a minute share one line.

    Parameters
    ----------
    size
        Lines that are kept; the oldest leave.
    fold_s
        How long after its newest alert a line takes up repeats, in seconds of event time.
    """

    def __init__(self, size: int = 200, fold_s: float = 60.0) -> None:
        self._lines: deque[Folded] = deque(maxlen=size)
        self._fold_ns = int(fold_s * _NS_PER_S)
        self.total = 0
        """Alerts since the start, folded ones too."""

    def add(self, alert: Alert) -> None:
        """Put an alert at the head of the feed. Cost: a look at each line that is kept."""
        self.total += 1
        count = 1
        for line in self._lines:
            same = line.alert.symbol == alert.symbol and line.alert.rule == alert.rule
            if same and alert.ts_event - line.alert.ts_event <= self._fold_ns:
                self._lines.remove(line)
                count += line.count
                break
        self._lines.appendleft(Folded(alert, count))

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[Folded]:
        return iter(self._lines)
