use super::accept_error::AcceptErrorClass;
use super::backoff::Backoff;
use super::batch::Batch;
use std::time::Instant;

/// Decides for one server how many connections may be accepted now, and what a failed accept means.
///
/// `turn` is the number of a turn of the event loop, or of a wait: each has a batch of its own.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listening: bool,
    paused: bool,
    limit: usize,
    pending: usize,
    batch: Batch,
    supply: Supply,
    accepted: u64,
}

/// Whether the system has descriptors and memory for another connection.
#[derive(Clone, Copy, Debug)]
enum Supply {
    Enough,
    /// The last accept failed: none is tried before the back-off has passed.
    Waiting(Backoff),
    /// The back-off has passed, or a descriptor was released: the next accept will tell.
    Trying(Backoff),
}

/// What to do after an accept failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcceptVerdict {
    /// Go on with the next connection; nobody is told.
    Continue,
    /// Stop until the back-off has passed or a descriptor is released; tell it once an episode.
    BackOff {
        /// Whether this is the episode's first failure.
        tell: bool,
    },
    /// Tell it, and stop listening.
    StopListening,
}

impl Acceptor {
    /// The reference's limit of connections that are accepted and not yet taken.
    pub(crate) const DEFAULT_LIMIT: usize = 30;

    pub(crate) const fn new() -> Self {
        Self {
            listening: false,
            paused: false,
            limit: Self::DEFAULT_LIMIT,
            pending: 0,
            batch: Batch::NONE,
            supply: Supply::Enough,
            accepted: 0,
        }
    }

    /// How many connections may be accepted now, in this turn.
    pub(crate) fn credit(&self, turn: u64) -> u32 {
        self.places().min(self.batch.left(turn))
    }

    /// Whether a later turn may accept though this one's batch is used up.
    pub(crate) fn waits_for_next_turn(&self, turn: u64) -> bool {
        self.places() > 0 && self.batch.left(turn) == 0
    }

    fn places(&self) -> u32 {
        if !self.listening || self.paused || matches!(self.supply, Supply::Waiting(_)) {
            return 0;
        }
        u32::try_from(self.limit.saturating_sub(self.pending)).unwrap_or(u32::MAX)
    }

    pub(crate) fn started_listening(&mut self) {
        self.listening = true;
        self.supply = Supply::Enough;
    }

    /// Forgets any lack of resources, but neither what is pending nor a pause.
    pub(crate) fn stopped_listening(&mut self) {
        self.listening = false;
        self.supply = Supply::Enough;
    }

    pub(crate) fn is_listening(&self) -> bool {
        self.listening
    }

    pub(crate) fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Something was appended to the pending list, by an accept or by hand.
    pub(crate) fn appended(&mut self) {
        self.pending += 1;
    }

    /// So many were taken from the pending list.
    pub(crate) fn taken(&mut self, number: usize) {
        debug_assert!(number <= self.pending, "more taken than were pending");
        self.pending = self.pending.saturating_sub(number);
    }

    /// A connection was accepted, which also ends an episode of lacking resources.
    pub(crate) fn accepted(&mut self, turn: u64) {
        self.batch.spend(turn);
        self.supply = Supply::Enough;
        self.accepted += 1;
    }

    /// How many connections were ever accepted.
    pub(crate) fn accepted_in_all(&self) -> u64 {
        self.accepted
    }

    pub(crate) fn accept_failed(
        &mut self,
        class: AcceptErrorClass,
        turn: u64,
        now: Instant,
    ) -> AcceptVerdict {
        self.batch.spend(turn); // a flood of failures is a batch like any other
        match class {
            AcceptErrorClass::Nothing | AcceptErrorClass::Connection => AcceptVerdict::Continue,
            AcceptErrorClass::Resources | AcceptErrorClass::Unknown => {
                let earlier = match self.supply {
                    Supply::Enough => None,
                    Supply::Waiting(backoff) | Supply::Trying(backoff) => Some(backoff),
                };
                self.supply =
                    Supply::Waiting(earlier.map_or_else(|| Backoff::begin(now), |it| it.again(now)));
                AcceptVerdict::BackOff { tell: earlier.is_none() }
            }
            AcceptErrorClass::Broken => AcceptVerdict::StopListening,
        }
    }

    /// When accepting is to be tried again, while resources are lacking.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        match self.supply {
            Supply::Waiting(backoff) => Some(backoff.until()),
            Supply::Enough | Supply::Trying(_) => None,
        }
    }

    /// The back-off has passed, or a descriptor was released: accepting may be tried again.
    pub(crate) fn retry(&mut self) {
        if let Supply::Waiting(backoff) = self.supply {
            self.supply = Supply::Trying(backoff);
        }
    }
}
