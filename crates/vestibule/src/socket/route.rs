use crate::driver::Token;
use crate::proxy::{Handshake, NetworkProxy, ProxyRefusal, Request};
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;

/// The way of an attempt that goes through a proxy.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) proxy: NetworkProxy,
    pub(super) request: Request,
    /// Whether the host's address is looked up here, before the proxy's.
    pub(super) resolves_here: bool,
    /// The proxy's addresses, once they are known.
    pub(super) addresses: Option<Rc<[SocketAddr]>>,
    /// Made when it is known what to ask for.
    pub(super) handshake: Option<Handshake>,
    pub(super) talk: Option<Talk>,
    /// Where the proxy waits for a client.
    pub(super) bound: Option<SocketAddr>,
    /// The client that has come.
    pub(super) client: Option<SocketAddr>,
}

/// A connection to the proxy that stands.
pub(super) struct Talk {
    pub(super) token: Token,
    /// What the system had no room for.
    pub(super) unsent: Vec<u8>,
}

impl Route {
    pub(super) fn new(proxy: NetworkProxy, request: Request, resolves_here: bool) -> Self {
        Self {
            proxy,
            request,
            resolves_here,
            addresses: None,
            handshake: None,
            talk: None,
            bound: None,
            client: None,
        }
    }

    /// Whether what is under way concerns the proxy, and not the host behind it.
    pub(super) fn is_to_proxy(&self) -> bool {
        !self.resolves_here
    }

    pub(super) fn talks(&self) -> bool {
        self.talk.is_some()
    }

    /// Whether the proxy was asked for something that it has not answered.
    pub(super) fn is_asking(&self) -> bool {
        self.talks() && self.handshake.as_ref().is_some_and(Handshake::is_asking)
    }

    /// The host was looked up here.
    pub(super) fn resolved(&mut self, address: SocketAddr) {
        self.request = Request::Connect(address.ip().to_string(), address.port());
        self.resolves_here = false;
    }

    /// It is known what is to be asked for.
    pub(super) fn prepare(&mut self) -> Result<(), ProxyRefusal> {
        self.handshake = Some(Handshake::new(&self.proxy, &self.request)?);
        Ok(())
    }

    /// How much may be received now.
    pub(super) fn wants(&self) -> usize {
        match (&self.handshake, self.client) {
            (Some(handshake), None) => handshake.wants(),
            _ => 0,
        }
    }

    /// Who is at the other end once the proxy has done its part, as far as it is known here.
    pub(super) fn far_end(&self, unknown: SocketAddr) -> SocketAddr {
        match &self.request {
            Request::Connect(host, port) => {
                let address = host.parse().ok().and_then(|host: crate::HostAddress| host.to_ip_addr());
                SocketAddr::new(address.unwrap_or(unknown.ip()), *port)
            }
            Request::Bind(_) => self.client.unwrap_or(unknown),
        }
    }
}

/// Without what is unsent, which may be a password.
impl fmt::Debug for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Talk").field("token", &self.token).finish_non_exhaustive()
    }
}
