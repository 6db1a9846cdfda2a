//! How long a load goes on.

use std::time::{Duration, Instant};

/// Nothing that a working server does takes so long.
pub(crate) const STALL: Duration = Duration::from_secs(10);

/// So many operations, or fewer if the time is over before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) operations: u64,
    pub(crate) time: Duration,
}

impl Limits {
    /// The part that warms a server up.
    pub(crate) fn warm_up(self) -> Self {
        Self { operations: (self.operations / 20).max(1), time: self.time }
    }

    /// Whether another operation may begin.
    pub(crate) fn allow(self, started: u64, begun: Instant, now: Instant) -> bool {
        started < self.operations && now.duration_since(begun) < self.time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_by_number_or_by_time() {
        let limits = Limits { operations: 40, time: Duration::from_secs(1) };
        let begun = Instant::now();
        assert!(limits.allow(39, begun, begun));
        assert!(!limits.allow(40, begun, begun));
        assert!(!limits.allow(0, begun, begun + Duration::from_secs(1)));
        assert_eq!(limits.warm_up().operations, 2);
    }
}
