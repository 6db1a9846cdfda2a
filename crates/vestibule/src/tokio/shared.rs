use super::caller::Caller;
use super::door::Door;
use super::roll::Roll;
use crate::admission::{Bell, DrainPhase, Ledger, Limits};
use crate::driver::{KernelQueue, kernel_queue_of, queue_overflows};
use crate::server::Desk;
use crate::sync::{AtomicBool, AtomicUsize, Mutex, Ordering, lock};
use ::tokio::sync::watch;
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::Instant;

/// What a listener, its shards, its connections and its warden have in common.
pub(super) struct Shared {
    pub(super) door: Mutex<Door>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) desk: Arc<Desk>,
    pub(super) caller: Arc<Caller>,
    pub(super) roll: Arc<Roll>,
    /// How far a drain has come, for whoever waits for that.
    pub(super) phase: watch::Sender<DrainPhase>,
    /// Whether nobody comes in any more.
    pub(super) closed: watch::Sender<bool>,
    queues: Mutex<Vec<Weak<OwnedFd>>>,
    /// How many listeners there are, and what the next is called.
    listeners: AtomicUsize,
    next: AtomicUsize,
    /// Whether somebody carries orders out.
    pub(super) has_warden: AtomicBool,
}

/// The time, as tokio has it, which tests may stop.
pub(super) fn now() -> Instant {
    ::tokio::time::Instant::now().into_std()
}

impl Shared {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        let caller = Arc::new(Caller::default());
        let waker = Waker::from(Arc::clone(&caller));
        let now = now();
        let ledger = Arc::new(Ledger::new(Bell::new(waker.clone()), now));
        let desk = Desk::without_home(waker);
        desk.staff();
        let shared = Arc::new(Self {
            door: Mutex::new(Door::new(&ledger, limits, now)),
            ledger,
            desk: Arc::new(desk),
            caller,
            roll: Arc::default(),
            phase: watch::Sender::new(DrainPhase::None),
            closed: watch::Sender::new(false),
            queues: Mutex::default(),
            listeners: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            has_warden: AtomicBool::new(false),
        });
        shared.update_state(&lock(&shared.door));
        crate::driver::RELEASES.add(shared.ledger.bell());
        shared
    }

    /// A listener more; the result is its number.
    pub(super) fn join(&self) -> usize {
        self.listeners.fetch_add(1, Ordering::SeqCst);
        self.next.fetch_add(1, Ordering::SeqCst)
    }

    /// A listener is gone; with the last one nobody can come in.
    pub(super) fn leave(&self, number: usize) {
        self.caller.forget(number);
        if self.listeners.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.close();
        }
    }

    pub(super) fn has_listeners(&self) -> bool {
        self.listeners.load(Ordering::SeqCst) > 0
    }

    /// Nobody comes in any more; connections go on.
    pub(super) fn close(&self) {
        let mut door = lock(&self.door);
        if !std::mem::replace(&mut door.closed, true) {
            if door.acceptor.is_exhausted() {
                self.ledger.end_episode(now());
            }
            door.acceptor.stopped_listening();
        }
        self.update_state(&door);
        drop(door);
        self.tell_closed();
    }

    /// To whom it matters.
    pub(super) fn tell_closed(&self) {
        self.closed.send_replace(true);
        self.caller.warden.notify_one();
        self.caller.wake_accepting();
    }

    pub(super) fn add_queue(&self, descriptor: &Arc<OwnedFd>) {
        lock(&self.queues).push(Arc::downgrade(descriptor));
    }

    /// The queues of the kernel, as one.
    pub(super) fn kernel_queue(&self) -> Option<KernelQueue> {
        let mut all: Option<KernelQueue> = None;
        for queue in lock(&self.queues).iter().filter_map(Weak::upgrade) {
            let queue = kernel_queue_of(&*queue)?;
            all = Some(match all {
                Some(all) => {
                    KernelQueue { depth: all.depth + queue.depth, limit: all.limit + queue.limit, ..all }
                }
                None => queue,
            });
        }
        all.map(|queue| KernelQueue { overflows: queue_overflows(), ..queue })
    }

    /// To be called with everything that may have changed it.
    pub(super) fn update_state(&self, door: &Door) {
        let state = door.state();
        if self.desk.state() != state {
            self.desk.set_state(state);
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("queues", &self.queues).finish_non_exhaustive()
    }
}
