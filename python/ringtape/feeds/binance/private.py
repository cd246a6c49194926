"""The user data stream of an account on USD-M futures as a machine without I/O.

::

    prepare()          key           connected()
    ─────────► POST ─────────► dial ─────────────► LIVE ── every 30 min: PUT ──► same key: go on
                │ 401: once more,      ▲             │                      └──► another key, -1125, silence: close
                │      then fatal      │             └ listenKeyExpired: close
                │ else: back-off       └──── POST, connect again ───────────────────┘

Requests go out as `Call` and their answers come back by `on_answer`; the shell has the HTTP client.

QUIRK: the venue accepts a made-up listenKey and then sends nothing, and an expired one leaves the socket open and
silent. So a key is taken fresh from the venue before every connection, and is compared after every extension: the
key belongs to the account, and any other program of it may have closed or replaced it.

What the account did while no connection was up is not sent later: read positions and orders over REST after each
reconnect.

SOURCE: the venue's documentation; forms that work as reported by third parties, 2026-05 to 2026-10.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

import msgspec

from ringtape.config import Secret
from ringtape.errors import AuthenticationError, ProtocolError
from ringtape.feeds.base import (
    Action,
    Answer,
    Batch,
    Call,
    Close,
    Control,
    Fatal,
    FeedState,
    Session,
    State,
    Warn,
)

__all__ = ["PrivateSession", "UserData"]

_OK = 200
_NO_RIGHT = frozenset({401, 403})
_KEY_IS_GONE = -1125
_BAD_KEYS = frozenset({-2014, -2015})
_EXPIRED = "listenKeyExpired"


class UserData(msgspec.Struct, frozen=True, kw_only=True):
    """How the user data stream is reached; times in seconds."""

    events: tuple[str, ...] = (
        "ACCOUNT_UPDATE",
        "ORDER_TRADE_UPDATE",
        "TRADE_LITE",
        "ALGO_UPDATE",
        "MARGIN_CALL",
        "ACCOUNT_CONFIG_UPDATE",
        "listenKeyExpired",
    )
    """Events to ask for in the address. QUIRK: without a list the venue was seen to send nothing. An empty tuple leaves
    the list out."""
    path: str = "/private/ws"
    """Path of the connection; ``/private/stream`` gives the same events in envelopes."""
    rest_url: str = "https://fapi.binance.com"
    """Where listenKeys are made."""
    extend_s: float = 1800.0
    """Between two extensions of the key, which is valid for an hour."""
    retry_s: float = 15.0
    """After an extension that got no answer."""
    retries: int = 3
    """Extensions without an answer before the connection is given up."""
    close_key: bool = False
    """Whether the key is closed when the feed is stopped. QUIRK: that ends the streams of every other program of the
    account too."""


class _Reply(msgspec.Struct):
    """What the venue answers: a key, or an error."""

    listenKey: str = ""  # noqa: N815 - as the venue names it
    code: int = 0
    msg: str = ""


class PrivateSession(Session):
    """The connection to an account's user data stream.

    Its events come as notices (`ringtape.notices`), and the key of the address shows nowhere.

    Parameters
    ----------
    venue, name, url
        As every session has; the address without its query.
    key
        The account's API key.
    settings
        Events, times, addresses.
    """

    expects_data = False

    def __init__(self, venue: str, name: str, url: str, key: Secret, settings: UserData) -> None:
        super().__init__(venue, name, url)
        self._key = key
        self._settings = settings
        self._listen_key: Secret | None = None
        self._is_up = False
        self._extend_at = 0.0
        self._is_asking = False
        self._failures = 0
        self._refusals = 0

    @property
    def loss_is_gap(self) -> bool:
        """False: no market data come here."""
        return False

    @property
    def query(self) -> Secret | None:
        """The listenKey and the events, as the address needs them."""
        if self._listen_key is None:
            return None
        fields = {"listenKey": self._listen_key.reveal()}
        if self._settings.events:
            fields["events"] = "/".join(self._settings.events)
        return Secret(urlencode(fields, safe="/"))

    def mask(self, text: str) -> str:
        """Return `text` without the API key and the listenKey."""
        text = self._key.mask(text)
        return self._listen_key.mask(text) if self._listen_key is not None else text

    def prepare(self, now: float) -> Call | None:  # noqa: ARG002
        """Return the request for a key. The venue gives the living one where there is one, and extends it."""
        self._listen_key = None
        return self._call("POST")

    def farewell(self) -> Call | None:
        """Return the request that closes the key, where that is wanted."""
        return self._call("DELETE") if self._settings.close_key and self._listen_key is not None else None

    def connected(self, now: float) -> list[Action]:
        """Be live: nothing else says so, since the venue sends nothing until the account does something."""
        self._is_up = True
        self._failures = 0
        self._extend_at = now + self._settings.extend_s
        self.wants_data = True
        return [State(FeedState.LIVE)]

    def disconnected(self) -> None:
        """Forget the connection. The key is asked for anew."""
        self._is_up = False
        self._is_asking = False
        self.wants_data = False

    def on_control(self, control: Control, now: float) -> list[Action]:  # noqa: ARG002
        """Take an error or a notice of shutdown."""
        if control.status == "serverShutdown":
            return [Close(1000, "serverShutdown")]
        if control.kind == "error":
            text = f"{self.name}: {self.mask(control.message or '')} (code {control.code})"
            return [Warn(ProtocolError(text, self.venue))]
        return []

    def on_data(self, batch: Batch, symbol_name: Callable[[int], str], now: float) -> list[Action]:  # noqa: ARG002
        """Look for the end of the key among the events; they are few."""
        if any(notice.kind == _EXPIRED for notice in batch.notices):
            return [Close(1000, _EXPIRED)]
        return []

    def on_answer(self, answer: Answer, now: float) -> list[Action]:
        """Take what came of the request for a key, or of its extension."""
        reply = _read(answer)
        if self._is_up:
            return self._extended(answer, reply, now)
        if answer.status == _OK and reply.listenKey:
            self._listen_key = Secret(reply.listenKey)
            self._refusals = 0
            return []
        why = self._why(answer, reply)
        if answer.status in _NO_RIGHT or reply.code in _BAD_KEYS:
            return self._refused(why)
        return [Close(1000, f"no listenKey: {why}")]

    def wanted_changed(self) -> None:
        """Nothing is subscribed here."""

    def tick(self, now: float) -> list[Action]:
        """Extend the key when its time has come."""
        if not self._is_up or self._is_asking or now < self._extend_at:
            return []
        self._is_asking = True
        return [self._call("PUT")]

    def deadline(self) -> float | None:
        """Return when the key must be extended; None while an answer is awaited."""
        return self._extend_at if self._is_up and not self._is_asking else None

    def _call(self, method: str) -> Call:
        return Call(method, f"{self._settings.rest_url}/fapi/v1/listenKey", {"X-MBX-APIKEY": self._key})

    def _extended(self, answer: Answer, reply: _Reply, now: float) -> list[Action]:
        self._is_asking = False
        if answer.status == _OK:
            self._failures = 0
            self._extend_at = now + self._settings.extend_s
            is_same = not reply.listenKey or Secret(reply.listenKey) == self._listen_key
            return [] if is_same else [Close(1000, "the account has another listenKey now")]
        why = self._why(answer, reply)
        self._failures += 1
        if reply.code == _KEY_IS_GONE or self._failures > self._settings.retries:
            return [Close(1000, f"the listenKey could not be extended: {why}")]
        self._extend_at = now + max(self._settings.retry_s, answer.retry_after_s)
        return [Warn(ProtocolError(f"{self.name}: the listenKey was not extended: {why}", self.venue))]

    def _refused(self, why: str) -> list[Action]:
        """One refusal may be an outage at the venue; a second one is an answer."""
        self._refusals += 1
        if self._refusals == 1:
            return [Close(1000, f"the key was refused: {why}")]
        return [Fatal(AuthenticationError(f"{self.venue} refused the API key twice: {why}", self.venue))]

    def _why(self, answer: Answer, reply: _Reply) -> str:
        if answer.status == 0:
            return answer.error or "no answer"
        text = f"HTTP status {answer.status}"
        return self.mask(f"{text}: {reply.msg} (code {reply.code})" if reply.code else text)


def _read(answer: Answer) -> _Reply:
    """Return the body, empty where it is none of the API's: firewalls answer with HTML."""
    try:
        return msgspec.json.decode(answer.body, type=_Reply)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _Reply()
