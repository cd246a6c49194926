//! What the rings stand on under `cfg(loom)`: loom's atomics, a heap for mapped memory, and faults on demand.
//!
//! The rings themselves are the same code. A fault edits what one thread does to memory, at the atomics: an ordering is
//! weakened, a store is left out or comes late, a look is not taken. Production code has no hook for it.

use std::cell::{Cell, RefCell};
use std::io;
use std::sync::Arc;

pub use loom::hint::spin_loop;
use loom::sync::atomic;
pub use loom::sync::atomic::Ordering;

/// What is wrong in a wrong twin of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Fences of this ordering are left out.
    NoFence(Ordering),
    /// Stores or loads of this ordering are relaxed.
    Relaxed(Ordering),
    /// The writer leaves out the store of this number, its first being 0.
    Skip(usize),
    /// The writer makes the store of this number after the one that follows.
    Late(usize),
    /// Readers leave out the look after their Acquire fence: they believe what their last acquiring look gave.
    Blind,
}

/// Whose steps a thread takes: stores are faulty in writers, looks in readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Neither.
    Bystander,
    /// The only one who stores.
    Writer,
    /// One who only looks.
    Reader,
}

/// What a thread has done since it took its role.
struct Trace {
    role: Role,
    stores: usize,
    late: Option<(AtomicU64, u64, Ordering)>,
    /// What the last acquiring look gave.
    acquired: u64,
    /// The last step was an Acquire fence.
    fenced: bool,
}

impl Trace {
    const fn new(role: Role) -> Self {
        Self { role, stores: 0, late: None, acquired: 0, fenced: false }
    }
}

std::thread_local! {
    // A model runs on the thread that started it, whatever threads it has.
    static FAULT: Cell<Option<Fault>> = const { Cell::new(None) };
}

loom::thread_local! {
    static TRACE: RefCell<Trace> = RefCell::new(Trace::new(Role::Bystander));
}

/// Chooses the fault of the models that this thread runs from now on.
pub fn set_fault(fault: Option<Fault>) {
    FAULT.set(fault);
}

/// The calling thread of a model takes a role; its stores and looks are counted from here.
pub fn begin(role: Role) {
    TRACE.with(|trace| *trace.borrow_mut() = Trace::new(role));
}

/// An atomic word of loom's.
#[derive(Clone, Debug)]
pub struct AtomicU64(Arc<Word>);

#[derive(Debug)]
struct Word {
    shared: atomic::AtomicU64,
    /// What was stored last, for the writer.
    stored: std::sync::atomic::AtomicU64,
}

impl AtomicU64 {
    fn new(value: u64) -> Self {
        Self(Arc::new(Word { shared: atomic::AtomicU64::new(value), stored: value.into() }))
    }

    fn put(&self, value: u64, ordering: Ordering) {
        self.0.shared.store(value, weakened(ordering));
        self.0.stored.store(value, Ordering::Relaxed);
    }

    pub(crate) fn load(&self, ordering: Ordering) -> u64 {
        let (role, acquired, fenced) = TRACE.with(|trace| {
            let trace = &mut *trace.borrow_mut();
            (trace.role, trace.acquired, std::mem::take(&mut trace.fenced))
        });
        // The only writer sees what it has stored, which is no event between threads. It must not be one for loom either:
        // of all accesses to a word loom remembers the last, and tries no order of a store and a reader's look before it
        // if the writer itself looked in between.
        if role == Role::Writer {
            return self.0.stored.load(Ordering::Relaxed);
        }
        if fenced && role == Role::Reader && FAULT.get() == Some(Fault::Blind) {
            return acquired;
        }
        let value = self.0.shared.load(weakened(ordering));
        if ordering == Ordering::Acquire {
            TRACE.with(|trace| trace.borrow_mut().acquired = value);
        }
        value
    }

    pub(crate) fn store(&self, value: u64, ordering: Ordering) {
        let (number, late) = TRACE.with(|trace| {
            let trace = &mut *trace.borrow_mut();
            let number = (trace.role == Role::Writer).then_some(trace.stores);
            trace.stores += 1;
            (number, trace.late.take())
        });
        match FAULT.get() {
            Some(Fault::Skip(skipped)) if number == Some(skipped) => {}
            Some(Fault::Late(held)) if number == Some(held) => {
                TRACE.with(|trace| trace.borrow_mut().late = Some((self.clone(), value, ordering)));
            }
            _ => self.put(value, ordering),
        }
        if let Some((word, value, ordering)) = late {
            word.put(value, ordering);
        }
    }
}

fn weakened(ordering: Ordering) -> Ordering {
    if FAULT.get() == Some(Fault::Relaxed(ordering)) { Ordering::Relaxed } else { ordering }
}

pub(crate) fn fence(ordering: Ordering) {
    if FAULT.get() != Some(Fault::NoFence(ordering)) {
        atomic::fence(ordering);
    }
    TRACE.with(|trace| trace.borrow_mut().fenced = ordering == Ordering::Acquire);
}

/// Models have no time: whoever sleeps lets others go on.
pub(crate) fn sleep(_time: core::time::Duration) {
    spin_loop();
}

/// A block of atomics where the machine has mapped bytes.
pub(crate) struct MmapRaw(Box<[AtomicU64]>);

impl MmapRaw {
    pub(crate) fn as_ptr(&self) -> *const u8 {
        self.0.as_ptr().cast()
    }

    #[expect(clippy::unnecessary_wraps, reason = "the signature is that of a mapping")]
    #[expect(clippy::unused_self, reason = "the same")]
    pub(crate) fn advise_range(&self, _advice: memmap2::Advice, _at: usize, _len: usize) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) struct MmapMut(MmapRaw);

impl MmapMut {
    /// As many zero atomics as `bytes` hold.
    #[expect(clippy::unnecessary_wraps, reason = "the signature is that of a mapping")]
    pub(crate) fn map_anon(bytes: usize) -> io::Result<Self> {
        Ok(Self(MmapRaw((0..bytes / size_of::<AtomicU64>()).map(|_| AtomicU64::new(0)).collect())))
    }
}

impl From<MmapMut> for MmapRaw {
    fn from(MmapMut(memory): MmapMut) -> Self {
        memory
    }
}

/// Models have no files.
pub(crate) struct MmapOptions;

impl MmapOptions {
    pub(crate) const fn new() -> Self {
        Self
    }

    pub(crate) const fn len(&self, _bytes: usize) -> &Self {
        self
    }

    #[expect(clippy::unused_self, reason = "the signature is that of a mapping")]
    pub(crate) fn map_raw(&self, _file: impl memmap2::MmapAsRawDesc) -> io::Result<MmapRaw> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn map_raw_read_only(&self, file: impl memmap2::MmapAsRawDesc) -> io::Result<MmapRaw> {
        self.map_raw(file)
    }
}
