//! AVX2: objects in memory, numbers two at a time.

use ringtape_model::units::{CODE_UNSET, E8_UNSET, PRICE_UNSET};
#[allow(clippy::wildcard_imports, reason = "half a hundred names of one kind")]
use std::arch::x86_64::*;

use super::super::{
    BEFORE, CODE, DIVISORS, Dense, EDGE, Edges, Extent, HELD, Level, NUMBER, Near, Plain, Rules, SCALES, Spans,
    Structure, Whole, Window, Work,
};
use super::{Fields, V3, apart, load, stored, unknown, wide};
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
unsafe fn work_v3<W: Work<V3>>(level: V3, work: W) -> W::Done {
    work.done(level)
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
    near[at..].first_chunk().unwrap_or(&[0; N])
}

/// The marks and braces of a block of an object.
///
/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn block_marks(near: &Near, base: usize) -> (u64, u64) {
    // SAFETY: the caller's promise.
    unsafe {
        let (low, low_braces) = marks_in(wide(bytes_at(near, base)), wide(bytes_at(near, base + 1)));
        let (high, high_braces) = marks_in(wide(bytes_at(near, base + 32)), wide(bytes_at(near, base + 33)));
        (low | high << 32, low_braces | high_braces << 32)
    }
}

/// The places of the first eight bits as bytes, and the bits that are left.
#[inline(always)]
fn eight_places(mut bits: u64) -> (u64, u64) {
    let mut places = 0;
    for place in 0..8 {
        places |= u64::from(bits.trailing_zeros()) << (8 * place);
        bits &= bits.wrapping_sub(1);
    }
    // Kept apart, or the words of two blocks are made in one vector, which has no such steps.
    (apart(places), bits)
}

/// By how many of eight bytes are used: these, and then the eight behind them.
static BOTH: [[u8; 16]; 16] = {
    let (mut both, mut at) = ([[0; 16]; 16], 0);
    while at < 9 * 16 {
        let (used, place) = (at / 16, at % 16);
        both[used][place] = if place < used { place } else { (8 + place - used) % 16 } as u8;
        at += 1;
    }
    both
};

/// The window that starts at `24 - n` takes sixteen bytes to the places from `n` on, and none to others.
static SHIFTED: [u8; 64] = {
    let (mut shifted, mut at) = ([0x80; 64], 0);
    while at < 16 {
        shifted[24 + at] = at as u8;
        at += 1;
    }
    shifted
};

/// The places of bits of four blocks, one behind the other, if each of them has eight at most.
///
/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn places_in([a, b, c, d]: [u64; 4]) -> Option<__m256i> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let (of_a, of_b, of_c) = (a.count_ones(), b.count_ones(), c.count_ones());
    let [(a, rest_a), (b, rest_b), (c, rest_c)] = [eight_places(a), eight_places(b), eight_places(c)];
    let (d, rest_d) = if d == 0 { (0, 0) } else { eight_places(d) };
    if rest_a | rest_b | rest_c | rest_d != 0 {
        return None;
    }
    // SAFETY: the caller's promise. What is added to places that are beyond 64 has no say.
    unsafe {
        let low = _mm_set_epi64x(b.wrapping_add(64 * EACH).cast_signed(), a.cast_signed());
        let high = _mm_set_epi64x(d.wrapping_add(192 * EACH).cast_signed(), c.wrapping_add(128 * EACH).cast_signed());
        let low = _mm_shuffle_epi8(low, load(&BOTH[of_a as usize % 16]));
        let high = _mm_shuffle_epi8(high, load(&BOTH[of_c as usize % 16]));
        let shift = wide(bytes_in(&SHIFTED, 24u32.wrapping_sub(of_a + of_b) as usize % 32));
        let high = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(high), shift);
        Some(_mm256_blendv_epi8(high, _mm256_castsi128_si256(low), shift))
    }
}

/// The places of the groups of four bits of which one is set, four bits each; and which one that is, as it is.
///
/// # Safety
///
/// The machine must have BMI2.
#[inline(always)]
unsafe fn groups(bits: u64) -> (u64, u64) {
    let set = bits | bits >> 1;
    let set = (set | set >> 2) & 0x1111_1111_1111_1111;
    // SAFETY: the caller's promise.
    unsafe { (_pext_u64(0xFEDC_BA98_7654_3210, set * 15), _pext_u64(bits, set * 15)) }
}

/// By one of four bits its number, and odd if it is not one of them.
static NUMBERS: [u8; 16] = {
    let (mut numbers, mut at) = ([0x80; 16], 1);
    numbers[0] = 0;
    while at < 4 {
        numbers[1 << at] = at as u8;
        at += 1;
    }
    numbers[1] = 0;
    numbers
};

/// The window that starts at `16 - n` is a block's length from the place `n` on.
static BLOCK_FROM: [u8; 48] = {
    let (mut from, mut at) = ([0; 48], 16);
    while at < 48 {
        from[at] = 64;
        at += 1;
    }
    from
};

/// The places of up to sixteen bits of four blocks, one behind the other, if no two are in one group of four: values are
/// not that short.
///
/// # Safety
///
/// The machine must have AVX2 and BMI2.
#[inline(always)]
unsafe fn extracted([a, b, c, d]: [u64; 4]) -> Option<__m256i> {
    let (of_a, of_b) = (a.count_ones(), a.count_ones() + b.count_ones());
    let of_c = of_b + c.count_ones();
    // SAFETY: the caller's promise. What a shift by 64 would move is zero.
    unsafe {
        let [(a, in_a), (b, in_b), (c, in_c)] = [groups(a), groups(b), groups(c)];
        let (mut group, mut within) = (a | b.wrapping_shl(4 * of_a), in_a | in_b.wrapping_shl(4 * of_a));
        (group, within) = (group | c.wrapping_shl(4 * of_b), within | in_c.wrapping_shl(4 * of_b));
        let mut from = _mm_add_epi8(block_from(of_a), block_from(of_b));
        if d != 0 {
            let (d, in_d) = groups(d);
            (group, within) = (group | d.wrapping_shl(4 * of_c), within | in_d.wrapping_shl(4 * of_c));
            from = _mm_add_epi8(from, block_from(of_c));
        }
        let both = _mm_set_epi64x(within.cast_signed(), group.cast_signed());
        let low = _mm_and_si128(both, _mm_set1_epi8(15));
        let high = _mm_and_si128(_mm_srli_epi16::<4>(both), _mm_set1_epi8(15));
        let (group, within) = (_mm_unpacklo_epi8(low, high), _mm_unpackhi_epi8(low, high));
        let number = _mm_shuffle_epi8(load(&NUMBERS), within);
        let places = _mm_add_epi8(_mm_add_epi8(_mm_slli_epi16::<2>(group), number), from);
        (_mm_testz_si128(number, _mm_set1_epi8(i8::MIN)) != 0).then_some(_mm256_zextsi128_si256(places))
    }
}

/// A block's length at each place from one on.
#[inline(always)]
fn block_from(place: u32) -> __m128i {
    load(&BLOCK_FROM[16u32.wrapping_sub(place) as usize % 32..])
}

/// The same of any bits, up to 24.
#[cold]
fn any_places(a: u64, b: u64, c: u64, d: u64) -> [u8; 32] {
    let (mut places, mut at) = ([0; 32], 0);
    for (block, mut bits) in [a, b, c, d].into_iter().enumerate() {
        while bits != 0 {
            places[at % 32] = (64 * block as u32 + bits.trailing_zeros()) as u8;
            bits &= bits.wrapping_sub(1);
            at += 1;
        }
    }
    places
}

/// Bytes of a frame's edge, with `BEFORE` bytes before an object.
const AT_EDGE: usize = BEFORE + size_of::<Near>();

/// Copies 32 bytes from one place of `from` to one of `to`.
///
/// # Safety
///
/// Both have as many there.
#[inline(always)]
unsafe fn copy(from: &[u8], at: usize, to: &mut [u8; EDGE], to_at: usize) {
    // SAFETY: the caller's promise; they are apart.
    unsafe { std::ptr::copy_nonoverlapping(from.as_ptr().add(at), to.as_mut_ptr().add(to_at), 32) };
}

/// What `Edges::copied` does, without a call and without a branch on the length of a short frame, which is as good as
/// random.
#[inline(always)]
fn edges_v3<'a>(frame: &[u8], to: &'a mut Edges) -> &'a Edges {
    const ZEROES: [u8; 32] = [0; 32];
    let len = frame.len().min(AT_EDGE);
    if len < 32 {
        return to.copied(frame);
    }
    let (from, start) = (frame.len() - len, BEFORE.min(AT_EDGE - len));
    to.last[..BEFORE].fill(0);
    for step in 0..AT_EDGE / 32 {
        let at = (32 * step).min(len - 32);
        // SAFETY: `at` is 32 bytes before the end of the frame at least, and `start` and `len` are `AT_EDGE` together at
        // most.
        unsafe { copy(frame, from + at, &mut to.last, start + at) };
    }
    // Nobody looks farther for what counts: 68 bytes for what tells an object, and as far for the end of one that is
    // longer than three blocks.
    for step in 0..3 {
        // SAFETY: as before; there is more room than that.
        unsafe { copy(&ZEROES, 0, &mut to.last, start + len + 32 * step) };
    }
    if frame.len() > size_of::<Near>() {
        let first = &mut to.first[BEFORE..][..size_of::<Near>()];
        first.copy_from_slice(&frame[..size_of::<Near>()]);
    }
    to
}

/// The marks and braces of three blocks.
struct Marked {
    marks: [u64; 3],
    braces: [u64; 3],
}

/// Those of an object that has room around it.
///
/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn marked(near: &Near) -> Marked {
    // SAFETY: the caller's promise.
    let blocks =
        unsafe { [block_marks(near, BEFORE), block_marks(near, BEFORE + 64), block_marks(near, BEFORE + 128)] };
    let [(a, in_a), (b, in_b), (c, in_c)] = blocks;
    Marked { marks: [a, b, c], braces: [in_a, in_b, in_c] }
}

/// Those of an object at the end of a frame, which has been copied: whole vectors of what was written in others just now
/// would be waited for. Beyond the frame there are none.
///
/// # Safety
///
/// The machine must have AVX2 and BMI.
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt")]
#[inline(never)]
unsafe fn marked_at_end(rest: &[u8], near: &Near) -> Marked {
    let Some(most) = rest.len().checked_sub(32) else {
        // SAFETY: the caller's promise.
        let (marks, braces) = unsafe { block_marks(near, BEFORE) };
        let inside = !(u64::MAX << rest.len());
        return Marked { marks: [marks & inside, 0, 0], braces: [braces & inside, 0, 0] };
    };
    let [mut commas, mut quotes, mut braces] = [[0; 3]; 3];
    for half in 0..6 {
        let place = 32 * half;
        let from = place.min(most);
        // Bytes before the place are shifted out; of those beyond the frame none is left.
        let shift = (place - from).min(63) as u32;
        // SAFETY: 32 bytes from there on are in `rest`; the caller's promise.
        let [comma, quote, brace] = unsafe {
            let bytes = rest.as_ptr().add(from).cast::<__m256i>().read_unaligned();
            [bits_same(bytes, b','), bits_same(bytes, b'"'), bits_same(bytes, b'}')]
        };
        commas[half / 2] |= comma >> shift << (32 * (half % 2));
        quotes[half / 2] |= quote >> shift << (32 * (half % 2));
        braces[half / 2] |= brace >> shift << (32 * (half % 2));
    }
    let [last] = *bytes_at(near, BEFORE + 192);
    let next = [quotes[1], quotes[2], u64::from(last == b'"')];
    let mut marks = braces;
    for block in 0..3 {
        marks[block] |= commas[block] & (quotes[block] >> 1 | next[block] << 63);
    }
    Marked { marks, braces }
}

/// The bytes that are the same as one, a bit each.
///
/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn bits_same(bytes: __m256i, byte: u8) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { apart(bits_of(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte.cast_signed()))).into()) }
}

/// What `Level::hold` does.
///
/// # Safety
///
/// The machine must have AVX2 and BMI.
#[inline(always)]
unsafe fn hold_v3<'a>(level: V3, frame: &'a [u8], at: usize, edges: &'a Edges) -> Option<(Nearby<'a>, Extent)> {
    let start = at.wrapping_sub(BEFORE);
    // SAFETY: the caller's promise; and where it is so, the frame has as many bytes from `start` on at least.
    let (near, Marked { marks: [a, b, c], braces: [first, braces, more] }) = unsafe {
        if start < frame.len().saturating_sub(size_of::<Near>() - 1) {
            let near = &*frame.as_ptr().add(start).cast::<Near>();
            (near, marked(near))
        } else {
            let near = edges.near(frame, at)?;
            (near, marked_at_end(frame.get(at..)?, near))
        }
    };
    // SAFETY: the caller's promise.
    unsafe {
        // Objects that end in the first block are rare.
        let (a, b, braces, base) = if first == 0 { (a, b, braces, 65) } else { cut(a, first) };
        let b = b & up_to_first(braces);
        let (c, mut d) = (if braces == 0 { c & up_to_first(more) } else { 0 }, 0);
        let mut len = if braces == 0 { 129 + more.trailing_zeros() } else { base + braces.trailing_zeros() };
        if braces | more == 0 {
            let (marks, last) = block_marks(near, BEFORE + 192);
            if last == 0 || frame.len() - at <= 192 {
                return None;
            }
            d = marks & up_to_first(last);
            len = 193 + last.trailing_zeros();
        }
        let count = a.count_ones() + b.count_ones() + c.count_ones() + d.count_ones();
        if count as usize > VALUES {
            return None;
        }
        let ends = if count <= level.extracts { extracted([a, b, c, d]) } else { places_in([a, b, c, d]) };
        let ends = match ends {
            Some(ends) => ends,
            None => wide(&any_places(a, b, c, d)),
        };
        let (first, second) = (a.trailing_zeros(), (a & a.wrapping_sub(1)).trailing_zeros());
        let extent = Extent {
            count,
            len,
            first,
            head: u64::from_le_bytes(*bytes_at(near, BEFORE)),
            name: u16::from_le_bytes(*bytes_at(near, BEFORE + first.saturating_sub(2) as usize)),
            third: u32::from_le_bytes(*bytes_at(near, BEFORE + second as usize)),
        };
        Some((Nearby { near, ends }, extent))
    }
}

/// What is left of the blocks of an object that ends in the first one: its marks, none in the second, the brace as if
/// it were there, and the length that this makes.
#[cold]
#[inline(never)]
const fn cut(marks: u64, braces: u64) -> (u64, u64, u64, u32) {
    (marks & up_to_first(braces), 0, braces, 1)
}

/// All bits up to the first one, or all.
#[inline(always)]
const fn up_to_first(bits: u64) -> u64 {
    bits ^ bits.wrapping_sub(1)
}

#[inline(always)]
fn bytes_in<const N: usize>(bytes: &[u8; N], at: usize) -> &[u8; 32] {
    bytes[at..].first_chunk().unwrap_or(&[0; 32])
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
        let mut befores = [0; 32];
        stored(_mm256_sub_epi8(held.ends, _mm256_set1_epi8(1)), &mut befores);
        let mut others = others_around::<16>(held.near, &befores, shape, 0);
        let places = load(&shape.places);
        let (field_lens, field_ends) = if shape.count > 16 {
            others = _mm256_or_si256(others, others_around::<8>(held.near, &befores, shape, 16));
            (picked(lens, places), picked(ends, places))
        } else {
            let (lens, ends) = (_mm256_castsi256_si128(lens), _mm256_castsi256_si128(ends));
            (_mm_shuffle_epi8(lens, places), _mm_shuffle_epi8(ends, places))
        };
        let (has, numbers) = (load(&shape.has_bytes), load(&shape.number_bytes));
        let more = _mm_sub_epi8(field_lens, load(&shape.least));
        let is_fit = _mm_cmpeq_epi8(_mm_max_epu8(more, load(&shape.range)), load(&shape.range));
        let beyond = _mm_andnot_si128(is_fit, has);
        let odd = any(_mm256_or_si256(others, _mm256_zextsi128_si256(beyond)));
        let (number_ends, number_lens) = (_mm_and_si128(field_ends, numbers), _mm_and_si128(field_lens, numbers));
        (Fields { starts, lens, number_ends, number_lens }, odd)
    }
}

/// Bits where the bytes around some of the ends, of which those before are given, are others than those of a shape.
///
/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn others_around<const COUNT: usize>(near: &Near, befores: &[u8; 32], shape: &Shape, from: usize) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let mut others = _mm256_setzero_si256();
        for value in (from..from + COUNT).step_by(2) {
            let low = bytes_at(near, BEFORE + usize::from(befores[value]));
            let high = bytes_at(near, BEFORE + usize::from(befores[value + 1]));
            let same = _mm256_xor_si256(both_of(low, high), pair(&shape.around, value));
            others = _mm256_or_si256(others, _mm256_and_si256(same, pair(&shape.around_masks, value)));
        }
        others
    }
}

/// Two of a shape's values, one behind the other.
#[inline(always)]
fn pair(values: &[[u8; 16]; VALUES], at: usize) -> __m256i {
    wide(values.as_flattened()[16 * at..].first_chunk().unwrap_or(&[0; 32]))
}

/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn both_of(low: &[u8; 16], high: &[u8; 16]) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe { _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(load(low)), load(high)) }
}

/// Four numbers, each at the end of a lane: the first and the third, the second and the fourth. So what is made of both
/// is in order.
struct Lanes {
    bytes: [__m256i; 2],
    /// All bytes of a lane say how long its number is.
    lens: [__m256i; 2],
}

/// Bytes 0 to 15 of both lanes: the length of a number that begins there, and one less.
static FROM_END: [u8; 32] = lane_places(16, -1);
static BEHIND: [u8; 32] = lane_places(15, -1);
/// Places from 1 on.
static FROM_ONE: [u8; 32] = lane_places(1, 1);

const fn lane_places(first: i8, step: i8) -> [u8; 32] {
    let (mut places, mut at) = ([0; 32], 0);
    while at < 32 {
        places[at] = (first + step * (at % 16) as i8).cast_unsigned();
        at += 1;
    }
    places
}

/// By group: where in 16 bytes the one stands that belongs to each of four lanes.
static SPREAD: [[[u8; 32]; 2]; 4] = {
    let (mut spread, mut at) = ([[[0; 32]; 2]; 4], 0);
    while at < 4 * 2 * 32 {
        let (group, odd, place) = (at / 64, at / 32 % 2, at % 32);
        spread[group][odd][place] = (4 * group + 2 * (place / 16) + odd) as u8;
        at += 1;
    }
    spread
};

/// The same of four words.
static SPREAD_WORDS: [[u8; 32]; 2] = {
    let (mut spread, mut at) = ([[0; 32]; 2], 0);
    while at < 2 * 32 {
        spread[at / 32][at % 32] = (8 * (at % 32 / 16) + 4 * (at / 32)) as u8;
        at += 1;
    }
    spread
};

impl Lanes {
    /// Takes four numbers at the ends of as many windows; their lengths are spread from sixteen bytes.
    ///
    /// # Safety
    ///
    /// The machine must have AVX2.
    #[inline(always)]
    unsafe fn new([a, b, c, d]: [&[u8; 16]; 4], lens: __m128i, [even, odd]: &[[u8; 32]; 2]) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let lens = _mm256_broadcastsi128_si256(lens);
            let lens = [_mm256_shuffle_epi8(lens, wide(even)), _mm256_shuffle_epi8(lens, wide(odd))];
            Self { bytes: [both_of(a, c), both_of(b, d)], lens }
        }
    }

    /// The numbers of a group of an object.
    ///
    /// # Safety
    ///
    /// The machine must have AVX2.
    #[inline(always)]
    unsafe fn held<const GROUP: usize>(held: &Nearby, fields: &Fields) -> Self {
        let at = GROUP * 4;
        let four = [
            number_at(held, fields, at),
            number_at(held, fields, at + 1),
            number_at(held, fields, at + 2),
            number_at(held, fields, at + 3),
        ];
        // SAFETY: the caller's promise.
        unsafe { Self::new(four, fields.number_lens, &unknown(&SPREAD)[GROUP]) }
    }

    /// The numbers of a group of a window.
    ///
    /// # Safety
    ///
    /// The machine must have AVX2.
    #[inline(always)]
    unsafe fn spanned<const GROUP: usize>(window: &Window, spans: &Spans) -> Self {
        let lens: [u32; 4] = spans.lens[GROUP * 4..][..4].try_into().unwrap_or_default();
        // SAFETY: the caller's promise; both are 16 plain bytes.
        unsafe {
            let lens = std::mem::transmute::<[u32; 4], __m128i>(lens);
            Self::new(spans.four::<GROUP>(window), lens, unknown(&SPREAD_WORDS))
        }
    }

    /// All bits of the words of numbers that are not there.
    ///
    /// # Safety
    ///
    /// The machine must have AVX2.
    #[inline(always)]
    unsafe fn missing(&self) -> __m256i {
        let [even, odd] = self.lens;
        // SAFETY: the caller's promise.
        unsafe { _mm256_cmpeq_epi32(in_order(even, odd), _mm256_setzero_si256()) }
    }

    /// Four whole numbers within limits.
    ///
    /// # Safety
    ///
    /// The machine must have AVX2.
    #[inline(always)]
    unsafe fn integers(self, rules: &Rules) -> ([i64; 4], u64) {
        let ([even, odd], [even_len, odd_len]) = (self.bytes, self.lens);
        let Dense { least, most, scale, unset } = rules.dense;
        // SAFETY: the caller's promise; vectors and arrays are of one size.
        unsafe {
            let (even, is_odd) = whole_digits(even, even_len);
            let (odd, is_odd_too) = whole_digits(odd, odd_len);
            let is_odd = _mm256_or_si256(is_odd, is_odd_too);
            let mantissas = mantissas(even, odd);
            let missing = self.missing();
            let least = std::mem::transmute::<[i64; 4], __m256i>(least);
            let most = std::mem::transmute::<[i64; 4], __m256i>(most);
            let scale = std::mem::transmute::<[u64; 4], __m256i>(scale);
            let unset = std::mem::transmute::<[i64; 4], __m256i>(unset);
            let beyond = _mm256_or_si256(_mm256_cmpgt_epi64(least, mantissas), _mm256_cmpgt_epi64(mantissas, most));
            let is_odd = _mm256_or_si256(is_odd, _mm256_andnot_si256(missing, beyond));
            let high = _mm256_mul_epu32(_mm256_srli_epi64::<32>(mantissas), scale);
            let scaled = _mm256_add_epi64(_mm256_mul_epu32(mantissas, scale), _mm256_slli_epi64::<32>(high));
            let values = _mm256_blendv_epi8(scaled, unset, missing);
            (std::mem::transmute::<__m256i, [i64; 4]>(values), any(is_odd))
        }
    }

    /// Four numbers as doubles and in 1e-8.
    ///
    /// # Safety
    ///
    /// The machine must have AVX2.
    #[inline(always)]
    unsafe fn decimals(self) -> ([(f64, i64); 4], u64) {
        let ([even, odd], [even_len, odd_len]) = (self.bytes, self.lens);
        // SAFETY: the caller's promise; vectors and arrays are of one size.
        unsafe {
            let (even, even_place, is_odd) = closed_digits(even, even_len);
            let (odd, odd_place, is_odd_too) = closed_digits(odd, odd_len);
            let is_odd = _mm256_or_si256(is_odd, is_odd_too);
            let mantissas = mantissas(even, odd);
            let places = in_order(even_place, odd_place);
            // Up to eight decimals, or no point: 8 to 15, or 0. Others are for the plain way.
            let most = _mm256_set1_epi64x(8);
            let is_odd = _mm256_or_si256(is_odd, _mm256_subs_epu8(_mm256_xor_si256(places, most), most));
            let is_whole = _mm256_cmpeq_epi64(places, _mm256_setzero_si256());
            let scales = _mm256_permutevar8x32_epi32(eight(&SCALE_BY_PLACE), places);
            let scales = _mm256_blendv_epi8(scales, _mm256_set1_epi64x(SCALES[0]), is_whole);
            let divisors = _mm256_permutevar8x32_epi32(eight(&DIVISOR_BY_PLACE), places);
            let divisors = _mm256_castsi256_pd(_mm256_slli_epi64::<32>(divisors));
            let divisors = _mm256_blendv_pd(divisors, _mm256_set1_pd(1.0), _mm256_castsi256_pd(is_whole));
            // INVARIANT: a mantissa has at most 15 digits, so it is the lower part of a double between 2^52 and 2^53.
            let bias = _mm256_set1_pd(TWO_TO_52);
            let floats = _mm256_sub_pd(_mm256_or_pd(_mm256_castsi256_pd(mantissas), bias), bias);
            let floats = _mm256_div_pd(floats, divisors);
            let low = _mm256_mul_epu32(mantissas, scales);
            let high = _mm256_mul_epu32(_mm256_srli_epi64::<32>(mantissas), scales);
            let high = _mm256_add_epi64(high, _mm256_srli_epi64::<32>(low));
            let scaled = _mm256_blend_epi32::<0b1010_1010>(low, _mm256_slli_epi64::<32>(high));
            // What fits has no more than 63 bits.
            let is_odd = _mm256_or_si256(is_odd, _mm256_srli_epi64::<31>(high));
            let missing = self.missing();
            let floats = _mm256_blendv_pd(floats, _mm256_set1_pd(PRICE_UNSET), _mm256_castsi256_pd(missing));
            let scaled = _mm256_blendv_epi8(scaled, _mm256_set1_epi64x(E8_UNSET), missing);
            let [a, b, c, d] = std::mem::transmute::<__m256d, [f64; 4]>(floats);
            let [e, f, g, h] = std::mem::transmute::<__m256i, [i64; 4]>(scaled);
            ([(a, e), (b, f), (c, g), (d, h)], any(is_odd))
        }
    }
}

const TWO_TO_52: f64 = 4_503_599_627_370_496.0;

/// By the lowest bits of the place of the point in sixteen bytes, from 1 on, where there are one to eight decimals: what
/// the number without it is multiplied with to count 1e-8.
static SCALE_BY_PLACE: [u32; 8] = {
    let (mut by, mut at) = ([0; 8], 0);
    while at < 8 {
        by[at] = SCALES[8 - at] as u32;
        at += 1;
    }
    by
};

/// The same: the upper half of the double that it is divided by, whose lower half is zero.
static DIVISOR_BY_PLACE: [u32; 8] = {
    let (mut by, mut at) = ([0; 8], 0);
    while at < 8 {
        by[at] = (DIVISORS[8 - at].to_bits() >> 32) as u32;
        at += 1;
    }
    by
};

/// The words of the lanes of two vectors, lane by lane: one of the first, one of the second.
///
/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn in_order(even: __m256i, odd: __m256i) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe { _mm256_blend_epi32::<0b1100_1100>(even, odd) }
}

/// Not zero if any bit is set.
///
/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn any(bits: __m256i) -> u64 {
    // SAFETY: the caller's promise.
    // Kept apart, or the bits of several vectors are gathered word by word.
    unsafe { apart(u64::from(_mm256_testz_si256(bits, bits) == 0)) }
}

/// The digits at the ends of two lanes as numbers, zeroes before them; where a number begins; and bits where there is
/// something else. A leading zero is only the last digit.
///
/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn whole_digits(bytes: __m256i, lens: __m256i) -> (__m256i, __m256i) {
    // SAFETY: the caller's promise.
    unsafe {
        let (digits, first) = kept(bytes, lens);
        let zero = _mm256_setzero_si256();
        let is_sound = _mm256_cmpgt_epi8(digits, _mm256_alignr_epi8::<1>(_mm256_set1_epi8(-1), zero));
        (digits, _mm256_or_si256(_mm256_andnot_si256(is_sound, first), over(digits)))
    }
}

/// The same of numbers with a point, left out: and its place in both words of its lane, from 1 on, or 0 for none.
///
/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn closed_digits(bytes: __m256i, lens: __m256i) -> (__m256i, __m256i, __m256i) {
    // SAFETY: the caller's promise.
    unsafe {
        let (digits, first) = kept(bytes, lens);
        let point = _mm256_cmpeq_epi8(digits, _mm256_set1_epi8(POINT));
        // The first is a digit, and a zero only before the point or as the last.
        let is_sound = _mm256_cmpgt_epi8(digits, _mm256_alignr_epi8::<1>(_mm256_set1_epi8(-1), point));
        let from_one = wide(&FROM_ONE);
        let place = _mm256_sad_epu8(_mm256_and_si256(point, from_one), _mm256_setzero_si256());
        let place = _mm256_or_si256(place, _mm256_shuffle_epi32::<0b0100_1110>(place));
        let is_behind = _mm256_cmpgt_epi8(from_one, _mm256_shuffle_epi8(place, _mm256_setzero_si256()));
        // The digits before it move up by one to close it. Of two points one stays at least.
        let closed = _mm256_blendv_epi8(_mm256_bslli_epi128::<1>(digits), digits, is_behind);
        (closed, place, _mm256_or_si256(_mm256_andnot_si256(is_sound, first), over(closed)))
    }
}

/// A point less `0`.
const POINT: i8 = b'.'.wrapping_sub(b'0').cast_signed();

/// The bytes of numbers less `0`, zeroes before them, and where they begin.
///
/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn kept(bytes: __m256i, lens: __m256i) -> (__m256i, __m256i) {
    // SAFETY: the caller's promise.
    unsafe {
        let digits = _mm256_sub_epi8(bytes, _mm256_set1_epi8(b'0'.cast_signed()));
        let kept = _mm256_and_si256(digits, _mm256_cmpgt_epi8(lens, wide(&BEHIND)));
        (kept, _mm256_cmpeq_epi8(lens, wide(&FROM_END)))
    }
}

/// Bits where a byte is no digit.
///
/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn over(digits: __m256i) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe { _mm256_subs_epu8(digits, _mm256_set1_epi8(9)) }
}

/// The numbers of sixteen digits in two times two lanes, in order.
///
/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn mantissas(even: __m256i, odd: __m256i) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let fours = _mm256_packus_epi32(fours(even), fours(odd));
        let eights = _mm256_madd_epi16(fours, _mm256_set1_epi32(0x0001_2710));
        let high = _mm256_mul_epu32(eights, _mm256_set1_epi64x(100_000_000));
        _mm256_add_epi64(high, _mm256_srli_epi64::<32>(eights))
    }
}

/// The values of four digits each.
///
/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn fours(digits: __m256i) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let twos = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(0x010A));
        _mm256_madd_epi16(twos, _mm256_set1_epi32(0x0001_0064))
    }
}

/// Sixteen bytes up to the end of a field.
#[inline(always)]
fn number_at<'a>(held: &Nearby<'a>, fields: &Fields, field: usize) -> &'a [u8; 16] {
    bytes_at(held.near, usize::from(fields.number_end(field)) + BEFORE - 16)
}

/// Four bytes up to the end of a field as a word.
#[inline(always)]
fn code_at(held: &Nearby, fields: &Fields, field: usize) -> i32 {
    i32::from_le_bytes(*bytes_at(held.near, usize::from(fields.number_end(field)) + BEFORE - 4))
}

/// Four bytes up to a place in the sixteen bytes before an end.
#[inline(always)]
fn word_to(held: &Nearby, end: usize, place: u32) -> i32 {
    let at = (BEFORE - 16 + end + place as usize % 64).saturating_sub(4);
    i32::from_le_bytes(*bytes_at(held.near, at.min(size_of::<Near>() - 4)))
}

/// Four codes, each at the end of a word, of which all bytes of a word of `lens` say how long it is, up to four; bits
/// where there is something else.
///
/// # Safety
///
/// The machine must have AVX2.
#[inline(always)]
unsafe fn codes(bytes: __m128i, lens: __m128i) -> ([u16; 4], __m128i) {
    // SAFETY: the caller's promise; vectors and arrays are of one size.
    unsafe {
        let keep = _mm_cmpgt_epi8(lens, _mm_set1_epi32(0x0001_0203));
        let digits = _mm_and_si128(_mm_sub_epi8(bytes, _mm_set1_epi8(b'0'.cast_signed())), keep);
        let first = _mm_cmpeq_epi8(lens, _mm_set1_epi32(0x0102_0304));
        // A leading zero is only the last digit.
        let is_sound = _mm_cmpgt_epi8(digits, _mm_set1_epi32(0xFF00_0000u32.cast_signed()));
        let odd = _mm_or_si128(_mm_andnot_si128(is_sound, first), _mm_subs_epu8(digits, _mm_set1_epi8(9)));
        let twos = _mm_maddubs_epi16(digits, _mm_set1_epi16(0x010A));
        let fours = _mm_madd_epi16(twos, _mm_set1_epi32(0x0001_0064));
        let is_none = _mm_cmpeq_epi32(lens, _mm_setzero_si128());
        let values = _mm_blendv_epi8(fours, _mm_set1_epi32(CODE_UNSET.into()), is_none);
        let values = _mm_cvtsi128_si64(_mm_packus_epi32(values, values));
        (std::mem::transmute::<i64, [u16; 4]>(values), odd)
    }
}

/// Four words of four bytes each; by group, the number of the field that they belong to.
static SPREAD_CODES: [[u8; 16]; 4] = {
    let (mut spread, mut at) = ([[0; 16]; 4], 0);
    while at < 4 * 16 {
        spread[at / 16][at % 16] = (at / 4) as u8;
        at += 1;
    }
    spread
};

const _: () = assert!(AT_EDGE.is_multiple_of(32) && AT_EDGE + 96 <= EDGE);

#[cfg(test)]
impl V3 {
    /// The ends of the values of an object.
    pub(crate) fn ends(self, frame: &[u8], at: usize, edges: &Edges) -> Option<Vec<u8>> {
        let (held, extent) = self.hold(frame, at, edges)?;
        // SAFETY: both are 32 plain bytes.
        let ends = unsafe { std::mem::transmute::<__m256i, [u8; 32]>(held.ends) };
        Some(ends[..extent.count as usize].to_vec())
    }
}

impl Level for V3 {
    type Held<'a> = Nearby<'a>;
    type Fields = Fields;

    #[inline(always)]
    fn edges<'a>(self, frame: &[u8], to: &'a mut Edges) -> &'a Edges {
        edges_v3(frame, to)
    }

    #[inline(always)]
    fn hold<'a>(self, frame: &'a [u8], at: usize, edges: &'a Edges) -> Option<(Nearby<'a>, Extent)> {
        // SAFETY: a `V3` exists only where the machine has all of it.
        unsafe { hold_v3(self, frame, at, edges) }
    }

    #[inline(always)]
    fn is_followed(self, _: &[u8], held: Nearby, (at, end): (usize, usize)) -> bool {
        let last = end.wrapping_sub(at + 1) as u8;
        bytes_at(held.near, BEFORE + 1 + usize::from(last)) == b",{"
    }

    #[inline(always)]
    fn some_of<const N: usize>(self, held: Nearby, _: (&[u8], usize), start: u32) -> [u8; N] {
        *bytes_at(held.near, BEFORE + start as usize % HELD)
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
        unsafe { Lanes::held::<GROUP>(&held, fields).decimals() }
    }

    #[inline(always)]
    fn held_integers<const GROUP: usize>(self, held: Nearby, fields: &Fields, rules: &Rules) -> ([i64; 4], u64) {
        // SAFETY: a `V3` exists only where the machine has all of it.
        unsafe { Lanes::held::<GROUP>(&held, fields).integers(rules) }
    }

    #[inline(always)]
    fn integers<const GROUP: usize>(self, window: &Window, spans: &Spans, rules: &Rules) -> ([i64; 4], u64) {
        // SAFETY: a `V3` exists only where the machine has all of it.
        unsafe { Lanes::spanned::<GROUP>(window, spans).integers(rules) }
    }

    #[inline(always)]
    fn decimals<const GROUP: usize>(self, window: &Window, spans: &Spans) -> ([(f64, i64); 4], u64) {
        // SAFETY: a `V3` exists only where the machine has all of it.
        unsafe { Lanes::spanned::<GROUP>(window, spans).decimals() }
    }

    #[inline(always)]
    fn held_codes<const GROUP: usize>(self, held: Nearby, fields: &Fields) -> ([u16; 4], u64) {
        let at = GROUP * 4;
        // SAFETY: a `V3` exists only where the machine has all of it.
        unsafe {
            let bytes = _mm_setr_epi32(
                code_at(&held, fields, at),
                code_at(&held, fields, at + 1),
                code_at(&held, fields, at + 2),
                code_at(&held, fields, at + 3),
            );
            let lens = _mm_shuffle_epi8(fields.number_lens, load(&unknown(&SPREAD_CODES)[GROUP]));
            // A list of more than one code is none.
            let lens = _mm_andnot_si128(_mm_cmpgt_epi8(lens, _mm_set1_epi8(CODE.cast_signed())), lens);
            let (codes, odd) = codes(bytes, lens);
            (codes, apart(u64::from(_mm_testz_si128(odd, odd) == 0)))
        }
    }

    /// No branch on how many codes there are, which is as good as random.
    #[inline(always)]
    fn held_list<const FIELD: usize>(self, held: Nearby, fields: &Fields) -> ([u16; 4], u8, u64) {
        let (len, end) = (u32::from(fields.number_len(FIELD)), usize::from(fields.number_end(FIELD)));
        let used = 0xFFFF_0000u32.wrapping_shr(len) & 0xFFFF;
        let before: &[u8; 16] = bytes_at(held.near, BEFORE - 16 + end);
        // SAFETY: a `V3` exists only where the machine has all of it.
        unsafe {
            let commas = _mm_cmpeq_epi8(load(before), _mm_set1_epi8(b','.cast_signed()));
            let commas = _mm_movemask_epi8(commas).cast_unsigned() & used;
            let count = commas.count_ones() + u32::from(len != 0);
            // Codes end before commas, the last one with the list.
            let mut ends = commas | 0x1_0000;
            let (mut places, mut lens, mut behind) = ([0; 4], 0, 16u32.wrapping_sub(len));
            for (at, place) in places.iter_mut().enumerate() {
                *place = ends.trailing_zeros();
                lens |= (place.wrapping_sub(behind) & 0xFF) << (8 * at);
                behind = *place + 1;
                ends &= ends.wrapping_sub(1);
            }
            let bytes = _mm_setr_epi32(
                word_to(&held, end, places[0]),
                word_to(&held, end, places[1]),
                word_to(&held, end, places[2]),
                word_to(&held, end, places[3]),
            );
            let lens = _mm_shuffle_epi8(_mm_cvtsi32_si128(lens.cast_signed()), load(&unknown(&SPREAD_CODES)[0]));
            let is_there = _mm_cmpgt_epi32(_mm_set1_epi32(count.cast_signed()), _mm_setr_epi32(0, 1, 2, 3));
            let lens = _mm_and_si128(lens, is_there);
            // One to three digits.
            let more = _mm_sub_epi8(lens, _mm_set1_epi8(1));
            let beyond = _mm_and_si128(_mm_subs_epu8(more, _mm_set1_epi8(CODE.cast_signed() - 2)), is_there);
            let (codes, odd) = codes(bytes, lens);
            let odd = _mm_or_si128(odd, beyond);
            (codes, count as u8, apart(u64::from(_mm_testz_si128(odd, odd) == 0)) | u64::from(count > 4))
        }
    }

    #[inline(always)]
    fn apart_from_all<W: Work<Self>>(self, work: W) -> W::Done {
        // SAFETY: a `V3` exists only where the machine has all of it.
        unsafe { work_v3(self, work) }
    }

    #[inline(always)]
    fn apart(self, word: u64) -> u64 {
        apart(word)
    }

    #[inline(always)]
    fn is_ascii(self, frame: &[u8]) -> bool {
        let (chunks, rest) = frame.as_chunks::<128>();
        for chunk in chunks {
            let (four, _) = chunk.as_chunks::<32>();
            // SAFETY: a `V3` exists only where the machine has AVX2.
            let high = unsafe {
                let two = _mm256_or_si256(wide(&four[0]), wide(&four[1]));
                bits_of(_mm256_or_si256(two, _mm256_or_si256(wide(&four[2]), wide(&four[3]))))
            };
            if high != 0 {
                return false;
            }
        }
        rest.is_ascii()
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
