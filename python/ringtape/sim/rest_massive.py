"""Massive's REST over what the market made: trades, and bars of seconds, minutes and hours.

SOURCE: paths, parameters, rows, error bodies as the documentation and captures of 2026 give them. What those do not
settle is marked with a question mark in a comment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlencode

import msgspec

from ringtape.sim.history import History, Rows
from ringtape.sim.rest import HOUR_MS, MINUTE_MS, NS, Reply, Request, RestError

if TYPE_CHECKING:
    from ringtape.sim.host import Host

__all__ = ["MassiveRest"]

_FOREVER = 1 << 62
_TRADES = re.compile(r"/v3/trades/([^/]+)")
_AGGS = re.compile(r"/v2/aggs/ticker/([^/]+)/range/(\d{1,6})/(\w+)/([\d-]+)/([\d-]+)")
_SPANS = {"second": ("A", 1_000), "minute": ("AM", MINUTE_MS), "hour": ("AM", HOUR_MS)}
_TRADES_LIMITS = (1_000, 50_000)
_AGGS_LIMITS = (5_000, 50_000)


class _Trade(msgspec.Struct, omit_defaults=True):
    """A `T` event."""

    t: int
    p: float
    i: str = ""
    x: int | None = None
    s: int | None = None
    c: list[int] | None = None
    pt: int | None = None
    q: int | None = None
    z: int | None = None
    trfi: int | None = None
    trft: int | None = None
    ds: str | None = None


class _Aggregate(msgspec.Struct):
    """An `A` or `AM` event."""

    s: int
    o: float
    h: float
    low: float = msgspec.field(name="l")
    c: float
    vw: float
    dv: str


_read_trade = msgspec.json.Decoder(_Trade).decode
_read_aggregate = msgspec.json.Decoder(_Aggregate).decode


class MassiveRest:
    """Massive's REST.

    Parameters
    ----------
    host
        Whose market, behaviour and clock are served.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._requests = 0
        self._asked: tuple[int, int] = (0, 0)

    def answer(self, request: Request) -> Reply:
        """Answer a request.

        Raises
        ------
        RestError
            It gets an error.
        """
        self._requests += 1
        asked = dict(parse_qsl(request.query))
        self._check_key(request, asked)
        self._check_quota()
        if found := _TRADES.fullmatch(request.path):
            return self._trades(unquote(found[1]), asked)
        if found := _AGGS.fullmatch(request.path):
            return self._aggregates(unquote(found[1]), int(found[2]), found[3], (found[4], found[5]), asked)
        return Reply(404, b"404 page not found\n", {"Content-Type": "text/plain"})

    def _error(self, status: int, text: str, word: str = "ERROR") -> RestError:
        return RestError(status, {"status": word, "request_id": self._id(), "error": text})

    def _id(self) -> str:
        return f"{self._requests:032x}"

    def _check_key(self, request: Request, asked: dict[str, str]) -> None:
        key = request.headers.get("authorization", "").removeprefix("Bearer ") or asked.get("apiKey", "")
        if key in {"", self._host.behaviour.bad_key}:
            raise self._error(401, "Unknown API Key")  # ? the form is from memory

    def _check_quota(self) -> None:
        most = self._host.behaviour.rest_requests_per_min
        minute = self._host.time_ns() // (MINUTE_MS * NS)
        self._asked = (minute, self._asked[1] + 1 if self._asked[0] == minute else 1)
        if 0 < most < self._asked[1]:
            text = (
                "You've exceeded the maximum requests per minute, please wait or upgrade your subscription to continue."
            )
            raise self._error(429, text)

    def _history(self) -> History | None:
        return self._host.history("stocks")

    def _trades(self, symbol: str, asked: dict[str, str]) -> Reply:
        limit = self._limit(asked, *_TRADES_LIMITS)
        # ? Newest first where no order is asked for.
        is_falling = asked.get("order", "desc") != "asc"
        first, last = self._times(asked)
        history = self._history()
        rows = history.rows("T", symbol) if history else Rows()
        where = rows.between((-(-first // NS), -1), (-(-last // NS), -1))
        keys, texts = rows.keys[where], rows.texts[where]
        if is_falling:
            keys.reverse()
            texts.reverse()
        if "cursor" in asked:
            seen = _cursor(asked["cursor"])
            skip = next((n for n, key in enumerate(keys) if (key < seen if is_falling else key > seen)), len(keys))
            keys, texts = keys[skip:], texts[skip:]
        body: dict[str, Any] = {
            "results": [_trade_row(_read_trade(text)) for text in texts[:limit]],
            "status": "OK",
            "request_id": self._id(),
        }
        if len(keys) > limit:
            time_ms, number = keys[limit - 1]
            query = {**asked, "cursor": f"{time_ms}.{number}"}
            query.pop("apiKey", None)
            body["next_url"] = f"https://api.massive.com/v3/trades/{symbol}?{urlencode(query)}"
        return Reply.of(body)

    def _times(self, asked: dict[str, str]) -> tuple[int, int]:
        """Return first time and end in ns, the end left out."""
        first, last = 0, _FOREVER
        for key, text in asked.items():
            if key != "timestamp" and not key.startswith("timestamp."):
                continue
            (start, end), how = self._time_ns(text), key.partition(".")[2]
            if how in {"", "gte", "gt"}:
                first = max(first, end if how == "gt" else start)
            if how in {"", "lte", "lt"}:
                last = min(last, start if how == "lt" else end)
        return first, last

    def _time_ns(self, text: str) -> tuple[int, int]:
        """Return start and end of a day or of a nanosecond."""
        try:
            if not text.isdigit():
                start = int(datetime.combine(date.fromisoformat(text), time(), UTC).timestamp()) * 1_000 * NS
                return start, start + 24 * HOUR_MS * NS
            return int(text), int(text) + 1
        except ValueError:
            raise self._error(400, f"Could not parse the time {text!r}: write ns or YYYY-MM-DD") from None

    def _limit(self, asked: dict[str, str], usual: int, most: int) -> int:
        text = asked.get("limit", str(usual))
        if not text.isdigit() or not 0 < int(text) <= most:
            raise self._error(400, f"'limit' must be a number from 1 to {most}")
        return int(text)

    def _aggregates(self, symbol: str, count: int, span: str, ends: tuple[str, str], asked: dict[str, str]) -> Reply:
        if span not in _SPANS or count < 1:
            # ? A day and more are served by the venue and not here: no market of ours lasts so long.
            raise self._error(400, f"The timespan {count} {span} is not served: write {', '.join(_SPANS)}")
        kind, base_ms = _SPANS[span]
        step_ms = count * (base_ms if span != "hour" else HOUR_MS)
        first, last = self._day_or_ms(ends[0])[0], self._day_or_ms(ends[1])[1]
        # Bars that hold the first and the last time belong to the answer whole.
        first = first // step_ms * step_ms
        limit = self._limit(asked, *_AGGS_LIMITS)
        history = self._history()
        last = (last - 1) // step_ms * step_ms + step_ms
        rows = history.rows(kind, symbol) if history else Rows()
        trades = history.rows("T", symbol) if history else Rows()
        width = min(base_ms, MINUTE_MS)
        bars = [_read_aggregate(text) for text in rows.texts[rows.between((first, -1), (last, -1))]]
        if asked.get("sort", "asc") == "desc":
            bars.reverse()
        more, bars = bars[limit:], bars[:limit]
        while more and more[0].s // step_ms == bars[-1].s // step_ms:
            # A page ends with a whole bar: bars of a minute are cheap, halves of an hour are wrong.
            bars.append(more.pop(0))
        results = list(_merge(bars, step_ms, lambda bar: _count(trades, bar.s, bar.s + width)))
        body: dict[str, Any] = {
            "ticker": symbol,
            "queryCount": len(bars),
            "resultsCount": len(results),
            "adjusted": asked.get("adjusted", "true") != "false",
            "results": results,
            "status": "OK",
            "request_id": self._id(),
            "count": len(results),
        }
        if more:
            is_falling = asked.get("sort", "asc") == "desc"
            left = (ends[0], str(more[0].s)) if is_falling else (str(more[0].s), ends[1])
            query = {key: value for key, value in asked.items() if key != "apiKey"}
            path = f"/v2/aggs/ticker/{symbol}/range/{count}/{span}/{left[0]}/{left[1]}"
            body["next_url"] = f"https://api.massive.com{path}?{urlencode(query)}"
        return Reply.of(body)

    def _day_or_ms(self, text: str) -> tuple[int, int]:
        """Return start and end of a day or of a millisecond, in ms."""
        start, end = self._time_ns(text)
        return (start, end) if text.isdigit() else (start // NS, end // NS)


def _cursor(text: str) -> tuple[int, int]:
    first, _, second = text.partition(".")
    return (int(first), int(second)) if first.isdigit() and second.isdigit() else (0, 0)


def _trade_row(trade: _Trade) -> dict[str, Any]:
    """Return a trade as REST has it: long names, times in ns, keys without a value left out."""
    row = {
        "conditions": trade.c,
        "decimal_size": trade.ds,
        "exchange": trade.x,
        "id": trade.i,
        "participant_timestamp": _ns(trade.pt),
        "price": trade.p,
        "sequence_number": trade.q,
        "sip_timestamp": _ns(trade.t),
        "size": trade.s,
        "tape": trade.z,
        "trf_id": trade.trfi,
        "trf_timestamp": _ns(trade.trft),
    }
    return {key: value for key, value in row.items() if value is not None}


def _ns(time_ms: int | None) -> int | None:
    return None if time_ms is None else time_ms * NS


def _count(trades: Rows, first_ms: int, last_ms: int) -> int:
    return len(trades.keys[trades.between((first_ms, -1), (last_ms, -1))])


def _merge(
    bars: Iterable[_Aggregate], step_ms: int, trades_of: Callable[[_Aggregate], int]
) -> Iterator[dict[str, Any]]:
    """Yield bars of a longer interval; the bars come in order, either way."""
    row: dict[str, Any] | None = None
    start_ms = latest_ms = 0
    volume = notional = Decimal(0)
    for bar in bars:
        begins = bar.s // step_ms * step_ms
        if row is None or begins != row["t"]:
            if row is not None:
                yield row
            row = {"v": 0, "vw": 0.0, "o": bar.o, "c": bar.c, "h": bar.h, "l": bar.low, "t": begins, "n": 0}
            start_ms = latest_ms = bar.s
            volume = notional = Decimal(0)
        if bar.s < start_ms:
            start_ms, row["o"] = bar.s, bar.o
        if bar.s > latest_ms:
            latest_ms, row["c"] = bar.s, bar.c
        volume += Decimal(bar.dv)
        notional += Decimal(bar.dv) * Decimal(repr(bar.vw))
        row["h"], row["l"] = max(row["h"], bar.h), min(row["l"], bar.low)
        row["v"] = int(volume) if volume == int(volume) else float(volume)
        # A bar that stands alone keeps the digits that its frame had.
        row["vw"] = round(float(notional / volume), 4) if start_ms != latest_ms else bar.vw
        row["n"] += trades_of(bar)
    if row is not None:
        yield row
