//! The binding: the only room that names Python. The module as a list.

#![allow(clippy::needless_pass_by_value, reason = "arguments are extracted by value")]
#![allow(clippy::too_many_arguments, reason = "keyword arguments of the Python signatures")]
#![allow(unsafe_code, reason = "buffers are handed to and taken from the interpreter; each block says why it is sound")]

mod arrow;
mod batch;
mod decode;
mod engine;
mod errors;
mod fill;
#[cfg(feature = "listener")]
mod listener;
mod memory;
mod names;
mod reads;
mod records;
mod reference;
mod rule;
mod sessions;
mod shared;
mod sim;
mod table;
mod view;

use pyo3::prelude::*;

/// The native core of ringtape. Use it through the package `ringtape`.
#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use super::batch::{Batch, Control, Notice};
    #[pymodule_export]
    use super::decode::decode;
    #[pymodule_export]
    use super::engine::Engine;
    #[pymodule_export]
    use super::fill::{Filled, IdGap, VolumeGap};
    #[pymodule_export]
    use super::memory::Memory;
    #[pymodule_export]
    use super::records::{fields, record_columns, simd_level, venues};
    #[pymodule_export]
    use super::rule::{PyRuleSet, compile_rules};
    #[pymodule_export]
    use super::sim::Simulator;
    #[pymodule_export]
    use super::table::Table;
    #[pymodule_export]
    use super::view::View;

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("debug_build", cfg!(debug_assertions))
    }
}
