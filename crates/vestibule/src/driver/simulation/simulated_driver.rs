use super::connection::SimulatedConnection;
use super::pipe::Side;
use super::state::{Shared, lock};
use crate::admission::{Bells, Ledger, Permit};
use crate::driver::os::Waker;
use crate::driver::slots::Slots;
use crate::driver::transport::Line;
use crate::driver::{SocketOptions, Token, Transport};
use rustix::io::Errno;
use std::collections::{BTreeSet, VecDeque};
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
    /// What this loop is called on the network.
    pub(super) number: usize,
    /// Objects of which something may be to be told: all others are as they were when nothing was.
    pub(super) hot: BTreeSet<Token>,
    pub(super) ready: VecDeque<Token>,
    pub(super) woken: bool,
    /// What was told to be writable, and may have bytes to receive.
    pub(super) told_writable: Option<Token>,
    /// Turns since time passed.
    pub(super) busy_turns: u32,
}

pub(super) struct Listener {
    pub(super) port: u16,
    pub(super) granted: bool,
}

#[allow(clippy::struct_excessive_bools, reason = "each is a state of its own")]
pub(super) struct Connection {
    pub(super) far: SimulatedConnection,
    /// Its place among the open connections of a server; given back once the connection is closed.
    pub(super) permit: Option<Permit>,
    pub(super) credit: u32,
    pub(super) held: bool,
    pub(super) ended: bool,
    pub(super) unsent: bool,
    pub(super) connecting: bool,
    /// Options that were set; they change nothing here.
    pub(super) options: SocketOptions,
}

impl Connection {
    fn new(far: SimulatedConnection, permit: Option<Permit>) -> Self {
        Self {
            far,
            permit,
            credit: 0,
            held: false,
            ended: false,
            unsent: false,
            connecting: false,
            options: SocketOptions::default(),
        }
    }

    /// Receives, and counts it.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        let length = self.far.receive(buffer)?;
        if let Some(permit) = &self.permit {
            permit.ledger().received(length);
        }
        Ok(length)
    }
}

impl SimulatedDriver {
    pub(super) fn new(network: Shared, stand_in: Arc<OwnedFd>) -> Self {
        let number = lock(&network).join();
        Self {
            network,
            stand_in,
            waker: None,
            descriptor: None,
            listeners: Slots::default(),
            connections: Slots::default(),
            number,
            hot: BTreeSet::new(),
            ready: VecDeque::new(),
            woken: false,
            told_writable: None,
            busy_turns: 0,
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

    pub(in crate::driver) fn has_unread(&self, token: Token) -> bool {
        let has_bytes = |connection: &Connection| connection.far.with(|pipe, side| pipe.has_bytes(side));
        self.connection(token).and_then(has_bytes) == Some(true)
    }

    pub(in crate::driver) fn seed(&self) -> u64 {
        lock(&self.network).seed()
    }

    pub(in crate::driver) fn adopt(
        &mut self,
        connection: SimulatedConnection,
        permit: Option<Permit>,
    ) -> Token {
        let (slot, generation) = self.connections.insert(Connection::new(connection, permit));
        let token = Token::connection(slot, generation);
        if let Some(connection) = self.connection(token) {
            connection.far.watch(Some((self.number, token)));
        }
        self.hot.insert(token);
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
            self.hot.insert(token);
        }
    }

    pub(in crate::driver) fn hold(&mut self, token: Token, held: bool) {
        if let Some(connection) = self.connection_mut(token) {
            connection.held = held;
            self.hot.insert(token);
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
        if let Some(permit) = &connection.permit {
            permit.ledger().sent(sent);
        }
        self.hot.insert(token);
        Ok(sent)
    }

    pub(in crate::driver) fn receive(&mut self, token: Token, buffer: &mut [u8]) -> Result<usize, Errno> {
        self.connection(token).ok_or(Errno::BADF)?.receive(buffer)
    }

    pub(in crate::driver) fn shut_down(&mut self, token: Token) {
        if let Some(connection) = self.connection(token) {
            connection.far.shut_down();
        }
    }

    pub(in crate::driver) fn local_address(&self, token: Token) -> Option<SocketAddr> {
        self.connection(token)?.far.local_address()
    }

    pub(in crate::driver) fn remove(&mut self, token: Token) -> Option<Transport> {
        self.hot.remove(&token);
        if token.is_listener() {
            let listener = self.listeners.remove(token.slot(), token.generation())?;
            let mut state = lock(&self.network);
            for id in state.listeners.remove(&listener.port)?.queue {
                state.reset(id, Side::Server);
                state.leave(id, Side::Server);
            }
            drop(state);
            self.network.releases.ring();
            return None;
        }
        let connection = self.connections.remove(token.slot(), token.generation())?;
        connection.far.watch(None);
        Some(Transport::new(Line::Simulated(connection.far)).with_permit(connection.permit))
    }

    pub(in crate::driver) fn connections_of(
        &self,
        ledger: &Arc<Ledger>,
        from: usize,
        most: usize,
    ) -> (Vec<Token>, Option<usize>) {
        let is_of = |permit: &Permit| permit.is_of(ledger);
        self.connections
            .search(from, usize::MAX, most, |connection| connection.permit.as_ref().is_some_and(is_of))
    }

    pub(in crate::driver) fn permit(&self, token: Token) -> Option<&Permit> {
        self.connection(token)?.permit.as_ref()
    }

    pub(in crate::driver) fn releases(&self) -> &Bells {
        &self.network.releases
    }

    pub(in crate::driver) fn now(&self) -> Instant {
        let network = lock(&self.network);
        network.now()
    }
}
