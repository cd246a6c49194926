//! Binance: one object a frame, raw or in the combined envelope, or an array of them.

mod decode;
pub mod encode;
mod fast;
mod keys;
mod notice;
mod plain;

pub(crate) use decode::decode;
