"""What an app's health is to Prometheus: names, kinds, and a collector for `prometheus-client` (extra ``metrics``).

::

    from prometheus_client import REGISTRY, start_http_server

    REGISTRY.register(ringtape.metrics.Collector(app))
    start_http_server(9101, addr="127.0.0.1")

No metric has a symbol as a label: a market has ten thousand. docs/metrics.md lists all names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from .errors import ConfigError

if TYPE_CHECKING:
    from .app import AppHealth
    from .feeds.health import Health
    from .strategy.dispatch import StrategyHealth

__all__ = ["METRICS", "Collector", "Metric", "samples"]

Sample = tuple[tuple[str, ...], float]


class Metric(msgspec.Struct, frozen=True):
    """A family of samples."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    labels: tuple[str, ...]
    read: Callable[[AppHealth], Iterable[Sample]]
    """Labels' values and the value of each sample."""


class _HasHealth(Protocol):
    def health(self) -> AppHealth:
        """Return a snapshot."""


def _app(value: Callable[[AppHealth], float]) -> Callable[[AppHealth], Iterable[Sample]]:
    return lambda health: [((), value(health))]


def _connections(value: Callable[[Health], float | None]) -> Callable[[AppHealth], Iterable[Sample]]:
    """Read a value of each connection; one that is unknown has no sample."""
    return lambda health: [((each.name,), known) for each in health.connections if (known := value(each)) is not None]


def _strategies(value: Callable[[StrategyHealth], float]) -> Callable[[AppHealth], Iterable[Sample]]:
    return lambda health: [((each.name,), value(each)) for each in health.strategies]


def _seconds(ns: int | None) -> float | None:
    return None if ns is None else ns / 1e9


def _engine(health: AppHealth) -> list[Sample]:
    return [((name,), float(value)) for name, value in health.engine.items() if isinstance(value, int)]


def _channels(health: AppHealth) -> list[Sample]:
    return [
        ((each.name, channel), last / 1e9) for each in health.connections for channel, last in each.channels.items()
    ]


METRICS = (
    Metric("ringtape_uptime_seconds", "gauge", "Time since the start.", (), _app(lambda health: health.uptime_s)),
    Metric("ringtape_live", "gauge", "1 while nothing that was asked for is missing.", (), _app(lambda h: h.is_live)),
    Metric(
        "ringtape_loop_lag_seconds", "gauge", "Lateness of the last timer.", (), _app(lambda h: h.loop_lag_ns / 1e9)
    ),
    Metric(
        "ringtape_loop_lag_max_seconds",
        "gauge",
        "Most lateness since the start.",
        (),
        _app(lambda h: h.loop_lag_max_ns / 1e9),
    ),
    Metric("ringtape_clock_steps", "counter", "Steps of this machine's clock.", (), _app(lambda h: h.clock_steps)),
    Metric("ringtape_gaps_open", "gauge", "Gaps that are not settled.", (), _app(lambda h: len(h.gaps))),
    Metric(
        "ringtape_hooks_lost",
        "counter",
        "Records that hooks have missed.",
        ("kind",),
        lambda health: [((kind,), float(count)) for kind, count in health.lost.items()],
    ),
    Metric(
        "ringtape_engine",
        "counter",
        "Counters of the engine that are one number; docs/counters.md.",
        ("counter",),
        _engine,
    ),
    Metric(
        "ringtape_connection_state",
        "gauge",
        "1 for the state that the connection is in.",
        ("connection", "state"),
        lambda health: [((each.name, each.state.value), 1.0) for each in health.connections],
    ),
    Metric("ringtape_connects", "counter", "Connections opened.", ("connection",), _connections(lambda c: c.connects)),
    Metric("ringtape_losses", "counter", "Connections lost.", ("connection",), _connections(lambda c: c.losses)),
    Metric("ringtape_frames", "counter", "Frames.", ("connection",), _connections(lambda c: c.frames)),
    Metric("ringtape_events", "counter", "Events.", ("connection",), _connections(lambda c: c.events)),
    Metric(
        "ringtape_last_data_timestamp_seconds",
        "gauge",
        "Receive time of the last data of a channel.",
        ("connection", "channel"),
        _channels,
    ),
    Metric(
        "ringtape_lag_seconds",
        "gauge",
        "Receive time less venue time; the clocks' difference is in it.",
        ("connection",),
        _connections(lambda c: _seconds(c.lag_ns)),
    ),
    Metric(
        "ringtape_delay_seconds",
        "gauge",
        "Lag less the clock offset.",
        ("connection",),
        _connections(lambda c: _seconds(c.delay_ns)),
    ),
    Metric(
        "ringtape_clock_offset_seconds",
        "gauge",
        "How far our clock is before the venue's.",
        ("connection",),
        _connections(lambda c: _seconds(c.clock_offset_ns)),
    ),
    Metric(
        "ringtape_tape_delay_seconds",
        "gauge",
        "Venue time less the participant's.",
        ("connection",),
        _connections(lambda c: _seconds(c.tape_delay_ns)),
    ),
    Metric(
        "ringtape_waiting_bytes",
        "gauge",
        "Bytes that wait in the socket.",
        ("connection",),
        _connections(lambda c: c.waiting_bytes),
    ),
    Metric(
        "ringtape_behind",
        "gauge",
        "1 while bytes waiting and delay grow.",
        ("connection",),
        _connections(lambda c: c.is_behind),
    ),
    Metric("ringtape_hook_calls", "counter", "Calls of hooks.", ("strategy",), _strategies(lambda s: s.calls)),
    Metric(
        "ringtape_hook_seconds",
        "counter",
        "Time spent in hooks.",
        ("strategy",),
        _strategies(lambda s: s.total_ns / 1e9),
    ),
    Metric(
        "ringtape_hook_over_budget",
        "counter",
        "Calls of more than 1 ms.",
        ("strategy",),
        _strategies(lambda s: s.over_budget),
    ),
    Metric("ringtape_hook_failures", "counter", "Hooks that raised.", ("strategy",), _strategies(lambda s: s.failures)),
    Metric(
        "ringtape_strategy_disabled",
        "gauge",
        "1 after ten failures in a row.",
        ("strategy",),
        _strategies(lambda s: s.disabled),
    ),
)
"""All metrics, in the order in which they are told."""


def samples(health: AppHealth) -> Iterator[tuple[Metric, tuple[str, ...], float]]:
    """Yield every sample of a snapshot: its metric, the values of its labels, its value."""
    for metric in METRICS:
        for labels, value in metric.read(health):
            yield metric, labels, float(value)


class Collector:
    """Takes an app's health each time that Prometheus asks; for `prometheus_client.CollectorRegistry.register`.

    Ask on the app's loop or from the thread that `start_http_server` makes: a snapshot is read without a lock.

    Raises
    ------
    ConfigError
        The extra ``metrics`` is not installed.
    """

    def __init__(self, app: _HasHealth) -> None:
        try:
            from prometheus_client import core  # noqa: PLC0415 - an extra
        except ImportError:
            raise ConfigError("metrics need prometheus-client: pip install 'ringtape[metrics]'", "metrics") from None
        self._core: Any = core
        self._app = app

    def collect(self) -> Iterator[Any]:
        """Yield the metric families."""
        health = self._app.health()
        for metric in METRICS:
            kinds = {"counter": self._core.CounterMetricFamily, "gauge": self._core.GaugeMetricFamily}
            family = kinds[metric.kind](metric.name, metric.help, labels=metric.labels)
            for labels, value in metric.read(health):
                family.add_metric(labels, float(value))
            yield family

    def describe(self) -> Iterator[Any]:
        """Yield nothing: names are known without a snapshot, and registering takes none."""
        return iter(())
