use super::{Operation, SocketError};
use SocketError as E;
use rustix::io::Errno;
use std::io;

/// What an error of the system means for an operation: its kind, and the reference's English text.
pub(crate) fn describe(error: &io::Error, operation: Operation) -> (SocketError, &'static str) {
    let found = match Errno::from_io_error(error) {
        Some(errno) => by_errno(errno, operation),
        None => by_kind(error.kind()),
    };
    found.unwrap_or((E::Unknown, E::Unknown.text()))
}

fn by_errno(errno: Errno, operation: Operation) -> Option<(SocketError, &'static str)> {
    if let Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM = errno {
        return Some(plain(E::SocketResource));
    }
    match operation {
        Operation::CreateSocket => on_create(errno),
        Operation::Bind | Operation::BindSocket | Operation::Listen => on_bind(errno, operation),
        Operation::Connect => on_connect(errno),
        Operation::Accept | Operation::AdoptListener | Operation::AdoptSocket => on_accept(errno),
        _ => on_transfer(errno),
    }
}

fn plain(kind: SocketError) -> (SocketError, &'static str) {
    (kind, kind.text())
}

fn on_create(errno: Errno) -> Option<(SocketError, &'static str)> {
    Some(match errno {
        Errno::PROTONOSUPPORT | Errno::AFNOSUPPORT | Errno::INVAL => {
            (E::UnsupportedSocketOperation, "Protocol type not supported")
        }
        Errno::ACCESS | Errno::PERM => plain(E::SocketAccess),
        _ => return None,
    })
}

fn on_bind(errno: Errno, operation: Operation) -> Option<(SocketError, &'static str)> {
    Some(match errno {
        Errno::ADDRINUSE if operation == Operation::Listen => {
            (E::AddressInUse, "Another socket is already listening on the same port")
        }
        Errno::ADDRINUSE => plain(E::AddressInUse),
        Errno::ACCESS | Errno::PERM => (E::SocketAccess, "The address is protected"),
        Errno::ADDRNOTAVAIL => plain(E::SocketAddressNotAvailable),
        Errno::INVAL | Errno::NODEV => plain(E::UnsupportedSocketOperation),
        _ => return None,
    })
}

fn on_accept(errno: Errno) -> Option<(SocketError, &'static str)> {
    Some(match errno {
        Errno::BADF => (E::UnsupportedSocketOperation, "Invalid socket descriptor"),
        Errno::NOTSOCK | Errno::OPNOTSUPP | Errno::INVAL | Errno::PROTOTYPE | Errno::NOTCONN => {
            plain(E::UnsupportedSocketOperation)
        }
        Errno::CONNABORTED => (E::Network, E::RemoteHostClosed.text()),
        Errno::ACCESS | Errno::PERM => plain(E::SocketAccess),
        _ => return on_transfer(errno),
    })
}

fn on_connect(errno: Errno) -> Option<(SocketError, &'static str)> {
    Some(match errno {
        Errno::TIMEDOUT => (E::SocketTimeout, "Connection timed out"),
        Errno::AGAIN => plain(E::SocketResource), // no port is left, or no thread
        Errno::NETUNREACH | Errno::NETDOWN => (E::Network, "Network unreachable"),
        Errno::HOSTUNREACH | Errno::HOSTDOWN => (E::Network, "Host unreachable"),
        Errno::ADDRINUSE => plain(E::AddressInUse),
        Errno::ADDRNOTAVAIL => plain(E::SocketAddressNotAvailable),
        Errno::AFNOSUPPORT | Errno::INVAL => plain(E::UnsupportedSocketOperation),
        _ => return on_transfer(errno),
    })
}

fn on_transfer(errno: Errno) -> Option<(SocketError, &'static str)> {
    Some(plain(match errno {
        Errno::CONNRESET | Errno::PIPE | Errno::CONNABORTED => E::RemoteHostClosed,
        Errno::CONNREFUSED => E::ConnectionRefused,
        Errno::TIMEDOUT => E::SocketTimeout,
        Errno::NETDOWN | Errno::NETUNREACH | Errno::HOSTDOWN | Errno::HOSTUNREACH | Errno::NETRESET => {
            E::Network
        }
        Errno::ACCESS | Errno::PERM => E::SocketAccess,
        Errno::AGAIN => E::Temporary,
        _ => return None,
    }))
}

fn by_kind(kind: io::ErrorKind) -> Option<(SocketError, &'static str)> {
    use io::ErrorKind as K;
    Some(plain(match kind {
        K::ConnectionRefused => E::ConnectionRefused,
        K::ConnectionReset | K::BrokenPipe | K::ConnectionAborted | K::UnexpectedEof => E::RemoteHostClosed,
        K::PermissionDenied => E::SocketAccess,
        K::OutOfMemory => E::SocketResource,
        K::TimedOut => E::SocketTimeout,
        K::AddrInUse => E::AddressInUse,
        K::AddrNotAvailable => E::SocketAddressNotAvailable,
        K::Unsupported => E::UnsupportedSocketOperation,
        K::HostUnreachable | K::NetworkUnreachable | K::NetworkDown => E::Network,
        K::WouldBlock => E::Temporary,
        _ => return None,
    }))
}
