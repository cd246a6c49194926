"""What every feed has in common: states, actions, the session without I/O, and the feed a user declares.

A *session* is one connection's protocol as a machine: it is told what happened and when, and answers with actions.
It reads no clock and touches no socket, so a test drives it with plain calls; `connection.py` is the shell that
carries the actions out and starts over when the socket is lost. What must outlive a connection (the desired
subscriptions, the count of refusals) lives in the session; what a connection has confirmed is forgotten with it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ringtape.config import Secret
from ringtape.errors import FeedError

__all__ = [
    "Action",
    "Answer",
    "Batch",
    "Call",
    "Close",
    "Control",
    "Engine",
    "Fatal",
    "Feed",
    "FeedState",
    "Records",
    "Send",
    "Session",
    "State",
    "Warn",
]

Records: TypeAlias = NDArray[np.void]


class Control(Protocol):
    """A control message of a venue as the engine decoded it."""

    @property
    def conn(self) -> int:
        """Number of the connection it came on."""

    @property
    def kind(self) -> str:
        """``status``, ``reply`` or ``error``."""

    @property
    def status(self) -> str | None:
        """The venue's word for what happened."""

    @property
    def message(self) -> str | None:
        """The venue's explanation."""

    @property
    def id(self) -> int | str | None:
        """The id of the request it answers."""

    @property
    def code(self) -> int | None:
        """The venue's error code."""


class Notice(Protocol):
    """A rare event of variable shape."""

    @property
    def conn(self) -> int:
        """Number of the connection it came on."""

    @property
    def kind(self) -> str:
        """The venue's name of the event."""


class Batch(Protocol):
    """What the engine made of the frames since the last drain; see `ringtape.Engine.drain`."""

    @property
    def trades(self) -> Records:
        """Trades."""

    @property
    def quotes(self) -> Records:
        """Quotes."""

    @property
    def bars(self) -> Records:
        """Own bars that closed or were revised."""

    @property
    def venue_bars(self) -> Records:
        """Bars as the venue sent them."""

    @property
    def marks(self) -> Records:
        """Mark prices."""

    @property
    def levels(self) -> Records:
        """Price levels of order books."""

    @property
    def bands(self) -> Records:
        """Limit up, limit down bands."""

    @property
    def imbalances(self) -> Records:
        """Auction imbalances."""

    @property
    def values(self) -> Records:
        """Single values."""

    @property
    def signals(self) -> Records:
        """Rules that fired."""

    @property
    def notices(self) -> Sequence[Notice]:
        """Rare events of variable shape."""

    @property
    def control(self) -> Sequence[Control]:
        """Control messages."""

    @property
    def lost(self) -> Mapping[str, int]:
        """Records that were overwritten before they were drained, by kind."""

    def __len__(self) -> int: ...


class Engine(Protocol):
    """The part of `ringtape.Engine` that a feed uses."""

    def feed(self, frame: Any, venue: str, recv_ns: int, conn: int = 0) -> int:  # noqa: ANN401 - any buffer
        """Apply one frame and return the number of events."""

    def symbol_name(self, id: int, /) -> str:  # noqa: A002 - as the engine names it
        """Return the name of a symbol id."""


class FeedState(StrEnum):
    """Where a connection stands. Only `LIVE` promises that nothing asked for is missing.

    `DEGRADED` is up, and misses the streams that it names; the others flow. docs/feeds.md tells the rest.
    """

    CONNECTING = "connecting"
    SUBSCRIBING = "subscribing"
    LIVE = "live"
    DEGRADED = "degraded"
    RECONNECTING = "reconnecting"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Send:
    """Send one text message. A `Secret` is revealed at the socket and never shown before."""

    text: str | Secret


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection and connect again."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Fatal:
    """Close the connection and stay away: connecting again would not help, or would harm."""

    error: FeedError


@dataclass(frozen=True, slots=True)
class Warn:
    """Report an error that the connection survives."""

    error: FeedError


@dataclass(frozen=True, slots=True)
class State:
    """The connection's state has changed."""

    state: FeedState
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """Send one HTTP request without body; what comes of it goes to `Session.on_answer`."""

    method: str
    url: str
    headers: Mapping[str, Secret]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a `Call`. The body may hold a key and does not show itself."""

    status: int
    """HTTP status; 0 where no answer came."""
    body: bytes = field(default=b"", repr=False)
    retry_after_s: float = 0.0
    """How long the venue asks us to stay away."""
    error: str = ""
    """Why no answer came."""


Action: TypeAlias = Send | Close | Fatal | Warn | State | Call


class Session(ABC):
    """One connection's protocol without I/O. Times are monotonic seconds, passed in.

    Attributes
    ----------
    venue
        Venue id, such as ``binance.usdm``.
    name
        Name of the connection, unique in a feed, such as ``binance.usdm/market#1``.
    url
        Where to connect.
    wants_data
        Whether `on_data` has anything to learn; the shell skips the call while it is False.
    wants_echoes
        Whether `on_data` is also called for reads that brought nothing new: frames of a connection whose events
        another one has delivered before are dropped by the engine, and are all that shows that it delivers.
    """

    expects_data = True
    """Whether only data show that a connection is healthy; else the open socket does."""

    def __init__(self, venue: str, name: str, url: str) -> None:
        self.venue = venue
        self.name = name
        self.url = url
        self.wants_data = False
        self.wants_echoes = False

    @property
    def is_covered(self) -> bool:
        """Whether another connection delivers the same now."""
        return False

    @property
    def heir(self) -> Session | None:
        """The connection that delivers the same in the place of this one, now or soon."""
        return None

    @property
    def loss_is_gap(self) -> bool:
        """Whether market data are missing while this connection is not live."""
        return not self.is_covered

    @property
    def requested(self) -> AbstractSet[str]:
        """The subscriptions that the venue was asked for on this connection; empty while it is down."""
        return frozenset()

    @property
    def confirmed(self) -> AbstractSet[str]:
        """Those of `requested` that the venue has confirmed in a way that can be relied on."""
        return frozenset()

    @property
    def query(self) -> Secret | None:
        """What stands behind the ``?`` of the address; a secret, since keys stand there."""
        return None

    def mask(self, text: str) -> str:
        """Return `text` without the keys that the session uses: what a peer says may quote them."""
        return text

    def prepare(self, now: float) -> Call | None:  # noqa: ARG002
        """Return the request whose answer is needed before a connection can be opened; None where none is."""
        return None

    def on_answer(self, answer: Answer, now: float) -> list[Action]:  # noqa: ARG002
        """Take what came of a `Call`. `Close` before a connection is open gives the attempt up."""
        return []

    def farewell(self) -> Call | None:
        """Return the request that ends what the session began at the venue; nobody waits long for its answer."""
        return None

    @abstractmethod
    def connected(self, now: float) -> list[Action]:
        """Begin: the socket is open and upgraded."""

    @abstractmethod
    def disconnected(self) -> None:
        """Forget what belonged to the connection: its socket is gone."""

    @abstractmethod
    def on_control(self, control: Control, now: float) -> list[Action]:
        """Take a control message that came on this connection."""

    def on_data(self, batch: Batch, symbol_name: Callable[[int], str], now: float) -> list[Action]:  # noqa: ARG002
        """Take a batch with events of this connection in it."""
        return []

    @abstractmethod
    def wanted_changed(self) -> None:
        """Note that the wanted subscriptions have changed; the next `tick` sends the difference."""

    @abstractmethod
    def tick(self, now: float) -> list[Action]:
        """Time has passed."""

    @abstractmethod
    def deadline(self) -> float | None:
        """Return when `tick` must be called next; None when only an event can change anything."""


class Feed(ABC):
    """What a user declares: one venue's market with a set of wanted subscriptions, over one or more connections.

    Attributes
    ----------
    venue
        Venue id; the engine decodes the feed's frames as this venue.
    on_change
        Called after the wanted subscriptions changed; the running app sets it to wake the connections.
    """

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.on_change: Callable[[], None] | None = None

    @property
    @abstractmethod
    def sessions(self) -> Sequence[Session]:
        """The connections that should be up now: what is missing is started, what is gone from here is ended."""

    @property
    @abstractmethod
    def subscriptions(self) -> tuple[str, ...]:
        """The wanted subscriptions, in the order in which they were asked for."""

    def names_of(self, session: Session) -> tuple[str, ...]:  # noqa: ARG002
        """Return the wanted subscriptions that one of the sessions carries."""
        return self.subscriptions

    def subscribe(self, names: Iterable[str]) -> None:
        """Want more; takes effect at once on a running feed and outlives reconnects. Feed's thread only.

        Raises
        ------
        SubscriptionError
            A name is not one of the venue's; nothing has changed then.
        """
        self._subscribe(_listed(names))
        self._changed()

    def unsubscribe(self, names: Iterable[str]) -> None:
        """Want less. Names that were not wanted are ignored. Feed's thread only."""
        self._unsubscribe(_listed(names))
        self._changed()

    def tick(self, now: float, unix_ns: int) -> list[str]:  # noqa: ARG002
        """Time has passed: replace connections whose end is near. Return lines for the log, one a change.

        Called once a second or so. Where `sessions` is another list afterwards, `on_change` has been called.
        """
        return []

    def check(self) -> None:  # noqa: B027 - most feeds have nothing to check
        """Raise what would keep the feed from starting, such as a missing key, before anything is started."""

    def checked(self, names: Iterable[str]) -> list[str]:
        """Return names as the venue writes them.

        Raises
        ------
        SubscriptionError
            A name is not one of the venue's.
        """
        return [self._checked(name) for name in _listed(names)]

    def order(self, names: Iterable[str]) -> None:
        """Ask for these first after a reconnect, in this order; what is not wanted is ignored. Feed's thread only."""
        self._order(_listed(names))

    @abstractmethod
    def _checked(self, name: str) -> str: ...

    @abstractmethod
    def _order(self, names: list[str]) -> None: ...

    @abstractmethod
    def _subscribe(self, names: list[str]) -> None: ...

    @abstractmethod
    def _unsubscribe(self, names: list[str]) -> None: ...

    def _changed(self) -> None:
        if self.on_change is not None:
            self.on_change()


def _listed(names: Iterable[str]) -> list[str]:
    """Return the names as a list; a single string is a list of one, not a list of letters."""
    return [names] if isinstance(names, str) else list(names)


def put_first(wanted: dict[str, Any], names: Iterable[str]) -> None:
    """Bring keys of a dictionary to its front, in place: sessions look at the same one."""
    front = {name: wanted[name] for name in names if name in wanted}
    if list(wanted)[: len(front)] != list(front):
        rest = {name: value for name, value in wanted.items() if name not in front}
        wanted.clear()
        wanted.update(front)
        wanted.update(rest)


def some(names: Iterable[str], most: int = 5) -> str:
    """Return the first few names in order, and how many more there are; for messages."""
    ordered = sorted(names)
    shown = ", ".join(ordered[:most])
    return shown if len(ordered) <= most else f"{shown} and {len(ordered) - most} more"
