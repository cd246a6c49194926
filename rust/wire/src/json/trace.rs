//! The fast lane along an outline: as `lane`, for objects whose structure was learned as a whole.
//!
//! INVARIANT: a trace that ends well has verified every byte of its object: the bytes at each mark, with the quote
//! before it where a text ends there, when it was made; values that nobody reads then, too; every other value by the
//! reader of its field. So a caller must read every field of its pattern.

use super::lane::Padded;
use super::outline::{MARKS, Outline, Pattern};
use super::simd::{BEFORE, Level, REACH, Rules, Spans, Window, bytes};
use super::text::Text;

/// Longest text that is read by its ends.
const TEXT: usize = 31;
const TRUE: u64 = 0x6575_7274;
const FALSE: u64 = 0x65_736C_6166;

/// A reader of one object.
pub(crate) struct Trace<'a, L> {
    window: &'a Window,
    /// Offset of the window in the frame; wraps at the start of the frame.
    base: usize,
    outline: &'a Outline,
    /// Its `odd` gathers whatever was not as expected.
    spans: Spans,
    level: L,
}

impl<'a, L: Level> Trace<'a, L> {
    /// A reader of the object that opens at the first mark; `copy` is where it is copied if the frame has not enough
    /// around it.
    #[inline(always)]
    pub(crate) fn new(
        level: L,
        padded: Padded<'a>,
        marks: &'a [u32; MARKS + 1],
        (pattern, outline): (&'a Pattern, &'a Outline),
        copy: &'a mut Window,
    ) -> Option<Self> {
        let at = marks[0] as usize;
        let base = at.wrapping_sub(BEFORE);
        let end = marks[(outline.count - 1) % MARKS] as usize + 1;
        if end.wrapping_sub(base) > REACH {
            return None;
        }
        let from = base.wrapping_add(padded.before);
        let window = if let Some(window) = padded.bytes.get(from..).and_then(<[u8]>::first_chunk) {
            window
        } else {
            let object = padded.bytes.get(at + padded.before..end + padded.before)?;
            copy[BEFORE..][..object.len()].copy_from_slice(object);
            &*copy
        };
        let mut spans = level.reaches(marks, base as u32, pattern, outline);
        spans.odd |= structure(level, window, marks, base as u32, outline);
        let mut trace = Self { window, base, outline, spans, level };
        trace.pass(marks);
        Some(trace)
    }

    /// Verifies the values that nobody reads.
    #[inline(always)]
    fn pass(&mut self, marks: &[u32; MARKS + 1]) {
        let base = self.base as u32;
        let span = |(place, lead): (u8, u8)| {
            let place = usize::from(place) % MARKS;
            let start = marks[place].wrapping_add(u32::from(lead)).wrapping_sub(base);
            (start, marks[place + 1].wrapping_sub(base).wrapping_sub(start))
        };
        let (start, len) = span(self.outline.name_at);
        let mask = self.outline.name_mask;
        // With its quote.
        self.odd_if(mask != 0 && len != self.outline.name_len + 1);
        let found = u128::from_le_bytes(*bytes(self.window, start));
        self.odd_if((found ^ self.outline.name) & mask != 0);
        for text in self.outline.texts.iter() {
            let (start, len) = span(text);
            // With its quote.
            let len = len.wrapping_sub(1);
            let (_, odd) = self.level.plain(bytes(self.window, start), len as usize % (TEXT + 1));
            self.spans.odd |= odd | u64::from(len as usize > TEXT);
        }
        for nothing in self.outline.nothings.iter() {
            self.odd_if(span(nothing).1 != 0);
        }
        for flag in self.outline.flags.iter() {
            let (start, len) = span(flag);
            self.spans.odd |= self.flag_at(start, len).1;
        }
    }

    /// The object is for the plain way if this is so.
    #[inline(always)]
    pub(crate) fn odd_if(&mut self, odd: bool) {
        self.spans.odd |= u64::from(odd);
    }

    /// True if everything was as expected.
    #[inline(always)]
    pub(crate) const fn is_sound(&self) -> bool {
        self.spans.odd == 0
    }

    /// The fields 4 × `GROUP` and the three behind it as doubles and in 1e-8; unset where the object has them not.
    #[inline(always)]
    pub(crate) fn decimals<const GROUP: usize>(&mut self) -> [(f64, i64); 4] {
        let (values, odd) = self.level.decimals::<GROUP>(self.window, &self.spans);
        self.spans.odd |= odd;
        values
    }

    /// The same fields as whole numbers within the limits of `rules` and in their units.
    #[inline(always)]
    pub(crate) fn integers<const GROUP: usize>(&mut self, rules: &Rules) -> [i64; 4] {
        let (values, odd) = self.level.integers::<GROUP>(self.window, &self.spans, rules);
        self.spans.odd |= odd;
        values
    }

    #[inline(always)]
    fn start(&self, field: usize) -> u32 {
        self.spans.befores[field].wrapping_add(16).wrapping_sub(self.spans.all_lens[field])
    }

    /// A symbol of the usual bytes.
    #[inline(always)]
    pub(crate) fn ticker(&mut self, field: usize) -> Text {
        let (len, start) = (self.spans.all_lens[field], self.start(field));
        self.odd_if(len as usize > TEXT);
        let text = Text { start: start.wrapping_add(self.base as u32), len: len % 32, escaped: false };
        self.odd_if(!self.level.is_ticker(bytes(self.window, start), text.len as usize));
        text
    }

    /// `true` or `false`.
    #[inline(always)]
    pub(crate) fn flag(&mut self, field: usize) -> bool {
        let (flag, odd) = self.flag_at(self.start(field), self.spans.all_lens[field]);
        self.spans.odd |= odd;
        flag
    }

    /// Not zero if it is neither.
    #[inline(always)]
    fn flag_at(&self, start: u32, len: u32) -> (bool, u64) {
        let word = u64::from_le_bytes(*bytes(self.window, start));
        let is_true = word as u32 == TRUE as u32 && len == 4;
        let is_false = word & 0xFF_FFFF_FFFF == FALSE && len == 5;
        // No branch on what is as good as random.
        (is_true, u64::from(!(is_true | is_false)))
    }
}

/// Not zero where the bytes at a mark are others.
#[inline(always)]
fn structure<L: Level>(level: L, window: &Window, marks: &[u32; MARKS + 1], base: u32, outline: &Outline) -> u64 {
    const HALF: usize = MARKS / 2;
    let before = base.wrapping_add(1);
    let odd =
        half(level, window, marks.first_chunk(), before, outline.words.first_chunk(), outline.masks.first_chunk());
    if outline.count <= HALF {
        return odd;
    }
    let marks = marks[HALF..].first_chunk();
    odd | half(level, window, marks, before, outline.words.last_chunk(), outline.masks.last_chunk())
}

#[inline(always)]
fn half<L: Level>(
    level: L,
    window: &Window,
    marks: Option<&[u32; MARKS / 2]>,
    before: u32,
    words: Option<&[u64; MARKS / 2]>,
    masks: Option<&[u64; MARKS / 2]>,
) -> u64 {
    let (Some(marks), Some(words), Some(masks)) = (marks, words, masks) else { return 1 };
    let mut odd = 0;
    for at in 0..MARKS / 2 {
        let word = u64::from_le_bytes(*bytes(window, marks[at].wrapping_sub(before)));
        odd |= level.apart((word ^ words[at]) & masks[at]);
    }
    odd
}
