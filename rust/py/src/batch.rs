//! What one drain gives: records of every kind since the last, control messages, and what was lost.

use std::fmt::Write;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict};
use ringtape::engine::{self, Rings};
use ringtape::model::{self, for_each_kind};
use ringtape::ring::{EventReader, EventRing};
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

/// A rare event of variable shape.
#[pyclass(frozen, get_all, module = "ringtape._native")]
pub(crate) struct Notice {
    /// Connection number given to `feed`.
    conn: u16,
    /// Receive time of the frame.
    ts_recv: i64,
    /// Engine sequence number.
    seq: u64,
    /// Venue id such as `binance.usdm`.
    venue: &'static str,
    /// What the event calls itself.
    kind: String,
    /// The JSON text of the event.
    data: Py<PyBytes>,
}

#[pymethods]
impl Notice {
    fn __repr__(&self) -> String {
        format!("Notice(conn={}, seq={}, venue={:?}, kind={:?})", self.conn, self.seq, self.venue, self.kind)
    }
}

/// The rare event of the engine as Python sees it.
pub(crate) fn notice(py: Python<'_>, notice: engine::Notice) -> Notice {
    let engine::Notice { seq, ts_recv, conn, venue, kind, data } = notice;
    Notice { conn, ts_recv, seq, venue: venue.name(), kind, data: PyBytes::new(py, &data).unbind() }
}

/// What one drain took from the rings, by the places of the arrays; nothing where nothing came.
pub(crate) type Drained = [Option<Arc<Vec<u64>>>; Kind::COUNT];

/// Places in the rings of one who takes records from them, in the order of a batch's arrays.
pub(crate) struct Drains {
    readers: Box<[EventReader]>,
    /// The buffers of the last drain, used again once no batch and no array holds them.
    buffers: [Arc<Vec<u64>>; Kind::COUNT],
}

impl Drains {
    /// Begins with what is published from now on.
    pub(crate) fn new(rings: &Rings) -> Self {
        let kinds = model::Kind::HOT.iter().chain(model::Kind::PLAIN).filter_map(|&kind| rings.of(kind));
        let readers = [&rings.bars, &rings.signals].into_iter().chain(kinds).map(EventRing::reader).collect();
        Self { readers, buffers: std::array::from_fn(|_| Arc::new(Vec::new())) }
    }

    /// Takes what came since the last time, and how much of it was overwritten before.
    pub(crate) fn take(&mut self) -> (Drained, [u64; Kind::COUNT]) {
        let mut lost = [0; Kind::COUNT];
        let mut drained: Drained = [const { None }; Kind::COUNT];
        for (at, reader) in self.readers.iter_mut().enumerate() {
            if reader.behind() == 0 {
                continue;
            }
            if Arc::get_mut(&mut self.buffers[at]).is_none() {
                // Somebody still looks at the last one.
                self.buffers[at] = Arc::new(Vec::new());
            }
            if let Some(buffer) = Arc::get_mut(&mut self.buffers[at]) {
                buffer.clear();
                lost[at] = reader.read(buffer, usize::MAX).lost;
            }
            drained[at] = Some(Arc::clone(&self.buffers[at]));
        }
        (drained, lost)
    }
}

/// Records of one drain. The arrays are read-only and valid on the feed's thread until the next `feed`;
/// arrays that are kept are never overwritten.
#[pyclass(frozen, module = "ringtape._native")]
pub(crate) struct Batch {
    data: Drained,
    lost: [u64; Kind::COUNT],
    control: Vec<Py<Control>>,
    notices: Vec<Py<Notice>>,
    arrays: [PyOnceLock<Py<PyAny>>; Kind::COUNT],
}

impl Batch {
    pub(crate) fn new(
        data: Drained,
        lost: [u64; Kind::COUNT],
        control: Vec<Py<Control>>,
        notices: Vec<Py<Notice>>,
    ) -> Self {
        Self { data, lost, control, notices, arrays: [const { PyOnceLock::new() }; Kind::COUNT] }
    }

    fn array(&self, py: Python<'_>, kind: Kind) -> PyResult<Py<PyAny>> {
        let made = self.arrays[kind.place()].get_or_try_init(py, || {
            let data = self.data[kind.place()].clone().unwrap_or_default();
            let words = data.len();
            records::array(py, kind, Memory::owned(data, 0, words)).map(Bound::unbind)
        })?;
        Ok(made.clone_ref(py))
    }

    fn count(&self, kind: Kind) -> usize {
        self.data[kind.place()].as_ref().map_or(0, |data| data.len() / kind.words())
    }

    fn records(&self) -> usize {
        Kind::all().map(|kind| self.count(kind)).sum()
    }
}

/// The methods, with an array for each kind of the list.
macro_rules! batch {
    (
        hot: [$($hot:ident $hots:ident $hot_doc:literal;)*]
        plain: [$($plain:ident $plains:ident $plain_doc:literal;)*]
    ) => {
        #[pymethods]
        impl Batch {
            /// Number of records over all kinds; control messages and notices do not count.
            fn __len__(&self) -> usize {
                self.records()
            }

            /// True where there is a record, a control message, a notice or a loss.
            fn __bool__(&self) -> bool {
                let told = !self.control.is_empty() || !self.notices.is_empty();
                told || self.records() > 0 || self.lost.iter().any(|&lost| lost > 0)
            }

            /// The kinds that came, with their counts.
            fn __repr__(&self) -> String {
                let mut counts: Vec<(&str, usize)> = Kind::all().map(|kind| (kind.name(), self.count(kind))).collect();
                counts.extend([("notices", self.notices.len()), ("control", self.control.len())]);
                counts.retain(|&(_, count)| count > 0);
                let counts = counts.iter().map(|(name, count)| format!("{name}={count}"));
                format!("Batch({})", counts.collect::<Vec<_>>().join(", "))
            }

            $(#[doc = $hot_doc]
            #[getter]
            fn $hots(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
                self.array(py, Kind::of(model::Kind::$hot))
            })*

            $(#[doc = $plain_doc]
            #[getter]
            fn $plains(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
                self.array(py, Kind::of(model::Kind::$plain))
            })*

            /// Own bars that ended or were revised.
            #[getter]
            fn bars(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
                self.array(py, Kind::BARS)
            }

            /// Signals of the rules.
            #[getter]
            fn signals(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
                self.array(py, Kind::SIGNALS)
            }

            /// Rare events of variable shape, oldest first.
            #[getter]
            fn notices(&self, py: Python<'_>) -> Vec<Py<Notice>> {
                self.notices.iter().map(|notice| notice.clone_ref(py)).collect()
            }

            /// Control messages, oldest first.
            #[getter]
            fn control(&self, py: Python<'_>) -> Vec<Py<Control>> {
                self.control.iter().map(|message| message.clone_ref(py)).collect()
            }

            /// Records that were overwritten before this drain, by kind; kinds without a loss are not in it.
            #[getter]
            fn lost<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
                records::lost(py, &self.lost)
            }
        }
    };
}
for_each_kind!(batch);
