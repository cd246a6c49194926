"""The listener that is compiled from Cython, where it can be used; `listener.py` is its twin in Python.

It lies in the native module's own file and was compiled against the structs of one picows. Cython checks their sizes
only loosely and their tables of methods not at all, so another minor version of picows is refused here: the Python
listener takes over, which does the same at some 150 ns a frame more.
"""

from __future__ import annotations

import logging
from functools import cache
from importlib.machinery import ExtensionFileLoader
from importlib.metadata import version
from importlib.util import module_from_spec, spec_from_loader
from types import ModuleType

from picows import WSListener

from ringtape import _native
from ringtape._native import venues

from .listener import Listener, Owner, Receiver
from .world import World, dial

__all__ = ["make_listener", "why_not"]

_log = logging.getLogger("ringtape.feeds")
_NAME = "ringtape._listener"


def make_listener(owner: Owner, world: World) -> WSListener:
    """Return the compiled listener, or the one in Python where that is asked for or nothing else will do."""
    if owner.limits.listener == "python" or world.dial is not dial or not isinstance(owner.engine, _native.Engine):
        return Listener(owner, world)
    module, reason = _load()
    if module is None:
        if owner.limits.listener == "compiled":
            raise ImportError(f"no compiled listener: {reason}", name=_NAME)
        return Listener(owner, world)
    compiled: WSListener = module.CompiledListener(
        owner.engine,
        venues().index(owner.session.venue),
        owner.conn,
        Receiver(owner, world),
        world.time_ns,
        owner.limits.flush_events,
    )
    return compiled


def why_not() -> str | None:
    """Return why the compiled listener is not used; None where it is."""
    return _load()[1]


@cache
def _load() -> tuple[ModuleType | None, str | None]:
    file = _native.__file__
    loader = ExtensionFileLoader(_NAME, file)
    spec = spec_from_loader(_NAME, loader, origin=file)
    try:
        if spec is None:
            raise ImportError("no module specification", name=_NAME)  # noqa: TRY301 - one way out for all
        module = module_from_spec(spec)
        loader.exec_module(module)
    except (ImportError, ValueError, TypeError) as error:  # the last two where picows's structs differ in size
        return None, _told(f"the native module has none that loads ({error})")
    if _minor(version("picows")) != _minor(module.picows_version):
        found = f"it was compiled against picows {module.picows_version}, and {version('picows')} is installed"
        return None, _told(found)
    return module, None


def _told(reason: str) -> str:
    _log.warning("frames pass through the listener in Python, which is slower: %s", reason)
    return reason


def _minor(full: str) -> list[str]:
    return full.split(".")[:2]
