//! Rule sets: `compile_rules` and the frozen object it returns.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use ringtape::engine::rule::{Rule, RuleError, RuleSet, RuleSource, compile};
use ringtape::model::FieldRef;
use ringtape::model::field::window_text;

/// A compiled set of rules.
#[pyclass(name = "RuleSet", module = "ringtape._native", frozen)]
pub(crate) struct PyRuleSet {
    set: RuleSet,
}

impl PyRuleSet {
    /// The set that an engine takes; copied, since several engines may run the same rules.
    pub(crate) fn to_set(&self) -> RuleSet {
        self.set.clone()
    }

    fn of_each<T>(&self, get: impl Fn(&Rule) -> T) -> Vec<T> {
        self.set.rules().iter().map(get).collect()
    }
}

#[pymethods]
impl PyRuleSet {
    /// Ids, in the order in which signals number the rules.
    #[getter]
    fn ids(&self) -> Vec<String> {
        self.of_each(|rule| rule.id().to_owned())
    }

    /// Titles, in the order of the ids.
    #[getter]
    fn titles(&self) -> Vec<String> {
        self.of_each(|rule| rule.title().to_owned())
    }

    /// `low`, `medium` or `high`, in the order of the ids.
    #[getter]
    fn severities(&self) -> Vec<&'static str> {
        self.of_each(|rule| rule.severity().name())
    }

    /// `trade`, `quote` or `tick`, in the order of the ids.
    #[getter]
    fn moments(&self) -> Vec<&'static str> {
        self.of_each(|rule| rule.moment().name())
    }

    /// Fields to show beside alerts, in the order of the ids.
    #[getter]
    fn show(&self) -> Vec<Vec<String>> {
        self.of_each(|rule| rule.show().iter().map(FieldRef::text).collect())
    }

    /// The fields that the rules read, each once.
    #[getter]
    fn fields(&self) -> Vec<String> {
        self.set.fields().iter().map(FieldRef::text).collect()
    }

    /// The windows that the rules and their shown fields need, shortest first.
    #[getter]
    fn windows(&self) -> Vec<String> {
        self.set.windows().iter().map(|&window| window_text(window)).collect()
    }

    fn __len__(&self) -> usize {
        self.set.rules().len()
    }

    fn __repr__(&self) -> String {
        format!("RuleSet({})", self.ids().join(", "))
    }
}

/// Compiles rules: mappings with `id`, `when` and the options of a rule file's table.
#[pyfunction]
#[pyo3(signature = (rules, /))]
pub(crate) fn compile_rules(py: Python<'_>, rules: Vec<Bound<'_, PyDict>>) -> PyResult<PyRuleSet> {
    let sources = rules.iter().map(source).collect::<PyResult<Vec<RuleSource>>>()?;
    compile(&sources).map(|set| PyRuleSet { set }).or_else(|errors| Err(raised(py, &errors)?))
}

fn source(table: &Bound<'_, PyDict>) -> PyResult<RuleSource> {
    let mut source = RuleSource::new("", "");
    for (key, value) in table {
        match key.extract::<String>()?.as_str() {
            "id" => source.id = value.extract()?,
            "when" => source.when = value.extract()?,
            "title" => source.title = value.extract()?,
            "rearm" => source.rearm = value.extract()?,
            "on" => source.on = value.extract()?,
            "cooldown" => source.cooldown = value.extract()?,
            "severity" => source.severity = value.extract()?,
            "show" => source.show = value.extract()?,
            "fire_from_unknown" => source.fire_from_unknown = value.extract()?,
            other => return Err(PyTypeError::new_err(format!("a rule has no key {other:?}"))),
        }
    }
    Ok(source)
}

/// `ringtape.errors.RuleError` with the text of all mistakes, and the place and remedy of the first.
fn raised(py: Python<'_>, errors: &[RuleError]) -> PyResult<PyErr> {
    let text = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n");
    let first = errors.first();
    let span = first.map_or((0, 0), in_characters);
    let hint = first.map(|error| error.hint.as_str()).filter(|hint| !hint.is_empty());
    let class = py.import("ringtape.errors")?.getattr("RuleError")?;
    Ok(PyErr::from_value(class.call1((text, span, hint))?))
}

/// The span of a mistake as Python counts, in characters.
fn in_characters(error: &RuleError) -> (usize, usize) {
    let count = |end: usize| error.text.get(..end).map_or(0, |before| before.chars().count());
    (count(error.span.0), count(error.span.1))
}
