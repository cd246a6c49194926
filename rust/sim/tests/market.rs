//! What is true of the pretend market, read from its frames with a general JSON parser.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use ringtape_model::units::SECOND;
use ringtape_sim::{Change, Config, ConfigError, Kind, Market, Route, SubscriberId};
use serde_json::Value;

/// 2026-11-20 14:29:57.5 UTC: the first minute ends soon.
const START: i64 = 1_795_185_027_500_000_000 - 30 * SECOND;

fn config(seed: u64, symbols: usize, rate: u32, kind: Kind) -> Config {
    Config { seed, symbols, rate, kind, start_ns: START }
}

fn market(config: &Config) -> Market {
    Market::new(config).expect("a valid configuration")
}

/// A market with one subscriber of everything.
fn watched(config: &Config) -> (Market, SubscriberId) {
    let mut market = market(config);
    let id = market.open(Route::All).expect("room for one subscriber");
    let names: Vec<String> = match config.kind {
        Kind::Stocks => ["T.*", "Q.*", "A.*", "AM.*"].map(str::to_owned).to_vec(),
        Kind::Crypto => {
            let streams = ["aggTrade", "trade", "bookTicker", "kline_1m", "markPrice@1s"];
            let of = |name: &String| streams.map(|stream| format!("{}@{stream}", name.to_lowercase()));
            market.symbols().iter().flat_map(of).collect()
        }
    };
    for name in names {
        assert_eq!(market.subscribe(id, &name), Some(Change::Done));
    }
    (market, id)
}

fn frames(market: &mut Market, id: SubscriberId, max_events: usize) -> Vec<String> {
    let mut frames = Vec::new();
    assert!(market.frames(id, max_events, |frame| {
        frames.push(String::from_utf8(frame.to_vec()).expect("frames are UTF-8"));
    }));
    frames
}

/// Every event of the first `seconds`, fetched in steps of 50 ms.
fn events(config: &Config, seconds: i64) -> Vec<Value> {
    let (mut market, id) = watched(config);
    let mut events = Vec::new();
    for step in 1..=seconds * 20 {
        market.advance(START + step * SECOND / 20);
        for frame in frames(&mut market, id, 100) {
            match serde_json::from_str(&frame).expect("frames are JSON") {
                Value::Array(array) => events.extend(array),
                object => events.push(object),
            }
        }
    }
    assert_eq!(events.len() as u64, market.events());
    assert_eq!(market.lost(id), Some(0));
    events
}

fn text<'a>(event: &'a Value, key: &str) -> &'a str {
    event[key].as_str().unwrap_or_else(|| panic!("{key} is no string in {event}"))
}

fn integer(event: &Value, key: &str) -> i64 {
    event[key].as_i64().unwrap_or_else(|| panic!("{key} is no integer in {event}"))
}

fn e8(number: f64) -> i64 {
    (number * 1e8).round() as i64
}

/// A JSON number, or a decimal in a string, in 1e-8.
fn decimal(event: &Value, key: &str) -> i64 {
    let number = event[key].as_f64().or_else(|| event[key].as_str()?.parse().ok());
    e8(number.unwrap_or_else(|| panic!("{key} is no number in {event}")))
}

fn conditions(event: &Value) -> Vec<i64> {
    event["c"].as_array().map(|ids| ids.iter().filter_map(Value::as_i64).collect()).unwrap_or_default()
}

fn of_kind<'a>(events: &'a [Value], key: &'static str, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event[key] == kind)
}

/// The slow and obvious bar: every trade of a window, rights read off the vendor's table.
#[derive(Default)]
struct Tally {
    last: Vec<i64>,
    extreme: Vec<i64>,
    volume: i64,
    count: i64,
    vwap_volume: i128,
    notional: i128,
}

impl Tally {
    fn add(&mut self, trade: &Value) {
        let ids = conditions(trade);
        let has = |list: &[i64]| ids.iter().any(|id| list.contains(id));
        let (price, size) = (decimal(trade, "p"), decimal(trade, "ds"));
        self.volume += size;
        self.count += 1;
        if !has(&[2, 53]) {
            self.vwap_volume += i128::from(size);
            self.notional += i128::from(price) * i128::from(size);
        }
        if !has(&[2, 37, 53]) {
            self.extreme.push(price);
        }
        if !has(&[2, 32, 37, 53]) {
            self.last.push(price);
        }
    }

    /// In 1e-4, rounded half up.
    fn vwap(&self) -> i64 {
        ((2 * self.notional + self.vwap_volume * 10_000) / (self.vwap_volume * 20_000)) as i64
    }

    fn check(&self, bar: &Value, symbol: &str) {
        let prices = |list: &[i64]| list.iter().map(|&price| price as f64 / 1e8).collect::<Vec<_>>();
        let (last, extreme) = (prices(&self.last), prices(&self.extreme));
        assert_eq!(bar["o"].as_f64(), last.first().copied(), "{symbol} {bar}");
        assert_eq!(bar["c"].as_f64(), last.last().copied(), "{symbol} {bar}");
        assert_eq!(bar["h"].as_f64(), extreme.iter().copied().reduce(f64::max), "{symbol} {bar}");
        assert_eq!(bar["l"].as_f64(), extreme.iter().copied().reduce(f64::min), "{symbol} {bar}");
        assert_eq!(decimal(bar, "dv"), self.volume, "{symbol} {bar}");
        assert_eq!(integer(bar, "v"), self.volume / 100_000_000, "{symbol} {bar}");
        assert_eq!(integer(bar, "z"), self.volume / self.count / 100_000_000, "{symbol} {bar}");
        assert_eq!(decimal(bar, "vw"), self.vwap() * 10_000, "{symbol} {bar}");
    }
}

#[test]
fn stock_bars_equal_a_recompute_from_the_trades() {
    let events = events(&config(1, 60, 4000, Kind::Stocks), 100);
    let mut windows: BTreeMap<(String, i64, i64), Tally> = BTreeMap::new();
    let mut day: BTreeMap<(String, i64), i64> = BTreeMap::new();
    let mut opens: BTreeMap<String, i64> = BTreeMap::new();
    for trade in of_kind(&events, "ev", "T") {
        let (symbol, at) = (text(trade, "sym").to_owned(), integer(trade, "t"));
        for span in [1000, 60_000] {
            windows.entry((symbol.clone(), span, at / span * span)).or_default().add(trade);
        }
        *day.entry((symbol.clone(), at)).or_default() += decimal(trade, "ds");
        if conditions(trade).iter().any(|id| [17, 25].contains(id)) {
            assert_eq!(opens.insert(symbol, decimal(trade, "p")), None, "one opening print");
        }
    }
    let mut seen = BTreeSet::new();
    for (kind, span) in [("A", 1000), ("AM", 60_000)] {
        for bar in of_kind(&events, "ev", kind) {
            let (symbol, start) = (text(bar, "sym"), integer(bar, "s"));
            let key = (symbol.to_owned(), span, start);
            windows[&key].check(bar, symbol);
            let end = start + span;
            assert_eq!(integer(bar, "e"), end);
            assert_eq!(decimal(bar, "op"), opens[symbol], "{bar}");
            let upto = day.range((symbol.to_owned(), i64::MIN)..(symbol.to_owned(), end));
            assert_eq!(decimal(bar, "dav"), upto.map(|(_, size)| size).sum::<i64>(), "{bar}");
            assert!(seen.insert(key), "sent twice: {bar}");
        }
    }
    // Every window with a last price has its bar, but for those whose bars are not due yet.
    let end = (START + 100 * SECOND) / 1_000_000;
    for ((symbol, span, start), tally) in &windows {
        let due = start + span + if *span == 1000 { 2250 } else { 3000 };
        if !tally.last.is_empty() && due < end {
            assert!(seen.contains(&(symbol.clone(), *span, *start)), "no bar for {symbol} {span} {start}");
        }
    }
    assert!(seen.len() > 1000);
}

#[test]
fn quotes_never_cross_and_trades_lie_inside() {
    let events = events(&config(2, 500, 10_000, Kind::Stocks), 20);
    let mut standing: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    let mut late = 0;
    for event in &events {
        if event["ev"] == "Q" {
            let (bid, ask) = (decimal(event, "bp"), decimal(event, "ap"));
            assert!(0 < bid && bid < ask, "{event}");
            assert!(integer(event, "bs") > 0 && integer(event, "as") > 0, "{event}");
            standing.insert(text(event, "sym"), (bid, ask));
        } else if event["ev"] == "T" && conditions(event).contains(&32) {
            assert!(integer(event, "t") - integer(event, "pt") > 10_000, "{event}");
            late += 1;
        } else if event["ev"] == "T" {
            let (bid, ask) = standing[text(event, "sym")];
            assert!((bid..=ask).contains(&decimal(event, "p")), "{event} outside {bid} {ask}");
        }
    }
    assert!(late > 50, "{late}");
}

#[test]
fn sequences_and_times_rise_and_ids_are_unique() {
    let events = events(&config(3, 500, 10_000, Kind::Stocks), 10);
    let (mut sequences, mut ids) = (BTreeMap::new(), BTreeSet::new());
    let (mut clock, mut fractions, mut odd, mut off_exchange) = (0, 0, 0, 0);
    for event in events.iter().filter(|event| event["ev"] == "T" || event["ev"] == "Q") {
        let last = sequences.insert(text(event, "sym"), integer(event, "q"));
        assert!(last < Some(integer(event, "q")), "{event}");
        assert!(clock <= integer(event, "t"), "{event}");
        clock = integer(event, "t");
        if event["ev"] == "T" {
            assert!(ids.insert(text(event, "i").to_owned()), "{event}");
            assert_eq!(event["trfi"].is_i64(), event["x"] == 4, "{event}");
            assert_eq!(event["trfi"].is_i64(), event["trft"].is_i64(), "{event}");
            off_exchange += usize::from(event["x"] == 4);
            odd += usize::from(conditions(event).contains(&37));
            fractions += usize::from(decimal(event, "ds") % 100_000_000 != 0);
        }
    }
    let share = |part: usize| part as f64 / ids.len() as f64;
    assert!((0.35..0.5).contains(&share(off_exchange)), "{off_exchange}");
    assert!((0.3..0.7).contains(&share(odd)), "{odd}");
    assert!((0.02..0.1).contains(&share(fractions)), "{fractions}");
}

#[test]
fn the_mix_and_the_rate_are_as_asked() {
    let events = events(&config(4, 500, 20_000, Kind::Stocks), 10);
    let share = |kind| of_kind(&events, "ev", kind).count() as f64 / events.len() as f64;
    assert!((0.55..0.65).contains(&share("Q")), "{}", share("Q"));
    assert!((0.31..0.40).contains(&share("T")), "{}", share("T"));
    let orders = events.iter().filter(|event| event["ev"] == "T" || event["ev"] == "Q").count();
    assert!((198_000..202_000).contains(&orders), "{orders}");
}

#[test]
fn prices_really_move_within_twenty_seconds() {
    for (symbols, wanted) in [(500, 10), (12_000, 10)] {
        let events = events(&config(5, symbols, 20_000, Kind::Stocks), 20);
        let mut ends: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        for trade in of_kind(&events, "ev", "T") {
            let price = decimal(trade, "p");
            ends.entry(text(trade, "sym")).or_insert((price, price)).1 = price;
        }
        let moved = ends.values().filter(|(first, last)| (*last as f64 / *first as f64 - 1.0).abs() > 0.01).count();
        assert!(moved >= wanted, "{moved} of {symbols} moved by a percent");
    }
}

#[test]
fn crypto_ids_are_consecutive_and_klines_equal_a_recompute() {
    let events = events(&config(6, 30, 3000, Kind::Crypto), 100);
    let mut last: BTreeMap<(String, &str), i64> = BTreeMap::new();
    let mut rises = |symbol: &str, stream: &'static str, id: i64, by_one: bool| {
        if let Some(before) = last.insert((symbol.to_owned(), stream), id) {
            assert!(if by_one { id == before + 1 } else { id > before }, "{symbol} {stream} {before} {id}");
        }
    };
    let mut minutes: BTreeMap<(String, i64), Vec<&Value>> = BTreeMap::new();
    for event in &events {
        match text(event, "e") {
            "aggTrade" => {
                rises(text(event, "s"), "a", integer(event, "a"), true);
                rises(text(event, "s"), "f", integer(event, "f") - 1, false);
                last_fill(&mut minutes, event);
            }
            "trade" => {
                rises(text(event, "s"), "t", integer(event, "t"), true);
                let minute = integer(event, "T") / 60_000 * 60_000;
                minutes.entry((text(event, "s").to_owned(), minute)).or_default().push(event);
            }
            "bookTicker" => {
                rises(text(event, "s"), "u", integer(event, "u"), false);
                assert!(0 < decimal(event, "b") && decimal(event, "b") < decimal(event, "a"), "{event}");
            }
            "markPriceUpdate" => rises(text(event, "s"), "E", integer(event, "E") / 1000, true),
            _ => {}
        }
    }
    let klines: Vec<&Value> = of_kind(&events, "e", "kline").collect();
    let finals: Vec<&&Value> = klines.iter().filter(|event| event["k"]["x"] == true).collect();
    assert!(klines.len() > finals.len() && finals.len() > 30, "{} {}", klines.len(), finals.len());
    for event in finals {
        let k = &event["k"];
        let trades = &minutes[&(text(event, "s").to_owned(), integer(k, "t"))];
        let prices: Vec<i64> = trades.iter().map(|trade| decimal(trade, "p")).collect();
        assert_eq!(decimal(k, "o"), prices[0], "{event}");
        assert_eq!(decimal(k, "c"), prices[prices.len() - 1], "{event}");
        assert_eq!(Some(decimal(k, "h")), prices.iter().max().copied(), "{event}");
        assert_eq!(Some(decimal(k, "l")), prices.iter().min().copied(), "{event}");
        assert_eq!(decimal(k, "v"), trades.iter().map(|trade| decimal(trade, "q")).sum::<i64>(), "{event}");
        assert_eq!(integer(k, "n"), trades.len() as i64, "{event}");
        assert_eq!(integer(k, "f"), integer(trades[0], "t"), "{event}");
        assert_eq!(integer(k, "L"), integer(trades[trades.len() - 1], "t"), "{event}");
        let delay = integer(event, "E") - integer(k, "T");
        assert!((300..=1001).contains(&delay), "{event}");
    }
}

/// An aggregate covers exactly the fills that came just before it.
fn last_fill(minutes: &mut BTreeMap<(String, i64), Vec<&Value>>, aggregate: &Value) {
    let minute = integer(aggregate, "T") / 60_000 * 60_000;
    let fills = &minutes[&(text(aggregate, "s").to_owned(), minute)];
    let count = (integer(aggregate, "l") - integer(aggregate, "f") + 1) as usize;
    let own = &fills[fills.len() - count..];
    assert_eq!(integer(own[0], "t"), integer(aggregate, "f"));
    assert_eq!(own.iter().map(|fill| decimal(fill, "q")).sum::<i64>(), decimal(aggregate, "q"));
    assert!(own.iter().all(|fill| fill["p"] == aggregate["p"] && fill["m"] == aggregate["m"]));
}

#[test]
fn frames_respect_the_choice_the_limit_and_the_envelope() {
    let mut stocks = market(&config(7, 100, 10_000, Kind::Stocks));
    let id = stocks.open(Route::All).expect("room");
    assert_eq!(stocks.subscribe(id, "Q.BRK.B"), Some(Change::Done));
    assert_eq!(stocks.subscribe(id, "ZZ.AAPL"), Some(Change::UnknownChannel));
    stocks.advance(START + 5 * SECOND);
    let quotes = frames(&mut stocks, id, 3);
    assert!(!quotes.is_empty());
    for frame in &quotes {
        let array: Vec<Value> = serde_json::from_str(frame).expect("an array");
        assert!((1..=3).contains(&array.len()));
        assert!(array.iter().all(|event| event["ev"] == "Q" && event["sym"] == "BRK.B"), "{frame}");
    }
    assert!(frames(&mut stocks, id, 3).is_empty(), "fetched once");
    assert_eq!(stocks.unsubscribe(id, "Q.BRK.B"), Some(Change::Done));
    stocks.advance(START + 6 * SECOND);
    assert!(frames(&mut stocks, id, 3).is_empty());
    assert!(stocks.close(id) && !stocks.close(id));
    assert_eq!(stocks.subscribe(id, "T.*"), None);

    let mut crypto = market(&config(7, 10, 10_000, Kind::Crypto));
    let id = crypto.open(Route::Market).expect("room");
    for stream in ["btcusdt@aggTrade", "btcusdt@bookTicker", "btcusdt@markPrice"] {
        assert_eq!(crypto.subscribe(id, stream), Some(Change::Done));
    }
    assert!(crypto.set_combined(id, true));
    crypto.advance(START + 6 * SECOND);
    let combined = frames(&mut crypto, id, 1);
    let names: BTreeSet<String> = combined
        .iter()
        .map(|frame| text(&serde_json::from_str(frame).expect("an object"), "stream").to_owned())
        .collect();
    assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), ["btcusdt@aggTrade", "btcusdt@markPrice"]);
    assert_eq!(combined.iter().filter(|frame| frame.contains("@markPrice\"")).count(), 2);
}

#[test]
fn a_rest_keeps_what_was_due_and_skips_the_orders() {
    let (mut market, id) = watched(&config(8, 50, 5000, Kind::Stocks));
    market.advance(START + 5 * SECOND);
    frames(&mut market, id, 100);
    market.rest(START + 3600 * SECOND);
    let rested: Vec<Value> =
        frames(&mut market, id, 1).iter().map(|frame| serde_json::from_str(frame).expect("JSON")).collect();
    assert!(rested.iter().all(|frame| frame[0]["ev"] == "A" || frame[0]["ev"] == "AM"));
    assert!(!rested.is_empty());
    market.advance(START + 3601 * SECOND);
    let orders = frames(&mut market, id, 1).len();
    assert!((4500..5500).contains(&orders), "{orders}");
}

#[test]
fn a_burst_is_ten_times_the_rate_while_it_lasts() {
    for kind in [Kind::Stocks, Kind::Crypto] {
        let (mut market, _) = watched(&config(8, 50, 2_000, kind));
        let made = |market: &mut Market, seconds| {
            let before = market.events();
            market.advance(market.now() + seconds * SECOND);
            (market.events() - before) as f64 / seconds as f64
        };
        let usual = made(&mut market, 10);
        assert_eq!(market.set_rate(20_000), Ok(()));
        let burst = made(&mut market, 5);
        assert_eq!(market.set_rate(2_000), Ok(()));
        let after = made(&mut market, 10);
        assert!(burst > 7.0 * usual, "{burst} after {usual}");
        assert!((0.9..1.1).contains(&(after / usual)), "{after} after {usual}");
        assert_eq!(market.set_rate(0), Err(ConfigError::Rate));
    }
}

#[test]
fn previous_closes_depend_on_the_seed_alone() {
    for kind in [Kind::Stocks, Kind::Crypto] {
        let closes = |config: &Config| market(config).previous_closes().collect::<Vec<_>>();
        let many = closes(&config(9, 2000, 20_000, kind));
        assert_eq!(closes(&config(9, 500, 100, kind)), many[..500]);
        assert_ne!(closes(&config(10, 500, 100, kind)), many[..500]);
        assert!(many.iter().all(|&close| close > 0.0));
    }
}

#[test]
fn configurations_out_of_range_are_refused() {
    let valid = config(1, 500, 20_000, Kind::Stocks);
    let error = |config: Config| Market::new(&config).err();
    assert_eq!(error(Config { symbols: 0, ..valid }), Some(ConfigError::Symbols));
    assert_eq!(error(Config { rate: 0, ..valid }), Some(ConfigError::Rate));
    assert_eq!(error(Config { start_ns: 0, ..valid }), Some(ConfigError::Start));
    assert_eq!(error(Config { symbols: 1, rate: 1, ..valid }), None);
}

proptest! {
    // A case is a whole market, so the others run two hundred for one of these.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.div_ceil(200)))]

    #[test]
    fn the_same_seed_gives_the_same_bytes_however_time_is_cut(
        seed in any::<u64>(),
        symbols in 1_usize..80,
        rate in 1_u32..800,
        crypto in any::<bool>(),
        cuts in prop::collection::vec(0..70 * SECOND, 0..12),
    ) {
        let kind = if crypto { Kind::Crypto } else { Kind::Stocks };
        let config = config(seed, symbols, rate, kind);
        let end = START + 70 * SECOND;
        let (mut whole, id) = watched(&config);
        whole.advance(end);
        let expected = frames(&mut whole, id, 1);
        let (mut pieces, id) = watched(&config);
        let mut got = Vec::new();
        let mut cuts = cuts;
        cuts.sort_unstable();
        for cut in cuts {
            pieces.advance(START + cut);
            got.extend(frames(&mut pieces, id, 1));
        }
        pieces.advance(end);
        got.extend(frames(&mut pieces, id, 1));
        prop_assert_eq!(got, expected);
    }
}
