//! Bars built from trades: what each kind is, and how one is made.
//!
//! Time bars ([`span`]) are places in time: a late trade finds its bar and revises it. The others ([`sampler`]) are cut by
//! what was traded, in order of arrival, and none is revised. Both keep the same exact sums ([`cell`]). The engine's side
//! (when bars are sent, kept and changed) is in `pipeline/bars.rs`; the definitions for users in docs/bars.md.

pub(crate) mod cell;
pub(crate) mod sampler;
pub(crate) mod span;
pub(crate) mod spec;

pub(crate) use cell::{BarPrint, CELL_WORDS, Cell, Forming};
pub(crate) use sampler::Sampler;
pub use spec::{BarSpec, Measure, SpecError};
