use super::core::LoopCore;
use super::deadlines::{DeadlineKey, Deadlines};
use super::timeouts::Timeouts;
use super::watch::Watch;
use crate::driver::Token;
use crate::socket::EndReason;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

/// The time-outs of a loop's connections.
///
/// Each connection has one entry among the deadlines, and what it does leaves that where it is: bytes that come and go cost
/// no step in the structure, only a look when the entry is due.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    watched: RefCell<Vec<Option<Watched>>>,
    deadlines: RefCell<Deadlines<Token>>,
}

#[derive(Debug)]
struct Watched {
    token: Token,
    watch: Watch,
    /// None when nothing is to be looked at.
    key: Option<DeadlineKey>,
}

impl Watches {
    /// Watches a connection from now on, or no longer; `unsent` says whether something of it is unsent.
    pub(crate) fn set(&self, core: &LoopCore, token: Token, timeouts: Timeouts, unsent: bool) {
        self.forget(token);
        if !timeouts.is_limited() {
            return;
        }
        let now = core.driver.borrow().now();
        let watched = Watched { token, watch: Watch::new(timeouts, unsent, now), key: None };
        let mut all = self.watched.borrow_mut();
        if token.slot() >= all.len() {
            all.resize_with(token.slot() + 1, || None);
        }
        if let Some(place) = all.get_mut(token.slot()) {
            *place = Some(watched);
        }
        drop(all);
        self.look_at(token, unsent, now);
    }

    /// Enters when to look at a connection.
    fn look_at(&self, token: Token, unsent: bool, now: Instant) {
        if self.look(token, unsent, now).is_err() {
            self.enter(token, now); // a time-out of zero: the next turn ends it
        }
    }

    fn enter(&self, token: Token, at: Instant) {
        let mut all = self.watched.borrow_mut();
        let watched = all.get_mut(token.slot()).and_then(Option::as_mut);
        if let Some(watched) = watched.filter(|watched| watched.token == token) {
            watched.key = Some(self.deadlines.borrow_mut().insert(at, token));
        }
    }

    /// Of a connection that waits to be taken nothing is known but what happened before: its time stands still.
    pub(crate) fn rest(&self, token: Token) {
        let mut all = self.watched.borrow_mut();
        let watched = all.get_mut(token.slot()).and_then(Option::as_mut);
        if let Some(key) = watched.filter(|watched| watched.token == token).and_then(|it| it.key.take()) {
            self.deadlines.borrow_mut().remove(key);
        }
    }

    /// It was taken: its time-outs begin.
    pub(crate) fn end_rest(&self, core: &LoopCore, token: Token, unsent: bool) {
        let mut timeouts = None;
        self.with(token, |watch| timeouts = Some(watch.timeouts()));
        if let Some(timeouts) = timeouts {
            self.set(core, token, timeouts, unsent);
        }
    }

    pub(crate) fn forget(&self, token: Token) {
        let mut all = self.watched.borrow_mut();
        if let Some(place) = all.get_mut(token.slot()) {
            if let Some(key) = place.take_if(|watched| watched.token == token).and_then(|it| it.key) {
                self.deadlines.borrow_mut().remove(key);
            }
        }
    }

    fn with(&self, token: Token, change: impl FnOnce(&mut Watch)) {
        let mut all = self.watched.borrow_mut();
        let watched = all.get_mut(token.slot()).and_then(Option::as_mut);
        if let Some(watched) = watched.filter(|watched| watched.token == token) {
            change(&mut watched.watch);
        }
    }

    pub(crate) fn received(&self, core: &LoopCore, token: Token, bytes: usize) {
        let now = core.driver.borrow().now();
        self.with(token, |watch| watch.received(bytes as u64, now));
    }

    pub(crate) fn sent(&self, core: &LoopCore, token: Token, bytes: usize, unsent: bool) {
        let now = core.driver.borrow().now();
        self.with(token, |watch| watch.sent(bytes as u64, unsent, now));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.deadlines.borrow().next()
    }

    fn look(&self, token: Token, unsent: bool, now: Instant) -> Result<(), EndReason> {
        let mut all = self.watched.borrow_mut();
        let watched = all.get_mut(token.slot()).and_then(Option::as_mut);
        let Some(watched) = watched.filter(|watched| watched.token == token) else { return Ok(()) };
        let next = watched.watch.look(unsent, now)?;
        watched.key = next.map(|at| self.deadlines.borrow_mut().insert(at, token));
        Ok(())
    }

    /// Ends the connections whose time is over.
    pub(super) fn expire(&self, core: &Rc<LoopCore>) {
        if self.next().is_none() {
            return;
        }
        let (now, newest) = (core.driver.borrow().now(), self.deadlines.borrow().newest());
        loop {
            let due = self.deadlines.borrow_mut().pop_due_of(now, newest);
            let Some(token) = due else { return };
            let Some(socket) = core.sockets.get(token) else { continue };
            if let Err(reason) = self.look(token, socket.has_unsent(), now) {
                self.forget(token);
                socket.time_out(reason);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::EventLoop;
    use super::super::deadlines::tests::STEPS;
    use super::{Timeouts, Token};
    use crate::driver::Driver;
    use std::time::Duration;

    /// What 100,000 connections receive and send costs no step among their deadlines.
    #[test]
    fn what_connections_do_leaves_their_deadlines_where_they_are() {
        let event_loop = EventLoop::on(Driver::os());
        let core = event_loop.core();
        let timeouts = Timeouts::new().idle(Duration::from_secs(60)).lifetime(Duration::from_secs(600));
        let tokens: Vec<_> = (0..100_000).map(|slot| Token::connection(slot, 0)).collect();
        for token in &tokens {
            core.watches.set(core, *token, timeouts, false);
        }
        let before = STEPS.get();
        for token in &tokens {
            core.watches.received(core, *token, 100);
            core.watches.sent(core, *token, 100, false);
        }
        assert_eq!(STEPS.get(), before);
    }
}
