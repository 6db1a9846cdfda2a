use super::group::AdmissionGroup;
use super::ledger::Ledger;
use super::limits::Limits;
use super::rate::{Pace, Rate};
use super::refusal::RefusalReason;
use super::shared_limit::SharedLimit;
use super::sources::Sources;
use crate::sync::{Mutex, lock};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

/// A place among the open connections of a server, and of those that share a limit with it.
///
/// It is taken before a connection is accepted and moves with it, also to other threads. Dropping it gives the place back;
/// the connection's descriptor should be closed before.
pub struct Permit(Arc<Seat>);

/// What a permit gives back. Connections of servers without limits for a source have the same one.
struct Seat {
    ledger: Arc<Ledger>,
    group: Option<Arc<AdmissionGroup>>,
    shared: Option<SharedLimit>,
    source: Option<(Arc<Mutex<Sources>>, IpAddr)>,
}

/// A place that was taken for a connection which is not let in yet; it stays on the server's thread.
#[derive(Debug)]
pub(crate) struct Reservation {
    seat: Option<Arc<Seat>>,
    /// The rate of a group, of which it has used one.
    rate: Option<Rate>,
}

/// No place is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full {
    /// Which limit is reached.
    pub(crate) reason: RefusalReason,
    /// Whether by connections that are let in: a place that another server only tries is no reason to refuse anybody.
    pub(crate) sure: bool,
}

/// Gives permits: what of a server's limits is counted.
#[derive(Debug)]
pub(crate) struct Admission {
    limits: Limits,
    group: Option<Arc<AdmissionGroup>>,
    sources: Arc<Mutex<Sources>>,
    /// For connections whose source is not counted.
    seat: Arc<Seat>,
}

impl Admission {
    pub(crate) fn new(ledger: Arc<Ledger>) -> Self {
        Self {
            limits: Limits::default(),
            group: None,
            sources: Arc::default(),
            seat: Arc::new(Seat { ledger, group: None, shared: None, source: None }),
        }
    }

    /// From now on the limits are counted together with those of the group; to be called before anybody is let in.
    pub(crate) fn join(&mut self, group: &Arc<AdmissionGroup>, now: Instant) {
        group.places().add(self.seat.ledger.bell());
        self.group = Some(Arc::clone(group));
        self.set_limits(self.limits.clone(), now);
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Other limits from now on; what is counted for a source stays, unless sources are others now.
    pub(crate) fn set_limits(&mut self, limits: Limits, now: Instant) {
        let ledger = Arc::clone(&self.seat.ledger);
        if let Some(shared) = &limits.shared {
            shared.add(ledger.bell());
        }
        let (group, shared) = (self.group.clone(), limits.shared.clone());
        self.seat = Arc::new(Seat { ledger, group, shared, source: None });
        if let Some(group) = &self.group {
            self.sources = group.sources();
            self.limits = limits;
            return;
        }
        if limits.source.prefixes != self.limits.source.prefixes {
            self.sources = Arc::default();
        }
        if let (Some(from), Some(to)) = (self.limits.source.rate, limits.source.rate) {
            if from != to {
                lock(&self.sources).change_rate(from, to, now);
            }
        }
        self.limits = limits;
    }

    /// How many places are free, as far as can be said before they are taken.
    pub(crate) fn free(&self) -> Result<usize, Full> {
        let full = |sure| Full { reason: RefusalReason::TooManyConnections, sure };
        let own = match (&self.group, self.limits.connections) {
            (_, None) => usize::MAX,
            (Some(group), Some(_)) => group.places().free().map_err(full)?,
            (None, Some(limit)) => limit.saturating_sub(self.seat.ledger.open()),
        };
        if own == 0 {
            return Err(full(true));
        }
        let Some(shared) = &self.limits.shared else { return Ok(own) };
        let free = shared.free().map_err(|sure| Full { reason: RefusalReason::SharedLimit, sure })?;
        Ok(own.min(free))
    }

    /// Has the server woken when a place may be free. Whoever calls it looks again afterwards.
    pub(crate) fn wait(&self) {
        if let Some(group) = &self.group {
            group.places().wait(self.seat.ledger.bell());
        }
        match &self.limits.shared {
            Some(shared) => shared.wait(self.seat.ledger.bell()),
            None => self.seat.ledger.bell().wait(),
        }
    }

    pub(crate) fn is_in_group(&self) -> bool {
        self.group.is_some()
    }

    /// How far the rate of the group is used up.
    pub(crate) fn pace_of_group(&self) -> Option<Pace> {
        self.group.as_ref().map(|group| group.pace())
    }

    /// Takes a place for a connection that is to be accepted.
    ///
    /// The time is asked for only where a group has a rate.
    pub(crate) fn take(&self, now: impl FnOnce() -> Instant) -> Result<Reservation, RefusalReason> {
        self.free().map_err(|full| full.reason)?;
        let rate = self.group.as_ref().and(self.limits.rate);
        if let Some(group) = &self.group {
            group.reserve(rate.map(|rate| (rate, now())))?;
        }
        if self.limits.shared.as_ref().is_some_and(|shared| !shared.reserve()) {
            if let Some(group) = &self.group {
                group.give_back_reserved(rate);
            }
            return Err(RefusalReason::SharedLimit);
        }
        self.seat.ledger.take();
        Ok(Reservation { seat: Some(Arc::clone(&self.seat)), rate })
    }

    /// The place is the connection's from now on, with one for its source; else both are given back.
    pub(crate) fn let_in(
        &self,
        place: Reservation,
        address: IpAddr,
        now: Instant,
    ) -> Result<Permit, RefusalReason> {
        if !self.limits.limits_source(address) {
            return Ok(place.into_permit(None));
        }
        let source = self.limits.source.source(address);
        lock(&self.sources).take(source, &self.limits.source, now)?;
        Ok(place.into_permit(Some((Arc::clone(&self.sources), source))))
    }

    /// Whether letting somebody in takes a look at the clock.
    pub(crate) fn needs_time(&self) -> bool {
        self.limits.rate.is_some() || self.limits.source.rate.is_some()
    }
}

impl Reservation {
    fn into_permit(mut self, source: Option<(Arc<Mutex<Sources>>, IpAddr)>) -> Permit {
        // It is there until this is dropped.
        let seat = self.seat.take().unwrap_or_else(|| unreachable!("a reservation is used once"));
        if let Some(group) = &seat.group {
            group.use_reserved();
        }
        if let Some(shared) = &seat.shared {
            shared.use_reserved();
        }
        if source.is_none() {
            return Permit(seat);
        }
        let (ledger, group, shared) = (Arc::clone(&seat.ledger), seat.group.clone(), seat.shared.clone());
        Permit(Arc::new(Seat { ledger, group, shared, source }))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let Some(seat) = self.seat.take() else { return };
        if let Some(group) = &seat.group {
            group.give_back_reserved(self.rate);
        }
        if let Some(shared) = &seat.shared {
            shared.give_back_reserved();
        }
        seat.ledger.take_back();
    }
}

impl Permit {
    /// Whether it is a place of this server.
    pub(crate) fn is_of(&self, ledger: &Arc<Ledger>) -> bool {
        Arc::ptr_eq(&self.0.ledger, ledger)
    }

    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.0.ledger
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some((sources, source)) = &self.0.source {
            lock(sources).give_back(*source);
        }
        if let Some(shared) = &self.0.shared {
            shared.give_back();
        }
        if let Some(group) = &self.0.group {
            group.places().give_back();
        }
        self.0.ledger.give_back();
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").finish_non_exhaustive()
    }
}
