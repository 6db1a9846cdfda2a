use super::core::SocketCore;
use super::tcp_socket::TcpSocket;
use std::rc::Weak;

/// A socket that somebody else owns: what slots of other objects capture.
///
/// ```
/// use std::time::Duration;
/// use vestibule::{EventLoop, TcpSocket};
///
/// /// Ends the connection after a while, if it is still there.
/// fn end_in_a_minute(event_loop: &EventLoop, socket: &TcpSocket) {
///     let weak = socket.downgrade();
///     event_loop.single_shot(Duration::from_secs(60), move |_| {
///         weak.with(TcpSocket::disconnect_from_host);
///     });
/// }
/// ```
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
