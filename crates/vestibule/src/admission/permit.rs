use super::ledger::Ledger;
use super::limits::Limits;
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
    shared: Option<SharedLimit>,
    source: Option<(Arc<Mutex<Sources>>, IpAddr)>,
}

/// A place that was taken for a connection which is not let in yet; it stays on the server's thread.
#[derive(Debug)]
pub(crate) struct Reservation(Option<Arc<Seat>>);

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
    sources: Arc<Mutex<Sources>>,
    /// For connections whose source is not counted.
    seat: Arc<Seat>,
}

impl Admission {
    pub(crate) fn new(ledger: Arc<Ledger>) -> Self {
        Self {
            limits: Limits::default(),
            sources: Arc::default(),
            seat: Arc::new(Seat { ledger, shared: None, source: None }),
        }
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
        self.seat = Arc::new(Seat { ledger, shared: limits.shared.clone(), source: None });
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
        let own = self.limits.connections.unwrap_or(usize::MAX).saturating_sub(self.seat.ledger.open());
        if own == 0 {
            return Err(Full { reason: RefusalReason::TooManyConnections, sure: true });
        }
        let Some(shared) = &self.limits.shared else { return Ok(own) };
        let free = shared.free().map_err(|sure| Full { reason: RefusalReason::SharedLimit, sure })?;
        Ok(own.min(free))
    }

    /// Has the server woken when a place may be free. Whoever calls it looks again afterwards.
    pub(crate) fn wait(&self) {
        match &self.limits.shared {
            Some(shared) => shared.wait(self.seat.ledger.bell()),
            None => self.seat.ledger.bell().wait(),
        }
    }

    /// Takes a place for a connection that is to be accepted.
    pub(crate) fn take(&self) -> Result<Reservation, RefusalReason> {
        self.free().map_err(|full| full.reason)?;
        if self.limits.shared.as_ref().is_some_and(|shared| !shared.reserve()) {
            return Err(RefusalReason::SharedLimit);
        }
        self.seat.ledger.take();
        Ok(Reservation(Some(Arc::clone(&self.seat))))
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
        let seat = self.0.take().unwrap_or_else(|| unreachable!("a reservation is used once"));
        if let Some(shared) = &seat.shared {
            shared.use_reserved();
        }
        if source.is_none() {
            return Permit(seat);
        }
        let (ledger, shared) = (Arc::clone(&seat.ledger), seat.shared.clone());
        Permit(Arc::new(Seat { ledger, shared, source }))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let Some(seat) = self.0.take() else { return };
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
