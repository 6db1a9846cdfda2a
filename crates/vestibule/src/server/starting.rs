use super::core::{Listening, Pending, ServerCore};
use super::listen_options::ListenOptions;
use super::shared_queue::SharedQueue;
use super::state::ServerState;
use super::tcp_server::TcpServer;
use crate::address::Endpoint;
use crate::admission::AdmissionGroup;
use crate::driver::{KernelQueue, ListenRequest, Token};
use crate::error::{Error, Operation, Result, SocketError};
use crate::proxy::{NetworkProxyFactory, NetworkProxyQuery, ProxyType, Way, way_to_listen};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

/// Beginning to listen, and ending it.
impl ServerCore {
    fn refuse_listening(&self, operation: Operation) -> Option<Error> {
        if self.gone.get() {
            return Some(Error::said(operation, SocketError::Operation, "the server was dropped"));
        }
        if self.drain.borrow().is_some() {
            return Some(Error::said(operation, SocketError::Operation, "the server is draining"));
        }
        self.is_on().then(|| Error::already_listening(operation))
    }

    /// How to listen there: this host itself never needs a proxy.
    fn way(&self, endpoint: Endpoint) -> Option<Way> {
        if endpoint.address.is_loopback() {
            return Some(Way::Direct);
        }
        let own = self.proxy.borrow().clone();
        if own.proxy_type() != ProxyType::Default {
            return way_to_listen([own]);
        }
        way_to_listen(NetworkProxyFactory::proxy_for_query(&NetworkProxyQuery::for_server(endpoint.port)))
    }

    pub(super) fn listen(self: &Rc<Self>, options: ListenOptions) -> Result<()> {
        if let Some(error) = self.refuse_listening(Operation::Listen) {
            return Err(error.at(options.endpoint));
        }
        let way = self.way(options.endpoint);
        if let Some(error) = self.refuse_listening(Operation::Listen) {
            return Err(error.at(options.endpoint)); // whoever chose the proxy has listened meanwhile
        }
        match way {
            Some(Way::Direct) => self.listen_directly(options),
            Some(Way::Through(proxy)) => self.listen_through(proxy, options),
            None => Err(self.noted(Error::no_proxy_can(Operation::Listen).at(options.endpoint))),
        }
    }

    fn listen_directly(self: &Rc<Self>, options: ListenOptions) -> Result<()> {
        let backlog = options.backlog.unwrap_or(self.backlog.get());
        let request = ListenRequest::from(options.backlog(backlog));
        self.set_state(ServerState::Starting);
        let result = self.event_loop.driver.borrow_mut().listen(&request);
        match result {
            Ok((token, endpoint)) => {
                self.started(token, endpoint);
                self.check_backlog(options.backlog.or_else(|| self.asked_backlog()));
                if options.in_background {
                    // Though it was done at once, a signal tells it.
                    self.untold_listening.set(Some(token));
                    self.event_loop.add_stated(Rc::downgrade(self));
                }
                Ok(())
            }
            Err(failed) => {
                self.update_state();
                Err(self.noted(Error::system(failed.operation, failed.error).at(options.endpoint)))
            }
        }
    }

    pub(super) fn adopt(self: &Rc<Self>, descriptor: OwnedFd) -> Result<()> {
        if let Some(error) = self.refuse_listening(Operation::AdoptListener) {
            return Err(error.with_descriptor(descriptor));
        }
        self.set_state(ServerState::Starting);
        let result = self.event_loop.driver.borrow_mut().adopt_listener(descriptor);
        match result {
            Ok((token, endpoint)) => {
                self.started(token, endpoint);
                Ok(())
            }
            Err((errno, descriptor)) => {
                self.update_state();
                let error = Error::system(Operation::AdoptListener, errno.into());
                Err(self.noted(error.with_descriptor(descriptor)))
            }
        }
    }

    fn started(self: &Rc<Self>, token: Token, endpoint: Endpoint) {
        self.listening.set(Some(Listening { token: Some(token), endpoint }));
        self.event_loop.servers.insert(token, Rc::clone(self));
        self.begin_accepting();
    }

    pub(super) fn begin_accepting(self: &Rc<Self>) {
        #[cfg(feature = "metrics")]
        self.begin_metering();
        self.acceptor.borrow_mut().started_listening();
        self.event_loop.driver.borrow().releases().add(self.ledger.bell());
        self.event_loop.make_room_to_wait();
        self.fill_reserve();
        self.update_credit();
    }

    /// The queue of the kernel; the overflows, which take longer to find out, are left out.
    pub(super) fn kernel_queue(&self) -> Option<KernelQueue> {
        if let Some(proxied) = self.proxied() {
            return Some(proxied.queue());
        }
        let token = self.listening.get()?.token?;
        self.event_loop.driver.borrow().kernel_queue(token)
    }

    /// The backlog, if the program has asked for a certain one.
    fn asked_backlog(&self) -> Option<u32> {
        Some(self.backlog.get()).filter(|backlog| *backlog != u32::MAX)
    }

    /// Says so when the system gave a shorter queue than was asked for.
    fn check_backlog(&self, asked: Option<u32>) {
        let Some(asked) = asked else { return };
        if let Some(queue) = self.kernel_queue().filter(|queue| queue.limit < asked) {
            crate::log::warning!(
                "the backlog of {} is {} and not {asked}: the system allows no more (on Linux net.core.somaxconn)",
                self.endpoint(),
                queue.limit,
            );
        }
    }

    /// Nobody can come any more.
    pub(super) fn end_accepting(&self) {
        if self.acceptor.borrow().is_exhausted() {
            self.ledger.end_episode(self.now());
        }
        self.acceptor.borrow_mut().stopped_listening();
        self.reserve.take();
        self.untold_listening.set(None);
    }

    /// Closes the listener; what is pending stays.
    pub(super) fn stop_listening(self: &Rc<Self>) {
        let was_on = self.is_on();
        self.end_proxied();
        if let Some(listening) = self.listening.take() {
            self.end_accepting();
            if let Some(token) = listening.token {
                self.event_loop.close(token);
                let member = self.member.take();
                drop(member);
                let entry = self.event_loop.servers.remove(token);
                drop(entry);
            }
        }
        if was_on {
            self.update_state();
        }
    }

    /// Closes the listener and, gracefully, what is pending.
    pub(super) fn close(self: &Rc<Self>) {
        self.stop_listening();
        let pending = self.pending.take();
        self.acceptor.borrow_mut().taken(pending.len());
        self.count_pending();
        for connection in pending {
            match connection {
                Pending::Socket(socket) => drop(socket),
                Pending::Incoming(connection) => drop(connection.into_socket(&self.event_loop)),
            }
        }
    }
}

/// A server as one of several that are one to their clients.
impl TcpServer {
    /// From now on its limits are counted together with those of the group.
    pub(crate) fn join_group(&self, group: &Arc<AdmissionGroup>) {
        let core = self.core();
        core.admission.borrow_mut().join(group, core.now());
    }

    /// Accepts from this queue, which others accept from too if it is shared.
    pub(crate) fn accept_from(&self, descriptor: OwnedFd, queue: Option<&Arc<SharedQueue>>) -> Result<()> {
        let core = self.core();
        core.adopt(descriptor)?;
        let token = core.listening.get().and_then(|listening| listening.token);
        if let (Some(queue), Some(token)) = (queue, token) {
            core.event_loop.driver.borrow_mut().share_listener(token);
            core.member.replace(Some(queue.join(&core.ledger, core.event_loop.waker())));
            core.update_credit();
        }
        Ok(())
    }

    /// Stops accepting from its queue; what is pending stays.
    pub(crate) fn leave_queue(&self) {
        self.core().stop_listening();
    }
}
