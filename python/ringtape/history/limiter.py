"""One rate limiter for each key: so much weight in a window, pauses that a venue asks for, and what it says is used."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

__all__ = ["RateLimiter"]


class RateLimiter:
    """Lets requests pass in order, so that no window of time sees more than the limit.

    Parameters
    ----------
    limit
        Weight in any window; None for no limit but the pauses.
    window_s
        Length of the window, seconds.
    monotonic
        Seconds that never step back.

    Attributes
    ----------
    until
        Nobody passes before this time.
    waited
        How often somebody had to wait.
    """

    def __init__(
        self, limit: int | None, window_s: float = 60.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.until = 0.0
        self.waited = 0
        self._limit = limit
        self._window_s = window_s
        self._monotonic = monotonic
        self._passed: deque[tuple[float, int]] = deque()
        self._weight = 0
        self._turn = asyncio.Lock()

    async def acquire(self, weight: int = 1) -> None:
        """Wait for room for a request. More weight than the limit passes alone, in an empty window."""
        async with self._turn:
            while (delay := self._delay(weight)) > 0:
                self.waited += 1
                await asyncio.sleep(delay)
            self._add(weight)

    def pause(self, seconds: float) -> None:
        """Let nobody pass for some time: the venue has asked for it."""
        self.until = max(self.until, self._monotonic() + seconds)

    def observe(self, used: int) -> None:
        """Take what the venue says is used in the running window, by us and by others on the same address or key."""
        self._expire()
        if self._limit is not None and used > self._weight:
            # As if it had passed just now: when the venue's window ends is not ours to know.
            self._add(used - self._weight)

    def _delay(self, weight: int) -> float:
        now = self._monotonic()
        self._expire()
        if now < self.until:
            return self.until - now
        if self._limit is None or not self._passed or self._weight + weight <= self._limit:
            return 0.0
        return max(self._passed[0][0] + self._window_s - now, 0.001)

    def _add(self, weight: int) -> None:
        self._passed.append((self._monotonic(), weight))
        self._weight += weight

    def _expire(self) -> None:
        horizon = self._monotonic() - self._window_s
        while self._passed and self._passed[0][0] <= horizon:
            self._weight -= self._passed.popleft()[1]
