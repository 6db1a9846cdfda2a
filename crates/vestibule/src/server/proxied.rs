use super::listen_options::ListenOptions;
use crate::acceptor::Chance;
use crate::address::Endpoint;
use crate::driver::{Interest, KernelQueue, Transport};
use crate::error::Error;
use crate::event_loop::{Also, TimerId};
use crate::proxy::{Bindings, NetworkProxy};
use crate::socket::{SocketCore, TcpSocket};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

/// How a server listens through a proxy: with BINDs, of which each brings one client.
///
/// What is asked for when is decided by [`Bindings`]; here it is done.
pub(super) struct Proxied {
    pub(super) proxy: NetworkProxy,
    pub(super) options: ListenOptions,
    pub(super) bindings: RefCell<Bindings>,
    /// The BINDs that are asked for, or stand: connections to the proxy.
    pub(super) lanes: RefCell<Vec<Option<TcpSocket>>>,
    /// What lanes have to tell.
    pub(super) news: RefCell<VecDeque<(usize, LaneNews)>>,
    /// The proxy's addresses, as long as they are good.
    pub(super) addresses: RefCell<Option<Rc<[SocketAddr]>>>,
    /// Clients that have come and are not accepted.
    pub(super) clients: RefCell<VecDeque<ProxiedClient>>,
    /// When to ask again, and what wakes the loop for it.
    pub(super) retry_at: Cell<Option<Instant>>,
    pub(super) timer: Cell<Option<TimerId>>,
    /// Whether it has ever listened.
    pub(super) has_begun: Cell<bool>,
    /// Why it never did, for the call that waits for it.
    pub(super) failure: RefCell<Option<Error>>,
}

/// What a lane has to tell. The server hears of it outside of the lane's own signals, so that its slots may wait for what the
/// lane has to tell next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LaneNews {
    Stands,
    ClientCame,
    Failed,
}

/// A client that has come to the proxy.
pub(super) struct ProxiedClient {
    pub(super) lane: usize,
    pub(super) transport: Transport,
    pub(super) peer: SocketAddr,
    /// The address of the proxy that it has come to.
    pub(super) local: SocketAddr,
    pub(super) came: Instant,
}

/// What a wait for a server's BINDs waits for.
pub(super) struct ProxiedNeeds {
    pub(super) interests: Vec<Interest>,
    pub(super) also: Also,
    pub(super) wake_at: Option<Instant>,
}

impl Proxied {
    pub(super) fn new(proxy: NetworkProxy, options: ListenOptions, chance: Chance) -> Self {
        let lanes = std::iter::repeat_with(|| None).take(options.proxy_binds.max(1)).collect();
        Self {
            proxy,
            options,
            bindings: RefCell::new(Bindings::new(options.endpoint, options.proxy_binds, chance)),
            lanes: RefCell::new(lanes),
            news: RefCell::default(),
            addresses: RefCell::default(),
            clients: RefCell::default(),
            retry_at: Cell::default(),
            timer: Cell::default(),
            has_begun: Cell::default(),
            failure: RefCell::default(),
        }
    }

    pub(super) fn lane(&self, lane: usize) -> Option<Rc<SocketCore>> {
        self.lanes.borrow().get(lane)?.as_ref().map(|socket| Rc::clone(socket.core()))
    }

    pub(super) fn set_lane(&self, lane: usize, socket: Option<TcpSocket>) {
        let earlier = self.lanes.borrow_mut().get_mut(lane).map(|place| std::mem::replace(place, socket));
        drop(earlier);
    }

    /// Where clients can come to now.
    pub(super) fn bound_addresses(&self) -> Vec<Endpoint> {
        self.bindings.borrow().addresses().collect()
    }

    /// Those who have come, as the queue that they are; it is as long as there are lanes.
    pub(super) fn queue(&self) -> KernelQueue {
        let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let depth = number(self.clients.borrow().len());
        KernelQueue { depth, limit: number(self.lanes.borrow().len()), overflows: None }
    }

    pub(super) fn sockets(&self) -> Vec<Rc<SocketCore>> {
        self.lanes.borrow().iter().flatten().map(|socket| Rc::clone(socket.core())).collect()
    }

    /// Gives up the BINDs that have no client.
    pub(super) fn close_lanes(&self) {
        self.bindings.borrow_mut().give_up();
        let lanes: Vec<_> = self.lanes.borrow_mut().iter_mut().map(Option::take).collect();
        drop(lanes);
    }
}

impl fmt::Debug for Proxied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxied").field("proxy", &self.proxy).finish_non_exhaustive()
    }
}
