//! Where a frame is decoded to before any of it counts: records by kind, their order of arrival, control
//! messages and skipped events. Reused for every frame, so decoding allocates only while it still grows.

use ringtape_model::{Kind, Mark, PlainRecord, Quote, Trade, VenueBar, for_each_kind};

use crate::error::{Skip, SkipReason};
use crate::json::{BEFORE, Edges, Guesses, Outlines, Padded, Shapes, Slots, Structures, Text, Window};

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

/// A rare event of variable shape, as it stands in the frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What the event calls itself.
    pub kind: String,
    start: u32,
    len: u32,
}

impl Notice {
    /// The validated JSON text of the event; `frame` is the one that was decoded.
    pub fn text<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        let start = self.start as usize;
        frame.get(start..start + self.len as usize).unwrap_or_default()
    }
}

/// A plain kind's place among the lists of all of them.
pub trait Listed: PlainRecord {
    /// The list of its records.
    fn list(lists: &mut Plain) -> &mut Vec<Self>;
}

macro_rules! lists {
    (hot: [$($hot:tt)*] plain: [$($kind:ident $list:ident $doc:literal;)*]) => {
        /// Records of the plain kinds.
        #[derive(Debug, Default)]
        pub struct Plain {
            $(#[doc = $doc] pub $list: Vec<ringtape_model::$kind>,)*
            /// Rare events of variable shape.
            pub notices: Vec<Notice>,
            /// Records and notices in all lists: most frames have none, and then nothing else here is looked at.
            count: u32,
        }

        impl Plain {
            /// How much each kind's list holds, by the kind's code; 0 for hot kinds.
            pub fn counts(&self) -> [u32; Kind::COUNT] {
                let mut counts = [0; Kind::COUNT];
                $(counts[Kind::$kind as usize] = self.$list.len() as u32;)*
                counts[Kind::Notice as usize] = self.notices.len() as u32;
                counts
            }

            #[cold]
            fn rewind(&mut self, to: &[u32; Kind::COUNT]) {
                $(self.$list.truncate(to[Kind::$kind as usize] as usize);)*
                self.notices.truncate(to[Kind::Notice as usize] as usize);
                self.count = to.iter().sum();
            }
        }

        $(impl Listed for ringtape_model::$kind {
            fn list(lists: &mut Plain) -> &mut Vec<Self> {
                &mut lists.$list
            }
        })*
    };
}
for_each_kind!(lists);

impl Plain {
    /// True where no list holds anything.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
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
    /// Records of the plain kinds, and notices.
    pub plain: Plain,
    /// Every record in order of arrival.
    pub entries: Vec<Entry>,
    /// Control messages.
    pub control: Vec<Control>,
    /// Skipped events.
    pub skipped: Vec<Skip>,
    names: Vec<u8>,
    /// One for each provider, since what was learned of one's keys is nothing to the other.
    pub(crate) scratch: [Option<Box<Scratch>>; 2],
}

/// Slots of the object being read, of the one inside it, and of one inside that; and what keys to expect.
pub(crate) struct Scratch {
    pub(crate) outer: Slots,
    pub(crate) inner: Slots,
    pub(crate) nested: Slots,
    pub(crate) guesses: Guesses,
    pub(crate) shapes: Shapes,
    pub(crate) structures: Structures,
    pub(crate) outlines: Outlines,
    /// A copy of an object at an end of the frame.
    pub(crate) window: Window,
    /// Copies of the edges of a frame.
    pub(crate) edges: Edges,
    /// A copy of a short frame.
    pub(crate) room: Option<Box<Room>>,
}

impl Scratch {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            outer: Slots::new(),
            inner: Slots::new(),
            nested: Slots::new(),
            guesses: Guesses::new(),
            shapes: Shapes::new(),
            structures: Structures::new(),
            outlines: Outlines::new(),
            window: [0; size_of::<Window>()],
            edges: Edges::new(),
            room: None,
        })
    }
}

/// Frames up to this length are copied: then their last values, too, are read by windows.
pub(crate) const SHORT: usize = 1_024;
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
#[derive(Clone, Copy)]
pub(crate) struct Filled {
    trades: usize,
    quotes: usize,
    bars: usize,
    marks: usize,
    plain: [u32; Kind::COUNT],
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
        self.trades.clear();
        self.quotes.clear();
        self.bars.clear();
        self.marks.clear();
        if !self.plain.is_empty() {
            self.plain.rewind(&[0; Kind::COUNT]);
        }
        self.entries.clear();
        self.control.clear();
        self.skipped.clear();
        self.names.clear();
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
            plain: if self.plain.is_empty() { [0; Kind::COUNT] } else { self.plain.counts() },
            entries: self.entries.len(),
            control: self.control.len(),
            skipped: self.skipped.len(),
            names: self.names.len(),
        }
    }

    /// True if one event came since, and nothing else.
    pub(crate) fn is_one_event_from(&self, since: &Filled) -> bool {
        self.entries.len() == since.entries + 1
            && self.control.len() == since.control
            && self.skipped.len() == since.skipped
    }

    pub(crate) fn rewind(&mut self, to: &Filled) {
        self.trades.truncate(to.trades);
        self.quotes.truncate(to.quotes);
        self.bars.truncate(to.bars);
        self.marks.truncate(to.marks);
        if !self.plain.is_empty() {
            self.plain.rewind(&to.plain);
        }
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

    /// Adds a bar whose symbol does not stand in the frame as it is.
    #[cold]
    pub(crate) fn push_bar_named(&mut self, name: &[u8], bar: VenueBar) {
        let (kind, index, start) = (Kind::VenueBar, self.bars.len() as u32, self.names.len() as u32);
        self.names.extend_from_slice(name);
        self.entries.push(Entry { kind, index, start, len: name.len() as u32, in_scratch: true });
        self.bars.push(bar);
    }

    /// Adds a record of a plain kind; the symbol stands in the frame.
    pub(crate) fn push<R: Listed>(&mut self, frame: &[u8], name: Text, record: R) {
        let index = self.plain_index::<R>();
        self.entry(frame, name, R::KIND, index);
        R::list(&mut self.plain).push(record);
    }

    /// Adds a record of a plain kind whose symbol does not stand in the frame as it is.
    pub fn push_named<R: Listed>(&mut self, name: &[u8], record: R) {
        let index = self.plain_index::<R>() as u32;
        let start = self.names.len() as u32;
        self.names.extend_from_slice(name);
        self.entries.push(Entry { kind: R::KIND, index, start, len: name.len() as u32, in_scratch: true });
        R::list(&mut self.plain).push(record);
    }

    fn plain_index<R: Listed>(&mut self) -> usize {
        self.plain.count += 1;
        R::list(&mut self.plain).len()
    }

    /// Adds a rare event as the text from `start` up to `end` of the frame.
    pub fn push_notice(&mut self, kind: &[u8], start: u32, end: u32) {
        let index = self.plain.notices.len() as u32;
        self.plain.count += 1;
        self.entries.push(Entry { kind: Kind::Notice, index, start: 0, len: 0, in_scratch: true });
        let kind = String::from_utf8_lossy(kind).into_owned();
        self.plain.notices.push(Notice { kind, start, len: end - start });
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
