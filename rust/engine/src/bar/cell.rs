//! One bar: exact accumulators while it forms and as long as its page is kept, so that a late trade changes a sent bar
//! exactly as if it had come in time.

use bytemuck::{Pod, Zeroable};
use ringtape_model::event::{BAR_COMPLETE, BAR_HAS_HOLE, BAR_REPAIRED, BAR_REVISED, SIDE_BUY, SIDE_NONE, SOURCE_OWN};
use ringtape_model::units::{E8, E16, Nanos, PRICE_UNSET, Wide, notional_to_f64, size_to_f64, vwap_of};
use ringtape_model::{Bar, ConditionRights, Trade, condition};

use ringtape_ring::prefetch;

use crate::window::{TAPE_START, TapeKey, widen};

/// Somebody took a side that was known. Below it stand the public flags.
const SIDED: u64 = 1 << 16;
/// Something of it was fetched later.
const FETCHED: u64 = 1 << 17;
/// A trade of a hole came too late for it.
const LOST: u64 = 1 << 18;
/// It is the venue's word, not the sum of trades.
const REPLACED: u64 = 1 << 19;
/// It has changed since it was sent.
const CHANGED: u64 = 1 << 20;
/// One hole that touches the bar; above it stands their number.
const HOLE: u64 = 1 << 32;

/// One bar as it is kept: sums as integers, first and last price with their places on the tape. What every trade changes
/// comes first.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Cell {
    pub(crate) start: Nanos,
    high: f64,
    low: f64,
    close: f64,
    last_time: Nanos,
    last_sequence: i64,
    trade_count: u64,
    flags: u64,
    volume: Wide,
    notional: Wide,
    vw_volume: Wide,
    vw_notional: Wide,
    buy_volume: Wide,
    open: f64,
    first_time: Nanos,
    first_sequence: i64,
    /// Exclusive end of a time bar; time of the last trade of another.
    pub(crate) end: Nanos,
}

/// A forming bar: of its three cache lines a trade needs two.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Forming(pub(crate) Cell);

impl Forming {
    /// Asks for the lines that a trade needs.
    #[inline(always)]
    pub(crate) fn fetch(&self) {
        prefetch(&self.0.start);
        prefetch(&self.0.volume);
    }

    /// Asks for all of it.
    #[inline(always)]
    pub(crate) fn fetch_all(&self) {
        self.fetch();
        prefetch(&self.0.first_sequence);
    }
}

/// Words of a [`Cell`] in a page.
pub(crate) const CELL_WORDS: usize = size_of::<Cell>() / 8;

/// What a bar takes from a trade.
#[derive(Clone, Copy)]
pub(crate) struct BarPrint {
    pub(crate) key: TapeKey,
    pub(crate) price: f64,
    pub(crate) size: i128,
    pub(crate) notional: i128,
    pub(crate) side: u8,
    pub(crate) rights: ConditionRights,
}

impl BarPrint {
    pub(crate) fn new(trade: &Trade, rights: ConditionRights) -> Self {
        let size = i128::from(trade.size_e8);
        Self {
            key: (trade.ts_event, trade.sequence),
            price: trade.price,
            size,
            notional: size * i128::from(trade.price_e8),
            side: trade.side,
            rights,
        }
    }
}

impl Cell {
    /// A bar without trades.
    pub(crate) fn new(start: Nanos, end: Nanos) -> Self {
        Self {
            start,
            end,
            open: PRICE_UNSET,
            high: PRICE_UNSET,
            low: PRICE_UNSET,
            close: PRICE_UNSET,
            first_time: TAPE_START.0,
            first_sequence: TAPE_START.1,
            last_time: TAPE_START.0,
            last_sequence: TAPE_START.1,
            ..Self::zeroed()
        }
    }

    /// True for a time inside the bar; false for all times where none forms, which begins further back than any bar is
    /// long.
    #[inline]
    pub(crate) fn holds(&self, time: Nanos, interval: Nanos) -> bool {
        time.wrapping_sub(self.start).cast_unsigned() < interval.cast_unsigned()
    }

    /// Takes a trade with the rights its conditions leave it.
    #[inline]
    pub(crate) fn add(&mut self, print: &BarPrint) {
        if print.rights.has(condition::VOLUME) {
            self.volume += print.size;
            self.notional += print.notional;
            self.trade_count += 1;
            if print.side == SIDE_BUY {
                self.buy_volume += print.size;
            }
            if print.side != SIDE_NONE {
                self.flags |= SIDED;
            }
        }
        if print.rights.has(condition::VWAP) {
            self.vw_volume += print.size;
            self.vw_notional += print.notional;
        }
        if print.rights.has(condition::HIGH_LOW) {
            widen(&mut self.high, &mut self.low, print.price);
        }
        if print.rights.has(condition::LAST) {
            // In line, a trade is never before the first.
            if print.key >= (self.last_time, self.last_sequence) {
                if self.last_time == TAPE_START.0 {
                    self.set_first(print);
                }
                self.close = print.price;
                (self.last_time, self.last_sequence) = print.key;
            } else if print.key < (self.first_time, self.first_sequence) {
                self.set_first(print);
            }
        }
    }

    fn set_first(&mut self, print: &BarPrint) {
        self.open = print.price;
        (self.first_time, self.first_sequence) = print.key;
    }

    /// A bar without a price is kept for its volume but never shown: no qualifying trade, no bar.
    #[inline]
    pub(crate) fn is_shown(&self) -> bool {
        !self.open.is_nan()
    }

    /// Shows other prices than those of its trades.
    pub(crate) fn set_prices(&mut self, open: f64, close: f64) {
        (self.open, self.close) = (open, close);
        (self.low, self.high) = if open < close { (open, close) } else { (close, open) };
    }

    /// Sets public flags.
    pub(crate) fn set(&mut self, flags: u16) {
        self.flags |= u64::from(flags);
    }

    /// Sum of its sizes in 1e-8.
    pub(crate) fn volume(&self) -> i128 {
        self.volume.get()
    }

    /// True where both have the same trades in them, whatever their flags say beside that.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        let bare = |cell: &Self| bytemuck::cast::<_, [u64; CELL_WORDS]>(Self { flags: cell.flags & SIDED, ..*cell });
        bare(self) == bare(other)
    }

    /// True where a moment from `from` to `to`, both included, lies in the bar.
    pub(crate) fn touches(&self, from: Nanos, to: Nanos) -> bool {
        self.start <= to && from < self.end
    }

    /// One more hole touches the bar.
    pub(crate) fn open_hole(&mut self) {
        self.flags += HOLE;
    }

    /// Something is missing in it.
    pub(crate) fn has_hole(&self) -> bool {
        self.flags >= HOLE || self.flags & LOST != 0
    }

    /// More or fewer holes touch the bar. One that the venue gave whole has none.
    pub(crate) fn reshape(&mut self, change: i64) {
        let held = (self.flags / HOLE).cast_signed();
        if self.flags & REPLACED == 0 {
            self.flags = self.flags % HOLE + (held + change).max(0).cast_unsigned() * HOLE;
        }
    }

    /// A trade came too late for it, which it lacks for good if it has a hole.
    pub(crate) fn lose(&mut self) {
        self.flags |= if self.has_hole() { LOST } else { 0 };
    }

    /// Notes that something of it was fetched later.
    pub(crate) fn mark_fetched(&mut self) {
        self.flags |= FETCHED;
    }

    /// True for a bar that the venue gave whole.
    pub(crate) fn is_replaced(&self) -> bool {
        self.flags & REPLACED != 0
    }

    /// Notes that it has to be sent; one that was sent before is revised.
    pub(crate) fn change(&mut self, was_shown: bool) {
        self.flags |= CHANGED;
        self.set(if was_shown { BAR_COMPLETE | BAR_REVISED } else { BAR_COMPLETE });
    }

    /// Whether it has to be sent, asked once.
    pub(crate) fn take_change(&mut self) -> bool {
        let changed = self.flags & CHANGED != 0;
        self.flags &= !CHANGED;
        changed
    }

    /// The venue's word for all of the bar. Trades that come later count in it and do not move its ends.
    pub(crate) fn replaced(&self, bar: &Bar) -> Self {
        let volume = i128::from(bar.volume_e8);
        let weighted = if bar.vwap.is_nan() { 0 } else { scaled(bar.vwap, E8 as f64).saturating_mul(volume) };
        let notional = if bar.dollar_volume.is_nan() { weighted } else { scaled(bar.dollar_volume, E16 as f64) };
        let sides = if bar.buy_volume.is_nan() { 0 } else { SIDED };
        Self {
            open: bar.open,
            high: bar.high,
            low: bar.low,
            close: bar.close,
            first_time: self.start,
            first_sequence: i64::MIN,
            last_time: self.end,
            last_sequence: i64::MAX,
            trade_count: bar.trade_count.max(0).cast_unsigned(),
            volume: Wide::new(volume),
            notional: Wide::new(notional),
            vw_volume: Wide::new(volume),
            vw_notional: Wide::new(if bar.vwap.is_nan() { notional } else { weighted }),
            buy_volume: Wide::new(if sides == 0 { 0 } else { scaled(bar.buy_volume, E8 as f64) }),
            flags: ((self.flags % HOLE) & !LOST) | sides | FETCHED | REPLACED,
            ..Self::new(self.start, self.end)
        }
    }

    /// The public record; `interval` is 0 for bars that do not end by time.
    pub(crate) fn to_bar(self, symbol: u32, venue: u8, series: usize, interval: Nanos, ts_recv: Nanos) -> Bar {
        let hole = match (self.has_hole(), self.flags & FETCHED != 0) {
            (true, _) => BAR_HAS_HOLE,
            (false, true) => BAR_REPAIRED,
            (false, false) => 0,
        };
        Bar {
            seq: 0,
            ts_event: self.start,
            ts_end: self.end,
            ts_recv,
            open: self.open,
            // INVARIANT: in the conditions table the right to set the last price never comes without the right to
            // set extremes, so `low <= open, close <= high`.
            high: self.high,
            low: self.low,
            close: self.close,
            volume: size_to_f64(self.volume.get()),
            volume_e8: i64::try_from(self.volume.get()).unwrap_or(i64::MAX),
            dollar_volume: notional_to_f64(self.notional.get()),
            vwap: vwap_of(self.vw_notional.get(), self.vw_volume.get()).unwrap_or(PRICE_UNSET),
            buy_volume: if self.flags & SIDED == 0 { PRICE_UNSET } else { size_to_f64(self.buy_volume.get()) },
            trade_count: self.trade_count as i64,
            symbol,
            interval_ms: (interval / 1_000_000) as u32,
            venue,
            source: SOURCE_OWN,
            flags: self.flags as u16 | hole,
            conn: 0,
            series: series as u16,
        }
    }
}

/// A double in whole parts of a unit.
fn scaled(value: f64, unit: f64) -> i128 {
    (value * unit).round() as i128
}
