"""``ringtape doctor``: what is in use on this machine, and what is wrong."""

from __future__ import annotations

import platform
import resource
import ssl
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from ringtape import _native
from ringtape.feeds.compiled import why_not
from ringtape.feeds.limits import Limits

__all__ = ["Finding", "doctor"]

_RMEM_MAX = Path("/proc/sys/net/core/rmem_max")
_FEW_FILES = 1024
_PACKAGES = ("picows", "uvloop", "msgspec", "numpy")


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    what: str
    found: str
    advice: str | None = None
    """What to do about it; None where nothing is wrong."""


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON array and nothing else.")] = False,
) -> None:
    """Say what is in use on this machine, and what is wrong with it. Status 1 where something is."""
    findings = [*_versions(), _build(), _simd(), _listener(), _tls(), *_limits()]
    if json:
        sys.stdout.buffer.write(msgspec.json.encode(findings) + b"\n")
    else:
        _show(findings)
    if any(finding.advice for finding in findings):
        raise typer.Exit(1)


def _versions() -> list[Finding]:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return [Finding("ringtape", version("ringtape")), Finding("python", python), Finding("packages", packages)]


def _build() -> Finding:
    if _native.debug_build:
        return Finding("native module", "debug build", "it is some ten times slower: build it with --release")
    return Finding("native module", "release build")


def _simd() -> Finding:
    level = _native.simd_level()
    if level == "scalar":
        return Finding("decoding", level, "this processor has no AVX2, so decoding takes about six times as long")
    return Finding("decoding", level)


def _listener() -> Finding:
    reason = why_not()
    if reason is None:
        return Finding("listener", "compiled")
    return Finding("listener", "in Python", f"{reason}; a frame takes some 700 ns longer")


def _tls() -> Finding:
    return Finding("TLS", ssl.OPENSSL_VERSION)


def _limits() -> list[Finding]:
    wanted = Limits().receive_buffer
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = Finding("open files", f"{soft:,}", f"raise it: ulimit -n {4 * _FEW_FILES}" if soft < _FEW_FILES else None)
    if not _RMEM_MAX.exists():
        return [files]
    most = int(_RMEM_MAX.read_text(encoding="ascii"))
    advice = f"feeds ask for {wanted:,}: sysctl -w net.core.rmem_max={wanted}" if most < wanted else None
    return [files, Finding("bytes that a socket may hold", f"{most:,}", advice)]


def _show(findings: list[Finding]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in findings:
        mark = "[yellow]![/]" if finding.advice else "[green]ok[/]"
        table.add_row(mark, finding.what, finding.found, finding.advice or "")
    Console().print(table)
