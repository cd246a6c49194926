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
use super::shape::{Other, Passed, Shape, Shapes, Told};
use super::simd::{CODE, Edges, Extent, Level, Rules, TEXT, Work};
use super::text::Text;

/// What reads events through lanes.
pub(crate) trait Reader<L: Level> {
    /// What tells the shape of an object.
    fn told(&self, extent: &Extent) -> Told;

    /// Reads an object; false if it is for the plain way, then nothing was changed. Must be inlined always.
    fn read(&mut self, lane: Lane<L>) -> bool;
}

/// Where reading stopped.
#[derive(Clone, Copy)]
pub(crate) struct Stop {
    pub(crate) at: usize,
    /// Behind an object, not at one.
    pub(crate) is_behind: bool,
}

/// Reads up to `most` objects that stand one behind the other from `at` on, as long as their shapes are known.
///
/// While one is read, the one behind it is taken up: one step after the other of an object is waited for, and no machine
/// looks as far ahead as an object is long.
#[inline(always)]
pub(crate) fn run<L: Level, R: Reader<L>>(
    level: L,
    (frame, at): (&[u8], usize),
    most: usize,
    (shapes, edges): (&Shapes, &mut Edges),
    reader: R,
) -> Stop {
    level.apart_from_all(Run { frame, at, most, shapes, edges, reader })
}

struct Run<'a, R> {
    frame: &'a [u8],
    at: usize,
    most: usize,
    shapes: &'a Shapes,
    edges: &'a mut Edges,
    reader: R,
}

impl<L: Level, R: Reader<L>> Work<L> for Run<'_, R> {
    type Done = Stop;

    #[inline(always)]
    fn done(mut self, level: L) -> Stop {
        let (frame, edges) = (self.frame, level.edges(self.frame, self.edges));
        let (mut at, mut left) = (self.at, self.most);
        let mut next = taken(level, (frame, at), edges, self.shapes, &self.reader);
        while let Some((lane, end)) = next {
            let is_last = !level.is_followed(frame, lane.held, (lane.at, end));
            next = if is_last { None } else { taken(level, (frame, end + 1), edges, self.shapes, &self.reader) };
            if left == 0 || !self.reader.read(lane) {
                break;
            }
            if is_last {
                return Stop { at: end, is_behind: true };
            }
            left -= 1;
            at = end + 1;
        }
        Stop { at, is_behind: false }
    }
}

/// A lane through the object that opens at `at`, if its shape is known, and where it ends.
#[inline(always)]
fn taken<'a, L: Level, R: Reader<L>>(
    level: L,
    (frame, at): (&'a [u8], usize),
    edges: &'a Edges,
    shapes: &'a Shapes,
    reader: &R,
) -> Option<(Lane<'a, L>, usize)> {
    let (held, extent) = level.hold(frame, at, edges)?;
    let told = reader.told(&extent);
    let (shape, number) = shapes.expected(told)?;
    let mut lane = Lane::new(level, (frame, at), (held, extent.count), (shape, shapes.passed(shape, number)));
    // Keys that come and go may leave two shapes that are told alike.
    if !lane.is_sound()
        && let Some((shape, number)) = shapes.other(told, number)
    {
        let expected = (shape, shapes.passed(shape, number));
        // Field by field: a lane that a function writes would stay in memory.
        let again = level.apart_from_all(Again::<L> { frame, at, held: (held, extent.count), expected });
        lane = Lane { frame, at, held, fields: again.fields, shape: again.shape, odd: again.odd, level };
    }
    Some((lane, at + extent.len as usize))
}

/// A lane by another shape.
struct Again<'a, L: Level> {
    frame: &'a [u8],
    at: usize,
    held: (L::Held<'a>, u32),
    expected: (&'a Shape, &'a [Passed]),
}

impl<'a, L: Level> Work<L> for Again<'a, L> {
    type Done = Lane<'a, L>;

    #[inline(always)]
    fn done(self, level: L) -> Lane<'a, L> {
        Lane::new(level, (self.frame, self.at), self.held, self.expected)
    }
}

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
    /// A reader of the object that opens at `at`, is held, and has `count` values.
    #[inline(always)]
    fn new(
        level: L,
        (frame, at): (&'a [u8], usize),
        (held, count): (L::Held<'a>, u32),
        (shape, passed): (&'a Shape, &'a [Passed]),
    ) -> Self {
        let (fields, odd) = level.fields(held, shape);
        let mut lane = Self { frame, at, held, fields, shape, odd, level };
        if !shape.is_told {
            lane.begins(count);
        }
        for &one in passed {
            lane.pass(one);
        }
        lane
    }

    /// Verifies what may not be told: how an object begins, the name of its kind, and that its last value is the shape's.
    #[inline(always)]
    fn begins(&mut self, count: u32) {
        let shape = self.shape;
        let (start, len) = self.level.span(&self.fields, shape.named);
        let head = (u128::from_le_bytes(self.some(0)) ^ shape.head) & shape.head_mask;
        let name = (u128::from_le_bytes(self.some(start)) ^ shape.name) & shape.name_mask;
        let (odd, len) = (head | name, (len ^ u32::from(shape.name_len)) & shape.name_len_mask);
        self.odd |= odd as u64 | (odd >> 64) as u64 | u64::from((u32::from(shape.count) ^ count) | len);
    }

    /// Verifies a value that nobody asks for, and its key.
    #[inline(always)]
    fn pass(&mut self, Passed { value, form, lead, lead_mask }: Passed) {
        let (start, len) = self.level.span(&self.fields, value);
        let lead_len = (u128::BITS - lead_mask.leading_zeros()) / 8;
        self.odd_if((u128::from_le_bytes(self.some(start.wrapping_sub(lead_len))) ^ lead) & lead_mask != 0);
        if form == Other::Text {
            self.odd_if(len > u32::from(TEXT));
            self.odd |= self.level.plain(&self.some(start), len as usize).1;
            return;
        }
        let (start, end) = (self.at + start as usize, self.at + (start + len) as usize);
        let window = end.checked_sub(16).and_then(|at| self.frame.get(at..)?.first_chunk());
        let commas = window.and_then(|window| self.level.wholes(window, len as usize));
        let is_common = commas.is_some_and(|commas| form == Other::List || (form == Other::Number && commas == 0));
        let bytes = self.frame.get(start..end).unwrap_or_default();
        self.odd_if(!is_common && !is_sound(form, bytes));
    }

    /// Some bytes of the object.
    #[inline(always)]
    fn some<const N: usize>(&self, start: u32) -> [u8; N] {
        self.level.some_of(self.held, (self.frame, self.at), start)
    }

    /// The frame that the object stands in.
    #[inline(always)]
    pub(crate) const fn frame(&self) -> &'a [u8] {
        self.frame
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
        self.odd_if(!self.level.is_ticker(&self.some(start), len as usize));
        Text { start: self.at as u32 + start, len, escaped: false }
    }

    /// The bytes of a number, with zeroes behind; it must be read as a number, too.
    #[inline(always)]
    pub(crate) fn digits<const FIELD: usize>(&self) -> [u8; 32] {
        let (start, len) = self.level.span(&self.fields, self.shape.places[FIELD]);
        self.level.plain(&self.some(start), len as usize).0
    }

    /// `true` or `false`.
    #[inline(always)]
    pub(crate) fn flag<const FIELD: usize>(&mut self) -> bool {
        const TRUE: u64 = 0x6575_7274;
        const FALSE: u64 = 0x65_736C_6166;
        let (start, len) = self.level.span(&self.fields, self.shape.places[FIELD]);
        let word = u64::from_le_bytes(self.some(start));
        let is_true = word & 0xFFFF_FFFF == TRUE && len == 4;
        let is_false = word & 0xFF_FFFF_FFFF == FALSE && len == 5;
        // No branch on what is as good as random.
        self.odd_if(!(is_true | is_false) & self.has(FIELD));
        is_true
    }

    /// A decimal in quotes that may have a sign.
    #[inline(always)]
    pub(crate) fn signed<const FIELD: usize>(&mut self) -> f64 {
        let (start, len) = self.level.span(&self.fields, self.shape.places[FIELD]);
        let [first] = self.some(start);
        let is_negative = first == b'-';
        let digits = len.wrapping_sub(u32::from(is_negative));
        let whole = self.level.whole(&self.some((start + len).wrapping_sub(16)), digits as usize);
        self.odd |= u64::from(whole.odd);
        let (float, _) = whole.read.both(&mut self.odd);
        // No branch on what is as good as random.
        f64::from_bits(float.to_bits() ^ u64::from(is_negative) << 63)
    }

    /// A text without escapes: its bytes with zeroes behind; empty where there is none.
    #[inline(always)]
    pub(crate) fn text<const FIELD: usize>(&mut self) -> [u8; 32] {
        let (start, len) = self.level.span(&self.fields, self.shape.places[FIELD]);
        // No branch on a field that comes and goes.
        let len = select_unpredictable(self.has(FIELD), len as usize, 0);
        let (bytes, odd) = self.level.plain(&self.some(start), len);
        self.odd |= odd;
        bytes
    }
}

/// True if a value that nobody asks for and that is not common is of its form, and ASCII.
#[cold]
fn is_sound(form: Other, bytes: &[u8]) -> bool {
    match form {
        Other::Number => is_number(bytes),
        Other::List => bytes.split(|&byte| byte == b',').all(is_number),
        Other::Word => matches!(bytes, b"true" | b"false" | b"null"),
        Other::Text => false,
    }
}

fn is_number(bytes: &[u8]) -> bool {
    number::scan_any(bytes, 0, &mut Token::at(Tag::Number, 0)).is_ok_and(|end| end == bytes.len())
}

#[cfg(test)]
mod tests {
    use super::super::keys::KeyTable;
    use super::super::shape::{Key, Plan, WIDTH};
    use super::super::simd::{Scalar, ends_of};
    use super::*;

    static KEYS: KeyTable = KeyTable::new(&["e", "n", "m"]);
    const KNOWN: &str = r#"{"e":"aggTrade","m":25,"n":1234567}"#;

    /// Takes everything for what it knows.
    struct Gullible(Told);

    impl<L: Level> Reader<L> for Gullible {
        #[inline(always)]
        fn told(&self, _: &Extent) -> Told {
            self.0
        }

        #[inline(always)]
        fn read(&mut self, mut lane: Lane<L>) -> bool {
            let values = lane.decimals::<0>();
            lane.is_sound() && values[0].1 == 123_456_700_000_000 && values[1].1 == 2_500_000_000
        }
    }

    fn is_read<L: Level>(level: L, object: &str) -> bool {
        let mut keys = [Key::NONE; WIDTH];
        (keys[0], keys[1]) = (Key::number(1), Key::number(2));
        let plan = Plan::new(0, "aggTrade", &keys, 0, 0);
        let (ends, extent) = ends_of(KNOWN.as_bytes(), 0).unwrap_or_else(|| unreachable!("it ends"));
        let told = Told::named(&extent, 1);
        let mut shapes = Shapes::new();
        shapes.learn(told, (&plan, true), &KEYS, KNOWN.as_bytes(), &ends[..extent.count as usize]);
        let mut edges = Edges::new();
        run(level, (object.as_bytes(), 0), 1, (&shapes, &mut edges), Gullible(told)).is_behind
    }

    #[test]
    fn every_byte_is_verified_whatever_is_told() {
        let check = |object: &str, want: bool| {
            assert_eq!(is_read(Scalar, object), want, "{object}");
            #[cfg(target_arch = "x86_64")]
            {
                assert_eq!(super::super::v3().map_or(want, |level| is_read(level, object)), want, "{object}");
                assert_eq!(super::super::v4().map_or(want, |level| is_read(level, object)), want, "{object}");
            }
        };
        check(KNOWN, true);
        for more in [r#","x":1}"#, r#","n":1}"#, r#",""}"#, " }"] {
            check(&format!("{}{more}", &KNOWN[..KNOWN.len() - 1]), false);
        }
        for at in 0..KNOWN.len() {
            for byte in ["", "0", "\"", ",", "}", "{", "é", " ", "\\"] {
                let changed = format!("{}{byte}{}", &KNOWN[..at], &KNOWN[at + 1..]);
                if changed != KNOWN {
                    check(&changed, false);
                }
            }
        }
    }
}
