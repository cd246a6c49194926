//! Short keys to slots: one multiplication, one load, one compare.

use super::scan::Value;
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

    /// Slot of a key, if it is one of ours.
    #[inline(always)]
    pub(crate) fn slot(&self, frame: &[u8], key: Text) -> Option<u8> {
        let word = key.word(frame)?;
        let at = Self::position(word, self.multiplier);
        (self.words[at] == word && word != 0).then_some(self.slots[at])
    }
}

/// What one object said, by slot. A key that comes twice overwrites: the last one wins, as in `json.loads`.
pub(crate) struct Slots {
    seen: u64,
    values: [Value; 64],
    offsets: [u32; 64],
}

impl Slots {
    pub(crate) const fn new() -> Self {
        Self { seen: 0, values: [Value::Null; 64], offsets: [0; 64] }
    }

    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        self.seen = 0;
    }

    #[inline(always)]
    pub(crate) fn set(&mut self, slot: u8, value: Value, offset: u32) {
        let at = usize::from(slot) & 63;
        self.seen |= 1 << at;
        self.values[at] = value;
        self.offsets[at] = offset;
    }

    /// The value of a slot; a missing key and an explicit `null` are the same.
    #[inline(always)]
    pub(crate) fn get(&self, slot: u8) -> Option<Value> {
        let at = usize::from(slot) & 63;
        if self.seen & (1 << at) == 0 {
            return None;
        }
        match self.values[at] {
            Value::Null => None,
            value => Some(value),
        }
    }

    /// Where a slot's value stands; only meaningful for a slot that was set.
    #[inline]
    pub(crate) fn offset(&self, slot: u8) -> u32 {
        self.offsets[usize::from(slot) & 63]
    }

    /// True where the key came at all, even as `null`.
    #[inline]
    pub(crate) fn has(&self, slot: u8) -> bool {
        self.seen & (1 << (slot & 63)) != 0
    }
}
