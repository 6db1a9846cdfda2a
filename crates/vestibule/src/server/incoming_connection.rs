use crate::address::HostAddress;
use crate::driver::Transport;
use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

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
    peer: SocketAddr,
    local: Option<SocketAddr>,
}

impl IncomingConnection {
    pub(crate) fn new(transport: Transport, peer: SocketAddr, local: Option<SocketAddr>) -> Self {
        Self { transport, peer, local }
    }

    pub(crate) fn into_parts(self) -> (Transport, SocketAddr) {
        (self.transport, self.peer)
    }

    /// The same connection, now in the program's hands.
    pub(super) fn shared(self) -> Self {
        Self { transport: self.transport.into_shared(), ..self }
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

    /// The address and port on this side. No system call where the server listens on a single address.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local.or_else(|| rustix::net::getsockname(&self.transport).ok()?.try_into().ok())
    }
}

impl AsFd for IncomingConnection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.transport.as_fd()
    }
}

impl From<IncomingConnection> for OwnedFd {
    fn from(connection: IncomingConnection) -> Self {
        connection.transport.into()
    }
}

/// The stream is blocking, as streams of `std` are.
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
