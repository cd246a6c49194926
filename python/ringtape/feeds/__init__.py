"""Feeds: connections to venues that keep their subscriptions and say when they are blind."""

from __future__ import annotations

from .base import Feed, FeedState
from .binance.config import Binance
from .binance.private import UserData
from .massive.config import Massive
from .rollover import Rollover

__all__ = ["Binance", "Feed", "FeedState", "Massive", "Rollover", "UserData"]
