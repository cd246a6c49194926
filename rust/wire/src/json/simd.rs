//! The loops that decide the speed of reading, at the levels a machine offers: marking bytes, finding the end of a short
//! text, and turning digits into a number.
//!
//! Everything else is written once, generic over [`Level`], and compiled once for each level inside a function that
//! enables the level's instructions; that function is chosen when a frame comes in. All levels must give the same
//! answers: a level may say `None` ("not one of the common forms"), never something else.
//!
//! This is the only module of the crate with `unsafe`: vector instructions need a promise that the machine has them.

use super::number::{POW10, POW10_F64};

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

/// A number by its end: the 16 bytes up to there, and its length.
pub(crate) type End<'a> = (&'a [u8; 16], usize);

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

/// Which bytes of a block are quotes, commas and closing braces, a bit each, the first byte in the lowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) quotes: u64,
    pub(crate) commas: u64,
    pub(crate) braces: u64,
}

/// What a machine can do.
pub(crate) trait Level: Copy {
    /// Four numbers on their way to be read.
    type Four: Copy;

    /// Takes four numbers by their ends. Apart from reading them, so that many ends need not be kept.
    fn gather(self, ends: [End; 4]) -> Self::Four;

    /// The bytes of a block that structure is made of.
    fn marks(self, block: &[u8; 64]) -> Marks;

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

    /// The number that fills the last `len` bytes of the window, or that it is not of the common form or has more than
    /// 15 bytes. Not an `Option`, so that nothing has to branch on it.
    fn whole(self, window: &[u8; 16], len: usize) -> Whole;

    /// Four whole numbers without a point, each as in [`Level::whole`]; and bits that are zero if all of them are sound.
    fn integers(self, four: Self::Four) -> ([u64; 4], u64);

    /// Four numbers, each as in [`Level::whole`], in both forms; and bits that are zero if all of them are sound.
    fn decimals(self, four: Self::Four) -> ([(f64, i64); 4], u64);

    /// The digits and point at the start of the window, if they are of the common form and end inside the first 16
    /// bytes. Whether an exponent follows is the caller's to see.
    fn number(self, window: &[u8; 32]) -> Option<Plain>;

    /// Length of the plain text at the start of the window, if its closing quote is inside and no escape or control
    /// character comes before.
    fn quote(self, window: &[u8; 16]) -> Option<usize>;
}

/// Four numbers read one by one.
macro_rules! one_by_one {
    () => {
        type Four = [Whole; 4];

        #[inline(always)]
        fn gather(self, [a, b, c, d]: [End; 4]) -> [Whole; 4] {
            [self.whole(a.0, a.1), self.whole(b.0, b.1), self.whole(c.0, c.1), self.whole(d.0, d.1)]
        }

        #[inline(always)]
        fn integers(self, four: [Whole; 4]) -> ([u64; 4], u64) {
            let odd = four.iter().fold(0, |odd, one| odd | u64::from(one.odd) | one.read.decimals as u64);
            (four.map(|one| one.read.mantissa), odd)
        }

        #[inline(always)]
        fn decimals(self, four: [Whole; 4]) -> ([(f64, i64); 4], u64) {
            let mut odd = four.iter().fold(0, |odd, one| odd | u64::from(one.odd));
            (four.map(|one| one.read.both(&mut odd)), odd)
        }
    };
}

/// Nothing but 64-bit words; every machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar;

impl Level for Scalar {
    one_by_one!();

    #[inline(always)]
    fn marks(self, block: &[u8; 64]) -> Marks {
        let mut marks = Marks::default();
        for (at, &byte) in block.iter().enumerate() {
            marks.quotes |= u64::from(byte == b'"') << at;
            marks.commas |= u64::from(byte == b',') << at;
            marks.braces |= u64::from(byte == b'}') << at;
        }
        marks
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

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::decode;
#[cfg(all(test, target_arch = "x86_64"))]
pub(crate) use x86::{v3, v4};

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "vector instructions need a promise that the machine has them")]
mod x86 {
    #[allow(clippy::wildcard_imports, reason = "half a hundred names of one kind")]
    use std::arch::x86_64::*;

    use ringtape_model::Venue;

    use super::{DIVISORS, End, FITS, Level, Marks, Plain, SCALES, Whole};
    use crate::error::DecodeError;
    use crate::staging::Staging;

    /// AVX2 and BMI, as x86-64-v3. INVARIANT: made only after the machine was asked.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct V3(());

    /// AVX-512 as since 2019 (Ice Lake, Zen 4), and what `V3` has. INVARIANT: made only after the machine was asked.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct V4(());

    /// Decodes a frame with the best instructions that the machine has; `None` if it has none of these.
    #[inline]
    pub(crate) fn decode(venue: Venue, frame: &[u8], out: &mut Staging) -> Option<Result<(), DecodeError>> {
        if has_v4() {
            // SAFETY: the machine was asked for each of the features.
            return Some(unsafe { decode_v4(venue, frame, out) });
        }
        // SAFETY: the machine was asked for each of the features.
        has_v3().then(|| unsafe { decode_v3(venue, frame, out) })
    }

    /// The level, for tests of its two loops.
    #[cfg(test)]
    pub(crate) fn v3() -> Option<V3> {
        has_v3().then_some(V3(()))
    }

    /// The level, for tests of its loops.
    #[cfg(test)]
    pub(crate) fn v4() -> Option<V4> {
        has_v4().then_some(V4(()))
    }

    #[inline]
    fn has_v4() -> bool {
        has_v3()
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512cd")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vbmi2")
    }

    #[inline]
    fn has_v3() -> bool {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("lzcnt")
    }

    /// The whole decoder, compiled once more with these instructions: whatever it inlines may use them.
    ///
    /// # Safety
    ///
    /// The machine must have the features.
    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt")]
    unsafe fn decode_v3(venue: Venue, frame: &[u8], out: &mut Staging) -> Result<(), DecodeError> {
        crate::decode_at(V3(()), venue, frame, out)
    }

    /// The same with these.
    ///
    /// # Safety
    ///
    /// The machine must have the features.
    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vbmi2")]
    unsafe fn decode_v4(venue: Venue, frame: &[u8], out: &mut Staging) -> Result<(), DecodeError> {
        crate::decode_at(V4(()), venue, frame, out)
    }

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

    #[inline(always)]
    fn load(window: &[u8]) -> __m128i {
        let bytes: [u8; 16] = window[..16].try_into().unwrap_or_default();
        // SAFETY: both are 16 plain bytes.
        unsafe { std::mem::transmute(bytes) }
    }

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
            u64::from(_mm256_movemask_epi8(same).cast_unsigned())
        }
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

    /// Four numbers at the ends of four lanes.
    #[derive(Clone, Copy)]
    pub(crate) struct Gathered {
        bytes: __m512i,
        /// Which bytes are of the number, a bit each.
        kept: u64,
        /// Not zero where a length does not fit.
        odd: u64,
    }

    /// The same, looked at.
    #[derive(Clone, Copy)]
    struct Lanes {
        /// The bytes less `0`, and zero where no digit of the number is.
        digits: __m512i,
        /// Where the points are, a bit for each byte.
        points: u64,
        /// Not zero where a number is not of the common form.
        odd: u64,
    }

    /// Four integers in the highest bytes of four lanes become the four words of a vector.
    ///
    /// # Safety
    ///
    /// The machine must have what a `V4` stands for.
    #[inline(always)]
    unsafe fn mantissas(digits: __m512i) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe {
            let twos = _mm512_maddubs_epi16(digits, _mm512_set1_epi16(0x010A));
            let fours = _mm512_madd_epi16(twos, _mm512_set1_epi32(0x0001_0064));
            let eights = _mm512_madd_epi16(_mm512_packus_epi32(fours, fours), _mm512_set1_epi32(0x0001_2710));
            let firsts = _mm512_setr_epi64(0, 2, 4, 6, 0, 0, 0, 0);
            let both = _mm512_castsi512_si256(_mm512_permutexvar_epi64(firsts, eights));
            let high = _mm256_mul_epu32(both, _mm256_set1_epi64x(100_000_000));
            _mm256_add_epi64(high, _mm256_srli_epi64::<32>(both))
        }
    }

    /// # Safety
    ///
    /// The machine must have what a `V4` stands for.
    #[inline(always)]
    unsafe fn gather([a, b, c, d]: [End; 4]) -> Gathered {
        let keep = |len: usize| u64::from((0xFFFF_0000u32 >> (len & 31)) as u16);
        let kept = keep(a.1) | keep(b.1) << 16 | keep(c.1) << 32 | keep(d.1) << 48;
        let lens = a.1.wrapping_sub(1) | b.1.wrapping_sub(1) | c.1.wrapping_sub(1) | d.1.wrapping_sub(1);
        // SAFETY: the caller's promise.
        unsafe {
            let bytes = _mm512_castsi128_si512(load(a.0));
            let bytes = _mm512_inserti32x4::<1>(bytes, load(b.0));
            let bytes = _mm512_inserti32x4::<2>(bytes, load(c.0));
            let bytes = _mm512_inserti32x4::<3>(bytes, load(d.0));
            Gathered { bytes, kept, odd: (lens & !15) as u64 }
        }
    }

    /// # Safety
    ///
    /// The machine must have what a `V4` stands for.
    #[inline(always)]
    unsafe fn lanes(Gathered { bytes, kept, odd }: Gathered) -> Lanes {
        const ONES: u64 = 0x0001_0001_0001_0001;
        // SAFETY: the caller's promise.
        unsafe {
            let digits = _mm512_sub_epi8(bytes, _mm512_set1_epi8(b'0'.cast_signed()));
            let is_digit = _mm512_cmplt_epu8_mask(digits, _mm512_set1_epi8(10));
            let points = kept & _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(b'.'.cast_signed()));
            let zeroes = _mm512_testn_epi8_mask(digits, digits);
            // The first byte of each; all 16 may be kept, so the next lane's first is no neighbour of this one's last.
            let first = kept & !((kept << 1) & !ONES);
            // Anything but digits and points; none before or behind a point; a leading zero with a digit behind it.
            let odd = odd
                | (kept & !is_digit & !points)
                | (points & (first | ONES << 15))
                | (zeroes & first & !(points >> 1) & !(ONES << 15));
            Lanes { digits: _mm512_maskz_mov_epi8(kept & is_digit, digits), points, odd }
        }
    }

    impl Level for V4 {
        type Four = Gathered;

        #[inline(always)]
        fn gather(self, ends: [End; 4]) -> Gathered {
            // SAFETY: a `V4` exists only where the machine has all of it.
            unsafe { gather(ends) }
        }

        #[inline(always)]
        fn marks(self, block: &[u8; 64]) -> Marks {
            // SAFETY: a `V4` exists only where the machine has AVX-512 BW; both are 64 plain bytes.
            unsafe {
                let bytes = std::mem::transmute::<[u8; 64], __m512i>(*block);
                Marks {
                    quotes: _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(b'"'.cast_signed())),
                    commas: _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(b','.cast_signed())),
                    braces: _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(b'}'.cast_signed())),
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
            V3(()).whole(window, len)
        }

        #[inline(always)]
        fn number(self, window: &[u8; 32]) -> Option<Plain> {
            V3(()).number(window)
        }

        #[inline(always)]
        fn quote(self, window: &[u8; 16]) -> Option<usize> {
            V3(()).quote(window)
        }

        #[inline(always)]
        fn integers(self, four: Gathered) -> ([u64; 4], u64) {
            // SAFETY: a `V4` exists only where the machine has all of it; both are four words.
            unsafe {
                let lanes = lanes(four);
                (std::mem::transmute::<__m256i, [u64; 4]>(mantissas(lanes.digits)), lanes.odd | lanes.points)
            }
        }

        #[inline(always)]
        fn decimals(self, four: Gathered) -> ([(f64, i64); 4], u64) {
            // SAFETY: a `V4` exists only where the machine has all of it; vectors and arrays are of one size.
            unsafe {
                let lanes = lanes(four);
                // Of each lane the point p as a bit: p & (p - 1) tells of a second one, p | (p - 1) is all up to it.
                let points = _mm_cvtsi64_si128(lanes.points.cast_signed());
                let below = _mm_subs_epu16(points, _mm_set1_epi16(1));
                let second = _mm_cvtsi128_si64(_mm_and_si128(points, below)).cast_unsigned();
                let until = _mm_cvtsi128_si64(_mm_or_si128(points, below)).cast_unsigned();
                // The digits before the point move up by one to close it.
                let digits = _mm512_mask_mov_epi8(lanes.digits, until, _mm512_bslli_epi128::<1>(lanes.digits));
                let mantissas = mantissas(digits);
                // Bytes behind the point: 15 less its place. Without a point it is 16, and 0 to the look-ups.
                let lead = _mm256_lzcnt_epi64(_mm256_cvtepu16_epi64(points));
                let decimals = _mm256_sub_epi64(lead, _mm256_set1_epi64x(48));
                let decimals = _mm512_castsi256_si512(decimals);
                let [low, high] = std::mem::transmute::<[f64; 16], [__m512d; 2]>(DIVISORS);
                let divisors = _mm512_castpd512_pd256(_mm512_permutex2var_pd(low, decimals, high));
                let [low, high] = std::mem::transmute::<[i64; 16], [__m512i; 2]>(SCALES);
                let scales = _mm512_castsi512_si256(_mm512_permutex2var_epi64(low, decimals, high));
                let [low, high] = std::mem::transmute::<[u64; 16], [__m512i; 2]>(FITS);
                let fits = _mm512_castsi512_si256(_mm512_permutex2var_epi64(low, decimals, high));
                let over = u64::from(_mm256_cmpgt_epu64_mask(mantissas, fits));
                let floats = _mm256_div_pd(_mm256_cvtepu64_pd(mantissas), divisors);
                let floats = std::mem::transmute::<__m256d, [f64; 4]>(floats);
                let scaled = std::mem::transmute::<__m256i, [i64; 4]>(_mm256_mullo_epi64(mantissas, scales));
                (std::array::from_fn(|at| (floats[at], scaled[at])), lanes.odd | second | over)
            }
        }
    }

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

    impl Level for V3 {
        one_by_one!();

        #[inline(always)]
        fn marks(self, block: &[u8; 64]) -> Marks {
            Marks { quotes: same(block, b'"'), commas: same(block, b','), braces: same(block, b'}') }
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
            texts in prop::array::uniform4(prop_oneof!["[1-9][0-9]{0,15}", "0", "[0-9]{1,6}\\.[0-9]{1,9}", "[0-9.x]{0,17}"]),
            before in "[0-9.,:\"]{16}",
        ) {
            let all = texts.clone().map(|text| format!("{before}{text}"));
            let ends: [End; 4] = std::array::from_fn(|at| (all[at].as_bytes().last_chunk().unwrap_or(&[0; 16]), texts[at].len()));
            let (integers, integers_odd) = Scalar.integers(Scalar.gather(ends));
            let (decimals, decimals_odd) = Scalar.decimals(Scalar.gather(ends));
            for (at, text) in texts.iter().enumerate().filter(|_| decimals_odd == 0) {
                prop_assert_eq!(text.parse::<f64>().ok().map(f64::to_bits), Some(decimals[at].0.to_bits()), "{}", text);
            }
            #[cfg(target_arch = "x86_64")]
            if let Some(level) = v4() {
                // A level may decline less than another, by a digit, and what it does not decline is right.
                let (values, odd) = level.integers(level.gather(ends));
                prop_assert!(odd == 0 || integers_odd != 0, "{:?}", texts);
                if odd == 0 {
                    prop_assert_eq!(values.map(|value| value.to_string()), texts.clone());
                }
                let (values, odd) = level.decimals(level.gather(ends));
                prop_assert!(odd == 0 || decimals_odd != 0, "{:?}", texts);
                if odd == 0 {
                    prop_assert_eq!(values.map(|value| Some(value.0)), texts.each_ref().map(|text| text.parse().ok()));
                }
                if decimals_odd == 0 {
                    prop_assert_eq!(values, decimals);
                }
                prop_assert!(integers_odd != 0 || level.integers(level.gather(ends)).0 == integers);
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
        fn marks_agree_at_every_level(bytes in prop::collection::vec(prop::sample::select(b"\",}{a\xFF\x00".to_vec()), 64)) {
            let mut block = [0; 64];
            block.copy_from_slice(&bytes);
            let marks = Scalar.marks(&block);
            for (at, &byte) in block.iter().enumerate() {
                prop_assert_eq!(marks.quotes >> at & 1 == 1, byte == b'"');
                prop_assert_eq!(marks.commas >> at & 1 == 1, byte == b',');
                prop_assert_eq!(marks.braces >> at & 1 == 1, byte == b'}');
            }
            #[cfg(target_arch = "x86_64")]
            {
                prop_assert_eq!(v3().map_or(marks, |level| level.marks(&block)), marks);
                prop_assert_eq!(v4().map_or(marks, |level| level.marks(&block)), marks);
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
