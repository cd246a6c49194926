//! The atomics of this room in one place. Words are mapped memory, so whatever stands here has to be eight plain bytes.

pub(crate) use std::sync::atomic::{AtomicU64, Ordering, fence};
