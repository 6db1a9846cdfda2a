//! When operations are due, whatever the server does.

use std::time::{Duration, Instant};

/// Arrivals at a fixed rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    begun: Instant,
    rate: u64,
    arrivals: u64,
}

impl Schedule {
    /// So many arrivals a second for so long, from now on.
    pub(crate) fn new(begun: Instant, rate: u64, time: Duration) -> Self {
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self { begun, rate: rate.max(1), arrivals: rate.saturating_mul(milliseconds) / 1000 }
    }

    /// When the arrival with this number is due; None after the last one.
    pub(crate) fn due(&self, number: u64) -> Option<Instant> {
        let after = u128::from(number) * 1_000_000_000 / u128::from(self.rate);
        let after = Duration::from_nanos(u64::try_from(after).ok()?);
        (number < self.arrivals).then(|| self.begun + after)
    }

    /// How many there are in all.
    pub(crate) fn arrivals(&self) -> u64 {
        self.arrivals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_evenly_spaced_and_ends() {
        let begun = Instant::now();
        let schedule = Schedule::new(begun, 5000, Duration::from_millis(600));
        assert_eq!(schedule.arrivals(), 3000);
        assert_eq!(schedule.due(0), Some(begun));
        assert_eq!(schedule.due(5), Some(begun + Duration::from_millis(1)));
        assert_eq!(schedule.due(2999), Some(begun + Duration::from_micros(599_800)));
        assert_eq!(schedule.due(3000), None);
    }
}
