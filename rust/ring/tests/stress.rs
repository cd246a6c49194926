//! One writer and four readers at full speed on the machine itself; whatever is read proves itself.
//!
//! Each record, row and bar is a number and words that follow from it and the seed. A reader works them out again, counts
//! what it lost, and has to come out at the number of records to the last one. Every record also announces a plain word
//! that was written before it: on the machine that shows a publication that came too early, and `ThreadSanitizer`
//! (`make tsan`), for which atomic words never race, shows one that orders nothing.
//!
//! A plain program, since libtest's own threads alarm `ThreadSanitizer`: `RINGTAPE_RECORDS=1e8 RINGTAPE_SEED=7 cargo test
//! --package ringtape-ring --test stress --release`. With `RINGTAPE_RACE=1` readers look at plain words that were not
//! announced, which has to alarm it.

use std::cell::UnsafeCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, panic, process, thread};

use ringtape_ring::{BarPages, BarReader, ChainId, EventReader, EventRing, Latest};

const READERS: u64 = 4;
const RECORD: usize = 8;
const RING: usize = 1_024;
const ROWS: u64 = 16;
const CHAINS: u64 = 8;
const CELL: usize = 6;
/// Fewer than the chains want, so that they take pages from each other.
const PAGES: usize = 12;
/// Records after which the writer changes its pace.
const STRETCH: u64 = 16_384;
/// Plain words, each written at most once.
const PLAIN: usize = 1 << 20;

/// Splitmix64.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// Seeded choices.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0) % limit
    }
}

/// Words that follow from a number and who has it; the number is the first.
fn words<const N: usize>(whose: u64, number: u64) -> [u64; N] {
    std::array::from_fn(|at| if at == 0 { number } else { mix(mix(whose ^ number) ^ at as u64) })
}

fn check<const N: usize>(whose: u64, found: &[u64]) {
    assert_eq!(found, words::<N>(whose, found[0]), "torn");
}

/// Plain words that the writer sets one after the other, and readers look at once a record has told them to.
struct Plain(Box<[UnsafeCell<u64>]>);

#[allow(unsafe_code, reason = "a plain word between threads is what this test is about")]
// SAFETY: each word is written once, and looked at by those who learned of it from the ring, or in a race that is wanted.
unsafe impl Sync for Plain {}

#[allow(unsafe_code, reason = "a plain word between threads is what this test is about")]
impl Plain {
    fn set(&self, number: u64) {
        if let Some(word) = self.0.get(number as usize) {
            // SAFETY: the one writer, before it publishes the record of this number.
            unsafe { *word.get() = mix(number) };
        }
    }

    fn get(&self, number: u64) -> Option<u64> {
        // SAFETY: after the record of this number was read, so nobody writes it any more.
        self.0.get(number as usize).map(|word| unsafe { *word.get() })
    }
}

/// What all threads have.
#[derive(Clone)]
struct Stage {
    seed: u64,
    records: u64,
    race: bool,
    ring: EventRing,
    rows: Latest,
    plain: Arc<Plain>,
    /// How far each reader is. Relaxed: nothing else may be learned from it.
    places: Arc<[AtomicU64; READERS as usize]>,
}

struct Writer {
    stage: Stage,
    pool: BarPages,
    random: Random,
    versions: [u64; ROWS as usize],
    values: [u64; CHAINS as usize],
}

impl Writer {
    /// Gives itself back, so that nothing is freed but by `main`: std's counts of references order themselves by fences,
    /// which `ThreadSanitizer` does not know.
    fn run(mut self) -> Self {
        let mut next = 0;
        while next < self.stage.records {
            let batch = (1 + self.random.below(8)).min(self.stage.records - next);
            for number in next..next + batch {
                self.stage.plain.set(number);
                self.stage.ring.push(&words::<RECORD>(self.stage.seed, number));
            }
            self.stage.ring.publish();
            next += batch;
            self.change_row();
            self.change_bars();
            self.wait(next);
        }
        self
    }

    /// A writer waits for nobody, and readers then lose nearly all; so three stretches of four it stays at their heels.
    fn wait(&self, next: u64) {
        let foremost = || self.stage.places.iter().map(|place| place.load(Ordering::Relaxed)).max().unwrap_or_default();
        while !(next / STRETCH).is_multiple_of(4) && next > foremost() + RING as u64 {
            thread::yield_now();
        }
    }

    fn change_row(&mut self) {
        let row = self.random.below(ROWS);
        let version = &mut self.versions[row as usize];
        *version += 1;
        let all = words::<RECORD>(self.stage.seed + row, *version);
        self.stage.rows.write(row as usize, &[(0, &all[..3]), (3, &all[3..])]);
    }

    /// Mostly one more bar, now and then the newest anew.
    fn change_bars(&mut self) {
        let place = self.random.below(CHAINS);
        let chain = chain(place);
        let value = &mut self.values[place as usize];
        let count = self.pool.count(chain);
        if count > self.pool.first(chain) && self.random.below(4) == 0 {
            self.pool.replace(chain, count - 1, &words::<CELL>(self.stage.seed + place, *value));
        } else {
            *value += 1;
            self.pool.append(chain, &words::<CELL>(self.stage.seed + place, *value));
        }
    }
}

fn chain(place: u64) -> ChainId {
    ChainId::of((place % 2) as usize, (place / 2) as usize)
}

/// What a reader saw.
#[derive(Default)]
struct Seen {
    records: u64,
    lost: u64,
    rows: u64,
    bars: u64,
    /// Looks that found the writer inside each time, as when it was not scheduled.
    stalled: u64,
}

struct Reader {
    stage: Stage,
    place: usize,
    events: EventReader,
    bars: BarReader,
    random: Random,
    next: u64,
    versions: [u64; ROWS as usize],
    values: [u64; CHAINS as usize],
    out: Vec<u64>,
    seen: Seen,
}

impl Reader {
    fn run(mut self) -> Self {
        while self.next < self.stage.records {
            self.read_events();
            self.stage.places[self.place].store(self.next, Ordering::Relaxed);
            self.read_row();
            self.read_bars();
        }
        assert_eq!(self.seen.records + self.seen.lost, self.stage.records, "records without a trace");
        self
    }

    fn read_events(&mut self) {
        self.out.clear();
        let got = self.events.read(&mut self.out, 1 + self.random.below(512) as usize);
        self.next += got.lost;
        for record in self.out.chunks_exact(RECORD) {
            assert_eq!(record[0], self.next, "a record out of its place");
            check::<RECORD>(self.stage.seed, record);
            let announced = self.next + if self.stage.race { RING as u64 } else { 0 };
            let plain = std::hint::black_box(self.stage.plain.get(announced));
            assert!(self.stage.race || plain.is_none_or(|plain| plain == mix(self.next)), "announced and not there");
            self.next += 1;
        }
        self.seen.records += got.count as u64;
        self.seen.lost += got.lost;
    }

    fn read_row(&mut self) {
        let row = self.random.below(ROWS);
        let mut found = [0; RECORD];
        let Some(sequence) = self.stage.rows.read(row as usize, 0, &mut found) else {
            self.seen.stalled += 1;
            return;
        };
        let last = &mut self.versions[row as usize];
        assert_eq!(sequence, 2 * found[0], "a row of another sequence");
        assert!(found[0] >= *last, "a row that goes back");
        *last = found[0];
        if sequence > 0 {
            check::<RECORD>(self.stage.seed + row, &found);
            self.seen.rows += 1;
        }
    }

    fn read_bars(&mut self) {
        let place = self.random.below(CHAINS);
        self.out.clear();
        let most = 1 + self.random.below(100) as usize;
        let Some(count) = self.bars.read(chain(place), most, &mut self.out) else {
            self.seen.stalled += 1;
            return;
        };
        let cells = self.out.chunks_exact(CELL);
        assert_eq!(cells.len(), count, "cells that were not counted");
        for (at, cell) in cells.enumerate() {
            assert_eq!(cell[0], self.out[0] + at as u64, "bars that do not follow each other");
            check::<CELL>(self.stage.seed + place, cell);
        }
        if count > 0 {
            let newest = self.out[(count - 1) * CELL];
            assert!(newest >= self.values[place as usize], "a series that goes back");
            self.values[place as usize] = newest;
        }
        self.seen.bars += count as u64;
    }
}

/// A number from the environment, such as 1e8.
fn number(name: &str, otherwise: u64) -> u64 {
    let Ok(text) = env::var(name) else { return otherwise };
    text.parse::<f64>().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")) as u64
}

/// Whoever is wrong ends everybody: nobody waits for a thread that died.
fn end_at_the_first_panic() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |what| {
        tell(what);
        process::exit(1);
    }));
}

fn main() {
    end_at_the_first_panic();
    let (seed, records) = (number("RINGTAPE_SEED", 7), number("RINGTAPE_RECORDS", 200_000));
    let pool = BarPages::new(PAGES, CELL, (CHAINS / 2) as usize, &[64, 40]);
    let stage = Stage {
        seed: mix(seed),
        records,
        race: env::var_os("RINGTAPE_RACE").is_some(),
        ring: EventRing::new(RING, RECORD),
        rows: Latest::new(ROWS as usize, RECORD),
        plain: Arc::new(Plain((0..PLAIN.min(records as usize)).map(|_| UnsafeCell::new(0)).collect())),
        places: Arc::default(),
    };
    let reader = |place: u64| Reader {
        stage: stage.clone(),
        place: place as usize,
        events: stage.ring.reader(),
        bars: pool.reader(),
        random: Random(mix(seed) ^ (place + 1)),
        next: 0,
        versions: [0; ROWS as usize],
        values: [0; CHAINS as usize],
        out: Vec::new(),
        seen: Seen::default(),
    };
    let readers: Vec<Reader> = (0..READERS).map(reader).collect();
    let readers: Vec<_> = readers.into_iter().map(|reader| thread::spawn(|| reader.run())).collect();
    let writer =
        Writer { stage, pool, random: Random(mix(seed)), versions: [0; ROWS as usize], values: [0; CHAINS as usize] };
    let writer = thread::spawn(|| writer.run());
    println!("seed {seed}, {records} records, {READERS} readers");
    let readers: Vec<_> = readers.into_iter().flat_map(thread::JoinHandle::join).collect();
    let _writer = writer.join();
    for Reader { place, seen, .. } in &readers {
        let Seen { records, lost, rows, bars, stalled } = seen;
        println!(
            "reader {place}: {records} records, {lost} lost, {rows} rows, {bars} bars, {stalled} stalled, none torn"
        );
    }
}
