//! Memory that numpy can view: owned copies, and live words of a ring that stay alive as long as a view does.

use std::os::raw::{c_int, c_void};
use std::sync::Arc;

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use ringtape::ring::Words;

/// What a view keeps alive.
enum Source {
    Owned(Arc<Vec<u64>>),
    Live(Words),
}

/// A read-only stretch of memory behind numpy arrays.
#[pyclass(frozen, module = "ringtape._native")]
pub(crate) struct Memory {
    source: Source,
    first: usize,
    words: usize,
}

impl Memory {
    /// A view of owned words.
    pub(crate) fn owned(data: Arc<Vec<u64>>, first: usize, words: usize) -> Self {
        debug_assert!(first + words <= data.len());
        Self { source: Source::Owned(data), first, words }
    }

    /// A view of live words; each is whole, no two belong together.
    pub(crate) fn live(data: Words, first: usize, words: usize) -> Self {
        debug_assert!(first + words <= data.len());
        Self { source: Source::Live(data), first, words }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words == 0
    }

    fn address(&self) -> *const u64 {
        let base = match &self.source {
            Source::Owned(data) => data.as_ptr(),
            Source::Live(words) => words.as_ptr(),
        };
        base.wrapping_add(self.first)
    }
}

#[pymethods]
impl Memory {
    fn __len__(&self) -> usize {
        self.words * 8
    }

    /// # Safety
    ///
    /// Called by the interpreter with a buffer structure to fill.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        if view.is_null() {
            return Err(PyBufferError::new_err("no view to fill"));
        }
        let memory = slf.get();
        let (address, bytes) = (memory.address(), memory.words * 8);
        // SAFETY: the address is inside memory that `slf` keeps alive, FillInfo takes a reference to `slf`, and
        // the view is read-only, so a live word is only ever read as the plain number it is.
        let filled = unsafe {
            ffi::PyBuffer_FillInfo(view, slf.as_ptr(), address as *mut c_void, bytes as ffi::Py_ssize_t, 1, flags)
        };
        if filled == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}

/// Does some work with the bytes of an object, without a copy; a `TypeError` or `BufferError` says what else it is.
///
/// The interpreter's own structure on the stack: a boxed one takes longer than all of an empty frame.
#[inline]
pub(crate) fn viewed<R>(object: &Bound<'_, PyAny>, work: impl FnOnce(&[u8]) -> PyResult<R>) -> PyResult<R> {
    if let Ok(bytes) = object.cast_exact::<PyBytes>() {
        return work(bytes.as_bytes());
    }
    // Never moved once it is filled, since it may point into itself.
    let mut export = Export(ffi::Py_buffer::new());
    // SAFETY: the object is alive, and the structure is there to be filled; simple buffers are contiguous.
    if unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &raw mut export.0, ffi::PyBUF_SIMPLE) } != 0 {
        return Err(PyErr::fetch(object.py()));
    }
    let len = usize::try_from(export.0.len).unwrap_or(0);
    if len == 0 || export.0.buf.is_null() {
        return work(&[]);
    }
    if export.0.itemsize != 1 {
        return Err(PyBufferError::new_err("a frame is one contiguous stretch of bytes"));
    }
    // SAFETY: the buffer holds `len` initialised bytes and is kept from being resized or freed while it is exported. Its
    // owner must not write into it during the call: `feed` keeps the interpreter, and its documentation says so for
    // free-threaded builds.
    work(unsafe { std::slice::from_raw_parts(export.0.buf.cast::<u8>(), len) })
}

/// A buffer that is given back.
struct Export(ffi::Py_buffer);

impl Drop for Export {
    fn drop(&mut self) {
        // SAFETY: filled by `PyObject_GetBuffer`, or empty still, which is no error.
        unsafe { ffi::PyBuffer_Release(&raw mut self.0) };
    }
}
