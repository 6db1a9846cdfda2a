use super::simulated_driver::SimulatedDriver;
use super::state::lock;
use crate::driver::{Completion, Interest, Over, Readiness, Token};
use rustix::io::Errno;
use std::io;
use std::time::Duration;

/// So many turns in a row may take no time at all.
const BUSY_TURNS: u32 = 64;
/// What each further one takes, so that time passes also for a loop that always has something to do.
const A_MOMENT: Duration = Duration::from_micros(1);

/// Waiting, and pulling what happened.
impl SimulatedDriver {
    /// Finds what is ready, in an order drawn from the seed; if nothing is, the clock moves on.
    pub(in crate::driver) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.look_at_touched();
        let mut ready: Vec<Token> = self.hot.iter().copied().collect();
        ready.retain(|token| self.is_ready(*token, None));
        self.hot = ready.iter().copied().collect(); // the others are told of when something happens to them
        let mut state = lock(&self.network);
        for at in (1..ready.len()).rev() {
            ready.swap(at, state.below(at + 1));
        }
        drop(state);
        self.woken = self.waker.as_ref().is_some_and(|waker| waker.is_raised());
        let idle = ready.is_empty() && !self.woken;
        self.ready = ready.into();
        self.pass(idle, timeout)
    }

    fn look_at_touched(&mut self) {
        let touched = lock(&self.network).take_touched(self.number);
        self.hot.extend(touched.into_iter().filter(|token| {
            let (slot, generation) = (token.slot(), token.generation());
            if token.is_listener() {
                self.listeners.get(slot, generation).is_some()
            } else {
                self.connections.get(slot, generation).is_some()
            }
        }));
    }

    /// Time passes, if nothing else happens; a moment, if nothing else has happened for long.
    fn pass(&mut self, idle: bool, timeout: Option<Duration>) -> io::Result<()> {
        let mut state = lock(&self.network);
        let until_arrival = state.next_arrival().map(|at| at.saturating_sub(state.elapsed));
        let waiting = [timeout, until_arrival].into_iter().flatten().min();
        let passing = if idle { waiting.ok_or_else(nothing_will_happen)? } else { Duration::ZERO };
        self.busy_turns = if passing.is_zero() { self.busy_turns.saturating_add(1) } else { 0 };
        state.pass(if self.busy_turns > BUSY_TURNS { A_MOMENT } else { passing });
        Ok(())
    }

    pub(in crate::driver) fn next(&mut self, buffer: &mut [u8]) -> Option<Completion> {
        if std::mem::take(&mut self.woken) {
            return Some(Completion::Woken);
        }
        while let Some(token) = self.ready.front().copied() {
            let completion = if token.is_listener() {
                self.next_acceptable(token)
            } else {
                self.next_of_connection(token, buffer)
            };
            if completion.is_some() {
                return completion;
            }
        }
        None
    }

    fn next_acceptable(&mut self, token: Token) -> Option<Completion> {
        self.ready.pop_front();
        let listener = self.listeners.get(token.slot(), token.generation())?;
        listener.granted.then_some(Completion::Acceptable(token))
    }

    fn next_of_connection(&mut self, token: Token, buffer: &mut [u8]) -> Option<Completion> {
        self.ready.pop_front();
        let connection = self.connections.get_mut(token.slot(), token.generation())?;
        if connection.connecting {
            return Some(match self.finish_connecting(token) {
                Ok(peer) => Completion::Connected(token, peer),
                Err(errno) => Completion::Failed(token, errno),
            });
        }
        let (reset, room) =
            connection.far.with(|pipe, side| (pipe.near(side).broken, pipe.room(side) > 0))?;
        let told = self.told_writable == Some(token); // once, as a poller does
        self.told_writable = None;
        if connection.unsent && room && !reset && !told {
            connection.unsent = false;
            self.told_writable = Some(token);
            self.ready.push_front(token); // the same object may have bytes to receive
            return Some(Completion::Writable(token));
        }
        if connection.held {
            return None;
        }
        if reset {
            return Some(Completion::Failed(token, Errno::CONNRESET));
        }
        let unread = connection.far.with(|pipe, side| pipe.has_bytes(side))?;
        if connection.ended || (connection.credit == 0 && unread) {
            return None;
        }
        let room = buffer.len().min((connection.credit as usize).max(1));
        match connection.receive(buffer.get_mut(..room)?) {
            Ok(0) => {
                connection.ended = true;
                Some(Completion::Ended(token))
            }
            Ok(length) => Some(Completion::Received(token, length)),
            Err(Errno::AGAIN) => None,
            Err(errno) => Some(Completion::Failed(token, errno)),
        }
    }

    pub(in crate::driver) fn wait_for(
        &mut self,
        interests: &[Interest],
        waker: bool,
        timeout: Option<Duration>,
        ready: &mut Vec<Readiness>,
    ) -> io::Result<()> {
        ready.clear();
        self.look_at_touched();
        for interest in interests {
            let Interest { token, readable, writable, end } = *interest;
            if self.is_ready(token, Some(*interest)) {
                let over = if end { self.over(token) } else { None };
                ready.push(Readiness { token, readable, writable, over });
            }
        }
        let woken = waker && self.waker.as_ref().is_some_and(|waker| waker.is_raised());
        self.pass(ready.is_empty() && !woken, timeout)
    }

    /// How a connection is over that is not to be received from.
    fn over(&mut self, token: Token) -> Option<Over> {
        let connection = self.connection_mut(token)?;
        let (reset, ended) =
            connection.far.with(|pipe, side| (pipe.near(side).broken, pipe.has_finished(side)))?;
        if reset {
            return Some(Over::Failed(Errno::CONNRESET));
        }
        connection.ended |= ended;
        ended.then_some(Over::Ended)
    }

    /// Whether something is to be told of an object; a wait's interest overrides what was granted.
    fn is_ready(&self, token: Token, interest: Option<Interest>) -> bool {
        if token.is_listener() {
            let Some(listener) = self.listeners.get(token.slot(), token.generation()) else {
                return false;
            };
            let network = lock(&self.network);
            let queued = network.listeners.get(&listener.port).is_some_and(|it| !it.queue.is_empty());
            return queued && (interest.is_some() || listener.granted);
        }
        let Some(connection) = self.connection(token) else {
            return false;
        };
        let read = interest.map_or(connection.credit > 0, |interest| interest.readable);
        let write = interest.map_or(connection.unsent, |interest| interest.writable);
        let held = connection.held && interest.is_none();
        let ready = connection.far.with(|pipe, side| {
            let room = write && pipe.room(side) > 0;
            if connection.connecting {
                return true;
            }
            if held {
                return room && !pipe.near(side).broken;
            }
            let end = pipe.has_finished(side)
                && interest.map_or(!connection.ended, |it| it.readable || (it.end && !connection.ended));
            pipe.near(side).broken || (read && pipe.has_bytes(side)) || end || room
        });
        ready.unwrap_or(false)
    }
}

fn nothing_will_happen() -> io::Error {
    io::Error::other("this simulation would wait for ever: nothing is ready and no time-out is set")
}
