use super::roll::{Enrolled, Facts};
use super::shared::{Phase, Shared};
use crate::admission::Permit;
use crate::driver::Release;
use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::net::TcpStream;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A connection that a [`Listener`](super::Listener) let in: a stream of tokio's, and its place under the limits, which it
/// keeps until it is dropped.
///
/// At the deadline of a drain it is cut: reading and writing end with an error.
pub struct Connection {
    // In this order they are dropped: off the roll, closed, told to whoever waits for a descriptor, and the place given back.
    enrolled: Enrolled,
    stream: TcpStream,
    release: Release,
    permit: Permit,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, permit: Permit, facts: Facts, shared: &Arc<Shared>) -> Self {
        let enrolled = Enrolled::new(shared, &stream, facts);
        Self { enrolled, stream, release: Release, permit }
    }

    /// The peer's address and port. No system call.
    pub fn peer_addr(&self) -> SocketAddr {
        self.enrolled.facts().peer
    }

    /// The address and port on this side. One system call.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// The number of the connection, counted from 1 for each listener.
    pub fn id(&self) -> u64 {
        self.enrolled.facts().number
    }

    /// How long it waited in the kernel's queue, if that was asked for: limits that look at arrivals do, and, once there is a
    /// [handle](super::Listener::handle) that could tell statistics, one connection of 64 is looked at.
    pub fn queue_age(&self) -> Option<Duration> {
        self.enrolled.facts().age
    }

    /// Comes to an end when the listener begins to drain: what is under way is to be brought to its end then.
    pub fn draining(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut phase = self.enrolled.shared().phase.subscribe();
        async move {
            // The sender lives as long as connections do, which may be shorter than this.
            let _ = phase.wait_for(|phase| *phase != Phase::Open).await;
        }
    }

    /// Tokio's stream, to set options or to wait for readiness.
    pub fn get_ref(&self) -> &TcpStream {
        &self.stream
    }

    /// Tokio's stream, and the place under the limits, which is to be kept as long as the stream. A drain does not reach it
    /// any more.
    pub fn into_parts(self) -> (TcpStream, Permit) {
        let Self { enrolled, stream, permit, release, .. } = self;
        drop(enrolled);
        std::mem::forget(release); // it is not closed
        (stream, permit)
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        if result.is_ready() {
            self.permit.ledger().received(buffer.filled().len().saturating_sub(before));
        }
        result
    }
}

impl Connection {
    fn count_sent(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(length)) = &result {
            self.permit.ledger().sent(*length);
        }
        result
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.count_sent(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.count_sent(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.peer_addr())
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
