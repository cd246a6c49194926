"""Rounds in turn: everybody on the same frames, so that a slow minute of the machine hits all of them.

Before anything is timed, all who look at the events must have seen the same number of them and the same sum of prices.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from contestants import Contestant, Seen
from corpus import Corpus, sizes
from record import Column, Line
from rich.console import Console
from rich.progress import track


def same_for_all(everybody: Sequence[Contestant], corpus: Corpus) -> Seen:
    """Return the number of events and the sum of prices, which all contestants must agree on."""
    seen = {each.name: what for each in everybody if (what := each.see(corpus)) is not None}
    if len(set(seen.values())) != 1:
        sys.exit(f"the contestants did not see the same events of {corpus.name}: {seen}")
    return next(iter(seen.values()))


def measure(everybody: Sequence[Contestant], corpus: Corpus, rounds: int) -> tuple[Column, list[Line]]:
    """Return a column and its lines."""
    events, prices = same_for_all(everybody, corpus)
    taken: dict[str, list[float]] = {each.name: [] for each in everybody}
    title = f"{corpus.name}, {corpus.per_frame} a frame"
    for number in track(range(rounds), f"{title:<36}", console=Console(stderr=True), transient=True):
        turn = number % len(everybody)
        for each in (*everybody[turn:], *everybody[:turn]):
            taken[each.name].append(each.round(corpus) / events)
    column = Column(
        corpus=corpus.name,
        per_frame=corpus.per_frame,
        venue=corpus.venue,
        frames=len(corpus.measured),
        events=events,
        prices=prices,
        bytes_an_event=sizes(corpus.measured) / events,
    )
    lines = [
        Line(
            contestant=each.name,
            version=each.version,
            does=each.does,
            corpus=corpus.name,
            per_frame=corpus.per_frame,
            ns=taken[each.name],
        )
        for each in everybody
    ]
    return column, lines
