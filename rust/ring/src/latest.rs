//! The latest table: one fixed-size row a symbol behind a sequence number.
//!
//! ```text
//! row:  | sequence | payload word 0 | payload word 1 | ... |      stride = 1 + payload words, to whole cache lines
//! ```
//! The sequence is even at rest and odd while the writer is inside. Write: odd → payload → even. Read: even →
//! payload → the same even number, else again.

use crate::sync::{AtomicU64, Ordering, fence};
use crate::words::{prefetch, put};
use crate::{Words, wait};

/// Words of a cache line.
const LINE: usize = 8;

/// Rows whose memory is asked for together.
const ROWS: usize = 256;

/// The table. Cloning gives another reader; only the owner of the engine writes.
#[derive(Clone)]
pub struct Latest {
    words: Words,
    rows: usize,
    stride: usize,
}

impl Latest {
    /// A table of `rows` rows of `payload` words, all zero.
    pub fn new(rows: usize, payload: usize) -> Self {
        Self::over(Words::zeroed(Self::len(rows, payload)), rows, payload)
    }

    /// Words that such a table takes.
    pub const fn len(rows: usize, payload: usize) -> usize {
        rows * Self::stride(payload)
    }

    const fn stride(payload: usize) -> usize {
        (payload + 1).next_multiple_of(LINE)
    }

    /// The same table over as many words, which are zero or a table of these sizes already.
    pub fn over(words: Words, rows: usize, payload: usize) -> Self {
        debug_assert_eq!(words.len(), Self::len(rows, payload));
        Self { words, rows, stride: Self::stride(payload) }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Changes a row: readers see all that `change` puts into it or nothing. Single writer only.
    #[inline]
    pub fn change(&self, row: usize, change: impl FnOnce(RowWriter<'_>)) {
        let (sequence, payload) = self.words.split(row * self.stride, self.stride);
        let before = sequence.load(Ordering::Relaxed);
        debug_assert_eq!(before % 2, 0, "one writer");
        sequence.store(before.wrapping_add(1), Ordering::Relaxed);
        // ORDERING: Release fence; a reader that sees a payload word of this write also sees the odd sequence.
        fence(Ordering::Release);
        change(RowWriter(payload));
        // ORDERING: Release; pairs with the Acquire in `read`. Whoever sees this number sees the words before it.
        sequence.store(before.wrapping_add(2), Ordering::Release);
    }

    /// A row that will be used from now on; those near it have their memory asked for with it.
    pub fn introduce(&self, row: usize) {
        if row.is_multiple_of(ROWS) {
            self.words.warm(row * self.stride, ROWS.min(self.rows - row) * self.stride);
        }
    }

    /// Asks for the first `words` words of a row, for a writer who will change them soon.
    #[inline(always)]
    pub fn prefetch(&self, row: usize, words: usize) {
        let at = row * self.stride;
        for word in self.words.all()[at..=at + words].iter().step_by(LINE) {
            prefetch(word);
        }
    }

    /// Writes runs of words into a row as one change; `at` counts payload words. Single writer only.
    #[inline]
    pub fn write(&self, row: usize, parts: &[(usize, &[u64])]) {
        self.change(row, |to| {
            for &(at, part) in parts {
                to.put(at, part);
            }
        });
    }

    /// Copies a run of a row's words, whole; gives the row's sequence, 0 for a row never written. `None` if the writer
    /// stayed inside for a tenth of a second, which is a writer that was stopped or died there.
    #[inline]
    pub fn read(&self, row: usize, at: usize, into: &mut [u64]) -> Option<u64> {
        let base = row * self.stride;
        let sequence = self.words.word(base);
        let mut looks = 0;
        loop {
            // ORDERING: Acquire; pairs with the final Release in `write`.
            let before = sequence.load(Ordering::Acquire);
            if before.is_multiple_of(2) {
                self.words.get(base + 1 + at, into);
                // ORDERING: Acquire fence; the payload loads stay before the second look at the sequence.
                fence(Ordering::Acquire);
                if sequence.load(Ordering::Relaxed) == before {
                    return Some(before);
                }
            }
            if !wait(&mut looks) {
                return None;
            }
        }
    }
}

/// The payload of a row while it is changed.
#[derive(Clone, Copy)]
pub struct RowWriter<'a>(&'a [AtomicU64]);

impl RowWriter<'_> {
    /// Stores a run of words; `at` counts payload words.
    #[inline(always)]
    pub fn put(self, at: usize, from: &[u64]) {
        put(&self.0[at..at + from.len()], from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_never_torn() {
        let table = Latest::new(2, 8);
        let reader = table.clone();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut row = [0; 8];
                let mut last = 0;
                while !done.load(Ordering::Relaxed) {
                    let Some(sequence) = reader.read(1, 0, &mut row) else { panic!("stuck writer") };
                    assert!(row.iter().all(|&word| word == row[0]), "{row:?}");
                    assert!(sequence >= last);
                    last = sequence;
                }
            });
            for value in 1..200_000u64 {
                table.write(1, &[(0, &[value; 5]), (5, &[value; 3])]);
            }
            done.store(true, Ordering::Relaxed);
        });
    }
}
