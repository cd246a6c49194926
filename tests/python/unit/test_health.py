"""Lag, clock offset, bytes waiting: what a connection's health says, and when it warns."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ringtape.feeds.health import BEHIND_BYTES, CHANNELS, ClockOffset, HealthMonitor, WallClock

MS = 1_000_000
S = 1_000_000_000
UNSET = -(1 << 63)
DTYPE = np.dtype([("ts_event", "<i8"), ("ts_participant", "<i8"), ("interval_ms", "<i8")])


class Rows(SimpleNamespace):
    """A batch without words of the venue."""

    control = ()

    def __len__(self) -> int:
        return sum(map(len, vars(self).values()))


def batch(**channels: list[tuple[int, int]]) -> Any:
    rows = {
        channel: np.array([(*row, 1_000) for row in channels.get(channel, [])], dtype=DTYPE) for channel in CHANNELS
    }
    return Rows(**rows)


@pytest.mark.parametrize("seed", range(20))
def test_the_offset_is_the_clocks_whatever_the_delays(seed: int) -> None:
    # The seed stands in the name of the test.
    rng = random.Random(seed)
    truth = rng.randrange(-3_600 * S, 3_600 * S)
    clock = ClockOffset()
    for number in range(2_000):
        clock.observe(truth + int(rng.expovariate(1 / (20 * MS))), number * 0.25)
    assert clock.offset_ns is not None
    assert 0 <= clock.offset_ns - truth <= 20 * MS


def test_a_queue_that_grows_is_delay_and_no_offset() -> None:
    clock = ClockOffset()
    for number in range(2_400):
        clock.observe(-1_270 * MS + number * 5 * MS, number * 0.25)
    # Ten minutes by 200 millionths.
    assert clock.offset_ns is not None
    assert -1_270 * MS <= clock.offset_ns <= -1_270 * MS + 130 * MS


def test_one_wrong_stamp_moves_nothing() -> None:
    clock = ClockOffset()
    for number, lag in enumerate([50 * MS, 50 * MS, -4 * S, 50 * MS]):
        clock.observe(lag, float(number))
    assert clock.offset_ns == 50 * MS


def test_a_step_of_our_clock_is_found_and_is_no_delay() -> None:
    wall, clock = WallClock(), ClockOffset()
    assert wall.check(100 * S, 5.0) is None
    assert wall.check(101 * S + 900 * MS, 6.0) is None, "slewed, not set"
    clock.observe(10 * MS, 0.0)
    clock.observe(10 * MS, 1.0)
    step = wall.check(102 * S - 3_600 * S + 900 * MS, 7.0)
    assert step == -3_600 * S
    clock.stepped(step)
    assert clock.offset_ns == 10 * MS - 3_600 * S
    assert wall.steps == 1


def test_lag_delay_tape_delay_and_channels_come_from_a_batch() -> None:
    monitor = HealthMonitor()
    monitor.observe(batch(trades=[(S - 40 * MS, S - 55 * MS)]), S, 1.0)
    assert monitor.snapshot("a", "v", "u").delay_ns is None
    monitor.observe(batch(quotes=[(2 * S - 40 * MS, UNSET)]), 2 * S, 2.0)
    monitor.observe(batch(trades=[(3 * S - 90 * MS, UNSET)]), 3 * S, 3.0)
    health = monitor.snapshot("a", "v", "u")
    assert (health.lag_ns, health.clock_offset_ns, health.tape_delay_ns) == (90 * MS, 40 * MS + 200_000, 15 * MS)
    assert health.delay_ns == 50 * MS - 200_000
    assert health.channels == {"trades": 3 * S, "quotes": 2 * S}


def test_a_clock_set_back_does_not_stop_the_lag() -> None:
    monitor = HealthMonitor()
    monitor.observe(batch(trades=[(9_000 * S, UNSET)]), 9_000 * S + 5, 1.0)
    monitor.observe(batch(trades=[(10 * S, UNSET)]), 10 * S + 7, 2.0)
    assert (monitor.lag_ns, monitor.snapshot("a", "v", "u").channels) == (7, {"trades": 10 * S + 7})


def grow(monitor: HealthMonitor, waiting: list[int], delays_ms: list[int]) -> list[bool]:
    found = []
    for bytes_, delay in zip(waiting, delays_ms, strict=True):
        monitor.lag_ns = delay * MS
        found.append(monitor.measure(bytes_))
    return found


def monitored() -> HealthMonitor:
    clock = ClockOffset()
    clock.observe(0, 0.0)
    clock.observe(0, 0.0)
    return HealthMonitor(clock)


def test_growing_bytes_and_growing_delay_warn_once() -> None:
    monitor = monitored()
    steps = range(20)
    found = grow(monitor, [number * BEHIND_BYTES for number in steps], [number * 100 for number in steps])
    assert (sum(found), monitor.is_behind) == (1, True)
    monitor.measure(0)
    assert not monitor.is_behind


def test_either_alone_is_no_warning() -> None:
    steps = range(20)
    much = [number * BEHIND_BYTES for number in steps]
    assert not any(grow(monitored(), much, [300] * 20))
    assert not any(grow(monitored(), [BEHIND_BYTES] * 20, [number * 100 for number in steps]))


def test_the_end_of_a_socket_forgets_what_waited() -> None:
    monitor = monitored()
    grow(monitor, [number * BEHIND_BYTES for number in range(20)], [number * 100 for number in range(20)])
    monitor.disconnected()
    assert (monitor.waiting_bytes, monitor.is_behind) == (None, False)
