//! The levels of instructions that decoders are compiled for, and the choice among them.

use ringtape_model::Venue;

use crate::error::DecodeError;
use crate::json;
use crate::staging::Staging;

/// A level of instructions. Every level holds those below it, and all give the same events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What every machine has.
    Scalar,
    /// AVX2 and BMI, as x86-64-v3.
    Avx2,
    /// AVX-512 as since 2019 (Ice Lake, Zen 4).
    Avx512,
}

impl Level {
    /// All levels, the least first.
    pub const ALL: [Self; 3] = [Self::Scalar, Self::Avx2, Self::Avx512];

    /// The best level of this machine.
    #[cfg(target_arch = "x86_64")]
    pub fn best() -> Self {
        json::best_level()
    }

    /// The best level of this machine.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn best() -> Self {
        Self::Scalar
    }

    /// The level's name, such as `avx2`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

/// Decodes at the best level of this machine up to `most`.
#[inline]
pub(crate) fn decode(
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables, reason = "there is one level only"))] most: Level,
    venue: Venue,
    frame: &[u8],
    out: &mut Staging,
) -> Result<(), DecodeError> {
    #[cfg(target_arch = "x86_64")]
    if let Some(decoded) = json::decode_vectored(most, venue, frame, out) {
        return decoded;
    }
    scalar(venue, frame, out)
}

/// Once, however many callers there are.
#[inline(never)]
fn scalar(venue: Venue, frame: &[u8], out: &mut Staging) -> Result<(), DecodeError> {
    crate::decode_at(json::Scalar, venue, frame, out)
}
