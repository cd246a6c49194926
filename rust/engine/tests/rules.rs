//! The rule language against a slow and obvious second reading of it: random expressions are written as text for
//! the compiler and walked as a tree here, with `Option` for every value.

use proptest::prelude::*;
use ringtape_engine::rule::{RuleSet, RuleSource, compile};
use ringtape_model::{FieldRef, Moment};

/// A number: the text form is what the compiler reads, the walk is the reference.
#[derive(Clone, Debug)]
enum Expr {
    Field(&'static str),
    Literal(&'static str, f64),
    Negate(Box<Expr>),
    Abs(Box<Expr>),
    Previous(Box<Expr>, usize),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    Call(&'static str, Box<Expr>, Box<Expr>),
    Return(Box<Expr>, Box<Expr>),
}

/// A truth value.
#[derive(Clone, Debug)]
enum Cond {
    Literal(bool),
    Compare(&'static str, Expr, Expr),
    Chain(&'static str, &'static str, Expr, Expr, Expr),
    Within(bool, Expr, Expr, Expr),
    Crosses(&'static str, Expr, Expr, usize),
    Undefined(bool, Expr),
    Defined(Box<Cond>),
    Coalesce(Box<Cond>, Box<Cond>),
    Previous(Box<Cond>, usize),
    Not(Box<Cond>),
    And(Box<Cond>, Box<Cond>),
    Or(Box<Cond>, Box<Cond>),
}

const PRICES: [&str; 4] = ["last", "bid", "vwap(5m)", "high(30s)"];
const RATIOS: [&str; 2] = ["change", "change(1m)"];
const OPERANDS: usize = PRICES.len() + RATIOS.len();

/// Values by name, as the catalogue would give them.
type Values = [Option<f64>; OPERANDS];

fn value_of(name: &str, values: &Values) -> Option<f64> {
    PRICES.iter().chain(&RATIOS).position(|known| *known == name).and_then(|place| values[place])
}

/// What a tree remembers between evaluations, by number of the node that remembers.
#[derive(Clone, Default)]
struct Past {
    numbers: Vec<Option<f64>>,
    truths: Vec<Option<bool>>,
    pairs: Vec<[Option<f64>; 2]>,
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

impl Expr {
    fn number(&mut self, next: &mut [usize; 3]) {
        match self {
            Self::Field(_) | Self::Literal(..) => {}
            Self::Negate(inner) | Self::Abs(inner) => inner.number(next),
            Self::Previous(inner, place) => {
                inner.number(next);
                *place = next[0];
                next[0] += 1;
            }
            Self::Binary(_, left, right) | Self::Call(_, left, right) | Self::Return(left, right) => {
                left.number(next);
                right.number(next);
            }
        }
    }

    fn walk(&self, values: &Values, past: &mut Past) -> Option<f64> {
        match self {
            Self::Field(name) => value_of(name, values),
            Self::Literal(_, value) => Some(*value),
            Self::Negate(inner) => inner.walk(values, past).map(|value| -value),
            Self::Abs(inner) => inner.walk(values, past).map(f64::abs),
            Self::Previous(inner, place) => {
                let now = inner.walk(values, past);
                std::mem::replace(&mut past.numbers[*place], now)
            }
            Self::Call("coalesce", left, right) => {
                let (left, right) = (left.walk(values, past), right.walk(values, past));
                left.or(right)
            }
            Self::Binary(op, left, right) | Self::Call(op, left, right) => {
                let (left, right) = (left.walk(values, past), right.walk(values, past));
                let (a, b) = (left?, right?);
                finite(match *op {
                    "+" => a + b,
                    "-" => a - b,
                    "*" => a * b,
                    "/" => a / b,
                    "min" if a < b => a,
                    "max" if a > b => a,
                    _ => b,
                })
            }
            Self::Return(above, below) => {
                let (above, below) = (above.walk(values, past), below.walk(values, past));
                finite(finite(above? / below?)? - 1.0)
            }
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Field(text) | Self::Literal(text, _) => (*text).to_owned(),
            Self::Negate(inner) => format!("-({})", inner.text()),
            Self::Abs(inner) => format!("abs({})", inner.text()),
            Self::Previous(inner, _) => format!("prev({})", inner.text()),
            Self::Call(name, left, right) => format!("{name}({}, {})", left.text(), right.text()),
            Self::Return(above, below) => format!("(({}) / ({}) - 1)", above.text(), below.text()),
            Self::Binary(op @ ("+" | "-"), left, right) => format!("{} {op} {}", left.text(), right.operand(1)),
            Self::Binary(op, left, right) => format!("{} {op} {}", left.operand(0), right.operand(2)),
        }
    }

    /// The text with brackets only where the grammar needs them: `level` 0 for the left of a product, 1 for the
    /// right of a sum, 2 for the right of a product.
    fn operand(&self, level: u8) -> String {
        let tight = match self {
            Self::Binary("+" | "-", ..) => false,
            Self::Binary(..) => level < 2,
            _ => true,
        };
        if tight { self.text() } else { format!("({})", self.text()) }
    }
}

fn compared(op: &str, a: Option<f64>, b: Option<f64>) -> Option<bool> {
    let (a, b) = (a?, b?);
    Some(match op {
        "<" => a < b,
        "<=" => a <= b,
        ">" => a > b,
        ">=" => a >= b,
        "==" => a == b,
        _ => a != b,
    })
}

/// Kleene's tables, written out.
fn both(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn either(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

fn crossed(way: &str, before: [Option<f64>; 2], now: [Option<f64>; 2]) -> Option<bool> {
    let ([a0, b0], [a1, b1]) = ([before[0]?, before[1]?], [now[0]?, now[1]?]);
    let (above, below) = (a0 <= b0 && a1 > b1, a0 >= b0 && a1 < b1);
    Some(match way {
        "crosses_above" => above,
        "crosses_below" => below,
        _ => above || below,
    })
}

impl Cond {
    fn number(&mut self, next: &mut [usize; 3]) {
        match self {
            Self::Literal(_) => {}
            Self::Compare(_, left, right) => {
                left.number(next);
                right.number(next);
            }
            Self::Chain(_, _, a, b, c) | Self::Within(_, a, b, c) => {
                a.number(next);
                b.number(next);
                c.number(next);
            }
            Self::Crosses(_, left, right, place) => {
                left.number(next);
                right.number(next);
                *place = next[2];
                next[2] += 1;
            }
            Self::Undefined(_, inner) => inner.number(next),
            Self::Defined(inner) | Self::Not(inner) => inner.number(next),
            Self::Previous(inner, place) => {
                inner.number(next);
                *place = next[1];
                next[1] += 1;
            }
            Self::And(left, right) | Self::Or(left, right) | Self::Coalesce(left, right) => {
                left.number(next);
                right.number(next);
            }
        }
    }

    fn walk(&self, values: &Values, past: &mut Past) -> Option<bool> {
        match self {
            Self::Literal(value) => Some(*value),
            Self::Compare(op, left, right) => {
                let (left, right) = (left.walk(values, past), right.walk(values, past));
                compared(op, left, right)
            }
            Self::Chain(first, second, a, b, c) => {
                let (a, b, c) = (a.walk(values, past), b.walk(values, past), c.walk(values, past));
                both(compared(first, a, b), compared(second, b, c))
            }
            Self::Within(positive, x, low, high) => {
                let (x, low, high) = (x.walk(values, past), low.walk(values, past), high.walk(values, past));
                both(compared("<=", low, x), compared("<=", x, high)).map(|inside| inside == *positive)
            }
            Self::Crosses(way, left, right, place) => {
                let now = [left.walk(values, past), right.walk(values, past)];
                let before = std::mem::replace(&mut past.pairs[*place], now);
                crossed(way, before, now)
            }
            Self::Undefined(positive, inner) => Some(inner.walk(values, past).is_none() == *positive),
            Self::Defined(inner) => Some(inner.walk(values, past).is_some()),
            Self::Coalesce(left, right) => {
                let (left, right) = (left.walk(values, past), right.walk(values, past));
                left.or(right)
            }
            Self::Previous(inner, place) => {
                let now = inner.walk(values, past);
                std::mem::replace(&mut past.truths[*place], now)
            }
            Self::Not(inner) => inner.walk(values, past).map(|value| !value),
            Self::And(left, right) => {
                let (left, right) = (left.walk(values, past), right.walk(values, past));
                both(left, right)
            }
            Self::Or(left, right) => {
                let (left, right) = (left.walk(values, past), right.walk(values, past));
                either(left, right)
            }
        }
    }

    /// How tightly it binds: `or` 0, `and` 1, `not` 2, comparisons 3, single values 4.
    fn level(&self) -> u8 {
        match self {
            Self::Or(..) => 0,
            Self::And(..) => 1,
            Self::Not(_) => 2,
            Self::Literal(_) | Self::Defined(_) | Self::Coalesce(..) | Self::Previous(..) => 4,
            _ => 3,
        }
    }

    fn at_least(&self, level: u8) -> String {
        if self.level() >= level { self.text() } else { format!("({})", self.text()) }
    }

    fn text(&self) -> String {
        match self {
            Self::Literal(value) => value.to_string(),
            Self::Compare(op, left, right) => format!("{} {op} {}", left.text(), right.text()),
            Self::Chain(first, second, a, b, c) => format!("{} {first} {} {second} {}", a.text(), b.text(), c.text()),
            Self::Within(positive, x, low, high) => {
                let word = if *positive { "in" } else { "not in" };
                format!("{} {word} {}..{}", x.text(), low.text(), high.text())
            }
            Self::Crosses(way, left, right, _) => format!("{} {way} {}", left.text(), right.text()),
            Self::Undefined(true, inner) => format!("{} is undefined", inner.text()),
            Self::Undefined(false, inner) => format!("{} is not undefined", inner.text()),
            Self::Defined(inner) => format!("defined({})", inner.text()),
            Self::Coalesce(left, right) => format!("coalesce({}, {})", left.text(), right.text()),
            Self::Previous(inner, _) => format!("prev({})", inner.text()),
            Self::Not(inner) => format!("not {}", inner.at_least(2)),
            Self::And(left, right) => format!("{} and {}", left.at_least(1), right.at_least(2)),
            Self::Or(left, right) => format!("{} or {}", left.text(), right.at_least(1)),
        }
    }
}

fn boxed(expr: Expr) -> Box<Expr> {
    Box::new(expr)
}

fn plain() -> BoxedStrategy<Expr> {
    prop::sample::select(vec![("0", 0.0), ("1", 1.0), ("2", 2.0), ("0.5", 0.5), ("1_000", 1000.0), ("2K", 2000.0)])
        .prop_map(|(text, value)| Expr::Literal(text, value))
        .boxed()
}

fn divisor() -> BoxedStrategy<Expr> {
    prop::sample::select(vec![("2", 2.0), ("0.25", 0.25), ("1M", 1e6)])
        .prop_map(|(text, value)| Expr::Literal(text, value))
        .boxed()
}

fn grown(leaf: BoxedStrategy<Expr>) -> BoxedStrategy<Expr> {
    leaf.prop_recursive(4, 24, 2, |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            (prop::sample::select(vec!["+", "-"]), pair.clone()).prop_map(|(op, (a, b))| Expr::Binary(
                op,
                boxed(a),
                boxed(b)
            )),
            (prop::sample::select(vec!["min", "max", "coalesce"]), pair).prop_map(|(name, (a, b))| Expr::Call(
                name,
                boxed(a),
                boxed(b)
            )),
            (inner.clone(), plain()).prop_map(|(a, b)| Expr::Binary("*", boxed(a), boxed(b))),
            (plain(), inner.clone()).prop_map(|(a, b)| Expr::Binary("*", boxed(a), boxed(b))),
            (inner.clone(), divisor()).prop_map(|(a, b)| Expr::Binary("/", boxed(a), boxed(b))),
            inner.clone().prop_map(|a| Expr::Negate(boxed(a))),
            inner.clone().prop_map(|a| Expr::Abs(boxed(a))),
            inner.prop_map(|a| Expr::Previous(boxed(a), 0)),
        ]
    })
    .boxed()
}

fn price() -> BoxedStrategy<Expr> {
    grown(prop::sample::select(PRICES.to_vec()).prop_map(Expr::Field).boxed())
}

fn ratio() -> BoxedStrategy<Expr> {
    let literals = vec![("3%", 0.03), ("0.7%", 0.007), ("30bp", 0.003), ("ratio(2)", 2.0)];
    let leaf = prop_oneof![
        prop::sample::select(RATIOS.to_vec()).prop_map(Expr::Field),
        prop::sample::select(literals).prop_map(|(text, value)| Expr::Literal(text, value)),
        (price(), price()).prop_map(|(a, b)| Expr::Return(boxed(a), boxed(b))),
    ];
    grown(leaf.boxed())
}

fn sides() -> BoxedStrategy<(Expr, Expr, Expr)> {
    prop_oneof![(price(), price(), price()), (ratio(), ratio(), ratio()), (price(), plain(), price())].boxed()
}

fn condition() -> BoxedStrategy<Cond> {
    let rels = prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]);
    let chains = prop::sample::select(vec![("<", "<"), ("<", "<="), ("<=", "<="), (">", ">="), (">=", ">")]);
    let ways = prop::sample::select(vec!["crosses", "crosses_above", "crosses_below"]);
    let leaf = prop_oneof![
        1 => any::<bool>().prop_map(Cond::Literal),
        6 => (rels, sides()).prop_map(|(op, (a, b, _))| Cond::Compare(op, a, b)),
        2 => (chains, sides()).prop_map(|((first, second), (a, b, c))| Cond::Chain(first, second, a, b, c)),
        2 => (any::<bool>(), sides()).prop_map(|(positive, (a, _, c))| Cond::Within(positive, a.clone(), a, c)),
        2 => (any::<bool>(), price(), price(), price()).prop_map(|(positive, a, b, c)| Cond::Within(positive, a, b, c)),
        4 => (ways, sides()).prop_map(|(way, (a, b, _))| Cond::Crosses(way, a, b, 0)),
        1 => (any::<bool>(), price()).prop_map(|(positive, a)| Cond::Undefined(positive, a)),
    ];
    let grown = leaf.prop_recursive(4, 12, 2, |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            3 => pair.clone().prop_map(|(a, b)| Cond::And(Box::new(a), Box::new(b))),
            3 => pair.clone().prop_map(|(a, b)| Cond::Or(Box::new(a), Box::new(b))),
            2 => inner.clone().prop_map(|a| Cond::Not(Box::new(a))),
            1 => inner.clone().prop_map(|a| Cond::Previous(Box::new(a), 0)),
            1 => inner.prop_map(|a| Cond::Defined(Box::new(a))),
            1 => pair.prop_map(|(a, b)| Cond::Coalesce(Box::new(a), Box::new(b))),
        ]
    });
    // A rule must read a field.
    grown.prop_map(|cond| Cond::And(Box::new(cond), Box::new(Cond::Undefined(false, Expr::Field("last"))))).boxed()
}

/// Few distinct values, so that equality, touching and leaving a level all happen.
fn values() -> BoxedStrategy<Values> {
    let one = prop_oneof![
        2 => Just(None),
        9 => prop::sample::select(vec![0.0, 0.03, 0.5, 1.0, 2.0, -1.0, 1e300]).prop_map(Some),
        2 => (-3.0..3.0).prop_map(Some),
    ];
    prop::array::uniform6(one).boxed()
}

/// A compiled condition with everything it needs to run again and again.
struct Machine {
    set: RuleSet,
    memory: Vec<f64>,
    stack: Vec<f64>,
}

impl Machine {
    fn new(text: &str) -> Self {
        let set = compile(&[RuleSource::new("r", text)]).unwrap_or_else(|errors| panic!("{text}\n{}", errors[0]));
        let program = set.rules()[0].when();
        let (memory, stack) = (vec![f64::NAN; program.memory()], vec![f64::NAN; program.stack()]);
        Self { set, memory, stack }
    }

    fn run(&mut self, mut value: impl FnMut(FieldRef) -> f64) -> Option<bool> {
        let operands: Vec<f64> = self.set.fields().iter().map(|&field| value(field)).collect();
        self.set.rules()[0].when().run(&operands, &mut self.memory, &mut self.stack)
    }
}

proptest! {
    #[test]
    fn the_machine_agrees_with_the_walk(
        mut cond in condition(),
        rounds in prop::collection::vec(values(), 1..6),
    ) {
        let text = cond.text();
        prop_assume!(text.len() <= 4096 && fits(&text));
        let mut counts = [0; 3];
        cond.number(&mut counts);
        let mut past =
            Past { numbers: vec![None; counts[0]], truths: vec![None; counts[1]], pairs: vec![[None; 2]; counts[2]] };
        let mut machine = Machine::new(&text);
        for values in &rounds {
            let wanted = cond.walk(values, &mut past);
            let got = machine.run(|field| value_of(&field.text(), values).unwrap_or(f64::NAN));
            prop_assert_eq!(got, wanted, "{}", text);
        }
    }
}

/// False for the few texts that are too deep or too large, which `bad_rules.rs` looks after.
fn fits(text: &str) -> bool {
    let verdict = compile(&[RuleSource::new("r", text)]);
    verdict
        .err()
        .is_none_or(|errors| !errors.iter().all(|e| e.reason.contains("deeper") || e.reason.contains("more than")))
}

fn truth(text: &str, values: &[(&str, f64)]) -> Option<bool> {
    let known = |field: FieldRef| values.iter().find(|(name, _)| *name == field.text());
    Machine::new(text).run(|field| known(field).map_or(f64::NAN, |&(_, value)| value))
}

#[test]
fn kleene_tables() {
    // `bid > 0` is true, `ask > 0` false, `open > 0` undefined.
    let values = [("bid", 1.0), ("ask", 0.0)];
    let names = [("bid > 0", Some(true)), ("ask > 0", Some(false)), ("open > 0", None)];
    for (a, x) in names {
        assert_eq!(truth(&format!("not {a}"), &values), x.map(|x| !x));
        for (b, y) in names {
            assert_eq!(truth(&format!("{a} and {b}"), &values), both(x, y), "{a} and {b}");
            assert_eq!(truth(&format!("{a} or {b}"), &values), either(x, y), "{a} or {b}");
        }
    }
}

#[test]
fn literals_mean_what_python_reads() {
    let cases = [
        ("last == 1_000_000", 1e6),
        ("last == 1.5M", 1.5e6),
        ("last == 2B", 2e9),
        ("last == 0.1K", 100.0),
        ("last == 1_0.2_5", 10.25),
        ("change == 0.7%", 0.007),
        ("change == 30bp", 0.003),
        ("change == 3%", 0.03),
        ("last_age == 250ms", 0.25),
        ("last_age == 90s", 90.0),
        ("last_age == 5m", 300.0),
        ("last_age == 2h", 7200.0),
        ("last_age == 1d", 86400.0),
        ("last in 1..20", 20.0),
        ("last in 1..20", 1.0),
        ("last in 0.5..1.5", 1.5),
    ];
    for (text, value) in cases {
        let name = text.split(' ').next().unwrap_or_default();
        assert_eq!(truth(text, &[(name, value)]), Some(true), "{text}");
    }
    assert_eq!(truth("last in 1..20", &[("last", 20.01)]), Some(false));
}

#[test]
fn fields_of_codes_are_compared_with_names() {
    assert_eq!(truth("session == \"regular\"", &[("session", 2.0)]), Some(true));
    assert_eq!(truth("session != \"regular\"", &[("session", 1.0)]), Some(true));
    let list = "trade_at in [\"ask\", \"above_ask\"]";
    assert_eq!([0.0, 1.0, 2.0].map(|at| truth(list, &[("trade_at", at)])), [Some(true), Some(true), Some(false)]);
    assert_eq!(truth("trade_at not in [\"bid\"]", &[("trade_at", 3.0)]), Some(false));
    assert_eq!(truth(list, &[]), None);
}

/// Example rules of a scanner, as far as their conditions need nothing but fields.
#[test]
fn rules_of_a_scanner_are_accepted() {
    for text in [
        "price >= 1 and dollar_volume > 1M",
        "rvol > 5 and volume > 200K",
        "last crosses_above prev(high) and rvol > 2 and spread_bps < 80bp",
        "change(5m) > 3% and volume(5m) > 50K and return_z(5m) > 3",
        "gap_indicative > 4% and volume_pre > 100K and float < 20M",
        "last crosses_above or_high(5m) and rvol > 1.5",
        "luld_dist_up < 2% and change(1m) > 1%",
        "since_resume < 2m and change_since_halt > 5%",
        "trade_size >= 10K and trade_at in [\"ask\",\"above_ask\"] and not trade_late",
        "volume_z > 3 and move_sigma in -0.5..0.5",
        "high(30m) / low(30m) - 1 < 0.8% and last crosses_above prev(high(30m))",
        "spread_bps > 5 * avg_spread_bps(10m) and spread_bps > 30bp",
        "buy_ratio(1m) < 30% and rvol(1m) > 3 and vwap_dist < 0%",
        "liq_long(1m) > 2M and change(1m) < -1%",
        "basis crosses_below 0% and abs(funding_rate) > 0.05%",
        "session == \"regular\" and halt_state == \"trading\" and last_age > 60s and trade_rate_rel(15m) > 0.5",
        "change(50t) > 1% and volume_spike(1m,10) >= 4",
        "rsi(14,1m) > 80 or last > bb_upper(20,1m) or ema(9,1m) crosses_above ema(20,1m)",
        "last crosses_above sma(200,1d) and high_lookback >= 20",
    ] {
        if let Err(errors) = compile(&[RuleSource::new("r", text)]) {
            panic!("{}", errors[0]);
        }
    }
}

#[test]
fn sound_units_are_accepted() {
    for text in [
        "last * volume > 1M and last * volume > dollar_volume",
        "dollar_volume / volume > vwap and dollar_volume / last > volume",
        "high(30m) / low(30m) - 1 < 0.8%",
        "last / prev(last) - 1 > 10bp",
        "spread_bps > 5 * prev(spread_bps) or 2 * change > change * pos_range",
        "volume(1m) / volume(5m) > 0.5 and volume / trade_count > 100",
        "last * (1 + 3) > 2 * high and -last < 0 and last - 0.01 > bid",
        "last * change > 0.05 and change / 2 > 1%",
        "trade_count(1m) / 60s > 3 and last_age > 60 and last_age > 1m",
        "change(5m) / change(1m) > 2 and abs(vwap_dist) < 3%",
        "(last > bid) == (last > ask) and coalesce(last > 3, false)",
        "price is not undefined and not (bid is undefined)",
        "min(last, bid, ask, 3) > 1 and trade_rate(1m) > 2 and pos_range in 0.2..0.8",
        "quote_age < 2s and trade_count in 10..20 and change in -3%..3%",
    ] {
        if let Err(errors) = compile(&[RuleSource::new("r", text)]) {
            panic!("{}", errors[0]);
        }
    }
}

#[test]
fn the_fastest_field_sets_the_moment() {
    let cases = [
        ("last > 1", None, Moment::Trade),
        ("spread_bps > 1% and last_age > 3s", None, Moment::Quote),
        ("last_age > 3s", None, Moment::Tick),
        ("bid > 1 and change(5m) > 1%", None, Moment::Trade),
        ("last > 1", Some("tick"), Moment::Tick),
    ];
    for (text, on, moment) in cases {
        let mut source = RuleSource::new("r", text);
        source.on = on.map(str::to_owned);
        assert_eq!(compile(&[source]).map(|set| set.rules()[0].moment()), Ok(moment), "{text}");
    }
}

#[test]
fn a_set_lists_its_fields_once() {
    let mut first = RuleSource::new("a", "last > 1 and change(5m) > 1% and price < 3");
    first.rearm = Some("volume(30s) < 5 and last < 2".to_owned());
    first.show = vec!["change(15m)".to_owned(), "vwap".to_owned()];
    let second = RuleSource::new("b", "volume(30s) > 2 and vwap_dist > 1%");
    let set = compile(&[first, second]).unwrap_or_default();
    let fields: Vec<String> = set.fields().iter().map(FieldRef::text).collect();
    assert_eq!(fields, ["last", "change(5m)", "volume(30s)", "vwap_dist"]);
    assert_eq!(set.windows(), [30_000_000_000, 300_000_000_000, 900_000_000_000]);
    assert_eq!(set.rules()[0].when().slots(), [0, 1, 0]);
    assert_eq!(set.rules()[0].title(), "a");
    assert_eq!(set.rules()[0].show().len(), 2);
}
