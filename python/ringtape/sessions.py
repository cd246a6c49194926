"""Trading days of the venues, as Unix nanoseconds.

US equity days follow the New York clock: the day begins with pre-market at 04:00, regular trading runs from 09:30
to 16:00, after-hours end at 20:00; on half days four hours after the early close. Holidays and half days are those
of the exchange calendar ``XNYS``, which comes with ``pip install 'ringtape[calendar]'``; without it every weekday
counts as a full trading day, and a warning says so once. Venues that trade around the clock have no days here; for
them a day is a UTC date.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .errors import ConfigError, UnknownVenue, nearest
from .venues import SESSION_VENUES, VENUES

__all__ = ["ROLLOVER", "days"]

DAYS_BEFORE = 14
DAYS_AFTER = 404

ROLLOVER = "04:00"
"""When a trading day begins on the New York clock."""

_OPEN, _CLOSE = time(9, 30), time(16)
_AFTER_HOURS = timedelta(hours=4)
_NS_PER_S = 1_000_000_000
_SATURDAY = 5
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_LOG = logging.getLogger("ringtape.sessions")


def days(venue: str, around_ns: int, rollover: str = ROLLOVER) -> list[tuple[int, int, int, int, int]]:
    """Return the trading days of `venue` from two weeks before a moment to 400 days after it, in order.

    Parameters
    ----------
    venue
        Venue id, such as ``massive.stocks``.
    around_ns
        Unix ns.
    rollover
        When a trading day begins on the New York clock, as ``HH:MM`` up to the open at 09:30; from 16:00 on the evening
        before is meant, for a night session that belongs to the next date.

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
        `rollover` is no such time, or this machine has no time zone data.
    """
    if venue not in VENUES:
        raise UnknownVenue(venue, nearest(venue, VENUES))
    begins = clock(rollover)
    if venue not in SESSION_VENUES:
        return []
    today = datetime.fromtimestamp(around_ns // _NS_PER_S, UTC).astimezone(_new_york()).date()
    return list(_days_around(today, begins))


def clock(rollover: str) -> time:
    """Return a rollover as a time of day, or raise `ConfigError`."""
    found = _CLOCK.fullmatch(rollover)
    at = time(int(found[1]), int(found[2])) if found else None
    if at is None or _OPEN < at < _CLOSE:
        why = f"rollover {rollover!r}: write a time of New York such as 04:00, up to 09:30 or from 16:00 on"
        raise ConfigError(why, "rollover")
    return at


@lru_cache(maxsize=16)
def _days_around(today: date, begins: time) -> tuple[tuple[int, int, int, int, int], ...]:
    zone = _new_york()
    first, last = today - timedelta(days=DAYS_BEFORE), today + timedelta(days=DAYS_AFTER - 1)
    eve = timedelta(days=int(begins >= _CLOSE))

    def bounds(day: date, opens: datetime, closes: datetime) -> tuple[int, int, int, int, int]:
        number = day.year * 10_000 + day.month * 100 + day.day
        start = datetime.combine(day - eve, begins, zone)
        end = closes.astimezone(UTC) + _AFTER_HOURS
        return number, _unix_ns(start), _unix_ns(opens), _unix_ns(closes), _unix_ns(end)

    return tuple(bounds(*each) for each in _sessions(first, last, zone))


def _sessions(first: date, last: date, zone: ZoneInfo) -> Iterator[tuple[date, datetime, datetime]]:
    """Yield the regular sessions from one date to another: date, open, close."""
    try:
        import exchange_calendars  # noqa: PLC0415 - an extra, and it brings pandas
    except ImportError:
        _warn_once()
        dates = (first + timedelta(days=offset) for offset in range((last - first).days + 1))
        for day in dates:
            if day.weekday() < _SATURDAY:
                yield day, datetime.combine(day, _OPEN, zone), datetime.combine(day, _CLOSE, zone)
        return
    with warnings.catch_warnings():
        # What pandas thinks of the calendar's code is not for our users.
        warnings.simplefilter("ignore")
        schedule = exchange_calendars.get_calendar("XNYS", start=first.isoformat(), end=last.isoformat()).schedule
    for day, opens, closes in zip(schedule.index, schedule["open"], schedule["close"], strict=True):
        yield day.date(), opens.to_pydatetime(), closes.to_pydatetime()


@lru_cache(maxsize=1)
def _warn_once() -> None:
    _LOG.warning("holidays and half days are not known: pip install 'ringtape[calendar]'")


def _unix_ns(at: datetime) -> int:
    return int(at.timestamp()) * _NS_PER_S


def _new_york() -> ZoneInfo:
    try:
        return ZoneInfo("America/New_York")
    except ZoneInfoNotFoundError:
        raise ConfigError(
            "no time zone data for America/New_York on this machine: install the system's tzdata package or"
            " `pip install tzdata`"
        ) from None
