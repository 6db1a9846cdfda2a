//! The figures to beat, as shared/performance.md sets them.

use super::metric::{Metric, number};
use super::table::Table;
use crate::mode::Mode;
use crate::results::Results;
use crate::server::{OURS, SPINNING};
use crate::statistics::Quartiles;
use std::collections::BTreeMap;
use std::fmt;

/// With fewer rounds a verdict says nothing final.
const ENOUGH_ROUNDS: usize = 9;

/// At most so much of what a peer needs.
#[derive(Debug)]
struct Bound {
    mode: &'static str,
    peer: &'static str,
    metric: Metric,
    at_most: f64,
}

const fn cost(mode: &'static str, peer: &'static str, at_most: f64) -> Bound {
    Bound { mode, peer, metric: Metric::Cost, at_most }
}

const BOUNDS: [Bound; 16] = [
    cost("fortune", "tokio-current", 0.80),
    cost("fortune", "qt", 0.58),
    cost("fortune", "epoll-best", 1.08),
    cost("churn-echo", "tokio-current", 0.95),
    cost("churn-echo", "qt", 0.72),
    cost("churn-echo", "epoll-best", 1.05),
    cost("echo-64", "tokio-current", 1.00),
    cost("echo-64", "qt", 0.68),
    cost("echo-64", "epoll-best", 1.04),
    cost("echo-1000", "tokio-current", 0.96),
    cost("echo-1000", "qt", 0.23),
    cost("echo-10000", "tokio-current", 0.82),
    cost("echo-10000", "qt", 0.04),
    cost("stream", "tokio-tuned", 1.00),
    cost("stream", "qt", 0.25),
    Bound { mode: "echo-1", peer: "tokio-current", metric: Metric::P50, at_most: 1.00 },
];

/// At most so much, whatever the peers need.
#[derive(Debug)]
struct Limit {
    mode: &'static str,
    server: &'static str,
    what: &'static str,
    metric: Metric,
    at_most: f64,
}

const LIMITS: [Limit; 2] = [
    Limit {
        mode: "echo-1",
        server: SPINNING,
        what: "p50 µs with a spin",
        metric: Metric::P50,
        at_most: 25.0,
    },
    Limit { mode: "idle", server: OURS, what: "bytes a connection", metric: Metric::Cost, at_most: 300.0 },
];

/// How measurements stand to a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Met,
    WithinSpread,
    NotMet,
}

impl Verdict {
    /// The lower quartile is what is compared with the bound.
    fn on(ratios: Quartiles, at_most: f64) -> Self {
        if ratios.median <= at_most {
            Self::Met
        } else if ratios.lower <= at_most {
            Self::WithinSpread
        } else {
            Self::NotMet
        }
    }

    /// The verdict, and a warning when it is of fewer rounds than are needed.
    fn after(self, rounds: usize, needed: usize) -> String {
        if rounds < needed { format!("{self} (only {rounds} of {needed} rounds)") } else { self.to_string() }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Met => "met",
            Self::WithinSpread => "met within the spread",
            Self::NotMet => "**NOT met**",
        })
    }
}

/// The table of ratios, and below it figures that have no peer.
pub(crate) fn section(results: &Results) -> String {
    let titles = ["mode", "ours in relation to", "lower quartile", "median", "spread", "bound", "verdict"];
    let mut table = Table::new(&titles);
    for bound in &BOUNDS {
        table.row(&row(bound, results));
    }
    for limit in &LIMITS {
        table.row(&absolute(limit, results));
    }
    table.finish()
}

fn row(bound: &Bound, results: &Results) -> Vec<String> {
    let measure = if bound.metric == Metric::P50 { " (p50)" } else { "" };
    let head = [format!("{}{measure}", bound.mode), bound.peer.to_owned()];
    let at_most = format!("{:.2}", bound.at_most);
    let ratios = Mode::named(bound.mode).map(|mode| ratios(bound, mode, results)).unwrap_or_default();
    let Some(quartiles) = Quartiles::of(ratios.iter().copied()) else {
        let empty = String::new();
        return [&head[..], &[empty.clone(), empty.clone(), empty, at_most, "not measured".into()]].concat();
    };
    let Quartiles { lower, median, upper } = quartiles;
    let verdict = Verdict::on(quartiles, bound.at_most).after(ratios.len(), ENOUGH_ROUNDS);
    let figures = [format!("{lower:.3}"), format!("{median:.3}"), format!("{lower:.3} – {upper:.3}")];
    [&head[..], &figures, &[at_most, verdict]].concat()
}

/// Ours in relation to the peer's in the same round.
fn ratios(bound: &Bound, mode: &Mode, results: &Results) -> Vec<f64> {
    let measured = |server| -> BTreeMap<usize, f64> {
        let figures = results.of(mode.name, server);
        figures.filter_map(|(round, values)| Some((round, bound.metric.of(mode, values)?))).collect()
    };
    let (ours, theirs) = (measured(OURS), measured(bound.peer));
    ours.iter()
        .filter_map(|(round, cost)| Some(cost / theirs.get(round).filter(|cost| **cost > 0.0)?))
        .collect()
}

/// A figure of a server of ours that is bounded by itself.
fn absolute(limit: &Limit, results: &Results) -> Vec<String> {
    let figures = Mode::named(limit.mode)
        .and_then(|mode| super::figures::quartiles(limit.metric, mode, limit.server, results));
    let needed = Mode::named(limit.mode).map_or(ENOUGH_ROUNDS, |mode| mode.rounds(ENOUGH_ROUNDS));
    let mut cells = vec![limit.mode.to_owned(), limit.what.to_owned()];
    match figures {
        Some(quartiles) => cells.extend([
            number(quartiles.lower),
            number(quartiles.median),
            format!("{} – {}", number(quartiles.lower), number(quartiles.upper)),
            number(limit.at_most),
            Verdict::on(quartiles, limit.at_most).after(results.of(limit.mode, limit.server).count(), needed),
        ]),
        None => cells.extend(["", "", "", &number(limit.at_most), "not measured"].map(str::to_owned)),
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_the_lower_quartile() {
        let ratios = Quartiles { lower: 0.9, median: 1.0, upper: 1.1 };
        assert_eq!(Verdict::on(ratios, 1.05), Verdict::Met);
        assert_eq!(Verdict::on(ratios, 1.0), Verdict::Met);
        assert_eq!(Verdict::on(ratios, 0.95), Verdict::WithinSpread);
        assert_eq!(Verdict::on(ratios, 0.89), Verdict::NotMet);
        assert_eq!(Verdict::Met.after(9, 9), "met");
        assert_eq!(Verdict::Met.after(3, 9), "met (only 3 of 9 rounds)");
    }

    #[test]
    fn every_bound_is_of_a_mode_and_a_server() {
        for bound in &BOUNDS {
            assert!(Mode::named(bound.mode).is_some(), "{}", bound.mode);
            assert!(crate::server::Server::named(bound.peer).is_some(), "{}", bound.peer);
        }
    }
}
