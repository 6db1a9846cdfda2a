use super::core::SocketCore;
use super::tcp_socket::TcpSocket;
use std::rc::Weak;

/// A socket that somebody else owns: what slots of other objects capture.
#[derive(Clone, Debug)]
pub struct WeakTcpSocket(Weak<SocketCore>);

impl WeakTcpSocket {
    pub(super) fn new(core: Weak<SocketCore>) -> Self {
        Self(core)
    }

    /// Calls the closure with the socket, unless its owner has dropped it.
    pub fn with<R>(&self, call: impl FnOnce(&TcpSocket) -> R) -> Option<R> {
        let core = self.0.upgrade().filter(|core| !core.is_abandoned())?;
        Some(call(&core.view()))
    }
}
