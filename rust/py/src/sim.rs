//! The pretend market as Python sees it; clock and sockets are the caller's.

use std::sync::{Mutex, MutexGuard, TryLockError};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt, PyList};
use ringtape::sim::{Change, Config, Kind, Market, Route, SubscriberId};

use crate::errors;

/// A seeded pretend market: time goes in, frames of a venue's protocol come out.
#[pyclass(frozen, module = "ringtape._native")]
pub(crate) struct Simulator {
    market: Mutex<Market>,
    kind: Kind,
}

#[pymethods]
impl Simulator {
    #[new]
    #[pyo3(signature = (*, seed, symbols, rate, kind, start_ns))]
    fn new(
        py: Python<'_>,
        seed: &Bound<'_, PyInt>,
        symbols: &Bound<'_, PyInt>,
        rate: &Bound<'_, PyInt>,
        kind: &str,
        start_ns: &Bound<'_, PyInt>,
    ) -> PyResult<Self> {
        let kind = match kind {
            "stocks" => Kind::Stocks,
            "crypto" => Kind::Crypto,
            _ => return Err(refuse(py, "kind", &format!("kind is {kind:?}: write \"stocks\" or \"crypto\""))),
        };
        let seed = seed.extract().map_err(|_| refuse(py, "seed", "seed must be 0 to 2**64 - 1"))?;
        // A number that does not fit becomes 0, which the market refuses like any other out of range.
        let config = Config {
            seed,
            symbols: symbols.extract().unwrap_or(0),
            rate: rate.extract().unwrap_or(0),
            kind,
            start_ns: start_ns.extract().unwrap_or(0),
        };
        let market = Market::new(&config).map_err(|error| refuse(py, error.key(), &error.to_string()))?;
        Ok(Self { market: Mutex::new(market), kind })
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let market = self.own(py)?;
        let kind = if self.kind == Kind::Stocks { "stocks" } else { "crypto" };
        Ok(format!("Simulator({kind}, {} symbols, {} events)", market.symbols().len(), market.events()))
    }

    fn advance(&self, py: Python<'_>, to_ns: i64) -> PyResult<()> {
        let mut market = self.own(py)?;
        let market = &mut *market;
        py.detach(|| market.advance(to_ns));
        Ok(())
    }

    fn rest(&self, py: Python<'_>, to_ns: i64) -> PyResult<()> {
        let mut market = self.own(py)?;
        let market = &mut *market;
        py.detach(|| market.rest(to_ns));
        Ok(())
    }

    fn set_rate(&self, py: Python<'_>, rate: &Bound<'_, PyInt>) -> PyResult<()> {
        // A number that does not fit becomes 0, which the market refuses like any other out of range.
        let changed = self.own(py)?.set_rate(rate.extract().unwrap_or(0));
        changed.map_err(|error| refuse(py, error.key(), &error.to_string()))
    }

    #[getter]
    fn now(&self, py: Python<'_>) -> PyResult<i64> {
        Ok(self.own(py)?.now())
    }

    #[getter]
    fn events(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.own(py)?.events())
    }

    fn symbols(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.own(py)?.symbols().to_vec())
    }

    fn prev_closes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let market = self.own(py)?;
        let closes = PyDict::new(py);
        for (symbol, price) in market.symbols().iter().zip(market.previous_closes()) {
            closes.set_item(symbol, price)?;
        }
        Ok(closes)
    }

    #[pyo3(signature = (route="all"))]
    fn open(&self, py: Python<'_>, route: &str) -> PyResult<u32> {
        let route = match route {
            "all" => Route::All,
            "public" => Route::Public,
            "market" => Route::Market,
            _ => {
                let why = format!("route is {route:?}: write \"all\", \"public\" or \"market\"");
                return Err(refuse(py, "route", &why));
            }
        };
        let opened = self.own(py)?.open(route);
        opened
            .map(SubscriberId::number)
            .ok_or_else(|| refuse(py, "", "the market has as many subscribers as it may have; close one first"))
    }

    fn close(&self, py: Python<'_>, handle: u32) -> PyResult<bool> {
        Ok(self.own(py)?.close(SubscriberId::from_number(handle)))
    }

    fn subscribe(&self, py: Python<'_>, handle: u32, name: &str) -> PyResult<Option<&'static str>> {
        Ok(self.own(py)?.subscribe(SubscriberId::from_number(handle), name).map(word))
    }

    fn unsubscribe(&self, py: Python<'_>, handle: u32, name: &str) -> PyResult<Option<&'static str>> {
        Ok(self.own(py)?.unsubscribe(SubscriberId::from_number(handle), name).map(word))
    }

    fn subscriptions(&self, py: Python<'_>, handle: u32) -> PyResult<Option<Vec<String>>> {
        let market = self.own(py)?;
        Ok(market.subscriptions(SubscriberId::from_number(handle)).map(|names| names.map(str::to_owned).collect()))
    }

    fn set_combined(&self, py: Python<'_>, handle: u32, combined: bool) -> PyResult<bool> {
        Ok(self.own(py)?.set_combined(SubscriberId::from_number(handle), combined))
    }

    fn lost(&self, py: Python<'_>, handle: u32) -> PyResult<Option<u64>> {
        Ok(self.own(py)?.lost(SubscriberId::from_number(handle)))
    }

    #[pyo3(signature = (handle, max_events=100))]
    fn frames<'py>(&self, py: Python<'py>, handle: u32, max_events: usize) -> PyResult<Bound<'py, PyList>> {
        let mut frames = Vec::new();
        self.own(py)?.frames(SubscriberId::from_number(handle), max_events, |frame| {
            frames.push(PyBytes::new(py, frame));
        });
        PyList::new(py, frames)
    }
}

impl Simulator {
    fn own(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, Market>> {
        match self.market.try_lock() {
            Ok(market) => Ok(market),
            // A panic inside the market is our bug; what it holds is still well formed.
            Err(TryLockError::Poisoned(market)) => Ok(market.into_inner()),
            Err(TryLockError::WouldBlock) => {
                Err(errors::raise(py, "EngineBusy", ("the simulator is busy: one call at a time",)))
            }
        }
    }
}

fn refuse(py: Python<'_>, key: &str, why: &str) -> PyErr {
    errors::raise(py, "ConfigError", (why, key))
}

fn word(change: Change) -> &'static str {
    match change {
        Change::Done => "done",
        Change::Unchanged => "unchanged",
        Change::UnknownChannel => "unknown_channel",
        Change::Full => "full",
    }
}
