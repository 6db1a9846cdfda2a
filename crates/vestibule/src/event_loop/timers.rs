use super::deadlines::{DeadlineKey, Deadlines};
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
    key: DeadlineKey,
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
        self.add(now + interval, Kind::Every(interval, call))
    }

    fn add(&self, at: Instant, kind: Kind) -> TimerId {
        let id = TimerId(self.last.get() + 1);
        self.last.set(id.0);
        let key = self.deadlines.borrow_mut().insert(at, id);
        self.by_id.borrow_mut().insert(id, Timer { key, kind });
        id
    }

    pub(super) fn kill(&self, id: TimerId) -> bool {
        let removed = self.by_id.borrow_mut().remove(&id);
        if let Some(timer) = &removed {
            self.deadlines.borrow_mut().remove(timer.key);
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

    /// Runs those that are due now, each once, however late they are and whatever they add.
    pub(super) fn run_due(&self, event_loop: &EventLoop) {
        if self.next().is_none() {
            return;
        }
        let now = event_loop.now();
        let due: Vec<TimerId> = {
            let mut deadlines = self.deadlines.borrow_mut();
            std::iter::from_fn(|| deadlines.pop_due(now)).collect()
        };
        let mut due = Due { timers: self, now, ids: due.into_iter() };
        for id in due.ids.by_ref() {
            self.run(id, now, event_loop);
        }
    }

    fn run(&self, id: TimerId, now: Instant, event_loop: &EventLoop) {
        let timer = self.by_id.borrow_mut().remove(&id);
        match timer.map(|timer| timer.kind) {
            Some(Kind::Once(call)) => call(event_loop),
            Some(Kind::Every(interval, call)) => {
                let key = self.deadlines.borrow_mut().insert(now + interval, id);
                let kind = Kind::Every(interval, Rc::clone(&call));
                self.by_id.borrow_mut().insert(id, Timer { key, kind });
                call(event_loop);
            }
            None => {} // killed by one that ran before
        }
    }
}

/// Timers that are due and have not run; a panic in one puts the others back.
struct Due<'a> {
    timers: &'a Timers,
    now: Instant,
    ids: std::vec::IntoIter<TimerId>,
}

impl Drop for Due<'_> {
    fn drop(&mut self) {
        for id in self.ids.by_ref() {
            if let Some(timer) = self.timers.by_id.borrow_mut().get_mut(&id) {
                timer.key = self.timers.deadlines.borrow_mut().insert(self.now, id);
            }
        }
    }
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers").field("next", &self.next()).finish_non_exhaustive()
    }
}
