"""The venues' names."""

from __future__ import annotations

__all__ = ["VENUES"]

VENUES = (
    "massive.stocks",
    "massive.options",
    "massive.crypto",
    "massive.forex",
    "massive.indices",
    "massive.futures",
    "binance.usdm",
    "binance.spot",
    "binance.coinm",
)
"""Venue ids in the order of the codes that the column ``venue`` of records carries."""
