//! Perpetual futures: fills, aggregates of fills, best bid and offer, one-minute klines, mark prices.

use ringtape_model::condition::fold;
use ringtape_model::event::{BAR_COMPLETE, SIDE_BUY, SIDE_SELL, SOURCE_VENUE, TRADE_AGGREGATE};
use ringtape_model::units::{
    CODE_UNSET, E8, E8_UNSET, ID_UNSET, MILLI, Nanos, PRICE_UNSET, SECOND, TIME_UNSET, notional_to_f64,
};
use ringtape_model::{Mark, Quote, Trade, Venue, VenueBar};
use ringtape_wire::binance::encode;

use crate::activity::Activity;
use crate::bars::{Span, floor};
use crate::log::Log;
use crate::names;
use crate::path::{Grid, Path};
use crate::random::Random;
use crate::subscription::{AGG_TRADE, BOOK_TICKER, KLINE, MARK_1S, MARK_3S, TRADE};

const QUOTE_PERCENT: u32 = 72;
const MINUTE: Nanos = 60 * SECOND;
const FUNDING_INTERVAL: Nanos = 8 * 60 * MINUTE;
/// Klines are sent at most every 250 ms, on change.
const TICK: Nanos = SECOND / 4;
/// Final klines come this long after the minute; until then the new minute's stay back.
const FINAL_DELAY: Nanos = 2 * TICK;
const MOST_FILLS: u32 = 4;

/// One minute of a symbol.
#[derive(Clone, Copy, Default)]
struct Candle {
    start: Nanos,
    span: Span,
    first_id: i64,
    last_id: i64,
    buy_volume: i64,
    buy_notional: i128,
}

/// What the market keeps of a contract beside its price path.
struct Contract {
    previous_close: i64,
    /// Smallest step of a quantity in 1e-8.
    step: i64,
    /// Quantity worth about a thousand dollars, in steps.
    usual: u32,
    aggregate_id: i64,
    fill_id: i64,
    candle: Candle,
    /// The minute before, once the next one has begun and until its final kline is sent.
    closing: Option<Candle>,
    changed: bool,
}

/// The pretend futures market.
pub(crate) struct Crypto {
    names: Vec<String>,
    paths: Vec<Path>,
    contracts: Vec<Contract>,
    activity: Activity,
    random: Random,
    mean_gap: f64,
    next_order: Nanos,
    next_tick: Nanos,
    /// Order-book update id, shared over all symbols.
    update_id: i64,
}

impl Crypto {
    pub(crate) fn new(seed: u64, symbols: usize, mean_gap: f64, start: Nanos) -> Self {
        let mut random = Random::new(seed);
        let contracts: Vec<Contract> = (0..symbols).map(|rank| Contract::new(rank, &mut random)).collect();
        let mut paths: Vec<Path> =
            contracts.iter().map(|contract| open_path(contract.previous_close, start, &mut random)).collect();
        let mut activity = Activity::new(symbols);
        activity.start(start, &mut random, &mut paths);
        Self {
            names: names::pairs(symbols),
            paths,
            contracts,
            activity,
            random,
            mean_gap,
            next_order: start,
            next_tick: floor(start, TICK) + TICK,
            update_id: 359_220_650_272,
        }
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn previous_close(&self, symbol: usize) -> i64 {
        self.contracts[symbol].previous_close
    }

    /// When the next step is due.
    #[inline]
    pub(crate) fn due(&self) -> Nanos {
        self.next_order.min(self.next_tick)
    }

    /// Mean time between orders from the next one on, in ns.
    pub(crate) fn set_gap(&mut self, mean_gap: f64) {
        self.mean_gap = mean_gap;
    }

    /// Orders resume at `at`; what was due in between still comes.
    pub(crate) fn rest_until(&mut self, at: Nanos) {
        self.next_order = self.next_order.max(at);
    }

    /// Takes the step that is due: ticks before orders where they fall together.
    #[inline]
    pub(crate) fn step(&mut self, log: &mut Log) {
        if self.next_tick <= self.next_order {
            self.tick(log);
            return;
        }
        let now = self.next_order;
        let symbol = self.activity.draw(&mut self.random);
        let events = if self.random.chance(QUOTE_PERCENT) {
            self.book_ticker(symbol, now, log)
        } else {
            self.taker_order(symbol, now, log)
        };
        let gap = self.mean_gap * (self.random.unit() + self.random.unit()) * f64::from(events);
        self.next_order += (gap as Nanos).max(1);
    }

    fn tick(&mut self, log: &mut Log) {
        let now = self.next_tick;
        self.next_tick += TICK;
        if now % SECOND == 0 {
            self.activity.second(now, &mut self.random, &mut self.paths);
            self.marks(now, log);
        }
        if now.rem_euclid(MINUTE) < FINAL_DELAY {
            return;
        }
        for symbol in 0..self.contracts.len() {
            let contract = &mut self.contracts[symbol];
            let closing = contract.closing.take().or_else(|| contract.take_finished(now));
            if let Some(candle) = closing {
                kline(log, &self.names[symbol], symbol, &candle, now, BAR_COMPLETE);
            }
            if std::mem::take(&mut contract.changed) {
                kline(log, &self.names[symbol], symbol, &contract.candle, now, 0);
            }
        }
    }

    fn marks(&mut self, now: Nanos, log: &mut Log) {
        let channels = if now % (3 * SECOND) == 0 { MARK_1S | MARK_3S } else { MARK_1S };
        // QUIRK: on the funding second itself the old time is still sent; the next second has the new one.
        let next_funding = floor(now - 1, FUNDING_INTERVAL) + FUNDING_INTERVAL;
        for (symbol, path) in self.paths.iter().enumerate() {
            let fair = path.fair_e8();
            let mark = Mark {
                ts_event: now,
                next_funding,
                mark: to_f64(fair),
                mark_average: to_f64(fair),
                index: to_f64(fair + fair / 2000),
                settle: to_f64(fair - fair / 5000),
                funding_rate: to_f64(i64::from(self.random.between(0, 20_000)) - 5_000),
                venue: Venue::BinanceUsdm as u8,
                ..Mark::default()
            };
            log.push(symbol, channels, |out| encode::mark_price(out, &self.names[symbol], &mark));
        }
    }

    fn book_ticker(&mut self, symbol: usize, now: Nanos, log: &mut Log) -> u32 {
        let random = &mut self.random;
        let (path, contract) = (&mut self.paths[symbol], &self.contracts[symbol]);
        path.requote(now, random);
        self.update_id += i64::from(random.between(1, 50));
        let sizes = [contract.quantity(40, random), contract.quantity(40, random)];
        let at = floor(now, MILLI);
        let quote = Quote {
            ts_event: at,
            ts_sent: at + i64::from(random.below(3)) * MILLI,
            ts_participant: TIME_UNSET,
            bid: to_f64(path.bid),
            ask: to_f64(path.ask),
            bid_e8: path.bid,
            ask_e8: path.ask,
            bid_size: to_f64(sizes[0]),
            ask_size: to_f64(sizes[1]),
            bid_size_e8: sizes[0],
            ask_size_e8: sizes[1],
            sequence: self.update_id,
            bid_exchange: CODE_UNSET,
            ask_exchange: CODE_UNSET,
            condition: CODE_UNSET,
            venue: Venue::BinanceUsdm as u8,
            ..Quote::default()
        };
        log.push(symbol, BOOK_TICKER, |out| encode::book_ticker(out, &self.names[symbol], &quote));
        1
    }

    /// One taker order: one to four fills at one price, each a `trade`, together an `aggTrade`.
    fn taker_order(&mut self, symbol: usize, now: Nanos, log: &mut Log) -> u32 {
        let random = &mut self.random;
        let (path, contract) = (&self.paths[symbol], &mut self.contracts[symbol]);
        let name = &self.names[symbol];
        let buys = random.chance(if path.is_rising(now) { 72 } else { 50 });
        let price = if buys { path.ask } else { path.bid };
        let most = if path.is_hot(now) { 12 } else { 3 };
        let fills = random.between(1, MOST_FILLS);
        let at = floor(now, MILLI);
        contract.turn_minute(now);
        let mut aggregate = Trade {
            ts_event: at,
            ts_sent: at + i64::from(random.below(3)) * MILLI,
            ts_participant: TIME_UNSET,
            ts_trf: TIME_UNSET,
            price: to_f64(price),
            price_e8: price,
            size_e8: 0,
            first_id: ID_UNSET,
            last_id: ID_UNSET,
            exchange: CODE_UNSET,
            trf_id: CODE_UNSET,
            venue: Venue::BinanceUsdm as u8,
            side: if buys { SIDE_BUY } else { SIDE_SELL },
            ..Trade::default()
        };
        let first_id = contract.fill_id + 1;
        for _ in 0..fills {
            contract.fill_id += 1;
            let size_e8 = contract.quantity(most, random);
            let fill = Trade { size: to_f64(size_e8), size_e8, sequence: contract.fill_id, ..aggregate };
            contract.candle.add(&fill);
            aggregate.size_e8 += size_e8;
            log.push(symbol, TRADE, |out| encode::trade(out, name, &fill));
        }
        contract.changed = true;
        contract.aggregate_id += 1;
        aggregate.size = to_f64(aggregate.size_e8);
        aggregate.sequence = contract.aggregate_id;
        aggregate.first_id = first_id;
        aggregate.last_id = contract.fill_id;
        aggregate.flags = TRADE_AGGREGATE;
        log.push(symbol, AGG_TRADE, |out| encode::agg_trade(out, name, &aggregate));
        fills + 1
    }
}

impl Contract {
    fn new(rank: usize, random: &mut Random) -> Self {
        let unknown = POWERS[random.between(2, 6) as usize] * f64::from(random.between(1_000, 9_999)) / 1e7;
        let price = names::known_price(rank).unwrap_or(unknown);
        let magnitude = magnitude(price);
        // Quantities have as many decimals as the price has digits before the point, three at most.
        let step = [E8, E8 / 10, E8 / 100, E8 / 1000][magnitude.clamp(0, 3) as usize];
        let usual = 1000.0 / price / to_f64(step);
        let tick = tick(magnitude);
        Self {
            previous_close: (price * E8 as f64 / tick as f64 + 0.5) as i64 * tick,
            step,
            usual: (usual as u32).clamp(1, 1_000_000),
            aggregate_id: i64::from(random.between(1_000_000, 400_000_000)) * 8,
            fill_id: i64::from(random.between(1_000_000, 400_000_000)) * 20,
            candle: Candle::default(),
            closing: None,
            changed: false,
        }
    }

    /// A quantity up to `most` times the usual one.
    #[inline]
    fn quantity(&self, most: u32, random: &mut Random) -> i64 {
        i64::from(random.between(1, self.usual * most)) * self.step
    }

    /// Puts the candle aside when its minute is over.
    #[inline]
    fn turn_minute(&mut self, now: Nanos) {
        let start = floor(now, MINUTE);
        if self.candle.start != start {
            self.closing = self.take_finished(now).or(self.closing);
            self.candle.start = start;
        }
    }

    /// The candle, if it holds trades of a minute that is over.
    fn take_finished(&mut self, now: Nanos) -> Option<Candle> {
        let over = self.candle.span.is_bar() && self.candle.start != floor(now, MINUTE);
        over.then(|| {
            self.changed = false;
            std::mem::take(&mut self.candle)
        })
    }
}

impl Candle {
    fn add(&mut self, fill: &Trade) {
        if !self.span.is_bar() {
            self.first_id = fill.sequence;
        }
        self.last_id = fill.sequence;
        self.span.add(fill.price_e8, fill.size_e8, fold(&[], true, false));
        if fill.side == SIDE_BUY {
            self.buy_volume += fill.size_e8;
            self.buy_notional += i128::from(fill.price_e8) * i128::from(fill.size_e8);
        }
    }
}

fn kline(log: &mut Log, name: &str, symbol: usize, candle: &Candle, now: Nanos, flags: u16) {
    let span = &candle.span;
    let bar = VenueBar {
        ts_event: candle.start,
        ts_end: candle.start + MINUTE,
        ts_sent: now,
        open: to_f64(span.open),
        high: to_f64(span.high),
        low: to_f64(span.low),
        close: to_f64(span.close),
        volume: to_f64(span.volume),
        volume_e8: span.volume,
        dollar_volume: notional_to_f64(span.notional()),
        vwap: PRICE_UNSET,
        buy_volume: to_f64(candle.buy_volume),
        buy_dollar_volume: notional_to_f64(candle.buy_notional),
        trade_count: span.count,
        day_volume: PRICE_UNSET,
        day_volume_e8: E8_UNSET,
        day_open: PRICE_UNSET,
        day_vwap: PRICE_UNSET,
        average_size: PRICE_UNSET,
        first_id: candle.first_id,
        last_id: candle.last_id,
        interval_ms: (MINUTE / MILLI) as u32,
        venue: Venue::BinanceUsdm as u8,
        source: SOURCE_VENUE,
        flags,
        ..VenueBar::default()
    };
    log.push(symbol, KLINE, |out| encode::kline(out, name, &bar));
}

const POWERS: [f64; 9] = [1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5];

/// Power of ten of a price: 0 for 1.0 to 9.99.
fn magnitude(price: f64) -> i64 {
    POWERS.iter().filter(|&&power| price >= power).count() as i64 - 4
}

/// About a ten-thousandth of the price's power of ten: 0.1 at 97,123 and 0.0001 at 2.41. Keeps prices and
/// quantities together within eight decimals, so that notional sums print exactly.
fn tick(magnitude: i64) -> i64 {
    10_i64.pow((magnitude + 4).clamp(0, 8) as u32)
}

fn open_path(close: i64, start: Nanos, random: &mut Random) -> Path {
    let fair = close as f64 * (1.0 + 0.02 * random.bell());
    let grid = Grid { tick: tick(magnitude(to_f64(close))), spread: random.pick(&[1, 1, 1, 2]), volatility: 0.000_2 };
    Path::new(close, fair, grid, start)
}

#[inline]
fn to_f64(value_e8: i64) -> f64 {
    value_e8 as f64 / E8 as f64
}
