use crate::sync::{AtomicBool, Mutex, Ordering, in_order, lock};
use std::sync::{Arc, Weak};
use std::task::Waker;

/// Wakes a server that waits for a place, for a descriptor, or for a word from another thread.
///
/// Who waits first says so with [`wait`](Self::wait), then looks whether there is something already; who gives first gives,
/// then rings. So nothing is missed, and a bell that nobody waits for costs one load.
#[derive(Debug)]
pub(crate) struct Bell {
    waiting: AtomicBool,
    waker: Waker,
}

impl Bell {
    pub(crate) fn new(waker: Waker) -> Self {
        Self { waiting: AtomicBool::new(false), waker }
    }

    pub(crate) fn wait(&self) {
        self.waiting.store(true, Ordering::SeqCst);
        in_order();
    }

    /// Whether somebody rang since the last wait began; true also when none ever did.
    pub(crate) fn was_rung(&self) -> bool {
        !self.waiting.load(Ordering::SeqCst)
    }

    pub(crate) fn ring(&self) {
        in_order();
        if self.waiting.load(Ordering::SeqCst) && self.waiting.swap(false, Ordering::SeqCst) {
            self.waker.wake_by_ref();
        }
    }
}

/// The bells of all servers that may wait for one thing. Waiting and ringing allocate nothing.
#[derive(Debug)]
pub(crate) struct Bells {
    anybody: AtomicBool,
    bells: Mutex<Vec<Weak<Bell>>>,
}

impl Bells {
    #[cfg(not(vestibule_loom))]
    pub(crate) const fn new() -> Self {
        Self { anybody: AtomicBool::new(false), bells: Mutex::new(Vec::new()) }
    }

    #[cfg(vestibule_loom)]
    pub(crate) fn new() -> Self {
        Self { anybody: AtomicBool::new(false), bells: Mutex::new(Vec::new()) }
    }

    /// From now on the bell is rung with the others; those that are gone are forgotten.
    pub(crate) fn add(&self, bell: &Arc<Bell>) {
        let mut bells = lock(&self.bells);
        bells.retain(|known| known.strong_count() > 0 && !known.ptr_eq(&Arc::downgrade(bell)));
        bells.push(Arc::downgrade(bell));
    }

    /// Has this bell rung when there is something.
    pub(crate) fn wait(&self, bell: &Bell) {
        bell.wait();
        self.anybody.store(true, Ordering::SeqCst);
        in_order();
    }

    /// There is something.
    pub(crate) fn ring(&self) {
        in_order();
        if self.anybody.load(Ordering::SeqCst) && self.anybody.swap(false, Ordering::SeqCst) {
            for bell in lock(&self.bells).iter().filter_map(Weak::upgrade) {
                bell.ring();
            }
        }
    }
}
