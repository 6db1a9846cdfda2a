//! What a scenario has made so far, by name.

use crate::arguments::read;
use crate::client::{Client, Place};
use crate::connections::Connections;
use crate::descriptors::Fillers;
use crate::failure::Failure;
use crate::server::Server;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};
use vestibule::{EventLoop, TcpSocket};

/// What a scenario has made so far, and the one event loop.
pub(crate) struct Probe {
    pub(crate) event_loop: EventLoop,
    pub(crate) servers: HashMap<String, Rc<Server>>,
    /// Shared with the servers, whose slots take connections too.
    pub(crate) connections: Rc<Connections>,
    pub(crate) clients: HashMap<String, Place>,
    pub(crate) fillers: Fillers,
    /// The far ends of what servers were to adopt: kept open, so that nothing but the descriptor's kind matters.
    pub(crate) far_ends: Vec<OwnedFd>,
    /// How often the last factory of proxies was asked.
    pub(crate) factory_calls: Arc<AtomicUsize>,
}

impl Probe {
    pub(crate) fn new() -> Result<Self, Failure> {
        Ok(Self {
            event_loop: EventLoop::new()?,
            servers: HashMap::new(),
            connections: Rc::default(),
            clients: HashMap::new(),
            fillers: Fillers::default(),
            far_ends: Vec::new(),
            factory_calls: Arc::default(),
        })
    }

    /// What is known of a server, which may be gone itself.
    pub(crate) fn server(&self, name: &str) -> Result<&Rc<Server>, Failure> {
        self.servers.get(name).ok_or(Failure::Gone)
    }

    /// Calls the closure with a connection; no borrow is held meanwhile.
    pub(crate) fn with_connection<R>(
        &self,
        name: &str,
        call: impl FnOnce(&TcpSocket) -> R,
    ) -> Result<R, Failure> {
        let socket = self.connections.socket(name).ok_or(Failure::Gone)?;
        socket.with(call).ok_or(Failure::Gone)
    }

    /// A raw client; waits for one that connects later.
    pub(crate) fn client(&mut self, name: &str) -> Result<Rc<Client>, Failure> {
        let place = self.clients.remove(name).ok_or(Failure::Gone)?;
        let client = place.arrive();
        if let Some(client) = &client {
            self.clients.insert(name.to_owned(), Place::Here(Rc::clone(client)));
        }
        client.ok_or(Failure::Gone)
    }

    /// The port that a word means: a number, or `@S` for the one that server S listens or last listened on.
    pub(crate) fn port(&self, word: &str) -> Result<u16, Failure> {
        match word.strip_prefix('@') {
            Some(server) => Ok(self.server(server)?.last_port()),
            None => read(word, "a port"),
        }
    }

    /// Runs the event loop for so long, and at least one turn of it.
    pub(crate) fn spin(&self, time: Duration) -> Result<(), Failure> {
        let started = Instant::now();
        loop {
            let left = time.saturating_sub(started.elapsed());
            self.event_loop.process_events(Some(left))?;
            if started.elapsed() >= time {
                return Ok(());
            }
        }
    }
}
