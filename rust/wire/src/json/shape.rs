//! The order in which an event's keys stand: learned from events that were read the plain way, verified at every use.
//!
//! A venue writes the keys of an event in an order of its own, leaves some out, and changes it now and then without
//! saying so. A shape says where in the object each key stood the last time that an object of this kind, with that many
//! keys and that second key, was met. A shape that is wrong costs time, never a result: whoever reads by it compares
//! each key with the bytes that stand there.

use super::index::{FIELDS, Object};
use super::keys::{KIND, KeyTable, TRASH};

/// How many shapes are kept. Two that meet in one place take turns, at the price of the plain way.
const SHAPES: usize = 128;

/// Places of the keys behind the first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Place of each slot that the object has.
    places: [u8; 64],
    /// The slots it has, a bit each.
    has: u64,
    count: u8,
}

impl Shape {
    const NONE: Self = Self { places: [0; 64], has: 0, count: 0 };

    /// Whether the object has a key.
    #[inline(always)]
    pub(crate) const fn has(&self, slot: u8) -> bool {
        self.has & (1 << (slot & 63)) != 0
    }

    /// Whether the object has all of these slots, a bit each.
    #[inline(always)]
    pub(crate) const fn has_all(&self, slots: u64) -> bool {
        self.has & slots == slots
    }

    /// Where the key stands, counted from the second key of the object.
    #[inline(always)]
    pub(crate) const fn place(&self, slot: u8) -> usize {
        self.places[(slot & 63) as usize] as usize
    }
}

/// The shapes met so far.
pub(crate) struct Shapes(Box<[Shape; SHAPES]>);

impl Shapes {
    pub(crate) fn new() -> Self {
        let shapes = vec![Shape::NONE; SHAPES].into_boxed_slice();
        Self(shapes.try_into().unwrap_or_else(|_| unreachable!("made with that length")))
    }

    /// What tells shapes apart: the kind, the number of keys, and the letters in which the second key begins.
    #[inline(always)]
    fn place(kind: u16, frame: &[u8], object: &Object) -> usize {
        let at = object.marks[1] as usize;
        let letters = match frame.get(at + 1..at + 3) {
            Some(&[first, second]) => u64::from(first) | u64::from(second) << 8,
            _ => 0,
        };
        let told = letters << 32 | u64::from(kind) << 8 | object.count as u64;
        (told.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 57) as usize % SHAPES
    }

    /// The shape that an object of a kind is expected to have. None has fewer than three keys.
    #[inline(always)]
    pub(crate) fn expected(&self, kind: u16, frame: &[u8], object: &Object) -> Option<&Shape> {
        if object.count < 2 {
            return None;
        }
        let shape = &self.0[Self::place(kind, frame, object)];
        (usize::from(shape.count) == object.count).then_some(shape)
    }

    /// Remembers the shape of an object, if each of its keys is one of the slots `read` and comes once.
    #[cold]
    pub(crate) fn learn(&mut self, kind: u16, keys: &KeyTable, read: u64, frame: &[u8], object: &Object) {
        debug_assert!(object.count < FIELDS);
        if object.count < 2 {
            return;
        }
        let mut shape = Shape { count: object.count as u8, ..Shape::NONE };
        for (place, &mark) in object.marks[..object.count].iter().enumerate() {
            let slot = key_at(frame, mark as usize + 1).map_or(TRASH, |word| keys.slot_of(word));
            if slot == KIND || shape.has(slot) || read & (1 << (slot & 63)) == 0 {
                return;
            }
            shape.places[usize::from(slot & 63)] = place as u8;
            shape.has |= 1 << (slot & 63);
        }
        self.0[Self::place(kind, frame, object)] = shape;
    }
}

/// The key that begins at `at`, a word, if it is short and plain.
fn key_at(frame: &[u8], at: usize) -> Option<u64> {
    let rest = frame.get(at..frame.len().min(at + 8))?;
    let len = rest.iter().position(|&byte| byte == b'"')?;
    let mut word = [0; 8];
    word[..len].copy_from_slice(&rest[..len]);
    Some(u64::from_le_bytes(word))
}
