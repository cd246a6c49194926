//! The fast lane: an object whose keys stand where they stood before and whose values are all of the common form.
//!
//! Values are read by their two ends, four at a time, and none waits for another: what is not as expected (another key,
//! blanks, an escape, a sign, an exponent) is remembered and asked for once, at the end. The caller then reads the whole
//! object again the plain way, which decides alone what is sound. So a lane needs no errors, and can only be as right as
//! the plain way is, which tests compare it with.
//!
//! INVARIANT: a lane that ends well has verified every byte of its object: the opening by the caller, lengths when it was
//! made, keys then or with their numbers, each value by the reader of its field, the comma or brace behind each value by
//! its mark. So a caller must read every field of its plan.

use ringtape_model::units::CODE_UNSET;

use super::index::Object;
use super::shape::{Plan, Shape};
use super::simd::{BEFORE, CODE, Level, REACH, Rules, Spans, Window, bytes};
use super::text::Text;

/// Longest text that is read by its ends.
const TEXT: usize = 31;

/// A frame, with `before` bytes before it, and perhaps some behind.
#[derive(Clone, Copy)]
pub(crate) struct Padded<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) before: usize,
}

/// A reader of one object.
pub(crate) struct Lane<'a, L> {
    window: &'a Window,
    /// Offset of the window in the frame; wraps at the start of the frame.
    base: usize,
    plan: &'a Plan,
    shape: &'a Shape,
    /// Its `odd` gathers whatever was not as expected.
    spans: Spans,
    level: L,
}

impl<'a, L: Level> Lane<'a, L> {
    /// A reader of the object that opens at `at`; `copy` is where it is copied if the frame has not enough around it.
    #[inline(always)]
    pub(crate) fn new(
        level: L,
        padded: Padded<'a>,
        at: usize,
        object: Object<'a>,
        (plan, shape): (&'a Plan, &'a Shape),
        copy: &'a mut Window,
    ) -> Option<Self> {
        let base = at.wrapping_sub(BEFORE);
        let end = object.marks[object.count] as usize;
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
        let marks = object.marks.first_chunk()?;
        let spans = level.spans(window, marks, base as u32, plan, shape);
        Some(Self { window, base, plan, shape, spans, level })
    }

    /// Whether the object has a field.
    #[inline(always)]
    pub(crate) fn has(&self, field: usize) -> bool {
        self.shape.has & 1 << field != 0
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

    /// The byte behind a value; whatever there is, where there is no such field.
    #[inline(always)]
    fn closed_by(&mut self, field: usize, byte: u8) {
        let behind = bytes::<1>(self.window, self.spans.befores[field].wrapping_add(16))[0];
        // No branch on a field that comes and goes.
        self.spans.odd |= u64::from((behind ^ byte) & u8::from(self.has(field)).wrapping_neg());
    }

    /// The quote behind a number in quotes.
    #[inline(always)]
    pub(crate) fn quoted(&mut self, field: usize) {
        self.closed_by(field, b'"');
    }

    /// The fields 4 × `GROUP` and the three behind it as doubles and in 1e-8; unset where the object has them not.
    #[inline(always)]
    pub(crate) fn decimals<const GROUP: usize>(&mut self) -> [(f64, i64); 4] {
        let (values, odd) = self.level.decimals::<GROUP>(self.window, &self.spans, self.plan);
        self.spans.odd |= odd;
        values
    }

    /// The same fields as whole numbers within the limits of `rules` and in their units.
    #[inline(always)]
    pub(crate) fn integers<const GROUP: usize>(&mut self, rules: &Rules) -> [i64; 4] {
        let (values, odd) = self.level.integers::<GROUP>(self.window, &self.spans, self.plan, rules);
        self.spans.odd |= odd;
        values
    }

    /// The third four fields as codes; unset where the object has them not.
    #[inline(always)]
    pub(crate) fn codes(&mut self) -> [u16; 4] {
        let (values, odd) = self.level.codes(self.window, &self.spans, self.plan);
        self.spans.odd |= odd;
        values
    }

    /// The codes of a list and how many there are; `first` is what was read of its place as a number, which holds for a
    /// list of one. Codes have no blanks between them and up to three digits.
    #[inline(always)]
    pub(crate) fn list<const N: usize>(&mut self, field: usize, first: u16) -> ([u16; N], u8) {
        self.closed_by(field, b']');
        let len = self.spans.all_lens[field];
        if len < CODE || !self.has(field) {
            // Made at once: a code written into a list that is read next would have to be waited for.
            let codes = std::array::from_fn(|at| if at == 0 { first } else { CODE_UNSET });
            return (codes, u8::from(self.has(field)));
        }
        self.spans.check_key(self.window, self.plan, self.shape, field);
        let end = self.spans.befores[field].wrapping_add(16);
        let list = self.window.get(end.wrapping_sub(len) as usize..end as usize);
        let (codes, count) = list_of(list.unwrap_or_default());
        self.odd_if(count == 0);
        (codes, count)
    }

    /// The bytes of a text from its first on, its place in the frame and its length, below 32.
    #[inline(always)]
    fn span(&mut self, field: usize) -> (&'a [u8; TEXT + 1], Text) {
        self.closed_by(field, b'"');
        let len = self.spans.all_lens[field];
        self.odd_if(len as usize > TEXT);
        let start = self.spans.befores[field].wrapping_add(16).wrapping_sub(len);
        let text = Text { start: start.wrapping_add(self.base as u32), len: len % 32, escaped: false };
        (bytes(self.window, start), text)
    }

    /// A symbol of the usual bytes.
    #[inline(always)]
    pub(crate) fn ticker(&mut self, field: usize) -> Text {
        let (bytes, text) = self.span(field);
        self.odd_if(!self.level.is_ticker(bytes, text.len as usize));
        text
    }

    /// A text without escapes, and its bytes with zeroes behind; empty where there is none.
    #[inline(always)]
    pub(crate) fn text(&mut self, field: usize) -> [u8; TEXT + 1] {
        let (bytes, text) = self.span(field);
        let len = if self.has(field) { text.len as usize } else { 0 };
        let (bytes, odd) = self.level.plain(bytes, len);
        self.spans.odd |= odd;
        bytes
    }
}

/// The codes between the brackets of a list and how many there are; none if they are not of the common form.
#[inline(never)]
fn list_of<const N: usize>(mut list: &[u8]) -> ([u16; N], u8) {
    let mut codes = [CODE_UNSET; N];
    for at in 0..N {
        let Some((code, len)) = code_of(list) else { break };
        codes[at] = code;
        match list.get(len) {
            None => return (codes, at as u8 + 1),
            Some(b',') => list = &list[len + 1..],
            Some(_) => break,
        }
    }
    (codes, 0)
}

/// One to three digits at the start of a list; a leading zero is for the plain way.
#[inline(always)]
fn code_of(list: &[u8]) -> Option<(u16, usize)> {
    let digit = |at: usize| list.get(at).map(|byte| u16::from(byte.wrapping_sub(b'0'))).filter(|&digit| digit <= 9);
    let first = digit(0)?;
    let Some(second) = digit(1) else { return Some((first, 1)) };
    if first == 0 {
        return None;
    }
    let Some(third) = digit(2) else { return Some((first * 10 + second, 2)) };
    Some(((first * 10 + second) * 10 + third, 3))
}
