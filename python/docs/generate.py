"""Write fields.md from the catalogue, as ``make docs`` does; ``--check`` only tells whether the page is stale."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ringtape import _native

PAGE = Path(__file__).with_name("fields.md")

HEAD = """\
# Fields

Generated from the catalogue by `make docs`; `ringtape fields` prints the same. A field has one name everywhere: in
rules, `Engine.get`, `Engine.table`, `Engine.column` and on the screen. `price` is another name of
`last`, `day_open` of `open`.

An undefined field is `None` from `get` and `row`, and NaN in tables and columns. Undefined is not zero.

| unit | is |
|---|---|
| price | quote currency per share, contract or coin |
| ratio | a fraction: 0.03 is 3 % |
| shares | shares, contracts or coins |
| money | quote currency |
| count | a number of things |
| seconds | seconds |
| time | Unix ns |
| scalar | a plain number |
| bool | true or false; 1 or 0 in tables and columns |
| code | a place in the list of names below |

*Changes with* is the fastest moment at which a rule can see the field change: each trade, each quote, or the passing of
time. *From* names the input: T trades (of indices, their values), Q quotes, A venue bars, B own bars, L bands,
N imbalances, K streams of crypto futures, R reference data, D daily bars of the reference data, E engine time.

Windows are written behind the name, `change(5m)`: a whole number and `ms s m h d`, steps of 100 ms up to 10 s, of 1 s
up to 30 m, of 1 m up to 1 d. A window of length w holds what came in the last w, counted in those steps. Other
arguments are a number of trades `50t`, a number of windows, days or bars, the length of a bar `1m`, and a clock time
`10:30`.
"""

DERIVED = """\
Rows hold what the fields above are made from, for every symbol. The fields below need more, which is collected only
where one of them was asked for: by a rule, by `get`, `table` or `column`. At most 64 of them can be, see `max_fields`.
Collecting begins when a field is asked for: it is undefined while a stretch of time that it covers has passed unseen.
Windows and sums begin anew with each trading date.
"""

SIDES = """\
## The side of a trade

Binance says who took liquidity. Elsewhere the quote before the trade decides: the newest one with two sides, not
crossed, that is older than the trade and at most 5 s old, among the quotes of the last 32 distinct times. Above its
middle a trade was bought, below it sold. In the middle, and without a quote, the price decides: above the LAST trade
before it bought, below it sold, the same as the last change. Auction prints (8, 17, 18, 19, 25, 28), average and
contingent prices (2, 52, 53) and late trades have no side.
"""

RIGHTS = """\
## Which trades count

On US stocks a trade's conditions decide what it may move. All of its conditions must agree; a condition that is not in
the table takes nothing away and is counted (`unknown_conditions`). Other venues have no such rules: every trade counts.

| conditions (Massive ids) | high, low (HL) | last (LAST) | volume (VOL) | vwap (VW) |
|---|---|---|---|---|
| none, and the regular, auction and marker ids | yes | yes | yes | yes |
| 37 odd lot | no | no | yes | yes |
| 12 Form T | outside regular hours | outside regular hours | yes | yes |
| 13 extended hours, out of sequence | no | no | yes | no |
| 32, 33 sold out of sequence | yes | no | yes | yes |
| 5 bunched sold | yes | first print of the day | yes | yes |
| 10 derivatively priced, 22 prior reference price | yes | first print of the day | yes | no |
| 2, 7, 20, 21, 29, 52, 53 priced elsewhere or at another time | no | no | yes | no |
| 15, 16 official close and open | no | no | no | no |
| 38 corrected consolidated close | yes | yes | no | no |

A trade is *in line* when no LAST trade that came before it is newer.

A trade is *late* when it is printed more than 10 s after its execution, or says so itself (13, 32, 33). A late trade
counts in day volume and day extremes, but never becomes `last`. `high` and `low` are those of the regular session,
`high_day` and `low_day` of the whole trading date.
"""


def table(lines: Iterable[dict[str, Any]]) -> str:
    """Return a Markdown table of catalogue lines."""
    rows = ["| field | unit | changes with | from | is | undefined when |", "|---|---|---|---|---|---|"]
    for line in lines:
        name = line["name"] + line["args"]
        moment = {"tick": "time"}.get(line["moment"], line["moment"])
        cells = (f"`{name}`", line["unit"], moment, line["inputs"], line["formula"], line["undefined"])
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def codes(lines: Iterable[dict[str, Any]]) -> str:
    """Return a Markdown table of the codes of some fields."""
    rows = ["| field | codes |", "|---|---|"]
    for line in lines:
        names = ", ".join(f"{code} {name}" for code, name in enumerate(line["names"]))
        rows.append(f"| `{line['name']}` | {names} |")
    return "\n".join(rows) + "\n"


def page() -> str:
    """Return the whole page."""
    lines = _native.fields()
    rows = [line for line in lines if not line["derived"]]
    derived = [line for line in lines if line["derived"]]
    return "\n".join(
        [
            f"{HEAD}\n## Fields of a symbol\n\n{table(line for line in rows if not line['args'])}",
            f"## Fields of a window\n\n{table(line for line in rows if line['args'])}",
            f"## Derived fields\n\n{DERIVED}\n{table(derived)}",
            f"## Codes\n\n{codes(line for line in derived if line['names'])}",
            f"{SIDES}\n{RIGHTS}",
        ]
    )


def main() -> int:
    """Write the page, or with ``--check`` compare it, and return the exit status."""
    if "--check" in sys.argv[1:]:
        is_fresh = PAGE.exists() and PAGE.read_text(encoding="utf-8") == page()
        if not is_fresh:
            print(f"{PAGE.name} is stale: run `make docs`", file=sys.stderr)
        return 0 if is_fresh else 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
