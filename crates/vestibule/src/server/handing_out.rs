use super::core::{Pending, ServerCore};
use super::tcp_server::TcpServer;
use crate::error::{Error, Operation, Rejected, SocketError};
use crate::socket::TcpSocket;
use std::rc::Rc;

impl ServerCore {
    fn take(self: &Rc<Self>) -> Option<TcpSocket> {
        let connection = self.pending.borrow_mut().pop_front()?;
        self.acceptor.borrow_mut().taken(1);
        self.count_pending();
        if !self.granted.get() {
            self.update_credit(); // there is room again
        }
        Some(match connection {
            Pending::Incoming(connection) => connection.into_socket(&self.event_loop),
            Pending::Socket(socket) => {
                socket.set_pending(false);
                socket
            }
        })
    }
}

impl TcpServer {
    /// Whether [`next_pending_connection`](Self::next_pending_connection) has one to give; the reference's
    /// `hasPendingConnections`.
    pub fn has_pending_connections(&self) -> bool {
        !self.core().pending.borrow().is_empty()
    }

    /// The connection that waits longest, as a socket that the caller owns; `None` when none waits. Never blocks. The
    /// reference's `nextPendingConnection`.
    ///
    /// The socket is connected. What its peer has sent meanwhile, and that it has gone, is told in the next turn.
    #[must_use = "dropping a connection ends it"]
    pub fn next_pending_connection(&self) -> Option<TcpSocket> {
        self.core().take()
    }

    /// Appends a socket to the pending connections, and tells
    /// [`pending_connection_available`](Self::pending_connection_available) before it returns. The reference's
    /// `addPendingConnection`.
    ///
    /// It checks no limit, but counts: accepting goes on once fewer than the limit are left. It works also when the
    /// server does not listen. Nothing is received for the socket until it is taken.
    ///
    /// # Errors
    ///
    /// When the socket is not connected, or the server was dropped; the socket comes back.
    pub fn add_pending_connection(&self, socket: TcpSocket) -> Result<(), Rejected<TcpSocket>> {
        let words = if self.core().gone.get() {
            "the server was dropped"
        } else if !socket.is_connected() {
            "the socket is not connected"
        } else {
            socket.set_pending(true);
            self.core().decided.set(false);
            self.core().append(Pending::Socket(socket));
            return Ok(());
        };
        let error = Error::said(Operation::AddPendingConnection, SocketError::Operation, words);
        Err(Rejected { error, value: socket })
    }
}
