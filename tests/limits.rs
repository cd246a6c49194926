//! What many symbols, strangers and a long run take: memory as the system counts it. `RINGTAPE_FULL=1` takes the issue's
//! figures.

use std::fs;

use ringtape::engine::{Config, Engine};
use ringtape::model::units::SECOND;
use ringtape::model::{FieldRef, SymbolId, Venue};

const START: i64 = 1_795_185_000 * SECOND;

fn full() -> bool {
    std::env::var("RINGTAPE_FULL").is_ok_and(|value| value == "1")
}

/// Resident bytes of this process; `None` where the system does not tell.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilo| kilo * 1_024)
}

fn engine(config: Config) -> Engine {
    Engine::new(config).unwrap_or_else(|error| panic!("{error}"))
}

fn trade(symbol: &str, id: i64, at: i64) -> String {
    let ms = (START + at) / 1_000_000;
    format!(
        r#"{{"e":"aggTrade","E":{ms},"s":"{symbol}","a":{id},"p":"100.{:02}","q":"0.5","f":{id},"l":{id},"T":{ms},"m":true}}"#,
        id % 100
    )
}

fn quote(symbol: &str, id: i64, at: i64) -> String {
    let ms = (START + at) / 1_000_000;
    format!(r#"{{"e":"bookTicker","u":{id},"s":"{symbol}","b":"99.5","B":"3","a":"100.5","A":"4","T":{ms},"E":{ms}}}"#)
}

fn feed(engine: &mut Engine, frame: &str, at: i64) -> usize {
    engine.feed(frame.as_bytes(), Venue::BinanceUsdm, START + at, 0)
}

/// One test, one thread: another one beside it would be counted, too.
#[test]
fn everything_has_a_size() {
    many_symbols();
    strangers();
    a_long_run();
}

/// 4 KiB for a symbol that trades now and then, beside its pages of bars.
fn many_symbols() {
    let count = if full() { 100_000 } else { 20_000 };
    let config = Config {
        max_symbols: count,
        windows: vec![300 * SECOND],
        // Bars have their own memory, of which each series of a symbol takes pages.
        bars: Vec::new(),
        ring_size: 1_024,
        ..Config::default()
    };
    let mut engine = engine(config);
    let before = resident();
    for n in 0..count {
        let symbol = format!("SYMBOL{n}USDT");
        let at = n as i64 * 1_000_000;
        assert_eq!(feed(&mut engine, &trade(&symbol, 1, at), at), 1);
        assert_eq!(feed(&mut engine, &quote(&symbol, 1, at), at), 1);
    }
    let reader = engine.reader();
    assert_eq!(reader.registry().symbols.len(), count);
    assert_eq!(engine.stats().symbols_refused, 0);
    if let (Some(before), Some(after)) = (before, resident()) {
        let each = (after - before) / count as u64;
        println!("{count} symbols: {each} bytes each");
        assert!(each <= 4_096, "{each} bytes for a cold symbol");
    }
}

/// More names than there are places: refused and counted, and nobody else notices.
fn strangers() {
    let count = if full() { 5_000_000 } else { 200_000 };
    // Without bars, whose pages the known ones would fill meanwhile.
    let config = Config {
        max_symbols: 100,
        windows: vec![60 * SECOND],
        bars: Vec::new(),
        ring_size: 1_024,
        ..Config::default()
    };
    let (mut engine, mut alone) = (engine(config.clone()), self::engine(config));
    let known: Vec<String> = (0..100).map(|n| format!("KNOWN{n}USDT")).collect();
    for symbol in &known {
        for each in [&mut engine, &mut alone] {
            assert_eq!(feed(each, &trade(symbol, 1, 0), 0), 1);
        }
    }
    let before = resident();
    for n in 0..count {
        let at = n * 20_000;
        assert_eq!(feed(&mut engine, &trade(&format!("STRANGER{n}"), 1, at), at), 0);
        if n % 1_000 == 0 {
            let symbol = &known[(n / 1_000) as usize % known.len()];
            let frame = trade(symbol, 2 + n / 100_000, at);
            for each in [&mut engine, &mut alone] {
                assert_eq!(feed(each, &frame, at), 1);
                each.advance(START + at);
            }
        }
    }
    assert_eq!(engine.stats().symbols_refused, count as u64);
    let names = ["last", "volume", "vwap", "trade_count", "volume(1m)", "high(1m)", "change(1m)"];
    let fields = names.map(|name| FieldRef::parse(name).unwrap_or_else(|error| panic!("{name}: {error:?}")));
    for id in 0..known.len() as u32 {
        let [crowded, quiet] = [&engine, &alone].map(|engine| {
            let reader = engine.reader();
            assert_eq!(reader.registry().symbols.len(), known.len());
            fields.map(|field| reader.value(SymbolId(id), Venue::BinanceUsdm, field).map(f64::to_bits))
        });
        assert_eq!(crowded, quiet);
    }
    if let (Some(before), Some(after)) = (before, resident()) {
        let grown = after.saturating_sub(before);
        println!("{count} strangers: {grown} bytes more");
        assert!(grown < 1 << 20, "{grown} bytes for names that were refused");
    }
}

/// Events without end in a memory that stays as it is.
fn a_long_run() {
    let count = if full() { 10_000_000 } else { 1_000_000 };
    let config =
        Config { max_symbols: 50, windows: vec![60 * SECOND], max_bars: 10_000, ring_size: 1_024, ..Config::default() };
    let mut engine = engine(config);
    let symbols: Vec<String> = (0..50).map(|n| format!("S{n}USDT")).collect();
    let mut before = None;
    for n in 0..count {
        let at = n * 10_000_000;
        let (symbol, id) = (&symbols[n as usize % 50], n / 50 + 1);
        let frame = if n % 4 == 0 { trade(symbol, id, at) } else { quote(symbol, id, at) };
        feed(&mut engine, &frame, at);
        if n % 25 == 0 {
            engine.advance(START + at);
        }
        // By then every page that bars may have was used.
        if n == count * 7 / 10 {
            before = resident();
        }
    }
    assert!(engine.pages_recycled() > 0, "the pool of bars is in full use");
    if let (Some(before), Some(after)) = (before, resident()) {
        let grown = after.saturating_sub(before);
        println!("{count} events: {grown} bytes more over the last three tenths");
        assert!(grown < 1 << 20, "{grown} bytes grown");
    }
}
