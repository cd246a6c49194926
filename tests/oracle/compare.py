"""The package's decoder beside the oracle: one frame, one verdict, and what differs in words."""

from __future__ import annotations

import math
from typing import Any

import msgspec
from msgspec.structs import asdict, astuple

import ringtape as rt
from oracle.decode import Answer, Event, Rejected, Skip, decode

__all__ = ["difference"]

CONTROL = ("kind", "status", "message", "id", "code", "result")


def difference(frame: bytes, venue: str) -> str | None:
    """Return where decoder and oracle disagree on a frame; None if they agree."""
    try:
        want = decode(frame, venue)
    except Rejected as error:
        return rejected(frame, venue, error)
    try:
        got = rt.decode(frame, venue)
    except rt.DecodeError as error:
        return f"rejected as {error.kind} at {error.offset}, and it is sound"
    if want.unsure:
        return None
    return accepted(got, want)


def rejected(frame: bytes, venue: str, want: Rejected) -> str | None:
    """Return what differs on a frame that the oracle rejects."""
    try:
        rt.decode(frame, venue)
    except rt.DecodeError as got:
        if (got.kind, got.offset) in {(one.kind, one.offset) for one in (want, want.other) if one}:
            return None
        return f"rejected as {got.kind} at {got.offset}, expected {want.kind} at {want.offset}"
    return f"accepted, expected {want.kind} at {want.offset}"


def accepted(got: Any, want: Answer) -> str | None:
    """Return what differs in what a sound frame says."""
    counts = [(len(a), len(b)) for a, b in zip(lists(got), lists(want), strict=True)]
    if any(a != b for a, b in counts):
        return f"events, control, skipped: {counts}: {got} {want}"
    for event, expected in zip(got.events, want.events, strict=True):
        if difference := event_difference(event, expected):
            return difference
    for message, expected in zip(got.control, want.control, strict=True):
        if any(repr(getattr(message, name)) != repr(getattr(expected, name)) for name in CONTROL):
            return f"control {[getattr(message, name) for name in CONTROL]}, expected {expected}"
    for skip, expected in zip(got.skipped, want.skipped, strict=True):
        if not is_fault_of(skip, expected):
            return f"{skip}, expected {expected}"
    return None


def lists(decoded: Any) -> tuple[list[Any], list[Any], list[Any]]:
    """Return the three lists of what was decoded."""
    return decoded.events, decoded.control, decoded.skipped


def event_difference(got: Any, want: Event) -> str | None:
    """Return the first column that differs: in value, type, or a bit of a double."""
    if type(got).__name__ != want.name:
        return f"{type(got).__name__}, expected {want.name}"
    if set(got.__struct_fields__) != want.columns.keys():
        return f"columns of {want.name}: {set(got.__struct_fields__) ^ want.columns.keys()}"
    for name, expected in want.columns.items():
        value = getattr(got, name)
        if value is not expected and not same(value, expected):
            return f"{want.name}.{name} is {value!r}, expected {expected!r}"
    return None


def same(got: Any, want: Any) -> bool:
    """Tell whether two values are the same: in type, and in each bit of a double."""
    if isinstance(want, list):
        return len(got) == len(want) and all(same(a, b) for a, b in zip(got, want, strict=True))
    if isinstance(got, msgspec.Struct):
        named = asdict(got) if isinstance(want, dict) else astuple(got)
        return same(list(named), list(want)) if isinstance(named, tuple) else same_columns(named, want)
    is_equal = type(got) is type(want) and got == want
    return is_equal and (got != 0 or type(got) is not float or math.copysign(1, got) == math.copysign(1, want))


def same_columns(got: dict[str, Any], want: dict[str, Any]) -> bool:
    """Tell whether two sets of named values are the same."""
    return got.keys() == want.keys() and all(same(got[name], value) for name, value in want.items())


def is_fault_of(got: Any, want: Skip) -> bool:
    """Tell whether a skipped event names one of the things that are wrong with it, and its own kind."""
    return got.kind == want.kind and (got.reason, got.key, got.offset) in want.faults
