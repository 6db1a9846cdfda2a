use crate::address::Endpoint;
use crate::admission::Limits;
use crate::driver::ListenRequest;
use std::time::Duration;

/// How a [`Listener`](super::Listener) is to listen, and whom it lets in.
///
/// ```
/// use std::time::Duration;
/// use vestibule::tokio::Options;
/// use vestibule::{Limits, Rate};
///
/// let limits = Limits::new().max_connections(5_000).max_connections_per_source(20).rate(Rate::per_second(500));
/// let options = Options::new().limits(limits).backlog(1_024);
/// # let _ = options;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Options {
    pub(super) limits: Limits,
    no_delay: bool,
    pub(super) reuse_port: bool,
    backlog: Option<u32>,
    defer_accept: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            no_delay: true,
            reuse_port: false,
            backlog: None,
            defer_accept: None,
        }
    }
}

impl Options {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whom the listener lets in. Default: everybody.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Whether connections send small packets at once (`TCP_NODELAY`), which they inherit from the listener. Default: true.
    pub fn no_delay(self, no_delay: bool) -> Self {
        Self { no_delay, ..self }
    }

    /// Whether other sockets may listen on the same address and port and share its clients (`SO_REUSEPORT`). Default: false.
    pub fn reuse_port(self, reuse_port: bool) -> Self {
        Self { reuse_port, ..self }
    }

    /// How many clients the kernel queues. Default: as many as the system allows.
    pub fn backlog(self, backlog: u32) -> Self {
        Self { backlog: Some(backlog), ..self }
    }

    /// See [`ListenOptions::defer_accept`](crate::ListenOptions::defer_accept). Default: not.
    pub fn defer_accept(self, limit: Duration) -> Self {
        Self { defer_accept: Some(limit), ..self }
    }

    pub(super) fn request(&self, endpoint: Endpoint) -> ListenRequest {
        ListenRequest {
            endpoint,
            backlog: self.backlog.unwrap_or(u32::MAX),
            no_delay: self.no_delay,
            reuse_port: self.reuse_port,
            defer_accept: self.defer_accept,
        }
    }
}
