//! Which key comes next: a guess that is always verified.
//!
//! Venues write an event's keys in an order of their own, with a few that come and go, and change it now and then
//! without saying so. So the order is learned, not assumed: for each kind of event and each key, the four keys that
//! followed it last. A guess is the exact bytes `,"key":` (and the opening quote of a text); it is compared with the
//! frame as one word, and where no guess matches, the key is read the plain way and becomes the newest guess.
//! A wrong guess costs a compare; the result never depends on it.

use super::keys::KeyTable;

/// Events are told apart by a few bits of their kind's name; two kinds that share a table only guess worse.
const KINDS: usize = 16;
const SLOTS: usize = 64;

/// Bytes that may follow a value: a comma, a key, a colon, blanks as they came, and for a text its opening quote; or
/// the bytes from the brace that opens an object up to its first value.
#[derive(Clone, Copy)]
pub(crate) struct Guess {
    word: u64,
    mask: u64,
    pub(crate) len: u8,
    pub(crate) slot: u8,
    pub(crate) is_text: bool,
}

impl Guess {
    /// Eight control characters, which no frame has between values.
    const NEVER: Self = Self { word: 0x0101_0101_0101_0101, mask: u64::MAX, len: 0, slot: 0, is_text: false };

    fn new(bytes: &[u8], slot: u8, is_text: bool) -> Option<Self> {
        let mut word = [0; 8];
        word.get_mut(..bytes.len())?.copy_from_slice(bytes);
        let mask = if bytes.len() == 8 { u64::MAX } else { (1 << (8 * bytes.len())) - 1 };
        Some(Self { word: u64::from_le_bytes(word), mask, len: bytes.len() as u8, slot, is_text })
    }

    #[inline(always)]
    pub(crate) fn matches(&self, word: u64) -> bool {
        (word ^ self.word) & self.mask == 0
    }
}

/// Guesses for each key: quotes have three keys that may follow their symbol, trades two after their size.
const GUESSES: usize = 4;

/// What followed what.
pub(crate) struct Guesses {
    after: Box<[[Guess; GUESSES]; KINDS * SLOTS]>,
    /// How the last object opened.
    pub(crate) first: Guess,
    /// The table whose slots these are, by its address: slots mean nothing in another.
    keys: usize,
}

/// Place of a kind and a slot in the table.
#[inline(always)]
const fn place(kind: usize, slot: u8) -> usize {
    (kind * SLOTS + slot as usize) & (KINDS * SLOTS - 1)
}

impl Guesses {
    pub(crate) fn new() -> Self {
        let after = vec![[Guess::NEVER; GUESSES]; KINDS * SLOTS].into_boxed_slice();
        let after = after.try_into().unwrap_or_else(|_| unreachable!("made with that length"));
        Self { after, first: Guess::NEVER, keys: 0 }
    }

    /// Asserts in tests that all objects are read by one table.
    #[inline(always)]
    pub(crate) fn belong_to(&mut self, keys: &KeyTable) {
        if cfg!(debug_assertions) {
            let address = std::ptr::from_ref(keys).addr();
            assert!(self.keys == 0 || self.keys == address, "guesses of one table were used with another");
            self.keys = address;
        }
    }

    /// The table of an event's kind.
    #[inline(always)]
    pub(crate) const fn kind(name: u64) -> usize {
        (name.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60) as usize
    }

    /// The guess that matches the bytes behind a value, if one does.
    #[inline(always)]
    pub(crate) fn matching(&self, kind: usize, slot: u8, word: u64) -> Option<&Guess> {
        let [first, rest @ ..] = &self.after[place(kind, slot)];
        if first.matches(word) {
            return Some(first);
        }
        // The end of an object is more common than the second guess.
        if word as u8 == b'}' { None } else { rest.iter().find(|guess| guess.matches(word)) }
    }

    /// Remembers the bytes that came after a key's value; the oldest guess gives way.
    #[cold]
    pub(crate) fn learn(&mut self, kind: usize, after: u8, bytes: &[u8], slot: u8, is_text: bool) {
        if let Some(guess) = Guess::new(bytes, slot, is_text) {
            let held = &mut self.after[place(kind, after)];
            held.rotate_right(1);
            held[0] = guess;
        }
    }

    /// Remembers how an object opened.
    #[cold]
    pub(crate) fn learn_first(&mut self, bytes: &[u8], slot: u8, is_text: bool) {
        if let Some(guess) = Guess::new(bytes, slot, is_text) {
            self.first = guess;
        }
    }
}
