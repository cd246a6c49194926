//! Reference data: what is known of a symbol from elsewhere, and the fields made from it.
//!
//! What describes past days holds for the date that it was given for; on the next one it is undefined until it is given
//! again. Everything that takes a loop over days is computed when it is given.

use std::collections::VecDeque;

use ringtape_model::Field;
use ringtape_model::units::{Nanos, PRICE_UNSET, SECOND, TIME_UNSET, size_to_f64};

use super::{Line, View};

/// One completed day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DayBar {
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Official close.
    pub close: f64,
    /// Volume.
    pub volume: f64,
    /// A half day: its volume is not compared with that of others.
    pub half: bool,
}

/// A number of the reference data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names of the columns say it")]
pub enum ReferenceColumn {
    PrevClose,
    PrevOpen,
    PrevHigh,
    PrevLow,
    PrevVolume,
    Sigma1m,
    Float,
    SharesOutstanding,
    FundingInterval,
    OpenInterest,
}

impl ReferenceColumn {
    /// Every column, in order.
    pub const ALL: [Self; 10] = [
        Self::PrevClose,
        Self::PrevOpen,
        Self::PrevHigh,
        Self::PrevLow,
        Self::PrevVolume,
        Self::Sigma1m,
        Self::Float,
        Self::SharesOutstanding,
        Self::FundingInterval,
        Self::OpenInterest,
    ];

    /// The name of the column.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PrevClose => "prev_close",
            Self::PrevOpen => "prev_open",
            Self::PrevHigh => "prev_high",
            Self::PrevLow => "prev_low",
            Self::PrevVolume => "prev_volume",
            Self::Sigma1m => "sigma_1m",
            Self::Float => "float",
            Self::SharesOutstanding => "shares_outstanding",
            Self::FundingInterval => "funding_interval",
            Self::OpenInterest => "open_interest",
        }
    }

    /// It holds on every date, not only on the one that it was given for.
    const fn stays(self) -> bool {
        matches!(self, Self::Float | Self::SharesOutstanding | Self::FundingInterval | Self::OpenInterest)
    }
}

/// Reference data of one symbol, as it is given. What is left out leaves what was given before.
#[derive(Clone, Debug, Default)]
pub struct ReferenceData {
    /// Numbers by column.
    pub numbers: Vec<(ReferenceColumn, f64)>,
    /// Completed days, oldest first, the last one the trading date before.
    pub days: Option<Vec<DayBar>>,
    /// Of each of the last days, oldest first, the volume so far at the end of each minute of the date.
    pub volume_profile: Option<Vec<Vec<f64>>>,
    /// The same for the number of trades.
    pub trade_profile: Option<Vec<Vec<f64>>>,
}

/// Reference data of one symbol, prepared.
pub(crate) struct Reference {
    /// The date that it holds for; 0 until the first one.
    pub(crate) date: u32,
    numbers: [f64; ReferenceColumn::ALL.len()],
    pub(crate) days: Days,
    volume: Profile,
    trades: Profile,
    interest: Interest,
}

impl Reference {
    pub(crate) fn new() -> Self {
        Self {
            date: 0,
            numbers: [PRICE_UNSET; ReferenceColumn::ALL.len()],
            days: Days::default(),
            volume: Profile::default(),
            trades: Profile::default(),
            interest: Interest::default(),
        }
    }

    /// Takes what is given for a date, at engine time `now`.
    pub(crate) fn take(&mut self, data: ReferenceData, date: u32, now: Nanos) {
        if self.date != date {
            self.forget();
        }
        self.date = date;
        for (column, value) in data.numbers {
            if column == ReferenceColumn::OpenInterest {
                self.interest.add(now, value);
            }
            self.numbers[column as usize] = value;
        }
        if let Some(days) = data.days {
            self.days = Days::new(days);
        }
        if let Some(profile) = data.volume_profile {
            self.volume = Profile::new(&profile);
        }
        if let Some(profile) = data.trade_profile {
            self.trades = Profile::new(&profile);
        }
    }

    /// What described the days before another date.
    fn forget(&mut self) {
        for column in ReferenceColumn::ALL.into_iter().filter(|column| !column.stays()) {
            self.numbers[column as usize] = PRICE_UNSET;
        }
        (self.days, self.volume, self.trades) = (Days::default(), Profile::default(), Profile::default());
    }

    pub(crate) fn number(&self, column: ReferenceColumn) -> f64 {
        self.numbers[column as usize]
    }

    /// The previous close: its own column, else that of the last day.
    pub(crate) fn prev_close(&self) -> f64 {
        first_of(self.number(ReferenceColumn::PrevClose), self.days.newest(|day| day.close))
    }
}

/// The first of two numbers that is known.
fn first_of(first: f64, second: f64) -> f64 {
    if first.is_nan() { second } else { first }
}

/// Open interest that is remembered: a day of samples five minutes apart, and some.
const SAMPLES: usize = 512;
/// How old open interest may be where nothing tells how often it comes.
const FIRST_AGE: Nanos = 180 * SECOND;
/// How far before the beginning of a window its first sample may lie.
const SAMPLE_AGE: Nanos = 300 * SECOND;

/// Open interest over time, as it was given.
#[derive(Default)]
struct Interest(VecDeque<(Nanos, f64)>);

impl Interest {
    fn add(&mut self, time: Nanos, value: f64) {
        if self.0.len() == SAMPLES {
            self.0.pop_front();
        }
        self.0.push_back((time, value));
    }

    fn newest(&self, now: Nanos) -> f64 {
        let Some(&(time, value)) = self.0.back() else { return PRICE_UNSET };
        let before = self.0.len().checked_sub(2).map(|at| self.0[at].0);
        let age = before.map_or(FIRST_AGE, |before| 3 * time.saturating_sub(before));
        if time == TIME_UNSET || now - time > age { PRICE_UNSET } else { value }
    }

    fn before(&self, time: Nanos) -> f64 {
        let after = self.0.partition_point(|&(at, _)| at <= time);
        let held = after.checked_sub(1).map(|at| self.0[at]);
        held.filter(|&(at, _)| time.saturating_sub(at) <= SAMPLE_AGE).map_or(PRICE_UNSET, |(_, value)| value)
    }
}

/// Days of a year on which stocks trade.
const YEAR: usize = 252;
/// What `high_lookback` is where no day reached the price.
const NEVER: f64 = 366.0;
/// Days of the average true range.
const ATR_DAYS: usize = 14;

/// Completed days; slices by days back begin with the newest.
pub(crate) struct Days {
    /// Newest first.
    bars: Vec<DayBar>,
    /// Highest and lowest price of the newest n + 1 days.
    highest: Vec<f64>,
    lowest: Vec<f64>,
    /// Volume of the newest n + 1 full days.
    volume: Vec<f64>,
    /// Days by how far back they are, each beyond all that are newer.
    rising: Vec<(f64, usize)>,
    falling: Vec<(f64, usize)>,
    atr: f64,
    sigma: f64,
    /// Signed run of rising or falling closes.
    run: f64,
}

impl Default for Days {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Days {
    fn new(mut bars: Vec<DayBar>) -> Self {
        bars.reverse();
        let running = |pick: fn(f64, f64) -> f64, of: fn(&DayBar) -> f64| {
            let mut so_far = PRICE_UNSET;
            let step = |bar: &DayBar| {
                so_far = pick(so_far, of(bar));
                so_far
            };
            bars.iter().map(step).collect::<Vec<f64>>()
        };
        let highest = running(f64::max, |bar| bar.high);
        let lowest = running(f64::min, |bar| bar.low);
        let mut sum = 0.0;
        let full = bars.iter().filter(|bar| !bar.half);
        let volume = full.map(|bar| {
            sum += bar.volume;
            sum
        });
        Self {
            volume: volume.collect(),
            rising: records(&highest),
            falling: records(&lowest),
            highest,
            lowest,
            atr: atr(&bars),
            sigma: sigma(&bars),
            run: run(&bars),
            bars,
        }
    }

    fn newest(&self, of: fn(&DayBar) -> f64) -> f64 {
        self.bars.first().map_or(PRICE_UNSET, of)
    }

    /// Low of the last day and the close before it.
    pub(crate) fn fall(&self) -> Option<(f64, f64)> {
        Some((self.bars.first()?.low, self.bars.get(1)?.close))
    }

    /// Close of that many days ago.
    fn close(&self, back: usize) -> f64 {
        self.bars.get(back - 1).map_or(PRICE_UNSET, |bar| bar.close)
    }

    /// Mean of the newest closes.
    fn sma(&self, count: usize) -> f64 {
        let sum = self.bars.get(..count).map(|bars| bars.iter().map(|bar| bar.close).sum::<f64>());
        sum.map_or(PRICE_UNSET, |sum| sum / count as f64)
    }

    /// Exponential mean of all closes. Cost: a step for each day.
    fn ema(&self, count: usize) -> f64 {
        let mut closes = self.bars.iter().rev().map(|bar| bar.close);
        let first = closes.by_ref().take(count).sum::<f64>() / count as f64;
        let share = 2.0 / (count as f64 + 1.0);
        let mean = closes.fold(first, |mean, close| mean + share * (close - mean));
        if self.bars.len() < 3 * count { PRICE_UNSET } else { mean }
    }

    fn average_volume(&self, days: usize) -> f64 {
        let count = self.volume.len().min(days);
        if count < days.min(5) { PRICE_UNSET } else { self.volume[count - 1] / count as f64 }
    }

    fn mean_range(&self, days: usize) -> f64 {
        let ranges = self.bars.get(..days).map(|bars| bars.iter().map(|bar| bar.high - bar.low).sum::<f64>());
        ranges.map_or(PRICE_UNSET, |sum| sum / days as f64)
    }

    /// Range of that many days and today; the whole year where there are enough of them.
    fn range(&self, days: usize, view: &View<'_>) -> (f64, f64) {
        match days.checked_sub(1).and_then(|last| Some((self.highest.get(last)?, self.lowest.get(last)?))) {
            Some((&high, &low)) => (high.max(view.row.high), low.min(view.row.low)),
            None => (PRICE_UNSET, PRICE_UNSET),
        }
    }

    fn year(&self, view: &View<'_>) -> (f64, f64) {
        const LEAST: usize = 20;
        self.range(if self.bars.len() < LEAST { usize::MAX } else { self.bars.len().min(YEAR) }, view)
    }
}

/// Where a running extreme moves, with the days back.
fn records(running: &[f64]) -> Vec<(f64, usize)> {
    let mut out: Vec<(f64, usize)> = Vec::new();
    for (back, &extreme) in (1..).zip(running) {
        if out.last().is_none_or(|&(held, _)| held != extreme) {
            out.push((extreme, back));
        }
    }
    out
}

/// Wilder's average true range of completed days, newest first.
fn atr(bars: &[DayBar]) -> f64 {
    let mut ranges = bars.windows(2).rev().map(|pair| true_range(pair[0].high, pair[0].low, pair[1].close));
    let first: Vec<f64> = ranges.by_ref().take(ATR_DAYS).collect();
    if first.len() < ATR_DAYS {
        return PRICE_UNSET;
    }
    let smoothed = |mean: f64, range: f64| (mean * (ATR_DAYS - 1) as f64 + range) / ATR_DAYS as f64;
    ranges.fold(first.iter().sum::<f64>() / ATR_DAYS as f64, smoothed)
}

/// SOURCE: J. W. Wilder, "New Concepts in Technical Trading Systems" (1978), Volatility System.
pub(crate) fn true_range(high: f64, low: f64, before: f64) -> f64 {
    (high - low).max((high - before).abs()).max((low - before).abs())
}

/// Sample standard deviation of the log returns of the last year, at least 20.
fn sigma(bars: &[DayBar]) -> f64 {
    let returns: Vec<f64> = bars.windows(2).take(YEAR).map(|pair| (pair[0].close / pair[1].close).ln()).collect();
    if returns.len() < 20 { PRICE_UNSET } else { deviation(&returns) }
}

/// Sample standard deviation.
fn deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>();
    (squares / (values.len() - 1) as f64).sqrt()
}

fn run(bars: &[DayBar]) -> f64 {
    let mut run = if bars.is_empty() { PRICE_UNSET } else { 0.0 };
    for pair in bars.windows(2) {
        let step = sign(pair[0].close - pair[1].close);
        if step == 0.0 || run * step < 0.0 {
            break;
        }
        run += step;
    }
    run
}

fn sign(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value.signum() }
}

/// Fewest days of a profile, and of its logarithms.
const PROFILE_DAYS: usize = 3;
const LOG_DAYS: usize = 10;
/// Most days that are averaged.
const PROFILE_MOST: usize = 10;
const LOG_MOST: usize = 20;
/// Expected volumes, and trades, below which nothing is compared.
const VOLUME_FLOOR: f64 = 2_000.0;
const WINDOW_FLOOR: f64 = 200.0;
const TRADES_FLOOR: f64 = 10.0;

/// What is expected by the time of the day: the mean of some days at the end of each minute, linear in between.
#[derive(Default)]
pub(crate) struct Profile {
    /// From the start of the date on; empty where there are too few days.
    mean: Vec<f64>,
    /// Mean and standard deviation of ln(1 + value).
    logs: Vec<(f64, f64)>,
}

impl Profile {
    fn new(days: &[Vec<f64>]) -> Self {
        let minutes = days.iter().map(Vec::len).max().unwrap_or(0);
        // A day that ends early stays at its last value.
        let at = |day: &Vec<f64>, minute: usize| match minute {
            0 => 0.0,
            minute => day.get(minute - 1).or(day.last()).copied().unwrap_or(0.0),
        };
        let newest = |most: usize| &days[days.len().saturating_sub(most)..];
        let mean = |minute: usize| {
            let days = newest(PROFILE_MOST);
            days.iter().map(|day| at(day, minute)).sum::<f64>() / days.len() as f64
        };
        let log = |minute: usize| {
            let logs: Vec<f64> = newest(LOG_MOST).iter().map(|day| at(day, minute).ln_1p()).collect();
            (logs.iter().sum::<f64>() / logs.len() as f64, deviation(&logs))
        };
        let all = |least: usize| if days.len() < least { 0 } else { minutes + 1 };
        Self { mean: (0..all(PROFILE_DAYS)).map(mean).collect(), logs: (0..all(LOG_DAYS)).map(log).collect() }
    }

    /// What is expected by a time of the current date.
    fn expected(&self, time: Nanos, view: &View<'_>) -> f64 {
        interpolated(&self.mean, time, view, |value| value)
    }

    /// What is expected within a window.
    fn within(&self, window: Nanos, view: &View<'_>) -> f64 {
        self.expected(view.now, view) - self.expected(view.now.saturating_sub(window), view)
    }

    fn whole_day(&self) -> f64 {
        self.mean.last().copied().unwrap_or(PRICE_UNSET)
    }
}

/// A value at a time of the current date, linear between minutes.
fn interpolated<T: Copy>(minutes: &[T], time: Nanos, view: &View<'_>, of: fn(T) -> f64) -> f64 {
    const MINUTE: Nanos = 60 * SECOND;
    let Some(last) = minutes.len().checked_sub(1).filter(|_| time != TIME_UNSET) else { return PRICE_UNSET };
    let passed = (time - view.day.start).max(0);
    let minute = ((passed / MINUTE) as usize).min(last);
    let (from, to) = (of(minutes[minute]), of(minutes[(minute + 1).min(last)]));
    from + (to - from) * ((passed % MINUTE) as f64 / MINUTE as f64)
}

fn at_least(value: f64, floor: f64) -> f64 {
    if value < floor { PRICE_UNSET } else { value }
}

impl Reference {
    /// Fields that hold on every date.
    pub(crate) fn lasting(&self, line: &Line, view: &View<'_>) -> f64 {
        let interest = || self.interest.newest(view.now);
        match line.field.field {
            Field::Oi => interest(),
            Field::OiValue => interest() * view.row.mark,
            Field::OiChangeW => interest() / self.interest.before(view.now.saturating_sub(line.field.window)) - 1.0,
            Field::Float => self.number(ReferenceColumn::Float),
            Field::FloatTurnover => view.volume() / self.number(ReferenceColumn::Float),
            Field::SharesOutstanding => self.number(ReferenceColumn::SharesOutstanding),
            Field::MarketCap => view.row.last * self.number(ReferenceColumn::SharesOutstanding),
            _ => PRICE_UNSET,
        }
    }

    /// Fields that compare with the days before.
    pub(crate) fn dated(&self, line: &Line, view: &View<'_>) -> f64 {
        let (field, row, days) = (line.field.field, view.row, &self.days);
        let back = line.field.count as usize;
        let number = |column, of: fn(&DayBar) -> f64| first_of(self.number(column), days.newest(of));
        let (high, low) =
            (number(ReferenceColumn::PrevHigh, |day| day.high), number(ReferenceColumn::PrevLow, |day| day.low));
        let pivot = (high + low + row.prev_close) / 3.0;
        let position = |(high, low): (f64, f64)| (row.last - low) / (high - low);
        match field {
            Field::PrevOpen => number(ReferenceColumn::PrevOpen, |day| day.open),
            Field::PrevHigh => high,
            Field::PrevLow => low,
            Field::PrevVolume => number(ReferenceColumn::PrevVolume, |day| day.volume),
            Field::PosPrevDay => position((high, low)),
            Field::Pivot => pivot,
            Field::PivotR1 => 2.0 * pivot - low,
            Field::PivotS1 => 2.0 * pivot - high,
            Field::PivotR2 => pivot + (high - low),
            Field::PivotS2 => pivot - (high - low),
            Field::Atr => days.atr,
            Field::AtrPct => days.atr / row.last,
            Field::RangeAtr => (row.high - row.low) / days.atr,
            Field::GapAtr => (row.open - row.prev_close) / days.atr,
            Field::SigmaDay => days.sigma,
            Field::Sigma1m => self.number(ReferenceColumn::Sigma1m),
            Field::MoveSigma => (view.today() / row.prev_close).ln() / days.sigma,
            Field::ReturnZ => {
                let minutes = line.field.window as f64 / (60 * SECOND) as f64;
                let change = view.today() / view.base(line, 0);
                change.ln() / (self.number(ReferenceColumn::Sigma1m) * minutes.sqrt())
            }
            Field::ChangeDays => view.today() / days.close(back) - 1.0,
            Field::Change1y => view.today() / days.close(YEAR) - 1.0,
            Field::PosRangeDays => position(days.range(back, view)),
            Field::Pos52w => position(days.year(view)),
            Field::High52w => days.year(view).0,
            Field::Low52w => days.year(view).1,
            Field::Off52wHigh => row.last / days.year(view).0 - 1.0,
            Field::HighLookback => lookback(&days.rising, |high| high < row.last, row.last),
            Field::LowLookback => lookback(&days.falling, |low| low > row.last, row.last),
            Field::ConsecutiveDays => {
                let step = sign(view.today() - row.prev_close);
                if step * days.run > 0.0 { days.run + step } else { step + days.run * 0.0 }
            }
            Field::RangeContraction => days.mean_range(3) / days.mean_range(20),
            Field::Sma => days.sma(back),
            Field::Ema => days.ema(back),
            Field::DistSma => row.last / days.sma(back) - 1.0,
            Field::DistEma => row.last / days.ema(back) - 1.0,
            Field::AvgVolume => days.average_volume(back),
            Field::RvolSimple => view.volume() / days.average_volume(10),
            _ => self.by_time(line, view),
        }
    }

    /// Fields that compare with the same time of the days before.
    fn by_time(&self, line: &Line, view: &View<'_>) -> f64 {
        let (volume, window) = (view.volume(), line.field.window);
        let expected = || self.volume.expected(view.now, view);
        match line.field.field {
            Field::VolumeExpected => expected(),
            Field::Rvol => volume / at_least(expected(), VOLUME_FLOOR),
            Field::VolumeProjected => volume / (expected() / self.volume.whole_day()),
            Field::VolumeZ => {
                let logs = &self.volume.logs;
                let mean = interpolated(logs, view.now, view, |(mean, _)| mean);
                (volume.ln_1p() - mean) / interpolated(logs, view.now, view, |(_, deviation)| deviation)
            }
            Field::RvolW => {
                let own = view.window(line, 0).map_or(PRICE_UNSET, |row| size_to_f64(row.volume.get()));
                own / at_least(self.volume.within(window, view), WINDOW_FLOOR)
            }
            Field::TradeRateRelW => {
                let own = view.window(line, 0).map_or(PRICE_UNSET, |row| row.trade_count as f64);
                own / at_least(self.trades.within(window, view), TRADES_FLOOR)
            }
            _ => PRICE_UNSET,
        }
    }
}

/// Days back to the first that is not `short` of the last price.
fn lookback(records: &[(f64, usize)], short: impl Fn(f64) -> bool, last: f64) -> f64 {
    if records.is_empty() || last.is_nan() {
        return PRICE_UNSET;
    }
    let first = records.partition_point(|&(extreme, _)| short(extreme));
    records.get(first).map_or(NEVER, |&(_, back)| (back as f64).min(NEVER))
}
