"""App: feeds, rules, strategies and alert sinks around one engine, started and stopped together.

::

    connection ─► engine.feed ─┐
    connection ─► engine.feed ─┤ end of a read        ┌─► control messages ─► the session they came for
    every 250 ms ─► engine.advance ─► flush = drain ──┤
                                                      └─► strategies and alert sinks

Everything runs on one loop and one thread: the engine has one owner.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import logging
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import msgspec
import uvloop

from ._native import Engine, RuleSet
from .config import Settings, is_loopback
from .errors import ConfigError, FeedError, UnknownSymbol, UnknownVenue, suggest
from .feeds import Binance, Massive
from .feeds.base import Batch, Feed, FeedState, Records, Session
from .feeds.connection import Connection
from .feeds.health import ClockOffset, Health
from .feeds.limits import Limits
from .feeds.listener import TIMER_GRAIN_S
from .feeds.subscriptions import OwnerKind, Subscription, SubscriptionBook
from .feeds.world import SteadyTime, World
from .gaps import Gap, GapBook
from .outages import Outages, channels_of
from .repair import Repairer, RepairOptions
from .strategy.base import Context, Strategy
from .strategy.dispatch import Dispatcher, StrategyHealth
from .venues import VENUES

if TYPE_CHECKING:
    from .history.source import Source

__all__ = ["AlertSink", "App", "AppHealth"]

AlertSink = Callable[[Context, Records], None]
"""Takes the context and the signals of one batch; see `Strategy.on_signals`."""

ADVANCE_S = 0.25
OBSERVE_S = 1.0
SUBSCRIPTIONS_FILE = "subscriptions.json"
STOP_S = 1.5

_VENUE_NAMES = dict(enumerate(VENUES))
# What was asked for comes, but for the streams that a degraded connection names.
_FLOWING = frozenset({FeedState.LIVE, FeedState.DEGRADED})
_log = logging.getLogger("ringtape.app")
_LOG_EVERY_S = 10.0


class AppHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The health of everything at one moment."""

    uptime_s: float
    connections: tuple[Health, ...]
    strategies: tuple[StrategyHealth, ...]
    gaps: tuple[Gap, ...]
    """What did not come and is neither filled nor given up, oldest first."""
    lost: Mapping[str, int]
    """Records that hooks have missed, by kind: more came between two flushes than the engine's event rings hold."""
    engine: Mapping[str, Any]
    """The engine's counters, as `Engine.stats` returns them."""
    loop_lag_ns: int = 0
    """By how much the last timer of the loop came late: what a hook or another task held it up. Taken every 250 ms."""
    loop_lag_max_ns: int = 0
    """The most since the start."""
    clock_steps: int = 0
    """How often this machine's clock was set by more than 1 s."""

    @property
    def is_live(self) -> bool:
        """True while there are connections and every one is live or covered: nothing that was asked for is missing."""
        live = [each.covered or each.state is FeedState.LIVE for each in self.connections]
        return bool(live) and all(live)


class App:
    """Feeds, rules, strategies and alert sinks around one engine.

    Parameters
    ----------
    feeds
        Such as ``ringtape.feeds.Massive("stocks", ["T.*"])``.
    strategies
        Instances of `Strategy`; they run inline, on the feeds' loop.
    rules
        A rule file, or a compiled rule set; its alerts go to `Strategy.on_signals` and to `alerts`.
    shared
        Name under which other processes attach to the engine, see `ringtape.attach`; None for private memory.
    engine
        An engine to use; None creates one from `engine_options`.
    alerts
        Functions called as ``sink(ctx, signals)`` for every batch with signals.
    state
        A folder for what outlives a restart: gaps in ``gaps.jsonl``, what owners subscribe in
        ``subscriptions.json``. Made if it is not there; None keeps nothing.
    backfill
        Repair gaps from the venues' REST interfaces, see docs/gaps.md: a source for each venue, such as
        ``{"massive.stocks": MassiveHistory("stocks")}``, or True for the venues' own with the keys of the environment.
        Needs the extra ``rest``.
    repair
        Limits of the repair.
    limits
        Time and size limits of the connections.
    world
        Time, chance and sockets; for tests that bring their own.
    **engine_options
        ``bars``, ``windows``, ``max_symbols``, ``pin`` ... as `ringtape.Engine` takes them.

    Attributes
    ----------
    feeds, engine
        As given or made.
    rules
        The compiled rules, for those who put signals into words; None without any.

    Raises
    ------
    ConfigError
        A setting contradicts another, or a strategy is not usable.
    RuleError
        A rule does not compile.
    """

    def __init__(
        self,
        feeds: Iterable[Feed] = (),
        strategies: Iterable[Strategy] = (),
        rules: str | os.PathLike[str] | RuleSet | None = None,
        shared: str | None = None,
        *,
        engine: Engine | None = None,
        alerts: Iterable[AlertSink] = (),
        state: str | os.PathLike[str] | None = None,
        backfill: Mapping[str, Source] | bool = False,
        repair: RepairOptions | None = None,
        limits: Limits | None = None,
        world: World | None = None,
        **engine_options: Any,  # noqa: ANN401 - the engine checks them
    ) -> None:
        if shared is not None:
            engine_options["shared"] = shared
        if engine is not None and engine_options:
            given = ", ".join(engine_options)
            raise ConfigError(f"give an engine or its options ({given}), not both", "engine", "arguments")
        self.feeds = tuple(feeds)
        _refuse_repeats(self.feeds)
        self.engine = engine if engine is not None else Engine(**engine_options)
        self.rules: RuleSet | None = None if rules is None else _load_rules(rules)
        if self.rules is not None:
            self.engine.set_rules(self.rules)
        self._dispatcher = Dispatcher(self.engine, [*strategies, *_wrapped(alerts)], _Wishes(self))
        self._wishes = SubscriptionBook(self.feeds)
        self._next_observe = 0.0
        self._wishes_timer: asyncio.TimerHandle | None = None
        self._wishes_file = None if state is None else Path(state) / SUBSCRIPTIONS_FILE
        self._limits = limits
        world = world or World()
        self._time = SteadyTime(world)
        self._world = dataclasses.replace(world, time_ns=self._time)
        self._connections: dict[int, Connection] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._retired: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)
        self._stopping: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = 0.0
        self._lost: Counter[str] = Counter()
        self._live: set[Connection] = set()
        self._book = GapBook(state)
        self._load_wishes()
        self._outages = Outages(self.engine, self._book)
        self._backfill = backfill
        self._repair_options = repair
        self._pinned = tuple(engine_options.get("pin") or ())
        self._repairer: Repairer | None = None
        self._next_log: dict[tuple[str, str], float] = {}
        self._clocks: dict[str, ClockOffset] = {}
        self._quarantined = 0
        self._loop_lag_ns = self._loop_lag_max_ns = 0

    @classmethod
    def from_settings(cls, settings: Settings, **options: Any) -> Self:  # noqa: ANN401 - as the constructor takes them
        """Return an app for settings that `ringtape.config.load` has read; `options` go to the constructor."""
        feeds: list[Feed] = [
            Massive(each.market, each.subscriptions, each.url, key_file=each.key_file, feed=each.feed)
            for each in settings.feeds.massive
        ]
        feeds += [
            Binance(
                each.market,
                each.streams,
                each.url,
                streams_per_connection=each.streams_per_connection,
                user_data=each.user_data,
                key_file=each.key_file,
            )
            for each in settings.feeds.binance
        ]
        options = {"state": settings.state, "backfill": settings.backfill, **options}
        return cls(feeds, rules=settings.rules, **msgspec.structs.asdict(settings.engine), **options)

    def run(self) -> None:
        """Run on uvloop until SIGINT, SIGTERM or `stop`; ends within 2 s of either, whatever the connections do.

        Raises
        ------
        FeedError
            Every feed has given up; the last reason.
        """
        with contextlib.suppress(asyncio.CancelledError):  # the second signal's way out
            uvloop.run(self._run_with_signals())

    async def serve(self) -> None:
        """Run inside the running loop until `stop` or until cancelled. Takes no signals.

        Raises
        ------
        ConfigError
            A feed cannot start, such as one without a key; nothing was started then.
        FeedError
            Every feed has given up; the last reason.
        """
        if self._stopping is not None:
            raise ConfigError("the app is running already", "serve")
        for feed in self.feeds:
            feed.check()
        self._stopping = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._started = self._world.monotonic()
        self._connections.clear()
        self._book.end_all(self._world.time_ns())
        self._numbers = itertools.count(1)
        self._dispatcher.start()
        try:
            await self._serve_until_stopped(self._stopping)
        finally:
            await self._close()

    def stop(self) -> None:
        """End `run` or `serve`, from any thread; does nothing while neither runs."""
        if self._loop is not None and self._stopping is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                self._loop.call_soon_threadsafe(self._stopping.set)

    def health(self) -> AppHealth:
        """Return a snapshot of every connection, every strategy and the engine's counters. Cheap; any time."""
        return AppHealth(
            uptime_s=self._world.monotonic() - self._started if self._stopping is not None else 0.0,
            connections=tuple(connection.health for connection in self._connections.values()),
            strategies=tuple(self._dispatcher.health()),
            gaps=self._book.open_gaps,
            lost=dict(self._lost),
            engine=self.engine.stats(),
            loop_lag_ns=self._loop_lag_ns,
            loop_lag_max_ns=self._loop_lag_max_ns,
            clock_steps=self._time.steps,
        )

    def subscribe(
        self,
        names: Iterable[str],
        *,
        owner: str = "user",
        kind: OwnerKind | str = OwnerKind.PIN,
        venue: str | None = None,
        ttl: float | None = None,
        score: float = 0.0,
    ) -> None:
        """Want subscriptions for an owner, such as ``["T.AAPL"]``; see docs/feeds.md. The loop's thread only.

        Parameters
        ----------
        names
            As the venue writes them.
        owner
            In whose name; only the same owner gives them back.
        kind, score
            How important: by kind (``system pin hold chart rule list``), then the higher score.
        venue
            May be left out where there is one feed.
        ttl
            Seconds until they end by themselves; asked for again, they live longer. None until `release`.

        Raises
        ------
        SubscriptionError
            A name is not one of the venue's; nothing has changed then.
        ConfigError
            No such venue, kind or time.
        """
        now = self._world.monotonic()
        self._wishes.claim(owner, names, now, kind=kind, venue=venue, ttl_s=ttl, score=score)
        self._schedule_wishes()

    def release(self, owner: str = "user", names: Iterable[str] | None = None, *, venue: str | None = None) -> None:
        """Give back what an owner wants: some names, or all. The loop's thread only."""
        self._wishes.release(owner, self._world.monotonic(), names, venue)
        self._schedule_wishes()

    def subscriptions(self) -> tuple[Subscription, ...]:
        """Return every subscription: who wants it, whether the venue was asked and has confirmed it.

        By feed, the most important first. The loop's thread only; reads a value of each name.
        """
        self._wishes.observe(self._world.time_ns())
        return self._wishes.table(self._world.monotonic(), self._last_data)

    def _last_data(self, venue: str, name: str) -> int:
        """Return the venue's time of the newest trade, for a name that is of one symbol's trades; else 0."""
        symbols = channels_of([name]).get("trades")
        if not symbols:
            return 0
        try:
            newest = self.engine.get(f"{venue}:{symbols[0]}", "last_time")
        except UnknownSymbol:
            return 0
        return 0 if newest is None else int(newest)

    def _load_wishes(self) -> None:
        """Take up the subscriptions of the last process; those of strategies that are not there any more are over."""
        if self._wishes_file is None or not self._wishes_file.exists():
            return
        here = {f"strategy:{health.name}" for health in self._dispatcher.health()}
        errors = self._wishes.load(
            self._wishes_file.read_bytes(),
            self._world.monotonic(),
            self._world.time_ns(),
            lambda owner: not owner.startswith("strategy:") or owner in here,
        )
        for error in errors:
            _log.warning("subscriptions: %s", error)

    def _schedule_wishes(self) -> None:
        """Set the timer to the book's deadline; while the app does not run, `serve` does."""
        if self._wishes_timer is not None:
            self._wishes_timer.cancel()
            self._wishes_timer = None
        deadline = self._wishes.deadline()
        if self._loop is not None and deadline is not None:
            delay = max(deadline - self._world.monotonic(), 0.0) + TIMER_GRAIN_S
            self._wishes_timer = self._loop.call_later(delay, self._tick_wishes)

    def _tick_wishes(self) -> None:
        for error in self._wishes.tick(self._world.monotonic()):
            self._log_seldom(logging.WARNING, error.venue, "subscription", str(error))
        self._save_wishes()
        self._schedule_wishes()

    def _save_wishes(self) -> None:
        """Write the claims; a disk that is full must not end a feed."""
        if self._wishes_file is None:
            return
        fresh = self._wishes_file.with_suffix(".tmp")
        data = self._wishes.dump(self._world.monotonic(), self._world.time_ns())
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            with open(fresh, "wb", opener=lambda name, _: os.open(name, flags, 0o600)) as file:
                file.write(data)
            fresh.replace(self._wishes_file)
        except OSError as error:
            self._log_seldom(logging.WARNING, "subscriptions", "not kept", f"{fresh}: {error.strerror}")

    # What the connections report to (`ringtape.feeds.connection.Hub`).

    def flush(self, recv_ns: int) -> Batch:
        """Drain the engine and hand the batch round: control messages first, then hooks and sinks.

        For connections; users have no need to call it.
        """
        batch: Batch = self.engine.drain()
        for control in batch.control:
            connection = self._connections.get(control.conn)
            if connection is not None:
                connection.on_control(control)
        if lost := batch.lost:
            self._lost.update(lost)
            self._log_seldom(logging.WARNING, "engine", "lost", f"hooks missed {sum(lost.values())} records")
        self._dispatcher.dispatch(batch, recv_ns)
        if len(batch.levels):
            self._tell(self._outages.depth(batch.levels, _VENUE_NAMES))
        return batch

    def connection_changed(self, connection: Connection) -> None:
        """Log a connection's new state and tell the strategies. For connections."""
        name, monitor = connection.session.name, connection.monitor
        self._log_seldom(logging.INFO, name, monitor.state, monitor.detail)
        if monitor.state in _FLOWING or connection.session.loss_is_gap:
            self._mark_gap(connection)
        # What a lost connection had confirmed is forgotten, however short the loss.
        self._wishes.observe(self._world.time_ns())
        self._dispatcher.connection(name, monitor.state)

    def _mark_gap(self, connection: Connection) -> None:
        """Note what is missed: all of a connection from when nothing comes any more until it does again."""
        state, session = connection.monitor.state, connection.session
        if state in _FLOWING:
            self._live.add(connection)
            self._outages.live(session, self._world.monotonic())
        elif connection in self._live and state is not FeedState.STOPPED:
            self._live.discard(connection)
            (feed,) = (feed for feed in self.feeds if feed.venue == session.venue)
            last_ns = connection.monitor.last_data_ns
            silent_ns = self._world.time_ns() - last_ns if last_ns else 0
            self._tell(self._outages.lost(feed, session, silent_ns, connection.monitor.last_event_ns))

    def _tell(self, gaps: Iterable[Gap]) -> None:
        """Log gaps, hand them to the strategies, and have those repaired that are over."""
        for gap in gaps:
            self._log_seldom(logging.WARNING, gap.venue, f"gap {gap.state}", str(gap))
            self._dispatcher.gap(gap)
            if self._repairer is not None and gap.state == "open":
                self._repairer.submit(gap)

    def _repaired(self, gap: Gap | None) -> None:
        """Hand on what a repair has changed."""
        self.flush(self._world.time_ns())
        if gap is not None:
            self._tell([gap])

    def connection_warned(self, connection: Connection, error: FeedError) -> None:
        """Log an error that a connection survived. For connections."""
        self._log_seldom(logging.WARNING, connection.session.name, "warning", str(error))

    def _log_seldom(self, level: int, name: str, what: str, detail: str) -> None:
        """Write at most one line for a connection and state in ten seconds: a flapping feed must not fill a disk."""
        now = self._world.monotonic()
        if now >= self._next_log.get((name, what), 0.0):
            self._next_log[name, what] = now + _LOG_EVERY_S
            _log.log(level, "%s: %s%s", name, what, f" ({detail})" if detail else "")

    async def _run_with_signals(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal, task)
        try:
            await self.serve()
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _on_signal(self, task: asyncio.Task[None] | None) -> None:
        """End in order at the first signal, without waiting at the second."""
        if self._stopping is not None and not self._stopping.is_set():
            self._stopping.set()
        elif task is not None:
            task.cancel()

    async def _serve_until_stopped(self, stopping: asyncio.Event) -> None:
        for feed in self.feeds:
            feed.on_change = self._sync_connections
        self._sync_connections()
        self._schedule_wishes()
        stopped = asyncio.create_task(stopping.wait())
        helpers = [asyncio.create_task(self._advance())]
        if sources := _sources(self.feeds, self._backfill):
            self._repairer = Repairer(
                self.engine,
                self._book,
                sources,
                self._repaired,
                pinned=self._pinned,
                options=self._repair_options,
            )
            helpers.append(asyncio.create_task(self._repairer.run()))
        try:
            while not stopping.is_set():
                running = [task for task in self._tasks.values() if not task.done()]
                if self._tasks and not running:
                    self._raise_failure()
                await asyncio.wait([stopped, *helpers, *running], timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
                for helper in helpers:
                    if helper.done():
                        helper.result()
        finally:
            self._repairer = None
            await _cancel([stopped, *helpers])

    def _sync_connections(self) -> None:
        """Start what the feeds want and is not there, end what they want no longer, and wake the others."""
        known = {id(connection.session): number for number, connection in self._connections.items()}
        for feed in self.feeds:
            for session in feed.sessions:
                number = known.pop(id(session), None)
                if number is None:
                    self._start_connection(session)
                else:
                    self._connections[number].wanted_changed()
        for number in known.values():
            self._retire(number)

    def _start_connection(self, session: Session) -> None:
        # A number is used once: frames of a connection that was retired are still told from those of its successor.
        number = next(self._numbers)
        connection = Connection(
            session,
            number,
            self.engine,
            self,
            limits=self._limits,
            world=self._world,
            clock=self._clocks.setdefault(session.venue, ClockOffset()),
        )
        self._connections[number] = connection
        task = self._tasks[number] = asyncio.create_task(connection.run(), name=session.name)
        task.add_done_callback(_report_end)

    def _retire(self, number: int) -> None:
        """End a connection in order, with a close frame; another one delivers what it did."""
        connection = self._connections.pop(number)
        task = self._tasks.pop(number)
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)
        task.cancel()
        self._live.discard(connection)
        heir = connection.session.heir
        stays = any(other.session is heir for other in self._connections.values())
        self._outages.retired(connection.session, heir if stays else None, self._world.monotonic())

    def _tick_feeds(self) -> None:
        now, unix_ns = self._world.monotonic(), self._world.time_ns()
        for feed in self.feeds:
            for line in feed.tick(now, unix_ns):
                _log.info("%s: %s", feed.venue, line)

    async def _advance(self) -> None:
        """Let the engine's time pass, so that windows decay and bars close without frames."""
        while True:
            due = self._world.monotonic() + ADVANCE_S
            await asyncio.sleep(ADVANCE_S)
            now_ns = self._world.time_ns()
            self._measure(due, now_ns)
            self.engine.advance(now_ns)
            self.flush(now_ns)
            self._tell(self._outages.tick(self._world.monotonic()))
            self._tick_feeds()

    def _measure(self, due: float, now_ns: int) -> None:
        """Take how late the loop is, whether the clock was set, and what waits in the sockets."""
        now = self._world.monotonic()
        self._loop_lag_ns = max(0, int((now - due) * 1e9))
        self._loop_lag_max_ns = max(self._loop_lag_max_ns, self._loop_lag_ns)
        self._look_at_clock()
        for connection in self._connections.values():
            connection.measure()
        # Rarer than the rest: it looks at every name.
        if now >= self._next_observe:
            self._next_observe = now + OBSERVE_S
            self._wishes.observe(now_ns)

    def _look_at_clock(self) -> None:
        """Tell of a clock that was set; follow it only where events come from the future: then it was wrong before."""
        if step_ns := self._time.take_step():
            _log.warning("clock: this machine's clock was set by %+.3f s; receive times go on as before", step_ns / 1e9)
            self._quarantined = self.engine.stats()["quarantined"]
        elif self._time.held_ns and self.engine.stats()["quarantined"] > self._quarantined:
            step_ns = self._time.follow()
            _log.warning("clock: events come from the future, so receive times follow, by %+.3f s", step_ns / 1e9)
            for clock in self._clocks.values():
                clock.stepped(step_ns)

    def _raise_failure(self) -> None:
        """Raise why the last connection gave up; called when none is left."""
        for task in reversed(self._tasks.values()):
            task.result()

    async def _close(self) -> None:
        for feed in self.feeds:
            feed.on_change = None
        await _cancel([*self._tasks.values(), *self._retired])
        self._tasks.clear()
        self._dispatcher.stop()
        # Hooks may have released: that is kept, and no timer outlives the loop.
        self._loop = None
        self._schedule_wishes()
        self._save_wishes()
        self._stopping = None


class _Wishes:
    """What strategies subscribe, as claims of the kind that is never evicted: they may hold a position."""

    def __init__(self, app: App) -> None:
        self._app = app

    def claim(self, owner: str, names: Iterable[str], *, venue: str | None, ttl: float | None) -> None:
        """Want names for a strategy."""
        self._app.subscribe(names, owner=owner, kind=OwnerKind.HOLD, venue=venue, ttl=ttl)

    def release(self, owner: str, names: Iterable[str] | None, *, venue: str | None) -> None:
        """Give back what a strategy wants."""
        self._app.release(owner, names, venue=venue)


class _AlertStrategy(Strategy):
    """An alert sink in the clothes of a strategy, so that it is measured and isolated like one."""

    def __init__(self, sink: AlertSink, name: str) -> None:
        self._sink = sink
        self.name = name

    def on_signals(self, ctx: Context, signals: Records) -> None:
        """Hand the signals on."""
        self._sink(ctx, signals)


def _refuse_repeats(feeds: Sequence[Feed]) -> None:
    """Two feeds of one market would decode into the same symbols twice, and on Massive evict each other."""
    venues = [feed.venue for feed in feeds]
    for venue in venues:
        if venues.count(venue) > 1:
            raise ConfigError(f"two feeds of {venue}: give all its subscriptions to one", "feeds", "arguments")


def _sources(feeds: Sequence[Feed], backfill: Mapping[str, Source] | bool) -> dict[str, Source]:  # noqa: FBT001
    """Return who is asked for the past of each venue."""
    if not isinstance(backfill, bool):
        for venue in backfill:
            if venue not in VENUES:
                raise ConfigError(f"backfill: no venue {venue!r}{suggest(venue, VENUES)}", "backfill", "arguments")
        return dict(backfill)
    if not backfill:
        return {}
    from .history import BinanceHistory, MassiveHistory  # noqa: PLC0415 - only apps that repair need it

    makers = {"massive": MassiveHistory, "binance": BinanceHistory}
    found: dict[str, Source] = {}
    for feed in feeds:
        if any(is_loopback(urlsplit(session.url).hostname or "") for session in feed.sessions):
            raise ConfigError(
                f"backfill: {feed.venue} comes from this machine; name who knows its past, such as"
                f' backfill={{"{feed.venue}": MassiveHistory(url="http://127.0.0.1:8080", key=...)}}',
                "backfill",
                "arguments",
            )
        house, _, market = feed.venue.partition(".")
        with contextlib.suppress(UnknownVenue):  # a market without a past that fits, such as indices
            found[feed.venue] = makers[house](market)
    return found


def _wrapped(sinks: Iterable[AlertSink]) -> Iterator[_AlertStrategy]:
    for number, sink in enumerate(sinks, start=1):
        yield _AlertStrategy(sink, f"alerts#{number} {getattr(sink, '__qualname__', type(sink).__name__)}")


def _load_rules(rules: str | os.PathLike[str] | RuleSet) -> RuleSet:
    if not isinstance(rules, str | os.PathLike):
        return rules
    from .scanner.rules import load  # noqa: PLC0415 - only apps with a rule file need the scanner

    compiled: RuleSet = load(rules)
    return compiled


def _report_end(task: asyncio.Task[None]) -> None:
    """Log why a connection gave up for good; the others go on."""
    if task.cancelled() or (error := task.exception()) is None:
        return
    _log.error("%s gave up: %s", task.get_name(), error, exc_info=None if isinstance(error, FeedError) else error)


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait for their end, for a limited time."""
    waiting: Sequence[asyncio.Task[Any]] = [task for task in tasks if not task.done()]
    for task in waiting:
        task.cancel()
    if waiting:
        await asyncio.wait(waiting, timeout=STOP_S)
