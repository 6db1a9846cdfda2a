use std::cell::Cell;
use std::time::{Duration, Instant};

/// Whether and how long a loop looks again and again before it sleeps: only while that has paid of late.
#[derive(Debug, Default)]
pub(super) struct Spin {
    most: Cell<Duration>,
    /// How long the last waits took in the mean, a recent one for an eighth.
    mean: Cell<Duration>,
}

impl Spin {
    pub(super) fn set(&self, most: Duration) {
        self.most.set(most);
        self.mean.set(Duration::ZERO);
    }

    /// For how long to look before sleeping, if something is to be waited for so long.
    pub(super) fn budget(&self, timeout: Option<Duration>) -> Option<Duration> {
        let most = self.most.get();
        let pays = !most.is_zero() && self.mean.get() <= most;
        let budget = timeout.map_or(most, |timeout| timeout.min(most));
        (pays && !budget.is_zero()).then_some(budget)
    }

    /// Whether waits are measured at all.
    pub(super) fn is_on(&self) -> bool {
        !self.most.get().is_zero()
    }

    /// A wait has ended that was begun at this time; a long one counts as twice the bound, so that a few short ones after it
    /// make spinning pay again.
    pub(super) fn waited(&self, began: Instant, now: Instant) {
        let wait = now.saturating_duration_since(began).min(self.most.get() * 2);
        self.mean.set((self.mean.get() * 7 + wait) / 8);
    }
}

#[cfg(test)]
mod tests {
    use super::Spin;
    use std::time::{Duration, Instant};

    const MOST: Duration = Duration::from_micros(50);

    fn after(spin: &Spin, wait: Duration, times: usize) -> Option<Duration> {
        let began = Instant::now();
        (0..times).for_each(|_| spin.waited(began, began + wait));
        spin.budget(None)
    }

    #[test]
    fn it_spins_while_waits_are_short_and_rests_while_they_are_long() {
        let spin = Spin::default();
        assert_eq!((spin.is_on(), spin.budget(None)), (false, None));
        spin.set(MOST);
        assert_eq!(spin.budget(None), Some(MOST));
        assert_eq!(spin.budget(Some(Duration::from_micros(20))), Some(Duration::from_micros(20)));
        assert_eq!(spin.budget(Some(Duration::ZERO)), None);
        assert_eq!(after(&spin, Duration::from_micros(20), 100), Some(MOST));
        assert_eq!(after(&spin, Duration::from_secs(1), 20), None, "an idle loop sleeps");
        assert_eq!(after(&spin, Duration::from_micros(20), 20), Some(MOST), "a busy one spins again");
    }
}
