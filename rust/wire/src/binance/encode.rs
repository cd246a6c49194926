//! Events to Binance's wire text: the raw payload object appended per call, [`envelope`] around it on a combined
//! connection.
//!
//! SOURCE: USD-M frames captured in July to October 2026: key order, `ps` and `st`, and the blank after each comma
//! inside a kline's `k`. Decimals are strings without the trailing zeros of the symbol's precision, which no
//! record keeps. The key of a value that is not known is left out, but for mark prices, whose unknown values are empty
//! strings on the wire.

use ringtape_model::event::{BAR_COMPLETE, SIDE_NONE, SIDE_SELL};
use ringtape_model::units::{E8_UNSET, MILLI, TIME_UNSET};
use ringtape_model::{Mark, Quote, Trade, Venue, VenueBar};

use crate::text;

/// Result of a request as a reply carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// Done: `null`.
    Done,
    /// Value of a property.
    Flag(bool),
    /// Stream names (`LIST_SUBSCRIPTIONS`).
    Names(&'a [&'a str]),
}

/// Appends an `aggTrade` payload. `nq`, the quantity without price-improvement fills, is written as `q`.
pub fn agg_trade(out: &mut Vec<u8>, symbol: &str, trade: &Trade) {
    out.extend_from_slice(b"{\"e\":\"aggTrade\"");
    text::keyed_time(out, b",\"E\":", trade.ts_sent);
    text::keyed_integer(out, b",\"a\":", trade.sequence);
    name(out, b",\"s\":", symbol);
    decimal(out, b",\"p\":", trade.price, trade.price_e8);
    decimal(out, b",\"q\":", trade.size, trade.size_e8);
    decimal(out, b",\"nq\":", trade.size, trade.size_e8);
    text::keyed_integer(out, b",\"f\":", trade.first_id);
    text::keyed_integer(out, b",\"l\":", trade.last_id);
    text::keyed_time(out, b",\"T\":", trade.ts_event);
    maker(out, trade.side);
    close(out, trade.venue);
}

/// Appends a `trade` payload (undocumented on futures).
pub fn trade(out: &mut Vec<u8>, symbol: &str, trade: &Trade) {
    out.extend_from_slice(b"{\"e\":\"trade\"");
    text::keyed_time(out, b",\"E\":", trade.ts_sent);
    text::keyed_time(out, b",\"T\":", trade.ts_event);
    name(out, b",\"s\":", symbol);
    text::keyed_integer(out, b",\"t\":", trade.sequence);
    decimal(out, b",\"p\":", trade.price, trade.price_e8);
    decimal(out, b",\"q\":", trade.size, trade.size_e8);
    out.extend_from_slice(b",\"X\":\"MARKET\"");
    maker(out, trade.side);
    close(out, trade.venue);
}

/// Appends a `bookTicker` payload. The pair `ps` is the symbol up to an underscore.
pub fn book_ticker(out: &mut Vec<u8>, symbol: &str, quote: &Quote) {
    out.extend_from_slice(b"{\"e\":\"bookTicker\"");
    text::keyed_integer(out, b",\"u\":", quote.sequence);
    name(out, b",\"s\":", symbol);
    name(out, b",\"ps\":", symbol.split('_').next().unwrap_or(symbol));
    decimal(out, b",\"b\":", quote.bid, quote.bid_e8);
    decimal(out, b",\"B\":", quote.bid_size, quote.bid_size_e8);
    decimal(out, b",\"a\":", quote.ask, quote.ask_e8);
    decimal(out, b",\"A\":", quote.ask_size, quote.ask_size_e8);
    text::keyed_time(out, b",\"T\":", quote.ts_event);
    text::keyed_time(out, b",\"E\":", quote.ts_sent);
    close(out, quote.venue);
}

/// Appends a `kline` payload.
pub fn kline(out: &mut Vec<u8>, symbol: &str, bar: &VenueBar) {
    out.extend_from_slice(b"{\"e\":\"kline\"");
    text::keyed_time(out, b",\"E\":", bar.ts_sent);
    name(out, b",\"s\":", symbol);
    // QUIRK: since 2026 this inner object has a blank after each comma; no other text of the venue has.
    text::keyed_time(out, b",\"k\":{\"t\":", bar.ts_event);
    text::keyed_time(out, b", \"T\":", bar.ts_end - MILLI);
    name(out, b", \"s\":", symbol);
    out.extend_from_slice(b", \"i\":\"");
    interval(out, bar.interval_ms);
    out.push(b'"');
    text::keyed_integer(out, b", \"f\":", bar.first_id);
    text::keyed_integer(out, b", \"L\":", bar.last_id);
    decimal(out, b", \"o\":", bar.open, E8_UNSET);
    decimal(out, b", \"c\":", bar.close, E8_UNSET);
    decimal(out, b", \"h\":", bar.high, E8_UNSET);
    decimal(out, b", \"l\":", bar.low, E8_UNSET);
    decimal(out, b", \"v\":", bar.volume, bar.volume_e8);
    text::keyed_integer(out, b", \"n\":", bar.trade_count);
    flag(out, b", \"x\":", bar.flags & BAR_COMPLETE != 0);
    decimal(out, b", \"q\":", bar.dollar_volume, E8_UNSET);
    decimal(out, b", \"V\":", bar.buy_volume, E8_UNSET);
    decimal(out, b", \"Q\":", bar.buy_dollar_volume, E8_UNSET);
    out.extend_from_slice(b", \"B\":\"0\"}}");
}

/// Appends a `markPriceUpdate` payload; an unset funding time is 0, as the venue sends it.
pub fn mark_price(out: &mut Vec<u8>, symbol: &str, mark: &Mark) {
    out.extend_from_slice(b"{\"e\":\"markPriceUpdate\"");
    text::keyed_time(out, b",\"E\":", mark.ts_event);
    name(out, b",\"s\":", symbol);
    decimal_or_empty(out, b",\"p\":", mark.mark);
    decimal_or_empty(out, b",\"ap\":", mark.mark_average);
    decimal_or_empty(out, b",\"P\":", mark.settle);
    decimal_or_empty(out, b",\"i\":", mark.index);
    decimal_or_empty(out, b",\"r\":", mark.funding_rate);
    text::keyed_time(out, b",\"T\":", if mark.next_funding == TIME_UNSET { 0 } else { mark.next_funding });
    close(out, mark.venue);
}

/// Appends the envelope of a combined connection around what `payload` appends.
pub fn envelope(out: &mut Vec<u8>, stream: &str, payload: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"{\"stream\":");
    text::string(out, stream.as_bytes());
    out.extend_from_slice(b",\"data\":");
    payload(out);
    out.push(b'}');
}

/// Appends the reply to a request; replies are never wrapped in an envelope.
pub fn reply(out: &mut Vec<u8>, id: i64, outcome: Outcome<'_>) {
    out.extend_from_slice(b"{\"result\":");
    match outcome {
        Outcome::Done => out.extend_from_slice(b"null"),
        Outcome::Flag(value) => flag(out, b"", value),
        Outcome::Names(names) => {
            out.push(b'[');
            for (i, stream) in names.iter().enumerate() {
                name(out, if i == 0 { b"" } else { b"," }, stream);
            }
            out.push(b']');
        }
    }
    out.extend_from_slice(b",\"id\":");
    text::integer(out, id);
    out.push(b'}');
}

/// Appends an error in the form measured in October 2026: wrapped, without the request's id.
pub fn error(out: &mut Vec<u8>, code: i64, message: &str) {
    out.extend_from_slice(b"{\"error\":{\"code\":");
    text::integer(out, code);
    name(out, b",\"msg\":", message);
    out.extend_from_slice(b"}}");
}

/// `st` tells the universes apart: 1 = USD-M, 2 = COIN-M.
fn close(out: &mut Vec<u8>, venue: u8) {
    let coin_margined = venue == Venue::BinanceCoinm as u8;
    out.extend_from_slice(if coin_margined { b",\"st\":2}" } else { b",\"st\":1}" });
}

fn name(out: &mut Vec<u8>, key: &[u8], value: &str) {
    out.extend_from_slice(key);
    text::string(out, value.as_bytes());
}

fn flag(out: &mut Vec<u8>, key: &[u8], value: bool) {
    out.extend_from_slice(key);
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// `m`: the buyer is the maker, so the taker sold.
fn maker(out: &mut Vec<u8>, side: u8) {
    if side != SIDE_NONE {
        flag(out, b",\"m\":", side == SIDE_SELL);
    }
}

fn decimal(out: &mut Vec<u8>, key: &[u8], value: f64, value_e8: i64) {
    if !value.is_nan() {
        out.extend_from_slice(key);
        out.push(b'"');
        text::decimal(out, value, value_e8);
        out.push(b'"');
    }
}

fn decimal_or_empty(out: &mut Vec<u8>, key: &[u8], value: f64) {
    if value.is_nan() {
        out.extend_from_slice(key);
        out.extend_from_slice(b"\"\"");
    } else {
        decimal(out, key, value, E8_UNSET);
    }
}

/// The venue's name of an interval: the largest unit that divides it.
fn interval(out: &mut Vec<u8>, interval_ms: u32) {
    const UNITS: [(u32, u8); 5] =
        [(604_800_000, b'w'), (86_400_000, b'd'), (3_600_000, b'h'), (60_000, b'm'), (1000, b's')];
    // QUIRK: three days are `3d` and one week is `1w`; both follow from the largest unit that divides.
    let (unit, letter) = UNITS
        .into_iter()
        .find(|(unit, _)| interval_ms >= *unit && interval_ms.is_multiple_of(*unit))
        .unwrap_or((1000, b's'));
    text::unsigned(out, u64::from(interval_ms / unit));
    out.push(letter);
}

#[cfg(test)]
mod tests {
    use ringtape_model::event::SIDE_BUY;
    use ringtape_model::units::PRICE_UNSET;

    use super::*;

    const VENUE: u8 = Venue::BinanceUsdm as u8;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("encoders write UTF-8")
    }

    // SOURCE: facts/binance_samples.jsonl line 8 (2026-07), whose decimals need no trailing zeros.
    #[test]
    fn aggregate_trade_as_captured() {
        let record = Trade {
            ts_event: 1_785_048_482_852 * MILLI,
            ts_sent: 1_785_048_482_856 * MILLI,
            price: 1882.58,
            price_e8: 188_258_000_000,
            size: 12.363,
            size_e8: 1_236_300_000,
            sequence: 181_556_408,
            first_id: 307_384_337,
            last_id: 307_384_337,
            venue: VENUE,
            side: SIDE_SELL,
            ..Trade::default()
        };
        let payload = concat!(
            r#"{"e":"aggTrade","E":1785048482856,"a":181556408,"s":"ETHUSDT","p":"1882.58","q":"12.363","nq":"12.363","#,
            r#""f":307384337,"l":307384337,"T":1785048482852,"m":true,"st":1}"#
        );
        assert_eq!(text(|out| agg_trade(out, "ETHUSDT", &record)), payload);
        assert_eq!(
            text(|out| envelope(out, "ethusdt@aggTrade", |out| agg_trade(out, "ETHUSDT", &record))),
            format!(r#"{{"stream":"ethusdt@aggTrade","data":{payload}}}"#)
        );
    }

    #[test]
    fn trade_of_a_taker_who_bought() {
        let record = Trade {
            ts_event: 1_789_893_896_920 * MILLI,
            ts_sent: 1_789_893_896_920 * MILLI,
            price: 80_227.0,
            price_e8: 8_022_700_000_000,
            size: 0.01,
            size_e8: 1_000_000,
            sequence: 8_097_313_955,
            venue: VENUE,
            side: SIDE_BUY,
            ..Trade::default()
        };
        assert_eq!(
            text(|out| trade(out, "BTCUSDT", &record)),
            concat!(
                r#"{"e":"trade","E":1789893896920,"T":1789893896920,"s":"BTCUSDT","t":8097313955,"p":"80227","q":"0.01","#,
                r#""X":"MARKET","m":false,"st":1}"#
            )
        );
    }

    #[test]
    fn book_ticker_of_a_delivery_contract_names_its_pair() {
        let record = Quote {
            ts_event: 1_785_048_483_771 * MILLI,
            ts_sent: 1_785_048_483_771 * MILLI,
            bid: 64_336.0,
            ask: 64_346.7,
            bid_e8: 6_433_600_000_000,
            ask_e8: 6_434_670_000_000,
            bid_size: 73.3346,
            ask_size: 589.8026,
            bid_size_e8: 7_333_460_000,
            ask_size_e8: 58_980_260_000,
            sequence: 359_220_650_272,
            venue: Venue::BinanceCoinm as u8,
            ..Quote::default()
        };
        assert_eq!(
            text(|out| book_ticker(out, "BTCUSD_PERP", &record)),
            concat!(
                r#"{"e":"bookTicker","u":359220650272,"s":"BTCUSD_PERP","ps":"BTCUSD","b":"64336","B":"73.3346","#,
                r#""a":"64346.7","A":"589.8026","T":1785048483771,"E":1785048483771,"st":2}"#
            )
        );
    }

    // SOURCE: facts/binance_samples.jsonl line 3 (2026-08), less trailing zeros.
    #[test]
    fn kline_as_captured() {
        let record = VenueBar {
            ts_event: 1_786_173_300_000 * MILLI,
            ts_end: 1_786_173_360_000 * MILLI,
            ts_sent: 1_786_173_360_960 * MILLI,
            open: 64_970.8,
            high: 64_970.9,
            low: 64_969.4,
            close: 64_969.4,
            volume: 9.09,
            volume_e8: 909_000_000,
            dollar_volume: 590_577.968_8,
            buy_volume: 3.46,
            buy_dollar_volume: 224_795.094_4,
            trade_count: 194,
            first_id: 7_960_920_076,
            last_id: 7_960_920_277,
            interval_ms: 60_000,
            flags: BAR_COMPLETE,
            venue: VENUE,
            ..VenueBar::default()
        };
        assert_eq!(
            text(|out| kline(out, "BTCUSDT", &record)),
            concat!(
                r#"{"e":"kline","E":1786173360960,"s":"BTCUSDT","k":{"t":1786173300000, "T":1786173359999, "#,
                r#""s":"BTCUSDT", "i":"1m", "f":7960920076, "L":7960920277, "o":"64970.8", "c":"64969.4", "#,
                r#""h":"64970.9", "l":"64969.4", "v":"9.09", "n":194, "x":true, "q":"590577.9688", "V":"3.46", "#,
                r#""Q":"224795.0944", "B":"0"}}"#
            )
        );
    }

    // SOURCE: facts/binance_samples.jsonl line 17 (2026-09).
    #[test]
    fn mark_price_as_captured() {
        let record = Mark {
            ts_event: 1_790_755_200_000 * MILLI,
            next_funding: 1_790_755_200_000 * MILLI,
            mark: 83_259.618_369_57,
            mark_average: 83_259.618_369_57,
            index: 83_301.312_608_7,
            settle: 83_390.621_009_18,
            funding_rate: -0.000_001_89,
            venue: VENUE,
            ..Mark::default()
        };
        assert_eq!(
            text(|out| mark_price(out, "BTCUSDT", &record)),
            concat!(
                r#"{"e":"markPriceUpdate","E":1790755200000,"s":"BTCUSDT","p":"83259.61836957","ap":"83259.61836957","#,
                r#""P":"83390.62100918","i":"83301.3126087","r":"-0.00000189","T":1790755200000,"st":1}"#
            )
        );
        let delivery = Mark { next_funding: TIME_UNSET, funding_rate: PRICE_UNSET, ..record };
        assert!(text(|out| mark_price(out, "BTCUSDT", &delivery)).ends_with(r#""r":"","T":0,"st":1}"#));
    }

    #[test]
    fn control_messages() {
        assert_eq!(text(|out| reply(out, 1, Outcome::Done)), r#"{"result":null,"id":1}"#);
        assert_eq!(text(|out| reply(out, 2, Outcome::Flag(true))), r#"{"result":true,"id":2}"#);
        assert_eq!(
            text(|out| reply(out, 3, Outcome::Names(&["a@trade", "b"]))),
            r#"{"result":["a@trade","b"],"id":3}"#
        );
        assert_eq!(
            text(|out| error(out, 4, "Too many subscriptions")),
            r#"{"error":{"code":4,"msg":"Too many subscriptions"}}"#
        );
    }

    #[test]
    fn interval_names() {
        let names = [(60_000, "1m"), (900_000, "15m"), (14_400_000, "4h"), (259_200_000, "3d"), (604_800_000, "1w")];
        for (interval_ms, expected) in names {
            assert_eq!(text(|out| interval(out, interval_ms)), expected);
        }
    }
}
