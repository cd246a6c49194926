"""Faults as data: what goes wrong, when, and for which connections.

A `ringtape.sim.Script` holds them with a seed; the same script, steps and clients give the same faults.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar, Literal, get_args

import msgspec

from ringtape.errors import ConfigError

__all__ = [
    "KINDS",
    "Auth",
    "BlackHole",
    "Burst",
    "Close",
    "Coalesce",
    "Deaf",
    "Drop",
    "Duplicate",
    "EndOfLife",
    "Evict",
    "Fault",
    "Fragment",
    "Garbage",
    "HangUp",
    "Http",
    "ListenKeyExpired",
    "OfEvents",
    "Reorder",
    "Replay",
    "Reset",
    "Silence",
    "Skew",
    "Slice",
    "SlowConsumer",
    "Stall",
    "Unauthorized",
]

_WHEN = ("at_s", "every_s", "after_s", "after_frames", "on")
_REDIRECTS = frozenset({301, 302, 307, 308})
_ERRORS = frozenset(status for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST)
Moment = Literal["connect", "auth", "subscribe"]
What = Literal[
    "", "text", "cut", "binary", "utf8", "nan", "bom", "deep", "control", "object", "number", "opcode", "rsv", "mask"
]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What all faults share: when they strike, and whom. At most one of the five times may be given.

    Attributes
    ----------
    at_s
        Seconds since the host's first step.
    every_s, jitter_s
        Again and again, so many seconds apart, each up to `jitter_s` earlier or later.
    after_s
        Seconds since a connection was opened.
    after_frames
        Data frames that a connection has been sent; it strikes between that one and the next.
    on
        ``"connect"``, ``"auth"`` or ``"subscribe"``: as soon as a connection has been opened, has been logged in
        (Massive only), has been confirmed its first subscription. The default of faults of connections.
    path
        The connections whose path begins so, such as ``/stocks`` or ``/market``; empty for all.
    peer
        The how-manieth of those connections, the first is 1; 0 for all.
    times
        Most strikes in all; 0 for any number.
    """

    OF_VENUE: ClassVar[bool] = False
    """True where it is a matter of the whole venue and not of connections."""

    at_s: float | None = None
    every_s: float | None = None
    jitter_s: float = 0.0
    after_s: float | None = None
    after_frames: int | None = None
    on: Moment | None = None
    path: str = ""
    peer: int = 0
    times: int = 0

    @property
    def kind(self) -> str:
        """The word for it in a script."""
        return str(self.__struct_config__.tag)

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        ConfigError
            Two times are given, a number is out of its range, a time or a connection does not apply.
        """
        given = [name for name in _WHEN if getattr(self, name) is not None]
        if len(given) > 1:
            raise self._wrong(given[1], f"{given[0]} and {given[1]} are both given: write one time")
        if self.OF_VENUE:
            late = next((name for name in given if name not in {"at_s", "every_s"}), "")
            if late or self.peer:
                key = late or "peer"
                raise self._wrong(key, f"{key} is of a connection and {self.kind} of the venue: write at_s or every_s")
        if self.after_frames == 0 or self.every_s == 0:
            name = "after_frames" if self.after_frames == 0 else "every_s"
            raise self._wrong(name, f"{name} is 0: write a number above zero")
        if self.every_s is not None and not 0 <= self.jitter_s < self.every_s:
            raise self._wrong("jitter_s", f"jitter_s is {self.jitter_s}: write a number from 0 to below every_s")
        if self.every_s is None and self.jitter_s:
            raise self._wrong("jitter_s", "jitter_s is given without every_s")
        if self.path and not self.path.startswith("/"):
            raise self._wrong("path", f"path is {self.path!r}: write it with a slash in front, such as /stocks")
        for name in ("at_s", "every_s", "after_s", "after_frames", "peer", "times", "for_s"):
            value = getattr(self, name, None)
            if value is not None and value < 0:
                raise self._wrong(name, f"{name} is {value}: write a number that is not below zero")

    def _wrong(self, key: str, why: str) -> ConfigError:
        return ConfigError(f"{self.kind}: {why}", key, "arguments")

    def _check(self, key: str, low: float, high: float) -> None:
        value = getattr(self, key)
        if not low <= value <= high:
            raise self._wrong(key, f"{key} is {value}: write a number from {low:g} to {high:g}")


class _Lasting(Fault, frozen=True, kw_only=True):
    """A fault that lasts `for_s` seconds; 0 for as long as the connection, or the venue, lives."""

    for_s: float = 0.0


class OfEvents(_Lasting, frozen=True, kw_only=True):
    """A fault of single events.

    Attributes
    ----------
    stream
        The events it concerns: ``T.SPY``, ``btcusdt@kline_1m``, ``A.*``, ``*@aggTrade``; empty for all.
    """

    stream: str = ""


class _OfVenue(_Lasting, frozen=True, kw_only=True):
    OF_VENUE: ClassVar[bool] = True


# Ends.


class Reset(Fault, frozen=True, kw_only=True, tag="reset"):
    """TCP reset: what was not delivered yet is lost too."""


class HangUp(Fault, frozen=True, kw_only=True, tag="hang_up"):
    """The end of the connection without a close frame."""


class Close(Fault, frozen=True, kw_only=True, tag="close"):
    """A close frame of any code, then the end.

    Attributes
    ----------
    code
        0 to 65535; those that must not be on the wire (0, 1005, 1006, 1015 ...) too.
    reason
        At most 123 bytes.
    """

    code: int = 1000
    reason: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        super().__post_init__()
        self._check("code", 0, 65_535)
        if len(self.reason.encode()) > 123:  # noqa: PLR2004 - RFC 6455: a control frame holds 125 bytes
            raise self._wrong("reason", "reason has more than 123 bytes")


class EndOfLife(Fault, frozen=True, kw_only=True, tag="end_of_life"):
    """The venue's own end of a connection, as after 24 h.

    Attributes
    ----------
    announce_s
        On Binance, ``serverShutdown`` comes so long before the end; 0 for no announcement.
    code
        Of the close frame; 0 for no close frame.
    """

    announce_s: float = 0.0
    code: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        super().__post_init__()
        self._check("announce_s", 0, 86_400)
        self._check("code", 0, 65_535)


class Evict(Fault, frozen=True, kw_only=True, tag="evict"):
    """Massive's ``max_connections`` and close 1008, whoever else is there; elsewhere close 1008."""


class SlowConsumer(Fault, frozen=True, kw_only=True, tag="slow_consumer"):
    """The end of a client that does not keep up: data comes later and later, then a warning, then the end.

    Attributes
    ----------
    growth
        Seconds of delay gained in a second.
    warn_s
        Delay at which Massive sends the status ``slow_consumer``. ? Its place in the course of things is a guess.
    limit_s
        Delay at which the client is cut off: what waits is lost; ``force_disconnect`` on Massive, and close 1008.
    """

    growth: float = 0.5
    warn_s: float = 2.0
    limit_s: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        super().__post_init__()
        self._check("growth", 0.001, 1.0)
        self._check("limit_s", 0.001, 86_400)
        self._check("warn_s", 0, self.limit_s)


# Silence.


class BlackHole(_Lasting, frozen=True, kw_only=True, tag="black_hole"):
    """Nothing arrives in either direction, and nothing fails. What was sent meanwhile is lost."""


class Stall(_Lasting, frozen=True, kw_only=True, tag="stall"):
    """Nothing is sent for `for_s` seconds, then all of it at once."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        super().__post_init__()
        self._check("for_s", 0.001, 86_400)


class Silence(OfEvents, frozen=True, kw_only=True, tag="silence"):
    """Events of one stream do not come, or of any where no stream is named; answers and pongs do."""


class Deaf(_Lasting, frozen=True, kw_only=True, tag="deaf"):
    """Requests are neither answered nor done; data goes on."""


# Refusals.


class Auth(_Lasting, frozen=True, kw_only=True, tag="auth"):
    """Massive's answer to a key.

    Attributes
    ----------
    answer
        ``"failed"`` or ``"plan"``, after which it hangs up; ``"timeout"``, the same at once; ``"silent"`` for no
        answer at all.
    """

    answer: Literal["failed", "plan", "timeout", "silent"] = "failed"


class Unauthorized(_Lasting, frozen=True, kw_only=True, tag="unauthorized"):
    """Massive's ``not authorized`` to the subscription of matching streams, such as ``T.*``."""

    stream: str = "*"


# Events.


class Drop(OfEvents, frozen=True, kw_only=True, tag="drop"):
    """Events go missing.

    Attributes
    ----------
    share
        The part of all, by seeded chance.
    count
        Most of them after a strike; 0 for any number.
    """

    share: float = 1.0
    count: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        super().__post_init__()
        self._check("share", 0, 1)
        self._check("count", 0, 1 << 40)


class Duplicate(OfEvents, frozen=True, kw_only=True, tag="duplicate"):
    """Events come twice, the copy right behind; `share` of all, by seeded chance."""

    share: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        super().__post_init__()
        self._check("share", 0, 1)


class Reorder(OfEvents, frozen=True, kw_only=True, tag="reorder"):
    """Every `window` events come in another order. They wait until there are so many."""

    window: int = 10

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        super().__post_init__()
        self._check("window", 2, 10_000)


class Replay(Fault, frozen=True, kw_only=True, tag="replay"):
    """The last `count` data frames that this path sent to anybody are sent again."""

    count: int = 100

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        super().__post_init__()
        self._check("count", 1, 10_000)


# Bytes.


class Slice(_Lasting, frozen=True, kw_only=True, tag="slice"):
    """Bytes are written `size` at a time, each write on its own."""

    size: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        super().__post_init__()
        self._check("size", 1, 1 << 20)


class Coalesce(_Lasting, frozen=True, kw_only=True, tag="coalesce"):
    """Bytes wait until there are `size` of them, or for `hold_s`, and are written at once."""

    size: int = 16 << 20
    hold_s: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        super().__post_init__()
        self._check("size", 1, 64 << 20)
        self._check("hold_s", 0.001, 60)


class Fragment(_Lasting, frozen=True, kw_only=True, tag="fragment"):
    """Messages come in fragments of `size` bytes, with a ping between any two where `pings` is true."""

    size: int = 16
    pings: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        super().__post_init__()
        self._check("size", 1, 1 << 20)


class Garbage(Fault, frozen=True, kw_only=True, tag="garbage"):
    """A frame that should not be.

    Attributes
    ----------
    what
        ``text``, ``cut`` JSON, ``binary``, bad ``utf8``, ``nan``, ``bom``, ``deep`` nesting, a raw ``control``
        character, an ``object`` or ``number`` where an array or object belongs; and broken framing: ``opcode``,
        ``rsv``, ``mask``. Empty for one of the JSON kinds, by seeded chance.
    count
        Frames at a strike.
    """

    what: What = ""
    count: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        super().__post_init__()
        self._check("count", 1, 1_000)


# Of the venue.


class Burst(_OfVenue, frozen=True, kw_only=True, tag="burst"):
    """The market's rate times `factor`; `path` names the market (``/stocks``, or any other for Binance's)."""

    factor: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        super().__post_init__()
        self._check("factor", 0.001, 1_000)


class Skew(_OfVenue, frozen=True, kw_only=True, tag="skew"):
    """The venues' clock, and so the times of all events, `skew_s` seconds ahead of ours.

    A running market whose clock is set back makes nothing until it has caught up.
    """

    skew_s: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        super().__post_init__()
        self._check("skew_s", -86_400, 86_400)


class ListenKeyExpired(Fault, frozen=True, kw_only=True, tag="listen_key_expired"):
    """The key of Binance's private streams ends: its connections are told and stay open and silent."""

    OF_VENUE: ClassVar[bool] = True


class Http(_OfVenue, frozen=True, kw_only=True, tag="http"):
    """Requests under `path` get no proper answer: REST, and the opening of streams.

    Attributes
    ----------
    status
        Of the answer, such as 429, 418, 500, 503.
    retry_after_s
        For ``Retry-After``; 0 for none.
    html
        A proxy's page instead of JSON.
    location
        Where a status of 301, 302, 307 or 308 sends the client.
    timeout
        No answer at all. Of REST only: the opening of a stream gets the status.
    count
        Most requests; 0 for any number.
    """

    status: int = 500
    retry_after_s: int = 0
    html: bool = False
    location: str = ""
    timeout: bool = False
    count: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        super().__post_init__()
        if self.status not in (_REDIRECTS if self.location else _ERRORS):
            right = "301, 302, 307 or 308 with a location" if self.location else "an error of HTTP, such as 429 or 503"
            raise self._wrong("status", f"status is {self.status}: write {right}")
        self._check("retry_after_s", 0, 1 << 20)
        self._check("count", 0, 1 << 40)


AnyFault = (
    Auth
    | BlackHole
    | Burst
    | Close
    | Coalesce
    | Deaf
    | Drop
    | Duplicate
    | EndOfLife
    | Evict
    | Fragment
    | Garbage
    | HangUp
    | Http
    | ListenKeyExpired
    | Reorder
    | Replay
    | Reset
    | Silence
    | Skew
    | Slice
    | SlowConsumer
    | Stall
    | Unauthorized
)
KINDS: dict[str, type[Fault]] = {str(each.__struct_config__.tag): each for each in get_args(AnyFault)}
"""The faults by their word in a script."""
