//! Where time bars begin and end.
//!
//! Intervals count from the start of the trading date, 04:00 in New York for US venues and 00:00 UTC elsewhere, and the last
//! one is cut where the next date starts: no bar spans two dates. An interval that divides an hour so stays on the clock, and
//! 1d is the date itself. A US date lasts until the next one starts, after a weekend, but its bar ends a day after it began.

use ringtape_model::units::{Nanos, SECOND};

use crate::session::Day;

/// The longest interval.
pub(crate) const DAY: Nanos = 86_400 * SECOND;

/// Start and exclusive end of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: Nanos,
    pub(crate) end: Nanos,
}

impl Span {
    /// The bar of a time that belongs to the trading date `day`, which lasts until `next`.
    pub(crate) fn of(time: Nanos, interval: Nanos, day: &Day, next: Nanos) -> Self {
        let number = if interval == DAY { 0 } else { (time - day.start) / interval };
        let start = day.start + number * interval;
        Self { start, end: (start + interval).min(next) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Nanos = 3_600 * SECOND;

    fn span(time: Nanos, interval: Nanos) -> (Nanos, Nanos) {
        // A date from hour 8 to hour 80, as a Friday is.
        let day = Day { start: 8 * HOUR, ..Day::utc(0) };
        let span = Span::of(time * HOUR, interval, &day, 80 * HOUR);
        (span.start / HOUR, span.end / HOUR)
    }

    #[test]
    fn intervals_count_from_the_date() {
        assert_eq!(span(8, HOUR), (8, 9));
        assert_eq!(span(15, 4 * HOUR), (12, 16));
        assert_eq!(span(79, 5 * HOUR), (78, 80));
    }

    #[test]
    fn a_date_has_one_day_bar_that_ends_after_a_day() {
        assert_eq!(span(8, DAY), (8, 32));
        assert_eq!(span(79, DAY), (8, 32));
    }
}
