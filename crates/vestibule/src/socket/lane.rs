use super::core::SocketCore;
use super::route::Route;
use crate::address::Endpoint;
use crate::driver::{SocketOption, Transport};
use crate::error::Error;
use crate::proxy::{NetworkProxy, Request};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// For a server that listens through a proxy: one BIND.
impl SocketCore {
    /// Asks a proxy for a BIND. `Bound` is told when it stands, `connected` when a client has come.
    pub(crate) fn begin_bind(
        self: &Rc<Self>,
        proxy: NetworkProxy,
        endpoint: Endpoint,
        limit: Duration,
        no_delay: bool,
    ) {
        let outgoing = self.outgoing();
        outgoing.limit.set(Some(limit));
        outgoing.options.borrow_mut().set(SocketOption::NoDelay(no_delay));
        let (host, port) = (proxy.host_name().to_owned(), proxy.port());
        self.begin_attempt(&host, port);
        self.set_out(Some(Box::new(Route::new(proxy, Request::Bind(endpoint), false))));
    }

    /// Where the proxy waits for a client.
    pub(crate) fn bound_at(&self) -> Option<SocketAddr> {
        self.with_route(|route| route.bound).flatten()
    }

    /// The connection of the client that has come, with its address and the one that it came to.
    pub(crate) fn take_client(self: &Rc<Self>) -> Option<(Transport, SocketAddr, SocketAddr)> {
        let (token, client, bound) = self
            .with_route(|route| Some((route.talk.as_ref()?.token, route.client?, route.bound?)))
            .flatten()?;
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

    /// Why the BIND failed, and whether the proxy has said so.
    pub(crate) fn take_failure(&self) -> Option<(Error, bool)> {
        let outgoing = self.outgoing_if_any()?;
        let failure = outgoing.failure.take();
        failure.map(|error| (error, outgoing.refused.get()))
    }
}
