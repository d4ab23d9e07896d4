//! Results as text, Markdown and JSON.

use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Unit {
    Milliseconds,
    PerSecond,
    Megabytes,
    Kilobytes,
    Bytes,
    Percent,
    Times,
    Seconds,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Value {
    name: &'static str,
    number: f64,
    unit: Unit,
}

impl Value {
    pub(crate) fn new(name: &'static str, number: f64, unit: Unit) -> Self {
        Self { name, number, unit }
    }

    pub(crate) fn milliseconds(name: &'static str, time: Duration) -> Self {
        Self::new(name, time.as_secs_f64() * 1000.0, Unit::Milliseconds)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, number, unit } = self;
        match unit {
            // Rate and ratio stand without a name.
            Unit::PerSecond => write!(formatter, "{number:.0}/s"),
            Unit::Times => write!(formatter, "{number:.1}×"),
            Unit::Milliseconds => write!(formatter, "{name} {number:.2} ms"),
            Unit::Megabytes => write!(formatter, "{name} {number:.1} MB"),
            Unit::Kilobytes => write!(formatter, "{number:.0} kB {name}"),
            Unit::Bytes => write!(formatter, "{number:.0} bytes {name}"),
            Unit::Percent => write!(formatter, "{number:.0} % {name}"),
            Unit::Seconds => write!(formatter, "{name} {number:.1} s"),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
struct Target {
    text: String,
    met: bool,
}

/// Formats a limit without trailing zeros.
fn without_trailing_zeros(limit: f64) -> String {
    format!("{limit:.2}")
        .trim_end_matches('0')
        .trim_end_matches('.')
        .to_owned()
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    what: String,
    values: Vec<Value>,
    targets: Vec<Target>,
    /// Result of the TypeScript original.
    original: Option<&'static str>,
}

impl Row {
    pub(crate) fn new(what: impl Into<String>, values: Vec<Value>) -> Self {
        Self {
            what: what.into(),
            values,
            targets: Vec::new(),
            original: None,
        }
    }

    /// Result of the TypeScript original (docs/benchmarks.md).
    pub(crate) fn original(mut self, measured: &'static str) -> Self {
        self.original = Some(measured);
        self
    }

    /// Target: the value `name` is below `limit`.
    pub(crate) fn below(self, name: &str, limit: f64) -> Self {
        self.target(name, "<", limit, |number| number < limit)
    }

    /// Target: the value `name` is at least `limit`.
    pub(crate) fn at_least(self, name: &str, limit: f64) -> Self {
        self.target(name, "≥", limit, |number| number >= limit)
    }

    fn target(mut self, name: &str, relation: &str, limit: f64, holds: impl Fn(f64) -> bool) -> Self {
        // A missing value misses its target.
        let value = self.values.iter().find(|value| value.name == name);
        let unit = match value.map(|value| value.unit) {
            Some(Unit::Milliseconds) => " ms",
            Some(Unit::PerSecond) => "/s",
            Some(Unit::Megabytes) => " MB",
            Some(Unit::Kilobytes) => " kB",
            Some(Unit::Bytes) => " bytes",
            Some(Unit::Percent) => " %",
            Some(Unit::Times) => "×",
            Some(Unit::Seconds) => " s",
            None => "",
        };
        self.targets.push(Target {
            text: format!("{name} {relation} {}{unit}", without_trailing_zeros(limit)),
            met: value.is_some_and(|value| holds(value.number)),
        });
        self
    }

    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        let value = self.values.iter().find(|value| value.name == name);
        value.map(|value| value.number)
    }

    fn measured(&self) -> String {
        let values: Vec<String> = self.values.iter().map(ToString::to_string).collect();
        values.join(", ")
    }
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    machine: Vec<(&'static str, String)>,
    rows: Vec<Row>,
}

impl Report {
    pub(crate) fn new(machine: Vec<(&'static str, String)>) -> Self {
        for (name, value) in &machine {
            println!("{name}: {value}");
        }
        println!();
        Self {
            machine,
            rows: Vec::new(),
        }
    }

    /// Adds a row and prints it at once, as progress.
    pub(crate) fn add(&mut self, row: Row) {
        println!("{}: {}", row.what, row.measured());
        self.rows.push(row);
    }

    /// The table of `docs/benchmarks.md`.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.machine {
            // Writing to a string cannot fail.
            let _written = writeln!(text, "- {name}: {value}");
        }
        text.push_str("\n| measurement | result | target | | TypeScript original |\n|---|---|---|---|---|\n");
        for row in &self.rows {
            let targets: Vec<&str> = row.targets.iter().map(|target| target.text.as_str()).collect();
            let verdict = match row.targets.as_slice() {
                [] => "",
                targets if targets.iter().all(|target| target.met) => "met",
                _some_were_not => "**missed**",
            };
            let (what, measured, targets) = (&row.what, row.measured(), targets.join(", "));
            let original = row.original.unwrap_or_default();
            let _written = writeln!(
                text,
                "| {what} | {measured} | {targets} | {verdict} | {original} |"
            );
        }
        text
    }
}

/// For example `20 k` or `1 M`.
pub(crate) fn rounded(number: u32) -> String {
    match number {
        1_000_000.. if number.is_multiple_of(1_000_000) => format!("{} M", number / 1_000_000),
        1000.. if number.is_multiple_of(1000) => format!("{} k", number / 1000),
        _ => number.to_string(),
    }
}
