//! Memory that numpy can view: owned copies, and live words of a ring that stay alive as long as a view does.

use std::os::raw::{c_int, c_void};
use std::sync::Arc;

use pyo3::buffer::PyBuffer;
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

/// The bytes of a frame, without a copy: `bytes` directly, anything else through the buffer protocol.
pub(crate) enum View<'a> {
    Bytes(&'a [u8]),
    Buffer(PyBuffer<u8>),
}

impl<'a> View<'a> {
    /// Views an object that holds contiguous bytes; a `TypeError` or `BufferError` says what else it is.
    #[inline]
    pub(crate) fn of(object: &'a Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast_exact::<PyBytes>() {
            return Ok(Self::Bytes(bytes.as_bytes()));
        }
        let buffer = PyBuffer::get(object)?;
        if !buffer.is_c_contiguous() {
            return Err(PyBufferError::new_err("a frame is one contiguous stretch of bytes"));
        }
        Ok(Self::Buffer(buffer))
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Buffer(buffer) if buffer.len_bytes() == 0 => &[],
            // SAFETY: the buffer is contiguous, holds `len_bytes` initialised bytes and is kept from being
            // resized or freed while `self` holds the export. Its owner must not write into it during the call:
            // `feed` keeps the interpreter, and its documentation says so for free-threaded builds.
            Self::Buffer(buffer) => unsafe {
                std::slice::from_raw_parts(buffer.buf_ptr().cast::<u8>(), buffer.len_bytes())
            },
        }
    }
}
