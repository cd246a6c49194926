//! The one place that knows scales, rounding and null values.
//!
//! Prices are `f64` exactly as Python's `float()` reads the venue's text, and beside them `i64` in units of
//! 1e-8. Sizes likewise. Sums are `i128`: sizes in 1e-8, notional (price × size) in 1e-16, so adding and
//! removing are exact and a rolling sum cannot drift. Only [`ratio`] turns an exact sum into a float, with a
//! single rounding.

use bytemuck::{Pod, Zeroable};

/// Unix time in nanoseconds.
pub type Nanos = i64;

/// Nanoseconds in one second.
pub const SECOND: Nanos = 1_000_000_000;
/// Nanoseconds in one millisecond.
pub const MILLI: Nanos = 1_000_000;

/// An absent price, size or computed value: NaN in float columns, `None` for a single value in Python.
pub const PRICE_UNSET: f64 = f64::NAN;
/// An absent time (also numpy's `NaT`).
pub const TIME_UNSET: Nanos = i64::MIN;
/// An absent venue sequence number or trade id.
pub const ID_UNSET: i64 = i64::MIN;
/// An absent 1e-8 integer.
pub const E8_UNSET: i64 = i64::MIN;
/// An absent small code (exchange, reporting facility, condition).
pub const CODE_UNSET: u16 = u16::MAX;

/// One whole unit in 1e-8 integers.
pub const E8: i64 = 100_000_000;
/// One whole unit in 1e-16 integers.
pub const E16: i128 = 10_000_000_000_000_000;

/// Earliest event time that is believed (2000-01-01T00:00:00Z).
pub const TIME_MIN: Nanos = 946_684_800 * SECOND;
/// First event time that is no longer believed (2100-01-01T00:00:00Z).
pub const TIME_MAX: Nanos = 4_102_444_800 * SECOND;

/// An `i128` stored as two words, so that records keep an 8-byte alignment and can live in ring words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Wide {
    low: u64,
    high: i64,
}

impl Wide {
    /// The stored integer.
    #[inline]
    pub const fn get(self) -> i128 {
        ((self.high as i128) << 64) | self.low as i128
    }

    /// Stores an integer.
    #[inline]
    pub const fn new(value: i128) -> Self {
        Self { low: value as u64, high: (value >> 64) as i64 }
    }
}

impl std::ops::AddAssign<i128> for Wide {
    #[inline]
    fn add_assign(&mut self, rhs: i128) {
        *self = Self::new(self.get() + rhs);
    }
}

/// `numerator / denominator` as the nearest double (ties to even): what Python's `int / int` gives.
///
/// The denominator must be positive. Cost: one float division where both fit 2^53, else one or more 128-bit
/// divisions (40 to 100 ns); call it when a value is read, not for every event.
#[inline]
pub fn ratio(numerator: i128, denominator: i128) -> f64 {
    const EXACT: u128 = 1 << 53;
    debug_assert!(denominator > 0);
    let n = numerator.unsigned_abs();
    let d = denominator.unsigned_abs();
    if n <= EXACT && d <= EXACT {
        return numerator as f64 / denominator as f64;
    }
    let magnitude = ratio_wide(n, d);
    if numerator < 0 { -magnitude } else { magnitude }
}

/// One division of a numerator shifted up until the quotient has at least 56 bits; what remains is folded into a sticky
/// lowest bit, which lies below the rounding bit, so the final conversion rounds correctly.
#[inline(never)]
fn ratio_wide(n: u128, d: u128) -> f64 {
    const ENOUGH: u32 = 56;
    let missing = (ENOUGH + 1 + n.leading_zeros()).saturating_sub(d.leading_zeros());
    if n == 0 || missing > n.leading_zeros() {
        return ratio_long(n, d);
    }
    let shifted = n << missing;
    let quotient = shifted / d;
    // INVARIANT: bits(shifted) − bits(d) is `ENOUGH` + 1 or more, so the quotient has at least `ENOUGH` bits.
    let sticky = u128::from(quotient * d != shifted);
    scaled(quotient | sticky, missing)
}

/// The same where there is no room to shift: digit by digit.
#[cold]
fn ratio_long(n: u128, d: u128) -> f64 {
    const ENOUGH: u32 = 56;
    let mut quotient = n / d;
    let mut rest = n % d;
    let mut shift = 0u32;
    while rest != 0 {
        let have = 128 - quotient.leading_zeros();
        if have >= ENOUGH {
            quotient |= 1;
            break;
        }
        // INVARIANT: rest < d <= 2^127, so at least one bit is gained each time round.
        let step = rest.leading_zeros().min(ENOUGH);
        rest <<= step;
        quotient = (quotient << step) | (rest / d);
        rest %= d;
        shift += step;
    }
    scaled(quotient, shift)
}

/// `quotient / 2^shift`. The value is far from the subnormal range (>= 2^-127), so scaling by a power of two is exact.
#[inline]
fn scaled(quotient: u128, shift: u32) -> f64 {
    quotient as f64 * f64::from_bits(u64::from(1023 - shift.min(1022)) << 52)
}

/// A sum of sizes (1e-8 units) as the nearest double.
#[inline]
pub fn size_to_f64(sum: i128) -> f64 {
    ratio(sum, i128::from(E8))
}

/// A notional sum (1e-16 units) as the nearest double.
#[inline]
pub fn notional_to_f64(sum: i128) -> f64 {
    ratio(sum, E16)
}

/// Volume-weighted price of exact sums, rounded once; `None` where no volume is held.
#[inline]
pub fn vwap_of(notional: i128, volume: i128) -> Option<f64> {
    (volume > 0).then(|| ratio(notional, volume.saturating_mul(i128::from(E8))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratio_is_correctly_rounded() {
        // SOURCE: expected values are Python's int / int.
        assert_eq!(ratio(1, 3), 1.0 / 3.0);
        assert_eq!(ratio(-10_i128.pow(30), 7), -1.428_571_428_571_428_6e29);
        assert_eq!(ratio(10_i128.pow(30) + 1, 10_i128.pow(16)), 1e14);
        assert_eq!(ratio(123_456_789_012_345_678_901_234_567, 10_i128.pow(16)), 12_345_678_901.234_568);
        assert_eq!(ratio(1, 10_i128.pow(30)), 1e-30);
        assert_eq!(ratio((1 << 54) + 1, 1), 18_014_398_509_481_984.0);
        assert_eq!(ratio((1 << 54) + 3, 1), 18_014_398_509_481_988.0);
    }

    #[test]
    fn the_short_division_equals_the_long_one() {
        // A fixed walk through numerators and denominators of every length.
        let mut state = 0x9E37_79B9_7F4A_7C15_u128;
        for round in 0..200_000u32 {
            state =
                state.wrapping_mul(0xDA94_2042_E4DD_58B5_0000_0000_0000_0001 | 0x5851_F42D_4C95_7F2D).wrapping_add(1);
            let n = (state >> 1) >> (round % 127);
            let d = ((state.rotate_left(61) >> 1) >> (round / 127 % 127)).max(1);
            assert_eq!(ratio_wide(n, d).to_bits(), ratio_long(n, d).to_bits(), "{n} / {d}");
        }
    }

    #[test]
    fn wide_keeps_sign() {
        for value in [0, 1, -1, i128::MAX, i128::MIN, 1 << 64, -(1 << 64)] {
            assert_eq!(Wide::new(value).get(), value);
        }
    }
}
