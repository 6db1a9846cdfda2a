use std::time::{Duration, Instant};

/// The first pause after an accept that failed for lack of resources.
const SHORTEST: Duration = Duration::from_millis(5);
/// The longest pause: a server is never deaf for longer.
const LONGEST: Duration = Duration::from_millis(500);

/// An episode of failing accepts: pauses that double.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Backoff {
    pause: Duration,
    until: Instant,
}

impl Backoff {
    pub(super) fn begin(now: Instant) -> Self {
        Self { pause: SHORTEST, until: now + SHORTEST }
    }

    /// Another accept failed: the next pause is twice as long.
    pub(super) fn again(self, now: Instant) -> Self {
        let pause = (self.pause * 2).min(LONGEST);
        Self { pause, until: now + pause }
    }

    pub(super) fn until(self) -> Instant {
        self.until
    }
}
