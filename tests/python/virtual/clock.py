"""Time that only passes when nobody has anything to do: an event loop whose clock jumps, and a wall clock over it."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

__all__ = ["VirtualLoop", "Wall", "run"]

T = TypeVar("T")

BEGIN_S = 1_000.0
_RESOLUTION_S = 1e-9


class _Jump(selectors.BaseSelector):
    """Looks at descriptors without waiting; where the loop would wait, its clock goes on by that much."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._inner = selectors.DefaultSelector()
        self._loop = loop

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._inner.get_map()

    def close(self) -> None:
        self._inner.close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("everything waits and no timer is set: virtual time would stand still for ever")
        if timeout <= 0:
            # WHY no look at the descriptors: only other threads write there, and virtual time knows none.
            return []
        self._loop.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time. The same calls in the same order give the same times, whatever the machine does.

    Attributes
    ----------
    now
        Virtual seconds.
    """

    def __init__(self) -> None:
        self.now = BEGIN_S
        super().__init__(_Jump(self))
        self._clock_resolution = _RESOLUTION_S

    def time(self) -> float:
        return self.now


class Wall:
    """A wall clock over virtual time: it may be set.

    Parameters
    ----------
    loop
        Whose time it follows.
    start_ns
        Unix time at the loop's beginning.
    """

    def __init__(self, loop: VirtualLoop, start_ns: int) -> None:
        self._loop = loop
        self._start_ns = start_ns
        self.offset_ns = 0
        """How far the clock of this machine is ahead of the true time."""

    def true_ns(self) -> int:
        """Return the true time, which the venue has."""
        return self._start_ns + round((self._loop.now - BEGIN_S) * 1e9)

    def __call__(self) -> int:
        return self.true_ns() + self.offset_ns


def run(make: Coroutine[Any, Any, T], loop: VirtualLoop) -> T:
    """Run a coroutine to its end in virtual time, then close the loop."""
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(make)
