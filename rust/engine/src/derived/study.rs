//! Numbers made from own bars that have ended: bars back, means, oscillators, bands, realised volatility.
//!
//! A study keeps the newest bars with what was made of each, so that a bar that is sent again is taken as if it had come like
//! this at once: everything from it on is computed again. As long as bars may be sent again, they are kept.

use std::collections::VecDeque;

use ringtape_model::units::{Nanos, PRICE_UNSET, SECOND, TIME_UNSET};
use ringtape_model::{Bar, Field};

use super::View;
use super::reference::true_range;

/// How long after its end a bar may be sent again.
const REVISE_FOR: Nanos = 900 * SECOND;
/// Lengths of the means of MACD.
const FAST: u32 = 12;
const SLOW: u32 = 26;
const SIGNAL: u32 = 9;
/// Bars for which there is room from the first one on.
const ROOM: usize = 32;
/// Returns that a realised volatility takes at least.
const RETURNS: usize = 5;

/// What is made of bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The bars themselves.
    Bars,
    Sma,
    Ema,
    Rsi,
    Atr,
    Macd,
    Bollinger,
    Run,
    /// Realised volatility over a window of that length.
    Volatility(Nanos),
}

/// A mean that begins with a plain one of `n` values and then takes each new value by a share.
#[derive(Clone, Copy, Default)]
struct Smooth {
    count: u32,
    /// Up to `n` values their sum, then the mean.
    value: f64,
}

impl Smooth {
    fn add(&mut self, value: f64, n: u32, share: f64) {
        self.count += 1;
        if self.count > n {
            self.value += share * (value - self.value);
        } else {
            self.value += value;
            if self.count == n {
                self.value /= f64::from(n);
            }
        }
    }

    fn exponential(&mut self, value: f64, n: u32) {
        self.add(value, n, 2.0 / (f64::from(n) + 1.0));
    }

    /// SOURCE: J. W. Wilder, "New Concepts in Technical Trading Systems" (1978).
    fn wilder(&mut self, value: f64, n: u32) {
        self.add(value, n, 1.0 / f64::from(n));
    }
}

/// What was made of the bars up to one of them.
#[derive(Clone, Copy, Default)]
struct State {
    /// Bars so far.
    count: u32,
    means: [Smooth; 3],
}

/// A bar and the state after it.
#[derive(Clone, Copy)]
struct Step {
    start: Nanos,
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    volume: f64,
    state: State,
}

/// A study of the bars of one length.
pub(crate) struct Study {
    what: What,
    n: u32,
    pub(crate) interval: Nanos,
    /// Bars that are kept.
    most: usize,
    steps: VecDeque<Step>,
    /// Older bars were given up.
    cut: bool,
    result: [f64; 2],
    /// When time alone changes the result.
    next: Nanos,
}

impl Study {
    pub(crate) fn new(what: What, n: u32, interval: Nanos) -> Self {
        let window = match what {
            What::Volatility(window) => window / interval,
            _ => i64::from(n),
        };
        let most = window.max(REVISE_FOR / interval) as usize + 2;
        let (steps, result) = (VecDeque::new(), [PRICE_UNSET; 2]);
        Self { what, n, interval, most, steps, cut: false, result, next: Nanos::MAX }
    }

    /// Whether it takes bars of all sessions.
    fn takes_all(&self) -> bool {
        self.what == What::Bars
    }

    /// Takes a bar that has ended, or has been sent again; `regular` tells whether it is of the regular session.
    pub(crate) fn bar(&mut self, bar: &Bar, regular: bool, now: Nanos) {
        if !regular && !self.takes_all() {
            return;
        }
        let &Bar { ts_event: start, open, high, low, close, volume, .. } = bar;
        let step = Step { start, open, high, low, close, volume, state: State::default() };
        if let Some(index) = self.keep(step) {
            for index in index..self.steps.len() {
                self.make(index);
            }
            self.conclude(now);
        }
    }

    /// Puts a bar into its place, which it gives; `None` for one that is older than what is kept.
    fn keep(&mut self, step: Step) -> Option<usize> {
        if self.steps.capacity() == 0 {
            // Bars of a minute then never ask for more.
            self.steps.reserve_exact(self.most.min(ROOM));
        }
        let mut index = self.steps.partition_point(|held| held.start < step.start);
        let sent_again = self.steps.get(index).is_some_and(|held| held.start == step.start);
        let full = self.steps.len() == self.most;
        // INVARIANT: the first bar that is kept has its state, unless it is the first of all. What was made of the bars
        // before it is not known any more, and no bar is sent again that late.
        if (index == 0 && self.cut) || (index < 2 && full && !sent_again) {
            return None;
        }
        if sent_again {
            self.steps[index] = step;
            return Some(index);
        }
        if full {
            self.steps.pop_front();
            self.cut = true;
            index -= 1;
        }
        self.steps.insert(index, step);
        Some(index)
    }

    /// Makes the state after a bar from that before it.
    fn make(&mut self, index: usize) {
        let before = index.checked_sub(1).map(|before| self.steps[before]);
        if before.is_none() && self.cut {
            return;
        }
        let step = &mut self.steps[index];
        let mut state = before.map_or(State::default(), |before| before.state);
        state.count += 1;
        let n = self.n;
        let [first, second, third] = &mut state.means;
        match (self.what, before) {
            (What::Ema, _) => first.exponential(step.close, n),
            (What::Macd, _) => {
                first.exponential(step.close, FAST);
                second.exponential(step.close, SLOW);
                if second.count >= SLOW {
                    third.exponential(first.value - second.value, SIGNAL);
                }
            }
            (What::Rsi, Some(before)) => {
                let change = step.close - before.close;
                first.wilder(change.max(0.0), n);
                second.wilder((-change).max(0.0), n);
            }
            (What::Atr, Some(before)) => first.wilder(true_range(step.high, step.low, before.close), n),
            _ => {}
        }
        step.state = state;
    }

    /// The closes of the newest bars, newest first; `None` where there are fewer than `n`.
    fn closes(&self, n: usize) -> Option<impl Iterator<Item = f64> + Clone + '_> {
        (self.steps.len() >= n).then(|| self.steps.iter().rev().take(n).map(|step| step.close))
    }

    /// What the study says after its newest bar.
    fn conclude(&mut self, now: Nanos) {
        let Some(&Step { state, .. }) = self.steps.back() else { return };
        let ([first, second, third], n) = (state.means, self.n);
        let when = |condition: bool, value: f64| if condition { value } else { PRICE_UNSET };
        self.result = match self.what {
            What::Bars => return,
            What::Ema => [when(state.count >= 3 * n, first.value), PRICE_UNSET],
            What::Rsi => [when(first.count >= n, strength(first.value, second.value)), PRICE_UNSET],
            What::Atr => [when(first.count >= n, first.value), PRICE_UNSET],
            What::Macd => {
                let warm = state.count >= 3 * SLOW;
                [when(warm, first.value - second.value), when(warm, third.value)]
            }
            What::Sma | What::Bollinger => self.mean(),
            What::Run => [self.run(), PRICE_UNSET],
            What::Volatility(window) => self.volatility(window, now),
        };
    }

    /// Mean and population deviation of the closes.
    fn mean(&self) -> [f64; 2] {
        let n = self.n as usize;
        let Some(closes) = self.closes(n) else { return [PRICE_UNSET; 2] };
        let mean = closes.clone().sum::<f64>() / n as f64;
        let squares = closes.map(|close| (close - mean) * (close - mean)).sum::<f64>();
        [mean, (squares / n as f64).sqrt()]
    }

    /// Signed run of rising or falling closes.
    fn run(&self) -> f64 {
        if self.steps.len() < 2 {
            return PRICE_UNSET;
        }
        let changes = self.steps.iter().rev().zip(self.steps.iter().rev().skip(1));
        let mut signs = changes.map(|(new, old)| i64::from(new.close > old.close) - i64::from(new.close < old.close));
        let first = signs.next().unwrap_or(0);
        if first == 0 { 0.0 } else { first as f64 * (1 + signs.take_while(|&sign| sign == first).count()) as f64 }
    }

    /// Root of the sum of squared log returns of the bars that ended in a window.
    fn volatility(&mut self, window: Nanos, now: Nanos) -> [f64; 2] {
        let ended = |step: &Step| step.start + self.interval;
        let first = self.steps.partition_point(|step| ended(step) <= now.saturating_sub(window));
        self.next = self.steps.get(first).map_or(Nanos::MAX, |step| ended(step) + window);
        let first = first.max(1);
        let squares =
            (first..self.steps.len()).map(|at| (self.steps[at].close / self.steps[at - 1].close).ln().powi(2));
        let known = squares.len() >= RETURNS;
        [if known { squares.sum::<f64>().sqrt() } else { PRICE_UNSET }, PRICE_UNSET]
    }

    /// Lets time pass; gives the time of the next look.
    pub(crate) fn evict(&mut self, now: Nanos) -> Nanos {
        if now >= self.next {
            self.conclude(now);
        }
        self.next
    }

    pub(crate) fn is_moving(&self) -> bool {
        self.next != Nanos::MAX && self.next != TIME_UNSET
    }

    pub(crate) fn value(&self, field: Field, view: &View<'_>) -> f64 {
        let [first, second] = self.result;
        let last = view.row.last;
        let back = || self.steps.len().checked_sub(self.n as usize).and_then(|at| self.steps.get(at));
        let bar = |of: fn(&Step) -> f64| back().map_or(PRICE_UNSET, of);
        match field {
            Field::BarOpen => bar(|bar| bar.open),
            Field::BarHigh => bar(|bar| bar.high),
            Field::BarLow => bar(|bar| bar.low),
            Field::BarClose => bar(|bar| bar.close),
            Field::BarVolume => bar(|bar| bar.volume),
            Field::DistSma | Field::DistEma => last / first - 1.0,
            Field::MacdSignal => second,
            Field::MacdHist => first - second,
            Field::BbUpper => first + 2.0 * second,
            Field::BbLower => first - 2.0 * second,
            Field::BbPos => (last - (first - 2.0 * second)) / (4.0 * second),
            Field::BbWidth if second > 0.0 => 4.0 * second / first,
            Field::BbWidth => PRICE_UNSET,
            _ => first,
        }
    }
}

/// Relative strength of mean gains and losses, 0 to 100.
fn strength(gain: f64, loss: f64) -> f64 {
    if gain + loss == 0.0 { PRICE_UNSET } else { 100.0 * gain / (gain + loss) }
}
