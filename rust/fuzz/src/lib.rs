//! What every target checks: all levels of instructions agree, whatever they learned before, and another reader of JSON
//! gives the same verdict.

use std::cell::RefCell;

use ringtape_model::Venue;
use ringtape_wire::{DecodeError, ErrorKind, Level, Staging, decode_with};

thread_local! {
    /// A decoder for each level that has read all frames before.
    static SEASONED: RefCell<[Staging; 3]> = RefCell::default();
    /// One for fresh looks, which is emptied of all it learned each time.
    static WANTED: RefCell<Staging> = RefCell::default();
}

/// Decodes a frame in every way, holds the ways against each other and hands what was read to `look`.
pub fn check(venue: Venue, frame: &[u8], look: impl FnOnce(Result<(), DecodeError>, &Staging)) {
    WANTED.with_borrow_mut(|want| {
        *want = Staging::default();
        let verdict = decode_with(Level::Scalar, venue, frame, want);
        let said = words(verdict, frame, want);
        SEASONED.with_borrow_mut(|seasoned| {
            for (level, out) in Level::ALL.into_iter().filter(|level| *level <= Level::best()).zip(seasoned) {
                let got = decode_with(level, venue, frame, out);
                assert_eq!(words(got, frame, out), said, "{level:?}");
            }
        });
        same_verdict(frame, verdict);
        look(verdict, want);
    });
}

/// All that was read, in words; those of a rejected frame are few.
fn words(verdict: Result<(), DecodeError>, frame: &[u8], out: &Staging) -> String {
    if let Err(error) = verdict {
        assert!(out.entries.is_empty() && out.control.is_empty() && out.skipped.is_empty());
        return error.to_string();
    }
    let names: Vec<_> = out.entries.iter().map(|entry| (entry.kind, out.name(frame, entry))).collect();
    format!(
        "{names:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        out.trades, out.quotes, out.bars, out.marks, out.plain, out.control, out.skipped
    )
}

/// Our verdict is that of a general reader, save for limits of our own.
fn same_verdict(frame: &[u8], verdict: Result<(), DecodeError>) {
    use ErrorKind::{BadNumber, FrameTooLarge, TooDeep, TooManyEvents};
    let other = serde_json::from_slice::<serde_json::Value>(frame);
    match verdict {
        Ok(()) => assert!(other.is_ok(), "accepted, and serde_json says {other:?}"),
        Err(DecodeError { kind: TooDeep | FrameTooLarge | TooManyEvents, .. }) => {}
        // A bare number too large for a double is sound for others.
        Err(DecodeError { kind: BadNumber, offset }) if is_digit_or_minus(frame, offset) && other.is_ok() => {}
        Err(error) => assert!(other.is_err(), "rejected, and serde_json accepts: {error}"),
    }
}

fn is_digit_or_minus(frame: &[u8], at: usize) -> bool {
    frame.get(at).is_some_and(|byte| matches!(byte, b'-' | b'0'..=b'9'))
}
