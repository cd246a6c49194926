//! Errors of the rooms as the classes of `ringtape.errors`, imported when the first one is raised.

use pyo3::call::PyCallArgs;
use pyo3::prelude::*;
use ringtape::engine::EngineError;
use ringtape::model::field::FieldError;
use ringtape::model::{FieldRef, Unit, Venue, nearest};

/// An instance of a class of `ringtape.errors` as an error to raise.
pub(crate) fn raise<'py>(py: Python<'py>, class: &str, args: impl PyCallArgs<'py>) -> PyErr {
    let built = || -> PyResult<Bound<'py, PyAny>> { py.import("ringtape.errors")?.getattr(class)?.call1(args) };
    built().map_or_else(|error| error, |value| PyErr::from_value(value))
}

/// The venue of that name, or an error that names the nearest ones.
pub(crate) fn venue(py: Python<'_>, name: &str) -> PyResult<Venue> {
    Venue::from_name(name).ok_or_else(|| {
        let near = nearest(name, Venue::ALL.map(Venue::name), 3);
        raise(py, "UnknownVenue", (name, near))
    })
}

/// The field of that text, or an error that says what is wrong with it.
pub(crate) fn field(py: Python<'_>, text: &str) -> PyResult<FieldRef> {
    FieldRef::parse(text).map_err(|error| {
        let name = text.split('(').next().unwrap_or(text).trim();
        match error {
            FieldError::Unknown(near) => raise(py, "UnknownField", (text, near)),
            FieldError::NeedsWindow => raise(py, "UnknownField", (text, vec![format!("{name}(5m)")])),
            FieldError::TakesNoWindow => raise(py, "UnknownField", (text, vec![name.to_owned()])),
            FieldError::Arguments(ways) => raise(py, "UnknownField", (text, ways)),
            FieldError::BadWindow(why) => raise(py, "ConfigError", (format!("field {text:?}: {why}"),)),
        }
    })
}

/// The same for a field whose values are doubles.
pub(crate) fn plain_field(py: Python<'_>, text: &str) -> PyResult<FieldRef> {
    let parsed = field(py, text)?;
    if parsed.field.info().unit == Unit::Time {
        let why = format!("field {text:?} is a time: read it with get, row or table");
        return Err(raise(py, "ConfigError", (why,)));
    }
    Ok(parsed)
}

/// What an engine refuses, as a `ConfigError`.
pub(crate) fn engine(py: Python<'_>, error: &EngineError) -> PyErr {
    raise(py, "ConfigError", (error.to_string(),))
}
