use super::http_connect::HttpConnect;
use super::network_proxy::NetworkProxy;
use super::proxy_type::ProxyType;
use super::refusal::ProxyRefusal;
use super::socks5::{Request, Socks5};
use crate::error::SocketError;
use std::net::SocketAddr;

/// What is said to a proxy before a connection through it is the program's.
#[derive(Debug)]
pub(crate) enum Handshake {
    Socks5(Box<Socks5>),
    Http(Box<HttpConnect>),
}

/// How far a handshake has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More has to come.
    GoesOn,
    /// The proxy waits for a client, at this address.
    Bound(SocketAddr),
    /// The client with this address has come; what follows is what it sends.
    ClientCame(SocketAddr),
    /// The host was reached; what follows is what it sends.
    Connected,
}

impl Handshake {
    pub(crate) fn new(proxy: &NetworkProxy, request: &Request) -> Result<Self, ProxyRefusal> {
        match (proxy.proxy_type(), request) {
            (ProxyType::Socks5, _) => Ok(Self::Socks5(Box::new(Socks5::new(proxy, request)?))),
            (ProxyType::Http, Request::Connect(host, port)) => {
                Ok(Self::Http(Box::new(HttpConnect::new(proxy, host, *port)?)))
            }
            _ => {
                let words = "such a proxy cannot do it";
                Err(ProxyRefusal::plain(SocketError::UnsupportedSocketOperation, words))
            }
        }
    }

    /// What is to be sent now.
    pub(crate) fn take_output(&mut self) -> Vec<u8> {
        match self {
            Self::Socks5(socks5) => socks5.take_output(),
            Self::Http(http) => http.take_output(),
        }
    }

    /// How much may be received now; for SOCKS never more than the proxy still has to say.
    pub(crate) fn wants(&self) -> usize {
        match self {
            Self::Socks5(socks5) => socks5.wants(),
            Self::Http(http) => http.wants(),
        }
    }

    /// Whether the proxy was asked for something that it has not answered.
    pub(crate) fn is_asking(&self) -> bool {
        matches!(self, Self::Socks5(socks5) if socks5.is_asking())
    }

    /// Takes what has come up to the next progress, and tells how many bytes that were.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Result<(usize, Progress), ProxyRefusal> {
        match self {
            Self::Socks5(socks5) => socks5.receive(bytes),
            Self::Http(http) => http.receive(bytes),
        }
    }
}
