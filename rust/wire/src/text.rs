//! Numbers and strings as JSON text: what both venues' encoders append to a byte vector.
//!
//! Nothing here allocates but the vector itself. Decimals come from 1e-8 integers where there is one, so no
//! digit passes through a float.

use std::io::Write as _;

use ringtape_model::units::{E8, E8_UNSET, ID_UNSET, MILLI, Nanos, TIME_UNSET, ratio};

/// `00` to `99`, two bytes each.
const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

/// Largest 1e-8 integer whose decimal text is also the shortest that reads back as its nearest double: up to
/// 15 significant digits every decimal has a double of its own.
const SHORTEST_MAX: u64 = 1_000_000_000_000_000;

#[inline]
fn pair(value: u64) -> [u8; 2] {
    let at = value as usize * 2;
    [PAIRS[at], PAIRS[at + 1]]
}

/// Appends an unsigned integer.
#[inline]
pub(crate) fn unsigned(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    while value >= 100 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&pair(value % 100));
        value /= 100;
    }
    if value >= 10 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&pair(value));
    } else {
        at -= 1;
        digits[at] = b'0' + value as u8;
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends an integer.
#[inline]
pub(crate) fn integer(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    unsigned(out, value.unsigned_abs());
}

/// Appends `key` and an integer; nothing where the integer is unset.
pub(crate) fn keyed_integer(out: &mut Vec<u8>, key: &[u8], value: i64) {
    if value != ID_UNSET {
        out.extend_from_slice(key);
        integer(out, value);
    }
}

/// Appends `key` and a time in ms; nothing where the time is unset.
pub(crate) fn keyed_time(out: &mut Vec<u8>, key: &[u8], value: Nanos) {
    if value != TIME_UNSET {
        out.extend_from_slice(key);
        integer(out, value / MILLI);
    }
}

/// Appends a 1e-8 integer as a decimal with at least `places` decimals (0 to 8) and no trailing zero beyond them.
#[inline]
pub(crate) fn fixed(out: &mut Vec<u8>, value_e8: i64, places: usize) {
    if value_e8 < 0 {
        out.push(b'-');
    }
    let magnitude = value_e8.unsigned_abs();
    unsigned(out, magnitude / E8 as u64);
    let rest = magnitude % E8 as u64;
    if rest == 0 && places == 0 {
        return;
    }
    let mut digits = [0u8; 8];
    for (i, slot) in digits.chunks_exact_mut(2).enumerate() {
        slot.copy_from_slice(&pair(rest / [1_000_000, 10_000, 100, 1][i] % 100));
    }
    let used = digits.iter().rposition(|&digit| digit != b'0').map_or(0, |last| last + 1);
    out.push(b'.');
    out.extend_from_slice(&digits[..used.max(places)]);
}

/// Appends the shortest decimal that reads back as `value`, whole numbers without `.0` (as Go prints them).
///
/// `value` must be finite: JSON has no NaN. Cost: about 15 ns for prices, 100 ns where the general printer is
/// needed.
#[inline]
pub(crate) fn number(out: &mut Vec<u8>, value: f64) {
    debug_assert!(value.is_finite());
    let scaled = value * E8 as f64;
    if scaled.abs() < SHORTEST_MAX as f64 {
        let nearest = (scaled + 0.5_f64.copysign(scaled)) as i64;
        if nearest as f64 / E8 as f64 == value {
            return fixed(out, nearest, 0);
        }
    }
    // INVARIANT: writing to a vector cannot fail.
    let _ = write!(out, "{value}");
}

/// Appends a value that is known as a double and as a 1e-8 integer: the exact decimal where both are the same
/// number, else the shortest text of the double (more than eight decimals, or too large for the integer).
#[inline]
pub(crate) fn decimal(out: &mut Vec<u8>, value: f64, value_e8: i64) {
    if value_e8 != E8_UNSET && nearest(value_e8) == value {
        fixed(out, value_e8, 0);
    } else {
        number(out, value);
    }
}

#[inline]
fn nearest(value_e8: i64) -> f64 {
    if value_e8.unsigned_abs() < 1 << 53 {
        value_e8 as f64 / E8 as f64
    } else {
        ratio(i128::from(value_e8), i128::from(E8))
    }
}

/// Appends a quoted JSON string; quotes, backslashes and control bytes are escaped.
#[inline]
pub(crate) fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    if text.iter().any(|&byte| needs_escape(byte)) {
        escaped(out, text);
    } else {
        out.extend_from_slice(text);
    }
    out.push(b'"');
}

#[inline]
fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

#[cold]
fn escaped(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..0x20 => {
                // INVARIANT: writing to a vector cannot fail.
                let _ = write!(out, "\\u{byte:04x}");
            }
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("encoders write UTF-8")
    }

    #[test]
    fn integers() {
        for value in [0, 7, 10, 99, 100, 12_345, -1, i64::MAX, i64::MIN] {
            assert_eq!(text(|out| integer(out, value)), value.to_string());
        }
    }

    #[test]
    fn decimals_from_integers() {
        assert_eq!(text(|out| fixed(out, 4_000_000_000, 0)), "40");
        assert_eq!(text(|out| fixed(out, 4_000_000_000, 1)), "40.0");
        assert_eq!(text(|out| fixed(out, 730_000, 6)), "0.007300");
        assert_eq!(text(|out| fixed(out, 1, 6)), "0.00000001");
        assert_eq!(text(|out| fixed(out, -150_000_000, 0)), "-1.5");
        assert_eq!(text(|out| fixed(out, i64::MAX, 0)), "92233720368.54775807");
    }

    #[test]
    fn numbers_are_the_shortest_that_read_back() {
        for value in [0.0, 100.0, 297.845, 0.4372, 1.0 / 3.0, 1e15 / 3.0, 1e-9, 4e22, -0.000_001_89, 0.1 + 0.2] {
            let written = text(|out| number(out, value));
            assert_eq!(written.parse::<f64>().ok(), Some(value), "{written}");
            assert_eq!(written, value.to_string());
        }
    }

    #[test]
    fn a_decimal_keeps_digits_that_a_double_has_not() {
        let e8 = 1_234_567_890_123_456_789;
        let value: f64 = "12345678901.23456789".parse().expect("a number");
        assert_eq!(text(|out| decimal(out, value, e8)), "12345678901.23456789");
        assert_eq!(text(|out| decimal(out, 1.0 / 3.0, 33_333_333)), "0.3333333333333333");
        assert_eq!(text(|out| decimal(out, 1e300, E8_UNSET)).parse::<f64>().ok(), Some(1e300));
    }

    #[test]
    fn strings_are_escaped() {
        assert_eq!(text(|out| string(out, b"BRK.B")), "\"BRK.B\"");
        assert_eq!(text(|out| string(out, b"a\"b\\c\n")), r#""a\"b\\c\u000a""#);
    }
}
