//! The events: fixed-size plain records, one kind each, the same bytes in the decoder's staging area, in the
//! event rings and in numpy. Here are those that move state; [`crate::plain`] has the others, [`crate::kind`] the list.
//!
//! Units: prices and sizes as doubles; `*_e8` the same number as an integer of 1e-8; times Unix ns. Null
//! values are the constants of [`crate::units`]: NaN, `TIME_UNSET`, `ID_UNSET`, `CODE_UNSET`.

use bytemuck::Pod;

use crate::units::{CODE_UNSET, E8_UNSET, ID_UNSET, PRICE_UNSET, TIME_UNSET};

/// One column of a record as numpy names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Field name, the same in Rust and Python.
    pub name: &'static str,
    /// numpy type string of one element.
    pub dtype: &'static str,
    /// Elements in the column: 1 for a scalar.
    pub count: usize,
    /// Byte offset in the record.
    pub offset: usize,
}

/// A plain record that can be published to a ring and viewed by numpy.
pub trait Record: Pod {
    /// Name of the kind, such as `trade`.
    const NAME: &'static str;
    /// The columns in layout order.
    const COLUMNS: &'static [Column];
    /// Size in 8-byte ring words.
    const WORDS: usize = size_of::<Self>() / 8;
}

/// An element type that numpy knows.
pub(crate) trait Element {
    const DTYPE: &'static str;
    const COUNT: usize = 1;
    /// What stands for "not known"; zero where the type has no such value.
    const UNSET: Self;
}

macro_rules! element {
    ($($type:ty => $dtype:literal, $count:literal, $unset:expr;)*) => {
        $(impl Element for $type {
            const DTYPE: &'static str = $dtype;
            const COUNT: usize = $count;
            const UNSET: Self = $unset;
        })*
    };
}
element! {
    u8 => "u1", 1, 0;
    u16 => "<u2", 1, CODE_UNSET;
    u32 => "<u4", 1, 0;
    u64 => "<u8", 1, 0;
    i64 => "<i8", 1, ID_UNSET;
    f64 => "<f8", 1, PRICE_UNSET;
    [u8; 7] => "u1", 7, [0; 7];
    [u8; 8] => "S8", 1, [0; 8];
    [u8; 24] => "S24", 1, [0; 24];
    [u16; 4] => "<u2", 4, [CODE_UNSET; 4];
    [u16; 8] => "<u2", 8, [CODE_UNSET; 8];
}

/// Declares a record together with its column table, so that the two cannot drift apart.
macro_rules! record {
    ($(#[$meta:meta])* $name:ident, $kind:literal { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
        #[repr(C)]
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }

        impl $crate::event::Record for $name {
            const NAME: &'static str = $kind;
            const COLUMNS: &'static [$crate::event::Column] = &[$($crate::event::Column {
                name: stringify!($field),
                dtype: <$type as $crate::event::Element>::DTYPE,
                count: <$type as $crate::event::Element>::COUNT,
                offset: core::mem::offset_of!($name, $field),
            },)*];
        }

        impl Default for $name {
            fn default() -> Self { bytemuck::Zeroable::zeroed() }
        }
    };
}
pub(crate) use record;

/// No side is known.
pub const SIDE_NONE: u8 = 0;
/// The buyer took liquidity.
pub const SIDE_BUY: u8 = 1;
/// The seller took liquidity.
pub const SIDE_SELL: u8 = 2;

/// [`Trade::flags`]: an aggregate of fills (Binance `aggTrade`).
pub const TRADE_AGGREGATE: u16 = 1;
/// [`Trade::flags`]: printed late (`ts_event` − `ts_participant` over the limit, or sold out of sequence).
pub const TRADE_LATE: u16 = 2;

/// [`Quote::flags`]: `ts_participant` is when the bid was set and `ts_sent` when the offer was (Massive futures).
pub const QUOTE_SIDE_TIMES: u8 = 1;

/// [`Bar::source`]: built here from trades.
pub const SOURCE_OWN: u8 = 0;
/// [`Bar::source`]: sent by the venue.
pub const SOURCE_VENUE: u8 = 1;

/// [`Bar::flags`]: the interval has ended.
pub const BAR_COMPLETE: u16 = 1;
/// [`Bar::flags`]: sent before and changed by a later event.
pub const BAR_REVISED: u16 = 2;
/// [`Bar::flags`]: an OTC ticker (Massive `otc`).
pub const BAR_OTC: u16 = 4;
/// [`Bar::flags`]: made whole with data that was fetched later.
pub const BAR_REPAIRED: u16 = 8;
/// [`Bar::flags`]: a hole in what came lies in the bar or at its edge.
pub const BAR_HAS_HOLE: u16 = 16;

record! {
    /// An execution report.
    Trade, "trade" {
        /// Engine sequence number, rising over all records of an engine; one that was refused leaves a hole.
        seq: u64,
        /// Venue time: SIP time for US stocks, matching-engine time for Binance.
        ts_event: i64,
        /// Receive time of the frame at our socket.
        ts_recv: i64,
        /// When the venue made the message (Binance `E`); unset on Massive.
        ts_sent: i64,
        /// Participant (execution) time (Massive `pt`).
        ts_participant: i64,
        /// When the reporting facility got the print (Massive `trft`).
        ts_trf: i64,
        /// Price, quote currency.
        price: f64,
        /// The same in 1e-8.
        price_e8: i64,
        /// Size in shares, contracts or coins; the exact decimal where the venue sends one.
        size: f64,
        /// The same in 1e-8.
        size_e8: i64,
        /// The venue's sequence number (Massive `q`) or trade id (Binance `a`, `t`).
        sequence: i64,
        /// First fill of an aggregate (Binance `f`).
        first_id: i64,
        /// Last fill of an aggregate (Binance `l`).
        last_id: i64,
        /// The venue's trade id as text, zero padded; ids over 24 bytes as `#` and 16 hex digits of a hash.
        id: [u8; 24],
        /// Condition ids; `n_conditions` of them are set.
        conditions: [u16; 8],
        /// Symbol id.
        symbol: u32,
        /// Exchange id.
        exchange: u16,
        /// Trade reporting facility id (Massive `trfi`).
        trf_id: u16,
        /// Venue code.
        venue: u8,
        /// Tape 1 = A, 2 = B, 3 = C; 0 unset.
        tape: u8,
        /// Taker side: 0 unknown, 1 buy, 2 sell.
        side: u8,
        /// How many of `conditions` are set.
        n_conditions: u8,
        /// Connection number given to `feed`.
        conn: u16,
        /// `TRADE_AGGREGATE`, `TRADE_LATE`.
        flags: u16,
    }
}

record! {
    /// A best bid and offer update.
    Quote, "quote" {
        /// Engine sequence number.
        seq: u64,
        /// Venue time: SIP time for US stocks, engine time for Binance.
        ts_event: i64,
        /// Receive time of the frame.
        ts_recv: i64,
        /// When the venue made the message (Binance `E`).
        ts_sent: i64,
        /// Participant time (Massive `pt`).
        ts_participant: i64,
        /// Best bid.
        bid: f64,
        /// Best offer.
        ask: f64,
        /// Best bid in 1e-8.
        bid_e8: i64,
        /// Best offer in 1e-8.
        ask_e8: i64,
        /// Size at the bid; shares since 2025-11-03 on Massive.
        bid_size: f64,
        /// Size at the offer.
        ask_size: f64,
        /// Size at the bid in 1e-8.
        bid_size_e8: i64,
        /// Size at the offer in 1e-8.
        ask_size_e8: i64,
        /// The venue's sequence number (Massive `q`, Binance `u`).
        sequence: i64,
        /// Indicator ids; `n_indicators` of them are set.
        indicators: [u16; 4],
        /// Symbol id.
        symbol: u32,
        /// Exchange of the bid.
        bid_exchange: u16,
        /// Exchange of the offer.
        ask_exchange: u16,
        /// Quote condition.
        condition: u16,
        /// Connection number given to `feed`.
        conn: u16,
        /// Venue code.
        venue: u8,
        /// Tape.
        tape: u8,
        /// How many of `indicators` are set.
        n_indicators: u8,
        /// `QUOTE_SIDE_TIMES`.
        flags: u8,
    }
}

record! {
    /// Open, high, low, close and volume over an interval.
    Bar, "bar" {
        /// Engine sequence number; 0 in a read that is not from a ring.
        seq: u64,
        /// Start of the interval, by which a time bar is known; time of the first trade of other bars.
        ts_event: i64,
        /// Exclusive end of the interval; time of the last trade of other bars.
        ts_end: i64,
        /// Receive time of the frame, or engine time, that closed or changed the bar.
        ts_recv: i64,
        /// First price.
        open: f64,
        /// Highest price.
        high: f64,
        /// Lowest price.
        low: f64,
        /// Last price.
        close: f64,
        /// Volume.
        volume: f64,
        /// Volume in 1e-8.
        volume_e8: i64,
        /// Σ price × size; NaN where the venue does not send it.
        dollar_volume: f64,
        /// Volume-weighted average price; NaN without volume.
        vwap: f64,
        /// Volume bought by takers; NaN where sides are unknown.
        buy_volume: f64,
        /// Number of trades; `ID_UNSET` where the venue does not send it.
        trade_count: i64,
        /// Symbol id.
        symbol: u32,
        /// Interval in ms; 0 for bars that do not end by time.
        interval_ms: u32,
        /// Venue code.
        venue: u8,
        /// `SOURCE_OWN` or `SOURCE_VENUE`.
        source: u8,
        /// `BAR_COMPLETE`, `BAR_REVISED`, `BAR_OTC`, `BAR_REPAIRED`, `BAR_HAS_HOLE`.
        flags: u16,
        /// Connection number; 0 for own bars.
        conn: u16,
        /// Which of the engine's series of bars it belongs to.
        series: u16,
    }
}

record! {
    /// A bar as the venue sent it (Massive `A`, `AM`; Binance `kline`), with what only the venue knows.
    VenueBar, "venue_bar" {
        /// Engine sequence number.
        seq: u64,
        /// Start of the interval.
        ts_event: i64,
        /// Exclusive end of the interval.
        ts_end: i64,
        /// Receive time of the frame.
        ts_recv: i64,
        /// When the venue made the message (Binance `E`).
        ts_sent: i64,
        /// First price.
        open: f64,
        /// Highest price.
        high: f64,
        /// Lowest price.
        low: f64,
        /// Last price.
        close: f64,
        /// Volume; the exact decimal where the venue sends one.
        volume: f64,
        /// Volume in 1e-8.
        volume_e8: i64,
        /// Quote volume (Binance `q`); NaN on Massive.
        dollar_volume: f64,
        /// Volume-weighted average price of the interval (Massive `vw`).
        vwap: f64,
        /// Taker-buy volume (Binance `V`).
        buy_volume: f64,
        /// Taker-buy quote volume (Binance `Q`).
        buy_dollar_volume: f64,
        /// Number of trades (Binance `n`).
        trade_count: i64,
        /// The day's accumulated volume (Massive `av`, `dav`).
        day_volume: f64,
        /// The same in 1e-8.
        day_volume_e8: i64,
        /// Official open of the day (Massive `op`).
        day_open: f64,
        /// VWAP of the day (Massive `a`).
        day_vwap: f64,
        /// Average trade size (Massive `z`).
        average_size: f64,
        /// First trade id of the interval (Binance `f`).
        first_id: i64,
        /// Last trade id of the interval (Binance `L`).
        last_id: i64,
        /// Symbol id.
        symbol: u32,
        /// Interval in ms.
        interval_ms: u32,
        /// Venue code.
        venue: u8,
        /// `SOURCE_VENUE`.
        source: u8,
        /// `BAR_COMPLETE` (Binance `x`; always on Massive), `BAR_OTC`.
        flags: u16,
        /// Connection number.
        conn: u16,
        /// Unused, zero.
        reserved: u16,
    }
}

record! {
    /// Mark price, index price and funding of a perpetual future.
    Mark, "mark" {
        /// Engine sequence number.
        seq: u64,
        /// Venue time.
        ts_event: i64,
        /// Receive time of the frame.
        ts_recv: i64,
        /// Next funding time; unset for delivery and delisted contracts.
        next_funding: i64,
        /// Mark price.
        mark: f64,
        /// Moving average of the mark price (Binance `ap`).
        mark_average: f64,
        /// Index price.
        index: f64,
        /// Estimated settle price; meaningful in the last hour before settlement.
        settle: f64,
        /// Funding rate of the next payment, as a fraction.
        funding_rate: f64,
        /// Symbol id.
        symbol: u32,
        /// Venue code.
        venue: u8,
        /// Unused, zero.
        flags: u8,
        /// Connection number.
        conn: u16,
    }
}

record! {
    /// A rule fired for a symbol.
    Signal, "signal" {
        /// Engine sequence number.
        seq: u64,
        /// Time of the event that made the rule true, or engine time for a tick.
        ts_event: i64,
        /// Engine time of the evaluation.
        ts_eval: i64,
        /// Receive time of the causing frame.
        ts_recv: i64,
        /// Last price at that moment.
        price: f64,
        /// Change from the previous close at that moment, as a fraction.
        change: f64,
        /// Volume of the day at that moment.
        volume: f64,
        /// How often this rule has fired for this symbol on this trading date, from 1.
        firing: u32,
        /// Index of the rule in the loaded set.
        rule: u32,
        /// Symbol id.
        symbol: u32,
        /// Venue code.
        venue: u8,
        /// Evaluation moment: 0 trade, 1 quote, 2 tick.
        moment: u8,
        /// Unused, zero.
        flags: u16,
    }
}

impl Trade {
    /// A trade of which nothing is known yet.
    pub const UNSET: Self = Self {
        seq: 0,
        ts_event: TIME_UNSET,
        ts_recv: 0,
        ts_sent: TIME_UNSET,
        ts_participant: TIME_UNSET,
        ts_trf: TIME_UNSET,
        price: PRICE_UNSET,
        price_e8: E8_UNSET,
        size: PRICE_UNSET,
        size_e8: E8_UNSET,
        sequence: ID_UNSET,
        first_id: ID_UNSET,
        last_id: ID_UNSET,
        id: [0; 24],
        conditions: [CODE_UNSET; 8],
        symbol: 0,
        exchange: CODE_UNSET,
        trf_id: CODE_UNSET,
        venue: 0,
        tape: 0,
        side: SIDE_NONE,
        n_conditions: 0,
        conn: 0,
        flags: 0,
    };
}

impl Quote {
    /// A quote of which nothing is known yet.
    pub const UNSET: Self = Self {
        seq: 0,
        ts_event: TIME_UNSET,
        ts_recv: 0,
        ts_sent: TIME_UNSET,
        ts_participant: TIME_UNSET,
        bid: PRICE_UNSET,
        ask: PRICE_UNSET,
        bid_e8: E8_UNSET,
        ask_e8: E8_UNSET,
        bid_size: PRICE_UNSET,
        ask_size: PRICE_UNSET,
        bid_size_e8: E8_UNSET,
        ask_size_e8: E8_UNSET,
        sequence: ID_UNSET,
        indicators: [CODE_UNSET; 4],
        symbol: 0,
        bid_exchange: CODE_UNSET,
        ask_exchange: CODE_UNSET,
        condition: CODE_UNSET,
        conn: 0,
        venue: 0,
        tape: 0,
        n_indicators: 0,
        flags: 0,
    };
}

impl VenueBar {
    /// A venue's bar of which nothing is known yet.
    pub const UNSET: Self = Self {
        seq: 0,
        ts_event: TIME_UNSET,
        ts_end: TIME_UNSET,
        ts_recv: 0,
        ts_sent: TIME_UNSET,
        open: PRICE_UNSET,
        high: PRICE_UNSET,
        low: PRICE_UNSET,
        close: PRICE_UNSET,
        volume: PRICE_UNSET,
        volume_e8: E8_UNSET,
        dollar_volume: PRICE_UNSET,
        vwap: PRICE_UNSET,
        buy_volume: PRICE_UNSET,
        buy_dollar_volume: PRICE_UNSET,
        trade_count: ID_UNSET,
        day_volume: PRICE_UNSET,
        day_volume_e8: E8_UNSET,
        day_open: PRICE_UNSET,
        day_vwap: PRICE_UNSET,
        average_size: PRICE_UNSET,
        first_id: ID_UNSET,
        last_id: ID_UNSET,
        symbol: 0,
        interval_ms: 0,
        venue: 0,
        source: SOURCE_VENUE,
        flags: 0,
        conn: 0,
        reserved: 0,
    };
}
