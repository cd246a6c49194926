"""The venues: their names, and which of them trade in sessions."""

from __future__ import annotations

__all__ = ["SESSION_VENUES", "VENUES"]

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

SESSION_VENUES = frozenset({"massive.stocks", "massive.options", "massive.indices"})
"""Venues whose trading day follows the US equity calendar; elsewhere a day is a UTC date."""
