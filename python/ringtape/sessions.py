"""Trading days of the venues, as Unix nanoseconds.

US equity days follow the New York clock: the day begins with pre-market at 04:00, regular trading runs from 09:30
to 16:00, after-hours end at 20:00. Every weekday counts as a full trading day: holidays and half days come with the
exchange calendar, which is not part of this module yet. Venues that trade around the clock have no days here; for
them a day is a UTC date.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .errors import ConfigError, UnknownVenue, nearest
from .venues import SESSION_VENUES, VENUES

__all__ = ["days"]

DAYS_BEFORE = 14
DAYS_AFTER = 404

_START, _OPEN, _CLOSE, _END = time(4), time(9, 30), time(16), time(20)
_NS_PER_S = 1_000_000_000
_SATURDAY = 5


def days(venue: str, around_ns: int) -> list[tuple[int, int, int, int, int]]:
    """Return the trading days of `venue` from two weeks before a moment to 400 days after it, in order.

    Parameters
    ----------
    venue
        Venue id, such as ``massive.stocks``.
    around_ns
        Unix ns.

    Returns
    -------
    list of tuple
        ``(date, start, open, close, end)``: the date as the number yyyymmdd, the rest Unix ns. ``start`` is where
        the trading day rolls over. Empty where the venue's day is the UTC date.

    Raises
    ------
    UnknownVenue
        No such venue; the message names the nearest.
    ConfigError
        This machine has no time zone data.
    """
    if venue not in VENUES:
        raise UnknownVenue(venue, nearest(venue, VENUES))
    if venue not in SESSION_VENUES:
        return []
    zone = _new_york()
    today = datetime.fromtimestamp(around_ns // _NS_PER_S, UTC).astimezone(zone).date()
    dates = (today + timedelta(offset) for offset in range(-DAYS_BEFORE, DAYS_AFTER))
    return [_day(day, zone) for day in dates if day.weekday() < _SATURDAY]


def _day(day: date, zone: ZoneInfo) -> tuple[int, int, int, int, int]:
    number = day.year * 10_000 + day.month * 100 + day.day
    start, open_, close, end = (_unix_ns(day, at, zone) for at in (_START, _OPEN, _CLOSE, _END))
    return number, start, open_, close, end


def _unix_ns(day: date, at: time, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, at, zone).timestamp()) * _NS_PER_S


def _new_york() -> ZoneInfo:
    try:
        return ZoneInfo("America/New_York")
    except ZoneInfoNotFoundError:
        raise ConfigError(
            "no time zone data for America/New_York on this machine: install the system's tzdata package or"
            " `pip install tzdata`"
        ) from None
