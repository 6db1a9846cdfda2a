//! Whoever serves: workers on one address, or one server behind a proxy.

use std::time::Duration;
use vestibule::{Answer, DrainReport, KernelQueue, ServerHandle, Statistics, WorkersHandle};

/// Reaches whoever serves from any thread.
#[derive(Clone)]
pub(crate) enum Front {
    Workers(WorkersHandle),
    Server(ServerHandle),
}

impl Front {
    pub(crate) fn drain(&self, deadline: Duration) -> Answer<DrainReport> {
        match self {
            Self::Workers(workers) => workers.drain(deadline),
            Self::Server(server) => server.drain(deadline),
        }
    }

    pub(crate) fn statistics(&self) -> Statistics {
        match self {
            Self::Workers(workers) => workers.statistics(),
            Self::Server(server) => server.statistics(),
        }
    }

    /// Who waits to be accepted, if that is told in time.
    pub(crate) fn queue(&self, patience: Duration) -> Option<KernelQueue> {
        let queue = match self {
            Self::Workers(workers) => workers.kernel_queue(),
            Self::Server(server) => server.kernel_queue(),
        };
        queue.wait(Some(patience)).ok().flatten()
    }
}
