use super::core::SocketCore;
use super::tcp_socket::TcpSocket;
use crate::admission::Permit;
use crate::driver::{Transport, check_connected};
use crate::error::{Error, Operation, Rejected, Result, SocketError};
use crate::event_loop::EventLoop;
use crate::server::IncomingConnection;
use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

impl SocketCore {
    fn why_not_std(self: &Rc<Self>) -> Option<Error> {
        self.push_out();
        let refuse = |words: String| Some(Error::said(Operation::IntoStd, SocketError::Operation, words));
        match (self.bytes_available() + self.surplus(), self.bytes_to_write()) {
            _ if !self.is_open() => refuse("there is no connection, or it is ending".to_owned()),
            (0, 0) => None,
            (0, unsent) => refuse(format!("{unsent} bytes are not sent")),
            (unread, _) => refuse(format!("{unread} bytes were received and not read")),
        }
    }

    /// The descriptor leaves the loop.
    fn take_transport(self: &Rc<Self>) -> Option<Transport> {
        let transport = self.event_loop.driver.borrow_mut().release(self.token());
        self.leave();
        transport
    }
}

impl TcpSocket {
    /// A socket of a connection that a server's hook handed out, in whatever thread the loop is.
    ///
    /// Does not block and makes no system call. What the peer has sent is announced by `ready_read` in the loop's next
    /// turns. The reference's `setSocketDescriptor`.
    pub fn from_incoming(event_loop: &EventLoop, connection: IncomingConnection) -> Self {
        connection.shared().into_socket(event_loop.core())
    }

    /// A socket of a connected descriptor; the reference's `setSocketDescriptor`. Does not block.
    ///
    /// The descriptor becomes close-on-exec; whether it is blocking does not matter and is not changed.
    ///
    /// # Errors
    ///
    /// `UnsupportedSocketOperation` when it is no connected stream socket of IPv4 or IPv6. The error gives the
    /// descriptor back, see [`Error::into_descriptor`].
    pub fn from_descriptor(event_loop: &EventLoop, descriptor: OwnedFd) -> Result<Self> {
        match check_connected(descriptor.as_fd()) {
            Ok(peer) => {
                let transport = Transport::brought(descriptor);
                Ok(Self::owning(SocketCore::adopt(event_loop.core(), transport, peer)))
            }
            Err(error) => Err(Error::system(Operation::AdoptSocket, error).with_descriptor(descriptor)),
        }
    }

    /// A socket of a stream of `std`, blocking or not.
    ///
    /// # Errors
    ///
    /// When the stream is not connected any more; [`Error::into_descriptor`] gives it back.
    pub fn from_std(event_loop: &EventLoop, stream: TcpStream) -> Result<Self> {
        Self::from_descriptor(event_loop, stream.into())
    }

    /// A duplicate of the descriptor, for what this library has no call for, such as an option that few need; the
    /// reference's `socketDescriptor`. `None` when there is no connection, or no descriptor left.
    ///
    /// Sending or receiving on it takes bytes away from the socket or mixes them with its own, and the connection stays
    /// open as long as it is kept.
    pub fn socket_descriptor(&self) -> Option<OwnedFd> {
        let core = self.core();
        if core.has_connection() { core.event_loop.driver.borrow_mut().duplicate(core.token()) } else { None }
    }

    /// The connection as a stream of `std`, blocking as those are. No slot of the socket runs any more, and nothing is told.
    ///
    /// A connection that a server let in gives its place up now, though it stays open:
    /// [`into_parts`](Self::into_parts) hands it out instead.
    ///
    /// # Errors
    ///
    /// When bytes were received and not read, or written and not sent (what can be sent now is sent), because they would
    /// be lost; and when there is no connection. The socket comes back, and goes on.
    pub fn into_std(self) -> Result<TcpStream, Rejected<Self>> {
        self.into_parts().map(|(stream, _)| stream)
    }

    /// The same, and the connection's place among those of the server that let it in, to be kept as long as the stream; `None` for
    /// a connection that was made or brought.
    ///
    /// # Errors
    ///
    /// As [`into_std`](Self::into_std).
    pub fn into_parts(self) -> Result<(TcpStream, Option<Permit>), Rejected<Self>> {
        if let Some(error) = self.core().why_not_std() {
            self.core().tell_later();
            return Err(Rejected { error, value: self });
        }
        let failed = |error: io::Error| Error::system(Operation::IntoStd, error);
        match self.core().take_transport() {
            Some(transport) => {
                let (descriptor, permit) = transport.into_descriptor_and_permit();
                let stream = TcpStream::from(descriptor);
                match stream.set_nonblocking(false) {
                    Ok(()) => Ok((stream, permit)),
                    Err(error) => Err(Rejected { error: failed(error), value: self }),
                }
            }
            None => Err(Rejected { error: failed(io::ErrorKind::NotConnected.into()), value: self }),
        }
    }
}
