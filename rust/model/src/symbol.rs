//! Symbols: a name on a venue becomes a small dense number once and stays that number.

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

const EMPTY: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Slot {
    hash: u32,
    id: u32,
}

struct Entry {
    venue: Venue,
    name: Box<str>,
}

/// The intern table: (venue, name) → id, and back. Open addressing with linear probing at half load; its
/// size is fixed at creation, so looking up and interning never move it.
pub struct SymbolTable {
    slots: Box<[Slot]>,
    mask: usize,
    entries: Vec<Entry>,
    capacity: usize,
}

impl SymbolTable {
    /// A table for at most `capacity` symbols.
    pub fn new(capacity: usize) -> Self {
        let size = (capacity.max(1) * 2).next_power_of_two();
        Self {
            slots: vec![Slot { hash: 0, id: EMPTY }; size].into_boxed_slice(),
            mask: size - 1,
            entries: Vec::with_capacity(capacity),
            capacity,
        }
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
        let hash = hash(venue, name);
        let mut at = hash as usize & self.mask;
        loop {
            let slot = self.slots[at];
            if slot.id == EMPTY {
                return None;
            }
            if slot.hash == hash {
                let entry = &self.entries[slot.id as usize];
                if entry.venue == venue && entry.name.as_bytes() == name {
                    return Some(SymbolId(slot.id));
                }
            }
            at = (at + 1) & self.mask;
        }
    }

    /// The symbol's id, given out now if it is new; an error once the table is full.
    pub fn intern(&mut self, venue: Venue, name: &str) -> Result<SymbolId, TableFull> {
        if let Some(id) = self.lookup(venue, name.as_bytes()) {
            return Ok(id);
        }
        if self.entries.len() >= self.capacity {
            return Err(TableFull);
        }
        let hash = hash(venue, name.as_bytes());
        let mut at = hash as usize & self.mask;
        while self.slots[at].id != EMPTY {
            at = (at + 1) & self.mask;
        }
        let id = self.entries.len() as u32;
        self.slots[at] = Slot { hash, id };
        self.entries.push(Entry { venue, name: name.into() });
        Ok(SymbolId(id))
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

/// Eight bytes at a time, multiply and fold. Symbols are chosen by venues, not by attackers; a flood of
/// colliding names is bounded by the table's capacity.
#[inline]
fn hash(venue: Venue, name: &[u8]) -> u32 {
    const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut state = (venue as u64 + 1).wrapping_mul(MULTIPLIER) ^ name.len() as u64;
    let mut chunks = name.chunks_exact(8);
    for chunk in &mut chunks {
        let word = u64::from_le_bytes(chunk.try_into().unwrap_or_default());
        state = (state ^ word).wrapping_mul(MULTIPLIER);
        state ^= state >> 29;
    }
    let mut word = 0u64;
    for (i, &byte) in chunks.remainder().iter().enumerate() {
        word |= u64::from(byte) << (8 * i);
    }
    state = (state ^ word).wrapping_mul(MULTIPLIER);
    (state ^ (state >> 32)) as u32
}

#[cfg(test)]
mod tests {
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
}
