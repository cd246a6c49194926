//! The Rust rooms by themselves: decode, and the whole way through the engine, at 1, 10 and 100 events a frame.
//!
//! Frames come from the seeded simulator, so that a run needs no files. `cargo bench --bench rooms` prints
//! throughput in events; the comparison with other parsers is `make bench`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringtape::engine::{Config, Engine};
use ringtape::model::Venue;
use ringtape::model::units::SECOND;
use ringtape::sim::{self, Kind, Market, Route};
use ringtape::wire::{self, Staging};

/// A seeded stretch of the US stock market, about 20,000 events, `per_frame` events a frame.
fn frames(per_frame: usize) -> Vec<Vec<u8>> {
    const START: i64 = 1_795_185_000 * SECOND;
    let config = sim::Config { seed: 7, symbols: 1_000, rate: 20_000, kind: Kind::Stocks, start_ns: START };
    let Ok(mut market) = Market::new(&config) else { panic!("the bench's market is valid") };
    let Some(subscriber) = market.open(Route::All) else { panic!("the market is fresh") };
    for channel in ["T.*", "Q.*", "A.*", "AM.*"] {
        market.subscribe(subscriber, channel);
    }
    market.advance(START + SECOND);
    let mut frames = Vec::new();
    market.frames(subscriber, per_frame, |frame| frames.push(frame.to_vec()));
    frames
}

fn events(frames: &[Vec<u8>]) -> u64 {
    let mut staging = Staging::default();
    let mut count = 0;
    for frame in frames {
        assert!(wire::decode(Venue::MassiveStocks, frame, &mut staging).is_ok());
        count += staging.entries.len() as u64;
    }
    count
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    for per_frame in [1, 10, 100] {
        let frames = frames(per_frame);
        group.throughput(Throughput::Elements(events(&frames)));
        group.bench_with_input(BenchmarkId::from_parameter(per_frame), &frames, |bench, frames| {
            let mut staging = Staging::with_capacity(1_024);
            bench.iter(|| {
                for frame in frames {
                    assert!(wire::decode(Venue::MassiveStocks, frame, &mut staging).is_ok());
                }
            });
        });
    }
    group.finish();
}

fn feed(c: &mut Criterion) {
    let mut group = c.benchmark_group("feed");
    for per_frame in [1, 10, 100] {
        let frames = frames(per_frame);
        group.throughput(Throughput::Elements(events(&frames)));
        group.bench_with_input(BenchmarkId::from_parameter(per_frame), &frames, |bench, frames| {
            let config = Config { windows: vec![300 * SECOND], ..Config::default() };
            let Ok(mut engine) = Engine::new(config) else { panic!("the default configuration is valid") };
            bench.iter(|| {
                for frame in frames {
                    engine.feed(frame, Venue::MassiveStocks, 1_795_185_001 * SECOND, 0);
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decode, feed);
criterion_main!(benches);
