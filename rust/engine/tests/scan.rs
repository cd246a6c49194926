//! When rules fire: the cases of the scanner's rule book, and random tapes against a plain second reading.

use proptest::prelude::*;
use ringtape_engine::rule::{RuleSource, compile};
use ringtape_engine::scan::Scanner;
use ringtape_model::units::SECOND;
use ringtape_model::{FieldRef, Moment};

fn rule(when: &str) -> RuleSource {
    RuleSource::new("r", when)
}

fn scanner(sources: &[RuleSource]) -> Scanner {
    let set = compile(sources).unwrap_or_else(|errors| panic!("{}", errors[0]));
    let mut scanner = Scanner::new(set);
    scanner.grow(1);
    scanner
}

/// Feeds one value a second as `last` and tells at which prints (from 1) the rule fired, with its counts.
fn fired(source: &RuleSource, prints: &[f64]) -> Vec<(usize, u32)> {
    let mut scanner = scanner(std::slice::from_ref(source));
    let mut out = Vec::new();
    for (index, &price) in prints.iter().enumerate() {
        let now = index as i64 * SECOND;
        scanner.evaluate(Moment::Trade, 0, now, |_, _| price, |_, firing| out.push((index + 1, firing)));
    }
    out
}

/// SOURCE: facts/scanner.md 7.2, case 4.
#[test]
fn exact_threshold() {
    let prints = [9.99, 10.00, 10.00, 10.01, 10.00, 10.01, 9.99, 10.02];
    let crosses = rule("last crosses_above 10.00");
    assert_eq!(fired(&crosses, &prints), [(4, 1), (6, 2), (8, 3)]);

    let mut cooled = crosses.clone();
    cooled.cooldown = Some("60s".to_owned());
    assert_eq!(fired(&cooled, &prints), [(4, 1)]);

    let mut hysteresis = crosses.clone();
    hysteresis.rearm = Some("last < 9.995".to_owned());
    assert_eq!(fired(&hysteresis, &prints), [(4, 1), (8, 2)]);

    assert_eq!(fired(&rule("last >= 10.00"), &prints), [(2, 1), (8, 2)]);
}

#[test]
fn a_cooldown_starts_at_the_firing_and_ends_exactly() {
    let mut source = rule("last > 1");
    source.cooldown = Some("4s".to_owned());
    // Edges at 2, 4, 6 and 8 s: the second is held back, the third comes 4 s after the first firing.
    let prints = [0.0, 0.0, 2.0, 0.0, 2.0, 0.0, 2.0, 0.0, 2.0];
    assert_eq!(fired(&source, &prints), [(3, 1), (7, 2)]);
    // A condition that stays true through the cooldown does not fire again.
    assert_eq!(fired(&source, &[0.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]), [(2, 1)]);
}

/// SOURCE: facts/scanner.md 7.2, case 14.
#[test]
fn a_start_fires_nothing_that_is_already_true() {
    assert_eq!(fired(&rule("last > 1"), &[2.0, 3.0, 2.0]), []);
    assert_eq!(fired(&rule("last > 1"), &[2.0, 1.0, 2.0]), [(3, 1)]);
}

#[test]
fn from_unknown_fires_unless_told_otherwise() {
    let unknown = f64::NAN;
    let prints = [unknown, unknown, 2.0, unknown, 2.0, 0.0, 2.0];
    let mut source = rule("last > 1");
    // At print 5 the rule is not armed: it has not been false since it fired.
    assert_eq!(fired(&source, &prints), [(3, 1), (7, 2)]);
    source.fire_from_unknown = false;
    assert_eq!(fired(&source, &prints), [(7, 1)]);
}

/// SOURCE: facts/scanner.md 7.2, case 9.
#[test]
fn undefined_never_fires_and_never_hides_what_is_known() {
    let values = |_: usize, field: FieldRef| if field.text() == "volume" { 200.0 } else { f64::NAN };
    let whens = [
        ("change > 5% or volume > 100", Some(true)),
        ("change > 5% and volume > 100", None),
        ("not (change > 5%)", None),
    ];
    for (when, expected) in whens {
        let set = compile(&[rule(when)]).unwrap_or_default();
        let program = set.rules()[0].when();
        let operands: Vec<f64> = set.fields().iter().map(|&field| values(0, field)).collect();
        let (mut memory, mut stack) = (vec![f64::NAN; program.memory()], vec![f64::NAN; program.stack()]);
        assert_eq!(program.run(&operands, &mut memory, &mut stack), expected, "{when}");
    }
}

/// SOURCE: facts/scanner.md 7.2, case 15.
#[test]
fn a_condition_on_a_missing_quote_is_silent_both_ways() {
    for when in ["spread_bps < 80bp", "not (spread_bps < 80bp)", "spread_bps >= 80bp"] {
        let mut scanner = scanner(&[rule(when)]);
        for now in 0..5 {
            scanner.evaluate(Moment::Quote, 0, now, |_, _| f64::NAN, |_, _| panic!("{when} fired"));
        }
    }
}

/// SOURCE: facts/scanner.md 7.2, case 8: no crossing from yesterday's price to today's.
#[test]
fn a_rollover_forgets_the_day_before() {
    let mut source = rule("last crosses_above 10.90 or prev(last) > 10.50");
    source.cooldown = Some("1h".to_owned());
    let mut scanner = scanner(&[source]);
    scanner.grow(2);
    let mut out = Vec::new();
    let mut step = |scanner: &mut Scanner, symbol: u32, now: i64, price: f64| {
        scanner.evaluate(Moment::Trade, symbol, now, |_, _| price, |_, firing| out.push((symbol, now, firing)));
    };
    for symbol in [0, 1] {
        step(&mut scanner, symbol, 0, 10.80);
        step(&mut scanner, symbol, 1, 10.85);
    }
    scanner.rollover(0);
    step(&mut scanner, 0, 2, 11.00);
    step(&mut scanner, 1, 2, 11.00);
    step(&mut scanner, 0, 3, 10.80);
    assert_eq!(out, [(0, 1, 1), (1, 1, 1), (0, 3, 1)]);
}

/// SOURCE: facts/scanner.md 2.2: a print above the high of the print before is a new high, one that follows it is
/// not another.
#[test]
fn consecutive_new_highs_are_one_edge() {
    let mut scanner = scanner(&[rule("last crosses_above prev(high)")]);
    let prints = [10.0, 9.0, 10.5, 10.6, 10.7, 10.1, 10.8];
    let (mut high, mut out) = (0.0_f64, Vec::new());
    for (now, price) in (0_i64..).zip(prints) {
        high = high.max(price);
        let values = |_: usize, field: FieldRef| if field.text() == "high" { high } else { price };
        scanner.evaluate(Moment::Trade, 0, now, values, |_, _| out.push(price));
    }
    assert_eq!(out, [10.5, 10.8]);
}

#[test]
fn rules_run_in_the_order_of_their_ids_on_one_state() {
    let sources = [
        RuleSource::new("b", "last > 1"),
        RuleSource::new("c", "last > 1 and bid > 1"),
        RuleSource::new("a", "last > 1"),
    ];
    let mut scanner = scanner(&sources);
    assert!(scanner.wants(Moment::Trade) && !scanner.wants(Moment::Quote) && !scanner.wants(Moment::Tick));
    let (mut asked, mut out) = (Vec::new(), Vec::new());
    for price in [0.0, 2.0] {
        let values = |slot: usize, field: FieldRef| {
            asked.push((slot, field.text()));
            price
        };
        scanner.evaluate(Moment::Trade, 0, 5, values, |index, firing| out.push((index, firing)));
    }
    assert_eq!(out, [(2, 1), (0, 1), (1, 1)]);
    assert_eq!(asked.len(), 4, "each operand is asked for once an evaluation");
    assert_eq!(asked[1], (1, "bid".to_owned()));
}

#[test]
fn moments_are_kept_apart_and_unknown_symbols_are_passed_over() {
    let mut quotes = RuleSource::new("q", "spread > 1");
    quotes.rearm = Some("spread < 0.5".to_owned());
    let mut scanner = scanner(&[RuleSource::new("t", "last > 1"), quotes]);
    for value in [0.0, 2.0] {
        scanner.evaluate(Moment::Tick, 0, 0, |_, _| value, |_, _| panic!("no rule is evaluated on tick"));
        scanner.evaluate(Moment::Trade, 7, 0, |_, _| value, |_, _| panic!("symbol 7 has no room"));
    }
    let mut out = Vec::new();
    for value in [0.0, 2.0, 0.7, 2.0, 0.4, 2.0] {
        scanner.evaluate(Moment::Quote, 0, 0, |_, _| value, |index, firing| out.push((index, firing)));
    }
    assert_eq!(out, [(1, 1), (1, 2)]);
    assert_eq!(scanner.suppressed(), 1);
}

/// The same decisions from the whole history at every step, written without any kept state.
fn history_fires(truths: &[Option<bool>], rearms: &[bool], cooldown: usize, from_unknown: bool) -> Vec<usize> {
    let mut fired: Vec<usize> = Vec::new();
    for now in 1..truths.len() {
        let came_true = truths[now] == Some(true)
            && (truths[now - 1] == Some(false) || (from_unknown && truths[now - 1].is_none()));
        let armed = fired.last().is_none_or(|&last| rearms[last + 1..=now].contains(&true));
        let cool = fired.last().is_none_or(|&last| now - last >= cooldown);
        if came_true && armed && cool {
            fired.push(now);
        }
    }
    fired
}

proptest! {
    #[test]
    fn firing_agrees_with_the_whole_history(
        prints in prop::collection::vec(prop::sample::select(vec![0.0, 1.0, 2.0, f64::NAN]), 0..40),
        cooldown in 0_usize..5,
        own_rearm in any::<bool>(),
        from_unknown in any::<bool>(),
    ) {
        let mut source = rule("last > 1");
        source.fire_from_unknown = from_unknown;
        source.cooldown = Some(format!("{cooldown}s"));
        source.rearm = own_rearm.then(|| "last < 1".to_owned());
        let known = |price: f64| (!price.is_nan()).then_some(price);
        let truths: Vec<Option<bool>> = prints.iter().map(|&price| known(price).map(|price| price > 1.0)).collect();
        let rearms: Vec<bool> =
            prints.iter().map(|&price| if own_rearm { price < 1.0 } else { price <= 1.0 }).collect();
        let wanted = history_fires(&truths, &rearms, cooldown, from_unknown);
        let got: Vec<usize> = fired(&source, &prints).iter().map(|(print, _)| print - 1).collect();
        prop_assert_eq!(got, wanted);
    }
}
