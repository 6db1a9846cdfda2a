use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many bytes are under way in one direction before the sender must wait.
pub(super) const WINDOW: usize = 64 << 10;

/// The network, shared by everything that stands on it.
pub(super) type Shared = Arc<Mutex<State>>;

#[derive(Debug)]
pub(super) struct State {
    pub(super) started: Instant,
    pub(super) elapsed: Duration,
    pub(super) listeners: BTreeMap<u16, Listening>,
    pub(super) pipes: BTreeMap<u64, Pipe>,
    pub(super) next_pipe: u64,
    pub(super) next_port: u16,
    random: u64,
}

/// A listening port and the clients in its queue.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) queue: VecDeque<u64>,
    pub(super) backlog: usize,
}

/// Both directions of one connection.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "two sides, each of which ends and leaves by itself")]
pub(super) struct Pipe {
    pub(super) to_server: VecDeque<u8>,
    pub(super) to_client: VecDeque<u8>,
    pub(super) client_ended: bool,
    pub(super) server_ended: bool,
    pub(super) client_gone: bool,
    pub(super) server_gone: bool,
    pub(super) reset: bool,
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            started: Instant::now(),
            elapsed: Duration::ZERO,
            listeners: BTreeMap::new(),
            pipes: BTreeMap::new(),
            next_pipe: 0,
            next_port: 49152,
            random: seed,
        }
    }

    /// A number below `limit`, the same for the same seed and history (`SplitMix64`).
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        if limit == 0 { 0 } else { usize::try_from(mixed % limit as u64).unwrap_or(0) }
    }

    /// How many of `length` bytes go at once: all of them, or by chance fewer.
    pub(super) fn portion(&mut self, length: usize) -> usize {
        if length > 1 && self.below(4) == 0 { 1 + self.below(length - 1) } else { length }
    }

    pub(super) fn free_port(&mut self) -> u16 {
        loop {
            let port = self.next_port;
            self.next_port = self.next_port.checked_add(1).unwrap_or(49152);
            if !self.listeners.contains_key(&port) {
                return port;
            }
        }
    }

    /// Time passes; more than the clock can count is as much as it can.
    pub(super) fn pass(&mut self, time: Duration) {
        let elapsed = self.elapsed.saturating_add(time);
        if self.started.checked_add(elapsed).is_some() {
            self.elapsed = elapsed;
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.started + self.elapsed
    }

    /// Forgets a connection that both sides have left.
    pub(super) fn sweep(&mut self, id: u64) {
        if self.pipes.get(&id).is_some_and(|pipe| pipe.client_gone && pipe.server_gone) {
            self.pipes.remove(&id);
        }
    }
}

impl Pipe {
    /// The server's side closes: unread bytes turn that into a reset, which destroys what is under way.
    pub(super) fn server_leaves(&mut self) {
        self.server_gone = true;
        if self.to_server.is_empty() {
            self.server_ended = true;
        } else {
            self.reset = true;
            self.to_client.clear();
        }
        self.to_server.clear();
    }
}

/// A panic elsewhere does not make the network unusable: its state is whole after every step.
pub(super) fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
