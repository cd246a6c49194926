//! Records as numpy dtypes and Python values, from the column tables of the model.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyTuple};
use ringtape::model::field::CATALOGUE;
use ringtape::model::units::{CODE_UNSET, TIME_UNSET};
use ringtape::model::{Bar, Column, Mark, Quote, Record, Signal, Trade, Venue, VenueBar};

use crate::memory::Memory;

/// The kinds that a batch carries, in the order of its lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Trades = 0,
    Quotes = 1,
    Bars = 2,
    VenueBars = 3,
    Marks = 4,
    Signals = 5,
}

impl Kind {
    pub(crate) const COUNT: usize = 6;
    pub(crate) const ALL: [Self; Self::COUNT] =
        [Self::Trades, Self::Quotes, Self::Bars, Self::VenueBars, Self::Marks, Self::Signals];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Trades => "trades",
            Self::Quotes => "quotes",
            Self::Bars => "bars",
            Self::VenueBars => "venue_bars",
            Self::Marks => "marks",
            Self::Signals => "signals",
        }
    }

    pub(crate) const fn columns(self) -> &'static [Column] {
        match self {
            Self::Trades => Trade::COLUMNS,
            Self::Quotes => Quote::COLUMNS,
            Self::Bars => Bar::COLUMNS,
            Self::VenueBars => VenueBar::COLUMNS,
            Self::Marks => Mark::COLUMNS,
            Self::Signals => Signal::COLUMNS,
        }
    }

    pub(crate) const fn words(self) -> usize {
        match self {
            Self::Trades => Trade::WORDS,
            Self::Quotes => Quote::WORDS,
            Self::Bars => Bar::WORDS,
            Self::VenueBars => VenueBar::WORDS,
            Self::Marks => Mark::WORDS,
            Self::Signals => Signal::WORDS,
        }
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

fn dtype(py: Python<'_>, kind: Kind) -> PyResult<&Bound<'_, PyAny>> {
    static DTYPES: [PyOnceLock<Py<PyAny>>; Kind::COUNT] = [const { PyOnceLock::new() }; Kind::COUNT];
    DTYPES[kind as usize]
        .get_or_try_init(py, || {
            let columns = column_list(py, kind.columns())?;
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
            _ => text(&at[..24]).into_pyobject(py)?.into_any(),
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
    for kind in Kind::ALL {
        out.set_item(kind.name(), column_list(py, kind.columns())?)?;
    }
    Ok(out)
}

/// The names of all venues.
#[pyfunction]
pub(crate) fn venues() -> Vec<&'static str> {
    Venue::ALL.map(Venue::name).to_vec()
}

/// The field catalogue: one dict a field with name, windowed, unit, moment, formula, inputs, undefined.
#[pyfunction]
pub(crate) fn fields(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let line = |info: &ringtape::model::field::FieldInfo| {
        let dict = PyDict::new(py);
        dict.set_item("name", info.name)?;
        dict.set_item("windowed", info.windowed)?;
        dict.set_item("unit", info.unit.name())?;
        dict.set_item("moment", info.moment.name())?;
        dict.set_item("formula", info.formula)?;
        dict.set_item("inputs", info.inputs)?;
        dict.set_item("undefined", info.undefined)?;
        Ok(dict)
    };
    CATALOGUE.iter().map(line).collect()
}
