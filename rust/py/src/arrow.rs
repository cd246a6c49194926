//! Tables for other libraries: one record batch behind the Arrow `PyCapsule` interface.
//!
//! SOURCE: Arrow, "The Arrow `PyCapsule` Interface" and "The Arrow C stream interface". The capsule owns its structure and
//! releases it unless a consumer moved it out, so that a second consumer finds a released one and says so.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, RecordBatch, RecordBatchIterator, StringArray, TimestampNanosecondArray,
};
use arrow_schema::ffi::FFI_ArrowSchema;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use ringtape::model::Unit;
use ringtape::model::units::TIME_UNSET;

use crate::records::float;
use crate::table::{Table, TableColumn};

const UTC: &str = "UTC";

/// A table's schema in a capsule.
pub(crate) fn schema_capsule<'py>(py: Python<'py>, table: &Table) -> PyResult<Bound<'py, PyCapsule>> {
    let schema = FFI_ArrowSchema::try_from(schema(table).as_ref()).map_err(failed)?;
    PyCapsule::new_with_value(py, schema, c"arrow_schema")
}

/// A stream of one batch, a copy of the table, in a capsule.
pub(crate) fn stream_capsule<'py>(py: Python<'py>, table: &Table) -> PyResult<Bound<'py, PyCapsule>> {
    let batch = py.detach(|| batch(table)).map_err(failed)?;
    let schema = batch.schema();
    let stream = FFI_ArrowArrayStream::new(Box::new(RecordBatchIterator::new([Ok(batch)], schema)));
    PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
}

fn failed(error: ArrowError) -> PyErr {
    PyValueError::new_err(format!("the table could not be exported: {error}"))
}

/// Symbols differ from row to row and are plain strings; venues are few and are a dictionary.
fn schema(table: &Table) -> SchemaRef {
    let mut fields = vec![
        Field::new("symbol", DataType::Utf8, false),
        Field::new_dictionary("venue", DataType::Int32, DataType::Utf8, false),
    ];
    fields.extend(table.columns.iter().map(|column| Field::new(&column.name, data_type(column), true)));
    let (least, greatest) = table.sequence;
    let metadata = [("sequence_least", least), ("sequence_greatest", greatest)];
    let metadata: HashMap<_, _> = metadata.map(|(name, value)| (name.to_owned(), value.to_string())).into();
    Arc::new(Schema::new_with_metadata(fields, metadata))
}

fn data_type(column: &TableColumn) -> DataType {
    match column.unit {
        Unit::Time => DataType::Timestamp(TimeUnit::Nanosecond, Some(UTC.into())),
        _ => DataType::Float64,
    }
}

fn batch(table: &Table) -> Result<RecordBatch, ArrowError> {
    let venues: DictionaryArray<Int32Type> = table.venues.iter().copied().collect();
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(StringArray::from_iter_values(&table.symbols)), Arc::new(venues)];
    arrays.extend(table.columns.iter().map(array));
    RecordBatch::try_new(schema(table), arrays)
}

/// A column with a null wherever the value is undefined.
fn array(column: &TableColumn) -> ArrayRef {
    let words = column.values.iter();
    if column.unit == Unit::Time {
        let times = words.map(|&word| Some(word as i64).filter(|&time| time != TIME_UNSET));
        Arc::new(times.collect::<TimestampNanosecondArray>().with_timezone(UTC))
    } else {
        Arc::new(words.map(|&word| float(f64::from_bits(word))).collect::<Float64Array>())
    }
}
