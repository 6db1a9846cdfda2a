use super::Error;
use std::fmt;

/// A call that took something and failed: why, and what it took.
///
/// ```
/// # use vestibule::{EventLoop, Rejected, TcpServer, TcpSocket};
/// fn keep(server: &TcpServer, socket: TcpSocket) -> Option<TcpSocket> {
///     match server.add_pending_connection(socket) {
///         Ok(()) => None,
///         Err(Rejected { error, value }) => {
///             eprintln!("{error}");
///             Some(value)
///         }
///     }
/// }
/// ```
pub struct Rejected<T> {
    /// Why it failed.
    pub error: Error,
    /// What the call had taken.
    pub value: T,
}

impl<T> fmt::Display for Rejected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T> fmt::Debug for Rejected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T> std::error::Error for Rejected<T> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.error)
    }
}

/// Gives up what the call had taken and keeps the error.
impl<T> From<Rejected<T>> for Error {
    fn from(rejected: Rejected<T>) -> Self {
        rejected.error
    }
}
