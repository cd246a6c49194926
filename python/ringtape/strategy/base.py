"""What a strategy author writes: a class with hooks, and the wants that say what they are called with.

::

    class Momentum(Strategy):
        wants = [Want("trades", symbols=["AAPL", "MSFT"]), Want("bars", interval="1m")]

        def on_bars(self, ctx, bars):
            for bar in bars:
                print(ctx.symbol(bar["symbol"]), bar["close"])

Hooks run on the feed's loop, one batch after each read of a socket. Be short: 1 ms is the budget, and what is over it
is measured and reported. A hook that raises is counted and, after ten times in a row, its strategy is disabled; the
feed lives on. A hook that blocks delays this process and loses nothing, since data waits in the kernel meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ringtape.errors import ConfigError, suggest
from ringtape.gaps import Gap

__all__ = ["BAR_KINDS", "KINDS", "Context", "Records", "Strategy", "Want", "bar_series", "interval_ms"]

Records = NDArray[np.void]
"""A batch: a structured array of one kind, read-only, valid until the hook returns. Copy what shall live longer."""

KINDS = (
    "trades",
    "quotes",
    "bars",
    "marks",
    "venue_bars",
    "values",
    "bands",
    "imbalances",
    "tickers",
    "liquidations",
    "levels",
    "asset_indexes",
    "signals",
)
BAR_KINDS = (
    "tick",
    "volume",
    "dollar",
    "tick_imbalance",
    "volume_imbalance",
    "dollar_imbalance",
    "tick_run",
    "volume_run",
    "dollar_run",
    "range",
    "renko",
)
"""Kinds of bars that do not end by time; docs/bars.md says what each is."""
_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class Reads(Protocol):
    """The reads of `ringtape.Engine` that hooks are offered."""

    def get(self, symbol: str, field: str) -> Any:  # noqa: ANN401 - a field's own type
        """Return one value of one field."""

    def row(self, symbol: str) -> Any:  # noqa: ANN401 - a mapping of fields
        """Return every field of one symbol."""

    def table(self, fields: Sequence[str]) -> Any:  # noqa: ANN401 - a Table
        """Return some fields of every symbol."""

    def bars(self, symbol: str, interval: str, n: int | None = None) -> Records:
        """Return the latest bars of one symbol."""

    def symbol_name(self, id: int, /) -> str:  # noqa: A002 - as the engine names it
        """Return the name of a symbol id."""

    def series(self) -> Sequence[str]:
        """Return the series of bars by the number that records carry."""


class Wishes(Protocol):
    """Who takes the subscriptions of strategies."""

    def claim(self, owner: str, names: Iterable[str], *, venue: str | None, ttl: float | None) -> None:
        """Want names for an owner."""

    def release(self, owner: str, names: Iterable[str] | None, *, venue: str | None) -> None:
        """Give back what an owner wants."""


class Notice(Protocol):
    """A rare event of variable shape; see `ringtape.Notice`."""

    @property
    def venue(self) -> str:
        """Venue id."""

    @property
    def kind(self) -> str:
        """The venue's name of the event."""

    @property
    def data(self) -> bytes:
        """Its checked JSON text."""


class Want:
    """What a strategy wants to be called with.

    Parameters
    ----------
    kind
        An array of `ringtape.Batch`: ``trades``, ``quotes``, ``bars``, ``signals`` ...
    symbols
        Names, bare (``AAPL``) or with their venue (``binance.usdm:BTCUSDT``); None is every symbol.
    interval
        For bars: ``1s``, ``1m``, ``tick:1000`` ...; None is every series that the engine builds.

    Raises
    ------
    ConfigError
        No such kind or interval; the message names the nearest.
    """

    __slots__ = ("interval", "kind", "symbols")

    def __init__(self, kind: str, symbols: Iterable[str] | None = None, interval: str | None = None) -> None:
        if kind not in KINDS:
            raise ConfigError(f"a strategy cannot want {kind!r}{suggest(kind, KINDS)}", "wants")
        if interval is not None and kind != "bars":
            raise ConfigError(f"Want({kind!r}) takes no interval: only bars have one", "wants")
        self.kind = kind
        self.symbols = None if symbols is None else frozenset([symbols] if isinstance(symbols, str) else symbols)
        if interval is not None:
            bar_series(interval)
        self.interval = interval

    def __repr__(self) -> str:
        symbols = None if self.symbols is None else sorted(self.symbols)
        return f"Want({self.kind!r}, symbols={symbols!r}, interval={self.interval!r})"


def bar_series(text: str) -> tuple[str, Decimal]:
    """Return the kind and threshold of a series of bars, such as ``("tick", 1000)``; ``("time", ms)`` for an interval.

    Two texts that mean the same series give the same: ``60s`` and ``1m``, ``renko:0.5`` and ``renko:0.50``.

    Raises
    ------
    ConfigError
        No such kind, or no number behind it; the message names the nearest.
    """
    kind, colon, number = text.partition(":")
    if not colon:
        return "time", Decimal(interval_ms(text))
    if kind not in BAR_KINDS:
        raise ConfigError(f"{text!r} are no bars{suggest(kind, BAR_KINDS)}", "interval")
    digits = number.replace(".", "", 1)
    if not (digits.isascii() and digits.isdecimal()) or not Decimal(number):
        raise ConfigError(f"{text!r}: write a threshold above zero behind the colon, such as {kind}:100", "interval")
    return kind, Decimal(number)


def interval_ms(text: str) -> int:
    """Return the milliseconds of an interval such as ``1s``, ``5m``, ``1h``.

    Raises
    ------
    ConfigError
        Not a number followed by s, m, h or d.
    """
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS_MS or not (number.isascii() and number.isdecimal()) or int(number) == 0:
        raise ConfigError(f"{text!r} is not an interval: write a number and s, m, h or d, such as '1m'", "interval")
    return int(number) * _UNITS_MS[unit]


class Context:
    """What a hook may ask: the time, and the state of any symbol. Reads are copies unless said otherwise.

    Parameters
    ----------
    engine
        Where the state is.
    wishes
        Who takes subscriptions; None in a replay, which has no feeds.
    """

    __slots__ = ("_engine", "_wishes", "now", "owner")

    def __init__(self, engine: Reads, wishes: Wishes | None = None) -> None:
        self._engine = engine
        self._wishes = wishes
        self.owner: str = ""
        """Name of the strategy whose hook is running; what it subscribes is held in this name."""
        self.now: int = 0
        """Unix ns of the read that the batch came from; the same in a replay."""

    def get(self, symbol: str, field: str) -> Any:  # noqa: ANN401 - a field's own type
        """Return one value of one field, such as ``change(5m)``; None where it is undefined."""
        return self._engine.get(symbol, field)

    def row(self, symbol: str) -> Any:  # noqa: ANN401 - a mapping of fields
        """Return every field of one symbol as a mapping."""
        return self._engine.row(symbol)

    def table(self, fields: Sequence[str]) -> Any:  # noqa: ANN401 - a Table
        """Return some fields of every symbol as a `ringtape.Table`."""
        return self._engine.table(fields)

    def bars(self, symbol: str, interval: str, n: int | None = None) -> Records:
        """Return the latest `n` closed bars of one symbol, oldest first; all that are retained without `n`."""
        return self._engine.bars(symbol, interval, n)

    def symbol(self, id: int) -> str:  # noqa: A002 - the column is called symbol, its value is an id
        """Return the name of a symbol id as records carry it."""
        return self._engine.symbol_name(int(id))

    def subscribe(self, names: Iterable[str], *, venue: str | None = None, ttl: float | None = None) -> None:
        """Hold subscriptions for this strategy, such as ``["T.AAPL"]``; nobody else can end them.

        Parameters
        ----------
        names
            As the venue writes them.
        venue
            May be left out where there is one feed.
        ttl
            Seconds until they end by themselves; asked for again, they live longer. None until `release`.

        Raises
        ------
        SubscriptionError
            A name is not one of the venue's; nothing has changed then.
        ConfigError
            No such venue, or nobody here has feeds.
        """
        self._feeds().claim(f"strategy:{self.owner}", names, venue=venue, ttl=ttl)

    def release(self, names: Iterable[str] | None = None, *, venue: str | None = None) -> None:
        """Give back what this strategy holds: some names, or all."""
        self._feeds().release(f"strategy:{self.owner}", names, venue=venue)

    def _feeds(self) -> Wishes:
        if self._wishes is None:
            raise ConfigError("nobody here has feeds to subscribe at", "subscribe")
        return self._wishes


class Strategy:
    """The base of strategies. Override what you need; what is not overridden costs nothing.

    Attributes
    ----------
    name
        For reports; the class name unless set.
    wants
        What the batch hooks are called with. Without any, every hook that is overridden gets everything of its kind.
    """

    name: str = ""
    wants: Sequence[Want] = ()

    def on_start(self, ctx: Context) -> None:
        """Prepare: called once, before the feeds connect."""

    def on_stop(self, ctx: Context) -> None:
        """Clean up: called once, after the feeds are closed."""

    def on_trades(self, ctx: Context, trades: Records) -> None:
        """Take a batch of trades, in order of arrival; calls `on_trade` for each unless overridden."""
        for trade in trades:
            self.on_trade(ctx, trade)

    def on_quotes(self, ctx: Context, quotes: Records) -> None:
        """Take a batch of quotes, in order of arrival; calls `on_quote` for each unless overridden."""
        for quote in quotes:
            self.on_quote(ctx, quote)

    def on_bars(self, ctx: Context, bars: Records) -> None:
        """Take bars that closed or were revised; calls `on_bar` for each unless overridden."""
        for bar in bars:
            self.on_bar(ctx, bar)

    def on_marks(self, ctx: Context, marks: Records) -> None:
        """Take a batch of mark prices, in order of arrival."""

    def on_venue_bars(self, ctx: Context, bars: Records) -> None:
        """Take bars as the venue sent them."""

    def on_values(self, ctx: Context, values: Records) -> None:
        """Take values of indices and the like; ``what`` is a place in `ringtape.events.VALUE_NAMES`."""

    def on_bands(self, ctx: Context, bands: Records) -> None:
        """Take limit up, limit down bands."""

    def on_imbalances(self, ctx: Context, imbalances: Records) -> None:
        """Take auction imbalances."""

    def on_tickers(self, ctx: Context, tickers: Records) -> None:
        """Take rolling 24-hour statistics."""

    def on_liquidations(self, ctx: Context, liquidations: Records) -> None:
        """Take forced orders."""

    def on_levels(self, ctx: Context, levels: Records) -> None:
        """Take price levels of order books, one record a level; ``flags`` 1 begins a message and 2 ends it."""

    def on_asset_indexes(self, ctx: Context, indexes: Records) -> None:
        """Take indices of margin assets."""

    def on_signals(self, ctx: Context, signals: Records) -> None:
        """Take the rules that fired; calls `on_signal` for each unless overridden."""
        for signal in signals:
            self.on_signal(ctx, signal)

    def on_trade(self, ctx: Context, trade: np.void) -> None:
        """Take one trade. At high rates override `on_trades` instead: each call costs as much as 20 trades there."""

    def on_quote(self, ctx: Context, quote: np.void) -> None:
        """Take one quote. At high rates override `on_quotes` instead."""

    def on_bar(self, ctx: Context, bar: np.void) -> None:
        """Take one bar."""

    def on_signal(self, ctx: Context, signal: np.void) -> None:
        """Take one rule that fired."""

    def on_notices(self, ctx: Context, notices: Sequence[Notice]) -> None:
        """Take rare events, oldest first: user data, contracts, sessions; `ringtape.notices.read` gives their values.

        Called for every notice, whatever `wants` says.
        """

    def on_connection(self, ctx: Context, feed: str, state: str) -> None:
        """Take a connection's new state: see `ringtape.feeds.FeedState`."""

    def on_gap(self, ctx: Context, gap: Gap) -> None:
        """Take what did not come: when it begins, ends, and is filled or given up; see docs/gaps.md."""

    def on_error(self, ctx: Context, hook: str, error: Exception) -> None:
        """Take an exception that one of this strategy's hooks raised."""
