use super::core::SocketCore;
use super::failure::Failure;
use super::route::Route;
use super::tcp_socket::TcpSocket;
use crate::proxy::{
    NetworkProxy, NetworkProxyFactory, NetworkProxyQuery, ProxyCapabilities, ProxyType, Request, Way,
    is_this_host, way_to_connect,
};
use crate::resolver::literal;

/// Which proxy a connection goes through.
impl SocketCore {
    /// The way to a host; none for a direct one.
    pub(super) fn route_to(&self, host: &str, port: u16) -> Result<Option<Box<Route>>, Failure> {
        if is_this_host(host) {
            return Ok(None);
        }
        let outgoing = self.outgoing();
        let own = outgoing.proxy.borrow().clone();
        let way = if own.proxy_type() == ProxyType::Default {
            let tag = outgoing.protocol_tag.borrow().clone();
            let query = NetworkProxyQuery::for_socket(host, port).with_protocol_tag(tag);
            way_to_connect(NetworkProxyFactory::proxy_for_query(&query))
        } else {
            way_to_connect([own])
        };
        let Way::Through(proxy) = way.ok_or(Failure::NoWay)? else { return Ok(None) };
        let spelled_out = literal(host, port);
        if let Some(Err(error)) = spelled_out {
            return Err(Failure::NotFound(error)); // the proxy might take it for an address
        }
        let there = proxy.capabilities().contains(ProxyCapabilities::HOST_NAME_LOOKUP);
        let resolves_here = !there && spelled_out.is_none();
        Ok(Some(Box::new(Route::new(proxy, Request::Connect(host.to_owned(), port), resolves_here))))
    }
}

impl TcpSocket {
    /// The proxy for the next [`connect_to_host`](Self::connect_to_host). Default: of type
    /// [`Default`](ProxyType::Default), what the application uses. The reference's `setProxy`.
    ///
    /// A name is looked up by the proxy, unless it [cannot](crate::ProxyCapabilities::HOST_NAME_LOOKUP). This host itself is
    /// always connected to directly. Through a proxy, [`peer_addr`](Self::peer_addr) knows an address only if the host was
    /// given as one, and [`local_addr`](Self::local_addr) is this side of the connection to the proxy.
    ///
    /// The proxy's refusals are told as errors of the connection, with its name in the text:
    /// `cannot connect to example.com:80 through socks5://127.0.0.1:1080: the proxy does not allow it`. In the
    /// [`connect_timeout`](Self::connect_timeout) everything is included.
    ///
    /// ```no_run
    /// use vestibule::{NetworkProxy, ProxyType, TcpSocket};
    ///
    /// let socket = TcpSocket::standalone();
    /// socket.set_proxy(NetworkProxy::new(ProxyType::Socks5, "127.0.0.1", 1080));
    /// socket.connect_to_host("example.com", 80)?;
    /// assert!(socket.wait_for_connected(None)?);
    /// # Ok::<(), vestibule::Error>(())
    /// ```
    pub fn set_proxy(&self, proxy: NetworkProxy) {
        let earlier = self.core().outgoing().proxy.replace(proxy);
        drop(earlier);
    }

    /// The proxy of the socket's own; the reference's `proxy`.
    pub fn proxy(&self) -> NetworkProxy {
        self.core().outgoing_if_any().map(|outgoing| outgoing.proxy.borrow().clone()).unwrap_or_default()
    }

    /// Names the protocol that will be spoken, such as `http`, for whoever chooses the application's proxy; the reference's
    /// `setProtocolTag`.
    pub fn set_protocol_tag(&self, tag: impl Into<String>) {
        let earlier = self.core().outgoing().protocol_tag.replace(tag.into());
        drop(earlier);
    }

    /// The protocol that will be spoken, empty unless it was said; the reference's `protocolTag`.
    pub fn protocol_tag(&self) -> String {
        self.core()
            .outgoing_if_any()
            .map(|outgoing| outgoing.protocol_tag.borrow().clone())
            .unwrap_or_default()
    }
}
