//! One connection that echoes.

use super::latency::Latency;
use super::pattern::{LONGEST, Pattern};
use crate::Outcome;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, connect_unspec, recv, send,
    socket_with, sockopt,
};
use std::collections::VecDeque;
use std::net::SocketAddrV4;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

/// A socket that begins to connect.
pub(crate) fn open(address: SocketAddrV4) -> Outcome<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    begin(&socket, address)?;
    Ok(socket)
}

/// The socket, which has no connection, begins to connect.
pub(crate) fn begin(socket: &OwnedFd, address: SocketAddrV4) -> Result<(), Errno> {
    match connect(socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(()),
        Err(error) => Err(error),
    }
}

/// A connection and the messages that are on the way through it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: OwnedFd,
    /// The length of every message.
    message: usize,
    /// Up to where it was asked to send, has sent and has received; places in the pattern.
    asked: u64,
    sent: u64,
    received: u64,
    /// Where the first message that has not come back ends.
    next_end: u64,
    /// When each message that has not come back was due.
    pending: VecDeque<Instant>,
}

impl Connection {
    /// A connection whose stream begins at this place of the pattern.
    pub(crate) fn new(socket: OwnedFd, message: usize, place: u64) -> Self {
        let next_end = place + message as u64;
        let pending = VecDeque::with_capacity(2);
        Self { socket, message, asked: place, sent: place, received: place, next_end, pending }
    }

    /// One more message is due. True when all of it has gone.
    pub(crate) fn ask(&mut self, pattern: &Pattern, due: Instant) -> Outcome<bool> {
        self.pending.push_back(due);
        self.asked += self.message as u64;
        self.flush(pattern)
    }

    /// Sends what is owed. True when all of it has gone.
    pub(crate) fn flush(&mut self, pattern: &Pattern) -> Outcome<bool> {
        while self.sent < self.asked {
            let length = usize::try_from(self.asked - self.sent)?.min(LONGEST);
            match send(&self.socket, pattern.part(self.sent, length), SendFlags::NOSIGNAL) {
                Ok(length) => self.sent += length as u64,
                // The second one: it is not connected yet.
                Err(Errno::AGAIN | Errno::NOTCONN) => return Ok(false),
                Err(error) => return Err(format!("cannot send: {error}").into()),
            }
        }
        Ok(true)
    }

    /// Reads what there is and compares it; returns how many messages have come back completely.
    pub(crate) fn hear(
        &mut self,
        pattern: &Pattern,
        buffer: &mut [u8],
        latency: &mut Latency,
    ) -> Outcome<usize> {
        let mut completed = 0;
        loop {
            let length = match recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
                Ok((0, _)) => return Err("the server has closed an echoing connection".into()),
                Ok((length, _)) => length,
                Err(Errno::AGAIN) => return Ok(completed),
                Err(error) => return Err(format!("cannot receive: {error}").into()),
            };
            if buffer[..length] != *pattern.part(self.received, length) {
                return Err("other bytes came back than were sent".into());
            }
            self.received += length as u64;
            completed += self.complete(latency);
            if length < buffer.len() {
                return Ok(completed);
            }
        }
    }

    fn complete(&mut self, latency: &mut Latency) -> usize {
        let mut completed = 0;
        while self.received >= self.next_end {
            self.next_end += self.message as u64;
            completed += 1;
            if let Some(due) = self.pending.pop_front() {
                latency.record(due, Instant::now());
            }
        }
        completed
    }

    /// Ends the connection with a reset; its socket can connect again.
    pub(crate) fn dissolve(&mut self) -> Result<(), Errno> {
        self.pending.clear();
        (self.sent, self.received) = (self.asked, self.asked);
        self.next_end = self.asked + self.message as u64;
        connect_unspec(&self.socket)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
