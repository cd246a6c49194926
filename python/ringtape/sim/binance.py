"""Binance's side of its USD-M futures stream protocol: paths, requests, replies, errors.

Every stream name is confirmed, whether it exists or not and whether this path serves it or not; only data tells.
Replies are never wrapped in the envelope of a combined connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, unquote

import msgspec
from picows import WSCloseCode

from ringtape.sim.peer import Peer, Transport
from ringtape.sim.timer import Timer

if TYPE_CHECKING:
    from ringtape.sim.host import Host

__all__ = ["BinancePeer", "Target", "target"]

_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_UNKNOWN_PROPERTY, _NOT_A_BOOLEAN, _BAD_REQUEST, _BAD_JSON, _TOO_MANY_STREAMS = range(5)
_ID_LIMIT = 1 << 64
Area = Literal["public", "market", "private"]
_ROUTES: dict[str, Area] = {"public": "public", "market": "market", "private": "private"}


class Target(msgspec.Struct, frozen=True):
    """What a client asked for with its URL: the streams that are served, their form, and the first of them."""

    route: Area
    is_combined: bool
    streams: tuple[str, ...]


def target(path: str, query: str) -> Target | None:
    """Return what a URL asks for; None where it is none of Binance's.

    ``/public/ws/<s1>/<s2>`` gives raw payloads, ``/public/stream?streams=<s1>/<s2>`` the combined envelope; the same
    under ``/market``. Under ``/private`` the streams are listenKeys, also as ``?listenKey=<key>``; any key is taken,
    and the only event is the end of one. QUIRK: without any of these, the venue's root behaves as ``/public`` since
    2026-04.
    """
    first, *rest = path.strip("/").split("/")
    route = _ROUTES.get(first, "public")
    if first in _ROUTES:
        first, *rest = rest or ["ws"]
    keys = tuple(parse_qs(query).get("listenKey", ())) if route == "private" else ()
    if first == "ws":
        return Target(route, is_combined=False, streams=(*(unquote(name) for name in rest if name), *keys))
    if first == "stream" and not rest:
        asked = parse_qs(query).get("streams", [""])[0]
        return Target(route, is_combined=True, streams=(*(name for name in asked.split("/") if name), *keys))
    return None


class _Candle(msgspec.Struct, frozen=True):
    i: str = ""


class _Head(msgspec.Struct):
    stream: str = ""
    e: str = ""
    s: str = ""
    k: _Candle = _Candle()


_read_head = msgspec.json.Decoder(_Head).decode


class _Refusal(Exception):  # noqa: N818 - an answer, not a fault of ours
    """A request that gets an error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class BinancePeer(Peer):
    """One client of Binance's market streams.

    Parameters
    ----------
    host
        The server.
    path
        The path that was asked for.
    asked
        What it means.
    """

    def __init__(self, host: Host, path: str, asked: Target) -> None:
        super().__init__(host, path)
        self._route = asked.route
        self._first = asked.streams
        self._is_combined = asked.is_combined
        self._times: deque[float] = deque(maxlen=host.behaviour.requests_per_s)
        self._ponged_at = 0.0
        self._life = Timer(self.drop)

    def opened(self) -> None:
        """Start the pings, and the streams of the URL."""
        self._ponged_at = self.host.monotonic()
        self.later(self.host.behaviour.ping_s, self._ping)
        self._life = self.host.later(self.host.behaviour.life_s, self.drop)
        try:
            if self._first:
                self._subscribe(self._first)
                self.moment("subscribe")
        except _Refusal as refusal:
            self._refuse(refusal)

    def ponged(self) -> None:
        """Take note of a pong; unsolicited ones count too."""
        self._ponged_at = self.host.monotonic()

    def received(self, message: bytes) -> None:
        """Answer a request, or close where there are too many."""
        now = self.host.monotonic()
        if len(self._times) == self._times.maxlen and now - self._times[0] < 1.0:
            self.end(WSCloseCode.POLICY_VIOLATION, "Too many requests")
            return
        self._times.append(now)
        try:
            request = _parse(message)
            result = self._answer(request["method"], request.get("params", []))
        except _Refusal as refusal:
            self._refuse(refusal)
        else:
            self.send([msgspec.json.encode({"result": result, "id": request["id"]})])
            if request["method"] == "SUBSCRIBE":
                self.moment("subscribe")

    def fell_behind(self) -> None:
        """Close."""
        self.end(WSCloseCode.POLICY_VIOLATION)

    def announce_end(self) -> None:
        """Send ``serverShutdown``."""
        self._tell("!serverShutdown", {"e": "serverShutdown", "E": self._now_ms()})

    def key_expired(self, key: str) -> None:
        """Tell the client that its listenKey has ended, if it is its."""
        if self._route == "private" and key in self.held:
            # ? The stream's name on a combined connection is the key.
            self._tell(key, {"e": "listenKeyExpired", "E": self._now_ms(), "listenKey": key})

    def stream_of(self, event: bytes) -> str:
        """Return the stream, such as ``btcusdt@kline_1m``."""
        head = _read_head(event)
        if head.stream:
            return head.stream
        kind = {"markPriceUpdate": "markPrice", "kline": f"kline_{head.k.i}"}.get(head.e, head.e)
        name = f"{head.s.lower()}@{kind}"
        return f"{name}@1s" if f"{name}@1s" in self.held else name

    def on_ws_disconnected(self, transport: Transport) -> None:
        """Forget the client."""
        self._life.cancel()
        super().on_ws_disconnected(transport)

    def _now_ms(self) -> int:
        return self.host.venue_ns() // 1_000_000

    def _tell(self, stream: str, event: dict[str, Any]) -> None:
        self.send([msgspec.json.encode({"stream": stream, "data": event} if self._is_combined else event)])

    def _refuse(self, refusal: _Refusal) -> None:
        self.send([msgspec.json.encode({"error": {"code": refusal.code, "msg": str(refusal)}})])
        if refusal.code == _TOO_MANY_STREAMS:
            self.end(WSCloseCode.POLICY_VIOLATION, "Invalid request")

    def _answer(self, method: str, params: object) -> object:
        """Do what a request asks and return its result."""
        if method == "LIST_SUBSCRIPTIONS":
            return sorted(self.held)
        if not isinstance(params, list):
            raise _Refusal(_BAD_REQUEST, "Invalid request: params must be an array")
        if method == "GET_PROPERTY":
            _check_property(params, 1)
            return self._is_combined
        if method == "SET_PROPERTY":
            self._set_property(params)
        elif not all(isinstance(name, str) for name in params):
            raise _Refusal(_BAD_REQUEST, "Invalid request: stream name must be a string")
        elif method == "SUBSCRIBE":
            self._subscribe(params)
        else:
            self._unsubscribe(params)
        return None

    def _set_property(self, params: list[object]) -> None:
        _check_property(params, 2)
        if len(params) < 2 or not isinstance(params[1], bool):  # noqa: PLR2004 - a name and its value
            raise _Refusal(_NOT_A_BOOLEAN, "Invalid value type: expected Boolean")
        self._is_combined = params[1]
        if self._route != "private":
            simulator, handle = self.join("crypto", self._route)
            simulator.set_combined(handle, self._is_combined)

    def _subscribe(self, names: Iterable[str]) -> None:
        wanted = self.held.union(names)
        if len(wanted) > self.host.behaviour.streams:
            raise _Refusal(_TOO_MANY_STREAMS, "Too many subscriptions")
        if self._route == "private":
            self.held = wanted
            return
        simulator, handle = self.join("crypto", self._route)
        simulator.set_combined(handle, self._is_combined)
        for name in wanted - self.held:
            simulator.subscribe(handle, name)
        self.held = wanted

    def _unsubscribe(self, names: Iterable[str]) -> None:
        if self._route == "private":
            self.held.difference_update(names)
            return
        simulator, handle = self.join("crypto", self._route)
        for name in self.held.intersection(names):
            simulator.unsubscribe(handle, name)
        self.held.difference_update(names)

    def _ping(self) -> None:
        if self.host.monotonic() - self._ponged_at > self.host.behaviour.pong_s:
            self.drop()
            return
        self.ping(str(self._now_ms()))
        self.later(self.host.behaviour.ping_s, self._ping)


def _parse(message: bytes) -> dict[str, Any]:
    """Return a request with a known method and a sound id.

    Raises
    ------
    _Refusal
        With the code and text of the venue's documentation.
    """
    try:
        request = msgspec.json.decode(message)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _Refusal(_BAD_JSON, "Invalid JSON: expected value at line 1 column 1") from None
    if not isinstance(request, dict) or "method" not in request:
        raise _Refusal(_BAD_REQUEST, f"Invalid request: missing field `method` at line 1 column {len(message)}")
    if request["method"] not in _METHODS:
        known = ", ".join(f"`{method}`" for method in _METHODS)
        raise _Refusal(_BAD_REQUEST, f"Invalid request: unknown variant `{request['method']}`, expected one of {known}")
    number = request.get("id")
    # A boolean is an int to Python, not to JSON.
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < _ID_LIMIT:
        raise _Refusal(_BAD_REQUEST, "Invalid request: request ID must be an unsigned integer")
    return request


def _check_property(params: list[object], most: int) -> None:
    if len(params) > most:
        raise _Refusal(_BAD_REQUEST, "Invalid request: too many parameters")
    if not params or not isinstance(params[0], str):
        raise _Refusal(_BAD_REQUEST, "Invalid request: property name must be a string")
    if params[0] != "combined":
        raise _Refusal(_UNKNOWN_PROPERTY, "Unknown property")
