//! Rules times symbols: the state between evaluations, and the decision to fire.
//!
//! For each pair of a rule and a symbol the scanner keeps whether the condition was false, true or unknown
//! (undefined) when it was last looked at, whether the rule is armed, when it last fired and how often today.
//!
//! ```text
//! value := condition now
//! rearm := value is false (or the rule's own re-arm condition is true): armed
//! edge  := value is true, and was false, or was unknown and the rule fires from unknown
//! fire  := edge, not warming up, armed, and now - last firing >= cooldown; then: not armed
//! ```
//!
//! A pair warms up at its first evaluation: after the rules were set, after the symbol was first seen, after a
//! rollover. That evaluation only sets state, so a restart in the middle of the day fires nothing that was
//! already true. An edge that is held back by the cooldown, or while not armed, is spent: the condition must
//! turn false and true again.

use ringtape_model::units::TIME_UNSET;
use ringtape_model::{FieldRef, Moment, Nanos};

use crate::rule::{Program, Rule, RuleSet};

const MOMENTS: usize = 3;

/// What a condition was at the last evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Truth {
    /// Never evaluated since the start, a rollover or a change of rules.
    Warming,
    Unknown,
    False,
    True,
}

/// State of one rule for one symbol: 16 bytes.
#[derive(Clone, Copy, Debug)]
struct Pair {
    fired: Nanos,
    firings: u32,
    truth: Truth,
    armed: bool,
}

impl Pair {
    const FRESH: Self = Self { fired: TIME_UNSET, firings: 0, truth: Truth::Warming, armed: true };

    /// Takes the condition's value and tells whether this is an edge.
    fn turn(&mut self, value: Option<bool>, fire_from_unknown: bool) -> bool {
        let before = self.truth;
        self.truth = match value {
            None => Truth::Unknown,
            Some(false) => Truth::False,
            Some(true) => Truth::True,
        };
        let may = before == Truth::False || (before == Truth::Unknown && fire_from_unknown);
        self.truth == Truth::True && may
    }

    fn cooling(&self, now: Nanos, cooldown: Nanos) -> bool {
        self.fired != TIME_UNSET && now.saturating_sub(self.fired) < cooldown
    }
}

/// Which rules and operands belong to one moment.
#[derive(Clone, Debug, Default)]
struct Plan {
    rules: Vec<usize>,
    slots: Vec<usize>,
}

/// A rule set at work. Memory: 16 bytes a rule and 8 bytes a remembered value, for each symbol seen.
#[derive(Debug)]
pub struct Scanner {
    set: RuleSet,
    plans: [Plan; MOMENTS],
    /// First memory cell of each rule within a symbol's cells.
    cells: Vec<usize>,
    cells_per_symbol: usize,
    pairs: Vec<Pair>,
    memory: Vec<f64>,
    operands: Vec<f64>,
    stack: Vec<f64>,
    symbols: usize,
    suppressed: u64,
}

impl Scanner {
    /// A scanner that has seen no symbol.
    pub fn new(set: RuleSet) -> Self {
        let mut cells = Vec::with_capacity(set.rules().len());
        let mut cells_per_symbol = 0;
        for rule in set.rules() {
            cells.push(cells_per_symbol);
            cells_per_symbol += programs(rule).map(Program::memory).sum::<usize>();
        }
        let stack = set.rules().iter().flat_map(programs).map(Program::stack).max().unwrap_or(0);
        Self {
            plans: [plan(&set, Moment::Trade), plan(&set, Moment::Quote), plan(&set, Moment::Tick)],
            cells,
            cells_per_symbol,
            pairs: Vec::new(),
            memory: Vec::new(),
            operands: vec![f64::NAN; set.fields().len()],
            stack: vec![f64::NAN; stack],
            symbols: 0,
            suppressed: 0,
            set,
        }
    }

    /// The rules at work.
    pub fn rules(&self) -> &RuleSet {
        &self.set
    }

    /// Whether any rule is evaluated at this moment.
    #[inline]
    pub fn wants(&self, moment: Moment) -> bool {
        !self.plans[moment as usize].rules.is_empty()
    }

    /// Edges that a cooldown or a missing re-arm held back.
    pub fn suppressed(&self) -> u64 {
        self.suppressed
    }

    /// Makes room for symbol ids below `symbols`; allocates, and never shrinks.
    pub fn grow(&mut self, symbols: usize) {
        if symbols > self.symbols {
            self.symbols = symbols;
            self.pairs.resize(symbols * self.set.rules().len(), Pair::FRESH);
            self.memory.resize(symbols * self.cells_per_symbol, f64::NAN);
        }
    }

    /// A new trading date has begun for a symbol: previous values, firing counts and cooldowns are forgotten,
    /// every rule is armed and warms up again.
    pub fn rollover(&mut self, symbol: u32) {
        let symbol = symbol as usize;
        if symbol < self.symbols {
            let rules = self.set.rules().len();
            self.pairs[symbol * rules..][..rules].fill(Pair::FRESH);
            self.memory[symbol * self.cells_per_symbol..][..self.cells_per_symbol].fill(f64::NAN);
        }
    }

    /// Something of a symbol did not come, or has come after all: what its rules knew of before is forgotten, so that nothing
    /// fires for having crossed meanwhile. Firing counts and cooldowns stay.
    pub fn warm_up(&mut self, symbol: u32) {
        let symbol = symbol as usize;
        if symbol < self.symbols {
            let rules = self.set.rules().len();
            for pair in &mut self.pairs[symbol * rules..][..rules] {
                pair.truth = Truth::Warming;
            }
            self.memory[symbol * self.cells_per_symbol..][..self.cells_per_symbol].fill(f64::NAN);
        }
    }

    /// What a symbol's rules fired for may never have been: they may fire again, from the evaluation after the next on.
    pub fn rearm(&mut self, symbol: u32) {
        let (symbol, rules) = (symbol as usize, self.set.rules().len());
        if symbol < self.symbols {
            self.pairs[symbol * rules..][..rules]
                .iter_mut()
                .for_each(|pair| (pair.armed, pair.truth) = (true, Truth::Warming));
        }
    }

    /// Evaluates the rules of a moment for one symbol, in the order of their ids.
    ///
    /// `values` gives an operand by slot (a place in [`RuleSet::fields`]) and field, NaN where undefined; it is
    /// called once for each slot that these rules read, before any rule runs, so all see the same state. `fire`
    /// receives the rule's place in [`RuleSet::rules`] and its number of firings for the symbol on this trading
    /// date, from 1. `now` is engine time. Allocates nothing; symbols beyond [`Scanner::grow`] are passed over.
    pub fn evaluate(
        &mut self,
        moment: Moment,
        symbol: u32,
        now: Nanos,
        mut values: impl FnMut(usize, FieldRef) -> f64,
        mut fire: impl FnMut(usize, u32),
    ) {
        let symbol = symbol as usize;
        let plan = &self.plans[moment as usize];
        if symbol >= self.symbols || plan.rules.is_empty() {
            return;
        }
        for &slot in &plan.slots {
            self.operands[slot] = values(slot, self.set.fields()[slot]);
        }
        let rules = self.set.rules();
        let pairs = &mut self.pairs[symbol * rules.len()..][..rules.len()];
        let memory = &mut self.memory[symbol * self.cells_per_symbol..][..self.cells_per_symbol];
        for &index in &plan.rules {
            let (rule, pair) = (&rules[index], &mut pairs[index]);
            let (value, rearm) = run(rule, &self.operands, &mut memory[self.cells[index]..], &mut self.stack);
            pair.armed |= rearm;
            if !pair.turn(value, rule.fire_from_unknown()) {
                continue;
            }
            if !pair.armed || pair.cooling(now, rule.cooldown()) {
                self.suppressed += 1;
                continue;
            }
            pair.armed = false;
            pair.fired = now;
            pair.firings += 1;
            fire(index, pair.firings);
        }
    }
}

/// The condition's value, and whether it is time to arm again.
#[inline]
fn run(rule: &Rule, operands: &[f64], memory: &mut [f64], stack: &mut [f64]) -> (Option<bool>, bool) {
    let (own, rest) = memory.split_at_mut(rule.when().memory());
    let value = rule.when().run(operands, own, stack);
    let rearm = match rule.rearm() {
        Some(rearm) => rearm.run(operands, rest, stack) == Some(true),
        None => value == Some(false),
    };
    (value, rearm)
}

fn programs(rule: &Rule) -> impl Iterator<Item = &Program> {
    std::iter::once(rule.when()).chain(rule.rearm())
}

fn plan(set: &RuleSet, moment: Moment) -> Plan {
    let rules = set.rules();
    let mut chosen: Vec<usize> = (0..rules.len()).filter(|&index| rules[index].moment() == moment).collect();
    chosen.sort_by_key(|&index| rules[index].id());
    let mut slots: Vec<usize> =
        chosen.iter().flat_map(|&index| programs(&rules[index])).flat_map(Program::slots).copied().collect();
    slots.sort_unstable();
    slots.dedup();
    Plan { rules: chosen, slots }
}
