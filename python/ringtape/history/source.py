"""What can give the past of a venue."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from .records import Records

__all__ = ["Source"]


class Source(Protocol):
    """A venue's past, as the engine's records. Times are Unix ns, both ends included."""

    venue: str

    def trades(
        self, symbol: str, start_ns: int, end_ns: int, ids: tuple[int, int] | None = None
    ) -> AsyncIterator[Records]:
        """Yield pages of trades in tape order, with the columns of ``ringtape.events.dtypes()["trades"]``.

        With `ids`, the first and last trade id that are wanted, where the venue numbers its trades one by one.
        """

    def bars(self, symbol: str, interval: str, start_ns: int, end_ns: int) -> AsyncIterator[Records]:
        """Yield pages of bars that have ended, oldest first, with the columns of ``dtypes()["bars"]``."""

    def intervals(self) -> frozenset[str]:
        """Return the intervals of bars that the venue has."""

    async def close(self) -> None:
        """Close the connections."""
