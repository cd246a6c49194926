//! Numbers: mantissa and decimal exponent in one pass, eight digits at a time; doubles bit-equal to Python's
//! `float()`, 1e-8 integers rounded once, half to even.

use super::keys::{Tag, Token};
use super::simd::{Level, Plain, Scalar, eight};
use crate::error::{DecodeError, ErrorKind};

/// A number token: `±mantissa × 10^exponent` while it has at most 19 digits, else only its text counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    mantissa: u64,
    start: u32,
    len: u32,
    exponent: i32,
    negative: bool,
    exact: bool,
}

/// Digits that always fit a `u64`.
const DIGITS_MAX: usize = 19;
/// Exponents beyond this are as good as infinite, since no frame has as many digits to bring them back; saturating keeps
/// the arithmetic in `i32`.
const EXPONENT_MAX: i32 = 100_000_000;

/// Powers of ten; the vectored levels take theirs from here.
pub(super) static POW10: [u64; 20] = {
    let mut table = [1; 20];
    let mut i = 1;
    while i < 20 {
        table[i] = table[i - 1] * 10;
        i += 1;
    }
    table
};
/// The same as doubles, all of them exact.
pub(super) static POW10_F64: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// Reads the run of digits at `at` into `mantissa`; gives the offset after it.
#[inline(always)]
fn digits(frame: &[u8], mut at: usize, mantissa: &mut u64) -> usize {
    while let Some(bytes) = frame.get(at..at + 8) {
        let word = u64::from_le_bytes(bytes.try_into().unwrap_or_default()) ^ 0x3030_3030_3030_3030;
        let other = (word.wrapping_add(0x7676_7676_7676_7676) | word) & 0x8080_8080_8080_8080;
        let count = other.trailing_zeros() / 8;
        if count == 0 {
            return at;
        }
        // Shifting the run to the top puts zero digits before it, so one formula serves every length.
        let run = word << (64 - 8 * count);
        *mantissa = mantissa.wrapping_mul(POW10[count as usize]).wrapping_add(eight(run));
        at += count as usize;
        if count < 8 {
            return at;
        }
    }
    while let Some(&byte) = frame.get(at) {
        if !byte.is_ascii_digit() {
            break;
        }
        *mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
        at += 1;
    }
    at
}

/// The number at `at` if it is of the common form and 32 bytes are there to see it.
#[inline(always)]
pub(crate) fn common<L: Level>(level: L, wide: &[u8], at: usize) -> Option<Plain> {
    let window = wide.get(at..)?.first_chunk::<32>()?;
    let plain = level.number(window)?;
    (!matches!(window[plain.len & 31], b'e' | b'E')).then_some(plain)
}

/// Reads any number at `start` into a token; gives the offset after it.
#[inline(never)]
pub(crate) fn scan_any(frame: &[u8], start: usize, token: &mut Token) -> Result<usize, DecodeError> {
    let negative = frame.get(start) == Some(&b'-');
    let first = start + usize::from(negative);
    let mut mantissa = 0;
    let mut at = digits(frame, first, &mut mantissa);
    let mut count = at - first;
    if count != 1 && (count == 0 || frame[first] == b'0') {
        return Err(bad(frame, first + usize::from(count != 0)));
    }
    let mut exponent = 0;
    if frame.get(at) == Some(&b'.') {
        let point = at + 1;
        at = digits(frame, point, &mut mantissa);
        if at == point {
            return Err(bad(frame, at));
        }
        count += at - point;
        exponent = -((at - point) as i32);
    }
    if matches!(frame.get(at), Some(b'e' | b'E')) {
        let (power, end) = power(frame, at + 1)?;
        exponent = exponent.saturating_add(power);
        at = end;
    }
    token.mantissa = mantissa;
    token.start = start as u32;
    token.len = (at - start) as u32;
    token.exponent = exponent;
    token.tag = Tag::Number;
    token.negative = negative;
    token.mark = count <= DIGITS_MAX;
    Ok(at)
}

#[cold]
fn power(frame: &[u8], at: usize) -> Result<(i32, usize), DecodeError> {
    let (sign, first) = match frame.get(at) {
        Some(b'-') => (-1, at + 1),
        Some(b'+') => (1, at + 1),
        _ => (1, at),
    };
    let mut power = 0i32;
    let mut end = first;
    while let Some(byte @ b'0'..=b'9') = frame.get(end) {
        power = (power * 10 + i32::from(byte - b'0')).min(EXPONENT_MAX);
        end += 1;
    }
    if end == first { Err(bad(frame, end)) } else { Ok((sign * power, end)) }
}

#[cold]
fn bad(frame: &[u8], at: usize) -> DecodeError {
    let kind = if at >= frame.len() { ErrorKind::UnexpectedEnd } else { ErrorKind::BadNumber };
    DecodeError { kind, offset: at }
}

impl Number {
    /// The number of a token.
    #[inline(always)]
    pub(crate) fn of(token: &Token) -> Self {
        Self {
            mantissa: token.mantissa,
            start: token.start,
            len: token.len,
            exponent: token.exponent,
            negative: token.negative,
            exact: token.mark,
        }
    }

    /// A number that fills a whole text, such as Binance's `"64990.90"`; nothing else is a decimal string.
    #[inline]
    pub(crate) fn from_text(frame: &[u8], start: u32, len: u32) -> Option<Self> {
        let end = start as usize + len as usize;
        // The scan stops by itself at the closing quote, so it may look at the whole frame.
        let mut token = Token::at(Tag::Number, start);
        let at = if let Some(plain) = common(Scalar, frame, start as usize) {
            token.number(plain, start);
            start as usize + plain.len
        } else {
            scan_any(frame, start as usize, &mut token).ok()?
        };
        (at == end).then(|| Self::of(&token))
    }

    fn text(self, frame: &[u8]) -> &[u8] {
        &frame[self.start as usize..][..self.len as usize]
    }

    /// The nearest double, ties to even; `None` if it is not finite.
    #[inline(always)]
    pub(crate) fn to_f64(self, frame: &[u8]) -> Option<f64> {
        // Both operands exact, one rounding: the classic fast path (Clinger).
        if self.exact && self.mantissa <= 1 << 53 {
            let magnitude = self.mantissa as f64;
            let signed = if self.negative { -magnitude } else { magnitude };
            if (-22..=0).contains(&self.exponent) {
                return Some(signed / POW10_F64[-self.exponent as usize]);
            }
            if (1..=22).contains(&self.exponent) {
                return Some(signed * POW10_F64[self.exponent as usize]);
            }
        }
        self.to_f64_slow(frame)
    }

    #[cold]
    fn to_f64_slow(self, frame: &[u8]) -> Option<f64> {
        let text = std::str::from_utf8(self.text(frame)).ok()?;
        text.parse().ok().filter(|value: &f64| value.is_finite())
    }

    /// The number in 1e-8, rounded half to even; `None` if it does not fit.
    #[inline(always)]
    pub(crate) fn to_e8(self, frame: &[u8]) -> Option<i64> {
        let magnitude = if self.exact && (-8..=0).contains(&self.exponent) {
            self.mantissa.checked_mul(POW10[(8 + self.exponent) as usize])?
        } else {
            self.to_e8_slow(frame)?
        };
        let signed = i64::try_from(magnitude).ok()?;
        Some(if self.negative { -signed } else { signed })
    }

    /// Digit by digit from the text: any length, any exponent.
    #[cold]
    fn to_e8_slow(self, frame: &[u8]) -> Option<u64> {
        let (digits, exponent) = self.decimal(frame);
        // keep digits are whole 1e-8 units, the rest decides the rounding.
        let keep = digits.len() as i64 + i64::from(exponent) + 8;
        if digits.is_empty() || keep < 0 {
            return Some(0);
        }
        if keep > 19 {
            return None;
        }
        let keep = keep as usize;
        let mut value = 0u64;
        for i in 0..keep {
            value = value.checked_mul(10)?.checked_add(u64::from(digits.get(i).copied().unwrap_or(0)))?;
        }
        let rest = digits.get(keep..).unwrap_or_default();
        let up = match rest.split_first() {
            Some((&5, tail)) => tail.iter().any(|&digit| digit != 0) || value % 2 == 1,
            Some((&head, _)) => head > 5,
            None => false,
        };
        value.checked_add(u64::from(up))
    }

    /// Significant digits without leading zeros, and the exponent of the last one.
    fn decimal(self, frame: &[u8]) -> (Vec<u8>, i32) {
        let mut digits = Vec::new();
        for &byte in self.text(frame) {
            match byte {
                b'e' | b'E' => break,
                b'0' if digits.is_empty() => {}
                b'0'..=b'9' => digits.push(byte - b'0'),
                _ => {}
            }
        }
        (digits, self.exponent)
    }

    /// The number as an integer; integral floats such as `12.0` and `1.2e1` count, `None` for the rest.
    #[inline(always)]
    pub(crate) fn to_i64(self, frame: &[u8]) -> Option<i64> {
        if self.exact && self.exponent == 0 {
            return Self::signed(self.mantissa, self.negative);
        }
        self.to_i64_slow(frame)
    }

    #[cold]
    fn to_i64_slow(self, frame: &[u8]) -> Option<i64> {
        let (mut digits, mut exponent) = self.decimal(frame);
        while exponent < 0 && digits.last() == Some(&0) {
            digits.pop();
            exponent += 1;
        }
        if digits.is_empty() {
            return Some(0);
        }
        if exponent < 0 || digits.len() as i64 + i64::from(exponent) > 19 {
            return None;
        }
        let mut value = 0u64;
        for i in 0..digits.len() + exponent as usize {
            value = value.checked_mul(10)?.checked_add(u64::from(digits.get(i).copied().unwrap_or(0)))?;
        }
        Self::signed(value, self.negative)
    }

    /// True for integers of any size, however they are written.
    #[cold]
    pub(crate) fn is_whole(self, frame: &[u8]) -> bool {
        let (digits, exponent) = self.decimal(frame);
        let zeros = digits.iter().rev().take_while(|&&digit| digit == 0).count();
        zeros == digits.len() || zeros as i64 + i64::from(exponent) >= 0
    }

    fn signed(magnitude: u64, negative: bool) -> Option<i64> {
        if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        match Number::from_text(text.as_bytes(), 0, text.len() as u32) {
            Some(number) => number,
            None => panic!("{text}"),
        }
    }

    #[test]
    fn doubles_equal_the_standard_parser() {
        for text in [
            "0",
            "-0",
            "0.1",
            "297.845",
            "64990.90",
            "1e22",
            "1e23",
            "9007199254740993",
            "1.7976931348623157e308",
            "5e-324",
            "2.2250738585072011e-308",
            "123456789012345678901234567890",
            "0.000000000000000000000001",
            "1781622376036",
            "8.5e-7",
            "99999999999999999999.5",
        ] {
            let got = number(text).to_f64(text.as_bytes()).map(f64::to_bits);
            assert_eq!(got, text.parse::<f64>().ok().map(f64::to_bits), "{text}");
        }
        assert_eq!(number("1e999").to_f64(b"1e999"), None);
    }

    #[test]
    fn e8_rounds_half_to_even_once() {
        for (text, want) in [
            ("1", Some(100_000_000)),
            ("0.740474", Some(74_047_400)),
            ("-1.5", Some(-150_000_000)),
            ("0.000000005", Some(0)),
            ("0.000000015", Some(2)),
            ("0.0000000150000000000000000001", Some(2)),
            ("0.0000000050000000000000000001", Some(1)),
            ("92233720368.54775807", Some(i64::MAX)),
            ("92233720368.54775808", None),
            ("1e-20", Some(0)),
            ("1e400", None),
            ("1.5e2", Some(15_000_000_000)),
        ] {
            assert_eq!(number(text).to_e8(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn integers_take_integral_floats() {
        for (text, want) in [
            ("12", Some(12)),
            ("12.0", Some(12)),
            ("1.2e1", Some(12)),
            ("12.5", None),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("1e18", Some(1_000_000_000_000_000_000)),
            ("0.000", Some(0)),
        ] {
            assert_eq!(number(text).to_i64(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn whole_numbers_are_told_at_any_size() {
        for (text, want) in [
            ("12.0", true),
            ("120e-1", true),
            ("0e-9", true),
            ("1e999", true),
            ("1e-400", false),
            ("12345678901234567890.5", false),
            ("12345678901234567890.5e1", true),
        ] {
            assert_eq!(number(text).is_whole(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn a_long_fraction_and_a_large_exponent_cancel() {
        let text = format!("0.{}1e100005", "0".repeat(100_004));
        assert_eq!(number(&text).to_e8(text.as_bytes()), Some(100_000_000));
        assert_eq!(number(&text).to_i64(text.as_bytes()), Some(1));
    }

    #[test]
    fn grammar_is_strict() {
        for text in ["-", "01", "1.", ".5", "1e", "1e+", "-x", "+1", "00"] {
            assert!(Number::from_text(text.as_bytes(), 0, text.len() as u32).is_none(), "{text}");
        }
    }
}
