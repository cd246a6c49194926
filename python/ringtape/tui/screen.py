"""The scanner's screen: header, movers, alerts; drawn whole, four times a second."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo

import msgspec
from rich.console import Console
from rich.live import Live
from rich.text import Text

from ringtape import sessions
from ringtape.scanner import AlertFeed
from ringtape.venues import SESSION_VENUES

from . import format as show
from .tables import FULL_WIDTH, Mover, alert_lines, mover_lines

__all__ = ["REFRESH_S", "Clock", "Screen", "View", "draw"]

REFRESH_S = 0.25
"""Time between two drawings."""

_NS_PER_S = 1_000_000_000
_WIDE = 118
"""From this width on, alerts stand beside the movers; below it, under them."""
_HELP = " Ctrl-C ends"


class View(msgspec.Struct, kw_only=True):
    """Everything that one drawing shows."""

    venue: str
    now_ns: int
    """Engine time, Unix ns; 0 before the first event."""
    state: str
    """State of the feed, such as ``live``."""
    detail: str = ""
    """Why it is not live."""
    lag_ns: int | None = None
    """Receive time less venue time of a recent event."""
    events_per_s: float = 0.0
    events: int = 0
    symbols: int = 0
    rules: int = 0
    gaps: int = 0
    """Times that the connection was lost."""
    dropped: int = 0
    """Records lost by a slow reader, and events that were skipped."""
    movers: Sequence[Mover] = ()
    alerts: AlertFeed = msgspec.field(default_factory=AlertFeed)
    note: str = ""
    """The newest warning."""


class Clock:
    """Says where in its trading day a venue is.

    Parameters
    ----------
    venue
        Venue id, such as ``massive.stocks``.
    """

    def __init__(self, venue: str) -> None:
        self._venue = venue
        self._days: list[tuple[int, int, int, int, int]] = []
        self._until_ns = 0
        self.zone = UTC if venue not in SESSION_VENUES else ZoneInfo("America/New_York")

    def text(self, now_ns: int) -> str:
        """Return the session, the venue's time of day and how long since the open or until the next step."""
        if now_ns <= 0:
            return "--:--:--"
        at = datetime.fromtimestamp(now_ns // _NS_PER_S, UTC).astimezone(self.zone)
        if self._venue not in SESSION_VENUES:
            return f"24h {at:%H:%M:%S} UTC"
        return f"{self._session(now_ns)[0]} {at:%H:%M:%S} ET{self._session(now_ns)[1]}"

    def _session(self, now_ns: int) -> tuple[str, str]:
        if now_ns >= self._until_ns:
            self._days = sessions.days(self._venue, now_ns)
            self._until_ns = now_ns + 86_400 * _NS_PER_S
        for _, start, open_, close, end in self._days:
            if start <= now_ns < end:
                if now_ns < open_:
                    return "PRE", f" open-{_span(open_ - now_ns)}"
                if now_ns < close:
                    return "REG", f" open+{_span(now_ns - open_)}"
                return "POST", f" close+{_span(now_ns - close)}"
        return "CLOSED", ""


def _span(length_ns: int) -> str:
    return show.clock(length_ns // _NS_PER_S)


def draw(view: View, clock: Clock, width: int, height: int) -> Text:
    """Return the whole screen as text of `height` lines, none longer than `width`."""
    lines = [_header(view, clock, width), _rule(width)]
    room = height - 3
    draw_panes = _side_by_side if width >= _WIDE else _stacked
    lines.extend(draw_panes(view, clock, width, room))
    lines.append(_footer(view, width))
    return Text("\n", no_wrap=True, end="").join(lines)


class _Part(NamedTuple):
    """A piece of the header; the higher its rank, the sooner it leaves when room gets short."""

    text: str
    style: str
    rank: int


def _header(view: View, clock: Clock, width: int) -> Text:
    parts = _header_parts(view, clock)
    while len(parts) > 1 and sum(len(part.text) + 3 for part in parts) > width:
        parts.remove(max(parts, key=lambda part: part.rank))
    line = Text(" ", no_wrap=True, end="")
    for index, part in enumerate(parts):
        if index:
            line.append(" | ", style="dim")
        line.append(part.text, style=part.style)
    line.truncate(width)
    return line


def _header_parts(view: View, clock: Clock) -> list[_Part]:
    lag = show.UNDEFINED if view.lag_ns is None else f"{view.lag_ns / 1e6:.0f}ms"
    live = view.state == "live"
    state = f"feed {view.state}" if live or not view.detail else f"feed {view.state}: {view.detail}"
    lossy = "bold red" if view.gaps or view.dropped else ""
    return [
        _Part(view.venue, "bold", 6),
        _Part(clock.text(view.now_ns), "", 1),
        _Part(state, "green" if live else "bold red", 0),
        _Part(f"lag {lag}", "", 3),
        _Part(f"{show.quantity(round(view.events_per_s))} ev/s", "", 4),
        _Part(f"{view.symbols:,} sym {view.rules} rules", "", 5),
        _Part(f"gap {view.gaps} drop {show.quantity(view.dropped)}", lossy, 2),
    ]


def _rule(width: int) -> Text:
    return Text("─" * width, style="dim", no_wrap=True, end="")


def _footer(view: View, width: int) -> Text:
    text = f" {view.alerts.total} alerts | {show.quantity(view.events)} events | sorted by CHG%"
    room = max(0, width - len(_HELP) - 1)
    line = Text(f"{text:<{room}}{_HELP}", style="dim", no_wrap=True, end="")
    if view.note:
        line = Text(f" {' '.join(view.note.split())}", style="yellow", no_wrap=True, end="")
    line.truncate(width)
    return line


def _side_by_side(view: View, clock: Clock, width: int, height: int) -> list[Text]:
    left = mover_lines(view.movers, FULL_WIDTH, height)
    right_width = width - FULL_WIDTH - 3
    right = [_title(right_width), *alert_lines(view.alerts, right_width, height - 1, clock.zone)]
    lines = []
    for row in range(height):
        line = left[row].copy() if row < len(left) else Text(no_wrap=True, end="")
        line.pad_right(FULL_WIDTH - line.cell_len)
        line.append(" │ ", style="dim")
        if row < len(right):
            line.append_text(right[row])
        lines.append(line)
    return lines


def _stacked(view: View, clock: Clock, width: int, height: int) -> list[Text]:
    below = max(3, height // 3)
    above = max(2, height - below - 1)
    lines = mover_lines(view.movers, width, above)
    lines.extend(Text(no_wrap=True, end="") for _ in range(above - len(lines)))
    lines.append(_title(width))
    lines.extend(alert_lines(view.alerts, width, below, clock.zone))
    lines.extend(Text(no_wrap=True, end="") for _ in range(height - len(lines)))
    return lines[:height]


def _title(width: int) -> Text:
    return Text(f"{'ALERTS':<{width}}"[:width], style="bold", no_wrap=True, end="")


class Screen:
    """The terminal while the scanner runs: takes the alternate screen and gives it back.

    Parameters
    ----------
    venue
        Venue id whose clock the header shows.
    console
        Where to draw; rich's own choice by default, which honours ``NO_COLOR`` and ``COLUMNS``.
    """

    def __init__(self, venue: str, console: Console | None = None) -> None:
        self.console = console or Console()
        self._clock = Clock(venue)
        self._live = Live(console=self.console, screen=True, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, view: View) -> None:
        """Draw a view now. Blocks for some milliseconds; call it at most every `REFRESH_S`."""
        width, height = self.console.size
        self._live.update(draw(view, self._clock, width, height), refresh=True)
