//! The price of one symbol over time: a fair value that wanders, trends and jumps, and the quote around it.
//!
//! The fair value is a double; every price that leaves this file is an integer of 1e-8 on the symbol's grid.

use ringtape_model::units::{Nanos, SECOND};

use crate::random::Random;

/// Longest stretch without an event that still adds to the wandering.
const IDLE_MAX: f64 = 60.0;
/// How much of its distance from the anchor a calm price loses in a second.
const PULL: f64 = 0.000_5;
/// A fair value never falls below this many ticks.
const FLOOR_TICKS: f64 = 16.0;
/// Beyond these multiples of the anchor a story only leads back.
const FAR: std::ops::Range<f64> = 0.7..1.5;

/// How a symbol's prices are printed and how lively they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    /// Smallest step of a quoted price in 1e-8.
    pub tick: i64,
    /// Usual spread in ticks.
    pub spread: u32,
    /// Standard wandering as a fraction per root second, times about two (see `Random::bell`).
    pub volatility: f64,
}

/// Price state of a symbol.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    grid: Grid,
    anchor: f64,
    fair: f64,
    moved_at: Nanos,
    /// Fraction per second while a story lasts.
    drift: f64,
    story_until: Nanos,
    /// Best bid in 1e-8.
    pub bid: i64,
    /// Best offer in 1e-8.
    pub ask: i64,
}

impl Path {
    /// A path that was at `anchor` (1e-8) yesterday and starts at `fair`.
    pub(crate) fn new(anchor: i64, fair: f64, grid: Grid, start: Nanos) -> Self {
        let mut path =
            Self { grid, anchor: anchor as f64, fair, moved_at: start, drift: 0.0, story_until: start, bid: 0, ask: 0 };
        path.place(grid.spread);
        path
    }

    /// True while the symbol has a story.
    #[inline]
    pub(crate) fn is_hot(&self, now: Nanos) -> bool {
        now < self.story_until
    }

    /// True while a story leads up.
    #[inline]
    pub(crate) fn is_rising(&self, now: Nanos) -> bool {
        self.is_hot(now) && self.drift > 0.0
    }

    /// Fair value in 1e-8, rounded.
    #[inline]
    pub(crate) fn fair_e8(&self) -> i64 {
        (self.fair + 0.5) as i64
    }

    /// Begins a trend of 2 to 10 percent a minute; every other one starts with a jump of 1 to 4 percent.
    pub(crate) fn begin_story(&mut self, now: Nanos, until: Nanos, random: &mut Random) {
        let ratio = self.fair / self.anchor;
        let up = if FAR.contains(&ratio) { random.chance(55) } else { ratio < 1.0 };
        let sign = if up { 1.0 } else { -1.0 };
        self.settle(now, random);
        self.drift = sign * (0.02 + 0.08 * random.unit()) / 60.0;
        self.story_until = until;
        if random.chance(50) {
            self.fair *= 1.0 + sign * (0.01 + 0.03 * random.unit());
        }
    }

    /// Moves the fair value to `now` and puts a new quote around it.
    pub(crate) fn requote(&mut self, now: Nanos, random: &mut Random) {
        self.settle(now, random);
        let wider = u32::from(random.chance(25)) + u32::from(self.is_hot(now));
        self.place(self.grid.spread + wider);
    }

    fn settle(&mut self, now: Nanos, random: &mut Random) {
        let seconds = ((now - self.moved_at) as f64 / SECOND as f64).min(IDLE_MAX);
        let (drift, scale) =
            if self.is_hot(now) { (self.drift, 3.0) } else { ((self.anchor / self.fair - 1.0) * PULL, 1.0) };
        let noise = self.grid.volatility * scale * seconds.sqrt() * random.bell();
        self.fair = (self.fair * (1.0 + drift * seconds + noise)).max(FLOOR_TICKS * self.grid.tick as f64);
        self.moved_at = now;
    }

    /// INVARIANT: `0 < bid < ask`, both on the grid: the floor leaves room for the widest spread.
    fn place(&mut self, spread: u32) {
        let tick = self.grid.tick;
        let width = i64::from(spread.max(1)) * tick;
        let bid = (self.fair as i64 - width / 2).div_euclid(tick) * tick;
        self.bid = bid.max(tick);
        self.ask = self.bid + width;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: Grid = Grid { tick: 1_000_000, spread: 2, volatility: 0.000_2 };

    #[test]
    fn quotes_stay_on_the_grid_and_uncrossed_over_a_day() {
        let mut random = Random::new(5);
        let mut path = Path::new(150_000_000, 150_000_000.0, GRID, 0);
        for minute in 0..400 {
            let now = minute * 60 * SECOND;
            path.begin_story(now, now + 45 * SECOND, &mut random);
            for step in 0..60 {
                path.requote(now + step * SECOND, &mut random);
                assert!(0 < path.bid && path.bid < path.ask, "{path:?}");
                assert!(path.bid % GRID.tick == 0 && path.ask % GRID.tick == 0, "{path:?}");
            }
        }
        assert!((0.4..2.5).contains(&(path.fair / path.anchor)), "{path:?}");
    }

    #[test]
    fn a_story_moves_the_price_by_percent_a_minute() {
        let mut random = Random::new(6);
        let mut path = Path::new(10_000_000_000, 10_000_000_000.0, GRID, 0);
        path.begin_story(0, 60 * SECOND, &mut random);
        let before = path.fair;
        for step in 1..60 {
            path.requote(step * SECOND, &mut random);
        }
        assert!((path.fair / before - 1.0).abs() > 0.01, "{path:?}");
    }
}
