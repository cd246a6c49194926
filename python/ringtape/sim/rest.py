"""HTTP without a socket: what the pretend venues are asked and answer."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["HOUR_MS", "MINUTE_MS", "NS", "Reply", "Request", "RestError"]

NS = 1_000_000
"""Nanoseconds of a millisecond."""
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


class Request(msgspec.Struct, frozen=True):
    """An HTTP request.

    Attributes
    ----------
    method
        Such as ``GET``.
    path
        Without the query, not unquoted.
    query
        What stands behind the question mark, or the form of a body.
    headers
        By lower-case name.
    """

    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = {}


class Reply(msgspec.Struct, frozen=True):
    """An HTTP answer."""

    status: int
    body: bytes
    headers: dict[str, str] = {}

    @classmethod
    def of(cls, value: object, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
        """Return a JSON answer."""
        return cls(status, msgspec.json.encode(value), {"Content-Type": "application/json", **(headers or {})})


class RestError(Exception):
    """A request that gets an error."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(status)
        self.reply = Reply.of(body, status)
