use super::connection as bits;
use super::os_driver::OsDriver;
use super::poller::{END, ERROR, HANGUP, Poller, READ, Signs, WRITE};
use crate::driver::{Completion, Token};
use rustix::io::Errno;
use std::io;
use std::time::Duration;

/// Waiting for all objects at once, and pulling what happened.
impl OsDriver {
    /// Waits for events; what the last wait told and nobody pulled is forgotten and will be told again.
    pub(in crate::driver) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        if self.opened.is_none() {
            self.open()?;
        }
        self.apply_changes();
        let timeout = if self.refused.is_empty() { timeout } else { Some(Duration::ZERO) };
        self.at = 0;
        self.left_of_event = None;
        match &mut self.opened {
            Some(opened) => opened.poller.wait(timeout),
            None => Ok(()),
        }
    }

    pub(in crate::driver) fn has_events(&self) -> bool {
        let event = self.opened.as_ref().and_then(|opened| opened.poller.event(0));
        event.is_some() || !self.refused.is_empty()
    }

    /// The next thing that happened since the last wait; at most one system call.
    pub(in crate::driver) fn next(&mut self, buffer: &mut [u8]) -> Option<Completion> {
        while let Some((token, errno)) = self.refused.pop() {
            if self.descriptor(token).is_some() {
                return Some(Completion::Failed(token, errno));
            }
        }
        while let Some((number, signs)) = self.opened.as_ref()?.poller.event(self.at) {
            if number == Poller::WAKER {
                self.at += 1;
                return Some(Completion::Woken);
            }
            if number == Poller::ALARM {
                self.at += 1;
                self.end_alarm();
                continue;
            }
            let token = Token::from_u64(number);
            let signs = self.left_of_event.take().unwrap_or(signs);
            let completion = if token.is_listener() {
                self.next_acceptable(token)
            } else {
                self.next_of_connection(token, signs, buffer)
            };
            if completion.is_some() {
                return completion;
            }
        }
        None
    }

    fn next_acceptable(&mut self, token: Token) -> Option<Completion> {
        self.at += 1;
        let listener = self.listeners.get(token.slot(), token.generation())?;
        listener.granted.then_some(Completion::Acceptable(token))
    }

    fn next_of_connection(&mut self, token: Token, signs: Signs, buffer: &mut [u8]) -> Option<Completion> {
        let (slot, generation) = (token.slot(), token.generation());
        let at = self.at;
        self.at += 1;
        let connection = self.connections.get_mut(slot, generation)?; // else a stale event
        if connection.has(bits::CONNECTING) {
            return self.connected(token);
        }
        if signs & ERROR != 0 && !connection.has(bits::HELD) {
            return Some(Completion::Broken(token));
        }
        if signs & WRITE != 0 && connection.has(bits::UNSENT) {
            self.change(token, |connection| connection.set(bits::UNSENT, false));
            self.at = at; // the same event may tell of bytes to receive
            self.left_of_event = Some(signs & !WRITE);
            return Some(Completion::Writable(token));
        }
        if signs & (READ | END | HANGUP) == 0 || connection.has(bits::HELD) {
            return None;
        }
        if connection.has(bits::ENDED) {
            // A hang-up without an error: somebody else ended this side too.
            let hung_up = signs & HANGUP != 0;
            return hung_up.then(|| Completion::Failed(token, connection.noted_error()));
        }
        if connection.credit == 0 {
            let ended = signs & (END | HANGUP) != 0;
            let end_alone = Poller::TELLS_END_ALONE || signs & HANGUP != 0;
            return if ended { self.end_of_unread(token, end_alone) } else { None };
        }
        let room = buffer.len().min(connection.credit as usize);
        match connection.receive(buffer.get_mut(..room)?) {
            Ok(0) => {
                self.change(token, |connection| connection.set(bits::ENDED, true));
                Some(Completion::Ended(token))
            }
            Ok(length) => Some(Completion::Received(token, length)),
            Err(Errno::AGAIN) => None,
            Err(errno) => Some(Completion::Failed(token, errno)),
        }
    }

    fn connected(&mut self, token: Token) -> Option<Completion> {
        match self.finish_connecting(token) {
            Ok(peer) => Some(Completion::Connected(token, peer)),
            Err(Errno::AGAIN) => None,
            Err(errno) => Some(Completion::Failed(token, errno)),
        }
    }

    /// The peer's end has come while its bytes are not to be received, or, where the end is not told alone, something has:
    /// the end is told only if no bytes precede it.
    pub(super) fn end_of_unread(&mut self, token: Token, end_alone: bool) -> Option<Completion> {
        match self.connection(token)?.has_unread() {
            Ok(true) => {
                let flag = if end_alone { bits::END_BEHIND_DATA } else { bits::UNREAD };
                self.change(token, |connection| connection.set(flag, true));
                None
            }
            // An urgent byte, which is told like others and not received like them.
            Err(Errno::AGAIN) if !end_alone => {
                self.change(token, |connection| connection.set(bits::UNREAD, true));
                None
            }
            Ok(false) => {
                self.change(token, |connection| connection.set(bits::ENDED, true));
                Some(Completion::Ended(token))
            }
            Err(Errno::AGAIN) => None,
            Err(errno) => Some(Completion::Failed(token, errno)),
        }
    }
}
