use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Wakes a waiting loop from another thread; one system call however often it is called before the loop looks.
#[derive(Debug)]
pub(crate) struct Waker {
    descriptor: OwnedFd,
    raised: AtomicBool,
}

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        let descriptor = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { descriptor, raised: AtomicBool::new(false) })
    }

    pub(crate) fn wake(&self) {
        if !self.raised.swap(true, Ordering::AcqRel) {
            // It can only fail when the counter is full, and then the loop is awake anyway.
            let _ = rustix::io::write(&self.descriptor, &1_u64.to_ne_bytes());
        }
    }

    /// Makes the next call wake again; to be called before looking at what the callers left.
    ///
    /// The counter is emptied first: a call in between finds the mark still set, and what it left is looked at now.
    pub(crate) fn lower(&self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.descriptor, &mut count);
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
        self.descriptor.as_fd()
    }
}
