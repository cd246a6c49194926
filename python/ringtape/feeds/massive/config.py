"""What a user says about a Massive feed, checked against what the venue has.

SOURCE: hosts, paths and channels as in the official client 2.9.1 and the venue's documentation, autumn 2026.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from ringtape.config import Endpoint, Secret, find_key
from ringtape.errors import ConfigError, SubscriptionError, UnknownVenue, nearest, suggest
from ringtape.feeds.base import Feed, put_first

from .session import MassiveSession, Pacing

__all__ = ["CHANNELS", "FEEDS", "HOSTS", "VENUES_OF_FUTURES", "Massive"]

VARIABLES = ("MASSIVE_API_KEY", "POLYGON_API_KEY")
SYMBOL_MAX_BYTES = 64

_STEMS = (
    "socket",
    "delayed",
    "business",
    "delayed-business",
    "polyfeed",
    "polyfeedplus",
    "starterfeed",
    "nasdaqfeed",
    "launchpad",
    "edgx-business",
    "delayed-edgx-business",
    "iex-business",
    "fullmarket-business",
    "delayed-fullmarket-business",
    "nasdaq-last-sale-business",
    "delayed-nasdaq-last-sale-business",
    "nasdaq-basic-business",
    "delayed-nasdaq-basic-business",
)
FEEDS: dict[str, str] = {"realtime": "socket", **{stem: stem for stem in _STEMS[1:]}}
"""Name of a feed, as the plan calls it, to the first word of its host."""

# The eight hosts that both domains serve; the rest have no certificate under polygon.io.
_SHARED_STEMS = _STEMS[:8]
HOSTS = frozenset(
    [f"{stem}.massive.com" for stem in _STEMS] + [f"{stem}.polygon.io" for stem in _SHARED_STEMS],
)

CHANNELS: dict[str, tuple[str, ...]] = {
    "stocks": ("T", "Q", "A", "AM", "LULD", "NOI", "FMV", "LV"),
    "options": ("T", "Q", "A", "AM", "FMV", "LV"),
    "crypto": ("XT", "XQ", "XA", "XAS", "FMV", "LV", "AM"),
    "forex": ("C", "CA", "CAS", "FMV", "LV", "AM"),
    "indices": ("V", "A", "AM"),
    "futures": ("T", "Q", "A", "AM"),
}
VENUES_OF_FUTURES = ("cme", "cbot", "nymex", "comex")
"""Exchanges with a path of their own; ``futures`` alone is all four."""

OPTION_QUOTES = 1_000
"""Contracts whose quotes one connection may have; the venue's limit."""


class Massive(Feed):
    """One market of Massive over one connection.

    Parameters
    ----------
    market
        ``stocks``, ``options``, ``crypto``, ``forex``, ``indices`` or ``futures``; ``futures/cme``, ``futures/cbot``,
        ``futures/nymex`` and ``futures/comex`` are the futures of one exchange.
    subscriptions
        ``CHANNEL.SYMBOL`` each; ``T.*`` is every symbol. The first dot ends the channel: ``T.BRK.B``. Quotes of options
        are for 1,000 contracts at most, and for no wildcard.
    url
        Base address without the market's path, instead of `feed`. ``ws://`` goes to this machine only.
    key, key_file
        The key, or a file that holds it and only you may read. Without either the environment's
        ``MASSIVE_API_KEY`` (or ``POLYGON_API_KEY``) is used, for the venue's own hosts only.
    feed
        The venue's feed, by the first word of its host: ``realtime`` (the default), ``delayed``, ``business``,
        ``delayed-business``, ``launchpad`` ...: the keys of `FEEDS`.
    pacing
        Time limits and the size of subscription messages.

    Raises
    ------
    UnknownVenue
        No such market; the message names the nearest.
    SubscriptionError
        A subscription has no channel of that market or no symbol.
    ConfigError
        The address or the key will not do. A missing key is reported when the feed starts.

    Examples
    --------
    >>> feed = Massive("stocks", ["T.*", "A.AAPL"], key="secret")
    >>> feed.subscriptions
    ('T.*', 'A.AAPL')
    """

    def __init__(
        self,
        market: str = "stocks",
        subscriptions: Iterable[str] = (),
        url: str | None = None,
        key: Secret | str | None = None,
        *,
        key_file: str | os.PathLike[str] | None = None,
        feed: str | None = None,
        pacing: Pacing | None = None,
    ) -> None:
        kind, slash, exchange = market.partition("/")
        if kind not in CHANNELS or (slash and (kind != "futures" or exchange not in VENUES_OF_FUTURES)):
            markets = [*CHANNELS, *(f"futures/{name}" for name in VENUES_OF_FUTURES)]
            raise UnknownVenue(f"massive.{market}", [f"massive.{name}" for name in nearest(market, markets)])
        super().__init__(f"massive.{kind}")
        self._market = kind
        self._path = market
        self._endpoint = Endpoint.parse(_base(url, feed))
        self._key = Secret(key) if isinstance(key, str) else key
        self._key_file = key_file
        self._pacing = pacing or Pacing()
        self._wanted: dict[str, None] = {}
        self._session: MassiveSession | None = None
        self.subscribe(subscriptions)

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """The wanted subscriptions, in the order in which they were asked for."""
        return tuple(self._wanted)

    @property
    def sessions(self) -> Sequence[MassiveSession]:
        """The one session; the key is looked up on first use."""
        if self._session is None:
            key = find_key(self.venue, self._endpoint, HOSTS, VARIABLES, key=self._key, key_file=self._key_file)
            url = f"{self._endpoint.url}/{self._path}"
            self._session = MassiveSession(self.venue, url, key, self._wanted, self._pacing)
        return (self._session,)

    def check(self) -> None:
        """Raise `ConfigError` where no key is at hand."""
        _ = self.sessions

    def _subscribe(self, names: list[str]) -> None:
        checked = [self._checked(name) for name in names]
        self._check_option_quotes(checked)
        self._wanted.update(dict.fromkeys(checked))
        self._mark()

    def _unsubscribe(self, names: list[str]) -> None:
        for name in names:
            self._wanted.pop(name.strip(), None)
        self._mark()

    def _order(self, names: list[str]) -> None:
        put_first(self._wanted, names)

    def _mark(self) -> None:
        if self._session is not None:
            self._session.wanted_changed()

    def _check_option_quotes(self, names: list[str]) -> None:
        """Refuse what the venue would: it says no more than ``not authorized``, or drops the connection."""
        if self._market != "options":
            return
        if "Q.*" in names:
            text = f"{self.venue}: quotes of all options cannot be had; name up to {OPTION_QUOTES:,} contracts"
            raise SubscriptionError(text, self.venue)
        quotes = sum(name.startswith("Q.") for name in {*self._wanted, *names})
        if quotes > OPTION_QUOTES:
            text = f"{self.venue}: {quotes:,} quotes of options: one connection may have {OPTION_QUOTES:,}"
            raise SubscriptionError(text, self.venue)

    def _checked(self, name: str) -> str:
        """Return `name` without blanks around it if it is a channel of this market and a symbol."""
        channel, dot, symbol = name.strip().partition(".")
        if channel not in CHANNELS[self._market]:
            known = CHANNELS[self._market]
            raise SubscriptionError(f"{self.venue} has no channel {channel!r}{suggest(channel, known)}", self.venue)
        if not dot or not symbol:
            raise SubscriptionError(
                f"{self.venue}: {name!r} names no symbol; write {channel}.AAPL, or {channel}.* for all", self.venue
            )
        if len(symbol.encode()) > SYMBOL_MAX_BYTES or not symbol.isprintable() or set(symbol) & set(" ,"):
            raise SubscriptionError(f"{self.venue}: {symbol!r} is not a symbol", self.venue)
        return f"{channel}.{symbol}"


def _base(url: str | None, feed: str | None) -> str:
    """Return the base address.

    Raises
    ------
    ConfigError
        Both are given, or no feed has that name.
    """
    if url is not None and feed is not None:
        raise ConfigError("give a url or a feed, not both", "feed", "arguments")
    if url is not None:
        return url
    name = feed or "realtime"
    if name not in FEEDS:
        raise ConfigError(f"no feed of Massive is called {name!r}{suggest(name, FEEDS)}", "feed", "arguments")
    return f"wss://{FEEDS[name]}.massive.com"
