//! Which symbol the next event belongs to, and which symbols have a story.
//!
//! Activity follows Zipf's law with exponent 1, as US stocks roughly do. On top of it a few symbols at a time
//! have a story: a trend of several percent a minute, often after a jump, with a burst of volume. Stories may
//! fall on any symbol, so that a scanner finds movers within seconds among 500 or 12,000 symbols.

use ringtape_model::units::{Nanos, SECOND};

use crate::path::Path;
use crate::random::Random;

/// Share of all events that goes to symbols with a story.
const STORY_PERCENT: u32 = 20;
/// Most stories at a time.
const STORIES_MAX: usize = 24;

/// Draws an index by weight in constant time (Walker's alias method).
struct Alias {
    /// Column `i` keeps `i` below the threshold and gives its alias from there on.
    columns: Vec<(f64, u32)>,
}

impl Alias {
    /// Weights 1, 1/2, 1/3, ...
    fn zipf(count: usize) -> Self {
        let weights: Vec<f64> = (1..=count).map(|rank| 1.0 / rank as f64).collect();
        let scale = count as f64 / weights.iter().sum::<f64>();
        let mut columns: Vec<(f64, u32)> = weights.iter().zip(0..).map(|(weight, i)| (weight * scale, i)).collect();
        let (mut small, mut large): (Vec<u32>, Vec<u32>) =
            (0..count as u32).partition(|&i| columns[i as usize].0 < 1.0);
        while let (Some(poor), Some(&rich)) = (small.pop(), large.last()) {
            columns[poor as usize].1 = rich;
            columns[rich as usize].0 -= 1.0 - columns[poor as usize].0;
            if columns[rich as usize].0 < 1.0 {
                large.pop();
                small.push(rich);
            }
        }
        Self { columns }
    }

    #[inline]
    fn draw(&self, random: &mut Random) -> usize {
        let i = random.below(self.columns.len() as u32);
        let (threshold, alias) = self.columns[i as usize];
        if random.unit() < threshold { i as usize } else { alias as usize }
    }
}

struct Story {
    symbol: u32,
    until: Nanos,
}

/// Draws symbols; begins and ends stories.
pub(crate) struct Activity {
    alias: Alias,
    stories: Vec<Story>,
    most: usize,
}

impl Activity {
    pub(crate) fn new(symbols: usize) -> Self {
        let most = (symbols / 8).clamp(1, STORIES_MAX);
        Self { alias: Alias::zipf(symbols), stories: Vec::with_capacity(most), most }
    }

    /// The symbol of the next event.
    #[inline]
    pub(crate) fn draw(&self, random: &mut Random) -> usize {
        if !self.stories.is_empty() && random.chance(STORY_PERCENT) {
            let i = random.below(self.stories.len() as u32);
            return self.stories[i as usize].symbol as usize;
        }
        self.alias.draw(random)
    }

    /// Begins half of the stories at once.
    pub(crate) fn start(&mut self, now: Nanos, random: &mut Random, paths: &mut [Path]) {
        for _ in 0..self.most.div_ceil(2) {
            self.begin(now, random, paths);
        }
    }

    /// Once a second: ends what is over and begins at most one new story.
    pub(crate) fn second(&mut self, now: Nanos, random: &mut Random, paths: &mut [Path]) {
        self.stories.retain(|story| story.until > now);
        if self.stories.len() < self.most {
            self.begin(now, random, paths);
        }
    }

    fn begin(&mut self, now: Nanos, random: &mut Random, paths: &mut [Path]) {
        let symbol = random.below(paths.len() as u32);
        let until = now + i64::from(random.between(15, 60)) * SECOND;
        if self.stories.iter().all(|story| story.symbol != symbol) {
            paths[symbol as usize].begin_story(now, until, random);
            self.stories.push(Story { symbol, until });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activity_follows_zipf() {
        let alias = Alias::zipf(1000);
        let mut random = Random::new(3);
        let mut counts = vec![0u32; 1000];
        for _ in 0..1_000_000 {
            counts[alias.draw(&mut random)] += 1;
        }
        let ratio = f64::from(counts[0]) / f64::from(counts[9]);
        assert!((9.0..11.0).contains(&ratio), "{ratio}");
        assert!(counts.iter().all(|&count| count > 50));
    }
}
