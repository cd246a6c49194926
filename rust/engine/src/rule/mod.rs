//! The rule language: text in, a flat list of instructions out, every mistake with a caret under it.
//!
//! ```text
//! expr  = or                        or    = and { "or" and }
//! and   = not { "and" not }         not   = "not" not | cmp
//! cmp   = sum [ rel sum [ rel sum ]                              two-sided form, one direction only
//!             | ( "crosses" | "crosses_above" | "crosses_below" ) sum
//!             | [ "not" ] "in" sum ".." sum                      closed at both ends
//!             | ( "==" | "!=" ) name | [ "not" ] "in" "[" name { "," name } "]"    names of a field of codes
//!             | "is" [ "not" ] "undefined" ]
//! sum   = prod { ( "+" | "-" ) prod }
//! prod  = unary { ( "*" | "/" ) unary }
//! unary = [ "-" ] primary
//! primary = number | percent | duration | "true" | "false" | "(" expr ")"
//!         | field [ "(" arg { "," arg } ")" ] | function "(" expr { "," expr } ")"
//! name  = a text in quotation marks
//! arg   = duration | number | digits "t" | hh ":" mm             see `ringtape_model::field`
//! ```
//!
//! `lex` makes tokens, `parse` a tree with a span on every node, `check` gives each node a unit, `eval` turns the
//! tree into instructions and runs them. The tree is one vector in post-order (a node comes after its operands),
//! so checking and compiling are plain loops: no text, however deep, can exhaust the stack.
//!
//! Undefined is a value here, not an error: arithmetic and comparisons with it are undefined, `and`, `or`, `not`
//! follow Kleene, and a rule acts only on true. Parts of the language that come later are refused by name.

mod check;
mod eval;
mod lex;
mod parse;

use std::fmt;

use ringtape_model::field::{FieldError, Moment};
use ringtape_model::{FieldRef, Nanos, nearest};

pub use eval::Program;

/// Longest rule text in bytes.
pub const TEXT_MAX: usize = 4096;
/// Most operators, operands and functions in one text.
pub const NODES_MAX: usize = 512;
/// Deepest nesting of parentheses, functions, `not` and minus signs.
pub const DEPTH_MAX: usize = 32;
/// Most distinct window lengths over all rules of a set.
pub const WINDOWS_MAX: usize = 64;
/// Most rules in a set.
pub const RULES_MAX: usize = 1024;
/// Longest id in bytes.
pub const ID_MAX: usize = 64;
/// Most mistakes reported for one text.
const FAULTS_MAX: usize = 20;

/// How loud an alert is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// For the record.
    Low,
    /// The usual.
    #[default]
    Medium,
    /// Worth looking up.
    High,
}

impl Severity {
    const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    /// The name used by `severity =` in rule files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// A rule as its author wrote it. Texts are checked by [`compile`], which can then point into them.
#[derive(Clone, Debug)]
pub struct RuleSource {
    /// Name within the set: lower case letters, digits and `_`, at most [`ID_MAX`] bytes.
    pub id: String,
    /// What people read; the id where empty.
    pub title: String,
    /// The condition.
    pub when: String,
    /// The condition that arms the rule again after it fired; without it, `when` turning false.
    pub rearm: Option<String>,
    /// Moment of evaluation (`trade`, `quote`, `tick`); without it, the fastest among the fields of `when`.
    pub on: Option<String>,
    /// Shortest engine time between two firings for one symbol, such as `30s`.
    pub cooldown: Option<String>,
    /// `low`, `medium` or `high`; without it, `medium`.
    pub severity: Option<String>,
    /// Fields to show beside an alert, such as `change(5m)`.
    pub show: Vec<String>,
    /// Whether a condition that turns from undefined to true fires.
    pub fire_from_unknown: bool,
}

impl RuleSource {
    /// A rule with an id, a condition and no options.
    pub fn new(id: impl Into<String>, when: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            title: String::new(),
            when: when.into(),
            rearm: None,
            on: None,
            cooldown: None,
            severity: None,
            show: Vec::new(),
            fire_from_unknown: true,
        }
    }
}

/// A byte range of a rule text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
}

impl Span {
    const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    const fn to(self, last: Self) -> Self {
        Self { start: self.start, end: last.end }
    }

    fn of(self, text: &str) -> &str {
        &text[self.start..self.end]
    }
}

/// A mistake, before it knows in which rule it stands.
#[derive(Debug)]
struct Fault {
    span: Span,
    reason: String,
    hint: String,
}

impl Fault {
    fn new(span: Span, reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { span, reason: reason.into(), hint: hint.into() }
    }

    fn not_yet(span: Span, what: impl fmt::Display) -> Self {
        Self::new(span, format!("not supported yet: {what}"), "")
    }
}

/// A mistake in a rule. Printing it gives three lines: place and reason, the line of text, carets and the hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// Id of the rule, or its number where it has no usable id.
    pub rule: String,
    /// Key of the rule whose text is wrong, such as `when`.
    pub key: &'static str,
    /// Line in that text, from 1.
    pub line: usize,
    /// Column in that line in characters, from 1.
    pub column: usize,
    /// The wrong part as byte positions in the text.
    pub span: (usize, usize),
    /// What is wrong.
    pub reason: String,
    /// What to write instead; may be empty.
    pub hint: String,
    /// The whole text of the key.
    pub text: String,
}

/// Longest stretch of a line that is shown.
const SHOWN_MAX: usize = 120;

impl RuleError {
    fn new(rule: &str, key: &'static str, text: &str, fault: Fault) -> Self {
        let before = &text[..fault.span.start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            rule: rule.to_owned(),
            key,
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            span: (fault.span.start, fault.span.end),
            reason: fault.reason,
            hint: fault.hint,
            text: text.to_owned(),
        }
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, end) = self.span;
        let line = self.text.split('\n').nth(self.line - 1).unwrap_or("").trim_end_matches('\r');
        // A long line is shown from some way before the caret, so that the caret stays on the screen.
        let skip = if line.chars().count() > SHOWN_MAX { (self.column - 1).saturating_sub(SHOWN_MAX / 2) } else { 0 };
        let shown: String = line.chars().skip(skip).take(SHOWN_MAX).map(printable).collect();
        let indent = self.column - 1 - skip;
        let marked = self.text[start..end].chars().take_while(|&c| c != '\n' && c != '\r').count();
        let carets = "^".repeat(marked.clamp(1, SHOWN_MAX.saturating_sub(indent).max(1)));
        writeln!(f, "{}.{}:{}:{}: {}", self.rule, self.key, self.line, self.column, self.reason)?;
        writeln!(f, "  {shown}")?;
        write!(f, "  {:indent$}{carets}", "")?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, " {}", self.hint) }
    }
}

impl std::error::Error for RuleError {}

/// One column for every character, so that carets stand where they should and nothing steers the terminal.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        ' '..='~' => c,
        _ if lex::look_alike(c).is_some_and(|(_, visible)| visible) => c,
        _ => '\u{FFFD}',
    }
}

/// A rule that passed every check.
#[derive(Clone, Debug)]
pub struct Rule {
    id: String,
    title: String,
    severity: Severity,
    moment: Moment,
    when: Program,
    rearm: Option<Program>,
    cooldown: Nanos,
    fire_from_unknown: bool,
    show: Vec<FieldRef>,
}

impl Rule {
    /// The id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What people read.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// How loud its alerts are.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// When it is evaluated.
    pub fn moment(&self) -> Moment {
        self.moment
    }

    /// The condition.
    pub fn when(&self) -> &Program {
        &self.when
    }

    /// The condition that arms it again; `None` for "the condition is false".
    pub fn rearm(&self) -> Option<&Program> {
        self.rearm.as_ref()
    }

    /// Shortest engine time between two firings for one symbol, ns; 0 for none.
    pub fn cooldown(&self) -> Nanos {
        self.cooldown
    }

    /// Whether a condition that turns from undefined to true fires.
    pub fn fire_from_unknown(&self) -> bool {
        self.fire_from_unknown
    }

    /// Fields to show beside an alert.
    pub fn show(&self) -> &[FieldRef] {
        &self.show
    }
}

/// Rules that were checked and compiled together.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
    fields: Vec<FieldRef>,
    windows: Vec<Nanos>,
}

impl RuleSet {
    /// The rules in the order of the sources; a signal names a rule by its place here.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The fields that the rules read, each once: an operand slot is a place here.
    pub fn fields(&self) -> &[FieldRef] {
        &self.fields
    }

    /// The window lengths that operands and shown fields need, in ns, rising.
    pub fn windows(&self) -> &[Nanos] {
        &self.windows
    }

    fn slot(&mut self, field: FieldRef) -> usize {
        self.fields.iter().position(|&known| known == field).unwrap_or_else(|| {
            self.fields.push(field);
            self.fields.len() - 1
        })
    }

    /// Registers a window; false where the set already has as many as it may.
    fn add_window(&mut self, window: Nanos) -> bool {
        let Err(place) = self.windows.binary_search(&window) else { return true };
        let room = self.windows.len() < WINDOWS_MAX;
        if room && window > 0 {
            self.windows.insert(place, window);
        }
        room || window == 0
    }
}

/// Checks and compiles rules. Either every rule is sound, or all mistakes of all rules come back, in order.
pub fn compile(sources: &[RuleSource]) -> Result<RuleSet, Vec<RuleError>> {
    let mut set = RuleSet::default();
    let mut errors = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let mut desk = Desk { name: shown_name(&source.id, index), set: &mut set, errors: &mut errors };
        desk.check_id(&source.id, &sources[..index]);
        if let Some(rule) = desk.rule(source) {
            set.rules.push(rule);
        }
    }
    if errors.is_empty() { Ok(set) } else { Err(errors) }
}

fn valid_id(id: &str) -> bool {
    (1..=ID_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn shown_name(id: &str, index: usize) -> String {
    if valid_id(id) { id.to_owned() } else { format!("rule {}", index + 1) }
}

/// Where one rule is worked on: its name for messages, the set it joins, the mistakes so far.
struct Desk<'a> {
    name: String,
    set: &'a mut RuleSet,
    errors: &'a mut Vec<RuleError>,
}

impl Desk<'_> {
    fn report(&mut self, key: &'static str, text: &str, fault: Fault) {
        self.errors.push(RuleError::new(&self.name, key, text, fault));
    }

    fn refuse(&mut self, key: &'static str, text: &str, reason: impl Into<String>, hint: impl Into<String>) {
        self.report(key, text, Fault::new(Span::new(0, text.len()), reason, hint));
    }

    fn check_id(&mut self, id: &str, earlier: &[RuleSource]) {
        if !valid_id(id) {
            let hint = format!("use lower case letters, digits and _, at most {ID_MAX}");
            self.refuse("id", id, "not a usable id", hint);
        } else if earlier.iter().any(|other| other.id == id) {
            self.refuse("id", id, "an earlier rule has this id", "give each rule its own");
        } else if earlier.len() == RULES_MAX {
            self.refuse("id", id, format!("more than {RULES_MAX} rules"), "");
        }
    }

    fn rule(&mut self, source: &RuleSource) -> Option<Rule> {
        let when = self.program("when", &source.when);
        let rearm = source.rearm.as_deref().map(|text| self.program("rearm", text));
        let on = source.on.as_deref().and_then(|text| self.moment(text));
        let cooldown = source.cooldown.as_deref().map_or(Some(0), |text| self.duration("cooldown", text));
        let severity = source.severity.as_deref().map_or(Some(Severity::default()), |text| self.severity(text));
        let show = source.show.iter().filter_map(|text| self.shown_field(text)).collect();
        let (when, fastest) = when?;
        Some(Rule {
            id: source.id.clone(),
            title: if source.title.is_empty() { source.id.clone() } else { source.title.clone() },
            severity: severity?,
            moment: on.or(fastest)?,
            when,
            rearm: rearm.map_or(Some(None), |compiled| compiled.map(|(program, _)| Some(program)))?,
            cooldown: cooldown?,
            fire_from_unknown: source.fire_from_unknown,
            show,
        })
    }

    /// Compiles one text into a program and the fastest moment among its fields.
    fn program(&mut self, key: &'static str, text: &str) -> Option<(Program, Option<Moment>)> {
        let (tree, mut faults) = parse::parse(text);
        faults.extend(check::check(text, &tree));
        let fields = tree.fields();
        if faults.is_empty() && fields.is_empty() && key == "when" {
            let hint = "name a field; `ringtape fields` lists them";
            faults.push(Fault::new(
                Span::new(0, text.len()),
                "the condition reads no field, so it can never change",
                hint,
            ));
        }
        for &(field, span) in &fields {
            if !self.set.add_window(field.row_window()) {
                let reason = format!("window {} is one too many", ringtape_model::field::window_text(field.window));
                faults.push(Fault::new(
                    span,
                    reason,
                    format!("the rules of a set share at most {WINDOWS_MAX} windows"),
                ));
            }
        }
        if faults.is_empty() {
            let fastest = fields.iter().map(|(field, _)| field.field.info().moment).min();
            return Some((Program::compile(&tree, |field| self.set.slot(field)), fastest));
        }
        faults.sort_by_key(|fault| fault.span.start);
        for fault in faults.into_iter().take(FAULTS_MAX) {
            self.report(key, text, fault);
        }
        None
    }

    fn moment(&mut self, text: &str) -> Option<Moment> {
        const LATER: [&str; 4] = ["bar", "scan", "halt", "time"];
        let found = Moment::from_name(text);
        if found.is_none() {
            let word = text.split('(').next().unwrap_or(text);
            if LATER.contains(&word) {
                self.refuse("on", text, format!("not supported yet: evaluation on {word}"), "use trade, quote or tick");
            } else {
                self.refuse("on", text, "unknown moment", suggestion(text, &["trade", "quote", "tick"]));
            }
        }
        found
    }

    fn severity(&mut self, text: &str) -> Option<Severity> {
        let found = Severity::ALL.into_iter().find(|severity| severity.name() == text);
        if found.is_none() {
            self.refuse("severity", text, "unknown severity", suggestion(text, &Severity::ALL.map(Severity::name)));
        }
        found
    }

    fn duration(&mut self, key: &'static str, text: &str) -> Option<Nanos> {
        let found = lex::duration(text);
        if found.is_none() {
            self.refuse(key, text, "not a duration", "write a duration such as 30s, 5m or 1h");
        }
        found
    }

    fn shown_field(&mut self, text: &str) -> Option<FieldRef> {
        let field = FieldRef::parse(text).map_err(|error| match error {
            FieldError::Unknown(near) => ("unknown field", did_you_mean(&near)),
            FieldError::NeedsWindow => ("the field needs a window", format!("write {}(1m)", text.trim())),
            FieldError::TakesNoWindow => ("the field takes no window", String::new()),
            FieldError::Arguments(ways) => ("the field takes other arguments", format!("write {}", listed(&ways))),
            FieldError::BadWindow(hint) => ("bad window", hint.to_owned()),
        });
        match field {
            Ok(field) if self.set.add_window(field.row_window()) => Some(field),
            Ok(_) => {
                self.refuse("show", text, format!("more than {WINDOWS_MAX} windows"), "");
                None
            }
            Err((reason, hint)) => {
                self.refuse("show", text, reason, hint);
                None
            }
        }
    }
}

/// "did you mean ...?" over the nearest of a few names, or all of them.
fn suggestion(text: &str, names: &[&str]) -> String {
    match nearest(text, names.iter().copied(), 1).first() {
        Some(name) => format!("did you mean {name}?"),
        None => format!("use {}", listed(names)),
    }
}

/// "did you mean a, b or c?", or where to look.
fn did_you_mean(near: &[String]) -> String {
    if near.is_empty() {
        return "`ringtape fields` lists every field".to_owned();
    }
    format!("did you mean {}?", listed(near))
}

/// "a, b or c".
fn listed<T: AsRef<str>>(names: &[T]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}
