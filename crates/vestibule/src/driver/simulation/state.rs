use super::pipe::{Packet, Pipe, Side, Watcher};
use super::script::Script;
use crate::acceptor::Chance;
use crate::admission::Bells;
use crate::driver::Token;
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The network, shared by everything that stands on it.
pub(super) type Shared = Arc<Network>;

#[derive(Debug)]
pub(super) struct Network {
    state: Mutex<State>,
    /// Servers that wait for a descriptor.
    pub(super) releases: Bells,
}

#[derive(Debug)]
pub(super) struct State {
    started: Instant,
    pub(super) elapsed: Duration,
    /// Whether the clock stands still.
    pub(super) frozen: bool,
    pub(super) listeners: BTreeMap<u16, Listening>,
    pub(super) pipes: HashMap<u64, Pipe>,
    /// Ports that connecting sockets have chosen.
    pub(super) bound: BTreeSet<u16>,
    /// What is on its way, in the order in which it comes.
    flights: BTreeMap<(Duration, u64), (u64, Side, Packet)>,
    last_flight: u64,
    /// What has happened to objects of each loop.
    touched: Vec<Vec<Token>>,
    pub(super) script: Script,
    /// How long what is sent takes, on connections to come.
    pub(super) latency: Duration,
    next_pipe: u64,
    next_port: u16,
    chance: Chance,
}

/// A listening port and the clients in its queue.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) queue: VecDeque<u64>,
    pub(super) backlog: usize,
    pub(super) watcher: Option<Watcher>,
}

impl Network {
    pub(super) fn new(seed: u64) -> Shared {
        Arc::new(Self { state: Mutex::new(State::new(seed)), releases: Bells::new() })
    }
}

impl State {
    fn new(seed: u64) -> Self {
        Self {
            started: Instant::now(),
            elapsed: Duration::ZERO,
            frozen: false,
            listeners: BTreeMap::new(),
            pipes: HashMap::new(),
            bound: BTreeSet::new(),
            flights: BTreeMap::new(),
            last_flight: 0,
            touched: Vec::new(),
            script: Script::default(),
            latency: Duration::ZERO,
            next_pipe: 0,
            next_port: 49152,
            chance: Chance::new(seed),
        }
    }

    pub(super) fn seed(&mut self) -> u64 {
        self.chance.next()
    }

    /// A number below `limit`, the same for the same seed and history.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        let number = self.chance.next();
        if limit == 0 { 0 } else { usize::try_from(number % limit as u64).unwrap_or(0) }
    }

    /// How many of `length` bytes go at once: all of them, or by chance fewer.
    pub(super) fn portion(&mut self, length: usize) -> usize {
        if length > 1 && self.below(4) == 0 { 1 + self.below(length - 1) } else { length }
    }

    /// A number for a loop that joins the network.
    pub(super) fn join(&mut self) -> usize {
        self.touched.push(Vec::new());
        self.touched.len() - 1
    }

    /// What has happened to objects of a loop since it last looked.
    pub(super) fn take_touched(&mut self, driver: usize) -> Vec<Token> {
        self.touched.get_mut(driver).map(std::mem::take).unwrap_or_default()
    }

    fn touch(&mut self, watcher: Option<Watcher>) {
        if let Some((driver, token)) = watcher {
            if let Some(touched) = self.touched.get_mut(driver) {
                touched.push(token);
            }
        }
    }

    /// Both ends may see something new.
    pub(super) fn touch_pipe(&mut self, id: u64) {
        let Some(pipe) = self.pipes.get(&id) else { return };
        let watchers = [Side::Server, Side::Client].map(|side| pipe.near(side).watcher);
        for watcher in watchers {
            self.touch(watcher);
        }
    }

    /// Sends something from one side to the other, which takes the latency of the connection.
    pub(super) fn dispatch(&mut self, id: u64, from: Side, packet: Packet) {
        let elapsed = self.elapsed;
        let Some(pipe) = self.pipes.get_mut(&id) else { return };
        let latency = pipe.latency;
        let end = pipe.near_mut(from.other());
        if let Packet::Bytes(bytes) = &packet {
            end.under_way += bytes.len();
        }
        if latency.is_zero() && end.last_arrival <= elapsed {
            pipe.arrive(from.other(), packet);
            return self.touch_pipe(id);
        }
        let at = elapsed.saturating_add(latency).max(end.last_arrival);
        end.last_arrival = at;
        self.last_flight += 1;
        self.flights.insert((at, self.last_flight), (id, from.other(), packet));
    }

    /// When the next thing that is on its way comes.
    pub(super) fn next_arrival(&self) -> Option<Duration> {
        self.flights.first_key_value().map(|((at, _), _)| *at)
    }

    fn land(&mut self) {
        while let Some(first) = self.flights.first_entry() {
            if first.key().0 > self.elapsed {
                return;
            }
            let (id, side, packet) = first.remove();
            if let Some(pipe) = self.pipes.get_mut(&id) {
                pipe.arrive(side, packet);
                self.touch_pipe(id);
            }
        }
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

    /// Time passes, unless the clock stands still; more than it can count is as much as it can.
    pub(super) fn pass(&mut self, time: Duration) {
        let elapsed = self.elapsed.saturating_add(time);
        if !self.frozen && self.started.checked_add(elapsed).is_some() {
            self.elapsed = elapsed;
            self.land();
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
        let client = match from {
            Some(from) if from.port() > 0 => from,
            from => {
                let ip = from.map_or(Ipv4Addr::LOCALHOST.into(), |from| from.ip());
                SocketAddr::new(ip, self.free_port())
            }
        };
        let listening = self.listeners.get_mut(&to.port()).ok_or(Errno::CONNREFUSED)?;
        if listening.queue.len() > listening.backlog {
            return Err(Errno::TIMEDOUT);
        }
        listening.queue.push_back(id);
        let watcher = listening.watcher;
        self.pipes.insert(id, Pipe::new(to, client, self.elapsed, self.latency));
        self.touch(watcher);
        Ok(())
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.next_pipe += 1;
        self.next_pipe
    }

    /// Sends the end from one side.
    pub(super) fn shut_down(&mut self, id: u64, side: Side) {
        let Some(pipe) = self.pipes.get_mut(&id) else { return };
        if !std::mem::replace(&mut pipe.near_mut(side).ended, true) {
            self.dispatch(id, side, Packet::End);
        }
    }

    /// Resets the connection from one side, which knows it at once.
    pub(super) fn reset(&mut self, id: u64, side: Side) {
        if let Some(pipe) = self.pipes.get_mut(&id) {
            pipe.near_mut(side).broken = true;
            self.dispatch(id, side, Packet::Reset { destroys: false });
        }
    }

    /// A side closes: unread bytes turn that into a reset. A connection that both have left is forgotten.
    pub(super) fn leave(&mut self, id: u64, side: Side) {
        let Some(pipe) = self.pipes.get_mut(&id) else { return };
        let (unread, near) = (pipe.has_bytes(side), pipe.near_mut(side));
        near.gone = true;
        near.incoming.clear();
        near.watcher = None;
        let broken = near.broken;
        if unread && !broken {
            self.dispatch(id, side, Packet::Reset { destroys: true });
        } else if !broken {
            self.shut_down(id, side);
        }
        if self.pipes.get(&id).is_some_and(Pipe::was_left) {
            self.pipes.remove(&id);
        }
    }
}

/// A panic elsewhere does not make the network unusable: its state is whole after every step.
pub(super) fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.state.lock().unwrap_or_else(PoisonError::into_inner)
}
