//! The Engine as Python sees it: one owner, calls do not nest, reads go to the rings.

use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyString, PyTuple};
use ringtape::engine::{self, Config, Day, Reader, Source};
use ringtape::model::field::{self, Args, CATALOGUE, parse_window};
use ringtape::model::units::{Nanos, TIME_UNSET};
use ringtape::model::{self, Bar, FieldRef, Record, SymbolId, Unit, Venue, WindowRow, nearest};
use ringtape::ring::{EventReader, EventRing};

use crate::batch::{Batch, Control, Drained, Notice, control, notice};
use crate::errors;
use crate::memory::{Memory, viewed};
use crate::records::{self, Kind, float};
use crate::reference;
use crate::rule::PyRuleSet;
use crate::table::{Table, TableColumn};

/// Records that one drain takes at the most, of each kind.
const DRAIN_MAX: usize = usize::MAX;

/// What the owner changes.
struct Owned {
    engine: engine::Engine,
    /// Readers of the rings, in the order of a batch's arrays.
    readers: Box<[EventReader]>,
    /// The buffers of the last drain, used again once no batch and no array holds them.
    buffers: [Arc<Vec<u64>>; Kind::COUNT],
    rule_ids: Vec<String>,
    /// The venue name of the last frame and what it means.
    venue: Option<(Py<PyString>, Venue)>,
}

/// Why a name is no symbol.
enum Missing {
    /// The nearest ones.
    Unknown(Vec<String>),
    /// The same name on several venues.
    Ambiguous(Vec<String>),
}

/// A market-data engine: frames in; rows, bars, batches and signals out.
#[pyclass(frozen, module = "ringtape._native")]
pub(crate) struct Engine {
    owned: Mutex<Owned>,
    reader: Reader,
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (bars=None, windows=None, max_symbols=20_000, pin=None, shared=None, *, ring_size=65_536, max_windows=16, max_fields=64, max_bars=1_000_000))]
    fn new(
        py: Python<'_>,
        bars: Option<Vec<String>>,
        windows: Option<Vec<String>>,
        max_symbols: usize,
        pin: Option<Vec<String>>,
        shared: Option<String>,
        ring_size: usize,
        max_windows: usize,
        max_fields: usize,
        max_bars: usize,
    ) -> PyResult<Self> {
        if shared.is_some() {
            let why = "shared: this version keeps its rings in private memory; leave it out";
            return Err(errors::raise(py, "ConfigError", (why, "shared")));
        }
        let bars = bars.unwrap_or_else(|| vec!["1s".to_owned(), "1m".to_owned()]);
        let lengths = |names: Vec<String>| names.iter().map(|name| length(py, name)).collect::<PyResult<Vec<Nanos>>>();
        for (key, value, most) in [
            ("max_symbols", max_symbols, 4_000_000),
            ("ring_size", ring_size, 1 << 26),
            ("max_bars", max_bars, 1 << 31),
        ] {
            if value == 0 || value > most {
                let why = format!("{key} is {value}: write a number from 1 to {most}");
                return Err(errors::raise(py, "ConfigError", (why, key)));
            }
        }
        if max_windows > 64 {
            let why = format!("max_windows is {max_windows}: at most 64 windows can be registered");
            return Err(errors::raise(py, "ConfigError", (why, "max_windows")));
        }
        if max_fields > 64 {
            let why = format!("max_fields is {max_fields}: at most 64 derived fields can be kept");
            return Err(errors::raise(py, "ConfigError", (why, "max_fields")));
        }
        let config = Config {
            bars: lengths(bars)?,
            windows: lengths(windows.unwrap_or_default())?,
            max_symbols,
            max_windows,
            max_fields,
            max_bars,
            ring_size,
            pin: pin.unwrap_or_default(),
        };
        let engine = engine::Engine::new(config).map_err(|error| errors::engine(py, &error))?;
        let rings = engine.rings();
        let kinds = model::Kind::HOT.iter().chain(model::Kind::PLAIN).filter_map(|&kind| rings.of(kind));
        let readers = [&rings.bars, &rings.signals].into_iter().chain(kinds).map(EventRing::reader).collect();
        let reader = engine.reader();
        let buffers = std::array::from_fn(|_| Arc::new(Vec::new()));
        let owned = Owned { engine, readers, buffers, rule_ids: Vec::new(), venue: None };
        Ok(Self { owned: Mutex::new(owned), reader })
    }

    fn __repr__(&self) -> String {
        let registry = self.reader.registry();
        let intervals: Vec<String> =
            self.reader.series().iter().map(|series| field::window_text(series.interval)).collect();
        format!("Engine({} symbols, bars {})", registry.symbols.len(), intervals.join(" "))
    }

    #[pyo3(signature = (frame, venue, recv_ns, conn=0))]
    fn feed(
        &self,
        py: Python<'_>,
        frame: &Bound<'_, PyAny>,
        venue: &Bound<'_, PyString>,
        recv_ns: i64,
        conn: u16,
    ) -> PyResult<usize> {
        viewed(frame, |frame| {
            let mut owned = self.own(py)?;
            let market = owned.market(venue)?;
            if !owned.engine.decode(frame, market, recv_ns) {
                return Ok(0);
            }
            let mut asked = None;
            while let Some((market, time)) = owned.engine.uncovered(recv_ns) {
                if asked == Some(time) {
                    break;
                }
                asked = Some(time);
                let days = days(py, market, time)?;
                owned.engine.add_days(market, &days);
            }
            Ok(owned.engine.apply(frame, recv_ns, conn))
        })
    }

    fn advance(&self, py: Python<'_>, recv_ns: i64) -> PyResult<()> {
        self.own(py)?.engine.advance(recv_ns);
        Ok(())
    }

    fn drain(&self, py: Python<'_>) -> PyResult<Batch> {
        let mut owned = self.own(py)?;
        let owned = &mut *owned;
        let messages = owned.engine.take_control();
        let messages = messages.into_iter().map(|(conn, message)| Py::new(py, control(py, conn, message)?));
        let messages: Vec<Py<Control>> = messages.collect::<PyResult<_>>()?;
        let notices = owned.engine.take_notices().into_iter().map(|one| Py::new(py, notice(py, one)));
        let notices: Vec<Py<Notice>> = notices.collect::<PyResult<_>>()?;
        let mut lost = [0; Kind::COUNT];
        let mut drained: Drained = [const { None }; Kind::COUNT];
        for (at, reader) in owned.readers.iter_mut().enumerate() {
            if reader.behind() == 0 {
                continue;
            }
            if Arc::get_mut(&mut owned.buffers[at]).is_none() {
                // Somebody still looks at the last one.
                owned.buffers[at] = Arc::new(Vec::new());
            }
            if let Some(buffer) = Arc::get_mut(&mut owned.buffers[at]) {
                buffer.clear();
                lost[at] = reader.read(buffer, DRAIN_MAX).lost;
            }
            drained[at] = Some(Arc::clone(&owned.buffers[at]));
        }
        Ok(Batch::new(drained, lost, messages, notices))
    }

    #[pyo3(signature = (table, venue="massive.stocks"))]
    fn set_reference(&self, py: Python<'_>, table: &Bound<'_, PyAny>, venue: &str) -> PyResult<usize> {
        let market = errors::venue(py, venue)?;
        let rows = reference::read(py, table)?;
        let count = rows.len();
        let mut owned = self.own(py)?;
        for (symbol, data) in rows {
            owned.engine.set_reference(market, &symbol, data).map_err(|error| errors::engine(py, &error))?;
        }
        Ok(count)
    }

    fn set_sessions(&self, py: Python<'_>, venue: &str, days: Vec<(u32, i64, i64, i64, i64)>) -> PyResult<()> {
        let market = errors::venue(py, venue)?;
        let days: Vec<Day> = days.into_iter().map(to_day).collect();
        self.own(py)?.engine.add_days(market, &days);
        Ok(())
    }

    fn set_rules(&self, py: Python<'_>, rules: &Bound<'_, PyRuleSet>) -> PyResult<()> {
        let set = rules.get().to_set();
        let mut owned = self.own(py)?;
        let ids = set.rules().iter().map(|rule| rule.id().to_owned()).collect();
        owned.engine.set_rules(set).map_err(|error| errors::engine(py, &error))?;
        owned.rule_ids = ids;
        Ok(())
    }

    fn rule_ids(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.own(py)?.rule_ids.clone())
    }

    fn symbols(&self) -> Vec<(u32, &'static str, String)> {
        let registry = self.reader.registry();
        registry.symbols.iter().map(|(id, venue, name)| (id.0, venue.name(), name.to_owned())).collect()
    }

    fn symbol_name(&self, py: Python<'_>, id: u32) -> PyResult<String> {
        let name = {
            let registry = self.reader.registry();
            ((id as usize) < registry.symbols.len()).then(|| registry.symbols.name(SymbolId(id)).to_owned())
        };
        name.ok_or_else(|| errors::raise(py, "UnknownSymbol", (format!("#{id}"),)))
    }

    fn get<'py>(&self, py: Python<'py>, symbol: &str, field: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (id, venue) = self.symbol(py, symbol)?;
        let field = errors::field(py, field)?;
        let found = self.reader.registry().source(field);
        let slot = match found {
            Some(Source::Derived(place)) => return self.derived(py, id, field, place),
            None if field.field.is_derived() => return self.derived(py, id, field, self.place(py, field)?),
            None => {
                let value = self.own(py)?.engine.scan_window(id, field);
                return value.map(|value| to_python(py, field, value)).transpose().map(Option::flatten);
            }
            Some(Source::Window(slot)) => slot,
            Some(Source::Row) => 0,
        };
        let Some((snapshot, window)) = self.reader.row_and_window(id, venue, slot) else {
            return Ok(None);
        };
        if field.field.info().unit == Unit::Time {
            let time = field::time_value(field.field, &snapshot.row);
            return Ok((time != TIME_UNSET).then(|| time.into_pyobject(py)).transpose()?.map(Bound::into_any));
        }
        to_python(py, field, field::value(field.field, &snapshot.row, &window, field.window, snapshot.now))
    }

    fn row<'py>(&self, py: Python<'py>, symbol: &str) -> PyResult<Bound<'py, PyDict>> {
        let (id, venue) = self.symbol(py, symbol)?;
        let (lengths, derived) = {
            let registry = self.reader.registry();
            (registry.windows.clone(), registry.derived.clone())
        };
        let out = PyDict::new(py);
        let Some((snapshot, windows)) = self.reader.row_and_windows(id, venue, lengths.len()) else { return Ok(out) };
        let row = &snapshot.row;
        for info in CATALOGUE.iter().filter(|info| !info.field.is_derived()) {
            if info.args == Args::Window {
                for (&length, window) in lengths.iter().zip(&windows) {
                    let field = FieldRef::over(info.field, length);
                    let value = field::value(info.field, row, window, length, snapshot.now);
                    out.set_item(field.text(), to_python(py, field, value)?)?;
                }
            } else if info.unit == Unit::Time {
                let time = field::time_value(info.field, row);
                out.set_item(info.name, (time != TIME_UNSET).then_some(time))?;
            } else {
                let value = field::value(info.field, row, &WindowRow::empty(), 0, snapshot.now);
                out.set_item(info.name, to_python(py, FieldRef::plain(info.field), value)?)?;
            }
        }
        for (place, &field) in derived.iter().enumerate() {
            out.set_item(field.text(), self.derived(py, id, field, place)?)?;
        }
        Ok(out)
    }

    fn table(&self, py: Python<'_>, fields: Vec<String>) -> PyResult<Table> {
        let parsed: Vec<FieldRef> = fields.iter().map(|text| errors::field(py, text)).collect::<PyResult<_>>()?;
        let mut sources = Vec::new();
        for &field in &parsed {
            sources.push((field, self.source(py, field)?));
        }
        let (symbols, markets): (Vec<String>, Vec<Venue>) = {
            let registry = self.reader.registry();
            registry.symbols.iter().map(|(_, venue, name)| (name.to_owned(), venue)).unzip()
        };
        let mut columns: Vec<Vec<u64>> = vec![vec![0; symbols.len()]; parsed.len()];
        let sequence = self.reader.table(&markets, &sources, |row, column, value, snapshot| {
            let field = parsed[column].field;
            columns[column][row] = if field.info().unit == Unit::Time {
                field::time_value(field, snapshot) as u64
            } else {
                value.to_bits()
            };
        });
        let columns = fields.into_iter().zip(columns).zip(&parsed).map(|((name, values), field)| TableColumn {
            name,
            unit: field.field.info().unit,
            values: Arc::new(values),
        });
        Ok(Table {
            columns: columns.collect(),
            venues: markets.into_iter().map(Venue::name).collect(),
            symbols,
            sequence,
        })
    }

    #[pyo3(signature = (field, copy=true))]
    fn column<'py>(&self, py: Python<'py>, field: &str, copy: bool) -> PyResult<Bound<'py, PyAny>> {
        let parsed = errors::field(py, field)?;
        if parsed.field.info().unit == Unit::Time {
            let why = format!("field {field:?} is a time: read it with get, row or table");
            return Err(errors::raise(py, "ConfigError", (why,)));
        }
        let (held, count) = {
            let registry = self.reader.registry();
            let held = registry.columns.iter().find(|(known, _)| *known == parsed).map(|(_, column)| column.clone());
            (held, registry.symbols.len())
        };
        let column = match held {
            Some(column) => column,
            None => self.own(py)?.engine.register_column(parsed).map_err(|error| errors::engine(py, &error))?,
        };
        if !copy {
            return records::plain(py, "<f8", Memory::live(column.words().clone(), 0, count));
        }
        let mut values = vec![0.0; count];
        column.copy(&mut values);
        let bits = Arc::new(bytemuck::cast_vec(values));
        records::plain(py, "<f8", Memory::owned(bits, 0, count))
    }

    #[pyo3(signature = (symbol, interval, n=None, source="own", forming=false, copy=true))]
    fn bars<'py>(
        &self,
        py: Python<'py>,
        symbol: &str,
        interval: &str,
        n: Option<usize>,
        source: &str,
        forming: bool,
        copy: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (id, venue) = self.symbol(py, symbol)?;
        let series = self.series(py, interval)?;
        let most = n.unwrap_or(usize::MAX);
        let own = match source {
            "own" => true,
            "venue" => false,
            _ => {
                let why = format!("bars have no source {source:?}: write \"own\" or \"venue\"");
                return Err(errors::raise(py, "ConfigError", (why, "source")));
            }
        };
        if !copy {
            if !own || forming {
                let why = "only own bars that have ended lie side by side: leave out source and forming, or copy";
                return Err(errors::raise(py, "ConfigError", (why, "copy")));
            }
            return self.pinned(py, id, series, most, symbol);
        }
        let mut bars: Vec<Bar> = if own {
            self.reader.bars(id, venue, series, most).unwrap_or_default()
        } else {
            self.reader.venue_bars(id, series, most).unwrap_or_default()
        };
        if forming && own {
            bars.extend(self.own(py)?.engine.forming(id, series));
            let over = bars.len().saturating_sub(most);
            bars.drain(..over);
        }
        let words: Vec<u64> = bytemuck::allocation::pod_collect_to_vec(&bars);
        let count = words.len();
        records::array(py, Kind::BARS, Memory::owned(Arc::new(words), 0, count))
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let owned = self.own(py)?;
        let stats = owned.engine.stats();
        let out = PyDict::new(py);
        let number = |name: &str, value: u64| out.set_item(name, value);
        number("frames", stats.frames)?;
        number("bytes", stats.bytes)?;
        number("events", stats.events())?;
        number("trades", stats.trades)?;
        number("quotes", stats.quotes)?;
        number("venue_bars", stats.venue_bars)?;
        number("marks", stats.marks)?;
        for (kind, &count) in model::Kind::PLAIN.iter().zip(&stats.plain) {
            number(kind.list(), count)?;
        }
        number("notices", stats.notices)?;
        number("notices_lost", stats.notices_lost)?;
        number("control", stats.control)?;
        number("control_lost", stats.control_lost)?;
        number("symbols", self.reader.registry().symbols.len() as u64)?;
        number("symbols_refused", stats.symbols_refused)?;
        number("quarantined", stats.quarantined)?;
        number("previous_date", stats.previous_date)?;
        number("overflow", stats.overflow)?;
        number("duplicates", stats.duplicates)?;
        number("out_of_order", stats.out_of_order)?;
        number("late", stats.late)?;
        number("gaps", stats.gaps)?;
        number("missing", stats.missing)?;
        number("not_owner", stats.not_owner)?;
        number("unknown_conditions", stats.unknown_conditions)?;
        number("bars", stats.bars)?;
        number("bars_revised", stats.bars_revised)?;
        number("too_late", stats.too_late)?;
        number("pages_recycled", owned.engine.pages_recycled())?;
        number("signals", stats.signals)?;
        number("signals_suppressed", owned.engine.scanner().map_or(0, ringtape::engine::scan::Scanner::suppressed))?;
        number("frames_rejected", stats.frames_rejected())?;
        number("events_skipped", stats.events_skipped())?;
        out.set_item("rejected", rejected(py, stats)?)?;
        let skipped = PyDict::new(py);
        for (reason, &count) in ringtape::wire::SkipReason::ALL.iter().zip(&stats.skipped) {
            if count > 0 {
                skipped.set_item(reason.name(), count)?;
            }
        }
        out.set_item("skipped", skipped)?;
        let kinds = PyDict::new(py);
        for (name, count) in &stats.kinds {
            kinds.set_item(name, count)?;
        }
        if stats.kinds_other > 0 {
            kinds.set_item("(other)", stats.kinds_other)?;
        }
        out.set_item("skipped_kinds", kinds)?;
        let venues = PyDict::new(py);
        for time in owned.engine.venue_times() {
            let one = PyDict::new(py);
            one.set_item("now", time.now)?;
            one.set_item("watermark", time.watermark)?;
            one.set_item("lag_ns", time.lag)?;
            one.set_item("date", time.date)?;
            venues.set_item(time.venue.name(), one)?;
        }
        out.set_item("venues", venues)?;
        Ok(out)
    }
}

impl Engine {
    /// The owner's part; an `EngineBusy` where another call is inside, from any thread.
    #[inline]
    fn own(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, Owned>> {
        match self.owned.try_lock() {
            Ok(owned) => Ok(owned),
            // A panic inside the engine is our bug; its counters and rings are still whole words.
            Err(TryLockError::Poisoned(owned)) => Ok(owned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(errors::raise(py, "EngineBusy", PyTuple::empty(py))),
        }
    }

    /// A symbol by `NAME` or `venue:NAME`.
    fn symbol(&self, py: Python<'_>, text: &str) -> PyResult<(SymbolId, Venue)> {
        self.find(text).map_err(|missing| match missing {
            Missing::Unknown(near) => errors::raise(py, "UnknownSymbol", (text, near)),
            Missing::Ambiguous(names) => errors::raise(py, "AmbiguousSymbol", (text, names)),
        })
    }

    /// Looks a symbol up. No Python runs here: a reader that let go of the interpreter while it held the registry
    /// would wait for a feed that waits for it.
    fn find(&self, text: &str) -> Result<(SymbolId, Venue), Missing> {
        let registry = self.reader.registry();
        let symbols = &registry.symbols;
        let on = |venue: Venue, name: &str| symbols.lookup(venue, name.as_bytes()).map(|id| (id, venue));
        let found: Vec<(SymbolId, Venue)> = Venue::ALL.into_iter().filter_map(|venue| on(venue, text)).collect();
        match found[..] {
            [one] => Ok(one),
            [] => {
                let qualified = text.split_once(':').and_then(|(venue, name)| on(Venue::from_name(venue)?, name));
                let near = || nearest(text, symbols.iter().map(|(_, _, name)| name), 3);
                qualified.ok_or_else(|| Missing::Unknown(near().into_iter().map(str::to_owned).collect()))
            }
            _ => {
                let names = found.iter().map(|(_, venue)| format!("{}:{text}", venue.name()));
                Err(Missing::Ambiguous(names.collect()))
            }
        }
    }

    /// Where a field is published; it is registered now if it is new.
    fn source(&self, py: Python<'_>, field: FieldRef) -> PyResult<Source> {
        if let Some(source) = self.reader.registry().source(field) {
            return Ok(source);
        }
        self.own(py)?.engine.register_field(field).map_err(|error| errors::engine(py, &error))
    }

    /// Place of a derived field, which is registered now.
    fn place(&self, py: Python<'_>, field: FieldRef) -> PyResult<usize> {
        match self.source(py, field)? {
            Source::Derived(place) => Ok(place),
            other => unreachable!("{} is derived, not in {other:?}", field.text()),
        }
    }

    fn derived<'py>(
        &self,
        py: Python<'py>,
        id: SymbolId,
        field: FieldRef,
        place: usize,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.reader.derived(id, place).map_or(Ok(None), |value| to_python(py, field, value))
    }

    fn series(&self, py: Python<'_>, interval: &str) -> PyResult<usize> {
        let wanted = length(py, interval)?;
        self.reader.series().iter().position(|series| series.interval == wanted).ok_or_else(|| {
            let have: Vec<String> =
                self.reader.series().iter().map(|series| field::window_text(series.interval)).collect();
            let why = format!("no bars of {interval}: this engine keeps {}; see Engine(bars=...)", have.join(", "));
            errors::raise(py, "ConfigError", (why, "interval"))
        })
    }

    fn pinned<'py>(
        &self,
        py: Python<'py>,
        id: SymbolId,
        series: usize,
        most: usize,
        symbol: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let owned = self.own(py)?;
        let Some(pinned) = owned.engine.pinned(id, series) else {
            let why = format!("only pinned symbols have their bars side by side: Engine(pin=[{symbol:?}])");
            return Err(errors::raise(py, "ConfigError", (why, "copy")));
        };
        let (first, held) = pinned.span(most);
        records::array(py, Kind::BARS, Memory::live(pinned.words().clone(), first, held * Bar::WORDS))
    }
}

impl Owned {
    /// The venue of a name; the same string object as last time needs no look.
    #[inline]
    fn market(&mut self, name: &Bound<'_, PyString>) -> PyResult<Venue> {
        if let Some((last, venue)) = &self.venue
            && last.as_ptr() == name.as_ptr()
        {
            return Ok(*venue);
        }
        let venue = errors::venue(name.py(), name.to_str()?)?;
        self.venue = Some((name.clone().unbind(), venue));
        Ok(venue)
    }
}

/// A window or interval such as `5m`.
fn length(py: Python<'_>, text: &str) -> PyResult<Nanos> {
    parse_window(text).map_err(|error| {
        let why = match error {
            field::FieldError::BadWindow(why) => why,
            _ => "write a duration such as 30s, 5m or 1h",
        };
        errors::raise(py, "ConfigError", (format!("duration {text:?}: {why}"),))
    })
}

fn to_day((date, start, open, close, end): (u32, i64, i64, i64, i64)) -> Day {
    Day { start, date, open, close, end }
}

/// Trading days of a venue around a time, from Python, where the time zones are.
#[cold]
fn days(py: Python<'_>, venue: Venue, time: Nanos) -> PyResult<Vec<Day>> {
    let found = py.import("ringtape.sessions")?.call_method1("days", (venue.name(), time))?;
    let days: Vec<(u32, i64, i64, i64, i64)> = found.extract()?;
    Ok(days.into_iter().map(to_day).collect())
}

/// A value as Python shows it: `None` where undefined, whole numbers for counts and codes.
fn to_python(py: Python<'_>, field: FieldRef, value: f64) -> PyResult<Option<Bound<'_, PyAny>>> {
    let Some(value) = float(value) else { return Ok(None) };
    Ok(Some(match field.field.info().unit {
        Unit::Count | Unit::Code => (value as i64).into_pyobject(py)?.into_any(),
        Unit::Bool => PyBool::new(py, value != 0.0).to_owned().into_any(),
        _ => value.into_pyobject(py)?.into_any(),
    }))
}

fn rejected<'py>(py: Python<'py>, stats: &engine::Stats) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    for (kind, sample) in ringtape::wire::ErrorKind::ALL.iter().zip(&stats.rejected) {
        if sample.count > 0 {
            let one = PyDict::new(py);
            one.set_item("count", sample.count)?;
            one.set_item("first_ns", sample.first)?;
            one.set_item("last_ns", sample.last)?;
            one.set_item("offset", sample.offset)?;
            one.set_item("sample", PyBytes::new(py, &sample.bytes))?;
            out.set_item(kind.name(), one)?;
        }
    }
    Ok(out)
}
