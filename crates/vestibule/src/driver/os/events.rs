use super::connection::{self as bits, Armed, retried};
use super::epoll::{Epoll, WAKER};
use super::listener::Listener;
use crate::driver::{Completion, Token};
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Waiting for all objects at once, and pulling what happened.
impl Epoll {
    /// Waits for events; what the last wait told and nobody pulled is forgotten and will be told again.
    pub(in crate::driver) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let (epoll, _) = self.open()?;
        self.apply_changes(&epoll);
        let timeout = if self.refused.is_empty() { timeout } else { Some(Duration::ZERO) };
        self.events.clear();
        self.at = 0;
        match epoll::wait(&epoll, spare_capacity(&mut self.events), timespec(timeout).as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn apply_changes(&mut self, epoll: &OwnedFd) {
        while let Some(slot) = self.changed_connections.take() {
            let Some((generation, connection)) = self.connections.current(slot) else {
                continue;
            };
            let Ok(number) = u32::try_from(slot) else { continue };
            let token = Token::connection(number, generation);
            let (from, to) = (connection.armed, connection.wanted());
            match register(epoll, connection.descriptor.as_fd(), token, from, to) {
                Ok(()) => connection.armed = to,
                Err(errno) => self.refused.push((token, errno)),
            }
        }
        while let Some(slot) = self.changed_listeners.take() {
            let Some((generation, listener)) = self.listeners.current(slot) else {
                continue;
            };
            let Ok(number) = u32::try_from(slot) else { continue };
            let token = Token::listener(number, generation);
            let (from, to) = (listener.armed, listener.wanted());
            match register(epoll, (*listener.descriptor).as_fd(), token, from, to) {
                Ok(()) => listener.armed = to,
                Err(errno) => self.refused.push((token, errno)),
            }
        }
    }

    /// The next thing that happened since the last wait; at most one system call.
    pub(in crate::driver) fn next(&mut self, buffer: &mut [u8]) -> Option<Completion> {
        while let Some((token, errno)) = self.refused.pop() {
            if self.descriptor(token).is_some() {
                return Some(Completion::Failed(token, errno));
            }
        }
        while let Some(event) = self.events.get(self.at) {
            let (number, flags) = (event.data.u64(), event.flags);
            if number == WAKER {
                self.at += 1;
                return Some(Completion::Woken);
            }
            let token = Token::from_u64(number);
            let completion = if token.is_listener() {
                self.next_accepted(token)
            } else {
                self.next_of_connection(token, flags, buffer)
            };
            if completion.is_some() {
                return completion;
            }
        }
        None
    }

    /// Stays at the event as long as the listener has credit and clients.
    fn next_accepted(&mut self, token: Token) -> Option<Completion> {
        let listener = self.listeners.get(token.slot(), token.generation());
        match listener.filter(|listener| listener.credit > 0).map(Listener::accept) {
            Some(Ok((transport, peer))) => Some(Completion::Accepted(token, transport, peer)),
            Some(Err(Errno::AGAIN)) | None => {
                self.at += 1;
                None
            }
            Some(Err(errno)) => Some(Completion::Failed(token, errno)),
        }
    }

    fn next_of_connection(
        &mut self,
        token: Token,
        flags: EventFlags,
        buffer: &mut [u8],
    ) -> Option<Completion> {
        let (slot, generation) = (token.slot(), token.generation());
        let at = self.at;
        self.at += 1;
        let connection = self.connections.get_mut(slot, generation)?; // else a stale event
        if flags.contains(EventFlags::ERR) && !connection.has(bits::HELD) {
            return Some(Completion::Failed(token, connection.noted_error()));
        }
        if flags.contains(EventFlags::OUT) && connection.has(bits::UNSENT) {
            self.change(token, |connection| connection.set(bits::UNSENT, false));
            if let Some(event) = self.events.get_mut(at) {
                event.flags = flags.difference(EventFlags::OUT);
                self.at = at; // the same event may tell of bytes to receive
            }
            return Some(Completion::Writable(token));
        }
        let readable = EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP;
        if !flags.intersects(readable) || connection.has(bits::HELD) {
            return None;
        }
        if connection.has(bits::ENDED) {
            // A hang-up without an error: somebody else ended this side too.
            let hung_up = flags.contains(EventFlags::HUP);
            return hung_up.then(|| Completion::Failed(token, connection.noted_error()));
        }
        if connection.credit == 0 {
            let ended = flags.intersects(EventFlags::RDHUP | EventFlags::HUP);
            return if ended { self.end_of_unread(token) } else { None };
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

    /// The peer's end came while its bytes are not to be received: told only if none precede it.
    pub(super) fn end_of_unread(&mut self, token: Token) -> Option<Completion> {
        match self.connection(token)?.has_unread() {
            Ok(true) => {
                self.change(token, |connection| connection.set(bits::END_BEHIND_DATA, true));
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

/// Tells epoll what changed.
fn register(
    epoll: &OwnedFd,
    descriptor: BorrowedFd<'_>,
    token: Token,
    from: Armed,
    to: Armed,
) -> Result<(), Errno> {
    let data = EventData::new_u64(token.to_u64());
    let mut flags = EventFlags::empty();
    flags.set(EventFlags::IN, to & bits::READ != 0);
    flags.set(EventFlags::RDHUP, to & bits::END != 0);
    flags.set(EventFlags::OUT, to & bits::WRITE != 0);
    retried(|| match (from, to) {
        _ if from == to => Ok(()),
        (0, _) => epoll::add(epoll, descriptor, data, flags),
        (_, 0) => epoll::delete(epoll, descriptor),
        _ => epoll::modify(epoll, descriptor, data, flags),
    })
}

pub(super) fn timespec(timeout: Option<Duration>) -> Option<Timespec> {
    Timespec::try_from(timeout?).ok() // a wait longer than the system can count is for ever
}
