use std::time::{Duration, Instant};

/// The first pause after an accept that failed for lack of resources.
const SHORTEST: Duration = Duration::from_millis(5);
/// The longest pause: a server is never deaf for longer.
const LONGEST: Duration = Duration::from_millis(500);

/// An episode of failing accepts: pauses that double.
///
/// Each is shortened by chance, to no less than half, so that the servers of a machine that ran out together do not
/// all come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    pause: Duration,
    until: Instant,
}

impl Backoff {
    pub(crate) fn begin(now: Instant, chance: u8) -> Self {
        Self::pausing(SHORTEST, now, chance)
    }

    /// Another accept failed: the next pause is twice as long.
    pub(crate) fn again(self, now: Instant, chance: u8) -> Self {
        Self::pausing((self.pause * 2).min(LONGEST), now, chance)
    }

    fn pausing(pause: Duration, now: Instant, chance: u8) -> Self {
        let shortened = pause * (512 - u32::from(chance)) / 512;
        Self { pause, until: now + shortened }
    }

    pub(crate) fn until(self) -> Instant {
        self.until
    }
}
