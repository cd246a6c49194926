//! Corrections: the trades of a symbol's date counted anew, from its tape as it is known now. Nothing here is on the path of a
//! frame.
//!
//! A trade that is taken back was perhaps the high of the day, and what was next to it is kept nowhere; so whoever learns of a
//! correction brings the whole tape, and everything that is made from it equals a run over that tape. Not so what needs the
//! quotes of that time or the order of events between symbols: sides, ticks and streaks are undefined until they are known
//! anew; bars that are cut by trading stay as they were; a bar that nothing is left of is kept no more and not sent.

use std::collections::BTreeMap;

use ringtape_model::units::{Nanos, TIME_UNSET};
use ringtape_model::{SymbolId, Trade, Venue};

use super::fill::{At, is_sound};
use super::{Change, Engine, Filled, Identity, Moment, SymbolState};
use crate::bar::{BarPrint, Cell};
use crate::state::how;

impl Engine {
    /// Counts the current date of a symbol anew from all of its trades.
    pub fn correct(&mut self, venue: Venue, id: SymbolId, trades: &mut [Trade]) -> Filled {
        let own = &self.venues[venue as usize];
        let (day, now) = (own.day, own.clock.now());
        let mut filled = Filled::default();
        trades.sort_by_key(|trade| (trade.ts_event, trade.sequence));
        let before = self.states[id.0 as usize].row.volume.get();
        let open = self.states[id.0 as usize].forget_trades(now);
        let mut prints = Vec::with_capacity(trades.len());
        for trade in trades {
            (trade.symbol, trade.venue) = (id.0, venue as u8);
            let state = &mut self.states[id.0 as usize];
            if trade.ts_event < day.start || trade.ts_event > now {
                filled.outside += 1;
            } else if !is_sound(trade) || !SymbolState::fits(trade) || !state.owns(trade) {
                filled.refused += 1;
            } else {
                prints.push(state.trade::<{ how::AGAIN }>(venue, trade, &day, now));
                filled.added += 1;
                if venue.is_massive() {
                    filled.known += u64::from(!self.seen.is_new(Identity::of(trade, day.date)));
                }
            }
        }
        let state = &mut self.states[id.0 as usize];
        state.windows.settle(now);
        if state.row.open.is_nan() {
            state.row.open = open;
        }
        for at in 0..self.intervals.len() {
            filled.too_late += self.count_bars(venue, id.0, at, day.start, &prints);
            self.send_changed(venue, id.0, at, (day.start, now), TIME_UNSET);
        }
        if let Some(drift) = self.drifts.get_mut(id.0 as usize) {
            drift.fill(self.states[id.0 as usize].row.volume.get() - before);
        }
        self.stats.corrections += 1;
        self.start_over(venue, id.0);
        // Silently, so that rules which look back compare the next trade with what holds now; twice, for those that look back
        // at what they looked back at (`last crosses_above prev(high)`).
        for _ in 0..2 {
            if let Some(scanner) = &mut self.scanner {
                scanner.rearm(id.0);
            }
            self.scan(Moment::Trade, id.0, now, TIME_UNSET);
        }
        self.mark_dirty(id.0, Change::Whole);
        self.mark_moving(venue, id.0);
        self.publish(venue, TIME_UNSET);
        filled
    }

    /// Makes the time bars of a series since the start of the date anew; gives how many trades found theirs gone.
    fn count_bars(&mut self, venue: Venue, id: u32, at: usize, since: Nanos, prints: &[BarPrint]) -> u64 {
        let mut made = self.bars_from(venue, id, at, prints);
        let forming = self.states[id as usize].forming[at].0;
        if forming.start != TIME_UNSET && forming.start >= since {
            let blank = || self.blank(id, &forming);
            self.states[id as usize].forming[at].0 = made.remove(&forming.start).map_or_else(blank, |(cell, _)| cell);
        }
        let chain = self.pages.chain(at, id as usize);
        for number in (self.pages.first(chain)..self.pages.count(chain)).rev() {
            let held = self.cell(chain, number);
            if held.start < since {
                break;
            }
            let mut cell = made.remove(&held.start).map_or_else(|| self.blank(id, &held), |(cell, _)| cell);
            if !held.is_replaced() && !cell.equals(&held) {
                self.put_bar(id, at, &At::Kept(number), &mut cell, held.is_shown());
            }
        }
        self.add_bars(venue, id, at, made)
    }

    /// Puts bars where none was; gives the number of trades of those whose place is kept no more.
    fn add_bars(&mut self, venue: Venue, id: u32, at: usize, made: BTreeMap<Nanos, (Cell, u64)>) -> u64 {
        let mut gone = 0;
        for (start, (mut cell, trades)) in made {
            match self.find_bar(venue, id, at, start, cell.end) {
                Some((At::Forming, _)) => self.states[id as usize].forming[at].0 = cell,
                Some((place, _)) => self.put_bar(id, at, &place, &mut cell, false),
                None => gone += trades,
            }
        }
        gone
    }

    /// The time bars of a series that trades make, each with their number, by start.
    fn bars_from(&self, venue: Venue, id: u32, at: usize, prints: &[BarPrint]) -> BTreeMap<Nanos, (Cell, u64)> {
        let mut made = BTreeMap::new();
        for print in prints {
            let span = self.venues[venue as usize].span(print.key.0, self.intervals[at]);
            let (cell, trades) = made.entry(span.start).or_insert_with(|| (self.fresh(id, span), 0));
            cell.add(print);
            *trades += 1;
        }
        made
    }

    /// A bar of the same time without trades.
    fn blank(&self, id: u32, cell: &Cell) -> Cell {
        self.fresh(id, crate::bar::span::Span { start: cell.start, end: cell.end })
    }
}
