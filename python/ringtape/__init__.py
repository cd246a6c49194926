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
        HistoryError,
        LayoutMismatch,
        RingtapeError,
        RuleError,
        SharedMemoryError,
        UnknownField,
        UnknownSymbol,
        UnknownVenue,
        WriterGone,
        WriterReplaced,
    )
    from ringtape.events import (
        AssetIndex,
        Band,
        Decoded,
        Depth,
        DepthLevel,
        Imbalance,
        Liquidation,
        Mark,
        Notice,
        Quote,
        Skipped,
        Ticker,
        Trade,
        Value,
        VenueBar,
        decode,
    )
    from ringtape.gaps import Gap
    from ringtape.shm import View, attach
    from ringtape.strategy.base import Strategy, Want

__all__ = [
    "AmbiguousSymbol",
    "App",
    "AssetIndex",
    "Band",
    "Batch",
    "ConfigError",
    "Control",
    "DecodeError",
    "Decoded",
    "Depth",
    "DepthLevel",
    "Engine",
    "EngineBusy",
    "FeedError",
    "Gap",
    "HistoryError",
    "Imbalance",
    "LayoutMismatch",
    "Liquidation",
    "Mark",
    "Notice",
    "Quote",
    "RingtapeError",
    "RuleError",
    "SharedMemoryError",
    "Skipped",
    "Strategy",
    "Table",
    "Ticker",
    "Trade",
    "UnknownField",
    "UnknownSymbol",
    "UnknownVenue",
    "Value",
    "VenueBar",
    "View",
    "Want",
    "WriterGone",
    "WriterReplaced",
    "__version__",
    "attach",
    "decode",
    "feeds",
]

_HOMES = {
    "App": "ringtape.app",
    "Gap": "ringtape.gaps",
    "Strategy": "ringtape.strategy.base",
    "View": "ringtape.shm",
    "Want": "ringtape.strategy.base",
    "attach": "ringtape.shm",
    **dict.fromkeys(
        (
            "AssetIndex",
            "Band",
            "Decoded",
            "Depth",
            "DepthLevel",
            "Imbalance",
            "Liquidation",
            "Mark",
            "Notice",
            "Quote",
            "Skipped",
            "Ticker",
            "Trade",
            "Value",
            "VenueBar",
            "decode",
        ),
        "ringtape.events",
    ),
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
