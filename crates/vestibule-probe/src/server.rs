//! A server with a log of its signals, and what its hook and its slots need.

use crate::connection::Connection;
use crate::connections::Connections;
use crate::failure::Failure;
use crate::log::Log;
use crate::reaction::{Action, Occasion};
use crate::spelling;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;
use vestibule::{EventLoop, IncomingConnection, SocketError, TcpServer, WeakTcpServer};

/// A server with a log of its signals, and what its hook and its slots need. All but the server itself survives it.
pub(crate) struct Server {
    name: String,
    /// The one owner, here so that a slot can drop it. All calls go through the handle: no borrow is held in them.
    owner: RefCell<Option<TcpServer>>,
    handle: WeakTcpServer,
    connections: Rc<Connections>,
    pub(crate) log: Log,
    /// The connections that the hook kept.
    pub(crate) kept: RefCell<VecDeque<IncomingConnection>>,
    /// How often the hook ran.
    pub(crate) hooked: Cell<usize>,
    pub(crate) reactions: RefCell<HashMap<Occasion, Rc<[Action]>>>,
    /// How many connections slots have taken.
    taken: Cell<usize>,
    port: Cell<u16>,
}

impl Server {
    pub(crate) fn new(event_loop: &EventLoop, name: &str, connections: &Rc<Connections>) -> Rc<Self> {
        let owner = TcpServer::new(event_loop);
        let server = Rc::new(Self {
            name: name.to_owned(),
            handle: owner.downgrade(),
            owner: RefCell::default(),
            connections: Rc::clone(connections),
            log: Log::default(),
            kept: RefCell::default(),
            hooked: Cell::default(),
            reactions: RefCell::default(),
            taken: Cell::default(),
            port: Cell::default(),
        });
        server.record(&owner);
        server.owner.replace(Some(owner));
        server
    }

    /// Connects the slots. They hold this weakly, because this holds them.
    fn record(self: &Rc<Self>, owner: &TcpServer) {
        let weak = Rc::downgrade(self);
        owner.pending_connection_available().connect(move |server| {
            if let Some(this) = weak.upgrade() {
                this.slot(server, Occasion::Pending, "pending".to_owned());
            }
        });
        let weak = Rc::downgrade(self);
        owner.new_connection().connect(move |server| {
            if let Some(this) = weak.upgrade() {
                this.slot(server, Occasion::New, "new".to_owned());
            }
        });
        let weak = Rc::downgrade(self);
        owner.accept_error().connect(move |server, error| {
            if let Some(this) = weak.upgrade() {
                let word = format!("accept-error:{}", spelling::error(error));
                this.slot(server, Occasion::AcceptError, word);
            }
        });
    }

    /// Records a signal, then does what the scenario wants to be done in its slot.
    fn slot(&self, server: &TcpServer, occasion: Occasion, word: String) {
        self.log.push(word);
        let actions = self.reactions.borrow().get(&occasion).cloned();
        for action in actions.iter().flat_map(|actions| actions.iter()) {
            if self.is_gone() {
                return;
            }
            action.perform(self, server);
        }
    }

    /// Calls the closure with the server; no borrow is held meanwhile.
    pub(crate) fn with<R>(&self, call: impl FnOnce(&TcpServer) -> R) -> Result<R, Failure> {
        self.handle.with(call).ok_or(Failure::Gone)
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.owner.borrow().is_none()
    }

    /// Destroys the server.
    pub(crate) fn destroy(&self) -> Result<(), Failure> {
        let owner = self.owner.take();
        owner.map(drop).ok_or(Failure::Gone)
    }

    /// The port that the server listens on, or listened on when somebody last looked.
    pub(crate) fn last_port(&self) -> u16 {
        let port = self.with(TcpServer::server_port).unwrap_or(0);
        if port > 0 {
            self.port.set(port);
        }
        self.port.get()
    }

    /// Takes the next pending connection under this name, if there is one.
    pub(crate) fn take(&self, server: &TcpServer, name: &str) -> bool {
        let Some(socket) = server.next_pending_connection() else {
            return false;
        };
        self.connections.keep(name, Connection::new(socket));
        true
    }

    /// Takes the next pending connection for a slot, and gives its name.
    pub(crate) fn take_in_slot(&self, server: &TcpServer) -> Option<String> {
        let number = self.taken.get() + 1;
        let name = format!("{}.{number}", self.name);
        if !self.take(server, &name) {
            return None;
        }
        self.taken.set(number);
        Some(name)
    }

    /// Writes a word to a connection that a slot took, and disconnects it.
    pub(crate) fn reply(&self, connection: &str) {
        let socket = self.connections.socket(connection);
        socket.and_then(|socket| {
            socket.with(|socket| {
                socket.write(b"hello");
                socket.disconnect_from_host();
            })
        });
    }
}

/// Blocks in the wait for a new connection, and says how it ended.
pub(crate) fn wait(server: &TcpServer, limit: Option<Duration>) -> &'static str {
    match server.wait_for_new_connection(limit) {
        Ok(true) => "true",
        // The last error may be of an earlier wait: it says nothing of a server that a slot closed or dropped.
        Ok(false) if server.is_listening() && server.server_error() == SocketError::SocketTimeout => {
            "false timedout"
        }
        Ok(false) | Err(_) => "false",
    }
}
