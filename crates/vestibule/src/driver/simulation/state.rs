use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
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
    /// Ports that connecting sockets have chosen.
    pub(super) bound: BTreeSet<u16>,
    next_pipe: u64,
    next_port: u16,
    random: u64,
}

/// A listening port and the clients in its queue.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) queue: VecDeque<u64>,
    pub(super) backlog: usize,
}

/// Both ends of one connection.
#[derive(Debug)]
pub(super) struct Pipe {
    ends: [End; 2],
    pub(super) reset: bool,
}

/// One end of a connection.
#[derive(Debug)]
pub(super) struct End {
    /// What has come here and was not received.
    pub(super) incoming: VecDeque<u8>,
    /// Whether this end sends nothing more.
    pub(super) ended: bool,
    /// Whether this end was left.
    pub(super) gone: bool,
    pub(super) address: SocketAddr,
}

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Server,
    Client,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Server => Self::Client,
            Self::Client => Self::Server,
        }
    }
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            started: Instant::now(),
            elapsed: Duration::ZERO,
            listeners: BTreeMap::new(),
            pipes: BTreeMap::new(),
            bound: BTreeSet::new(),
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
            if !self.is_taken(port) {
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

    pub(super) fn is_taken(&self, port: u16) -> bool {
        self.listeners.contains_key(&port) || self.bound.contains(&port)
    }

    /// Keeps a port for a socket that is to connect.
    pub(super) fn bind(&mut self, local: SocketAddr) -> Result<SocketAddr, Errno> {
        let port = if local.port() == 0 { self.free_port() } else { local.port() };
        if self.is_taken(port) {
            return Err(Errno::ADDRINUSE);
        }
        self.bound.insert(port);
        Ok(SocketAddr::new(local.ip(), port))
    }

    /// A client connects to a port: the pipe stands under this number, and waits in the listener's queue.
    pub(super) fn connect(&mut self, id: u64, to: SocketAddr, from: Option<SocketAddr>) -> Result<(), Errno> {
        let client = from.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, self.free_port())));
        let listening = self.listeners.get_mut(&to.port()).ok_or(Errno::CONNREFUSED)?;
        if listening.queue.len() > listening.backlog {
            return Err(Errno::TIMEDOUT);
        }
        listening.queue.push_back(id);
        self.pipes.insert(id, Pipe::new(to, client));
        Ok(())
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.next_pipe += 1;
        self.next_pipe
    }

    /// Forgets a connection that both sides have left.
    pub(super) fn sweep(&mut self, id: u64) {
        if self.pipes.get(&id).is_some_and(Pipe::was_left) {
            self.pipes.remove(&id);
        }
    }
}

impl Pipe {
    pub(super) fn new(server: SocketAddr, client: SocketAddr) -> Self {
        let end = |address| End { incoming: VecDeque::new(), ended: false, gone: false, address };
        Self { ends: [end(server), end(client)], reset: false }
    }

    pub(super) fn near(&self, side: Side) -> &End {
        let [server, client] = &self.ends;
        if side == Side::Server { server } else { client }
    }

    pub(super) fn near_mut(&mut self, side: Side) -> &mut End {
        let [server, client] = &mut self.ends;
        if side == Side::Server { server } else { client }
    }

    pub(super) fn far(&self, side: Side) -> &End {
        self.near(side.other())
    }

    pub(super) fn far_mut(&mut self, side: Side) -> &mut End {
        self.near_mut(side.other())
    }

    pub(super) fn has_bytes(&self, side: Side) -> bool {
        !self.near(side).incoming.is_empty()
    }

    /// Whether everything was received and nothing more comes.
    pub(super) fn has_finished(&self, side: Side) -> bool {
        self.far(side).ended && !self.has_bytes(side)
    }

    /// How many bytes can be sent from this side now.
    pub(super) fn room(&self, side: Side) -> usize {
        WINDOW.saturating_sub(self.far(side).incoming.len())
    }

    /// A side closes: unread bytes turn that into a reset, which destroys what is under way.
    pub(super) fn leave(&mut self, side: Side) {
        if self.has_bytes(side) {
            self.reset = true;
            self.far_mut(side).incoming.clear();
        }
        let reset = self.reset;
        let near = self.near_mut(side);
        near.gone = true;
        near.ended |= !reset;
        near.incoming.clear();
    }

    fn was_left(&self) -> bool {
        self.ends.iter().all(|end| end.gone)
    }
}

/// A panic elsewhere does not make the network unusable: its state is whole after every step.
pub(super) fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
