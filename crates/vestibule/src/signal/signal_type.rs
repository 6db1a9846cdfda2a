use super::argument::SignalArgument;
use super::slot::slot;
use super::slot_list::{SlotId, SlotList};
use std::fmt;

/// Something an object tells, and the slots that listen to it; the reference's signals.
///
/// A slot is a closure `Fn(&Sender)`, or `Fn(&Sender, Argument)` where the signal has an argument. It is `Fn`, because
/// a slot may run inside itself (when it waits); state goes into a [`Cell`](std::cell::Cell). Slots run in the order in
/// which they were connected, on the thread of the loop, before the emission returns. A slot that is connected during
/// an emission first runs in the next one; one that is disconnected, or whose signal is blocked, no longer runs; dropping
/// the sender ends the emission.
///
/// A slot should reach the object through the reference it gets, and other objects through weak handles: a slot that
/// captures the owner of its own sender keeps both alive for ever.
///
/// Programs can have signals of their own:
///
/// ```
/// use std::{cell::Cell, rc::Rc};
/// use vestibule::Signal;
///
/// struct Thermometer { warmer: Signal<Thermometer, i32> }
///
/// let thermometer = Thermometer { warmer: Signal::new() };
/// let seen = Rc::new(Cell::new(0));
/// let log = Rc::clone(&seen);
/// let slot = thermometer.warmer.connect(move |_, degrees| log.set(degrees));
/// thermometer.warmer.emit(&thermometer, 21);
/// assert_eq!(seen.get(), 21);
/// assert!(thermometer.warmer.disconnect(slot));
/// ```
pub struct Signal<Sender: 'static, Argument: 'static = ()> {
    slots: SlotList<Slot<Sender, Argument>>,
}

/// What a slot is called as; a signal without an argument calls it with `()`.
type Slot<Sender, Argument> = dyn Fn(&Sender, Argument);

impl<Sender, Argument> Signal<Sender, Argument> {
    /// A signal without slots.
    pub fn new() -> Self {
        Self { slots: SlotList::default() }
    }

    /// Whether somebody would hear of it.
    pub(crate) fn has_slots(&self) -> bool {
        self.slots.has(0)
    }

    /// Has every slot called, each through the closure.
    pub(crate) fn emit_each(&self, call: impl Fn(&dyn Fn(&Sender, Argument))) {
        self.slots.emit(0, |slot| call(slot));
    }

    /// Takes a slot back; false when it is not connected (any more).
    #[allow(clippy::must_use_candidate, reason = "most callers know that the slot is there")]
    pub fn disconnect(&self, id: SlotId) -> bool {
        self.slots.disconnect(0, id)
    }

    /// Takes back all slots.
    pub fn disconnect_all(&self) {
        self.slots.clear();
    }

    /// From now on no slot runs, until [`unblock`](Self::unblock); what is told meanwhile is lost.
    pub fn block(&self) {
        self.slots.set_blocked(0, true);
    }

    /// Ends [`block`](Self::block).
    pub fn unblock(&self) {
        self.slots.set_blocked(0, false);
    }

    /// Whether the signal is blocked.
    pub fn is_blocked(&self) -> bool {
        self.slots.is_blocked(0)
    }
}

impl<Sender> Signal<Sender> {
    /// Adds a slot.
    pub fn connect(&self, slot: impl Fn(&Sender) + 'static) -> SlotId {
        self.slots.connect(0, slot!(move |sender: &Sender, ()| slot(sender)))
    }

    /// Runs the slots, one after the other.
    pub fn emit(&self, sender: &Sender) {
        self.slots.emit(0, |slot| slot(sender, ()));
    }
}

impl<Sender, Argument: SignalArgument> Signal<Sender, Argument> {
    /// Adds a slot.
    pub fn connect(&self, slot: impl Fn(&Sender, Argument) + 'static) -> SlotId {
        self.slots.connect(0, slot!(slot))
    }

    /// Runs the slots, one after the other, each with a clone of the argument.
    #[allow(clippy::needless_pass_by_value, reason = "an emission reads like a call of the slots")]
    pub fn emit(&self, sender: &Sender, argument: Argument) {
        self.slots.emit(0, |slot| slot(sender, argument.clone()));
    }
}

impl<Sender, Argument> Default for Signal<Sender, Argument> {
    fn default() -> Self {
        Self::new()
    }
}

impl<Sender, Argument> fmt::Debug for Signal<Sender, Argument> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").finish_non_exhaustive()
    }
}
