"""The contestants of the table. Each turns the same frames into what its user gets, and can say what it saw."""

from __future__ import annotations

import gc
import json
import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata
from typing import Any

import msgspec
from corpus import Corpus
from generated import ADDED
from massive.websocket import parse
from massive.websocket.models import EquityQuote, EquityTrade, Market
from structs import AM, A, AggTrade, BinanceFrame, Kline, MarkPrice, MassiveFrame, Q, T, Ticker

import ringtape as rt

Seen = tuple[int, float]
"""Number of events, and the exactly rounded sum of their prices: trade, bid and ask, close, mark."""


def timed(work: Callable[[], None]) -> int:
    """Return the nanoseconds of one core that a call takes, the collector switched off."""
    gc.collect()
    gc.disable()
    try:
        start = time.thread_time_ns()
        work()
        return time.thread_time_ns() - start
    finally:
        gc.enable()


class Contestant(ABC):
    """One line of the table: what it is called, its version, what its user has afterwards."""

    name: str
    version: str
    does: str

    @abstractmethod
    def round(self, corpus: Corpus) -> int:
        """Return the nanoseconds of one core that the measured part takes."""

    @abstractmethod
    def see(self, corpus: Corpus) -> Seen | None:
        """Return what the contestant saw in the measured part; None if it does not look."""


class Ringtape(Contestant):
    """`Engine.feed`: decodes, and keeps day state, a 5 m window, 1 s and 1 m bars, event rings, the latest table."""

    name = "ringtape engine"
    version = rt.__version__
    does = "decode, state, 5 m window, 1 s and 1 m bars, rings"

    def round(self, corpus: Corpus) -> int:
        """Warm a fresh engine: a second pass over the same frames would be a day of late events."""
        feed = self.warm(corpus).feed
        venue, frames = corpus.venue, corpus.measured

        def work() -> None:
            for frame, now in frames:
                feed(frame, venue, now)

        return timed(work)

    def warm(self, corpus: Corpus) -> rt.Engine:
        engine = rt.Engine(bars=("1s", "1m"), windows=("5m",))
        for frame, now in corpus.warm:
            engine.feed(frame, corpus.venue, now)
            # As a feed does after each read: at the end it would be a copy of all rings, and the caches full of it.
            engine.drain()
        return engine

    @staticmethod
    def prices(batch: rt.Batch) -> Iterable[float]:
        yield from batch.trades["price"]
        yield from batch.quotes["bid"]
        yield from batch.quotes["ask"]
        yield from batch.venue_bars["close"]
        yield from batch.marks["mark"]

    def see(self, corpus: Corpus) -> Seen:
        engine = self.warm(corpus)
        count = 0
        prices: list[float] = []
        for frame, now in corpus.measured:
            count += engine.feed(frame, corpus.venue, now)
            batch = engine.drain()
            assert not batch.lost
            prices.extend(self.prices(batch))
        assert engine.stats()["events_skipped"] == 0
        return count, math.fsum(prices)


class EmptyFeed(Contestant):
    """What a call of `Engine.feed` takes by itself: a memoryview of a frame without events, as often as frames are."""

    name = "call of feed, from Python"
    version = rt.__version__
    does = "a frame without events"

    def round(self, corpus: Corpus) -> int:
        feed = rt.Engine(windows=("5m",)).feed
        venue = corpus.venue
        empty = memoryview(b"[]")
        frames = [(empty, now) for _, now in corpus.measured]

        def work() -> None:
            for frame, now in frames:
                feed(frame, venue, now)

        def loop() -> None:
            for _frame, _now in frames:
                pass

        return timed(work) - timed(loop)

    def see(self, corpus: Corpus) -> None:
        return None


class Decoder(Contestant):
    """A contestant that is a function from one frame to its events."""

    decode: Callable[[Any], Any]

    def input(self, frame: bytes) -> bytes | str:
        """Return a frame as the contestant's WebSocket library hands it over."""
        return frame

    def events(self, decoded: Any) -> Sequence[Any]:
        """Return the events of a decoded frame."""
        found: Sequence[Any] = decoded
        return found

    @abstractmethod
    def prices(self, events: Any) -> Iterable[float]:
        """Yield the prices of decoded events."""

    def round(self, corpus: Corpus) -> int:
        frames = [self.input(frame) for frame, _ in corpus.measured]
        decode = self.decode

        def work() -> None:
            for frame in frames:
                decode(frame)

        return timed(work)

    def see(self, corpus: Corpus) -> Seen:
        count = 0
        prices: list[float] = []
        for frame, _ in corpus.measured:
            events = self.events(self.decode(self.input(frame)))
            count += len(events)
            prices.extend(self.prices(events))
        return count, math.fsum(prices)


class Msgspec(Decoder):
    """The fastest decoder that Python can have without knowing the venue: tagged structs of all fields, no GC."""

    name = "msgspec"
    version = metadata.version("msgspec")
    does = "typed decode, all fields"

    def __init__(self) -> None:
        self.decode = msgspec.json.Decoder(MassiveFrame).decode

    def prices(self, events: MassiveFrame) -> Iterable[float]:
        for event in events:
            match event:
                case T():
                    yield event.p
                case Q():
                    yield from (side for side in (event.bp, event.ap) if side is not None)
                case A():
                    yield event.c

    def see(self, corpus: Corpus) -> Seen:
        """Also check that no key of the corpus is missing in the structs."""
        keys = {"T": T, "Q": Q, "A": A, "AM": AM}
        for frame, _ in corpus.measured:
            for event in json.loads(frame):
                assert event.keys() - {"ev"} - ADDED <= set(keys[event["ev"]].__struct_encode_fields__), event
        return super().see(corpus)


class MsgspecBinance(Decoder):
    """The same for Binance's combined streams, with decimals left as the strings that they are."""

    name = "msgspec"
    version = metadata.version("msgspec")
    does = "typed decode, all fields"

    def __init__(self) -> None:
        self.decode = msgspec.json.Decoder(BinanceFrame).decode

    def events(self, decoded: BinanceFrame) -> Sequence[Any]:
        return decoded.data if isinstance(decoded.data, list) else [decoded.data]

    def prices(self, events: Sequence[Ticker | AggTrade | Kline | MarkPrice]) -> Iterable[float]:
        for event in events:
            match event:
                case Ticker():
                    yield from (float(event.b), float(event.a))
                case Kline():
                    yield float(event.k.c)
                case _:
                    yield float(event.p)


class Massive(Decoder):
    """The official client's way from a message to models: ``json.loads``, a look for status messages, ``parse``.

    Its receive loop (a task and a timer for each message) and its status log are left out, and so is the decoding of
    UTF-8 that its WebSocket library does.
    """

    name = "massive client"
    version = metadata.version("massive")
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
