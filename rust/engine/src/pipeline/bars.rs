//! The engine's side of bars: when they begin, end, are kept, sent and changed. What a bar is stands in `bar/`.

use std::mem::offset_of;

use ringtape_model::event::{BAR_COMPLETE, BAR_REVISED};
use ringtape_model::units::{Nanos, SECOND, TIME_UNSET};
use ringtape_model::{Bar, ConditionRights, Record, SymbolId, Trade, Venue, VenueBar};
use ringtape_ring::{ChainId, Pinned};

use super::{Engine, EngineError, Series, VenueState, words};
use crate::bar::span::Span;
use crate::bar::{BarPrint, BarSpec, CELL_WORDS, Cell, Forming, Sampler};
use crate::coverage::{Hole, Reshape};
use crate::sequence::Order;
use crate::session::Day;
use crate::state::Change;

/// How long after its end a bar may still change.
const REVISE_FOR: Nanos = 900 * SECOND;

/// The series that are asked for, those of time bars first.
pub(super) fn series_of(specs: &[BarSpec]) -> Result<Vec<Series>, EngineError> {
    let mut series: Vec<Series> = Vec::new();
    for &spec in specs {
        if !spec.is_sound() {
            return Err(EngineError::BadBars(spec));
        }
        if series.iter().any(|one| one.spec == spec) {
            return Err(EngineError::SameBars(spec));
        }
        let retention = if spec == BarSpec::Time(SECOND) { 300 } else { 480 };
        series.push(Series { spec, retention });
    }
    series.sort_by_key(|one| one.spec.interval() == 0);
    Ok(series)
}

impl VenueState {
    /// The trading date of a time.
    pub(super) fn day_of(&self, time: Nanos) -> Day {
        if self.day.start <= time && time < self.day_ends { self.day } else { self.calendar.day_at(time).0 }
    }

    /// The time bar of a length that a time falls into.
    pub(super) fn span(&self, time: Nanos, interval: Nanos) -> Span {
        if self.day.start <= time && time < self.day_ends {
            return Span::of(time, interval, &self.day, self.day_ends);
        }
        let (day, next) = self.calendar.day_at(time);
        Span::of(time, interval, &day, next)
    }
}

impl Engine {
    /// The bar of a series that has not ended yet, if it has a price.
    pub fn forming(&self, id: SymbolId, series: usize) -> Option<Bar> {
        let state = self.states.get(id.index())?;
        let cell = match state.forming.get(series) {
            Some(forming) => &forming.0,
            None => &state.samplers.get(series - state.forming.len())?.cell,
        };
        let shown = cell.start != TIME_UNSET && cell.is_shown();
        shown.then(|| cell.to_bar(id.0, state.row.venue as u8, series, self.interval(series), state.row.ts_recv))
    }

    /// Length of the bars of a series, 0 where they do not end by time.
    pub(super) fn interval(&self, series: usize) -> Nanos {
        self.intervals.get(series).copied().unwrap_or_default()
    }

    /// The series that bars as long as a venue's are kept in.
    #[inline]
    pub(super) fn series_of(&self, bar: &VenueBar) -> Option<usize> {
        self.intervals.iter().position(|&interval| interval == bar.ts_end - bar.ts_event)
    }

    /// Upserts by the start of the bar: venues send a bar again when late trades changed it.
    pub(super) fn keep_venue_bar(&mut self, series: usize, id: u32, bar: &Bar) {
        let chain = self.venue_pages.chain(series, id as usize);
        let first = self.venue_pages.first(chain);
        let mut number = self.venue_pages.count(chain);
        while number > first {
            let start = self.venue_pages.word(chain, number - 1, offset_of!(Bar, ts_event) / size_of::<u64>());
            let start = start.cast_signed();
            if start == bar.ts_event {
                return self.venue_pages.replace(chain, number - 1, words(bar));
            }
            if start < bar.ts_event {
                break;
            }
            number -= 1;
        }
        self.venue_pages.insert(chain, number, words(bar));
    }

    /// Adds a trade to the bar of each series of time bars it falls into.
    #[inline]
    pub(super) fn bars_of(&mut self, venue: Venue, id: u32, print: BarPrint, recv: Nanos) {
        let mut all = true;
        for (Forming(cell), &interval) in self.states[id as usize].forming.iter_mut().zip(&self.intervals) {
            // Most trades fall into the bar that forms; a comparison tells, a division would too.
            let inside = cell.holds(print.key.0, interval);
            if inside {
                cell.add(&print);
            }
            all &= inside;
        }
        if !all {
            self.other_bars(venue, id, print, recv);
        }
    }

    /// The same for the series whose forming bar does not hold the trade.
    #[inline(never)]
    fn other_bars(&mut self, venue: Venue, id: u32, print: BarPrint, recv: Nanos) {
        for at in 0..self.intervals.len() {
            let interval = self.intervals[at];
            let forming = &self.states[id as usize].forming[at].0;
            if forming.holds(print.key.0, interval) {
                continue;
            }
            let from = forming.start;
            let span = self.venues[venue as usize].span(print.key.0, interval);
            if from == TIME_UNSET || span.start > from {
                self.start_bar(venue, id, at, span, &print, recv);
            } else if span.start == from && !is_too_late(span.end, self.venues[venue as usize].ended) {
                // A US date outlasts its day bar, which is about to end.
                self.states[id as usize].forming[at].0.add(&print);
            } else {
                self.revise_bar(venue, id, at, span, &print, recv);
            }
        }
    }

    /// Start of the newest bar that was kept.
    fn newest_kept(&self, at: usize, id: u32) -> Option<Nanos> {
        let chain = self.pages.chain(at, id as usize);
        let count = self.pages.count(chain);
        (count > self.pages.first(chain)).then(|| self.cell(chain, count - 1).start)
    }

    /// Ends the forming bar, if there is one, and starts the next with this trade.
    fn start_bar(&mut self, venue: Venue, id: u32, at: usize, span: Span, print: &BarPrint, recv: Nanos) {
        if self.states[id as usize].forming[at].0.start == TIME_UNSET {
            // Nothing forms, but the bar of this trade is over. The time before the frame decides, not that of the frame's
            // newest event: how frames are cut makes no trade late. INVARIANT: a bar that ends after it was never sent.
            if span.end <= self.venues[venue as usize].ended {
                return self.revise_bar(venue, id, at, span, print, recv);
            }
            debug_assert!(self.newest_kept(at, id).is_none_or(|kept| kept < span.start));
            let own = &mut self.venues[venue as usize];
            own.forming[at].push(id);
            own.next_end[at] = own.next_end[at].min(span.end);
        } else {
            self.end_bar(venue, id, at, recv);
        }
        let mut cell = self.fresh(id, span);
        cell.add(print);
        self.states[id as usize].forming[at].0 = cell;
    }

    /// A bar without trades yet; it may lie in a hole.
    pub(super) fn fresh(&self, id: u32, span: Span) -> Cell {
        let mut cell = Cell::new(span.start, span.end);
        cell.reshape(self.states[id as usize].holes_touching(cell.start, cell.end) as i64);
        cell
    }

    /// Keeps the forming bar and sends it.
    fn end_bar(&mut self, venue: Venue, id: u32, at: usize, recv: Nanos) {
        let mut cell = self.states[id as usize].forming[at].0;
        cell.set(BAR_COMPLETE);
        self.keep_bar(venue, id, at, &cell, recv);
    }

    fn keep_bar(&mut self, venue: Venue, id: u32, at: usize, cell: &Cell, recv: Nanos) {
        let chain = self.pages.chain(at, id as usize);
        self.pages.append(chain, words(cell));
        self.send_bar(venue, id, at, cell, recv);
    }

    fn send_bar(&mut self, venue: Venue, id: u32, at: usize, cell: &Cell, recv: Nanos) {
        if !cell.is_shown() {
            return;
        }
        let mut bar = cell.to_bar(id, venue as u8, at, self.interval(at), recv);
        bar.seq = self.next_seq();
        self.rings.bars.push(bytemuck::cast_ref::<_, [u64; Bar::WORDS]>(&bar));
        // Studies are of time bars.
        if self.plan.takes_bars() && bar.interval_ms != 0 {
            self.study(&bar);
            self.mark_dirty(id, Change::Quote);
        }
        self.stats.bars += 1;
        self.stats.bars_revised += u64::from(bar.flags & BAR_REVISED != 0);
        if let Some((_, kept)) = self.pinned.iter().find(|(pinned, _)| *pinned == id) {
            pin(&kept[at], &bar);
        }
    }

    /// A trade for a bar that has ended: changes it exactly as if it had come in time, within 15 minutes.
    #[cold]
    fn revise_bar(&mut self, venue: Venue, id: u32, at: usize, span: Span, print: &BarPrint, recv: Nanos) {
        let chain = self.pages.chain(at, id as usize);
        let (number, found) = self.place(chain, span.start);
        // A chain that was cut at its old end cannot tell whether the bar was sent.
        let is_cut = found.is_none() && number == self.pages.first(chain) && number > 0;
        if is_cut || is_too_late(span.end, self.venues[venue as usize].ended) {
            self.stats.too_late += 1;
            if let Some(mut cell) = found {
                cell.lose();
                self.pages.replace(chain, number, words(&cell));
            }
            return;
        }
        let was_shown = found.is_some_and(|cell| cell.is_shown());
        let mut cell = found.unwrap_or_else(|| self.fresh(id, span));
        cell.add(print);
        cell.set(if was_shown { BAR_COMPLETE | BAR_REVISED } else { BAR_COMPLETE });
        if found.is_some() {
            self.pages.replace(chain, number, words(&cell));
        } else {
            self.pages.insert(chain, number, words(&cell));
        }
        self.send_bar(venue, id, at, &cell, recv);
    }

    /// The number of the kept bar that begins at a time, and the bar; or the number that it would have.
    pub(super) fn place(&self, chain: ChainId, start: Nanos) -> (u64, Option<Cell>) {
        let (mut low, mut high) = (self.pages.first(chain), self.pages.count(chain));
        while low < high {
            let middle = low.midpoint(high);
            if self.start_of(chain, middle) < start { low = middle + 1 } else { high = middle }
        }
        let found = low < self.pages.count(chain) && self.start_of(chain, low) == start;
        (low, found.then(|| self.cell(chain, low)))
    }

    fn start_of(&self, chain: ChainId, number: u64) -> Nanos {
        self.pages.word(chain, number, offset_of!(Cell, start) / size_of::<u64>()).cast_signed()
    }

    /// Ids are missing before the trade that comes: marks the time bars that the hole touches, however long ago they ended,
    /// since what a flag says does not change what readers have added up; and the other bars that form.
    #[cold]
    pub(super) fn open_hole(&mut self, venue: Venue, id: u32, hole: Hole, recv: Nanos) {
        self.reshape_hole(venue, id, &Reshape { was: None, rest: vec![hole] }, recv);
        self.open_sampled_holes(id);
    }

    /// The bars that form and are cut by trading have a hole before the next trade.
    pub(super) fn open_sampled_holes(&mut self, id: u32) {
        for sampler in &mut self.states[id as usize].samplers {
            sampler.open_hole();
        }
    }

    /// Where none of a hole in the ids is missing with the trade that came, tells its bars. One that was too old to take a
    /// trade still lacks it.
    #[cold]
    pub(super) fn close_hole(&mut self, venue: Venue, id: u32, order: Order, recv: Nanos) {
        let Order::Filled(Some(hole)) = order else { return };
        self.reshape_hole(venue, id, &Reshape { was: Some(hole), rest: Vec::new() }, recv);
        self.states[id as usize].fill_gap(hole.0, hole.1);
        self.start_over(venue, id);
    }

    /// Tells the time bars that a hole touches, or touched, of its change; those that were sent are sent again.
    pub(super) fn reshape_hole(&mut self, venue: Venue, id: u32, change: &Reshape, recv: Nanos) {
        for at in 0..self.intervals.len() {
            self.reshape_bars(id, at, change, false);
            self.send_changed(venue, id, at, change.extent(), recv);
        }
    }

    /// The same for the bars of one series, which are to be sent; whole ones are so by what was `fetched`, or not.
    pub(super) fn reshape_bars(&mut self, id: u32, at: usize, change: &Reshape, fetched: bool) {
        self.each_cell(id, at, change.extent(), |cell, is_kept| {
            let had_hole = cell.has_hole();
            cell.reshape(change.change(cell.start, cell.end));
            if cell.has_hole() == had_hole {
                return;
            }
            if fetched && had_hole {
                cell.mark_fetched();
            }
            if is_kept && cell.is_shown() {
                cell.change(true);
            }
        });
    }

    /// Changes the time bars of a series that a stretch of time touches: the one that forms and those that are kept, which
    /// `change` is told.
    fn each_cell(&mut self, id: u32, at: usize, (from, to): Hole, change: impl Fn(&mut Cell, bool)) {
        let forming = &mut self.states[id as usize].forming[at].0;
        if forming.start != TIME_UNSET && forming.touches(from, to) {
            change(forming, false);
        }
        let chain = self.pages.chain(at, id as usize);
        for number in (self.pages.first(chain)..self.pages.count(chain)).rev() {
            let held = self.cell(chain, number);
            if held.end <= from {
                break;
            }
            let mut cell = held;
            if cell.touches(from, to) {
                change(&mut cell, true);
            }
            if words(&cell) != words(&held) {
                self.pages.replace(chain, number, words(&cell));
            }
        }
    }

    /// Sends the kept bars of a series that have changed and that a stretch of time touches, oldest first.
    pub(super) fn send_changed(&mut self, venue: Venue, id: u32, at: usize, (from, to): Hole, recv: Nanos) {
        let chain = self.pages.chain(at, id as usize);
        let (mut number, _) = self.place(chain, from);
        // The one before may reach into it.
        number = number.saturating_sub(1).max(self.pages.first(chain));
        while number < self.pages.count(chain) {
            let mut cell = self.cell(chain, number);
            if cell.start > to {
                break;
            }
            if cell.take_change() {
                self.pages.replace(chain, number, words(&cell));
                self.send_bar(venue, id, at, &cell, recv);
            }
            number += 1;
        }
    }

    pub(super) fn cell(&self, chain: ChainId, number: u64) -> Cell {
        let mut words = [0; CELL_WORDS];
        self.pages.get(chain, number, &mut words);
        bytemuck::cast(words)
    }

    /// Sends every forming time bar of a venue that ends at or before `now`.
    pub(super) fn end_bars(&mut self, venue: Venue, now: Nanos, recv: Nanos) {
        let own = &mut self.venues[venue as usize];
        own.ended = own.ended.max(now);
        for at in 0..self.intervals.len() {
            if now < self.venues[venue as usize].next_end[at] {
                continue;
            }
            let mut waiting = std::mem::take(&mut self.venues[venue as usize].forming[at]);
            let mut next = Nanos::MAX;
            let mut kept = 0;
            for place in 0..waiting.len() {
                self.fetch_ends(&waiting[place..], at);
                let id = waiting[place];
                let end = self.states[id as usize].forming[at].0.end;
                if end > now {
                    next = next.min(end);
                    waiting[kept] = id;
                    kept += 1;
                    continue;
                }
                self.end_bar(venue, id, at, recv);
                self.states[id as usize].forming[at].0.start = TIME_UNSET;
            }
            waiting.truncate(kept);
            let own = &mut self.venues[venue as usize];
            own.forming[at] = waiting;
            own.next_end[at] = next;
        }
    }

    /// Asks for what the ends of bars need that come next: hundreds end together, and none of it is near.
    #[inline]
    fn fetch_ends(&self, waiting: &[u32], at: usize) {
        let ahead =
            |by: usize| waiting.get(by).map(|&id| (&self.states[id as usize], self.pages.chain(at, id as usize)));
        if let Some((state, chain)) = ahead(24) {
            state.fetch_forming();
            self.pages.fetch_head(chain);
        }
        if let Some((state, _)) = ahead(16) {
            state.forming[at].fetch_all();
        }
        if let Some((_, chain)) = ahead(8) {
            self.pages.fetch_cells(chain);
        }
    }

    /// Adds a trade of the current date to the bars that are cut by what is traded.
    #[inline(never)]
    pub(super) fn sample(&mut self, venue: Venue, trade: &Trade, rights: ConditionRights, recv: Nanos) {
        let id = trade.symbol;
        for place in 0..self.sampled {
            let at = self.intervals.len() + place;
            let spec = self.series[at].spec;
            self.stats.bricks_skipped += self.states[id as usize].samplers[place].take(&spec, trade, rights);
            while let Some(mut cell) = self.states[id as usize].samplers[place].completed(&spec) {
                cell.set(BAR_COMPLETE);
                self.keep_bar(venue, id, at, &cell, recv);
            }
        }
    }

    /// A US date is over: what forms of it is sent as it is, and nothing goes on. Other venues trade around the clock.
    pub(super) fn cut_samples(&mut self, venue: Venue, recv: Nanos) {
        if !venue.has_us_sessions() {
            return;
        }
        for number in 0..self.venues[venue as usize].symbols.len() {
            let id = self.venues[venue as usize].symbols[number];
            for place in 0..self.sampled {
                let sampler = &mut self.states[id as usize].samplers[place];
                let cell = std::mem::replace(sampler, Sampler::new()).cell;
                if cell.start != TIME_UNSET && cell.is_shown() {
                    self.keep_bar(venue, id, self.intervals.len() + place, &cell, recv);
                }
            }
        }
    }
}

/// True for a bar that takes no more trades, where those up to `ended` have ended.
fn is_too_late(end: Nanos, ended: Nanos) -> bool {
    end.saturating_add(REVISE_FOR) < ended
}

/// Keeps a pinned series in order. A time bar that is sent again replaces its first form, a late one finds its place; other
/// bars are never sent again, and several may begin at one time.
fn pin(series: &Pinned, bar: &Bar) {
    if bar.interval_ms == 0 {
        return series.push(words(bar));
    }
    let mut held = [0; Bar::WORDS];
    let kept = series.count().min(series.capacity() as u64);
    for back in 0..kept {
        series.get(back, &mut held);
        let start = bytemuck::cast_ref::<_, Bar>(&held).ts_event;
        if start == bar.ts_event {
            return series.replace(back, words(bar));
        }
        if start < bar.ts_event {
            return series.insert(back, words(bar));
        }
    }
    series.insert(kept, words(bar));
}
