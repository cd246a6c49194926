//! What of a tape did not come: holes, from their cut until they are filled.

use ringtape_model::units::Nanos;

/// Holes that are told apart; more of them become one over all that lies between.
const HOLES: usize = 16;

/// The holes of a symbol or of a venue, both ends inside; one that has not ended yet ends never.
#[derive(Clone, Debug, Default)]
pub(crate) struct Coverage {
    holes: Vec<(Nanos, Nanos)>,
}

impl Coverage {
    /// Nothing came from one time to another. A hole that has the same beginning and is open gets its end.
    pub(crate) fn open(&mut self, from: Nanos, to: Nanos) {
        if let Some((_, end)) = self.holes.iter_mut().find(|&&mut (begin, end)| begin == from && end == Nanos::MAX) {
            *end = to;
            return;
        }
        self.holes.push((from, to));
        self.holes.sort_unstable();
        if self.holes.len() > HOLES {
            let (begin, end) = self.holes.remove(0);
            let next = &mut self.holes[0];
            *next = (begin, next.1.max(end));
        }
    }

    /// Whether a hole with this beginning goes on.
    pub(crate) fn is_open(&self, from: Nanos) -> bool {
        self.holes.contains(&(from, Nanos::MAX))
    }

    /// What did not come from one time to another has come after all.
    pub(crate) fn fill(&mut self, from: Nanos, to: Nanos) {
        let held = std::mem::take(&mut self.holes);
        for (begin, end) in held {
            if end < from || to < begin {
                self.holes.push((begin, end));
                continue;
            }
            let rests = [(begin, end.min(from - 1)), (begin.max(to.saturating_add(1)), end)];
            self.holes.extend(rests.into_iter().filter(|(begin, end)| begin <= end));
        }
    }

    /// A date begins: what was missing of the one before is missing no more.
    pub(crate) fn roll(&mut self, start: Nanos) {
        self.holes.retain(|&(_, end)| end >= start);
        for hole in &mut self.holes {
            hole.0 = hole.0.max(start);
        }
    }

    /// The end of the newest hole, before which a window must not reach; `Nanos::MIN` where nothing is missing.
    pub(crate) fn until(&self) -> Nanos {
        self.holes.iter().map(|&(_, end)| end).max().unwrap_or(Nanos::MIN)
    }

    /// Whether a stretch of time from one moment up to before another is touched by a hole; how many.
    pub(crate) fn touching(&self, start: Nanos, end: Nanos) -> usize {
        self.holes.iter().filter(|&&(from, to)| start <= to && from < end).count()
    }

    /// How much of the time between two moments is missing.
    pub(crate) fn missing(&self, from: Nanos, to: Nanos) -> Nanos {
        let (mut all, mut seen) = (0, from);
        for &(begin, end) in &self.holes {
            let (begin, end) = (begin.max(seen), end.min(to));
            all += (end - begin).max(0);
            seen = seen.max(end);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The oracle is a line of moments, each there or missing.
        #[test]
        fn holes_are_those_of_a_line(changes in proptest::collection::vec((any::<bool>(), 0..60_i64, 0..20_i64), 1..10)) {
            let (mut coverage, mut missing) = (Coverage::default(), [false; 80]);
            for (is_open, from, len) in changes {
                if is_open { coverage.open(from, from + len) } else { coverage.fill(from, from + len) }
                missing[from as usize..=(from + len) as usize].fill(is_open);
            }
            let last = missing.iter().rposition(|&hole| hole).map_or(Nanos::MIN, |at| at as Nanos);
            prop_assert_eq!(coverage.until(), last);
            for start in 0..80 {
                let touched = missing[start..(start + 7).min(80)].contains(&true);
                prop_assert_eq!(coverage.touching(start as Nanos, start as Nanos + 7) > 0, touched);
            }
        }
    }

    #[test]
    fn an_open_hole_gets_its_end_and_a_new_date_forgets() {
        let mut coverage = Coverage::default();
        coverage.open(10, Nanos::MAX);
        assert_eq!((coverage.until(), coverage.missing(0, 40)), (Nanos::MAX, 30));
        coverage.open(10, 25);
        assert_eq!((coverage.until(), coverage.missing(0, 40), coverage.missing(20, 40)), (25, 15, 5));
        coverage.roll(20);
        assert_eq!(coverage.missing(0, 40), 5);
        coverage.roll(26);
        assert_eq!(coverage.until(), Nanos::MIN);
    }

    #[test]
    fn too_many_holes_become_one_over_all_between() {
        let mut coverage = Coverage::default();
        for at in 0..100 {
            coverage.open(at * 10, at * 10 + 1);
        }
        assert_eq!(coverage.holes.len(), HOLES);
        assert!((0..100).all(|at| coverage.touching(at * 10, at * 10 + 1) > 0));
    }
}
