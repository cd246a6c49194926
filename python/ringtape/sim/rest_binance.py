"""Binance's REST over what the market made: aggregate trades, klines, time, and the key of private streams.

SOURCE: paths, parameters, rows, error bodies and weights as documentation and captures of 2026 give them. What those
do not settle is marked with a question mark in a comment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from ringtape.sim.history import History, Rows
from ringtape.sim.rest import HOUR_MS, MINUTE_MS, NS, Reply, Request, RestError

if TYPE_CHECKING:
    from ringtape.sim.host import Host

__all__ = ["BinanceRest", "ListenKeys"]

_FOREVER = 1 << 62
_BAN_AFTER = 10
_BAN_S = 120
_LISTEN_KEY_MS = 60 * MINUTE_MS
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_KLINE_LIMITS = (500, 1_500)
_TRADE_LIMITS = (500, 1_000)
_INTERVALS = {
    "1m": 1,
    "3m": 3,
    "5m": 5,
    "15m": 15,
    "30m": 30,
    "1h": 60,
    "2h": 120,
    "4h": 240,
    "6h": 360,
    "8h": 480,
    "12h": 720,
    "1d": 1440,
}
_MAX_AGE_MS = 48 * HOUR_MS


class _AggTrade(msgspec.Struct):
    """An `aggTrade` event, and a row of REST."""

    a: int
    p: str
    q: str
    nq: str
    f: int
    l: int  # noqa: E741 - the venue's word
    T: int
    m: bool


class _Candle(msgspec.Struct):
    """The inside of a `kline` event."""

    t: int
    T: int
    o: str
    c: str
    h: str
    l: str  # noqa: E741 - the venue's word
    v: str
    n: int
    q: str
    V: str
    Q: str


class _Kline(msgspec.Struct):
    k: _Candle


_read_agg_trade = msgspec.json.Decoder(_AggTrade).decode
_read_kline = msgspec.json.Decoder(_Kline).decode


class ListenKeys:
    """Keys of private streams: one at a time, alive for an hour after each request.

    Parameters
    ----------
    seed
        What the keys are drawn from.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(f"listenKey {seed}")  # noqa: S311 - pretend keys, and the same for the same seed
        self.key = ""
        self.expires_ms = 0

    def make(self, now_ms: int) -> str:
        """Return the key that is alive, or a new one, and let it live for an hour."""
        if not self.is_alive(now_ms):
            self.key = "".join(self._random.choices(_LETTERS, k=64))
        self.expires_ms = now_ms + _LISTEN_KEY_MS
        return self.key

    def is_alive(self, now_ms: int) -> bool:
        """Return whether there is a key that has not expired."""
        return bool(self.key) and now_ms < self.expires_ms

    def has_expired(self, now_ms: int) -> bool:
        """Return whether there is a key whose time is over."""
        return bool(self.key) and now_ms >= self.expires_ms

    def end(self) -> str:
        """End the key and return it."""
        key, self.key = self.key, ""
        return key


class BinanceRest:
    """Binance's REST under ``/fapi/v1``.

    Parameters
    ----------
    host
        Whose market, behaviour and clock are served.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._minute = 0
        self._used = 0
        self._refused = 0
        self._banned_until_ms = 0
        self.listen_keys = ListenKeys(host.seed)

    def answer(self, request: Request) -> Reply:
        """Answer a request, and count its weight whatever the answer."""
        now_ms = self._host.time_ns() // NS
        asked = dict(parse_qsl(request.query))
        handler, weight = self._route(request, asked)
        refused = self._charge(weight, now_ms)
        headers = {"X-MBX-USED-WEIGHT-1M": str(self._used)}
        if refused is not None:
            reply = refused
        elif handler is None:
            reply = Reply(404, b"<html><body><h2>404 Not found</h2></body></html>", {"Content-Type": "text/html"})  # ?
        else:
            try:
                reply = Reply.of(handler(asked))
            except RestError as refusal:
                reply = refusal.reply
        return Reply(reply.status, reply.body, {**reply.headers, **headers})

    def _route(self, request: Request, asked: dict[str, str]) -> tuple[Callable[[dict[str, str]], Any] | None, int]:
        """Return what answers a request, and its weight."""
        name = request.path.removeprefix("/fapi/v1/")
        if name == "listenKey":
            keyed: Callable[[dict[str, str]], Any] | None
            keyed = {"POST": self._new_key, "PUT": self._extend_key, "DELETE": self._end_key}.get(request.method)
            if keyed is not None and not request.headers.get("x-mbx-apikey"):
                keyed = self._no_key
            return keyed, 1
        if request.method != "GET":
            return None, 1
        if name == "klines":
            return self._klines, _kline_weight(asked.get("limit", ""))
        if name == "aggTrades":
            return self._agg_trades, 20
        return {"ping": self._ping, "time": self._time}.get(name), 1

    def _charge(self, weight: int, now_ms: int) -> Reply | None:
        """Count the weight; return the refusal where the minute's is used up."""
        minute = now_ms // MINUTE_MS
        if minute != self._minute:
            self._minute, self._used, self._refused = minute, 0, 0
        self._used += weight
        if now_ms < self._banned_until_ms:
            return self._ban(now_ms)
        most = self._host.behaviour.rest_weight_per_min
        if self._used <= most:
            return None
        self._refused += 1
        if self._refused > _BAN_AFTER:
            self._banned_until_ms = now_ms + _BAN_S * 1_000
            return self._ban(now_ms)
        text = (
            f"Too many requests; current limit of IP(127.0.0.1) is {most} requests per minute. "
            "Please use the websocket for live updates to avoid polling the API."
        )
        wait_s = -(-((minute + 1) * MINUTE_MS - now_ms) // 1_000)
        return Reply.of({"code": -1003, "msg": text}, 429, {"Retry-After": str(wait_s)})

    def _ban(self, now_ms: int) -> Reply:
        text = (
            f"Way too many requests; IP(127.0.0.1) banned until {self._banned_until_ms}. "
            "Please use the websocket for live updates to avoid bans."
        )
        wait_s = -(-(self._banned_until_ms - now_ms) // 1_000)
        return Reply.of({"code": -1003, "msg": text}, 418, {"Retry-After": str(wait_s)})

    def _ping(self, _asked: dict[str, str]) -> dict[str, Any]:
        return {}

    def _time(self, _asked: dict[str, str]) -> dict[str, Any]:
        return {"serverTime": self._host.venue_ns() // NS}

    def _no_key(self, _asked: dict[str, str]) -> object:
        raise _refuse(-2014, "API-key format invalid.", 401)

    def _new_key(self, _asked: dict[str, str]) -> dict[str, Any]:
        return {"listenKey": self.listen_keys.make(self._host.time_ns() // NS)}

    def _extend_key(self, asked: dict[str, str]) -> dict[str, Any]:
        if not self.listen_keys.is_alive(self._host.time_ns() // NS):
            raise _refuse(-1125, "This listenKey does not exist.")
        return self._new_key(asked)

    def _end_key(self, _asked: dict[str, str]) -> dict[str, Any]:
        self._host.expire_listen_key()
        return {}

    def _history(self, asked: dict[str, str]) -> tuple[History, str]:
        if not asked.get("symbol"):
            raise _refuse(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        self._host.market("crypto")
        history = self._host.history("crypto")
        if history is None or not history.has(asked["symbol"]):
            raise _refuse(-1121, "Invalid symbol.")
        return history, asked["symbol"]

    def _agg_trades(self, asked: dict[str, str]) -> object:
        history, symbol = self._history(asked)
        limit = _number(asked, "limit", _TRADE_LIMITS[0], (1, _TRADE_LIMITS[1]))
        first, last = _number(asked, "startTime", None), _number(asked, "endTime", None)
        from_id = _number(asked, "fromId", None)
        if from_id is not None and (first is not None or last is not None):
            raise _refuse(-1128, "Combination of optional parameters invalid.")
        if first is not None and last is not None and last - first > HOUR_MS:
            raise _refuse(-1127, "More than 1 hours between startTime and endTime.")
        rows = history.rows("aggTrade", symbol)
        oldest = self._host.venue_ns() // NS - _MAX_AGE_MS
        if history.has_forgotten:
            oldest = max(oldest, history.since_ms)
        if first is not None and first < oldest and (history.has_forgotten or first < oldest - HOUR_MS):
            raise _refuse(-4166, "Search window is restricted to recent 2 days only.")  # ? the text
        if from_id is not None:
            texts = rows.texts[_first_id(rows, from_id) :][:limit]
        else:
            where = rows.between((first or 0, -1), (_FOREVER if last is None else last + 1, -1))
            texts = rows.texts[where]
            texts = texts[:limit] if first is not None else texts[-limit:]
        return [_read_agg_trade(text) for text in texts]

    def _klines(self, asked: dict[str, str]) -> object:
        history, symbol = self._history(asked)
        if asked.get("interval") not in _INTERVALS:
            raise _refuse(-1120, "Invalid interval.")
        step_ms = _INTERVALS[asked["interval"]] * MINUTE_MS
        limit = _number(asked, "limit", _KLINE_LIMITS[0], (1, _KLINE_LIMITS[1]))
        first, last = _number(asked, "startTime", None), _number(asked, "endTime", None)
        rows = history.rows("kline", symbol)
        where = rows.between((-(-(first or 0) // step_ms) * step_ms, -1), (_FOREVER if last is None else last + 1, -1))
        # A longer candle is whole or not there: the minutes after its last open time belong to it too.
        until = _FOREVER if last is None else last // step_ms * step_ms + step_ms
        where = slice(where.start, rows.between((0, 0), (until, -1)).stop)
        candles = list(_candles((_read_kline(text).k for text in rows.texts[where]), step_ms))
        return candles[:limit] if first is not None else candles[-limit:]


def _refuse(code: int, text: str, status: int = 400) -> RestError:
    return RestError(status, {"code": code, "msg": text})


def _number(asked: dict[str, str], name: str, usual: Any, ends: tuple[int, int] = (0, _FOREVER)) -> Any:  # noqa: ANN401
    """Return a parameter as a number; `usual` where it is not given."""
    text = asked.get(name)
    if text is None:
        return usual
    if not text.isdigit():
        raise _refuse(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    if not ends[0] <= int(text) <= ends[1]:
        raise _refuse(-1130, f"Data sent for parameter '{name}' is not valid.")
    return int(text)


def _kline_weight(limit: str) -> int:
    asked = int(limit) if limit.isdigit() else _KLINE_LIMITS[0]
    return next((weight for most, weight in ((100, 1), (500, 2), (1000, 5)) if asked <= most), 10)


def _first_id(rows: Rows, from_id: int) -> int:
    """Return the place of the first aggregate with that id or a higher one; ids rise with time."""
    low, high = 0, len(rows.keys)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if rows.keys[middle][1] < from_id else (low, middle)
    return low


def _candles(minutes: Iterable[_Candle], step_ms: int) -> Iterator[list[Any]]:
    """Yield candles as REST has them, of a minute or longer.

    ? A minute without trades is a flat candle at the last close, as the venue's REST is known to have it; the stream
    has nothing for it.
    """
    row: list[Any] | None = None
    sums = [Decimal(0)] * 4
    for minute in minutes:
        begins = minute.t // step_ms * step_ms
        if row is None or row[0] != begins:
            if row is not None:
                yield row
                yield from _flat(row, begins, step_ms)
            row = [begins, minute.o, minute.h, minute.l, minute.c, "0", begins + step_ms - 1, "0", 0, "0", "0", "0"]
            sums = [Decimal(0)] * 4
        row[2] = max(row[2], minute.h, key=Decimal)
        row[3] = min(row[3], minute.l, key=Decimal)
        row[4] = minute.c
        sums = [old + Decimal(new) for old, new in zip(sums, (minute.v, minute.q, minute.V, minute.Q), strict=True)]
        row[5], row[7], row[9], row[10] = (f"{each:f}" for each in sums)
        row[8] += minute.n
    if row is not None:
        yield row


def _flat(row: list[Any], until_ms: int, step_ms: int) -> Iterator[list[Any]]:
    for start in range(row[0] + step_ms, until_ms, step_ms):
        yield [start, *[row[4]] * 4, "0", start + step_ms - 1, "0", 0, "0", "0", "0"]
