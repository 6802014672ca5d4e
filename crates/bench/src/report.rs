//! The report: collected during a run, then printed as a table and written as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::load::Load;
use crate::machine::Machine;
use crate::server::LIFTED;
use crate::stats::Spread;

/// All readings so far.
pub(crate) struct Report {
    machine: Machine,
    command: String,
    rows: Vec<Row>,
    notes: Vec<String>,
    /// Errors.
    faults: Vec<String>,
}

/// One measurement, once in every repeat.
struct Row {
    part: &'static str,
    name: String,
    columns: Vec<(&'static str, Vec<f64>)>,
}

impl Report {
    pub(crate) fn new(machine: Machine) -> Self {
        let command = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
        let mut notes =
            vec![format!("limits lifted by --set, all else as delivered: {}", LIFTED.join(", "))];
        if machine.disk_is_memory() {
            notes.push("the databases lie in memory: what is durable here costs nothing (--dir names another folder)".into());
        }
        if cfg!(debug_assertions) {
            notes.push("the load generator is a debug build: figures say little".into());
        }
        Self { machine, command, rows: Vec::new(), notes, faults: Vec::new() }
    }

    /// Adds the readings of one repeat.
    pub(crate) fn add(&mut self, part: &'static str, name: &str, readings: &[(&'static str, f64)]) {
        let line: Vec<_> =
            readings.iter().map(|(column, value)| format!("{column} {}", number(*value))).collect();
        say(&format!("{part}: {name}: {}", line.join(", ")));
        let known = self.rows.iter().position(|row| row.part == part && row.name == name);
        let at = known.unwrap_or_else(|| {
            self.rows.push(Row { part, name: name.to_owned(), columns: Vec::new() });
            self.rows.len() - 1
        });
        for (column, value) in readings {
            let columns = &mut self.rows[at].columns;
            match columns.iter_mut().find(|(name, _)| name == column) {
                Some((_, values)) => values.push(*value),
                None => columns.push((column, vec![*value])),
            }
        }
    }

    /// Adds the results of a load and more readings. Its rate is compared with the floor of the same repeat.
    pub(crate) fn add_load(
        &mut self,
        part: &'static str,
        name: &str,
        load: &Load,
        floor: Option<f64>,
        more: &[(&'static str, f64)],
    ) {
        let mut readings = vec![("per s", load.per_second())];
        readings.extend(floor.map(|floor| ("x floor", load.per_second() / floor.max(1e-9))));
        readings.extend(load.latency.quantile_ms(0.5).map(|ms| ("p50 ms", ms)));
        readings.extend(load.latency.quantile_ms(0.99).map(|ms| ("p99 ms", ms)));
        readings.push(("max ms", load.latency.longest_ms()));
        readings.push(("CPU us", load.usage.server * 1e6 / (load.answered.max(1) as f64)));
        readings.extend(load.usage.disturbances());
        readings.extend(more);
        self.add(part, name, &readings);
        self.fault_of(part, name, load);
    }

    /// Records failed requests as a fault.
    pub(crate) fn fault_of(&mut self, part: &'static str, name: &str, load: &Load) {
        if let Some(failure) = &load.failure {
            let failure: String = failure.chars().take(300).collect();
            self.fault(format!("{part}: {name}: {} failed, the first with {failure}", load.failed));
        }
    }

    /// Records a fault.
    pub(crate) fn fault(&mut self, what: String) {
        say(&format!("FAULT {what}"));
        self.faults.push(what);
    }

    /// Records a note for the reader.
    pub(crate) fn note(&mut self, what: String) {
        if !self.notes.contains(&what) {
            self.notes.push(what);
        }
    }

    /// The medians of a part: by row, then by column.
    pub(crate) fn medians(&self, part: &str) -> BTreeMap<String, BTreeMap<String, f64>> {
        let rows = self.rows.iter().filter(|row| row.part == part);
        let medians = |row: &Row| {
            let median = |values: &[f64]| Spread::of(values).map(|spread| spread.median);
            let columns = row.columns.iter();
            columns
                .filter_map(|(name, values)| Some(((*name).to_owned(), median(values)?)))
                .collect()
        };
        rows.map(|row| (row.name.clone(), medians(row))).collect()
    }

    pub(crate) fn faults(&self) -> &[String] {
        &self.faults
    }

    /// Markdown tables: for each part its rows with the median and the spread of each reading.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("\nMachine: {}\n", self.machine.text());
        for note in &self.notes {
            let _ = writeln!(text, "Note: {note}");
        }
        let mut parts: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !parts.contains(&row.part) {
                parts.push(row.part);
            }
        }
        for part in parts {
            let rows: Vec<_> = self.rows.iter().filter(|row| row.part == part).collect();
            let mut columns: Vec<&str> = Vec::new();
            for (column, _) in rows.iter().flat_map(|row| &row.columns) {
                if !columns.contains(column) {
                    columns.push(column);
                }
            }
            let _ = writeln!(
                text,
                "\n| {part} | {} |\n|---|{}",
                columns.join(" | "),
                "---|".repeat(columns.len())
            );
            for row in rows {
                let cells: Vec<_> = columns.iter().map(|column| row.cell(column)).collect();
                let _ = writeln!(text, "| {} | {} |", row.name, cells.join(" | "));
            }
        }
        for fault in &self.faults {
            let _ = writeln!(text, "\nFAULT: {fault}");
        }
        text
    }

    /// Writes everything, every reading included.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let rows: Vec<_> = self.rows.iter().map(Row::json).collect();
        let all = json!({
            "machine": self.machine,
            "command": self.command,
            "notes": self.notes,
            "rows": rows,
            "faults": self.faults,
        });
        let text = serde_json::to_string_pretty(&all)?;
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

impl Row {
    fn cell(&self, column: &str) -> String {
        let values =
            self.columns.iter().find(|(name, _)| *name == column).map(|(_, values)| values);
        let Some(spread) = values.and_then(|values| Spread::of(values)) else { return "-".into() };
        let Spread { median, least, most } = spread;
        match number(least) == number(most) {
            true => number(median),
            false => format!("{} [{}-{}]", number(median), number(least), number(most)),
        }
    }

    fn json(&self) -> Value {
        let readings = self.columns.iter().map(|(column, values)| {
            let reading = json!({"spread": Spread::of(values), "values": values});
            ((*column).to_owned(), reading)
        });
        let readings: serde_json::Map<_, _> = readings.collect();
        json!({"part": self.part, "name": self.name, "readings": readings})
    }
}

/// Three significant digits, or thousands.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        100.0.. => {
            let digits = format!("{value:.0}");
            let split = digits.len() - digits.len().min(3);
            match digits.split_at(split) {
                ("" | "-", _) => digits,
                (thousands, rest) if thousands.len() <= 3 => format!("{thousands},{rest}"),
                (most, rest) => {
                    let (millions, thousands) = most.split_at(most.len() - 3);
                    format!("{millions},{thousands},{rest}")
                }
            }
        }
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Prints progress.
#[expect(clippy::print_stderr, reason = "a command that runs for minutes says what it does")]
pub(crate) fn say(what: &str) {
    eprintln!("{what}");
}

/// The result.
#[expect(clippy::print_stdout, reason = "this is the command's output")]
pub(crate) fn print(what: &str) {
    println!("{what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_the_median_and_the_spread_of_its_repeats() {
        let mut report = Report::new(Machine::look(Path::new("/")));
        for (rate, lost) in [(12_345.6, 0.0), (999.4, 0.0), (2_000.0, 0.0)] {
            report.add("part", "row", &[("per s", rate), ("lost", lost)]);
        }
        report.add("another", "row", &[("ms", 1.0)]);
        report.add("part", "other", &[("ms", 0.1234)]);
        let text = report.text();
        assert!(text.contains("| part | per s | lost | ms |"), "{text}");
        assert!(text.contains("| row | 2,000 [999-12,346] | 0 | - |"), "{text}");
        assert!(text.contains("| other | - | - | 0.123 |"), "{text}");
        assert_eq!(text.matches("| part |").count(), 1, "{text}");
    }

    #[test]
    fn numbers_have_the_digits_that_count() {
        let shown = [0.05, 1.234, 56.78, 999.6, 1_234_567.0].map(number);
        assert_eq!(shown, ["0.050", "1.23", "56.8", "1,000", "1,234,567"]);
    }
}
