use super::calls;
use super::os_driver::OsDriver;
use crate::admission::{Ledger, Permit};
use crate::driver::{Arrival, KernelQueue, Token, Transport};
use std::os::fd::OwnedFd;
use std::sync::Arc;
#[cfg(feature = "tokio")]
use {rustix::io::Errno, std::os::fd::AsFd};

/// How many slots are looked at for the connections of one server at once.
const LOOKED_AT: usize = 4096;

/// Asking what the system and the tables know, changing nothing.
impl OsDriver {
    pub(in crate::driver) fn arrival(transport: &Transport) -> Option<Arrival> {
        calls::arrival(transport)
    }

    pub(in crate::driver) fn kernel_queue(&self, token: Token) -> Option<KernelQueue> {
        calls::kernel_queue(&*self.listener_descriptor(token)?)
    }

    pub(in crate::driver) fn queue_overflows() -> Option<u64> {
        calls::queue_overflows()
    }

    pub(in crate::driver) fn reserve_descriptor() -> Option<OwnedFd> {
        std::fs::File::open("/dev/null").ok().map(OwnedFd::from)
    }

    pub(in crate::driver) fn has_unread(&self, token: Token) -> bool {
        self.connection(token).is_some_and(|connection| connection.has_unread() == Ok(true))
    }

    pub(in crate::driver) fn connections_of(
        &self,
        ledger: &Arc<Ledger>,
        from: usize,
        most: usize,
    ) -> (Vec<Token>, Option<usize>) {
        let is_of = |permit: &Permit| permit.is_of(ledger);
        self.connections
            .search(from, LOOKED_AT, most, |connection| connection.permit.as_ref().is_some_and(is_of))
    }
}

/// The same for a descriptor that is on a reactor of somebody else's.
#[cfg(feature = "tokio")]
pub(crate) fn arrival_of(descriptor: impl AsFd) -> Option<Arrival> {
    calls::arrival(descriptor)
}

/// Accepts the client that waits longest, close-on-exec and non-blocking.
#[cfg(feature = "tokio")]
pub(crate) fn accept_from(descriptor: &OwnedFd) -> Result<OwnedFd, Errno> {
    Ok(calls::accept(descriptor, false)?.0)
}

/// A descriptor to be released when one is needed.
#[cfg(feature = "tokio")]
pub(crate) fn reserve_descriptor() -> Option<OwnedFd> {
    OsDriver::reserve_descriptor()
}

#[cfg(feature = "tokio")]
pub(crate) fn kernel_queue_of(descriptor: impl AsFd) -> Option<KernelQueue> {
    calls::kernel_queue(descriptor)
}

#[cfg(feature = "tokio")]
pub(crate) fn queue_overflows() -> Option<u64> {
    calls::queue_overflows()
}
