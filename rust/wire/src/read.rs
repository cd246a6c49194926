//! From slots to typed fields: what a key needs, and the skip that says which key failed and why.

use ringtape_model::units::{CODE_UNSET, E8_UNSET, ID_UNSET, Nanos, PRICE_UNSET, TIME_MAX, TIME_MIN, TIME_UNSET};

use crate::error::SkipReason;
use crate::json::{Number, Scanner, Slots, Tag, Text, Token, Value};

/// A failed field: the reason and where its value stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) reason: SkipReason,
    pub(crate) slot: u8,
}

pub(crate) type Read<T> = Result<T, Fault>;

/// A price or size in both forms.
#[derive(Clone, Copy)]
pub(crate) struct Decimal {
    pub(crate) float: f64,
    pub(crate) e8: i64,
}

impl Decimal {
    pub(crate) const UNSET: Self = Self { float: PRICE_UNSET, e8: E8_UNSET };
}

/// Reader over the slots of one object.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    pub(crate) frame: &'a [u8],
    pub(crate) slots: &'a Slots,
}

impl Fields<'_> {
    #[cold]
    pub(crate) fn fault<T>(reason: SkipReason, slot: u8) -> Read<T> {
        Err(Fault { reason, slot })
    }

    /// The symbol; its characters are checked here, once.
    #[inline(always)]
    pub(crate) fn symbol(self, slot: u8) -> Read<Text> {
        match self.slots.get(slot) {
            Some(Value::Text(text)) => {
                if is_symbol(self.frame, text) {
                    Ok(text)
                } else {
                    Self::fault(SkipReason::BadSymbol, slot)
                }
            }
            Some(_) => Self::fault(SkipReason::WrongType, slot),
            None => Self::fault(SkipReason::MissingKey, slot),
        }
    }

    #[inline(always)]
    pub(crate) fn number(self, slot: u8) -> Read<Option<Number>> {
        if let Some(number) = self.slots.number(slot) {
            return Ok(Some(number));
        }
        self.no_number(slot)
    }

    #[inline(never)]
    fn no_number(self, slot: u8) -> Read<Option<Number>> {
        match self.slots.get(slot) {
            Some(Value::Number(number)) => Ok(Some(number)),
            None => Ok(None),
            Some(_) => Self::fault(SkipReason::WrongType, slot),
        }
    }

    /// A JSON number as a decimal.
    #[inline(always)]
    pub(crate) fn decimal(self, slot: u8) -> Read<Decimal> {
        match self.number(slot)? {
            Some(number) => to_decimal(self.frame, number, slot),
            None => Ok(Decimal::UNSET),
        }
    }

    /// A JSON number as a double.
    #[inline(always)]
    pub(crate) fn float(self, slot: u8) -> Read<f64> {
        match self.number(slot)? {
            Some(number) => number.to_f64(self.frame).ok_or(Fault { reason: SkipReason::OutOfRange, slot }),
            None => Ok(PRICE_UNSET),
        }
    }

    /// A decimal written as a string (Massive `ds`, Binance prices).
    #[inline(always)]
    pub(crate) fn decimal_text(self, slot: u8) -> Read<Decimal> {
        self.number_text(slot, |text, number| to_decimal(text, number, slot))
    }

    /// A sum written as a string, which may be too large for the exact form; then only the double is set.
    #[inline]
    pub(crate) fn sum_text(self, slot: u8) -> Read<Decimal> {
        self.number_text(slot, |text, number| match number.to_f64(text) {
            Some(float) => Ok(Decimal { float, e8: number.to_e8(text).unwrap_or(E8_UNSET) }),
            None => Self::fault(SkipReason::OutOfRange, slot),
        })
    }

    #[inline]
    fn number_text(self, slot: u8, read: impl FnOnce(&[u8], Number) -> Read<Decimal>) -> Read<Decimal> {
        match self.slots.get(slot) {
            Some(Value::Text(text)) if !text.escaped => match Number::from_text(self.frame, text.start, text.len) {
                Some(number) => read(self.frame, number),
                None => Self::fault(SkipReason::WrongType, slot),
            },
            Some(Value::Text(text)) => {
                let mut plain = Vec::new();
                let plain = text.decode(self.frame, &mut plain);
                match Number::from_text(plain, 0, plain.len() as u32) {
                    Some(number) => read(plain, number),
                    None => Self::fault(SkipReason::WrongType, slot),
                }
            }
            Some(_) => Self::fault(SkipReason::WrongType, slot),
            None => Ok(Decimal::UNSET),
        }
    }

    /// The same where the venue writes an empty string for "no value".
    #[inline]
    pub(crate) fn float_text_or_empty(self, slot: u8) -> Read<f64> {
        match self.slots.get(slot) {
            Some(Value::Text(Text { len: 0, .. })) => Ok(PRICE_UNSET),
            _ => Ok(self.decimal_text(slot)?.float),
        }
    }

    /// An integer; `ID_UNSET` where the key is missing.
    #[inline(always)]
    pub(crate) fn integer(self, slot: u8) -> Read<i64> {
        match self.number(slot)? {
            Some(number) => match number.to_i64(self.frame) {
                Some(value) if value != ID_UNSET => Ok(value),
                _ => Self::fault(integer_fault(self.frame, number), slot),
            },
            None => Ok(ID_UNSET),
        }
    }

    /// A small code; `CODE_UNSET` where the key is missing.
    #[inline(always)]
    pub(crate) fn code(self, slot: u8) -> Read<u16> {
        match self.integer(slot)? {
            ID_UNSET => Ok(CODE_UNSET),
            value => to_code(value).ok_or(Fault { reason: SkipReason::OutOfRange, slot }),
        }
    }

    /// A tape of one digit (1 to 3 today); 0 where the key is missing.
    #[inline(always)]
    pub(crate) fn tape(self, slot: u8) -> Read<u8> {
        match self.integer(slot)? {
            ID_UNSET => Ok(0),
            value @ 0..=9 => Ok(value as u8),
            _ => Self::fault(SkipReason::OutOfRange, slot),
        }
    }

    /// A time in s, ms, µs or ns by its magnitude (the ranges of 2000 to 2100 do not overlap), as Unix ns;
    /// `TIME_UNSET` where the key is missing.
    #[inline(always)]
    pub(crate) fn time(self, slot: u8) -> Read<Nanos> {
        match self.integer(slot)? {
            ID_UNSET => Ok(TIME_UNSET),
            value => to_nanos(value).ok_or(Fault { reason: SkipReason::OutOfRange, slot }),
        }
    }

    /// The same for a key that the event cannot do without.
    #[inline(always)]
    pub(crate) fn required_time(self, slot: u8) -> Read<Nanos> {
        match self.time(slot)? {
            TIME_UNSET => Self::fault(SkipReason::MissingKey, slot),
            time => Ok(time),
        }
    }

    #[inline]
    pub(crate) fn flag(self, slot: u8) -> Read<Option<bool>> {
        match self.slots.get(slot) {
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            None => Ok(None),
            Some(_) => Self::fault(SkipReason::WrongType, slot),
        }
    }

    /// A price above zero.
    #[inline(always)]
    pub(crate) fn positive(decimal: Decimal, slot: u8) -> Read<Decimal> {
        if decimal.float.is_nan() {
            Self::fault(SkipReason::MissingKey, slot)
        } else if decimal.e8 > 0 {
            Ok(decimal)
        } else {
            Self::fault(SkipReason::OutOfRange, slot)
        }
    }

    /// A size that is not negative; missing stays missing.
    #[inline(always)]
    pub(crate) fn not_negative(decimal: Decimal, slot: u8) -> Read<Decimal> {
        if decimal.float < 0.0 { Self::fault(SkipReason::OutOfRange, slot) } else { Ok(decimal) }
    }

    /// A list of small integers into `out`; a bare integer counts as a list of one. Gives how many there are.
    #[inline]
    pub(crate) fn codes<const N: usize>(self, slot: u8, out: &mut [u16; N]) -> Read<u8> {
        match self.slots.get(slot) {
            None => Ok(0),
            Some(Value::Array { start }) => self.code_list(start, slot, out),
            Some(Value::Number(number)) => {
                out[0] = self.code_of(number, slot)?;
                Ok(1)
            }
            Some(_) => Self::fault(SkipReason::WrongType, slot),
        }
    }

    fn code_list<const N: usize>(self, start: u32, slot: u8, out: &mut [u16; N]) -> Read<u8> {
        let mut count = 0usize;
        let mut fault = None;
        // The array was validated when it was passed, so this walk cannot fail.
        let walked = Scanner::inside(self.frame, start).elements(|scan| {
            let mut token = Token::at(Tag::Null, 0);
            scan.value(&mut token)?;
            if token.tag == Tag::Number {
                match self.code_of(Number::of(&token), slot) {
                    Ok(code) if count < N => out[count] = code,
                    Ok(_) => fault = Some(Fault { reason: SkipReason::OutOfRange, slot }),
                    Err(bad) => fault = Some(bad),
                }
            } else {
                fault = Some(Fault { reason: SkipReason::WrongType, slot });
            }
            count += 1;
            Ok(())
        });
        debug_assert!(walked.is_ok());
        match fault {
            Some(fault) => Err(fault),
            None => Ok(count as u8),
        }
    }

    #[inline]
    fn code_of(self, number: Number, slot: u8) -> Read<u16> {
        match number.to_i64(self.frame) {
            Some(value) => to_code(value).ok_or(Fault { reason: SkipReason::OutOfRange, slot }),
            None => Self::fault(integer_fault(self.frame, number), slot),
        }
    }
}

/// Not an integer at all is a wrong type; an integer too large is out of range.
#[cold]
fn integer_fault(frame: &[u8], number: Number) -> SkipReason {
    if number.is_whole(frame) { SkipReason::OutOfRange } else { SkipReason::WrongType }
}

#[inline(always)]
fn to_code(value: i64) -> Option<u16> {
    u16::try_from(value).ok().filter(|&code| code != CODE_UNSET)
}

/// A number in both forms, if it fits them.
#[inline(always)]
pub(crate) fn to_decimal(frame: &[u8], number: Number, slot: u8) -> Read<Decimal> {
    match (number.to_f64(frame), number.to_e8(frame)) {
        (Some(float), Some(e8)) => Ok(Decimal { float, e8 }),
        _ => Fields::fault(SkipReason::OutOfRange, slot),
    }
}

#[inline(always)]
fn to_nanos(value: i64) -> Option<Nanos> {
    let nanos = match value {
        946_684_800_000..4_102_444_800_000 => value * 1_000_000,
        946_684_800_000_000..4_102_444_800_000_000 => value * 1_000,
        TIME_MIN..TIME_MAX => value,
        946_684_800..4_102_444_800 => value * 1_000_000_000,
        _ => return None,
    };
    Some(nanos)
}

/// Letters, digits and the marks that symbols really have, up to 64 bytes of UTF-8.
#[inline(always)]
pub(crate) fn is_symbol(frame: &[u8], text: Text) -> bool {
    is_capitals(frame, text) || is_symbol_slow(frame, text)
}

/// The common symbol: up to seven capital letters, seen in one word.
#[inline(always)]
fn is_capitals(frame: &[u8], text: Text) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    if text.len == 0 || text.escaped {
        return false;
    }
    let Some(word) = text.word(frame) else { return false };
    let used = (1u64 << (8 * text.len)) - 1;
    // Each byte is below 0x80 after the first test, so the sums stay inside their bytes.
    let below = word.wrapping_add(ONES * (0x80 - 0x41));
    let above = word.wrapping_add(ONES * (0x80 - 0x5B));
    word & (ONES * 0x80) == 0 && (below & !above & (ONES * 0x80) & used) == (ONES * 0x80) & used
}

/// 0 for bytes that may stand anywhere in a symbol, else a reason to look closer.
static MARKS: [u8; 256] = {
    let mut marks = [1; 256];
    let plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_/:!@#$%&*+=~^|";
    let mut i = 0;
    while i < plain.len() {
        marks[plain[i] as usize] = 0;
        i += 1;
    }
    marks
};

fn is_plain_symbol(raw: &[u8]) -> bool {
    raw.iter().all(|&byte| MARKS[usize::from(byte)] == 0 || byte == b'.')
}

#[cold]
fn is_symbol_slow(frame: &[u8], text: Text) -> bool {
    let mut scratch = Vec::new();
    let raw = text.decode(frame, &mut scratch);
    if raw.is_ascii() {
        return !raw.is_empty() && raw.len() <= 64 && is_plain_symbol(raw) && !raw.windows(2).any(|two| two == b"..");
    }
    let Ok(name) = std::str::from_utf8(raw) else { return false };
    let good = |c: char| if c.is_ascii() { is_plain_symbol(&[c as u8]) } else { c.is_alphanumeric() };
    !name.is_empty() && name.len() <= 64 && name.chars().all(good) && !name.contains("..")
}
