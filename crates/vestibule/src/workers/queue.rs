use super::plan::{Plan, QueueSharing};
use crate::address::Endpoint;
use crate::driver::{ListenRequest, local_address, open_listener};
use crate::error::{Error, Operation, Result};
use crate::server::{ListenOptions, SharedQueue};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// A listening descriptor that the crew keeps, so that the kernel's queue outlives whoever accepts from it.
#[derive(Debug)]
pub(super) struct Queue {
    /// Gone when nobody is to accept any more.
    descriptor: Option<OwnedFd>,
    /// For a queue that all workers accept from.
    shared: Option<Arc<SharedQueue>>,
    /// The worker that accepts from it, if it is one alone.
    pub(super) holder: Option<usize>,
}

impl Queue {
    /// The queues that a plan needs for its workers, and where they are.
    pub(super) fn all(plan: &Plan, options: ListenOptions) -> Result<(Vec<Self>, Endpoint)> {
        let (first, endpoint) = Self::listen(plan, options)?;
        let mut queues = vec![first];
        if plan.sharing == QueueSharing::ReusePort {
            for _ in 1..plan.number {
                queues.push(Self::listen(plan, options.at(endpoint))?.0);
            }
        }
        Ok((queues, endpoint))
    }

    pub(super) fn listen(plan: &Plan, options: ListenOptions) -> Result<(Self, Endpoint)> {
        let request = ListenRequest::from(plan.adapted(options));
        let (descriptor, endpoint) =
            open_listener(&request).map_err(|failure| failure.at(request.endpoint))?;
        let shared = (plan.sharing == QueueSharing::OneQueue).then(|| Arc::new(SharedQueue::new()));
        Ok((Self { descriptor: Some(descriptor), shared, holder: None }, endpoint))
    }

    /// Where it listens, as the system says it.
    pub(super) fn local_addr(&self) -> Option<SocketAddr> {
        local_address(self.descriptor.as_ref()?.as_fd())
    }

    /// What a worker needs to accept from the queue; `None` when nobody is to any more.
    pub(super) fn lend(&self) -> Result<Option<Lent>> {
        let Some(descriptor) = &self.descriptor else { return Ok(None) };
        let copy = descriptor.try_clone().map_err(|error| Error::system(Operation::RunWorkers, error))?;
        Ok(Some(Lent { descriptor: copy, shared: self.shared.clone() }))
    }

    /// Nobody is to accept any more: the queue ends with the last of those who still do.
    pub(super) fn close(&mut self) {
        self.descriptor = None;
    }
}

/// A queue as one worker gets it.
pub(super) struct Lent {
    pub(super) descriptor: OwnedFd,
    pub(super) shared: Option<Arc<SharedQueue>>,
}
