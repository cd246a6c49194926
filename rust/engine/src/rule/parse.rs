//! Tokens to a tree, by recursive descent.
//!
//! Several mistakes are found in one run: after a mistake the parser skips to the next `and`, `or` or closing
//! bracket and leaves an `Error` node, which the check accepts as anything.

use ringtape_model::field::{Arg, Args, FieldError, WINDOW_MAX, parse_clock, window_text};
use ringtape_model::{FieldRef, Nanos, nearest};

use super::lex::{Lexeme, Token, lex};
use super::{DEPTH_MAX, Fault, NODES_MAX, Span, did_you_mean, listed};

/// A place in [`Tree::nodes`].
pub(super) type Id = usize;

/// Order comparisons and equality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rel {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
}

impl Rel {
    fn from_token(token: Token) -> Option<Self> {
        Some(match token {
            Token::Less => Self::Less,
            Token::LessEqual => Self::LessEqual,
            Token::Greater => Self::Greater,
            Token::GreaterEqual => Self::GreaterEqual,
            Token::Equal => Self::Equal,
            Token::NotEqual => Self::NotEqual,
            _ => return None,
        })
    }

    /// -1 for smaller, 1 for greater, 0 for equality, which has no direction.
    fn direction(self) -> i8 {
        match self {
            Self::Less | Self::LessEqual => -1,
            Self::Greater | Self::GreaterEqual => 1,
            Self::Equal | Self::NotEqual => 0,
        }
    }
}

/// Arithmetic with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arith {
    Add,
    Sub,
    Mul,
    Div,
    Min,
    Max,
}

/// Which way a crossing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Above,
    Below,
    Either,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Stands where a mistake was reported.
    Error,
    Number {
        value: f64,
        scaled: bool,
    },
    Ratio(f64),
    Duration(Nanos),
    Bool(bool),
    /// The code of a name, compared with a field of codes.
    Code(usize),
    Field(FieldRef),
    Negate(Id),
    Abs(Id),
    /// `ratio(x)`: a plain number taken as a fraction.
    AsRatio(Id),
    Arith(Arith, Id, Id),
    Coalesce(Id, Id),
    Previous(Id),
    Defined,
    Undefined,
    Compare(Rel, Id, Id),
    /// `a r1 b r2 c`
    Chain(Rel, Rel, [Id; 3]),
    /// `x in low..high`
    Within([Id; 3]),
    Crosses(Way, Id, Id),
    Not(Id),
    And(Id, Id),
    Or(Id, Id),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

/// INVARIANT: nodes stand in post-order, each operand before its operator; without faults nothing else is in
/// the vector, so it is at the same time the postfix form of the text.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// The whole text; `None` where there is none because of a mistake.
    pub(super) root: Option<Id>,
}

impl Tree {
    /// Every field with the place where it is named.
    pub(super) fn fields(&self) -> Vec<(FieldRef, Span)> {
        let field = |node: &Node| if let Kind::Field(field) = node.kind { Some((field, node.span)) } else { None };
        self.nodes.iter().filter_map(field).collect()
    }
}

/// The tree of a text, and its mistakes.
pub(super) fn parse(text: &str) -> (Tree, Vec<Fault>) {
    let (tokens, faults) = lex(text);
    if !faults.is_empty() {
        return (Tree::default(), faults);
    }
    let mut parser = Parser { text, tokens, at: 0, depth: 0, over: false, tree: Tree::default(), faults };
    parser.whole();
    (parser.tree, parser.faults)
}

/// The mistake is reported; what is left is to find a place to go on.
struct Stop;

type Parsed = Result<Id, Stop>;

struct Function {
    name: &'static str,
    arguments: std::ops::RangeInclusive<usize>,
    example: &'static str,
}

const FUNCTIONS: [Function; 7] = [
    Function { name: "abs", arguments: 1..=1, example: "abs(x)" },
    Function { name: "coalesce", arguments: 2..=2, example: "coalesce(x, y)" },
    Function { name: "defined", arguments: 1..=1, example: "defined(x)" },
    Function { name: "max", arguments: 2..=NODES_MAX, example: "max(x, y)" },
    Function { name: "min", arguments: 2..=NODES_MAX, example: "min(x, y)" },
    Function { name: "prev", arguments: 1..=1, example: "prev(x)" },
    Function { name: "ratio", arguments: 1..=1, example: "ratio(0.03)" },
];

/// Functions of the full language that this version refuses by name.
const LATER: [&str; 21] = [
    "ago", "alerted", "avg", "count", "filter", "floor", "held", "if", "ln", "max_of", "min_of", "of", "pct_rank",
    "rank", "sign", "since", "sqrt", "stdev", "top", "was", "xz",
];

const KEYWORDS: [&str; 11] =
    ["and", "crosses", "crosses_above", "crosses_below", "false", "in", "is", "not", "or", "true", "undefined"];

fn is_field(name: &str) -> bool {
    FieldRef::forms(name).next().is_some()
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Lexeme>,
    at: usize,
    depth: usize,
    /// A limit was passed; everything unwinds.
    over: bool,
    tree: Tree,
    faults: Vec<Fault>,
}

impl Parser<'_> {
    fn here(&self) -> Lexeme {
        self.tokens[self.at]
    }

    fn token_after(&self, ahead: usize) -> Token {
        self.tokens.get(self.at + ahead).map_or(Token::End, |lexeme| lexeme.token)
    }

    fn advance(&mut self) -> Lexeme {
        let lexeme = self.here();
        if lexeme.token != Token::End {
            self.at += 1;
        }
        lexeme
    }

    fn accept(&mut self, token: Token) -> bool {
        let found = self.here().token == token;
        if found {
            self.advance();
        }
        found
    }

    fn fail<T>(&mut self, span: Span, reason: impl Into<String>, hint: impl Into<String>) -> Result<T, Stop> {
        self.faults.push(Fault::new(span, reason, hint));
        Err(Stop)
    }

    fn later<T>(&mut self, span: Span, what: &str) -> Result<T, Stop> {
        self.faults.push(Fault::not_yet(span, what));
        Err(Stop)
    }

    /// A limit is passed: nothing after this point is worth reading.
    fn give_up<T>(&mut self, span: Span, reason: String, hint: &str) -> Result<T, Stop> {
        self.over = true;
        self.fail(span, reason, hint)
    }

    fn span(&self, id: Id) -> Span {
        self.tree.nodes[id].span
    }

    fn push(&mut self, kind: Kind, span: Span) -> Parsed {
        if self.tree.nodes.len() == NODES_MAX {
            return self.give_up(
                span,
                format!("more than {NODES_MAX} operators and operands"),
                "split the rule in two",
            );
        }
        self.tree.nodes.push(Node { kind, span });
        Ok(self.tree.nodes.len() - 1)
    }

    fn binary(&mut self, kind: Kind, left: Id, right: Id) -> Parsed {
        self.push(kind, self.span(left).to(self.span(right)))
    }

    fn whole(&mut self) {
        if self.here().token == Token::End {
            self.faults.push(Fault::new(Span::new(0, 0), "the text is empty", "write a condition such as last > 10"));
            return;
        }
        self.tree.root = self.or().ok();
        let rest = self.here();
        if rest.token != Token::End && !self.over {
            self.unexpected(rest);
        }
    }

    fn unexpected(&mut self, lexeme: Lexeme) {
        let word = lexeme.span.of(self.text);
        let lower = word.to_ascii_lowercase();
        let hint = match lexeme.token {
            Token::Name if KEYWORDS.contains(&lower.as_str()) => format!("write {lower}"),
            token => hint_for(token).to_owned(),
        };
        self.faults.push(Fault::new(lexeme.span, format!("unexpected '{word}'"), hint));
    }

    fn or(&mut self) -> Parsed {
        let mut left = self.and()?;
        while self.accept(Token::Or) {
            let right = self.and()?;
            left = self.binary(Kind::Or(left, right), left, right)?;
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed {
        let mut left = self.operand()?;
        while self.accept(Token::And) {
            let right = self.operand()?;
            left = self.binary(Kind::And(left, right), left, right)?;
        }
        Ok(left)
    }

    /// One side of `and` or `or`; the place where reading goes on after a mistake.
    fn operand(&mut self) -> Parsed {
        let (start, depth) = (self.here().span, self.depth);
        if let Ok(id) = self.not() {
            let next = self.here();
            if matches!(next.token, Token::And | Token::Or | Token::Close | Token::Comma | Token::End) {
                return Ok(id);
            }
            self.unexpected(next);
        }
        if self.over {
            return Err(Stop);
        }
        self.depth = depth;
        self.skip();
        self.push(Kind::Error, start)
    }

    /// Skips to the next `and`, `or`, comma or bracket that belongs to an enclosing part.
    fn skip(&mut self) {
        let mut open = 0usize;
        loop {
            match self.here().token {
                Token::End => return,
                Token::And | Token::Or | Token::Comma | Token::Close if open == 0 => return,
                Token::Open => open += 1,
                Token::Close => open -= 1,
                _ => {}
            }
            self.advance();
        }
    }

    /// Runs `inner` one level deeper. INVARIANT: recursion passes through here, so it ends at [`DEPTH_MAX`].
    fn nested(&mut self, span: Span, inner: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        if self.depth == DEPTH_MAX {
            return self.give_up(span, format!("nested deeper than {DEPTH_MAX}"), "split the rule in two");
        }
        self.depth += 1;
        let found = inner(self);
        self.depth -= 1;
        found
    }

    fn not(&mut self) -> Parsed {
        let start = self.here().span;
        if !self.accept(Token::Not) {
            return self.comparison();
        }
        let inner = self.nested(start, Self::not)?;
        self.push(Kind::Not(inner), start.to(self.span(inner)))
    }

    fn comparison(&mut self) -> Parsed {
        let left = self.sum()?;
        let operator = self.here();
        if let Some(rel) = Rel::from_token(operator.token) {
            self.advance();
            return self.relation(left, rel);
        }
        match operator.token {
            Token::Crosses | Token::CrossesAbove | Token::CrossesBelow => self.crossing(left),
            Token::In => self.range(left, operator.span),
            Token::Not if self.token_after(1) == Token::In => {
                self.advance();
                let inner = self.range(left, self.here().span)?;
                self.push(Kind::Not(inner), self.span(inner))
            }
            Token::Is => self.is(left),
            Token::Assign => self.fail(operator.span, "unexpected '='", "write =="),
            _ => Ok(left),
        }
    }

    fn relation(&mut self, left: Id, rel: Rel) -> Parsed {
        if let (Token::Text, Kind::Field(field)) = (self.here().token, self.tree.nodes[left].kind)
            && !field.field.names().is_empty()
        {
            return self.named(left, rel, field);
        }
        let middle = self.sum()?;
        let operator = self.here();
        let Some(second) = Rel::from_token(operator.token) else {
            return self.binary(Kind::Compare(rel, left, middle), left, middle);
        };
        self.advance();
        let right = self.sum()?;
        if rel.direction() != second.direction() || rel.direction() == 0 {
            let hint = self.chain_hint(left, rel, middle, operator.span, right);
            let span = operator.span.to(self.span(right));
            return self.fail(span, "a chained comparison must point one way", hint);
        }
        let third = self.here();
        if Rel::from_token(third.token).is_some() {
            return self.fail(third.span, "a chained comparison has two sides", "join with and");
        }
        self.binary(Kind::Chain(rel, second, [left, middle, right]), left, right)
    }

    /// A field of codes compared with one of its names.
    fn named(&mut self, left: Id, rel: Rel, field: FieldRef) -> Parsed {
        if rel.direction() != 0 {
            let span = self.here().span;
            return self.fail(span, "names have no order", "compare them with == or !=");
        }
        let name = self.member(field)?;
        self.binary(Kind::Compare(rel, left, name), left, name)
    }

    /// A name of a field of codes, in quotation marks.
    fn member(&mut self, field: FieldRef) -> Parsed {
        let Lexeme { token, span } = self.here();
        let (text, names) = (span.of(self.text), field.field.names());
        if token != Token::Text {
            return self.fail(span, "a name in quotation marks is needed here", format!("such as \"{}\"", names[0]));
        }
        self.advance();
        if let Some(code) = names.iter().position(|name| text.get(1..text.len() - 1) == Some(name)) {
            return self.push(Kind::Code(code), span);
        }
        let hint = format!("members: {}", names.join(", "));
        self.fail(span, format!("{} has no member {text}", field.text()), hint)
    }

    /// `field in ["a", "b"]`: one comparison for each name, joined by or.
    fn one_of(&mut self, left: Id, field: FieldRef) -> Parsed {
        let mut found = None;
        loop {
            self.advance();
            // INVARIANT: each comparison has its own operand, which keeps the tree in post-order.
            let operand = if found.is_none() { left } else { self.push(Kind::Field(field), self.span(left))? };
            let Ok(name) = self.member(field) else {
                while !matches!(self.advance().token, Token::Stray | Token::End) {}
                return Err(Stop);
            };
            let equal = self.binary(Kind::Compare(Rel::Equal, operand, name), left, name)?;
            found = Some(match found {
                Some(before) => self.binary(Kind::Or(before, equal), left, name)?,
                None => equal,
            });
            let next = self.here();
            if next.token == Token::Comma {
                continue;
            }
            if next.token == Token::End {
                return self.fail(self.span(left), "unclosed list, end of rule reached", "add ]");
            }
            if next.span.of(self.text) != "]" {
                return self.fail(next.span, format!("unexpected '{}'", next.span.of(self.text)), "expected ]");
            }
            self.advance();
            return found.ok_or(Stop);
        }
    }

    fn chain_hint(&self, left: Id, rel: Rel, middle: Id, second: Span, right: Id) -> String {
        let text = |id: Id| self.span(id).of(self.text);
        let number =
            |id: Id| if let Kind::Number { value, .. } = self.tree.nodes[id].kind { Some(value) } else { None };
        match (number(left), number(right)) {
            (Some(low), Some(high)) if low < high && rel.direction() != 0 => {
                format!("use: {} in {}..{}", text(middle), text(left), text(right))
            }
            _ => {
                let first = Span::new(self.span(left).start, self.span(middle).end).of(self.text);
                format!("use: {first} and {} {} {}", text(middle), second.of(self.text), text(right))
            }
        }
    }

    fn crossing(&mut self, left: Id) -> Parsed {
        let operator = self.advance();
        let way = match operator.token {
            Token::CrossesAbove => Way::Above,
            Token::CrossesBelow => Way::Below,
            _ => Way::Either,
        };
        let next = self.here();
        if let word @ ("above" | "below" | "over" | "under") = next.span.of(self.text) {
            let whole = if matches!(word, "above" | "over") { "crosses_above" } else { "crosses_below" };
            return self.fail(operator.span.to(next.span), "a crossing is one word", format!("write {whole}"));
        }
        let right = self.sum()?;
        self.binary(Kind::Crosses(way, left, right), left, right)
    }

    fn range(&mut self, left: Id, operator: Span) -> Parsed {
        self.advance();
        let next = self.here();
        match (next.token, self.tree.nodes[left].kind) {
            (Token::Bracket, Kind::Field(field)) if !field.field.names().is_empty() => return self.one_of(left, field),
            (Token::Bracket, _) => {
                while !matches!(self.advance().token, Token::Stray | Token::End) {}
                return self.later(next.span, "lists of values");
            }
            (Token::At, _) => return self.later(next.span, "named lists such as @watch"),
            _ => {}
        }
        let low = self.sum()?;
        if !self.accept(Token::Dots) {
            return self.fail(operator, "in needs a range", "write in 1..20");
        }
        let high = self.sum()?;
        self.binary(Kind::Within([left, low, high]), left, high)
    }

    fn is(&mut self, left: Id) -> Parsed {
        let operator = self.advance();
        let negated = self.accept(Token::Not);
        let last = self.here().span;
        if !self.accept(Token::Undefined) {
            return self.fail(operator.span, "is needs undefined", "write is undefined, is not undefined or ==");
        }
        let kind = if negated { Kind::Defined } else { Kind::Undefined };
        self.push(kind, self.span(left).to(last))
    }

    fn sum(&mut self) -> Parsed {
        let mut left = self.product()?;
        loop {
            let operator = match self.here().token {
                Token::Plus => Arith::Add,
                Token::Minus => Arith::Sub,
                _ => return Ok(left),
            };
            self.advance();
            let right = self.product()?;
            left = self.binary(Kind::Arith(operator, left, right), left, right)?;
        }
    }

    fn product(&mut self) -> Parsed {
        let mut left = self.unary()?;
        loop {
            let operator = match self.here().token {
                Token::Star => Arith::Mul,
                Token::Slash => Arith::Div,
                _ => return Ok(left),
            };
            self.advance();
            let right = self.unary()?;
            left = self.binary(Kind::Arith(operator, left, right), left, right)?;
        }
    }

    fn unary(&mut self) -> Parsed {
        let start = self.here().span;
        if !self.accept(Token::Minus) {
            return self.primary();
        }
        let inner = self.primary()?;
        self.push(Kind::Negate(inner), start.to(self.span(inner)))
    }

    fn primary(&mut self) -> Parsed {
        let Lexeme { token, span } = self.here();
        match token {
            Token::Number { value, scaled } => self.literal(Kind::Number { value, scaled }),
            Token::Ratio(value) => self.literal(Kind::Ratio(value)),
            Token::Duration(length) => self.literal(Kind::Duration(length)),
            Token::True => self.literal(Kind::Bool(true)),
            Token::False => self.literal(Kind::Bool(false)),
            Token::Name => self.name(),
            Token::Open => self.parenthesis(),
            Token::Ticks => self.later(span, "a number of trades such as 20t"),
            Token::Clock => self.later(span, "clock times such as 09:30"),
            Token::Text => self.later(span, "text values"),
            Token::At => self.later(span, "named lists such as @watch"),
            Token::End => self.fail(span, "a value is missing here", "the rule ends too early"),
            Token::Not => self.fail(span, "unexpected 'not'", "put it in parentheses: (not ...)"),
            _ => {
                self.unexpected(self.here());
                Err(Stop)
            }
        }
    }

    fn literal(&mut self, kind: Kind) -> Parsed {
        let span = self.advance().span;
        self.push(kind, span)
    }

    fn parenthesis(&mut self) -> Parsed {
        let open = self.advance().span;
        let next = self.here();
        if next.token == Token::Close {
            self.advance();
            return self.fail(open.to(next.span), "nothing between the parentheses", "");
        }
        let inner = self.nested(open, Self::or)?;
        self.close(open)?;
        Ok(inner)
    }

    /// Reads the closing bracket; at the end of the text the mistake is reported and reading goes on as if it stood there.
    fn close(&mut self, open: Span) -> Result<(), Stop> {
        let next = self.here();
        match next.token {
            Token::Close => {
                self.advance();
                Ok(())
            }
            Token::End => {
                self.faults.push(Fault::new(open, "unclosed parenthesis, end of rule reached", "add ) or remove this"));
                Ok(())
            }
            _ => self.fail(next.span, format!("unexpected '{}'", next.span.of(self.text)), "expected )"),
        }
    }

    fn name(&mut self) -> Parsed {
        let span = self.advance().span;
        let name = span.of(self.text);
        let called = self.here().token == Token::Open;
        if let Some(function) = FUNCTIONS.iter().find(|function| function.name == name) {
            if called { self.call(function, span) } else { self.bare_function(function, span) }
        } else if is_field(name) {
            self.field(span, called)
        } else if LATER.contains(&name) && called {
            self.skip_arguments();
            self.later(span, &format!("{name}()"))
        } else {
            self.unknown(span, called)
        }
    }

    fn bare_function<T>(&mut self, function: &Function, span: Span) -> Result<T, Stop> {
        let reason = format!("{} is a function", function.name);
        self.fail(span, reason, format!("write {}", function.example))
    }

    fn unknown(&mut self, span: Span, called: bool) -> Parsed {
        let name = span.of(self.text);
        if called {
            self.skip_arguments();
        }
        let lower = name.to_ascii_lowercase();
        if lower != name && (KEYWORDS.contains(&lower.as_str()) || is_field(&lower)) {
            return self.fail(span, "names and keywords are lower case", format!("write {lower}"));
        }
        let functions = nearest(name, FUNCTIONS.iter().map(|function| function.name), 1);
        match functions.first() {
            Some(function) if called && FieldRef::suggest(name).is_empty() => {
                self.fail(span, "unknown function", format!("did you mean {function}?"))
            }
            _ if called => self.fail(span, "unknown field or function", did_you_mean(&FieldRef::suggest(&lower))),
            _ => self.fail(span, "unknown field", did_you_mean(&FieldRef::suggest(&lower))),
        }
    }

    /// Skips a balanced `( ... )`, so that one unknown name gives one message.
    fn skip_arguments(&mut self) {
        self.advance();
        loop {
            self.skip();
            match self.advance().token {
                Token::Close | Token::End => return,
                _ => {}
            }
        }
    }

    fn field(&mut self, span: Span, called: bool) -> Parsed {
        let name = span.of(self.text);
        let takes_some = FieldRef::forms(name).any(|info| info.args != Args::None);
        if called && !takes_some {
            self.skip_arguments();
            let whole = Span::new(span.start, self.tokens[self.at - 1].span.end);
            return self.fail(whole, format!("{name} takes no window"), format!("write {name}"));
        }
        let (args, inside) = if called { self.field_arguments(span)? } else { (Vec::new(), span) };
        match FieldRef::find(name, &args) {
            Ok(field) => {
                let whole = Span::new(span.start, self.tokens[self.at - 1].span.end);
                self.push(Kind::Field(field), whole)
            }
            Err(FieldError::NeedsWindow) => {
                self.fail(span, format!("{name} needs a window"), format!("write {name}(1m)"))
            }
            Err(FieldError::BadWindow(hint)) => self.bad_argument(&args, inside, hint),
            Err(_) => self.other_arguments(name, &args, if called { inside } else { span }),
        }
    }

    /// The arguments of a field and where they stand, from the opening bracket to the closing one.
    fn field_arguments(&mut self, name: Span) -> Result<(Vec<Arg>, Span), Stop> {
        let open = self.advance().span;
        let name = name.of(self.text);
        let example = FieldRef::examples(name).into_iter().find(|one| one.ends_with(')')).unwrap_or_default();
        let mut args = Vec::new();
        let first = self.here().span;
        loop {
            let argument = self.advance();
            match self.argument_of_field(argument) {
                Some(found) => args.push(found),
                None if argument.token == Token::Close => {
                    let what = if example.contains(',') { "the arguments are" } else { "the window is" };
                    return self.fail(open.to(argument.span), format!("{what} missing"), format!("write {example}"));
                }
                None => {
                    self.at -= usize::from(argument.token != Token::End);
                    self.skip_rest_of_call();
                    let reason = if args.is_empty() { "a window is a duration" } else { "not an argument of a field" };
                    return self.fail(argument.span, reason, format!("write {example}"));
                }
            }
            let last = argument.span;
            if !self.accept(Token::Comma) {
                self.close(open)?;
                return Ok((args, first.to(last)));
            }
        }
    }

    fn argument_of_field(&self, lexeme: Lexeme) -> Option<Arg> {
        let text = lexeme.span.of(self.text).replace('_', "");
        match lexeme.token {
            Token::Duration(length) => Some(Arg::Duration(length)),
            Token::Number { value, .. } if value.fract() == 0.0 && (0.0..=4e9).contains(&value) => {
                Some(Arg::Number(value as u32))
            }
            // What does not fit is out of range in any case.
            Token::Number { .. } => Some(Arg::Number(u32::MAX)),
            Token::Ticks => Some(Arg::Trades(text.trim_end_matches('t').parse().unwrap_or(u32::MAX))),
            Token::Clock => parse_clock(&text).map(Arg::Clock),
            _ => None,
        }
    }

    /// Arguments of the right kinds, one of which is out of range.
    fn bad_argument(&mut self, args: &[Arg], inside: Span, hint: &str) -> Parsed {
        match args {
            &[Arg::Duration(length)] if length > WINDOW_MAX => {
                self.fail(inside, format!("window {} exceeds the limit 1d", window_text(length)), "")
            }
            [Arg::Duration(_)] => self.fail(inside, format!("{} is not a window", inside.of(self.text)), hint),
            _ => self.fail(inside, format!("{} is out of range", inside.of(self.text)), hint),
        }
    }

    /// Arguments that no field of that name takes.
    fn other_arguments(&mut self, name: &str, args: &[Arg], inside: Span) -> Parsed {
        let windowed = FieldRef::forms(name).any(|info| info.args == Args::Window);
        if let (true, [Arg::Number(_)]) = (windowed, args) {
            let hint = format!("write {name}(5m), {name}(30s) or another duration");
            return self.fail(inside, format!("window {} has no unit", inside.of(self.text)), hint);
        }
        let hint = format!("write {}", listed(&FieldRef::examples(name)));
        let reason = if args.is_empty() { "needs arguments" } else { "takes other arguments" };
        self.fail(inside, format!("{name} {reason}"), hint)
    }

    fn skip_rest_of_call(&mut self) {
        self.skip();
        self.accept(Token::Close);
    }

    fn call(&mut self, function: &Function, span: Span) -> Parsed {
        let open = self.advance().span;
        let mut value = None;
        let mut count = 0;
        if self.here().token != Token::Close {
            loop {
                let argument = self.argument(open)?;
                count += 1;
                value = Some(match value {
                    // INVARIANT: `min` and `max` fold as they read, which keeps the tree in post-order.
                    Some(left) if count <= *function.arguments.end() => self.fold(function, left, argument)?,
                    _ => argument,
                });
                if !self.accept(Token::Comma) {
                    break;
                }
            }
        }
        self.close(open)?;
        let whole = Span::new(span.start, self.tokens[self.at - 1].span.end);
        match value {
            Some(value) if function.arguments.contains(&count) => self.finish_call(function, value, whole),
            _ => {
                let wanted = match *function.arguments.start() {
                    1 => "one argument".to_owned(),
                    2 if *function.arguments.end() == 2 => "two arguments".to_owned(),
                    _ => "two or more arguments".to_owned(),
                };
                let reason = format!("{} takes {wanted}, not {count}", function.name);
                self.fail(whole, reason, format!("write {}", function.example))
            }
        }
    }

    fn argument(&mut self, open: Span) -> Parsed {
        if self.here().token == Token::Name && self.token_after(1) == Token::Assign {
            let span = self.here().span;
            self.faults.push(Fault::not_yet(span, "named arguments"));
            self.skip();
            return self.push(Kind::Error, span);
        }
        self.nested(open, Self::or)
    }

    fn fold(&mut self, function: &Function, left: Id, right: Id) -> Parsed {
        let kind = match function.name {
            "min" => Kind::Arith(Arith::Min, left, right),
            "max" => Kind::Arith(Arith::Max, left, right),
            _ => Kind::Coalesce(left, right),
        };
        self.binary(kind, left, right)
    }

    fn finish_call(&mut self, function: &Function, value: Id, whole: Span) -> Parsed {
        let kind = match function.name {
            "abs" => Kind::Abs(value),
            "defined" => Kind::Defined,
            "prev" => Kind::Previous(value),
            "ratio" => Kind::AsRatio(value),
            _ => {
                self.tree.nodes[value].span = whole;
                return Ok(value);
            }
        };
        self.push(kind, whole)
    }
}

/// What to write instead of a token that cannot stand where it does.
fn hint_for(token: Token) -> &'static str {
    match token {
        Token::Bracket => "windows are arguments: change(5m)",
        Token::Assign => "write ==",
        Token::Dots => "ranges are written: last in 1..20",
        Token::Plus => "a plus sign needs a value before it",
        Token::Minus => "one minus sign is enough",
        Token::And | Token::Or => "a condition is missing before it",
        Token::Close => "remove it, or open a parenthesis before",
        Token::Name | Token::Number { .. } | Token::Open | Token::Not => "join conditions with and, or",
        _ => "",
    }
}
