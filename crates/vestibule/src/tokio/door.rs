use super::attempt::Attempt;
use crate::acceptor::{AcceptErrorClass, AcceptVerdict, Acceptor, Chance, Course, Moment, Seldom};
use crate::admission::{Admission, Ledger, Limits, Rate};
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
    /// How many listeners accept at this moment, which they do without the lock.
    attempts: usize,
    /// The numbers of those that have to look again when one of these attempts is over.
    passed_over: Vec<usize>,
}

/// A drain under way.
pub(super) struct Drain {
    pub(super) account: DrainAccount,
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
            attempts: 0,
            passed_over: Vec::new(),
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
        moment.refuses &= self.attempts == 0;
        self.acceptor.course(&moment)
    }

    /// Another listener tries: this one looks again when that is over.
    pub(super) fn passes_over(&mut self, listener: usize) {
        if self.attempts > 0 && !self.passed_over.contains(&listener) {
            self.passed_over.push(listener);
        }
    }

    /// Begins to accept a client, to be let in or refused: its place and its part of the rate are taken first. During a drain, which
    /// counts the clients, one listener tries at a time.
    pub(super) fn begin(&mut self, course: Course, now: impl Fn() -> Instant) -> Option<Attempt> {
        if self.drain.is_some() && self.attempts > 0 {
            return None;
        }
        let mut rate = None;
        let place = match course {
            Course::Accept(_) => Ok(self.admission.take(&now).ok()?),
            Course::Refuse(reason, _) => Err(reason),
            Course::Stop(_) => return None,
        };
        if let (Ok(_), Some(limit)) = (&place, self.admission.limits().rate) {
            self.acceptor.spend_rate(limit, now());
            rate = Some(limit);
        }
        self.attempts += 1;
        Some(Attempt { place, rate, draining: self.drain.is_some() })
    }

    /// An attempt is over; tells who has to look again.
    pub(super) fn end_attempt(&mut self) -> Vec<usize> {
        self.attempts = self.attempts.saturating_sub(1);
        std::mem::take(&mut self.passed_over)
    }

    pub(super) fn has_attempts(&self) -> bool {
        self.attempts > 0
    }

    /// Nobody was accepted.
    pub(super) fn take_back(&mut self, attempt: Attempt) {
        self.take_back_rate(attempt.rate);
        drop(attempt.place);
    }

    /// Nobody was let in, of this rate, if it is the same still.
    pub(super) fn take_back_rate(&mut self, rate: Option<Rate>) {
        if let Some(rate) = rate.filter(|rate| self.admission.limits().rate == Some(*rate)) {
            self.acceptor.take_back_rate(rate);
        }
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
        let wanted = !self.closed && self.admission.limits().reserve;
        self.reserve = wanted.then(reserve_descriptor).flatten();
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
