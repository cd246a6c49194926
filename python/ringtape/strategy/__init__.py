"""Strategies: a class with hooks, called with batches on the feed's loop."""

from __future__ import annotations

from .base import Context, Strategy, Want

__all__ = ["Context", "Strategy", "Want"]
