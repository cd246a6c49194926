//! Columns: the values of one field of every symbol side by side, for whole-market reads.
//!
//! Each value is one word and therefore whole; no two of them belong to the same moment.

use crate::Words;
use crate::sync::Ordering;

/// One column of doubles. Cloning gives another reader.
#[derive(Clone)]
pub struct Columns {
    words: Words,
}

impl Columns {
    /// A column of `rows` NaNs.
    pub fn new(rows: usize) -> Self {
        let column = Self::over(Words::zeroed(rows));
        column.clear();
        column
    }

    /// A column over words that hold it already.
    pub fn over(words: Words) -> Self {
        Self { words }
    }

    /// Sets all values to NaN.
    pub fn clear(&self) {
        for row in 0..self.words.len() {
            self.set(row, f64::NAN);
        }
    }

    /// Sets one value.
    #[inline]
    pub fn set(&self, row: usize, value: f64) {
        self.words.word(row).store(value.to_bits(), Ordering::Relaxed);
    }

    /// Copies the first `into.len()` values.
    pub fn copy(&self, into: &mut [f64]) {
        for (value, word) in into.iter_mut().zip(self.words.all()) {
            *value = f64::from_bits(word.load(Ordering::Relaxed));
        }
    }

    /// The words behind the column, for live views.
    pub fn words(&self) -> &Words {
        &self.words
    }
}
