//! Rolling windows of one symbol: exact, O(1) amortised for each registered window whatever its length.
//!
//! Trades fall into buckets of the window's quantum (100 ms, 1 s or 1 min), and only buckets that saw a trade
//! exist. All windows of one quantum share one *lane*: its buckets in time order and two monotonic queues for
//! the extremes. A window is a running sum and three places in its lane: the oldest bucket inside, and the
//! first entry of each queue that is inside. A place only moves forward, so nothing is ever scanned or cleared.
//!
//! A window of length w at time now holds the buckets with `nq − w < tq <= nq`, where `nq` and `tq` are floored
//! to the quantum. Sums are integers, so taking a bucket out restores exactly what was there before it.
//!
//! A trade that comes late into the middle of a lane is rare: it is put in place and the windows of that lane
//! are computed again from their buckets.

use std::collections::VecDeque;

use ringtape_model::WindowRow;
use ringtape_model::field::quantum;
use ringtape_model::units::{Nanos, PRICE_UNSET, SECOND, TIME_UNSET, Wide};

/// Tape order of a trade within its symbol.
pub(crate) type TapeKey = (Nanos, i64);

/// The oldest possible place on the tape.
pub(crate) const TAPE_START: TapeKey = (TIME_UNSET, i64::MIN);

/// What a window needs to know of a trade.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Print {
    pub(crate) key: TapeKey,
    pub(crate) price: f64,
    /// Size in 1e-8 and notional in 1e-16; zero where the trade does not count in volume.
    pub(crate) size: i128,
    pub(crate) notional: i128,
    /// 1 where the trade counts in volume.
    pub(crate) count: u64,
    /// The trade may move prices: LAST-eligible and not late.
    pub(crate) priced: bool,
}

#[derive(Clone, Copy)]
struct Bucket {
    at: Nanos,
    volume: i128,
    notional: i128,
    count: u64,
    high: f64,
    low: f64,
    last: f64,
    last_key: TapeKey,
}

impl Bucket {
    fn new(at: Nanos) -> Self {
        Self {
            at,
            volume: 0,
            notional: 0,
            count: 0,
            high: PRICE_UNSET,
            low: PRICE_UNSET,
            last: PRICE_UNSET,
            last_key: TAPE_START,
        }
    }

    #[inline]
    fn add(&mut self, print: &Print) {
        self.volume += print.size;
        self.notional += print.notional;
        self.count += print.count;
        if print.priced {
            // NaN compares false, so the first price of a bucket takes its place.
            self.high = if self.high >= print.price { self.high } else { print.price };
            self.low = if self.low <= print.price { self.low } else { print.price };
            if print.key >= self.last_key {
                (self.last, self.last_key) = (print.price, print.key);
            }
        }
    }
}

/// A monotonic queue over bucket numbers: each entry beats all that follow it.
#[derive(Default)]
struct Extremes {
    entries: VecDeque<(u64, f64)>,
    /// Entries ever dropped from the front: a place minus this is an index.
    dropped: u64,
}

impl Extremes {
    /// Adds a price of the newest bucket; `beats` is strict, so of equal prices the newest stays.
    #[inline]
    fn push(&mut self, bucket: u64, price: f64, beats: impl Fn(f64, f64) -> bool) {
        while let Some(&(number, held)) = self.entries.back() {
            if beats(held, price) {
                if number == bucket {
                    return;
                }
                break;
            }
            self.entries.pop_back();
        }
        self.entries.push_back((bucket, price));
    }

    /// The last place; a place beyond it was popped, and the entry there is what took its role.
    #[inline]
    fn last_place(&self) -> u64 {
        self.dropped + (self.entries.len() as u64).saturating_sub(1)
    }

    #[inline]
    fn make_room(&mut self, room: usize) {
        if self.entries.capacity() < room {
            self.entries.reserve_exact(room - self.entries.len());
        }
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.dropped = 0;
    }

    /// Moves a place forward to the first entry at or after a bucket.
    #[inline]
    fn seek(&self, place: &mut u64, tail: u64) {
        *place = (*place).max(self.dropped);
        while self.entries.get((*place - self.dropped) as usize).is_some_and(|&(bucket, _)| bucket < tail) {
            *place += 1;
        }
    }

    #[inline]
    fn at(&self, place: u64) -> f64 {
        let index = place.saturating_sub(self.dropped) as usize;
        self.entries.get(index).map_or(PRICE_UNSET, |&(_, price)| price)
    }

    #[inline]
    fn drop_before(&mut self, bucket: u64) {
        while self.entries.front().is_some_and(|&(number, _)| number < bucket) {
            self.entries.pop_front();
            self.dropped += 1;
        }
    }
}

struct Lane {
    quantum: Nanos,
    /// Longest window of the lane.
    span: Nanos,
    /// Shortest window of the lane.
    shortest: Nanos,
    buckets: VecDeque<Bucket>,
    /// Buckets ever dropped from the front: a bucket's number minus this is its index.
    dropped: u64,
    highs: Extremes,
    lows: Extremes,
}

struct Window {
    lane: usize,
    length: Nanos,
    /// Number of the oldest bucket inside.
    tail: u64,
    volume: i128,
    notional: i128,
    count: u64,
    /// Price before the window, and where it stands on the tape.
    base: f64,
    base_key: TapeKey,
    /// Trades before this were not kept for it.
    since: Nanos,
    high: u64,
    low: u64,
}

/// The windows of one symbol.
#[derive(Default)]
pub(crate) struct Windows {
    lanes: Vec<Lane>,
    held: Vec<Window>,
    /// Engine time of the last eviction in the finest quantum: until it moves on, nothing leaves a window.
    evicted: Nanos,
}

impl Windows {
    /// Registers windows that are not known yet; they start with what their lane still holds. Trades before `since`
    /// may have passed unseen: until a window has left that time behind it is unknown, unless a longer one was there
    /// before.
    pub(crate) fn register(&mut self, lengths: &[Nanos], now: Nanos, since: Nanos) {
        self.evicted = Nanos::MAX;
        for &length in &lengths[self.held.len()..] {
            let quantum = quantum(length);
            let lane = self.lanes.iter().position(|lane| lane.quantum == quantum).unwrap_or_else(|| {
                self.lanes.push(Lane {
                    quantum,
                    span: length,
                    shortest: length,
                    buckets: VecDeque::new(),
                    dropped: 0,
                    highs: Extremes::default(),
                    lows: Extremes::default(),
                });
                self.lanes.len() - 1
            });
            let kept = self.held.iter().any(|held| held.lane == lane && held.length >= length);
            self.lanes[lane].span = self.lanes[lane].span.max(length);
            self.lanes[lane].shortest = self.lanes[lane].shortest.min(length);
            self.held.push(Window::new(lane, length));
            let (lanes, held) = (&self.lanes, &mut self.held);
            if let Some(window) = held.last_mut() {
                window.since = if kept { Nanos::MIN } else { since };
                window.rebuild(&lanes[lane], now);
            }
        }
    }

    /// True while some window holds a bucket, so that time alone can change it.
    pub(crate) fn is_moving(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.buckets.is_empty())
    }

    /// A new trading date: prices and volumes of the old one belong to no window.
    pub(crate) fn clear(&mut self) {
        self.evicted = Nanos::MAX;
        for lane in &mut self.lanes {
            lane.buckets.clear();
            lane.dropped = 0;
            lane.highs.clear();
            lane.lows.clear();
        }
        for window in &mut self.held {
            *window = Window::new(window.lane, window.length);
        }
    }

    /// Takes a trade. `now` is engine time and not before the trade's own.
    #[inline]
    pub(crate) fn add(&mut self, print: &Print, now: Nanos) {
        for at in 0..self.lanes.len() {
            let lane = &mut self.lanes[at];
            let bucket_at = floor(print.key.0, lane.quantum);
            let newest = lane.buckets.back().map_or(Nanos::MIN, |bucket| bucket.at);
            // In line and inside every window: no window can have passed the bucket already.
            if bucket_at >= newest && bucket_at > before(now, lane.quantum, lane.shortest) {
                lane.extend(bucket_at, print);
                let inside = lane.dropped + lane.buckets.len() as u64 - 1;
                for window in self.held.iter_mut().filter(|window| window.lane == at) {
                    debug_assert!(window.tail <= inside);
                    window.volume += print.size;
                    window.notional += print.notional;
                    window.count += print.count;
                    if print.priced {
                        window.high = window.high.min(lane.highs.last_place());
                        window.low = window.low.min(lane.lows.last_place());
                    }
                }
            } else {
                self.insert(at, bucket_at, print, now);
            }
        }
    }

    /// Puts a late trade into its place and computes the lane's windows again.
    #[cold]
    fn insert(&mut self, at: usize, bucket_at: Nanos, print: &Print, now: Nanos) {
        let lane = &mut self.lanes[at];
        let oldest = before(now, lane.quantum, lane.span);
        if bucket_at > oldest {
            let index = lane.buckets.partition_point(|bucket| bucket.at < bucket_at);
            if lane.buckets.get(index).is_none_or(|bucket| bucket.at != bucket_at) {
                lane.buckets.insert(index, Bucket::new(bucket_at));
            }
            lane.buckets[index].add(print);
            lane.rebuild_extremes();
        }
        for window in self.held.iter_mut().filter(|window| window.lane == at) {
            let outside = bucket_at <= before(now, lane.quantum, window.length);
            if outside && print.priced && print.key >= window.base_key {
                (window.base, window.base_key) = (print.price, print.key);
            }
            window.rebuild(lane, now);
        }
    }

    /// Lets time pass: buckets that left a window are taken out of its sums.
    #[inline]
    pub(crate) fn evict(&mut self, now: Nanos) {
        let quantised = floor(now, FINEST);
        if quantised == self.evicted {
            return;
        }
        self.evicted = quantised;
        for window in &mut self.held {
            window.evict(&self.lanes[window.lane], now);
        }
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            let tails = self.held.iter().filter(|window| window.lane == at).map(|window| window.tail);
            lane.drop_before(tails.min().unwrap_or(lane.dropped));
        }
    }

    /// The values of window `index` after [`Windows::evict`].
    #[inline]
    pub(crate) fn row(&self, index: usize) -> WindowRow {
        let Some(window) = self.held.get(index) else { return WindowRow::empty() };
        let lane = &self.lanes[window.lane];
        if before(self.evicted, lane.quantum, window.length) < window.since {
            return WindowRow::unknown();
        }
        WindowRow {
            base: window.base,
            high: lane.highs.at(window.high),
            low: lane.lows.at(window.low),
            trade_count: window.count,
            volume: Wide::new(window.volume),
            notional: Wide::new(window.notional),
        }
    }

    /// The values of a window that is not registered, from what is still held; `None` if that is not enough.
    pub(crate) fn scan(&self, length: Nanos, now: Nanos) -> Option<WindowRow> {
        let quantum = quantum(length);
        let at = self.lanes.iter().position(|lane| lane.quantum == quantum && lane.span >= length)?;
        let lane = &self.lanes[at];
        let mut window = Window::new(at, length);
        let longest = self.held.iter().find(|held| held.lane == at && held.length == lane.span)?;
        (window.base, window.base_key) = (longest.base, longest.base_key);
        window.rebuild(lane, now);
        let inside = lane.buckets.iter().skip((window.tail - lane.dropped) as usize);
        let mut row = WindowRow::empty();
        for bucket in inside {
            row.high = if row.high >= bucket.high { row.high } else { bucket.high };
            row.low = if row.low <= bucket.low { row.low } else { bucket.low };
        }
        row.base = window.base;
        row.trade_count = window.count;
        row.volume = Wide::new(window.volume);
        row.notional = Wide::new(window.notional);
        Some(row)
    }
}

impl Lane {
    /// Adds a trade to the newest bucket or to a new one behind it.
    #[inline]
    fn extend(&mut self, at: Nanos, print: &Print) {
        if self.buckets.back().is_none_or(|bucket| bucket.at != at) {
            self.buckets.push_back(Bucket::new(at));
            // Never more entries than buckets: the queues grow with them, so that a warm lane does not allocate.
            let room = self.buckets.capacity();
            self.highs.make_room(room);
            self.lows.make_room(room);
        }
        let number = self.dropped + self.buckets.len() as u64 - 1;
        if let Some(bucket) = self.buckets.back_mut() {
            bucket.add(print);
        }
        if print.priced {
            self.highs.push(number, print.price, |held, new| held > new);
            self.lows.push(number, print.price, |held, new| held < new);
        }
    }

    fn rebuild_extremes(&mut self) {
        self.highs.clear();
        self.lows.clear();
        for (number, bucket) in (self.dropped..).zip(&self.buckets) {
            if !bucket.high.is_nan() {
                self.highs.push(number, bucket.high, |held, new| held > new);
                self.lows.push(number, bucket.low, |held, new| held < new);
            }
        }
    }

    #[inline]
    fn drop_before(&mut self, bucket: u64) {
        while self.dropped < bucket && self.buckets.pop_front().is_some() {
            self.dropped += 1;
        }
        self.highs.drop_before(self.dropped);
        self.lows.drop_before(self.dropped);
    }
}

impl Window {
    const fn new(lane: usize, length: Nanos) -> Self {
        Self {
            lane,
            length,
            tail: 0,
            volume: 0,
            notional: 0,
            count: 0,
            base: PRICE_UNSET,
            base_key: TAPE_START,
            since: Nanos::MIN,
            high: 0,
            low: 0,
        }
    }

    #[inline]
    fn evict(&mut self, lane: &Lane, now: Nanos) {
        let oldest = before(now, lane.quantum, self.length);
        while let Some(bucket) = lane.buckets.get((self.tail - lane.dropped) as usize) {
            if bucket.at > oldest {
                break;
            }
            self.volume -= bucket.volume;
            self.notional -= bucket.notional;
            self.count -= bucket.count;
            self.pass(bucket);
            self.tail += 1;
        }
        lane.highs.seek(&mut self.high, self.tail);
        lane.lows.seek(&mut self.low, self.tail);
    }

    /// A bucket before the window gives the price that the window's change is measured from.
    #[inline]
    fn pass(&mut self, bucket: &Bucket) {
        if bucket.last_key > self.base_key {
            (self.base, self.base_key) = (bucket.last, bucket.last_key);
        }
    }

    fn rebuild(&mut self, lane: &Lane, now: Nanos) {
        let oldest = before(now, lane.quantum, self.length);
        (self.volume, self.notional, self.count) = (0, 0, 0);
        self.tail = lane.dropped;
        for bucket in &lane.buckets {
            if bucket.at <= oldest {
                self.pass(bucket);
                self.tail += 1;
            } else {
                self.volume += bucket.volume;
                self.notional += bucket.notional;
                self.count += bucket.count;
            }
        }
        (self.high, self.low) = (0, 0);
        lane.highs.seek(&mut self.high, self.tail);
        lane.lows.seek(&mut self.low, self.tail);
    }
}

/// The newest bucket that a window of this length no longer holds.
#[inline]
fn before(now: Nanos, quantum: Nanos, length: Nanos) -> Nanos {
    floor(now, quantum).saturating_sub(length)
}

/// The finest quantum; all others are multiples of it.
const FINEST: Nanos = quantum(1);
/// The quantum of windows of a minute.
const MIDDLE: Nanos = quantum(60 * SECOND);

#[inline]
fn floor(time: Nanos, quantum: Nanos) -> Nanos {
    if time == TIME_UNSET {
        return time;
    }
    // Division by a constant is a multiplication; by a variable it is not.
    match quantum {
        FINEST => time - time.rem_euclid(FINEST),
        MIDDLE => time - time.rem_euclid(MIDDLE),
        other => time - time.rem_euclid(other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MILLI: Nanos = SECOND / 1_000;

    /// The literal definition: filter by quantised time, then sum, extreme, last before.
    fn oracle(prints: &[Print], length: Nanos, now: Nanos) -> WindowRow {
        let q = quantum(length);
        let from = floor(now, q) - length;
        let mut row = WindowRow::empty();
        let (mut volume, mut notional, mut base_key) = (0, 0, TAPE_START);
        for print in prints {
            let at = floor(print.key.0, q);
            if at > from {
                volume += print.size;
                notional += print.notional;
                row.trade_count += print.count;
                if print.priced {
                    row.high = row.high.max(print.price);
                    row.low = row.low.min(print.price);
                }
            } else if print.priced && print.key >= base_key {
                (row.base, base_key) = (print.price, print.key);
            }
        }
        (row.volume, row.notional) = (Wide::new(volume), Wide::new(notional));
        row
    }

    fn bits(row: &WindowRow) -> Vec<u64> {
        bytemuck::cast_slice(&[*row]).to_vec()
    }

    proptest! {
        /// Trades mostly in order, some late, with pauses: every window equals its definition after each one,
        /// and also after time has passed without a trade.
        #[test]
        fn windows_equal_their_definition(
            steps in prop::collection::vec((0i64..4_000, 0i64..3_000, 1u32..40, 0u8..8, 0i64..20_000), 1..120),
        ) {
            let lengths = [SECOND, 300 * MILLI, 5 * SECOND, 12 * SECOND, 60 * SECOND, 11 * SECOND];
            let mut windows = Windows::default();
            windows.register(&lengths, 0, Nanos::MIN);
            let mut prints: Vec<Print> = Vec::new();
            let mut now = 1_000_000 * SECOND;
            for (sequence, &(ahead, back, price, kind, pause)) in (0..).zip(&steps) {
                now += ahead * MILLI;
                let late = if kind == 0 { back * MILLI * 4 } else if kind == 1 { back * MILLI } else { 0 };
                let size = i128::from(price) * 7;
                let print = Print {
                    key: (now - late, sequence),
                    price: f64::from(price) / 4.0,
                    size,
                    notional: size * i128::from(price),
                    count: 1,
                    priced: kind != 2,
                };
                windows.add(&print, now);
                prints.push(print);
                if kind == 7 {
                    now += pause * MILLI;
                }
                windows.evict(now);
                for (index, &length) in lengths.iter().enumerate() {
                    prop_assert_eq!(bits(&windows.row(index)), bits(&oracle(&prints, length, now)), "{} {}", index, sequence);
                }
            }
        }
    }

    #[test]
    fn an_emptied_window_is_exactly_zero() {
        let mut windows = Windows::default();
        windows.register(&[60 * SECOND], 0, Nanos::MIN);
        let print = Print { key: (SECOND, 1), price: 1.1, size: 3, notional: 33, count: 1, priced: true };
        windows.add(&print, SECOND);
        windows.evict(62 * SECOND);
        let row = windows.row(0);
        assert_eq!((row.volume.get(), row.notional.get(), row.trade_count), (0, 0, 0));
        assert!(row.high.is_nan() && row.base == 1.1);
    }

    #[test]
    fn a_window_registered_late_is_unknown_until_it_is_covered() {
        let mut windows = Windows::default();
        windows.register(&[60 * SECOND], 0, Nanos::MIN);
        let print = |second: i64| Print {
            key: (second * SECOND, second),
            price: 10.0,
            size: 1,
            notional: 1,
            count: 1,
            priced: true,
        };
        windows.add(&print(100), 100 * SECOND);
        windows.register(&[60 * SECOND, 300 * SECOND, 30 * SECOND], 100 * SECOND, 100 * SECOND);
        windows.evict(100 * SECOND);
        assert!(windows.row(1).is_unknown());
        // A longer window was there, so nothing of the shorter one is missing.
        assert_eq!(windows.row(2).trade_count, 1);
        windows.add(&print(399), 399 * SECOND);
        windows.evict(399 * SECOND);
        assert!(windows.row(1).is_unknown());
        windows.evict(400 * SECOND);
        assert_eq!(windows.row(1).trade_count, 1);
    }

    #[test]
    fn unregistered_windows_are_scanned_from_what_is_held() {
        let mut windows = Windows::default();
        windows.register(&[60 * SECOND], 0, Nanos::MIN);
        for second in 0..40 {
            let print = Print {
                key: (second * SECOND, second),
                price: 10.0 + second as f64,
                size: 1,
                notional: 1,
                count: 1,
                priced: true,
            };
            windows.add(&print, second * SECOND);
        }
        windows.evict(39 * SECOND);
        let row = windows.scan(20 * SECOND, 39 * SECOND);
        assert_eq!(row.map(|row| (row.base, row.low, row.high, row.trade_count)), Some((29.0, 30.0, 49.0, 20)));
        assert!(windows.scan(120 * SECOND, 39 * SECOND).is_none());
        assert!(windows.scan(5 * SECOND, 39 * SECOND).is_none());
    }
}
