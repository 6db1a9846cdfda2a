use super::crew::Crew;
use super::workers_handle::WorkersHandle;
use crate::address::HostAddress;
use crate::error::Result;
use std::net::SocketAddr;
use std::sync::Arc;

/// Workers that serve, made by [`Workers`](crate::Workers).
///
/// Dropping it ends them: they let nobody in any more, connections that their servers own or keep pending are ended gracefully, which
/// may take two seconds, and others are cut. To end in order, [`drain`](WorkersHandle::drain) and then [`join`](Self::join).
#[derive(Debug)]
pub struct WorkerGroup {
    crew: Arc<Crew>,
}

impl WorkerGroup {
    pub(super) fn new(crew: Arc<Crew>) -> Self {
        Self { crew }
    }

    /// Where the group listens, as `std` has it: `[::]:port` on all addresses of both families.
    pub fn local_addr(&self) -> SocketAddr {
        self.crew.local_addr
    }

    /// The address on which the group listens, `ANY` for both families.
    pub fn server_address(&self) -> HostAddress {
        self.crew.endpoint.address
    }

    /// The port on which the group listens, which the system has picked if it was asked for 0.
    pub fn server_port(&self) -> u16 {
        self.crew.endpoint.port
    }

    /// What other threads, and this one, use to reach the workers.
    pub fn handle(&self) -> WorkersHandle {
        WorkersHandle::new(&self.crew)
    }

    /// Waits until all workers have ended. Blocks: for ever, unless the group is drained or a worker dies that ends it.
    ///
    /// # Errors
    ///
    /// What the worker has died of that has ended the group, see [`WorkerLoss::End`](crate::WorkerLoss::End).
    pub fn join(self) -> Result<()> {
        self.crew.join();
        let error = self.crew.roster().error.take();
        error.map_or(Ok(()), Err)
    }
}

impl Drop for WorkerGroup {
    fn drop(&mut self) {
        self.crew.end(None);
        self.crew.join();
    }
}
