"""A script of faults, in Python or as TOML.

::

seed = 7

[behaviour]                  # of the venues, see `Behaviour`
max_connections = 1

[[fault]]
kind = "reset"               # what; the classes of `ringtape.sim.faults` tell the kinds and their keys
every_s = 30                 # when: at_s, every_s with jitter_s, after_s, after_frames or on
jitter_s = 5
path = "/stocks"             # which: path, peer, and for events stream
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from ringtape.errors import ConfigError, suggest
from ringtape.sim.behaviour import Behaviour
from ringtape.sim.faults import KINDS, Fault

__all__ = ["SCRIPTS", "Script", "load", "shipped"]

SCRIPT_MAX_BYTES = 1 << 20
_FOLDER = Path(__file__).parent / "scripts"
SCRIPTS: tuple[str, ...] = tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))
"""Names of the scripts that come with ringtape."""


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """Faults, and the seed of their chances.

    Attributes
    ----------
    faults
        In any order.
    seed
        Of every draw.
    behaviour
        How the venues behave apart from that; None to leave it.
    """

    faults: tuple[Fault, ...] = ()
    seed: int = 0
    behaviour: Behaviour | None = None


def shipped(name: str) -> Path:
    """Return the path of a script that comes with ringtape.

    Raises
    ------
    ConfigError
        No such script; the message names the nearest.
    """
    if name not in SCRIPTS:
        raise ConfigError(f"no fault script is called {name!r}{suggest(name, SCRIPTS)}", "faults", "arguments")
    return _FOLDER / f"{name}.toml"


def load(path: str | os.PathLike[str]) -> Script:
    """Return the script of a TOML file of at most 1 MiB.

    Raises
    ------
    ConfigError
        The file cannot be read or is not TOML, a key or kind is unknown, a value does not fit. Names file and key.
    """
    where = Path(path)
    try:
        raw = where.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {where}: {error.strerror}", source=str(where)) from None
    if len(raw) > SCRIPT_MAX_BYTES:
        raise ConfigError(f"{where} is {len(raw)} bytes long, the limit is {SCRIPT_MAX_BYTES}", source=str(where))
    try:
        tables = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where} is not TOML: {error}", source=str(where)) from None
    return _Reader(str(where)).script(tables)


class _Reader:
    """Turns the tables of one file into a script; every complaint names the file and the key."""

    def __init__(self, source: str) -> None:
        self._source = source

    def script(self, tables: dict[str, Any]) -> Script:
        self._check_keys(tables, ("seed", "behaviour", "fault"), "")
        seed = tables.get("seed", 0)
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise self._wrong("seed", f"seed is {seed!r}: write a whole number")
        entries = tables.get("fault", [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise self._wrong("fault", "faults are tables: write [[fault]]")
        faults = tuple(self._fault(entry, f"fault[{index}]") for index, entry in enumerate(entries))
        behaviour = tables.get("behaviour")
        return Script(faults=faults, seed=seed, behaviour=self._convert(behaviour, Behaviour, "behaviour"))

    def _fault(self, entry: dict[str, Any], where: str) -> Fault:
        kind = entry.get("kind")
        if kind not in KINDS:
            why = "has no kind" if kind is None else f"has an unknown kind {kind!r}"
            raise self._wrong(f"{where}.kind", f"{where} {why}{suggest(str(kind), KINDS)}")
        fault: Fault = self._convert({key: entry[key] for key in entry.keys() - {"kind"}}, KINDS[kind], where)
        return fault

    def _convert(self, table: Any, struct: type[Any], where: str) -> Any:  # noqa: ANN401 - whatever the file holds
        if table is None:
            return None
        if not isinstance(table, dict):
            raise self._wrong(where, f"{where} is no table: write [{where}]")
        self._check_keys(table, [field.name for field in msgspec.structs.fields(struct)], where)
        try:
            return msgspec.convert(table, struct)
        except msgspec.ValidationError as error:
            raise self._wrong(where, f"{where}: {error}") from None
        except ConfigError as error:
            raise self._wrong(f"{where}.{error.key}", f"{where}.{error.key}: {error}") from None

    def _check_keys(self, table: dict[str, Any], known: Iterable[str], where: str) -> None:
        for key in table:
            if key not in known:
                path = f"{where}.{key}" if where else key
                raise self._wrong(path, f"unknown key {path!r}{suggest(key, known)}")

    def _wrong(self, key: str, why: str) -> ConfigError:
        return ConfigError(f"{self._source}: {why}", key, self._source)
