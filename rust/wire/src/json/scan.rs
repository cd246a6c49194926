//! A cursor over one frame: white space, structure and values, each validated as it is passed.

use super::guess::Guesses;
use super::keys::{KIND, KeyTable, Slots, Tag, Token};
use super::number::{self, Number};
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

/// The cursor. INVARIANT: `at <= frame.len()`, and the frame is valid UTF-8 of at most `FRAME_MAX` bytes, so
/// every offset fits a `u32`.
pub(crate) struct Scanner<'f> {
    pub(crate) frame: &'f [u8],
    pub(crate) at: usize,
    depth: u32,
}

impl<'f> Scanner<'f> {
    /// Starts at the first byte that is not white space.
    #[inline]
    pub(crate) fn new(frame: &'f [u8]) -> Result<Self, DecodeError> {
        if frame.len() > FRAME_MAX {
            return Err(DecodeError { kind: ErrorKind::FrameTooLarge, offset: FRAME_MAX });
        }
        if !frame.is_ascii() {
            std::str::from_utf8(frame)
                .map_err(|error| DecodeError { kind: ErrorKind::BadUtf8, offset: error.valid_up_to() })?;
        }
        let mut scan = Self { frame, at: 0, depth: 0 };
        scan.white_space();
        Ok(scan)
    }

    /// A cursor inside a frame that was validated before, at the start of a value.
    pub(crate) fn inside(frame: &'f [u8], at: u32) -> Self {
        Self { frame, at: at as usize, depth: 0 }
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
                self.at = number::scan(self.frame, self.at, token)?;
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
        self.enter()?;
        if self.peek() == b'}' {
            self.leave();
            return Ok(());
        }
        // Kind 0 until the event has said what it is; `KIND` is the slot of `ev` and `e`.
        let mut kind = 0;
        let mut slot = self.member(keys, slots)?;
        loop {
            if slot == KIND {
                kind = slots.short_text(KIND, self.frame).map_or(0, Guesses::kind);
            }
            let Some(bytes) = self.frame.get(self.at..self.at + 8) else { break };
            let word = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
            let [newer, older] = guesses.after(kind, slot);
            let guess = if newer.matches(word) {
                newer
            } else if word as u8 == b'}' {
                self.leave();
                return Ok(());
            } else if older.matches(word) {
                older
            } else {
                let Some(next) = self.next_member(keys, slots, guesses, (kind, slot))? else { return Ok(()) };
                slot = next;
                continue;
            };
            self.at += usize::from(guess.len);
            slot = guess.slot;
            let token = slots.place(slot);
            if guess.is_text {
                self.text_behind_quote(token)?;
            } else {
                self.value(token)?;
            }
        }
        while let Some(next) = self.next_member(keys, slots, guesses, (kind, slot))? {
            slot = next;
        }
        Ok(())
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
        let (text, at) = text::scan(self.frame, self.at)?;
        token.start = text.start;
        token.len = text.len;
        token.tag = Tag::Text;
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
        self.enter()?;
        if self.peek() == b'}' {
            self.leave();
            return Ok(());
        }
        loop {
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
            member(self, key)?;
            self.white_space();
            match self.peek() {
                b',' => self.at += 1,
                b'}' => break,
                _ => return Err(self.unexpected()),
            }
            self.white_space();
        }
        self.leave();
        Ok(())
    }

    /// Walks an array; `element` gets the cursor on each value and must pass it. The cursor stands on `[`.
    #[inline]
    pub(crate) fn elements(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        self.enter()?;
        if self.peek() == b']' {
            self.leave();
            return Ok(());
        }
        loop {
            element(self)?;
            self.white_space();
            match self.peek() {
                b',' => self.at += 1,
                b']' => break,
                _ => return Err(self.unexpected()),
            }
            self.white_space();
        }
        self.leave();
        Ok(())
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
