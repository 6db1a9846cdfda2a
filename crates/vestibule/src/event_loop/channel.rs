use super::core::LoopCore;
use super::event_loop_type::EventLoop;
use super::handle::EventLoopHandle;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The sending end of a channel into a loop, made by [`EventLoop::channel`](super::EventLoop::channel).
///
/// It is `Send` and `Clone`. When the last one is dropped, what was sent is still received and the slot is dropped then.
pub struct Sender<T: Send + 'static> {
    queue: Arc<Queue<T>>,
    guard: Arc<LastSender>,
}

/// A value that was not sent, and why; it comes back in the error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendError<T> {
    /// The channel is bounded, and as many values as it holds have not been received.
    Full(T),
    /// The loop is gone.
    Closed(T),
}

struct Queue<T: Send> {
    values: Mutex<Values<T>>,
    capacity: Option<usize>,
    number: u64,
    handle: EventLoopHandle,
}

struct Values<T> {
    waiting: VecDeque<T>,
    /// Whether the loop was asked to look.
    called: bool,
    /// Whether the receiving end is gone.
    closed: bool,
}

/// The receiving end: when it goes, what was not received goes with it.
struct Receiver<T: Send + 'static>(Arc<Queue<T>>);

/// Tells the loop when nobody can send any more.
struct LastSender {
    number: u64,
    handle: EventLoopHandle,
}

/// The receiving ends of a loop.
#[derive(Default)]
pub(crate) struct Receivers {
    slots: RefCell<HashMap<u64, Rc<dyn Receive>>>,
    last: Cell<u64>,
}

impl Receivers {
    pub(super) fn add<T: Send + 'static>(
        &self,
        handle: EventLoopHandle,
        capacity: Option<usize>,
        slot: impl Fn(T) + 'static,
    ) -> Sender<T> {
        let number = self.last.get() + 1;
        self.last.set(number);
        let values =
            Mutex::new(Values { waiting: VecDeque::new(), called: false, closed: handle.is_closed() });
        let queue = Arc::new(Queue { values, capacity, number, handle: handle.clone() });
        let slot = Slot { receiver: Receiver(Arc::clone(&queue)), call: slot };
        self.slots.borrow_mut().insert(number, Rc::new(slot));
        Sender { queue, guard: Arc::new(LastSender { number, handle }) }
    }

    fn receive(&self, number: u64, event_loop: &EventLoop) {
        let slot = self.slots.borrow().get(&number).cloned();
        if let Some(slot) = slot {
            slot.deliver(event_loop);
        }
    }

    fn remove(&self, number: u64) {
        let slot = self.slots.borrow_mut().remove(&number);
        drop(slot);
    }

    fn has_waiting(&self, number: u64) -> bool {
        self.slots.borrow().get(&number).is_some_and(|slot| slot.has_waiting())
    }

    pub(super) fn remove_all(&self) {
        let slots = self.slots.take();
        drop(slots);
    }
}

impl LoopCore {
    /// Nobody can send any more: the slot goes, once it got everything that was sent.
    fn last_sender_gone(self: &Rc<Self>, number: u64) {
        if self.receivers.has_waiting(number) {
            // A panic left something behind. This comes again first, so that another panic changes nothing.
            let _ = self.posted.post(Box::new(move |event_loop| event_loop.core().last_sender_gone(number)));
            self.receivers.receive(number, &EventLoop::lent(self));
        } else {
            self.receivers.remove(number);
        }
    }
}

impl<T: Send> Queue<T> {
    fn values(&self) -> MutexGuard<'_, Values<T>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the loop to look, unless it was asked already.
    fn call(&self) {
        let asked = std::mem::replace(&mut self.values().called, true);
        if !asked {
            let number = self.number;
            // A loop that is gone has closed the channel too, which the next send tells.
            let _ =
                self.handle.post(move |event_loop| event_loop.core().receivers.receive(number, event_loop));
        }
    }
}

/// A receiving end, whatever it receives.
trait Receive {
    fn deliver(&self, event_loop: &EventLoop);
    fn has_waiting(&self) -> bool;
}

/// A receiving end and its slot.
struct Slot<T: Send + 'static, F> {
    receiver: Receiver<T>,
    call: F,
}

impl<T: Send, F: Fn(T)> Receive for Slot<T, F> {
    /// Gives the slot what is there now; what comes meanwhile is for the next turn.
    fn deliver(&self, event_loop: &EventLoop) {
        let queue = &self.receiver.0;
        let number = {
            let mut values = queue.values();
            values.called = false;
            values.waiting.len()
        };
        for left in (0..number).rev() {
            let value = queue.values().waiting.pop_front();
            let Some(value) = value else { return };
            if left > 0 {
                queue.call(); // for a turn inside the slot, and for the turn after its panic
            }
            event_loop.core().call(None, || (self.call)(value));
        }
    }

    fn has_waiting(&self) -> bool {
        !self.receiver.0.values().waiting.is_empty()
    }
}

impl<T: Send> Drop for Receiver<T> {
    fn drop(&mut self) {
        let lost = {
            let mut values = self.0.values();
            values.closed = true;
            std::mem::take(&mut values.waiting)
        };
        drop(lost);
    }
}

impl<T: Send> Sender<T> {
    /// Sends a value to the loop, whose slot gets it in the next turn. Never blocks.
    ///
    /// # Errors
    ///
    /// The value comes back when the loop is gone, or when a bounded channel is full.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        {
            let mut values = self.queue.values();
            if values.closed {
                return Err(SendError::Closed(value));
            }
            if self.queue.capacity.is_some_and(|capacity| values.waiting.len() >= capacity) {
                return Err(SendError::Full(value));
            }
            values.waiting.push_back(value);
        }
        self.queue.call();
        Ok(())
    }
}

impl<T: Send> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { queue: Arc::clone(&self.queue), guard: Arc::clone(&self.guard) }
    }
}

impl<T: Send> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("capacity", &self.queue.capacity).finish_non_exhaustive()
    }
}

impl Drop for LastSender {
    fn drop(&mut self) {
        let number = self.number;
        let _ = self.handle.post(move |event_loop| event_loop.core().last_sender_gone(number));
    }
}

impl<T> SendError<T> {
    /// The value that was not sent.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value) | Self::Closed(value) => value,
        }
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "cannot send to the event loop: the channel is full",
            Self::Closed(_) => "cannot send to the event loop: it is gone",
        })
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<T> std::error::Error for SendError<T> {}

impl fmt::Debug for Receivers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receivers").finish_non_exhaustive()
    }
}
