//! Which key comes next: a guess that is always verified.
//!
//! Venues write an event's keys in an order of their own, with a few that come and go, and change it now and then
//! without saying so. So the order is learned, not assumed: for each kind of event and each key, the two keys that
//! followed it last. A guess is the exact bytes `,"key":` (and the opening quote of a text); it is compared with the
//! frame as one word, and where neither guess matches, the key is read the plain way and becomes the newer guess.
//! A wrong guess costs a compare; the result never depends on it.

/// Events are told apart by a few bits of their kind's name; two kinds that share a table only guess worse.
const KINDS: usize = 16;
const SLOTS: usize = 64;

/// Bytes that may follow a value: a comma, a key, a colon, blanks as they came, and for a text its opening quote.
#[derive(Clone, Copy)]
pub(crate) struct Guess {
    pub(crate) word: u64,
    pub(crate) mask: u64,
    pub(crate) len: u8,
    pub(crate) slot: u8,
    pub(crate) is_text: bool,
}

impl Guess {
    /// Matches nothing: its word has a bit outside its mask.
    const NEVER: Self = Self { word: 1, mask: 0, len: 0, slot: 0, is_text: false };

    /// The bytes of a frame from the comma up to the value, if they fit a word.
    fn new(bytes: &[u8], slot: u8, is_text: bool) -> Option<Self> {
        let mut word = [0; 8];
        word.get_mut(..bytes.len())?.copy_from_slice(bytes);
        let mask = if bytes.len() == 8 { u64::MAX } else { (1 << (8 * bytes.len())) - 1 };
        Some(Self { word: u64::from_le_bytes(word), mask, len: bytes.len() as u8, slot, is_text })
    }

    #[inline(always)]
    pub(crate) fn matches(&self, word: u64) -> bool {
        (word ^ self.word) & self.mask == 0 && self.len != 0
    }
}

/// What followed what.
pub(crate) struct Guesses {
    after: Box<[[[Guess; 2]; SLOTS]]>,
}

impl Guesses {
    pub(crate) fn new() -> Self {
        Self { after: vec![[[Guess::NEVER; 2]; SLOTS]; KINDS].into_boxed_slice() }
    }

    /// The table of an event's kind.
    #[inline(always)]
    pub(crate) const fn kind(name: u64) -> usize {
        (name.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60) as usize
    }

    #[inline(always)]
    pub(crate) fn after(&self, kind: usize, slot: u8) -> &[Guess; 2] {
        &self.after[kind & (KINDS - 1)][usize::from(slot) & (SLOTS - 1)]
    }

    /// Remembers the bytes that came after a key's value; the older of two guesses gives way.
    #[cold]
    pub(crate) fn learn(&mut self, kind: usize, after: u8, bytes: &[u8], slot: u8, is_text: bool) {
        if let Some(guess) = Guess::new(bytes, slot, is_text) {
            let pair = &mut self.after[kind & (KINDS - 1)][usize::from(after) & (SLOTS - 1)];
            *pair = [guess, pair[0]];
        }
    }
}
