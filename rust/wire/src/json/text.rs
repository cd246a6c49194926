//! Strings: found eight bytes at a time, escapes checked in place and decoded only when somebody asks.

use super::simd::specials;
use crate::error::{DecodeError, ErrorKind};

/// A string of the frame without its quotes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Text {
    pub(crate) start: u32,
    pub(crate) len: u32,
    pub(crate) escaped: bool,
}

impl Text {
    /// The bytes as they stand in the frame; equal to the text unless `escaped`.
    #[inline]
    pub(crate) fn raw(self, frame: &[u8]) -> &[u8] {
        &frame[self.start as usize..][..self.len as usize]
    }

    /// Up to seven bytes of an unescaped text as one little-endian word; `None` for anything else.
    #[inline(always)]
    pub(crate) fn word(self, frame: &[u8]) -> Option<u64> {
        if self.escaped {
            let mut short = [0; 8];
            let mut out = Vec::new();
            unescape(self.raw(frame), &mut out);
            // An escaped NUL must not look like the padding of a shorter key.
            if out.contains(&0) {
                return None;
            }
            short.get_mut(..out.len())?.copy_from_slice(&out);
            return Some(u64::from_le_bytes(short));
        }
        if self.len > 7 {
            return None;
        }
        // The closing quote is there, so a word that starts here may only be cut by the end of the frame.
        if let Some(bytes) = frame.get(self.start as usize..self.start as usize + 8) {
            let word = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
            return Some(word & ((1u64 << (8 * self.len)) - 1));
        }
        let mut short = [0; 8];
        short[..self.len as usize].copy_from_slice(self.raw(frame));
        Some(u64::from_le_bytes(short))
    }

    /// The text with its escapes decoded, borrowed from the frame where there are none.
    pub(crate) fn decode<'a>(self, frame: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
        if !self.escaped {
            return self.raw(frame);
        }
        scratch.clear();
        unescape(self.raw(frame), scratch);
        scratch
    }

    /// The text as an owned string, for control messages: at most 4 KiB of it, since they are kept until drained.
    pub(crate) fn to_string(self, frame: &[u8]) -> String {
        const MOST: usize = 4_096;
        let mut scratch = Vec::new();
        let text = self.decode(frame, &mut scratch);
        String::from_utf8_lossy(&text[..text.len().min(MOST)]).into_owned()
    }
}

/// A plain text of up to seven bytes as one word and its length; `None` for all others.
#[inline(always)]
pub(crate) fn short(frame: &[u8], start: usize) -> Option<(u64, usize)> {
    let bytes = frame.get(start..start + 8)?;
    let word = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
    let special = specials(word);
    if special == 0 {
        return None;
    }
    let at = special.trailing_zeros() & !7;
    if (word >> at) as u8 != b'"' {
        return None;
    }
    Some((word & ((1u64 << at) - 1), at as usize / 8))
}

/// Finds the end of a string whose first byte is at `start`; gives the text and the offset after its quote.
#[inline(never)]
pub(crate) fn scan(frame: &[u8], start: usize) -> Result<(Text, usize), DecodeError> {
    let mut at = start;
    let mut escaped = false;
    loop {
        // Plain bytes, a word at a time.
        if let Some(bytes) = frame.get(at..at + 8) {
            let special = specials(u64::from_le_bytes(bytes.try_into().unwrap_or_default()));
            if special == 0 {
                at += 8;
                continue;
            }
            at += special.trailing_zeros() as usize / 8;
        }
        match frame.get(at) {
            None => return Err(DecodeError { kind: ErrorKind::UnexpectedEnd, offset: at }),
            Some(b'"') => {
                let text = Text { start: start as u32, len: (at - start) as u32, escaped };
                return Ok((text, at + 1));
            }
            Some(b'\\') => {
                escaped = true;
                at = escape(frame, at)?;
            }
            Some(0..0x20) => return Err(DecodeError { kind: ErrorKind::ControlCharacter, offset: at }),
            Some(_) => at += 1,
        }
    }
}

/// Checks one escape at `at` and gives the offset after it. Surrogates must come in pairs, high first.
#[cold]
fn escape(frame: &[u8], at: usize) -> Result<usize, DecodeError> {
    match frame.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => {
            let unit = hex4(frame, at + 2).ok_or_else(|| bad_escape(frame, at))?;
            match unit {
                0xD800..=0xDBFF => {
                    let pair = frame.get(at + 6) == Some(&b'\\') && frame.get(at + 7) == Some(&b'u');
                    let low = if pair { hex4(frame, at + 8) } else { None };
                    match low {
                        Some(0xDC00..=0xDFFF) => Ok(at + 12),
                        None if is_cut(frame, at + 6) => {
                            Err(DecodeError { kind: ErrorKind::UnexpectedEnd, offset: at })
                        }
                        _ => Err(DecodeError { kind: ErrorKind::LoneSurrogate, offset: at }),
                    }
                }
                0xDC00..=0xDFFF => Err(DecodeError { kind: ErrorKind::LoneSurrogate, offset: at }),
                _ => Ok(at + 6),
            }
        }
        _ => Err(bad_escape(frame, at)),
    }
}

#[cold]
fn bad_escape(frame: &[u8], at: usize) -> DecodeError {
    DecodeError { kind: if is_cut(frame, at) { ErrorKind::UnexpectedEnd } else { ErrorKind::BadEscape }, offset: at }
}

/// True where the frame ends inside an escape that is sound so far.
fn is_cut(frame: &[u8], at: usize) -> bool {
    match frame.get(at..).unwrap_or_default() {
        [] | [b'\\'] => true,
        [b'\\', b'u', digits @ ..] => digits.len() < 4 && digits.iter().all(u8::is_ascii_hexdigit),
        _ => false,
    }
}

fn hex4(frame: &[u8], at: usize) -> Option<u32> {
    let mut unit = 0;
    for &byte in frame.get(at..at + 4)? {
        unit = unit * 16 + char::from(byte).to_digit(16)?;
    }
    Some(unit)
}

/// Decodes the escapes of a string that [`scan`] has accepted.
fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        if byte != b'\\' {
            out.push(byte);
            at += 1;
            continue;
        }
        let kind = raw.get(at + 1).copied().unwrap_or(b'\\');
        at += 2;
        match kind {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let unit = hex4(raw, at).unwrap_or(0xFFFD);
                at += 4;
                let point = if (0xD800..0xDC00).contains(&unit) {
                    let low = hex4(raw, at + 2).unwrap_or(0xDC00);
                    at += 6;
                    0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)
                } else {
                    unit
                };
                let character = char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => out.push(other),
        }
    }
}
