"""The contestants of the table. Each turns the same frames into what its user gets, and can say what it saw."""

from __future__ import annotations

import json
import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata
from typing import Any

import msgspec
import orjson
from corpus import VENUE, Corpus, Frame
from massive.websocket import parse
from massive.websocket.models import EquityQuote, EquityTrade, Market

import ringtape as rt

Seen = tuple[int, float]
"""Number of events, and the exactly rounded sum of their prices: trade, bid and ask, close."""


class Contestant(ABC):
    """One line of the table: what it is called, the distribution it comes from, what its user has afterwards."""

    name: str
    distribution: str
    does: str

    @property
    def version(self) -> str:
        """The installed version."""
        return metadata.version(self.distribution)

    @abstractmethod
    def prepare(self, corpus: Corpus) -> Callable[[], None]:
        """Return the work to be timed; what precedes it is not timed."""

    @abstractmethod
    def see(self, corpus: Corpus) -> Seen:
        """Return what the contestant saw in the measured part."""


class Ringtape(Contestant):
    """`Engine.feed`: decodes, and keeps day state, a 5 m window, 1 s and 1 m bars, event rings, the latest table."""

    name = "ringtape"
    distribution = "ringtape"
    does = "decode, state, 5 m window, 1 s and 1 m bars, rings"

    def prepare(self, corpus: Corpus) -> Callable[[], None]:
        """Warm a fresh engine: a second pass over the same frames would be a day of late events."""
        feed = self.warm(corpus.warm).feed

        def work() -> None:
            for frame, now in corpus.measured:
                feed(frame, VENUE, now)

        return work

    def warm(self, frames: Sequence[Frame]) -> rt.Engine:
        engine = rt.Engine(bars=("1s", "1m"), windows=("5m",))
        for frame, now in frames:
            engine.feed(frame, VENUE, now)
            # As a feed does after each read: at the end it would be a copy of all rings, and the caches full of it.
            engine.drain()
        return engine

    @staticmethod
    def prices(batch: rt.Batch) -> Iterable[float]:
        yield from batch.trades["price"]
        yield from batch.quotes["bid"]
        yield from batch.quotes["ask"]
        yield from batch.venue_bars["close"]

    def see(self, corpus: Corpus) -> Seen:
        engine = self.warm(corpus.warm)
        count = 0
        prices: list[float] = []
        for frame, now in corpus.measured:
            count += engine.feed(frame, VENUE, now)
            batch = engine.drain()
            assert not batch.lost
            prices.extend(self.prices(batch))
        assert engine.stats()["events_skipped"] == 0
        return count, math.fsum(prices)


class Decoder(Contestant):
    """A contestant that is a function from one frame to its events."""

    decode: Callable[[Any], Any]

    def input(self, frame: bytes) -> bytes | str:
        """Return a frame as the contestant's WebSocket library hands it over."""
        return frame

    @abstractmethod
    def prices(self, events: Any) -> Iterable[float]:
        """Yield the prices of decoded events."""

    def prepare(self, corpus: Corpus) -> Callable[[], None]:
        frames = [self.input(frame) for frame, _ in corpus.measured]
        decode = self.decode

        def work() -> None:
            for frame in frames:
                decode(frame)

        return work

    def see(self, corpus: Corpus) -> Seen:
        count = 0
        prices: list[float] = []
        for frame, _ in corpus.measured:
            events = self.decode(self.input(frame))
            count += len(events)
            prices.extend(self.prices(events))
        return count, math.fsum(prices)


class T(msgspec.Struct, tag_field="ev", gc=False):
    sym: str
    p: float
    s: int
    t: int
    x: int | None = None
    i: str | None = None
    z: int | None = None
    c: list[int] | None = None
    ds: str | None = None
    pt: int | None = None
    q: int | None = None
    trfi: int | None = None
    trft: int | None = None


class Q(msgspec.Struct, tag_field="ev", gc=False):
    sym: str
    t: int
    bx: int | None = None
    bp: float | None = None
    bs: int | None = None
    ax: int | None = None
    ap: float | None = None
    as_: int | None = msgspec.field(default=None, name="as")
    c: int | None = None
    i: list[int] | None = None
    pt: int | None = None
    q: int | None = None
    z: int | None = None


class A(msgspec.Struct, tag_field="ev", gc=False):
    sym: str
    v: int
    o: float
    c: float
    h: float
    l: float  # noqa: E741 - the venue's key
    s: int
    e: int
    vw: float | None = None
    a: float | None = None
    av: int | None = None
    op: float | None = None
    z: float | None = None
    dv: str | None = None
    dav: str | None = None
    otc: bool | None = None


class AM(A, tag_field="ev", gc=False):
    pass


class Msgspec(Decoder):
    """The fastest decoder that Python can have without knowing the venue: tagged structs of all fields, no GC."""

    name = "msgspec"
    distribution = "msgspec"
    does = "typed decode, all fields"

    def __init__(self) -> None:
        self.decode = msgspec.json.Decoder(list[T | Q | A | AM]).decode

    def prices(self, events: list[T | Q | A | AM]) -> Iterable[float]:
        for event in events:
            match event:
                case T():
                    yield event.p
                case Q():
                    yield from (side for side in (event.bp, event.ap) if side is not None)
                case A():
                    yield event.c

    def see(self, corpus: Corpus) -> Seen:
        """Also check that no key of the corpus is missing in the structs above."""
        keys = {"T": T, "Q": Q, "A": A, "AM": AM}
        for frame, _ in corpus.measured:
            for event in json.loads(frame):
                assert event.keys() - {"ev"} <= set(keys[event["ev"]].__struct_encode_fields__), event
        return super().see(corpus)


class Orjson(Decoder):
    """The fastest decoder to plain dicts."""

    name = "orjson"
    distribution = "orjson"
    does = "untyped decode to dicts"

    def __init__(self) -> None:
        self.decode = orjson.loads

    def prices(self, events: list[dict[str, Any]]) -> Iterable[float]:
        for event in events:
            match event["ev"]:
                case "T":
                    yield event["p"]
                case "Q":
                    yield from (event[side] for side in ("bp", "ap") if side in event)
                case _:
                    yield event["c"]


class Massive(Decoder):
    """The official client's way from a message to models: ``json.loads``, a look for status messages, ``parse``.

    Its receive loop (a task and a timer for each message) and its status log are left out, and so is the decoding of
    UTF-8 that its WebSocket library does.
    """

    name = "massive client"
    distribution = "massive"
    does = "its own parsing to models"

    def __init__(self) -> None:
        log = logging.getLogger("bench.massive")

        def decode(frame: str) -> Any:
            events = json.loads(frame)
            for event in events:
                if event["ev"] == "status":
                    log.debug("status: %s", event["message"])
            return parse(events, log, Market.Stocks)

        self.decode = decode

    def input(self, frame: bytes) -> str:
        return frame.decode()

    def prices(self, events: Iterable[Any]) -> Iterable[float]:
        for event in events:
            match event:
                case EquityTrade():
                    yield float(event.price or 0.0)
                case EquityQuote():
                    yield from (side for side in (event.bid_price, event.ask_price) if side is not None)
                case _:
                    yield float(event.close)


def contestants() -> list[Contestant]:
    """Return all of them, ours first."""
    return [Ringtape(), Msgspec(), Orjson(), Massive()]
