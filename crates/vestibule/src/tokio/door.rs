use crate::acceptor::{AcceptErrorClass, AcceptVerdict, Acceptor, Chance, Course, Moment, Seldom};
use crate::admission::{Admission, Ledger, Limits};
use crate::server::{DrainAccount, DrainReport, Reply, ServerState};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
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
    /// Each poll is a turn of its own.
    turn: u64,
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
            turn: 0,
        };
        door.admission.set_limits(limits, now);
        door.acceptor.started_listening();
        door
    }

    /// A new batch.
    pub(super) fn begin_turn(&mut self) {
        self.turn += 1;
    }

    pub(super) fn course(&self, now: impl FnOnce() -> Instant) -> Course {
        let limits = self.admission.limits();
        let free = self.admission.free();
        let moment = Moment {
            turn: self.turn,
            free: free.map_err(|full| full.reason),
            rate: limits.rate.map(|rate| (rate, now())),
            held: None,
            refuses: limits.refuses() && free.err().is_none_or(|full| full.sure),
        };
        self.acceptor.course(&moment)
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
