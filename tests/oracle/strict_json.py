"""RFC 8259 as the policy reads it (docs/decoding.md): one frame to a tree, or the first thing that is wrong with it.

Written from the grammar, not from the decoder. Every value keeps the bytes it came from, because the policy is about
bytes: numbers are their text until somebody asks for them, a skipped event names the place of the value at fault.
"""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

DEPTH_MAX = 64
FRAME_MAX = 8 * 1024 * 1024
EVENTS_MAX = 100_000

_BLANKS = re.compile(r"[ \t\n\r]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WHOLE_NUMBER = re.compile(_NUMBER.pattern + r"\Z")
_PAIR_CUT = re.compile(r"(?:\\(?:u[0-9A-Fa-f]*)?)?")
_HEX4 = re.compile(r"[0-9A-Fa-f]{4}")
# The common member, so that half a million frames take minutes and not hours: a plain key, then a plain string or a
# number with the comma or brace behind it. What does not fit is read by the grammar, step by step.
_MEMBER = re.compile(
    r'"([^"\\\x00-\x1f]*)"[ \t\n\r]*:[ \t\n\r]*'
    r'(?:"([^"\\\x00-\x1f]*)"|(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?=[,}]))'
)
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Rejected(Exception):  # noqa: N818 (a verdict, not an error)
    """The frame is not sound: the kind of fault and the byte where it is."""

    def __init__(self, kind: str, offset: int) -> None:
        super().__init__(kind, offset)
        self.kind = kind
        self.offset = offset
        # A fault of the events inside an envelope, which is met before this one or not at all, as its keys stand.
        self.other: Rejected | None = None


class Value(NamedTuple):
    """A JSON value: ``null bool number text array object``, what it says, and where its bytes begin and end.

    Numbers say their text, arrays a list of values, objects a dict of values (of equal keys the last one).
    """

    kind: str
    says: Any
    start: int
    end: int


class Reader:
    """The grammar over one frame. Bytes are held as Latin-1, so that a place in the text is a place in the frame."""

    def __init__(self, frame: bytes) -> None:
        if len(frame) > FRAME_MAX:
            raise Rejected("frame_too_large", FRAME_MAX)
        try:
            frame.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Rejected("bad_utf8", error.start) from None
        self.text = frame.decode("latin-1")
        self.end = len(frame)
        self.ascii = frame.isascii()
        self.depth = 0
        self.inside: Rejected | None = None

    def peek(self, at: int) -> str:
        """Return the character at a place; empty at the end of the frame."""
        return self.text[at : at + 1]

    def unexpected(self, at: int) -> Rejected:
        """Return the verdict on a place where nothing of the grammar fits."""
        return Rejected("unexpected_end" if at >= self.end else "unexpected_byte", at)

    def blanks(self, at: int) -> int:
        """Return the place behind white space."""
        found = _BLANKS.match(self.text, at)
        assert found
        return found.end()

    def frame(self, *, data_holds_events: bool) -> Value:
        """Return the frame's one value; nothing but white space may stand around it."""
        at = self.blanks(0)
        if self.peek(at) == "[":
            value = self.array(at, holds_events=True)
        elif self.peek(at) == "{":
            value = self.object(at, data_holds_events=data_holds_events)
        else:
            value = self.bare(at)
        at = self.blanks(value.end)
        if at < self.end:
            raise Rejected("trailing_bytes", at)
        return value

    def value(self, at: int) -> Value:
        """Return any value."""
        first = self.peek(at)
        if first == '"':
            return self.string(at)
        if first == "{":
            return self.object(at)
        if first == "[":
            return self.array(at)
        if first and first in "-0123456789":
            return self.number(at)
        for word, kind, says in (("true", "bool", True), ("false", "bool", False), ("null", "null", None)):
            if first == word[0]:
                self.word(word, at)
                return Value(kind, says, at, at + len(word))
        raise self.unexpected(at)

    def bare(self, at: int) -> Value:
        """Return any value in the place of an event. A number there must not be too large for a double."""
        value = self.value(at)
        if value.kind == "number" and math.isinf(float(value.says)):
            raise Rejected("bad_number", at)
        return value

    def word(self, word: str, at: int) -> None:
        """Require a word, letter by letter."""
        for step, letter in enumerate(word):
            if self.peek(at + step) != letter:
                raise self.unexpected(at + step)

    def number(self, at: int) -> Value:
        """Return a number: a minus, no leading zeros, digits behind a point and in an exponent."""
        found = _NUMBER.match(self.text, at)
        if not found:  # a minus without a digit
            raise self.bad_number(at + 1)
        end = found.end()
        token = found[0]
        follow = self.peek(end)
        if token in {"0", "-0"} and follow and follow in "0123456789":
            raise self.bad_number(end)
        if follow == "." and token.lstrip("-").isdigit():
            raise self.bad_number(end + 1)
        if follow and follow in "eE" and "e" not in token.lower():
            sign = self.peek(end + 1)
            raise self.bad_number(end + 1 + (sign in {"+", "-"}))
        return Value("number", token, at, end)

    def bad_number(self, at: int) -> Rejected:
        """Return the verdict on a number that goes wrong at a place."""
        return Rejected("unexpected_end" if at >= self.end else "bad_number", at)

    def string(self, at: int) -> Value:
        """Return a string with its escapes decoded."""
        start = at
        at += 1
        parts = []
        while True:
            found = _PLAIN.match(self.text, at)
            assert found
            parts.append(self.unicode(found[0]))
            at = found.end()
            stop = self.peek(at)
            if stop == '"':
                return Value("text", "".join(parts), start, at + 1)
            if stop == "\\":
                part, at = self.escape(at)
                parts.append(part)
            elif stop:
                raise Rejected("control_character", at)
            else:
                raise Rejected("unexpected_end", at)

    def unicode(self, part: str) -> str:
        """Return a part of a string as the text that its bytes are."""
        return part if self.ascii else part.encode("latin-1").decode("utf-8")

    def escape(self, at: int) -> tuple[str, int]:
        """Return what an escape stands for and the place behind it. Surrogates come in pairs, the high one first."""
        letter = self.peek(at + 1)
        if letter in _ESCAPES:
            return _ESCAPES[letter], at + 2
        if letter != "u":
            raise Rejected("bad_escape" if letter else "unexpected_end", at)
        unit = self.unit(at + 2, escape=at)
        if not 0xD800 <= unit <= 0xDFFF:
            return chr(unit), at + 6
        found = _HEX4.match(self.text, at + 8)
        rest = self.text[at + 6 :]
        if unit <= 0xDBFF and len(rest) < len("\\u0000") and _PAIR_CUT.fullmatch(rest):
            raise Rejected("unexpected_end", at)
        low = int(found[0], 16) if found and rest.startswith("\\u") else 0
        if unit > 0xDBFF or not 0xDC00 <= low <= 0xDFFF:
            raise Rejected("lone_surrogate", at)
        return chr(0x10000 + (unit - 0xD800) * 0x400 + (low - 0xDC00)), at + 12

    def unit(self, at: int, *, escape: int) -> int:
        """Return the number of four hexadecimal digits."""
        found = _HEX4.match(self.text, at)
        if found:
            return int(found[0], 16)
        rest = self.text[at:]
        is_cut = len(rest) < len("0000") and all(letter in "0123456789abcdefABCDEF" for letter in rest)
        raise Rejected("unexpected_end" if is_cut else "bad_escape", escape)

    def array(self, at: int, *, holds_events: bool = False, is_inside: bool = False) -> Value:
        """Return an array; one of events has rules of its own, which count inside an envelope only if it is one."""
        start = at
        at = self.enter(at)
        items: list[Value] = []
        if self.peek(at) == "]":
            self.depth -= 1
            return Value("array", items, start, at + 1)
        while True:
            if is_inside and len(items) >= EVENTS_MAX:
                self.inside = self.inside or Rejected("too_many_events", at)
            elif holds_events and len(items) >= EVENTS_MAX:
                raise Rejected("too_many_events", at)
            item = self.bare(at) if holds_events and not is_inside else self.value(at)
            if is_inside and item.kind == "number" and math.isinf(float(item.says)):
                self.inside = self.inside or Rejected("bad_number", at)
            items.append(item)
            at = self.blanks(item.end)
            stop = self.peek(at)
            if stop == "]":
                self.depth -= 1
                return Value("array", items, start, at + 1)
            if stop != ",":
                raise self.unexpected(at)
            at = self.blanks(at + 1)

    def object(self, at: int, *, data_holds_events: bool = False) -> Value:
        """Return an object. Of keys that are equal once decoded, the last one counts."""
        start = at
        at = self.enter(at)
        members: dict[str, Value] = {}
        if self.peek(at) == "}":
            self.depth -= 1
            return Value("object", members, start, at + 1)
        while True:
            found = _MEMBER.match(self.text, at)
            if found:
                key = self.unicode(found[1])
                if found[3] is None:
                    item = Value("text", self.unicode(found[2]), found.start(2) - 1, found.end())
                else:
                    item = Value("number", found[3], found.start(3), found.end())
            else:
                key, item = self.member(at, data_holds_events=data_holds_events)
            members[key] = item
            at = item.end
            stop = self.peek(at)
            if stop not in {",", "}"}:
                at = self.blanks(at)
                stop = self.peek(at)
            if stop == "}":
                self.depth -= 1
                return Value("object", members, start, at + 1)
            if stop != ",":
                raise self.unexpected(at)
            at = self.blanks(at + 1)

    def member(self, at: int, *, data_holds_events: bool) -> tuple[str, Value]:
        """Return a key and its value, step by step."""
        if self.peek(at) != '"':
            raise self.unexpected(at)
        key = self.string(at)
        at = self.blanks(key.end)
        if self.peek(at) != ":":
            raise self.unexpected(at)
        at = self.blanks(at + 1)
        if data_holds_events and key.says == "data" and self.peek(at) == "[":
            self.inside = None
            return key.says, self.array(at, holds_events=True, is_inside=True)
        return key.says, self.value(at)

    def enter(self, at: int) -> int:
        """Pass an opening bracket and white space, within the limit of depth."""
        if self.depth >= DEPTH_MAX:
            raise Rejected("too_deep", at)
        self.depth += 1
        return self.blanks(at + 1)


def read(frame: bytes, *, data_holds_events: bool = False) -> tuple[Value, Rejected | None]:
    """Return the tree of a sound frame, and what is wrong with the events inside it if it turns out to be an envelope.

    Raises
    ------
    Rejected
        The frame is not sound: the kind of fault and its byte offset.
    """
    reader = Reader(frame)
    try:
        return reader.frame(data_holds_events=data_holds_events), reader.inside
    except Rejected as error:
        error.other = reader.inside
        raise


def is_number(text: str) -> bool:
    """Tell whether a text is a JSON number from its first to its last character."""
    return _WHOLE_NUMBER.match(text) is not None
