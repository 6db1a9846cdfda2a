use crate::admission::Bells;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Servers of the process that wait for a descriptor to be released.
#[cfg(not(vestibule_loom))]
pub(crate) static RELEASES: Bells = Bells::new();
#[cfg(vestibule_loom)]
pub(crate) static RELEASES: std::sync::LazyLock<Bells> = std::sync::LazyLock::new(Bells::new);

/// A descriptor whose closing is told to the servers that wait for one.
#[derive(Debug)]
pub(crate) struct Descriptor {
    descriptor: OwnedFd,
    /// Dropped behind the descriptor, so when that is closed.
    release: Release,
}

/// Tells the servers that wait for a descriptor that one was closed, when it is dropped.
#[derive(Debug)]
pub(crate) struct Release;

impl Drop for Release {
    fn drop(&mut self) {
        RELEASES.ring();
    }
}

impl From<OwnedFd> for Descriptor {
    fn from(descriptor: OwnedFd) -> Self {
        Self { descriptor, release: Release }
    }
}

/// The descriptor is the program's from now on; nobody is told when it is closed.
impl From<Descriptor> for OwnedFd {
    fn from(Descriptor { descriptor, release }: Descriptor) -> Self {
        std::mem::forget(release); // it is not closed
        descriptor
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Deref for Descriptor {
    type Target = OwnedFd;

    fn deref(&self) -> &OwnedFd {
        &self.descriptor
    }
}
