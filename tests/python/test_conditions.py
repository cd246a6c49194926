"""The condition table of the engine against the vendor's stored response, row by row, through the public face.

Two trades of XYZ on Friday 2026-11-20: a plain one, then one with the condition. The csv's consolidated flags say what
the second may move. Where the table of `scanner.md` 1.0.4 says more than the csv can, the case stands below as data.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

import ringtape as rt

VENUE = "massive.stocks"
REGULAR_NS = 1_795_190_400_000_000_000  # 2026-11-20 11:00 in New York
EARLY_NS = REGULAR_NS - 3 * 3_600_000_000_000  # 08:00, before the regular session
PLAIN, ABOVE, BELOW = 10.0, 11.0, 9.0

# The vendor's booleans flatten two footnotes that the SIP specifications and the vendor's own bars keep.
FIRST_OF_DAY = {
    5: "bunched sold: last as the first print of the day",
    10: "derivatively priced: last as the first print of the day",
    22: "prior reference price: last as the first print of the day",
}
SOLD_OUT_OF_SEQUENCE = {
    32: "may be last as the first print of the day, but is late by its meaning, and a late print is no last",
    33: "the same, with stopped stock",
}
OUTSIDE_REGULAR = {12: "Form T: moves prices outside regular hours, as the vendor's own minute bars do"}
NOT_EVEN_THERE = {13: "extended hours, out of sequence: the vendor gives it no such grace"}
NO_VWAP = {
    **dict.fromkeys((10, 22), "priced elsewhere or earlier"),
    **dict.fromkeys((2, 7, 13, 20, 21, 29, 52, 53), "price set elsewhere or at another time"),
    **dict.fromkeys((15, 16, 38), "repeats a price, adds no volume"),
}


class Moves(NamedTuple):
    high_low: bool
    last: bool
    volume: bool


def rows() -> list[tuple[int, str, Moves]]:
    """Read id, name and consolidated rights; markers without rules have every right."""
    path = Path(__file__).parents[3] / "shared" / "facts" / "massive_trade_conditions.csv"
    with path.open(encoding="utf-8") as file:
        return [
            (
                int(row["id"]),
                row["name"],
                Moves(*(row[key] != "0" for key in ("c_high_low", "c_open_close", "c_volume"))),
            )
            for row in csv.DictReader(file)
        ]


ROWS = rows()
IDS = {condition for condition, _, _ in ROWS}


def engine_after(*trades: tuple[float, Sequence[int]], start_ns: int = REGULAR_NS) -> rt.Engine:
    engine = rt.Engine(max_symbols=8, max_bars=8)
    for number, (price, conditions) in enumerate(trades):
        at = start_ns + number * 1_000_000_000
        event = {"ev": "T", "sym": "XYZ", "x": 4, "p": price, "s": 100, "c": conditions, "t": at // 1_000_000}
        assert engine.feed(json.dumps([{**event, "q": number + 1, "z": 3}]).encode(), VENUE, at) == 1
    return engine


def moves(condition: int, start_ns: int, high: str, low: str) -> Moves:
    """Return what a trade with the condition moves after a plain one."""
    plain = (PLAIN, [12] if start_ns == EARLY_NS else [])
    up = engine_after(plain, (ABOVE, [condition]), start_ns=start_ns)
    down = engine_after(plain, (BELOW, [condition]), start_ns=start_ns)
    moved_high, moved_low = up.get("XYZ", high) == ABOVE, down.get("XYZ", low) == BELOW
    assert moved_high == moved_low
    volume = up.get("XYZ", "volume")
    assert volume in {100, 200}
    return Moves(moved_high, up.get("XYZ", "last") == ABOVE, volume == 200)


def test_the_table_is_the_whole_response() -> None:
    assert len(ROWS) == len(IDS) == 55
    assert {*FIRST_OF_DAY, *SOLD_OUT_OF_SEQUENCE, *OUTSIDE_REGULAR, *NOT_EVEN_THERE, *NO_VWAP} <= IDS


@pytest.mark.parametrize(("condition", "name", "rights"), ROWS)
def test_second_trade_in_regular_hours(condition: int, name: str, rights: Moves) -> None:
    assert moves(condition, REGULAR_NS, "high", "low") == rights, name


@pytest.mark.parametrize(("condition", "name", "rights"), ROWS)
def test_second_trade_before_regular_hours(condition: int, name: str, rights: Moves) -> None:
    expected = Moves(high_low=True, last=True, volume=True) if condition in OUTSIDE_REGULAR else rights
    assert moves(condition, EARLY_NS, "high_day", "low_day") == expected, name


@pytest.mark.parametrize(("condition", "name", "rights"), ROWS)
def test_first_trade_of_the_day(condition: int, name: str, rights: Moves) -> None:
    engine = engine_after((ABOVE, [condition]))
    becomes_last = engine.get("XYZ", "last") == ABOVE
    assert becomes_last == (rights.last or condition in FIRST_OF_DAY), name


@pytest.mark.parametrize(("condition", "name", "rights"), ROWS)
def test_vwap(condition: int, name: str, rights: Moves) -> None:
    engine = engine_after((PLAIN, []), (ABOVE, [condition]))
    expected = PLAIN if condition in NO_VWAP else (PLAIN + ABOVE) / 2
    assert engine.get("XYZ", "vwap") == expected, name


@pytest.mark.parametrize(("condition", "name", "rights"), ROWS)
def test_any_no_wins(condition: int, name: str, rights: Moves) -> None:
    """An odd lot beside it takes the prices away, a corrected close the volume."""
    odd = engine_after((PLAIN, []), (ABOVE, [condition, 37]))
    assert (odd.get("XYZ", "high"), odd.get("XYZ", "last")) == (PLAIN, PLAIN), name
    corrected = engine_after((PLAIN, []), (ABOVE, [38, condition]))
    assert corrected.get("XYZ", "volume") == 100, name


def test_an_unknown_condition_takes_no_right_and_is_counted() -> None:
    unknown = next(number for number in range(1, 72) if number not in IDS)
    engine = engine_after((PLAIN, []), (ABOVE, [unknown]))
    assert (engine.get("XYZ", "high"), engine.get("XYZ", "last"), engine.get("XYZ", "volume")) == (ABOVE, ABOVE, 200)
    assert engine.stats()["unknown_conditions"] == 1
