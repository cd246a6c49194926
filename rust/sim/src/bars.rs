//! Bars summed exactly: prices and sizes in 1e-8, notional in 1e-16.

use ringtape_model::condition::{self, ConditionRights};
use ringtape_model::units::{E8, Nanos};

/// Prices and volume of one interval by the consolidated rules: what a trade may change, its conditions say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    /// First and last price of a trade that may set the last price; 0 before one.
    pub open: i64,
    pub close: i64,
    pub high: i64,
    pub low: i64,
    pub volume: i64,
    /// Number of trades that count in volume.
    pub count: i64,
    vwap_volume: i64,
    notional: i128,
}

impl Span {
    /// Adds a trade.
    #[inline]
    pub(crate) fn add(&mut self, price: i64, size: i64, rights: ConditionRights) {
        if rights.has(condition::VOLUME) {
            self.volume += size;
            self.count += 1;
        }
        if rights.has(condition::VWAP) {
            self.vwap_volume += size;
            self.notional += i128::from(price) * i128::from(size);
        }
        if rights.has(condition::HIGH_LOW) {
            self.high = self.high.max(price);
            self.low = if self.low == 0 { price } else { self.low.min(price) };
        }
        if rights.has(condition::LAST) {
            if self.open == 0 {
                self.open = price;
            }
            self.close = price;
        }
    }

    /// True once a trade that may set the last price was added: before that the venue makes no bar.
    #[inline]
    pub(crate) fn is_bar(&self) -> bool {
        self.open != 0
    }

    /// Volume-weighted price rounded half up to four decimals, as the venue prints it, in 1e-8; 0 without volume.
    pub(crate) fn vwap(&self) -> i64 {
        const GRAIN: i128 = E8 as i128 / 10_000;
        if self.vwap_volume == 0 {
            return 0;
        }
        let unit = i128::from(self.vwap_volume) * GRAIN;
        ((self.notional + unit / 2).div_euclid(unit) * GRAIN) as i64
    }

    /// Mean trade size in whole units, cut off.
    pub(crate) fn average_size(&self) -> i64 {
        self.volume / self.count.max(1) / E8
    }

    /// Σ price × size in 1e-16.
    pub(crate) fn notional(&self) -> i128 {
        self.notional
    }
}

/// Start of the interval that holds `at`.
#[inline]
pub(crate) fn floor(at: Nanos, interval: Nanos) -> Nanos {
    at - at.rem_euclid(interval)
}

#[cfg(test)]
mod tests {
    use ringtape_model::condition::fold;

    use super::*;

    #[test]
    fn conditions_decide_what_a_trade_changes() {
        let mut span = Span::default();
        span.add(10 * E8, 50 * E8, fold(&[37], true, false));
        assert!(!span.is_bar());
        span.add(11 * E8, 100 * E8, fold(&[], true, false));
        span.add(9 * E8, 100 * E8, fold(&[32], true, false));
        span.add(12 * E8, 100 * E8, fold(&[53, 41], true, false));
        assert_eq!((span.open, span.close, span.high, span.low), (11 * E8, 11 * E8, 11 * E8, 9 * E8));
        assert_eq!((span.volume, span.count), (350 * E8, 4));
        // (10 * 50 + 11 * 100 + 9 * 100) / 250, the contingent trade left out
        assert_eq!(span.vwap(), 10 * E8);
        assert_eq!(span.average_size(), 87);
    }

    #[test]
    fn vwap_is_rounded_half_up_to_four_decimals() {
        let mut span = Span::default();
        span.add(1_000_050_000, 2 * E8, fold(&[], true, false));
        span.add(1_000_040_000, 2 * E8, fold(&[], true, false));
        assert_eq!(span.vwap(), 1_000_050_000);
    }
}
