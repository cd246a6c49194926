//! Where keys begin and objects end: one vectored pass over a stretch of a frame, before anything of it is understood.
//!
//! Two pairs of bytes are marked: `,"`, at its quote, where a key begins; and `},`, at its comma, where an object of a
//! list ends. So every value of an event is known by its two ends, and values do not wait for each other.
//!
//! Marks are hints. A text may hold these bytes too, and an object may hold others: whoever uses marks must verify every
//! byte between them, and leave the object to the plain way where one is not as expected.

use super::simd::{Level, Marks};

/// Bytes that are marked at a time. An object that is cut by the end of a stretch begins the next one.
const STRETCH: usize = 16 << 10;
/// Most fields of an object that is read by marks; and how far a reader of marks may look.
pub(crate) const FIELDS: usize = 32;
/// At most two marks in three bytes, and room to write and to look past the last.
const ROOM: usize = STRETCH + 2 * 64;
/// An object has two bytes at least.
const BOUNDS: usize = STRETCH;

/// The marks of one object: where its keys after the first begin, and behind them the byte after its closing brace.
#[derive(Clone, Copy)]
pub(crate) struct Object<'i> {
    /// Marks of the object, and whatever stands behind them.
    pub(crate) marks: &'i [u32; FIELDS + 1],
    /// Number of keys after the first, below `FIELDS`; that place of `marks` is the end of the object.
    pub(crate) count: usize,
}

/// The marks of a stretch.
pub(crate) struct Index {
    marks: Box<[u32; ROOM]>,
    /// Places in `marks` behind which an object opens; the last one is open at its end.
    bounds: Box<[u32; BOUNDS]>,
    bound_count: usize,
    /// The bound before the object that is asked for next.
    next: usize,
    /// The stretch.
    from: usize,
    to: usize,
}

#[allow(clippy::unnecessary_box_returns, reason = "too much for the stack")]
fn zeroes<const N: usize>() -> Box<[u32; N]> {
    vec![0; N].into_boxed_slice().try_into().unwrap_or_else(|_| unreachable!("made with that length"))
}

impl Index {
    pub(crate) fn new() -> Self {
        Self { marks: zeroes(), bounds: zeroes(), bound_count: 0, next: 0, from: 0, to: 0 }
    }

    /// Forgets the frame.
    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        (self.bound_count, self.next, self.from, self.to) = (0, 0, 0, 0);
    }

    /// The object of a list that opens at `at`, which only grows from call to call; `None` where no marks tell.
    #[inline(always)]
    pub(crate) fn object<L: Level>(&mut self, level: L, frame: &[u8], at: usize) -> Option<Object<'_>> {
        if !self.is_next(at) && !self.find(level, frame, at) {
            return None;
        }
        let (before, end) = (self.bounds[self.next] as usize, self.bounds[self.next + 1] as usize);
        self.next += 1;
        let count = end - before - 1;
        let marks = self.marks.get(before + 1..)?.first_chunk()?;
        (count < FIELDS).then_some(Object { marks, count })
    }

    /// True where the next object opens at `at` and its end is marked.
    #[inline(always)]
    fn is_next(&self, at: usize) -> bool {
        self.next + 1 < self.bound_count && self.opening(self.next) == at
    }

    #[inline(always)]
    fn opening(&self, bound: usize) -> usize {
        self.marks[self.bounds[bound] as usize].wrapping_add(1) as usize
    }

    /// Goes forward to the object at `at`, over objects that were read without marks, to a new stretch if need be.
    #[inline(always)]
    fn find<L: Level>(&mut self, level: L, frame: &[u8], at: usize) -> bool {
        while self.next < self.bound_count && self.opening(self.next) < at {
            self.next += 1;
        }
        // A stretch is left where it ends, or at the object that it cuts. Each begins at an object behind the last
        // one's, and at most two of them share a byte: the cost stays linear whatever the frame holds.
        let cut = self.next + 1 == self.bound_count && self.opening(self.next) == at && at > self.from;
        if at >= self.to || (cut && self.to < frame.len()) {
            self.cover(level, frame, at);
        }
        self.is_next(at)
    }

    /// Marks the stretch that begins with the object at `at`.
    #[inline(always)]
    fn cover<L: Level>(&mut self, level: L, frame: &[u8], at: usize) {
        let stretch = &frame[at..frame.len().min(at + STRETCH)];
        (self.from, self.to, self.next) = (at, at + stretch.len(), 0);
        // As if an object had ended before.
        (self.marks[0], self.bounds[0]) = ((at as u32).wrapping_sub(1), 0);
        let mut held = Held { marks: 1, bounds: 1, ..Held::default() };
        let (blocks, rest) = stretch.as_chunks::<64>();
        let mut base = at as u32;
        for block in blocks {
            self.note(level, base, level.marks(block), &mut held);
            base += 64;
        }
        let mut block = [0; 64];
        block[..rest.len()].copy_from_slice(rest);
        self.note(level, base, level.marks(&block), &mut held);
        // The last object of a list has no comma behind it.
        if self.to == frame.len() && frame.ends_with(b"}]") {
            self.marks[held.marks] = (self.to - 1) as u32;
            self.bounds[held.bounds] = held.marks as u32;
            held.bounds += 1;
        }
        self.bound_count = held.bounds;
    }

    /// Writes the marks of a block that begins at `base` behind what is held.
    #[inline(always)]
    fn note<L: Level>(&mut self, level: L, base: u32, now: Marks, held: &mut Held) {
        // The bit from the block before is kept as it is used: a shift over two words takes some machines six steps.
        let keys = now.quotes & now.commas.wrapping_mul(2).wrapping_add(held.comma);
        let ends = now.commas & now.braces.wrapping_mul(2).wrapping_add(held.brace);
        (held.comma, held.brace) = (now.commas >> 63, now.braces >> 63);
        let marks = keys | ends;
        held.bounds = self.note_ends(marks, ends, *held);
        // What is written too much is overwritten by the next block.
        if let Some(out) = self.marks.get_mut(held.marks..).and_then(<[u32]>::first_chunk_mut) {
            level.places(marks, base, out);
        }
        held.marks += marks.count_ones() as usize;
    }

    /// Writes which of a block's marks are ends; gives how many bounds are held then.
    #[inline(always)]
    fn note_ends(&mut self, marks: u64, mut ends: u64, held: Held) -> usize {
        let mut bounds = held.bounds;
        // Most blocks hold one end or none, so the first is noted without asking.
        loop {
            let before = marks & (ends & ends.wrapping_neg()).wrapping_sub(1);
            self.bounds[bounds % BOUNDS] = held.marks as u32 + before.count_ones();
            bounds += usize::from(ends != 0);
            ends &= ends.wrapping_sub(1);
            if ends == 0 {
                return bounds;
            }
        }
    }
}

/// How many marks and bounds are held, and whether the last byte was a comma or a brace.
#[derive(Clone, Copy, Default)]
struct Held {
    marks: usize,
    bounds: usize,
    comma: u64,
    brace: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::simd::Scalar;
    use super::*;

    /// The objects that open at each of the offsets, byte by byte.
    fn obvious(frame: &[u8], from: usize) -> Vec<(usize, Vec<u32>)> {
        let mut objects = Vec::new();
        let (mut open, mut marks) = (from, Vec::new());
        for at in from + 1..frame.len() {
            if frame[at] == b'"' && frame[at - 1] == b',' {
                marks.push(at as u32);
            }
            let is_last = at + 1 == frame.len() && frame[at] == b']';
            if frame[at - 1] == b'}' && (frame[at] == b',' || is_last) {
                marks.push(at as u32);
                objects.push((open, std::mem::take(&mut marks)));
                open = at + 1;
            }
        }
        objects
    }

    fn check<L: Level>(level: L, frame: &[u8]) {
        let mut index = Index::new();
        for (open, marks) in obvious(frame, 0) {
            if frame[open] != b'{' {
                continue;
            }
            let found = index.object(level, frame, open).map(|object| object.marks[..=object.count].to_vec());
            let fits = marks.len() <= FIELDS && marks.last().is_none_or(|&end| end as usize - open < STRETCH);
            if fits || found.is_some() {
                assert_eq!(found, fits.then_some(marks), "at {open}");
            }
        }
    }

    proptest! {
        #[test]
        fn marks_are_where_the_bytes_are(
            parts in prop::collection::vec(prop::sample::select(vec!["{", "},", ",\"", "}", ",", "\"", "a", "bcdefgh", "1234567890,1234567890", "}]"]), 0..300),
            times in 1..40usize,
        ) {
            let frame = parts.concat().repeat(times) + "}]";
            check(Scalar, frame.as_bytes());
            #[cfg(target_arch = "x86_64")]
            if let Some(level) = super::super::simd::v3() {
                check(level, frame.as_bytes());
            }
        }
    }

    #[test]
    fn a_frame_without_marks_is_passed_once() {
        // Each element would ask for a stretch of its own if nothing kept count.
        let frame = "{} ,".repeat(100_000);
        let mut index = Index::new();
        let mut covered = 0;
        for at in (0..frame.len()).step_by(4) {
            let before = index.from;
            assert!(index.object(Scalar, frame.as_bytes(), at).is_none());
            covered += if index.from == before { 0 } else { index.to - index.from };
        }
        assert!(covered <= 2 * frame.len());
    }
}
