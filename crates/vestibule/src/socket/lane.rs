use super::core::SocketCore;
use super::route::Route;
use crate::address::Endpoint;
use crate::driver::{KeepAlive, SocketOption, Transport};
use crate::error::Error;
use crate::proxy::{BindFault, NetworkProxy, Request};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// How a BIND that stands is probed: a proxy that has gone is missed within two minutes.
const PROBES: KeepAlive = KeepAlive {
    idle: Some(Duration::from_secs(60)),
    interval: Some(Duration::from_secs(15)),
    count: Some(4),
};

/// For a server that listens through a proxy: one BIND.
impl SocketCore {
    /// Asks a proxy for a BIND. `Bound` is told when it stands, `connected` when a client has come.
    pub(crate) fn begin_bind(
        self: &Rc<Self>,
        proxy: NetworkProxy,
        endpoint: Endpoint,
        limit: Duration,
        no_delay: bool,
        known: Option<Rc<[SocketAddr]>>,
    ) {
        let outgoing = self.outgoing();
        outgoing.limit.set(Some(limit));
        outgoing.options.borrow_mut().set(SocketOption::NoDelay(no_delay));
        // A BIND may stand for hours, and nothing else would tell that the proxy has gone without a word.
        outgoing.options.borrow_mut().set(SocketOption::KeepAlive(Some(PROBES)));
        let (host, port) = (proxy.host_name().to_owned(), proxy.port());
        self.begin_attempt(&host, port);
        let mut route = Route::new(proxy, Request::Bind(endpoint), false);
        route.addresses = known;
        self.set_out(Some(Box::new(route)));
    }

    /// Where the proxy waits for a client.
    pub(crate) fn bound_at(&self) -> Option<SocketAddr> {
        self.with_route(|route| route.bound).flatten()
    }

    /// The addresses of the proxy that were found.
    pub(crate) fn proxy_addresses(&self) -> Option<Rc<[SocketAddr]>> {
        self.with_route(|route| route.addresses.clone()).flatten()
    }

    /// The connection of the client that has come, with its address and the one that it came to.
    pub(crate) fn take_client(self: &Rc<Self>) -> Option<(Transport, SocketAddr, SocketAddr)> {
        let (token, client, bound) = self
            .with_route(|route| Some((route.talk.as_ref()?.token, route.client?, route.bound?)))
            .flatten()?;
        // It goes on as any accepted connection, which is probed if the program says so; that this can fail is no reason to
        // lose it.
        let _ = self.event_loop.driver.borrow_mut().set_option(token, SocketOption::KeepAlive(None));
        let transport = self.event_loop.driver.borrow_mut().release(token);
        let entry = self.event_loop.sockets.remove(token);
        self.with_attempt(|attempt| attempt.running.clear());
        self.cancel_connecting();
        drop(entry);
        Some((transport?, client, bound))
    }

    /// What a client that came through a proxy connected to.
    pub(crate) fn set_local(&self, local: Option<SocketAddr>) {
        self.outgoing().local.set(local);
    }

    /// Why the BIND failed, and how.
    pub(crate) fn take_failure(&self) -> Option<(Error, BindFault)> {
        let outgoing = self.outgoing_if_any()?;
        let failure = outgoing.failure.take();
        failure.map(|error| (error, outgoing.fault.get()))
    }
}
