//! Reference data from Python: mappings and rows to numbers, days and profiles.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyMapping;
use ringtape::engine::{DayBar, ReferenceColumn, ReferenceData};
use ringtape::model::nearest;

use crate::errors;

/// Columns that are no single numbers.
const SERIES: [&str; 3] = ["days", "volume_profile", "trade_profile"];

/// Reads a table: a mapping from symbols to previous closes or to columns, or rows with a column `symbol`.
pub(crate) fn read(py: Python<'_>, table: &Bound<'_, PyAny>) -> PyResult<Vec<(String, ReferenceData)>> {
    if let Ok(mapping) = table.cast::<PyMapping>() {
        let items = mapping.items()?;
        return items.iter().map(|item| of_symbol(py, item.extract()?)).collect();
    }
    let row = |row: PyResult<Bound<'_, PyAny>>| {
        let row = row?;
        let symbol: String = row.get_item("symbol")?.extract()?;
        of_symbol(py, (symbol, row))
    };
    table.try_iter()?.map(row).collect()
}

fn of_symbol(py: Python<'_>, (symbol, value): (String, Bound<'_, PyAny>)) -> PyResult<(String, ReferenceData)> {
    let mut data = ReferenceData::default();
    if let Ok(price) = value.extract::<f64>() {
        number(py, &symbol, ReferenceColumn::PrevClose, price, &mut data)?;
        return Ok((symbol, data));
    }
    let columns = value.cast::<PyMapping>().map_err(|_| {
        PyTypeError::new_err(format!("reference of {symbol:?}: write a previous close, or a mapping of columns"))
    })?;
    for item in columns.items()?.iter() {
        let (name, value): (String, Bound<'_, PyAny>) = item.extract()?;
        if name != "symbol" && !value.is_none() {
            column(py, &symbol, &name, &value, &mut data)?;
        }
    }
    Ok((symbol, data))
}

fn column(
    py: Python<'_>,
    symbol: &str,
    name: &str,
    value: &Bound<'_, PyAny>,
    data: &mut ReferenceData,
) -> PyResult<()> {
    match name {
        "days" => data.days = Some(value.try_iter()?.map(|day| self::day(py, symbol, &day?)).collect::<PyResult<_>>()?),
        "volume_profile" => data.volume_profile = Some(profile(py, symbol, name, value)?),
        "trade_profile" => data.trade_profile = Some(profile(py, symbol, name, value)?),
        _ => {
            let Some(column) = ReferenceColumn::ALL.into_iter().find(|column| column.name() == name) else {
                return Err(unknown(py, symbol, name));
            };
            let value: f64 = value
                .extract()
                .map_err(|_| PyTypeError::new_err(format!("reference of {symbol:?}: {name} needs a number")))?;
            number(py, symbol, column, value, data)?;
        }
    }
    Ok(())
}

fn unknown(py: Python<'_>, symbol: &str, name: &str) -> PyErr {
    let names = ReferenceColumn::ALL.map(ReferenceColumn::name);
    let near = nearest(name, names.into_iter().chain(SERIES), 1);
    let hint =
        near.first().map_or_else(|| format!("known are {}", names.join(", ")), |near| format!("did you mean {near}?"));
    refuse(py, symbol, &format!("unknown column {name:?}; {hint}"))
}

fn refuse(py: Python<'_>, symbol: &str, why: &str) -> PyErr {
    errors::raise(py, "ConfigError", (format!("reference of {symbol:?}: {why}"), symbol))
}

/// A number; NaN is as good as none.
fn number(py: Python<'_>, symbol: &str, column: ReferenceColumn, value: f64, data: &mut ReferenceData) -> PyResult<()> {
    if column == ReferenceColumn::PrevClose && !(value.is_finite() && value > 0.0) {
        return Err(refuse(py, symbol, &format!("prev_close {value} is no price")));
    }
    if value.is_nan() {
        return Ok(());
    }
    if !value.is_finite() || value < 0.0 {
        return Err(refuse(py, symbol, &format!("{} {value} is out of range", column.name())));
    }
    data.numbers.push((column, value));
    Ok(())
}

/// A day as (open, high, low, close, volume), with a truth behind it for a half day, or as a mapping of these.
fn day(py: Python<'_>, symbol: &str, value: &Bound<'_, PyAny>) -> PyResult<DayBar> {
    let of = |at: usize, name: &str| -> PyResult<f64> {
        if value.cast::<PyMapping>().is_ok() { value.get_item(name)?.extract() } else { value.get_item(at)?.extract() }
    };
    let half = match value.cast::<PyMapping>() {
        Ok(mapping) => mapping.get_item("half").and_then(|half| half.is_truthy()).unwrap_or(false),
        Err(_) => value.get_item(5).and_then(|half| half.is_truthy()).unwrap_or(false),
    };
    let bar = DayBar {
        open: of(0, "open")?,
        high: of(1, "high")?,
        low: of(2, "low")?,
        close: of(3, "close")?,
        volume: of(4, "volume")?,
        half,
    };
    let prices = [bar.open, bar.high, bar.low, bar.close];
    let sound = prices.iter().all(|price| price.is_finite() && *price > 0.0) && bar.high >= bar.low;
    if sound && bar.volume.is_finite() && bar.volume >= 0.0 {
        return Ok(bar);
    }
    Err(refuse(py, symbol, &format!("a day of {prices:?} and volume {} is no bar", bar.volume)))
}

/// Days of running sums, a number a minute.
fn profile(py: Python<'_>, symbol: &str, name: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<Vec<f64>>> {
    const MINUTES: usize = 1_440;
    let days: Vec<Vec<f64>> =
        value.try_iter()?.map(|day| day?.try_iter()?.map(|sum| sum?.extract()).collect()).collect::<PyResult<_>>()?;
    let sound = |day: &Vec<f64>| {
        day.len() <= MINUTES && day.iter().all(|sum| sum.is_finite() && *sum >= 0.0) && day.is_sorted()
    };
    if days.iter().all(sound) {
        return Ok(days);
    }
    Err(refuse(py, symbol, &format!("a day of {name} is a sum that never falls, at most {MINUTES} minutes of it")))
}
