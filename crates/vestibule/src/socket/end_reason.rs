use std::fmt;

/// What ended a connection; [`TcpSocket::end_reason`](crate::TcpSocket::end_reason) tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// The program: `disconnect_from_host`, `close` or `abort`.
    Here,
    /// The peer, which ended it in order.
    Peer,
    /// It broke, which [`error`](crate::TcpSocket::error) tells more of.
    Broken,
    /// The peer has not sent a byte in [time](crate::Timeouts::first_byte).
    NoFirstByte,
    /// Nothing was received or sent for [too long](crate::Timeouts::idle).
    Idle,
    /// It has lasted as long as a connection [may](crate::Timeouts::lifetime).
    TooOld,
    /// It was slower than a connection [must be](crate::Timeouts::min_progress).
    TooSlow,
    /// The server was draining, and the connection had nothing to do.
    Drained,
    /// The server was draining, and the deadline had come.
    CutByDrain,
    /// A slot of the socket has panicked, which was [contained](crate::EventLoop::contain_panics).
    Panicked,
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Here => "it was ended here",
            Self::Peer => "the peer has ended it",
            Self::Broken => "it broke",
            Self::NoFirstByte => "the peer sent nothing in time",
            Self::Idle => "it was idle for too long",
            Self::TooOld => "it has lasted as long as it may",
            Self::TooSlow => "it was too slow",
            Self::Drained => "the server is draining, and it had nothing to do",
            Self::CutByDrain => "the server had drained for as long as it may",
            Self::Panicked => "a slot has panicked",
        })
    }
}
