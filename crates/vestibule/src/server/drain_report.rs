use crate::acceptor::Leftover;
use crate::signal::SignalArgument;
use std::net::SocketAddr;
use std::time::Duration;

/// How a server is to drain, for [`TcpServer::drain_with`](crate::TcpServer::drain_with).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct DrainOptions {
    pub(crate) deadline: Duration,
    pub(crate) leftover: Leftover,
}

impl DrainOptions {
    /// The defaults, for a deadline: so long have the connections to end.
    pub fn new(deadline: Duration) -> Self {
        Self { deadline, leftover: Leftover::default() }
    }

    /// What happens to the clients that wait in the kernel's queue. Default: they are accepted and served.
    pub fn leftover(self, leftover: Leftover) -> Self {
        Self { leftover, ..self }
    }
}

/// How a drain went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// Connections that ended by themselves, or by the application's doing.
    pub ended: u64,
    /// Connections that had nothing to do and were closed for that.
    pub idle: u64,
    /// Connections that were cut at the deadline.
    pub cut: u64,
    /// The peers of those that were cut.
    pub cut_peers: Vec<SocketAddr>,
    /// Connections that are still open: the program holds their [permits](crate::Permit), or another thread's loop did not come
    /// to cut them in time. Connections whose permits were given up are nobody's any more, and not counted.
    pub out_of_reach: u64,
    /// Clients that were still let in from the kernel's queue.
    pub let_in: u64,
    /// Clients of the kernel's queue that were refused, because of the drain or of a limit.
    pub refused: u64,
    /// Clients that still waited in the kernel's queue at the deadline, or under tokio at half of it, and were reset with it; 0 where
    /// the system does not tell.
    pub left_in_queue: u64,
    /// How long it took.
    pub took: Duration,
}

impl DrainReport {
    /// Adds what another server reports, of a queue that is `shared` with this one or of its own.
    pub(crate) fn add(&mut self, other: Self, shared: bool) {
        self.ended += other.ended;
        self.idle += other.idle;
        self.cut += other.cut;
        self.cut_peers.extend(other.cut_peers);
        self.out_of_reach += other.out_of_reach;
        self.let_in += other.let_in;
        self.refused += other.refused;
        self.left_in_queue = if shared {
            self.left_in_queue.max(other.left_in_queue)
        } else {
            self.left_in_queue + other.left_in_queue
        };
        self.took = self.took.max(other.took);
    }
}

impl SignalArgument for DrainReport {}
