from __future__ import annotations

import sys
from datetime import UTC, datetime
from itertools import pairwise

import pytest

import ringtape.sessions
from ringtape import Engine
from ringtape.errors import ConfigError, UnknownVenue
from ringtape.sessions import days

HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def day(number: int, around: str) -> tuple[int, int, int, int, int]:
    return next(day for day in days("massive.stocks", ns(around)) if day[0] == number)


def test_a_summer_and_a_winter_day() -> None:
    assert day(20260710, "2026-07-10T12:00") == (
        20260710,
        ns("2026-07-10T08:00"),
        ns("2026-07-10T13:30"),
        ns("2026-07-10T20:00"),
        ns("2026-07-11T00:00"),
    )
    assert day(20261120, "2026-11-20T12:00") == (
        20261120,
        ns("2026-11-20T09:00"),
        ns("2026-11-20T14:30"),
        ns("2026-11-20T21:00"),
        ns("2026-11-21T01:00"),
    )


@pytest.mark.parametrize(
    ("before", "after", "hours"),
    # Clocks change on the Sunday between: from Friday's start to Monday's it is an hour less, or more, than 72.
    [(20260306, 20260309, 71), (20261030, 20261102, 73)],
)
def test_both_changes_of_the_clock(before: int, after: int, hours: int) -> None:
    friday, monday = day(before, "2026-03-01T12:00"), day(after, "2026-03-01T12:00")
    assert monday[1] - friday[1] == hours * HOUR_NS
    for each in (friday, monday):
        assert each[3] - each[2] == 6.5 * HOUR_NS
        assert each[4] - each[1] == 16 * HOUR_NS


def test_holidays_are_no_days_and_half_days_end_early() -> None:
    """SOURCE: facts/scanner.md 1.0.7 and 7.2, case 16."""
    numbers = {each[0] for each in days("massive.stocks", ns("2026-11-20T12:00"))}
    assert 20261126 not in numbers
    assert 20261225 not in numbers
    assert day(20261127, "2026-11-20T12:00") == (
        20261127,
        ns("2026-11-27T09:00"),
        ns("2026-11-27T14:30"),
        ns("2026-11-27T18:00"),
        ns("2026-11-27T22:00"),
    )


def test_a_night_session_belongs_to_the_next_date() -> None:
    found = {each[0]: each for each in days("massive.stocks", ns("2026-11-20T12:00"), "20:00")}
    assert found[20261123][1] == ns("2026-11-23T01:00"), "Monday begins on Sunday evening"
    assert found[20261120][1] == found[20261119][4] == ns("2026-11-20T01:00")
    assert found[20261120][2:] == day(20261120, "2026-11-20T12:00")[2:]


@pytest.mark.parametrize("rollover", ["4:00", "24:00", "04:60", "09:31", "15:59", "noon", ""])
def test_a_rollover_is_a_time_outside_the_session(rollover: str) -> None:
    with pytest.raises(ConfigError, match=r"rollover .*write a time of New York such as 04:00"):
        days("massive.stocks", 0, rollover)
    with pytest.raises(ConfigError, match="rollover"):
        Engine(rollover=rollover)


def test_the_engine_takes_the_rollover() -> None:
    engine = Engine(rollover="20:00")
    engine.feed(b'[{"ev":"T","sym":"A","p":1,"s":1,"t":1795143600500}]', "massive.stocks", 1_795_143_600_600_000_000)
    # 2026-11-19 22:00 in New York.
    assert engine.stats()["venues"]["massive.stocks"]["date"] == 20261120


def test_without_the_calendar_every_weekday_counts_and_it_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    ringtape.sessions._days_around.cache_clear()
    ringtape.sessions._warn_once.cache_clear()
    for around in ("2026-11-20T12:00", "2026-11-23T12:00"):
        numbers = {each[0]: each for each in days("massive.stocks", ns(around))}
        assert numbers[20261126][3] == ns("2026-11-26T21:00")
    ringtape.sessions._days_around.cache_clear()
    assert [record.getMessage() for record in caplog.records] == [
        "holidays and half days are not known: pip install 'ringtape[calendar]'"
    ]


def test_the_range_and_the_order() -> None:
    around = ns("2026-11-20T18:00")
    all_days = days("massive.stocks", around)
    assert all_days[0][1] <= around - 10 * DAY_NS
    assert all_days[-1][4] >= around + 400 * DAY_NS
    for earlier, later in pairwise(all_days):
        assert earlier[0] < later[0]
        assert earlier[1] < earlier[2] < earlier[3] < earlier[4] < later[1]


def test_weekends_are_no_days() -> None:
    numbers = {each[0] for each in days("massive.stocks", ns("2026-11-21T12:00"))}
    assert 20261120 in numbers
    assert 20261121 not in numbers
    assert 20261122 not in numbers
    assert 20261123 in numbers


def test_the_new_york_date_counts_not_the_utc_date() -> None:
    # 01:00 UTC on Saturday is still Friday evening in New York.
    first = days("massive.stocks", ns("2026-11-21T01:00"))
    assert first == days("massive.stocks", ns("2026-11-20T12:00"))


@pytest.mark.parametrize("venue", ["massive.crypto", "massive.forex", "massive.futures", "binance.usdm"])
def test_venues_without_sessions_have_no_days(venue: str) -> None:
    assert days(venue, ns("2026-11-20T12:00")) == []


@pytest.mark.parametrize("venue", ["massive.options", "massive.indices"])
def test_options_and_indices_follow_the_equity_day(venue: str) -> None:
    around = ns("2026-11-20T12:00")
    assert days(venue, around) == days("massive.stocks", around)


def test_an_unknown_venue_names_the_nearest() -> None:
    with pytest.raises(UnknownVenue, match=r"massive\.stocks"):
        days("massive.stock", 0)


def test_missing_time_zone_data_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ringtape.sessions.ZoneInfoNotFoundError(name)

    monkeypatch.setattr(ringtape.sessions, "ZoneInfo", missing)
    with pytest.raises(ConfigError, match="tzdata"):
        days("massive.stocks", ns("2026-11-20T12:00"))
