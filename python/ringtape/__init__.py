"""Market-data tick engine: WebSocket payloads to rolling aggregates and scanner alerts.

``import ringtape`` loads the native core and nothing else; every other name is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ringtape._native import Batch, Control, Engine, Table, __version__

if TYPE_CHECKING:
    from ringtape import feeds
    from ringtape.app import App
    from ringtape.errors import (
        AmbiguousSymbol,
        ConfigError,
        DecodeError,
        EngineBusy,
        FeedError,
        RingtapeError,
        RuleError,
        UnknownField,
        UnknownSymbol,
        UnknownVenue,
    )
    from ringtape.events import Decoded, Mark, Quote, Skipped, Trade, VenueBar, decode
    from ringtape.strategy.base import Strategy, Want

__all__ = [
    "AmbiguousSymbol",
    "App",
    "Batch",
    "ConfigError",
    "Control",
    "DecodeError",
    "Decoded",
    "Engine",
    "EngineBusy",
    "FeedError",
    "Mark",
    "Quote",
    "RingtapeError",
    "RuleError",
    "Skipped",
    "Strategy",
    "Table",
    "Trade",
    "UnknownField",
    "UnknownSymbol",
    "UnknownVenue",
    "VenueBar",
    "Want",
    "__version__",
    "decode",
    "feeds",
]

_HOMES = {
    "App": "ringtape.app",
    "Strategy": "ringtape.strategy.base",
    "Want": "ringtape.strategy.base",
    **dict.fromkeys(("Decoded", "Mark", "Quote", "Skipped", "Trade", "VenueBar", "decode"), "ringtape.events"),
}


def __getattr__(name: str) -> object:
    if name == "feeds":
        return import_module("ringtape.feeds")
    if name not in __all__:
        raise AttributeError(f"module 'ringtape' has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES.get(name, "ringtape.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
