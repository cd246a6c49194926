"""The ``ringtape`` command: finds the command, runs it, and turns errors into one sentence.

A command is a function that typer understands, in a module of its own name. Only the one that was asked for is
imported, so that ``ringtape --help`` is quick and a package that is missing for one command does not break another.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

from ringtape.errors import RingtapeError, raise_missing_extra, suggest

__all__ = ["COMMANDS", "main"]

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


class Command(NamedTuple):
    """A command: what it does in one line, and which extra brings what it needs beyond the required packages."""

    summary: str
    extra: str | None = None


COMMANDS = {
    "demo": Command("Run the pretend market, the engine and the scanner on this machine. No key, no network."),
    "scan": Command("Scan live markets with a rule file and show movers and alerts."),
    "sim": Command("Serve a pretend market in the venues' own protocols."),
    "replay": Command("Run a recorded capture through the engine and print a summary."),
    "fields": Command("List the fields that rules, tables and strategies can name."),
    "doctor": Command("Say what is in use on this machine, and what is wrong with it."),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    Parameters
    ----------
    arguments
        Without the program's name; None takes those of the process.

    Returns
    -------
    int
        0 on success, 1 where a command failed, 2 for wrong usage and for every `RingtapeError`, 130 after Ctrl-C.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(given)
    except RingtapeError as error:
        print(f"ringtape: {error}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, has gone; what Python still holds for it must not raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(_usage())
        return 0 if arguments else EXIT_USAGE
    name, *rest = arguments
    if name in {"-V", "--version"}:
        print(f"ringtape {version('ringtape')}")
        return 0
    if name not in COMMANDS:
        what = "option" if name.startswith("-") else "command"
        raise RingtapeError(f"unknown {what} {name!r}{suggest(name, COMMANDS)}")
    return _call(_find(name), name, rest)


def _find(name: str) -> Callable[..., Any]:
    """Import the command's module and return its function."""
    try:
        module = importlib.import_module(f"ringtape.cli.{name}")
    except ImportError as error:
        raise_missing_extra(f"ringtape {name}", error, COMMANDS[name].extra)
    function: Callable[..., Any] = getattr(module, name)
    return function


def _call(function: Callable[..., Any], name: str, arguments: list[str]) -> int:
    import typer  # noqa: PLC0415 - a tenth of a second that `ringtape --help` does not need

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(name)(_interruptible(function))
    try:
        app(arguments, prog_name=f"ringtape {name}", standalone_mode=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _interruptible(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let Ctrl-C end a command silently; the framework would call it an abort, with a message."""

    @functools.wraps(function)
    def call(*arguments: object, **options: object) -> object:
        try:
            return function(*arguments, **options)
        except KeyboardInterrupt:
            raise SystemExit(EXIT_INTERRUPTED) from None

    return call


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "ringtape: a market-data tick engine",
            "",
            "usage: ringtape COMMAND [OPTIONS]",
            "",
            *lines,
            "",
            "ringtape COMMAND --help tells what a command takes. Keys come from the environment or a file, never from",
            "the command line.",
        ]
    )
