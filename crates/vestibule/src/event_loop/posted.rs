use super::core::LoopCore;
use super::event_loop_type::EventLoop;
use crate::driver::Waker;
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Wake;
use std::thread::{self, ThreadId};

/// A call that a loop is to make on its own thread.
pub type PostedCall = Box<dyn FnOnce(&EventLoop) + Send>;

/// What other threads leave for a loop.
#[derive(Default)]
pub(super) struct Posted {
    /// The thread of the loop, which wakes nobody by calling itself: it looks in its next turn.
    home: Home,
    /// Whether a host waits for the loop, which does need to be woken.
    hosted: AtomicBool,
    /// Whether the loop's own thread has called since the loop last looked.
    called_at_home: AtomicBool,
    /// There once the loop has descriptors; before that, it looks when it makes them.
    waker: OnceLock<Arc<Waker>>,
    queue: Mutex<Queue>,
}

/// The thread on which something was made.
struct Home(ThreadId);

impl Default for Home {
    fn default() -> Self {
        Self(thread::current().id())
    }
}

#[derive(Default)]
struct Queue {
    calls: VecDeque<PostedCall>,
    closed: bool,
}

impl Posted {
    /// From now on the loop can be woken; what was posted before wakes it now.
    pub(super) fn attach(&self, waker: Arc<Waker>) {
        let waker = self.waker.get_or_init(|| waker);
        if !self.queue().calls.is_empty() {
            waker.wake();
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.queue().closed
    }

    /// A turn may have left calls that it has not made: a nested one begins, or a call has panicked.
    pub(super) fn wake_for_the_rest(&self) {
        if self.has_waiting() {
            self.wake();
        }
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.queue().calls.is_empty()
    }

    /// A wait was woken: the waker is lowered, so that it can be woken again.
    pub(super) fn look(&self) {
        if let Some(waker) = self.waker.get() {
            waker.lower();
        }
    }

    pub(super) fn is_attached(&self) -> bool {
        self.waker.get().is_some()
    }

    pub(super) fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake();
        }
    }

    /// Whether the loop's own thread has something for the next turn, which nobody is woken for.
    pub(super) fn is_called_at_home(&self) -> bool {
        self.called_at_home.load(Ordering::Relaxed)
    }

    pub(super) fn look_at_home(&self) -> bool {
        self.called_at_home.swap(false, Ordering::Relaxed)
    }

    pub(super) fn set_hosted(&self) {
        self.hosted.store(true, Ordering::Relaxed);
    }

    /// Calls run by a loop are never under the lock, so a panic cannot leave the queue half changed.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the call back when the loop is gone.
    pub(super) fn post(&self, call: PostedCall) -> Result<(), PostedCall> {
        {
            let mut queue = self.queue();
            if queue.closed {
                return Err(call);
            }
            queue.calls.push_back(call);
        }
        self.wake();
        Ok(())
    }

    /// Runs what is there now; what that posts is for the next turn.
    pub(super) fn run(&self, core: &Rc<LoopCore>) {
        self.look();
        let number = self.queue().calls.len();
        for _ in 0..number {
            let call = self.queue().calls.pop_front();
            let Some(call) = call else { return };
            let rest = Rest(self);
            core.call(None, || call(&EventLoop::lent(core)));
            std::mem::forget(rest);
        }
    }

    /// The loop is gone: drops what is left and refuses what comes.
    pub(super) fn close(&self) {
        let calls = {
            let mut queue = self.queue();
            queue.closed = true;
            std::mem::take(&mut queue.calls)
        };
        drop(calls);
    }
}

/// For what may have its reason on the loop's own thread: such a call is seen in the next turn.
impl Wake for Posted {
    fn wake(self: Arc<Self>) {
        Self::wake_by_ref(&self);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.hosted.load(Ordering::Relaxed) || thread::current().id() != self.home.0 {
            Self::wake(self);
        } else {
            self.called_at_home.store(true, Ordering::Relaxed);
        }
    }
}

/// Wakes the loop again when a call panics and leaves others behind.
struct Rest<'a>(&'a Posted);

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        self.0.wake_for_the_rest();
    }
}

impl fmt::Debug for Posted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Posted").finish_non_exhaustive()
    }
}
