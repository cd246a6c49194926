"""The panes of the screen as lines of text: the table of movers and the feed of alerts.

WHY NOT rich's Table: it measures every cell on every refresh, and the screen shares its thread with the feed. Columns
here have fixed widths, so a row is joined once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

from ringtape.scanner import Alert, Folded

from . import format as show

__all__ = [
    "COLUMNS",
    "FIELDS",
    "FULL_WIDTH",
    "WINDOWS",
    "Column",
    "Mover",
    "Table",
    "alert_lines",
    "fit",
    "mover_lines",
    "movers",
]

_NS_PER_S = 1_000_000_000


class Column(NamedTuple):
    """A column of the table of movers."""

    title: str
    field: str
    width: int
    show: Callable[[float | None], str]
    scale: float
    """What counts as a strong value, for colour; 0 for none."""
    keep: int
    """The lower, the longer the column stays when room gets short."""


COLUMNS = (
    Column("LAST", "last", 8, show.price, 0, 0),
    Column("CHG%", "change", 6, show.percent, 0.10, 0),
    Column("1m%", "change(1m)", 5, show.percent, 0.02, 2),
    Column("5m%", "change(5m)", 5, show.percent, 0.04, 3),
    Column("VOL", "volume", 5, show.quantity, 0, 1),
    Column("$VOL", "dollar_volume", 5, show.quantity, 0, 5),
    Column("VWAP%", "vwap_dist", 5, show.percent, 0.05, 4),
    Column("SPRbp", "spread_bps", 5, show.basis_points, 0, 6),
    Column("POS", "pos_range", 3, show.position, 0, 7),
    Column("AGE", "last_age", 4, show.age, 0, 8),
)
FIELDS = tuple(column.field for column in COLUMNS)
"""The fields that the table reads of the engine."""
WINDOWS = ("1m", "5m")
"""The windows that the engine must keep for them."""
_RANK_WIDTH, _SYMBOL_WIDTH = 3, 7


class Table(Protocol):
    """Some fields of every symbol, as `Engine.table` gives them."""

    def __len__(self) -> int:
        """Return the number of symbols."""

    def __getitem__(self, name: str, /) -> NDArray[Any]:
        """Return the column of a field, or ``symbol``."""


class Mover(NamedTuple):
    """A row of the table."""

    symbol: str
    values: Mapping[str, float]


def movers(table: Table, by: str = "change", most: int = 50) -> list[Mover]:
    """Return the symbols with the highest values of a field, highest first; undefined ones come last.

    Ties keep the order of the table. Cost: one sort of the column.
    """
    order = np.argsort(-np.asarray(table[by], dtype=np.float64), kind="stable")[:most]
    columns = {field: np.asarray(table[field], dtype=np.float64)[order] for field in FIELDS}
    names = np.asarray(table["symbol"])[order]
    return [
        Mover(str(name), {field: float(column[row]) for field, column in columns.items()})
        for row, name in enumerate(names)
    ]


def fit(width: int) -> tuple[Column, ...]:
    """Return the columns that fit into `width` characters; the least important leave first."""
    columns = sorted(COLUMNS, key=lambda column: column.keep)
    while len(columns) > 1 and _needed(columns) > width:
        columns.pop()
    return tuple(column for column in COLUMNS if column in columns)


def _needed(columns: Iterable[Column]) -> int:
    return _RANK_WIDTH + 1 + _SYMBOL_WIDTH + sum(column.width + 1 for column in columns)


FULL_WIDTH = _needed(COLUMNS)
"""Characters that the table takes with all its columns."""


def mover_lines(rows: Iterable[Mover], width: int, height: int) -> list[Text]:
    """Return the table as at most `height` lines of `width` characters, headings first."""
    columns = fit(width)
    lines = [_heading(columns)]
    lines.extend(_mover_line(rank, row, columns) for rank, row in enumerate(rows, 1))
    return lines[:height]


def _heading(columns: Iterable[Column]) -> Text:
    cells = [f"{'#':>{_RANK_WIDTH}}", f"{'SYM':<{_SYMBOL_WIDTH}}", *(f"{c.title:>{c.width}}" for c in columns)]
    return Text(" ".join(cells), style="bold", no_wrap=True, end="")


def _mover_line(rank: int, row: Mover, columns: Iterable[Column]) -> Text:
    line = Text(f"{rank:>{_RANK_WIDTH}} ", no_wrap=True, end="")
    line.append(f"{row.symbol[:_SYMBOL_WIDTH]:<{_SYMBOL_WIDTH}}", style="bold")
    for column in columns:
        value = row.values[column.field]
        style = show.sign_style(value, column.scale) if column.scale else ""
        line.append(f" {column.show(value):>{column.width}}", style=style)
    return line


_SEVERITY = {"low": ("·", ""), "medium": ("•", "yellow"), "high": ("!", "bold color(208)")}


def alert_lines(feed: Iterable[Folded], width: int, height: int, zone: tzinfo = UTC) -> list[Text]:
    """Return the newest alerts as at most `height` lines of `width` characters, newest first."""
    lines: list[Text] = []
    for folded in feed:
        if len(lines) >= height:
            break
        lines.append(_alert_line(folded, width, zone))
    return lines


def _alert_line(folded: Folded, width: int, zone: tzinfo) -> Text:
    alert = folded.alert
    mark, style = _SEVERITY.get(alert.severity, ("?", ""))
    at = datetime.fromtimestamp(alert.ts_event // _NS_PER_S, UTC).astimezone(zone)
    counter = f" x{folded.count}" if folded.count > 1 else ""
    line = Text(f"{at:%H:%M:%S} ", no_wrap=True, end="")
    line.append(f"{mark} ", style=style)
    line.append(f"{alert.symbol[:_SYMBOL_WIDTH]:<{_SYMBOL_WIDTH}} ", style="bold")
    line.append(alert.title, style=style)
    line.truncate(width - len(counter))
    line.append(counter, style="bold")
    for text, style in _figures(alert):
        # A figure that is cut off would be a wrong figure: it is left out instead.
        if line.cell_len + len(text) > width:
            break
        line.append(text, style=style)
    return line


def _figures(alert: Alert) -> Iterator[tuple[str, str]]:
    yield f" {show.price(alert.price)}", ""
    yield f" {show.percent(alert.change)}%", show.sign_style(alert.change, 0.10)
    for field, value in alert.shown:
        yield f"  {field} {_by_field(field, value)}", "dim"


def _by_field(field: str, value: float | None) -> str:
    """Return a value in the form that its field has in the table; a plain number for other fields."""
    for column in COLUMNS:
        if column.field.partition("(")[0] == field.partition("(")[0]:
            return f"{column.show(value)}%" if column.show is show.percent else column.show(value)
    return show.quantity(value)
