//! Reading from any thread: copies out of the rings, never a look into the engine itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use ringtape_model::row::{ROW_WORDS, WINDOW_WORDS};
use ringtape_model::units::{Nanos, PRICE_UNSET, TIME_UNSET};
use ringtape_model::{Bar, FieldRef, Record, Row, SymbolId, SymbolTable, Venue, WindowRow, field};
use ringtape_ring::{BarReader, ChainId, Columns, Latest, Words};

use crate::bar::{CELL_WORDS, Cell};
use crate::pipeline::{Rings, Series};
use crate::stats::{Stats, VenueTime};
use crate::store::{self, CLOCK_WORDS, Counts, Directory, Header, OpenError, Store};

/// Names shared by the engine and its readers; changed only when something is seen or asked for the first time.
pub struct Registry {
    /// Symbols by name and id.
    pub symbols: SymbolTable,
    /// Registered windows, in the order of their places in a row.
    pub windows: Vec<Nanos>,
    /// Live columns.
    pub columns: Vec<(FieldRef, Columns)>,
    /// Derived fields, in the order of their words in a row.
    pub derived: Vec<FieldRef>,
}

impl Registry {
    /// Room for `max_symbols`, nothing known yet.
    pub(crate) fn new(max_symbols: usize) -> Self {
        Self { symbols: SymbolTable::new(max_symbols), windows: Vec::new(), columns: Vec::new(), derived: Vec::new() }
    }

    /// Place of a window; `None` for 0 and for windows that are not registered.
    #[inline]
    pub fn window_slot(&self, window: Nanos) -> Option<usize> {
        if window == 0 { None } else { self.windows.iter().position(|&held| held == window) }
    }
}

/// Where the value of a field is found in what is published of a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In its row alone.
    Row,
    /// In its row and the window of that place.
    Window(usize),
    /// In the word of that place.
    Derived(usize),
}

impl Registry {
    /// Where a field is found; `None` for a window or a derived field that is not registered.
    pub fn source(&self, field: FieldRef) -> Option<Source> {
        if field.field.is_derived() {
            return self.derived.iter().position(|&held| held == field).map(Source::Derived);
        }
        if field.window == 0 { Some(Source::Row) } else { self.window_slot(field.window).map(Source::Window) }
    }
}

/// A whole copy of what is published of a symbol, with the time at which it is read.
pub struct Seen<'a> {
    /// The row.
    pub row: Row,
    /// Engine time of its venue now.
    pub now: Nanos,
    /// How often the row was changed, twice over: rises with every change; 0 for one that never was.
    pub sequence: u64,
    words: &'a [u64],
    derived_at: usize,
}

impl Seen<'_> {
    /// Value of a field, NaN where it is undefined or beyond what was copied.
    #[inline]
    pub fn value(&self, field: FieldRef, source: Source) -> f64 {
        let window = match source {
            Source::Derived(place) => {
                let word = self.words.get(self.derived_at + place).filter(|_| self.sequence > 0);
                return word.map_or(PRICE_UNSET, |&word| f64::from_bits(word));
            }
            Source::Window(slot) if self.sequence > 0 => {
                let at = ROW_WORDS + slot * WINDOW_WORDS;
                self.words.get(at..at + WINDOW_WORDS).map_or(WindowRow::unknown(), from_words)
            }
            _ => WindowRow::empty(),
        };
        field::value(field.field, &self.row, &window, field.window, self.now)
    }
}

/// Words of a row without derived fields and with four windows.
const NEAR_WORDS: usize = ROW_WORDS + 4 * WINDOW_WORDS;
/// Words of the longest row.
const FAR_WORDS: usize = ROW_WORDS + 64 * WINDOW_WORDS + 64;

/// A handle for reading, from any thread.
#[derive(Clone)]
pub struct Reader {
    registry: Arc<RwLock<Registry>>,
    /// Where the names of an engine in another process are read; its own engine keeps the registry up to date itself.
    elsewhere: Option<Elsewhere>,
    header: Header,
    directory: Directory,
    counters: Latest,
    rings: Rings,
    pages: BarReader,
    venue_pages: BarReader,
    series: Vec<Series>,
    /// First word of the derived fields in a row, and how many there can be.
    derived_words: (usize, usize),
}

#[derive(Clone)]
struct Elsewhere {
    directory: Directory,
    values: Words,
    max_symbols: usize,
    /// What was read last of each row, and how many words of it, for when the writer stands still inside one.
    kept: Arc<Mutex<Latest>>,
    row_words: usize,
    is_kept: Arc<AtomicBool>,
}

impl Elsewhere {
    fn over(store: &Store) -> Self {
        let (max_symbols, row_words) = (store.sizes.max_symbols, store.sizes.row_words());
        Self {
            directory: store.directory.clone(),
            values: store.values.clone(),
            max_symbols,
            kept: Arc::new(Mutex::new(Latest::new(max_symbols, row_words + 2))),
            row_words,
            is_kept: Arc::default(),
        }
    }

    fn keep(&self, row: usize, sequence: u64, words: &[u64]) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.write(row, &[(0, words), (self.row_words, &[sequence, words.len() as u64])]);
        if self.is_kept.load(Ordering::Relaxed) {
            self.is_kept.store(false, Ordering::Relaxed);
        }
    }

    #[cold]
    fn kept(&self, row: usize, words: &mut [u64]) -> Option<u64> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut about = [0; 2];
        kept.read(row, self.row_words, &mut about)?;
        if (about[1] as usize) < words.len() {
            return None;
        }
        kept.read(row, 0, words)?;
        self.is_kept.store(true, Ordering::Relaxed);
        Some(about[0])
    }

    fn counts(registry: &Registry) -> Counts {
        let Registry { symbols, windows, columns, derived } = registry;
        let (symbols, windows) = (symbols.len(), windows.len());
        Counts { symbols, windows, columns: columns.len(), derived: derived.len() }
    }

    /// Takes over what was named since.
    #[cold]
    fn refresh(&self, registry: &mut Registry) {
        let counts = self.directory.counts();
        for place in registry.symbols.len()..counts.symbols {
            // A name that is none ends the list: nothing behind it would have its number.
            let Some((venue, name)) = self.directory.symbol(place) else { break };
            if registry.symbols.intern(venue, &name) != Ok(SymbolId(place as u32)) {
                break;
            }
        }
        for place in registry.windows.len()..counts.windows {
            registry.windows.push(self.directory.window(place));
        }
        for place in registry.columns.len()..counts.columns {
            let Some(field) = self.directory.column(place) else { break };
            registry.columns.push((field, store::column(&self.values, self.max_symbols, place)));
        }
        for place in registry.derived.len()..counts.derived {
            let Some(field) = self.directory.derived(place) else { break };
            registry.derived.push(field);
        }
    }
}

impl Reader {
    /// A reader of an engine in this process.
    pub(crate) fn new(registry: Arc<RwLock<Registry>>, store: &Store) -> Self {
        Self::over(registry, None, store)
    }

    /// A reader of the words of another process' engine. Names are looked up there when they are asked for.
    pub fn open(words: &Words) -> Result<Self, OpenError> {
        let store = Store::open(words)?;
        let registry = Arc::new(RwLock::new(Registry::new(store.sizes.max_symbols)));
        Ok(Self::over(registry, Some(Elsewhere::over(&store)), &store))
    }

    fn over(registry: Arc<RwLock<Registry>>, elsewhere: Option<Elsewhere>, store: &Store) -> Self {
        let (pages, venue_pages) = store.readers();
        Self {
            registry,
            elsewhere,
            header: store.header.clone(),
            directory: store.directory.clone(),
            counters: store.counters.clone(),
            rings: store.rings.clone(),
            pages,
            venue_pages,
            series: store.sizes.series.clone(),
            derived_words: (store.sizes.derived_at(), store.sizes.max_fields),
        }
    }

    /// Symbols, windows and columns; hold it briefly, a new symbol waits for it.
    pub fn registry(&self) -> RwLockReadGuard<'_, Registry> {
        let held = self.registry.read().unwrap_or_else(PoisonError::into_inner);
        let Some(elsewhere) = &self.elsewhere else { return held };
        if elsewhere.directory.counts() == Elsewhere::counts(&held) {
            return held;
        }
        drop(held);
        elsewhere.refresh(&mut self.registry.write().unwrap_or_else(PoisonError::into_inner));
        self.registry.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of symbols, without a look at the registry.
    #[inline]
    pub fn symbol_count(&self) -> usize {
        self.directory.symbol_count()
    }

    /// Who writes, and whether they live.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The counters of [`Stats::NUMBERS`] at the last `advance`; `None` if the writer died inside them.
    pub fn numbers(&self) -> Option<[u64; Stats::NUMBERS.len()]> {
        let mut numbers = [0; Stats::NUMBERS.len()];
        self.counters.read(0, 0, &mut numbers).map(|_| numbers)
    }

    /// Copies the first words of a row; of one that a writer in another process stopped inside, as it was read last.
    fn row_words(&self, row: usize, into: &mut [u64]) -> Option<u64> {
        let read = self.rings.latest.read(row, 0, into);
        let Some(elsewhere) = &self.elsewhere else { return read };
        let Some(sequence) = read else { return elsewhere.kept(row, into) };
        elsewhere.keep(row, sequence, into);
        Some(sequence)
    }

    /// True where the last row that was read is an earlier one, because its writer stands still inside it.
    pub fn is_kept(&self) -> bool {
        self.elsewhere.as_ref().is_some_and(|elsewhere| elsewhere.is_kept.load(Ordering::Relaxed))
    }

    /// The series of bars.
    pub fn series(&self) -> &[Series] {
        &self.series
    }

    /// The event rings.
    pub fn rings(&self) -> &Rings {
        &self.rings
    }

    /// Engine time of a venue; `TIME_UNSET` before its first event.
    pub fn now(&self, venue: Venue) -> Nanos {
        let mut clock = [0; 1];
        match self.rings.clock.read(venue as usize, 0, &mut clock) {
            Some(sequence) if sequence > 0 => clock[0] as Nanos,
            _ => TIME_UNSET,
        }
    }

    /// Time of each venue that has spoken.
    pub fn venue_times(&self) -> Vec<VenueTime> {
        let spoken = Venue::ALL.into_iter().filter(|&venue| self.now(venue) != TIME_UNSET);
        let time = |venue: Venue| {
            let mut clock = [0; CLOCK_WORDS];
            self.rings.clock.read(venue as usize, 0, &mut clock)?;
            let [now, watermark, date, _, lag] = clock.map(u64::cast_signed);
            Some(VenueTime { venue, now, watermark, lag, date: date as u32 })
        };
        spoken.filter_map(time).collect()
    }

    /// A whole copy of a symbol's row; `None` if the writer died inside it.
    pub fn row(&self, id: SymbolId, venue: Venue) -> Option<Row> {
        self.look(id, venue, ROW_WORDS, |seen| seen.row)
    }

    /// Value of a field that is published, NaN where it is undefined; `None` for one that is not, or if the writer died
    /// inside the row.
    pub fn value(&self, id: SymbolId, venue: Venue, field: FieldRef) -> Option<f64> {
        let source = self.registry().source(field)?;
        self.look(id, venue, self.end(source), |seen| seen.value(field, source))
    }

    /// Words of a row up to the end of what a source needs.
    pub fn end(&self, source: Source) -> usize {
        match source {
            Source::Row => ROW_WORDS,
            Source::Window(slot) => ROW_WORDS + (slot + 1) * WINDOW_WORDS,
            Source::Derived(place) => self.derived_words.0 + place + 1,
        }
    }

    /// Shows a whole copy of the first `end` words of a symbol's row, which are all of a [`Row`] at least; `None` if the
    /// writer died inside it.
    #[inline]
    pub fn look<R>(&self, id: SymbolId, venue: Venue, end: usize, look: impl FnOnce(&Seen<'_>) -> R) -> Option<R> {
        let now = self.now(venue);
        // Most looks need no more, and room that nobody needs has to be cleared, too.
        if end <= NEAR_WORDS {
            self.look_into(&mut [0; NEAR_WORDS], (id, venue, now), end, look)
        } else {
            self.look_into(&mut [0; FAR_WORDS], (id, venue, now), end, look)
        }
    }

    #[inline(always)]
    fn look_into<const N: usize, R>(
        &self,
        words: &mut [u64; N],
        (id, venue, now): (SymbolId, Venue, Nanos),
        end: usize,
        look: impl FnOnce(&Seen<'_>) -> R,
    ) -> Option<R> {
        let words = words.get_mut(..end.max(ROW_WORDS))?;
        let sequence = self.row_words(id.index(), words)?;
        let row = if sequence == 0 { Row::unset(venue as u8) } else { from_words(&words[..ROW_WORDS]) };
        Some(look(&Seen { row, now, sequence, words, derived_at: self.derived_words.0 }))
    }

    /// Fills one column for each field from a whole copy of each symbol's row; gives the range of row sequences.
    ///
    /// With each field goes where it is found, see [`Registry::source`]. Rows are whole; the table is not one instant.
    pub fn table(
        &self,
        venues: &[Venue],
        fields: &[(FieldRef, Source)],
        mut put: impl FnMut(usize, usize, f64, &Row),
    ) -> (u64, u64) {
        let end = fields.iter().map(|&(_, source)| self.end(source)).max().unwrap_or(ROW_WORDS);
        let mut words = [0; FAR_WORDS];
        let nows = Venue::ALL.map(|venue| self.now(venue));
        let (mut least, mut most) = (u64::MAX, 0);
        for (index, &venue) in venues.iter().enumerate() {
            let who = (SymbolId(index as u32), venue, nows[venue as usize]);
            self.look_into(&mut words, who, end, |seen| {
                (least, most) = (least.min(seen.sequence), most.max(seen.sequence));
                for (column, &(field, source)) in fields.iter().enumerate() {
                    put(index, column, seen.value(field, source), &seen.row);
                }
            });
        }
        if venues.is_empty() { (0, 0) } else { (least, most) }
    }

    /// The newest `most` own bars of a symbol, oldest first; the forming one is not among them.
    pub fn bars(&self, id: SymbolId, venue: Venue, series: usize, most: usize) -> Option<Vec<Bar>> {
        let mut words = Vec::new();
        self.pages.read(ChainId::of(series, id.index()), usize::MAX, &mut words)?;
        let interval = self.series[series].spec.interval();
        let cells = words.chunks_exact(CELL_WORDS).map(from_words::<Cell>);
        let shown: Vec<Cell> = cells.filter(Cell::is_shown).collect();
        let newest = &shown[shown.len().saturating_sub(most)..];
        Some(newest.iter().map(|cell| cell.to_bar(id.0, venue as u8, series, interval, TIME_UNSET)).collect())
    }

    /// The newest `most` bars that the venue sent, oldest first.
    pub fn venue_bars(&self, id: SymbolId, series: usize, most: usize) -> Option<Vec<Bar>> {
        let mut words = Vec::new();
        self.venue_pages.read(ChainId::of(series, id.index()), most, &mut words)?;
        Some(words.chunks_exact(Bar::WORDS).map(from_words::<Bar>).collect())
    }
}

/// A record from its ring words.
fn from_words<T: bytemuck::AnyBitPattern>(words: &[u64]) -> T {
    bytemuck::pod_read_unaligned(bytemuck::cast_slice(words))
}
