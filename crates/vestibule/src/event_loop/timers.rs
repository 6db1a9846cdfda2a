use super::deadlines::{DeadlineKey, Deadlines, later};
use super::event_loop_type::EventLoop;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Names a timer of a loop, for [`EventLoop::kill_timer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId(u64);

/// The timers of a loop; they cost nothing while there are none.
#[derive(Default)]
pub(crate) struct Timers {
    deadlines: RefCell<Deadlines<TimerId>>,
    by_id: RefCell<HashMap<TimerId, Timer>>,
    last: Cell<u64>,
}

struct Timer {
    /// None while its slot runs.
    key: Option<DeadlineKey>,
    kind: Kind,
}

enum Kind {
    Once(Box<dyn FnOnce(&EventLoop)>),
    Every(Duration, Rc<dyn Fn(&EventLoop)>),
}

impl Timers {
    pub(super) fn once(&self, at: Instant, call: Box<dyn FnOnce(&EventLoop)>) -> TimerId {
        self.add(at, Kind::Once(call))
    }

    pub(super) fn every(&self, now: Instant, interval: Duration, call: Rc<dyn Fn(&EventLoop)>) -> TimerId {
        self.add(later(now, interval), Kind::Every(interval, call))
    }

    fn add(&self, at: Instant, kind: Kind) -> TimerId {
        let id = TimerId(self.last.get() + 1);
        self.last.set(id.0);
        let key = Some(self.deadlines.borrow_mut().insert(at, id));
        self.by_id.borrow_mut().insert(id, Timer { key, kind });
        id
    }

    pub(super) fn kill(&self, id: TimerId) -> bool {
        let removed = self.by_id.borrow_mut().remove(&id);
        if let Some(key) = removed.as_ref().and_then(|timer| timer.key) {
            self.deadlines.borrow_mut().remove(key);
        }
        removed.is_some()
    }

    pub(super) fn kill_all(&self) {
        let (timers, deadlines) = (self.by_id.take(), self.deadlines.take());
        drop((timers, deadlines));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.deadlines.borrow().next()
    }

    /// Runs those that are due now, each once, however late they are and whatever they add. A timer is not run inside
    /// itself; a nested turn runs the others.
    pub(super) fn run_due(&self, event_loop: &EventLoop) {
        if self.next().is_none() {
            return;
        }
        let (now, newest) = (event_loop.now(), self.deadlines.borrow().newest());
        loop {
            let due = self.deadlines.borrow_mut().pop_due_of(now, newest);
            let Some(id) = due else { return };
            self.run(id, now, event_loop);
        }
    }

    fn run(&self, id: TimerId, now: Instant, event_loop: &EventLoop) {
        let mut by_id = self.by_id.borrow_mut();
        let repeating = match by_id.get_mut(&id) {
            Some(Timer { key, kind: Kind::Every(interval, call) }) => {
                *key = None;
                Some((later(now, *interval), Rc::clone(call)))
            }
            _ => None,
        };
        let once = if repeating.is_none() { by_id.remove(&id) } else { None };
        drop(by_id);
        if let Some((next, call)) = repeating {
            let _running = Running { timers: self, id, next };
            event_loop.core().call(None, || call(event_loop));
        } else if let Some(Timer { kind: Kind::Once(call), .. }) = once {
            event_loop.core().call(None, || call(event_loop));
        }
    }
}

/// A repeating timer whose slot runs; it is due again afterwards, also after a panic, unless it was killed.
struct Running<'a> {
    timers: &'a Timers,
    id: TimerId,
    next: Instant,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(timer) = self.timers.by_id.borrow_mut().get_mut(&self.id) {
            timer.key = Some(self.timers.deadlines.borrow_mut().insert(self.next, self.id));
        }
    }
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers").field("next", &self.next()).finish_non_exhaustive()
    }
}
