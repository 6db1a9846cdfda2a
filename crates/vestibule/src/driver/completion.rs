use super::Token;
use rustix::io::Errno;
use std::net::SocketAddr;

/// Something that happened, pulled from a driver.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Completion {
    /// A listener that may accept has clients.
    Acceptable(Token),
    /// The attempt to connect has succeeded: this is the peer.
    Connected(Token, SocketAddr),
    /// So many bytes stand at the beginning of the buffer that was given.
    Received(Token, usize),
    /// There is room to send again.
    Writable(Token),
    /// The peer sends nothing more.
    Ended(Token),
    /// Accepting failed, or the connection did, or the attempt to make one.
    Failed(Token, Errno),
    /// The connection failed; why can be asked for, as long as it is not removed.
    Broken(Token),
    /// Another thread wants the loop's attention.
    Woken,
}

/// What one object is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interest {
    pub(crate) token: Token,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer's end, when no unread bytes precede it; for a connection that is not to be received from.
    pub(crate) end: bool,
}

impl Interest {
    pub(crate) fn readable(token: Token) -> Self {
        Self { token, readable: true, writable: false, end: false }
    }

    pub(crate) fn writable(token: Token) -> Self {
        Self { token, readable: false, writable: true, end: false }
    }
}

/// What a wait found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Readiness {
    pub(crate) token: Token,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The connection ended or broke, which receiving cannot tell because it is not to be done.
    pub(crate) over: Option<Over>,
}

/// How a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Ended,
    Failed(Errno),
}
