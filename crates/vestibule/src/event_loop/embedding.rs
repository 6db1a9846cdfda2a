use super::core::LoopCore;
use super::event_loop_type::EventLoop;
use std::cell::{Cell, OnceCell};
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::rc::{Rc, Weak};
use std::time::Instant;

/// What a loop needs to be waited for by another loop, its host.
///
/// The poller's descriptor tells what happens to sockets. For everything else that needs a turn, the loop calls for one
/// when it goes to rest and while it rests: through its waker, or for a time to come through the poller's alarm. The
/// turns of a loop without a host make no call for this.
#[derive(Default)]
pub(super) struct Embedding {
    descriptor: OnceCell<Rc<dyn AsFd>>,
    has_host: Cell<bool>,
}

impl Embedding {
    pub(super) fn set_descriptor(&self, descriptor: Rc<dyn AsFd>) {
        // The driver gives the same one each time.
        let _ = self.descriptor.set(descriptor);
    }
}

impl LoopCore {
    /// Something is to be done in a turn.
    pub(crate) fn call_for_turn(&self) {
        if self.embedding.has_host.get() && !self.in_turn() {
            self.posted.wake();
        }
    }

    /// The outermost turn or wait has ended.
    pub(super) fn rest(&self) {
        if !self.embedding.has_host.get() {
            return;
        }
        let deadline = self.next_deadline();
        self.driver.borrow_mut().rest(deadline);
        if self.needs_turn_now() {
            self.posted.wake();
        }
    }

    fn needs_turn_now(&self) -> bool {
        let goes_on = !self.resting.borrow().is_empty() || self.may_go_on_now();
        self.has_work() || goes_on || self.posted.has_waiting()
    }

    /// Whether a server waits that has no reason to.
    fn may_go_on_now(&self) -> bool {
        self.waiting.borrow().iter().filter_map(Weak::upgrade).any(|server| server.can_go_on())
    }

    pub(super) fn end_rest(&self) {
        if self.embedding.has_host.get() {
            self.driver.borrow_mut().end_rest();
        }
    }
}

impl EventLoop {
    /// When the loop needs a turn though nothing happens to its sockets and no other thread calls: the time of the next
    /// timer, or now if there is something to do already. `None` when there is no such time.
    ///
    /// On Linux a host that waits for the loop's descriptor needs not ask, see [`as_fd`](#impl-AsFd-for-EventLoop).
    /// Elsewhere the descriptor does not tell timers, and the host waits for it no longer than until then.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.core().needs_turn_now() { Some(self.now()) } else { self.core().next_deadline() }
    }
}

/// Has another loop, the host, do the waiting: the descriptor is readable whenever this loop needs a turn, which the host
/// then takes with `process_events(Some(Duration::ZERO))`.
///
/// From the first call on that holds for everything: sockets and servers, calls and channels from other threads, on Linux
/// timers, and what the host's own callbacks do with sockets between the turns, such as writing or closing. The
/// descriptor is only to be waited for. Examples for tokio and for calloop are in the directory `examples`. A simulated
/// loop has no host: its descriptor is never readable.
///
/// The loop of a [standalone](crate::TcpServer::standalone) server makes its descriptors now, if it has none yet; should the
/// process have none left, this is an invalid one, which the host refuses.
impl AsFd for EventLoop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let core = self.core();
        if let Err(error) = core.open() {
            crate::log::warning!("an event loop has no descriptor for its host: {error}");
        }
        let newly = !core.embedding.has_host.replace(true);
        core.posted.set_hosted();
        if newly && !core.in_turn() {
            core.rest();
        }
        core.embedding.descriptor.get().map_or(rustix::fs::CWD, |descriptor| descriptor.as_fd())
    }
}

/// The number of the descriptor that [`as_fd`](#impl-AsFd-for-EventLoop) gives.
impl AsRawFd for EventLoop {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Embedding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedding").field("has_host", &self.has_host).finish_non_exhaustive()
    }
}
