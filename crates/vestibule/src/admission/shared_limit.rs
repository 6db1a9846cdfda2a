use super::bell::{Bell, Bells};
use crate::sync::{AtomicU64, AtomicUsize, Ordering};
use std::sync::Arc;

/// A limit of open connections that several servers of the process share, on whatever threads they are.
///
/// It is cheap to clone, and clones are the same limit. Each server is told of it by [`Limits::shared`](crate::Limits::shared).
///
/// ```
/// use vestibule::{EventLoop, Limits, SharedLimit, TcpServer};
///
/// let event_loop = EventLoop::new()?;
/// let (http, admin) = (TcpServer::new(&event_loop), TcpServer::new(&event_loop));
/// let limit = SharedLimit::new(1_000);
/// http.set_limits(Limits::new().shared(&limit));
/// admin.set_limits(Limits::new().shared(&limit));
/// assert_eq!(limit.open(), 0);
/// # Ok::<(), vestibule::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SharedLimit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: AtomicUsize,
    /// How many places are taken; in the upper half how many of them for connections that are not let in yet.
    taken: AtomicU64,
    waiting: Bells,
}

/// One place that is only reserved, in the upper half.
const RESERVED: u64 = 1 << 32;

fn halves(taken: u64) -> (usize, usize) {
    let half = |number: u64| usize::try_from(number & (RESERVED - 1)).unwrap_or(usize::MAX);
    (half(taken), half(taken >> 32))
}

impl SharedLimit {
    /// At most so many connections are open at once.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Inner {
            limit: AtomicUsize::new(limit),
            taken: AtomicU64::new(0),
            waiting: Bells::new(),
        }))
    }

    /// How many connections may be open at once.
    pub fn limit(&self) -> usize {
        self.0.limit.load(Ordering::SeqCst)
    }

    /// Changes the limit; places that are new are given away at once. Lowering it under what is open ends nothing.
    pub fn set_limit(&self, limit: usize) {
        self.0.limit.store(limit, Ordering::SeqCst);
        self.0.waiting.ring();
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        let (taken, reserved) = halves(self.0.taken.load(Ordering::SeqCst));
        taken.saturating_sub(reserved)
    }

    /// How many places are free; else whether they are taken by connections that are let in, all of them.
    pub(super) fn free(&self) -> Result<usize, bool> {
        let ((taken, reserved), limit) = (halves(self.0.taken.load(Ordering::SeqCst)), self.limit());
        match limit.saturating_sub(taken) {
            0 => Err(taken.saturating_sub(reserved) >= limit),
            free => Ok(free),
        }
    }

    /// Reserves a place, if one is free.
    pub(super) fn reserve(&self) -> bool {
        let limit = self.limit();
        let take = |taken: u64| (halves(taken).0 < limit).then_some(taken + 1 + RESERVED);
        self.0.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok()
    }

    /// The reserved place has its connection; tells how many are open now.
    pub(super) fn use_reserved(&self) -> usize {
        let (taken, reserved) = halves(self.0.taken.fetch_sub(RESERVED, Ordering::SeqCst) - RESERVED);
        taken.saturating_sub(reserved)
    }

    /// Nobody came for the reserved place.
    pub(super) fn give_back_reserved(&self) {
        self.0.taken.fetch_sub(RESERVED + 1, Ordering::SeqCst);
        self.0.waiting.ring();
    }

    pub(super) fn give_back(&self) {
        self.0.taken.fetch_sub(1, Ordering::SeqCst);
        self.0.waiting.ring();
    }

    pub(super) fn add(&self, bell: &Arc<Bell>) {
        self.0.waiting.add(bell);
    }

    pub(super) fn wait(&self, bell: &Bell) {
        self.0.waiting.wait(bell);
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
