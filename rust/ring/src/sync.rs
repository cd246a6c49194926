//! The atomics and the memory of this room in one place: the machine's, or loom's, which tries every order of events.
//!
//! Words are mapped memory, so the machine's have to be eight plain bytes.

#[cfg(loom)]
pub(crate) use crate::proof::{AtomicU64, MmapMut, MmapOptions, MmapRaw, Ordering, fence, sleep, spin_loop};
#[cfg(not(loom))]
pub(crate) use memmap2::{MmapMut, MmapOptions, MmapRaw};
#[cfg(not(loom))]
pub(crate) use std::hint::spin_loop;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(not(loom))]
pub(crate) use std::thread::sleep;
