//! A cursor over one frame: white space, structure and values, each validated as it is passed.

use super::guess::Guesses;
use super::keys::{KIND, KeyTable, Slots, Tag, Token};
use super::lane::Padded;
use super::number::{self, Number};
use super::simd::{Level, Scalar};
use super::text::{self, Text};
use super::{DEPTH_MAX, FRAME_MAX};
use crate::error::{DecodeError, ErrorKind};

/// One JSON value that is not `null`: scalars read, arrays and objects as the place where they start.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value {
    Bool(bool),
    Number(Number),
    Text(Text),
    Array { start: u32 },
    Object { start: u32 },
}

/// `N` bytes of a window; `at` is below 16 and the windows are long enough, so nothing is checked at run time.
#[inline(always)]
fn chunk<const N: usize>(window: &[u8; 48], at: usize) -> &[u8; N] {
    window[at & 15..].first_chunk().unwrap_or(&[0; N])
}

/// The cursor. INVARIANT: `at <= frame.len()`, and the frame is valid UTF-8 of at most `FRAME_MAX` bytes, so
/// every offset fits a `u32`.
pub(crate) struct Scanner<'f, L> {
    pub(crate) frame: &'f [u8],
    /// The same bytes, perhaps with more behind them, so that a window may reach over the end of a short frame.
    wide: &'f [u8],
    padded: Padded<'f>,
    pub(crate) at: usize,
    depth: u32,
    level: L,
}

impl<'f> Scanner<'f, Scalar> {
    /// A cursor inside a frame that was validated before, at the start of a value.
    pub(crate) fn inside(frame: &'f [u8], at: u32) -> Self {
        let padded = Padded { bytes: frame, before: 0 };
        Self { frame, wide: frame, padded, at: at as usize, depth: 0, level: Scalar }
    }
}

impl<'f, L: Level> Scanner<'f, L> {
    /// Starts at the first byte that is not white space. Inlined always: else it is compiled without the level's instructions.
    #[inline(always)]
    pub(crate) fn new(level: L, frame: &'f [u8], padded: Padded<'f>) -> Result<Self, DecodeError> {
        let wide = &padded.bytes[padded.before..];
        debug_assert!(wide.starts_with(frame));
        if frame.len() > FRAME_MAX {
            return Err(DecodeError { kind: ErrorKind::FrameTooLarge, offset: FRAME_MAX });
        }
        if !level.is_ascii(frame) {
            std::str::from_utf8(frame)
                .map_err(|error| DecodeError { kind: ErrorKind::BadUtf8, offset: error.valid_up_to() })?;
        }
        let mut scan = Self { frame, wide, padded, at: 0, depth: 0, level };
        scan.white_space();
        Ok(scan)
    }

    #[inline(always)]
    pub(crate) const fn level(&self) -> L {
        self.level
    }

    /// The frame with what is around it.
    #[inline(always)]
    pub(crate) const fn padded(&self) -> Padded<'f> {
        self.padded
    }

    /// The next byte; 0 at the end, which no JSON token starts with.
    #[inline(always)]
    pub(crate) fn peek(&self) -> u8 {
        self.frame.get(self.at).copied().unwrap_or(0)
    }

    #[inline(always)]
    pub(crate) fn offset(&self) -> u32 {
        self.at as u32
    }

    #[inline(always)]
    pub(crate) fn white_space(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
    }

    /// An error here: the end of the frame, or the byte that does not belong.
    #[cold]
    pub(crate) fn unexpected(&self) -> DecodeError {
        let kind = if self.at >= self.frame.len() { ErrorKind::UnexpectedEnd } else { ErrorKind::UnexpectedByte };
        DecodeError { kind, offset: self.at }
    }

    /// Requires that nothing but white space is left.
    #[inline]
    pub(crate) fn end(&mut self) -> Result<(), DecodeError> {
        self.white_space();
        if self.at == self.frame.len() {
            return Ok(());
        }
        Err(DecodeError { kind: ErrorKind::TrailingBytes, offset: self.at })
    }

    /// Reads any value into a token; white space before and after it is the caller's.
    #[inline(always)]
    pub(crate) fn value(&mut self, token: &mut Token) -> Result<(), DecodeError> {
        match self.peek() {
            b'"' => {
                self.at += 1;
                self.text_behind_quote(token)
            }
            b'-' | b'0'..=b'9' => {
                if let Some(plain) = number::common(self.level, self.wide, self.at) {
                    token.number(plain, self.offset());
                    self.at += plain.len;
                } else {
                    self.at = number::scan_any(self.frame, self.at, token)?;
                }
                Ok(())
            }
            _ => self.other(token),
        }
    }

    /// Reads a value that is neither text nor number.
    #[inline(never)]
    fn other(&mut self, token: &mut Token) -> Result<(), DecodeError> {
        let start = self.offset();
        match self.peek() {
            b'{' => {
                *token = Token::at(Tag::Object, start);
                self.members(|scan, _| scan.skip())
            }
            b'[' => {
                *token = Token::at(Tag::Array, start);
                self.elements(Self::skip)
            }
            b't' => self.literal(b"true", Tag::True, token),
            b'f' => self.literal(b"false", Tag::False, token),
            b'n' => self.literal(b"null", Tag::Null, token),
            _ => Err(self.unexpected()),
        }
    }

    /// Passes any value, validated as strictly as one that is read.
    pub(crate) fn skip(&mut self) -> Result<(), DecodeError> {
        self.value(&mut Token::at(Tag::Null, 0))
    }

    /// Passes an element that is no event. QUIRK: of a bare number too large for a double nobody could say whose fault it
    /// is, so the frame is rejected, as orjson and msgspec do; inside an event it is the event's.
    #[cold]
    pub(crate) fn skip_bare(&mut self) -> Result<(), DecodeError> {
        let mut token = Token::at(Tag::Null, 0);
        let offset = self.at;
        self.value(&mut token)?;
        if token.tag == Tag::Number && Number::of(&token).to_f64(self.frame).is_none() {
            return Err(DecodeError { kind: ErrorKind::BadNumber, offset });
        }
        Ok(())
    }

    fn literal(&mut self, word: &[u8], tag: Tag, token: &mut Token) -> Result<(), DecodeError> {
        *token = Token::at(tag, self.offset());
        for &byte in word {
            if self.peek() != byte {
                return Err(self.unexpected());
            }
            self.at += 1;
        }
        Ok(())
    }

    /// Reads an object into slots. The cursor stands on `{`.
    #[inline(always)]
    pub(crate) fn object(
        &mut self,
        keys: &KeyTable,
        slots: &mut Slots,
        guesses: &mut Guesses,
    ) -> Result<(), DecodeError> {
        slots.clear();
        guesses.belong_to(keys);
        let Some(mut slot) = self.first_member(keys, slots, guesses)? else { return Ok(()) };
        // Kind 0 until the event has said what it is.
        let mut kind = 0;
        // One check of what is left of the frame serves a key of up to 8 bytes and the window of its value.
        while let Some(window) = self.wide.get(self.at..).and_then(|rest| rest.first_chunk::<48>()) {
            if slot == KIND {
                kind = slots.short_text(KIND, self.frame).map_or(0, Guesses::kind);
            }
            let word = u64::from_le_bytes(*chunk(window, 0));
            let Some(guess) = guesses.matching(kind, slot, word) else {
                let Some(next) = self.next_member(keys, slots, guesses, (kind, slot))? else { return Ok(()) };
                slot = next;
                continue;
            };
            slot = guess.slot;
            self.guessed(guess.len, guess.is_text, window, slots.place(slot))?;
        }
        loop {
            if slot == KIND {
                kind = slots.short_text(KIND, self.frame).map_or(0, Guesses::kind);
            }
            let Some(next) = self.next_member(keys, slots, guesses, (kind, slot))? else { return Ok(()) };
            slot = next;
        }
    }

    /// Reads the value behind a guessed key of `len` bytes; `window` starts at the key.
    #[inline(always)]
    fn guessed(&mut self, len: u8, is_text: bool, window: &[u8; 48], token: &mut Token) -> Result<(), DecodeError> {
        let skip = usize::from(len & 15);
        self.at += skip;
        if is_text {
            token.start = self.offset();
            if let Some(len) = self.level.quote(chunk(window, skip)) {
                token.tag = Tag::Text;
                token.len = len as u32;
                token.mark = false;
                self.at += len + 1;
                return Ok(());
            }
            return self.text_behind_quote(token);
        }
        self.white_space();
        self.value(token)
    }

    /// Enters an object and reads its first member; `None` where it is empty and already left.
    #[inline(always)]
    fn first_member(
        &mut self,
        keys: &KeyTable,
        slots: &mut Slots,
        guesses: &mut Guesses,
    ) -> Result<Option<u8>, DecodeError> {
        if let Some(window) = self.wide.get(self.at..).and_then(|rest| rest.first_chunk::<48>()) {
            let guess = guesses.first;
            if self.depth < DEPTH_MAX && guess.matches(u64::from_le_bytes(*chunk(window, 0))) {
                self.depth += 1;
                self.guessed(guess.len, guess.is_text, window, slots.place(guess.slot))?;
                return Ok(Some(guess.slot));
            }
        }
        let open = self.at;
        self.enter()?;
        if self.peek() == b'}' {
            self.leave();
            return Ok(None);
        }
        let slot = self.member(keys, slots)?;
        let token = slots.place(slot);
        let is_text = token.tag == Tag::Text;
        let bytes = self.frame.get(open..token.start as usize).unwrap_or_default();
        if bytes.ends_with(if is_text { b":\"" } else { b":" }) {
            guesses.learn_first(bytes, slot, is_text);
        }
        Ok(Some(slot))
    }

    /// Reads a key and its value; gives the key's slot.
    #[inline(never)]
    fn member(&mut self, keys: &KeyTable, slots: &mut Slots) -> Result<u8, DecodeError> {
        if self.peek() != b'"' {
            return Err(self.unexpected());
        }
        let slot = self.key(keys)?;
        self.white_space();
        if self.peek() != b':' {
            return Err(self.unexpected());
        }
        self.at += 1;
        self.white_space();
        self.value(slots.place(slot))?;
        Ok(slot)
    }

    /// What follows a value, the plain way: the end of the object, or a comma and the next member, whose bytes are
    /// learned if they are few.
    #[inline(never)]
    fn next_member(
        &mut self,
        keys: &KeyTable,
        slots: &mut Slots,
        guesses: &mut Guesses,
        (kind, after): (usize, u8),
    ) -> Result<Option<u8>, DecodeError> {
        let comma = self.at;
        self.white_space();
        match self.peek() {
            b',' => self.at += 1,
            b'}' => {
                self.leave();
                return Ok(None);
            }
            _ => return Err(self.unexpected()),
        }
        self.white_space();
        let slot = self.member(keys, slots)?;
        let token = slots.place(slot);
        let is_text = token.tag == Tag::Text;
        let bytes = self.frame.get(comma..token.start as usize).unwrap_or_default();
        if bytes.len() <= 8 && bytes.ends_with(if is_text { b":\"" } else { b":" }) {
            guesses.learn(kind, after, bytes, slot, is_text);
        }
        Ok(Some(slot))
    }

    /// Reads a text whose opening quote was passed.
    #[inline(always)]
    fn text_behind_quote(&mut self, token: &mut Token) -> Result<(), DecodeError> {
        token.start = self.offset();
        token.tag = Tag::Text;
        let window = self.wide.get(self.at..).and_then(|rest| rest.first_chunk::<16>());
        if let Some(len) = window.and_then(|window| self.level.quote(window)) {
            token.len = len as u32;
            token.mark = false;
            self.at += len + 1;
            return Ok(());
        }
        let (text, at) = text::scan(self.frame, self.at)?;
        token.len = text.len;
        token.mark = text.escaped;
        self.at = at;
        Ok(())
    }

    /// Reads a key and gives its slot. A short plain key is one load: its word, cut at the closing quote.
    #[inline(always)]
    fn key(&mut self, keys: &KeyTable) -> Result<u8, DecodeError> {
        if let Some((word, len)) = text::short(self.frame, self.at + 1) {
            self.at += len + 2;
            return Ok(keys.slot_of(word));
        }
        let key = self.text()?;
        Ok(keys.slot(self.frame, key))
    }

    /// Reads a string; the cursor stands on its opening quote.
    #[inline]
    pub(crate) fn text(&mut self) -> Result<Text, DecodeError> {
        debug_assert_eq!(self.peek(), b'"');
        let (text, at) = text::scan(self.frame, self.at + 1)?;
        self.at = at;
        Ok(text)
    }

    /// Walks an object; `member` gets the cursor on each value and must pass it. The cursor stands on `{`.
    #[inline]
    pub(crate) fn members(
        &mut self,
        mut member: impl FnMut(&mut Self, Text) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let mut next = self.first_key()?;
        while let Some(key) = next {
            member(self, key)?;
            next = self.next_key()?;
        }
        Ok(())
    }

    /// Enters an object and reads its first key, up to the value; `None` where it is empty and already left. The cursor
    /// stands on `{`.
    #[inline(always)]
    pub(crate) fn first_key(&mut self) -> Result<Option<Text>, DecodeError> {
        self.enter()?;
        if self.peek() == b'}' {
            self.leave();
            return Ok(None);
        }
        self.key_and_colon().map(Some)
    }

    /// Goes on to the next key; `None` where the object ended and was left. The cursor stands behind a value.
    #[inline(always)]
    pub(crate) fn next_key(&mut self) -> Result<Option<Text>, DecodeError> {
        self.white_space();
        match self.peek() {
            b',' => self.at += 1,
            b'}' => {
                self.leave();
                return Ok(None);
            }
            _ => return Err(self.unexpected()),
        }
        self.white_space();
        self.key_and_colon().map(Some)
    }

    #[inline(always)]
    fn key_and_colon(&mut self) -> Result<Text, DecodeError> {
        if self.peek() != b'"' {
            return Err(self.unexpected());
        }
        let key = self.text()?;
        self.white_space();
        if self.peek() != b':' {
            return Err(self.unexpected());
        }
        self.at += 1;
        self.white_space();
        Ok(key)
    }

    /// Walks an array; `element` gets the cursor on each value and must pass it. The cursor stands on `[`.
    pub(crate) fn elements(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let mut more = self.first_element()?;
        while more {
            element(self)?;
            more = self.next_element()?;
        }
        Ok(())
    }

    /// Enters an array; false where it is empty and already left. The cursor stands on `[`.
    #[inline(always)]
    pub(crate) fn first_element(&mut self) -> Result<bool, DecodeError> {
        self.enter()?;
        let more = self.peek() != b']';
        if !more {
            self.leave();
        }
        Ok(more)
    }

    /// Goes on to the next element; false where the array ended and was left.
    #[inline(always)]
    pub(crate) fn next_element(&mut self) -> Result<bool, DecodeError> {
        // The common case in one look: objects side by side.
        if self.frame.get(self.at..).is_some_and(|rest| rest.starts_with(b",{")) {
            self.at += 1;
            return Ok(true);
        }
        self.white_space();
        match self.peek() {
            b',' => self.at += 1,
            b']' => {
                self.leave();
                return Ok(false);
            }
            _ => return Err(self.unexpected()),
        }
        self.white_space();
        Ok(true)
    }

    #[inline(always)]
    fn enter(&mut self) -> Result<(), DecodeError> {
        if self.depth >= DEPTH_MAX {
            return Err(DecodeError { kind: ErrorKind::TooDeep, offset: self.at });
        }
        self.depth += 1;
        self.at += 1;
        self.white_space();
        Ok(())
    }

    #[inline(always)]
    fn leave(&mut self) {
        self.depth -= 1;
        self.at += 1;
    }
}
