use crate::address::Endpoint;
use crate::driver::accept_from;
use ::tokio::net::{TcpListener, TcpStream};
use rustix::io::Errno;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

/// How many of the clients who were in a queue when a drain began are still there. Shards that share a queue share the count.
#[derive(Clone, Debug, Default)]
pub(super) struct Leftovers(Arc<AtomicU64>);

impl Leftovers {
    pub(super) fn set(&self, number: u64) {
        self.0.store(number, Ordering::SeqCst);
    }

    pub(super) fn has_left(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }

    /// During a drain one listener accepts at a time.
    pub(super) fn one_less(&self) {
        self.set(self.0.load(Ordering::SeqCst).saturating_sub(1));
    }
}

/// A listening descriptor, and a copy of it on the reactor of the runtime in which it was first waited for.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) descriptor: Arc<OwnedFd>,
    /// Where it listens, as it was asked for.
    pub(super) endpoint: Endpoint,
    pub(super) leftovers: Leftovers,
    registered: Option<TcpListener>,
}

impl Queue {
    pub(super) fn new(descriptor: Arc<OwnedFd>, endpoint: Endpoint, leftovers: Leftovers) -> Self {
        Self { descriptor, endpoint, leftovers, registered: None }
    }

    /// For another listener.
    pub(super) fn shared(&self) -> Self {
        Self::new(Arc::clone(&self.descriptor), self.endpoint, self.leftovers.clone())
    }

    /// Puts it on the reactor of the runtime, if it is on none.
    pub(super) fn enter_runtime(&mut self) {
        // Should it fail, the attempt to accept will, too, and tell.
        let _ = self.registered();
    }

    /// It is waited for in another runtime from now on.
    pub(super) fn leave_runtime(&mut self) {
        self.registered = None;
    }

    fn registered(&mut self) -> io::Result<&TcpListener> {
        match &mut self.registered {
            Some(listener) => Ok(listener),
            none => {
                let copy = std::net::TcpListener::from(self.descriptor.try_clone()?);
                copy.set_nonblocking(true)?; // others who have it may have thought otherwise
                Ok(none.insert(TcpListener::from_std(copy)?))
            }
        }
    }

    /// Accepts the client that waits longest; `Pending` when none does.
    pub(super) fn poll_accept(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<(TcpStream, SocketAddr), Errno>> {
        let accepted =
            self.registered().map_or_else(|error| Poll::Ready(Err(error)), |it| it.poll_accept(context));
        accepted.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }

    /// Accepts a client that no reactor is to know of.
    pub(super) fn take_client(&self) -> Option<OwnedFd> {
        accept_from(&self.descriptor).ok()
    }
}
