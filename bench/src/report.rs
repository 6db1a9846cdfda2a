//! The report.

mod chart;
mod counts;
mod figures;
pub(crate) mod machine;
mod metric;
mod ratios;
mod several;
mod shortfalls;
mod table;

use crate::Outcome;
use crate::mode::{Load, MODES, Mode};
use crate::results::Results;
use crate::server::repository;
use std::fmt::Write;
use std::path::Path;

const INTRODUCTION: &str = "\
# vestibule beside its peers

Written by `bench/run`; do not edit. Each trial has a network namespace of its own; the server runs on core 0, a client with one
thread on core 1 (with several workers: both wherever the kernel wants). For each mode, each round measures every server in turn,
beginning with another one each time. CPU time is the server's, of all its threads. What connects again and again is bound by
the client: a cheaper server sleeps more, so compare CPU time first, and rates only where they differ much.

";

const RATIOS: &str = "\
Each ratio is of two trials of the same round. The lower quartile is compared with the bound: *met* when the median is at most the
bound, *met within the spread* when only the lower quartile is.

";

/// Writes bench/REPORT.md and its pictures; returns where.
pub(crate) fn write(results: &Results) -> Outcome<String> {
    let bench = repository().join("bench");
    let plots = bench.join("plots");
    std::fs::create_dir_all(&plots)?;
    let mut text = INTRODUCTION.to_owned();
    text.push_str(&machine::facts());
    for remark in &results.remarks {
        writeln!(text, "- {remark}")?;
    }
    text.push('\n');
    for mode in MODES.iter().filter(|mode| has_own_section(mode)) {
        text.push_str(&mode_section(mode, results, Some(&plots))?);
    }
    text.push_str(&rest(results)?);
    let path = bench.join("REPORT.md");
    std::fs::write(&path, text)?;
    Ok(path.display().to_string())
}

/// What a quick run prints.
pub(crate) fn brief(results: &Results) -> Outcome<String> {
    let mut text = String::new();
    for mode in MODES.iter().filter(|mode| has_own_section(mode)) {
        text.push_str(&mode_section(mode, results, None)?);
    }
    text.push_str(&rest(results)?);
    Ok(text)
}

fn has_own_section(mode: &Mode) -> bool {
    !mode.has_workers() && !matches!(mode.load, Load::SystemCalls | Load::Allocations)
}

fn mode_section(mode: &Mode, results: &Results, plots: Option<&Path>) -> Outcome<String> {
    let Some(table) = figures::table(mode, results) else { return Ok(String::new()) };
    let name = mode.name;
    let mut text = format!("## {name}\n\n{}\n\n", mode.description());
    if let (Some(plots), Some(chart)) = (plots, figures::chart(mode, results)) {
        std::fs::write(plots.join(format!("{name}.svg")), chart.render())?;
        writeln!(text, "![{name}](plots/{name}.svg)\n")?;
    }
    text.push_str(&table);
    Ok(text)
}

fn rest(results: &Results) -> Outcome<String> {
    let ratios = Some(format!("{RATIOS}{}", ratios::section(results)));
    let sections = [
        ("The figures to beat", ratios),
        ("System calls an operation", counts::system_calls(results)),
        ("Allocations an operation", counts::allocations(results)),
        ("Several workers", several::section(results)),
        ("Servers left out", shortfalls::left_out(results)),
        ("Failed trials", Some(shortfalls::failed(results).unwrap_or_else(|| "None.\n".to_owned()))),
    ];
    let mut text = String::new();
    for (title, section) in sections {
        if let Some(section) = section {
            write!(text, "## {title}\n\n{section}")?;
        }
    }
    Ok(text)
}
