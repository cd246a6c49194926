"""A pretend market served on this machine, in the venues' own protocols.

`serve` gives a server for tests and programs; ``ringtape sim`` runs the same from a terminal. Massive's clients find
it under ``/stocks``, Binance's under ``/public`` and ``/market``.
"""

from __future__ import annotations

from ringtape.sim import faults
from ringtape.sim.behaviour import Behaviour, Stats
from ringtape.sim.director import Strike
from ringtape.sim.host import Host, Refused
from ringtape.sim.line import Sent
from ringtape.sim.rest import Reply, Request
from ringtape.sim.script import Script
from ringtape.sim.server import Server, reference, serve

__all__ = [
    "Behaviour",
    "Host",
    "Refused",
    "Reply",
    "Request",
    "Script",
    "Sent",
    "Server",
    "Stats",
    "Strike",
    "faults",
    "reference",
    "serve",
]
