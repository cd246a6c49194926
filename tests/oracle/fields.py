"""The fields of one event by the rules of the policy: all that is wrong with an event, not only the first fault."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any

from oracle.strict_json import EVENTS_MAX, Value, is_number

I64_MAX = 2**63 - 1
CODE_MAX = 65_534
ID_LIMIT = 2**62
SYMBOL_MAX = 64
YEAR_2000, YEAR_2100 = 946_684_800, 4_102_444_800
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
LATE_NS = 10 * 10**9
KIND_KEPT = 24
MESSAGE_KEPT = 4_096
SYMBOL = re.compile(r"[A-Za-z0-9\-_/:!@#$%&*+=~^|.]+")
WIDE = Context(prec=200, rounding=ROUND_HALF_EVEN)

Fault = tuple[str, str, int]  # reason, key, offset


@dataclass
class Event:
    """An event that is sound: its class of ``ringtape.events`` and all its columns."""

    name: str
    columns: dict[str, Any]


@dataclass
class Control:
    """A message about the connection: kind, status, message, id, code, result."""

    kind: str
    status: str | None = None
    message: str | None = None
    id: Any = None
    code: int | None = None
    result: Any = None


@dataclass
class Skip:
    """An event that is not sound, or not ours: what it called itself, and everything that is wrong with it."""

    kind: str
    faults: set[Fault]


@dataclass
class Answer:
    """What a sound frame holds, in order of arrival."""

    events: list[Event] = field(default_factory=list)
    control: list[Control] = field(default_factory=list)
    skipped: list[Skip] = field(default_factory=list)
    unsure: bool = False  # a character whose class depends on the edition of Unicode

    def add(self, what: Event | Control | Skip) -> None:
        """Take what an object of the frame turned out to be."""
        if isinstance(what, Event):
            self.events.append(what)
        elif isinstance(what, Control):
            self.control.append(what)
        else:
            self.skipped.append(what)


def elements(value: Value) -> Iterator[Value]:
    """Yield the elements of an array, or the one value that is not in one."""
    if value.kind == "array":
        yield from value.says
    else:
        yield value


class Fields:
    """The keys of one event. Readers return a value, or None after they wrote down what is wrong with it."""

    def __init__(self, frame: bytes, value: Value, venue: str, stream: str | None = None) -> None:
        self.frame = frame
        self.stream = stream
        self.value = value
        self.venue = venue
        self.faults: set[Fault] = set()
        self.unsure = False

    def get(self, key: str) -> Value | None:
        """Return the value of a key; null is the same as no key."""
        value: Value | None = self.value.says.get(key)
        return None if value is None or value.kind == "null" else value

    def fault(self, reason: str, key: str) -> None:
        """Write down a fault at the place of the key's value, or of the event where there is no such key."""
        value = self.value.says.get(key)
        self.faults.add((reason, key, self.value.start if value is None else value.start))

    def missing(self, key: str) -> None:
        """Write down that the event cannot do without a key."""
        self.fault("missing_key", key)

    def of(self, key: str, kind: str) -> Any:
        """Return what a value of one kind says; None if it is not there or of another kind."""
        value = self.get(key)
        if value is None:
            return None
        if value.kind != kind:
            self.fault("wrong_type", key)
            return None
        return value.says

    def name(self, key: str) -> str:
        """Return the event's own kind, as much of it as is kept."""
        says: str = self.value.says[key].says
        return says.encode()[:KIND_KEPT].decode(errors="ignore")

    def symbol(self, key: str) -> str | None:
        """Return a symbol: 1 to 64 bytes of letters, digits and the marks that symbols have, and no two dots."""
        if self.get(key) is None:
            self.missing(key)
            return None
        text = self.of(key, "text")
        if text is None:
            return None
        if not self.is_symbol(text):
            self.fault("bad_symbol", key)
        return text

    def is_symbol(self, text: str) -> bool:
        """Tell whether a text may be a symbol."""
        rest = "".join(letter for letter in text if letter.isascii())
        others = [letter for letter in text if not letter.isascii()]
        is_good = all(letter.isalnum() for letter in others) and (not rest or SYMBOL.fullmatch(rest))
        if is_good and text and len(text.encode()) <= SYMBOL_MAX and ".." not in text:
            return True
        self.unsure |= any(is_unsure(letter) for letter in others)
        return False

    def word(self, key: str, most: int) -> str | None:
        """Return a word of the venue's that must be there and fit its column; None if it is empty."""
        if self.get(key) is None:
            self.missing(key)
        text = self.of(key, "text")
        if text is not None and (len(text.encode()) > most or "\0" in text):
            self.fault("out_of_range", key)
        return text or None

    def flag(self, key: str) -> bool | None:
        """Return a boolean."""
        flag: bool | None = self.of(key, "bool")
        return flag

    # Numbers. `number` is a JSON number, `decimal` a string that holds one and nothing else.

    def number_text(self, key: str, kind: str) -> str | None:
        """Return the text of a number that is written as JSON number or inside a string."""
        text = self.of(key, kind)
        if text is not None and not is_number(text):
            self.fault("wrong_type", key)
            return None
        return text

    def float(self, key: str, kind: str = "number") -> float | None:
        """Return a finite double."""
        text = self.number_text(key, kind)
        if text is None:
            return None
        value = float(text)
        if math.isinf(value):
            self.fault("out_of_range", key)
            return None
        return value

    def both(self, key: str, kind: str = "number", *, sum_: bool = False) -> tuple[float | None, int | None]:
        """Return a number as double and as integer of 1e-8; a sum may be too large for the integer."""
        value = self.float(key, kind)
        if value is None:
            return None, None
        exact = e8(self.get(key).says)  # type: ignore[union-attr]
        if exact is None and not sum_:
            self.fault("out_of_range", key)
            return None, None
        return value, exact

    def price(self, key: str, kind: str = "number") -> tuple[float | None, int | None]:
        """Return a price: it must be there, and above zero in units of 1e-8."""
        if self.get(key) is None:
            self.missing(key)
            return None, None
        value, exact = self.both(key, kind)
        if exact is not None and exact <= 0:
            self.fault("out_of_range", key)
        return value, exact

    def high_not_below_low(self, prices: dict[str, float | None], key: str) -> None:
        """Require that a bar's high is not below its low, where both are known."""
        high, low = prices["high"], prices["low"]
        if high is not None and low is not None and high < low:
            self.fault("out_of_range", key)

    def size(self, key: str, kind: str = "number", *, sum_: bool = False) -> tuple[float | None, int | None]:
        """Return a number that is not negative."""
        value, exact = self.both(key, kind, sum_=sum_)
        if value is not None and value < 0:
            self.fault("out_of_range", key)
        return value, exact

    def needed_size(self, key: str, kind: str = "number", *, sum_: bool = False) -> tuple[float | None, int | None]:
        """Return the same of a key that must be there."""
        if self.get(key) is None:
            self.missing(key)
        return self.size(key, kind, sum_=sum_)

    def exact_size(self, whole: str, exact: str) -> tuple[float | None, int | None]:
        """Return a size from the exact decimal string where there is one, else from the number beside it."""
        if self.get(exact) is not None:
            return self.size(exact, "text")
        return self.needed_size(whole)

    def integer(self, key: str, *, least: int = -I64_MAX, most: int = I64_MAX) -> int | None:
        """Return an integer; ``12.0`` and ``1.2e1`` are integers too."""
        return self.as_integer(self.of(key, "number"), key, least, most)

    def as_integer(self, text: str | None, key: str, least: int, most: int) -> int | None:
        """Return the integer that a JSON number is."""
        if text is None:
            return None
        value = whole(text)
        if value is None:
            self.fault("wrong_type", key)
        elif not least <= value <= most:
            self.fault("out_of_range", key)
        else:
            return value
        return None

    def needed_integer(self, key: str) -> int | None:
        """Return the same of a key that must be there."""
        if self.get(key) is None:
            self.missing(key)
        return self.integer(key)

    def amount(self, key: str, *, needed: bool = True) -> float | None:
        """Return a number in a string that is not negative, as a double."""
        if needed and self.get(key) is None:
            self.missing(key)
        return self.size(key, "text", sum_=True)[0]

    def code(self, key: str) -> int | None:
        """Return a small id."""
        return self.integer(key, least=0, most=CODE_MAX)

    def codes(self, key: str, most: int) -> tuple[int, ...]:
        """Return a list of small ids; a bare one counts as a list of one."""
        value = self.get(key)
        if value is None:
            return ()
        if value.kind not in {"array", "number"}:
            self.fault("wrong_type", key)
            return ()
        codes = []
        for item in elements(value):
            if item.kind == "number":
                codes.append(self.as_integer(item.says, key, 0, CODE_MAX))
            else:
                self.fault("wrong_type", key)
        if value.kind == "array" and len(value.says) > most:
            self.fault("out_of_range", key)
        return tuple(code for code in codes if code is not None)

    def time(self, key: str) -> int | None:
        """Return a time between 2000 and 2100 in Unix ns; its magnitude tells the unit."""
        value = self.integer(key)
        if value is None:
            return None
        for per_second in PER_SECOND.values():
            if YEAR_2000 * per_second <= value < YEAR_2100 * per_second:
                return value * (10**9 // per_second)
        self.fault("out_of_range", key)
        return None

    def needed_time(self, key: str) -> int | None:
        """Return the same of a key that must be there."""
        if self.get(key) is None:
            self.missing(key)
        return self.time(key)

    def levels(self, key: str, kind: str) -> list[tuple[float, float, int, int]]:
        """Return a list of price levels, each a list of price and size: as floats, then in 1e-8."""
        value = self.get(key)
        if value is None:
            self.missing(key)
            return []
        found = []
        pairs = self.of(key, "array") or ()
        if len(pairs) > EVENTS_MAX:
            self.fault("out_of_range", key)
        for pair in pairs:
            if pair.kind != "array":
                self.fault("wrong_type", key)
            elif level := self.level(key, pair.says, kind):
                found.append(level)
        return found

    def level(self, key: str, items: list[Value], kind: str) -> tuple[float, float, int, int] | None:
        """Return one level. Binance's have decimals in strings, and sent a third element once, which means nothing."""
        if kind == "number" and len(items) != 2:
            self.fault("wrong_type", key)
            return None
        read = []
        for item in items[:2]:
            if item.kind == "null" and kind == "text":
                self.fault("missing_key", key)
            elif item.kind != kind or not is_number(item.says):
                self.fault("wrong_type", key)
            elif math.isinf(float(item.says)) or e8(item.says) is None:
                self.fault("out_of_range", key)
            else:
                read.append((float(item.says), e8(item.says)))
        if len(items) < 2:
            self.fault("missing_key", key)
        for place, (number, exact) in enumerate(read):
            # Which of two it is matters only where both were read; a lone one may be either.
            if exact is not None and (number < 0 or (exact <= 0 and place == 0 and items[0].kind == kind)):
                self.fault("out_of_range", key)
        if len(read) < 2 or read[0][1] is None or read[1][1] is None:
            return None
        return (read[0][0], read[1][0], read[0][1], read[1][1])

    def event(self, name: str, columns: dict[str, Any], kind: str) -> Event | Skip:
        """Return the event, or all that is wrong with it."""
        if self.faults:
            return Skip(kind, self.faults)
        return Event(name, {"venue": self.venue, **columns})


def kept(text: str) -> str:
    """Return as much of a message as is kept."""
    return text.encode()[:MESSAGE_KEPT].decode(errors="replace")


def e8(text: str) -> int | None:
    """Return a number in units of 1e-8, rounded once, half to even; None if it does not fit 64 bits."""
    value = decimal(text)
    if not value or value.adjusted() < -12:  # far below half of 1e-8
        return 0
    if value.adjusted() > 12:  # 92 billion has 11 digits
        return None
    if len(text) < WIDE.prec:
        scaled = int(value.scaleb(8, WIDE).to_integral_value(ROUND_HALF_EVEN, WIDE))
    else:
        scaled = round_long(value)
    return scaled if abs(scaled) <= I64_MAX else None


def decimal(text: str) -> Decimal:
    """Return a number exactly. An exponent beyond what Python keeps stands for any that is as large."""
    try:
        return Decimal(text)
    except InvalidOperation:
        mantissa, _, exponent = text.lower().partition("e")
        return Decimal(mantissa + ("e-100000000" if exponent.startswith("-") else "e100000000"))


def round_long(value: Decimal) -> int:
    """Return a number of many digits in units of 1e-8, by whole numbers."""
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    mantissa = int_of(digits)
    shift = exponent + 8
    if shift >= 0:
        return (-1) ** sign * mantissa * 10**shift
    quotient, rest = divmod(mantissa, 10**-shift)
    half = 10**-shift
    quotient += 2 * rest > half or (2 * rest == half and quotient % 2 == 1)
    return (-1) ** sign * quotient


def int_of(digits: tuple[int, ...]) -> int:
    """Return the integer of some digits, however many: `int` of a long text is refused by the interpreter."""
    value = 0
    for digit in digits:
        value = value * 10 + digit
    return value


def whole(text: str) -> int | None:
    """Return the integer that a number is; None if it is none. Beyond 64 bits any integer will do."""
    if len(text) < 20 and text.lstrip("-").isdecimal():  # the common integer
        return int(text)
    value = decimal(text)
    if not value:
        return 0
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    zeros = len(digits) - len("".join(map(str, digits)).rstrip("0"))
    if exponent + zeros < 0:
        return None
    if value.adjusted() > 20:  # more than 64 bits
        return -(2**64) if sign else 2**64
    return int(value)


def is_unsure(letter: str) -> bool:
    """Tell whether a character is a letter or a digit by some edition or reading of Unicode only."""
    return unicodedata.category(letter)[0] in "MS" or unicodedata.category(letter) == "Cn"


EMPTY_BAR: dict[str, Any] = {
    "ts_sent": None,
    "dollar_volume": None,
    "vwap": None,
    "buy_volume": None,
    "buy_dollar_volume": None,
    "trade_count": None,
    "day_volume": None,
    "day_volume_e8": None,
    "day_open": None,
    "day_vwap": None,
    "average_size": None,
    "first_id": None,
    "last_id": None,
    "otc": False,
}
