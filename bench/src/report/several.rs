//! Servers with several workers.

use super::figures::{median, quartiles};
use super::metric::{Metric, number};
use super::table::{Table, label};
use crate::mode::{Exchange, Load, MODES, Mode};
use crate::results::Results;
use crate::server::SERVERS;
use crate::statistics::Quartiles;

/// CPU time and imbalance with one and with two workers.
pub(crate) fn section(results: &Results) -> Option<String> {
    let titles = [
        "connections",
        "load",
        "workers",
        "server",
        "CPU µs an operation",
        "quartiles",
        "operations a second",
        "p50 µs",
        "p99 µs",
        "imbalance",
    ];
    let mut table = Table::new(&titles);
    for mode in &MODES {
        let Load::Workers { workers, exchange, rate } = mode.load else { continue };
        let name = if exchange == Exchange::Echo { "echo, reset" } else { exchange.name() };
        let load = rate.map_or_else(|| "full".to_owned(), |rate| format!("{rate} a second"));
        for server in &SERVERS {
            let head = [name.to_owned(), load.clone(), workers.to_string(), label(server.name)];
            if let Some(cells) = figures(mode, server.name, results, workers > 1) {
                table.row(&[&head[..], &cells].concat());
            }
        }
    }
    (!table.is_empty()).then(|| table.finish())
}

fn figures(mode: &Mode, server: &str, results: &Results, has_imbalance: bool) -> Option<Vec<String>> {
    let cost = quartiles(Metric::Cost, mode, server, results)?;
    let imbalance =
        Quartiles::of(results.of(mode.name, server).filter_map(|(_, values)| values.get("imbalance")));
    let imbalance = imbalance.filter(|_| has_imbalance);
    Some(vec![
        number(cost.median),
        format!("{} – {}", number(cost.lower), number(cost.upper)),
        median(Metric::Rate, mode, server, results),
        median(Metric::P50, mode, server, results),
        median(Metric::P99, mode, server, results),
        imbalance.map_or_else(String::new, |imbalance| format!("{:.2}", imbalance.median)),
    ])
}
