//! Who wants what: channel names as the venues spell them, and one subscriber's choice.

use std::collections::{BTreeMap, BTreeSet};

use crate::Kind;

/// Most channels one subscriber may hold.
const CHANNELS_MAX: usize = 65_536;

/// Trades (`T`).
pub(crate) const TRADES: u8 = 1;
/// Quotes (`Q`).
pub(crate) const QUOTES: u8 = 2;
/// Second bars (`A`).
pub(crate) const SECONDS: u8 = 4;
/// Minute bars (`AM`).
pub(crate) const MINUTES: u8 = 8;

/// `@aggTrade`.
pub(crate) const AGG_TRADE: u8 = 1;
/// `@trade`.
pub(crate) const TRADE: u8 = 2;
/// `@bookTicker`.
pub(crate) const BOOK_TICKER: u8 = 4;
/// `@kline_1m`.
pub(crate) const KLINE: u8 = 8;
/// `@markPrice@1s`.
pub(crate) const MARK_1S: u8 = 16;
/// `@markPrice`, every third second.
pub(crate) const MARK_3S: u8 = 32;

const STOCK_CHANNELS: [(&str, u8); 4] = [("T", TRADES), ("Q", QUOTES), ("A", SECONDS), ("AM", MINUTES)];

/// Suffixes of stream names with their bits.
pub(crate) const STREAMS: [(&str, u8); 6] = [
    ("aggTrade", AGG_TRADE),
    ("trade", TRADE),
    ("bookTicker", BOOK_TICKER),
    ("kline_1m", KLINE),
    ("markPrice@1s", MARK_1S),
    ("markPrice", MARK_3S),
];

/// Which streams a connection's path delivers; the others are accepted and stay silent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// Everything: Massive's paths, and Binance before its split of 2026-04.
    #[default]
    All,
    /// Binance `/public`: bookTicker and the undocumented trade.
    Public,
    /// Binance `/market`: aggTrade, kline, markPrice.
    Market,
}

impl Route {
    fn channels(self) -> u8 {
        match self {
            Self::All => u8::MAX,
            Self::Public => BOOK_TICKER | TRADE,
            Self::Market => AGG_TRADE | KLINE | MARK_1S | MARK_3S,
        }
    }
}

/// What became of a subscribe or unsubscribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Done.
    Done,
    /// It was so already.
    Unchanged,
    /// No such channel. Unknown tickers are not this: venues confirm them and send nothing.
    UnknownChannel,
    /// The subscriber holds as many channels as it may.
    Full,
}

/// What a name asks for: channels of one symbol, of all (`None`), or nothing that exists (`channels` 0).
#[derive(Clone, Copy)]
struct Target {
    channels: u8,
    symbol: Option<u32>,
}

/// Symbols by the name used in channel names.
pub(crate) struct Directory {
    kind: Kind,
    ids: BTreeMap<String, u32>,
}

impl Directory {
    pub(crate) fn new(kind: Kind, names: &[String]) -> Self {
        let spell = |name: &String| match kind {
            Kind::Stocks => name.clone(),
            Kind::Crypto => name.to_lowercase(),
        };
        Self { kind, ids: names.iter().map(spell).zip(0..).collect() }
    }

    /// `None`: no such channel.
    fn resolve(&self, name: &str) -> Option<Target> {
        match self.kind {
            Kind::Stocks => self.resolve_stock(name),
            Kind::Crypto => Some(self.resolve_stream(name)),
        }
    }

    /// The first dot ends the channel: `T.BRK.B`.
    fn resolve_stock(&self, name: &str) -> Option<Target> {
        let (channel, symbol) = name.split_once('.')?;
        let (_, channels) = STOCK_CHANNELS.into_iter().find(|(known, _)| *known == channel)?;
        if symbol == "*" {
            return Some(Target { channels, symbol: None });
        }
        Some(self.target(symbol, channels))
    }

    /// QUIRK: Binance acknowledges every name; a wrong one delivers nothing.
    fn resolve_stream(&self, name: &str) -> Target {
        let (symbol, suffix) = name.split_once('@').unwrap_or((name, ""));
        let channels = STREAMS.into_iter().find(|(known, _)| *known == suffix).map_or(0, |(_, bit)| bit);
        self.target(symbol, channels)
    }

    fn target(&self, symbol: &str, channels: u8) -> Target {
        match self.ids.get(symbol) {
            Some(&id) => Target { channels, symbol: Some(id) },
            None => Target { channels: 0, symbol: None },
        }
    }
}

/// One subscriber: its choice, and the number of the next event it has not seen.
pub(crate) struct Subscriber {
    pub cursor: u64,
    pub lost: u64,
    pub combined: bool,
    route: u8,
    all: u8,
    by_symbol: Vec<u8>,
    names: BTreeSet<String>,
}

impl Subscriber {
    pub(crate) fn new(symbols: usize, route: Route, cursor: u64) -> Self {
        Self {
            cursor,
            lost: 0,
            combined: false,
            route: route.channels(),
            all: 0,
            by_symbol: vec![0; symbols],
            names: BTreeSet::new(),
        }
    }

    /// Channels through which the subscriber gets an event of `channels` and `symbol`.
    #[inline]
    pub(crate) fn wants(&self, symbol: u32, channels: u8) -> u8 {
        (self.all | self.by_symbol[symbol as usize]) & channels & self.route
    }

    pub(crate) fn subscribe(&mut self, directory: &Directory, name: &str) -> Change {
        let Some(target) = directory.resolve(name) else {
            return Change::UnknownChannel;
        };
        if self.names.contains(name) {
            return Change::Unchanged;
        }
        if self.names.len() >= CHANNELS_MAX {
            return Change::Full;
        }
        self.names.insert(name.to_owned());
        *self.choice(target) |= target.channels;
        Change::Done
    }

    pub(crate) fn unsubscribe(&mut self, directory: &Directory, name: &str) -> Change {
        let Some(target) = directory.resolve(name) else {
            return Change::UnknownChannel;
        };
        if !self.names.remove(name) {
            return Change::Unchanged;
        }
        *self.choice(target) &= !target.channels;
        Change::Done
    }

    /// Names subscribed to, in alphabetical order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    fn choice(&mut self, target: Target) -> &mut u8 {
        match target.symbol {
            Some(symbol) => &mut self.by_symbol[symbol as usize],
            None => &mut self.all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(kind: Kind, names: &[&str]) -> Directory {
        Directory::new(kind, &names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn stock_channels() {
        let directory = directory(Kind::Stocks, &["AAPL", "BRK.B"]);
        let mut subscriber = Subscriber::new(2, Route::All, 0);
        assert_eq!(subscriber.subscribe(&directory, "T.BRK.B"), Change::Done);
        assert_eq!(subscriber.subscribe(&directory, "T.BRK.B"), Change::Unchanged);
        assert_eq!(subscriber.subscribe(&directory, "ZZ.AAPL"), Change::UnknownChannel);
        assert_eq!(subscriber.subscribe(&directory, "T.NOTATICKER"), Change::Done);
        assert_eq!(subscriber.wants(1, TRADES), TRADES);
        assert_eq!(subscriber.wants(0, TRADES) | subscriber.wants(1, QUOTES), 0);
        assert_eq!(subscriber.subscribe(&directory, "T.*"), Change::Done);
        assert_eq!(subscriber.wants(0, TRADES), TRADES);
        assert_eq!(subscriber.unsubscribe(&directory, "T.*"), Change::Done);
        assert_eq!((subscriber.wants(0, TRADES), subscriber.wants(1, TRADES)), (0, TRADES));
        assert_eq!(subscriber.names().collect::<Vec<_>>(), ["T.BRK.B", "T.NOTATICKER"]);
    }

    #[test]
    fn streams_on_the_wrong_route_are_accepted_and_silent() {
        let directory = directory(Kind::Crypto, &["BTCUSDT"]);
        let mut subscriber = Subscriber::new(1, Route::Public, 0);
        for name in ["btcusdt@aggTrade", "btcusdt@bookTicker", "BTCUSDT@trade", "btcusdt@kline_5m", "nonsense"] {
            assert_eq!(subscriber.subscribe(&directory, name), Change::Done, "{name}");
        }
        assert_eq!(subscriber.wants(0, u8::MAX), BOOK_TICKER);
    }
}
