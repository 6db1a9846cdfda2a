use super::route::Route;
use crate::error::{Error, Operation, SocketError};
use crate::proxy::{BindFault, ProxyRefusal};
use rustix::io::Errno;
use std::io;

/// Why an attempt to connect is over.
#[derive(Debug)]
pub(super) enum Failure {
    /// The addresses of a host could not be found, or looked for.
    NotFound(io::Error),
    System(Errno),
    /// No proxy of those that are to be used can do it.
    NoWay,
    /// The proxy does not do it, or cannot even be asked.
    Refused(ProxyRefusal),
    /// The proxy has ended the connection while it was talked to.
    ProxyEnded,
}

impl Failure {
    /// As an error, of an attempt on this route.
    pub(super) fn into_error(self, route: Option<&Route>) -> Error {
        let error = match self {
            Self::System(errno) => system(errno, route),
            Self::NotFound(error) if Errno::from_io_error(&error).is_some() => {
                Error::system(Operation::Connect, error)
            }
            Self::NotFound(error) => {
                let of_proxy = route.is_some_and(Route::is_to_proxy);
                let kind = if of_proxy { SocketError::ProxyNotFound } else { SocketError::HostNotFound };
                Error::system(Operation::Connect, error).of_kind(kind)
            }
            Self::NoWay => Error::no_proxy_can(Operation::Connect),
            Self::Refused(refusal) => {
                Error::said(Operation::Connect, refusal.kind, refusal.words).with_text(refusal.text)
            }
            Self::ProxyEnded => {
                let words = "the proxy closed the connection";
                Error::said(Operation::Connect, SocketError::ProxyConnectionClosed, words)
            }
        };
        match route {
            Some(route) => error.through(&route.proxy),
            None => error,
        }
    }

    /// What of this may be for what the proxy was asked for.
    pub(super) fn fault(&self, route: Option<&Route>) -> BindFault {
        match self {
            Self::Refused(refusal) if refusal.answered => BindFault::Refused,
            _ if route.is_some_and(Route::is_asking) => BindFault::Unanswered,
            _ => BindFault::Other,
        }
    }
}

/// An error of the connection to the host, or to the proxy.
fn system(errno: Errno, route: Option<&Route>) -> Error {
    let error = Error::system(Operation::Connect, errno.into());
    let Some(route) = route.filter(|route| route.is_to_proxy()) else {
        let kind = error.kind();
        return error.of_kind(kind); // with the text of the kind, as a socket has it
    };
    match errno {
        _ if route.bound.is_some() => error.of_kind(SocketError::ProxyConnectionClosed),
        Errno::CONNREFUSED => error.of_kind(SocketError::ProxyConnectionRefused),
        Errno::CONNRESET | Errno::CONNABORTED | Errno::PIPE => {
            error.of_kind(SocketError::ProxyConnectionClosed)
        }
        Errno::TIMEDOUT if !route.talks() => error.of_kind(SocketError::ProxyConnectionTimeout),
        Errno::TIMEDOUT => error.of_kind(SocketError::SocketTimeout),
        _ => error,
    }
}
