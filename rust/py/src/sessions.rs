//! Trading days, which are made in Python (`ringtape.sessions`), where the time zones and the calendars are.

use pyo3::prelude::*;
use ringtape::engine::Day;
use ringtape::model::Venue;
use ringtape::model::units::Nanos;

/// Date, start, open, close and end of a trading day.
type Bounds = (u32, i64, i64, i64, i64);

pub(crate) fn to_day((date, start, open, close, end): Bounds) -> Day {
    Day { start, date, open, close, end }
}

/// Trading days of a venue around a time.
#[cold]
pub(crate) fn days(py: Python<'_>, venue: Venue, time: Nanos, rollover: &str) -> PyResult<Vec<Day>> {
    let found = py.import("ringtape.sessions")?.call_method1("days", (venue.name(), time, rollover))?;
    let days: Vec<Bounds> = found.extract()?;
    Ok(days.into_iter().map(to_day).collect())
}

/// A rollover, the usual one where none is given; a `ConfigError` if it is none.
pub(crate) fn checked(py: Python<'_>, rollover: Option<String>) -> PyResult<String> {
    const USUAL: &str = "04:00";
    let Some(rollover) = rollover else { return Ok(USUAL.to_owned()) };
    py.import("ringtape.sessions")?.call_method1("clock", (&rollover,))?;
    Ok(rollover)
}
