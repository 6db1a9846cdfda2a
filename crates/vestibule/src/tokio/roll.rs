use super::shared::Shared;
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

/// What is known of a connection beside its stream. It is kept here, so that a connection is cheap to move.
#[derive(Clone, Copy)]
pub(super) struct Facts {
    pub(super) peer: SocketAddr,
    pub(super) number: u64,
    pub(super) age: Option<Duration>,
}

struct Entry {
    /// Open as long as the entry is here.
    descriptor: RawFd,
    facts: Facts,
}

/// A connection's entry. It has to be dropped before the descriptor is closed.
pub(super) struct Enrolled {
    shared: Arc<Shared>,
    at: usize,
}

impl Enrolled {
    pub(super) fn new(shared: &Arc<Shared>, descriptor: impl AsFd, facts: Facts) -> Self {
        let at = shared.roll.enroll(Entry { descriptor: descriptor.as_fd().as_raw_fd(), facts });
        Self { shared: Arc::clone(shared), at }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(super) fn facts(&self) -> Facts {
        let roll = lock(&self.shared.roll.0);
        let entry = roll.entries.get(self.at).and_then(Option::as_ref);
        entry.map_or_else(|| unreachable!("the entry is here as long as this"), |entry| entry.facts)
    }
}

impl Roll {
    fn enroll(&self, entry: Entry) -> usize {
        let mut roll = lock(&self.0);
        let at = roll.free.pop().unwrap_or(roll.entries.len());
        match roll.entries.get_mut(at) {
            Some(place) => *place = Some(entry),
            None => roll.entries.push(Some(entry)),
        }
        at
    }

    fn strike(&self, at: usize) {
        let mut roll = lock(&self.0);
        if let Some(place) = roll.entries.get_mut(at) {
            *place = None;
            roll.free.push(at);
        }
    }

    /// Resets all connections that are still here, and tells the ledger.
    pub(super) fn cut(&self, ledger: &Ledger) {
        let roll = lock(&self.0);
        for entry in roll.entries.iter().flatten() {
            entry.cut();
            ledger.cut(entry.facts.peer);
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
        self.shared.roll.strike(self.at);
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
