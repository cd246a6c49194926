//! Fixed-size records shared between one writer and any number of readers. Knows nothing of markets.
//!
//! Everything lives in atomic 64-bit words ([`Words`]), so a read that races a write gives a value to throw
//! away, never undefined behaviour. One writer, never waiting; readers copy between two looks at a sequence
//! and try again, or learn how much they lost.
//!
//! | structure | what | reader |
//! |---|---|---|
//! | [`latest`] | one row a symbol, sequence-checked | whole rows |
//! | [`column`] | one word a symbol and column | each word whole, no two belong together |
//! | [`event`] | records in order, the oldest overwritten | lossy, counts what it lost |
//! | [`page`] | bars in pages of 32 from one pool | whole stretches of one series |
//! | [`pinned`] | bars of one series, written twice | contiguous view |

pub mod column;
pub mod event;
pub mod latest;
pub mod page;
pub mod pinned;
#[cfg(loom)]
pub mod proof;
mod sync;
mod words;

pub use column::Columns;
pub use event::{EventReader, EventRing, EventWriter, Got};
pub use latest::{Latest, RowWriter};
pub use page::{BarPages, BarReader, ChainId};
pub use pinned::Pinned;
pub use words::{PAGE_WORDS, Words, prefetch};

/// How often a reader looks again at once: within a millisecond a writer that runs is done.
const SPINS: u32 = if cfg!(loom) { 3 } else { 10_000 };
/// How often it then looks again after a pause, before it gives up on what is never at rest.
const PAUSES: u32 = if cfg!(loom) { 0 } else { 1_000 };
/// A tenth of a second over all pauses.
const PAUSE: core::time::Duration = core::time::Duration::from_micros(100);

/// Waits before another look at something that is not at rest; false once it was looked at too often.
#[inline]
pub(crate) fn wait(looks: &mut u32) -> bool {
    *looks += 1;
    if *looks < SPINS {
        sync::spin_loop();
        return true;
    }
    pause(*looks)
}

#[cold]
fn pause(looks: u32) -> bool {
    sync::sleep(PAUSE);
    looks < SPINS + PAUSES
}
