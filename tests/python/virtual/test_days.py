"""Whole days in virtual time: rollovers of connections and of dates, changes of clocks, clocks that are set.

A day of each venue by default; `make soak` takes RINGTAPE_DAYS=7 from each of three dates: the two changes of clocks of
New York and the half day after Thanksgiving.
"""

from __future__ import annotations

import os
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from course import Course, Outcome, seeds
from ledger import SECOND
from network import Weather

from ringtape.sim import Script, faults

DAYS = int(os.environ.get("RINGTAPE_DAYS", "1"))
DATES = ["2026-10-30T09:00", "2026-03-06T09:00", "2026-11-25T09:00"]
NEW_YORK = ZoneInfo("America/New_York")
HOUR_S = 3600.0
CALM = Weather(refused=0, unanswered=0, reset=0, black=0, sliced=0, rough=0)


def day(venue: str, date: str, *, hours: float, seed: int) -> Course:
    """Return a course of some hours with faults in the first two, and so few events that it takes seconds.

    After that connections get old: those of Binance are to be replaced before their day ends.
    """
    start_ns = int(datetime.fromisoformat(date).replace(tzinfo=NEW_YORK).timestamp()) * SECOND
    orders = (
        faults.Reset(at_s=0.5 * HOUR_S),
        faults.BlackHole(at_s=HOUR_S, for_s=40.0),
        faults.Close(at_s=2 * HOUR_S),
    )
    script = Script(seed=seed, faults=orders)
    return Course(
        venue,
        seed,
        lasts_s=hours * HOUR_S,
        script=script,
        weather=CALM,
        rate=1,
        symbols=2,
        start_ns=start_ns,
        step_s=0.5,
    )


def passed(outcome: Outcome) -> Outcome:
    print(outcome)  # noqa: T201 - the seed and the figures are what is wanted
    report = outcome.report
    assert report.faults == {}, (outcome, report.unflagged[:5], report.wrong_rows[:5], report.wide[:5], report.trades)
    return outcome


@pytest.mark.parametrize("venue", ["massive.stocks", "binance.usdm"])
@pytest.mark.parametrize("date", DATES if DAYS > 1 else DATES[:1])
def test_days(venue: str, date: str) -> None:
    (seed,) = seeds(1)
    outcome = passed(day(venue, date, hours=24 * DAYS + 3, seed=seed).run())
    names = {name for name, _ in outcome.tape.states}
    assert len(names) == (1 if venue == "massive.stocks" else 1 + DAYS), (
        "one of Binance is replaced before its day ends"
    )
    assert outcome.report.careful > 0


@pytest.mark.parametrize("venue", ["massive.stocks", "binance.usdm"])
@pytest.mark.parametrize("step_s", [2.0, -2.0, HOUR_S, -HOUR_S, 24 * HOUR_S])
def test_a_clock_that_is_set(venue: str, step_s: float) -> None:
    """Our clock is set wrong for ten minutes, and right again."""
    (seed,) = seeds(1)
    course = day(venue, DATES[0], hours=1.0, seed=seed)

    def set_to(offset_s: float) -> None:
        course.wall.offset_ns = round(offset_s * 1e9)

    course.at += [(900.0, lambda: set_to(step_s)), (1500.0, lambda: set_to(0.0))]
    passed(course.run())
