use super::core::ServerCore;
use super::tcp_server::TcpServer;
use std::rc::Weak;

/// A server that somebody else owns: what slots of other objects capture.
#[derive(Clone, Debug)]
pub struct WeakTcpServer(Weak<ServerCore>);

impl WeakTcpServer {
    pub(super) fn new(core: Weak<ServerCore>) -> Self {
        Self(core)
    }

    /// Calls the closure with the server, unless its owner has dropped it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use vestibule::{EventLoop, TcpServer};
    ///
    /// let event_loop = EventLoop::new()?;
    /// let server = TcpServer::bind(&event_loop, "127.0.0.1:0")?;
    /// let weak = server.downgrade();
    /// event_loop.single_shot(Duration::from_secs(60), move |_| {
    ///     weak.with(|server| server.close());
    /// });
    /// # Ok::<(), vestibule::Error>(())
    /// ```
    pub fn with<R>(&self, call: impl FnOnce(&TcpServer) -> R) -> Option<R> {
        let core = self.0.upgrade().filter(|core| !core.gone.get())?;
        Some(call(&core.view()))
    }
}
