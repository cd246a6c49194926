//! Tickers, forced orders, depth and asset indices: records that move no state here.

use ringtape_model::event::{SIDE_BUY, SIDE_NONE, SIDE_SELL};
use ringtape_model::plain::{
    DEPTH_DIFF, DEPTH_PARTIAL, DEPTH_RPI, DEPTH_UNKNOWN, LEVEL_ASK, LEVEL_BID, LEVEL_FIRST, LEVEL_LAST, TICKER_MINI,
};
use ringtape_model::units::{ID_UNSET, TIME_UNSET};
use ringtape_model::{AssetIndex, Level, Liquidation, Ticker, Venue};

use super::decode::{Nested, object_at, price, quantity, read_object};
#[allow(clippy::wildcard_imports, reason = "half a hundred slots")]
use super::keys::*;
use crate::error::SkipReason;
use crate::json::{Scanner, Slots, Text, Value};
use crate::read::{Fault, Fields, Read, is_symbol};
use crate::staging::{EVENTS_MAX, Staging};

/// A number in quotes that must be there.
pub(super) fn required(fields: Fields, slot: u8) -> Read<f64> {
    let float = fields.sum_text(slot)?.float;
    if float.is_nan() { Fields::fault(SkipReason::MissingKey, slot) } else { Ok(float) }
}

/// The same, and it must not be below zero.
pub(super) fn amount(fields: Fields, slot: u8) -> Read<f64> {
    let float = required(fields, slot)?;
    if float < 0.0 { Fields::fault(SkipReason::OutOfRange, slot) } else { Ok(float) }
}

/// An amount that may be missing.
fn optional_amount(fields: Fields, slot: u8) -> Read<f64> {
    Ok(Fields::not_negative(fields.sum_text(slot)?, slot)?.float)
}

/// An integer that must be there.
pub(super) fn required_integer(fields: Fields, slot: u8) -> Read<i64> {
    match fields.integer(slot)? {
        ID_UNSET => Fields::fault(SkipReason::MissingKey, slot),
        value => Ok(value),
    }
}

pub(super) fn ticker(venue: Venue, fields: Fields, is_mini: bool, out: &mut Staging) -> Read<()> {
    let symbol = fields.symbol(SYMBOL)?;
    let (high, low) = (amount(fields, H)?, amount(fields, L_LOW)?);
    if high < low {
        return Fields::fault(SkipReason::OutOfRange, H);
    }
    let short = Ticker {
        ts_event: fields.required_time(SENT)?,
        open: amount(fields, O_LOW)?,
        high,
        low,
        last: amount(fields, C_LOW)?,
        volume: amount(fields, V)?,
        dollar_volume: amount(fields, Q)?,
        venue: venue as u8,
        flags: if is_mini { TICKER_MINI } else { 0 },
        ..Ticker::UNSET
    };
    let ticker = if is_mini { short } else { with_rest(fields, short)? };
    out.push(fields.frame, symbol, ticker);
    Ok(())
}

/// What the short form has not.
fn with_rest(fields: Fields, short: Ticker) -> Read<Ticker> {
    Ok(Ticker {
        ts_open: fields.required_time(O_HIGH)?,
        ts_close: fields.required_time(C_HIGH)?,
        last_size: amount(fields, Q_HIGH)?,
        change: required(fields, P)?,
        change_pct: required(fields, P_HIGH)?,
        vwap: amount(fields, W)?,
        // Spot alone has these.
        prev_close: optional_amount(fields, X_LOW)?,
        bid: optional_amount(fields, B_LOW)?,
        bid_size: optional_amount(fields, B_HIGH)?,
        ask: optional_amount(fields, A_LOW)?,
        ask_size: optional_amount(fields, A_HIGH)?,
        first_id: required_integer(fields, F_HIGH)?,
        last_id: required_integer(fields, L_HIGH)?,
        trade_count: required_integer(fields, N)?,
        ..short
    })
}

pub(super) fn asset_index(venue: Venue, fields: Fields, out: &mut Staging) -> Read<()> {
    let symbol = fields.symbol(SYMBOL)?;
    let index = AssetIndex {
        ts_event: fields.required_time(SENT)?,
        index: amount(fields, I)?,
        bid_buffer: amount(fields, B_LOW)?,
        ask_buffer: amount(fields, A_LOW)?,
        bid_rate: amount(fields, B_HIGH)?,
        ask_rate: amount(fields, A_HIGH)?,
        auto_bid_buffer: amount(fields, Q)?,
        auto_ask_buffer: amount(fields, G_LOW)?,
        auto_bid_rate: amount(fields, Q_HIGH)?,
        auto_ask_rate: amount(fields, G_HIGH)?,
        venue: venue as u8,
        ..AssetIndex::UNSET
    };
    out.push(fields.frame, symbol, index);
    Ok(())
}

/// A forced order, whose fields stand in `o`; so does `st`, which says whether it is of the sister market.
pub(super) fn liquidation(
    venue: Venue,
    fields: Fields,
    nested: Nested,
    is_other_market: impl Fn(Fields) -> bool,
    out: &mut Staging,
) -> Read<bool> {
    let start = object_at(fields, O_LOW)?;
    let ts_sent = fields.required_time(SENT)?;
    let (slots, guesses) = nested;
    read_object(fields.frame, start, (&mut *slots, guesses));
    let order = Fields { frame: fields.frame, slots };
    if is_other_market(order) {
        return Ok(false);
    }
    // A fault inside is reported at `o`: its slots are the inner object's.
    let inside = |fault: Fault| Fault { reason: fault.reason, slot: O_LOW };
    let (symbol, liquidation) = forced(venue, order, ts_sent).map_err(inside)?;
    out.push(fields.frame, symbol, liquidation);
    Ok(true)
}

fn forced(venue: Venue, order: Fields, ts_sent: i64) -> Read<(Text, Liquidation)> {
    let side = match &word::<8>(order, S_HIGH)? {
        b"BUY\0\0\0\0\0" => SIDE_BUY,
        b"SELL\0\0\0\0" => SIDE_SELL,
        _ => SIDE_NONE,
    };
    let liquidation = Liquidation {
        ts_event: order.required_time(TIME)?,
        ts_sent,
        price: amount(order, P)?,
        average_price: amount(order, AP)?,
        size: amount(order, Q)?,
        last_filled: amount(order, L_LOW)?,
        filled: amount(order, Z)?,
        order_type: word(order, O_LOW)?,
        status: word(order, X_HIGH)?,
        time_in_force: word(order, F)?,
        venue: venue as u8,
        side,
        ..Liquidation::UNSET
    };
    Ok((order.symbol(SYMBOL)?, liquidation))
}

/// A word of the venue's, which must be there, zero padded.
fn word<const N: usize>(fields: Fields, slot: u8) -> Read<[u8; N]> {
    match fields.slots.get(slot) {
        Some(Value::Text(text)) => {
            let mut plain = Vec::new();
            let plain = text.decode(fields.frame, &mut plain);
            let mut word = [0; N];
            match word.get_mut(..plain.len()) {
                Some(held) if !plain.contains(&0) => held.copy_from_slice(plain),
                _ => return Fields::fault(SkipReason::OutOfRange, slot),
            }
            Ok(word)
        }
        Some(_) => Fields::fault(SkipReason::WrongType, slot),
        None => Fields::fault(SkipReason::MissingKey, slot),
    }
}

/// What a depth stream's name says of its messages, which look alike. Without a name they are those of the diff stream.
fn depth_of(stream: Option<&[u8]>) -> u8 {
    let Some(stream) = stream else { return DEPTH_DIFF };
    let channel = stream.iter().position(|&byte| byte == b'@').map_or(&b""[..], |at| &stream[at + 1..]);
    if channel.starts_with(b"rpiDepth") {
        DEPTH_RPI
    } else if channel.starts_with(b"depth") {
        if channel.get(5).is_some_and(u8::is_ascii_digit) { DEPTH_PARTIAL } else { DEPTH_DIFF }
    } else {
        DEPTH_UNKNOWN
    }
}

pub(super) fn depth(
    venue: Venue,
    fields: Fields,
    slots: &mut Slots,
    stream: Option<&[u8]>,
    out: &mut Staging,
) -> Read<()> {
    let symbol = fields.symbol(SYMBOL)?;
    let ts_sent = fields.required_time(SENT)?;
    let is_spot = venue == Venue::BinanceSpot;
    let message = Level {
        // Spot has no time of the matching engine, and no id of the message before.
        ts_event: if is_spot { ts_sent } else { fields.required_time(TIME)? },
        ts_sent,
        first_update: required_integer(fields, U_HIGH)?,
        last_update: required_integer(fields, U)?,
        previous_update: if is_spot { fields.integer(PU)? } else { required_integer(fields, PU)? },
        venue: venue as u8,
        depth: depth_of(stream),
        ..Level::UNSET
    };
    levels(fields, (B_LOW, A_LOW), slots, message, out, |out, level| out.push(fields.frame, symbol, level))
}

/// The best levels of a book as spot sends them: without a symbol, which only the stream's name tells, and times.
pub(super) fn nameless_depth(
    venue: Venue,
    fields: Fields,
    slots: &mut Slots,
    (stream, last_update): (Option<&[u8]>, Read<i64>),
    out: &mut Staging,
) -> Read<()> {
    let symbol: Option<Vec<u8>> =
        stream.and_then(|stream| stream.split(|&byte| byte == b'@').next()).map(<[u8]>::to_ascii_uppercase);
    let Some(symbol) = symbol else { return Fields::fault(SkipReason::MissingKey, SYMBOL) };
    if !is_symbol(&symbol, Text { start: 0, len: symbol.len() as u32, escaped: false }) {
        return Fields::fault(SkipReason::BadSymbol, SYMBOL);
    }
    let ts_sent = fields.time(SENT)?;
    let ts_event = fields.time(TIME)?;
    let message = Level {
        ts_event: if ts_event == TIME_UNSET { ts_sent } else { ts_event },
        ts_sent,
        last_update: last_update?,
        venue: venue as u8,
        depth: DEPTH_PARTIAL,
        ..Level::UNSET
    };
    levels(fields, (BIDS, ASKS), slots, message, out, |out, level| out.push_named(&symbol, level))
}

/// Pushes the levels of a message: all of them or, if one is bad, none.
fn levels(
    fields: Fields,
    (bids, asks): (u8, u8),
    slots: &mut Slots,
    message: Level,
    out: &mut Staging,
    push: impl Fn(&mut Staging, Level),
) -> Read<()> {
    let before = out.filled();
    let first = out.plain.levels.len();
    let mut both = || {
        side(fields, bids, slots, Level { side: LEVEL_BID, ..message }, out, &push)?;
        side(fields, asks, slots, Level { side: LEVEL_ASK, ..message }, out, &push)
    };
    if let Err(fault) = both() {
        out.rewind(&before);
        return Err(fault);
    }
    if out.plain.levels.len() == first {
        push(out, message);
    }
    let levels = &mut out.plain.levels[first..];
    if let Some(level) = levels.first_mut() {
        level.flags |= LEVEL_FIRST;
    }
    if let Some(level) = levels.last_mut() {
        level.flags |= LEVEL_LAST;
    }
    Ok(())
}

fn side(
    fields: Fields,
    slot: u8,
    slots: &mut Slots,
    level: Level,
    out: &mut Staging,
    push: &impl Fn(&mut Staging, Level),
) -> Read<()> {
    let start = match fields.slots.get(slot) {
        Some(Value::Array { start }) => start,
        Some(_) => return Fields::fault(SkipReason::WrongType, slot),
        None => return Fields::fault(SkipReason::MissingKey, slot),
    };
    let mut bad = None;
    // The array was validated when it was passed, so this walk cannot fail.
    let walked = Scanner::inside(fields.frame, start).elements(|scan| {
        if scan.peek() != b'[' {
            bad = bad.or(Some(SkipReason::WrongType));
            return scan.skip();
        }
        slots.clear();
        // A price and a size; spot once sent a third element, which means nothing.
        let mut places = [P, Q].into_iter();
        scan.elements(|scan| match places.next() {
            Some(place) => scan.value(slots.place(place)),
            None => scan.skip(),
        })?;
        if bad.is_none() {
            let pair = Fields { frame: fields.frame, slots };
            match pair_of(pair, level) {
                _ if out.len() >= EVENTS_MAX => bad = Some(SkipReason::OutOfRange),
                Ok(level) => push(out, level),
                Err(fault) => bad = Some(fault.reason),
            }
        }
        Ok(())
    });
    debug_assert!(walked.is_ok());
    match bad {
        Some(reason) => Fields::fault(reason, slot),
        None => Ok(()),
    }
}

fn pair_of(pair: Fields, level: Level) -> Read<Level> {
    let (price, size) = (price(pair, P)?, quantity(pair, Q)?);
    Ok(Level { price: price.float, price_e8: price.e8, size: size.float, size_e8: size.e8, ..level })
}
