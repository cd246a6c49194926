//! Trades, quotes and bars through the fast lane: the same records as [`super::decode`] builds, for events whose keys
//! stand where they stood before and whose values are of the common form. Whatever is not, is left to the plain way.

use ringtape_model::event::{BAR_COMPLETE, TRADE_LATE};
use ringtape_model::units::{CODE_UNSET, MILLI, PRICE_UNSET, TIME_UNSET};
use ringtape_model::{Quote, Trade, Venue, VenueBar};

use super::decode as slots;
use super::decode::LATE_AFTER;
use crate::json::{
    Edges, Extent, Key, KeyTable, Lane, Level, Plan, Reader, Rule, Rules, ShapeTold as Told, Shapes, Stop, bits,
    ends_of, run,
};
use crate::staging::{EVENTS_MAX, Staging};

/// The kinds that are read here.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Quote,
    Trade,
    Second,
    Minute,
}

impl Kind {
    const fn of(number: u8) -> Self {
        match number {
            0 => Self::Quote,
            1 => Self::Trade,
            2 => Self::Second,
            _ => Self::Minute,
        }
    }

    const fn plan(self) -> &'static Plan {
        match self {
            Self::Quote => &quote::PLAN,
            Self::Trade => &trade::PLAN,
            Self::Second => &bar::SECOND,
            Self::Minute => &bar::MINUTE,
        }
    }

    /// The kind of an event by its name as a word.
    const fn named(name: u64) -> Option<Self> {
        match &name.to_le_bytes() {
            b"Q\0\0\0\0\0\0\0" => Some(Self::Quote),
            b"T\0\0\0\0\0\0\0" => Some(Self::Trade),
            b"A\0\0\0\0\0\0\0" => Some(Self::Second),
            b"AM\0\0\0\0\0\0" => Some(Self::Minute),
            _ => None,
        }
    }
}

/// Reads the events of a list from the one on that opens at `at`, as long as their shapes are known.
#[inline(always)]
pub(super) fn events<L: Level>(
    level: L,
    venue: Venue,
    object: (&[u8], usize),
    out: &mut Staging,
    scratch: (&Shapes, &mut Edges),
) -> Stop {
    let most = EVENTS_MAX.saturating_sub(out.len());
    run(level, object, most, scratch, Events { venue, out })
}

struct Events<'a> {
    venue: Venue,
    out: &'a mut Staging,
}

impl<L: Level> Reader<L> for Events<'_> {
    #[inline(always)]
    fn told(&self, extent: &Extent) -> Told {
        Told::of(extent)
    }

    #[inline(always)]
    fn read(&mut self, lane: Lane<L>) -> bool {
        let frame = lane.frame();
        match Kind::of(lane.kind()) {
            Kind::Quote => quote::read(self.venue, lane, frame, self.out),
            Kind::Trade => trade::read(self.venue, lane, frame, self.out),
            Kind::Second => bar::read(self.venue, lane, 1_000, frame, self.out),
            Kind::Minute => bar::read(self.venue, lane, 60_000, frame, self.out),
        }
    }
}

/// Remembers the shape of the event that opens at `at` and was read the plain way.
#[cold]
pub(super) fn learn((frame, at): (&[u8], usize), name: u64, keys: &KeyTable, shapes: &mut Shapes) {
    if let Some(kind) = Kind::named(name)
        && let Some((ends, extent)) = ends_of(frame, at)
    {
        let told = Told::of(&extent);
        shapes.learn(
            told,
            (kind.plan(), true),
            keys,
            &frame[at..at + extent.len as usize],
            &ends[..extent.count as usize],
        );
    }
}

/// Declares the fields of a plan, which are numbered in their order.
macro_rules! plan {
    ($($plan:ident = $kind:expr, $kind_name:literal;)* [$($name:ident: $key:expr),*], required: $required:expr, either: $either:expr) => {
        plan!(@number 0usize; $($name)*);
        const KEYS: [Key; 16] = {
            let mut keys = [Key::NONE; 16];
            $(keys[$name] = $key;)*
            keys
        };
        $(pub(super) static $plan: Plan = Plan::new($kind as u8, $kind_name, &KEYS, bits(&$required), bits(&$either));)*
    };
    (@number $at:expr; $name:ident $($rest:ident)*) => {
        #[allow(dead_code, reason = "some places are only kept free")]
        const $name: usize = $at;
        plan!(@number $at + 1; $($rest)*);
    };
    (@number $at:expr;) => {};
}

mod trade {
    use super::{
        CODE_UNSET, Key, Kind, LATE_AFTER, Lane, Level, Plan, Rule, Rules, Staging, TIME_UNSET, TRADE_LATE, Trade,
        Venue, bits, slots,
    };

    // The exact decimal string wins over the whole number beside it, which is verified and then has no say.
    plan!(
        PLAN = Kind::Trade, "T";
        [
            PRICE: Key::number(slots::P), WHOLE: Key::number(slots::S),
            EXACT: Key::number_text(slots::DS), NO_1: Key::NONE,
            TIME: Key::number(slots::T), PARTICIPANT: Key::number(slots::PT),
            TRF_TIME: Key::number(slots::TRFT), SEQUENCE: Key::number(slots::Q),
            EXCHANGE: Key::code(slots::X), TAPE: Key::code(slots::Z),
            TRF_ID: Key::code(slots::TRFI), NO_2: Key::NONE,
            SYMBOL: Key::text(slots::SYM), ID: Key::text(slots::I),
            CONDITIONS: Key::list(slots::C)
        ],
        required: [SYMBOL, PRICE, TIME],
        either: [WHOLE, EXACT]
    );
    static TIMES: Rules = Rules::new([Rule::MILLIS, Rule::MILLIS, Rule::MILLIS, Rule::ID]);

    #[inline(always)]
    pub(super) fn read<L: Level>(venue: Venue, mut lane: Lane<'_, L>, frame: &[u8], out: &mut Staging) -> bool {
        let symbol = lane.ticker::<SYMBOL>();
        let [price, whole, exact, _] = lane.decimals::<0>();
        let [ts_event, ts_participant, ts_trf, sequence] = lane.integers::<1>(&TIMES);
        let [exchange, tape, trf_id, _] = lane.codes::<2>();
        let (codes, n_conditions) = lane.list::<CONDITIONS>();
        let id = lane.text::<ID>();
        let [a, b, c, d] = codes;
        let conditions = [a, b, c, d, CODE_UNSET, CODE_UNSET, CODE_UNSET, CODE_UNSET];
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
        PLAN = Kind::Quote, "Q";
        [
            BID: Key::number(slots::BP), ASK: Key::number(slots::AP),
            BID_SIZE: Key::number(slots::BS), ASK_SIZE: Key::number(slots::AS),
            TIME: Key::number(slots::T), PARTICIPANT: Key::number(slots::PT),
            SEQUENCE: Key::number(slots::Q), TAPE: Key::number(slots::Z),
            BID_EXCHANGE: Key::code(slots::BX), ASK_EXCHANGE: Key::code(slots::AX),
            CONDITION: Key::code(slots::C), INDICATORS: Key::list(slots::I),
            SYMBOL: Key::text(slots::SYM)
        ],
        required: [SYMBOL, TIME],
        either: []
    );
    static TIMES: Rules = Rules::new([Rule::MILLIS, Rule::MILLIS, Rule::ID, Rule::DIGIT]);

    #[inline(always)]
    pub(super) fn read<L: Level>(venue: Venue, mut lane: Lane<'_, L>, frame: &[u8], out: &mut Staging) -> bool {
        let symbol = lane.ticker::<SYMBOL>();
        let [bid, ask, bid_size, ask_size] = lane.decimals::<0>();
        let [ts_event, ts_participant, sequence, tape] = lane.integers::<1>(&TIMES);
        let [bid_exchange, ask_exchange, condition, first] = lane.codes::<2>();
        let (indicators, n_indicators) = lane.list_or::<INDICATORS>(first);
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
        SECOND = Kind::Second, "A"; MINUTE = Kind::Minute, "AM";
        [
            OPEN: Key::number(slots::O), HIGH: Key::number(slots::H),
            LOW: Key::number(slots::L), CLOSE: Key::number(slots::C),
            WHOLE: Key::number(slots::V), EXACT: Key::number_text(slots::DV),
            DAY_WHOLE: Key::number(slots::AV), DAY_EXACT: Key::number_text(slots::DAV),
            VWAP: Key::number(slots::VW), DAY_OPEN: Key::number(slots::OP),
            DAY_VWAP: Key::number(slots::A), AVERAGE: Key::number(slots::Z),
            START: Key::number(slots::S), END: Key::number(slots::E),
            SYMBOL: Key::text(slots::SYM)
        ],
        required: [SYMBOL, OPEN, HIGH, LOW, CLOSE, START],
        either: [WHOLE, EXACT]
    );
    static TIMES: Rules = Rules::new([Rule::MILLIS, Rule::MILLIS, Rule::DIGIT, Rule::DIGIT]);

    #[inline(always)]
    pub(super) fn read<L: Level>(
        venue: Venue,
        mut lane: Lane<'_, L>,
        interval_ms: u32,
        frame: &[u8],
        out: &mut Staging,
    ) -> bool {
        let symbol = lane.ticker::<SYMBOL>();
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
