//! A table: a few fields of every symbol, copied row by row.

use std::sync::Arc;

use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyList};
use ringtape::model::Unit;

use crate::arrow;
use crate::memory::Memory;
use crate::records::{numpy, plain};

/// One column: its name and whether it holds integers (times).
pub(crate) struct TableColumn {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) values: Arc<Vec<u64>>,
}

/// A copy of some fields of every symbol. Each row is whole; the table is not one instant.
#[pyclass(frozen, module = "ringtape._native")]
pub(crate) struct Table {
    pub(crate) symbols: Vec<String>,
    pub(crate) venues: Vec<&'static str>,
    pub(crate) columns: Vec<TableColumn>,
    pub(crate) sequence: (u64, u64),
}

impl TableColumn {
    fn dtype(&self) -> &'static str {
        if self.unit == Unit::Time { "<i8" } else { "<f8" }
    }

    fn array<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        plain(py, self.dtype(), Memory::owned(Arc::clone(&self.values), 0, self.values.len()))
    }
}

#[pymethods]
impl Table {
    /// Number of symbols.
    fn __len__(&self) -> usize {
        self.symbols.len()
    }

    fn __repr__(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        format!("Table({} symbols: {})", self.symbols.len(), names.join(", "))
    }

    fn __contains__(&self, name: &str) -> bool {
        matches!(name, "symbol" | "venue") || self.columns.iter().any(|column| column.name == name)
    }

    /// The column of that name as a read-only array: ``float64`` with NaN where undefined, ``int64`` Unix ns for
    /// times; ``symbol`` and ``venue`` as strings.
    fn __getitem__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        match name {
            "symbol" => return strings(py, &self.symbols),
            "venue" => return strings(py, &self.venues),
            _ => {}
        }
        let column = self.columns.iter().find(|column| column.name == name);
        column.ok_or_else(|| PyKeyError::new_err(name.to_owned()))?.array(py)
    }

    /// Names of the columns, symbol and venue first.
    #[getter]
    fn names(&self) -> Vec<&str> {
        let mut names = vec!["symbol", "venue"];
        names.extend(self.columns.iter().map(|column| column.name.as_str()));
        names
    }

    /// Least and greatest row sequence that the table was copied at.
    #[getter]
    fn sequence(&self) -> (u64, u64) {
        self.sequence
    }

    /// The table as one structured array.
    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if copy == Some(false) {
            return Err(pyo3::exceptions::PyValueError::new_err("a table becomes a structured array only by a copy"));
        }
        let symbol = strings(py, &self.symbols)?;
        let venue = strings(py, &self.venues)?;
        let columns = PyList::new(
            py,
            [("symbol", symbol.getattr("dtype")?.getattr("str")?), ("venue", venue.getattr("dtype")?.getattr("str")?)],
        )?;
        for column in &self.columns {
            columns.append((&column.name, column.dtype()))?;
        }
        let out = numpy(py)?.getattr("empty")?.call1((self.symbols.len(), columns))?;
        out.set_item("symbol", symbol)?;
        out.set_item("venue", venue)?;
        for column in &self.columns {
            out.set_item(&column.name, column.array(py)?)?;
        }
        match dtype {
            Some(dtype) => out.call_method1("astype", (dtype,)),
            None => Ok(out),
        }
    }

    /// The schema of [`Table::__arrow_c_stream__`] as an Arrow capsule.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        arrow::schema_capsule(py, self)
    }

    /// The table as an Arrow stream of one batch, a copy. There is one representation: a requested schema is a wish that
    /// the interface lets a producer pass over.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        drop(requested_schema);
        arrow::stream_capsule(py, self)
    }
}

fn strings<'py, S: AsRef<str>>(py: Python<'py>, values: &[S]) -> PyResult<Bound<'py, PyAny>> {
    let list = PyList::new(py, values.iter().map(AsRef::as_ref))?;
    numpy(py)?.getattr("array")?.call1((list, "U"))
}
