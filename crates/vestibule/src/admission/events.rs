use super::count::Count;
use super::ledger::Ledger;
use super::refusal::RefusalReason;
use crate::acceptor::AcceptErrorClass;
use std::time::{Duration, Instant};

/// What happens at the front door, as counts.
impl Ledger {
    /// An accept has failed.
    pub(crate) fn count_failure(&self, class: AcceptErrorClass) {
        let count = match class {
            AcceptErrorClass::Nothing => return,
            AcceptErrorClass::Connection => Count::ConnectionErrors,
            AcceptErrorClass::Resources => Count::ResourceErrors,
            AcceptErrorClass::Broken => Count::BrokenErrors,
            AcceptErrorClass::Unknown => Count::UnknownErrors,
        };
        self.write(|counts| counts.add(count, 1));
    }

    /// A client is let in; so many others have a place, and may not get in.
    pub(crate) fn count_let_in(&self, tried: usize) {
        let open = self.open().saturating_sub(tried) as u64;
        self.write(|counts| {
            counts.add(Count::Accepted, 1);
            counts.set(Count::MostOpen, counts.get(Count::MostOpen).max(open));
        });
    }

    /// A client is not let in.
    pub(crate) fn count_refusal(&self, reason: RefusalReason) {
        self.write(|counts| counts.add_in_row(Count::Refused, reason as usize));
    }

    /// A client has waited so long in the kernel's queue.
    pub(crate) fn count_age(&self, age: Duration) {
        let age = u64::try_from(age.as_nanos()).unwrap_or(u64::MAX);
        self.write(|counts| {
            counts.add(Count::AgesMeasured, 1);
            counts.set(Count::AgesTogether, counts.get(Count::AgesTogether).saturating_add(age));
            counts.set(Count::GreatestAge, counts.get(Count::GreatestAge).max(age));
        });
    }

    fn nanoseconds(&self, now: Instant) -> u64 {
        let time = now.saturating_duration_since(self.began());
        u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
    }

    /// An episode of lacking resources begins.
    pub(crate) fn begin_episode(&self, now: Instant) {
        let since = self.nanoseconds(now).max(1);
        self.write(|counts| {
            counts.add(Count::Episodes, 1);
            counts.set(Count::ExhaustedSince, since);
        });
    }

    /// The episode, if there is one, is over.
    pub(crate) fn end_episode(&self, now: Instant) {
        let now = self.nanoseconds(now);
        self.write(|counts| {
            let since = counts.get(Count::ExhaustedSince);
            if since > 0 {
                counts.add(Count::ExhaustedFor, now.saturating_sub(since));
                counts.set(Count::ExhaustedSince, 0);
            }
        });
    }
}
