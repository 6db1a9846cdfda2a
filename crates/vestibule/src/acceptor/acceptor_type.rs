use super::accept_error::AcceptErrorClass;
use super::backoff::Backoff;
use super::batch::Batch;
use super::chance::Chance;
use super::course::{Course, Until};
use super::leftover::Leftover;
use super::moment::Moment;
use super::verdict::AcceptVerdict;
use crate::admission::{Pace, Rate, RefusalReason};
use std::time::Instant;

/// Of how many clients one is asked how long it has waited in the kernel's queue.
const SAMPLED: u64 = 64;

/// Decides for one server how many connections may be accepted now, and what a failed accept means.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listening: bool,
    paused: bool,
    /// What happens to clients in the queue of a server that is draining, and to how many; those who come later are too late.
    draining: Option<(Leftover, u64)>,
    limit: usize,
    pending: usize,
    batch: Batch,
    supply: Supply,
    pace: Pace,
    accepted: u64,
    let_in: u64,
    chance: Chance,
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

impl Acceptor {
    /// The reference's limit of connections that are accepted and not yet taken.
    pub(crate) const DEFAULT_LIMIT: usize = 30;

    pub(crate) const fn new(chance: Chance) -> Self {
        Self {
            listening: false,
            paused: false,
            draining: None,
            limit: Self::DEFAULT_LIMIT,
            pending: 0,
            batch: Batch::NONE,
            supply: Supply::Enough,
            pace: Pace::FREE,
            accepted: 0,
            let_in: 0,
            chance,
        }
    }

    /// What to do now.
    pub(crate) fn course(&self, moment: &Moment) -> Course {
        let batch = self.batch.left(moment.turn);
        if !self.listening || self.paused {
            return Course::Stop(Until::Told);
        }
        if let Supply::Waiting(backoff) = self.supply {
            return Course::Stop(Until::Time(Some(backoff.until())));
        }
        if moment.held.is_some() && self.draining.is_none() {
            return Course::Stop(Until::Time(moment.held));
        }
        let batch = match self.draining {
            Some((_, 0)) => return Course::Stop(Until::Told),
            Some((_, left)) => batch.min(u32::try_from(left).unwrap_or(u32::MAX)),
            None => batch,
        };
        if matches!(self.draining, Some((Leftover::Refuse, _))) {
            return in_batch(Course::Refuse(RefusalReason::Draining, batch));
        }
        let pending = self.limit.saturating_sub(self.pending);
        match self.room(moment) {
            Err((reason, _)) if moment.refuses => in_batch(Course::Refuse(reason, batch)),
            _ if pending == 0 => Course::Stop(Until::Told),
            Ok(room) => {
                let room = u32::try_from(room.min(pending)).unwrap_or(u32::MAX);
                in_batch(Course::Accept(room.min(batch)))
            }
            Err((_, until)) => Course::Stop(until),
        }
    }

    /// How many more the limits of open connections and the rate let in; else which of them does not, and for how long.
    fn room(&self, moment: &Moment) -> Result<usize, (RefusalReason, Until)> {
        let free = moment.free.map_err(|reason| (reason, Until::APlaceIsFree))?;
        let Some((rate, now)) = moment.rate else { return Ok(free) };
        match self.pace.available(rate, now) {
            0 => {
                let at = self.pace.wait(rate, now).and_then(|wait| now.checked_add(wait));
                Err((RefusalReason::TooFast, Until::Time(at)))
            }
            number => Ok(free.min(number as usize)),
        }
    }

    pub(crate) fn started_listening(&mut self) {
        self.listening = true;
        self.supply = Supply::Enough;
        self.draining = None;
    }

    /// Forgets any lack of resources, but neither what is pending nor a pause.
    pub(crate) fn stopped_listening(&mut self) {
        self.listening = false;
        self.supply = Supply::Enough;
        self.draining = None;
    }

    pub(crate) fn is_listening(&self) -> bool {
        self.listening
    }

    /// Only so many clients, who are in the queue, are still accepted, or refused; a pause ends.
    pub(crate) fn drain(&mut self, leftover: Leftover, number: u64) {
        self.draining = Some((leftover, number));
        self.paused = false;
    }

    /// Nobody is left whom a drain would let in or refuse.
    #[cfg(feature = "tokio")]
    pub(crate) fn queue_is_empty(&mut self) {
        if let Some((_, left)) = &mut self.draining {
            *left = 0;
        }
    }

    pub(crate) fn end_drain(&mut self) {
        self.draining = None;
    }

    /// Whether a draining server is done with its queue.
    pub(crate) fn has_drained_queue(&self) -> bool {
        matches!(self.draining, Some((_, 0)))
    }

    pub(crate) fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether resources are lacking.
    pub(crate) fn is_exhausted(&self) -> bool {
        !matches!(self.supply, Supply::Enough)
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

    /// A client was accepted, which also ends an episode of lacking resources; true if there was one.
    pub(crate) fn accepted(&mut self, turn: u64) -> bool {
        self.batch.spend(turn);
        self.accepted += 1;
        if let Some((_, left)) = &mut self.draining {
            *left = left.saturating_sub(1);
        }
        let exhausted = self.is_exhausted();
        self.supply = Supply::Enough;
        exhausted
    }

    /// The client that was accepted is let in.
    pub(crate) fn let_in(&mut self, rate: Option<Rate>, now: Instant) {
        self.let_in += 1;
        if let Some(rate) = rate {
            self.pace.spend(rate, now);
        }
    }

    /// Another rate from now on.
    pub(crate) fn change_rate(&mut self, from: Option<Rate>, to: Option<Rate>, now: Instant) {
        match (from, to) {
            (Some(from), Some(to)) if from != to => self.pace.convert(from, to, now),
            (Some(_), Some(_)) => {}
            _ => self.pace = Pace::FREE,
        }
    }

    /// The rate is counted together with other servers', who have used so much of it.
    pub(crate) fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
    }

    /// How many were ever let in.
    pub(crate) fn let_in_all(&self) -> u64 {
        self.let_in
    }

    /// How many clients were ever accepted.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn accepted_in_all(&self) -> u64 {
        self.accepted
    }

    /// Whether the client that was accepted last is one of those that are asked how long they have waited in the queue.
    pub(crate) fn samples_arrival(&self) -> bool {
        self.accepted % SAMPLED == 1
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
                    Supply::Trying(backoff) => Some(backoff),
                    // Somebody else had begun to accept before the failure that is waited out: it is the same.
                    Supply::Waiting(_) => return AcceptVerdict::BackOff { tell: false },
                };
                let chance = self.chance.byte();
                let backoff = earlier.map_or_else(|| Backoff::begin(now, chance), |it| it.again(now, chance));
                self.supply = Supply::Waiting(backoff);
                AcceptVerdict::BackOff { tell: earlier.is_none() }
            }
            AcceptErrorClass::Broken => AcceptVerdict::StopListening,
        }
    }

    /// Whether accepting waits for resources until then.
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

/// A course, unless the turn's batch is used up.
fn in_batch(course: Course) -> Course {
    if course.credit() == 0 { Course::Stop(Until::NextTurn) } else { course }
}
