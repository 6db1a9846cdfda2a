use super::connection::SimulatedConnection;
use super::state::{Listening, Shared, Side, lock};
use crate::address::Endpoint;
use crate::driver::os::Waker;
use crate::driver::slots::Slots;
use crate::driver::{ListenFailure, ListenRequest, SocketOptions, Token, Transport};
use crate::error::Operation;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// The driver of a simulated network.
pub(crate) struct SimulatedDriver {
    pub(super) network: Shared,
    pub(super) stand_in: Arc<OwnedFd>,
    pub(super) waker: Option<Arc<Waker>>,
    /// What a host gets to wait for, in vain.
    descriptor: Option<Rc<Waker>>,
    pub(super) listeners: Slots<Listener>,
    pub(super) connections: Slots<Connection>,
    pub(super) tokens: Vec<Token>,
    pub(super) ready: VecDeque<Token>,
    pub(super) woken: bool,
    /// Turns since time passed.
    pub(super) busy_turns: u32,
    released: bool,
}

pub(super) struct Listener {
    pub(super) port: u16,
    pub(super) credit: u32,
}

#[allow(clippy::struct_excessive_bools, reason = "each is a state of its own")]
pub(super) struct Connection {
    pub(super) far: SimulatedConnection,
    pub(super) credit: u32,
    pub(super) held: bool,
    pub(super) ended: bool,
    pub(super) unsent: bool,
    pub(super) connecting: bool,
    /// Options that were set; they change nothing here.
    pub(super) options: SocketOptions,
}

impl Connection {
    fn new(far: SimulatedConnection) -> Self {
        Self {
            far,
            credit: 0,
            held: false,
            ended: false,
            unsent: false,
            connecting: false,
            options: SocketOptions::default(),
        }
    }
}

impl SimulatedDriver {
    pub(super) fn new(network: Shared, stand_in: Arc<OwnedFd>) -> Self {
        Self {
            network,
            stand_in,
            waker: None,
            descriptor: None,
            listeners: Slots::default(),
            connections: Slots::default(),
            tokens: Vec::new(),
            ready: VecDeque::new(),
            woken: false,
            busy_turns: 0,
            released: false,
        }
    }

    pub(in crate::driver) fn open(&mut self) -> io::Result<(Rc<dyn AsFd>, Arc<Waker>)> {
        let waker = match &self.waker {
            Some(waker) => Arc::clone(waker),
            None => Arc::clone(self.waker.insert(Arc::new(Waker::new()?))),
        };
        let never_ready: Rc<dyn AsFd> = match &self.descriptor {
            Some(descriptor) => Rc::<Waker>::clone(descriptor),
            None => Rc::<Waker>::clone(self.descriptor.insert(Rc::new(Waker::new()?))),
        };
        Ok((never_ready, waker))
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
            port if network.is_taken(port) => return Err(refuse(Errno::ADDRINUSE)),
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
        let connection =
            SimulatedConnection::accepted(Arc::clone(&self.network), id, Arc::clone(&self.stand_in));
        let peer = connection.peer_address().unwrap_or_else(nowhere);
        Ok((Transport::Simulated(connection), peer))
    }

    pub(in crate::driver) fn adopt(&mut self, connection: SimulatedConnection) -> Token {
        let (slot, generation) = self.connections.insert(Connection::new(connection));
        let token = Token::connection(slot, generation);
        self.tokens.push(token);
        token
    }

    pub(super) fn connection(&self, token: Token) -> Option<&Connection> {
        if token.is_listener() { None } else { self.connections.get(token.slot(), token.generation()) }
    }

    pub(super) fn connection_mut(&mut self, token: Token) -> Option<&mut Connection> {
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
            connection.far.with(|pipe, side| pipe.near_mut(side).ended = true);
        }
    }

    pub(in crate::driver) fn local_address(&self, token: Token) -> Option<SocketAddr> {
        self.connection(token)?.far.local_address()
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
                    pipe.leave(Side::Server);
                }
                network.sweep(id);
            }
            return None;
        }
        let connection = self.connections.remove(token.slot(), token.generation())?;
        Some(Transport::Simulated(connection.far))
    }

    pub(in crate::driver) fn has_released(&self) -> bool {
        self.released
    }

    pub(in crate::driver) fn take_released(&mut self) -> bool {
        std::mem::take(&mut self.released)
    }

    pub(in crate::driver) fn now(&self) -> Instant {
        let network = lock(&self.network);
        network.now()
    }
}

/// The address of a peer that left while it was in the queue.
fn nowhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}
