//! Massive (formerly Polygon.io): arrays of objects told apart by `ev`.

mod decode;
pub mod encode;
mod fast;
mod markets;

pub(crate) use decode::decode;
