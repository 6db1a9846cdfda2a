use super::tcp_server::TcpServer;
use crate::address::Endpoint;
use crate::error::SocketError;
use crate::proxy::NetworkProxy;
use crate::signal::Signal;

/// Listening through a proxy.
impl TcpServer {
    /// The proxy for the next [`listen`](Self::listen). Default: of type [`Default`](crate::ProxyType::Default), what the
    /// [application](crate::NetworkProxyFactory) uses. The reference's `setProxy`.
    ///
    /// A loopback address is always listened on directly. Through SOCKS5, the proxy listens (`BIND`): `listen` blocks until it
    /// does, or [not](crate::ListenOptions::in_background), and [`server_address`](Self::server_address) and
    /// [`server_port`](Self::server_port) tell where. Everything else is as without a proxy: connection after connection
    /// comes, and limits, pauses and drains hold. HTTP proxies cannot listen: `UnsupportedSocketOperation`.
    ///
    /// A proxy lets in one client for each BIND; the server asks for the next one by itself, at the same port. Should the proxy
    /// choose another, [`address_changed`](Self::address_changed) tells. While the proxy is away the state is
    /// [`Starting`](crate::ServerState::Starting), and the server asks again by itself. `docs/proxies.md` has the details.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use vestibule::{EventLoop, HostAddress, NetworkProxy, ProxyType, TcpServer};
    ///
    /// let event_loop = EventLoop::new()?;
    /// let server = TcpServer::new(&event_loop);
    /// server.set_proxy(NetworkProxy::new(ProxyType::Socks5, "proxy.example", 1080).with_credentials("me", "secret"));
    /// server.address_changed().connect(|server| println!("now on port {}", server.server_port()));
    /// server.listen(HostAddress::ANY, 0)?;
    /// println!("peers can come to {} {}", server.server_address(), server.server_port());
    /// event_loop.run()?;
    /// # Ok::<(), vestibule::Error>(())
    /// ```
    pub fn set_proxy(&self, proxy: NetworkProxy) {
        let earlier = self.core().proxy.replace(proxy);
        drop(earlier);
    }

    /// The proxy of the server's own; the reference's `proxy`.
    pub fn proxy(&self) -> NetworkProxy {
        self.core().proxy.borrow().clone()
    }

    /// Where clients can come to: the server's address, or through a proxy that of each BIND that stands, which is none for the
    /// moment between a client and the next BIND.
    pub fn bound_addresses(&self) -> Vec<Endpoint> {
        match self.core().proxied() {
            Some(proxied) => proxied.bound_addresses(),
            None => self.core().listening.get().map(|listening| listening.endpoint).into_iter().collect(),
        }
    }

    /// The server listens on another address or port than before, because the proxy has chosen so:
    /// [`server_address`](Self::server_address) and [`server_port`](Self::server_port) tell it, and
    /// whoever is to connect has to know.
    #[must_use]
    pub fn address_changed(&self) -> &Signal<Self> {
        &self.core().address_changed
    }

    /// Listening that goes on in the [background](crate::ListenOptions::in_background) has begun, or failed: why, then, and the
    /// server is closed. Also: a server that was without its proxy listens again.
    #[must_use]
    pub fn listening_changed(&self) -> &Signal<Self, Result<(), SocketError>> {
        &self.core().listening_changed
    }
}
