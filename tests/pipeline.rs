//! The whole way through the engine: no allocation once warm, and the same bytes whatever way frames are cut.
#![allow(unsafe_code, reason = "a counting allocator has to be one")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;

use ringtape::engine::rule::{RuleSource, compile};
use ringtape::engine::{BarSpec, Config, Engine, ReferenceColumn, ReferenceData};
use ringtape::model::row::{ROW_WORDS, WINDOW_WORDS};
use ringtape::model::units::SECOND;
use ringtape::model::{Bar, FieldRef, Record, Trade, Venue};
use ringtape::ring::EventRing;
use ringtape::sim::{self, Kind, Market, Route};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting what this thread asks for.
struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; counting touches a thread-local number only.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's duties are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's duties are the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const START: i64 = 1_795_185_000 * SECOND;
const START_MS: i64 = START / 1_000_000;

/// Frames of the pretend market, a tenth of a second at a time, with the time at which each was received.
fn market(seconds: i64, rate: u32, per_frame: usize, kind: Kind) -> Vec<(i64, Vec<u8>)> {
    let config = sim::Config { seed: 11, symbols: 8, rate, kind, start_ns: START };
    let Ok(mut market) = Market::new(&config) else { panic!("the market is valid") };
    let Some(subscriber) = market.open(Route::All) else { panic!("the market is fresh") };
    let channels: Vec<String> = match kind {
        Kind::Stocks => ["T.*", "Q.*", "A.*", "AM.*"].map(str::to_owned).to_vec(),
        Kind::Crypto => {
            let streams = ["aggTrade", "bookTicker", "markPrice@1s", "kline_1m"];
            let of = |pair: &String| streams.map(|stream| format!("{}@{stream}", pair.to_lowercase()));
            market.symbols().iter().flat_map(of).collect()
        }
    };
    for channel in &channels {
        market.subscribe(subscriber, channel);
    }
    let mut frames = Vec::new();
    for step in 1..=seconds * 10 {
        let now = START + step * SECOND / 10;
        market.advance(now);
        market.frames(subscriber, per_frame, |frame| frames.push((now, frame.to_vec())));
    }
    frames
}

fn engine(max_symbols: usize) -> Engine {
    let config = Config { windows: vec![5 * SECOND, 30 * SECOND], max_symbols, ..Config::default() };
    match Engine::new(config) {
        Ok(engine) => engine,
        Err(error) => panic!("{error}"),
    }
}

/// One derived field of every part, and of every sum.
const DERIVED: &[&str] = &[
    "volume_reg",
    "vwap_anchor(10:30)",
    "or_high(5m)",
    "change(50t)",
    "acceleration(5s)",
    "delta_day",
    "buy_ratio(5s)",
    "unclassified_share(1s)",
    "at_ask_ratio(5s)",
    "uptick_ratio(5s)",
    "late_share(5s)",
    "odd_lot_share(5s)",
    "trf_share(5s)",
    "block_count(1s)",
    "block_volume(1s)",
    "max_trade(5s)",
    "volume_spike(1s,5)",
    "streak_no_trade",
    "effective_spread(5s)",
    "avg_spread_bps(5s)",
    "ofi(5s)",
    "ofi_norm(11s)",
    "quote_rate(5s)",
    "halt_state",
    "limit_state",
    "noi_qty",
    "liq_long(5s)",
    "liq_short(5s)",
    "change_24h",
    "funding_annual",
    "return_z(5s)",
    "bar_close(1m,1)",
    "sma(5,1m)",
    "ema(5,1m)",
    "rsi(5,1m)",
    "atr(5,1m)",
    "macd(1m)",
    "bb_width(5,1m)",
    "consecutive(1m)",
    "realized_vol(10m)",
    "rvol(5s)",
    "session",
];

fn ask_for_derived(engine: &mut Engine) {
    for text in DERIVED {
        let Ok(field) = FieldRef::parse(text) else { panic!("{text}") };
        assert!(engine.register_field(field).is_ok(), "{text}");
    }
}

/// The derived fields of every symbol.
fn derived(engine: &Engine) -> Vec<Vec<u64>> {
    let reader = engine.reader();
    let (symbols, fields): (Vec<_>, Vec<_>) = {
        let registry = reader.registry();
        (registry.symbols.iter().map(|(id, venue, _)| (id, venue)).collect(), registry.derived.clone())
    };
    let values =
        |(id, venue)| fields.iter().map(|&field| reader.value(id, venue, field).map_or(0, f64::to_bits)).collect();
    symbols.into_iter().map(values).collect()
}

#[test]
fn a_warm_engine_does_not_allocate() {
    warm_engine_does_not_allocate(engine(1_000), 60);
}

#[test]
fn derived_fields_do_not_allocate_either() {
    let mut engine = engine(1_000);
    ask_for_derived(&mut engine);
    // What is rare has windows so short that there is room for all of their buckets.
    warm_engine_does_not_allocate(engine, 120);
}

#[test]
fn derived_fields_do_not_depend_on_how_frames_are_cut() {
    let run = |per_frame: usize| {
        let mut engine = engine(1_000);
        ask_for_derived(&mut engine);
        let mut now = 0;
        for (time, frame) in market(15, 2_000, per_frame, Kind::Stocks) {
            engine.feed(&frame, Venue::MassiveStocks, time, 0);
            now = time;
        }
        engine.advance(now);
        derived(&engine)
    };
    let one = run(1);
    let defined = |row: &Vec<u64>| row.iter().filter(|word| !f64::from_bits(**word).is_nan()).count();
    assert!(one.iter().any(|row| defined(row) > 20), "{:?}", one.iter().map(defined).collect::<Vec<_>>());
    assert_eq!(one, run(7));
    assert_eq!(one, run(100));
}

fn warm_engine_does_not_allocate(mut engine: Engine, seconds: i64) {
    let frames = market(seconds, 2_000, 20, Kind::Stocks);
    let warm = frames.len() * 5 / 6;
    for (now, frame) in &frames[..warm] {
        engine.feed(frame, Venue::MassiveStocks, *now, 0);
        engine.advance(*now);
    }
    let before = ALLOCATIONS.with(Cell::get);
    for (now, frame) in &frames[warm..] {
        engine.feed(frame, Venue::MassiveStocks, *now, 0);
        engine.advance(*now);
    }
    let after = ALLOCATIONS.with(Cell::get);
    assert!(engine.stats().trades > 10_000, "{:?}", engine.stats());
    assert_eq!(after - before, 0, "allocations over {} frames", frames.len() - warm);
}

/// An engine with a series of every kind of bar.
fn sampling() -> Engine {
    let timed = ["1s", "7s", "1m", "4h", "1d"];
    let sampled = ["tick:10", "volume:5000", "dollar:100000", "tick_imbalance:5", "dollar_run:90000", "range:0.05"];
    let bars: Result<Vec<_>, _> =
        timed.iter().chain(&sampled).chain(&["renko:0.02"]).map(|one| BarSpec::parse(one)).collect();
    let Ok(bars) = bars else { panic!("every kind is known") };
    match Engine::new(Config { bars, max_symbols: 100, ..Config::default() }) {
        Ok(engine) => engine,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn bars_of_every_kind_do_not_allocate() {
    for (kind, venue) in [(Kind::Stocks, Venue::MassiveStocks), (Kind::Crypto, Venue::BinanceUsdm)] {
        let frames = market(60, 2_000, if kind == Kind::Stocks { 20 } else { 1 }, kind);
        let mut engine = sampling();
        let warm = frames.len() * 5 / 6;
        let mut before = (0, 0);
        for (step, (now, frame)) in frames.iter().enumerate() {
            if step == warm {
                before = (ALLOCATIONS.with(Cell::get), engine.stats().bars);
            }
            engine.feed(frame, venue, *now, 0);
            engine.advance(*now);
        }
        let after = ALLOCATIONS.with(Cell::get);
        assert!(engine.stats().bars - before.1 > 500, "{:?}", engine.stats());
        assert_eq!(after - before.0, 0, "{venue:?}: allocations over {} frames", frames.len() - warm);
    }
}

/// Every bar that was sent, by series and symbol, without its number and without when it was sent.
fn bars_of(per_frame: usize) -> BTreeMap<(u64, u64), Vec<Vec<u64>>> {
    let place = |name: &str| Bar::COLUMNS.iter().find(|column| column.name == name).map_or(0, |column| column.offset);
    let value = |record: &[u64], name: &str, mask| record[place(name) / 8] >> (place(name) % 8 * 8) & mask;
    let mut engine = sampling();
    let mut reader = engine.rings().bars.reader();
    for (now, frame) in market(20, 2_000, per_frame, Kind::Stocks) {
        engine.feed(&frame, Venue::MassiveStocks, now, 0);
    }
    let mut words = Vec::new();
    assert_eq!(reader.read(&mut words, usize::MAX).lost, 0);
    let mut bars: BTreeMap<(u64, u64), Vec<Vec<u64>>> = BTreeMap::new();
    for record in words.chunks_exact(Bar::WORDS) {
        let mut same = record.to_vec();
        (same[place("seq") / 8], same[place("ts_recv") / 8]) = (0, 0);
        let of = (value(record, "series", 0xFFFF), value(record, "symbol", 0xFFFF_FFFF));
        bars.entry(of).or_default().push(same);
    }
    bars
}

#[test]
fn one_event_a_frame_or_many_give_the_same_bars() {
    let one = bars_of(1);
    assert!(one.len() > 70 && one.values().map(Vec::len).sum::<usize>() > 1_000, "{}", one.len());
    for per_frame in [7, 100, 1_000] {
        assert!(bars_of(per_frame) == one, "{per_frame} events a frame");
    }
}

#[test]
fn other_markets_and_kinds_do_not_allocate_either() {
    let frame = |venue, t: i64| match venue {
        Venue::MassiveStocks => format!(
            r#"[{{"ev":"LULD","h":3.63,"l":2.97,"i":[15],"z":3,"T":"A","t":{t}310003385,"q":1}},{{"ev":"FMV","fmv":1.5,"sym":"A","t":{t}000}},{{"ev":"NOI","T":"A","t":{t}223013600,"at":930,"a":"M","i":44,"x":10,"o":480,"p":440,"b":25.03}}]"#
        ),
        Venue::MassiveCrypto => format!(
            r#"[{{"ev":"XT","pair":"BTC-USD","p":33021.9,"t":{t}000,"s":0.0161,"c":[2],"i":"14272084","x":3,"r":{t}001}},{{"ev":"XQ","pair":"BTC-USD","bp":33052.79,"bs":0.48,"ap":33073.19,"as":0.601,"t":{t}000,"x":1}}]"#
        ),
        Venue::MassiveForex => format!(r#"[{{"ev":"C","p":"USD/CNH","x":"44","a":6.83366,"b":6.83363,"t":{t}000}}]"#),
        Venue::BinanceUsdm => format!(
            r#"[{{"e":"bookTicker","u":{t},"s":"BTCUSDT","ps":"BTCUSDT","b":"72009.00","B":"3.065","a":"72009.10","A":"2.180","T":{t}000,"E":{t}001,"st":1}},{{"e":"aggTrade","E":{t}002,"a":{t},"s":"BTCUSDT","p":"64990.90","q":"0.002","nq":"0.002","f":{t},"l":{t},"T":{t}001,"m":true,"st":1}},{{"e":"markPriceUpdate","E":{t}000,"s":"BTCUSDT","p":"83260.9","ap":"83260.9","P":"83390.6","i":"83301.3","r":"-0.00000244","T":{t}000,"st":1}},{{"e":"24hrMiniTicker","E":{t}000,"s":"BTCUSDT","c":"2","o":"1","h":"2","l":"1","v":"10000","q":"18"}},{{"e":"forceOrder","E":{t}005,"o":{{"s":"BTCUSDT","S":"SELL","o":"LIMIT","f":"IOC","q":"5","p":"1.3","ap":"1.35","X":"FILLED","l":"5","z":"5","T":{t}004,"st":1}}}},{{"e":"depthUpdate","E":{t}008,"T":{t}007,"s":"BTCUSDT","U":{t},"u":{t},"pu":1,"b":[],"a":[["64346.70","589.8041"],["64347.00","0"]]}}]"#
        ),
        Venue::MassiveIndices => format!(r#"[{{"ev":"V","val":3988.5,"T":"I:SPX","t":{t}130}}]"#),
        _ => format!(
            r#"[{{"ev":"Q","sym":"ESZ4","bp":4.25,"bs":1,"bt":{t}000,"ap":4.5,"as":6,"at":{t}000,"t":{t}000}},{{"ev":"T","sym":"ESZ4","p":-4.25,"s":2,"t":{t}000,"q":{t}}}]"#
        ),
    };
    let venues = [Venue::MassiveStocks, Venue::MassiveCrypto, Venue::MassiveForex, Venue::MassiveIndices];
    for venue in venues.into_iter().chain([Venue::MassiveFutures, Venue::BinanceUsdm]) {
        let mut engine = engine(1_000);
        ask_for_derived(&mut engine);
        let times = START / SECOND..START / SECOND + 600;
        let frames: Vec<(i64, Vec<u8>)> =
            times.map(|t| (t * SECOND + SECOND / 2, frame(venue, t).into_bytes())).collect();
        let mut before = 0;
        for (step, (now, frame)) in frames.iter().enumerate() {
            if step == 500 {
                before = ALLOCATIONS.with(Cell::get);
            }
            engine.feed(frame, venue, *now, 0);
            engine.advance(*now);
        }
        let after = ALLOCATIONS.with(Cell::get);
        assert_eq!((after - before, engine.stats().events_skipped()), (0, 0), "{venue:?}");
        assert!(engine.stats().events() >= 600, "{venue:?} {:?}", engine.stats());
    }
}

/// Every published row with its first `windows` windows.
fn published(engine: &Engine, windows: usize) -> Vec<Vec<u64>> {
    let symbols = engine.reader().registry().symbols.len();
    let row = |id: usize| {
        let mut words = vec![0; ROW_WORDS + windows * WINDOW_WORDS];
        assert!(engine.rings().latest.read(id, 0, &mut words).is_some_and(|sequence| sequence > 0));
        words
    };
    (0..symbols).map(row).collect()
}

/// Rows are published by what changed of them; a new window makes the engine publish all of every row.
#[test]
fn rows_published_in_parts_are_whole() {
    for (kind, venue) in [(Kind::Stocks, Venue::MassiveStocks), (Kind::Crypto, Venue::BinanceUsdm)] {
        let frames = market(40, 500, if kind == Kind::Stocks { 5 } else { 1 }, kind);
        let mut engine = engine(1_000);
        for (step, (now, frame)) in frames.iter().enumerate() {
            engine.feed(frame, venue, *now, 0);
            if step % 97 == 0 {
                let numbers = vec![(ReferenceColumn::PrevClose, step as f64)];
                let data = ReferenceData { numbers, ..ReferenceData::default() };
                assert_eq!(engine.set_reference(venue, "SPY", data), Ok(()));
            }
            if step % (frames.len() / 12) == 1 {
                engine.advance(*now);
                let windows = engine.reader().registry().windows.len();
                let parts = published(&engine, windows);
                assert!(engine.register_window((windows as i64 + 40) * SECOND).is_ok());
                assert_eq!(parts, published(&engine, windows), "{venue:?} {step}");
            }
        }
        assert!(engine.stats().trades > 1_000 && engine.stats().quotes > 1_000, "{:?}", engine.stats());
    }
}

#[test]
fn one_event_a_frame_or_many_give_the_same_trades() {
    let run = |per_frame: usize, max_symbols: usize| {
        let mut engine = engine(max_symbols);
        let mut reader = engine.rings().trades.reader();
        let mut words = Vec::new();
        for (now, frame) in market(5, 2_000, per_frame, Kind::Stocks) {
            engine.feed(&frame, Venue::MassiveStocks, now, 0);
        }
        let got = reader.read(&mut words, usize::MAX);
        assert_eq!(got.lost, 0);
        let price = Trade::COLUMNS.iter().position(|column| column.name == "price").unwrap_or_default();
        let prices: Vec<u64> = words.chunks_exact(Trade::WORDS).map(|record| record[price]).collect();
        let reader = engine.reader();
        let registry = reader.registry();
        let rows: Vec<String> = registry
            .symbols
            .iter()
            .filter_map(|(id, venue, name)| {
                let row = reader.row(id, venue)?;
                let sums = (row.volume.get(), row.notional.get(), row.trade_count);
                Some(format!("{name} {} {} {} {sums:?}", row.last, row.bid, row.ask))
            })
            .collect();
        (prices.len(), rows)
    };
    // With room for half of the symbols the events of the others are refused one by one.
    for max_symbols in [1_000, 4] {
        let one = run(1, max_symbols);
        assert_eq!(one, run(7, max_symbols));
        assert_eq!(one, run(100, max_symbols));
    }
}

/// The records of all rings, the rows of all symbols and the counters, after some frames.
fn seen(frames: &[(i64, Vec<u8>)], venue: Venue, rules: &[RuleSource]) -> (Vec<Vec<u64>>, Vec<Vec<u64>>, String) {
    let mut engine = engine(16);
    if !rules.is_empty() {
        let Ok(rules) = compile(rules) else { panic!("the rule is right") };
        assert!(engine.set_rules(rules).is_ok());
    }
    let rings = engine.rings();
    let hot = [&rings.trades, &rings.quotes, &rings.venue_bars, &rings.bars, &rings.marks];
    let mut readers: Vec<_> = hot.into_iter().chain(&rings.plain).map(EventRing::reader).collect();
    for (recv, frame) in frames {
        engine.feed(frame, venue, *recv, 0);
    }
    let records = readers.iter_mut().map(|reader| {
        let mut words = Vec::new();
        assert_eq!(reader.read(&mut words, usize::MAX).lost, 0);
        words
    });
    (records.collect(), published(&engine, 2), format!("{:?}", engine.stats()))
}

/// An engine with rules applies events in the order of the frame, one without kind by kind.
#[test]
fn events_kind_by_kind_give_what_the_order_of_the_frame_gives() {
    let never = [RuleSource::new("never", "last < 0")];
    for (kind, venue) in [(Kind::Stocks, Venue::MassiveStocks), (Kind::Crypto, Venue::BinanceUsdm)] {
        let mut frames = market(70, 400, if kind == Kind::Stocks { 60 } else { 1 }, kind);
        // Late, doubled and out of order as well; and a date that begins in the middle of a frame.
        for at in (0..frames.len() - 40).step_by(7) {
            let frame = frames[at].1.clone();
            frames[at + 30].1 = frame;
        }
        let midnight = br#"[{"ev":"Q","sym":"SPY","bp":9.5,"ap":9.75,"t":1795219199000},{"ev":"T","sym":"SPY","p":9.5,"s":5,"t":1795219199500},{"ev":"T","sym":"SPY","p":9.75,"s":7,"t":1795219200500},{"ev":"LULD","T":"SPY","h":10.5,"l":8.5,"t":1795219200550000000},{"ev":"FMV","sym":"NEW","fmv":1.5,"t":1795219200560},{"ev":"Q","sym":"SPY","bp":9.25,"ap":9.5,"t":1795219200600},{"ev":"T","sym":"SPY","p":9.25,"s":2,"t":1795219199900}]"#;
        if kind == Kind::Stocks {
            frames.push((1_795_219_201 * SECOND, midnight.to_vec()));
        }
        let (records, rows, stats) = seen(&frames, venue, &[]);
        assert!(records[0].len() > 10_000 && records[1].len() > 10_000, "{stats}");
        assert_eq!((records, rows, stats), seen(&frames, venue, &never));
    }
}

#[test]
fn a_bar_that_still_forms_does_not_end_the_bars_of_its_trades() {
    let mut engine = engine(8);
    let mut at =
        |ms: i64, frame: String| engine.feed(frame.as_bytes(), Venue::MassiveStocks, (START_MS + ms) * 1_000_000, 0);
    let trade = |ms: i64| format!(r#"[{{"ev":"T","sym":"A","p":1.5,"s":100,"t":{},"q":{ms}}}]"#, START_MS + ms);
    let bar = |start: i64| {
        let (start, end) = (START_MS + start, START_MS + start + 1_000);
        format!(r#"[{{"ev":"A","sym":"A","v":1,"o":1.5,"h":1.5,"l":1.5,"c":1.5,"s":{start},"e":{end}}}]"#)
    };
    assert_eq!(at(100, trade(90)), 1);
    // Sent 700 ms before its end; trades of that second follow.
    assert_eq!(at(300, bar(0)), 1);
    assert_eq!(at(600, trade(590)), 1);
    // One that has ended moves time to its end, as no trade has done yet.
    assert_eq!(at(1_010, bar(0)), 1);
    let stats = engine.stats();
    assert_eq!((stats.bars, stats.bars_revised, stats.late), (1, 0, 0));
}
