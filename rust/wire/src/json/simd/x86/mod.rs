//! The levels of x86-64 beyond what every such machine has.
//!
//! This is the only module of the crate with `unsafe`: vector instructions need a promise that the machine has them.
//!
//! No closures in what a level inlines: they would be compiled without the level's instructions.

#![allow(unsafe_code, reason = "vector instructions need a promise that the machine has them")]

mod v3;
mod v4;

#[allow(clippy::wildcard_imports, reason = "half a hundred names of one kind")]
use std::arch::x86_64::*;
use std::sync::OnceLock;

use ringtape_model::Venue;

use crate::error::DecodeError;
use crate::staging::Staging;

/// AVX2 and BMI, as x86-64-v3. INVARIANT: made only after the machine was asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct V3 {
    /// Of how many bits the places are extracted: 16, or none where that is not one step.
    extracts: u32,
}

/// AVX-512 as since 2019 (Ice Lake, Zen 4), and what `V3` has. INVARIANT: made only after the machine was asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct V4(());

/// Decodes a frame with the best instructions that the machine has, up to a level; `None` if it has none of these.
#[inline]
pub(crate) fn decode(
    most: crate::Level,
    venue: Venue,
    frame: &[u8],
    out: &mut Staging,
) -> Option<Result<(), DecodeError>> {
    let Best { level, extracts } = asked();
    match most.min(level) {
        // SAFETY: the machine was asked for each of the features.
        crate::Level::Avx512 => Some(unsafe { decode_v4(venue, frame, out) }),
        // SAFETY: the machine was asked for each of the features.
        crate::Level::Avx2 => Some(unsafe { decode_v3(V3 { extracts }, venue, frame, out) }),
        crate::Level::Scalar => None,
    }
}

/// What a machine can do.
#[derive(Clone, Copy)]
struct Best {
    level: crate::Level,
    extracts: u32,
}

/// The best level of this machine.
#[inline]
pub(crate) fn best() -> crate::Level {
    asked().level
}

#[inline]
fn asked() -> Best {
    /// Asked once: it takes a dozen looks. INVARIANT: set to nothing but what the machine said.
    static BEST: OnceLock<Best> = OnceLock::new();
    *BEST.get_or_init(ask)
}

#[cold]
fn ask() -> Best {
    let level = if has_v4() {
        crate::Level::Avx512
    } else if has_v3() {
        crate::Level::Avx2
    } else {
        crate::Level::Scalar
    };
    Best { level, extracts: extracts() }
}

/// AMD extracts bits in one step since Zen 3, before that in some hundred.
#[allow(unused_unsafe, reason = "safe in newer compilers")]
fn extracts() -> u32 {
    // SAFETY: every machine of this kind has it.
    let (name, version) = unsafe { (__cpuid(0), __cpuid(1)) };
    let family = (version.eax >> 8 & 15) + (version.eax >> 20 & 255);
    let is_old = [*b"Auth", *b"Hygo"].map(u32::from_le_bytes).contains(&name.ebx) && family < 0x19;
    if is_old { 0 } else { 16 }
}

/// The level, for tests of its two loops.
#[cfg(test)]
pub(crate) fn v3() -> Option<V3> {
    has_v3().then_some(V3 { extracts: 16 })
}

/// The same of an older machine.
#[cfg(test)]
pub(crate) fn old_v3() -> Option<V3> {
    has_v3().then_some(V3 { extracts: 0 })
}

/// The level, for tests of its loops.
#[cfg(test)]
pub(crate) fn v4() -> Option<V4> {
    has_v4().then_some(V4(()))
}

#[inline]
fn has_v4() -> bool {
    has_v3()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512cd")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vbmi")
        && is_x86_feature_detected!("avx512vbmi2")
}

#[inline]
fn has_v3() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("popcnt")
        && is_x86_feature_detected!("lzcnt")
}

/// The whole decoder, compiled once more with these instructions: whatever it inlines may use them.
///
/// # Safety
///
/// The machine must have the features.
#[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt")]
unsafe fn decode_v3(level: V3, venue: Venue, frame: &[u8], out: &mut Staging) -> Result<(), DecodeError> {
    crate::decode_at(level, venue, frame, out)
}

/// Vectors that registers have no room for go to the stack. Only a function that keeps something there that must be
/// aligned as they are keeps them so; otherwise each of them lies across two lines of the cache.
///
/// Tried: aligned to a page. In one process of twenty the stack lies such that what is put away and something that is
/// read soon after have the same place in their pages, and then an event takes half as long again; aligned, none did, but
/// a frame of one event takes 3 ns more.
#[repr(align(64))]
struct Line {
    _bytes: [u8; 64],
}

/// The same with these.
///
/// # Safety
///
/// The machine must have the features.
#[target_feature(
    enable = "avx2,bmi1,bmi2,popcnt,lzcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vbmi,avx512vbmi2"
)]
unsafe fn decode_v4(venue: Venue, frame: &[u8], out: &mut Staging) -> Result<(), DecodeError> {
    let mut line = std::mem::MaybeUninit::<Line>::uninit();
    std::hint::black_box(&mut line);
    crate::decode_at(V4(()), venue, frame, out)
}

#[inline(always)]
fn load(window: &[u8]) -> __m128i {
    let bytes: [u8; 16] = window[..16].try_into().unwrap_or_default();
    // SAFETY: both are 16 plain bytes.
    unsafe { std::mem::transmute(bytes) }
}

#[inline(always)]
fn wide(window: &[u8; 32]) -> __m256i {
    // SAFETY: both are 32 plain bytes.
    unsafe { std::mem::transmute(*window) }
}

/// The word itself, of which the compiler knows nothing any more.
#[inline(always)]
fn apart(mut word: u64) -> u64 {
    // SAFETY: no instruction at all.
    unsafe { std::arch::asm!("/* {0} */", inout(reg) word, options(pure, nomem, nostack, preserves_flags)) };
    word
}

/// The table itself, of which the compiler knows nothing any more: it makes up to four steps of a permutation by places
/// that it knows.
#[inline(always)]
#[allow(clippy::pointers_in_nomem_asm_block, reason = "nothing is read by it")]
fn unknown<T>(table: &'static T) -> &'static T {
    let mut at: *const T = table;
    // SAFETY: no instruction at all, so it is the same reference.
    unsafe {
        std::arch::asm!("/* {0} */", inout(reg) at, options(pure, nomem, nostack, preserves_flags));
        &*at
    }
}

/// Stores bytes that are loaded one by one, of which the compiler knows nothing any more: to take them out of a vector
/// takes twice as long.
#[inline(always)]
fn stored(bytes: __m256i, to: &mut [u8; 32]) {
    // SAFETY: both are 32 plain bytes.
    *to = unsafe { std::mem::transmute::<__m256i, [u8; 32]>(bytes) };
    // SAFETY: no instruction at all.
    unsafe { std::arch::asm!("/* {0} */", in(reg) to, options(nostack, preserves_flags)) };
}

/// Where the values of an object are, and the fields of a plan among them, as `Places`.
#[derive(Clone, Copy)]
pub(crate) struct Fields {
    starts: __m256i,
    lens: __m256i,
    number_ends: __m128i,
    number_lens: __m128i,
}

impl Fields {
    /// The first byte of a value, and its length.
    #[inline(always)]
    fn span(&self, value: u8) -> (u32, u32) {
        let value = usize::from(value) % 32;
        // SAFETY: both are 32 plain bytes.
        let starts = unsafe { std::mem::transmute::<__m256i, [u8; 32]>(self.starts) };
        // SAFETY: both are 32 plain bytes.
        let lens = unsafe { std::mem::transmute::<__m256i, [u8; 32]>(self.lens) };
        (starts[value].into(), lens[value].into())
    }

    /// Where a field that is a number ends.
    #[inline(always)]
    fn number_end(&self, field: usize) -> u8 {
        // SAFETY: both are 16 plain bytes.
        let bytes = unsafe { std::mem::transmute::<__m128i, [u8; 16]>(self.number_ends) };
        bytes[field % 16]
    }

    /// The length of a field that is a number, 0 if the object has it not.
    #[inline(always)]
    fn number_len(&self, field: usize) -> u8 {
        // SAFETY: both are 16 plain bytes.
        let bytes = unsafe { std::mem::transmute::<__m128i, [u8; 16]>(self.number_lens) };
        bytes[field % 16]
    }
}
