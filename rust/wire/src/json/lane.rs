//! The fast lane: an object whose keys come as guessed and whose values are all of the common form, read straight into
//! a record, without tokens in between.
//!
//! A lane says `None` at the first thing that is not so: a key that was not guessed, blanks, an escape, a sign, an
//! exponent, sixteen digits. The caller then reads the whole object again the plain way, which decides alone what is
//! sound; nothing of a lane that was left counts. So a lane needs no errors, and can only be as right as the plain way
//! is, which tests compare it with.

use super::guess::Guesses;
use super::keys::KIND;
use super::simd::{Level, Plain};

/// A cursor through one object.
pub(crate) struct Lane<'f, L> {
    frame: &'f [u8],
    at: usize,
    kind: usize,
    slot: u8,
    /// The value is a text, its opening quote passed.
    is_text: bool,
    level: L,
}

/// What comes next in a lane.
pub(crate) enum Next {
    /// A value of this slot.
    Value(u8),
    /// The closing brace, which is passed.
    End,
}

impl<'f, L: Level> Lane<'f, L> {
    /// Enters the object at `at` if it opens as the last one did and its kind is the one letter `name`.
    #[inline(always)]
    pub(crate) fn enter(level: L, frame: &'f [u8], at: usize, guesses: &Guesses, name: u8) -> Option<Self> {
        let window = frame.get(at..)?.first_chunk::<16>()?;
        let first = &guesses.first;
        let open = usize::from(first.len & 7);
        let said = first.is_text && first.slot == KIND && first.matches(word(window, 0));
        if !said || window[open] != name || window[open + 1] != b'"' {
            return None;
        }
        Some(Self { frame, at: at + open + 2, kind: Guesses::kind(u64::from(name)), slot: KIND, is_text: true, level })
    }

    /// Where the object ended.
    #[inline(always)]
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The next key as guessed, or the end.
    #[inline(always)]
    pub(crate) fn next(&mut self, guesses: &Guesses) -> Option<Next> {
        let window = self.frame.get(self.at..)?.first_chunk::<8>()?;
        let word = u64::from_le_bytes(*window);
        let Some(guess) = guesses.matching(self.kind, self.slot, word) else {
            self.at += 1;
            return (word as u8 == b'}').then_some(Next::End);
        };
        self.at += usize::from(guess.len);
        (self.slot, self.is_text) = (guess.slot, guess.is_text);
        Some(Next::Value(guess.slot))
    }

    /// A number of the common form. An exponent behind it would be no guessed key, so the lane ends there.
    #[inline(always)]
    pub(crate) fn number(&mut self) -> Option<Plain> {
        if self.is_text { None } else { self.digits() }
    }

    /// A number of the common form that fills a text, and the closing quote.
    #[inline(always)]
    pub(crate) fn number_text(&mut self) -> Option<Plain> {
        let plain = if self.is_text { self.digits()? } else { return None };
        let closed = *self.frame.get(self.at)? == b'"';
        self.at += 1;
        closed.then_some(plain)
    }

    #[inline(always)]
    fn digits(&mut self) -> Option<Plain> {
        let window = self.frame.get(self.at..)?.first_chunk::<32>()?;
        let plain = self.level.number(window)?;
        self.at += plain.len;
        Some(plain)
    }

    /// A whole number of the common form: at most 15 digits, so it fits every integer.
    #[inline(always)]
    pub(crate) fn integer(&mut self) -> Option<u64> {
        let plain = self.number()?;
        (plain.decimals == 0).then_some(plain.mantissa)
    }

    /// A whole number that is a code.
    #[inline(always)]
    pub(crate) fn code(&mut self) -> Option<u16> {
        let value = self.integer()?;
        (value < u64::from(u16::MAX)).then_some(value as u16)
    }

    /// A plain text of at most 15 bytes: its place, and 16 bytes from there.
    #[inline(always)]
    pub(crate) fn text(&mut self) -> Option<(usize, usize, &'f [u8; 16])> {
        if !self.is_text {
            return None;
        }
        let start = self.at;
        let window = self.frame.get(start..)?.first_chunk::<16>()?;
        let len = self.level.quote(window)?;
        self.at += len + 1;
        Some((start, len, window))
    }

    /// A list of codes without blanks, or one code.
    #[inline(always)]
    pub(crate) fn codes<const N: usize>(&mut self, out: &mut [u16; N]) -> Option<u8> {
        if self.is_text || *self.frame.get(self.at)? != b'[' {
            out[0] = self.code()?;
            return Some(1);
        }
        let mut count = 0;
        loop {
            self.at += 1;
            *out.get_mut(count)? = self.small()?;
            count += 1;
            match *self.frame.get(self.at)? {
                b',' => {}
                b']' => break,
                _ => return None,
            }
        }
        self.at += 1;
        Some(count as u8)
    }

    /// A code of up to three digits.
    #[inline(always)]
    fn small(&mut self) -> Option<u16> {
        let bytes = self.frame.get(self.at..)?.first_chunk::<4>()?;
        let digit = |at: usize| u16::from(bytes[at].wrapping_sub(b'0'));
        let (a, b, c) = (digit(0), digit(1), digit(2));
        if a > 9 {
            return None;
        }
        let (value, len) = match (b > 9, c > 9) {
            (true, _) => (a, 1),
            (false, true) => (a * 10 + b, 2),
            (false, false) => (a * 100 + b * 10 + c, 3),
        };
        // A leading zero or a fourth digit is for the plain way.
        if (a == 0 && len > 1) || (len == 3 && bytes[3].is_ascii_digit()) {
            return None;
        }
        self.at += len;
        Some(value)
    }
}

#[inline(always)]
fn word<const N: usize>(window: &[u8; N], at: usize) -> u64 {
    u64::from_le_bytes(window[at..at + 8].try_into().unwrap_or_default())
}
