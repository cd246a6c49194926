"""Numbers as traders read them: short, of fixed width, with a sign where it matters; undefined prints an en dash."""

from __future__ import annotations

import math

__all__ = [
    "UNDEFINED",
    "age",
    "basis_points",
    "clock",
    "intensity",
    "percent",
    "position",
    "price",
    "quantity",
    "sign_style",
]

UNDEFINED = "\N{EN DASH}"
_STEPS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_FEW, _MANY = 10, 100

# Five steps of one hue each; the last ones are bold, so that strength shows without colour too.
_UP = ("color(65)", "color(71)", "color(77)", "bold color(77)", "bold color(83)")
_DOWN = ("color(95)", "color(131)", "color(167)", "bold color(167)", "bold color(203)")


def price(value: float | None) -> str:
    """Return a price with 2 decimals, 4 below one."""
    if value is None or math.isnan(value):
        return UNDEFINED
    return f"{value:.4f}" if abs(value) < 1 else f"{value:.2f}"


def percent(ratio: float | None) -> str:
    """Return a fraction in percent, one decimal and a sign, without the percent sign."""
    if ratio is None or math.isnan(ratio):
        return UNDEFINED
    # A rounded zero has no direction: adding 0.0 turns -0.0 into 0.0.
    return f"{round(ratio * 100, 1) + 0.0:+.1f}"


def basis_points(ratio: float | None) -> str:
    """Return a fraction in basis points: one decimal below 10, none above."""
    if ratio is None or math.isnan(ratio):
        return UNDEFINED
    points = ratio * 10_000
    return f"{points:.1f}" if abs(points) < _FEW else f"{points:.0f}"


def quantity(value: float | None) -> str:
    """Return a volume, an amount or a count with 3 significant digits and K, M, B or T."""
    if value is None or math.isnan(value):
        return UNDEFINED
    # Rounding first decides the letter: 999,950 is 1.00M, not 1000K.
    rounded = float(f"{value:.3g}")
    for step, letter in _STEPS:
        if abs(rounded) >= step:
            return f"{_three_digits(rounded / step)}{letter}"
    return f"{rounded:.0f}" if rounded.is_integer() else f"{rounded:.3g}"


def _three_digits(value: float) -> str:
    decimals = 0 if abs(value) >= _MANY else 1 if abs(value) >= _FEW else 2
    return f"{value:.{decimals}f}"


def age(seconds: float | None) -> str:
    """Return a length of time in its largest unit: ``0.2s``, ``45s``, ``12m``, ``3h``, ``2d``."""
    if seconds is None or math.isnan(seconds):
        return UNDEFINED
    for unit, letter in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")):
        if seconds >= unit:
            return f"{seconds / unit:.0f}{letter}"
    return f"{seconds:.0f}s" if seconds >= _FEW else f"{seconds:.1f}s"


def clock(seconds: int) -> str:
    """Return a length of time as hours and minutes, ``0:44``."""
    return f"{seconds // _HOUR}:{seconds % _HOUR // _MINUTE:02d}"


def position(value: float | None) -> str:
    """Return a place between low (0) and high (1) as three cells."""
    if value is None or math.isnan(value):
        return UNDEFINED
    filled = min(3, max(0, math.ceil(value * 3)))
    return "■" * filled + "·" * (3 - filled)


def intensity(value: float, scale: float) -> int:
    """Return 0 to 4 for how strong a value is; `scale` is what counts as the strongest, each step below is half."""
    strength = abs(value)
    return sum(strength >= scale / 2**step for step in range(4))


def sign_style(value: float | None, scale: float) -> str:
    """Return the style of a signed value: hue by sign, intensity by strength; empty for zero and undefined."""
    if value is None or math.isnan(value) or value == 0:
        return ""
    return (_UP if value > 0 else _DOWN)[intensity(value, scale)]
