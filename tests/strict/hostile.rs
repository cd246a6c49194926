//! The hostile set of `tests/fixtures/hostile.txt`: each frame to its stated end, everywhere, and cut at every byte.

use std::collections::HashMap;
use std::path::Path;

use ringtape::model::Venue;
use ringtape::wire::{DecodeError, Level, Staging};

use super::{Guarded, everywhere, head, machine, read, said};

struct Case {
    venues: Vec<Venue>,
    outcome: String,
    label: String,
    frame: Vec<u8>,
}

/// Frames up to this length are cut at every byte.
const CUT_MAX: usize = 600;

fn cases() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hostile.txt");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut names = HashMap::new();
    let mut cases = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some((name, value)) = line.strip_prefix('$').and_then(|line| line.split_once(" = ")) {
            names.insert(format!("<${name}>"), value.to_owned());
            continue;
        }
        let mut parts = line.splitn(4, " | ").map(str::to_owned);
        let mut part = || parts.next().unwrap_or_else(|| panic!("four parts: {line}"));
        let (venue, outcome, label, frame) = (part(), part(), part(), part());
        let frame = names.iter().fold(frame, |frame, (name, value)| frame.replace(name, value));
        let mut rest = frame.as_str();
        let frame = expand(&mut rest, false);
        let venues = match venue.as_str() {
            "both" => vec![Venue::MassiveStocks, Venue::BinanceUsdm],
            market => Venue::ALL.into_iter().filter(|venue| venue.name().ends_with(market)).collect(),
        };
        assert!(!venues.is_empty(), "{line}");
        cases.push(Case { venues, outcome, label, frame });
    }
    assert!(cases.len() >= 200, "the hostile set holds at least 200 frames");
    cases
}

/// The bytes that a text of the file stands for, up to its end or to the `>` of a repetition.
fn expand(rest: &mut &str, inside: bool) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(first) = rest.chars().next() {
        *rest = &rest[1..];
        match first {
            '>' if inside => break,
            '<' => {
                let (times, tail) = rest.split_once('*').unwrap_or(("", rest));
                if let Ok(times) = times.parse() {
                    *rest = tail;
                    out.extend(expand(rest, true).repeat(times));
                } else {
                    let (bytes, tail) = rest.split_once('>').expect("bytes end with >");
                    *rest = tail;
                    out.extend(bytes.split(' ').map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal")));
                }
            }
            _ => out.push(u8::try_from(first).expect("the file is ASCII")),
        }
    }
    out
}

/// What a frame came to, as the file says it.
fn outcome(verdict: Result<(), DecodeError>, out: &Staging) -> [Vec<String>; 2] {
    if let Err(error) = verdict {
        return [vec![format!("reject {} {}", error.kind.name(), error.offset)], vec![]];
    }
    let events = out.entries.iter().map(|entry| format!("{:?}", entry.kind).to_lowercase());
    let control = out.control.iter().map(|_| "control".to_owned());
    let skips = out
        .skipped
        .iter()
        .map(|skip| format!("skip {} {}", skip.reason.name(), if skip.key.is_empty() { "-" } else { skip.key }));
    [events.chain(control).collect(), skips.collect()]
}

fn expected(outcome: &str) -> [Vec<String>; 2] {
    let parts = outcome.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned);
    let (skips, events) = parts.partition(|part: &String| part.starts_with("skip"));
    [events, skips]
}

#[test]
fn every_frame_comes_to_its_stated_end_everywhere() {
    let mut guarded = Guarded::new(9 << 20);
    let mut out = Staging::default();
    for case in cases() {
        for &venue in &case.venues {
            let verdict = everywhere(venue, &case.frame, &mut guarded);
            let again = read(Level::Scalar, venue, &case.frame, &mut out);
            assert_eq!(again, verdict);
            if let Some(rest) = case.outcome.strip_prefix("many ") {
                let (count, reason) = rest.split_once(' ').expect("a count and a reason");
                assert_eq!(out.skipped.len().to_string(), count, "{}", case.label);
                assert!(out.skipped.iter().all(|skip| skip.reason.name() == reason), "{}", case.label);
            } else {
                let got = outcome(verdict, &out);
                assert_eq!(got, expected(&case.outcome), "{}: {}", case.label, head(&case.frame));
            }
        }
    }
}

#[test]
fn every_frame_is_cut_at_every_byte() {
    let mut guarded = Guarded::new(CUT_MAX);
    let mut out = Staging::default();
    for case in cases().iter().filter(|case| case.frame.len() <= CUT_MAX) {
        for &venue in &case.venues {
            for cut in 0..case.frame.len() {
                let frame = &case.frame[..cut];
                let verdict = read(Level::Scalar, venue, frame, &mut out);
                let want = said(verdict, frame, &out);
                for level in machine() {
                    let frame = guarded.at_end(frame);
                    let got = read(level, venue, frame, &mut out);
                    assert_eq!(said(got, frame, &out), want, "{level:?}, {} cut at {cut}: {}", case.label, head(frame));
                }
            }
        }
    }
}

/// What fuzzing and the oracle found once, by venue: `tests/fixtures/regressions/<venue>/<what>`.
#[test]
fn every_finding_is_read_alike_everywhere() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/regressions");
    let mut guarded = Guarded::new(1 << 20);
    let mut found = 0;
    for venue in Venue::ALL {
        let Ok(entries) = std::fs::read_dir(folder.join(venue.name())) else { continue };
        for entry in entries.flatten() {
            let frame = std::fs::read(entry.path()).expect("a readable file");
            let _ = everywhere(venue, &frame, &mut guarded);
            found += 1;
        }
    }
    assert!(found > 0, "{} holds findings", folder.display());
}
