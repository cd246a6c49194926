"""Massive's REST interface: trades and aggregates of the past.

SOURCE: the venue's REST documentation, 2026-09. Times of trades are ns there and ms in the stream; they are cut to ms
here, so that a fetched trade has the place on the tape that it would have had.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import msgspec

from ringtape.config import Endpoint, Secret, find_key
from ringtape.errors import HistoryError, UnknownVenue, nearest

from .http import Rest, RestLimits, base_of
from .limiter import RateLimiter
from .records import MS, Records, bar_records, e8, interval_ms, trade_records

__all__ = ["MassiveHistory"]

DEFAULT_URL = "https://api.massive.com"
HOSTS = frozenset({"api.massive.com", "api.polygon.io"})
VARIABLES = ("MASSIVE_API_KEY", "POLYGON_API_KEY")
MARKETS = ("stocks", "options", "crypto")
_PAGE = 50_000
_PAGES_MAX = 1_000
_ID_BYTES = 24
_CONDITIONS = 8
_LATE = 2
_LATE_AFTER = 10_000_000_000
_SPANS = {"1s": (1, "second"), "1m": (1, "minute"), "5m": (5, "minute"), "15m": (15, "minute"), "1h": (1, "hour")}
# A crypto trade's condition names who took it.
_SIDES = {1: 2, 2: 1}


class _Trade(msgspec.Struct):
    price: Decimal
    size: Decimal = Decimal(0)
    decimal_size: Decimal | None = None
    sip_timestamp: int | None = None
    participant_timestamp: int | None = None
    trf_timestamp: int | None = None
    sequence_number: int | None = None
    id: str = ""
    exchange: int | None = None
    trf_id: int | None = None
    tape: int = 0
    conditions: tuple[int, ...] = ()


class _Trades(msgspec.Struct):
    results: list[_Trade] = []
    next_url: str = ""


class _Bar(msgspec.Struct):
    t: int
    o: float
    h: float
    l: float  # noqa: E741 - the venue's letter
    c: float
    v: Decimal
    dv: Decimal | None = None
    vw: float | None = None
    n: int = 0


class _Bars(msgspec.Struct):
    results: list[_Bar] = []
    next_url: str = ""


class _Error(msgspec.Struct):
    error: str = ""
    message: str = ""


class _Answer:
    """What Massive says beside the data."""

    def used(self, headers: Mapping[str, str]) -> int | None:  # noqa: ARG002
        """Return None: the venue does not say."""
        return None

    def message(self, body: bytes) -> str:
        """Return the error's text."""
        try:
            said = msgspec.json.decode(body, type=_Error)
        except msgspec.MsgspecError:
            return "an error that cannot be read"
        return said.error or said.message or "an error without a text"


class MassiveHistory:
    """Trades and bars of one of Massive's markets.

    Parameters
    ----------
    market
        ``stocks``, ``options`` or ``crypto``.
    url
        Base address; None is the venue's. ``http://`` goes to this machine only.
    key, key_file
        The key, or a file with it. Without either, the environment's, which goes to the venue's own hosts only.
    per_minute
        Requests in a minute: 5 on the free plan. None, for paid plans, asks at most 100 in a second.
    limiter
        One that is shared with other users of the key; instead of `per_minute`.
    limits
        Time and size limits.

    Raises
    ------
    UnknownVenue, ConfigError
    """

    def __init__(
        self,
        market: str = "stocks",
        url: str | None = None,
        key: Secret | str | None = None,
        *,
        key_file: str | os.PathLike[str] | None = None,
        per_minute: int | None = None,
        limiter: RateLimiter | None = None,
        limits: RestLimits | None = None,
    ) -> None:
        if market not in MARKETS:
            raise UnknownVenue(f"massive.{market}", [f"massive.{name}" for name in nearest(market, MARKETS)])
        self.venue = f"massive.{market}"
        self._market = market
        base = base_of(url or DEFAULT_URL)
        parts = urlsplit(base)
        endpoint = Endpoint(base, parts.hostname or "", parts.port or 443, parts.scheme == "https")
        found = find_key(self.venue, endpoint, HOSTS, VARIABLES, key=key, key_file=key_file)
        limiter = limiter or (RateLimiter(100, 1.0) if per_minute is None else RateLimiter(per_minute, 60.0))
        self._rest = Rest(self.venue, base, limiter, _Answer(), key=found, limits=limits)
        self._trades = msgspec.json.Decoder(_Trades)
        self._bars = msgspec.json.Decoder(_Bars)

    async def trades(
        self,
        symbol: str,
        start_ns: int,
        end_ns: int,
        ids: tuple[int, int] | None = None,  # noqa: ARG002
    ) -> AsyncIterator[Records]:
        """Yield pages of trades by their tape time, oldest first; the venue's numbers have gaps, so `ids` say nothing.

        Raises
        ------
        HistoryError, MissingExtra
        """
        params: dict[str, str | int] = {
            "timestamp.gte": start_ns // MS * MS,
            "timestamp.lt": (end_ns // MS + 1) * MS,
            "order": "asc",
            "sort": "timestamp",
            "limit": _PAGE,
        }
        async for page in self._pages(f"/v3/trades/{quote(self._ticker(symbol), safe=':')}", params, self._trades):
            if page.results:
                yield self._trade_records(page.results)

    async def bars(self, symbol: str, interval: str, start_ns: int, end_ns: int) -> AsyncIterator[Records]:
        """Yield pages of aggregates that begin between two times, unadjusted as the stream is.

        Raises
        ------
        HistoryError, MissingExtra
        """
        count, span = _SPANS[interval]
        ticker = quote(self._ticker(symbol, aggregate=True), safe=":")
        path = f"/v2/aggs/ticker/{ticker}/range/{count}/{span}/{start_ns // MS}/{end_ns // MS}"
        params: dict[str, str | int] = {"adjusted": "false", "sort": "asc", "limit": _PAGE}
        async for page in self._pages(path, params, self._bars):
            if page.results:
                yield self._bar_records(page.results, interval)

    def intervals(self) -> frozenset[str]:
        """Return the intervals of bars that the venue has."""
        return frozenset(_SPANS)

    async def close(self) -> None:
        """Close the connections."""
        await self._rest.close()

    def _ticker(self, symbol: str, *, aggregate: bool = False) -> str:
        if self._market == "crypto":
            return f"X:{symbol.replace('-', '') if aggregate else symbol}"
        return f"O:{symbol.removeprefix('O:')}" if self._market == "options" else symbol

    async def _pages(
        self, path: str, params: Mapping[str, str | int], decoder: msgspec.json.Decoder[Any]
    ) -> AsyncIterator[Any]:
        for _ in range(_PAGES_MAX):
            try:
                page = decoder.decode(await self._rest.get(path, params))
            except msgspec.MsgspecError as error:
                raise HistoryError(f"{self.venue} answered what it does not document: {error}", self.venue) from None
            yield page
            if not page.next_url:
                return
            # Only its path and query count: the key goes to no other host, whatever the answer says.
            following = urlsplit(page.next_url)
            path, params = following.path, dict(parse_qsl(following.query, keep_blank_values=True))
            params.pop("apiKey", None)
        raise HistoryError(f"{self.venue} answered more than {_PAGES_MAX} pages", self.venue)

    def _trade_records(self, trades: list[_Trade]) -> Records:
        records = trade_records(len(trades))
        for row, trade in zip(records, trades, strict=True):
            try:
                self._fill(row, trade)
            except (ValueError, OverflowError) as error:
                raise HistoryError(f"{self.venue} answered a trade that cannot be: {error}", self.venue) from None
        return records

    def _fill(self, row: Any, trade: _Trade) -> None:  # noqa: ANN401 - one record of an array
        time_ns = trade.sip_timestamp if trade.sip_timestamp is not None else trade.participant_timestamp
        if time_ns is None:
            raise ValueError("it has no time")
        size = trade.size if trade.decimal_size is None else trade.decimal_size
        row["ts_event"] = time_ns // MS * MS
        row["price"], row["price_e8"] = float(trade.price), e8(trade.price)
        row["size"], row["size_e8"] = float(size), e8(size)
        row["id"] = _id(trade.id)
        row["tape"] = trade.tape
        for name, value in (
            ("sequence", trade.sequence_number),
            ("exchange", trade.exchange),
            ("trf_id", trade.trf_id),
            ("ts_trf", None if trade.trf_timestamp is None else trade.trf_timestamp // MS * MS),
        ):
            if value is not None:
                row[name] = value
        codes = trade.conditions[:_CONDITIONS]
        row["conditions"][: len(codes)], row["n_conditions"] = codes, len(codes)
        if self._market == "crypto":
            row["side"] = next((_SIDES[code] for code in codes if code in _SIDES), 0)
        elif trade.participant_timestamp is not None:
            row["ts_participant"] = trade.participant_timestamp // MS * MS
            row["flags"] = _LATE if row["ts_event"] - row["ts_participant"] > _LATE_AFTER else 0

    def _bar_records(self, bars: list[_Bar], interval: str) -> Records:
        records = bar_records(len(bars))
        length = interval_ms(interval) * MS
        for row, bar in zip(records, bars, strict=True):
            volume = bar.v if bar.dv is None else bar.dv
            row["ts_event"], row["ts_end"] = bar.t * MS, bar.t * MS + length
            row["open"], row["high"], row["low"], row["close"] = bar.o, bar.h, bar.l, bar.c
            row["volume"], row["volume_e8"], row["trade_count"] = float(volume), e8(volume), bar.n
            if bar.vw is not None:
                row["vwap"] = bar.vw
        return records


def _id(text: str) -> bytes:
    """Return a trade id as the engine keeps it: whole up to 24 bytes, else as a hash."""
    raw = text.encode()
    if len(raw) <= _ID_BYTES:
        return raw
    # SOURCE: FNV-1a, 64 bits, as rust/wire/src/massive/decode.rs has it.
    number = 0xCBF2_9CE4_8422_2325
    for byte in raw:
        number = (number ^ byte) * 0x0100_0000_01B3 % 2**64
    return f"#{number:016x}".encode()
