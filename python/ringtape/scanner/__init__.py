"""The scanner's Python side: rule files in, alerts out. The rules themselves run in the engine."""

from .alerts import Alert, AlertFeed, Alerts, Folded
from .rules import PRESETS, load, preset, read

__all__ = ["PRESETS", "Alert", "AlertFeed", "Alerts", "Folded", "load", "preset", "read"]
