//! What has been asked for: the derived fields of an engine, and the parts that they need.

use ringtape_model::field::{Moment, quantum};
use ringtape_model::units::{Nanos, SECOND};
use ringtape_model::{Field, FieldRef};

use super::deal::Measure;
use super::quotes::Stood;
use super::study::What;
use crate::session::Day;

/// A part by what it collects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
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
    Halt,
    Auction,
    Ticker,
    /// What is made of bars, over how many of them, of which length.
    Study(What, u32, Nanos),
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
    let study = |what| if window == DAY { Vec::new() } else { vec![Key::Study(what, count, window)] };
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
        Field::StreakNoTrade => vec![Key::Newest, Key::Halt],
        Field::LuldUp
        | Field::LuldDown
        | Field::LuldDistUp
        | Field::LuldDistDown
        | Field::LimitState
        | Field::HaltState
        | Field::HaltSince
        | Field::HaltCount
        | Field::SinceResume
        | Field::ChangeSinceHalt
        | Field::SsrActive => vec![Key::Halt],
        Field::NoiQty | Field::NoiPaired | Field::NoiPrice | Field::NoiType | Field::NoiRatio | Field::NoiDev => {
            vec![Key::Auction]
        }
        Field::Change24h | Field::Volume24h => vec![Key::Ticker],
        Field::BarOpen | Field::BarHigh | Field::BarLow | Field::BarClose | Field::BarVolume => {
            vec![Key::Study(What::Bars, count, window)]
        }
        Field::Sma | Field::DistSma => study(What::Sma),
        Field::Ema | Field::DistEma => study(What::Ema),
        Field::Rsi => vec![Key::Study(What::Rsi, count, window)],
        Field::AtrBars => vec![Key::Study(What::Atr, count, window)],
        Field::Macd | Field::MacdSignal | Field::MacdHist => vec![Key::Study(What::Macd, 0, window)],
        Field::BbUpper | Field::BbLower | Field::BbPos | Field::BbWidth => {
            vec![Key::Study(What::Bollinger, count, window)]
        }
        Field::Consecutive => vec![Key::Study(What::Run, 0, window)],
        Field::RealizedVolW => {
            let bars = if window <= 300 * SECOND { SECOND } else { 60 * SECOND };
            vec![Key::Study(What::Volatility(window), 0, bars)]
        }
        Field::LiqLongW => sums(&[Measure::LiqLong]),
        Field::LiqShortW => sums(&[Measure::LiqShort]),
        Field::LiqImbalanceW => sums(&[Measure::LiqLong, Measure::LiqShort]),
        _ => Vec::new(),
    };
    let windows = match field {
        Field::ReturnZ | Field::RvolW | Field::TradeRateRelW => vec![window],
        Field::AccelerationW => vec![window, 2 * window],
        _ => Vec::new(),
    };
    Needs { keys, windows }
}

/// The windows of the row that a derived field is made from.
pub(crate) fn windows_of(field: FieldRef) -> Vec<Nanos> {
    needs(field).windows
}

/// The length of the bars that a derived field is made from.
pub(crate) fn bars_of(field: FieldRef) -> Option<Nanos> {
    needs(field).keys.into_iter().find_map(|key| match key {
        Key::Study(_, _, interval) => Some(interval),
        _ => None,
    })
}

/// Means over bars of a day are made from reference data.
const DAY: Nanos = 86_400 * SECOND;

/// No part, no window.
const NONE: u16 = u16::MAX;

/// A field of the plan.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    pub(crate) field: FieldRef,
    pub(super) parts: [u16; 2],
    /// Places of windows in the row.
    pub(super) slots: [u16; 2],
    /// Neither quotes nor the passing of time change it, unless something leaves a window.
    pub(crate) waits: bool,
}

/// The derived fields that were asked for.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is asked for every frame or event")]
pub(crate) struct Plan {
    lines: Vec<Line>,
    pub(super) keys: Vec<Key>,
    pub(super) tape: bool,
    pub(super) book: bool,
    /// Some part takes plain records.
    status: bool,
    /// Some part takes bars.
    bars: bool,
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
        let mut line = Line { field, parts: [NONE; 2], slots: [NONE; 2], waits: waits(field.field) };
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
        self.bars |= matches!(key, Key::Study(..));
        let orders = matches!(key, Key::Sum(what, ..) if what.reads_orders());
        self.status |= orders || matches!(key, Key::Halt | Key::Auction | Key::Ticker);
        self.keys.iter().position(|&held| held == key).unwrap_or_else(|| {
            self.keys.push(key);
            self.keys.len() - 1
        })
    }

    /// Whether trades depend on what came before them of other kinds.
    pub(crate) fn mixes_kinds(&self) -> bool {
        self.tape || self.status
    }

    /// Whether some part takes bars.
    pub(crate) fn takes_bars(&self) -> bool {
        self.bars
    }

    /// Whether some part takes plain records.
    pub(crate) fn takes_plain(&self) -> bool {
        self.status
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

/// Fields that only trades, and what is rarer, can change.
fn waits(field: Field) -> bool {
    // These change when a session or opening range ends, when news grows old, or with the mark price.
    let ends = matches!(
        field,
        Field::Session
            | Field::ChangePost
            | Field::HaltState
            | Field::OrHigh
            | Field::OrLow
            | Field::OrPos
            | Field::NoiQty
            | Field::NoiPaired
            | Field::NoiPrice
            | Field::NoiType
            | Field::NoiRatio
            | Field::NoiDev
            | Field::FundingInterval
            | Field::FundingAnnual
    );
    field.info().moment != Moment::Quote && !moves_alone(field) && !ends
}

/// Fields that change with engine time even where nothing happened.
fn moves_alone(field: Field) -> bool {
    matches!(
        field,
        Field::CoverageW
            | Field::GapSecondsW
            | Field::MinutesSinceOpen
            | Field::MinutesToClose
            | Field::StreakNoTrade
            | Field::HaltSince
            | Field::SinceResume
            | Field::Oi
            | Field::OiValue
            | Field::OiChangeW
            | Field::VolumeExpected
            | Field::Rvol
            | Field::RvolW
            | Field::VolumeProjected
            | Field::VolumeZ
            | Field::TradeRateRelW
    )
}
