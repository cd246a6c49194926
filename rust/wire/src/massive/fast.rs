//! Trades, quotes and bars through the fast lane: the same records as [`super::decode`] builds, for events whose keys
//! stand where they stood before and whose values are of the common form. Whatever is not, is left to the plain way.

use ringtape_model::event::{BAR_COMPLETE, TRADE_LATE};
use ringtape_model::units::{MILLI, PRICE_UNSET, TIME_UNSET};
use ringtape_model::{Quote, Trade, Venue, VenueBar};

use super::decode as slots;
use super::decode::{LATE_AFTER, is_read};
use crate::json::{Index, Key, KeyTable, Lane, Level, Object, Plan, Rule, Rules, Scanner, Shapes, Window, bits};
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
    const fn plan(self) -> &'static Plan {
        match self {
            Self::Trade => &trade::PLAN,
            Self::Quote => &quote::PLAN,
            Self::Second | Self::Minute => &bar::PLAN,
        }
    }
}

const QUOTE: u64 = u64::from_le_bytes(*b"\"ev\":\"Q\"");
const TRADE: u64 = u64::from_le_bytes(*b"\"ev\":\"T\"");
const SECOND: u64 = u64::from_le_bytes(*b"\"ev\":\"A\"");
const MINUTE: u64 = u64::from_le_bytes(*b"\"ev\":\"AM");

/// The marks of the object the cursor stands on, if it opens as a trade, a quote or a bar does.
#[inline(always)]
pub(super) fn marked<'i, L: Level>(venue: Venue, scan: &Scanner<L>, index: &'i mut Index) -> Option<Marked<'i>> {
    if !is_read(venue, b"T") {
        return None;
    }
    let object = scan.marked(index)?;
    let opening = scan.frame.get(scan.at + 1..)?.first_chunk::<9>()?;
    // One word for all of it: byte by byte it would be as many branches.
    let (kind, len) = match u64::from_le_bytes(*opening.first_chunk()?) {
        QUOTE => (Kind::Quote, 9),
        TRADE => (Kind::Trade, 9),
        SECOND => (Kind::Second, 9),
        MINUTE if opening[8] == b'"' => (Kind::Minute, 10),
        _ => return None,
    };
    // So the first value ends where the first mark says.
    (object.marks[0] as usize == scan.at + 1 + len).then_some(Marked { kind, object })
}

/// Remembers the shape of an event that was read the plain way.
#[cold]
pub(super) fn learn(marked: Marked, keys: &KeyTable, shapes: &mut Shapes, frame: &[u8]) {
    shapes.learn(marked.kind.plan(), keys, frame, &marked.object);
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
    let plan = kind.plan();
    let shape = shapes.expected(plan, scan.frame, &object)?;
    let expected = (plan, shape);
    let sound = match kind {
        Kind::Quote => quote::read(venue, scan.lane(object, (&quote::PLAN, shape), copy)?, scan.frame, out),
        Kind::Trade => trade::read(venue, scan.lane(object, (&trade::PLAN, shape), copy)?, scan.frame, out),
        Kind::Second => bar::read(venue, scan.lane(object, expected, copy)?, 1_000, scan.frame, out),
        Kind::Minute => bar::read(venue, scan.lane(object, expected, copy)?, 60_000, scan.frame, out),
    };
    sound.then_some(object.marks[object.count] as usize)
}

/// Declares the fields of a plan, which are numbered in their order.
macro_rules! plan {
    ($kind:expr, [$($name:ident: $key:expr),*], required: $required:expr, either: $either:expr) => {
        plan!(@number 0usize; $($name)*);
        pub(super) static PLAN: Plan = {
            let mut keys = [Key::NONE; 16];
            $(keys[$name] = $key;)*
            Plan::new($kind as u8, &keys, bits(&$required), bits(&$either))
        };
    };
    (@number $at:expr; $name:ident $($rest:ident)*) => {
        const $name: usize = $at;
        plan!(@number $at + 1; $($rest)*);
    };
    (@number $at:expr;) => {};
}

mod trade {
    use super::{
        Key, Kind, LATE_AFTER, Lane, Level, Plan, Rule, Rules, Staging, TIME_UNSET, TRADE_LATE, Trade, Venue, bits,
        slots,
    };

    // The exact decimal string wins over the whole number beside it, which is verified and then has no say.
    plan!(
        Kind::Trade,
        [
            PRICE: Key::number("p", slots::P), WHOLE: Key::number("s", slots::S),
            EXACT: Key::number_text("ds", slots::DS), NO_1: Key::NONE,
            TIME: Key::number("t", slots::T), PARTICIPANT: Key::number("pt", slots::PT).far(),
            TRF_TIME: Key::number("trft", slots::TRFT).far(), SEQUENCE: Key::number("q", slots::Q),
            EXCHANGE: Key::code("x", slots::X), TAPE: Key::code("z", slots::Z),
            TRF_ID: Key::code("trfi", slots::TRFI).far(), CONDITIONS: Key::list("c", slots::C),
            SYMBOL: Key::text("sym", slots::SYM), ID: Key::text("i", slots::I)
        ],
        required: [SYMBOL, PRICE, TIME],
        either: [WHOLE, EXACT]
    );
    static TIMES: Rules = Rules::new([Rule::MILLIS, Rule::MILLIS, Rule::MILLIS, Rule::ID]);

    #[inline(always)]
    pub(super) fn read<L: Level>(venue: Venue, mut lane: Lane<L>, frame: &[u8], out: &mut Staging) -> bool {
        let symbol = lane.ticker(SYMBOL);
        lane.quoted(EXACT);
        let [price, whole, exact, _] = lane.decimals::<0>();
        let [ts_event, ts_participant, ts_trf, sequence] = lane.integers::<1>(&TIMES);
        let [exchange, tape, trf_id, first] = lane.codes();
        let (conditions, n_conditions) = lane.list(CONDITIONS, first);
        let id = lane.text(ID);
        let tape = if lane.has(TAPE) { tape } else { 0 };
        lane.odd_if(tape > 9);
        lane.odd_if(price.1 <= 0);
        lane.odd_if(id[24] != 0);
        let size = if lane.has(EXACT) { exact } else { whole };
        let late = ts_participant != TIME_UNSET && ts_event.wrapping_sub(ts_participant) > LATE_AFTER;
        if !lane.is_sound() {
            return false;
        }
        let trade = Trade {
            ts_event,
            ts_participant,
            ts_trf,
            price: price.0,
            price_e8: price.1,
            size: size.0,
            size_e8: size.1,
            sequence,
            id: *id.first_chunk().unwrap_or(&[0; 24]),
            conditions,
            exchange,
            trf_id,
            venue: venue as u8,
            tape: tape as u8,
            n_conditions,
            flags: if late { TRADE_LATE } else { 0 },
            ..Trade::UNSET
        };
        out.push_trade(frame, symbol, trade);
        true
    }
}

mod quote {
    use super::{Key, Kind, Lane, Level, Plan, Quote, Rule, Rules, Staging, Venue, bits, slots};

    plan!(
        Kind::Quote,
        [
            BID: Key::number("bp", slots::BP), ASK: Key::number("ap", slots::AP),
            BID_SIZE: Key::number("bs", slots::BS), ASK_SIZE: Key::number("as", slots::AS),
            TIME: Key::number("t", slots::T), PARTICIPANT: Key::number("pt", slots::PT).far(),
            SEQUENCE: Key::number("q", slots::Q), TAPE: Key::number("z", slots::Z),
            BID_EXCHANGE: Key::code("bx", slots::BX), ASK_EXCHANGE: Key::code("ax", slots::AX),
            CONDITION: Key::code("c", slots::C), INDICATORS: Key::list("i", slots::I),
            SYMBOL: Key::text("sym", slots::SYM)
        ],
        required: [SYMBOL, TIME],
        either: []
    );
    static TIMES: Rules = Rules::new([Rule::MILLIS, Rule::MILLIS, Rule::ID, Rule::DIGIT]);

    #[inline(always)]
    pub(super) fn read<L: Level>(venue: Venue, mut lane: Lane<L>, frame: &[u8], out: &mut Staging) -> bool {
        let symbol = lane.ticker(SYMBOL);
        let [bid, ask, bid_size, ask_size] = lane.decimals::<0>();
        let [ts_event, ts_participant, sequence, tape] = lane.integers::<1>(&TIMES);
        let [bid_exchange, ask_exchange, condition, first] = lane.codes();
        let (indicators, n_indicators) = lane.list(INDICATORS, first);
        if !lane.is_sound() {
            return false;
        }
        let quote = Quote {
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
            tape: tape as u8,
            n_indicators,
            ..Quote::UNSET
        };
        out.push_quote(frame, symbol, quote);
        true
    }
}

mod bar {
    use super::{
        BAR_COMPLETE, Key, Kind, Lane, Level, MILLI, PRICE_UNSET, Plan, Rule, Rules, Staging, Venue, VenueBar, bits,
        slots,
    };

    plan!(
        Kind::Second,
        [
            OPEN: Key::number("o", slots::O), HIGH: Key::number("h", slots::H),
            LOW: Key::number("l", slots::L), CLOSE: Key::number("c", slots::C),
            WHOLE: Key::number("v", slots::V), EXACT: Key::number_text("dv", slots::DV).far(),
            DAY_WHOLE: Key::number("av", slots::AV), DAY_EXACT: Key::number_text("dav", slots::DAV).far(),
            VWAP: Key::number("vw", slots::VW), DAY_OPEN: Key::number("op", slots::OP),
            DAY_VWAP: Key::number("a", slots::A), AVERAGE: Key::number("z", slots::Z),
            START: Key::number("s", slots::S), END: Key::number("e", slots::E),
            SYMBOL: Key::text("sym", slots::SYM)
        ],
        required: [SYMBOL, OPEN, HIGH, LOW, CLOSE, START],
        either: [WHOLE, EXACT]
    );
    static TIMES: Rules = Rules::new([Rule::MILLIS, Rule::MILLIS, Rule::DIGIT, Rule::DIGIT]);

    #[inline(always)]
    pub(super) fn read<L: Level>(
        venue: Venue,
        mut lane: Lane<L>,
        interval_ms: u32,
        frame: &[u8],
        out: &mut Staging,
    ) -> bool {
        let symbol = lane.ticker(SYMBOL);
        lane.quoted(EXACT);
        lane.quoted(DAY_EXACT);
        let [open, high, low, close] = lane.decimals::<0>();
        let [whole, exact, day_whole, day_exact] = lane.decimals::<1>();
        let [vwap, day_open, day_vwap, average] = lane.decimals::<2>();
        let [ts_event, end, ..] = lane.integers::<3>(&TIMES);
        for price in [open, high, low, close] {
            lane.odd_if(price.1 <= 0);
        }
        lane.odd_if(high.0 < low.0);
        let volume = if lane.has(EXACT) { exact } else { whole };
        let day = if lane.has(DAY_EXACT) { day_exact } else { day_whole };
        let ts_end = if lane.has(END) { end } else { ts_event.wrapping_add(i64::from(interval_ms) * MILLI) };
        lane.odd_if(ts_end <= ts_event);
        if !lane.is_sound() {
            return false;
        }
        let bar = VenueBar {
            ts_event,
            ts_end,
            open: open.0,
            high: high.0,
            low: low.0,
            close: close.0,
            volume: volume.0,
            volume_e8: volume.1,
            vwap: vwap.0,
            day_volume: day.0,
            day_volume_e8: day.1,
            // QUIRK: a day that has not opened is written as 0 by some.
            day_open: if day_open.0 > 0.0 { day_open.0 } else { PRICE_UNSET },
            day_vwap: day_vwap.0,
            average_size: average.0,
            interval_ms,
            venue: venue as u8,
            flags: BAR_COMPLETE,
            ..VenueBar::UNSET
        };
        out.push_bar(frame, symbol, bar);
        true
    }
}
