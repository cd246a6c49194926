"""The scanner's screen: figures as traders read them, and every line within its width."""

import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ringtape.scanner import Alert, AlertFeed
from ringtape.tui import Screen, View
from ringtape.tui import format as show
from ringtape.tui.screen import Clock, draw
from ringtape.tui.tables import COLUMNS, FIELDS, FULL_WIDTH, alert_lines, fit, movers

S = 1_000_000_000
AT = 1_795_188_867 * S  # Friday 2026-11-20 10:34:27 in New York
DASH = "\N{EN DASH}"


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        (show.price, 7.423, "7.42"),
        (show.price, 0.12345, "0.1235"),
        (show.price, 1.0, "1.00"),
        (show.price, 12345.678, "12345.68"),
        (show.percent, 0.387, "+38.7"),
        (show.percent, -0.006, "-0.6"),
        (show.percent, -0.0001, "+0.0"),
        (show.percent, 0.0, "+0.0"),
        (show.basis_points, 0.0027, "27"),
        (show.basis_points, 0.00034, "3.4"),
        (show.quantity, 18_400_000, "18.4M"),
        (show.quantity, 412_345, "412K"),
        (show.quantity, 999_499, "999K"),
        (show.quantity, 999_950, "1.00M"),
        (show.quantity, 1_234, "1.23K"),
        (show.quantity, 999.6, "1.00K"),
        (show.quantity, 42, "42"),
        (show.quantity, 0.74, "0.74"),
        (show.quantity, 0, "0"),
        (show.quantity, 2.5e9, "2.50B"),
        (show.quantity, -1_500, "-1.50K"),
        (show.age, 0.24, "0.2s"),
        (show.age, 45.3, "45s"),
        (show.age, 125, "2m"),
        (show.age, 7_300, "2h"),
        (show.age, 200_000, "2d"),
        (show.position, 0.0, "···"),
        (show.position, 0.1, "■··"),
        (show.position, 1.0, "■■■"),
    ],
)
def test_figures(function: object, value: float, text: str) -> None:
    assert callable(function)
    assert function(value) == text


@pytest.mark.parametrize(
    "function", [show.price, show.percent, show.basis_points, show.quantity, show.age, show.position]
)
def test_undefined_is_a_dash(function: object) -> None:
    assert callable(function)
    assert [function(None), function(math.nan)] == [DASH, DASH]


@given(st.floats(1, 9.99e14))
def test_quantities_have_three_digits_and_are_near(value: float) -> None:
    text = show.quantity(value)
    assert len(text) <= 5
    factor = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}.get(text[-1], 1)
    assert float(text.rstrip("KMBT")) * factor == pytest.approx(value, rel=0.0051)


def test_hue_is_sign_and_strength_is_intensity() -> None:
    assert [show.intensity(value, 0.08) for value in (0.001, 0.01, 0.02, -0.04, 0.5)] == [0, 1, 2, 3, 4]
    assert show.sign_style(0.5, 0.1) != show.sign_style(0.001, 0.1) != show.sign_style(-0.001, 0.1)
    assert show.sign_style(math.nan, 0.1) == show.sign_style(0, 0.1) == ""


class Table(dict[str, np.ndarray]):
    """What `Engine.table` returns, as far as the screen looks."""


def table(count: int, seed: int = 1) -> Table:
    random = np.random.default_rng(seed)
    scales = dict.fromkeys(FIELDS, 0.1) | {"last": 300, "volume": 3e6, "dollar_volume": 5e7, "last_age": 90}
    columns = Table(symbol=np.array([f"SYM{i:03d}" for i in range(count)]))
    for field in FIELDS:
        columns[field] = np.abs(random.standard_normal(count)) * scales[field]
        columns[field][random.random(count) < 0.1] = np.nan
    return columns


def view(alerts: int = 0, **changes: object) -> View:
    feed = AlertFeed()
    for number in range(alerts):
        feed.add(
            Alert(
                id=str(number),
                rule=f"r{number % 7}",
                title="A title that is rather long" if number % 3 else "Short",
                severity=("low", "medium", "high")[number % 3],
                symbol=f"SYM{number % 11:03d}",
                ts_event=AT + number * S,
                price=None if number % 5 == 0 else 12.5,
                change=0.031,
                volume=1e6,
                firing=1,
                shown=(("change(1m)", 0.02), ("spread_bps", None)),
            )
        )
    values = {"venue": "massive.stocks", "now_ns": AT, "state": "live", "movers": movers(table(60)), "alerts": feed}
    return View(**(values | changes))  # type: ignore[arg-type]


def lines(shown: View, width: int, height: int) -> list[str]:
    return draw(shown, Clock(shown.venue), width, height).plain.split("\n")


@given(st.integers(20, 200), st.integers(8, 60), st.integers(0, 60))
def test_a_drawing_fills_the_screen_and_no_more(width: int, height: int, alerts: int) -> None:
    drawn = lines(view(alerts), width, height)
    assert len(drawn) == height
    assert max(map(len, drawn)) <= width


def test_a_wide_screen_shows_every_column_beside_the_alerts() -> None:
    drawn = lines(view(20, lag_ns=38_000_000, events_per_s=20_123.4, symbols=500, rules=8), 120, 36)
    assert drawn[0].strip() == (
        "massive.stocks | REG 10:34:27 ET open+1:04 | feed live | lag 38ms | 20.1K ev/s | 500 sym 8 rules"
        " | gap 0 drop 0"
    )
    assert all(column.title in drawn[2] for column in COLUMNS)
    assert drawn[2].rstrip().endswith("│ ALERTS")
    assert drawn[3].endswith("│ 10:34:46 • SYM008  A title that is rather lon")
    assert "20 alerts" in drawn[-1]


def test_eighty_columns_show_the_alerts_below() -> None:
    drawn = lines(view(5), 80, 24)
    heading = next(row for row, line in enumerate(drawn) if line.startswith("ALERTS"))
    assert drawn[heading + 1].startswith("10:34:31 • SYM004  A title")
    assert "x" not in drawn[heading + 1]
    assert drawn[2].split()[:4] == ["#", "SYM", "LAST", "CHG%"]


def test_figures_are_whole_or_absent() -> None:
    shown = view(1)
    seen = {alert_lines(shown.alerts, width, 1)[0].plain[19:] for width in range(19, 80)}
    cut = {"Short"[:length] for length in range(5)}
    whole = ["Short", f" {DASH}", " +3.1%", "  change(1m) +2.0%", f"  spread_bps {DASH}"]
    assert seen - cut - {""} == {"".join(whole[:count]) for count in range(1, 6)}


def test_repeats_carry_their_number() -> None:
    shown = view(1)
    first = next(iter(shown.alerts)).alert
    shown.alerts.add(first)
    assert any(line.startswith("10:34:27 · SYM000  Short x2") for line in lines(shown, 60, 20))


def test_a_lost_feed_says_why() -> None:
    drawn = lines(view(state="reconnecting", detail="the venue closed"), 100, 20)
    assert "feed reconnecting: the venue closed" in drawn[0]


def test_a_warning_takes_the_last_line() -> None:
    assert lines(view(note="a hook took\n 5 ms"), 60, 12)[-1] == " a hook took 5 ms"


def test_columns_leave_by_importance() -> None:
    assert fit(FULL_WIDTH) == COLUMNS
    assert [column.title for column in fit(30)] == ["LAST", "CHG%"]
    assert [column.title for column in fit(0)] == ["LAST"]


def test_movers_are_sorted_with_undefined_last_and_ties_in_order() -> None:
    columns = table(6)
    columns["change"] = np.array([0.01, np.nan, 0.05, 0.01, -0.2, 0.05])
    assert [row.symbol for row in movers(columns)] == ["SYM002", "SYM005", "SYM000", "SYM003", "SYM004", "SYM001"]
    assert len(movers(columns, most=2)) == 2
    assert movers(table(0)) == []


@pytest.mark.parametrize(
    ("venue", "at", "text"),
    [
        ("massive.stocks", 0, "--:--:--"),
        ("massive.stocks", AT, "REG 10:34:27 ET open+1:04"),
        ("massive.stocks", AT - 3_600 * S * 2, "PRE 08:34:27 ET open-0:55"),
        ("massive.stocks", AT + 3_600 * S * 7, "POST 17:34:27 ET close+1:34"),
        ("massive.stocks", AT + 3_600 * S * 12, "CLOSED 22:34:27 ET"),
        ("massive.stocks", AT + 86_400 * S, "CLOSED 10:34:27 ET"),
        ("binance.usdm", AT, "24h 15:34:27 UTC"),
    ],
)
def test_the_clock_knows_the_session(venue: str, at: int, text: str) -> None:
    assert Clock(venue).text(at) == text


@pytest.mark.parametrize("colour", [True, False])
def test_the_screen_gives_the_terminal_back(*, colour: bool) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=90, height=20, no_color=not colour, color_system="256")
    with Screen("massive.stocks", console) as screen:
        screen.show(view(4))
    text = out.getvalue()
    assert "\x1b[?1049h" in text
    assert text.rstrip().endswith(("\x1b[?1049l", "\x1b[?25h"))
    assert ("38;5;" in text) is colour
    assert "SYM000" in text
