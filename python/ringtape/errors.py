"""Every error that ringtape raises on purpose.

::

    RingtapeError                       is_retryable
    ├── ConfigError                     which key, which source, what was expected
    ├── MissingExtra                    (also an ImportError)  which extra brings the module
    ├── FeedError                       venue, retryable
    │   ├── AuthenticationError         the venue refused the key
    │   ├── SubscriptionError           the venue, or we, refused a subscription
    │   ├── ProtocolError               the peer broke the protocol
    │   └── Disconnected                the connection ended; the feed connects again
    ├── HistoryError                    venue, status, retryable; a venue's past cannot be had
    ├── DecodeError                     venue, kind, offset, sample
    ├── RuleError                       text, span, hint
    ├── UnknownField                    (also a KeyError)    name, nearest names
    ├── UnknownVenue                    (also a ValueError)  name, nearest names
    ├── UnknownSymbol                   (also a KeyError)    name, nearest names
    ├── AmbiguousSymbol                 (also a KeyError)    name, its qualified names
    ├── EngineBusy                      a concurrent or re-entrant call of an Engine
    └── SharedMemoryError               name; it cannot be made, or is not there
        ├── LayoutMismatch              another version wrote it, or it is damaged
        ├── WriterGone                  its writer has ended or died
        └── WriterReplaced              another writer took its name: attach again

A message is one sentence: what went wrong, where, and the nearest right thing. Keys never appear in one.
"""

# ruff: noqa: N818 - the names say what happened; most of them would not be truer with an Error behind them
from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import NoReturn

__all__ = [
    "AmbiguousSymbol",
    "AuthenticationError",
    "ConfigError",
    "DecodeError",
    "Disconnected",
    "EngineBusy",
    "FeedError",
    "HistoryError",
    "LayoutMismatch",
    "MissingExtra",
    "ProtocolError",
    "RingtapeError",
    "RuleError",
    "SharedMemoryError",
    "SubscriptionError",
    "UnknownField",
    "UnknownSymbol",
    "UnknownVenue",
    "WriterGone",
    "WriterReplaced",
]


class RingtapeError(Exception):
    """The root of the tree: ``except RingtapeError`` catches whatever ringtape raises on purpose."""

    @property
    def is_retryable(self) -> bool:
        """True where the same call may succeed later without a change by the user."""
        return False

    def __str__(self) -> str:
        # QUIRK: KeyError prints the repr of its argument; a message is a sentence, not a key.
        return str(self.args[0]) if self.args else type(self).__name__


class ConfigError(RingtapeError):
    """A setting is wrong.

    Parameters
    ----------
    message
        What is wrong, in one sentence.
    key
        Dotted path of the setting, such as ``feeds[0].market``; empty where none is at fault.
    source
        Where it was read: a file name, an environment variable, or ``arguments``.
    expected
        What would have been right.
    """

    def __init__(self, message: str, key: str = "", source: str = "", expected: str = "") -> None:
        super().__init__(message)
        self.key = key
        self.source = source
        self.expected = expected


class MissingExtra(RingtapeError, ImportError):
    """A command or function needs a package that is not installed.

    Parameters
    ----------
    what
        What was asked for, such as ``ringtape serve``.
    module
        The module that is missing.
    extra
        The extra of ringtape that installs it; None where the module belongs to ringtape's own requirements.
    """

    def __init__(self, what: str, module: str, extra: str | None = None) -> None:
        remedy = f"pip install 'ringtape[{extra}]'" if extra else f"pip install {module}"
        super().__init__(f"{what} needs the Python package {module!r}, which is not installed: {remedy}")
        self.what = what
        self.module = module
        self.extra = extra


class FeedError(RingtapeError):
    """Something went wrong between us and a venue.

    Parameters
    ----------
    message
        What is wrong, in one sentence.
    venue
        Venue id, such as ``massive.stocks``.
    retryable
        Whether connecting again may help.
    """

    def __init__(self, message: str, venue: str = "", *, retryable: bool = False) -> None:
        super().__init__(message)
        self.venue = venue
        self._retryable = retryable

    @property
    def is_retryable(self) -> bool:
        """True where connecting again may help."""
        return self._retryable


class AuthenticationError(FeedError):
    """The venue refused the key, the plan or one connection more. Never retried on its own."""


class SubscriptionError(FeedError):
    """A subscription cannot be served: unknown channel, not entitled, too many."""


class ProtocolError(FeedError):
    """The peer sent something that its protocol does not allow, or did not answer in time."""

    def __init__(self, message: str, venue: str = "", *, retryable: bool = True) -> None:
        super().__init__(message, venue, retryable=retryable)


class Disconnected(FeedError):
    """The connection ended, cleanly or not."""

    def __init__(self, message: str, venue: str = "", *, retryable: bool = True) -> None:
        super().__init__(message, venue, retryable=retryable)


class HistoryError(RingtapeError):
    """A venue's past cannot be had.

    Parameters
    ----------
    message
        What is wrong, in one sentence.
    venue
        Venue id, such as ``massive.stocks``.
    status
        HTTP status of the answer; 0 where there was none.
    retryable
        Whether the same request may succeed later.
    """

    def __init__(self, message: str, venue: str = "", status: int = 0, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.venue = venue
        self.status = status
        self._retryable = retryable

    @property
    def is_retryable(self) -> bool:
        """True where the venue or the way to it failed, and not the request."""
        return self._retryable


class DecodeError(RingtapeError):
    """A frame was rejected whole.

    Parameters
    ----------
    venue
        Venue id the frame was decoded for.
    kind
        The reason, such as ``syntax`` or ``utf8``.
    offset
        Byte offset in the frame where it was noticed.
    sample
        The first bytes of the frame.
    """

    def __init__(self, venue: str, kind: str, offset: int, sample: bytes = b"") -> None:
        super().__init__(f"{venue}: frame rejected at byte {offset}: {kind}; it begins {sample[:64]!r}")
        self.venue = venue
        self.kind = kind
        self.offset = offset
        self.sample = sample


class RuleError(RingtapeError):
    """A rule does not compile.

    Parameters
    ----------
    text
        The message for the user: reason, the line of the rule with a caret under the culprit, suggestion.
    span
        Start and end of the culprit in the rule's text, in characters.
    hint
        The suggestion alone; None where there is none.
    """

    def __init__(self, text: str, span: tuple[int, int] = (0, 0), hint: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.span = span
        self.hint = hint


class _UnknownName(RingtapeError):
    """A name that is not in a closed list."""

    what = "name"

    def __init__(self, name: str, nearest: Iterable[str] = ()) -> None:
        self.name = name
        self.nearest = tuple(nearest)
        super().__init__(f"unknown {self.what} {name!r}{did_you_mean(self.nearest)}")


class UnknownField(_UnknownName, KeyError):
    """A field is not in the catalogue; `nearest` holds the names closest to it."""

    what = "field"


class UnknownVenue(_UnknownName, ValueError):
    """A venue or market does not exist; `nearest` holds the names closest to it."""

    what = "venue"


class UnknownSymbol(_UnknownName, KeyError):
    """A symbol has not been seen; `nearest` holds the names closest to it."""

    what = "symbol"


class AmbiguousSymbol(RingtapeError, KeyError):
    """A bare symbol name lives on several venues; `candidates` holds the qualified names."""

    def __init__(self, name: str, candidates: Iterable[str] = ()) -> None:
        self.name = name
        self.candidates = tuple(candidates)
        super().__init__(f"symbol {name!r} is on several venues: write one of {', '.join(self.candidates)}")


class EngineBusy(RingtapeError):
    """An Engine was called from a second thread, or from inside one of its own calls."""

    def __init__(self, message: str = "the engine is busy: it has one owner, and calls do not nest") -> None:
        super().__init__(message)

    @property
    def is_retryable(self) -> bool:
        """True: the other call ends soon."""
        return True


def nearest(name: str, names: Iterable[str], most: int = 3) -> list[str]:
    """Return up to `most` of `names` that resemble `name`, nearest first, case ignored."""
    by_folded = {known.casefold(): known for known in names}
    found = get_close_matches(name.casefold(), by_folded, n=most, cutoff=0.6)
    return [by_folded[known] for known in found]


def did_you_mean(names: Sequence[str]) -> str:
    """Return `names` as the tail of an error message; empty where there are none."""
    if not names:
        return ""
    quoted = [repr(name) for name in names]
    return f"; did you mean {quoted[0]}?" if len(quoted) == 1 else f"; did you mean one of {', '.join(quoted)}?"


def suggest(name: str, names: Iterable[str]) -> str:
    """Return the tail of an error message for an unknown `name`: the nearest of `names`, else all of them."""
    known = list(names)
    close = nearest(name, known, most=1)
    return did_you_mean(close) if close else f"; known are {', '.join(known)}"


def raise_missing_extra(what: str, error: ImportError, extra: str | None) -> NoReturn:
    """Raise `MissingExtra` for a failed import of a package that is not ours; anything else is raised as it is."""
    module = re.split(r"\.", error.name or "", maxsplit=1)[0]
    if not module or module == "ringtape":
        raise error
    raise MissingExtra(what, module, extra) from error


class SharedMemoryError(RingtapeError):
    """Shared memory cannot be made or attached to.

    Attributes
    ----------
    name
        What it is called.

    """

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"shared memory {name!r}: {why}")
        self.name = name


class LayoutMismatch(SharedMemoryError):
    """The file was written by another version, is damaged, or is none of ours."""


class WriterGone(SharedMemoryError):
    """The engine that wrote has ended or died; what it wrote last is no longer handed out."""


class WriterReplaced(SharedMemoryError):
    """Another engine has taken the name since; attach again to read it."""
