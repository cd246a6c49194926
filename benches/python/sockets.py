"""From the socket to the rings: everybody takes the same frames from a sender that is a process of its own.

`make bench-sockets` runs it and writes ``benches/record/<date>-<commit>-sockets.md``. A round is a fresh process of
each contestant in turn; what counts is the CPU that its process takes for an event, kernel and TLS included, so a
sender on the same core does not blur it. Both share the machine: the wall's figures are what its cores give to both.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import generated
import trustme
from ends import CONTESTANTS
from goals import MIX
from record import RECORD, ROOT, commit, machine

HERE = Path(__file__).resolve().parent
ENDS = HERE / "ends.py"
ROUNDS = 5
PER_FRAME = (1, 10, 100)
FLOORS = {1: (4.0, 6.0), 100: (5.0, 10.0)}
"""Million events a second of one core with TLS: floor and goal of G6."""


def write_corpus(payloads: list[bytes], path: Path) -> None:
    """Write the frames for `ends.py`."""
    path.write_bytes(b"".join(struct.pack("<I", len(payload)) + payload for payload in payloads))


@contextmanager
def sender(directory: Path, corpus: Path, certificate: str) -> Iterator[int]:
    """Run the sender; yield its port."""
    port = directory / "port"
    port.unlink(missing_ok=True)
    with subprocess.Popen([sys.executable, str(ENDS), "serve", str(port), str(corpus), certificate]) as process:
        try:
            while not (port.exists() and port.read_text()):
                assert process.poll() is None
                time.sleep(0.02)
            yield int(port.read_text())
        finally:
            process.kill()


def take(name: str, url: str, counts: tuple[int, int], ca: str) -> dict[str, float]:
    """Run one contestant once."""
    environment = {**os.environ, "SSL_CERT_FILE": ca} if ca != "-" else dict(os.environ)
    command = [sys.executable, str(ENDS), "take", name, url, *map(str, counts), ca]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=300)
    if done.returncode:
        sys.exit(f"{name}: {done.stderr}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def measure(rounds: int, names: list[str], directory: Path) -> dict[tuple[str, int, str], list[dict[str, float]]]:
    """Return every contestant's rounds by transport, events of a frame and name."""
    authority = trustme.CA()
    certificate, ca = directory / "server.pem", directory / "ca.pem"
    issued = authority.issue_cert("localhost", "127.0.0.1")
    certificate.write_bytes(issued.private_key_pem.bytes() + b"".join(each.bytes() for each in issued.cert_chain_pems))
    authority.cert_pem.write_to_path(ca)
    generated.generate(directory)
    out: dict[tuple[str, int, str], list[dict[str, float]]] = {}
    for per_frame in PER_FRAME:
        whole = generated.corpus(directory, f"massive_mix_{per_frame}", MIX)
        corpus = directory / "frames"
        warm, measured = (sum(payload.count(b'"ev":') for payload, _ in part) for part in (whole.warm, whole.measured))
        write_corpus([payload for payload, _ in (*whole.warm, *whole.measured)], corpus)
        for transport in ("plain", "TLS"):
            is_tls = transport == "TLS"
            with sender(directory, corpus, str(certificate) if is_tls else "-") as port:
                url = f"{'wss' if is_tls else 'ws'}://127.0.0.1:{port}"
                for _ in range(rounds):
                    for name in names:
                        got = take(name, url, (warm, warm + measured), str(ca) if is_tls else "-")
                        out.setdefault((transport, per_frame, name), []).append(got)
    return out


def table(results: dict[tuple[str, int, str], list[dict[str, float]]], names: list[str]) -> list[str]:
    """Return the table as Markdown: times the CPU of the official client, ns of CPU, events a second."""
    places = [(transport, per_frame) for transport in ("plain", "TLS") for per_frame in PER_FRAME]
    median = {
        key: tuple(statistics.median(each[what] for each in rounds) for what in ("cpu_ns", "wall_ns"))
        for key, rounds in results.items()
    }
    lines = [
        "| | " + " | ".join(f"{transport}, {per_frame} a frame" for transport, per_frame in places) + " |",
        "| --- |" + " ---: |" * len(places),
    ]
    for name in names:
        cells = []
        for place in places:
            cpu, wall = median[*place, name]
            base = median.get((*place, "massive client"), (cpu, wall))[0]
            cells.append(f"{base / cpu:.1f}x ({cpu:,.0f} ns, {1e3 / cpu:.2f} M/s; wall {1e3 / wall:.2f} M/s)")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    for per_frame, (floor, goal) in FLOORS.items():
        rate = 1e3 / median["TLS", per_frame, "ringtape"][0]
        floor_kept, reached = ("yes" if rate >= bound else "no" for bound in (floor, goal))
        lines.append(
            f"\nG6, TLS, {per_frame} a frame: {rate:.2f} M events a second of one core;"
            f" floor {floor:g}: {floor_kept}, goal {goal:g}: {reached}"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", nargs="*", default=list(CONTESTANTS))
    parser.add_argument("--no-record", action="store_true")
    given = parser.parse_args()
    if not generated.SCRIPT.exists():
        sys.exit(generated.MISSING)
    results = ROOT / "results"
    results.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=results) as place:
        measured = measure(given.rounds, given.only, Path(place))
    lines = table(measured, given.only)
    print("\n".join(lines))
    if given.no_record:
        return
    now = dt.datetime.now(dt.UTC)
    head = [
        f"# From the socket to the rings, {now:%Y-%m-%d}, commit {commit()}",
        "",
        f"`make bench-sockets`, {given.rounds} rounds in turn, medians. Cells: times the official client by CPU; CPU",
        "of the taker for an event; what one core would take at that; what the wall saw with the sender beside it.",
        "",
        *(f"- {key}: {value}" for key, value in machine().items()),
        "",
    ]
    path = RECORD / f"{now:%Y-%m-%d}-{commit()}-sockets.md"
    path.write_text("\n".join([*head, *lines, ""]), encoding="utf-8")
    print(f"written to {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
