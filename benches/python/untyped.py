"""orjson, which `make bench` alone installs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import metadata
from typing import Any

import orjson
from contestants import Decoder


class Orjson(Decoder):
    """The fastest decoder to plain dicts."""

    name = "orjson"
    version = metadata.version("orjson")
    does = "untyped decode to dicts"

    def __init__(self) -> None:
        self.decode = orjson.loads

    def prices(self, events: Sequence[dict[str, Any]]) -> Iterable[float]:
        for event in events:
            match event["ev"]:
                case "T":
                    yield event["p"]
                case "Q":
                    yield from (event[side] for side in ("bp", "ap") if side in event)
                case _:
                    yield event["c"]


class OrjsonBinance(Orjson):
    """The same for Binance's combined streams."""

    def events(self, decoded: dict[str, Any]) -> Sequence[Any]:
        data = decoded["data"]
        return data if isinstance(data, list) else [data]

    def prices(self, events: Sequence[dict[str, Any]]) -> Iterable[float]:
        for event in events:
            match event["e"]:
                case "bookTicker":
                    yield from (float(event["b"]), float(event["a"]))
                case "kline":
                    yield float(event["k"]["c"])
                case _:
                    yield float(event["p"])
