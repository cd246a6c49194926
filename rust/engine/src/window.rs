//! Rolling windows of one symbol: exact; a trade costs O(1) for each registered window whatever its length, a bucket
//! that leaves O(1) and a binary search for the extremes of what stays.
//!
//! Trades fall into buckets of the window's quantum (100 ms, 1 s or 1 min), and only buckets that saw a trade
//! exist. All windows of one quantum share one *lane*: its buckets in time order and two monotonic queues for
//! the extremes. A window is a running row and the number of the oldest bucket inside.
//!
//! Nearly every trade falls into the newest bucket, which therefore stays out of the queues until the next one is
//! opened: such a trade touches that bucket and the rows. And nearly every look at the time finds that nothing has
//! happened: buckets and lengths are multiples of the quantum, so a bucket leaves a window exactly when its own time
//! plus the window's length has come, and `next` is the earliest such time of all windows.
//!
//! A window of length w at time now holds the buckets with `nq − w < tq <= nq`, where `nq` and `tq` are floored
//! to the quantum. Sums are integers, so taking a bucket out restores exactly what was there before it.
//!
//! A trade that comes late into the middle of a lane is rare: it is put in place and the windows of that lane
//! are computed again from their buckets.

use std::collections::VecDeque;

use ringtape_model::WindowRow;
use ringtape_model::field::quantum;
use ringtape_model::units::{Nanos, PRICE_UNSET, SECOND, TIME_UNSET};
use ringtape_ring::prefetch;

/// Tape order of a trade within its symbol.
pub(crate) type TapeKey = (Nanos, i64);

/// The oldest possible place on the tape.
pub(crate) const TAPE_START: TapeKey = (TIME_UNSET, i64::MIN);

/// Where no price came before.
pub(crate) const NO_PRICE: (f64, TapeKey) = (PRICE_UNSET, TAPE_START);

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

/// Widens a range to hold a price. NaN compares false, so the first price takes both places.
#[inline]
pub(crate) fn widen(high: &mut f64, low: &mut f64, price: f64) {
    *high = if *high >= price { *high } else { price };
    *low = if *low <= price { *low } else { price };
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
    const fn new(at: Nanos) -> Self {
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
            widen(&mut self.high, &mut self.low, print.price);
            if print.key >= self.last_key {
                (self.last, self.last_key) = (print.price, print.key);
            }
        }
    }
}

/// A monotonic queue over the numbers of closed buckets: each entry beats all that follow it.
#[derive(Default)]
struct Extremes(VecDeque<(u64, f64)>);

impl Extremes {
    /// Adds the extreme of a bucket; `beats` is strict, so of equal prices the newest stays.
    #[inline]
    fn push(&mut self, bucket: u64, price: f64, beats: impl Fn(f64, f64) -> bool) {
        while self.0.back().is_some_and(|&(_, held)| !beats(held, price)) {
            self.0.pop_back();
        }
        self.0.push_back((bucket, price));
    }

    /// The extreme of the closed buckets from `tail` on.
    #[inline]
    fn from(&self, tail: u64) -> f64 {
        let first = self.0.partition_point(|&(bucket, _)| bucket < tail);
        self.0.get(first).map_or(PRICE_UNSET, |&(_, price)| price)
    }

    #[inline]
    fn make_room(&mut self, room: usize) {
        if self.0.capacity() < room {
            self.0.reserve_exact(room - self.0.len());
        }
    }

    #[inline]
    fn drop_before(&mut self, bucket: u64) {
        while self.0.front().is_some_and(|&(number, _)| number < bucket) {
            self.0.pop_front();
        }
    }
}

/// Hot fields first, in this order: a trade inside the newest bucket needs only the two cache lines at its beginning.
#[repr(C, align(64))]
struct Lane {
    quantum: Nanos,
    /// Shortest window of the lane.
    shortest: Nanos,
    /// Which of the windows are the lane's, a bit each.
    windows: u64,
    /// The bucket that trades in line fall into; [`NO_BUCKET`] while the lane is empty.
    newest: Bucket,
    /// The buckets before it.
    closed: VecDeque<Bucket>,
    /// Buckets ever dropped from the front: a bucket's number minus this is its index.
    dropped: u64,
    highs: Extremes,
    lows: Extremes,
    /// Longest window of the lane.
    span: Nanos,
}

/// Closed buckets for which a lane has room from the first one on, about a memory page: growing up to there costs a
/// dozen allocations, and half a minute of trading needs it.
const ROOM: usize = 8;

/// Time of the newest bucket where there is none.
const NO_BUCKET: Nanos = Nanos::MIN;

/// The row first: a trade inside it needs that cache line alone.
#[repr(C, align(64))]
struct Window {
    /// Its values, whether they are known or not.
    row: WindowRow,
    lane: usize,
    length: Nanos,
    /// Number of the oldest bucket inside.
    tail: u64,
    /// Where the price before the window stands on the tape.
    base_key: TapeKey,
    /// Trades before this were not kept for it; `Nanos::MIN` where nothing is missing.
    since: Nanos,
    /// The end of the newest hole in what came, see [`crate::coverage`].
    uncovered: Nanos,
    /// It has left both behind.
    known: bool,
}

/// The windows of one symbol; what every look at the time needs is first.
#[repr(C)]
pub(crate) struct Windows {
    /// Until this time nothing leaves a window and none becomes known.
    next: Nanos,
    /// Some row differs from what it was at the last [`Windows::take_changed`].
    changed: bool,
    /// No window is unknown.
    all_known: bool,
    lanes: Box<[Lane]>,
    held: Box<[Window]>,
}

impl Windows {
    pub(crate) fn new() -> Self {
        Self { next: Nanos::MIN, changed: true, all_known: false, lanes: Box::default(), held: Box::default() }
    }

    /// Something before this time is missing: no window that touches it is known.
    pub(crate) fn uncover(&mut self, until: Nanos) {
        (self.next, self.all_known) = (Nanos::MIN, false);
        for window in &mut self.held {
            window.uncovered = until;
        }
    }

    /// Registers windows that are not known yet; they start with what their lane still holds. Trades before `since`
    /// may have passed unseen, the newest price among them is `last`: until a window has left that time behind it is
    /// unknown, unless a longer one was there before.
    pub(crate) fn register(&mut self, lengths: &[Nanos], now: Nanos, since: Nanos, last: (f64, TapeKey)) {
        (self.next, self.changed, self.all_known) = (Nanos::MIN, true, false);
        let mut lanes = std::mem::take(&mut self.lanes).into_vec();
        let mut held = std::mem::take(&mut self.held).into_vec();
        for &length in &lengths[held.len()..] {
            let quantum = quantum(length);
            let lane = lanes.iter().position(|lane| lane.quantum == quantum).unwrap_or_else(|| {
                lanes.push(Lane::new(quantum, length));
                lanes.len() - 1
            });
            let longer = held.iter().filter(|held: &&Window| held.lane == lane && held.length >= length);
            let best = longer.min_by_key(|held| held.since);
            lanes[lane].span = lanes[lane].span.max(length);
            lanes[lane].shortest = lanes[lane].shortest.min(length);
            let mut window = Window::new(lane, length);
            // What is before a longer window is before this one, and so is, once this one is known, all that came unseen.
            let (base, from) = best.map_or((last, since), |held| ((held.row.base, held.base_key), held.since));
            ((window.row.base, window.base_key), window.since) = (base, from);
            window.known = window.since == Nanos::MIN;
            window.rebuild(&lanes[lane], now);
            // INVARIANT: an engine has no more than 64 windows.
            lanes[lane].windows |= 1 << held.len();
            held.push(window);
        }
        (self.lanes, self.held) = (lanes.into(), held.into());
    }

    /// Asks for what a trade inside the newest buckets needs.
    #[inline(always)]
    pub(crate) fn fetch(&self) {
        for lane in &self.lanes {
            prefetch(&lane.quantum);
            prefetch(&lane.newest.high);
            prefetch(&lane.closed);
            prefetch(&lane.lows);
        }
        for window in &self.held {
            prefetch(&window.row);
            prefetch(&window.base_key);
        }
    }

    /// Asks for what a trade that ends the newest buckets needs.
    #[inline(always)]
    pub(crate) fn fetch_closed(&self) {
        for lane in &self.lanes {
            if let (Some(bucket), Some(high), Some(low)) = (lane.closed.back(), lane.highs.0.back(), lane.lows.0.back())
            {
                prefetch(bucket);
                prefetch(high);
                prefetch(low);
            }
        }
    }

    /// True while some window holds a bucket, so that time alone can change it.
    pub(crate) fn is_moving(&self) -> bool {
        !self.all_known || self.lanes.iter().any(|lane| !lane.is_empty())
    }

    /// Number of windows.
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether a row may have changed since the last time this was asked.
    #[inline]
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Whether a row may have changed since [`Windows::take_changed`].
    pub(crate) fn has_changed(&self) -> bool {
        self.changed
    }

    /// A new trading date: prices and volumes of the old one belong to no window.
    pub(crate) fn clear(&mut self) {
        (self.next, self.changed) = (Nanos::MIN, true);
        for lane in &mut self.lanes {
            lane.clear();
        }
        for window in &mut self.held {
            *window = Window::new(window.lane, window.length);
        }
    }

    /// Takes a trade. `now` is engine time and not before the trade's own.
    #[inline]
    pub(crate) fn add(&mut self, print: Print, now: Nanos) {
        self.changed = true;
        for at in 0..self.lanes.len() {
            let lane = &mut self.lanes[at];
            // In line and inside every window: no window can have passed the bucket already.
            if !lane.is_newest(print.key.0) || now >= lane.newest.at + lane.shortest {
                self.add_elsewhere(at, print, now);
                continue;
            }
            lane.newest.add(&print);
            for window in ones(lane.windows) {
                self.held[window].add(&print);
            }
        }
    }

    /// Takes a trade outside the newest bucket: it opens the next one, or is late.
    #[inline(never)]
    fn add_elsewhere(&mut self, at: usize, print: Print, now: Nanos) {
        let lane = &mut self.lanes[at];
        let bucket_at = floor(print.key.0, lane.quantum);
        if bucket_at <= lane.newest.at || now >= bucket_at + lane.shortest {
            return self.insert(at, bucket_at, &print, now);
        }
        lane.open(bucket_at);
        self.next = self.next.min(bucket_at + lane.shortest);
        lane.newest.add(&print);
        for window in ones(lane.windows) {
            self.held[window].add(&print);
        }
    }

    /// Puts a late trade into its place and computes the lane's windows again.
    #[cold]
    fn insert(&mut self, at: usize, bucket_at: Nanos, print: &Print, now: Nanos) {
        self.next = Nanos::MIN;
        let lane = &mut self.lanes[at];
        let oldest = before(now, lane.quantum, lane.span);
        if bucket_at > oldest {
            lane.insert(bucket_at, print);
        }
        for window in self.held.iter_mut().filter(|window| window.lane == at) {
            let outside = bucket_at <= before(now, lane.quantum, window.length);
            if outside && print.priced && print.key >= window.base_key {
                (window.row.base, window.base_key) = (print.price, print.key);
            }
            window.rebuild(lane, now);
        }
    }

    /// Takes one of many trades that are put into their places at once; then [`Windows::settle`] must follow.
    #[cold]
    pub(crate) fn put(&mut self, print: &Print, now: Nanos) {
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            let bucket_at = floor(print.key.0, lane.quantum);
            if bucket_at > before(now, lane.quantum, lane.span) {
                lane.put(bucket_at, print);
            }
            for window in self.held.iter_mut().filter(|window| window.lane == at) {
                let outside = bucket_at <= before(now, lane.quantum, window.length);
                if outside && print.priced && print.key >= window.base_key {
                    (window.row.base, window.base_key) = (print.price, print.key);
                }
            }
        }
    }

    /// Computes all windows again, after [`Windows::put`].
    #[cold]
    pub(crate) fn settle(&mut self, now: Nanos) {
        (self.next, self.changed) = (Nanos::MIN, true);
        for lane in &mut self.lanes {
            lane.rank_all();
        }
        for window in &mut self.held {
            window.rebuild(&self.lanes[window.lane], now);
        }
    }

    /// Lets time pass: buckets that left a window are taken out of its sums.
    #[inline]
    pub(crate) fn evict(&mut self, now: Nanos) {
        if now >= self.next {
            self.evict_all(now);
        }
    }

    #[cold]
    fn evict_all(&mut self, now: Nanos) {
        (self.changed, self.all_known) = (true, true);
        self.next = Nanos::MAX;
        for window in &mut self.held {
            let next = window.evict(&self.lanes[window.lane], now);
            self.next = self.next.min(next);
            self.all_known &= window.known;
        }
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            let tails = self.held.iter().filter(|window| window.lane == at).map(|window| window.tail);
            lane.drop_before(tails.min().unwrap_or(lane.dropped));
        }
    }

    /// The values of window `index` after [`Windows::evict`].
    #[inline]
    pub(crate) fn row(&self, index: usize) -> WindowRow {
        match self.held.get(index) {
            Some(window) if self.all_known || window.known => window.row,
            Some(_) => WindowRow::unknown(),
            None => WindowRow::empty(),
        }
    }

    /// The values of a window that is not registered, from what is still held; `None` if that is not enough.
    pub(crate) fn scan(&self, length: Nanos, now: Nanos) -> Option<WindowRow> {
        let quantum = quantum(length);
        let at = self.lanes.iter().position(|lane| lane.quantum == quantum && lane.span >= length)?;
        let lane = &self.lanes[at];
        let mut window = Window::new(at, length);
        let longest = self.held.iter().find(|held| held.lane == at && held.length == lane.span)?;
        (window.row.base, window.base_key) = (longest.row.base, longest.base_key);
        window.rebuild(lane, now);
        Some(window.row)
    }
}

impl Lane {
    const fn new(quantum: Nanos, length: Nanos) -> Self {
        Self {
            quantum,
            shortest: length,
            windows: 0,
            newest: Bucket::new(NO_BUCKET),
            closed: VecDeque::new(),
            dropped: 0,
            highs: Extremes(VecDeque::new()),
            lows: Extremes(VecDeque::new()),
            span: length,
        }
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.newest.at == NO_BUCKET
    }

    /// True for a time inside the newest bucket; a comparison tells it without a division.
    #[inline]
    fn is_newest(&self, time: Nanos) -> bool {
        time.wrapping_sub(self.newest.at).cast_unsigned() < self.quantum.cast_unsigned()
    }

    /// Number of the newest bucket, or of the one that will be.
    #[inline]
    fn newest_number(&self) -> u64 {
        self.dropped + self.closed.len() as u64
    }

    /// The bucket of a number.
    #[inline]
    fn bucket(&self, number: u64) -> Option<&Bucket> {
        let newest = (number == self.newest_number() && !self.is_empty()).then_some(&self.newest);
        self.closed.get((number - self.dropped) as usize).or(newest)
    }

    /// Closes the newest bucket and opens one behind it.
    fn open(&mut self, at: Nanos) {
        self.close();
        self.newest = Bucket::new(at);
    }

    /// Moves the newest bucket to the closed ones, where there is one.
    fn close(&mut self) {
        if self.is_empty() {
            return;
        }
        let number = self.newest_number();
        if self.closed.capacity() == 0 {
            self.closed.reserve_exact(ROOM);
        }
        self.closed.push_back(self.newest);
        // Never more entries than buckets: the queues grow with them, so that a warm lane does not allocate.
        let room = self.closed.capacity();
        self.highs.make_room(room);
        self.lows.make_room(room);
        self.rank(number, self.newest.high, self.newest.low);
    }

    /// Takes the extremes of a closed bucket into the queues.
    fn rank(&mut self, number: u64, high: f64, low: f64) {
        if !high.is_nan() {
            self.highs.push(number, high, |held, new| held > new);
            self.lows.push(number, low, |held, new| held < new);
        }
    }

    /// Adds a trade to the bucket of its time, wherever that is.
    fn insert(&mut self, at: Nanos, print: &Print) {
        self.put(at, print);
        self.rank_all();
    }

    /// The same without a look at the extremes.
    fn put(&mut self, at: Nanos, print: &Print) {
        self.close();
        let index = self.closed.partition_point(|bucket| bucket.at < at);
        if self.closed.get(index).is_none_or(|bucket| bucket.at != at) {
            self.closed.insert(index, Bucket::new(at));
        }
        self.closed[index].add(print);
        self.newest = self.closed.pop_back().unwrap_or(Bucket::new(NO_BUCKET));
    }

    /// Ranks all closed buckets again.
    fn rank_all(&mut self) {
        self.highs.0.clear();
        self.lows.0.clear();
        for index in 0..self.closed.len() {
            let Bucket { high, low, .. } = self.closed[index];
            self.rank(self.dropped + index as u64, high, low);
        }
    }

    /// Highest and lowest price of the buckets from `tail` on.
    #[inline]
    fn extremes(&self, tail: u64) -> (f64, f64) {
        let (mut high, mut low) = (self.highs.from(tail), self.lows.from(tail));
        if self.newest_number() >= tail {
            let newest = &self.newest;
            // NaN compares false, so what is there takes its place; an empty bucket changes nothing.
            high = if newest.high <= high || newest.high.is_nan() { high } else { newest.high };
            low = if newest.low >= low || newest.low.is_nan() { low } else { newest.low };
        }
        (high, low)
    }

    fn drop_before(&mut self, bucket: u64) {
        while self.dropped < bucket && self.closed.pop_front().is_some() {
            self.dropped += 1;
        }
        if self.dropped < bucket {
            self.newest = Bucket::new(NO_BUCKET);
            self.dropped += 1;
        }
        self.highs.drop_before(self.dropped);
        self.lows.drop_before(self.dropped);
    }

    fn clear(&mut self) {
        self.newest = Bucket::new(NO_BUCKET);
        self.closed.clear();
        self.dropped = 0;
        self.highs.0.clear();
        self.lows.0.clear();
    }
}

impl Window {
    fn new(lane: usize, length: Nanos) -> Self {
        Self {
            row: WindowRow::empty(),
            lane,
            length,
            tail: 0,
            base_key: TAPE_START,
            since: Nanos::MIN,
            uncovered: Nanos::MIN,
            known: true,
        }
    }

    /// Takes a trade that is inside.
    #[inline]
    fn add(&mut self, print: &Print) {
        let row = &mut self.row;
        row.volume += print.size;
        row.notional += print.notional;
        row.trade_count += print.count;
        if print.priced {
            widen(&mut row.high, &mut row.low, print.price);
        }
    }

    /// Takes out the buckets that have left; gives the time at which the next one will, or it becomes known.
    fn evict(&mut self, lane: &Lane, now: Nanos) -> Nanos {
        let oldest = before(now, lane.quantum, self.length);
        let mut next = Nanos::MAX;
        while let Some(bucket) = lane.bucket(self.tail) {
            if bucket.at > oldest {
                next = bucket.at + self.length;
                break;
            }
            self.row.volume += -bucket.volume;
            self.row.notional += -bucket.notional;
            self.row.trade_count -= bucket.count;
            self.pass(bucket);
            self.tail += 1;
        }
        (self.row.high, self.row.low) = lane.extremes(self.tail);
        self.known = oldest >= self.since.max(floor(self.uncovered, lane.quantum));
        if self.known { next } else { next.min(floor(now, lane.quantum).saturating_add(lane.quantum)) }
    }

    /// A bucket before the window gives the price that the window's change is measured from.
    #[inline]
    fn pass(&mut self, bucket: &Bucket) {
        if bucket.last_key > self.base_key {
            (self.row.base, self.base_key) = (bucket.last, bucket.last_key);
        }
    }

    /// Computes the row again, all but what was passed before.
    fn rebuild(&mut self, lane: &Lane, now: Nanos) {
        let oldest = before(now, lane.quantum, self.length);
        self.row = WindowRow { base: self.row.base, ..WindowRow::empty() };
        self.tail = lane.dropped;
        while let Some(bucket) = lane.bucket(self.tail).filter(|bucket| bucket.at <= oldest) {
            self.pass(bucket);
            self.tail += 1;
        }
        for bucket in (self.tail..).map_while(|number| lane.bucket(number)) {
            self.row.volume += bucket.volume;
            self.row.notional += bucket.notional;
            self.row.trade_count += bucket.count;
        }
        (self.row.high, self.row.low) = lane.extremes(self.tail);
    }
}

/// The places of the bits that are set.
#[inline]
fn ones(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = (bits != 0).then(|| bits.trailing_zeros() as usize);
        bits &= bits.wrapping_sub(1);
        lowest
    })
}

/// The newest bucket that a window of this length no longer holds.
#[inline]
pub(crate) fn before(now: Nanos, quantum: Nanos, length: Nanos) -> Nanos {
    floor(now, quantum).saturating_sub(length)
}

/// The finest quantum.
const FINEST: Nanos = quantum(1);
/// The quantum of windows of a minute.
const MIDDLE: Nanos = quantum(60 * SECOND);

#[inline]
pub(crate) fn floor(time: Nanos, quantum: Nanos) -> Nanos {
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
    use ringtape_model::units::Wide;

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
            let mut windows = Windows::new();
            windows.register(&lengths, 0, Nanos::MIN, NO_PRICE);
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
                windows.add(print, now);
                prints.push(print);
                if kind == 7 {
                    now += pause * MILLI;
                }
                // Several trades may come before anybody looks.
                if kind == 6 {
                    continue;
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
        let mut windows = Windows::new();
        windows.register(&[60 * SECOND], 0, Nanos::MIN, NO_PRICE);
        let print = Print { key: (SECOND, 1), price: 1.1, size: 3, notional: 33, count: 1, priced: true };
        windows.add(print, SECOND);
        windows.evict(62 * SECOND);
        let row = windows.row(0);
        assert_eq!((row.volume.get(), row.notional.get(), row.trade_count), (0, 0, 0));
        assert!(row.high.is_nan() && row.base == 1.1);
    }

    #[test]
    fn a_window_registered_late_is_unknown_until_it_is_covered() {
        let mut windows = Windows::new();
        windows.register(&[60 * SECOND], 0, Nanos::MIN, NO_PRICE);
        let print = |second: i64| Print {
            key: (second * SECOND, second),
            price: 10.0,
            size: 1,
            notional: 1,
            count: 1,
            priced: true,
        };
        windows.add(print(100), 100 * SECOND);
        windows.register(
            &[60 * SECOND, 300 * SECOND, 30 * SECOND],
            100 * SECOND,
            100 * SECOND,
            (10.0, (100 * SECOND, 100)),
        );
        windows.evict(100 * SECOND);
        assert!(windows.row(1).is_unknown());
        // A longer window was there, so nothing of the shorter one is missing.
        assert_eq!(windows.row(2).trade_count, 1);
        windows.add(print(399), 399 * SECOND);
        windows.evict(399 * SECOND);
        assert!(windows.row(1).is_unknown());
        windows.evict(400 * SECOND);
        assert_eq!(windows.row(1).trade_count, 1);
    }

    #[test]
    fn unregistered_windows_are_scanned_from_what_is_held() {
        let mut windows = Windows::new();
        windows.register(&[60 * SECOND], 0, Nanos::MIN, NO_PRICE);
        for second in 0..40 {
            let print = Print {
                key: (second * SECOND, second),
                price: 10.0 + second as f64,
                size: 1,
                notional: 1,
                count: 1,
                priced: true,
            };
            windows.add(print, second * SECOND);
        }
        windows.evict(39 * SECOND);
        let row = windows.scan(20 * SECOND, 39 * SECOND);
        assert_eq!(row.map(|row| (row.base, row.low, row.high, row.trade_count)), Some((29.0, 30.0, 49.0, 20)));
        assert!(windows.scan(120 * SECOND, 39 * SECOND).is_none());
        assert!(windows.scan(5 * SECOND, 39 * SECOND).is_none());
    }
}
