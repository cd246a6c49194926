//! Counters: nothing is dropped without being counted by its reason, and repeats do not grow anything.

use ringtape_model::units::Nanos;
use ringtape_model::{Kind, Venue};
use ringtape_wire::{DecodeError, ErrorKind, Skip, SkipReason};

/// Most distinct kind names that are counted by name.
const KINDS_MAX: usize = 64;
/// Bytes of a rejected frame that are kept as its sample.
const SAMPLE_LEN: usize = 64;
/// Counters that are plain numbers.
const NUMBERS: usize = 37;

/// The newest rejected frame of one kind.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// How many there were.
    pub count: u64,
    /// Receive time of the first.
    pub first: Nanos,
    /// Receive time of the last.
    pub last: Nanos,
    /// Where the first failed.
    pub offset: usize,
    /// First bytes of the first.
    pub bytes: Vec<u8>,
}

/// Everything an engine counts.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Frames given to `feed`.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Trades applied.
    pub trades: u64,
    /// Quotes applied.
    pub quotes: u64,
    /// Venue bars applied.
    pub venue_bars: u64,
    /// Mark prices applied.
    pub marks: u64,
    /// Records of the plain kinds handed on, in the order of [`Kind::PLAIN`].
    pub plain: [u64; Kind::PLAIN.len()],
    /// Rare events of variable shape.
    pub notices: u64,
    /// Rare events dropped because nobody drained.
    pub notices_lost: u64,
    /// Control messages.
    pub control: u64,
    /// Control messages dropped because nobody drained.
    pub control_lost: u64,
    /// Rejected frames by kind.
    pub rejected: [Sample; ErrorKind::COUNT],
    /// Skipped events by reason.
    pub skipped: [u64; SkipReason::COUNT],
    /// Skipped events by their own kind name, for unknown and unsupported kinds.
    pub kinds: Vec<(String, u64)>,
    /// Skipped events whose kind name came when all places were taken.
    pub kinds_other: u64,
    /// Events of symbols that found the table full.
    pub symbols_refused: u64,
    /// Events too far in the future.
    pub quarantined: u64,
    /// Events of a trading date that is over: trades count in their bars only, quotes, marks and values of
    /// indices not at all.
    pub previous_date: u64,
    /// Events whose numbers, taken together, do not fit (price × size over the exact range).
    pub overflow: u64,
    /// Trades and quotes dropped because they were seen.
    pub duplicates: u64,
    /// Trades that came out of their symbol's order.
    pub out_of_order: u64,
    /// Trades printed late on the tape.
    pub late: u64,
    /// Gaps in trade ids.
    pub gaps: u64,
    /// Trades missing in those gaps.
    pub missing: u64,
    /// Records of those gaps dropped because nobody took them.
    pub id_gaps_lost: u64,
    /// Times that a venue counted more volume than had come.
    pub volume_gaps: u64,
    /// Trades fetched later and applied.
    pub backfilled: u64,
    /// Times that the trades of a date were counted anew.
    pub corrections: u64,
    /// Trades fetched later that had come before.
    pub backfill_duplicates: u64,
    /// Trades of the stream that does not own the symbol (Binance `trade` beside `aggTrade`).
    pub not_owner: u64,
    /// Trades with a condition that the table does not know.
    pub unknown_conditions: u64,
    /// Own bars sent.
    pub bars: u64,
    /// Own bars sent again after a late trade.
    pub bars_revised: u64,
    /// Trades too late to change a bar.
    pub too_late: u64,
    /// Renko bricks that were left out because one trade completed more than 256.
    pub bricks_skipped: u64,
    /// Signals.
    pub signals: u64,
}

impl Stats {
    #[cold]
    pub(crate) fn reject(&mut self, error: DecodeError, frame: &[u8], recv: Nanos) {
        let sample = &mut self.rejected[error.kind as usize];
        if sample.count == 0 {
            sample.first = recv;
            sample.offset = error.offset;
            sample.bytes = frame[..frame.len().min(SAMPLE_LEN)].to_vec();
        }
        sample.count += 1;
        sample.last = recv;
    }

    #[cold]
    pub(crate) fn skip(&mut self, skip: &Skip) {
        self.skipped[skip.reason as usize] += 1;
        if !matches!(skip.reason, SkipReason::UnknownKind | SkipReason::UnsupportedKind) {
            return;
        }
        if let Some((_, count)) = self.kinds.iter_mut().find(|(name, _)| name == skip.kind()) {
            *count += 1;
        } else if self.kinds.len() < KINDS_MAX {
            self.kinds.push((skip.kind().to_owned(), 1));
        } else {
            self.kinds_other += 1;
        }
    }

    /// The names of the counters that are plain numbers, but for those of single kinds and reasons.
    pub const NUMBERS: [&'static str; NUMBERS] = [
        "frames",
        "bytes",
        "events",
        "trades",
        "quotes",
        "venue_bars",
        "marks",
        "notices",
        "notices_lost",
        "control",
        "control_lost",
        "symbols",
        "symbols_refused",
        "quarantined",
        "previous_date",
        "overflow",
        "duplicates",
        "out_of_order",
        "late",
        "gaps",
        "missing",
        "id_gaps_lost",
        "volume_gaps",
        "backfilled",
        "corrections",
        "backfill_duplicates",
        "not_owner",
        "unknown_conditions",
        "bars",
        "bars_revised",
        "too_late",
        "bricks_skipped",
        "pages_recycled",
        "signals",
        "signals_suppressed",
        "frames_rejected",
        "events_skipped",
    ];

    /// Their values; what stands elsewhere in the engine is given.
    pub(crate) fn numbers(&self, symbols: u64, pages_recycled: u64, signals_suppressed: u64) -> [u64; NUMBERS] {
        [
            self.frames,
            self.bytes,
            self.events(),
            self.trades,
            self.quotes,
            self.venue_bars,
            self.marks,
            self.notices,
            self.notices_lost,
            self.control,
            self.control_lost,
            symbols,
            self.symbols_refused,
            self.quarantined,
            self.previous_date,
            self.overflow,
            self.duplicates,
            self.out_of_order,
            self.late,
            self.gaps,
            self.missing,
            self.id_gaps_lost,
            self.volume_gaps,
            self.backfilled,
            self.corrections,
            self.backfill_duplicates,
            self.not_owner,
            self.unknown_conditions,
            self.bars,
            self.bars_revised,
            self.too_late,
            self.bricks_skipped,
            pages_recycled,
            self.signals,
            signals_suppressed,
            self.frames_rejected(),
            self.events_skipped(),
        ]
    }

    /// Events applied, over all kinds.
    pub fn events(&self) -> u64 {
        let hot = self.trades + self.quotes + self.venue_bars + self.marks;
        hot + self.plain.iter().sum::<u64>() + self.notices
    }

    /// Frames rejected, over all kinds.
    pub fn frames_rejected(&self) -> u64 {
        self.rejected.iter().map(|sample| sample.count).sum()
    }

    /// Events skipped, over all reasons.
    pub fn events_skipped(&self) -> u64 {
        self.skipped.iter().sum()
    }
}

/// What is known of one venue's time.
#[derive(Clone, Copy, Debug)]
pub struct VenueTime {
    /// The venue.
    pub venue: Venue,
    /// Engine time.
    pub now: Nanos,
    /// Greatest event time seen.
    pub watermark: Nanos,
    /// Receive time of the newest frame minus its newest event time.
    pub lag: Nanos,
    /// Trading date as yyyymmdd.
    pub date: u32,
}
