"""The hostile set of ``tests/fixtures/hostile.txt``, in the notation told at its head."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Case", "cases"]

PIECE = re.compile(r"<(?:(?P<bytes>[0-9A-F]{2}(?: [0-9A-F]{2})*)>|(?P<times>[0-9]+)\*)")
MARKETS = {
    "both": ("massive.stocks", "binance.usdm"),
    "stocks": ("massive.stocks",),
    "options": ("massive.options",),
    "crypto": ("massive.crypto",),
    "forex": ("massive.forex",),
    "indices": ("massive.indices",),
    "futures": ("massive.futures",),
    "usdm": ("binance.usdm",),
    "spot": ("binance.spot",),
    "coinm": ("binance.coinm",),
}


@dataclass
class Case:
    """One frame with its label, its stated outcome and the venues it is for."""

    venues: tuple[str, ...]
    outcome: str
    label: str
    frame: bytes


def cases(path: Path) -> list[Case]:
    """Return the frames of the file."""
    names: dict[str, str] = {}
    found = []
    for line in path.read_text(encoding="ascii").splitlines():
        if line.startswith("$"):
            name, _, value = line[1:].partition(" = ")
            names[name] = value
        elif line and not line.startswith("#"):
            market, outcome, label, text = line.split(" | ", 3)
            text = re.sub(r"<\$(\w+)>", lambda match: names[match[1]], text)
            found.append(Case(MARKETS[market], outcome, label, expand(text, 0, inside=False)[0]))
    return found


def expand(text: str, at: int, *, inside: bool) -> tuple[bytes, int]:
    """Return the bytes that a text stands for, up to its end or to the ``>`` of a repetition."""
    parts = []
    while at < len(text):
        if inside and text[at] == ">":
            return b"".join(parts), at + 1
        piece = PIECE.match(text, at)
        if not piece:
            parts.append(text[at].encode("ascii"))
            at += 1
        elif piece["bytes"]:
            parts.append(bytes.fromhex(piece["bytes"]))
            at = piece.end()
        else:
            again, at = expand(text, piece.end(), inside=True)
            parts.append(again * int(piece["times"]))
    return b"".join(parts), at
