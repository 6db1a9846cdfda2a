//! The table that is printed.

use crate::trial::Findings;
use std::time::Duration;

const COLUMNS: usize = 9;

const HEADINGS: [&str; COLUMNS] = [
    "server",
    "served at once",
    "CPU while starved",
    "log lines in 3 s starved",
    "accept4/s under strace",
    "release to service, median / max (ms)",
    "releases missed",
    "clients lost",
    "log lines in all",
];

const NOTHING: &str = "–";

/// A Markdown table that is also aligned for those who read it in a terminal.
pub(crate) fn render(rows: &[(String, Findings)]) -> String {
    let mut lines = vec![HEADINGS.map(String::from)];
    lines.extend(rows.iter().map(|(title, findings)| cells(title, findings)));
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    lines.insert(1, widths.map(|width| "-".repeat(width)));
    lines.iter().map(|line| padded(line, &widths)).collect()
}

fn padded(line: &[String; COLUMNS], widths: &[usize; COLUMNS]) -> String {
    let cells = line.iter().zip(widths).map(|(cell, &width)| format!(" {cell:width$} |"));
    format!("|{}\n", cells.collect::<String>())
}

fn cells(title: &str, findings: &Findings) -> [String; COLUMNS] {
    [
        title.into(),
        findings.served_at_once.to_string(),
        cpu(findings),
        or_nothing(findings.log_lines_starved),
        or_nothing(findings.accept_rate.map(|rate| format!("{rate:.1}"))),
        waits(&findings.waits),
        missed(findings),
        lost(findings),
        findings.log_lines.to_string(),
    ]
}

fn or_nothing(value: Option<impl ToString>) -> String {
    value.map_or(NOTHING.into(), |value| value.to_string())
}

fn cpu(findings: &Findings) -> String {
    match (findings.cpu_percent, findings.ended) {
        (Some(percent), _) => format!("{percent:.2} %"),
        (None, Some(status)) => format!("it ended ({status})"),
        (None, None) => NOTHING.into(),
    }
}

/// The waits are sorted.
fn waits(waits: &[Duration]) -> String {
    match (waits.get(waits.len() / 2), waits.last()) {
        (Some(median), Some(longest)) => format!("{} / {}", milliseconds(*median), milliseconds(*longest)),
        _ => NOTHING.into(),
    }
}

fn missed(findings: &Findings) -> String {
    match findings.missed + findings.waits.len() {
        0 => NOTHING.into(),
        releases => format!("{} of {releases}", findings.missed),
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}

fn lost(findings: &Findings) -> String {
    match (findings.cut_off, findings.unserved) {
        (0, 0) => "0".into(),
        (cut_off, unserved) => format!("{cut_off} cut off, {unserved} never served"),
    }
}
