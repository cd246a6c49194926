//! Bytes to events and back.

pub mod binance;
pub mod massive;

mod text;
