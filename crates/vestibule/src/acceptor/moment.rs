use crate::admission::{Admission, Rate, RefusalReason};
use std::time::Instant;

/// What the acceptor is told of the moment for which it decides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// The number of a turn of the event loop, or of a wait: each has a batch of its own.
    pub(crate) turn: u64,
    /// How many places are free under the limits of open connections, or which limit is reached.
    pub(crate) free: Result<usize, RefusalReason>,
    /// The rate, and the time that it is now.
    pub(crate) rate: Option<(Rate, Instant)>,
    /// Until when the clients are left to other workers on the same queue.
    pub(crate) held: Option<Instant>,
    /// Whether clients over a limit for all are refused instead of left in the queue.
    pub(crate) refuses: bool,
}

impl Moment {
    /// What the limits say now. The time is asked for only where there is a rate.
    pub(crate) fn of(admission: &Admission, turn: u64, now: impl FnOnce() -> Instant) -> Self {
        let (limits, free) = (admission.limits(), admission.free());
        Self {
            turn,
            free: free.map_err(|full| full.reason),
            rate: limits.rate.map(|rate| (rate, now())),
            held: None,
            refuses: limits.refuses() && free.err().is_none_or(|full| full.sure),
        }
    }
}
