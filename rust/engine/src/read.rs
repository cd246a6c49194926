//! Reading from any thread: copies out of the rings, never a look into the engine itself.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use ringtape_model::row::{ROW_WORDS, WINDOW_WORDS};
use ringtape_model::units::{Nanos, PRICE_UNSET, TIME_UNSET};
use ringtape_model::{Bar, FieldRef, Record, Row, SymbolId, SymbolTable, Venue, WindowRow, field};
use ringtape_ring::{ChainId, Columns};

use crate::bar::{CELL_WORDS, Cell, SENT};
use crate::pipeline::{Rings, Series};

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
    rings: Rings,
    pages: ringtape_ring::BarReader,
    venue_pages: ringtape_ring::BarReader,
    series: Vec<Series>,
    /// First word of the derived fields in a row, and how many there can be.
    derived_words: (usize, usize),
}

impl Reader {
    pub(crate) fn new(
        registry: Arc<RwLock<Registry>>,
        rings: Rings,
        pages: ringtape_ring::BarReader,
        venue_pages: ringtape_ring::BarReader,
        series: Vec<Series>,
        derived_words: (usize, usize),
    ) -> Self {
        Self { registry, rings, pages, venue_pages, series, derived_words }
    }

    /// Value of a derived field of a symbol, NaN where it is undefined; `None` if the writer died inside the row.
    pub fn derived(&self, id: SymbolId, place: usize) -> Option<f64> {
        let mut word = [0];
        let sequence = self.rings.latest.read(id.index(), self.derived_words.0 + place, &mut word)?;
        Some(if sequence == 0 { PRICE_UNSET } else { f64::from_bits(word[0]) })
    }

    /// Symbols, windows and columns; hold it briefly, a new symbol waits for it.
    pub fn registry(&self) -> RwLockReadGuard<'_, Registry> {
        self.registry.read().unwrap_or_else(PoisonError::into_inner)
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

    /// A whole copy of a symbol's row; `None` if the writer died inside it.
    pub fn row(&self, id: SymbolId, venue: Venue) -> Option<Snapshot> {
        let mut words = [0; ROW_WORDS];
        let sequence = self.rings.latest.read(id.index(), 0, &mut words)?;
        let row = if sequence == 0 { Row::unset(venue as u8) } else { bytemuck::cast(words) };
        Some(Snapshot { row, now: self.now(venue), sequence })
    }

    /// A whole copy of a symbol's row with one of its windows.
    pub fn row_and_window(&self, id: SymbolId, venue: Venue, slot: usize) -> Option<(Snapshot, WindowRow)> {
        let mut words = [0; ROW_WORDS + 64 * WINDOW_WORDS];
        let used = ROW_WORDS + (slot + 1) * WINDOW_WORDS;
        let sequence = self.rings.latest.read(id.index(), 0, &mut words[..used])?;
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
        let sequence = self.rings.latest.read(id.index(), 0, &mut words)?;
        let now = self.now(venue);
        if sequence == 0 {
            return Some((Snapshot { row: Row::unset(venue as u8), now, sequence }, vec![WindowRow::empty(); count]));
        }
        let windows = words[ROW_WORDS..].chunks_exact(WINDOW_WORDS).map(from_words).collect();
        Some((Snapshot { row: from_words(&words[..ROW_WORDS]), now, sequence }, windows))
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
        let end = |&(_, source): &(FieldRef, Source)| match source {
            Source::Row => ROW_WORDS,
            Source::Window(slot) => ROW_WORDS + (slot + 1) * WINDOW_WORDS,
            Source::Derived(place) => self.derived_words.0 + place + 1,
        };
        let used = fields.iter().map(end).max().unwrap_or(ROW_WORDS);
        let mut words = vec![0; self.derived_words.0 + self.derived_words.1];
        let mut nows = [TIME_UNSET; Venue::COUNT];
        for venue in Venue::ALL {
            nows[venue as usize] = self.now(venue);
        }
        let (mut least, mut most) = (u64::MAX, 0);
        for (index, &venue) in venues.iter().enumerate() {
            let Some(sequence) = self.rings.latest.read(index, 0, &mut words[..used]) else { continue };
            (least, most) = (least.min(sequence), most.max(sequence));
            let mut head = [0; ROW_WORDS];
            head.copy_from_slice(&words[..ROW_WORDS]);
            let row: Row = if sequence == 0 { Row::unset(venue as u8) } else { bytemuck::cast(head) };
            for (column, &(field, source)) in fields.iter().enumerate() {
                let window = match source {
                    Source::Derived(place) => {
                        let word = words[self.derived_words.0 + place];
                        put(index, column, if sequence == 0 { PRICE_UNSET } else { f64::from_bits(word) }, &row);
                        continue;
                    }
                    Source::Window(slot) if sequence > 0 => {
                        let at = ROW_WORDS + slot * WINDOW_WORDS;
                        from_words(&words[at..at + WINDOW_WORDS])
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
        let interval = self.series[series].interval;
        let cells = words.chunks_exact(CELL_WORDS).map(from_words::<Cell>);
        let shown: Vec<Cell> = cells.filter(Cell::is_shown).collect();
        let newest = &shown[shown.len().saturating_sub(most)..];
        Some(newest.iter().map(|cell| cell.to_bar(id.0, venue as u8, interval, TIME_UNSET, SENT)).collect())
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
