use super::core::{Inside, LoopCore};
use crate::driver::{Interest, Readiness, Token};
use crate::socket::SocketCore;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What ends a round of a wait beside its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Also {
    Nothing,
    /// A call from another thread.
    OtherThreads,
}

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

impl LoopCore {
    /// Ends connections of draining servers that have nothing to do; what is to be told of it is for the next turn.
    fn end_idle_quietly(&self) {
        let sockets: Vec<_> = self.telling.borrow().iter().filter(|it| it.is_draining()).cloned().collect();
        for socket in sockets {
            socket.end_if_idle();
        }
    }
}

impl Wait<'_> {
    /// Does what others need done in a round: what they have written leaves, who has lingered long enough is closed. To be
    /// done before looking at what the wait is for, because it may be what that waits for.
    pub(crate) fn tidy(&self) {
        let core = self.core;
        core.push_out_silently();
        core.departing.expire(core);
        core.retry_waiting();
        core.drain_guests();
        core.end_idle_quietly();
    }

    /// Tidies, and then waits.
    pub(crate) fn round(
        &self,
        objects: &[Interest],
        also: Also,
        wake_up: Option<Instant>,
    ) -> io::Result<Vec<Readiness>> {
        self.tidy();
        self.look(objects, also, wake_up)
    }

    /// Waits until one of the objects is ready, or something else needs a look; at most until `wake_up`.
    pub(crate) fn look(
        &self,
        objects: &[Interest],
        also: Also,
        wake_up: Option<Instant>,
    ) -> io::Result<Vec<Readiness>> {
        let core = self.core;
        let has_gone =
            |object: &Interest| !object.token.is_listener() && core.sockets.get(object.token).is_none();
        if objects.iter().any(has_gone) {
            return Ok(Vec::new()); // sending the rest has ended the connection
        }
        let is_object = |token| objects.iter().any(|object| object.token == token);
        let mut interests = objects.to_vec();
        for socket in core.sockets.select(SocketCore::has_unsent) {
            let token = socket.token();
            if !is_object(token) {
                interests.push(Interest::writable(token));
            }
        }
        core.departing.interests(&mut interests);
        let deadline = [self.until, wake_up, core.departing.next()].into_iter().flatten().min();
        let timeout = deadline.map(|at| at.saturating_duration_since(core.driver.borrow().now()));
        let waker = also == Also::OtherThreads;
        if waker {
            core.open()?;
        }
        let mut ready = Vec::new();
        core.driver.borrow_mut().wait_for(&interests, waker, timeout, &mut ready)?;
        if waker {
            core.attention.set(true);
            core.posted.look(); // what the loop is to do is left for it, see the end of the wait
        }
        ready.retain(|readiness| {
            let found = is_object(readiness.token);
            if !found {
                self.look_after(readiness.token);
            }
            found
        });
        Ok(ready)
    }

    /// Something that the wait is not for can send or discard.
    fn look_after(&self, token: Token) {
        if let Some(socket) = self.core.sockets.get(token) {
            socket.push_out();
            socket.tell_later();
        } else {
            self.core.departing.tend(self.core, token);
        }
    }

    /// Begins a batch of accepts of its own.
    pub(crate) fn begin_batch(&self) {
        self.core.begin_batch();
    }

    pub(crate) fn now(&self) -> Instant {
        self.core.driver.borrow().now()
    }

    /// Whether the time is over.
    pub(crate) fn is_over(&self) -> bool {
        self.until.is_some_and(|until| self.now() >= until)
    }
}

impl Drop for Wait<'_> {
    /// What the slots of the wait wrote leaves with it.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.core.push_out_silently();
        }
        self.core.posted.wake_for_the_rest();
        if !self.core.staffed_with_requests().is_empty() {
            self.core.posted.wake(); // the wait has lowered the waker, but looked after its own object alone
        }
    }
}
