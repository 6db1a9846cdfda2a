use std::time::{Duration, Instant};

/// How many new connections are let in over time: so many at once, and then one in each interval.
///
/// This is the generic cell rate algorithm: exact, without windows that could be straddled. In any stretch of time no
/// more come in than the burst plus one for each interval in it.
///
/// ```
/// use std::time::Duration;
/// use vestibule::Rate;
///
/// let rate = Rate::per_second(100); // up to 100 at once, then one every 10 ms
/// assert_eq!(rate.interval(), Duration::from_millis(10));
/// assert_eq!(rate.burst_size(), 100);
/// let smooth = Rate::per_second(100).burst(1); // never two within 10 ms
/// # assert_eq!(smooth.burst_size(), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    interval: Duration,
    burst: u32,
}

impl Rate {
    /// So many in a second, and as many at once. 0 lets nobody in.
    pub fn per_second(number: u32) -> Self {
        Self::new(number, Duration::from_secs(1))
    }

    /// So many in a minute, and as many at once. 0 lets nobody in.
    pub fn per_minute(number: u32) -> Self {
        Self::new(number, Duration::from_secs(60))
    }

    /// So many in a period, and as many at once. 0 lets nobody in.
    pub fn new(number: u32, period: Duration) -> Self {
        let nanoseconds = period.as_nanos().div_ceil(u128::from(number.max(1)));
        let interval = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        Self { interval, burst: number }
    }

    /// How many may come at once. 0 lets nobody in; a rate of 0 lets nobody in whatever is said here.
    #[must_use]
    pub fn burst(self, burst: u32) -> Self {
        Self { burst: if self.burst == 0 { 0 } else { burst }, ..self }
    }

    /// The time for which each connection takes a place.
    pub fn interval(self) -> Duration {
        self.interval
    }

    /// How many may come at once.
    pub fn burst_size(self) -> u32 {
        self.burst
    }
}

/// How far a rate is used up: the time at which all of it will be free again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pace(Option<Instant>);

impl Pace {
    /// Nobody has come yet.
    pub(crate) const FREE: Self = Self(None);

    /// How long the next one must wait; `None` is for ever.
    pub(crate) fn wait(self, rate: Rate, now: Instant) -> Option<Duration> {
        let spare = rate.interval.saturating_mul(rate.burst.checked_sub(1)?);
        Some(self.used(rate, now).saturating_sub(spare))
    }

    /// How much of the rate is used up, as a time; no more than all of it, which a slower rate before may have left.
    fn used(self, rate: Rate, now: Instant) -> Duration {
        let used = self.0.map_or(Duration::ZERO, |free| free.saturating_duration_since(now));
        used.min(rate.interval.saturating_mul(rate.burst))
    }

    /// How many may come now.
    pub(crate) fn available(self, rate: Rate, now: Instant) -> u32 {
        if self.wait(rate, now) != Some(Duration::ZERO) {
            return 0;
        }
        let taken = self.used(rate, now).as_nanos().div_ceil(rate.interval.as_nanos().max(1));
        rate.burst.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX))
    }

    /// One has come.
    pub(crate) fn spend(&mut self, rate: Rate, now: Instant) {
        let from = now.checked_add(self.used(rate, now)).unwrap_or(now);
        self.0 = Some(from.checked_add(rate.interval).unwrap_or(from));
    }

    /// One who was counted was not let in.
    pub(super) fn take_back(&mut self, rate: Rate) {
        self.0 = self.0.and_then(|free| free.checked_sub(rate.interval));
    }

    /// Another rate from now on: those who came still count, each as one.
    pub(crate) fn convert(&mut self, from: Rate, to: Rate, now: Instant) {
        let came = self.used(from, now).as_nanos().div_ceil(from.interval.as_nanos().max(1));
        let came = u32::try_from(came).unwrap_or(u32::MAX).min(to.burst);
        self.0 = now.checked_add(to.interval.saturating_mul(came));
    }

    /// Whether it is as if nobody had ever come.
    pub(super) fn is_free(self, now: Instant) -> bool {
        self.0.is_none_or(|free| free <= now)
    }
}
