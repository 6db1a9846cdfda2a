use rustix::event::Timespec;
use std::time::Duration;

/// `None` is for ever, and so is more than the system can count.
pub(in crate::driver::os) fn timespec(timeout: Option<Duration>) -> Option<Timespec> {
    Timespec::try_from(timeout?).ok()
}
