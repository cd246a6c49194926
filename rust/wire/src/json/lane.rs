//! The fast lane: an object that was met in this shape before and whose values are all of the common form.
//!
//! Values are read by their two ends, four at a time, and none waits for another: what is not as expected (another key,
//! blanks, an escape, a sign, an exponent) is remembered and asked for once, at the end. The caller then reads the whole
//! object again the plain way, which decides alone what is sound. So a lane needs no errors, and can only be as right as
//! the plain way is, which tests compare it with.
//!
//! INVARIANT: a lane that ends well has verified every byte of its object, and that all of them are ASCII: what stands
//! between values when it was made, and values that nobody asks for; every other value by the reader of its field. So a
//! caller must read every field of its plan.

use std::hint::select_unpredictable;

use ringtape_model::units::CODE_UNSET;

use super::keys::{Tag, Token};
use super::number;
use super::shape::{Other, Passed, Shape};
use super::simd::{CODE, Level, Rules, some};
use super::text::Text;

/// A frame, with `before` bytes before it, and perhaps some behind.
#[derive(Clone, Copy)]
pub(crate) struct Padded<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) before: usize,
}

/// A reader of one object.
pub(crate) struct Lane<'a, L: Level> {
    frame: &'a [u8],
    /// Where the object opens.
    at: usize,
    held: L::Held<'a>,
    fields: L::Fields,
    shape: &'a Shape,
    /// Gathers whatever was not as expected.
    odd: u64,
    level: L,
}

impl<'a, L: Level> Lane<'a, L> {
    /// A reader of the object that opens at `at` and is held.
    #[inline(always)]
    pub(crate) fn new(
        level: L,
        (frame, at): (&'a [u8], usize),
        held: L::Held<'a>,
        (shape, passed): (&'a Shape, &'a [Passed]),
    ) -> Self {
        let (fields, odd) = level.fields(held, shape);
        let mut lane = Self { frame, at, held, fields, shape, odd, level };
        if !shape.begins_with_kind() {
            lane.begins();
        }
        for &one in passed {
            lane.pass(one);
        }
        lane
    }

    /// Verifies how an object begins that does not begin with its kind, and its kind.
    #[inline(always)]
    fn begins(&mut self) {
        let shape = self.shape;
        self.odd_if((u128::from_le_bytes(some(self.frame, self.at)) ^ shape.head) & shape.head_mask != 0);
        let (start, len) = self.level.span(&self.fields, shape.named);
        let name = u64::from_le_bytes(some(self.frame, self.at + start as usize));
        self.odd_if((name ^ shape.name) & shape.name_mask != 0);
        self.odd_if(8 * (len + 1) != u64::BITS - shape.name_mask.leading_zeros());
    }

    /// Verifies a value that nobody asks for, and its key.
    #[inline(always)]
    fn pass(&mut self, Passed { value, form, lead, lead_mask }: Passed) {
        let (start, len) = self.level.span(&self.fields, value);
        let (start, end) = (self.at + start as usize, self.at + (start + len) as usize);
        let lead_len = (u128::BITS - lead_mask.leading_zeros()) as usize / 8;
        self.odd_if((u128::from_le_bytes(some(self.frame, start.wrapping_sub(lead_len))) ^ lead) & lead_mask != 0);
        let bytes = self.frame.get(start..end).unwrap_or_default();
        self.odd_if(!is_sound(form, bytes));
    }

    /// The kind of the object.
    #[inline(always)]
    pub(crate) const fn kind(&self) -> u8 {
        self.shape.kind
    }

    /// Whether the object has a field.
    #[inline(always)]
    pub(crate) fn has(&self, field: usize) -> bool {
        self.shape.has & 1 << field != 0
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

    /// The fields 4 × `GROUP` and the three behind it as doubles and in 1e-8; unset where the object has them not.
    #[inline(always)]
    pub(crate) fn decimals<const GROUP: usize>(&mut self) -> [(f64, i64); 4] {
        let (values, odd) = self.level.held_decimals::<GROUP>(self.held, &self.fields);
        self.odd |= odd;
        values
    }

    /// The same fields as whole numbers within the limits of `rules` and in their units; what is a text is unset.
    #[inline(always)]
    pub(crate) fn integers<const GROUP: usize>(&mut self, rules: &Rules) -> [i64; 4] {
        let (values, odd) = self.level.held_integers::<GROUP>(self.held, &self.fields, rules);
        self.odd |= odd;
        values
    }

    /// The same fields as codes; unset where the object has them not.
    #[inline(always)]
    pub(crate) fn codes<const GROUP: usize>(&mut self) -> [u16; 4] {
        let (values, odd) = self.level.held_codes::<GROUP>(self.held, &self.fields);
        self.odd |= odd;
        values
    }

    /// Up to four codes of a list and how many there are. Codes have no blanks between them and up to three digits.
    #[inline(always)]
    pub(crate) fn list<const FIELD: usize>(&mut self) -> ([u16; 4], u8) {
        let (codes, count, odd) = self.level.held_list::<FIELD>(self.held, &self.fields);
        self.odd |= odd;
        (codes, count)
    }

    /// The same of a list that mostly has one code, and so was read as a code, which is given.
    #[inline(always)]
    pub(crate) fn list_or<const FIELD: usize>(&mut self, code: u16) -> ([u16; 4], u8) {
        let len = self.level.field_len::<FIELD>(&self.fields);
        if len >= u32::from(CODE) {
            return self.list::<FIELD>();
        }
        ([code, CODE_UNSET, CODE_UNSET, CODE_UNSET], u8::from(len != 0))
    }

    /// A symbol of the usual bytes.
    #[inline(always)]
    pub(crate) fn ticker<const FIELD: usize>(&mut self) -> Text {
        let (start, len) = self.level.span(&self.fields, self.shape.places[FIELD]);
        let start = self.at + start as usize;
        self.odd_if(!self.level.is_ticker(&some(self.frame, start), len as usize));
        Text { start: start as u32, len, escaped: false }
    }

    /// A text without escapes: its bytes with zeroes behind; empty where there is none.
    #[inline(always)]
    pub(crate) fn text<const FIELD: usize>(&mut self) -> [u8; 32] {
        let (start, len) = self.level.span(&self.fields, self.shape.places[FIELD]);
        // No branch on a field that comes and goes.
        let len = select_unpredictable(self.has(FIELD), len as usize, 0);
        let (bytes, odd) = self.level.plain(&some(self.frame, self.at + start as usize), len);
        self.odd |= odd;
        bytes
    }
}

/// True if a value that nobody asks for is of its form, and ASCII.
fn is_sound(form: Other, bytes: &[u8]) -> bool {
    match form {
        Other::Number => is_whole(bytes) || is_number(bytes),
        Other::Text => bytes.iter().all(|&byte| matches!(byte, 0x20..0x80) && byte != b'"' && byte != b'\\'),
        Other::List => bytes.split(|&byte| byte == b',').all(is_whole),
        Other::Word => matches!(bytes, b"true" | b"false" | b"null"),
    }
}

/// True for a whole number of the common form.
fn is_whole(bytes: &[u8]) -> bool {
    let other = bytes.iter().fold(0, |other, byte| other | u8::from(!byte.is_ascii_digit()));
    other == 0 && (bytes.len() == 1 || bytes.first().is_some_and(|&first| first != b'0'))
}

/// True for any number.
#[cold]
fn is_number(bytes: &[u8]) -> bool {
    number::scan_any(bytes, 0, &mut Token::at(Tag::Number, 0)).is_ok_and(|end| end == bytes.len())
}
