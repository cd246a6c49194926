//! The row: what is published of one symbol. It is also the engine's own state of that symbol, so a published
//! row is a plain copy, and a field has one formula for the engine, the rules and every reader.

use core::mem::offset_of;

use bytemuck::{Pod, Zeroable};

use crate::units::{PRICE_UNSET, TIME_UNSET, Wide};

/// Latest values of one symbol, 32 words. Prices NaN and times `TIME_UNSET` where nothing is known.
///
/// What changes most comes first: a quote changes words below [`QUOTE_WORDS`] only, a trade those below [`TRADE_WORDS`].
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Row {
    /// Best bid; NaN where the side is empty.
    pub bid: f64,
    /// Best offer.
    pub ask: f64,
    /// Size at the bid.
    pub bid_size: f64,
    /// Size at the offer.
    pub ask_size: f64,
    /// Time of the quote.
    pub quote_time: i64,
    /// Engine time of the venue when the row was published.
    pub now: i64,
    /// Receive time of the frame that last changed the row.
    pub ts_recv: i64,
    /// Newest LAST-eligible, not late price in tape order.
    pub last: f64,
    /// Its size.
    pub last_size: f64,
    /// Its time.
    pub last_time: i64,
    /// Trading date (yyyymmdd) on which `last` was set; 0 before the first trade.
    pub last_date: u32,
    /// Trading date of everything but the last price, the quote and the marks; 0 before the first event.
    pub date: u32,
    /// Newest trade of any condition.
    pub last_any: f64,
    /// Regular opening print or the venue's official open; first regular trade of options, first regular value of indices;
    /// for venues without sessions the first trade.
    pub open: f64,
    /// Highest HL-eligible price of the regular session.
    pub high: f64,
    /// Lowest HL-eligible price of the regular session.
    pub low: f64,
    /// Highest HL-eligible price of the whole trading date.
    pub high_day: f64,
    /// Lowest HL-eligible price of the whole trading date.
    pub low_day: f64,
    /// Σ size of VOL trades, 1e-8.
    pub volume: Wide,
    /// Σ price × size of VOL trades, 1e-16.
    pub notional: Wide,
    /// Σ size of VW trades, 1e-8.
    pub vw_volume: Wide,
    /// Σ price × size of VW trades, 1e-16.
    pub vw_notional: Wide,
    /// Number of VOL trades.
    pub trade_count: u64,
    /// Close of the previous trading date.
    pub prev_close: f64,
    /// Mark price.
    pub mark: f64,
    /// Index price.
    pub index: f64,
    /// Funding rate.
    pub funding_rate: f64,
    /// Next funding time.
    pub next_funding: i64,
    /// Venue code.
    pub venue: u32,
    /// Unused, zero.
    pub flags: u32,
}

/// Words of a [`Row`].
pub const ROW_WORDS: usize = size_of::<Row>() / 8;

/// The first words of a [`Row`]: those that a quote and every publication change. With the sequence number before them
/// they are one cache line of the published table.
pub const QUOTE_WORDS: usize = offset_of!(Row, last) / 8;

/// The first words of a [`Row`]: those that a trade changes.
pub const TRADE_WORDS: usize = offset_of!(Row, prev_close) / 8;

impl Row {
    /// A symbol about which nothing is known yet.
    pub fn unset(venue: u8) -> Self {
        Self {
            last: PRICE_UNSET,
            last_size: PRICE_UNSET,
            last_time: TIME_UNSET,
            last_any: PRICE_UNSET,
            bid: PRICE_UNSET,
            ask: PRICE_UNSET,
            bid_size: PRICE_UNSET,
            ask_size: PRICE_UNSET,
            quote_time: TIME_UNSET,
            open: PRICE_UNSET,
            high: PRICE_UNSET,
            low: PRICE_UNSET,
            high_day: PRICE_UNSET,
            low_day: PRICE_UNSET,
            prev_close: PRICE_UNSET,
            mark: PRICE_UNSET,
            index: PRICE_UNSET,
            funding_rate: PRICE_UNSET,
            next_funding: TIME_UNSET,
            venue: u32::from(venue),
            now: TIME_UNSET,
            ts_recv: TIME_UNSET,
            ..Self::zeroed()
        }
    }
}

/// One registered window of one symbol, 8 words.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct WindowRow {
    /// Price at the start of the window: the last LAST-eligible, not late price before it, same trading date.
    pub base: f64,
    /// Highest LAST-eligible, not late price in the window.
    pub high: f64,
    /// Lowest LAST-eligible, not late price in the window.
    pub low: f64,
    /// Number of VOL trades.
    pub trade_count: u64,
    /// Σ size of VOL trades, 1e-8.
    pub volume: Wide,
    /// Σ price × size of VOL trades, 1e-16.
    pub notional: Wide,
}

/// Words of a [`WindowRow`].
pub const WINDOW_WORDS: usize = size_of::<WindowRow>() / 8;

impl WindowRow {
    /// A window that holds nothing and has no price before it.
    pub fn empty() -> Self {
        Self { base: PRICE_UNSET, high: PRICE_UNSET, low: PRICE_UNSET, ..Self::zeroed() }
    }

    /// A window that reaches further back than anything that was kept for it.
    pub fn unknown() -> Self {
        Self { trade_count: u64::MAX, ..Self::empty() }
    }

    /// True for [`WindowRow::unknown`].
    #[inline]
    pub fn is_unknown(&self) -> bool {
        self.trade_count == u64::MAX
    }
}
