"""Lag, clock offset, bytes waiting: what a connection's health says, and when it warns."""

from __future__ import annotations

import json
import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ringtape.app import App
from ringtape.feeds.health import BEHIND_BYTES, CHANNELS, ClockOffset, HealthMonitor
from ringtape.feeds.world import SteadyTime, World

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


def test_a_clock_that_is_set_is_not_followed_until_it_must_be() -> None:
    now = {"unix": 100 * S, "elapsed": 5.0}
    steady = SteadyTime(World(time_ns=lambda: now["unix"], elapsed=lambda: now["elapsed"]))

    def read(unix: int, elapsed: float) -> int:
        now.update(unix=unix, elapsed=elapsed)
        return steady()

    assert read(101 * S + 900 * MS, 6.0) == 101 * S + 900 * MS, "slewed, not set"
    assert steady.take_step() == 0
    assert read(102 * S - 3_600 * S + 900 * MS, 7.0) == 102 * S + 900 * MS
    assert (steady.take_step(), steady.take_step(), steady.steps) == (-3_600 * S, 0, 1)
    assert read(103 * S - 3_600 * S + 900 * MS, 8.0) == 103 * S + 900 * MS
    assert steady.follow() == -3_600 * S
    assert read(104 * S - 3_600 * S + 900 * MS, 9.0) == 104 * S - 3_600 * S + 900 * MS
    assert (steady.held_ns, steady.take_step()) == (0, 0)


def test_an_app_follows_a_clock_that_was_wrong_before_it_was_set() -> None:
    start = 1_795_190_400 * S
    now = {"unix": start, "elapsed": 5.0}
    app = App(world=World(time_ns=lambda: now["unix"], elapsed=lambda: now["elapsed"]))

    def feed(number: int, unix: int) -> int:
        event = {"e": "aggTrade", "E": unix // MS, "s": "BTCUSDT", "a": number, "p": "10", "q": "2", "f": 1, "l": 1}
        frame = json.dumps({**event, "T": unix // MS, "m": True}).encode()
        return app.engine.feed(frame, "binance.usdm", app._world.time_ns())

    assert feed(1, start) == 1
    now.update(unix=start + 3_600 * S, elapsed=5.25)
    # What comes goes on as before: the clock is wrong now.
    assert feed(2, start + S // 4) == 1
    app._look_at_clock()
    now.update(unix=start + 3_601 * S, elapsed=6.25)
    app._look_at_clock()
    assert (app._time.held_ns > 0, feed(3, start + 1 * S)) == (True, 1)
    # What comes is an hour ahead, as the clock says: it was wrong before.
    assert feed(4, start + 3_601 * S) == 0
    app._look_at_clock()
    assert (app._time.held_ns, feed(4, start + 3_601 * S)) == (0, 1)


def test_an_offset_goes_with_a_step_that_is_followed() -> None:
    clock = ClockOffset()
    for second in (0.0, 1.0):
        clock.observe(10 * MS, second)
    clock.stepped(-3_600 * S)
    assert clock.offset_ns == 10 * MS - 3_600 * S


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
