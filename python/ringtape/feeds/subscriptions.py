"""Who wants which subscriptions, for how long, and what came of it.

Subscriptions are state. *Owners* (a rule, a list, a chart, the user, a strategy) claim names, such as ``T.AAPL``, each
claim with a time to live or without; what is *desired* is the union of all claims that have not ended. The book tells
the feeds the difference, and the sessions carry it out, restore it after every reconnect, and say what the venue was
asked for and what it has confirmed.

::

    claim, release, end of a claim ──150 ms──► what is desired and not had, had and not desired ──► Feed
                                               Session.requested, Session.confirmed ──► actual

What a feed was declared with, or was told by `Feed.subscribe`, has no owner here and is never taken away.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from ringtape.errors import ConfigError, FeedError, SubscriptionError

from .base import Feed

__all__ = ["COALESCE_S", "OwnerKind", "Subscription", "SubscriptionBook"]

COALESCE_S = 0.15
"""How long changes are gathered before a feed is told."""


class OwnerKind(StrEnum):
    """What sort of owner, the most important first: in this order a connection is filled after it was lost."""

    SYSTEM = "system"
    PIN = "pin"
    HOLD = "hold"
    CHART = "chart"
    RULE = "rule"
    LIST = "list"


_RANKS = {kind: rank for rank, kind in enumerate(OwnerKind)}
_DECLARED = "declared"


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """One name at one moment: who wants it, and what came of it. Times are Unix ns, 0 for not yet."""

    venue: str
    name: str
    """As the venue writes it: ``T.AAPL``, ``btcusdt@aggTrade``."""
    owners: tuple[str, ...]
    """The most important first; ``declared`` where the feed itself was told. Empty: it is about to be given back."""
    expires_s: float | None
    """Seconds until the last claim ends; None while one has no end, or nobody wants it."""
    is_desired: bool
    is_requested: bool
    """Whether the venue was asked for it on the connection that is up now."""
    is_confirmed: bool
    """Whether the venue has confirmed it in a way that can be relied on: Massive by its word, Binance by data."""
    requested_ns: int
    confirmed_ns: int
    last_data_ns: int
    """The venue's time of the newest event, where the engine keeps it: trades of one symbol; else 0."""
    refused: str
    """Why the feed did not take it; empty where it did."""


@dataclass(slots=True)
class _Claim:
    """What one owner wants of one venue."""

    kind: OwnerKind
    score: float
    ends: dict[str, float] = field(default_factory=dict)
    """Name to the monotonic second at which the claim ends; infinity for never. In the order of claiming."""


class _Saved(msgspec.Struct, frozen=True, kw_only=True):
    """A claim as a file keeps it."""

    owner: str
    venue: str
    kind: OwnerKind
    score: float
    names: dict[str, float | None]
    """Name to the seconds that were left when the file was written; None for ever."""


class _File(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    saved_ns: int
    claims: list[_Saved]


@dataclass(slots=True)
class _Actual:
    requested_ns: int = 0
    confirmed_ns: int = 0


class SubscriptionBook:
    """The claims of all owners on some feeds. No I/O and no clock: times are passed in, monotonic seconds.

    Parameters
    ----------
    feeds
        Who carries the subscriptions out. Feeds' thread only, as they.

    Notes
    -----
    Cost: a claim is O(names); telling a feed is O(all claimed names of its venue), at most once in 150 ms.
    """

    def __init__(self, feeds: Iterable[Feed]) -> None:
        self._feeds = {feed.venue: feed for feed in feeds}
        self._claims: dict[tuple[str, str], _Claim] = {}
        self._ours: dict[str, set[str]] = {venue: set() for venue in self._feeds}
        self._due: dict[str, float] = {}
        self._next_end = math.inf
        self._actual: dict[tuple[str, str], _Actual] = {}
        self._refused: dict[tuple[str, str], str] = {}

    def claim(
        self,
        owner: str,
        names: Iterable[str],
        now: float,
        *,
        kind: OwnerKind | str = OwnerKind.PIN,
        venue: str | None = None,
        ttl_s: float | None = None,
        score: float = 0.0,
    ) -> None:
        """Want names for an owner, beside what it wants already; names that it wants are renewed.

        Parameters
        ----------
        owner
            Who; free text. Nobody but the same owner can give back what it claimed.
        names
            As the venue writes them.
        now
            Monotonic seconds.
        kind, score
            The importance: by kind, then the higher score.
        venue
            May be left out where there is one feed.
        ttl_s
            How long; None until it is released. A claim never ends earlier than an earlier claim of this owner says.

        Raises
        ------
        SubscriptionError
            A name is not one of the venue's; nothing has changed then.
        ConfigError
            No such venue, kind or time.
        """
        feed = self._feed(venue)
        if ttl_s is not None and not 0 < ttl_s < math.inf:
            raise ConfigError(f"a subscription lives for more than 0 s, not {ttl_s}", "ttl")
        kind = _kind(kind)
        checked = feed.checked(names)
        claim = self._claims.setdefault((owner, feed.venue), _Claim(kind, score))
        claim.kind, claim.score = kind, score
        end = math.inf if ttl_s is None else now + ttl_s
        for name in checked:
            claim.ends[name] = max(end, claim.ends.get(name, -math.inf))
            self._refused.pop((feed.venue, name), None)
        self._next_end = min(self._next_end, end)
        self._touch(feed.venue, now)

    def release(self, owner: str, now: float, names: Iterable[str] | None = None, venue: str | None = None) -> None:
        """Give back what an owner wants: some names, or all. What it does not want is ignored."""
        dropped = None if names is None else set([names] if isinstance(names, str) else names)
        for (who, where), claim in list(self._claims.items()):
            if who != owner or venue not in {None, where}:
                continue
            gone = list(claim.ends) if dropped is None else self._known(where, dropped, claim)
            for name in gone:
                del claim.ends[name]
            if not claim.ends:
                del self._claims[who, where]
            self._touch(where, now)

    def desired(self, venue: str) -> list[str]:
        """Return the union of the claims on a venue at the last `tick`, the most important name first."""
        best: dict[str, tuple[int, float]] = {}
        for (_, where), claim in self._claims.items():
            if where == venue:
                rank = (_RANKS[claim.kind], -claim.score)
                for name in claim.ends:
                    best[name] = min(rank, best.get(name, rank))
        return sorted(best, key=best.__getitem__)

    def tick(self, now: float) -> list[FeedError]:
        """End claims whose time is over, and tell feeds whose changes are 150 ms old; return what a feed refused."""
        if self._next_end <= now:
            self._end(now)
        due = [venue for venue, at in self._due.items() if at <= now]
        for venue in due:
            del self._due[venue]
        return [error for venue in due for error in self._tell(self._feeds[venue])]

    def deadline(self) -> float | None:
        """Return when `tick` must be called next; None where only a claim can change anything."""
        at = min([self._next_end, *self._due.values()])
        return None if at == math.inf else at

    def observe(self, unix_ns: int) -> None:
        """Note what the sessions have asked for and had confirmed since the last call. Unix ns, for display only."""
        for venue, feed in self._feeds.items():
            requested, confirmed = _progress(feed)
            for key in [key for key in self._actual if key[0] == venue and key[1] not in requested]:
                del self._actual[key]
            for name in requested:
                actual = self._actual.setdefault((venue, name), _Actual())
                actual.requested_ns = actual.requested_ns or unix_ns
                is_confirmed = name in confirmed
                actual.confirmed_ns = (actual.confirmed_ns or unix_ns) if is_confirmed else 0

    def table(self, now: float, last_data: Callable[[str, str], int]) -> tuple[Subscription, ...]:
        """Return every name that is desired or still requested, by venue, what was declared first, then by importance.

        `last_data` gives the venue's time of the newest event for a venue and name, 0 where nobody knows.
        """
        found = []
        for venue, feed in self._feeds.items():
            declared = [name for name in feed.subscriptions if name not in self._ours[venue]]
            requested = [name for where, name in self._actual if where == venue]
            for name in dict.fromkeys([*declared, *self.desired(venue), *requested]):
                owners, end = self._owners(venue, name)
                owners += [_DECLARED] if name in declared else []
                actual = self._actual.get((venue, name), _Actual())
                found.append(
                    Subscription(
                        venue=venue,
                        name=name,
                        owners=tuple(owners),
                        expires_s=None if end is None or name in declared else max(end - now, 0.0),
                        is_desired=bool(owners),
                        is_requested=actual.requested_ns != 0,
                        is_confirmed=actual.confirmed_ns != 0,
                        requested_ns=actual.requested_ns,
                        confirmed_ns=actual.confirmed_ns,
                        last_data_ns=last_data(venue, name),
                        refused=self._refused.get((venue, name), ""),
                    )
                )
        return tuple(found)

    def dump(self, now: float, unix_ns: int) -> bytes:
        """Return the claims as JSON, to be loaded by another process."""
        claims = [
            _Saved(
                owner=owner,
                venue=venue,
                kind=claim.kind,
                score=claim.score,
                names={name: None if end == math.inf else end - now for name, end in claim.ends.items()},
            )
            for (owner, venue), claim in self._claims.items()
        ]
        return msgspec.json.encode(_File(version=1, saved_ns=unix_ns, claims=claims))

    def load(self, raw: bytes, now: float, unix_ns: int, is_owner: Callable[[str], bool]) -> list[FeedError]:
        """Take claims that `dump` has written; time has passed for them meanwhile, by the wall clock.

        Claims of owners that are there no more, of venues without a feed, or that are over, are left out. Names that
        the venue does not know any more are returned as errors.

        Raises
        ------
        ConfigError
            The bytes are no such file.
        """
        try:
            file = msgspec.json.decode(raw, type=_File)
        except msgspec.MsgspecError as error:
            raise ConfigError(f"not a file of subscriptions: {error}", "state") from None
        if file.version != 1:
            raise ConfigError(f"a file of subscriptions of version {file.version}; this one reads 1", "state")
        # A clock that was set back must not lengthen a life.
        passed = max(unix_ns - file.saved_ns, 0) / 1e9
        errors: list[FeedError] = []
        for saved in file.claims:
            if saved.venue in self._feeds and is_owner(saved.owner):
                errors += self._load_one(saved, now, passed)
        return errors

    def _load_one(self, saved: _Saved, now: float, passed: float) -> list[FeedError]:
        errors: list[FeedError] = []
        for name, left in saved.names.items():
            ttl = None if left is None else left - passed
            if ttl is None or ttl > 0:
                try:
                    self.claim(
                        saved.owner, [name], now, kind=saved.kind, venue=saved.venue, ttl_s=ttl, score=saved.score
                    )
                except SubscriptionError as error:
                    errors.append(error)
        return errors

    def _feed(self, venue: str | None) -> Feed:
        if venue is None and len(self._feeds) == 1:
            (feed,) = self._feeds.values()
            return feed
        if venue not in self._feeds:
            said = "say of which venue" if venue is None else f"no feed of {venue!r}"
            raise ConfigError(f"{said}: there are {', '.join(self._feeds) or 'none'}", "venue")
        return self._feeds[venue]

    def _known(self, venue: str, names: set[str], claim: _Claim) -> list[str]:
        """Return which names of a claim are meant, however the user writes them."""
        meant = set(names)
        for name in names:
            try:
                meant.update(self._feeds[venue].checked([name]))
            except SubscriptionError:
                continue  # of another venue, or nobody's: nothing to give back
        return [name for name in claim.ends if name in meant]

    def _touch(self, venue: str, now: float) -> None:
        self._due.setdefault(venue, now + COALESCE_S)

    def _end(self, now: float) -> None:
        self._next_end = math.inf
        for (owner, venue), claim in list(self._claims.items()):
            over = [name for name, end in claim.ends.items() if end <= now]
            for name in over:
                del claim.ends[name]
            if over:
                self._touch(venue, now)
            if not claim.ends:
                del self._claims[owner, venue]
            self._next_end = min([self._next_end, *claim.ends.values()])

    def _tell(self, feed: Feed) -> list[FeedError]:
        """Give the feed the difference, then the order."""
        ours, desired = self._ours[feed.venue], self.desired(feed.venue)
        wanted = set(desired)
        if gone := sorted(ours - wanted):
            feed.unsubscribe(gone)
            ours.difference_update(gone)
        had = set(feed.subscriptions)
        ours.intersection_update(had)  # what the user took from the feed itself is asked for again
        errors = []
        if fresh := [name for name in desired if name not in had and (feed.venue, name) not in self._refused]:
            errors = self._subscribe(feed, fresh)
        # What the feed was declared with stays ahead, as it stands: it is the frame of all the rest.
        feed.order([*(name for name in feed.subscriptions if name not in ours), *desired])
        return errors

    def _subscribe(self, feed: Feed, names: Sequence[str]) -> list[FeedError]:
        """Subscribe all at once; where the feed refuses that, one by one, so that the others come."""
        try:
            feed.subscribe(names)
        except SubscriptionError as error:
            if len(names) == 1:
                self._refused[feed.venue, names[0]] = str(error)
                return [error]
            return [each for name in names for each in self._subscribe(feed, [name])]
        self._ours[feed.venue].update(names)
        return []

    def _owners(self, venue: str, name: str) -> tuple[list[str], float | None]:
        """Return who wants a name, the most important first, and when the last claim ends; None for never."""
        claims = [
            (_RANKS[claim.kind], -claim.score, owner, claim.ends[name])
            for (owner, where), claim in self._claims.items()
            if where == venue and name in claim.ends
        ]
        end = max((end for *_, end in claims), default=math.inf)
        return [owner for _, _, owner, _ in sorted(claims)], None if end == math.inf else end


def _kind(kind: OwnerKind | str) -> OwnerKind:
    try:
        return OwnerKind(kind)
    except ValueError:
        raise ConfigError(f"no kind of owner {kind!r}: one of {', '.join(OwnerKind)}", "kind") from None


def _progress(feed: Feed) -> tuple[set[str], set[str]]:
    """Return what the connections of a feed have asked for, and what of it is confirmed."""
    requested: set[str] = set()
    confirmed: set[str] = set()
    for session in feed.sessions:
        requested |= session.requested
        confirmed |= session.confirmed
    return requested, confirmed
