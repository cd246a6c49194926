//! What the market has said and not every subscriber has fetched: each event encoded once, with its symbol and
//! channels beside it.

use std::ops::Range;

/// Most bytes held for subscribers that do not fetch; the oldest half goes when it is full.
const BYTES_MAX: usize = 64 << 20;

/// One encoded event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Where the text ends; a comma follows, then the next text.
    end: usize,
    /// Index of the symbol.
    pub symbol: u32,
    /// Channels that carry the event, a bit each.
    pub channels: u8,
}

/// Encoded events numbered from the market's first one.
pub(crate) struct Log {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    first: u64,
    bytes_max: usize,
    /// False while nobody listens: events are counted, not written.
    pub listening: bool,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::new(), entries: Vec::new(), first: 0, bytes_max: BYTES_MAX, listening: true }
    }

    /// Appends the event that `write` encodes.
    #[inline]
    pub(crate) fn push(&mut self, symbol: usize, channels: u8, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.listening {
            debug_assert!(self.entries.is_empty());
            self.first += 1;
            return;
        }
        if self.bytes.len() >= self.bytes_max {
            self.forget(self.first + self.entries.len() as u64 / 2);
        }
        write(&mut self.bytes);
        self.entries.push(Entry { end: self.bytes.len(), symbol: symbol as u32, channels });
        self.bytes.push(b',');
    }

    /// Number of the oldest event held.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// Number of the next event.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// The events from number `from` on: their texts' places and the entries.
    pub(crate) fn since(&self, from: u64) -> impl Iterator<Item = (Range<usize>, Entry)> {
        let skip = (from.max(self.first) - self.first) as usize;
        (skip..self.entries.len()).map(|i| (self.start(i)..self.entries[i].end, self.entries[i]))
    }

    /// The text of a place that [`Log::since`] gave.
    #[inline]
    pub(crate) fn text(&self, place: Range<usize>) -> &[u8] {
        &self.bytes[place]
    }

    /// Drops the events before number `until`.
    pub(crate) fn forget(&mut self, until: u64) {
        let count = (until.max(self.first) - self.first).min(self.entries.len() as u64) as usize;
        let cut = self.start(count);
        self.entries.drain(..count);
        self.bytes.drain(..cut);
        for entry in &mut self.entries {
            entry.end -= cut;
        }
        self.first += count as u64;
    }

    fn start(&self, i: usize) -> usize {
        if i == 0 { 0 } else { self.entries[i - 1].end + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(log: &Log, from: u64) -> Vec<String> {
        log.since(from).map(|(place, _)| String::from_utf8_lossy(log.text(place)).into_owned()).collect()
    }

    #[test]
    fn events_keep_their_numbers_when_older_ones_go() {
        let mut log = Log::new();
        for i in 0..5u8 {
            log.push(0, 1, |out| out.extend_from_slice(&vec![b'a' + i; usize::from(i)]));
        }
        assert_eq!(texts(&log, 3), ["ddd", "eeee"]);
        log.forget(3);
        assert_eq!((log.first(), log.next()), (3, 5));
        assert_eq!(texts(&log, 0), ["ddd", "eeee"]);
        log.forget(99);
        assert_eq!((log.first(), log.next()), (5, 5));
    }

    #[test]
    fn a_full_log_drops_its_oldest_half() {
        let mut log = Log { bytes_max: 40, ..Log::new() };
        for _ in 0..100 {
            log.push(0, 1, |out| out.extend_from_slice(b"123456789"));
        }
        assert_eq!(log.next(), 100);
        assert!(log.since(0).count() <= 4);
    }
}
