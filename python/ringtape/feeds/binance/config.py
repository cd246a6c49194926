"""What a user says about a Binance feed, checked against what the venue has, and which stream lives where.

QUIRK: USD-M futures split their streams over two paths. A connection to the wrong one opens, confirms every
subscription and stays silent for ever, so the path is looked up here and never left to the user.

SOURCE: the venue's documentation and change-log as of autumn 2026.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from ringtape.config import Endpoint
from ringtape.errors import SubscriptionError, UnknownVenue, nearest, suggest
from ringtape.feeds.base import Feed, Session

from .session import BinanceSession, Pacing

__all__ = ["MARKETS", "Binance", "Market"]

SYMBOL_MAX_BYTES = 64
STREAMS_PER_CONNECTION = 200
"""Well below the venue's 1,024, whose overstepping costs the whole connection."""

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
    a stream stays on its connection.

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
    ) -> None:
        if market not in MARKETS:
            raise UnknownVenue(f"binance.{market}", [f"binance.{name}" for name in nearest(market, MARKETS)])
        super().__init__(f"binance.{market}")
        self._market = MARKETS[market]
        self._endpoint = Endpoint.parse(url or self._market.url)
        self._trade_path = trade_path
        self._pacing = pacing or Pacing()
        self._wanted: dict[str, BinanceSession] = {}
        self._sessions: dict[str, list[BinanceSession]] = {}
        self.subscribe(streams)

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """The wanted streams, in the order in which they were asked for."""
        return tuple(self._wanted)

    @property
    def sessions(self) -> Sequence[BinanceSession]:
        """One session for each connection, by path."""
        return [session for shards in self._sessions.values() for session in shards]

    def names_of(self, session: Session) -> tuple[str, ...]:
        """Return the wanted streams on the connection of a session."""
        return tuple(session.wanted) if isinstance(session, BinanceSession) else ()

    def _subscribe(self, names: list[str]) -> None:
        checked = [self._checked(name) for name in names]
        for name in checked:
            if name not in self._wanted:
                session = self._place(self._path(name))
                session.wanted[name] = None
                session.wanted_changed()
                self._wanted[name] = session

    def _unsubscribe(self, names: list[str]) -> None:
        for name in names:
            session = self._wanted.pop(_lowered(name.strip()), None)
            if session is not None:
                session.wanted.pop(_lowered(name.strip()))
                session.wanted_changed()

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

    def _place(self, path: str) -> BinanceSession:
        """Return the first connection of that path with room, a new one where there is none."""
        shards = self._sessions.setdefault(path, [])
        for session in shards:
            if len(session.wanted) < STREAMS_PER_CONNECTION:
                return session
        name = f"{self.venue}{path}#{len(shards) + 1}"
        shards.append(BinanceSession(self.venue, name, f"{self._endpoint.url}{path}/stream", self._pacing))
        return shards[-1]


def _lowered(name: str) -> str:
    """Lower the symbol: the venue confirms a stream in capitals and never delivers it."""
    symbol, at, kind = name.partition("@")
    return name if symbol.startswith("!") or not at else f"{symbol.lower()}@{kind}"
