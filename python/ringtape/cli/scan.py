"""``ringtape scan``: a live market through the rules, movers and alerts on the terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from ringtape.config import Endpoint, is_loopback
from ringtape.errors import ConfigError, UnknownVenue, nearest
from ringtape.feeds import Binance, Feed, Massive
from ringtape.journal.replay import Summary
from ringtape.scanner import load, preset
from ringtape.tui.live import Live
from ringtape.venues import VENUES

__all__ = ["console_for", "report", "scan"]

_WHOLE_MARKET = "T.*,Q.*"


def scan(
    *,
    venue: Annotated[str, typer.Option(help="Venue id, such as massive.stocks or binance.usdm.")] = "massive.stocks",
    url: Annotated[str | None, typer.Option(help="Address without the market's path, such as a simulator's.")] = None,
    rules: Annotated[Path | None, typer.Option(help="Rule file; without one, the bundled movers.")] = None,
    subscribe: Annotated[
        str | None, typer.Option(help="Subscriptions, separated by commas: T.*,Q.AAPL or btcusdt@aggTrade.")
    ] = None,
    key_file: Annotated[Path | None, typer.Option(help="File with the venue's key that only you may read.")] = None,
    shared: Annotated[str | None, typer.Option(help="Name under which other processes can attach.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after this time.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end and nothing else.")] = False,
) -> None:
    """Scan a live market with a rule file and show movers and alerts. Ctrl-C ends."""
    compiled = load(rules or preset("movers"))
    live = Live(feed_for(venue, url, subscribe, key_file), compiled, console_for(json=json), quiet=json, shared=shared)
    report(live.run(seconds), json=json)


def feed_for(venue: str, url: str | None, subscribe: str | None, key_file: Path | None) -> Feed:
    """Return the feed of a venue.

    Raises
    ------
    UnknownVenue
        No feed serves that venue; the message names the nearest.
    ConfigError
        Binance without streams: it has no subscription for everything.
    """
    family, _, market = venue.partition(".")
    names = [name.strip() for name in (subscribe or "").split(",") if name.strip()]
    if family == "massive" and market:
        # A simulator on this machine takes any key; a real one is not sent there.
        key = "simulator" if url and key_file is None and is_loopback(Endpoint.parse(url).host) else None
        return Massive(market, names or _WHOLE_MARKET.split(","), url, key, key_file=key_file)
    if family == "binance" and market:
        if not names:
            raise ConfigError("name the streams: --subscribe btcusdt@aggTrade,btcusdt@bookTicker", "subscribe")
        return Binance(market, names, url)
    raise UnknownVenue(venue, nearest(venue, VENUES))


def console_for(*, json: bool) -> Console:
    """Return where to draw: standard output, or standard error where that belongs to the JSON object."""
    return Console(stderr=json)


def report(done: Summary, *, json: bool) -> None:
    """Print what a run did, as one JSON object or as a line."""
    if json:
        sys.stdout.buffer.write(msgspec.json.encode(done) + b"\n")
        sys.stdout.buffer.flush()
        return
    print(
        f"{done.events:,} events of {done.symbols:,} symbols in {done.seconds:.1f} s ({done.events_per_s:,.0f}/s),"
        f" {done.frames:,} frames, {done.bars:,} bars, {done.alerts:,} alerts, {done.skipped:,} skipped"
    )
