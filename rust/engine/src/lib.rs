//! State: events in, bars, windows, rows and signals out.
//!
//! [`Engine`] is the one way through a frame; [`Reader`] reads what it published, from any thread.

#![forbid(unsafe_code)]

mod bar;
mod clock;
mod coverage;
mod derived;
mod drift;
mod pipeline;
mod read;
pub mod rule;
pub mod scan;
mod seen;
mod sequence;
mod session;
mod state;
mod stats;
mod store;
mod window;

pub use bar::{BarSpec, Measure, SpecError};
pub use derived::{DayBar, ReferenceColumn, ReferenceData};
pub use pipeline::{Config, Engine, EngineError, Filled, IdGap, Notice, Rings, Series, VolumeGap};
pub use read::{Reader, Registry, Seen, Source};
pub use session::Day;
pub use stats::{Sample, Stats, VenueTime};
pub use store::{Header, OpenError, Sizes, Writer};
