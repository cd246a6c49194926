//! Units: which numbers may be added, compared and multiplied, and what comes out.
//!
//! Sums and comparisons need equal units. A bare number takes the unit of the other side, except a ratio's:
//! `change > 3` is refused, because it would silently mean 300 %. A bare number with K, M or B does not take
//! seconds either: `last_age > 5M` is refused, because 5 minutes were meant. Products:
//!
//! | | |
//! |---|---|
//! | plain x U, ratio x U | U (ratio x plain is a ratio) |
//! | price x shares | money |
//! | U / U | plain; and `a/b - 1` of equal units is a ratio |
//! | U / plain, U / ratio, U / count | U |
//! | money / price, money / shares | shares, price |
//! | count / seconds | plain (a rate per second) |

use ringtape_model::{Field, FieldRef, Nanos, Unit};

use super::parse::{Arith, Id, Kind, Rel, Tree};
use super::{Fault, Span};

/// What a node is, as far as units go.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Type {
    /// Unknown because of a mistake already reported; fits everything.
    Any,
    Bool,
    /// A number written without a unit; `scaled` where K, M or B was used.
    Bare {
        scaled: bool,
    },
    Of(Unit),
}

impl Type {
    fn is_number(self) -> bool {
        self != Self::Bool
    }

    fn is_plain(self) -> bool {
        matches!(self, Self::Bare { .. } | Self::Of(Unit::Scalar))
    }
}

/// Every unit mistake of a tree, in post-order.
pub(super) fn check(text: &str, tree: &Tree) -> Vec<Fault> {
    let mut checker = Checker { text, tree, types: Vec::with_capacity(tree.nodes.len()), faults: Vec::new() };
    for id in 0..tree.nodes.len() {
        let found = checker.node(id);
        checker.types.push(found);
    }
    if let Some(root) = tree.root {
        checker.condition(root, "a condition");
    }
    checker.faults
}

struct Checker<'a> {
    text: &'a str,
    tree: &'a Tree,
    types: Vec<Type>,
    faults: Vec<Fault>,
}

impl Checker<'_> {
    fn span(&self, id: Id) -> Span {
        self.tree.nodes[id].span
    }

    fn shown(&self, id: Id) -> String {
        const MOST: usize = 40;
        let text = self.span(id).of(self.text).split_whitespace().collect::<Vec<_>>().join(" ");
        if text.len() > MOST && text.is_ascii() { format!("{}...", &text[..MOST]) } else { text }
    }

    fn fault(&mut self, span: Span, reason: String, hint: impl Into<String>) -> Type {
        self.faults.push(Fault::new(span, reason, hint));
        Type::Any
    }

    fn node(&mut self, id: Id) -> Type {
        match self.tree.nodes[id].kind {
            Kind::Error => Type::Any,
            Kind::Number { scaled, .. } => Type::Bare { scaled },
            Kind::Ratio(_) => Type::Of(Unit::Ratio),
            Kind::Duration(_) => Type::Of(Unit::Seconds),
            Kind::Code(_) => Type::Of(Unit::Code),
            Kind::Bool(_) | Kind::Defined | Kind::Undefined => Type::Bool,
            Kind::Field(field) => self.field(id, field.field.info().unit),
            Kind::Negate(inner) | Kind::Abs(inner) => self.number(inner),
            Kind::AsRatio(inner) => self.as_ratio(inner),
            Kind::Arith(arith, left, right) => self.arith(id, arith, left, right),
            Kind::Coalesce(left, right) => self.same(left, right),
            Kind::Previous(inner) => self.types[inner],
            Kind::Compare(rel, left, right) => {
                self.compare(rel, left, right);
                Type::Bool
            }
            Kind::Chain(_, _, operands) => {
                self.between(operands[0], operands[1], operands[2]);
                Type::Bool
            }
            Kind::Within([value, low, high]) => {
                self.between(value, low, high);
                self.range_order(low, high);
                Type::Bool
            }
            Kind::Crosses(_, left, right) => {
                if self.both_numbers(left, right) {
                    self.same(left, right);
                }
                Type::Bool
            }
            Kind::Not(inner) => {
                self.condition(inner, "not");
                Type::Bool
            }
            Kind::And(left, right) => self.logic("and", left, right),
            Kind::Or(left, right) => self.logic("or", left, right),
        }
    }

    fn field(&mut self, id: Id, unit: Unit) -> Type {
        match unit {
            Unit::Time => {
                let name = self.shown(id);
                let hint = format!("use {}", name.replace("_time", "_age"));
                self.fault(self.span(id), format!("{name} is a point in time, not a number"), hint)
            }
            Unit::Bool => Type::Bool,
            unit => Type::Of(unit),
        }
    }

    /// The type of an operand that must be a number.
    fn number(&mut self, id: Id) -> Type {
        let found = self.types[id];
        if found.is_number() {
            return found;
        }
        let reason = format!("{} is true or false, a number is needed", self.shown(id));
        self.fault(self.span(id), reason, "")
    }

    fn both_numbers(&mut self, left: Id, right: Id) -> bool {
        let left = self.number(left);
        let right = self.number(right);
        left != Type::Any && right != Type::Any
    }

    fn condition(&mut self, id: Id, user: &str) {
        if matches!(self.types[id], Type::Bool | Type::Any) {
            return;
        }
        let shown = self.shown(id);
        let reason = format!("{}, {user} is true or false", self.described(id));
        self.fault(self.span(id), reason, format!("compare it, such as {shown} > ..."));
    }

    fn logic(&mut self, word: &str, left: Id, right: Id) -> Type {
        let user = format!("a side of {word}");
        self.condition(left, &user);
        self.condition(right, &user);
        Type::Bool
    }

    fn as_ratio(&mut self, inner: Id) -> Type {
        let found = self.number(inner);
        if found == Type::Any || found.is_plain() {
            return Type::Of(Unit::Ratio);
        }
        let reason = format!("{}, ratio() takes a plain number", self.described(inner));
        self.fault(self.span(inner), reason, "")
    }

    fn compare(&mut self, rel: Rel, left: Id, right: Id) {
        let equality = matches!(rel, Rel::Equal | Rel::NotEqual);
        if equality && self.types[left] == Type::Bool && self.types[right] == Type::Bool {
            return;
        }
        if self.both_numbers(left, right) {
            self.same(left, right);
        }
    }

    fn between(&mut self, first: Id, second: Id, third: Id) {
        let numbers = self.both_numbers(first, second);
        if self.number(third) == Type::Any || !numbers {
            return;
        }
        if self.same(first, second) != Type::Any {
            let anchor = if matches!(self.types[first], Type::Bare { .. }) { second } else { first };
            self.same(anchor, third);
        }
    }

    fn range_order(&mut self, low: Id, high: Id) {
        let (Some(a), Some(b)) = (self.constant(low), self.constant(high)) else { return };
        if a > b && unify(self.types[low], self.types[high]).is_some() {
            let hint = format!("write {}..{}", self.shown(high), self.shown(low));
            self.fault(self.span(low).to(self.span(high)), "the range is empty".to_owned(), hint);
        }
    }

    fn constant(&self, id: Id) -> Option<f64> {
        match self.tree.nodes[id].kind {
            Kind::Number { value, .. } | Kind::Ratio(value) => Some(value),
            Kind::Duration(length) => Some(length as f64),
            Kind::Negate(inner) => self.constant(inner).map(|value| -value),
            _ => None,
        }
    }

    /// The common type of two operands that are added, compared or chosen between.
    fn same(&mut self, left: Id, right: Id) -> Type {
        let found = unify(self.types[left], self.types[right]);
        found.unwrap_or_else(|| self.mismatch(left, right))
    }

    fn mismatch(&mut self, left: Id, right: Id) -> Type {
        // The caret goes under the side that is easier to rewrite: a literal, a bare number, else the right one.
        let literal = |id: Id| self.constant(id).is_some();
        let bare = |id: Id| matches!(self.types[id], Type::Bare { .. });
        let culprit = if (literal(left) && !literal(right)) || (bare(left) && !bare(right)) { left } else { right };
        let other = if culprit == left { right } else { left };
        let reason = format!("unit mismatch: {}, {}", self.described(other), self.described(culprit));
        let hint = self.mismatch_hint(culprit, other);
        self.fault(self.span(culprit), reason, hint)
    }

    fn mismatch_hint(&self, culprit: Id, other_id: Id) -> String {
        let shown = self.shown(culprit);
        let other = self.types[other_id];
        match (self.tree.nodes[culprit].kind, self.types[culprit]) {
            (Kind::Duration(_), _)
                if shown.ends_with('m') && !shown.ends_with("ms") && other != Type::Of(Unit::Ratio) =>
            {
                let digits = shown.trim_end_matches('m');
                format!("did you mean {digits}M ({} million)?", spelled(digits))
            }
            (Kind::Number { scaled: true, .. }, _) if shown.ends_with('M') && other == Type::Of(Unit::Seconds) => {
                let digits = shown.trim_end_matches('M');
                format!("did you mean {digits}m ({})?", counted(digits, "minute"))
            }
            (Kind::Number { scaled: false, .. }, _) if self.is_in_basis_points(other_id) => format!("write {shown}bp"),
            (Kind::Number { scaled: false, value }, _) if other == Type::Of(Unit::Ratio) => {
                let percent = value * 100.0;
                format!("write {shown}% (ratio({shown}) would be {percent} %)")
            }
            (Kind::Negate(_), Type::Bare { scaled: false }) if other == Type::Of(Unit::Ratio) => {
                format!("write {shown}%")
            }
            (_, Type::Bare { .. }) if other == Type::Of(Unit::Ratio) => {
                "write a percentage such as 3%, or ratio(...)".to_owned()
            }
            (Kind::Ratio(value), _) if other == Type::Of(Unit::Scalar) => format!("write {value}"),
            _ => String::new(),
        }
    }

    fn is_in_basis_points(&self, id: Id) -> bool {
        matches!(self.tree.nodes[id].kind, Kind::Field(FieldRef { field: Field::SpreadBps | Field::MicroDev, .. }))
    }

    /// "change(5m) is a ratio", "1m is a duration (one minute)".
    fn described(&self, id: Id) -> String {
        let shown = self.shown(id);
        let meaning = match (self.tree.nodes[id].kind, self.types[id]) {
            (Kind::Duration(length), _) => format!("is a duration ({})", duration_words(length)),
            (Kind::Number { value, scaled: true }, _) => format!("is the number {value}"),
            (_, Type::Any) => "is unknown".to_owned(),
            (_, Type::Bool) => "is true or false".to_owned(),
            (_, Type::Bare { .. }) => "is a plain number".to_owned(),
            (_, Type::Of(unit)) => match unit {
                Unit::Price => "is a price".to_owned(),
                Unit::Ratio => "is a ratio".to_owned(),
                Unit::Count => "is a count".to_owned(),
                Unit::Scalar => "is a plain number".to_owned(),
                Unit::Money => "is an amount of money".to_owned(),
                Unit::Code => "is one of some names".to_owned(),
                unit => format!("is in {}", unit.name()),
            },
        };
        format!("{shown} {meaning}")
    }

    fn arith(&mut self, id: Id, arith: Arith, left: Id, right: Id) -> Type {
        if !self.both_numbers(left, right) {
            return Type::Any;
        }
        match arith {
            Arith::Sub if self.is_return(left, right) => Type::Of(Unit::Ratio),
            Arith::Add | Arith::Sub | Arith::Min | Arith::Max => self.same(left, right),
            Arith::Mul => match product(self.types[left], self.types[right]) {
                Some(found) => found,
                None => self.no_product("times", id, left, right),
            },
            Arith::Div if self.constant(right) == Some(0.0) => {
                self.fault(self.span(right), "division by zero".to_owned(), "the result is never defined")
            }
            Arith::Div => match quotient(self.types[left], self.types[right]) {
                Some(found) => found,
                None => self.no_product("divided by", id, left, right),
            },
        }
    }

    /// `a/b - 1` of equal units.
    fn is_return(&self, left: Id, right: Id) -> bool {
        let Kind::Arith(Arith::Div, above, below) = self.tree.nodes[left].kind else { return false };
        let one = matches!(self.tree.nodes[right].kind, Kind::Number { value, scaled: false } if value == 1.0);
        one && self.types[above] == self.types[below] && matches!(self.types[above], Type::Of(_))
    }

    fn no_product(&mut self, word: &str, id: Id, left: Id, right: Id) -> Type {
        let reason = format!("no unit for {} {word} {}", self.unit_name(left), self.unit_name(right));
        self.fault(self.span(id), reason, "")
    }

    fn unit_name(&self, id: Id) -> &'static str {
        match self.types[id] {
            Type::Of(Unit::Scalar) | Type::Bare { .. } | Type::Any => "a plain number",
            Type::Bool => "true or false",
            Type::Of(unit) => unit.name(),
        }
    }
}

fn unify(left: Type, right: Type) -> Option<Type> {
    match (left, right) {
        (Type::Any, other) | (other, Type::Any) => Some(other),
        (Type::Bool, Type::Bool) => Some(Type::Bool),
        (Type::Bare { scaled: a }, Type::Bare { scaled: b }) => Some(Type::Bare { scaled: a || b }),
        (Type::Bare { scaled }, Type::Of(unit)) | (Type::Of(unit), Type::Bare { scaled }) => {
            let refused = unit == Unit::Ratio || (scaled && unit == Unit::Seconds);
            (!refused).then_some(Type::Of(unit))
        }
        (Type::Of(a), Type::Of(b)) if a == b => Some(left),
        _ => None,
    }
}

fn product(left: Type, right: Type) -> Option<Type> {
    const RATIO: Type = Type::Of(Unit::Ratio);
    match (left, right) {
        (Type::Any, _) | (_, Type::Any) => Some(Type::Any),
        (Type::Bare { .. }, Type::Bare { .. }) => unify(left, right),
        (RATIO, other) | (other, RATIO) if other.is_plain() => Some(RATIO),
        (RATIO | Type::Bare { .. } | Type::Of(Unit::Scalar), other)
        | (other, RATIO | Type::Bare { .. } | Type::Of(Unit::Scalar)) => Some(other),
        (Type::Of(Unit::Price), Type::Of(Unit::Shares)) | (Type::Of(Unit::Shares), Type::Of(Unit::Price)) => {
            Some(Type::Of(Unit::Money))
        }
        _ => None,
    }
}

fn quotient(left: Type, right: Type) -> Option<Type> {
    const PLAIN: Type = Type::Of(Unit::Scalar);
    match (left, right) {
        (Type::Any, _) | (_, Type::Any) => Some(Type::Any),
        (Type::Bare { .. }, Type::Bare { .. }) => unify(left, right),
        (Type::Of(a), Type::Of(b)) if a == b => Some(PLAIN),
        (Type::Bare { .. }, Type::Of(Unit::Scalar | Unit::Ratio | Unit::Count))
        | (Type::Of(Unit::Count), Type::Of(Unit::Seconds)) => Some(PLAIN),
        (other, Type::Bare { .. } | Type::Of(Unit::Scalar | Unit::Ratio | Unit::Count)) => Some(other),
        (Type::Of(Unit::Money), Type::Of(Unit::Price)) => Some(Type::Of(Unit::Shares)),
        (Type::Of(Unit::Money), Type::Of(Unit::Shares)) => Some(Type::Of(Unit::Price)),
        _ => None,
    }
}

fn spelled(digits: &str) -> &str {
    if digits == "1" { "one" } else { digits }
}

fn counted(digits: &str, thing: &str) -> String {
    let plural = if digits == "1" { "" } else { "s" };
    format!("{} {thing}{plural}", spelled(digits))
}

fn duration_words(length: Nanos) -> String {
    const STEPS: [(Nanos, &str); 5] = [
        (86_400_000_000_000, "day"),
        (3_600_000_000_000, "hour"),
        (60_000_000_000, "minute"),
        (1_000_000_000, "second"),
        (1_000_000, "millisecond"),
    ];
    let whole = STEPS.into_iter().find(|(step, _)| length >= *step && length % step == 0);
    let (step, name) = whole.unwrap_or(STEPS[4]);
    counted(&(length / step).to_string(), name)
}
