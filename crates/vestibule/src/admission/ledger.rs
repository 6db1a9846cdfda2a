use super::bell::{Bell, Bells};
use super::count::Count;
use super::phase::DrainPhase;
use super::refusal::RefusalReason;
use crate::sync::{AtomicU64, Mutex, Ordering, fence, lock};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// What a server counts, where other threads can see it.
///
/// The server's own thread writes the counts, in plain stores between two steps of a version: whoever reads the same even
/// version before and after has one consistent snapshot. No lock, and no atomic addition but for what other threads
/// change too: connections that end, and bytes.
#[derive(Debug)]
pub(crate) struct Ledger {
    version: AtomicU64,
    counts: [AtomicU64; Count::ALL],
    taken: AtomicU64,
    given_back: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
    began: Instant,
    bell: Arc<Bell>,
    phase: AtomicU64,
    /// The loops that have connections of the server.
    hosts: Bells,
    /// The peers that a drain has cut.
    cut_peers: Mutex<Vec<SocketAddr>>,
}

/// The counts while they are written.
pub(crate) struct Writing<'a>(&'a Ledger);

/// What a ledger says at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) counts: [u64; Count::ALL],
    pub(super) open: u64,
    pub(super) received: u64,
    pub(super) sent: u64,
}

impl Ledger {
    pub(crate) fn new(bell: Bell, began: Instant) -> Self {
        Self {
            version: AtomicU64::new(0),
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            taken: AtomicU64::new(0),
            given_back: AtomicU64::new(0),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            began,
            bell: Arc::new(bell),
            phase: AtomicU64::new(0),
            hosts: Bells::new(),
            cut_peers: Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }

    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// How many connections have a place, those that are just being accepted included.
    pub(crate) fn open(&self) -> usize {
        // What was given back is read first, so that it is never more than what was taken.
        let given_back = self.given_back.load(Ordering::SeqCst);
        let open = self.taken.load(Ordering::SeqCst).saturating_sub(given_back);
        usize::try_from(open).unwrap_or(usize::MAX)
    }

    /// On the server's own thread. Whoever sees the place given back, sees it taken: its connection came from here.
    pub(super) fn take(&self) {
        let taken = self.taken.load(Ordering::Relaxed);
        self.taken.store(taken + 1, Ordering::Release);
    }

    /// On the server's own thread: whoever was to have the place was not let in.
    pub(super) fn take_back(&self) {
        let taken = self.taken.load(Ordering::Relaxed);
        self.taken.store(taken.saturating_sub(1), Ordering::Release);
    }

    pub(super) fn give_back(&self) {
        self.given_back.fetch_add(1, Ordering::SeqCst);
        self.bell.ring();
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn phase(&self) -> DrainPhase {
        DrainPhase::of(self.phase_number())
    }

    /// Another number for each change of the phase.
    pub(crate) fn phase_number(&self) -> u64 {
        self.phase.load(Ordering::SeqCst)
    }

    /// Says what is to be done with the connections of the server, to all loops that have any.
    pub(crate) fn set_phase(&self, phase: DrainPhase) {
        self.phase.store(phase.after(self.phase_number()), Ordering::SeqCst);
        self.hosts.ring();
    }

    /// The loop of this bell has connections of the server.
    pub(crate) fn add_host(&self, bell: &Arc<Bell>) {
        self.hosts.add(bell);
        self.hosts.wait(bell);
    }

    /// The loop of this bell has seen the phase; it wants to hear of the next.
    pub(crate) fn await_phase(&self, bell: &Bell) {
        self.hosts.wait(bell);
    }

    /// A drain has cut the connection of this peer.
    pub(crate) fn cut(&self, peer: SocketAddr) {
        self.count(Count::Cut);
        lock(&self.cut_peers).push(peer);
    }

    pub(crate) fn take_cut_peers(&self) -> Vec<SocketAddr> {
        std::mem::take(&mut *lock(&self.cut_peers))
    }

    /// What a count is now.
    pub(crate) fn get(&self, count: Count) -> u64 {
        self.load(count as usize)
    }

    /// How many clients were refused, for whatever reason.
    pub(crate) fn refused(&self) -> u64 {
        (0..RefusalReason::ALL.len()).map(|reason| self.load(Count::Refused as usize + reason)).sum()
    }

    /// Counts one more of what sockets on other threads count too.
    pub(crate) fn count(&self, count: Count) {
        if let Some(count) = self.counts.get(count as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Changes counts, on the server's own thread.
    pub(crate) fn write(&self, change: impl FnOnce(&Writing<'_>)) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        change(&Writing(self));
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    /// What all counts were at one moment.
    pub(super) fn snapshot(&self) -> Snapshot {
        loop {
            let before = self.version.load(Ordering::Acquire);
            if before % 2 == 0 {
                let given_back = self.given_back.load(Ordering::SeqCst);
                let counts: [u64; Count::ALL] = std::array::from_fn(|at| self.load(at));
                let let_in = counts.get(Count::Accepted as usize).copied().unwrap_or_default();
                let snapshot = Snapshot {
                    counts,
                    open: let_in.saturating_sub(given_back),
                    received: self.received.load(Ordering::Relaxed),
                    sent: self.sent.load(Ordering::Relaxed),
                };
                fence(Ordering::Acquire);
                if self.version.load(Ordering::Relaxed) == before {
                    return snapshot;
                }
            }
            std::hint::spin_loop();
            #[cfg(vestibule_loom)]
            loom::thread::yield_now();
        }
    }

    fn load(&self, at: usize) -> u64 {
        self.counts.get(at).map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

impl Writing<'_> {
    pub(crate) fn get(&self, count: Count) -> u64 {
        self.0.load(count as usize)
    }

    pub(crate) fn set(&self, count: Count, value: u64) {
        self.set_at(count as usize, value);
    }

    pub(crate) fn add(&self, count: Count, number: u64) {
        self.set(count, self.get(count).wrapping_add(number));
    }

    /// One more, in a row of counts that begins there.
    pub(crate) fn add_in_row(&self, first: Count, at: usize) {
        let at = first as usize + at;
        self.set_at(at, self.0.load(at).wrapping_add(1));
    }

    fn set_at(&self, at: usize, value: u64) {
        if let Some(count) = self.0.counts.get(at) {
            count.store(value, Ordering::Relaxed);
        }
    }
}
