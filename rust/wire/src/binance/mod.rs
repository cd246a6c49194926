//! Binance USD-M futures.

pub mod encode;
