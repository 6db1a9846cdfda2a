use super::core::ServerCore;
use super::listen_options::ListenOptions;
use super::refusing::RefusedClient;
use super::state::ServerState;
use super::weak::WeakTcpServer;
use crate::address::Endpoint;
use crate::driver::Driver;
use crate::error::{Error, Result, SocketError};
use crate::event_loop::{EventLoop, Timeouts};
use crate::signal::Signal;
use std::fmt;
use std::rc::Rc;

/// Listens on an address and hands out the connections that come; the reference's `QTcpServer`.
///
/// With a loop, [`new_connection`](Self::new_connection) tells each one, and
/// [`next_pending_connection`](Self::next_pending_connection) gives it. Without one, a
/// [standalone](Self::standalone) server [waits](Self::wait_for_new_connection). With
/// [`set_incoming_connection`](Self::set_incoming_connection) connections go elsewhere, other threads included.
///
/// The server accepts at most [`max_pending_connections`](Self::max_pending_connections) that nobody has taken; the
/// others wait in the kernel's queue. A connection that fails while it is accepted concerns nobody else. When descriptors
/// or memory run out, the server tells [`accept_error`](Self::accept_error) once, uses no CPU meanwhile, and goes on by
/// itself.
///
/// Dropping the server closes it: pending connections, and sockets whose [parent](crate::TcpSocket::set_parent) it is,
/// end gracefully. That is safe inside its own slots. A slot gets a `&TcpServer` whose drop does nothing; once the
/// owner is gone it answers like a closed server.
///
/// # Examples
///
/// ```
/// # use std::{io::Read, net::TcpStream, time::Duration};
/// use vestibule::{EventLoop, HostAddress, TcpServer};
///
/// let event_loop = EventLoop::new()?;
/// let server = TcpServer::new(&event_loop);
/// server.new_connection().connect(|server| {
///     while let Some(socket) = server.next_pending_connection() {
///         socket.write(b"You will be hungry again in one hour.\n");
///         socket.disconnect_from_host();
///     }
/// });
/// server.listen(HostAddress::ANY, 0)?;
/// println!("listening on port {}", server.server_port());
/// # let mut client = TcpStream::connect(("127.0.0.1", server.server_port()))?;
/// # event_loop.process_events(Some(Duration::from_secs(5)))?;
/// # let mut fortune = String::new();
/// # client.read_to_string(&mut fortune)?;
/// # assert!(fortune.starts_with("You will"));
/// # event_loop.quit();
/// event_loop.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Servers stay on the thread of their loop:
///
/// ```compile_fail
/// fn send<T: Send>() {}
/// send::<vestibule::TcpServer>();
/// ```
pub struct TcpServer {
    core: Rc<ServerCore>,
    /// False for a server that is lent to a slot.
    owner: bool,
}

impl TcpServer {
    /// A server that does not listen yet, on a loop.
    pub fn new(event_loop: &EventLoop) -> Self {
        Self { core: ServerCore::new(event_loop.core()), owner: true }
    }

    /// A server that listens: on an [`Endpoint`], or a text such as `"127.0.0.1:0"`, `"[::1]:7777"` or `"*:7777"`.
    ///
    /// # Errors
    ///
    /// When the text is no endpoint, and as [`listen`](Self::listen).
    pub fn bind<E>(event_loop: &EventLoop, endpoint: E) -> Result<Self>
    where
        E: TryInto<Endpoint>,
        Error: From<E::Error>,
    {
        let endpoint = endpoint.try_into().map_err(Error::from)?;
        let server = Self::new(event_loop);
        server.listen_with(ListenOptions::new(endpoint))?;
        Ok(server)
    }

    /// A server for blocking use, on a loop of its own whose descriptors are made only if they are needed.
    ///
    /// # Errors
    ///
    /// None so far; another driver may need something that is not to be had.
    #[allow(clippy::unnecessary_wraps, reason = "a driver that is not epoll has to make something first")]
    pub fn standalone() -> Result<Self> {
        let event_loop = EventLoop::on(Driver::os());
        let server = Self::new(&event_loop);
        server.core.private_loop.replace(Some(event_loop));
        Ok(server)
    }

    pub(super) fn lent(core: Rc<ServerCore>) -> Self {
        Self { core, owner: false }
    }

    pub(crate) fn core(&self) -> &Rc<ServerCore> {
        &self.core
    }

    /// The loop of this server, for sockets and timers that belong to it.
    ///
    /// The result holds the loop: a slot of the server should not keep it.
    pub fn event_loop(&self) -> EventLoop {
        EventLoop::lent(&self.core.event_loop).clone()
    }

    /// A handle that does not keep the server: what slots of other objects should capture.
    pub fn downgrade(&self) -> WeakTcpServer {
        WeakTcpServer::new(Rc::downgrade(&self.core))
    }

    /// A connection was accepted, and the hook has returned. Told once for each.
    #[must_use]
    pub fn new_connection(&self) -> &Signal<Self> {
        &self.core.new_connection
    }

    /// A connection was appended to the pending ones; told before `new_connection`.
    #[must_use]
    pub fn pending_connection_available(&self) -> &Signal<Self> {
        &self.core.pending_connection_available
    }

    /// Accepting failed, in a way that concerns more than one connection.
    ///
    /// `SocketResource`: descriptors or memory ran out; told once until a connection is accepted again, which the server
    /// tries by itself when a descriptor is released here, and at least every 500 ms. `Unknown`: an error that the system
    /// does not document, treated alike. Others: the listener is broken, and the server has stopped listening.
    ///
    /// Of a server that listens through a proxy: why the proxy does not let clients come, such as `ProxyConnectionClosed` when
    /// it was lost; told once, until as many [BINDs](crate::ListenOptions::proxy_binds) stand as are wanted. The server asks
    /// again by itself, after 5 ms and then more, at least every 500 ms.
    #[must_use]
    pub fn accept_error(&self) -> &Signal<Self, SocketError> {
        &self.core.accept_error
    }

    /// The server's [state](ServerState) became another; told in the loop's next turn, each change by itself (the
    /// last thousand, should nobody take turns).
    #[must_use]
    pub fn state_changed(&self) -> &Signal<Self, ServerState> {
        &self.core.state_changed
    }

    /// A client was accepted and not let in, see [`Limits`](crate::Limits).
    #[must_use]
    pub fn refused(&self) -> &Signal<Self, RefusedClient> {
        &self.core.refused
    }

    /// Limits how long connections may take for what, from the moment at which a socket is made of one. Those that were
    /// made before keep theirs.
    pub fn set_timeouts(&self, timeouts: Timeouts) {
        self.core.timeouts.set(timeouts);
    }

    /// The time-outs of connections to come. Default: none.
    pub fn timeouts(&self) -> Timeouts {
        self.core.timeouts.get()
    }

    /// The last error that occurred, `Unknown` before the first; success does not clear it. The reference's
    /// `serverError`.
    pub fn server_error(&self) -> SocketError {
        self.core.last_error.get()
    }

    /// The last error in the reference's English text, empty before the first; the reference's `errorString`.
    pub fn error_string(&self) -> &'static str {
        self.core.error_text.get()
    }

    /// How many clients the kernel queues, for the next [`listen`](Self::listen); the reference's
    /// `listenBacklogSize`.
    ///
    /// Default: `u32::MAX`, which the system cuts to what it allows (on Linux `net.core.somaxconn`).
    pub fn listen_backlog_size(&self) -> u32 {
        self.core.backlog.get()
    }

    /// Sets how many clients the kernel queues, from the next [`listen`](Self::listen) on; the reference's
    /// `setListenBacklogSize`.
    pub fn set_listen_backlog_size(&self, size: u32) {
        self.core.backlog.set(size);
    }

    /// The server's name, for the program's own use; the reference's `objectName`.
    pub fn object_name(&self) -> String {
        self.core.object_name.borrow().clone()
    }

    /// Names the server; the reference's `setObjectName`.
    pub fn set_object_name(&self, name: impl Into<String>) {
        let earlier = self.core.object_name.replace(name.into());
        drop(earlier);
    }
}

impl Drop for TcpServer {
    fn drop(&mut self) {
        if self.owner {
            self.core.end();
        }
    }
}

impl fmt::Debug for TcpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpServer")
            .field("listening", &self.is_listening())
            .field("address", &self.server_address())
            .field("port", &self.server_port())
            .field("pending", &self.core.pending.borrow().len())
            .finish_non_exhaustive()
    }
}
