use super::core::{Listening, ServerCore};
use super::proxied::ProxiedClient;
use crate::address::Kind;
use crate::admission::RefusalReason;
use crate::driver::Transport;
use rustix::io::Errno;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

/// A client that was accepted and is not let in yet.
pub(super) struct AcceptedClient {
    pub(super) transport: Transport,
    pub(super) peer: SocketAddr,
    /// The address on this side, if it is known.
    pub(super) local: Option<SocketAddr>,
    /// When it came, if through a proxy.
    pub(super) came: Option<Instant>,
}

/// Clients as they come, before it is decided what becomes of them.
impl ServerCore {
    /// Accepts the next client: from the kernel's queue, or of those that have come through the proxy.
    pub(super) fn accept_next(self: &Rc<Self>, listening: Listening) -> Result<AcceptedClient, Errno> {
        if let Some(token) = listening.token {
            let (transport, peer) = self.event_loop.driver.borrow_mut().accept(token)?;
            return Ok(AcceptedClient { transport, peer, local: self.local_address(), came: None });
        }
        let client = self.next_proxied_client().ok_or(Errno::AGAIN)?;
        let ProxiedClient { transport, peer, local, came, .. } = client;
        if self.hook.borrow().is_some() {
            transport.make_blocking()?;
        }
        Ok(AcceptedClient { transport, peer, local: Some(local), came: Some(came) })
    }

    /// Why a connection is not worth having, if it is not.
    pub(super) fn look_at_arrival(&self, client: &AcceptedClient) -> Option<RefusalReason> {
        let admission = self.admission.borrow();
        let limits = admission.limits();
        if !limits.looks_at_arrivals() && !self.acceptor.borrow().samples_arrival() {
            return None;
        }
        let mut arrival = self.event_loop.driver.borrow().arrival(&client.transport)?;
        if let Some(came) = client.came {
            arrival.age = Some(self.now().saturating_duration_since(came)); // the connection is older
        }
        if let Some(age) = arrival.age {
            self.ledger.count_age(age);
        }
        limits.judge(&arrival)
    }

    /// The address on this side of accepted connections, if it is one for all.
    fn local_address(&self) -> Option<SocketAddr> {
        let endpoint = self.endpoint();
        match endpoint.address.0 {
            Kind::V4(address) if !address.is_unspecified() => Some((address, endpoint.port).into()),
            _ => None,
        }
    }
}
