use super::core::{Flag, Phase, SocketCore};
use super::end_reason::EndReason;
use super::socket_signal::{SignalKind, SocketSlots};
use super::tcp_socket::TcpSocket;
use super::telling::{Step, Tale};
use crate::driver::Token;
use crate::error::{Operation, SocketError};
use rustix::io::Errno;
use std::rc::Rc;

impl SocketCore {
    /// Everything was sent: closes the connection so that it arrives.
    pub(super) fn finish(self: &Rc<Self>) {
        let ended = self.has(Flag::InputEnded);
        let sent = self.sent.get();
        self.leave();
        self.event_loop.end_gracefully(self.token(), sent, ended);
        self.note_end();
    }

    /// A connection of this socket broke, or an attempt to make one has failed.
    pub(crate) fn connection_failed(self: &Rc<Self>, token: Token, errno: Errno) {
        if self.is_connecting() {
            self.attempt_failed(token, errno);
        } else {
            self.fail(errno);
        }
        self.tell();
    }

    /// The connection broke; why is asked only when somebody can see it.
    pub(crate) fn connection_broke(self: &Rc<Self>, token: Token) {
        let errno = if self.is_observed() {
            self.event_loop.driver.borrow().noted_error(token)
        } else {
            Errno::CONNRESET
        };
        self.connection_failed(token, errno);
    }

    /// Whether anybody holds the socket, or a slot of it runs when it breaks.
    fn is_observed(&self) -> bool {
        let kinds = [
            SignalKind::ErrorOccurred,
            SignalKind::StateChanged,
            SignalKind::ReadChannelFinished,
            SignalKind::Disconnected,
        ];
        let has_slots = |slots: &SocketSlots| kinds.iter().any(|kind| slots.has(*kind as u8));
        let is_child = self.has_parent() && !self.is_connecting();
        let in_slot = self.has(Flag::Telling) || self.has(Flag::Delivering);
        !is_child
            || in_slot
            || cfg!(feature = "tracing")
            || self.slots.get().is_some_and(|slots| has_slots(slots))
    }

    /// The connection broke.
    pub(super) fn fail(self: &Rc<Self>, errno: Errno) {
        if !self.has_connection() {
            return;
        }
        self.receive_surplus();
        self.leave();
        self.event_loop.close(self.token());
        self.lost(SocketError::from_io(&errno.into(), Operation::Receive));
    }

    /// The peer sends nothing more, and all it sent was received.
    pub(crate) fn peer_ended(self: &Rc<Self>) {
        if self.is_connecting() && self.proxy_ended() {
            return;
        }
        if !self.has_connection() || self.has(Flag::InputEnded) {
            return;
        }
        self.tell_surplus();
        if !self.has_connection() || self.set(Flag::InputEnded, true) {
            return;
        }
        self.granted.set(0);
        self.note(Tale::FinishedFirst);
        let ends = self.is_open() && !self.has(Flag::HalfOpen);
        if ends {
            self.end_because(EndReason::Peer);
            self.error.set(SocketError::RemoteHostClosed);
            self.note(Tale::Error);
            self.note(Tale::LastWordsSaid);
        }
        self.tell();
    }

    /// Nothing more can be written; ends at once if nothing is buffered.
    pub(super) fn begin_ending(self: &Rc<Self>) {
        if !self.is_open() {
            return;
        }
        self.phase.set(Phase::Ending);
        self.note(Tale::Closing);
        if self.bytes_to_write() == 0 {
            self.finish();
        } else {
            self.make_dirty(); // what is left then is looked after
        }
    }

    fn disconnect_from_host(self: &Rc<Self>) {
        if self.has_connection() {
            self.end_because(EndReason::Here);
        }
        if self.is_connecting() {
            self.outgoing().end_when_connected.set(true);
        } else if self.unbind() {
            self.note_attempt(Step::GaveUp);
        }
        self.begin_ending();
        self.tell();
    }

    fn abort(self: &Rc<Self>) {
        if self.is_connecting() {
            self.cancel_connecting();
            self.note_attempt(Step::GaveUp);
            self.note_attempt(Step::Finished);
            return self.tell();
        }
        if self.unbind() {
            self.note_attempt(Step::GaveUp);
            return self.tell();
        }
        if self.is_closed() {
            return;
        }
        self.end_because(EndReason::Here);
        self.drop_input();
        self.leave();
        self.event_loop.close(self.token());
        self.note_end();
        self.tell();
    }

    /// The owner is gone: ends gracefully, and tells nobody.
    pub(crate) fn abandon(self: &Rc<Self>) {
        if let Some(slots) = self.slots.get() {
            slots.clear();
        }
        self.set(Flag::Abandoned, true);
        self.forget_tales();
        self.drop_input();
        self.unbind();
        if self.is_connecting() {
            self.cancel_connecting();
        }
        if !self.is_closed() {
            self.phase.set(Phase::Ending);
            if self.set(Flag::Pending, false) {
                self.event_loop.driver.borrow_mut().hold(self.token(), false);
            }
            if !self.event_loop.has_handles() {
                self.push_out_all();
            } else if self.bytes_to_write() == 0 || !self.event_loop.in_turn() {
                self.push_out();
            }
        }
        let unsent = self.bytes_to_write(); // nothing once it is closed
        if unsent > 0 && self.event_loop.has_handles() {
            if !self.leaves_with_turn() {
                self.update_reading();
                self.event_loop.departing.watch_sending(&self.event_loop, self.token(), unsent);
            }
        } else if unsent > 0 {
            self.cut();
        }
        if self.set(Flag::Queued, false) {
            self.event_loop.forget_telling(self);
        }
        if self.is_closed() && self.set(Flag::Dirty, false) {
            self.event_loop.forget_dirty(self);
        }
        let private_loop = self.outgoing_if_any().and_then(|outgoing| outgoing.private_loop.take());
        drop(private_loop);
    }

    /// Whether what is unsent is sent at the end of the turn, as far as the system takes it.
    fn leaves_with_turn(&self) -> bool {
        self.has(Flag::Dirty) && self.event_loop.in_turn()
    }

    /// Sends as long as the system takes any.
    pub(crate) fn push_out_all(self: &Rc<Self>) {
        while self.push_out() > 0 && !self.is_closed() {}
    }

    /// Closes at once, whatever is unsent; true if it was open.
    pub(crate) fn cut(self: &Rc<Self>) -> bool {
        let open = self.has_connection();
        if open {
            if self.bytes_to_write() > 0 {
                // The peer must not take what it got for all there was.
                self.event_loop.driver.borrow_mut().reset_at_close(self.token());
            }
            self.leave();
            self.event_loop.close(self.token());
        }
        open
    }
}

impl TcpSocket {
    /// Sends what was written, then ends the connection. The peer gets every byte, and then the end, also when it
    /// sent bytes that nobody has read, or is still sending.
    ///
    /// Nothing can be written from now on. With something unsent the state becomes
    /// [`Closing`](crate::SocketState::Closing), and [`disconnected`](Self::disconnected) comes when it has left;
    /// otherwise all that happens before this returns. What was received can still be read. Does not block, and does
    /// nothing when the socket is ending or unconnected. While a connection is being made it is remembered: once that
    /// stands, what was written is sent, and then it ends. The reference's `disconnectFromHost`.
    pub fn disconnect_from_host(&self) {
        self.core().disconnect_from_host();
    }

    /// Ends the connection, or the attempt to make one, at once: what is unsent is discarded, and so is what is unread.
    /// The reference's `abort`.
    ///
    /// The peer sees an end if nothing that it sent was left unread in the kernel, else a reset. Signals come before
    /// this returns.
    pub fn abort(&self) {
        self.core().abort();
    }

    /// Discards what was received, then does what [`disconnect_from_host`](Self::disconnect_from_host) does. The
    /// reference's `close`.
    pub fn close(&self) {
        self.core().drop_input();
        self.core().disconnect_from_host();
    }

    /// With true, the peer's end does not end the connection: [`read_channel_finished`](Self::read_channel_finished)
    /// tells it, and writing goes on until [`disconnect_from_host`](Self::disconnect_from_host). Default: false. The
    /// reference has no half-open connections.
    pub fn set_half_open(&self, half_open: bool) {
        self.core().set(Flag::HalfOpen, half_open);
    }

    /// Whether the peer's end leaves the connection open for writing.
    pub fn is_half_open(&self) -> bool {
        self.core().has(Flag::HalfOpen)
    }
}
