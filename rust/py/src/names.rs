//! What names meant the last time they were asked for, by the identity of the objects: a look at a symbol's hash and a
//! field's text takes longer than all else of a read.
//!
//! INVARIANT: an entry holds its object, so no other object has that address. Symbols keep their numbers and fields their
//! places for the life of an engine; a bare name may become ambiguous with a new symbol, so it counts for as many only.

use std::sync::{Arc, Mutex};

use pyo3::prelude::*;
use pyo3::types::PyString;
use ringtape::engine::Source;
use ringtape::model::{FieldRef, SymbolId, Venue};

const SYMBOLS: usize = 256;
const FIELDS: usize = 64;

/// Some published fields, where they are, and the words of a row that they need.
pub(crate) struct Asked {
    pub(crate) fields: Vec<(FieldRef, Source)>,
    pub(crate) end: usize,
    /// One name was given, and no list of them.
    pub(crate) is_one: bool,
}

/// A symbol's name, and how many symbols there were.
type Known = (Py<PyAny>, usize, SymbolId, Venue);

/// A field's name, how many symbols there were, and the array over that much of its live column.
type View = (Py<PyAny>, usize, Py<PyAny>);

struct Held {
    symbols: [Option<Known>; SYMBOLS],
    fields: [Option<(Py<PyAny>, Arc<Asked>)>; FIELDS],
    views: [Option<View>; FIELDS],
}

/// The names of one engine or view. Where two threads look at once, one of them does without.
pub(crate) struct Names(Mutex<Box<Held>>);

fn place<const N: usize>(object: &Bound<'_, PyAny>) -> usize {
    (object.as_ptr() as usize >> 4) % N
}

impl Names {
    pub(crate) fn new() -> Self {
        let (symbols, fields) = ([const { None }; SYMBOLS], [const { None }; FIELDS]);
        let held = Held { symbols, fields, views: [const { None }; FIELDS] };
        Self(Mutex::new(Box::new(held)))
    }

    #[inline]
    pub(crate) fn symbol(&self, name: &Bound<'_, PyString>, count: usize) -> Option<(SymbolId, Venue)> {
        let held = self.0.try_lock().ok()?;
        let (object, known, id, venue) = held.symbols[place::<SYMBOLS>(name.as_any())].as_ref()?;
        (object.as_ptr() == name.as_ptr() && *known == count).then_some((*id, *venue))
    }

    pub(crate) fn keep_symbol(&self, name: &Bound<'_, PyString>, count: usize, (id, venue): (SymbolId, Venue)) {
        let entry = (name.clone().into_any().unbind(), count, id, venue);
        let Ok(mut held) = self.0.try_lock() else { return };
        let old = held.symbols[place::<SYMBOLS>(name.as_any())].replace(entry);
        // What goes may run code of its own, which must find this open.
        drop(held);
        drop(old);
    }

    #[inline]
    pub(crate) fn fields(&self, names: &Bound<'_, PyAny>) -> Option<Arc<Asked>> {
        let held = self.0.try_lock().ok()?;
        let (object, asked) = held.fields[place::<FIELDS>(names)].as_ref()?;
        (object.as_ptr() == names.as_ptr()).then(|| Arc::clone(asked))
    }

    #[inline]
    pub(crate) fn view<'py>(&self, name: &Bound<'py, PyString>, count: usize) -> Option<Bound<'py, PyAny>> {
        let held = self.0.try_lock().ok()?;
        let (object, known, view) = held.views[place::<FIELDS>(name.as_any())].as_ref()?;
        (object.as_ptr() == name.as_ptr() && *known == count).then(|| view.bind(name.py()).clone())
    }

    pub(crate) fn keep_view(&self, name: &Bound<'_, PyString>, count: usize, view: &Bound<'_, PyAny>) {
        let entry = (name.clone().into_any().unbind(), count, view.clone().unbind());
        let Ok(mut held) = self.0.try_lock() else { return };
        let old = held.views[place::<FIELDS>(name.as_any())].replace(entry);
        drop(held);
        drop(old);
    }

    /// The names must not change: a string, or a tuple of them.
    pub(crate) fn keep_fields(&self, names: &Bound<'_, PyAny>, asked: Arc<Asked>) {
        let entry = (names.clone().unbind(), asked);
        let Ok(mut held) = self.0.try_lock() else { return };
        let old = held.fields[place::<FIELDS>(names)].replace(entry);
        drop(held);
        drop(old);
    }
}
