//! Instructions and the machine that runs them: a small stack of doubles.
//!
//! One encoding serves numbers and truth. Undefined is NaN for both; true is 1, false is 0. So arithmetic and
//! `not` (1 - x) carry undefined along by themselves, and only `and`, `or` and the comparisons look at it.

use ringtape_model::FieldRef;
use ringtape_model::units::SECOND;

use super::parse::{Arith, Kind, Rel, Tree, Way};

const UNDEFINED: f64 = f64::NAN;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Op {
    Const(f64),
    /// Pushes the operand of that slot.
    Load(u16),
    Negate,
    Abs,
    Arith(Arith),
    Coalesce,
    /// Swaps the top of the stack with a memory cell: what was there at the previous evaluation.
    Previous(u16),
    Defined,
    Undefined,
    Compare(Rel),
    Chain(Rel, Rel),
    Within,
    /// Remembers both operands in two memory cells from this one on.
    Crosses(Way, u16),
    Not,
    And,
    Or,
}

/// A compiled text. It keeps nothing between runs; what it must remember lives in memory cells of the caller.
#[derive(Clone, Debug)]
pub struct Program {
    ops: Vec<Op>,
    stack: usize,
    memory: usize,
    slots: Vec<usize>,
}

impl Program {
    /// Compiles a tree without faults. `slot` gives the operand slot of a field.
    pub(super) fn compile(tree: &Tree, mut slot: impl FnMut(FieldRef) -> usize) -> Self {
        let mut program = Self { ops: Vec::with_capacity(tree.nodes.len()), stack: 0, memory: 0, slots: Vec::new() };
        for node in &tree.nodes {
            if let Some(op) = program.instruction(node.kind, &mut slot) {
                program.ops.push(op);
            }
        }
        program.stack = program.deepest();
        program
    }

    fn instruction(&mut self, kind: Kind, slot: &mut impl FnMut(FieldRef) -> usize) -> Option<Op> {
        Some(match kind {
            Kind::Error | Kind::AsRatio(_) => return None,
            Kind::Number { value, .. } | Kind::Ratio(value) => Op::Const(value),
            Kind::Duration(length) => Op::Const(length as f64 / SECOND as f64),
            Kind::Bool(value) => Op::Const(truth(value)),
            Kind::Code(code) => Op::Const(code as f64),
            Kind::Field(field) => {
                let slot = slot(field);
                self.slots.push(slot);
                Op::Load(slot as u16)
            }
            Kind::Negate(_) => Op::Negate,
            Kind::Abs(_) => Op::Abs,
            Kind::Arith(arith, ..) => Op::Arith(arith),
            Kind::Coalesce(..) => Op::Coalesce,
            Kind::Previous(_) => Op::Previous(self.cells(1)),
            Kind::Defined => Op::Defined,
            Kind::Undefined => Op::Undefined,
            Kind::Compare(rel, ..) => Op::Compare(rel),
            Kind::Chain(first, second, _) => Op::Chain(first, second),
            Kind::Within(_) => Op::Within,
            Kind::Crosses(way, ..) => Op::Crosses(way, self.cells(2)),
            Kind::Not(_) => Op::Not,
            Kind::And(..) => Op::And,
            Kind::Or(..) => Op::Or,
        })
    }

    fn cells(&mut self, count: usize) -> u16 {
        let first = self.memory;
        self.memory += count;
        first as u16
    }

    fn deepest(&self) -> usize {
        let mut depth = 0usize;
        let mut deepest = 0;
        for op in &self.ops {
            depth = depth + 1 - op.takes();
            deepest = deepest.max(depth);
        }
        deepest
    }

    /// Stack cells that [`Program::run`] needs.
    pub fn stack(&self) -> usize {
        self.stack
    }

    /// Memory cells that [`Program::run`] needs; start them as NaN.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// The operand slots that it reads, in order of first mention, with repeats.
    pub fn slots(&self) -> &[usize] {
        &self.slots
    }

    /// Evaluates the text: `None` where it is undefined.
    ///
    /// `operands` by slot, NaN where undefined; `memory` as the previous run for this symbol left it. Allocates
    /// nothing; about 1 to 2 ns an instruction.
    ///
    /// # Panics
    /// Where a slice is shorter than [`Program::stack`], [`Program::memory`] or the highest slot demand.
    pub fn run(&self, operands: &[f64], memory: &mut [f64], stack: &mut [f64]) -> Option<bool> {
        let mut top = 0;
        for op in &self.ops {
            top -= op.takes();
            let value = op.apply(&stack[top..], operands, memory);
            stack[top] = value;
            top += 1;
        }
        debug_assert_eq!(top, 1);
        let value = stack[0];
        if value.is_nan() { None } else { Some(value != 0.0) }
    }
}

impl Op {
    /// How many values it takes from the stack; every instruction leaves one.
    #[inline]
    const fn takes(self) -> usize {
        match self {
            Self::Const(_) | Self::Load(_) => 0,
            Self::Negate | Self::Abs | Self::Previous(_) | Self::Defined | Self::Undefined | Self::Not => 1,
            Self::Arith(_) | Self::Coalesce | Self::Compare(_) | Self::Crosses(..) | Self::And | Self::Or => 2,
            Self::Chain(..) | Self::Within => 3,
        }
    }

    #[inline]
    fn apply(self, taken: &[f64], operands: &[f64], memory: &mut [f64]) -> f64 {
        match self {
            Self::Const(value) => value,
            Self::Load(slot) => operands[usize::from(slot)],
            Self::Negate => -taken[0],
            Self::Abs => taken[0].abs(),
            Self::Arith(arith) => arithmetic(arith, taken[0], taken[1]),
            Self::Coalesce if taken[0].is_nan() => taken[1],
            Self::Coalesce => taken[0],
            Self::Previous(cell) => std::mem::replace(&mut memory[usize::from(cell)], taken[0]),
            Self::Defined => truth(!taken[0].is_nan()),
            Self::Undefined => truth(taken[0].is_nan()),
            Self::Compare(rel) => compare(rel, taken[0], taken[1]),
            Self::Chain(first, second) => and(compare(first, taken[0], taken[1]), compare(second, taken[1], taken[2])),
            Self::Within => {
                and(compare(Rel::LessEqual, taken[1], taken[0]), compare(Rel::LessEqual, taken[0], taken[2]))
            }
            Self::Crosses(way, cell) => {
                let cell = usize::from(cell);
                let before = [memory[cell], memory[cell + 1]];
                memory[cell..cell + 2].copy_from_slice(&taken[..2]);
                crosses(way, before, [taken[0], taken[1]])
            }
            Self::Not => 1.0 - taken[0],
            Self::And => and(taken[0], taken[1]),
            Self::Or => 1.0 - and(1.0 - taken[0], 1.0 - taken[1]),
        }
    }
}

#[inline]
const fn truth(value: bool) -> f64 {
    if value { 1.0 } else { 0.0 }
}

/// A result that is not finite is undefined.
#[inline]
fn arithmetic(arith: Arith, a: f64, b: f64) -> f64 {
    let value = match arith {
        Arith::Add => a + b,
        Arith::Sub => a - b,
        Arith::Mul => a * b,
        Arith::Div => a / b,
        Arith::Min | Arith::Max if a.is_nan() || b.is_nan() => UNDEFINED,
        Arith::Min => a.min(b),
        Arith::Max => a.max(b),
    };
    if value.is_finite() { value } else { UNDEFINED }
}

#[inline]
fn compare(rel: Rel, a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        return UNDEFINED;
    }
    truth(match rel {
        Rel::Less => a < b,
        Rel::LessEqual => a <= b,
        Rel::Greater => a > b,
        Rel::GreaterEqual => a >= b,
        Rel::Equal => a == b,
        Rel::NotEqual => a != b,
    })
}

#[inline]
fn and(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 { 0.0 } else { a * b }
}

/// Undefined unless both values are defined now and were at the previous evaluation.
#[inline]
fn crosses(way: Way, before: [f64; 2], now: [f64; 2]) -> f64 {
    if before.iter().chain(&now).any(|value| value.is_nan()) {
        return UNDEFINED;
    }
    let above = before[0] <= before[1] && now[0] > now[1];
    let below = before[0] >= before[1] && now[0] < now[1];
    truth(match way {
        Way::Above => above,
        Way::Below => below,
        Way::Either => above || below,
    })
}
