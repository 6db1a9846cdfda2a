use std::time::Duration;

/// How long a connection may take for what; nothing is limited at first.
///
/// [`TcpServer::set_timeouts`](crate::TcpServer::set_timeouts) sets them for the sockets that a server hands out,
/// [`TcpSocket::set_timeouts`](crate::TcpSocket::set_timeouts) for one. A connection that exceeds one is ended by force:
/// `error_occurred` tells `SocketTimeout`, and in a slot of `disconnected`
/// [`end_reason`](crate::TcpSocket::end_reason) tells which.
///
/// ```
/// use std::time::Duration;
/// use vestibule::{EventLoop, TcpServer, Timeouts};
///
/// let event_loop = EventLoop::new()?;
/// let server = TcpServer::bind(&event_loop, "127.0.0.1:0")?;
/// let timeouts = Timeouts::new().first_byte(Duration::from_secs(5)).idle(Duration::from_secs(60));
/// server.set_timeouts(timeouts);
/// # Ok::<(), vestibule::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Timeouts {
    pub(super) first_byte: Option<Duration>,
    pub(super) idle: Option<Duration>,
    pub(super) life: Option<Duration>,
    pub(super) progress: Option<Progress>,
}

/// How fast a connection has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) bytes_a_second: u32,
    pub(super) grace: Duration,
}

impl Timeouts {
    /// No limit.
    pub fn new() -> Self {
        Self::default()
    }

    /// Until the peer sends its first byte, counted from when the socket got its time-outs.
    pub fn first_byte(self, limit: Duration) -> Self {
        Self { first_byte: Some(limit), ..self }
    }

    /// During which no byte is received, and none leaves.
    pub fn idle(self, limit: Duration) -> Self {
        Self { idle: Some(limit), ..self }
    }

    /// For the whole connection, whatever it does, counted from when the socket got its time-outs.
    pub fn lifetime(self, limit: Duration) -> Self {
        Self { life: Some(limit), ..self }
    }

    /// The speed that a connection must keep, on average over each stretch of `grace`: so many bytes a second, received
    /// and sent together; but while something is unsent all the time, what leaves alone counts, because then the peer
    /// does not take it.
    ///
    /// This ends peers that trickle a byte now and then to keep a connection, in either direction, which no idle time-out
    /// finds. It also ends those that rightly have nothing to say: where connections rest between messages, set it on the
    /// socket while a message is under way.
    ///
    /// A grace time of zero is one millisecond; 0 bytes a second are no limit.
    pub fn min_progress(self, bytes_a_second: u32, grace: Duration) -> Self {
        let grace = if grace.is_zero() { Duration::from_millis(1) } else { grace };
        let progress = (bytes_a_second > 0).then_some(Progress { bytes_a_second, grace });
        Self { progress, ..self }
    }

    /// Whether anything is limited.
    pub fn is_limited(&self) -> bool {
        *self != Self::default()
    }
}
