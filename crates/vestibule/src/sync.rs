//! What threads share: locks and atomics of `std`, or those of loom, which tries every order of their operations.

#[cfg(not(vestibule_loom))]
pub(crate) use std::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
};

#[cfg(vestibule_loom)]
pub(crate) use loom::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
};

use std::sync::PoisonError;
use std::time::Duration;

/// Stands between a sequentially consistent write and such a read of something else. In `std` they are in order without it;
/// loom knows that order of fences alone.
pub(crate) fn in_order() {
    #[cfg(vestibule_loom)]
    fence(Ordering::SeqCst);
}

/// A panic elsewhere leaves what is locked here whole: nothing of the program's runs under these locks.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits to be notified, at most so long.
pub(crate) fn wait<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    timeout: Option<Duration>,
) -> MutexGuard<'a, T> {
    match timeout {
        Some(timeout) => condvar.wait_timeout(guard, timeout).unwrap_or_else(PoisonError::into_inner).0,
        None => condvar.wait(guard).unwrap_or_else(PoisonError::into_inner),
    }
}
