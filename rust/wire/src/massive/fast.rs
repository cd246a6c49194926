//! Trades, quotes and bars through the fast lane: the same records as [`super::decode`] builds, for events whose keys
//! stand where they stood before and whose values are of the common form. Whatever is not, is left to the plain way.

use ringtape_model::event::{BAR_COMPLETE, TRADE_LATE};
use ringtape_model::units::{CODE_UNSET, ID_UNSET, MILLI, PRICE_UNSET, TIME_UNSET};
use ringtape_model::{Quote, Trade, Venue, VenueBar};

use super::decode as slots;
use super::decode::{LATE_AFTER, is_read};
use crate::json::{Index, Key, KeyTable, Lane, Level, Object, Scanner, Shapes, Text, Window};
use crate::read::{Decimal, is_symbol};
use crate::staging::Staging;

/// An event whose ends are marked and whose kind is read here.
#[derive(Clone, Copy)]
pub(super) struct Marked<'i> {
    kind: Kind,
    object: Object<'i>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
enum Kind {
    Trade,
    Quote,
    Second,
    Minute,
}

impl Kind {
    const fn keys(self) -> &'static [Key] {
        match self {
            Self::Trade => &TRADE_KEYS,
            Self::Quote => &QUOTE_KEYS,
            Self::Second | Self::Minute => &BAR_KEYS,
        }
    }

    /// The slots that the kind's reader reads, a bit each.
    const fn slots(self) -> u64 {
        mask(self.keys(), true)
    }

    /// Those of them that do not come and go.
    const fn usual(self) -> u64 {
        mask(self.keys(), false)
    }
}

/// The marks of the object the cursor stands on, if it opens as a trade, a quote or a bar does.
#[inline(always)]
pub(super) fn marked<'i, L: Level>(venue: Venue, scan: &Scanner<L>, index: &'i mut Index) -> Option<Marked<'i>> {
    if !is_read(venue, b"T") {
        return None;
    }
    let object = scan.marked(index)?;
    let (opening, rest) = scan.frame.get(scan.at + 1..)?.split_first_chunk()?;
    let (kind, len) = match opening {
        b"\"ev\":\"Q\"" => (Kind::Quote, 9),
        b"\"ev\":\"T\"" => (Kind::Trade, 9),
        b"\"ev\":\"A\"" => (Kind::Second, 9),
        b"\"ev\":\"AM" if rest.first() == Some(&b'"') => (Kind::Minute, 10),
        _ => return None,
    };
    // So the first value ends where the first mark says.
    (object.marks[0] as usize == scan.at + 1 + len).then_some(Marked { kind, object })
}

/// Remembers the shape of an event that was read the plain way.
#[cold]
pub(super) fn learn(marked: Marked, keys: &KeyTable, shapes: &mut Shapes, frame: &[u8]) {
    shapes.learn(marked.kind as u16, keys, marked.kind.slots(), frame, &marked.object);
}

/// Reads an event of a known shape; gives where it ends, or changes nothing.
#[inline(always)]
pub(super) fn event<L: Level>(
    venue: Venue,
    scan: &Scanner<L>,
    Marked { kind, object }: Marked,
    (shapes, copy): (&Shapes, &mut Window),
    out: &mut Staging,
) -> Option<usize> {
    let shape = shapes.expected(kind as u16, scan.frame, &object)?;
    let sound = if shape.has_all(kind.usual()) {
        read::<L, true>(venue, kind, scan.lane(object, shape, copy)?, scan.frame, out)
    } else {
        read::<L, false>(venue, kind, scan.lane(object, shape, copy)?, scan.frame, out)
    };
    sound.then_some(object.marks[object.count] as usize)
}

#[inline(always)]
fn read<L: Level, const FULL: bool>(
    venue: Venue,
    kind: Kind,
    lane: Lane<L, FULL>,
    frame: &[u8],
    out: &mut Staging,
) -> bool {
    match kind {
        Kind::Quote => quote(venue, lane, frame, out),
        Kind::Trade => trade(venue, lane, frame, out),
        Kind::Second => bar(venue, lane, 1_000, frame, out),
        Kind::Minute => bar(venue, lane, 60_000, frame, out),
    }
}

macro_rules! keys {
    ($($form:ident $key:ident $name:literal;)*) => { $(const $key: Key = Key::$form($name, slots::$key);)* };
}
keys! {
    text SYM "sym"; plain T "t"; plain PT "pt"; plain Q "q"; plain Z "z"; plain C "c"; plain X "x"; plain P "p"; plain S "s";
    text DS "ds";
    plain BX "bx"; plain AX "ax"; plain BP "bp"; plain AP "ap"; plain BS "bs"; plain AS "as";
    plain V "v"; text DV "dv"; plain AV "av"; text DAV "dav"; plain OP "op"; plain VW "vw"; plain A "a"; plain O "o";
    plain H "h"; plain L "l"; plain E "e";
}
/// One letter, several meanings: a trade's id is a text, its conditions are a list; a quote's indicators are one.
const ID: Key = Key::text("i", slots::I);
const INDICATORS: Key = Key::plain("i", slots::I).comes_and_goes();
const CONDITIONS: Key = Key::plain("c", slots::C).comes_and_goes();
const CONDITION: Key = CONDITIONS;
const TRFI: Key = Key::plain("trfi", slots::TRFI).comes_and_goes();
const TRFT: Key = Key::plain("trft", slots::TRFT).comes_and_goes();

/// What each reader below reads, all of it: a key that is not here sends the event the plain way.
const TRADE_KEYS: [Key; 13] = [SYM, ID, X, P, S, CONDITIONS, T, PT, Q, Z, TRFI, TRFT, DS];
const QUOTE_KEYS: [Key; 13] = [SYM, CONDITION, INDICATORS, BX, AX, BP, AP, BS, AS, T, PT, Q, Z];
const BAR_KEYS: [Key; 15] = [SYM, V, DV, AV, DAV, OP, VW, O, C, H, L, A, Z, S, E];

const fn mask(keys: &[Key], all: bool) -> u64 {
    let (mut mask, mut at) = (0, 0);
    while at < keys.len() {
        if all || !keys[at].may_miss() {
            mask |= 1 << keys[at].slot();
        }
        at += 1;
    }
    mask
}

#[inline(always)]
fn trade<L: Level, const FULL: bool>(venue: Venue, mut lane: Lane<L, FULL>, frame: &[u8], out: &mut Staging) -> bool {
    let lane = &mut lane;
    lane.odd_if(!has_all(lane, &[SYM, P, T]) || !has_either(lane, S, DS));
    let symbol = name(lane);
    // The exact decimal string wins over the whole number beside it, which is verified and then has no say.
    let amounts = [lane.number(P), lane.number(S), lane.number_text(DS), Lane::<L, FULL>::ZERO];
    let amounts = lane.gather(amounts);
    let times = lane.numbers([T, PT, TRFT, Q]);
    let mut conditions = [CODE_UNSET; 8];
    let (first, n_conditions) = lane.codes(CONDITIONS, &mut conditions);
    let codes = [lane.number(X), lane.number(Z), lane.number(TRFI), first];
    let codes = lane.gather(codes);
    let [price, whole, exact, _] = lane.decimals(amounts);
    let [time, participant, trf, sequence] = lane.integers(times);
    let [exchange, tape, trf_id, first] = lane.integers(codes);
    let size = if lane.has(DS) { exact } else { whole };
    let ts_event = millis(lane, T, time);
    let ts_participant = millis(lane, PT, participant);
    // What does not fit wraps here and was found odd before.
    let late = ts_participant != TIME_UNSET && ts_event.wrapping_sub(ts_participant) > LATE_AFTER;
    lane.odd_if(price.1 <= 0);
    // A record is filled where it will stay: built elsewhere and copied, its fields would have to be waited for. From the
    // template on, because with this many fields the compiler runs out of registers (80 against 98 ns).
    let at = out.trades.len();
    out.trades.push(Trade::UNSET);
    let trade = &mut out.trades[at];
    trade.ts_event = ts_event;
    trade.ts_participant = ts_participant;
    trade.ts_trf = millis(lane, TRFT, trf);
    (trade.price, trade.price_e8) = price;
    (trade.size, trade.size_e8) = size;
    trade.sequence = integer(lane, Q, sequence);
    if lane.has(ID) {
        let (text, bytes) = lane.text(ID);
        let used = !(u128::MAX << (8 * (text.len & 15)));
        trade.id[..16].copy_from_slice(&(u128::from_le_bytes(*bytes) & used).to_le_bytes());
    }
    if n_conditions > 1 {
        trade.conditions = conditions;
    } else {
        trade.conditions[0] = code(lane, CONDITIONS, first);
    }
    trade.n_conditions = n_conditions;
    trade.exchange = code(lane, X, exchange);
    trade.trf_id = code(lane, TRFI, trf_id);
    trade.venue = venue as u8;
    trade.tape = digit(lane, tape);
    trade.flags = if late { TRADE_LATE } else { 0 };
    if !lane.is_sound() {
        out.trades.truncate(at);
        return false;
    }
    out.name_trade(frame, symbol, at);
    true
}

#[inline(always)]
fn quote<L: Level, const FULL: bool>(venue: Venue, mut lane: Lane<L, FULL>, frame: &[u8], out: &mut Staging) -> bool {
    let lane = &mut lane;
    lane.odd_if(!has_all(lane, &[SYM, T]));
    let symbol = name(lane);
    let amounts = lane.numbers([BP, AP, BS, AS]);
    let times = lane.numbers([T, PT, Q, Z]);
    let mut indicators = [CODE_UNSET; 4];
    let (first, n_indicators) = lane.codes(INDICATORS, &mut indicators);
    let codes = [lane.number(BX), lane.number(AX), lane.number(CONDITION), first];
    let codes = lane.gather(codes);
    let [bid, ask, bid_size, ask_size] = lane.decimals(amounts);
    let [time, participant, sequence, tape] = lane.integers(times);
    let [bid_exchange, ask_exchange, condition, first] = lane.integers(codes);
    let (bid, ask) = (decimal(lane, BP, bid), decimal(lane, AP, ask));
    let (bid_size, ask_size) = (decimal(lane, BS, bid_size), decimal(lane, AS, ask_size));
    if n_indicators <= 1 {
        indicators[0] = code(lane, INDICATORS, first);
    }
    let ts_event = millis(lane, T, time);
    let ts_participant = millis(lane, PT, participant);
    let sequence = integer(lane, Q, sequence);
    let bid_exchange = code(lane, BX, bid_exchange);
    let ask_exchange = code(lane, AX, ask_exchange);
    let condition = code(lane, CONDITION, condition);
    let tape = digit(lane, tape);
    if !lane.is_sound() {
        return false;
    }
    // Built in place: what is built before and copied has to be waited for.
    out.push_quote(
        frame,
        symbol,
        Quote {
            ts_event,
            ts_participant,
            bid: bid.0,
            ask: ask.0,
            bid_e8: bid.1,
            ask_e8: ask.1,
            bid_size: bid_size.0,
            ask_size: ask_size.0,
            bid_size_e8: bid_size.1,
            ask_size_e8: ask_size.1,
            sequence,
            indicators,
            bid_exchange,
            ask_exchange,
            condition,
            venue: venue as u8,
            tape,
            n_indicators,
            ..Quote::UNSET
        },
    );
    true
}

#[inline(always)]
fn bar<L: Level, const FULL: bool>(
    venue: Venue,
    mut lane: Lane<L, FULL>,
    interval_ms: u32,
    frame: &[u8],
    out: &mut Staging,
) -> bool {
    let lane = &mut lane;
    lane.odd_if(!has_all(lane, &[SYM, O, H, L, C, S]) || !has_either(lane, V, DV));
    let symbol = name(lane);
    let prices = lane.numbers([O, H, L, C]);
    let sums = [lane.number(V), lane.number_text(DV), lane.number(AV), lane.number_text(DAV)];
    let sums = lane.gather(sums);
    let means = lane.numbers([VW, OP, A, Z]);
    let times = [lane.number(S), lane.number(E), Lane::<L, FULL>::ZERO, Lane::<L, FULL>::ZERO];
    let times = lane.gather(times);
    let [open, high, low, close] = lane.decimals(prices);
    for price in [open, high, low, close] {
        lane.odd_if(price.1 <= 0);
    }
    lane.odd_if(high.0 < low.0);
    let [whole, exact, day_whole, day_exact] = lane.decimals(sums);
    let volume = if lane.has(DV) { exact } else { whole };
    let day = if lane.has(DAV) { day_exact } else { decimal(lane, AV, day_whole) };
    let [vwap, day_open, day_vwap, average] = lane.decimals(means);
    let [start, end, ..] = lane.integers(times);
    let ts_event = millis(lane, S, start);
    let ts_end = if lane.has(E) { millis(lane, E, end) } else { ts_event.wrapping_add(i64::from(interval_ms) * MILLI) };
    lane.odd_if(ts_end <= ts_event);
    let bar = VenueBar {
        ts_event,
        ts_end,
        open: open.0,
        high: high.0,
        low: low.0,
        close: close.0,
        volume: volume.0,
        volume_e8: volume.1,
        vwap: decimal(lane, VW, vwap).0,
        day_volume: day.0,
        day_volume_e8: day.1,
        // QUIRK: a day that has not opened is written as 0 by some.
        day_open: if day_open.0 > 0.0 { day_open.0 } else { PRICE_UNSET },
        day_vwap: decimal(lane, A, day_vwap).0,
        average_size: decimal(lane, Z, average).0,
        interval_ms,
        venue: venue as u8,
        flags: BAR_COMPLETE,
        ..VenueBar::UNSET
    };
    if lane.is_sound() {
        out.push_bar(frame, symbol, bar);
    }
    lane.is_sound()
}

#[inline(always)]
fn has_all<L: Level, const FULL: bool>(lane: &Lane<L, FULL>, keys: &[Key]) -> bool {
    keys.iter().all(|&key| lane.has(key))
}

#[inline(always)]
fn has_either<L: Level, const FULL: bool>(lane: &Lane<L, FULL>, one: Key, other: Key) -> bool {
    lane.has(one) || lane.has(other)
}

#[inline(always)]
fn name<L: Level, const FULL: bool>(lane: &mut Lane<L, FULL>) -> Text {
    let (text, window) = lane.text(SYM);
    lane.odd_if(!is_symbol(window, Text { start: 0, ..text }));
    text
}

/// What was read of a key that need not be there.
#[inline(always)]
fn decimal<L: Level, const FULL: bool>(lane: &Lane<L, FULL>, key: Key, read: (f64, i64)) -> (f64, i64) {
    if lane.has(key) { read } else { Decimal::UNSET.both() }
}

/// A time in ms between 2000 and 2100; other units are told apart the plain way.
#[inline(always)]
fn millis<L: Level, const FULL: bool>(lane: &mut Lane<L, FULL>, key: Key, read: u64) -> i64 {
    let is_there = lane.has(key);
    lane.odd_if(is_there & !(946_684_800_000..4_102_444_800_000).contains(&read));
    if is_there { read.cast_signed().wrapping_mul(MILLI) } else { TIME_UNSET }
}

#[inline(always)]
fn integer<L: Level, const FULL: bool>(lane: &Lane<L, FULL>, key: Key, read: u64) -> i64 {
    if lane.has(key) { read.cast_signed() } else { ID_UNSET }
}

#[inline(always)]
fn code<L: Level, const FULL: bool>(lane: &mut Lane<L, FULL>, key: Key, read: u64) -> u16 {
    lane.odd_if(read >= u64::from(CODE_UNSET));
    if lane.has(key) { read as u16 } else { CODE_UNSET }
}

/// A tape; 0 where the key is missing.
#[inline(always)]
fn digit<L: Level, const FULL: bool>(lane: &mut Lane<L, FULL>, read: u64) -> u8 {
    lane.odd_if(read > 9);
    read as u8
}
