//! Derived fields: those that need more than a row holds. What they need is collected only where one was asked for.
//!
//! ```text
//! Plan     one for an engine: the fields asked for, and the parts that they need, each once
//! Derived  one for a symbol: those parts; a trade or quote goes to each of them
//! line     a field of the plan with the places of its parts; its value is published as one word behind the windows
//! ```
//! A part knows since when it collects, and a field is undefined while a stretch of time that it covers passed unseen. Sums
//! are integers: sizes of 1e-8, computed values of 2^-40, so what leaves a window is exactly what came into it.

mod quotes;
mod rolling;
mod sessions;
mod tape;

use ringtape_model::event::{SIDE_BUY, SIDE_NONE, SIDE_SELL};
use ringtape_model::field::quantum;
use ringtape_model::units::{E8, Nanos, PRICE_UNSET, SECOND, TIME_UNSET, ratio, size_to_f64};
use ringtape_model::{ConditionRights, Field, FieldRef, Quote, Row, Trade, condition};

use crate::session::Day;
use crate::window::{TapeKey, Windows};
use quotes::{Book, Mean, Stood};
use rolling::{Largest, Rolling, Span};
use sessions::{Anchor, Opening, Sessions};
use tape::{Prices, Said, Tape};

/// Binary digits behind the point of a computed value.
const FIXED: u32 = 40;

/// A computed value as an integer of 2^-40.
fn fixed(value: f64) -> i128 {
    (value * (1u64 << FIXED) as f64).round_ties_even() as i128
}

/// Shares from which on a trade may be a block.
const BLOCK_SIZE: i128 = 10_000 * E8 as i128;
/// Money from which on it may be one, in 1e-16.
const BLOCK_NOTIONAL: i128 = 200_000 * ringtape_model::units::E16;

/// A trade of the current date with what the engine made of it.
pub(crate) struct Deal<'a> {
    pub(crate) trade: &'a Trade,
    pub(crate) rights: ConditionRights,
    pub(crate) late: bool,
    /// It became the last price.
    pub(crate) moved: bool,
    /// Its conditions are those of US stocks.
    pub(crate) coded: bool,
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

    fn any(&self, wanted: impl Fn(u16) -> bool) -> bool {
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

/// What is summed over a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
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
}

impl Measure {
    fn of_trade(self, deal: &Deal<'_>, said: &Said) -> i128 {
        let price = deal.trade.price_e8;
        let size = |condition: bool| if condition { deal.size() } else { 0 };
        match self {
            Self::Up => i128::from(said.tick > 0),
            Self::Down => i128::from(said.tick < 0),
            Self::Flow | Self::Quotes => 0,
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
            Self::Reported => size(deal.trade.trf_id != ringtape_model::units::CODE_UNSET),
            Self::AtAsk => size(said.quote.is_some_and(|quote| price >= quote.ask)),
            Self::SpreadSize => size(said.quote.is_some()),
            Self::SpreadPaid => said.quote.map_or(0, |quote| {
                let twice_mid = i128::from(quote.bid) + i128::from(quote.ask);
                let away = (2 * i128::from(price) - twice_mid).abs();
                fixed(2.0 * (away as f64 / twice_mid as f64)) * deal.size()
            }),
        }
    }

    const fn reads_quotes(self) -> bool {
        matches!(self, Self::Flow | Self::Quotes)
    }

    /// Whether the tape has to say something of a trade first.
    const fn reads_tape(self) -> bool {
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

/// A part by what it collects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Tape,
    Sessions,
    Anchor(u32),
    Opening(Nanos),
    Prices(u32),
    /// A sum over a window of a length and a quantum.
    Sum(Measure, Nanos, Nanos),
    Largest(Nanos),
    Mean(Stood, Nanos),
    /// Time of the newest VOL trade.
    Newest,
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
    Newest(Nanos),
}

/// What a field needs.
#[derive(Default)]
struct Needs {
    keys: Vec<Key>,
    /// Windows of the row.
    windows: Vec<Nanos>,
}

fn needs(field: FieldRef) -> Needs {
    let FieldRef { field, window, count } = field;
    let sums = |measures: &[Measure]| measures.iter().map(|&what| Key::Sum(what, window, quantum(window))).collect();
    let keys = match field {
        Field::HighPre
        | Field::LowPre
        | Field::HighPost
        | Field::LowPost
        | Field::OffHighPre
        | Field::VolumePre
        | Field::VolumeReg
        | Field::VolumePost
        | Field::VwapReg
        | Field::ChangePre => vec![Key::Sessions],
        Field::VwapAnchor => vec![Key::Anchor(count)],
        Field::OrHigh | Field::OrLow | Field::OrPos => vec![Key::Opening(window)],
        Field::ChangeTrades => vec![Key::Prices(count)],
        Field::TradeSide
        | Field::TradeSize
        | Field::TradePrice
        | Field::TradeLate
        | Field::TradeAt
        | Field::DeltaDay
        | Field::TickStreak => vec![Key::Tape],
        Field::BuyVolumeW => sums(&[Measure::Buy]),
        Field::SellVolumeW => sums(&[Measure::Sell]),
        Field::BuyRatioW | Field::SignedVolumeW | Field::TakerImbalanceW | Field::TakerRatioW => {
            sums(&[Measure::Buy, Measure::Sell])
        }
        Field::UnclassifiedShareW => sums(&[Measure::Unsided, Measure::Volume]),
        Field::AtAskRatioW => sums(&[Measure::AtAsk, Measure::Volume]),
        Field::UptickRatioW => sums(&[Measure::Up, Measure::Down]),
        Field::LateShareW => sums(&[Measure::Late, Measure::Count]),
        Field::OddLotShareW => sums(&[Measure::OddLots, Measure::Count]),
        Field::TrfShareW => sums(&[Measure::Reported, Measure::Volume]),
        Field::BlockCountW => sums(&[Measure::Blocks]),
        Field::BlockVolumeW => sums(&[Measure::BlockVolume]),
        Field::MaxTradeW => vec![Key::Largest(window)],
        Field::EffectiveSpreadW => sums(&[Measure::SpreadPaid, Measure::SpreadSize]),
        Field::OfiW => sums(&[Measure::Flow]),
        Field::OfiNormW => vec![Key::Sum(Measure::Flow, window, quantum(window)), Key::Mean(Stood::Depth, window)],
        Field::QuoteRateW => sums(&[Measure::Quotes]),
        Field::AvgSpreadBpsW => vec![Key::Mean(Stood::Spread, window)],
        Field::VolumeSpike => {
            let whole = window * (i64::from(count) + 1);
            vec![Key::Sum(Measure::Volume, window, quantum(window)), Key::Sum(Measure::Volume, whole, quantum(window))]
        }
        Field::StreakNoTrade => vec![Key::Newest],
        _ => Vec::new(),
    };
    let windows = match field {
        Field::AccelerationW => vec![window, 2 * window],
        _ => Vec::new(),
    };
    Needs { keys, windows }
}

/// The windows of the row that a derived field is made from, and the length of the bars that it needs.
pub(crate) fn windows_of(field: FieldRef) -> Vec<Nanos> {
    needs(field).windows
}

/// No part, no window.
const NONE: u16 = u16::MAX;

/// A field of the plan.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    pub(crate) field: FieldRef,
    parts: [u16; 2],
    /// Places of windows in the row.
    slots: [u16; 2],
}

/// The derived fields that were asked for.
#[derive(Default)]
pub(crate) struct Plan {
    lines: Vec<Line>,
    keys: Vec<Key>,
    tape: bool,
    book: bool,
    moves: bool,
}

impl Plan {
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub(crate) fn line(&self, field: FieldRef) -> Option<&Line> {
        self.lines.iter().find(|line| line.field == field)
    }

    /// Adds a field; `slot` gives the place of a window in the row.
    pub(crate) fn add(&mut self, field: FieldRef, slot: impl Fn(Nanos) -> Option<usize>) {
        let Needs { keys, windows } = needs(field);
        let mut line = Line { field, parts: [NONE; 2], slots: [NONE; 2] };
        for (part, key) in line.parts.iter_mut().zip(keys) {
            *part = self.place(key) as u16;
        }
        for (at, window) in line.slots.iter_mut().zip(windows) {
            *at = slot(window).map_or(NONE, |slot| slot as u16);
        }
        self.moves |= moves_alone(field.field);
        self.lines.push(line);
    }

    fn place(&mut self, key: Key) -> usize {
        self.tape |= key == Key::Tape || matches!(key, Key::Sum(what, ..) if what.reads_tape());
        self.book |= matches!(key, Key::Sum(what, ..) if what.reads_quotes()) || matches!(key, Key::Mean(..));
        self.keys.iter().position(|&held| held == key).unwrap_or_else(|| {
            self.keys.push(key);
            self.keys.len() - 1
        })
    }

    /// Whether trades depend on the quotes before them.
    pub(crate) fn mixes_kinds(&self) -> bool {
        self.tape
    }

    /// Whether some field changes with engine time alone, for every symbol.
    pub(crate) fn moves(&self) -> bool {
        self.moves
    }

    /// A number that changes when a session or an opening range begins or ends.
    pub(crate) fn stage(&self, day: &Day, now: Nanos) -> u64 {
        let over = |key: &&Key| matches!(key, Key::Opening(length) if day.open + *length <= now);
        let over = self.keys.iter().filter(over).count() as u64;
        u64::from(day.date) << 16 | over << 2 | day.phase(now) as u64
    }
}

/// Fields that change with engine time even where nothing happened.
fn moves_alone(field: Field) -> bool {
    matches!(field, Field::MinutesSinceOpen | Field::MinutesToClose | Field::StreakNoTrade)
}

/// What a value is computed from beside the parts.
pub(crate) struct View<'a> {
    pub(crate) row: &'a Row,
    pub(crate) windows: &'a Windows,
    pub(crate) day: &'a Day,
    pub(crate) now: Nanos,
    pub(crate) official_close: f64,
    /// A rule is looking at the newest trade.
    pub(crate) on_trade: bool,
}

impl View<'_> {
    /// `last` where it was set on this trading date.
    pub(crate) fn today(&self) -> f64 {
        if self.row.last_date == self.row.date { self.row.last } else { PRICE_UNSET }
    }

    /// Price at the start of one of the line's windows.
    fn base(&self, line: &Line, at: usize) -> f64 {
        self.windows.row(line.slots[at].into()).base
    }
}

/// What is collected of one symbol.
#[derive(Default)]
pub(crate) struct Derived {
    tape: Option<Box<Tape>>,
    book: Option<Book>,
    parts: Vec<Part>,
}

impl Derived {
    /// Begins with the parts of the plan that are new, at engine time `now`.
    pub(crate) fn extend(&mut self, plan: &Plan, row: &Row, now: Nanos) {
        // What has not begun on this date is not missing.
        let trades = if row.last_any.is_nan() { Nanos::MIN } else { now };
        let quotes = if row.quote_time == TIME_UNSET { Nanos::MIN } else { now };
        if plan.tape && self.tape.is_none() {
            self.tape = Some(Box::new(Tape::new(trades)));
        }
        if plan.book && self.book.is_none() {
            self.book = Some(Book::of(row));
        }
        for &key in plan.keys.iter().skip(self.parts.len()) {
            self.parts.push(match key {
                Key::Tape => Part::Tape,
                Key::Sessions => Part::Sessions(Sessions::new(trades)),
                Key::Anchor(clock) => Part::Anchor(Anchor::new(clock, trades)),
                Key::Opening(length) => Part::Opening(Opening::new(length, trades)),
                Key::Prices(count) => Part::Prices(Prices::new(count)),
                Key::Sum(what, length, quantum) => {
                    let since = if what.reads_quotes() { quotes } else { trades };
                    Part::Sum(what, Rolling::new(Span::new(length, quantum, since)))
                }
                Key::Largest(length) => Part::Largest(Largest::new(Span::new(length, quantum(length), trades))),
                Key::Mean(what, length) => {
                    let span = Span::new(length, quantum(length), quotes);
                    Part::Mean(Mean::new(what, span, &Book::of(row), now))
                }
                Key::Newest => Part::Newest(TIME_UNSET),
            });
        }
    }

    pub(crate) fn trade(&mut self, deal: &Deal<'_>, day: &Day, now: Nanos) {
        let said = self.tape.as_mut().map_or(Said::NOTHING, |tape| tape.trade(deal));
        let time = deal.trade.ts_event;
        for part in &mut self.parts {
            match part {
                Part::Sessions(sessions) => sessions.trade(deal, day),
                Part::Anchor(anchor) => anchor.trade(deal, day),
                Part::Opening(opening) => opening.trade(deal, day),
                Part::Prices(prices) => prices.trade(deal),
                Part::Sum(what, rolling) => rolling.add(time, what.of_trade(deal, &said), now),
                Part::Largest(largest) if deal.has(condition::VOLUME) => largest.add(time, deal.size(), now),
                Part::Newest(newest) if deal.has(condition::VOLUME) => *newest = time.max(*newest),
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
        for part in &mut self.parts {
            match part {
                Part::Sum(Measure::Flow, rolling) => rolling.add(quote.ts_event, book.flow(&before), now),
                Part::Sum(Measure::Quotes, rolling) => rolling.add(quote.ts_event, 1, now),
                Part::Mean(mean) => mean.change(&book, quote.ts_event),
                _ => {}
            }
        }
    }

    /// A new trading date.
    pub(crate) fn roll(&mut self, day: &Day) {
        if let Some(tape) = &mut self.tape {
            tape.roll();
        }
        for part in &mut self.parts {
            match part {
                Part::Tape => {}
                Part::Sessions(sessions) => *sessions = Sessions::new(Nanos::MIN),
                Part::Anchor(anchor) => anchor.roll(),
                Part::Opening(opening) => opening.roll(),
                Part::Prices(prices) => prices.roll(),
                Part::Sum(_, rolling) => rolling.clear(),
                Part::Largest(largest) => largest.clear(),
                Part::Mean(mean) => mean.roll(day.start),
                Part::Newest(newest) => *newest = TIME_UNSET,
            }
        }
    }

    /// Lets time pass: what left a window is taken out of it.
    pub(crate) fn evict(&mut self, now: Nanos) {
        for part in &mut self.parts {
            match part {
                Part::Sum(_, rolling) => rolling.evict(now),
                Part::Largest(largest) => largest.evict(now),
                Part::Mean(mean) => mean.evict(now),
                _ => {}
            }
        }
    }

    /// Whether time alone can change some value.
    pub(crate) fn is_moving(&self, now: Nanos) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Sum(_, rolling) => rolling.is_moving(now),
            Part::Largest(largest) => largest.is_moving(now),
            Part::Mean(mean) => mean.is_moving(now),
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
            (Some(Part::Newest(newest)), _) => streak(*newest, view),
            (Some(Part::Sum(..)), _) => self.of_sums(line, view).unwrap_or(PRICE_UNSET),
            (None, Field::AccelerationW) => acceleration(line, view),
            (None, field) => sessions::clock(field, view),
        };
        if value.is_finite() { value } else { PRICE_UNSET }
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
            Field::BlockCountW => first as f64,
            Field::BuyVolumeW | Field::SellVolumeW | Field::BlockVolumeW => size_to_f64(first),
            Field::SignedVolumeW => size_to_f64(first - second()?),
            Field::BuyRatioW => share(first, first + second()?)?,
            Field::TakerImbalanceW | Field::UptickRatioW => share(first - second()?, first + second()?)?,
            Field::EffectiveSpreadW => share(first, second()? << FIXED)?,
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
            Field::OfiW | Field::QuoteRateW => return None,
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

/// Seconds without a VOL trade.
fn streak(newest: Nanos, view: &View<'_>) -> f64 {
    let open = view.day.phase(view.now) != crate::session::Phase::Closed;
    if newest == TIME_UNSET || !open { PRICE_UNSET } else { (view.now - newest) as f64 / SECOND as f64 }
}
