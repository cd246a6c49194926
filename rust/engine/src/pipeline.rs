//! The one way through: frame → decode → apply → bars, windows → rules → publish.
//!
//! A frame is one transaction. It is decoded to its last byte into the staging area before any of it counts;
//! its events are then applied in tape order, bars whose end has come are sent, and what changed is published.
//! Nothing here reads a clock: time comes in with [`Engine::apply`] and [`Engine::advance`].

mod bars;
mod correct;
mod fill;

pub use fill::Filled;

use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use ringtape_model::event::{SOURCE_VENUE, TRADE_LATE};
use ringtape_model::plain::VALUE_INDEX;
use ringtape_model::row::{QUOTE_WORDS, ROW_WORDS, TRADE_WORDS, WINDOW_WORDS};
use ringtape_model::units::{E8_UNSET, Nanos, SECOND, TIME_MAX, TIME_MIN, TIME_UNSET};
use ringtape_model::{
    Bar, FieldRef, Kind, Mark, Moment, Quote, Record, SYMBOL_MAX, Signal, Sought, Stamp, SymbolId, Trade, Value, Venue,
    VenueBar, WindowRow, condition, field, for_each_kind,
};
use ringtape_ring::{BarPages, Columns, EventRing, EventWriter, Latest, Pinned, RowWriter, Words, prefetch};
use ringtape_wire::{Control, Entry, Listed, Plain, Staging};

use crate::bar::{BarPrint, BarSpec};
use crate::clock::Clock;
use crate::coverage::Outages;
use crate::derived::{self, Plan, ReferenceData, Told};
use crate::drift::Drift;
use crate::read::{Reader, Registry, Source};
use crate::scan::Scanner;
use crate::seen::{Identity, Seen};
use crate::sequence::Order;
use crate::session::{Calendar, Day};
use crate::state::{Change, SymbolState, how};
use crate::stats::Stats;
use crate::store::{CLOCK_WORDS, Header, SERIES_MAX, Sizes, Store, Writer};

/// Control messages kept for the next drain.
const CONTROL_MAX: usize = 10_000;
/// How many trades ahead of the one being applied windows are asked for what the end of a bucket needs.
const AHEAD: usize = 3;
/// Rare events kept for the next drain.
const NOTICES_MAX: usize = 10_000;
/// Records of missing ids kept for the next who asks.
const ID_GAPS_MAX: usize = 10_000;

/// Whose a record is, and which of the frame's it is, from 1.
#[derive(Clone, Copy)]
struct Resolved {
    id: u32,
    place: u32,
}

/// A symbol that could not be resolved.
const NOBODY: u32 = u32::MAX;

/// Sizes and series, fixed for the life of an engine.
#[derive(Clone, Debug)]
pub struct Config {
    /// Series of bars.
    pub bars: Vec<BarSpec>,
    /// Windows registered from the start.
    pub windows: Vec<Nanos>,
    /// Most symbols.
    pub max_symbols: usize,
    /// Most windows, at most 64.
    pub max_windows: usize,
    /// Most live columns, at most 64.
    pub max_columns: usize,
    /// Most derived fields, at most 64.
    pub max_fields: usize,
    /// Most bars kept over all symbols and series.
    pub max_bars: usize,
    /// Records kept in each event ring.
    pub ring_size: usize,
    /// Symbols whose bars are also kept side by side for views.
    pub pin: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bars: vec![BarSpec::Time(SECOND), BarSpec::Time(60 * SECOND)],
            windows: Vec::new(),
            max_symbols: 20_000,
            max_windows: 16,
            max_columns: 32,
            max_fields: 64,
            max_bars: 1_000_000,
            ring_size: 65_536,
            pin: Vec::new(),
        }
    }
}

/// Why a configuration or a registration is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineError {
    /// A bar interval is not a whole number of seconds up to a day, or a threshold is not positive.
    BadBars(BarSpec),
    /// A series of bars is listed twice.
    SameBars(BarSpec),
    /// A window is not a positive multiple of its quantum up to a day.
    BadWindow(Nanos, &'static str),
    /// All places for windows are taken: how many there are.
    TooManyWindows(usize),
    /// No bars of that length are kept: those that are.
    NoSeries(Nanos, Vec<Nanos>),
    /// All places for derived fields are taken: how many there are.
    TooManyFields(usize),
    /// All symbols are taken: how many there are.
    TooManySymbols(usize),
    /// A name that no symbol has: empty, or longer than 64 bytes.
    BadSymbol(String),
    /// All places for live columns are taken: how many there are.
    TooManyColumns(usize),
    /// More memory than a file can have.
    TooLarge,
    /// More series of bars than there may be: how many.
    TooManySeries(usize),
}

impl std::fmt::Display for EngineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BadBars(spec) => {
                write!(f, "bars {spec}: write whole seconds from 1s to 1d, or a threshold above zero")
            }
            Self::SameBars(spec) => write!(f, "bars {spec} are listed twice"),
            Self::BadWindow(ns, why) => write!(f, "window of {ns} ns: {why}"),
            Self::TooManyWindows(most) => write!(f, "all {most} windows are taken: raise max_windows (at most 64)"),
            Self::NoSeries(interval, kept) => {
                let kept: Vec<String> = kept.iter().map(|&one| field::window_text(one)).collect();
                let wanted = field::window_text(*interval);
                write!(f, "no bars of {wanted}: this engine keeps {}; see bars", kept.join(", "))
            }
            Self::TooManyFields(most) => {
                write!(f, "all {most} places for derived fields are taken: raise max_fields (at most 64)")
            }
            Self::TooManySymbols(most) => write!(f, "all {most} symbols are taken: raise max_symbols"),
            Self::BadSymbol(name) => write!(f, "symbol {name:?}: a name has 1 to {SYMBOL_MAX} bytes"),
            Self::TooManyColumns(most) => {
                write!(f, "all {most} live columns are taken: raise max_columns (at most 64)")
            }
            Self::TooLarge => {
                write!(f, "these sizes need more memory than a file can have: lower max_symbols or max_bars")
            }
            Self::TooManySeries(count) => write!(f, "{count} series of bars: there may be 32"),
        }
    }
}

impl std::error::Error for EngineError {}

/// One series of bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series {
    /// What its bars are.
    pub spec: BarSpec,
    /// Bars kept for each symbol.
    pub retention: usize,
}

/// The rings that readers see.
#[derive(Clone)]
pub struct Rings {
    /// Rows by symbol: the row, then its windows.
    pub latest: Latest,
    /// One row a venue: engine time.
    pub clock: Latest,
    /// Trades.
    pub trades: EventRing,
    /// Quotes.
    pub quotes: EventRing,
    /// Own bars.
    pub bars: EventRing,
    /// Venue bars.
    pub venue_bars: EventRing,
    /// Mark prices.
    pub marks: EventRing,
    /// Signals.
    pub signals: EventRing,
    /// Records of the plain kinds, in the order of [`Kind::PLAIN`].
    pub plain: Box<[EventRing]>,
}

impl Rings {
    /// For their writer: memory is asked for ahead.
    pub(crate) fn prepared(self) -> Self {
        Self {
            latest: self.latest,
            clock: self.clock,
            trades: self.trades.prepared(),
            quotes: self.quotes.prepared(),
            bars: self.bars.prepared(),
            venue_bars: self.venue_bars.prepared(),
            marks: self.marks.prepared(),
            signals: self.signals.prepared(),
            plain: self.plain.into_iter().map(EventRing::prepared).collect(),
        }
    }

    /// The ring of a kind; notices have none.
    pub fn of(&self, kind: Kind) -> Option<&EventRing> {
        match kind {
            Kind::Trade => Some(&self.trades),
            Kind::Quote => Some(&self.quotes),
            Kind::VenueBar => Some(&self.venue_bars),
            Kind::Mark => Some(&self.marks),
            plain => self.plain.get(plain.plain_place()),
        }
    }
}

/// A rare event of variable shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Engine sequence number.
    pub seq: u64,
    /// Receive time of the frame.
    pub ts_recv: Nanos,
    /// Connection number given to `feed`.
    pub conn: u16,
    /// Where it comes from.
    pub venue: Venue,
    /// What the event calls itself.
    pub kind: String,
    /// Its JSON text.
    pub data: Vec<u8>,
}

/// Ids of a symbol's trades that did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdGap {
    /// Where.
    pub venue: Venue,
    /// Whose.
    pub symbol: SymbolId,
    /// The first id that is missing.
    pub first: i64,
    /// The last one.
    pub last: i64,
    /// Time of the last trade before it.
    pub from: Nanos,
    /// Time of the first trade after it.
    pub to: Nanos,
}

/// Volume that a venue counts and that did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VolumeGap {
    /// Where.
    pub venue: Venue,
    /// Whose.
    pub symbol: SymbolId,
    /// The end of the last bar that agreed.
    pub from: Nanos,
    /// The end of the first that did not.
    pub to: Nanos,
    /// How much, in 1e-8.
    pub missing_e8: i64,
}

struct VenueState {
    clock: Clock,
    calendar: Calendar,
    day: Day,
    /// When the next date starts; `TIME_UNSET` before the first event.
    day_ends: Nanos,
    lag: Nanos,
    symbols: Vec<u32>,
    /// Symbols with a forming bar, for each series, and the first time at which one of them ends.
    forming: Vec<Vec<u32>>,
    next_end: Vec<Nanos>,
    /// Bars that end at this time or before it were sent.
    ended: Nanos,
    /// What all symbols miss.
    outages: Outages,
    moving: Vec<u32>,
    /// [`Plan::stage`] when it was last looked at.
    stage: u64,
}

/// The engine. One owner feeds it; [`Engine::reader`] gives handles that read from any thread.
pub struct Engine {
    config: Config,
    /// All series, those of time bars first.
    series: Vec<Series>,
    /// The intervals of those.
    intervals: Box<[Nanos]>,
    /// How many series follow them.
    sampled: usize,
    /// The engine's own, which costs no lock, and its twin for readers. INVARIANT: both hold the same whenever a call returns.
    own: Registry,
    registry: Arc<RwLock<Registry>>,
    rings: Rings,
    /// What is in them for other processes, beside the rings.
    store: Store,
    pages: BarPages,
    venue_pages: BarPages,
    pinned: Vec<(u32, Vec<Pinned>)>,
    /// Where frames are decoded to; `None` only while its events are applied.
    staging: Option<Box<Staging>>,
    staged: Option<Venue>,
    /// The names of the frame's events, in its order.
    sought: Vec<Sought>,
    /// The symbols of the frame's records, a list for each kind.
    resolved: [Vec<Resolved>; Kind::COUNT],
    states: Vec<SymbolState>,
    venues: Vec<VenueState>,
    /// Symbols to be published: the first `dirty_count` of the list.
    dirty: Vec<u32>,
    dirty_count: usize,
    scanner: Option<Scanner>,
    /// The derived fields that were asked for, and room for their values of one symbol.
    plan: Plan,
    derived: Vec<(usize, u64)>,
    control: Vec<(u16, Control)>,
    notices: Vec<Notice>,
    id_gaps: Vec<IdGap>,
    volume_gaps: Vec<VolumeGap>,
    /// By symbol, up to the last that has a venue's second bars.
    drifts: Vec<Drift>,
    stats: Stats,
    seq: u64,
    /// `seq` before the frame that is being applied.
    frame_seq: u64,
    /// Massive's trades of the last minutes.
    seen: Seen,
    /// Something stands in the rings of the plain kinds that was not published yet.
    plain_pushed: bool,
    frame: u64,
}

impl Engine {
    /// An engine with its memory reserved.
    pub fn new(config: Config) -> Result<Self, EngineError> {
        let words = Words::zeroed(Self::sizes(&config)?.words());
        Self::over(config, &words, Writer::default())
    }

    /// What an engine of a configuration needs memory for.
    pub fn sizes(config: &Config) -> Result<Sizes, EngineError> {
        let sizes = Sizes::of(config, bars::series_of(&config.bars)?);
        if sizes.series.len() > SERIES_MAX { Err(EngineError::TooManySeries(sizes.series.len())) } else { Ok(sizes) }
    }

    /// An engine over zeroed words, perhaps of a file that others read: as many as [`Engine::sizes`] says.
    pub fn over(config: Config, words: &Words, writer: Writer) -> Result<Self, EngineError> {
        let store = Store::create(words, Self::sizes(&config)?, writer);
        let (pages_own, pages_venue) = store.pages();
        let series = store.sizes.series.clone();
        let intervals: Box<[Nanos]> = series.iter().map(|one| one.spec.interval()).filter(|&ns| ns > 0).collect();
        let venue = || VenueState {
            clock: Clock::new(),
            calendar: Calendar::default(),
            day: Day::utc(0),
            day_ends: TIME_UNSET,
            lag: TIME_UNSET,
            symbols: Vec::new(),
            forming: vec![Vec::new(); intervals.len()],
            next_end: vec![Nanos::MAX; intervals.len()],
            ended: TIME_UNSET,
            outages: Outages::default(),
            moving: Vec::new(),
            stage: 0,
        };
        let venues = (0..Venue::COUNT).map(|_| venue()).collect();
        let (windows, max_symbols) = (config.windows.clone(), config.max_symbols);
        let Sizes { max_windows, max_columns, max_fields, .. } = store.sizes;
        let registry = || Registry::new(max_symbols);
        let mut engine = Self {
            config: Config { max_windows, max_columns, max_fields, ..config },
            sampled: series.len() - intervals.len(),
            series,
            intervals,
            own: registry(),
            registry: Arc::new(RwLock::new(registry())),
            rings: store.rings.clone(),
            store,
            pages: pages_own,
            venue_pages: pages_venue,
            pinned: Vec::new(),
            staging: Some(Box::new(Staging::with_capacity(1_024))),
            staged: None,
            sought: Vec::with_capacity(1_024),
            resolved: [const { Vec::new() }; Kind::COUNT],
            states: Vec::with_capacity(max_symbols),
            venues,
            dirty: vec![0],
            dirty_count: 0,
            scanner: None,
            plan: Plan::default(),
            derived: Vec::new(),
            control: Vec::new(),
            notices: Vec::new(),
            id_gaps: Vec::new(),
            volume_gaps: Vec::new(),
            drifts: Vec::new(),
            stats: Stats::default(),
            seq: 0,
            frame_seq: 0,
            seen: Seen::default(),
            plain_pushed: false,
            frame: 0,
        };
        for window in windows {
            engine.register_window(window)?;
        }
        Ok(engine)
    }

    /// Decodes and applies one frame; gives the number of events applied. A bad frame is counted.
    pub fn feed(&mut self, frame: &[u8], venue: Venue, recv: Nanos, conn: u16) -> usize {
        if self.decode(frame, venue, recv) { self.apply(frame, recv, conn) } else { 0 }
    }

    /// The first half of [`Engine::feed`]: validates a frame into the staging area and counts it. True if it is
    /// sound; then [`Engine::apply`] must follow with the same frame.
    #[inline]
    pub fn decode(&mut self, frame: &[u8], venue: Venue, recv: Nanos) -> bool {
        self.stats.frames += 1;
        self.stats.bytes += frame.len() as u64;
        self.staged = None;
        match ringtape_wire::decode(venue, frame, self.staging.get_or_insert_default()) {
            Ok(()) => {
                self.staged = Some(venue);
                true
            }
            Err(error) => {
                self.stats.reject(error, frame, recv);
                false
            }
        }
    }

    /// A time of the staged frame for which the venue's trading days are not known yet, see
    /// [`Engine::add_days`].
    #[inline]
    pub fn uncovered(&self, recv: Nanos) -> Option<(Venue, Nanos)> {
        let venue = self.staged?;
        if !venue.has_us_sessions() {
            return None;
        }
        let state = &self.venues[venue as usize];
        let staging = self.staging.as_deref()?;
        // The current day is known, so a frame inside it needs no look at the calendar. No branch: nearly all are.
        let known = state.day.start..if state.day_ends == TIME_UNSET { state.day.start } else { state.day_ends };
        let inside = |time: Nanos| known.contains(&time);
        let all = staging.trades.iter().fold(true, |all, trade| all & inside(trade.ts_event))
            & staging.quotes.iter().fold(true, |all, quote| all & inside(quote.ts_event))
            & staging.bars.iter().fold(true, |all, bar| all & inside(bar.ts_event));
        if all && staging.plain.is_empty() {
            return None;
        }
        let times = staging.trades.iter().map(|trade| trade.ts_event);
        let times = times.chain(staging.quotes.iter().map(|quote| quote.ts_event));
        let mut times = times.chain(staging.bars.iter().map(|bar| bar.ts_event));
        // Times that will be quarantined ask for nothing.
        let limit = state.clock.limit(recv);
        let is_new = |&time: &Nanos| !inside(time) && time <= limit && !state.calendar.covers(time);
        times.find(is_new).or_else(|| find_time(&staging.plain, is_new)).map(|time| (venue, time))
    }

    /// Gives a venue's trading days as ns boundaries.
    pub fn add_days(&mut self, venue: Venue, days: &[Day]) {
        self.venues[venue as usize].calendar.add(days);
    }

    /// The second half of [`Engine::feed`]: applies what [`Engine::decode`] staged.
    #[inline]
    pub fn apply(&mut self, frame: &[u8], recv: Nanos, conn: u16) -> usize {
        let Some(venue) = self.staged.take() else { return 0 };
        self.frame += 1;
        // The staging area is moved out while its events change the rest of the engine.
        let Some(mut staging) = self.staging.take() else { return 0 };
        self.note(&mut staging, conn);
        self.resolve(venue, frame, &staging);
        let limit = self.venues[venue as usize].clock.limit(recv);
        let newest = self.stamp(venue, &mut staging, (recv, conn), limit);
        self.observe(venue, newest, recv);
        let mut applied = self.apply_events(venue, &mut staging, newest, recv, limit);
        if !staging.plain.is_empty() {
            applied += self.apply_plain(&mut staging.plain, limit);
            if venue == Venue::MassiveIndices {
                self.apply_indices(venue, &staging.plain.values, recv, limit);
            }
            applied += self.keep_notices(frame, &staging.plain, (venue, recv, conn));
        }
        self.staging = Some(staging);
        self.tick_venue(venue, recv);
        self.publish(venue, recv);
        applied
    }

    /// Time passes without a frame: windows decay, bars end, dates change, tick rules run.
    pub fn advance(&mut self, recv: Nanos) {
        for venue in Venue::ALL {
            let state = &mut self.venues[venue as usize];
            state.clock.advance(recv);
            if state.clock.now() == TIME_UNSET {
                continue;
            }
            self.tick_venue(venue, recv);
            self.touch_moving(venue);
            self.touch_derived(venue);
            self.scan_tick(venue, recv);
            self.publish(venue, recv);
            self.refresh_ages(venue);
        }
        self.store.counters.write(0, &[(0, &self.numbers())]);
    }

    /// The counters of [`Stats::NUMBERS`].
    pub fn numbers(&self) -> [u64; Stats::NUMBERS.len()] {
        let suppressed = self.scanner.as_ref().map_or(0, Scanner::suppressed);
        self.stats.numbers(self.own.symbols.len() as u64, self.pages_recycled(), suppressed)
    }

    /// The header of the engine's memory.
    pub fn header(&self) -> Header {
        self.store.header.clone()
    }

    /// A handle that reads rows, tables and bars from any thread.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.registry), &self.store)
    }

    /// The rings.
    pub fn rings(&self) -> &Rings {
        &self.rings
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Bar pages taken from cold symbols because the pool was empty.
    pub fn pages_recycled(&self) -> u64 {
        self.pages.recycled() + self.venue_pages.recycled()
    }

    /// Control messages with their connection numbers, oldest first; they are forgotten here.
    pub fn take_control(&mut self) -> Vec<(u16, Control)> {
        std::mem::take(&mut self.control)
    }

    /// Rare events since the last call, oldest first; they are forgotten here.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Ids that were found missing since the last call, oldest first; they are forgotten here.
    pub fn take_id_gaps(&mut self) -> Vec<IdGap> {
        std::mem::take(&mut self.id_gaps)
    }

    /// Volume that was found missing since the last call, oldest first; it is forgotten here.
    pub fn take_volume_gaps(&mut self) -> Vec<VolumeGap> {
        std::mem::take(&mut self.volume_gaps)
    }

    fn keep_id_gap(&mut self, gap: IdGap) {
        if self.id_gaps.len() < ID_GAPS_MAX {
            self.id_gaps.push(gap);
        } else {
            self.stats.id_gaps_lost += 1;
        }
    }

    /// The rules at work and their state.
    pub fn scanner(&self) -> Option<&Scanner> {
        self.scanner.as_ref()
    }

    /// Replaces the rules; the new ones start in warm-up.
    ///
    /// # Errors
    ///
    /// The rules need more windows or derived fields than the engine has places for; the old rules then stay.
    pub fn set_rules(&mut self, rules: crate::rule::RuleSet) -> Result<(), EngineError> {
        for &window in rules.windows() {
            self.register_window(window)?;
        }
        let shown = rules.rules().iter().flat_map(crate::rule::Rule::show);
        for &field in rules.fields().iter().chain(shown) {
            self.register_field(field)?;
        }
        let mut scanner = Scanner::new(rules);
        scanner.grow(self.states.len());
        self.scanner = Some(scanner);
        Ok(())
    }

    /// Gives reference data of a symbol, which is interned if it is new. It holds for the current trading date or, before
    /// the first event, the first one.
    pub fn set_reference(&mut self, venue: Venue, name: &str, data: ReferenceData) -> Result<(), EngineError> {
        let id = self.known(venue, name)?;
        let now = self.venues[venue as usize].clock.now();
        self.states[id as usize].set_reference(data, now);
        self.mark_dirty(id, Change::Whole);
        self.publish(venue, TIME_UNSET);
        Ok(())
    }

    /// Trades of a venue, or of one of its symbols, did not come from one engine time to another; `Nanos::MAX` where it goes
    /// on, until the same beginning is given with an end. Windows that touch the hole are undefined, bars are marked, and
    /// rules start over, so that nothing fires for what happened meanwhile.
    pub fn mark_gap(&mut self, venue: Venue, symbol: Option<SymbolId>, (from, to): (Nanos, Nanos), recv: Nanos) {
        self.each_of(venue, symbol, |engine, id| {
            let change = engine.states[id as usize].open_outage(from, to);
            engine.reshape_hole(venue, id, &change, recv);
            if change.was.is_none() {
                engine.open_sampled_holes(id);
            }
            engine.start_over(venue, id);
        });
        if symbol.is_none() {
            self.venues[venue as usize].outages.open(from, to);
        }
        self.publish(venue, TIME_UNSET);
    }

    /// What did not come has come after all, by way of [`Engine::feed`].
    pub fn fill_gap(&mut self, venue: Venue, symbol: Option<SymbolId>, (from, to): (Nanos, Nanos), recv: Nanos) {
        self.each_of(venue, symbol, |engine, id| {
            for change in engine.states[id as usize].fill_outage(from, to) {
                engine.reshape_hole(venue, id, &change, recv);
            }
            engine.start_over(venue, id);
        });
        if symbol.is_none() {
            self.venues[venue as usize].outages.fill(from, to);
        }
        self.publish(venue, TIME_UNSET);
    }

    /// Does something for one symbol, or for all of a venue.
    fn each_of(&mut self, venue: Venue, symbol: Option<SymbolId>, mut work: impl FnMut(&mut Self, u32)) {
        if let Some(id) = symbol {
            return work(self, id.0);
        }
        let symbols = std::mem::take(&mut self.venues[venue as usize].symbols);
        for &id in &symbols {
            work(self, id);
        }
        self.venues[venue as usize].symbols = symbols;
    }

    /// What is missing of a symbol has changed.
    #[cold]
    fn start_over(&mut self, venue: Venue, id: u32) {
        if let Some(scanner) = &mut self.scanner {
            scanner.warm_up(id);
        }
        self.mark_dirty(id, Change::Quote);
        self.mark_moving(venue, id);
    }

    /// Place of a window in every row, given out now if it is new.
    pub fn register_window(&mut self, length: Nanos) -> Result<usize, EngineError> {
        let length = field::check_window(length).map_err(|error| match error {
            field::FieldError::BadWindow(why) => EngineError::BadWindow(length, why),
            _ => EngineError::BadWindow(length, "not a window"),
        })?;
        if let Some(at) = self.own.windows.iter().position(|&held| held == length) {
            return Ok(at);
        }
        if self.own.windows.len() >= self.config.max_windows {
            return Err(EngineError::TooManyWindows(self.config.max_windows));
        }
        let mut windows = self.own.windows.clone();
        windows.push(length);
        for (id, state) in self.states.iter_mut().enumerate() {
            let now = venue_of(state, &self.venues).clock.now();
            state.register(&windows, now, now);
            state.windows.evict(now);
            // Rows have the new window before readers know of it.
            let rows: Vec<WindowRow> = (0..windows.len()).map(|slot| state.windows.row(slot)).collect();
            let parts = [(0, words(&state.row)), (ROW_WORDS, bytemuck::cast_slice(&rows))];
            self.rings.latest.write(id, &parts);
        }
        self.own.windows.clone_from(&windows);
        self.registry_mut().windows = windows;
        self.store.directory.add_window(length);
        Ok(self.own.windows.len() - 1)
    }

    /// Sees to it that a field is published: its window, or what a derived field needs, is collected from now on.
    pub fn register_field(&mut self, field: FieldRef) -> Result<Source, EngineError> {
        if let Some(source) = self.own.source(field) {
            return Ok(source);
        }
        if !field.field.is_derived() {
            return self.register_window(field.window).map(Source::Window);
        }
        if self.own.derived.len() >= self.config.max_fields {
            return Err(EngineError::TooManyFields(self.config.max_fields));
        }
        if let Some(interval) = derived::bars_of(field)
            && self.series_at(interval).is_none()
        {
            return Err(EngineError::NoSeries(interval, self.intervals.to_vec()));
        }
        for window in derived::windows_of(field) {
            self.register_window(window)?;
        }
        self.plan.add(field, |window| self.own.window_slot(window));
        self.own.derived.push(field);
        for id in 0..self.states.len() as u32 {
            let venue = venue_of(&self.states[id as usize], &self.venues);
            let (day, now) = (venue.day, venue.clock.now());
            self.states[id as usize].collect(&self.plan, now);
            if let Some(at) = derived::bars_of(field).and_then(|interval| self.series_at(interval)) {
                self.study_kept_bars(id, at);
            }
            // Rows have the new word before readers know of it.
            self.compute_derived(id, &day, now);
            let state = &mut self.states[id as usize];
            self.rings.latest.change(id as usize, |to| {
                state.publish(to);
                put_words(to, &self.derived);
            });
        }
        self.registry_mut().derived.push(field);
        self.store.directory.add_derived(&field.text());
        Ok(Source::Derived(self.own.derived.len() - 1))
    }

    /// Shows derived fields the bars of a series that are kept, oldest first.
    fn study_kept_bars(&mut self, id: u32, at: usize) {
        let chain = self.pages.chain(at, id as usize);
        for number in self.pages.first(chain)..self.pages.count(chain) {
            let cell = self.cell(chain, number);
            if cell.is_shown() {
                let venue = self.states[id as usize].row.venue as u8;
                let bar = cell.to_bar(id, venue, at, self.interval(at), TIME_UNSET);
                self.study(&bar);
            }
        }
    }

    /// Shows derived fields an own bar that has ended, or has been sent again.
    fn study(&mut self, bar: &Bar) {
        let own = &self.venues[usize::from(bar.venue)];
        let current = own.day_ends != TIME_UNSET && (own.day.start..own.day_ends).contains(&bar.ts_event);
        let day = if current { own.day } else { own.calendar.day_at(bar.ts_event).0 };
        let now = own.clock.now();
        self.states[bar.symbol as usize].bar(bar, day.is_regular(bar.ts_event), now);
    }

    /// First word of the derived fields in a row.
    fn derived_at(&self) -> usize {
        self.store.sizes.derived_at()
    }

    /// Place of the time bars of a length.
    fn series_at(&self, interval: Nanos) -> Option<usize> {
        self.intervals.iter().position(|&kept| kept == interval)
    }

    /// Computes those derived fields of a symbol that can have changed, with their places in a row.
    fn compute_derived(&mut self, id: u32, day: &Day, now: Nanos) {
        let at = self.derived_at();
        let state = &mut self.states[id as usize];
        state.evict(now);
        let all = state.take_changed();
        let lines = self.plan.lines().iter().enumerate().filter(|(_, line)| all || !line.waits);
        let word = |(place, line): (usize, _)| (at + place, state.derived(line, day, now, false).to_bits());
        self.derived.clear();
        self.derived.extend(lines.map(word));
    }

    /// Lists the symbols of which derived fields change with time alone.
    fn touch_derived(&mut self, venue: Venue) {
        if self.plan.is_empty() {
            return;
        }
        let own = &mut self.venues[venue as usize];
        let now = own.clock.now();
        let stage = self.plan.stage(&own.day, now);
        let all = self.plan.moves() || std::mem::replace(&mut own.stage, stage) != stage;
        let mut dirty = DirtyList { ids: &mut self.dirty, count: &mut self.dirty_count };
        for &id in &own.symbols {
            let state = &mut self.states[id as usize];
            if all || state.is_moving(now) {
                dirty.mark(state, id, Change::Quote);
            }
        }
    }

    /// The live column of a field, kept from now on.
    pub fn register_column(&mut self, field: FieldRef) -> Result<Columns, EngineError> {
        self.register_field(field)?;
        if let Some((_, column)) = self.own.columns.iter().find(|(held, _)| *held == field) {
            return Ok(column.clone());
        }
        let place = self.own.columns.len();
        if place >= self.config.max_columns {
            return Err(EngineError::TooManyColumns(self.config.max_columns));
        }
        let column = self.store.column(place);
        column.clear();
        self.own.columns.push((field, column.clone()));
        self.registry_mut().columns.push((field, column.clone()));
        let asked = Asked { registry: &self.own, plan: &self.plan, on_trade: false };
        for (id, state) in self.states.iter_mut().enumerate() {
            let venue = venue_of(state, &self.venues);
            let (day, now) = (venue.day, venue.clock.now());
            state.evict(now);
            column.set(id, asked.value(state, field, &day, now));
        }
        self.store.directory.add_column(&field.text());
        Ok(column)
    }

    /// Value of a field over a window that is not registered, from what other windows still hold; `None` where
    /// that is not enough.
    pub fn scan_window(&mut self, id: SymbolId, field: FieldRef) -> Option<f64> {
        debug_assert!(!field.field.is_derived());
        let state = self.states.get_mut(id.index())?;
        let now = venue_of(state, &self.venues).clock.now();
        state.windows.evict(now);
        let window = state.windows.scan(field.window, now)?;
        Some(field::value(field.field, &state.row, &window, field.window, now))
    }

    /// Pinned bars of a symbol and series, side by side; `None` for symbols that are not pinned.
    pub fn pinned(&self, id: SymbolId, series: usize) -> Option<&Pinned> {
        let (_, kept) = self.pinned.iter().find(|(pinned, _)| *pinned == id.0)?;
        kept.get(series)
    }

    /// Counts what the decoder skipped and keeps control messages for the next drain.
    #[inline]
    fn note(&mut self, staging: &mut Staging, conn: u16) {
        for skip in &staging.skipped {
            self.stats.skip(skip);
        }
        for message in staging.control.drain(..) {
            self.stats.control += 1;
            if self.control.len() < CONTROL_MAX {
                self.control.push((conn, message));
            } else {
                self.stats.control_lost += 1;
            }
        }
    }

    /// Symbols to ids.
    fn resolve(&mut self, venue: Venue, frame: &[u8], staging: &Staging) {
        let counts = [staging.trades.len(), staging.quotes.len(), staging.bars.len(), staging.marks.len()];
        // INVARIANT: each record has one entry, so each place is written.
        debug_assert!(!staging.plain.is_empty() || counts.iter().sum::<usize>() == staging.entries.len());
        for (resolved, count) in self.resolved.iter_mut().zip(counts) {
            resolved.resize(count, Resolved { id: NOBODY, place: 0 });
        }
        if !staging.plain.is_empty() {
            for (resolved, count) in self.resolved.iter_mut().zip(staging.plain.counts()).skip(counts.len()) {
                resolved.resize(count as usize, Resolved { id: NOBODY, place: 0 });
            }
        }
        let symbols = &self.own.symbols;
        // Symbols lie in no order: the places of all are asked for before one is waited for.
        self.sought.clear();
        self.sought.extend(staging.entries.iter().map(|entry| {
            let (text, start, len) = staging.name_in(frame, entry);
            let sought = symbols.seek(venue, text, start, len);
            prefetch(symbols.place(&sought));
            sought
        }));
        let mut strangers = false;
        for ((entry, sought), place) in staging.entries.iter().zip(&self.sought).zip(1..) {
            let id = symbols.found(sought, || staging.name(frame, entry)).map_or(NOBODY, |id| id.0);
            strangers |= id == NOBODY;
            // No branch: kinds come in no order that could be guessed.
            self.resolved[entry.kind as usize][entry.index as usize] = Resolved { id, place };
        }
        if strangers {
            self.meet(venue, frame, staging);
        }
        self.fetch();
    }

    /// Asks for what the symbols of a frame have in memory.
    #[inline]
    fn fetch(&self) {
        let windows = self.own.windows.len();
        let [trades, quotes, bars, ..] = &self.resolved;
        let words = if windows == 0 { TRADE_WORDS } else { ROW_WORDS + windows.min(2) * WINDOW_WORDS };
        for quote in quotes {
            let Some(state) = self.states.get(quote.id as usize) else { continue };
            state.fetch_quote();
            self.rings.latest.prefetch(quote.id as usize, QUOTE_WORDS);
        }
        for trade in trades {
            let Some(state) = self.states.get(trade.id as usize) else { continue };
            state.fetch_trade();
            self.rings.latest.prefetch(trade.id as usize, words);
        }
        for bar in bars {
            let Some(state) = self.states.get(bar.id as usize) else { continue };
            state.fetch_open();
            for series in 0..self.series.len() {
                self.venue_pages.fetch_head(self.venue_pages.chain(series, bar.id as usize));
            }
        }
    }

    /// Gives ids to the symbols of a frame that have none; those that find the table full stay strangers.
    #[cold]
    fn meet(&mut self, venue: Venue, frame: &[u8], staging: &Staging) {
        for entry in &staging.entries {
            let (kind, index) = (entry.kind as usize, entry.index as usize);
            // A notice is about no symbol in particular.
            if self.resolved[kind][index].id == NOBODY && entry.kind != Kind::Notice {
                self.resolved[kind][index].id = self.first_sight(venue, staging.name(frame, entry));
            }
        }
    }

    /// Writes what is known of the frame into its records, puts trades into tape order, and gives the newest time that
    /// is believed of a known symbol.
    ///
    /// Long before the records are copied: a word that is read right after a part of it was written has to wait.
    fn stamp(&mut self, venue: Venue, staging: &mut Staging, (recv, conn): (Nanos, u16), limit: Nanos) -> Nanos {
        let mut newest = TIME_UNSET;
        let mut see = |id, time| {
            if time <= limit && id != NOBODY {
                newest = newest.max(time);
            }
        };
        let [trades, quotes, bars, marks, ..] = &self.resolved;
        // Records are numbered as they stand in the frame, also those that will be refused.
        let seq = |resolved: &Resolved| self.seq + u64::from(resolved.place);
        let mut disorder = false;
        let date = self.venues[venue as usize].day.date;
        for (trade, resolved) in staging.trades.iter_mut().zip(trades) {
            (trade.symbol, trade.ts_recv, trade.conn, trade.seq) = (resolved.id, recv, conn, seq(resolved));
            see(resolved.id, trade.ts_event);
            let Some(state) = self.states.get_mut(resolved.id as usize) else { continue };
            disorder |= state.is_before(self.frame, (trade.ts_event, trade.sequence)) && trade.ts_event <= limit;
            state.fetch_parts();
            if venue.is_massive() {
                self.seen.fetch(Identity::of(trade, date));
            }
        }
        for (quote, resolved) in staging.quotes.iter_mut().zip(quotes) {
            // Spot quotes carry no time: the moment of receipt is the best that is known.
            if quote.ts_event == TIME_UNSET {
                quote.ts_event = recv.clamp(TIME_MIN, TIME_MAX);
            }
            (quote.symbol, quote.ts_recv, quote.conn, quote.seq) = (resolved.id, recv, conn, seq(resolved));
            see(resolved.id, quote.ts_event);
        }
        for (bar, resolved) in staging.bars.iter_mut().zip(bars) {
            (bar.symbol, bar.ts_recv, bar.conn, bar.seq) = (resolved.id, recv, conn, seq(resolved));
            see(resolved.id, time_of_bar(bar, recv));
            if let Some(series) = self.series_of(bar)
                && resolved.id != NOBODY
            {
                self.venue_pages.fetch_cells(self.venue_pages.chain(series, resolved.id as usize));
            }
        }
        for (mark, resolved) in staging.marks.iter_mut().zip(marks) {
            (mark.symbol, mark.ts_recv, mark.conn, mark.seq) = (resolved.id, recv, conn, seq(resolved));
            see(resolved.id, mark.ts_event);
        }
        if disorder {
            // Entries name records by their place, so the places of other kinds stay as they are.
            staging.trades.sort_by_key(|trade| (trade.ts_event, trade.sequence));
            for (trade, resolved) in staging.trades.iter_mut().zip(trades) {
                trade.seq = seq(resolved);
            }
        }
        if !staging.plain.is_empty() {
            newest = newest.max(self.stamp_plain(&mut staging.plain, recv, conn, limit));
        }
        self.seq += staging.entries.len() as u64;
        newest
    }

    /// What readers know of names; the engine's own must change with it.
    fn registry_mut(&self) -> RwLockWriteGuard<'_, Registry> {
        self.registry.write().unwrap_or_else(PoisonError::into_inner)
    }

    #[cold]
    fn first_sight(&mut self, venue: Venue, name: &[u8]) -> u32 {
        let id = std::str::from_utf8(name).ok().and_then(|name| self.intern(venue, name));
        id.unwrap_or_else(|| {
            self.stats.symbols_refused += 1;
            NOBODY
        })
    }

    /// The symbol of that name, interned if it is new.
    fn known(&mut self, venue: Venue, name: &str) -> Result<u32, EngineError> {
        if name.is_empty() || name.len() > SYMBOL_MAX {
            return Err(EngineError::BadSymbol(name.to_owned()));
        }
        self.intern(venue, name).ok_or(EngineError::TooManySymbols(self.config.max_symbols))
    }

    fn intern(&mut self, venue: Venue, name: &str) -> Option<u32> {
        if name.is_empty() || name.len() > SYMBOL_MAX {
            return None;
        }
        let id = self.own.symbols.intern(venue, name).ok()?.0;
        if id as usize == self.states.len() {
            let twin = self.registry_mut().symbols.intern(venue, name);
            self.store.directory.add_symbol(venue, name);
            debug_assert_eq!(twin, Ok(SymbolId(id)));
            let mut state = SymbolState::new(venue, self.intervals.len(), self.sampled);
            let own = &mut self.venues[venue as usize];
            state.register(&self.own.windows, own.clock.now(), Nanos::MIN);
            if own.day_ends != TIME_UNSET {
                state.roll(&own.day);
            }
            state.collect(&self.plan, own.clock.now());
            state.take_outages(&own.outages);
            own.symbols.push(id);
            self.states.push(state);
            self.rings.latest.introduce(id as usize);
            self.pages.introduce(id as usize);
            self.venue_pages.introduce(id as usize);
            self.dirty.push(0);
            if let Some(scanner) = &mut self.scanner {
                scanner.grow(self.states.len());
            }
            if self.config.pin.iter().any(|pinned| pinned == name) {
                let rings = self.series.iter().map(|series| Pinned::new(series.retention, Bar::WORDS));
                self.pinned.push((id, rings.collect()));
            }
            if !self.plan.is_empty() {
                // A row that was never written has no derived fields, not even those that begin with zero.
                self.mark_dirty(id, Change::Whole);
            }
        }
        Some(id)
    }

    /// Applies every entry.
    ///
    /// In the order of the frame where that could be seen: by rules, which look at one kind's fields when another's
    /// event comes, by derived fields that compare trades with quotes, and where a date begins. Else kind by kind, since
    /// kinds change nothing of each other, and which one comes next is nobody's guess (5 ns an event).
    fn apply_events(&mut self, venue: Venue, staging: &mut Staging, newest: Nanos, recv: Nanos, limit: Nanos) -> usize {
        let Staging { trades, quotes, bars, marks, entries, plain, .. } = staging;
        let mut applied = 0;
        let day_ends = self.venues[venue as usize].day_ends;
        if self.scanner.is_some() || self.plan.mixes_kinds() || newest >= day_ends || day_ends == TIME_UNSET {
            for &Entry { kind, index, .. } in &*entries {
                let index = index as usize;
                applied += usize::from(match kind {
                    Kind::Trade => self.trade(venue, &mut trades[index], recv, limit),
                    Kind::Quote => self.quote(venue, &mut quotes[index], recv, limit),
                    Kind::VenueBar => self.venue_bar(venue, &mut bars[index], limit),
                    Kind::Mark => self.mark(venue, &mut marks[index], recv, limit),
                    // Plain kinds are handed on afterwards; what derived fields want of them is taken at its place.
                    _ => {
                        if self.plan.takes_plain() {
                            self.tell(venue, plain, kind, index, recv, limit);
                        }
                        false
                    }
                });
            }
            return applied;
        }
        applied += self.quotes(venue, quotes, limit);
        for at in 0..trades.len() {
            if let Some(trade) = trades.get(at + AHEAD)
                && let Some(state) = self.states.get(trade.symbol as usize)
            {
                state.windows.fetch_closed();
            }
            applied += usize::from(self.trade(venue, &mut trades[at], recv, limit));
        }
        for bar in bars {
            applied += usize::from(self.venue_bar(venue, bar, limit));
        }
        for mark in marks {
            applied += usize::from(self.mark(venue, mark, recv, limit));
        }
        applied
    }

    /// Takes what derived fields want of a plain record.
    fn tell(&mut self, venue: Venue, plain: &Plain, kind: Kind, index: usize, recv: Nanos, limit: Nanos) {
        let told = match kind {
            Kind::Band => Told::Band(&plain.bands[index]),
            Kind::Imbalance => Told::Imbalance(&plain.imbalances[index]),
            Kind::Liquidation => Told::Liquidation(&plain.liquidations[index]),
            Kind::Ticker => Told::Ticker(&plain.tickers[index]),
            _ => return,
        };
        let (id, time) = told.whose();
        if id == NOBODY || time > limit {
            return;
        }
        let own = &self.venues[venue as usize];
        if own.day_ends == TIME_UNSET || time >= own.day_ends {
            self.roll(venue, time, recv);
        }
        let own = &self.venues[venue as usize];
        if time >= own.day.start {
            self.states[id as usize].tell(told, own.clock.now());
            self.mark_dirty(id, Change::Quote);
        }
    }

    /// Keeps the frame's rare events for the next drain.
    #[cold]
    fn keep_notices(&mut self, frame: &[u8], plain: &Plain, (venue, recv, conn): (Venue, Nanos, u16)) -> usize {
        // They were numbered like all events of the frame.
        let before = self.frame_seq;
        for (notice, resolved) in plain.notices.iter().zip(&self.resolved[Kind::Notice as usize]) {
            if self.notices.len() >= NOTICES_MAX {
                self.stats.notices_lost += 1;
                continue;
            }
            self.notices.push(Notice {
                seq: before + u64::from(resolved.place),
                ts_recv: recv,
                conn,
                venue,
                kind: notice.kind.clone(),
                data: notice.text(frame).to_vec(),
            });
        }
        self.stats.notices += plain.notices.len() as u64;
        plain.notices.len()
    }

    /// Moves the venue's clock to the newest believed event of the frame, if there is one.
    fn observe(&mut self, venue: Venue, newest: Nanos, recv: Nanos) {
        let state = &mut self.venues[venue as usize];
        if newest == TIME_UNSET {
            state.clock.advance(recv);
        } else {
            state.clock.observe(newest, recv);
            state.lag = recv - newest;
        }
    }

    #[inline]
    fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// True for an event of the current date, which is started if the event is the first of it.
    #[inline]
    fn is_current(&mut self, venue: Venue, time: Nanos, recv: Nanos) -> bool {
        let state = &self.venues[venue as usize];
        if time >= state.day_ends || state.day_ends == TIME_UNSET {
            self.roll(venue, time, recv);
        }
        let current = time >= self.venues[venue as usize].day.start;
        self.stats.previous_date += u64::from(!current);
        current
    }

    /// True for an event of nobody, and for one that comes from the future.
    #[inline]
    fn refuses(&mut self, id: u32, time: Nanos, limit: Nanos) -> bool {
        let ahead = time > limit && id != NOBODY;
        self.stats.quarantined += u64::from(ahead);
        ahead || id == NOBODY
    }

    fn trade(&mut self, venue: Venue, trade: &mut Trade, recv: Nanos, limit: Nanos) -> bool {
        let id = trade.symbol;
        if self.refuses(id, trade.ts_event, limit) {
            return false;
        }
        let current = self.is_current(venue, trade.ts_event, recv);
        let own = &self.venues[venue as usize];
        let (day, now) = (own.day, own.clock.now());
        let state = &mut self.states[id as usize];
        if !state.owns(trade) {
            self.stats.not_owner += 1;
            return false;
        }
        if venue.is_massive() {
            let date = if current { day.date } else { own.calendar.day_at(trade.ts_event).0.date };
            if !self.seen.is_new(Identity::of(trade, date)) {
                self.stats.duplicates += 1;
                return false;
            }
        }
        if !SymbolState::fits(trade) {
            self.stats.overflow += 1;
            return false;
        }
        let is_next = state.is_next(venue, trade);
        let order = if is_next { Order::Next } else { self.reorder(venue, trade, recv) };
        if order == Order::Duplicate {
            self.stats.duplicates += 1;
            return false;
        }
        if !current {
            // Its date is over: it belongs to its bars and to the tape, and to nothing of today.
            let (past, _) = self.venues[venue as usize].calendar.day_at(trade.ts_event);
            let print = BarPrint::new(trade, self.states[id as usize].rights(venue, trade, &past));
            self.bars_of(venue, id, print, recv);
            self.close_hole(venue, id, order, recv);
            self.send_trade(trade);
            return true;
        }
        let state = &mut self.states[id as usize];
        self.stats.out_of_order += u64::from(trade.ts_event < state.row.last_time && state.row.last_time != TIME_UNSET);
        let print = state.trade::<{ how::LIVE }>(venue, trade, &day, now);
        if print.rights.has(condition::OUT_OF_SEQUENCE) {
            trade.flags |= TRADE_LATE;
        }
        self.stats.late += u64::from(trade.flags & TRADE_LATE != 0);
        self.stats.unknown_conditions += u64::from(print.rights.has(condition::UNKNOWN));
        self.bars_of(venue, id, print, recv);
        if !is_next {
            self.close_hole(venue, id, order, recv);
        }
        if self.sampled > 0 {
            self.sample(venue, trade, print.rights, recv);
        }
        self.send_trade(trade);
        self.mark_dirty(id, Change::Trade);
        self.mark_moving(venue, id);
        // What fills a hole is no news.
        if self.scanner.is_some() && self.states[id as usize].gaps_touching(trade.ts_event, trade.ts_event + 1) == 0 {
            self.scan(Moment::Trade, id, trade.ts_event, recv);
        }
        true
    }

    /// Takes note of a trade that is not next in line: ids are missing before it, it was missing itself, or it was seen before.
    #[cold]
    #[inline(never)]
    fn reorder(&mut self, venue: Venue, trade: &Trade, recv: Nanos) -> Order {
        let id = trade.symbol;
        let order = self.states[id as usize].ids.order(trade.sequence, trade.ts_event);
        match order {
            Order::Next | Order::Duplicate => {}
            Order::Gap(first, last) => {
                self.stats.gaps += 1;
                self.stats.missing += last.abs_diff(first).saturating_add(1);
                let hole = self.states[id as usize].ids.newest_hole();
                self.keep_id_gap(IdGap { venue, symbol: SymbolId(id), first, last, from: hole.0, to: hole.1 });
                self.open_hole(venue, id, hole, recv);
                self.states[id as usize].open_gap(hole.0, hole.1);
                self.start_over(venue, id);
            }
            Order::Filled(_) => self.stats.missing -= 1,
        }
        order
    }

    #[inline]
    fn send_trade(&mut self, trade: &Trade) {
        self.rings.trades.push(bytemuck::cast_ref::<_, [u64; Trade::WORDS]>(trade));
        self.stats.trades += 1;
    }

    fn quote(&mut self, venue: Venue, quote: &mut Quote, recv: Nanos, limit: Nanos) -> bool {
        let id = quote.symbol;
        if self.refuses(id, quote.ts_event, limit) || !self.is_current(venue, quote.ts_event, recv) {
            return false;
        }
        let taken = self.quote_taker(venue).take(quote);
        if taken == Some(true) {
            self.scan(Moment::Quote, id, quote.ts_event, recv);
        }
        taken.is_some()
    }

    /// The same for many, where no rules look and no date begins.
    fn quotes(&mut self, venue: Venue, quotes: &[Quote], limit: Nanos) -> usize {
        let start = self.venues[venue as usize].day.start;
        let mut taker = self.quote_taker(venue);
        let (mut taken, mut ahead, mut past) = (0, 0, 0);
        for quote in quotes {
            if quote.symbol == NOBODY {
            } else if quote.ts_event > limit {
                ahead += 1;
            } else if quote.ts_event < start {
                past += 1;
            } else {
                taken += usize::from(taker.take(quote).is_some());
            }
        }
        self.stats.quarantined += ahead;
        self.stats.previous_date += past;
        taken
    }

    fn quote_taker(&mut self, venue: Venue) -> QuoteTaker<'_> {
        QuoteTaker {
            now: self.venues[venue as usize].clock.now(),
            rising: !venue.is_massive(),
            states: &mut self.states,
            ring: self.rings.quotes.writer(),
            dirty: DirtyList { ids: &mut self.dirty, count: &mut self.dirty_count },
            stats: &mut self.stats,
        }
    }

    /// A venue's bar goes to its own series and never into sums made from trades.
    fn venue_bar(&mut self, venue: Venue, bar: &mut VenueBar, limit: Nanos) -> bool {
        let id = bar.symbol;
        // A bar starts long before it is sent and may end a date; it moves no date and none is too old for its series.
        if self.refuses(id, bar.ts_event, limit) {
            return false;
        }
        if !bar.day_open.is_nan() && bar.ts_event >= self.venues[venue as usize].day.start {
            let news = self.states[id as usize].official_open(bar.day_open);
            if news {
                self.mark_dirty(id, Change::Trade);
            }
        }
        self.rings.venue_bars.push(bytemuck::cast_ref::<_, [u64; VenueBar::WORDS]>(bar));
        self.stats.venue_bars += 1;
        if let Some(at) = self.series_of(bar) {
            self.keep_venue_bar(at, id, &public_bar(bar, at as u16));
            if venue.is_massive() && self.intervals[at] == SECOND && bar.day_volume_e8 != E8_UNSET {
                self.compare_volume(venue, at, bar);
            }
        }
        true
    }

    fn mark(&mut self, venue: Venue, mark: &mut Mark, recv: Nanos, limit: Nanos) -> bool {
        let id = mark.symbol;
        if self.refuses(id, mark.ts_event, limit) || !self.is_current(venue, mark.ts_event, recv) {
            return false;
        }
        if !self.states[id as usize].mark(mark) {
            self.stats.duplicates += 1;
            return false;
        }
        self.rings.marks.push(bytemuck::cast_ref::<_, [u64; Mark::WORDS]>(mark));
        self.stats.marks += 1;
        self.mark_dirty(id, Change::Whole);
        true
    }

    /// What time alone does to a venue: ends bars, starts a date.
    fn tick_venue(&mut self, venue: Venue, recv: Nanos) {
        let now = self.venues[venue as usize].clock.now();
        if now == TIME_UNSET {
            return;
        }
        self.end_bars(venue, now, recv);
        let own = &self.venues[venue as usize];
        if own.day_ends == TIME_UNSET || now >= own.day_ends {
            self.roll(venue, now, recv);
        }
    }

    /// Starts the trading date of `time` for every symbol of a venue.
    #[cold]
    fn roll(&mut self, venue: Venue, time: Nanos, recv: Nanos) {
        let (day, ends) = self.venues[venue as usize].calendar.day_at(time);
        self.end_bars(venue, day.start, recv);
        self.cut_samples(venue, recv);
        let own = &mut self.venues[venue as usize];
        (own.day, own.day_ends) = (day, ends);
        let symbols = std::mem::take(&mut own.symbols);
        for &id in &symbols {
            self.states[id as usize].roll(&day);
            if let Some(scanner) = &mut self.scanner {
                scanner.rollover(id);
            }
            self.mark_dirty(id, Change::Whole);
        }
        self.venues[venue as usize].symbols = symbols;
    }

    /// Lists a symbol to be published.
    #[inline]
    fn mark_dirty(&mut self, id: u32, change: Change) {
        let mut dirty = DirtyList { ids: &mut self.dirty, count: &mut self.dirty_count };
        dirty.mark(&mut self.states[id as usize], id, change);
    }

    /// Lists a symbol whose windows took a trade as one that time alone changes.
    #[inline]
    fn mark_moving(&mut self, venue: Venue, id: u32) {
        let state = &mut self.states[id as usize];
        if !state.moving && state.windows.is_moving() {
            state.moving = true;
            self.venues[venue as usize].moving.push(id);
        }
    }

    /// Marks the symbols whose windows change with time alone.
    fn touch_moving(&mut self, venue: Venue) {
        let mut moving = std::mem::take(&mut self.venues[venue as usize].moving);
        let now = self.venues[venue as usize].clock.now();
        moving.retain(|&id| {
            let state = &mut self.states[id as usize];
            state.windows.evict(now);
            state.moving = state.windows.is_moving();
            if !state.dirty {
                state.dirty = true;
                self.dirty[self.dirty_count] = id;
                self.dirty_count += 1;
            }
            state.moving
        });
        self.venues[venue as usize].moving = moving;
    }

    /// Runs the rules of a moment for one symbol.
    #[inline(always)]
    fn scan(&mut self, moment: Moment, id: u32, ts_event: Nanos, recv: Nanos) {
        if self.scanner.is_some() {
            self.evaluate(moment, id, ts_event, recv);
        }
    }

    #[inline(never)]
    fn evaluate(&mut self, moment: Moment, id: u32, ts_event: Nanos, recv: Nanos) {
        let Some(scanner) = self.scanner.as_mut().filter(|scanner| scanner.wants(moment)) else { return };
        let state = &mut self.states[id as usize];
        let venue = venue_of(state, &self.venues);
        let now = venue.clock.now();
        state.evict(now);
        let asked = Asked { registry: &self.own, plan: &self.plan, on_trade: moment == Moment::Trade };
        let value = |_, field: FieldRef| asked.value(state, field, &venue.day, now);
        let (rings, stats, seq) = (&self.rings, &mut self.stats, &mut self.seq);
        scanner.evaluate(moment, id, now, value, |rule, firing| {
            *seq += 1;
            stats.signals += 1;
            let row = &state.row;
            let of = |field| field::value(field, row, &WindowRow::empty(), 0, now);
            let signal = Signal {
                seq: *seq,
                ts_event,
                ts_eval: now,
                ts_recv: recv,
                price: row.last,
                change: of(ringtape_model::Field::Change),
                volume: of(ringtape_model::Field::Volume),
                firing,
                rule: rule as u32,
                symbol: id,
                venue: row.venue as u8,
                moment: moment as u8,
                flags: 0,
            };
            rings.signals.push(bytemuck::cast_ref::<_, [u64; Signal::WORDS]>(&signal));
        });
    }

    /// Runs the tick rules for every symbol of a venue.
    fn scan_tick(&mut self, venue: Venue, recv: Nanos) {
        if !self.scanner.as_ref().is_some_and(|scanner| scanner.wants(Moment::Tick)) {
            return;
        }
        let symbols = std::mem::take(&mut self.venues[venue as usize].symbols);
        let now = self.venues[venue as usize].clock.now();
        for &id in &symbols {
            self.scan(Moment::Tick, id, now, recv);
        }
        self.venues[venue as usize].symbols = symbols;
    }

    /// Publishes what changed: records pushed, dirty rows with their windows, live columns, the clock.
    fn publish(&mut self, venue: Venue, recv: Nanos) {
        // The clock first: no row is younger than the time that readers measure ages from.
        let own = &self.venues[venue as usize];
        let times = [own.clock.now(), own.clock.watermark(), i64::from(own.day.date), recv, own.lag];
        let clock: [u64; CLOCK_WORDS] = times.map(i64::cast_unsigned);
        self.rings.clock.write(venue as usize, &[(0, &clock)]);
        // Every dirty symbol is of this venue: each call that changes one publishes before it returns.
        let (day, now) = (own.day, own.clock.now());
        for place in 0..std::mem::take(&mut self.dirty_count) {
            let id = self.dirty[place];
            if !self.plan.is_empty() {
                self.compute_derived(id, &day, now);
            }
            let state = &mut self.states[id as usize];
            debug_assert_eq!(state.row.venue, venue as u32);
            state.dirty = false;
            state.windows.evict(now);
            state.row.now = now;
            if recv != TIME_UNSET {
                state.row.ts_recv = recv;
            }
            self.rings.latest.change(id as usize, |to| {
                state.publish(to);
                put_words(to, &self.derived);
            });
            let asked = Asked { registry: &self.own, plan: &self.plan, on_trade: false };
            for (field, column) in &self.own.columns {
                column.set(id as usize, asked.value(state, *field, &day, now));
            }
        }
        let rings = &self.rings;
        for ring in [&rings.trades, &rings.quotes, &rings.bars, &rings.venue_bars, &rings.marks, &rings.signals] {
            ring.publish();
        }
        if std::mem::take(&mut self.plain_pushed) {
            for ring in &rings.plain {
                ring.publish();
            }
        }
    }

    /// Live columns that change with engine time alone.
    fn refresh_ages(&mut self, venue: Venue) {
        let registry = &self.own;
        let own = &self.venues[venue as usize];
        let asked = Asked { registry, plan: &self.plan, on_trade: false };
        let is_age = |field: &FieldRef| field.field.info().unit == ringtape_model::Unit::Seconds;
        // Derived ages are kept with the rows that time moves.
        let ages = registry.columns.iter().filter(|(field, _)| is_age(field) && !field.field.is_derived());
        for (field, column) in ages {
            for &id in &own.symbols {
                column.set(id as usize, asked.value(&self.states[id as usize], *field, &own.day, own.clock.now()));
            }
        }
    }
}

/// What is done with the records of the plain kinds, list by list: nothing of one kind depends on another.
macro_rules! plain_kinds {
    (hot: [$($hot:tt)*] plain: [$($kind:ident $list:ident $doc:literal;)*]) => {
        impl Engine {
            /// Stamps them; gives the newest time that is believed of a known symbol.
            #[cold]
            fn stamp_plain(&mut self, plain: &mut Plain, recv: Nanos, conn: u16, limit: Nanos) -> Nanos {
                self.frame_seq = self.seq;
                let known = (self.seq, recv, conn, limit);
                let mut newest = TIME_UNSET;
                $(newest = newest.max(stamp_all(&mut plain.$list, &self.resolved[Kind::$kind as usize], known));)*
                newest
            }

            /// Hands them on; gives how many were.
            #[cold]
            fn apply_plain(&mut self, plain: &mut Plain, limit: Nanos) -> usize {
                0 $(+ self.hand_on::<ringtape_model::$kind>(plain, limit))*
            }
        }

        /// The first of their times that is looked for, list by list.
        #[cold]
        fn find_time(plain: &Plain, wanted: impl Fn(&Nanos) -> bool) -> Option<Nanos> {
            $(if let Some(found) = plain.$list.iter().map(|record| record.ts_event).find(&wanted) {
                return Some(found);
            })*
            None
        }
    };
}
for_each_kind!(plain_kinds);

impl Engine {
    /// Sends the records of a list to their ring, those of nobody and those from the future left out.
    fn hand_on<R: Listed>(&mut self, plain: &mut Plain, limit: Nanos) -> usize {
        let place = R::KIND.plain_place();
        let mut sent = 0;
        for record in R::list(plain) {
            if self.refuses(record.symbol(), *record.ts_event(), limit) {
                continue;
            }
            self.rings.plain[place].push_words(words(record));
            sent += 1;
        }
        self.stats.plain[place] += sent as u64;
        self.plain_pushed |= sent > 0;
        sent
    }
}

impl Engine {
    /// An index has no trades: its values are its prices.
    #[cold]
    fn apply_indices(&mut self, venue: Venue, values: &[Value], recv: Nanos, limit: Nanos) {
        for value in values.iter().filter(|value| value.what == VALUE_INDEX && value.ts_event <= limit) {
            let id = value.symbol;
            if id == NOBODY || !self.is_current(venue, value.ts_event, recv) {
                continue;
            }
            let own = &self.venues[venue as usize];
            let (day, now) = (own.day, own.clock.now());
            self.stats.out_of_order += u64::from(!self.states[id as usize].index(value, &day, now));
            self.mark_dirty(id, Change::Trade);
            self.mark_moving(venue, id);
            self.scan(Moment::Trade, id, value.ts_event, recv);
        }
    }
}

/// Stamps the records of one list; gives the newest time that is believed of a known symbol.
fn stamp_all<R: Listed>(
    records: &mut [R],
    resolved: &[Resolved],
    (seq, recv, conn, limit): (u64, Nanos, u16, Nanos),
) -> Nanos {
    let mut newest = TIME_UNSET;
    for (record, &Resolved { id, place }) in records.iter_mut().zip(resolved) {
        record.stamp(Stamp { seq: seq + u64::from(place), ts_recv: recv, symbol: id, conn });
        let time = record.ts_event();
        if *time == TIME_UNSET {
            *time = recv.clamp(TIME_MIN, TIME_MAX);
        }
        if *time <= limit && id != NOBODY {
            newest = newest.max(*time);
        }
    }
    newest
}

/// The symbols to be published: the first `count` of the list.
struct DirtyList<'a> {
    ids: &'a mut [u32],
    count: &'a mut usize,
}

impl DirtyList<'_> {
    /// Lists a symbol, once. No branch: a guess would be wrong every third time.
    #[inline(always)]
    fn mark(&mut self, state: &mut SymbolState, id: u32, change: Change) {
        state.change(change);
        // INVARIANT: the list has a place for every symbol and one more, so its end can always be written.
        self.ids[*self.count] = id;
        *self.count += usize::from(!state.dirty);
        state.dirty = true;
    }
}

/// What quotes change, apart from the rest of the engine, so that a run of them has it at hand.
struct QuoteTaker<'a> {
    now: Nanos,
    /// The venue numbers the quotes of a symbol upwards, for ever.
    rising: bool,
    states: &'a mut [SymbolState],
    ring: EventWriter<'a>,
    dirty: DirtyList<'a>,
    stats: &'a mut Stats,
}

impl QuoteTaker<'_> {
    /// Applies a quote of a known symbol; tells whether it is the newest, or nothing if it was seen before.
    #[inline(always)]
    fn take(&mut self, quote: &Quote) -> Option<bool> {
        let state = &mut self.states[quote.symbol as usize];
        if state.has_quote(quote, self.rising) {
            self.stats.duplicates += 1;
            return None;
        }
        let newer = state.quote(quote, self.now);
        self.ring.push(bytemuck::cast_ref::<_, [u64; Quote::WORDS]>(quote));
        self.stats.quotes += 1;
        if newer {
            self.dirty.mark(state, quote.symbol, Change::Quote);
        } else {
            self.stats.out_of_order += 1;
        }
        Some(newer)
    }
}

/// A bar is made when the venue says so, or after it has ended. One that is sent while it forms says only that it has
/// begun: its end would move engine time ahead of the trades that it is made of.
#[inline]
fn time_of_bar(bar: &VenueBar, recv: Nanos) -> Nanos {
    let made = if bar.ts_end <= recv { bar.ts_end } else { bar.ts_event };
    if bar.ts_sent == TIME_UNSET { made } else { bar.ts_sent }
}

fn venue_of<'a>(state: &SymbolState, venues: &'a [VenueState]) -> &'a VenueState {
    &venues[state.row.venue as usize]
}

/// What is needed to find the value of a field.
#[derive(Clone, Copy)]
struct Asked<'a> {
    registry: &'a Registry,
    plan: &'a Plan,
    /// A rule is looking at the newest trade.
    on_trade: bool,
}

impl Asked<'_> {
    /// Value of a field from a symbol's state; its windows must have been evicted to `now`.
    #[inline]
    fn value(self, state: &SymbolState, field: FieldRef, day: &Day, now: Nanos) -> f64 {
        if field.field.is_derived() {
            let line = self.plan.line(field);
            return line.map_or(f64::NAN, |line| state.derived(line, day, now, self.on_trade));
        }
        let slot = self.registry.window_slot(field.window);
        let window = slot.map_or_else(WindowRow::empty, |slot| state.windows.row(slot));
        field::value(field.field, &state.row, &window, field.window, now)
    }
}

/// Puts single words into a row.
#[inline]
fn put_words(to: RowWriter<'_>, words: &[(usize, u64)]) {
    for &(at, word) in words {
        to.put(at, &[word]);
    }
}

/// A record as ring words.
#[inline]
fn words<T: bytemuck::NoUninit>(record: &T) -> &[u64] {
    bytemuck::cast_slice(std::slice::from_ref(record))
}

/// What a venue's bar shares with our own.
fn public_bar(bar: &VenueBar, series: u16) -> Bar {
    Bar {
        seq: bar.seq,
        ts_event: bar.ts_event,
        ts_end: bar.ts_end,
        ts_recv: bar.ts_recv,
        open: bar.open,
        high: bar.high,
        low: bar.low,
        close: bar.close,
        volume: bar.volume,
        volume_e8: bar.volume_e8,
        dollar_volume: bar.dollar_volume,
        vwap: bar.vwap,
        buy_volume: bar.buy_volume,
        trade_count: bar.trade_count,
        symbol: bar.symbol,
        interval_ms: bar.interval_ms,
        venue: bar.venue,
        source: SOURCE_VENUE,
        flags: bar.flags,
        conn: bar.conn,
        series,
    }
}
