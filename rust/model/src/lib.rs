//! The nouns of ringtape: plain data with fixed layouts, no I/O, no clock, no state beyond the symbol table.
//!
//! Everything else points at this room; it points at nothing. A name is born here (see [`field`]) and is the
//! same in Rust, Python, the rule language and the docs.

pub mod condition;
pub mod event;
pub mod field;
pub mod kind;
pub mod nearest;
pub mod plain;
pub mod row;
pub mod symbol;
pub mod units;
pub mod venue;

mod layout;

pub use condition::{ConditionRights, rights_of};
pub use event::{Bar, Column, Mark, Quote, Record, Signal, Trade, VenueBar};
pub use field::{Field, FieldRef, Moment, Unit};
pub use kind::{Kind, PlainRecord, Stamp};
pub use nearest::nearest;
pub use plain::{AssetIndex, Band, Imbalance, Level, Liquidation, Ticker, Value};
pub use row::{Row, WindowRow};
pub use symbol::{SYMBOL_MAX, Sought, SymbolId, SymbolTable, TableFull};
pub use units::{E8_UNSET, ID_UNSET, Nanos, PRICE_UNSET, TIME_UNSET, Wide, ratio};
pub use venue::Venue;
