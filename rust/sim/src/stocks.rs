//! US stocks: trades with sale conditions, NBBO quotes, second and minute bars.

use std::collections::VecDeque;
use std::io::Write as _;

use ringtape_model::condition::{self, fold};
use ringtape_model::event::{BAR_COMPLETE, SOURCE_VENUE};
use ringtape_model::units::{CODE_UNSET, E8, ID_UNSET, MILLI, Nanos, PRICE_UNSET, SECOND, TIME_UNSET};
use ringtape_model::{Quote, Trade, Venue, VenueBar};
use ringtape_wire::massive::encode;

use crate::activity::Activity;
use crate::bars::{Span, floor};
use crate::log::Log;
use crate::names;
use crate::path::{Grid, Path};
use crate::random::Random;
use crate::subscription::{MINUTES, QUOTES, SECONDS, TRADES};

/// Share of quotes among quotes and trades: with the bars on top about 60 : 35 : 5.
const QUOTE_PERCENT: u32 = 63;
/// Share of trades reported off exchange.
const TRF_PERCENT: u32 = 42;
/// Late prints in 10,000 trades.
const LATE_PER_10K: u32 = 40;

const MINUTE: Nanos = 60 * SECOND;
/// Second bars come out from two seconds after their end on, within a quarter of a second.
const SECOND_DELAY: Nanos = 2 * SECOND;
const SECOND_SPREAD: Nanos = SECOND / 4;
/// Minute bars come out from one second after their end on, within two seconds.
const MINUTE_DELAY: Nanos = SECOND;
const MINUTE_SPREAD: Nanos = 2 * SECOND;

/// Half a cent and such: the grain of off-exchange prices, in 1e-8.
const GRAIN: i64 = E8 / 10_000;
const CENT: i64 = E8 / 100;

const EXCHANGES: [u16; 16] = [1, 2, 3, 7, 8, 9, 10, 11, 12, 15, 16, 17, 18, 19, 20, 21];
/// FINRA: off-exchange prints carry this id and a reporting facility.
const OFF_EXCHANGE: u16 = 4;
const FACILITIES: [u16; 3] = [201, 202, 203];

/// What the market keeps of a stock beside its price path.
struct Listing {
    previous_close: i64,
    sequence: i64,
    tape: u8,
    /// Price of the official open in 1e-8; 0 before it.
    open: i64,
    /// Price and time of the last trade that was not late.
    last: Option<(i64, Nanos)>,
    second: Span,
    minute: Span,
    day: Span,
}

/// A bar that is closed and waits to be sent.
struct Pending {
    due: Nanos,
    symbol: u32,
    bar: VenueBar,
}

/// Bars of one interval: which symbols traded in it, and which bars wait.
struct Desk {
    interval: Nanos,
    delay: Nanos,
    spread: Nanos,
    traded: Vec<u32>,
    pending: VecDeque<Pending>,
}

impl Desk {
    fn new(interval: Nanos, delay: Nanos, spread: Nanos) -> Self {
        Self { interval, delay, spread, traded: Vec::new(), pending: VecDeque::new() }
    }

    fn due(&self) -> Nanos {
        self.pending.front().map_or(Nanos::MAX, |pending| pending.due)
    }

    /// Closes the interval that ends at `end`; `bar` takes a symbol's span and gives its bar, if there is one.
    fn close(&mut self, end: Nanos, mut bar: impl FnMut(u32) -> Option<VenueBar>) {
        let gap = self.spread / (self.traded.len() as Nanos + 1);
        let mut due = end + self.delay;
        for &symbol in &self.traded {
            if let Some(mut bar) = bar(symbol) {
                bar.ts_event = end - self.interval;
                bar.ts_end = end;
                bar.interval_ms = (self.interval / MILLI) as u32;
                self.pending.push_back(Pending { due, symbol, bar });
                due += gap;
            }
        }
        self.traded.clear();
    }
}

/// The pretend US listing market.
pub(crate) struct Stocks {
    names: Vec<String>,
    paths: Vec<Path>,
    listings: Vec<Listing>,
    activity: Activity,
    random: Random,
    mean_gap: f64,
    next_order: Nanos,
    next_second: Nanos,
    /// Next step of the opening: a quote and an opening print for each symbol in turn.
    opening: usize,
    trade_number: u64,
    seconds: Desk,
    minutes: Desk,
}

impl Stocks {
    pub(crate) fn new(seed: u64, symbols: usize, mean_gap: f64, start: Nanos) -> Self {
        let mut random = Random::new(seed);
        let closes: Vec<i64> = (0..symbols).map(|rank| previous_close(rank, &mut random)).collect();
        let mut paths: Vec<Path> = closes.iter().map(|&close| open_path(close, start, &mut random)).collect();
        let listings = closes.iter().map(|&close| Listing::new(close, &mut random)).collect();
        let mut activity = Activity::new(symbols);
        activity.start(start, &mut random, &mut paths);
        Self {
            names: names::tickers(symbols),
            paths,
            listings,
            activity,
            random,
            mean_gap,
            next_order: start,
            next_second: floor(start, SECOND) + SECOND,
            opening: 0,
            trade_number: 1000,
            seconds: Desk::new(SECOND, SECOND_DELAY, SECOND_SPREAD),
            minutes: Desk::new(MINUTE, MINUTE_DELAY, MINUTE_SPREAD),
        }
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn previous_close(&self, symbol: usize) -> i64 {
        self.listings[symbol].previous_close
    }

    /// When the next step is due.
    #[inline]
    pub(crate) fn due(&self) -> Nanos {
        self.next_order.min(self.next_second).min(self.seconds.due()).min(self.minutes.due())
    }

    /// Mean time between orders from the next one on, in ns.
    pub(crate) fn set_gap(&mut self, mean_gap: f64) {
        self.mean_gap = mean_gap;
    }

    /// Orders resume at `at`; what was due in between still comes.
    pub(crate) fn rest_until(&mut self, at: Nanos) {
        self.next_order = self.next_order.max(at);
    }

    /// Takes the step that is due: seconds before bars before orders where they fall together.
    #[inline]
    pub(crate) fn step(&mut self, log: &mut Log) {
        let due = self.due();
        if self.next_second == due {
            self.turn_second();
        } else if self.seconds.due() == due {
            Self::send(&mut self.seconds, &self.names, SECONDS, log);
        } else if self.minutes.due() == due {
            Self::send(&mut self.minutes, &self.names, MINUTES, log);
        } else {
            self.order(due, log);
            // Two uniform draws: gaps from none to twice the mean.
            let gap = self.mean_gap * (self.random.unit() + self.random.unit());
            self.next_order += (gap as Nanos).max(1);
        }
    }

    fn send(desk: &mut Desk, names: &[String], channel: u8, log: &mut Log) {
        if let Some(Pending { symbol, bar, .. }) = desk.pending.pop_front() {
            let symbol = symbol as usize;
            log.push(symbol, channel, |out| encode::bar(out, &names[symbol], &bar));
        }
    }

    fn turn_second(&mut self) {
        let now = self.next_second;
        let listings = &mut self.listings;
        self.seconds.close(now, |symbol| {
            let listing = &mut listings[symbol as usize];
            let span = std::mem::take(&mut listing.second);
            span.is_bar().then(|| listing.bar(&span))
        });
        if now % MINUTE == 0 {
            self.minutes.close(now, |symbol| {
                let listing = &mut listings[symbol as usize];
                let span = std::mem::take(&mut listing.minute);
                span.is_bar().then(|| listing.bar(&span))
            });
        }
        self.activity.second(now, &mut self.random, &mut self.paths);
        self.next_second += SECOND;
    }

    fn order(&mut self, now: Nanos, log: &mut Log) {
        if self.opening < self.listings.len() * 2 {
            let symbol = self.opening / 2;
            self.opening += 1;
            return if self.opening % 2 == 1 {
                self.quote(symbol, now, log);
            } else {
                self.opening_print(symbol, now, log);
            };
        }
        let symbol = self.activity.draw(&mut self.random);
        if self.random.chance(QUOTE_PERCENT) {
            self.quote(symbol, now, log);
        } else {
            self.trade(symbol, now, log);
        }
    }

    fn quote(&mut self, symbol: usize, now: Nanos, log: &mut Log) {
        let random = &mut self.random;
        let (path, listing) = (&mut self.paths[symbol], &mut self.listings[symbol]);
        path.requote(now, random);
        let lot = round_lot(path.bid);
        let sizes = [random.between(1, 30), random.between(1, 30)].map(|lots| i64::from(lots) * lot);
        let has_indicator = random.chance(45);
        let at = floor(now, MILLI);
        let quote = Quote {
            ts_event: at,
            ts_sent: TIME_UNSET,
            ts_participant: at - i64::from(random.below(3)) * MILLI,
            bid: to_f64(path.bid),
            ask: to_f64(path.ask),
            bid_e8: path.bid,
            ask_e8: path.ask,
            bid_size: sizes[0] as f64,
            ask_size: sizes[1] as f64,
            bid_size_e8: sizes[0] * E8,
            ask_size_e8: sizes[1] * E8,
            sequence: listing.next_sequence(random),
            indicators: [if has_indicator { 604 } else { 0 }, 0, 0, 0],
            bid_exchange: random.pick(&EXCHANGES),
            ask_exchange: random.pick(&EXCHANGES),
            condition: if random.chance(30) { 1 } else { CODE_UNSET },
            venue: Venue::MassiveStocks as u8,
            tape: listing.tape,
            n_indicators: u8::from(has_indicator),
            ..Quote::default()
        };
        log.push(symbol, QUOTES, |out| encode::quote(out, &self.names[symbol], &quote));
    }

    /// The opening auction of the listing market.
    fn opening_print(&mut self, symbol: usize, now: Nanos, log: &mut Log) {
        let path = &self.paths[symbol];
        let price = i64::midpoint(path.bid, path.ask) / CENT * CENT;
        let price = price.clamp(path.bid, path.ask);
        let listing = &mut self.listings[symbol];
        listing.open = price;
        // 25 is the UTP plan's opening print (tape C), 17 the CTA plan's.
        let (exchange, condition) = if listing.tape == 3 { (12, 25) } else { (10, 17) };
        let size = i64::from(self.random.between(50, 2_000)) * 100 * E8;
        let draft = Draft { price, size, exchange, facility: CODE_UNSET, delay: 1, late: false };
        self.print(symbol, now, &draft, &[condition], log);
    }

    fn trade(&mut self, symbol: usize, now: Nanos, log: &mut Log) {
        let random = &mut self.random;
        let (path, listing) = (&self.paths[symbol], &self.listings[symbol]);
        let off_exchange = random.chance(TRF_PERCENT);
        let lot = round_lot(path.bid);
        let size = trade_size(off_exchange, path.is_hot(now), random);
        let odd = size < lot * E8;
        let mut draft = Draft {
            price: trade_price(path, off_exchange, now, random),
            size,
            exchange: if off_exchange { OFF_EXCHANGE } else { random.pick(&EXCHANGES) },
            facility: if off_exchange { random.pick(&FACILITIES) } else { CODE_UNSET },
            delay: i64::from(random.below(if off_exchange { 400 } else { 12 })),
            late: false,
        };
        let late = random.below(10_000) < LATE_PER_10K;
        if let Some((price, at)) = listing.last.filter(|_| off_exchange && late) {
            // A late print repeats an earlier trade, 11 to 90 s after it at least by its participant time.
            let happened = at.min(now - i64::from(random.between(11, 90)) * SECOND);
            draft = Draft { price, delay: (now - happened) / MILLI, late: true, ..draft };
            return self.print(symbol, now, &draft, if odd { &[32, 37] } else { &[32] }, log);
        }
        let conditions: &[u16] = match (random.below(100), off_exchange, odd) {
            (0..25, false, false) => &[14, 41],
            (0..25, false, true) => &[14, 37, 41],
            (98, true, false) => &[41, 53],
            (99, true, false) => &[2],
            (_, _, true) => &[37],
            _ => &[],
        };
        self.print(symbol, now, &draft, conditions, log);
    }

    /// Sends a trade and adds it to the bars.
    fn print(&mut self, symbol: usize, now: Nanos, draft: &Draft, conditions: &[u16], log: &mut Log) {
        let listing = &mut self.listings[symbol];
        let at = floor(now, MILLI);
        let happened = at - draft.delay * MILLI;
        let off_exchange = draft.facility != CODE_UNSET;
        self.trade_number += 1;
        let mut trade = Trade {
            ts_event: at,
            ts_sent: TIME_UNSET,
            ts_participant: happened,
            ts_trf: if off_exchange { at - draft.delay.min(2) * MILLI } else { TIME_UNSET },
            price: to_f64(draft.price),
            price_e8: draft.price,
            size: to_f64(draft.size),
            size_e8: draft.size,
            sequence: listing.next_sequence(&mut self.random),
            first_id: ID_UNSET,
            last_id: ID_UNSET,
            exchange: draft.exchange,
            trf_id: draft.facility,
            venue: Venue::MassiveStocks as u8,
            tape: listing.tape,
            n_conditions: conditions.len() as u8,
            ..Trade::default()
        };
        trade.conditions[..conditions.len()].copy_from_slice(conditions);
        // INVARIANT: a u64 has at most 20 digits, so it fits the field.
        let _ = write!(&mut trade.id[..], "{}", self.trade_number);
        let rights = fold(conditions, true, false);
        if listing.second.count == 0 {
            self.seconds.traded.push(symbol as u32);
        }
        if listing.minute.count == 0 {
            self.minutes.traded.push(symbol as u32);
        }
        for span in [&mut listing.second, &mut listing.minute, &mut listing.day] {
            span.add(draft.price, draft.size, rights);
        }
        if !draft.late && rights.has(condition::LAST) {
            listing.last = Some((draft.price, happened));
        }
        log.push(symbol, TRADES, |out| encode::trade(out, &self.names[symbol], &trade));
    }
}

/// What makes one trade different from another.
struct Draft {
    price: i64,
    size: i64,
    exchange: u16,
    facility: u16,
    /// From execution to the tape in ms.
    delay: i64,
    late: bool,
}

impl Listing {
    fn new(previous_close: i64, random: &mut Random) -> Self {
        Self {
            previous_close,
            sequence: i64::from(random.between(1_000, 5_000_000)),
            tape: random.pick(&[1, 1, 1, 2, 2, 3, 3, 3, 3]),
            open: 0,
            last: None,
            second: Span::default(),
            minute: Span::default(),
            day: Span::default(),
        }
    }

    /// Rises with gaps, shared by trades and quotes.
    #[inline]
    fn next_sequence(&mut self, random: &mut Random) -> i64 {
        self.sequence += i64::from(random.between(1, 8));
        self.sequence
    }

    /// The bar of a closed span, with the day as it stands now.
    fn bar(&self, span: &Span) -> VenueBar {
        VenueBar {
            ts_sent: TIME_UNSET,
            open: to_f64(span.open),
            high: to_f64(span.high),
            low: to_f64(span.low),
            close: to_f64(span.close),
            volume: to_f64(span.volume),
            volume_e8: span.volume,
            dollar_volume: PRICE_UNSET,
            vwap: to_f64(span.vwap()),
            buy_volume: PRICE_UNSET,
            buy_dollar_volume: PRICE_UNSET,
            trade_count: ID_UNSET,
            day_volume: to_f64(self.day.volume),
            day_volume_e8: self.day.volume,
            day_open: if self.open == 0 { PRICE_UNSET } else { to_f64(self.open) },
            day_vwap: to_f64(self.day.vwap()),
            average_size: span.average_size() as f64,
            first_id: ID_UNSET,
            last_id: ID_UNSET,
            venue: Venue::MassiveStocks as u8,
            source: SOURCE_VENUE,
            flags: BAR_COMPLETE,
            ..VenueBar::default()
        }
    }
}

#[inline]
fn to_f64(value_e8: i64) -> f64 {
    value_e8 as f64 / E8 as f64
}

/// Round lots since 2025-11-03, by price in 1e-8.
#[inline]
fn round_lot(price: i64) -> i64 {
    match price / E8 {
        ..=249 => 100,
        250..=999 => 40,
        1_000..=9_999 => 10,
        _ => 1,
    }
}

/// Yesterday's close: the best known names at 20 to 700 dollars, the others by bands.
fn previous_close(rank: usize, random: &mut Random) -> i64 {
    const BANDS: [(u32, u32, u32); 7] = [
        (5, 30, 99),
        (15, 100, 499),
        (25, 500, 1_999),
        (35, 2_000, 9_999),
        (15, 10_000, 39_999),
        (4, 40_000, 99_999),
        (1, 100_000, 400_000),
    ];
    let mut draw = random.below(100);
    let cents = random.unit();
    if rank < 60 {
        return (2_000 + (cents * 68_000.0) as i64) * CENT;
    }
    for (weight, low, high) in BANDS {
        if draw < weight {
            return (i64::from(low) + (cents * f64::from(high - low)) as i64) * CENT;
        }
        draw -= weight;
    }
    10 * E8
}

/// The day opens within one percent of the close for most, up to 8 percent away for one in ten.
fn open_path(close: i64, start: Nanos, random: &mut Random) -> Path {
    let reach = if random.chance(10) { 0.04 } else { 0.005 };
    let fair = close as f64 * (1.0 + reach * random.bell());
    let grid = Grid {
        // SOURCE: Rule 612: quotes below a dollar may have four decimals; a margin keeps a falling stock on pennies.
        tick: if close < E8 { GRAIN } else { CENT },
        spread: random.pick(&[1, 1, 1, 2, 2, 3]) + (close / (200 * E8)).min(8) as u32,
        volatility: 0.000_1 + 0.000_2 * random.unit(),
    };
    Path::new(close, fair, grid, start)
}

/// At the quote on exchange, anywhere inside off exchange; buyers lead while a story leads up.
fn trade_price(path: &Path, off_exchange: bool, now: Nanos, random: &mut Random) -> i64 {
    let buyers = match (path.is_hot(now), path.is_rising(now)) {
        (false, _) => 50,
        (true, true) => 72,
        (true, false) => 28,
    };
    let buys = random.chance(buyers);
    let inside = match (off_exchange, random.below(100)) {
        (false, 0..90) | (true, 0..40) => 0,
        (_, 90..) => (path.ask - path.bid) / 2 / GRAIN,
        _ => i64::from(random.below(((path.ask - path.bid) / GRAIN).min(50) as u32 + 1)),
    };
    let step = inside * GRAIN;
    if buys { path.ask - step } else { path.bid + step }
}

/// Half of all trades are odd lots; off exchange one in eight has a fraction of a share.
fn trade_size(off_exchange: bool, hot: bool, random: &mut Random) -> i64 {
    if off_exchange && random.chance(12) {
        return i64::from(random.below(60)) * E8 + i64::from(random.between(1, 999_999)) * 100;
    }
    let shares = match random.below(100) {
        0..32 => 100,
        32..82 => random.between(1, 99),
        82..97 => random.between(1, 40) * 100,
        _ => random.between(101, 9_000),
    };
    let factor = if hot { random.between(2, 6) } else { 1 };
    i64::from(shares * factor) * E8
}
