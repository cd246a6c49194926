//! Bad rules. `bad_rules.txt` holds, block by block, exactly what the author of a rule must read; as the text of
//! the rule is the second line of its block, a block is input and expected output at once.

use proptest::prelude::*;
use ringtape_engine::rule::{DEPTH_MAX, NODES_MAX, RULES_MAX, RuleError, RuleSource, TEXT_MAX, WINDOWS_MAX, compile};

/// A sound rule but for one text under one key.
fn source(key: &str, text: &str) -> RuleSource {
    let mut source = RuleSource::new("r", "last > 1");
    match key {
        "id" => text.clone_into(&mut source.id),
        "when" => text.clone_into(&mut source.when),
        "rearm" => source.rearm = Some(text.to_owned()),
        "on" => source.on = Some(text.to_owned()),
        "cooldown" => source.cooldown = Some(text.to_owned()),
        "severity" => source.severity = Some(text.to_owned()),
        "show" => source.show = vec![text.to_owned()],
        _ => panic!("no key {key}"),
    }
    source
}

fn errors(text: &str) -> Vec<RuleError> {
    compile(&[source("when", text)]).err().unwrap_or_default()
}

fn shown(errors: &[RuleError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_mistake_has_its_place_and_its_remedy() {
    let mut wrong = Vec::new();
    let blocks: Vec<&str> = include_str!("bad_rules.txt").trim_end().split("\n\n").collect();
    for block in &blocks {
        let mut lines = block.lines();
        let key = lines.next().and_then(|head| head.split(['.', ':']).nth(1)).unwrap_or_default();
        let text = lines.next().and_then(|text| text.strip_prefix("  ")).unwrap_or_default();
        let got = shown(&compile(&[source(key, text)]).err().unwrap_or_default());
        if got != *block {
            wrong.push(format!("expected\n{block}\ngot\n{got}\n"));
        }
    }
    assert!(blocks.len() >= 120, "{}", blocks.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_long_line_is_shown_around_its_caret() {
    let found = errors(&format!("last > 1 {} and volme > 1{}", "and bid > 1 ".repeat(30), " and ask > 1".repeat(30)));
    let shown = found[0].to_string();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!((found[0].column, lines[1].len()), (375, 122));
    assert_eq!(lines[1].find("volme"), lines[2].find('^'));
    assert_eq!(errors(&format!("last > {}", "9".repeat(400)))[0].reason, "the number is too large");
}

#[test]
fn an_empty_text_is_refused() {
    for text in ["", " ", "\n\t\r\n"] {
        assert_eq!(errors(text).len(), 1, "{text:?}");
        assert_eq!(errors(text)[0].reason, "the text is empty");
    }
}

#[test]
fn the_caret_stands_in_its_own_line() {
    let text = "last > 3   # läuft\n  and volme > 5\r\n\tand bid > 3%";
    assert_eq!(
        shown(&errors(text)),
        "r.when:2:7: unknown field\n    and volme > 5\n        ^^^^^ did you mean volume or volume(w)?\n\
         r.when:3:12: unit mismatch: bid is a price, 3% is a ratio\n   and bid > 3%\n             ^^"
    );
}

#[test]
fn characters_outside_ascii_are_refused_with_their_column() {
    let cases = [
        ("last\0 > 3", 5, "character U+0000 is not allowed"),
        ("last > \u{202E}3", 8, "character U+202E is not allowed"),
        ("last\u{A0}> 3", 5, "character U+00A0 is not allowed"),
        ("lаst > 3", 2, "character U+0430 is not allowed"),
        ("last > ３", 8, "character U+FF13 is not allowed"),
        ("last > 3 # \u{202E}hidden", 12, "character U+202E is not allowed"),
        ("last > 3 # \u{1b}[2J", 12, "character U+001B is not allowed"),
        ("last > 3\u{7f}", 9, "character U+007F is not allowed"),
        ("last \u{FEFF}> \u{1F4C8}", 6, "character U+FEFF is not allowed"),
    ];
    for (text, column, reason) in cases {
        let first = &errors(text)[0];
        assert_eq!((first.column, first.reason.as_str()), (column, reason), "{text:?}");
        let printed = first.to_string();
        assert!(printed.chars().all(|c| c == '\n' || !c.is_control()), "{printed:?}");
        assert!(!printed.contains('\u{202E}'));
    }
    assert!(errors("last > 3 # préis ≥ 3 价格").is_empty());
}

#[test]
fn limits_end_in_one_message() {
    let brackets = "(".repeat(10_000);
    let chain = vec!["last > 1"; 171].join(" and ");
    let cases = [
        (brackets.clone(), "the text has 10000 bytes, the limit is 4096", TEXT_MAX + 1),
        (brackets[..4096].to_owned(), "nested deeper than 32", DEPTH_MAX + 1),
        (format!("{}last > 1", "not ".repeat(1000)), "nested deeper than 32", 4 * DEPTH_MAX + 1),
        (format!("{}last", "abs(".repeat(1000)), "nested deeper than 32", 4 * DEPTH_MAX + 4),
        (chain.clone(), "more than 512 operators and operands", 1672),
    ];
    for (text, reason, column) in cases {
        let found = errors(&text);
        assert_eq!(found.len(), 1, "{}", shown(&found));
        assert_eq!((found[0].reason.as_str(), found[0].column), (reason, column));
        assert!(found[0].to_string().lines().all(|line| line.len() < 200));
    }
    assert_eq!(NODES_MAX, 512);
    assert!(errors(&chain[..chain.len() - " and last > 1".len() * 43]).is_empty(), "128 terms fit");
    let deepest = format!("{}last > 1{}", "(".repeat(DEPTH_MAX), ")".repeat(DEPTH_MAX));
    assert!(errors(&deepest).is_empty());
}

#[test]
fn windows_are_counted_over_the_whole_set() {
    let mut sources: Vec<RuleSource> =
        (1..=WINDOWS_MAX).map(|s| RuleSource::new(format!("r{s}"), format!("volume({s}s) > 1"))).collect();
    assert_eq!(compile(&sources).map(|set| set.windows().len()), Ok(WINDOWS_MAX));
    sources.push(RuleSource::new("again", "high(7s) > low(9s)"));
    assert!(compile(&sources).is_ok());
    sources.push(RuleSource::new("more", "last > 1 and high(20m) > 1"));
    let found = compile(&sources).unwrap_err();
    assert_eq!(found[0].to_string().lines().next(), Some("more.when:1:14: window 20m is one too many"));
    sources.pop();
    sources[0].show = vec!["change(25m)".to_owned()];
    assert_eq!(compile(&sources).unwrap_err().len(), 1);
}

#[test]
fn ids_are_unique_and_rules_are_limited() {
    let twice = [RuleSource::new("a", "last > 1"), RuleSource::new("a", "last > 3%")];
    let found = compile(&twice).unwrap_err();
    assert_eq!(found.iter().map(|e| (e.key, e.column)).collect::<Vec<_>>(), [("id", 1), ("when", 8)]);
    let many: Vec<RuleSource> = (0..=RULES_MAX).map(|n| RuleSource::new(format!("r{n}"), "last > 1")).collect();
    assert_eq!(compile(&many).unwrap_err().len(), 1);
    assert!(compile(&many[1..]).is_ok());
    for id in ["", "A", "a b", "é", "a-b", &"x".repeat(65)] {
        assert!(compile(&[RuleSource::new(id, "last > 1")]).is_err(), "{id}");
    }
}

#[test]
fn at_most_twenty_mistakes_of_a_text_are_told() {
    let text = vec!["x"; 100].join(" and ");
    assert_eq!(errors(&text).len(), 20);
}

const PIECES: &[&str] = &[
    "last",
    "bid",
    "change",
    "change(5m)",
    "volume(",
    "1",
    "3%",
    "30bp",
    "5m",
    "5M",
    "..",
    "(",
    ")",
    ",",
    "and",
    "or",
    "not",
    "in",
    "is",
    "undefined",
    "crosses_above",
    "crosses",
    "prev(",
    "abs(",
    "min(",
    "coalesce(",
    "<",
    "<=",
    ">",
    "==",
    "+",
    "-",
    "*",
    "/",
    "[",
    "]",
    "@",
    "=",
    "\"a\"",
    "#",
    "\n",
    "\0",
    "é",
    "20t",
    "09:30",
    "rank(",
    "true",
    " ",
    "x",
    "_",
    "!",
    "&&",
];

proptest! {
    /// Whatever the text: no panic, and every message points into the text.
    #[test]
    fn any_text_gives_a_verdict(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60), glue in "[ ]?") {
        check_places(&pieces.join(&glue))?;
    }

    #[test]
    fn any_characters_give_a_verdict(text in "\\PC{0,80}|[ -~\n\t]{0,80}") {
        check_places(&text)?;
    }
}

fn check_places(text: &str) -> Result<(), TestCaseError> {
    for error in errors(text) {
        let line = text.split('\n').nth(error.line - 1);
        prop_assert!(line.is_some(), "{error}");
        prop_assert!(error.column <= line.map_or(0, |line| line.chars().count() + 1), "{error}");
        prop_assert!(text.get(error.span.0..error.span.1).is_some());
        prop_assert_eq!(error.to_string().lines().count(), 3);
    }
    Ok(())
}
