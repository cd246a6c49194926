"""Fields that compare today with the days before, by their literal definitions.

Days are ``(open, high, low, close, volume, half)``, oldest first. Today is a mapping of what rows say of it; None is
undefined.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Day = tuple[float, float, float, float, float, bool]
Value = float | None

MINUTE = 60 * 10**9


def defined(compute: Callable[[], Value]) -> Value:
    """Return a value; None where something it needs is undefined, or it is not finite."""
    try:
        value = compute()
    except (TypeError, ZeroDivisionError, IndexError, ValueError):
        return None
    return value if value is not None and math.isfinite(value) else None


@dataclass
class Past:
    """The days before today, and today's ``last high low open volume prev_close``."""

    days: Sequence[Day]
    today: Mapping[str, Value]

    def back(self, days: int) -> Day:
        """Return the day that many days ago."""
        if not 1 <= days <= len(self.days):
            raise IndexError
        return self.days[-days]

    @property
    def atr(self) -> Value:
        """Wilder's mean of 14 true ranges."""
        ranges = [
            max(high, before[3]) - min(low, before[3])
            for before, (_, high, low, *_) in zip(self.days, self.days[1:], strict=False)
        ]
        if len(ranges) < 14:
            return None
        mean = statistics.fmean(ranges[:14])
        for one in ranges[14:]:
            mean += (one - mean) / 14
        return mean

    @property
    def sigma(self) -> Value:
        """Sample deviation of the last 252 log returns."""
        closes = [day[3] for day in self.days]
        returns = [math.log(b / a) for a, b in pairwise(closes)][-252:]
        return statistics.stdev(returns) if len(returns) >= 20 else None

    def range(self, days: int) -> tuple[float, float]:
        """Return the range of that many days and today."""
        self.back(days)
        kept = self.days[-days:]
        highs = [day[1] for day in kept] + [one for one in [self.today["high"]] if one is not None]
        lows = [day[2] for day in kept] + [one for one in [self.today["low"]] if one is not None]
        return max(highs), min(lows)

    @property
    def year(self) -> tuple[float, float]:
        """Return the range of a year and today."""
        if len(self.days) < 20:
            raise IndexError
        return self.range(min(len(self.days), 252))

    def lookback(self, reached: Callable[[Day], bool]) -> Value:
        """Return the days back to the first that reached something."""
        if not self.days:
            return None
        found = (back for back in range(1, len(self.days) + 1) if reached(self.back(back)))
        return min(next(found, 366), 366)

    @property
    def run(self) -> Value:
        """Signed run of closes, with today's price as the newest."""
        last = self.today["last"]
        closes = [*[day[3] for day in self.days[:-1]], self.today["prev_close"], last]
        steps = [(b > a) - (b < a) for a, b in pairwise(closes)][::-1]  # type: ignore[operator]
        if not self.days or not steps[0]:
            return 0 if self.days else None
        return steps[0] * next((n for n, step in enumerate(steps) if step != steps[0]), len(steps))

    def average_volume(self, days: int) -> Value:
        """Mean volume of full days."""
        full = [day[4] for day in self.days if not day[5]][-days:]
        return statistics.fmean(full) if len(full) >= min(days, 5) else None

    def fields(self) -> dict[str, Value]:
        """Return every field."""
        get = self.today.__getitem__
        last, volume, prev_close = get("last"), get("volume"), get("prev_close")
        position = lambda high, low: (last - low) / (high - low)  # noqa: E731
        pivot = lambda: (self.back(1)[1] + self.back(1)[2] + prev_close) / 3  # noqa: E731
        mean_range = lambda days: statistics.fmean(day[1] - day[2] for day in self.days[-days:])  # noqa: E731
        computed: dict[str, Callable[[], Value]] = {
            "prev_open": lambda: self.back(1)[0],
            "prev_high": lambda: self.back(1)[1],
            "prev_low": lambda: self.back(1)[2],
            "prev_volume": lambda: self.back(1)[4],
            "pos_prev_day": lambda: position(self.back(1)[1], self.back(1)[2]),
            "pivot": pivot,
            "pivot_r1": lambda: 2 * pivot() - self.back(1)[2],
            "pivot_s1": lambda: 2 * pivot() - self.back(1)[1],
            "pivot_r2": lambda: pivot() + (self.back(1)[1] - self.back(1)[2]),
            "pivot_s2": lambda: pivot() - (self.back(1)[1] - self.back(1)[2]),
            "atr": lambda: self.atr,
            "atr_pct": lambda: self.atr / last,  # type: ignore[operator]
            "range_atr": lambda: (get("high") - get("low")) / self.atr,  # type: ignore[operator]
            "gap_atr": lambda: (get("open") - prev_close) / self.atr,  # type: ignore[operator]
            "sigma_day": lambda: self.sigma,
            "move_sigma": lambda: math.log(last / prev_close) / self.sigma,  # type: ignore[operator]
            "change_days(3)": lambda: last / self.back(3)[3] - 1,  # type: ignore[operator]
            "change_1y": lambda: last / self.back(252)[3] - 1,  # type: ignore[operator]
            "pos_range_days(5)": lambda: position(*self.range(5)),
            "pos_52w": lambda: position(*self.year),
            "high_52w": lambda: self.year[0],
            "low_52w": lambda: self.year[1],
            "off_52w_high": lambda: last / self.year[0] - 1,  # type: ignore[operator]
            "high_lookback": lambda: self.lookback(lambda day: day[1] >= last),  # type: ignore[operator]
            "low_lookback": lambda: self.lookback(lambda day: day[2] <= last),  # type: ignore[operator]
            "consecutive_days": lambda: self.run,
            "range_contraction": lambda: mean_range(3) / mean_range(20) if self.back(20) else None,
            "avg_volume(10)": lambda: self.average_volume(10),
            "avg_volume(3)": lambda: self.average_volume(3),
            "rvol_simple": lambda: volume / self.average_volume(10),  # type: ignore[operator]
        }
        return {name: defined(value) for name, value in computed.items()}


@dataclass
class Profile:
    """Running sums of the last days, a number at the end of each minute."""

    days: Sequence[Sequence[float]]

    def at(self, day: Sequence[float], minute: int) -> float:
        """Return the sum of a day at the end of a minute."""
        if minute == 0 or not day:
            return 0.0
        return day[min(minute, len(day)) - 1]

    def between(self, passed: int, of: Callable[[int], float]) -> float:
        """Return a value at a time since the start of the date, linear between minutes."""
        longest = max(len(day) for day in self.days)
        minute = min(max(passed, 0) // MINUTE, longest)
        low, high = of(minute), of(min(minute + 1, longest))
        return low + (high - low) * (max(passed, 0) % MINUTE / MINUTE)

    def expected(self, passed: int) -> Value:
        """Return the mean of the last ten days by a time."""
        kept = self.days[-10:]
        if len(self.days) < 3:
            return None
        return self.between(passed, lambda minute: statistics.fmean(self.at(day, minute) for day in kept))

    def score(self, passed: int, value: float) -> Value:
        """Return how many deviations the logarithm of a value is from the last twenty days."""
        kept = self.days[-20:]
        if len(self.days) < 10:
            return None
        logs = lambda minute: [math.log1p(self.at(day, minute)) for day in kept]  # noqa: E731
        mean = self.between(passed, lambda minute: statistics.fmean(logs(minute)))
        deviation = self.between(passed, lambda minute: statistics.stdev(logs(minute)))
        return (math.log1p(value) - mean) / deviation if deviation else None
