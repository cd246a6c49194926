//! Symbols: a name on a venue becomes a small dense number once and stays that number.

use bytemuck::Zeroable;

use crate::venue::Venue;

/// Longest symbol that is accepted, in bytes of UTF-8.
pub const SYMBOL_MAX: usize = 64;

/// Dense number of a symbol over the whole engine, in order of first sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct SymbolId(pub u32);

impl SymbolId {
    /// The number as an index.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The table holds as many symbols as it was created for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableFull;

/// What a slot knows of a name. Two different short names of one length differ here, so equal stamps are equal names;
/// those of long names are a digest and the name itself has to be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Zeroable)]
struct Stamp {
    words: [u64; 2],
    /// Length and venue in one word, so that three comparisons tell.
    shape: u32,
}

/// A name that is looked for, and where the look begins.
#[derive(Clone, Copy, Debug)]
pub struct Sought {
    stamp: Stamp,
    place: usize,
}

/// Longest name that a [`Stamp`] holds whole.
const SHORT: usize = 16;

/// A place of the table: half a cache line, so that a look at a symbol is one look at memory.
#[derive(Clone, Copy, Zeroable)]
#[repr(align(32))]
struct Slot {
    stamp: Stamp,
    /// The symbol's id plus one; 0 for a free place.
    number: u32,
}

/// Slots of a table without symbols.
const FIRST_SLOTS: usize = 64;

/// Slots of which none is taken.
fn free_slots(count: usize) -> Box<[Slot]> {
    bytemuck::zeroed_slice_box(count)
}

struct Entry {
    venue: Venue,
    name: Box<str>,
}

/// The intern table: (venue, name) → id, and back. Open addressing with linear probing at half load at the most. It
/// doubles as symbols come, up to the size for its capacity: a few symbols then lie on a few memory pages, and a
/// look at one is a look at memory that is near.
pub struct SymbolTable {
    slots: Box<[Slot]>,
    mask: usize,
    entries: Vec<Entry>,
    capacity: usize,
}

impl SymbolTable {
    /// A table for at most `capacity` symbols.
    pub fn new(capacity: usize) -> Self {
        Self { slots: free_slots(FIRST_SLOTS), mask: FIRST_SLOTS - 1, entries: Vec::with_capacity(capacity), capacity }
    }

    /// Number of symbols held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True before the first symbol.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The symbol's id if it was seen before.
    #[inline]
    pub fn lookup(&self, venue: Venue, name: &[u8]) -> Option<SymbolId> {
        self.find(venue, name, 0, name.len()).ok()
    }

    /// The first half of a look for the name of `len` bytes that begins at `at` in a longer text, for one who looks for many:
    /// all of their places can be asked for before one is waited for. With room behind it, a name is read at once.
    #[inline(always)]
    pub fn seek(&self, venue: Venue, text: &[u8], at: usize, len: usize) -> Sought {
        let stamp = stamp(venue, text, at, len);
        Sought { stamp, place: stamp.hash() as usize & self.mask }
    }

    /// The place where a look begins.
    #[inline]
    pub fn place(&self, sought: &Sought) -> &impl Sized {
        &self.slots[sought.place]
    }

    /// The second half: the symbol's id if it was seen before. The table must be as it was, and `name` what was sought,
    /// which only long names are asked for.
    #[inline(always)]
    pub fn found<'n>(&self, sought: &Sought, name: impl Fn() -> &'n [u8]) -> Option<SymbolId> {
        self.find_at(sought, name).ok()
    }

    /// The symbol's id, given out now if it is new; an error once the table is full.
    pub fn intern(&mut self, venue: Venue, name: &str) -> Result<SymbolId, TableFull> {
        match self.find(venue, name.as_bytes(), 0, name.len()) {
            Ok(id) => Ok(id),
            Err(_) if self.entries.len() >= self.capacity => Err(TableFull),
            Err(mut free) => {
                let id = self.entries.len() as u32;
                if self.slots.len() < (self.entries.len() + 1) * 2 {
                    free = self.grow(stamp(venue, name.as_bytes(), 0, name.len()));
                }
                self.slots[free] = Slot { stamp: stamp(venue, name.as_bytes(), 0, name.len()), number: id + 1 };
                self.entries.push(Entry { venue, name: name.into() });
                Ok(SymbolId(id))
            }
        }
    }

    /// Doubles the table; gives the free place for a symbol that is not in it.
    #[cold]
    fn grow(&mut self, new: Stamp) -> usize {
        let wider = free_slots(self.slots.len() * 2);
        self.mask = wider.len() - 1;
        let held = std::mem::replace(&mut self.slots, wider);
        for slot in held.iter().filter(|slot| slot.number != 0) {
            self.slots[self.free(slot.stamp)] = *slot;
        }
        self.free(new)
    }

    /// The free place for a symbol that is not in the table.
    fn free(&self, stamp: Stamp) -> usize {
        let mut at = stamp.hash() as usize & self.mask;
        while self.slots[at].number != 0 {
            at = (at + 1) & self.mask;
        }
        at
    }

    /// The symbol's id, or the free place where it would go.
    #[inline]
    fn find(&self, venue: Venue, text: &[u8], at: usize, len: usize) -> Result<SymbolId, usize> {
        self.find_at(&self.seek(venue, text, at, len), || text.get(at..at + len).unwrap_or_default())
    }

    #[inline(always)]
    fn find_at<'n>(&self, sought: &Sought, name: impl Fn() -> &'n [u8]) -> Result<SymbolId, usize> {
        let Sought { stamp, mut place } = *sought;
        loop {
            let slot = &self.slots[place & self.mask];
            let Some(id) = slot.number.checked_sub(1) else { return Err(place) };
            if slot.stamp == stamp && (stamp.is_whole() || self.entries[id as usize].name.as_bytes() == name()) {
                return Ok(SymbolId(id));
            }
            place = (place + 1) & self.mask;
        }
    }

    /// Name of a symbol.
    pub fn name(&self, id: SymbolId) -> &str {
        &self.entries[id.index()].name
    }

    /// Venue of a symbol.
    pub fn venue(&self, id: SymbolId) -> Venue {
        self.entries[id.index()].venue
    }

    /// Every id with venue and name, in id order.
    pub fn iter(&self) -> impl Iterator<Item = (SymbolId, Venue, &str)> {
        self.entries.iter().enumerate().map(|(id, entry)| (SymbolId(id as u32), entry.venue, &*entry.name))
    }
}

/// By the length of a name: which bits of its first sixteen bytes are its own.
static OWN: [[u64; 2]; SHORT + 1] = {
    let (mut own, mut len) = ([[0; 2]; SHORT + 1], 0);
    while len < SHORT {
        let next = own[len];
        own[len + 1] = if len < 8 { [next[0] << 8 | 0xFF, 0] } else { [next[0], next[1] << 8 | 0xFF] };
        len += 1;
    }
    own
};

/// The stamp of the name that begins at `at`: up to 16 bytes as they are, zeroes behind them. No branch depends on how
/// many they are where 16 bytes can be read; what is not of the name is masked.
#[inline(always)]
fn stamp(venue: Venue, text: &[u8], at: usize, len: usize) -> Stamp {
    let words = match (text.get(at..).and_then(<[u8]>::first_chunk::<SHORT>), OWN.get(len)) {
        (Some(bytes), Some(own)) => {
            let bytes = u128::from_le_bytes(*bytes);
            [bytes as u64 & own[0], (bytes >> 64) as u64 & own[1]]
        }
        _ => words_of(text.get(at..at + len).unwrap_or_default()),
    };
    Stamp { words, shape: (len as u32) << 8 | venue as u32 }
}

/// The same words from a name without room behind it, or a digest of a long one.
#[inline(never)]
fn words_of(name: &[u8]) -> [u64; 2] {
    if name.len() > SHORT {
        return digest(name);
    }
    let mut bytes = [0; SHORT];
    bytes[..name.len()].copy_from_slice(name);
    [eight(&bytes, 0), eight(&bytes, 8)]
}

/// The eight bytes from `at`, which must be there.
#[inline]
fn eight(name: &[u8], at: usize) -> u64 {
    name[at..].first_chunk().map_or(0, |&bytes| u64::from_le_bytes(bytes))
}

/// Two words from a long name, eight bytes at a time, the last of them perhaps twice.
fn digest(name: &[u8]) -> [u64; 2] {
    let mut words = [0, eight(name, name.len() - 8)];
    for at in (0..name.len() - 8).step_by(8) {
        words[0] = fold(words[0] ^ eight(name, at), MULTIPLIER);
    }
    words
}

const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// Both halves of a product: every bit of it depends on every bit of the factors.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

impl Stamp {
    /// True where the words are the name itself.
    #[inline]
    const fn is_whole(self) -> bool {
        self.shape >> 8 <= SHORT as u32
    }

    /// Symbols are chosen by venues, not by attackers; a flood of colliding names is bounded by the table's capacity.
    #[inline]
    fn hash(self) -> u64 {
        let second = self.words[1].wrapping_mul(MULTIPLIER);
        fold(self.words[0] ^ second ^ u64::from(self.shape) << 32, MULTIPLIER)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn gives_dense_ids_and_refuses_when_full() {
        let mut table = SymbolTable::new(3);
        let a = table.intern(Venue::MassiveStocks, "AAPL");
        let b = table.intern(Venue::BinanceUsdm, "BTCUSDT");
        let c = table.intern(Venue::BinanceSpot, "BTCUSDT");
        assert_eq!((a, b, c), (Ok(SymbolId(0)), Ok(SymbolId(1)), Ok(SymbolId(2))));
        assert_eq!(table.intern(Venue::MassiveStocks, "MSFT"), Err(TableFull));
        assert_eq!(table.intern(Venue::MassiveStocks, "AAPL"), Ok(SymbolId(0)));
        assert_eq!(table.name(SymbolId(2)), "BTCUSDT");
        assert_eq!(table.venue(SymbolId(2)), Venue::BinanceSpot);
    }

    proptest! {
        // The oracle is a list that is looked through. Few letters and lengths around each border, so that prefixes,
        // repeated bytes and names that differ in one place only come up all the time.
        #[test]
        fn finds_what_a_list_finds(
            names in proptest::collection::vec((0..3usize, "[AB\u{20AC}]{0,5}|[AB]{1,18}|A{14,63}[AB]"), 1..60),
        ) {
            let mut table = SymbolTable::new(40);
            let mut list: Vec<(Venue, String)> = Vec::new();
            for (venue, name) in names {
                let symbol = (Venue::ALL[venue], name);
                let held = list.iter().position(|one| *one == symbol).map(|at| SymbolId(at as u32));
                prop_assert_eq!(table.lookup(symbol.0, symbol.1.as_bytes()), held);
                // What stands around a name is not of it.
                let around = format!("\"{}\",\"x\":4,\"p\":297.845", symbol.1);
                let sought = table.seek(symbol.0, around.as_bytes(), 1, symbol.1.len());
                prop_assert_eq!(table.found(&sought, || symbol.1.as_bytes()), held);
                let want = held.or((list.len() < 40).then_some(SymbolId(list.len() as u32))).ok_or(TableFull);
                prop_assert_eq!(table.intern(symbol.0, &symbol.1), want);
                if held.is_none() && want.is_ok() {
                    list.push(symbol);
                }
            }
            for (at, (venue, name)) in list.iter().enumerate() {
                prop_assert_eq!(table.lookup(*venue, name.as_bytes()), Some(SymbolId(at as u32)));
            }
        }
    }

    #[test]
    fn names_of_every_length_are_apart() {
        let name =
            |len: usize, other: usize| (0..len).map(|at| if at == other { 'b' } else { 'a' }).collect::<String>();
        let all: Vec<String> = (0..=SYMBOL_MAX).flat_map(|len| (0..=len).map(move |other| name(len, other))).collect();
        let mut table = SymbolTable::new(all.len());
        for (id, name) in all.iter().enumerate() {
            assert_eq!(table.lookup(Venue::MassiveStocks, name.as_bytes()), None, "{name}");
            assert_eq!(table.intern(Venue::MassiveStocks, name), Ok(SymbolId(id as u32)), "{name}");
        }
        for (id, name) in all.iter().enumerate() {
            assert_eq!(table.lookup(Venue::MassiveStocks, name.as_bytes()), Some(SymbolId(id as u32)), "{name}");
        }
        assert_eq!(table.lookup(Venue::MassiveStocks, name(300, 300).as_bytes()), None);
    }
}
