//! Reading what an engine published, of this process or another one, as Python sees it.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString, PyTuple};
use ringtape::engine::{BarSpec, Reader, Seen, Source};
use ringtape::model::field::{self, Args, CATALOGUE, parse_window};
use ringtape::model::units::{Nanos, TIME_UNSET};
use ringtape::model::{Bar, FieldRef, SymbolId, Unit, Venue, nearest};
use ringtape::ring::Columns;

use crate::errors;
use crate::memory::Memory;
use crate::names::{Asked, Names};
use crate::records::{self, float};
use crate::table::{Table, TableColumn};

/// Why a name is no symbol.
enum Missing {
    /// The nearest ones.
    Unknown(Vec<String>),
    /// The same name on several venues.
    Ambiguous(Vec<String>),
}

/// Whose bars are asked for.
#[derive(Clone, Copy)]
pub(crate) struct BarsOf {
    pub(crate) id: SymbolId,
    venue: Venue,
    pub(crate) series: usize,
}

/// The read methods that every view of an engine has.
pub(crate) struct Reads {
    pub(crate) reader: Reader,
    names: Names,
}

impl std::fmt::Display for Reads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} symbols, bars {}", self.reader.registry().symbols.len(), self.series().join(" "))
    }
}

impl Reads {
    pub(crate) fn new(reader: Reader) -> Self {
        Self { reader, names: Names::new() }
    }

    pub(crate) fn symbols(&self) -> Vec<(u32, &'static str, String)> {
        let registry = self.reader.registry();
        registry.symbols.iter().map(|(id, venue, name)| (id.0, venue.name(), name.to_owned())).collect()
    }

    /// The series of bars, by the number that records carry.
    pub(crate) fn series(&self) -> Vec<String> {
        self.reader.series().iter().map(|series| series.spec.to_string()).collect()
    }

    pub(crate) fn symbol_name(&self, py: Python<'_>, id: u32) -> PyResult<String> {
        let name = {
            let registry = self.reader.registry();
            ((id as usize) < registry.symbols.len()).then(|| registry.symbols.name(SymbolId(id)).to_owned())
        };
        name.ok_or_else(|| errors::raise(py, "UnknownSymbol", (format!("#{id}"),)))
    }

    /// Where a field is published, if it is.
    pub(crate) fn source(&self, field: FieldRef) -> Option<Source> {
        self.reader.registry().source(field)
    }

    /// A symbol by its name object.
    #[inline]
    pub(crate) fn named(&self, name: &Bound<'_, PyString>) -> PyResult<(SymbolId, Venue)> {
        let count = self.reader.symbol_count();
        if let Some(known) = self.names.symbol(name, count) {
            return Ok(known);
        }
        let found = self.symbol(name.py(), name.to_str()?)?;
        self.names.keep_symbol(name, count, found);
        Ok(found)
    }

    /// One field or several of a symbol, of one moment, if the object that names them was met before.
    #[inline]
    pub(crate) fn again<'py>(
        &self,
        known: (SymbolId, Venue),
        names: &Bound<'py, PyAny>,
    ) -> Option<PyResult<Bound<'py, PyAny>>> {
        self.names.fields(names).map(|asked| self.values(names.py(), known, &asked))
    }

    /// The same for the first time; `source` gives where a field is published.
    #[cold]
    pub(crate) fn get<'py>(
        &self,
        known: (SymbolId, Venue),
        names: &Bound<'py, PyAny>,
        source: impl Fn(FieldRef) -> PyResult<Source>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let asked = self.asked(names, source)?;
        self.values(names.py(), known, &asked)
    }

    #[inline]
    fn values<'py>(
        &self,
        py: Python<'py>,
        (id, venue): (SymbolId, Venue),
        asked: &Asked,
    ) -> PyResult<Bound<'py, PyAny>> {
        let found = self.reader.look(id, venue, asked.end, |seen| {
            let value = |&(field, source): &(FieldRef, Source)| shown(py, field, source, seen);
            match &asked.fields[..] {
                [one] if asked.is_one => value(one),
                fields => {
                    let values = fields.iter().map(value).collect::<PyResult<Vec<_>>>()?;
                    Ok(PyTuple::new(py, values)?.into_any())
                }
            }
        });
        found.unwrap_or_else(|| Ok(py.None().into_bound(py)))
    }

    /// Reads names of fields.
    fn asked(&self, names: &Bound<'_, PyAny>, source: impl Fn(FieldRef) -> PyResult<Source>) -> PyResult<Arc<Asked>> {
        let one = names.cast::<PyString>().ok();
        let texts: Vec<String> = match one {
            Some(name) => vec![name.to_str()?.to_owned()],
            None => names.extract()?,
        };
        let field = |text: &String| {
            let field = errors::field(names.py(), text)?;
            Ok((field, source(field)?))
        };
        let fields = texts.iter().map(field).collect::<PyResult<Vec<_>>>()?;
        let end = fields.iter().map(|&(_, source)| self.reader.end(source)).max().unwrap_or_default();
        let asked = Arc::new(Asked { fields, end, is_one: one.is_some() });
        // A list may change and stay the same object.
        if one.is_some() || names.is_exact_instance_of::<PyTuple>() {
            self.names.keep_fields(names, Arc::clone(&asked));
        }
        Ok(asked)
    }

    /// Every field, windowed ones for each registered window, derived ones where they were asked for; all of one moment.
    pub(crate) fn row<'py>(&self, py: Python<'py>, symbol: &str) -> PyResult<Bound<'py, PyDict>> {
        let (id, venue) = self.symbol(py, symbol)?;
        let fields = self.published();
        let end = fields.iter().map(|&(_, source)| self.reader.end(source)).max().unwrap_or_default();
        let out = PyDict::new(py);
        let copied = self.reader.look(id, venue, end, |seen| {
            let item =
                |&(field, source): &(FieldRef, Source)| out.set_item(field.text(), shown(py, field, source, seen)?);
            fields.iter().try_for_each(item)
        });
        copied.transpose()?;
        Ok(out)
    }

    /// Every field that is published, in the order of the catalogue, derived ones last.
    fn published(&self) -> Vec<(FieldRef, Source)> {
        let registry = self.reader.registry();
        let mut fields = Vec::new();
        for info in CATALOGUE.iter().filter(|info| !info.field.is_derived()) {
            if info.args == Args::Window {
                let windows = registry.windows.iter().enumerate();
                fields
                    .extend(windows.map(|(slot, &length)| (FieldRef::over(info.field, length), Source::Window(slot))));
            } else {
                fields.push((FieldRef::plain(info.field), Source::Row));
            }
        }
        let derived = registry.derived.iter().enumerate();
        fields.extend(derived.map(|(place, &field)| (field, Source::Derived(place))));
        fields
    }

    /// Some fields of every symbol; `source` gives where a field is published.
    pub(crate) fn table(
        &self,
        py: Python<'_>,
        fields: Vec<String>,
        source: impl Fn(FieldRef) -> PyResult<Source>,
    ) -> PyResult<Table> {
        let parsed: Vec<FieldRef> = fields.iter().map(|text| errors::field(py, text)).collect::<PyResult<_>>()?;
        let sources = parsed.iter().map(|&field| Ok((field, source(field)?))).collect::<PyResult<Vec<_>>>()?;
        let (symbols, markets): (Vec<String>, Vec<Venue>) = {
            let registry = self.reader.registry();
            registry.symbols.iter().map(|(_, venue, name)| (name.to_owned(), venue)).unzip()
        };
        let mut columns: Vec<Vec<u64>> = vec![vec![0; symbols.len()]; parsed.len()];
        let sequence = self.reader.table(&markets, &sources, |row, column, value, snapshot| {
            let field = parsed[column].field;
            columns[column][row] = if field.info().unit == Unit::Time {
                field::time_value(field, snapshot) as u64
            } else {
                value.to_bits()
            };
        });
        let columns = fields.into_iter().zip(columns).zip(&parsed).map(|((name, values), field)| TableColumn {
            name,
            unit: field.field.info().unit,
            values: Arc::new(values),
        });
        Ok(Table {
            columns: columns.collect(),
            venues: markets.into_iter().map(Venue::name).collect(),
            symbols,
            sequence,
        })
    }

    /// The live column of a field, if there is one.
    pub(crate) fn column(&self, field: FieldRef) -> Option<Columns> {
        let registry = self.reader.registry();
        registry.columns.iter().find(|(known, _)| *known == field).map(|(_, column)| column.clone())
    }

    /// The live column of a field over all symbols, if an array of it was made before.
    #[inline]
    pub(crate) fn view<'py>(&self, name: &Bound<'py, PyString>) -> Option<Bound<'py, PyAny>> {
        self.names.view(name, self.reader.symbol_count())
    }

    /// The values of all symbols, copied or live.
    pub(crate) fn column_array<'py>(
        &self,
        name: &Bound<'py, PyString>,
        column: &Columns,
        copy: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, count) = (name.py(), self.reader.registry().symbols.len());
        if !copy {
            let view = records::plain(py, "<f8", Memory::live(column.words().clone(), 0, count))?;
            self.names.keep_view(name, count, &view);
            return Ok(view);
        }
        let mut values = vec![0.0; count];
        column.copy(&mut values);
        records::plain(py, "<f8", Memory::owned(Arc::new(bytemuck::cast_vec(values)), 0, count))
    }

    /// Whose bars are asked for, and whether our own.
    pub(crate) fn bars_of(
        &self,
        py: Python<'_>,
        symbol: &str,
        interval: &str,
        source: &str,
    ) -> PyResult<(BarsOf, bool)> {
        let (id, venue) = self.symbol(py, symbol)?;
        let (series, timed) = self.series_of(py, interval)?;
        let own = match source {
            "own" => true,
            "venue" => false,
            _ => {
                let why = format!("bars have no source {source:?}: write \"own\" or \"venue\"");
                return Err(errors::raise(py, "ConfigError", (why, "source")));
            }
        };
        if !own && !timed {
            let why = format!("venues send time bars only, not {interval}: leave out source");
            return Err(errors::raise(py, "ConfigError", (why, "source")));
        }
        Ok((BarsOf { id, venue, series }, own))
    }

    /// The newest bars that have ended, oldest first.
    pub(crate) fn bars(&self, BarsOf { id, venue, series }: BarsOf, own: bool, most: usize) -> Vec<Bar> {
        let bars =
            if own { self.reader.bars(id, venue, series, most) } else { self.reader.venue_bars(id, series, most) };
        bars.unwrap_or_default()
    }

    /// A symbol by `NAME` or `venue:NAME`.
    pub(crate) fn symbol(&self, py: Python<'_>, text: &str) -> PyResult<(SymbolId, Venue)> {
        self.find(text).map_err(|missing| match missing {
            Missing::Unknown(near) => errors::raise(py, "UnknownSymbol", (text, near)),
            Missing::Ambiguous(names) => errors::raise(py, "AmbiguousSymbol", (text, names)),
        })
    }

    /// Looks a symbol up. No Python runs here: a reader that let go of the interpreter while it held the registry
    /// would wait for a feed that waits for it.
    fn find(&self, text: &str) -> Result<(SymbolId, Venue), Missing> {
        let registry = self.reader.registry();
        let symbols = &registry.symbols;
        let on = |venue: Venue, name: &str| symbols.lookup(venue, name.as_bytes()).map(|id| (id, venue));
        let found: Vec<(SymbolId, Venue)> = Venue::ALL.into_iter().filter_map(|venue| on(venue, text)).collect();
        match found[..] {
            [one] => Ok(one),
            [] => {
                let qualified = text.split_once(':').and_then(|(venue, name)| on(Venue::from_name(venue)?, name));
                let near = || nearest(text, symbols.iter().map(|(_, _, name)| name), 3);
                qualified.ok_or_else(|| Missing::Unknown(near().into_iter().map(str::to_owned).collect()))
            }
            _ => {
                let names = found.iter().map(|(_, venue)| format!("{}:{text}", venue.name()));
                Err(Missing::Ambiguous(names.collect()))
            }
        }
    }

    /// Place of a series, and whether it has time bars.
    fn series_of(&self, py: Python<'_>, text: &str) -> PyResult<(usize, bool)> {
        let wanted = bar_spec(py, text)?;
        let place = self.reader.series().iter().position(|series| series.spec == wanted).ok_or_else(|| {
            let have = self.series().join(", ");
            let why = format!("no bars of {text}: this engine keeps {have}; see Engine(bars=...)");
            errors::raise(py, "ConfigError", (why, "interval"))
        })?;
        Ok((place, wanted.interval() > 0))
    }
}

/// A series of bars such as `5m` or `tick:1000`.
pub(crate) fn bar_spec(py: Python<'_>, text: &str) -> PyResult<BarSpec> {
    BarSpec::parse(text).map_err(|error| errors::raise(py, "ConfigError", (error.to_string(), "bars")))
}

/// A window such as `5m`.
pub(crate) fn length(py: Python<'_>, text: &str) -> PyResult<Nanos> {
    parse_window(text).map_err(|error| {
        let why = match error {
            field::FieldError::BadWindow(why) => why,
            _ => "write a duration such as 30s, 5m or 1h",
        };
        errors::raise(py, "ConfigError", (format!("duration {text:?}: {why}"),))
    })
}

/// What a look at a row gives for a field, `None` where it is undefined.
#[inline]
fn shown<'py>(py: Python<'py>, field: FieldRef, source: Source, seen: &Seen<'_>) -> PyResult<Bound<'py, PyAny>> {
    let value = if field.field.info().unit == Unit::Time {
        let time = field::time_value(field.field, &seen.row);
        (time != TIME_UNSET).then(|| time.into_pyobject(py)).transpose()?.map(Bound::into_any)
    } else {
        to_python(py, field, seen.value(field, source))?
    };
    Ok(value.unwrap_or_else(|| py.None().into_bound(py)))
}

/// A value as Python shows it: `None` where undefined, whole numbers for counts and codes.
pub(crate) fn to_python(py: Python<'_>, field: FieldRef, value: f64) -> PyResult<Option<Bound<'_, PyAny>>> {
    let Some(value) = float(value) else { return Ok(None) };
    Ok(Some(match field.field.info().unit {
        Unit::Count | Unit::Code => (value as i64).into_pyobject(py)?.into_any(),
        Unit::Bool => PyBool::new(py, value != 0.0).to_owned().into_any(),
        _ => value.into_pyobject(py)?.into_any(),
    }))
}
