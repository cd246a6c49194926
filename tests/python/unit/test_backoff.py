from __future__ import annotations

import random
import statistics

from ringtape.feeds.backoff import Backoff


def test_the_first_attempt_waits_for_nothing() -> None:
    backoff = Backoff(random=lambda: 1.0)
    assert backoff.next_delay() == 0.0


def test_the_range_doubles_up_to_the_cap() -> None:
    backoff = Backoff(random=lambda: 1.0)
    delays = [backoff.next_delay() for _ in range(11)]
    assert delays == [0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_a_thousand_attempts_stay_at_the_cap() -> None:
    backoff = Backoff(random=lambda: 1.0)
    assert max(backoff.next_delay() for _ in range(2_000)) == 30.0


def test_jitter_is_uniform_over_the_whole_range() -> None:
    seed = 20261120
    delays = []
    for client in range(4_000):
        backoff = Backoff(random=random.Random(seed + client).random)
        delays.append([backoff.next_delay() for _ in range(4)][-1])  # range 0 to 1 s
    # A uniform sample of 4,000: the mean's standard error is 0.0046, the deciles' about 0.0075.
    assert abs(statistics.mean(delays) - 0.5) < 0.02, f"seed {seed}"
    for share, decile in enumerate(statistics.quantiles(delays, n=10), start=1):
        assert abs(decile - share / 10) < 0.03, f"seed {seed}"


def test_a_reset_starts_over() -> None:
    backoff = Backoff(random=lambda: 1.0)
    for _ in range(5):
        backoff.next_delay()
    backoff.reset()
    assert [backoff.next_delay() for _ in range(2)] == [0.0, 0.25]
