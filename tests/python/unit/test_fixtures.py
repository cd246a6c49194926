"""Every captured or published frame says what its fixture states, field by field: decoded, and fed and drained."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest

import ringtape as rt
from ringtape import _native, events

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
# What the engine writes into a record, and the decoder cannot know.
STAMPED = {"seq", "ts_recv", "symbol", "conn"}
# What stands for "not known" in arrays, by type.
UNSET = {"i": np.iinfo(np.int64).min, "u": np.iinfo(np.uint16).max}


def cases() -> Iterator[Any]:
    for path in sorted(FIXTURES.glob("*/*.json")):
        venue = f"{path.parent.name}.{path.stem}"
        for number, case in enumerate(json.loads(path.read_text(encoding="utf-8")), 1):
            yield pytest.param(venue, case, id=f"{venue}-{number}")


CASES = list(cases())


def said(event: Any) -> dict[str, Any]:
    """Return an event as its fixture states it: what is None, false or empty is left out."""
    plain = {"type": type(event).__name__, **msgspec.to_builtins(event)}
    lists = {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}
    return {name: value for name, value in lists.items() if value is not None and value is not False and value != []}


def told(control: rt.Control) -> Any:
    """Return a control message as its fixture states it."""
    if control.kind == "status":
        return [control.status, control.message]
    if control.kind == "reply":
        return {"kind": "reply", "id": control.id, "result": control.result}
    return {"kind": "error", "code": control.code, "message": control.message, "id": control.id}


@pytest.mark.parametrize(("venue", "case"), CASES)
def test_a_frame_says_what_its_fixture_states(venue: str, case: dict[str, Any]) -> None:
    decoded = rt.decode(case["frame"].encode(), venue)
    assert [skip.kind for skip in decoded.skipped] == case.get("skipped", [])
    wanted = [{"venue": venue, **event} for event in case.get("events", [])]
    for got, want in zip(map(said, decoded.events), wanted, strict=True):
        assert got == want
    assert list(map(told, decoded.control)) == case.get("control", [])
    assert wanted or case.get("control") or case.get("skipped")
    assert case["source"]


class Raw(str):
    """A number as it is written."""

    __slots__ = ()


def varied(item: Any, random: Random) -> str:
    """Return a JSON value in another form that means the same: order, blanks, escapes, doubled and unknown keys."""
    blank = random.choice(["", " ", "\n", "\t\r "])
    if isinstance(item, dict):
        members = [(key, varied(inner, random)) for key, inner in item.items()]
        random.shuffle(members)
        # The last of two wins, and nobody asks for `zz`.
        wrong = [
            (key, random.choice(["null", '"x"', "[[]]", "-1e5", "{}"])) for key, _ in members if random.random() < 0.2
        ]
        members = [*wrong, ("zz", '{"a":[1,"\\ud83d\\ude00",null,{}]}'), *members]
        return (
            "{" + ",".join(f"{blank}{escaped(key, random)}{blank}:{blank}{text}{blank}" for key, text in members) + "}"
        )
    if isinstance(item, list):
        return f"[{blank}" + f"{blank},".join(varied(inner, random) for inner in item) + f"{blank}]"
    if isinstance(item, Raw):
        return number(item, random)
    return escaped(item, random) if isinstance(item, str) else json.dumps(item)


def escaped(text: str, random: Random) -> str:
    return '"' + "".join(f"\\u{ord(c):04x}" if random.random() < 0.2 else json.dumps(c)[1:-1] for c in text) + '"'


def number(text: str, random: Random) -> str:
    """Return a number as it is, with an exponent, or with zeros behind it; integral floats are integers."""
    digits, _, exponent = text.partition("e")
    whole, _, fraction = digits.partition(".")
    if exponent or random.random() < 0.6:
        return text
    return random.choice([f"{text}e0", f"{whole}.{fraction}00", f"{int(whole + fraction)}E-{len(fraction)}"])


@pytest.mark.parametrize(("venue", "case"), CASES)
def test_what_may_vary_changes_nothing(venue: str, case: dict[str, Any]) -> None:
    random = Random(7)
    plain = json.loads(case["frame"], parse_float=Raw, parse_int=Raw)
    wanted = rt.decode(case["frame"].encode(), venue)
    for _ in range(30):
        frame = varied(plain, random)
        got = rt.decode(frame.encode(), venue)
        assert [skip.reason for skip in got.skipped] == [skip.reason for skip in wanted.skipped], frame
        assert got.events == wanted.events, frame
        assert list(map(repr, got.control)) == list(map(repr, wanted.control)), frame


def value(cell: Any) -> Any:
    """Return a cell of an array as `decode` gives it: None where it is unset, codes without those that are."""
    if isinstance(cell, np.ndarray):
        return tuple(code for code in cell.tolist() if code != UNSET["u"])
    if isinstance(cell, bytes):
        return cell.decode() or None
    if isinstance(cell, np.floating) and math.isnan(cell):
        return None
    if isinstance(cell, (np.int64, np.uint16)) and cell == UNSET[cell.dtype.kind]:
        return None
    return cell.item()


@pytest.mark.parametrize(("venue", "case"), CASES)
def test_feed_and_drain_deliver_the_same_events(venue: str, case: dict[str, Any]) -> None:
    frame = case["frame"].encode()
    decoded, control, skipped = _native.decode(frame, venue)
    newest = max((record["ts_event"] or 0 for _, record in decoded if "ts_event" in record), default=0)
    recv = (newest or 1_700_000_000_000_000_000) + 1_000_000
    engine = rt.Engine()
    assert engine.feed(frame, venue, recv, 3) == len(decoded)
    batch = engine.drain()
    assert len(batch.control) == len(control)
    assert engine.stats()["events_skipped"] == len(skipped)
    assert [(one.kind, one.data, one.venue) for one in batch.notices] == [
        (record["kind"], record["data"], venue) for kind, record in decoded if kind == "notice"
    ]

    records = [record for name in events.dtypes() if name != "bars" for record in getattr(batch, name)]
    records.sort(key=lambda record: int(record["seq"]))
    wanted = [record for kind, record in decoded if kind != "notice"]
    for got, want in zip(records, wanted, strict=True):
        assert engine.symbol_name(int(got["symbol"])) == want["symbol"]
        assert (int(got["ts_recv"]), int(got["conn"])) == (recv, 3)
        names = set(got.dtype.names) - STAMPED - {"reserved"}
        # Where the venue sends no time, the engine writes that of receipt.
        stated = {name: recv if name == "ts_event" and want[name] is None else want[name] for name in names}
        assert {name: value(got[name]) for name in names - {"venue"}} == {
            name: stated[name] for name in names - {"venue"}
        }
    assert engine.stats()["events"] == len(decoded)


def test_names_of_codes_are_those_of_the_core() -> None:
    page = (FIXTURES.parents[1] / "rust" / "model" / "src" / "plain.rs").read_text(encoding="utf-8")
    for name, ours in (("VALUE_NAMES", events.VALUE_NAMES), ("DEPTH_NAMES", events.DEPTH_NAMES)):
        listed = page.split(f"pub const {name}", maxsplit=1)[1].split("];", maxsplit=1)[0] + "]"
        assert json.loads(listed.split(" = ", maxsplit=1)[1]) == list(ours)
