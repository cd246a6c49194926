"""The scanner at work: an app with rules, drawn on a terminal or written as lines."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import signal
import time
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import uvloop
from rich.console import Console

from ringtape._native import Engine
from ringtape.app import App
from ringtape.feeds import Feed
from ringtape.journal.replay import Summary, summary
from ringtape.scanner import AlertFeed, Alerts
from ringtape.strategy.base import Context, Records

from .screen import REFRESH_S, Clock, Screen, View
from .tables import FIELDS, WINDOWS, alert_lines, movers

if TYPE_CHECKING:
    from ringtape._native import RuleSet

__all__ = ["Live"]

_LINE_WIDTH = 100
_RATE_OVER_S = 2.0
_NEWS_S = 10.0


class Live:
    """A feed, an engine with rules, and someone who watches.

    On a terminal the watcher sees the screen; elsewhere each alert is a line, unless `quiet`.

    Parameters
    ----------
    feed
        The feed to scan.
    rules
        Compiled rules.
    console
        Where to draw or write.
    quiet
        Write no lines where the console is no terminal.
    shared
        Name under which other processes can attach to the engine.
    """

    def __init__(
        self, feed: Feed, rules: RuleSet, console: Console, *, quiet: bool = False, shared: str | None = None
    ) -> None:
        self.engine = Engine(windows=WINDOWS, shared=shared)
        self.app = App([feed], rules=rules, engine=self.engine, alerts=[self._take])
        self._venue = feed.venue
        self._rules = len(rules)
        self._make = Alerts(rules, self.engine)
        self._alerts = AlertFeed()
        self._console = console
        self._quiet = quiet
        self._clock = Clock(feed.venue)
        self._counts: deque[tuple[float, int]] = deque()
        self._notes = _Notes()

    def run(self, seconds: float | None = None) -> Summary:
        """Run until Ctrl-C, a termination signal or, if given, for some seconds; return what was done.

        Raises
        ------
        FeedError
            The feed has given up; the reason.
        """
        started = time.monotonic()
        with contextlib.suppress(asyncio.CancelledError):  # the second signal's way out
            uvloop.run(self._main(seconds))
        return summary(self.engine, time.monotonic() - started)

    def _take(self, _: Context, signals: Records) -> None:
        for alert in self._make(signals):
            self._alerts.add(alert)
            if not self._console.is_terminal and not self._quiet:
                newest = next(iter(self._alerts))
                (line,) = alert_lines([newest], _LINE_WIDTH, 1, self._clock.zone)
                print(line.plain, file=self._console.file, flush=True)

    async def _main(self, seconds: float | None) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        task = asyncio.current_task()

        def on_signal() -> None:
            if stop.is_set() and task is not None:
                task.cancel()
            stop.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, on_signal)
        try:
            await self._until(stop, seconds)
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    async def _until(self, stop: asyncio.Event, seconds: float | None) -> None:
        """Run the app and the screen until one of them ends or `stop` is set; whatever failed is raised."""
        work = [asyncio.create_task(self.app.serve()), asyncio.create_task(self._watch())]
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([*work, stopped], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in (*work, stopped):
                each.cancel()
            results = await asyncio.gather(*work, stopped, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result

    async def _watch(self) -> None:
        if not self._console.is_terminal:
            return await _forever()
        with self._notes.listening(), Screen(self._venue, self._console) as screen:
            while True:
                screen.show(self.view())
                await asyncio.sleep(REFRESH_S)

    def view(self) -> View:
        """Return what the screen shows now."""
        health = self.app.health()
        stats = health.engine
        connection = health.connections[0] if health.connections else None
        return View(
            venue=self._venue,
            now_ns=stats["venues"].get(self._venue, {}).get("now", 0),
            state=str(connection.state) if connection else "starting",
            detail=connection.detail if connection else "",
            lag_ns=connection.lag_ns if connection else None,
            events_per_s=self._rate(stats["events"]),
            events=stats["events"],
            symbols=stats["symbols"],
            rules=self._rules,
            gaps=stats["gaps"] + (connection.losses if connection else 0),
            dropped=stats["frames_rejected"] + stats["events_skipped"],
            movers=movers(self.engine.table(FIELDS), most=self._console.height),
            alerts=self._alerts,
            note=self._notes.latest(),
        )

    def _rate(self, events: int) -> float:
        """Return events a second over the last two seconds."""
        now = time.monotonic()
        self._counts.append((now, events))
        while now - self._counts[0][0] > _RATE_OVER_S:
            self._counts.popleft()
        then, before = self._counts[0]
        return (events - before) / (now - then) if now > then else 0.0


class _Notes(logging.Handler):
    """Keeps the newest log message for the screen, which log lines would tear up."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._text = ""
        self._at = -math.inf

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        self._text, self._at = record.getMessage(), time.monotonic()

    def latest(self) -> str:
        """Return the newest message while it is news, else nothing."""
        return self._text if time.monotonic() - self._at < _NEWS_S else ""

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take the messages of ringtape, and keep them from the terminal."""
        logger = logging.getLogger("ringtape")
        logger.addHandler(self)
        propagate, logger.propagate = logger.propagate, False
        try:
            yield
        finally:
            logger.propagate = propagate
            logger.removeHandler(self)


async def _forever() -> None:
    await asyncio.Event().wait()
