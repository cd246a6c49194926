//! The market as its users see it: time goes in, frames come out.

use std::collections::BTreeMap;
use std::fmt;

use ringtape_model::units::{E8, Nanos, SECOND, TIME_MAX, TIME_MIN};
use ringtape_wire::binance::encode::envelope;

use crate::crypto::Crypto;
use crate::log::Log;
use crate::stocks::Stocks;
use crate::subscription::{Change, Directory, Route, STREAMS, Subscriber};

/// Most symbols a market may have.
pub const SYMBOLS_MAX: usize = 20_000;
/// Highest rate in events a second.
pub const RATE_MAX: u32 = 10_000_000;
/// Frames stay below this; official clients refuse a mebibyte.
const FRAME_BYTES_MAX: usize = 512 << 10;
/// Most subscribers at a time.
const SUBSCRIBERS_MAX: usize = 1024;

/// What is traded, and whose protocol is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// US stocks, Massive's protocol.
    Stocks,
    /// Perpetual futures, Binance's protocol.
    Crypto,
}

/// What a market is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Seed of every draw. Names do not depend on it; previous closes depend on nothing else.
    pub seed: u64,
    /// Number of symbols, 1 to [`SYMBOLS_MAX`]; names and previous closes of a smaller market lead a larger one's.
    pub symbols: usize,
    /// Trades and quotes a second, 1 to [`RATE_MAX`]; bars and mark prices come on top.
    pub rate: u32,
    /// What is traded.
    pub kind: Kind,
    /// Unix time of the market's opening.
    pub start_ns: Nanos,
}

/// A value of [`Config`] that no market can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// Not 1 to [`SYMBOLS_MAX`] symbols.
    Symbols,
    /// Not 1 to [`RATE_MAX`] events a second.
    Rate,
    /// Not a time between 2000 and 2100.
    Start,
}

impl ConfigError {
    /// The field of [`Config`] that is at fault.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Symbols => "symbols",
            Self::Rate => "rate",
            Self::Start => "start_ns",
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Symbols => write!(f, "symbols must be 1 to {SYMBOLS_MAX}"),
            Self::Rate => write!(f, "rate must be 1 to {RATE_MAX} events a second"),
            Self::Start => f.write_str("start must be a Unix time in nanoseconds between the years 2000 and 2100"),
        }
    }
}

impl std::error::Error for ConfigError {}

/// A subscriber of a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SubscriberId(u32);

impl SubscriberId {
    /// The id as a number, for keeping it in another language.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The id of that number; it may name no subscriber.
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }
}

enum Exchange {
    Stocks(Stocks),
    Crypto(Crypto),
}

/// Calls the same method of whichever exchange it is.
macro_rules! exchange {
    ($exchange:expr, $inner:ident => $call:expr) => {
        match $exchange {
            Exchange::Stocks($inner) => $call,
            Exchange::Crypto($inner) => $call,
        }
    };
}

/// A pretend market with its subscribers.
///
/// Events are encoded when they are made and held until every subscriber has fetched them, 64 MiB at most; a
/// subscriber that fetches too late loses the oldest and can ask how many ([`Market::lost`]). With no subscriber
/// nothing is encoded.
pub struct Market {
    kind: Kind,
    exchange: Exchange,
    now: Nanos,
    log: Log,
    directory: Directory,
    subscribers: BTreeMap<SubscriberId, Subscriber>,
    next_subscriber: u32,
    /// Stream names of each symbol, in the order of [`STREAMS`]; empty for stocks.
    streams: Vec<[String; STREAMS.len()]>,
    frame: Vec<u8>,
}

impl Market {
    /// A market that opens at `config.start_ns`.
    ///
    /// # Errors
    /// A value of the configuration is out of its range.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let &Config { seed, symbols, rate, kind, start_ns } = config;
        if !(1..=SYMBOLS_MAX).contains(&symbols) {
            return Err(ConfigError::Symbols);
        }
        let gap = mean_gap(rate)?;
        if !(TIME_MIN..TIME_MAX).contains(&start_ns) {
            return Err(ConfigError::Start);
        }
        let exchange = match kind {
            Kind::Stocks => Exchange::Stocks(Stocks::new(seed, symbols, gap, start_ns)),
            Kind::Crypto => Exchange::Crypto(Crypto::new(seed, symbols, gap, start_ns)),
        };
        let names = exchange!(&exchange, inner => inner.names());
        Ok(Self {
            kind,
            now: start_ns,
            log: Log::new(),
            directory: Directory::new(kind, names),
            subscribers: BTreeMap::new(),
            next_subscriber: 0,
            streams: if kind == Kind::Crypto { stream_names(names) } else { Vec::new() },
            frame: Vec::new(),
            exchange,
        })
    }

    /// Names of the symbols, the most active first.
    pub fn symbols(&self) -> &[String] {
        exchange!(&self.exchange, inner => inner.names())
    }

    /// Yesterday's closing price of each symbol, in the order of [`Market::symbols`].
    pub fn previous_closes(&self) -> impl Iterator<Item = f64> {
        (0..self.symbols().len())
            .map(|symbol| exchange!(&self.exchange, inner => inner.previous_close(symbol)) as f64 / E8 as f64)
    }

    /// Time of the market: the largest that [`Market::advance`] was given.
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// Number of events made so far.
    pub fn events(&self) -> u64 {
        self.log.next()
    }

    /// Makes the events up to and including `to`; a time that has passed does nothing.
    pub fn advance(&mut self, to: Nanos) {
        self.forget_fetched();
        self.log.listening = !self.subscribers.is_empty();
        exchange!(&mut self.exchange, inner => while inner.due() <= to {
            inner.step(&mut self.log);
        });
        self.now = self.now.max(to);
    }

    /// Lets time pass to `to` without orders, as after the machine slept: bars and mark prices that were due still
    /// come, and trading goes on from there.
    pub fn rest(&mut self, to: Nanos) {
        exchange!(&mut self.exchange, inner => inner.rest_until(to.saturating_add(1)));
        self.advance(to);
    }

    /// Changes the rate from the next order on, as in a burst. The bytes of a market then depend on the market's time
    /// at the change too.
    ///
    /// # Errors
    /// The rate is not 1 to [`RATE_MAX`].
    pub fn set_rate(&mut self, rate: u32) -> Result<(), ConfigError> {
        let gap = mean_gap(rate)?;
        exchange!(&mut self.exchange, inner => inner.set_gap(gap));
        Ok(())
    }

    /// A new subscriber that wants nothing yet and will be handed what happens from now on; `None` when there are
    /// as many as may be.
    pub fn open(&mut self, route: Route) -> Option<SubscriberId> {
        if self.subscribers.len() >= SUBSCRIBERS_MAX {
            return None;
        }
        let id = SubscriberId(self.next_subscriber);
        self.next_subscriber += 1;
        self.subscribers.insert(id, Subscriber::new(self.symbols().len(), route, self.log.next()));
        Some(id)
    }

    /// Forgets a subscriber; false where there was none.
    pub fn close(&mut self, id: SubscriberId) -> bool {
        self.subscribers.remove(&id).is_some()
    }

    /// Adds a channel (`T.*`, `A.BRK.B`) or stream (`btcusdt@aggTrade`); `None` for no such subscriber.
    pub fn subscribe(&mut self, id: SubscriberId, name: &str) -> Option<Change> {
        Some(self.subscribers.get_mut(&id)?.subscribe(&self.directory, name))
    }

    /// Removes a channel or stream; `None` for no such subscriber.
    pub fn unsubscribe(&mut self, id: SubscriberId, name: &str) -> Option<Change> {
        Some(self.subscribers.get_mut(&id)?.unsubscribe(&self.directory, name))
    }

    /// Names a subscriber holds, in alphabetical order; `None` for no such subscriber.
    pub fn subscriptions(&self, id: SubscriberId) -> Option<impl Iterator<Item = &str>> {
        Some(self.subscribers.get(&id)?.names())
    }

    /// Whether a Binance subscriber gets payloads in the combined envelope; false for no such subscriber.
    pub fn set_combined(&mut self, id: SubscriberId, combined: bool) -> bool {
        self.subscribers.get_mut(&id).map(|subscriber| subscriber.combined = combined).is_some()
    }

    /// Events a subscriber lost because it fetched too late, whether it wanted them or not; `None` for no such
    /// subscriber.
    pub fn lost(&self, id: SubscriberId) -> Option<u64> {
        self.subscribers.get(&id).map(|subscriber| subscriber.lost)
    }

    /// Hands `sink` the frames of what the subscriber has not seen and wants, oldest first: Massive arrays of at most
    /// `max_events` events and half a mebibyte, Binance objects of one event. False for no such subscriber.
    ///
    /// Cost: events are already encoded; each wanted one is copied once.
    pub fn frames(&mut self, id: SubscriberId, max_events: usize, sink: impl FnMut(&[u8])) -> bool {
        let Some(subscriber) = self.subscribers.get_mut(&id) else {
            return false;
        };
        subscriber.lost += self.log.first().saturating_sub(subscriber.cursor);
        match self.kind {
            Kind::Stocks => arrays(&self.log, subscriber, max_events.max(1), &mut self.frame, sink),
            Kind::Crypto => objects(&self.log, subscriber, &self.streams, &mut self.frame, sink),
        }
        subscriber.cursor = self.log.next();
        true
    }

    fn forget_fetched(&mut self) {
        let fetched = self.subscribers.values().map(|subscriber| subscriber.cursor).min();
        self.log.forget(fetched.unwrap_or(self.log.next()));
    }
}

/// Mean time between orders in ns.
fn mean_gap(rate: u32) -> Result<f64, ConfigError> {
    (1..=RATE_MAX).contains(&rate).then(|| SECOND as f64 / f64::from(rate)).ok_or(ConfigError::Rate)
}

fn stream_names(names: &[String]) -> Vec<[String; STREAMS.len()]> {
    names.iter().map(|name| STREAMS.map(|(suffix, _)| format!("{}@{suffix}", name.to_lowercase()))).collect()
}

fn arrays(log: &Log, subscriber: &Subscriber, max_events: usize, frame: &mut Vec<u8>, mut sink: impl FnMut(&[u8])) {
    let mut events = 0;
    frame.clear();
    let mut finish = |frame: &mut Vec<u8>| {
        frame.push(b']');
        sink(frame);
        frame.clear();
    };
    for (place, entry) in log.since(subscriber.cursor) {
        if subscriber.wants(entry.symbol, entry.channels) == 0 {
            continue;
        }
        frame.push(if events == 0 { b'[' } else { b',' });
        frame.extend_from_slice(log.text(place));
        events += 1;
        if events == max_events || frame.len() > FRAME_BYTES_MAX {
            finish(frame);
            events = 0;
        }
    }
    if events > 0 {
        finish(frame);
    }
}

fn objects(
    log: &Log,
    subscriber: &Subscriber,
    streams: &[[String; STREAMS.len()]],
    frame: &mut Vec<u8>,
    mut sink: impl FnMut(&[u8]),
) {
    for (place, entry) in log.since(subscriber.cursor) {
        let wanted = subscriber.wants(entry.symbol, entry.channels);
        for (stream, _) in streams[entry.symbol as usize].iter().zip(STREAMS).filter(|(_, (_, bit))| wanted & bit != 0)
        {
            let text = log.text(place.clone());
            if subscriber.combined {
                frame.clear();
                envelope(frame, stream, |out| out.extend_from_slice(text));
                sink(frame);
            } else {
                sink(text);
            }
        }
    }
}
