//! Waiting for all descriptors at once: epoll on Linux, the `polling` crate elsewhere.
//!
//! Both files have the same functions in the same order. Both are level-triggered.

#[cfg(all(target_os = "linux", not(vestibule_polling)))]
mod epoll;
#[cfg(any(not(target_os = "linux"), vestibule_polling))]
mod portable;
mod signs;

#[cfg(all(target_os = "linux", not(vestibule_polling)))]
pub(super) use epoll::Poller;
#[cfg(any(not(target_os = "linux"), vestibule_polling))]
pub(super) use portable::Poller;
pub(super) use signs::{END, ERROR, EXCLUSIVE, HANGUP, READ, Signs, WATCH, WRITE};

/// How many events one wait can tell.
const EVENTS: usize = 1024;
