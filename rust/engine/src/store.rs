//! Where readers look: one block of words, private or a file's, laid out in one way.
//!
//! ```text
//! page 0      magic | version | digest | generation | words | pid | started | state | heartbeat | ... | sizes | series
//! symbols     count | ... | name 0: venue and length, 64 bytes | name 1 | ...
//! windows     count | lengths in ns, by their places in a row
//! columns     count | ... | name 0: length, 64 bytes | name 1 | ...
//! derived     the same, by their words in a row
//! values      column 0: a double a symbol | column 1 | ...
//! counters    one row: `Stats::NUMBERS`
//! clock       a row a venue: engine time, watermark, date, receive time, lag
//! latest      a row a symbol: `Row`, a `WindowRow` for each place, a double for each derived field
//! own pages, own chains, venue pages, venue chains
//! rings       trades, quotes, bars, venue bars, marks, signals, then the plain kinds
//! ```
//! Each part begins at a page. What it looks like inside stands at the head of its file in `ring`. The header is written
//! once, its magic last; lists only grow, their counts last. Whatever changes here or in a record changes the digest or
//! needs another [`VERSION`].

use ringtape_model::row::{ROW_WORDS, WINDOW_WORDS};
use ringtape_model::units::Nanos;
use ringtape_model::{Bar, Column, FieldRef, Kind, Mark, Quote, Record, SYMBOL_MAX, Signal, Trade, Venue, VenueBar};
use ringtape_ring::{BarPages, BarReader, Columns, EventRing, Latest, PAGE_WORDS, Words};

use crate::bar::{BarSpec, CELL_WORDS};
use crate::pipeline::{Config, Rings, Series};
use crate::stats::Stats;

/// "RINGTAPE" as a word.
const MAGIC: u64 = u64::from_le_bytes(*b"RINGTAPE");
/// Changed with every layout that the digest does not tell apart, such as the order of a row's words.
const VERSION: u64 = 1;

/// Words of the header.
mod at {
    pub(super) const MAGIC: usize = 0;
    pub(super) const VERSION: usize = 1;
    pub(super) const DIGEST: usize = 2;
    pub(super) const GENERATION: usize = 3;
    pub(super) const WORDS: usize = 4;
    pub(super) const PID: usize = 5;
    pub(super) const STARTED: usize = 6;
    pub(super) const STATE: usize = 7;
    /// On a cache line of its own.
    pub(super) const HEARTBEAT: usize = 8;
    pub(super) const SIZES: usize = 16;
    pub(super) const SERIES: usize = 24;
}

/// What the state of a block says: its writer has ended as it should.
const ENDED: u64 = 1;
/// Most series of bars.
pub(crate) const SERIES_MAX: usize = 32;
/// Records kept in each ring of a plain kind, if the other rings are not smaller.
const PLAIN_RING: usize = 4_096;
/// Words of a row of the clock.
pub(crate) const CLOCK_WORDS: usize = 5;
/// Words of a name: what it is, then 64 bytes.
const NAME_WORDS: usize = 1 + SYMBOL_MAX / 8;
/// Words before the names of a list, the first of them their count.
const LIST_HEAD: usize = 8;
const HOT: usize = 6;
const PARTS: usize = 13 + HOT + Kind::PLAIN.len();

/// What decides the size of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Most symbols.
    pub max_symbols: usize,
    /// Most windows.
    pub max_windows: usize,
    /// Most live columns.
    pub max_columns: usize,
    /// Most derived fields.
    pub max_fields: usize,
    /// Most bars of our own, and as many of the venues'.
    pub max_bars: usize,
    /// Records kept in each event ring.
    pub ring_size: usize,
    /// Series of bars.
    pub series: Vec<Series>,
}

impl Sizes {
    /// The sizes of a configuration with its series, which are checked elsewhere.
    pub(crate) fn of(config: &Config, series: Vec<Series>) -> Self {
        Self {
            max_symbols: config.max_symbols,
            max_windows: config.max_windows.min(64),
            max_columns: config.max_columns.min(64),
            max_fields: config.max_fields.min(64),
            max_bars: config.max_bars,
            ring_size: config.ring_size,
            series,
        }
    }

    /// True where all are within limits that keep the products of a layout far inside a word.
    fn are_sound(&self) -> bool {
        let is_series = |series: &Series| series.spec.is_sound() && (1..=1 << 20).contains(&series.retention);
        (1..=4_000_000).contains(&self.max_symbols)
            && self.max_windows <= 64
            && self.max_columns <= 64
            && self.max_fields <= 64
            && (1..=1 << 31).contains(&self.max_bars)
            && (1..=1 << 26).contains(&self.ring_size)
            && self.series.len() <= SERIES_MAX
            && self.series.iter().all(is_series)
    }

    /// Words of a block of these sizes.
    pub fn words(&self) -> usize {
        Words::parts_len(&self.lens()).unwrap_or(usize::MAX)
    }

    fn pages(&self) -> usize {
        self.max_bars.div_ceil(32)
    }

    fn keep(&self) -> Vec<usize> {
        self.series.iter().map(|series| series.retention).collect()
    }

    pub(crate) fn row_words(&self) -> usize {
        self.derived_at() + self.max_fields
    }

    /// First word of the derived fields in a row.
    pub(crate) fn derived_at(&self) -> usize {
        ROW_WORDS + self.max_windows * WINDOW_WORDS
    }

    fn lens(&self) -> [usize; PARTS] {
        let (pages, keep) = (self.pages(), self.keep());
        let (own, own_chains) = BarPages::len(pages, CELL_WORDS, self.max_symbols, &keep);
        let (venue, venue_chains) = BarPages::len(pages, Bar::WORDS, self.max_symbols, &keep);
        let fixed = [
            PAGE_WORDS,
            LIST_HEAD + self.max_symbols * NAME_WORDS,
            LIST_HEAD + self.max_windows,
            LIST_HEAD + self.max_columns * NAME_WORDS,
            LIST_HEAD + self.max_fields * NAME_WORDS,
            self.max_columns * self.max_symbols,
            Latest::len(1, Stats::NUMBERS.len()),
            Latest::len(Venue::COUNT, CLOCK_WORDS),
            Latest::len(self.max_symbols, self.row_words()),
            own,
            own_chains,
            venue,
            venue_chains,
        ];
        let mut lens = [0; PARTS];
        let rings = self.rings().map(|(size, record)| EventRing::len(size, record));
        for (len, given) in lens.iter_mut().zip(fixed.into_iter().chain(rings)) {
            *len = given;
        }
        lens
    }

    /// Size and words of a record of each ring.
    fn rings(&self) -> [(usize, usize); HOT + Kind::PLAIN.len()] {
        let hot = [Trade::WORDS, Quote::WORDS, Bar::WORDS, VenueBar::WORDS, Mark::WORDS, Signal::WORDS];
        std::array::from_fn(|at| match hot.get(at) {
            Some(&words) => (self.ring_size, words),
            None => (self.ring_size.min(PLAIN_RING), Kind::PLAIN[at - HOT].words()),
        })
    }

    /// The words by which a header says them.
    fn put(&self, header: &Words) {
        let sizes =
            [self.max_symbols, self.max_windows, self.max_columns, self.max_fields, self.max_bars, self.ring_size];
        header.store(at::SIZES, &sizes.map(|size| size as u64));
        header.store(at::SIZES + 6, &[self.series.len() as u64]);
        for (place, series) in self.series.iter().enumerate() {
            let [kind, low, high] = series.spec.to_words();
            header.store(at::SERIES + 4 * place, &[kind, low, high, series.retention as u64]);
        }
    }

    fn get(header: &Words) -> Option<Self> {
        let number = |at| usize::try_from(header.load(at)).ok();
        let count = number(at::SIZES + 6).filter(|&count| count <= SERIES_MAX)?;
        let series = |place: usize| {
            let spec = BarSpec::from_words([0, 1, 2].map(|word| header.load(at::SERIES + 4 * place + word)))?;
            Some(Series { spec, retention: number(at::SERIES + 4 * place + 3)? })
        };
        let sizes = Self {
            max_symbols: number(at::SIZES)?,
            max_windows: number(at::SIZES + 1)?,
            max_columns: number(at::SIZES + 2)?,
            max_fields: number(at::SIZES + 3)?,
            max_bars: number(at::SIZES + 4)?,
            ring_size: number(at::SIZES + 5)?,
            series: (0..count).map(series).collect::<Option<_>>()?,
        };
        sizes.are_sound().then_some(sizes)
    }
}

/// Tells layouts apart by what is in their records.
fn digest() -> u64 {
    let mut all = 0xCBF2_9CE4_8422_2325_u64;
    let mut take = |bytes: &[u8]| {
        for &byte in bytes.iter().chain(b"\0") {
            all = (all ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
        }
    };
    let hot = [Trade::COLUMNS, Quote::COLUMNS, Bar::COLUMNS, VenueBar::COLUMNS, Mark::COLUMNS, Signal::COLUMNS];
    let columns = hot.into_iter().chain(Kind::PLAIN.iter().map(|kind| kind.columns())).flatten();
    for &Column { name, dtype, offset, count } in columns {
        take(name.as_bytes());
        take(dtype.as_bytes());
        take(&offset.to_le_bytes());
        take(&count.to_le_bytes());
    }
    for name in Stats::NUMBERS {
        take(name.as_bytes());
    }
    for words in [ROW_WORDS, WINDOW_WORDS, CELL_WORDS, Venue::COUNT] {
        take(&words.to_le_bytes());
    }
    all
}

/// Who writes a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Writer {
    /// Its process.
    pub pid: u32,
    /// When that process was started, in a unit of the system's; tells a process from a later one of the same number.
    pub started: u64,
    /// Tells blocks of one name apart.
    pub generation: u64,
}

/// Why a block is none that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Not a block of ours, or one whose making was not finished.
    Foreign,
    /// Another version or other records: version and digest that were found and those that are understood.
    Layout {
        /// Of the block.
        found: (u64, u64),
        /// Of this library.
        known: (u64, u64),
    },
    /// Sizes that no engine has.
    Sizes,
    /// The block has another length than its sizes say: words that are there, words that should be.
    Length(usize, usize),
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Foreign => write!(f, "not shared memory of ringtape, or not finished"),
            Self::Layout { found, known } => {
                write!(f, "layout {}/{:016x}, and this version reads {}/{:016x}", found.0, found.1, known.0, known.1)
            }
            Self::Sizes => write!(f, "sizes that no engine has"),
            Self::Length(found, wanted) => {
                write!(f, "{} bytes, and its sizes say {}", found.saturating_mul(8), wanted.saturating_mul(8))
            }
        }
    }
}

impl std::error::Error for OpenError {}

/// The header of a block.
#[derive(Clone)]
pub struct Header(Words);

impl Header {
    fn write(&self, sizes: &Sizes, writer: Writer) {
        let Self(words) = self;
        words.store(at::VERSION, &[VERSION, digest(), writer.generation, sizes.words() as u64]);
        words.store(at::PID, &[u64::from(writer.pid), writer.started, 0, 0]);
        sizes.put(words);
        words.release(at::MAGIC, MAGIC);
    }

    fn read(words: &Words) -> Result<Sizes, OpenError> {
        if words.len() < PAGE_WORDS || words.acquire(at::MAGIC) != MAGIC {
            return Err(OpenError::Foreign);
        }
        let (found, known) = ((words.load(at::VERSION), words.load(at::DIGEST)), (VERSION, digest()));
        if found != known {
            return Err(OpenError::Layout { found, known });
        }
        let sizes = Sizes::get(words).ok_or(OpenError::Sizes)?;
        let wanted = sizes.words();
        if wanted != words.len() || words.load(at::WORDS) != wanted as u64 {
            return Err(OpenError::Length(words.len(), wanted));
        }
        Ok(sizes)
    }

    /// Who writes it.
    pub fn writer(&self) -> Writer {
        Writer {
            pid: self.0.load(at::PID) as u32,
            started: self.0.load(at::STARTED),
            generation: self.0.load(at::GENERATION),
        }
    }

    /// True once the writer has ended as it should.
    pub fn has_ended(&self) -> bool {
        self.0.acquire(at::STATE) == ENDED
    }

    /// Says so. Single writer only.
    pub fn end(&self) {
        self.0.release(at::STATE, ENDED);
    }

    /// When the writer said last that it lives, in ns of a clock that never steps.
    pub fn heartbeat(&self) -> u64 {
        self.0.load(at::HEARTBEAT)
    }

    /// Says that the writer lives.
    pub fn beat(&self, now: u64) {
        self.0.store(at::HEARTBEAT, &[now]);
    }
}

/// Lists of names that only grow: symbols, windows, columns, derived fields.
#[derive(Clone)]
pub(crate) struct Directory {
    symbols: Words,
    windows: Words,
    columns: Words,
    derived: Words,
}

/// What a directory holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) symbols: usize,
    pub(crate) windows: usize,
    pub(crate) columns: usize,
    pub(crate) derived: usize,
}

impl Directory {
    /// How much there is to read. A file of nobody's may claim anything; no list is longer than its words.
    #[inline]
    pub(crate) fn counts(&self) -> Counts {
        let names = |list: &Words| (list.acquire(0) as usize).min((list.len() - LIST_HEAD) / NAME_WORDS);
        Counts {
            symbols: names(&self.symbols),
            windows: (self.windows.acquire(0) as usize).min(self.windows.len() - LIST_HEAD),
            columns: names(&self.columns),
            derived: names(&self.derived),
        }
    }

    #[inline]
    pub(crate) fn symbol_count(&self) -> usize {
        self.symbols.acquire(0) as usize
    }

    pub(crate) fn add_symbol(&self, venue: Venue, name: &str) {
        add(&self.symbols, name, venue as u64);
    }

    pub(crate) fn symbol(&self, place: usize) -> Option<(Venue, String)> {
        let (name, venue) = name(&self.symbols, place)?;
        Some((Venue::from_code(venue)?, name))
    }

    pub(crate) fn add_window(&self, length: Nanos) {
        let count = self.windows.load(0);
        self.windows.store(LIST_HEAD + count as usize, &[length as u64]);
        self.windows.release(0, count + 1);
    }

    pub(crate) fn window(&self, place: usize) -> Nanos {
        self.windows.load(LIST_HEAD + place) as Nanos
    }

    pub(crate) fn add_column(&self, field: &str) {
        add(&self.columns, field, 0);
    }

    pub(crate) fn column(&self, place: usize) -> Option<FieldRef> {
        field(&self.columns, place)
    }

    pub(crate) fn add_derived(&self, field: &str) {
        add(&self.derived, field, 0);
    }

    pub(crate) fn derived(&self, place: usize) -> Option<FieldRef> {
        field(&self.derived, place)
    }
}

/// Appends a name with a byte beside it; the list has room, since whatever is named has.
fn add(list: &Words, name: &str, beside: u64) {
    debug_assert!(name.len() <= SYMBOL_MAX);
    let mut entry = [0; NAME_WORDS];
    entry[0] = beside << 8 | name.len() as u64;
    for (word, bytes) in entry[1..].iter_mut().zip(name.as_bytes().chunks(8)) {
        let mut eight = [0; 8];
        eight[..bytes.len()].copy_from_slice(bytes);
        *word = u64::from_le_bytes(eight);
    }
    let count = list.load(0);
    list.store(LIST_HEAD + count as usize * NAME_WORDS, &entry);
    list.release(0, count + 1);
}

/// A name as a field's text.
fn field(list: &Words, place: usize) -> Option<FieldRef> {
    FieldRef::parse(&name(list, place)?.0).ok()
}

/// A name with the byte beside it.
fn name(list: &Words, place: usize) -> Option<(String, u8)> {
    let mut entry = [0; NAME_WORDS];
    list.copy(LIST_HEAD + place * NAME_WORDS, &mut entry);
    let bytes: Vec<u8> = entry[1..].iter().flat_map(|word| word.to_le_bytes()).collect();
    let name = bytes.get(..(entry[0] & 0xFF) as usize)?;
    Some((String::from_utf8(name.to_vec()).ok()?, (entry[0] >> 8) as u8))
}

/// The parts of a block.
pub(crate) struct Store {
    pub(crate) header: Header,
    pub(crate) directory: Directory,
    /// The values of all columns.
    pub(crate) values: Words,
    pub(crate) counters: Latest,
    pub(crate) rings: Rings,
    own: (Words, Words),
    venue: (Words, Words),
    pub(crate) sizes: Sizes,
}

impl Store {
    /// A block of zeroes becomes that of an engine.
    ///
    /// # Panics
    ///
    /// It has another length than its sizes say.
    pub(crate) fn create(words: &Words, sizes: Sizes, writer: Writer) -> Self {
        assert_eq!(words.len(), sizes.words(), "a block of another size");
        let mut store = Self::over(words, sizes);
        store.rings = store.rings.prepared();
        store.header.write(&store.sizes, writer);
        store
    }

    /// The block of another engine, to be read only.
    pub(crate) fn open(words: &Words) -> Result<Self, OpenError> {
        Ok(Self::over(words, Header::read(words)?))
    }

    fn over(words: &Words, sizes: Sizes) -> Self {
        let parts = words.parts(&sizes.lens());
        let mut rest = parts.into_iter();
        let mut next = || rest.next().unwrap_or_else(|| unreachable!("as many as were cut"));
        let header = Header(next());
        let directory = Directory { symbols: next(), windows: next(), columns: next(), derived: next() };
        let values = next();
        let counters = Latest::over(next(), 1, Stats::NUMBERS.len());
        let clock = Latest::over(next(), Venue::COUNT, CLOCK_WORDS);
        let latest = Latest::over(next(), sizes.max_symbols, sizes.row_words());
        let (own, venue) = ((next(), next()), (next(), next()));
        let mut rings = sizes.rings().into_iter().map(|(size, record)| EventRing::over(next(), size, record));
        let mut ring = || rings.next().unwrap_or_else(|| unreachable!("as many as were cut"));
        let rings = Rings {
            latest,
            clock,
            trades: ring(),
            quotes: ring(),
            bars: ring(),
            venue_bars: ring(),
            marks: ring(),
            signals: ring(),
            plain: Kind::PLAIN.iter().map(|_| ring()).collect(),
        };
        Self { header, directory, values, counters, rings, own, venue, sizes }
    }

    /// The pools of bars, our own and the venues', for their writer.
    pub(crate) fn pages(&self) -> (BarPages, BarPages) {
        let (pages, rows, keep) = (self.sizes.pages(), self.sizes.max_symbols, self.sizes.keep());
        let pool = |words: &(Words, Words), cell| BarPages::over(words.clone(), pages, cell, rows, &keep);
        (pool(&self.own, CELL_WORDS), pool(&self.venue, Bar::WORDS))
    }

    /// The same for readers.
    pub(crate) fn readers(&self) -> (BarReader, BarReader) {
        let (rows, keep) = (self.sizes.max_symbols, self.sizes.keep());
        let pool = |words: &(Words, Words), cell| BarReader::over(words.clone(), cell, rows, &keep);
        (pool(&self.own, CELL_WORDS), pool(&self.venue, Bar::WORDS))
    }

    /// The column at a place, whose values stand there already.
    pub(crate) fn column(&self, place: usize) -> Columns {
        column(&self.values, self.sizes.max_symbols, place)
    }
}

/// The column at a place among the values of all.
pub(crate) fn column(values: &Words, rows: usize, place: usize) -> Columns {
    Columns::over(values.part(place * rows, rows))
}
