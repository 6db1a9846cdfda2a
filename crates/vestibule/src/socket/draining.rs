use super::core::{Flag, SocketCore};
use super::end_reason::EndReason;
use super::socket_signal::{SignalKind, Told};
use super::telling::Step;
use crate::admission::{Count, DrainPhase, Ledger};
use crate::error::SocketError;
use std::rc::Rc;
use std::sync::Arc;

/// What a drain of the server, a time-out or a contained panic does to a connection.
impl SocketCore {
    /// The server drains: tells it in this turn or the next, and ends the connection once it has nothing to do.
    pub(crate) fn drain(self: &Rc<Self>) {
        if !self.set(Flag::Draining, true) {
            self.set(Flag::DrainUntold, true);
            self.look_soon();
        }
    }

    /// The drain is over, and the connection is still there.
    pub(crate) fn end_drain(&self) {
        self.set(Flag::Draining, false);
        self.set(Flag::DrainUntold, false);
    }

    pub(super) fn tell_drain(self: &Rc<Self>) {
        self.set(Flag::DrainUntold, false);
        self.emit(SignalKind::Draining, Told::Nothing);
    }

    /// Something may have left a draining connection with nothing to do.
    pub(super) fn look_soon(self: &Rc<Self>) {
        let drains = self.has(Flag::Draining) && self.is_open() && !self.has(Flag::Pending);
        if drains && self.event_loop.has_handles() && !self.set(Flag::Queued, true) {
            self.event_loop.add_telling(Rc::clone(self));
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.has(Flag::Draining)
    }

    /// Ends a draining connection that has nothing to do, and that nobody wants to end himself; tells nothing.
    pub(crate) fn end_if_idle(self: &Rc<Self>) {
        let waits = !self.is_draining() || !self.is_open() || self.has(Flag::Pending);
        let others = self.slots.get().is_some_and(|slots| slots.has(SignalKind::Draining as u8));
        if waits || others || self.bytes_available() > 0 || self.bytes_to_write() > 0 {
            return;
        }
        let drains = self.ledger().is_some_and(|ledger| ledger.phase() != DrainPhase::None);
        if !drains || self.event_loop.driver.borrow().has_unread(self.token()) {
            return; // the drain is over; or it will be received, and looked at again then
        }
        self.count(Count::EndedIdle);
        self.end_because(EndReason::Drained);
        self.begin_ending();
        self.tell_later();
    }

    /// Where the server that let the connection in counts.
    pub(super) fn ledger(&self) -> Option<Arc<Ledger>> {
        let driver = self.event_loop.driver.borrow();
        let permit = driver.permit(self.token()).map(|permit| Arc::clone(permit.ledger()));
        permit.or_else(|| self.outgoing_if_any()?.ledger.borrow().clone())
    }

    /// Remembers it for what is told when the connection is gone, if a panic of a slot would have to be counted.
    pub(super) fn keep_ledger(&self) {
        if self.event_loop.contains_panics() && self.slots.get().is_some() {
            let ledger = self.ledger();
            self.outgoing().ledger.replace(ledger);
        }
    }

    fn count(&self, count: Count) {
        if let Some(ledger) = self.ledger() {
            ledger.count(count);
        }
    }

    /// The drain's deadline has come.
    pub(crate) fn cut_by_drain(self: &Rc<Self>, ledger: &Ledger) {
        if !self.has_connection() {
            return;
        }
        if self.is_abandoned() && self.bytes_to_write() == 0 {
            let _ = self.cut();
            return;
        }
        ledger.cut(self.peer.get());
        self.end_by_force(EndReason::CutByDrain, SocketError::SocketTimeout);
    }

    /// A time-out was exceeded.
    pub(crate) fn time_out(self: &Rc<Self>, reason: EndReason) {
        if self.has_connection() {
            self.count(Count::TimedOut);
            self.end_by_force(reason, SocketError::SocketTimeout);
        }
    }

    /// A slot of this socket has panicked, and that was contained.
    pub(super) fn panicked(self: &Rc<Self>) {
        if self.has_connection() {
            self.end_by_force(EndReason::Panicked, SocketError::Unknown);
        } else if self.is_connecting() {
            self.end_because(EndReason::Panicked);
            self.cancel_connecting();
            self.note_attempt(Step::GaveUp);
            self.note_attempt(Step::Finished);
            self.tell_later();
        }
    }

    /// Closes at once with a reset; told with the rest in the next turn at the latest.
    fn end_by_force(self: &Rc<Self>, reason: EndReason, error: SocketError) {
        self.end_because(reason);
        self.event_loop.driver.borrow_mut().reset_at_close(self.token());
        self.leave();
        self.event_loop.close(self.token());
        self.lost(error);
        self.tell_later();
    }

    /// Notes what ended the connection; the first reason counts.
    pub(super) fn end_because(&self, reason: EndReason) {
        if self.end_reason.get().is_none() {
            self.end_reason.set(Some(reason));
            #[cfg(feature = "tracing")]
            if let Some(span) = self.span.get() {
                tracing::debug!(target: "vestibule", parent: &**span, %reason, "the connection ends");
            }
        }
    }
}
