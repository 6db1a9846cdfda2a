use super::listen_options::ListenOptions;
use super::tcp_server::TcpServer;
use crate::address::HostAddress;
use crate::error::Result;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;

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
    /// When the server listens already ([`Error::is_already_listening`](crate::Error::is_already_listening)), which disturbs nothing and is not noted as the
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
    /// server listens already. The error gives the descriptor back, see [`Error::into_descriptor`](crate::Error::into_descriptor).
    pub fn set_socket_descriptor(&self, descriptor: OwnedFd) -> Result<()> {
        self.core().adopt(descriptor)
    }

    /// The listening descriptor, while the server listens; the reference's `socketDescriptor`. None through a proxy, which has
    /// it.
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
