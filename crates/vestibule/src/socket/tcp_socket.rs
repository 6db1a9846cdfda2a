use super::core::{Flag, SocketCore};
use super::end_reason::EndReason;
use super::socket_signal::{SignalKind, SocketSignal, SocketSlots};
use super::state::SocketState;
use super::weak::WeakTcpSocket;
use crate::error::SocketError;
use std::fmt;
use std::rc::Rc;

/// One connection, with signals, and with blocking calls where there is no loop; the reference's `QTcpSocket`.
///
/// It comes from [`TcpServer::next_pending_connection`](crate::TcpServer::next_pending_connection), in another thread
/// from [`from_incoming`](Self::from_incoming), or from [`new`](Self::new) and
/// [`connect_to_host`](Self::connect_to_host). The caller owns it. Dropping it ends the connection gracefully: what was
/// written still arrives. [`set_parent`](Self::set_parent) gives it to its server instead.
///
/// **Writing.** [`write`](Self::write) takes all or nothing and never blocks. What was written leaves together when
/// control returns to the loop, on [`flush`](Self::flush), or in a wait.
///
/// **Reading.** [`ready_read`](Self::ready_read) tells that something came. [`read_with`](Self::read_with) lends it without
/// a copy, [`read`](Self::read) and [`read_all`](Self::read_all) copy it. A socket that nobody reads stops receiving at its
/// [`read_buffer_size`](Self::read_buffer_size), which makes the peer wait.
///
/// **Ending.** When the peer ends, [`read_channel_finished`](Self::read_channel_finished) and
/// [`error_occurred`](Self::error_occurred) with `RemoteHostClosed` come, then what was written is still sent, then
/// [`disconnected`](Self::disconnected). See also [`set_half_open`](Self::set_half_open).
///
/// **Telling.** `flush`, `disconnect_from_host`, `close`, `abort`, `bind`, `connect_to_host` and the waits run slots before
/// they return; do not hold
/// a `RefCell`'s borrow across them. Everything else only notes what is to be told, and the loop tells it. In a slot of
/// one of the socket's own signals other than `ready_read`, what these calls bring about is told when that slot returns.
///
/// # Examples
///
/// An echo server:
///
/// ```no_run
/// use vestibule::{EventLoop, TcpServer};
///
/// let event_loop = EventLoop::new()?;
/// let server = TcpServer::bind(&event_loop, "127.0.0.1:7777")?;
/// server.new_connection().connect(|server| {
///     while let Some(socket) = server.next_pending_connection() {
///         socket.ready_read().connect(|socket| {
///             socket.read_with(|bytes| socket.write(bytes));
///         });
///         socket.set_parent(server);
///     }
/// });
/// event_loop.run()?;
/// # Ok::<(), vestibule::Error>(())
/// ```
///
/// Sockets stay on the thread of their loop:
///
/// ```compile_fail
/// fn send<T: Send>() {}
/// send::<vestibule::TcpSocket>();
/// ```
pub struct TcpSocket {
    core: Rc<SocketCore>,
    /// False for a socket that is lent to a slot.
    owner: bool,
}

impl TcpSocket {
    pub(crate) fn owning(core: Rc<SocketCore>) -> Self {
        Self { core, owner: true }
    }

    pub(super) fn lent(core: Rc<SocketCore>) -> Self {
        Self { core, owner: false }
    }

    pub(crate) fn core(&self) -> &Rc<SocketCore> {
        &self.core
    }

    /// What the socket is doing. The reference's `state`.
    ///
    /// It changes when it is told: a connection that broke in the middle of a slot is `Connected` until the loop tells
    /// otherwise.
    pub fn state(&self) -> SocketState {
        self.core.state.get()
    }

    /// The last error, `Unknown` before the first; the reference's `error`.
    pub fn error(&self) -> SocketError {
        self.core.error.get()
    }

    /// The last error in the reference's English text; the reference's `errorString`.
    pub fn error_string(&self) -> &'static str {
        let of_attempt = self.core.outgoing_if_any().and_then(|outgoing| outgoing.failure_text.get());
        of_attempt
            .filter(|(kind, _)| *kind == self.error())
            .map_or_else(|| self.error().text(), |(_, text)| text)
    }

    /// A handle that does not keep the connection open: what slots of other objects should capture.
    pub fn downgrade(&self) -> WeakTcpSocket {
        WeakTcpSocket::new(Rc::downgrade(&self.core))
    }

    /// What the socket owns, for another owner.
    pub(super) fn into_core(mut self) -> Rc<SocketCore> {
        self.owner = false;
        Rc::clone(&self.core)
    }

    fn slots(&self) -> &SocketSlots {
        self.core.slots.get_or_init(Box::default)
    }

    /// The host's address is known, and connecting to it begins; the reference's `hostFound`.
    #[must_use]
    pub fn host_found(&self) -> SocketSignal<'_> {
        SocketSignal::new(self.slots(), SignalKind::HostFound)
    }

    /// The connection that [`connect_to_host`](Self::connect_to_host) was to make stands.
    #[must_use]
    pub fn connected(&self) -> SocketSignal<'_> {
        SocketSignal::new(self.slots(), SignalKind::Connected)
    }

    /// Something was received that can be read now. Not told inside itself.
    #[must_use]
    pub fn ready_read(&self) -> SocketSignal<'_> {
        SocketSignal::new(self.slots(), SignalKind::ReadyRead)
    }

    /// So many bytes were handed to the system since the last time. Not told inside itself.
    #[must_use]
    pub fn bytes_written(&self) -> SocketSignal<'_, usize> {
        SocketSignal::new(self.slots(), SignalKind::BytesWritten)
    }

    /// The state became another.
    #[must_use]
    pub fn state_changed(&self) -> SocketSignal<'_, SocketState> {
        SocketSignal::new(self.slots(), SignalKind::StateChanged)
    }

    /// An error occurred; `RemoteHostClosed` is what the peer's ordinary end is called.
    #[must_use]
    pub fn error_occurred(&self) -> SocketSignal<'_, SocketError> {
        SocketSignal::new(self.slots(), SignalKind::ErrorOccurred)
    }

    /// Nothing more will be received. What was received can still be read.
    #[must_use]
    pub fn read_channel_finished(&self) -> SocketSignal<'_> {
        SocketSignal::new(self.slots(), SignalKind::ReadChannelFinished)
    }

    /// The connection is over; the last signal of a connection. The peer's address is still known in its slots.
    #[must_use]
    pub fn disconnected(&self) -> SocketSignal<'_> {
        SocketSignal::new(self.slots(), SignalKind::Disconnected)
    }

    /// The server that let the connection in is [draining](crate::TcpServer::drain): what is under way is to be brought to its
    /// end.
    ///
    /// A socket with a slot here ends its connection itself, until the deadline. One without is ended as soon as nothing of
    /// it is unread or unsent.
    #[must_use]
    pub fn draining(&self) -> SocketSignal<'_> {
        SocketSignal::new(self.slots(), SignalKind::Draining)
    }

    /// What ended the connection, known from the moment in which it begins to end, so in slots of `disconnected`; `None`
    /// before.
    pub fn end_reason(&self) -> Option<EndReason> {
        self.core.end_reason.get()
    }

    /// Whether the connection could be handed to a server.
    pub(crate) fn is_connected(&self) -> bool {
        !self.core.is_closed() && self.state() == SocketState::Connected
    }

    /// While a socket waits to be taken, nothing is told of it.
    pub(crate) fn set_pending(&self, pending: bool) {
        self.core.set(Flag::Pending, pending);
        let core = &self.core;
        core.event_loop.driver.borrow_mut().hold(core.token(), pending);
        if core.has(Flag::Watched) && pending {
            core.event_loop.watches.rest(core.token());
        } else if core.has(Flag::Watched) {
            core.event_loop.watches.end_rest(&core.event_loop, core.token(), core.has_unsent());
        }
        self.core.tell_later();
    }
}

impl Drop for TcpSocket {
    fn drop(&mut self) {
        if self.owner {
            self.core.abandon();
        }
    }
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpSocket")
            .field("peer", &self.peer_addr())
            .field("state", &self.state())
            .field("bytes_available", &self.bytes_available())
            .field("bytes_to_write", &self.bytes_to_write())
            .finish_non_exhaustive()
    }
}
