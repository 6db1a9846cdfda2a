//! What is read from the figures of a trial.

use crate::finding::{Values, float};
use crate::mode::{Load, Mode};

const CHUNK: u64 = 65_536;

/// A quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    /// What counts first in a mode.
    Cost,
    /// Operations a second; of streams, gigabytes.
    Rate,
    P50,
    P99,
    P999,
}

impl Metric {
    /// The quantity in a trial of this mode; None when it was not measured.
    pub(crate) fn of(self, mode: &Mode, values: &Values) -> Option<f64> {
        let operations = || values.get("operations").filter(|number| *number > 0.0);
        match self {
            Self::Cost => match mode.load {
                Load::Idle => values.get("bytes"),
                Load::IdleCost => Some(values.get("accompanied")? / values.get("alone")?),
                Load::Stream => Some(values.get("cpu")? * 1e3 / (operations()? * float(CHUNK))),
                _ => Some(values.get("cpu")? / operations()? / 1e3),
            },
            Self::Rate => {
                let rate = operations()? * 1e9 / values.get("wall")?;
                Some(if mode.load == Load::Stream { rate * float(CHUNK) / 1e9 } else { rate })
            }
            Self::P50 => values.get("p50").map(|nanoseconds| nanoseconds / 1e3),
            Self::P99 => values.get("p99").map(|nanoseconds| nanoseconds / 1e3),
            Self::P999 => values.get("p999").map(|nanoseconds| nanoseconds / 1e3),
        }
    }

    /// What a column of it is called.
    pub(crate) fn title(self, mode: &Mode) -> &'static str {
        match (self, mode.load) {
            (Self::Cost, Load::Idle) => "bytes a connection",
            (Self::Cost, Load::IdleCost) => "with idle ones / without",
            (Self::Cost, Load::Stream) => "CPU ms a GB",
            (Self::Cost, _) => "CPU µs an operation",
            (Self::Rate, Load::Stream) => "GB a second",
            (Self::Rate, _) => "operations a second",
            (Self::P50, _) => "p50 µs",
            (Self::P99, _) => "p99 µs",
            (Self::P999, _) => "p99.9 µs",
        }
    }
}

/// A number with about three digits that say something.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_costs() {
        let mut values = Values::default();
        values.set("cpu", 600e6);
        values.set("operations", 100_000.0);
        values.set("wall", 2e9);
        let of = |metric: Metric, mode| metric.of(Mode::named(mode)?, &values).map(number);
        assert_eq!(of(Metric::Cost, "fortune").as_deref(), Some("6.00"));
        assert_eq!(of(Metric::Rate, "fortune").as_deref(), Some("50000"));
        assert_eq!(of(Metric::Cost, "stream").as_deref(), Some("91.6"));
        assert_eq!(of(Metric::Rate, "stream").as_deref(), Some("3.28"));
        assert_eq!(of(Metric::P50, "fortune"), None);
    }
}
