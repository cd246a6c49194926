"""The public face: every name is there, and importing the package loads the native core and little else."""

from __future__ import annotations

import subprocess
import sys

import pytest

import ringtape

# What `import ringtape` must not load: each costs more than the whole package, and none is needed to feed an engine.
HEAVY = ("asyncio", "msgspec", "numpy", "picows", "rich", "typer", "uvloop", "zoneinfo")


@pytest.mark.parametrize("name", ringtape.__all__)
def test_every_public_name_is_importable(name: str) -> None:
    assert getattr(ringtape, name) is not None


def test_public_names_are_sorted_and_listed() -> None:
    assert ringtape.__all__ == sorted(ringtape.__all__)
    assert set(ringtape.__all__) <= set(dir(ringtape))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Enigne'"):
        ringtape.Enigne  # noqa: B018 - the access is the test


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import sys, ringtape; print(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
