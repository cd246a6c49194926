//! What is fetched later: trades of a hole, merged as if they had come late, and a venue's bars where trades are not to be
//! had. Nothing here is on the path of a frame.
//!
//! A fetched trade counts in the day, the windows and the time bars of its own time. It is never the last price, has no side
//! but the one that the venue tells, completes no bar that is cut by trading, is in no event ring, and no rule sees it.
//! Bars are changed however old they are, as long as they are kept: the rule of 15 minutes is for what comes by itself.

use ringtape_model::event::{TRADE_AGGREGATE, TRADE_LATE};
use ringtape_model::units::{Nanos, TIME_UNSET};
use ringtape_model::{Bar, SymbolId, Trade, Venue, VenueBar, condition};

use super::{Change, Drift, Engine, EngineError, Identity, SymbolState, VolumeGap, words};
use crate::bar::{BarPrint, Cell};
use crate::coverage::{Hole, Reshape};
use crate::sequence::Order;
use crate::state::how;

/// Records of missing volume kept for the next who asks.
const VOLUME_GAPS_MAX: usize = 10_000;

/// What became of fetched trades or bars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// Trades that were missing and are applied now; bars that took the place of ours.
    pub added: u64,
    /// Trades that had come before; bars that ours need no help from.
    pub known: u64,
    /// Trades behind the end of the hole or engine time; bars that have not ended.
    pub outside: u64,
    /// Trades of the stream that does not own the symbol, or with numbers that cannot be.
    pub refused: u64,
    /// Trades whose bar is not kept any more, for each series.
    pub too_late: u64,
}

/// Where a time bar is.
pub(super) enum At {
    Forming,
    Kept(u64),
    New(u64),
}

impl Engine {
    /// Merges trades of a symbol that were fetched later, and takes the stretch from one time to another for filled.
    ///
    /// Those that have come before are known by their identity, so a stretch may begin earlier than its hole. Ids that are
    /// missing all the same stay a hole.
    pub fn backfill(&mut self, venue: Venue, id: SymbolId, trades: &mut [Trade], (from, to): Hole) -> Filled {
        let mut filled = Filled::default();
        let now = self.venues[venue as usize].clock.now();
        let before = self.states[id.0 as usize].row.volume.get();
        trades.sort_by_key(|trade| (trade.ts_event, trade.sequence));
        let (mut prints, mut changes) = (Vec::new(), Vec::new());
        for trade in trades {
            (trade.symbol, trade.venue) = (id.0, venue as u8);
            if trade.ts_event > to.min(now) {
                filled.outside += 1;
            } else if self.is_missing(venue, trade, &mut filled, &mut changes) {
                prints.push(self.merge(venue, trade, now));
                filled.added += 1;
            }
        }
        self.states[id.0 as usize].windows.settle(now);
        changes.extend(self.states[id.0 as usize].fill_outage(from, to));
        for hole in changes.iter().filter_map(|change| change.was) {
            self.states[id.0 as usize].fill_gap(hole.0, hole.1);
        }
        let times = prints.iter().map(|print: &BarPrint| (print.key.0, print.key.0));
        let all = changes.iter().map(Reshape::extent).chain(times);
        let extent = all.fold((Nanos::MAX, Nanos::MIN), |(from, to), one| (from.min(one.0), to.max(one.1)));
        for at in 0..self.intervals.len() {
            // Bars that are new begin with the holes that are left, so the others have to know of these first.
            for change in &changes {
                self.reshape_bars(id.0, at, change, true);
            }
            filled.too_late += self.merge_bars(venue, id.0, at, &prints);
            self.send_changed(venue, id.0, at, extent, TIME_UNSET);
        }
        if let Some(drift) = self.drifts.get_mut(id.0 as usize) {
            drift.fill(self.states[id.0 as usize].row.volume.get() - before);
        }
        self.stats.backfilled += filled.added;
        self.stats.backfill_duplicates += filled.known;
        self.stats.too_late += filled.too_late;
        self.start_over(venue, id.0);
        self.mark_dirty(id.0, Change::Trade);
        self.publish(venue, TIME_UNSET);
        filled
    }

    /// Puts a venue's bars in the place of ours that have a hole, or of those that a hole swallowed, in the series of that
    /// length. Windows and sums of the day do not change, and the hole stays one for all other series.
    ///
    /// # Errors
    ///
    /// No bars of that length are kept.
    pub fn backfill_bars(
        &mut self,
        venue: Venue,
        id: SymbolId,
        interval: Nanos,
        bars: &[Bar],
    ) -> Result<Filled, EngineError> {
        let at = self.series_at(interval);
        let at = at.ok_or_else(|| EngineError::NoSeries(interval, self.intervals.to_vec()))?;
        let mut filled = Filled::default();
        for bar in bars {
            self.replace_bar(venue, id.0, at, bar, &mut filled);
        }
        self.mark_dirty(id.0, Change::Quote);
        self.publish(venue, TIME_UNSET);
        Ok(filled)
    }

    /// Compares the day's volume at the end of a venue's second bar with what came up to then.
    pub(super) fn compare_volume(&mut self, venue: Venue, at: usize, bar: &VenueBar) {
        let (id, state) = (bar.symbol, &self.states[bar.symbol as usize]);
        let day = &self.venues[venue as usize].day;
        if state.row.trade_count == 0 || state.row.date != day.date || bar.ts_event < day.start {
            return;
        }
        let forming = &state.forming[at].0;
        let mut later = if forming.start >= bar.ts_end { forming.volume() } else { 0 };
        let chain = self.pages.chain(at, id as usize);
        for number in (self.pages.first(chain)..self.pages.count(chain)).rev() {
            let cell = self.cell(chain, number);
            if cell.start < bar.ts_end {
                break;
            }
            later += cell.volume();
        }
        let ours = state.row.volume.get() - later;
        if self.drifts.len() <= id as usize {
            self.drifts.resize(id as usize + 1, Drift::NEW);
        }
        let loss = self.drifts[id as usize].compare(day.date, bar.ts_end, bar.day_volume_e8.into(), ours);
        let Some((from, to, missing)) = loss else { return };
        // What an outage or a hole in ids took is told already.
        if self.states[id as usize].holes_touching(from, to) > 0 {
            return;
        }
        self.stats.volume_gaps += 1;
        if self.volume_gaps.len() < VOLUME_GAPS_MAX {
            let missing_e8 = i64::try_from(missing).unwrap_or(i64::MAX);
            self.volume_gaps.push(VolumeGap { venue, symbol: SymbolId(id), from, to, missing_e8 });
        }
    }

    /// A time for which the venue's trading days are not known yet, see [`Engine::add_days`].
    pub fn uncovered_of(&self, venue: Venue, mut times: impl Iterator<Item = Nanos>) -> Option<Nanos> {
        let calendar = &self.venues[venue as usize].calendar;
        times.find(|&time| venue.has_us_sessions() && !calendar.covers(time))
    }

    /// Whether a trade is one that did not come; then its identity is known from now on.
    fn is_missing(&mut self, venue: Venue, trade: &Trade, filled: &mut Filled, changes: &mut Vec<Reshape>) -> bool {
        let id = trade.symbol;
        let state = &mut self.states[id as usize];
        if !is_sound(trade) || !SymbolState::fits(trade) || !state.owns(trade) {
            filled.refused += 1;
            return false;
        }
        let date = self.venues[venue as usize].day_of(trade.ts_event).date;
        let is_new = !venue.is_massive() || self.seen.is_new(Identity::of(trade, date));
        let is_next = is_new && self.states[id as usize].is_next(venue, trade);
        let order = match (is_new, is_next) {
            (false, _) => Order::Duplicate,
            (_, true) => Order::Next,
            _ => self.reorder(venue, trade, TIME_UNSET),
        };
        if order == Order::Duplicate {
            filled.known += 1;
            return false;
        }
        if let Order::Filled(Some(hole)) = order {
            changes.push(Reshape { was: Some(hole), rest: Vec::new() });
        }
        true
    }

    /// Applies a trade to the day and the windows; gives what bars take from it.
    fn merge(&mut self, venue: Venue, trade: &mut Trade, now: Nanos) -> BarPrint {
        let own = &self.venues[venue as usize];
        let (day, current) = (own.day_of(trade.ts_event), trade.ts_event >= own.day.start);
        let state = &mut self.states[trade.symbol as usize];
        let print = if current {
            state.trade::<{ how::FETCHED }>(venue, trade, &day, now)
        } else {
            BarPrint::new(trade, state.rights(venue, trade, &day))
        };
        self.stats.previous_date += u64::from(!current);
        let late = trade.flags & TRADE_LATE != 0 || print.rights.has(condition::OUT_OF_SEQUENCE);
        self.stats.late += u64::from(late && current);
        self.stats.unknown_conditions += u64::from(print.rights.has(condition::UNKNOWN));
        print
    }

    /// Adds trades, oldest first, to the bars of a series; gives how many found theirs gone.
    fn merge_bars(&mut self, venue: Venue, id: u32, at: usize, prints: &[BarPrint]) -> u64 {
        let interval = self.intervals[at];
        let mut rest = prints;
        let mut too_late = 0;
        while let Some(first) = rest.first() {
            let span = self.venues[venue as usize].span(first.key.0, interval);
            let inside = rest.iter().take_while(|print| print.key.0 < span.end || print.key.0 == first.key.0).count();
            let (these, others) = rest.split_at(inside);
            rest = others;
            let Some((place, mut cell)) = self.find_bar(venue, id, at, span.start, span.end) else {
                too_late += these.len() as u64;
                continue;
            };
            if cell.is_replaced() {
                continue;
            }
            let was_shown = cell.is_shown();
            for print in these {
                cell.add(print);
            }
            cell.mark_fetched();
            match place {
                At::Forming => self.states[id as usize].forming[at].0 = cell,
                At::Kept(_) | At::New(_) => self.put_bar(id, at, &place, &mut cell, was_shown),
            }
        }
        too_late
    }

    /// Keeps a bar that has ended and has changed.
    pub(super) fn put_bar(&mut self, id: u32, at: usize, place: &At, cell: &mut Cell, was_shown: bool) {
        let chain = self.pages.chain(at, id as usize);
        cell.change(was_shown && matches!(place, At::Kept(_)));
        match *place {
            At::Kept(number) => self.pages.replace(chain, number, words(cell)),
            At::New(number) => self.pages.insert(chain, number, words(cell)),
            At::Forming => {}
        }
    }

    /// The bar of a span: the one that forms, one that is kept, or one that is new; nothing where it is kept no more.
    pub(super) fn find_bar(
        &mut self,
        venue: Venue,
        id: u32,
        at: usize,
        start: Nanos,
        end: Nanos,
    ) -> Option<(At, Cell)> {
        let span = crate::bar::span::Span { start, end };
        let forming = self.states[id as usize].forming[at].0;
        if forming.start == start {
            return Some((At::Forming, forming));
        }
        let own = &mut self.venues[venue as usize];
        if forming.start == TIME_UNSET && end > own.ended {
            // It has not ended, and nothing came for it yet.
            own.forming[at].push(id);
            own.next_end[at] = own.next_end[at].min(end);
            return Some((At::Forming, self.fresh(id, span)));
        }
        let chain = self.pages.chain(at, id as usize);
        let (number, found) = self.place(chain, start);
        if let Some(cell) = found {
            return Some((At::Kept(number), cell));
        }
        let is_cut = number == self.pages.first(chain) && number > 0;
        (!is_cut).then(|| (At::New(number), self.fresh(id, span)))
    }

    fn replace_bar(&mut self, venue: Venue, id: u32, at: usize, bar: &Bar, filled: &mut Filled) {
        let own = &self.venues[venue as usize];
        let span = own.span(bar.ts_event, self.intervals[at]);
        if !is_sound_bar(bar) || span.start != bar.ts_event {
            filled.refused += 1;
            return;
        }
        if span.end > own.ended {
            filled.outside += 1;
            return;
        }
        let chain = self.pages.chain(at, id as usize);
        let (number, found) = self.place(chain, span.start);
        let held = found.unwrap_or_else(|| self.fresh(id, span));
        if found.is_none() && number == self.pages.first(chain) && number > 0 {
            filled.too_late += 1;
            return;
        }
        if !held.has_hole() {
            filled.known += 1;
            return;
        }
        let mut cell = held.replaced(bar);
        let place = if found.is_some() { At::Kept(number) } else { At::New(number) };
        self.put_bar(id, at, &place, &mut cell, held.is_shown());
        self.send_changed(venue, id, at, (span.start, span.start), TIME_UNSET);
        filled.added += 1;
    }
}

/// A trade as the decoder would let it pass.
pub(super) fn is_sound(trade: &Trade) -> bool {
    let agrees =
        |value: f64, e8: i64| value.is_finite() && (value * 1e8 - e8 as f64).abs() <= 1.0 + (e8 as f64).abs() * 1e-15;
    let flags = trade.flags & !(TRADE_AGGREGATE | TRADE_LATE) == 0;
    let codes = usize::from(trade.n_conditions) <= trade.conditions.len() && trade.side <= 2 && flags;
    codes && agrees(trade.price, trade.price_e8) && agrees(trade.size, trade.size_e8) && trade.size_e8 >= 0
}

/// A bar whose prices fit together.
fn is_sound_bar(bar: &Bar) -> bool {
    let inside = |price: f64| bar.low <= price && price <= bar.high;
    let finite = [bar.open, bar.high, bar.low, bar.close].iter().all(|price| price.is_finite());
    finite && inside(bar.open) && inside(bar.close) && bar.volume_e8 >= 0
}
