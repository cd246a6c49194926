"""Past bars and trades over a venue's REST interface, for warm-up and for the repair of gaps.

A *source* asks one venue and gives the engine's own records: `MassiveHistory`, `BinanceHistory`. Both need the extra
``rest``.
"""

from __future__ import annotations

from .binance import BinanceHistory
from .http import RestLimits
from .limiter import RateLimiter
from .massive import MassiveHistory
from .source import Source

__all__ = ["BinanceHistory", "MassiveHistory", "RateLimiter", "RestLimits", "Source"]
