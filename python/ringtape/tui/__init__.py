"""The terminal screen of the scanner."""

from .screen import Screen, View

__all__ = ["Screen", "View"]
