//! Quotes, trades, candles and mark prices through the fast lane: the same records as [`super::decode`] builds, for events
//! of a known outline whose values are of the common form. Whatever is not, is left to the plain way.
//!
//! Tried: marking the copy of a short frame instead of the frame itself (loads that span two stores are waited for);
//! words at marks compared by gathers, and masks joined as the compiler likes (each slower than word by word, see
//! `Level::apart`); a reader each for quotes and trades (no faster). What is left to win: values are read from the copy
//! of the frame, and so wait until what came before has left the machine; reading them in place would not.

use ringtape_model::event::{BAR_COMPLETE, SIDE_BUY, SIDE_SELL, TRADE_AGGREGATE};
use ringtape_model::units::{ID_UNSET, MILLI};
use ringtape_model::{Mark, Quote, Trade, Venue, VenueBar};

use super::keys as slots;
use crate::json::{
    Field, KeyTable, Level, MARKS, Outlines, Padded, Pattern, Rule, Rules, Structures, Told, Trace, Window, bits,
};
use crate::staging::{Scratch, Staging};

/// The kinds that are read here.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Quote,
    Aggregate,
    Trade,
    Candle,
    Mark,
}

impl Kind {
    const fn pattern(self) -> &'static Pattern {
        match self {
            Self::Quote => &tick::QUOTE,
            Self::Aggregate => &tick::AGGREGATE,
            Self::Trade => &tick::TRADE,
            Self::Candle => &candle::PATTERN,
            Self::Mark => &mark::PATTERN,
        }
    }

    const fn of(number: u8) -> Self {
        match number {
            0 => Self::Quote,
            1 => Self::Aggregate,
            2 => Self::Trade,
            3 => Self::Candle,
            _ => Self::Mark,
        }
    }

    /// The kind of an event that was read the plain way; only quotes of spot have no name.
    fn named(venue: Venue, name: &[u8]) -> Option<Self> {
        match name {
            b"bookTicker" => Some(Self::Quote),
            b"" if venue == Venue::BinanceSpot => Some(Self::Quote),
            b"aggTrade" => Some(Self::Aggregate),
            b"trade" => Some(Self::Trade),
            b"kline" => Some(Self::Candle),
            b"markPriceUpdate" => Some(Self::Mark),
            _ => None,
        }
    }
}

/// The marks of an event, their number where it is known, and what tells its outline.
#[derive(Clone, Copy)]
struct Marked<'a> {
    marks: &'a [u32; MARKS + 1],
    count: Option<usize>,
    told: Told,
}

impl<'a> Marked<'a> {
    /// An event of which nothing is known but its marks.
    #[inline(always)]
    fn by_marks(venue: Venue, frame: &[u8], marks: &'a [u32; MARKS + 1], count: Option<usize>) -> Option<Self> {
        Some(Self { marks, count, told: Told::of(frame, marks, number(venue, count.unwrap_or(0)))? })
    }
}

/// The market and a count as one number.
#[inline(always)]
const fn number(venue: Venue, count: usize) -> u64 {
    (venue as u64) << 32 | count as u64
}

/// Reads a frame of one event, alone or in an envelope, if its outline is known; or changes nothing that counts. It must
/// be short, so that it stands in `padded` with room around it.
#[inline(always)]
pub(crate) fn frame<L: Level>(
    level: L,
    venue: Venue,
    frame: &[u8],
    padded: Padded,
    (out, scratch): (&mut Staging, &mut Scratch),
) -> bool {
    let Scratch { structures, outlines, window, .. } = scratch;
    structures.clear();
    // What was just copied is not read yet: it would have to be waited for.
    if padded.before == 0 || !structures.whole(level, frame) {
        return false;
    }
    let Some(marked) = single(level, venue, structures, frame) else { return false };
    event(level, venue, (frame, padded), marked, (outlines, window), out).is_some()
}

/// The event of a frame that holds one. Of the frame's structure all is verified here but the event itself.
#[inline(always)]
fn single<'a, L: Level>(level: L, venue: Venue, structures: &'a Structures, frame: &[u8]) -> Option<Marked<'a>> {
    const STREAM: &[u8; 11] = b"{\"stream\":\"";
    const DATA: &[u8; 8] = b",\"data\":";
    if frame.first_chunk() != Some(STREAM) {
        return raw_or_turned(level, venue, structures, frame);
    }
    // Bits are known long before the marks are written and can be read: the kind of the event is waited for.
    let behind = structures.first() & structures.first().wrapping_sub(1);
    let data = behind.trailing_zeros() as usize;
    let open = data + DATA.len();
    let event: &[u8; 16] = frame.get(open..)?.first_chunk()?;
    let word = |bytes: &[u8]| bytes.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
    // The end of the stream's name tells events apart that begin alike.
    let name = word(frame.get(data.wrapping_sub(9)..)?);
    let count = structures.count().wrapping_sub(3);
    let told = Told::new([word(event), word(&event[8..])], name, number(venue, count));
    let is_sound = frame.get(data..)?.first_chunk() == Some(DATA)
        && (behind & behind.wrapping_sub(1)).trailing_zeros() as usize == open
        && frame.ends_with(b"}}")
        && is_name(level, frame, STREAM.len(), data);
    is_sound.then_some(())?;
    Some(Marked { marks: structures.from(2)?, count: Some(count), told })
}

/// The same without an envelope, or in one whose keys come the other way round.
#[inline(never)]
fn raw_or_turned<'a, L: Level>(level: L, venue: Venue, structures: &'a Structures, frame: &[u8]) -> Option<Marked<'a>> {
    const DATA: &[u8; 8] = b"{\"data\":";
    const STREAM: &[u8; 11] = b",\"stream\":\"";
    let count = structures.count();
    let marks = structures.from(0)?;
    // Of a frame of one object the first and the last byte are marked.
    if marks[0] != 0 || frame.last() != Some(&b'}') {
        return None;
    }
    if frame.first_chunk() != Some(DATA) {
        return Marked::by_marks(venue, frame, marks, Some(count));
    }
    let marks = structures.from(1)?;
    let ends = structures.from(count.checked_sub(3)?)?;
    let stream = ends[1] as usize;
    let is_sound = marks[0] as usize == DATA.len()
        && ends[0] as usize + 1 == stream
        && frame.get(stream..)?.first_chunk() == Some(STREAM)
        && is_name(level, frame, stream + STREAM.len(), frame.len() - 1);
    is_sound.then_some(())?;
    Marked::by_marks(venue, frame, marks, Some(count - 3))
}

/// True if a stream's name of the usual length stands from `from` on, its quote just before `to`.
#[inline(always)]
fn is_name<L: Level>(level: L, frame: &[u8], from: usize, to: usize) -> bool {
    let len = to.wrapping_sub(from + 1);
    let Some(name) = frame.get(from..).and_then(<[u8]>::first_chunk) else { return false };
    len < 32 && frame.get(to - 1) == Some(&b'"') && level.plain(name, len).1 == 0
}

/// Reads the event that opens at `at`, an element of a list, if its outline is known; gives where it ends.
#[inline(always)]
pub(super) fn element<L: Level>(
    level: L,
    venue: Venue,
    (frame, at): (&[u8], usize),
    padded: Padded,
    (out, scratch): (&mut Staging, &mut Scratch),
) -> Option<usize> {
    let Scratch { structures, outlines, window, .. } = scratch;
    let marks = structures.object(level, frame, at)?;
    let marked = Marked::by_marks(venue, frame, marks, None)?;
    let (end, count) = event(level, venue, (frame, padded), marked, (outlines, window), out)?;
    structures.pass(count);
    Some(end)
}

/// Reads an event; gives where it ends and the number of its marks.
#[inline(always)]
fn event<L: Level>(
    level: L,
    venue: Venue,
    (frame, padded): (&[u8], Padded),
    marked: Marked,
    (outlines, window): (&Outlines, &mut Window),
    out: &mut Staging,
) -> Option<(usize, usize)> {
    let outline = outlines.expected(marked.told)?;
    if marked.count.is_some_and(|count| count != outline.count) {
        return None;
    }
    let marks = marked.marks;
    let end = marks[(outline.count - 1) % MARKS] as usize + 1;
    // Quotes and trades are read alike, so that which of them comes, as good as at random, is asked last.
    let is_sound = match Kind::of(outline.kind) {
        Kind::Candle => {
            candle::read(venue, Trace::new(level, padded, marks, (&candle::PATTERN, outline), window)?, frame, out)
        }
        Kind::Mark => {
            mark::read(venue, Trace::new(level, padded, marks, (&mark::PATTERN, outline), window)?, frame, out)
        }
        kind => {
            let trace = Trace::new(level, padded, marks, (&tick::AGGREGATE, outline), window)?;
            tick::read(venue, trace, kind, frame, out)
        }
    };
    is_sound.then_some((end, outline.count))
}

/// Remembers the outline of a frame's only event, which was read the plain way.
#[cold]
pub(super) fn learn_single<L: Level>(
    level: L,
    venue: Venue,
    (frame, padded): (&[u8], Padded),
    (name, keys): (&[u8], &KeyTable),
    scratch: &mut Scratch,
) {
    let Scratch { structures, outlines, .. } = scratch;
    // The marks of a short frame are kept since it came in.
    if padded.before != 0
        && let Some(marked) = single(level, venue, structures, frame)
    {
        learn(venue, frame, marked, (name, keys), outlines);
    }
}

/// Remembers the outline of an element of a list, which was read the plain way.
#[cold]
pub(super) fn learn_element<L: Level>(
    level: L,
    venue: Venue,
    (frame, at): (&[u8], usize),
    (name, keys): (&[u8], &KeyTable),
    scratch: &mut Scratch,
) {
    let Scratch { structures, outlines, .. } = scratch;
    if Kind::named(venue, name).is_some()
        && let Some(marks) = structures.object(level, frame, at)
        && let Some(marked) = Marked::by_marks(venue, frame, marks, None)
    {
        learn(venue, frame, marked, (name, keys), outlines);
    }
}

fn learn(venue: Venue, frame: &[u8], marked: Marked, (name, keys): (&[u8], &KeyTable), outlines: &mut Outlines) {
    if let Some(kind) = Kind::named(venue, name) {
        outlines.learn(marked.told, (kind as u8, kind.pattern(), !name.is_empty()), keys, frame, marked.marks);
    }
}

/// Declares the fields of a pattern, which are numbered in their order.
macro_rules! pattern {
    ($kind:literal, [$($name:ident: $field:expr),*], required: $required:expr, inner: $inner:expr) => {
        pattern!(@number 0usize; $($name)*);
        pub(super) static PATTERN: Pattern = {
            let mut fields = [Field::NONE; 16];
            $(fields[$name] = $field;)*
            Pattern::new($kind, fields, bits(&$required), $inner)
        };
    };
    (@number $at:expr; $name:ident $($rest:ident)*) => {
        #[allow(dead_code, reason = "some places are only kept free")]
        pub(super) const $name: usize = $at;
        pattern!(@number $at + 1; $($rest)*);
    };
    (@number $at:expr;) => {};
}

/// The number of the sister market in `st`, which is for the plain way; one that never comes for a market without.
#[inline(always)]
const fn other_market(venue: Venue) -> i64 {
    match venue {
        Venue::BinanceUsdm => 2,
        Venue::BinanceCoinm => 1,
        _ => -1,
    }
}

/// Quotes, trades and aggregates of trades.
mod tick {
    use super::{
        Field, ID_UNSET, Kind, Level, Pattern, Quote, Rule, Rules, SIDE_BUY, SIDE_SELL, Staging, TRADE_AGGREGATE,
        Trace, Trade, Venue, bits, other_market, slots,
    };

    const PRICE: usize = 0;
    const SIZE: usize = 1;
    const BID_SIZE: usize = 2;
    const ASK_SIZE: usize = 3;
    const TIME: usize = 4;
    const SENT: usize = 5;
    const ID: usize = 6;
    const MARKET: usize = 7;
    const FIRST: usize = 8;
    const LAST: usize = 9;
    const SYMBOL: usize = 12;
    const IS_SELL: usize = 13;

    /// What all of them have.
    const COMMON: [Field; 16] = {
        let mut fields = [Field::NONE; 16];
        fields[TIME] = Field::number(slots::TIME);
        fields[SENT] = Field::number(slots::SENT);
        fields[MARKET] = Field::number(slots::ST);
        fields[SYMBOL] = Field::text(slots::SYMBOL);
        fields
    };

    const fn trade(name: &str, id: u8, first: Field, last: Field) -> Pattern {
        let mut fields = COMMON;
        fields[PRICE] = Field::number_text(slots::P);
        fields[SIZE] = Field::number_text(slots::Q);
        fields[ID] = Field::number(id);
        fields[IS_SELL] = Field::flag(slots::M);
        (fields[FIRST], fields[LAST]) = (first, last);
        Pattern::new(name, fields, bits(&[SYMBOL, PRICE, SIZE, TIME, ID, IS_SELL]), crate::json::NO_SLOT)
    }

    pub(super) static AGGREGATE: Pattern =
        trade("aggTrade", slots::A_LOW, Field::number(slots::F), Field::number(slots::L_LOW));
    pub(super) static TRADE: Pattern = trade("trade", slots::T_LOW, Field::NONE, Field::NONE);
    /// The bid stands where a trade has its price, the offer where it has its size.
    pub(super) static QUOTE: Pattern = {
        let mut fields = COMMON;
        fields[PRICE] = Field::number_text(slots::B_LOW);
        fields[SIZE] = Field::number_text(slots::A_LOW);
        fields[BID_SIZE] = Field::number_text(slots::B_HIGH);
        fields[ASK_SIZE] = Field::number_text(slots::A_HIGH);
        fields[ID] = Field::number(slots::U);
        let required = bits(&[SYMBOL, PRICE, SIZE, BID_SIZE, ASK_SIZE, ID]);
        Pattern::new("bookTicker", fields, required, crate::json::NO_SLOT)
    };
    static TIMES: Rules = Rules::new([Rule::MILLIS, Rule::MILLIS, Rule::ID, Rule::DIGIT]);
    static IDS: Rules = Rules::new([Rule::ID; 4]);

    /// What a quote and a trade have in common.
    struct Common {
        ts_event: i64,
        ts_sent: i64,
        sequence: i64,
        decimals: [(f64, i64); 4],
    }

    // Fields that both have stand at the same places, so the trace may be along the pattern of either.
    #[inline(always)]
    pub(super) fn read<L: Level>(
        venue: Venue,
        mut trace: Trace<L>,
        kind: Kind,
        frame: &[u8],
        out: &mut Staging,
    ) -> bool {
        let symbol = trace.ticker(SYMBOL);
        let decimals = trace.decimals::<0>();
        let [ts_event, ts_sent, sequence, market] = trace.integers::<1>(&TIMES);
        trace.odd_if(market == other_market(venue));
        let common = Common { ts_event, ts_sent, sequence, decimals };
        if kind == Kind::Quote {
            trace.odd_if(venue != Venue::BinanceSpot && !trace.has(TIME));
            let is_sound = trace.is_sound();
            if is_sound {
                out.push_quote(frame, symbol, quote(venue, &common));
            }
            return is_sound;
        }
        let is_aggregate = kind == Kind::Aggregate;
        let ids = if is_aggregate { trace.integers::<2>(&IDS) } else { [ID_UNSET; 4] };
        // The buyer is the maker: the seller took.
        let side = if trace.flag(IS_SELL) { SIDE_SELL } else { SIDE_BUY };
        let id = trace.copied(ID);
        trace.odd_if(decimals[PRICE].1 <= 0);
        if !trace.is_sound() {
            return false;
        }
        let trade = Trade {
            first_id: ids[FIRST - 8],
            last_id: ids[LAST - 8],
            id: *id.first_chunk().unwrap_or(&[0; 24]),
            side,
            flags: if is_aggregate { TRADE_AGGREGATE } else { 0 },
            ..trade_of(venue, &common)
        };
        out.push_trade(frame, symbol, trade);
        true
    }

    #[inline(always)]
    fn quote(venue: Venue, &Common { ts_event, ts_sent, sequence, decimals }: &Common) -> Quote {
        let [bid, ask, bid_size, ask_size] = decimals;
        Quote {
            ts_event,
            ts_sent,
            bid: bid.0,
            ask: ask.0,
            bid_e8: bid.1,
            ask_e8: ask.1,
            bid_size: bid_size.0,
            ask_size: ask_size.0,
            bid_size_e8: bid_size.1,
            ask_size_e8: ask_size.1,
            sequence,
            venue: venue as u8,
            ..Quote::UNSET
        }
    }

    #[inline(always)]
    fn trade_of(venue: Venue, &Common { ts_event, ts_sent, sequence, decimals }: &Common) -> Trade {
        let [price, size, ..] = decimals;
        Trade {
            ts_event,
            ts_sent,
            price: price.0,
            price_e8: price.1,
            size: size.0,
            size_e8: size.1,
            sequence,
            venue: venue as u8,
            ..Trade::UNSET
        }
    }
}

mod candle {
    use super::{
        BAR_COMPLETE, Field, Level, MILLI, Pattern, Rule, Rules, Staging, Trace, Venue, VenueBar, bits, slots,
    };

    pattern!(
        "kline",
        [
            OPEN: Field::number_text(slots::O_LOW).inner(), HIGH: Field::number_text(slots::H).inner(),
            LOW: Field::number_text(slots::L_LOW).inner(), CLOSE: Field::number_text(slots::C_LOW).inner(),
            VOLUME: Field::number_text(slots::V).inner(), DOLLARS: Field::number_text(slots::Q).inner(),
            BUY_VOLUME: Field::number_text(slots::V_HIGH).inner(),
            BUY_DOLLARS: Field::number_text(slots::Q_HIGH).inner(),
            START: Field::number(slots::T_LOW).inner(), END: Field::number(slots::TIME).inner(),
            SENT: Field::number(slots::SENT), COUNT: Field::number(slots::N).inner(),
            FIRST: Field::number(slots::F).inner(), LAST: Field::number(slots::L_HIGH).inner(),
            IS_COMPLETE: Field::flag(slots::X_LOW).inner(), SYMBOL: Field::text(slots::SYMBOL)
        ],
        required: [
            SYMBOL, OPEN, HIGH, LOW, CLOSE, VOLUME, DOLLARS, BUY_VOLUME, BUY_DOLLARS, START, END, COUNT, FIRST, LAST,
            IS_COMPLETE
        ],
        inner: slots::K
    );
    static TIMES: Rules = Rules::new([Rule::MILLIS, Rule::MILLIS, Rule::MILLIS, Rule::ID]);
    static IDS: Rules = Rules::new([Rule::ID; 4]);

    #[inline(always)]
    pub(super) fn read<L: Level>(venue: Venue, mut trace: Trace<L>, frame: &[u8], out: &mut Staging) -> bool {
        let symbol = trace.ticker(SYMBOL);
        let [open, high, low, close] = trace.decimals::<0>();
        let [volume, dollars, buy_volume, buy_dollars] = trace.decimals::<1>();
        let [ts_event, last, ts_sent, trade_count] = trace.integers::<2>(&TIMES);
        let [first_id, last_id, ..] = trace.integers::<3>(&IDS);
        let is_complete = trace.flag(IS_COMPLETE);
        // `T` is the last millisecond of the candle, not its exclusive end.
        let ts_end = last.wrapping_add(MILLI);
        let interval = u32::try_from(ts_end.wrapping_sub(ts_event) / MILLI).unwrap_or(0);
        trace.odd_if(interval == 0);
        for price in [open, high, low, close] {
            trace.odd_if(price.1 <= 0);
        }
        trace.odd_if(high.0 < low.0);
        if !trace.is_sound() {
            return false;
        }
        let bar = VenueBar {
            ts_event,
            ts_end,
            ts_sent,
            open: open.0,
            high: high.0,
            low: low.0,
            close: close.0,
            volume: volume.0,
            volume_e8: volume.1,
            dollar_volume: dollars.0,
            buy_volume: buy_volume.0,
            buy_dollar_volume: buy_dollars.0,
            trade_count,
            first_id,
            last_id,
            interval_ms: interval,
            venue: venue as u8,
            flags: if is_complete { BAR_COMPLETE } else { 0 },
            ..VenueBar::UNSET
        };
        out.push_bar(frame, symbol, bar);
        true
    }
}

mod mark {
    use super::{Field, Level, Mark, Pattern, Rule, Rules, Staging, Trace, Venue, bits, other_market, slots};

    pattern!(
        "markPriceUpdate",
        [
            MARK: Field::number_text(slots::P), AVERAGE: Field::number_text(slots::AP),
            SETTLE: Field::number_text(slots::P_HIGH), INDEX: Field::number_text(slots::I),
            SENT: Field::number(slots::SENT), FUNDING: Field::number(slots::TIME), MARKET: Field::number(slots::ST),
            NO_1: Field::NONE,
            SYMBOL: Field::text(slots::SYMBOL), RATE: Field::text(slots::R)
        ],
        required: [SYMBOL, MARK, SENT, FUNDING, RATE],
        inner: crate::json::NO_SLOT
    );
    static TIMES: Rules = Rules::new([Rule::MILLIS, Rule::MILLIS, Rule::DIGIT, Rule::DIGIT]);

    #[inline(always)]
    pub(super) fn read<L: Level>(venue: Venue, mut trace: Trace<L>, frame: &[u8], out: &mut Staging) -> bool {
        let symbol = trace.ticker(SYMBOL);
        let [price, average, settle, index] = trace.decimals::<0>();
        let [ts_event, next_funding, market, _] = trace.integers::<1>(&TIMES);
        let funding_rate = trace.signed(RATE);
        trace.odd_if(market == other_market(venue));
        trace.odd_if(price.1 <= 0);
        if !trace.is_sound() {
            return false;
        }
        let mark = Mark {
            seq: 0,
            ts_event,
            ts_recv: 0,
            next_funding,
            mark: price.0,
            mark_average: average.0,
            index: index.0,
            settle: settle.0,
            funding_rate,
            symbol: 0,
            venue: venue as u8,
            flags: 0,
            conn: 0,
        };
        out.push_mark(frame, symbol, mark);
        true
    }
}
