//! AVX-512: objects in registers, numbers four at a time.

#[allow(clippy::wildcard_imports, reason = "half a hundred names of one kind")]
use std::arch::x86_64::*;

use ringtape_model::units::{CODE_UNSET, E8_UNSET, PRICE_UNSET};

use super::super::{
    CODE, DIVISORS, Edges, Extent, FITS, HELD, Level, NUMBER, Plain, Rules, SCALES, Spans, Structure, Whole, Window,
    Work, some,
};
use super::{Fields, Line, V3, V4, apart, load, wide};
use crate::json::outline::{MARKS, Outline, Pattern};
use crate::json::shape::{Shape, VALUES};
use crate::json::structure::AHEAD;

/// What a `V4` has of the level below it.
const BELOW: V3 = V3 { extracts: 16 };

/// The lowest bits, as many as asked for up to 64.
///
/// # Safety
///
/// The machine must have BMI2.
#[inline(always)]
unsafe fn first_bits(count: u32) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { _bzhi_u64(u64::MAX, count) }
}

/// The numbers of sixteen digits in four lanes, each in the low word of its lane.
///
/// # Safety
///
/// The machine must have what a `V4` stands for.
#[inline(always)]
unsafe fn mantissas(digits: __m512i) -> __m512i {
    // SAFETY: the caller's promise.
    unsafe {
        let twos = _mm512_maddubs_epi16(digits, _mm512_set1_epi16(0x010A));
        let fours = _mm512_madd_epi16(twos, _mm512_set1_epi32(0x0001_0064));
        let eights = _mm512_madd_epi16(_mm512_packus_epi32(fours, fours), _mm512_set1_epi32(0x0001_2710));
        let high = _mm512_mul_epu32(eights, _mm512_set1_epi64(100_000_000));
        _mm512_add_epi64(high, _mm512_srli_epi64::<32>(eights))
    }
}

/// Bytes 0 to 15, four times, each plus something.
const fn lane_places(more: u8) -> [u8; 64] {
    let mut places = PLACES;
    let mut at = 0;
    while at < 64 {
        places[at] = places[at] % 16 + more;
        at += 1;
    }
    places
}

/// Plus the length of a number, these are `FIRST` where it begins and more behind.
static TO_LENGTH: [u8; 64] = lane_places(FIRST - 16);

const FIRST: u8 = 0x80;

/// Places from 1 on.
static FROM_ONE: [u8; 64] = lane_places(1);

/// By group: where in 16 words the lowest byte stands that belongs to each of four lanes.
static SPREAD: [[u8; 64]; 4] = {
    let mut spread = [[0; 64]; 4];
    let mut at = 0;
    while at < 4 * 64 {
        spread[at / 64][at % 64] = (at / 16 * 4) as u8;
        at += 1;
    }
    spread
};

/// The last byte of each lane, a bit each.
const LAST: u64 = 0x8000_8000_8000_8000;

/// Four numbers, each at the end of a lane.
#[derive(Clone, Copy)]
struct Lanes {
    /// Their bytes less `0`; before them zeroes.
    digits: __m512i,
    /// The first bytes, a bit each.
    first: u64,
    /// Which of the four are there, two bits each.
    is_there: u8,
}

#[inline(always)]
fn block(bytes: [u8; 64]) -> __m512i {
    // SAFETY: both are 64 plain bytes.
    unsafe { std::mem::transmute::<[u8; 64], __m512i>(bytes) }
}

#[inline(always)]
fn words(marks: &[u32]) -> __m512i {
    let words: [u32; 16] = marks[..16].try_into().unwrap_or_default();
    // SAFETY: both are 64 plain bytes.
    unsafe { std::mem::transmute::<[u32; 16], __m512i>(words) }
}

/// Takes the numbers that end with the lanes of `bytes`; all bytes of a lane of `lens` say how long its number is.
///
/// # Safety
///
/// The machine must have what a `V4` stands for.
#[inline(always)]
unsafe fn lanes(bytes: __m512i, lens: __m512i) -> Lanes {
    // SAFETY: the caller's promise.
    unsafe {
        let place = _mm512_add_epi8(block(TO_LENGTH), lens);
        Lanes {
            digits: _mm512_maskz_sub_epi8(_mm512_movepi8_mask(place), bytes, _mm512_set1_epi8(b'0'.cast_signed())),
            first: _mm512_cmpeq_epi8_mask(place, _mm512_set1_epi8(FIRST.cast_signed())),
            is_there: _mm512_test_epi64_mask(lens, lens),
        }
    }
}

/// The numbers of a group of a window.
///
/// # Safety
///
/// The machine must have what a `V4` stands for.
#[inline(always)]
unsafe fn lanes_of<const GROUP: usize>(window: &Window, spans: &Spans) -> Lanes {
    let four = spans.four::<GROUP>(window);
    // SAFETY: the caller's promise.
    unsafe {
        let bytes = _mm512_castsi128_si512(load(four[0]));
        let bytes = _mm512_inserti32x4::<1>(bytes, load(four[1]));
        let bytes = _mm512_inserti32x4::<2>(bytes, load(four[2]));
        let bytes = _mm512_inserti32x4::<3>(bytes, load(four[3]));
        lanes(bytes, _mm512_permutexvar_epi8(block(SPREAD[GROUP]), words(&spans.lens)))
    }
}

/// Four whole numbers within limits.
///
/// # Safety
///
/// The machine must have what a `V4` stands for.
#[inline(always)]
unsafe fn integers(Lanes { digits, first, is_there }: Lanes, rules: &Rules) -> ([i64; 4], u64) {
    // SAFETY: the caller's promise; vectors and arrays are of one size.
    unsafe {
        // A leading zero is only the last digit.
        let leading = _mm512_mask_testn_epi8_mask(first & !LAST, digits, digits);
        let least = std::mem::transmute::<[u64; 8], __m512i>(rules.least);
        let range = std::mem::transmute::<[u64; 8], __m512i>(rules.range);
        let scale = std::mem::transmute::<[i64; 8], __m512i>(rules.scale);
        let unset = std::mem::transmute::<[i64; 8], __m512i>(rules.unset);
        let mantissas = mantissas(digits);
        let over = _mm512_mask_cmpgt_epu64_mask(is_there & 0x55, _mm512_sub_epi64(mantissas, least), range);
        let values = _mm512_mask_mullo_epi64(unset, is_there, mantissas, scale);
        let values = std::mem::transmute::<__m512i, [i64; 8]>(values);
        ([values[0], values[2], values[4], values[6]], leading | others(digits) | u64::from(over))
    }
}

/// Four numbers as doubles and in 1e-8.
///
/// # Safety
///
/// The machine must have what a `V4` stands for.
#[inline(always)]
unsafe fn decimals(Lanes { digits, first, is_there }: Lanes) -> ([(f64, i64); 4], u64) {
    // SAFETY: the caller's promise; vectors and arrays are of one size.
    unsafe {
        let point = _mm512_set1_epi8(b'.'.wrapping_sub(b'0').cast_signed());
        let points = _mm512_cmpeq_epi8_mask(digits, point);
        // The place of the point, from 1 on, in both words of its lane; 0 if there is none.
        let place = _mm512_sad_epu8(_mm512_maskz_mov_epi8(points, block(FROM_ONE)), _mm512_setzero_si512());
        let place = _mm512_or_si512(place, _mm512_shuffle_epi32::<0b0100_1110>(place));
        let until = _mm512_shuffle_epi8(place, _mm512_setzero_si512());
        let until = _mm512_cmple_epu8_mask(block(FROM_ONE), until);
        // The digits before it move up by one to close it. Of two points one stays at least.
        let closed = _mm512_mask_mov_epi8(digits, until, _mm512_bslli_epi128::<1>(digits));
        // No point is the first byte or the last; behind a leading zero comes one.
        let edge = points & (first | LAST);
        let leading = _mm512_mask_testn_epi8_mask(first & !LAST, digits, digits);
        let next = _mm512_bsrli_epi128::<1>(digits);
        let leading = _mm512_mask_cmple_epu8_mask(leading, next, _mm512_set1_epi8(9));
        let mantissas = mantissas(closed);
        let [low, high] = std::mem::transmute::<[f64; 16], [__m512d; 2]>(DIVISORS_BY_PLACE);
        let divisors = _mm512_permutex2var_pd(low, place, high);
        let [low, high] = std::mem::transmute::<[i64; 16], [__m512i; 2]>(SCALES_BY_PLACE);
        let scales = _mm512_permutex2var_epi64(low, place, high);
        let [low, high] = std::mem::transmute::<[u64; 16], [__m512i; 2]>(FITS_BY_PLACE);
        let fits = _mm512_permutex2var_epi64(low, place, high);
        let over = u64::from(_mm512_mask_cmpgt_epu64_mask(0x55, mantissas, fits));
        let [low, high] = std::mem::transmute::<[f64; 16], [__m512d; 2]>(INVERSES_BY_PLACE);
        let inverses = _mm512_permutex2var_pd(low, place, high);
        let floats = quotients(_mm512_cvtepu64_pd(mantissas), divisors, inverses);
        let floats = _mm512_mask_mov_pd(_mm512_set1_pd(PRICE_UNSET), is_there, floats);
        let floats = std::mem::transmute::<__m512d, [f64; 8]>(floats);
        let unset = _mm512_set1_epi64(E8_UNSET);
        let scaled = _mm512_mask_mullo_epi64(unset, is_there, mantissas, scales);
        let scaled = std::mem::transmute::<__m512i, [i64; 8]>(scaled);
        let odd = edge | leading | others(closed) | over;
        ([(floats[0], scaled[0]), (floats[2], scaled[2]), (floats[4], scaled[4]), (floats[6], scaled[6])], odd)
    }
}

/// An object in registers.
#[derive(Clone, Copy)]
pub(crate) struct InRegisters {
    /// Its bytes.
    blocks: [__m512i; 4],
    /// The places of the commas and of the brace behind its values, as the first bytes; zeroes behind.
    ends: __m256i,
}

/// The bytes of an object at these places.
///
/// # Safety
///
/// The machine must have what a `V4` stands for.
#[inline(always)]
unsafe fn gather(held: &InRegisters, at: __m512i) -> __m512i {
    let [a, b, c, d] = held.blocks;
    // SAFETY: the caller's promise.
    unsafe {
        let low = _mm512_permutex2var_epi8(a, at, b);
        let high = _mm512_permutex2var_epi8(c, at, d);
        _mm512_mask_blend_epi8(_mm512_movepi8_mask(at), low, high)
    }
}

/// By group: where in 16 bytes the one stands that belongs to each of four lanes.
static SPREAD_BYTES: [[u8; 64]; 4] = {
    let mut spread = [[0; 64]; 4];
    let mut at = 0;
    while at < 4 * 64 {
        spread[at / 64][at % 64] = (at / 16) as u8;
        at += 1;
    }
    spread
};

/// Bytes 0 to 15, less 16, four times.
static TO_END: [u8; 64] = lane_places(0u8.wrapping_sub(16));

/// The numbers of a group.
///
/// # Safety
///
/// The machine must have what a `V4` stands for.
#[inline(always)]
unsafe fn lanes_in<const GROUP: usize>(held: &InRegisters, fields: &Fields) -> Lanes {
    // SAFETY: the caller's promise.
    unsafe {
        let spread = block(SPREAD_BYTES[GROUP]);
        let ends = _mm512_permutexvar_epi8(spread, _mm512_castsi128_si512(fields.number_ends));
        let lens = _mm512_permutexvar_epi8(spread, _mm512_castsi128_si512(fields.number_lens));
        lanes(gather(held, _mm512_add_epi8(ends, block(TO_END))), lens)
    }
}

/// Eight bytes, eight times: by group, to which of the ends each belongs.
static SPREAD_WORDS: [[u8; 64]; 3] = {
    let mut spread = [[0; 64]; 3];
    let mut at = 0;
    while at < 3 * 64 {
        spread[at / 64][at % 64] = (at / 8) as u8;
        at += 1;
    }
    spread
};

/// Where from an end each stands: the one before it, and those behind the comma and the quote that are there.
static IN_WORD: [u8; 64] = {
    let (mut places, mut at) = ([0; 64], 0);
    while at < 64 {
        places[at] = if at % 8 == 0 { u8::MAX } else { (at % 8 + 1) as u8 };
        at += 1;
    }
    places
};

/// The place of the byte before each of 32.
static BEFORE_EACH: [u8; 32] = {
    let (mut before, mut at) = ([0; 32], 0);
    while at < 32 {
        before[at] = (at as u8).wrapping_sub(1) % 32;
        at += 1;
    }
    before
};

/// Which of the bytes around eight of the ends are others than those of a shape, a bit each.
///
/// # Safety
///
/// The machine must have what a `V4` stands for.
#[inline(always)]
unsafe fn other_words<const GROUP: usize>(held: &InRegisters, shape: &Shape) -> u64 {
    // SAFETY: the caller's promise; words and vectors are of one size.
    unsafe {
        let ends = _mm512_castsi256_si512(held.ends);
        let at = _mm512_add_epi8(_mm512_permutexvar_epi8(block(SPREAD_WORDS[GROUP]), ends), block(IN_WORD));
        let words: [[u8; 8]; 8] = shape.words[8 * GROUP..][..8].try_into().unwrap_or_default();
        let words = std::mem::transmute::<[[u8; 8]; 8], __m512i>(words);
        _mm512_mask_cmpneq_epi8_mask(shape.masks[GROUP], gather(held, at), words)
    }
}

/// The places of some bits of a block, as the first bytes, `base` added.
///
/// # Safety
///
/// The machine must have what a `V4` stands for.
#[inline(always)]
unsafe fn compressed(bits: u64, base: u8) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let places =
            _mm512_maskz_compress_epi8(bits, _mm512_add_epi8(block(PLACES), _mm512_set1_epi8(base.cast_signed())));
        _mm512_castsi512_si256(places)
    }
}

/// Where values end in a block of which so many bytes belong to the frame, and where braces close; both up to the first
/// brace.
///
/// # Safety
///
/// The machine must have what a `V4` stands for.
#[inline(always)]
unsafe fn ends_in(now: __m512i, next: __m512i) -> (u64, u64) {
    // SAFETY: the caller's promise.
    unsafe {
        let quotes = _mm512_cmpeq_epi8_mask(next, _mm512_set1_epi8(b'"'.cast_signed()));
        let keys = _mm512_mask_cmpeq_epi8_mask(quotes, now, _mm512_set1_epi8(b','.cast_signed()));
        let braces = _mm512_cmpeq_epi8_mask(now, _mm512_set1_epi8(b'}'.cast_signed()));
        ((keys | braces) & (braces ^ braces.wrapping_sub(1)), braces)
    }
}

/// Four blocks of a frame, and those that begin a byte behind them. What is beyond the frame is zero.
///
/// # Safety
///
/// The machine must have what a `V4` stands for; `IS_INSIDE` only if `rest` has more than `HELD` bytes, `IS_SHORT` only if
/// it has no more than 192.
#[inline(always)]
unsafe fn blocks<const IS_INSIDE: bool, const IS_SHORT: bool>(rest: &[u8]) -> ([__m512i; 4], [__m512i; 4]) {
    let at = |place: usize| rest.as_ptr().wrapping_add(place).cast::<i8>();
    // SAFETY: the caller's promise; what is loaded otherwise is masked to the frame.
    unsafe {
        if IS_INSIDE {
            let load = |place: usize| _mm512_loadu_epi8(at(place));
            return ([load(0), load(64), load(128), load(192)], [load(1), load(65), load(129), load(193)]);
        }
        let len = rest.len().min(HELD - 1) as u32;
        let load = |place: u32| _mm512_maskz_loadu_epi8(first_bits(len.saturating_sub(place)), at(place as usize));
        let [a, b, c] = [load(0), load(64), load(128)];
        let d = if IS_SHORT { _mm512_setzero_si512() } else { load(192) };
        let behind = |now, next| _mm512_permutex2var_epi8(now, block(PLACES_BEHIND), next);
        ([a, b, c, d], [behind(a, b), behind(b, c), behind(c, d), behind(d, _mm512_setzero_si512())])
    }
}

/// Takes an object into registers.
///
/// # Safety
///
/// As of `blocks`.
#[inline(always)]
unsafe fn held<const IS_INSIDE: bool, const IS_SHORT: bool>(rest: &[u8]) -> Option<(InRegisters, Extent)> {
    let start = rest.as_ptr();
    // SAFETY: the caller's promise.
    unsafe {
        let (blocks, [next_a, next_b, next_c, next_d]) = blocks::<IS_INSIDE, IS_SHORT>(rest);
        let [a, b, c, d] = blocks;
        let [(a, braces), (b, more), (c, still_more), (d, last)] =
            [ends_in(a, next_a), ends_in(b, next_b), ends_in(c, next_c), ends_in(d, next_d)];
        let b = if braces == 0 { b } else { 0 };
        let c = if braces | more == 0 { c } else { 0 };
        let d = if braces | more | still_more == 0 { d } else { 0 };
        if braces | more | still_more | last == 0 {
            return None;
        }
        let (of_a, of_b, of_c) = (a.count_ones(), b.count_ones(), c.count_ones());
        let of_two = of_a + of_b;
        let count = of_two + of_c + d.count_ones();
        if count as usize > VALUES {
            return None;
        }
        let ends = _mm256_mask_expand_epi8(compressed(a, 0), u32::MAX << (of_a & 31), compressed(b, 64));
        let behind = _mm256_mask_expand_epi8(compressed(c, 128), u32::MAX << (of_c & 31), compressed(d, 192));
        let ends = _mm256_mask_expand_epi8(ends, u32::MAX << (of_two & 31), behind);
        // The last of the ends is the brace's; without a branch, since the lengths of events are as good as random.
        let len = if d != 0 { 256 - d.leading_zeros() } else { 192 - c.leading_zeros() };
        let len = if c | d != 0 { len } else { 128 - b.leading_zeros() };
        let len = if b | c | d != 0 { len } else { 64 - a.leading_zeros() };
        let (first, second) = (a.trailing_zeros(), (a & a.wrapping_sub(1)).trailing_zeros());
        let extent = if IS_INSIDE || rest.len() >= 64 + size_of::<u32>() {
            let word = |at: usize| start.wrapping_add(at);
            Extent {
                count,
                len,
                first,
                head: word(0).cast::<u64>().read_unaligned(),
                name: word(first.saturating_sub(2) as usize).cast::<u16>().read_unaligned(),
                third: word(second as usize).cast::<u32>().read_unaligned(),
            }
        } else {
            Extent {
                count,
                len,
                first,
                head: u64::from_le_bytes(some(rest, 0)),
                name: u16::from_le_bytes(some(rest, first.saturating_sub(2) as usize)),
                third: u32::from_le_bytes(some(rest, second as usize)),
            }
        };
        Some((InRegisters { blocks, ends }, extent))
    }
}

/// What bytes may not be, or are: above ASCII no byte is anything but odd.
const NO_TICKER: u8 = 0x80;

const POINT: u8 = 0x40;

const NOT_PLAIN: u8 = 0x20;

static CLASSES: [u8; 128] = {
    let (mut classes, mut byte) = ([0; 128], 0);
    while byte < 128 {
        let at = byte as u8;
        let is_usual = at.is_ascii_alphanumeric() || matches!(at, b'-' | b'.' | b'/' | b':' | b'_');
        let is_plain = at >= 0x20 && at != b'"' && at != b'\\';
        classes[byte] = if is_usual { 0 } else { NO_TICKER }
            | if at == b'.' { POINT } else { 0 }
            | if is_plain { 0 } else { NOT_PLAIN };
        byte += 1;
    }
    classes
};

/// Some bytes, and their classes.
///
/// # Safety
///
/// The machine must have what a `V4` stands for.
#[inline(always)]
unsafe fn classed(window: &[u8; 32]) -> (__m512i, __m512i) {
    // SAFETY: the caller's promise; vectors and arrays are of one size.
    unsafe {
        let bytes = _mm512_castsi256_si512(wide(window));
        let [low, high] = std::mem::transmute::<[u8; 128], [__m512i; 2]>(CLASSES);
        (bytes, _mm512_permutex2var_epi8(low, bytes, high))
    }
}

/// Four lanes of three digits: how far before the end of its code each stands, and the end of which code.
static LIST_ENDS: [u8; 16] = [0, 0, 0, 0x80, 1, 1, 1, 0x80, 2, 2, 2, 0x80, 3, 3, 3, 0x80];

static LIST_BACK: [u8; 16] = [3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0, 3, 2, 1, 0];

static LIST_WEIGHTS: [u8; 16] = [100, 10, 1, 0, 100, 10, 1, 0, 100, 10, 1, 0, 100, 10, 1, 0];

/// Bits where a byte is no digit.
///
/// # Safety
///
/// The machine must have what a `V4` stands for.
#[inline(always)]
unsafe fn others(digits: __m512i) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { _mm512_cmpgt_epu8_mask(digits, _mm512_set1_epi8(9)) }
}

/// # Safety
///
/// The machine must have the features.
#[target_feature(
    enable = "avx2,bmi1,bmi2,popcnt,lzcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vbmi,avx512vbmi2"
)]
#[inline(never)]
unsafe fn work_v4<W: Work<V4>>(work: W) -> W::Done {
    let mut line = std::mem::MaybeUninit::<Line>::uninit();
    std::hint::black_box(&mut line);
    work.done(V4(()))
}

impl Level for V4 {
    #[inline(always)]
    fn apart_from_all<W: Work<Self>>(self, work: W) -> W::Done {
        // SAFETY: a `V4` exists only where the machine has all of it.
        unsafe { work_v4(work) }
    }

    #[inline(always)]
    fn is_ascii(self, frame: &[u8]) -> bool {
        let (chunks, rest) = frame.as_chunks::<256>();
        for chunk in chunks {
            let (four, _) = chunk.as_chunks::<64>();
            // SAFETY: a `V4` exists only where the machine has AVX-512 BW.
            let high = unsafe {
                let two = _mm512_or_si512(block(four[0]), block(four[1]));
                _mm512_movepi8_mask(_mm512_or_si512(two, _mm512_or_si512(block(four[2]), block(four[3]))))
            };
            if high != 0 {
                return false;
            }
        }
        rest.is_ascii()
    }

    #[inline(always)]
    fn structure(self, block: &[u8; 64 + AHEAD]) -> Structure {
        self.structure_at(block, 0)
    }

    /// No branch on how much there is: the lengths of frames are as good as random.
    #[inline(always)]
    fn structure_at(self, frame: &[u8], base: usize) -> Structure {
        let len = frame.len().saturating_sub(base).min(64 + AHEAD) as u32;
        let at = frame.as_ptr().wrapping_add(base).cast::<i8>();
        // SAFETY: a `V4` exists only where the machine has AVX-512 BW and BMI2; what is loaded is masked to the frame.
        unsafe {
            let now = _mm512_maskz_loadu_epi8(first_bits(len), at);
            let next = _mm512_maskz_loadu_epi8(first_bits(len.saturating_sub(1)), at.wrapping_add(1));
            let after = _mm512_maskz_loadu_epi8(first_bits(len.saturating_sub(2)), at.wrapping_add(2));
            let quote = _mm512_set1_epi8(b'"'.cast_signed());
            let commas = _mm512_cmpeq_epi8_mask(now, _mm512_set1_epi8(b','.cast_signed()));
            let opens = _mm512_cmpeq_epi8_mask(now, _mm512_set1_epi8(b'{'.cast_signed()));
            let closes = _mm512_cmpeq_epi8_mask(now, _mm512_set1_epi8(b'}'.cast_signed()));
            let keys = _mm512_mask_cmpeq_epi8_mask(commas | opens, next, quote);
            let blanks = _mm512_mask_cmpeq_epi8_mask(commas, next, _mm512_set1_epi8(b' '.cast_signed()));
            let far = _mm512_mask_cmpeq_epi8_mask(blanks, after, quote);
            Structure { marks: keys | far | closes, high: _mm512_movepi8_mask(now) }
        }
    }

    #[inline(always)]
    fn apart(self, word: u64) -> u64 {
        apart(word)
    }

    #[inline(always)]
    fn reaches(self, marks: &[u32; MARKS + 1], base: u32, pattern: &Pattern, outline: &Outline) -> Spans {
        // SAFETY: a `V4` exists only where the machine has all of it; words and vectors are of one size.
        unsafe {
            let places = words(&outline.places);
            let mark = _mm512_permutex2var_epi32(words(marks), places, words(&marks[16..]));
            let next = _mm512_permutex2var_epi32(words(&marks[1..]), places, words(&marks[17..]));
            let base = _mm512_set1_epi32(base.cast_signed());
            let starts = _mm512_add_epi32(_mm512_sub_epi32(mark, base), words(&outline.leads));
            let ends = _mm512_sub_epi32(_mm512_sub_epi32(next, base), words(&pattern.tails));
            let all_lens = _mm512_sub_epi32(ends, starts);
            let before = _mm512_sub_epi32(all_lens, _mm512_set1_epi32(1));
            let most = _mm512_set1_epi32(i32::from(NUMBER));
            let over = _mm512_mask_cmpge_epu32_mask(outline.numbers, before, most);
            let lens = _mm512_maskz_mov_epi32(outline.numbers, all_lens);
            Spans {
                befores: std::mem::transmute::<__m512i, [u32; 16]>(_mm512_sub_epi32(ends, _mm512_set1_epi32(16))),
                all_lens: std::mem::transmute::<__m512i, [u32; 16]>(all_lens),
                lens: std::mem::transmute::<__m512i, [u32; 16]>(lens),
                odd: u64::from(over),
            }
        }
    }

    #[inline(always)]
    fn places(self, bits: u64, base: u32, out: &mut [u32; 64]) {
        let total = bits.count_ones() as usize;
        // SAFETY: a `V4` exists only where the machine has AVX-512 VBMI2; both are 64 plain bytes.
        unsafe {
            let all = std::mem::transmute::<[u8; 64], __m512i>(PLACES);
            let places = _mm512_maskz_compress_epi8(bits, all);
            let base = _mm512_set1_epi32(base.cast_signed());
            let (chunks, _) = out.as_chunks_mut::<16>();
            let first = _mm512_add_epi32(_mm512_cvtepu8_epi32(_mm512_castsi512_si128(places)), base);
            chunks[0] = std::mem::transmute::<__m512i, [u32; 16]>(first);
            if total > 16 {
                let places = std::mem::transmute::<__m512i, [u8; 64]>(places);
                for (chunk, places) in chunks.iter_mut().zip(places.as_chunks::<16>().0).skip(1) {
                    let more = _mm512_add_epi32(_mm512_cvtepu8_epi32(load(places)), base);
                    *chunk = std::mem::transmute::<__m512i, [u32; 16]>(more);
                }
            }
        }
    }

    #[inline(always)]
    fn whole(self, window: &[u8; 16], len: usize) -> Whole {
        BELOW.whole(window, len)
    }

    #[inline(always)]
    fn number(self, window: &[u8; 32]) -> Option<Plain> {
        BELOW.number(window)
    }

    #[inline(always)]
    fn is_ticker(self, window: &[u8; 32], len: usize) -> bool {
        // SAFETY: a `V4` exists only where the machine has all of it.
        unsafe {
            let (bytes, classes) = classed(window);
            let used = first_bits(len as u32 % 32);
            let unusual = _mm512_movepi8_mask(_mm512_or_si512(bytes, classes));
            let points = _mm512_test_epi8_mask(classes, _mm512_set1_epi8(POINT.cast_signed())) & used;
            used != 0 && (unusual & used) | (points & points >> 1) == 0
        }
    }

    #[inline(always)]
    fn plain(self, window: &[u8; 32], len: usize) -> ([u8; 32], u64) {
        // SAFETY: a `V4` exists only where the machine has all of it; both are 32 plain bytes.
        unsafe {
            let (bytes, classes) = classed(window);
            let used = first_bits(len as u32 % 32);
            let special = _mm512_test_epi8_mask(classes, _mm512_set1_epi8(NOT_PLAIN.cast_signed()));
            let odd = (special | _mm512_movepi8_mask(bytes)) & used;
            let bytes = _mm512_castsi512_si256(_mm512_maskz_mov_epi8(used, bytes));
            (std::mem::transmute::<__m256i, [u8; 32]>(bytes), odd)
        }
    }

    #[inline(always)]
    fn wholes(self, window: &[u8; 16], len: usize) -> Option<u32> {
        BELOW.wholes(window, len)
    }

    #[inline(always)]
    fn quote_in(self, window: &[u8; 32]) -> Option<usize> {
        BELOW.quote_in(window)
    }

    #[inline(always)]
    fn quote(self, window: &[u8; 16]) -> Option<usize> {
        BELOW.quote(window)
    }

    #[inline(always)]
    fn integers<const GROUP: usize>(self, window: &Window, spans: &Spans, rules: &Rules) -> ([i64; 4], u64) {
        // SAFETY: a `V4` exists only where the machine has all of it.
        unsafe { integers(lanes_of::<GROUP>(window, spans), rules) }
    }

    #[inline(always)]
    fn decimals<const GROUP: usize>(self, window: &Window, spans: &Spans) -> ([(f64, i64); 4], u64) {
        // SAFETY: a `V4` exists only where the machine has all of it.
        unsafe { decimals(lanes_of::<GROUP>(window, spans)) }
    }

    type Held<'a> = InRegisters;
    type Fields = Fields;

    #[inline(always)]
    fn edges<'a>(self, _: &[u8], to: &'a mut Edges) -> &'a Edges {
        to
    }

    #[inline(always)]
    fn hold<'a>(self, frame: &'a [u8], at: usize, _: &'a Edges) -> Option<(InRegisters, Extent)> {
        let rest = frame.get(at..)?;
        // SAFETY: a `V4` exists only where the machine has all of it; the length was looked at.
        unsafe {
            if rest.len() > HELD {
                held::<true, false>(rest)
            } else if rest.len() > 192 {
                held::<false, false>(rest)
            } else {
                held::<false, true>(rest)
            }
        }
    }

    #[inline(always)]
    fn fields(self, held: InRegisters, shape: &Shape) -> (Fields, u64) {
        // SAFETY: a `V4` exists only where the machine has all of it; vectors and arrays are of one size.
        unsafe {
            // Before the first value there is no end: 0.
            let before = _mm256_maskz_permutexvar_epi8(!1, wide(&BEFORE_EACH), held.ends);
            let starts = _mm256_add_epi8(before, wide(&shape.leads));
            let ends = _mm256_sub_epi8(held.ends, wide(&shape.tails));
            let lens = _mm256_sub_epi8(ends, starts);
            let places = wide(&shape.places);
            let all_lens = _mm256_castsi256_si128(_mm256_permutexvar_epi8(places, lens));
            let number_ends = _mm256_castsi256_si128(_mm256_permutexvar_epi8(places, ends));
            let number_lens = _mm_maskz_mov_epi8(shape.numbers, all_lens);
            let more = _mm_sub_epi8(all_lens, load(&shape.least));
            let beyond = _mm_mask_cmpgt_epu8_mask(shape.has, more, load(&shape.range));
            let mut odd = other_words::<0>(&held, shape) | other_words::<1>(&held, shape);
            if shape.count > 16 {
                odd |= other_words::<2>(&held, shape);
            }
            odd |= u64::from(beyond);
            (Fields { starts, lens, number_ends, number_lens }, odd)
        }
    }

    #[inline(always)]
    fn span(self, fields: &Fields, value: u8) -> (u32, u32) {
        fields.span(value)
    }

    #[inline(always)]
    fn held_decimals<const GROUP: usize>(self, held: InRegisters, fields: &Fields) -> ([(f64, i64); 4], u64) {
        // SAFETY: a `V4` exists only where the machine has all of it.
        unsafe { decimals(lanes_in::<GROUP>(&held, fields)) }
    }

    #[inline(always)]
    fn held_integers<const GROUP: usize>(self, held: InRegisters, fields: &Fields, rules: &Rules) -> ([i64; 4], u64) {
        // SAFETY: a `V4` exists only where the machine has all of it.
        unsafe { integers(lanes_in::<GROUP>(&held, fields), rules) }
    }

    #[inline(always)]
    fn held_codes<const GROUP: usize>(self, held: InRegisters, fields: &Fields) -> ([u16; 4], u64) {
        // SAFETY: a `V4` exists only where the machine has all of it; vectors and arrays are of one size.
        unsafe {
            // A list of more than one code is none.
            let short = _mm_cmple_epu8_mask(fields.number_lens, _mm_set1_epi8(CODE.cast_signed()));
            let number_lens = _mm_maskz_mov_epi8(short, fields.number_lens);
            let Lanes { digits, first, is_there } = lanes_in::<GROUP>(&held, &Fields { number_lens, ..*fields });
            let leading = _mm512_mask_testn_epi8_mask(first & !LAST, digits, digits);
            let twos = _mm512_maddubs_epi16(digits, _mm512_set1_epi16(0x010A));
            // Codes have up to four digits, the last of sixteen.
            let fours = _mm512_bsrli_epi128::<12>(_mm512_madd_epi16(twos, _mm512_set1_epi32(0x0001_0064)));
            let values = _mm512_mask_mov_epi64(_mm512_set1_epi64(i64::from(CODE_UNSET)), is_there, fours);
            let values = std::mem::transmute::<__m128i, [u16; 8]>(_mm512_cvtepi64_epi16(values));
            ([values[0], values[2], values[4], values[6]], leading | others(digits))
        }
    }

    #[inline(always)]
    fn held_list<const FIELD: usize>(self, held: InRegisters, fields: &Fields) -> ([u16; 4], u8, u64) {
        // SAFETY: a `V4` exists only where the machine has all of it; vectors and arrays are of one size.
        unsafe {
            let field = _mm512_set1_epi8(FIELD as i8);
            let end = _mm512_permutexvar_epi8(field, _mm512_castsi128_si512(fields.number_ends));
            let bytes = _mm512_castsi512_si128(gather(&held, _mm512_add_epi8(end, block(TO_END))));
            let len = _mm512_permutexvar_epi8(field, _mm512_castsi128_si512(fields.number_lens));
            let len = _mm512_castsi512_si128(len);
            let places = load(&PLACES);
            let start = _mm_sub_epi8(_mm_set1_epi8(16), len);
            let used = _mm_cmpge_epu8_mask(places, start);
            let commas = _mm_mask_cmpeq_epi8_mask(used, bytes, _mm_set1_epi8(b','.cast_signed()));
            // Behind the last comma the list's end, again and again.
            let ends = _mm_mask_compress_epi8(_mm_set1_epi8(16), commas, places);
            let behind = _mm_add_epi8(_mm_bslli_si128::<1>(ends), _mm_set1_epi8(1));
            let starts = _mm_mask_mov_epi8(behind, 1, start);
            let spread = load(&LIST_ENDS);
            let at = _mm_sub_epi8(_mm_shuffle_epi8(ends, spread), load(&LIST_BACK));
            let starts_of = _mm_shuffle_epi8(starts, spread);
            // The fourth byte of each code is none; its weight is zero.
            let is_digit = _mm_cmpge_epi8_mask(at, starts_of);
            let digits = _mm_maskz_sub_epi8(is_digit, _mm_shuffle_epi8(bytes, at), _mm_set1_epi8(b'0'.cast_signed()));
            let no_digit = _mm_mask_cmpgt_epu8_mask(0x7777, digits, _mm_set1_epi8(9));
            let first = _mm_mask_cmpeq_epi8_mask(0x3333, at, starts_of);
            let leading = _mm_mask_testn_epi8_mask(first, digits, digits);
            // One to three digits; behind the last code there are none.
            let count = commas.count_ones() + u32::from(used != 0);
            let lens = _mm_sub_epi8(_mm_sub_epi8(ends, starts), _mm_set1_epi8(1));
            let beyond = _mm_mask_cmpgt_epu8_mask(first_bits(count) as u16, lens, _mm_set1_epi8(2));
            let twos = _mm_maddubs_epi16(digits, load(&LIST_WEIGHTS));
            let codes = _mm_madd_epi16(twos, _mm_set1_epi16(1));
            let unset = _mm_set1_epi32(i32::from(CODE_UNSET));
            let codes = _mm_mask_mov_epi32(unset, first_bits(count) as u8, codes);
            let codes = std::mem::transmute::<__m128i, [u16; 8]>(_mm_cvtepi32_epi16(codes));
            let odd = no_digit | leading | beyond | u16::from(count > 4);
            ([codes[0], codes[1], codes[2], codes[3]], count as u8, u64::from(odd))
        }
    }

    #[inline(always)]
    fn field_len<const FIELD: usize>(self, fields: &Fields) -> u32 {
        fields.number_len(FIELD).into()
    }
}

/// Quotients, correctly rounded, without a division, of which a machine makes one in the time of a dozen other steps.
/// SOURCE: Markstein's theorem (IBM J. Res. Dev. 34, 1990): if `y` is 1 / d correctly rounded and `q` is one of the two
/// neighbours of n / d, then q + (n - q d) y, with the remainder exact and the rest rounded once, is n / d correctly
/// rounded.
///
/// # Safety
///
/// The machine must have what a `V4` stands for.
#[inline(always)]
unsafe fn quotients(n: __m512d, d: __m512d, y: __m512d) -> __m512d {
    // SAFETY: the caller's promise.
    unsafe {
        // Twice: the product alone may be off by more than one place.
        let q = _mm512_mul_pd(n, y);
        let q = _mm512_fmadd_pd(_mm512_fnmadd_pd(q, d, n), y, q);
        _mm512_fmadd_pd(_mm512_fnmadd_pd(q, d, n), y, q)
    }
}

static INVERSES_BY_PLACE: [f64; 16] = {
    let (mut by, mut place) = (DIVISORS_BY_PLACE, 0);
    while place < 16 {
        by[place] = 1.0 / by[place];
        place += 1;
    }
    by
};

/// A table by decimals becomes one by the place of the point in sixteen bytes, from 1 on, or 0 for none; its last place,
/// which has no decimals either, is that one, too.
macro_rules! by_place {
    ($table:expr) => {{
        let (mut by, mut place) = ($table, 1);
        while place < 16 {
            by[place] = $table[16 - place];
            place += 1;
        }
        by
    }};
}

static DIVISORS_BY_PLACE: [f64; 16] = by_place!(DIVISORS);

static SCALES_BY_PLACE: [i64; 16] = by_place!(SCALES);

static FITS_BY_PLACE: [u64; 16] = by_place!(FITS);

/// The place behind each byte of a block.
static PLACES_BEHIND: [u8; 64] = {
    let (mut places, mut at) = (PLACES, 0);
    while at < 64 {
        places[at] += 1;
        at += 1;
    }
    places
};

/// The place of each byte of a block.
static PLACES: [u8; 64] = {
    let mut places = [0; 64];
    let mut at = 0;
    while at < 64 {
        places[at] = at as u8;
        at += 1;
    }
    places
};

#[cfg(test)]
mod tests {
    use super::super::v4;
    use super::*;

    /// Eight quotients by the way without a division, and by one.
    ///
    /// # Safety
    ///
    /// The machine must have AVX-512 F.
    #[target_feature(enable = "avx512f")]
    unsafe fn both(n: [f64; 8], d: f64) -> ([f64; 8], [f64; 8]) {
        // SAFETY: the caller's promise; vectors and arrays are of one size.
        unsafe {
            let n = std::mem::transmute::<[f64; 8], __m512d>(n);
            let (d, y) = (_mm512_set1_pd(d), _mm512_set1_pd(1.0 / d));
            let (ours, want) = (quotients(n, d, y), _mm512_div_pd(n, d));
            (std::mem::transmute::<__m512d, [f64; 8]>(ours), std::mem::transmute::<__m512d, [f64; 8]>(want))
        }
    }

    #[test]
    fn quotients_are_those_of_a_division() {
        if v4().is_none() {
            return;
        }
        let mut random = 0x9E37_79B9_7F4A_7C15u64;
        let mut mantissa = |digits: u32| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % 10u64.pow(digits)) as f64
        };
        for (decimals, &divisor) in DIVISORS.iter().enumerate() {
            for round in 0..100_000u32 {
                let n = std::array::from_fn(|_| mantissa(1 + round % 15));
                // SAFETY: the machine was asked.
                let (ours, want) = unsafe { both(n, divisor) };
                assert_eq!(ours.map(f64::to_bits), want.map(f64::to_bits), "{n:?} with {decimals} decimals");
            }
        }
    }
}
