//! Loss that no number shows: Massive's second bars say how much was traded so far on the date, and what came must be as much.
//!
//! What is compared is the venue's sum up to the end of a bar with ours up to the same moment. How far the venue was ahead when
//! we began is no loss, nor is what moves to and fro: a late print is in ours before it is in theirs. So the greatest lead of the
//! first bars is where it starts, and a loss is a greater one in two bars after each other.

use ringtape_model::units::{E8, Nanos, TIME_UNSET};

/// Bars that say how far the venue is ahead from the start.
const FIRST: u8 = 3;
/// A lead of this much more is no loss, in 1e-8 shares; nor is one of a hundred thousandth of the day's volume.
const LEAST: i128 = 100 * E8 as i128;
const SHARE: i128 = 100_000;

/// What is known of one symbol on one date.
#[derive(Clone, Copy)]
pub(crate) struct Drift {
    date: u32,
    bars: u8,
    /// How far the venue may be ahead.
    lead: i128,
    /// Of that, what was told as lost and has not come since.
    lost: i128,
    /// The end of the last bar that agreed.
    agreed: Nanos,
    /// The end of a bar that did not, where the last one did not.
    doubt: Nanos,
}

impl Drift {
    pub(crate) const NEW: Self = Self { date: 0, bars: 0, lead: 0, lost: 0, agreed: TIME_UNSET, doubt: TIME_UNSET };

    /// Compares the sums up to the end of a bar, in 1e-8; gives where a loss lies and how much it is.
    pub(crate) fn compare(&mut self, date: u32, end: Nanos, theirs: i128, ours: i128) -> Option<(Nanos, Nanos, i128)> {
        let ahead = theirs - ours;
        if self.date != date {
            *self = Self { date, lead: ahead, ..Self::NEW };
        }
        if self.bars > 0 && end <= self.agreed.max(self.doubt) {
            // A bar that is sent again has the sum of its own moment, and ours of that moment is not kept.
            return None;
        }
        if self.bars < FIRST {
            (self.bars, self.lead, self.agreed) = (self.bars + 1, self.lead.max(ahead), end);
            return None;
        }
        if ahead <= self.lead + LEAST.max(theirs / SHARE) {
            (self.agreed, self.doubt) = (end, TIME_UNSET);
            return None;
        }
        if self.doubt == TIME_UNSET {
            self.doubt = end;
            return None;
        }
        let loss = (self.agreed, self.doubt, ahead - self.lead);
        self.lost += loss.2;
        (self.lead, self.agreed, self.doubt) = (ahead, end, TIME_UNSET);
        Some(loss)
    }

    /// So much of what was lost has come after all.
    pub(crate) fn fill(&mut self, volume: i128) {
        let filled = volume.min(self.lost);
        (self.lead, self.lost) = (self.lead - filled, self.lost - filled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: i128 = LEAST;

    fn feed(drift: &mut Drift, steps: &[(Nanos, i128, i128)]) -> Vec<(Nanos, Nanos, i128)> {
        steps.iter().filter_map(|&(end, theirs, ours)| drift.compare(1, end, theirs * UNIT, ours * UNIT)).collect()
    }

    #[test]
    fn a_lead_from_before_is_no_loss_and_a_new_one_is() {
        let mut drift = Drift::NEW;
        let agreed = [(1, 1_000, 0), (2, 1_010, 9), (3, 1_020, 20), (4, 1_030, 30), (5, 1_040, 41)];
        assert_eq!(feed(&mut drift, &agreed), []);
        // Five are lost between 5 and 6.
        assert_eq!(feed(&mut drift, &[(6, 1_050, 44), (7, 1_060, 54)]), [(5, 6, 6 * UNIT - UNIT)]);
        assert_eq!(feed(&mut drift, &[(8, 1_070, 64), (9, 1_080, 74)]), []);
        drift.fill(5 * UNIT);
        assert_eq!(feed(&mut drift, &[(10, 1_090, 89), (11, 1_100, 95), (12, 1_110, 105)]), [(10, 11, 4 * UNIT)]);
    }

    #[test]
    fn one_bar_alone_proves_nothing_and_a_date_begins_anew() {
        let mut drift = Drift::NEW;
        assert_eq!(feed(&mut drift, &[(1, 5, 5), (2, 6, 6), (3, 7, 7), (4, 20, 8), (5, 21, 21), (6, 40, 22)]), []);
        assert_eq!(feed(&mut drift, &[(6, 40, 22)]), [], "the same bar again is no second one");
        assert_eq!(drift.compare(2, 7, 50 * UNIT, 0), None);
        assert_eq!(drift.lead, 50 * UNIT);
    }
}
