//! The two loops that decide the speed of reading, at the levels a machine offers: finding the end of a short text,
//! and turning a number into digits.
//!
//! Everything else is written once, generic over [`Level`], and compiled once for each level inside a function that
//! enables the level's instructions; that function is chosen when a frame comes in. Both levels must give the same
//! answers: a level may say `None` ("not one of the common forms"), never something else.
//!
//! This is the only module of the crate with `unsafe`: vector instructions need a promise that the machine has them.

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

/// What a machine can do.
pub(crate) trait Level: Copy {
    /// The digits and point at the start of the window, if they are of the common form and end inside the first 16
    /// bytes. Whether an exponent follows is the caller's to see.
    fn number(self, window: &[u8; 32]) -> Option<Plain>;

    /// Length of the plain text at the start of the window, if its closing quote is inside and no escape or control
    /// character comes before.
    fn quote(self, window: &[u8; 16]) -> Option<usize>;
}

/// Nothing but 64-bit words; every machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar;

impl Level for Scalar {
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

static POW10: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

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
use x86::v3;

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "vector instructions need a promise that the machine has them")]
mod x86 {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi8, _mm_cmpeq_epi8, _mm_cmpgt_epi8, _mm_cvtsi128_si64, _mm_madd_epi16, _mm_maddubs_epi16,
        _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_packus_epi32, _mm_set1_epi8, _mm_set1_epi16, _mm_set1_epi32,
        _mm_setr_epi8, _mm_shuffle_epi8, _mm_sub_epi8,
    };

    use ringtape_model::Venue;

    use super::{Level, Plain};
    use crate::error::DecodeError;
    use crate::staging::Staging;

    /// AVX2 and BMI, as x86-64-v3. INVARIANT: made only after the machine was asked.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct V3(());

    /// Decodes a frame with the level's instructions if the machine has them; `None` if it has not.
    #[inline]
    pub(crate) fn decode(venue: Venue, frame: &[u8], out: &mut Staging) -> Option<Result<(), DecodeError>> {
        // SAFETY: the machine was asked for each of the features.
        has_v3().then(|| unsafe { decode_v3(venue, frame, out) })
    }

    /// The level, for tests of its two loops.
    #[cfg(test)]
    pub(crate) fn v3() -> Option<V3> {
        has_v3().then_some(V3(()))
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

    #[inline(always)]
    fn load(window: &[u8]) -> __m128i {
        let bytes: [u8; 16] = window[..16].try_into().unwrap_or_default();
        // SAFETY: both are 16 plain bytes.
        unsafe { std::mem::transmute(bytes) }
    }

    impl Level for V3 {
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
                let twos = _mm_maddubs_epi16(packed, _mm_set1_epi16(0x010A));
                let fours = _mm_madd_epi16(twos, _mm_set1_epi32(0x0001_0064));
                let eights = _mm_madd_epi16(_mm_packus_epi32(fours, fours), _mm_set1_epi32(0x0001_2710));
                let both = _mm_cvtsi128_si64(eights).cast_unsigned();
                let mantissa = (both & 0xFFFF_FFFF) * 100_000_000 + (both >> 32);
                Some(Plain { mantissa, len, decimals: if has_point { len - whole - 1 } else { 0 } })
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
