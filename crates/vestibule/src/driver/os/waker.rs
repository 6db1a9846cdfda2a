use super::calls::Doorbell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Wakes a waiting loop from another thread; one system call however often it is called before the loop looks.
#[derive(Debug)]
pub(crate) struct Waker {
    doorbell: Doorbell,
    raised: AtomicBool,
}

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { doorbell: Doorbell::new()?, raised: AtomicBool::new(false) })
    }

    pub(crate) fn wake(&self) {
        if !self.raised.swap(true, Ordering::AcqRel) {
            self.doorbell.ring();
        }
    }

    /// Makes the next call wake again; to be called before looking at what the callers left.
    ///
    /// The doorbell is silenced first: a call in between finds the mark still set, and what it left is looked at now.
    pub(crate) fn lower(&self) {
        self.doorbell.silence();
        self.raised.swap(false, Ordering::AcqRel);
    }

    /// Whether somebody called since the last time.
    #[cfg(feature = "simulation")]
    pub(crate) fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.doorbell.as_fd()
    }
}
