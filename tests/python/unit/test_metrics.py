"""Metrics without the extra."""

from __future__ import annotations

import sys

import pytest

from ringtape import App
from ringtape.errors import ConfigError
from ringtape.metrics import METRICS, Collector, samples


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ConfigError, match=r"pip install 'ringtape\[metrics\]'"):
        Collector(App())


def test_an_idle_app_has_samples_with_the_labels_that_are_promised() -> None:
    told = list(samples(App().health()))
    assert {metric.name for metric, _, _ in told} >= {"ringtape_uptime_seconds", "ringtape_live", "ringtape_engine"}
    assert all(len(metric.labels) == len(labels) for metric, labels, _ in told)
    assert len({metric.name for metric in METRICS}) == len(METRICS)
