use super::core::{Flag, NO_PEER, SocketCore};
use super::outgoing::Outgoing;
use super::socket_signal::{SignalKind, Told};
use super::state::SocketState;
use crate::error::SocketError;
use std::rc::Rc;

/// Something to be told of a connection, as a bit; they are told in this order.
///
/// What happens to a connection and what is told of it are apart, because a wait of one object tells nothing of others,
/// and because a slot may bring about more while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Tale {
    BytesWritten = 1,
    /// The read channel finished, before the connection ends.
    FinishedFirst = 2,
    Error = 4,
    /// Nothing to be told: the connection begins to end, now that slots had their last words.
    LastWordsSaid = 8,
    Closing = 16,
    Unconnected = 32,
    /// The read channel finished, because the connection ended.
    Finished = 64,
    Gone = 128,
}

/// By their bits.
const IN_ORDER: [Tale; 8] = [
    Tale::BytesWritten,
    Tale::FinishedFirst,
    Tale::Error,
    Tale::LastWordsSaid,
    Tale::Closing,
    Tale::Unconnected,
    Tale::Finished,
    Tale::Gone,
];

/// Something to be told of the making of a connection; they are told as they come, before what is noted of the
/// connection that is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Bound,
    /// A name is being looked up.
    LookingUp,
    Connecting,
    HostFound,
    /// The connection stands: the state, and then the signal.
    Established,
    Connected,
    /// The attempt is over.
    GaveUp,
    /// Why it is.
    Failure(SocketError),
    /// The read channel finished, because the program gave the attempt up.
    Finished,
    /// What remained to be told of the connection before, with its error and the bytes that it sent.
    Earlier(Tale, SocketError, u32),
}

impl SocketCore {
    pub(super) fn note(&self, tale: Tale) {
        if !self.is_abandoned() {
            self.tales.set(self.tales.get() | tale as u8);
        }
    }

    pub(super) fn note_attempt(&self, step: Step) {
        if self.is_abandoned() {
            return;
        }
        while let Some(tale) = self.take_tale() {
            // The connection is over: it has begun to end long ago.
            if tale != Tale::LastWordsSaid {
                let earlier = Step::Earlier(tale, self.error.get(), self.untold.take());
                self.outgoing().steps.borrow_mut().push_back(earlier);
            }
        }
        self.outgoing().steps.borrow_mut().push_back(step);
    }

    pub(super) fn forget_tales(&self) {
        self.tales.set(0);
        self.set(Flag::DrainUntold, false);
        if let Some(outgoing) = self.outgoing_if_any() {
            outgoing.steps.take();
        }
    }

    /// The connection is over: what remains to be told.
    pub(super) fn note_end(&self) {
        self.note(Tale::Unconnected);
        if !self.has(Flag::InputEnded) {
            self.note(Tale::Finished);
        }
        self.note(Tale::Gone);
    }

    fn take_tale(&self) -> Option<Tale> {
        let tales = self.tales.get();
        let next = IN_ORDER.get(tales.trailing_zeros() as usize).copied()?;
        self.tales.set(tales & !(next as u8));
        Some(next)
    }

    fn take_step(&self) -> Option<Step> {
        self.outgoing_if_any()?.steps.borrow_mut().pop_front()
    }

    /// Whether anything was noted and not yet told.
    pub(super) fn has_tales(&self) -> bool {
        let has_steps = |outgoing: &Outgoing| !outgoing.steps.borrow().is_empty();
        self.tales.get() != 0 || self.has(Flag::DrainUntold) || self.outgoing_if_any().is_some_and(has_steps)
    }

    /// Tells everything that was noted. Inside itself it does nothing: the outer one goes on. Of a socket that waits
    /// to be taken nothing is told until it is.
    pub(crate) fn tell(self: &Rc<Self>) {
        if !self.has_tales() || self.has(Flag::Pending) || self.set(Flag::Telling, true) {
            return;
        }
        if self.has_said_all() {
            self.set(Flag::Telling, false);
            return;
        }
        let _telling = Telling(self);
        if self.slots.get().is_none() && self.outgoing_if_any().is_none() {
            self.tell_nobody();
        }
        loop {
            if let Some(step) = self.take_step() {
                self.tell_step(step);
            } else if let Some(tale) = self.take_tale() {
                let bytes = if tale == Tale::BytesWritten { self.untold.take() } else { 0 };
                self.tell_one(tale, self.error.get(), bytes);
            } else if self.has(Flag::DrainUntold) {
                self.tell_drain();
            } else {
                return;
            }
        }
    }

    /// Without slots, what was noted of the connection's end only changes what can be asked.
    fn tell_nobody(&self) {
        let has = |tale: Tale| self.tales.get() & tale as u8 != 0;
        if has(Tale::LastWordsSaid) {
            return; // more will happen
        }
        if has(Tale::Unconnected) {
            self.state.set(SocketState::Unconnected);
        } else if has(Tale::Closing) {
            self.state.set(SocketState::Closing);
        }
        if has(Tale::Gone) {
            self.set(Flag::GoneTold, self.is_closed());
        }
        if has(Tale::BytesWritten) {
            self.untold.set(0);
        }
        self.tales.set(0);
    }

    /// Whether bytes have left of which nobody wants to know, and nothing else has happened: so it is after most writes.
    fn has_said_all(&self) -> bool {
        let only_written = self.tales.get() == Tale::BytesWritten as u8 && self.outgoing_if_any().is_none();
        let wanted = || self.slots.get().is_some_and(|slots| slots.has(SignalKind::BytesWritten as u8));
        if !only_written || self.has(Flag::Draining) || self.has(Flag::DrainUntold) || wanted() {
            return false;
        }
        self.tales.set(0);
        self.untold.set(0);
        true
    }

    /// Tells in the next turn what was noted.
    pub(crate) fn tell_later(self: &Rc<Self>) {
        let has_news = self.has_tales() || self.surplus() > 0;
        if has_news && self.event_loop.has_handles() && !self.set(Flag::Queued, true) {
            self.event_loop.add_telling(Rc::clone(self));
        }
    }

    /// The next turn has come.
    pub(crate) fn tell_deferred(self: &Rc<Self>) {
        self.set(Flag::Queued, false);
        self.tell();
        self.tell_surplus();
        self.end_if_idle();
        self.tell();
    }

    fn tell_one(self: &Rc<Self>, tale: Tale, error: SocketError, bytes: u32) {
        match tale {
            Tale::BytesWritten => self.emit(SignalKind::BytesWritten, Told::Bytes(bytes as usize)),
            Tale::FinishedFirst | Tale::Finished => self.emit(SignalKind::ReadChannelFinished, Told::Nothing),
            Tale::Error => self.emit(SignalKind::ErrorOccurred, Told::Error(error)),
            Tale::LastWordsSaid => self.begin_ending(),
            Tale::Closing => self.tell_state(SocketState::Closing),
            Tale::Unconnected => self.tell_state(SocketState::Unconnected),
            Tale::Gone => {
                let _gone = Gone(self); // also when a slot panics
                self.emit(SignalKind::Disconnected, Told::Nothing);
            }
        }
    }

    fn tell_step(self: &Rc<Self>, step: Step) {
        match step {
            Step::Bound => self.tell_state(SocketState::Bound),
            Step::LookingUp => {
                if self.is_connecting() {
                    self.peer.set(NO_PEER);
                }
                self.tell_state(SocketState::HostLookup);
            }
            Step::Connecting => self.tell_state(SocketState::Connecting),
            Step::HostFound => self.emit(SignalKind::HostFound, Told::Nothing),
            Step::Established => self.tell_state(SocketState::Connected),
            Step::Connected => self.emit(SignalKind::Connected, Told::Nothing),
            Step::GaveUp => self.tell_state(SocketState::Unconnected),
            Step::Failure(error) => self.emit(SignalKind::ErrorOccurred, Told::Error(error)),
            Step::Finished => self.emit(SignalKind::ReadChannelFinished, Told::Nothing),
            Step::Earlier(tale, error, bytes) => self.tell_one(tale, error, bytes),
        }
    }

    fn tell_state(self: &Rc<Self>, state: SocketState) {
        self.state.set(state);
        self.emit(SignalKind::StateChanged, Told::State(state));
    }

    pub(super) fn emit(self: &Rc<Self>, kind: SignalKind, told: Told) {
        if let Some(slots) = self.slots.get().filter(|slots| slots.has(kind as u8)) {
            let view = self.view();
            #[cfg(feature = "tracing")]
            let _entered = self.span.get().map(|span| span.enter());
            slots.emit(kind as u8, |slot| {
                if !self.event_loop.contains_panics() {
                    slot(&view, told);
                } else if self.event_loop.call(self.ledger().as_deref(), || slot(&view, told)).is_none() {
                    self.panicked();
                }
            });
        }
    }
}

/// Something is being told; a panic leaves the rest for the next turn.
struct Telling<'a>(&'a Rc<SocketCore>);

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        self.0.set(Flag::Telling, false);
        self.0.tell_later();
        self.0.look_soon();
        if self.0.is_closed() && !self.0.has_tales() {
            self.0.leave_parent();
        }
    }
}

/// `disconnected` was told: the addresses are forgotten.
struct Gone<'a>(&'a Rc<SocketCore>);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        // Unless a slot has connected the socket again.
        self.0.set(Flag::GoneTold, self.0.is_closed());
    }
}
