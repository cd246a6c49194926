//! Numbers of a session: extremes and volumes before, in and after the regular one, the opening range, anchored VWAP.

use ringtape_model::units::{Nanos, PRICE_UNSET, SECOND, TIME_UNSET, size_to_f64, vwap_of};
use ringtape_model::{Field, condition};

use super::{Deal, View};
use crate::session::{Day, Phase};
use crate::window::{TAPE_START, TapeKey, widen};

/// Clock time at which a trading date of US venues begins.
const US_START: Nanos = 4 * 3_600 * SECOND;

/// One session of a date.
#[derive(Clone, Copy)]
struct Span {
    high: f64,
    low: f64,
    volume: i128,
}

impl Span {
    const EMPTY: Self = Self { high: PRICE_UNSET, low: PRICE_UNSET, volume: 0 };
}

/// The sessions of the current date.
pub(crate) struct Sessions {
    /// Trades before this passed unseen.
    since: Nanos,
    spans: [Span; 3],
    regular: Average,
    last_pre: (TapeKey, f64),
}

impl Sessions {
    pub(crate) const fn new(since: Nanos) -> Self {
        Self { since, spans: [Span::EMPTY; 3], regular: Average::EMPTY, last_pre: (TAPE_START, PRICE_UNSET) }
    }

    pub(crate) fn trade(&mut self, deal: &Deal<'_>, day: &Day) {
        let phase = day.phase_of_print(deal.trade.ts_event);
        let span = &mut self.spans[phase as usize - 1];
        if deal.has(condition::VOLUME) {
            span.volume += deal.size();
        }
        if deal.has(condition::HIGH_LOW) {
            widen(&mut span.high, &mut span.low, deal.trade.price);
        }
        if phase == Phase::Regular {
            self.regular.trade(deal);
        }
        if phase == Phase::Pre && deal.is_priced() && deal.key() >= self.last_pre.0 {
            self.last_pre = (deal.key(), deal.trade.price);
        }
    }

    pub(crate) fn value(&self, field: Field, view: &View<'_>) -> f64 {
        let day = view.day;
        let phase = match field {
            Field::HighPre | Field::LowPre | Field::OffHighPre | Field::VolumePre | Field::ChangePre => Phase::Pre,
            Field::VolumeReg | Field::VwapReg => Phase::Regular,
            _ => Phase::Post,
        };
        if self.since > day.start_of(phase) {
            return PRICE_UNSET;
        }
        let span = &self.spans[phase as usize - 1];
        match field {
            Field::HighPre | Field::HighPost => span.high,
            Field::LowPre | Field::LowPost => span.low,
            Field::OffHighPre => view.row.last / span.high - 1.0,
            Field::ChangePre => self.last_pre.1 / view.row.prev_close - 1.0,
            Field::VwapReg => self.regular.vwap(),
            _ => size_to_f64(span.volume),
        }
    }
}

/// A volume-weighted price.
struct Average {
    volume: i128,
    notional: i128,
}

impl Average {
    const EMPTY: Self = Self { volume: 0, notional: 0 };

    fn trade(&mut self, deal: &Deal<'_>) {
        if deal.has(condition::VWAP) {
            self.volume += deal.size();
            self.notional += deal.notional();
        }
    }

    fn vwap(&self) -> f64 {
        vwap_of(self.notional, self.volume).unwrap_or(PRICE_UNSET)
    }
}

/// VWAP since a clock time.
pub(crate) struct Anchor {
    since: Nanos,
    clock: Nanos,
    average: Average,
}

impl Anchor {
    pub(crate) const fn new(clock: u32, since: Nanos) -> Self {
        Self { since, clock: clock as Nanos * SECOND, average: Average::EMPTY }
    }

    pub(crate) fn roll(&mut self) {
        (self.since, self.average) = (Nanos::MIN, Average::EMPTY);
    }

    /// When it begins: the clock time of the trading date, which starts at 04:00 in New York, else at 00:00 UTC.
    fn start(&self, day: &Day) -> Nanos {
        let starts_at = if day.is_utc() { 0 } else { US_START };
        day.start + (self.clock - starts_at).max(0)
    }

    pub(crate) fn trade(&mut self, deal: &Deal<'_>, day: &Day) {
        if deal.trade.ts_event >= self.start(day) {
            self.average.trade(deal);
        }
    }

    pub(crate) fn value(&self, view: &View<'_>) -> f64 {
        if self.since > self.start(view.day) { PRICE_UNSET } else { self.average.vwap() }
    }
}

/// Extremes of the first minutes of the regular session.
pub(crate) struct Opening {
    since: Nanos,
    length: Nanos,
    high: f64,
    low: f64,
}

impl Opening {
    pub(crate) const fn new(length: Nanos, since: Nanos) -> Self {
        Self { since, length, high: PRICE_UNSET, low: PRICE_UNSET }
    }

    pub(crate) fn roll(&mut self) {
        *self = Self::new(self.length, Nanos::MIN);
    }

    pub(crate) fn trade(&mut self, deal: &Deal<'_>, day: &Day) {
        if deal.has(condition::HIGH_LOW) && (day.open..day.open + self.length).contains(&deal.trade.ts_event) {
            widen(&mut self.high, &mut self.low, deal.trade.price);
        }
    }

    pub(crate) fn value(&self, field: Field, view: &View<'_>) -> f64 {
        if self.since > view.day.open || view.now < view.day.open + self.length {
            return PRICE_UNSET;
        }
        match field {
            Field::OrHigh => self.high,
            Field::OrLow => self.low,
            _ => (view.row.last - self.low) / (self.high - self.low),
        }
    }
}

/// Fields of engine time and the calendar alone.
pub(crate) fn clock(field: Field, view: &View<'_>) -> f64 {
    const MINUTE: f64 = 60.0 * SECOND as f64;
    let (day, now) = (view.day, view.now);
    match field {
        Field::Session if now != TIME_UNSET => f64::from(day.phase(now) as u8),
        Field::OfficialClose => view.official_close,
        Field::ChangePost if day.phase(now) == Phase::Post => view.today() / view.official_close - 1.0,
        Field::MinutesSinceOpen if day.is_regular(now) => (now - day.open) as f64 / MINUTE,
        Field::MinutesToClose if day.is_regular(now) => (day.close - now) as f64 / MINUTE,
        _ => PRICE_UNSET,
    }
}
