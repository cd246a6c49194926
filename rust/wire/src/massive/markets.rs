//! Massive's other events: what only stocks have beside trades, quotes and bars, and the markets in which the same
//! letters mean other things.
//!
//! SOURCE: field tables of the fact sheet; each kind's frames stand in `tests/fixtures/massive`.

use std::io::Write;

use ringtape_model::event::{BAR_COMPLETE, QUOTE_SIDE_TIMES, SIDE_BUY, SIDE_NONE, SIDE_SELL};
use ringtape_model::plain::{
    DEPTH_PARTIAL, LEVEL_ASK, LEVEL_BID, LEVEL_FIRST, LEVEL_LAST, VALUE_FAIR, VALUE_INDEX, VALUE_LAST,
};
use ringtape_model::units::{CODE_UNSET, MILLI, PRICE_UNSET, TIME_UNSET};
use ringtape_model::{Band, Imbalance, Level, Quote, Trade, Value as Figure, Venue, VenueBar};

use super::decode::{
    A, AP, AS, AT, AV, AX, B, BP, BS, BT, BX, C, DAV, DV, E, FMV, H, I, L, N, O, OP, P, PAIR, Q, R, S, SYM, T, TICKER,
    V, VAL, VW, X, Z, long_id, size,
};
use crate::error::SkipReason;
use crate::json::{Number, Scanner, Tag, Token, Value};
use crate::read::{Decimal, Fault, Fields, Read, to_decimal};
use crate::staging::{EVENTS_MAX, Staging};

const SECOND_MS: u32 = 1_000;
const MINUTE_MS: u32 = 60_000;

/// Reads an event that is none of stocks' and options' trades, quotes and bars; `None` where the market has no such kind.
pub(super) fn event(venue: Venue, name: &[u8], fields: Fields, out: &mut Staging) -> Option<Read<()>> {
    use Venue::{MassiveCrypto, MassiveForex, MassiveFutures, MassiveIndices, MassiveOptions, MassiveStocks};
    Some(match (venue, name) {
        (MassiveStocks, b"LULD") => band(venue, fields, out),
        (MassiveStocks, b"NOI") => imbalance(venue, fields, out),
        (MassiveStocks | MassiveOptions | MassiveCrypto | MassiveForex, b"FMV") => {
            figure(venue, fields, (SYM, FMV), VALUE_FAIR, out)
        }
        (MassiveStocks | MassiveOptions | MassiveCrypto | MassiveForex, b"LV") => {
            figure(venue, fields, (SYM, VAL), VALUE_LAST, out)
        }
        (MassiveIndices, b"V") => figure(venue, fields, (TICKER, VAL), VALUE_INDEX, out),
        (MassiveCrypto, b"XT") => coin_trade(venue, fields, out),
        (MassiveCrypto, b"XQ") => coin_quote(venue, fields, out),
        (MassiveCrypto, b"XL2") => book(venue, fields, out),
        (MassiveCrypto, b"XA") | (MassiveForex, b"CA") => bar(venue, fields, PAIR, MINUTE_MS, out),
        (MassiveCrypto, b"XAS") | (MassiveForex, b"CAS") => bar(venue, fields, PAIR, SECOND_MS, out),
        (MassiveForex, b"C") => currency_quote(venue, fields, out),
        (MassiveFutures, b"T") => future_trade(venue, fields, out),
        (MassiveFutures, b"Q") => future_quote(venue, fields, out),
        (MassiveFutures | MassiveIndices, b"A") => bar(venue, fields, SYM, SECOND_MS, out),
        (MassiveFutures | MassiveIndices | MassiveCrypto | MassiveForex, b"AM") => {
            bar(venue, fields, SYM, MINUTE_MS, out)
        }
        _ => return None,
    })
}

/// A number that must be there.
fn required(value: Decimal, slot: u8) -> Read<Decimal> {
    if value.float.is_nan() { Fields::fault(SkipReason::MissingKey, slot) } else { Ok(value) }
}

/// A price of a market. Futures fall below zero (oil did), and so do indices that measure a balance.
fn price(venue: Venue, fields: Fields, slot: u8) -> Read<Decimal> {
    let price = fields.decimal(slot)?;
    match venue {
        Venue::MassiveFutures | Venue::MassiveIndices => required(price, slot),
        _ => Fields::positive(price, slot),
    }
}

/// An optional price or size that is not negative.
fn amount(fields: Fields, slot: u8) -> Read<Decimal> {
    Fields::not_negative(fields.decimal(slot)?, slot)
}

fn band(venue: Venue, fields: Fields, out: &mut Staging) -> Read<()> {
    let symbol = fields.symbol(TICKER)?;
    // Both are zero in a halt.
    let high = required(amount(fields, H)?, H)?.float;
    let low = required(amount(fields, L)?, L)?.float;
    if high < low {
        return Fields::fault(SkipReason::OutOfRange, H);
    }
    let mut indicators = [CODE_UNSET; 4];
    let n_indicators = fields.codes(I, &mut indicators)?;
    let band = Band {
        ts_event: fields.required_time(T)?,
        high,
        low,
        sequence: fields.integer(Q)?,
        indicators,
        n_indicators,
        tape: fields.tape(Z)?,
        venue: venue as u8,
        ..Band::UNSET
    };
    out.push(fields.frame, symbol, band);
    Ok(())
}

fn imbalance(venue: Venue, fields: Fields, out: &mut Staging) -> Read<()> {
    let symbol = fields.symbol(TICKER)?;
    let auction_time = fields.code(AT)?;
    if auction_time != CODE_UNSET && (auction_time >= 2_400 || auction_time % 100 >= 60) {
        return Fields::fault(SkipReason::OutOfRange, AT);
    }
    let imbalance = Imbalance {
        ts_event: fields.required_time(T)?,
        imbalance: required(fields.decimal(O)?, O)?.float,
        paired: amount(fields, P)?.float,
        clearing_price: amount(fields, B)?.float,
        sequence: fields.integer(I)?,
        auction_time,
        exchange: fields.code(X)?,
        venue: venue as u8,
        auction_type: letter(fields, A)?,
        ..Imbalance::UNSET
    };
    out.push(fields.frame, symbol, imbalance);
    Ok(())
}

/// A text of one letter; 0 where the key is missing.
fn letter(fields: Fields, slot: u8) -> Read<u8> {
    match fields.slots.get(slot) {
        None => Ok(0),
        Some(Value::Text(text)) => {
            let mut scratch = Vec::new();
            match text.decode(fields.frame, &mut scratch) {
                &[letter] if letter.is_ascii_alphabetic() => Ok(letter),
                _ => Fields::fault(SkipReason::OutOfRange, slot),
            }
        }
        Some(_) => Fields::fault(SkipReason::WrongType, slot),
    }
}

fn figure(venue: Venue, fields: Fields, (name, slot): (u8, u8), what: u8, out: &mut Staging) -> Read<()> {
    let symbol = fields.symbol(name)?;
    let value = required(fields.decimal(slot)?, slot)?;
    let figure = Figure {
        ts_event: fields.required_time(T)?,
        value: value.float,
        value_e8: value.e8,
        venue: venue as u8,
        what,
        ..Figure::UNSET
    };
    out.push(fields.frame, symbol, figure);
    Ok(())
}

fn coin_trade(venue: Venue, fields: Fields, out: &mut Staging) -> Read<()> {
    let symbol = fields.symbol(PAIR)?;
    let price = price(venue, fields, P)?;
    let size = required(amount(fields, S)?, S)?;
    let mut conditions = [CODE_UNSET; 8];
    let n_conditions = fields.codes(C, &mut conditions)?;
    // A condition tells who took: 1 the seller, 2 the buyer; 0 says nothing.
    let side = match conditions[..usize::from(n_conditions)].iter().find(|&&code| matches!(code, 1 | 2)) {
        Some(1) => SIDE_SELL,
        Some(_) => SIDE_BUY,
        None => SIDE_NONE,
    };
    let trade = Trade {
        ts_event: fields.required_time(T)?,
        ts_sent: fields.time(R)?,
        price: price.float,
        price_e8: price.e8,
        size: size.float,
        size_e8: size.e8,
        id: any_id(fields)?,
        conditions,
        n_conditions,
        exchange: fields.code(X)?,
        venue: venue as u8,
        side,
        ..Trade::UNSET
    };
    out.push_trade(fields.frame, symbol, trade);
    Ok(())
}

/// QUIRK: the id of a coin's trade is a number by the specification and a text on the wire.
fn any_id(fields: Fields) -> Read<[u8; 24]> {
    let mut id = [0; 24];
    match fields.slots.get(I) {
        Some(Value::Text(text)) => long_id(fields.frame, text, &mut id),
        Some(_) => {
            let number = fields.integer(I)?;
            // INVARIANT: an i64 has at most 20 characters.
            let written = write!(&mut id[..], "{number}");
            debug_assert!(written.is_ok());
        }
        None => {}
    }
    Ok(id)
}

/// Bid and offer with their sizes.
fn sides(bid: [Decimal; 2], ask: [Decimal; 2]) -> Quote {
    Quote {
        bid: bid[0].float,
        ask: ask[0].float,
        bid_e8: bid[0].e8,
        ask_e8: ask[0].e8,
        bid_size: bid[1].float,
        ask_size: ask[1].float,
        bid_size_e8: bid[1].e8,
        ask_size_e8: ask[1].e8,
        ..Quote::UNSET
    }
}

fn coin_quote(venue: Venue, fields: Fields, out: &mut Staging) -> Read<()> {
    let symbol = fields.symbol(PAIR)?;
    let exchange = fields.code(X)?;
    let quote = Quote {
        ts_event: fields.required_time(T)?,
        ts_sent: fields.time(R)?,
        bid_exchange: exchange,
        ask_exchange: exchange,
        venue: venue as u8,
        ..sides([amount(fields, BP)?, amount(fields, BS)?], [amount(fields, AP)?, amount(fields, AS)?])
    };
    out.push_quote(fields.frame, symbol, quote);
    Ok(())
}

/// A currency pair's quote; `p` is the pair, and there are no sizes.
fn currency_quote(venue: Venue, fields: Fields, out: &mut Staging) -> Read<()> {
    let symbol = fields.symbol(P)?;
    let exchange = code_or_text(fields, X)?;
    let quote = Quote {
        ts_event: fields.required_time(T)?,
        bid_exchange: exchange,
        ask_exchange: exchange,
        venue: venue as u8,
        ..sides([amount(fields, B)?, Decimal::UNSET], [amount(fields, A)?, Decimal::UNSET])
    };
    out.push_quote(fields.frame, symbol, quote);
    Ok(())
}

/// QUIRK: an exchange is a number by the specification, a text of digits in its sample, and both in clients.
fn code_or_text(fields: Fields, slot: u8) -> Read<u16> {
    let Some(Value::Text(text)) = fields.slots.get(slot) else { return fields.code(slot) };
    let mut scratch = Vec::new();
    let digits = text.decode(fields.frame, &mut scratch);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Fields::fault(SkipReason::WrongType, slot);
    }
    let value = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    value.filter(|&code| code != CODE_UNSET).ok_or(Fault { reason: SkipReason::OutOfRange, slot })
}

fn future_trade(venue: Venue, fields: Fields, out: &mut Staging) -> Read<()> {
    let symbol = fields.symbol(SYM)?;
    let price = price(venue, fields, P)?;
    let size = required(amount(fields, S)?, S)?;
    let trade = Trade {
        ts_event: fields.required_time(T)?,
        price: price.float,
        price_e8: price.e8,
        size: size.float,
        size_e8: size.e8,
        sequence: fields.integer(Q)?,
        venue: venue as u8,
        ..Trade::UNSET
    };
    out.push_trade(fields.frame, symbol, trade);
    Ok(())
}

fn future_quote(venue: Venue, fields: Fields, out: &mut Staging) -> Read<()> {
    let symbol = fields.symbol(SYM)?;
    let (ts_bid, ts_ask) = (fields.time(BT)?, fields.time(AT)?);
    let has_times = ts_bid != TIME_UNSET || ts_ask != TIME_UNSET;
    let quote = Quote {
        ts_event: fields.required_time(T)?,
        // The two times of the sides take the places of two that this market does not have.
        ts_participant: ts_bid,
        ts_sent: ts_ask,
        sequence: fields.integer(Q)?,
        bid_exchange: fields.code(BX)?,
        ask_exchange: fields.code(AX)?,
        venue: venue as u8,
        flags: if has_times { QUOTE_SIDE_TIMES } else { 0 },
        ..sides([fields.decimal(BP)?, amount(fields, BS)?], [fields.decimal(AP)?, amount(fields, AS)?])
    };
    out.push_quote(fields.frame, symbol, quote);
    Ok(())
}

fn bar(venue: Venue, fields: Fields, name: u8, interval_ms: u32, out: &mut Staging) -> Read<()> {
    let symbol = fields.symbol(name)?;
    let price = |slot| Ok(price(venue, fields, slot)?.float);
    let (open, high, low, close) = (price(O)?, price(H)?, price(L)?, price(C)?);
    if high < low {
        return Fields::fault(SkipReason::OutOfRange, H);
    }
    let is_future = venue == Venue::MassiveFutures;
    let has = |slot| fields.slots.get(slot).is_some();
    let volume = match venue {
        // `dv` is the traded value here, a number; in stocks it is the exact volume, a text.
        Venue::MassiveFutures => required(amount(fields, V)?, V)?,
        Venue::MassiveCrypto => size(fields, V, DV)?,
        // Currencies count updates of the quote, indices nothing.
        _ if has(V) || has(DV) => size(fields, V, DV)?,
        _ => Decimal::UNSET,
    };
    let day_volume = if has(AV) || has(DAV) { size(fields, AV, DAV)? } else { Decimal::UNSET };
    let ts_event = fields.required_time(S)?;
    let ts_whole = ts_event + i64::from(interval_ms) * MILLI;
    let ts_end = match fields.time(E)? {
        TIME_UNSET => ts_whole,
        end if end > ts_event => end,
        // QUIRK: an index's bar may end where it starts.
        end if end == ts_event && venue == Venue::MassiveIndices => ts_whole,
        _ => return Fields::fault(SkipReason::OutOfRange, E),
    };
    let day_open = fields.float(OP)?;
    let bar = VenueBar {
        ts_event,
        ts_end,
        open,
        high,
        low,
        close,
        volume: volume.float,
        volume_e8: volume.e8,
        dollar_volume: if is_future { fields.float(DV)? } else { PRICE_UNSET },
        vwap: fields.float(VW)?,
        trade_count: fields.integer(N)?,
        day_volume: day_volume.float,
        day_volume_e8: day_volume.e8,
        // QUIRK: a day that has not opened is written as 0 by some.
        day_open: if day_open == 0.0 { PRICE_UNSET } else { day_open },
        day_vwap: fields.float(A)?,
        average_size: fields.float(Z)?,
        interval_ms,
        venue: venue as u8,
        flags: BAR_COMPLETE,
        ..VenueBar::UNSET
    };
    out.push_bar(fields.frame, symbol, bar);
    Ok(())
}

/// The best levels of a coin's book, one record a level.
fn book(venue: Venue, fields: Fields, out: &mut Staging) -> Read<()> {
    let symbol = fields.symbol(PAIR)?;
    let common = Level {
        ts_event: fields.required_time(T)?,
        ts_sent: fields.time(R)?,
        exchange: fields.code(X)?,
        venue: venue as u8,
        depth: DEPTH_PARTIAL,
        ..Level::UNSET
    };
    let mut levels = Vec::new();
    for (slot, side) in [(B, LEVEL_BID), (A, LEVEL_ASK)] {
        for [price, size] in pairs(fields, slot)? {
            if out.len() + levels.len() >= EVENTS_MAX {
                return Fields::fault(SkipReason::OutOfRange, slot);
            }
            levels.push(Level {
                price: Fields::positive(price, slot)?.float,
                price_e8: price.e8,
                size: Fields::not_negative(size, slot)?.float,
                size_e8: size.e8,
                side,
                ..common
            });
        }
    }
    if levels.is_empty() {
        levels.push(common);
    }
    let last = levels.len() - 1;
    levels[0].flags |= LEVEL_FIRST;
    levels[last].flags |= LEVEL_LAST;
    for level in levels {
        out.push(fields.frame, symbol, level);
    }
    Ok(())
}

/// A list of lists of two numbers.
fn pairs(fields: Fields, slot: u8) -> Read<Vec<[Decimal; 2]>> {
    let start = match fields.slots.get(slot) {
        Some(Value::Array { start }) => start,
        Some(_) => return Fields::fault(SkipReason::WrongType, slot),
        None => return Fields::fault(SkipReason::MissingKey, slot),
    };
    let mut pairs = Vec::new();
    let mut fault = None;
    // The list was validated when it was passed, so this walk cannot fail.
    let walked = Scanner::inside(fields.frame, start).elements(|scan| {
        if scan.peek() != b'[' {
            fault = Some(Fault { reason: SkipReason::WrongType, slot });
            return scan.skip();
        }
        let mut pair = [Decimal::UNSET; 2];
        let mut count = 0;
        scan.elements(|scan| {
            let mut token = Token::at(Tag::Null, 0);
            scan.value(&mut token)?;
            if token.tag != Tag::Number || count >= pair.len() {
                fault = Some(Fault { reason: SkipReason::WrongType, slot });
                return Ok(());
            }
            match to_decimal(fields.frame, Number::of(&token), slot) {
                Ok(number) => pair[count] = number,
                Err(bad) => fault = Some(bad),
            }
            count += 1;
            Ok(())
        })?;
        if count < pair.len() {
            fault = Some(Fault { reason: SkipReason::WrongType, slot });
        }
        pairs.push(pair);
        Ok(())
    });
    debug_assert!(walked.is_ok());
    fault.map_or(Ok(pairs), Err)
}
