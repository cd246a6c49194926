"""``ringtape replay``: a capture through the engine, with a progress bar and a summary."""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ringtape import journal
from ringtape._native import Engine
from ringtape.errors import ConfigError
from ringtape.journal import replay as captures

__all__ = ["replay"]


def replay(
    file: Annotated[
        Path, typer.Argument(help="Capture: lines of receive time in ns, a blank, a frame; plain or gzip.")
    ],
    venue: Annotated[str | None, typer.Option(help="Venue id; by default told from the first frame.")] = None,
    rules: Annotated[Path | None, typer.Option(help="Rule file to run over the capture.")] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Previous closes: JSON {symbol: price}, or CSV with symbol and prev_close.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Run a recorded capture through the engine and print a summary."""
    market = venue or captures.guess_venue(file)
    engine = Engine()
    if reference is not None:
        engine.set_reference(read_reference(reference), market)
    if rules is not None:
        from ringtape.scanner.rules import load  # noqa: PLC0415 - most replays have no rules

        engine.set_rules(load(rules))
    done = _run(file, engine, market, quiet=json)
    if json:
        sys.stdout.buffer.write(msgspec.json.encode(done) + b"\n")
        return
    _print(done, engine)


def read_reference(path: Path) -> dict[str, float]:
    """Return previous closes by symbol from a JSON object or a CSV file with ``symbol`` and ``prev_close``.

    Raises
    ------
    ConfigError
        The file cannot be read or holds something else; the message names the place.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}", "reference", str(path)) from None
    if text.lstrip().startswith("{"):
        try:
            return msgspec.json.decode(text, type=dict[str, float])
        except msgspec.DecodeError as error:
            raise ConfigError(f"{path}: {error}", "reference", str(path)) from None
    rows = csv.DictReader(text.splitlines())
    if not {"symbol", "prev_close"} <= set(rows.fieldnames or ()):
        raise ConfigError(f"{path}: the first line must name symbol and prev_close", "reference", str(path))
    closes = {}
    for row in rows:
        try:
            closes[row["symbol"]] = float(row["prev_close"])
        except (TypeError, ValueError):
            why = f"{path}:{rows.line_num}: prev_close {row['prev_close']!r} is no number"
            raise ConfigError(why, "reference", str(path)) from None
    return closes


def _run(file: Path, engine: Engine, venue: str, *, quiet: bool) -> captures.Summary:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=quiet, transient=True) as progress:
        task = progress.add_task(f"{file.name} as {venue}", total=os.path.getsize(file))  # noqa: PTH202
        return captures.replay(file, engine, venue, on_progress=lambda at: progress.update(task, completed=at))


def _print(done: journal.replay.Summary, engine: Engine) -> None:
    stats = engine.stats()
    console = Console()
    shown = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    shown.add_column(justify="left")
    shown.add_column(justify="right")
    for name in ("frames", "events", "symbols", "bars", "alerts"):
        shown.add_row(name, f"{getattr(done, name):,}")
    for reason, count in stats["skipped"].items():
        shown.add_row(f"skipped, {reason}", f"{count:,}")
    for kind, sample in stats["rejected"].items():
        shown.add_row(f"rejected, {kind}", f"{sample['count']:,}")
    for name in ("gaps", "missing", "duplicates", "late", "out_of_order", "quarantined"):
        if stats[name]:
            shown.add_row(name.replace("_", " "), f"{stats[name]:,}")
    shown.add_row("seconds", f"{done.seconds:.2f}")
    shown.add_row("events/s", f"{done.events_per_s:,.0f}")
    console.print(shown)
