//! One frame to plain Python values: for tests, notebooks and tools; the engine does not go through it.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use ringtape::model::Kind;
use ringtape::wire::{self, Staging};

use crate::batch::control;
use crate::errors;
use crate::memory::View;
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
    let mut staging = Staging::default();
    let frame = View::of(frame)?;
    let bytes = frame.bytes();
    if let Err(error) = wire::decode(market, bytes, &mut staging) {
        let sample = pyo3::types::PyBytes::new(py, &bytes[..bytes.len().min(64)]);
        return Err(errors::raise(py, "DecodeError", (venue, error.kind.name(), error.offset, sample)));
    }
    let events = PyList::empty(py);
    for entry in &staging.entries {
        let at = entry.index as usize;
        let (kind, dict) = match entry.kind {
            Kind::Trade => ("trade", to_dict(py, &staging.trades[at])?),
            Kind::Quote => ("quote", to_dict(py, &staging.quotes[at])?),
            Kind::VenueBar => ("venue_bar", to_dict(py, &staging.bars[at])?),
            Kind::Mark => ("mark", to_dict(py, &staging.marks[at])?),
        };
        dict.set_item("symbol", String::from_utf8_lossy(staging.name(bytes, entry)))?;
        dict.set_item("venue", market.name())?;
        events.append((kind, dict))?;
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
