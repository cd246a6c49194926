//! One frame to plain Python values: for tests, notebooks and tools; the engine does not go through it.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use ringtape::model::{Kind, Venue, for_each_kind};
use ringtape::wire::{self, Entry, Staging};

use crate::batch::control;
use crate::errors;
use crate::memory::viewed;
use crate::records::to_dict;

/// Decodes one frame into ``(events, control, skipped)``: events as ``(kind, dict)`` in order of arrival,
/// skipped events as dicts with reason, key, kind and offset. Raises `DecodeError` for a rejected frame.
#[pyfunction]
#[pyo3(signature = (frame, venue))]
pub(crate) fn decode<'py>(
    py: Python<'py>,
    frame: &Bound<'py, PyAny>,
    venue: &str,
) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyList>, Bound<'py, PyList>)> {
    let market = errors::venue(py, venue)?;
    viewed(frame, |frame| {
        let mut staging = Staging::default();
        if let Err(error) = wire::decode(market, frame, &mut staging) {
            let sample = PyBytes::new(py, &frame[..frame.len().min(64)]);
            return Err(errors::raise(py, "DecodeError", (venue, error.kind.name(), error.offset, sample)));
        }
        said(py, market, frame, staging)
    })
}

/// What was read of a frame: its events, its control messages and what was skipped.
fn said<'py>(
    py: Python<'py>,
    market: Venue,
    frame: &[u8],
    staging: Staging,
) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyList>, Bound<'py, PyList>)> {
    let events = PyList::empty(py);
    for entry in &staging.entries {
        let dict = to_python(py, &staging, entry, frame)?;
        dict.set_item("venue", market.name())?;
        events.append((entry.kind.name(), dict))?;
    }
    let skipped = PyList::empty(py);
    for skip in &staging.skipped {
        let dict = PyDict::new(py);
        dict.set_item("reason", skip.reason.name())?;
        dict.set_item("key", skip.key)?;
        dict.set_item("kind", skip.kind())?;
        dict.set_item("offset", skip.offset)?;
        skipped.append(dict)?;
    }
    let messages = PyList::empty(py);
    for message in staging.control {
        messages.append(Bound::new(py, control(py, 0, message)?)?)?;
    }
    Ok((events, messages, skipped))
}

/// One event as a dict.
macro_rules! to_python {
    (hot: [$($hot:tt)*] plain: [$($kind:ident $list:ident $doc:literal;)*]) => {
        fn to_python<'py>(
            py: Python<'py>,
            staging: &Staging,
            entry: &Entry,
            frame: &[u8],
        ) -> PyResult<Bound<'py, PyDict>> {
            let at = entry.index as usize;
            let dict = match entry.kind {
                Kind::Trade => to_dict(py, &staging.trades[at])?,
                Kind::Quote => to_dict(py, &staging.quotes[at])?,
                Kind::VenueBar => to_dict(py, &staging.bars[at])?,
                Kind::Mark => to_dict(py, &staging.marks[at])?,
                $(Kind::$kind => to_dict(py, &staging.plain.$list[at])?,)*
                Kind::Notice => {
                    let notice = &staging.plain.notices[at];
                    let dict = PyDict::new(py);
                    dict.set_item("kind", &notice.kind)?;
                    dict.set_item("data", PyBytes::new(py, notice.text(frame)))?;
                    return Ok(dict);
                }
            };
            dict.set_item("symbol", String::from_utf8_lossy(staging.name(frame, entry)))?;
            Ok(dict)
        }
    };
}
for_each_kind!(to_python);
