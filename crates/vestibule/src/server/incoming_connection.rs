use crate::address::HostAddress;
use crate::admission::Permit;
use crate::driver::Transport;
use crate::event_loop::{LoopCore, Timeouts};
use crate::socket::{SocketCore, TcpSocket};
use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

/// A connection that was accepted and is not a socket yet: what
/// [`set_incoming_connection`](crate::TcpServer::set_incoming_connection) hands out.
///
/// It owns its descriptor, which is close-on-exec and blocking, and it can be sent to another thread. There it becomes
/// a [`TcpSocket`](crate::TcpSocket) of that thread's loop, or a plain [`TcpStream`]. Dropping it closes the connection.
///
/// ```
/// use std::io::Write;
/// use std::net::TcpStream;
/// use vestibule::{EventLoop, IncomingConnection, TcpServer};
///
/// let event_loop = EventLoop::new()?;
/// let server = TcpServer::bind(&event_loop, "127.0.0.1:0")?;
/// server.set_incoming_connection(|_: &TcpServer, connection: IncomingConnection| {
///     std::thread::spawn(move || {
///         let peer = connection.peer_addr();
///         let _ = write!(TcpStream::from(connection), "welcome, {peer}\n");
///     });
/// });
/// # Ok::<(), vestibule::Error>(())
/// ```
pub struct IncomingConnection {
    transport: Transport,
    /// Given back when the descriptor is closed.
    permit: Permit,
    peer: SocketAddr,
    local: Option<SocketAddr>,
    /// Whether the system knows other addresses than these, because a proxy is in between.
    through_proxy: bool,
    /// There only if anything is limited.
    timeouts: Option<Box<Timeouts>>,
    #[cfg(feature = "tracing")]
    span: Box<tracing::Span>,
}

impl IncomingConnection {
    pub(crate) fn new(
        transport: Transport,
        permit: Permit,
        peer: SocketAddr,
        local: Option<SocketAddr>,
        timeouts: Timeouts,
    ) -> Self {
        Self {
            transport,
            permit,
            peer,
            local,
            through_proxy: false,
            timeouts: timeouts.is_limited().then(|| Box::new(timeouts)),
            #[cfg(feature = "tracing")]
            span: Box::new(tracing::info_span!(target: "vestibule", "connection", %peer)),
        }
    }

    /// The same, of a client that came through a proxy.
    pub(crate) fn through_proxy(self) -> Self {
        Self { through_proxy: true, ..self }
    }

    /// A socket of the connection, on a loop.
    pub(crate) fn into_socket(self, event_loop: &Rc<LoopCore>) -> TcpSocket {
        let transport = self.transport.with_permit(Some(self.permit));
        let socket = TcpSocket::owning(SocketCore::adopt(event_loop, transport, self.peer));
        if self.through_proxy {
            socket.core().set_local(self.local);
        }
        #[cfg(feature = "tracing")]
        socket.set_span(self.span);
        if let Some(timeouts) = self.timeouts {
            socket.set_timeouts(*timeouts);
        }
        socket
    }

    /// The connection as a stream of `std`, and its place among the open connections of the server, which is to be kept
    /// as long as the stream.
    ///
    /// ```
    /// use std::{io::Write, thread};
    /// use vestibule::{EventLoop, IncomingConnection, Limits, TcpServer};
    ///
    /// let event_loop = EventLoop::new()?;
    /// let server = TcpServer::bind(&event_loop, "127.0.0.1:0")?;
    /// server.set_limits(Limits::new().max_connections(50)); // so never more than 50 threads
    /// server.set_incoming_connection(|_: &TcpServer, connection: IncomingConnection| {
    ///     let (mut stream, permit) = connection.into_parts();
    ///     thread::spawn(move || {
    ///         let _ = stream.write_all(b"served in a thread\n");
    ///         drop(stream);
    ///         drop(permit); // now the next client may come in
    ///     });
    /// });
    /// # Ok::<(), vestibule::Error>(())
    /// ```
    pub fn into_parts(self) -> (TcpStream, Permit) {
        (self.transport.into_descriptor().into(), self.permit)
    }

    /// The same connection, now in the program's hands.
    pub(crate) fn shared(self) -> Self {
        Self { transport: self.transport.into_shared(), ..self }
    }

    /// The span of the connection, in which the slots of its socket will run: `connection`, with the peer's address. A thread
    /// that goes on with the connection without a socket can enter it.
    #[cfg(feature = "tracing")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
    pub fn span(&self) -> &tracing::Span {
        &self.span
    }

    /// The peer's address and port.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// The peer's address; the reference's `peerAddress`.
    pub fn peer_address(&self) -> HostAddress {
        self.peer.into()
    }

    /// The peer's port; the reference's `peerPort`.
    pub fn peer_port(&self) -> u16 {
        self.peer.port()
    }

    /// The address and port on this side; of a client that came through a proxy, the address that it came to. No system call
    /// where the server listens on a single address.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local.or_else(|| rustix::net::getsockname(&self.transport).ok()?.try_into().ok())
    }
}

impl AsFd for IncomingConnection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.transport.as_fd()
    }
}

/// The descriptor alone: limits count the connection no more, see [`IncomingConnection::into_parts`].
impl From<IncomingConnection> for OwnedFd {
    fn from(connection: IncomingConnection) -> Self {
        connection.transport.into_descriptor()
    }
}

/// The stream is blocking, as streams of `std` are. Limits count the connection no more, see
/// [`IncomingConnection::into_parts`].
impl From<IncomingConnection> for TcpStream {
    fn from(connection: IncomingConnection) -> Self {
        OwnedFd::from(connection).into()
    }
}

impl fmt::Debug for IncomingConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingConnection").field("peer", &self.peer).finish_non_exhaustive()
    }
}
