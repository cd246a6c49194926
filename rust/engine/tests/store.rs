//! The words that an engine shares: another reader over them sees what the engine's own sees, and nothing else is opened.

use proptest::prelude::*;
use ringtape_engine::{Config, Engine, OpenError, Reader, Writer};
use ringtape_model::row::ROW_WORDS;
use ringtape_model::{FieldRef, SymbolId, Venue};
use ringtape_ring::{PAGE_WORDS, Words};

const SECOND: i64 = 1_000_000_000;
const START: i64 = 1_795_185_032 * SECOND;

fn config() -> Config {
    Config { max_symbols: 50, max_bars: 4_000, ring_size: 64, windows: vec![10 * SECOND], ..Config::default() }
}

fn shared() -> (Engine, Words) {
    let words = Words::zeroed(Engine::sizes(&config()).unwrap_or_else(|error| panic!("{error}")).words());
    let writer = Writer { pid: 7, started: 8, generation: 9 };
    let engine = Engine::over(config(), &words, writer).unwrap_or_else(|error| panic!("{error}"));
    (engine, words)
}

fn open(words: &Words) -> Reader {
    Reader::open(words).unwrap_or_else(|error| panic!("{error}"))
}

fn trade(symbol: &str, id: i64, at: i64, price: i64) -> String {
    let ms = (START + at * SECOND) / 1_000_000;
    format!(
        r#"{{"e":"aggTrade","E":{ms},"s":"{symbol}","a":{id},"p":"{price}","q":"2","f":{id},"l":{id},"T":{ms},"m":false}}"#
    )
}

#[test]
fn another_reader_sees_what_the_engines_own_sees() {
    let (mut engine, words) = shared();
    let other = open(&words);
    let own = engine.reader();
    assert!(other.registry().symbols.is_empty());
    let mut ring = other.rings().trades.reader();
    for second in 0..200 {
        for (place, symbol) in ["BTCUSDT", "ETHUSDT", "币安人生USDT"].iter().enumerate() {
            let frame = trade(symbol, second + 1, second, 100 + second + place as i64);
            let recv = START + second * SECOND + 1;
            assert_eq!(engine.feed(frame.as_bytes(), Venue::BinanceUsdm, recv, 0), 1);
        }
        engine.advance(START + second * SECOND + 2);
        if second == 100 {
            assert!(engine.register_window(60 * SECOND).is_ok());
            assert!(FieldRef::parse("signed_volume(10s)").is_ok_and(|field| engine.register_field(field).is_ok()));
            assert!(FieldRef::parse("last").is_ok_and(|field| engine.register_column(field).is_ok()));
        }
    }
    let (held, seen) = (own.registry(), other.registry());
    assert_eq!(seen.symbols.iter().collect::<Vec<_>>(), held.symbols.iter().collect::<Vec<_>>());
    assert_eq!((&seen.windows, &seen.derived), (&held.windows, &held.derived));
    let mut columns = [[0.0; 3]; 2];
    held.columns[0].1.copy(&mut columns[0]);
    seen.columns[0].1.copy(&mut columns[1]);
    assert_eq!(columns, [[299.0, 300.0, 301.0]; 2]);
    let fields = ["last", "vwap", "volume(10s)", "high(1m)", "signed_volume(10s)"];
    let fields = fields.map(|text| FieldRef::parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}")));
    for id in [SymbolId(0), SymbolId(2)] {
        for field in fields {
            let [own, other] = [&own, &other].map(|reader| reader.value(id, Venue::BinanceUsdm, field));
            assert!(own.is_some_and(f64::is_finite), "{}", field.text());
            assert_eq!(own, other);
        }
        for series in 0..2 {
            let [own, other] = [&own, &other].map(|reader| reader.bars(id, Venue::BinanceUsdm, series, 1_000));
            let [own, other] = [own, other].map(Option::unwrap_or_default);
            assert!(!own.is_empty());
            assert_eq!(bytemuck::cast_slice::<_, u8>(&own), bytemuck::cast_slice::<_, u8>(&other));
        }
    }
    assert_eq!(other.numbers(), Some(engine.numbers()));
    let mut records = Vec::new();
    let got = ring.read(&mut records, usize::MAX);
    assert_eq!((got.count, got.lost), (64, 536));
    assert_eq!(other.header().writer(), Writer { pid: 7, started: 8, generation: 9 });
    engine.header().beat(77);
    assert_eq!((other.header().heartbeat(), other.header().has_ended()), (77, false));
    engine.header().end();
    assert!(other.header().has_ended());
}

#[test]
fn what_is_no_block_is_refused() {
    assert_eq!(Reader::open(&Words::zeroed(3)).err(), Some(OpenError::Foreign));
    assert_eq!(Reader::open(&Words::zeroed(4 * PAGE_WORDS)).err(), Some(OpenError::Foreign));
    let (_engine, words) = shared();
    let cut = words.part(0, words.len() - PAGE_WORDS);
    assert_eq!(Reader::open(&cut).err(), Some(OpenError::Length(cut.len(), words.len())));
    words.store(1, &[2]);
    assert!(matches!(Reader::open(&words).err(), Some(OpenError::Layout { found: (2, _), known: (1, _) })));
}

proptest! {
    /// Whatever a header says, it is refused, or says sizes that make a block of this very length; whatever stands behind
    /// it, reading it ends.
    #[test]
    fn a_hostile_block_is_refused_or_read_without_harm(
        changes in proptest::collection::vec((4..64_usize, prop_oneof![any::<u64>(), 0..70_u64, Just(u64::MAX / 8)]), 0..3),
        noise in proptest::collection::vec(
            (any::<prop::sample::Index>(), 0..24_usize, prop_oneof![any::<u64>(), 0..40_u64]),
            0..200,
        ),
    ) {
        let (mut engine, words) = shared();
        for second in 0..40 {
            let frame = trade("BTCUSDT", second + 1, second, 100);
            engine.feed(frame.as_bytes(), Venue::BinanceUsdm, START + second * SECOND, 0);
        }
        // The heads of lists and rings are where harm would be done.
        for (page, at, value) in noise {
            words.store(PAGE_WORDS + page.index(words.len() / PAGE_WORDS - 1) * PAGE_WORDS + at, &[value]);
        }
        for (at, value) in changes {
            words.store(at, &[value]);
        }
        let Ok(reader) = Reader::open(&words) else { return Ok(()) };
        let symbols = reader.registry().symbols.len();
        prop_assert!(symbols <= 50);
        for id in 0..symbols as u32 {
            // A row whose sequence stays odd is a writer that died; that look takes its time.
            let _ = reader.look(SymbolId(id), Venue::BinanceUsdm, ROW_WORDS + 2, |seen| seen.sequence);
            for series in 0..reader.series().len() {
                let _ = reader.bars(SymbolId(id), Venue::BinanceUsdm, series, 100);
                let _ = reader.venue_bars(SymbolId(id), series, 100);
            }
        }
        let mut out = Vec::new();
        let mut ring = reader.rings().trades.reader();
        let _ = ring.read(&mut out, 1_000);
    }
}
