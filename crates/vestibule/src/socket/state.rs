use std::fmt;

/// What a socket is doing; the reference's `QAbstractSocket::SocketState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum SocketState {
    /// There is no connection.
    Unconnected = 0,
    /// The peer's name is being looked up.
    HostLookup = 1,
    /// A connection is being made.
    Connecting = 2,
    /// The connection stands.
    Connected = 3,
    /// The socket is bound to an address.
    Bound = 4,
    /// For internal use in the reference; no socket here is in this state.
    Listening = 5,
    /// What was written is still being sent, then the connection ends.
    Closing = 6,
}

impl fmt::Display for SocketState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unconnected => "unconnected",
            Self::HostLookup => "looking up the host",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Bound => "bound",
            Self::Listening => "listening",
            Self::Closing => "closing",
        })
    }
}
