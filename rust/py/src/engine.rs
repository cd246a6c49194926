//! The Engine as Python sees it: one owner, calls do not nest, reads go to the rings.

use std::sync::{Mutex, MutexGuard, TryLockError};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};
use ringtape::engine::{self, Config, Source};
use ringtape::model::units::{Nanos, TIME_UNSET};
use ringtape::model::{self, Bar, FieldRef, Record, SymbolId, Trade, Venue};

use crate::batch::{Batch, Control, Drains, Notice, control, notice};
use crate::errors;
use crate::fill::{self, Filled, IdGap, VolumeGap};
use crate::memory::{Memory, viewed};
use crate::reads::{self, Reads, length, to_python};
use crate::records::{self, Kind};
use crate::reference;
use crate::rule::PyRuleSet;
use crate::table::Table;
use crate::{sessions, shared};

/// What the owner changes.
struct Owned {
    engine: engine::Engine,
    drains: Drains,
    rule_ids: Vec<String>,
    /// When a US trading day begins on the New York clock.
    rollover: String,
    /// The venue name of the last frame and what it means.
    venue: Option<(Py<PyString>, Venue)>,
}

/// A market-data engine: frames in; rows, bars, batches and signals out.
#[pyclass(frozen, module = "ringtape._native")]
pub(crate) struct Engine {
    owned: Mutex<Owned>,
    reads: Reads,
    /// The file of shared memory, held for as long as the engine lives.
    segment: Option<Py<PyAny>>,
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (
        bars=None, windows=None, max_symbols=20_000, pin=None, shared=None, *,
        ring_size=65_536, max_windows=16, max_columns=32, max_fields=64, max_bars=1_000_000, shared_group=None,
        rollover=None,
    ))]
    fn new(
        py: Python<'_>,
        bars: Option<Vec<String>>,
        windows: Option<Vec<String>>,
        max_symbols: usize,
        pin: Option<Vec<String>>,
        shared: Option<String>,
        ring_size: usize,
        max_windows: usize,
        max_columns: usize,
        max_fields: usize,
        max_bars: usize,
        shared_group: Option<String>,
        rollover: Option<String>,
    ) -> PyResult<Self> {
        let rollover = sessions::checked(py, rollover)?;
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
        for (key, value) in [("max_windows", max_windows), ("max_columns", max_columns), ("max_fields", max_fields)] {
            if value > 64 {
                let why = format!("{key} is {value}: write a number up to 64");
                return Err(errors::raise(py, "ConfigError", (why, key)));
            }
        }
        let config = Config {
            bars: bars.iter().map(|text| reads::bar_spec(py, text)).collect::<PyResult<_>>()?,
            windows: lengths(windows.unwrap_or_default())?,
            max_symbols,
            max_windows,
            max_columns,
            max_fields,
            max_bars,
            ring_size,
            pin: pin.unwrap_or_default(),
        };
        let (engine, segment) = match shared {
            Some(name) => {
                let (engine, segment) = shared::engine(py, config, &name, shared_group)?;
                (engine, Some(segment))
            }
            None => (engine::Engine::new(config).map_err(|error| errors::engine(py, &error))?, None),
        };
        let (drains, reader) = (Drains::new(engine.rings()), engine.reader());
        let owned = Owned { engine, drains, rule_ids: Vec::new(), rollover, venue: None };
        Ok(Self { owned: Mutex::new(owned), reads: Reads::new(reader), segment })
    }

    fn __repr__(&self) -> String {
        format!("Engine({})", self.reads)
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
            owned.feed(py, frame, market, recv_ns, conn)
        })
    }

    fn advance(&self, py: Python<'_>, recv_ns: i64) -> PyResult<()> {
        let mut owned = self.own(py)?;
        owned.engine.advance(recv_ns);
        if self.segment.is_some() {
            owned.engine.header().beat(shared::monotonic_ns());
        }
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
        let (drained, lost) = owned.drains.take();
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

    #[pyo3(signature = (venue, start_ns, end_ns=None, symbol=None))]
    fn mark_gap(
        &self,
        py: Python<'_>,
        venue: &str,
        start_ns: i64,
        end_ns: Option<i64>,
        symbol: Option<&str>,
    ) -> PyResult<()> {
        let (market, id, gap) = self.gap(py, venue, symbol, start_ns, end_ns.unwrap_or(i64::MAX))?;
        self.own(py)?.engine.mark_gap(market, id, gap, TIME_UNSET);
        Ok(())
    }

    #[pyo3(signature = (venue, start_ns, end_ns, symbol=None))]
    fn fill_gap(&self, py: Python<'_>, venue: &str, start_ns: i64, end_ns: i64, symbol: Option<&str>) -> PyResult<()> {
        let (market, id, gap) = self.gap(py, venue, symbol, start_ns, end_ns)?;
        self.own(py)?.engine.fill_gap(market, id, gap, TIME_UNSET);
        Ok(())
    }

    fn backfill(
        &self,
        py: Python<'_>,
        venue: &str,
        symbol: &str,
        trades: &Bound<'_, PyAny>,
        start_ns: i64,
        end_ns: i64,
    ) -> PyResult<Filled> {
        let (market, id, gap) = self.gap_of(py, venue, symbol, start_ns, end_ns)?;
        let mut trades = fill::records::<Trade>(py, trades, Kind::of(model::Kind::Trade))?;
        let mut owned = self.own(py)?;
        let times: Vec<i64> = trades.iter().map(|trade| trade.ts_event).chain([start_ns, end_ns]).collect();
        owned.know_days(py, market, &times)?;
        Ok(owned.engine.backfill(market, id, &mut trades, gap).into())
    }

    fn correct(&self, py: Python<'_>, venue: &str, symbol: &str, trades: &Bound<'_, PyAny>) -> PyResult<Filled> {
        let (market, id, _) = self.gap_of(py, venue, symbol, 0, 0)?;
        let mut trades = fill::records::<Trade>(py, trades, Kind::of(model::Kind::Trade))?;
        Ok(self.own(py)?.engine.correct(market, id, &mut trades).into())
    }

    fn backfill_bars(
        &self,
        py: Python<'_>,
        venue: &str,
        symbol: &str,
        interval: &str,
        bars: &Bound<'_, PyAny>,
    ) -> PyResult<Filled> {
        let (market, id, _) = self.gap_of(py, venue, symbol, 0, 0)?;
        let interval = length(py, interval)?;
        let bars = fill::records::<Bar>(py, bars, Kind::BARS)?;
        let mut owned = self.own(py)?;
        let times: Vec<i64> = bars.iter().map(|bar| bar.ts_event).collect();
        owned.know_days(py, market, &times)?;
        let filled = owned.engine.backfill_bars(market, id, interval, &bars);
        filled.map(Filled::from).map_err(|error| errors::engine(py, &error))
    }

    fn take_id_gaps(&self, py: Python<'_>) -> PyResult<Vec<IdGap>> {
        let gaps = self.own(py)?.engine.take_id_gaps();
        gaps.iter().map(|gap| Ok(IdGap::new(gap, self.reads.symbol_name(py, gap.symbol.0)?))).collect()
    }

    fn take_volume_gaps(&self, py: Python<'_>) -> PyResult<Vec<VolumeGap>> {
        let gaps = self.own(py)?.engine.take_volume_gaps();
        gaps.iter().map(|gap| Ok(VolumeGap::new(gap, self.reads.symbol_name(py, gap.symbol.0)?))).collect()
    }

    fn set_sessions(&self, py: Python<'_>, venue: &str, days: Vec<(u32, i64, i64, i64, i64)>) -> PyResult<()> {
        let market = errors::venue(py, venue)?;
        let days: Vec<engine::Day> = days.into_iter().map(sessions::to_day).collect();
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
        self.reads.symbols()
    }

    fn series(&self) -> Vec<String> {
        self.reads.series()
    }

    fn symbol_name(&self, py: Python<'_>, id: u32) -> PyResult<String> {
        self.reads.symbol_name(py, id)
    }

    fn get<'py>(&self, symbol: &Bound<'py, PyString>, field: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = symbol.py();
        let known = self.reads.named(symbol)?;
        if let Some(found) = self.reads.again(known, field) {
            return found;
        }
        if let Ok(text) = field.cast::<PyString>() {
            let asked = errors::field(py, text.to_str()?)?;
            // One look at a window that nobody keeps needs no place for it.
            if !asked.field.is_derived() && self.reads.source(asked).is_none() {
                let value = self.own(py)?.engine.scan_window(known.0, asked);
                let value = value.map_or(Ok(None), |value| to_python(py, asked, value))?;
                return Ok(value.unwrap_or_else(|| py.None().into_bound(py)));
            }
        }
        self.reads.get(known, field, |field| self.source(py, field))
    }

    fn row<'py>(&self, py: Python<'py>, symbol: &str) -> PyResult<Bound<'py, PyDict>> {
        self.reads.row(py, symbol)
    }

    fn table(&self, py: Python<'_>, fields: Vec<String>) -> PyResult<Table> {
        self.reads.table(py, fields, |field| self.source(py, field))
    }

    #[pyo3(signature = (field, copy=true))]
    fn column<'py>(&self, field: &Bound<'py, PyString>, copy: bool) -> PyResult<Bound<'py, PyAny>> {
        let py = field.py();
        if let Some(view) = self.reads.view(field).filter(|_| !copy) {
            return Ok(view);
        }
        let asked = errors::plain_field(py, field.to_str()?)?;
        let column = match self.reads.column(asked) {
            Some(column) => column,
            None => self.own(py)?.engine.register_column(asked).map_err(|error| errors::engine(py, &error))?,
        };
        self.reads.column_array(field, &column, copy)
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
        let most = n.unwrap_or(usize::MAX);
        let (asked, own) = self.reads.bars_of(py, symbol, interval, source)?;
        if !copy {
            if !own || forming {
                let why = "only own bars that have ended lie side by side: leave out source and forming, or copy";
                return Err(errors::raise(py, "ConfigError", (why, "copy")));
            }
            return self.pinned(py, asked.id, asked.series, most, symbol);
        }
        let mut bars = self.reads.bars(asked, own, most);
        if forming && own {
            bars.extend(self.own(py)?.engine.forming(asked.id, asked.series));
            let over = bars.len().saturating_sub(most);
            bars.drain(..over);
        }
        records::bars(py, &bars)
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let owned = self.own(py)?;
        let stats = owned.engine.stats();
        let out = PyDict::new(py);
        for (name, value) in engine::Stats::NUMBERS.iter().zip(owned.engine.numbers()) {
            out.set_item(name, value)?;
        }
        for (kind, &count) in model::Kind::PLAIN.iter().zip(&stats.plain) {
            out.set_item(kind.list(), count)?;
        }
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
        out.set_item("venues", records::venue_times(py, &self.reads.reader.venue_times())?)?;
        Ok(out)
    }
}

impl Engine {
    /// The owner's part; an `EngineBusy` where another call is inside, from any thread.
    #[inline]
    /// The same for a caller that knows the venue and has a frame at hand (`listener.rs`).
    #[cfg(feature = "listener")]
    pub(crate) fn feed_raw(
        &self,
        py: Python<'_>,
        frame: &[u8],
        venue: Venue,
        recv: Nanos,
        conn: u16,
    ) -> PyResult<usize> {
        self.own(py)?.feed(py, frame, venue, recv, conn)
    }

    fn own(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, Owned>> {
        match self.owned.try_lock() {
            Ok(owned) => Ok(owned),
            // A panic inside the engine is our bug; its counters and rings are still whole words.
            Err(TryLockError::Poisoned(owned)) => Ok(owned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(errors::raise(py, "EngineBusy", PyTuple::empty(py))),
        }
    }

    /// Whose gap is meant, and when.
    fn gap(
        &self,
        py: Python<'_>,
        venue: &str,
        symbol: Option<&str>,
        start: i64,
        end: i64,
    ) -> PyResult<(Venue, Option<SymbolId>, (i64, i64))> {
        let market = errors::venue(py, venue)?;
        if start < 0 || end < start {
            let why =
                format!("a gap from {start} to {end}: write two times in Unix ns, the first not behind the second");
            return Err(errors::raise(py, "ConfigError", (why, "gap")));
        }
        let name = symbol.map(|name| format!("{}:{name}", market.name()));
        let id = name.map(|name| self.reads.symbol(py, &name)).transpose()?.map(|(id, _)| id);
        Ok((market, id, (start, end)))
    }

    /// The same for one symbol, which has to be known.
    fn gap_of(
        &self,
        py: Python<'_>,
        venue: &str,
        symbol: &str,
        start: i64,
        end: i64,
    ) -> PyResult<(Venue, SymbolId, (i64, i64))> {
        let (market, id, gap) = self.gap(py, venue, Some(symbol), start, end)?;
        id.map(|id| (market, id, gap)).ok_or_else(|| errors::raise(py, "UnknownSymbol", (symbol.to_owned(),)))
    }

    /// Where a field is published; it is registered now if it is new.
    fn source(&self, py: Python<'_>, field: FieldRef) -> PyResult<Source> {
        if let Some(source) = self.reads.source(field) {
            return Ok(source);
        }
        self.own(py)?.engine.register_field(field).map_err(|error| errors::engine(py, &error))
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

impl Drop for Engine {
    fn drop(&mut self) {
        if let (Some(segment), Ok(owned)) = (self.segment.take(), self.owned.get_mut()) {
            shared::end(&owned.engine.header(), segment);
        }
    }
}

impl Owned {
    /// Sees to it that the trading days of some times are known.
    fn know_days(&mut self, py: Python<'_>, market: Venue, times: &[i64]) -> PyResult<()> {
        let mut asked = None;
        while let Some(time) = self.engine.uncovered_of(market, times.iter().copied()) {
            if asked == Some(time) {
                break;
            }
            asked = Some(time);
            let days = sessions::days(py, market, time, &self.rollover)?;
            self.engine.add_days(market, &days);
        }
        Ok(())
    }

    /// The venue of a name; the same string object as last time needs no look.
    #[inline]
    /// Applies a frame; asks for the trading days that it needs.
    fn feed(&mut self, py: Python<'_>, frame: &[u8], market: Venue, recv_ns: Nanos, conn: u16) -> PyResult<usize> {
        if !self.engine.decode(frame, market, recv_ns) {
            return Ok(0);
        }
        let mut asked = None;
        while let Some((market, time)) = self.engine.uncovered(recv_ns) {
            if asked == Some(time) {
                break;
            }
            asked = Some(time);
            let days = sessions::days(py, market, time, &self.rollover)?;
            self.engine.add_days(market, &days);
        }
        Ok(self.engine.apply(frame, recv_ns, conn))
    }

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
