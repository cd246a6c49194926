//! The JSON reader under all venues: strict RFC 8259, one pass, no tree, no allocation.
//!
//! A frame is checked for UTF-8 once, then walked byte by byte with short words at a time (eight bytes in a
//! `u64`) for strings and numbers. Every value is validated whether or not anybody reads it, so a skipped value
//! is as strict as a used one. What comes back are tokens that point into the frame. That is the plain way; common
//! objects take a fast lane past it: `lane` reads values by their two ends and verifies every byte around them by the `shape`
//! that such an object had before, or leaves it to the plain way; `trace` does so for long and nested objects, by marks
//! (`structure`) and an `outline`.

mod guess;
mod keys;
mod lane;
mod number;
mod outline;
mod scan;
mod shape;
mod simd;
mod structure;
mod text;
mod trace;

pub(crate) use guess::Guesses;
pub(crate) use keys::{KeyTable, Slots, Tag, Token};
pub(crate) use lane::{Lane, Padded, Reader, Stop, run};
pub(crate) use number::Number;
pub(crate) use outline::{Field, MARKS, Outlines, Pattern, Told};
pub(crate) use scan::{Scanner, Value};
pub(crate) use shape::{Key, Plan, Shapes, Told as ShapeTold, bits};
pub(crate) use simd::{BEFORE, Edges, Extent, Level, Rule, Rules, Scalar, Window, ends_of};
#[cfg(target_arch = "x86_64")]
pub(crate) use simd::{best as best_level, decode as decode_vectored};
#[cfg(all(test, target_arch = "x86_64"))]
pub(crate) use simd::{v3, v4};
pub(crate) use structure::Structures;
pub(crate) use text::Text;
pub(crate) use trace::Trace;

/// Deepest nesting that is accepted.
pub const DEPTH_MAX: u32 = 64;
/// Largest frame that is accepted, in bytes.
pub const FRAME_MAX: usize = 8 << 20;
