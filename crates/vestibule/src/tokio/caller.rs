use crate::sync::{Mutex, lock};
use ::tokio::sync::Notify;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::task::{Wake, Waker};

/// Whom to call when something has changed from outside: the tasks that accept, and the one that carries orders out.
#[derive(Default)]
pub(super) struct Caller {
    pub(super) warden: Notify,
    /// By the number of the listener.
    accepting: Mutex<BTreeMap<usize, Waker>>,
}

impl Caller {
    /// From now on this task is called, until something has changed.
    pub(super) fn call(&self, listener: usize, waker: &Waker) {
        lock(&self.accepting)
            .entry(listener)
            .and_modify(|known| known.clone_from(waker))
            .or_insert_with(|| waker.clone());
    }

    /// The listener is gone.
    pub(super) fn forget(&self, listener: usize) {
        let waker = lock(&self.accepting).remove(&listener);
        drop(waker);
    }

    /// These have to look again.
    pub(super) fn wake(&self, listeners: &[usize]) {
        if listeners.is_empty() {
            return;
        }
        let wakers: Vec<_> = {
            let accepting = lock(&self.accepting);
            listeners.iter().filter_map(|listener| accepting.get(listener).cloned()).collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(super) fn wake_accepting(&self) {
        let wakers: Vec<_> = lock(&self.accepting).values().cloned().collect();
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Wake for Caller {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.warden.notify_one();
        self.wake_accepting();
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").finish_non_exhaustive()
    }
}
