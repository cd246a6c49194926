//! What stands between the values of an event: learned from events that were read the plain way, verified at every use.
//!
//! A venue writes the keys of an event in an order of its own, leaves some out, adds others, and changes it now and then
//! without saying so. A plan says which keys a reader wants, in the reader's order; a shape says for an object that begins
//! in a certain way and has so many values which bytes stood between them the last time, and which value each field of
//! the plan was. Whoever reads by a shape compares all of these bytes, so a shape that is wrong costs time, never a result.

use std::hint::select_unpredictable;

use super::keys::{KIND, KeyTable, TRASH};
use super::simd::{CODE, Extent, LIST, NUMBER, TEXT};

/// Most fields of a plan.
pub(crate) const WIDTH: usize = 16;
/// Most values of an object that is read by its shape.
pub(crate) const VALUES: usize = 24;
/// Most bytes between two values, where nobody knows the key.
const LEAD: usize = 16;
/// Most values that nobody asks for, beside the kind.
const PASSED: usize = 7;
/// How many shapes are kept; and places to find them by. More than two that meet in one place take turns, at the price of
/// the plain way.
const SHAPES: usize = 64;
const PLACES: usize = 1_024;
/// Of so many objects that are told as a known shape is and are not of it one is looked at.
const PATIENCE: u8 = 8;

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
    Flag,
    /// A value that nobody asks for, though others ask for one of that key.
    Passed,
}

impl Form {
    /// Bytes of the shortest value, and what the longest has more.
    const fn lens(self) -> (u8, u8) {
        match self {
            Self::Code => (1, CODE - 1),
            Self::Number | Self::NumberText => (1, NUMBER - 1),
            Self::Text | Self::Passed => (0, TEXT),
            Self::List => (1, LIST - 1),
            Self::Flag => (4, 1),
        }
    }
}

/// A key and what stands behind it.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    slot: u8,
    form: Form,
}

impl Key {
    /// No key.
    pub(crate) const NONE: Self = Self { slot: TRASH, form: Form::Number };

    /// The key of a code, a whole number of up to four digits.
    pub(crate) const fn code(slot: u8) -> Self {
        Self { slot, form: Form::Code }
    }

    /// The key of a number.
    pub(crate) const fn number(slot: u8) -> Self {
        Self { slot, form: Form::Number }
    }

    /// The key of a number in quotes.
    pub(crate) const fn number_text(slot: u8) -> Self {
        Self { slot, form: Form::NumberText }
    }

    /// The key of a text.
    pub(crate) const fn text(slot: u8) -> Self {
        Self { slot, form: Form::Text }
    }

    /// The key of `true` or `false`.
    pub(crate) const fn flag(slot: u8) -> Self {
        Self { slot, form: Form::Flag }
    }

    /// The key of a value that is verified and has no other say.
    pub(crate) const fn passed(slot: u8) -> Self {
        Self { slot, form: Form::Passed }
    }

    /// The key of a list of codes.
    pub(crate) const fn list(slot: u8) -> Self {
        Self { slot, form: Form::List }
    }
}

/// The fields that a reader of a kind of object reads, in its own order.
pub(crate) struct Plan {
    slots: [u8; WIDTH],
    forms: [Form; WIDTH],
    /// The name of the kind.
    name: &'static str,
    required: u16,
    either: u16,
    kind: u8,
}

impl Plan {
    /// A plan for objects of the kind `name`, which is told by a number, too. They must have the fields `required`, and
    /// one of `either`, given as bits; or else they are for the plain way.
    pub(crate) const fn new(kind: u8, name: &'static str, keys: &[Key; WIDTH], required: u16, either: u16) -> Self {
        let mut plan = Self { slots: [TRASH; WIDTH], forms: [Form::Number; WIDTH], name, required, either, kind };
        let mut at = 0;
        while at < WIDTH {
            let Key { slot, form } = keys[at];
            (plan.slots[at], plan.forms[at]) = (slot, form);
            at += 1;
        }
        plan
    }

    /// True if a value of that key is verified and has no other say.
    fn passes(&self, slot: u8) -> bool {
        self.field(slot).is_some_and(|field| self.forms[field] == Form::Passed)
    }

    /// The field of a slot, if it is one of the plan.
    fn field(&self, slot: u8) -> Option<usize> {
        self.slots.iter().position(|&one| one == slot).filter(|_| slot != TRASH)
    }
}

/// What a value is that nobody asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Other {
    Number,
    /// Without escapes.
    Text,
    /// Of numbers, without blanks.
    List,
    /// `true`, `false` or `null`.
    Word,
}

/// A value that is verified and has no other say.
#[derive(Clone, Copy)]
pub(crate) struct Passed {
    /// The number of the value.
    pub(crate) value: u8,
    pub(crate) form: Other,
    /// The bytes before it, as a word and which of them to compare: keys that nobody knows may be long.
    pub(crate) lead: u128,
    pub(crate) lead_mask: u128,
}

impl Passed {
    const NONE: Self = Self { value: 0, form: Other::Number, lead: 0, lead_mask: 0 };
}

/// The bytes between the values of an object, and where the fields of a plan are among the values.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(align(64))]
pub(crate) struct Shape {
    /// What tells it; 0 for no shape.
    told: u64,
    /// Which bytes of the words to compare, a bit each.
    pub(crate) masks: [u64; VALUES / 8],
    /// Of each value: the quote or bracket behind it; and the key and what follows it up to the next value, without the
    /// comma and the quote that every key begins with.
    pub(crate) words: [[u8; 8]; VALUES],
    /// The same with that comma and quote, and which bytes to compare: from the byte before an end on.
    pub(crate) around: [[u8; 16]; VALUES],
    pub(crate) around_masks: [[u8; 16]; VALUES],
    /// How many bytes stand before each value.
    pub(crate) leads: [u8; 32],
    /// Bytes between each value and the comma or brace behind it.
    pub(crate) tails: [u8; 32],
    /// The value of each field. Twice as many as there are: half a vector that is put away and taken back whole would be
    /// waited for.
    pub(crate) places: [u8; 32],
    /// Bytes of the shortest value of each field, and what the longest has more.
    pub(crate) least: [u8; WIDTH],
    pub(crate) range: [u8; WIDTH],
    /// The first bytes of the object, up to its first value, and which of them to compare.
    pub(crate) head: u128,
    pub(crate) head_mask: u128,
    /// The name of the kind, and which bytes to compare: none if it has none.
    pub(crate) name: u128,
    pub(crate) name_mask: u128,
    pub(crate) name_len: u8,
    /// All bits, or none if it has none.
    pub(crate) name_len_mask: u32,
    /// Whether what tells the shape is all there is to verify of the head and the name.
    pub(crate) is_told: bool,
    /// The fields that the object has, a bit each; and those of them that are numbers or lists of numbers.
    pub(crate) has: u16,
    pub(crate) numbers: u16,
    /// The same, a byte each.
    pub(crate) has_bytes: [u8; WIDTH],
    pub(crate) number_bytes: [u8; WIDTH],
    /// The number of the value that names the kind.
    pub(crate) named: u8,
    /// Number of the values.
    pub(crate) count: u8,
    /// The kind of the plan.
    pub(crate) kind: u8,
    /// How many values nobody asks for.
    passed: u8,
}

impl Shape {
    const NONE: Self = Self {
        told: 0,
        masks: [0; VALUES / 8],
        words: [[0; 8]; VALUES],
        around: [[0; 16]; VALUES],
        around_masks: [[0; 16]; VALUES],
        leads: [0; 32],
        tails: [0; 32],
        places: [0; 32],
        least: [0; WIDTH],
        range: [0; WIDTH],
        head: 0,
        head_mask: 0,
        name: 0,
        name_mask: 0,
        name_len: 0,
        name_len_mask: 0,
        is_told: false,
        has: 0,
        numbers: 0,
        has_bytes: [0; WIDTH],
        number_bytes: [0; WIDTH],
        named: 0,
        count: 0,
        kind: 0,
        passed: 0,
    };
}

/// What tells shapes apart before a value is read: how the object begins, its third key, how many values it has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told(u64);

impl Told {
    /// What is told of an object. If its first value is its kind, everything up to its end is in what is told: so who finds
    /// a shape by it has verified these bytes.
    #[inline(always)]
    pub(crate) fn of(extent: &Extent) -> Self {
        let Extent { count, head, first, name, third, .. } = *extent;
        // Without the comma that it begins with.
        let third = (u64::from(third) >> 8) << 40;
        if head << 8 != KIND_FIRST << 8 {
            return Self(head & 0xFFFF_FFFF | u64::from(count) << 32 | third);
        }
        // Its first letter, and the last with the quote behind.
        let name = head >> 56 | u64::from(name) << 8;
        let told = name | u64::from(first) << 24 | u64::from(count) << 28 | ALL | third;
        // No branch: it would be one more way out where objects are taken up.
        Self(select_unpredictable(first > KIND_MOST, LONG, told))
    }

    /// What is told of an object whose kind is named by `e`, and by a number beside it.
    #[inline(always)]
    pub(crate) const fn named(extent: &Extent, number: u64) -> Self {
        const E: u64 = u64::from_le_bytes(*b"{\"e\":\"\0\0");
        let Extent { count, head, third, .. } = *extent;
        let head = if head << 16 == E << 16 { head } else { head & 0xFFFF_FFFF };
        let number = (number << 32 | count as u64).wrapping_mul(0x8CB9_2BA7_2F3D_8DD7);
        let told = head ^ (third as u64).wrapping_mul(0xA24B_AED4_963E_E407) ^ number;
        Self((told | 1) & !ALL)
    }

    #[inline(always)]
    const fn place(self) -> usize {
        (self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54) as usize % PLACES
    }
}

/// Set where what is told holds all bytes up to the end of the first value.
const ALL: u64 = 1 << 39;
/// How an object begins whose kind comes first; and the bytes of that kind at most, of which two letters are told.
const KIND_FIRST: u64 = u64::from_le_bytes(*b"{\"ev\":\"\0");
const KIND_MOST: u32 = 10;

/// What is told of all kinds with longer names.
const LONG: u64 = 1;

/// The shapes met so far.
pub(crate) struct Shapes {
    /// Which shape has been met at each place; two places are looked at for each.
    index: Box<[u8; PLACES]>,
    held: Box<[Shape; SHAPES]>,
    passed: Box<[[Passed; PASSED]]>,
    /// The one that is forgotten next.
    oldest: u8,
    /// How many objects were read the plain way.
    odd: u8,
}

impl Shapes {
    pub(crate) fn new() -> Self {
        let held = vec![Shape::NONE; SHAPES].into_boxed_slice();
        Self {
            index: Box::new([0; PLACES]),
            held: held.try_into().unwrap_or_else(|_| unreachable!("made with that length")),
            passed: vec![[Passed::NONE; PASSED]; SHAPES].into_boxed_slice(),
            oldest: 0,
            odd: 0,
        }
    }

    /// The shape that an object is expected to have, with its number.
    #[inline(always)]
    pub(crate) fn expected(&self, told: Told) -> Option<(&Shape, usize)> {
        let place = told.place();
        let number = if self.at(place).told == told.0 { self.number(place) } else { self.number(place ^ 1) };
        let shape = &self.held[number];
        (shape.told == told.0).then_some((shape, number))
    }

    /// Another shape that is told alike.
    #[inline(always)]
    pub(crate) fn other(&self, told: Told, number: usize) -> Option<(&Shape, usize)> {
        let other = self.number(told.place() ^ 1);
        let shape = &self.held[other];
        (shape.told == told.0 && other != number).then_some((shape, other))
    }

    /// The values of a shape that nobody asks for.
    #[inline(always)]
    pub(crate) fn passed(&self, shape: &Shape, number: usize) -> &[Passed] {
        &self.passed[number % SHAPES][..usize::from(shape.passed) % (PASSED + 1)]
    }

    #[inline(always)]
    fn number(&self, place: usize) -> usize {
        usize::from(self.index[place]) % SHAPES
    }

    #[inline(always)]
    fn at(&self, place: usize) -> &Shape {
        &self.held[self.number(place)]
    }

    /// Remembers the shape of an object that was read the plain way, if it can be read by one. `ends` are the offsets of
    /// the commas and of the brace behind its values; it is named if it says its kind.
    #[cold]
    #[allow(clippy::too_many_arguments, reason = "an object and what is known of it")]
    pub(crate) fn learn(
        &mut self,
        told: Told,
        (plan, is_named): (&Plan, bool),
        keys: &KeyTable,
        object: &[u8],
        ends: &[u8],
    ) {
        // Where one is known the values were odd, most likely: then only now and then, as drawing takes its time.
        self.odd = self.odd.wrapping_add(1);
        if self.expected(told).is_some() && !self.odd.is_multiple_of(PATIENCE) {
            return;
        }
        let Some((mut shape, passed)) = drawn((plan, is_named), keys, object, ends) else { return };
        shape.told = told.0;
        shape.is_told = told.0 & ALL != 0 && shape.named == 0;
        let place = told.place();
        // Then the values were odd.
        if self.at(place) == &shape || self.at(place ^ 1) == &shape {
            return;
        }
        // The newest first; the older of two is forgotten.
        let forgotten = self.index[place ^ 1];
        let number = if forgotten == 0 { self.next() } else { forgotten };
        self.index[place ^ 1] = self.index[place];
        self.index[place] = number;
        (self.held[usize::from(number)], self.passed[usize::from(number)]) = (shape, passed);
    }

    /// The number of a shape that is free, or is forgotten. The first is none.
    fn next(&mut self) -> u8 {
        self.oldest = self.oldest % (SHAPES - 1) as u8 + 1;
        self.oldest
    }
}

/// Draws the shape of an object.
fn drawn(
    (plan, is_named): (&Plan, bool),
    keys: &KeyTable,
    object: &[u8],
    ends: &[u8],
) -> Option<(Shape, [Passed; PASSED])> {
    let mut draft = Draft { shape: Shape { kind: plan.kind, ..Shape::NONE }, passed: [Passed::NONE; PASSED], plan };
    for (field, form) in plan.forms.iter().enumerate() {
        (draft.shape.least[field], draft.shape.range[field]) = form.lens();
    }
    draft.shape.count = ends.len() as u8;
    let mut named = None;
    let mut from = 0;
    for (value, &end) in ends.iter().enumerate() {
        let bytes = object.get(from..usize::from(end))?;
        let lead = lead(bytes)?;
        draft.around(value, &lead)?;
        let slot = keys.slot_of(lead.key);
        if slot == KIND {
            // A kind that is named twice is for the plain way.
            if named.replace(value).is_some() || bytes.get(lead.len..bytes.len() - 1)? != plan.name.as_bytes() {
                return None;
            }
        }
        if slot == TRASH || plan.passes(slot) {
            draft.pass(value, bytes, &lead)?;
        } else {
            draft.key(value, &bytes[2..lead.len])?;
            if slot != KIND {
                draft.field(slot, value, &lead)?;
            }
        }
        from = usize::from(end);
    }
    if named.is_some() != is_named {
        return None;
    }
    draft.kind(named, object)?;
    let Draft { shape, passed, .. } = draft;
    let is_whole = shape.has & plan.required == plan.required && (plan.either == 0 || shape.has & plan.either != 0);
    is_whole.then_some((shape, passed))
}

/// A shape that is being drawn.
struct Draft<'a> {
    shape: Shape,
    passed: [Passed; PASSED],
    plan: &'a Plan,
}

impl Draft<'_> {
    /// Compares these bytes of a word.
    fn word(&mut self, value: usize, from: usize, bytes: &[u8]) -> Option<()> {
        let (word, mask) = (self.shape.words.get_mut(value)?, &mut self.shape.masks[value / 8]);
        word.get_mut(from..from + bytes.len())?.copy_from_slice(bytes);
        *mask |= ((1 << bytes.len()) - 1) << (value % 8 * 8 + from);
        // Two more bytes are between the one before the end and the key.
        let from = if from == 0 { 0 } else { from + 2 };
        self.shape.around[value].get_mut(from..from + bytes.len())?.copy_from_slice(bytes);
        self.shape.around_masks[value][from..from + bytes.len()].fill(0xFF);
        Some(())
    }

    /// Notes how long a value's lead is and what closes it.
    fn around(&mut self, value: usize, lead: &Lead) -> Option<()> {
        self.shape.leads[value] = lead.len as u8;
        if let Some(closer) = lead.closer {
            self.shape.tails[value] = 1;
            self.word(value, 0, &[closer])?;
        }
        Some(())
    }

    /// Notes the key of a value. The first one's is in the head.
    fn key(&mut self, value: usize, key: &[u8]) -> Option<()> {
        if value == 0 { Some(()) } else { self.word(value - 1, 1, key) }
    }

    /// Notes a value that nobody asks for.
    fn pass(&mut self, value: usize, bytes: &[u8], lead: &Lead) -> Option<()> {
        let form = match lead.closer {
            Some(b'"') => Other::Text,
            Some(_) => Other::List,
            None if matches!(bytes.get(lead.len)?, b't' | b'f' | b'n') => Other::Word,
            None => Other::Number,
        };
        let (lead, lead_mask) = word(&bytes[..lead.len])?;
        *self.passed.get_mut(usize::from(self.shape.passed))? = Passed { value: value as u8, form, lead, lead_mask };
        self.shape.passed += 1;
        Some(())
    }

    /// Notes which field a value is. A key that is none of the plan may have a say elsewhere.
    fn field(&mut self, slot: u8, value: usize, lead: &Lead) -> Option<()> {
        let field = self.plan.field(slot)?;
        let form = self.plan.forms[field];
        let fits = match form {
            Form::Code | Form::Number | Form::Flag => lead.closer.is_none(),
            Form::Passed => false,
            Form::NumberText | Form::Text => lead.closer == Some(b'"'),
            Form::List => lead.closer == Some(b']'),
        };
        let shape = &mut self.shape;
        if !fits || shape.has & 1 << field != 0 {
            return None;
        }
        shape.places[field] = value as u8;
        shape.has |= 1 << field;
        shape.has_bytes[field] = 0xFF;
        if !matches!(form, Form::Text | Form::Flag) {
            shape.numbers |= 1 << field;
            shape.number_bytes[field] = 0xFF;
        }
        Some(())
    }

    /// Notes how an object begins and where its kind is named, if it is.
    fn kind(&mut self, named: Option<usize>, object: &[u8]) -> Option<()> {
        let shape = &mut self.shape;
        (shape.head, shape.head_mask) = word(&object[..usize::from(shape.leads[0])])?;
        if let Some(named) = named {
            shape.named = named as u8;
            (shape.name_len, shape.name_len_mask) = (self.plan.name.len() as u8, u32::MAX);
            (shape.name, shape.name_mask) = word(self.plan.name.as_bytes())?;
        } else {
            shape.named = u8::MAX;
        }
        Some(())
    }
}

/// Up to sixteen bytes as a word, and all bits of as many.
fn word(bytes: &[u8]) -> Option<(u128, u128)> {
    let mut word = [0; 16];
    word.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some((u128::from_le_bytes(word), u128::MAX >> (128 - 8 * bytes.len())))
}

/// What stands before a value, and behind it.
struct Lead {
    /// The key, if it is short enough for one that somebody knows.
    key: u64,
    /// Bytes up to the value.
    len: usize,
    /// The quote or bracket behind the value.
    closer: Option<u8>,
}

/// Reads `,"key":` with the quote or bracket that may follow, before a value that ends where `bytes` do.
fn lead(bytes: &[u8]) -> Option<Lead> {
    let name = bytes.get(2..bytes.len().min(LEAD))?;
    let len = name.iter().position(|&byte| byte == b'"')?;
    let name = &name[..len];
    if name.iter().any(|&byte| byte == b'\\' || byte < 0x20) || bytes[1] != b'"' || bytes.get(len + 3) != Some(&b':') {
        return None;
    }
    let mut word = [0; 8];
    if len < 8 {
        word[..len].copy_from_slice(name);
    }
    let closer = match bytes.get(len + 4)? {
        b'"' => Some(b'"'),
        b'[' => Some(b']'),
        b'{' => return None,
        _ => None,
    };
    let len = len + 4 + usize::from(closer.is_some());
    // A value that is closed ends before its closing byte.
    (len <= LEAD && len + usize::from(closer.is_some()) <= bytes.len()).then_some(Lead {
        key: u64::from_le_bytes(word),
        len,
        closer,
    })
}

#[cfg(test)]
mod tests {
    use super::super::simd::ends_of;
    use super::*;

    static KEYS: KeyTable = KeyTable::new(&["e", "k", "c", "n"]);

    impl Shape {
        /// The shape of an object of a text `k` and a list `c`, which is the field 14.
        pub(crate) fn of_a_list(object: &[u8]) -> Self {
            let mut keys = [Key::NONE; WIDTH];
            (keys[12], keys[14]) = (Key::text(1), Key::list(2));
            let (plan, found) = (Plan::new(0, "", &keys, 0, 0), ends_of(object, 0));
            found
                .and_then(|(ends, extent)| drawn((&plan, false), &KEYS, object, &ends[..extent.count as usize]))
                .map_or(Self::NONE, |(shape, _)| shape)
        }
    }

    fn plan() -> Plan {
        let mut keys = [Key::NONE; WIDTH];
        (keys[0], keys[12], keys[14]) = (Key::number(3), Key::text(1), Key::list(2));
        Plan::new(0, "T", &keys, bits(&[0]), 0)
    }

    fn shape_of(object: &str) -> Option<(Shape, [Passed; PASSED])> {
        let (ends, extent) = ends_of(object.as_bytes(), 0)?;
        drawn((&plan(), true), &KEYS, object.as_bytes(), &ends[..extent.count as usize])
    }

    #[test]
    fn a_shape_is_drawn_of_what_can_be_verified_only() {
        let sound = r#"{"e":"T","k":"a","n":1,"c":[1,2],"longer_key":true,"x":"y"}"#;
        assert!(shape_of(sound).is_some_and(|(shape, _)| shape.passed == 2 && shape.count == 6));
        for odd in [
            r#"{"k":"a","n":1}"#,             // no kind
            r#"{"e":"Q","n":1}"#,             // another kind
            r#"{"e":"T","e":"T","n":1}"#,     // twice its kind
            r#"{"e":"T","n":1,"n":2}"#,       // twice a field
            r#"{"e":"T","k":"a"}"#,           // a field is missing
            r#"{"e":"T","n":"1"}"#,           // another form
            r#"{"e":"T", "n":1}"#,            // a blank
            r#"{"e":"T","n":1,"k":"a","b"}"#, // a mark inside a text
            r#"{"e":"T","n":1,"x":{"y":1}}"#, // an object inside
            r#"{"e":"T","\u006e":1}"#,        // an escape
            r#"{"e":"T","n":1,"a_very_long_key_indeed":1}"#,
        ] {
            assert!(shape_of(odd).is_none(), "{odd}");
        }
    }

    #[test]
    fn shapes_that_are_told_alike_are_both_kept() {
        let mut shapes = Shapes::new();
        let told = Told(77);
        for object in [r#"{"e":"T","n":1,"k":"a"}"#, r#"{"e":"T","k":"a","n":1}"#] {
            let (ends, extent) = ends_of(object.as_bytes(), 0).unwrap_or_else(|| unreachable!("it ends"));
            for _ in 0..PATIENCE {
                shapes.learn(told, (&plan(), true), &KEYS, object.as_bytes(), &ends[..extent.count as usize]);
            }
        }
        let (newest, number) = shapes.expected(told).unwrap_or_else(|| unreachable!("it was learned"));
        let (older, _) = shapes.other(told, number).unwrap_or_else(|| unreachable!("it was learned, too"));
        assert_ne!(newest.places[0], older.places[0]);
        assert!(shapes.expected(Told(78)).is_none());
    }
}
