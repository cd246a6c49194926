//! Where the structure of a short frame stands: one vectored pass before anything of it is understood.
//!
//! Marked are commas before a key (with or without a blank between), opening braces before a key, and closing braces. So
//! every value of objects, nested or not, lies between two marks.
//!
//! Marks are hints: a text may hold such bytes, too. Whoever uses them verifies every byte between two of them.

use super::outline::MARKS;
use super::simd::{Level, Structure};
use crate::staging::SHORT;

/// A mark a byte at most, and room to write and to look past the last.
const ROOM: usize = SHORT + 2 * 64;
/// Bytes that a block looks at behind its own.
pub(crate) const AHEAD: usize = 2;

/// The marks of a short frame.
pub(crate) struct Structures {
    marks: Box<[u32; ROOM]>,
    count: usize,
    /// Those of the first block, a bit each.
    first: u64,
}

impl Structures {
    pub(crate) fn new() -> Self {
        let marks = vec![0; ROOM].into_boxed_slice();
        let marks = marks.try_into().unwrap_or_else(|_| unreachable!("made with that length"));
        Self { marks, count: 0, first: 0 }
    }

    /// Marks a short frame. False if it is not ASCII.
    #[inline(always)]
    pub(crate) fn whole<L: Level>(&mut self, level: L, frame: &[u8]) -> bool {
        // Most frames of one event end in the third or the fourth block, as good as at random.
        let (a, b) = (level.structure_at(frame, 0), level.structure_at(frame, 64));
        let (c, d) = (level.structure_at(frame, 128), level.structure_at(frame, 192));
        let first = a.marks.count_ones() as usize;
        let second = first + b.marks.count_ones() as usize;
        let third = second + c.marks.count_ones() as usize;
        self.write(level, 0, a.marks, 0);
        self.write(level, first, b.marks, 64);
        self.write(level, second, c.marks, 128);
        self.write(level, third, d.marks, 192);
        (self.first, self.count) = (a.marks, third + d.marks.count_ones() as usize);
        let (mut base, mut high) = (256, a.high | b.high | c.high | d.high);
        while base < frame.len() {
            high |= self.note(level, base as u32, level.structure_at(frame, base));
            base += 64;
        }
        high == 0
    }

    /// The marks of the first block of a short frame, a bit each.
    #[inline(always)]
    pub(crate) const fn first(&self) -> u64 {
        self.first
    }

    /// How many marks there are.
    #[inline(always)]
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// The marks from the `at`-th on, and whatever stands behind the last.
    #[inline(always)]
    pub(crate) fn from(&self, at: usize) -> Option<&[u32; MARKS + 1]> {
        self.marks.get(at..)?.first_chunk()
    }

    /// Writes the marks of a block that begins at `base`; gives which of its bytes are not ASCII.
    #[inline(always)]
    fn note<L: Level>(&mut self, level: L, base: u32, Structure { marks, high }: Structure) -> u64 {
        self.write(level, self.count, marks, base);
        self.count += marks.count_ones() as usize;
        high
    }

    #[inline(always)]
    fn write<L: Level>(&mut self, level: L, count: usize, marks: u64, base: u32) {
        // What is written too much is overwritten by the next block.
        if let Some(out) = self.marks.get_mut(count..).and_then(<[u32]>::first_chunk_mut) {
            level.places(marks, base, out);
        }
    }
}
