"""Write what fuzzing begins with: the fact sheets' samples, the JSON test suite, the hostile set and earlier findings.

Run as ``python seeds.py FOLDER``; one folder for each target is made there.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
sys.path.insert(0, str(ROOT / "tests"))

from oracle.hostile import cases  # noqa: E402 (the tests are no package)

SEED_MAX = 4_096
NUMBERS = b"0 -0 1 1.5 297.845 1e5 1E-5 0.1e+7 123456789012345678901234567890 5e-324 1e309 01 1. -".split()


def frames() -> Iterator[bytes]:
    """Yield frames of both providers."""
    for name in ("massive", "binance"):
        path = SHARED / "facts" / f"{name}_samples.jsonl"
        if not path.exists():
            sys.exit(f"{path} is expected beside the project")
        yield from path.read_bytes().splitlines()
    yield from (case.frame for case in cases(ROOT / "tests" / "fixtures" / "hostile.txt"))
    yield from (path.read_bytes() for path in (ROOT / "tests" / "fixtures" / "regressions").glob("*/*"))


def write(folder: Path, seeds: list[bytes]) -> None:
    """Write each seed to a file named by its content."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        if len(seed) <= SEED_MAX:
            (folder / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)


def main(folder: Path) -> None:
    """Write the seeds of all targets."""
    suite = [path.read_bytes() for path in (SHARED / "data" / "jsontestsuite" / "test_parsing").iterdir()]
    known = list(frames())
    for target in ("massive", "binance"):
        # The first byte says the market.
        write(folder / target, [bytes([market]) + frame for market in range(7) for frame in known])
    write(folder / "number", NUMBERS)
    write(folder / "skip", suite)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
