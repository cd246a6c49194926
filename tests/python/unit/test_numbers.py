"""Numbers against Python's own reader: doubles bit for bit, sizes in 1e-8 by whole numbers, half to even.

``RINGTAPE_SEED`` is the seed, ``RINGTAPE_NUMBERS`` how many numbers are tried (a million).
"""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterator

import ringtape as rt

COUNT = int(float(os.environ.get("RINGTAPE_NUMBERS", "1e6")))
SEED = int(os.environ.get("RINGTAPE_SEED", "7"))
BARS = 500
BAR = '{"ev":"A","sym":"FCX","v":1,"vw":%s,"a":%s,"z":%s,"o":1,"c":1,"h":1,"l":1,"s":1788877043000,"e":1788877044000}'
TRADE = '{"ev":"T","sym":"FCX","x":4,"p":1.5,"ds":"%s","t":1788877043000}'


def doubles(source: random.Random) -> Iterator[str]:
    """Yield numbers of every shape: any double, decimals as venues send them, long ones, halves between doubles."""
    while True:
        shape = source.randrange(5)
        if shape == 0:
            number = struct.unpack("<d", source.randbytes(8))[0]
            text = repr(number) if number - number == 0 else "0"
        elif shape == 1:
            text = f"{source.randrange(10 ** source.randint(1, 12))}.{source.randrange(10**6):06}"
        elif shape == 2:
            text = f"{source.getrandbits(80)}.{source.getrandbits(70)}e{source.randint(-300, 250)}"
        elif shape == 3:
            below = source.getrandbits(53) | 1 << 53
            text = str(2 * below + 1) + "." + "0" * source.randint(1, 30) + source.choice("01")
        else:
            text = str(source.getrandbits(source.randint(1, 63)))
        yield text


def test_doubles_are_bit_equal_to_float() -> None:
    numbers = doubles(random.Random(SEED))
    for _ in range(COUNT // (3 * BARS)):
        texts = [next(numbers) for _ in range(3 * BARS)]
        bars = [BAR % tuple(texts[at : at + 3]) for at in range(0, len(texts), 3)]
        events = rt.decode(f"[{','.join(bars)}]".encode(), "massive.stocks").events
        got = [value for bar in events for value in (bar.vwap, bar.day_vwap, bar.average_size)]
        # As bytes, so that -0.0 is not 0.0.
        assert struct.pack(f"<{len(texts)}d", *got) == struct.pack(f"<{len(texts)}d", *map(float, texts)), SEED


def sizes(source: random.Random) -> Iterator[str]:
    """Yield sizes that need rounding, often exactly at the half."""
    while True:
        places = source.randint(0, 14)
        text = str(source.randrange(10 ** source.randint(1, 11)))
        if places:
            digits = f"{source.randrange(10**places):0{places}}"
            if places > 8 and source.random() < 0.5:
                digits = digits[:8] + "5" + "0" * (places - 9)
            text += "." + digits
        yield text


def in_e8(text: str) -> int:
    """Return a decimal in units of 1e-8 by whole numbers, rounded half to even."""
    whole, _, fraction = text.partition(".")
    scale = 10 ** len(fraction)
    units, rest = divmod(int(whole + fraction) * 10**8, scale)
    return units + (2 * rest > scale or (2 * rest == scale and units % 2 == 1))


def test_sizes_are_rounded_once_half_to_even() -> None:
    numbers = sizes(random.Random(SEED))
    for _ in range(COUNT // (10 * BARS)):
        texts = [next(numbers) for _ in range(BARS)]
        wanted = [in_e8(text) for text in texts]
        fitting = [value for value in wanted if value < 2**63]
        decoded = rt.decode(f"[{','.join(TRADE % text for text in texts)}]".encode(), "massive.stocks")
        assert [trade.size_e8 for trade in decoded.events] == fitting, SEED
        assert len(decoded.skipped) == len(wanted) - len(fitting)
