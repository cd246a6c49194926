//! A venue's own numbering of trades: what is missing, what comes after all, what came before.

use ringtape_model::units::{ID_UNSET, Nanos, TIME_UNSET};

/// What became of a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Next in line, or the venue's numbers do not count.
    Next,
    /// Ids are missing before it: how many.
    Gap(u64),
    /// It was missing and has come after all; true where none of its hole is missing any more.
    Filled(bool),
    /// It was seen before.
    Duplicate,
}

/// The ids of one symbol's trades, which rise by one.
pub(crate) struct Ids {
    newest: i64,
    newest_time: Nanos,
    /// The newest range of ids that did not come, first and last.
    missing: (i64, i64),
    /// Times of the trades before and after that range; the newest hole, also once it is filled.
    hole: (Nanos, Nanos),
    /// Ids of that range that came too late to be told from repeats.
    given_up: bool,
}

impl Ids {
    pub(crate) const fn new() -> Self {
        Self {
            newest: ID_UNSET,
            newest_time: TIME_UNSET,
            missing: (1, 0),
            hole: (TIME_UNSET, TIME_UNSET),
            given_up: false,
        }
    }

    /// Takes the id and time of a trade.
    #[inline]
    pub(crate) fn order(&mut self, id: i64, time: Nanos) -> Order {
        let newest = self.newest;
        if newest == ID_UNSET || id == newest.saturating_add(1) {
            (self.newest, self.newest_time) = (id, time);
            return Order::Next;
        }
        if id > newest {
            self.missing = (newest.saturating_add(1), id - 1);
            self.hole = (self.newest_time.min(time), self.newest_time.max(time));
            self.given_up = false;
            (self.newest, self.newest_time) = (id, time);
            return Order::Gap(id.saturating_sub(newest).saturating_sub(1).unsigned_abs());
        }
        let (first, last) = self.missing;
        if (first..=last).contains(&id) {
            // What came between is given up: it would have to be kept id by id. Nothing counts twice.
            self.given_up |= id > first;
            self.missing.0 = id + 1;
            return Order::Filled(id == last && !self.given_up);
        }
        Order::Duplicate
    }

    /// Times of the trades at both edges of the newest hole.
    pub(crate) fn hole(&self) -> (Nanos, Nanos) {
        self.hole
    }

    /// The same while ids of it are missing.
    pub(crate) fn open_hole(&self) -> Option<(Nanos, Nanos)> {
        let (first, last) = self.missing;
        (first <= last || self.given_up).then_some(self.hole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_closes_when_all_of_it_has_come() {
        let mut ids = Ids::new();
        assert_eq!(ids.order(100, 10), Order::Next);
        assert_eq!(ids.order(104, 20), Order::Gap(3));
        assert_eq!(ids.open_hole(), Some((10, 20)));
        let filled: Vec<Order> = [101, 101, 102, 103].map(|id| ids.order(id, 15)).into();
        let expected = [Order::Filled(false), Order::Duplicate, Order::Filled(false), Order::Filled(true)];
        assert_eq!(filled, expected);
        assert_eq!((ids.open_hole(), ids.hole()), (None, (10, 20)));
        assert_eq!(ids.order(105, 30), Order::Next);
    }

    #[test]
    fn a_hole_filled_out_of_order_stays_open() {
        let mut ids = Ids::new();
        ids.order(100, 10);
        ids.order(103, 20);
        assert_eq!(ids.order(102, 15), Order::Filled(false));
        assert_eq!(ids.order(101, 15), Order::Duplicate);
        assert_eq!(ids.open_hole(), Some((10, 20)));
    }
}
