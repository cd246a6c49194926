//! The atomics of this room in one place, so that a model checker can put its own in.

pub(crate) use std::sync::atomic::{AtomicU64, Ordering, fence};
