//! Where a frame is decoded to before any of it counts: records by kind, their order of arrival, control
//! messages and skipped events. Reused for every frame, so decoding allocates only while it still grows.

use ringtape_model::{Kind, Mark, Quote, Trade, VenueBar};

use crate::error::{Skip, SkipReason};
use crate::json::{BEFORE, Guesses, Index, Outlines, Padded, Shapes, Slots, Structures, Text, Window};

/// Most events that one frame may hold.
pub const EVENTS_MAX: usize = 100_000;

/// One event of the frame, in order of arrival.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Which of the record lists it is in.
    pub kind: Kind,
    /// Its index there.
    pub index: u32,
    start: u32,
    len: u32,
    in_scratch: bool,
}

/// A message about the connection, not the market. Rare, so it owns its text.
#[derive(Clone, Debug, PartialEq)]
pub enum Control {
    /// Massive's `status` event, or Binance's `serverShutdown`.
    Status {
        /// The status word, such as `auth_success`.
        status: String,
        /// The text beside it.
        message: String,
    },
    /// A reply to a request (Binance).
    Reply {
        /// The request's id as JSON text.
        id: Option<String>,
        /// The result as JSON text: `null`, `true` or a list of stream names.
        result: String,
    },
    /// A refusal (Binance).
    Error {
        /// The venue's code.
        code: i64,
        /// The text beside it.
        message: String,
        /// The request's id as JSON text, where it is given.
        id: Option<String>,
    },
}

/// The decoded frame.
#[derive(Default)]
pub struct Staging {
    /// Trades.
    pub trades: Vec<Trade>,
    /// Quotes.
    pub quotes: Vec<Quote>,
    /// Venue bars.
    pub bars: Vec<VenueBar>,
    /// Mark prices.
    pub marks: Vec<Mark>,
    /// Every record in order of arrival.
    pub entries: Vec<Entry>,
    /// Control messages.
    pub control: Vec<Control>,
    /// Skipped events.
    pub skipped: Vec<Skip>,
    names: Vec<u8>,
    pub(crate) scratch: Option<Box<Scratch>>,
    /// A copy of a short frame.
    pub(crate) room: Option<Box<Room>>,
}

/// Slots of the object being read, of the one inside it, and of one inside that; and what keys to expect.
pub(crate) struct Scratch {
    pub(crate) outer: Slots,
    pub(crate) inner: Slots,
    pub(crate) nested: Slots,
    pub(crate) guesses: Guesses,
    pub(crate) index: Index,
    pub(crate) shapes: Shapes,
    pub(crate) structures: Structures,
    pub(crate) outlines: Outlines,
    /// A copy of an object at an end of the frame.
    pub(crate) window: Window,
}

impl Scratch {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            outer: Slots::new(),
            inner: Slots::new(),
            nested: Slots::new(),
            guesses: Guesses::new(),
            index: Index::new(),
            shapes: Shapes::new(),
            structures: Structures::new(),
            outlines: Outlines::new(),
            window: [0; size_of::<Window>()],
        })
    }
}

/// Frames up to this length are copied: then their last values, too, are read by windows.
const SHORT: usize = 1_024;
/// Zeroes behind the copy; the widest window of the plain way.
const ROOM: usize = 64;

/// A short frame with room before and behind it.
pub(crate) type Room = [u8; BEFORE + SHORT + size_of::<Window>()];

/// The frame with room around it where it is short, else as it is.
#[inline(always)]
pub(crate) fn widen<'a>(frame: &'a [u8], room: &'a mut Room) -> Padded<'a> {
    if frame.len() > SHORT {
        return Padded { bytes: frame, before: 0 };
    }
    let end = BEFORE + frame.len();
    room[BEFORE..end].copy_from_slice(frame);
    room[end..end + ROOM].fill(0);
    Padded { bytes: room, before: BEFORE }
}

/// How far a staging area was filled, to return to.
#[derive(Clone, Copy, Default)]
pub(crate) struct Filled {
    trades: usize,
    quotes: usize,
    bars: usize,
    marks: usize,
    entries: usize,
    control: usize,
    skipped: usize,
    names: usize,
}

impl Staging {
    /// An empty staging area that has room for `events` records of each kind.
    pub fn with_capacity(events: usize) -> Self {
        Self {
            trades: Vec::with_capacity(events),
            quotes: Vec::with_capacity(events),
            bars: Vec::with_capacity(events),
            marks: Vec::with_capacity(events),
            entries: Vec::with_capacity(events),
            ..Self::default()
        }
    }

    /// Events, control messages and skipped events so far.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.entries.len() + self.control.len() + self.skipped.len()
    }

    /// Forgets the frame.
    pub fn clear(&mut self) {
        self.rewind(Filled::default());
    }

    /// The symbol of an entry; `frame` is the one that was decoded.
    #[inline]
    pub fn name<'a>(&'a self, frame: &'a [u8], entry: &Entry) -> &'a [u8] {
        let (text, start, len) = self.name_in(frame, entry);
        text.get(start..start + len).unwrap_or_default()
    }

    /// The same as a text, where the symbol begins in it, and its length.
    #[inline]
    pub fn name_in<'a>(&'a self, frame: &'a [u8], entry: &Entry) -> (&'a [u8], usize, usize) {
        let text = if entry.in_scratch { &self.names[..] } else { frame };
        (text, entry.start as usize, entry.len as usize)
    }

    pub(crate) fn filled(&self) -> Filled {
        Filled {
            trades: self.trades.len(),
            quotes: self.quotes.len(),
            bars: self.bars.len(),
            marks: self.marks.len(),
            entries: self.entries.len(),
            control: self.control.len(),
            skipped: self.skipped.len(),
            names: self.names.len(),
        }
    }

    /// True if one event came since, and nothing else.
    pub(crate) fn is_one_event_from(&self, since: Filled) -> bool {
        self.entries.len() == since.entries + 1
            && self.control.len() == since.control
            && self.skipped.len() == since.skipped
    }

    pub(crate) fn rewind(&mut self, to: Filled) {
        self.trades.truncate(to.trades);
        self.quotes.truncate(to.quotes);
        self.bars.truncate(to.bars);
        self.marks.truncate(to.marks);
        self.entries.truncate(to.entries);
        self.control.truncate(to.control);
        self.skipped.truncate(to.skipped);
        self.names.truncate(to.names);
    }

    #[inline(always)]
    pub(crate) fn push_trade(&mut self, frame: &[u8], name: Text, trade: Trade) {
        self.entry(frame, name, Kind::Trade, self.trades.len());
        self.trades.push(trade);
    }

    #[inline(always)]
    pub(crate) fn push_quote(&mut self, frame: &[u8], name: Text, quote: Quote) {
        self.entry(frame, name, Kind::Quote, self.quotes.len());
        self.quotes.push(quote);
    }

    #[inline]
    pub(crate) fn push_bar(&mut self, frame: &[u8], name: Text, bar: VenueBar) {
        self.entry(frame, name, Kind::VenueBar, self.bars.len());
        self.bars.push(bar);
    }

    #[inline]
    pub(crate) fn push_mark(&mut self, frame: &[u8], name: Text, mark: Mark) {
        self.entry(frame, name, Kind::Mark, self.marks.len());
        self.marks.push(mark);
    }

    #[cold]
    pub(crate) fn skip(&mut self, reason: SkipReason, offset: u32, key: &'static str, kind: &[u8]) {
        self.skipped.push(Skip::new(reason, offset, key, kind));
    }

    #[inline(always)]
    fn entry(&mut self, frame: &[u8], name: Text, kind: Kind, index: usize) {
        let (start, len, in_scratch) =
            if name.escaped { self.keep_name(frame, name) } else { (name.start, name.len, false) };
        self.entries.push(Entry { kind, index: index as u32, start, len, in_scratch });
    }

    #[cold]
    fn keep_name(&mut self, frame: &[u8], name: Text) -> (u32, u32, bool) {
        let mut scratch = Vec::new();
        let start = self.names.len();
        self.names.extend_from_slice(name.decode(frame, &mut scratch));
        (start as u32, (self.names.len() - start) as u32, true)
    }
}
