use super::core::SocketCore;
use super::tcp_socket::TcpSocket;
use crate::driver::{Driver, Interest, Readiness};
use crate::error::{Error, Operation, Result, SocketError};
use crate::event_loop::{Also, EventLoop, Wait};
use rustix::io::Errno;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

impl SocketCore {
    fn connect_to_host(self: &Rc<Self>, host: &str, port: u16) -> Result<()> {
        let refused = |words: &'static str| {
            Error::said(Operation::Connect, SocketError::Operation, words).to(named(host, port))
        };
        if !self.is_closed() {
            return Err(refused("the socket is connected or connecting already"));
        }
        if self.event_loop.is_gone() {
            return Err(refused("the event loop is gone"));
        }
        self.begin_connecting(host, port);
        self.tell();
        Ok(())
    }

    fn wait_for_connected(self: &Rc<Self>, timeout: Option<Duration>) -> Result<bool> {
        if self.has_connection() {
            return Ok(true);
        }
        if !self.is_connecting() {
            self.outgoing().succeeded.set(false); // it is over
        }
        let wait = self.event_loop.begin_wait(timeout);
        self.wait_until_connected(&wait)
    }

    /// Waits for the end of the attempt under way; false when the wait's time was over first, which ends the attempt.
    pub(super) fn wait_until_connected(self: &Rc<Self>, wait: &Wait<'_>) -> Result<bool> {
        let connected = self.is_connected_by(wait)?;
        if !connected {
            self.give_up_waiting();
            self.tell();
        }
        Ok(connected)
    }

    /// Waits for the end of the attempt under way, and of others that slots begin instead; false when the wait's time was
    /// over first.
    pub(super) fn is_connected_by(self: &Rc<Self>, wait: &Wait<'_>) -> Result<bool> {
        let mut looked = false;
        loop {
            self.tell();
            if !self.is_connecting() {
                return self.outcome().map(|()| true);
            }
            if looked && wait.is_over() {
                return Ok(false);
            }
            self.connecting_round(wait)?;
            looked = true;
        }
    }

    fn connecting_round(self: &Rc<Self>, wait: &Wait<'_>) -> Result<()> {
        self.look_at_lookup(); // the call that tells the answer may be behind the one that waits here
        let Some(needs) = self.attempt_needs() else { return Ok(()) };
        let ready = wait.round(&needs.interests, needs.also, needs.wake_at);
        let ready = ready.map_err(|error| Error::system(Operation::Wait, error))?;
        self.go_on_connecting(&ready, wait.now());
        Ok(())
    }

    /// What the attempt under way waits for.
    pub(crate) fn attempt_needs(&self) -> Option<AttemptNeeds> {
        let talk = self.talk_interest();
        self.with_attempt(|attempt| {
            let also = if attempt.lookup.is_some() { Also::OtherThreads } else { Also::Nothing };
            let interests = match talk {
                Some(talk) => vec![talk],
                None => attempt.running.iter().copied().map(Interest::writable).collect(),
            };
            AttemptNeeds { interests, also, wake_at: attempt.wake_at }
        })
    }

    /// A wait has found what of this may be the attempt's.
    pub(crate) fn go_on_connecting(self: &Rc<Self>, ready: &[Readiness], now: Instant) {
        for found in ready {
            if self.talk_token() == Some(found.token) {
                self.talk(*found);
            } else if self.tries().contains(&found.token) {
                let result = self.event_loop.driver.borrow_mut().finish_connecting(found.token);
                match result {
                    Ok(peer) => self.connected(found.token, peer),
                    Err(Errno::AGAIN) => {}
                    Err(errno) => self.attempt_failed(found.token, errno),
                }
            }
        }
        self.look_at_lookup();
        let due = self.with_attempt(|attempt| attempt.wake_at.is_some_and(|at| now >= at));
        if due == Some(true) {
            self.advance();
        }
    }

    /// How the last attempt ended.
    fn outcome(&self) -> Result<()> {
        let outgoing = self.outgoing();
        let named = || named(&outgoing.host.borrow(), outgoing.port.get());
        let failure = outgoing.failure.take();
        match failure {
            Some(error) => Err(error.to(named())),
            None if outgoing.succeeded.get() => Ok(()),
            None => {
                let words = "no connection is being made; call connect_to_host first";
                Err(Error::said(Operation::Connect, SocketError::Operation, words))
            }
        }
    }
}

/// What an attempt to connect waits for.
pub(crate) struct AttemptNeeds {
    pub(crate) interests: Vec<Interest>,
    pub(crate) also: Also,
    /// When it is to be looked at though nothing happens.
    pub(crate) wake_at: Option<Instant>,
}

/// A host and a port as one text.
fn named(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

impl TcpSocket {
    /// A socket that is not connected, for [`connect_to_host`](Self::connect_to_host).
    pub fn new(event_loop: &EventLoop) -> Self {
        Self::owning(SocketCore::new(event_loop.core()))
    }

    /// A socket for blocking use, on a loop of its own whose descriptors are made only if they are needed.
    ///
    /// Dropping it sends what the system takes at once, and resets the connection if that is not all, because nobody is
    /// left to wait: call [`disconnect_from_host`](Self::disconnect_from_host) and
    /// [`wait_for_disconnected`](Self::wait_for_disconnected) first, or flush the [`blocking`](Self::blocking) stream.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use vestibule::TcpSocket;
    ///
    /// let limit = Some(Duration::from_secs(5));
    /// let socket = TcpSocket::standalone();
    /// socket.connect_to_host("localhost", 7777)?;
    /// if socket.wait_for_connected(limit)? {
    ///     while socket.wait_for_ready_read(limit).unwrap_or(false) {}
    ///     println!("{}", String::from_utf8_lossy(&socket.read_all()));
    /// }
    /// # Ok::<(), vestibule::Error>(())
    /// ```
    pub fn standalone() -> Self {
        let event_loop = EventLoop::on(Driver::os());
        let socket = Self::new(&event_loop);
        socket.core().outgoing().private_loop.replace(Some(event_loop));
        socket
    }

    /// Begins to connect to a host, which is a name or an address, and a port. Does not block; the reference's
    /// `connectToHost`.
    ///
    /// The state becomes `HostLookup` while a name is looked up (in another thread), then `Connecting`;
    /// [`state_changed`](Self::state_changed) and [`host_found`](Self::host_found) tell it. Of several addresses those of
    /// the family that the system prefers and of the other are tried in turn, each a quarter of a second after the last
    /// or as soon as that fails; the first to answer wins (RFC 8305). Then [`connected`](Self::connected) comes. When all
    /// have failed, or after [`connect_timeout`](Self::connect_timeout), the state is `Unconnected` again, and
    /// [`error_occurred`](Self::error_occurred) tells why. Both come from the loop, or in
    /// [`wait_for_connected`](Self::wait_for_connected), never in this call.
    ///
    /// What is written before is sent when the connection stands, and lost when none does. A socket can be connected again
    /// after its connection ended, also in the slots that tell so; what was left unread is dropped then. Dropping a socket
    /// that is connecting gives it up.
    ///
    /// # Errors
    ///
    /// `Operation` when the socket is connected or connecting already, or its loop is gone; it stays as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use vestibule::{EventLoop, TcpServer, TcpSocket};
    ///
    /// let event_loop = EventLoop::new()?;
    /// let server = TcpServer::bind(&event_loop, "127.0.0.1:0")?;
    /// server.new_connection().connect(|server| {
    ///     while let Some(socket) = server.next_pending_connection() {
    ///         socket.write(b"welcome");
    ///     }
    /// });
    ///
    /// let socket = TcpSocket::new(&event_loop);
    /// let quit = event_loop.handle();
    /// socket.disconnected().connect(move |_| quit.quit());
    /// socket.connect_to_host("localhost", server.server_port())?;
    /// event_loop.run()?;
    /// assert_eq!(socket.read_all(), b"welcome");
    /// # Ok::<(), vestibule::Error>(())
    /// ```
    pub fn connect_to_host(&self, host: impl fmt::Display, port: u16) -> Result<()> {
        self.core().connect_to_host(&host.to_string(), port)
    }

    /// Blocks until the connection stands, at most so long; `None` waits for ever, or as long as
    /// [`connect_timeout`](Self::connect_timeout) allows. The reference's `waitForConnected`.
    ///
    /// True after `connected` was told, and at once when that has happened already. False after the time-out, which ends
    /// the attempt: the state is `Unconnected`, and `error_occurred` tells `SocketTimeout`. Needs no running loop, and runs
    /// no slot but this socket's. Names are looked up within the time, too.
    ///
    /// # Errors
    ///
    /// Why the host could not be reached: `cannot connect to localhost:7777: connection refused`. And when no connection
    /// is being made.
    pub fn wait_for_connected(&self, timeout: Option<Duration>) -> Result<bool> {
        self.core().wait_for_connected(timeout)
    }

    /// How long [`connect_to_host`](Self::connect_to_host) may take in all, `None` for as long as the system tries.
    /// Default: 30 s.
    pub fn connect_timeout(&self) -> Option<Duration> {
        self.core().outgoing().limit.get()
    }

    /// Bounds how long the next [`connect_to_host`](Self::connect_to_host) may take.
    pub fn set_connect_timeout(&self, timeout: Option<Duration>) {
        self.core().outgoing().limit.set(timeout);
    }

    /// The host that [`connect_to_host`](Self::connect_to_host) was last asked for; the reference's `peerName`.
    pub fn peer_name(&self) -> String {
        self.core().outgoing_if_any().map(|outgoing| outgoing.host.borrow().clone()).unwrap_or_default()
    }
}
