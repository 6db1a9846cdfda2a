use super::core::{Inside, LoopCore};
use crate::driver::{Interest, Readiness};
use crate::socket::SocketCore;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A blocking wait of one object: no slot of another object runs in it, but what others have written leaves.
pub(crate) struct Wait<'a> {
    core: &'a Rc<LoopCore>,
    until: Option<Instant>,
    _inside: Inside<'a>,
}

impl LoopCore {
    /// Begins a wait; `None` is for ever.
    pub(crate) fn begin_wait(self: &Rc<Self>, timeout: Option<Duration>) -> Wait<'_> {
        let until = timeout.and_then(|timeout| self.driver.borrow().now().checked_add(timeout));
        Wait { core: self, until, _inside: self.enter() }
    }

    /// Sends what was written, telling nobody yet.
    fn push_out_silently(&self) {
        self.flush_dirty(SocketCore::tell_later);
    }
}

impl Wait<'_> {
    /// Waits until the object is ready, or something else needs a look; at most until `wake_up`.
    pub(crate) fn round(
        &self,
        object: Option<Interest>,
        wake_up: Option<Instant>,
    ) -> io::Result<Option<Readiness>> {
        let core = self.core;
        core.push_out_silently();
        core.departing.expire(core);
        core.retry_exhausted();
        let mut interests: Vec<Interest> = object.into_iter().collect();
        for socket in core.sockets.select(|socket| socket.bytes_to_write() > 0) {
            let token = socket.token();
            if object.is_none_or(|object| object.token != token) {
                interests.push(Interest::writable(token));
            }
        }
        core.departing.interests(&mut interests);
        let deadline = [self.until, wake_up, core.departing.next()].into_iter().flatten().min();
        let timeout = deadline.map(|at| at.saturating_duration_since(core.driver.borrow().now()));
        let mut ready = Vec::new();
        core.driver.borrow_mut().wait_for(&interests, false, timeout, &mut ready)?;
        let mut found = None;
        for readiness in ready {
            if object.is_some_and(|object| object.token == readiness.token) {
                found = Some(readiness);
            } else if let Some(socket) = core.sockets.get(readiness.token) {
                socket.push_out();
                socket.tell_later();
            } else {
                core.departing.discard(core, readiness.token);
            }
        }
        Ok(found)
    }

    /// Begins a batch of accepts of its own.
    pub(crate) fn begin_batch(&self) {
        self.core.begin_batch();
    }

    /// Whether the time is over.
    pub(crate) fn is_over(&self) -> bool {
        self.until.is_some_and(|until| self.core.driver.borrow().now() >= until)
    }
}

impl Drop for Wait<'_> {
    /// What the slots of the wait wrote leaves with it.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.core.push_out_silently();
        }
    }
}
