use super::bell::{Bell, Bells};
use crate::sync::{AtomicUsize, Ordering};
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
    open: AtomicUsize,
    waiting: Bells,
}

impl SharedLimit {
    /// At most so many connections are open at once.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Inner {
            limit: AtomicUsize::new(limit),
            open: AtomicUsize::new(0),
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
        self.0.open.load(Ordering::SeqCst)
    }

    pub(super) fn free(&self) -> usize {
        self.limit().saturating_sub(self.open())
    }

    /// Takes a place, if one is free.
    pub(super) fn take(&self) -> bool {
        let limit = self.limit();
        let take = |open: usize| (open < limit).then_some(open + 1);
        self.0.open.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok()
    }

    pub(super) fn give_back(&self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
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
