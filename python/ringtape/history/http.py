"""GET requests to one venue: limits of time, size and rate, keys in a header, errors that say what to do.

Only ``https``, and ``http`` to this machine; no redirects, since a key would follow them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import msgspec

from ringtape.config import Secret, is_loopback
from ringtape.errors import ConfigError, HistoryError, raise_missing_extra

from .limiter import RateLimiter

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

__all__ = ["Rest", "RestLimits", "base_of"]

_TOO_MANY = frozenset({418, 429})
_AGAIN = frozenset({408, 500, 502, 503, 504})
_CHUNK = 1 << 16
_BAN_S = 120.0
_TEXT_MAX = 300


class RestLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Time limits in seconds and size limits of requests."""

    connect_s: float = 10.0
    """Name lookup, TCP and TLS."""
    total_s: float = 30.0
    """From a request to the last byte of its answer."""
    body: int = 64 << 20
    """Bytes of an answer, after decompression."""
    tries: int = 4
    """Attempts at a request that may succeed later."""
    backoff_s: float = 0.2
    """Before the second attempt; doubled for each one more."""
    rate_limited_s: float = 5.0
    """The wait after a 429 that names none."""


class Answer(Protocol):
    """What a venue says beside the data."""

    def used(self, headers: Mapping[str, str]) -> int | None:
        """Return the weight that is used in the running window; None where the venue does not say."""

    def message(self, body: bytes) -> str:
        """Return what an error's body says."""


class Rest:
    """A venue's REST interface.

    Parameters
    ----------
    venue
        Venue id, for messages.
    url
        ``https://host``, without path.
    limiter
        Shared by everything that uses the same key or address.
    answer
        Reads what is particular to the venue.
    key, header
        What to send with each request, as the value of which header; the key is masked in all that a venue says.
    limits
        Time and size limits.
    """

    def __init__(
        self,
        venue: str,
        url: str,
        limiter: RateLimiter,
        answer: Answer,
        *,
        key: Secret | None = None,
        header: tuple[str, str] = ("Authorization", "Bearer "),
        limits: RestLimits | None = None,
    ) -> None:
        self.venue = venue
        self.base = base_of(url)
        self.limiter = limiter
        self.limits = limits or RestLimits()
        self._answer = answer
        self._key = key
        self._header = header
        self._session: ClientSession | None = None

    async def get(self, path: str, params: Mapping[str, str | int] | None = None, weight: int = 1) -> bytes:
        """Return the body of a JSON answer.

        Tries again what may succeed later, and waits as long as the venue asks; the caller limits the time of it all.

        Raises
        ------
        HistoryError
            The venue refuses, answers with something else than JSON, is not reachable, or sends too much.
        MissingExtra
            aiohttp is not installed.
        """
        for attempt in range(1, self.limits.tries + 1):
            await self.limiter.acquire(weight)
            try:
                return await self._get_once(path, params or {})
            except HistoryError as error:
                if not error.is_retryable or attempt == self.limits.tries:
                    raise
            if attempt < self.limits.tries:
                await asyncio.sleep(self.limits.backoff_s * 2 ** (attempt - 1))
        raise AssertionError("unreachable")  # the last attempt returns or raises

    async def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _get_once(self, path: str, params: Mapping[str, str | int]) -> bytes:
        aiohttp = _aiohttp()
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self.limits.total_s, connect=self.limits.connect_s)
            self._session = aiohttp.ClientSession(timeout=timeout, trust_env=False)
        headers = {"Accept": "application/json"}
        if self._key is not None:
            headers[self._header[0]] = self._header[1] + self._key.reveal()
        url = self.base + path
        try:
            async with self._session.get(url, params=params, headers=headers, allow_redirects=False) as response:
                return await self._read(response)
        except TimeoutError:
            raise self._error("did not answer in time", retryable=True) from None
        except aiohttp.ClientError as error:
            # WHY from None: the chain would show the request with its headers.
            raise self._error(
                f"cannot be asked: {type(error).__name__}: {self._mask(str(error))}", retryable=True
            ) from None

    async def _read(self, response: ClientResponse) -> bytes:
        used = self._answer.used(response.headers)
        if used is not None:
            self.limiter.observe(used)
        body = await self._body(response)
        status = response.status
        if status in _TOO_MANY:
            self._wait(status, response.headers.get("Retry-After", ""))
            raise self._error(f"answered {status}: too many requests", status, retryable=status != 418)  # noqa: PLR2004
        if status == 200 and _is_json(response):  # noqa: PLR2004
            return body
        if not _is_json(response):
            kind = response.headers.get("Content-Type", "no type").partition(";")[0]
            what = "a web page" if kind == "text/html" else f"{kind}, not JSON"
            raise self._error(f"answered {status} with {what}", status, retryable=status in _AGAIN)
        text = self._mask(self._answer.message(body))[:_TEXT_MAX]
        raise self._error(f"answered {status}: {text}", status, retryable=status in _AGAIN)

    async def _body(self, response: ClientResponse) -> bytes:
        parts, size = [], 0
        async for chunk in response.content.iter_chunked(_CHUNK):
            size += len(chunk)
            if size > self.limits.body:
                response.close()
                raise self._error(f"sent more than {self.limits.body} bytes in one answer", response.status)
            parts.append(chunk)
        return b"".join(parts)

    def _wait(self, status: int, asked: str) -> None:
        wait = float(asked) if asked.isdecimal() else self.limits.rate_limited_s
        # A ban grows with every request that ignores it.
        self.limiter.pause(max(wait, _BAN_S) if status == 418 and not asked else wait)  # noqa: PLR2004

    def _mask(self, text: str) -> str:
        return self._key.mask(text) if self._key is not None else text

    def _error(self, what: str, status: int = 0, *, retryable: bool = False) -> HistoryError:
        return HistoryError(f"{urlsplit(self.base).hostname} {what}", self.venue, status, retryable=retryable)


def base_of(url: str) -> str:
    """Return the scheme and host of an address.

    Raises
    ------
    ConfigError
        Not ``https://``, or ``http://`` to another machine, or with a user, query, fragment or path.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise ConfigError(f"url {url!r} is not an address: {error}", "url") from None
    if parts.username or parts.password or parts.query or parts.fragment or parts.path.strip("/"):
        raise ConfigError(f"url of host {host!r} must be a scheme and a host only", "url", expected="https://host")
    if not host or parts.scheme not in {"http", "https"}:
        raise ConfigError(f"url {url!r} must begin with https:// and name a host", "url", expected="https://host")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigError(f"url {url!r} is not encrypted: http:// is allowed to this machine only", "url")
    return f"{parts.scheme}://{parts.netloc}"


def _is_json(response: ClientResponse) -> bool:
    return response.headers.get("Content-Type", "").partition(";")[0].strip() == "application/json"


def _aiohttp() -> ModuleType:
    try:
        import aiohttp  # noqa: PLC0415 - an extra, needed by those who ask a venue only
    except ImportError as error:
        raise_missing_extra("asking a venue for the past", error, "rest")
    return aiohttp
