//! Which servers and trials are missing, and why.

use super::table::Table;
use crate::finding::Finding;
use crate::results::Results;
use std::collections::BTreeMap;

/// Servers that did not start, with the modes that they are left out of.
pub(crate) fn left_out(results: &Results) -> Option<String> {
    let mut modes: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for entry in &results.entries {
        let Finding::Absent(reason) = &entry.finding else { continue };
        if results.of(&entry.mode, &entry.server).next().is_some() {
            continue; // it was there later
        }
        let modes = modes.entry((&entry.server, reason)).or_default();
        if !modes.contains(&entry.mode.as_str()) {
            modes.push(&entry.mode);
        }
    }
    let mut table = Table::new(&["server", "reason", "modes"]);
    for ((server, reason), modes) in modes {
        table.row(&[server, reason, &modes.join(", ")]);
    }
    (!table.is_empty()).then(|| table.finish())
}

/// Trials that failed, counted by reason.
pub(crate) fn failed(results: &Results) -> Option<String> {
    let mut numbers: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for entry in &results.entries {
        if let Finding::Failed(reason) = &entry.finding {
            *numbers.entry((&entry.server, &entry.mode, reason)).or_default() += 1;
        }
    }
    let mut table = Table::new(&["server", "mode", "trials", "reason"]);
    for ((server, mode, reason), number) in numbers {
        table.row(&[server, mode, &number.to_string(), reason]);
    }
    (!table.is_empty()).then(|| table.finish())
}
