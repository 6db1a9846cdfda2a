use super::connection::Connection;
use super::options::Options;
use super::queue::Queue;
use super::shared::Shared;
use crate::address::Endpoint;
use crate::driver::{check_listening, local_address, open_listener};
use crate::error::{Error, Operation, Result, SocketError};
use crate::server::ServerHandle;
use crate::sync::{Ordering, lock};
use ::tokio::runtime::Id;
use ::tokio::time::Sleep;
use futures_core::Stream;
use std::fmt;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Listens, and lets in whom its [limits](Options::limits) allow: tokio's `TcpListener` as a front door.
///
/// [`accept`](Self::accept) gives connection after connection. It never fails for one client's sake, and never spins: when
/// descriptors or memory run out, it waits, and goes on the moment something is released. [`handle`](Self::handle) pauses,
/// drains, limits and counts from anywhere.
///
/// It belongs to the runtime in which it is polled, which needs its clock (`enable_all`, or `enable_io` and `enable_time`). Orders
/// and drains are seen to by a task in the one that polled it first, which has to run, or to end.
pub struct Listener {
    pub(super) shared: Arc<Shared>,
    pub(super) options: Options,
    pub(super) number: usize,
    pub(super) queues: Vec<Queue>,
    /// Which queue is looked at first.
    pub(super) next: usize,
    pub(super) sleep: Option<Pin<Box<Sleep>>>,
    /// Who is called when something has changed from outside.
    pub(super) called: Option<Waker>,
    /// Where it was polled last.
    pub(super) runtime: Option<Id>,
}

impl Listener {
    /// Listens on an [`Endpoint`], or a text such as `"127.0.0.1:0"` or `"*:7777"`. Does not block, and needs no runtime yet.
    ///
    /// # Errors
    ///
    /// When the text is no endpoint, and as [`TcpServer::listen`](crate::TcpServer::listen).
    pub fn bind<E>(endpoint: E, options: Options) -> Result<Self>
    where
        E: TryInto<Endpoint>,
        Error: From<E::Error>,
    {
        let mut listener = Self::new(options);
        listener.add(endpoint)?;
        Ok(listener)
    }

    /// Listens on another address as well: the clients of all come through the one door, in turn.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind); the others are not disturbed.
    pub fn add<E>(&mut self, endpoint: E) -> Result<()>
    where
        E: TryInto<Endpoint>,
        Error: From<E::Error>,
    {
        let request = self.options.request(endpoint.try_into().map_err(Error::from)?);
        if lock(&self.shared.door).closed {
            let words = "the listener is closed";
            return Err(Error::said(Operation::Listen, SocketError::Operation, words).at(request.endpoint));
        }
        let (descriptor, endpoint) =
            open_listener(&request).map_err(|failure| failure.at(request.endpoint))?;
        self.add_queue(descriptor, endpoint, true);
        Ok(())
    }

    /// Takes over a listener of `std`.
    ///
    /// # Errors
    ///
    /// As [`from_descriptor`](Self::from_descriptor).
    pub fn from_std(listener: std::net::TcpListener, options: Options) -> Result<Self> {
        Self::from_descriptor(listener.into(), options)
    }

    /// Takes over a descriptor that listens, from systemd or a parent process. It becomes close-on-exec and non-blocking.
    ///
    /// # Errors
    ///
    /// `UnsupportedSocketOperation` when it is no listening stream socket of IPv4 or IPv6; the error gives the descriptor back,
    /// see [`Error::into_descriptor`].
    pub fn from_descriptor(descriptor: OwnedFd, options: Options) -> Result<Self> {
        match check_listening(&descriptor) {
            Ok(endpoint) => {
                let mut listener = Self::new(options);
                listener.add_queue(descriptor, endpoint, false);
                Ok(listener)
            }
            Err(errno) => {
                let error = Error::system(Operation::AdoptListener, errno.into());
                Err(error.with_descriptor(descriptor))
            }
        }
    }

    fn new(options: Options) -> Self {
        let shared = Shared::new(options.limits.clone());
        Self::of(&shared, options)
    }

    /// Another listener of the same door.
    pub(super) fn of(shared: &Arc<Shared>, options: Options) -> Self {
        let (shared, number) = (Arc::clone(shared), shared.join());
        Self {
            shared,
            options,
            number,
            queues: Vec::new(),
            next: 0,
            sleep: None,
            called: None,
            runtime: None,
        }
    }

    pub(super) fn add_queue(&mut self, descriptor: OwnedFd, endpoint: Endpoint, own: bool) {
        let descriptor = Arc::new(descriptor);
        let leftovers = self.shared.queues.add(&descriptor, own);
        self.queues.push(Queue::new(descriptor, endpoint, leftovers));
    }

    /// Where it listens, as the system says it: `[::]:port` for a dual-stack listener.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.queues.iter().filter_map(|queue| local_address(queue.descriptor.as_fd())).collect()
    }

    /// Pauses, drains, limits and counts, from any thread or task.
    ///
    /// A drain serves the clients in the kernel's queue (or refuses them, by choice), for half of its time at most, then
    /// [`accept`](Self::accept) tells the end; connections are told by [`Connection::draining`], and are cut at the deadline. The listener need not be polled any
    /// more then, but its runtime has to run. [`call`](ServerHandle::call) is for servers of the other face: here its
    /// answer is an error. In a task, await the answers; [`wait`](crate::Answer::wait) blocks the thread.
    pub fn handle(&self) -> ServerHandle {
        self.shared.is_watched.store(true, Ordering::Relaxed);
        ServerHandle::new(Arc::clone(&self.shared.desk), Arc::clone(&self.shared.ledger))
    }

    /// Comes to an end when nobody comes in any more: the listener was stopped, or a drain has emptied its queue.
    ///
    /// What `with_graceful_shutdown` of axum wants: then it ends the connections that have no request under way.
    pub fn closed(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut closed = self.shared.closed.subscribe();
        async move {
            // Without a sender there is no listener either.
            let _ = closed.wait_for(|closed| *closed).await;
        }
    }

    /// The next connection; `None` when there will be none: the listener was stopped, or has drained its queue.
    ///
    /// # Cancel safety
    ///
    /// It is cancel safe: a future that is dropped has accepted nobody.
    ///
    /// # Errors
    ///
    /// Once, when a listening descriptor is broken; then the listener is closed. Nothing else is an error: what concerns one
    /// client is passed over, and what concerns the process is waited for.
    ///
    /// # Panics
    ///
    /// Outside of a runtime of tokio's, and in one without a reactor or a clock, as tokio's own.
    pub async fn accept(&mut self) -> Result<Option<Connection>> {
        std::future::poll_fn(|context| self.poll_accept(context)).await
    }
}

/// The connections as a stream, which ends when there will be none; its items are those of [`accept`](Self::accept).
impl Stream for Listener {
    type Item = Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_accept(context).map(Result::transpose)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.queues.clear();
        self.shared.leave(self.number);
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("local_addrs", &self.local_addrs()).finish_non_exhaustive()
    }
}
