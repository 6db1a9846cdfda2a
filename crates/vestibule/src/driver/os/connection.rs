use super::calls::{retried, send_flags};
use super::descriptor::Descriptor;
use super::poller::{END, READ, Signs, WATCH, WRITE};
use crate::admission::Permit;
use rustix::io::Errno;
use rustix::net::{self, RecvFlags, Shutdown, SocketType, sockopt};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

/// A connection in the table of the driver. It is small: a program may have very many of them.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) descriptor: Descriptor,
    /// Its place among the open connections of a server; given back once the descriptor is closed.
    pub(super) permit: Option<Permit>,
    /// How many bytes may be received at once; 0 to leave them to the kernel.
    pub(super) credit: u32,
    /// What the poller is asked for now.
    pub(super) armed: Signs,
    pub(super) flags: Flags,
}

/// What is known of a connection, as a set of bits.
pub(super) type Flags = u8;
/// Nothing is to be told of it for now.
pub(super) const HELD: Flags = 1;
/// The peer's end was told.
pub(super) const ENDED: Flags = 2;
/// The peer's end came, but unread data precede it.
pub(super) const END_BEHIND_DATA: Flags = 4;
/// The last send left something unsent.
pub(super) const UNSENT: Flags = 8;
/// Somebody else may hold the same socket.
pub(super) const SHARED: Flags = 16;
/// It is not connected yet, and not trying to be.
pub(super) const IDLE: Flags = 32;
/// It is being connected.
pub(super) const CONNECTING: Flags = 64;
/// Unread data are there, and reading is the only way to ask for the end behind them.
pub(super) const UNREAD: Flags = 128;

impl Connection {
    pub(super) fn new(descriptor: Descriptor, permit: Option<Permit>, shared: bool) -> Self {
        Self { descriptor, permit, credit: 0, armed: 0, flags: if shared { SHARED } else { 0 } }
    }

    /// A socket that is to be connected.
    pub(super) fn idle(descriptor: Descriptor) -> Self {
        Self { descriptor, permit: None, credit: 0, armed: 0, flags: IDLE }
    }

    pub(super) fn has(&self, flag: Flags) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn set(&mut self, flag: Flags, on: bool) {
        self.flags = if on { self.flags | flag } else { self.flags & !flag };
    }

    /// What the poller should be asked for.
    pub(super) fn wanted(&self) -> Signs {
        if self.has(CONNECTING) {
            return WRITE | WATCH;
        }
        if self.has(IDLE) {
            return 0;
        }
        let write = if self.has(UNSENT) { WRITE | WATCH } else { 0 };
        let read = if self.has(HELD) {
            0
        } else if self.has(ENDED) {
            WATCH
        } else if self.credit > 0 {
            READ | WATCH
        } else if self.has(END_BEHIND_DATA) {
            0
        } else if self.has(UNREAD) {
            WATCH
        } else {
            END | WATCH
        };
        write | read
    }

    pub(super) fn receive(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        let flags = RecvFlags::DONTWAIT;
        let length =
            retried(|| net::recv(&self.descriptor, &mut *buffer, flags)).map(|(_, length)| length)?;
        if let Some(permit) = &self.permit {
            permit.ledger().received(length);
        }
        Ok(length)
    }

    /// Whether unread bytes are there: `Ok(false)` means that the peer's end is what comes next.
    pub(super) fn has_unread(&self) -> Result<bool, Errno> {
        let mut byte = [0];
        let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
        retried(|| net::recv(&self.descriptor, &mut byte[..], flags)).map(|(_, length)| length > 0)
    }

    pub(super) fn send(&self, bytes: &[u8], last: bool) -> Result<usize, Errno> {
        match retried(|| net::send(&self.descriptor, bytes, send_flags(last))) {
            Err(Errno::AGAIN) => Ok(0),
            Ok(length) => {
                if let Some(permit) = &self.permit {
                    permit.ledger().sent(length);
                }
                Ok(length)
            }
            failed => failed,
        }
    }

    pub(super) fn shut_down(&self) {
        // Fails only when the connection is gone already, which the next receive tells.
        let _ = net::shutdown(&self.descriptor, Shutdown::Write);
    }

    /// The error that the system noted for the connection; a reset when it noted none.
    pub(super) fn noted_error(&self) -> Errno {
        match sockopt::socket_error(&self.descriptor) {
            Ok(Err(errno)) | Err(errno) => errno,
            Ok(Ok(())) => Errno::CONNRESET,
        }
    }

    /// With whom an attempt to connect ended; `AGAIN` when it has not.
    pub(super) fn connected(&self) -> Result<SocketAddr, Errno> {
        sockopt::socket_error(&self.descriptor)??;
        match net::getpeername(&self.descriptor) {
            Err(Errno::NOTCONN) => Err(Errno::AGAIN),
            result => result?.and_then(|peer| peer.try_into().ok()).ok_or(Errno::PROTO),
        }
    }

    pub(super) fn local_address(&self) -> Option<SocketAddr> {
        local_address(self.descriptor.as_fd())
    }
}

/// Sends what fits now, on a connection that is on a reactor of somebody else's.
#[cfg(feature = "tokio")]
pub(crate) fn send_now(descriptor: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
    retried(|| net::send(descriptor, bytes, send_flags(false)))
}

pub(crate) fn local_address(descriptor: BorrowedFd<'_>) -> Option<SocketAddr> {
    net::getsockname(descriptor).ok()?.try_into().ok()
}

/// Makes sure that a descriptor is a connected stream socket of the internet; tells its peer.
pub(crate) fn check_connected(descriptor: BorrowedFd<'_>) -> io::Result<SocketAddr> {
    if sockopt::socket_type(descriptor)? != SocketType::STREAM {
        return Err(Errno::PROTOTYPE.into());
    }
    let peer = net::getpeername(descriptor)?.ok_or(Errno::NOTCONN)?;
    let peer = peer.try_into().map_err(|_| Errno::PROTOTYPE)?;
    rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::CLOEXEC)?;
    Ok(peer)
}
