//! Numbers of every shape against the standard parser, and exact decimals against integers, at every level of instructions.
//!
//! `RINGTAPE_NUMBERS` is how many of each are tried (`make soak`: 1e9 doubles); the seed is printed with a failure.

use ringtape::model::Venue;
use ringtape::model::units::E8_UNSET;
use ringtape::wire::{Level, Staging};

use super::{machine, read};

/// `SplitMix64`: enough for tests, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

fn count() -> u64 {
    let full = if std::env::var_os("RINGTAPE_FULL").is_some() { 20_000_000 } else { 1_000_000 };
    std::env::var("RINGTAPE_NUMBERS").map_or(full, |text| text.parse::<f64>().expect("a number of numbers") as u64)
}

fn seed() -> u64 {
    std::env::var("RINGTAPE_SEED").map_or(7, |text| text.parse().expect("a seed"))
}

/// A finite double as its shortest text, a decimal of up to 25 digits, a halfway case, or a text with an exponent.
fn number(random: &mut Random, text: &mut String) {
    use std::fmt::Write as _;
    let done = match random.below(8) {
        0 | 1 => {
            let double = f64::from_bits(random.next());
            write!(text, "{:e}", if double.is_finite() { double } else { 0.0 })
        }
        2 => {
            // Between two doubles, exactly or nearly.
            let below =
                f64::from_bits(random.below(0x43E0_0000_0000_0000 - 0x3F00_0000_0000_0000) + 0x3F00_0000_0000_0000);
            let exact = format!("{below:.80}");
            let above = format!("{:.80}", below.next_up());
            let same = exact.bytes().zip(above.bytes()).take_while(|(a, b)| a == b).count();
            let _ = write!(text, "{}", &exact[..same.max(1)]);
            if text.ends_with('.') {
                text.push('0');
            }
            write!(text, "{}", if text.contains('.') { random.below(1_000_000) } else { 0 })
        }
        3 => write!(text, "{}e{}", random.next(), random.below(680) as i64 - 350),
        4 => write!(text, "{}.{:020}", random.next(), random.next()),
        5 => write!(text, "{}", random.next() >> random.below(64)),
        _ => {
            let decimals = random.below(10) as usize;
            let whole = random.next() >> (random.below(40) + 20);
            let fraction = random.below(10u64.pow(decimals as u32));
            if decimals == 0 { write!(text, "{whole}") } else { write!(text, "{whole}.{fraction:0decimals$}") }
        }
    };
    assert!(done.is_ok());
}

/// Bars of three numbers each, which are read as doubles only; batches of frames keep it fast.
const BARS: u64 = 400;

fn doubles(level: Level, seed: u64, count: u64) {
    let mut random = Random(seed);
    let mut out = Staging::default();
    let (mut frame, mut texts) = (String::new(), Vec::new());
    let mut done = 0;
    while done < count {
        frame.clear();
        texts.clear();
        for bar in 0..BARS {
            frame.push_str(if bar == 0 { "[" } else { "," });
            frame.push_str(r#"{"ev":"A","sym":"FCX","v":1"#);
            for key in [r#","vw":"#, r#","a":"#, r#","z":"#] {
                frame.push_str(key);
                let start = frame.len();
                if random.below(4) == 0 {
                    frame.push('-');
                }
                number(&mut random, &mut frame);
                // An overflow would skip the event, and the fixed rest of it is not what is tried here.
                if !frame[start..].parse().is_ok_and(f64::is_finite) {
                    frame.truncate(start);
                    frame.push('0');
                }
                texts.push(start..frame.len());
            }
            frame.push_str(r#","o":1,"c":1,"h":1,"l":1,"s":1788877043000,"e":1788877044000}"#);
        }
        frame.push(']');
        let verdict = read(level, Venue::MassiveStocks, frame.as_bytes(), &mut out);
        assert_eq!(verdict, Ok(()));
        assert_eq!(out.bars.len() as u64, BARS, "{level:?}, seed {seed}: {:?}", out.skipped);
        let got = out.bars.iter().flat_map(|bar| [bar.vwap, bar.day_vwap, bar.average_size]);
        for (got, place) in got.zip(&texts) {
            let text = &frame[place.clone()];
            let want: f64 = text.parse().expect("a number");
            assert_eq!(got.to_bits(), want.to_bits(), "{level:?}, seed {seed}: {text}: {got:?}, not {want:?}");
        }
        done += 3 * BARS;
    }
}

#[test]
fn doubles_are_bit_equal_to_the_standard_parser() {
    let (levels, count) = (machine(), count());
    let share = count / levels.len() as u64 / 2 + 1;
    std::thread::scope(|scope| {
        for half in 0..2 {
            let levels = &levels;
            scope.spawn(move || {
                for (at, &level) in levels.iter().enumerate() {
                    doubles(level, seed() + 1_000 * half + at as u64, share);
                }
            });
        }
    });
    println!("{count} doubles by {levels:?}, seed {}", seed());
}

/// A decimal text of a size, and its value in 1e-8 by integers: half to even, `None` beyond 64 bits.
fn size(random: &mut Random) -> (String, Option<i64>) {
    let decimals = random.below(14) as usize;
    let whole = random.next() >> (random.below(44) + 20);
    let mut fraction = random.below(10u64.pow(decimals as u32));
    if decimals > 8 && random.below(2) == 0 {
        // Exactly on the half, or beside it.
        let half = 10u64.pow(decimals as u32 - 8);
        fraction = fraction / half * half + half / 2 + random.below(3) - 1;
    }
    let text = if decimals == 0 { whole.to_string() } else { format!("{whole}.{fraction:0decimals$}") };
    let scale = 10u128.pow(decimals as u32);
    let exact = (u128::from(whole) * scale + u128::from(fraction)) * 100_000_000;
    let (quotient, rest) = (exact / scale, exact % scale);
    let up = 2 * rest > scale || (2 * rest == scale && quotient % 2 == 1);
    (text, i64::try_from(quotient + u128::from(up)).ok())
}

#[test]
fn sizes_are_rounded_once_half_to_even() {
    let mut random = Random(seed());
    for level in machine() {
        let mut out = Staging::default();
        for _ in 0..count() / 2_000 {
            let sizes: Vec<_> = (0..500).map(|_| size(&mut random)).collect();
            for quoted in [true, false] {
                let event = |(text, _): &(String, Option<i64>)| {
                    let size = if quoted { format!(r#""ds":"{text}""#) } else { format!(r#""s":{text}"#) };
                    format!(r#"{{"ev":"T","sym":"AAPL","x":4,"p":1.5,{size},"t":1781622376036}}"#)
                };
                let frame = format!("[{}]", sizes.iter().map(event).collect::<Vec<_>>().join(","));
                assert_eq!(read(level, Venue::MassiveStocks, frame.as_bytes(), &mut out), Ok(()));
                let want: Vec<_> = sizes.iter().filter_map(|&(ref text, e8)| e8.map(|e8| (text, e8))).collect();
                assert_eq!(out.trades.len(), want.len());
                for (trade, (text, e8)) in out.trades.iter().zip(want) {
                    assert_eq!(trade.size_e8, e8, "{level:?}, seed {}: {text}", seed());
                    assert_eq!(Ok(trade.size.to_bits()), text.parse().map(f64::to_bits), "{level:?}: {text}");
                    assert_ne!(trade.size_e8, E8_UNSET);
                }
            }
        }
    }
}
