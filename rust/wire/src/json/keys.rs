//! Short keys to slots: one multiplication, one load, one compare.

use super::number::Number;
use super::scan::Value;
use super::simd::Plain;
use super::text::Text;

/// A perfect hash over keys of up to seven bytes, its multiplier found at compile time.
pub(crate) struct KeyTable {
    multiplier: u64,
    words: [u64; KeyTable::SIZE],
    slots: [u8; KeyTable::SIZE],
}

impl KeyTable {
    const SIZE: usize = 256;

    /// The table in which the n-th key has slot n.
    pub(crate) const fn new(keys: &[&str]) -> Self {
        let mut multiplier = 0x9E37_79B9_7F4A_7C15u64;
        loop {
            let mut table = Self { multiplier, words: [0; Self::SIZE], slots: [0; Self::SIZE] };
            let mut i = 0;
            while i < keys.len() {
                let word = Self::word(keys[i]);
                let at = Self::position(word, multiplier);
                if table.words[at] != 0 {
                    break;
                }
                table.words[at] = word;
                table.slots[at] = i as u8;
                i += 1;
            }
            if i == keys.len() {
                return table;
            }
            // Any odd multiplier will do; this walks through them without a pattern.
            multiplier = multiplier.wrapping_mul(0xD129_0D3E_5A0D_4B95) | 1;
        }
    }

    const fn word(key: &str) -> u64 {
        let bytes = key.as_bytes();
        assert!(!bytes.is_empty() && bytes.len() <= 7, "keys have one to seven bytes");
        let mut word = 0;
        let mut i = 0;
        while i < bytes.len() {
            word |= (bytes[i] as u64) << (8 * i);
            i += 1;
        }
        word
    }

    #[inline(always)]
    const fn position(word: u64, multiplier: u64) -> usize {
        (word.wrapping_mul(multiplier) >> 56) as usize
    }

    /// Slot of a key given as a word of up to seven bytes; `TRASH` for keys that are not ours.
    #[inline(always)]
    pub(crate) fn slot_of(&self, word: u64) -> u8 {
        let at = Self::position(word, self.multiplier);
        if self.words[at] == word && word != 0 { self.slots[at] } else { TRASH }
    }

    /// Slot of a key of any form.
    #[inline]
    pub(crate) fn slot(&self, frame: &[u8], key: Text) -> u8 {
        key.word(frame).map_or(TRASH, |word| self.slot_of(word))
    }
}

/// The slot of the key that names an event's kind, in every table.
pub(crate) const KIND: u8 = 0;

/// Where values of keys go that nobody asks for, so that they need no branch.
pub(crate) const TRASH: u8 = 63;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Tag {
    Null,
    False,
    True,
    Number,
    Text,
    Array,
    Object,
}

/// One value as it is kept in a slot: 24 bytes, written field by field while the value is passed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    /// Digits of a number.
    pub(crate) mantissa: u64,
    /// First byte: of a number, inside the quotes of a text, or of the bracket.
    pub(crate) start: u32,
    /// Bytes of a number or text.
    pub(crate) len: u32,
    pub(crate) exponent: i32,
    pub(crate) tag: Tag,
    /// A negative number.
    pub(crate) negative: bool,
    /// A number whose digits all fit the mantissa; a text with escapes.
    pub(crate) mark: bool,
}

impl Token {
    const NULL: Self =
        Self { mantissa: 0, start: 0, len: 0, exponent: 0, tag: Tag::Null, negative: false, mark: false };

    /// A token of which only the kind and the place matter.
    pub(crate) fn at(tag: Tag, start: u32) -> Self {
        Self { start, tag, ..Self::NULL }
    }

    /// Becomes a number of the common form.
    #[inline(always)]
    pub(crate) fn number(&mut self, plain: Plain, start: u32) {
        self.mantissa = plain.mantissa;
        self.start = start;
        self.len = plain.len as u32;
        self.exponent = -(plain.decimals as i32);
        self.tag = Tag::Number;
        self.negative = false;
        self.mark = true;
    }

    #[inline(always)]
    fn value(&self) -> Option<Value> {
        match self.tag {
            Tag::Null => None,
            Tag::False => Some(Value::Bool(false)),
            Tag::True => Some(Value::Bool(true)),
            Tag::Number => Some(Value::Number(Number::of(self))),
            Tag::Text => Some(Value::Text(Text { start: self.start, len: self.len, escaped: self.mark })),
            Tag::Array => Some(Value::Array { start: self.start }),
            Tag::Object => Some(Value::Object { start: self.start }),
        }
    }
}

/// What one object said, by slot. A key that comes twice overwrites: the last one wins, as in `json.loads`.
pub(crate) struct Slots {
    seen: u64,
    tokens: [Token; 64],
}

impl Slots {
    pub(crate) const fn new() -> Self {
        Self { seen: 0, tokens: [Token::NULL; 64] }
    }

    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        self.seen = 0;
    }

    /// True where no object was read since they were cleared, or an empty one.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.seen == 0
    }

    /// The place of a slot's value, which the caller fills now.
    #[inline(always)]
    pub(crate) fn place(&mut self, slot: u8) -> &mut Token {
        let at = usize::from(slot) & 63;
        self.seen |= 1 << at;
        &mut self.tokens[at]
    }

    /// The value of a slot; a missing key and an explicit `null` are the same.
    #[inline(always)]
    pub(crate) fn get(&self, slot: u8) -> Option<Value> {
        if self.has(slot) { self.tokens[usize::from(slot) & 63].value() } else { None }
    }

    /// A slot's text of up to seven bytes as one word.
    #[inline(always)]
    pub(crate) fn short_text(&self, slot: u8, frame: &[u8]) -> Option<u64> {
        let token = &self.tokens[usize::from(slot) & 63];
        if token.tag != Tag::Text {
            return None;
        }
        Text { start: token.start, len: token.len, escaped: token.mark }.word(frame)
    }

    /// The number of a slot, where it holds one; `None` for everything else.
    #[inline(always)]
    pub(crate) fn number(&self, slot: u8) -> Option<Number> {
        let token = &self.tokens[usize::from(slot) & 63];
        (self.has(slot) && token.tag == Tag::Number).then(|| Number::of(token))
    }

    /// Where a slot's value stands; only meaningful for a slot that was set.
    #[inline]
    pub(crate) fn offset(&self, slot: u8) -> u32 {
        let token = &self.tokens[usize::from(slot) & 63];
        // A text is kept without its quotes.
        token.start - u32::from(token.tag == Tag::Text)
    }

    /// True where the key came at all, even as `null`.
    #[inline(always)]
    pub(crate) fn has(&self, slot: u8) -> bool {
        self.seen & (1 << (slot & 63)) != 0
    }
}
