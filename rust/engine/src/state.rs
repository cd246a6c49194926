//! The state of one symbol and how an event changes it.

use ringtape_model::event::{TRADE_AGGREGATE, TRADE_LATE};
use ringtape_model::row::{QUOTE_WORDS, ROW_WORDS, TRADE_WORDS, WINDOW_WORDS};
use ringtape_model::units::{ID_UNSET, Nanos, PRICE_UNSET, SECOND, TIME_UNSET};
use ringtape_model::{Bar, ConditionRights, Mark, Quote, Row, Trade, Value, Venue, condition};
use ringtape_ring::{RowWriter, prefetch};

use crate::bar::{BarPrint, Cell, Forming, Sampler};
use crate::coverage::{Coverage, Outages, Reshape};
use crate::derived::{Deal, Derived, Line, Plan, Reference, ReferenceData, Told, View};
use crate::sequence::Ids;
use crate::session::Day;
use crate::window::{NO_PRICE, Print, TAPE_START, TapeKey, Windows, widen};

/// How far one connection may be behind another that delivers the same.
const OVERLAP: Nanos = 5 * SECOND;

/// Which stream of trades owns a symbol's trade-derived state. The first to speak does; the other would
/// count the same trades twice.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Nobody,
    Trades,
    Aggregates,
}

/// One symbol, in the order of use: what a quote needs is two cache lines and the first of the row, what a trade needs
/// beside them is the rest of the row, its bars and its windows.
#[repr(C, align(64))]
pub(crate) struct SymbolState {
    /// The venue's number of the quote held; with `row.quote_time` its place on the tape.
    quote_sequence: i64,
    /// How many of the row's first words were not published yet.
    unpublished: u32,
    /// Listed to be published.
    pub(crate) dirty: bool,
    /// Listed as a symbol whose windows move with time.
    pub(crate) moving: bool,
    owner: Owner,
    /// There is something at `derived`, which lies where neither quotes nor trades look otherwise.
    collects: bool,
    pub(crate) windows: Windows,
    /// Place on the tape within the frame being decoded, and that frame's number.
    frame_key: TapeKey,
    frame: u64,
    /// The venue's number of the last trade; with `row.last_time` its place on the tape.
    last_sequence: i64,
    any_key: TapeKey,
    /// The forming bar of each series of time bars; `start == TIME_UNSET` where there is none.
    pub(crate) forming: Box<[Forming]>,
    /// The published part.
    pub(crate) row: Row,
    mark_time: Nanos,
    pub(crate) ids: Ids,
    official_close: f64,
    reference_close: f64,
    /// Date for which `reference_close` holds; 0 until the first date after it was given.
    reference_date: u32,
    /// The forming bar of each series that is not of time bars.
    pub(crate) samplers: Box<[Sampler]>,
    coverage: Coverage,
    /// Those holes of it that are none in the venue's numbers, see [`Ids::touching`].
    outages: Outages,
    /// What derived fields need, where one was asked for.
    derived: Option<Box<Derived>>,
    reference: Option<Box<Reference>>,
}

/// How a trade comes to the state of its symbol.
pub(crate) mod how {
    /// As it happens.
    pub(crate) const LIVE: u8 = 0;
    /// Fetched later: it is never the last one.
    pub(crate) const FETCHED: u8 = 1;
    /// Counted anew, with all of its date in the order of the tape.
    pub(crate) const AGAIN: u8 = 2;
}

/// How much of a row an event changes.
#[derive(Clone, Copy)]
pub(crate) enum Change {
    Quote = QUOTE_WORDS as isize,
    Trade = TRADE_WORDS as isize,
    Whole = ROW_WORDS as isize,
}

impl SymbolState {
    /// A symbol with so many series of time bars and others.
    pub(crate) fn new(venue: Venue, timed: usize, sampled: usize) -> Self {
        Self {
            row: Row::unset(venue as u8),
            windows: Windows::new(),
            forming: vec![Forming(Cell::new(TIME_UNSET, TIME_UNSET)); timed].into(),
            coverage: Coverage::default(),
            outages: Outages::default(),
            samplers: vec![Sampler::new(); sampled].into(),
            dirty: false,
            unpublished: Change::Whole as u32,
            moving: false,
            frame_key: TAPE_START,
            frame: 0,
            last_sequence: TAPE_START.1,
            any_key: TAPE_START,
            quote_sequence: TAPE_START.1,
            mark_time: TIME_UNSET,
            ids: Ids::new(),
            owner: Owner::Nobody,
            collects: false,
            official_close: PRICE_UNSET,
            reference_close: PRICE_UNSET,
            reference_date: 0,
            derived: None,
            reference: None,
        }
    }

    /// Asks for the cache lines that a quote needs.
    #[inline(always)]
    pub(crate) fn fetch_quote(&self) {
        prefetch(&self.quote_sequence);
        prefetch(&self.row.bid);
    }

    /// Asks for the cache lines that a venue's bar needs.
    #[inline(always)]
    pub(crate) fn fetch_open(&self) {
        prefetch(&self.quote_sequence);
        prefetch(&self.row.open);
    }

    /// Asks for the cache lines that a trade needs.
    #[inline(always)]
    pub(crate) fn fetch_trade(&self) {
        self.fetch_quote();
        prefetch(&self.frame_key);
        prefetch(&self.row.last_size);
        prefetch(&self.row.volume);
        prefetch(&self.row.trade_count);
    }

    /// Asks for the line that says where the forming bars are.
    #[inline(always)]
    pub(crate) fn fetch_forming(&self) {
        prefetch(&self.forming);
    }

    /// Asks for what a trade needs of the parts that lie elsewhere.
    #[inline(always)]
    pub(crate) fn fetch_parts(&self) {
        for forming in &self.forming {
            forming.fetch();
        }
        self.windows.fetch();
    }

    /// Begins with the holes that its venue has.
    pub(crate) fn take_outages(&mut self, outages: &Outages) {
        (self.outages, self.coverage) = (outages.clone(), outages.cover());
        self.uncover();
    }

    /// Trades did not come from one time to another.
    pub(crate) fn open_gap(&mut self, from: Nanos, to: Nanos) {
        self.coverage.open(from, to);
        self.uncover();
    }

    /// They have come after all, so far as nothing else says that they have not.
    pub(crate) fn fill_gap(&mut self, from: Nanos, to: Nanos) {
        self.coverage.fill(from, to);
        let end = to.saturating_add(1);
        for (from, to) in self.outages.touching(from, end).chain(self.ids.touching(from, end)) {
            self.coverage.open(from, to);
        }
        self.uncover();
    }

    /// Nothing came from one time to another; or what went on since the first has ended.
    pub(crate) fn open_outage(&mut self, from: Nanos, to: Nanos) -> Reshape {
        let change = self.outages.open(from, to);
        match change.was {
            // A date may have begun meanwhile, so what windows see of it does not begin where it did.
            Some((from, to)) => self.fill_gap(from, to),
            None => self.open_gap(from, to),
        }
        change
    }

    /// It has come after all.
    pub(crate) fn fill_outage(&mut self, from: Nanos, to: Nanos) -> Vec<Reshape> {
        let changes = self.outages.fill(from, to);
        self.fill_gap(from, to);
        changes
    }

    /// How many holes touch a stretch of time, each outage and each hole in the ids by itself.
    pub(crate) fn holes_touching(&self, start: Nanos, end: Nanos) -> usize {
        self.outages.touching(start, end).chain(self.ids.touching(start, end)).count()
    }

    /// How many holes touch a stretch of time, as windows see them.
    #[inline]
    pub(crate) fn gaps_touching(&self, start: Nanos, end: Nanos) -> usize {
        self.coverage.touching(start, end)
    }

    fn uncover(&mut self) {
        let until = self.coverage.until();
        self.windows.uncover(until);
        if let Some(derived) = &mut self.derived {
            derived.uncover(until);
        }
    }

    /// Starts a trading date: sums, extremes and windows of the old one end, the last price stays and is stale.
    pub(crate) fn roll(&mut self, day: &Day) {
        let date = day.date;
        let venue = self.row.venue;
        let fresh = Row::unset(venue as u8);
        self.row = Row {
            last: self.row.last,
            last_size: self.row.last_size,
            last_time: self.row.last_time,
            last_date: self.row.last_date,
            bid: self.row.bid,
            ask: self.row.ask,
            bid_size: self.row.bid_size,
            ask_size: self.row.ask_size,
            quote_time: self.row.quote_time,
            mark: self.row.mark,
            index: self.row.index,
            funding_rate: self.row.funding_rate,
            next_funding: self.row.next_funding,
            prev_close: self.official_close,
            ts_recv: self.row.ts_recv,
            date,
            ..fresh
        };
        if self.reference_date == 0 {
            self.reference_date = date;
        }
        if self.reference_date == date && !self.reference_close.is_nan() {
            self.row.prev_close = self.reference_close;
        }
        self.official_close = PRICE_UNSET;
        self.any_key = TAPE_START;
        self.windows.clear();
        if let Some(derived) = &mut self.derived {
            derived.roll(day);
        }
        self.coverage.roll(day.start);
        self.uncover();
        if let Some(reference) = self.reference.as_mut().filter(|reference| reference.date == 0) {
            reference.date = date;
        }
    }

    /// Forgets what the trades of the date gave, to count them anew; what quotes, marks and reference data gave stays. Gives
    /// the open, which the venue may have told better than its trades do.
    pub(crate) fn forget_trades(&mut self, now: Nanos) -> f64 {
        let (row, fresh) = (self.row, Row::unset(self.row.venue as u8));
        let last = if row.last_date == row.date { fresh } else { row };
        self.row = Row {
            last: last.last,
            last_size: last.last_size,
            last_time: last.last_time,
            last_date: last.last_date,
            last_any: fresh.last_any,
            open: fresh.open,
            high: fresh.high,
            low: fresh.low,
            high_day: fresh.high_day,
            low_day: fresh.low_day,
            volume: fresh.volume,
            notional: fresh.notional,
            vw_volume: fresh.vw_volume,
            vw_notional: fresh.vw_notional,
            trade_count: fresh.trade_count,
            ..row
        };
        if row.last_date == row.date {
            self.last_sequence = TAPE_START.1;
        }
        self.official_close = PRICE_UNSET;
        self.any_key = TAPE_START;
        self.windows.clear();
        if let Some(derived) = &mut self.derived {
            derived.forget_trades(now);
        }
        self.uncover();
        row.open
    }

    /// Takes an own bar for derived fields.
    pub(crate) fn bar(&mut self, bar: &Bar, regular: bool, now: Nanos) {
        if let Some(derived) = &mut self.derived {
            derived.bar(bar, regular, now);
        }
    }

    /// Takes a record of a plain kind for derived fields.
    pub(crate) fn tell(&mut self, told: Told<'_>, now: Nanos) {
        if let Some(derived) = &mut self.derived {
            derived.tell(told, &self.row, now);
        }
    }

    /// Registers windows that are new; trades before `since` may have passed unseen.
    pub(crate) fn register(&mut self, windows: &[Nanos], now: Nanos, since: Nanos) {
        let row = &self.row;
        let priced = row.last_date == row.date && row.last_time != TIME_UNSET;
        let last = if priced { (row.last, (row.last_time, self.last_sequence)) } else { NO_PRICE };
        self.windows.register(windows, now, since, last);
        self.windows.uncover(self.coverage.until());
    }

    /// Collects what the plan asks for, from now on.
    pub(crate) fn collect(&mut self, plan: &Plan, now: Nanos) {
        if !plan.is_empty() {
            self.collects = true;
            let derived = self.derived.get_or_insert_default();
            derived.extend(plan, &self.row, now);
            derived.uncover(self.coverage.until());
        }
    }

    /// Lets time pass for windows and derived fields.
    #[inline]
    pub(crate) fn evict(&mut self, now: Nanos) {
        self.windows.evict(now);
        if let Some(derived) = &mut self.derived {
            derived.evict(now);
        }
    }

    /// Whether something can have changed every derived field, since the last time this was asked.
    pub(crate) fn take_changed(&mut self) -> bool {
        let windows = self.windows.has_changed();
        self.derived.as_mut().is_some_and(|derived| derived.take_changed()) || windows
    }

    /// Whether time alone can change a derived field.
    pub(crate) fn is_moving(&self, now: Nanos) -> bool {
        self.derived.as_ref().is_some_and(|derived| derived.is_moving(now))
    }

    /// Value of a derived field, after [`SymbolState::evict`]; NaN where it is undefined.
    pub(crate) fn derived(&self, line: &Line, day: &Day, now: Nanos, on_trade: bool) -> f64 {
        let Some(derived) = &self.derived else { return PRICE_UNSET };
        let view = View {
            row: &self.row,
            windows: &self.windows,
            day,
            now,
            official_close: self.official_close,
            reference: self.reference.as_deref(),
            coverage: &self.coverage,
            on_trade,
        };
        derived.value(line, &view)
    }

    /// Gives reference data, for the current date or, before the first event, the first one.
    pub(crate) fn set_reference(&mut self, data: ReferenceData, now: Nanos) {
        let reference = self.reference.get_or_insert_with(|| Box::new(Reference::new()));
        reference.take(data, self.row.date, now);
        let price = reference.prev_close();
        self.change_derived();
        if !price.is_nan() {
            self.set_prev_close(price);
        }
    }

    /// Gives the close of the previous date, for the current one or, before the first event, the first one.
    fn set_prev_close(&mut self, price: f64) {
        self.change_derived();
        self.reference_close = price;
        self.reference_date = self.row.date;
        self.row.prev_close = price;
    }

    /// True if a trade stands before the last one of the same frame on the tape.
    #[inline]
    pub(crate) fn is_before(&mut self, frame: u64, key: TapeKey) -> bool {
        let before = self.frame == frame && key < self.frame_key;
        (self.frame, self.frame_key) = (frame, key);
        before
    }

    /// Rights of a trade, with the marks of [`condition`]; all of them where the venue has no such rules.
    #[inline]
    pub(crate) fn rights(&self, venue: Venue, trade: &Trade, day: &Day) -> ConditionRights {
        if venue != Venue::MassiveStocks {
            return ConditionRights(condition::ALL);
        }
        let conditions = trade.conditions.get(..usize::from(trade.n_conditions)).unwrap_or_default();
        condition::fold(conditions, day.is_regular(trade.ts_event), self.row.trade_count == 0)
    }

    /// Whether a trade is next in a venue's own numbering, where it has one: `sequence` rises by one per symbol on Binance.
    #[inline]
    pub(crate) fn is_next(&mut self, venue: Venue, trade: &Trade) -> bool {
        venue.is_massive() || self.ids.is_next(trade.sequence, trade.ts_event)
    }

    /// True if the trade's stream owns the symbol, now or from now on.
    #[inline]
    pub(crate) fn owns(&mut self, trade: &Trade) -> bool {
        let stream = if trade.flags & TRADE_AGGREGATE != 0 { Owner::Aggregates } else { Owner::Trades };
        if self.owner == Owner::Nobody {
            self.owner = stream;
            // The two streams number their trades apart.
            self.ids = Ids::new();
        }
        self.owner == stream
    }

    /// Applies a trade to the day and the windows; gives what bars need. `now` is engine time. [`Windows::settle`] must follow
    /// those that do not come as they happen.
    #[inline(always)]
    pub(crate) fn trade<const HOW: u8>(&mut self, venue: Venue, trade: &Trade, day: &Day, now: Nanos) -> BarPrint {
        let rights = self.rights(venue, trade, day);
        let late = trade.flags & TRADE_LATE != 0 || rights.has(condition::OUT_OF_SEQUENCE);
        let print = BarPrint::new(trade, rights);
        let sessions = venue.has_us_sessions();
        let row = &mut self.row;
        if HOW != how::FETCHED && print.key >= self.any_key {
            row.last_any = trade.price;
            self.any_key = print.key;
        }
        if rights.has(condition::VOLUME) {
            row.volume += print.size;
            row.notional += print.notional;
            row.trade_count += 1;
        }
        if rights.has(condition::VWAP) {
            row.vw_volume += print.size;
            row.vw_notional += print.notional;
        }
        if rights.has(condition::HIGH_LOW) {
            widen(&mut row.high_day, &mut row.low_day, trade.price);
            if day.is_regular(trade.ts_event) {
                widen(&mut row.high, &mut row.low, trade.price);
            }
        }
        let priced = rights.has(condition::LAST) && !late;
        let moved = HOW != how::FETCHED && priced && print.key >= (row.last_time, self.last_sequence);
        if moved {
            row.last = trade.price;
            row.last_size = trade.size;
            row.last_time = trade.ts_event;
            row.last_date = day.date;
            self.last_sequence = trade.sequence;
        }
        if row.open.is_nan() && rights.has(condition::LAST) {
            let opens = trade.conditions.iter().take(usize::from(trade.n_conditions));
            let opening = opens.copied().any(condition::is_opening) && day.is_regular(trade.ts_event);
            // Options have sessions and no such conditions: their first regular print opens.
            let first = venue != Venue::MassiveStocks && (!sessions || day.is_regular(trade.ts_event));
            if first || opening {
                row.open = trade.price;
            }
        }
        // An official close of US stocks repeats another print and has no rights, so most trades need no look at their
        // conditions; elsewhere the number means something else and all trades have all rights.
        let closes = || trade.conditions.iter().take(usize::from(trade.n_conditions)).copied();
        if rights.0 & condition::ALL == 0 && closes().any(condition::is_official_close) {
            self.official_close = trade.price;
        }
        let counted = rights.has(condition::VOLUME);
        let counts = Print {
            key: print.key,
            price: trade.price,
            size: if counted { print.size } else { 0 },
            notional: if counted { print.notional } else { 0 },
            count: u64::from(counted),
            priced,
        };
        if HOW == how::LIVE {
            self.windows.add(counts, now);
        } else {
            self.windows.put(&counts, now);
        }
        if let Some(derived) = self.collected() {
            let coded = venue == Venue::MassiveStocks;
            derived.trade(&Deal { trade, rights, late, moved, coded, fetched: HOW != how::LIVE }, day, now);
        }
        print
    }

    /// Applies a quote if it is newer than the one held; tells whether it was.
    #[inline]
    pub(crate) fn quote(&mut self, quote: &Quote, now: Nanos) -> bool {
        let row = &mut self.row;
        if (quote.ts_event, quote.sequence) < (row.quote_time, self.quote_sequence) {
            return false;
        }
        self.quote_sequence = quote.sequence;
        row.quote_time = quote.ts_event;
        (row.bid, row.bid_size) = side(quote.bid, quote.bid_size);
        (row.ask, row.ask_size) = side(quote.ask, quote.ask_size);
        if let Some(derived) = self.collected() {
            derived.quote(quote, now);
        }
        true
    }

    /// True for the very quote that is held, and where a venue's numbers never fall for one that it has overtaken: two
    /// connections that overlap deliver everything twice, one a little behind.
    #[inline]
    pub(crate) fn has_quote(&self, quote: &Quote, rising: bool) -> bool {
        // The number first: times are often the same, so nobody can guess the outcome.
        if rising {
            // A venue that begins to count anew is believed after a while.
            quote.sequence <= self.quote_sequence
                && quote.ts_event < self.row.quote_time.saturating_add(OVERLAP)
                && quote.sequence != ID_UNSET
        } else {
            self.quote_sequence == quote.sequence && self.row.quote_time == quote.ts_event && quote.sequence != ID_UNSET
        }
    }

    /// Applies a mark price if it is newer than the one held; tells whether it was. One a time and symbol: what is not newer
    /// was seen before.
    pub(crate) fn mark(&mut self, mark: &Mark) -> bool {
        if mark.ts_event <= self.mark_time {
            return false;
        }
        self.mark_time = mark.ts_event;
        self.row.mark = mark.mark;
        self.row.index = mark.index;
        self.row.funding_rate = mark.funding_rate;
        self.row.next_funding = mark.next_funding;
        true
    }

    /// Applies the value of an index, which has no trades: it is its price, without size or volume. Tells whether it is
    /// newer than the one held.
    pub(crate) fn index(&mut self, value: &Value, day: &Day, now: Nanos) -> bool {
        let row = &mut self.row;
        widen(&mut row.high_day, &mut row.low_day, value.value);
        if day.is_regular(value.ts_event) {
            widen(&mut row.high, &mut row.low, value.value);
            if row.open.is_nan() {
                row.open = value.value;
            }
        }
        let newer = value.ts_event >= row.last_time;
        if newer {
            row.last = value.value;
            row.last_any = value.value;
            row.last_time = value.ts_event;
            row.last_date = day.date;
        }
        let key = (value.ts_event, ID_UNSET);
        self.windows.add(Print { key, price: value.value, size: 0, notional: 0, count: 0, priced: true }, now);
        if let Some(derived) = &mut self.derived {
            let rights = ConditionRights(condition::HIGH_LOW | condition::LAST);
            let (price, ts_event) = (value.value, value.ts_event);
            let trade = Trade { price, price_e8: value.value_e8, ts_event, size: 0.0, size_e8: 0, ..Trade::UNSET };
            derived.trade(
                &Deal { trade: &trade, rights, late: false, moved: newer, coded: false, fetched: false },
                day,
                now,
            );
        }
        newer
    }

    /// The venue's official open, from its bars; it is known better there than here. Tells whether it is news.
    pub(crate) fn official_open(&mut self, price: f64) -> bool {
        let news = std::mem::replace(&mut self.row.open, price) != price;
        if news {
            self.change_derived();
        }
        news
    }

    #[inline]
    fn collected(&mut self) -> Option<&mut Derived> {
        if self.collects { self.derived.as_deref_mut() } else { None }
    }

    /// Something of the row has changed that derived fields are made from.
    fn change_derived(&mut self) {
        if let Some(derived) = &mut self.derived {
            derived.change();
        }
    }

    /// Notes how much of the row an event changed.
    #[inline]
    pub(crate) fn change(&mut self, change: Change) {
        self.unpublished = self.unpublished.max(change as u32);
    }

    /// Puts what changed since the last time, and the times, into the published row.
    #[inline]
    pub(crate) fn publish(&mut self, to: RowWriter<'_>) {
        let row = bytemuck::cast_ref::<Row, [u64; ROW_WORDS]>(&self.row);
        let changed = std::mem::take(&mut self.unpublished) as usize;
        // A number of words that is known is a row of moves.
        if changed <= QUOTE_WORDS {
            to.put(0, &row[..QUOTE_WORDS]);
        } else if changed <= TRADE_WORDS {
            to.put(0, &row[..TRADE_WORDS]);
        } else {
            to.put(0, row);
        }
        if self.windows.take_changed() {
            for slot in 0..self.windows.len() {
                to.put(
                    ROW_WORDS + slot * WINDOW_WORDS,
                    bytemuck::cast_ref::<_, [u64; WINDOW_WORDS]>(&self.windows.row(slot)),
                );
            }
        }
    }

    /// Checks that a trade's sums stay far inside their integers: 10^15 in quote currency each.
    pub(crate) fn fits(trade: &Trade) -> bool {
        const MOST: i128 = 10i128.pow(31);
        (i128::from(trade.size_e8) * i128::from(trade.price_e8)).abs() <= MOST
    }
}

/// A side without a price has none and no size: zero is how venues write "empty".
#[inline]
fn side(price: f64, size: f64) -> (f64, f64) {
    // A future's price may lie below zero; NaN does not differ from zero in this comparison.
    if price.abs() > 0.0 { (price, size) } else { (PRICE_UNSET, PRICE_UNSET) }
}
