use crate::address::Endpoint;
use crate::driver::ListenRequest;
use std::time::Duration;

/// Where and how a server is to listen, for [`TcpServer::listen_with`](crate::TcpServer::listen_with).
///
/// ```
/// use vestibule::{EventLoop, HostAddress, ListenOptions, TcpServer};
///
/// let event_loop = EventLoop::new()?;
/// let server = TcpServer::new(&event_loop);
/// server.listen_with(ListenOptions::new((HostAddress::LOCALHOST, 0)).no_delay(false).backlog(16))?;
/// # Ok::<(), vestibule::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct ListenOptions {
    pub(super) endpoint: Endpoint,
    pub(super) no_delay: bool,
    pub(super) reuse_port: bool,
    pub(super) backlog: Option<u32>,
    pub(super) defer_accept: Option<Duration>,
    pub(super) in_background: bool,
    pub(super) proxy_binds: usize,
    pub(super) proxy_timeout: Duration,
}

impl ListenOptions {
    /// The defaults, for an address and a port.
    pub fn new(endpoint: impl Into<Endpoint>) -> Self {
        Self {
            endpoint: endpoint.into(),
            no_delay: true,
            reuse_port: false,
            backlog: None,
            defer_accept: None,
            in_background: false,
            proxy_binds: 1,
            proxy_timeout: Duration::from_secs(5),
        }
    }

    /// The same elsewhere.
    pub(crate) fn at(self, endpoint: Endpoint) -> Self {
        Self { endpoint, ..self }
    }

    /// Whether accepted connections send small packets at once (`TCP_NODELAY`), which they inherit from the listener.
    /// Default: true, because sockets gather what is written in a turn themselves.
    pub fn no_delay(self, no_delay: bool) -> Self {
        Self { no_delay, ..self }
    }

    /// Whether other sockets may listen on the same address and port and share its clients (`SO_REUSEPORT`). Default:
    /// false.
    pub fn reuse_port(self, reuse_port: bool) -> Self {
        Self { reuse_port, ..self }
    }

    /// Lets the kernel keep a client for itself until its first bytes are there, at most about so long; then the client is
    /// accepted without any (`TCP_DEFER_ACCEPT`, on Linux; elsewhere it changes nothing). Default: not.
    ///
    /// It saves a little for protocols in which the client speaks first. A server that speaks first must not use it: its
    /// clients would wait in vain.
    pub fn defer_accept(self, limit: Duration) -> Self {
        Self { defer_accept: Some(limit), ..self }
    }

    /// How many clients the kernel queues before it lets them wait outside; the system cuts it to what it allows (on
    /// Linux `net.core.somaxconn`). Default: the server's
    /// [`listen_backlog_size`](crate::TcpServer::listen_backlog_size).
    pub fn backlog(self, backlog: u32) -> Self {
        Self { backlog: Some(backlog), ..self }
    }

    /// Whether listening through a proxy, which blocks otherwise until the proxy has answered, goes on in the background: the
    /// call returns at once, the state is [`Starting`](crate::ServerState::Starting), and
    /// [`listening_changed`](crate::TcpServer::listening_changed) tells the end. Default: false. Without a proxy nothing blocks,
    /// and an error is returned by the call.
    pub fn in_background(self, in_background: bool) -> Self {
        Self { in_background, ..self }
    }

    /// How many clients a proxy is to wait for at the same time. Default: 1.
    ///
    /// A SOCKS5 proxy lets in one client for each BIND, so so many can come at once; as many wait there when the server accepts
    /// none. Each is a connection to the proxy. All are asked for at the same port, but many proxies give each a port of its own:
    /// [`bound_addresses`](crate::TcpServer::bound_addresses) tells all.
    pub fn proxy_binds(self, number: usize) -> Self {
        Self { proxy_binds: number, ..self }
    }

    /// How long a proxy may take to answer, from the connection to it on. Default: 5 s.
    pub fn proxy_timeout(self, limit: Duration) -> Self {
        Self { proxy_timeout: limit, ..self }
    }
}

/// What the driver is asked for; the backlog is as long as the system allows, unless it is said.
impl From<ListenOptions> for ListenRequest {
    fn from(options: ListenOptions) -> Self {
        Self {
            endpoint: options.endpoint,
            backlog: options.backlog.unwrap_or(u32::MAX),
            no_delay: options.no_delay,
            reuse_port: options.reuse_port,
            defer_accept: options.defer_accept,
        }
    }
}
