//! Shared memory: files are opened, locked and named in Python (`ringtape.shm`); here they become words.

use std::fs::File;
use std::os::fd::BorrowedFd;

use pyo3::prelude::*;
use ringtape::engine::{self, Config, Engine, Header, Reader, Writer};
use ringtape::ring::Words;
use rustix::time::{ClockId, clock_gettime};

use crate::errors;

/// An engine over a new file of that name, and what holds the file.
pub(crate) fn engine(
    py: Python<'_>,
    config: Config,
    name: &str,
    group: Option<String>,
) -> PyResult<(Engine, Py<PyAny>)> {
    let len = Engine::sizes(&config).map_err(|error| errors::engine(py, &error))?.words();
    let bytes = len.checked_mul(8).filter(|&bytes| i64::try_from(bytes).is_ok());
    let bytes = bytes.ok_or_else(|| errors::engine(py, &engine::EngineError::TooLarge))?;
    let segment = py.import("ringtape.shm")?.call_method1("create", (name, bytes, group))?;
    let words = Words::of_file(&file(&segment)?, len)?;
    let number = |name: &str| segment.getattr(name)?.extract::<u64>();
    let writer = Writer { pid: std::process::id(), started: number("started")?, generation: number("generation")? };
    let engine = Engine::over(config, &words, writer).map_err(|error| errors::engine(py, &error))?;
    engine.header().beat(monotonic_ns());
    segment.call_method0("publish")?;
    Ok((engine, segment.unbind()))
}

/// The engine ends: readers are told, and the file's name is given up.
pub(crate) fn end(header: &Header, segment: Py<PyAny>) {
    header.end();
    // Where the interpreter is gone the system gives everything back.
    Python::try_attach(|py| {
        if let Err(error) = segment.call_method0(py, "close") {
            error.write_unraisable(py, None);
        }
    });
}

/// A reader of the file that a segment holds open, or `LayoutMismatch`.
pub(crate) fn reader(segment: &Bound<'_, PyAny>) -> PyResult<Reader> {
    let py = segment.py();
    let file = file(segment)?;
    let len = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX) / 8;
    let refuse =
        |why: String| errors::raise(py, "LayoutMismatch", (segment.getattr("name").ok().map(Bound::unbind), why));
    if len == 0 {
        return Err(refuse("an empty file".to_owned()));
    }
    Reader::open(&Words::of_file_to_read(&file, len)?).map_err(|error| refuse(error.to_string()))
}

/// A handle of our own to the file that a segment holds open.
fn file(segment: &Bound<'_, PyAny>) -> PyResult<File> {
    let number: i32 = segment.getattr("fd")?.extract()?;
    if number < 0 {
        return Err(pyo3::exceptions::PyValueError::new_err("the segment is closed"));
    }
    // SAFETY: the segment holds the descriptor open and cannot close it while the interpreter is ours.
    let held = unsafe { BorrowedFd::borrow_raw(number) };
    Ok(File::from(held.try_clone_to_owned()?))
}

/// A clock that never steps and is the same for every process of the machine, in ns.
pub(crate) fn monotonic_ns() -> u64 {
    nanos(ClockId::Monotonic)
}

/// The same, some ms behind and cheaper.
pub(crate) fn coarse_ns() -> u64 {
    #[cfg(target_os = "linux")]
    return nanos(ClockId::MonotonicCoarse);
    #[cfg(not(target_os = "linux"))]
    nanos(ClockId::Monotonic)
}

fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
