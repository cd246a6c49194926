//! What one drain gives: records of every kind since the last, control messages, and what was lost.

use std::fmt::Write;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use ringtape::wire;

use crate::memory::Memory;
use crate::records::{self, Kind};

/// A message about a connection.
#[pyclass(frozen, get_all, module = "ringtape._native")]
pub(crate) struct Control {
    /// Connection number given to `feed`.
    conn: u16,
    /// "status", "reply" or "error".
    kind: &'static str,
    /// Massive's status word, or "serverShutdown".
    status: Option<String>,
    /// The text beside it.
    message: Option<String>,
    /// The id of the request that is answered.
    id: Option<Py<PyAny>>,
    /// The venue's error code.
    code: Option<i64>,
    /// The result of a request.
    result: Option<Py<PyAny>>,
}

#[pymethods]
impl Control {
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let mut out = format!("Control(conn={}, kind={:?}", self.conn, self.kind);
        let mut add = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                let _ = write!(out, ", {name}={value}");
            }
        };
        add("status", self.status.as_ref().map(|text| format!("{text:?}")));
        add("message", self.message.as_ref().map(|text| format!("{text:?}")));
        add("id", self.id.as_ref().map(|id| id.bind(py).repr().map(|text| text.to_string())).transpose()?);
        add("code", self.code.map(|code| code.to_string()));
        add(
            "result",
            self.result.as_ref().map(|value| value.bind(py).repr().map(|text| text.to_string())).transpose()?,
        );
        Ok(out + ")")
    }
}

/// The control message of the rooms as Python sees it.
pub(crate) fn control(py: Python<'_>, conn: u16, message: wire::Control) -> PyResult<Control> {
    let plain = Control { conn, kind: "status", status: None, message: None, id: None, code: None, result: None };
    Ok(match message {
        wire::Control::Status { status, message } => Control { status: Some(status), message: Some(message), ..plain },
        wire::Control::Reply { id, result } => {
            Control { kind: "reply", id: json(py, id)?, result: json(py, Some(result))?, ..plain }
        }
        wire::Control::Error { code, message, id } => {
            Control { kind: "error", code: Some(code), message: Some(message), id: json(py, id)?, ..plain }
        }
    })
}

fn json(py: Python<'_>, text: Option<String>) -> PyResult<Option<Py<PyAny>>> {
    let Some(text) = text else { return Ok(None) };
    // A number with thousands of digits is sound JSON and no Python integer: then the text itself is the value.
    match py.import("json")?.call_method1("loads", (&text,)) {
        Ok(value) => Ok(Some(value.unbind())),
        Err(_) => Ok(Some(text.into_pyobject(py)?.into_any().unbind())),
    }
}

/// Records of one drain. The arrays are read-only and valid on the feed's thread until the next `feed`;
/// arrays that are kept are never overwritten.
#[pyclass(frozen, module = "ringtape._native")]
pub(crate) struct Batch {
    data: [Arc<Vec<u64>>; Kind::COUNT],
    lost: [u64; Kind::COUNT],
    control: Vec<Py<Control>>,
    arrays: [PyOnceLock<Py<PyAny>>; Kind::COUNT],
}

impl Batch {
    pub(crate) fn new(data: [Arc<Vec<u64>>; Kind::COUNT], lost: [u64; Kind::COUNT], control: Vec<Py<Control>>) -> Self {
        Self { data, lost, control, arrays: [const { PyOnceLock::new() }; Kind::COUNT] }
    }

    fn array(&self, py: Python<'_>, kind: Kind) -> PyResult<Py<PyAny>> {
        let made = self.arrays[kind as usize].get_or_try_init(py, || {
            let data = Arc::clone(&self.data[kind as usize]);
            let words = data.len();
            records::array(py, kind, Memory::owned(data, 0, words)).map(Bound::unbind)
        })?;
        Ok(made.clone_ref(py))
    }

    fn records(&self) -> usize {
        Kind::ALL.into_iter().map(|kind| self.data[kind as usize].len() / kind.words()).sum()
    }
}

#[pymethods]
impl Batch {
    /// Number of records over all kinds; control messages do not count.
    fn __len__(&self) -> usize {
        self.records()
    }

    /// True where there is a record, a control message or a loss.
    fn __bool__(&self) -> bool {
        self.records() > 0 || !self.control.is_empty() || self.lost.iter().any(|&lost| lost > 0)
    }

    fn __repr__(&self) -> String {
        let counts = Kind::ALL.map(|kind| format!("{}={}", kind.name(), self.data[kind as usize].len() / kind.words()));
        format!("Batch({}, control={})", counts.join(", "), self.control.len())
    }

    /// Trades, in order of application.
    #[getter]
    fn trades(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.array(py, Kind::Trades)
    }

    /// Quotes.
    #[getter]
    fn quotes(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.array(py, Kind::Quotes)
    }

    /// Own bars that ended or were revised.
    #[getter]
    fn bars(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.array(py, Kind::Bars)
    }

    /// Bars as the venue sent them.
    #[getter]
    fn venue_bars(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.array(py, Kind::VenueBars)
    }

    /// Mark prices.
    #[getter]
    fn marks(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.array(py, Kind::Marks)
    }

    /// Signals of the rules.
    #[getter]
    fn signals(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.array(py, Kind::Signals)
    }

    /// Control messages, oldest first.
    #[getter]
    fn control(&self, py: Python<'_>) -> Vec<Py<Control>> {
        self.control.iter().map(|message| message.clone_ref(py)).collect()
    }

    /// Records that were overwritten before this drain, by kind; kinds without a loss are not in it.
    #[getter]
    fn lost<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let out = PyDict::new(py);
        for kind in Kind::ALL {
            if self.lost[kind as usize] > 0 {
                out.set_item(kind.name(), self.lost[kind as usize])?;
            }
        }
        Ok(out)
    }
}
