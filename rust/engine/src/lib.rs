//! State: events in, signals out.

pub mod rule;
pub mod scan;
