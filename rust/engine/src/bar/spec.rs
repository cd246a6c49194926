//! What a series of bars is asked for by: `1m`, `tick:1000`, `volume:50000`, `dollar_imbalance:1000000`, `renko:0.5`.

use std::fmt;

use ringtape_model::field::window_text;
use ringtape_model::nearest;
use ringtape_model::units::{E8, E16, Nanos, SECOND};

use super::span::DAY;

/// What is added up until a bar is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// One for each trade.
    Ticks,
    /// Sizes, in 1e-8.
    Volume,
    /// Price × size, in 1e-16.
    Dollars,
}

/// A kind of bar with its threshold, in whole units of its measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarSpec {
    /// Ends when its interval has passed.
    Time(Nanos),
    /// Ends when so much was traded.
    Sum(Measure, i128),
    /// Ends when buys and sells differ by so much.
    Imbalance(Measure, i128),
    /// Ends when buys alone or sells alone are so much.
    Run(Measure, i128),
    /// Ends when high and low lie so far apart, in 1e-8.
    Range(i128),
    /// Ends when the price has moved by a brick of so much from the last one, in 1e-8.
    Renko(i128),
}

/// The kinds that do not end by time, with the number that fits each for a message.
const KINDS: [(&str, &str); 11] = [
    ("tick", "1000"),
    ("volume", "50000"),
    ("dollar", "1000000"),
    ("tick_imbalance", "100"),
    ("volume_imbalance", "10000"),
    ("dollar_imbalance", "1000000"),
    ("tick_run", "100"),
    ("volume_run", "10000"),
    ("dollar_run", "1000000"),
    ("range", "0.25"),
    ("renko", "0.5"),
];

/// Digits before the point of a threshold.
const WHOLE_DIGITS: usize = 12;
/// Digits behind it.
const DECIMALS: usize = 8;

/// Why a text asks for no bars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError {
    text: String,
    why: String,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bars {:?}: {}", self.text, self.why)
    }
}

impl std::error::Error for SpecError {}

impl BarSpec {
    /// Reads a series: an interval such as `30s`, `5m`, `4h`, `1d`, or `kind:threshold`.
    ///
    /// # Errors
    ///
    /// Says what is wrong and names the nearest kind.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        let spec = match text.split_once(':') {
            Some((kind, number)) => by_kind(kind, number),
            None => interval(text),
        };
        spec.map_err(|why| SpecError { text: text.to_owned(), why })
    }

    /// Length of a time bar, 0 for others.
    pub fn interval(&self) -> Nanos {
        if let Self::Time(interval) = *self { interval } else { 0 }
    }

    /// What it is, and its number in two words, as the header of shared memory has it.
    pub(crate) fn to_words(self) -> [u64; 3] {
        let (kind, number) = match self {
            Self::Time(interval) => (0, interval.into()),
            Self::Sum(measure, most) => (1 + measure as u64, most),
            Self::Imbalance(measure, most) => (4 + measure as u64, most),
            Self::Run(measure, most) => (7 + measure as u64, most),
            Self::Range(size) => (10, size),
            Self::Renko(size) => (11, size),
        };
        [kind, number as u64, (number >> 64) as u64]
    }

    /// Reads those words.
    pub(crate) fn from_words([kind, low, high]: [u64; 3]) -> Option<Self> {
        let number = ((u128::from(high) << 64) | u128::from(low)).cast_signed();
        let measure = [Measure::Dollars, Measure::Ticks, Measure::Volume][(kind % 3) as usize];
        Some(match kind {
            0 => Self::Time(Nanos::try_from(number).ok()?),
            1..=3 => Self::Sum(measure, number),
            4..=6 => Self::Imbalance(measure, number),
            7..=9 => Self::Run(measure, number),
            10 => Self::Range(number),
            11 => Self::Renko(number),
            _ => return None,
        })
    }

    /// True for an interval of whole seconds up to a day and for every other kind with a threshold.
    pub(crate) fn is_sound(&self) -> bool {
        match *self {
            Self::Time(interval) => (SECOND..=DAY).contains(&interval) && interval % SECOND == 0,
            Self::Sum(_, most) | Self::Imbalance(_, most) | Self::Run(_, most) => most > 0,
            Self::Range(size) | Self::Renko(size) => size > 0,
        }
    }
}

impl fmt::Display for BarSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (suffix, measure, most) = match *self {
            Self::Time(interval) => return f.write_str(&window_text(interval)),
            Self::Range(size) => return write!(f, "range:{}", decimal(size, E8.into())),
            Self::Renko(size) => return write!(f, "renko:{}", decimal(size, E8.into())),
            Self::Sum(measure, most) => ("", measure, most),
            Self::Imbalance(measure, most) => ("_imbalance", measure, most),
            Self::Run(measure, most) => ("_run", measure, most),
        };
        write!(f, "{}{suffix}:{}", measure.name(), decimal(most, measure.unit()))
    }
}

impl Measure {
    fn name(self) -> &'static str {
        match self {
            Self::Ticks => "tick",
            Self::Volume => "volume",
            Self::Dollars => "dollar",
        }
    }

    fn unit(self) -> i128 {
        match self {
            Self::Ticks => 1,
            Self::Volume => E8.into(),
            Self::Dollars => E16,
        }
    }
}

fn interval(text: &str) -> Result<BarSpec, String> {
    if let Some((_, number)) = KINDS.iter().find(|(kind, _)| *kind == text) {
        return Err(format!("needs a threshold, such as {text}:{number}"));
    }
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        "d" => DAY,
        _ => return Err("write an interval such as 30s, 5m, 4h or 1d, or a kind such as tick:1000".to_owned()),
    };
    let length = number.parse::<Nanos>().ok().and_then(|number| number.checked_mul(unit));
    let spec = BarSpec::Time(length.unwrap_or(Nanos::MAX));
    if spec.is_sound() { Ok(spec) } else { Err("an interval is 1s to 1d long".to_owned()) }
}

fn by_kind(kind: &str, number: &str) -> Result<BarSpec, String> {
    if !KINDS.iter().any(|(known, _)| *known == kind) {
        let near = nearest(kind, KINDS.iter().map(|(known, _)| *known), 1);
        if let Some(near) = near.first() {
            return Err(format!("no kind {kind:?}; did you mean {near}:{number}?"));
        }
        let kinds: Vec<&str> = KINDS.iter().map(|(known, _)| *known).collect();
        return Err(format!("no kind {kind:?}: the kinds are {}", kinds.join(", ")));
    }
    let (measure, rest) = kind.split_once('_').unwrap_or((kind, ""));
    let measure = match measure {
        "tick" => Measure::Ticks,
        "volume" => Measure::Volume,
        "dollar" => Measure::Dollars,
        _ => {
            let size = threshold(number, E8.into())?;
            return Ok(if kind == "range" { BarSpec::Range(size) } else { BarSpec::Renko(size) });
        }
    };
    let most = threshold(number, measure.unit())?;
    Ok(match rest {
        "imbalance" => BarSpec::Imbalance(measure, most),
        "run" => BarSpec::Run(measure, most),
        _ => BarSpec::Sum(measure, most),
    })
}

/// A positive decimal number in whole parts of `unit`.
fn threshold(text: &str, unit: i128) -> Result<i128, String> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str, most| (1..=most).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
    if !digits(whole, WHOLE_DIGITS) || !digits(part, DECIMALS) {
        return Err(format!(
            "the threshold {text:?} is not a number of at most 12 digits and 8 decimals, such as 0.25"
        ));
    }
    let scale = 10_i128.pow(DECIMALS as u32);
    let fits = |text: &str| text.parse::<i128>().unwrap_or_default();
    let scaled = fits(whole) * scale + fits(&format!("{part:0<DECIMALS$}"));
    if unit == 1 && scaled % scale != 0 {
        return Err(format!("trades are counted whole, and {text} is not"));
    }
    if scaled == 0 {
        return Err("the threshold is zero".to_owned());
    }
    Ok(scaled * unit / scale)
}

/// The shortest text of a number in whole parts of `unit`.
fn decimal(value: i128, unit: i128) -> String {
    if value % unit == 0 {
        return (value / unit).to_string();
    }
    let digits = unit.ilog10() as usize;
    let text = format!("{}.{:0digits$}", value / unit, value % unit);
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_back_from_its_text() {
        for text in ["1s", "90s", "4h", "1d", "tick:1", "volume:0.001", "dollar:0.00000001", "range:0.25", "renko:12.5"]
        {
            assert_eq!(BarSpec::parse(text).map(|spec| spec.to_string()).as_deref(), Ok(text));
        }
        for (kind, number) in KINDS {
            let text = format!("{kind}:{number}");
            let spec = BarSpec::parse(&text);
            assert_eq!(spec.as_ref().map(BarSpec::to_string), Ok(text));
            assert_eq!(spec.as_ref().ok().and_then(|spec| BarSpec::from_words(spec.to_words())), spec.ok());
        }
        assert_eq!(BarSpec::parse("60s"), BarSpec::parse("1m"));
        assert_eq!(BarSpec::parse("dollar_run:2.50"), Ok(BarSpec::Run(Measure::Dollars, 25 * E16 / 10)));
    }

    #[test]
    fn a_wrong_text_names_what_would_do() {
        let why = |text: &str| BarSpec::parse(text).map_err(|error| error.to_string()).err().unwrap_or_default();
        assert_eq!(why("tik:100"), "bars \"tik:100\": no kind \"tik\"; did you mean tick:100?");
        assert!(why("tick").contains("tick:1000"));
        assert!(why("tick:1.5").contains("whole"));
        assert!(why("banana:5").contains("tick_imbalance"));
        assert!(why("2d").contains("1s to 1d"));
        for text in ["", "1", "1 m", "-1m", "0s", "tick:", "tick:0", "volume:-1", "range:1e3", "volume:.5", "renko:5."]
        {
            assert_ne!(why(text), "", "{text}");
        }
        assert_ne!(why("volume:0.000000001"), "");
        assert_ne!(why("99999999999999999999d"), "");
    }
}
