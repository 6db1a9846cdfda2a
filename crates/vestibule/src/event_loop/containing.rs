use super::core::LoopCore;
use super::event_loop_type::EventLoop;
use crate::admission::{Count, Ledger};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// Whether panics of the program's slots and calls are caught, and what is done with them.
#[derive(Default)]
pub(super) struct Containing {
    on: Cell<bool>,
    panics: Cell<u64>,
    slot: RefCell<Option<Rc<PanicSlot>>>,
}

/// What is called for a panic that was caught, with its message.
type PanicSlot = dyn Fn(&EventLoop, &str);

impl LoopCore {
    /// Makes a call of the program's; `None` when it panicked and that was caught.
    ///
    /// Everything that such a call can see is whole at any time: that is what lets a panic out of `run`, too.
    pub(crate) fn call<R>(self: &Rc<Self>, ledger: Option<&Ledger>, call: impl FnOnce() -> R) -> Option<R> {
        if !self.containing.on.get() {
            return Some(call());
        }
        match catch_unwind(AssertUnwindSafe(call)) {
            Ok(result) => Some(result),
            Err(payload) => {
                self.note_panic(ledger, payload);
                None
            }
        }
    }

    pub(crate) fn contains_panics(&self) -> bool {
        self.containing.on.get()
    }

    fn note_panic(self: &Rc<Self>, ledger: Option<&Ledger>, payload: Box<dyn Any + Send>) {
        let containing = &self.containing;
        containing.panics.set(containing.panics.get() + 1);
        if let Some(ledger) = ledger {
            ledger.count(Count::Panics);
        }
        let message = message(&*payload);
        crate::log::warning!("a slot has panicked: {message}");
        let slot = containing.slot.borrow().clone();
        if let Some(slot) = slot {
            // A panic about a panic is counted by nobody.
            let told = catch_unwind(AssertUnwindSafe(|| slot(&EventLoop::lent(self), &message)));
            forget(told.err());
        }
        forget(Some(payload));
    }
}

/// What a panic said.
pub(crate) fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no text)").to_owned()
}

/// Drops what a panic carried; should that panic too, it is left where it is.
pub(crate) fn forget(payload: Option<Box<dyn Any + Send>>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
}

impl EventLoop {
    /// Whether a panic in a slot, a hook, a timer or a posted call is caught. Default: false, and it comes out of
    /// [`run`](Self::run), `process_events` or the wait, with everything intact.
    ///
    /// With true the loop goes on. A panic in a slot of a socket costs that socket, which is aborted; any other costs
    /// nothing but the call. A panic in the [hook](crate::TcpServer::set_incoming_connection) closes the connection that it
    /// was given. Each is counted, in [`contained_panics`](Self::contained_panics) and in the
    /// [statistics](crate::Statistics::panics) of the server concerned, and told to the slot of
    /// [`set_panic_slot`](Self::set_panic_slot). Where panics abort the process there is nothing to catch.
    ///
    /// ```
    /// use std::time::Duration;
    /// use vestibule::EventLoop;
    ///
    /// let event_loop = EventLoop::new()?;
    /// event_loop.contain_panics(true);
    /// event_loop.set_panic_slot(|_, message| eprintln!("a slot has panicked: {message}"));
    /// event_loop.single_shot(Duration::ZERO, |_| panic!("oh"));
    /// event_loop.single_shot(Duration::ZERO, |event_loop| event_loop.quit());
    /// event_loop.run()?;
    /// assert_eq!(event_loop.contained_panics(), 1);
    /// # Ok::<(), vestibule::Error>(())
    /// ```
    pub fn contain_panics(&self, contain: bool) {
        self.core().containing.on.set(contain);
    }

    /// How many panics were caught.
    pub fn contained_panics(&self) -> u64 {
        self.core().containing.panics.get()
    }

    /// What is called for each panic that was caught, with its message.
    pub fn set_panic_slot(&self, slot: impl Fn(&Self, &str) + 'static) {
        let earlier = self.core().containing.slot.replace(Some(Rc::new(slot)));
        drop(earlier);
    }
}

impl fmt::Debug for Containing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Containing")
            .field("on", &self.on)
            .field("panics", &self.panics)
            .finish_non_exhaustive()
    }
}
