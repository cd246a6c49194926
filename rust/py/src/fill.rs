//! What is fetched later, from arrays of records to the engine, and what became of it.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use ringtape::engine;
use ringtape::model::Record;
use ringtape::model::units::size_to_f64;

use crate::errors;
use crate::records::{self, Kind};

/// What became of fetched trades or bars.
#[pyclass(frozen, get_all, module = "ringtape._native")]
pub(crate) struct Filled {
    /// Trades that were missing and are applied now; bars that took the place of ours.
    added: u64,
    /// Trades that had come before; bars that ours need no help from.
    known: u64,
    /// Trades behind the end of the gap or engine time; bars that have not ended.
    outside: u64,
    /// Of the stream that does not own the symbol, or with numbers that cannot be.
    refused: u64,
    /// Trades whose bar is not kept any more, for each series.
    too_late: u64,
}

#[pymethods]
impl Filled {
    fn __repr__(&self) -> String {
        let Self { added, known, outside, refused, too_late } = self;
        format!("Filled(added={added}, known={known}, outside={outside}, refused={refused}, too_late={too_late})")
    }
}

impl From<engine::Filled> for Filled {
    fn from(filled: engine::Filled) -> Self {
        let engine::Filled { added, known, outside, refused, too_late } = filled;
        Self { added, known, outside, refused, too_late }
    }
}

/// Ids of a symbol's trades that did not come.
#[pyclass(frozen, get_all, module = "ringtape._native")]
pub(crate) struct IdGap {
    /// Venue id such as `binance.usdm`.
    venue: &'static str,
    /// The symbol's name.
    symbol: String,
    /// The first id that is missing.
    first: i64,
    /// The last one.
    last: i64,
    /// Time of the last trade before it.
    start_ns: i64,
    /// Time of the first trade after it.
    end_ns: i64,
}

#[pymethods]
impl IdGap {
    fn __repr__(&self) -> String {
        let Self { venue, symbol, first, last, .. } = self;
        format!("IdGap({venue}:{symbol}, {first} to {last})")
    }
}

/// Volume that a venue counts and that did not come.
#[pyclass(frozen, get_all, module = "ringtape._native")]
pub(crate) struct VolumeGap {
    /// Venue id such as `massive.stocks`.
    venue: &'static str,
    /// The symbol's name.
    symbol: String,
    /// The end of the last bar that agreed.
    start_ns: i64,
    /// The end of the first that did not.
    end_ns: i64,
    /// How much is missing.
    volume: f64,
}

#[pymethods]
impl VolumeGap {
    fn __repr__(&self) -> String {
        let Self { venue, symbol, volume, .. } = self;
        format!("VolumeGap({venue}:{symbol}, {volume})")
    }
}

impl VolumeGap {
    pub(crate) fn new(gap: &engine::VolumeGap, symbol: String) -> Self {
        let &engine::VolumeGap { venue, from, to, missing_e8, .. } = gap;
        Self { venue: venue.name(), symbol, start_ns: from, end_ns: to, volume: size_to_f64(missing_e8.into()) }
    }
}

impl IdGap {
    pub(crate) fn new(gap: &engine::IdGap, symbol: String) -> Self {
        let &engine::IdGap { venue, first, last, from, to, .. } = gap;
        Self { venue: venue.name(), symbol, first, last, start_ns: from, end_ns: to }
    }
}

/// The records of a structured array, as a copy.
pub(crate) fn records<R: Record>(py: Python<'_>, array: &Bound<'_, PyAny>, kind: Kind) -> PyResult<Vec<R>> {
    let expected = records::dtype(py, kind)?;
    let is_of_kind = array.getattr("dtype").and_then(|dtype| dtype.eq(expected)).unwrap_or(false);
    if !is_of_kind {
        let name = kind.name();
        let why = format!("write an array with the columns of ringtape.events.dtypes()[{name:?}]");
        return Err(errors::raise(py, "ConfigError", (why, name)));
    }
    let bytes = array.call_method0("tobytes")?;
    Ok(bytemuck::allocation::pod_collect_to_vec(bytes.cast::<PyBytes>()?.as_bytes()))
}
