//! The way into the engine for the listener that is compiled from Cython (`_listener.pyx`, `build.rs`): a frame passes from
//! the socket's buffer to the decoder by one call, and no Python object is made for it.

use std::os::raw::{c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use ringtape::model::Venue;

use crate::engine::Engine;

unsafe extern "C" {
    /// The module's entry as Cython wrote it, under another name: symbols of C objects are hidden in a Rust library.
    fn rt_cy_PyInit__listener() -> *mut ffi::PyObject;
}

/// The entry that the interpreter looks for.
///
/// # Safety
///
/// Called by the interpreter's loader only, attached.
#[unsafe(no_mangle)]
unsafe extern "C" fn PyInit__listener() -> *mut ffi::PyObject {
    // SAFETY: it is the same call by another name.
    unsafe { rt_cy_PyInit__listener() }
}

/// Feeds a frame to an engine; gives the number of events, or -1 with an exception set, as Python's `feed` raises it.
///
/// # Safety
///
/// The caller is attached to the interpreter, `engine` is a live object, and `size` bytes can be read at `frame`.
#[unsafe(no_mangle)]
unsafe extern "C" fn rt_feed(
    engine: *mut ffi::PyObject,
    frame: *const c_char,
    size: ffi::Py_ssize_t,
    venue: c_int,
    recv_ns: i64,
    conn: c_int,
) -> i64 {
    // SAFETY: the caller is attached.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: the caller holds the object for longer than this call takes.
    let engine = unsafe { Borrowed::from_ptr(py, engine) };
    let frame: &[u8] = match usize::try_from(size) {
        // SAFETY: the caller says so, and nobody writes to the buffer of a read before its callback returns.
        Ok(size) if size > 0 => unsafe { std::slice::from_raw_parts(frame.cast(), size) },
        _ => &[],
    };
    // An unwinding panic must not cross into C. The engine's counters and rings are whole words, see `Engine::own`.
    let fed = catch_unwind(AssertUnwindSafe(|| {
        let engine = engine.cast::<Engine>().map_err(|_| PyTypeError::new_err("not a ringtape engine"))?;
        let unknown = || PyValueError::new_err("no such venue or connection");
        let venue = u8::try_from(venue).ok().and_then(Venue::from_code).ok_or_else(unknown)?;
        let conn = u16::try_from(conn).map_err(|_| unknown())?;
        engine.get().feed_raw(py, frame, venue, recv_ns, conn)
    }));
    let failure = match fed {
        Ok(Ok(events)) => return events.cast_signed() as i64,
        Ok(Err(error)) => error,
        Err(_) => PyRuntimeError::new_err("the engine panicked"),
    };
    failure.restore(py);
    -1
}
