//! Hostile input at every level of instructions that this machine has, wherever it lies in memory.

mod guard;
mod hostile;
mod numbers;
mod suite;

use std::path::{Path, PathBuf};

use guard::Guarded;
use ringtape::model::Venue;
use ringtape::wire::{self, DecodeError, Level, Staging};

/// The levels of instructions that this machine has.
fn machine() -> Vec<Level> {
    Level::ALL.into_iter().filter(|level| *level <= Level::best()).collect()
}

/// A frame read at one level.
fn read(level: Level, venue: Venue, frame: &[u8], out: &mut Staging) -> Result<(), DecodeError> {
    wire::decode_with(level, venue, frame, out)
}

/// All that was read, in words.
fn said(read: Result<(), DecodeError>, frame: &[u8], out: &Staging) -> String {
    let names: Vec<_> = out.entries.iter().map(|entry| (entry.kind, out.name(frame, entry))).collect();
    format!(
        "{read:?} {names:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        out.trades, out.quotes, out.bars, out.marks, out.plain, out.control, out.skipped
    )
}

/// Largest frame that is laid out in all places; larger ones are laid before and behind a forbidden page only.
const EVERYWHERE: usize = 4_096;

/// Reads a frame at each level, at 64 alignments among odd bytes, then before and behind a forbidden page,
/// the former at 64 alignments of its own where blanks may stand before it; all must say the same. Gives what they say.
fn everywhere(venue: Venue, frame: &[u8], guarded: &mut Guarded) -> Result<(), DecodeError> {
    let mut out = Staging::default();
    let verdict = read(Level::Scalar, venue, frame, &mut out);
    let want = said(verdict, frame, &out);
    for level in machine() {
        let mut check = |frame: &[u8]| {
            let got = read(level, venue, frame, &mut out);
            assert_eq!(said(got, frame, &out), want, "{level:?}: {}", head(frame));
        };
        check(guarded.at_end(frame));
        check(guarded.at_start(frame));
        if frame.len() > EVERYWHERE {
            continue;
        }
        // What stands around a frame must not matter: the buffer is full of what would end or lengthen a token.
        for around in [b'"', b'7', b' ', b'}', 0xFF] {
            let mut room = vec![around; frame.len() + 256];
            let first = room.as_ptr().align_offset(64);
            for shift in (0..64).skip(usize::from(around) % 2).step_by(2) {
                let place = first + 64 + shift..first + 64 + shift + frame.len();
                room[place.clone()].copy_from_slice(frame);
                check(&room[place.clone()]);
                room[place].fill(around);
            }
        }
        for blanks in 1..64 {
            let shifted = [&b" ".repeat(blanks)[..], frame].concat();
            let got = read(level, venue, guarded.at_end(&shifted), &mut out);
            assert_eq!(got.map_err(|error| error.kind), verdict.map_err(|error| error.kind), "{}", head(frame));
        }
    }
    verdict
}

/// The beginning of a frame, for messages.
fn head(frame: &[u8]) -> String {
    String::from_utf8_lossy(&frame[..frame.len().min(300)]).into_owned()
}

/// The folder of facts and captures beside the project; tests that need it say so when it is missing.
fn shared(path: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path);
    assert!(folder.exists(), "{} is expected beside the project", folder.display());
    folder
}
