//! Quotes, trades, candles and mark prices through the fast lanes: the same records as [`super::decode`] builds, for events
//! of a known shape whose values are of the common form. Whatever is not, is left to the plain way. Candles, which are
//! nested and longer than a lane, have one of their own.

use ringtape_model::event::{BAR_COMPLETE, SIDE_BUY, SIDE_SELL, TRADE_AGGREGATE};
use ringtape_model::units::{ID_UNSET, MILLI};
use ringtape_model::{Mark, Quote, Trade, Venue, VenueBar};

use super::keys as slots;
use crate::json::{
    Extent, FRAME_MAX, Field, Key, KeyTable, Lane, Level, MARKS, Outlines, Padded, Pattern, Plan, Reader, Rule, Rules,
    ShapeTold, Stop, Structures, Told, Trace, Window, bits, ends_of, run,
};
use crate::staging::{EVENTS_MAX, Scratch, Staging};

/// The kinds that are read by their shape.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Quote,
    Aggregate,
    Trade,
    Mark,
}

impl Kind {
    const fn plan(self) -> &'static Plan {
        match self {
            Self::Quote => &tick::QUOTE,
            Self::Aggregate => &tick::AGGREGATE,
            Self::Trade => &tick::TRADE,
            Self::Mark => &mark::PLAN,
        }
    }

    const fn of(number: u8) -> Self {
        match number {
            0 => Self::Quote,
            1 => Self::Aggregate,
            2 => Self::Trade,
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
            b"markPriceUpdate" => Some(Self::Mark),
            _ => None,
        }
    }
}

/// Reads a frame of one event, alone or in an envelope, if its shape is known; or changes nothing that counts.
#[inline(always)]
pub(super) fn frame<L: Level>(
    level: L,
    venue: Venue,
    frame: &[u8],
    (out, scratch): (&mut Staging, &mut Scratch),
) -> bool {
    // Too long a frame is refused elsewhere, with an error.
    if frame.len() > FRAME_MAX {
        return false;
    }
    let Some(open) = opening(level, frame) else { return false };
    let filled = out.entries.len();
    let stop = run(level, (frame, open), 1, (&scratch.shapes, &mut scratch.edges), Events { venue, out });
    // What was read inside of what is no envelope is taken back by the plain way.
    if stop.is_behind && is_closed(level, frame, (open, stop.at)) {
        return true;
    }
    if out.entries.len() != filled {
        out.clear();
    }
    false
}

/// Reads the events of a list from the one on that opens at `at`, as long as their shapes are known.
#[inline(always)]
pub(super) fn events<L: Level>(
    level: L,
    venue: Venue,
    object: (&[u8], usize),
    (out, scratch): (&mut Staging, &mut Scratch),
) -> Stop {
    let most = EVENTS_MAX.saturating_sub(out.len());
    run(level, object, most, (&scratch.shapes, &mut scratch.edges), Events { venue, out })
}

const STREAM_FIRST: &[u8; 11] = b"{\"stream\":\"";
const DATA_BEHIND: &[u8; 8] = b",\"data\":";
const DATA_FIRST: &[u8; 8] = b"{\"data\":";
const STREAM_BEHIND: &[u8; 11] = b",\"stream\":\"";

/// Where the event of a frame opens; of an envelope all up to there is verified.
#[inline(always)]
fn opening<L: Level>(level: L, frame: &[u8]) -> Option<usize> {
    if frame.first_chunk() == Some(STREAM_FIRST) {
        let name = frame.get(STREAM_FIRST.len()..)?;
        let len = level.quote_in(name.first_chunk()?)?;
        let data = STREAM_FIRST.len() + len + 1;
        let is_sound = frame.get(data..)?.first_chunk() == Some(DATA_BEHIND);
        return is_sound.then_some(data + DATA_BEHIND.len());
    }
    Some(if frame.first_chunk() == Some(DATA_FIRST) { DATA_FIRST.len() } else { 0 })
}

/// Whether the frame ends behind its event as it began before it.
#[inline(always)]
fn is_closed<L: Level>(level: L, frame: &[u8], (open, end): (usize, usize)) -> bool {
    match open {
        0 => end == frame.len(),
        // An event is longer than that: it opens behind a name.
        at if at > DATA_FIRST.len() => frame.get(end..) == Some(b"}"),
        _ => is_named(level, frame.get(end..).unwrap_or_default()).is_some(),
    }
}

/// Whether nothing but a stream's name of the usual length is left of an envelope.
fn is_named<L: Level>(level: L, rest: &[u8]) -> Option<()> {
    let name = rest.strip_prefix(STREAM_BEHIND)?.strip_suffix(b"\"}")?;
    let mut window = [0; 32];
    window.get_mut(..name.len())?.copy_from_slice(name);
    (name.len() < 32 && level.plain(&window, name.len()).1 == 0).then_some(())
}

struct Events<'a> {
    venue: Venue,
    out: &'a mut Staging,
}

impl<L: Level> Reader<L> for Events<'_> {
    #[inline(always)]
    fn told(&self, extent: &Extent) -> ShapeTold {
        ShapeTold::named(extent, self.venue as u64)
    }

    // Quotes and trades are read alike, so that which of them comes, as good as at random, is asked last.
    #[inline(always)]
    fn read(&mut self, lane: Lane<L>) -> bool {
        let frame = lane.frame();
        match Kind::of(lane.kind()) {
            Kind::Mark => mark::read(self.venue, lane, frame, self.out),
            kind => tick::read(self.venue, lane, kind, frame, self.out),
        }
    }
}

/// Reads a frame of one candle, if its outline is known; or changes nothing that counts. It must be short, so that it
/// stands in `padded` with room around it.
#[inline(always)]
pub(super) fn candle<L: Level>(
    level: L,
    venue: Venue,
    (frame, padded): (&[u8], Padded),
    (out, scratch): (&mut Staging, &mut Scratch),
) -> bool {
    let Scratch { structures, outlines, window, .. } = scratch;
    // What was just copied is not read yet: it would have to be waited for.
    if padded.before == 0 || !structures.whole(level, frame) {
        return false;
    }
    let Some(marked) = single(level, venue, structures, frame) else { return false };
    outlined(level, venue, (frame, padded), marked, (outlines, window), out).is_some()
}

/// The marks of an event, their number, and what tells its outline.
#[derive(Clone, Copy)]
struct Marked<'a> {
    marks: &'a [u32; MARKS + 1],
    count: usize,
    told: Told,
}

impl<'a> Marked<'a> {
    /// An event of which nothing is known but its marks.
    #[inline(always)]
    fn by_marks(venue: Venue, frame: &[u8], marks: &'a [u32; MARKS + 1], count: usize) -> Option<Self> {
        Some(Self { marks, count, told: Told::of(frame, marks, number(venue, count))? })
    }
}

/// The market and a count as one number.
#[inline(always)]
const fn number(venue: Venue, count: usize) -> u64 {
    (venue as u64) << 32 | count as u64
}

/// The event of a frame that holds one. Of the frame's structure all is verified here but the event itself.
#[inline(always)]
fn single<'a, L: Level>(level: L, venue: Venue, structures: &'a Structures, frame: &[u8]) -> Option<Marked<'a>> {
    if frame.first_chunk() != Some(STREAM_FIRST) {
        return raw_or_turned(level, venue, structures, frame);
    }
    // Bits are known long before the marks are written and can be read: the kind of the event is waited for.
    let behind = structures.first() & structures.first().wrapping_sub(1);
    let data = behind.trailing_zeros() as usize;
    let open = data + DATA_BEHIND.len();
    let event: &[u8; 16] = frame.get(open..)?.first_chunk()?;
    let word = |bytes: &[u8]| bytes.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
    // The end of the stream's name tells events apart that begin alike.
    let name = word(frame.get(data.wrapping_sub(9)..)?);
    let count = structures.count().wrapping_sub(3);
    let told = Told::new([word(event), word(&event[8..])], name, number(venue, count));
    let is_sound = frame.get(data..)?.first_chunk() == Some(DATA_BEHIND)
        && (behind & behind.wrapping_sub(1)).trailing_zeros() as usize == open
        && frame.ends_with(b"}}")
        && is_name(level, frame, STREAM_FIRST.len(), data);
    is_sound.then_some(())?;
    Some(Marked { marks: structures.from(2)?, count, told })
}

/// The same without an envelope, or in one whose keys come the other way round.
#[inline(never)]
fn raw_or_turned<'a, L: Level>(level: L, venue: Venue, structures: &'a Structures, frame: &[u8]) -> Option<Marked<'a>> {
    let count = structures.count();
    let marks = structures.from(0)?;
    // Of a frame of one object the first and the last byte are marked.
    if marks[0] != 0 || frame.last() != Some(&b'}') {
        return None;
    }
    if frame.first_chunk() != Some(DATA_FIRST) {
        return Marked::by_marks(venue, frame, marks, count);
    }
    let marks = structures.from(1)?;
    let ends = structures.from(count.checked_sub(3)?)?;
    let stream = ends[1] as usize;
    let is_sound = marks[0] as usize == DATA_FIRST.len()
        && ends[0] as usize + 1 == stream
        && frame.get(stream..)?.first_chunk() == Some(STREAM_BEHIND)
        && is_name(level, frame, stream + STREAM_BEHIND.len(), frame.len() - 1);
    is_sound.then_some(())?;
    Marked::by_marks(venue, frame, marks, count - 3)
}

/// True if a stream's name of the usual length stands from `from` on, its quote just before `to`.
#[inline(always)]
fn is_name<L: Level>(level: L, frame: &[u8], from: usize, to: usize) -> bool {
    let len = to.wrapping_sub(from + 1);
    let Some(name) = frame.get(from..).and_then(<[u8]>::first_chunk) else { return false };
    len < 32 && frame.get(to - 1) == Some(&b'"') && level.plain(name, len).1 == 0
}

/// Reads a candle by its outline; gives where it ends.
#[inline(always)]
fn outlined<L: Level>(
    level: L,
    venue: Venue,
    (frame, padded): (&[u8], Padded),
    marked: Marked,
    (outlines, window): (&Outlines, &mut Window),
    out: &mut Staging,
) -> Option<usize> {
    let outline = outlines.expected(marked.told)?;
    if marked.count != outline.count {
        return None;
    }
    let marks = marked.marks;
    let trace = Trace::new(level, padded, marks, (&candle::PATTERN, outline), window)?;
    candle::read(venue, trace, frame, out).then_some(marks[(outline.count - 1) % MARKS] as usize + 1)
}

/// Remembers the outline of a frame's only event, which was read the plain way, if it is a candle.
#[cold]
pub(super) fn learn_candle<L: Level>(
    level: L,
    venue: Venue,
    (frame, padded): (&[u8], Padded),
    (name, keys): (&[u8], &KeyTable),
    scratch: &mut Scratch,
) {
    let Scratch { structures, outlines, .. } = scratch;
    // The marks of a short frame are kept since it came in.
    if name == b"kline"
        && padded.before != 0
        && let Some(marked) = single(level, venue, structures, frame)
    {
        outlines.learn(marked.told, (0, &candle::PATTERN, true), keys, frame, marked.marks);
    }
}

/// Remembers the shape of the event that opens at `at` and was read the plain way.
#[cold]
pub(super) fn learn(
    venue: Venue,
    (frame, at): (&[u8], usize),
    (name, keys): (&[u8], &KeyTable),
    scratch: &mut Scratch,
) {
    if let Some(kind) = Kind::named(venue, name)
        && let Some((ends, extent)) = ends_of(frame, at)
    {
        let told = ShapeTold::named(&extent, venue as u64);
        let (object, ends) = (&frame[at..at + extent.len as usize], &ends[..extent.count as usize]);
        scratch.shapes.learn(told, (kind.plan(), !name.is_empty()), keys, object, ends);
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
        ID_UNSET, Key, Kind, Lane, Level, Plan, Quote, Rule, Rules, SIDE_BUY, SIDE_SELL, Staging, TRADE_AGGREGATE,
        Trade, Venue, bits, other_market, slots,
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

    const PAIR: usize = 14;

    /// What all of them have.
    const COMMON: [Key; 16] = {
        let mut keys = [Key::NONE; 16];
        keys[TIME] = Key::number(slots::TIME);
        keys[SENT] = Key::number(slots::SENT);
        keys[MARKET] = Key::number(slots::ST);
        keys[SYMBOL] = Key::text(slots::SYMBOL);
        keys[PAIR] = Key::passed(slots::PS);
        keys
    };

    const fn trade(kind: Kind, name: &'static str, id: u8, first: Key, last: Key) -> Plan {
        let mut keys = COMMON;
        keys[PRICE] = Key::number_text(slots::P);
        keys[SIZE] = Key::number_text(slots::Q);
        keys[ID] = Key::number(id);
        keys[IS_SELL] = Key::flag(slots::M);
        (keys[FIRST], keys[LAST]) = (first, last);
        Plan::new(kind as u8, name, &keys, bits(&[SYMBOL, PRICE, SIZE, TIME, ID, IS_SELL]), 0)
    }

    pub(super) static AGGREGATE: Plan =
        trade(Kind::Aggregate, "aggTrade", slots::A_LOW, Key::number(slots::F), Key::number(slots::L_LOW));
    pub(super) static TRADE: Plan = trade(Kind::Trade, "trade", slots::T_LOW, Key::NONE, Key::NONE);
    /// The bid stands where a trade has its price, the offer where it has its size.
    pub(super) static QUOTE: Plan = {
        let mut keys = COMMON;
        keys[PRICE] = Key::number_text(slots::B_LOW);
        keys[SIZE] = Key::number_text(slots::A_LOW);
        keys[BID_SIZE] = Key::number_text(slots::B_HIGH);
        keys[ASK_SIZE] = Key::number_text(slots::A_HIGH);
        keys[ID] = Key::number(slots::U);
        let required = bits(&[SYMBOL, PRICE, SIZE, BID_SIZE, ASK_SIZE, ID]);
        Plan::new(Kind::Quote as u8, "bookTicker", &keys, required, 0)
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

    // Fields that both have stand at the same places.
    #[inline(always)]
    pub(super) fn read<L: Level>(
        venue: Venue,
        mut lane: Lane<'_, L>,
        kind: Kind,
        frame: &[u8],
        out: &mut Staging,
    ) -> bool {
        let symbol = lane.ticker::<SYMBOL>();
        let decimals = lane.decimals::<0>();
        let [ts_event, ts_sent, sequence, market] = lane.integers::<1>(&TIMES);
        lane.odd_if(market == other_market(venue));
        let common = Common { ts_event, ts_sent, sequence, decimals };
        if kind == Kind::Quote {
            lane.odd_if(venue != Venue::BinanceSpot && !lane.has(TIME));
            let is_sound = lane.is_sound();
            if is_sound {
                out.push_quote(frame, symbol, quote(venue, &common));
            }
            return is_sound;
        }
        let is_aggregate = kind == Kind::Aggregate;
        let ids = if is_aggregate { lane.integers::<2>(&IDS) } else { [ID_UNSET; 4] };
        // The buyer is the maker: the seller took.
        let side = if lane.flag::<IS_SELL>() { SIDE_SELL } else { SIDE_BUY };
        let id = lane.digits::<ID>();
        lane.odd_if(decimals[PRICE].1 <= 0);
        if !lane.is_sound() {
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
    use super::{Key, Kind, Lane, Level, Mark, Plan, Rule, Rules, Staging, Venue, bits, other_market, slots};

    const MARK: usize = 0;
    const AVERAGE: usize = 1;
    const SETTLE: usize = 2;
    const INDEX: usize = 3;
    const SENT: usize = 4;
    const FUNDING: usize = 5;
    const MARKET: usize = 6;
    const SYMBOL: usize = 8;
    const RATE: usize = 9;
    const PAIR: usize = 10;

    pub(super) static PLAN: Plan = {
        let mut keys = [Key::NONE; 16];
        keys[MARK] = Key::number_text(slots::P);
        keys[AVERAGE] = Key::number_text(slots::AP);
        keys[SETTLE] = Key::number_text(slots::P_HIGH);
        keys[INDEX] = Key::number_text(slots::I);
        keys[SENT] = Key::number(slots::SENT);
        keys[FUNDING] = Key::number(slots::TIME);
        keys[MARKET] = Key::number(slots::ST);
        keys[SYMBOL] = Key::text(slots::SYMBOL);
        keys[RATE] = Key::text(slots::R);
        keys[PAIR] = Key::passed(slots::PS);
        Plan::new(Kind::Mark as u8, "markPriceUpdate", &keys, bits(&[SYMBOL, MARK, SENT, FUNDING, RATE]), 0)
    };
    static TIMES: Rules = Rules::new([Rule::MILLIS, Rule::MILLIS, Rule::DIGIT, Rule::DIGIT]);

    #[inline(always)]
    pub(super) fn read<L: Level>(venue: Venue, mut lane: Lane<'_, L>, frame: &[u8], out: &mut Staging) -> bool {
        let symbol = lane.ticker::<SYMBOL>();
        let [price, average, settle, index] = lane.decimals::<0>();
        let [ts_event, next_funding, market, _] = lane.integers::<1>(&TIMES);
        let funding_rate = lane.signed::<RATE>();
        lane.odd_if(market == other_market(venue));
        lane.odd_if(price.1 <= 0);
        if !lane.is_sound() {
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
