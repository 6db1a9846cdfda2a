//! What was counted once: system calls and allocations.

use super::metric::number;
use super::table::{Table, label};
use crate::finding::Values;
use crate::results::Results;
use crate::server::SERVERS;

const COUNTED: [&str; 4] = ["fortune", "churn-echo", "http", "echo-64"];
const NOTE: &str =
    "Calls of `malloc` and its kin. What Go and JavaScript allocate by themselves is not among them.\n\n";
/// Rarer system calls are not named.
const WORTH_NAMING: f64 = 0.05;

/// System calls an operation, and which ones.
pub(crate) fn system_calls(results: &Results) -> Option<String> {
    let titles = [
        "server",
        "fortune",
        "churn-echo",
        "http",
        "echo-64",
        "of a fortune",
        "of a churned echo",
        "of a page",
    ];
    let mut table = Table::new(&titles);
    for_each(results, "syscalls", |server, values| {
        let mut cells = vec![label(server)];
        cells.extend(COUNTED.map(|mode| values.get(mode).map_or_else(String::new, number)));
        cells.extend(["fortune.", "churn-echo.", "http."].map(|prefix| names(values, prefix)));
        table.row(&cells);
    });
    (!table.is_empty()).then(|| table.finish())
}

/// Allocations an operation. What a runtime allocates by itself is not among them.
pub(crate) fn allocations(results: &Results) -> Option<String> {
    let mut table = Table::new(&["server", "fortune", "churn-echo", "http", "echo-64"]);
    for_each(results, "allocations", |server, values| {
        let mut cells = vec![label(server)];
        cells.extend(COUNTED.map(|mode| values.get(mode).map_or_else(String::new, number)));
        table.row(&cells);
    });
    (!table.is_empty()).then(|| format!("{NOTE}{}", table.finish()))
}

fn for_each(results: &Results, mode: &str, mut show: impl FnMut(&str, &Values)) {
    for server in &SERVERS {
        if let Some((_, values)) = results.of(mode, server.name).last() {
            show(server.name, values);
        }
    }
}

/// The calls that are made often, the most frequent first.
fn names(values: &Values, prefix: &str) -> String {
    let mut calls: Vec<_> = values.below(prefix).filter(|(_, number)| *number >= WORTH_NAMING).collect();
    calls.sort_by(|one, other| other.1.total_cmp(&one.1));
    calls.iter().map(|(name, number)| format!("{name} {number:.1}")).collect::<Vec<_>>().join(", ")
}
