//! Binance frames to events: raw payloads, arrays of them, the combined envelope, replies and errors.
//!
//! SOURCE: field tables and captured frames of the fact sheet, `tests/fixtures/binance`. Keys come in any order and
//! new ones appear (`ps`, `st`, `nq`, `ap` came in 2025 and 2026), numbers of value are decimal strings, a kline
//! has blanks inside `k` since 2026.

use ringtape_model::event::{BAR_COMPLETE, SIDE_BUY, SIDE_SELL, TRADE_AGGREGATE};
use ringtape_model::units::{ID_UNSET, MILLI, TIME_UNSET};
use ringtape_model::{Mark, Quote, Trade, Venue, VenueBar};

#[allow(clippy::wildcard_imports, reason = "half a hundred slots")]
use super::keys::*;
use super::{fast, notice, plain};
use crate::error::{DecodeError, ErrorKind, SkipReason};
use crate::json::{Guesses, Level, Scanner, Slots, Tag, Text, Token, Value};
use crate::read::{Decimal, Fault, Fields, Read};
use crate::staging::{Control, EVENTS_MAX, Room, Scratch, Staging, widen};

/// Kinds of spot and COIN-M that the documentation names and this decoder does not read.
const NAMED: [&[u8]; 16] = [
    b"executionReport",
    b"outboundAccountPosition",
    b"balanceUpdate",
    b"listStatus",
    b"eventStreamTerminated",
    b"externalLockUpdate",
    b"avgPrice",
    b"1hTicker",
    b"4hTicker",
    b"1dTicker",
    b"blockTrade",
    b"referencePrice",
    b"indexPriceUpdate",
    b"indexPrice_kline",
    b"markPrice_kline",
    b"openInterest",
];

/// Where an object inside an event is read to.
pub(super) type Nested<'a> = (&'a mut Slots, &'a mut Guesses);

/// Decodes a frame; see [`crate::decode`].
#[inline(always)]
pub(crate) fn decode<L: Level>(
    level: L,
    venue: Venue,
    frame: &[u8],
    out: &mut Staging,
    scratch: &mut Scratch,
) -> Result<(), DecodeError> {
    if fast::frame(level, venue, frame, (out, scratch)) {
        return Ok(());
    }
    let mut room = scratch.room.take().unwrap_or_else(|| Box::new([0; size_of::<Room>()]));
    let padded = widen(frame, &mut room);
    let decoded = if fast::candle(level, venue, (frame, padded), (out, scratch)) {
        Ok(())
    } else {
        // No closure here: it would be compiled without the level's instructions.
        match Scanner::new(level, frame, padded) {
            Ok(scan) => whole(venue, scan, out, scratch),
            Err(error) => Err(error),
        }
    };
    scratch.room = Some(room);
    decoded
}

#[inline(always)]
fn whole<L: Level>(
    venue: Venue,
    mut scan: Scanner<L>,
    out: &mut Staging,
    scratch: &mut Scratch,
) -> Result<(), DecodeError> {
    if scan.peek() == b'{' {
        top(venue, &mut scan, out, scratch)?;
    } else {
        payload(venue, &mut scan, None, out, scratch)?;
    }
    scan.end()
}

/// The object of a frame: an envelope, or a raw payload, or a reply. `data` is decoded as it is met, or after the rest if
/// the stream's name comes behind it; should it turn out that no envelope was meant, or should one of the two come again,
/// what it gave is taken back.
#[inline(always)]
fn top<L: Level>(
    venue: Venue,
    scan: &mut Scanner<L>,
    out: &mut Staging,
    scratch: &mut Scratch,
) -> Result<(), DecodeError> {
    let frame = scan.frame;
    let offset = scan.offset();
    let before = out.filled();
    scratch.outer.clear();
    scratch.inner.clear();
    // Where a payload stands, and whether it is still to be decoded.
    let (mut data, mut is_open) = (None, false);
    // No closure, as `Scanner::members` takes: it would be compiled without the level's instructions.
    let mut next = scan.first_key()?;
    while let Some(key) = next {
        let at = scan.at;
        let slot = KEYS.slot(frame, key);
        if matches!(slot, DATA | STREAM) {
            out.rewind(&before);
            is_open = true;
        }
        if slot == DATA && matches!(scan.peek(), b'{' | b'[') {
            *scratch.outer.place(DATA) = Token::at(Tag::Object, at as u32);
            data = Some(at);
            if let Some(stream) = text(&scratch.outer, STREAM) {
                payload(venue, scan, Some(stream), out, scratch)?;
                is_open = false;
            } else {
                scan.skip()?;
            }
        } else {
            scan.value(scratch.outer.place(slot))?;
        }
        next = scan.next_key()?;
    }
    let is_envelope = matches!(scratch.outer.get(DATA), Some(Value::Object { .. }))
        && scratch.outer.get(STREAM).is_some()
        && scratch.outer.get(KIND).is_none();
    if !is_envelope {
        out.rewind(&before);
        understand(
            venue,
            Fields { frame, slots: &scratch.outer },
            (&mut scratch.nested, &mut scratch.guesses),
            Place { start: offset, end: scan.offset(), stream: None },
            out,
        );
    } else if let (Some(data), true) = (data, is_open) {
        let end = scan.at;
        scan.at = data;
        let stream = text(&scratch.outer, STREAM);
        payload(venue, scan, stream, out, scratch)?;
        scan.at = end;
    }
    let (named, at) = if is_envelope { (&scratch.inner, data) } else { (&scratch.outer, Some(offset as usize)) };
    // Nothing is in the slots of an event that the fast lane read.
    if let Some(at) = at
        && out.is_one_event_from(&before)
        && !named.is_empty()
    {
        let mut plain = Vec::new();
        let name = text(named, KIND).map_or(&b""[..], |name| name.decode(frame, &mut plain));
        fast::learn(venue, (frame, at), (name, &KEYS), scratch);
        fast::learn_candle(scan.level(), venue, (frame, scan.padded()), (name, &KEYS), scratch);
    }
    Ok(())
}

/// The text of a slot, if it is one.
fn text(slots: &Slots, slot: u8) -> Option<Text> {
    match slots.get(slot) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

/// One payload or an array of them.
#[inline(always)]
fn payload<L: Level>(
    venue: Venue,
    scan: &mut Scanner<L>,
    stream: Option<Text>,
    out: &mut Staging,
    scratch: &mut Scratch,
) -> Result<(), DecodeError> {
    if scan.peek() == b'[' {
        // No closure, as above.
        let mut more = scan.first_element()?;
        while more {
            more = elements(venue, scan, stream, out, scratch)?;
        }
        return Ok(());
    }
    one(venue, scan, stream, out, scratch)
}

/// Some elements of a list; true if there are more.
#[inline(always)]
fn elements<L: Level>(
    venue: Venue,
    scan: &mut Scanner<L>,
    stream: Option<Text>,
    out: &mut Staging,
    scratch: &mut Scratch,
) -> Result<bool, DecodeError> {
    let frame = scan.frame;
    if scan.peek() == b'{' {
        let stop = fast::events(scan.level(), venue, (frame, scan.at), (out, scratch));
        scan.at = stop.at;
        if stop.is_behind {
            return scan.next_element();
        }
    }
    let (before, at) = (out.filled(), scan.at);
    one(venue, scan, stream, out, scratch)?;
    if out.is_one_event_from(&before) {
        let mut plain = Vec::new();
        let name = text(&scratch.inner, KIND).map_or(&b""[..], |name| name.decode(frame, &mut plain));
        fast::learn(venue, (frame, at), (name, &KEYS), scratch);
    }
    scan.next_element()
}

#[inline(always)]
fn one<L: Level>(
    venue: Venue,
    scan: &mut Scanner<L>,
    stream: Option<Text>,
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
    scan.object(&KEYS, &mut scratch.inner, &mut scratch.guesses)?;
    understand(
        venue,
        Fields { frame, slots: &scratch.inner },
        (&mut scratch.nested, &mut scratch.guesses),
        Place { start: offset, end: scan.offset(), stream },
        out,
    );
    Ok(())
}

/// Where an event stands, and the name of its stream.
#[derive(Clone, Copy)]
struct Place {
    start: u32,
    end: u32,
    stream: Option<Text>,
}

fn understand(venue: Venue, fields: Fields, nested: Nested, place: Place, out: &mut Staging) {
    let kind = match fields.slots.get(KIND) {
        Some(Value::Text(kind)) => kind,
        Some(_) => return out.skip(SkipReason::WrongType, fields.slots.offset(KIND), "e", b""),
        None => return without_kind(venue, fields, nested.0, place, out),
    };
    let mut plain = Vec::new();
    let name = kind.decode(fields.frame, &mut plain);
    if is_other_market(venue, fields) {
        return out.skip(SkipReason::OtherMarket, place.start, "st", name);
    }
    let done = match name {
        b"bookTicker" => quote(venue, fields, out),
        b"aggTrade" => trade(venue, fields, A_LOW, TRADE_AGGREGATE, out),
        b"trade" => trade(venue, fields, T_LOW, 0, out),
        b"kline" => kline(venue, fields, nested, out),
        b"continuous_kline" => continuous(venue, fields, nested, out),
        b"markPriceUpdate" => mark(venue, fields, out),
        b"depthUpdate" => {
            let mut plain = Vec::new();
            let stream = place.stream.map(|stream| stream.decode(fields.frame, &mut plain));
            plain::depth(venue, fields, nested.0, stream, out)
        }
        b"24hrTicker" => plain::ticker(venue, fields, false, out),
        b"24hrMiniTicker" => plain::ticker(venue, fields, true, out),
        b"assetIndexUpdate" => plain::asset_index(venue, fields, out),
        b"forceOrder" => match plain::liquidation(venue, fields, nested, |order| is_other_market(venue, order), out) {
            Ok(true) => Ok(()),
            Ok(false) => return out.skip(SkipReason::OtherMarket, place.start, "st", name),
            Err(fault) => Err(fault),
        },
        b"serverShutdown" => {
            out.control.push(Control::Status { status: "serverShutdown".to_owned(), message: String::new() });
            Ok(())
        }
        _ => return rare(fields.frame, name, place, out),
    };
    if let Err(Fault { reason, slot }) = done {
        let at = if fields.slots.has(slot) { fields.slots.offset(slot) } else { place.start };
        out.skip(reason, at, NAMES[usize::from(slot)], name);
    }
}

/// An event of a kind that is rare or not known.
#[cold]
fn rare(frame: &[u8], name: &[u8], place: Place, out: &mut Staging) {
    match notice::check(name, frame, place.start) {
        Some(Ok(())) => out.push_notice(name, place.start, place.end),
        Some(Err((reason, key, at))) => out.skip(reason, at, key, name),
        None => {
            let reason = if NAMED.contains(&name) { SkipReason::UnsupportedKind } else { SkipReason::UnknownKind };
            out.skip(reason, place.start, "", name);
        }
    }
}

/// All-market arrays carry both futures universes since 2026-06-30; `st` 1 is USD-M, 2 is COIN-M.
#[inline]
fn is_other_market(venue: Venue, fields: Fields) -> bool {
    let other = match venue {
        Venue::BinanceUsdm => 2,
        Venue::BinanceCoinm => 1,
        _ => return false,
    };
    matches!(fields.slots.get(ST), Some(Value::Number(number)) if number.to_i64(fields.frame) == Some(other))
}

/// Replies, errors, and the payloads that have no `e`.
#[cold]
fn without_kind(venue: Venue, fields: Fields, free: &mut Slots, place: Place, out: &mut Staging) {
    let (slots, offset) = (fields.slots, place.start);
    if slots.has(RESULT) {
        let id = id_text(fields);
        out.control.push(Control::Reply { id, result: json_text(fields, RESULT) });
    } else if let Some(Value::Object { start }) = slots.get(ERROR) {
        let mut inner = Slots::new();
        read_object(fields.frame, start, (&mut inner, &mut Guesses::new()));
        refusal(Fields { frame: fields.frame, slots: &inner }, id_text(fields), offset, out);
    } else if slots.get(CODE).is_some() && slots.get(MSG).is_some() {
        refusal(fields, id_text(fields), offset, out);
    } else if venue == Venue::BinanceSpot && slots.get(U).is_some() && slots.get(B_LOW).is_some() {
        if let Err(Fault { reason, slot }) = quote(venue, fields, out) {
            out.skip(reason, offset, NAMES[usize::from(slot)], b"bookTicker");
        }
    } else if slots.has(BIDS) {
        let mut plain = Vec::new();
        let stream = place.stream.map(|stream| stream.decode(fields.frame, &mut plain));
        let (last_update, id_at) = last_update(fields, offset);
        if let Err(Fault { reason, slot }) = plain::nameless_depth(venue, fields, free, (stream, last_update), out) {
            let (at, key) = match slot {
                ID => (id_at, LAST_UPDATE),
                _ => (if slots.has(slot) { slots.offset(slot) } else { offset }, NAMES[usize::from(slot)]),
            };
            out.skip(reason, at, key, b"depth");
        }
    } else {
        out.skip(SkipReason::NotAnEvent, offset, "", b"");
    }
}

const LAST_UPDATE: &str = "lastUpdateId";

/// The value of `lastUpdateId`, a key too long for a slot, of the object at `start`, and where a fault of it is; that is
/// told by the slot of `id`.
fn last_update(fields: Fields, start: u32) -> (Read<i64>, u32) {
    let mut found = Slots::new();
    let mut plain = Vec::new();
    // The object was validated when it was passed, so this walk cannot fail.
    let walked = Scanner::inside(fields.frame, start).members(|scan, name| {
        let is_it = name.decode(scan.frame, &mut plain) == LAST_UPDATE.as_bytes();
        if is_it { scan.value(found.place(ID)) } else { scan.skip() }
    });
    debug_assert!(walked.is_ok());
    let at = if found.has(ID) { found.offset(ID) } else { start };
    (plain::required_integer(Fields { frame: fields.frame, slots: &found }, ID), at)
}

fn refusal(fields: Fields, id: Option<String>, offset: u32, out: &mut Staging) {
    let message = match fields.slots.get(MSG) {
        Some(Value::Text(text)) => text.to_string(fields.frame),
        _ => String::new(),
    };
    match fields.integer(CODE) {
        Ok(code) if code != ID_UNSET => out.control.push(Control::Error { code, message, id }),
        _ => out.skip(SkipReason::NotAnEvent, offset, "code", b"error"),
    }
}

/// The id of a reply as JSON text; an integer is written as one, however the venue wrote it.
fn id_text(fields: Fields) -> Option<String> {
    let integer = match fields.slots.get(ID)? {
        Value::Number(number) => number.to_i64(fields.frame),
        _ => None,
    };
    Some(integer.map_or_else(|| json_text(fields, ID), |id| id.to_string()))
}

/// The JSON text of a slot's value, which was validated when it was passed.
fn json_text(fields: Fields, slot: u8) -> String {
    let start = fields.slots.offset(slot);
    let mut scan = Scanner::inside(fields.frame, start);
    let walked = scan.skip();
    debug_assert!(walked.is_ok());
    String::from_utf8_lossy(&fields.frame[start as usize..scan.at]).into_owned()
}

/// Reads an object that was validated when it was passed.
pub(super) fn read_object(frame: &[u8], start: u32, (slots, guesses): Nested) {
    let walked = Scanner::inside(frame, start).object(&KEYS, slots, guesses);
    debug_assert!(walked.is_ok());
}

#[inline]
pub(super) fn price(fields: Fields, slot: u8) -> Read<Decimal> {
    Fields::positive(fields.decimal_text(slot)?, slot)
}

#[inline]
pub(super) fn quantity(fields: Fields, slot: u8) -> Read<Decimal> {
    let size = Fields::not_negative(fields.decimal_text(slot)?, slot)?;
    if size.float.is_nan() { Fields::fault(SkipReason::MissingKey, slot) } else { Ok(size) }
}

/// A candle's volume. QUIRK: a month of BTCUSDT in quote currency does not fit 1e-8 in an i64.
fn volume(candle: Fields, slot: u8) -> Read<Decimal> {
    let sum = Fields::not_negative(candle.sum_text(slot)?, slot)?;
    if sum.float.is_nan() { Fields::fault(SkipReason::MissingKey, slot) } else { Ok(sum) }
}

#[inline]
fn trade(venue: Venue, fields: Fields, id_slot: u8, flags: u16, out: &mut Staging) -> Read<()> {
    let symbol = fields.symbol(SYMBOL)?;
    let price = price(fields, P)?;
    let size = quantity(fields, Q)?;
    let sequence = match fields.integer(id_slot)? {
        ID_UNSET => return Fields::fault(SkipReason::MissingKey, id_slot),
        // An id that no venue reaches would make every later trade look like an old one.
        sequence if !(0..1 << 62).contains(&sequence) => return Fields::fault(SkipReason::OutOfRange, id_slot),
        sequence => sequence,
    };
    // The buyer is the maker: the seller took.
    let side = match fields.flag(M)? {
        Some(true) => SIDE_SELL,
        Some(false) => SIDE_BUY,
        None => return Fields::fault(SkipReason::MissingKey, M),
    };
    let (first_id, last_id) =
        if flags & TRADE_AGGREGATE != 0 { (fields.integer(F)?, fields.integer(L_LOW)?) } else { (ID_UNSET, ID_UNSET) };
    let trade = Trade {
        ts_event: fields.required_time(TIME)?,
        ts_sent: fields.time(SENT)?,
        price: price.float,
        price_e8: price.e8,
        size: size.float,
        size_e8: size.e8,
        sequence,
        first_id,
        last_id,
        id: decimal_id(sequence),
        venue: venue as u8,
        side,
        flags,
        ..Trade::UNSET
    };
    out.push_trade(fields.frame, symbol, trade);
    Ok(())
}

/// An integer id as text.
#[inline]
fn decimal_id(value: i64) -> [u8; 24] {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let mut id = [0; 24];
    let sign = usize::from(value < 0);
    id[0] = b'-';
    id[sign..sign + digits.len() - at].copy_from_slice(&digits[at..]);
    id
}

#[inline]
fn quote(venue: Venue, fields: Fields, out: &mut Staging) -> Read<()> {
    let symbol = fields.symbol(SYMBOL)?;
    // A side without orders is zero, not missing.
    let side = |slot| quantity(fields, slot);
    let (bid, bid_size, ask, ask_size) = (side(B_LOW)?, side(B_HIGH)?, side(A_LOW)?, side(A_HIGH)?);
    // Spot quotes carry no time at all; the engine stamps them on receipt.
    let ts_event = if venue == Venue::BinanceSpot { fields.time(TIME)? } else { fields.required_time(TIME)? };
    let quote = Quote {
        ts_event,
        ts_sent: fields.time(SENT)?,
        bid: bid.float,
        ask: ask.float,
        bid_e8: bid.e8,
        ask_e8: ask.e8,
        bid_size: bid_size.float,
        ask_size: ask_size.float,
        bid_size_e8: bid_size.e8,
        ask_size_e8: ask_size.e8,
        sequence: plain::required_integer(fields, U)?,
        venue: venue as u8,
        ..Quote::UNSET
    };
    out.push_quote(fields.frame, symbol, quote);
    Ok(())
}

/// The object of a slot that cannot be missed.
pub(super) fn object_at(fields: Fields, slot: u8) -> Read<u32> {
    match fields.slots.get(slot) {
        Some(Value::Object { start }) => Ok(start),
        Some(_) => Fields::fault(SkipReason::WrongType, slot),
        None => Fields::fault(SkipReason::MissingKey, slot),
    }
}

fn kline(venue: Venue, fields: Fields, nested: Nested, out: &mut Staging) -> Read<()> {
    let bar = candle(venue, fields, nested)?;
    out.push_bar(fields.frame, fields.symbol(SYMBOL)?, bar);
    Ok(())
}

/// A candle of whatever contract of a pair is the first, second or perpetual one: a series of its own, named as its
/// stream is. QUIRK: its `f` and `L` are ids of updates, not of trades.
fn continuous(venue: Venue, fields: Fields, nested: Nested, out: &mut Staging) -> Read<()> {
    let (pair, contract) = (fields.symbol(PS)?, fields.symbol(CT)?);
    let bar = candle(venue, fields, nested)?;
    let (mut of_pair, mut of_contract) = (Vec::new(), Vec::new());
    let pair = pair.decode(fields.frame, &mut of_pair);
    let contract = contract.decode(fields.frame, &mut of_contract);
    let name = [pair, b"_", contract].concat();
    if name.len() > 64 {
        return Fields::fault(SkipReason::BadSymbol, PS);
    }
    out.push_bar_named(&name, VenueBar { first_id: ID_UNSET, last_id: ID_UNSET, ..bar });
    Ok(())
}

fn candle(venue: Venue, fields: Fields, (slots, guesses): Nested) -> Read<VenueBar> {
    let start = object_at(fields, K)?;
    read_object(fields.frame, start, (&mut *slots, guesses));
    let candle = Fields { frame: fields.frame, slots };
    // A fault inside `k` is reported at `k`: its slots are the inner object's.
    candle_of(venue, candle, fields.time(SENT)?).map_err(|fault| Fault { reason: fault.reason, slot: K })
}

fn candle_of(venue: Venue, candle: Fields, ts_sent: i64) -> Read<VenueBar> {
    let ts_event = candle.required_time(T_LOW)?;
    // `T` is the last millisecond of the candle, not its exclusive end.
    let ts_end = candle.required_time(TIME)? + MILLI;
    let interval_ms = u32::try_from((ts_end - ts_event) / MILLI);
    let Ok(interval_ms @ 1..) = interval_ms else { return Fields::fault(SkipReason::OutOfRange, TIME) };
    let (high, low) = (price(candle, H)?.float, price(candle, L_LOW)?.float);
    if high < low {
        return Fields::fault(SkipReason::OutOfRange, H);
    }
    let base = volume(candle, V)?;
    let Some(complete) = candle.flag(X_LOW)? else { return Fields::fault(SkipReason::MissingKey, X_LOW) };
    Ok(VenueBar {
        ts_event,
        ts_end,
        ts_sent,
        open: price(candle, O_LOW)?.float,
        high,
        low,
        close: price(candle, C_LOW)?.float,
        volume: base.float,
        volume_e8: base.e8,
        dollar_volume: volume(candle, Q)?.float,
        buy_volume: volume(candle, V_HIGH)?.float,
        buy_dollar_volume: volume(candle, Q_HIGH)?.float,
        trade_count: plain::required_integer(candle, N)?,
        first_id: plain::required_integer(candle, F)?,
        last_id: plain::required_integer(candle, L_HIGH)?,
        interval_ms,
        venue: venue as u8,
        flags: if complete { BAR_COMPLETE } else { 0 },
        ..VenueBar::UNSET
    })
}

fn mark(venue: Venue, fields: Fields, out: &mut Staging) -> Read<()> {
    let symbol = fields.symbol(SYMBOL)?;
    // QUIRK: `T` is the NEXT funding time here, 0 for delivery and delisted contracts.
    let next_funding = if fields.integer(TIME)? == 0 { TIME_UNSET } else { fields.time(TIME)? };
    let mark = Mark {
        seq: 0,
        ts_event: fields.required_time(SENT)?,
        ts_recv: 0,
        next_funding,
        mark: price(fields, P)?.float,
        mark_average: fields.float_text_or_empty(AP)?,
        index: fields.float_text_or_empty(I)?,
        settle: fields.float_text_or_empty(P_HIGH)?,
        funding_rate: fields.float_text_or_empty(R)?,
        symbol: 0,
        venue: venue as u8,
        flags: 0,
        conn: 0,
    };
    out.push_mark(fields.frame, symbol, mark);
    Ok(())
}
