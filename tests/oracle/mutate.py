"""Seeded damage to real frames: bytes, tokens, members and whole events, so that both verdicts are common."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

__all__ = ["Mutator"]

Sample = tuple[bytes, str]  # frame, venue

TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null|[\[\]{},:]')
SCALAR = re.compile(rb'(?<=:)(?:"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null)')
MEMBER = re.compile(
    rb'"(?:[^"\\]|\\.)*"[ ]*:[ ]*(?:"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null|\[[^\[\]{}]*\])'
)
LETTER = re.compile(rb"[A-Za-z0-9.]")

NUMBERS = (
    b"0 -0 0.0 -0.0 1 -1 7 12.0 1.2e1 12.5 1e0 1E+2 1e-2 5e-9 4.9e-9 1.5e-8 2.5e-8 0.000000005 0.000000015 1e22 1e23 "
    b"9007199254740993 9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775807 "
    b"18446744073709551616 92233720368.54775807 92233720368.54775808 1e308 1e309 -1e999 5e-324 1e-400 1e99999999999 "
    b"0e99999999999 1e-99999999999 123456789012345678901234567890 0.1234567890123456789 297.845 64990.90 65534 65535 "
    b"65536 4611686018427387903 4611686018427387904 946684799 946684800 4102444799 4102444800 946684799999 "
    b"946684800000 4102444799999 4102444800000 1781622376036 1781622376.036 1781622376036000 1781622376036000001 "
    b"1.781622376036e12 "
    b"2.2250738585072011e-308 8.5e-7 999999999999999 9999999999999999 0.1e1 100000000000000000000e-20 16 255 256 9 10 "
    b"01 1. .5 1e 1e+ +1 -01 00 0x10 1_000 - -- 1.2.3 1e5e5"
).split()
STRINGS = [
    *(b'"' + number + b'"' for number in NUMBERS),
    *(b'"%s"' % text for text in b"NaN inf Infinity AAPL BRK.B a..b .. . 1,5 0x1 1e5".split()),
    *(b'"%s"' % text for text in b"T Q A AM status trade kline".split()),
    b'""', b'" "', b'" 1"', b'"1 "', b'"O:SPY251219C00650000"', b'"EUR/USD"', b'"I:SPX"', b'"\\u0041APL"', b'"\\u0030"',
    b'"\\/"', b'"\\\\"', b'"\\""', b'"\\n"', b'"\\u0000"', b'"\\ud83d\\ude00"', b'"\\ud83d"', b'"\\ude00"', b'"\\u12"',
    b'"\\x"', b'"a b"', b'"' + b"X" * 64 + b'"', b'"' + b"X" * 65 + b'"', b'"' + b"7" * 24 + b'"',
    b'"' + b"7" * 25 + b'"',
    '"币安人生USDT"'.encode(), '"é"'.encode(), '"\u202eAAPL"'.encode(), '"A\ufeff"'.encode(), '"\xa0"'.encode(),
    '"😀"'.encode(), '"١٢"'.encode(), b'"\xff"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe4\xb8"',
    b'"AA\x00PL"', b'"AA\x1fPL"', b'"AA\x7fPL"', b'"__proto__"', b'"constructor"', b'"..\\/..\\/etc"',
]  # fmt: skip
OTHERS = [
    b"null", b"true", b"false", b"[]", b"{}", b"[1,2]", b"[1,2.5]", b'["1"]', b"[null]", b"[1,2,3,4,5,6,7,8,9]",
    b"[[[1]]]", b'{"a":[1,{"b":null}]}', b"[65535]", b"[1e0,0.0]", b"NaN", b"Infinity", b"-Infinity", b"nul", b"True",
    b"[1,]", b"{,}", b"[,1]", b"/**/1", b"'a'", b"[" * 62 + b"]" * 62, b"[" * 65 + b"]" * 65, b'{"k":"',
]  # fmt: skip
BLANKS = [b" ", b"  ", b"\t", b"\n", b"\r", b" \n", b"\x0b", b"\x0c", b"\xc2\xa0", b"\x00"]
KEYS = [
    b'"p"', b'"s"', b'"t"', b'"T"', b'"e"', b'"ev"', b'"E"', b'"sym"', b'"ds"', b'"data"', b'"stream"', b'"st"', b'"k"',
    b'"__proto__"', b'""', b'"\\u0070"', b'"\\u0065v"', b'"sym\\u0000"', b'"p\\u0000"', b'"averyveryverylongkey"',
    b'"result"', b'"id"', b'"code"', b'"msg"', b'"error"',
]  # fmt: skip
BYTES = b'"\\,:{}[]0123456789.-+eE \t\n\x00\x1f\x7f\x80\xbf\xc2\xe4\xed\xf0\xff/utfn'


class Mutator:
    """An endless row of damaged frames, the same for the same seed and samples."""

    def __init__(self, samples: Sequence[Sample], seed: int) -> None:
        self.samples = samples
        self.random = random.Random(seed)
        self.pick = self.random.choice
        self.damages: list[Callable[[bytes], bytes]] = [
            self.flip, self.insert, self.delete, self.cut, self.swap_token, self.swap_scalar, self.swap_scalar,
            self.swap_scalar, self.swap_values, self.drop_member, self.repeat_member, self.reorder, self.rename,
            self.blank, self.escape, self.splice, self.repeat_bytes,
        ]  # fmt: skip

    def next(self) -> Sample:
        """Return the next frame and its venue."""
        frame, venue = self.pick(self.samples)
        draw = self.random.random()
        for _ in range(1 if draw < 0.7 else 2 if draw < 0.9 else 4):
            frame = self.among_others(frame) if self.random.random() < 0.3 else self.pick(self.damages)(frame)
        if self.random.random() < 0.02:
            venue = self.pick(self.samples)[1]
        return frame, venue

    def place(self, frame: bytes) -> int:
        """Return a place in a frame, its end included."""
        return self.random.randint(0, len(frame))

    def match(self, pattern: re.Pattern[bytes], frame: bytes) -> re.Match[bytes] | None:
        """Return one of the places where a pattern matches."""
        found = list(pattern.finditer(frame))
        return self.pick(found) if found else None

    def replace(self, pattern: re.Pattern[bytes], frame: bytes, by: bytes) -> bytes:
        """Put something in the place of one match."""
        found = self.match(pattern, frame)
        return frame[: found.start()] + by + frame[found.end() :] if found else frame + by

    def among_others(self, frame: bytes) -> bytes:
        """Damage one event of several like it, so that readers have learned what to expect."""
        inner = frame[1:-1] if frame[:1] == b"[" and frame[-1:] == b"]" else frame
        events = [inner] * self.random.randint(2, 5)
        at = self.random.randrange(len(events))
        if self.random.random() < 0.3:
            other = self.pick(self.samples)[0]
            events[at - 1] = other[1:-1] if other[:1] == b"[" and other[-1:] == b"]" else other
        events[at] = self.pick(self.damages)(events[at])
        return b"[" + b",".join(events) + b"]"

    def flip(self, frame: bytes) -> bytes:
        """Change a byte, or one bit of it."""
        at = self.place(frame[:-1])
        if not frame:
            return frame
        byte = frame[at] ^ 1 << self.random.randrange(8) if self.random.random() < 0.5 else self.pick(BYTES)
        return frame[:at] + bytes([byte]) + frame[at + 1 :]

    def insert(self, frame: bytes) -> bytes:
        """Insert a byte."""
        at = self.place(frame)
        return frame[:at] + bytes([self.pick(BYTES)]) + frame[at:]

    def delete(self, frame: bytes) -> bytes:
        """Delete a few bytes."""
        at = self.place(frame)
        return frame[:at] + frame[at + self.random.randint(1, 4) :]

    def cut(self, frame: bytes) -> bytes:
        """Cut the end off."""
        return frame[: self.place(frame)]

    def repeat_bytes(self, frame: bytes) -> bytes:
        """Say a stretch of bytes again."""
        at = self.place(frame)
        stretch = frame[at : at + self.random.randint(1, 12)]
        return frame[:at] + stretch * self.random.randint(1, 3) + frame[at:]

    def swap_token(self, frame: bytes) -> bytes:
        """Put any token in the place of any other."""
        return self.replace(TOKEN, frame, self.pick(self.pick((NUMBERS, STRINGS, OTHERS, KEYS))))

    def swap_scalar(self, frame: bytes) -> bytes:
        """Put a value in the place of a value; often one of the same kind."""
        found = self.match(SCALAR, frame)
        if not found:
            return frame
        is_text = found[0].startswith(b'"')
        kinds = (STRINGS, STRINGS, NUMBERS, OTHERS) if is_text else (NUMBERS, NUMBERS, STRINGS, OTHERS)
        by = self.pick(self.pick(kinds)) if self.random.random() < 0.8 else self.digits(quoted=is_text)
        return frame[: found.start()] + by + frame[found.end() :]

    def digits(self, *, quoted: bool) -> bytes:
        """Return a random number, as text or as it is."""
        random = self.random
        text = str(random.randrange(10 ** random.randint(1, 20)))
        if random.random() < 0.6:
            text += "." + "".join(random.choices("0123456789", k=random.randint(1, 20)))
        if random.random() < 0.2:
            text += random.choice("eE") + random.choice(("", "-", "+")) + str(random.randint(0, 30))
        return f'"{text}"'.encode() if quoted else text.encode()

    def members(self, frame: bytes) -> list[re.Match[bytes]]:
        """Return the flat members of a frame."""
        return list(MEMBER.finditer(frame))

    def swap_values(self, frame: bytes) -> bytes:
        """Let two values change places."""
        found = list(SCALAR.finditer(frame))
        if len(found) < 2:
            return frame
        a, b = sorted(self.random.sample(found, 2), key=lambda match: match.start())
        return frame[: a.start()] + b[0] + frame[a.end() : b.start()] + a[0] + frame[b.end() :]

    def drop_member(self, frame: bytes) -> bytes:
        """Leave out a member and the comma beside it."""
        found = self.match(MEMBER, frame)
        if not found:
            return frame
        start, end = found.span()
        if frame[end : end + 1] == b",":
            end += 1
        elif frame[start - 1 : start] == b",":
            start -= 1
        return frame[:start] + frame[end:]

    def repeat_member(self, frame: bytes) -> bytes:
        """Say a key again, with its own value, another's, or one from the lists."""
        found = self.members(frame)
        if not found:
            return frame
        one, place = self.pick(found), self.pick(found)
        key = one[0].partition(b":")[0]
        value = self.pick((one[0].partition(b":")[2], self.pick(NUMBERS), self.pick(STRINGS), self.pick(OTHERS)))
        return frame[: place.start()] + key + b":" + value + b"," + frame[place.start() :]

    def reorder(self, frame: bytes) -> bytes:
        """Let two members change places."""
        found = self.members(frame)
        if len(found) < 2:
            return frame
        a, b = sorted(self.random.sample(found, 2), key=lambda match: match.start())
        return frame[: a.start()] + b[0] + frame[a.end() : b.start()] + a[0] + frame[b.end() :]

    def rename(self, frame: bytes) -> bytes:
        """Give a member another key."""
        found = self.match(MEMBER, frame)
        if not found:
            return frame
        key = self.pick(KEYS)
        return frame[: found.start()] + key + found[0][found[0].index(b":") :] + frame[found.end() :]

    def blank(self, frame: bytes) -> bytes:
        """Put white space, or what looks like it, behind a token."""
        found = self.match(TOKEN, frame)
        at = found.end() if found else len(frame)
        return frame[:at] + self.pick(BLANKS) + frame[at:]

    def escape(self, frame: bytes) -> bytes:
        """Write a letter or digit as an escape; sound inside strings only."""
        found = self.match(LETTER, frame)
        return frame[: found.start()] + b"\\u%04x" % found[0][0] + frame[found.end() :] if found else frame

    def splice(self, frame: bytes) -> bytes:
        """Join the beginning of a frame to the end of another."""
        other = self.pick(self.samples)[0]
        return frame[: self.place(frame)] + other[self.place(other) :]
