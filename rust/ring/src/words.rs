//! Shared memory as atomic words.

use std::sync::Arc;

use crate::sync::{AtomicU64, Ordering};

/// A block of zeroed words, shared by its writer and readers.
#[derive(Clone)]
pub struct Words(Arc<Box<[AtomicU64]>>);

impl Words {
    /// A block of `len` zero words.
    pub fn zeroed(len: usize) -> Self {
        // Zero pages from the system, so that a generous block costs only what is touched.
        Self(Arc::new(bytemuck::zeroed_slice_box(len)))
    }

    /// Number of words.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True for a block without words.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub(crate) fn word(&self, at: usize) -> &AtomicU64 {
        &self.0[at]
    }

    /// Stores a run of words; ordering is the caller's business.
    #[inline(always)]
    pub(crate) fn put(&self, at: usize, from: &[u64]) {
        put(&self.0[at..at + from.len()], from);
    }

    /// The word at a place and the `len - 1` behind it.
    #[inline]
    pub(crate) fn split(&self, at: usize, len: usize) -> (&AtomicU64, &[AtomicU64]) {
        (&self.0[at], &self.0[at + 1..at + len])
    }

    /// Loads a run of words; ordering is the caller's business.
    #[inline]
    pub(crate) fn get(&self, at: usize, into: &mut [u64]) {
        let from = &self.0[at..at + into.len()];
        for (value, word) in into.iter_mut().zip(from) {
            *value = word.load(Ordering::Relaxed);
        }
    }

    /// Address of the first word, for views that outlive a borrow; the block stays alive as long as a clone.
    pub fn as_ptr(&self) -> *const u64 {
        self.0.as_ptr().cast()
    }
}

/// Stores words one to one; ordering is the caller's business. Inlined always: where the caller knows how many they
/// are, the loop becomes a row of moves.
#[inline(always)]
pub(crate) fn put(into: &[AtomicU64], from: &[u64]) {
    debug_assert_eq!(into.len(), from.len());
    for (word, &value) in into.iter().zip(from) {
        word.store(value, Ordering::Relaxed);
    }
}
