use super::limits::Limits;
use super::rate::{Pace, Rate};
use super::refusal::RefusalReason;
use super::shared_limit::SharedLimit;
use super::sources::Sources;
use crate::sync::{AtomicUsize, Mutex, Ordering, lock};
use std::sync::Arc;
use std::time::Instant;

/// What servers on several threads count together, so that their limits are those of one server.
///
/// A connection costs three atomic operations; the lock is for rates, which not everybody has, and for new limits.
#[derive(Debug)]
pub(crate) struct AdmissionGroup {
    places: SharedLimit,
    most_open: AtomicUsize,
    shared: Mutex<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    rate: Option<Rate>,
    pace: Pace,
    source_rate: Option<Rate>,
    prefixes: Option<(u8, u8)>,
    sources: Arc<Mutex<Sources>>,
}

impl AdmissionGroup {
    pub(crate) fn new() -> Self {
        Self {
            places: SharedLimit::new(usize::MAX),
            most_open: AtomicUsize::new(0),
            shared: Mutex::default(),
        }
    }

    /// Other limits for all. The servers are told of them each for itself.
    pub(crate) fn set_limits(&self, limits: &Limits, now: Instant) {
        self.places.set_limit(limits.connections.unwrap_or(usize::MAX));
        let mut shared = lock(&self.shared);
        match (shared.rate, limits.rate) {
            (Some(from), Some(to)) if from != to => shared.pace.convert(from, to, now),
            (Some(_), Some(_)) => {}
            _ => shared.pace = Pace::FREE,
        }
        shared.rate = limits.rate;
        if shared.prefixes.replace(limits.source.prefixes) != Some(limits.source.prefixes) {
            shared.sources = Arc::default();
        }
        if let (Some(from), Some(to)) = (shared.source_rate, limits.source.rate) {
            if from != to {
                lock(&shared.sources).change_rate(from, to, now);
            }
        }
        shared.source_rate = limits.source.rate;
    }

    /// The sources that all count.
    pub(super) fn sources(&self) -> Arc<Mutex<Sources>> {
        Arc::clone(&lock(&self.shared).sources)
    }

    pub(super) fn places(&self) -> &SharedLimit {
        &self.places
    }

    pub(super) fn pace(&self) -> Pace {
        lock(&self.shared).pace
    }

    /// Takes a place, and one of the rate if there is one.
    pub(super) fn reserve(&self, rate: Option<(Rate, Instant)>) -> Result<(), RefusalReason> {
        if !self.places.reserve() {
            return Err(RefusalReason::TooManyConnections);
        }
        let Some((rate, now)) = rate else { return Ok(()) };
        let mut shared = lock(&self.shared);
        if shared.pace.available(rate, now) == 0 {
            drop(shared);
            self.places.give_back_reserved();
            return Err(RefusalReason::TooFast);
        }
        shared.pace.spend(rate, now);
        Ok(())
    }

    /// The reserved place has its connection.
    pub(super) fn use_reserved(&self) {
        let open = self.places.use_reserved();
        if open > self.most_open.load(Ordering::Relaxed) {
            self.most_open.fetch_max(open, Ordering::Relaxed);
        }
    }

    /// Nobody came, or was let in.
    pub(super) fn give_back_reserved(&self, rate: Option<Rate>) {
        if let Some(rate) = rate {
            lock(&self.shared).pace.take_back(rate);
        }
        self.places.give_back_reserved();
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.places.open()
    }

    /// The most connections that ever were open at once.
    pub(crate) fn most_open(&self) -> usize {
        self.most_open.load(Ordering::Relaxed)
    }
}
