//! Reading from any thread: copies out of the rings, never a look into the engine itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use ringtape_model::row::{ROW_WORDS, WINDOW_WORDS};
use ringtape_model::units::{Nanos, TIME_UNSET};
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
}

impl Registry {
    /// Room for `max_symbols`, nothing known yet.
    pub(crate) fn new(max_symbols: usize) -> Self {
        Self { symbols: SymbolTable::new(max_symbols), windows: Vec::new(), columns: Vec::new() }
    }

    /// Place of a window; `None` for 0 and for windows that are not registered.
    #[inline]
    pub fn window_slot(&self, window: Nanos) -> Option<usize> {
        if window == 0 { None } else { self.windows.iter().position(|&held| held == window) }
    }
}

/// One row with the time at which it is read.
#[derive(Clone, Copy)]
pub struct Snapshot {
    /// The row.
    pub row: Row,
    /// Engine time of its venue now.
    pub now: Nanos,
    /// How often the row was changed, twice over: rises with every change.
    pub sequence: u64,
}

/// A handle for reading, from any thread.
#[derive(Clone)]
pub struct Reader {
    registry: Arc<RwLock<Registry>>,
    /// Where the names of an engine in another process are read; its own engine keeps the registry up to date itself.
    elsewhere: Option<Elsewhere>,
    header: Header,
    counters: Latest,
    rings: Rings,
    pages: BarReader,
    venue_pages: BarReader,
    series: Vec<Series>,
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
        let Registry { symbols, windows, columns } = registry;
        Counts { symbols: symbols.len(), windows: windows.len(), columns: columns.len() }
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
            let field = self.directory.column(place).and_then(|text| FieldRef::parse(&text).ok());
            let Some(field) = field else { break };
            registry.columns.push((field, store::column(&self.values, self.max_symbols, place)));
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
            counters: store.counters.clone(),
            rings: store.rings.clone(),
            pages,
            venue_pages,
            series: store.sizes.series.clone(),
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
    pub fn row(&self, id: SymbolId, venue: Venue) -> Option<Snapshot> {
        let mut words = [0; ROW_WORDS];
        let sequence = self.row_words(id.index(), &mut words)?;
        let row = if sequence == 0 { Row::unset(venue as u8) } else { bytemuck::cast(words) };
        Some(Snapshot { row, now: self.now(venue), sequence })
    }

    /// A whole copy of a symbol's row with one of its windows.
    pub fn row_and_window(&self, id: SymbolId, venue: Venue, slot: usize) -> Option<(Snapshot, WindowRow)> {
        let mut words = [0; ROW_WORDS + 64 * WINDOW_WORDS];
        let used = ROW_WORDS + (slot + 1) * WINDOW_WORDS;
        let sequence = self.row_words(id.index(), &mut words[..used])?;
        if sequence == 0 {
            let row = Row::unset(venue as u8);
            return Some((Snapshot { row, now: self.now(venue), sequence }, WindowRow::empty()));
        }
        let mut head = [0; ROW_WORDS];
        head.copy_from_slice(&words[..ROW_WORDS]);
        let mut tail = [0; WINDOW_WORDS];
        tail.copy_from_slice(&words[used - WINDOW_WORDS..used]);
        Some((Snapshot { row: bytemuck::cast(head), now: self.now(venue), sequence }, bytemuck::cast(tail)))
    }

    /// A whole copy of a symbol's row with all of its windows.
    pub fn row_and_windows(&self, id: SymbolId, venue: Venue, count: usize) -> Option<(Snapshot, Vec<WindowRow>)> {
        let mut words = vec![0; ROW_WORDS + count * WINDOW_WORDS];
        let sequence = self.row_words(id.index(), &mut words)?;
        let now = self.now(venue);
        if sequence == 0 {
            return Some((Snapshot { row: Row::unset(venue as u8), now, sequence }, vec![WindowRow::empty(); count]));
        }
        let windows = words[ROW_WORDS..].chunks_exact(WINDOW_WORDS).map(from_words).collect();
        Some((Snapshot { row: from_words(&words[..ROW_WORDS]), now, sequence }, windows))
    }

    /// Fills one column for each field from a whole copy of each symbol's row; gives the range of row sequences.
    ///
    /// `slots` are the fields' windows, see [`Registry::window_slot`]. Rows are whole; the table is not one
    /// instant.
    pub fn table(
        &self,
        venues: &[Venue],
        fields: &[(FieldRef, Option<usize>)],
        mut put: impl FnMut(usize, usize, f64, &Row),
    ) -> (u64, u64) {
        let deepest = fields.iter().filter_map(|&(_, slot)| slot).max();
        let used = ROW_WORDS + deepest.map_or(0, |slot| (slot + 1) * WINDOW_WORDS);
        let mut words = [0; ROW_WORDS + 64 * WINDOW_WORDS];
        let mut nows = [TIME_UNSET; Venue::COUNT];
        for venue in Venue::ALL {
            nows[venue as usize] = self.now(venue);
        }
        let (mut least, mut most) = (u64::MAX, 0);
        for (index, &venue) in venues.iter().enumerate() {
            let Some(sequence) = self.row_words(index, &mut words[..used]) else { continue };
            (least, most) = (least.min(sequence), most.max(sequence));
            let mut head = [0; ROW_WORDS];
            head.copy_from_slice(&words[..ROW_WORDS]);
            let row: Row = if sequence == 0 { Row::unset(venue as u8) } else { bytemuck::cast(head) };
            for (column, &(field, slot)) in fields.iter().enumerate() {
                let window = match slot {
                    Some(slot) if sequence > 0 => {
                        let mut tail = [0; WINDOW_WORDS];
                        let at = ROW_WORDS + slot * WINDOW_WORDS;
                        tail.copy_from_slice(&words[at..at + WINDOW_WORDS]);
                        bytemuck::cast(tail)
                    }
                    _ => WindowRow::empty(),
                };
                put(index, column, field::value(field.field, &row, &window, field.window, nows[venue as usize]), &row);
            }
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
