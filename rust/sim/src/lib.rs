//! A pretend market: seeded, exact, without a clock or a socket.
//!
//! [`Market::advance`] makes the events of a stretch of time, in order; [`Market::frames`] hands a subscriber the
//! text frames it has not seen. The same configuration gives the same bytes, however the stretch is cut. US stocks
//! speak Massive's protocol, perpetual futures Binance's.
//!
//! What is true of the market by construction, so that tests may rely on it: quotes never cross; trades lie at or
//! inside the quote that stood when they happened (late prints repeat an earlier trade); sequence numbers and
//! trade ids rise; `A` and `AM` bars are summed from the market's own trades by the consolidated rules and are
//! never sent twice. A market is one trading day: the day's volume and open are not reset at midnight.

#![forbid(unsafe_code)]

mod activity;
mod bars;
mod crypto;
mod log;
mod market;
mod names;
mod path;
mod random;
mod stocks;
mod subscription;

pub use market::{Config, ConfigError, Kind, Market, RATE_MAX, SYMBOLS_MAX, SubscriberId};
pub use subscription::{Change, Route};
