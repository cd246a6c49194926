"""When to connect again: first at once, then full jitter over a doubling range."""

from __future__ import annotations

from collections.abc import Callable
from random import SystemRandom

__all__ = ["Backoff"]

_MAX_DOUBLINGS = 32


class Backoff:
    """Delays between attempts to connect.

    The first attempt after a reset waits for nothing; the n-th after it waits a uniformly random time between 0 and
    ``base_s * 2**n``, at most `cap_s`. Full jitter spreads a thousand clients that lost one server over the whole
    range, which a fixed delay with a little noise does not.

    Parameters
    ----------
    base_s, cap_s
        Seconds.
    random
        Returns a number in [0, 1); tests pass a seeded one.
    """

    def __init__(self, base_s: float = 0.25, cap_s: float = 30.0, random: Callable[[], float] | None = None) -> None:
        self._base_s = base_s
        self._cap_s = cap_s
        self._random = random or SystemRandom().random
        self.attempt = 0

    def next_delay(self) -> float:
        """Return the seconds to wait before the coming attempt, and count it."""
        attempt, self.attempt = self.attempt, self.attempt + 1
        if attempt == 0:
            return 0.0
        return self._random() * min(self._cap_s, self._base_s * 2.0 ** min(attempt - 1, _MAX_DOUBLINGS))

    def reset(self) -> None:
        """Start over: the next attempt waits for nothing.

        Call it after data, never after a mere connect: a venue that accepts and drops would be hammered.
        """
        self.attempt = 0
