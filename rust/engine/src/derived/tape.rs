//! What the tape says of a trade: the quote before it, its side, whether the price rose or fell.
//!
//! SOURCE: C. Lee and M. Ready, "Inferring Trade Direction from Intraday Data" (1991): above the middle of the quote before
//! it a trade is bought, below it sold; in the middle, and without a quote, the last change of price decides.

use std::collections::VecDeque;

use ringtape_model::event::{SIDE_BUY, SIDE_NONE, SIDE_SELL};
use ringtape_model::units::{Nanos, PRICE_UNSET, SECOND, size_to_f64};
use ringtape_model::{Field, Quote, condition};

use super::{Deal, View};

/// How old the quote before a trade may be.
const QUOTE_AGE: Nanos = 5 * SECOND;
/// Quotes of different times that are remembered: a trade may come after quotes that are newer than it.
const QUOTES: usize = 32;

/// A two-sided quote that is not crossed, prices in 1e-8.
#[derive(Clone, Copy)]
pub(crate) struct Prevailing {
    time: Nanos,
    pub(crate) bid: i64,
    pub(crate) ask: i64,
}

/// What the tape says of one trade.
#[derive(Clone, Copy)]
pub(crate) struct Said {
    pub(crate) side: u8,
    /// 1 where the price rose, −1 where it fell, against the LAST trade before it.
    pub(crate) tick: i8,
    /// The quote before it, where the trade was made at the time that it is printed at.
    pub(crate) quote: Option<Prevailing>,
    /// What came before the trade is not known well enough to say any of this.
    pub(crate) unsure: bool,
}

impl Said {
    pub(crate) const NOTHING: Self = Self { side: SIDE_NONE, tick: 0, quote: None, unsure: false };
}

/// The trade that a rule is looking at.
struct Trigger {
    price: f64,
    size: f64,
    late: bool,
    side: f64,
    at: f64,
}

/// The tape of one symbol on one date.
pub(crate) struct Tape {
    /// Trades and quotes before these passed unseen.
    since: Nanos,
    quotes_since: Nanos,
    /// The side of some trade of the date may not be known.
    missed: bool,
    quotes: VecDeque<Prevailing>,
    /// Price of the newest LAST trade in 1e-8.
    last: Option<i64>,
    /// Which way the price changed last.
    direction: i8,
    /// Signed run of changes.
    streak: i64,
    /// LAST trades so far.
    count: u64,
    delta: i128,
    trigger: Option<Trigger>,
}

impl Tape {
    pub(crate) fn new(since: Nanos, quotes_since: Nanos) -> Self {
        Self {
            since,
            quotes_since,
            missed: false,
            quotes: VecDeque::with_capacity(QUOTES),
            last: None,
            direction: 0,
            streak: 0,
            count: 0,
            delta: 0,
            trigger: None,
        }
    }

    pub(crate) fn quote(&mut self, quote: &Quote) {
        let two_sided = quote.bid_e8 > 0 && quote.ask_e8 > 0;
        if !two_sided || quote.bid_e8 > quote.ask_e8 {
            return;
        }
        let newest = Prevailing { time: quote.ts_event, bid: quote.bid_e8, ask: quote.ask_e8 };
        match self.quotes.back_mut() {
            Some(held) if held.time == newest.time => *held = newest,
            _ => {
                if self.quotes.len() == QUOTES {
                    self.quotes.pop_front();
                }
                self.quotes.push_back(newest);
            }
        }
    }

    /// The newest quote before a time, if it is young enough.
    fn prevailing(&self, time: Nanos) -> Option<Prevailing> {
        let newest = self.quotes.iter().rev().find(|quote| quote.time < time)?;
        (time - newest.time <= QUOTE_AGE).then_some(*newest)
    }

    /// Takes a trade and says what it was.
    pub(crate) fn trade(&mut self, deal: &Deal<'_>) -> Said {
        let (price, unsure) = (deal.trade.price_e8, self.is_unsure(deal));
        self.missed |= unsure;
        if deal.fetched {
            return self.fetched(deal, unsure);
        }
        let quote = if deal.is_negotiated() { self.prevailing(deal.trade.ts_event) } else { None };
        let side = self.side(deal, quote);
        let mut tick = 0;
        if deal.moved {
            tick = self.last.map_or(0, |last| price.cmp(&last) as i8);
            self.turn(tick);
            (self.last, self.count) = (Some(price), self.count + 1);
        }
        if deal.has(condition::VOLUME) {
            self.delta += match side {
                SIDE_BUY => deal.size(),
                SIDE_SELL => -deal.size(),
                _ => 0,
            };
        }
        self.trigger = Some(Trigger {
            price: deal.trade.price,
            size: deal.trade.size,
            late: deal.late,
            side: if unsure { PRICE_UNSET } else { f64::from(side) },
            at: quote.filter(|_| !unsure).map_or(PRICE_UNSET, |quote| place(price, quote)),
        });
        Said { side, tick, quote, unsure }
    }

    /// Takes a trade that was fetched later: its side is the venue's or nobody's.
    #[cold]
    fn fetched(&mut self, deal: &Deal<'_>, unsure: bool) -> Said {
        let side = deal.trade.side;
        if deal.has(condition::VOLUME) {
            self.delta += match side {
                SIDE_BUY => deal.size(),
                SIDE_SELL => -deal.size(),
                _ => 0,
            };
        }
        Said { side, tick: 0, quote: None, unsure }
    }

    /// After a beginning within the date the quotes before a trade, and which way the price changed last, are not known at
    /// first.
    fn is_unsure(&self, deal: &Deal<'_>) -> bool {
        let blind = self.quotes_since != Nanos::MIN && deal.trade.ts_event <= self.quotes_since + QUOTE_AGE;
        let without_past = self.since != Nanos::MIN && self.direction == 0;
        (blind || without_past || deal.fetched && deal.is_negotiated()) && deal.trade.side == SIDE_NONE
    }

    fn side(&self, deal: &Deal<'_>, quote: Option<Prevailing>) -> u8 {
        if deal.trade.side != SIDE_NONE || !deal.is_negotiated() {
            return deal.trade.side;
        }
        let price = deal.trade.price_e8;
        let middle = quote.map_or(0, |quote| 2 * i128::from(price) - i128::from(quote.bid) - i128::from(quote.ask));
        let change = self.last.map_or(0, |last| price.cmp(&last) as i8);
        let sign = match (middle.signum() as i8, change) {
            (0, 0) => self.direction,
            (0, change) => change,
            (middle, _) => middle,
        };
        match sign {
            1 => SIDE_BUY,
            -1 => SIDE_SELL,
            _ => SIDE_NONE,
        }
    }

    fn turn(&mut self, tick: i8) {
        if tick == 0 {
            return;
        }
        self.streak = if tick == self.direction { self.streak + i64::from(tick) } else { i64::from(tick) };
        self.direction = tick;
    }

    /// Trades are counted anew, which tells nothing of their sides: what is known begins now.
    pub(crate) fn forget_trades(&mut self, now: Nanos) {
        self.roll();
        self.since = now;
    }

    /// A new date: quotes stay, prices and sums do not.
    pub(crate) fn roll(&mut self) {
        (self.since, self.missed, self.last, self.direction) = (Nanos::MIN, false, None, 0);
        (self.streak, self.count, self.delta, self.trigger) = (0, 0, 0, None);
    }

    pub(crate) fn value(&self, field: Field, view: &View<'_>) -> f64 {
        let trigger = self.trigger.as_ref().filter(|_| view.on_trade);
        let of = |get: fn(&Trigger) -> f64| trigger.map_or(PRICE_UNSET, get);
        let whole_day = self.since <= view.day.start;
        match field {
            Field::TradePrice => of(|trade| trade.price),
            Field::TradeSize => of(|trade| trade.size),
            Field::TradeLate => of(|trade| f64::from(u8::from(trade.late))),
            Field::TradeSide => of(|trade| trade.side),
            Field::TradeAt => of(|trade| trade.at),
            Field::DeltaDay if whole_day && !self.missed => size_to_f64(self.delta),
            Field::TickStreak if whole_day && self.count > 1 => self.streak as f64,
            _ => PRICE_UNSET,
        }
    }
}

/// Where a price stands in a quote, a place in [`ringtape_model::field::TRADE_AT_NAMES`].
fn place(price: i64, quote: Prevailing) -> f64 {
    if price > quote.ask {
        0.0
    } else if price == quote.ask {
        1.0
    } else if price > quote.bid {
        2.0
    } else if price == quote.bid {
        3.0
    } else {
        4.0
    }
}

/// The newest LAST trades of the date, for the change over a number of them.
pub(crate) struct Prices {
    back: usize,
    held: VecDeque<f64>,
}

impl Prices {
    pub(crate) fn new(back: u32) -> Self {
        Self { back: back as usize, held: VecDeque::new() }
    }

    pub(crate) fn trade(&mut self, deal: &Deal<'_>) {
        if !deal.moved {
            return;
        }
        if self.held.len() > self.back {
            self.held.pop_front();
        }
        self.held.push_back(deal.trade.price);
    }

    pub(crate) fn roll(&mut self) {
        self.held.clear();
    }

    pub(crate) fn value(&self) -> f64 {
        // What is held came one after the other, so it does not matter what came before it.
        match (self.held.front(), self.held.back()) {
            (Some(first), Some(last)) if self.held.len() > self.back => last / first - 1.0,
            _ => PRICE_UNSET,
        }
    }
}
