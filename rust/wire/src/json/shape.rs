//! The order in which an event's keys stand: learned from events that were read the plain way, verified at every use.
//!
//! A venue writes the keys of an event in an order of its own, leaves some out, and changes it now and then without
//! saying so. A plan says which keys a reader wants, in the reader's order; a shape says where in the object each of
//! them stood the last time that an object of this kind, with that many keys and that second key, was met. A shape that
//! is wrong costs time, never a result: whoever reads by it compares each key with the bytes that stand there.

use super::index::Object;
use super::keys::{KIND, KeyTable, TRASH};
use super::simd::{CODE, NUMBER};

/// How many shapes are kept. Two that meet in one place take turns, at the price of the plain way.
const SHAPES: usize = 128;
/// Most fields of a plan, and of an object that is read by one, behind its first.
pub(crate) const WIDTH: usize = 16;

/// Fields by their numbers as a bit each.
pub(crate) const fn bits(fields: &[usize]) -> u16 {
    let (mut bits, mut at) = (0, 0);
    while at < fields.len() {
        bits |= 1 << fields[at];
        at += 1;
    }
    bits
}

/// What stands behind a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Code,
    Number,
    NumberText,
    Text,
    List,
}

/// A key and what stands behind it.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    /// The bytes from its first letter up to its value: `key":`, and then a text's quote or a list's bracket.
    word: u64,
    len: u32,
    slot: u8,
    form: Form,
    is_far: bool,
}

impl Key {
    /// No key.
    pub(crate) const NONE: Self = Self { word: 0, len: 0, slot: TRASH, form: Form::Number, is_far: false };

    /// The key of a number that is often so long that both do not fit sixteen bytes.
    pub(crate) const fn far(self) -> Self {
        Self { is_far: true, ..self }
    }

    /// The key of a code, a whole number of up to four digits.
    pub(crate) const fn code(name: &str, slot: u8) -> Self {
        Self::new(name, b"\":", slot, Form::Code)
    }

    /// The key of a number.
    pub(crate) const fn number(name: &str, slot: u8) -> Self {
        Self::new(name, b"\":", slot, Form::Number)
    }

    /// The key of a number in quotes.
    pub(crate) const fn number_text(name: &str, slot: u8) -> Self {
        Self::new(name, b"\":\"", slot, Form::NumberText)
    }

    /// The key of a text.
    pub(crate) const fn text(name: &str, slot: u8) -> Self {
        Self::new(name, b"\":\"", slot, Form::Text)
    }

    /// The key of a list of codes.
    pub(crate) const fn list(name: &str, slot: u8) -> Self {
        Self::new(name, b"\":[", slot, Form::List)
    }

    const fn new(name: &str, behind: &[u8], slot: u8, form: Form) -> Self {
        let (name, mut word, mut len) = (name.as_bytes(), 0, 0);
        assert!(name.len() + behind.len() <= 8, "a key and what follows it fit a word");
        while len < name.len() + behind.len() {
            let byte = if len < name.len() { name[len] } else { behind[len - name.len()] };
            word |= (byte as u64) << (8 * len);
            len += 1;
        }
        Self { word, len: len as u32, slot, form, is_far: matches!(form, Form::Text) }
    }
}

/// The fields that a reader of a kind of object reads, in its own order, as tables for vectors.
#[repr(align(64))]
pub(crate) struct Plan {
    /// Bytes of each key up to its value.
    pub(crate) key_lens: [u32; WIDTH],
    /// Bytes between each value and the comma or brace behind it.
    pub(crate) tails: [u32; WIDTH],
    /// The keys themselves.
    pub(crate) words: [u64; WIDTH],
    /// The keys of numbers that are not far, each at the end of sixteen bytes with zeroes before.
    pub(crate) near: [[u8; 64]; 4],
    /// Those of codes, which are the third four fields, each at the end of eight bytes.
    pub(crate) near_codes: [u8; 32],
    /// Bytes of the longest number that is read.
    pub(crate) most: [u32; WIDTH],
    /// How long the value of each may be to be read as a number.
    pub(crate) longest: [u32; WIDTH],
    /// How long each number may be with its key to be verified with it.
    pub(crate) nearest: [u32; WIDTH],
    slots: [u8; WIDTH],
    /// Fields that are not numbers, or often long.
    pub(crate) far: u16,
    /// Fields that are numbers, lists among them, a bit each.
    numbers: u16,
    required: u16,
    either: u16,
    kind: u8,
}

impl Plan {
    /// A plan for objects of a kind, told by a number. They must have the fields `required`, and one of `either`, given
    /// as bits; or else they are for the plain way.
    pub(crate) const fn new(kind: u8, keys: &[Key; WIDTH], required: u16, either: u16) -> Self {
        let mut plan = Self {
            key_lens: [0; WIDTH],
            tails: [0; WIDTH],
            words: [0; WIDTH],
            near: [[0; 64]; 4],
            near_codes: [0; 32],
            most: [NUMBER; WIDTH],
            longest: [0; WIDTH],
            nearest: [0; WIDTH],
            slots: [TRASH; WIDTH],
            far: 0,
            numbers: 0,
            required,
            either,
            kind,
        };
        let mut at = 0;
        while at < WIDTH {
            let Key { word, len, slot, form, is_far } = keys[at];
            (plan.words[at], plan.key_lens[at], plan.slots[at]) = (word, len, slot);
            plan.tails[at] = !matches!(form, Form::Code | Form::Number) as u32;
            plan.numbers |= (!matches!(form, Form::Text) as u16) << at;
            plan.far |= (is_far as u16) << at;
            plan.longest[at] = match form {
                Form::Text => 0,
                Form::List => CODE - 1,
                Form::Code | Form::Number | Form::NumberText => u32::MAX,
            };
            let is_code = matches!(form, Form::Code | Form::List);
            assert!(!is_code || at / 4 == 2, "codes are the third four fields");
            let room = if is_code { 8 } else { 16 };
            plan.most[at] = if is_code { CODE } else { NUMBER };
            plan.nearest[at] = if is_far { u32::MAX } else { room };
            let (mut byte, end) = (0, (at % 4 + 1) * room as usize);
            while byte < len as usize && !is_far {
                let to = if is_code {
                    &mut plan.near_codes[end - len as usize + byte]
                } else {
                    &mut plan.near[at / 4][end - len as usize + byte]
                };
                *to = word.to_le_bytes()[byte];
                byte += 1;
            }
            at += 1;
        }
        plan
    }

    /// The field of a slot, if it is one of the plan.
    fn field(&self, slot: u8) -> Option<usize> {
        self.slots.iter().position(|&one| one == slot).filter(|_| slot != TRASH)
    }
}

/// Where the fields of a plan stand.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Shape {
    /// The place of each field among the keys behind the first. INVARIANT: below `WIDTH`.
    pub(crate) places: [u32; WIDTH],
    /// Which bits of a key's word to compare: none where the object has no such field.
    pub(crate) masks: [u64; WIDTH],
    /// The fields that the object has, a bit each.
    pub(crate) has: u16,
    /// Those of them that are numbers or lists.
    pub(crate) numbers: u16,
    /// The kind of the plan and the number of keys, 0 for no shape.
    of: u16,
}

impl Shape {
    const NONE: Self = Self { places: [0; WIDTH], masks: [0; WIDTH], has: 0, numbers: 0, of: 0 };

    #[inline(always)]
    const fn tag(plan: &Plan, count: usize) -> u16 {
        (plan.kind as u16) << 8 | count as u16
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
    fn place(plan: &Plan, frame: &[u8], object: &Object) -> usize {
        let at = object.marks[1] as usize;
        let letters = match frame.get(at + 1..at + 3) {
            Some(&[first, second]) => u64::from(first) | u64::from(second) << 8,
            _ => 0,
        };
        let told = letters << 32 | u64::from(plan.kind) << 8 | object.count as u64;
        (told.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 57) as usize % SHAPES
    }

    /// The shape that an object is expected to have. None has fewer than three keys.
    #[inline(always)]
    pub(crate) fn expected(&self, plan: &Plan, frame: &[u8], object: &Object) -> Option<&Shape> {
        let shape = &self.0[Self::place(plan, frame, object)];
        (shape.of == Shape::tag(plan, object.count)).then_some(shape)
    }

    /// Remembers the shape of an object, if each of its keys is a field of the plan and comes once.
    #[cold]
    pub(crate) fn learn(&mut self, plan: &Plan, keys: &KeyTable, frame: &[u8], object: &Object) {
        if !(2..=WIDTH).contains(&object.count) {
            return;
        }
        let mut shape = Shape { of: Shape::tag(plan, object.count), ..Shape::NONE };
        for (place, &mark) in object.marks[..object.count].iter().enumerate() {
            let slot = key_at(frame, mark as usize + 1).map_or(TRASH, |word| keys.slot_of(word));
            let Some(field) = plan.field(slot).filter(|field| slot != KIND && shape.has & 1 << field == 0) else {
                return;
            };
            shape.places[field] = place as u32;
            shape.masks[field] = u64::MAX >> (64 - 8 * plan.key_lens[field]);
            shape.has |= 1 << field;
        }
        if shape.has & plan.required == plan.required && (plan.either == 0 || shape.has & plan.either != 0) {
            shape.numbers = shape.has & plan.numbers;
            self.0[Self::place(plan, frame, object)] = shape;
        }
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
