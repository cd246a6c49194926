//! Records of the plain kinds: what a venue says that moves no state here. Units and null values as in [`crate::event`].

use crate::event::{Element, record};

/// Declares a record that begins with nothing known.
macro_rules! plain {
    ($(#[$meta:meta])* $name:ident, $kind:literal { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        record! { $(#[$meta])* $name, $kind { $($(#[$field_meta])* $field: $type,)* } }

        impl $name {
            /// One of which nothing is known yet.
            pub const UNSET: Self = Self { $($field: <$type as Element>::UNSET,)* };
        }
    };
}

/// [`Value::what`]: an index (Massive `V`).
pub const VALUE_INDEX: u8 = 1;
/// [`Value::what`]: the vendor's fair market value (Massive `FMV`).
pub const VALUE_FAIR: u8 = 2;
/// [`Value::what`]: the last value (Massive `LV`).
pub const VALUE_LAST: u8 = 3;
/// Names of [`Value::what`] by code.
pub const VALUE_NAMES: [&str; 4] = ["", "index", "fair_market_value", "last_value"];

/// [`Level::depth`]: not known; Binance's three look alike without the stream's name.
pub const DEPTH_UNKNOWN: u8 = 0;
/// [`Level::depth`]: a change of the book since the last update.
pub const DEPTH_DIFF: u8 = 1;
/// [`Level::depth`]: the best levels of the book, whole.
pub const DEPTH_PARTIAL: u8 = 2;
/// [`Level::depth`]: a change of the book with retail price improvement orders in it.
pub const DEPTH_RPI: u8 = 3;
/// [`Level::depth`]: the answer to a request for the book.
pub const DEPTH_SNAPSHOT: u8 = 4;
/// Names of [`Level::depth`] by code.
pub const DEPTH_NAMES: [&str; 5] = ["unknown", "diff", "partial", "rpi", "snapshot"];

/// [`Level::side`]: a bid; 0 in the one record of a message without levels.
pub const LEVEL_BID: u8 = 1;
/// [`Level::side`]: an offer.
pub const LEVEL_ASK: u8 = 2;
/// [`Level::flags`]: the first record of its message.
pub const LEVEL_FIRST: u8 = 1;
/// [`Level::flags`]: the last record of its message.
pub const LEVEL_LAST: u8 = 2;

/// [`Ticker::flags`]: the short form (Binance `24hrMiniTicker`).
pub const TICKER_MINI: u8 = 1;

plain! {
    /// Limit up, limit down bands of a US stock (Massive `LULD`).
    Band, "band" {
        /// Engine sequence number.
        seq: u64,
        /// Venue time.
        ts_event: i64,
        /// Receive time of the frame.
        ts_recv: i64,
        /// Upper band; 0 with the lower one in a halt.
        high: f64,
        /// Lower band.
        low: f64,
        /// The venue's sequence number (Massive `q`).
        sequence: i64,
        /// Indicator ids; `n_indicators` of them are set.
        indicators: [u16; 4],
        /// Symbol id.
        symbol: u32,
        /// Connection number given to `feed`.
        conn: u16,
        /// Venue code.
        venue: u8,
        /// Tape.
        tape: u8,
        /// How many of `indicators` are set.
        n_indicators: u8,
        /// Unused, zero.
        reserved: [u8; 7],
    }
}

plain! {
    /// A net order imbalance before an auction (Massive `NOI`).
    Imbalance, "imbalance" {
        /// Engine sequence number.
        seq: u64,
        /// Venue time.
        ts_event: i64,
        /// Receive time of the frame.
        ts_recv: i64,
        /// Shares that find no other side; more to buy is positive.
        imbalance: f64,
        /// Shares that are paired.
        paired: f64,
        /// Book clearing price.
        clearing_price: f64,
        /// The venue's symbol sequence (Massive `i`).
        sequence: i64,
        /// Symbol id.
        symbol: u32,
        /// When the auction is held, HHMM as a number, New York time.
        auction_time: u16,
        /// Exchange id.
        exchange: u16,
        /// Connection number given to `feed`.
        conn: u16,
        /// Venue code.
        venue: u8,
        /// The letter that the venue calls the auction by: O early open, M open, H halt, C close, P extreme closing,
        /// R regulatory; 0 unset.
        auction_type: u8,
        /// Unused, zero.
        reserved: u32,
    }
}

plain! {
    /// One number about a symbol that is neither trade nor quote: an index, a fair market value.
    Value, "value" {
        /// Engine sequence number.
        seq: u64,
        /// Venue time.
        ts_event: i64,
        /// Receive time of the frame.
        ts_recv: i64,
        /// The number.
        value: f64,
        /// The same in 1e-8; unset where it does not fit.
        value_e8: i64,
        /// Symbol id.
        symbol: u32,
        /// Connection number given to `feed`.
        conn: u16,
        /// Venue code.
        venue: u8,
        /// `VALUE_INDEX`, `VALUE_FAIR`, `VALUE_LAST`.
        what: u8,
    }
}

plain! {
    /// Statistics of the last 24 hours (Binance `24hrTicker`, `24hrMiniTicker`).
    Ticker, "ticker" {
        /// Engine sequence number.
        seq: u64,
        /// Venue time (Binance `E`).
        ts_event: i64,
        /// Receive time of the frame.
        ts_recv: i64,
        /// Start of the statistics (Binance `O`).
        ts_open: i64,
        /// End of the statistics (Binance `C`).
        ts_close: i64,
        /// First price.
        open: f64,
        /// Highest price.
        high: f64,
        /// Lowest price.
        low: f64,
        /// Last price.
        last: f64,
        /// Size of the last trade.
        last_size: f64,
        /// Volume in coins or contracts.
        volume: f64,
        /// Volume in quote currency.
        dollar_volume: f64,
        /// Last price minus the first.
        change: f64,
        /// The same in percent of the first, as the venue rounds it.
        change_pct: f64,
        /// Volume-weighted average price.
        vwap: f64,
        /// Price of the trade before the interval (Binance spot `x`).
        prev_close: f64,
        /// Best bid (Binance spot `b`).
        bid: f64,
        /// Size at the bid.
        bid_size: f64,
        /// Best offer (Binance spot `a`).
        ask: f64,
        /// Size at the offer.
        ask_size: f64,
        /// First trade id of the interval.
        first_id: i64,
        /// Last trade id of the interval.
        last_id: i64,
        /// Number of trades.
        trade_count: i64,
        /// Symbol id.
        symbol: u32,
        /// Connection number given to `feed`.
        conn: u16,
        /// Venue code.
        venue: u8,
        /// `TICKER_MINI`.
        flags: u8,
    }
}

plain! {
    /// An order that the venue forced on a position (Binance `forceOrder`).
    Liquidation, "liquidation" {
        /// Engine sequence number.
        seq: u64,
        /// Trade time.
        ts_event: i64,
        /// Receive time of the frame.
        ts_recv: i64,
        /// When the venue made the message (Binance `E`).
        ts_sent: i64,
        /// Price of the order.
        price: f64,
        /// Average price of its fills.
        average_price: f64,
        /// Size of the order.
        size: f64,
        /// Size of its last fill.
        last_filled: f64,
        /// Size of all its fills.
        filled: f64,
        /// The venue's word for the type of the order, such as `LIMIT`, zero padded.
        order_type: [u8; 24],
        /// The venue's word for its state, such as `FILLED`, zero padded.
        status: [u8; 24],
        /// How long it stands, such as `IOC`, zero padded.
        time_in_force: [u8; 8],
        /// Symbol id.
        symbol: u32,
        /// Connection number given to `feed`.
        conn: u16,
        /// Venue code.
        venue: u8,
        /// 1 bought, a short position was liquidated; 2 sold, a long one.
        side: u8,
    }
}

plain! {
    /// One price level of an order book message (Binance `depthUpdate`, Massive `XL2`).
    Level, "level" {
        /// Engine sequence number.
        seq: u64,
        /// Venue time.
        ts_event: i64,
        /// Receive time of the frame.
        ts_recv: i64,
        /// When the venue made the message (Binance `E`), or the vendor received it (Massive crypto `r`).
        ts_sent: i64,
        /// Price of the level; unset in the one record of a message without levels.
        price: f64,
        /// The same in 1e-8.
        price_e8: i64,
        /// Size at the price; 0 where the level is gone.
        size: f64,
        /// The same in 1e-8.
        size_e8: i64,
        /// First update in the message (Binance `U`).
        first_update: i64,
        /// Last update in the message (Binance `u`, `lastUpdateId`).
        last_update: i64,
        /// Last update of the message before it (Binance `pu`).
        previous_update: i64,
        /// Symbol id.
        symbol: u32,
        /// Connection number given to `feed`.
        conn: u16,
        /// Exchange id.
        exchange: u16,
        /// Venue code.
        venue: u8,
        /// `LEVEL_BID`, `LEVEL_ASK`.
        side: u8,
        /// `DEPTH_UNKNOWN`, `DEPTH_DIFF`, `DEPTH_PARTIAL`, `DEPTH_RPI`, `DEPTH_SNAPSHOT`.
        depth: u8,
        /// `LEVEL_FIRST`, `LEVEL_LAST`.
        flags: u8,
        /// Unused, zero.
        reserved: u32,
    }
}

plain! {
    /// Index of an asset used as margin (Binance `assetIndexUpdate`).
    AssetIndex, "asset_index" {
        /// Engine sequence number.
        seq: u64,
        /// Venue time (Binance `E`).
        ts_event: i64,
        /// Receive time of the frame.
        ts_recv: i64,
        /// Index price.
        index: f64,
        /// Bid buffer (Binance `b`).
        bid_buffer: f64,
        /// Offer buffer (Binance `a`).
        ask_buffer: f64,
        /// Bid rate (Binance `B`).
        bid_rate: f64,
        /// Offer rate (Binance `A`).
        ask_rate: f64,
        /// Bid buffer of automatic exchange (Binance `q`).
        auto_bid_buffer: f64,
        /// Offer buffer of automatic exchange (Binance `g`).
        auto_ask_buffer: f64,
        /// Bid rate of automatic exchange (Binance `Q`).
        auto_bid_rate: f64,
        /// Offer rate of automatic exchange (Binance `G`).
        auto_ask_rate: f64,
        /// Symbol id.
        symbol: u32,
        /// Connection number given to `feed`.
        conn: u16,
        /// Venue code.
        venue: u8,
        /// Unused, zero.
        flags: u8,
    }
}
