"""What a user says about a Binance feed, checked against what the venue has, and which stream lives where.

QUIRK: USD-M futures split their streams over two paths. A connection to the wrong one opens, confirms every
subscription and stays silent for ever, so the path is looked up here and never left to the user.

SOURCE: the venue's documentation and change-log as of autumn 2026.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import msgspec

from ringtape.config import Endpoint, Secret, find_key
from ringtape.errors import ConfigError, SubscriptionError, UnknownVenue, nearest, suggest
from ringtape.feeds.base import Feed, Session, put_first
from ringtape.feeds.rollover import Relay, Rollover
from ringtape.feeds.world import check_rest

from .private import PrivateSession, UserData
from .session import BinanceSession, Pacing

__all__ = ["MARKETS", "Binance", "Market"]

SYMBOL_MAX_BYTES = 64
STREAMS_PER_CONNECTION = 200
"""Well below the venue's 1,024, whose overstepping costs the whole connection."""
STREAMS_MOST = 1024
VARIABLES = ("BINANCE_API_KEY",)
HOSTS = frozenset({"fapi.binance.com"})

KLINES = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M")
_DEPTHS = tuple(f"depth{levels}{speed}" for levels in ("", "5", "10", "20") for speed in ("", "@500ms", "@100ms"))
_CONTRACTS = ("perpetual", "current_quarter", "next_quarter", "tradifi_perpetual")


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """One market: its address and, for each kind of stream, the path that serves it."""

    url: str
    kinds: dict[str, str]
    """Stream name after ``<symbol>@``, such as ``kline_1m``, to path."""
    whole: dict[str, str]
    """Streams of the whole market, such as ``!markPrice@arr``, to path."""


def _usdm() -> Market:
    public = ("bookTicker", "trade", *_DEPTHS, "rpiDepth@500ms")
    market = (
        *("aggTrade", "markPrice", "markPrice@1s", "miniTicker", "ticker", "forceOrder", "compositeIndex"),
        *("assetIndex", *(f"kline_{interval}" for interval in KLINES)),
    )
    whole = ("!markPrice@arr", "!markPrice@arr@1s", "!miniTicker@arr", "!ticker@arr", "!forceOrder@arr")
    return Market(
        url="wss://fstream.binance.com",
        kinds=dict.fromkeys(public, "/public") | dict.fromkeys(market, "/market"),
        whole={
            "!bookTicker": "/public",
            **dict.fromkeys((*whole, "!contractInfo", "!assetIndex@arr", "tradingSession"), "/market"),
        },
    )


def _coinm() -> Market:
    usdm = _usdm()
    return Market(
        url="wss://dstream.binance.com", kinds=dict.fromkeys(usdm.kinds, ""), whole=dict.fromkeys(usdm.whole, "")
    )


def _spot() -> Market:
    depths = tuple(f"depth{levels}{speed}" for levels in ("", "5", "10", "20") for speed in ("", "@100ms"))
    klines = tuple(f"kline_{interval}" for interval in ("1s", *KLINES))
    return Market(
        url="wss://stream.binance.com:9443",
        kinds=dict.fromkeys(("aggTrade", "trade", "bookTicker", "miniTicker", "ticker", *depths, *klines), ""),
        whole={"!miniTicker@arr": ""},
    )


MARKETS: dict[str, Market] = {"usdm": _usdm(), "spot": _spot(), "coinm": _coinm()}


class Binance(Feed):
    """One market of Binance over as many connections as its streams need.

    Streams are sorted by the path that serves them and put on connections of at most 200 streams each. Once placed,
    a stream stays on its connection. The venue ends each connection after 24 h; before that a second one is opened
    at a quiet minute, and both overlap until nothing can be lost.

    Parameters
    ----------
    market
        ``usdm``, ``spot`` or ``coinm``.
    streams
        Stream names such as ``btcusdt@aggTrade``, ``btcusdt@kline_1m``, ``!markPrice@arr@1s``. Symbols may be
        written in either case.
    url
        Base address without path; None is the venue's. ``ws://`` goes to this machine only.
    trade_path
        Path that serves ``<symbol>@trade`` on USD-M, where the stream is not documented and reports differ.
    pacing
        Time limits and the distance of control messages.
    streams_per_connection
        At most 1,024, the venue's limit: one more would cost the whole connection.
    rollover
        When connections are replaced.
    user_data
        Also connect to the user data stream of an account (USD-M): True, or a `UserData` with its settings. Needs
        aiohttp (``pip install 'ringtape[rest]'``).
    key, key_file
        The account's API key, or a file that holds it and only you may read; for `user_data` only. Without either the
        environment's ``BINANCE_API_KEY`` is used, for the venue's own host only.

    Raises
    ------
    UnknownVenue
        No such market; the message names the nearest.
    SubscriptionError
        The market has no such stream; the message names the nearest.
    ConfigError
        The address will not do.

    Examples
    --------
    >>> feed = Binance("usdm", ["BTCUSDT@bookTicker", "btcusdt@aggTrade"])
    >>> [session.name for session in feed.sessions]
    ['binance.usdm/public#1', 'binance.usdm/market#1']
    """

    def __init__(
        self,
        market: str = "usdm",
        streams: Iterable[str] = (),
        url: str | None = None,
        *,
        trade_path: str = "/public",
        pacing: Pacing | None = None,
        streams_per_connection: int = STREAMS_PER_CONNECTION,
        rollover: Rollover | None = None,
        user_data: UserData | bool = False,
        key: Secret | str | None = None,
        key_file: str | os.PathLike[str] | None = None,
    ) -> None:
        if market not in MARKETS:
            raise UnknownVenue(f"binance.{market}", [f"binance.{name}" for name in nearest(market, MARKETS)])
        if not 1 <= streams_per_connection <= STREAMS_MOST:
            text = f"streams_per_connection {streams_per_connection} is not between 1 and {STREAMS_MOST:,}"
            raise ConfigError(text, "streams_per_connection", "arguments", f"1 to {STREAMS_MOST}")
        if user_data and market != "usdm":
            raise ConfigError(f"binance.{market}: only usdm has a user data stream here", "user_data", "arguments")
        super().__init__(f"binance.{market}")
        self._market = MARKETS[market]
        self._endpoint = Endpoint.parse(url or self._market.url)
        self._trade_path = trade_path
        self._pacing = pacing or Pacing()
        self._most = streams_per_connection
        self._rollover = rollover or Rollover()
        self._wanted: dict[str, _Shard] = {}
        self._shards: dict[str, list[_Shard]] = {}
        self._user_data = (UserData() if user_data is True else user_data) or None
        self._key = Secret(key) if isinstance(key, str) else key
        self._key_file = key_file
        self._private: PrivateSession | None = None
        self.subscribe(streams)

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """The wanted streams, in the order in which they were asked for."""
        return tuple(self._wanted)

    @property
    def sessions(self) -> Sequence[Session]:
        """One session for each connection, by path, two while one is being replaced; the user data stream last."""
        market = [session for shards in self._shards.values() for shard in shards for session in shard.relay.sessions]
        return [*market, *self._private_sessions()]

    def tick(self, now: float, unix_ns: int) -> list[str]:
        """Replace connections that are near their end or that leave streams out."""
        lines = [
            line for shards in self._shards.values() for shard in shards for line in shard.relay.tick(now, unix_ns)
        ]
        if lines:
            self._changed()
        return lines

    def check(self) -> None:
        """Raise what would keep the user data stream from starting: no key, no aiohttp."""
        if self._user_data is not None:
            check_rest("the user data stream of Binance")
            _ = self._private_sessions()

    def _private_sessions(self) -> list[PrivateSession]:
        """Return the session of the user data stream, if one is wanted; the key is looked up on first use."""
        if self._user_data is None:
            return []
        if self._private is None:
            rest = Endpoint.parse(self._user_data.rest_url.replace("http", "ws", 1))
            key = find_key(self.venue, rest, HOSTS, VARIABLES, key=self._key, key_file=self._key_file)
            url = f"{self._endpoint.url}{self._user_data.path}"
            self._private = PrivateSession(self.venue, f"{self.venue}/private", url, key, self._user_data)
        return [self._private]

    def names_of(self, session: Session) -> tuple[str, ...]:
        """Return the wanted streams on the connection of a session."""
        return tuple(session.wanted) if isinstance(session, BinanceSession) else ()

    def _subscribe(self, names: list[str]) -> None:
        checked = [self._checked(name) for name in names]
        for name in checked:
            if name not in self._wanted:
                shard = self._place(self._path(name))
                shard.wanted[name] = None
                shard.changed()
                self._wanted[name] = shard

    def _unsubscribe(self, names: list[str]) -> None:
        for name in names:
            shard = self._wanted.pop(_lowered(name.strip()), None)
            if shard is not None:
                shard.wanted.pop(_lowered(name.strip()))
                shard.changed()

    def _order(self, names: list[str]) -> None:
        put_first(self._wanted, names)
        for shard in dict.fromkeys(self._wanted.values()):
            put_first(shard.wanted, names)

    def _checked(self, name: str) -> str:
        """Return the stream's name as the venue writes it."""
        lowered = _lowered(name.strip())
        symbol, at, kind = lowered.partition("@")
        if lowered in self._market.whole:
            return lowered
        if not at or symbol.startswith("!"):
            known = [*self._market.whole, "btcusdt@aggTrade", "btcusdt@bookTicker"]
            raise SubscriptionError(f"{self.venue} has no stream {name!r}{suggest(name, known)}", self.venue)
        if kind not in self._market.kinds and not self._is_continuous(symbol, kind):
            close = suggest(kind, self._market.kinds)
            raise SubscriptionError(f"{self.venue} has no stream {kind!r} of a symbol{close}", self.venue)
        if (
            not symbol
            or len(symbol.encode()) > SYMBOL_MAX_BYTES
            or not symbol.isprintable()
            or set(symbol) & set(" ,/")
        ):
            raise SubscriptionError(f"{self.venue}: {symbol!r} is not a symbol", self.venue)
        return lowered

    @staticmethod
    def _is_continuous(symbol: str, kind: str) -> bool:
        _, underscore, contract = symbol.partition("_")
        interval = kind.removeprefix("continuousKline_")
        return bool(underscore) and contract in _CONTRACTS and interval != kind and interval in ("1s", *KLINES)

    def _path(self, name: str) -> str:
        if name in self._market.whole:
            return self._market.whole[name]
        kind = name.partition("@")[2]
        if kind.startswith("continuousKline"):
            return self._market.kinds["kline_1m"]
        path = self._market.kinds[kind]
        return self._trade_path if kind == "trade" and path else path

    def _place(self, path: str) -> _Shard:
        """Return the first connection of that path with room, a new one where there is none."""
        shards = self._shards.setdefault(path, [])
        for shard in shards:
            if len(shard.wanted) < self._most:
                return shard
        name = f"{self.venue}{path}#{len(shards) + 1}"
        shards.append(_Shard(self.venue, name, f"{self._endpoint.url}{path}/stream", self._pacing, self._rollover))
        return shards[-1]


class _Shard:
    """Streams that share a connection, and that connection."""

    def __init__(self, venue: str, name: str, url: str, pacing: Pacing, rollover: Rollover) -> None:
        self.wanted: dict[str, None] = {}

        def make(number: int) -> BinanceSession:
            numbered = name if number == 1 else f"{name}.{number}"
            return BinanceSession(venue, numbered, url, pacing, self.wanted)

        self.relay: Relay[BinanceSession] = Relay(make, rollover)

    def changed(self) -> None:
        """Tell the sessions that other streams are wanted."""
        for session in self.relay.sessions:
            session.wanted_changed()


def _lowered(name: str) -> str:
    """Lower the symbol: the venue confirms a stream in capitals and never delivers it."""
    symbol, at, kind = name.partition("@")
    return name if symbol.startswith("!") or not at else f"{symbol.lower()}@{kind}"
