//! The loops that decide the speed of reading, at the levels a machine offers: marking bytes, finding the end of a short
//! text, and turning digits into numbers, one or four at a time.
//!
//! Everything else is written once, generic over [`Level`], and compiled once for each level inside a function that
//! enables the level's instructions; that function is chosen when a frame comes in. All levels must give the same
//! answers: a level may say that something is odd ("not one of the common forms"), never something else.

use std::hint::select_unpredictable;

use ringtape_model::units::{CODE_UNSET, E8_UNSET, ID_UNSET, MILLI, PRICE_UNSET, TIME_UNSET};

use super::number::{POW10, POW10_F64};
use super::outline::{MARKS, Outline, Pattern};
use super::shape::{Shape, VALUES, WIDTH};
use super::structure::AHEAD;

#[cfg(target_arch = "x86_64")]
mod x86;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{best, decode};
#[cfg(all(test, target_arch = "x86_64"))]
pub(crate) use x86::{old_v3, v3, v4};

/// A number of the common form: up to 15 digits, perhaps a point among them, no sign, no exponent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plain {
    /// The digits without the point.
    pub(crate) mantissa: u64,
    /// Bytes of the number.
    pub(crate) len: usize,
    /// Digits behind the point.
    pub(crate) decimals: usize,
}

/// Bytes of the longest number that is read by its end.
pub(crate) const NUMBER: u8 = 15;
/// Bytes of the longest code. Those in lists have one less.
pub(crate) const CODE: u8 = 4;
/// Bytes of the longest list of codes, which has four.
pub(crate) const LIST: u8 = 15;
/// Bytes of the longest text that is read by its ends.
pub(crate) const TEXT: u8 = 31;

/// What a number of so many decimals is divided by.
static DIVISORS: [f64; 16] = match POW10_F64.first_chunk() {
    Some(first) => *first,
    None => unreachable!(),
};
/// What it is multiplied with to count 1e-8.
static SCALES: [i64; 16] = {
    let (mut scales, mut at) = ([1; 16], 0);
    while at < 8 {
        scales[at] = POW10[8 - at].cast_signed();
        at += 1;
    }
    scales
};
/// The largest mantissa that then fits an `i64`. Nine decimals and more are rounded the plain way, unless it is zero.
static FITS: [u64; 16] = {
    let (mut fits, mut at) = ([0; 16], 0);
    while at <= 8 {
        fits[at] = (i64::MAX / SCALES[at]) as u64;
        at += 1;
    }
    fits
};

impl Plain {
    /// The number as a double and in 1e-8; sets bits where it does not fit.
    #[inline(always)]
    pub(crate) fn both(self, odd: &mut u64) -> (f64, i64) {
        let decimals = self.decimals & 15;
        *odd |= u64::from(self.mantissa > FITS[decimals]);
        let mantissa = self.mantissa.cast_signed();
        // INVARIANT: a mantissa that fits has at most 15 digits and is exact, so the division rounds once.
        (mantissa as f64 / DIVISORS[decimals], mantissa.wrapping_mul(SCALES[decimals]))
    }
}

/// A number that fills its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole {
    pub(crate) read: Plain,
    /// Not zero where the number is not of the common form; `read` is then anything.
    pub(crate) odd: u32,
}

/// Where structure stands in a block, a bit each, and which of its bytes are not ASCII.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Structure {
    /// Commas and opening braces before a key, closing braces.
    pub(crate) marks: u64,
    pub(crate) high: u64,
}

/// Longest object that is read by marks, with `BEFORE` bytes before it.
pub(crate) const REACH: usize = 512;
/// Bytes before an object that a reader may look at.
pub(crate) const BEFORE: usize = 16;
/// An object with `BEFORE` bytes before it, whatever they are, and room behind: every look at it is inside by its type.
pub(crate) type Window = [u8; REACH + 32];

/// `N` bytes of a window, up to 32; places are below `REACH` in an object that is sound.
#[inline(always)]
pub(crate) fn bytes<const N: usize>(window: &Window, at: u32) -> &[u8; N] {
    window[at as usize % REACH..].first_chunk().unwrap_or(&[0; N])
}

/// Where the fields of a pattern stand in a window, in the pattern's order. What is said of a field that the object has
/// not is anything, but for `lens`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub(crate) struct Spans {
    /// Sixteen bytes before the end of each value.
    pub(crate) befores: [u32; WIDTH],
    /// Bytes of each value.
    pub(crate) all_lens: [u32; WIDTH],
    /// Bytes of each number; 0 for other fields and those that are not there.
    pub(crate) lens: [u32; WIDTH],
    /// Not zero where a number has no byte or too many.
    pub(crate) odd: u64,
}

impl Spans {
    /// No fields.
    pub(crate) const NONE: Self = Self { befores: [0; WIDTH], all_lens: [0; WIDTH], lens: [0; WIDTH], odd: 0 };

    #[inline(always)]
    fn four<'w, const GROUP: usize>(&self, window: &'w Window) -> [&'w [u8; 16]; 4] {
        let at = GROUP * 4;
        [
            bytes(window, self.befores[at]),
            bytes(window, self.befores[at + 1]),
            bytes(window, self.befores[at + 2]),
            bytes(window, self.befores[at + 3]),
        ]
    }
}

/// Most bytes of an object that a lane reads, so that a place in it is one byte.
pub(crate) const HELD: usize = 256;
/// Such an object in memory, with `BEFORE` bytes before it and room behind.
pub(crate) type Near = [u8; BEFORE + HELD + 32];

/// Copies of the edges of a frame, where objects have no room around them, with zeroes beyond.
pub(crate) struct Edges {
    first: [u8; EDGE],
    last: [u8; EDGE],
}

/// Room for an object anywhere in as many bytes as one may have.
const EDGE: usize = 2 * size_of::<Near>();

impl Edges {
    pub(crate) const fn new() -> Self {
        Self { first: [0; EDGE], last: [0; EDGE] }
    }

    /// Copies what is before the first object that has room before it, and from the first on that has none behind it.
    fn copied(&mut self, frame: &[u8]) -> &Self {
        let from = frame.len().saturating_sub(size_of::<Near>());
        if from > 0 {
            let len = frame.len().min(size_of::<Near>() + BEFORE);
            self.first[BEFORE..BEFORE + len].copy_from_slice(&frame[..len]);
        }
        let before = from.min(BEFORE);
        self.last[..BEFORE].fill(0);
        let to = BEFORE - before + frame.len() - (from - before);
        self.last[BEFORE - before..to].copy_from_slice(&frame[from - before..]);
        self.last[to..].fill(0);
        self
    }

    /// The object that opens at `at` with what is around it.
    #[inline(always)]
    fn near<'a>(&'a self, frame: &'a [u8], at: usize) -> Option<&'a Near> {
        if let Some(near) = at.checked_sub(BEFORE).and_then(|at| frame.get(at..)?.first_chunk()) {
            return Some(near);
        }
        let from = frame.len().saturating_sub(size_of::<Near>());
        if at < from { self.first.get(at..)?.first_chunk() } else { self.last.get(at - from..)?.first_chunk() }
    }
}

/// What is known of an object before its values are. What is beyond the frame is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Number of its values.
    pub(crate) count: u32,
    /// Its bytes.
    pub(crate) len: u32,
    /// The end of its first value, or 64 where that is not among its first 64 bytes.
    pub(crate) first: u32,
    /// Its first eight bytes.
    pub(crate) head: u64,
    /// The two bytes before the end of its first value.
    pub(crate) name: u16,
    /// The four bytes at the end of its second value, found as the first.
    pub(crate) third: u32,
}

impl Extent {
    #[inline(always)]
    fn new(object: &[u8], count: usize, len: u32, ends: &[u8; 32]) -> Self {
        let within = |at: usize| if at < count { usize::from(ends[at]).min(64) } else { 64 };
        let (first, second) = (within(0), within(1));
        Self {
            count: count as u32,
            len,
            first: first as u32,
            head: u64::from_le_bytes(some(object, 0)),
            name: u16::from_le_bytes(some(object, first.saturating_sub(2))),
            third: u32::from_le_bytes(some(object, second)),
        }
    }
}

/// Some bytes of a text, with zeroes behind its end.
#[inline(always)]
pub(crate) fn some<const N: usize>(text: &[u8], at: usize) -> [u8; N] {
    #[cold]
    fn cut<const N: usize>(text: &[u8], at: usize) -> [u8; N] {
        let (mut bytes, rest) = ([0; N], text.get(at..).unwrap_or_default());
        let len = rest.len().min(N);
        bytes[..len].copy_from_slice(&rest[..len]);
        bytes
    }
    match text.get(at..).and_then(<[u8]>::first_chunk) {
        Some(bytes) => *bytes,
        None => cut(text, at),
    }
}

/// An object in memory, and the places of the commas and of the brace behind its values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InMemory<'a> {
    near: &'a Near,
    ends: [u8; 32],
}

/// Where the values of an object are, and the fields of a plan among them.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
pub(crate) struct Places {
    /// The first byte of each value, and its length.
    starts: [u8; 32],
    lens: [u8; 32],
    /// The end of each field that is a number or a list of numbers.
    number_ends: [u8; WIDTH],
    /// Its length, 0 for fields that the object has not.
    number_lens: [u8; WIDTH],
}

/// `N` bytes of an object in memory.
#[inline(always)]
fn near<const N: usize>(near: &Near, at: u8, less: usize) -> &[u8; N] {
    near[BEFORE + usize::from(at) - less..].first_chunk().unwrap_or(&[0; N])
}

/// Finds the end of the object that opens at `at` and of each of its values, byte by byte: what `Level::hold` must find.
pub(crate) fn ends_of(frame: &[u8], at: usize) -> Option<([u8; 32], Extent)> {
    let object = frame.get(at..)?;
    let (mut ends, mut count) = ([0; 32], 0);
    for (place, &byte) in object.iter().enumerate().take(HELD) {
        if byte == b'}' || (byte == b',' && object.get(place + 1) == Some(&b'"')) {
            *ends.get_mut(count)? = place as u8;
            count += 1;
        }
        if byte == b'}' {
            return (count <= VALUES).then_some((ends, Extent::new(object, count, place as u32 + 1, &ends)));
        }
    }
    None
}

/// What `Level::fields` does in memory.
#[inline(always)]
fn fields(InMemory { near: object, ends }: InMemory, shape: &Shape) -> (Places, u64) {
    let mut places = Places { starts: [0; 32], lens: [0; 32], number_ends: [0; WIDTH], number_lens: [0; WIDTH] };
    let mut odd = 0;
    for value in 0..32 {
        let before = if value == 0 { 0 } else { ends[value - 1] };
        places.starts[value] = before.wrapping_add(shape.leads[value]);
        places.lens[value] = ends[value].wrapping_sub(shape.tails[value]).wrapping_sub(places.starts[value]);
    }
    for (value, &end) in ends.iter().enumerate().take(VALUES) {
        let around = u128::from_le_bytes(*near(object, end, 1)) ^ u128::from_le_bytes(shape.around[value]);
        odd |= u64::from(around & u128::from_le_bytes(shape.around_masks[value]) != 0);
    }
    for field in 0..WIDTH {
        let value = usize::from(shape.places[field]) % 32;
        let (len, end) = (places.lens[value], places.starts[value].wrapping_add(places.lens[value]));
        if shape.has >> field & 1 != 0 {
            odd |= u64::from(len.wrapping_sub(shape.least[field]) > shape.range[field]);
        }
        if shape.numbers >> field & 1 != 0 {
            (places.number_lens[field], places.number_ends[field]) = (len, end);
        }
    }
    (places, odd)
}

/// Limits and units of a whole number.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    least: u64,
    most: u64,
    scale: i64,
    unset: i64,
}

impl Rule {
    /// A time in ms between 2000 and 2100, given in ns; other units are told apart the plain way.
    pub(crate) const MILLIS: Self =
        Self { least: 946_684_800_000, most: 4_102_444_799_999, scale: MILLI, unset: TIME_UNSET };
    /// Any number.
    pub(crate) const ID: Self = Self { least: 0, most: u64::MAX, scale: 1, unset: ID_UNSET };
    /// A code.
    const CODE: Self = Self { least: 0, most: u64::MAX, scale: 1, unset: CODE_UNSET as i64 };
    /// A digit; 0 where it is missing.
    pub(crate) const DIGIT: Self = Self { least: 0, most: 9, scale: 1, unset: 0 };
}

impl Rule {
    /// A whole number in its unit, unset where its length is 0; and not zero if it is beyond the limits.
    #[inline(always)]
    fn applied(self, number: u64, len: u32) -> (i64, u64) {
        let Self { least, most, scale, unset } = self;
        let is_beyond = number.wrapping_sub(least) > most - least;
        let value = number.cast_signed().wrapping_mul(scale);
        (select_unpredictable(len != 0, value, unset), select_unpredictable(len != 0, u64::from(is_beyond), 0))
    }
}

/// The rules of four numbers, as tables for vectors: each at the even places.
#[repr(align(64))]
pub(crate) struct Rules {
    least: [u64; 8],
    /// What `most` is above `least`.
    range: [u64; 8],
    scale: [i64; 8],
    unset: [i64; 8],
    /// The same, one behind the other.
    dense: Dense,
}

/// The rules of four numbers for vectors of four.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Dense {
    least: [i64; 4],
    most: [i64; 4],
    scale: [u64; 4],
    unset: [i64; 4],
}

impl Rules {
    pub(crate) const fn new(rules: [Rule; 4]) -> Self {
        let dense = Dense { least: [0; 4], most: [0; 4], scale: [0; 4], unset: [0; 4] };
        let mut four = Self { least: [0; 8], range: [0; 8], scale: [0; 8], unset: [0; 8], dense };
        let mut at = 0;
        while at < 4 {
            let Rule { least, most, scale, unset } = rules[at];
            (four.least[2 * at], four.range[2 * at]) = (least, most - least);
            (four.scale[2 * at], four.unset[2 * at]) = (scale, unset);
            // Numbers have up to 15 digits.
            let most = if most > i64::MAX as u64 { i64::MAX as u64 } else { most };
            (four.dense.least[at], four.dense.most[at]) = (least.cast_signed(), most.cast_signed());
            (four.dense.scale[at], four.dense.unset[at]) = (scale.cast_unsigned(), unset);
            at += 1;
        }
        four
    }

    const fn rule(&self, at: usize) -> Rule {
        let (least, scale, unset) = (self.least[2 * at], self.scale[2 * at], self.unset[2 * at]);
        Rule { least, most: least + self.range[2 * at], scale, unset }
    }
}

/// A whole number at the end of a window, unset where its length is 0. No branch on a field that comes and goes, here and
/// below.
#[inline(always)]
fn integer<L: Level>(level: L, window: &[u8; 16], len: u32, rule: Rule) -> (i64, u64) {
    let Whole { read, odd } = level.whole(window, len as usize);
    let (value, is_beyond) = rule.applied(read.mantissa, len);
    (value, is_beyond | select_unpredictable(len != 0, u64::from(odd) | read.decimals as u64, 0))
}

/// The same for a double and in 1e-8.
#[inline(always)]
fn decimal<L: Level>(level: L, window: &[u8; 16], len: u32) -> ((f64, i64), u64) {
    let whole = level.whole(window, len as usize);
    let mut odd = u64::from(whole.odd);
    let (float, e8) = whole.read.both(&mut odd);
    let odd = select_unpredictable(len != 0, odd, 0);
    ((select_unpredictable(len != 0, float, PRICE_UNSET), select_unpredictable(len != 0, e8, E8_UNSET)), odd)
}

/// The codes of a list, which has no blanks, and how many they are; none if they are not of the common form.
fn codes_of(mut list: &[u8]) -> ([u16; 4], u8) {
    let mut codes = [CODE_UNSET; 4];
    for at in 0..4 {
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

impl Places {
    /// The first byte of a value, and its length.
    #[inline(always)]
    fn span(&self, value: u8) -> (u32, u32) {
        let value = usize::from(value) % 32;
        (self.starts[value].into(), self.lens[value].into())
    }

    /// Sixteen bytes up to the end of a field, and its length.
    #[inline(always)]
    fn number<'a>(&self, held: InMemory<'a>, field: usize) -> (&'a [u8; 16], u32) {
        (near(held.near, self.number_ends[field], 16), self.number_lens[field].into())
    }
}

/// Work that is compiled with the instructions of a level, in a function of its own.
pub(crate) trait Work<L> {
    type Done;

    /// Does it. Must be inlined always.
    fn done(self, level: L) -> Self::Done;
}

/// What a machine can do.
pub(crate) trait Level: Copy {
    /// Does some work in a function of its own, where registers are for nothing else.
    fn apart_from_all<W: Work<Self>>(self, work: W) -> W::Done;

    /// True if no byte has its highest bit set.
    #[inline(always)]
    fn is_ascii(self, frame: &[u8]) -> bool {
        frame.is_ascii()
    }

    /// The structure of a block that has a little behind it.
    fn structure(self, block: &[u8; 64 + AHEAD]) -> Structure;

    /// The structure of the block of a frame that begins at `base`, or of what there is of it.
    #[inline(always)]
    fn structure_at(self, frame: &[u8], base: usize) -> Structure {
        if let Some(block) = frame.get(base..).and_then(<[u8]>::first_chunk) {
            return self.structure(block);
        }
        if base >= frame.len() {
            return Structure::default();
        }
        let (mut copy, rest) = ([0; 64 + AHEAD], frame.get(base..).unwrap_or_default());
        let len = rest.len().min(copy.len());
        copy[..len].copy_from_slice(&rest[..len]);
        self.structure(&copy)
    }

    /// A word, kept out of vectors: a compiler gathers words that are scattered, which takes longer than reading them.
    #[inline(always)]
    fn apart(self, word: u64) -> u64 {
        word
    }

    /// Writes `base` + place of each bit that is set, rising, to the start of `out`; what is behind them may change too.
    #[inline(always)]
    fn places(self, mut bits: u64, base: u32, out: &mut [u32; 64]) {
        let total = bits.count_ones() as usize;
        // Eight at a time, most blocks have no more.
        for out in out.as_chunks_mut::<8>().0.iter_mut().take(total.div_ceil(8).max(1)) {
            for place in out {
                *place = base + bits.trailing_zeros();
                bits &= bits.wrapping_sub(1);
            }
        }
    }

    /// Where the fields of a pattern stand in a window that begins at `base`, by the marks of their object.
    #[inline(always)]
    fn reaches(self, marks: &[u32; MARKS + 1], base: u32, pattern: &Pattern, outline: &Outline) -> Spans {
        let mut spans = Spans::NONE;
        for at in 0..WIDTH {
            let place = outline.places[at] as usize % MARKS;
            let start = marks[place].wrapping_sub(base).wrapping_add(outline.leads[at]);
            let end = marks[place + 1].wrapping_sub(base).wrapping_sub(pattern.tails[at]);
            let len = end.wrapping_sub(start);
            let is_number = outline.numbers >> at & 1 != 0;
            (spans.befores[at], spans.all_lens[at]) = (end.wrapping_sub(16), len);
            spans.lens[at] = if is_number { len } else { 0 };
            spans.odd |= u64::from(is_number && len.wrapping_sub(1) >= u32::from(NUMBER));
        }
        spans
    }

    /// An object as it is held while it is read.
    type Held<'a>: Copy;
    /// Where its values and the fields of a plan are.
    type Fields: Copy;

    /// Copies the edges of a frame, if the level wants that.
    fn edges<'a>(self, frame: &[u8], to: &'a mut Edges) -> &'a Edges;

    /// Takes up the object that opens at `at`; `None` if it has no end within reach, or too many values. See `ends_of`.
    fn hold<'a>(self, frame: &'a [u8], at: usize, edges: &'a Edges) -> Option<(Self::Held<'a>, Extent)>;

    /// Up to 32 bytes from a place of the object on that opens at `at`.
    #[inline(always)]
    fn some_of<const N: usize>(self, _: Self::Held<'_>, (frame, at): (&[u8], usize), start: u32) -> [u8; N] {
        some(frame, at.wrapping_add_signed(start.cast_signed() as isize))
    }

    /// True if another object follows the one from `at` to `end`.
    #[inline(always)]
    fn is_followed(self, frame: &[u8], _: Self::Held<'_>, (_, end): (usize, usize)) -> bool {
        frame.get(end..).and_then(<[u8]>::first_chunk) == Some(b",{")
    }

    /// Where the fields of a plan are in an object of this shape; and not zero if a key or a byte behind a value is
    /// another, or a value is too short or too long for its field.
    fn fields(self, held: Self::Held<'_>, shape: &Shape) -> (Self::Fields, u64);

    /// The first byte and the length of a value.
    fn span(self, fields: &Self::Fields, value: u8) -> (u32, u32);

    /// The length of a field, 0 if the object has it not.
    fn field_len<const FIELD: usize>(self, fields: &Self::Fields) -> u32;

    /// The fields 4 × `GROUP` and the three behind it as doubles and in 1e-8, unset where the object has them not; and
    /// zero if all of them are sound. So are the following.
    fn held_decimals<const GROUP: usize>(self, held: Self::Held<'_>, fields: &Self::Fields) -> ([(f64, i64); 4], u64);

    /// Whole numbers within limits.
    fn held_integers<const GROUP: usize>(
        self,
        held: Self::Held<'_>,
        fields: &Self::Fields,
        rules: &Rules,
    ) -> ([i64; 4], u64);

    /// Codes of at most 4 digits. What is longer, as only lists of codes may be, is none.
    fn held_codes<const GROUP: usize>(self, held: Self::Held<'_>, fields: &Self::Fields) -> ([u16; 4], u64);

    /// A list of one to four codes of at most 3 digits, and how many they are.
    fn held_list<const FIELD: usize>(self, held: Self::Held<'_>, fields: &Self::Fields) -> ([u16; 4], u8, u64);

    /// The number that fills the last `len` bytes of the window, or that it is not of the common form or has more than
    /// 15 bytes. Not an `Option`, so that nothing has to branch on it.
    fn whole(self, window: &[u8; 16], len: usize) -> Whole;

    /// The fields 4 × `GROUP` and the three behind it as whole numbers within limits, unset where the length is 0; and
    /// bits that are zero if all of them are sound. Lengths are at most 15.
    #[inline(always)]
    fn integers<const GROUP: usize>(self, window: &Window, spans: &Spans, rules: &Rules) -> ([i64; 4], u64) {
        let four = spans.four::<GROUP>(window);
        let (mut values, mut odd) = ([0; 4], 0);
        for at in 0..4 {
            let (value, is_odd) = integer(self, four[at], spans.lens[GROUP * 4 + at], rules.rule(at));
            (values[at], odd) = (value, odd | is_odd);
        }
        (values, odd)
    }

    /// Four fields as doubles and in 1e-8.
    #[inline(always)]
    fn decimals<const GROUP: usize>(self, window: &Window, spans: &Spans) -> ([(f64, i64); 4], u64) {
        let four = spans.four::<GROUP>(window);
        let (mut values, mut odd) = ([(PRICE_UNSET, E8_UNSET); 4], 0);
        for at in 0..4 {
            let (value, is_odd) = decimal(self, four[at], spans.lens[GROUP * 4 + at]);
            (values[at], odd) = (value, odd | is_odd);
        }
        (values, odd)
    }

    /// True if the first `len` bytes of the window, up to 31, are a symbol of the usual bytes.
    #[inline(always)]
    fn is_ticker(self, window: &[u8; 32], len: usize) -> bool {
        let name = &window[..len % 32];
        let usual = |byte: &u8| byte.is_ascii_alphabetic() || (b'-'..=b':').contains(byte) || *byte == b'_';
        !name.is_empty() && name.iter().all(usual) && !name.windows(2).any(|two| two == b"..")
    }

    /// The first `len` bytes of the window, up to 31, with zeroes behind them; and not zero if a quote, an escape or a
    /// control character is among them, or what is not ASCII.
    #[inline(always)]
    fn plain(self, window: &[u8; 32], len: usize) -> ([u8; 32], u64) {
        let (mut text, mut odd) = ([0; 32], 0);
        for at in 0..len % 32 {
            text[at] = window[at];
            odd |= u64::from(matches!(window[at], 0..0x20 | b'"' | b'\\' | 0x80..));
        }
        (text, odd)
    }

    /// The digits and point at the start of the window, if they are of the common form and end inside the first 16
    /// bytes. Whether an exponent follows is the caller's to see.
    fn number(self, window: &[u8; 32]) -> Option<Plain>;

    /// How many commas are among the last `len` bytes of a window, if these are whole numbers with one between each two.
    #[inline(always)]
    fn wholes(self, window: &[u8; 16], len: usize) -> Option<u32> {
        let bytes = window.get(16usize.checked_sub(len)?..)?;
        let is_whole = |one: &[u8]| one.iter().all(u8::is_ascii_digit) && matches!(one, [_] | [b'1'..=b'9', _, ..]);
        let mut parts = bytes.split(|&byte| byte == b',');
        let commas = parts.clone().count() as u32 - 1;
        parts.all(is_whole).then_some(commas)
    }

    /// Length of the plain text at the start of the window, if it is ASCII and its closing quote is inside.
    #[inline(always)]
    fn quote_in(self, window: &[u8; 32]) -> Option<usize> {
        let len = window.iter().position(|&byte| byte == b'"')?;
        (self.plain(window, len).1 == 0).then_some(len)
    }

    /// Length of the plain text at the start of the window, if its closing quote is inside and no escape or control
    /// character comes before.
    fn quote(self, window: &[u8; 16]) -> Option<usize>;
}

/// Nothing but 64-bit words; every machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar;

impl Level for Scalar {
    type Held<'a> = InMemory<'a>;
    type Fields = Places;

    #[inline(always)]
    fn edges<'a>(self, frame: &[u8], to: &'a mut Edges) -> &'a Edges {
        to.copied(frame)
    }

    #[inline(always)]
    fn hold<'a>(self, frame: &'a [u8], at: usize, edges: &'a Edges) -> Option<(InMemory<'a>, Extent)> {
        let (ends, extent) = ends_of(frame, at)?;
        Some((InMemory { near: edges.near(frame, at)?, ends }, extent))
    }

    #[inline(always)]
    fn fields(self, held: InMemory, shape: &Shape) -> (Places, u64) {
        fields(held, shape)
    }

    #[inline(always)]
    fn span(self, places: &Places, value: u8) -> (u32, u32) {
        places.span(value)
    }

    #[inline(always)]
    fn field_len<const FIELD: usize>(self, places: &Places) -> u32 {
        places.number_lens[FIELD].into()
    }

    #[inline(always)]
    fn held_decimals<const GROUP: usize>(self, held: InMemory, places: &Places) -> ([(f64, i64); 4], u64) {
        let (mut values, mut odd) = ([(PRICE_UNSET, E8_UNSET); 4], 0);
        for (at, to) in values.iter_mut().enumerate() {
            let (window, len) = places.number(held, GROUP * 4 + at);
            let (value, is_odd) = decimal(self, window, len);
            (*to, odd) = (value, odd | is_odd);
        }
        (values, odd)
    }

    #[inline(always)]
    fn held_integers<const GROUP: usize>(self, held: InMemory, places: &Places, rules: &Rules) -> ([i64; 4], u64) {
        let (mut values, mut odd) = ([0; 4], 0);
        for (at, to) in values.iter_mut().enumerate() {
            let (window, len) = places.number(held, GROUP * 4 + at);
            let (value, is_odd) = integer(self, window, len, rules.rule(at));
            (*to, odd) = (value, odd | is_odd);
        }
        (values, odd)
    }

    #[inline(always)]
    fn held_codes<const GROUP: usize>(self, held: InMemory, places: &Places) -> ([u16; 4], u64) {
        let (mut values, mut odd) = ([0; 4], 0);
        for (at, to) in values.iter_mut().enumerate() {
            let (window, len) = places.number(held, GROUP * 4 + at);
            let len = if len > u32::from(CODE) { 0 } else { len };
            let (value, is_odd) = integer(self, window, len, Rule::CODE);
            (*to, odd) = (value as u16, odd | is_odd);
        }
        (values, odd)
    }

    #[inline(always)]
    fn held_list<const FIELD: usize>(self, held: InMemory, places: &Places) -> ([u16; 4], u8, u64) {
        let (window, len) = places.number(held, FIELD);
        if len == 0 {
            return ([CODE_UNSET; 4], 0, 0);
        }
        let (codes, count) = codes_of(window.get(16usize.wrapping_sub(len as usize)..).unwrap_or_default());
        (codes, count, u64::from(count == 0))
    }

    #[inline(never)]
    fn apart_from_all<W: Work<Self>>(self, work: W) -> W::Done {
        work.done(self)
    }

    #[inline(always)]
    fn structure(self, block: &[u8; 64 + AHEAD]) -> Structure {
        let mut found = Structure::default();
        for at in 0..64 {
            let is_key = block[at + 1] == b'"' || (block[at] == b',' && block[at + 1] == b' ' && block[at + 2] == b'"');
            let is_mark = block[at] == b'}' || (matches!(block[at], b',' | b'{') && is_key);
            found.marks |= u64::from(is_mark) << at;
            found.high |= u64::from(!block[at].is_ascii()) << at;
        }
        found
    }

    #[inline(always)]
    fn whole(self, window: &[u8; 16], len: usize) -> Whole {
        let (mut mantissa, mut points, mut decimals) = (0u64, 0, 0);
        let mut odd = !(1..=15).contains(&len);
        let digits = window.get(16usize.wrapping_sub(len)..).unwrap_or_default();
        for &byte in digits {
            points += usize::from(byte == b'.');
            odd |= byte != b'.' && !byte.is_ascii_digit();
            if byte != b'.' {
                decimals += points;
                mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(byte.wrapping_sub(b'0')));
            }
        }
        odd |= points > 1 || digits.first() == Some(&b'.') || digits.last() == Some(&b'.');
        odd |= digits.first() == Some(&b'0') && digits.get(1).is_some_and(u8::is_ascii_digit);
        Whole { read: Plain { mantissa, len, decimals }, odd: u32::from(odd) }
    }

    #[inline(always)]
    fn number(self, window: &[u8; 32]) -> Option<Plain> {
        let (first, count) = run(window, 0);
        if count == 0 || (window[0] == b'0' && count > 1) {
            return None;
        }
        let plain = if count == 8 {
            let (second, more) = run(window, 8);
            Plain { mantissa: first * POW10[more] + second, len: 8 + more, decimals: 0 }
        } else if window[count] == b'.' {
            let (fraction, behind) = run(window, count + 1);
            if behind == 0 || behind == 8 {
                return None;
            }
            Plain { mantissa: first * POW10[behind] + fraction, len: count + 1 + behind, decimals: behind }
        } else {
            Plain { mantissa: first, len: count, decimals: 0 }
        };
        let open =
            plain.len >= 16 || matches!(window[plain.len], b'e' | b'E') || (count == 8 && window[plain.len] == b'.');
        (!open).then_some(plain)
    }

    #[inline(always)]
    fn quote(self, window: &[u8; 16]) -> Option<usize> {
        let (low, high) = (word(window, 0), word(window, 8));
        let at = match (specials(low), specials(high)) {
            (0, 0) => return None,
            (0, special) => 8 + special.trailing_zeros() as usize / 8,
            (special, _) => special.trailing_zeros() as usize / 8,
        };
        (window[at] == b'"').then_some(at)
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Eight bytes of a window as a little-endian word.
#[inline(always)]
fn word<const N: usize>(window: &[u8; N], at: usize) -> u64 {
    u64::from_le_bytes(window[at..at + 8].try_into().unwrap_or_default())
}

/// Flags each byte that is a quote, a backslash or a control, in its highest bit. Flags above the lowest one may
/// be wrong because of borrows, the lowest never is.
#[inline(always)]
pub(crate) fn specials(word: u64) -> u64 {
    let quote = word ^ (ONES * 0x22);
    let backslash = word ^ (ONES * 0x5C);
    ((quote.wrapping_sub(ONES) & !quote)
        | (backslash.wrapping_sub(ONES) & !backslash)
        | (word.wrapping_sub(ONES * 0x20) & !word))
        & HIGHS
}

/// Value and length of the run of up to eight digits at `at`; zero and zero where there are none.
#[inline(always)]
fn run(window: &[u8; 32], at: usize) -> (u64, usize) {
    let word = word(window, at) ^ (ONES * 0x30);
    let other = (word.wrapping_add(ONES * 0x76) | word) & HIGHS;
    let bits = other.trailing_zeros() & !7;
    // Shifting the run to the top puts zero digits before it, so one formula serves every length.
    let digits = (word << ((64 - bits) & 63)) & u64::from(bits != 0).wrapping_neg();
    (eight(digits), bits as usize / 8)
}

/// Value of eight digits, the first in the lowest byte: pairs, then fours, then eight.
#[inline(always)]
pub(crate) fn eight(word: u64) -> u64 {
    let pairs = word.wrapping_mul(10).wrapping_add(word >> 8);
    let low = (pairs & 0x0000_00FF_0000_00FF).wrapping_mul(0x000F_4240_0000_0064);
    let high = ((pairs >> 16) & 0x0000_00FF_0000_00FF).wrapping_mul(0x0000_2710_0000_0001);
    low.wrapping_add(high) >> 32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The literal reading of a window: what a common number is, byte by byte.
    fn obvious(window: &[u8; 32]) -> Option<Plain> {
        let text: String =
            window.iter().take_while(|b| b.is_ascii_digit() || **b == b'.').map(|&b| b as char).collect();
        let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
        let fraction = fraction.map(|rest| rest.split('.').next().unwrap_or_default());
        let len = whole.len() + fraction.map_or(0, |digits| 1 + digits.len());
        let bad = whole.is_empty() || (whole.len() > 1 && whole.starts_with('0')) || fraction == Some("") || len >= 16;
        if bad {
            return None;
        }
        let digits = format!("{whole}{}", fraction.unwrap_or_default());
        Some(Plain { mantissa: digits.parse().ok()?, len, decimals: fraction.map_or(0, str::len) })
    }

    fn check(window: [u8; 32]) {
        let want = obvious(&window);
        let shown = String::from_utf8_lossy(&window).into_owned();
        // The scalar level may decline more, but never differ.
        if let Some(got) = Scalar.number(&window) {
            assert_eq!(Some(got), want, "{shown}");
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(level) = v3() {
            assert_eq!(level.number(&window), want, "{shown}");
        }
    }

    /// What a level says of the codes of a list; nothing if they are not of the common form.
    fn said_of_a_list<L: Level>(level: L, frame: &str, shape: &Shape) -> Option<([u16; 4], u8)> {
        let mut edges = Edges::new();
        let edges = level.edges(frame.as_bytes(), &mut edges);
        let (held, _) = level.hold(frame.as_bytes(), 0, edges)?;
        let (fields, odd) = level.fields(held, shape);
        let (codes, count, is_odd) = level.held_list::<14>(held, &fields);
        (odd | is_odd == 0).then_some((codes, count))
    }

    static IDS: Rules = Rules::new([Rule::ID; 4]);

    /// A window with four numbers in it, each behind `before`.
    fn laid_out(texts: &[String; 4], before: &str) -> (Window, Spans) {
        let mut window = [b'"'; size_of::<Window>()];
        let mut spans = Spans::NONE;
        for (at, text) in texts.iter().enumerate() {
            let all = format!("{before}{text}");
            let end = 64 * (at + 1);
            window[end - all.len()..end].copy_from_slice(all.as_bytes());
            (spans.befores[at], spans.lens[at]) = (end as u32 - 16, text.len() as u32);
        }
        (window, spans)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn numbers_agree_at_every_level(text in "[0-9]{0,17}(\\.[0-9]{0,16})?[,}eE. \\]]", tail in "[0-9.,]{32}") {
            let mut window = [0; 32];
            let all = format!("{text}{tail}");
            window.copy_from_slice(&all.as_bytes()[..32]);
            check(window);
        }

        #[test]
        fn whole_numbers_agree_at_every_level(text in "[0-9]{0,16}(\\.[0-9]{0,15})?", before in "[0-9.,:\"]{16}", len in 0..18usize) {
            let mut window = [0; 16];
            let all = format!("{before}{text}");
            window.copy_from_slice(&all.as_bytes()[all.len() - 16..]);
            for len in [text.len(), len] {
                let mut value = [b'}'; 32];
                let want = (1..=15).contains(&len).then(|| {
                    value[..len].copy_from_slice(&window[16 - len..]);
                    obvious(&value).filter(|plain| plain.len == len)
                });
                let read = |whole: Whole| (whole.odd == 0).then_some(whole.read);
                prop_assert_eq!(read(Scalar.whole(&window, len)), want.flatten(), "{} {}", all, len);
                #[cfg(target_arch = "x86_64")]
                if let Some(level) = v3() {
                    prop_assert_eq!(read(level.whole(&window, len)), want.flatten(), "{} {}", all, len);
                }
            }
        }

        #[test]
        fn four_numbers_agree_at_every_level(
            texts in prop::array::uniform4(prop_oneof!["[1-9][0-9]{0,14}", "0", "", "[0-9]{1,6}\\.[0-9]{1,8}", "[0-9.x]{0,15}"]),
            before in "[0-9.,:\"]{16}",
        ) {
            let (window, spans) = laid_out(&texts, &before);
            let whole = Scalar.integers::<0>(&window, &spans, &IDS);
            let decimal = Scalar.decimals::<0>(&window, &spans);
            for (text, value) in texts.iter().zip(whole.0).filter(|_| whole.1 == 0) {
                prop_assert_eq!(text.parse().unwrap_or(ID_UNSET), value, "{}", text);
            }
            for (text, value) in texts.iter().zip(decimal.0).filter(|_| decimal.1 == 0) {
                prop_assert_eq!(text.parse().unwrap_or(PRICE_UNSET).to_bits(), value.0.to_bits(), "{}", text);
            }
            #[cfg(target_arch = "x86_64")]
            {
                let bits = |(values, odd): ([(f64, i64); 4], u64)| {
                    (odd == 0).then(|| values.map(|(float, e8)| (float.to_bits(), e8)))
                };
                if let Some(level) = v3() {
                    let read = level.integers::<0>(&window, &spans, &IDS);
                    prop_assert_eq!((read.1 == 0).then_some(read.0), (whole.1 == 0).then_some(whole.0), "{:?}", texts);
                    // Zeroes with more than eight decimals are for the plain way, too.
                    let read = bits(level.decimals::<0>(&window, &spans));
                    let is_long = |text: &String| text.split_once('.').is_some_and(|(_, rest)| rest.len() > 8);
                    let want = if texts.iter().any(is_long) { None } else { bits(decimal) };
                    prop_assert_eq!(read, want, "{:?}", texts);
                }
            }
            #[cfg(target_arch = "x86_64")]
            if let Some(level) = v4() {
                let read = level.integers::<0>(&window, &spans, &IDS);
                prop_assert_eq!((read.1 == 0).then_some(read.0), (whole.1 == 0).then_some(whole.0), "{:?}", texts);
                let bits = |(values, odd): ([(f64, i64); 4], u64)| {
                    (odd == 0).then(|| values.map(|(float, e8)| (float.to_bits(), e8)))
                };
                let read = level.decimals::<0>(&window, &spans);
                prop_assert_eq!(bits(read), bits(decimal), "{:?}", texts);
            }
        }

        #[test]
        fn texts_agree_at_every_level(
            text in prop_oneof!["[A-Z.]{0,31}", "[A-Z0-9a-z:/._-]{0,31}", "[ -~]{0,31}", "[\\x00-\\x7F]{0,31}", "[A-Zéß中@_]{0,10}"],
            behind in "[A-Z\",.]{32}",
        ) {
            let len = text.len().min(31);
            let mut window = [0; 32];
            window.copy_from_slice(&format!("{text}{behind}").as_bytes()[..32]);
            let raw = &window[..len];
            let want_ticker = len > 0
                && raw.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-./:_".contains(byte))
                && !raw.windows(2).any(|two| two == b"..");
            let want_plain = !raw.iter().any(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\' || byte >= 0x80);
            let mut copy = [0; 32];
            copy[..len].copy_from_slice(raw);
            prop_assert_eq!(Scalar.is_ticker(&window, len), want_ticker);
            prop_assert_eq!((Scalar.plain(&window, len).0, Scalar.plain(&window, len).1 == 0), (copy, want_plain));
            #[cfg(target_arch = "x86_64")]
            if let Some(level) = v3() {
                prop_assert_eq!(level.is_ticker(&window, len), want_ticker);
                prop_assert_eq!((level.plain(&window, len).0, level.plain(&window, len).1 == 0), (copy, want_plain));
            }
        }

        #[test]
        fn places_agree_at_every_level(bits: u64, base in 0..1u32 << 23) {
            let want: Vec<u32> = (0..64).filter(|at| bits >> at & 1 == 1).map(|at| base + at).collect();
            let mut out = [0; 64];
            Scalar.places(bits, base, &mut out);
            prop_assert_eq!(&out[..want.len()], &want[..]);
            #[cfg(target_arch = "x86_64")]
            if let Some(level) = v4() {
                let mut out = [0; 64];
                level.places(bits, base, &mut out);
                prop_assert_eq!(&out[..want.len()], &want[..]);
            }
        }

        #[test]
        fn structures_agree_at_every_level(bytes in prop::collection::vec(prop::sample::select(b"\",}{ a\xFF\x00".to_vec()), 66)) {
            let mut block = [0; 66];
            block.copy_from_slice(&bytes);
            let found = Scalar.structure(&block);
            for at in 0..64 {
                let is_key = block[at + 1..].starts_with(b"\"") || block[at..].starts_with(b", \"");
                let want = block[at] == b'}' || (b",{".contains(&block[at]) && is_key);
                prop_assert_eq!(found.marks >> at & 1 == 1, want);
                prop_assert_eq!(found.high >> at & 1 == 1, block[at] >= 0x80);
            }
            #[cfg(target_arch = "x86_64")]
            {
                prop_assert_eq!(v3().map_or(found, |level| level.structure(&block)), found);
                prop_assert_eq!(v4().map_or(found, |level| level.structure(&block)), found);
            }
            // The same of a frame that begins before or ends early.
            for (from, to) in [(0, 66), (0, 65), (0, 64), (0, 40), (0, 1), (0, 0), (30, 66), (66, 66)] {
                let want = Scalar.structure_at(&block[..to], from);
                #[cfg(target_arch = "x86_64")]
                {
                    prop_assert_eq!(v3().map_or(want, |level| level.structure_at(&block[..to], from)), want);
                    prop_assert_eq!(v4().map_or(want, |level| level.structure_at(&block[..to], from)), want);
                }
                prop_assert_eq!(want.marks >> to.saturating_sub(from).min(63) >> 1, 0);
            }
        }

        #[test]
        fn ends_agree_at_every_level(
            parts in prop::collection::vec(prop::sample::select(vec!["{", "}", ",\"", ",", "\"", "\"k\":", "ab", "1234567890", "é", "{\"ev\":\"T\","]), 0..70),
            at in 0..40usize,
        ) {
            let text = parts.concat();
            let frame = text.as_bytes();
            let want = ends_of(frame, at);
            let extent = want.map(|ends| ends.1);
            // Edges hold what was there before.
            let mut edges = Edges { first: [b'}'; EDGE], last: [b'}'; EDGE] };
            prop_assert_eq!(Scalar.hold(frame, at, Scalar.edges(frame, &mut edges)).map(|held| held.1), extent);
            #[cfg(target_arch = "x86_64")]
            {
                for level in [v3(), old_v3()].into_iter().flatten() {
                    let mut edges = Edges { first: [b'}'; EDGE], last: [b'}'; EDGE] };
                    let edges = level.edges(frame, &mut edges);
                    prop_assert_eq!(level.hold(frame, at, edges).map(|held| held.1), extent, "{}", text);
                    let ends = want.map(|(ends, extent)| ends[..extent.count as usize].to_vec());
                    prop_assert_eq!(level.ends(frame, at, edges), ends, "{}", text);
                }
                if let Some(level) = v4() {
                    let edges = level.edges(frame, &mut edges);
                    prop_assert_eq!(level.hold(frame, at, edges).map(|held| held.1), extent, "{}", text);
                }
            }
        }

        #[test]
        fn lists_agree_at_every_level(
            list in "[0-9]{1,3}(,[0-9]{1,3}){0,3}|[1-9][0-9]{0,2}(,[1-9][0-9]{0,3}){0,4}|[0-9,.a ]{0,16}",
            before in "[0-9a-z]{0,30}",
        ) {
            let frame = format!("{{\"k\":\"{before}\",\"c\":[{list}]}}");
            let shape = Shape::of_a_list(frame.as_bytes());
            let said = said_of_a_list(Scalar, &frame, &shape);
            #[cfg(target_arch = "x86_64")]
            {
                prop_assert_eq!(&v3().map_or(said, |level| said_of_a_list(level, &frame, &shape)), &said, "{}", frame);
                prop_assert_eq!(&v4().map_or(said, |level| said_of_a_list(level, &frame, &shape)), &said, "{}", frame);
            }
        }

        #[test]
        fn whole_numbers_in_a_row_agree_at_every_level(text in "[0-9,]{0,8}|[0-9]{1,3}(,[0-9]{1,3}){0,3}|[0-9,a.]{0,15}", before in "[0-9,\\[:]{16}") {
            let mut window = [0; 16];
            window.copy_from_slice(&format!("{before}{text}").as_bytes()[text.len()..][..16]);
            let is_whole = |one: &str| one == "0" || (one.parse::<u64>().is_ok() && !one.starts_with('0') && !one.starts_with('+'));
            let want = text.split(',').all(is_whole).then(|| text.matches(',').count() as u32);
            prop_assert_eq!(Scalar.wholes(&window, text.len()), want, "{}", text);
            #[cfg(target_arch = "x86_64")]
            if let Some(level) = v3() {
                prop_assert_eq!(level.wholes(&window, text.len()), want, "{}", text);
            }
        }

        #[test]
        fn quotes_agree_at_every_level(bytes in prop::array::uniform16(prop_oneof![
            Just(b'"'), Just(b'\\'), Just(0x1Fu8), Just(0x20), any::<u8>(), 0x21u8..0x7F, 0x21u8..0x7F, 0x21u8..0x7F, 0x21u8..0x7F,
        ])) {
            let stop = bytes.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20);
            let want = stop.filter(|&at| bytes[at] == b'"');
            prop_assert_eq!(Scalar.quote(&bytes), want);
            #[cfg(target_arch = "x86_64")]
            if let Some(level) = v3() {
                prop_assert_eq!(level.quote(&bytes), want);
            }
        }
    }
}
