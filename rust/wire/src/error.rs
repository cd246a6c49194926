//! Why a frame was rejected, or an event skipped: small copies of facts; prose is made when somebody prints.

use std::fmt;

/// Why a frame is not sound JSON within the limits. The frame is rejected whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ErrorKind {
    /// The frame ends inside a value.
    UnexpectedEnd,
    /// A byte that JSON does not allow here.
    UnexpectedByte,
    /// Something follows the value.
    TrailingBytes,
    /// A number that breaks the grammar, such as `01` or `1.`.
    BadNumber,
    /// An escape that JSON does not know.
    BadEscape,
    /// Half of a surrogate pair.
    LoneSurrogate,
    /// An unescaped control character inside a string.
    ControlCharacter,
    /// Not UTF-8.
    BadUtf8,
    /// Nested deeper than 64.
    TooDeep,
    /// Longer than 8 MiB.
    FrameTooLarge,
    /// More than 100,000 events.
    TooManyEvents,
}

impl ErrorKind {
    /// How many kinds there are.
    pub const COUNT: usize = 11;

    /// Every kind, in order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::UnexpectedEnd,
        Self::UnexpectedByte,
        Self::TrailingBytes,
        Self::BadNumber,
        Self::BadEscape,
        Self::LoneSurrogate,
        Self::ControlCharacter,
        Self::BadUtf8,
        Self::TooDeep,
        Self::FrameTooLarge,
        Self::TooManyEvents,
    ];

    /// The name used in counters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnexpectedEnd => "unexpected_end",
            Self::UnexpectedByte => "unexpected_byte",
            Self::TrailingBytes => "trailing_bytes",
            Self::BadNumber => "bad_number",
            Self::BadEscape => "bad_escape",
            Self::LoneSurrogate => "lone_surrogate",
            Self::ControlCharacter => "control_character",
            Self::BadUtf8 => "bad_utf8",
            Self::TooDeep => "too_deep",
            Self::FrameTooLarge => "frame_too_large",
            Self::TooManyEvents => "too_many_events",
        }
    }
}

/// A rejected frame: what and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Byte offset in the frame.
    pub offset: usize,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ErrorKind::UnexpectedEnd => "the frame ends inside a value",
            ErrorKind::UnexpectedByte => "a byte that JSON does not allow here",
            ErrorKind::TrailingBytes => "something follows the value",
            ErrorKind::BadNumber => "not a JSON number",
            ErrorKind::BadEscape => "an escape that JSON does not know",
            ErrorKind::LoneSurrogate => "half of a surrogate pair",
            ErrorKind::ControlCharacter => "an unescaped control character in a string",
            ErrorKind::BadUtf8 => "not UTF-8",
            ErrorKind::TooDeep => "nested deeper than 64",
            ErrorKind::FrameTooLarge => "longer than 8 MiB",
            ErrorKind::TooManyEvents => "more than 100,000 events",
        };
        write!(f, "{what} at byte {}", self.offset)
    }
}

impl std::error::Error for DecodeError {}

/// Why an event of a sound frame was skipped, alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SkipReason {
    /// A key that the event cannot do without is missing or `null`.
    MissingKey,
    /// A value of another type than the key needs.
    WrongType,
    /// A number or time outside what is believed.
    OutOfRange,
    /// A symbol that is empty, over 64 bytes, or holds characters no symbol has.
    BadSymbol,
    /// An event kind that no fact sheet names.
    UnknownKind,
    /// An event kind that is known by name and not decoded yet.
    UnsupportedKind,
    /// An element that is not an object, or an object that is neither event nor control message.
    NotAnEvent,
    /// An event of the sister market in an all-market stream (Binance `st`).
    OtherMarket,
}

impl SkipReason {
    /// How many reasons there are.
    pub const COUNT: usize = 8;

    /// Every reason, in order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::MissingKey,
        Self::WrongType,
        Self::OutOfRange,
        Self::BadSymbol,
        Self::UnknownKind,
        Self::UnsupportedKind,
        Self::NotAnEvent,
        Self::OtherMarket,
    ];

    /// The name used in counters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MissingKey => "missing_key",
            Self::WrongType => "wrong_type",
            Self::OutOfRange => "out_of_range",
            Self::BadSymbol => "bad_symbol",
            Self::UnknownKind => "unknown_kind",
            Self::UnsupportedKind => "unsupported_kind",
            Self::NotAnEvent => "not_an_event",
            Self::OtherMarket => "other_market",
        }
    }
}

/// Longest kind name that a [`Skip`] keeps.
const KIND_LEN: usize = 24;

/// A skipped event: why, where, and what it called itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skip {
    /// Why.
    pub reason: SkipReason,
    /// Byte offset of the value or event in the frame.
    pub offset: u32,
    /// The key at fault, or empty.
    pub key: &'static str,
    kind: [u8; KIND_LEN],
    kind_len: u8,
}

impl Skip {
    pub(crate) fn new(reason: SkipReason, offset: u32, key: &'static str, kind: &[u8]) -> Self {
        let mut held = [0; KIND_LEN];
        let mut len = kind.len().min(KIND_LEN);
        while len > 0 && std::str::from_utf8(&kind[..len]).is_err() {
            len -= 1;
        }
        held[..len].copy_from_slice(&kind[..len]);
        Self { reason, offset, key, kind: held, kind_len: len as u8 }
    }

    /// The event's own kind name, cut at 24 bytes; empty where it had none.
    pub fn kind(&self) -> &str {
        std::str::from_utf8(&self.kind[..usize::from(self.kind_len)]).unwrap_or_default()
    }
}
