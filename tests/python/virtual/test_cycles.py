"""Reconnects without end in virtual time: no bar twice, none missed, every incomplete one flagged and no other.

RINGTAPE_SEED is the first seed, RINGTAPE_CYCLES how many connections a venue's runs lose in all; `make soak` takes
10,000. Each run has 500 at the most, so that a finding is near its cause.
"""

from __future__ import annotations

import os

import pytest
from course import Course, Outcome, seeds

VENUES = ["massive.stocks", "binance.usdm"]
RUN = 500
CYCLES = int(os.environ.get("RINGTAPE_CYCLES", "500"))


def passed(course: Course) -> Outcome:
    outcome = course.run()
    print(outcome)  # noqa: T201 - the seed and the figures are what is wanted
    report = outcome.report
    assert report.faults == {}, (outcome, report.unflagged[:5], report.wrong_rows[:5], report.wide[:5], report.trades)
    return outcome


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("seed", seeds(-(-CYCLES // RUN)))
def test_what_did_not_come_is_flagged_and_nothing_else(venue: str, seed: int) -> None:
    outcome = passed(Course(venue, seed, cycles=min(RUN, CYCLES)))
    assert outcome.cycles >= min(RUN, CYCLES)
    assert outcome.report.incomplete > 0
    assert outcome.report.complete > outcome.report.incomplete


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("seed", seeds(-(-CYCLES // RUN)))
def test_what_did_not_come_is_fetched(venue: str, seed: int) -> None:
    outcome = passed(Course(venue, seed, cycles=120, is_filled=True))
    assert outcome.report.repaired > 0
    assert outcome.report.complete == outcome.report.bars
    assert {gap.state for gap in outcome.tape.gaps.values() if gap.channel == "trades"} == {"filled"}


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("is_filled", [False, True])
def test_the_same_seed_gives_the_same(venue: str, is_filled: bool) -> None:  # noqa: FBT001 - a parameter of the test
    (first, second) = seeds(2)
    runs = [Course(venue, seed, cycles=40, is_filled=is_filled).run() for seed in (first, first, second)]
    digests = [outcome.digest for outcome in runs]
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]
