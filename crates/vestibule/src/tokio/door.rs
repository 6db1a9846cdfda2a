use super::attempt::{Attempt, Attempts};
use super::shared::now;
use crate::acceptor::{AcceptErrorClass, AcceptVerdict, Acceptor, Chance, Course, Moment, Seldom};
use crate::admission::{Admission, Ledger, Limits};
use crate::driver::reserve_descriptor;
use crate::server::{DrainAccount, DrainReport, Reply, ServerState};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

/// What decides who comes in: all that a server has for that but its sockets. Behind a lock, because shards share it.
pub(super) struct Door {
    pub(super) acceptor: Acceptor,
    pub(super) admission: Admission,
    pub(super) drain: Option<Drain>,
    /// Nobody comes in any more.
    pub(super) closed: bool,
    pub(super) seldom: Seldom,
    /// Kept for when there is none left.
    pub(super) reserve: Option<OwnedFd>,
    /// What was told of it last.
    pub(super) told: ServerState,
    /// Each look is a turn of its own: how many clients a poll may take is the poll's own affair.
    turn: u64,
    pub(super) attempts: Attempts,
}

/// A drain under way.
pub(super) struct Drain {
    pub(super) account: DrainAccount,
    /// Until when those who wait in the queue are let in: who came later would hardly have time.
    pub(super) closing: Instant,
    pub(super) deadline: Instant,
    pub(super) replies: Vec<Reply<DrainReport>>,
}

impl Door {
    pub(super) fn new(ledger: &Arc<Ledger>, limits: Limits, now: Instant) -> Self {
        let chance = Chance::new(RandomState::new().hash_one(0_u8));
        let mut door = Self {
            acceptor: Acceptor::new(chance),
            admission: Admission::new(Arc::clone(ledger)),
            drain: None,
            closed: false,
            seldom: Seldom::default(),
            reserve: None,
            told: ServerState::default(),
            turn: 0,
            attempts: Attempts::default(),
        };
        door.admission.set_limits(limits, now);
        door.acceptor.started_listening();
        door
    }

    pub(super) fn begin_turn(&mut self) {
        self.turn += 1;
    }

    pub(super) fn course(&self, now: impl FnOnce() -> Instant) -> Course {
        let mut moment = Moment::of(&self.admission, self.turn, now);
        // A place, or a part of the rate, that another listener only tries is no reason to refuse anybody.
        moment.refuses &= self.attempts.under_way() == 0;
        self.acceptor.course(&moment)
    }

    /// Begins to accept a client, to be let in or refused: its place is taken first. None when another listener tries, and has to
    /// be waited for: in a drain, which counts the clients, and when the rate might be used up by what is tried.
    pub(super) fn begin(&mut self, course: Course) -> Option<Attempt> {
        let (tried, draining) = (self.attempts.under_way(), self.drain.is_some());
        let is_rated = self.admission.limits().rate.is_some();
        if tried > 0 && (draining || is_rated && course.credit() as usize <= tried) {
            return None;
        }
        let place = match course {
            Course::Accept(_) => Ok(self.admission.take(now).ok()?),
            Course::Refuse(reason, _) => Err(reason),
            Course::Stop(_) => return None,
        };
        Some(self.attempts.begin(place, draining))
    }

    /// A client was accepted, whatever becomes of it; true if that ends an episode of lacking resources.
    pub(super) fn accepted(&mut self) -> bool {
        self.acceptor.accepted(self.turn)
    }

    pub(super) fn accept_failed(&mut self, class: AcceptErrorClass, now: Instant) -> AcceptVerdict {
        self.acceptor.accept_failed(class, self.turn, now)
    }

    pub(super) fn set_limits(&mut self, limits: Limits, now: Instant) {
        let from = self.admission.limits().rate;
        self.acceptor.change_rate(from, limits.rate, now);
        self.admission.set_limits(limits, now);
        self.fill_reserve();
    }

    /// Takes a descriptor into reserve, if one is to be kept and can be had.
    pub(super) fn fill_reserve(&mut self) {
        if self.closed || !self.admission.limits().reserve {
            self.reserve = None;
        } else if self.reserve.is_none() {
            self.reserve = reserve_descriptor();
        }
    }

    pub(super) fn state(&self) -> ServerState {
        if self.drain.is_some() {
            ServerState::Draining
        } else if self.closed {
            ServerState::Closed
        } else if self.acceptor.is_paused() {
            ServerState::Paused
        } else if self.acceptor.is_exhausted() {
            ServerState::Exhausted
        } else {
            ServerState::Listening
        }
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("acceptor", &self.acceptor).finish_non_exhaustive()
    }
}
