//! What derived fields are told: trades with what the engine made of them, records of the plain kinds, and what is summed of
//! them.

use ringtape_model::event::{SIDE_BUY, SIDE_NONE, SIDE_SELL};
use ringtape_model::units::{CODE_UNSET, E8, E16, Nanos};
use ringtape_model::{Band, ConditionRights, Imbalance, Liquidation, Ticker, Trade, condition};

use super::fixed;
use super::tape::Said;
use crate::window::TapeKey;

/// Shares from which on a trade may be a block.
const BLOCK_SIZE: i128 = 10_000 * E8 as i128;
/// Money from which on it may be one, in 1e-16.
const BLOCK_NOTIONAL: i128 = 200_000 * E16;

/// A trade of the current date with what the engine made of it.
#[expect(clippy::struct_excessive_bools, reason = "independent facts of one trade, each asked for by its name")]
pub(crate) struct Deal<'a> {
    pub(crate) trade: &'a Trade,
    pub(crate) rights: ConditionRights,
    pub(crate) late: bool,
    /// It became the last price.
    pub(crate) moved: bool,
    /// Its conditions are those of US stocks.
    pub(crate) coded: bool,
    /// It was fetched later: what was known of quotes and prices when it was made is not known any more.
    pub(crate) fetched: bool,
}

impl Deal<'_> {
    pub(crate) fn has(&self, rights: u8) -> bool {
        self.rights.has(rights)
    }

    /// May become the last price.
    pub(crate) fn is_priced(&self) -> bool {
        self.has(condition::LAST) && !self.late
    }

    pub(crate) fn key(&self) -> TapeKey {
        (self.trade.ts_event, self.trade.sequence)
    }

    pub(crate) fn size(&self) -> i128 {
        self.trade.size_e8.into()
    }

    pub(crate) fn notional(&self) -> i128 {
        self.size() * i128::from(self.trade.price_e8)
    }

    pub(super) fn any(&self, wanted: impl Fn(u16) -> bool) -> bool {
        let conditions = self.trade.conditions.iter().take(usize::from(self.trade.n_conditions));
        self.coded && conditions.copied().any(wanted)
    }

    /// Two parties met at this price at this time: not late, no auction, no average or contingent price.
    pub(crate) fn is_negotiated(&self) -> bool {
        self.has(condition::VOLUME) && !self.late && !self.any(condition::is_without_side)
    }

    fn is_block(&self) -> bool {
        self.size() >= BLOCK_SIZE && self.notional() >= BLOCK_NOTIONAL
    }
}

/// A record of a plain kind that derived fields are made from.
#[derive(Clone, Copy)]
pub(crate) enum Told<'a> {
    Band(&'a Band),
    Imbalance(&'a Imbalance),
    Liquidation(&'a Liquidation),
    Ticker(&'a Ticker),
}

impl Told<'_> {
    /// Symbol and time.
    pub(crate) fn whose(&self) -> (u32, Nanos) {
        match self {
            Self::Band(record) => (record.symbol, record.ts_event),
            Self::Imbalance(record) => (record.symbol, record.ts_event),
            Self::Liquidation(record) => (record.symbol, record.ts_event),
            Self::Ticker(record) => (record.symbol, record.ts_event),
        }
    }
}

/// What is summed over a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    Volume,
    Count,
    Buy,
    Sell,
    Unsided,
    Up,
    Down,
    Late,
    OddLots,
    Blocks,
    BlockVolume,
    Reported,
    AtAsk,
    /// Effective spread over mid times size, and that size.
    SpreadPaid,
    SpreadSize,
    Flow,
    Quotes,
    LiqLong,
    LiqShort,
}

impl Measure {
    pub(super) fn of_trade(self, deal: &Deal<'_>, said: &Said) -> i128 {
        let price = deal.trade.price_e8;
        let size = |condition: bool| if condition { deal.size() } else { 0 };
        match self {
            Self::Up => i128::from(said.tick > 0),
            Self::Down => i128::from(said.tick < 0),
            Self::Flow | Self::Quotes | Self::LiqLong | Self::LiqShort => 0,
            _ if !deal.has(condition::VOLUME) => 0,
            Self::Volume => deal.size(),
            Self::Count => 1,
            Self::Buy => size(said.side == SIDE_BUY),
            Self::Sell => size(said.side == SIDE_SELL),
            Self::Unsided => size(said.side == SIDE_NONE),
            Self::Late => i128::from(deal.late),
            Self::OddLots => i128::from(deal.any(condition::is_odd_lot)),
            Self::Blocks => i128::from(deal.is_block()),
            Self::BlockVolume => size(deal.is_block()),
            Self::Reported => size(deal.trade.trf_id != CODE_UNSET),
            Self::AtAsk => size(said.quote.is_some_and(|quote| price >= quote.ask)),
            Self::SpreadSize => size(said.quote.is_some()),
            Self::SpreadPaid => said.quote.map_or(0, |quote| {
                let twice_mid = i128::from(quote.bid) + i128::from(quote.ask);
                let away = (2 * i128::from(price) - twice_mid).abs();
                fixed(2.0 * (away as f64 / twice_mid as f64)) * deal.size()
            }),
        }
    }

    pub(super) fn of_liquidation(self, order: &Liquidation) -> i128 {
        let of_side = match self {
            Self::LiqLong => order.side == SIDE_SELL,
            Self::LiqShort => order.side == SIDE_BUY,
            _ => false,
        };
        if of_side { fixed(order.size * order.average_price) } else { 0 }
    }

    pub(super) const fn reads_orders(self) -> bool {
        matches!(self, Self::LiqLong | Self::LiqShort)
    }

    pub(super) const fn reads_quotes(self) -> bool {
        matches!(self, Self::Flow | Self::Quotes)
    }

    /// Whether it is not known of a trade that was fetched later and whose side the venue tells.
    pub(super) const fn needs_order(self) -> bool {
        matches!(self, Self::Up | Self::Down | Self::AtAsk | Self::SpreadPaid | Self::SpreadSize)
    }

    /// Whether the tape has to say something of a trade first.
    pub(super) const fn reads_tape(self) -> bool {
        matches!(
            self,
            Self::Buy
                | Self::Sell
                | Self::Unsided
                | Self::Up
                | Self::Down
                | Self::AtAsk
                | Self::SpreadPaid
                | Self::SpreadSize
        )
    }
}
