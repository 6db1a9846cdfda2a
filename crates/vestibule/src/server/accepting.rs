use super::core::{Pending, ServerCore};
use super::incoming_connection::IncomingConnection;
use super::tcp_server::TcpServer;
use crate::acceptor::{AcceptErrorClass, AcceptVerdict};
use crate::address::Kind;
use crate::driver::Transport;
use crate::error::{Operation, SocketError, describe};
use rustix::io::Errno;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

impl ServerCore {
    /// How many connections may be accepted now.
    pub(super) fn credit(&self) -> u32 {
        self.acceptor.borrow().credit(self.event_loop.turn_number())
    }

    /// Tells the driver what the acceptor decided; to be called after everything that it was told.
    pub(super) fn update_credit(self: &Rc<Self>) {
        let Some(listening) = self.listening.get() else {
            return;
        };
        let turn = self.event_loop.turn_number();
        let (credit, rests) = {
            let acceptor = self.acceptor.borrow();
            (acceptor.credit(turn), acceptor.waits_for_next_turn(turn))
        };
        let blocking = self.hook.borrow().is_some();
        self.event_loop.driver.borrow_mut().grant_accepts(listening.token, credit, blocking);
        if rests && !self.resting.replace(true) {
            self.event_loop.add_resting(Rc::downgrade(self));
        }
    }

    /// A new turn of the loop: a new batch.
    pub(crate) fn turn_began(self: &Rc<Self>) {
        self.resting.set(false);
        self.update_credit();
    }

    /// A connection was accepted: hands it to the hook, or appends it; then tells it.
    pub(crate) fn accepted(self: &Rc<Self>, transport: Transport, peer: SocketAddr) {
        self.acceptor.borrow_mut().accepted(self.event_loop.turn_number());
        let connection = IncomingConnection::new(transport, peer, self.local_address());
        let view = self.view();
        let hook = self.hook.borrow().clone();
        match hook {
            Some(hook) => {
                self.update_credit();
                hook(&view, connection.shared());
            }
            None => self.append(Pending::Incoming(connection)),
        }
        self.new_connection.emit(&view);
    }

    /// Appends to the pending list, and tells it.
    pub(super) fn append(self: &Rc<Self>, connection: Pending) {
        self.pending.borrow_mut().push_back(connection);
        self.acceptor.borrow_mut().appended();
        self.update_credit();
        self.pending_connection_available.emit(&self.view());
    }

    /// The address on this side of accepted connections, if it is one for all.
    fn local_address(&self) -> Option<SocketAddr> {
        let endpoint = self.endpoint();
        match endpoint.address.0 {
            Kind::V4(address) if !address.is_unspecified() => Some((address, endpoint.port).into()),
            _ => None,
        }
    }

    /// An accept failed: does what the acceptor decides.
    pub(crate) fn accept_failed(self: &Rc<Self>, errno: Errno) {
        let now = self.event_loop.driver.borrow().now();
        let class = AcceptErrorClass::of_errno(errno);
        let verdict = self.acceptor.borrow_mut().accept_failed(class, self.event_loop.turn_number(), now);
        let (kind, text) = describe(&errno.into(), Operation::Accept);
        match verdict {
            AcceptVerdict::Continue => self.update_credit(),
            AcceptVerdict::BackOff { tell } => {
                self.event_loop.add_exhausted(Rc::downgrade(self));
                self.update_credit();
                if tell {
                    crate::log::warning!(
                        "cannot accept on {}: {errno}; will go on by itself",
                        self.endpoint()
                    );
                    self.tell_accept_error(kind, text);
                }
            }
            AcceptVerdict::StopListening => {
                self.stop_listening();
                self.tell_accept_error(kind, text);
            }
        }
    }

    fn tell_accept_error(self: &Rc<Self>, kind: SocketError, text: &'static str) {
        self.note(kind, text);
        self.accept_error.emit(&self.view(), kind);
    }

    /// A descriptor was released, or time has passed: true when the server tries again, or has no reason to wait.
    pub(crate) fn supply_may_be_back(self: &Rc<Self>, released: bool, now: Instant) -> bool {
        let Some(retry_at) = self.retry_at() else {
            return true;
        };
        let due = released || now >= retry_at;
        if due {
            self.acceptor.borrow_mut().retry();
            self.update_credit();
        }
        due
    }

    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.acceptor.borrow().retry_at()
    }
}

impl TcpServer {
    /// Lets no more connections in: clients wait in the kernel's queue. The reference's `pauseAccepting`.
    ///
    /// Paused is a state: it is kept when the server closes and listens again, and only
    /// [`resume_accepting`](Self::resume_accepting) ends it. In a slot it takes effect at once. A blocking wait meanwhile
    /// times out, or answers for what is pending.
    pub fn pause_accepting(&self) {
        self.core().acceptor.borrow_mut().set_paused(true);
        self.core().update_credit();
    }

    /// Ends [`pause_accepting`](Self::pause_accepting); accepting goes on in the loop's next turn. The reference's
    /// `resumeAccepting`.
    pub fn resume_accepting(&self) {
        self.core().acceptor.borrow_mut().set_paused(false);
        self.core().update_credit();
    }

    /// Whether the server listens and is not paused. That nobody is let in for now, because the limit is reached or
    /// resources are lacking, does not change it.
    pub fn is_accepting(&self) -> bool {
        let acceptor = self.core().acceptor.borrow();
        acceptor.is_listening() && !acceptor.is_paused()
    }

    /// How many connections at most are accepted and not yet taken. Default: 30. The reference's
    /// `maxPendingConnections`.
    pub fn max_pending_connections(&self) -> usize {
        self.core().acceptor.borrow().limit()
    }

    /// Bounds how many connections are accepted and not yet taken; the others wait in the kernel's queue. The reference's
    /// `setMaxPendingConnections`.
    ///
    /// Accepting goes on in the loop's next turn after one is taken, or after the limit is raised. Lowering it under
    /// what is pending keeps that. 0 accepts none for now. A hook that appends nothing is not bounded.
    pub fn set_max_pending_connections(&self, limit: usize) {
        self.core().acceptor.borrow_mut().set_limit(limit);
        self.core().update_credit();
    }

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
