//! What the kernel tells elsewhere than on Linux of a connection or a listener.

use super::retried;
use crate::driver::{Arrival, KernelQueue};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use std::os::fd::AsFd;
use std::time::Duration;

/// Whether a connection is dead; how long it has waited nobody knows.
pub(in crate::driver::os) fn arrival(descriptor: impl AsFd) -> Option<Arrival> {
    let mut byte = [0];
    let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
    let peeked = retried(|| recv(&descriptor, &mut byte[..], flags));
    Some(Arrival { dead: peeked.is_err_and(|errno| errno != Errno::AGAIN), age: None })
}

pub(in crate::driver::os) fn kernel_queue(_descriptor: impl AsFd) -> Option<KernelQueue> {
    None
}

pub(in crate::driver::os) fn queue_overflows() -> Option<u64> {
    None
}

/// Clients that have sent nothing are accepted like others.
#[allow(clippy::unnecessary_wraps, reason = "on Linux it can fail")]
pub(in crate::driver::os) fn set_defer_accept(_listener: impl AsFd, _limit: Duration) -> Result<(), Errno> {
    Ok(())
}
