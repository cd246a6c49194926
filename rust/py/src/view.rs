//! An engine of another process as Python sees it: the same read methods, and the event rings.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use ringtape::engine::{Source, Stats};
use ringtape::model::FieldRef;
use ringtape::model::field::window_text;

use crate::batch::{Batch, Drains};
use crate::errors;
use crate::reads::Reads;
use crate::records::{self, Kind};
use crate::shared;
use crate::table::Table;

/// A writer that was silent for so long is looked at; `advance` is called every quarter of a second.
const SILENT_NS: u64 = 600_000_000;
/// How often.
const LOOK_NS: u64 = 100_000_000;
/// From then on it counts as stalled.
const STALLED_NS: u64 = 1_000_000_000;

/// What an engine published in shared memory, to be read from another process. Made by `ringtape.attach`.
#[pyclass(frozen, subclass, module = "ringtape._native")]
pub(crate) struct View {
    reads: Reads,
    segment: Py<PyAny>,
    /// When the writer was looked at last.
    looked: AtomicU64,
    followed: Mutex<Followed>,
}

struct Followed {
    drains: Drains,
    lost: [u64; Kind::COUNT],
}

#[pymethods]
impl View {
    #[new]
    fn new(segment: &Bound<'_, PyAny>) -> PyResult<Self> {
        let reader = shared::reader(segment)?;
        let followed = Mutex::new(Followed { drains: Drains::new(reader.rings()), lost: [0; Kind::COUNT] });
        Ok(Self { reads: Reads::new(reader), segment: segment.clone().unbind(), looked: AtomicU64::new(0), followed })
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let name: String = self.segment.getattr(py, "name")?.extract(py)?;
        Ok(format!("View({name:?}, {})", self.reads))
    }

    fn symbols(&self, py: Python<'_>) -> PyResult<Vec<(u32, &'static str, String)>> {
        Ok(self.living(py)?.symbols())
    }

    fn series(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.living(py)?.series())
    }

    fn symbol_name(&self, py: Python<'_>, id: u32) -> PyResult<String> {
        self.living(py)?.symbol_name(py, id)
    }

    fn get<'py>(&self, symbol: &Bound<'py, PyString>, field: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = symbol.py();
        let reads = self.living(py)?;
        let known = reads.named(symbol)?;
        let value = match reads.again(known, field) {
            Some(found) => found?,
            None => reads.get(known, field, |field| self.source(py, field))?,
        };
        self.whole(py)?;
        Ok(value)
    }

    fn row<'py>(&self, py: Python<'py>, symbol: &str) -> PyResult<Bound<'py, PyDict>> {
        let row = self.living(py)?.row(py, symbol)?;
        self.whole(py)?;
        Ok(row)
    }

    fn table(&self, py: Python<'_>, fields: Vec<String>) -> PyResult<Table> {
        let table = self.living(py)?.table(py, fields, |field| self.source(py, field))?;
        self.whole(py)?;
        Ok(table)
    }

    #[pyo3(signature = (field, copy=true))]
    fn column<'py>(&self, field: &Bound<'py, PyString>, copy: bool) -> PyResult<Bound<'py, PyAny>> {
        let py = field.py();
        let reads = self.living(py)?;
        if let Some(view) = reads.view(field).filter(|_| !copy) {
            return Ok(view);
        }
        let asked = errors::plain_field(py, field.to_str()?)?;
        let column = reads.column(asked).ok_or_else(|| {
            let live: Vec<String> = reads.reader.registry().columns.iter().map(|(field, _)| field.text()).collect();
            unkept(py, "column", &asked.text(), &live)
        })?;
        reads.column_array(field, &column, copy)
    }

    #[pyo3(signature = (symbol, interval, n=None, source="own"))]
    fn bars<'py>(
        &self,
        py: Python<'py>,
        symbol: &str,
        interval: &str,
        n: Option<usize>,
        source: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let reads = self.living(py)?;
        let (asked, own) = reads.bars_of(py, symbol, interval, source)?;
        records::bars(py, &reads.bars(asked, own, n.unwrap_or(usize::MAX)))
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let reader = &self.living(py)?.reader;
        let out = PyDict::new(py);
        for (name, value) in Stats::NUMBERS.iter().zip(reader.numbers().into_iter().flatten()) {
            out.set_item(name, value)?;
        }
        out.set_item("venues", records::venue_times(py, &reader.venue_times())?)?;
        Ok(out)
    }

    fn drain(&self, py: Python<'_>) -> PyResult<Batch> {
        self.living(py)?;
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let (drained, lost) = followed.drains.take();
        for (all, lost) in followed.lost.iter_mut().zip(lost) {
            *all += lost;
        }
        Ok(Batch::new(drained, lost, Vec::new(), Vec::new()))
    }

    #[getter]
    fn lost<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let lost = self.followed.lock().unwrap_or_else(PoisonError::into_inner).lost;
        records::lost(py, &lost)
    }

    #[getter]
    fn stalled(&self) -> bool {
        let reader = &self.reads.reader;
        let silent = shared::coarse_ns().saturating_sub(reader.header().heartbeat());
        reader.is_kept() || silent > STALLED_NS
    }

    #[getter]
    fn pid(&self) -> u32 {
        self.reads.reader.header().writer().pid
    }

    #[getter]
    fn generation(&self) -> u64 {
        self.reads.reader.header().writer().generation
    }
}

impl View {
    /// The read methods, if the writer lives as far as is known: it is looked at when it was silent for some time.
    #[inline]
    fn living(&self, py: Python<'_>) -> PyResult<&Reads> {
        let header = self.reads.reader.header();
        let now = shared::coarse_ns();
        let is_silent = now.saturating_sub(header.heartbeat()) > SILENT_NS;
        if header.has_ended() || (is_silent && now.saturating_sub(self.looked.load(Ordering::Relaxed)) > LOOK_NS) {
            self.look(py, now)?;
        }
        Ok(&self.reads)
    }

    /// After a read that found a row whose writer stood still inside it: raises if that writer is gone.
    fn whole(&self, py: Python<'_>) -> PyResult<()> {
        if self.reads.reader.is_kept() { self.look(py, shared::coarse_ns()) } else { Ok(()) }
    }

    #[cold]
    fn look(&self, py: Python<'_>, now: u64) -> PyResult<()> {
        let writer = self.reads.reader.header().writer();
        let has_ended = self.reads.reader.header().has_ended();
        self.segment.call_method1(py, "check", (writer.pid, writer.started, has_ended))?;
        self.looked.store(now, Ordering::Relaxed);
        Ok(())
    }

    /// Where a field is published, which only the writer can bring about.
    fn source(&self, py: Python<'_>, field: FieldRef) -> PyResult<Source> {
        self.reads.source(field).ok_or_else(|| {
            let registry = self.reads.reader.registry();
            if field.field.is_derived() {
                let kept: Vec<String> = registry.derived.iter().map(FieldRef::text).collect();
                return unkept(py, "field", &field.text(), &kept);
            }
            let kept: Vec<String> = registry.windows.iter().map(|&length| window_text(length)).collect();
            unkept(py, "window", &window_text(field.window), &kept)
        })
    }
}

/// What only the writer's own process can ask for.
fn unkept(py: Python<'_>, what: &str, wanted: &str, kept: &[String]) -> PyErr {
    let kept = if kept.is_empty() { "none".to_owned() } else { kept.join(", ") };
    let why = format!(
        "the engine behind this view keeps no {what} {wanted:?}, and only its own process can ask for one; it keeps {kept}"
    );
    errors::raise(py, "ConfigError", (why, what))
}
