use super::core::SocketCore;
use super::outgoing::Bound;
use super::tcp_socket::TcpSocket;
use super::telling::Step;
use crate::address::{Endpoint, Kind};
use crate::error::{Error, Operation, Result, SocketError};
use crate::resolver::literal;
use std::io;
use std::rc::Rc;

impl SocketCore {
    fn bind(self: &Rc<Self>, endpoint: Endpoint) -> Result<()> {
        if !self.is_closed() || self.outgoing().bound.get().is_some() {
            let words = "it is connected, connecting or bound already";
            return Err(Error::said(Operation::BindSocket, SocketError::Operation, words));
        }
        if let Kind::Any = endpoint.address.0 {
            let words = "a connection has one family: choose ANY_IPV4 or ANY_IPV6";
            return Err(Error::said(Operation::BindSocket, SocketError::UnsupportedSocketOperation, words));
        }
        let failed = |error: io::Error| Error::system(Operation::BindSocket, error);
        let address = literal(&endpoint.address.to_string(), endpoint.port);
        let address = address.unwrap_or_else(|| Err(rustix::io::Errno::INVAL.into())).map_err(failed)?;
        let created = self.event_loop.driver.borrow_mut().create(address, Some(address));
        let token = created.map_err(|(_, errno)| failed(errno.into()))?;
        let local = self.event_loop.driver.borrow().local_address(token).unwrap_or(address);
        self.outgoing().bound.set(Some(Bound { token, local }));
        self.note_attempt(Step::Bound);
        Ok(())
    }

    /// Lets go of a socket that is bound and not connected; false when there is none.
    pub(super) fn unbind(&self) -> bool {
        let Some(bound) = self.outgoing_if_any().and_then(|outgoing| outgoing.bound.take()) else {
            return false;
        };
        self.event_loop.close(bound.token);
        true
    }
}

impl TcpSocket {
    /// Chooses the address and the port on this side, for the next [`connect_to_host`](Self::connect_to_host). Port 0 has
    /// the system pick one, which [`local_port`](Self::local_port) tells then. The reference's `bind`.
    ///
    /// The state becomes [`Bound`](crate::SocketState::Bound), and the port is taken, until the connection ends (and then
    /// for as long as the system remembers it, a minute or so) or the attempt to make one fails;
    /// [`abort`](Self::abort) gives it back earlier. Does not block. A text such as
    /// `"127.0.0.1:0"` is an endpoint too.
    ///
    /// # Errors
    ///
    /// `SocketAddressNotAvailable` when the address is not this host's, `AddressInUse` when the port is taken,
    /// `UnsupportedSocketOperation` for `ANY` (a connection has one family: choose `ANY_IPV4` or `ANY_IPV6`) and `NULL`,
    /// and `Operation` when the socket is connected, connecting or bound. It stays as it was.
    pub fn bind<E>(&self, endpoint: E) -> Result<()>
    where
        E: TryInto<Endpoint>,
        Error: From<E::Error>,
    {
        let endpoint = endpoint.try_into().map_err(Error::from)?;
        self.core().bind(endpoint).map_err(|error| error.at(endpoint))?;
        self.core().tell();
        Ok(())
    }
}
