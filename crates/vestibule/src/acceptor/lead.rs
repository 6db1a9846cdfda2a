use std::time::{Duration, Instant};

/// How many open connections a worker may be ahead of another in any case.
const LEAST_LEAD: usize = 16;
/// Beyond that, how much of what the other has: one part in so many.
const LEAD_PART: usize = 8;
/// For how long a worker that is ahead leaves the clients to the others; then it lets a batch in, whatever they do.
pub(crate) const PATIENCE: Duration = Duration::from_millis(2);

/// How far a worker may be ahead of the one that has so many connections open, before it leaves new ones to that.
fn allowed(fewest: usize) -> usize {
    fewest.saturating_add(LEAST_LEAD.max(fewest / LEAD_PART))
}

/// Whether a worker with so many open connections is ahead of the one that has the fewest; if so, with how many that one
/// has caught up.
pub(crate) fn catches_up_at(own: usize, fewest: usize) -> Option<usize> {
    (own > allowed(fewest)).then(|| own.saturating_sub(LEAST_LEAD))
}

/// What a worker does with clients that it is told of, though others could let them in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lead {
    /// It lets them in.
    #[default]
    None,
    /// It is ahead, and leaves them to the others, at most until then.
    Held(Instant),
}

impl Lead {
    /// The worker is told of clients; `ahead` says whether it is ahead of a worker that could take them.
    ///
    /// One that has waited in vain lets a batch in: nobody has come for those who wait.
    #[must_use]
    pub(crate) fn clients_wait(self, ahead: bool, now: impl FnOnce() -> Instant) -> Self {
        match self {
            Self::None if ahead => Self::Held(now() + PATIENCE),
            Self::Held(until) if ahead && now() < until => self,
            _ => Self::None,
        }
    }

    /// Until when it lets nobody in, unless the others catch up.
    pub(crate) fn until(self) -> Option<Instant> {
        match self {
            Self::None => None,
            Self::Held(until) => Some(until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lead, PATIENCE, catches_up_at};
    use proptest::prelude::*;
    use std::time::Instant;

    #[test]
    fn a_small_lead_is_none_and_a_large_one_is_relative() {
        assert_eq!(catches_up_at(16, 0), None);
        assert_eq!(catches_up_at(17, 0), Some(1));
        assert_eq!(catches_up_at(1125, 1000), None);
        assert_eq!(catches_up_at(1126, 1000), Some(1110));
    }

    proptest! {
        /// Whoever has caught up is not behind any more, and it takes at least one connection.
        #[test]
        fn catching_up_ends_a_lead(own in 0usize..100_000, fewest in 0usize..100_000) {
            if let Some(at) = catches_up_at(own, fewest) {
                prop_assert!(at > fewest);
                prop_assert_eq!(catches_up_at(own, at), None);
            }
        }

        /// Whatever the others do, nobody is held longer than the patience: the next look after it lets a batch in.
        #[test]
        fn nobody_is_held_for_ever(looks in prop::collection::vec((any::<bool>(), 0u32..3000), 1..50)) {
            let (mut lead, mut now) = (Lead::None, Instant::now());
            let mut held_since = None;
            for (ahead, microseconds) in looks {
                now += std::time::Duration::from_micros(microseconds.into());
                lead = lead.clients_wait(ahead, || now);
                match lead {
                    Lead::None => held_since = None,
                    Lead::Held(until) => {
                        let since = *held_since.get_or_insert(now);
                        prop_assert!(ahead && until == since + PATIENCE && now < until);
                    }
                }
            }
        }
    }
}
