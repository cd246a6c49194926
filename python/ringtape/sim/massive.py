"""Massive's side of its protocol: status messages, keys, channels.

Everything sent is a JSON array, also a single status. What the venue leaves unanswered is left unanswered here:
unknown channels, repeated subscriptions, messages that cannot be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from picows import WSCloseCode

from ringtape.sim.faults import Auth
from ringtape.sim.peer import Peer

if TYPE_CHECKING:
    from ringtape.sim.host import Host

__all__ = ["CHANNELS", "MassivePeer"]

_STOCKS = "/stocks"
_FUTURES = frozenset({"T", "Q", "A", "AM"})
CHANNELS = {
    _STOCKS: frozenset({"T", "Q", "A", "AM", "LULD", "NOI", "FMV", "LV"}),
    "/options": frozenset({"T", "Q", "A", "AM", "FMV", "LV"}),
    "/forex": frozenset({"C", "CA", "CAS", "FMV", "LV", "AM"}),
    "/crypto": frozenset({"XT", "XQ", "XA", "XAS", "FMV", "LV", "AM"}),
    "/indices": frozenset({"V", "A", "AM"}),
    "/futures": _FUTURES,
    "/futures/cme": _FUTURES,
    "/futures/cbot": _FUTURES,
    "/futures/nymex": _FUTURES,
    "/futures/comex": _FUTURES,
}
"""Channels of each market's path. Only stocks T, Q, A and AM carry data; the others are confirmed and stay silent."""

_NAMES_MAX = 65_536


class _Request(msgspec.Struct):
    action: str
    params: str


class _Head(msgspec.Struct):
    ev: str
    sym: str


_read_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_read_head = msgspec.json.Decoder(_Head).decode


class _Status(msgspec.Struct, tag="status", tag_field="ev"):
    status: str
    message: str


_REFUSALS = {
    "failed": _Status("auth_failed", "authentication failed"),
    "plan": _Status(
        "auth_failed",
        "Your plan doesn't include websocket access. Visit https://massive.com/pricing to upgrade.",
    ),
    "timeout": _Status("auth_timeout", "No authentication request received."),
}


class MassivePeer(Peer):
    """One client of a Massive market.

    Parameters
    ----------
    host
        The server.
    path
        One of `CHANNELS`.
    """

    def __init__(self, host: Host, path: str) -> None:
        super().__init__(host, path)
        self.is_streaming = False
        self._is_authenticated = False
        self._channels = CHANNELS[path]

    def opened(self) -> None:
        """Greet the client, unasked: clients wait for it."""
        self._say(_Status("connected", "Connected Successfully"))
        self.later(self.host.behaviour.auth_timeout_s, self._give_up)

    def received(self, message: bytes) -> None:
        """Answer a request."""
        try:
            request = msgspec.json.decode(message, type=_Request)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return
        if request.action == "auth":
            self._authenticate(request.params)
        elif not self._is_authenticated:
            return
        elif request.action == "subscribe":
            self._subscribe(request.params)
        elif request.action == "unsubscribe":
            self._unsubscribe(request.params)

    def fell_behind(self) -> None:
        """Tell the client, behind all that waits for it, and close."""
        self.warn_slow()
        self.end(WSCloseCode.POLICY_VIOLATION)

    def warn_slow(self) -> None:
        """Send the status; its text is a guess."""
        self._say(_Status("slow_consumer", "Connection closed: the client does not keep up."))

    def cut_off(self) -> None:
        """Send the last status, whose text is a guess too, and close."""
        self._say(_Status("force_disconnect", "Connection closed by the server."))
        self.end(WSCloseCode.POLICY_VIOLATION)

    def events_of(self, frame: bytes) -> list[bytes]:
        """Return the elements of the array."""
        return [bytes(event) for event in _read_array(frame)]

    def frames_of(self, events: list[bytes]) -> list[bytes]:
        """Return arrays of as many events as a frame may have."""
        batch = self.host.behaviour.batch
        parts = [events[start : start + batch] for start in range(0, len(events), batch)]
        return [b"[" + b",".join(part) + b"]" for part in parts]

    def stream_of(self, event: bytes) -> str:
        """Return the channel and symbol, such as ``T.SPY``."""
        head = _read_head(event)
        return f"{head.ev}.{head.sym}"

    def evict(self) -> None:
        """Close the connection as one too many."""
        # QUIRK: the blank at the end is the venue's.
        self._say(_Status("max_connections", "Maximum number of websocket connections exceeded. "))
        self.end(WSCloseCode.POLICY_VIOLATION)

    def _authenticate(self, key: str) -> None:
        fault = self.line.find(Auth) if self.line is not None else None
        answer = fault.answer if fault is not None else ""
        if answer == "silent":
            return
        if answer or key in {"", self.host.behaviour.bad_key}:
            self._say(_REFUSALS[answer or "failed"])
            # QUIRK: the venue hangs up without a close handshake.
            self.drop()
            return
        self._is_authenticated = True
        self._say(_Status("auth_success", "authenticated"))
        self.moment("auth")

    def _give_up(self) -> None:
        if not self._is_authenticated:
            self._say(_REFUSALS["timeout"])
            self.drop()

    def _subscribe(self, params: str) -> None:
        answers = []
        for name in _names(params):
            channel, _, symbol = name.partition(".")
            # QUIRK: no answer at all to an unknown channel, nor to a repetition.
            if channel not in self._channels or not symbol or name in self.held:
                continue
            if self._is_refused(channel, name):
                answers.append(_Status("error", "not authorized"))
                continue
            self.held.add(name)
            if self.path == _STOCKS:
                simulator, handle = self.join("stocks")
                simulator.subscribe(handle, name)
            answers.append(_Status("success", f"subscribed to: {name}"))
        self._say(*answers)
        if self.held:
            self.moment("subscribe")
        if self.held and not self.is_streaming:
            self.is_streaming = True
            self._make_room()

    def _is_refused(self, channel: str, name: str) -> bool:
        if self.line is not None and self.line.is_unauthorized(name):
            return True
        return channel in self.host.behaviour.unentitled or len(self.held) >= _NAMES_MAX

    def _unsubscribe(self, params: str) -> None:
        names = [name for name in _names(params) if name in self.held]
        self.held.difference_update(names)
        if names and self.path == _STOCKS:
            simulator, handle = self.join("stocks")
            for name in names:
                simulator.unsubscribe(handle, name)
        self._say(*[_Status("success", f"unsubscribed to: {name}") for name in names])

    def _make_room(self) -> None:
        """Evict a connection where this one is one too many.

        QUIRK: key and subscription are accepted first; only then one connection goes.
        """
        most = self.host.behaviour.max_connections
        peers = [peer for peer in self.host.peers if isinstance(peer, MassivePeer) and peer.path == self.path]
        streaming = [peer for peer in peers if peer.is_streaming and not peer.is_ending]
        if 0 < most < len(streaming):
            victim = streaming[0] if self.host.behaviour.evict == "older" else self
            victim.evict()

    def _say(self, *statuses: _Status) -> None:
        if statuses:
            self.send([msgspec.json.encode(statuses)])


def _names(params: str) -> list[str]:
    """Return the names of a request in order, each once; old documentation puts blanks behind the commas."""
    return list(dict.fromkeys(name for part in params.split(",") if (name := part.strip())))
