//! Rare events of variable shape: user data, contracts, sessions, composite indices. They are handed on as JSON text; which
//! keys they must have, and what stands behind these, is checked here by tables, so that whoever reads the text finds
//! what it expects.

use crate::error::SkipReason;
use crate::json::{Scanner, Slots, Tag, Text, Token, Value};
use crate::read::{Fault, Fields, Read};

/// What must stand behind a key.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Symbol,
    /// A number in quotes.
    Decimal,
    /// A JSON number.
    Number,
    Integer,
    /// Unix ms between 2000 and 2100.
    Time,
    Flag,
    Object(&'static [Key]),
    List(&'static [Key]),
}

/// A key of an event.
struct Key {
    name: &'static str,
    form: Form,
    is_required: bool,
}

const fn key(name: &'static str, form: Form) -> Key {
    Key { name, form, is_required: true }
}

/// A key that may be missing.
const fn maybe(name: &'static str, form: Form) -> Key {
    Key { name, form, is_required: false }
}

use Form::{Decimal, Flag, Integer, List, Number, Object, Symbol, Time};

const TEXT: Form = Form::Text;
const SENT: Key = key("E", Time);
const AT: Key = key("T", Time);

const BALANCE: &[Key] = &[key("a", TEXT), key("wb", Decimal), key("cw", Decimal), key("bc", Decimal)];
const POSITION: &[Key] = &[
    key("s", Symbol),
    key("pa", Decimal),
    key("ep", Decimal),
    maybe("bep", Decimal),
    key("cr", Decimal),
    key("up", Decimal),
    key("mt", TEXT),
    key("iw", Decimal),
    key("ps", TEXT),
    maybe("ma", TEXT),
];
const ACCOUNT: &[Key] = &[key("m", TEXT), maybe("B", List(BALANCE)), maybe("P", List(POSITION)), maybe("S", Symbol)];
const ORDER: &[Key] = &[
    key("s", Symbol),
    key("c", TEXT),
    key("S", TEXT),
    key("o", TEXT),
    key("f", TEXT),
    key("q", Decimal),
    key("p", Decimal),
    key("ap", Decimal),
    maybe("sp", Decimal),
    key("x", TEXT),
    key("X", TEXT),
    key("i", Integer),
    maybe("M", Integer),
    key("l", Decimal),
    key("z", Decimal),
    key("L", Decimal),
    maybe("n", Decimal),
    maybe("N", TEXT),
    AT,
    key("t", Integer),
    maybe("b", Decimal),
    maybe("a", Decimal),
    key("m", Flag),
    key("R", Flag),
    maybe("wt", TEXT),
    maybe("ot", TEXT),
    key("ps", TEXT),
    maybe("cp", Flag),
    maybe("AP", Decimal),
    maybe("cr", Decimal),
    maybe("pP", Flag),
    maybe("rp", Decimal),
    maybe("V", TEXT),
    maybe("pm", TEXT),
    maybe("gtd", Integer),
    maybe("er", TEXT),
];
const ALGO: &[Key] = &[
    key("caid", TEXT),
    key("aid", Integer),
    key("at", TEXT),
    key("o", TEXT),
    key("s", Symbol),
    key("S", TEXT),
    key("ps", TEXT),
    key("f", TEXT),
    key("q", Decimal),
    key("X", TEXT),
    maybe("ai", TEXT),
    maybe("ap", Decimal),
    maybe("aq", Decimal),
    maybe("act", TEXT),
    key("tp", Decimal),
    key("p", Decimal),
    maybe("V", TEXT),
    maybe("wt", TEXT),
    maybe("pm", TEXT),
    maybe("cp", Flag),
    maybe("pP", Flag),
    maybe("R", Flag),
    maybe("tt", Integer),
    maybe("gtd", Integer),
    maybe("rm", TEXT),
    maybe("ia", Flag),
];
const MARGIN: &[Key] = &[
    key("s", Symbol),
    key("ps", TEXT),
    key("pa", Decimal),
    key("mt", TEXT),
    key("iw", Decimal),
    key("mp", Decimal),
    key("up", Decimal),
    key("mm", Decimal),
];
const STRATEGY: &[Key] =
    &[key("si", Integer), key("st", TEXT), key("ss", TEXT), key("s", Symbol), key("ut", Time), key("c", Integer)];
const GRID: &[Key] = &[
    key("si", Integer),
    key("st", TEXT),
    key("ss", TEXT),
    key("s", Symbol),
    key("r", Decimal),
    key("up", Decimal),
    key("uq", Decimal),
    key("uf", Decimal),
    key("mp", Decimal),
    key("ut", Time),
];
const REFUSED: &[Key] = &[key("s", Symbol), key("i", Integer), key("r", TEXT)];
const BRACKET: &[Key] = &[
    key("bs", Integer),
    key("bnf", Number),
    key("bnc", Number),
    key("mmr", Number),
    key("cf", Number),
    key("mi", Number),
    key("ma", Number),
];
const COMPONENT: &[Key] = &[key("b", TEXT), key("q", TEXT), key("w", Decimal), key("W", Decimal), key("i", Decimal)];
const SESSION: &[Key] = &[SENT, key("t", Time), AT, key("S", TEXT)];

/// The kinds and their keys. SOURCE: fact sheet, sections 3.10 and 4.2.
const NOTICES: [(&str, &[Key]); 18] = [
    ("ACCOUNT_UPDATE", &[SENT, AT, key("a", Object(ACCOUNT))]),
    ("ORDER_TRADE_UPDATE", &[SENT, AT, key("o", Object(ORDER))]),
    (
        "TRADE_LITE",
        &[
            SENT,
            AT,
            key("s", Symbol),
            key("q", Decimal),
            key("p", Decimal),
            key("m", Flag),
            key("c", TEXT),
            key("S", TEXT),
            key("L", Decimal),
            key("l", Decimal),
            key("t", Integer),
            key("i", Integer),
        ],
    ),
    ("ALGO_UPDATE", &[SENT, AT, key("o", Object(ALGO))]),
    ("MARGIN_CALL", &[SENT, maybe("cw", Decimal), key("p", List(MARGIN))]),
    (
        "ACCOUNT_CONFIG_UPDATE",
        &[
            SENT,
            AT,
            maybe("ac", Object(&[key("s", Symbol), key("l", Integer)])),
            maybe("ai", Object(&[key("j", Flag)])),
        ],
    ),
    ("listenKeyExpired", &[SENT, key("listenKey", TEXT)]),
    ("STRATEGY_UPDATE", &[SENT, AT, key("su", Object(STRATEGY))]),
    ("GRID_UPDATE", &[SENT, AT, key("gu", Object(GRID))]),
    ("CONDITIONAL_ORDER_TRIGGER_REJECT", &[SENT, AT, key("or", Object(REFUSED))]),
    (
        "contractInfo",
        &[
            SENT,
            key("s", Symbol),
            maybe("ps", TEXT),
            key("ct", TEXT),
            // Perpetuals are delivered at the end of 2100, which no time here may be.
            key("dt", Integer),
            key("ot", Integer),
            key("cs", TEXT),
            maybe("bks", List(BRACKET)),
        ],
    ),
    ("compositeIndex", &[SENT, key("s", Symbol), key("p", Decimal), key("C", TEXT), key("c", List(COMPONENT))]),
    ("EquityUpdate", SESSION),
    ("CommodityUpdate", SESSION),
    ("KR_EquityUpdate", SESSION),
    ("HK_EquityUpdate", SESSION),
    ("CN_EquityUpdate", SESSION),
    ("FXUpdate", SESSION),
];

/// Most keys of one object.
const MOST: usize = 40;

/// What is wrong with a notice: the reason, the key and where it stands.
pub(super) type Flaw = (SkipReason, &'static str, u32);

/// Checks the object at `start`, which was validated as JSON, as an event of the kind; `None` if it is no kind of notice.
pub(super) fn check(kind: &[u8], frame: &[u8], start: u32) -> Option<Result<(), Flaw>> {
    let (name, keys) = NOTICES.iter().find(|(name, _)| name.as_bytes() == kind)?;
    let found = object(keys, frame, start).and_then(|has| match *name {
        // One of the two is changed.
        "ACCOUNT_CONFIG_UPDATE" if has & 0b1100 == 0 => Err((SkipReason::MissingKey, "ac", start)),
        _ => Ok(()),
    });
    Some(found)
}

/// Checks an object; gives which of the keys it has, a bit each.
fn object(keys: &'static [Key], frame: &[u8], start: u32) -> Result<u64, Flaw> {
    let mut slots = Slots::new();
    let mut plain = Vec::new();
    // The object was validated when it was passed, so this walk cannot fail.
    let walked = Scanner::inside(frame, start).members(|scan, name| {
        let name: Text = name;
        let name = name.decode(scan.frame, &mut plain);
        match keys.iter().take(MOST).position(|key| key.name.as_bytes() == name) {
            Some(at) => scan.value(slots.place(at as u8)),
            None => scan.skip(),
        }
    });
    debug_assert!(walked.is_ok());
    let fields = Fields { frame, slots: &slots };
    let mut has = 0;
    for (key, slot) in keys.iter().zip(0..) {
        let at = if slots.has(slot) { slots.offset(slot) } else { start };
        if slots.get(slot).is_some() {
            has |= 1 << slot;
            value(key.form, fields, slot).map_err(|flaw| flaw.at(key.name, at))?;
        } else if key.is_required {
            return Err((SkipReason::MissingKey, key.name, at));
        }
    }
    Ok(has)
}

/// A flaw of the value itself, or of something inside it.
enum Wrong {
    Here(SkipReason),
    Inside(Flaw),
}

impl Wrong {
    const fn at(self, key: &'static str, at: u32) -> Flaw {
        match self {
            Self::Here(reason) => (reason, key, at),
            Self::Inside(flaw) => flaw,
        }
    }
}

impl From<Fault> for Wrong {
    fn from(fault: Fault) -> Self {
        Self::Here(fault.reason)
    }
}

fn value(form: Form, fields: Fields, slot: u8) -> Result<(), Wrong> {
    match (form, fields.slots.get(slot)) {
        (Form::Text, Some(Value::Text(_))) | (Flag, Some(Value::Bool(_))) => Ok(()),
        (Symbol, _) => checked(fields.symbol(slot)),
        (Decimal, _) => checked(fields.sum_text(slot)),
        (Number, _) => checked(fields.float(slot)),
        (Integer, _) => checked(fields.integer(slot)),
        (Time, _) => checked(fields.required_time(slot)),
        (Object(keys), Some(Value::Object { start })) => {
            object(keys, fields.frame, start).map(drop).map_err(Wrong::Inside)
        }
        (List(keys), Some(Value::Array { start })) => list(keys, fields.frame, start),
        _ => Err(Wrong::Here(SkipReason::WrongType)),
    }
}

fn checked<T>(read: Read<T>) -> Result<(), Wrong> {
    read.map(drop).map_err(Wrong::from)
}

fn list(keys: &'static [Key], frame: &[u8], start: u32) -> Result<(), Wrong> {
    let mut wrong = None;
    let walked = Scanner::inside(frame, start).elements(|scan| {
        let at = scan.offset();
        let is_object = scan.peek() == b'{';
        scan.value(&mut Token::at(Tag::Null, 0))?;
        if wrong.is_none() {
            wrong = if is_object {
                object(keys, frame, at).err().map(Wrong::Inside)
            } else {
                Some(Wrong::Here(SkipReason::WrongType))
            };
        }
        Ok(())
    });
    debug_assert!(walked.is_ok());
    wrong.map_or(Ok(()), Err)
}
