//! Bytes to events and back: one folder a venue, no state, no clock.
//!
//! [`decode`] validates a frame to its last byte into a [`Staging`] area. A frame that is not sound JSON is
//! rejected whole; an event that is not sound is skipped alone, with its reason, and its neighbours stay in order.

#![forbid(unsafe_code)]

pub mod binance;
mod error;
mod json;
pub mod massive;
mod read;
mod staging;
mod text;

pub use error::{DecodeError, ErrorKind, Skip, SkipReason};
pub use json::{DEPTH_MAX, FRAME_MAX};
pub use staging::{Control, EVENTS_MAX, Entry, Staging};

use ringtape_model::Venue;

/// Decodes one frame of a venue into `out`, which is cleared first.
///
/// # Errors
///
/// The frame is not JSON by RFC 8259 in UTF-8, or over a limit (8 MiB, depth 64, 100,000 events). `out` is then
/// empty: nothing of a rejected frame may be used.
#[inline]
pub fn decode(venue: Venue, frame: &[u8], out: &mut Staging) -> Result<(), DecodeError> {
    out.clear();
    let decoded =
        if venue.is_massive() { massive::decode(venue, frame, out) } else { binance::decode(venue, frame, out) };
    if decoded.is_err() {
        out.clear();
    }
    decoded
}
