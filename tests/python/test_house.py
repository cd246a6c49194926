"""Rules of the house that a compiler cannot keep: who may name what, and what no file may hold."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "python" / "ringtape"

# Modules that may import the native core, each with its reason. Strategies, feeds and screens get its values handed.
NATIVE = {
    "__init__.py": "re-exports the public names",
    "app.py": "owns the engine of an app",
    "cli/doctor.py": "says how the native module was built",
    "cli/fields.py": "prints the catalogue",
    "cli/replay.py": "owns the engine that a capture runs through",
    "events.py": "decodes frames into values, and gives numpy the columns",
    "feeds/compiled.py": "loads the compiled listener out of the native module's file",
    "journal/replay.py": "names the engine's types only",
    "scanner/rules.py": "compiles rule files",
    "shm.py": "views of engines in other processes",
    "sim/__init__.py": "re-exports the pretend market",
    "sim/history.py": "keeps what the pretend market made",
    "sim/host.py": "drives the pretend market",
    "sim/peer.py": "subscribes at the pretend market for one client",
    "sim/server.py": "tells the pretend market's previous closes",
    "tui/live.py": "owns the engine of the live screen",
}
# Rooms of the package that know the common ground and not each other; they meet in app.py, cli and tui.
SIBLINGS = {"feeds", "history", "journal", "scanner", "sim", "strategy"}
GROUND = {"_native", "config", "errors", "events", "gaps", "notices", "sessions", "shm", "venues"}
# Modules that may speak WebSocket or HTTP: the feeds' only shell, the one asker of the past, and the pretend venues.
SOCKETS = {
    "feeds/compiled.py",
    "feeds/connection.py",
    "feeds/listener.py",
    "feeds/world.py",
    "history/http.py",
    "sim/binance.py",
    "sim/line.py",
    "sim/massive.py",
    "sim/peer.py",
    "sim/server.py",
}

# The arrows between the Rust rooms: who depends on whom.
ROOMS = {
    "engine": {"model", "ring", "wire"},
    "model": set(),
    "py": {""},
    "ring": set(),
    "sim": {"model", "wire"},
    "wire": {"model"},
}
# The binding, the rings, vector instructions; the test whose allocator counts, and the one that forbids pages.
UNSAFE = ("rust/py/", "rust/ring/", "rust/wire/src/json/simd/x86/", "tests/pipeline.rs", "tests/strict/guard.rs")


def tracked(*patterns: str) -> list[Path]:
    """Return the files under version control, this one left out: it has to name what it forbids."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [ROOT / name for name in names.split("\0") if name]
    return [path for path in paths if path.is_file() and path != Path(__file__).resolve()]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def code(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a Rust file that are not comments."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.lstrip().startswith("//"):
            yield number, line.split(" // ")[0]


def found(paths: Iterable[Path], pattern: str) -> list[str]:
    """Return the places in Rust code where a pattern stands."""
    wanted = re.compile(pattern)
    return [f"{name(path)}:{number}: {line}" for path in paths for number, line in code(path) if wanted.search(line)]


def imports(path: Path) -> set[str]:
    """Return the modules that a file imports, anywhere in it, `from a import b` as ``a`` and ``a.b``."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = path.relative_to(PACKAGE.parent).parts[: -node.level] if node.level else ()
            base = ".".join([*parents, *([node.module] if node.module else [])])
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return names


def modules() -> list[tuple[str, set[str]]]:
    return [(path.relative_to(PACKAGE).as_posix(), imports(path)) for path in tracked("python/ringtape/*.py")]


def test_only_named_modules_import_the_native_core() -> None:
    users = {module for module, names in modules() if any(name.startswith("ringtape._native") for name in names)}
    assert users - NATIVE.keys() == set(), "pass the value in, or name the module above with its reason"


def test_rooms_of_the_package_do_not_know_each_other() -> None:
    wrong = []
    for module, names in modules():
        room = module.split("/", maxsplit=1)[0]
        if room in SIBLINGS:
            used = {name.split(".")[1] for name in names if name.startswith("ringtape.")}
            wrong += [f"{module} uses {other}" for other in sorted(used - GROUND - {room})]
    assert wrong == []


def test_only_named_modules_speak_websocket() -> None:
    users = {module for module, names in modules() if names & {"picows", "socket", "websockets", "aiohttp"}}
    assert users - SOCKETS == set()


@pytest.mark.parametrize("room", ROOMS)
def test_arrows_between_rooms(room: str) -> None:
    manifest = tomllib.loads((ROOT / "rust" / room / "Cargo.toml").read_text(encoding="utf-8"))
    ours = {
        crate.removeprefix("ringtape").removeprefix("-") for crate in manifest["dependencies"] if "ringtape" in crate
    }
    assert ours == ROOMS[room]


def test_every_room_has_its_arrows_named() -> None:
    # Fuzzing is outside the workspace: no room of the product, and no room may name it.
    assert {path.parent.name for path in tracked("rust/*/Cargo.toml")} == ROOMS.keys() | {"fuzz"}


def test_no_rust_room_reads_clock_environment_files_or_sockets() -> None:
    rooms = [path for path in tracked("rust/*.rs") if "/src/" in name(path) and not name(path).startswith("rust/py/")]
    forbidden = r"\b(SystemTime|Instant)\b|\bstd::(time|env|net|fs|process)\b|\bthread_rng\b|\bRandomState\b"
    assert found(rooms, forbidden) == []


def test_unsafe_stays_in_its_homes() -> None:
    files = tracked("*.rs")
    homes = [path for path in files if name(path).startswith(UNSAFE)]
    others = [path for path in files if path not in homes]
    assert found(others, r"\bunsafe\b") == []
    wire = [path for path in files if name(path).startswith("rust/wire/")]
    assert len(found(wire, r"(allow|expect)\(unsafe_code")) <= 1


def test_only_the_binding_names_python() -> None:
    others = [path for path in tracked("*.rs", "*Cargo.toml") if not name(path).startswith("rust/py/")]
    manifest = ROOT / "Cargo.toml"  # lists the version for the whole workspace
    users = [name(path) for path in others if path != manifest and "pyo3" in path.read_text(encoding="utf-8")]
    assert users == []


def held(paths: Iterable[Path], pattern: str) -> list[str]:
    """Return the places in any text where a pattern stands."""
    wanted = re.compile(pattern)
    places = []
    for path in paths:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        places += [f"{name(path)}:{number}: {line}" for number, line in enumerate(lines, 1) if wanted.search(line)]
    return places


def test_no_test_is_switched_off() -> None:
    off = r"\bmark\.(skip|xfail)|\bpytest\.(skip|xfail|importorskip)|\bunittest\.skip|#\[ignore|\bcollect_ignore"
    assert held(tracked("*.py", "*.rs", "pyproject.toml"), off) == []


def test_nothing_is_left_for_later() -> None:
    later = r"\bTODO\b|\bFIXME\b|\bXXX\b|\btodo!|\bunimplemented!|NotImplementedError"
    assert held(tracked("*.py", "*.pyi", "*.rs", "*.toml", "*.md", "Makefile", ".ci/*"), later) == []


def test_no_file_names_a_machine_or_a_registry() -> None:
    files = [path for path in tracked() if path.name != "Cargo.lock"]
    places = r"(?<![\w.])/(root|home|Users|tmp|work|opt)/|\bcrates\.io|\bpypi\.org|pythonhosted|proxy\.golang"
    assert held(files, places) == []
