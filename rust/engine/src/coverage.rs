//! What of a tape did not come: holes, from their cut until they are filled.
//!
//! [`Coverage`] is what windows look at: all that is missing of a date, together. [`Outages`] is what bars look at: each hole
//! by itself and for as long as there is room, since a bar counts the holes that touch it and may be repaired long after.

use ringtape_model::units::Nanos;

/// Holes that are told apart; more of them become one over all that lies between.
const HOLES: usize = 16;

/// Outages that are kept for bars.
const OUTAGES: usize = 64;

/// The first and the last moment of a hole; one that has not ended yet ends never.
pub(crate) type Hole = (Nanos, Nanos);

/// The holes of a symbol or of a venue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Coverage {
    holes: Vec<Hole>,
}

/// A hole has become others: none where it is filled, one where it is new or smaller, two where the middle is filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reshape {
    /// What it was; nothing where it is new.
    pub(crate) was: Option<Hole>,
    /// What is left of it.
    pub(crate) rest: Vec<Hole>,
}

impl Reshape {
    /// By how much the number of holes that touch a stretch of time changes.
    pub(crate) fn change(&self, start: Nanos, end: Nanos) -> i64 {
        let touches = |&(from, to): &Hole| i64::from(start <= to && from < end);
        self.rest.iter().map(touches).sum::<i64>() - self.was.as_ref().map_or(0, touches)
    }

    /// The first and the last moment that it is about.
    pub(crate) fn extent(&self) -> Hole {
        let all = self.was.iter().chain(&self.rest);
        all.fold((Nanos::MAX, Nanos::MIN), |(from, to), hole| (from.min(hole.0), to.max(hole.1)))
    }
}

/// Outages, each by itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outages {
    holes: Vec<Hole>,
}

impl Outages {
    /// Nothing came from one time to another. A hole that has the same beginning and is open gets its end. Of too many the
    /// oldest is given up: what it touched stays marked.
    pub(crate) fn open(&mut self, from: Nanos, to: Nanos) -> Reshape {
        if let Some(held) = self.holes.iter_mut().find(|held| **held == (from, Nanos::MAX)) {
            let was = std::mem::replace(held, (from, to));
            return Reshape { was: Some(was), rest: vec![(from, to)] };
        }
        if self.holes.len() == OUTAGES {
            self.holes.remove(0);
        }
        self.holes.push((from, to));
        Reshape { was: None, rest: vec![(from, to)] }
    }

    /// What did not come from one time to another has come after all; gives what became of each hole.
    pub(crate) fn fill(&mut self, from: Nanos, to: Nanos) -> Vec<Reshape> {
        let mut changes = Vec::new();
        for hole in std::mem::take(&mut self.holes) {
            let rest = left_of(hole, (from, to));
            self.holes.extend(&rest);
            if rest != [hole] {
                changes.push(Reshape { was: Some(hole), rest });
            }
        }
        changes
    }

    /// Those that touch a stretch of time from one moment up to before another.
    pub(crate) fn touching(&self, start: Nanos, end: Nanos) -> impl Iterator<Item = Hole> {
        self.holes.iter().copied().filter(move |&(from, to)| start <= to && from < end)
    }

    /// All of them, for windows.
    pub(crate) fn cover(&self) -> Coverage {
        let mut coverage = Coverage::default();
        for &(from, to) in &self.holes {
            coverage.open(from, to);
        }
        coverage
    }
}

/// What is left of a hole when a stretch of it is filled.
fn left_of((begin, end): Hole, (from, to): Hole) -> Vec<Hole> {
    if end < from || to < begin {
        return vec![(begin, end)];
    }
    let before = from.checked_sub(1).map(|last| (begin, end.min(last)));
    let after = to.checked_add(1).map(|first| (begin.max(first), end));
    before.into_iter().chain(after).filter(|(begin, end)| begin <= end).collect()
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

    /// What did not come from one time to another has come after all.
    pub(crate) fn fill(&mut self, from: Nanos, to: Nanos) {
        let held = std::mem::take(&mut self.holes);
        self.holes.extend(held.into_iter().flat_map(|hole| left_of(hole, (from, to))));
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

    proptest! {
        /// What bars counted one by one is what a look at all holes counts.
        #[test]
        fn changes_add_up_to_the_holes(steps in proptest::collection::vec((any::<bool>(), 0..60_i64, 0..20_i64), 1..20)) {
            let (mut outages, mut counts) = (Outages::default(), [0_i64; 80]);
            for (is_open, from, len) in steps {
                let to = from + len;
                let changes = if is_open { vec![outages.open(from, to)] } else { outages.fill(from, to) };
                for (start, count) in counts.iter_mut().enumerate() {
                    *count += changes.iter().map(|one| one.change(start as Nanos, start as Nanos + 7)).sum::<i64>();
                }
            }
            for (start, count) in counts.into_iter().enumerate() {
                prop_assert_eq!(count, outages.touching(start as Nanos, start as Nanos + 7).count() as i64);
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
