//! Trades and quotes through the fast lane: the same records as [`super::decode`] builds, for events whose keys come
//! in an order seen before and whose values are of the common form. Whatever is not, is left to the plain way.

use ringtape_model::event::{SIDE_NONE, TRADE_LATE};
use ringtape_model::units::{CODE_UNSET, E8_UNSET, ID_UNSET, MILLI, PRICE_UNSET, TIME_UNSET};
use ringtape_model::{Quote, Trade, Venue};

use super::decode::{AP, AS, AX, BP, BS, BX, C, DS, I, LATE_AFTER, P, PT, Q, S, SYM, T, TRFI, TRFT, X, Z, is_read};
use crate::json::{Guesses, Lane, Level, Next, Plain, Scanner, Text};
use crate::read::{Decimal, is_symbol};
use crate::staging::Staging;

/// Reads the object the cursor stands on if it is a common trade or quote; else changes nothing.
#[inline(always)]
pub(super) fn element<L: Level>(venue: Venue, scan: &mut Scanner<L>, out: &mut Staging, guesses: &Guesses) -> bool {
    if !is_read(venue, b"T") {
        return false;
    }
    // A record is filled where it will stay: built elsewhere and copied, its fields would have to be waited for.
    let end = if let Some(lane) = scan.lane(guesses, b'Q') {
        let at = out.quotes.len();
        out.quotes.push(QUOTE);
        let end = quote(venue, lane, out, guesses, scan.frame, at);
        if end.is_none() {
            out.quotes.truncate(at);
        }
        end
    } else if let Some(lane) = scan.lane(guesses, b'T') {
        let at = out.trades.len();
        out.trades.push(TRADE);
        let end = trade(venue, lane, out, guesses, scan.frame, at);
        if end.is_none() {
            out.trades.truncate(at);
        }
        end
    } else {
        None
    };
    let Some(end) = end else { return false };
    scan.at = end;
    true
}

/// A trade of which nothing is known yet.
const TRADE: Trade = Trade {
    seq: 0,
    ts_event: TIME_UNSET,
    ts_recv: 0,
    ts_sent: TIME_UNSET,
    ts_participant: TIME_UNSET,
    ts_trf: TIME_UNSET,
    price: PRICE_UNSET,
    price_e8: E8_UNSET,
    size: PRICE_UNSET,
    size_e8: E8_UNSET,
    sequence: ID_UNSET,
    first_id: ID_UNSET,
    last_id: ID_UNSET,
    id: [0; 24],
    conditions: [CODE_UNSET; 8],
    symbol: 0,
    exchange: CODE_UNSET,
    trf_id: CODE_UNSET,
    venue: 0,
    tape: 0,
    side: SIDE_NONE,
    n_conditions: 0,
    conn: 0,
    flags: 0,
};

/// A quote of which nothing is known yet.
const QUOTE: Quote = Quote {
    seq: 0,
    ts_event: TIME_UNSET,
    ts_recv: 0,
    ts_sent: TIME_UNSET,
    ts_participant: TIME_UNSET,
    bid: PRICE_UNSET,
    ask: PRICE_UNSET,
    bid_e8: E8_UNSET,
    ask_e8: E8_UNSET,
    bid_size: PRICE_UNSET,
    ask_size: PRICE_UNSET,
    bid_size_e8: E8_UNSET,
    ask_size_e8: E8_UNSET,
    sequence: ID_UNSET,
    indicators: [CODE_UNSET; 4],
    symbol: 0,
    bid_exchange: CODE_UNSET,
    ask_exchange: CODE_UNSET,
    condition: CODE_UNSET,
    conn: 0,
    venue: 0,
    tape: 0,
    n_indicators: 0,
    flags: 0,
};

#[inline(always)]
fn trade<L: Level>(
    venue: Venue,
    mut lane: Lane<L>,
    out: &mut Staging,
    guesses: &Guesses,
    frame: &[u8],
    at: usize,
) -> Option<usize> {
    let trade = &mut out.trades[at];
    trade.venue = venue as u8;
    let mut symbol = Text::default();
    let mut whole = Decimal::UNSET;
    let mut exact = Decimal::UNSET;
    let mut seen = 0u64;
    while let Next::Value(slot) = lane.next(guesses)? {
        // A key that comes twice is for the plain way.
        if seen & (1 << (slot & 63)) != 0 {
            return None;
        }
        seen |= 1 << (slot & 63);
        match slot {
            SYM => symbol = name(&mut lane)?,
            I => {
                let (_, len, bytes) = lane.text()?;
                trade.id[..16].copy_from_slice(bytes);
                trade.id[len..16].fill(0);
            }
            X => trade.exchange = lane.code()?,
            P => {
                let price = decimal(&mut lane)?;
                (trade.price, trade.price_e8) = (price.float, price.e8);
            }
            S => whole = decimal(&mut lane)?,
            DS => exact = to_decimal(lane.number_text()?)?,
            C => trade.n_conditions = lane.codes(&mut trade.conditions)?,
            T => trade.ts_event = millis(&mut lane)?,
            PT => trade.ts_participant = millis(&mut lane)?,
            TRFT => trade.ts_trf = millis(&mut lane)?,
            Q => trade.sequence = lane.integer()?.cast_signed(),
            TRFI => trade.trf_id = lane.code()?,
            Z => trade.tape = tape(&mut lane)?,
            _ => return None,
        }
    }
    let size = if seen & (1 << DS) == 0 { whole } else { exact };
    (trade.size, trade.size_e8) = (size.float, size.e8);
    // Anything missing or out of range is for the plain way to name.
    if symbol.len == 0 || trade.price_e8 <= 0 || size.e8 < 0 || trade.ts_event == TIME_UNSET {
        return None;
    }
    if trade.ts_participant != TIME_UNSET && trade.ts_event - trade.ts_participant > LATE_AFTER {
        trade.flags = TRADE_LATE;
    }
    out.name_trade(frame, symbol, at);
    Some(lane.at())
}

#[inline(always)]
fn quote<L: Level>(
    venue: Venue,
    mut lane: Lane<L>,
    out: &mut Staging,
    guesses: &Guesses,
    frame: &[u8],
    at: usize,
) -> Option<usize> {
    let quote = &mut out.quotes[at];
    quote.venue = venue as u8;
    let mut symbol = Text::default();
    let mut seen = 0u64;
    while let Next::Value(slot) = lane.next(guesses)? {
        if seen & (1 << (slot & 63)) != 0 {
            return None;
        }
        seen |= 1 << (slot & 63);
        match slot {
            SYM => symbol = name(&mut lane)?,
            BP => (quote.bid, quote.bid_e8) = decimal(&mut lane)?.both(),
            AP => (quote.ask, quote.ask_e8) = decimal(&mut lane)?.both(),
            BS => (quote.bid_size, quote.bid_size_e8) = decimal(&mut lane)?.both(),
            AS => (quote.ask_size, quote.ask_size_e8) = decimal(&mut lane)?.both(),
            BX => quote.bid_exchange = lane.code()?,
            AX => quote.ask_exchange = lane.code()?,
            T => quote.ts_event = millis(&mut lane)?,
            PT => quote.ts_participant = millis(&mut lane)?,
            Q => quote.sequence = lane.integer()?.cast_signed(),
            Z => quote.tape = tape(&mut lane)?,
            C => quote.condition = lane.code()?,
            I => quote.n_indicators = lane.codes(&mut quote.indicators)?,
            _ => return None,
        }
    }
    if symbol.len == 0 || quote.ts_event == TIME_UNSET {
        return None;
    }
    out.name_quote(frame, symbol, at);
    Some(lane.at())
}

#[inline(always)]
fn name<L: Level>(lane: &mut Lane<L>) -> Option<Text> {
    let (start, len, window) = lane.text()?;
    let text = Text { start: start as u32, len: len as u32, escaped: false };
    is_symbol(window, Text { start: 0, ..text }).then_some(text)
}

#[inline(always)]
fn decimal<L: Level>(lane: &mut Lane<L>) -> Option<Decimal> {
    to_decimal(lane.number()?)
}

/// A number in both forms; the mantissa is exact, so one division rounds once.
#[inline(always)]
fn to_decimal(plain: Plain) -> Option<Decimal> {
    const POW10: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    const SCALE: [i64; 16] =
        [100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1, 0, 0, 0, 0, 0, 0, 0];
    /// Below this, every scale fits an `i64`.
    const SAFE: u64 = (i64::MAX / 100_000_000) as u64;
    // Nine decimals and more are rounded the plain way; so is what may not fit.
    if plain.decimals > 8 || plain.mantissa > SAFE {
        return None;
    }
    let scale = plain.decimals & 15;
    // INVARIANT: the mantissa is below 2^53, so the division rounds once.
    let mantissa = plain.mantissa.cast_signed();
    Some(Decimal { float: mantissa as f64 / POW10[scale], e8: mantissa * SCALE[scale] })
}

/// A time in ms between 2000 and 2100; other units are told apart the plain way.
#[inline(always)]
fn millis<L: Level>(lane: &mut Lane<L>) -> Option<i64> {
    let value = lane.integer()?;
    (946_684_800_000..4_102_444_800_000).contains(&value).then(|| value.cast_signed() * MILLI)
}

#[inline(always)]
fn tape<L: Level>(lane: &mut Lane<L>) -> Option<u8> {
    let value = lane.integer()?;
    (value <= 9).then_some(value as u8)
}
