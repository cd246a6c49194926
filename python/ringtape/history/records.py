"""Venues' answers as the engine's records: exact decimals, and the null values of the columns."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ringtape.events import dtypes

__all__ = ["MS", "SECOND", "UNSET", "Records", "bar_records", "e8", "interval_ms", "trade_records"]

Records: TypeAlias = NDArray[np.void]

MS = 1_000_000
SECOND = 1_000_000_000
UNSET = -(2**63)
CODE_UNSET = 65_535
_E8_MAX = 2**63 - 1
_UNIT = Decimal(1).scaleb(-8)
_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def e8(value: Decimal) -> int:
    """Return a decimal in units of 1e-8, rounded half to even, as the engine rounds more decimals.

    Raises
    ------
    ValueError
        Not a number, or one that does not fit 64 bits.
    """
    if not value.is_finite() or abs(value) > _E8_MAX // 10**8:
        raise ValueError(f"{value} is out of range")
    return int(value.quantize(_UNIT, ROUND_HALF_EVEN).scaleb(8))


def trade_records(count: int) -> Records:
    """Return so many trades of which nothing is known."""
    records = np.zeros(count, dtypes()["trades"])
    for name in ("ts_sent", "ts_participant", "ts_trf", "sequence", "first_id", "last_id"):
        records[name] = UNSET
    for name in ("exchange", "trf_id", "conditions"):
        records[name] = CODE_UNSET
    return records


def bar_records(count: int) -> Records:
    """Return so many bars of which nothing is known."""
    records = np.zeros(count, dtypes()["bars"])
    for name in ("vwap", "dollar_volume", "buy_volume"):
        records[name] = np.nan
    return records


def interval_ms(interval: str) -> int:
    """Return the length of ``1s``, ``5m``, ``4h``, ``1d``."""
    return int(interval[:-1]) * _UNITS_MS[interval[-1]]
