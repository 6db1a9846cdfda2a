use super::caller::Caller;
use super::door::Door;
use super::queues::Queues;
use super::roll::Roll;
use crate::admission::{Bell, Ledger, Limits};
use crate::driver::RELEASES;
use crate::server::Desk;
use crate::sync::{AtomicBool, AtomicUsize, Mutex, Ordering, lock};
use ::tokio::sync::watch;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

/// What a listener, its shards, its connections and its warden have in common.
pub(super) struct Shared {
    pub(super) door: Mutex<Door>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) desk: Arc<Desk>,
    pub(super) caller: Arc<Caller>,
    pub(super) roll: Roll,
    /// Rung when a descriptor is released; apart from the ledger's, which is rung when a place is.
    pub(super) released: Arc<Bell>,
    /// How far a drain has come, for whoever waits for that.
    pub(super) phase: watch::Sender<Phase>,
    /// Held while orders are taken and carried out: they are carried out one after the other, as they were given.
    pub(super) orders: Mutex<()>,
    /// Whether nobody comes in any more.
    pub(super) closed: watch::Sender<bool>,
    pub(super) queues: Queues,
    /// How many listeners there are, and what the next is called.
    listeners: AtomicUsize,
    next: AtomicUsize,
    /// Whether somebody carries orders out.
    pub(super) has_warden: AtomicBool,
    /// Whether somebody may ask for statistics.
    pub(super) is_watched: AtomicBool,
}

/// How far a drain has come. A listener drains once, so this never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// Everything is to end until then.
    Draining(Instant),
    /// It is over, by force.
    Cut,
}

impl Phase {
    /// Has a drain under way end until then. What was cut stays cut, and is counted once.
    pub(super) fn bring_forward(&mut self, deadline: Instant) -> bool {
        let goes_on = *self != Self::Cut;
        if goes_on {
            *self = Self::Draining(deadline);
        }
        goes_on
    }
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
        let released = Arc::new(Bell::new(waker.clone()));
        RELEASES.add(&released);
        let desk = Desk::without_home(waker);
        let shared = Arc::new(Self {
            door: Mutex::new(Door::new(&ledger, limits, now)),
            ledger,
            desk: Arc::new(desk),
            caller,
            roll: Roll::default(),
            released,
            phase: watch::Sender::new(Phase::Open),
            orders: Mutex::default(),
            closed: watch::Sender::new(false),
            queues: Queues::default(),
            listeners: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            has_warden: AtomicBool::new(false),
            is_watched: AtomicBool::new(false),
        });
        {
            let mut door = lock(&shared.door);
            door.fill_reserve();
            shared.update_state(&mut door);
        }
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
            if !self.has_warden.load(Ordering::SeqCst) {
                self.give_up();
            }
        } else {
            self.caller.wake_accepting(); // who was in its queue is nobody to wait for
        }
    }

    /// Nobody is left who could carry orders out: those who wait are told, and what drains is cut now.
    pub(super) fn give_up(&self) {
        let drain = {
            let mut door = lock(&self.door);
            let drain = door.drain.take();
            self.update_state(&mut door);
            if drain.is_some() {
                self.phase.send_replace(Phase::Cut);
            }
            drain
        };
        if drain.is_some() {
            self.roll.cut(&self.ledger);
        }
        drop(drain);
        self.desk.close();
    }

    pub(super) fn has_listeners(&self) -> bool {
        self.listeners.load(Ordering::SeqCst) > 0
    }

    /// Nobody comes in any more; connections go on.
    pub(super) fn close(&self) {
        let mut door = lock(&self.door);
        self.shut(&mut door);
        drop(door);
        self.end_queues();
    }

    /// What follows when the door was closed.
    pub(super) fn end_queues(&self) {
        self.queues.end();
        self.tell_closed();
    }

    /// The door is closed for good.
    pub(super) fn shut(&self, door: &mut Door) {
        if !std::mem::replace(&mut door.closed, true) {
            if door.acceptor.is_exhausted() {
                self.ledger.end_episode(now());
            }
            door.acceptor.stopped_listening();
            door.reserve = None;
        }
        self.update_state(door);
    }

    /// To whom it matters.
    pub(super) fn tell_closed(&self) {
        self.closed.send_replace(true);
        self.caller.warden.notify_one();
        self.caller.wake_accepting();
    }

    /// To be called with everything that may have changed it.
    pub(super) fn update_state(&self, door: &mut Door) {
        let state = door.state();
        if std::mem::replace(&mut door.told, state) != state {
            self.desk.set_state(state);
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("queues", &self.queues).finish_non_exhaustive()
    }
}
