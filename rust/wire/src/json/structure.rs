//! Where the structure of a frame stands: one vectored pass before anything of it is understood.
//!
//! Marked are commas before a key (with or without a blank between), opening braces before a key, and closing braces. So
//! every value of objects, nested or not, lies between two marks.
//!
//! Marks are hints, as those of `index` are: whoever uses them verifies every byte between two of them.

use super::outline::MARKS;
use super::simd::{Level, Structure};

/// Bytes that are marked at a time.
const STRETCH: usize = 16 << 10;
/// A mark a byte at most, and room to write and to look past the last.
const ROOM: usize = STRETCH + 2 * 64;
/// Bytes that a block looks at behind its own.
pub(crate) const AHEAD: usize = 2;

/// The marks of a short frame or of a stretch of a long one.
pub(crate) struct Structures {
    marks: Box<[u32; ROOM]>,
    count: usize,
    /// The mark where the next object is looked for.
    next: usize,
    from: usize,
    to: usize,
    /// Marks of the first block of a short frame.
    first: u64,
}

impl Structures {
    pub(crate) fn new() -> Self {
        let marks = vec![0; ROOM].into_boxed_slice();
        let marks = marks.try_into().unwrap_or_else(|_| unreachable!("made with that length"));
        Self { marks, count: 0, next: 0, from: 0, to: 0, first: 0 }
    }

    /// Forgets the frame.
    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        (self.count, self.next, self.from, self.to) = (0, 0, 0, 0);
    }

    /// Marks a short frame. False if it is not ASCII.
    #[inline(always)]
    pub(crate) fn whole<L: Level>(&mut self, level: L, frame: &[u8]) -> bool {
        (self.next, self.from, self.to) = (0, 0, frame.len());
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

    /// The marks of the object that opens at `at`, which only grows from call to call.
    #[inline(always)]
    pub(crate) fn object<L: Level>(&mut self, level: L, frame: &[u8], at: usize) -> Option<&[u32; MARKS + 1]> {
        // A stretch is left where it ends, or past its half at an object that it may cut: the cost stays linear whatever
        // the frame holds.
        let is_cut = self.next + MARKS >= self.count && self.to < frame.len() && at > self.from + STRETCH / 2;
        if at >= self.to || is_cut {
            self.cover(level, frame, at);
        }
        while self.next < self.count && (self.marks[self.next % ROOM] as usize) < at {
            self.next += 1;
        }
        let marks = self.marks.get(self.next..)?.first_chunk()?;
        (marks[0] as usize == at).then_some(marks)
    }

    /// Goes on behind so many marks of the object that was asked for last.
    #[inline(always)]
    pub(crate) fn pass(&mut self, count: usize) {
        self.next += count;
    }

    #[inline(always)]
    fn cover<L: Level>(&mut self, level: L, frame: &[u8], at: usize) {
        let end = frame.len().min(at + STRETCH);
        (self.count, self.next, self.from, self.to) = (0, 0, at, end);
        let mut base = at;
        while base < end {
            self.note(level, base as u32, level.structure_at(frame, base));
            base += 64;
        }
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
