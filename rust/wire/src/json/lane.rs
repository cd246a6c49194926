//! The fast lane: an object whose keys stand where they stood before and whose values are all of the common form.
//!
//! Values are read by their two ends, in whatever order the caller likes, and none waits for another: what is not as
//! expected (another key, blanks, an escape, a sign, an exponent) is remembered and asked for once, at the end. The
//! caller then reads the whole object again the plain way, which decides alone what is sound. So a lane needs no errors,
//! and can only be as right as the plain way is, which tests compare it with.
//!
//! INVARIANT: a lane that ends well has verified every byte of its object: the opening by the caller, each key and each
//! value by the reader of its slot, the comma or brace behind each value by its mark. So a caller must read every slot
//! that its shape may have.

use std::hint::select_unpredictable;

use super::index::{FIELDS, Object};
use super::shape::Shape;
use super::simd::{End, Level};
use super::text::Text;

/// The bytes of a key from its first letter up to its value: `key":`, and for a text its opening quote.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    word: u64,
    len: u8,
    slot: u8,
    comes_and_goes: bool,
}

impl Key {
    /// The key of a slot whose value is a number or a list.
    pub(crate) const fn plain(name: &str, slot: u8) -> Self {
        Self::new(name, b"\":", slot)
    }

    /// The same key where one event has it and the next has not: nothing branches on it.
    pub(crate) const fn comes_and_goes(self) -> Self {
        Self { comes_and_goes: true, ..self }
    }

    /// Whether it comes and goes.
    pub(crate) const fn may_miss(&self) -> bool {
        self.comes_and_goes
    }

    /// The slot it is the key of.
    pub(crate) const fn slot(&self) -> u8 {
        self.slot
    }

    /// The key of a slot whose value is a text.
    pub(crate) const fn text(name: &str, slot: u8) -> Self {
        Self::new(name, b"\":\"", slot)
    }

    const fn new(name: &str, behind: &[u8], slot: u8) -> Self {
        let (name, mut word, mut len) = (name.as_bytes(), 0, 0);
        assert!(name.len() + behind.len() <= 8, "a key and what follows it fit a word");
        while len < name.len() + behind.len() {
            let byte = if len < name.len() { name[len] } else { behind[len - name.len()] };
            word |= (byte as u64) << (8 * len);
            len += 1;
        }
        Self { word, len: len as u8, slot, comes_and_goes: false }
    }
}

/// Bytes before an object that a reader may look at.
pub(crate) const BEFORE: usize = 16;
/// Longest object that is read by marks, with the bytes before it.
const REACH: usize = 512;

/// A frame, with `before` bytes before it, and perhaps some behind.
#[derive(Clone, Copy)]
pub(crate) struct Padded<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) before: usize,
}

/// An object with `BEFORE` bytes before it, whatever they are, and room behind: every look at it is inside by its type.
pub(crate) type Window = [u8; REACH + 32];

/// A reader of one object. `FULL` promises all keys but those that come and go, so that nothing has to ask for them.
pub(crate) struct Lane<'a, L, const FULL: bool> {
    window: &'a Window,
    /// Offset of the window in the frame; wraps at the start of the frame.
    base: usize,
    marks: &'a [u32; FIELDS + 1],
    shape: &'a Shape,
    level: L,
    /// Bits of what was not as expected.
    odd: u64,
}

impl<'a, L: Level, const FULL: bool> Lane<'a, L, FULL> {
    /// The ends of a zero.
    pub(crate) const ZERO: End<'static> = (&[b'0'; 16], 1);

    /// A reader of the object that opens at `at`; `copy` is where it is copied if the frame has not enough around it.
    #[inline(always)]
    pub(crate) fn new(
        level: L,
        padded: Padded<'a>,
        at: usize,
        object: Object<'a>,
        shape: &'a Shape,
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
        Some(Self { window, base, marks: object.marks, shape, level, odd: 0 })
    }

    /// Whether the object has a key.
    #[inline(always)]
    pub(crate) fn has(&self, key: Key) -> bool {
        (FULL && !key.comes_and_goes) || self.shape.has(key.slot)
    }

    /// The object is for the plain way if this is so.
    #[inline(always)]
    pub(crate) fn odd_if(&mut self, odd: bool) {
        self.odd |= u64::from(odd);
    }

    /// True if everything was as expected.
    #[inline(always)]
    pub(crate) const fn is_sound(&self) -> bool {
        self.odd == 0
    }

    /// `N` bytes of the window; places are below `REACH` in an object that is sound.
    #[inline(always)]
    fn bytes<const N: usize>(&self, at: usize) -> &'a [u8; N] {
        self.window[at % REACH..].first_chunk().unwrap_or(&[0; N])
    }

    /// The two ends of a value in the window, its key verified. Without the key, some two places.
    #[inline(always)]
    fn value(&mut self, key: Key) -> (usize, usize) {
        let place = self.shape.place(key.slot) % FIELDS;
        // INVARIANT: a place is below the number of keys, which is below `FIELDS`, so behind it there is a mark.
        let mark = (self.marks[place] as usize).wrapping_sub(self.base);
        let next = (self.marks[place + 1] as usize).wrapping_sub(self.base);
        let word = u64::from_le_bytes(*self.bytes(mark + 1));
        self.odd |= ((word ^ key.word) << (64 - 8 * u32::from(key.len))) & u64::from(self.has(key)).wrapping_neg();
        (mark + 1 + usize::from(key.len), next.wrapping_sub(1))
    }

    /// The number of a key, by its ends; a zero where the object has no such key.
    #[inline(always)]
    pub(crate) fn number(&mut self, key: Key) -> End<'a> {
        if !key.comes_and_goes && !self.has(key) {
            return Self::ZERO;
        }
        let (start, end) = self.value(key);
        self.end_of(key, start, end)
    }

    /// The same of a number that fills a text.
    #[inline(always)]
    pub(crate) fn number_text(&mut self, key: Key) -> End<'a> {
        if !self.has(key) {
            return Self::ZERO;
        }
        let (start, behind) = self.value(key);
        let end = behind.wrapping_sub(1);
        self.odd |= u64::from(self.bytes::<1>(end)[0] ^ b'"');
        self.end_of(key, start, end)
    }

    #[inline(always)]
    fn end_of(&self, key: Key, start: usize, end: usize) -> End<'a> {
        let has = self.has(key);
        let bytes = select_unpredictable(has, self.bytes(end.wrapping_sub(16)), Self::ZERO.0);
        (bytes, select_unpredictable(has, end.wrapping_sub(start), 1))
    }

    /// The first code of a list and how many there are: 0, 1, or more, which are then in `out`. Codes have no blanks
    /// between them and up to three digits.
    #[inline(always)]
    pub(crate) fn codes<const N: usize>(&mut self, key: Key, out: &mut [u16; N]) -> (End<'a>, u8) {
        let (start, end) = self.value(key);
        let (first, last) = (start.wrapping_add(1), end.wrapping_sub(1));
        let has = u64::from(self.has(key)).wrapping_neg();
        self.odd |= u64::from(self.bytes::<1>(start)[0] ^ b'[') & has;
        self.odd |= u64::from(self.bytes::<1>(last)[0] ^ b']') & has;
        if last.wrapping_sub(first) <= 3 || has == 0 {
            return (self.end_of(key, first, last), u8::from(has != 0));
        }
        let count = self.list(first, last, out);
        (Self::ZERO, count)
    }

    /// A list of more than one code.
    #[inline(never)]
    fn list<const N: usize>(&mut self, first: usize, last: usize, out: &mut [u16; N]) -> u8 {
        let list = self.window.get(first..last).and_then(|list| list_of(list, out));
        self.odd_if(list.is_none());
        list.unwrap_or(0)
    }

    /// Takes the numbers of four keys; they are read later, so that their long chains run side by side.
    #[inline(always)]
    pub(crate) fn numbers(&mut self, [a, b, c, d]: [Key; 4]) -> L::Four {
        let ends = [self.number(a), self.number(b), self.number(c), self.number(d)];
        self.gather(ends)
    }

    /// Takes four numbers by their ends.
    #[inline(always)]
    pub(crate) fn gather(&self, ends: [End<'a>; 4]) -> L::Four {
        self.level.gather(ends)
    }

    /// Whole numbers of at most 15 digits; 0 for a key that is not there.
    #[inline(always)]
    pub(crate) fn integers(&mut self, four: L::Four) -> [u64; 4] {
        let (values, odd) = self.level.integers(four);
        self.odd |= odd;
        values
    }

    /// Decimals of at most 15 digits as doubles and in 1e-8; 0 for a key that is not there.
    #[inline(always)]
    pub(crate) fn decimals(&mut self, four: L::Four) -> [(f64, i64); 4] {
        let (values, odd) = self.level.decimals(four);
        self.odd |= odd;
        values
    }

    /// A plain text of at most 15 bytes: its place in the frame, and 16 bytes from its first on.
    #[inline(always)]
    pub(crate) fn text(&mut self, key: Key) -> (Text, &'a [u8; 16]) {
        let (start, behind) = self.value(key);
        let bytes = self.bytes(start);
        let Some(len) = self.level.quote(bytes) else {
            self.odd = 1;
            return (Text::default(), bytes);
        };
        self.odd_if(start + len + 1 != behind);
        (Text { start: start.wrapping_add(self.base) as u32, len: len as u32, escaped: false }, bytes)
    }
}

/// The codes between the brackets of a list.
fn list_of<const N: usize>(mut list: &[u8], out: &mut [u16; N]) -> Option<u8> {
    let mut count = 0;
    loop {
        let (code, len) = code_of(list)?;
        *out.get_mut(count)? = code;
        count += 1;
        match list.get(len) {
            None => return Some(count as u8),
            Some(b',') => list = &list[len + 1..],
            Some(_) => return None,
        }
    }
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
