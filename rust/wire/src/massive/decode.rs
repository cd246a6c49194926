//! Massive frames to events.
//!
//! SOURCE: field tables and captured frames of the fact sheet, `tests/fixtures/massive`. Key order varies, any key
//! but `ev` may be missing, keys mean different things in different events: so an object is read into slots
//! first and understood afterwards.

use ringtape_model::event::{BAR_COMPLETE, BAR_OTC, TRADE_LATE};
use ringtape_model::units::{CODE_UNSET, MILLI, PRICE_UNSET, SECOND, TIME_UNSET};
use ringtape_model::{Quote, Trade, Venue, VenueBar};

use super::{fast, markets};
use crate::error::{DecodeError, ErrorKind, SkipReason};
use crate::json::{FRAME_MAX, KeyTable, Level, Scanner, Stop, Text, Value};
use crate::read::{Decimal, Fault, Fields, Read};
use crate::staging::{Control, EVENTS_MAX, Room, Scratch, Staging, widen};

const NAMES: [&str; 43] = [
    "ev", "sym", "x", "i", "z", "p", "s", "ds", "c", "t", "pt", "q", "trfi", "trft", "bx", "ax", "bp", "ap", "bs",
    "as", "v", "dv", "av", "dav", "op", "vw", "a", "o", "h", "l", "e", "otc", "status", "message", "T", "at", "b",
    "bt", "n", "r", "pair", "val", "fmv",
];
static KEYS: KeyTable = KeyTable::new(&NAMES);

macro_rules! slots {
    ($($name:ident = $at:literal),*) => { $(pub(super) const $name: u8 = $at;)* };
}
slots!(
    EV = 0,
    SYM = 1,
    X = 2,
    I = 3,
    Z = 4,
    P = 5,
    S = 6,
    DS = 7,
    C = 8,
    T = 9,
    PT = 10,
    Q = 11,
    TRFI = 12,
    TRFT = 13,
    BX = 14,
    AX = 15,
    BP = 16,
    AP = 17,
    BS = 18,
    AS = 19,
    V = 20,
    DV = 21,
    AV = 22,
    DAV = 23,
    OP = 24,
    VW = 25,
    A = 26,
    O = 27,
    H = 28,
    L = 29,
    E = 30,
    OTC = 31,
    STATUS = 32,
    MESSAGE = 33,
    TICKER = 34,
    AT = 35,
    B = 36,
    BT = 37,
    N = 38,
    R = 39,
    PAIR = 40,
    VAL = 41,
    FMV = 42
);

/// A trade this much later on the tape than at its exchange is late: the US reporting limit.
pub(super) const LATE_AFTER: i64 = 10 * SECOND;

/// Kinds that a fact sheet names, over all markets: one that comes on a market that has no such kind is known, at least.
const NAMED: [&[u8]; 18] = [
    b"T", b"Q", b"A", b"AM", b"LULD", b"NOI", b"FMV", b"LV", b"XT", b"XQ", b"XA", b"XAS", b"XL2", b"XS", b"C", b"CA",
    b"CAS", b"V",
];

/// Decodes a frame; see [`crate::decode`].
#[inline(always)]
pub(crate) fn decode<L: Level>(
    level: L,
    venue: Venue,
    frame: &[u8],
    out: &mut Staging,
    scratch: &mut Scratch,
) -> Result<(), DecodeError> {
    // What was read in the lane is sound and ASCII; nothing else of the frame was looked at.
    let mut stop = Stop { at: 0, is_behind: false };
    if has_lane(venue) && frame.len() <= FRAME_MAX && frame.starts_with(b"[{") {
        stop = fast::events(level, venue, (frame, 1), out, (&scratch.shapes, &mut scratch.edges));
        if is_end(frame, stop) {
            return Ok(());
        }
    }
    plain(level, venue, (frame, stop), out, scratch)
}

/// Whether nothing but the end of the list stands behind the events that were read.
#[inline(always)]
fn is_end(frame: &[u8], stop: Stop) -> bool {
    stop.is_behind && frame.get(stop.at..) == Some(b"]")
}

/// Decodes the rest of a frame.
#[inline(always)]
fn plain<L: Level>(
    level: L,
    venue: Venue,
    (frame, stop): (&[u8], Stop),
    out: &mut Staging,
    scratch: &mut Scratch,
) -> Result<(), DecodeError> {
    let mut room = scratch.room.take().unwrap_or_else(|| Box::new([0; size_of::<Room>()]));
    let padded = widen(frame, &mut room);
    let decoded = match Scanner::new(level, frame, padded) {
        Ok(scan) => rest(venue, scan, stop, out, scratch),
        Err(error) => Err(error),
    };
    scratch.room = Some(room);
    decoded
}

#[inline(always)]
fn rest<L: Level>(
    venue: Venue,
    mut scan: Scanner<L>,
    stop: Stop,
    out: &mut Staging,
    scratch: &mut Scratch,
) -> Result<(), DecodeError> {
    if scan.peek() != b'[' {
        element(venue, &mut scan, out, scratch)?;
        return scan.end();
    }
    // No closure, as `Scanner::elements` takes: it would be compiled without the level's instructions.
    let mut more = scan.first_element()?;
    if stop.at != 0 {
        scan.at = stop.at;
        more = !stop.is_behind || scan.next_element()?;
    }
    while more {
        element(venue, &mut scan, out, scratch)?;
        more = scan.next_element()?;
        while more && has_lane(venue) && scan.peek() == b'{' {
            let object = (scan.frame, scan.at);
            let stop = fast::events(scan.level(), venue, object, out, (&scratch.shapes, &mut scratch.edges));
            scan.at = stop.at;
            if !stop.is_behind {
                break;
            }
            if is_end(scan.frame, stop) {
                return Ok(());
            }
            more = scan.next_element()?;
        }
    }
    scan.end()
}

#[inline(always)]
fn element<L: Level>(
    venue: Venue,
    scan: &mut Scanner<L>,
    out: &mut Staging,
    scratch: &mut Scratch,
) -> Result<(), DecodeError> {
    let offset = scan.offset();
    if out.len() >= EVENTS_MAX {
        return Err(DecodeError { kind: ErrorKind::TooManyEvents, offset: scan.at });
    }
    if scan.peek() != b'{' {
        scan.skip_bare()?;
        out.skip(SkipReason::NotAnEvent, offset, "", b"");
        return Ok(());
    }
    let frame = scan.frame;
    let Scratch { outer, guesses, shapes, .. } = scratch;
    let at = scan.at;
    scan.object(&KEYS, outer, guesses)?;
    event(venue, Fields { frame, slots: outer }, offset, out);
    if has_lane(venue)
        && outer.has(EV)
        && let Some(name) = outer.short_text(EV, frame)
    {
        fast::learn((frame, at), name, &KEYS, shapes);
    }
    Ok(())
}

/// Understands one object by its `ev`.
#[inline(always)]
fn event(venue: Venue, fields: Fields, offset: u32, out: &mut Staging) {
    let kind = match fields.slots.get(EV) {
        Some(Value::Text(kind)) => kind,
        Some(_) => return out.skip(SkipReason::WrongType, fields.slots.offset(EV), "ev", b""),
        None => return out.skip(SkipReason::MissingKey, offset, "ev", b""),
    };
    let mut plain = Vec::new();
    let name = kind.decode(fields.frame, &mut plain);
    let done = match name {
        _ if !is_read(venue, name) => {
            let Some(done) = other(venue, name, fields, out) else {
                let reason = if NAMED.contains(&name) { SkipReason::UnsupportedKind } else { SkipReason::UnknownKind };
                return out.skip(reason, offset, "", name);
            };
            done
        }
        b"T" => trade(venue, fields, out),
        b"Q" => quote(venue, fields, out),
        b"A" => bar(venue, fields, 1_000, out),
        _ => bar(venue, fields, 60_000, out),
    };
    if let Err(Fault { reason, slot }) = done {
        let at = if fields.slots.has(slot) { fields.slots.offset(slot) } else { offset };
        out.skip(reason, at, NAMES[usize::from(slot)], name);
    }
}

#[inline(never)]
fn other(venue: Venue, name: &[u8], fields: Fields, out: &mut Staging) -> Option<Read<()>> {
    if name == b"status" { Some(status(fields, out)) } else { markets::event(venue, name, fields, out) }
}

/// True for markets whose common events have a fast lane.
#[inline(always)]
fn has_lane(venue: Venue) -> bool {
    is_read(venue, b"T")
}

/// Options share the stocks' layouts; the other markets give the same letters other meanings.
#[inline(always)]
fn is_read(venue: Venue, name: &[u8]) -> bool {
    matches!(venue, Venue::MassiveStocks | Venue::MassiveOptions) && matches!(name, b"T" | b"Q" | b"A" | b"AM")
}

#[cold]
fn status(fields: Fields, out: &mut Staging) -> Read<()> {
    let text = |slot| match fields.slots.get(slot) {
        Some(Value::Text(text)) => Ok(text.to_string(fields.frame)),
        None => Ok(String::new()),
        Some(_) => Fields::fault(SkipReason::WrongType, slot),
    };
    let (status, message) = (text(STATUS)?, text(MESSAGE)?);
    out.control.push(Control::Status { status, message });
    Ok(())
}

#[inline(always)]
fn trade(venue: Venue, fields: Fields, out: &mut Staging) -> Read<()> {
    let symbol = fields.symbol(SYM)?;
    let price = Fields::positive(fields.decimal(P)?, P)?;
    let size = size(fields, S, DS)?;
    let ts_event = fields.required_time(T)?;
    let ts_participant = fields.time(PT)?;
    let mut conditions = [CODE_UNSET; 8];
    let n_conditions = fields.codes(C, &mut conditions)?;
    let late = ts_participant != TIME_UNSET && ts_event - ts_participant > LATE_AFTER;
    let trade = Trade {
        ts_event,
        ts_participant,
        ts_trf: fields.time(TRFT)?,
        price: price.float,
        price_e8: price.e8,
        size: size.float,
        size_e8: size.e8,
        sequence: fields.integer(Q)?,
        id: id(fields)?,
        conditions,
        exchange: fields.code(X)?,
        trf_id: fields.code(TRFI)?,
        venue: venue as u8,
        tape: fields.tape(Z)?,
        n_conditions,
        flags: if late { TRADE_LATE } else { 0 },
        ..Trade::UNSET
    };
    out.push_trade(fields.frame, symbol, trade);
    Ok(())
}

/// The exact decimal string wins over the whole number beside it, which is cut off or rounded.
#[inline]
pub(super) fn size(fields: Fields, whole: u8, exact: u8) -> Read<Decimal> {
    let slot = if fields.slots.get(exact).is_some() { exact } else { whole };
    let size = if slot == exact { fields.decimal_text(exact)? } else { fields.decimal(whole)? };
    if size.float.is_nan() {
        return Fields::fault(SkipReason::MissingKey, whole);
    }
    Fields::not_negative(size, slot)
}

/// A trade id fits as it is, or is kept as a hash: identity is what it is for.
#[inline]
fn id(fields: Fields) -> Read<[u8; 24]> {
    let mut id = [0; 24];
    match fields.slots.get(I) {
        Some(Value::Text(text)) => {
            let raw = text.raw(fields.frame);
            if text.escaped || raw.len() > id.len() {
                long_id(fields.frame, text, &mut id);
            } else {
                id[..raw.len()].copy_from_slice(raw);
            }
        }
        None => {}
        Some(_) => return Fields::fault(SkipReason::WrongType, I),
    }
    Ok(id)
}

/// An id that may be too long for its field.
#[cold]
pub(super) fn long_id(frame: &[u8], text: Text, id: &mut [u8; 24]) {
    let mut scratch = Vec::new();
    let plain = text.decode(frame, &mut scratch);
    if plain.len() <= id.len() && !plain.contains(&0) {
        id[..plain.len()].copy_from_slice(plain);
        return;
    }
    // FNV-1a, 64 bits.
    let hash = plain
        .iter()
        .fold(0xCBF2_9CE4_8422_2325u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
    let text = format!("#{hash:016x}");
    id[..text.len()].copy_from_slice(text.as_bytes());
}

#[inline(always)]
fn quote(venue: Venue, fields: Fields, out: &mut Staging) -> Read<()> {
    let symbol = fields.symbol(SYM)?;
    let bid = Fields::not_negative(fields.decimal(BP)?, BP)?;
    let ask = Fields::not_negative(fields.decimal(AP)?, AP)?;
    let bid_size = Fields::not_negative(fields.decimal(BS)?, BS)?;
    let ask_size = Fields::not_negative(fields.decimal(AS)?, AS)?;
    let mut indicators = [CODE_UNSET; 4];
    let n_indicators = fields.codes(I, &mut indicators)?;
    let quote = Quote {
        ts_event: fields.required_time(T)?,
        ts_participant: fields.time(PT)?,
        bid: bid.float,
        ask: ask.float,
        bid_e8: bid.e8,
        ask_e8: ask.e8,
        bid_size: bid_size.float,
        ask_size: ask_size.float,
        bid_size_e8: bid_size.e8,
        ask_size_e8: ask_size.e8,
        sequence: fields.integer(Q)?,
        indicators,
        bid_exchange: fields.code(BX)?,
        ask_exchange: fields.code(AX)?,
        condition: fields.code(C)?,
        venue: venue as u8,
        tape: fields.tape(Z)?,
        n_indicators,
        ..Quote::UNSET
    };
    out.push_quote(fields.frame, symbol, quote);
    Ok(())
}

fn bar(venue: Venue, fields: Fields, interval_ms: u32, out: &mut Staging) -> Read<()> {
    let symbol = fields.symbol(SYM)?;
    let price = |slot| Ok(Fields::positive(fields.decimal(slot)?, slot)?.float);
    let (open, high, low, close) = (price(O)?, price(H)?, price(L)?, price(C)?);
    if high < low {
        return Fields::fault(SkipReason::OutOfRange, H);
    }
    let volume = size(fields, V, DV)?;
    let has_day = fields.slots.get(AV).is_some() || fields.slots.get(DAV).is_some();
    let day_volume = if has_day { size(fields, AV, DAV)? } else { Decimal::UNSET };
    let ts_event = fields.required_time(S)?;
    let ts_end = match fields.time(E)? {
        TIME_UNSET => ts_event + i64::from(interval_ms) * MILLI,
        end if end > ts_event => end,
        _ => return Fields::fault(SkipReason::OutOfRange, E),
    };
    let otc = fields.flag(OTC)?.unwrap_or(false);
    let bar = VenueBar {
        ts_event,
        ts_end,
        open,
        high,
        low,
        close,
        volume: volume.float,
        volume_e8: volume.e8,
        vwap: fields.float(VW)?,
        day_volume: day_volume.float,
        day_volume_e8: day_volume.e8,
        // QUIRK: a day that has not opened is written as 0 by some.
        day_open: Some(fields.float(OP)?).filter(|&open| open > 0.0).unwrap_or(PRICE_UNSET),
        day_vwap: fields.float(A)?,
        average_size: fields.float(Z)?,
        interval_ms,
        venue: venue as u8,
        flags: BAR_COMPLETE | if otc { BAR_OTC } else { 0 },
        ..VenueBar::UNSET
    };
    out.push_bar(fields.frame, symbol, bar);
    Ok(())
}
