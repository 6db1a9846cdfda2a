use super::core::SocketCore;
use super::tcp_socket::TcpSocket;
use super::weak::WeakTcpSocket;
use crate::server::{ServerCore, TcpServer};
use std::rc::{Rc, Weak};

impl TcpSocket {
    /// Gives the socket to a server, which keeps it until it is disconnected, or until the server is dropped, which
    /// ends it gracefully. The reference's `setParent`.
    ///
    /// [`TcpServer::for_each_child`] visits the sockets of a server. A socket that is disconnected already, or whose
    /// server was dropped, is dropped.
    pub fn set_parent(self, server: &TcpServer) {
        server.core().adopt_child(self);
    }
}

/// A socket that a server keeps: one pointer, because there may be very many.
#[derive(Debug)]
pub(crate) struct Child(Rc<SocketCore>);

impl Child {
    pub(crate) fn new(socket: TcpSocket) -> Self {
        Self(socket.into_core())
    }

    pub(crate) fn core(&self) -> &Rc<SocketCore> {
        &self.0
    }

    pub(crate) fn downgrade(&self) -> WeakTcpSocket {
        WeakTcpSocket::new(Rc::downgrade(&self.0))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl SocketCore {
    /// Whether `disconnected` is still to come, so that a parent would let go.
    pub(crate) fn can_be_child(&self) -> bool {
        !self.is_closed() || self.has_tales()
    }

    /// Whether a server keeps it.
    pub(super) fn has_parent(&self) -> bool {
        let parent = self.parent.take();
        let has = parent.strong_count() > 0;
        self.parent.set(parent);
        has
    }

    /// Everything was told: the parent lets go, if there is one.
    pub(super) fn leave_parent(self: &Rc<Self>) {
        let parent = self.parent.take().upgrade();
        let child = parent.and_then(|parent| parent.remove_child(self));
        drop(child);
    }

    pub(crate) fn set_parent(&self, parent: Weak<ServerCore>, index: u32) {
        self.parent.set(parent);
        self.child_index.set(index);
    }

    pub(crate) fn is(self: &Rc<Self>, other: &Rc<Self>) -> bool {
        Rc::ptr_eq(self, other)
    }
}
