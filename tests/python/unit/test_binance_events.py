"""Binance frames that say why they are skipped, or are damaged, alike when they are decoded and when they are fed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ringtape as rt
from ringtape import notices

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "binance"
CASES: list[Any] = [
    pytest.param(f"binance.{path.stem}", case, id=f"{path.stem}-{number}")
    for path in sorted(FIXTURES.glob("*.json"))
    for number, case in enumerate(json.loads(path.read_text(encoding="utf-8")), 1)
]
RECV = 1_800_000_000_000_000_000


def damaged(value: Any) -> Iterator[Any]:
    """Yield a JSON value with one thing changed: a key left out, a value of another type, one that no venue sends."""
    odd = ("x", -1.5, True, [], {}, None, 10**30, "1e400", "-1")
    if isinstance(value, dict):
        for key, inner in value.items():
            yield {other: kept for other, kept in value.items() if other != key}
            yield from ({**value, key: other} for other in odd)
            yield from ({**value, key: other} for other in damaged(inner))
    elif isinstance(value, list):
        for at, inner in enumerate(value[:2]):
            yield from ([*value[:at], other, *value[at + 1 :]] for other in (*odd, *damaged(inner)))


@pytest.mark.parametrize(("venue", "case"), CASES)
def test_damaged_frames_are_skipped_alike_and_never_raise(venue: str, case: dict[str, Any]) -> None:
    engine = rt.Engine(max_symbols=64)
    before = 0
    for value in damaged(json.loads(case["frame"])):
        frame = json.dumps(value).encode()
        decoded = rt.decode(frame, venue)
        engine.feed(frame, venue, RECV)
        skipped = sum(engine.stats()["skipped"].values())
        assert skipped - before == len(decoded.skipped), frame
        before = skipped
        batch = engine.drain()
        typed = [event for event in decoded.events if isinstance(event, notices.Special)]
        assert [notices.read(notice.kind, notice.data, notice.venue) for notice in batch.notices] == typed, frame


@pytest.mark.parametrize(("venue", "case"), CASES)
def test_what_is_skipped_says_why(venue: str, case: dict[str, Any]) -> None:
    skipped = rt.decode(case["frame"].encode(), venue).skipped
    assert [[skip.reason, skip.key] for skip in skipped] == case.get("reasons", [])


ESSENTIAL = {
    "aggTrade": "Tsapqm",
    "trade": "Tstpqm",
    "bookTicker": "TsbBaAu",
    "markPriceUpdate": "Esp",
    "kline": "sk",
    "depthUpdate": ["E", "T", "s", "U", "u", "pu", "b", "a"],
    "24hrTicker": "EspPwcQohlvqOCFLn",
    "24hrMiniTicker": "Escohlvq",
    "forceOrder": "Eo",
    "assetIndexUpdate": "EsibaBAqgQG",
    "contractInfo": ["E", "s", "ct", "dt", "ot", "cs"],
    "compositeIndex": "EspCc",
    "EquityUpdate": "EtTS",
    "ORDER_TRADE_UPDATE": "ETo",
    "ACCOUNT_UPDATE": "ETa",
    "ALGO_UPDATE": "ETo",
    "TRADE_LITE": "ETsqpmcSLlti",
    "MARGIN_CALL": "Ep",
    "listenKeyExpired": ["E", "listenKey"],
}


def test_a_missing_key_that_an_event_cannot_do_without_is_named() -> None:
    seen = set()
    for venue, case in (param.values for param in CASES):
        top = json.loads(case["frame"])
        event = top.get("data", top) if isinstance(top, dict) else top[0]
        kind = event.get("e") if isinstance(event, dict) else None
        if venue != "binance.usdm" or kind not in ESSENTIAL or "skipped" in case:
            continue
        seen.add(kind)
        for key in ESSENTIAL[kind]:
            frame = json.dumps({other: value for other, value in event.items() if other != key}).encode()
            (skip,) = rt.decode(frame, "binance.usdm").skipped
            assert (skip.reason, skip.key, skip.kind) == ("missing_key", key, kind), frame
    assert seen == ESSENTIAL.keys() - {"24hrMiniTicker"}
