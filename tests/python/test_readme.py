"""What the papers show runs and prints what they say."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from ringtape import Engine, RuleError, scanner

ROOT = Path(__file__).parents[2]
PAPERS = [ROOT / "README.md", *sorted((ROOT / "python" / "docs").glob("*.md"))]
BLOCKS = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINKS = re.compile(r"\]\(([^)#:]+)\)")


def blocks(path: Path, language: str) -> list[tuple[str, str]]:
    """Return the blocks of a language, each with the ``text`` block that follows it, or nothing."""
    found = BLOCKS.findall(path.read_text(encoding="utf-8"))
    found.append(("", ""))
    return [
        (text, following if kind == "text" else "")
        for (own, text), (kind, following) in pairwise(found)
        if own == language
    ]


PROGRAMS = [(path.name, *block) for path in PAPERS for block in blocks(path, "python")]


@pytest.mark.parametrize(("paper", "program", "output"), PROGRAMS)
def test_programs_print_what_stands_below_them(paper: str, program: str, output: str) -> None:
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    # How long a hook takes on a busy machine is no part of what a page says.
    said = [line for line in done.stderr.splitlines() if "ms in a hook, the budget is" not in line]
    assert (done.returncode, said) == (0, []), f"{paper}: {done.stderr}"
    assert output in {"", done.stdout}


def test_readme_leads_with_two_commands() -> None:
    commands = re.findall(r"^    (make \w+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert commands[:2] == ["make demo", "make test"]


def test_rule_files_compile_and_the_mistakes_are_as_printed() -> None:
    path = ROOT / "python" / "docs" / "rules.md"
    for text, _ in blocks(path, "toml"):
        assert len(scanner.read(text)) == 1
    (mistakes, _), *_ = blocks(path, "text")
    condition = mistakes.splitlines()[1].strip()
    with pytest.raises(RuleError, match="unknown field") as caught:
        scanner.read(f'[[rule]]\nid = "burst"\nwhen = "{condition}"\n')
    assert str(caught.value).strip() == mistakes.strip()


def test_every_counter_is_described() -> None:
    page = (ROOT / "python" / "docs" / "counters.md").read_text(encoding="utf-8")
    described = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) | {"venues"}
    assert described == Engine(max_symbols=1).stats().keys()


def test_the_page_of_fields_is_fresh() -> None:
    command = [sys.executable, str(ROOT / "python" / "docs" / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", [*PAPERS, *ROOT.glob("*.md"), ROOT / "benches" / "README.md"], ids=str)
def test_links_lead_somewhere(path: Path) -> None:
    assert [link for link in LINKS.findall(path.read_text(encoding="utf-8")) if not (path.parent / link).exists()] == []
