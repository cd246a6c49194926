//! Derived fields: those that need more than a row holds. What they need is collected only where one was asked for.
//!
//! ```text
//! Plan     one for an engine: the fields asked for, and the parts that they need, each once
//! Derived  one for a symbol: those parts; a trade or quote goes to each of them
//! line     a field of the plan with the places of its parts; its value is published as one word behind the windows
//! ```
//! A part knows since when it collects, and a field is undefined while a stretch of time that it covers passed unseen. Sums
//! are integers: sizes of 1e-8, computed values of 2^-40, so what leaves a window is exactly what came into it.

mod deal;
mod plan;
mod quotes;
mod reference;
mod rolling;
mod sessions;
mod status;
mod study;
mod tape;

use ringtape_model::field::quantum;
use ringtape_model::units::{Nanos, PRICE_UNSET, SECOND, TIME_UNSET, ratio, size_to_f64};
use ringtape_model::{Bar, Field, FieldRef, Quote, Row, Venue, WindowRow, condition};

use crate::coverage::Coverage;
use crate::session::Day;
use crate::window::Windows;
use deal::Measure;
pub(crate) use deal::{Deal, Told};
use plan::Key;
pub(crate) use plan::{Line, Plan, bars_of, windows_of};
use quotes::{Book, Mean};
pub(crate) use reference::Reference;
pub use reference::{DayBar, ReferenceColumn, ReferenceData};
use rolling::{Largest, Rolling, Span};
use sessions::{Anchor, Opening, Sessions};
use status::{Auction, Halt, Rolling24};
use study::Study;
use tape::{Prices, Said, Tape};

/// Binary digits behind the point of a computed value.
const FIXED: u32 = 40;

/// A computed value as an integer of 2^-40.
fn fixed(value: f64) -> i128 {
    (value * (1u64 << FIXED) as f64).round_ties_even() as i128
}

/// The value behind integers of 2^-40. A computed value is a rounded one, so its mean needs no exact quotient.
fn unfixed(value: f64) -> f64 {
    value / (1u64 << FIXED) as f64
}

enum Part {
    Tape,
    Sessions(Sessions),
    Anchor(Anchor),
    Opening(Opening),
    Prices(Prices),
    Sum(Measure, Rolling),
    Largest(Largest),
    Mean(Mean),
    /// And since when trades are seen.
    Newest(Nanos, Nanos),
    Halt(Halt),
    Auction(Auction),
    Ticker(Box<Rolling24>),
    Study(Box<Study>),
}

impl Part {
    /// The window of a part that has one.
    fn span(&self) -> Option<&Span> {
        match self {
            Self::Sum(_, rolling) => Some(&rolling.span),
            Self::Largest(largest) => Some(&largest.span),
            Self::Mean(mean) => Some(&mean.span),
            _ => None,
        }
    }

    fn span_mut(&mut self) -> Option<&mut Span> {
        match self {
            Self::Sum(_, rolling) => Some(&mut rolling.span),
            Self::Largest(largest) => Some(&mut largest.span),
            Self::Mean(mean) => Some(&mut mean.span),
            _ => None,
        }
    }
}

/// What a value is computed from beside the parts.
pub(crate) struct View<'a> {
    pub(crate) row: &'a Row,
    pub(crate) windows: &'a Windows,
    pub(crate) day: &'a Day,
    pub(crate) now: Nanos,
    pub(crate) official_close: f64,
    pub(crate) reference: Option<&'a Reference>,
    pub(crate) coverage: &'a Coverage,
    /// A rule is looking at the newest trade.
    pub(crate) on_trade: bool,
}

impl View<'_> {
    /// `last` where it was set on this trading date.
    pub(crate) fn today(&self) -> f64 {
        if self.row.last_date == self.row.date { self.row.last } else { PRICE_UNSET }
    }

    /// What the days before this date were.
    pub(crate) fn dated(&self) -> Option<&Reference> {
        self.reference.filter(|reference| reference.date == self.row.date)
    }

    pub(crate) fn volume(&self) -> f64 {
        size_to_f64(self.row.volume.get())
    }

    pub(crate) fn seconds_since(&self, time: Nanos) -> f64 {
        (self.now - time) as f64 / SECOND as f64
    }

    /// One of the line's windows; `None` where it is not covered yet.
    fn window(&self, line: &Line, at: usize) -> Option<WindowRow> {
        Some(self.windows.row(line.slots[at].into())).filter(|window| !window.is_unknown())
    }

    /// Price at the start of one of the line's windows.
    fn base(&self, line: &Line, at: usize) -> f64 {
        self.windows.row(line.slots[at].into()).base
    }
}

/// What is collected of one symbol.
pub(crate) struct Derived {
    /// Until this time nothing leaves a window and none becomes known.
    next: Nanos,
    /// Something happened that can change a value, beside the passing of time and quotes.
    changed: bool,
    /// The shortest time after which something can leave a window.
    least: Nanos,
    /// The end of the newest hole in what came.
    uncovered: Nanos,
    tape: Option<Box<Tape>>,
    book: Option<Book>,
    parts: Vec<Part>,
}

impl Default for Derived {
    fn default() -> Self {
        Self {
            next: Nanos::MIN,
            changed: true,
            least: Nanos::MAX,
            uncovered: Nanos::MIN,
            tape: None,
            book: None,
            parts: Vec::new(),
        }
    }
}

impl Derived {
    /// Whether something happened that can change a value, since the last time this was asked.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Something happened that every value has to be computed for.
    pub(crate) fn change(&mut self) {
        (self.next, self.changed) = (Nanos::MIN, true);
    }

    /// Something before this time is missing: no window that touches it is known.
    pub(crate) fn uncover(&mut self, until: Nanos) {
        self.uncovered = until;
        for span in self.parts.iter_mut().filter_map(Part::span_mut) {
            span.uncover(until);
        }
        self.change();
    }

    /// Begins with the parts of the plan that are new, at engine time `now`.
    pub(crate) fn extend(&mut self, plan: &Plan, row: &Row, now: Nanos) {
        // What has not begun on this date is not missing.
        let trades = if row.last_any.is_nan() { Nanos::MIN } else { now };
        let quotes = if row.quote_time == TIME_UNSET { Nanos::MIN } else { now };
        if plan.tape && self.tape.is_none() {
            self.tape = Some(Box::new(Tape::new(trades, quotes)));
        }
        if plan.book && self.book.is_none() {
            self.book = Some(Book::of(row));
        }
        self.change();
        for &key in plan.keys.iter().skip(self.parts.len()) {
            self.parts.push(match key {
                Key::Tape => Part::Tape,
                Key::Sessions => Part::Sessions(Sessions::new(trades)),
                Key::Anchor(clock) => Part::Anchor(Anchor::new(clock, trades)),
                Key::Opening(length) => Part::Opening(Opening::new(length, trades)),
                Key::Prices(count) => Part::Prices(Prices::new(count)),
                Key::Sum(what, length, quantum) => {
                    let since = match what {
                        _ if what.reads_quotes() => quotes,
                        _ if what.reads_orders() => trades.max(quotes),
                        _ => trades,
                    };
                    Part::Sum(what, Rolling::new(Span::new(length, quantum, since)))
                }
                Key::Largest(length) => Part::Largest(Largest::new(Span::new(length, quantum(length), trades))),
                Key::Mean(what, length) => {
                    let span = Span::new(length, quantum(length), quotes);
                    Part::Mean(Mean::new(what, span, &Book::of(row), now))
                }
                Key::Newest => Part::Newest(TIME_UNSET, trades),
                Key::Halt => Part::Halt(Halt::new(trades.max(quotes))),
                Key::Auction => Part::Auction(Auction::default()),
                Key::Ticker => Part::Ticker(Box::default()),
                Key::Study(what, count, interval) => Part::Study(Box::new(Study::new(what, count, interval))),
            });
        }
        self.uncover(self.uncovered);
        let spans = self.parts.iter().filter_map(Part::span);
        self.least = spans.map(Span::least).min().unwrap_or(Nanos::MAX);
    }

    pub(crate) fn trade(&mut self, deal: &Deal<'_>, day: &Day, now: Nanos) {
        let said = self.tape.as_mut().map_or(Said::NOTHING, |tape| tape.trade(deal));
        let time = deal.trade.ts_event;
        (self.next, self.changed) = (self.next.min(time.saturating_add(self.least)), true);
        for part in &mut self.parts {
            match part {
                Part::Sessions(sessions) => sessions.trade(deal, day),
                Part::Anchor(anchor) => anchor.trade(deal, day),
                Part::Opening(opening) => opening.trade(deal, day),
                Part::Prices(prices) => prices.trade(deal),
                Part::Sum(what, rolling) => {
                    rolling.add(time, what.of_trade(deal, &said), now);
                    if said.unsure && what.reads_tape() || deal.fetched && what.needs_order() {
                        rolling.span.forget(time);
                        self.next = Nanos::MIN;
                    }
                }
                Part::Largest(largest) if deal.has(condition::VOLUME) => largest.add(time, deal.size(), now),
                Part::Newest(newest, since) if deal.has(condition::VOLUME) && time >= *since => {
                    *newest = time.max(*newest);
                }
                Part::Halt(halt) if !deal.fetched => halt.trade(deal),
                _ => {}
            }
        }
    }

    /// Takes a quote that is newer than the one before.
    pub(crate) fn quote(&mut self, quote: &Quote, now: Nanos) {
        if let Some(tape) = &mut self.tape {
            tape.quote(quote);
        }
        let Some(before) = self.book else { return };
        let book = Book::new(quote);
        self.book = Some(book);
        self.next = self.next.min(quote.ts_event.saturating_add(self.least));
        for part in &mut self.parts {
            match part {
                Part::Sum(Measure::Flow, rolling) => rolling.add(quote.ts_event, book.flow(&before), now),
                Part::Sum(Measure::Quotes, rolling) => rolling.add(quote.ts_event, 1, now),
                Part::Mean(mean) => mean.change(&book, quote.ts_event),
                _ => {}
            }
        }
    }

    /// Takes an own bar that has ended, or has been sent again.
    pub(crate) fn bar(&mut self, bar: &Bar, regular: bool, now: Nanos) {
        self.change();
        let interval = bar.ts_end - bar.ts_event;
        for part in &mut self.parts {
            match part {
                Part::Study(study) if study.interval == interval => study.bar(bar, regular, now),
                _ => {}
            }
        }
    }

    /// Takes a record of a plain kind.
    pub(crate) fn tell(&mut self, told: Told<'_>, row: &Row, now: Nanos) {
        self.change();
        for part in &mut self.parts {
            match (part, told) {
                (Part::Halt(halt), Told::Band(band)) => halt.band(band, row),
                (Part::Halt(halt), Told::Imbalance(imbalance)) => halt.imbalance(imbalance, row),
                (Part::Auction(auction), Told::Imbalance(imbalance)) => auction.imbalance(imbalance),
                (Part::Ticker(held), Told::Ticker(ticker)) => held.ticker(ticker),
                (Part::Sum(what, rolling), Told::Liquidation(order)) => {
                    rolling.add(order.ts_event, what.of_liquidation(order), now);
                }
                _ => {}
            }
        }
    }

    /// A new trading date.
    pub(crate) fn roll(&mut self, day: &Day) {
        self.change();
        if let Some(tape) = &mut self.tape {
            tape.roll();
        }
        for part in &mut self.parts {
            match part {
                // Bars and statistics of 24 hours know no dates.
                Part::Tape | Part::Ticker(_) | Part::Study(_) => {}
                Part::Halt(halt) => halt.roll(),
                Part::Auction(auction) => *auction = Auction::default(),
                Part::Sessions(sessions) => *sessions = Sessions::new(Nanos::MIN),
                Part::Anchor(anchor) => anchor.roll(),
                Part::Opening(opening) => opening.roll(),
                Part::Prices(prices) => prices.roll(),
                Part::Sum(_, rolling) => rolling.clear(),
                Part::Largest(largest) => largest.clear(),
                Part::Mean(mean) => mean.roll(day.start),
                Part::Newest(newest, since) => (*newest, *since) = (TIME_UNSET, Nanos::MIN),
            }
        }
    }

    /// The trades of the date are about to be counted anew; what quotes and messages gave stays. Which way prices went, and
    /// who was the aggressor, is not known of trades that come again.
    pub(crate) fn forget_trades(&mut self, now: Nanos) {
        self.change();
        if let Some(tape) = &mut self.tape {
            tape.forget_trades(now);
        }
        for part in &mut self.parts {
            match part {
                Part::Sessions(sessions) => *sessions = Sessions::new(Nanos::MIN),
                Part::Anchor(anchor) => anchor.roll(),
                Part::Opening(opening) => opening.roll(),
                Part::Prices(prices) => prices.roll(),
                Part::Sum(what, rolling) if !what.reads_quotes() && !what.reads_orders() => rolling.clear(),
                Part::Largest(largest) => largest.clear(),
                Part::Newest(newest, since) => (*newest, *since) = (TIME_UNSET, Nanos::MIN),
                _ => {}
            }
        }
    }

    /// Lets time pass: what left a window is taken out of it.
    #[inline]
    pub(crate) fn evict(&mut self, now: Nanos) {
        if now >= self.next {
            self.evict_all(now);
        }
    }

    #[inline(never)]
    fn evict_all(&mut self, now: Nanos) {
        let next = self.parts.iter_mut().map(|part| match part {
            Part::Sum(_, rolling) => rolling.evict(now),
            Part::Largest(largest) => largest.evict(now),
            Part::Mean(mean) => mean.evict(now),
            Part::Study(study) => study.evict(now),
            _ => Nanos::MAX,
        });
        (self.next, self.changed) = (next.min().unwrap_or(Nanos::MAX), true);
    }

    /// Whether time alone can change some value.
    pub(crate) fn is_moving(&self, now: Nanos) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Sum(_, rolling) => rolling.is_moving(now),
            Part::Largest(largest) => largest.is_moving(now),
            Part::Mean(mean) => mean.is_moving(now),
            Part::Auction(auction) => auction.is_moving(now),
            Part::Study(study) => study.is_moving(),
            _ => false,
        })
    }

    /// The value of a field, after [`Derived::evict`]; NaN where it is undefined.
    pub(crate) fn value(&self, line: &Line, view: &View<'_>) -> f64 {
        let value = match (self.part(line, 0), line.field.field) {
            (Some(Part::Tape), field) => self.tape.as_ref().map_or(PRICE_UNSET, |tape| tape.value(field, view)),
            (Some(Part::Sessions(sessions)), field) => sessions.value(field, view),
            (Some(Part::Anchor(anchor)), _) => anchor.value(view),
            (Some(Part::Opening(opening)), field) => opening.value(field, view),
            (Some(Part::Prices(prices)), _) => prices.value(),
            (Some(Part::Largest(largest)), _) => largest.get(view.now).map_or(PRICE_UNSET, size_to_f64),
            (Some(Part::Mean(mean)), _) => mean.spread(view.now),
            (Some(Part::Newest(newest, _)), _) => self.streak(line, *newest, view),
            (Some(Part::Halt(halt)), field) => halt.value(field, view),
            (Some(Part::Auction(auction)), field) => auction.value(field, view),
            (Some(Part::Ticker(held)), field) => held.value(field),
            (Some(Part::Study(study)), field) => study.value(field, view),
            (Some(Part::Sum(..)), _) => self.of_sums(line, view).unwrap_or(PRICE_UNSET),
            (None, Field::AccelerationW) => acceleration(line, view),
            (None, Field::CoverageW) => 1.0 - missing(line, view) as f64 / line.field.window as f64,
            (None, Field::GapSecondsW) => missing(line, view) as f64 / SECOND as f64,
            (None, Field::FundingInterval | Field::FundingAnnual) => funding(line.field.field, view),
            (None, field) if is_lasting(field) => {
                view.reference.map_or(PRICE_UNSET, |reference| reference.lasting(line, view))
            }
            (None, field) if is_clock(field) => sessions::clock(field, view),
            (None, _) => view.dated().map_or(PRICE_UNSET, |reference| reference.dated(line, view)),
        };
        if value.is_finite() { value } else { PRICE_UNSET }
    }

    /// Seconds without a VOL trade.
    fn streak(&self, line: &Line, newest: Nanos, view: &View<'_>) -> f64 {
        let halted = matches!(self.part(line, 1), Some(Part::Halt(halt)) if halt.is_halted());
        let closed = view.day.phase(view.now) == crate::session::Phase::Closed;
        if newest == TIME_UNSET || halted || closed { PRICE_UNSET } else { view.seconds_since(newest) }
    }

    fn part(&self, line: &Line, at: usize) -> Option<&Part> {
        self.parts.get(usize::from(line.parts[at]))
    }

    fn sum(&self, line: &Line, at: usize, now: Nanos) -> Option<i128> {
        match self.part(line, at)? {
            Part::Sum(_, rolling) => rolling.total(now),
            _ => None,
        }
    }

    /// A field that is made from sums over windows.
    fn of_sums(&self, line: &Line, view: &View<'_>) -> Option<f64> {
        let FieldRef { field, window, count } = line.field;
        let first = self.sum(line, 0, view.now)?;
        let second = || self.sum(line, 1, view.now);
        Some(match field {
            Field::LiqLongW | Field::LiqShortW if has_forced_orders(view) => ratio(first, 1 << FIXED),
            Field::LiqImbalanceW if has_forced_orders(view) => share(first - second()?, first + second()?)?,
            Field::BlockCountW => first as f64,
            Field::BuyVolumeW | Field::SellVolumeW | Field::BlockVolumeW => size_to_f64(first),
            Field::SignedVolumeW => size_to_f64(first - second()?),
            Field::BuyRatioW => share(first, first + second()?)?,
            Field::TakerImbalanceW | Field::UptickRatioW => share(first - second()?, first + second()?)?,
            Field::EffectiveSpreadW => unfixed(first as f64 / second()? as f64),
            Field::VolumeSpike => {
                let before = second()? - first;
                share(first * i128::from(count), before)?
            }
            Field::OfiW if is_quoted(view) => size_to_f64(first),
            Field::QuoteRateW if is_quoted(view) => first as f64 / (window as f64 / SECOND as f64),
            Field::OfiNormW => match self.part(line, 1)? {
                Part::Mean(mean) => first as f64 / mean.depth(view.now)?,
                _ => return None,
            },
            Field::OfiW | Field::QuoteRateW | Field::LiqLongW | Field::LiqShortW | Field::LiqImbalanceW => return None,
            _ => share(first, second()?)?,
        })
    }
}

/// A quotient, where there is something to divide by.
fn share(part: i128, whole: i128) -> Option<f64> {
    (whole > 0).then(|| ratio(part, whole))
}

/// Whether quotes of the symbol come at all.
fn is_quoted(view: &View<'_>) -> bool {
    view.row.quote_time != TIME_UNSET
}

fn acceleration(line: &Line, view: &View<'_>) -> f64 {
    let (near, far) = (view.base(line, 0), view.base(line, 1));
    (view.today() / near - 1.0) - (near / far - 1.0)
}

/// How much of a window did not come.
fn missing(line: &Line, view: &View<'_>) -> Nanos {
    view.coverage.missing(view.now.saturating_sub(line.field.window), view.now)
}

fn is_clock(field: Field) -> bool {
    matches!(
        field,
        Field::Session | Field::OfficialClose | Field::ChangePost | Field::MinutesSinceOpen | Field::MinutesToClose
    )
}

fn is_lasting(field: Field) -> bool {
    matches!(
        field,
        Field::Float
            | Field::SharesOutstanding
            | Field::FloatTurnover
            | Field::MarketCap
            | Field::Oi
            | Field::OiValue
            | Field::OiChangeW
    )
}

fn has_forced_orders(view: &View<'_>) -> bool {
    matches!(Venue::from_code(view.row.venue as u8), Some(Venue::BinanceUsdm | Venue::BinanceCoinm))
}

/// Funding per year, or the hours between payments.
fn funding(field: Field, view: &View<'_>) -> f64 {
    const USUAL: f64 = 8.0;
    const YEAR: f64 = 8_760.0;
    let given = view.reference.map_or(PRICE_UNSET, |reference| reference.number(ReferenceColumn::FundingInterval));
    let hours = if given.is_nan() { USUAL } else { given };
    let rate = view.row.funding_rate;
    if field == Field::FundingAnnual { rate * YEAR / hours } else { hours + rate * 0.0 }
}
