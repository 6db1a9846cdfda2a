use crate::address::Endpoint;
use crate::driver::accept_from;
use ::tokio::net::{TcpListener, TcpStream};
use rustix::io::Errno;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A listening descriptor, and a copy of it on the reactor of the runtime in which it was first waited for.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) descriptor: Arc<OwnedFd>,
    /// Where it listens, as it was asked for.
    pub(super) endpoint: Endpoint,
    registered: Option<TcpListener>,
}

impl Queue {
    pub(super) fn new(descriptor: Arc<OwnedFd>, endpoint: Endpoint) -> Self {
        Self { descriptor, endpoint, registered: None }
    }

    fn registered(&mut self) -> io::Result<&TcpListener> {
        match &mut self.registered {
            Some(listener) => Ok(listener),
            none => Ok(none.insert(TcpListener::from_std(self.descriptor.try_clone()?.into())?)),
        }
    }

    /// Accepts the client that waits longest; `Pending` when none does.
    pub(super) fn poll_accept(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<(TcpStream, SocketAddr), Errno>> {
        let mut result = self.poll(context);
        // Without an errno it is the reactor that is gone, with its runtime: there is another now.
        if matches!(&result, Poll::Ready(Err(error)) if error.raw_os_error().is_none()) {
            self.registered = None;
            result = self.poll(context);
        }
        result.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }

    /// Accepts a client that no reactor is to know of.
    pub(super) fn take_client(&self) -> Option<OwnedFd> {
        accept_from(&self.descriptor).ok()
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.registered()?.poll_accept(context)
    }
}
