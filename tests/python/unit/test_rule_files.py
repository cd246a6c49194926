"""Rule files: keys, places, and the compiler's messages seen from Python."""

import re
from pathlib import Path

import pytest

from ringtape import errors
from ringtape.scanner import PRESETS, load, preset, read

TWO = """\
# a file
[[rule]]
id = "up"
when = "change(5m) > 3%"
show = ["change(15m)"]

[[rule]]
id = "tight"
title = "Tight spread"
when = '''
spread_bps < 30bp   # thirty
and last > 5
'''
cooldown = "30s"
severity = "high"
"""


def refused(text: str) -> str:
    with pytest.raises(errors.ConfigError) as info:
        read(text, "my.toml")
    assert info.value.source == "my.toml"
    return str(info.value)


def test_a_file_becomes_a_rule_set(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(TWO)
    rules = load(path)
    assert rules.ids == ["up", "tight"]
    assert rules.titles == ["up", "Tight spread"]
    assert rules.severities == ["medium", "high"]
    assert rules.moments == ["trade", "trade"]
    assert rules.show == [["change(15m)"], []]
    assert rules.fields == ["change(5m)", "spread_bps", "last"]
    assert rules.windows == ["5m", "15m"]
    assert len(rules) == 2
    assert repr(rules) == "RuleSet(up, tight)"


@pytest.mark.parametrize("name", PRESETS)
def test_presets_compile(name: str) -> None:
    rules = load(preset(name))
    assert 6 <= len(rules) <= 10
    assert len(rules.windows) <= 8


def test_a_preset_that_does_not_exist_names_the_nearest() -> None:
    with pytest.raises(errors.ConfigError, match="did you mean 'movers'"):
        preset("mover")


def test_mistakes_in_rules_have_carets_and_lines_of_the_file() -> None:
    text = TWO.replace("> 3%", "> 3").replace("last > 5", "lst > 5").replace('"30s"', '"30"')
    with pytest.raises(errors.RuleError) as info:
        read(text, "my.toml")
    assert str(info.value) == (
        "my.toml:4: up.when:1:14: unit mismatch: change(5m) is a ratio, 3 is a plain number\n"
        "  change(5m) > 3\n"
        "               ^ write 3% (ratio(3) would be 300 %)\n"
        "\n"
        "my.toml:12: tight.when:2:5: unknown field\n"
        "  and lst > 5\n"
        "      ^^^ did you mean last, low, low(w) or ask?\n"
        "\n"
        "my.toml:14: tight.cooldown:1:1: not a duration\n"
        "  30\n"
        "  ^^ write a duration such as 30s, 5m or 1h"
    )
    assert info.value.span == (13, 14)
    assert info.value.hint == "write 3% (ratio(3) would be 300 %)"


def test_spans_count_characters() -> None:
    with pytest.raises(errors.RuleError) as info:
        read('[[rule]]\nid = "r"\nwhen = """# é\nlast > lst"""', "my.toml")
    assert info.value.span == (11, 14)
    assert str(info.value).startswith("my.toml:4: r.when:2:8: unknown field")


def test_a_bad_id_is_named_by_number() -> None:
    with pytest.raises(errors.RuleError, match=r"^my.toml:2: rule 1\.id:1:1: not a usable id"):
        read('[[rule]]\nid = "Up!"\nwhen = "last > 1"', "my.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TWO.replace("show", "shwo"), "my.toml:5: unknown key 'shwo'; did you mean 'show'?"),
        (TWO.replace("severity =", "sverity ="), "my.toml:15: unknown key 'sverity'; did you mean 'severity'?"),
        (TWO.replace("severity =", "hold ="), "my.toml:15: not supported yet: hold"),
        (TWO.replace('"tight"', '"up"'), "my.toml:8: the id 'up' is taken by the rule at my.toml:3"),
        (TWO.replace('"30s"', "30"), "my.toml:14: cooldown: Expected text, got a number"),
        (TWO.replace('["change(15m)"]', '"change"'), "my.toml:5: show: Expected a list, got text"),
        (TWO.replace('id = "up"\n', ""), "my.toml:2: the rule lacks the key `id`"),
        (TWO + "[define]\nliquid = 'last > 1'\n", "my.toml:16: not supported yet: [define]"),
        (TWO.replace("# a file", "rules = 1"), "my.toml:1: unknown table 'rules'; did you mean 'rule'?"),
        ("", "my.toml has no rule: write tables headed [[rule]]"),
        ("rule = 3", "my.toml: write each rule as a table headed [[rule]]"),
        ("[rule]\nid = 'x'", "my.toml: write each rule as a table headed [[rule]]"),
    ],
)
def test_keys_are_checked_with_their_line(text: str, message: str) -> None:
    assert refused(text) == message


def test_a_file_that_is_not_toml_says_where() -> None:
    assert re.fullmatch(r"my\.toml is not TOML: .* \(at line 2, column \d+\)", refused("[[rule]]\nid = = 1"))


def test_text_inside_long_values_is_not_taken_for_keys() -> None:
    text = '[[rule]]\nid = "r"\nwhen = """\nlast > 1\n# [[rule]]\n# cooldown = 3\n"""\ncooldown = 5\n'
    assert refused(text) == "my.toml:8: cooldown: Expected text, got a number"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match="No such file"):
        load(tmp_path / "none.toml")
    path = tmp_path / "bad.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(errors.ConfigError, match="not UTF-8 text: byte 0"):
        load(path)
    path.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(errors.ConfigError, match="the limit is 1048576"):
        load(path)
