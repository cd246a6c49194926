//! Trading dates and sessions of a venue. US days come from Python as ns boundaries; elsewhere a day is a UTC
//! date with one session.

use ringtape_model::units::{Nanos, SECOND};

const DAY: Nanos = 86_400 * SECOND;
/// Longest time from one trading day to the next; what is longer is a hole in what is known.
const HOLE: Nanos = 10 * DAY;

/// One trading date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day {
    /// First ns of the date; the date lasts until the next one starts.
    pub start: Nanos,
    /// Date as yyyymmdd.
    pub date: u32,
    /// Start of the regular session.
    pub open: Nanos,
    /// End of the regular session.
    pub close: Nanos,
    /// End of the last session of the date.
    pub end: Nanos,
}

/// A part of a trading date; the codes are those of the field `session`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    Closed = 0,
    Pre = 1,
    Regular = 2,
    Post = 3,
}

impl Day {
    /// The UTC date of a time.
    pub fn utc(time: Nanos) -> Self {
        let days = time.div_euclid(DAY);
        let start = days * DAY;
        Self { start, date: civil(days), open: start, close: start + DAY, end: start + DAY }
    }

    /// True inside the regular session.
    #[inline]
    pub fn is_regular(&self, time: Nanos) -> bool {
        self.open <= time && time < self.close
    }
}

impl Day {
    /// True for a venue without sessions.
    pub(crate) const fn is_utc(&self) -> bool {
        self.open == self.start
    }

    /// The session at a time of this date.
    pub(crate) fn phase(&self, time: Nanos) -> Phase {
        if time < self.start || time >= self.end { Phase::Closed } else { self.phase_of_print(time) }
    }

    /// The session that a trade belongs to: one that is printed after the last session belongs to that.
    pub(crate) fn phase_of_print(&self, time: Nanos) -> Phase {
        if time < self.open {
            Phase::Pre
        } else if time < self.close {
            Phase::Regular
        } else {
            Phase::Post
        }
    }

    /// When a session begins.
    pub(crate) const fn start_of(&self, phase: Phase) -> Nanos {
        match phase {
            Phase::Regular => self.open,
            Phase::Post => self.close,
            Phase::Closed | Phase::Pre => self.start,
        }
    }
}

/// The days of one venue.
#[derive(Default)]
pub(crate) struct Calendar {
    days: Vec<Day>,
}

impl Calendar {
    /// Adds days; a day that starts when a known one does replaces it.
    pub(crate) fn add(&mut self, days: &[Day]) {
        for &day in days {
            match self.days.binary_search_by_key(&day.start, |held| held.start) {
                Ok(at) => self.days[at] = day,
                Err(at) => self.days.insert(at, day),
            }
        }
    }

    /// True where the days before and after the time are known, with no hole between them.
    pub(crate) fn covers(&self, time: Nanos) -> bool {
        self.around(time).is_some()
    }

    /// The day a time belongs to and the start of the next one; `None` in a hole, which is longer than any run of
    /// weekend and holidays.
    fn around(&self, time: Nanos) -> Option<(Day, Nanos)> {
        let after = self.days.partition_point(|day| day.start <= time);
        let day = *self.days.get(after.checked_sub(1)?)?;
        let next = self.days.get(after)?.start;
        (next - day.start <= HOLE).then_some((day, next))
    }

    /// The date a time belongs to and when the next one starts.
    pub(crate) fn day_at(&self, time: Nanos) -> (Day, Nanos) {
        self.around(time).unwrap_or_else(|| {
            let day = Day::utc(time);
            (day, day.end)
        })
    }
}

/// Days since 1970-01-01 as yyyymmdd.
///
/// SOURCE: Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
fn civil(days: i64) -> u32 {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year * 10_000 + month * 100 + day) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utc_dates() {
        assert_eq!(Day::utc(0).date, 19_700_101);
        assert_eq!(Day::utc(951_827_696 * SECOND).date, 20_000_229);
        assert_eq!(Day::utc(1_795_190_400 * SECOND).date, 20_261_120);
    }

    #[test]
    fn a_date_lasts_until_the_next_one_starts() {
        let mut calendar = Calendar::default();
        let day = |start: i64, date| Day { start, date, open: start + 10, close: start + 20, end: start + 30 };
        calendar.add(&[day(400, 4), day(100, 1), day(200, 2)]);
        assert_eq!(calendar.day_at(399).0.date, 2);
        assert_eq!(calendar.day_at(399).1, 400);
        assert!(calendar.covers(100) && calendar.covers(399) && !calendar.covers(400) && !calendar.covers(99));
    }
}
