//! Outlines: the bytes between the values of an object, learned from objects that were read the plain way.
//!
//! Objects that hold another one, that have blanks in them or that are long are not served by shapes.
//! An outline says for each mark of an object (where a key or a brace stands, see `structure`) which bytes stand there,
//! and which field of a pattern the value behind it is. Whoever reads by an outline compares all of these bytes, so it
//! changes speed, never a result.

use super::keys::{KIND, KeyTable, TRASH};
use super::shape::WIDTH;

/// Most marks of an object that is read by its outline, its closing brace among them.
pub(crate) const MARKS: usize = 32;
/// Most values of one form that are verified and have no other say.
const PASSED: usize = 8;
/// How many outlines are kept, and how many of them have one place. More that meet there take turns, at the price of the
/// plain way.
const OUTLINES: usize = 64;
const WAYS: usize = 4;

/// What stands behind a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Number,
    NumberText,
    Text,
    Flag,
}

/// A key whose value is wanted, of the object itself or of the one inside it.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    slot: u8,
    is_inner: bool,
    form: Form,
}

impl Field {
    /// No field.
    pub(crate) const NONE: Self = Self { slot: TRASH, is_inner: false, form: Form::Text };

    /// A number.
    pub(crate) const fn number(slot: u8) -> Self {
        Self { slot, is_inner: false, form: Form::Number }
    }

    /// A number in quotes.
    pub(crate) const fn number_text(slot: u8) -> Self {
        Self { slot, is_inner: false, form: Form::NumberText }
    }

    /// A text.
    pub(crate) const fn text(slot: u8) -> Self {
        Self { slot, is_inner: false, form: Form::Text }
    }

    /// `true` or `false`.
    pub(crate) const fn flag(slot: u8) -> Self {
        Self { slot, is_inner: false, form: Form::Flag }
    }

    /// The same of the object inside.
    pub(crate) const fn inner(self) -> Self {
        Self { is_inner: true, ..self }
    }
}

/// The fields that a reader of a kind of object reads, in its own order.
#[repr(align(64))]
pub(crate) struct Pattern {
    /// Bytes between each value and the mark behind it.
    pub(crate) tails: [u32; WIDTH],
    fields: [Field; WIDTH],
    /// The value of the key that names the kind.
    name: [u8; 16],
    name_len: u32,
    /// The key of the object inside.
    inner: u8,
    numbers: u16,
    required: u16,
}

impl Pattern {
    /// A pattern for objects of the kind `name`, which must have the fields `required`, given as bits. `inner` is the
    /// slot of the object inside, if there is one.
    pub(crate) const fn new(name: &str, fields: [Field; WIDTH], required: u16, inner: u8) -> Self {
        let mut pattern =
            Self { tails: [0; WIDTH], fields, name: [0; 16], name_len: name.len() as u32, inner, numbers: 0, required };
        let mut at = 0;
        while at < WIDTH {
            let form = fields[at].form;
            pattern.tails[at] = matches!(form, Form::NumberText | Form::Text) as u32;
            pattern.numbers |= (matches!(form, Form::Number | Form::NumberText) as u16) << at;
            if at < name.len() {
                pattern.name[at] = name.as_bytes()[at];
            }
            at += 1;
        }
        pattern
    }

    fn field(&self, slot: u8, is_inner: bool) -> Option<usize> {
        self.fields.iter().position(|one| one.slot == slot && one.is_inner == is_inner).filter(|_| slot != TRASH)
    }
}

/// A value that is verified and has no other say: the mark before it, and the bytes from there to the value.
pub(crate) type Passed = (u8, u8);

/// A few values of one form.
#[derive(Clone, Copy)]
pub(crate) struct Few {
    values: [Passed; PASSED],
    count: usize,
}

impl Few {
    const NONE: Self = Self { values: [(0, 0); PASSED], count: 0 };

    fn push(&mut self, value: Passed) -> Option<()> {
        *self.values.get_mut(self.count)? = value;
        self.count += 1;
        Some(())
    }

    #[inline(always)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = Passed> {
        self.values.iter().take(self.count).copied()
    }
}

/// What stands at the marks of an object, and where the fields of a pattern stand.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Outline {
    /// The mark before each field. INVARIANT: below `MARKS`.
    pub(crate) places: [u32; WIDTH],
    /// Bytes from that mark to the value.
    pub(crate) leads: [u32; WIDTH],
    /// The bytes from the one before each mark up to its value, and which of them to compare.
    pub(crate) words: [u64; MARKS],
    pub(crate) masks: [u64; MARKS],
    /// Where the name of the kind stands, its length, its bytes, and which of them to compare: none where it has none.
    pub(crate) name_at: Passed,
    pub(crate) name_len: u32,
    pub(crate) name: u128,
    pub(crate) name_mask: u128,
    /// Texts.
    pub(crate) texts: Few,
    /// Places of braces, behind which there must be no byte; and flags.
    pub(crate) nothings: Few,
    pub(crate) flags: Few,
    /// Number of marks, the closing brace among them.
    pub(crate) count: usize,
    /// The fields that the object has, a bit each.
    pub(crate) has: u16,
    /// Those of them that are numbers.
    pub(crate) numbers: u16,
    /// The kind.
    pub(crate) kind: u8,
}

impl Outline {
    const NONE: Self = Self {
        places: [0; WIDTH],
        leads: [0; WIDTH],
        words: [0; MARKS],
        masks: [0; MARKS],
        name_at: (0, 0),
        name_len: 0,
        name: 0,
        name_mask: 0,
        texts: Few::NONE,
        nothings: Few::NONE,
        flags: Few::NONE,
        count: 0,
        has: 0,
        numbers: 0,
        kind: 0,
    };
}

/// The outlines met so far.
pub(crate) struct Outlines {
    /// What tells each of them, 0 for none; newest first in their place.
    told: [[u64; WAYS]; OUTLINES / WAYS],
    /// Which of `held` it is.
    index: [[u8; WAYS]; OUTLINES / WAYS],
    held: Box<[Outline; OUTLINES]>,
}

/// What tells outlines apart: how the object begins, and whatever else is known of it before it is read.
#[derive(Clone, Copy)]
pub(crate) struct Told(u64);

impl Told {
    /// What is told by the first two words of an object (its first key and, where that is the kind, the first letters of
    /// its name), by another word, and by a small number.
    #[inline(always)]
    pub(crate) const fn new([first, second]: [u64; 2], word: u64, number: u64) -> Self {
        const KIND_WORD: u64 = u64::from_le_bytes(*b"{\"e\":\"\0\0");
        let (first, second) =
            if first & 0xFFFF_FFFF_FFFF == KIND_WORD { (first, second) } else { (first as u32 as u64, 0) };
        let told = first
            ^ second.wrapping_mul(0xD129_0D3E_5A0D_4B95)
            ^ word.wrapping_mul(0xA24B_AED4_963E_E407)
            ^ number.wrapping_mul(0x8CB9_2BA7_2F3D_8DD7);
        Self(told.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// What is told by the marks of an object: also its second key.
    #[inline(always)]
    pub(crate) fn of(frame: &[u8], marks: &[u32; MARKS + 1], number: u64) -> Option<Self> {
        let word = |at: usize| frame.get(at..)?.first_chunk().copied().map(u64::from_le_bytes);
        let at = marks[0] as usize;
        let second = word(marks[1] as usize)? & 0xFFFF_FFFF;
        Some(Self::new([word(at)?, word(at + 8)?], second, number))
    }

    #[inline(always)]
    const fn place(self) -> usize {
        (self.0 >> 58) as usize % (OUTLINES / WAYS)
    }
}

impl Outlines {
    pub(crate) fn new() -> Self {
        let held = vec![Outline::NONE; OUTLINES].into_boxed_slice();
        let mut index = [[0; WAYS]; OUTLINES / WAYS];
        for (at, index) in index.as_flattened_mut().iter_mut().enumerate() {
            *index = at as u8;
        }
        Self {
            told: [[0; WAYS]; OUTLINES / WAYS],
            index,
            held: held.try_into().unwrap_or_else(|_| unreachable!("made with that length")),
        }
    }

    /// The outline that an object is expected to have.
    #[inline(always)]
    pub(crate) fn expected(&self, told: Told) -> Option<&Outline> {
        let place = told.place();
        // All four at once: which it is, is as good as random. No closure: it would be called.
        let [a, b, c, d] = self.told[place];
        let found = u32::from(a == told.0)
            | u32::from(b == told.0) << 1
            | u32::from(c == told.0) << 2
            | u32::from(d == told.0) << 3;
        if found == 0 {
            return None;
        }
        let way = found.trailing_zeros() as usize % WAYS;
        Some(&self.held[usize::from(self.index[place][way]) % OUTLINES])
    }

    /// Remembers the outline of an object that was read the plain way, if it can be read by one. An object `is_named` if
    /// it says its kind; an outline that does not verify that (its key had no mark) would read objects that do not.
    #[cold]
    pub(crate) fn learn(
        &mut self,
        told: Told,
        (kind, pattern, is_named): (u8, &Pattern, bool),
        keys: &KeyTable,
        frame: &[u8],
        marks: &[u32; MARKS + 1],
    ) {
        let outline = outlined(pattern, keys, frame, marks);
        if let Some(mut outline) = outline.filter(|outline| (outline.name_mask != 0) == is_named) {
            outline.kind = kind;
            let place = told.place();
            let way = self.told[place].iter().position(|&one| one == told.0).unwrap_or(WAYS - 1);
            self.told[place][..=way].rotate_right(1);
            self.index[place][..=way].rotate_right(1);
            self.told[place][0] = told.0;
            self.held[usize::from(self.index[place][0]) % OUTLINES] = outline;
        }
    }
}

/// The bytes at a mark, up to its value.
struct Lead {
    /// The key; nothing at a closing brace.
    key: Option<u64>,
    /// Bytes from the mark to the value.
    len: usize,
    is_open: bool,
}

/// Draws the outline of an object.
fn outlined(pattern: &Pattern, keys: &KeyTable, frame: &[u8], marks: &[u32; MARKS + 1]) -> Option<Outline> {
    let mut draft = Draft { pattern, keys, frame, outline: Outline::NONE, depth: 0, ends_in_quote: false };
    for (place, &mark) in marks.iter().enumerate().take(MARKS) {
        if draft.at(place, mark as usize)? {
            let outline = &mut draft.outline;
            outline.count = place + 1;
            outline.numbers = outline.has & pattern.numbers;
            return (outline.has & pattern.required == pattern.required).then_some(*outline);
        }
    }
    None
}

/// An outline that is being drawn.
struct Draft<'a> {
    pattern: &'a Pattern,
    keys: &'a KeyTable,
    frame: &'a [u8],
    outline: Outline,
    depth: i32,
    /// Whether the value before the mark ends in a quote, which the mark's word then holds.
    ends_in_quote: bool,
}

impl Draft<'_> {
    /// Goes on to a mark; true at the end of the object, `None` where no outline is possible.
    fn at(&mut self, place: usize, mark: usize) -> Option<bool> {
        let lead = lead(self.frame, mark)?;
        let before = usize::from(self.ends_in_quote);
        let bytes = self.frame.get(mark - before..mark + lead.len)?;
        // A mark may stand inside a text.
        if self.ends_in_quote && bytes[0] != b'"' {
            return None;
        }
        (self.outline.words[place], self.outline.masks[place]) = word_of(bytes, before)?;
        self.ends_in_quote = false;
        let Some(key) = lead.key else {
            self.depth -= 1;
            if self.depth > 0 {
                self.outline.nothings.push((place as u8, lead.len as u8))?;
            }
            return Some(self.depth <= 0);
        };
        self.depth += i32::from(lead.is_open);
        self.value(place, mark + lead.len, lead.len, self.keys.slot_of(key))?;
        Some(false)
    }

    /// Notes where the name of the kind stands.
    fn name(&mut self, at: Passed) -> Option<()> {
        let outline = &mut self.outline;
        outline.name_at = at;
        (outline.name, outline.name_len) = (u128::from_le_bytes(self.pattern.name), self.pattern.name_len);
        // A name that comes twice is for the plain way.
        let is_first = outline.name_mask == 0;
        outline.name_mask = u128::MAX >> (128 - 8 * self.pattern.name_len);
        is_first.then_some(())
    }

    /// Notes how the value at `start` is read, whose key has a slot and begins `lead` bytes before.
    fn value(&mut self, place: usize, start: usize, lead: usize, slot: u8) -> Option<()> {
        let first = *self.frame.get(start)?;
        if first == b'{' {
            let is_inner = self.depth == 1 && slot == self.pattern.inner;
            return if is_inner { self.outline.nothings.push((place as u8, lead as u8)) } else { None };
        }
        let is_text = self.frame[start - 1] == b'"';
        let is_flag = !is_text && matches!(first, b't' | b'f');
        self.ends_in_quote = is_text;
        let Some(field) = self.pattern.field(slot, self.depth == 2) else {
            let passed = (place as u8, lead as u8);
            return match (is_text, is_flag) {
                (true, _) if slot == KIND && self.depth == 1 => self.name(passed),
                (true, _) => self.outline.texts.push(passed),
                (_, true) => self.outline.flags.push(passed),
                _ => None,
            };
        };
        let fits = match self.pattern.fields[field].form {
            Form::Number => !is_text && !is_flag,
            Form::Flag => is_flag,
            Form::NumberText | Form::Text => is_text,
        };
        let outline = &mut self.outline;
        if !fits || outline.has & 1 << field != 0 {
            return None;
        }
        (outline.places[field], outline.leads[field]) = (place as u32, lead as u32);
        outline.has |= 1 << field;
        Some(())
    }
}

/// Reads what stands at a mark: `}`, or an opening brace or a comma, perhaps a blank, a short plain key, a colon, and the
/// quote of a text.
fn lead(frame: &[u8], mark: usize) -> Option<Lead> {
    let rest = frame.get(mark..)?;
    let is_open = match rest.first()? {
        b'}' => return Some(Lead { key: None, len: 1, is_open: false }),
        b'{' => true,
        b',' => false,
        _ => return None,
    };
    let start = if rest.get(1) == Some(&b' ') { 3 } else { 2 };
    if rest.get(start - 1) != Some(&b'"') {
        return None;
    }
    let name = rest.get(start..rest.len().min(start + 8))?;
    let len = name.iter().position(|&byte| byte == b'"').filter(|&len| len > 0 && len < 8)?;
    if name[..len].iter().any(|&byte| byte == b'\\' || byte < 0x20) || rest.get(start + len + 1) != Some(&b':') {
        return None;
    }
    let mut word = [0; 8];
    word[..len].copy_from_slice(&name[..len]);
    let is_text = rest.get(start + len + 2) == Some(&b'"');
    Some(Lead { key: Some(u64::from_le_bytes(word)), len: start + len + 2 + usize::from(is_text), is_open })
}

/// The bytes from the one before a mark on as a word, and which of them to compare: not that one where `before` is 0.
fn word_of(bytes: &[u8], before: usize) -> Option<(u64, u64)> {
    let (mut word, mut mask) = ([0; 8], [0; 8]);
    let from = 1 - before;
    word.get_mut(from..from + bytes.len())?.copy_from_slice(bytes);
    mask[from..from + bytes.len()].fill(0xFF);
    Some((u64::from_le_bytes(word), u64::from_le_bytes(mask)))
}
