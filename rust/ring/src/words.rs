//! Shared memory as atomic words.
//!
//! Blocks come from the system as zeroed pages, each at its first touch. That costs a microsecond or two a page, and the
//! first bars of a thousand symbols touch thousands, while a feed waits; so writers ask for a stretch of them ahead, which
//! costs a tenth.

use std::io;
use std::sync::Arc;

use memmap2::MmapAsRawDesc;

use crate::sync::{AtomicU64, MmapMut, MmapOptions, MmapRaw, Ordering};

/// Words of a page of memory; parts of a block begin at one.
pub const PAGE_WORDS: usize = 4096 / WORD;
const WORD: usize = size_of::<AtomicU64>();

/// A block of words, or a part of one, shared by its writer and readers.
#[derive(Clone)]
pub struct Words {
    memory: Arc<MmapRaw>,
    first: usize,
    len: usize,
}

impl Words {
    /// A block of `len` zero words. Costs only the pages that are touched.
    ///
    /// # Panics
    ///
    /// The system has no room for the block, as any allocation would.
    pub fn zeroed(len: usize) -> Self {
        let bytes = (len * WORD).max(1);
        let memory = match MmapMut::map_anon(bytes) {
            Ok(memory) => memory,
            Err(error) => panic!("no memory for {bytes} bytes of rings: {error}"),
        };
        Self { memory: Arc::new(memory.into()), first: 0, len }
    }

    /// The words of a file that was made as large for this, for its one writer.
    pub fn of_file(file: impl MmapAsRawDesc, len: usize) -> io::Result<Self> {
        Ok(Self { memory: Arc::new(MmapOptions::new().len(len * WORD).map_raw(file)?), first: 0, len })
    }

    /// The words of a file for a reader, whose stores would end the process: whoever takes these only loads.
    pub fn of_file_to_read(file: impl MmapAsRawDesc, len: usize) -> io::Result<Self> {
        Ok(Self { memory: Arc::new(MmapOptions::new().len(len * WORD).map_raw_read_only(file)?), first: 0, len })
    }

    /// The block in parts of these lengths, one behind the other, each from a page on.
    ///
    /// # Panics
    ///
    /// The block is smaller than [`Words::parts_len`] says.
    pub fn parts<const N: usize>(&self, lens: &[usize; N]) -> [Self; N] {
        let mut first = 0;
        lens.map(|len| {
            let part = self.part(first, len);
            first += len.next_multiple_of(PAGE_WORDS);
            part
        })
    }

    /// A part of the block.
    ///
    /// # Panics
    ///
    /// It reaches over the end.
    #[must_use]
    pub fn part(&self, first: usize, len: usize) -> Self {
        assert!(first <= self.len && len <= self.len - first, "a part beyond its block");
        Self { memory: Arc::clone(&self.memory), first: self.first + first, len }
    }

    /// Words that parts of these lengths take; `None` where a number cannot hold them.
    pub fn parts_len(lens: &[usize]) -> Option<usize> {
        let part = |len: &usize| len.checked_next_multiple_of(PAGE_WORDS);
        lens.iter()
            .try_fold(0_usize, |all, len| all.checked_add(part(len)?))?
            .checked_mul(WORD)
            .map(|bytes| bytes / WORD)
    }

    #[inline]
    #[allow(unsafe_code, reason = "mapped bytes become atomic words here and nowhere else")]
    #[allow(clippy::cast_ptr_alignment, reason = "a mapping begins at a page")]
    fn words(&self) -> &[AtomicU64] {
        let all = self.memory.as_ptr().cast::<AtomicU64>();
        // SAFETY: the mapping holds at least `first + len` words by construction, starts at a page and lives as long as
        // `self`. All bytes are valid words, and nobody has a reference into the mapping but through here; other processes
        // change it by atomic stores only. One that cuts the file short meanwhile ends this process by a signal.
        unsafe { std::slice::from_raw_parts(all.add(self.first), self.len) }
    }

    /// Asks for large pages, where the system has them.
    pub(crate) fn large(self) -> Self {
        #[cfg(target_os = "linux")]
        let _ = self.memory.advise_range(memmap2::Advice::HugePage, self.first * WORD, self.len * WORD);
        self
    }

    /// Asks the system for the pages of a run of words that will be written soon; the run may reach over the end.
    #[cold]
    #[inline(never)]
    pub(crate) fn warm(&self, at: usize, len: usize) {
        let len = len.min(self.len.saturating_sub(at));
        // Where the system cannot, pages come at their first touch as they would have.
        #[cfg(target_os = "linux")]
        let _ = self.memory.advise_range(memmap2::Advice::PopulateWrite, (self.first + at) * WORD, len * WORD);
        #[cfg(not(target_os = "linux"))]
        let _ = len;
    }

    /// Number of words.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True for a block without words.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    pub(crate) fn all(&self) -> &[AtomicU64] {
        self.words()
    }

    #[inline]
    pub(crate) fn word(&self, at: usize) -> &AtomicU64 {
        &self.words()[at]
    }

    /// Stores a run of words; ordering is the caller's business.
    #[inline(always)]
    pub(crate) fn put(&self, at: usize, from: &[u64]) {
        put(&self.words()[at..at + from.len()], from);
    }

    /// The word at a place and the `len - 1` behind it.
    #[inline]
    pub(crate) fn split(&self, at: usize, len: usize) -> (&AtomicU64, &[AtomicU64]) {
        let words = &self.words()[at..at + len];
        (&words[0], &words[1..])
    }

    /// One word, in no order with others.
    #[inline]
    pub fn load(&self, at: usize) -> u64 {
        self.word(at).load(Ordering::Relaxed)
    }

    /// A run of words, each whole, in no order with others.
    pub fn copy(&self, at: usize, into: &mut [u64]) {
        self.get(at, into);
    }

    /// Changes a run of words, in no order with others. Single writer only.
    pub fn store(&self, at: usize, from: &[u64]) {
        self.put(at, from);
    }

    /// One word; what was stored before its value was is seen, too.
    #[inline]
    pub fn acquire(&self, at: usize) -> u64 {
        // ORDERING: Acquire; pairs with the Release in `release`.
        self.word(at).load(Ordering::Acquire)
    }

    /// Changes a word for those who `acquire` it. Single writer only.
    pub fn release(&self, at: usize, value: u64) {
        self.word(at).store(value, Ordering::Release);
    }

    /// Loads a run of words; ordering is the caller's business.
    #[inline]
    pub(crate) fn get(&self, at: usize, into: &mut [u64]) {
        let from = &self.words()[at..at + into.len()];
        for (value, word) in into.iter_mut().zip(from) {
            *value = word.load(Ordering::Relaxed);
        }
    }

    /// Address of the first word, for views that outlive a borrow; the block stays alive as long as a clone.
    pub fn as_ptr(&self) -> *const u64 {
        self.words().as_ptr().cast()
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
