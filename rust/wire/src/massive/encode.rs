//! Events to Massive's wire text: one JSON object appended per call, the brackets and commas of the frame are the
//! caller's.
//!
//! SOURCE: frames captured live in June to October 2026: key order, numbers as Go prints them (`100`, not
//! `100.0`), exact sizes as strings with one decimal or at least six (`"40.0"`, `"0.007300"`), keys without a
//! value left out, times in ms. What a record cannot hold (nothing, today) is not written, so decoding the text
//! gives the record back.

use ringtape_model::event::BAR_OTC;
use ringtape_model::plain::{VALUE_FAIR, VALUE_INDEX};
use ringtape_model::units::{CODE_UNSET, E8, E8_UNSET};
use ringtape_model::{Band, Imbalance, Quote, Trade, Value, Venue, VenueBar};

use crate::text;

/// Appends a `T` object.
pub fn trade(out: &mut Vec<u8>, symbol: &str, trade: &Trade) {
    open(out, "T", symbol);
    let id = trade.id.split(|&byte| byte == 0).next().unwrap_or_default();
    if !id.is_empty() {
        out.extend_from_slice(b",\"i\":");
        text::string(out, id);
    }
    code(out, b",\"x\":", trade.exchange);
    price(out, b",\"p\":", trade.price, trade.price_e8);
    whole(out, b",\"s\":", trade.size, trade.size_e8);
    codes(out, b",\"c\":", &trade.conditions, trade.n_conditions);
    text::keyed_time(out, b",\"t\":", trade.ts_event);
    text::keyed_time(out, b",\"pt\":", trade.ts_participant);
    text::keyed_integer(out, b",\"q\":", trade.sequence);
    tape(out, trade.tape);
    code(out, b",\"trfi\":", trade.trf_id);
    text::keyed_time(out, b",\"trft\":", trade.ts_trf);
    exact(out, b",\"ds\":", trade.size_e8);
    out.push(b'}');
}

/// Appends a `Q` object.
pub fn quote(out: &mut Vec<u8>, symbol: &str, quote: &Quote) {
    open(out, "Q", symbol);
    code(out, b",\"c\":", quote.condition);
    codes(out, b",\"i\":", &quote.indicators, quote.n_indicators);
    code(out, b",\"bx\":", quote.bid_exchange);
    code(out, b",\"ax\":", quote.ask_exchange);
    price(out, b",\"bp\":", quote.bid, quote.bid_e8);
    price(out, b",\"ap\":", quote.ask, quote.ask_e8);
    price(out, b",\"bs\":", quote.bid_size, quote.bid_size_e8);
    price(out, b",\"as\":", quote.ask_size, quote.ask_size_e8);
    text::keyed_time(out, b",\"t\":", quote.ts_event);
    text::keyed_time(out, b",\"pt\":", quote.ts_participant);
    text::keyed_integer(out, b",\"q\":", quote.sequence);
    tape(out, quote.tape);
    out.push(b'}');
}

/// Appends an `A` object, or an `AM` object where the interval is a minute.
pub fn bar(out: &mut Vec<u8>, symbol: &str, bar: &VenueBar) {
    open(out, if bar.interval_ms == 60_000 { "AM" } else { "A" }, symbol);
    whole(out, b",\"v\":", bar.volume, bar.volume_e8);
    whole(out, b",\"av\":", bar.day_volume, bar.day_volume_e8);
    number(out, b",\"op\":", bar.day_open);
    number(out, b",\"vw\":", bar.vwap);
    number(out, b",\"o\":", bar.open);
    number(out, b",\"c\":", bar.close);
    number(out, b",\"h\":", bar.high);
    number(out, b",\"l\":", bar.low);
    number(out, b",\"a\":", bar.day_vwap);
    number(out, b",\"z\":", bar.average_size);
    text::keyed_time(out, b",\"s\":", bar.ts_event);
    text::keyed_time(out, b",\"e\":", bar.ts_end);
    if bar.flags & BAR_OTC != 0 {
        out.extend_from_slice(b",\"otc\":true");
    }
    exact(out, b",\"dv\":", bar.volume_e8);
    exact(out, b",\"dav\":", bar.day_volume_e8);
    out.push(b'}');
}

/// Appends a `LULD` object; its time is in ns.
pub fn band(out: &mut Vec<u8>, symbol: &str, band: &Band) {
    open_as(out, "LULD", "T", symbol);
    number(out, b",\"h\":", band.high);
    number(out, b",\"l\":", band.low);
    codes(out, b",\"i\":", &band.indicators, band.n_indicators);
    tape(out, band.tape);
    text::keyed_integer(out, b",\"t\":", band.ts_event);
    text::keyed_integer(out, b",\"q\":", band.sequence);
    out.push(b'}');
}

/// Appends a `NOI` object; its time is in ns.
pub fn imbalance(out: &mut Vec<u8>, symbol: &str, imbalance: &Imbalance) {
    open_as(out, "NOI", "T", symbol);
    text::keyed_integer(out, b",\"t\":", imbalance.ts_event);
    code(out, b",\"at\":", imbalance.auction_time);
    if imbalance.auction_type != 0 {
        out.extend_from_slice(b",\"a\":");
        text::string(out, &[imbalance.auction_type]);
    }
    text::keyed_integer(out, b",\"i\":", imbalance.sequence);
    code(out, b",\"x\":", imbalance.exchange);
    number(out, b",\"o\":", imbalance.imbalance);
    number(out, b",\"p\":", imbalance.paired);
    number(out, b",\"b\":", imbalance.clearing_price);
    out.push(b'}');
}

/// Appends a `V`, `FMV` or `LV` object, whichever the value is; the time of the last two is in ns.
pub fn value(out: &mut Vec<u8>, symbol: &str, value: &Value) {
    let (event, name, key): (_, _, &[u8]) = match value.what {
        VALUE_INDEX => ("V", "T", b",\"val\":"),
        VALUE_FAIR => ("FMV", "sym", b",\"fmv\":"),
        _ => ("LV", "sym", b",\"val\":"),
    };
    open_as(out, event, name, symbol);
    price(out, key, value.value, value.value_e8);
    if value.what == VALUE_INDEX {
        text::keyed_time(out, b",\"t\":", value.ts_event);
    } else {
        text::keyed_integer(out, b",\"t\":", value.ts_event);
    }
    out.push(b'}');
}

/// Appends an `XT` object.
pub fn coin_trade(out: &mut Vec<u8>, symbol: &str, trade: &Trade) {
    open_as(out, "XT", "pair", symbol);
    price(out, b",\"p\":", trade.price, trade.price_e8);
    text::keyed_time(out, b",\"t\":", trade.ts_event);
    price(out, b",\"s\":", trade.size, trade.size_e8);
    codes(out, b",\"c\":", &trade.conditions, trade.n_conditions);
    let id = trade.id.split(|&byte| byte == 0).next().unwrap_or_default();
    if !id.is_empty() {
        out.extend_from_slice(b",\"i\":");
        text::string(out, id);
    }
    code(out, b",\"x\":", trade.exchange);
    text::keyed_time(out, b",\"r\":", trade.ts_sent);
    out.push(b'}');
}

/// Appends an `XQ` object; both sides are of one exchange.
pub fn coin_quote(out: &mut Vec<u8>, symbol: &str, quote: &Quote) {
    open_as(out, "XQ", "pair", symbol);
    price(out, b",\"bp\":", quote.bid, quote.bid_e8);
    price(out, b",\"bs\":", quote.bid_size, quote.bid_size_e8);
    price(out, b",\"ap\":", quote.ask, quote.ask_e8);
    price(out, b",\"as\":", quote.ask_size, quote.ask_size_e8);
    text::keyed_time(out, b",\"t\":", quote.ts_event);
    code(out, b",\"x\":", quote.bid_exchange);
    text::keyed_time(out, b",\"r\":", quote.ts_sent);
    out.push(b'}');
}

/// Appends a `C` object, which has no sizes.
pub fn currency_quote(out: &mut Vec<u8>, symbol: &str, quote: &Quote) {
    open_as(out, "C", "p", symbol);
    code(out, b",\"x\":", quote.bid_exchange);
    price(out, b",\"a\":", quote.ask, quote.ask_e8);
    price(out, b",\"b\":", quote.bid, quote.bid_e8);
    text::keyed_time(out, b",\"t\":", quote.ts_event);
    out.push(b'}');
}

/// Appends a future's `T` object.
pub fn future_trade(out: &mut Vec<u8>, symbol: &str, trade: &Trade) {
    open(out, "T", symbol);
    price(out, b",\"p\":", trade.price, trade.price_e8);
    price(out, b",\"s\":", trade.size, trade.size_e8);
    text::keyed_time(out, b",\"t\":", trade.ts_event);
    text::keyed_integer(out, b",\"q\":", trade.sequence);
    out.push(b'}');
}

/// Appends a future's `Q` object, with the times at which its sides were set.
pub fn future_quote(out: &mut Vec<u8>, symbol: &str, quote: &Quote) {
    open(out, "Q", symbol);
    price(out, b",\"bp\":", quote.bid, quote.bid_e8);
    price(out, b",\"bs\":", quote.bid_size, quote.bid_size_e8);
    text::keyed_time(out, b",\"bt\":", quote.ts_participant);
    price(out, b",\"ap\":", quote.ask, quote.ask_e8);
    price(out, b",\"as\":", quote.ask_size, quote.ask_size_e8);
    text::keyed_time(out, b",\"at\":", quote.ts_sent);
    text::keyed_time(out, b",\"t\":", quote.ts_event);
    out.push(b'}');
}

/// Appends the bar of a market that is neither stocks nor options, as that market writes its own: `XA`, `XAS`, `CA`,
/// `CAS`, `A` or `AM`.
pub fn market_bar(out: &mut Vec<u8>, symbol: &str, bar: &VenueBar) {
    let venue = Venue::from_code(bar.venue);
    let is_minute = bar.interval_ms == 60_000;
    match venue {
        Some(Venue::MassiveCrypto) => open_as(out, if is_minute { "XA" } else { "XAS" }, "pair", symbol),
        Some(Venue::MassiveForex) => open_as(out, if is_minute { "CA" } else { "CAS" }, "pair", symbol),
        _ => open(out, if is_minute { "AM" } else { "A" }, symbol),
    }
    price(out, b",\"v\":", bar.volume, bar.volume_e8);
    price(out, b",\"av\":", bar.day_volume, bar.day_volume_e8);
    number(out, b",\"dv\":", bar.dollar_volume);
    number(out, b",\"op\":", bar.day_open);
    number(out, b",\"vw\":", bar.vwap);
    number(out, b",\"o\":", bar.open);
    number(out, b",\"c\":", bar.close);
    number(out, b",\"h\":", bar.high);
    number(out, b",\"l\":", bar.low);
    number(out, b",\"a\":", bar.day_vwap);
    number(out, b",\"z\":", bar.average_size);
    text::keyed_integer(out, b",\"n\":", bar.trade_count);
    text::keyed_time(out, b",\"s\":", bar.ts_event);
    text::keyed_time(out, b",\"e\":", bar.ts_end);
    out.push(b'}');
}

/// Appends a `status` object.
pub fn status(out: &mut Vec<u8>, status: &str, message: &str) {
    out.extend_from_slice(b"{\"ev\":\"status\",\"status\":");
    text::string(out, status.as_bytes());
    out.extend_from_slice(b",\"message\":");
    text::string(out, message.as_bytes());
    out.push(b'}');
}

fn open(out: &mut Vec<u8>, event: &str, symbol: &str) {
    open_as(out, event, "sym", symbol);
}

/// The symbol has another key in some events.
fn open_as(out: &mut Vec<u8>, event: &str, key: &str, symbol: &str) {
    for part in ["{\"ev\":\"", event, "\",\"", key, "\":"] {
        out.extend_from_slice(part.as_bytes());
    }
    text::string(out, symbol.as_bytes());
}

fn code(out: &mut Vec<u8>, key: &[u8], value: u16) {
    if value != CODE_UNSET {
        out.extend_from_slice(key);
        text::unsigned(out, u64::from(value));
    }
}

fn codes(out: &mut Vec<u8>, key: &[u8], values: &[u16], used: u8) {
    let values = &values[..usize::from(used).min(values.len())];
    if values.is_empty() {
        return;
    }
    out.extend_from_slice(key);
    for (i, &value) in values.iter().enumerate() {
        out.push(if i == 0 { b'[' } else { b',' });
        text::unsigned(out, u64::from(value));
    }
    out.push(b']');
}

fn tape(out: &mut Vec<u8>, value: u8) {
    if value != 0 {
        out.extend_from_slice(b",\"z\":");
        text::unsigned(out, u64::from(value));
    }
}

fn number(out: &mut Vec<u8>, key: &[u8], value: f64) {
    if !value.is_nan() {
        out.extend_from_slice(key);
        text::number(out, value);
    }
}

fn price(out: &mut Vec<u8>, key: &[u8], value: f64, value_e8: i64) {
    if !value.is_nan() {
        out.extend_from_slice(key);
        text::decimal(out, value, value_e8);
    }
}

/// QUIRK: the integer sizes cut the fraction off; the exact size follows as a string.
fn whole(out: &mut Vec<u8>, key: &[u8], value: f64, value_e8: i64) {
    if value_e8 == E8_UNSET {
        return number(out, key, value);
    }
    out.extend_from_slice(key);
    text::integer(out, value_e8 / E8);
}

fn exact(out: &mut Vec<u8>, key: &[u8], value_e8: i64) {
    if value_e8 == E8_UNSET {
        return;
    }
    out.extend_from_slice(key);
    out.push(b'"');
    let places = if value_e8 % E8 == 0 { 1 } else { 6 };
    text::fixed(out, value_e8, places);
    out.push(b'"');
}

#[cfg(test)]
mod tests {

    use ringtape_model::units::{ID_UNSET, MILLI, PRICE_UNSET, TIME_UNSET};

    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("encoders write UTF-8")
    }

    fn id(text: &str) -> [u8; 24] {
        let mut id = [0; 24];
        id[..text.len()].copy_from_slice(text.as_bytes());
        id
    }

    // SOURCE: facts/massive_samples.jsonl line 12, captured live in June 2026.
    #[test]
    fn trade_as_captured() {
        let record = Trade {
            ts_event: 1_781_622_376_036 * MILLI,
            ts_participant: 1_781_622_376_029 * MILLI,
            ts_trf: 1_781_622_376_036 * MILLI,
            price: 297.845,
            price_e8: 29_784_500_000,
            size: 40.0,
            size_e8: 40 * E8,
            sequence: 4_938_312,
            id: id("143541"),
            exchange: 4,
            trf_id: 202,
            tape: 3,
            ..Trade::default()
        };
        assert_eq!(
            text(|out| trade(out, "AAPL", &record)),
            concat!(
                r#"{"ev":"T","sym":"AAPL","i":"143541","x":4,"p":297.845,"s":40,"t":1781622376036,"pt":1781622376029,"#,
                r#""q":4938312,"z":3,"trfi":202,"trft":1781622376036,"ds":"40.0"}"#
            )
        );
    }

    #[test]
    fn trade_without_optional_keys() {
        let record = Trade {
            ts_event: 1_790_341_395_094 * MILLI,
            ts_participant: TIME_UNSET,
            ts_trf: TIME_UNSET,
            price: 744.15,
            price_e8: 74_415_000_000,
            size: 0.740_474,
            size_e8: 74_047_400,
            sequence: ID_UNSET,
            conditions: [14, 37, 41, 0, 0, 0, 0, 0],
            n_conditions: 3,
            exchange: CODE_UNSET,
            trf_id: CODE_UNSET,
            ..Trade::default()
        };
        assert_eq!(
            text(|out| trade(out, "QQQ", &record)),
            r#"{"ev":"T","sym":"QQQ","p":744.15,"s":0,"c":[14,37,41],"t":1790341395094,"ds":"0.740474"}"#
        );
    }

    #[test]
    fn quote_keeps_the_order_of_the_wire() {
        let record = Quote {
            ts_event: 1_536_036_818_784 * MILLI,
            ts_participant: TIME_UNSET,
            bid: 114.125,
            ask: 114.128,
            bid_e8: 11_412_500_000,
            ask_e8: 11_412_800_000,
            bid_size: 100.0,
            ask_size: 160.0,
            bid_size_e8: 100 * E8,
            ask_size_e8: 160 * E8,
            sequence: 50_385_480,
            indicators: [604, 0, 0, 0],
            n_indicators: 1,
            bid_exchange: 4,
            ask_exchange: 7,
            condition: 0,
            tape: 3,
            ..Quote::default()
        };
        assert_eq!(
            text(|out| quote(out, "MSFT", &record)),
            concat!(
                r#"{"ev":"Q","sym":"MSFT","c":0,"i":[604],"bx":4,"ax":7,"bp":114.125,"ap":114.128,"bs":100,"as":160,"#,
                r#""t":1536036818784,"q":50385480,"z":3}"#
            )
        );
    }

    // SOURCE: facts/massive_samples.jsonl line 19, captured live on 2026-09-08.
    #[test]
    fn bar_as_captured() {
        let record = VenueBar {
            ts_event: 1_788_877_043_000 * MILLI,
            ts_end: 1_788_877_044_000 * MILLI,
            open: 78.1,
            high: 78.125,
            low: 78.07,
            close: 78.08,
            volume: 4989.0,
            volume_e8: 4989 * E8,
            vwap: 78.0894,
            day_volume: 4_332_125.038_36,
            day_volume_e8: 433_212_503_836_000,
            day_open: 75.98,
            day_vwap: 76.8404,
            average_size: 62.0,
            interval_ms: 1000,
            ..VenueBar::default()
        };
        let expected = concat!(
            r#"{"ev":"A","sym":"FCX","v":4989,"av":4332125,"op":75.98,"vw":78.0894,"o":78.1,"c":78.08,"h":78.125,"#,
            r#""l":78.07,"a":76.8404,"z":62,"s":1788877043000,"e":1788877044000,"dv":"4989.0","dav":"4332125.038360"}"#
        );
        assert_eq!(text(|out| bar(out, "FCX", &record)), expected);
        let minute = VenueBar { interval_ms: 60_000, day_open: PRICE_UNSET, flags: BAR_OTC, ..record };
        let written = text(|out| bar(out, "FCX", &minute));
        assert!(written.starts_with(r#"{"ev":"AM","sym":"FCX","v":4989,"av":4332125,"vw":78.0894,"#), "{written}");
        assert!(written.contains(r#","otc":true,"dv":"#), "{written}");
    }

    #[test]
    fn status_as_captured() {
        assert_eq!(
            text(|out| status(out, "connected", "Connected Successfully")),
            r#"{"ev":"status","status":"connected","message":"Connected Successfully"}"#
        );
    }
}
