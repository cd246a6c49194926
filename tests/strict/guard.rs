//! Memory that ends at a page which nobody may touch, and one that begins at such a page.

#![allow(unsafe_code, reason = "only the system can forbid a page")]

use std::ptr;

const PAGE: usize = 4_096;

/// Readable bytes between two forbidden pages.
pub(crate) struct Guarded {
    base: *mut u8,
    len: usize,
}

impl Guarded {
    /// Room for `room` bytes.
    pub(crate) fn new(room: usize) -> Self {
        let len = room.div_ceil(PAGE) * PAGE;
        // SAFETY: a new mapping at a place of the system's choice, checked below.
        let base = unsafe {
            libc::mmap(ptr::null_mut(), len + 2 * PAGE, libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
        };
        assert_ne!(base, libc::MAP_FAILED, "memory for {len} bytes");
        // SAFETY: all but the first and the last page of the mapping.
        let opened = unsafe { libc::mprotect(base.byte_add(PAGE), len, libc::PROT_READ | libc::PROT_WRITE) };
        assert_eq!(opened, 0, "pages that may be used");
        Self { base: base.cast(), len }
    }

    /// The frame with its last byte before a forbidden page.
    pub(crate) fn at_end(&mut self, frame: &[u8]) -> &[u8] {
        let at = self.len - frame.len();
        self.put(frame, at)
    }

    /// The frame with its first byte behind a forbidden page.
    pub(crate) fn at_start(&mut self, frame: &[u8]) -> &[u8] {
        self.put(frame, 0)
    }

    fn put(&mut self, frame: &[u8], at: usize) -> &[u8] {
        assert!(at + frame.len() <= self.len);
        // SAFETY: the pages between the forbidden ones are ours alone, and the place is inside them.
        let room = unsafe { std::slice::from_raw_parts_mut(self.base.add(PAGE), self.len) };
        room[at..at + frame.len()].copy_from_slice(frame);
        &room[at..at + frame.len()]
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`, which nobody borrows any more.
        unsafe { libc::munmap(self.base.cast(), self.len + 2 * PAGE) };
    }
}
