from __future__ import annotations

import subprocess
import sys
import types
from typing import Any

import pytest

from ringtape.cli import main as cli
from ringtape.errors import ConfigError


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a function in the place of ``ringtape fields``."""

    def install(function: Any) -> None:
        module = types.ModuleType("ringtape.cli.fields")
        module.fields = function  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "ringtape.cli.fields", module)

    return install


def test_usage_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in cli.COMMANDS)
    assert cli.main([]) == 2


def test_usage_loads_nothing_heavy() -> None:
    code = (
        "import sys; from ringtape.cli.main import main; main(['--help']);"
        "sys.exit(len({'typer', 'rich', 'numpy', 'picows', 'uvloop'} & sys.modules.keys()))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_wrong_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["dmeo"]) == 2
    assert capsys.readouterr().err == "ringtape: unknown command 'dmeo'; did you mean 'demo'?\n"
    assert cli.main(["--verbos"]) == 2
    assert "unknown option" in capsys.readouterr().err


def test_our_errors_are_one_sentence(command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ConfigError("the file is wrong")

    command(fail)
    assert cli.main(["fields"]) == 2
    assert capsys.readouterr().err == "ringtape: the file is wrong\n"


def test_options_and_exit_codes_are_the_functions_own(command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def fields(count: int = 1) -> None:
        print(count)  # noqa: T201
        if count > 3:
            raise SystemExit(7)

    command(fields)
    assert cli.main(["fields", "--count", "3"]) == 0
    assert cli.main(["fields", "--count", "4"]) == 7
    assert capsys.readouterr().out == "3\n4\n"
    assert cli.main(["fields", "--nonsense"]) == 2
    assert cli.main(["fields", "--help"]) == 0


def test_ctrl_c_is_silent(command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    command(interrupt)
    assert cli.main(["fields"]) == 130
    assert capsys.readouterr().err == ""


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def absent(name: str) -> None:
        raise ImportError(f"no module for {name}", name="textual.app")

    monkeypatch.setitem(cli.COMMANDS, "top", cli.Command("Show.", "ui"))
    monkeypatch.setattr(cli.importlib, "import_module", absent)
    assert cli.main(["top"]) == 2
    assert "pip install 'ringtape[ui]'" in capsys.readouterr().err
