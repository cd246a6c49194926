//! AVX2: objects in memory, numbers two at a time.

#[allow(clippy::wildcard_imports, reason = "half a hundred names of one kind")]
use std::arch::x86_64::*;
use std::hint::select_unpredictable;

use ringtape_model::units::{CODE_UNSET, E8_UNSET, PRICE_UNSET};

use super::super::{
    BEFORE, CODE, Edges, Extent, HELD, Level, NUMBER, Near, Plain, Rules, Spans, Structure, Whole, Work, codes_of,
};
use super::{Fields, V3, apart, load, wide};
use crate::json::outline::{MARKS, Outline, Pattern};
use crate::json::shape::{Shape, VALUES};
use crate::json::structure::AHEAD;

/// The value of sixteen digits, the first in the lowest byte: pairs, then fours, then eights.
///
/// # Safety
///
/// The machine must have SSE4.1 and SSSE3.
#[inline(always)]
unsafe fn sixteen(digits: __m128i) -> u64 {
    // SAFETY: the caller's promise.
    unsafe {
        let twos = _mm_maddubs_epi16(digits, _mm_set1_epi16(0x010A));
        let fours = _mm_madd_epi16(twos, _mm_set1_epi32(0x0001_0064));
        let eights = _mm_madd_epi16(_mm_packus_epi32(fours, fours), _mm_set1_epi32(0x0001_2710));
        let both = _mm_cvtsi128_si64(eights).cast_unsigned();
        (both & 0xFFFF_FFFF) * 100_000_000 + (both >> 32)
    }
}

/// All bits of the bytes that are at most `most`.
///
/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn up_to(bytes: __m256i, most: u8) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe { _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(most.cast_signed())), bytes) }
}

/// Thirty-two bytes of ones and as many of zeroes.
static KEPT: [u8; 64] = {
    let mut kept = [0; 64];
    let mut at = 0;
    while at < 32 {
        kept[at] = 0xFF;
        at += 1;
    }
    kept
};

/// The bytes of a block that are the same as one, a bit each.
#[inline(always)]
fn same(block: &[u8; 64], byte: u8) -> u64 {
    half(block, 0, byte) | half(block, 32, byte) << 32
}

// A function and no closure, which would be compiled without the level's instructions.
#[inline(always)]
fn half(block: &[u8; 64], at: usize, byte: u8) -> u64 {
    let bytes: [u8; 32] = block[at..at + 32].try_into().unwrap_or_default();
    // SAFETY: called where the machine has AVX2; both are 32 plain bytes.
    unsafe {
        let bytes = std::mem::transmute::<[u8; 32], __m256i>(bytes);
        let same = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte.cast_signed()));
        // Kept apart, or masks are put together bit by bit again, which takes ten times as long.
        apart(u64::from(_mm256_movemask_epi8(same).cast_unsigned()))
    }
}

/// The bytes of a block from one on.
#[inline(always)]
fn from(block: &[u8; 64 + AHEAD], at: usize) -> &[u8; 64] {
    block[at..].first_chunk().unwrap_or(&[0; 64])
}

/// The bytes of a block that are not ASCII, a bit each.
#[inline(always)]
fn high(block: &[u8; 64]) -> u64 {
    high_half(block, 0) | high_half(block, 32) << 32
}

#[inline(always)]
fn high_half(block: &[u8; 64], at: usize) -> u64 {
    let bytes: [u8; 32] = block[at..at + 32].try_into().unwrap_or_default();
    // SAFETY: called where the machine has AVX2; both are 32 plain bytes.
    u64::from(unsafe { _mm256_movemask_epi8(std::mem::transmute::<[u8; 32], __m256i>(bytes)) }.cast_unsigned())
}

/// By its length: which of eight bytes belong to a code at their end.
static CODE_KEEP: [i64; 8] = {
    let (mut keep, mut len) = ([0; 8], 1);
    while len < 8 {
        keep[len] = -1 << (64 - 8 * len);
        len += 1;
    }
    keep
};

/// Sixteen zeroes and sixteen ones: the window that starts at `len` keeps the last `len` bytes of a vector.
static KEEP: [u8; 32] = {
    let mut keep = [0; 32];
    let mut at = 16;
    while at < 32 {
        keep[at] = 0xFF;
        at += 1;
    }
    keep
};

/// By the place of the point: where each digit comes from once those before the point have moved up to close it.
static CLOSE: [[u8; 16]; 32] = {
    let mut close = [[0; 16]; 32];
    let mut point = 0;
    while point <= 16 {
        let mut at = 0;
        while at < 16 {
            let moved = at <= point && point < 16;
            // A place with its highest bit set takes zero.
            close[point][at] = if moved { (at as u8).wrapping_sub(1) } else { at as u8 };
            at += 1;
        }
        point += 1;
    }
    close
};

/// Half of the words of a table that have these places.
///
/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn looked_up(words: &[u32], places: __m256i) -> __m256i {
    // SAFETY: the caller's promise. Which half a place is in is its fourth bit, here the highest.
    unsafe {
        let low = _mm256_permutevar8x32_epi32(eight(words), places);
        let high = _mm256_permutevar8x32_epi32(eight(&words[8..]), places);
        let half = _mm256_castsi256_ps(_mm256_slli_epi32::<28>(places));
        _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high), half))
    }
}

/// The same of a table of twice as many words.
///
/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn looked_up_wide(words: &[u32], places: __m256i) -> __m256i {
    // SAFETY: the caller's promise. Which half a place is in is its fifth bit, here the highest.
    unsafe {
        let low = _mm256_castsi256_ps(looked_up(words, places));
        let high = _mm256_castsi256_ps(looked_up(&words[16..], places));
        let half = _mm256_castsi256_ps(_mm256_slli_epi32::<27>(places));
        _mm256_castps_si256(_mm256_blendv_ps(low, high, half))
    }
}

/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn half_of_reaches<const HALF: usize>(
    into: &mut Spans,
    marks: &[u32; MARKS + 1],
    base: u32,
    pattern: &Pattern,
    outline: &Outline,
) {
    let from = HALF * 8;
    // SAFETY: the caller's promise; words and vectors are of one size.
    unsafe {
        let places = eight(&outline.places[from..]);
        let base = _mm256_set1_epi32(base.cast_signed());
        let starts = _mm256_sub_epi32(looked_up_wide(marks, places), base);
        let starts = _mm256_add_epi32(starts, eight(&outline.leads[from..]));
        let ends = _mm256_sub_epi32(looked_up_wide(&marks[1..], places), base);
        let ends = _mm256_sub_epi32(ends, eight(&pattern.tails[from..]));
        let all_lens = _mm256_sub_epi32(ends, starts);
        let bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
        let has = _mm256_and_si256(_mm256_set1_epi32(i32::from(outline.numbers >> from)), bits);
        let numbers = _mm256_cmpeq_epi32(has, bits);
        let before = _mm256_sub_epi32(all_lens, _mm256_set1_epi32(1));
        let over = _mm256_cmpeq_epi32(_mm256_max_epu32(before, _mm256_set1_epi32(i32::from(NUMBER))), before);
        put(&mut into.befores[from..], _mm256_sub_epi32(ends, _mm256_set1_epi32(16)));
        put(&mut into.all_lens[from..], all_lens);
        put(&mut into.lens[from..], _mm256_and_si256(all_lens, numbers));
        into.odd |= u64::from(_mm256_testz_si256(over, numbers) == 0);
    }
}

#[inline(always)]
fn eight(words: &[u32]) -> __m256i {
    let words: [u32; 8] = words[..8].try_into().unwrap_or_default();
    // SAFETY: both are 32 plain bytes.
    unsafe { std::mem::transmute::<[u32; 8], __m256i>(words) }
}

#[inline(always)]
fn put(into: &mut [u32], words: __m256i) {
    // SAFETY: both are 32 plain bytes.
    into[..8].copy_from_slice(&unsafe { std::mem::transmute::<__m256i, [u32; 8]>(words) });
}

/// # Safety
///
/// The machine must have the features.
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt")]
#[inline(never)]
unsafe fn work_v3<W: Work<V3>>(work: W) -> W::Done {
    work.done(V3(()))
}

/// An object in memory, and the places of the ends of its values; behind the last of them anything.
#[derive(Clone, Copy)]
pub(crate) struct Nearby<'a> {
    near: &'a Near,
    ends: __m256i,
}

/// Which of the bytes of a block are ends of values or braces, and which are braces.
///
/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn marks_in(now: __m256i, next: __m256i) -> (u64, u64) {
    // SAFETY: the caller's promise.
    unsafe {
        let commas = _mm256_cmpeq_epi8(now, _mm256_set1_epi8(b','.cast_signed()));
        let quotes = _mm256_cmpeq_epi8(next, _mm256_set1_epi8(b'"'.cast_signed()));
        let braces = _mm256_cmpeq_epi8(now, _mm256_set1_epi8(b'}'.cast_signed()));
        let marks = _mm256_or_si256(_mm256_and_si256(commas, quotes), braces);
        // Kept apart, as in `half`.
        (apart(bits_of(marks).into()), apart(bits_of(braces).into()))
    }
}

/// The highest bit of each byte.
///
/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn bits_of(bytes: __m256i) -> u32 {
    // SAFETY: the caller's promise.
    unsafe { _mm256_movemask_epi8(bytes).cast_unsigned() }
}

/// Some bytes of an object from one on.
#[inline(always)]
fn bytes_at<const N: usize>(near: &Near, at: usize) -> &[u8; N] {
    near[at % (BEFORE + HELD)..].first_chunk().unwrap_or(&[0; N])
}

/// What `Level::hold` does.
///
/// # Safety
///
/// The machine must have AVX2 and BMI.
#[inline(always)]
unsafe fn hold_v3<'a>(frame: &'a [u8], at: usize, edges: &'a Edges) -> Option<(Nearby<'a>, Extent)> {
    let rest = frame.get(at..)?;
    let near = edges.near(frame, at)?;
    let mut ends = [0; 64];
    let (mut count, mut base) = (0, 0);
    while base < HELD {
        let block: &[u8; 65] = near[BEFORE + base..].first_chunk()?;
        // SAFETY: the caller's promise.
        let (mut marks, braces) = unsafe {
            let (low, low_braces) = marks_in(wide(bytes_in(block, 0)), wide(bytes_in(block, 1)));
            let (high, high_braces) = marks_in(wide(bytes_in(block, 32)), wide(bytes_in(block, 33)));
            (low | high << 32, low_braces | high_braces << 32)
        };
        marks &= braces ^ braces.wrapping_sub(1);
        let more = count + marks.count_ones() as usize;
        if more > VALUES {
            return None;
        }
        // Eight at a time, as one word; most blocks have no more. What is written too much is overwritten.
        let mut out = count;
        loop {
            let mut places = 0;
            for place in 0..8 {
                places |= u64::from(marks.trailing_zeros()) << (8 * place);
                marks &= marks.wrapping_sub(1);
            }
            let places = places.wrapping_add(base as u64 * 0x0101_0101_0101_0101);
            ends[out..out + 8].copy_from_slice(&places.to_le_bytes());
            if marks == 0 {
                break;
            }
            out += 8;
        }
        count = more;
        if braces != 0 {
            let len = base + braces.trailing_zeros() as usize + 1;
            let ends = ends.first_chunk()?;
            let extent = Extent::new(rest, count, len as u32, ends);
            return (len <= rest.len()).then_some((Nearby { near, ends: wide(ends) }, extent));
        }
        base += 64;
    }
    None
}

#[inline(always)]
fn bytes_in(block: &[u8; 65], at: usize) -> &[u8; 32] {
    block[at..].first_chunk().unwrap_or(&[0; 32])
}

/// Bytes of 32 by their places, which are below 32.
///
/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn picked(bytes: __m256i, places: __m128i) -> __m128i {
    // SAFETY: the caller's promise.
    unsafe {
        let low = _mm_shuffle_epi8(_mm256_castsi256_si128(bytes), places);
        let high = _mm_shuffle_epi8(_mm256_extracti128_si256::<1>(bytes), places);
        _mm_blendv_epi8(low, high, _mm_cmpgt_epi8(places, _mm_set1_epi8(15)))
    }
}

/// What `Level::fields` does.
///
/// # Safety
///
/// The machine must have AVX2 and BMI.
#[inline(always)]
unsafe fn fields_v3(held: &Nearby, shape: &Shape) -> (Fields, u64) {
    // SAFETY: the caller's promise; vectors and arrays are of one size.
    unsafe {
        // Before the first value there is no end: 0.
        let upper = _mm256_permute2x128_si256::<0x08>(held.ends, held.ends);
        let before = _mm256_alignr_epi8::<15>(held.ends, upper);
        let starts = _mm256_add_epi8(before, wide(&shape.leads));
        let ends = _mm256_sub_epi8(held.ends, wide(&shape.tails));
        let lens = _mm256_sub_epi8(ends, starts);
        let places = load(&shape.places);
        let (field_lens, field_ends) = (picked(lens, places), picked(ends, places));
        let (has, numbers) = (load(&shape.has_bytes), load(&shape.number_bytes));
        let more = _mm_sub_epi8(field_lens, load(&shape.least));
        let is_fit = _mm_cmpeq_epi8(_mm_max_epu8(more, load(&shape.range)), load(&shape.range));
        let beyond = _mm_andnot_si128(is_fit, has);
        let mut odd = u64::from(_mm_testz_si128(beyond, beyond) == 0);
        let befores = _mm256_sub_epi8(held.ends, _mm256_set1_epi8(1));
        let befores = std::mem::transmute::<__m256i, [u8; 32]>(befores);
        odd |= words_v3::<16>(held.near, &befores, shape, 0);
        if shape.count > 16 {
            odd |= words_v3::<8>(held.near, &befores, shape, 16);
        }
        let number_ends = _mm_and_si128(field_ends, numbers);
        (Fields { starts, lens, number_ends, number_lens: _mm_and_si128(field_lens, numbers) }, odd)
    }
}

/// Not zero where the bytes around some of the ends, of which those before are given, are others than those of a shape.
#[inline(always)]
fn words_v3<const COUNT: usize>(near: &Near, befores: &[u8; 32], shape: &Shape, from: usize) -> u64 {
    let mut odd = 0;
    for (value, &before) in befores.iter().enumerate().skip(from).take(COUNT) {
        let before = usize::from(before);
        // The byte before the end, and those behind the two that every key begins with.
        let behind = near[BEFORE + before + 2..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
        let word = behind & !0xFF | u64::from(near[BEFORE + before]);
        odd |= apart((word ^ u64::from_le_bytes(shape.words[value])) & shape.wide_masks[value]);
    }
    odd
}

/// Two numbers, each at the end of sixteen bytes.
struct Two {
    mantissas: [u64; 2],
    decimals: [usize; 2],
    odd: u32,
}

/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn both_of(low: &[u8], high: &[u8]) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe { _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(load(low)), load(high)) }
}

/// The numbers of sixteen digits in two lanes.
///
/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn two_mantissas(digits: __m256i) -> [u64; 2] {
    // SAFETY: the caller's promise; vectors and arrays are of one size.
    unsafe {
        let twos = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(0x010A));
        let fours = _mm256_madd_epi16(twos, _mm256_set1_epi32(0x0001_0064));
        let eights = _mm256_madd_epi16(_mm256_packus_epi32(fours, fours), _mm256_set1_epi32(0x0001_2710));
        let high = _mm256_mul_epu32(eights, _mm256_set1_epi64x(100_000_000));
        let all = _mm256_add_epi64(high, _mm256_srli_epi64::<32>(eights));
        let [low, _, high, _] = std::mem::transmute::<__m256i, [u64; 4]>(all);
        [low, high]
    }
}

/// Reads two numbers of up to 15 bytes; one of none is 0 and sound.
///
/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn two<const IS_WHOLE: bool>(windows: [&[u8; 16]; 2], lens: [u32; 2]) -> Two {
    // SAFETY: the caller's promise.
    unsafe {
        let bytes = both_of(windows[0], windows[1]);
        let (low, high) = (lens[0] as usize & 15, lens[1] as usize & 15);
        let keep = both_of(&KEEP[low..], &KEEP[high..]);
        let digits = _mm256_sub_epi8(bytes, _mm256_set1_epi8(b'0'.cast_signed()));
        let is_digit = _mm256_cmpeq_epi8(_mm256_min_epu8(digits, _mm256_set1_epi8(9)), digits);
        let others = bits_of(_mm256_andnot_si256(is_digit, keep));
        let zeroes = bits_of(_mm256_cmpeq_epi8(digits, _mm256_setzero_si256()));
        let first = (0x1_0000u32 >> low) & 0xFFFF | (0x1_0000u32 >> high) << 16;
        let digits = _mm256_and_si256(digits, keep);
        // A leading zero is only the last digit.
        let leading = zeroes & first & 0x7FFF_7FFF;
        if IS_WHOLE {
            return Two { mantissas: two_mantissas(digits), decimals: [0; 2], odd: others | leading };
        }
        let point = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'.'.cast_signed()));
        let points = bits_of(_mm256_and_si256(point, keep));
        let (low, high) = ((points & 0xFFFF | 0x1_0000).trailing_zeros(), (points >> 16 | 0x1_0000).trailing_zeros());
        // One point each at most, and nothing else.
        let one = (1u32 << low) & 0xFFFF | (1u32 << high) << 16;
        // No point is the first byte or the last; behind a leading zero comes one.
        let odd = (others ^ one) | (points & (first | 0x8000_8000)) | (leading & !(points >> 1));
        let (low, high) = (low as usize, high as usize);
        let closed = _mm256_shuffle_epi8(digits, both_of(&CLOSE[low & 31], &CLOSE[high & 31]));
        let decimals = [15usize.saturating_sub(low), 15usize.saturating_sub(high)];
        Two { mantissas: two_mantissas(closed), decimals, odd }
    }
}

impl Two {
    #[inline(always)]
    const fn plain(&self, at: usize) -> Plain {
        Plain { mantissa: self.mantissas[at], len: 0, decimals: self.decimals[at] }
    }
}

/// Sixteen bytes up to the end of a field, and its length.
#[inline(always)]
fn number_at<'a>(held: &Nearby<'a>, fields: &Fields, field: usize) -> (&'a [u8; 16], u32) {
    let before = usize::from(fields.number_end(field)) + BEFORE - 16;
    (bytes_at(held.near, before), fields.number_len(field).into())
}

/// Eight bytes up to the end of a field as a word, and which of them belong to it: none to a list of more than one code.
#[inline(always)]
fn code_at(held: &Nearby, fields: &Fields, field: usize) -> (i64, i64) {
    let before = usize::from(fields.number_end(field)) + BEFORE - 8;
    let len = fields.number_len(field);
    let len = if len > CODE { 0 } else { len };
    (i64::from_le_bytes(*bytes_at(held.near, before)), CODE_KEEP[usize::from(len & 7)])
}

/// Four numbers of a group, two at a time.
///
/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn four<const GROUP: usize, const IS_WHOLE: bool>(
    held: &Nearby,
    fields: &Fields,
) -> ([Plain; 4], [u32; 4], u64) {
    let (a, len_a) = number_at(held, fields, GROUP * 4);
    let (b, len_b) = number_at(held, fields, GROUP * 4 + 1);
    let (c, len_c) = number_at(held, fields, GROUP * 4 + 2);
    let (d, len_d) = number_at(held, fields, GROUP * 4 + 3);
    // SAFETY: the caller's promise.
    let (low, high) = unsafe { (two::<IS_WHOLE>([a, b], [len_a, len_b]), two::<IS_WHOLE>([c, d], [len_c, len_d])) };
    let numbers = [low.plain(0), low.plain(1), high.plain(0), high.plain(1)];
    (numbers, [len_a, len_b, len_c, len_d], u64::from(low.odd | high.odd))
}

impl Level for V3 {
    type Held<'a> = Nearby<'a>;
    type Fields = Fields;

    #[inline(always)]
    fn edges<'a>(self, frame: &[u8], to: &'a mut Edges) -> &'a Edges {
        to.copied(frame)
    }

    #[inline(always)]
    fn hold<'a>(self, frame: &'a [u8], at: usize, edges: &'a Edges) -> Option<(Nearby<'a>, Extent)> {
        // SAFETY: a `V3` exists only where the machine has all of it.
        unsafe { hold_v3(frame, at, edges) }
    }

    #[inline(always)]
    fn fields(self, held: Nearby, shape: &Shape) -> (Fields, u64) {
        // SAFETY: a `V3` exists only where the machine has all of it.
        unsafe { fields_v3(&held, shape) }
    }

    #[inline(always)]
    fn span(self, fields: &Fields, value: u8) -> (u32, u32) {
        fields.span(value)
    }

    #[inline(always)]
    fn field_len<const FIELD: usize>(self, fields: &Fields) -> u32 {
        fields.number_len(FIELD).into()
    }

    #[inline(always)]
    fn held_decimals<const GROUP: usize>(self, held: Nearby, fields: &Fields) -> ([(f64, i64); 4], u64) {
        // SAFETY: a `V3` exists only where the machine has all of it.
        let (numbers, lens, mut odd) = unsafe { four::<GROUP, false>(&held, fields) };
        let mut values = [(PRICE_UNSET, E8_UNSET); 4];
        for at in 0..4 {
            let (float, e8) = numbers[at].both(&mut odd);
            let is_there = lens[at] != 0;
            values[at] =
                (select_unpredictable(is_there, float, PRICE_UNSET), select_unpredictable(is_there, e8, E8_UNSET));
        }
        (values, odd)
    }

    #[inline(always)]
    fn held_integers<const GROUP: usize>(self, held: Nearby, fields: &Fields, rules: &Rules) -> ([i64; 4], u64) {
        // SAFETY: a `V3` exists only where the machine has all of it.
        let (numbers, lens, mut odd) = unsafe { four::<GROUP, true>(&held, fields) };
        let mut values = [0; 4];
        for at in 0..4 {
            let (value, is_beyond) = rules.rule(at).applied(numbers[at].mantissa, lens[at]);
            (values[at], odd) = (value, odd | is_beyond);
        }
        (values, odd)
    }

    #[inline(always)]
    fn held_codes<const GROUP: usize>(self, held: Nearby, fields: &Fields) -> ([u16; 4], u64) {
        // SAFETY: a `V3` exists only where the machine has all of it; vectors and arrays are of one size.
        unsafe {
            let (a, keep_a) = code_at(&held, fields, GROUP * 4);
            let (b, keep_b) = code_at(&held, fields, GROUP * 4 + 1);
            let (c, keep_c) = code_at(&held, fields, GROUP * 4 + 2);
            let (d, keep_d) = code_at(&held, fields, GROUP * 4 + 3);
            let bytes = _mm256_setr_epi64x(a, b, c, d);
            let keep = _mm256_setr_epi64x(keep_a, keep_b, keep_c, keep_d);
            let digits = _mm256_sub_epi8(bytes, _mm256_set1_epi8(b'0'.cast_signed()));
            let is_digit = _mm256_cmpeq_epi8(_mm256_min_epu8(digits, _mm256_set1_epi8(9)), digits);
            // A leading zero is only the last digit: kept, zero, none kept before it.
            let is_first = _mm256_andnot_si256(_mm256_slli_epi64::<8>(keep), keep);
            let is_zero = _mm256_cmpeq_epi8(digits, _mm256_setzero_si256());
            let leading = _mm256_and_si256(_mm256_and_si256(is_zero, is_first), _mm256_set1_epi64x(i64::MAX >> 7));
            let odd = _mm256_or_si256(_mm256_andnot_si256(is_digit, keep), leading);
            let twos = _mm256_maddubs_epi16(_mm256_and_si256(digits, keep), _mm256_set1_epi16(0x010A));
            let fours = _mm256_srli_epi64::<32>(_mm256_madd_epi16(twos, _mm256_set1_epi32(0x0001_0064)));
            let is_none = _mm256_cmpeq_epi64(keep, _mm256_setzero_si256());
            let values = _mm256_blendv_epi8(fours, _mm256_set1_epi64x(CODE_UNSET.into()), is_none);
            let [a, b, c, d] = std::mem::transmute::<__m256i, [u64; 4]>(values);
            ([a as u16, b as u16, c as u16, d as u16], u64::from(_mm256_testz_si256(odd, odd) == 0))
        }
    }

    #[inline(always)]
    fn held_list<const FIELD: usize>(self, held: Nearby, fields: &Fields) -> ([u16; 4], u8, u64) {
        let len = usize::from(fields.number_len(FIELD));
        if len == 0 {
            return ([CODE_UNSET; 4], 0, 0);
        }
        // An odd length may be beyond the start; then there is no list.
        let end = BEFORE + usize::from(fields.number_end(FIELD));
        let (codes, count) = codes_of(held.near.get(end.wrapping_sub(len)..end).unwrap_or_default());
        (codes, count, u64::from(count == 0))
    }

    #[inline(always)]
    fn apart_from_all<W: Work<Self>>(self, work: W) -> W::Done {
        // SAFETY: a `V3` exists only where the machine has all of it.
        unsafe { work_v3(work) }
    }

    #[inline(always)]
    fn apart(self, word: u64) -> u64 {
        apart(word)
    }

    #[inline(always)]
    fn reaches(self, marks: &[u32; MARKS + 1], base: u32, pattern: &Pattern, outline: &Outline) -> Spans {
        let mut spans = Spans::NONE;
        // SAFETY: a `V3` exists only where the machine has AVX2.
        unsafe {
            half_of_reaches::<0>(&mut spans, marks, base, pattern, outline);
            half_of_reaches::<1>(&mut spans, marks, base, pattern, outline);
        }
        spans
    }

    #[inline(always)]
    fn structure(self, block: &[u8; 64 + AHEAD]) -> Structure {
        // By reference: bytes that are copied one compiler takes apart.
        let (now, next, after) = (from(block, 0), from(block, 1), from(block, 2));
        let (commas, quotes) = (same(now, b','), same(next, b'"'));
        let far = commas & same(next, b' ') & same(after, b'"');
        let marks = ((commas | same(now, b'{')) & quotes) | far | same(now, b'}');
        Structure { marks, high: high(now) }
    }

    /// The digits stand at the right end already, so only the point has to be closed.
    #[inline(always)]
    fn whole(self, window: &[u8; 16], len: usize) -> Whole {
        // SAFETY: a `V3` exists only where the machine has SSE4.1 and SSSE3.
        unsafe {
            let bytes = load(window);
            let keep = load(&KEEP[len & 15..]);
            let digits = _mm_sub_epi8(bytes, _mm_set1_epi8(b'0'.cast_signed()));
            let is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digits, _mm_set1_epi8(9)), digits);
            let others = _mm_movemask_epi8(_mm_andnot_si128(is_digit, keep)).cast_unsigned();
            let is_point = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'.'.cast_signed()));
            let points = _mm_movemask_epi8(_mm_and_si128(is_point, keep)).cast_unsigned();
            let zeroes = _mm_movemask_epi8(_mm_cmpeq_epi8(digits, _mm_setzero_si128())).cast_unsigned();
            let first = 0x1_0000u32 >> (len & 31);
            // Anything but digits and one point; no digit before or behind the point; a leading zero with a digit
            // behind it; a length that does not fit.
            let odd = (others ^ (points & points.wrapping_neg()))
                | (points & (first | 0x8000))
                | (zeroes & first & !(points >> 1) & 0x7FFF)
                | u32::from(len.wrapping_sub(1) >= 15);
            let point = (points | 0x1_0000).trailing_zeros() as usize;
            let packed = _mm_shuffle_epi8(_mm_and_si128(digits, keep), load(&CLOSE[point & 31]));
            Whole { read: Plain { mantissa: sixteen(packed), len, decimals: 15usize.saturating_sub(point) }, odd }
        }
    }

    /// The digits before and behind the point are moved to the right end of a vector, the point left out, and
    /// multiplied together in pairs, fours, eights. No branch depends on how many there are.
    #[inline(always)]
    #[allow(clippy::needless_bitwise_bool, reason = "one branch for all of them")]
    fn number(self, window: &[u8; 32]) -> Option<Plain> {
        // SAFETY: a `V3` exists only where the machine has SSE4.1 and SSSE3.
        unsafe {
            let digits = _mm_sub_epi8(load(window), _mm_set1_epi8(b'0'.cast_signed()));
            let is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digits, _mm_set1_epi8(9)), digits);
            let other = !_mm_movemask_epi8(is_digit).cast_unsigned();
            let whole = other.trailing_zeros() as usize;
            let has_point = window[whole & 31] == b'.';
            let after = (other & (other.wrapping_sub(1))).trailing_zeros() as usize;
            let len = if has_point { after } else { whole };
            let point = usize::from(has_point);
            // Not the common form: no digit before or behind the point, a leading zero, no end in sight.
            let odd =
                (whole == 0) | (len >= 16) | ((len == whole + 1) & has_point) | ((window[0] == b'0') & (whole > 1));
            if odd {
                return None;
            }
            let count = len - point;
            let places = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            // Place j takes digit j - (16 - count), and one more from the point on; negative takes zero.
            let right = _mm_add_epi8(places, _mm_set1_epi8((count as i8) - 16));
            let over = _mm_cmpgt_epi8(right, _mm_set1_epi8((whole as i8) - 1));
            let packed = _mm_shuffle_epi8(digits, _mm_sub_epi8(right, over));
            Some(Plain { mantissa: sixteen(packed), len, decimals: if has_point { len - whole - 1 } else { 0 } })
        }
    }

    #[inline(always)]
    fn is_ticker(self, window: &[u8; 32], len: usize) -> bool {
        // SAFETY: a `V3` exists only where the machine has AVX2.
        let (usual, points) = unsafe {
            let bytes = wide(window);
            let lower = _mm256_or_si256(bytes, _mm256_set1_epi8(0x20));
            let letter = _mm256_sub_epi8(lower, _mm256_set1_epi8(b'a'.cast_signed()));
            let mark = _mm256_sub_epi8(bytes, _mm256_set1_epi8(b'-'.cast_signed()));
            let line = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'_'.cast_signed()));
            let usual = _mm256_or_si256(_mm256_or_si256(up_to(letter, 25), line), up_to(mark, b':' - b'-'));
            let points = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'.'.cast_signed()));
            (_mm256_movemask_epi8(usual).cast_unsigned(), _mm256_movemask_epi8(points).cast_unsigned())
        };
        let used = !(u32::MAX << (len % 32));
        let points = points & used;
        used != 0 && (used & !usual) | (points & points >> 1) == 0
    }

    #[inline(always)]
    fn plain(self, window: &[u8; 32], len: usize) -> ([u8; 32], u64) {
        // SAFETY: a `V3` exists only where the machine has AVX2; both are 32 plain bytes.
        unsafe {
            let used = wide(KEPT[32 - len % 32..].first_chunk().unwrap_or(&[0; 32]));
            let bytes = wide(window);
            let quote = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'"'.cast_signed()));
            let backslash = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'\\'.cast_signed()));
            let special = _mm256_or_si256(_mm256_or_si256(quote, backslash), up_to(bytes, 0x1F));
            // What is not ASCII is below zero.
            let special = _mm256_or_si256(special, _mm256_cmpgt_epi8(_mm256_setzero_si256(), bytes));
            let odd = _mm256_testz_si256(special, used) == 0;
            (std::mem::transmute::<__m256i, [u8; 32]>(_mm256_and_si256(bytes, used)), u64::from(odd))
        }
    }

    #[inline(always)]
    fn wholes(self, window: &[u8; 16], len: usize) -> Option<u32> {
        // SAFETY: SSE2 is part of x86-64.
        let (digits, zeroes, commas) = unsafe {
            let bytes = load(window);
            let less = _mm_sub_epi8(bytes, _mm_set1_epi8(b'0'.cast_signed()));
            let is_digit = _mm_cmpeq_epi8(_mm_min_epu8(less, _mm_set1_epi8(9)), less);
            let is_comma = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b','.cast_signed()));
            let is_zero = _mm_cmpeq_epi8(less, _mm_setzero_si128());
            let (digits, zeroes) = (_mm_movemask_epi8(is_digit), _mm_movemask_epi8(is_zero));
            (digits.cast_unsigned(), zeroes.cast_unsigned(), _mm_movemask_epi8(is_comma).cast_unsigned())
        };
        let used = 0xFFFF_0000u32.wrapping_shr(len as u32) & 0xFFFF;
        let (commas, first) = (commas & used, 0x1_0000u32.wrapping_shr(len as u32));
        // Where a number begins there is a digit, and no zero with another digit behind it; the last byte is a digit.
        let starts = first | commas << 1;
        let is_odd = (used & !(digits | commas)) | (starts & !digits) | (starts & zeroes & digits >> 1 & 0x7FFF);
        (is_odd == 0 && len.wrapping_sub(1) < 16).then_some(commas.count_ones())
    }

    #[inline(always)]
    fn quote_in(self, window: &[u8; 32]) -> Option<usize> {
        // SAFETY: a `V3` exists only where the machine has AVX2.
        let special = unsafe {
            let bytes = wide(window);
            let quote = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'"'.cast_signed()));
            let backslash = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'\\'.cast_signed()));
            // Controls, and what is not ASCII, which is below zero.
            let other = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), bytes);
            _mm256_movemask_epi8(_mm256_or_si256(_mm256_or_si256(quote, backslash), other)).cast_unsigned()
        };
        let at = special.trailing_zeros() as usize;
        (at < 32 && window[at] == b'"').then_some(at)
    }

    #[inline(always)]
    fn quote(self, window: &[u8; 16]) -> Option<usize> {
        // SAFETY: SSE2 is part of x86-64.
        let special = unsafe {
            let bytes = load(window);
            let quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'"'.cast_signed()));
            let backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\'.cast_signed()));
            let control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes);
            _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), control)).cast_unsigned()
        };
        let at = special.trailing_zeros() as usize;
        (at < 16 && window[at] == b'"').then_some(at)
    }
}
