//! Engine time of one venue: what "now" means, from arguments alone.
//!
//! `now = max(watermark, recv − delay)`: the watermark is the greatest event time seen, `delay` the smallest
//! `recv − event` of the last 60 s, so a recorder's clock that is seconds off does not matter. Time never goes
//! back. Events more than 5 s ahead of both `now` and their own receipt are quarantined: they move nothing. After a
//! minute in which no event was believed, what was known of the clocks counts no more.

use ringtape_model::units::{Nanos, SECOND, TIME_UNSET};

/// How far ahead of `now` an event may be.
const AHEAD: Nanos = 5 * SECOND;
/// How far ahead of its receive time an event may be where nothing is known of the venue's clock.
const FIRST_AHEAD: Nanos = 3_600 * SECOND;
/// Seconds over which the smallest delay is kept.
const SPAN: usize = 60;

/// The clock of one venue.
pub(crate) struct Clock {
    now: Nanos,
    watermark: Nanos,
    /// Smallest delay of each second of receive time, by second % 60, with that second.
    delays: [(i64, Nanos); SPAN],
    delay: Nanos,
    second: i64,
    /// Receive time of the last event that was believed.
    believed: Nanos,
}

impl Clock {
    pub(crate) const fn new() -> Self {
        Self {
            now: TIME_UNSET,
            watermark: TIME_UNSET,
            delays: [(i64::MIN, Nanos::MAX); SPAN],
            delay: Nanos::MAX,
            second: i64::MIN,
            believed: TIME_UNSET,
        }
    }

    /// Engine time; `TIME_UNSET` before the first event.
    #[inline]
    pub(crate) const fn now(&self) -> Nanos {
        self.now
    }

    /// Greatest event time seen.
    pub(crate) const fn watermark(&self) -> Nanos {
        self.watermark
    }

    /// Latest event time that is believed in a frame received at `recv`.
    #[inline]
    pub(crate) fn limit(&self, recv: Nanos) -> Nanos {
        let silent = recv.saturating_sub(self.believed) > SPAN as i64 * SECOND;
        if self.now == TIME_UNSET || silent {
            return self.now.max(recv).saturating_add(FIRST_AHEAD);
        }
        // An event no later than its receipt is not from the future, whatever the lag was before.
        self.now.max(recv.saturating_sub(self.delay)).max(recv).saturating_add(AHEAD)
    }

    /// Takes the newest believed event time of a frame.
    #[inline]
    pub(crate) fn observe(&mut self, newest: Nanos, recv: Nanos) {
        let delay = recv.saturating_sub(newest);
        let second = recv.div_euclid(SECOND);
        let slot = &mut self.delays[second.rem_euclid(SPAN as i64) as usize];
        *slot = if slot.0 == second { (second, slot.1.min(delay)) } else { (second, delay) };
        self.watermark = self.watermark.max(newest);
        self.believed = self.believed.max(recv);
        self.expire(second);
        self.delay = self.delay.min(delay);
        self.advance(recv);
    }

    /// Time passes.
    #[inline]
    pub(crate) fn advance(&mut self, recv: Nanos) {
        if self.watermark == TIME_UNSET {
            return;
        }
        self.expire(recv.div_euclid(SECOND));
        self.now = self.now.max(self.watermark).max(recv.saturating_sub(self.delay));
    }

    /// Once a second of receive time: forgets delays older than a minute. Without fresh ones the last stays.
    #[inline]
    fn expire(&mut self, second: i64) {
        if second == self.second {
            return;
        }
        self.second = second;
        let recent = self.delays.iter().filter(|&&(at, _)| at > second - SPAN as i64 && at <= second);
        if let Some(least) = recent.map(|&(_, delay)| delay).min() {
            self.delay = least;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_behind_the_exchange_does_not_matter() {
        let mut clock = Clock::new();
        clock.observe(100 * SECOND, 98 * SECOND);
        assert_eq!(clock.now(), 100 * SECOND);
        clock.advance(99 * SECOND);
        assert_eq!(clock.now(), 101 * SECOND);
    }

    #[test]
    fn now_never_goes_back_and_the_future_is_limited() {
        let mut clock = Clock::new();
        assert_eq!(clock.limit(0), FIRST_AHEAD);
        clock.observe(10 * SECOND, 11 * SECOND);
        assert_eq!(clock.limit(12 * SECOND), 17 * SECOND);
        clock.observe(9 * SECOND, 12 * SECOND);
        assert_eq!(clock.now(), 11 * SECOND);
        clock.advance(5 * SECOND);
        assert_eq!(clock.now(), 11 * SECOND);
    }

    #[test]
    fn a_backlog_that_ends_is_believed() {
        let mut clock = Clock::new();
        clock.observe(100 * SECOND, 110 * SECOND);
        // Ten seconds of lag are gone at once: live events are not from the future.
        assert!(clock.limit(111 * SECOND) >= 111 * SECOND);
    }

    #[test]
    fn a_clock_that_was_set_back_is_learned_afresh_after_a_minute() {
        let mut clock = Clock::new();
        clock.observe(1_000 * SECOND, 1_000 * SECOND);
        // The local clock is 100 s back from now on.
        assert!(clock.limit(920 * SECOND) < 1_020 * SECOND);
        assert!(clock.limit(1_061 * SECOND) >= 1_161 * SECOND);
    }

    #[test]
    fn old_delays_are_forgotten_after_a_minute() {
        let mut clock = Clock::new();
        clock.observe(1_000 * SECOND, 1_001 * SECOND);
        for second in 1..70 {
            clock.observe((1_000 + second) * SECOND, (1_003 + second) * SECOND);
        }
        clock.advance(1_080 * SECOND);
        assert_eq!(clock.now(), 1_077 * SECOND);
    }
}
