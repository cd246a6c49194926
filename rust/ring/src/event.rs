//! Event rings: records in order, one writer that never waits, any number of readers that may lose the oldest.
//!
//! ```text
//! | intent | ... | published | ... | slot 0 | slot 1 | ... | slot capacity-1 |      slot = one record
//! ```
//! Record number n lives in slot n & (capacity - 1). Order of writes: intent, payload, published. A reader
//! copies records below `published` and then looks at `intent`: record n is whole while `intent <= n + capacity`.
//!
//! INVARIANT: `published <= intent`; both only go up, past 2^64 to 0, so a lap is one wrapping subtraction.

use crate::Words;
use crate::sync::{AtomicU64, Ordering, fence};
use crate::words::put;

/// The two counters, a cache line apart from each other and from the records.
const INTENT: usize = 0;
const PUBLISHED: usize = 8;
const HEADER: usize = 16;

/// A ring. Cloning gives a handle for readers; only the owner of the engine pushes.
#[derive(Clone)]
pub struct EventRing {
    words: Words,
    capacity: usize,
    record: usize,
}

/// What a read gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Got {
    /// Records appended.
    pub count: usize,
    /// Records that were overwritten before they could be read.
    pub lost: u64,
}

impl EventRing {
    /// A ring for at least `capacity` records of `record` words, in memory of its own.
    pub fn new(capacity: usize, record: usize) -> Self {
        Self::over(Words::zeroed(Self::len(capacity, record)), capacity, record).prepared()
    }

    /// Words that such a ring takes.
    pub const fn len(capacity: usize, record: usize) -> usize {
        HEADER + Self::slots(capacity) * record
    }

    const fn slots(capacity: usize) -> usize {
        if capacity < 2 { 2 } else { capacity.next_power_of_two() }
    }

    /// The same ring over as many words, which are zero or a ring of these sizes already.
    pub fn over(words: Words, capacity: usize, record: usize) -> Self {
        debug_assert_eq!(words.len(), Self::len(capacity, record));
        Self { words, capacity: Self::slots(capacity), record }
    }

    /// For its writer: all of it is written sooner or later, and a feed should not wait for pages.
    #[must_use]
    pub fn prepared(self) -> Self {
        let words = self.words.large();
        words.warm(0, words.len());
        Self { words, ..self }
    }

    /// Words of one record.
    pub fn record_words(&self) -> usize {
        self.record
    }

    /// Writes a record behind the last one; readers see it after [`EventRing::publish`]. Single writer only.
    #[inline]
    pub fn push<const N: usize>(&self, record: &[u64; N]) {
        self.writer().push(record);
    }

    /// The same where the length is not known beforehand.
    #[inline]
    pub fn push_words(&self, record: &[u64]) {
        self.writer().push(record);
    }

    /// The place behind the last record, for a run of pushes. Single writer only: one at a time.
    #[inline]
    pub fn writer(&self) -> EventWriter<'_> {
        let number = self.words.word(INTENT).load(Ordering::Relaxed);
        EventWriter { words: self.words.all(), mask: self.capacity - 1, record: self.record, number }
    }

    /// Shows everything pushed so far. Single writer only.
    #[inline]
    pub fn publish(&self) {
        let intent = self.words.word(INTENT).load(Ordering::Relaxed);
        // ORDERING: Release; pairs with the Acquire in `read`.
        self.words.word(PUBLISHED).store(intent, Ordering::Release);
    }

    /// Number of records published since the start.
    pub fn published(&self) -> u64 {
        self.words.word(PUBLISHED).load(Ordering::Acquire)
    }

    /// A reader that starts with the next record to be published.
    pub fn reader(&self) -> EventReader {
        EventReader { next: self.published(), ring: self.clone() }
    }

    #[inline]
    fn slot(&self, number: u64) -> usize {
        slot(number, self.capacity - 1, self.record)
    }
}

/// First word of a record's slot.
#[inline]
const fn slot(number: u64, mask: usize, record: usize) -> usize {
    HEADER + (number as usize & mask) * record
}

/// The writer's place in a ring.
pub struct EventWriter<'a> {
    words: &'a [AtomicU64],
    mask: usize,
    record: usize,
    number: u64,
}

impl EventWriter<'_> {
    /// Writes a record behind the last one.
    #[inline(always)]
    pub fn push(&mut self, record: &[u64]) {
        debug_assert_eq!(record.len(), self.record);
        let at = slot(self.number, self.mask, record.len());
        self.number = self.number.wrapping_add(1);
        self.words[INTENT].store(self.number, Ordering::Relaxed);
        // ORDERING: Release fence; a reader that copies any of these words also sees the raised intent.
        fence(Ordering::Release);
        put(&self.words[at..at + record.len()], record);
    }
}

/// A reader's place in a ring.
#[derive(Clone)]
pub struct EventReader {
    ring: EventRing,
    next: u64,
}

impl EventReader {
    /// Appends up to `most` whole records to `out`, oldest first, and counts what was overwritten. Never waits.
    pub fn read(&mut self, out: &mut Vec<u64>, most: usize) -> Got {
        let ring = &self.ring;
        let capacity = ring.capacity as u64;
        let behind = self.behind();
        let missed = behind.saturating_sub(capacity);
        let first = self.next.wrapping_add(missed);
        let count = (behind - missed).min(most as u64);
        let start = out.len();
        out.resize(start + count as usize * ring.record, 0);
        for (place, into) in (0..count).zip(out[start..].chunks_exact_mut(ring.record)) {
            ring.words.get(ring.slot(first.wrapping_add(place)), into);
        }
        // ORDERING: Acquire fence; the copies stay before the look at the intent.
        fence(Ordering::Acquire);
        let intent = ring.words.word(INTENT).load(Ordering::Relaxed);
        let torn = intent.wrapping_sub(first).saturating_sub(capacity).min(count);
        out.drain(start..start + torn as usize * ring.record);
        self.next = first.wrapping_add(count);
        Got { count: (count - torn) as usize, lost: missed + torn }
    }

    /// Number of records published and not read yet, overwritten ones included.
    pub fn behind(&self) -> u64 {
        let ahead = self.ring.published().wrapping_sub(self.next);
        // Less than was read is a file which none of ours has written; no writer gets half the numbers ahead.
        if ahead > u64::MAX / 2 { 0 } else { ahead }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lapped_reader_is_told() {
        let ring = EventRing::new(4, 1);
        let mut reader = ring.reader();
        for value in 0..10 {
            ring.push(&[value]);
        }
        let mut out = Vec::new();
        assert_eq!(reader.read(&mut out, 100), Got { count: 0, lost: 0 });
        ring.publish();
        assert_eq!(reader.read(&mut out, 3), Got { count: 3, lost: 6 });
        assert_eq!(reader.read(&mut out, 100), Got { count: 1, lost: 0 });
        assert_eq!(out, [6, 7, 8, 9]);
    }

    #[test]
    fn records_are_whole_and_every_loss_is_counted() {
        const RECORDS: u64 = 300_000;
        let ring = EventRing::new(64, 4);
        let mut reader = ring.reader();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for value in 0..RECORDS {
                    ring.push(&[value; 4]);
                    ring.publish();
                }
            });
            let (mut expected, mut lost, mut got) = (0, 0, 0);
            let mut out = Vec::new();
            while expected < RECORDS {
                out.clear();
                let read = reader.read(&mut out, 17);
                expected += read.lost;
                for record in out.chunks_exact(4) {
                    assert_eq!(record, [expected; 4]);
                    expected += 1;
                }
                lost += read.lost;
                got += read.count as u64;
            }
            assert_eq!(lost + got, RECORDS);
        });
    }
}
