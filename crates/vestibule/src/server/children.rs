use super::core::ServerCore;
use super::tcp_server::TcpServer;
use crate::socket::{Child, SocketCore, TcpSocket};
use std::rc::Rc;

impl ServerCore {
    /// Keeps a socket until it is disconnected or the server is dropped.
    pub(crate) fn adopt_child(self: &Rc<Self>, socket: TcpSocket) {
        if self.gone.get() || !socket.core().can_be_child() {
            return; // dropping it ends it
        }
        let index = self.children.borrow().len();
        let Ok(index) = u32::try_from(index) else { return };
        socket.core().set_parent(Rc::downgrade(self), index);
        self.children.borrow_mut().push(Child::new(socket));
    }

    /// The child is the caller's to drop.
    pub(crate) fn remove_child(&self, child: &Rc<SocketCore>) -> Option<Child> {
        let index = child.child_index.get();
        let at = index as usize;
        let mut children = self.children.borrow_mut();
        if !children.get(at)?.core().is(child) {
            return None;
        }
        let removed = children.swap_remove(at);
        if let Some(moved) = children.get(at) {
            moved.core().child_index.set(index);
        }
        Some(removed)
    }
}

impl TcpServer {
    /// Calls the closure with each socket whose [parent](TcpSocket::set_parent) the server is, in no particular order.
    ///
    /// It visits those that are there now: the closure may end any of them, and drop the server.
    pub fn for_each_child(&self, visit: impl Fn(&TcpSocket)) {
        let children: Vec<_> = self.core().children.borrow().iter().map(Child::downgrade).collect();
        for child in children {
            child.with(&visit);
        }
    }
}
