//! Bytes to events and back: one folder a venue, no state, no clock.
//!
//! [`decode`] validates a frame to its last byte into a [`Staging`] area. A frame that is not sound JSON is
//! rejected whole; an event that is not sound is skipped alone, with its reason, and its neighbours stay in order.

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
    let decoded = decode_best(venue, frame, out);
    if decoded.is_err() {
        out.clear();
    }
    decoded
}

/// Decodes at the best level this machine has. There is no switch: levels differ in speed alone.
#[inline]
fn decode_best(venue: Venue, frame: &[u8], out: &mut Staging) -> Result<(), DecodeError> {
    #[cfg(target_arch = "x86_64")]
    if let Some(decoded) = json::decode_vectored(venue, frame, out) {
        return decoded;
    }
    decode_at(json::Scalar, venue, frame, out)
}

#[inline(always)]
fn decode_at<L: json::Level>(level: L, venue: Venue, frame: &[u8], out: &mut Staging) -> Result<(), DecodeError> {
    let mut scratch = out.scratch.take().unwrap_or_else(staging::Scratch::new);
    let mut padded = std::mem::take(&mut scratch.padded);
    let wide = staging::widen(frame, &mut padded);
    // No closure here: it would be compiled without the level's instructions.
    let decoded = match json::Scanner::new(level, frame, wide) {
        Ok(scan) if venue.is_massive() => massive::decode(venue, scan, out, &mut scratch),
        Ok(scan) => binance::decode(venue, scan, out, &mut scratch),
        Err(error) => Err(error),
    };
    scratch.padded = padded;
    out.scratch = Some(scratch);
    decoded
}
