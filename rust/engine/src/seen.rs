//! Trades that were seen, by what a venue cannot give to two of them: Massive sends a frame again after a subscription is
//! renewed, and a backfill brings what came live as well. Numbers that count up, as Binance's do, need no such memory.
//!
//! A cache and no map: eight identities to a line, the oldest of which makes room. So it has a size, needs no clearing, and
//! is one look at memory. It knows about as many trades as it has places: of the last sixteenth of them one in a hundred
//! million is forgotten, of the last eighth one in a hundred thousand, of the last half one in fifty.

use ringtape_model::Trade;
use ringtape_model::units::CODE_UNSET;
use ringtape_ring::prefetch;

/// Identities in a line.
const WAYS: usize = 8;

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([u64; WAYS]);

/// What tells a trade from every other of its venue, as a number. Two trades share one by chance once in some hundred
/// million days.
#[derive(Clone, Copy)]
pub(crate) struct Identity(u64);

impl Identity {
    /// The identity of a trade of a date. SOURCE: facts/scanner.md 5.5.
    #[inline]
    pub(crate) fn of(trade: &Trade, date: u32) -> Self {
        let [a, b, c] =
            std::array::from_fn(|at| trade.id[8 * at..].first_chunk().map_or(0, |&eight| u64::from_le_bytes(eight)));
        let place = u64::from(trade.symbol) << 32 | u64::from(trade.exchange) << 16 | u64::from(trade.trf_id);
        let has_id = a != 0 && trade.exchange != CODE_UNSET;
        let whole = if has_id {
            fold(fold(fold(SEED, a), b ^ c.rotate_left(32)), place ^ u64::from(date).rotate_left(8))
        } else {
            let numbers = fold(fold(SEED, trade.ts_event as u64), trade.sequence as u64);
            fold(fold(fold(numbers, trade.price_e8 as u64), trade.size_e8 as u64), place)
        };
        Self(whole)
    }
}

const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// Both halves of a product: every bit of it depends on every bit of the factors.
#[inline]
fn fold(all: u64, word: u64) -> u64 {
    let product = u128::from(all ^ word) * u128::from(word.rotate_left(29) ^ 0xD6E8_FEB8_6659_FD93);
    (product as u64 ^ (product >> 64) as u64).wrapping_add(SEED)
}

/// Lines of a memory of ten minutes of a usual day of all US stocks, 8 MiB.
const LINES: usize = 1 << 17;

/// The trades seen last; takes no memory before the first.
#[derive(Default)]
pub(crate) struct Seen {
    lines: Box<[Line]>,
}

impl Seen {
    /// Places filled with what is written, so that later looks wait for no memory.
    #[cold]
    fn begin(&mut self) {
        self.lines = vec![Line([u64::MAX; WAYS]); LINES].into_boxed_slice();
    }

    #[inline]
    fn place(&self, identity: Identity) -> usize {
        identity.0 as usize & self.lines.len().wrapping_sub(1)
    }

    /// Asks for what a look at a trade needs.
    #[inline]
    pub(crate) fn fetch(&self, identity: Identity) {
        if let Some(line) = self.lines.get(self.place(identity)) {
            prefetch(line);
        }
    }

    /// Remembers a trade; false if it was seen before.
    #[inline]
    pub(crate) fn is_new(&mut self, identity: Identity) -> bool {
        if self.lines.is_empty() {
            self.begin();
        }
        let place = self.place(identity);
        let Line(line) = &mut self.lines[place];
        // All of them, as one comparison of vectors.
        if line.iter().fold(0, |any, &held| any | u64::from(held == identity.0)) != 0 {
            return false;
        }
        line.copy_within(..WAYS - 1, 1);
        line[0] = identity.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trade(symbol: u32, id: &str) -> Trade {
        let mut trade = Trade { symbol, exchange: 4, trf_id: CODE_UNSET, price_e8: 5, size_e8: 7, ..Trade::UNSET };
        trade.id[..id.len()].copy_from_slice(id.as_bytes());
        trade
    }

    #[test]
    fn identity_is_date_symbol_exchange_facility_and_id() {
        let mut seen = Seen::default();
        let mut is_new = |trade: &Trade, date| seen.is_new(Identity::of(trade, date));
        let first = trade(1, "52983525027888");
        assert!(is_new(&first, 20_261_120));
        assert!(!is_new(&first, 20_261_120));
        // Its numbers may be those of a finer clock or a corrected tape.
        assert!(!is_new(&Trade { ts_event: 9, sequence: 8, price_e8: 3, ..first }, 20_261_120));
        assert!(is_new(&first, 20_261_121));
        assert!(is_new(&Trade { exchange: 5, ..first }, 20_261_120));
        assert!(is_new(&Trade { trf_id: 201, ..first }, 20_261_120));
        assert!(is_new(&Trade { symbol: 2, ..first }, 20_261_120));
        assert!(is_new(&trade(1, "52983525027889"), 20_261_120));
    }

    #[test]
    fn without_an_id_it_is_all_numbers() {
        let mut seen = Seen::default();
        let mut is_new = |trade: &Trade| seen.is_new(Identity::of(trade, 20_261_120));
        let first = trade(1, "");
        assert!(is_new(&first));
        assert!(!is_new(&first));
        assert!(is_new(&Trade { ts_event: 1, ..first }));
        assert!(is_new(&Trade { sequence: 1, ..first }));
        assert!(is_new(&Trade { price_e8: 6, ..first }));
        assert!(is_new(&Trade { size_e8: 8, ..first }));
    }

    #[test]
    fn the_last_sixteenth_is_known() {
        let mut seen = Seen::default();
        let all = (LINES * WAYS * 2) as u32;
        let identity = |n: u32| Identity::of(&trade(n, &n.to_string()), 1);
        assert!((0..all).all(|n| seen.is_new(identity(n))));
        let known = |last: usize| {
            let place = |identity: Identity| &seen.lines[seen.place(identity)].0;
            (all - last as u32..all).filter(|&n| place(identity(n)).contains(&identity(n).0)).count()
        };
        assert_eq!(known(LINES / 2), LINES / 2);
        assert!(known(LINES * 4) > LINES * 4 * 98 / 100);
    }
}
