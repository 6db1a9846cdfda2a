use super::incoming_connection::IncomingConnection;
use super::tcp_server::TcpServer;
use std::rc::Rc;

impl TcpServer {
    /// Sets what is called for each accepted connection instead of appending it to the pending list; the reference's
    /// virtual `incomingConnection`.
    ///
    /// The hook owns the connection: it may hand it to another thread, drop it, or make a socket of it and
    /// [append](Self::add_pending_connection) that. [`new_connection`](Self::new_connection) is told after it returned.
    /// A hook that panics gives the descriptor back.
    ///
    /// # Examples
    ///
    /// A server that hands its connections to a thread:
    ///
    /// ```
    /// use std::{io::Write, net::TcpStream, sync::mpsc, thread};
    /// use vestibule::{EventLoop, IncomingConnection, TcpServer};
    ///
    /// let event_loop = EventLoop::new()?;
    /// let server = TcpServer::bind(&event_loop, "127.0.0.1:0")?;
    /// let (pool, connections) = mpsc::channel();
    /// server.set_incoming_connection(move |_: &TcpServer, connection: IncomingConnection| {
    ///     let _ = pool.send(connection); // closed when the pool is gone
    /// });
    /// thread::spawn(move || {
    ///     for connection in connections {
    ///         let _ = TcpStream::from(connection).write_all(b"served in a thread\n");
    ///     }
    /// });
    /// # Ok::<(), vestibule::Error>(())
    /// ```
    pub fn set_incoming_connection(&self, hook: impl Fn(&Self, IncomingConnection) + 'static) {
        let earlier = self.core().hook.replace(Some(Rc::new(hook)));
        drop(earlier);
        self.core().update_credit();
    }

    /// Takes the hook back: connections are appended to the pending list again.
    pub fn reset_incoming_connection(&self) {
        let earlier = self.core().hook.take();
        drop(earlier);
        self.core().update_credit();
    }
}
