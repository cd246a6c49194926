"""Gaps: what did not come, as records that outlive a restart.

A `Gap` is opened when a connection is lost, when a venue's ids have a hole, or when the venue counts more volume than
came. The `GapBook` keeps the records; with a folder it writes each change to a file, one JSON object a line, so that a
gap that was open when the process ended is found by the next one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from .errors import ConfigError

__all__ = ["GAPS_MAX", "Cause", "Gap", "GapBook", "GapState"]

GAPS_MAX = 10_000
FILE = "gaps.jsonl"
_LINES_FACTOR = 4
_LINE_MAX = 1 << 20
_SHOWN = 3

Cause = Literal["ids", "outage", "volume_drift"]
GapState = Literal["open", "filled", "partly", "given_up"]
_UNSETTLED = frozenset({"open"})


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """What did not come of one channel. Times are Unix ns."""

    number: int
    """Tells the gaps of a book apart, rising."""
    venue: str
    channel: str
    """``trades``, ``quotes``, ``bars``, ``depth``, or the venue's own word for what is none of these."""
    symbols: tuple[str, ...] | None
    """Whose; None for all symbols of the channel."""
    start_ns: int
    end_ns: int | None = None
    """None while it goes on."""
    cause: Cause
    """``ids``: the venue's numbers tell; ``outage``: nothing could come; ``volume_drift``: the venue counts more."""
    missing: int | None = None
    """How many events, where the ids tell."""
    first_id: int | None = None
    last_id: int | None = None
    state: GapState = "open"
    """``open`` until it is ``filled``, filled ``partly``, or ``given_up``."""

    @property
    def is_over(self) -> bool:
        """True once something came again."""
        return self.end_ns is not None

    def __str__(self) -> str:
        whose = (
            "all"
            if self.symbols is None
            else ", ".join([*self.symbols[:_SHOWN], *("..." for _ in self.symbols[_SHOWN : _SHOWN + 1])])
        )
        count = "" if self.missing is None else f", {self.missing} missing"
        return f"gap {self.venue} {self.channel} of {whose} ({self.cause}{count}): {self.state}"


class GapBook:
    """The gaps of an app: those that are open, and the newest of the others.

    Parameters
    ----------
    folder
        Where to keep them over a restart, in ``gaps.jsonl``; None keeps them in memory. Made if it is not there, for
        the user alone. Gaps in the file that were not settled are open again, see `end_all`.

    Raises
    ------
    ConfigError
        The folder cannot be used.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self._gaps: dict[int, Gap] = {}
        self._path = None if folder is None else Path(folder) / FILE
        self._lines = 0
        self._failed = ""
        self._next = 1
        if self._path is not None:
            self._load(self._path)

    def __iter__(self) -> Iterator[Gap]:
        return iter(tuple(self._gaps.values()))

    def __len__(self) -> int:
        return len(self._gaps)

    @property
    def open_gaps(self) -> tuple[Gap, ...]:
        """Gaps that are not settled, oldest first."""
        return tuple(gap for gap in self._gaps.values() if gap.state in _UNSETTLED)

    @property
    def failure(self) -> str:
        """Why the file is not written any more; empty while it is."""
        return self._failed

    def get(self, number: int) -> Gap | None:
        """Return a gap by its number; None where it was forgotten."""
        return self._gaps.get(number)

    def open(
        self,
        venue: str,
        channel: str,
        symbols: Iterable[str] | None,
        start_ns: int,
        *,
        cause: Cause,
        end_ns: int | None = None,
        missing: int | None = None,
        ids: tuple[int, int] | None = None,
    ) -> Gap:
        """Return a new gap, kept."""
        first, last = ids or (None, None)
        gap = Gap(
            number=self._next,
            venue=venue,
            channel=channel,
            symbols=None if symbols is None else tuple(symbols),
            start_ns=start_ns,
            end_ns=end_ns,
            cause=cause,
            missing=missing,
            first_id=first,
            last_id=last,
        )
        self._next += 1
        return self._keep(gap)

    def end(self, number: int, end_ns: int) -> Gap | None:
        """Return the gap with its end."""
        gap = self._gaps.get(number)
        return None if gap is None else self._keep(msgspec.structs.replace(gap, end_ns=max(end_ns, gap.start_ns)))

    def settle(self, number: int, state: GapState, missing: int | None = None) -> Gap | None:
        """Return the gap with its state and, where ids tell, how many events are missing still."""
        gap = self._gaps.get(number)
        if gap is None:
            return None
        missing = gap.missing if missing is None else missing
        return self._keep(msgspec.structs.replace(gap, state=state, missing=missing))

    def end_all(self, end_ns: int) -> None:
        """End every gap that went on when the last process ended: from now on it is ours to know."""
        for gap in self:
            if not gap.is_over:
                self.end(gap.number, end_ns)

    def _keep(self, gap: Gap) -> Gap:
        self._gaps[gap.number] = gap
        if len(self._gaps) > GAPS_MAX:
            self._forget()
        if self._path is not None and not self._failed:
            self._write(self._path, gap)
        return gap

    def _forget(self) -> None:
        """Forget the oldest that is settled, or the oldest of all."""
        settled = (number for number, gap in self._gaps.items() if gap.state not in _UNSETTLED)
        del self._gaps[next(settled, next(iter(self._gaps)))]

    def _write(self, path: Path, gap: Gap) -> None:
        # A full disk must not end a feed: the gaps stay in memory, and `failure` says so.
        try:
            if self._lines > _LINES_FACTOR * max(len(self._gaps), 256):
                self._compact(path)
            else:
                _append(path, msgspec.json.encode(gap) + b"\n")
                self._lines += 1
        except OSError as error:
            self._failed = f"{path}: {error.strerror}"

    def _compact(self, path: Path) -> None:
        fresh = path.with_suffix(".tmp")
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
        _append(fresh, b"".join(msgspec.json.encode(gap) + b"\n" for gap in self._gaps.values()))
        fresh.replace(path)
        self._lines = len(self._gaps)

    def _load(self, path: Path) -> None:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            raw = path.read_bytes() if path.exists() else b""
            whole = raw[: raw.rfind(b"\n") + 1]
            for line in whole.splitlines():
                self._read(line)
            while len(self._gaps) > GAPS_MAX:
                self._forget()
            # What a crash tore off is no gap; written anew, the file has whole lines only.
            self._compact(path)
        except OSError as error:
            raise ConfigError(f"cannot keep gaps in {path.parent}: {error.strerror}", "state", str(path)) from None

    def _read(self, line: bytes) -> None:
        if len(line) > _LINE_MAX:
            return
        with contextlib.suppress(msgspec.MsgspecError):
            gap = msgspec.json.decode(line, type=Gap)
            self._gaps[gap.number] = gap
            self._next = max(self._next, gap.number + 1)


def _append(path: Path, data: bytes) -> None:
    """Write bytes at the end of a file that only its owner may read, through no link."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    with open(path, "ab", opener=lambda name, _: os.open(name, flags, 0o600)) as file:
        file.write(data)
