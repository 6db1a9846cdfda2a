use super::core::{Phase, SocketCore};
use super::outgoing::{Attempt, Failure};
use super::telling::Step;
use crate::connector::{Move, Race, interleaved};
use crate::event_loop::later;
use crate::resolver::{Lookup, literal};
use rustix::io::Errno;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

/// Making a connection. What comes of it is told by the loop, or in a wait, never in the call that begins it.
impl SocketCore {
    pub(super) fn begin_connecting(self: &Rc<Self>, host: &str, port: u16) {
        self.note_attempt(Step::LookingUp); // what remains to be told of the last connection comes before
        self.forget_connection();
        let outgoing = self.outgoing();
        outgoing.number.set(outgoing.number.get().wrapping_add(1));
        outgoing.host.replace(host.to_owned());
        outgoing.port.set(port);
        outgoing.end_when_connected.set(false);
        outgoing.failure.take();
        let deadline = outgoing.limit.get().map(|limit| later(self.now(), limit));
        let local = outgoing.bound.get().map(|bound| bound.local);
        outgoing.attempt.replace(Some(Attempt::new(local, deadline)));
        outgoing.succeeded.set(false);
        self.phase.set(Phase::Connecting);
        match self.addresses_at_once(host, port) {
            Some(Ok(addresses)) => {
                self.begin_race(&addresses);
                if let Some(errno) = self.try_what_is_due() {
                    self.fail_soon(Failure::System(errno));
                }
            }
            Some(Err(error)) => self.fail_soon(Failure::NotFound(error)),
            None => self.begin_lookup(host, port),
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.event_loop.driver.borrow().now()
    }

    /// The addresses of a host, if it takes no time to know them.
    fn addresses_at_once(&self, host: &str, port: u16) -> Option<io::Result<Vec<SocketAddr>>> {
        match literal(host, port) {
            Some(address) => Some(address.map(|address| vec![address])),
            None => self.event_loop.driver.borrow().look_up(host, port),
        }
    }

    fn begin_lookup(self: &Rc<Self>, host: &str, port: u16) {
        let socket = Rc::downgrade(self);
        let done = self.event_loop.channel(move |()| {
            if let Some(socket) = socket.upgrade() {
                socket.look_at_lookup();
                socket.tell();
            }
        });
        let done = move || _ = done.send(()); // a loop that is gone needs no answer
        match Lookup::begin(host.to_owned(), port, done) {
            Ok(lookup) => {
                let deadline = self.with_attempt(|attempt| {
                    attempt.lookup = Some(lookup);
                    attempt.deadline
                });
                self.wake_at(deadline.flatten());
            }
            Err(error) => self.fail_soon(Failure::NotFound(error)),
        }
    }

    /// Takes the answer to the question for the name, if it is there.
    pub(super) fn look_at_lookup(self: &Rc<Self>) {
        let answer = self.with_attempt(|attempt| {
            let answer = attempt.lookup.as_ref()?.take()?;
            attempt.lookup = None;
            Some(answer)
        });
        match answer.flatten() {
            Some(Ok(addresses)) => {
                self.begin_race(&addresses);
                self.advance();
            }
            Some(Err(error)) => self.give_up(Failure::NotFound(error)),
            None => {}
        }
    }

    /// The caller begins the tries.
    fn begin_race(self: &Rc<Self>, addresses: &[SocketAddr]) {
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
    fn try_what_is_due(self: &Rc<Self>) -> Option<Errno> {
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
    fn fail_soon(self: &Rc<Self>, failure: Failure) {
        self.with_attempt(|attempt| attempt.failed = Some(failure));
        self.wake_at(Some(self.now()));
    }

    pub(super) fn give_up(self: &Rc<Self>, failure: Failure) {
        self.cancel_connecting();
        let (kind, error) = failure.into_parts();
        self.error.set(kind);
        self.outgoing().failure.replace(Some(error));
        self.note_attempt(Step::GaveUp);
        self.note_attempt(Step::Failure(kind));
    }

    /// The time of a wait is over.
    pub(super) fn give_up_waiting(self: &Rc<Self>) {
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
    fn wake_at(self: &Rc<Self>, at: Option<Instant>) {
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
