use super::connection::SimulatedConnection;
use super::state::{Listening, Shared, WINDOW, lock};
use crate::address::Endpoint;
use crate::driver::os::Waker;
use crate::driver::slots::Slots;
use crate::driver::{Completion, Interest, ListenFailure, ListenRequest, Over, Readiness, Token, Transport};
use crate::error::Operation;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The driver of a simulated network.
pub(crate) struct SimulatedDriver {
    network: Shared,
    stand_in: Arc<OwnedFd>,
    waker: Option<Arc<Waker>>,
    listeners: Slots<Listener>,
    connections: Slots<Connection>,
    tokens: Vec<Token>,
    ready: VecDeque<Token>,
    released: bool,
}

struct Listener {
    port: u16,
    credit: u32,
}

struct Connection {
    far: SimulatedConnection,
    credit: u32,
    held: bool,
    ended: bool,
    unsent: bool,
}

impl SimulatedDriver {
    pub(super) fn new(network: Shared, stand_in: Arc<OwnedFd>) -> Self {
        Self {
            network,
            stand_in,
            waker: None,
            listeners: Slots::default(),
            connections: Slots::default(),
            tokens: Vec::new(),
            ready: VecDeque::new(),
            released: false,
        }
    }

    pub(in crate::driver) fn open(&mut self) -> io::Result<(Rc<OwnedFd>, Arc<Waker>)> {
        let waker = match &self.waker {
            Some(waker) => Arc::clone(waker),
            None => Arc::clone(self.waker.insert(Arc::new(Waker::new()?))),
        };
        Ok((Rc::new(self.stand_in.try_clone()?), waker))
    }

    pub(in crate::driver) fn listen(
        &mut self,
        request: &ListenRequest,
    ) -> Result<(Token, Endpoint), ListenFailure> {
        let refuse = |errno: Errno| ListenFailure { operation: Operation::Bind, error: errno.into() };
        if request.endpoint.address.is_null() {
            return Err(refuse(Errno::INVAL));
        }
        let mut network = lock(&self.network);
        let port = match request.endpoint.port {
            0 => network.free_port(),
            port if network.listeners.contains_key(&port) => return Err(refuse(Errno::ADDRINUSE)),
            port => port,
        };
        let backlog = request.backlog as usize;
        network.listeners.insert(port, Listening { queue: VecDeque::new(), backlog });
        let (slot, generation) = self.listeners.insert(Listener { port, credit: 0 });
        let token = Token::listener(slot, generation);
        self.tokens.push(token);
        Ok((token, Endpoint { port, ..request.endpoint }))
    }

    pub(in crate::driver) fn grant_accepts(&mut self, token: Token, credit: u32, _blocking: bool) {
        if let Some(listener) = self.listeners.get_mut(token.slot(), token.generation()) {
            listener.credit = credit;
        }
    }

    pub(in crate::driver) fn accept(&mut self, token: Token) -> Result<(Transport, SocketAddr), Errno> {
        let listener = self.listeners.get(token.slot(), token.generation()).ok_or(Errno::BADF)?;
        let id = {
            let mut network = lock(&self.network);
            let listening = network.listeners.get_mut(&listener.port).ok_or(Errno::INVAL)?;
            listening.queue.pop_front().ok_or(Errno::AGAIN)?
        };
        let connection = SimulatedConnection::new(Arc::clone(&self.network), id, Arc::clone(&self.stand_in));
        let (peer, _) = connection.addresses().unwrap_or_else(|| (endless(), endless()));
        Ok((Transport::Simulated(connection), peer))
    }

    pub(in crate::driver) fn adopt(&mut self, connection: SimulatedConnection) -> Token {
        let entry = Connection { far: connection, credit: 0, held: false, ended: false, unsent: false };
        let (slot, generation) = self.connections.insert(entry);
        let token = Token::connection(slot, generation);
        self.tokens.push(token);
        token
    }

    fn connection(&self, token: Token) -> Option<&Connection> {
        if token.is_listener() { None } else { self.connections.get(token.slot(), token.generation()) }
    }

    fn connection_mut(&mut self, token: Token) -> Option<&mut Connection> {
        if token.is_listener() { None } else { self.connections.get_mut(token.slot(), token.generation()) }
    }

    pub(in crate::driver) fn grant_bytes(&mut self, token: Token, credit: u32) {
        if let Some(connection) = self.connection_mut(token) {
            connection.credit = credit;
        }
    }

    pub(in crate::driver) fn hold(&mut self, token: Token, held: bool) {
        if let Some(connection) = self.connection_mut(token) {
            connection.held = held;
        }
    }

    pub(in crate::driver) fn send(
        &mut self,
        token: Token,
        bytes: &[u8],
        _last: bool,
    ) -> Result<usize, Errno> {
        let connection = self.connection_mut(token).ok_or(Errno::BADF)?;
        let sent = connection.far.send(bytes)?;
        connection.unsent = sent < bytes.len();
        Ok(sent)
    }

    pub(in crate::driver) fn receive(&mut self, token: Token, buffer: &mut [u8]) -> Result<usize, Errno> {
        self.connection(token).ok_or(Errno::BADF)?.far.receive(buffer)
    }

    pub(in crate::driver) fn shut_down(&mut self, token: Token) {
        if let Some(connection) = self.connection(token) {
            connection.far.with(|pipe| pipe.server_ended = true);
        }
    }

    pub(in crate::driver) fn local_address(&self, token: Token) -> Option<SocketAddr> {
        self.connection(token)?.far.addresses().map(|(_, server)| server)
    }

    pub(in crate::driver) fn remove(&mut self, token: Token) -> Option<Transport> {
        self.released = true;
        self.tokens.retain(|known| *known != token);
        if token.is_listener() {
            let listener = self.listeners.remove(token.slot(), token.generation())?;
            let mut network = lock(&self.network);
            for id in network.listeners.remove(&listener.port)?.queue {
                if let Some(pipe) = network.pipes.get_mut(&id) {
                    pipe.reset = true;
                    pipe.server_gone = true;
                }
                network.sweep(id);
            }
            return None;
        }
        let connection = self.connections.remove(token.slot(), token.generation())?;
        Some(Transport::Simulated(connection.far))
    }

    pub(in crate::driver) fn take_released(&mut self) -> bool {
        std::mem::take(&mut self.released)
    }

    /// Finds what is ready, in an order drawn from the seed; if nothing is, the clock moves on.
    pub(in crate::driver) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let mut ready: Vec<Token> =
            self.tokens.iter().copied().filter(|token| self.is_ready(*token, None)).collect();
        let mut network = lock(&self.network);
        for at in (1..ready.len()).rev() {
            ready.swap(at, network.below(at + 1));
        }
        if ready.is_empty() && !self.waker.as_ref().is_some_and(|waker| waker.is_raised()) {
            network.elapsed += timeout.ok_or_else(nothing_will_happen)?;
        }
        self.ready = ready.into();
        Ok(())
    }

    pub(in crate::driver) fn next(&mut self, buffer: &mut [u8]) -> Option<Completion> {
        if self.waker.as_ref().is_some_and(|waker| waker.is_raised()) {
            return Some(Completion::Woken);
        }
        while let Some(token) = self.ready.front().copied() {
            let completion = if token.is_listener() {
                self.next_accepted(token)
            } else {
                self.next_of_connection(token, buffer)
            };
            if completion.is_some() {
                return completion;
            }
        }
        None
    }

    fn next_accepted(&mut self, token: Token) -> Option<Completion> {
        let credit = self.listeners.get(token.slot(), token.generation()).map_or(0, |it| it.credit);
        let accepted = if credit > 0 { self.accept(token) } else { Err(Errno::AGAIN) };
        match accepted {
            Ok((transport, peer)) => Some(Completion::Accepted(token, transport, peer)),
            Err(Errno::AGAIN) => {
                self.ready.pop_front();
                None
            }
            Err(errno) => Some(Completion::Failed(token, errno)),
        }
    }

    fn next_of_connection(&mut self, token: Token, buffer: &mut [u8]) -> Option<Completion> {
        let connection = self.connections.get_mut(token.slot(), token.generation());
        let Some(connection) = connection.filter(|connection| !connection.held) else {
            self.ready.pop_front();
            return None;
        };
        let (reset, room) = connection.far.with(|pipe| (pipe.reset, pipe.to_client.len() < WINDOW))?;
        if connection.unsent && room && !reset {
            connection.unsent = false; // the same object may have bytes to receive: it stays in front
            return Some(Completion::Writable(token));
        }
        self.ready.pop_front();
        if reset {
            return Some(Completion::Failed(token, Errno::CONNRESET));
        }
        let unread = connection.far.with(|pipe| !pipe.to_server.is_empty())?;
        if connection.ended || (connection.credit == 0 && unread) {
            return None;
        }
        let room = buffer.len().min((connection.credit as usize).max(1));
        match connection.far.receive(buffer.get_mut(..room)?) {
            Ok(0) => {
                connection.ended = true;
                Some(Completion::Ended(token))
            }
            Ok(length) => Some(Completion::Received(token, length)),
            Err(Errno::AGAIN) => None,
            Err(errno) => Some(Completion::Failed(token, errno)),
        }
    }

    pub(in crate::driver) fn wait_for(
        &mut self,
        interests: &[Interest],
        timeout: Option<Duration>,
        ready: &mut Vec<Readiness>,
    ) -> io::Result<()> {
        ready.clear();
        for interest in interests {
            let Interest { token, readable, writable, end } = *interest;
            if self.is_ready(token, Some(*interest)) {
                let over = if end { self.over(token) } else { None };
                ready.push(Readiness { token, readable, writable, over });
            }
        }
        if ready.is_empty() {
            lock(&self.network).elapsed += timeout.ok_or_else(nothing_will_happen)?;
        }
        Ok(())
    }

    /// How a connection is over that is not to be received from.
    fn over(&mut self, token: Token) -> Option<Over> {
        let connection = self.connection_mut(token)?;
        let (reset, ended) =
            connection.far.with(|pipe| (pipe.reset, pipe.client_ended && pipe.to_server.is_empty()))?;
        if reset {
            return Some(Over::Failed(Errno::CONNRESET));
        }
        connection.ended |= ended;
        ended.then_some(Over::Ended)
    }

    /// Whether something is to be told of an object; a wait's interest overrides what was granted.
    fn is_ready(&self, token: Token, interest: Option<Interest>) -> bool {
        if token.is_listener() {
            let Some(listener) = self.listeners.get(token.slot(), token.generation()) else {
                return false;
            };
            let network = lock(&self.network);
            let queued = network.listeners.get(&listener.port).is_some_and(|it| !it.queue.is_empty());
            return queued && (interest.is_some() || listener.credit > 0);
        }
        let Some(connection) = self.connection(token) else {
            return false;
        };
        let read = interest.map_or(connection.credit > 0, |interest| interest.readable);
        let write = interest.map_or(connection.unsent, |interest| interest.writable);
        let held = connection.held && interest.is_none();
        let ready = connection.far.with(|pipe| {
            let end = pipe.client_ended
                && pipe.to_server.is_empty()
                && interest.map_or(!connection.ended, |interest| interest.readable || interest.end);
            let room = pipe.to_client.len() < WINDOW;
            pipe.reset || (read && !pipe.to_server.is_empty()) || end || (write && room)
        });
        !held && ready.unwrap_or(false)
    }

    pub(in crate::driver) fn now(&self) -> Instant {
        let network = lock(&self.network);
        network.started + network.elapsed
    }
}

fn nothing_will_happen() -> io::Error {
    io::Error::other("this simulation would wait for ever: nothing is ready and no time-out is set")
}

/// The address of a peer that left while it was in the queue.
fn endless() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}
