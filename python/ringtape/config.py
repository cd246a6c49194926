"""Settings: what a user may write down, where it is read, and how keys stay secret.

Three sources, each over the one before: a TOML file, ``RINGTAPE_*`` environment variables, arguments. An unknown
key in any of them is an error that names the nearest known one.

Keys of venues are no settings. They come from the venue's environment variable or from a file that only its owner
may read, never from the command line; a key of the environment goes only to the venue's own hosts, over TLS.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlsplit

import msgspec

from .errors import ConfigError, suggest

__all__ = ["BinanceSettings", "Endpoint", "EngineSettings", "MassiveSettings", "Secret", "Settings", "find_key", "load"]

CONFIG_MAX_BYTES = 1 << 20
_PREFIX = "RINGTAPE_"
_MASK = "***"


class Secret:
    """A key or token that does not show itself: ``repr``, ``str``, ``format`` and pickle give ``***``.

    `reveal` is the one way to the text; JSON encoders refuse the type. Comparison takes constant time.
    """

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        """Return the text. Call it where the socket is written, nowhere else."""
        return self.__text

    def mask(self, text: str) -> str:
        """Return `text` with every occurrence of the secret replaced by ``***``."""
        return text.replace(self.__text, _MASK) if self.__text else text

    def __repr__(self) -> str:
        return _MASK

    def __format__(self, spec: str) -> str:
        return format(_MASK, spec)

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        # WHY NOT raise: copying and pickling happen in crash reporters and in `dataclasses.asdict`; those shall
        # get the mask and go on.
        return str, (_MASK,)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__text.encode(), other.__text.encode())

    __hash__ = None  # type: ignore[assignment]  # a hash of a short key is a way to guess it


class Endpoint(NamedTuple):
    """A WebSocket base address, checked: TLS everywhere, plain text only on this machine."""

    url: str
    host: str
    port: int
    secure: bool

    @classmethod
    def parse(cls, url: str) -> Endpoint:
        """Return the parts of `url`.

        Raises
        ------
        ConfigError
            Not ``wss://``, or ``ws://`` to another machine, or with a user name, query or fragment in it.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise ConfigError(f"url {url!r} is not an address: {error}", "url") from None
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ConfigError(
                f"url of host {host!r} must not carry a user, query or fragment: keys are not sent in addresses", "url"
            )
        if parts.scheme not in {"ws", "wss"} or not host:
            raise ConfigError(f"url {url!r} must begin with wss:// and name a host", "url", expected="wss://host/path")
        if parts.scheme == "ws" and not is_loopback(host):
            raise ConfigError(f"url {url!r} is not encrypted: ws:// is allowed to this machine only, use wss://", "url")
        secure = parts.scheme == "wss"
        return cls(url.rstrip("/"), host, port or (443 if secure else 80), secure)


def is_loopback(host: str) -> bool:
    """Return True where `host` can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Section(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A table of the settings file."""


class EngineSettings(_Section):
    """``[engine]``: what `Engine` is created with; see there."""

    bars: tuple[str, ...] = ("1s", "1m")
    windows: tuple[str, ...] = ()
    max_symbols: int = 20_000
    max_bars: int = 1_000_000
    ring_size: int = 65_536
    pin: tuple[str, ...] = ()
    rollover: str = "04:00"
    shared: str | None = None


class MassiveSettings(_Section):
    """One entry of ``[[feeds.massive]]``; the same words as `ringtape.feeds.Massive`."""

    market: str = "stocks"
    subscriptions: tuple[str, ...] = ()
    url: str | None = None
    feed: str | None = None
    key_file: str | None = None


class BinanceSettings(_Section):
    """One entry of ``[[feeds.binance]]``; the same words as `ringtape.feeds.Binance`."""

    market: str = "usdm"
    streams: tuple[str, ...] = ()
    url: str | None = None
    streams_per_connection: int = 200
    user_data: bool = False
    key_file: str | None = None


class FeedsSettings(_Section):
    """``[feeds]``: a list of connections for each venue."""

    massive: tuple[MassiveSettings, ...] = ()
    binance: tuple[BinanceSettings, ...] = ()


class Settings(_Section):
    """All settings. Every field has a default, so that an empty file is a valid one."""

    FILE: ClassVar[str] = "ringtape.toml"

    engine: EngineSettings = msgspec.field(default_factory=EngineSettings)
    feeds: FeedsSettings = msgspec.field(default_factory=FeedsSettings)
    rules: str | None = None
    state: str | None = None
    """Folder for what outlives a restart, such as gaps."""
    backfill: bool = False
    """Repair gaps from the venues' REST interfaces, with the keys of the environment."""


def load(
    path: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    arguments: Mapping[str, object] | None = None,
) -> Settings:
    """Return the settings of a file, the environment and arguments, the later over the earlier.

    Parameters
    ----------
    path
        A TOML file of at most 1 MiB; None reads no file. Paths in it are relative to its folder.
    environ
        The environment; None takes none. ``RINGTAPE_RULES`` sets ``rules``, ``RINGTAPE_ENGINE_MAX_SYMBOLS`` sets
        ``engine.max_symbols``; lists are separated by commas.
    arguments
        Dotted names and values, such as ``{"engine.max_symbols": 500}``; None values are left out.

    Raises
    ------
    ConfigError
        A file cannot be read or is not TOML, a key is unknown, a value has the wrong type. Names source and key.
    """
    settings: dict[str, Any] = {}
    if path is not None:
        _merge(settings, _read_toml(Path(path)), str(path))
    for name, value in (environ or {}).items():
        if name.startswith(_PREFIX):
            _merge(settings, _nest(_variable_path(name), _split(value)), name)
    for name, argument in (arguments or {}).items():
        if argument is not None:
            _merge(settings, _nest(name.split("."), argument), "arguments")
    return msgspec.convert(settings, Settings, strict=False)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", source=str(path)) from None
    if len(raw) > CONFIG_MAX_BYTES:
        raise ConfigError(f"{path} is {len(raw)} bytes long, the limit is {CONFIG_MAX_BYTES}", source=str(path))
    try:
        settings = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}", source=str(path)) from None
    return _resolve_paths(settings, path.parent)


def _resolve_paths(settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Make the paths of a file relative to that file; wrong types are left for the check."""
    for name in ("rules", "state"):
        if isinstance(settings.get(name), str):
            settings[name] = str(folder / settings[name])
    feeds = settings.get("feeds")
    for listed in feeds.values() if isinstance(feeds, dict) else ():
        for feed in listed if isinstance(listed, list) else ():
            if isinstance(feed, dict) and isinstance(feed.get("key_file"), str):
                feed["key_file"] = str(folder / feed["key_file"])
    return settings


def _variable_path(name: str) -> list[str]:
    section, _, key = name.removeprefix(_PREFIX).lower().partition("_")
    return [section, key] if key else [section]


def _split(value: str) -> str | list[str]:
    return [item.strip() for item in value.split(",")] if "," in value else value


def _nest(path: list[str], value: object) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    return value if isinstance(value, dict) else {}


def _merge(settings: dict[str, Any], layer: dict[str, Any], source: str) -> None:
    """Lay `layer` over `settings`, after checking that it would be valid on its own."""
    _check_keys(layer, Settings, "", source)
    layer = _listed(layer)
    try:
        msgspec.convert(layer, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source}: {error}", source=source) from None
    for key, value in layer.items():
        if isinstance(value, dict):
            settings[key] = {**settings.get(key, {}), **value}
        else:
            settings[key] = value


def _listed(layer: dict[str, Any]) -> dict[str, Any]:
    """Take one word for a list of one where a list is expected: an environment variable cannot say which it is."""
    engine = layer.get("engine")
    if not isinstance(engine, dict):
        return layer
    lists = {field.name for field in msgspec.structs.fields(EngineSettings) if isinstance(field.default, tuple)}
    listed = {key: [value] if key in lists and isinstance(value, str) else value for key, value in engine.items()}
    return {**layer, "engine": listed}


def _check_keys(value: object, struct: type[msgspec.Struct], where: str, source: str) -> None:
    """Raise for the first key of `value` that `struct` does not have, naming the nearest one."""
    if not isinstance(value, dict):
        return
    known = {field.name: field.type for field in msgspec.structs.fields(struct)}
    for key, item in value.items():
        path = f"{where}.{key}" if where else key
        if key not in known:
            raise ConfigError(f"{source}: unknown setting {path!r}{suggest(key, known)}", path, source)
        inner = known[key]
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            _check_keys(item, inner, path, source)
        elif isinstance(item, list) and (element := _element_struct(inner)):
            for index, entry in enumerate(item):
                _check_keys(entry, element, f"{path}[{index}]", source)


def _element_struct(annotation: Any) -> type[msgspec.Struct] | None:  # noqa: ANN401 - an annotation is of any type
    arguments = getattr(annotation, "__args__", ())
    first = arguments[0] if arguments else None
    return first if isinstance(first, type) and issubclass(first, msgspec.Struct) else None


def find_key(
    venue: str,
    endpoint: Endpoint,
    hosts: frozenset[str],
    variables: tuple[str, ...],
    *,
    key: Secret | str | None = None,
    key_file: str | os.PathLike[str] | None = None,
) -> Secret:
    """Return the key to send to `endpoint`.

    Parameters
    ----------
    venue
        Venue id, for messages.
    endpoint
        Where the key will go.
    hosts
        The venue's own hosts: the only ones that get a key of the environment, and only over TLS.
    variables
        Environment variables to look at, in order. Not read unless the endpoint is one of `hosts`.
    key, key_file
        A key, or a file with one, named beside the address; either goes to any address.

    Raises
    ------
    ConfigError
        No key is at hand, both are given, or a file may be read by others.
    """
    if key is not None and key_file is not None:
        raise ConfigError(f"{venue}: give key or key_file, not both", "key")
    if key is not None:
        return key if isinstance(key, Secret) else Secret(key)
    if key_file is not None:
        return read_key_file(key_file)
    if not endpoint.secure or endpoint.host not in hosts:
        raise ConfigError(
            f"{venue}: host {endpoint.host!r} is not one of the venue's own, so it does not get the key of the"
            " environment; name its key beside its url (key or key_file)",
            "key",
        )
    for name in variables:
        if os.environ.get(name):
            return Secret(os.environ[name])
    raise ConfigError(
        f"{venue}: no key; set the environment variable {variables[0]} or name a key_file",
        "key",
        expected=variables[0],
    )


def read_key_file(path: str | os.PathLike[str]) -> Secret:
    """Return the first line of a file that only its owner may read.

    Raises
    ------
    ConfigError
        The file is missing or empty, is no regular file, or group or others may read it.
    """
    where = Path(path)
    try:
        # SECURITY: the mode is asked of the open file, not of the name, so that it cannot be exchanged in between.
        with where.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            line = file.readline(4096).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise ConfigError(f"cannot read key file {where}: {reason}", "key_file", str(where)) from None
    if not stat.S_ISREG(mode) or mode & 0o077:
        raise ConfigError(
            f"key file {where} may be read by others: chmod 600 {where}", "key_file", str(where), "mode 0600"
        )
    if not line:
        raise ConfigError(f"key file {where} is empty", "key_file", str(where))
    return Secret(line)
