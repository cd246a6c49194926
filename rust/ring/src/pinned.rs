//! A pinned series: each record is written twice, one capacity apart, so that the newest `capacity` records
//! always lie side by side and can be viewed without a copy.

use crate::Words;
use crate::sync::Ordering;

/// The series. Cloning gives another handle; only the owner of the engine writes.
#[derive(Clone)]
pub struct Pinned {
    words: Words,
    capacity: usize,
    record: usize,
}

/// Word 0 counts the records ever written; the records follow, a cache line later.
const HEADER: usize = 8;

impl Pinned {
    /// Room for the newest `capacity` records of `record` words.
    pub fn new(capacity: usize, record: usize) -> Self {
        let capacity = capacity.max(1);
        Self { words: Words::zeroed(HEADER + 2 * capacity * record), capacity, record }
    }

    /// Records ever written.
    pub fn count(&self) -> u64 {
        self.words.word(0).load(Ordering::Acquire)
    }

    /// Records that lie side by side at the most.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Copies the record `back` places before the newest (0 = the newest); it must still be held.
    pub fn get(&self, back: u64, into: &mut [u64]) {
        let slot = ((self.count() - 1 - back) % self.capacity as u64) as usize;
        self.words.get(HEADER + slot * self.record, into);
    }

    /// Appends a record.
    pub fn push(&self, record: &[u64]) {
        let number = self.count();
        self.put(number, record);
        self.words.word(0).store(number + 1, Ordering::Release);
    }

    /// Inserts a record so that `back` records are newer than it.
    pub fn insert(&self, back: u64, record: &[u64]) {
        let held = self.count().min(self.capacity as u64);
        let back = back.min(held);
        if back == self.capacity as u64 {
            return;
        }
        let mut moved = vec![0; self.record];
        // The newest is written once more at the end, then each older one moves up by one.
        if back > 0 {
            self.get(0, &mut moved);
        }
        self.push(if back > 0 { &moved } else { record });
        for newer in 1..=back {
            if newer < back {
                self.get(newer + 1, &mut moved);
            }
            self.put(self.count() - 1 - newer, if newer < back { &moved } else { record });
        }
    }

    /// Replaces the record `back` places before the newest (0 = the newest), if it is still held.
    pub fn replace(&self, back: u64, record: &[u64]) {
        let count = self.count();
        if back < count.min(self.capacity as u64) {
            self.put(count - 1 - back, record);
        }
    }

    fn put(&self, number: u64, record: &[u64]) {
        let slot = (number % self.capacity as u64) as usize;
        for copy in [slot, slot + self.capacity] {
            self.words.put(HEADER + copy * self.record, record);
        }
    }

    /// First word and number of records of the newest `most` records, oldest first, all side by side.
    pub fn span(&self, most: usize) -> (usize, usize) {
        let count = self.count();
        let held = most.min(self.capacity).min(usize::try_from(count).unwrap_or(usize::MAX));
        let first = ((count - held as u64) % self.capacity as u64) as usize;
        (HEADER + first * self.record, held)
    }

    /// The words behind the series, for views.
    pub fn words(&self) -> &Words {
        &self.words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_records_lie_side_by_side() {
        let series = Pinned::new(3, 2);
        for value in 0..8 {
            series.push(&[value, value]);
            let (at, held) = series.span(3);
            let mut got = vec![0; held * 2];
            series.words().get(at, &mut got);
            let want: Vec<u64> = ((value + 1).saturating_sub(3)..=value).flat_map(|v| [v, v]).collect();
            assert_eq!(got, want);
        }
        let late = Pinned::new(4, 1);
        for value in [10, 20, 40] {
            late.push(&[value]);
        }
        late.insert(1, &[30]);
        late.insert(0, &[50]);
        late.insert(4, &[5]);
        let (at, held) = late.span(9);
        let mut got = vec![0; held];
        late.words().get(at, &mut got);
        assert_eq!(got, [20, 30, 40, 50]);
        series.replace(1, &[60, 60]);
        let (at, _) = series.span(2);
        let mut got = [0; 4];
        series.words().get(at, &mut got);
        assert_eq!(got, [60, 60, 7, 7]);
    }
}
