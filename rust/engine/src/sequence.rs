//! A venue's own numbering of trades: what is missing, what comes after all, what came before.

use ringtape_model::units::{ID_UNSET, Nanos, TIME_UNSET};

use crate::coverage::Hole;

/// Ranges of missing ids that are told apart; of more, those of the oldest hole are given up: they count as seen.
const RANGES: usize = 64;

/// What became of a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Next in line, or the venue's numbers do not count.
    Next,
    /// Ids are missing before it: the first and the last.
    Gap(i64, i64),
    /// It was missing and has come after all; with the hole where none of it is missing any more.
    Filled(Option<Hole>),
    /// It was seen before.
    Duplicate,
}

/// A range of ids that did not come, and the times of the trades before and after the hole that it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Missing {
    first: i64,
    last: i64,
    /// The first id of the hole, which tells it from others at the same times.
    of: i64,
    hole: Hole,
}

/// The ids of one symbol's trades, which rise by one.
pub(crate) struct Ids {
    newest: i64,
    newest_time: Nanos,
    missing: Vec<Missing>,
}

impl Ids {
    pub(crate) const fn new() -> Self {
        Self { newest: ID_UNSET, newest_time: TIME_UNSET, missing: Vec::new() }
    }

    /// Takes the id and time of a trade that is next in line; false for any other.
    #[inline]
    pub(crate) fn is_next(&mut self, id: i64, time: Nanos) -> bool {
        let newest = self.newest;
        let is_next = newest == ID_UNSET || id == newest.saturating_add(1);
        if is_next {
            (self.newest, self.newest_time) = (id, time);
        }
        is_next
    }

    /// Takes the id and time of a trade.
    #[cold]
    pub(crate) fn order(&mut self, id: i64, time: Nanos) -> Order {
        if self.is_next(id, time) {
            return Order::Next;
        }
        let newest = self.newest;
        if id > newest {
            let hole = (self.newest_time.min(time), self.newest_time.max(time));
            let first = newest.saturating_add(1);
            let gap = Missing { first, last: id - 1, of: first, hole };
            (self.newest, self.newest_time) = (id, time);
            self.miss(gap);
            return Order::Gap(gap.first, gap.last);
        }
        let Some(at) = self.missing.iter().position(|range| (range.first..=range.last).contains(&id)) else {
            return Order::Duplicate;
        };
        let range = self.missing.remove(at);
        let rests = [Missing { last: id - 1, ..range }, Missing { first: id + 1, ..range }];
        for rest in rests.into_iter().filter(|rest| rest.first <= rest.last) {
            self.miss(rest);
        }
        let is_filled = self.missing.iter().all(|rest| rest.of != range.of);
        Order::Filled(is_filled.then_some(range.hole))
    }

    /// Times of the trades at both edges of the hole that was found last.
    pub(crate) fn newest_hole(&self) -> Hole {
        self.missing.last().map_or((TIME_UNSET, TIME_UNSET), |range| range.hole)
    }

    fn miss(&mut self, range: Missing) {
        if self.missing.len() == RANGES {
            // All of that hole, so that what is left of it never looks like the whole.
            let oldest = self.missing[0].of;
            self.missing.retain(|held| held.of != oldest);
        }
        self.missing.push(range);
    }

    /// The holes that touch a stretch of time from one moment up to before another, each once.
    pub(crate) fn touching(&self, start: Nanos, end: Nanos) -> impl Iterator<Item = Hole> {
        let holes = self.missing.iter().enumerate().filter(|(at, range)| {
            // Of several ranges of a hole the first speaks.
            !self.missing[..*at].iter().any(|before| before.of == range.of)
        });
        holes.map(|(_, range)| range.hole).filter(move |&(from, to)| start <= to && from < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(ids: &Ids) -> Vec<Hole> {
        ids.touching(Nanos::MIN, Nanos::MAX).collect()
    }

    #[test]
    fn a_hole_closes_when_all_of_it_has_come() {
        let mut ids = Ids::new();
        assert_eq!(ids.order(100, 10), Order::Next);
        assert_eq!(ids.order(105, 20), Order::Gap(101, 104));
        assert_eq!(open(&ids), [(10, 20)]);
        let filled: Vec<Order> = [103, 103, 101, 104, 102].map(|id| ids.order(id, 15)).into();
        let more = Order::Filled(None);
        assert_eq!(filled, [more, Order::Duplicate, more, more, Order::Filled(Some((10, 20)))]);
        assert_eq!(open(&ids), []);
        assert_eq!(ids.order(106, 30), Order::Next);
    }

    #[test]
    fn several_holes_are_told_apart() {
        let mut ids = Ids::new();
        ids.order(100, 10);
        ids.order(103, 20);
        ids.order(105, 40);
        assert_eq!(open(&ids), [(10, 20), (20, 40)]);
        assert_eq!(ids.touching(25, 30).collect::<Vec<_>>(), [(20, 40)]);
        assert_eq!(ids.order(101, 15), Order::Filled(None));
        assert_eq!(ids.order(104, 15), Order::Filled(Some((20, 40))));
        assert_eq!(ids.order(102, 15), Order::Filled(Some((10, 20))));
    }

    #[test]
    fn holes_of_one_moment_are_told_apart() {
        let mut ids = Ids::new();
        for id in [100, 102, 104] {
            ids.order(id, 10);
        }
        assert_eq!(open(&ids), [(10, 10), (10, 10)]);
        assert_eq!(ids.order(101, 10), Order::Filled(Some((10, 10))));
        assert_eq!(ids.order(103, 10), Order::Filled(Some((10, 10))));
    }

    #[test]
    fn of_too_many_the_oldest_is_given_up() {
        let mut ids = Ids::new();
        for number in 0..=RANGES as i64 + 1 {
            ids.order(number * 2, number);
        }
        assert_eq!((ids.order(1, 0), open(&ids).len()), (Order::Duplicate, RANGES));
        assert_eq!(ids.order(3, 1), Order::Filled(Some((1, 2))));
    }
}
