//! Small writers and readers in every order that loom knows: `make loom`, `LOOM_MAX_PREEMPTIONS=4 make loom` for more.
//!
//! The rings are the shipped code over loom's atomics; only pages of bars are smaller, and readers give up after three
//! looks. Each model has wrong twins: the same model with one ordering weakened, one store missing or late, or one look not
//! taken (`ringtape_ring::proof`). A twin has to fail, by a promise that is broken, so a model that could not see the
//! fault does not pass. Each model also names what it must come across, so none passes by never reading anything.
//!
//! What this covers: every interleaving with at most three preemptions, and for each load every store that the C11 model
//! lets it see among the last seven to its word: stale values, stores that arrive in another order, fences that pair.
//! What it does not: a load that sees a store which comes later in its own future (load buffering), values that were
//! never stored, more threads and laps than the models have, compilers. `make stress` and `make tsan` run the built code
//! on the machine.
#![cfg(loom)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};
use std::sync::Once;

use loom::thread::{self, JoinHandle};
use ringtape_ring::proof::Fault::{Blind, Late, NoFence, Relaxed, Skip};
use ringtape_ring::proof::Ordering::{Acquire, Release};
use ringtape_ring::proof::{Fault, Role, begin, set_fault};
use ringtape_ring::{BarPages, BarReader, ChainId, EventReader, EventRing, Latest, Pinned, Words};

thread_local! {
    static ORDERS: Cell<u64> = const { Cell::new(0) };
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
    static REACHED: RefCell<BTreeSet<&'static str>> = const { RefCell::new(BTreeSet::new()) };
}

/// Runs a model in every order, right and with each fault.
fn prove(name: &str, model: fn(), reaches: &[&str], twins: &[Fault]) {
    run(None, model);
    let orders = ORDERS.replace(0);
    let reached = REACHED.take();
    let wanted: BTreeSet<&str> = reaches.iter().copied().collect();
    assert!(reached == wanted, "{name} reached {reached:?} in {orders} orders");
    expect_panics();
    for &twin in twins {
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(Some(twin), model))) else {
            EXPECTED.set(false);
            panic!("{name} does not see {twin:?}");
        };
        let told = panic.downcast_ref::<String>().map_or("something else", String::as_str);
        EXPECTED.set(told.starts_with("broken: "));
        assert!(EXPECTED.get(), "{name} with {twin:?} fails otherwise: {told}");
    }
    EXPECTED.set(false);
    println!("{name}: {orders} orders; fails with {twins:?}");
}

/// This thread's panics are what is wanted, and not told.
fn expect_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let tell = take_hook();
        set_hook(Box::new(move |panic| {
            if !EXPECTED.get() {
                tell(panic);
            }
        }));
    });
    EXPECTED.set(true);
}

fn run(fault: Option<Fault>, model: fn()) {
    set_fault(fault);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    builder.check(move || {
        ORDERS.set(ORDERS.get() + 1);
        model();
    });
}

/// A promise of the rings.
fn promise(kept: bool, what: impl FnOnce() -> String) {
    assert!(kept, "broken: {}", what());
}

fn reach(what: &'static str) {
    REACHED.with_borrow_mut(|reached| reached.insert(what));
}

fn write(work: impl FnOnce() + 'static) -> JoinHandle<()> {
    spawn(Role::Writer, work)
}

fn read(work: impl FnOnce() + 'static) -> JoinHandle<()> {
    spawn(Role::Reader, work)
}

fn spawn(role: Role, work: impl FnOnce() + 'static) -> JoinHandle<()> {
    thread::spawn(move || {
        begin(role);
        work();
    })
}

fn join(thread: JoinHandle<()>) {
    if let Err(panic) = thread.join() {
        resume_unwind(panic);
    }
}

// Event rings.

/// Record number `number`, which can be told from memory that was never written.
fn record(number: u64) -> [u64; 2] {
    [number.wrapping_add(7); 2]
}

/// Publishes records one by one.
fn publish(ring: &EventRing, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        ring.push(&record(number));
        ring.publish();
    }
}

/// A reader that checks what it reads.
struct Follower {
    reader: EventReader,
    next: u64,
}

impl Follower {
    fn of(ring: &EventRing) -> Self {
        Self { reader: ring.reader(), next: ring.published() }
    }

    fn read(&mut self, most: usize) -> (usize, u64) {
        let mut out = Vec::new();
        let got = self.reader.read(&mut out, most);
        promise(out.len() == 2 * got.count, || format!("{got:?} and {} words", out.len()));
        self.next = self.next.wrapping_add(got.lost);
        for words in out.chunks_exact(2) {
            promise(words == record(self.next), || format!("record {} is {words:?}", self.next));
            self.next = self.next.wrapping_add(1);
        }
        reach(match got {
            _ if got.count == 0 && got.lost == 0 => "nothing",
            _ if got.lost == 0 => "records",
            _ => "losses",
        });
        (got.count, got.lost)
    }
}

#[test]
fn a_published_record_is_whole() {
    fn model() {
        let ring = EventRing::new(2, 2);
        let mut follower = Follower::of(&ring);
        let writer = write(move || publish(&ring, [0]));
        begin(Role::Reader);
        follower.read(9);
        join(writer);
        follower.read(9);
        promise(follower.next == 1, || format!("{} of 1 records", follower.next));
    }
    prove("publish", model, &["nothing", "records"], &[Relaxed(Release), Relaxed(Acquire), Late(2), Skip(3)]);
}

#[test]
fn a_batch_shows_as_one() {
    fn model() {
        let ring = EventRing::new(2, 2);
        let mut follower = Follower::of(&ring);
        let writer = write(move || {
            ring.push(&record(0));
            ring.push(&record(1));
            ring.publish();
        });
        begin(Role::Reader);
        let (count, lost) = follower.read(9);
        promise((count == 0 || count == 2) && lost == 0, || format!("{count} of a batch of 2, {lost} lost"));
        join(writer);
    }
    prove("batch", model, &["nothing", "records"], &[Relaxed(Release), Relaxed(Acquire), Late(5)]);
}

#[test]
fn a_record_that_is_overwritten_meanwhile_is_lost_and_not_torn() {
    fn model() {
        let ring = EventRing::new(2, 2);
        let mut follower = Follower::of(&ring);
        publish(&ring, [0, 1]);
        let writer = write(move || publish(&ring, [2]));
        begin(Role::Reader);
        if follower.read(9) == (1, 1) {
            reach("a copy thrown away");
        }
        join(writer);
    }
    let faults = [NoFence(Release), NoFence(Acquire), Blind, Skip(0), Late(0)];
    prove("lap", model, &["records", "losses", "a copy thrown away"], &faults);
}

#[test]
fn every_loss_is_counted() {
    fn model() {
        let ring = EventRing::new(2, 2);
        let mut follower = Follower::of(&ring);
        let writer = write({
            let ring = ring.clone();
            move || publish(&ring, 0..4)
        });
        begin(Role::Reader);
        let mut seen = (0, 0);
        for most in [1, 2] {
            let (count, lost) = follower.read(most);
            promise(count <= most, || format!("{count} of at most {most}"));
            seen = (seen.0 + count, seen.1 + lost);
        }
        join(writer);
        let (count, lost) = follower.read(9);
        promise(follower.next == 4, || format!("{seen:?}, then {count} and {lost} lost: {} of 4", follower.next));
        promise(follower.reader.behind() == 0, || format!("{} behind", follower.reader.behind()));
    }
    prove("overrun", model, &["nothing", "records", "losses"], &[NoFence(Acquire), Blind, Skip(0)]);
}

#[test]
fn readers_do_not_disturb_each_other() {
    fn model() {
        let ring = EventRing::new(2, 2);
        let (mut one, mut other) = (Follower::of(&ring), Follower::of(&ring));
        publish(&ring, [0, 1]);
        let writer = write(move || publish(&ring, [2]));
        let reader = read(move || {
            one.read(1);
        });
        begin(Role::Reader);
        other.read(9);
        join(reader);
        join(writer);
    }
    prove("two followers", model, &["records", "losses"], &[NoFence(Release), NoFence(Acquire), Blind, Skip(0)]);
}

#[test]
fn numbers_pass_two_to_the_64th() {
    fn model() {
        const START: u64 = u64::MAX - 1;
        let words = Words::zeroed(EventRing::len(2, 2));
        words.store(0, &[START]);
        words.store(8, &[START]);
        let ring = EventRing::over(words, 2, 2);
        let mut follower = Follower::of(&ring);
        publish(&ring, [START, START + 1]);
        let writer = write({
            let ring = ring.clone();
            move || publish(&ring, [0, 1])
        });
        begin(Role::Reader);
        follower.read(2);
        join(writer);
        follower.read(9);
        promise(follower.next == 2, || format!("at {} instead of 2", follower.next));
        promise(follower.reader.behind() == 0, || format!("{} behind", follower.reader.behind()));
    }
    prove("wrap", model, &["nothing", "records", "losses"], &[NoFence(Release), NoFence(Acquire), Blind, Skip(0)]);
}

// Rows behind a sequence.

/// What a row of two equal words holds after `sequence / 2` changes.
fn row(sequence: u64) -> [u64; 2] {
    [sequence / 2; 2]
}

fn change(table: &Latest, value: u64) {
    table.write(0, &[(0, &[value]), (1, &[value])]);
}

/// Reads row 0 and checks it; gives its sequence.
fn look(table: &Latest, start: u64) -> Option<u64> {
    let mut words = [0; 2];
    let Some(sequence) = table.read(0, 0, &mut words) else {
        reach("never at rest");
        return None;
    };
    let want = row(sequence.wrapping_sub(start));
    promise(words == want, || format!("row {words:?} at sequence {sequence}"));
    reach(if sequence == start { "the old row" } else { "a new row" });
    Some(sequence)
}

const ROW_FAULTS: [Fault; 8] = [
    NoFence(Release),
    NoFence(Acquire),
    Relaxed(Release),
    Relaxed(Acquire),
    Blind,
    Skip(0), // never odd
    Late(0), // odd after the first word
    Late(2), // even before the last word
];

#[test]
fn a_row_is_whole() {
    fn model() {
        let table = Latest::new(1, 2);
        let writer = write({
            let table = table.clone();
            move || (1..=2).for_each(|value| change(&table, value))
        });
        begin(Role::Reader);
        look(&table, 0);
        join(writer);
        promise(look(&table, 0) == Some(4), || "the last row is not seen after its writer".to_owned());
    }
    prove("row", model, &["the old row", "a new row", "never at rest"], &ROW_FAULTS);
}

#[test]
fn a_row_never_goes_back() {
    fn model() {
        let table = Latest::new(1, 2);
        let writer = write({
            let table = table.clone();
            move || change(&table, 1)
        });
        let twice = |table: &Latest| {
            let (first, second) = (look(table, 0), look(table, 0));
            promise(second >= first || second.is_none(), || format!("{first:?}, then {second:?}"));
        };
        let reader = read({
            let table = table.clone();
            move || twice(&table)
        });
        begin(Role::Reader);
        twice(&table);
        join(reader);
        join(writer);
    }
    prove("two lookers", model, &["the old row", "a new row", "never at rest"], &ROW_FAULTS);
}

#[test]
fn a_sequence_passes_two_to_the_64th() {
    fn model() {
        const START: u64 = u64::MAX - 1;
        let words = Words::zeroed(Latest::len(1, 2));
        words.store(0, &[START]);
        let table = Latest::over(words, 1, 2);
        let writer = write({
            let table = table.clone();
            move || (1..=2).for_each(|value| change(&table, value))
        });
        begin(Role::Reader);
        look(&table, START);
        join(writer);
        promise(look(&table, START) == Some(2), || "the last row is not seen after its writer".to_owned());
    }
    prove("row wrap", model, &["the old row", "a new row", "never at rest"], &ROW_FAULTS);
}

#[test]
fn a_writer_that_dies_inside_a_row_stops_nobody() {
    fn model() {
        let table = Latest::new(2, 2);
        let writer = write({
            let table = table.clone();
            move || {
                table.write(1, &[(0, &[9, 9])]);
                let death = catch_unwind(AssertUnwindSafe(|| {
                    table.change(0, |to| {
                        to.put(0, &[1]);
                        resume_unwind(Box::new(()));
                    });
                }));
                assert!(death.is_err());
            }
        });
        begin(Role::Reader);
        look(&table, 0);
        join(writer);
        promise(look(&table, 0).is_none(), || "half a row is given as a row".to_owned());
        let mut other = [0; 2];
        promise(table.read(1, 0, &mut other) == Some(2) && other == [9, 9], || format!("{other:?}"));
    }
    prove(
        "death inside",
        model,
        &["the old row", "never at rest"],
        &[Skip(4), NoFence(Release), NoFence(Acquire), Blind],
    );
}

// Bar pages: here a page has two cells, and a cell two words.

fn cell(value: u64) -> [u64; 2] {
    [value, value]
}

/// The values of the newest cells of a chain, each whole; `None` if the writer was always inside.
fn values(reader: &BarReader, chain: ChainId, most: usize) -> Option<Vec<u64>> {
    let mut out = Vec::new();
    let Some(count) = reader.read(chain, most, &mut out) else {
        reach("never at rest");
        return None;
    };
    promise(out.len() == 2 * count, || format!("{count} cells and {} words", out.len()));
    promise(out.chunks_exact(2).all(|two| two[0] == two[1]), || format!("torn cells {out:?}"));
    Some(out.chunks_exact(2).map(|two| two[0]).collect())
}

/// Reads a chain while somebody changes it: what is read is one of the states that it goes through.
fn glimpse(reader: &BarReader, chain: ChainId, states: &[(&'static str, &[u64])]) {
    let Some(seen) = values(reader, chain, 9) else { return };
    let state = states.iter().find(|(_, state)| *state == seen);
    promise(state.is_some(), || format!("cells {seen:?}"));
    reach(state.map_or("", |(name, _)| name));
}

fn filled(pages: usize, retention: &[usize], values: std::ops::RangeInclusive<u64>) -> (BarPages, ChainId) {
    let mut pool = BarPages::new(pages, 2, 2, retention);
    let chain = pool.chain(0, 0);
    values.for_each(|value| pool.append(chain, &cell(value)));
    (pool, chain)
}

/// Faults of any change between an odd and an even sequence.
const CHAIN_FAULTS: [Fault; 5] = [NoFence(Release), NoFence(Acquire), Relaxed(Release), Relaxed(Acquire), Blind];

#[test]
fn a_bar_is_appended_whole() {
    fn model() {
        let (mut pool, chain) = filled(2, &[2], 1..=1);
        let reader = pool.reader();
        let writer = write(move || pool.append(chain, &cell(2)));
        begin(Role::Reader);
        glimpse(&reader, chain, &[("before", &[1]), ("after", &[1, 2])]);
        join(writer);
    }
    // Its stores: touched, odd, two words, count, even.
    let faults = [&CHAIN_FAULTS[..], &[Skip(1)]].concat();
    prove("append", model, &["before", "after"], &faults);
}

#[test]
fn a_bar_is_replaced_whole() {
    fn model() {
        let (mut pool, chain) = filled(2, &[2], 1..=2);
        let reader = pool.reader();
        let writer = write(move || pool.replace(chain, 0, &cell(7)));
        begin(Role::Reader);
        glimpse(&reader, chain, &[("before", &[1, 2]), ("after", &[7, 2])]);
        join(writer);
    }
    // Its stores: odd, two words, even.
    let faults = [&CHAIN_FAULTS[..], &[Skip(0), Late(0), Late(2)]].concat();
    prove("replace", model, &["before", "after"], &faults);
}

#[test]
fn a_chain_that_reuses_its_oldest_page_gives_it_up_first() {
    fn model() {
        let (mut pool, chain) = filled(4, &[2], 1..=4);
        let reader = pool.reader();
        let writer = write(move || pool.append(chain, &cell(5)));
        begin(Role::Reader);
        glimpse(&reader, chain, &[("before", &[1, 2, 3, 4]), ("between", &[3, 4]), ("after", &[3, 4, 5])]);
        join(writer);
    }
    // Its stores: touched, odd, page, first, even, odd, two words, count, even.
    let faults = [&CHAIN_FAULTS[..], &[Skip(5)]].concat();
    prove("reuse", model, &["before", "between", "after", "never at rest"], &faults);
}

#[test]
fn a_page_that_another_chain_takes_shows_none_of_its_bars() {
    fn model() {
        let (mut pool, chain) = filled(2, &[4], 1..=4);
        let other = pool.chain(0, 1);
        let reader = pool.reader();
        let writer = write(move || pool.append(other, &cell(9)));
        begin(Role::Reader);
        glimpse(&reader, chain, &[("before", &[1, 2, 3, 4]), ("after", &[3, 4])]);
        join(writer);
        promise(values(&reader, other, 9) == Some(vec![9]), || "the other chain has not got its bar".to_owned());
    }
    // Its first stores: touched, odd, page, first, even.
    let faults = [NoFence(Release), NoFence(Acquire), Blind, Skip(1), Skip(3)];
    prove("recycle", model, &["before", "after"], &faults);
}

#[test]
fn a_late_bar_comes_between_others_at_once() {
    fn model() {
        let (mut pool, chain) = filled(2, &[4], 1..=3);
        let reader = pool.reader();
        let writer = write(move || pool.insert(chain, 1, &cell(7)));
        begin(Role::Reader);
        glimpse(&reader, chain, &[("before", &[1, 2, 3]), ("after", &[1, 7, 2, 3])]);
        join(writer);
    }
    prove("insert", model, &["before", "after"], &CHAIN_FAULTS);
}

// Pinned series, headers, generations.

#[test]
fn a_pinned_record_is_whole_once_it_is_counted() {
    fn model() {
        let series = Pinned::new(2, 2);
        series.push(&record(0));
        series.push(&record(1));
        let writer = write({
            let series = series.clone();
            move || series.push(&record(2))
        });
        begin(Role::Reader);
        // Eight words, then records 0 and 1 and their copies. Numbers 1 and 2 lie side by side from place 1 on.
        let (at, held) = series.span(2);
        if (at, held) == (10, 2) {
            let mut words = [0; 4];
            series.words().copy(at, &mut words);
            promise(words == [record(1), record(2)].concat()[..], || format!("{words:?}"));
            reach("the new record");
        } else {
            promise((at, held) == (8, 2), || format!("{held} records from word {at} on"));
            reach("the old records");
        }
        join(writer);
    }
    // Its stores: two words, the same two again, count.
    prove(
        "pinned",
        model,
        &["the old records", "the new record"],
        &[Relaxed(Release), Relaxed(Acquire), Late(3), Skip(2)],
    );
}

const MAGIC: u64 = u64::from_le_bytes(*b"RINGTAPE");

/// A block as an engine makes it: its header with the magic last, then the name that leads to it.
fn create(header: &Words, generation: u64, name: &Words) {
    header.store(1, &[generation, generation]);
    header.release(0, MAGIC);
    name.release(0, generation);
}

/// The generation that a header speaks of, if it is finished.
fn open(header: &Words) -> Option<u64> {
    if header.acquire(0) != MAGIC {
        return None;
    }
    let mut both = [0; 2];
    header.copy(1, &mut both);
    promise(both[0] == both[1] && both[0] > 0, || format!("a header of {both:?}"));
    Some(both[0])
}

#[test]
fn a_header_is_whole_once_its_magic_is_there() {
    fn model() {
        let (header, name) = (Words::zeroed(4), Words::zeroed(1));
        let writer = write({
            let (header, name) = (header.clone(), name.clone());
            move || create(&header, 1, &name)
        });
        begin(Role::Reader);
        reach(if open(&header).is_some() { "finished" } else { "unfinished" });
        if name.acquire(0) == 1 {
            promise(open(&header) == Some(1), || "a name that leads nowhere".to_owned());
        }
        join(writer);
    }
    // Its stores: two words, magic, name.
    let faults = [Relaxed(Release), Relaxed(Acquire), Late(1), Late(2)];
    prove("header", model, &["finished", "unfinished"], &faults);
}

/// The place in a header where its writer says that it has ended.
const STATE: usize = 3;
const ENDED: u64 = 1;

#[test]
fn a_reader_goes_from_one_generation_to_the_next() {
    fn model() {
        let name = Words::zeroed(1);
        let headers = [Words::zeroed(4), Words::zeroed(4)];
        let rings = [EventRing::new(2, 2), EventRing::new(2, 2)];
        let [mut old, mut new] = [Follower::of(&rings[0]), Follower::of(&rings[1])];
        create(&headers[0], 1, &name);
        let writer = write({
            let (name, headers, rings) = (name.clone(), headers.clone(), rings.clone());
            move || {
                publish(&rings[0], [0]);
                headers[0].release(STATE, ENDED);
                create(&headers[1], 2, &name);
                publish(&rings[1], [0]);
            }
        });
        begin(Role::Reader);
        old.read(9);
        if headers[0].acquire(STATE) == ENDED {
            // Nothing comes any more, so this is the rest.
            old.read(9);
            promise(old.next == 1, || format!("{} of 1 records before the end", old.next));
            reach("the end");
        }
        if name.acquire(0) == 2 {
            promise(headers[0].acquire(STATE) == ENDED, || "a second writer beside the first".to_owned());
            promise(open(&headers[1]) == Some(2), || "a name that leads to another generation".to_owned());
            new.read(9);
            reach("the next generation");
        }
        join(writer);
    }
    // Its stores: intent, two words, published, ended, two words, magic, name, and the new ring's.
    let faults = [Relaxed(Release), Relaxed(Acquire), Late(2), Late(3), Skip(4), Late(7), Skip(6)];
    prove("generation", model, &["nothing", "records", "the end", "the next generation"], &faults);
}
