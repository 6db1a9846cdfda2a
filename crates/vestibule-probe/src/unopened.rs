//! A descriptor whose number is not open.

use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};

/// No descriptor has this number: the kernel's own limit for them lies far below.
const NUMBER: RawFd = RawFd::MAX;

/// A descriptor that is not open; it has to be [forgotten](forget), because closing it would be an error.
#[allow(
    unsafe_code,
    reason = "a caller of the library can own a number that is not open only by unsafe code; the library must refuse it"
)]
pub(crate) fn unopened() -> OwnedFd {
    // SAFETY: the number belongs to nobody and never will, so that nobody's descriptor can be used or closed through it;
    // every call of the system on it fails with EBADF. It is not closed either: the caller forgets it.
    unsafe { OwnedFd::from_raw_fd(NUMBER) }
}

/// Lets go of the descriptor that is not open, without closing it.
pub(crate) fn forget(descriptor: OwnedFd) {
    let number = descriptor.into_raw_fd();
    debug_assert_eq!(number, NUMBER, "an open descriptor would leak");
}
