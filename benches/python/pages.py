"""Records as people read them: tables on the screen, the page beside the JSON, and README's part."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import msgspec
from generated import SHAPES
from goals import CALL, CALL_IN_RUST, ENGINE, ENGINE_IN_RUST, MARKS, MIX, NUMBA, STREAMS, TRADES, judged
from native import LEVELS, WALKS
from record import RECORD, ROOT, Place, Record, newest
from rich.console import Console
from rich.table import Table

README = ROOT / "README.md"
_MARKS = ("<!-- bench: begin -->", "<!-- bench: end -->")

OTHERS = ["msgspec", "orjson", "massive client"]
DECODERS = [*LEVELS.values(), *WALKS.values(), *OTHERS, "memcpy"]
ENGINES = [ENGINE, ENGINE_IN_RUST, NUMBA, *OTHERS]

INTRODUCTION = """\
Times the speed of msgspec, ns for one event in brackets; everybody on the same frames in one run. First decoding alone;
then the whole engine, which also keeps the state, beside those who only decode."""
GOAL_HEADS = ["", "", "measured", "floor", "kept", "goal", "reached"]


class Sheet(msgspec.Struct):
    """A table of contestants by columns."""

    title: str
    contestants: list[str]
    places: list[Place]

    def heads(self) -> list[str]:
        return ["", "gives", *(_head(place) for place in self.places)]

    def rows(self, record: Record) -> list[list[str]]:
        """Return the cells of all contestants that took part."""
        rows = []
        for name in self.contestants:
            lines = [record.line(name, place) for place in self.places]
            first = next((line for line in lines if line), None)
            if first:
                cells = [_cell(record, name, place) for place in self.places]
                rows.append([f"{name} {first.version}".strip(), first.does, *cells])
        return rows


def _head(place: Place) -> str:
    corpus, per_frame = place
    return f"{per_frame} a frame" if corpus in {MIX, "simulator"} else corpus


def _cell(record: Record, contestant: str, place: Place) -> str:
    """Return the speed in msgspec's, and the nanoseconds."""
    ns, base = record.ns(contestant, place), record.ns("msgspec", place)
    if ns is None or base is None:
        return "-"
    ratio = base / ns
    return f"{ratio:.{1 if ratio >= 1 else 2}f}x ({ns:,.{0 if ns >= 10 else 1}f})"


SIMULATED = "The whole engine, the simulator's frames"


def sheets(record: Record) -> list[Sheet]:
    """Return the tables of a record, those that are stated first first."""
    mix, simulated = record.places(MIX), record.places("simulator")
    binance = [place for place in (STREAMS, MARKS) if place in record.places(place[0])]
    trades = [place for name in (TRADES[0], "trades, documented order") for place in record.places(name)]
    shapes = [place for shape in SHAPES for place in record.places(shape)]
    made = [
        Sheet("Decode only, the goals' frames", DECODERS, [*mix, *binance]),
        Sheet("The whole engine, the goals' frames", ENGINES, mix),
        Sheet("Decode only, the simulator's frames", DECODERS, simulated),
        Sheet(SIMULATED, ENGINES, simulated),
        Sheet("Decode only, trades alone, 100 a frame", DECODERS, trades),
        Sheet("The whole engine, trades alone, 100 a frame", ENGINES, record.places(TRADES[0])),
        Sheet("Decode only, shapes after their first 64 events, 100 a frame", DECODERS, shapes),
    ]
    return [sheet for sheet in made if sheet.places]


def show(record: Record) -> None:
    """Print the tables."""
    console = Console()
    if not console.is_terminal:
        # Where nobody watches, lines may be as long as they are.
        console = Console(width=200)
    for sheet in sheets(record):
        table = Table(title=f"{sheet.title}: times the speed of msgspec (ns an event)", title_style="bold")
        for at, title in enumerate(["", *sheet.heads()[2:]]):
            table.add_column(title, justify="right" if at else "left", no_wrap=True)
        for name, _, *cells in sheet.rows(record):
            table.add_row(name, *cells)
        console.print(table)
    goals = judged(record)
    if goals:
        table = Table(*GOAL_HEADS, title="Goals", title_style="bold")
        for goal in goals:
            table.add_row(*goal.row())
        console.print(table)
    for sentence in [*call(record), *record.left_out]:
        print(sentence)


def _markdown(heads: list[str], rows: list[list[str]], left: int) -> str:
    """Return a table; the first `left` columns hold words."""
    lines = [heads, ["---"] * left + ["---:"] * (len(heads) - left), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _sheet(record: Record, sheet: Sheet) -> str:
    return _markdown(sheet.heads(), sheet.rows(record), 2)


def _goals(record: Record) -> str:
    return _markdown(GOAL_HEADS, [goal.row() for goal in judged(record)], len(GOAL_HEADS))


def call(record: Record) -> list[str]:
    """Return what crossing from Python takes, where it was measured."""
    said = []
    for column in record.columns:
        ns = [record.ns(name, column.place) for name in (CALL, CALL_IN_RUST, ENGINE, ENGINE_IN_RUST)]
        if None not in ns:
            python, rust, fed, fed_in_rust = (one or 0.0 for one in ns)
            said.append(
                f"A call of feed with a frame without events takes {python:.0f} ns from Python, {rust:.0f} from Rust;"
                f" with the frames of {column.corpus}, {column.per_frame} a frame, {fed:.0f} and {fed_in_rust:.0f}."
            )
    return said


def page(record: Record) -> str:
    """Return the record as a page."""
    seeds = ", ".join(f"{name} {seed}" for name, seed in record.seeds.items())
    parts = [
        f"# Benchmarks of {record.taken[:10]}, commit {record.commit}",
        f"`{record.command}`, {record.taken}, {record.rounds} rounds, all contestants in turn; seeds: {seeds}",
        "\n".join(f"- {key}: {value}" for key, value in record.machine.items()),
        "Cells: times the speed of msgspec, in brackets ns an event; medians of the rounds.",
    ]
    if record.left_out:
        parts.append("\n".join(record.left_out))
    for sheet in sheets(record):
        parts += [f"## {sheet.title}", _sheet(record, sheet)]
    if judged(record):
        parts += ["## Goals", _goals(record)]
    parts += call(record)
    parts += ["## Frames", "What all contestants saw in the measured part:"]
    parts.append(
        "\n".join(
            f"- {it.corpus}, {it.per_frame} a frame ({it.venue}): {it.frames:,} frames, {it.events:,} events of"
            f" {it.bytes_an_event:.1f} bytes, sum of prices {it.prices}"
            for it in record.columns
        )
    )
    parts += ["## Rounds", "Every round, ns an event, in the order of the rounds:"]
    parts.append(
        "\n".join(
            f"- {line.contestant}, {line.corpus}, {line.per_frame}: {' '.join(f'{ns:.4g}' for ns in line.ns)}"
            for line in record.lines
        )
    )
    if record.rooms:
        parts += ["Rust rooms by themselves (Criterion, best estimate; elements are events):"]
        parts += ["\n".join(f"- {line}" for line in record.rooms)]
    if record.suites:
        parts += ["Single calls from Python (pytest-benchmark, median):"]
        parts += ["\n".join(f"- {name}: {ns:,.0f} ns" for name, ns in record.suites.items())]
    return "\n\n".join(parts) + "\n"


def write(record: Record) -> Path:
    """Write the record as a page and as JSON, and return the page's path."""
    RECORD.mkdir(exist_ok=True)
    stem = RECORD / f"{record.taken[:10]}-{record.commit}"
    stem.with_name(stem.name + ".json").write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
    written = stem.with_name(stem.name + ".md")
    written.write_text(page(record), encoding="utf-8")
    return written


def summary(record: Record, stem: str) -> str:
    """Return README's part: the first tables, the goals, the machine."""
    parts = [INTRODUCTION]
    # The first two are of the goals' frames, where these are at hand; the simulator's need nothing from elsewhere.
    for sheet in [sheet for at, sheet in enumerate(sheets(record)) if at < 2 or sheet.title == SIMULATED]:
        parts += [f"{sheet.title}:", _sheet(record, sheet)]
    if judged(record):
        parts += ["What was to be reached, and what is:", _goals(record)]
    parts += record.left_out
    link = f"[record of {record.taken[:10]}](benches/record/{stem}.md)"
    parts.append(f"{record.machine['cpu']}, {record.machine['python']}: {link}")
    return "\n\n".join(parts)


def fill_readme() -> None:
    """Put the newest record's tables between the two marks of README.md."""
    record, stem = newest()
    begin, end = _MARKS
    before, _, rest = README.read_text(encoding="utf-8").partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        sys.exit(f"README.md has lost its marks {begin} and {end}")
    README.write_text(f"{before}{begin}\n{summary(record, stem)}\n{end}{after}", encoding="utf-8")


def criterion(text: str) -> list[str]:
    """Return one line for each bench of Criterion's output: its name and its throughput."""
    found = re.findall(r"^(\S+/\S+)\s+time:\s+\[(.*?)\]\s+thrpt:\s+\[(.*?)\]", text, re.MULTILINE)
    return [f"{name}: {' '.join(time.split()[2:4])}, {' '.join(rate.split()[2:4])}" for name, time, rate in found]


def suites(path: Path) -> dict[str, float]:
    """Return the median of each suite of pytest-benchmark, in nanoseconds."""
    done = msgspec.json.decode(path.read_bytes())
    return {bench["name"]: bench["stats"]["median"] * 1e9 for bench in done["benchmarks"]}
