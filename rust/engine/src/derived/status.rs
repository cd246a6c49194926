//! What the venue says of a symbol beside trades and quotes: price bands, halts, auctions, 24-hour statistics.

use ringtape_model::plain::{Band, Imbalance, Ticker};
use ringtape_model::units::{Nanos, PRICE_UNSET, SECOND, TIME_UNSET};
use ringtape_model::{Field, Row, condition};

use super::{Deal, View};
use crate::session::Phase;

/// [`Band::indicators`]: trading is halted or paused; sent for Nasdaq-listed stocks.
const INDICATOR_HALT: u16 = 17;
/// [`Band::indicators`]: the re-opening begins.
const INDICATOR_REOPENING: u16 = 18;
/// How long an auction's imbalance is news.
const IMBALANCE_AGE: Nanos = 300 * SECOND;

/// Whether a symbol trades; the codes are places in [`ringtape_model::field::HALT_NAMES`].
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum State {
    Trading = 0,
    Halted = 2,
    Reopening = 4,
    Closed = 5,
}

/// Bands and halts of one symbol.
///
/// A halt begins with indicator 17, or with the first imbalance of a halt auction (NYSE sends no indicators). It ends with
/// the first trade that says that it re-opens, or after indicator 18 with any trade that may set the last price: prints of
/// before the halt may come after it, so not every trade ends it.
pub(crate) struct Halt {
    /// `None` where it may have been halted before anybody asked.
    state: Option<State>,
    bands: (f64, f64),
    bands_time: Nanos,
    /// The newest halt of the date: when it began, the price before it, the first trade after it.
    began: Nanos,
    before: f64,
    resumed: Nanos,
    count: u32,
    /// What the newest marker said of the short-sale restriction.
    restricted: Option<bool>,
}

impl Halt {
    pub(crate) fn new(since: Nanos) -> Self {
        Self {
            state: (since == Nanos::MIN).then_some(State::Trading),
            bands: (PRICE_UNSET, PRICE_UNSET),
            bands_time: TIME_UNSET,
            began: TIME_UNSET,
            before: PRICE_UNSET,
            resumed: TIME_UNSET,
            count: 0,
            restricted: None,
        }
    }

    pub(crate) fn band(&mut self, band: &Band, row: &Row) {
        if band.ts_event < self.bands_time {
            return;
        }
        self.bands_time = band.ts_event;
        let price = |price: f64| if price > 0.0 { price } else { PRICE_UNSET };
        self.bands = (price(band.high), price(band.low));
        let indicators = band.indicators.iter().take(usize::from(band.n_indicators));
        match indicators.copied().find(|&one| matches!(one, INDICATOR_HALT | INDICATOR_REOPENING)) {
            Some(INDICATOR_HALT) => self.halt(band.ts_event, row),
            Some(_) if self.state != Some(State::Trading) => self.state = Some(State::Reopening),
            Some(_) => {}
            None => _ = self.state.get_or_insert(State::Trading),
        }
    }

    pub(crate) fn imbalance(&mut self, imbalance: &Imbalance, row: &Row) {
        if imbalance.auction_type == b'H' && self.resumed <= imbalance.ts_event {
            self.halt(imbalance.ts_event, row);
        }
    }

    /// A halt begins; that it goes on is said more than once.
    fn halt(&mut self, time: Nanos, row: &Row) {
        if matches!(self.state, Some(State::Halted | State::Reopening)) {
            return;
        }
        self.state = Some(State::Halted);
        (self.began, self.before, self.resumed) = (time, row.last, TIME_UNSET);
        self.count += 1;
    }

    pub(crate) fn trade(&mut self, deal: &Deal<'_>) {
        if deal.any(condition::is_restriction) {
            self.restricted = Some(!deal.any(condition::ends_restriction));
        }
        let opens = deal.has(condition::VOLUME) && deal.any(condition::is_reopening);
        let ends = match self.state {
            Some(State::Halted) => opens,
            Some(State::Reopening) => opens || deal.is_priced(),
            Some(_) => false,
            None => deal.moved,
        };
        if ends && deal.trade.ts_event >= self.began {
            self.state = Some(State::Trading);
            self.resumed = if self.count > 0 { deal.trade.ts_event } else { TIME_UNSET };
        }
    }

    /// A new date: bands and counts begin anew, a halt goes on.
    pub(crate) fn roll(&mut self) {
        let fresh = Self::new(Nanos::MIN);
        *self = match self.state {
            Some(State::Trading) => fresh,
            state => Self { state, began: self.began, before: self.before, count: self.count.min(1), ..fresh },
        };
    }

    /// Trading was halted on this date and has not resumed.
    pub(crate) fn is_halted(&self) -> bool {
        matches!(self.state, Some(State::Halted | State::Reopening))
    }

    pub(crate) fn value(&self, field: Field, view: &View<'_>) -> f64 {
        let since = |time: Nanos| if time == TIME_UNSET { PRICE_UNSET } else { view.seconds_since(time) };
        let (up, down) = self.bands;
        match field {
            Field::LuldUp => up,
            Field::LuldDown => down,
            Field::LuldDistUp => up / view.row.last - 1.0,
            Field::LuldDistDown => 1.0 - down / view.row.last,
            Field::LimitState => self.limit_state(view.row),
            Field::HaltState if view.day.phase(view.now) == Phase::Closed => f64::from(State::Closed as u8),
            Field::HaltState => self.state.map_or(PRICE_UNSET, |state| f64::from(state as u8)),
            Field::HaltSince => since(self.began),
            Field::HaltCount if self.count > 0 => f64::from(self.count),
            Field::SinceResume => since(self.resumed),
            Field::ChangeSinceHalt => view.row.last / self.before - 1.0,
            Field::SsrActive => self.is_restricted(view),
            _ => PRICE_UNSET,
        }
    }

    /// A place in [`ringtape_model::field::LIMIT_NAMES`].
    fn limit_state(&self, row: &Row) -> f64 {
        let (up, down) = self.bands;
        if up.is_nan() || down.is_nan() || (row.bid.is_nan() && row.ask.is_nan()) {
            PRICE_UNSET
        } else if row.bid >= up {
            1.0
        } else if row.ask <= down {
            2.0
        } else if row.bid < down || row.ask > up {
            3.0
        } else {
            0.0
        }
    }

    /// By the newest marker; without one, after a fall of a tenth on this date or the one before.
    fn is_restricted(&self, view: &View<'_>) -> f64 {
        let fell = |low: f64, close: f64| low * 10.0 <= close * 9.0;
        let today = fell(view.row.low, view.row.prev_close);
        let yesterday =
            view.dated().and_then(|reference| reference.days.fall()).is_some_and(|(low, close)| fell(low, close));
        match self.restricted {
            Some(restricted) => f64::from(u8::from(restricted)),
            None if view.row.prev_close.is_nan() => PRICE_UNSET,
            None => f64::from(u8::from(today || yesterday)),
        }
    }
}

/// The newest imbalance of an auction.
#[derive(Default)]
pub(crate) struct Auction(Option<Imbalance>);

impl Auction {
    pub(crate) fn imbalance(&mut self, imbalance: &Imbalance) {
        if self.0.is_none_or(|held| held.ts_event <= imbalance.ts_event) {
            self.0 = Some(*imbalance);
        }
    }

    pub(crate) fn value(&self, field: Field, view: &View<'_>) -> f64 {
        let Some(held) = self.0.filter(|held| view.now - held.ts_event <= IMBALANCE_AGE) else { return PRICE_UNSET };
        match field {
            Field::NoiQty => held.imbalance,
            Field::NoiPaired => held.paired,
            Field::NoiPrice if held.clearing_price > 0.0 => held.clearing_price,
            Field::NoiDev if held.clearing_price > 0.0 => held.clearing_price / view.row.last - 1.0,
            Field::NoiRatio => held.imbalance.abs() / (held.imbalance.abs() + held.paired),
            Field::NoiType => b"?OMHCPR".iter().position(|&letter| letter == held.auction_type).unwrap_or(0) as f64,
            _ => PRICE_UNSET,
        }
    }

    /// Whether the imbalance is still news.
    pub(crate) fn is_moving(&self, now: Nanos) -> bool {
        // Once more after its end, so that everybody learns of it.
        self.0.is_some_and(|held| now - held.ts_event <= IMBALANCE_AGE + 2 * SECOND)
    }
}

/// The venue's statistics of 24 hours.
#[derive(Default)]
pub(crate) struct Rolling24(Option<Ticker>);

impl Rolling24 {
    pub(crate) fn ticker(&mut self, ticker: &Ticker) {
        if self.0.is_none_or(|held| held.ts_event <= ticker.ts_event) {
            self.0 = Some(*ticker);
        }
    }

    pub(crate) fn value(&self, field: Field) -> f64 {
        match (self.0, field) {
            (Some(held), Field::Change24h) => held.last / held.open - 1.0,
            (Some(held), Field::Volume24h) => held.volume,
            _ => PRICE_UNSET,
        }
    }
}
