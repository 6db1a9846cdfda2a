use super::core::{Phase, SocketCore};
use super::failure::Failure;
use super::telling::Step;
use crate::driver::Token;
use rustix::io::Errno;
use std::net::SocketAddr;
use std::rc::Rc;

/// The single tries of an attempt to connect, each with an address and a descriptor of its own.
impl SocketCore {
    pub(super) fn try_address(self: &Rc<Self>, address: SocketAddr) {
        let outcome = self.create_for(address).and_then(|token| {
            self.with_attempt(|attempt| attempt.running.push(token));
            self.event_loop.sockets.insert(token, Rc::clone(self));
            let connected = self.event_loop.driver.borrow_mut().connect(token, address);
            connected.inspect_err(|_| self.drop_try(token))
        });
        if let Err(errno) = outcome {
            self.note_failed_try(errno);
        }
    }

    /// A socket for a try: the bound one for the first, with all options.
    fn create_for(&self, address: SocketAddr) -> Result<Token, Errno> {
        let outgoing = self.outgoing();
        let mut driver = self.event_loop.driver.borrow_mut();
        let token = if let Some(bound) = outgoing.bound.take() {
            bound.token
        } else {
            let local = outgoing.attempt.borrow().as_ref().and_then(|attempt| attempt.local);
            driver.create(address, local).map_err(|(_, errno)| errno)?
        };
        for option in outgoing.options.borrow().iter() {
            if let Err(errno) = driver.set_option(token, option) {
                let transport = driver.remove(token);
                drop((driver, transport));
                return Err(errno);
            }
        }
        Ok(token)
    }

    pub(super) fn tries(&self) -> Vec<Token> {
        self.with_attempt(|attempt| attempt.running.clone()).unwrap_or_default()
    }

    fn note_failed_try(&self, errno: Errno) {
        let now = self.now();
        self.with_attempt(|attempt| {
            if let Some(race) = &mut attempt.race {
                race.failed(errno, now);
            }
        });
    }

    /// Lets go of a try.
    pub(super) fn drop_try(&self, token: Token) {
        self.with_attempt(|attempt| attempt.running.retain(|running| *running != token));
        let entry = self.event_loop.sockets.remove(token);
        self.event_loop.close(token);
        drop(entry);
    }

    pub(super) fn attempt_failed(self: &Rc<Self>, token: Token, errno: Errno) {
        if self.talk_token() == Some(token) {
            return self.give_up(Failure::System(errno));
        }
        self.drop_try(token);
        self.note_failed_try(errno);
        self.advance();
    }

    /// A try has succeeded: it is the connection, to the host or to the proxy, and the others end.
    pub(crate) fn connected(self: &Rc<Self>, token: Token, peer: SocketAddr) {
        let tries = self.tries();
        if !tries.contains(&token) {
            return;
        }
        for loser in tries.into_iter().filter(|running| *running != token) {
            self.drop_try(loser);
        }
        if !self.begin_talk(token) {
            self.established(token, peer);
        }
    }

    /// The connection is the program's.
    pub(super) fn established(self: &Rc<Self>, token: Token, peer: SocketAddr) {
        self.end_attempt();
        self.token.set(token);
        self.peer.set(peer);
        self.phase.set(Phase::Open);
        self.update_reading();
        if self.bytes_to_write() > 0 {
            self.make_dirty();
        }
        self.outgoing().succeeded.set(true);
        self.note_attempt(Step::Established);
        self.note_attempt(Step::Connected);
        if self.outgoing().end_when_connected.take() {
            self.begin_ending();
        }
    }
}
