use crate::admission::Ledger;
use crate::sync::{Mutex, lock};
use rustix::net::sockopt;
use std::fmt;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// The connections that are open, so that a drain can cut them wherever they are.
#[derive(Default)]
pub(super) struct Roll(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    entries: Vec<Option<Entry>>,
    free: Vec<usize>,
}

#[derive(Clone, Copy)]
struct Entry {
    /// Open as long as the entry is here.
    descriptor: RawFd,
    peer: SocketAddr,
}

/// A connection's entry. It has to be dropped before the descriptor is closed.
pub(super) struct Enrolled {
    roll: Arc<Roll>,
    at: usize,
}

impl Roll {
    pub(super) fn enroll(self: &Arc<Self>, descriptor: impl AsFd, peer: SocketAddr) -> Enrolled {
        let entry = Entry { descriptor: descriptor.as_fd().as_raw_fd(), peer };
        let mut roll = lock(&self.0);
        let at = roll.free.pop().unwrap_or(roll.entries.len());
        match roll.entries.get_mut(at) {
            Some(place) => *place = Some(entry),
            None => roll.entries.push(Some(entry)),
        }
        Enrolled { roll: Arc::clone(self), at }
    }

    /// Resets all connections that are still here, and tells the ledger.
    pub(super) fn cut(&self, ledger: &Ledger) {
        let roll = lock(&self.0);
        for entry in roll.entries.iter().flatten() {
            entry.cut();
            ledger.cut(entry.peer);
        }
    }
}

impl Entry {
    /// Both sides see a reset, and not an end that could be taken for the whole.
    #[allow(unsafe_code, reason = "the connection is in a task that nobody here can reach")]
    fn cut(&self) {
        // SAFETY: the number is open: an entry is taken from the roll, under the lock that the caller holds, before its
        // descriptor is closed.
        let descriptor = unsafe { BorrowedFd::borrow_raw(self.descriptor) };
        // All fail only for a connection that is gone already.
        let _ = sockopt::set_socket_linger(descriptor, Some(Duration::ZERO));
        #[cfg(target_os = "linux")]
        let _ = rustix::net::connect_unspec(descriptor);
        #[cfg(not(target_os = "linux"))]
        let _ = rustix::net::shutdown(descriptor, rustix::net::Shutdown::Both);
    }
}

impl Drop for Enrolled {
    fn drop(&mut self) {
        let mut roll = lock(&self.roll.0);
        if let Some(place) = roll.entries.get_mut(self.at) {
            *place = None;
            roll.free.push(self.at);
        }
    }
}

impl fmt::Debug for Enrolled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enrolled").field("at", &self.at).finish_non_exhaustive()
    }
}

impl fmt::Debug for Roll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roll").finish_non_exhaustive()
    }
}
