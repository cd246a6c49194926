"""Rule files: TOML with one ``[[rule]]`` table a rule.

::

    [[rule]]
    id = "running_up"
    title = "Running up"
    when = "change(1m) > 2% and dollar_volume(1m) > 100K"
    rearm = "change(1m) < 1%"
    cooldown = "30s"
    severity = "high"
    show = ["change(1m)"]

Here the file is read and its keys are checked; the texts of the rules are compiled by the core. Every message begins
with the file and the line.
"""

from __future__ import annotations

import os
import re
import tomllib
from bisect import bisect_right
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from ringtape.errors import ConfigError, RuleError, suggest

if TYPE_CHECKING:
    from ringtape._native import RuleSet

__all__ = ["PRESETS", "RuleEntry", "load", "preset", "read"]

FILE_MAX_BYTES = 1 << 20
_FOLDER = Path(__file__).parent / "presets"

PRESETS = ("movers",)
"""Names of the rule files that come with ringtape."""

_LATER = frozenset(
    (
        "active",
        "confirm",
        "confirm_within",
        "cooldown_across_days",
        "crossing",
        "enabled",
        "exclude",
        "group",
        "hold",
        "ladder",
        "market",
        "max_per_symbol",
        "mode",
        "notes",
        "promote",
        "quality",
        "rank",
        "rate_cap",
        "repeat",
        "session",
        "sound",
        "symbols",
        "tags",
        "universe",
        "version",
    )
)
_LATER_TABLES = frozenset({"define"})


class RuleEntry(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One ``[[rule]]`` table."""

    id: str
    """Name within the file: lower case letters, digits and ``_``."""
    when: str
    """The condition, in the rule language."""
    title: str = ""
    """What people read; the id where empty."""
    rearm: str | None = None
    """Condition that arms the rule again after it fired; without it, ``when`` turning false."""
    on: str | None = None
    """Moment of evaluation: ``trade``, ``quote`` or ``tick``; without it, the fastest among the fields of ``when``."""
    cooldown: str | None = None
    """Shortest time between two alerts for one symbol, such as ``30s``."""
    severity: str | None = None
    """``low``, ``medium`` (the default) or ``high``."""
    show: list[str] = msgspec.field(default_factory=list)
    """Fields to show beside an alert."""
    fire_from_unknown: bool = True
    """Whether a condition that turns from undefined to true fires."""


def preset(name: str) -> Path:
    """Return the path of a rule file that comes with ringtape.

    Raises
    ------
    ConfigError
        No such preset; the message names the nearest.
    """
    if name not in PRESETS:
        raise ConfigError(f"no rule preset is called {name!r}{suggest(name, PRESETS)}", "rules")
    return _FOLDER / f"{name}.toml"


def load(path: str | os.PathLike[str]) -> RuleSet:
    """Return the compiled rules of a TOML file of at most 1 MiB.

    Raises
    ------
    ConfigError
        The file cannot be read, is not TOML, or has a key that does not exist; names file, line and the nearest key.
    RuleError
        One or more rules do not compile; the message shows each mistake with a caret under it.
    """
    where = Path(path)
    try:
        raw = where.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {where}: {error.strerror}", "rules", str(where)) from None
    if len(raw) > FILE_MAX_BYTES:
        raise ConfigError(f"{where} has {len(raw)} bytes, the limit is {FILE_MAX_BYTES}", "rules", str(where))
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where} is not UTF-8 text: byte {error.start}", "rules", str(where)) from None
    return read(text, str(where))


def read(text: str, source: str = "rules") -> RuleSet:
    """Return the compiled rules of a TOML text.

    Parameters
    ----------
    text
        The rule file.
    source
        What messages call it.

    Raises
    ------
    ConfigError, RuleError
        As for `load`.
    """
    from ringtape._native import compile_rules  # noqa: PLC0415 - reading a file's keys needs no core

    entries, places = parse(text, source)
    try:
        return compile_rules([msgspec.structs.asdict(entry) for entry in entries])
    except RuleError as error:
        ids = [entry.id for entry in entries]
        raise RuleError(places.locate(error.text, ids), error.span, error.hint) from None


def parse(text: str, source: str) -> tuple[list[RuleEntry], Places]:
    """Return the checked tables of a rule file, and where they stand.

    Raises
    ------
    ConfigError
        As for `load`.
    """
    places = Places(text, source)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source} is not TOML: {error}", "rules", source) from None
    for name in tables:
        if name != "rule":
            _refuse_table(name, places)
    rules = tables.get("rule", [])
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise ConfigError(f"{source}: write each rule as a table headed [[rule]]", "rule", source)
    if not rules:
        raise ConfigError(f"{source} has no rule: write tables headed [[rule]]", "rule", source)
    entries = [_entry(rule, index, places) for index, rule in enumerate(rules)]
    _refuse_repeats(entries, places)
    return entries, places


def _refuse_table(name: str, places: Places) -> NoReturn:
    at = places.top(name)
    if name in _LATER_TABLES:
        raise ConfigError(f"{at}: not supported yet: [{name}]", name, places.source)
    raise ConfigError(f"{at}: unknown table {name!r}{suggest(name, ['rule'])}", name, places.source)


def _entry(table: dict[str, Any], index: int, places: Places) -> RuleEntry:
    known = [field.name for field in msgspec.structs.fields(RuleEntry)]
    for key in table:
        if key in known:
            continue
        at, path = places.at(index, key), f"rule[{index}].{key}"
        if key in _LATER:
            raise ConfigError(f"{at}: not supported yet: {key}", path, places.source)
        raise ConfigError(f"{at}: unknown key {key!r}{suggest(key, known)}", path, places.source)
    try:
        return msgspec.convert(table, RuleEntry)
    except msgspec.ValidationError as error:
        message, _, key = str(error).partition(" - at `$.")
        key = key.rstrip("`")
        path = f"rule[{index}].{key}" if key else f"rule[{index}]"
        name = f"{key}: " if key else ""
        raise ConfigError(f"{places.at(index, key)}: {name}{_plain(message)}", path, places.source) from None


def _plain(message: str) -> str:
    """Return a message of msgspec in the words of TOML."""
    message = message.replace("Object missing required field", "the rule lacks the key")
    return re.sub(r"`(str|bool|array|int|float|object)( \| null)?`", lambda found: _KINDS[found[1]], message)


_KINDS = {
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "int": "a number",
    "float": "a number",
    "object": "a table",
}


def _refuse_repeats(entries: list[RuleEntry], places: Places) -> None:
    first: dict[str, int] = {}
    for index, entry in enumerate(entries):
        if entry.id in first:
            before = places.at(first[entry.id], "id")
            raise ConfigError(
                f"{places.at(index, 'id')}: the id {entry.id!r} is taken by the rule at {before}",
                f"rule[{index}].id",
                places.source,
            )
        first[entry.id] = index


class Places:
    """Line numbers of rules and their keys: the TOML reader gives values only.

    Parameters
    ----------
    text
        The rule file.
    source
        What messages call it.
    """

    _HEADER = re.compile(r"^[ \t]*\[\[[ \t]*rule[ \t]*\]\]", re.MULTILINE)
    _LONG_TEXT = re.compile(r"'''.*?'''|\"\"\".*?\"\"\"", re.DOTALL)
    _MESSAGE = re.compile(r"^(\w+|rule \d+)\.(\w+):(\d+):\d+: ", re.MULTILINE)

    def __init__(self, text: str, source: str) -> None:
        self.source = source
        # Long texts may hold anything, lines that look like headers too: of what is in them, line ends are kept.
        self._text = self._LONG_TEXT.sub(lambda found: found[0][:3] + re.sub(r"[^\n]", " ", found[0][3:]), text)
        self._starts = [0, *(found.end() for found in re.finditer("\n", self._text))]
        self._headers = [found.start() for found in self._HEADER.finditer(self._text)]

    def _line(self, position: int) -> int:
        return bisect_right(self._starts, position)

    def _find(self, key: str, start: int, end: int) -> re.Match[str] | None:
        pattern = re.compile(rf"^[ \t]*(?:\[\[?[ \t]*)?[\"']?{re.escape(key)}\b", re.MULTILINE)
        return pattern.search(self._text, start, end)

    def top(self, name: str) -> str:
        """Return ``file:line`` of a table or key outside the rules."""
        found = self._find(name, 0, len(self._text))
        return f"{self.source}:{self._line(found.start())}" if found else self.source

    def at(self, index: int, key: str) -> str:
        """Return ``file:line`` of a key of a rule; of its header where the key is not found."""
        return f"{self.source}:{self._at(index, key)[0]}" if index < len(self._headers) else self.source

    def _at(self, index: int, key: str) -> tuple[int, int]:
        """Return the line of a key, and how many lines below it the text of its value begins."""
        start = self._headers[index]
        end = self._headers[index + 1] if index + 1 < len(self._headers) else len(self._text)
        found = self._find(key, start, end) if key else None
        if found is None:
            return self._line(start), 0
        long = re.compile(r"[\"']?[ \t]*=[ \t]*('''|\"\"\")\n").match(self._text, found.end())
        return self._line(found.start()), int(long is not None)

    def locate(self, message: str, ids: list[str]) -> str:
        """Return a message of the compiler with ``file:line`` before each mistake."""

        def place(found: re.Match[str]) -> str:
            rule, key, line = found[1], found[2], int(found[3])
            index = ids.index(rule) if rule in ids else int(rule.removeprefix("rule ")) - 1
            if index >= len(self._headers):
                return f"{self.source}: {found[0]}"
            first, below = self._at(index, key)
            return f"{self.source}:{first + below + line - 1}: {found[0]}"

        return self._MESSAGE.sub(place, message)
