"""Studies of bars by their literal definitions. Bars are ``(start, open, high, low, close, volume)``, oldest first."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise

Bar = tuple[int, float, float, float, float, float]
Value = float | None


def smooth(values: Sequence[float], n: int, share: float) -> list[Value]:
    """Return a mean after each value: None before there are n of them, then the plain one, then by a share."""
    out: list[Value] = []
    for at in range(len(values)):
        before = out[-1] if out else None
        if before is not None:
            out.append(before + share * (values[at] - before))
        else:
            out.append(statistics.fmean(values[:n]) if at == n - 1 else None)
    return out


def last(values: Sequence[Value]) -> Value:
    """Return the newest value."""
    return values[-1] if values else None


def ema(closes: Sequence[float], n: int) -> Value:
    """Return the exponential mean."""
    return last(smooth(closes, n, 2 / (n + 1))) if len(closes) >= 3 * n else None


def rsi(closes: Sequence[float], n: int) -> Value:
    """Return the relative strength."""
    changes = [b - a for a, b in pairwise(closes)]
    gain = last(smooth([max(change, 0) for change in changes], n, 1 / n))
    loss = last(smooth([max(-change, 0) for change in changes], n, 1 / n))
    if gain is None or loss is None or gain + loss == 0:
        return None
    return 100 - 100 / (1 + gain / loss) if loss else 100


def atr(bars: Sequence[Bar], n: int) -> Value:
    """Return the average true range."""
    ranges = [max(bar[2], before[4]) - min(bar[3], before[4]) for before, bar in pairwise(bars)]
    return last(smooth(ranges, n, 1 / n))


def macd(closes: Sequence[float]) -> tuple[Value, Value]:
    """Return the difference of means, and its mean."""
    fast, slow = smooth(closes, 12, 2 / 13), smooth(closes, 26, 2 / 27)
    lines = [a - b for a, b in zip(fast, slow, strict=True) if a is not None and b is not None]
    if len(closes) < 78:
        return None, None
    return lines[-1], last(smooth(lines, 9, 0.2))


def run(closes: Sequence[float]) -> Value:
    """Return the signed run of closes."""
    signs = [(b > a) - (b < a) for a, b in pairwise(closes)][::-1]
    if not signs:
        return None
    return signs[0] * next((n for n, sign in enumerate(signs) if sign != signs[0]), len(signs))


def volatility(bars: Sequence[Bar], interval: int, window: int, now: int) -> Value:
    """Return the root of the squared returns of the bars that ended in a window."""
    ended = [
        math.log(bar[4] / before[4]) ** 2 for before, bar in pairwise(bars) if now - window < bar[0] + interval <= now
    ]
    return math.sqrt(math.fsum(ended)) if len(ended) >= 5 else None


def fields(every: Sequence[Bar], regular: Sequence[Bar], price: Value, now: int) -> dict[str, Value]:
    """Return every study, of all bars and of those of the regular session."""
    closes = [bar[4] for bar in regular]
    mean = statistics.fmean(closes[-5:]) if len(closes) >= 5 else None
    deviation = statistics.pstdev(closes[-5:]) if len(closes) >= 5 else None
    line, signal = macd(closes)
    average = ema(closes, 4)
    upper = None if mean is None or deviation is None else mean + 2 * deviation
    lower = None if mean is None or deviation is None else mean - 2 * deviation
    flat = upper is None or lower is None or upper == lower
    return {
        "bar_open(1m,1)": every[-1][1] if every else None,
        "bar_high(1m,2)": every[-2][2] if len(every) > 1 else None,
        "bar_low(1m,2)": every[-2][3] if len(every) > 1 else None,
        "bar_close(1m,3)": every[-3][4] if len(every) > 2 else None,
        "bar_volume(1m,1)": every[-1][5] if every else None,
        "sma(5,1m)": mean,
        "ema(4,1m)": average,
        "dist_sma(5,1m)": None if mean is None or price is None else price / mean - 1,
        "dist_ema(4,1m)": None if average is None or price is None else price / average - 1,
        "rsi(5,1m)": rsi(closes, 5),
        "atr(4,1m)": atr(regular, 4),
        "macd(1m)": line,
        "macd_signal(1m)": signal,
        "macd_hist(1m)": None if line is None or signal is None else line - signal,
        "bb_upper(5,1m)": upper,
        "bb_lower(5,1m)": lower,
        "bb_pos(5,1m)": None if flat or price is None else (price - lower) / (upper - lower),  # type: ignore[operator]
        "bb_width(5,1m)": None if flat else (upper - lower) / mean,  # type: ignore[operator]
        "consecutive(1m)": run(closes),
        "realized_vol(20m)": volatility(regular, 60 * 10**9, 1_200 * 10**9, now),
    }
