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
