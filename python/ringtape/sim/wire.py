"""Frames of a WebSocket server as bytes, right ones and wrong ones."""

from __future__ import annotations

import struct
from random import Random

__all__ = ["data_frame", "frame_of", "garbage"]

_TEXT, _BINARY = 0x1, 0x2
_SHORT_MAX = 125
_RESERVED = 0x3
_JSON_KINDS = ("text", "cut", "binary", "utf8", "nan", "bom", "deep", "control", "object", "number")
_EVENT = b'[{"ev":"T","sym":"SPY","p":1.5,"t":1780000000000}]'
_PAYLOADS = {
    "text": b"upstream connect error or disconnect/reset before headers",
    "cut": _EVENT[:-17],
    "binary": bytes(range(64)),
    "utf8": _EVENT.replace(b"SPY", b"S\xff\xc0Y"),
    "nan": _EVENT.replace(b"1.5", b"NaN"),
    "bom": b"\xef\xbb\xbf" + _EVENT,
    "deep": b"[" * 5_000,
    "control": _EVENT.replace(b"SPY", b"S\x01Y"),
    "object": _EVENT[1:-1],
    "number": b"42",
    "opcode": _EVENT,
    "rsv": _EVENT,
    "mask": _EVENT,
}


def frame_of(payload: bytes, opcode: int, *, fin: bool = True) -> bytes:
    """Return one frame."""
    return _header(len(payload), (0x80 if fin else 0) | opcode) + payload


def data_frame(payload: bytes) -> bytes:
    """Return a whole text message."""
    return _header(len(payload), 0x80 | _TEXT) + payload


def garbage(what: str, random: Random) -> bytes:
    """Return a frame that should not be; the kinds are those of `ringtape.sim.faults.Garbage`."""
    kind = what or random.choice(_JSON_KINDS)
    payload = _PAYLOADS[kind]
    match kind:
        case "opcode":
            return frame_of(payload, _RESERVED)
        case "rsv":
            return _header(len(payload), 0x80 | 0x40 | _TEXT) + payload
        case "mask":
            # A mask of zeros changes nothing; that a server masks at all is the fault.
            return bytes((0x80 | _TEXT, 0x80 | len(payload))) + bytes(4) + payload
        case "binary":
            return frame_of(payload, _BINARY)
        case _:
            return data_frame(payload)


def _header(size: int, first: int) -> bytes:
    if size <= _SHORT_MAX:
        return bytes((first, size))
    if size < 1 << 16:
        return struct.pack("!BBH", first, 126, size)
    return struct.pack("!BBQ", first, 127, size)
