"""``ringtape fields``: the catalogue of fields."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from ringtape import _native
from ringtape.errors import UnknownField, nearest

__all__ = ["fields"]


def fields(
    name: Annotated[str | None, typer.Argument(help="Only the fields of this name.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON array and nothing else.")] = False,
) -> None:
    """List the fields that rules, tables and strategies can name."""
    lines = _native.fields()
    if name is not None:
        known = {line["name"] for line in lines}
        if name not in known:
            raise UnknownField(name, nearest(name, known))
        lines = [line for line in lines if line["name"] == name]
    if json:
        sys.stdout.buffer.write(msgspec.json.encode(lines) + b"\n")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("field", "unit", "in", "formula", "undefined when"):
        table.add_column(title, overflow="fold")
    for line in lines:
        table.add_row(line["name"] + line["args"], line["unit"], line["inputs"], line["formula"], line["undefined"])
    Console().print(table)
