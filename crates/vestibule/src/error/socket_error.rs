use super::{Operation, describe};
use std::{fmt, io};

/// The kind of an error, with the names, the numbers and the texts of the reference's `QAbstractSocket::SocketError`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(i8)]
pub enum SocketError {
    /// The peer refused the connection, or nobody listens there.
    ConnectionRefused = 0,
    /// The peer closed the connection, or reset it.
    RemoteHostClosed = 1,
    /// The host's address was not found.
    HostNotFound = 2,
    /// The program lacks the privilege, or a firewall forbids it.
    SocketAccess = 3,
    /// The system ran out of descriptors or memory.
    SocketResource = 4,
    /// The operation took longer than its limit.
    SocketTimeout = 5,
    /// A datagram was larger than the system allows.
    DatagramTooLarge = 6,
    /// The network failed.
    Network = 7,
    /// The address and port are in use already.
    AddressInUse = 8,
    /// The address does not belong to this host.
    SocketAddressNotAvailable = 9,
    /// The system, the protocol or the proxy does not support it.
    UnsupportedSocketOperation = 10,
    /// An earlier attempt has not finished.
    UnfinishedSocketOperation = 11,
    /// The proxy wants other credentials.
    ProxyAuthenticationRequired = 12,
    /// The TLS handshake failed.
    SslHandshakeFailed = 13,
    /// The proxy refused the connection.
    ProxyConnectionRefused = 14,
    /// The proxy closed the connection too early.
    ProxyConnectionClosed = 15,
    /// The proxy did not answer in time.
    ProxyConnectionTimeout = 16,
    /// The proxy's name was not found.
    ProxyNotFound = 17,
    /// The proxy answered what the protocol does not allow.
    ProxyProtocol = 18,
    /// The operation is not allowed in this state.
    Operation = 19,
    /// The TLS library failed.
    SslInternal = 20,
    /// Data given to the TLS library is invalid.
    SslInvalidUserData = 21,
    /// A temporary failure: trying again may help.
    Temporary = 22,
    /// An error that is none of the others, or none yet.
    #[default]
    Unknown = -1,
}

impl SocketError {
    /// The kind that an error of the system means for an operation.
    ///
    /// ```
    /// use vestibule::{Operation, SocketError};
    ///
    /// let error = std::io::Error::from(std::io::ErrorKind::AddrInUse);
    /// assert_eq!(SocketError::from_io(&error, Operation::Bind), SocketError::AddressInUse);
    /// ```
    pub fn from_io(error: &io::Error, operation: Operation) -> Self {
        describe(error, operation).0
    }

    /// The reference's number of this kind: 0 to 22, and -1 for `Unknown`.
    pub const fn code(self) -> i32 {
        self as i32
    }

    /// The reference's English text for this kind when nothing more precise is known.
    pub const fn text(self) -> &'static str {
        match self {
            Self::ConnectionRefused => "Connection refused",
            Self::RemoteHostClosed => "The remote host closed the connection",
            Self::HostNotFound => "Host not found",
            Self::SocketAccess => "Permission denied",
            Self::SocketResource => "Out of resources",
            Self::SocketTimeout => "Network operation timed out",
            Self::DatagramTooLarge => "Datagram was too large to send",
            Self::Network => "Network error",
            Self::AddressInUse => "The bound address is already in use",
            Self::SocketAddressNotAvailable => "The address is not available",
            Self::UnsupportedSocketOperation => "Unsupported socket operation",
            Self::UnfinishedSocketOperation => "The last operation has not finished yet",
            Self::ProxyAuthenticationRequired => "Proxy authentication failed",
            Self::SslHandshakeFailed => "TLS handshake failed",
            Self::ProxyConnectionRefused => "Connection to proxy refused",
            Self::ProxyConnectionClosed => "Connection to proxy closed prematurely",
            Self::ProxyConnectionTimeout => "Connection to proxy timed out",
            Self::ProxyNotFound => "Proxy host not found",
            Self::ProxyProtocol => "Proxy protocol error",
            Self::Operation => "Operation not allowed in this state",
            Self::SslInternal => "TLS internal error",
            Self::SslInvalidUserData => "Invalid data for TLS",
            Self::Temporary => "Temporary error",
            Self::Unknown => "Unknown error",
        }
    }
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
