"""A pretend market served on this machine, in the venues' own protocols.

`serve` gives a server for tests and programs; ``ringtape sim`` runs the same from a terminal. Massive's clients find
it under ``/stocks``, Binance's under ``/public`` and ``/market``.
"""

from __future__ import annotations

from ringtape.sim.host import Host, Refused
from ringtape.sim.peer import Behaviour, Stats
from ringtape.sim.rest import Reply, Request
from ringtape.sim.server import Server, reference, serve

__all__ = ["Behaviour", "Host", "Refused", "Reply", "Request", "Server", "Stats", "reference", "serve"]
