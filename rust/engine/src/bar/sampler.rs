//! Bars that are cut by what was traded: ticks, volume, dollars, their imbalances and runs, price range, Renko bricks.
//!
//! SOURCE: Marcos López de Prado, "Advances in Financial Machine Learning" (2018), chapter 2: standard, imbalance and run
//! bars; here with a fixed threshold, so that the same tape gives the same bars wherever one begins to look at it. Renko: the
//! classic brick of closing prices, where a turn takes two bricks.
//!
//! Trades are taken in order of arrival, each with the rights of its conditions, and one is never split: it belongs to the
//! bar that it completes. A late trade counts with its size and without its price.

use ringtape_model::event::{SIDE_BUY, SIDE_SELL, TRADE_LATE};
use ringtape_model::units::{Nanos, TIME_UNSET, size_to_f64};
use ringtape_model::{ConditionRights, Trade, condition};

use super::{BarPrint, BarSpec, Cell, Measure};
use crate::window::{TAPE_START, TapeKey};

/// Bricks that one trade can complete; of more, those next to the new price are made.
const BRICKS_MOST: i128 = 256;

/// The forming bar of one series of one symbol, and what goes on from bar to bar.
#[derive(Clone)]
pub(crate) struct Sampler {
    /// `start == TIME_UNSET` where the bar has no trade yet.
    pub(crate) cell: Cell,
    /// What buys and sells add up to; all of it in the first where sides do not matter.
    bought: i128,
    sold: i128,
    /// Highest and lowest price of the bar, in 1e-8.
    extremes: Option<(i128, i128)>,
    /// Newest time of a trade: a bar does not begin before the last one ended.
    clock: Nanos,
    /// The newest price, in 1e-8, and its place on the tape.
    price: Option<i128>,
    priced: TapeKey,
    /// Who took the last trade: 1 a buyer, −1 a seller, 0 nobody knows.
    sign: i8,
    /// Lower edge of the last brick.
    brick: Option<i128>,
    /// Ids are missing before the next trade.
    hole: bool,
}

impl Sampler {
    pub(crate) fn new() -> Self {
        Self {
            cell: Cell::new(TIME_UNSET, TIME_UNSET),
            bought: 0,
            sold: 0,
            extremes: None,
            clock: TIME_UNSET,
            price: None,
            priced: TAPE_START,
            sign: 0,
            brick: None,
            hole: false,
        }
    }

    /// Ids are missing before the next trade.
    pub(crate) fn open_hole(&mut self) {
        self.hole = true;
    }

    /// Takes a trade; gives the number of bricks that were too many. Then [`Sampler::completed`] has the bars that it
    /// completes.
    pub(crate) fn take(&mut self, spec: &BarSpec, trade: &Trade, rights: ConditionRights) -> u64 {
        let key = (trade.ts_event, trade.sequence);
        let late = trade.flags & TRADE_LATE != 0 || key < self.priced;
        let rights = if late { rights.without(condition::HIGH_LOW | condition::LAST) } else { rights };
        self.clock = self.clock.max(trade.ts_event);
        if self.cell.start == TIME_UNSET {
            self.cell = Cell::new(self.clock, self.clock);
        }
        self.cell.end = self.clock;
        if std::mem::take(&mut self.hole) {
            self.cell.open_hole();
        }
        self.cell.add(&BarPrint::new(trade, rights));
        let price = i128::from(trade.price_e8);
        self.see_side(trade, rights, price);
        if rights.has(condition::VOLUME) {
            self.measure(spec, trade);
        }
        if rights.has(condition::HIGH_LOW) {
            let (low, high) = self.extremes.unwrap_or((price, price));
            self.extremes = Some((low.min(price), high.max(price)));
        }
        if rights.has(condition::LAST) {
            (self.price, self.priced) = (Some(price), key);
        }
        if let BarSpec::Renko(size) = *spec { self.skip_bricks(size) } else { 0 }
    }

    /// The next bar that is complete, if there is one; what follows begins anew.
    pub(crate) fn completed(&mut self, spec: &BarSpec) -> Option<Cell> {
        let full = match *spec {
            BarSpec::Time(_) => false,
            BarSpec::Sum(_, most) => self.bought >= most,
            BarSpec::Imbalance(_, most) => (self.bought - self.sold).abs() >= most,
            BarSpec::Run(_, most) => self.bought.max(self.sold) >= most,
            BarSpec::Range(size) => self.extremes.is_some_and(|(low, high)| high - low >= size),
            BarSpec::Renko(size) => return self.next_brick(size),
        };
        // Without a price there is nothing to show: the bar goes on until it has one.
        (full && self.cell.is_shown()).then(|| self.finish())
    }

    fn finish(&mut self) -> Cell {
        (self.bought, self.sold, self.extremes) = (0, 0, None);
        std::mem::replace(&mut self.cell, Cell::new(TIME_UNSET, TIME_UNSET))
    }

    /// Who took the trade: the venue's word where it says so, else the tick rule, by which a higher price was bought, a
    /// lower one sold, and an equal one is like the one before.
    fn see_side(&mut self, trade: &Trade, rights: ConditionRights, price: i128) {
        self.sign = match trade.side {
            SIDE_BUY => 1,
            SIDE_SELL => -1,
            _ => match self.price {
                Some(last) if rights.has(condition::LAST) && price > last => 1,
                Some(last) if rights.has(condition::LAST) && price < last => -1,
                _ => self.sign,
            },
        };
    }

    fn measure(&mut self, spec: &BarSpec, trade: &Trade) {
        let (measure, sided) = match *spec {
            BarSpec::Sum(measure, _) => (measure, false),
            BarSpec::Imbalance(measure, _) | BarSpec::Run(measure, _) => (measure, true),
            BarSpec::Time(_) | BarSpec::Range(_) | BarSpec::Renko(_) => return,
        };
        let amount = match measure {
            Measure::Ticks => 1,
            Measure::Volume => i128::from(trade.size_e8),
            // Futures have traded below zero; what changed hands is money all the same.
            Measure::Dollars => (i128::from(trade.size_e8) * i128::from(trade.price_e8)).abs(),
        };
        match self.sign {
            _ if !sided => self.bought += amount,
            1 => self.bought += amount,
            -1 => self.sold += amount,
            _ => {}
        }
    }

    /// How many bricks the price lies above (below) the last one. Edges are whole multiples of the brick, and the first price
    /// stands in a brick that counts as the last: one rule then serves start, going on and turning.
    fn bricks_away(&mut self, size: i128) -> Option<i128> {
        let price = self.price?;
        let brick = *self.brick.get_or_insert(price.div_euclid(size) * size);
        Some(if price > brick { ((price - brick) / size - 1).max(0) } else { -((brick - price) / size) })
    }

    /// Leaves out the first of too many bricks; gives how many.
    fn skip_bricks(&mut self, size: i128) -> u64 {
        let Some(away) = self.bricks_away(size) else { return 0 };
        let over = (away.abs() - BRICKS_MOST).max(0);
        self.brick = self.brick.map(|brick| brick + over * size * away.signum());
        over as u64
    }

    fn next_brick(&mut self, size: i128) -> Option<Cell> {
        let away = self.bricks_away(size)?;
        let brick = self.brick?;
        if away == 0 {
            return None;
        }
        let (open, close) = if away > 0 { (brick + size, brick + 2 * size) } else { (brick, brick - size) };
        self.brick = Some(open.min(close));
        let mut cell = self.finish();
        if cell.start == TIME_UNSET {
            // The trade belongs to the first of its bricks; the others have prices only.
            cell = Cell::new(self.clock, self.clock);
        }
        cell.set_prices(size_to_f64(open), size_to_f64(close));
        Some(cell)
    }
}
