//! Records as numpy dtypes and Python values, from the column tables of the model.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyTuple};
use ringtape::engine::VenueTime;
use ringtape::model::field::CATALOGUE;
use ringtape::model::units::{CODE_UNSET, TIME_UNSET};
use ringtape::model::{self, Bar, Column, Record, Signal, Venue};

use crate::memory::Memory;

/// One array of a batch, by its place; `columns` gives what a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    place: usize,
    name: &'static str,
    columns: &'static [Column],
    words: usize,
}

impl Kind {
    pub(crate) const BARS: Self = Self::of_record::<Bar>(0, "bars");
    pub(crate) const SIGNALS: Self = Self::of_record::<Signal>(1, "signals");
    /// Arrays of a batch: what the engine makes, then every kind that a frame can hold.
    pub(crate) const COUNT: usize = 2 + model::Kind::HOT.len() + model::Kind::PLAIN.len();

    const fn of_record<R: Record>(place: usize, name: &'static str) -> Self {
        Self { place, name, columns: R::COLUMNS, words: R::WORDS }
    }

    /// The array of the events of a kind.
    pub(crate) const fn of(kind: model::Kind) -> Self {
        Self { place: 2 + kind as usize, name: kind.list(), columns: kind.columns(), words: kind.words() }
    }

    /// Every array, in the order of their places.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let kinds = model::Kind::HOT.iter().chain(model::Kind::PLAIN);
        [Self::BARS, Self::SIGNALS].into_iter().chain(kinds.map(|&kind| Self::of(kind)))
    }

    pub(crate) const fn place(self) -> usize {
        self.place
    }

    pub(crate) const fn name(self) -> &'static str {
        self.name
    }

    pub(crate) const fn words(self) -> usize {
        self.words
    }
}

/// numpy, imported when the first array is made; `import ringtape` must not pay for it.
pub(crate) fn numpy(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static NUMPY: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    NUMPY.get_or_try_init(py, || py.import("numpy").map(Bound::unbind)).map(|module| module.bind(py))
}

fn frombuffer(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static FROMBUFFER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    FROMBUFFER
        .get_or_try_init(py, || numpy(py)?.getattr("frombuffer").map(Bound::unbind))
        .map(|function| function.bind(py))
}

pub(crate) fn dtype(py: Python<'_>, kind: Kind) -> PyResult<&Bound<'_, PyAny>> {
    static DTYPES: [PyOnceLock<Py<PyAny>>; Kind::COUNT] = [const { PyOnceLock::new() }; Kind::COUNT];
    DTYPES[kind.place]
        .get_or_try_init(py, || {
            let columns = column_list(py, kind.columns)?;
            numpy(py)?.getattr("dtype")?.call1((columns,)).map(Bound::unbind)
        })
        .map(|dtype| dtype.bind(py))
}

fn column_list<'py>(py: Python<'py>, columns: &[Column]) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for column in columns {
        if column.count == 1 || column.dtype.starts_with('S') {
            list.append((column.name, column.dtype))?;
        } else {
            list.append((column.name, column.dtype, (column.count,)))?;
        }
    }
    Ok(list)
}

/// Records of one kind as a read-only structured array.
pub(crate) fn array(py: Python<'_>, kind: Kind, memory: Memory) -> PyResult<Bound<'_, PyAny>> {
    if memory.is_empty() {
        // numpy refuses an empty buffer.
        let empty = numpy(py)?.getattr("empty")?.call1((0, dtype(py, kind)?))?;
        empty.getattr("flags")?.setattr("writeable", false)?;
        return Ok(empty);
    }
    frombuffer(py)?.call1((Bound::new(py, memory)?, dtype(py, kind)?))
}

/// Bars as a structured array of their own.
pub(crate) fn bars<'py>(py: Python<'py>, bars: &[Bar]) -> PyResult<Bound<'py, PyAny>> {
    let words: Vec<u64> = bytemuck::allocation::pod_collect_to_vec(bars);
    let count = words.len();
    array(py, Kind::BARS, Memory::owned(Arc::new(words), 0, count))
}

/// Records that were overwritten before they could be read, by kind; kinds without a loss are not in it.
pub(crate) fn lost<'py>(py: Python<'py>, lost: &[u64; Kind::COUNT]) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    for kind in Kind::all().filter(|kind| lost[kind.place] > 0) {
        out.set_item(kind.name, lost[kind.place])?;
    }
    Ok(out)
}

/// What is known of each venue's time, by its name.
pub(crate) fn venue_times<'py>(py: Python<'py>, times: &[VenueTime]) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    for time in times {
        let one = PyDict::new(py);
        one.set_item("now", time.now)?;
        one.set_item("watermark", time.watermark)?;
        one.set_item("lag_ns", time.lag)?;
        one.set_item("date", time.date)?;
        out.set_item(time.venue.name(), one)?;
    }
    Ok(out)
}

/// Doubles or integers as a read-only array of type `name`.
pub(crate) fn plain<'py>(py: Python<'py>, name: &str, memory: Memory) -> PyResult<Bound<'py, PyAny>> {
    if memory.is_empty() {
        return numpy(py)?.getattr("empty")?.call1((0, name));
    }
    frombuffer(py)?.call1((Bound::new(py, memory)?, name))
}

/// One record as a dict of plain values, `None` for whatever is unset.
pub(crate) fn to_dict<'py, R: Record>(py: Python<'py>, record: &R) -> PyResult<Bound<'py, PyDict>> {
    let bytes = bytemuck::bytes_of(record);
    let dict = PyDict::new(py);
    for column in R::COLUMNS {
        let at = &bytes[column.offset..];
        let value = match column.dtype {
            "<f8" => float(f64::from_le_bytes(head(at))).into_pyobject(py)?.into_any(),
            "<i8" => integer(i64::from_le_bytes(head(at))).into_pyobject(py)?.into_any(),
            "<u8" => u64::from_le_bytes(head(at)).into_pyobject(py)?.into_any(),
            "<u4" => u32::from_le_bytes(head(at)).into_pyobject(py)?.into_any(),
            "u1" => at[0].into_pyobject(py)?.into_any(),
            "<u2" if column.count == 1 => code(u16::from_le_bytes(head(at))).into_pyobject(py)?.into_any(),
            "<u2" => {
                let codes = at[..2 * column.count].chunks_exact(2).map(|two| u16::from_le_bytes(head(two)));
                PyTuple::new(py, codes.filter_map(code).collect::<Vec<u16>>())?.into_any()
            }
            text_type => {
                let len = text_type.trim_start_matches('S').parse().unwrap_or(0);
                text(&at[..len]).into_pyobject(py)?.into_any()
            }
        };
        dict.set_item(column.name, value)?;
    }
    Ok(dict)
}

/// The first `N` bytes of a column; the column table says that they are there.
fn head<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[..N]);
    out
}

pub(crate) fn float(value: f64) -> Option<f64> {
    (!value.is_nan()).then_some(value)
}

fn integer(value: i64) -> Option<i64> {
    (value != TIME_UNSET).then_some(value)
}

fn code(value: u16) -> Option<u16> {
    (value != CODE_UNSET).then_some(value)
}

fn text(bytes: &[u8]) -> Option<String> {
    let len = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    (len > 0).then(|| String::from_utf8_lossy(&bytes[..len]).into_owned())
}

/// The columns of every record as numpy understands them: ``{"trades": [("seq", "<u8"), ...], ...}``.
#[pyfunction]
pub(crate) fn record_columns(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let out = PyDict::new(py);
    for kind in Kind::all() {
        out.set_item(kind.name, column_list(py, kind.columns)?)?;
    }
    Ok(out)
}

/// The names of all venues.
#[pyfunction]
pub(crate) fn venues() -> Vec<&'static str> {
    Venue::ALL.map(Venue::name).to_vec()
}

/// The level of instructions that decoding uses on this machine.
#[pyfunction]
pub(crate) fn simd_level() -> &'static str {
    ringtape::wire::Level::best().name()
}

/// The field catalogue: one dict a field with name, args, unit, moment, formula, inputs, undefined,
/// derived and, for codes, their names.
#[pyfunction]
pub(crate) fn fields(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let line = |info: &ringtape::model::field::FieldInfo| {
        let dict = PyDict::new(py);
        dict.set_item("name", info.name)?;
        dict.set_item("args", info.args.shown())?;
        dict.set_item("unit", info.unit.name())?;
        dict.set_item("moment", info.moment.name())?;
        dict.set_item("formula", info.formula)?;
        dict.set_item("inputs", info.inputs)?;
        dict.set_item("undefined", info.undefined)?;
        dict.set_item("derived", info.field.is_derived())?;
        dict.set_item("names", info.field.names())?;
        Ok(dict)
    };
    CATALOGUE.iter().map(line).collect()
}
