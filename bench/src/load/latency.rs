//! How long operations took.

use crate::Outcome;
use crate::finding::Values;
use hdrhistogram::Histogram;
use std::time::{Duration, Instant};

const LONGEST: Duration = Duration::from_secs(60);

/// A histogram of nanoseconds.
#[derive(Debug)]
pub(crate) struct Latency(Histogram<u64>);

impl Latency {
    pub(crate) fn new() -> Outcome<Self> {
        Ok(Self(Histogram::new_with_bounds(1, nanoseconds(LONGEST), 3)?))
    }

    /// An operation that was due at one time has ended at another.
    pub(crate) fn record(&mut self, due: Instant, now: Instant) {
        self.0.saturating_record(nanoseconds(now.saturating_duration_since(due)));
    }

    pub(crate) fn forget(&mut self) {
        self.0.reset();
    }

    /// Notes the percentiles in nanoseconds.
    pub(crate) fn note(&self, values: &mut Values) {
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
            values.set_count(name, self.0.value_at_quantile(quantile));
        }
    }
}

/// Nanoseconds, as far as 64 bits reach.
pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_the_intended_time() -> Outcome<()> {
        let (mut latency, mut values) = (Latency::new()?, Values::default());
        let due = Instant::now();
        for milliseconds in 1..=100 {
            latency.record(due, due + Duration::from_millis(milliseconds));
        }
        latency.note(&mut values);
        let p50 = values.get("p50").unwrap_or_default();
        assert!((49.9e6..50.1e6).contains(&p50), "{p50}");
        let p99 = values.get("p99").unwrap_or_default();
        assert!((98.8e6..99.2e6).contains(&p99), "{p99}");
        Ok(())
    }
}
