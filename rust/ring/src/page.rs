//! Bar pages: series of fixed-size cells in pages of 32 from one pool that never grows.
//!
//! ```text
//! pool:   blocks of 256 pages of 32 cells: | cell 0 of page 0 | cell 0 of page 1 | ... | cell 1 of page 0 | ...
//! chain:  | sequence | count | first | touched | page number + 1 of each of its places |      to whole cache lines
//! ```
//! A chain is one series of one symbol. Cell n of a chain lies in place (n / 32) % places, cell n % 32 of the page there.
//! Bars of many symbols end together, so those of one block lie together. `count` cells were ever appended and those before
//! `first` are gone. A chain gets a page when it needs one, reuses its oldest once all its places are filled, and when the
//! pool is empty the oldest page of the coldest row's longest chain is taken away and counted. `touched` is the writer's own
//! count of appends at the last one. One sequence number covers
//! the whole chain, as in [`crate::latest`].

use crate::sync::{Ordering, fence};
use crate::{Words, prefetch, wait};

/// Cells of one page. Small where every order of events is tried.
pub const PAGE: u64 = if cfg!(loom) { 2 } else { 32 };

/// Pages of one block of the pool.
const BLOCK: usize = if cfg!(loom) { 2 } else { 256 };

/// One series of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainId {
    series: u32,
    row: u32,
}

impl ChainId {
    /// The chain of a series and a row.
    #[inline]
    pub fn of(series: usize, row: usize) -> Self {
        Self { series: series as u32, row: row as u32 }
    }
}

const SEQUENCE: usize = 0;
const COUNT: usize = 1;
const FIRST: usize = 2;
const TOUCHED: usize = 3;
const PLACES: usize = 4;

/// Words of a cache line.
const LINE: usize = 8;

/// Rows whose memory is asked for together.
const ROWS: usize = 256;

/// Cold rows that one look at all of them finds.
const COLD: usize = 256;

/// One kind of series: how many cells each of its chains keeps.
#[derive(Clone, Copy)]
struct Series {
    first_word: usize,
    stride: usize,
    places: usize,
}

impl Series {
    const fn places(keep: usize) -> usize {
        keep.div_ceil(PAGE as usize) + 1
    }

    const fn stride(keep: usize) -> usize {
        (PLACES + Self::places(keep)).next_multiple_of(LINE)
    }
}

/// Blocks of a pool of so many pages.
const fn blocks(pages: usize) -> usize {
    if pages < 2 { 1 } else { pages.div_ceil(BLOCK) }
}

/// What readers share with the writer.
#[derive(Clone)]
struct Shared {
    pages: Words,
    /// How many pages that is.
    count: usize,
    chains: Words,
    series: Vec<Series>,
    cell: usize,
}

/// The pool and its chains. [`BarPages::reader`] gives handles for reading; this one writes.
pub struct BarPages {
    shared: Shared,
    free: Vec<u32>,
    /// Runs of cells side by side, by their place in the pool, that have been touched or asked for.
    warm: Vec<bool>,
    rows: usize,
    /// Appends so far.
    appends: u64,
    /// The coldest rows when all were looked at last, the coldest at the end, each with its last append.
    cold: Vec<(u64, u32)>,
    recycled: u64,
}

/// A reader of chains, from any thread.
#[derive(Clone)]
pub struct BarReader(Shared);

impl BarPages {
    /// A pool of `pages` pages in memory of its own; series `i` keeps at least `retention[i]` cells for each of `rows`
    /// symbols.
    pub fn new(pages: usize, cell: usize, rows: usize, retention: &[usize]) -> Self {
        let (pool, chains) = Self::len(pages, cell, rows, retention);
        Self::over((Words::zeroed(pool), Words::zeroed(chains)), pages, cell, rows, retention)
    }

    /// Words that the pages and the chains of such a pool take.
    pub fn len(pages: usize, cell: usize, rows: usize, retention: &[usize]) -> (usize, usize) {
        let chains = retention.iter().map(|&keep| rows * Series::stride(keep)).sum();
        (blocks(pages) * BLOCK * PAGE as usize * cell, chains)
    }

    /// The same pool over as many words, which are zero.
    pub fn over((pool, chains): (Words, Words), pages: usize, cell: usize, rows: usize, retention: &[usize]) -> Self {
        let BarReader(shared) = BarReader::over((pool, chains), cell, rows, retention);
        let free = (0..pages.max(2) as u32).rev().collect();
        let warm = vec![false; blocks(pages) * PAGE as usize];
        Self { shared, free, warm, rows, appends: 0, cold: Vec::with_capacity(COLD), recycled: 0 }
    }

    /// A row that will be used from now on; those near it have their memory asked for with it.
    pub fn introduce(&self, row: usize) {
        if row.is_multiple_of(ROWS) {
            for series in &self.shared.series {
                let rows = ROWS.min(self.rows - row);
                self.shared.chains.warm(series.first_word + row * series.stride, rows * series.stride);
            }
        }
    }

    /// Asks for the head of a chain, for a writer who will append to it soon.
    #[inline]
    pub fn fetch_head(&self, chain: ChainId) {
        prefetch(self.shared.chains.word(self.shared.place(chain).0));
    }

    /// Asks for the cells of a chain that an append looks at and fills; better once its head has come.
    #[inline]
    pub fn fetch_cells(&self, chain: ChainId) {
        let count = self.count(chain);
        for number in [count.saturating_sub(1), count] {
            let Some(at) = self.shared.cell_at(chain, number) else { continue };
            for line in (0..self.shared.cell).step_by(LINE) {
                prefetch(self.shared.pages.word(at + line));
            }
        }
    }

    /// The chain of a series and a row.
    #[inline]
    pub fn chain(&self, series: usize, row: usize) -> ChainId {
        ChainId::of(series, row)
    }

    /// A reader.
    pub fn reader(&self) -> BarReader {
        BarReader(self.shared.clone())
    }

    /// Pages taken from cold chains because the pool was empty.
    pub fn recycled(&self) -> u64 {
        self.recycled
    }

    /// Number of cells ever appended to a chain.
    #[inline]
    pub fn count(&self, chain: ChainId) -> u64 {
        self.shared.header(chain, COUNT)
    }

    /// Number of the oldest cell still held.
    #[inline]
    pub fn first(&self, chain: ChainId) -> u64 {
        self.shared.header(chain, FIRST)
    }

    /// Appends a cell.
    pub fn append(&mut self, chain: ChainId, cell: &[u64]) {
        let number = self.make_room(chain);
        self.write(chain, |shared| {
            shared.put(chain, number, cell);
            shared.set_count(chain, number + 1);
        });
    }

    /// Sees to a place for the next cell of a chain, whose number it gives. Readers may see that the oldest are gone.
    #[inline]
    fn make_room(&mut self, chain: ChainId) -> u64 {
        let (base, places) = self.shared.place(chain);
        self.appends += 1;
        self.shared.chains.word(base + TOUCHED).store(self.appends, Ordering::Relaxed);
        let number = self.count(chain);
        if number.is_multiple_of(PAGE) {
            let at = base + PLACES + (number / PAGE) as usize % places;
            let held = self.shared.chains.word(at).load(Ordering::Relaxed);
            // A chain whose places are all filled reuses its oldest page.
            let page = if held == 0 { u64::from(self.take_page(chain)) + 1 } else { held };
            self.write(chain, |shared| {
                shared.chains.word(at).store(page, Ordering::Relaxed);
                let kept = (places as u64 - 1) * PAGE;
                let first = shared.chains.word(base + FIRST);
                let oldest = first.load(Ordering::Relaxed).max(number.saturating_sub(kept));
                first.store(oldest, Ordering::Relaxed);
            });
        }
        let page = self.shared.chains.word(base + PLACES + (number / PAGE) as usize % places).load(Ordering::Relaxed);
        self.warm(page as usize - 1, (number % PAGE) as usize);
        number
    }

    /// Replaces a cell that is still held.
    #[inline]
    pub fn replace(&mut self, chain: ChainId, number: u64, cell: &[u64]) {
        debug_assert!(number >= self.first(chain) && number < self.count(chain));
        self.write(chain, |shared| shared.put(chain, number, cell));
    }

    /// Inserts a cell before cell `number`, shifting the later ones; for the rare bar that comes late. Where the chain has
    /// to give up that place to hold one more, nothing is inserted.
    pub fn insert(&mut self, chain: ChainId, number: u64, cell: &[u64]) {
        let count = self.count(chain);
        if number >= count {
            return self.append(chain, cell);
        }
        self.make_room(chain);
        if number < self.first(chain) {
            return;
        }
        let mut moved = vec![0; self.shared.cell];
        self.write(chain, |shared| {
            for at in (number..count).rev() {
                shared.get(chain, at, &mut moved);
                shared.put(chain, at + 1, &moved);
            }
            shared.put(chain, number, cell);
            shared.set_count(chain, count + 1);
        });
    }

    /// One word of a cell that is held, as the writer sees it.
    #[inline]
    pub fn word(&self, chain: ChainId, number: u64, at: usize) -> u64 {
        debug_assert!(at < self.shared.cell);
        self.shared.cell_at(chain, number).map_or(0, |cell| self.shared.pages.word(cell + at).load(Ordering::Relaxed))
    }

    /// The writer's own look at a cell that is held.
    #[inline]
    pub fn get(&self, chain: ChainId, number: u64, into: &mut [u64]) {
        self.shared.get(chain, number, into);
    }

    /// A page for `chain`: a free one, else the oldest page of the longest chain of the coldest row that has one.
    fn take_page(&mut self, chain: ChainId) -> u32 {
        if let Some(page) = self.free.pop() {
            return page;
        }
        while let Some(row) = self.coldest(chain) {
            if let Some(page) = self.longest(row, chain).and_then(|longest| self.strip(longest)) {
                self.recycled += 1;
                return page;
            }
            self.cold.pop();
        }
        // Only this chain holds pages: give up its own oldest.
        let page = self.strip(chain);
        debug_assert!(page.is_some(), "a pool of two pages has one to give");
        self.recycled += 1;
        page.unwrap_or_default()
    }

    /// A row whose last append lies further back than those of others; `None` if none has a page to give to `chain`.
    fn coldest(&mut self, chain: ChainId) -> Option<u32> {
        loop {
            while let Some(&(touched, row)) = self.cold.last() {
                // One that was appended to since the look is cold no more; one with more pages gives again.
                if self.touched(row) == touched && self.longest(row, chain).is_some() {
                    return Some(row);
                }
                self.cold.pop();
            }
            let holders = (0..self.rows as u32).filter(|&row| self.longest(row, chain).is_some());
            let mut found: Vec<(u64, u32)> = holders.map(|row| (self.touched(row), row)).collect();
            if found.is_empty() {
                return None;
            }
            if found.len() > COLD {
                found.select_nth_unstable(COLD - 1);
                found.truncate(COLD);
            }
            found.sort_unstable_by(|a, b| b.cmp(a));
            self.cold = found;
        }
    }

    fn chains_of(&self, row: u32) -> impl Iterator<Item = ChainId> {
        (0..self.shared.series.len()).map(move |series| ChainId::of(series, row as usize))
    }

    /// The last append to any chain of a row.
    fn touched(&self, row: u32) -> u64 {
        self.chains_of(row).map(|chain| self.shared.header(chain, TOUCHED)).max().unwrap_or_default()
    }

    /// Asks for the memory of a page's cell and its neighbours, unless that was done.
    #[inline]
    fn warm(&mut self, page: usize, number: usize) {
        let run = page / BLOCK * PAGE as usize + number;
        if !std::mem::replace(&mut self.warm[run], true) {
            let words = BLOCK * self.shared.cell;
            self.shared.pages.warm(run * words, words);
        }
    }

    /// The chain of a row that holds the most cells, if it holds any; not `except`.
    fn longest(&self, row: u32, except: ChainId) -> Option<ChainId> {
        let chains = self.chains_of(row);
        let held = |&chain: &ChainId| self.count(chain).saturating_sub(self.first(chain));
        chains.filter(|&chain| chain != except && held(&chain) > 0).max_by_key(held)
    }

    /// Takes a chain's oldest page away, if it holds one.
    fn strip(&mut self, chain: ChainId) -> Option<u32> {
        let (base, places) = self.shared.place(chain);
        let first = self.first(chain);
        let count = self.count(chain);
        if first >= count {
            return None;
        }
        let at = base + PLACES + (first / PAGE) as usize % places;
        let held = self.shared.chains.word(at).load(Ordering::Relaxed);
        if held == 0 {
            return None;
        }
        let next = ((first / PAGE + 1) * PAGE).min(count);
        self.write(chain, |shared| {
            shared.chains.word(at).store(0, Ordering::Relaxed);
            shared.chains.word(base + FIRST).store(next, Ordering::Relaxed);
            if next == count {
                // Nothing is left; the next cell starts a fresh page.
                let fresh = count.next_multiple_of(PAGE);
                shared.chains.word(base + FIRST).store(fresh, Ordering::Relaxed);
                shared.chains.word(base + COUNT).store(fresh, Ordering::Relaxed);
            }
        });
        Some((held - 1) as u32)
    }

    /// Changes a chain between an odd and an even sequence; see [`crate::latest::Latest::write`].
    #[inline]
    fn write(&self, chain: ChainId, change: impl FnOnce(&Shared)) {
        let (base, _) = self.shared.place(chain);
        let sequence = self.shared.chains.word(base + SEQUENCE);
        let before = sequence.load(Ordering::Relaxed);
        sequence.store(before.wrapping_add(1), Ordering::Relaxed);
        // ORDERING: Release fence; pairs with the Acquire fence of the reader.
        fence(Ordering::Release);
        change(&self.shared);
        // ORDERING: Release; pairs with the Acquire load of the reader.
        sequence.store(before.wrapping_add(2), Ordering::Release);
    }
}

impl BarReader {
    /// A reader of a pool that somebody else writes, see [`BarPages::len`].
    pub fn over((pages, chains): (Words, Words), cell: usize, rows: usize, retention: &[usize]) -> Self {
        let mut first_word = 0;
        let series = retention.iter().map(|&keep| {
            let series = Series { first_word, stride: Series::stride(keep), places: Series::places(keep) };
            first_word += rows * series.stride;
            series
        });
        let count = pages.len() / (cell * PAGE as usize);
        Self(Shared { series: series.collect(), pages, count, chains, cell })
    }

    /// Appends the newest `most` cells of a chain to `out`, oldest first, as one moment; gives their number,
    /// or `None` if the writer stayed inside for a tenth of a second.
    pub fn read(&self, chain: ChainId, most: usize, out: &mut Vec<u64>) -> Option<usize> {
        let shared = &self.0;
        let (base, _) = shared.place(chain);
        let sequence = shared.chains.word(base + SEQUENCE);
        let start = out.len();
        let mut looks = 0;
        loop {
            // ORDERING: Acquire; pairs with the final Release of the writer.
            let before = sequence.load(Ordering::Acquire);
            if before.is_multiple_of(2) {
                let count = shared.header(chain, COUNT);
                let first = shared.header(chain, FIRST).max(count.saturating_sub(most as u64));
                let held = count.saturating_sub(first) as usize;
                // A torn count may be anything; never believe more than the chain has places for.
                if held <= shared.capacity(chain) {
                    out.resize(start + held * shared.cell, 0);
                    for (number, into) in (first..count).zip(out[start..].chunks_exact_mut(shared.cell)) {
                        shared.get(chain, number, into);
                    }
                    // ORDERING: Acquire fence; the copies stay before the second look.
                    fence(Ordering::Acquire);
                    if sequence.load(Ordering::Relaxed) == before {
                        return Some(held);
                    }
                }
                out.truncate(start);
            }
            if !wait(&mut looks) {
                return None;
            }
        }
    }
}

impl Shared {
    /// First word of a chain and its number of places.
    #[inline]
    fn place(&self, chain: ChainId) -> (usize, usize) {
        let series = self.series[chain.series as usize];
        (series.first_word + chain.row as usize * series.stride, series.places)
    }

    fn capacity(&self, chain: ChainId) -> usize {
        self.place(chain).1 * PAGE as usize
    }

    #[inline]
    fn header(&self, chain: ChainId, which: usize) -> u64 {
        self.chains.word(self.place(chain).0 + which).load(Ordering::Relaxed)
    }

    #[inline]
    fn set_count(&self, chain: ChainId, count: u64) {
        self.chains.word(self.place(chain).0 + COUNT).store(count, Ordering::Relaxed);
    }

    /// First word of a cell, or `None` where the chain has no page for it.
    #[inline]
    fn cell_at(&self, chain: ChainId, number: u64) -> Option<usize> {
        let (base, places) = self.place(chain);
        let held = self.chains.word(base + PLACES + (number / PAGE) as usize % places).load(Ordering::Relaxed);
        let page = held.checked_sub(1)? as usize;
        // A page that is not of the pool is that of a file which none of ours has written.
        (page < self.count).then(|| cell_of(page, (number % PAGE) as usize) * self.cell)
    }

    #[inline]
    fn put(&self, chain: ChainId, number: u64, cell: &[u64]) {
        if let Some(at) = self.cell_at(chain, number) {
            self.pages.put(at, cell);
        }
    }

    #[inline]
    fn get(&self, chain: ChainId, number: u64, into: &mut [u64]) {
        match self.cell_at(chain, number) {
            Some(at) => self.pages.get(at, into),
            None => into.fill(0),
        }
    }
}

/// Place of a page's cell in the pool, counted in cells.
#[inline]
const fn cell_of(page: usize, number: usize) -> usize {
    let (block, page) = (page / BLOCK, page % BLOCK);
    (block * PAGE as usize + number) * BLOCK + page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(pages: &BarPages, chain: ChainId, most: usize) -> Vec<u64> {
        let mut out = Vec::new();
        assert!(pages.reader().read(chain, most, &mut out).is_some());
        out
    }

    #[test]
    fn keeps_at_least_the_retention() {
        let mut pages = BarPages::new(100, 1, 2, &[40, 10]);
        let chain = pages.chain(0, 1);
        for value in 0..1_000u64 {
            pages.append(chain, &[value]);
            let want: Vec<u64> = ((value + 1).saturating_sub(40)..=value).collect();
            assert_eq!(cells(&pages, chain, 40), want);
        }
        assert_eq!(pages.recycled(), 0);
        assert!(cells(&pages, pages.chain(1, 1), 9).is_empty());
    }

    #[test]
    fn an_empty_pool_takes_from_the_coldest() {
        let mut pages = BarPages::new(2, 1, 3, &[64]);
        let chains: Vec<ChainId> = (0..3).map(|row| pages.chain(0, row)).collect();
        for value in 0..20 {
            pages.append(chains[0], &[value]);
            pages.append(chains[1], &[100 + value]);
        }
        pages.append(chains[0], &[20]);
        pages.append(chains[2], &[200]);
        assert_eq!(pages.recycled(), 1);
        assert_eq!(cells(&pages, chains[1], 64), [0u64; 0]);
        assert_eq!(cells(&pages, chains[0], 3), [18, 19, 20]);
        assert_eq!(cells(&pages, chains[2], 3), [200]);
        pages.append(chains[1], &[120]);
        assert_eq!(cells(&pages, chains[1], 64), [120]);
    }

    #[test]
    fn a_dead_row_gives_before_the_long_history_of_a_hot_one() {
        let mut pages = BarPages::new(4, 1, 2, &[64, 64]);
        let (fast, slow, dead) = (pages.chain(0, 0), pages.chain(1, 0), pages.chain(0, 1));
        pages.append(slow, &[1]);
        pages.append(dead, &[2]);
        for value in 0..96 {
            pages.append(fast, &[value]);
        }
        assert_eq!(pages.recycled(), 1);
        assert_eq!(cells(&pages, dead, 64), [0u64; 0]);
        assert_eq!(cells(&pages, slow, 64), [1]);
    }

    #[test]
    fn the_coldest_give_whoever_they_are() {
        // The oracle is a list of rows by their last append; more rows than one look at all of them finds.
        const ROWS: usize = 2 * COLD;
        let mut pages = BarPages::new(ROWS, 1, ROWS, &[32 * 32]);
        let chains: Vec<ChainId> = (0..ROWS).map(|row| pages.chain(0, row)).collect();
        let mut by_age: Vec<usize> = Vec::new();
        let mut random = 7_usize;
        let touch = |pages: &mut BarPages, by_age: &mut Vec<usize>, row: usize| {
            by_age.retain(|&other| other != row);
            by_age.push(row);
            pages.append(chains[row], &[row as u64]);
        };
        for row in 0..ROWS {
            touch(&mut pages, &mut by_age, row);
        }
        for round in 1..=1_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Thirty-two more of one row: a page that only the coldest other row can give.
            let row = (random >> 33) % ROWS;
            let gives = by_age
                .iter()
                .copied()
                .find(|&other| other != row && pages.count(chains[other]) > pages.first(chains[other]));
            let before = (pages.recycled(), gives.map(|row| pages.first(chains[row])));
            while pages.recycled() == before.0 {
                touch(&mut pages, &mut by_age, row);
            }
            assert_eq!(pages.recycled(), before.0 + 1);
            assert!(
                gives.map(|row| pages.first(chains[row])) > before.1 || gives.is_none(),
                "round {round}: {gives:?}"
            );
        }
    }

    #[test]
    fn inserts_in_the_middle() {
        let mut pages = BarPages::new(8, 1, 1, &[64]);
        let chain = pages.chain(0, 0);
        for value in 0..63 {
            pages.append(chain, &[value * 10]);
        }
        pages.insert(chain, 5, &[45]);
        let got = cells(&pages, chain, 64);
        assert_eq!(&got[3..8], [30, 40, 45, 50, 60]);
        assert_eq!(got.len(), 64);
        assert_eq!(got.last(), Some(&620));
    }

    #[test]
    fn inserts_are_those_of_a_list_that_forgets_its_oldest() {
        let mut pages = BarPages::new(8, 1, 1, &[64]);
        let chain = pages.chain(0, 0);
        let (mut list, mut random): (Vec<u64>, u64) = (Vec::new(), 7);
        for value in 1..=1_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (first, count) = (pages.first(chain), pages.count(chain));
            let number = if value < 20 { count } else { count - (random >> 33) % (count - first + 1) };
            pages.insert(chain, number, &[value]);
            let place = list.len() - (count - number) as usize;
            let dropped = pages.count(chain) == count;
            assert_eq!(dropped, number < pages.first(chain));
            if !dropped {
                list.insert(place, value);
            }
            let held = pages.count(chain) - pages.first(chain);
            assert!(value <= 64 || held >= 64);
            assert_eq!(cells(&pages, chain, 1_000), list[list.len() - held as usize..]);
        }
    }
}
