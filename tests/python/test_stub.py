"""The hand-written stub says what the built module is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_stub_and_module_agree(root: Path) -> None:
    command = [sys.executable, "-m", "mypy.stubtest", "ringtape._native"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
