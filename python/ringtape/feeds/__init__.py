"""Feeds: connections to venues that keep their subscriptions and say when they are blind."""

from __future__ import annotations

from .base import VENUES, Feed, FeedState
from .binance.config import Binance
from .massive.config import Massive

__all__ = ["VENUES", "Binance", "Feed", "FeedState", "Massive"]
