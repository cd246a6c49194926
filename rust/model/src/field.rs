//! The catalogue: every field of a symbol with its name, unit, formula and meaning, and the one function that
//! computes it. `ringtape fields`, the rule language and every table take their names from here.

use crate::nearest::nearest;
use crate::row::{Row, WindowRow};
use crate::units::{Nanos, PRICE_UNSET, SECOND, TIME_UNSET, notional_to_f64, size_to_f64, vwap_of};
use crate::venue::Venue;

/// What a field's number means; sums and comparisons need equal units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Quote currency per share, contract or coin.
    Price,
    /// A fraction, shown as percent.
    Ratio,
    /// Shares, contracts or coins.
    Shares,
    /// Quote currency.
    Money,
    /// A number of things.
    Count,
    /// Seconds.
    Seconds,
    /// Unix ns: an integer, not a float.
    Time,
    /// A plain number.
    Scalar,
    /// True or false.
    Bool,
}

impl Unit {
    /// The name shown to users.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Price => "price",
            Self::Ratio => "ratio",
            Self::Shares => "shares",
            Self::Money => "money",
            Self::Count => "count",
            Self::Seconds => "seconds",
            Self::Time => "time",
            Self::Scalar => "scalar",
            Self::Bool => "bool",
        }
    }
}

/// When a field can change, fastest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Moment {
    /// After each applied trade of the symbol.
    Trade = 0,
    /// After each applied quote of the symbol.
    Quote = 1,
    /// With engine time alone.
    Tick = 2,
}

impl Moment {
    /// The name used by `on =` in rule files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trade => "trade",
            Self::Quote => "quote",
            Self::Tick => "tick",
        }
    }

    /// The moment of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Trade, Self::Quote, Self::Tick].into_iter().find(|moment| moment.name() == name)
    }
}

/// One line of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct FieldInfo {
    /// The field.
    pub field: Field,
    /// Name; a windowed field shares it with its day-long sibling where both exist.
    pub name: &'static str,
    /// True for `name(w)`.
    pub windowed: bool,
    /// Unit of the value.
    pub unit: Unit,
    /// Fastest moment at which it changes.
    pub moment: Moment,
    /// Formula in the words of the catalogue.
    pub formula: &'static str,
    /// Inputs: T trades, Q quotes, A second bars, R reference, K crypto streams, E engine time.
    pub inputs: &'static str,
    /// When there is no value.
    pub undefined: &'static str,
}

macro_rules! catalogue {
    ($($field:ident $name:literal $windowed:literal $unit:ident $moment:ident $inputs:literal $formula:literal, $undefined:literal;)*) => {
        /// A field of the catalogue.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "each is documented by its line of the catalogue")]
        pub enum Field { $($field,)* }

        /// Every field, in the order of [`Field`].
        pub static CATALOGUE: &[FieldInfo] = &[$(FieldInfo {
            field: Field::$field, name: $name, windowed: $windowed, unit: Unit::$unit, moment: Moment::$moment,
            formula: $formula, inputs: $inputs, undefined: $undefined,
        },)*];
    };
}

catalogue! {
    Last "last" false Price Trade "T" "price of the newest LAST-eligible, not late trade in tape order", "symbol never traded";
    LastAny "last_any" false Price Trade "T" "price of the newest trade of any condition", "no trade today";
    LastSize "last_size" false Shares Trade "T" "size of the trade behind `last`", "as last";
    LastTime "last_time" false Time Trade "T" "time of the trade behind `last`", "as last";
    LastAge "last_age" false Seconds Tick "E" "now - last_time", "as last";
    PrevClose "prev_close" false Price Tick "R" "close of the previous trading date", "no reference";
    Open "open" false Price Trade "T,A" "regular opening print or the venue's official open; options: first regular trade; indices: first regular value; elsewhere the first trade of the UTC day", "before it";
    Change "change" false Ratio Trade "T,R" "last/prev_close - 1; crypto: last/open - 1", "no previous close, or no eligible trade today";
    ChangeAbs "change_abs" false Price Trade "T,R" "last - prev_close; crypto: last - open", "as change";
    ChangeOpen "change_open" false Ratio Trade "T" "last/open - 1", "no open";
    High "high" false Price Trade "T" "highest HL-eligible price of the regular session", "none yet";
    Low "low" false Price Trade "T" "lowest HL-eligible price of the regular session", "none yet";
    HighDay "high_day" false Price Trade "T" "highest HL-eligible price of the trading date", "none yet";
    LowDay "low_day" false Price Trade "T" "lowest HL-eligible price of the trading date", "none yet";
    Range "range" false Price Trade "T" "high - low", "no high";
    RangePct "range_pct" false Ratio Trade "T" "(high - low)/low", "no high";
    PosRange "pos_range" false Scalar Trade "T" "(last - low)/(high - low)", "high = low";
    OffHigh "off_high" false Ratio Trade "T" "last/high - 1", "no high";
    OffLow "off_low" false Ratio Trade "T" "last/low - 1", "no low";
    Vwap "vwap" false Price Trade "T" "Σ price·size / Σ size of VW trades since rollover", "Σ size = 0";
    VwapDist "vwap_dist" false Ratio Trade "T" "last/vwap - 1", "vwap undefined";
    Volume "volume" false Shares Trade "T" "Σ size of VOL trades since rollover", "never";
    DollarVolume "dollar_volume" false Money Trade "T" "Σ price·size of VOL trades since rollover", "never";
    TradeCount "trade_count" false Count Trade "T" "number of VOL trades since rollover", "never";
    Bid "bid" false Price Quote "Q" "best bid, newest by (time, sequence)", "side empty or no quote";
    Ask "ask" false Price Quote "Q" "best offer", "side empty or no quote";
    BidSize "bid_size" false Shares Quote "Q" "size at the bid", "as bid";
    AskSize "ask_size" false Shares Quote "Q" "size at the offer", "as ask";
    Mid "mid" false Price Quote "Q" "(bid + ask)/2", "one side missing, or crossed";
    Spread "spread" false Price Quote "Q" "ask - bid", "as mid";
    SpreadBps "spread_bps" false Ratio Quote "Q" "spread/mid, shown in basis points (1bp = 0.0001)", "as mid";
    QuoteImbalance "quote_imbalance" false Scalar Quote "Q" "(bid_size - ask_size)/(bid_size + ask_size)", "no size";
    QuoteAge "quote_age" false Seconds Tick "E" "now - time of the quote", "no quote";
    Mark "mark" false Price Tick "K" "mark price", "not sent by the venue";
    Index "index" false Price Tick "K" "index price", "not sent by the venue";
    Basis "basis" false Ratio Tick "K" "mark/index - 1", "as mark, index";
    FundingRate "funding_rate" false Ratio Tick "K" "funding rate of the next payment", "not sent by the venue";
    FundingIn "funding_in" false Seconds Tick "K" "next funding time - now", "not sent by the venue";
    ChangeW "change" true Ratio Trade "T" "last/P(now - w) - 1, P the price then, same trading date", "no price at now - w";
    VolumeW "volume" true Shares Trade "T" "Σ size of VOL trades in the window", "never";
    DollarVolumeW "dollar_volume" true Money Trade "T" "Σ price·size of VOL trades in the window", "never";
    TradeCountW "trade_count" true Count Trade "T" "number of VOL trades in the window", "never";
    TradeRateW "trade_rate" true Scalar Trade "T" "trade_count(w)/w, per second", "never";
    VwapW "vwap" true Price Trade "T" "Σ price·size / Σ size of VOL trades in the window", "no volume in the window";
    HighW "high" true Price Trade "T" "highest LAST-eligible, not late price in the window", "no print in the window";
    LowW "low" true Price Trade "T" "lowest LAST-eligible, not late price in the window", "no print in the window";
}

/// Other names for fields.
pub const ALIASES: &[(&str, &str)] = &[("price", "last")];

impl Field {
    /// The field's line in the catalogue.
    #[inline]
    pub fn info(self) -> &'static FieldInfo {
        &CATALOGUE[self as usize]
    }
}

/// A field with its window, where it has one: what a column, a rule operand or `get` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldRef {
    /// The field.
    pub field: Field,
    /// Window length in ns; 0 for fields without a window.
    pub window: Nanos,
}

/// Why a field's text names nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldError {
    /// No field of that name; the nearest ones.
    Unknown(Vec<String>),
    /// The name exists, but only with a window such as `(5m)`.
    NeedsWindow,
    /// The name exists, but takes no window.
    TakesNoWindow,
    /// The window is not a duration such as `250ms`, `30s`, `5m`, `1h`, or is out of range.
    BadWindow(&'static str),
}

/// Longest window, by the catalogue.
pub const WINDOW_MAX: Nanos = 86_400 * SECOND;

impl FieldRef {
    /// Looks a field up by name.
    pub fn find(name: &str, windowed: bool) -> Result<Field, FieldError> {
        let name = ALIASES.iter().find(|&&(alias, _)| alias == name).map_or(name, |&(_, real)| real);
        let mut sibling = false;
        for info in CATALOGUE {
            if info.name == name {
                if info.windowed == windowed {
                    return Ok(info.field);
                }
                sibling = true;
            }
        }
        match (sibling, windowed) {
            (true, true) => Err(FieldError::TakesNoWindow),
            (true, false) => Err(FieldError::NeedsWindow),
            (false, _) => Err(FieldError::Unknown(Self::suggest(name))),
        }
    }

    /// The nearest field names, windowed ones with `(w)`.
    pub fn suggest(name: &str) -> Vec<String> {
        let near = nearest(name, CATALOGUE.iter().map(|info| info.name), 3);
        let mut out = Vec::new();
        for info in CATALOGUE.iter().filter(|info| near.contains(&info.name)) {
            out.push(if info.windowed { format!("{}(w)", info.name) } else { info.name.to_owned() });
        }
        out.sort_by_key(|shown| near.iter().position(|name| shown.trim_end_matches("(w)") == *name));
        out.truncate(4);
        out
    }

    /// Reads `last` or `change(5m)`.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let text = text.trim();
        let Some((name, rest)) = text.split_once('(') else {
            return Ok(Self { field: Self::find(text, false)?, window: 0 });
        };
        let field = Self::find(name.trim_end(), true)?;
        let inner = rest.strip_suffix(')').ok_or(FieldError::BadWindow("missing )"))?;
        Ok(Self { field, window: parse_window(inner.trim())? })
    }

    /// The text that [`FieldRef::parse`] reads back.
    pub fn text(&self) -> String {
        let name = self.field.info().name;
        if self.window == 0 { name.to_owned() } else { format!("{name}({})", window_text(self.window)) }
    }
}

/// Reads a window such as `250ms`, `30s`, `5m`, `1h`; whole quanta only (see [`quantum`]).
pub fn parse_window(text: &str) -> Result<Nanos, FieldError> {
    const BAD: FieldError = FieldError::BadWindow("write a duration such as 30s, 5m or 1h");
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: i64 = number.parse().map_err(|_| BAD)?;
    let unit: Nanos = match unit {
        "ms" => SECOND / 1000,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        "d" => 86_400 * SECOND,
        _ => return Err(BAD),
    };
    check_window(number.checked_mul(unit).ok_or(BAD)?)
}

/// Accepts a window length that is a positive multiple of its quantum and at most a day.
pub fn check_window(window: Nanos) -> Result<Nanos, FieldError> {
    if window <= 0 {
        return Err(FieldError::BadWindow("a window is longer than nothing"));
    }
    if window > WINDOW_MAX {
        return Err(FieldError::BadWindow("the longest window is 1d"));
    }
    if window % quantum(window) != 0 {
        return Err(FieldError::BadWindow("windows step by 100ms up to 10s, 1s up to 30m, 1m above"));
    }
    Ok(window)
}

/// Width of the buckets behind a window: 100 ms up to 10 s, 1 s up to 30 min, 1 min above.
pub const fn quantum(window: Nanos) -> Nanos {
    if window <= 10 * SECOND {
        SECOND / 10
    } else if window <= 1_800 * SECOND {
        SECOND
    } else {
        60 * SECOND
    }
}

/// The shortest text for a window length.
pub fn window_text(window: Nanos) -> String {
    for (unit, name) in [(86_400 * SECOND, "d"), (3_600 * SECOND, "h"), (60 * SECOND, "m"), (SECOND, "s")] {
        if window % unit == 0 {
            return format!("{}{name}", window / unit);
        }
    }
    format!("{}ms", window / 1_000_000)
}

/// Value of a field from a row and, for windowed fields, that window; NaN where it is undefined.
///
/// `now` is the engine time of the symbol's venue. Fields of unit [`Unit::Time`] are read by [`time_value`].
/// Cost: a few ns; up to about 100 ns where an exact sum has to be rounded (`vwap`, `volume`, ...).
#[inline]
pub fn value(field: Field, row: &Row, window: &WindowRow, length: Nanos, now: Nanos) -> f64 {
    if window.is_unknown() && field.info().windowed {
        return PRICE_UNSET;
    }
    let computed = match field {
        Field::Last => row.last,
        Field::LastAny => row.last_any,
        Field::LastSize => row.last_size,
        Field::LastTime => time_or_nan(row.last_time),
        Field::LastAge => age(now, row.last_time),
        Field::PrevClose => row.prev_close,
        Field::Open => row.open,
        Field::Change => today(row) / base_price(row) - 1.0,
        Field::ChangeAbs => today(row) - base_price(row),
        Field::ChangeOpen => today(row) / row.open - 1.0,
        Field::High => row.high,
        Field::Low => row.low,
        Field::HighDay => row.high_day,
        Field::LowDay => row.low_day,
        Field::Range => row.high - row.low,
        Field::RangePct => (row.high - row.low) / row.low,
        Field::PosRange => (row.last - row.low) / (row.high - row.low),
        Field::OffHigh => row.last / row.high - 1.0,
        Field::OffLow => row.last / row.low - 1.0,
        Field::Vwap => day_vwap(row),
        Field::VwapDist => today(row) / day_vwap(row) - 1.0,
        Field::Volume => size_to_f64(row.volume.get()),
        Field::DollarVolume => notional_to_f64(row.notional.get()),
        Field::TradeCount => row.trade_count as f64,
        Field::Bid => row.bid,
        Field::Ask => row.ask,
        Field::BidSize => row.bid_size,
        Field::AskSize => row.ask_size,
        Field::Mid => mid(row),
        Field::Spread => mid(row) * 0.0 + (row.ask - row.bid),
        Field::SpreadBps => (row.ask - row.bid) / mid(row),
        Field::QuoteImbalance => (row.bid_size - row.ask_size) / (row.bid_size + row.ask_size),
        Field::QuoteAge => age(now, row.quote_time),
        Field::Mark => row.mark,
        Field::Index => row.index,
        Field::Basis => row.mark / row.index - 1.0,
        Field::FundingRate => row.funding_rate,
        Field::FundingIn => -age(now, row.next_funding),
        Field::ChangeW => today(row) / window.base - 1.0,
        Field::VolumeW => size_to_f64(window.volume.get()),
        Field::DollarVolumeW => notional_to_f64(window.notional.get()),
        Field::TradeCountW => window.trade_count as f64,
        Field::TradeRateW => window.trade_count as f64 / (length as f64 / SECOND as f64),
        Field::VwapW => vwap_of(window.notional.get(), window.volume.get()).unwrap_or(PRICE_UNSET),
        Field::HighW => window.high,
        Field::LowW => window.low,
    };
    if computed.is_finite() { computed } else { PRICE_UNSET }
}

/// Value of a field of unit [`Unit::Time`] in Unix ns, or `TIME_UNSET`.
pub fn time_value(field: Field, row: &Row) -> Nanos {
    match field {
        Field::LastTime => row.last_time,
        _ => TIME_UNSET,
    }
}

/// `last` where it was set on this trading date.
#[inline]
fn today(row: &Row) -> f64 {
    if row.last_date == row.date { row.last } else { PRICE_UNSET }
}

/// What a day's change is measured from.
#[inline]
fn base_price(row: &Row) -> f64 {
    let sessions = Venue::from_code(row.venue as u8).is_some_and(Venue::has_us_sessions);
    if sessions { row.prev_close } else { row.open }
}

#[inline]
fn day_vwap(row: &Row) -> f64 {
    vwap_of(row.vw_notional.get(), row.vw_volume.get()).unwrap_or(PRICE_UNSET)
}

/// Undefined where a side is missing or the quote is crossed; locked is defined.
#[inline]
fn mid(row: &Row) -> f64 {
    if row.bid <= row.ask { f64::midpoint(row.bid, row.ask) } else { PRICE_UNSET }
}

#[inline]
fn age(now: Nanos, then: Nanos) -> f64 {
    if then == TIME_UNSET || now == TIME_UNSET { PRICE_UNSET } else { (now - then) as f64 / SECOND as f64 }
}

#[inline]
fn time_or_nan(time: Nanos) -> f64 {
    if time == TIME_UNSET { PRICE_UNSET } else { time as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalogue_is_in_enum_order_and_names_are_unique() {
        for (i, info) in CATALOGUE.iter().enumerate() {
            assert_eq!(info.field as usize, i);
            let same = CATALOGUE.iter().filter(|o| o.name == info.name && o.windowed == info.windowed);
            assert_eq!(same.count(), 1, "{}", info.name);
        }
    }

    #[test]
    fn field_text_round_trips() {
        for text in ["last", "change(5m)", "volume(250s)", "high(100ms)", "low(30m)", "trade_rate(1h)"] {
            let Ok(field) = FieldRef::parse(text) else { panic!("{text}") };
            assert_eq!(field.text(), text);
        }
        assert_eq!(FieldRef::parse("price").map(|f| f.text()), Ok("last".to_owned()));
    }

    #[test]
    fn bad_names_suggest_the_nearest() {
        assert_eq!(FieldRef::parse("volme"), Err(FieldError::Unknown(vec!["volume".into(), "volume(w)".into()])));
        assert_eq!(FieldRef::parse("vwap_dist(5m)"), Err(FieldError::TakesNoWindow));
        assert_eq!(FieldRef::parse("trade_rate"), Err(FieldError::NeedsWindow));
        assert!(matches!(FieldRef::parse("change(5x)"), Err(FieldError::BadWindow(_))));
        assert!(matches!(FieldRef::parse("change(2d)"), Err(FieldError::BadWindow(_))));
        assert!(matches!(FieldRef::parse("change(50ms)"), Err(FieldError::BadWindow(_))));
    }

    #[test]
    fn undefined_is_nan_never_infinite() {
        let row = Row::unset(0);
        let window = WindowRow::empty();
        for info in CATALOGUE {
            let got = value(info.field, &row, &window, SECOND, TIME_UNSET);
            let zero = matches!(
                info.field,
                Field::Volume
                    | Field::DollarVolume
                    | Field::TradeCount
                    | Field::VolumeW
                    | Field::DollarVolumeW
                    | Field::TradeCountW
                    | Field::TradeRateW
            );
            assert!(if zero { got == 0.0 } else { got.is_nan() }, "{} = {got}", info.name);
        }
    }

    #[test]
    fn crossed_has_no_mid_and_locked_has() {
        let mut row = Row::unset(0);
        (row.bid, row.ask) = (10.0, 10.0);
        assert_eq!(value(Field::Spread, &row, &WindowRow::empty(), 0, 0), 0.0);
        row.ask = 9.0;
        assert!(value(Field::SpreadBps, &row, &WindowRow::empty(), 0, 0).is_nan());
        assert!(value(Field::Spread, &row, &WindowRow::empty(), 0, 0).is_nan());
    }
}
