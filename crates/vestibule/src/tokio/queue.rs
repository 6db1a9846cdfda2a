use ::tokio::net::{TcpListener, TcpStream};
use rustix::io::Errno;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A listening descriptor, and a copy of it on the reactor of the runtime in which it was first waited for.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) descriptor: Arc<OwnedFd>,
    registered: Option<TcpListener>,
}

impl Queue {
    pub(super) fn new(descriptor: Arc<OwnedFd>) -> Self {
        Self { descriptor, registered: None }
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
        let errno = |error: io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
        let listener = self.registered().map_err(errno)?;
        Poll::Ready(ready!(listener.poll_accept(context)).map_err(errno))
    }
}
