"""From a batch to the hooks that want it: filters as numpy masks, isolation, and the budget.

What a strategy wants is resolved once into routes, one for each kind with a hook. A batch of a kind without a route
costs nothing. A filter by symbols is a mask over symbol ids that grows as new ids turn up, so a batch is filtered by
one indexing, whatever the number of symbols; a batch that passes whole is handed on without a copy.
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable, Iterable, Sequence, Sized

import msgspec
import numpy as np
from numpy.typing import NDArray

from ringtape.errors import ConfigError
from ringtape.gaps import Gap
from ringtape.venues import VENUES

from .base import KINDS, Context, Reads, Records, Strategy, Want, Wishes, bar_series

__all__ = ["BUDGET_NS", "FAILURES_MAX", "Dispatcher", "StrategyHealth"]

BUDGET_NS = 1_000_000
FAILURES_MAX = 10
_REPORT_EVERY_S = 10.0

_log = logging.getLogger("ringtape.strategy")

# Beside each batch hook the hook for one item that its default calls, None where there is none.
_HOOKS: dict[str, tuple[str, str | None]] = {
    "trades": ("on_trades", "on_trade"),
    "quotes": ("on_quotes", "on_quote"),
    "bars": ("on_bars", "on_bar"),
    "marks": ("on_marks", None),
    "venue_bars": ("on_venue_bars", None),
    "values": ("on_values", None),
    "bands": ("on_bands", None),
    "imbalances": ("on_imbalances", None),
    "tickers": ("on_tickers", None),
    "liquidations": ("on_liquidations", None),
    "levels": ("on_levels", None),
    "asset_indexes": ("on_asset_indexes", None),
    "signals": ("on_signals", "on_signal"),
}
_OTHER_HOOKS = ("on_start", "on_stop", "on_notices", "on_connection", "on_gap", "on_error")


class StrategyHealth(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy has cost and how it has fared."""

    name: str
    calls: int
    total_ns: int
    longest_ns: int
    over_budget: int
    """Calls that took more than 1 ms."""
    failures: int
    disabled: bool
    last_error: str


class SymbolFilter:
    """A set of names as a mask over symbol ids.

    Parameters
    ----------
    names
        Bare names, or names with a venue and a colon before them.
    symbol_name
        Gives the name of an id.
    """

    def __init__(self, names: Iterable[str], symbol_name: Callable[[int], str]) -> None:
        self._names = frozenset(names)
        self._symbol_name = symbol_name
        self._allowed: NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)
        self._known: NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)

    def mask(self, records: Records) -> NDArray[np.bool_]:
        """Return which records pass. Cost: one indexing, unless a symbol is seen for the first time."""
        ids = records["symbol"]
        try:
            known = bool(self._known[ids].all())
        except IndexError:
            self._grow(int(ids.max()) + 1)
            known = False
        if not known:
            self._learn(records)
        passing: NDArray[np.bool_] = self._allowed[ids]
        return passing

    def _grow(self, size: int) -> None:
        # Doubling keeps the copying small while a market's symbols turn up one by one.
        more = max(size, 2 * len(self._known)) - len(self._known)
        self._allowed = np.concatenate([self._allowed, np.zeros(more, dtype=np.bool_)])
        self._known = np.concatenate([self._known, np.zeros(more, dtype=np.bool_)])

    def _learn(self, records: Records) -> None:
        fresh = records[~self._known[records["symbol"]]]
        for id_, venue in zip(fresh["symbol"].tolist(), fresh["venue"].tolist(), strict=True):
            name = self._symbol_name(id_)
            self._allowed[id_] = name in self._names or f"{VENUES[venue]}:{name}" in self._names
            self._known[id_] = True


class _Filter:
    """One want of a kind: which symbols, which series of bars."""

    def __init__(self, want: Want, engine: Reads) -> None:
        self._series = None if want.interval is None else _place(want.interval, engine.series())
        self._symbols = None if want.symbols is None else SymbolFilter(want.symbols, engine.symbol_name)

    @property
    def is_open(self) -> bool:
        """True where everything passes."""
        return self._series is None and self._symbols is None

    def mask(self, records: Records) -> NDArray[np.bool_]:
        """Return which records pass."""
        if self._series is None and self._symbols is not None:
            return self._symbols.mask(records)
        right: NDArray[np.bool_] = records["series"] == self._series
        return right if self._symbols is None else right & self._symbols.mask(records)


def _place(wanted: str, series: Sequence[str]) -> int:
    """Return the number of a series of bars, however its text is written."""
    places = [place for place, name in enumerate(series) if bar_series(name) == bar_series(wanted)]
    if not places:
        have = ", ".join(series)
        raise ConfigError(f"no bars of {wanted}: the engine keeps {have}; see Engine(bars=...)", "wants")
    return places[0]


class _Runner:
    """One strategy: its routes, its measurements, and the wall between its exceptions and the feed."""

    def __init__(self, strategy: Strategy, ctx: Context, engine: Reads) -> None:
        self.strategy = strategy
        self.name = strategy.name or type(strategy).__name__
        self._ctx = ctx
        self._calls = self._total_ns = self._longest_ns = self._over_budget = 0
        self._failures = self._failures_in_row = 0
        self._last_error = ""
        self._next_report = 0.0
        self.disabled = False
        _refuse_coroutines(strategy, self.name)
        self.routes = {kind: self._filters(kind, engine) for kind in self._wanted_kinds()}

    def _wanted_kinds(self) -> Sequence[str]:
        kinds = [want.kind for want in self.strategy.wants]
        for kind in kinds:
            if not self._has_hook(kind):
                hooks = " or ".join(hook for hook in _HOOKS[kind] if hook)
                raise ConfigError(f"strategy {self.name} wants {kind} but has no {hooks}", "wants")
        return kinds or [kind for kind in KINDS if self._has_hook(kind)]

    def _has_hook(self, kind: str) -> bool:
        return any(hook is not None and _overrides(self.strategy, hook) for hook in _HOOKS[kind])

    def _filters(self, kind: str, engine: Reads) -> list[_Filter]:
        """Return the filters of a kind, empty where everything passes."""
        filters = [_Filter(want, engine) for want in self.strategy.wants if want.kind == kind]
        return [] if any(each.is_open for each in filters) else filters

    def take(self, kind: str, records: Records) -> None:
        """Call the hook of `kind` with what passes the filters."""
        if self.disabled:
            return
        if filters := self.routes[kind]:
            passing = filters[0].mask(records)
            for each in filters[1:]:
                passing = passing | each.mask(records)
            count = int(np.count_nonzero(passing))
            if count == 0:
                return
            if count < len(records):
                records = records[passing]
        self.call(_HOOKS[kind][0], records)

    def call(self, hook: str, *arguments: object) -> None:
        """Call a hook, measure it, and keep what it raises to this strategy."""
        if self.disabled:
            return
        self._ctx.owner = self.name
        start = time.perf_counter_ns()
        try:
            getattr(self.strategy, hook)(self._ctx, *arguments)
        except Exception as error:  # noqa: BLE001 - whatever a strategy raises stays with the strategy
            self._failed(hook, error)
        else:
            self._failures_in_row = 0
        self._measure(time.perf_counter_ns() - start)

    def _measure(self, took_ns: int) -> None:
        self._calls += 1
        self._total_ns += took_ns
        self._longest_ns = max(self._longest_ns, took_ns)
        if took_ns > BUDGET_NS:
            self._over_budget += 1
            self._report_slow(took_ns)

    def _report_slow(self, took_ns: int) -> None:
        now = time.monotonic()
        if now < self._next_report:
            return
        self._next_report = now + _REPORT_EVERY_S
        _log.warning(
            "strategy %s took %.1f ms in a hook, the budget is %.0f ms; over it %d times of %d so far",
            self.name,
            took_ns / 1e6,
            BUDGET_NS / 1e6,
            self._over_budget,
            self._calls,
        )

    def _failed(self, hook: str, error: Exception) -> None:
        self._failures += 1
        self._failures_in_row += 1
        self._last_error = f"{hook}: {type(error).__name__}: {error}"
        if self._failures_in_row == 1:
            # Repeats must not grow a log: the first of a row is told in full, the last one says how it ended.
            _log.error("strategy %s failed in %s", self.name, hook, exc_info=error)
        if self._failures_in_row >= FAILURES_MAX:
            self.disabled = True
            _log.error("strategy %s is disabled after %d failures in a row", self.name, FAILURES_MAX)
        self._report(hook, error)

    def _report(self, hook: str, error: Exception) -> None:
        try:
            self.strategy.on_error(self._ctx, hook, error)
        except Exception:  # noqa: BLE001 - the report of an error must not become another one
            _log.debug("strategy %s failed in on_error", self.name, exc_info=True)

    def health(self) -> StrategyHealth:
        """Return the measurements so far."""
        return StrategyHealth(
            name=self.name,
            calls=self._calls,
            total_ns=self._total_ns,
            longest_ns=self._longest_ns,
            over_budget=self._over_budget,
            failures=self._failures,
            disabled=self.disabled,
            last_error=self._last_error,
        )


class Dispatcher:
    """Hands batches to strategies.

    Parameters
    ----------
    engine
        What the strategies' context reads.
    strategies
        In the order in which they are called.
    wishes
        Who takes the subscriptions that they ask for.

    Raises
    ------
    ConfigError
        Two strategies share a name, a want has no hook or asks for bars that the engine does not build, a hook is a
        coroutine.
    """

    def __init__(self, engine: Reads, strategies: Iterable[Strategy] = (), wishes: Wishes | None = None) -> None:
        self.ctx = Context(engine, wishes)
        self._runners = [_Runner(strategy, self.ctx, engine) for strategy in strategies]
        names = [runner.name for runner in self._runners]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"two strategies are named {name!r}: set the attribute name of one", "strategies")
        # Only kinds that somebody wants are ever looked at.
        self._takers = {
            kind: takers for kind in KINDS if (takers := [runner for runner in self._runners if kind in runner.routes])
        }
        self._notice_takers = [r for r in self._runners if _overrides(r.strategy, "on_notices")]
        self._connection_takers = [r for r in self._runners if _overrides(r.strategy, "on_connection")]
        self._gap_takers = [r for r in self._runners if _overrides(r.strategy, "on_gap")]

    def start(self) -> None:
        """Call every `on_start`."""
        for runner in self._runners:
            runner.call("on_start")

    def stop(self) -> None:
        """Call every `on_stop`, also of disabled strategies: they may hold files."""
        for runner in self._runners:
            was_disabled, runner.disabled = runner.disabled, False
            runner.call("on_stop")
            runner.disabled |= was_disabled

    def dispatch(self, batch: Sized, now_ns: int) -> None:
        """Call the hooks that want something of `batch`. Never raises for what a hook does.

        Parameters
        ----------
        batch
            What `ringtape.Engine.drain` returned: its length is the number of records, each kind is an attribute.
        now_ns
            Unix ns of the read, for `Context.now`.
        """
        self.ctx.now = now_ns
        # Notices are no records: a batch of them alone has the length 0.
        if self._notice_takers and (notices := getattr(batch, "notices")):  # noqa: B009 - as the kinds below
            for runner in self._notice_takers:
                runner.call("on_notices", notices)
        if not len(batch):
            return
        for kind, takers in self._takers.items():
            records: Records = getattr(batch, kind)
            if len(records):
                for runner in takers:
                    runner.take(kind, records)

    def connection(self, feed: str, state: str) -> None:
        """Call every `on_connection`."""
        for runner in self._connection_takers:
            runner.call("on_connection", feed, state)

    def gap(self, gap: Gap) -> None:
        """Call every `on_gap`."""
        for runner in self._gap_takers:
            runner.call("on_gap", gap)

    def health(self) -> list[StrategyHealth]:
        """Return the measurements of every strategy."""
        return [runner.health() for runner in self._runners]


def _overrides(strategy: Strategy, hook: str) -> bool:
    return getattr(type(strategy), hook) is not getattr(Strategy, hook)


def _refuse_coroutines(strategy: Strategy, name: str) -> None:
    hooks = [hook for pair in _HOOKS.values() for hook in pair if hook]
    for hook in (*hooks, *_OTHER_HOOKS):
        if inspect.iscoroutinefunction(getattr(strategy, hook)):
            raise ConfigError(f"strategy {name}: {hook} is a coroutine; hooks are plain functions", "strategies")
