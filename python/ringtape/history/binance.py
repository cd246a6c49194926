"""Binance's REST interface: aggregate trades and candles of the past.

SOURCE: the venue's REST documentation and observed answers, 2026-10. One pool of weight for an address, whatever the
key.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from ringtape.config import Secret
from ringtape.errors import HistoryError, UnknownVenue, nearest

from .http import Rest, RestLimits
from .limiter import RateLimiter
from .records import MS, Records, bar_records, e8, trade_records

__all__ = ["BinanceHistory"]

_PAGE = 1_000
_CANDLES = 1_000
_HOUR_NS = 3_600_000 * MS
_AGGREGATE = 1
_BUY, _SELL = 1, 2
_INTERVALS = frozenset({"1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d"})


class _Market(msgspec.Struct, frozen=True):
    url: str
    path: str
    pool: int
    trades_weight: int
    candles_weight: int
    intervals: frozenset[str]


MARKETS = {
    "usdm": _Market("https://fapi.binance.com", "/fapi/v1", 2_400, 20, 5, _INTERVALS),
    "spot": _Market("https://api.binance.com", "/api/v3", 6_000, 4, 2, _INTERVALS | {"1s"}),
    "coinm": _Market("https://dapi.binance.com", "/dapi/v1", 2_400, 20, 5, _INTERVALS),
}


class _Trade(msgspec.Struct):
    a: int
    p: Decimal
    q: Decimal
    f: int
    l: int  # noqa: E741 - the venue's letter
    T: int
    m: bool


class _Candle(msgspec.Struct, array_like=True):
    start: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    end: int
    quote_volume: Decimal
    count: int
    taker_volume: Decimal


class _Error(msgspec.Struct):
    code: int = 0
    msg: str = ""


class _Answer:
    """What Binance says beside the data."""

    def used(self, headers: Mapping[str, str]) -> int | None:
        """Return the weight of the running minute."""
        said = headers.get("X-MBX-USED-WEIGHT-1M", headers.get("X-MBX-USED-WEIGHT", ""))
        return int(said) if said.isdecimal() else None

    def message(self, body: bytes) -> str:
        """Return the error's number and text."""
        try:
            said = msgspec.json.decode(body, type=_Error)
        except msgspec.MsgspecError:
            return "an error that cannot be read"
        return f"{said.code} {said.msg}"


class BinanceHistory:
    """Aggregate trades and candles of one of Binance's markets. Needs no key.

    Parameters
    ----------
    market
        ``usdm``, ``spot`` or ``coinm``.
    url
        Base address; None is the venue's. ``http://`` goes to this machine only.
    key
        Sent as ``X-MBX-APIKEY``, for those who are asked for one.
    share
        How much of the venue's pool of weight to use at most; the rest is left to others on the same address.
    limiter
        One that is shared with others on the address; instead of `share`.
    limits
        Time and size limits.
    time_ns
        Unix time in ns: a candle that has not ended is left out.

    Raises
    ------
    UnknownVenue, ConfigError
    """

    def __init__(
        self,
        market: str = "usdm",
        url: str | None = None,
        key: Secret | str | None = None,
        *,
        share: float = 0.5,
        limiter: RateLimiter | None = None,
        limits: RestLimits | None = None,
        time_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        if market not in MARKETS:
            raise UnknownVenue(f"binance.{market}", [f"binance.{name}" for name in nearest(market, MARKETS)])
        self.venue = f"binance.{market}"
        self._market = MARKETS[market]
        self._time_ns = time_ns
        limiter = limiter or RateLimiter(int(self._market.pool * share), 60.0)
        secret = Secret(key) if isinstance(key, str) else key
        base = url or self._market.url
        self._rest = Rest(self.venue, base, limiter, _Answer(), key=secret, header=("X-MBX-APIKEY", ""), limits=limits)
        self._trades = msgspec.json.Decoder(list[_Trade])
        self._candles = msgspec.json.Decoder(list[_Candle])

    async def trades(
        self, symbol: str, start_ns: int, end_ns: int, ids: tuple[int, int] | None = None
    ) -> AsyncIterator[Records]:
        """Yield pages of aggregate trades, by their ids where these are known, else by time.

        Raises
        ------
        HistoryError, MissingExtra
        """
        start, last = (None, None) if ids is None else ids
        while start is None:
            # QUIRK: times and ids may not be given together, and times may lie an hour apart.
            stop = min(end_ns, start_ns + _HOUR_NS - MS)
            page = await self._page(symbol, {"startTime": start_ns // MS, "endTime": stop // MS})
            if page:
                start = page[0].a
            elif stop >= end_ns:
                return
            start_ns = stop + MS
        while last is None or start <= last:
            page = await self._page(symbol, {"fromId": start})
            wanted = [trade for trade in page if end_ns >= trade.T * MS and (last is None or trade.a <= last)]
            if wanted:
                yield self._trade_records(wanted)
            if len(page) < _PAGE or len(wanted) < len(page):
                return
            start = page[-1].a + 1

    async def bars(self, symbol: str, interval: str, start_ns: int, end_ns: int) -> AsyncIterator[Records]:
        """Yield pages of candles that have ended and begin between two times.

        Raises
        ------
        HistoryError, MissingExtra
        """
        start = start_ns // MS
        while start * MS <= end_ns:
            params: dict[str, str | int] = {
                "interval": interval,
                "startTime": start,
                "endTime": end_ns // MS,
                "limit": _CANDLES,
            }
            page = await self._ask("klines", symbol, params, self._market.candles_weight, self._candles)
            ended = [candle for candle in page if candle.end * MS < self._time_ns()]
            if ended:
                yield self._bar_records(ended)
            if len(page) < _CANDLES or len(ended) < len(page):
                return
            start = page[-1].start + 1

    def intervals(self) -> frozenset[str]:
        """Return the intervals of bars that the venue has."""
        return self._market.intervals

    async def close(self) -> None:
        """Close the connections."""
        await self._rest.close()

    async def _page(self, symbol: str, params: Mapping[str, str | int]) -> list[_Trade]:
        params = {**params, "limit": _PAGE}
        trades: list[_Trade] = await self._ask("aggTrades", symbol, params, self._market.trades_weight, self._trades)
        return trades

    async def _ask(
        self,
        what: str,
        symbol: str,
        params: Mapping[str, str | int],
        weight: int,
        decoder: msgspec.json.Decoder[Any],
    ) -> Any:  # noqa: ANN401 - what the decoder makes
        try:
            return decoder.decode(
                await self._rest.get(f"{self._market.path}/{what}", {"symbol": symbol, **params}, weight)
            )
        except msgspec.MsgspecError as error:
            raise HistoryError(f"{self.venue} answered what it does not document: {error}", self.venue) from None

    def _trade_records(self, trades: list[_Trade]) -> Records:
        records = trade_records(len(trades))
        try:
            for row, trade in zip(records, trades, strict=True):
                row["ts_event"], row["sequence"] = trade.T * MS, trade.a
                row["first_id"], row["last_id"] = trade.f, trade.l
                row["price"], row["price_e8"] = float(trade.p), e8(trade.p)
                row["size"], row["size_e8"] = float(trade.q), e8(trade.q)
                row["side"], row["flags"] = _SELL if trade.m else _BUY, _AGGREGATE
        except (ValueError, OverflowError) as error:
            raise HistoryError(f"{self.venue} answered a trade that cannot be: {error}", self.venue) from None
        return records

    def _bar_records(self, candles: list[_Candle]) -> Records:
        records = bar_records(len(candles))
        for row, candle in zip(records, candles, strict=True):
            row["ts_event"], row["ts_end"] = candle.start * MS, (candle.end + 1) * MS
            prices = (candle.open, candle.high, candle.low, candle.close)
            row["open"], row["high"], row["low"], row["close"] = map(float, prices)
            row["volume"], row["volume_e8"] = float(candle.volume), e8(candle.volume)
            row["dollar_volume"], row["buy_volume"] = float(candle.quote_volume), float(candle.taker_volume)
            row["trade_count"] = candle.count
        return records
