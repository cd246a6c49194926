"""``ringtape doctor``."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ringtape.cli import doctor, main
from ringtape.cli.doctor import Finding


def found(capsys: pytest.CaptureFixture[str]) -> dict[str, Finding]:
    main.main(["doctor", "--json"])
    findings = msgspec.json.decode(capsys.readouterr().out, type=list[Finding])
    return {finding.what: finding for finding in findings}


def test_it_says_what_is_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    findings = found(capsys)
    assert findings["listener"] == Finding("listener", "compiled")
    assert findings["decoding"].found in {"avx512", "avx2", "scalar"}
    assert "picows 2.3" in findings["packages"].found
    assert findings["TLS"].found.startswith("OpenSSL")


def test_it_says_what_is_wrong_and_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "rmem_max").write_text("212992\n")
    monkeypatch.setattr(doctor, "_RMEM_MAX", tmp_path / "rmem_max")
    monkeypatch.setattr(doctor, "why_not", lambda: "it was compiled against picows 2.3.1, and 2.4.0 is installed")
    assert main.main(["doctor"]) == 1
    capsys.readouterr()
    findings = found(capsys)
    assert findings["bytes that a socket may hold"].advice == (
        "feeds ask for 4,194,304: sysctl -w net.core.rmem_max=4194304"
    )
    assert findings["listener"].found == "in Python"
