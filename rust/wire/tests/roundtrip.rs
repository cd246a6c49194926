//! decode(encode(e)) = e for every kind of event of both venues, field by field, NaN equal to NaN.

use bytemuck::bytes_of;
use proptest::option::of;
use proptest::prelude::*;
use ringtape_model::event::{
    BAR_COMPLETE, BAR_OTC, QUOTE_SIDE_TIMES, Record, SIDE_BUY, SIDE_NONE, SIDE_SELL, SOURCE_VENUE, TRADE_AGGREGATE,
    TRADE_LATE,
};
use ringtape_model::plain::{VALUE_FAIR, VALUE_INDEX, VALUE_LAST};
use ringtape_model::units::{
    CODE_UNSET, E8, E8_UNSET, ID_UNSET, MILLI, Nanos, PRICE_UNSET, SECOND, TIME_MAX, TIME_MIN, TIME_UNSET, ratio,
};
use ringtape_model::{Band, Imbalance, Mark, Quote, Trade, Value, Venue, VenueBar};
use ringtape_wire::binance::encode as binance;
use ringtape_wire::massive::encode as massive;
use ringtape_wire::{Control, Staging, decode};

/// A price or size in both forms.
#[derive(Clone, Copy, Debug)]
struct Both {
    float: f64,
    e8: i64,
}

impl Both {
    const UNSET: Self = Self { float: PRICE_UNSET, e8: E8_UNSET };

    fn new(e8: i64) -> Self {
        Self { float: ratio(e8.into(), E8.into()), e8 }
    }
}

/// Mostly numbers as venues send them, now and then any that fits.
fn e8(least: i64) -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => (1_i64..10_000_000).prop_map(|cents| cents * (E8 / 100)),
        4 => (1_i64..10_000_000_000).prop_map(|grains| grains * (E8 / 10_000)),
        2 => 1..E8,
        1 => least..=i64::MAX,
    ]
}

fn price() -> impl Strategy<Value = Both> {
    e8(1).prop_map(Both::new)
}

fn size() -> impl Strategy<Value = Both> {
    prop_oneof![4 => (0_i64..100_000).prop_map(|whole| Both::new(whole * E8)), 4 => e8(0).prop_map(Both::new)]
}

fn maybe(some: impl Strategy<Value = Both>) -> impl Strategy<Value = Both> {
    of(some).prop_map(|both| both.unwrap_or(Both::UNSET))
}

/// Any finite double, or none.
fn float() -> impl Strategy<Value = f64> {
    let finite = prop::num::f64::POSITIVE | prop::num::f64::NEGATIVE | prop::num::f64::SUBNORMAL;
    prop_oneof![3 => price().prop_map(|both| both.float), 1 => finite, 1 => Just(PRICE_UNSET)]
}

/// The start of an interval that ends before time does.
fn start_time() -> impl Strategy<Value = Nanos> {
    const WEEK_MS: Nanos = 604_800_000;
    (TIME_MIN / MILLI..TIME_MAX / MILLI - WEEK_MS).prop_map(|millis| millis * MILLI)
}

fn time() -> impl Strategy<Value = Nanos> {
    (TIME_MIN / MILLI..TIME_MAX / MILLI).prop_map(|millis| millis * MILLI)
}

fn maybe_time() -> impl Strategy<Value = Nanos> {
    of(time()).prop_map(|time| time.unwrap_or(TIME_UNSET))
}

fn id() -> impl Strategy<Value = i64> {
    prop_oneof![3 => 0..1_i64 << 62, 1 => Just(ID_UNSET)]
}

fn code() -> impl Strategy<Value = u16> {
    prop_oneof![3 => 0..CODE_UNSET, 1 => Just(CODE_UNSET)]
}

fn codes<const N: usize>() -> impl Strategy<Value = ([u16; N], u8)> {
    prop::collection::vec(0..CODE_UNSET, 0..=N).prop_map(|list| {
        let mut codes = [CODE_UNSET; N];
        codes[..list.len()].copy_from_slice(&list);
        (codes, list.len() as u8)
    })
}

fn text_id() -> impl Strategy<Value = [u8; 24]> {
    "[ -~é\n]{0,12}|[0-9]{1,24}".prop_map(|text| {
        let mut id = [0; 24];
        id[..text.len()].copy_from_slice(text.as_bytes());
        id
    })
}

fn symbol() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Z]{1,5}", "[A-Z]{1,4}\\.[A-Z]", "[A-Z0-9]{1,8}USDT(_[0-9]{6})?", "[币安人生]{1,4}USDT"]
}

prop_compose! {
    fn stock_trade()(
        times in (time(), maybe_time(), maybe_time()),
        price in price(),
        size in size(),
        sequence in id(),
        id in text_id(),
        (conditions, n_conditions) in codes(),
        (exchange, trf_id) in (code(), code()),
        tape in 0_u8..4,
    ) -> Trade {
        let (ts_event, ts_participant, ts_trf) = times;
        let late = ts_participant != TIME_UNSET && ts_event - ts_participant > 10 * SECOND;
        Trade {
            ts_event, ts_sent: TIME_UNSET, ts_participant, ts_trf,
            price: price.float, price_e8: price.e8, size: size.float, size_e8: size.e8,
            sequence, first_id: ID_UNSET, last_id: ID_UNSET, id, conditions, n_conditions, exchange, trf_id, tape,
            venue: Venue::MassiveStocks as u8, flags: if late { TRADE_LATE } else { 0 },
            ..Trade::default()
        }
    }
}

prop_compose! {
    fn stock_quote()(
        (ts_event, ts_participant) in (time(), maybe_time()),
        (bid, ask) in (maybe(price()), maybe(price())),
        (bid_size, ask_size) in (maybe(size()), maybe(size())),
        sequence in id(),
        (indicators, n_indicators) in codes(),
        (bid_exchange, ask_exchange, condition) in (code(), code(), code()),
        tape in 0_u8..4,
    ) -> Quote {
        Quote {
            ts_event, ts_sent: TIME_UNSET, ts_participant,
            bid: bid.float, ask: ask.float, bid_e8: bid.e8, ask_e8: ask.e8,
            bid_size: bid_size.float, ask_size: ask_size.float,
            bid_size_e8: bid_size.e8, ask_size_e8: ask_size.e8,
            sequence, indicators, n_indicators, bid_exchange, ask_exchange, condition, tape,
            venue: Venue::MassiveStocks as u8,
            ..Quote::default()
        }
    }
}

/// Open, high, low, close.
fn prices() -> impl Strategy<Value = [f64; 4]> {
    [price(), price(), price(), price()]
        .prop_map(|[open, a, b, close]| [open.float, a.float.max(b.float), a.float.min(b.float), close.float])
}

prop_compose! {
    fn stock_bar()(
        ts_event in start_time(),
        minute in any::<bool>(),
        otc in any::<bool>(),
        [open, high, low, close] in prices(),
        volume in size(),
        day in maybe(size()),
        (vwap, day_open, day_vwap, average_size) in (float(), float(), float(), float()),
    ) -> VenueBar {
        let interval_ms = if minute { 60_000 } else { 1000 };
        VenueBar {
            ts_event, ts_end: ts_event + i64::from(interval_ms) * MILLI, ts_sent: TIME_UNSET,
            open, high, low, close, volume: volume.float, volume_e8: volume.e8,
            dollar_volume: PRICE_UNSET, vwap, buy_volume: PRICE_UNSET, buy_dollar_volume: PRICE_UNSET,
            trade_count: ID_UNSET, day_volume: day.float, day_volume_e8: day.e8,
            // An open that is no price is read as none.
            day_open: if day_open > 0.0 { day_open } else { PRICE_UNSET }, day_vwap, average_size,
            first_id: ID_UNSET, last_id: ID_UNSET, interval_ms,
            venue: Venue::MassiveStocks as u8, source: SOURCE_VENUE,
            flags: BAR_COMPLETE | if otc { BAR_OTC } else { 0 },
            ..VenueBar::default()
        }
    }
}

prop_compose! {
    fn coin_trade(flags: u16)(
        (ts_event, ts_sent) in (time(), maybe_time()),
        price in price(),
        size in size(),
        sequence in 0..1_i64 << 62,
        (first_id, last_id) in (id(), id()),
        side in prop::sample::select(vec![SIDE_BUY, SIDE_SELL]),
    ) -> Trade {
        let mut id = [0; 24];
        let digits = sequence.to_string();
        id[..digits.len()].copy_from_slice(digits.as_bytes());
        let (first_id, last_id) = if flags == 0 { (ID_UNSET, ID_UNSET) } else { (first_id, last_id) };
        Trade {
            ts_event, ts_sent, ts_participant: TIME_UNSET, ts_trf: TIME_UNSET,
            price: price.float, price_e8: price.e8, size: size.float, size_e8: size.e8,
            sequence, first_id, last_id, id, conditions: [CODE_UNSET; 8], exchange: CODE_UNSET, trf_id: CODE_UNSET,
            venue: Venue::BinanceUsdm as u8, side, flags,
            ..Trade::default()
        }
    }
}

prop_compose! {
    fn book_ticker()(
        (ts_event, ts_sent) in (time(), maybe_time()),
        (bid, ask) in (size(), size()),
        (bid_size, ask_size) in (size(), size()),
        sequence in 0..1_i64 << 62,
    ) -> Quote {
        Quote {
            ts_event, ts_sent, ts_participant: TIME_UNSET,
            bid: bid.float, ask: ask.float, bid_e8: bid.e8, ask_e8: ask.e8,
            bid_size: bid_size.float, ask_size: ask_size.float,
            bid_size_e8: bid_size.e8, ask_size_e8: ask_size.e8,
            sequence, indicators: [CODE_UNSET; 4],
            bid_exchange: CODE_UNSET, ask_exchange: CODE_UNSET, condition: CODE_UNSET,
            venue: Venue::BinanceUsdm as u8,
            ..Quote::default()
        }
    }
}

prop_compose! {
    fn kline()(
        (ts_event, ts_sent) in (start_time(), maybe_time()),
        interval_ms in prop::sample::select(vec![1000_u32, 60_000, 900_000, 3_600_000, 259_200_000, 604_800_000]),
        complete in any::<bool>(),
        [open, high, low, close] in prices(),
        (volume, dollar_volume) in (size(), size()),
        (buy_volume, buy_dollar_volume) in (size(), size()),
        [trade_count, first_id, last_id] in [0..1_i64 << 62, 0..1_i64 << 62, 0..1_i64 << 62],
    ) -> VenueBar {
        VenueBar {
            ts_event, ts_end: ts_event + i64::from(interval_ms) * MILLI, ts_sent,
            open, high, low, close, volume: volume.float, volume_e8: volume.e8,
            dollar_volume: dollar_volume.float, vwap: PRICE_UNSET,
            buy_volume: buy_volume.float, buy_dollar_volume: buy_dollar_volume.float,
            trade_count, day_volume: PRICE_UNSET, day_volume_e8: E8_UNSET, day_open: PRICE_UNSET,
            day_vwap: PRICE_UNSET, average_size: PRICE_UNSET, first_id, last_id, interval_ms,
            venue: Venue::BinanceUsdm as u8, source: SOURCE_VENUE,
            flags: if complete { BAR_COMPLETE } else { 0 },
            ..VenueBar::default()
        }
    }
}

prop_compose! {
    fn mark()(
        (ts_event, next_funding) in (time(), maybe_time()),
        mark in price(),
        (average, index, settle) in (maybe(price()), maybe(price()), maybe(price())),
        rate in of(-E8..E8),
    ) -> Mark {
        Mark {
            ts_event, next_funding, mark: mark.float, mark_average: average.float, index: index.float,
            settle: settle.float, funding_rate: rate.map_or(PRICE_UNSET, |rate| Both::new(rate).float),
            venue: Venue::BinanceUsdm as u8,
            ..Mark::default()
        }
    }
}

/// Any time that is believed, to the nanosecond.
fn exact_time() -> impl Strategy<Value = Nanos> {
    TIME_MIN..TIME_MAX
}

/// A price that may be zero or below, as those of futures may.
fn any_price() -> impl Strategy<Value = Both> {
    (-10_000_000_000_i64..10_000_000_000).prop_map(|grains| Both::new(grains * (E8 / 10_000)))
}

prop_compose! {
    fn band()(
        ts_event in exact_time(),
        [a, b] in [size(), size()],
        sequence in id(),
        (indicators, n_indicators) in codes(),
        tape in 0_u8..4,
    ) -> Band {
        Band {
            ts_event, high: a.float.max(b.float), low: a.float.min(b.float), sequence, indicators, n_indicators, tape,
            venue: Venue::MassiveStocks as u8,
            ..Band::UNSET
        }
    }
}

prop_compose! {
    fn imbalance()(
        ts_event in exact_time(),
        imbalance in any_price(),
        (paired, clearing_price) in (maybe(size()), maybe(size())),
        sequence in id(),
        (hour, minute) in (0_u16..24, 0_u16..60),
        exchange in code(),
        auction_type in prop::sample::select(b"OMHCPR\0".to_vec()),
    ) -> Imbalance {
        Imbalance {
            ts_event, imbalance: imbalance.float, paired: paired.float, clearing_price: clearing_price.float, sequence,
            auction_time: hour * 100 + minute, exchange, auction_type, venue: Venue::MassiveStocks as u8,
            ..Imbalance::UNSET
        }
    }
}

prop_compose! {
    fn value(venue: Venue, what: u8)(time in time(), exact in exact_time(), value in any_price()) -> Value {
        Value {
            ts_event: if what == VALUE_INDEX { time } else { exact }, value: value.float, value_e8: value.e8, what,
            venue: venue as u8,
            ..Value::UNSET
        }
    }
}

prop_compose! {
    fn pair_trade()(
        (ts_event, ts_sent) in (time(), maybe_time()),
        price in price(),
        size in size(),
        id in text_id(),
        condition in of(0_u16..3),
        exchange in code(),
    ) -> Trade {
        let mut conditions = [CODE_UNSET; 8];
        conditions[0] = condition.unwrap_or(CODE_UNSET);
        Trade {
            ts_event, ts_sent, price: price.float, price_e8: price.e8, size: size.float, size_e8: size.e8, id,
            conditions, n_conditions: u8::from(condition.is_some()), exchange,
            side: match condition { Some(1) => SIDE_SELL, Some(2) => SIDE_BUY, _ => SIDE_NONE },
            venue: Venue::MassiveCrypto as u8,
            ..Trade::UNSET
        }
    }
}

prop_compose! {
    fn pair_quote(venue: Venue)(
        (ts_event, ts_sent) in (time(), maybe_time()),
        (bid, ask) in (maybe(price()), maybe(price())),
        (bid_size, ask_size) in (maybe(size()), maybe(size())),
        exchange in code(),
    ) -> Quote {
        let is_coin = venue == Venue::MassiveCrypto;
        let sizes = if is_coin { [bid_size, ask_size] } else { [Both::UNSET; 2] };
        Quote {
            ts_event, ts_sent: if is_coin { ts_sent } else { TIME_UNSET },
            bid: bid.float, ask: ask.float, bid_e8: bid.e8, ask_e8: ask.e8,
            bid_size: sizes[0].float, ask_size: sizes[1].float, bid_size_e8: sizes[0].e8, ask_size_e8: sizes[1].e8,
            bid_exchange: exchange, ask_exchange: exchange, venue: venue as u8,
            ..Quote::UNSET
        }
    }
}

prop_compose! {
    fn future_trade()(ts_event in time(), price in any_price(), size in size(), sequence in id()) -> Trade {
        Trade {
            ts_event, price: price.float, price_e8: price.e8, size: size.float, size_e8: size.e8, sequence,
            venue: Venue::MassiveFutures as u8,
            ..Trade::UNSET
        }
    }
}

prop_compose! {
    fn future_quote()(
        (ts_event, ts_bid, ts_ask) in (time(), maybe_time(), maybe_time()),
        (bid, ask) in (maybe(any_price()), maybe(any_price())),
        (bid_size, ask_size) in (maybe(size()), maybe(size())),
    ) -> Quote {
        let has_times = ts_bid != TIME_UNSET || ts_ask != TIME_UNSET;
        Quote {
            ts_event, ts_participant: ts_bid, ts_sent: ts_ask,
            bid: bid.float, ask: ask.float, bid_e8: bid.e8, ask_e8: ask.e8,
            bid_size: bid_size.float, ask_size: ask_size.float,
            bid_size_e8: bid_size.e8, ask_size_e8: ask_size.e8,
            venue: Venue::MassiveFutures as u8, flags: if has_times { QUOTE_SIDE_TIMES } else { 0 },
            ..Quote::UNSET
        }
    }
}

/// A bar of a market that is neither stocks nor options, with what that market sends.
fn market_bar(venue: Venue) -> impl Strategy<Value = VenueBar> {
    let signed = [any_price(), any_price(), any_price(), any_price()]
        .prop_map(|[open, a, b, close]| [open.float, a.float.max(b.float), a.float.min(b.float), close.float]);
    (stock_bar(), signed, float(), id()).prop_map(move |(bar, signed, dollar_volume, trade_count)| {
        let mut bar = VenueBar { venue: venue as u8, flags: BAR_COMPLETE, ..bar };
        if matches!(venue, Venue::MassiveFutures | Venue::MassiveIndices) {
            [bar.open, bar.high, bar.low, bar.close] = signed;
        }
        if venue == Venue::MassiveFutures {
            (bar.dollar_volume, bar.trade_count) = (dollar_volume, trade_count);
        }
        if venue == Venue::MassiveIndices {
            (bar.volume, bar.volume_e8) = (PRICE_UNSET, E8_UNSET);
        }
        bar
    })
}

/// Compares two records column by column, so that a difference names its field.
fn assert_same<R: Record + std::fmt::Debug>(got: &R, want: &R, frame: &str) -> Result<(), TestCaseError> {
    let (got_bytes, want_bytes) = (bytes_of(got), bytes_of(want));
    let mut ends: Vec<usize> = R::COLUMNS.iter().skip(1).map(|column| column.offset).collect();
    ends.push(size_of::<R>());
    for (column, end) in R::COLUMNS.iter().zip(ends) {
        let (got, want) = (&got_bytes[column.offset..end], &want_bytes[column.offset..end]);
        let is_nan = |bytes: &[u8]| bytes.try_into().is_ok_and(|bytes| f64::from_le_bytes(bytes).is_nan());
        let both_nan = column.dtype == "<f8" && is_nan(got) && is_nan(want);
        prop_assert!(got == want || both_nan, "{}.{} of {frame}", R::NAME, column.name);
    }
    Ok(())
}

/// Encodes each event twice into one frame, decodes it, and compares what comes back.
fn check<R: Record + std::fmt::Debug>(
    venue: Venue,
    symbol: &str,
    record: &R,
    encode: fn(&mut Vec<u8>, &str, &R),
    records: fn(&Staging) -> &[R],
) -> Result<(), TestCaseError> {
    let mut frame = b"[".to_vec();
    encode(&mut frame, symbol, record);
    frame.push(b',');
    encode(&mut frame, symbol, record);
    frame.push(b']');
    let text = String::from_utf8_lossy(&frame).into_owned();
    let mut staging = Staging::default();
    prop_assert!(decode(venue, &frame, &mut staging).is_ok(), "{}", text);
    prop_assert!(staging.skipped.is_empty(), "{:?} {}", staging.skipped, text);
    prop_assert_eq!(records(&staging).len(), 2);
    for (entry, got) in staging.entries.iter().zip(records(&staging)) {
        prop_assert_eq!(staging.name(&frame, entry), symbol.as_bytes());
        assert_same(got, record, &text)?;
    }
    Ok(())
}

proptest! {
    #[test]
    fn massive_trades(symbol in symbol(), record in stock_trade()) {
        check(Venue::MassiveStocks, &symbol, &record, massive::trade, |staging| &staging.trades)?;
    }

    #[test]
    fn massive_quotes(symbol in symbol(), record in stock_quote()) {
        check(Venue::MassiveStocks, &symbol, &record, massive::quote, |staging| &staging.quotes)?;
    }

    #[test]
    fn massive_bars(symbol in symbol(), record in stock_bar()) {
        check(Venue::MassiveStocks, &symbol, &record, massive::bar, |staging| &staging.bars)?;
    }

    #[test]
    fn massive_bands(symbol in symbol(), record in band()) {
        check(Venue::MassiveStocks, &symbol, &record, massive::band, |staging| &staging.plain.bands)?;
    }

    #[test]
    fn massive_imbalances(symbol in symbol(), record in imbalance()) {
        check(Venue::MassiveStocks, &symbol, &record, massive::imbalance, |staging| &staging.plain.imbalances)?;
    }

    #[test]
    fn massive_values(
        symbol in symbol(),
        index in value(Venue::MassiveIndices, VALUE_INDEX),
        fair in value(Venue::MassiveForex, VALUE_FAIR),
        last in value(Venue::MassiveOptions, VALUE_LAST),
    ) {
        check(Venue::MassiveIndices, &symbol, &index, massive::value, |staging| &staging.plain.values)?;
        check(Venue::MassiveForex, &symbol, &fair, massive::value, |staging| &staging.plain.values)?;
        check(Venue::MassiveOptions, &symbol, &last, massive::value, |staging| &staging.plain.values)?;
    }

    #[test]
    fn massive_pairs(
        symbol in symbol(),
        trade in pair_trade(),
        coin in pair_quote(Venue::MassiveCrypto),
        currency in pair_quote(Venue::MassiveForex),
    ) {
        check(Venue::MassiveCrypto, &symbol, &trade, massive::coin_trade, |staging| &staging.trades)?;
        check(Venue::MassiveCrypto, &symbol, &coin, massive::coin_quote, |staging| &staging.quotes)?;
        check(Venue::MassiveForex, &symbol, &currency, massive::currency_quote, |staging| &staging.quotes)?;
    }

    #[test]
    fn massive_futures(symbol in symbol(), trade in future_trade(), quote in future_quote()) {
        check(Venue::MassiveFutures, &symbol, &trade, massive::future_trade, |staging| &staging.trades)?;
        check(Venue::MassiveFutures, &symbol, &quote, massive::future_quote, |staging| &staging.quotes)?;
    }

    #[test]
    fn massive_bars_of_other_markets(
        symbol in symbol(),
        coin in market_bar(Venue::MassiveCrypto),
        currency in market_bar(Venue::MassiveForex),
        index in market_bar(Venue::MassiveIndices),
        future in market_bar(Venue::MassiveFutures),
    ) {
        check(Venue::MassiveCrypto, &symbol, &coin, massive::market_bar, |staging| &staging.bars)?;
        check(Venue::MassiveForex, &symbol, &currency, massive::market_bar, |staging| &staging.bars)?;
        check(Venue::MassiveIndices, &symbol, &index, massive::market_bar, |staging| &staging.bars)?;
        check(Venue::MassiveFutures, &symbol, &future, massive::market_bar, |staging| &staging.bars)?;
    }

    #[test]
    fn binance_aggregate_trades(symbol in symbol(), record in coin_trade(TRADE_AGGREGATE)) {
        check(Venue::BinanceUsdm, &symbol, &record, binance::agg_trade, |staging| &staging.trades)?;
    }

    #[test]
    fn binance_trades(symbol in symbol(), record in coin_trade(0)) {
        check(Venue::BinanceUsdm, &symbol, &record, binance::trade, |staging| &staging.trades)?;
    }

    #[test]
    fn binance_book_tickers(symbol in symbol(), record in book_ticker()) {
        check(Venue::BinanceUsdm, &symbol, &record, binance::book_ticker, |staging| &staging.quotes)?;
    }

    #[test]
    fn binance_klines(symbol in symbol(), record in kline()) {
        check(Venue::BinanceUsdm, &symbol, &record, binance::kline, |staging| &staging.bars)?;
    }

    #[test]
    fn binance_mark_prices(symbol in symbol(), record in mark()) {
        check(Venue::BinanceUsdm, &symbol, &record, binance::mark_price, |staging| &staging.marks)?;
    }

    #[test]
    fn the_envelope_changes_nothing(symbol in symbol(), record in coin_trade(TRADE_AGGREGATE)) {
        let mut frame = Vec::new();
        let stream = format!("{}@aggTrade", symbol.to_lowercase());
        binance::envelope(&mut frame, &stream, |out| binance::agg_trade(out, &symbol, &record));
        let mut staging = Staging::default();
        prop_assert!(decode(Venue::BinanceUsdm, &frame, &mut staging).is_ok());
        prop_assert_eq!(staging.trades.len(), 1);
        assert_same(&staging.trades[0], &record, &stream)?;
    }

    #[test]
    fn control_messages(code in any::<i64>(), status in "\\PC{0,20}", message in "\\PC{0,80}", flag in any::<bool>()) {
        prop_assume!(code != ID_UNSET);
        let mut frame = b"[".to_vec();
        massive::status(&mut frame, &status, &message);
        frame.push(b']');
        let want = Control::Status { status, message: message.clone() };
        prop_assert_eq!(control(Venue::MassiveStocks, &frame), Some(want));

        let mut frame = Vec::new();
        binance::error(&mut frame, code, &message);
        let want = Control::Error { code, message, id: None };
        prop_assert_eq!(control(Venue::BinanceUsdm, &frame), Some(want));

        let names = ["btcusdt@aggTrade", "x"];
        for (outcome, result) in [
            (binance::Outcome::Done, "null".to_owned()),
            (binance::Outcome::Flag(flag), flag.to_string()),
            (binance::Outcome::Names(&names), format!("{names:?}").replace(' ', "")),
        ] {
            let mut frame = Vec::new();
            binance::reply(&mut frame, code, outcome);
            let want = Control::Reply { id: Some(code.to_string()), result };
            prop_assert_eq!(control(Venue::BinanceUsdm, &frame), Some(want));
        }
    }
}

/// The only control message of a frame that holds nothing else.
fn control(venue: Venue, frame: &[u8]) -> Option<Control> {
    let mut staging = Staging::default();
    decode(venue, frame, &mut staging).ok()?;
    let alone = staging.entries.is_empty() && staging.skipped.is_empty() && staging.control.len() == 1;
    alone.then(|| staging.control.remove(0))
}
