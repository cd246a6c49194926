//! Exact numbers over a rolling window: sums, the largest, and means weighted by time.
//!
//! The window is that of [`crate::window`]: at time now it holds the buckets with `nq − w < tq <= nq`. A bucket exists only
//! where something was added to it, so a quiet symbol costs nothing, and a sum is at all times that of its buckets: emptied,
//! it is exactly zero.

use std::collections::VecDeque;

use ringtape_model::Wide;
use ringtape_model::units::Nanos;

use crate::window::{before, floor};

/// Which stretch of time a window covers, and since when what falls into it was collected.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    length: Nanos,
    quantum: Nanos,
    since: Nanos,
    /// The end of the newest hole in what came.
    uncovered: Nanos,
}

impl Span {
    pub(crate) const fn new(length: Nanos, quantum: Nanos, since: Nanos) -> Self {
        Self { length, quantum, since, uncovered: Nanos::MIN }
    }

    pub(crate) const fn quantum(&self) -> Nanos {
        self.quantum
    }

    /// The first moment inside.
    pub(crate) fn start(&self, now: Nanos) -> Nanos {
        self.before(now) + self.quantum
    }

    /// The newest bucket that is no longer inside.
    fn before(&self, now: Nanos) -> Nanos {
        before(now, self.quantum, self.length)
    }

    /// Nothing that belongs inside passed unseen.
    pub(crate) fn is_known(&self, now: Nanos) -> bool {
        self.before(now) >= self.since.max(floor(self.uncovered, self.quantum))
    }

    /// The shortest time after which something can leave the window.
    pub(crate) const fn least(&self) -> Nanos {
        self.length - self.quantum
    }

    /// When a look at the window finds something new: its oldest bucket leaves, or all of it is known.
    pub(crate) fn next(&self, oldest: Option<Nanos>, now: Nanos) -> Nanos {
        let leaves = oldest.map_or(Nanos::MAX, |at| at + self.length);
        if self.is_known(now) { leaves } else { leaves.min(floor(now, self.quantum).saturating_add(self.quantum)) }
    }

    /// What happened up to a time is not known.
    pub(crate) fn forget(&mut self, until: Nanos) {
        self.since = self.since.max(until);
    }

    /// Something before this time is missing.
    pub(crate) fn uncover(&mut self, until: Nanos) {
        self.uncovered = until;
    }

    /// A new trading date: the window begins anew.
    pub(crate) fn clear(&mut self) {
        self.since = Nanos::MIN;
    }
}

/// Buckets for which there is room from the first one on: something rare rarely has more at once.
const ROOM: usize = 16;

/// A sum of integers.
pub(crate) struct Rolling {
    pub(crate) span: Span,
    total: i128,
    buckets: VecDeque<(Nanos, Wide)>,
}

impl Rolling {
    pub(crate) const fn new(span: Span) -> Self {
        Self { span, total: 0, buckets: VecDeque::new() }
    }

    /// Adds something that happened at `time`; what is too old for the window changes nothing.
    pub(crate) fn add(&mut self, time: Nanos, value: i128, now: Nanos) {
        if value == 0 {
            return;
        }
        let at = floor(time, self.span.quantum);
        if at <= self.span.before(now) {
            return;
        }
        self.total += value;
        if self.buckets.capacity() == 0 {
            self.buckets.reserve_exact(ROOM);
        }
        let index = match self.buckets.back() {
            Some(&(newest, _)) if at < newest => self.buckets.partition_point(|&(held, _)| held < at),
            Some(&(newest, _)) if at == newest => self.buckets.len() - 1,
            _ => self.buckets.len(),
        };
        match self.buckets.get_mut(index) {
            Some((held, sum)) if *held == at => *sum += value,
            _ => self.buckets.insert(index, (at, Wide::new(value))),
        }
    }

    /// Takes out what has left the window; gives the time of the next look.
    pub(crate) fn evict(&mut self, now: Nanos) -> Nanos {
        let before = self.span.before(now);
        while let Some(&(_, sum)) = self.buckets.front().filter(|&&(at, _)| at <= before) {
            self.total -= sum.get();
            self.buckets.pop_front();
        }
        self.span.next(self.buckets.front().map(|&(at, _)| at), now)
    }

    /// The sum, after [`Rolling::evict`]; `None` where a part of the window passed unseen.
    pub(crate) fn total(&self, now: Nanos) -> Option<i128> {
        self.span.is_known(now).then_some(self.total)
    }

    /// Time alone can change the sum.
    pub(crate) fn is_moving(&self, now: Nanos) -> bool {
        !self.buckets.is_empty() || !self.span.is_known(now)
    }

    pub(crate) fn clear(&mut self) {
        self.span.clear();
        self.total = 0;
        self.buckets.clear();
    }
}

/// The largest of some integers: a queue in which each entry is larger than all that are newer.
pub(crate) struct Largest {
    pub(crate) span: Span,
    entries: VecDeque<(Nanos, i128)>,
}

impl Largest {
    pub(crate) const fn new(span: Span) -> Self {
        Self { span, entries: VecDeque::new() }
    }

    pub(crate) fn add(&mut self, time: Nanos, value: i128, now: Nanos) {
        let at = floor(time, self.span.quantum);
        let mut index = self.entries.partition_point(|&(held, _)| held <= at);
        let beaten = self.entries.get(index).is_some_and(|&(_, newer)| newer >= value);
        if value == 0 || at <= self.span.before(now) || beaten {
            return;
        }
        while index > 0 && self.entries[index - 1].1 <= value {
            index -= 1;
            self.entries.remove(index);
        }
        if index > 0 && self.entries[index - 1].0 == at {
            // A larger one of the same bucket leaves together with it.
            return;
        }
        self.entries.insert(index, (at, value));
    }

    pub(crate) fn evict(&mut self, now: Nanos) -> Nanos {
        let before = self.span.before(now);
        while self.entries.front().is_some_and(|&(at, _)| at <= before) {
            self.entries.pop_front();
        }
        self.span.next(self.entries.front().map(|&(at, _)| at), now)
    }

    /// The largest, after [`Largest::evict`]; `None` where there is none or a part of the window passed unseen.
    pub(crate) fn get(&self, now: Nanos) -> Option<i128> {
        self.entries.front().filter(|_| self.span.is_known(now)).map(|&(_, value)| value)
    }

    pub(crate) fn is_moving(&self, now: Nanos) -> bool {
        !self.entries.is_empty() || !self.span.is_known(now)
    }

    pub(crate) fn clear(&mut self) {
        self.span.clear();
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ringtape_model::units::SECOND;

    use super::*;

    proptest! {
        /// Values in and out of order, with pauses: sum and largest equal their definition at every look.
        #[test]
        fn sum_and_largest_equal_their_definition(
            steps in prop::collection::vec((0i64..3_000, 0i64..9_000, 0i128..50, 0u8..4), 1..150),
        ) {
            let span = Span::new(5 * SECOND, SECOND / 10, Nanos::MIN);
            let (mut rolling, mut largest) = (Rolling::new(span), Largest::new(span));
            let (mut now, mut all) = (1_000 * SECOND, Vec::new());
            for (pause, late, value, kind) in steps {
                now += pause * 1_000_000;
                let time = now - if kind == 0 { late * 1_000_000 } else { 0 };
                rolling.add(time, value, now);
                largest.add(time, value, now);
                all.push((time, value));
                rolling.evict(now);
                largest.evict(now);
                let quantum = SECOND / 10;
                let inside = |time: i64| time.div_euclid(quantum) * quantum > now.div_euclid(quantum) * quantum - 5 * SECOND;
                let held = || all.iter().filter(|&&(time, _)| inside(time)).map(|&(_, value)| value);
                prop_assert_eq!(rolling.total(now), Some(held().sum()));
                prop_assert_eq!(largest.get(now), held().max().filter(|&most| most > 0));
            }
        }
    }

    #[test]
    fn a_window_asked_for_late_is_unknown_until_it_is_covered() {
        let mut rolling = Rolling::new(Span::new(60 * SECOND, SECOND, 100 * SECOND));
        rolling.add(110 * SECOND, 7, 110 * SECOND);
        assert_eq!(rolling.total(159 * SECOND), None);
        assert_eq!(rolling.total(160 * SECOND), Some(7));
        rolling.evict(170 * SECOND);
        assert_eq!((rolling.total(170 * SECOND), rolling.total), (Some(0), 0));
    }
}
