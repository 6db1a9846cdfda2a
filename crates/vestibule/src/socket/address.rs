use super::core::Flag;
use super::state::SocketState;
use super::tcp_socket::TcpSocket;
use crate::address::HostAddress;
use std::net::SocketAddr;

impl TcpSocket {
    /// The peer's address and port, while there is a connection, and in the slots of `disconnected`.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.far_end().filter(|peer| !peer.ip().is_unspecified())
    }

    /// With an address that is unspecified where only the port is known.
    fn far_end(&self) -> Option<SocketAddr> {
        let core = self.core();
        match core.state.get() {
            SocketState::Connected | SocketState::Closing => Some(core.peer.get()),
            SocketState::Unconnected if !core.has(Flag::GoneTold) => Some(core.peer.get()),
            _ => None,
        }
    }

    /// The address and port on this side, while there is a connection, or when the socket is [bound](Self::bind). One
    /// system call. Of a client that came through a proxy, the address that it came to.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        let core = self.core();
        if core.has_connection() {
            let known = core.outgoing_if_any().and_then(|outgoing| outgoing.local.get());
            return known.or_else(|| core.event_loop.driver.borrow().local_address(core.token()));
        }
        let bound = core.outgoing_if_any()?.bound.get().map(|bound| bound.local);
        bound.or_else(|| core.with_attempt(|attempt| attempt.local).flatten())
    }

    /// The peer's address, `NULL` when there is no connection; the reference's `peerAddress`.
    ///
    /// A client that came over IPv4 to a dual-stack server has an IPv4-mapped address, see
    /// [`HostAddress::to_canonical`].
    pub fn peer_address(&self) -> HostAddress {
        self.peer_addr().map_or(HostAddress::NULL, HostAddress::from)
    }

    /// The peer's port, 0 when there is no connection; the reference's `peerPort`.
    pub fn peer_port(&self) -> u16 {
        self.far_end().map_or(0, |address| address.port())
    }

    /// The address on this side, `NULL` when there is no connection; the reference's `localAddress`. One system call.
    pub fn local_address(&self) -> HostAddress {
        self.local_addr().map_or(HostAddress::NULL, HostAddress::from)
    }

    /// The port on this side, 0 when there is no connection; the reference's `localPort`. One system call.
    pub fn local_port(&self) -> u16 {
        self.local_addr().map_or(0, |address| address.port())
    }
}
