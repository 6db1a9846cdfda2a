//! The table and the chart of a mode.

use super::chart::{Bar, Chart};
use super::metric::{Metric, number};
use super::table::{Table, label};
use crate::mode::{Load, Mode};
use crate::results::Results;
use crate::server::{OURS, SERVERS, Server};
use crate::statistics::Quartiles;

/// What was measured of one server.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) server: &'static Server,
    pub(crate) cost: Quartiles,
    rounds: usize,
}

/// Those that were measured in a mode, the cheapest first.
pub(crate) fn rows(mode: &Mode, results: &Results) -> Vec<Row> {
    let mut rows: Vec<Row> = SERVERS
        .iter()
        .filter_map(|server| {
            let cost = quartiles(Metric::Cost, mode, server.name, results)?;
            Some(Row { server, cost, rounds: results.of(mode.name, server.name).count() })
        })
        .collect();
    rows.sort_by(|one, other| one.cost.median.total_cmp(&other.cost.median));
    rows
}

pub(crate) fn quartiles(metric: Metric, mode: &Mode, server: &str, results: &Results) -> Option<Quartiles> {
    Quartiles::of(results.of(mode.name, server).filter_map(|(_, values)| metric.of(mode, values)))
}

/// The median of a quantity; empty when it was not measured.
pub(crate) fn median(metric: Metric, mode: &Mode, server: &str, results: &Results) -> String {
    quartiles(metric, mode, server, results).map_or_else(String::new, |quartiles| number(quartiles.median))
}

/// The table over all servers; None when there is nothing to show.
pub(crate) fn table(mode: &Mode, results: &Results) -> Option<String> {
    let metrics = [Metric::Rate, Metric::P50, Metric::P99, Metric::P999];
    let is_shown = |metric: &Metric| {
        SERVERS.iter().any(|server| quartiles(*metric, mode, server.name, results).is_some())
    };
    let metrics: Vec<Metric> = metrics.into_iter().filter(is_shown).collect();
    let mut titles = vec!["server", Metric::Cost.title(mode), "quartiles"];
    titles.extend(metrics.iter().map(|metric| metric.title(mode)));
    titles.extend(extra_title(mode));
    titles.push("rounds");
    let mut table = Table::new(&titles);
    for row in rows(mode, results) {
        let Quartiles { lower, median: middle, upper } = row.cost;
        let name = row.server.name;
        let spread = format!("{} – {}", number(lower), number(upper));
        let mut cells = vec![label(name), number(middle), spread];
        cells.extend(metrics.iter().map(|metric| median(*metric, mode, name, results)));
        cells.extend(extra_cell(mode, row.server));
        cells.push(row.rounds.to_string());
        table.row(&cells);
    }
    (!table.is_empty()).then(|| table.finish())
}

fn extra_title(mode: &Mode) -> Option<&'static str> {
    match mode.load {
        Load::Stream => Some("BUFFER"),
        Load::OpenFortune { .. } | Load::OpenEcho { .. } => Some("asked a second"),
        _ => None,
    }
}

fn extra_cell(mode: &Mode, server: &Server) -> Option<String> {
    match mode.load {
        Load::Stream => Some(server.stream_buffer.to_string()),
        Load::OpenFortune { rate } | Load::OpenEcho { rate, .. } => Some(rate.to_string()),
        _ => None,
    }
}

/// The chart of what counts first in a mode: CPU time or memory, and latency where operations are due at fixed times.
pub(crate) fn chart(mode: &Mode, results: &Results) -> Option<Chart> {
    let is_latency = matches!(mode.load, Load::OpenFortune { .. } | Load::OpenEcho { .. });
    let mut bars: Vec<Bar> = rows(mode, results)
        .iter()
        .filter_map(|row| if is_latency { latency_bar(mode, row, results) } else { Some(cost_bar(row)) })
        .collect();
    bars.sort_by(|one, other| one.value.total_cmp(&other.value));
    let title = if is_latency {
        format!("{}: latency from the intended time, µs: p50 (bar) to p99 (line)", mode.name)
    } else {
        format!("{}: {} (median, quartiles)", mode.name, Metric::Cost.title(mode))
    };
    (!bars.is_empty()).then_some(Chart { title, bars, is_logarithmic: is_latency })
}

fn cost_bar(row: &Row) -> Bar {
    let Quartiles { lower, median, upper } = row.cost;
    let name = row.server.name;
    Bar { label: name, value: median, line: (lower, upper), text: number(median), is_ours: name == OURS }
}

fn latency_bar(mode: &Mode, row: &Row, results: &Results) -> Option<Bar> {
    let name = row.server.name;
    let middle = |metric| Some(quartiles(metric, mode, name, results)?.median);
    let (p50, p99) = (middle(Metric::P50)?, middle(Metric::P99)?);
    let text = format!("{} … {}", number(p50), number(p99));
    Some(Bar { label: name, value: p50, line: (p50, p99), text, is_ours: name == OURS })
}
