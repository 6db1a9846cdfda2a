use super::core::{Listening, Pending, ServerCore};
use super::listen_options::ListenOptions;
use super::shared_queue::SharedQueue;
use super::state::ServerState;
use super::tcp_server::TcpServer;
use crate::address::{Endpoint, HostAddress};
use crate::admission::AdmissionGroup;
use crate::driver::{KernelQueue, ListenRequest, Token};
use crate::error::{Error, Operation, Result, SocketError};
use crate::proxy::{NetworkProxyFactory, NetworkProxyQuery, ProxyType, Way, way_to_listen};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

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

    fn listen(self: &Rc<Self>, options: ListenOptions) -> Result<()> {
        if let Some(error) = self.refuse_listening(Operation::Listen) {
            return Err(error.at(options.endpoint));
        }
        match self.way(options.endpoint) {
            Some(Way::Direct) => {}
            Some(Way::Through(proxy)) => return self.listen_through(proxy, options),
            None => return Err(self.noted(Error::no_proxy_can(Operation::Listen).at(options.endpoint))),
        }
        self.listen_directly(options)
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
                    self.tell_listening_soon();
                }
                Ok(())
            }
            Err(failed) => {
                self.update_state();
                Err(self.noted(Error::system(failed.operation, failed.error).at(options.endpoint)))
            }
        }
    }

    fn adopt(self: &Rc<Self>, descriptor: OwnedFd) -> Result<()> {
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

    /// Whoever asked for it in the background is told that the server listens, though it was done at once.
    fn tell_listening_soon(self: &Rc<Self>) {
        let server = Rc::downgrade(self);
        self.event_loop.call_at(self.now(), move || {
            if let Some(server) = server.upgrade().filter(|server| server.listening.get().is_some()) {
                server.emit(&server.listening_changed, Ok(()));
            }
        });
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

    /// Closes the listener; what is pending stays.
    pub(super) fn stop_listening(self: &Rc<Self>) {
        let was_on = self.is_on();
        self.end_proxied();
        if let Some(listening) = self.listening.take() {
            if self.acceptor.borrow().is_exhausted() {
                self.note_end_of_episode();
            }
            self.acceptor.borrow_mut().stopped_listening();
            self.reserve.take();
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

impl TcpServer {
    /// Listens on an address and a port; accepting starts with the loop's next turn. Does not block.
    ///
    /// [`HostAddress::ANY`] serves IPv6 and IPv4 through one socket where the host has IPv6, and IPv4 alone where not;
    /// `ANY_IPV4` and `ANY_IPV6` serve one family each. Port 0 has the system pick a free port, which
    /// [`server_port`](Self::server_port) tells then. A port in `TIME_WAIT` can be listened on again; a port that
    /// somebody listens on cannot. The reference's `listen`.
    ///
    /// # Errors
    ///
    /// When the server listens already ([`Error::is_already_listening`]), which disturbs nothing and is not noted as the
    /// last error; when it is [draining](Self::drain); and when the system refuses: `AddressInUse`, `SocketAddressNotAvailable`, `SocketAccess` without the
    /// privilege for the port, `SocketResource` without descriptors, `UnsupportedSocketOperation` for an address that
    /// cannot be listened on. The server stays as it was, and nothing stays open.
    pub fn listen(&self, address: impl Into<HostAddress>, port: u16) -> Result<()> {
        self.listen_with(ListenOptions::new((address.into(), port)))
    }

    /// Listens, with more to choose.
    ///
    /// # Errors
    ///
    /// As [`listen`](Self::listen).
    pub fn listen_with(&self, options: ListenOptions) -> Result<()> {
        self.core().listen(options)
    }

    /// Takes over a descriptor that listens already, from systemd or a parent process; accepting starts. The
    /// reference's `setSocketDescriptor`.
    ///
    /// The descriptor becomes close-on-exec and non-blocking; its other options stay as they are.
    ///
    /// # Errors
    ///
    /// `UnsupportedSocketOperation` when it is not open, or no listening stream socket of IPv4 or IPv6; and when the
    /// server listens already. The error gives the descriptor back, see [`Error::into_descriptor`].
    pub fn set_socket_descriptor(&self, descriptor: OwnedFd) -> Result<()> {
        self.core().adopt(descriptor)
    }

    /// The listening descriptor, while the server listens; the reference's `socketDescriptor`.
    ///
    /// It stays open as long as this is kept, also after [`close`](Self::close): keep it for a moment only.
    pub fn socket_descriptor(&self) -> Option<Rc<OwnedFd>> {
        let token = self.core().listening.get()?.token?;
        self.core().event_loop.driver.borrow().listener_descriptor(token)
    }

    /// Stops listening, and ends pending connections gracefully. Sockets that were taken go on. Clients in the kernel's
    /// queue are reset. Tells nothing, and may be called at any time; [`listen`](Self::listen) works at once, also on the
    /// same port. The reference's `close`.
    pub fn close(&self) {
        self.core().close();
    }

    /// Whether the server listens; the reference's `isListening`.
    pub fn is_listening(&self) -> bool {
        self.core().listening.get().is_some()
    }

    /// The address that the server listens on, `ANY` for a dual-stack listener, `NULL` when it does not listen; the
    /// reference's `serverAddress`.
    pub fn server_address(&self) -> HostAddress {
        self.core().endpoint().address
    }

    /// The port that the server listens on, 0 when it does not listen; the reference's `serverPort`.
    pub fn server_port(&self) -> u16 {
        self.core().endpoint().port
    }

    /// Address and port as `std` has them: `[::]:port` for a dual-stack listener. `None` when not listening.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        let listening = self.core().listening.get()?;
        let address =
            listening.token.and_then(|token| self.core().event_loop.driver.borrow().local_address(token));
        let told =
            || Some(SocketAddr::new(listening.endpoint.address.to_ip_addr()?, listening.endpoint.port));
        address.or_else(told)
    }
}
