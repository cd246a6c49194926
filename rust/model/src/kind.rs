//! The kinds of events, listed once. Whatever there is one of for each kind follows from this list: the decoder's
//! staging area, the engine's rings and counters, and the arrays of a batch in Python.
//!
//! *Hot* kinds move a symbol's state and each have their own way through the engine. *Plain* kinds are decoded, stamped,
//! checked and handed on, all by the same way: a new one is a record in [`crate::plain`], a line here and its decoder.

use crate::event::{Column, Mark, Quote, Record, Trade, VenueBar};
use crate::plain::{AssetIndex, Band, Imbalance, Level, Liquidation, Ticker, Value};
use crate::units::Nanos;

/// Calls a macro with the list: kind (also the name of its record), the name of its lists, and what they hold.
#[macro_export]
macro_rules! for_each_kind {
    ($then:ident) => {
        $then! {
            hot: [
                Trade trades "Trades, in order of application.";
                Quote quotes "Quotes.";
                VenueBar venue_bars "Bars as the venue sent them.";
                Mark marks "Mark prices.";
            ]
            plain: [
                Band bands "Limit up, limit down bands.";
                Imbalance imbalances "Auction imbalances.";
                Value values "Single values: indices, fair market values, last values.";
                Ticker tickers "Rolling 24-hour statistics.";
                Liquidation liquidations "Forced orders.";
                Level levels "Price levels of order books, one record a level.";
                AssetIndex asset_indexes "Indices of margin assets.";
            ]
        }
    };
}

macro_rules! kinds {
    (
        hot: [$($hot:ident $hots:ident $hot_doc:literal;)*]
        plain: [$($plain:ident $plains:ident $plain_doc:literal;)*]
    ) => {
        /// Which kind of event a staging entry or a ring holds.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Kind {
            $(#[doc = $hot_doc] $hot,)*
            $(#[doc = $plain_doc] $plain,)*
            /// A rare event of variable shape: its name and its JSON text.
            Notice,
        }

        impl Kind {
            /// The kinds that move state.
            pub const HOT: &'static [Self] = &[$(Self::$hot,)*];
            /// The kinds that are handed on as they come.
            pub const PLAIN: &'static [Self] = &[$(Self::$plain,)*];
            /// How many kinds there are, notices included.
            pub const COUNT: usize = Self::Notice as usize + 1;

            /// Name of one event, such as `trade`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$hot => $hot::NAME,)*
                    $(Self::$plain => $plain::NAME,)*
                    Self::Notice => "notice",
                }
            }

            /// Name of many, such as `trades`.
            pub const fn list(self) -> &'static str {
                match self {
                    $(Self::$hot => stringify!($hots),)*
                    $(Self::$plain => stringify!($plains),)*
                    Self::Notice => "notices",
                }
            }

            /// The columns of its record; none for notices.
            pub const fn columns(self) -> &'static [Column] {
                match self {
                    $(Self::$hot => $hot::COLUMNS,)*
                    $(Self::$plain => $plain::COLUMNS,)*
                    Self::Notice => &[],
                }
            }

            /// Ring words of its record; none for notices.
            pub const fn words(self) -> usize {
                match self {
                    $(Self::$hot => $hot::WORDS,)*
                    $(Self::$plain => $plain::WORDS,)*
                    Self::Notice => 0,
                }
            }

            /// Place among the plain kinds, as in [`Kind::PLAIN`].
            pub const fn plain_place(self) -> usize {
                (self as usize).saturating_sub(Self::HOT.len())
            }
        }

        $(impl PlainRecord for $plain {
            const KIND: Kind = Kind::$plain;

            fn stamp(&mut self, stamp: Stamp) {
                (self.seq, self.ts_recv, self.symbol, self.conn) =
                    (stamp.seq, stamp.ts_recv, stamp.symbol, stamp.conn);
            }

            fn symbol(&self) -> u32 {
                self.symbol
            }

            fn ts_event(&mut self) -> &mut Nanos {
                &mut self.ts_event
            }
        })*
    };
}
for_each_kind!(kinds);

/// What the engine knows of an event and its decoder does not.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// Sequence number of the record.
    pub seq: u64,
    /// Receive time of the frame.
    pub ts_recv: Nanos,
    /// Symbol id.
    pub symbol: u32,
    /// Connection number.
    pub conn: u16,
}

/// A record of a plain kind.
pub trait PlainRecord: Record {
    /// Its kind.
    const KIND: Kind;

    /// Writes what the decoder could not know.
    fn stamp(&mut self, stamp: Stamp);
    /// The symbol id it was stamped with.
    fn symbol(&self) -> u32;
    /// The venue's time, which the engine fills in where the venue sends none.
    fn ts_event(&mut self) -> &mut Nanos;
}
