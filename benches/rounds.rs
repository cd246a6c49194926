//! The Rust contestants of the comparison, a round at a time, so that they take turns with everybody else.
//!
//! `rounds serve FILE` reads a corpus (`python/corpus.py` writes it), then requests, a line each, from standard input.
//! `round NAME` runs a contestant over the measured frames, and the answer is the nanoseconds of one core; `see NAME FILE`
//! writes the prices that it saw there to a file as doubles, in order of arrival, and the answer is the number of events;
//! `levels` is answered with the levels that this machine has. Names are those levels of the decoder, `memcpy` (the frames
//! are copied to a hot buffer), `feed` (the engine) and `empty` (feeds of a frame without events, as many as there are
//! frames). Without an order each runs once over a second of the simulator: that is the test.

use std::error::Error;
use std::hint::black_box;
use std::io::{BufRead, Write};

use cpu_time::ThreadTime;
use ringtape::engine::{Config, Day, Engine};
use ringtape::model::units::SECOND;
use ringtape::model::{Kind, Venue};
use ringtape::ring::{EventReader, EventRing};
use ringtape::sim::{self, Kind as Market, Market as Simulator, Route};
use ringtape::wire::{self, Level, Staging};

/// A payload and its receive time.
type Frame = (i64, Vec<u8>);

/// What comes before the clock starts, and what is measured.
struct Corpus {
    venue: Venue,
    days: Vec<Day>,
    warm: Vec<Frame>,
    measured: Vec<Frame>,
}

/// What is left of a corpus file; numbers are little-endian.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Box<dyn Error>> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or("the corpus ends in the middle")?;
        self.0 = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, Box<dyn Error>> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into()?))
    }

    fn i64(&mut self) -> Result<i64, Box<dyn Error>> {
        Ok(i64::from_le_bytes(self.take(8)?.try_into()?))
    }

    fn bytes(&mut self) -> Result<&'a [u8], Box<dyn Error>> {
        let len = self.u32()?;
        self.take(len as usize)
    }

    fn frames(&mut self) -> Result<Vec<Frame>, Box<dyn Error>> {
        (0..self.u32()?).map(|_| Ok((self.i64()?, self.bytes()?.to_vec()))).collect()
    }

    fn day(&mut self) -> Result<Day, Box<dyn Error>> {
        let date = u32::try_from(self.i64()?)?;
        Ok(Day { date, start: self.i64()?, open: self.i64()?, close: self.i64()?, end: self.i64()? })
    }
}

impl Corpus {
    /// Reads a file's bytes: the venue's name, trading days, frames to warm up with, frames to measure.
    fn read(file: &[u8]) -> Result<Self, Box<dyn Error>> {
        let mut rest = Rest(file);
        let venue = Venue::from_name(std::str::from_utf8(rest.bytes()?)?).ok_or("no such venue")?;
        let days = (0..rest.u32()?).map(|_| rest.day()).collect::<Result<_, _>>()?;
        Ok(Self { venue, days, warm: rest.frames()?, measured: rest.frames()? })
    }

    /// A second of the simulator, half of it to warm up with.
    fn simulated() -> Self {
        const START: i64 = 1_795_185_000 * SECOND;
        let config = sim::Config { seed: 7, symbols: 100, rate: 2_000, kind: Market::Stocks, start_ns: START };
        let Ok(mut market) = Simulator::new(&config) else { panic!("the bench's market is valid") };
        let Some(subscriber) = market.open(Route::All) else { panic!("the market is fresh") };
        for channel in ["T.*", "Q.*", "A.*", "AM.*"] {
            market.subscribe(subscriber, channel);
        }
        let mut half = |end: i64| {
            let mut frames = Vec::new();
            market.advance(end);
            market.frames(subscriber, 10, |frame| frames.push((end, frame.to_vec())));
            frames
        };
        let (warm, measured) = (half(START + SECOND / 2), half(START + SECOND));
        Self { venue: Venue::MassiveStocks, days: Vec::new(), warm, measured }
    }
}

/// The nanoseconds of one core that a piece of work takes.
fn timed(work: impl FnOnce()) -> u128 {
    let start = ThreadTime::now();
    work();
    start.elapsed().as_nanos()
}

/// Events, and their prices where they are wanted.
#[derive(Default)]
struct Seen {
    events: usize,
    prices: Vec<f64>,
}

impl Seen {
    fn note(&mut self, out: &Staging) {
        self.events += out.entries.len();
        for entry in &out.entries {
            let at = entry.index as usize;
            match entry.kind {
                Kind::Trade => self.prices.push(out.trades[at].price),
                Kind::Quote => {
                    self.prices.extend([out.quotes[at].bid, out.quotes[at].ask].iter().filter(|p| !p.is_nan()));
                }
                Kind::VenueBar => self.prices.push(out.bars[at].close),
                Kind::Mark => self.prices.push(out.marks[at].mark),
                // The corpora have no others.
                _ => {}
            }
        }
    }
}

/// A decoder that has seen the frames to warm up with.
struct Decoder(Level, Staging);

impl Decoder {
    fn warm(level: Level, corpus: &Corpus) -> Self {
        let mut decoder = Self(level, Staging::with_capacity(1_024));
        decoder.all(corpus, &corpus.warm, |_| ());
        decoder
    }

    fn all(&mut self, corpus: &Corpus, frames: &[Frame], mut look: impl FnMut(&Staging)) {
        let Self(level, out) = self;
        for (_, frame) in frames {
            assert!(wire::decode_with(*level, corpus.venue, frame, out).is_ok(), "{}", frame.escape_ascii());
            look(black_box(out));
        }
    }
}

/// An engine as the Python contestant has it, and what drains it.
struct Fed {
    engine: Engine,
    readers: Vec<EventReader>,
    drained: Vec<u64>,
}

impl Fed {
    fn new(corpus: &Corpus) -> Self {
        let config = Config { windows: vec![300 * SECOND], ..Config::default() };
        let Ok(mut engine) = Engine::new(config) else { panic!("the configuration is valid") };
        engine.add_days(corpus.venue, &corpus.days);
        let rings = engine.rings();
        let kinds = Kind::HOT.iter().chain(Kind::PLAIN).filter_map(|&kind| rings.of(kind));
        let readers = [&rings.bars, &rings.signals].into_iter().chain(kinds).map(EventRing::reader).collect();
        Self { engine, readers, drained: Vec::new() }
    }

    fn warm(corpus: &Corpus) -> Self {
        let mut fed = Self::new(corpus);
        for (recv, frame) in &corpus.warm {
            fed.engine.feed(frame, corpus.venue, *recv, 0);
            fed.drain();
        }
        fed
    }

    fn drain(&mut self) {
        self.drained.clear();
        for reader in &mut self.readers {
            reader.read(&mut self.drained, usize::MAX);
        }
    }
}

/// The levels of this machine.
fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|level| *level <= Level::best())
}

/// The ways to pass over the measured frames.
#[derive(Clone, Copy)]
enum Contestant {
    Decode(Level),
    Memcpy,
    Feed,
    Empty,
}

impl Contestant {
    fn named(name: &str) -> Option<Self> {
        match name {
            "memcpy" => Some(Self::Memcpy),
            "feed" => Some(Self::Feed),
            "empty" => Some(Self::Empty),
            // A level that this machine has not would be measured as a lower one.
            _ => levels().find(|level| level.name() == name).map(Self::Decode),
        }
    }

    /// The nanoseconds of one round.
    fn round(self, corpus: &Corpus) -> u128 {
        let frames = &corpus.measured;
        match self {
            Self::Decode(level) => {
                let mut decoder = Decoder::warm(level, corpus);
                timed(|| decoder.all(corpus, frames, |_| ()))
            }
            Self::Memcpy => {
                let mut hot = vec![0; frames.iter().map(|(_, frame)| frame.len()).max().unwrap_or_default()];
                timed(|| {
                    for (_, frame) in frames {
                        hot[..frame.len()].copy_from_slice(black_box(frame));
                        black_box(&hot);
                    }
                })
            }
            Self::Feed => {
                let mut engine = Fed::warm(corpus).engine;
                timed(|| {
                    for (recv, frame) in frames {
                        black_box(engine.feed(frame, corpus.venue, *recv, 0));
                    }
                })
            }
            Self::Empty => {
                let mut engine = Fed::new(corpus).engine;
                timed(|| {
                    for (recv, _) in frames {
                        black_box(engine.feed(black_box(b"[]"), corpus.venue, *recv, 0));
                    }
                })
            }
        }
    }

    /// What the contestant saw in the measured frames; only of those that see anything.
    fn see(self, corpus: &Corpus) -> Seen {
        let mut seen = Seen::default();
        match self {
            Self::Decode(level) => {
                Decoder::warm(level, corpus).all(corpus, &corpus.measured, |out| seen.note(out));
            }
            Self::Feed => {
                let mut fed = Fed::warm(corpus);
                for (recv, frame) in &corpus.measured {
                    seen.events += fed.engine.feed(frame, corpus.venue, *recv, 0);
                }
            }
            Self::Memcpy | Self::Empty => {}
        }
        seen
    }
}

/// Answers the requests of standard input until it ends.
fn serve(corpus: &Corpus) -> Result<(), Box<dyn Error>> {
    let mut answers = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if line == "levels" {
            writeln!(answers, "{}", levels().map(Level::name).collect::<Vec<_>>().join(" "))?;
            continue;
        }
        let (order, rest) = line.split_once(' ').ok_or("write `round NAME` or `see NAME FILE`")?;
        let (name, file) = rest.split_once(' ').unwrap_or((rest, ""));
        let contestant = Contestant::named(name).ok_or_else(|| format!("no contestant {name} on this machine"))?;
        if order == "see" {
            let Seen { events, prices } = contestant.see(corpus);
            std::fs::write(file, prices.iter().flat_map(|price| price.to_le_bytes()).collect::<Vec<_>>())?;
            writeln!(answers, "{events}")?;
        } else {
            writeln!(answers, "{}", contestant.round(corpus))?;
        }
    }
    Ok(())
}

/// A file of one day, two frames to warm up with and one to measure is read as such, and cut short it is refused.
fn reads_files() {
    let sized = |text: &[u8]| [&(text.len() as u32).to_le_bytes(), text].concat();
    let words = |words: &[i64]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let frame = |now: i64| [words(&[now]), sized(b"[]")].concat();
    let count = |count: u32| count.to_le_bytes().to_vec();
    let day = words(&[20_261_120, 1, 2, 3, 4]);
    let file = [sized(b"massive.stocks"), count(1), day, count(2), frame(7), frame(8), count(1), frame(9)].concat();
    let Ok(corpus) = Corpus::read(&file) else { panic!("the file is whole") };
    assert_eq!(corpus.days, [Day { date: 20_261_120, start: 1, open: 2, close: 3, end: 4 }]);
    assert_eq!((corpus.warm.len(), corpus.measured), (2, vec![(9, b"[]".to_vec())]));
    assert!((0..file.len()).all(|len| Corpus::read(&file[..len]).is_err()));
}

/// Runs everybody once over the simulator; all that decode must see the same.
fn once() {
    let corpus = Corpus::simulated();
    let seen: Vec<Seen> = levels().map(|level| Contestant::Decode(level).see(&corpus)).collect();
    for other in &seen {
        assert!(other.events > 500 && (other.events, &other.prices) == (seen[0].events, &seen[0].prices));
    }
    assert_eq!(Contestant::Feed.see(&corpus).events, seen[0].events);
    for name in ["scalar", "memcpy", "feed", "empty"] {
        assert!(Contestant::named(name).is_some_and(|contestant| contestant.round(&corpus) > 0), "{name}");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    if let [order, file] = given.as_slice()
        && order == "serve"
    {
        return serve(&Corpus::read(&std::fs::read(file)?)?);
    }
    reads_files();
    once();
    Ok(())
}
