//! Numbers made from quotes: order-flow imbalance, and means weighted by the time that a quote stood.

use std::collections::VecDeque;

use ringtape_model::units::{Nanos, PRICE_UNSET, TIME_UNSET};
use ringtape_model::{Quote, Row};

use super::rolling::Span;
use super::{fixed, unfixed};
use crate::window::floor;

/// A quote in integers of 1e-8; the side that is empty has price 0.
#[derive(Clone, Copy, Default)]
pub(crate) struct Book {
    bid: i128,
    ask: i128,
    bid_size: i128,
    ask_size: i128,
}

impl Book {
    pub(crate) fn new(quote: &Quote) -> Self {
        let side = |price: i64, size: i64| if price > 0 { (price.into(), size.max(0).into()) } else { (0, 0) };
        let (bid, bid_size) = side(quote.bid_e8, quote.bid_size_e8);
        let (ask, ask_size) = side(quote.ask_e8, quote.ask_size_e8);
        Self { bid, ask, bid_size, ask_size }
    }

    /// The quote that a row holds.
    pub(crate) fn of(row: &Row) -> Self {
        // NaN becomes 0.
        let e8 = |value: f64| (value * 1e8).round_ties_even() as i128;
        Self { bid: e8(row.bid), ask: e8(row.ask), bid_size: e8(row.bid_size), ask_size: e8(row.ask_size) }
    }

    fn is_two_sided(&self) -> bool {
        self.bid > 0 && self.ask > 0
    }

    /// What an update adds to the order-flow imbalance; nothing where one of the quotes lacks a side.
    ///
    /// SOURCE: R. Cont, A. Kukanov, S. Stoikov, "The Price Impact of Order Book Events" (2014), section 2.
    pub(crate) fn flow(&self, before: &Self) -> i128 {
        if !self.is_two_sided() || !before.is_two_sided() {
            return 0;
        }
        let when = |condition: bool, size: i128| if condition { size } else { 0 };
        when(self.bid >= before.bid, self.bid_size)
            - when(self.bid <= before.bid, before.bid_size)
            - when(self.ask <= before.ask, self.ask_size)
            + when(self.ask >= before.ask, before.ask_size)
    }

    /// Spread over mid in integers of 2^-40; `None` where there is no mid.
    fn spread(&self) -> Option<i128> {
        let (bid, ask) = (self.bid as f64, self.ask as f64);
        (self.is_two_sided() && self.bid <= self.ask).then(|| fixed((ask - bid) / f64::midpoint(bid, ask)))
    }

    /// Twice the mean size of both sides, in 1e-8.
    fn depth(&self) -> Option<i128> {
        self.is_two_sided().then_some(self.bid_size + self.ask_size)
    }
}

/// What is averaged over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stood {
    Spread,
    Depth,
}

/// The integrals where a bucket begins in which the quote changed.
#[derive(Clone, Copy)]
struct Mark {
    at: Nanos,
    weighted: i128,
    stood: i128,
    /// What stood up to then, since the change before.
    rate: Option<i128>,
}

/// A mean weighted by time. Both integrals, of what stood and of the time for which something did, grow from the start of the
/// date; a window is the difference between now and its first moment.
pub(crate) struct Mean {
    pub(crate) span: Span,
    what: Stood,
    rate: Option<i128>,
    /// Time of the last change; up to then the integrals go.
    time: Nanos,
    weighted: i128,
    stood: i128,
    marks: VecDeque<Mark>,
}

impl Mean {
    /// Begins with the quote that stands, from `now` on.
    pub(crate) fn new(what: Stood, span: Span, book: &Book, now: Nanos) -> Self {
        let mut mean = Self { span, what, rate: None, time: TIME_UNSET, weighted: 0, stood: 0, marks: VecDeque::new() };
        if book.is_two_sided() {
            mean.change(book, now);
        }
        mean
    }

    /// The integrals at a time not before the last change.
    fn at(&self, time: Nanos) -> (i128, i128) {
        match self.rate {
            Some(rate) => {
                let passed = i128::from(time - self.time);
                (self.weighted + rate * passed, self.stood + passed)
            }
            None => (self.weighted, self.stood),
        }
    }

    pub(crate) fn change(&mut self, book: &Book, time: Nanos) {
        let at = floor(time, self.span.quantum());
        if self.marks.back().is_none_or(|mark| mark.at < at) {
            // No change came between `at` and the last one, else its bucket had a mark.
            let (weighted, stood) = self.at(at.max(self.time));
            self.marks.push_back(Mark { at, weighted, stood, rate: self.rate });
        }
        (self.weighted, self.stood) = self.at(time);
        self.time = time;
        self.rate = match self.what {
            Stood::Spread => book.spread(),
            Stood::Depth => book.depth(),
        };
    }

    /// Forgets changes from before the window; gives the time of the next look.
    pub(crate) fn evict(&mut self, now: Nanos) -> Nanos {
        let start = self.span.start(now);
        while self.marks.front().is_some_and(|mark| mark.at < start) {
            self.marks.pop_front();
        }
        self.span.next(self.marks.front().map(|mark| mark.at), now)
    }

    /// What stood, weighted, and for how long, after [`Mean::evict`]; `None` where nothing did or a part passed unseen.
    fn difference(&self, now: Nanos) -> Option<(i128, i128)> {
        let start = self.span.start(now);
        let (weighted, stood) = self.at(now.max(self.time));
        let (rate, since, mark) = match self.marks.front() {
            Some(mark) => (mark.rate, mark.at, (mark.weighted, mark.stood)),
            None => (self.rate, now, (weighted, stood)),
        };
        let passed = if rate.is_some() { i128::from(since - start) } else { 0 };
        let weighted = weighted - (mark.0 - rate.unwrap_or(0) * passed);
        let stood = stood - (mark.1 - passed);
        (stood > 0 && self.span.is_known(now)).then_some((weighted, stood))
    }

    /// The mean of the spread as a fraction of mid.
    pub(crate) fn spread(&self, now: Nanos) -> f64 {
        self.difference(now).map_or(PRICE_UNSET, |(weighted, stood)| unfixed(weighted as f64 / stood as f64))
    }

    /// The mean size of both sides in 1e-8.
    pub(crate) fn depth(&self, now: Nanos) -> Option<f64> {
        self.difference(now).map(|(weighted, stood)| weighted as f64 / stood as f64 / 2.0)
    }

    /// The mean changes with time as long as a change of the quote is inside.
    pub(crate) fn is_moving(&self, now: Nanos) -> bool {
        !self.marks.is_empty() || !self.span.is_known(now)
    }

    /// A new date: what stands goes on, what stood before is forgotten.
    pub(crate) fn roll(&mut self, start: Nanos) {
        self.span.clear();
        self.marks.clear();
        (self.weighted, self.stood) = (0, 0);
        if self.time != TIME_UNSET {
            self.time = self.time.max(start);
            self.marks.push_back(Mark { at: start, weighted: 0, stood: 0, rate: None });
        }
    }
}
