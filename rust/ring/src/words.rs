//! Shared memory as atomic words.
//!
//! Blocks come from the system as zeroed pages, each at its first touch. That costs a microsecond or two a page, and the
//! first bars of a thousand symbols touch thousands, while a feed waits; so writers ask for a stretch of them ahead, which
//! costs a tenth.

use std::sync::Arc;

use memmap2::{MmapMut, MmapRaw};

use crate::sync::{AtomicU64, Ordering};

/// A block of zeroed words, shared by its writer and readers.
#[derive(Clone)]
pub struct Words(Arc<Block>);

struct Block {
    memory: MmapRaw,
    len: usize,
}

impl Block {
    #[inline]
    #[allow(unsafe_code, reason = "mapped bytes become atomic words here and nowhere else")]
    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping holds at least `len` words, starts at a page and lives as long as `self`. Zeroes are valid
        // words, and nobody has a reference into the mapping but through here.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr().cast(), self.len) }
    }
}

impl Words {
    /// A block of `len` zero words. Costs only the pages that are touched.
    ///
    /// # Panics
    ///
    /// The system has no room for the block, as any allocation would.
    pub fn zeroed(len: usize) -> Self {
        let bytes = (len * size_of::<AtomicU64>()).max(1);
        let memory = match MmapMut::map_anon(bytes) {
            Ok(memory) => memory,
            Err(error) => panic!("no memory for {bytes} bytes of rings: {error}"),
        };
        Self(Arc::new(Block { memory: memory.into(), len }))
    }

    /// Asks for large pages, where the system has them.
    pub(crate) fn large(self) -> Self {
        #[cfg(target_os = "linux")]
        let _ = self.0.memory.advise(memmap2::Advice::HugePage);
        self
    }

    /// Asks the system for the pages of a run of words that will be written soon; the run may reach over the end.
    #[cold]
    #[inline(never)]
    pub(crate) fn warm(&self, at: usize, len: usize) {
        const WORD: usize = size_of::<AtomicU64>();
        let len = len.min(self.0.len.saturating_sub(at));
        // Where the system cannot, pages come at their first touch as they would have.
        #[cfg(target_os = "linux")]
        let _ = self.0.memory.advise_range(memmap2::Advice::PopulateWrite, at * WORD, len * WORD);
        #[cfg(not(target_os = "linux"))]
        let _ = len * WORD;
    }

    /// Number of words.
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// True for a block without words.
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    #[inline]
    pub(crate) fn all(&self) -> &[AtomicU64] {
        self.0.words()
    }

    #[inline]
    pub(crate) fn word(&self, at: usize) -> &AtomicU64 {
        &self.0.words()[at]
    }

    /// Stores a run of words; ordering is the caller's business.
    #[inline(always)]
    pub(crate) fn put(&self, at: usize, from: &[u64]) {
        put(&self.0.words()[at..at + from.len()], from);
    }

    /// The word at a place and the `len - 1` behind it.
    #[inline]
    pub(crate) fn split(&self, at: usize, len: usize) -> (&AtomicU64, &[AtomicU64]) {
        let words = &self.0.words()[at..at + len];
        (&words[0], &words[1..])
    }

    /// Loads a run of words; ordering is the caller's business.
    #[inline]
    pub(crate) fn get(&self, at: usize, into: &mut [u64]) {
        let from = &self.0.words()[at..at + into.len()];
        for (value, word) in into.iter_mut().zip(from) {
            *value = word.load(Ordering::Relaxed);
        }
    }

    /// Address of the first word, for views that outlive a borrow; the block stays alive as long as a clone.
    pub fn as_ptr(&self) -> *const u64 {
        self.0.memory.as_ptr().cast()
    }
}

/// Asks the machine to bring the cache line in which a value begins, for one who will look at it soon. A hint: it changes
/// no value and waits for nothing.
#[inline(always)]
#[cfg_attr(target_arch = "x86_64", allow(unsafe_code, reason = "the instruction is not offered in a safe form"))]
pub fn prefetch<T>(value: &T) {
    // SAFETY: the instruction reads nothing that a program could see, and the address is that of a live value.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
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
