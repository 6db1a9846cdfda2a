use super::core::{Phase, SocketCore};
use super::failure::Failure;
use super::outgoing::Attempt;
use super::route::Route;
use super::telling::Step;
use crate::connector::{Move, Race, interleaved};
use crate::event_loop::later;
use rustix::io::Errno;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

/// Making a connection. What comes of it is told by the loop, or in a wait, never in the call that begins it.
impl SocketCore {
    /// Begins to connect to a host, on the way that its proxies leave.
    pub(super) fn begin_connecting(self: &Rc<Self>, host: &str, port: u16) {
        let route = self.route_to(host, port); // asks the program, which may panic
        self.begin_attempt(host, port);
        match route {
            Ok(route) => self.set_out(route),
            Err(failure) => self.fail_soon(failure),
        }
    }

    /// A new attempt, of which nothing is known but whom it is for.
    pub(super) fn begin_attempt(self: &Rc<Self>, host: &str, port: u16) {
        self.note_attempt(Step::LookingUp); // what remains to be told of the last connection comes before
        self.forget_connection();
        let outgoing = self.outgoing();
        outgoing.number.set(outgoing.number.get().wrapping_add(1));
        outgoing.host.replace(host.to_owned());
        outgoing.port.set(port);
        outgoing.end_when_connected.set(false);
        outgoing.failure.take();
        outgoing.failure_text.set(None);
        let deadline = outgoing.limit.get().map(|limit| later(self.now(), limit));
        let local = outgoing.bound.get().map(|bound| bound.local);
        outgoing.attempt.replace(Some(Attempt::new(local, deadline)));
        outgoing.succeeded.set(false);
        self.phase.set(Phase::Connecting);
    }

    /// Looks for the first address that is needed.
    pub(super) fn set_out(self: &Rc<Self>, route: Option<Box<Route>>) {
        self.with_attempt(|attempt| attempt.route = route);
        self.find_addresses();
    }

    pub(super) fn now(&self) -> Instant {
        self.event_loop.driver.borrow().now()
    }

    /// The caller begins the tries.
    pub(super) fn begin_race(self: &Rc<Self>, addresses: &[SocketAddr]) {
        let now = self.now();
        let begun = self.with_attempt(|attempt| {
            let mut addresses = addresses.to_vec();
            if let Some(local) = attempt.local {
                addresses.retain(|address| address.is_ipv4() == local.is_ipv4());
            }
            let single = attempt.local.is_some();
            attempt.race = Some(Race::new(interleaved(&addresses), single, now, attempt.deadline));
        });
        if begun.is_some() {
            self.note_attempt(Step::Connecting);
            self.note_attempt(Step::HostFound);
        }
    }

    /// Begins the tries that are due; gives up when the race says so, or when it was lost before it began.
    pub(super) fn advance(self: &Rc<Self>) {
        let failed = self.with_attempt(|attempt| attempt.failed.take()).flatten();
        let failed = failed.or_else(|| self.try_what_is_due().map(Failure::System));
        if let Some(failure) = failed {
            self.give_up(failure);
        }
    }

    /// Begins the tries that are due, and tells why none is left, if so.
    pub(super) fn try_what_is_due(self: &Rc<Self>) -> Option<Errno> {
        loop {
            let now = self.now();
            let next = self.with_attempt(|attempt| match &mut attempt.race {
                Some(race) => race.next(now),
                None if attempt.deadline.is_some_and(|deadline| now >= deadline) => {
                    Move::GiveUp(Errno::TIMEDOUT)
                }
                None => Move::Wait(attempt.deadline),
            })?;
            match next {
                Move::Try(address) => self.try_address(address),
                Move::GiveUp(errno) => return Some(errno),
                Move::Wait(until) => {
                    self.wake_at(until);
                    return None;
                }
            }
        }
    }

    /// The failure is told by the loop's next turn, or by a wait.
    pub(super) fn fail_soon(self: &Rc<Self>, failure: Failure) {
        self.with_attempt(|attempt| attempt.failed = Some(failure));
        self.wake_at(Some(self.now()));
    }

    pub(super) fn give_up(self: &Rc<Self>, failure: Failure) {
        let outgoing = self.outgoing();
        let route = outgoing.attempt.borrow_mut().as_mut().and_then(|attempt| attempt.route.take());
        outgoing.fault.set(failure.fault(route.as_deref()));
        let error = failure.into_error(route.as_deref());
        self.cancel_connecting();
        let kind = error.kind();
        self.error.set(kind);
        outgoing.failure_text.set(Some((kind, error.error_string())));
        outgoing.failure.replace(Some(error));
        self.note_attempt(Step::GaveUp);
        self.note_attempt(Step::Failure(kind));
    }

    /// The time of a wait is over.
    pub(super) fn give_up_waiting(self: &Rc<Self>) {
        self.with_attempt(|attempt| attempt.route = None); // it is no time-out of the proxy's
        self.give_up(Failure::System(Errno::TIMEDOUT));
        let told_by_the_result = self.outgoing().failure.take();
        drop(told_by_the_result);
    }

    /// Ends the attempt and everything of it; tells nothing.
    pub(super) fn cancel_connecting(self: &Rc<Self>) {
        for token in self.tries() {
            self.drop_try(token);
        }
        self.end_attempt();
        self.unbind();
        self.outgoing().end_when_connected.set(false);
        self.phase.set(Phase::Closed);
        self.drop_output();
    }

    pub(super) fn end_attempt(&self) {
        let attempt = self.outgoing().attempt.take();
        if let Some(timer) = attempt.and_then(|attempt| attempt.timer) {
            self.event_loop.kill_timer(timer);
        }
    }

    /// Has the loop look at the attempt then; a wait of this socket looks by itself.
    pub(super) fn wake_at(self: &Rc<Self>, at: Option<Instant>) {
        let earlier = self.with_attempt(|attempt| {
            attempt.wake_at = at;
            attempt.timer.take()
        });
        if let Some(earlier) = earlier.flatten() {
            self.event_loop.kill_timer(earlier);
        }
        let Some(at) = at else { return };
        let socket = Rc::downgrade(self);
        let timer = self.event_loop.call_at(at, move || {
            if let Some(socket) = socket.upgrade() {
                socket.with_attempt(|attempt| attempt.timer = None);
                socket.advance();
                socket.tell();
            }
        });
        self.with_attempt(|attempt| attempt.timer = Some(timer));
    }

    pub(super) fn with_attempt<R>(&self, change: impl FnOnce(&mut Attempt) -> R) -> Option<R> {
        self.outgoing_if_any()?.attempt.borrow_mut().as_mut().map(change)
    }
}
