"""The official client's models agree with our events, field by field, on every sample; differences are listed here."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from massive.websocket.models import (
    CryptoQuote,
    CryptoTrade,
    CurrencyAgg,
    EquityAgg,
    EquityQuote,
    EquityTrade,
    FairMarketValue,
    ForexQuote,
    FuturesAgg,
    FuturesQuote,
    FuturesTrade,
    Imbalance,
    IndexValue,
    LaunchpadValue,
    Level2Book,
    LimitUpLimitDown,
    Market,
    parse_single,
)
from massive_models import BAR, QUOTE, TRADE, Fields, Models, Ours, Theirs, always, codes, field, same

import ringtape
from ringtape import events

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "massive"


def nanoseconds(time: int | None) -> int | None:
    """QUIRK: the client hands times on as sent: ms, on LULD and NOI ns or us, on options' FMV and LV ns."""
    if time is None:
        return None
    return time * {13: 10**6, 16: 10**3, 19: 1}[len(str(time))]


def interval(**names: int) -> Ours:
    """The kind of a bar is its interval."""
    return lambda bar: next(name for name, interval_ms in names.items() if interval_ms == bar.interval_ms)


def levels(side: str) -> Ours:
    return lambda depth: [[level.price, level.size] for level in getattr(depth, side)]


def times(fields: Fields, **ours: str) -> Fields:
    """Return the fields with their times compared in ns."""
    return fields | {name: (field(of), nanoseconds) for name, of in ours.items()}


def fields(kind: Ours, **ours: str) -> Fields:
    """Return fields that are the same on both sides."""
    return {"event_type": (kind, same), **{name: (field(of), same) for name, of in ours.items()}}


OHLC = {"open": "open", "close": "close", "high": "high", "low": "low"}
CURRENCY_BARS = {"XA": 60_000, "XAS": 1_000, "CA": 60_000, "CAS": 1_000}
ENDS = {"start_timestamp": "ts_event", "end_timestamp": "ts_end"}
MODELS: Models = {
    EquityTrade: (events.Trade, times(TRADE, timestamp="ts_event", trf_timestamp="ts_trf")),
    EquityQuote: (events.Quote, times(QUOTE, timestamp="ts_event")),
    EquityAgg: (events.VenueBar, times(BAR, **ENDS)),
    LimitUpLimitDown: (
        events.Band,
        times(
            fields(
                always("LULD"),
                symbol="symbol",
                high_price="high",
                low_price="low",
                tape="tape",
                sequence_number="sequence",
            )
            | {"indicators": (codes("indicators"), same)},
            timestamp="ts_event",
        ),
    ),
    Imbalance: (
        events.Imbalance,
        times(
            fields(
                always("NOI"),
                symbol="symbol",
                auction_time="auction_time",
                auction_type="auction_type",
                symbol_sequence="sequence",
                exchange_id="exchange",
                imbalance_quantity="imbalance",
                paired_quantity="paired",
                book_clearing_price="clearing_price",
            ),
            time_stamp="ts_event",
        ),
    ),
    FairMarketValue: (
        events.Value,
        times(fields(always("FMV"), fmv="value", ticker="symbol"), timestamp="ts_event"),
    ),
    LaunchpadValue: (events.Value, times(fields(always("LV"), value="value", symbol="symbol"), timestamp="ts_event")),
    IndexValue: (events.Value, times(fields(always("V"), value="value", ticker="symbol"), timestamp="ts_event")),
    CryptoTrade: (
        events.Trade,
        times(
            fields(always("XT"), pair="symbol", exchange="exchange", id="id", price="price", size="size")
            | {"conditions": (codes("conditions"), same)},
            timestamp="ts_event",
            received_timestamp="ts_sent",
        ),
    ),
    CryptoQuote: (
        events.Quote,
        times(
            fields(
                always("XQ"),
                pair="symbol",
                bid_price="bid",
                bid_size="bid_size",
                ask_price="ask",
                ask_size="ask_size",
                exchange_id="bid_exchange",
            ),
            timestamp="ts_event",
            received_timestamp="ts_sent",
        ),
    ),
    Level2Book: (
        events.Depth,
        times(
            fields(always("XL2"), pair="symbol", exchange_id="exchange")
            | {"bid_prices": (levels("bids"), same), "ask_prices": (levels("asks"), same)},
            timestamp="ts_event",
            received_timestamp="ts_sent",
        ),
    ),
    CurrencyAgg: (
        events.VenueBar,
        times(
            fields(always(None), pair="symbol", volume="volume", vwap="vwap", avg_trade_size="average_size", **OHLC)
            | {"event_type": (field("interval_ms"), CURRENCY_BARS.__getitem__)},
            **ENDS,
        ),
    ),
    ForexQuote: (
        events.Quote,
        times(
            fields(always("C"), pair="symbol", exchange_id="ask_exchange", ask_price="ask", bid_price="bid"),
            timestamp="ts_event",
        ),
    ),
    FuturesTrade: (
        events.Trade,
        times(
            fields(always("T"), symbol="symbol", price="price", size="size", sequence_number="sequence"),
            timestamp="ts_event",
        ),
    ),
    FuturesQuote: (
        events.Quote,
        times(
            fields(
                always("Q"),
                symbol="symbol",
                bid_price="bid",
                bid_size="bid_size",
                ask_price="ask",
                ask_size="ask_size",
            ),
            bid_timestamp="ts_bid",
            ask_timestamp="ts_ask",
            sip_timestamp="ts_event",
        ),
    ),
    FuturesAgg: (
        events.VenueBar,
        times(
            fields(
                interval(A=1_000, AM=60_000),
                symbol="symbol",
                volume="volume",
                total_value="dollar_volume",
                transactions="trade_count",
                **OHLC,
            ),
            **ENDS,
        ),
    ),
}
# Where the two differ, when, and why.
EXPLAINED: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "EquityTrade.size": (
        "an abridged sample has s = 1 beside ds = 0.740474; the exact decimal wins",
        lambda theirs, ours: (theirs, ours) == (1, 0),
    ),
    "EquityTrade.fractional_shares": (
        "None where `ds` was not sent; our size is the whole one then",
        lambda theirs, ours: theirs is None and ours is not None,
    ),
    "EquityAgg.volume": (
        "on crypto `v` has a fraction; the table compares what stocks cut off",
        lambda theirs, ours: theirs != int(theirs) and int(theirs) == ours,
    ),
    "EquityAgg.accumulated_volume": (
        "the same",
        lambda theirs, ours: theirs != int(theirs) and int(theirs) == ours,
    ),
    "EquityAgg.fractional_volume": (
        "None where `dv` was not sent; our volume is the whole one then",
        lambda theirs, ours: theirs is None and ours is not None,
    ),
    "EquityAgg.fractional_accumulated_volume": (
        "the same for `dav`",
        lambda theirs, ours: theirs is None and ours is not None,
    ),
    "EquityAgg.end_timestamp": (
        "the samples of an index's bars end where they start; ours end an interval later",
        lambda theirs, ours: ours - theirs in {10**9, 60 * 10**9},
    ),
    "CurrencyAgg.end_timestamp": (
        "CA and CAS come without `e`; our end is the start and the interval",
        lambda theirs, ours: theirs is None and ours is not None,
    ),
    "CryptoTrade.id": (
        "the sample's id is a number; ours are texts, as on the wire",
        lambda theirs, ours: isinstance(theirs, int) and str(theirs) == ours,
    ),
    "ForexQuote.exchange_id": (
        "the sample's exchange is a text of digits; ours are numbers",
        lambda theirs, ours: isinstance(theirs, str) and int(theirs) == ours,
    ),
}
# A key that no model has, and where it is in ours. Not read: `lp` and `ls` of a third party's crypto quote and `i` of
# its currency quote, whose meaning nobody states, and `z` of a futures trade, which no table has.
NOT_IN_THE_CLIENT = {"pt": "ts_participant"}


def optional(read: Theirs) -> Theirs:
    """Return a reader for keys that may be missing; a flag that is missing is false."""
    return lambda value: None if value is None and read is not bool else read(value)


def test_every_field_of_every_sample_is_the_same_on_both_sides() -> None:
    log = logging.getLogger(__name__)
    compared = 0
    explained: set[str] = set()
    for path in sorted(FIXTURES.glob("*.json")):
        for case in json.loads(path.read_text(encoding="utf-8")):
            decoded = ringtape.decode(case["frame"].encode(), f"massive.{path.stem}")
            items = [item for item in json.loads(case["frame"]) if item["ev"] != "status"]
            for item, ours in zip(items, decoded.events, strict=True):
                theirs: Any = parse_single(item, log, Market(path.stem))
                assert theirs is not None, item
                explained |= differences(theirs, ours)
                compared += 1
                for key, attribute in NOT_IN_THE_CLIENT.items():
                    assert key not in item or getattr(ours, attribute) == nanoseconds(item[key])
    assert compared == 54
    assert explained == EXPLAINED.keys()


def differences(theirs: Any, ours: Any) -> set[str]:
    """Return the fields that differ, each of which must be explained."""
    model = type(theirs)
    kind, table = MODELS[model]
    assert isinstance(ours, kind), (theirs, ours)
    assert set(vars(theirs)) == set(table)
    found = set()
    for name, (expected, read) in table.items():
        got = optional(read)(getattr(theirs, name))
        want = expected(ours)
        if got != want:
            full = f"{model.__name__}.{name}"
            assert full in EXPLAINED, (full, got, want)
            assert EXPLAINED[full][1](got, want), (full, got, want)
            found.add(full)
    return found
