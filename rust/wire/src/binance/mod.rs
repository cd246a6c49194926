//! Binance: one object a frame, raw or in the combined envelope, or an array of them.

mod decode;
pub mod encode;

pub(crate) use decode::decode;
